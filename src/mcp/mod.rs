//! The MCP endpoint: turns the body of an admitted request into its response, be it one message, a batch or a
//! stream.
//!
//! Knows no socket, no SQL and no token text, and not what any method does: the methods stand in [`methods`].
//!
//! A request passes four stages, and each stage may rely on what the earlier ones have checked:
//!
//! 1. [`accept`] looks at the head alone: the HTTP method, the type of the body, the forms of response that the
//!    client takes. The body is still unread, so a request that can't be answered costs the server no memory.
//! 2. [`rpc`] decides which kind of JSON-RPC message the body is.
//! 3. [`version`] decides which protocol version the message follows and which client sent it. This comes before
//!    the method is looked up, because each version has its own methods.
//! 4. [`methods`] finds the method, checks its parameters and has the gate check the scopes. What is left is to run
//!    it.
//!
//! Preparing a request and running it are two steps because of batches. The server refuses a batch as a whole, and
//! before it has run any part of it. So a client that gets a 403 can ask the person for the missing scope and then
//! send the same batch again, and nothing in it is done twice.

mod apps;
mod arguments;
mod client_info;
mod completion;
mod elicitation;
mod methods;
mod prompts;
mod resources;
mod rpc;
mod shapes;
mod streams;
pub(crate) mod tools;
mod version;

use std::error::Error;
use std::fmt;

use serde_json::Value;

use self::client_info::{ClientInfo, Headers, Session};
use self::methods::Prepared;
use self::rpc::{Message, Request, RpcError, success};
use crate::context::Context;
use crate::events::ConfirmationAnswer;
use crate::gate::{Caller, Permit, Refusal};
use crate::http::request::Head;
use crate::http::response::{Response, Stream};
use crate::journal::Journal;
use crate::json;
use crate::limits;
use crate::scope::Access;

/// A request that the gate has admitted, without its body: the context, and the caller whom the gate found. It is
/// handed to everything that prepares or runs a request.
pub(crate) struct Mcp<'a> {
    pub(crate) context: Context<'a>,
    pub(crate) caller: Caller,
}

/// Why the head of a request alone shows that the server can't take it for a message of MCP.
#[derive(Debug)]
pub(crate) enum Unacceptable {
    /// The request isn't a POST.
    ///
    /// In the versions with `initialize` a GET opens a stream for messages that answer no request. This server has
    /// none to send, and an idle stream would hold a thread for as long as the client is open. A DELETE ends a
    /// session, but the server keeps nothing of a session that it could delete. 405 is the answer that the
    /// specification foresees for both (2025-11-25 transports, Listening for Messages from the Server, Session
    /// Management; 2026-07-28 Streamable HTTP, Earlier Streamable HTTP Revisions). It must be 405: after a 404 or a
    /// 400, clients in the field reconnect again and again.
    Method,
    /// The body isn't JSON.
    ///
    /// This is also a defence. A browser lets every web page POST the types `text/plain` and
    /// `application/x-www-form-urlencoded` to any server without a preflight (Fetch §2.2.2, CORS-safelisted
    /// request-header). For `application/json` it must ask the server first, and the server can refuse the page.
    ContentType,
    /// The client takes neither JSON nor an event stream.
    Accept,
}

impl Unacceptable {
    /// The table: the status and the words of each.
    fn facts(&self) -> (u16, &'static str) {
        match self {
            Unacceptable::Method => (405, "send JSON-RPC by POST"),
            Unacceptable::ContentType => (415, "Content-Type must be application/json"),
            Unacceptable::Accept => (406, "Accept must allow application/json or text/event-stream"),
        }
    }

    /// The response. It is plain text and no JSON-RPC error: as far as the head shows, the client doesn't speak
    /// JSON-RPC.
    pub(crate) fn response(&self) -> Response {
        let (status, words) = self.facts();
        let response = Response::text(status, words);
        match self {
            // RFC 9110 §15.5.6: a 405 must name the methods that are allowed.
            Unacceptable::Method => response.with("Allow", "POST, OPTIONS"),
            Unacceptable::ContentType | Unacceptable::Accept => response,
        }
    }
}

impl fmt::Display for Unacceptable {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(self.facts().1)
    }
}

impl Error for Unacceptable {}

/// Checks what the head of a request decides: its method, the type of its body, and the forms of response that the
/// client takes. It runs after the gate, so a client without a token gets a 401 and never one of these errors: rmcp
/// sends a GET without a token in order to see the challenge.
pub(crate) fn accept(head: &Head) -> Result<Accepts, Unacceptable> {
    if head.method() != "POST" {
        return Err(Unacceptable::Method);
    }
    if !head.is_of_type("application/json") {
        return Err(Unacceptable::ContentType);
    }
    Accepts::choose(head).ok_or(Unacceptable::Accept)
}

/// The forms of response that the client takes, by its `Accept`.
///
/// The specification obliges clients to list both types (2025-11-25 transports, Sending Messages to the Server).
/// Clients in the field don't: some send `application/json` alone, others `text/event-stream` alone
/// (modelcontextprotocol/python-sdk#2349). A server that insisted on both would shut them out, so one is enough,
/// until the request turns out to need the other one.
#[derive(Clone, Copy)]
pub(crate) struct Accepts {
    /// A JSON text. Where the client doesn't take one, the message is sent as a whole event stream of one event.
    json: bool,
    /// An event stream that stays open. Only a subscription and a question to the person need it.
    events: bool,
}

impl Accepts {
    /// What `Accept` allows; `None` when it allows neither form. A client that sends no `Accept` takes everything
    /// (RFC 9110 §12.5.1).
    fn choose(head: &Head) -> Option<Accepts> {
        // Several fields of one name mean the same as one field with all their values (RFC 9110 §5.3).
        let mut ranges = Vec::new();
        for value in head.fields("accept") {
            let listed = value.split(|byte| *byte == b',').map(<[u8]>::to_ascii_lowercase);
            ranges.extend(listed.filter(|range| !range.trim_ascii().is_empty()));
        }
        // Of the ranges that match a type, the most specific one decides (RFC 9110 §12.5.1): `*/*,
        // text/event-stream;q=0` takes no stream. That is why each list of names below begins with the most
        // specific one. The server compares no weights beyond that: it sends JSON wherever the client takes it.
        let takes = |names: [&str; 3]| {
            let quality = |name: &&str| {
                ranges.iter().find_map(|range| {
                    let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
                    let named = parts.next() == Some(name.as_bytes());
                    let refused =
                        parts.any(|part| matches!(part, b"q=0" | b"q=0.0" | b"q=0.00" | b"q=0.000"));
                    named.then_some(!refused)
                })
            };
            ranges.is_empty() || names.iter().find_map(quality).unwrap_or(false)
        };
        let json = takes(["application/json", "application/*", "*/*"]);
        let events = takes(["text/event-stream", "text/*", "*/*"]);
        (json || events).then_some(Accepts { json, events })
    }

    /// A response that is one message. JSON wins where the client takes both: a proxy passes it on as it is, while an
    /// event stream may be held back until the proxy's buffer is full.
    fn response(self, message: &Value) -> Response {
        if self.json { Response::json(200, message) } else { Response::event(message) }
    }
}

/// Answers a request that the gate has admitted. This is the one place that turns a [`Failure`] into a response.
pub(crate) fn answer(context: &Context, caller: Caller, accepts: Accepts, bytes: &[u8]) -> Response {
    let mcp = Mcp { context: *context, caller };
    match mcp.reply(accepts, bytes) {
        Ok(Reply::Nothing) => Response::new(202),
        Ok(Reply::Message { message, session }) => {
            let response = accepts.response(&message);
            session.into_iter().fold(response, |response, id| response.with("Mcp-Session-Id", id))
        }
        Ok(Reply::Stream(write)) => Response::stream(write),
        Err(Failure::Rpc(error, id)) => {
            let message = error.message(id.as_ref());
            match error.status() {
                200 => accepts.response(&message),
                // Clients look for events only behind a 2xx. The body of an error status they read as one JSON text,
                // whatever their `Accept` said.
                status => Response::json(status, &message),
            }
        }
        Err(Failure::Gate(refusal)) => refusal.response(),
        Err(refused @ Failure::StreamRefused) => Response::text(406, &refused.to_string()),
    }
}

/// What the server sends back.
enum Reply {
    /// No message: JSON-RPC 2.0 §4.1 forbids a reply to a notification. A 202 without a body says that the server has
    /// taken it (2025-11-25 transports, Sending Messages to the Server).
    Nothing,
    /// A message or a batch of them. A client that has just initialized gets its session id beside it.
    Message { message: Value, session: Option<String> },
    /// Messages, one after the other, for as long as the stream is open.
    Stream(Box<Stream>),
}

/// A request of a batch: its id, and what is left to do, or why that can't be done.
type PreparedMessage = (Value, Result<Prepared, RpcError>);

/// Why a message has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The message is wrong or the work failed. Beside the error stands the id of the request that it answers, if
    /// that id is known.
    Rpc(RpcError, Option<Value>),
    /// The gate refused the operation. HTTP must say it and not JSON-RPC: only a `403` with a challenge makes a
    /// client ask the person for more scopes (MCP authorization, Runtime Insufficient Scope Errors). A tool's error
    /// in a `200` would reach the model, which can't widen a token.
    Gate(Refusal),
    /// Only an open stream can answer this message, and the client doesn't take one.
    StreamRefused,
}

impl Failure {
    /// The same failure, as the answer to the request of this id.
    fn answering(self, id: Value) -> Failure {
        match self {
            Failure::Rpc(error, _) => Failure::Rpc(error, Some(id)),
            other => other,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Failure::Rpc(error, _) => error.fmt(out),
            Failure::Gate(refusal) => refusal.fmt(out),
            Failure::StreamRefused => out.write_str("Accept must allow text/event-stream for this"),
        }
    }
}

impl Error for Failure {}

/// Where an error arises, the request's id isn't at hand. [`Failure::answering`] adds it.
impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Failure {
        Failure::Rpc(error, None)
    }
}

impl Mcp<'_> {
    /// Reads the body and does what it demands.
    fn reply(self, accepts: Accepts, bytes: &[u8]) -> Result<Reply, Failure> {
        let message = match json::parse(bytes).map_err(RpcError::Parse)? {
            Value::Array(messages) => return self.batch(messages),
            message => Message::read(message).map_err(|(error, id)| Failure::Rpc(error, id))?,
        };
        match message {
            Message::Request(request) => {
                let id = request.id.clone();
                self.request(request, accepts).map_err(|failure| failure.answering(id))
            }
            Message::Notification { method, params } => self.notification(&method, params.as_ref()),
            Message::Response { id, result } => self.response(id.as_ref(), result.as_ref()),
        }
    }

    /// Answers a request. Two kinds of request keep their stream open: a subscription, and a call about which the
    /// person is asked on the call's own stream. Every other one is prepared, run, and answered by one message.
    fn request(self, request: Request, accepts: Accepts) -> Result<Reply, Failure> {
        let id = request.id.clone();
        let headers = Headers::read(self.context.head)?;
        let client = self.client(&request, &headers)?;
        match methods::prepare(&self, &client, request)? {
            Prepared::Listen(requested) => streams::subscribe(self, requested, id, accepts),
            Prepared::Call(call) if call.asks_on_stream(&client) => {
                elicitation::ask_on_stream(self, *call, id, &client, accepts)
            }
            prepared => {
                let session = match &prepared {
                    Prepared::Initialize(session) => {
                        Some(session.sign(&self.caller, &self.context.app.signer, self.context.now))
                    }
                    _ => None,
                };
                let message = success(id, prepared.run(&self, &client)?);
                Ok(Reply::Message { message, session })
            }
        }
    }

    /// Takes a notification. A cancellation is the only one that changes anything here. The server takes every
    /// other one too, and does nothing: JSON-RPC gives it no way to say that it doesn't know a notification.
    ///
    /// No `Mcp-Method` header is demanded, because 2026-07-28 leaves the headers of notifications undefined
    /// (Streamable HTTP, Sending Messages).
    fn notification(self, method: &str, params: Option<&Value>) -> Result<Reply, Failure> {
        let headers = Headers::read(self.context.head)?;
        let is_stateless = client_info::has_stateless_meta(params) || headers.names_stateless_version();
        let session = if is_stateless { None } else { self.session_client(&headers)?.session };
        // In a session this is the only way to cancel: a connection that ends must not count as one (2025-11-25
        // transports, Sending Messages to the Server). A stateless client closes its stream instead. The MCP
        // Inspector leaves it open and sends this, so it works for both.
        let id = params.and_then(|params| params.get("requestId"));
        if let ("notifications/cancelled", Some(id)) = (method, id) {
            let request_key = streams::request_key(&self.caller, session, id);
            self.context.app.events.cancel(self.caller.holder().user_id, &request_key);
        }
        Ok(Reply::Nothing)
    }

    /// Takes the client's response to a request of the server. The server sends one kind of request only,
    /// `elicitation/create`, so the response holds a person's answer to a question.
    ///
    /// It is delivered to a question of the same person and the same session (2025-11-25 elicitation, Security
    /// Considerations): another client of that person must not be able to say yes to a question that it never showed.
    fn response(self, id: Option<&Value>, result: Option<&Value>) -> Result<Reply, Failure> {
        let headers = Headers::read(self.context.head)?;
        if headers.names_stateless_version() {
            let text = "in this protocol version a client posts requests and notifications alone";
            return Err(RpcError::invalid_request(text).into());
        }
        let client = self.session_client(&headers)?;
        // An error, or a result that doesn't fit the question, counts as a no. The answer is final: the first one
        // decides, so a late yes can't undo it.
        let answer = result.and_then(elicitation::read_answer).unwrap_or(ConfirmationAnswer::No);
        let is_open = match (client.session, id.and_then(Value::as_str)) {
            (Some(session), Some(id)) => {
                self.context.app.events.deliver(self.caller.holder().user_id, session, id, answer)
            }
            _ => false,
        };
        if is_open { Ok(Reply::Nothing) } else { Err(RpcError::UnknownResponse.into()) }
    }

    /// Answers a batch, which only 2025-03-26 has, and there every server must take one (2025-03-26 basic,
    /// Batching).
    ///
    /// Every message is prepared before the first one is run, so that a refused batch leaves nothing half-done. For
    /// the same reason one malformed message refuses all of them. JSON-RPC 2.0 §6 would have the server answer that
    /// one with an error and run the others, and then half of a batch of writes would be done.
    ///
    /// The requests are run one after the other, in the order of the array. JSON-RPC would allow any order, but a
    /// model that creates a tag and then attaches it relies on this one.
    fn batch(&self, messages: Vec<Value>) -> Result<Reply, Failure> {
        let invalid = |text: &str| Failure::from(RpcError::invalid_request(text));
        let no_batches = || invalid("this protocol version has no batches");
        let headers = Headers::read(self.context.head)?;
        if messages.is_empty() || messages.len() > limits::BATCH_MESSAGES_MAX {
            let text = format!("a batch holds 1 to {} messages", limits::BATCH_MESSAGES_MAX);
            return Err(invalid(&text));
        }
        let is_stateless = |message: &Value| client_info::has_stateless_meta(message.get("params"));
        if headers.names_stateless_version() || messages.iter().any(is_stateless) {
            return Err(no_batches());
        }
        let client = match self.session_client(&headers) {
            Ok(client) if client.version.has_batches() => client,
            // The 404 must come through: it is how a client learns that it has to initialize anew.
            Err(error @ RpcError::UnknownSession) => return Err(error.into()),
            _ => return Err(no_batches()),
        };
        let prepared = self.prepare_batch(messages, &client)?;
        self.context.log.set_operation("batch");
        let (mut answers, mut bytes) = (Vec::new(), 0);
        for (id, prepared) in prepared {
            // A batch of fifty calls can ask for fifty large pages. So the server stops running calls once the
            // answers are as large as one response may get; the call that crosses the line is still answered whole.
            // A call that isn't run says so, and the client can send it again.
            let result = match prepared {
                Ok(_) if bytes > limits::BATCH_ANSWER_BYTES_MAX => Err(RpcError::BatchFull),
                Ok(prepared) => prepared.run(self, &client),
                Err(error) => Err(error),
            };
            let answer = match result {
                Ok(result) => success(id, result),
                Err(error) => error.message(Some(&id)),
            };
            bytes += serde_json::to_vec(&answer).map_or(0, |bytes| bytes.len());
            answers.push(answer);
        }
        if answers.is_empty() {
            return Ok(Reply::Nothing); // all of them were notifications (JSON-RPC 2.0 §6)
        }
        Ok(Reply::Message { message: Value::Array(answers), session: None })
    }

    /// Prepares the requests of a batch.
    ///
    /// There are two kinds of error. Wrong parameters are the matter of one request, which is answered by an error
    /// of its own while the others are run. What isn't a message, or lacks a scope, refuses the whole batch. That
    /// error has no id, because it answers none of the requests.
    fn prepare_batch(
        &self,
        messages: Vec<Value>,
        client: &ClientInfo,
    ) -> Result<Vec<PreparedMessage>, Failure> {
        let invalid = |text: &str| Failure::from(RpcError::invalid_request(text));
        let mut prepared = Vec::new();
        for message in messages {
            match Message::read(message).map_err(|(error, _)| error)? {
                // 2025-03-26 lifecycle, Initialization: until it is answered no other request may be sent.
                Message::Request(request) if request.method == "initialize" => {
                    return Err(invalid("initialize must not be in a batch"));
                }
                Message::Request(request) => {
                    let id = request.id.clone();
                    match methods::prepare(self, client, request) {
                        Ok(work) => prepared.push((id, Ok(work))),
                        Err(Failure::Rpc(error, _)) => prepared.push((id, Err(error))),
                        Err(refused) => return Err(refused),
                    }
                }
                Message::Notification { .. } => {}
                Message::Response { .. } => {
                    return Err(invalid("in this protocol version the server sends no requests"));
                }
            }
        }
        Ok(prepared)
    }

    /// Finds out which client sent a request, by the request itself, by the session that it begins, or by its
    /// headers.
    fn client<'h>(&self, request: &Request, headers: &Headers<'h>) -> Result<ClientInfo<'h>, RpcError> {
        if headers.is_stateless_request(request)? {
            headers.check_stateless(request)?;
            return Ok(ClientInfo::of_stateless(request));
        }
        if request.method == "initialize" {
            let params = request.params.as_ref().and_then(Value::as_object);
            let wrong = || RpcError::invalid_params("params must be an object");
            return Session::begin(params.ok_or_else(wrong)?).map(|session| session.client());
        }
        self.session_client(headers)
    }

    fn session_client<'h>(&self, headers: &Headers<'h>) -> Result<ClientInfo<'h>, RpcError> {
        headers.session_client(&self.caller, &self.context.app.signer, self.context.now)
    }

    /// Has the gate check the scopes of `A` for one operation. The log and the 403 call the operation by this name.
    /// It is `'static`, so no text of a client can get into a header or a line of the log.
    fn permit<A: Access>(&self, operation: &'static str) -> Result<Permit<A>, Failure> {
        let log = self.context.log;
        log.set_operation(operation);
        self.caller.permit(operation, log).map_err(Failure::Gate)
    }

    /// Opens the caller's journal if their token has the scopes of `A`. It serves answers that are merely shorter
    /// without them, such as a list or a completion.
    fn journal_if<A: Access>(&self) -> Option<Journal<'_, A>> {
        self.caller.permit_if().map(|permit| self.context.app.journal(permit))
    }
}
