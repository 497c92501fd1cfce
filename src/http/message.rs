//! What requests and responses share as HTTP/1.1 messages (RFC 9112): the buffer that they are read into, the line
//! ends of a head, and a body by its length, in chunks or until the connection closes.
//!
//! Knows no field name and no socket, and not which of the two kinds it reads: `request/` and `client` decide how the
//! body of their message ends, and what becomes of trailers. Invariant: no memory is allocated for a length that was
//! only announced, and a body is bounded by the limit that the caller gives.
//!
//! TCP carries bytes and no messages, so each receiver finds the end of a message by itself. Two receivers of the
//! same bytes, a proxy and this server, must find the same end. Otherwise one of them takes the rest of a message for
//! the start of another, and an attacker can hide a request there (request smuggling, RFC 9112 §11.2). Therefore this
//! file refuses whatever the grammar doesn't allow, and some things that it allows but that receivers are known to
//! read differently.

use std::fmt;
use std::io::{self, Read};

use crate::limits;

/// How the receiver finds the end of a body (RFC 9112 §6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    /// This many bytes follow.
    Length(u64),
    /// Chunks follow; the one of size 0 is the last.
    Chunked,
    /// The body is everything until the sender closes the connection. Only a response can end so: if a client closed
    /// its side, the server couldn't tell a whole request from one that was cut off.
    UntilClose,
}

impl Framing {
    /// Refuses an announced length past the limit, before the body is read. A client that still waits for `100
    /// Continue` then uploads nothing.
    pub(crate) fn check_announced(self, bytes_max: usize) -> Result<(), MessageError> {
        match self {
            Framing::Length(length) if length > bytes_max as u64 => Err(MessageError::BodyTooLarge),
            _ => Ok(()), // the length of the others is known only while they are read
        }
    }
}

/// Why a message can't be read to its end. The server turns it into a `BadRequest`, the client into a `ClientError`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MessageError {
    /// The time for this part of the message is over.
    Timeout,
    /// The sender ended or broke the connection.
    Gone,
    /// A chunk-size line ends with LF alone (RFC 9112 §2.2).
    ChunkLineEnd,
    /// A chunk-size line breaks the grammar, or no CRLF follows a chunk's data (RFC 9112 §7.1).
    ChunkMalformed,
    /// The chunk extensions are past [`limits::CHUNK_EXTENSION_BYTES_MAX`].
    ExtensionTooLarge,
    /// The body is past the limit that the caller gave.
    BodyTooLarge,
}

impl fmt::Display for MessageError {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(match self {
            MessageError::Timeout => "the message took too long to arrive",
            MessageError::Gone => "the connection ended before the message did",
            MessageError::ChunkLineEnd => "a chunk-size line must end with CR LF",
            MessageError::ChunkMalformed => "a chunk is malformed",
            MessageError::ExtensionTooLarge => "the chunk extensions are too large",
            MessageError::BodyTooLarge => "the body is too large",
        })
    }
}

impl std::error::Error for MessageError {}

/// Reads messages from one connection, one after the other.
///
/// A read returns what has arrived, which may end in the middle of a line or reach into the next message. So all
/// bytes go through one buffer, in which `start..end` was read and not used yet. `std::io::BufReader` can't be used,
/// because a head is parsed as one slice: while its end is missing, more bytes must be added after those that have
/// arrived.
///
/// The source keeps the deadlines: its `read` fails with [`io::ErrorKind::TimedOut`] or [`io::ErrorKind::WouldBlock`]
/// when the time for the present part of the message is over.
pub(crate) struct MessageReader<S> {
    source: S,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl<S: Read> MessageReader<S> {
    pub(crate) fn new(source: S) -> MessageReader<S> {
        MessageReader { source, buffer: Vec::new(), start: 0, end: 0 }
    }

    pub(crate) fn source(&mut self) -> &mut S {
        &mut self.source
    }

    /// Returns the bytes that were read and not used yet.
    pub(crate) fn unused(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Uses up the first `length` bytes of [`MessageReader::unused`].
    pub(crate) fn consume(&mut self, length: usize) {
        self.start += length;
        debug_assert!(self.start <= self.end, "only bytes that have arrived can be used");
    }

    /// Returns whether a line ends after the first `seen` unused bytes. A head ends only at the end of a line, and
    /// the parser starts at the first byte each time. A caller that parsed after each read would do quadratic work
    /// for a sender that sends a head byte by byte.
    pub(crate) fn has_line_end_after(&self, seen: usize) -> bool {
        let unused = self.unused();
        unused[seen.min(unused.len())..].contains(&b'\n')
    }

    /// Frees the buffer if a large message has made it grow. A connection may be idle for long, and thousands of idle
    /// ones would otherwise keep the memory of their largest request. The caller must have used all bytes before,
    /// because unused ones would be lost with the buffer; a debug build panics if there are any.
    pub(crate) fn shrink_idle_buffer(&mut self) {
        debug_assert!(self.unused().is_empty(), "unused bytes would be lost");
        if self.buffer.len() > limits::IDLE_BUFFER_BYTES_MAX {
            self.buffer = Vec::new();
            (self.start, self.end) = (0, 0);
        }
    }

    /// Reads once more from the source, and adds the bytes to the unused ones. The buffer always has space for some,
    /// so `Ok` means that at least one byte has arrived. The callers bound how large the buffer becomes, because only
    /// they know what they are reading.
    pub(crate) fn fill(&mut self) -> Result<(), MessageError> {
        // Used bytes are dropped here, once for each read, and not with each `consume`, because moving the rest costs
        // time.
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
                Ok(0) => return Err(MessageError::Gone),
                Ok(count) => {
                    self.end += count;
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {} // by a signal: nothing is lost
                    io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => return Err(MessageError::Timeout),
                    _ => return Err(MessageError::Gone), // mostly a reset, which counts as if the sender had closed
                },
            }
        }
    }

    /// Reads a whole body of at most `bytes_max` bytes of content. Trailers after the last chunk stay unread.
    ///
    /// The body comes back in one piece and never as a stream: its readers parse JSON or a form, which needs all of
    /// it, and the limits are small enough to keep it.
    pub(crate) fn read_body(&mut self, framing: Framing, bytes_max: usize) -> Result<Vec<u8>, MessageError> {
        framing.check_announced(bytes_max)?;
        match framing {
            Framing::Length(length) => {
                let mut body = Vec::new();
                self.take(length, &mut body)?;
                Ok(body)
            }
            Framing::Chunked => self.read_chunks(bytes_max),
            Framing::UntilClose => self.read_until_close(bytes_max),
        }
    }

    /// Moves the next `length` bytes to the end of `body`, which grows only as they arrive. If the whole length were
    /// allocated at once, a client could make the server allocate as much as the limit by announcing a length and
    /// sending nothing.
    fn take(&mut self, length: u64, body: &mut Vec<u8>) -> Result<(), MessageError> {
        let mut left = usize::try_from(length).map_err(|_| MessageError::BodyTooLarge)?;
        loop {
            let unused = self.unused();
            let part = &unused[..left.min(unused.len())];
            // glibc maps a block of its own for an allocation from some size on, and gives it back when it is freed.
            // But each block up to 32 MiB that it has freed so raises that size, and later ones stay in the heaps of
            // the threads: eight connections that sent 3.5 MB kept 60 MB for good. So a large body gets more capacity
            // than that, once so much of it has arrived. If the address space is bounded, it grows as any other.
            if body.len() + part.len() > limits::BODY_AT_FIRST_MAX && body.capacity() < limits::BODY_CAPACITY
            {
                let _ = body.try_reserve_exact(limits::BODY_CAPACITY - body.len());
            }
            body.extend_from_slice(part);
            let count = part.len();
            self.consume(count);
            left -= count;
            if left == 0 {
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// Reads chunks up to the size line of the last one, and returns their data joined (RFC 9112 §7.1). The trailers
    /// are left to the caller.
    ///
    /// ```text
    /// 5;name=value\r\n     size in hexadecimal, and extensions, which are ignored (§7.1.1)
    /// hello\r\n            that many bytes, and a line end that neither the size nor `bytes_max` counts
    /// 0\r\n                the last chunk; trailers follow
    /// ```
    ///
    /// Fails if the data is longer than `bytes_max`, if the extensions of all chunks together are longer than
    /// [`limits::CHUNK_EXTENSION_BYTES_MAX`], if a chunk is malformed, or if the rest doesn't arrive.
    fn read_chunks(&mut self, bytes_max: usize) -> Result<Vec<u8>, MessageError> {
        let mut body = Vec::new();
        let mut extension_bytes = 0;
        // The extensions are counted over the whole body. They are no content, so `bytes_max` doesn't bound them, and a
        // body of many small chunks could have very many of them. RFC 9112 §7.1.1 asks for such a limit.
        while self.read_chunk(&mut body, bytes_max, &mut extension_bytes)? {}
        Ok(body)
    }

    /// Reads one chunk, and adds its data to `body`; `false` if it was the last one, which has none.
    fn read_chunk(
        &mut self,
        body: &mut Vec<u8>,
        bytes_max: usize,
        extension_bytes: &mut usize,
    ) -> Result<bool, MessageError> {
        let (size, extension) = self.read_chunk_line()?;
        *extension_bytes += extension;
        if *extension_bytes > limits::CHUNK_EXTENSION_BYTES_MAX {
            return Err(MessageError::ExtensionTooLarge);
        }
        if size == 0 {
            return Ok(false);
        }
        // Subtracted, not added: a size near `u64::MAX` would make the sum wrap around to a small number.
        if size > (bytes_max - body.len()) as u64 {
            return Err(MessageError::BodyTooLarge);
        }
        self.take(size, body)?;
        // A receiver that skipped these two bytes unchecked would accept a chunk whose data is longer than its size.
        let mut end = Vec::new();
        self.take(2, &mut end)?;
        if end == b"\r\n" { Ok(true) } else { Err(MessageError::ChunkMalformed) }
    }

    /// Reads the next part of a body that may go on for as long as it likes, such as an event stream: what has arrived,
    /// or a whole chunk; `None` at the end of the body. `framing` says what is still to come. A part is bounded by
    /// `bytes_max`, the body isn't.
    pub(crate) fn read_part(
        &mut self,
        framing: &mut Framing,
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, MessageError> {
        let mut part = Vec::new();
        match framing {
            Framing::Length(0) => return Ok(None),
            Framing::Chunked => {
                let is_there = self.read_chunk(&mut part, bytes_max, &mut 0)?;
                if !is_there {
                    *framing = Framing::Length(0);
                }
                return Ok(is_there.then_some(part));
            }
            Framing::Length(_) | Framing::UntilClose => {}
        }
        if self.unused().is_empty() {
            match self.fill() {
                Err(MessageError::Gone) if *framing == Framing::UntilClose => return Ok(None),
                filled => filled?,
            }
        }
        let mut length = self.unused().len().min(bytes_max) as u64;
        if let Framing::Length(left) = framing {
            length = length.min(*left);
            *left -= length;
        }
        self.take(length, &mut part)?;
        Ok(Some(part))
    }

    /// Reads the size line of the next chunk. Returns the size, and how many bytes of extension the line has (with
    /// the `;`), so that the caller can bound the extensions of the whole body. Fails if the line is malformed,
    /// doesn't end with CRLF or is too long, or if the rest of it doesn't arrive.
    fn read_chunk_line(&mut self) -> Result<(u64, usize), MessageError> {
        loop {
            let unused = self.unused();
            if let Some(end) = unused.iter().position(|byte| *byte == b'\n') {
                let line = unused[..end].strip_suffix(b"\r").ok_or(MessageError::ChunkLineEnd)?;
                let parsed = parse_chunk_line(line).ok_or(MessageError::ChunkMalformed)?;
                self.consume(end + 1);
                return Ok(parsed);
            }
            // There is no line end, although these bytes are more than the longest line that is accepted.
            if unused.len() > limits::CHUNK_EXTENSION_BYTES_MAX + CHUNK_SIZE_DIGITS_MAX + "\r".len() {
                return Err(MessageError::ExtensionTooLarge);
            }
            self.fill()?;
        }
    }

    /// Reads until the sender closes. A broken connection looks the same as a closed one, so the body may be cut off
    /// (RFC 9112 §8); the caller must find that out from the content.
    fn read_until_close(&mut self, bytes_max: usize) -> Result<Vec<u8>, MessageError> {
        loop {
            if self.unused().len() > bytes_max {
                return Err(MessageError::BodyTooLarge);
            }
            match self.fill() {
                Ok(()) => {}
                Err(MessageError::Gone) => {
                    let body = self.unused().to_vec();
                    self.consume(body.len());
                    return Ok(body);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Returns whether every line of a head or trailer section ends with CRLF. RFC 9112 §2.2 allows a receiver to take a
/// bare LF for a line's end, and httparse does. A proxy in front of the server may not. Then the proxy and the server
/// see different fields in the same bytes, and a request can be smuggled past the proxy.
pub(crate) fn ends_lines_with_crlf(section: &[u8]) -> bool {
    // Every byte is looked at, and not only those up to a bad one: so the compiler can look at many at once.
    let fits = |(before, byte): (&u8, &u8)| *byte != b'\n' || *before == b'\r';
    let pairs = section.iter().zip(section.iter().skip(1));
    section.first() != Some(&b'\n') && pairs.fold(true, |all, pair| all & fits(pair))
}

/// As many hexadecimal digits as a `u64` has. A receiver that lets a longer number wrap around reads a smaller chunk;
/// RFC 9112 §7.1 warns of that.
const CHUNK_SIZE_DIGITS_MAX: usize = 16;

/// Returns the size in a chunk-size line, and how many bytes of extension follow it; `None` if the line breaks the
/// grammar. Stricter than the grammar, it allows no white space between the size and an extension, and at most 16
/// digits, because receivers differ over both.
fn parse_chunk_line(line: &[u8]) -> Option<(u64, usize)> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, extension) = line.split_at(digits);
    if !(1..=CHUNK_SIZE_DIGITS_MAX).contains(&digits) {
        return None;
    }
    // Some receivers take a CR inside an extension for the end of the line, so an extension may have no control byte
    // but the tab.
    let visible = |byte: &u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t');
    let extension_fits = extension.is_empty() || extension[0] == b';' && extension.iter().all(visible);
    // `from_str_radix` also accepts "+5", but only digits were counted above, so there is no sign.
    let size = u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
    extension_fits.then_some((size, extension.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives so many of the bytes with each read.
    struct Pieces<'b>(&'b [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(into.len());
            self.0.read(&mut into[..count])
        }
    }

    /// Reads a body of at most 10 bytes from these bytes, in large pieces and byte by byte.
    #[track_caller]
    fn check(bytes: &str, framing: Framing, expected: Result<&str, MessageError>) {
        for piece in [usize::MAX, 1] {
            let body = MessageReader::new(Pieces(bytes.as_bytes(), piece)).read_body(framing, 10);
            let body = body.map(|body| String::from_utf8(body).expect("ASCII"));
            assert_eq!(body, expected.map(str::to_owned), "{bytes}");
        }
    }

    #[test]
    fn reads_a_body_up_to_its_limit_however_it_ends() {
        let ten = "1234567890";
        for framing in [Framing::Length(10), Framing::UntilClose] {
            check(ten, framing, Ok(ten));
        }
        check("abc", Framing::Length(2), Ok("ab"));
        check("", Framing::Length(0), Ok(""));
        check("", Framing::UntilClose, Ok(""));
        check("a\r\n1234567890\r\n0\r\n", Framing::Chunked, Ok(ten));
        check("3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n", Framing::Chunked, Ok("abcde"));
        check("0\r\n", Framing::Chunked, Ok(""));
        check(ten, Framing::Length(11), Err(MessageError::BodyTooLarge));
        check("12345678901", Framing::UntilClose, Err(MessageError::BodyTooLarge));
        check("b\r\n12345678901\r\n0\r\n", Framing::Chunked, Err(MessageError::BodyTooLarge));
        check("a\r\n1234567890\r\n1\r\na\r\n", Framing::Chunked, Err(MessageError::BodyTooLarge));
    }

    #[test]
    fn refuses_chunks_that_can_be_read_in_two_ways() {
        check("3\nabc\r\n0\r\n", Framing::Chunked, Err(MessageError::ChunkLineEnd));
        for malformed in ["", " 3", "3 ", "+3", "0x3", "3;\x00", "-1", "00000000000000003", "3,x"] {
            let bytes = format!("{malformed}\r\nabc\r\n0\r\n");
            check(&bytes, Framing::Chunked, Err(MessageError::ChunkMalformed));
        }
        check("3\r\nabcd\r\n0\r\n", Framing::Chunked, Err(MessageError::ChunkMalformed));
        check("3\r\nabc", Framing::Chunked, Err(MessageError::Gone));
        check("3\r\nab", Framing::Length(7), Err(MessageError::Gone));
    }

    #[test]
    fn reads_a_body_part_by_part_without_a_limit_on_the_whole() {
        let parts = |bytes: &str, mut framing: Framing, piece: usize| {
            let mut reader = MessageReader::new(Pieces(bytes.as_bytes(), piece));
            let mut parts = Vec::new();
            loop {
                match reader.read_part(&mut framing, 4) {
                    Ok(Some(part)) => parts.push(String::from_utf8(part).expect("ASCII")),
                    Ok(None) => return Ok(parts),
                    Err(error) => return Err((parts, error)),
                }
            }
        };
        let owned = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        for framing in [Framing::Length(6), Framing::UntilClose] {
            assert_eq!(parts("abcdef", framing, usize::MAX), Ok(owned(&["abcd", "ef"])));
            assert_eq!(parts("abcdef", framing, 3), Ok(owned(&["abc", "def"])));
        }
        assert_eq!(parts("abc", Framing::Length(2), 9), Ok(owned(&["ab"])));
        assert_eq!(parts("abc", Framing::Length(4), 9), Err((owned(&["abc"]), MessageError::Gone)));
        let chunks = "4\r\nabcd\r\n2;x\r\nef\r\n0\r\n\r\n";
        for piece in [usize::MAX, 1] {
            assert_eq!(parts(chunks, Framing::Chunked, piece), Ok(owned(&["abcd", "ef"])));
            let broken = (owned(&["abcd"]), MessageError::Gone);
            assert_eq!(parts(&chunks[..12], Framing::Chunked, piece), Err(broken));
            let large = parts("5\r\nabcde\r\n0\r\n\r\n", Framing::Chunked, piece);
            assert_eq!(large, Err((Vec::new(), MessageError::BodyTooLarge)));
        }
    }

    #[test]
    fn counts_the_extensions_of_all_chunks_together() {
        let half = "x".repeat(limits::CHUNK_EXTENSION_BYTES_MAX / 2 - 1);
        let two = |more: &str| format!("1;{half}\r\na\r\n0;{half}{more}\r\n");
        check(&two(""), Framing::Chunked, Ok("a"));
        check(&two("x"), Framing::Chunked, Err(MessageError::ExtensionTooLarge));
    }

    #[test]
    fn finds_every_line_end_without_its_cr() {
        for good in ["", "a: b\r\n\r\n", "\r\n", "a\rb\r\n"] {
            assert!(ends_lines_with_crlf(good.as_bytes()), "{good:?}");
        }
        for bad in ["\n", "a: b\n\r\n", "a: b\r\n\n", "a: b\r\nc: d\ne: f\r\n\r\n"] {
            assert!(!ends_lines_with_crlf(bad.as_bytes()), "{bad:?}");
        }
    }

    #[test]
    fn reserves_so_much_for_a_large_body_that_its_memory_is_given_back_and_nothing_for_one_that_is_announced()
    {
        let capacity = |arrived: usize, announced: u64| {
            let bytes = vec![b'x'; arrived];
            let mut reader = MessageReader::new(bytes.as_slice());
            let mut body = Vec::new();
            let _ = reader.take(announced, &mut body);
            (body.len(), body.capacity())
        };
        let (small, large) = (limits::BODY_AT_FIRST_MAX, limits::MCP_BODY_BYTES_MAX);
        let (length, reserved) = capacity(small, large as u64);
        assert!(length == small && reserved <= 2 * small, "{reserved} bytes for {length}");
        assert_eq!(capacity(large, large as u64), (large, limits::BODY_CAPACITY));
    }
}
