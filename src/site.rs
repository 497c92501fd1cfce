//! The names by which this server may be called, and every URL path it answers.
//!
//! Knows no sockets and no requests. Invariant: a URL that we hand out is built from configuration; a
//! request's `Host` only chooses among the names that are ours.

use std::net::{IpAddr, SocketAddr};

/// The MCP endpoint.
pub const MCP: &str = "/mcp";
/// Protected-resource metadata of the endpoint (RFC 9728 §3.1: the resource's path follows).
pub const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource/mcp";
/// The same document where clients look that don't know the path form.
pub const RESOURCE_METADATA_ROOT: &str = "/.well-known/oauth-protected-resource";
/// Authorization server metadata (RFC 8414 §3).
pub const SERVER_METADATA: &str = "/.well-known/oauth-authorization-server";
/// The same document where clients look that put the endpoint's path behind it.
pub const SERVER_METADATA_MCP: &str = "/.well-known/oauth-authorization-server/mcp";
/// The authorization endpoint. Clients of 2025-03-26 guess this path and the next two.
pub const AUTHORIZE: &str = "/authorize";
/// The token endpoint.
pub const TOKEN: &str = "/token";
/// The registration endpoint.
pub const REGISTER: &str = "/register";
/// The revocation endpoint.
pub const REVOKE: &str = "/revoke";
/// The introspection endpoint.
pub const INTROSPECT: &str = "/introspect";
/// Where the sign-in form goes.
pub const SIGN_IN: &str = "/sign-in";
/// A person's own page.
pub const ACCOUNT: &str = "/account";
/// The page for the first person.
pub const SETUP: &str = "/setup";
/// The style sheet of every page.
pub const STYLE: &str = "/style.css";
/// What a browser shows first.
pub const HOME: &str = "/";

/// The audience of a token for a server without a public URL: whichever loopback name it is called by.
pub const LOOPBACK: &str = "loopback";

/// Hosts that mean this machine, as they stand in a `Host` field.
const LOOPBACK_HOSTS: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// An address that can't serve as the public URL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadUrl {
    /// Not `scheme://host[:port]`.
    Form,
    /// `http` to a host that isn't this machine: tokens would travel in the clear.
    PlainHttp,
}

impl BadUrl {
    /// What is wrong and what to do.
    pub fn message(self) -> &'static str {
        match self {
            BadUrl::Form => {
                "a public URL is https://HOST or https://HOST:PORT, in lower case, without a path"
            }
            BadUrl::PlainHttp => "a public URL must be https, or tokens would travel in the clear",
        }
    }
}

/// `scheme://host[:port]` in lower case without a default port or a trailing slash: the one form in which an
/// origin is ever compared or printed (RFC 6454 §6.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    text: String,
    scheme_chars: usize,
}

impl Origin {
    /// Reads an http or https origin; `None` when it is anything else.
    pub fn parse(text: &str) -> Option<Origin> {
        let text = text.to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://")?;
        let default_port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return None,
        };
        if !is_authority(authority) {
            return None;
        }
        let authority = authority.strip_suffix(default_port).unwrap_or(authority);
        Some(Origin { text: format!("{scheme}://{authority}"), scheme_chars: scheme.len() })
    }

    /// The origin as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and port, as in a `Host` field; a default port is left out.
    pub fn authority(&self) -> &str {
        &self.text[self.scheme_chars + "://".len()..]
    }

    /// Whether the host is this machine, whatever the port.
    pub fn is_loopback(&self) -> bool {
        let authority = self.authority();
        let port = authority.rfind(':').filter(|_| !authority.ends_with(']'));
        LOOPBACK_HOSTS.contains(&&authority[..port.unwrap_or(authority.len())])
    }

    /// Whether the scheme is https.
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }

    /// Whether a `Host` field names this origin; hosts compare without case, and a default port may be spelt out.
    fn answers_to(&self, host: &str) -> bool {
        let default_port = if self.is_https() { ":443" } else { ":80" };
        let spelt = self.authority().len();
        host.eq_ignore_ascii_case(self.authority())
            || (host.get(spelt..) == Some(default_port)
                && host[..spelt].eq_ignore_ascii_case(self.authority()))
    }
}

/// `host[:port]` of ASCII letters, digits, `.`, `-`, `_`, or a bracketed IPv6 address (RFC 3986 §3.2).
pub fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rfind(':') {
        Some(colon) if !text.ends_with(']') => (&text[..colon], &text[colon + 1..]),
        _ => (text, "0"),
    };
    let host_fits = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b)),
    };
    host_fits && port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit())
}

/// Where this server can be reached.
pub struct Site {
    public: Option<Origin>,
    loopback: Vec<Origin>,
    audience: String,
}

impl Site {
    /// A server bound to `bound`, called by `public_url` if there is one.
    pub fn new(bound: SocketAddr, public: Option<Origin>) -> Site {
        let own = match bound.ip() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let mut hosts = LOOPBACK_HOSTS.map(str::to_owned).to_vec();
        if bound.ip().is_loopback() && !hosts.contains(&own) {
            hosts.push(own);
        }
        let origin = |host| Origin::parse(&format!("http://{host}:{}", bound.port()));
        let (audience, loopback) =
            (audience(public.as_ref()), hosts.into_iter().filter_map(origin).collect());
        Site { public, loopback, audience }
    }

    /// Reads a public URL: an https origin, or http to this machine; a trailing slash is let go.
    pub fn parse_public(url: &str) -> Result<Origin, BadUrl> {
        let origin = Origin::parse(url.strip_suffix('/').unwrap_or(url)).ok_or(BadUrl::Form)?;
        if origin.is_https() || origin.is_loopback() { Ok(origin) } else { Err(BadUrl::PlainHttp) }
    }

    /// The origin that a request's `Host` stands for: the public one if it is configured, else the loopback
    /// name that the client used. `None` when the host isn't ours.
    pub fn origin_for(&self, host: Option<&str>) -> Option<&str> {
        let named = match host {
            // HTTP/1.0 may leave Host out, and no browser speaks it: there is no name to rebind.
            None => self.loopback.first(),
            Some(host) => self.public.iter().chain(&self.loopback).find(|ours| ours.answers_to(host)),
        };
        named.map(|ours| self.public.as_ref().unwrap_or(ours).as_str())
    }

    /// Whether a browser page of this origin may talk to the endpoint: our own pages and those of this
    /// machine, on any port.
    pub fn welcomes(&self, page_origin: &str) -> bool {
        Origin::parse(page_origin).is_some_and(|origin| {
            origin.is_loopback() || self.public.as_ref().is_some_and(|public| *public == origin)
        })
    }

    /// Whether there is a public URL, and so most likely a proxy in front.
    pub fn is_public(&self) -> bool {
        self.public.is_some()
    }

    /// The audience that a token must have been made for (RFC 8707 §2).
    pub fn audience(&self) -> &str {
        &self.audience
    }
}

/// The audience of tokens for a server with this public origin.
pub fn audience(public: Option<&Origin>) -> String {
    public.map_or_else(|| LOOPBACK.to_owned(), |origin| format!("{}{MCP}", origin.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(public: Option<&str>) -> Site {
        let public = public.map(|url| Site::parse_public(url).expect("a good URL"));
        Site::new("127.0.0.1:8787".parse().expect("an address"), public)
    }

    #[track_caller]
    fn check(site: &Site, host: &str, origin: Option<&str>) {
        assert_eq!(site.origin_for(Some(host)), origin, "{host}");
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
    fn welcomes_pages_of_this_machine_on_any_port() {
        assert!(site(None).welcomes("http://localhost:6274"));
        assert!(site(None).welcomes("http://[::1]"));
        assert!(!site(None).welcomes("null"));
        assert!(!site(None).welcomes("http://localhost.evil.example"));
        assert!(!site(None).welcomes("https://journal.example"));
        assert!(site(Some("https://journal.example")).welcomes("https://journal.example"));
    }

    #[test]
    fn takes_only_a_public_url_that_keeps_tokens_secret() {
        let parse = |url| Site::parse_public(url).map(|origin| origin.as_str().to_owned());
        assert_eq!(parse("https://Journal.Example:443"), Ok("https://journal.example".into()));
        assert_eq!(parse("http://localhost:8787"), Ok("http://localhost:8787".into()));
        assert_eq!(parse("http://journal.example"), Err(BadUrl::PlainHttp));
        for form in ["journal.example", "https://journal.example/path", "https://u@h", "https://", "ftp://h"]
        {
            assert_eq!(parse(form), Err(BadUrl::Form), "{form}");
        }
    }
}
