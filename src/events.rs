//! Events for open event streams: changes of a person's journal, and their answers to confirmation questions.
//!
//! Uses no JSON, no socket and no SQL. Invariants: an event that concerns one person reaches that person's streams
//! alone; and a thread that causes an event never waits for a client, but only adds to a set that can't grow beyond
//! what the stream is interested in.
//!
//! A stream's own thread takes events from its inbox and writes them to its client. The thread that causes an event
//! only puts it into the inbox, so a slow client delays no other request:
//!
//! ```text
//! a request's thread               Events                     a stream's thread
//! Journal::change, committed ────► publish ──► inbox ──► wait, check the token, write to the client
//! an answer that was posted  ────► deliver ──► inbox ──► wait, run the confirmed call
//! ```
//!
//! An inbox holds a set of changes. The alternative was a queue of messages. If a client doesn't read, a queue grows
//! without end or loses its oldest part. A set needs bounded space and loses nothing, because a notification only
//! says that something has changed, and not how. Ten changes of one entry while the client is slow are one
//! notification.
//!
//! Events are kept in memory only. A restart of the server ends every stream as well, and clients subscribe again. A
//! larger server with several processes would need a broker between them, since a change in one process must reach
//! the streams of the others.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::ids::{EntryId, TagId, UserId};
use crate::limits;
use crate::lock::locked;

/// A part of a person's data that a client can read and that can change. The type is defined in this file, because
/// two modules above need it: `journal` changes the data, and `mcp` gives each resource its URI.
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

/// A change that a client can be notified of. A change holds an id and no content: the client reads the content in a
/// request of its own, and the gate checks the token of that request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Change {
    /// The content of a resource changed.
    Of(Resource),
    /// The list of resources changed, as MCP shows it.
    List,
}

/// A sorted set of changes: each is in it once, however often it happened.
pub(crate) type Changes = BTreeSet<Change>;

/// The kind of events for which a stream was opened.
pub(crate) enum Interest {
    /// These changes. The caller may read each of their resources: `mcp` checked that when the stream was opened.
    Changes(Changes),
    /// The answer to a confirmation question.
    Answer,
}

/// Identifies the request that a stream answers, so that the client can cancel this request. The request's id alone
/// doesn't identify it: many clients count from the same number, so two clients of one person could cancel each
/// other's requests.
#[derive(PartialEq, Eq)]
pub(crate) struct RequestKey {
    pub(crate) client: ClientKey,
    /// The id of the request, as JSON.
    pub(crate) id: String,
}

/// The client that sent a request.
#[derive(PartialEq, Eq)]
pub(crate) enum ClientKey {
    /// The session's id, if the client keeps a session.
    Session(String),
    /// The digest of the access token, for every other client. The token itself would be one more secret to keep.
    Token([u8; 32]),
}

/// A person's answer to a confirmation question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ConfirmationAnswer {
    Yes,
    No,
}

/// The result of a subscriber's wait.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// These resources changed since the last wait.
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

/// Every open stream. One lock guards the map of streams, and each inbox has a lock of its own; [`Events::reach`]
/// says in which order threads take them.
#[derive(Default)]
pub(crate) struct Events {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The streams of each person who has any. A person without a stream isn't in the map, so the map can't grow
    /// forever.
    ///
    /// The key is the person, and this keeps events apart: an event finds its inboxes by this look-up, so there is no
    /// loop over all streams in which a comparison of the person could be forgotten. ([`Events::end`] does loop over
    /// all streams, but its event is the same for all people.)
    open: HashMap<UserId, Vec<Arc<Subscription>>>,
    /// How many streams all people have together, so that [`Events::subscribe`] needn't count them.
    count: usize,
    /// Whether [`Events::end`] was called; never cleared.
    ended: bool,
}

/// One stream. Its own thread and the threads that cause events share it. The request key and the interest never
/// change, so only the inbox needs a lock.
struct Subscription {
    request_key: RequestKey,
    interest: Interest,
    inbox: Mutex<Inbox>,
    arrived: Condvar,
}

/// The events that wait for the stream's thread, and the question that is open. Every field has a bounded size.
#[derive(Default)]
struct Inbox {
    /// A part of the stream's [`Interest`], which bounds its size.
    changes: Changes,
    /// The id of the question that is open now.
    question_id: Option<String>,
    answer: Option<ConfirmationAnswer>,
    cancelled: bool,
    ended: bool,
}

impl Inbox {
    /// Takes the event that matters most: an event that ends the stream comes before one that is only written to the
    /// client. If a person has confirmed a deletion, and the client then cancels the call while both wait here,
    /// nothing is deleted: in doubt the row stays.
    ///
    /// The two events that end the stream stay in the inbox, so the thread gets them again at its next call.
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
    /// Changes the inbox and wakes the stream's thread, which is the only one that waits for this inbox.
    fn put(&self, change: impl FnOnce(&mut Inbox)) {
        // The lock is free again at the end of this line, so the woken thread needn't wait for the lock. The signal
        // can't get lost between the two lines: the stream's thread tests the inbox under the lock before it waits.
        change(&mut locked(&self.inbox));
        self.arrived.notify_one();
    }
}

impl Events {
    /// Adds a stream: from now on the events that interest it are kept in its inbox until its thread takes them. The
    /// number of streams is bounded, because each stream holds a worker thread and a connection for as long as its
    /// client likes.
    pub(crate) fn subscribe(
        self: &Arc<Events>,
        person: UserId,
        request_key: RequestKey,
        interest: Interest,
    ) -> Result<Subscriber, SubscribeError> {
        let mut state = locked(&self.state);
        // The two kinds of streams are counted separately: otherwise a person with many subscriptions couldn't
        // confirm a deletion. The bound is for each person and not for each client, since one person can use many
        // clients.
        let is_alike = |open: &&Arc<Subscription>| {
            matches!(open.interest, Interest::Answer) == matches!(interest, Interest::Answer)
        };
        let own = state.open.get(&person).into_iter().flatten().filter(is_alike).count();
        if state.ended {
            return Err(SubscribeError::Ended);
        }
        // The count and the new stream are under one lock, so two requests can't both become the last stream allowed.
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

    /// Puts changes into the inboxes of a person's streams. The caller must have committed the changes before: a
    /// client that reads right after the notification must find the new state.
    ///
    /// The lock on all streams is held meanwhile, for a short time: a person has few streams, and no line here waits
    /// for a client or for the disk. A larger server would have a lock for each person.
    pub(crate) fn publish(&self, person: UserId, changes: &Changes) {
        if changes.is_empty() {
            return;
        }
        for subscription in locked(&self.state).open.get(&person).into_iter().flatten() {
            if let Interest::Changes(wanted) = &subscription.interest
                && !wanted.is_disjoint(changes)
            {
                // Only the wanted changes go in. That bounds the set, and the client gets notifications only for
                // resources that it named and may read.
                subscription.put(|inbox| inbox.changes.extend(wanted.intersection(changes)));
            }
        }
    }

    /// Returns all changes that some stream of a person is interested in. With this set the journal searches only for
    /// changes of which a client would be notified.
    pub(crate) fn watched(&self, person: UserId) -> Changes {
        let state = locked(&self.state);
        let subscriptions = state.open.get(&person).into_iter().flatten();
        let wanted = subscriptions.filter_map(|subscription| match &subscription.interest {
            Interest::Changes(wanted) => Some(wanted),
            Interest::Answer => None,
        });
        wanted.flatten().copied().collect()
    }

    /// Delivers an answer to the question with this id. Returns `false` if this person has no such question open in
    /// this session. If several answers come, the first counts: a client that repeats its message can't turn a no
    /// into a yes.
    ///
    /// The person, the session and the id, which can't be guessed, must all match, because the answer comes in a
    /// request of its own, which any client with a token can send. Otherwise one client could answer the question of
    /// another.
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

    /// Cancels a request of this person, if the stream that it opened is still open. If it isn't, nothing happens: a
    /// request may end while its cancellation is on the way, and that is no error (MCP, Cancellation).
    pub(crate) fn cancel(&self, person: UserId, request_key: &RequestKey) {
        self.reach(person, |subscription, inbox| {
            let is_meant = subscription.request_key == *request_key;
            inbox.cancelled |= is_meant;
            is_meant
        });
    }

    /// Calls `change` with each inbox of a person, until `change` returns `true`: then the inbox was the right one.
    /// Returns `false` if none was.
    ///
    /// The order of locks, here and everywhere in this file: first the state, then an inbox. A thread that has locked
    /// an inbox doesn't lock the state, so two threads can't each hold the lock that the other waits for.
    fn reach(&self, person: UserId, change: impl Fn(&Subscription, &mut Inbox) -> bool) -> bool {
        locked(&self.state).open.get(&person).into_iter().flatten().any(|subscription| {
            let is_meant = change(subscription, &mut locked(&subscription.inbox));
            if is_meant {
                subscription.arrived.notify_one();
            }
            is_meant
        })
    }

    /// Ends every stream, and refuses later ones. Without this call a stopping server would wait in vain for streams
    /// that may stay open for days, and then cut them off without a last message to the client.
    pub(crate) fn end(&self) {
        // One lock covers both steps: otherwise a stream that is opened between them would be neither refused nor
        // ended.
        let mut state = locked(&self.state);
        state.ended = true;
        for subscription in state.open.values().flatten() {
            subscription.put(|inbox| inbox.ended = true);
        }
    }
}

/// One open stream, for use by its own thread. Dropping it removes the stream from [`Events`], and that happens
/// however the stream ends: in good order, by an error of the connection, or while a panic unwinds. Otherwise the
/// stream would count against the limits until the server is restarted.
pub(crate) struct Subscriber {
    events: Arc<Events>,
    person: UserId,
    subscription: Arc<Subscription>,
}

impl Subscriber {
    /// Puts back an event that can't be written yet, because the token can't be checked at this moment. While the
    /// stream goes on, a later wait gives it again. There is no queue: changes join the set of those that came
    /// meanwhile, an answer replaces one that came later, and [`Inbox::take`] alone says which event is next. No
    /// signal is needed: only the stream's own thread waits for this inbox, and that thread is the caller.
    pub(crate) fn put_back(&self, event: Event) {
        let mut inbox = locked(&self.subscription.inbox);
        match event {
            Event::Changed(changes) => inbox.changes.extend(changes),
            // This answer came before the one that may be in the inbox now, and the first answer counts.
            Event::Answered(answer) => inbox.answer = Some(answer),
            Event::Cancelled => inbox.cancelled = true,
            Event::Ended => inbox.ended = true,
        }
    }

    /// Opens the question with this id, which the caller draws at random: no other client can guess it. An answer to
    /// an earlier question is dropped: the person gave it about something else, such as the row before it was
    /// changed.
    pub(crate) fn open_question(&self, id: &str) {
        let mut inbox = locked(&self.subscription.inbox);
        (inbox.question_id, inbox.answer) = (Some(id.to_owned()), None);
    }

    /// Waits for the next event, at most for `time`, and returns `None` if none came. The thread sleeps meanwhile. A
    /// thread that looked into the inbox every few milliseconds would use the processor even when nothing happens.
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
        // Whatever is still in the inbox is dropped with the stream, since it is meant for no other stream.
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
