//! The host names and base URLs of this server, and its URL paths.
//!
//! Opens no socket and reads no request. Invariant: our URLs are built from the public URL or the address that the
//! server listens on; a request's `Host` only chooses among our own names. If a server copies `Host` into its URLs,
//! the sender of a request can choose where its challenge, its documents and its redirects lead.
//!
//! Without `--public-url` the server is for this machine alone, and each loopback name is its own base URL. With it
//! there is one base URL, whichever of our names a request used, because clients compare these URLs byte for byte.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::authority::{Authority, LOOPBACK_HOSTS};

/// The MCP endpoint.
pub(crate) const MCP: &str = "/mcp";
/// The endpoint's URL as some people type it and some URL types write it. A client is led from here to [`MCP`].
pub(crate) const MCP_SLASH: &str = "/mcp/";
/// The beginning of the paths at which clients look for metadata documents (RFC 8615 §3).
pub(crate) const WELL_KNOWN: &str = "/.well-known/";
/// Protected-resource metadata of the endpoint (RFC 9728 §3.1: the resource's path follows).
pub(crate) const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource/mcp";
/// The same document at the root. Some clients don't append the resource's path, and look there.
pub(crate) const RESOURCE_METADATA_ROOT: &str = "/.well-known/oauth-protected-resource";
/// Authorization server metadata (RFC 8414 §3).
pub(crate) const SERVER_METADATA: &str = "/.well-known/oauth-authorization-server";
/// The same document for clients that take the endpoint for the issuer and append its path.
pub(crate) const SERVER_METADATA_MCP: &str = "/.well-known/oauth-authorization-server/mcp";
// The endpoints of the authorization server. A client of MCP 2025-03-26 that finds no metadata guesses the first
// three paths; all others learn theirs from the metadata.
pub(crate) const AUTHORIZE: &str = "/authorize";
pub(crate) const TOKEN: &str = "/token";
pub(crate) const REGISTER: &str = "/register";
pub(crate) const REVOKE: &str = "/revoke";
pub(crate) const INTROSPECT: &str = "/introspect";

// The pages. `SETUP` is the page for the first person of a new server.
pub(crate) const SIGN_IN: &str = "/sign-in";
pub(crate) const ACCOUNT: &str = "/account";
/// The person's journal: this month. The other pages of it lie below.
pub(crate) const JOURNAL: &str = "/journal";
pub(crate) const SETUP: &str = "/setup";
/// Says whether the server is well, to anybody who asks.
pub(crate) const HEALTH: &str = "/healthz";
/// Proves to `epicme stdio` that the server has its database, see `proof.rs`.
pub(crate) const PROOF: &str = "/proof";
pub(crate) const STYLE: &str = "/style.css";
/// Shows each exchange as it happens, if the operator wants that. More pages lie below.
pub(crate) const WATCH: &str = "/watch";

/// Returns whether a path is this place, or one below it.
pub(crate) fn is_within(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

pub(crate) const HOME: &str = "/";

/// The audience of tokens for a server without a public URL. It isn't a URL, because such a server has several: a
/// person makes one token, and the client may use any of the loopback names.
pub(crate) const LOOPBACK: &str = "loopback";

/// Why a text can't serve as the public URL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BadUrl {
    /// Not `scheme://host[:port]`.
    Malformed,
    /// `http` to a host that isn't this machine: tokens would travel in the clear.
    PlainHttp,
}

impl BadUrl {
    /// Returns what is wrong and what to do, for the operator.
    pub(crate) fn message(self) -> &'static str {
        match self {
            BadUrl::Malformed => {
                "a public URL is https://HOST or https://HOST:PORT, in lower case, without a path"
            }
            BadUrl::PlainHttp => "a public URL must be https, or tokens would travel in the clear",
        }
    }
}

impl fmt::Display for BadUrl {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(self.message())
    }
}

impl std::error::Error for BadUrl {}

/// `scheme://host[:port]` in lower case without a default port or a trailing slash: the form in which origins are
/// compared and printed (RFC 6454 §6.2). Origins of web pages and our own base URLs both have this form, so comparing
/// their texts is enough, and two spellings of one origin are equal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    text: String,
    /// The length of the scheme. With it the other parts are found in `text`.
    scheme_chars: usize,
}

impl Origin {
    /// Parses an http or https origin; `None` for any other text, such as the `null` that a browser sends for a page
    /// without an origin.
    pub(crate) fn parse(text: &str) -> Option<Origin> {
        let text = text.to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://")?;
        let default_port = match scheme {
            "http" => "80",
            "https" => "443",
            _ => return None,
        };
        let text = match Authority::parse(authority)? {
            Authority { host, port: Some(port) } if port == default_port => format!("{scheme}://{host}"),
            _ => format!("{scheme}://{authority}"),
        };
        Some(Origin { text, scheme_chars: scheme.len() })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns host and port, as in a `Host` field; a default port is left out.
    pub(crate) fn authority(&self) -> &str {
        &self.text[self.scheme_chars + "://".len()..]
    }

    /// Returns host and port as two parts.
    pub(crate) fn parts(&self) -> Authority<'_> {
        Authority::parse(self.authority()).expect("an origin is made of an authority that was read")
    }

    /// Returns the port, even if it is the scheme's default and so not written.
    pub(crate) fn port(&self) -> u16 {
        self.parts().port_number().unwrap_or(if self.is_https() { 443 } else { 80 })
    }

    /// Returns whether the host is one of the three names of this machine, whatever the port.
    pub(crate) fn is_loopback(&self) -> bool {
        self.parts().is_loopback()
    }

    pub(crate) fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }

    /// Returns whether a `Host` field names this origin. Hosts are compared without case, and the field may have the
    /// default port (RFC 9110 §4.2.3). The comparison uses slices, because each request needs it and parsing an
    /// `Origin` would be an allocation.
    fn answers_to(&self, host: &str) -> bool {
        let default_port = if self.is_https() { ":443" } else { ":80" };
        let spelt = self.authority().len();
        // Most clients spell it as we do, and equal bytes are found sooner.
        host == self.authority()
            || host.eq_ignore_ascii_case(self.authority())
            || (host.get(spelt..) == Some(default_port)
                && host[..spelt].eq_ignore_ascii_case(self.authority()))
    }
}

/// The origin of a web page, of an extension or of an app, as a browser writes it into `Origin` (RFC 6454 §6.2).
pub(crate) struct PageOrigin(String);

impl PageOrigin {
    /// Reads an origin that the operator allows: `scheme://host` or `scheme://host:port` in lower case, where the
    /// scheme is `https` or an app's own. Of plain http there are only names of this machine below `.localhost`, which
    /// apps use: a page that comes over a network in the clear may be anybody's by then, and it would hold the token.
    /// `null` is the origin of every page that has none, and so is that of a file.
    pub(crate) fn parse(text: &str) -> Option<PageOrigin> {
        let (scheme, authority) = text.split_once("://")?;
        let host = Authority::parse(authority)?.host;
        let fits = match scheme {
            "https" => Origin::parse(text)?.as_str() == text,
            "http" => Origin::parse(text)?.as_str() == text && host.ends_with(".localhost"),
            "file" => false,
            // RFC 3986 §3.1.
            own => {
                own.starts_with(|first: char| first.is_ascii_lowercase())
                    && own.bytes().all(|byte| {
                        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
                    })
            }
        };
        (fits && text == text.to_ascii_lowercase()).then(|| PageOrigin(text.to_owned()))
    }
}

/// Returns whether two http or https URLs are spellings of one URL, by the equivalences of RFC 3986 §6.2.2 and
/// §6.2.3: the case of scheme and host, a default port, an empty path, an escape of a character that needs none, and
/// the segments `.` and `..`. A URL with a fragment equals no other.
///
/// This is for URLs of our own, which a client or another server repeats to us in its own spelling: whatever has
/// these equivalents leads to us. It isn't for a client's redirect URI. There the browser decides where a spelling
/// leads, and not this function, so those are compared byte for byte (`oauth::redirect`, RFC 9700 §4.1.3).
pub(crate) fn same_url(left: &str, right: &str) -> bool {
    left == right || normalized(left).is_some_and(|left| Some(left) == normalized(right))
}

/// Splits a URL into its origin, its path and its query, each in its normal form; `None` if it isn't an http or https
/// URL, or has a fragment.
fn normalized(url: &str) -> Option<(Origin, String, Option<String>)> {
    let after_scheme = url.find("://")? + "://".len();
    let authority_ends =
        url[after_scheme..].find(['/', '?', '#']).map_or(url.len(), |length| after_scheme + length);
    let (origin, rest) = url.split_at(authority_ends);
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    if rest.contains('#') {
        return None;
    }
    let path = unescaped(path);
    let (mut kept, mut ends_open) = (Vec::new(), true);
    for segment in path.split('/').skip(1) {
        // A path that ends with one of the two names the folder, and so with a slash (RFC 3986 §5.2.4).
        ends_open = matches!(segment, "." | ".." | "");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            name => kept.push(name),
        }
    }
    if ends_open && kept.last().is_none_or(|last| !last.is_empty()) {
        kept.push("");
    }
    Some((Origin::parse(origin)?, kept.join("/"), query.map(unescaped)))
}

/// Writes each escaped character that needs no escape as itself, and the digits of the other escapes in upper case
/// (RFC 3986 §6.2.2.1, §6.2.2.2).
fn unescaped(text: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(percent) = rest.find('%') {
        plain.push_str(&rest[..percent]);
        let escape = rest.get(percent..percent + 3).unwrap_or(&rest[percent..=percent]);
        match escape.get(1..).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                plain.push(char::from(byte));
            }
            _ => plain.push_str(&escape.to_ascii_uppercase()),
        }
        rest = &rest[percent + escape.len()..];
    }
    plain + rest
}

/// The names by which this server can be reached.
pub(crate) struct Site {
    listens: SocketAddr,
    public: Option<Origin>,
    loopback: Vec<Origin>,
    /// Origins of web pages that may use the endpoint although they are of another site.
    allowed: Vec<PageOrigin>,
    audience: String,
}

impl Site {
    /// Builds the names of a server that listens on `bound` and has a public URL or none. The loopback names are
    /// always among them, because the operator's own requests, and those of a proxy that doesn't pass `Host` on, use
    /// them.
    pub(crate) fn new(bound: SocketAddr, public: Option<Origin>, allowed: Vec<PageOrigin>) -> Site {
        let own = match bound.ip() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        // Another loopback address, such as 127.0.0.2, is a name only if the server listens on it.
        let mut hosts = LOOPBACK_HOSTS.map(str::to_owned).to_vec();
        if bound.ip().is_loopback() && !hosts.contains(&own) {
            hosts.push(own);
        }
        let base_url = |host| Origin::parse(&format!("http://{host}:{}", bound.port()));
        let (audience, loopback) =
            (audience(public.as_ref()), hosts.into_iter().filter_map(base_url).collect());
        Site { listens: bound, public, loopback, allowed, audience }
    }

    /// Parses a public URL: an https origin, or http to this machine. One trailing slash is dropped, because people
    /// copy it.
    pub(crate) fn parse_public(url: &str) -> Result<Origin, BadUrl> {
        let public = Origin::parse(url.strip_suffix('/').unwrap_or(url)).ok_or(BadUrl::Malformed)?;
        if public.is_https() || public.is_loopback() { Ok(public) } else { Err(BadUrl::PlainHttp) }
    }

    /// Returns the base URL for a request with this `Host`: the public URL if there is one, else that of the loopback
    /// name that the client used. `None` if the host isn't ours.
    pub(crate) fn base_url_for(&self, host: Option<&str>) -> Option<&str> {
        let named = match host {
            // HTTP/1.0 may leave `Host` out. No browser does, so no foreign page can have sent the request.
            None => self.loopback.first(),
            Some(host) => self.public.iter().chain(&self.loopback).find(|ours| ours.answers_to(host)),
        };
        named.map(|ours| self.public.as_ref().unwrap_or(ours).as_str())
    }

    /// Returns whether a web page of this origin may use the endpoint: pages of the public URL may, and pages of
    /// `localhost`, `127.0.0.1` or `[::1]` on any port, because clients with a web page (the MCP Inspector) run
    /// there. A program on this machine that serves a page can also send requests itself, so refusing its page
    /// would protect nothing. And pages of an origin that the operator allows, byte for byte.
    pub(crate) fn allows_origin(&self, page_origin: &str) -> bool {
        let is_own = Origin::parse(page_origin).is_some_and(|origin| {
            origin.is_loopback() || self.public.as_ref().is_some_and(|public| *public == origin)
        });
        is_own || self.allowed.iter().any(|allowed| allowed.0 == page_origin)
    }

    /// Returns the names that a request's `Host` may have here, as a list for the operator.
    pub(crate) fn hosts(&self) -> String {
        let names: Vec<_> = self.public.iter().chain(&self.loopback).map(Origin::authority).collect();
        names.join(", ")
    }

    /// Returns where the server listens.
    pub(crate) fn listens(&self) -> SocketAddr {
        self.listens
    }

    /// Returns the public URL, if there is one.
    pub(crate) fn public_url(&self) -> Option<&str> {
        self.public.as_ref().map(Origin::as_str)
    }

    /// Returns the audience that a token of this server must have (RFC 8707 §2): the URL of the endpoint, or
    /// [`LOOPBACK`].
    pub(crate) fn audience(&self) -> &str {
        &self.audience
    }
}

/// Returns the audience of tokens for a server with this public URL. The command line calls it too, because it makes
/// tokens without a running server.
pub(crate) fn audience(public: Option<&Origin>) -> String {
    public.map_or_else(|| LOOPBACK.to_owned(), |url| format!("{}{MCP}", url.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(public: Option<&str>) -> Site {
        let public = public.map(|url| Site::parse_public(url).expect("a good URL"));
        Site::new("127.0.0.1:8787".parse().expect("an address"), public, Vec::new())
    }

    #[track_caller]
    fn check(site: &Site, host: &str, base_url: Option<&str>) {
        assert_eq!(site.base_url_for(Some(host)), base_url, "{host}");
    }

    #[test]
    fn answers_to_its_own_names_only() {
        let local = site(None);
        check(&local, "127.0.0.1:8787", Some("http://127.0.0.1:8787"));
        check(&local, "LocalHost:8787", Some("http://localhost:8787"));
        check(&local, "[::1]:8787", Some("http://[::1]:8787"));
        check(&local, "127.0.0.1", None);
        check(&local, "127.0.0.1:8788", None);
        check(&local, "evil.example:8787", None);
        check(&local, "localhost.evil.example:8787", None);
        let public = site(Some("https://journal.example/"));
        check(&public, "journal.example", Some("https://journal.example"));
        check(&public, "Journal.Example:443", Some("https://journal.example"));
        check(&public, "journal.example:80", None);
        check(&public, "localhost:8787", Some("https://journal.example"));
    }

    #[test]
    fn allows_pages_of_this_machine_on_any_port() {
        assert!(site(None).allows_origin("http://localhost:6274"));
        assert!(site(None).allows_origin("http://[::1]"));
        assert!(!site(None).allows_origin("null"));
        assert!(!site(None).allows_origin("http://localhost.evil.example"));
        assert!(!site(None).allows_origin("https://journal.example"));
        assert!(site(Some("https://journal.example")).allows_origin("https://journal.example"));
    }

    #[test]
    fn allows_pages_that_the_operator_names_byte_for_byte() {
        for named in [
            "https://app.example",
            "https://app.example:8443",
            "http://tauri.localhost",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "moz-extension://0f8a8e5c-2f0b-4a43-9a2b-3a8a0f3c2b11",
            "app://obsidian.md",
            "capacitor://localhost",
            "com.example.app+x://host",
        ] {
            let allowed = vec![PageOrigin::parse(named).expect(named)];
            let site = Site::new("127.0.0.1:8787".parse().expect("an address"), None, allowed);
            assert!(site.allows_origin(named) && !self::site(None).allows_origin(named), "{named}");
            for other in
                [format!("{named}."), format!("{named}/"), format!("{named}:1"), named.to_uppercase()]
            {
                assert!(!site.allows_origin(&other), "{other}");
            }
            assert!(!site.allows_origin("https://app.example.evil.example") && !site.allows_origin("null"));
        }
        for bad in [
            "",
            "*",
            "null",
            "app.example",
            "https://",
            "https://*.example",
            "https://app.example/",
            "https://app.example/x",
            "https://App.example",
            "https://app.example:443",
            "https://u@app.example",
            "http://app.example",
            "http://localhost.example",
            "file://",
            "file://host",
            "1x://host",
            "://host",
            "X://host",
            "x y://host",
        ] {
            assert!(PageOrigin::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn knows_every_spelling_of_a_url_and_no_other_url() {
        let ours = "https://journal.example/mcp";
        for same in [
            ours,
            "https://journal.example:443/mcp",
            "HTTPS://Journal.EXAMPLE/mcp",
            "https://journal.example/%6Dcp",
            "https://journal.example/%6d%63%70",
            "https://journal.example/./mcp",
            "https://journal.example/a/../mcp",
            "https://journal.example/%2e/mcp",
        ] {
            assert!(same_url(same, ours), "{same}");
        }
        for other in [
            "http://journal.example/mcp",
            "https://journal.example:444/mcp",
            "https://journal.example:80/mcp",
            "https://journal.example/MCP",
            "https://journal.example/mcp/",
            "https://journal.example/mcp?",
            "https://journal.example/mcp#x",
            "https://journal.example//mcp",
            "https://journal.example/a/mcp",
            "https://journal.example/mcp/.",
            "https://journal.example/mcp/..",
            "https://journal.example%2Fmcp",
            "https://user@journal.example/mcp",
            "https://journal.example.evil.example/mcp",
            "https:/journal.example/mcp",
            "//journal.example/mcp",
            "/mcp",
            "",
            "https://journal.example/%",
            "https://journal.example/mc%é",
        ] {
            assert!(!same_url(other, ours), "{other}");
        }
        assert!(same_url("http://localhost", "http://LOCALHOST:80/"));
        assert!(same_url("http://localhost/%2f?a=%7e", "http://localhost/%2F?a=~"));
        assert!(!same_url("http://localhost/%2f", "http://localhost//"));
    }

    #[test]
    fn takes_only_a_public_url_that_keeps_tokens_secret() {
        let parse = |url| Site::parse_public(url).map(|public| public.as_str().to_owned());
        assert_eq!(parse("https://Journal.Example:443"), Ok("https://journal.example".into()));
        assert_eq!(parse("http://localhost:8787"), Ok("http://localhost:8787".into()));
        assert_eq!(parse("http://journal.example"), Err(BadUrl::PlainHttp));
        for form in ["journal.example", "https://journal.example/path", "https://u@h", "https://", "ftp://h"]
        {
            assert_eq!(parse(form), Err(BadUrl::Malformed), "{form}");
        }
    }
}
