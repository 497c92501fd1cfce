//! Events counted for a while, by key: what slows guessing and floods down.
//!
//! Knows no people and no requests; what counts, whoever counts decides. Invariant: the memory is bounded, however
//! many keys are tried.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use crate::clock::Timestamp;
use crate::limits;
use crate::lock::locked;
use crate::secret;

/// Counts by key: so many in a window, the window beginning with the first.
pub struct Throttle {
    max: u32,
    seconds: i64,
    counts: Mutex<HashMap<[u8; 32], (Timestamp, u32)>>,
}

impl Throttle {
    /// Lets `max` events of one key pass in each window of `seconds`.
    pub fn new(max: u32, seconds: i64) -> Throttle {
        Throttle { max, seconds, counts: Mutex::new(HashMap::new()) }
    }

    /// Whether one more event of this key may be tried.
    pub fn allows(&self, key: [u8; 32], now: Timestamp) -> bool {
        let counts = locked(&self.counts);
        counts.get(&key).is_none_or(|(since, count)| since.plus(self.seconds) <= now || *count < self.max)
    }

    /// Counts an event.
    pub fn count(&self, key: [u8; 32], now: Timestamp) {
        let mut counts = locked(&self.counts);
        if counts.len() >= limits::THROTTLE_KEYS_MAX {
            counts.retain(|_, (since, _)| since.plus(self.seconds) > now);
        }
        if counts.len() >= limits::THROTTLE_KEYS_MAX && !counts.contains_key(&key) {
            // All of these are fresh: somebody tries many names. The oldest makes room.
            let oldest = counts.iter().min_by_key(|(_, (since, _))| *since).map(|(key, _)| *key);
            oldest.map(|key| counts.remove(&key));
        }
        let entry = counts.entry(key).or_insert((now, 0));
        if entry.0.plus(self.seconds) <= now {
            *entry = (now, 0);
        }
        entry.1 += 1;
    }

    /// Forgets a key: somebody did it right.
    pub fn forget(&self, key: [u8; 32]) {
        locked(&self.counts).remove(&key);
    }
}

/// What counts as one account: an email in any case, so that spelling it otherwise gains no tries.
pub fn account_key(email: &str) -> [u8; 32] {
    secret::sha256(email.to_ascii_lowercase().as_bytes())
}

/// What counts as one address: an IPv4 address, or the /64 that an IPv6 host picks its own addresses from.
pub fn address_key(address: IpAddr) -> [u8; 32] {
    match address {
        IpAddr::V4(address) => secret::sha256(&address.octets()),
        IpAddr::V6(address) => secret::sha256(&address.octets()[..8]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_a_key_at_its_maximum_until_the_window_ends() {
        let throttle = Throttle::new(2, 60);
        let (one, other, start) = ([1; 32], [2; 32], Timestamp(1000));
        for _ in 0..2 {
            assert!(throttle.allows(one, start));
            throttle.count(one, start);
        }
        assert!(!throttle.allows(one, start.plus(59)));
        assert!(throttle.allows(other, start));
        assert!(throttle.allows(one, start.plus(60)));
        throttle.count(one, start.plus(60));
        assert!(throttle.allows(one, start.plus(61)));
        throttle.count(one, start.plus(61));
        assert!(!throttle.allows(one, start.plus(62)));
        throttle.forget(one);
        assert!(throttle.allows(one, start.plus(62)));
    }

    #[test]
    fn keeps_its_memory_bounded() {
        let throttle = Throttle::new(1, 60);
        for number in 0..limits::THROTTLE_KEYS_MAX as u64 + 10 {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            throttle.count(key, Timestamp(number as i64 / 1000));
        }
        assert_eq!(throttle.counts.lock().expect("the counts").len(), limits::THROTTLE_KEYS_MAX);
    }
}
