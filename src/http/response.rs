//! Builds a [`Response`] and turns it into bytes.
//!
//! Knows no other room and no socket: it has a status, fields and a body. Invariant: only this file writes the head
//! of a final response (`100 Continue` is in `request/body.rs`), so the fields that say how a body ends are written
//! once.
//!
//! A response is a value until the handler has returned. So other rooms can add fields (the gate a challenge, `cors`
//! its headers), and the log can read it, before the first byte is sent. The price is that the whole body is in
//! memory. Only an event stream has no whole body, since it writes its events while it is open, and a download, which
//! is read from a file.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;
use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::field::Field;

/// For how many fields a response has room at first. None that programs get often has more, so its fields are one
/// allocation.
const FIELDS_USUALLY: usize = 6;
/// Room for the lines of a head that aren't its fields: the status line, the date, how the body ends, and the empty
/// line. A head that has more is one more allocation.
const OWN_LINES_BYTES: usize = 160;

/// The response to one request.
pub(crate) struct Response {
    status: u16,
    /// In the order in which they are written.
    fields: Vec<Field<'static>>,
    body: ResponseBody,
    close: bool,
    /// What the request holds until its response is written; see [`Response::keeping`].
    kept: Option<Box<dyn Send>>,
    /// The name of the field because of which this is a 500.
    unwritable: Option<&'static str>,
}

pub(crate) enum ResponseBody {
    /// The whole body is known before the head is written.
    Whole(Vec<u8>),
    /// The body is so many bytes of a file, from where it is read next. It is sent in pieces, so it may be larger than
    /// what the server should keep in memory for a client that reads slowly.
    File(File, u64),
    /// The body is written event by event, while the stream is open.
    Stream(Box<Stream>),
}

/// The function that writes the events of a stream, on the thread of its connection. The stream ends when it returns;
/// an error means that the client is gone, or doesn't read.
pub(crate) type Stream = dyn FnOnce(&mut EventStream) -> io::Result<()>;

/// How the client finds the end of an event stream, whose length isn't announced (RFC 9112 §6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StreamEnd {
    /// By the last chunk. If it is missing, the client knows that the connection broke.
    LastChunk,
    /// By the end of the connection: HTTP/1.0 has no chunks.
    Close,
}

impl Response {
    /// Builds a response without a body.
    pub(crate) fn new(status: u16) -> Response {
        let body = ResponseBody::Whole(Vec::new());
        let fields = Vec::with_capacity(FIELDS_USUALLY);
        Response { status, fields, body, close: false, kept: None, unwritable: None }
    }

    /// Builds a response with a JSON body. The line end after it keeps a terminal's prompt off the last line.
    pub(crate) fn json(status: u16, body: &Value) -> Response {
        Response::json_text(status, body.to_string().into_bytes())
    }

    /// The same for a body that is JSON text already.
    pub(crate) fn json_text(status: u16, mut body: Vec<u8>) -> Response {
        body.push(b'\n');
        Response::with_body(status, "application/json", body)
    }

    /// Builds a response with one message as a finished event stream, for a client whose `Accept` names no JSON.
    pub(crate) fn event(message: &impl Display) -> Response {
        Response::events(ResponseBody::Whole(event(message)))
    }

    /// Builds a response that is an open event stream.
    pub(crate) fn stream(write: Box<Stream>) -> Response {
        Response::events(ResponseBody::Stream(write))
    }

    /// Builds an event stream with the fields that it needs to pass a proxy: no cache shall store the stream, no
    /// proxy shall compress it (a compressor holds events back until a block is full), and nginx shall not gather
    /// events before it passes them on.
    fn events(body: ResponseBody) -> Response {
        Response { body, ..Response::new(200) }
            .with("Content-Type", "text/event-stream")
            .with("Cache-Control", "no-cache, no-transform")
            .with("X-Accel-Buffering", "no")
    }

    /// Builds a response with a few lines of plain text, for a person who reads them in a terminal or a browser.
    pub(crate) fn text(status: u16, text: &str) -> Response {
        Response::with_body(status, "text/plain; charset=utf-8", [text, "\n"].concat().into_bytes())
    }

    pub(crate) fn html(status: u16, bytes: Vec<u8>) -> Response {
        Response::with_body(status, "text/html; charset=utf-8", bytes)
    }

    pub(crate) fn css(text: &str) -> Response {
        Response::with_body(200, "text/css; charset=utf-8", text.as_bytes().to_vec())
    }

    pub(crate) fn script(text: &str) -> Response {
        Response::with_body(200, "text/javascript; charset=utf-8", text.as_bytes().to_vec())
    }

    /// Builds a redirect that the browser follows with a GET (RFC 9110 §15.4.4). `location` is a path of ours or a
    /// checked redirect URI. With an unchecked one, the sender of a link could choose where a person is sent.
    pub(crate) fn see_other(location: String) -> Response {
        Response::new(303).with("Location", location)
    }

    /// Builds a response that a browser keeps as a file: `length` bytes of `file`, from where it is read next. `name`
    /// has only characters that need no quoting (RFC 6266 §4.3).
    pub(crate) fn download(file: File, length: u64, content_type: &'static str, name: &str) -> Response {
        Response { body: ResponseBody::File(file, length), ..Response::new(200) }
            .with("Content-Type", content_type)
            .with("Content-Disposition", format!("attachment; filename=\"{name}\""))
            .with("Cache-Control", "no-store")
            .with("X-Content-Type-Options", "nosniff")
    }

    fn with_body(status: u16, content_type: &'static str, body: Vec<u8>) -> Response {
        Response { body: ResponseBody::Whole(body), ..Response::new(status) }
            .with("Content-Type", content_type)
    }

    /// Builds a redirect for good: the client sends the same request, its method and body unchanged, to the other URL
    /// (RFC 9110 §15.4.9).
    pub(crate) fn permanent_redirect(location: String, text: &str) -> Response {
        Response::text(308, text).with("Location", location)
    }

    /// Adds a field. If its value can't be written ([`Field::new`]), the response becomes a 500 without the fields
    /// and the body that it had. Then a check is missing that should have refused the value earlier. To leave out only
    /// this field would hide that: a redirect would lead nowhere, and a 401 would have no challenge.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Response {
        match Field::new(name, value) {
            Some(field) => {
                self.fields.push(field);
                self
            }
            None => Response {
                close: self.close,
                unwritable: Some(name),
                ..Response::text(500, "this response can't be sent; the server's log says why")
            },
        }
    }

    /// Returns the name of the field because of which this response became a 500.
    pub(crate) fn unwritable(&self) -> Option<&'static str> {
        self.unwritable
    }

    /// Makes the server close the connection after this response, because what follows can't be trusted to be a
    /// request.
    pub(crate) fn and_close(mut self) -> Response {
        self.close = true;
        self
    }

    /// Keeps `value` until the response is written, or, if it is an event stream, until the stream is open: a stream
    /// may last for days.
    pub(crate) fn keeping(mut self, value: impl Send + 'static) -> Response {
        self.kept = Some(Box::new(value));
        self
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Returns the reason phrase, for the wire view.
    pub(crate) fn reason(&self) -> &'static str {
        reason(self.status)
    }

    /// Returns the first field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.name().eq_ignore_ascii_case(name)).map(Field::value)
    }

    /// Returns whether the connection must be closed after this response, whatever the client wants.
    pub(crate) fn closes(&self) -> bool {
        self.close
    }

    /// Returns the head. With `close`, it has `Connection: close` (RFC 9112 §9.6).
    pub(crate) fn head(&self, stream_end: StreamEnd, close: bool) -> Vec<u8> {
        let fields_bytes: usize = self.fields.iter().map(Field::bytes).sum();
        let mut out = String::with_capacity(OWN_LINES_BYTES + fields_bytes);
        out.push_str("HTTP/1.1 ");
        write_number(&mut out, self.status.into());
        out.extend([" ", reason(self.status), "\r\nDate: "]);
        // RFC 9110 §6.6.1 wants a `Date` in the final responses of a server with a clock. It is the time at which the
        // response is written, so the clock is read here, and not the time of the request used.
        write_date(&mut out, SystemTime::now());
        out.push_str("\r\n");
        self.fields.iter().for_each(|field| field.write(&mut out));
        if close {
            out.push_str("Connection: close\r\n");
        }
        match &self.body {
            // RFC 9110 §8.6: a 204 must have no Content-Length. Our other responses with a whole body have one, also
            // if the body is empty: without it, the client would wait for the connection to be closed.
            ResponseBody::Whole(bytes) if self.status != 204 => write_length(&mut out, bytes.len() as u64),
            ResponseBody::File(_, length) => write_length(&mut out, *length),
            ResponseBody::Stream(_) if stream_end == StreamEnd::LastChunk => {
                out.push_str("Transfer-Encoding: chunked\r\n");
            }
            _ => {} // a 204 ends with its head; a stream to HTTP/1.0 ends with the connection
        }
        out.push_str("\r\n");
        out.into_bytes()
    }

    /// Returns the body, and what [`Response::keeping`] keeps.
    pub(crate) fn into_parts(self) -> (ResponseBody, Option<Box<dyn Send>>) {
        (self.body, self.kept)
    }
}

/// Appends a time in the form of `Date`.
fn write_date(out: &mut String, time: SystemTime) {
    thread_local! {
        /// The second that the thread wrote last, and its text: a busy thread writes many responses in one second.
        static LAST: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    // A clock that was never set may be before 1970.
    let second = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    LAST.with_borrow_mut(|(last, text)| {
        if *last != second || text.is_empty() {
            (*last, *text) = (second, httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second)));
        }
        out.push_str(text);
    });
}

fn write_length(out: &mut String, bytes: u64) {
    out.push_str("Content-Length: ");
    write_number(out, bytes);
    out.push_str("\r\n");
}

/// Appends a number. Each head has two, and `write!` would look at the many ways to write one.
fn write_number(out: &mut String, number: u64) {
    if number > 9 {
        write_number(out, number / 10);
    }
    out.push(char::from(b'0' + (number % 10) as u8));
}

/// Writes one message as an event (HTML §9.2). It has the name `message` and one line of data, because some clients
/// understand no other form. JSON escapes the line ends in texts, so a message is one line; otherwise the text of an
/// entry could begin a second event.
///
/// There is no `id`, so a client can't ask for the events that it missed (`Last-Event-ID`): the server would have to
/// keep them. A client that connects again can read the present state instead.
fn event(message: &impl Display) -> Vec<u8> {
    format!("event: message\ndata: {message}\n\n").into_bytes()
}

/// An open event stream, on which one message after the other is sent (HTML §9.2).
pub(crate) struct EventStream<'w> {
    end: StreamEnd,
    /// Writes all given bytes to the connection, or fails.
    write: &'w mut dyn FnMut(&[u8]) -> io::Result<()>,
    /// Returns whether the client has kept its side of the connection open.
    is_client_there: &'w mut dyn FnMut() -> bool,
}

impl<'w> EventStream<'w> {
    /// Builds the stream after the head of its response has been written.
    pub(crate) fn new(
        end: StreamEnd,
        write: &'w mut dyn FnMut(&[u8]) -> io::Result<()>,
        is_client_there: &'w mut dyn FnMut() -> bool,
    ) -> EventStream<'w> {
        EventStream { end, write, is_client_there }
    }

    /// Sends one message, which is displayed as JSON. An error means that the client is gone or takes nothing.
    pub(crate) fn send(&mut self, message: &impl Display) -> io::Result<()> {
        self.write(event(message))
    }

    /// Sends a comment, which clients ignore, so that no proxy closes the stream because it seems unused (HTML §9.2.7
    /// advises comments). If the client's machine has gone without closing, one of these writes fails sooner or
    /// later.
    pub(crate) fn keep_alive(&mut self) -> io::Result<()> {
        self.write(b":\n\n".to_vec())
    }

    /// Returns whether the client still wants the stream. A client that doesn't closes its side.
    pub(crate) fn is_client_there(&mut self) -> bool {
        (self.is_client_there)()
    }

    /// Marks the end of the stream, so that the client can tell it from a connection that broke.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self.end {
            StreamEnd::LastChunk => (self.write)(b"0\r\n\r\n"),
            StreamEnd::Close => Ok(()),
        }
    }

    /// Writes one event or comment to the connection: as one chunk, or bare if the end of the connection ends the
    /// stream.
    fn write(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        match self.end {
            // Each event is one chunk (RFC 9112 §7.1), in one write, because three writes could be three packets.
            StreamEnd::LastChunk => {
                let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat();
                (self.write)(&chunk)
            }
            StreamEnd::Close => (self.write)(&bytes),
        }
    }
}

/// Returns the reason phrase of a status (RFC 9110 §15, RFC 6585 §5). Clients should ignore it (RFC 9112 §4), but
/// people read it. A status that isn't listed gets an empty phrase, which RFC 9112 §4 allows.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        303 => "See Other",
        308 => "Permanent Redirect",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_date_of_each_second() {
        let second = UNIX_EPOCH + Duration::from_secs(1_785_231_000);
        for (time, expected) in [
            (UNIX_EPOCH - Duration::from_secs(9), "Thu, 01 Jan 1970 00:00:00 GMT"),
            (second + Duration::from_millis(999), "Tue, 28 Jul 2026 09:30:00 GMT"),
            (second + Duration::from_millis(1000), "Tue, 28 Jul 2026 09:30:01 GMT"),
            (second, "Tue, 28 Jul 2026 09:30:00 GMT"),
        ] {
            let mut date = String::new();
            write_date(&mut date, time);
            assert_eq!(date, expected);
        }
    }

    #[test]
    fn writes_numbers_without_leading_zeros() {
        for number in [0, 9, 10, 404, 1_000_000, u64::MAX] {
            let mut written = String::new();
            write_number(&mut written, number);
            assert_eq!(written, number.to_string());
        }
    }

    #[test]
    fn sends_a_500_in_place_of_a_field_that_would_split_it() {
        let head = |value: &str| {
            let response = Response::see_other(value.to_owned()).with("Cache-Control", "no-store");
            let head = response.head(StreamEnd::LastChunk, false);
            (response.unwritable(), String::from_utf8(head).expect("ASCII"))
        };
        let (unwritable, sent) = head("/a?b=c%0D%0A");
        assert_eq!(unwritable, None);
        assert!(
            sent.starts_with("HTTP/1.1 303 ") && sent.contains("\r\nLocation: /a?b=c%0D%0A\r\n"),
            "{sent}"
        );
        for hostile in
            ["/a\r\nSet-Cookie: a=b", "/a\nSet-Cookie: a=b", "/a\rSet-Cookie: a=b", "/a\0", "/\u{e9}"]
        {
            let (unwritable, sent) = head(hostile);
            assert_eq!(unwritable, Some("Location"), "{hostile:?}");
            assert!(sent.starts_with("HTTP/1.1 500 "), "{sent}");
            assert!(!sent.contains("Location") && !sent.contains("Set-Cookie"), "{sent}");
        }
    }
}
