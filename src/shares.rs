//! How many requests of each person are in progress, how large their bodies are, and the bounds on both.
//!
//! Knows no request and no scope. Invariant: a person never has more [`Share`]s than the bound says; the bodies for
//! which there are shares are within [`limits::BODY_BYTES_PER_PERSON_MAX`] and, but for small ones,
//! [`limits::BODY_BYTES_MAX`]; and a share that is dropped is given back, after a panic too.
//!
//! A request in progress holds a thread, one of the server's connections, and its body and its response in memory. The
//! bounds keep one person's agents from taking all of them. They count requests that are in progress, and not requests
//! in a time: an agent that waits for each answer may be as fast as the server is, and the store shares its time
//! between the people besides (`store/queue.rs`, `store/readers.rs`). A larger server would also have a rate for each
//! person, because its operator pays for the work.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::ids::UserId;
use crate::limits;
use crate::lock::locked;

/// The counts. A person without a request in progress has no entry, so the map never has more entries than there are
/// connections.
pub(crate) struct Shares {
    /// How many a person may have.
    max: usize,
    in_progress: Mutex<People>,
}

#[derive(Default)]
struct People {
    each: HashMap<UserId, InProgress>,
    /// The sum over all, but for the small ones.
    body_bytes: usize,
}

/// What is in progress for one person.
#[derive(Clone, Copy, Default)]
struct InProgress {
    requests: usize,
    body_bytes: usize,
}

/// Why there is no share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoShare {
    /// The person has as many requests in progress as they may have.
    Requests,
    /// With this one the bodies of their requests would be too large.
    Bodies,
    /// With this one those of all persons would be.
    AllBodies,
}

/// One request in progress. It is kept until the response is written: a client that reads slowly still holds the
/// thread and the memory.
pub(crate) struct Share {
    shares: Arc<Shares>,
    user_id: UserId,
    body_bytes: usize,
}

impl Shares {
    /// Makes the counts of requests of one kind, of which each person may have `max` in progress.
    pub(crate) fn new(max: usize) -> Shares {
        Shares { max, in_progress: Mutex::default() }
    }

    /// Counts one more request of a person, with a body of at most so many bytes.
    ///
    /// A small body is refused to nobody because of what others send: otherwise a few people who open requests and send
    /// nothing of their large bodies would keep everybody else out. Strangers may send bodies of the same size
    /// elsewhere, so the number of connections bounds these too.
    pub(crate) fn take(self: &Arc<Shares>, user_id: UserId, body_bytes: usize) -> Result<Share, NoShare> {
        let mut in_progress = locked(&self.in_progress);
        let own = in_progress.each.get(&user_id).copied().unwrap_or_default();
        if own.requests >= self.max {
            return Err(NoShare::Requests);
        }
        if own.body_bytes + body_bytes > limits::BODY_BYTES_PER_PERSON_MAX {
            return Err(NoShare::Bodies);
        }
        if in_progress.body_bytes + counted_for_all(body_bytes) > limits::BODY_BYTES_MAX {
            return Err(NoShare::AllBodies);
        }
        let own = InProgress { requests: own.requests + 1, body_bytes: own.body_bytes + body_bytes };
        in_progress.each.insert(user_id, own);
        in_progress.body_bytes += counted_for_all(body_bytes);
        Ok(Share { shares: Arc::clone(self), user_id, body_bytes })
    }
}

/// Returns how much of a body counts against the bound of all persons.
fn counted_for_all(body_bytes: usize) -> usize {
    if body_bytes <= limits::SMALL_BODY_BYTES_MAX { 0 } else { body_bytes }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut in_progress = locked(&self.shares.in_progress);
        in_progress.body_bytes -= counted_for_all(self.body_bytes);
        if let Some(own) = in_progress.each.get_mut(&self.user_id) {
            own.requests -= 1;
            own.body_bytes -= self.body_bytes;
            if own.requests == 0 {
                in_progress.each.remove(&self.user_id);
            }
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
        let mut taken: Vec<_> = (0..3).map(|_| shares.take(one, 0).ok()).collect();
        assert!(taken.iter().all(Option::is_some));
        assert!(shares.take(one, 0).is_err(), "one too many");
        assert!(shares.take(other, 0).is_ok(), "another person's count is their own");
        taken.pop();
        assert!(shares.take(one, 0).is_ok(), "one was given back");
        taken.clear();
        assert!(locked(&shares.in_progress).each.is_empty(), "nothing is kept of people who ask for nothing");
    }

    #[test]
    fn bounds_the_bodies_of_each_person_and_of_all() {
        let shares = Arc::new(Shares::new(3));
        let (own, all) = (limits::BODY_BYTES_PER_PERSON_MAX, limits::BODY_BYTES_MAX);
        let person = UserId::new;
        let mut taken: Vec<_> =
            (0..(all / own) as i64).map(|number| shares.take(person(number), own).ok()).collect();
        assert!(taken.iter().all(Option::is_some));
        let small = limits::SMALL_BODY_BYTES_MAX;
        assert_eq!(shares.take(person(0), 1).err(), Some(NoShare::Bodies));
        assert_eq!(shares.take(person(-1), small + 1).err(), Some(NoShare::AllBodies));
        assert!(shares.take(person(-1), small).is_ok(), "a small one comes in");
        assert!(shares.take(person(0), 0).is_ok(), "without a body");
        taken.pop();
        assert!(shares.take(person(-1), own).is_ok());
        taken.clear();
        let left = locked(&shares.in_progress);
        assert_eq!((left.each.len(), left.body_bytes), (0, 0));
    }
}
