//! Who waits on an open event stream, and what reaches them: changes of their journal, answers to their questions.
//!
//! Knows no JSON, no sockets and no SQL. Invariant: what concerns one person reaches that person's streams alone; and a
//! stream that nobody reads costs whoever causes an event one insertion into a set that can't outgrow the wishes.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::limits;
use crate::lock::locked;

/// A thing of a person's that can be read and can change. It stands here, below the journal that changes it and the
/// room that gives it a URI.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Resource {
    /// Who they are.
    User,
    /// Their newest entries.
    Entries,
    /// The entry of this id.
    Entry(i64),
    /// Their tags.
    Tags,
    /// The tag of this id.
    Tag(i64),
}

/// What can be different from before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Change {
    /// What a resource holds.
    Of(Resource),
    /// Which resources are listed.
    List,
}

/// Changes, each once.
pub type Changes = BTreeSet<Change>;

/// What a stream waits for.
pub enum Wish {
    /// Some of these changes.
    Changes(Changes),
    /// The answer to a question.
    Answer,
}

/// The request that a stream answers.
#[derive(PartialEq, Eq)]
pub struct Opener {
    /// Who sent it: a legacy client's session, or else the token.
    pub client: String,
    /// Its id.
    pub id: String,
}

/// What a person answers to a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Consent {
    /// Do it.
    Yes,
    /// Leave it.
    No,
}

/// What a wait ends with.
#[derive(PartialEq, Eq, Debug)]
pub enum News {
    /// These changed since the last wait.
    Changed(Changes),
    /// The question was answered.
    Answered(Consent),
    /// The request that opened the stream was cancelled.
    Cancelled,
    /// The server stops.
    Ended,
}

/// Why no further stream can be opened.
#[derive(PartialEq, Eq, Debug)]
pub enum NoStream {
    /// The person has as many as one may have, or everybody together has.
    Full,
    /// The server stops.
    Ended,
}

/// Every open stream.
#[derive(Default)]
pub struct Events {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By person; nobody who has none.
    open: HashMap<i64, Vec<Arc<Waiting>>>,
    count: usize,
    ended: bool,
}

struct Waiting {
    opener: Opener,
    wish: Wish,
    inbox: Mutex<Inbox>,
    arrived: Condvar,
}

#[derive(Default)]
struct Inbox {
    changes: Changes,
    /// The id of the question that is open now.
    asked: Option<String>,
    answer: Option<Consent>,
    cancelled: bool,
    ended: bool,
}

impl Inbox {
    /// What there is to tell, the last things first; `None` when there is nothing.
    fn take(&mut self) -> Option<News> {
        if self.ended {
            Some(News::Ended)
        } else if self.cancelled {
            Some(News::Cancelled)
        } else if let Some(answer) = self.answer.take() {
            Some(News::Answered(answer))
        } else if !self.changes.is_empty() {
            Some(News::Changed(std::mem::take(&mut self.changes)))
        } else {
            None
        }
    }
}

impl Waiting {
    fn put(&self, change: impl FnOnce(&mut Inbox)) {
        change(&mut locked(&self.inbox));
        self.arrived.notify_one();
    }
}

impl Events {
    /// Begins to listen for a person: what happens from now on is kept until it is taken.
    pub fn listen(self: &Arc<Events>, person: i64, opener: Opener, wish: Wish) -> Result<Listener, NoStream> {
        let mut state = locked(&self.state);
        // Subscriptions don't take the places of questions, or a person with many of them could delete nothing.
        let is_alike =
            |open: &&Arc<Waiting>| matches!(open.wish, Wish::Answer) == matches!(wish, Wish::Answer);
        let own = state.open.get(&person).into_iter().flatten().filter(is_alike).count();
        if state.ended {
            return Err(NoStream::Ended);
        }
        if own >= limits::STREAMS_PER_PERSON_MAX || state.count >= limits::STREAMS_MAX {
            return Err(NoStream::Full);
        }
        let waiting = Arc::new(Waiting { opener, wish, inbox: Mutex::default(), arrived: Condvar::new() });
        state.open.entry(person).or_default().push(Arc::clone(&waiting));
        state.count += 1;
        Ok(Listener { events: Arc::clone(self), person, waiting })
    }

    /// Tells a person's streams what has changed; to be called once the change is on the disk. Nobody waits in here
    /// for a stream to be written.
    pub fn publish(&self, person: i64, changes: &Changes) {
        if changes.is_empty() {
            return;
        }
        for waiting in locked(&self.state).open.get(&person).into_iter().flatten() {
            if let Wish::Changes(wanted) = &waiting.wish
                && !wanted.is_disjoint(changes)
            {
                waiting.put(|inbox| inbox.changes.extend(wanted.intersection(changes)));
            }
        }
    }

    /// Everything that some stream of a person waits for.
    pub fn watched(&self, person: i64) -> Changes {
        let state = locked(&self.state);
        let wishes =
            state.open.get(&person).into_iter().flatten().filter_map(|waiting| match &waiting.wish {
                Wish::Changes(wanted) => Some(wanted),
                Wish::Answer => None,
            });
        wishes.flatten().copied().collect()
    }

    /// Hands an answer to the question of this id; `false` when no such question of that person's is open in that
    /// session. The first answer counts.
    pub fn deliver(&self, person: i64, session: &str, id: &str, answer: Consent) -> bool {
        self.reach(person, |waiting, inbox| {
            let is_meant = waiting.opener.client == session && inbox.asked.as_deref() == Some(id);
            if is_meant {
                inbox.answer.get_or_insert(answer);
            }
            is_meant
        })
    }

    /// Cancels the request of that person's that opened a stream, if it is still open.
    pub fn cancel(&self, person: i64, opener: &Opener) {
        self.reach(person, |waiting, inbox| {
            let is_meant = waiting.opener == *opener;
            inbox.cancelled |= is_meant;
            is_meant
        });
    }

    /// Changes the inbox of the first stream for which `change` says that it is meant.
    fn reach(&self, person: i64, change: impl Fn(&Waiting, &mut Inbox) -> bool) -> bool {
        locked(&self.state).open.get(&person).into_iter().flatten().any(|waiting| {
            let is_meant = change(waiting, &mut locked(&waiting.inbox));
            if is_meant {
                waiting.arrived.notify_one();
            }
            is_meant
        })
    }

    /// Ends every stream, and refuses those that come later.
    pub fn end(&self) {
        let mut state = locked(&self.state);
        state.ended = true;
        for waiting in state.open.values().flatten() {
            waiting.put(|inbox| inbox.ended = true);
        }
    }
}

/// One open stream's place; given up when this is dropped.
pub struct Listener {
    events: Arc<Events>,
    person: i64,
    waiting: Arc<Waiting>,
}

impl Listener {
    /// Gives back news that can't be told yet; they come again.
    pub fn give_back(&self, news: News) {
        let mut inbox = locked(&self.waiting.inbox);
        match news {
            News::Changed(changes) => inbox.changes.extend(changes),
            // It came before whatever is there now, and the first answer counts.
            News::Answered(answer) => inbox.answer = Some(answer),
            News::Cancelled => inbox.cancelled = true,
            News::Ended => inbox.ended = true,
        }
    }

    /// Opens the question of this id, which can't be guessed and was never asked before. An answer to the one before
    /// counts no more: that was about something else.
    pub fn ask(&self, id: &str) {
        let mut inbox = locked(&self.waiting.inbox);
        (inbox.asked, inbox.answer) = (Some(id.to_owned()), None);
    }

    /// Waits for news, so long at most; `None` when none came.
    pub fn wait(&self, time: Duration) -> Option<News> {
        let mut news = None;
        let nothing = |inbox: &mut Inbox| {
            news = inbox.take();
            news.is_none()
        };
        drop(self.waiting.arrived.wait_timeout_while(locked(&self.waiting.inbox), time, nothing));
        news
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut state = locked(&self.events.state);
        let Some(own) = state.open.get_mut(&self.person) else { return };
        own.retain(|waiting| !Arc::ptr_eq(waiting, &self.waiting));
        if own.is_empty() {
            state.open.remove(&self.person);
        }
        state.count -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn wish(changes: &[Change]) -> Wish {
        Wish::Changes(changes.iter().copied().collect())
    }

    fn opener(id: &str) -> Opener {
        Opener { client: "s".into(), id: id.into() }
    }

    #[test]
    fn tells_a_change_once_to_those_of_that_person_who_asked() {
        let events = Arc::new(Events::default());
        let (tag, tags) = (Change::Of(Resource::Tag(1)), Change::Of(Resource::Tags));
        let hers = events.listen(1, opener("7"), wish(&[tag, Change::List])).expect("room");
        let his = events.listen(2, opener("7"), wish(&[tag, tags])).expect("room");
        events.publish(1, &Changes::from([tag, tags]));
        events.publish(1, &Changes::from([tag]));
        assert_eq!(hers.wait(NOW), Some(News::Changed(Changes::from([tag]))));
        assert_eq!(hers.wait(NOW), None);
        assert_eq!(his.wait(NOW), None);
    }

    #[test]
    fn hands_an_answer_to_the_question_of_that_person_and_session_alone() {
        let events = Arc::new(Events::default());
        let asked = events.listen(1, opener("7"), Wish::Answer).expect("room");
        assert!(!events.deliver(1, "s", "q", Consent::Yes), "it isn't asked yet");
        asked.ask("q");
        assert!(!events.deliver(2, "s", "q", Consent::Yes));
        assert!(!events.deliver(1, "t", "q", Consent::Yes));
        assert!(!events.deliver(1, "s", "p", Consent::Yes));
        assert_eq!(asked.wait(NOW), None);
        assert!(events.deliver(1, "s", "q", Consent::No));
        assert!(events.deliver(1, "s", "q", Consent::Yes), "a second answer finds the question too");
        assert_eq!(asked.wait(NOW), Some(News::Answered(Consent::No)));
        assert!(events.deliver(1, "s", "q", Consent::Yes));
        asked.ask("r");
        assert!(!events.deliver(1, "s", "q", Consent::Yes), "an answer to the question before");
        assert_eq!(asked.wait(NOW), None);
        events.cancel(2, &opener("7"));
        events.cancel(1, &opener("8"));
        assert_eq!(asked.wait(NOW), None);
        events.cancel(1, &opener("7"));
        assert_eq!(asked.wait(NOW), Some(News::Cancelled));
    }

    #[test]
    fn brings_again_what_could_not_be_told() {
        let events = Arc::new(Events::default());
        let (tag, tags) = (Change::Of(Resource::Tag(1)), Change::Of(Resource::Tags));
        let hers = events.listen(1, opener("7"), wish(&[tag, tags])).expect("room");
        assert_eq!(events.watched(1), Changes::from([tag, tags]));
        assert_eq!(events.watched(2), Changes::new());
        events.publish(1, &Changes::from([tag]));
        let news = hers.wait(NOW).expect("news");
        events.publish(1, &Changes::from([tags]));
        hers.give_back(news);
        assert_eq!(hers.wait(NOW), Some(News::Changed(Changes::from([tag, tags]))));
    }

    #[test]
    fn takes_the_first_answer_also_when_it_comes_again() {
        let events = Arc::new(Events::default());
        let asked = events.listen(1, opener("7"), Wish::Answer).expect("room");
        asked.ask("q");
        assert!(events.deliver(1, "s", "q", Consent::No));
        let first = asked.wait(NOW).expect("an answer");
        assert!(events.deliver(1, "s", "q", Consent::Yes));
        asked.give_back(first);
        assert_eq!(asked.wait(NOW), Some(News::Answered(Consent::No)));
    }

    #[test]
    fn bounds_the_streams_of_a_person_and_of_all() {
        let events = Arc::new(Events::default());
        let mut open: Vec<_> = (0..limits::STREAMS_PER_PERSON_MAX)
            .map(|_| events.listen(1, opener("7"), wish(&[Change::List])).expect("room"))
            .collect();
        assert!(events.listen(1, opener("7"), wish(&[Change::List])).is_err());
        drop(events.listen(1, opener("7"), Wish::Answer).expect("a question's own place"));
        open.pop();
        open.push(events.listen(1, opener("7"), wish(&[Change::List])).expect("the place given up"));
        for person in 2.. {
            match events.listen(person, opener("7"), wish(&[Change::List])) {
                Ok(listener) => open.push(listener),
                Err(why) => {
                    assert_eq!(why, NoStream::Full);
                    break;
                }
            }
        }
        assert_eq!(open.len(), limits::STREAMS_MAX);
        events.end();
        assert!(open.iter().all(|listener| listener.wait(NOW) == Some(News::Ended)));
        drop(open);
        let late = events.listen(1, opener("7"), wish(&[Change::List]));
        assert_eq!(late.err(), Some(NoStream::Ended), "none begins after the end");
    }
}
