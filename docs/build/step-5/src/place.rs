//! One of the places for connections.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::CONNECTIONS_MAX;

/// A place that is taken until this value is dropped. A thread that panics drops it too.
pub struct Place<'c>(&'c AtomicUsize);

impl Place<'_> {
    /// Takes a place, if there is one; `taken` counts them.
    pub fn take(taken: &AtomicUsize) -> Option<Place<'_>> {
        let next = |count| (count < CONNECTIONS_MAX).then_some(count + 1);
        let before = taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
        // Not `then_some`, which makes a `Place` in any case; it would be dropped at once, and free one.
        before.is_ok().then(|| Place(taken))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
