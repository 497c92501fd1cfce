//! [`Response`] → octets.
//!
//! Knows no other room's meaning: a status, fields and a body are all there is. Invariant: the one place that
//! writes a response head, so framing fields can't be forgotten or doubled.

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::SystemTime;

use serde_json::Value;

/// An answer to one request.
pub struct Response {
    status: u16,
    fields: Vec<(&'static str, Cow<'static, str>)>,
    body: Body,
    close: bool,
}

/// The body of an answer.
pub enum Body {
    /// It is known whole.
    Whole(Vec<u8>),
    /// It is written event by event, for as long as that lasts.
    Stream(Box<Stream>),
}

/// Writes the events of a stream; when it returns, the stream is over. An error means that the client is gone.
pub type Stream = dyn FnOnce(&mut EventStream) -> io::Result<()>;

/// How the end of a body is found (RFC 9112 §6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// By its length, or in chunks where that isn't known.
    Delimited,
    /// The connection ends with it: HTTP/1.0 knows no chunks.
    UntilClose,
}

impl Response {
    /// An answer without a body.
    pub fn new(status: u16) -> Response {
        Response { status, fields: Vec::new(), body: Body::Whole(Vec::new()), close: false }
    }

    /// An answer with a JSON body, and a line end for whoever reads it on a terminal.
    pub fn json(status: u16, body: &Value) -> Response {
        let mut octets = serde_json::to_vec(body).expect("a Value has no part that can't be written");
        octets.push(b'\n');
        Response::with_body(status, "application/json", octets)
    }

    /// An answer with one message as a whole event stream of one event.
    pub fn event(message: &Value) -> Response {
        Response::events(Body::Whole(event(message)))
    }

    /// An answer that is an open event stream.
    pub fn stream(write: Box<Stream>) -> Response {
        Response::events(Body::Stream(write))
    }

    fn events(body: Body) -> Response {
        Response { body, ..Response::new(200) }
            .with("Content-Type", "text/event-stream")
            .with("Cache-Control", "no-cache, no-transform")
            .with("X-Accel-Buffering", "no") // nginx would hold events back
    }

    /// An answer with one line or a few of plain text.
    pub fn text(status: u16, text: &str) -> Response {
        Response::with_body(status, "text/plain; charset=utf-8", format!("{text}\n").into_bytes())
    }

    /// An answer with a page.
    pub fn html(status: u16, octets: Vec<u8>) -> Response {
        Response::with_body(status, "text/html; charset=utf-8", octets)
    }

    /// An answer with a style sheet.
    pub fn css(text: &str) -> Response {
        Response::with_body(200, "text/css; charset=utf-8", text.as_bytes().to_vec())
    }

    /// Sends a browser on with a GET (RFC 9110 §15.4.4). `location` is a path of ours or a proven redirect.
    pub fn see_other(location: String) -> Response {
        Response::new(303).with("Location", location)
    }

    fn with_body(status: u16, content_type: &'static str, body: Vec<u8>) -> Response {
        Response { body: Body::Whole(body), ..Response::new(status) }.with("Content-Type", content_type)
    }

    /// Adds a field. The value comes from this program, never from a request.
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Response {
        let value = value.into();
        debug_assert!(!value.contains(['\r', '\n']), "{name} would split the response");
        self.fields.push((name, value));
        self
    }

    /// Says that the connection must not be used again.
    pub fn and_close(mut self) -> Response {
        self.close = true;
        self
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// What the status code means, in a word or two.
    pub fn reason(&self) -> &'static str {
        reason(self.status)
    }

    /// The first field of this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    }

    /// Whether the answer itself demands the end of the connection.
    pub fn closes(&self) -> bool {
        self.close
    }

    /// Writes the head behind `out`. `close` says `Connection: close`.
    pub fn write_head(&self, out: &mut Vec<u8>, framing: Framing, close: bool) {
        let date = httpdate::HttpDate::from(SystemTime::now()); // RFC 9110 §6.6.1
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
            // RFC 9110 §8.6: a 204 has no Content-Length; every other whole answer of ours has one.
            Body::Whole(octets) if self.status != 204 => {
                write!(out, "Content-Length: {}\r\n", octets.len()).expect("a Vec takes every write");
            }
            Body::Stream(_) if framing == Framing::Delimited => {
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            }
            _ => {}
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The body. The answer to HEAD goes without it, its head unchanged (RFC 9110 §9.3.2).
    pub fn into_body(self) -> Body {
        self.body
    }
}

/// One message as an event: no name other than `message`, one line of data, since some clients read no more.
fn event(message: &Value) -> Vec<u8> {
    format!("event: message\ndata: {message}\n\n").into_bytes()
}

/// An open event stream, on which one message after the other goes out (HTML §9.2).
pub struct EventStream<'w> {
    framing: Framing,
    /// Writes all of it or fails; what was written is on its way when it returns.
    write: &'w mut dyn FnMut(&[u8]) -> io::Result<()>,
    /// Whether the client is still there, as far as its side of the connection tells.
    is_open: &'w mut dyn FnMut() -> bool,
}

impl<'w> EventStream<'w> {
    /// A stream over a connection, whose head has been written.
    pub fn new(
        framing: Framing,
        write: &'w mut dyn FnMut(&[u8]) -> io::Result<()>,
        is_open: &'w mut dyn FnMut() -> bool,
    ) -> EventStream<'w> {
        EventStream { framing, write, is_open }
    }

    /// Sends one message.
    pub fn send(&mut self, message: &Value) -> io::Result<()> {
        self.write(event(message))
    }

    /// Sends a comment, which clients pass over, so that nobody on the way takes the stream for dead.
    pub fn keep_alive(&mut self) -> io::Result<()> {
        self.write(b":\n\n".to_vec())
    }

    /// Whether the client is still there.
    pub fn is_open(&mut self) -> bool {
        (self.is_open)()
    }

    /// Ends the stream.
    pub fn finish(self) -> io::Result<()> {
        match self.framing {
            Framing::Delimited => (self.write)(b"0\r\n\r\n"),
            Framing::UntilClose => Ok(()),
        }
    }

    fn write(&mut self, octets: Vec<u8>) -> io::Result<()> {
        match self.framing {
            // RFC 9112 §7.1: one chunk for each event.
            Framing::Delimited => {
                let chunk = [format!("{:x}\r\n", octets.len()).as_bytes(), &octets, b"\r\n"].concat();
                (self.write)(&chunk)
            }
            Framing::UntilClose => (self.write)(&octets),
        }
    }
}

/// The reason phrase, which clients ignore and people read.
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
