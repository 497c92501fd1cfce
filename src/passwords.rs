//! The hashing of passwords, one at a time, in memory that is used again.
//!
//! Reads no form and no database. Invariant: the server hashes a password only in a thread that holds the one
//! [`HashingPermit`], and in the memory that belongs to it.
//!
//! A password hash is slow and large on purpose, to slow a thief of the database down. An attacker can turn that
//! against the server: every stranger may post a password, and each one costs 19 MiB and several milliseconds of a
//! core. A hundred at once would take two gigabytes of memory and keep every core busy. So there is one permit, and a
//! fair queue for it. People sign in seldom; one at a time is enough for many of them.
//!
//! The memory comes with the permit and is never given back. If each thread allocated its own, the allocator would
//! keep what the thread freed for that thread's next use, and after a flood of sign-ins the process would hold 19 MiB
//! for each worker that ever hashed. A command of `epicme` hashes in memory of its own ([`HashingMemory`]).

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::fair_queue::{FairQueue, Place, QueueBounds, QueueError};
use crate::limits;
use crate::lock::locked;
use crate::secret;
use crate::throttle;

/// The queue for the one permit to hash. A larger server would give out as many permits as it has cores to spare.
pub(crate) struct HashingQueue {
    queue: FairQueue,
    memory: Mutex<HashingMemory>,
}

/// The permit to hash; when it is dropped, one of the waiting threads gets it. The sign-in also counts its failures
/// before it drops the permit, so that they are counted one after the other.
pub(crate) struct HashingPermit<'q> {
    // The fields are dropped in this order: the next thread with a place finds the memory unlocked.
    memory: MutexGuard<'q, HashingMemory>,
    #[expect(dead_code, reason = "held, not read")]
    place: Place<'q>,
}

impl HashingQueue {
    /// Makes the queue of a server that serves `connections_max` connections at once. Each thread that waits here
    /// holds one of them, so the queue takes at most a quarter.
    pub(crate) fn new(connections_max: usize) -> HashingQueue {
        let bounds = QueueBounds {
            places: 1,
            waiting_max: limits::SIGN_INS_WAITING_MAX.min(connections_max / 4).max(1),
            wait_max: limits::SIGN_IN_WAIT_MAX,
        };
        HashingQueue { queue: FairQueue::new(bounds), memory: Mutex::default() }
    }

    /// Waits for the permit. The network addresses take turns, and within one address the accounts. `email` is the
    /// address that was typed, whether it is that of an account or not, so a refusal says nothing about it.
    ///
    /// Behind a proxy all people share its address. A stranger who makes up an account for each connection then takes
    /// as many turns as they have connections, and a person waits for one turn of each. The price is a long wait, and
    /// if the strangers alone fill the queue, the person may be the one who makes room.
    ///
    /// Fails if more wait than [`limits::SIGN_INS_WAITING_MAX`] and the crowd of this thread is the largest, or if
    /// the thread has waited for [`limits::SIGN_IN_WAIT_MAX`].
    pub(crate) fn take(&self, peer: IpAddr, email: &str) -> Result<HashingPermit<'_>, QueueError> {
        let place = self.queue.enter(throttle::address_key(peer), throttle::account_key(email))?;
        Ok(HashingPermit { memory: locked(&self.memory), place })
    }
}

impl HashingPermit<'_> {
    /// Returns whether `hash` was made from `password`. If there is no hash that could be compared, because no such
    /// person is known or they have no password here, the answer is no, after the password was hashed in vain. That
    /// takes as long as a comparison; an answer without it would come sooner, and a stranger could measure which
    /// addresses have an account here.
    pub(crate) fn verify(&mut self, password: &str, hash: Option<&str>) -> bool {
        hash.and_then(|hash| self.memory.verify(password, hash)).unwrap_or_else(|| {
            self.memory.hash(password);
            false
        })
    }

    /// Hashes a new password, to be stored.
    pub(crate) fn hash(&mut self, password: &str) -> HashedPassword {
        self.memory.hash(password)
    }
}

/// The Argon2id hash of a password, in PHC form. [`HashingMemory::hash`] alone makes one, and what stores a password
/// takes this type, so a password can't be stored in the clear.
pub(crate) struct HashedPassword(String);

impl HashedPassword {
    /// Returns the text to store.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The memory in which Argon2id works, [`limits::HASHING_KIB`] of it, allocated at the first use. The hashing of one
/// password after the other needs it only once.
///
/// It is also what bounds the cost of a stored hash. The PHC form names the parameters in each hash, and a hash that
/// asks for more memory than there is here, or for more than [`limits::HASHING_PASSES_MAX`] passes, matches no
/// password.
#[derive(Default)]
pub struct HashingMemory(Vec<Block>);

impl HashingMemory {
    /// Hashes a password by Argon2id with a fresh salt.
    ///
    /// The parameters are those that OWASP recommends; the memory is what makes a hash expensive on graphics cards.
    /// The PHC form names algorithm and parameters, so a later version can raise them and still verify the old ones.
    pub(crate) fn hash(&mut self, password: &str) -> HashedPassword {
        let params = Params::new(limits::HASHING_KIB, limits::HASHING_PASSES, 1, None);
        let params = params.expect("the parameters are within those of Argon2");
        let params_string = ParamsString::try_from(&params).expect("three short numbers");
        let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
        let salt = Salt::new(&secret::random::<16>()).expect("a salt of the recommended length");
        let argon2 = Argon2::new(algorithm, version, params);
        let output = self.output(&argon2, password, &salt, Params::DEFAULT_OUTPUT_LEN);
        let hash = PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: params_string,
            salt: Some(salt),
            hash: Some(output.expect("the memory is that of these parameters")),
        };
        HashedPassword(hash.to_string())
    }

    /// Returns whether `hash`, a PHC string, was made from `password`. Returns `None` if nothing was compared, because
    /// the text is damaged, empty or asks for too much. The parameters come from the hash, and the comparison takes
    /// constant time.
    pub fn verify(&mut self, password: &str, hash: &str) -> Option<bool> {
        let hash = PasswordHash::new(hash).ok()?;
        let params = Params::try_from(&hash).ok()?;
        if params.m_cost() > limits::HASHING_KIB || params.t_cost() > limits::HASHING_PASSES_MAX {
            return None;
        }
        let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
        let version = hash.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
        let expected = hash.hash?;
        let argon2 = Argon2::new(algorithm, version, params);
        let output = self.output(&argon2, password, &hash.salt?, expected.len())?;
        Some(output == expected) // in constant time, as `Output` compares
    }

    fn output(&mut self, argon2: &Argon2, password: &str, salt: &[u8], bytes: usize) -> Option<Output> {
        self.0.resize(limits::HASHING_KIB as usize, Block::new());
        let mut output = [0; Output::MAX_LENGTH];
        let output = output.get_mut(..bytes)?;
        let memory = self.0.as_mut_slice();
        argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, memory).ok()?;
        Output::new(output).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use argon2::password_hash::{PasswordHasher, PasswordVerifier};

    use super::*;

    #[test]
    fn takes_no_password_for_a_person_who_is_not_there() {
        let queue = HashingQueue::new(4);
        let mut permit = queue.take(Ipv4Addr::LOCALHOST.into(), "ada@example.com").expect("an empty queue");
        let hash = permit.hash("correct horse");
        assert!(permit.verify("correct horse", Some(hash.as_str())));
        assert!(!permit.verify("correct horsf", Some(hash.as_str())));
        assert!(!permit.verify("correct horse", None));
        assert!(!permit.verify("", Some("")), "a person of another server has no password");
    }

    #[test]
    fn knows_a_password_from_another() {
        let mut memory = HashingMemory::default();
        let hash = memory.hash("correct horse");
        let hash = hash.as_str();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, memory.hash("correct horse").as_str(), "each has a salt of its own");
        assert_eq!(memory.verify("correct horse", hash), Some(true));
        assert_eq!(memory.verify("correct horsf", hash), Some(false));
        // What an earlier hash left in the memory changes nothing, and the crate's own functions agree.
        assert_eq!(HashingMemory::default().verify("correct horse", hash), Some(true));
        let theirs = Argon2::default().hash_password(b"correct horse").expect("a hash").to_string();
        assert_eq!(memory.verify("correct horse", &theirs), Some(true));
        let parsed = PasswordHash::new(hash).expect("PHC");
        assert!(Argon2::default().verify_password(b"correct horse", &parsed).is_ok());
    }

    #[test]
    fn compares_no_hash_that_is_damaged_or_asks_for_too_much() {
        let mut memory = HashingMemory::default();
        let mut verified = |kib: u32, passes: u32, lanes: u32| {
            let argon2 = Argon2::from(Params::new(kib, passes, lanes, Some(16)).expect("parameters"));
            let hash = argon2.hash_password(b"correct horse").expect("a hash").to_string();
            memory.verify("correct horse", &hash)
        };
        assert_eq!(verified(64, 1, 4), Some(true));
        assert_eq!(verified(64, limits::HASHING_PASSES_MAX, 1), Some(true));
        assert_eq!(verified(64, limits::HASHING_PASSES_MAX + 1, 1), None);
        assert_eq!(verified(limits::HASHING_KIB, 1, 1), Some(true));
        assert_eq!(verified(limits::HASHING_KIB + 1, 1, 1), None);
        let whole = memory.hash("correct horse");
        for damaged in ["", "not a hash", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ", &whole.as_str()[..90]]
        {
            assert_ne!(memory.verify("correct horse", damaged), Some(true), "{damaged:?}");
        }
    }
}
