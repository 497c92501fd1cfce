//! The writer's queue: each holder's jobs wait in a line of their own, and the holders take turns.
//!
//! Names no table and runs no job. Invariant: a holder's next job waits for at most one job of each other holder,
//! however many jobs the others have queued.
//!
//! With one line for all, a person who writes large entries over hundreds of connections would make each other person
//! wait for all of those writes; that took seconds. A turn is one job, however long it works, which is simple and
//! close enough: `limits` bounds what one call may write. A larger server would count the time that each job takes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::ids::UserId;
use crate::lock::locked;

/// For whom a write is done. Each holder has one share of the writer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Holder {
    /// A person, for their journal.
    Person(UserId),
    /// A page of the same person. If it shared with their programs, what they typed would wait behind all that these
    /// write.
    Page(UserId),
    /// The server itself: sign-ins, grants and tokens, and the commands. Each of these writes is small, and they share
    /// one turn, so no person's journal waits behind many of them.
    Server,
}

/// Jobs that wait for the writer's thread.
///
/// The queue needs no bound of its own: each waiting thread has one job, and at most
/// [`limits::CONNECTIONS_MAX`](crate::limits::CONNECTIONS_MAX) connections are served at once. Of the jobs that no
/// thread waits for there are few (`Store::write_unawaited`).
pub(super) struct Queue<Job> {
    state: Mutex<State<Job>>,
    /// Signalled when a job comes while the writer waits, and when the queue is closed.
    changed: Condvar,
}

struct State<Job> {
    /// The line of each holder who has a job waiting; nobody else has an entry.
    lines: HashMap<Holder, VecDeque<Job>>,
    /// The same holders, in the order of their turns.
    turns: VecDeque<Holder>,
    /// Whether the writer waits for a job. If it doesn't, no signal is needed, which saves a system call.
    is_waited_for: bool,
    is_closed: bool,
}

/// What [`Queue::take`] finds.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Taken<Job> {
    Job(Job),
    /// No job has come in time.
    Nothing,
    /// The queue is closed and empty.
    Closed,
}

impl<Job> Queue<Job> {
    pub(super) fn new() -> Queue<Job> {
        let (lines, turns) = (HashMap::new(), VecDeque::new());
        let state = State { lines, turns, is_waited_for: false, is_closed: false };
        Queue { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Puts a job at the end of its holder's line; returns `false` if the queue is closed.
    pub(super) fn put(&self, holder: Holder, job: Job) -> bool {
        let mut state = locked(&self.state);
        if state.is_closed {
            return false;
        }
        let line = state.lines.entry(holder).or_default();
        line.push_back(job);
        if line.len() == 1 {
            state.turns.push_back(holder); // a holder who had nothing waiting comes after those who have
        }
        if state.is_waited_for {
            self.changed.notify_one();
        }
        true
    }

    /// Takes the next job. If there is none, waits for one: for so long, or for ever.
    pub(super) fn take(&self, wait: Option<Duration>) -> Taken<Job> {
        let mut state = locked(&self.state);
        let mut is_over = false;
        loop {
            if let Some(job) = state.next() {
                return Taken::Job(job);
            }
            if state.is_closed {
                return Taken::Closed;
            }
            if is_over {
                return Taken::Nothing;
            }
            state.is_waited_for = true;
            // A poisoned lock is taken too, for the reason that `locked` gives.
            (state, is_over) = match wait {
                None => (self.changed.wait(state).unwrap_or_else(PoisonError::into_inner), false),
                Some(wait) => {
                    let woken = self.changed.wait_timeout(state, wait);
                    let (state, timeout) = woken.unwrap_or_else(PoisonError::into_inner);
                    (state, timeout.timed_out())
                }
            };
            state.is_waited_for = false;
        }
    }

    /// Takes the next job if there is one.
    pub(super) fn try_take(&self) -> Option<Job> {
        locked(&self.state).next()
    }

    pub(super) fn is_empty(&self) -> bool {
        locked(&self.state).turns.is_empty()
    }

    /// Refuses further jobs. Those that wait are still taken.
    pub(super) fn close(&self) {
        locked(&self.state).is_closed = true;
        self.changed.notify_all();
    }
}

impl<Job> State<Job> {
    /// Takes the first job of the holder whose turn it is. A holder who has more jobs goes to the end of the turns.
    fn next(&mut self) -> Option<Job> {
        let holder = self.turns.pop_front()?;
        let line = self.lines.get_mut(&holder)?;
        let job = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&holder);
        } else {
            self.turns.push_back(holder);
        }
        job
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(number: i64) -> Holder {
        Holder::Person(UserId::new(number))
    }

    #[test]
    fn lets_a_newcomer_wait_for_one_job_of_each_other_holder() {
        let queue = Queue::new();
        for number in 0..100 {
            assert!(queue.put(person(1), ("first", number)));
        }
        assert_eq!(queue.try_take(), Some(("first", 0)));
        for number in 0..2 {
            assert!(queue.put(person(2), ("second", number)));
            assert!(queue.put(Holder::Server, ("server", number)));
        }
        let taken: Vec<_> = std::iter::from_fn(|| queue.try_take()).take(7).collect();
        let expected = [
            ("first", 1),
            ("second", 0),
            ("server", 0),
            ("first", 2),
            ("second", 1),
            ("server", 1),
            ("first", 3),
        ];
        assert_eq!(taken, expected, "in turns, and each line in its own order");
    }

    #[test]
    fn waits_for_no_longer_than_it_is_told() {
        let queue = Queue::new();
        assert_eq!(queue.take(Some(Duration::from_millis(1))), Taken::Nothing);
        assert!(queue.put(person(1), 1), "it takes jobs as before");
        assert_eq!(queue.take(Some(Duration::from_millis(1))), Taken::Job(1));
    }

    #[test]
    fn gives_out_what_waits_after_it_is_closed_and_takes_nothing_more() {
        let queue = Queue::new();
        assert!(queue.put(person(1), 1) && queue.put(person(1), 2));
        queue.close();
        assert!(!queue.put(person(1), 3));
        let taken = [None, Some(Duration::ZERO), None].map(|wait| queue.take(wait));
        assert_eq!(taken, [Taken::Job(1), Taken::Job(2), Taken::Closed]);
    }
}
