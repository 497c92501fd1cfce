//! URLs as a client compares them, and where their origins are reached from here.
//!
//! Knows no HTTP. Invariant: no name is resolved, and beside what the command line names, addresses are tried on this
//! machine alone, and only when the URL that is walked is plain http there itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::limits;
use crate::site::Origin;

/// What to do about a URL that can't be read.
pub const REMEDY: &str = "write it from https:// on, in ASCII, with nothing before the host and without a #";

/// An absolute http or https URL of visible ASCII, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Url {
    /// Scheme, host and port.
    pub origin: Origin,
    /// The path, at least `/`.
    pub path: String,
    /// What follows the `?`, with it.
    pub query: String,
}

impl Url {
    /// Reads a URL; `None` when it is another form, names a user, has a fragment or an overlong host.
    #[inline(never)]
    pub fn parse(text: &str) -> Option<Url> {
        Url::take_apart(text).filter(|url| url.host().len() <= limits::HOST_CHARS_MAX)
    }

    fn take_apart(text: &str) -> Option<Url> {
        let visible = text.bytes().all(|octet| octet.is_ascii_graphic() && !b"\"#<>\\".contains(&octet));
        let authority = text.find("://").filter(|_| visible)? + "://".len();
        let ends = text[authority..].find(['/', '?']).map_or(text.len(), |at| authority + at);
        let (path, query) = text[ends..].split_at(text[ends..].find('?').unwrap_or(text.len() - ends));
        Some(Url {
            origin: Origin::parse(&text[..ends])?,
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            query: query.to_owned(),
        })
    }

    /// What a text is that [`Url::parse`] refuses, to be put behind "is".
    #[inline(never)]
    pub fn fault(text: &str) -> &'static str {
        let is_url =
            |scheme: &str| text.get(..scheme.len()).is_some_and(|own| own.eq_ignore_ascii_case(scheme));
        if !is_url("http://") && !is_url("https://") {
            "not an absolute http(s) URL"
        } else if !text.is_ascii() {
            "a URL with letters beyond ASCII"
        } else if Url::take_apart(text).is_some() {
            "a URL with a host longer than any name"
        } else if text.contains('#') {
            "a URL with a fragment"
        } else if text.contains('@') {
            "a URL with a user in it"
        } else {
            "a URL with something wrong in its host, or with letters that belong escaped"
        }
    }

    /// Another URL of the same origin.
    #[inline(never)]
    pub fn at(&self, path: &str) -> Url {
        Url { path: path.to_owned(), query: String::new(), ..self.clone() }
    }

    /// Path and query, as a request names them.
    #[inline(never)]
    pub fn target(&self) -> String {
        format!("{}{}", self.path, self.query)
    }

    /// The path without a slash at its end; empty for the root.
    pub fn trimmed_path(&self) -> &str {
        self.path.strip_suffix('/').unwrap_or(&self.path)
    }

    /// The URL as text.
    #[inline(never)]
    pub fn text(&self) -> String {
        format!("{}{}", self.origin.as_str(), self.target())
    }

    /// Host without port, in lower case.
    pub fn host(&self) -> &str {
        host_and_port(&self.origin).0
    }

    /// Whether plain http to it stays on this machine, or it is https.
    pub fn keeps_secrets(&self) -> bool {
        self.origin.is_https() || !near(&self.origin).is_empty()
    }
}

fn host_and_port(origin: &Origin) -> (&str, u16) {
    let authority = origin.authority();
    let default_port = if origin.is_https() { 443 } else { 80 };
    match authority.rfind(':').filter(|_| !authority.ends_with(']')) {
        Some(colon) => (&authority[..colon], authority[colon + 1..].parse().unwrap_or(default_port)),
        None => (authority, default_port),
    }
}

/// The addresses of an origin on this machine: two for `localhost`, as a client's system would try them.
fn near(origin: &Origin) -> Vec<SocketAddr> {
    let (host, port) = host_and_port(origin);
    let addresses: Vec<IpAddr> = match host.trim_start_matches('[').trim_end_matches(']') {
        "localhost" => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        literal => literal.parse().into_iter().filter(IpAddr::is_loopback).collect(),
    };
    addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect()
}

/// Whether an origin is on this machine, as its name says.
pub fn is_near(origin: &Origin) -> bool {
    !near(origin).is_empty()
}

/// Where origins are reached.
pub struct Ways {
    connect: Vec<(Origin, SocketAddr)>,
    direct: bool,
}

impl Ways {
    /// The ways to walk `url`: what `--connect` says, `ADDR:PORT` for the URL's own origin or `ORIGIN=ADDR:PORT`, parted
    /// by commas; and plain http on this machine, if the URL itself is that. The error is what is wrong with it.
    pub fn new(url: &Url, connect: Option<&str>) -> Result<Ways, String> {
        let mut ways = Ways { connect: Vec::new(), direct: false };
        for item in connect.into_iter().flat_map(|text| text.split(',')) {
            let (origin, address) = item.rsplit_once('=').unwrap_or((url.origin.as_str(), item));
            let origin = Origin::parse(origin);
            let address = address.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback());
            let (Some(origin), Some(address)) = (origin, address) else {
                return Err(format!(
                    "--connect takes 127.0.0.1:PORT, or ORIGIN=127.0.0.1:PORT, on this machine, not {item:?}"
                ));
            };
            ways.connect.push((origin, address));
        }
        // What answers at a plain http URL of this machine may name other ports of it. It may be elsewhere all the
        // same, behind a tunnel or a published port of a container: then it can send a GET, or an empty connection, to a
        // port here. With --connect for the URL itself it can't.
        ways.direct = ways.forwarded(&url.origin).is_none();
        match (url.origin.is_https(), ways.to(&url.origin).is_empty()) {
            (_, false) => Ok(ways),
            (true, true) => Err(format!(
                "epicme speaks no TLS; let a proxy on this machine forward a port to it, and name that:\n  \
                 socat TCP-LISTEN:9000,bind=127.0.0.1,fork OPENSSL:{}:{}\n  \
                 epicme doctor {} --connect 127.0.0.1:9000",
                url.host(),
                host_and_port(&url.origin).1,
                url.text()
            )),
            (false, true) => Err(format!(
                "epicme resolves no names but localhost, and {} is none of this machine's; to walk it all the same, let \
                 a proxy here forward a port to it and add --connect 127.0.0.1:PORT",
                url.host()
            )),
        }
    }

    /// The address that `--connect` names for an origin.
    pub fn forwarded(&self, origin: &Origin) -> Option<SocketAddr> {
        self.connect.iter().find(|(own, _)| own == origin).map(|(_, address)| *address)
    }

    /// The addresses to try, in order; none when the origin can't be reached from here.
    pub fn to(&self, origin: &Origin) -> Vec<SocketAddr> {
        match self.forwarded(origin) {
            Some(address) => vec![address],
            None if self.direct && !origin.is_https() => near(origin),
            None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, &str, &str)>) {
        let url = Url::parse(text);
        let parts = url.as_ref().map(|url| (url.origin.as_str(), url.path.as_str(), url.query.as_str()));
        assert_eq!(parts, expected, "{text}");
    }

    #[test]
    fn takes_a_url_apart() {
        check("http://LocalHost:80/Mcp", Some(("http://localhost", "/Mcp", "")));
        check("https://h", Some(("https://h", "/", "")));
        check("https://h?a=/b", Some(("https://h", "/", "?a=/b")));
        check("http://[::1]:9/a/?b?c", Some(("http://[::1]:9", "/a/", "?b?c")));
        for bad in ["", "h", "/mcp", "ftp://h/", "http://", "http://u@h/", "http://h/#x", "http://h/ x"] {
            check(bad, None);
        }
        check("http://h/\u{e9}", None);
        check("http://h/\r\nX: y", None);
        let longest = format!("https://{}", "a".repeat(limits::HOST_CHARS_MAX));
        check(&longest, Some((&longest, "/", "")));
        check(&format!("{longest}a:9/x"), None);
    }

    #[test]
    fn names_what_is_wrong_with_a_url() {
        let long = format!("http://{}/", "a".repeat(limits::HOST_CHARS_MAX + 1));
        for (text, says) in [
            ("/mcp", "not an absolute"),
            ("ftp://h/", "not an absolute"),
            ("https://m\u{fc}nchen.example/", "beyond ASCII"),
            ("https://user@h/", "a user in it"),
            ("HTTPS://h/#x", "a fragment"),
            (long.as_str(), "a host longer"),
            ("https://[h]/", "wrong in its host"),
        ] {
            assert!(Url::parse(text).is_none() && Url::fault(text).contains(says), "{text}");
        }
    }

    #[test]
    fn reaches_this_machine_and_what_is_forwarded() {
        let reached = |url: &str, connect: Option<&str>, other: &str| {
            let ways = Ways::new(&Url::parse(url).expect("a URL"), connect).map_err(|_| ())?;
            let addresses = ways.to(&Origin::parse(other).expect("an origin"));
            Ok::<_, ()>(addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(" "))
        };
        let local = "http://127.0.0.1:8/mcp";
        assert_eq!(reached(local, None, "http://localhost:9"), Ok("127.0.0.1:9 [::1]:9".into()));
        assert_eq!(reached(local, None, "http://127.9.9.9"), Ok("127.9.9.9:80".into()));
        assert_eq!(reached(local, None, "http://10.0.0.1"), Ok(String::new()));
        assert_eq!(reached(local, None, "https://localhost:9"), Ok(String::new()));
        let public = "https://h/mcp";
        assert_eq!(reached(public, Some("127.0.0.1:9"), "https://h"), Ok("127.0.0.1:9".into()));
        assert_eq!(reached(public, Some("127.0.0.1:9"), "https://h:8443"), Ok(String::new()));
        assert_eq!(reached(public, Some("127.0.0.1:9"), "http://127.0.0.1:22"), Ok(String::new()));
        let both = "127.0.0.1:9,https://auth.example=[::1]:8";
        assert_eq!(reached(public, Some(both), "https://auth.example"), Ok("[::1]:8".into()));
        for connect in [None, Some("10.0.0.1:9"), Some("h:9"), Some("127.0.0.1:9,"), Some("x=127.0.0.1:9")] {
            assert_eq!(reached(public, connect, "https://h"), Err(()), "{connect:?}");
        }
        assert_eq!(reached("http://journal.example/mcp", None, "http://h"), Err(()));
    }
}
