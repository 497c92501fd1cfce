//! Taking a lock, in one way.
//!
//! Knows no other room.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock. One whose holder panicked is still good: no critical section of ours leaves half a change behind.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
