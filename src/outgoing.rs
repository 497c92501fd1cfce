//! One request to another server, over TCP as it is: octets out, an [`Answer`] in.
//!
//! Knows no paths, no JSON and no TLS, resolves no name and follows no redirect. Invariant: whatever the other server
//! sends or holds back, a request ends by its deadline and keeps no more octets than its bounds allow.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::limits;
use crate::request;

/// A request. Its parts must be free of control octets; whoever makes one sees to that.
pub struct Outgoing<'a> {
    /// Where the connection goes.
    pub address: SocketAddr,
    /// The method.
    pub method: &'a str,
    /// The `Host` field.
    pub host: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// Further fields.
    pub fields: &'a [(&'a str, &'a str)],
    /// The body; none when it is empty.
    pub body: &'a [u8],
}

/// What an answer may cost.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// The whole exchange, however its octets drip.
    pub deadline: Duration,
    /// Octets of the body; with `None` it isn't read at all.
    pub body_bytes_max: Option<usize>,
}

/// An answer: its head, and the body if it was asked for and came whole.
pub struct Answer {
    /// The status code, never 1xx.
    pub status: u16,
    /// The body, or why it isn't there although the head is.
    pub body: Result<Vec<u8>, Fault>,
    fields: Vec<(String, Vec<u8>)>,
}

impl Answer {
    /// The values of every field of this name, in order.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = self.fields.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_slice())
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nobody accepts a connection there.
    Refused,
    /// No connection comes about within the deadline.
    Silent,
    /// It didn't come within the deadline.
    Slow,
    /// The connection ended before the answer did.
    Gone,
    /// It isn't HTTP/1.
    Malformed,
    /// A line of its head ends without CR (RFC 9112 §2.2).
    LineEnd,
    /// Its end can't be told, or in two ways (RFC 9112 §6.3).
    Framing,
    /// Its head has more than [`limits::FIELDS_MAX`] fields.
    TooManyFields,
    /// It is larger than its bounds.
    TooLarge,
}

impl Fault {
    /// What went wrong, to be put behind "the answer".
    pub fn message(self) -> &'static str {
        match self {
            Fault::Refused => "doesn't come: no connection is accepted",
            Fault::Silent => "doesn't come: the connection isn't answered in time",
            Fault::Slow => "takes too long",
            Fault::Gone => "ends before it is whole",
            Fault::Malformed => "is not HTTP/1.1 as RFC 9112 defines it",
            Fault::LineEnd => "has a line that ends with LF alone, not with CR LF",
            Fault::Framing => "has no one end: look at its Content-Length and Transfer-Encoding",
            Fault::TooManyFields => "has more header fields than some clients read",
            Fault::TooLarge => "is too large",
        }
    }
}

/// Asks once, on a connection of its own.
#[inline(never)] // called where nothing is in a hurry
pub fn ask(outgoing: &Outgoing, bounds: Bounds) -> Result<Answer, Fault> {
    let Outgoing { address, method, host, target, fields, body } = outgoing;
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in *fields {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    head += "\r\n";

    let deadline = Instant::now() + bounds.deadline;
    let mut stream = connect(address, bounds.deadline)?;
    stream.set_write_timeout(Some(left(deadline)?)).map_err(|_| Fault::Gone)?;
    // A server that refuses early may have closed: what counts is its answer.
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
    Incoming { stream, deadline, unused: Vec::new() }.answer(bounds.body_bytes_max)
}

/// Whether anybody accepts a connection there.
pub fn reach(address: SocketAddr, deadline: Duration) -> Result<(), Fault> {
    connect(&address, deadline).map(drop)
}

fn connect(address: &SocketAddr, deadline: Duration) -> Result<TcpStream, Fault> {
    TcpStream::connect_timeout(address, deadline).map_err(|error| unconnected(error.kind()))
}

fn unconnected(kind: io::ErrorKind) -> Fault {
    if kind == io::ErrorKind::TimedOut { Fault::Silent } else { Fault::Refused }
}

fn left(deadline: Instant) -> Result<Duration, Fault> {
    deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()).ok_or(Fault::Slow)
}

/// How the end of a body is found (RFC 9112 §6.3).
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// The octets of one answer as they arrive.
struct Incoming<S> {
    stream: S,
    deadline: Instant,
    unused: Vec<u8>,
}

/// What can be read from within a time: a connection, or a test's octets.
trait Source: Read {
    fn within(&self, left: Duration) -> io::Result<()>;
}

impl Source for TcpStream {
    fn within(&self, left: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(left))
    }
}

impl<S: Source> Incoming<S> {
    fn answer(mut self, body_bytes_max: Option<usize>) -> Result<Answer, Fault> {
        let mut answer = loop {
            match self.head()? {
                informational if informational.status < 200 => {} // RFC 9110 §15.2: the answer is yet to come
                answer => break answer,
            }
        };
        // Judged whether the body is read or not: other clients look at it before anything else.
        let framing = framing(&answer)?;
        if let Some(bytes_max) = body_bytes_max {
            answer.body = self.body(framing, bytes_max);
        }
        Ok(answer)
    }

    fn head(&mut self) -> Result<Answer, Fault> {
        let mut seen = 0; // octets already looked at: a head can only end where a new line end is
        loop {
            let is_news = seen == 0 || self.unused[seen..].contains(&b'\n');
            if is_news && let Some((answer, length)) = parse_head(&self.unused)? {
                self.unused.drain(..length);
                return Ok(answer);
            }
            if self.unused.len() > limits::ANSWER_HEAD_BYTES_MAX {
                return Err(Fault::TooLarge);
            }
            seen = self.unused.len();
            self.more()?;
        }
    }

    fn body(&mut self, framing: Framing, bytes_max: usize) -> Result<Vec<u8>, Fault> {
        match framing {
            Framing::Length(length) if length > bytes_max => Err(Fault::TooLarge),
            Framing::Length(length) => self.take(length),
            Framing::Chunked => self.chunks(bytes_max),
            Framing::UntilClose => loop {
                if self.unused.len() > bytes_max {
                    return Err(Fault::TooLarge);
                }
                match self.more() {
                    Ok(()) => {}
                    Err(Fault::Gone) => return Ok(std::mem::take(&mut self.unused)),
                    Err(fault) => return Err(fault),
                }
            },
        }
    }

    /// RFC 9112 §7.1. The trailers, if any, are left on the connection, which ends here.
    fn chunks(&mut self, bytes_max: usize) -> Result<Vec<u8>, Fault> {
        let (mut body, mut extension_bytes) = (Vec::new(), 0);
        loop {
            let line_ends = loop {
                match self.unused.iter().position(|octet| *octet == b'\n') {
                    Some(at) => break at,
                    None if self.unused.len() > limits::CHUNK_EXTENSION_BYTES_MAX => {
                        return Err(Fault::TooLarge);
                    }
                    None => self.more()?,
                }
            };
            let line = self.unused.drain(..=line_ends).collect::<Vec<_>>();
            let size = line.strip_suffix(b"\r\n").and_then(request::parse_chunk_line);
            let (size, extension) = size.ok_or(Fault::Malformed)?;
            extension_bytes += extension;
            if size == 0 {
                return Ok(body);
            }
            let left = bytes_max - body.len();
            if size > left as u64 || extension_bytes > limits::CHUNK_EXTENSION_BYTES_MAX {
                return Err(Fault::TooLarge);
            }
            body.extend(self.take(size as usize)?);
            if self.take(2)? != b"\r\n" {
                return Err(Fault::Malformed);
            }
        }
    }

    /// The next `length` octets; nothing is allocated for what was only announced.
    fn take(&mut self, length: usize) -> Result<Vec<u8>, Fault> {
        while self.unused.len() < length {
            self.more()?;
        }
        Ok(self.unused.drain(..length).collect())
    }

    fn more(&mut self) -> Result<(), Fault> {
        let mut part = [0; limits::READ_BYTES];
        loop {
            self.stream.within(left(self.deadline)?).map_err(|_| Fault::Gone)?;
            match self.stream.read(&mut part) {
                Ok(0) => return Err(Fault::Gone),
                Ok(count) => {
                    self.unused.extend_from_slice(&part[..count]);
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => return Err(Fault::Slow),
                    _ => return Err(Fault::Gone),
                },
            }
        }
    }
}

/// The head at the start of `octets` and its length; `None` when its end isn't there yet.
fn parse_head(octets: &[u8]) -> Result<Option<(Answer, usize)>, Fault> {
    let mut storage = [httparse::EMPTY_HEADER; limits::FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut storage);
    let length = match parsed.parse(octets) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Fault::TooManyFields),
        Err(_) => return Err(Fault::Malformed),
    };
    // httparse takes a bare LF for a line's end; other clients don't.
    let mut line_ends = octets[..length].iter().enumerate().filter(|(_, octet)| **octet == b'\n');
    if line_ends.any(|(at, _)| at == 0 || octets[at - 1] != b'\r') {
        return Err(Fault::LineEnd);
    }
    if length > limits::ANSWER_HEAD_BYTES_MAX {
        return Err(Fault::TooLarge);
    }
    let status = parsed.code.filter(|code| (100..600).contains(code)).ok_or(Fault::Malformed)?;
    let fields = parsed.headers.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect();
    Ok(Some((Answer { status, fields, body: Ok(Vec::new()) }, length)))
}

/// RFC 9112 §6.3, for an answer to anything but HEAD. What could be read in two ways is refused.
fn framing(answer: &Answer) -> Result<Framing, Fault> {
    let codings: Vec<_> = answer.fields("transfer-encoding").collect();
    let lengths: Vec<_> = answer.fields("content-length").collect();
    match (&codings[..], &lengths[..]) {
        _ if matches!(answer.status, 204 | 304) => Ok(Framing::Length(0)),
        ([], []) => Ok(Framing::UntilClose),
        ([coding], []) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        ([], [length]) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
            let length = std::str::from_utf8(length).ok().and_then(|digits| digits.parse().ok());
            Ok(Framing::Length(length.unwrap_or(usize::MAX)))
        }
        _ => Err(Fault::Framing), // also a length twice, though the same: some clients refuse that
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Octets<'o>(&'o [u8]);

    impl Read for Octets<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let into = &mut into[..1]; // octet by octet, so that every cut is tried
            self.0.read(into)
        }
    }

    impl Source for Octets<'_> {
        fn within(&self, _: Duration) -> io::Result<()> {
            Ok(())
        }
    }

    /// Reads an answer with a body of at most 10 octets.
    #[track_caller]
    fn check(octets: &str, expected: Result<(u16, Result<&str, Fault>), Fault>) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let incoming = Incoming { stream: Octets(octets.as_bytes()), deadline, unused: Vec::new() };
        let read = incoming
            .answer(Some(10))
            .map(|answer| (answer.status, answer.body.map(|body| String::from_utf8(body).expect("ASCII"))));
        assert_eq!(read, expected.map(|(status, body)| (status, body.map(str::to_owned))), "{octets}");
    }

    #[test]
    fn finds_the_end_of_each_kind_of_answer() {
        check("HTTP/1.1 200 OK\r\n\r\nabc", Ok((200, Ok("abc"))));
        check("HTTP/1.0 200 OK\r\nX: y\r\n\r\n", Ok((200, Ok(""))));
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", Ok((200, Ok("ab"))));
        check("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", Ok((200, Err(Fault::Gone))));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n";
        check(&format!("{chunked}2;x=y\r\nab\r\nA\r\n"), Ok((200, Err(Fault::TooLarge))));
        check(&format!("{chunked}2\r\nab\r\n3\r\ncde\r\n0\r\nX: y\r\n\r\n"), Ok((200, Ok("abcde"))));
        check(&format!("{chunked}2\r\nabc\r\n0\r\n\r\n"), Ok((200, Err(Fault::Malformed))));
        check(&format!("{chunked}x\r\n"), Ok((200, Err(Fault::Malformed))));
        check(&format!("{chunked}2\r\nab"), Ok((200, Err(Fault::Gone))));
        check("HTTP/1.1 204 No Content\r\n\r\n", Ok((204, Ok(""))));
        check("HTTP/1.1 103 Early\r\nX: y\r\n\r\nHTTP/1.1 401 No\r\n\r\n", Ok((401, Ok(""))));
    }

    #[test]
    fn refuses_what_is_too_large_or_can_be_read_in_two_ways() {
        check("HTTP/1.1 200 OK\r\n\r\n12345678901", Ok((200, Err(Fault::TooLarge))));
        check("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", Ok((200, Err(Fault::TooLarge))));
        let endless = "9".repeat(30);
        check(
            &format!("HTTP/1.1 200 OK\r\nContent-Length: {endless}\r\n\r\n"),
            Ok((200, Err(Fault::TooLarge))),
        );
        for fields in [
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: 1, 1",
            "Content-Length: +1",
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip",
        ] {
            check(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nabc"), Err(Fault::Framing));
        }
        check("HTTP/1.1 200 OK\nX: y\r\n\r\n", Err(Fault::LineEnd));
        check("HTTP/1.1 200 OK\r\nX: y\n\r\n", Err(Fault::LineEnd));
        check("HTTP/1.1 200 OK\r\nX: y\r\n\n", Err(Fault::LineEnd));
        check("", Err(Fault::Gone));
        check("HTTP/1.1 200", Err(Fault::Gone));
        check("SSH-2.0-OpenSSH\r\n", Err(Fault::Malformed));
        check("HTTP/1.1 099 Low\r\n\r\n", Err(Fault::Malformed));
        let long = "x".repeat(limits::ANSWER_HEAD_BYTES_MAX);
        check(&format!("HTTP/1.1 200 OK\r\nX: {long}\r\n\r\n"), Err(Fault::TooLarge));
        let many = "X: y\r\n".repeat(limits::FIELDS_MAX + 1);
        check(&format!("HTTP/1.1 200 OK\r\n{many}\r\n"), Err(Fault::TooManyFields));
    }

    #[test]
    fn judges_the_framing_of_a_body_that_it_leaves() {
        let octets = b"HTTP/1.1 401 No\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n";
        let deadline = Instant::now() + Duration::from_secs(60);
        let incoming = Incoming { stream: Octets(octets), deadline, unused: Vec::new() };
        assert_eq!(incoming.answer(None).map(|answer| answer.status), Err(Fault::Framing));
    }

    #[test]
    fn tells_a_refused_connection_from_one_that_nobody_answers() {
        assert_eq!(unconnected(io::ErrorKind::ConnectionRefused), Fault::Refused);
        assert_eq!(unconnected(io::ErrorKind::TimedOut), Fault::Silent);
    }
}
