//! Takes a lock; all code of this crate outside of tests locks a `Mutex` by one of these functions.
//!
//! Imports no other module.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Takes a lock, also one that is poisoned because a thread panicked while it held the lock. No critical section of
/// this crate can panic between two halves of a change, so the data is whole; if this function refused the lock,
/// every later request that needs it would fail.
///
/// Rust poisons such a lock so that the program has to decide. Here the decision is made once for all locks: a new
/// section that could panic between two halves of a change must not use this function.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a lock if no other thread has it, in the same way.
pub(crate) fn try_locked<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Ok(guard) => Some(guard),
    }
}
