//! The comparison of passwords, one at a time.
//!
//! Reads no form and no database. Invariant: a password is compared with a stored hash only by a thread that holds
//! the one [`HashingPermit`].
//!
//! A password hash is slow and large on purpose, to slow a thief of the database down. An attacker can turn that
//! against the server: every stranger may post a password, and each one costs 19 MiB and several milliseconds of a
//! core. A hundred at once would take two gigabytes of memory and keep every core busy. So there is one permit, and a
//! short queue for it. People sign in seldom; one at a time is enough for many of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard};

use crate::limits;
use crate::lock::locked;
use crate::secret;
use crate::store::StoreError;

/// The queue for the one permit to hash. A larger server would give out as many permits as it has cores to spare.
#[derive(Default)]
pub(crate) struct HashingQueue {
    waiting: AtomicUsize,
    permit: Mutex<()>,
}

/// The permit to hash; when it is dropped, one of the waiting threads gets it. The sign-in also counts its failures
/// before it drops the permit, so that they are counted one after the other.
pub(crate) struct HashingPermit<'q>(#[expect(dead_code, reason = "held, not read")] MutexGuard<'q, ()>);

impl HashingQueue {
    /// Waits for the permit.
    ///
    /// Fails with [`StoreError::Busy`] if [`limits::SIGN_INS_WAITING_MAX`] threads wait already. Each of these is a
    /// worker thread of the server and can answer no other request meanwhile; without a bound, a flood of sign-ins
    /// would hold them all.
    pub(crate) fn take(&self) -> Result<HashingPermit<'_>, StoreError> {
        if self.waiting.fetch_add(1, Ordering::SeqCst) >= limits::SIGN_INS_WAITING_MAX {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            return Err(StoreError::Busy);
        }
        let permit = locked(&self.permit);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        Ok(HashingPermit(permit))
    }
}

impl HashingPermit<'_> {
    /// Returns whether `hash` was made from `password`. If there is no hash, because no such person is known, the
    /// answer is no, after a comparison with the hash of a random text. That takes as long as a real comparison; an
    /// answer without one would come sooner, and a stranger could measure which addresses have an account here.
    pub(crate) fn verify(&self, password: &str, hash: Option<&str>) -> bool {
        // This hash is made at its first use, since making it takes as long as a comparison.
        static OF_NO_PERSON: LazyLock<String> =
            LazyLock::new(|| secret::hash_password(&secret::random_text::<32>()));
        // The comparison comes first, so that it is made whether there is a hash or not.
        let is_right = secret::verify_password(password, hash.unwrap_or(&OF_NO_PERSON));
        is_right && hash.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_no_password_for_a_person_who_is_not_there() {
        let queue = HashingQueue::default();
        let permit = queue.take().expect("an empty queue");
        let hash = secret::hash_password("correct horse");
        assert!(permit.verify("correct horse", Some(&hash)));
        assert!(!permit.verify("correct horsf", Some(&hash)));
        assert!(!permit.verify("correct horse", None));
    }
}
