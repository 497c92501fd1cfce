//! URLs as a client compares them, and the addresses at which their origins are reached from here.
//!
//! Knows no HTTP. Invariant: no name is resolved. Beside the addresses on the command line the doctor connects to
//! this machine alone, and only if the URL that the person gave is plain http on this machine itself.
//!
//! The invariant is a defence. The other server writes the documents, and a document can name any URL. A doctor that
//! went wherever a document points could be sent to services of a private network that the server itself can't reach
//! (server-side request forgery). With the invariant a server on another machine can't choose an address. One
//! exception, a tunnel at a local URL, is explained in [`ConnectMap::new`].

use std::net::SocketAddr;

use crate::limits;
use crate::site::Origin;
use crate::text;

/// The remedy for a URL that can't be read.
pub(crate) const REMEDY: &str =
    "write it from https:// on, in ASCII, with nothing before the host and without a #";

/// An absolute http or https URL of visible ASCII, taken apart. Beyond its origin it isn't normalized: clients
/// compare paths as they are written, so `/mcp` and `/mcp/` must stay two URLs here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Url {
    /// Scheme, host and port.
    pub(crate) origin: Origin,
    /// The path, at least `/`.
    pub(crate) path: String,
    /// The query with its `?`; empty where there is none.
    pub(crate) query: String,
}

impl Url {
    /// Reads a URL. `None` when it has another form, names a user, has a fragment, or a host longer than any name.
    ///
    /// It is stricter than a browser, which repairs much: two programs that repair a URL differently send one
    /// request to two hosts.
    #[inline(never)]
    pub(crate) fn parse(text: &str) -> Option<Url> {
        Url::take_apart(text).filter(|url| url.host().len() <= limits::HOST_CHARS_MAX)
    }

    fn take_apart(text: &str) -> Option<Url> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"#<>\\".contains(&byte));
        let authority = text.find("://").filter(|_| visible)? + "://".len();
        let ends = text[authority..].find(['/', '?']).map_or(text.len(), |at| authority + at);
        let (path, query) = text[ends..].split_at(text[ends..].find('?').unwrap_or(text.len() - ends));
        Some(Url {
            origin: Origin::parse(&text[..ends])?,
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            query: query.to_owned(),
        })
    }

    /// Says of a text that [`Url::parse`] refuses what it is, in words that go on after "is": a person can't see at
    /// once why a URL that their browser opens is refused here.
    #[inline(never)]
    pub(crate) fn fault(text: &str) -> &'static str {
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

    /// The URL of this origin with another path.
    #[inline(never)]
    pub(crate) fn at(&self, path: &str) -> Url {
        Url { path: path.to_owned(), query: String::new(), ..self.clone() }
    }

    /// Path and query, as a request names them.
    #[inline(never)]
    pub(crate) fn target(&self) -> String {
        format!("{}{}", self.path, self.query)
    }

    /// The path without a slash at its end, and so empty for the root. A well-known path is put before it (RFC 8414
    /// §3.1, RFC 9728 §3.1).
    pub(crate) fn trimmed_path(&self) -> &str {
        self.path.strip_suffix('/').unwrap_or(&self.path)
    }

    #[inline(never)]
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.origin.as_str(), self.target())
    }

    /// Host without port, in lower case.
    pub(crate) fn host(&self) -> &str {
        self.origin.parts().host
    }

    /// Checks whether what is sent to it can't be read on the way: it is https, or a host of this machine.
    pub(crate) fn keeps_secrets(&self) -> bool {
        self.origin.is_https() || !near(&self.origin).is_empty()
    }
}

/// The addresses of an origin on this machine, two for `localhost`; none when its host isn't one of this machine.
fn near(origin: &Origin) -> Vec<SocketAddr> {
    let addresses = origin.parts().loopback_addresses();
    addresses.into_iter().map(|address| SocketAddr::new(address, origin.port())).collect()
}

/// Checks whether an origin is on this machine. Its name alone decides, because no name is resolved.
pub(crate) fn is_near(origin: &Origin) -> bool {
    !near(origin).is_empty()
}

/// The addresses at which origins are reached.
///
/// The program speaks no TLS. So for an https server the operator lets a proxy on this machine forward a port to
/// it, and names that port with `--connect`. The requests still carry the server's own name in `Host`.
pub(crate) struct ConnectMap {
    /// What `--connect` says, in its order.
    connect: Vec<(Origin, SocketAddr)>,
    /// Whether plain http origins of this machine are reached at their own addresses.
    direct: bool,
}

impl ConnectMap {
    /// What a walk to `url` can reach: what `--connect` says, which is `ADDR:PORT` for the URL's own origin or
    /// `ORIGIN=ADDR:PORT`, separated by commas; and plain http on this machine, if the URL itself is that. The
    /// error says what is wrong with the command line, and how it would be right.
    pub(crate) fn new(url: &Url, connect: Option<&str>) -> Result<ConnectMap, String> {
        let mut connect_map = ConnectMap { connect: Vec::new(), direct: false };
        for item in connect.into_iter().flat_map(|text| text.split(',')) {
            let (origin, address) = item.rsplit_once('=').unwrap_or((url.origin.as_str(), item));
            let origin = Origin::parse(origin);
            // Only an address of this machine: the doctor sends plain http there, and that must cross no network.
            let address = address.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback());
            let (Some(origin), Some(address)) = (origin, address) else {
                return Err(format!(
                    "--connect takes 127.0.0.1:PORT, or ORIGIN=127.0.0.1:PORT, on this machine, not {item:?}"
                ));
            };
            connect_map.connect.push((origin, address));
        }
        // A server at a plain http URL of this machine may name other ports of this machine: its authorization
        // server is often one. The server may be elsewhere all the same, behind a tunnel or a published port of a
        // container. Then it can make the doctor send a GET to a port here, or open an empty connection, and it
        // learns nothing of the answer. With --connect for the URL itself it can't do that.
        connect_map.direct = connect_map.forwarded(&url.origin).is_none();
        match (url.origin.is_https(), connect_map.to(&url.origin).is_empty()) {
            (_, false) => Ok(connect_map),
            (true, true) => Err(format!(
                "epicme speaks no TLS; let a proxy on this machine forward a port to it, and name that:\n  \
                 socat TCP-LISTEN:9000,bind=127.0.0.1,fork OPENSSL:{}:{}\n  \
                 epicme doctor {} --connect 127.0.0.1:9000",
                url.host(),
                url.origin.port(),
                text::shell_word(&url.text())
            )),
            (false, true) => Err(format!(
                "epicme resolves no names but localhost, and {} is not a host of this machine; to check it all the same, \
                 let a proxy on this machine forward a port to it, and add --connect 127.0.0.1:PORT",
                url.host()
            )),
        }
    }

    /// The address that `--connect` names for an origin; the first one counts.
    pub(crate) fn forwarded(&self, origin: &Origin) -> Option<SocketAddr> {
        self.connect.iter().find(|(own, _)| own == origin).map(|(_, address)| *address)
    }

    /// The addresses to try for an origin, in order; none when the doctor can't reach it from here.
    pub(crate) fn to(&self, origin: &Origin) -> Vec<SocketAddr> {
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
            let connect_map = ConnectMap::new(&Url::parse(url).expect("a URL"), connect).map_err(|_| ())?;
            let addresses = connect_map.to(&Origin::parse(other).expect("an origin"));
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
