//! The MCP endpoint: turns the body of a request that the gate has admitted into the response: one message, a batch
//! or a stream.
//!
//! Knows no socket, no SQL and no token text. What each method does is in [`methods`] and in the files that it names.
//!
//! A request passes four stages, and each stage may rely on what the earlier stages have checked:
//!
//! 1. [`accept`] looks at the head alone: the HTTP method, the type of the body, the forms of response that the
//!    client takes. The body is still unread, so the server keeps no body of a request that it can't answer.
//! 2. [`rpc`] decides which kind of JSON-RPC message the body is.
//! 3. [`version`] decides which protocol version the message follows and which client sent it. This comes before
//!    the method is looked up, because each version has its own methods.
//! 4. [`methods`] finds the method, checks its parameters and has the gate check the scopes. Then the method only has
//!    to run.
//!
//! Preparing a request and running it are two steps because of batches. If one request of a batch lacks a scope, the
//! server refuses the whole batch before it has run any part of it. So the client that gets this 403 can ask the
//! person for the missing scope and then send the same batch again, and no request in it is run twice.

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
pub(crate) mod version;

use std::error::Error;
use std::fmt;

use serde_json::Value;

pub(crate) use self::client_info::stateless_headers;
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
use crate::json_text::{self, JsonText};
use crate::limits;
use crate::scope::Access;

/// A request that the gate has admitted, without its body: the context, and the caller whom the gate found. Each
/// function that prepares or runs a request takes it.
pub(crate) struct Mcp<'a> {
    pub(crate) context: Context<'a>,
    /// In a box, because this value passes through many functions, each of which keeps a place for it on the stack.
    pub(crate) caller: Box<Caller>,
}

/// Says whether the client still waits for the response.
type IsClientThere<'a> = dyn FnMut() -> bool + 'a;

/// Why the server refuses a request by its head alone: it can't be a message of MCP.
#[derive(Debug)]
pub(crate) enum Unacceptable {
    /// The request isn't a POST.
    ///
    /// In the versions with `initialize` a GET opens a stream for messages that answer no request. This server has no
    /// such message to send, and an idle stream would hold a thread for as long as the client is open. A DELETE ends
    /// a session, but the server keeps nothing of a session that it could delete. For both requests the specification
    /// allows the answer 405 (2025-11-25 transports, Listening for Messages from the Server, Session Management;
    /// 2026-07-28 Streamable HTTP, Earlier Streamable HTTP Revisions). No other status will do: after a 404 or a 400,
    /// some clients in the field connect again and again.
    Method,
    /// The body isn't JSON in UTF-8.
    ///
    /// This is also a defence. A browser lets every web page POST the types `text/plain` and
    /// `application/x-www-form-urlencoded` to any server without a preflight (Fetch §2.2.2, CORS-safelisted
    /// request-header). For `application/json` the browser must ask the server first, and the server can refuse the
    /// page.
    ContentType,
    /// The client takes neither JSON nor an event stream.
    Accept,
}

impl Unacceptable {
    /// Returns the status and the words of each. This is their table.
    fn facts(&self) -> (u16, &'static str) {
        match self {
            Unacceptable::Method => (405, "send JSON-RPC by POST"),
            Unacceptable::ContentType => (415, "Content-Type must be application/json, in UTF-8"),
            Unacceptable::Accept => (406, "Accept must allow application/json or text/event-stream"),
        }
    }

    /// Builds the response. It is plain text and no JSON-RPC error: as far as the head shows, the client doesn't
    /// speak JSON-RPC.
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
/// client takes. The gate comes first, so a client without a token gets a 401 instead of one of these errors: rmcp
/// sends a GET without a token in order to see the challenge.
#[inline(never)] // see `log::write`
pub(crate) fn accept(head: &Head) -> Result<Accepts, Unacceptable> {
    if head.method() != "POST" {
        return Err(Unacceptable::Method);
    }
    if !head.is_json() {
        return Err(Unacceptable::ContentType);
    }
    Accepts::choose(head).ok_or(Unacceptable::Accept)
}

/// The forms of response that the client takes, as its `Accept` says.
///
/// The specification obliges clients to list both types (2025-11-25 transports, Sending Messages to the Server). Not
/// all clients in the field do: some send `application/json` alone, others `text/event-stream` alone
/// (modelcontextprotocol/python-sdk#2349). A server that insisted on both types would shut these clients out. So one
/// type is enough, unless the request needs the other type.
#[derive(Clone, Copy)]
pub(crate) struct Accepts {
    /// The client takes a JSON text. If it doesn't, the server sends the message as an event stream of one event.
    json: bool,
    /// The client takes an event stream. A subscription and a question to the person need one that stays open.
    events: bool,
}

impl Accepts {
    /// Reads `Accept`. Returns `None` if it allows neither form. A client that sends no `Accept` takes everything
    /// (RFC 9110 §12.5.1).
    fn choose(head: &Head) -> Option<Accepts> {
        // Several fields of one name mean the same as one field with all their values (RFC 9110 §5.3).
        let mut ranges = Vec::new();
        for value in head.fields("accept") {
            let listed = value.split(|byte| *byte == b',').map(<[u8]>::to_ascii_lowercase);
            ranges.extend(listed.filter(|range| !range.trim_ascii().is_empty()));
        }
        // Of the ranges that match a type, the most specific one decides (RFC 9110 §12.5.1): `*/*,
        // text/event-stream;q=0` takes no stream. That is why each list of names below begins with the most specific
        // one. The server compares no weights beyond that: it sends JSON if the client takes JSON.
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

    /// Builds a response of one message. If the client takes both forms, the server sends JSON: a proxy passes JSON
    /// on at once, but may hold an event stream back until the proxy's buffer is full.
    fn response(self, message: JsonText) -> Response {
        if self.json { Response::json_text(200, message.into_bytes()) } else { Response::event(&message) }
    }
}

/// Answers a request that the gate has admitted.
///
/// Never inlined, for the reason that `log::write` gives: a request that the gate refuses needs none of this.
#[inline(never)]
pub(crate) fn answer(
    context: &Context,
    caller: Caller,
    accepts: Accepts,
    bytes: &[u8],
    is_client_there: &mut IsClientThere,
) -> Response {
    let mcp = Mcp { context: *context, caller: Box::new(caller) };
    match mcp.reply(accepts, bytes, is_client_there) {
        Ok(Reply::Nothing) => Response::new(202),
        Ok(Reply::Message { message, session }) => {
            let response = accepts.response(message);
            session.into_iter().fold(response, |response, id| response.with("Mcp-Session-Id", id))
        }
        Ok(Reply::Stream(write)) => Response::stream(write),
        Err(failure) => failure.response(accepts),
    }
}

/// What a client has posted, as far as it can be checked before something is run.
enum Posted<'a> {
    Request {
        id: Value,
        client: ClientInfo<'a>,
        prepared: Prepared,
    },
    Batch(Vec<Value>),
    /// A notification or a response. The server has taken it, and sends no message back.
    Taken,
}

/// What the server sends back.
enum Reply {
    /// No message: JSON-RPC 2.0 §4.1 forbids a reply to a notification. A 202 without a body says that the server has
    /// taken the notification (2025-11-25 transports, Sending Messages to the Server).
    Nothing,
    /// A message, or a batch of messages. The response to `initialize` also has a header with the session's id.
    Message { message: JsonText, session: Option<String> },
    /// Messages, one after the other, for as long as the stream is open.
    Stream(Box<Stream>),
}

/// A request of a batch: its id, and the prepared request or the error that answers it.
type PreparedMessage = (Value, Result<Prepared, RpcError>);

/// Why a message has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The message is wrong, or its work failed. The second field is the id of the request, if the id is known.
    Rpc(RpcError, Option<Value>),
    /// The gate refused the operation. HTTP must say so, and not JSON-RPC: only a `403` with a challenge makes a
    /// client ask the person for more scopes (MCP authorization, Runtime Insufficient Scope Errors). A tool's error
    /// in a `200` would reach the model, which can't widen a token.
    Gate(Refusal),
    /// Only an open stream can answer this message, and the client doesn't take one.
    StreamRefused,
}

impl Failure {
    /// Adds the id of the request that failed.
    fn answering(self, id: Value) -> Failure {
        match self {
            Failure::Rpc(error, _) => Failure::Rpc(error, Some(id)),
            other => other,
        }
    }

    #[inline(never)] // see `log::write`
    fn response(self, accepts: Accepts) -> Response {
        match self {
            Failure::Rpc(error, id) => {
                let message = error.message(id.as_ref());
                match error.status() {
                    200 => accepts.response(message),
                    // Clients look for events only in a response with a 2xx status. They read the body of an error as
                    // one JSON text, even if their `Accept` asked for events alone.
                    status => Response::json_text(status, message.into_bytes()),
                }
            }
            Failure::Gate(refusal) => refusal.response(),
            Failure::StreamRefused => Response::text(406, &self.to_string()),
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

/// The function that finds an error doesn't know the request's id. [`Failure::answering`] adds the id later.
impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Failure {
        Failure::Rpc(error, None)
    }
}

impl<'a> Mcp<'a> {
    /// Reads the body as a message or a batch, and answers it.
    fn reply(
        self,
        accepts: Accepts,
        bytes: &[u8],
        is_client_there: &mut IsClientThere,
    ) -> Result<Reply, Failure> {
        // Parsed before [`Mcp::read`] is called, whose variables would lie below those of each level of the text.
        let body = json::parse(bytes).map_err(RpcError::Parse)?;
        match self.read(body)? {
            Posted::Request { id, client, prepared } => {
                let answered = self.request(id.clone(), &client, prepared, accepts);
                answered.map_err(|failure| failure.answering(id))
            }
            Posted::Batch(messages) => self.batch(messages, is_client_there),
            Posted::Taken => Ok(Reply::Nothing),
        }
    }

    /// Reads the body, and prepares the request if it is one.
    #[inline(never)] // see `log::write`
    fn read(&self, body: Value) -> Result<Posted<'a>, Failure> {
        let message = match body {
            Value::Array(messages) => return Ok(Posted::Batch(messages)),
            message => Message::read(message).map_err(|(error, id)| Failure::Rpc(error, id))?,
        };
        match message {
            Message::Request(request) => {
                let id = request.id.clone();
                match self.prepare(request) {
                    Ok((client, prepared)) => Ok(Posted::Request { id, client, prepared }),
                    Err(failure) => Err(failure.answering(id)),
                }
            }
            Message::Notification { method, params } => {
                self.notification(&method, params.as_ref()).map(|()| Posted::Taken)
            }
            Message::Response { id, result } => {
                self.response(id.as_ref(), result.as_ref()).map(|()| Posted::Taken)
            }
        }
    }

    /// Finds out which client sent a request, and prepares the request.
    fn prepare(&self, request: Request) -> Result<(ClientInfo<'a>, Prepared), Failure> {
        let headers = Headers::read(self.context.head)?;
        let client = self.client(&request, &headers)?;
        let prepared = methods::prepare(self, &client, request)?;
        Ok((client, prepared))
    }

    /// Answers a request. Two kinds of request are answered by a stream that stays open: a subscription, and a call
    /// that asks the person on its own stream. Each other request is run, and answered by one message.
    fn request(
        self,
        id: Value,
        client: &ClientInfo,
        prepared: Prepared,
        accepts: Accepts,
    ) -> Result<Reply, Failure> {
        match prepared {
            Prepared::Listen(requested) => streams::subscribe(self, requested, id, accepts),
            Prepared::Call(call) if call.asks_on_stream(client) => {
                elicitation::ask_on_stream(self, *call, id, client, accepts)
            }
            prepared => {
                let session = match &prepared {
                    Prepared::Initialize(session) => {
                        Some(session.sign(&self.caller, &self.context.app.signer, self.context.now))
                    }
                    _ => None,
                };
                let message = success(&id, &prepared.run(&self, client)?);
                Ok(Reply::Message { message, session })
            }
        }
    }

    /// Takes a notification. Of all notifications only a cancellation changes something here. The server takes the
    /// others too and ignores them: in JSON-RPC a server can't answer that it doesn't know a notification.
    ///
    /// No `Mcp-Method` header is demanded, because 2026-07-28 leaves the headers of notifications undefined
    /// (Streamable HTTP, Sending Messages).
    #[inline(never)] // see `log::write`
    fn notification(&self, method: &str, params: Option<&Value>) -> Result<(), Failure> {
        let headers = Headers::read(self.context.head)?;
        let is_stateless = client_info::has_stateless_meta(params) || headers.names_stateless_version();
        let session = if is_stateless { None } else { self.session_client(&headers)?.session };
        // In a session this is the only way to cancel a request: the server must not take the end of a connection for
        // a cancellation (2025-11-25 transports, Sending Messages to the Server). A stateless client closes its
        // stream instead. But the MCP Inspector leaves its stream open and sends this notification, so the server
        // takes it from stateless clients too.
        let id = params.and_then(|params| params.get("requestId"));
        if let ("notifications/cancelled", Some(id)) = (method, id) {
            let request_key = streams::request_key(&self.caller, session, id);
            self.context.app.events.cancel(self.caller.holder().user_id, &request_key);
        }
        Ok(())
    }

    /// Takes the client's response to a request of the server. The server sends one kind of request only,
    /// `elicitation/create`, so the response holds a person's answer to a question.
    ///
    /// The answer counts only for a question of the same person and the same session (2025-11-25 elicitation,
    /// Security Considerations): another client of that person must not be able to say yes to a question that it
    /// didn't show to the person.
    #[inline(never)] // see `log::write`
    fn response(&self, id: Option<&Value>, result: Option<&Value>) -> Result<(), Failure> {
        let headers = Headers::read(self.context.head)?;
        if headers.names_stateless_version() {
            let text = "in this protocol version a client posts requests and notifications alone";
            return Err(RpcError::invalid_request(text).into());
        }
        let client = self.session_client(&headers)?;
        // An error, or a result that doesn't fit the question, counts as a no. The first answer is final, so a late
        // yes can't undo a no.
        let answer = result.and_then(elicitation::read_answer).unwrap_or(ConfirmationAnswer::No);
        let is_open = match (client.session, id.and_then(Value::as_str)) {
            (Some(session), Some(id)) => {
                self.context.app.events.deliver(self.caller.holder().user_id, session, id, answer)
            }
            _ => false,
        };
        if is_open { Ok(()) } else { Err(RpcError::UnknownResponse.into()) }
    }

    /// Answers a batch. Only 2025-03-26 has batches, and each server of that version must take them (2025-03-26
    /// basic, Batching).
    ///
    /// The server prepares every message before it runs the first one, so that a refused batch leaves no work half
    /// done. For the same reason it refuses the whole batch if one message is malformed. By JSON-RPC 2.0 §6 it would
    /// answer the malformed message with an error and run the others, and then half of a batch of writes would be
    /// done.
    ///
    /// The requests are run one after the other, in the order of the array. JSON-RPC would allow any order, but a
    /// model that creates a tag and then attaches it relies on the order of the array.
    ///
    /// A batch of searches may take a minute. If the client has gone, nobody reads the answers, so the server runs no
    /// further call. A client that has only closed its side still reads which calls weren't run. For the same reason
    /// the gate checks the token again before each call: a person who takes access back expects that nothing is done
    /// with the token from then on.
    #[inline(never)] // see `log::write`
    fn batch(&self, messages: Vec<Value>, is_client_there: &mut IsClientThere) -> Result<Reply, Failure> {
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
            // This error must reach the client as a 404: by that status a client learns that it has to initialize
            // again.
            Err(error @ RpcError::UnknownSession) => return Err(error.into()),
            _ => return Err(no_batches()),
        };
        let prepared = self.prepare_batch(messages, &client)?;
        self.context.log.set_operation("batch");
        let (mut answers, mut bytes) = (Vec::new(), 0);
        for (id, prepared) in prepared {
            // A batch of fifty calls can ask for fifty large pages. So the server stops running calls once the
            // answers are as large as one response may get; the call whose answer crosses the bound is still answered
            // whole. The answer to a call that wasn't run says so, and the client can send the call again.
            let result = match prepared {
                Ok(_) if bytes > limits::BATCH_ANSWER_BYTES_MAX => Err(RpcError::BATCH_FULL),
                Ok(_) if !is_client_there() => Err(RpcError::CLIENT_GONE),
                Ok(_) if !self.is_still_admitted() => Err(RpcError::TOKEN_ENDED),
                Ok(prepared) => prepared.run(self, &client),
                Err(error) => Err(error),
            };
            let answer = match result {
                Ok(result) => success(&id, &result),
                Err(error) => error.message(Some(&id)),
            };
            bytes += answer.bytes();
            answers.push(answer);
        }
        if answers.is_empty() {
            return Ok(Reply::Nothing); // all of them were notifications (JSON-RPC 2.0 §6)
        }
        Ok(Reply::Message { message: JsonText::of(&json_text::array(&answers)), session: None })
    }

    /// Returns whether the gate still admits the caller, now and not at the time of the request. If the gate can't
    /// decide, that counts as a no.
    fn is_still_admitted(&self) -> bool {
        self.context.app.recheck(self.context.base_url, &self.caller).is_ok()
    }

    /// Prepares the requests of a batch.
    ///
    /// There are two kinds of error. A request with wrong parameters gets an error of its own, and the other requests
    /// are run. If one element isn't a message, or one request lacks a scope, the whole batch is refused. The error
    /// for the whole batch has no id, because it answers no single request.
    fn prepare_batch(
        &self,
        messages: Vec<Value>,
        client: &ClientInfo,
    ) -> Result<Vec<PreparedMessage>, Failure> {
        let invalid = |text: &str| Failure::from(RpcError::invalid_request(text));
        let mut prepared = Vec::new();
        for message in messages {
            match Message::read(message).map_err(|(error, _)| error)? {
                // 2025-03-26 lifecycle, Initialization: a client sends no other request until `initialize` is
                // answered.
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

    /// Finds out which client sent a request. A request of a stateless protocol version is described by its own
    /// `_meta`, an `initialize` by its parameters, and any other request by its headers, which may hold a session id.
    ///
    /// Fails if what describes the client is missing or malformed, if the headers contradict the request, if the
    /// server doesn't speak the version that is named there, or if the session is unknown or has expired. An
    /// `initialize` that asks for an unknown version doesn't fail: the server offers another one.
    #[inline(never)] // see `log::write`
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

    /// Has the gate check the scopes of `A` for one operation. The log and the 403 show the operation's name. The
    /// name is `'static`, so a client's text can't get into a header or a line of the log by it.
    fn permit<A: Access>(&self, operation: &'static str) -> Result<Permit<A>, Failure> {
        let log = self.context.log;
        log.set_operation(operation);
        self.caller.permit(operation, log).map_err(Failure::Gate)
    }

    /// Opens the caller's journal if the token has the scopes of `A`; otherwise returns `None`. It is for answers
    /// that are only shorter without those scopes, such as a list or a completion.
    fn journal_if<A: Access>(&self) -> Option<Journal<'_, A>> {
        self.caller.permit_if().map(|permit| self.context.app.journal(permit))
    }
}
