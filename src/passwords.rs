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
//! for each worker that ever hashed.

use std::sync::{Mutex, MutexGuard};

use crate::fair_queue::{FairQueue, Key, Place, QueueBounds};
use crate::limits;
use crate::lock::locked;
use crate::secret::{HashedPassword, HashingMemory};
use crate::store::StoreError;

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
    pub(crate) fn new() -> HashingQueue {
        let bounds = QueueBounds {
            places: 1,
            waiting_max: limits::SIGN_INS_WAITING_MAX,
            wait_max: limits::SIGN_IN_WAIT_MAX,
        };
        HashingQueue { queue: FairQueue::new(bounds), memory: Mutex::default() }
    }

    /// Waits for the permit, in turn with the other network addresses and, within one address, with the other
    /// accounts. The account is the one that was typed, whether it exists or not, so a refusal says nothing about it.
    ///
    /// Behind a proxy all people share its address. A stranger who makes up an account for each connection then takes as
    /// many turns as they have connections, and a person waits for one turn of each. The price is a long wait, and if
    /// the strangers alone fill the queue, the person may be the one who makes room.
    ///
    /// Fails with [`StoreError::Busy`] if the thread was pushed out by a crowd of its own, see
    /// [`limits::SIGN_INS_WAITING_MAX`], or has waited for [`limits::SIGN_IN_WAIT_MAX`].
    pub(crate) fn take(&self, address: Key, account: Key) -> Result<HashingPermit<'_>, StoreError> {
        let place = self.queue.enter(address, account).ok_or(StoreError::Busy)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_no_password_for_a_person_who_is_not_there() {
        let queue = HashingQueue::new();
        let mut permit = queue.take([1; 32], [2; 32]).expect("an empty queue");
        let hash = permit.hash("correct horse");
        assert!(permit.verify("correct horse", Some(hash.as_str())));
        assert!(!permit.verify("correct horsf", Some(hash.as_str())));
        assert!(!permit.verify("correct horse", None));
        assert!(!permit.verify("", Some("")), "a person of another server has no password");
    }
}
