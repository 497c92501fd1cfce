//! How many requests of each person are in progress, and the bound on them.
//!
//! Knows no request and no scope. Invariant: a person never has more [`Share`]s than the bound says; and a share that is
//! dropped is given back, after a panic too.
//!
//! A request in progress holds a thread, one of the server's connections, and its body and its response in memory. The
//! bound keeps one person's agents from taking all of them. It counts requests that are in progress, and not requests
//! in a time: an agent that waits for each answer may be as fast as the server is, and the store shares its time
//! between the people besides (`store/queue.rs`, `store/readers.rs`). A larger server would also have a rate for each
//! person, because its operator pays for the work.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::ids::UserId;
use crate::lock::locked;

/// The counts. A person without a request in progress has no entry, so the map never has more entries than there are
/// connections.
pub(crate) struct Shares {
    /// How many a person may have.
    max: usize,
    in_progress: Mutex<HashMap<UserId, usize>>,
}

/// One request in progress. It is kept until the response is written: a client that reads slowly still holds the
/// thread and the memory.
pub(crate) struct Share {
    shares: Arc<Shares>,
    user_id: UserId,
}

impl Shares {
    /// Makes the counts of requests of one kind, of which each person may have `max` in progress.
    pub(crate) fn new(max: usize) -> Shares {
        Shares { max, in_progress: Mutex::default() }
    }

    /// Counts one more request of a person; returns `None` if they have as many in progress as they may have.
    pub(crate) fn take(self: &Arc<Shares>, user_id: UserId) -> Option<Share> {
        let mut in_progress = locked(&self.in_progress);
        let count = in_progress.entry(user_id).or_insert(0);
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(Share { shares: Arc::clone(self), user_id })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut in_progress = locked(&self.shares.in_progress);
        let left = in_progress.get(&self.user_id).map_or(0, |count| count - 1);
        if left == 0 {
            in_progress.remove(&self.user_id);
        } else {
            in_progress.insert(self.user_id, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_each_person_as_many_as_the_limit_and_takes_them_back() {
        let shares = Arc::new(Shares::new(3));
        let (one, other) = (UserId::new(1), UserId::new(2));
        let mut taken: Vec<_> = (0..3).map(|_| shares.take(one)).collect();
        assert!(taken.iter().all(Option::is_some));
        assert!(shares.take(one).is_none(), "one too many");
        assert!(shares.take(other).is_some(), "another person's count is their own");
        taken.pop();
        assert!(shares.take(one).is_some(), "one was given back");
        taken.clear();
        assert!(locked(&shares.in_progress).is_empty(), "nothing is kept of people who ask for nothing");
    }
}
