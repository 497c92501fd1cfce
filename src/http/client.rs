//! Sends one request to another server, over plain TCP, and reads the [`Answer`], or its body part by part.
//!
//! Knows no paths, no JSON and no TLS, resolves no name and follows no redirect. Invariant: whatever the other server
//! sends or doesn't send, [`send`] returns by the deadline, and the answer's head and body are bounded. For an answer
//! that may go on for days there is [`Connection`]: each wait for more ends by a deadline, and each part is bounded.
//!
//! Resolving names and following redirects would be dangerous: a URL that another server names could lead to a
//! service that only this machine can reach (server-side request forgery). Here the caller gives the address, and a
//! redirect is returned like any other answer. TLS would need a crate larger than this program; a proxy on this
//! machine adds it instead.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::field::{Field, is_token};
use super::message::{self, Framing, MessageError, MessageReader};
use crate::limits;

/// A request to send.
pub(crate) struct Request<'a> {
    /// The address to connect to. It may be a forwarding proxy's, while `host` names the server that the request is
    /// for; so neither is derived from the other.
    pub(crate) address: SocketAddr,
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    /// Path and query.
    pub(crate) target: &'a str,
    /// Fields beside those that every request has.
    pub(crate) fields: &'a [(&'a str, &'a str)],
    /// If it is empty, the request has no body and no `Content-Length`.
    pub(crate) body: &'a [u8],
}

/// How long an answer may take and how large it may be. There is no default, because each caller knows how long it
/// can wait.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// The time for connecting, sending and reading together. With a timeout for each read, a server that sends a
    /// byte now and then could hold the caller forever.
    pub(crate) deadline: Duration,
    /// How many bytes the body may have; with `None` the body isn't read.
    pub(crate) body_bytes_max: Option<usize>,
}

/// An answer: the head, and the body if the caller wanted it and the whole body arrived.
pub(crate) struct Answer {
    /// The status code, never 1xx.
    pub(crate) status: u16,
    /// The body, or why it couldn't be read. `epicme doctor` judges the head of such an answer all the same.
    pub(crate) body: Result<Vec<u8>, ClientError>,
    fields: Vec<(String, Vec<u8>)>,
}

impl Answer {
    /// Returns the values of all fields of this name, in order.
    pub(crate) fn fields(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = self.fields.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_slice())
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ClientError {
    /// The request can't be sent, because a part of its head could end its line.
    Unwritable,
    /// No program accepts connections at the address, or the address can't be reached.
    Refused,
    /// The attempt to connect was not answered within the deadline: packets are dropped on the way.
    Silent,
    /// The answer didn't come within the deadline.
    Slow,
    /// The other server closed the connection before it had read the whole request, so it has done nothing.
    Unread,
    /// The connection ended before the answer did.
    Gone,
    /// The answer isn't HTTP/1.
    Malformed,
    /// A line of the head ends without CR (RFC 9112 §2.2).
    LineEnd,
    /// The head doesn't say how the body ends, or says it in two ways (RFC 9112 §6.3).
    Framing,
    /// The head has more than [`limits::FIELDS_MAX`] fields.
    TooManyFields,
    /// The answer is larger than its bounds.
    TooLarge,
}

impl ClientError {
    /// Returns what went wrong, as the end of a sentence that begins with "the answer".
    pub(crate) fn message(self) -> &'static str {
        match self {
            ClientError::Unwritable => "doesn't come: a part of the request has a byte that can't be sent",
            ClientError::Refused => "doesn't come: no connection is accepted",
            ClientError::Silent => "doesn't come: the connection isn't answered in time",
            ClientError::Slow => "takes too long",
            ClientError::Unread => "doesn't come: the request wasn't read",
            ClientError::Gone => "ends before it is whole",
            ClientError::Malformed => "is not HTTP/1.1 as RFC 9112 defines it",
            ClientError::LineEnd => "has a line that ends with LF alone, not with CR LF",
            ClientError::Framing => "has no one end: look at its Content-Length and Transfer-Encoding",
            ClientError::TooManyFields => "has more header fields than some clients read",
            ClientError::TooLarge => "is too large",
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "the answer {}", self.message())
    }
}

impl std::error::Error for ClientError {}

impl From<MessageError> for ClientError {
    fn from(error: MessageError) -> ClientError {
        match error {
            MessageError::Timeout => ClientError::Slow,
            MessageError::Gone => ClientError::Gone,
            MessageError::ChunkLineEnd | MessageError::ChunkMalformed => ClientError::Malformed,
            MessageError::ExtensionTooLarge | MessageError::BodyTooLarge => ClientError::TooLarge,
        }
    }
}

/// Sends one request on a connection of its own and reads the answer. A larger client would keep connections open
/// between requests; requests are rare here, and the other server may close a kept connection just when the next
/// request is sent.
#[inline(never)] // speed doesn't matter to its callers, the size of the program does
pub(crate) fn send(request: &Request, bounds: Bounds) -> Result<Answer, ClientError> {
    let head = write_head(request, IsLast::Yes).ok_or(ClientError::Unwritable)?;
    let mut connection = Connection::open(request.address, bounds.deadline)?;
    connection.write(head, request.body)?;
    read_answer(&mut connection.reader, bounds.body_bytes_max)
}

/// A connection, before its last request is sent.
pub(crate) struct Connection {
    reader: MessageReader<DeadlineStream>,
}

/// Ends a connection from another thread. The thread that reads its answer sees it as broken.
pub(crate) struct Closer(TcpStream);

impl Closer {
    pub(crate) fn close(&self) {
        let _ = self.0.shutdown(Shutdown::Both); // an error means that it has ended already
    }
}

/// Whether a request is the last one on its connection.
#[derive(Clone, Copy, PartialEq)]
enum IsLast {
    Yes,
    No,
}

/// An answer whose head has arrived.
pub(crate) struct OpenAnswer {
    /// The head; the body in it is empty.
    pub(crate) head: Answer,
    reader: MessageReader<DeadlineStream>,
    framing: Framing,
    silence_max: Duration,
}

impl Connection {
    /// Connects; all that is done on the connection ends by this deadline, until the last request sets its own.
    pub(crate) fn open(address: SocketAddr, deadline: Duration) -> Result<Connection, ClientError> {
        let ends = Instant::now() + deadline;
        let stream = connect(&address, deadline)?;
        Ok(Connection { reader: MessageReader::new(DeadlineStream::new(stream, ends)) })
    }

    pub(crate) fn closer(&mut self) -> io::Result<Closer> {
        self.reader.source().stream.try_clone().map(Closer)
    }

    /// Returns our own address and port, by which the other side tells this connection from all others.
    pub(crate) fn local_address(&mut self) -> Result<SocketAddr, ClientError> {
        self.reader.source().stream.local_addr().map_err(|_| ClientError::Gone)
    }

    /// Sends a request behind which another one follows, and reads its answer.
    pub(crate) fn ask_before_last(
        &mut self,
        request: &Request,
        body_bytes_max: usize,
    ) -> Result<Answer, ClientError> {
        self.write(write_head(request, IsLast::No).ok_or(ClientError::Unwritable)?, request.body)?;
        read_answer(&mut self.reader, Some(body_bytes_max))
    }

    fn write(&mut self, head: Vec<u8>, body: &[u8]) -> Result<(), ClientError> {
        let DeadlineStream { stream, deadline, is_reset } = self.reader.source();
        stream.set_write_timeout(Some(left(*deadline)?)).map_err(|_| ClientError::Gone)?;
        // The timeout begins anew with each write, but a request here is small, or the server is on this machine. A
        // failed write isn't an error yet: a server that refuses early may close before it has read the request, and
        // its answer counts. If there is no answer, the read fails.
        let written = stream.write_all(&[&head, body].concat());
        *is_reset = written.err().is_some_and(|error| is_reset_by_peer(&error));
        Ok(())
    }

    /// Sends the last request, and waits for the head of the answer. The other server may be silent for `silence_max`
    /// at a time.
    pub(crate) fn ask(mut self, request: &Request, silence_max: Duration) -> Result<OpenAnswer, ClientError> {
        self.reader.source().deadline = Instant::now() + silence_max;
        self.write(write_head(request, IsLast::Yes).ok_or(ClientError::Unwritable)?, request.body)?;
        let mut reader = self.reader;
        let (head, framing) = match read_final_head(&mut reader) {
            // A server that stops drops its new connections. The kernel resets a connection that is closed while bytes
            // of it are unread (RFC 2525 §2.17); after the whole request was read, it would end it in order.
            Err(ClientError::Gone) if reader.source().is_reset && reader.unused().is_empty() => {
                return Err(ClientError::Unread);
            }
            read => read?,
        };
        Ok(OpenAnswer { head, reader, framing, silence_max })
    }
}

impl OpenAnswer {
    /// Waits for the next part of the body, which has at most `bytes_max` bytes; `None` at the end of the body.
    pub(crate) fn next_part(&mut self, bytes_max: usize) -> Result<Option<Vec<u8>>, ClientError> {
        self.reader.source().deadline = Instant::now() + self.silence_max;
        Ok(self.reader.read_part(&mut self.framing, bytes_max)?)
    }

    /// Waits for the whole body.
    pub(crate) fn read_body(mut self, bytes_max: usize) -> Result<Vec<u8>, ClientError> {
        self.reader.source().deadline = Instant::now() + self.silence_max;
        Ok(self.reader.read_body(self.framing, bytes_max)?)
    }
}

/// Writes the head of a request; `None` if a part of it could end its line. The parts come from URLs that another
/// server named, so a line end in one of them would let that server write fields of its own into our request, or a
/// whole second request.
fn write_head(request: &Request, is_last: IsLast) -> Option<Vec<u8>> {
    let Request { method, host, target, fields, body, .. } = request;
    if !is_token(method) || target.is_empty() || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    let length = body.len().to_string();
    let framing = [("Content-Length", length.as_str())];
    let framing = if body.is_empty() { &[][..] } else { &framing };
    // Without this field the connection stays open (RFC 9112 §9.3).
    let closing = [("Connection", "close")];
    let closing = if is_last == IsLast::Yes { &closing[..] } else { &[] };
    for (name, value) in [&[("Host", *host)], closing, *fields, framing].concat() {
        Field::new(name, value)?.write(&mut head);
    }
    head.push_str("\r\n");
    Some(head.into_bytes())
}

/// Checks whether this address accepts connections. It closes the connection at once and sends nothing.
pub(crate) fn reach(address: SocketAddr, deadline: Duration) -> Result<(), ClientError> {
    connect(&address, deadline).map(drop)
}

fn connect(address: &SocketAddr, deadline: Duration) -> Result<TcpStream, ClientError> {
    TcpStream::connect_timeout(address, deadline).map_err(|error| unconnected(error.kind()))
}

/// Tells silence from a refusal: a firewall may drop packets, but a machine on which no program has the port answers
/// at once.
fn unconnected(kind: io::ErrorKind) -> ClientError {
    if kind == io::ErrorKind::TimedOut { ClientError::Silent } else { ClientError::Refused }
}

/// Returns the time until `deadline`; it is never zero, because to the kernel a timeout of zero means no timeout.
fn left(deadline: Instant) -> Result<Duration, ClientError> {
    deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()).ok_or(ClientError::Slow)
}

/// A connection whose reads all end by one deadline.
struct DeadlineStream {
    stream: TcpStream,
    deadline: Instant,
    /// Whether the other side has reset the connection.
    is_reset: bool,
}

fn is_reset_by_peer(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

impl DeadlineStream {
    fn new(stream: TcpStream, deadline: Instant) -> DeadlineStream {
        DeadlineStream { stream, deadline, is_reset: false }
    }
}

impl Read for DeadlineStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // The socket's own timeout begins anew with each read, so it is set to the time that is left.
        let left = left(self.deadline).map_err(|_| io::ErrorKind::TimedOut)?;
        self.stream.set_read_timeout(Some(left))?;
        let read = self.stream.read(into);
        // A reset that follows an end in order is no error of the read: the socket keeps it.
        let error = match &read {
            Ok(0) => &self.stream.take_error().ok().flatten(),
            Ok(_) => &None,
            Err(error) => &Some(io::Error::from(error.kind())),
        };
        self.is_reset |= error.as_ref().is_some_and(is_reset_by_peer);
        read
    }
}

fn read_answer<S: Read>(
    reader: &mut MessageReader<S>,
    body_bytes_max: Option<usize>,
) -> Result<Answer, ClientError> {
    let (mut answer, framing) = read_final_head(reader)?;
    if let Some(bytes_max) = body_bytes_max {
        // Trailers, if any, are left on the connection. Where it is used again, the next answer then can't be read.
        answer.body = reader.read_body(framing, bytes_max).map_err(ClientError::from);
    }
    Ok(answer)
}

/// Reads the head of the answer, and finds how its body ends. The framing is checked even if the body isn't read: other
/// clients refuse an answer with wrong framing, and `epicme doctor` must find that too.
fn read_final_head<S: Read>(reader: &mut MessageReader<S>) -> Result<(Answer, Framing), ClientError> {
    loop {
        let answer = read_head(reader)?;
        if answer.status >= 200 {
            let framing = framing(&answer)?;
            return Ok((answer, framing));
        } // RFC 9110 §15.2: the answer is yet to come
    }
}

fn read_head<S: Read>(reader: &mut MessageReader<S>) -> Result<Answer, ClientError> {
    let mut seen = 0;
    loop {
        // The first bytes are parsed even without a line end: they show whether the server speaks another protocol,
        // and such a server may send no line end.
        if (seen == 0 || reader.has_line_end_after(seen))
            && let Some((answer, length)) = parse_head(reader.unused())?
        {
            reader.consume(length);
            return Ok(answer);
        }
        seen = reader.unused().len();
        if seen > limits::ANSWER_HEAD_BYTES_MAX {
            return Err(ClientError::TooLarge);
        }
        reader.fill()?;
    }
}

/// Parses the head at the start of `bytes`, and returns it with its length; `None` if the end of the head has not
/// arrived. httparse doesn't check the line ends or the first digit of the status, so this function does.
fn parse_head(bytes: &[u8]) -> Result<Option<(Answer, usize)>, ClientError> {
    let mut storage = [httparse::EMPTY_HEADER; limits::FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut storage);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(ClientError::TooManyFields),
        Err(_) => return Err(ClientError::Malformed),
    };
    if !message::ends_lines_with_crlf(&bytes[..length]) {
        return Err(ClientError::LineEnd);
    }
    if length > limits::ANSWER_HEAD_BYTES_MAX {
        return Err(ClientError::TooLarge);
    }
    // RFC 9110 §15: three digits, of which the first is 1 to 5. httparse takes any three.
    let status = parsed.code.filter(|code| (100..600).contains(code)).ok_or(ClientError::Malformed)?;
    let fields = parsed.headers.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect();
    Ok(Some((Answer { status, fields, body: Ok(Vec::new()) }, length)))
}

/// Returns how the body of an answer to any method but HEAD ends (RFC 9112 §6.3). An answer that could be read in two
/// ways is refused.
fn framing(answer: &Answer) -> Result<Framing, ClientError> {
    let codings: Vec<_> = answer.fields("transfer-encoding").collect();
    let lengths: Vec<_> = answer.fields("content-length").collect();
    match (&codings[..], &lengths[..]) {
        // A 204 or 304 has no body, even if a field gives the length that the body of a 200 would have had.
        _ if matches!(answer.status, 204 | 304) => Ok(Framing::Length(0)),
        ([], []) => Ok(Framing::UntilClose),
        ([coding], []) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        ([], [length]) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
            let length = std::str::from_utf8(length).ok().and_then(|digits| digits.parse().ok());
            Ok(Framing::Length(length.unwrap_or(u64::MAX))) // too many digits: too large
        }
        _ => Err(ClientError::Framing), // also two equal lengths, because some clients refuse them
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    struct Bytes<'o>(&'o [u8]);

    impl Read for Bytes<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let into = &mut into[..1]; // byte by byte, so that every cut is tried
            self.0.read(into)
        }
    }

    /// Reads an answer with a body of at most 10 bytes.
    #[track_caller]
    fn check(bytes: &str, expected: Result<(u16, Result<&str, ClientError>), ClientError>) {
        let read = read_answer(&mut MessageReader::new(Bytes(bytes.as_bytes())), Some(10))
            .map(|answer| (answer.status, answer.body.map(|body| String::from_utf8(body).expect("ASCII"))));
        assert_eq!(read, expected.map(|(status, body)| (status, body.map(str::to_owned))), "{bytes}");
    }

    #[test]
    fn refuses_to_write_a_request_that_a_part_could_split_and_writes_its_twin() {
        let written = |method, host, target, name, value| {
            let fields = [(name, value)];
            let address = SocketAddr::from(([127, 0, 0, 1], 9));
            let request = Request { address, method, host, target, fields: &fields, body: b"{}" };
            write_head(&request, IsLast::Yes).map(|head| String::from_utf8(head).expect("ASCII"))
        };
        assert_eq!(
            written("POST", "h:1", "/a?b", "X", "c d").as_deref(),
            Some(
                "POST /a?b HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\nX: c d\r\nContent-Length: 2\r\n\r\n"
            )
        );
        for hostile in ["a\r\nY: b", "a\nb", "a\rb", "a\0b", "\u{e9}"] {
            assert_eq!(written(hostile, "h:1", "/a?b", "X", "c d"), None, "{hostile:?}");
            assert_eq!(written("POST", hostile, "/a?b", "X", "c d"), None, "{hostile:?}");
            assert_eq!(written("POST", "h:1", hostile, "X", "c d"), None, "{hostile:?}");
            assert_eq!(written("POST", "h:1", "/a?b", hostile, "c d"), None, "{hostile:?}");
            assert_eq!(written("POST", "h:1", "/a?b", "X", hostile), None, "{hostile:?}");
        }
        assert_eq!(written("POST", "h:1", "/a b", "X", "c d"), None);
    }

    /// What a client sees of a server that reads so many bytes of its request and then closes the connection.
    fn asked(read: impl Fn(usize) -> usize) -> Result<(), ClientError> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let request =
            Request { address, method: "POST", host: "h", target: "/", fields: &[], body: &[b' '; 5000] };
        let length = write_head(&request, IsLast::Yes).expect("a head").len() + request.body.len();
        let count = read(length);
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            stream.read_exact(&mut vec![0; count]).expect("the request");
        });
        let connection = Connection::open(address, Duration::from_secs(60)).expect("it accepts");
        if count == 0 {
            server.join().expect("the server"); // it has closed before the first byte is sent
            return connection.ask(&request, Duration::from_secs(60)).map(drop);
        }
        let asked = connection.ask(&request, Duration::from_secs(60)).map(drop);
        server.join().expect("the server");
        asked
    }

    #[test]
    fn tells_a_request_that_was_not_read_from_one_that_may_have_been_done() {
        assert_eq!(asked(|_| 0), Err(ClientError::Unread));
        assert_eq!(asked(|_| 1), Err(ClientError::Unread));
        assert_eq!(asked(|length| length - 1), Err(ClientError::Unread));
        assert_eq!(asked(|length| length), Err(ClientError::Gone));
    }

    #[test]
    fn finds_the_end_of_each_kind_of_answer() {
        check("HTTP/1.1 200 OK\r\n\r\nabc", Ok((200, Ok("abc"))));
        check("HTTP/1.0 200 OK\r\nX: y\r\n\r\n", Ok((200, Ok(""))));
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", Ok((200, Ok("ab"))));
        check("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", Ok((200, Err(ClientError::Gone))));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n";
        check(&format!("{chunked}2;x=y\r\nab\r\nA\r\n"), Ok((200, Err(ClientError::TooLarge))));
        check(&format!("{chunked}2\r\nab\r\n3\r\ncde\r\n0\r\nX: y\r\n\r\n"), Ok((200, Ok("abcde"))));
        check(&format!("{chunked}2\r\nabc\r\n0\r\n\r\n"), Ok((200, Err(ClientError::Malformed))));
        check(&format!("{chunked}x\r\n"), Ok((200, Err(ClientError::Malformed))));
        check(&format!("{chunked}2\r\nab"), Ok((200, Err(ClientError::Gone))));
        check("HTTP/1.1 204 No Content\r\n\r\n", Ok((204, Ok(""))));
        check("HTTP/1.1 103 Early\r\nX: y\r\n\r\nHTTP/1.1 401 No\r\n\r\n", Ok((401, Ok(""))));
    }

    #[test]
    fn refuses_what_is_too_large_or_can_be_read_in_two_ways() {
        check("HTTP/1.1 200 OK\r\n\r\n12345678901", Ok((200, Err(ClientError::TooLarge))));
        check("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", Ok((200, Err(ClientError::TooLarge))));
        let endless = "9".repeat(30);
        check(
            &format!("HTTP/1.1 200 OK\r\nContent-Length: {endless}\r\n\r\n"),
            Ok((200, Err(ClientError::TooLarge))),
        );
        for fields in [
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: 1, 1",
            "Content-Length: +1",
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip",
        ] {
            check(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nabc"), Err(ClientError::Framing));
        }
        check("HTTP/1.1 200 OK\nX: y\r\n\r\n", Err(ClientError::LineEnd));
        check("HTTP/1.1 200 OK\r\nX: y\n\r\n", Err(ClientError::LineEnd));
        check("HTTP/1.1 200 OK\r\nX: y\r\n\n", Err(ClientError::LineEnd));
        check("", Err(ClientError::Gone));
        check("HTTP/1.1 200", Err(ClientError::Gone));
        check("SSH-2.0-OpenSSH\r\n", Err(ClientError::Malformed));
        check("HTTP/1.1 099 Low\r\n\r\n", Err(ClientError::Malformed));
        let long = "x".repeat(limits::ANSWER_HEAD_BYTES_MAX);
        check(&format!("HTTP/1.1 200 OK\r\nX: {long}\r\n\r\n"), Err(ClientError::TooLarge));
        let many = "X: y\r\n".repeat(limits::FIELDS_MAX + 1);
        check(&format!("HTTP/1.1 200 OK\r\n{many}\r\n"), Err(ClientError::TooManyFields));
    }

    #[test]
    fn checks_the_framing_of_a_body_that_it_leaves() {
        let bytes = b"HTTP/1.1 401 No\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n";
        let read = read_answer(&mut MessageReader::new(Bytes(bytes)), None);
        assert_eq!(read.map(|answer| answer.status), Err(ClientError::Framing));
    }

    #[test]
    fn tells_a_refused_connection_from_one_that_is_not_answered() {
        assert_eq!(unconnected(io::ErrorKind::ConnectionRefused), ClientError::Refused);
        assert_eq!(unconnected(io::ErrorKind::TimedOut), ClientError::Silent);
    }
}
