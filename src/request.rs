//! Octets → [`Head`], then [`Body`]: HTTP/1.1 framing over `httparse`, strict and parsed once.
//!
//! Knows no paths and no policy, and no sockets: it reads from any [`Source`]. Invariant: whatever a proxy and
//! this server could read in two ways is refused here, and every refusal ends the connection.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::ops::Range;

use crate::limits;
use crate::site;

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

/// How the end of a body is found (RFC 9112 §6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Framing {
    /// This many octets follow; none when neither header is there.
    Length(u64),
    /// Chunks follow.
    Chunked,
}

/// A request head: owned octets, and where in them its parts lie.
pub struct Head {
    octets: Box<[u8]>,
    method: Range<usize>,
    path: Range<usize>,
    query: Option<Range<usize>>,
    host: Option<Range<usize>>,
    fields: Vec<(Range<usize>, Range<usize>)>,
    framing: Framing,
    expects_continue: bool,
    persistent: bool,
}

impl Head {
    /// The method, case-sensitive (RFC 9110 §9.1).
    pub fn method(&self) -> &str {
        self.text(&self.method)
    }

    /// The path as it stands: never decoded, never normalized.
    pub fn path(&self) -> &str {
        self.text(&self.path)
    }

    /// What follows the `?`, as it stands.
    pub fn query(&self) -> Option<&str> {
        self.query.as_ref().map(|query| self.text(query))
    }

    /// Host and port that the request is for; `None` only in HTTP/1.0.
    pub fn host(&self) -> Option<&str> {
        self.host.as_ref().map(|host| self.text(host))
    }

    /// The values of every field of this name, in order, without the white space around them.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = self
            .fields
            .iter()
            .filter(move |(own, _)| self.octets[own.clone()].eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| &self.octets[value.clone()])
    }

    /// The first field of this name as text; `None` also when it isn't ASCII.
    pub fn field(&self, name: &str) -> Option<&str> {
        let value = self.fields(name).next()?;
        std::str::from_utf8(value).ok().filter(|text| text.is_ascii())
    }

    /// Whether the client lets the connection live on after this request (RFC 9112 §9.3). HTTP/1.0's
    /// `keep-alive` isn't honoured: a proxy that doesn't know it would hang.
    pub fn persistent(&self) -> bool {
        self.persistent
    }

    fn text(&self, range: &Range<usize>) -> &str {
        std::str::from_utf8(&self.octets[range.clone()]).unwrap_or("") // only ASCII ranges are asked for
    }

    /// Parses the head at the start of `octets` and says how long it is; `None` when its end isn't there yet.
    fn parse(octets: &[u8]) -> Result<Option<(Head, usize)>, BadRequest> {
        let mut storage = [const { MaybeUninit::uninit() }; limits::FIELDS_MAX];
        let mut parsed = httparse::Request::new(&mut []);
        let length = match parsed.parse_with_uninit_headers(octets, &mut storage) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(BadRequest::TooManyFields),
            Err(httparse::Error::Version) if names_a_version(octets) => return Err(BadRequest::Version),
            Err(_) => return Err(BadRequest::Syntax),
        };
        // httparse takes a bare LF for a line's end; a proxy in front may not.
        let line_ends = octets[..length].iter().enumerate().filter(|(_, octet)| **octet == b'\n');
        if line_ends.into_iter().any(|(at, _)| at == 0 || octets[at - 1] != b'\r') {
            return Err(BadRequest::LineEnd);
        }
        let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(BadRequest::Syntax);
        };
        if method.len() + target.len() + " HTTP/1.1".len() + 1 > limits::REQUEST_LINE_BYTES_MAX {
            return Err(BadRequest::LineTooLong);
        }
        if length > limits::HEAD_BYTES_MAX {
            return Err(BadRequest::HeadTooLarge);
        }
        let special = Special::read(parsed.headers)?;
        let target = Target::parse(method, target)?;
        if minor == 1 && special.host.is_none() {
            return Err(BadRequest::HostMissing);
        }
        if let (Some(authority), host) = (target.authority, special.host)
            && host.is_some_and(|host| !host.eq_ignore_ascii_case(authority))
        {
            return Err(BadRequest::TargetHost);
        }
        let range = |part: &[u8]| {
            let start = part.as_ptr().addr() - octets.as_ptr().addr();
            start..start + part.len()
        };
        let fields = parsed.headers.iter().map(|field| (range(field.name.as_bytes()), range(field.value)));
        let head = Head {
            octets: octets[..length].into(),
            method: range(method.as_bytes()),
            // An absolute target without a path means "/"; an empty range would read as "".
            path: range(target.path.as_bytes()),
            query: target.query.map(|query| range(query.as_bytes())),
            host: target.authority.or(special.host).map(|host| range(host.as_bytes())),
            fields: fields.collect(),
            framing: special.framing(minor)?,
            expects_continue: special.expects_continue && minor == 1,
            persistent: minor == 1 && !special.close,
        };
        Ok(Some((head, length)))
    }
}

/// Whether what httparse rejected as a version is one (RFC 9112 §2.3), only not ours: `505` rather than `400`.
fn names_a_version(octets: &[u8]) -> bool {
    let line = octets.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let mut words = line.split(|octet| *octet == b' ').skip(2);
    let version = words.next().unwrap_or_default();
    let digits = matches!(version, [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9', b'\r']);
    digits && words.next().is_none()
}

/// The fields on which framing hangs, each checked to be there once.
#[derive(Default)]
struct Special<'o> {
    host: Option<&'o str>,
    length: Option<&'o [u8]>,
    coding: Option<&'o [u8]>,
    expects_continue: bool,
    close: bool,
}

impl<'o> Special<'o> {
    fn read(fields: &[httparse::Header<'o>]) -> Result<Special<'o>, BadRequest> {
        let mut special = Special::default();
        for field in fields {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            if is("host") {
                let host = std::str::from_utf8(field.value).ok().filter(|host| site::is_authority(host));
                if special.host.is_some() {
                    return Err(BadRequest::HostRepeated);
                }
                special.host = Some(host.ok_or(BadRequest::HostMalformed)?);
            } else if is("content-length") {
                if special.length.replace(field.value).is_some() {
                    return Err(BadRequest::LengthRepeated);
                }
            } else if is("transfer-encoding") {
                if special.coding.replace(field.value).is_some() {
                    return Err(BadRequest::CodingMalformed);
                }
            } else if is("expect") {
                if !field.value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(BadRequest::Expectation);
                }
                special.expects_continue = true;
            } else if is("connection") {
                let mut options = field.value.split(|octet| *octet == b',');
                special.close |= options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"));
            }
        }
        Ok(special)
    }

    fn framing(&self, minor: u8) -> Result<Framing, BadRequest> {
        match (self.length, self.coding) {
            (None, None) => Ok(Framing::Length(0)), // RFC 9112 §6.3: neither field, no body
            (Some(_), Some(_)) => Err(BadRequest::TwoLengths),
            (Some(length), None) => {
                if length.is_empty() || !length.iter().all(u8::is_ascii_digit) {
                    return Err(BadRequest::LengthMalformed);
                }
                let digits = std::str::from_utf8(length).unwrap_or_default();
                Ok(Framing::Length(digits.parse().unwrap_or(u64::MAX))) // too many digits: too large
            }
            (None, Some(coding)) => {
                if minor == 0 {
                    return Err(BadRequest::CodingMalformed);
                }
                let mut codings = coding.split(|octet| *octet == b',').map(<[u8]>::trim_ascii).rev();
                let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
                if !codings.next().is_some_and(is_chunked) {
                    return Err(BadRequest::CodingMalformed); // RFC 9112 §6.3: no known end
                }
                match codings.next() {
                    None => Ok(Framing::Chunked),
                    Some(coding) if is_chunked(coding) || coding.is_empty() => {
                        Err(BadRequest::CodingMalformed)
                    }
                    Some(_) => Err(BadRequest::CodingUnknown),
                }
            }
        }
    }
}

/// A request target taken apart (RFC 9112 §3.2).
struct Target<'o> {
    authority: Option<&'o str>,
    path: &'o str,
    query: Option<&'o str>,
}

impl<'o> Target<'o> {
    fn parse(method: &str, target: &'o str) -> Result<Target<'o>, BadRequest> {
        if !target.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'#') {
            return Err(BadRequest::Target);
        }
        if target == "*" && method == "OPTIONS" {
            return Ok(Target { authority: None, path: target, query: None });
        }
        let rest = ["http://", "https://"].into_iter().find_map(|scheme| {
            let named = target.get(..scheme.len())?.eq_ignore_ascii_case(scheme);
            named.then(|| &target[scheme.len()..])
        });
        let (authority, rest) = match rest {
            Some(rest) => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let authority = &rest[..end];
                if !site::is_authority(authority) {
                    return Err(BadRequest::Target);
                }
                (Some(authority), &rest[end..])
            }
            None => (None, target),
        };
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        match (path.starts_with('/'), authority) {
            (true, _) => Ok(Target { authority, path, query }),
            // RFC 9112 §3.2.2: an absolute target may leave the root path out. The URL's own first "/" serves.
            (false, Some(_)) if path.is_empty() => {
                let slash = target.find('/').unwrap_or(0);
                Ok(Target { authority, path: &target[slash..=slash], query })
            }
            (false, _) => Err(BadRequest::Target),
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

enum State {
    Unread { framing: Framing, expects_continue: bool },
    Done,
    Failed,
}

/// A request body, read only when somebody who was let in asks for it.
pub struct Body<'i> {
    incoming: &'i mut Incoming,
    state: State,
}

impl Body<'_> {
    /// Reads the whole body, at most `bytes_max` octets of content; empty the second time.
    ///
    /// A client that waits for it is told `100 Continue` first (RFC 9110 §10.1.1).
    pub fn read(&mut self, bytes_max: usize) -> Result<Vec<u8>, BadRequest> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Done => {
                self.state = State::Done;
                Ok(Vec::new())
            }
            State::Failed => Err(BadRequest::Gone),
            State::Unread { framing, expects_continue } => {
                if let Framing::Length(length) = framing
                    && length > bytes_max as u64
                {
                    return Err(BadRequest::BodyTooLarge);
                }
                if !self.has_arrived(framing) {
                    self.incoming.enter(Section::Body);
                    if expects_continue && self.incoming.unused().is_empty() {
                        let written = self.incoming.source.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
                        written.map_err(|_| BadRequest::Gone)?;
                    }
                }
                let body = match framing {
                    Framing::Length(length) => {
                        let mut body = Vec::new();
                        self.take(length, &mut body)?;
                        body
                    }
                    Framing::Chunked => self.chunks(bytes_max)?,
                };
                self.state = State::Done;
                Ok(body)
            }
        }
    }

    /// Leaves the connection at the next request, if that costs no further reading: an unread body that has
    /// already arrived whole is passed over. `false` means that the connection must be closed.
    pub fn finish(&mut self) -> bool {
        match self.state {
            State::Done => true,
            State::Unread { framing: framing @ Framing::Length(length), .. } if self.has_arrived(framing) => {
                self.incoming.start += length as usize;
                self.state = State::Done;
                true
            }
            State::Unread { .. } | State::Failed => false,
        }
    }

    fn has_arrived(&self, framing: Framing) -> bool {
        matches!(framing, Framing::Length(length) if length <= self.incoming.unused().len() as u64)
    }

    /// Moves the next `length` octets to the end of `body`, which grows only as they arrive.
    fn take(&mut self, length: u64, body: &mut Vec<u8>) -> Result<(), BadRequest> {
        let mut left = usize::try_from(length).map_err(|_| BadRequest::BodyTooLarge)?;
        loop {
            let unused = self.incoming.unused();
            let part = &unused[..left.min(unused.len())];
            body.extend_from_slice(part);
            left -= part.len();
            self.incoming.start += part.len();
            if left == 0 {
                return Ok(());
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> Result<(), BadRequest> {
        self.incoming.fill().map_err(|error| match error {
            BadRequest::HeadTimeout => BadRequest::BodyTimeout,
            other => other,
        })
    }

    /// RFC 9112 §7.1.
    fn chunks(&mut self, bytes_max: usize) -> Result<Vec<u8>, BadRequest> {
        let mut body = Vec::new();
        let mut extension_bytes = 0;
        loop {
            let line = self.line()?;
            let (size, extension) = parse_chunk_line(&line).ok_or(BadRequest::Chunk)?;
            extension_bytes += extension;
            if extension_bytes > limits::CHUNK_EXTENSION_BYTES_MAX {
                return Err(BadRequest::ExtensionTooLarge);
            }
            if size == 0 {
                self.trailers()?;
                return Ok(body);
            }
            if size > (bytes_max - body.len()) as u64 {
                return Err(BadRequest::BodyTooLarge);
            }
            self.take(size, &mut body)?;
            let mut end = Vec::new();
            self.take(2, &mut end)?;
            if end != b"\r\n" {
                return Err(BadRequest::Chunk);
            }
        }
    }

    /// The next line without its CRLF.
    fn line(&mut self) -> Result<Vec<u8>, BadRequest> {
        loop {
            let unused = self.incoming.unused();
            if let Some(end) = unused.iter().position(|octet| *octet == b'\n') {
                let line = unused[..end].strip_suffix(b"\r").ok_or(BadRequest::LineEnd)?.to_vec();
                self.incoming.start += end + 1;
                return Ok(line);
            }
            if unused.len() > limits::CHUNK_EXTENSION_BYTES_MAX + CHUNK_SIZE_DIGITS_MAX + "\r".len() {
                return Err(BadRequest::ExtensionTooLarge);
            }
            self.more()?;
        }
    }

    /// Reads the trailer section and drops it: no trailer field means anything here (RFC 9110 §6.5.1).
    fn trailers(&mut self) -> Result<(), BadRequest> {
        loop {
            let unused = self.incoming.unused();
            let mut storage = [httparse::EMPTY_HEADER; limits::FIELDS_MAX];
            match httparse::parse_headers(unused, &mut storage) {
                Ok(httparse::Status::Complete((length, _))) if length > limits::TRAILER_BYTES_MAX => {
                    return Err(BadRequest::HeadTooLarge);
                }
                Ok(httparse::Status::Complete((length, _))) => {
                    if unused[..length]
                        .split(|octet| *octet == b'\n')
                        .rev()
                        .skip(1)
                        .any(|l| !l.ends_with(b"\r"))
                    {
                        return Err(BadRequest::LineEnd);
                    }
                    self.incoming.start += length;
                    return Ok(());
                }
                Ok(httparse::Status::Partial) if unused.len() <= limits::TRAILER_BYTES_MAX => self.more()?,
                Ok(httparse::Status::Partial) => return Err(BadRequest::HeadTooLarge),
                Err(httparse::Error::TooManyHeaders) => return Err(BadRequest::TooManyFields),
                Err(_) => return Err(BadRequest::Syntax),
            }
        }
    }
}

/// As many as a `u64` has; the whole line is refused past this and the extension's own limit.
const CHUNK_SIZE_DIGITS_MAX: usize = 16;

/// Size and octets of extension of a chunk-size line. Stricter than the grammar: no white space behind the
/// size, since receivers differ over it.
fn parse_chunk_line(line: &[u8]) -> Option<(u64, usize)> {
    let digits = line.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
    let (size, extension) = line.split_at(digits);
    if !(1..=CHUNK_SIZE_DIGITS_MAX).contains(&digits) {
        return None;
    }
    let visible = |octet: &u8| octet.is_ascii_graphic() || matches!(octet, b' ' | b'\t');
    let extension_fits = extension.is_empty() || extension[0] == b';' && extension.iter().all(visible);
    let size = u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
    extension_fits.then_some((size, extension.len()))
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
