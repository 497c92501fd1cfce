//! The request head: bytes → [`Head`], every line of it checked.
//!
//! Knows no body, and no field but those that say where a request ends, whom it is for and whether the connection
//! goes on. `httparse` finds the lines and fields; what they mean for framing is decided here. Invariant: a [`Head`]
//! that exists has been checked whole, so no other room parses these bytes again.
//!
//! ```text
//! POST /mcp?a=b HTTP/1.1\r\n          method, target, version: `Head::parse`, `Target`
//! Host: journal.example\r\n           the fields that decide are read once, into `Special`
//! Content-Length: 2\r\n
//! Authorization: Bearer …\r\n         the others are kept for the rooms that know them
//! \r\n                                the end of the head; `Special::framing` says how the body ends
//! ```

use std::mem::MaybeUninit;
use std::ops::Range;

use super::BadRequest;
use crate::authority::Authority;
use crate::http::message::{self, Framing};
use crate::limits;

/// A request head: owned bytes, and where in them its parts lie. One allocation holds them all: a string for each
/// field would cost one more for every field of every request.
///
/// The bytes are copied out of the reader's buffer, because that buffer moves while the body is read. A head can't be
/// cloned: it holds the client's token, which nothing may keep beyond the request.
pub(crate) struct Head {
    /// The head as it arrived. The ranges below lie in it.
    bytes: Box<[u8]>,
    method: Range<usize>,
    path: Range<usize>,
    query: Option<Range<usize>>,
    /// From the target where that names a host, else from the `Host` field.
    host: Option<Range<usize>>,
    /// Name and value of each field.
    fields: Vec<(Range<usize>, Range<usize>)>,
    pub(super) framing: Framing,
    pub(super) expects_continue: bool,
    persistent: bool,
    takes_chunks: bool,
}

impl Head {
    /// The method, case-sensitive (RFC 9110 §9.1): `get` is another method than `GET`, and one that no path has.
    pub(crate) fn method(&self) -> &str {
        self.text(&self.method)
    }

    /// The path as it stands: never decoded, never normalized. A path that could be written in two ways could pass a
    /// check in one of them and be served in the other.
    pub(crate) fn path(&self) -> &str {
        self.text(&self.path)
    }

    /// What follows the `?`, as it stands: still encoded, since only the room that knows its parameters can decode it
    /// rightly. `None` differs from an empty query, which has a `?`.
    pub(crate) fn query(&self) -> Option<&str> {
        self.query.as_ref().map(|query| self.text(query))
    }

    /// Host and port that the request is for; `None` only in HTTP/1.0. It is what the client wrote, which may be any
    /// name: `gate::check_host` decides whether it is ours.
    pub(crate) fn host(&self) -> Option<&str> {
        self.host.as_ref().map(|host| self.text(host))
    }

    /// The values of every field of this name, in order, without the white space around them. They are bytes, because
    /// a value may hold any byte above 127 (RFC 9110 §5.5), and because a secret is compared as bytes.
    ///
    /// A walk over all fields serves as the look-up: requests have a dozen, and the limit is [`limits::FIELDS_MAX`].
    /// A map would have to be built for each request before it pays.
    pub(crate) fn fields(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = self
            .fields
            .iter()
            .filter(move |(own, _)| self.bytes[own.clone()].eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| &self.bytes[value.clone()])
    }

    /// The first field of this name as text; `None` also when it isn't ASCII: no field that is read as text may hold
    /// such bytes.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let value = self.fields(name).next()?;
        std::str::from_utf8(value).ok().filter(|text| text.is_ascii())
    }

    /// Whether there is one `Content-Type`, and it is this media type, whatever its parameters (RFC 9110 §8.3). With
    /// two of them the sender and a proxy could mean different bodies, so two are as good as none.
    pub(crate) fn is_of_type(&self, media_type: &str) -> bool {
        let mut types = self.fields("content-type");
        let fits = types.next().is_some_and(|value| {
            let own = value.split(|byte| *byte == b';').next().unwrap_or_default();
            own.trim_ascii().eq_ignore_ascii_case(media_type.as_bytes())
        });
        fits && types.next().is_none()
    }

    /// Whether the client lets the connection live on after this request (RFC 9112 §9.3). HTTP/1.0's `keep-alive`
    /// isn't honoured, which the clause leaves to the server: an old proxy passes it on without understanding it, and
    /// then waits for an end of the connection that doesn't come.
    pub(crate) fn persistent(&self) -> bool {
        self.persistent
    }

    /// Whether the client understands a response in chunks: HTTP/1.0 doesn't, and must not be sent one (RFC 9112
    /// §6.1).
    pub(crate) fn takes_chunks(&self) -> bool {
        self.takes_chunks
    }

    fn text(&self, range: &Range<usize>) -> &str {
        std::str::from_utf8(&self.bytes[range.clone()]).unwrap_or("") // called for ASCII ranges only
    }

    /// Parses the head at the start of `bytes` and says how long it is; `None` when its end isn't there yet.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, BadRequest> {
        // Uninitialized, because most requests have a dozen fields and would pay for filling a hundred places.
        // `httparse` writes each place before it gives it out, so this crate needs no `unsafe` for it.
        let mut storage = [const { MaybeUninit::uninit() }; limits::FIELDS_MAX];
        let mut parsed = httparse::Request::new(&mut []);
        let length = match parsed.parse_with_uninit_headers(bytes, &mut storage) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(BadRequest::TooManyFields),
            Err(httparse::Error::Version) if names_a_version(bytes) => return Err(BadRequest::Version),
            Err(_) => return Err(BadRequest::Syntax),
        };
        if !message::ends_lines_with_crlf(&bytes[..length]) {
            return Err(BadRequest::LineEnd);
        }
        // A complete head has all three. If httparse ever changed that, this would refuse the request and not panic.
        let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(BadRequest::Syntax);
        };
        // The reader checks this only while it waits for the line's end, and the whole line may come with one read.
        if method.len() + target.len() + " HTTP/1.1".len() + 1 > limits::REQUEST_LINE_BYTES_MAX {
            return Err(BadRequest::LineTooLong);
        }
        if length > limits::HEAD_BYTES_MAX {
            return Err(BadRequest::HeadTooLarge);
        }
        let special = Special::read(parsed.headers)?;
        let target = Target::parse(method, target)?;
        // HTTP/1.0 had no such field. A request without it still passes the gate's check of the host, because no
        // browser sends one, and only a browser can be led here by a foreign name.
        if minor == 1 && special.host.is_none() {
            return Err(BadRequest::HostMissing);
        }
        // RFC 9112 §3.2.2 would have the target win and `Host` be ignored. A proxy that goes by `Host` would then
        // have let the request through for another server than the one that it is served by, so the two must agree.
        if let (Some(authority), host) = (target.authority, special.host)
            && host.is_some_and(|host| !host.eq_ignore_ascii_case(authority))
        {
            return Err(BadRequest::TargetHost);
        }
        // The parts are slices of `bytes`. The copy holds the same bytes, so an offset in one is an offset in the
        // other.
        let range = |part: &[u8]| {
            let start = part.as_ptr().addr() - bytes.as_ptr().addr();
            start..start + part.len()
        };
        let fields = parsed.headers.iter().map(|field| (range(field.name.as_bytes()), range(field.value)));
        let head = Head {
            bytes: bytes[..length].into(),
            method: range(method.as_bytes()),
            path: range(target.path.as_bytes()),
            query: target.query.map(|query| range(query.as_bytes())),
            host: target.authority.or(special.host).map(|host| range(host.as_bytes())),
            fields: fields.collect(),
            framing: special.framing(minor)?,
            expects_continue: special.expects_continue && minor == 1,
            persistent: minor == 1 && !special.close,
            takes_chunks: minor == 1,
        };
        Ok(Some((head, length)))
    }
}

/// Whether what httparse rejected as a version is one (RFC 9112 §2.3), only not ours: then the status is 505 rather
/// than 400, and the client learns that it should speak HTTP/1.1. httparse reports both as the same error, so the
/// line is looked at once more.
fn names_a_version(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ').skip(2);
    let version = words.next().unwrap_or_default();
    let digits = matches!(version, [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9', b'\r']);
    digits && words.next().is_none()
}

/// The fields that decide where a request ends and whom it is for. Each of the first three may be there only once: of
/// two, a proxy may go by the first and this server by the second. They are found in one walk over all fields, before
/// any room behind sees the request.
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
                // Checked for its form alone; which names are ours is for the gate. An empty one is malformed here,
                // although RFC 9112 §3.2 has clients send it for a URL without a host: no URL of ours is one.
                let host = std::str::from_utf8(field.value).ok();
                let host = host.filter(|host| Authority::parse(host).is_some());
                if special.host.is_some() {
                    return Err(BadRequest::HostRepeated);
                }
                special.host = Some(host.ok_or(BadRequest::HostMalformed)?);
            } else if is("content-length") {
                // Kept as bytes: whether they are a number matters only if this field decides.
                if special.length.replace(field.value).is_some() {
                    return Err(BadRequest::LengthRepeated);
                }
            } else if is("transfer-encoding") {
                if special.coding.replace(field.value).is_some() {
                    return Err(BadRequest::CodingMalformed);
                }
            } else if is("expect") {
                // RFC 9110 §10.1.1 allows the 417. A server that ignored an expectation would let the client believe
                // that it is met.
                if !field.value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(BadRequest::Expectation);
                }
                special.expects_continue = true;
            } else if is("connection") {
                // A list, which may be spread over several fields (RFC 9110 §5.3).
                let mut options = field.value.split(|byte| *byte == b',');
                special.close |= options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"));
            }
        }
        Ok(special)
    }

    /// How the body ends (RFC 9112 §6.3). Where the RFC lets a recipient choose, this server refuses: two recipients
    /// could choose differently, and a request hidden in the difference would pass the first of them unseen.
    fn framing(&self, minor: u8) -> Result<Framing, BadRequest> {
        match (self.length, self.coding) {
            (None, None) => Ok(Framing::Length(0)), // a request without either has no body
            // RFC 9112 §6.1 also allows to go by the coding. But a sender that follows the RFC sends only one of the
            // two.
            (Some(_), Some(_)) => Err(BadRequest::TwoLengths),
            (Some(length), None) => {
                // Digits alone: `parse` would take "+5" too, and RFC 9110 §8.6 lets a recipient take "5, 5".
                if length.is_empty() || !length.iter().all(u8::is_ascii_digit) {
                    return Err(BadRequest::LengthMalformed);
                }
                let digits = std::str::from_utf8(length).unwrap_or_default();
                Ok(Framing::Length(digits.parse().unwrap_or(u64::MAX))) // too many digits: too large
            }
            (None, Some(coding)) => {
                // RFC 9112 §6.1: a proxy of that age may have passed the field on and read the body without it.
                if minor == 0 {
                    return Err(BadRequest::CodingMalformed);
                }
                // A list of codings in the order in which they were applied: the last one is what is on the wire.
                let mut codings = coding.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).rev();
                let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
                if !codings.next().is_some_and(is_chunked) {
                    return Err(BadRequest::CodingMalformed); // no certain end
                }
                match codings.next() {
                    None => Ok(Framing::Chunked),
                    // Chunked twice is forbidden (RFC 9112 §6.1), and an empty item could be read as no item at all.
                    Some(coding) if is_chunked(coding) || coding.is_empty() => {
                        Err(BadRequest::CodingMalformed)
                    }
                    Some(_) => Err(BadRequest::CodingUnknown), // the end would be certain, but gzip isn't known here
                }
            }
        }
    }
}

/// A request target taken apart (RFC 9112 §3.2), in one of three forms:
///
/// - `/mcp?a=b`, a path and a query: what clients send.
/// - `http://journal.example/mcp`, a whole URL: what a proxy is sent. §3.2.2 obliges every server to accept it.
/// - `*`, the whole server: with OPTIONS alone.
///
/// The fourth form, host and port without a path, belongs to CONNECT, which asks for a tunnel through a proxy. A
/// server that took it would have no path to answer for; here it is malformed.
struct Target<'o> {
    authority: Option<&'o str>,
    path: &'o str,
    query: Option<&'o str>,
}

impl<'o> Target<'o> {
    fn parse(method: &str, target: &'o str) -> Result<Target<'o>, BadRequest> {
        // Visible ASCII alone: the target goes into the log, and a byte above 127 would mean another character to
        // each reader. A fragment is never sent (RFC 9110 §7.1); a target with one was not made by a URL parser.
        if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(BadRequest::Target);
        }
        if target == "*" && method == "OPTIONS" {
            return Ok(Target { authority: None, path: target, query: None });
        }
        // A scheme is written in any case (RFC 3986 §3.1). Which of the two it is doesn't matter: a proxy in front
        // may have taken TLS away.
        let rest = ["http://", "https://"].into_iter().find_map(|scheme| {
            let named = target.get(..scheme.len())?.eq_ignore_ascii_case(scheme);
            named.then(|| &target[scheme.len()..])
        });
        let (authority, rest) = match rest {
            Some(rest) => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let authority = &rest[..end];
                if Authority::parse(authority).is_none() {
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
            // RFC 9112 §3.2.2: an absolute target may leave the root path out. It means "/", which must be a part of
            // these bytes to have a range: the first "/" of the URL serves.
            (false, Some(_)) if path.is_empty() => {
                let slash = target.find('/').unwrap_or(0);
                Ok(Target { authority, path: &target[slash..=slash], query })
            }
            (false, _) => Err(BadRequest::Target),
        }
    }
}
