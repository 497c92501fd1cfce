//! Turns the bytes of a request head into a [`Head`], and checks each line.
//!
//! Knows no body. It gives a meaning to few fields: those that say where a request ends, which host it is for and
//! whether the connection stays open, and how the body is written; of `Authorization` it only knows where the scheme
//! ends. `httparse` finds the lines and fields; this file
//! decides what they mean for framing. Invariant: the lines, target, host and framing of a [`Head`] have been checked,
//! so no other room checks them again.
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

/// How many fields most requests have at most.
const FIELDS_OFTEN: usize = 24;

/// A request head: its bytes, and the range of each part in them. The bytes are one allocation; a string for each
/// name and value would be two more for each field of each request.
///
/// The bytes are copied out of the reader's buffer, because that buffer moves while the body is read. A head can't be
/// cloned: it holds the client's token, which nothing may keep beyond the request.
pub(crate) struct Head {
    /// The head as it arrived. The ranges below lie in it.
    bytes: Box<[u8]>,
    method: Range<usize>,
    path: Range<usize>,
    query: Option<Range<usize>>,
    /// From the target if it names a host, else from the `Host` field.
    host: Option<Range<usize>>,
    /// Name and value of each field.
    fields: Vec<(Range<usize>, Range<usize>)>,
    pub(super) framing: Framing,
    pub(super) expects_continue: bool,
    persistent: bool,
    takes_chunks: bool,
}

impl Head {
    /// Returns the method. It is case-sensitive (RFC 9110 §9.1): `get` isn't `GET`, and no path has it.
    pub(crate) fn method(&self) -> &str {
        self.text(&self.method)
    }

    /// Returns the path as the client sent it, neither decoded nor normalized. If two spellings led to one path, a
    /// proxy could check one spelling and let the other pass.
    pub(crate) fn path(&self) -> &str {
        self.text(&self.path)
    }

    /// Returns what follows the `?`, still encoded: it must be split into its parameters before it is decoded, and
    /// the room that knows the parameters does both. An empty query after a `?` is not `None`.
    pub(crate) fn query(&self) -> Option<&str> {
        self.query.as_ref().map(|query| self.text(query))
    }

    /// Returns the host and port that the request is for; `None` only in HTTP/1.0. The client may have written any
    /// name: `gate::check_host` decides whether it is ours.
    pub(crate) fn host(&self) -> Option<&str> {
        self.host.as_ref().map(|host| self.text(host))
    }

    /// Returns the values of all fields of this name, in order, without the white space around them. A value is bytes
    /// and no text, because it may hold any byte above 127 (RFC 9110 §5.5).
    ///
    /// The look-up goes through all fields: requests have about a dozen, and at most [`limits::FIELDS_MAX`]. Building
    /// a map for each request would cost more than it saves.
    pub(crate) fn fields(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = self
            .fields
            .iter()
            .filter(move |(own, _)| self.bytes[own.clone()].eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| &self.bytes[value.clone()])
    }

    /// Returns the first field of this name as text. A value that isn't ASCII also gives `None`: a field that is read
    /// as text here can't have such bytes.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let value = self.fields(name).next()?;
        std::str::from_utf8(value).ok().filter(|text| text.is_ascii())
    }

    /// Returns whether the request says that its body is JSON, and names no charset in which the bytes could be another
    /// text. Bodies are read as UTF-8 alone. RFC 8259 §11 lets a reader of JSON ignore `charset`; but a proxy that
    /// believes `charset=utf-16` sees another text in the same bytes, so another charset is refused. US-ASCII is none:
    /// whatever it has is the same in UTF-8.
    pub(crate) fn is_json(&self) -> bool {
        self.is_of_type("application/json", is_utf8)
    }

    /// Returns whether the request says that its body is a form. The type has no `charset` (URL Standard, IANA), but
    /// some clients add one: Java's write `ISO-8859-1`. A form is written in ASCII, which is the same in all the
    /// charsets that are taken here, and its escapes are bytes and no characters. In UTF-16 it would be another text.
    pub(crate) fn is_form(&self) -> bool {
        let has_ascii = |charset: &[u8]| {
            let charset = charset.to_ascii_lowercase();
            is_utf8(&charset) || charset.starts_with(b"iso-8859-") || charset.starts_with(b"windows-125")
        };
        self.is_of_type("application/x-www-form-urlencoded", has_ascii)
    }

    /// Returns whether the request has exactly one `Content-Type` and that is this media type (RFC 9110 §8.3), with no
    /// charset but one that fits. If there are two fields, a proxy could take the body for another type than this
    /// server, so the answer is no. Other parameters are ignored.
    fn is_of_type(&self, media_type: &str, fits: impl Fn(&[u8]) -> bool) -> bool {
        let mut types = self.fields("content-type");
        let is_named = types.next().is_some_and(|value| {
            let mut parts = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let own = parts.next().unwrap_or_default();
            own.eq_ignore_ascii_case(media_type.as_bytes()) && parts.filter_map(charset).all(fits)
        });
        is_named && types.next().is_none()
    }

    /// Returns whether a `Content-Encoding` says that the body is compressed, or coded in another way. `identity` and
    /// an empty field say that it isn't. Two codings are never right: this server can't undo the second one, and
    /// `identity` beside another coding leaves open what was meant.
    ///
    /// No coding is decoded here, because a few compressed bytes can become gigabytes, and what clients send here is
    /// small.
    pub(super) fn is_encoded(&self) -> bool {
        let fields = self.fields("content-encoding").flat_map(|value| value.split(|byte| *byte == b','));
        let mut codings = fields.map(<[u8]>::trim_ascii).filter(|coding| !coding.is_empty());
        let is_plain = codings.next().is_none_or(|coding| coding.eq_ignore_ascii_case(b"identity"));
        !is_plain || codings.next().is_some()
    }

    /// Returns whether the client lets the connection stay open after this request (RFC 9112 §9.3). The server closes
    /// after each HTTP/1.0 request, even with `keep-alive`, which the clause permits: an old proxy may pass
    /// `keep-alive` on without understanding it, and then wait for a close that doesn't come.
    pub(crate) fn persistent(&self) -> bool {
        self.persistent
    }

    /// Returns whether the client understands a response in chunks: a client with HTTP/1.0 doesn't, and must not get
    /// one (RFC 9112 §6.1).
    pub(crate) fn takes_chunks(&self) -> bool {
        self.takes_chunks
    }

    fn text(&self, range: &Range<usize>) -> &str {
        std::str::from_utf8(&self.bytes[range.clone()]).unwrap_or("") // all callers give a range of ASCII
    }

    /// Parses the head at the start of `bytes`, and returns it with its length; `None` if the end of the head has not
    /// arrived.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, BadRequest> {
        match Head::parse_fields::<FIELDS_OFTEN>(bytes) {
            Err(BadRequest::TooManyFields) => Head::parse_fields::<{ limits::FIELDS_MAX }>(bytes),
            parsed => parsed,
        }
    }

    /// Parses a head of at most so many fields.
    ///
    /// Never inlined: the places for the fields would lie below all that answers the request, and a connection's thread
    /// keeps each page of its stack that it has used once. So few requests pay for the places of the largest head.
    #[inline(never)]
    fn parse_fields<const MAX: usize>(bytes: &[u8]) -> Result<Option<(Head, usize)>, BadRequest> {
        // The array is uninitialized, because most requests fill few places. `httparse` gives out only the places that
        // it has written, so this crate needs no `unsafe`.
        let mut storage = [const { MaybeUninit::uninit() }; MAX];
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
        // A complete head has all three. If a new httparse changed that, the request would be refused, without a
        // panic.
        let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(BadRequest::Syntax);
        };
        // The reader checks this too, but only while the line's end is missing, and one read may bring the whole
        // line.
        if method.len() + target.len() + " HTTP/1.1".len() + 1 > limits::REQUEST_LINE_BYTES_MAX {
            return Err(BadRequest::LineTooLong);
        }
        if length > limits::HEAD_BYTES_MAX {
            return Err(BadRequest::HeadTooLarge);
        }
        let special = Special::read(parsed.headers)?;
        let target = Target::parse(method, target)?;
        // HTTP/1.0 had no `Host`. The gate lets such a request pass without one: the attack by a foreign name (DNS
        // rebinding) needs a browser, and browsers send `Host`.
        if minor == 1 && special.host.is_none() {
            return Err(BadRequest::HostMissing);
        }
        // By RFC 9112 §3.2.2 the target counts, and `Host` is ignored. But a proxy may have checked `Host` and let
        // the request pass for another host. So here the two must be the same.
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

/// Splits the value of `Authorization` into scheme and credentials (RFC 9110 §11.4). Only spaces stand between the
/// two, one or more. A tab doesn't end the scheme, and isn't skipped before the credentials: a proxy that looks for a
/// space would see other credentials than a server that takes both.
///
/// Returns `None` for an empty value: some clients write the field before they have anything to put into it, and it
/// means the same as no field then.
pub(crate) fn split_credentials(value: &[u8]) -> Option<(&[u8], &[u8])> {
    if value.is_empty() {
        return None;
    }
    let scheme_ends = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at(scheme_ends);
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    Some((scheme, &rest[spaces..]))
}

/// Returns the charset, without its quotes, if that is what a parameter of a media type names; empty without a value.
fn charset(parameter: &[u8]) -> Option<&[u8]> {
    let equals = parameter.iter().position(|byte| *byte == b'=').unwrap_or(parameter.len());
    let (name, value) = parameter.split_at(equals);
    let value = value.strip_prefix(b"=").unwrap_or_default();
    let value = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
    name.trim_ascii().eq_ignore_ascii_case(b"charset").then_some(value)
}

/// Returns whether a charset is UTF-8 or a part of it. Some clients write the name without its hyphen.
fn is_utf8(charset: &[u8]) -> bool {
    [&b"utf-8"[..], b"utf8", b"us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known))
}

/// Returns whether the version that httparse rejected is well-formed (RFC 9112 §2.3). Then the status is 505 and not
/// 400, so that the client learns to speak HTTP/1.1. httparse reports both cases as the same error, so the line is
/// read once more.
fn names_a_version(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ').skip(2);
    let version = words.next().unwrap_or_default();
    let digits = matches!(version, [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9', b'\r']);
    digits && words.next().is_none()
}

/// The fields that decide where a request ends, which host it is for and whether the connection stays open. `Host`,
/// `Content-Length` and `Transfer-Encoding` may each be there only once: if there were two, a proxy could use the
/// first and this server the second. One loop over all fields finds them, before another room sees the request.
#[derive(Default)]
struct Special<'o> {
    host: Option<&'o str>,
    length: Option<&'o [u8]>,
    coding: Option<&'o [u8]>,
    expects_continue: bool,
    close: bool,
}

impl<'o> Special<'o> {
    /// Picks these fields out of a head. Refuses a second `Host`, `Content-Length` or `Transfer-Encoding`, a malformed
    /// `Host`, and an expectation other than `100-continue`. [`Special::framing`] decides what they mean together.
    fn read(fields: &[httparse::Header<'o>]) -> Result<Special<'o>, BadRequest> {
        let mut special = Special::default();
        for field in fields {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            if is("host") {
                // Only the form is checked here; the gate checks whether the name is ours. An empty `Host` is
                // refused. RFC 9112 §3.2 lets a client send one for a URL without a host, but our URLs have one.
                let host = std::str::from_utf8(field.value).ok();
                let host = host.filter(|host| Authority::parse(host).is_some());
                if special.host.is_some() {
                    return Err(BadRequest::HostRepeated);
                }
                special.host = Some(host.ok_or(BadRequest::HostMalformed)?);
            } else if is("content-length") {
                // Kept as bytes: `framing` checks that they are a number, if this field decides.
                if special.length.replace(field.value).is_some() {
                    return Err(BadRequest::LengthRepeated);
                }
            } else if is("transfer-encoding") {
                if special.coding.replace(field.value).is_some() {
                    return Err(BadRequest::CodingMalformed);
                }
            } else if is("expect") {
                // RFC 9110 §10.1.1 allows the 417. If the server ignored the expectation, the client could believe
                // that it was met.
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

    /// Returns how the body ends (RFC 9112 §6.3). If the RFC lets a recipient choose, this server refuses: a proxy
    /// could choose differently, and an attacker could hide a request in the difference.
    fn framing(&self, minor: u8) -> Result<Framing, BadRequest> {
        match (self.length, self.coding) {
            (None, None) => Ok(Framing::Length(0)), // without both fields there is no body
            // RFC 9112 §6.1 also lets a server use the coding. But a sender that obeys the RFC sends only one of the
            // two.
            (Some(_), Some(_)) => Err(BadRequest::TwoLengths),
            (Some(length), None) => {
                // Only digits: `parse` accepts "+5" too, and RFC 9110 §8.6 lets a recipient accept "5, 5".
                if length.is_empty() || !length.iter().all(u8::is_ascii_digit) {
                    return Err(BadRequest::LengthMalformed);
                }
                let digits = std::str::from_utf8(length).unwrap_or_default();
                Ok(Framing::Length(digits.parse().unwrap_or(u64::MAX))) // too many digits: too large
            }
            (None, Some(coding)) => {
                // RFC 9112 §6.1: a proxy that speaks HTTP/1.0 may have passed this field on without understanding it.
                if minor == 0 {
                    return Err(BadRequest::CodingMalformed);
                }
                // The codings are listed in the order in which they were applied, so the last one decides how the
                // body ends.
                let mut codings = coding.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).rev();
                let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
                if !codings.next().is_some_and(is_chunked) {
                    return Err(BadRequest::CodingMalformed); // the end isn't certain
                }
                match codings.next() {
                    None => Ok(Framing::Chunked),
                    // Two times `chunked` is forbidden (RFC 9112 §6.1), and some recipients skip an empty item.
                    Some(coding) if is_chunked(coding) || coding.is_empty() => {
                        Err(BadRequest::CodingMalformed)
                    }
                    Some(_) => Err(BadRequest::CodingUnknown), // for example gzip, which this server can't decode
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
/// The fourth form, host and port without a path, is for CONNECT, which asks a proxy for a tunnel. This server is no
/// proxy, so that form is malformed here.
struct Target<'o> {
    authority: Option<&'o str>,
    path: &'o str,
    query: Option<&'o str>,
}

impl<'o> Target<'o> {
    fn parse(method: &str, target: &'o str) -> Result<Target<'o>, BadRequest> {
        // Only visible ASCII: RFC 3986 allows no other bytes in a URL, and programs differ over them. A client must
        // not send the fragment of a URL (RFC 9110 §7.1), so a target with `#` is malformed.
        if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(BadRequest::Target);
        }
        if target == "*" && method == "OPTIONS" {
            return Ok(Target { authority: None, path: target, query: None });
        }
        // A scheme may be written in any case (RFC 3986 §3.1). Both schemes are accepted: the client may have used
        // https, and a proxy in front may have removed the TLS.
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
            // RFC 9112 §3.2.2: an absolute target may leave the root path out. The path is then "/". It must be a
            // slice of the target, so the first "/" of the URL is used.
            (false, Some(_)) if path.is_empty() => {
                let slash = target.find('/').unwrap_or(0);
                Ok(Target { authority, path: &target[slash..=slash], query })
            }
            (false, _) => Err(BadRequest::Target),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_credentials_at_spaces_alone() {
        for (value, scheme, rest) in [
            ("Bearer x", "Bearer", "x"),
            ("Bearer   x", "Bearer", "x"),
            ("Bearer x y", "Bearer", "x y"),
            ("Bearer \tx", "Bearer", "\tx"),
            ("Bearer\tx", "Bearer\tx", ""),
            ("Bearer\t x", "Bearer\t", "x"),
            ("Bearer", "Bearer", ""),
        ] {
            assert_eq!(
                split_credentials(value.as_bytes()),
                Some((scheme.as_bytes(), rest.as_bytes())),
                "{value:?}"
            );
        }
        assert_eq!(split_credentials(b""), None);
    }
}
