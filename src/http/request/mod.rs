//! Turns bytes into a [`Head`], and then into a [`Body`]: a strict reader of HTTP/1.1 requests on top of `httparse`.
//!
//! Knows no path, no policy and no socket: it reads from any [`Source`]. Invariant: a request whose end or host a
//! proxy could read in another way is refused, and after a [`BadRequest`] the connection is closed.
//!
//! Strictness costs little, because common clients obey the grammar. Leniency would make the checks of a proxy
//! useless: a proxy checks the requests that it sees, and a second request that is hidden in the first would pass it
//! unseen.

mod body;
mod head;

pub(crate) use self::body::Body;
pub(crate) use self::head::{Head, split_credentials};

use std::fmt;
use std::io::{Read, Write};

use self::body::Progress;
use super::message::{Framing, MessageError, MessageReader};
use crate::limits;

/// What requests are read from: the server's socket, or plain bytes in tests and under the fuzzer. A source knows how
/// long each section of a request may take, and its `read` fails with [`std::io::ErrorKind::TimedOut`] or
/// [`std::io::ErrorKind::WouldBlock`] past that.
pub(crate) trait Source: Read + Write {
    /// Begins a section of a request: its time starts now, and the next reads belong to it.
    fn section(&mut self, section: Section);

    /// Returns whether the client has kept its side open.
    fn is_client_there(&mut self) -> bool;
}

/// A part of a connection's life with a deadline of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Section {
    /// Between two requests. No request is under way, so the time may be long, and its end is no error.
    Idle,
    /// One whole request head. It is small and sent at once, so the time is short.
    Head,
    /// One whole request body, which may come over a slow link.
    Body,
}

/// Why a request can't be served. The connection is then closed, because it isn't certain where the next request
/// starts.
///
/// A variant names a cause, and [`BadRequest::facts`] its status and words. There are more causes than statuses, so
/// that a test can tell which check refused, and the log can say what is wrong with a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BadRequest {
    /// The request line or a header field breaks the grammar (RFC 9112 §3, §5): a control byte, white space before a
    /// colon, a folded line.
    Syntax,
    /// A CR or LF that isn't part of a CRLF (RFC 9112 §2.2).
    LineEnd,
    /// Not HTTP/1.0 or HTTP/1.1.
    Version,
    /// Not an absolute path, an absolute URL, or `*` with OPTIONS (RFC 9112 §3.2).
    Target,
    /// An absolute target for another host than `Host` says (RFC 9112 §3.2.2).
    TargetHost,
    /// HTTP/1.1 without `Host` (RFC 9112 §3.2).
    HostMissing,
    /// More than one `Host` (RFC 9112 §3.2). The gate would check one of them, and a proxy may have used the other.
    HostRepeated,
    /// A `Host` that isn't a host and port.
    HostMalformed,
    /// A `Content-Length` that isn't one decimal number (RFC 9112 §6.2).
    LengthMalformed,
    /// More than one `Content-Length`, even if they agree: RFC 9110 §8.6 lets a recipient choose between refusing
    /// them and taking one, so a proxy may have chosen otherwise.
    LengthRepeated,
    /// Both `Content-Length` and `Transfer-Encoding` (RFC 9112 §6.1): one of them is wrong, and a proxy may have used
    /// the other one than this server.
    TwoLengths,
    /// `Transfer-Encoding` whose last coding isn't `chunked`, so that the body has no certain end (RFC 9112 §6.3); or
    /// any `Transfer-Encoding` in HTTP/1.0, which has no such field.
    CodingMalformed,
    /// A transfer coding other than `chunked`.
    CodingUnknown,
    /// A `Content-Encoding` other than `identity` (RFC 9110 §8.4), on a request whose body is read.
    ContentEncoding,
    /// An `Expect` other than `100-continue` (RFC 9110 §10.1.1).
    Expectation,
    /// A chunk's size or end breaks the grammar (RFC 9112 §7.1).
    Chunk,
    /// Chunk extensions past [`limits::CHUNK_EXTENSION_BYTES_MAX`].
    ExtensionTooLarge,
    /// A request line past [`limits::REQUEST_LINE_BYTES_MAX`].
    LineTooLong,
    /// A head past [`limits::HEAD_BYTES_MAX`], or trailers past [`limits::TRAILER_BYTES_MAX`].
    HeadTooLarge,
    /// More than [`limits::FIELDS_MAX`] fields.
    TooManyFields,
    /// A body past the limit of its path.
    BodyTooLarge,
    /// The head didn't arrive within [`limits::HEAD_DEADLINE`].
    HeadTimeout,
    /// The body didn't arrive within [`limits::BODY_DEADLINE`].
    BodyTimeout,
    /// The client ended or broke the connection inside a body. RFC 9112 §8 lets the server send an error response; a
    /// client that closed only its own side can still read it.
    Gone,
    /// The server began to stop before it had read the request. Without an answer a client couldn't tell this from a
    /// request that was done, and whose response was lost.
    Stopping,
    /// All connections are taken, so the request isn't even read: the limit protects the server only if a refusal costs
    /// less than an answer.
    NoPlace,
}

impl BadRequest {
    /// Returns the status of the response, and words for the client and the log. The words contain nothing of the
    /// request: what an attacker made a client send must not come back in our response.
    fn facts(self) -> (u16, &'static str) {
        match self {
            BadRequest::Syntax => (400, "the request line or a header field is malformed"),
            BadRequest::LineEnd => (400, "a line must end with CR LF"),
            BadRequest::Version => (505, "only HTTP/1.1 and HTTP/1.0 are spoken here"),
            BadRequest::Target => (400, "the request target must be an absolute path or URL"),
            BadRequest::TargetHost => (400, "the request target names another host than Host"),
            BadRequest::HostMissing => (400, "Host is missing"),
            BadRequest::HostRepeated => (400, "Host is there more than once"),
            BadRequest::HostMalformed => (400, "Host must be a host and an optional port"),
            BadRequest::LengthMalformed => (400, "Content-Length must be one decimal number"),
            BadRequest::LengthRepeated => (400, "Content-Length is there more than once"),
            BadRequest::TwoLengths => (400, "Content-Length and Transfer-Encoding exclude each other"),
            BadRequest::CodingMalformed => (400, "Transfer-Encoding must be chunked, once, in HTTP/1.1"),
            BadRequest::CodingUnknown => (501, "the only transfer coding known here is chunked"),
            BadRequest::ContentEncoding => (
                415,
                "no Content-Encoding is decoded here, neither gzip, deflate, br, zstd nor another: send the body plain",
            ),
            BadRequest::Expectation => (417, "the only expectation known here is 100-continue"),
            BadRequest::Chunk => (400, "a chunk is malformed"),
            BadRequest::ExtensionTooLarge => (400, "the chunk extensions are too large"),
            BadRequest::LineTooLong => (414, "the request line is too long"),
            BadRequest::HeadTooLarge => (431, "the header section is too large"),
            BadRequest::TooManyFields => (431, "there are too many header fields"),
            BadRequest::BodyTooLarge => (413, "the body is too large"),
            BadRequest::HeadTimeout => (408, "the header section took too long to arrive"),
            BadRequest::BodyTimeout => (408, "the body took too long to arrive"),
            BadRequest::Gone => (400, "the body ended before its announced end"),
            BadRequest::Stopping => (503, "the server is stopping, and nothing was done"),
            BadRequest::NoPlace => (503, "all connections are taken; try again"),
        }
    }

    pub(crate) fn status(self) -> u16 {
        self.facts().0
    }

    pub(crate) fn message(self) -> &'static str {
        self.facts().1
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(self.message())
    }
}

impl std::error::Error for BadRequest {}

impl From<MessageError> for BadRequest {
    /// Converts the errors of reading a body. [`RequestReader::next_head`] decides about errors while a head is read.
    fn from(error: MessageError) -> BadRequest {
        match error {
            MessageError::Timeout => BadRequest::BodyTimeout,
            MessageError::Gone => BadRequest::Gone,
            MessageError::ChunkLineEnd => BadRequest::LineEnd,
            MessageError::ChunkMalformed => BadRequest::Chunk,
            MessageError::ExtensionTooLarge => BadRequest::ExtensionTooLarge,
            MessageError::BodyTooLarge => BadRequest::BodyTooLarge,
        }
    }
}

/// Reads the requests of one connection, one after the other: first a head, then its body.
pub(crate) struct RequestReader {
    reader: MessageReader<Box<dyn Source>>,
}

impl RequestReader {
    pub(crate) fn new(source: Box<dyn Source>) -> RequestReader {
        RequestReader { reader: MessageReader::new(source) }
    }

    /// Reads the next request head; `None` if no further request comes.
    #[inline(never)] // see `log::write`
    pub(crate) fn next_head(&mut self) -> Result<Option<Head>, BadRequest> {
        // `seen`: how many bytes were searched for a line end in vain. `section`: the one whose time is running.
        // `skipped`: whether the empty line that may come before a request was skipped.
        let mut seen = 0;
        let mut section = None;
        let mut skipped = false;
        loop {
            self.skip_empty_line(&mut skipped)?;
            if self.reader.has_line_end_after(seen)
                && let Some((head, length)) = Head::parse(self.reader.unused())?
            {
                self.reader.consume(length);
                return Ok(Some(head));
            }
            let bytes = self.reader.unused();
            seen = bytes.len();
            // Checked before the head is whole: a client must not fill the buffer with a line that never ends. The
            // larger limit on the head would already bound the memory; this check gives a long request line its own
            // status (RFC 9110 §15.5.15).
            let longest = limits::REQUEST_LINE_BYTES_MAX + "\r\n".len();
            if bytes.get(..longest).is_some_and(|line| !line.contains(&b'\n')) {
                return Err(BadRequest::LineTooLong);
            }
            if bytes.len() > limits::HEAD_BYTES_MAX {
                return Err(BadRequest::HeadTooLarge);
            }
            // The time for a head starts with its first byte, and not again with each read. Otherwise a client that
            // sends a byte now and then could hold the thread for hours.
            let next = if bytes.is_empty() { Section::Idle } else { Section::Head };
            if section != Some(next) {
                section = Some(next);
                if next == Section::Idle {
                    self.reader.shrink_idle_buffer(); // the wait for the next request may be long
                }
                self.reader.source().section(next);
            }
            match self.reader.fill() {
                Ok(()) => {}
                Err(MessageError::Timeout) if next == Section::Head => return Err(BadRequest::HeadTimeout),
                // The client has closed between two requests, or has left the connection idle for too long, or has
                // gone in the middle of a head. In each case there is no whole request to answer.
                Err(_) => return Ok(None),
            }
        }
    }

    /// Returns the body that follows `head`, unread.
    pub(crate) fn body(&mut self, head: &Head) -> Body<'_> {
        let progress = match head.framing {
            Framing::Length(0) => Progress::Read,
            framing => Progress::Unread { framing, expects_continue: head.expects_continue },
        };
        Body { reader: &mut self.reader, progress, is_encoded: head.is_encoded() }
    }

    /// Skips one empty line before a request line, because old clients send one after a body (RFC 9112 §2.2). A
    /// second one is refused, because a client could otherwise send empty lines forever. A bare LF is refused,
    /// because a proxy may read it in another way.
    fn skip_empty_line(&mut self, skipped: &mut bool) -> Result<(), BadRequest> {
        if !*skipped && self.reader.unused().starts_with(b"\r\n") {
            self.reader.consume(2);
            *skipped = true;
        }
        match self.reader.unused() {
            [b'\n', ..] => Err(BadRequest::LineEnd),
            [b'\r', b'\n', ..] => Err(BadRequest::Syntax),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io;

    use super::*;

    /// Gives one piece with each read, then the end; swallows what is written.
    struct Pieces(VecDeque<Vec<u8>>);

    impl Read for Pieces {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let Some(mut piece) = self.0.pop_front() else { return Ok(0) };
            let rest = piece.split_off(piece.len().min(into.len()));
            into[..piece.len()].copy_from_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
            Ok(piece.len())
        }
    }

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Source for Pieces {
        fn section(&mut self, _: Section) {}

        fn is_client_there(&mut self) -> bool {
            true
        }
    }

    /// Every request with its body, and what ended the connection.
    fn read(pieces: Vec<Vec<u8>>) -> (Vec<String>, Option<BadRequest>) {
        let mut reader = RequestReader::new(Box::new(Pieces(pieces.into())));
        let mut requests = Vec::new();
        loop {
            let head = match reader.next_head() {
                Ok(Some(head)) => head,
                end => return (requests, end.err()),
            };
            match reader.body(&head).read(100) {
                Ok(body) => {
                    requests.push(format!("{} {} {}", head.method(), head.path(), body.escape_ascii()));
                }
                Err(bad) => return (requests, Some(bad)),
            }
        }
    }

    /// Wherever the bytes are cut, and byte by byte, the same is read from them.
    #[track_caller]
    fn check(bytes: &str, requests: &[&str], end: Option<BadRequest>) {
        let bytes = bytes.as_bytes();
        let whole = read(vec![bytes.to_vec()]);
        assert_eq!(
            (whole.0.iter().map(String::as_str).collect::<Vec<_>>(), whole.1),
            (requests.to_vec(), end)
        );
        for cut in (1..bytes.len()).step_by(1 + bytes.len() / 200) {
            assert_eq!(read(vec![bytes[..cut].to_vec(), bytes[cut..].to_vec()]), whole, "cut at {cut}");
        }
        assert_eq!(read(bytes.iter().map(|byte| vec![*byte]).collect()), whole, "byte by byte");
    }

    #[test]
    fn reads_the_same_however_the_bytes_are_cut() {
        let host = "HTTP/1.1\r\nHost: h\r\n";
        let get = format!("GET / {host}\r\n");
        let long = format!("GET / {host}X: {}\r\n\r\n", "x".repeat(9000));
        let post = format!("POST /a {host}Content-Length: 3\r\n\r\nabc");
        let chunked =
            format!("POST /b {host}Transfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nX: y\r\n\r\n");
        let all = format!("\r\n{get}{post}\r\n{chunked}{long}{get}");
        check(&all, &["GET / ", "POST /a abc", "POST /b abc", "GET / ", "GET / "], None);
        check(&format!("{get}\r\n\r\n{get}"), &["GET / "], Some(BadRequest::Syntax));
        check(&format!("{post}\n{get}"), &["POST /a abc"], Some(BadRequest::LineEnd));
        check(&format!("{get}GET / {host}X: y\n\r\n"), &["GET / "], Some(BadRequest::LineEnd));
        check(&chunked.replace("abc\r", "abc"), &[], Some(BadRequest::Chunk));
        check(&chunked.replace("y\r", "y"), &[], Some(BadRequest::LineEnd));
        check(&post[..post.len() - 1], &[], Some(BadRequest::Gone));
    }

    #[test]
    fn draws_every_limit_at_the_same_byte_however_the_bytes_are_cut() {
        let fill = |before: &str, max: usize, after: &str| {
            format!("{before}{}{after}", "x".repeat(max - before.len() - after.len()))
        };
        for (over, line, head) in
            [(0, None, None), (1, Some(BadRequest::LineTooLong), Some(BadRequest::HeadTooLarge))]
        {
            let served = |bad: Option<_>| if bad.is_none() { &["GET / "][..] } else { &[] };
            let longest = fill("GET /?", limits::REQUEST_LINE_BYTES_MAX + over, " HTTP/1.1");
            check(&format!("{longest}\r\nHost: h\r\n\r\n"), served(line), line);
            let largest = fill("GET / HTTP/1.1\r\nHost: h\r\nX: ", limits::HEAD_BYTES_MAX + over, "\r\n\r\n");
            check(&largest, served(head), head);
        }
        let chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (over, extension, trailers) in
            [(0, None, None), (1, Some(BadRequest::ExtensionTooLarge), Some(BadRequest::HeadTooLarge))]
        {
            let served = |bad: Option<_>| if bad.is_none() { &["POST / a"][..] } else { &[] };
            let most = fill(";", limits::CHUNK_EXTENSION_BYTES_MAX + over, "");
            check(
                &format!("{chunked}0000000000000001{most}\r\na\r\n0\r\n\r\n"),
                served(extension),
                extension,
            );
            let most = fill("X: ", limits::TRAILER_BYTES_MAX + over, "\r\n\r\n");
            check(&format!("{chunked}1\r\na\r\n0\r\n{most}"), served(trailers), trailers);
        }
    }
}
