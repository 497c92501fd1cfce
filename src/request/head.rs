//! The request head: octets → [`Head`], every line of it judged.
//!
//! Knows what [`super`] knows. `httparse` finds the lines and fields; what they mean for framing is decided here.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::BadRequest;
use crate::limits;
use crate::site;

/// How the end of a body is found (RFC 9112 §6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Framing {
    /// This many octets follow; none when neither header is there.
    Length(u64),
    /// Chunks follow.
    Chunked,
}

/// A request head: owned octets, and where in them its parts lie.
#[derive(Clone)]
pub struct Head {
    octets: Box<[u8]>,
    method: Range<usize>,
    path: Range<usize>,
    query: Option<Range<usize>>,
    host: Option<Range<usize>>,
    fields: Vec<(Range<usize>, Range<usize>)>,
    pub(super) framing: Framing,
    pub(super) expects_continue: bool,
    persistent: bool,
    takes_chunks: bool,
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

    /// Whether there is one `Content-Type`, and it is this media type, whatever its parameters (RFC 9110 §8.3).
    pub fn is_of_type(&self, media_type: &str) -> bool {
        let mut types = self.fields("content-type");
        let fits = types.next().is_some_and(|value| {
            let own = value.split(|octet| *octet == b';').next().unwrap_or_default();
            own.trim_ascii().eq_ignore_ascii_case(media_type.as_bytes())
        });
        fits && types.next().is_none()
    }

    /// Whether the client lets the connection live on after this request (RFC 9112 §9.3). HTTP/1.0's
    /// `keep-alive` isn't honoured: a proxy that doesn't know it would hang.
    pub fn persistent(&self) -> bool {
        self.persistent
    }

    /// Whether the client understands an answer in chunks: HTTP/1.0 doesn't (RFC 9112 §7.1).
    pub fn takes_chunks(&self) -> bool {
        self.takes_chunks
    }

    fn text(&self, range: &Range<usize>) -> &str {
        std::str::from_utf8(&self.octets[range.clone()]).unwrap_or("") // only ASCII ranges are asked for
    }

    /// Parses the head at the start of `octets` and says how long it is; `None` when its end isn't there yet.
    pub(super) fn parse(octets: &[u8]) -> Result<Option<(Head, usize)>, BadRequest> {
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
            takes_chunks: minor == 1,
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
