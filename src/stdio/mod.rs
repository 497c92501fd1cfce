//! MCP over standard input and output: carries each message to the server by HTTP, and its answers back.
//!
//! Opens no database and checks no token. It is a client of the server and no second way into the journal: the gate
//! decides about each message as about any other, and the answer is written as it came. Which server that is, the
//! command says (`cli/stdio.rs`).
//!
//! Each line of the input is one message, and each message of the server becomes one line of the output. A request has
//! a thread, so that a cancellation, the answer to a question or a ping gets through while it waits. What isn't
//! answered (a notification, a response) is sent in the order in which it comes, and so is `initialize`, since its
//! answer says what the messages after it have in their headers.
//!
//! Two parts of HTTP have no message. `notifications/cancelled` closes the connection of the request, which is the
//! cancellation on HTTP (2026-07-28 Streamable HTTP, Cancellation); so nothing more is written for it, as stdio
//! demands. And no GET stream is opened for versions with `initialize`: this server offers none (`mcp::Unacceptable`).

mod event_reader;
pub(crate) mod lines;
mod server;

use std::io::{self, Write};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use self::event_reader::EventReader;
use self::lines::Line;
pub(crate) use self::server::{ConnectError, DatabaseServer, reachable};
use crate::http::client::{ClientError, Closer, OpenAnswer, Request};
use crate::json;
use crate::limits;
use crate::lock::locked;
use crate::mcp;
use crate::site;
use crate::stderr;

/// JSON-RPC 2.0 §5.1. What hinders a message on its way has no code of its own.
const INTERNAL_ERROR: i64 = -32603;
const INVALID_REQUEST: i64 = -32600;

/// Says which server has the database. It is told which one has just refused a connection, if one has.
pub(crate) type FindServer =
    dyn Fn(Option<&Arc<DatabaseServer>>) -> Result<Arc<DatabaseServer>, String> + Send + Sync;

/// Why nothing more is carried.
#[derive(Debug)]
pub(crate) enum End {
    /// The input is over, or a signal has come.
    Input,
    /// The output takes nothing more.
    Output(io::Error),
}

/// Carries the messages of one client.
pub(crate) struct Relay {
    find_server: Box<FindServer>,
    token: Option<String>,
    /// How a token is made, for the messages that say so.
    token_command: String,
    output: Mutex<Box<dyn Write + Send>>,
    end: Sender<End>,
    session: Mutex<Session>,
    requests: Mutex<Requests>,
    /// What was told last on standard error.
    told: Mutex<String>,
    /// Wakes [`Relay::finish`] when a request is no longer in flight.
    request_ended: Condvar,
}

/// What `initialize` has agreed on; empty in the stateless versions.
#[derive(Clone, Default)]
struct Session {
    version: Option<String>,
    id: Option<String>,
}

/// The requests in flight.
#[derive(Default)]
struct Requests {
    next_number: u64,
    in_flight: Vec<InFlight>,
    /// No further request begins, and no stream stays open.
    is_ending: bool,
}

struct InFlight {
    number: u64,
    id: Value,
    closer: Option<Closer>,
    is_stream: bool,
    is_cancelled: bool,
}

/// A message on its way.
struct Message {
    bytes: Vec<u8>,
    /// `None` if it is no JSON. It is sent all the same, since the server's words say what is wrong.
    value: Option<Value>,
    /// The number of a request that has a thread.
    number: Option<u64>,
}

impl Message {
    fn member(&self, name: &str) -> Option<&Value> {
        self.value.as_ref()?.get(name).filter(|value| !value.is_null())
    }

    fn method(&self) -> Option<&str> {
        self.member("method")?.as_str()
    }

    /// The id of the request. A response has an id too, and isn't answered. An id of null is none in MCP, and the
    /// server says so.
    fn id(&self) -> Option<&Value> {
        self.member("method").and(self.value.as_ref()?.get("id"))
    }

    /// Returns whether the client waits for an answer: to a request, a batch, or a line that isn't a message at all.
    fn is_answered(&self) -> bool {
        let is_response = self.member("result").or(self.member("error")).is_some();
        self.id().is_some() || (self.member("method").is_none() && !is_response)
    }
}

impl Relay {
    /// `end` is told once when the output takes nothing more.
    pub(crate) fn new(
        find_server: Box<FindServer>,
        token: Option<String>,
        token_command: String,
        output: Box<dyn Write + Send>,
        end: Sender<End>,
    ) -> Arc<Relay> {
        Arc::new(Relay {
            find_server,
            token,
            token_command,
            output: Mutex::new(output),
            end,
            session: Mutex::default(),
            requests: Mutex::default(),
            told: Mutex::default(),
            request_ended: Condvar::new(),
        })
    }

    /// Takes the next line of the input.
    pub(crate) fn take(self: &Arc<Relay>, line: Line) {
        let bytes = match line {
            Line::Message(bytes) => bytes,
            Line::TooLong(id) => {
                let max = limits::STDIO_LINE_BYTES_MAX;
                let why =
                    format!("Invalid request: the line has more than {max} bytes, and nothing was done");
                return self.answer_error(id.as_ref(), INVALID_REQUEST, &why);
            }
        };
        let mut message = Message { value: json::parse(&bytes).ok(), bytes, number: None };
        match message.method() {
            Some("notifications/cancelled") => {
                return self.cancel(message.member("params").and_then(|params| params.get("requestId")));
            }
            Some("initialize") => return self.carry(&message),
            _ => {}
        }
        let is_batch = message.value.as_ref().is_some_and(Value::is_array);
        if !is_batch && message.id().is_none() {
            return self.carry(&message);
        }
        let id = message.id().cloned();
        match self.begin_request(id.clone().unwrap_or_default()) {
            Ok(number) => message.number = Some(number),
            Err(why) => return self.answer_error(id.as_ref(), INTERNAL_ERROR, &why),
        }
        let (relay, number) = (Arc::clone(self), message.number);
        let carry = move || {
            relay.carry(&message);
            relay.end_request(message.number);
        };
        let spawned =
            thread::Builder::new().name("request".into()).stack_size(limits::THREAD_STACK_BYTES).spawn(carry);
        if let Err(error) = spawned {
            self.end_request(number);
            let why =
                format!("no thread can be made for this request: {error}; nothing was done, send it again");
            self.answer_error(id.as_ref(), INTERNAL_ERROR, &why);
        }
    }

    /// Ends the streams, and waits for the other requests in flight, up to [`limits::SHUTDOWN_GRACE`]. A stream can't
    /// be waited for: a subscription never ends, and nobody is left to answer a question.
    pub(crate) fn finish(&self) {
        let mut requests = locked(&self.requests);
        requests.is_ending = true;
        requests.in_flight.iter_mut().filter(|request| request.is_stream).for_each(InFlight::cancel);
        let has_some = |requests: &mut Requests| !requests.in_flight.is_empty();
        let waited = self.request_ended.wait_timeout_while(requests, limits::SHUTDOWN_GRACE, has_some);
        let (requests, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if !requests.in_flight.is_empty() {
            let count = requests.in_flight.len();
            stderr::note(&format!("{count} requests weren't answered before this program ended"));
        }
    }

    fn begin_request(&self, id: Value) -> Result<u64, String> {
        let mut requests = locked(&self.requests);
        if requests.is_ending {
            return Err("this program is stopping; nothing was done".to_owned());
        }
        if requests.in_flight.len() >= limits::STDIO_REQUESTS_MAX {
            let max = limits::STDIO_REQUESTS_MAX;
            return Err(format!("{max} requests are in flight; wait until some of them are answered"));
        }
        let number = requests.next_number;
        requests.next_number += 1;
        let request = InFlight { number, id, closer: None, is_stream: false, is_cancelled: false };
        requests.in_flight.push(request);
        Ok(number)
    }

    fn end_request(&self, number: Option<u64>) {
        locked(&self.requests).in_flight.retain(|request| Some(request.number) != number);
        self.request_ended.notify_all();
    }

    /// Closes the connection of the request that the client doesn't want any more.
    fn cancel(&self, id: Option<&Value>) {
        let mut requests = locked(&self.requests);
        requests.in_flight.iter_mut().filter(|request| Some(&request.id) == id).for_each(InFlight::cancel);
    }

    /// Changes what is known of a request in flight, and returns whether it goes on.
    fn note(&self, message: &Message, change: impl FnOnce(&mut InFlight)) -> bool {
        let mut requests = locked(&self.requests);
        let Requests { in_flight, is_ending, .. } = &mut *requests;
        let found = in_flight.iter_mut().find(|request| Some(request.number) == message.number);
        found.is_none_or(|request| {
            change(request);
            if request.is_stream && *is_ending {
                request.cancel();
            }
            !request.is_cancelled
        })
    }

    /// Sends a message to the server, and writes what it answers.
    fn carry(&self, message: &Message) {
        let why = match self.send(message) {
            Ok(Some(answer)) => self.write_answer(message, answer),
            Ok(None) => Ok(()),
            Err(why) => Err(why),
        };
        if let Err(why) = why
            && self.note(message, |_| ())
        {
            // The client may not show what the server answers, and its log has this, once for many requests.
            let mut told = locked(&self.told);
            if *told != why {
                stderr::note(&why);
                told.clone_from(&why);
            }
            drop(told);
            if message.is_answered() {
                self.answer_error(message.id(), INTERNAL_ERROR, &why);
            }
        }
    }

    /// Sends a message, and waits for the head of the answer; `None` if the request was cancelled meanwhile. The server
    /// may have gone since the last message, and then another one has the database, or this process.
    fn send(&self, message: &Message) -> Result<Option<OpenAnswer>, String> {
        let (mut gone, start) = (None, Instant::now());
        loop {
            let server = (self.find_server)(gone.as_ref())?;
            match self.send_to(&server, message) {
                // Nothing of it was done, so it may be sent again.
                Err(ClientError::Refused | ClientError::Unread)
                    if start.elapsed() < limits::STDIO_SERVER_WAIT_MAX =>
                {
                    gone = Some(server);
                    thread::sleep(limits::STDIO_SERVER_LOOK);
                }
                sent => return sent.map_err(|error| self.broken(message, error)),
            }
        }
    }

    /// Sends a message to this server, once.
    fn send_to(&self, server: &DatabaseServer, message: &Message) -> Result<Option<OpenAnswer>, ClientError> {
        let mut connection = server.connect().map_err(|error| match error {
            ConnectError::NotReached(error) => error,
            ConnectError::NotProved => ClientError::Unread, // the next look says more
        })?;
        let closer = connection.closer().map_err(|_| ClientError::Refused)?; // no descriptor is left
        if !self.note(message, |request| request.closer = Some(closer)) {
            return Ok(None);
        }
        let headers = self.headers(message);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let request = Request {
            address: server.address,
            method: "POST",
            host: &server.host(),
            target: site::MCP,
            fields: &headers,
            body: &message.bytes,
        };
        let answer = connection.ask(&request, limits::STDIO_SILENCE_MAX)?;
        // A server that stops doesn't know when to try again, and each other 503 says when.
        if answer.head.status == 503 && answer.head.fields("retry-after").next().is_none() {
            return Err(ClientError::Unread);
        }
        Ok(Some(answer))
    }

    fn headers(&self, message: &Message) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("Content-Type", "application/json".to_owned()),
            ("Accept", "application/json, text/event-stream".to_owned()),
        ];
        headers.extend(self.token.iter().map(|token| ("Authorization", format!("Bearer {token}"))));
        let stateless = message.value.as_ref().and_then(mcp::stateless_headers);
        match (stateless, message.method()) {
            (Some(stateless), _) => headers.extend(stateless),
            (None, Some("initialize")) => {}
            (None, _) => {
                let Session { version, id } = locked(&self.session).clone();
                headers.extend(version.map(|version| ("MCP-Protocol-Version", version)));
                headers.extend(id.map(|id| ("Mcp-Session-Id", id)));
            }
        }
        headers
    }

    /// Writes an answer, as it comes. The error says why there is none.
    fn write_answer(&self, message: &Message, mut answer: OpenAnswer) -> Result<(), String> {
        let field = |name: &str| {
            let value = answer.head.fields(name).next().and_then(|value| std::str::from_utf8(value).ok());
            value.map(str::to_owned)
        };
        let kind = field("content-type").unwrap_or_default();
        let (status, session) = (answer.head.status, field("mcp-session-id"));
        if kind.starts_with("text/event-stream") {
            if !self.note(message, |request| request.is_stream = true) {
                return Ok(());
            }
            let (mut reader, mut is_answered) = (EventReader::default(), false);
            loop {
                let part = answer.next_part(limits::STDIO_MESSAGE_BYTES_MAX);
                let part = part.map_err(|error| self.broken(message, error))?;
                let Some(part) = part else { break };
                let is_small = reader.take(&part, &mut |data| {
                    is_answered |= is_response(data);
                    self.write(message, data);
                });
                if !is_small {
                    return Err(self.broken(message, ClientError::TooLarge));
                }
            }
            return if is_answered { Ok(()) } else { Err(self.broken(message, ClientError::Gone)) };
        }
        let body = answer.read_body(limits::STDIO_MESSAGE_BYTES_MAX);
        let body = body.map_err(|error| self.broken(message, error))?;
        if body.is_empty() && (200..300).contains(&status) {
            return Ok(()); // the server has taken a notification or a response
        }
        let value: Option<Value> = serde_json::from_slice(&body).ok();
        let is_message =
            value.as_ref().is_some_and(|value| value.is_array() || value.get("jsonrpc").is_some());
        if !is_message {
            let words = value.as_ref().and_then(|value| value.get("error_description")?.as_str());
            let words = words.map_or_else(|| String::from_utf8_lossy(&body).trim().to_owned(), str::to_owned);
            return Err(self.refusal(status, &words));
        }
        if !message.is_answered() {
            // JSON-RPC has no answer to a notification or a response.
            return Err(format!(
                "the server didn't take a message: {}",
                String::from_utf8_lossy(body.trim_ascii())
            ));
        }
        if message.method() == Some("initialize") {
            let result = value.as_ref().and_then(|value| value.get("result"));
            let version = result.and_then(|result| result.get("protocolVersion")?.as_str());
            *locked(&self.session) = Session { version: version.map(str::to_owned), id: session };
        }
        self.write(message, &body);
        Ok(())
    }

    /// Says why the gate, or the server as a whole, hasn't let a message in, and what to do.
    fn refusal(&self, status: u16, words: &str) -> String {
        let command = &self.token_command;
        match status {
            401 if self.token.is_none() => format!(
                "EPICME_TOKEN isn't set: make a token by {command}, and give it to this program in that variable"
            ),
            401 => format!(
                "the token in EPICME_TOKEN is refused ({words}): it is of another server or journal, was revoked or has \
                 expired; make one by {command}, and put it there"
            ),
            403 => format!(
                "the token in EPICME_TOKEN doesn't allow this ({words}): make one that has these scopes too, or all, by \
                 {command}, and put it there"
            ),
            _ => format!("the server refused this, and nothing was done: {words} ({status})"),
        }
    }

    /// Says that there is no whole answer.
    fn broken(&self, message: &Message, error: ClientError) -> String {
        match error {
            // Each other part of the head is made of visible ASCII.
            ClientError::Unwritable => format!(
                "EPICME_TOKEN has a character that no token has: make one by {}, and put it there as it is",
                self.token_command
            ),
            ClientError::Refused | ClientError::Silent | ClientError::Unread => {
                format!("the server of this database isn't reached: {error}; nothing was done, send it again")
            }
            _ if message.method() == Some("subscriptions/listen") => {
                format!("the server has ended this subscription: {error}; subscribe again")
            }
            _ => format!(
                "the server has ended, or doesn't answer: {error}; look whether this was done before you send it again"
            ),
        }
    }

    fn answer_error(&self, id: Option<&Value>, code: i64, why: &str) {
        let error = json!({ "code": code, "message": why });
        // An unknown id is left out, as the server leaves it out.
        let answer = match id.filter(|id| id.is_string() || id.is_i64() || id.is_u64()) {
            Some(id) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
            None => json!({ "jsonrpc": "2.0", "error": error }),
        };
        self.write_line(answer.to_string().as_bytes(), || true);
    }

    /// Writes a message of the server as one line, unless the client has cancelled the request.
    fn write(&self, message: &Message, text: &[u8]) {
        self.write_line(text, || self.note(message, |_| ()));
    }

    /// Writes a line if it is still wanted once the output is free.
    fn write_line(&self, text: &[u8], is_wanted: impl FnOnce() -> bool) {
        let mut output = locked(&self.output);
        if !is_wanted() {
            return;
        }
        let text = text.trim_ascii_end();
        let mut line = Vec::with_capacity(text.len() + 1);
        // In JSON a line end is blank space, or it would be escaped.
        line.extend(text.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
        line.push(b'\n');
        if let Err(error) = output.write_all(&line).and_then(|()| output.flush()) {
            let _ = self.end.send(End::Output(error)); // an error means that the command ends already
        }
    }
}

impl InFlight {
    fn cancel(&mut self) {
        self.is_cancelled = true;
        self.closer.iter().for_each(Closer::close);
    }
}

/// Returns whether a message of a stream is the response to its request, which is the last one.
fn is_response(data: &[u8]) -> bool {
    let value: Option<Value> = serde_json::from_slice(data).ok();
    value.is_some_and(|value| value.get("result").or(value.get("error")).is_some())
}
