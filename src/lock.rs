//! The one way to take a lock.
//!
//! Knows no other room.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock, also one whose holder panicked: no critical section of this crate leaves half a change behind when
/// it panics, and refusing the lock from then on would end every later request as well.
///
/// Rust poisons such a lock so that a program has to decide. This is the decision, made once: a section that could
/// panic between two halves of a change must not use this function, and there is none.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
