//! Event streams: checks again whether the caller may have one, and serves `subscriptions/listen`.
//!
//! Knows no SQL, no socket and no token text.
//!
//! A stream may stay open for days, and meanwhile its token can expire or be revoked. So the gate checks the caller
//! again before the server writes an event, and at each keep-alive. In a burst of events a check is good for
//! [`limits::STREAM_LOOK`], and the gate may learn of the revocation of a foreign token later, from its cache.
//!
//! Each open stream holds one worker thread. That is the price of a server without async. So the number of streams is
//! bounded ([`limits::STREAMS_MAX`]). A server for many thousands of clients would keep its streams in one thread
//! with an event loop.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::resources;
use super::rpc::{RpcError, success};
use super::version::ProtocolVersion;
use super::{Accepts, Failure, Mcp, Reply};
use crate::app::App;
use crate::check::Check;
use crate::clock::Timestamp;
use crate::events::{Change, Changes, ClientKey, Event, Interest, RequestKey, Resource, Subscriber};
use crate::gate::Caller;
use crate::http::response::EventStream;
use crate::journal::JournalError;
use crate::json_text::JsonText;
use crate::limits;
use crate::scope::TagsRead;
use crate::stderr;

/// The key under which the `_meta` of each message on a subscription's stream names the subscription.
const SUBSCRIPTION_ID_KEY: &str = "io.modelcontextprotocol/subscriptionId";

/// What the server keeps of a request while its stream is open. It doesn't keep the head. The [`Caller`] holds what
/// the gate needs to check the token again: the hash of a token of ours, or the text of a foreign token.
pub(crate) struct OpenRequest {
    pub(crate) app: Arc<App>,
    base_url: String,
    caller: Caller,
}

/// What ends a wait on a stream.
pub(crate) enum Wakeup {
    /// An event came, and the gate still admits the caller; or the stream has to end ([`Event::Ended`],
    /// [`Event::Cancelled`]).
    Event(Event),
    /// The token has expired or been revoked, or the gate couldn't check it for too long.
    NotAdmitted,
    /// The client has closed its side.
    ClientGone,
    /// The deadline has passed.
    TimedOut,
}

/// Builds the key of the request that a stream answers. With this key the client can cancel the request and answer a
/// question on the stream. The request's id alone is no key, since many clients count from the same number. So the
/// key also has the session, or the token of a client without a session. Then two clients of one person can't cancel
/// each other's requests.
pub(crate) fn request_key(caller: &Caller, session: Option<&str>, id: &Value) -> RequestKey {
    let client = match session {
        Some(session) => ClientKey::Session(session.to_owned()),
        None => ClientKey::Token(caller.token_digest()),
    };
    RequestKey { client, id: id.to_string() }
}

impl OpenRequest {
    /// Copies what the stream needs. The context of a request borrows from its connection, but the stream is written
    /// by `http` after the handler has returned.
    pub(crate) fn new(mcp: Mcp) -> OpenRequest {
        let (app, base_url) = (Arc::clone(mcp.context.app), mcp.context.base_url.to_owned());
        OpenRequest { app, base_url, caller: *mcp.caller }
    }

    /// Waits for an event, at most until `deadline`, and keeps the stream alive meanwhile.
    ///
    /// The thread wakes for an event, and otherwise once in [`limits::STREAM_LOOK`], because no event says that a
    /// client has gone or that a token has expired. Each time it checks in this order: whether the client is still
    /// there; whether the stream must end; whether the token has expired; whether there is anything to do; whether
    /// the gate still admits the caller.
    pub(crate) fn wait(
        &self,
        subscriber: &Subscriber,
        stream: &mut EventStream,
        deadline: Option<Instant>,
    ) -> io::Result<Wakeup> {
        // Two clocks run. A proxy closes a connection on which nothing has been sent for long; and a token that
        // can't be checked for long counts as ended. Both start anew each time that the gate has admitted the
        // caller.
        let (mut silent_since, mut undecided_since) = (Instant::now(), Instant::now());
        loop {
            let now = Instant::now();
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(now));
            let event = subscriber.wait(left.min(limits::STREAM_LOOK));
            if !stream.is_client_there() {
                return Ok(Wakeup::ClientGone);
            }
            let is_expired = Timestamp::now() >= self.caller.holder().expires_at;
            let (is_quiet, is_late) = (event.is_none(), left.is_zero());
            match event {
                // These two events reveal nothing of the journal, so they need no check. A check could take long, and
                // a server that stops must not wait for another authorization server.
                Some(event @ (Event::Cancelled | Event::Ended)) => return Ok(Wakeup::Event(event)),
                // The server knows when the token expires, so it ends the stream soon after that moment. It notices a
                // revocation when it next calls the gate: before it writes an event, or at the next keep-alive.
                _ if is_expired => return Ok(Wakeup::NotAdmitted),
                None if !is_late && silent_since.elapsed() < limits::KEEP_ALIVE => continue,
                _ => {}
            }
            match self.admission() {
                // An event that came together with the deadline still counts: the person has answered in time.
                Admission::Admitted if is_late && is_quiet => return Ok(Wakeup::TimedOut),
                Admission::Admitted => match event {
                    Some(event) => return Ok(Wakeup::Event(event)),
                    None => stream.keep_alive()?,
                },
                // The gate can't check the token now, because the database or the other authorization server doesn't
                // answer. Until then the server may write nothing. But if it ended the stream at once, one short
                // failure would end all streams, and all clients would connect again in the same second.
                Admission::Undecided if !is_late && undecided_since.elapsed() < limits::DOUBT_MAX => {
                    event.into_iter().for_each(|event| subscriber.put_back(event));
                    // With the event back in the inbox the next wait returns at once, so the thread pauses here.
                    // Without the pause it would call the gate as fast as it can.
                    thread::sleep(limits::STREAM_LOOK);
                    continue;
                }
                Admission::Undecided | Admission::Ended => return Ok(Wakeup::NotAdmitted),
            }
            (silent_since, undecided_since) = (Instant::now(), Instant::now());
        }
    }

    /// Checks whether the gate admits the caller now. If the gate can't decide, that counts as a no.
    fn is_admitted(&self) -> bool {
        matches!(self.admission(), Admission::Admitted)
    }

    /// Has the gate check the caller's token again.
    fn admission(&self) -> Admission {
        match self.app.recheck(&self.base_url, &self.caller) {
            Ok(()) => Admission::Admitted,
            Err(Check::TokenLookedUp) => Admission::Undecided,
            Err(check) => {
                // The request has had its line in the log when the stream began, so this gets a line of its own.
                stderr::note(&format!("an event stream ends: outcome={}", check.facts().failure));
                Admission::Ended
            }
        }
    }
}

/// The result of checking an open stream's caller again.
enum Admission {
    Admitted,
    Undecided,
    Ended,
}

/// What a client wants to be notified of: `params.notifications` of `subscriptions/listen`.
pub(crate) struct RequestedNotifications {
    /// Whether the client wants `notifications/resources/list_changed`.
    list: bool,
    /// The resources whose `notifications/resources/updated` it wants, as it names them.
    uris: Vec<String>,
}

impl RequestedNotifications {
    /// Reads the parameters. Tools and prompts never change while this server runs, so a request for their
    /// notifications is checked and then dropped. The acknowledgement doesn't list it, so the client knows
    /// (2026-07-28 subscriptions, Acknowledgment).
    pub(crate) fn read(params: &Map<String, Value>) -> Result<RequestedNotifications, RpcError> {
        let invalid = |text: &str| RpcError::invalid_params(format!("params.notifications{text}"));
        let Some(Value::Object(requested)) = params.get("notifications") else {
            return Err(invalid(" must be an object"));
        };
        for kind in ["toolsListChanged", "promptsListChanged", "resourcesListChanged"] {
            if requested.get(kind).is_some_and(|value| !value.is_boolean()) {
                return Err(invalid(&format!(".{kind} must be true or false")));
            }
        }
        let uris = match requested.get("resourceSubscriptions") {
            None => Some(Vec::new()),
            Some(Value::Array(uris)) => uris.iter().map(|uri| uri.as_str().map(str::to_owned)).collect(),
            Some(_) => None,
        };
        let uris = uris.ok_or_else(|| invalid(".resourceSubscriptions must be an array of strings"))?;
        if uris.len() > limits::SUBSCRIBED_URIS_MAX {
            let max = limits::SUBSCRIBED_URIS_MAX;
            return Err(invalid(&format!(".resourceSubscriptions has more than {max} URIs")));
        }
        let list = requested.get("resourcesListChanged") == Some(&Value::Bool(true));
        Ok(RequestedNotifications { list, uris })
    }
}

/// Which of the requested notifications the client gets. The server gives no reason for leaving out the others: a URI
/// that the caller may not read must look like one that doesn't exist, or a client could find out which rows exist.
struct HonouredNotifications {
    /// Whether the client is notified that the list of resources has changed. Only the tags come and go in that list.
    list: bool,
    /// The resources, each with the URI by which this client calls it: a notification must name the URI that the
    /// client has subscribed to, and `%37` and `7` are the same id.
    uris: BTreeMap<Resource, String>,
}

impl HonouredNotifications {
    fn of(requested: RequestedNotifications, mcp: &Mcp) -> Result<HonouredNotifications, JournalError> {
        // If a client names one resource in two spellings, it gets one notification, with the first spelling.
        let mut uris = BTreeMap::new();
        for uri in requested.uris {
            let Some(resource) = resources::parse(&uri) else { continue };
            if resources::is_readable(mcp, resource)? {
                uris.entry(resource).or_insert(uri);
            }
        }
        let list = requested.list && mcp.journal_if::<TagsRead>().is_some();
        Ok(HonouredNotifications { list, uris })
    }

    /// Returns the same as [`Changes`]: `events` knows no URIs.
    fn changes(&self) -> Changes {
        let list = self.list.then_some(Change::List);
        self.uris.keys().map(|resource| Change::Of(*resource)).chain(list).collect()
    }

    /// Writes the acknowledgement's `notifications`.
    fn describe(&self) -> Value {
        let mut described = json!({});
        if self.list {
            described["resourcesListChanged"] = true.into();
        }
        if !self.uris.is_empty() {
            described["resourceSubscriptions"] = self.uris.values().cloned().collect();
        }
        described
    }
}

/// Registers a subscriber for the requested notifications, and returns the stream, which `http` writes later
/// (2026-07-28, Subscriptions). Resources that don't exist or that the caller may not read are left out, and that is
/// no error. Fails if the client doesn't accept event streams, if as many are open as there may be, if the server is
/// stopping, or if the database fails.
#[inline(never)] // see `log::write`
pub(crate) fn subscribe(
    mcp: Mcp,
    requested: RequestedNotifications,
    id: Value,
    accepts: Accepts,
) -> Result<Reply, Failure> {
    if !accepts.events {
        return Err(Failure::StreamRefused);
    }
    let honoured = HonouredNotifications::of(requested, &mcp).map_err(RpcError::from)?;
    // Register the subscriber now and not when the stream is written, or a change between the two moments would be
    // lost. And if no place is free, the response can still be an error; later it could only be a broken stream.
    // There is no session in the key: only stateless versions have subscriptions.
    let (request_key, interest) =
        (request_key(&mcp.caller, None, &id), Interest::Changes(honoured.changes()));
    let subscriber = mcp
        .context
        .app
        .events
        .subscribe(mcp.caller.holder().user_id, request_key, interest)
        .map_err(RpcError::from)?;
    let subscription = Subscription { request: OpenRequest::new(mcp), subscriber, honoured, id };
    Ok(Reply::Stream(Box::new(move |stream| subscription.write(stream))))
}

/// An open subscription.
struct Subscription {
    request: OpenRequest,
    subscriber: Subscriber,
    honoured: HonouredNotifications,
    /// The id of the request. Every message on the stream names the subscription by it, with its JSON type: a
    /// client may have several subscriptions, and must be able to tell their messages apart.
    id: Value,
}

impl Subscription {
    /// Writes the stream: first the acknowledgement, then a notification for each change, and at last the result,
    /// when the token has ended, the server stops, or the client has cancelled its request. From the result the
    /// client knows that the stream has ended and the connection hasn't broken (2026-07-28 subscriptions, Graceful
    /// Closure).
    ///
    /// The page on cancellation also has the server send `notifications/cancelled` here. The schema's comment on
    /// that message confines it to stdio, so only the result is sent.
    fn write(&self, stream: &mut EventStream) -> io::Result<()> {
        let acknowledged = json!({ "notifications": self.honoured.describe() });
        stream.send(&self.notification("subscriptions/acknowledged", acknowledged))?;
        loop {
            let changes = match self.request.wait(&self.subscriber, stream, None)? {
                Wakeup::Event(Event::Changed(changes)) => changes,
                Wakeup::ClientGone => return Ok(()),
                Wakeup::Event(_) | Wakeup::NotAdmitted | Wakeup::TimedOut => {
                    return stream.send(&self.result());
                }
            };
            let mut admitted_at = Instant::now();
            for change in changes {
                // One wait can give hundreds of changes, and a client that reads slowly may take longer for all of
                // them than its token is valid. Each write blocks until the client has room for it.
                if admitted_at.elapsed() >= limits::STREAM_LOOK {
                    if !self.request.is_admitted() {
                        return stream.send(&self.result());
                    }
                    admitted_at = Instant::now();
                }
                let message = match change {
                    Change::List => self.notification("resources/list_changed", json!({})),
                    Change::Of(resource) => {
                        let uri = self.honoured.uris.get(&resource);
                        self.notification("resources/updated", json!({ "uri": uri }))
                    }
                };
                stream.send(&message)?;
            }
        }
    }

    /// Builds a notification. It says which resource has changed but not its new content. If the client reads the
    /// resource again, the gate checks the scope of that request.
    fn notification(&self, method: &str, mut params: Value) -> Value {
        params["_meta"] = json!({ SUBSCRIPTION_ID_KEY: self.id });
        json!({ "jsonrpc": "2.0", "method": format!("notifications/{method}"), "params": params })
    }

    /// Builds the response to `subscriptions/listen`, which ends the stream.
    fn result(&self) -> JsonText {
        let (version, id) = (ProtocolVersion::V2026_07_28, self.id.clone());
        let result = version.result_of("complete", |_| (), move |out| out.member(SUBSCRIPTION_ID_KEY, &id));
        success(&self.id, &result)
    }
}
