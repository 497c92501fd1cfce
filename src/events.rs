//! Events for open event streams: changes of a person's journal, and their answers to confirmation questions.
//!
//! Knows no JSON, no socket and no SQL. Invariants: an event that concerns one person reaches that person's streams
//! alone; and a stream whose client doesn't read costs the thread that causes an event one insertion into a set,
//! which can't grow beyond what the stream is interested in.
//!
//! A stream's own thread takes events from its inbox and writes them to its client. The thread that causes an event
//! only puts it there, so a slow client keeps no other request waiting:
//!
//! ```text
//! a request's thread               Events                     a stream's thread
//! Journal::change, committed ────► publish ──► inbox ──► wait, check the token, write to the client
//! an answer that was posted  ────► deliver ──► inbox ──► wait, run the confirmed call
//! ```
//!
//! An inbox holds a set of changes and not a queue of messages, which was the alternative. A client that doesn't
//! read makes a queue grow without end, or lose its oldest part; a set says the same in bounded space, because a
//! notification says that something is different and not what. Ten changes of one entry while the client is slow
//! are one notification.
//!
//! All of this is in memory only. A server that is restarted has lost every stream with it, and clients subscribe
//! again. A larger server, of several processes, would need a broker between them, since a change in one must reach
//! the streams of the others.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::ids::{EntryId, TagId, UserId};
use crate::limits;
use crate::lock::locked;

/// Something of a person's that can be read and can change. It is defined here, below the journal that changes it and
/// the room that gives it a URI, because both name it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Resource {
    /// The person's own account.
    User,
    /// The list of the newest entries.
    Entries,
    Entry(EntryId),
    /// The list of all tags.
    Tags,
    Tag(TagId),
}

/// What can be different from before. It holds ids and no content: the client reads the content in a request of its
/// own, and that request passes the gate with a token of that moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Change {
    /// The content of a resource.
    Of(Resource),
    /// Which resources there are, as MCP lists them.
    List,
}

/// Changes, each once, however often it happened. They are sorted, so a client gets them in the same order each time.
pub(crate) type Changes = BTreeSet<Change>;

/// What a stream is opened for.
pub(crate) enum Interest {
    /// These changes, each of which the caller may read: that was checked when the stream was opened.
    Changes(Changes),
    /// The answer to a confirmation question.
    Answer,
}

/// The request that a stream answers, by which the client can cancel it. The request's id alone doesn't identify it:
/// every client counts from the same number, and two clients of one person would cancel each other's requests.
#[derive(PartialEq, Eq)]
pub(crate) struct RequestKey {
    pub(crate) client: ClientKey,
    /// The id of the request, as JSON.
    pub(crate) id: String,
}

/// The client that sent a request.
#[derive(PartialEq, Eq)]
pub(crate) enum ClientKey {
    /// Of a client that keeps a session: the session's id.
    Session(String),
    /// Of any other client: the digest of its access token. The token itself would be a secret more to keep.
    Token([u8; 32]),
}

/// A person's answer to a confirmation question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ConfirmationAnswer {
    Yes,
    No,
}

/// What a subscriber's wait ends with.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// These changed since the last wait.
    Changed(Changes),
    /// The person answered the question that is open.
    Answered(ConfirmationAnswer),
    /// The client cancelled the request that opened the stream.
    Cancelled,
    /// The server is stopping.
    Ended,
}

/// Why no further stream can be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SubscribeError {
    /// The person has [`limits::STREAMS_PER_PERSON_MAX`] streams of this kind, or all people together have
    /// [`limits::STREAMS_MAX`].
    Full,
    /// The server is stopping.
    Ended,
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            SubscribeError::Full => "as many event streams are open as there may be",
            SubscribeError::Ended => "the server is stopping",
        })
    }
}

impl Error for SubscribeError {}

/// Every open stream. One lock guards the list, and each inbox has a lock of its own; [`Events::reach`] gives their
/// order.
#[derive(Default)]
pub(crate) struct Events {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The streams of each person who has any; a person without one has no place here, so the map can't grow forever.
    ///
    /// That the key is the person is what keeps events apart: every way into an inbox begins with this look-up, so
    /// there is no loop over all streams in which a comparison of the person could be forgotten. ([`Events::end`]
    /// is the one exception, and what it says is the same for all.)
    open: HashMap<UserId, Vec<Arc<Subscription>>>,
    /// How many streams all people have. It is kept up to date, so that [`Events::subscribe`] needn't count them.
    count: usize,
    /// Set once, and never back.
    ended: bool,
}

/// One stream, shared by its own thread and by those that cause events. What it is for never changes, so only the
/// inbox needs a lock.
struct Subscription {
    request_key: RequestKey,
    interest: Interest,
    inbox: Mutex<Inbox>,
    arrived: Condvar,
}

/// What has happened since the stream's thread last took an event. Every field has a bounded size.
#[derive(Default)]
struct Inbox {
    /// A part of the stream's [`Interest`], so never larger than that.
    changes: Changes,
    /// The id of the question that is open now.
    question_id: Option<String>,
    answer: Option<ConfirmationAnswer>,
    cancelled: bool,
    ended: bool,
}

impl Inbox {
    /// Takes the event that matters most; what ends the stream comes before what would only be written to it. A
    /// client that has confirmed a deletion and then cancels the call deletes nothing, if both wait here: in doubt
    /// the row stays.
    ///
    /// The two that end the stream aren't taken out. Whatever the thread does next, it sees them again.
    fn take(&mut self) -> Option<Event> {
        if self.ended {
            Some(Event::Ended)
        } else if self.cancelled {
            Some(Event::Cancelled)
        } else if let Some(answer) = self.answer.take() {
            Some(Event::Answered(answer))
        } else if !self.changes.is_empty() {
            Some(Event::Changed(std::mem::take(&mut self.changes)))
        } else {
            None
        }
    }
}

impl Subscription {
    /// Changes the inbox and wakes the stream's thread: one thread, since no other waits for this inbox.
    fn put(&self, change: impl FnOnce(&mut Inbox)) {
        // The lock is free again at the end of this line, so the thread that wakes doesn't run into it. The signal
        // can't be lost in between: a thread tests the inbox under the lock before it waits.
        change(&mut locked(&self.inbox));
        self.arrived.notify_one();
    }
}

impl Events {
    /// Opens a stream's place: the events that interest it are kept from now on until its thread takes them. Places
    /// are bounded, because each stream holds a worker thread and a connection for as long as its client likes.
    pub(crate) fn subscribe(
        self: &Arc<Events>,
        person: UserId,
        request_key: RequestKey,
        interest: Interest,
    ) -> Result<Subscriber, SubscribeError> {
        let mut state = locked(&self.state);
        // The two kinds are counted apart: otherwise a person with many subscriptions could confirm no deletion.
        // The bound is for each person and not for each client, since a person can register as many clients as they
        // like.
        let is_alike = |open: &&Arc<Subscription>| {
            matches!(open.interest, Interest::Answer) == matches!(interest, Interest::Answer)
        };
        let own = state.open.get(&person).into_iter().flatten().filter(is_alike).count();
        if state.ended {
            return Err(SubscribeError::Ended);
        }
        // Counted and entered under one lock, so two requests can't both get the last place.
        if own >= limits::STREAMS_PER_PERSON_MAX || state.count >= limits::STREAMS_MAX {
            return Err(SubscribeError::Full);
        }
        let subscription = Arc::new(Subscription {
            request_key,
            interest,
            inbox: Mutex::default(),
            arrived: Condvar::new(),
        });
        state.open.entry(person).or_default().push(Arc::clone(&subscription));
        state.count += 1;
        Ok(Subscriber { events: Arc::clone(self), person, subscription })
    }

    /// Puts changes into the inboxes of a person's streams. The caller has committed them by now: a client that reads
    /// at once after the notification must find the change.
    ///
    /// The lock on all streams is held meanwhile. That is short: a person has few streams, and nothing here waits
    /// for a client or for the disk. A larger server would have a lock for each person.
    pub(crate) fn publish(&self, person: UserId, changes: &Changes) {
        if changes.is_empty() {
            return;
        }
        for subscription in locked(&self.state).open.get(&person).into_iter().flatten() {
            if let Interest::Changes(wanted) = &subscription.interest
                && !wanted.is_disjoint(changes)
            {
                // Only the wanted ones. That bounds the set, and a client is notified of no resource that it didn't
                // name or may not read.
                subscription.put(|inbox| inbox.changes.extend(wanted.intersection(changes)));
            }
        }
    }

    /// Everything that some stream of a person is interested in. It spares the journal the search for changes that
    /// no stream would be notified of.
    pub(crate) fn watched(&self, person: UserId) -> Changes {
        let state = locked(&self.state);
        let subscriptions = state.open.get(&person).into_iter().flatten();
        let wanted = subscriptions.filter_map(|subscription| match &subscription.interest {
            Interest::Changes(wanted) => Some(wanted),
            Interest::Answer => None,
        });
        wanted.flatten().copied().collect()
    }

    /// Delivers an answer to the question of this id; `false` when this person has no such question open in this
    /// session. Of several answers the first counts: a client that repeats its message can't turn a no into a yes.
    ///
    /// Three things must agree, because the answer comes in a request of its own, which any client with a token can
    /// send: the person, the session, and an id that can't be guessed. Otherwise one client could answer another's
    /// question.
    pub(crate) fn deliver(
        &self,
        person: UserId,
        session: &str,
        question_id: &str,
        answer: ConfirmationAnswer,
    ) -> bool {
        self.reach(person, |subscription, inbox| {
            let in_session =
                matches!(&subscription.request_key.client, ClientKey::Session(own) if own == session);
            let is_meant = in_session && inbox.question_id.as_deref() == Some(question_id);
            if is_meant {
                inbox.answer.get_or_insert(answer);
            }
            is_meant
        })
    }

    /// Cancels the request of this person's that opened a stream, if the stream is still open. Where it isn't,
    /// nothing is said: a cancellation may cross the end of its request on the way, and that is no error (MCP,
    /// Cancellation).
    pub(crate) fn cancel(&self, person: UserId, request_key: &RequestKey) {
        self.reach(person, |subscription, inbox| {
            let is_meant = subscription.request_key == *request_key;
            inbox.cancelled |= is_meant;
            is_meant
        });
    }

    /// Offers each inbox of a person to `change`, until it says that it was the one meant; `false` when none was.
    ///
    /// The order of locks, here and everywhere in this file: the state before an inbox. No thread that holds an inbox
    /// locks the state, so two threads can't each hold the lock that the other waits for.
    fn reach(&self, person: UserId, change: impl Fn(&Subscription, &mut Inbox) -> bool) -> bool {
        locked(&self.state).open.get(&person).into_iter().flatten().any(|subscription| {
            let is_meant = change(subscription, &mut locked(&subscription.inbox));
            if is_meant {
                subscription.arrived.notify_one();
            }
            is_meant
        })
    }

    /// Ends every stream, and refuses those that come later. Without it a stopping server would wait for streams that
    /// may stay open for days, and cut them off in the end, instead of sending each client its result.
    pub(crate) fn end(&self) {
        // Both under one lock: a stream that is opened in between would be neither refused nor ended.
        let mut state = locked(&self.state);
        state.ended = true;
        for subscription in state.open.values().flatten() {
            subscription.put(|inbox| inbox.ended = true);
        }
    }
}

/// The place of one open stream. Dropping it gives the place up, and that happens on every way out of the stream:
/// at its end, at an error of the connection, and while a panic unwinds. A place that is not given up would be lost
/// until the server is restarted.
pub(crate) struct Subscriber {
    events: Arc<Events>,
    person: UserId,
    subscription: Arc<Subscription>,
}

impl Subscriber {
    /// Puts an event back that can't be written yet, because the token can't be checked at this moment; the next wait
    /// gives it again. No signal is needed: the only thread that waits here is the one that calls.
    pub(crate) fn put_back(&self, event: Event) {
        let mut inbox = locked(&self.subscription.inbox);
        match event {
            Event::Changed(changes) => inbox.changes.extend(changes),
            // It came before the answer that may be in the inbox now, and the first answer counts.
            Event::Answered(answer) => inbox.answer = Some(answer),
            Event::Cancelled => inbox.cancelled = true,
            Event::Ended => inbox.ended = true,
        }
    }

    /// Opens the question of this id, which can't be guessed and was never used before. An answer to the question
    /// before it is dropped: the person gave it about something else, such as the row before it was changed.
    pub(crate) fn open_question(&self, id: &str) {
        let mut inbox = locked(&self.subscription.inbox);
        (inbox.question_id, inbox.answer) = (Some(id.to_owned()), None);
    }

    /// Waits for the next event, at most for `time`; `None` when none came. The thread sleeps meanwhile. If it
    /// looked into the inbox every few milliseconds instead, each stream would cost time while nothing happens.
    pub(crate) fn wait(&self, time: Duration) -> Option<Event> {
        let mut event = None;
        let is_empty = |inbox: &mut Inbox| {
            event = inbox.take();
            event.is_none()
        };
        let inbox = locked(&self.subscription.inbox);
        // A wait on a `Condvar` can end without a signal. `wait_timeout_while` then tests the inbox, finds it
        // empty, and goes on waiting for the rest of `time`.
        drop(self.subscription.arrived.wait_timeout_while(inbox, time, is_empty));
        event
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // Whatever is still in the inbox goes with it: its stream has ended, and no other stream is meant by it.
        let mut state = locked(&self.events.state);
        let Some(own) = state.open.get_mut(&self.person) else { return };
        own.retain(|subscription| !Arc::ptr_eq(subscription, &self.subscription));
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
    const ADA: UserId = UserId::new(1);
    const BOB: UserId = UserId::new(2);

    fn interest(changes: &[Change]) -> Interest {
        Interest::Changes(changes.iter().copied().collect())
    }

    fn request_key(id: &str) -> RequestKey {
        RequestKey { client: ClientKey::Session("s".into()), id: id.into() }
    }

    #[test]
    fn gives_a_change_once_to_the_interested_streams_of_that_person() {
        let events = Arc::new(Events::default());
        let (tag, tags) = (Change::Of(Resource::Tag(TagId::new(1))), Change::Of(Resource::Tags));
        let hers = events.subscribe(ADA, request_key("7"), interest(&[tag, Change::List])).expect("room");
        let his = events.subscribe(BOB, request_key("7"), interest(&[tag, tags])).expect("room");
        events.publish(ADA, &Changes::from([tag, tags]));
        events.publish(ADA, &Changes::from([tag]));
        assert_eq!(hers.wait(NOW), Some(Event::Changed(Changes::from([tag]))));
        assert_eq!(hers.wait(NOW), None);
        assert_eq!(his.wait(NOW), None);
    }

    #[test]
    fn hands_an_answer_to_the_question_of_that_person_and_session_alone() {
        let events = Arc::new(Events::default());
        let asked = events.subscribe(ADA, request_key("7"), Interest::Answer).expect("room");
        assert!(!events.deliver(ADA, "s", "q", ConfirmationAnswer::Yes), "it isn't asked yet");
        asked.open_question("q");
        assert!(!events.deliver(BOB, "s", "q", ConfirmationAnswer::Yes));
        assert!(!events.deliver(ADA, "t", "q", ConfirmationAnswer::Yes));
        assert!(!events.deliver(ADA, "s", "p", ConfirmationAnswer::Yes));
        assert_eq!(asked.wait(NOW), None);
        assert!(events.deliver(ADA, "s", "q", ConfirmationAnswer::No));
        assert!(
            events.deliver(ADA, "s", "q", ConfirmationAnswer::Yes),
            "a second answer finds the question too"
        );
        assert_eq!(asked.wait(NOW), Some(Event::Answered(ConfirmationAnswer::No)));
        assert!(events.deliver(ADA, "s", "q", ConfirmationAnswer::Yes));
        asked.open_question("r");
        assert!(!events.deliver(ADA, "s", "q", ConfirmationAnswer::Yes), "an answer to the question before");
        assert_eq!(asked.wait(NOW), None);
        events.cancel(BOB, &request_key("7"));
        events.cancel(ADA, &request_key("8"));
        assert_eq!(asked.wait(NOW), None);
        events.cancel(ADA, &request_key("7"));
        assert_eq!(asked.wait(NOW), Some(Event::Cancelled));
    }

    #[test]
    fn gives_an_event_again_that_was_put_back() {
        let events = Arc::new(Events::default());
        let (tag, tags) = (Change::Of(Resource::Tag(TagId::new(1))), Change::Of(Resource::Tags));
        let hers = events.subscribe(ADA, request_key("7"), interest(&[tag, tags])).expect("room");
        assert_eq!(events.watched(ADA), Changes::from([tag, tags]));
        assert_eq!(events.watched(BOB), Changes::new());
        events.publish(ADA, &Changes::from([tag]));
        let event = hers.wait(NOW).expect("an event");
        events.publish(ADA, &Changes::from([tags]));
        hers.put_back(event);
        assert_eq!(hers.wait(NOW), Some(Event::Changed(Changes::from([tag, tags]))));
    }

    #[test]
    fn takes_the_first_answer_also_when_it_comes_again() {
        let events = Arc::new(Events::default());
        let asked = events.subscribe(ADA, request_key("7"), Interest::Answer).expect("room");
        asked.open_question("q");
        assert!(events.deliver(ADA, "s", "q", ConfirmationAnswer::No));
        let first = asked.wait(NOW).expect("an answer");
        assert!(events.deliver(ADA, "s", "q", ConfirmationAnswer::Yes));
        asked.put_back(first);
        assert_eq!(asked.wait(NOW), Some(Event::Answered(ConfirmationAnswer::No)));
    }

    #[test]
    fn bounds_the_streams_of_a_person_and_of_all() {
        let events = Arc::new(Events::default());
        let mut open: Vec<_> = (0..limits::STREAMS_PER_PERSON_MAX)
            .map(|_| events.subscribe(ADA, request_key("7"), interest(&[Change::List])).expect("room"))
            .collect();
        assert!(events.subscribe(ADA, request_key("7"), interest(&[Change::List])).is_err());
        drop(events.subscribe(ADA, request_key("7"), Interest::Answer).expect("a question's own place"));
        open.pop();
        open.push(
            events.subscribe(ADA, request_key("7"), interest(&[Change::List])).expect("the place given up"),
        );
        for person in (2..).map(UserId::new) {
            match events.subscribe(person, request_key("7"), interest(&[Change::List])) {
                Ok(subscriber) => open.push(subscriber),
                Err(why) => {
                    assert_eq!(why, SubscribeError::Full);
                    break;
                }
            }
        }
        assert_eq!(open.len(), limits::STREAMS_MAX);
        events.end();
        assert!(open.iter().all(|subscriber| subscriber.wait(NOW) == Some(Event::Ended)));
        drop(open);
        let late = events.subscribe(ADA, request_key("7"), interest(&[Change::List]));
        assert_eq!(late.err(), Some(SubscribeError::Ended), "none begins after the end");
    }
}
