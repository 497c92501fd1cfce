//! Counts events in a window of time, by key. The counts slow down guesses at passwords.
//!
//! Reads no request and no database; its callers decide which events count. Invariant: it keeps at most
//! [`limits::THROTTLE_KEYS_MAX`] keys, however many are tried.
//!
//! The counts are in memory, so a restart forgets them, and no endpoint restarts the server. A fixed window lets up
//! to twice its maximum through around its end, which a sliding window would not; that hardly helps an attacker who
//! guesses, and a fixed window needs only two numbers for a key. Several servers with one database would have to
//! share the counts.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Mutex;

use crate::clock::Timestamp;
use crate::limits;
use crate::lock::locked;
use crate::secret;

/// Counts by key: at most `max` in a window, which begins with a key's first event.
pub(crate) struct Throttle {
    max: u32,
    seconds: i64,
    counts: Mutex<Counts>,
}

/// Keys are digests: they are all of one size, however long the address is that was typed, and no email address stays
/// in memory.
#[derive(Default)]
struct Counts {
    /// For each key the beginning of its window, and the events in it.
    windows: HashMap<[u8; 32], (Timestamp, u32)>,
    /// The same keys, the oldest window first: so none has to be looked for among all others.
    oldest: BTreeSet<(Timestamp, [u8; 32])>,
}

impl Counts {
    fn remove(&mut self, key: [u8; 32]) {
        if let Some((since, _)) = self.windows.remove(&key) {
            self.oldest.remove(&(since, key));
        }
    }
}

impl Throttle {
    pub(crate) fn new(max: u32, seconds: i64) -> Throttle {
        Throttle { max, seconds, counts: Mutex::default() }
    }

    /// Returns in how many seconds one more event of this key may be tried; `None` if that is now. The function counts
    /// nothing: only the caller knows afterwards whether the event is to be counted.
    pub(crate) fn wait(&self, key: [u8; 32], now: Timestamp) -> Option<u64> {
        let (since, count) = locked(&self.counts).windows.get(&key).copied()?;
        let left = since.plus(self.seconds).0.saturating_sub(now.0);
        u64::try_from(left).ok().filter(|left| *left > 0 && count >= self.max)
    }

    /// Counts an event of this key.
    pub(crate) fn count(&self, key: [u8; 32], now: Timestamp) {
        let mut counts = locked(&self.counts);
        if counts.windows.get(&key).is_some_and(|(since, _)| since.plus(self.seconds) <= now) {
            counts.remove(key);
        }
        if let Some((_, count)) = counts.windows.get_mut(&key) {
            *count += 1;
            return;
        }
        // The oldest key makes room, since its window has ended or will end first. If the windows of all keys are open,
        // an attacker may be trying many names, and could push out a key in this way, but only with ten thousand
        // failures at other accounts, each of which takes the time of a password hash.
        if counts.windows.len() >= limits::THROTTLE_KEYS_MAX
            && let Some((_, oldest)) = counts.oldest.first().copied()
        {
            counts.remove(oldest);
        }
        counts.windows.insert(key, (now, 1));
        counts.oldest.insert((now, key));
    }

    /// Forgets a key after a success: the failures before it were probably mistakes of the person themselves.
    pub(crate) fn forget(&self, key: [u8; 32]) {
        locked(&self.counts).remove(key);
    }
}

/// Makes the key of an account from its email address, without regard to case, as the database compares it. Otherwise
/// each spelling of one address would have tries of its own.
pub(crate) fn account_key(email: &str) -> [u8; 32] {
    secret::sha256(email.to_ascii_lowercase().as_bytes())
}

/// Makes the key of a network address from an IPv4 address, or from the /64 of an IPv6 address. A provider gives each
/// customer at least a /64 (RFC 6177 §2), and a host can take as many addresses within it as it likes (RFC 8981).
pub(crate) fn address_key(address: IpAddr) -> [u8; 32] {
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
            assert_eq!(throttle.wait(one, start), None);
            throttle.count(one, start);
        }
        assert_eq!(throttle.wait(one, start.plus(1)), Some(59));
        assert_eq!(throttle.wait(one, start.plus(59)), Some(1));
        assert_eq!(throttle.wait(other, start), None);
        assert_eq!(throttle.wait(one, start.plus(60)), None);
        throttle.count(one, start.plus(60));
        assert_eq!(throttle.wait(one, start.plus(61)), None);
        throttle.count(one, start.plus(61));
        assert_eq!(throttle.wait(one, start.plus(62)), Some(58), "since the window's first event");
        throttle.forget(one);
        assert_eq!(throttle.wait(one, start.plus(62)), None);
    }

    #[test]
    fn keeps_its_memory_bounded() {
        let throttle = Throttle::new(1, 60);
        for number in 0..limits::THROTTLE_KEYS_MAX as u64 + 10 {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            throttle.count(key, Timestamp(number as i64 / 1000));
        }
        let counts = throttle.counts.lock().expect("the counts");
        assert_eq!(counts.windows.len(), limits::THROTTLE_KEYS_MAX);
        assert_eq!(counts.oldest.len(), limits::THROTTLE_KEYS_MAX);
        let mut first = [0; 32];
        first[..8].copy_from_slice(&10_u64.to_be_bytes());
        assert!(counts.windows.contains_key(&first), "only the oldest ten made room");
    }
}
