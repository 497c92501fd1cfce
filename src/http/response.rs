//! [`Response`] → bytes.
//!
//! Knows no other room and no socket: a status, fields and a body are all there is. Invariant: this is the one place
//! that writes the head of a response, so the fields that say where a body ends can't be forgotten or doubled.
//!
//! A response is a value until the handler has returned it. Other rooms can therefore add to it (the gate a
//! challenge, `cors` what a browser asks for) and the log can read it, before a byte has left. The price is that its
//! body is whole in memory, which every response here can afford but one kind: an event stream writes while it lasts.

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::SystemTime;

use serde_json::Value;

/// The response to one request.
pub(crate) struct Response {
    status: u16,
    /// In the order in which they are written. Names are always literals, and so are most values: only a value that
    /// is made for this response costs an allocation.
    fields: Vec<(&'static str, Cow<'static, str>)>,
    body: ResponseBody,
    close: bool,
}

pub(crate) enum ResponseBody {
    /// All of it is there before the head is written.
    Whole(Vec<u8>),
    /// It is written event by event, for as long as the stream is open.
    Stream(Box<Stream>),
}

/// Writes the events of a stream, on the thread of its connection. When it returns, the stream is over; an error
/// means that the client is gone.
pub(crate) type Stream = dyn FnOnce(&mut EventStream) -> io::Result<()>;

/// How the client finds the end of an event stream, whose length is known only then (RFC 9112 §6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StreamEnd {
    /// By the last chunk. Without one, the client knows that the connection broke and the stream isn't over.
    LastChunk,
    /// By the end of the connection: HTTP/1.0 has no chunks.
    Close,
}

impl Response {
    /// A response without a body.
    pub(crate) fn new(status: u16) -> Response {
        Response { status, fields: Vec::new(), body: ResponseBody::Whole(Vec::new()), close: false }
    }

    /// A response with a JSON body. The line end behind it keeps a terminal's prompt off the last line.
    pub(crate) fn json(status: u16, body: &Value) -> Response {
        let mut bytes = serde_json::to_vec(body).expect("a Value has no part that can't be written");
        bytes.push(b'\n');
        Response::with_body(status, "application/json", bytes)
    }

    /// A response with one message, as a whole event stream of one event: for a client whose `Accept` names no JSON.
    pub(crate) fn event(message: &Value) -> Response {
        Response::events(ResponseBody::Whole(event(message)))
    }

    /// A response that is an open event stream.
    pub(crate) fn stream(write: Box<Stream>) -> Response {
        Response::events(ResponseBody::Stream(write))
    }

    /// The fields keep a proxy in front from spoiling the stream: no cache stores it, nothing compresses it (a
    /// compressor holds events back until it has a block full), and nginx doesn't gather events before it passes them
    /// on.
    fn events(body: ResponseBody) -> Response {
        Response { body, ..Response::new(200) }
            .with("Content-Type", "text/event-stream")
            .with("Cache-Control", "no-cache, no-transform")
            .with("X-Accel-Buffering", "no")
    }

    /// A response with one line or a few of plain text, for a person who reads it in a terminal or a browser.
    pub(crate) fn text(status: u16, text: &str) -> Response {
        Response::with_body(status, "text/plain; charset=utf-8", format!("{text}\n").into_bytes())
    }

    pub(crate) fn html(status: u16, bytes: Vec<u8>) -> Response {
        Response::with_body(status, "text/html; charset=utf-8", bytes)
    }

    pub(crate) fn css(text: &str) -> Response {
        Response::with_body(200, "text/css; charset=utf-8", text.as_bytes().to_vec())
    }

    /// Sends a browser on with a GET (RFC 9110 §15.4.4). `location` is a path of ours or a redirect URI that has been
    /// checked; anything else would let a request choose where a person is sent.
    pub(crate) fn see_other(location: String) -> Response {
        Response::new(303).with("Location", location)
    }

    fn with_body(status: u16, content_type: &'static str, body: Vec<u8>) -> Response {
        Response { body: ResponseBody::Whole(body), ..Response::new(status) }
            .with("Content-Type", content_type)
    }

    /// Adds a field. The value comes from this program, or was checked to be without control bytes: a line end in it
    /// would begin another field, or another response (response splitting, RFC 9112 §11.1).
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Response {
        let value = value.into();
        debug_assert!(!value.contains(['\r', '\n']), "{name} would split the response");
        self.fields.push((name, value));
        self
    }

    /// Ends the connection behind this response: what follows the request can't be trusted to be a request.
    pub(crate) fn and_close(mut self) -> Response {
        self.close = true;
        self
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase, as the wire view shows it.
    pub(crate) fn reason(&self) -> &'static str {
        reason(self.status)
    }

    /// The first field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    }

    /// Whether the connection must end behind this response, whatever the client wants.
    pub(crate) fn closes(&self) -> bool {
        self.close
    }

    /// Appends the head to `out`. `close` says `Connection: close` (RFC 9112 §9.6).
    pub(crate) fn write_head(&self, out: &mut Vec<u8>, stream_end: StreamEnd, close: bool) {
        // RFC 9110 §6.6.1 wants the date in every response of a server with a clock. This is the wall clock and not
        // the time of the request: a response is dated when it is written.
        let date = httpdate::HttpDate::from(SystemTime::now());
        let head = write!(out, "HTTP/1.1 {} {}\r\nDate: {date}\r\n", self.status, reason(self.status));
        head.expect("a Vec takes every write");
        for (name, value) in &self.fields {
            for part in [name, ": ", value, "\r\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        if close {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        match &self.body {
            // RFC 9110 §8.6: a 204 must have no Content-Length. Every other whole response of ours has one, an empty
            // body's 0 included, or the client would wait for the connection to end.
            ResponseBody::Whole(bytes) if self.status != 204 => {
                write!(out, "Content-Length: {}\r\n", bytes.len()).expect("a Vec takes every write");
            }
            ResponseBody::Stream(_) if stream_end == StreamEnd::LastChunk => {
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            }
            _ => {} // a 204, or a stream to HTTP/1.0: the end of the head or of the connection is the end
        }
        out.extend_from_slice(b"\r\n");
    }

    pub(crate) fn into_body(self) -> ResponseBody {
        self.body
    }
}

/// One message as an event (HTML §9.2): no name other than `message`, and one line of data, because some clients read
/// no more than that. JSON text escapes every line end, so one line always holds it; a line end that got through
/// would let the text of an entry begin an event of its own.
///
/// There is no `id`, so a client can't ask for the events that it missed (`Last-Event-ID`): they would have to be
/// kept for it. Here an event says that something has changed, and a client that connects again reads what is there.
fn event(message: &Value) -> Vec<u8> {
    format!("event: message\ndata: {message}\n\n").into_bytes()
}

/// An open event stream, on which one message after the other is sent (HTML §9.2).
pub(crate) struct EventStream<'w> {
    end: StreamEnd,
    /// Writes all of it to the connection, or fails.
    write: &'w mut dyn FnMut(&[u8]) -> io::Result<()>,
    /// Whether the client has kept its side of the connection open.
    is_open: &'w mut dyn FnMut() -> bool,
}

impl<'w> EventStream<'w> {
    /// A stream over a connection, whose head has been written.
    pub(crate) fn new(
        end: StreamEnd,
        write: &'w mut dyn FnMut(&[u8]) -> io::Result<()>,
        is_open: &'w mut dyn FnMut() -> bool,
    ) -> EventStream<'w> {
        EventStream { end, write, is_open }
    }

    /// Sends one message. An error means that the client is gone or takes nothing.
    pub(crate) fn send(&mut self, message: &Value) -> io::Result<()> {
        self.write(event(message))
    }

    /// Sends a comment, which clients ignore, so that no proxy on the way takes the stream for dead and closes it
    /// (HTML §9.2.7 advises that). It also finds a client whose machine vanished without closing: the write fails
    /// sooner or later.
    pub(crate) fn keep_alive(&mut self) -> io::Result<()> {
        self.write(b":\n\n".to_vec())
    }

    /// Whether the client still wants the stream: by closing its side it says that it doesn't.
    pub(crate) fn is_open(&mut self) -> bool {
        (self.is_open)()
    }

    /// Marks the end of the stream, so that the client can tell it from a connection that broke.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self.end {
            StreamEnd::LastChunk => (self.write)(b"0\r\n\r\n"),
            StreamEnd::Close => Ok(()),
        }
    }

    fn write(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        match self.end {
            // One chunk for each event (RFC 9112 §7.1), in one write, so that it isn't sent in three packets.
            StreamEnd::LastChunk => {
                let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat();
                (self.write)(&chunk)
            }
            StreamEnd::Close => (self.write)(&bytes),
        }
    }
}

/// The reason phrase of each status that is sent here (RFC 9110 §15, RFC 6585 §5). Clients ignore it (RFC 9112 §4),
/// and people read it. Another status would be sent with an empty phrase, which RFC 9112 §4 allows.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        303 => "See Other",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
