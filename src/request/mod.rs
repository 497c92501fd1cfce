//! Octets → [`Head`], then [`Body`]: HTTP/1.1 framing over `httparse`, strict and parsed once.
//!
//! Knows no paths and no policy, and no sockets: it reads from any [`Source`]. Invariant: whatever a proxy and
//! this server could read in two ways is refused here, and every refusal ends the connection.

mod body;
mod head;

pub use self::body::Body;
pub(crate) use self::body::parse_chunk_line;
pub use self::head::Head;

use std::io::{self, Read, Write};

use self::body::State;
use self::head::Framing;
use crate::limits;

/// What a request is read from. The source knows how long each section of a request may take, and its `read`
/// fails with [`io::ErrorKind::TimedOut`] or [`io::ErrorKind::WouldBlock`] past that.
pub trait Source: Read + Write + Send {
    /// Says what the next reads are for; the time for that section starts now.
    fn section(&mut self, section: Section);
}

/// A part of a connection's life with a deadline of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Section {
    /// Between two requests.
    Idle,
    /// One whole request head.
    Head,
    /// One whole request body.
    Body,
}

/// Why a request can't be served. Each ends the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadRequest {
    /// The request line or a header field breaks the grammar (RFC 9112 §3, §5): a control octet, white space
    /// before a colon, a folded line.
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
    /// More than one `Host`.
    HostRepeated,
    /// A `Host` that isn't a host and port.
    HostMalformed,
    /// A `Content-Length` that isn't one decimal number (RFC 9112 §6.2).
    LengthMalformed,
    /// More than one `Content-Length`, even if they agree.
    LengthRepeated,
    /// Both `Content-Length` and `Transfer-Encoding` (RFC 9112 §6.1): one of them lies.
    TwoLengths,
    /// `Transfer-Encoding` that doesn't end the body for sure (RFC 9112 §6.3), or in HTTP/1.0.
    CodingMalformed,
    /// A transfer coding other than `chunked`.
    CodingUnknown,
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
    /// The peer ended or broke the connection inside a body.
    Gone,
}

impl BadRequest {
    /// The status to answer.
    pub fn status(self) -> u16 {
        use BadRequest::*;
        match self {
            Syntax | LineEnd | Target | TargetHost | HostMissing | HostRepeated | HostMalformed => 400,
            LengthMalformed | LengthRepeated | TwoLengths | CodingMalformed | Chunk => 400,
            ExtensionTooLarge | Gone => 400,
            HeadTimeout | BodyTimeout => 408,
            BodyTooLarge => 413,
            LineTooLong => 414,
            Expectation => 417,
            HeadTooLarge | TooManyFields => 431,
            CodingUnknown => 501,
            Version => 505,
        }
    }

    /// What is wrong, for the client and the log.
    pub fn message(self) -> &'static str {
        match self {
            BadRequest::Syntax => "the request line or a header field is malformed",
            BadRequest::LineEnd => "a line must end with CR LF",
            BadRequest::Version => "only HTTP/1.1 and HTTP/1.0 are spoken here",
            BadRequest::Target => "the request target must be an absolute path or URL",
            BadRequest::TargetHost => "the request target names another host than Host",
            BadRequest::HostMissing => "Host is missing",
            BadRequest::HostRepeated => "Host is there more than once",
            BadRequest::HostMalformed => "Host must be a host and an optional port",
            BadRequest::LengthMalformed => "Content-Length must be one decimal number",
            BadRequest::LengthRepeated => "Content-Length is there more than once",
            BadRequest::TwoLengths => "Content-Length and Transfer-Encoding exclude each other",
            BadRequest::CodingMalformed => "Transfer-Encoding must be chunked, once, in HTTP/1.1",
            BadRequest::CodingUnknown => "the only transfer coding known here is chunked",
            BadRequest::Expectation => "the only expectation known here is 100-continue",
            BadRequest::Chunk => "a chunk is malformed",
            BadRequest::ExtensionTooLarge => "the chunk extensions are too large",
            BadRequest::LineTooLong => "the request line is too long",
            BadRequest::HeadTooLarge => "the header section is too large",
            BadRequest::TooManyFields => "there are too many header fields",
            BadRequest::BodyTooLarge => "the body is too large",
            BadRequest::HeadTimeout => "the header section took too long to arrive",
            BadRequest::BodyTimeout => "the body took too long to arrive",
            BadRequest::Gone => "the body ended before its announced end",
        }
    }
}

/// The incoming half of a connection: a source, and what was read from it but not yet used.
pub struct Incoming {
    source: Box<dyn Source>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Incoming {
    /// Starts reading from `source`.
    pub fn new(source: Box<dyn Source>) -> Incoming {
        Incoming { source, buffer: Vec::new(), start: 0, end: 0 }
    }

    /// Reads the next request head; `None` when no further request comes.
    pub fn head(&mut self) -> Result<Option<Head>, BadRequest> {
        let mut seen = 0; // octets already looked at: a head can only end where a new line end is
        let mut section = None;
        let mut skipped = false;
        loop {
            self.skip_empty_line(&mut skipped)?;
            let octets = self.unused();
            if octets[seen.min(octets.len())..].contains(&b'\n')
                && let Some((head, length)) = Head::parse(octets)?
            {
                self.start += length;
                return Ok(Some(head));
            }
            seen = octets.len();
            let longest = limits::REQUEST_LINE_BYTES_MAX + "\r\n".len();
            if octets.get(..longest).is_some_and(|line| !line.contains(&b'\n')) {
                return Err(BadRequest::LineTooLong);
            }
            if octets.len() > limits::HEAD_BYTES_MAX {
                return Err(BadRequest::HeadTooLarge);
            }
            let next = if octets.is_empty() { Section::Idle } else { Section::Head };
            if section != Some(next) {
                section = Some(next);
                self.enter(next);
            }
            match self.fill() {
                Ok(()) => {}
                Err(BadRequest::HeadTimeout) if next == Section::Head => return Err(BadRequest::HeadTimeout),
                Err(_) => return Ok(None),
            }
        }
    }

    /// The body that follows `head`; nothing of it is read yet.
    pub fn body(&mut self, head: &Head) -> Body<'_> {
        let state = match head.framing {
            Framing::Length(0) => State::Done,
            framing => State::Unread { framing, expects_continue: head.expects_continue },
        };
        Body { incoming: self, state }
    }

    /// RFC 9112 §2.2: one empty line before a request line is let go; no more, and no bare LF.
    fn skip_empty_line(&mut self, skipped: &mut bool) -> Result<(), BadRequest> {
        if !*skipped && self.unused().starts_with(b"\r\n") {
            self.start += 2;
            *skipped = true;
        }
        match self.unused() {
            [b'\n', ..] => Err(BadRequest::LineEnd),
            [b'\r', b'\n', ..] => Err(BadRequest::Syntax),
            _ => Ok(()),
        }
    }

    fn unused(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn enter(&mut self, section: Section) {
        if section == Section::Idle && self.buffer.len() > limits::IDLE_BUFFER_BYTES_MAX {
            self.buffer = Vec::new();
            (self.start, self.end) = (0, 0);
        }
        self.source.section(section);
    }

    /// Reads once more from the source, behind what is unused.
    fn fill(&mut self) -> Result<(), BadRequest> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < limits::READ_BYTES / 2 {
            self.buffer.resize(self.end + limits::READ_BYTES, 0);
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Err(BadRequest::Gone),
                Ok(count) => {
                    self.end += count;
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                        return Err(BadRequest::HeadTimeout);
                    }
                    _ => return Err(BadRequest::Gone),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

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
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Source for Pieces {
        fn section(&mut self, _: Section) {}
    }

    /// Every request with its body, and what ended the connection.
    fn read(pieces: Vec<Vec<u8>>) -> (Vec<String>, Option<BadRequest>) {
        let mut incoming = Incoming::new(Box::new(Pieces(pieces.into())));
        let mut requests = Vec::new();
        loop {
            let head = match incoming.head() {
                Ok(Some(head)) => head,
                end => return (requests, end.err()),
            };
            match incoming.body(&head).read(100) {
                Ok(body) => {
                    requests.push(format!("{} {} {}", head.method(), head.path(), body.escape_ascii()))
                }
                Err(bad) => return (requests, Some(bad)),
            }
        }
    }

    /// Wherever the octets are cut, and octet by octet, the same is read from them.
    #[track_caller]
    fn check(octets: &str, requests: &[&str], end: Option<BadRequest>) {
        let octets = octets.as_bytes();
        let whole = read(vec![octets.to_vec()]);
        assert_eq!(
            (whole.0.iter().map(String::as_str).collect::<Vec<_>>(), whole.1),
            (requests.to_vec(), end)
        );
        for cut in (1..octets.len()).step_by(1 + octets.len() / 200) {
            assert_eq!(read(vec![octets[..cut].to_vec(), octets[cut..].to_vec()]), whole, "cut at {cut}");
        }
        assert_eq!(read(octets.iter().map(|octet| vec![*octet]).collect()), whole, "octet by octet");
    }

    #[test]
    fn reads_the_same_however_the_octets_are_cut() {
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
    fn draws_every_limit_at_the_same_octet_however_the_octets_are_cut() {
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
