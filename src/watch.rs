//! The last exchanges of this server, for the page that shows them as they happen (`serve --watch`).
//!
//! Knows no page and no socket, and of an exchange only the object that the wire view makes of it, in which secrets are
//! cut already. Invariants: a request never waits for a watcher; and however many requests come, this holds no more
//! than the last [`limits::WATCHED_EXCHANGES_MAX`] exchanges.
//!
//! A watcher is a browser with the page open. Its own thread asks for what came after the last exchange that it has. If
//! more came than are kept, it learns how many it missed: a queue for each watcher would grow as long as one of them
//! doesn't read.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::limits;
use crate::lock::locked;
use crate::secret;

/// The exchanges that are kept, and the means to wait for the next one.
pub(crate) struct Watch {
    /// Tells the exchanges of this process from those before a restart, which had the same numbers.
    start: String,
    kept: Mutex<Kept>,
    changed: Condvar,
}

#[derive(Default)]
struct Kept {
    exchanges: VecDeque<Arc<WatchedRequest>>,
    /// How many there have been: the number of the last one.
    count: u64,
    watchers: usize,
    is_over: bool,
}

/// A request and its answer.
pub(crate) struct WatchedRequest {
    /// Its place among all since the start, from 1.
    pub(crate) number: u64,
    /// What `serve --explain=json` writes of it.
    pub(crate) event: Value,
}

/// What came since a watcher asked last.
pub(crate) enum Further {
    /// The exchanges in their order, perhaps none, and how many before them are no longer kept.
    Exchanges(Vec<Arc<WatchedRequest>>, u64),
    /// The server stops.
    Over,
}

impl Watch {
    pub(crate) fn new() -> Watch {
        Watch { start: secret::random_text::<8>(), kept: Mutex::default(), changed: Condvar::new() }
    }

    /// Adds an exchange that has just ended.
    pub(crate) fn add(&self, event: Value) {
        let mut kept = locked(&self.kept);
        kept.count += 1;
        let number = kept.count;
        kept.exchanges.push_back(Arc::new(WatchedRequest { number, event }));
        let over = kept.exchanges.len().saturating_sub(limits::WATCHED_EXCHANGES_MAX);
        let dropped: Vec<_> = kept.exchanges.drain(..over).collect();
        let is_watched = kept.watchers > 0;
        drop(kept);
        drop(dropped); // it takes longer than the rest, and no other request should wait for it
        if is_watched {
            self.changed.notify_all();
        }
    }

    /// Returns all exchanges that are kept.
    pub(crate) fn kept(&self) -> Vec<Arc<WatchedRequest>> {
        locked(&self.kept).exchanges.iter().cloned().collect()
    }

    /// Returns the place of an exchange, as a watcher names the last one that it has.
    pub(crate) fn place(&self, number: u64) -> String {
        format!("{}.{number}", self.start)
    }

    /// Reads a place. One of an earlier process, or what is none, is that before the first exchange.
    pub(crate) fn number(&self, place: &str) -> u64 {
        let number = place.split_once('.').filter(|(start, _)| *start == self.start);
        number.and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
    }

    /// Makes one more watcher, if there is room for it.
    pub(crate) fn watcher(self: &Arc<Watch>) -> Option<Watcher> {
        let mut kept = locked(&self.kept);
        let has_room = kept.watchers < limits::WATCHERS_MAX;
        kept.watchers += usize::from(has_room);
        has_room.then(|| Watcher(Arc::clone(self)))
    }

    /// Tells all watchers that the server stops.
    pub(crate) fn end(&self) {
        locked(&self.kept).is_over = true;
        self.changed.notify_all();
    }
}

/// One open page. Dropped, it makes room for another.
pub(crate) struct Watcher(Arc<Watch>);

impl Watcher {
    /// Waits for exchanges after the one with this number, at most so long.
    pub(crate) fn wait(&self, after: u64, at_most: Duration) -> Further {
        let kept = locked(&self.0.kept);
        let nothing_yet = |kept: &mut Kept| kept.count <= after && !kept.is_over;
        // A poisoned lock has the same exchanges in it: see `locked`.
        let waited = self.0.changed.wait_timeout_while(kept, at_most, nothing_yet);
        let (kept, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        if kept.is_over {
            return Further::Over;
        }
        let first = kept.exchanges.front().map_or(after, |exchange| exchange.number);
        let new = kept.exchanges.iter().filter(|exchange| exchange.number > after).cloned();
        // A watcher may name any place, the last number too.
        Further::Exchanges(new.collect(), first.saturating_sub(after.saturating_add(1)))
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.0
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        locked(&self.0.kept).watchers -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_exchanges_and_says_how_many_a_watcher_missed() {
        let watch = Arc::new(Watch::new());
        let watcher = watch.watcher().expect("room");
        let numbers = |after| match watcher.wait(after, Duration::ZERO) {
            Further::Over => panic!("the server stops"),
            Further::Exchanges(new, missed) => (new.iter().map(|one| one.number).collect::<Vec<_>>(), missed),
        };
        assert_eq!(numbers(0), (vec![], 0));
        (0..3).for_each(|_| watch.add(Value::Null));
        assert_eq!(numbers(0), (vec![1, 2, 3], 0));
        assert_eq!(numbers(2), (vec![3], 0));
        assert_eq!(numbers(3), (vec![], 0));
        assert_eq!(numbers(u64::MAX), (vec![], 0));
        (0..limits::WATCHED_EXCHANGES_MAX).for_each(|_| watch.add(Value::Null));
        let (new, missed) = numbers(1);
        assert_eq!((new.len(), new[0], missed), (limits::WATCHED_EXCHANGES_MAX, 4, 2));
        assert_eq!(watch.kept().len(), limits::WATCHED_EXCHANGES_MAX);
        watch.end();
        assert!(matches!(watcher.wait(0, Duration::MAX), Further::Over));
    }

    #[test]
    fn knows_a_place_of_its_own_alone() {
        let watch = Watch::new();
        assert_eq!(watch.number(&watch.place(7)), 7);
        for other in [Watch::new().place(7), "7".to_owned(), format!("{}.-7", watch.start), String::new()] {
            assert_eq!(watch.number(&other), 0, "{other}");
        }
    }

    #[test]
    fn has_room_for_so_many_watchers() {
        let watch = Arc::new(Watch::new());
        let mut watchers: Vec<_> = (0..limits::WATCHERS_MAX).map(|_| watch.watcher()).collect();
        assert!(watchers.iter().all(Option::is_some));
        assert!(watch.watcher().is_none());
        watchers.pop();
        assert!(watch.watcher().is_some());
    }
}
