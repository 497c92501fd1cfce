//! Redirect URIs: which may be registered, and which of a client's own a request names.
//!
//! Knows no client and no page. URIs are compared as they stand, octet for octet; no parser gets to normalize
//! one first.

use crate::limits;

/// Why a redirect URI can't be registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadRedirect {
    /// Not an absolute URI of visible ASCII, or too long.
    Form,
    /// It has a fragment (RFC 6749 §3.1.2).
    Fragment,
    /// It names a user, which hides the host from people.
    UserInfo,
    /// Plain http to another machine (RFC 8252 §8.3).
    PlainHttp,
    /// A scheme that a browser runs, opens or sends itself.
    Scheme,
}

impl BadRedirect {
    /// What is wrong with it.
    pub fn message(self) -> &'static str {
        match self {
            BadRedirect::Form => {
                "a redirect URI must be an absolute URI of visible ASCII, at most 2000 octets"
            }
            BadRedirect::Fragment => "a redirect URI must not have a fragment",
            BadRedirect::UserInfo => "a redirect URI must not name a user",
            BadRedirect::PlainHttp => "an http redirect URI must be on localhost, 127.0.0.1 or [::1]",
            BadRedirect::Scheme => {
                "this scheme is not accepted in a redirect URI; https, loopback http or an \
                                    app's own scheme is"
            }
        }
    }
}

/// Schemes with a meaning of their own to a browser or its system: none is an app that waits for a code.
const SCHEMES_REFUSED: [&str; 41] = [
    "about",
    "blob",
    "chrome",
    "chrome-extension",
    "content",
    "data",
    "facetime",
    "feed",
    "file",
    "filesystem",
    "ftp",
    "ftps",
    "git",
    "intent",
    "itms-services",
    "jar",
    "javascript",
    "ldap",
    "ldaps",
    "magnet",
    "mailto",
    "moz-extension",
    "res",
    "resource",
    "rtsp",
    "search",
    "search-ms",
    "shell",
    "sip",
    "sips",
    "smb",
    "sms",
    "ssh",
    "svn",
    "tel",
    "telnet",
    "vbscript",
    "view-source",
    "ws",
    "wss",
    "x-apple.systempreferences",
];

/// Whether a client may register this URI.
pub fn check(uri: &str) -> Result<(), BadRedirect> {
    let visible = uri.bytes().all(|octet| octet.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&octet));
    if !visible || uri.len() > limits::REDIRECT_URI_BYTES_MAX {
        return Err(BadRedirect::Form);
    }
    if uri.contains('#') {
        return Err(BadRedirect::Fragment);
    }
    let (scheme, rest) = uri.split_once(':').ok_or(BadRedirect::Form)?;
    let mut letters = scheme.bytes();
    let scheme_fits = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|octet| octet.is_ascii_alphanumeric() || b"+.-".contains(&octet));
    if !scheme_fits || rest.is_empty() {
        return Err(BadRedirect::Form);
    }
    // `localhost:6274/cb` lacks its scheme; taken as it stands it would be an app's own.
    if rest.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(BadRedirect::Form);
    }
    let lower = scheme.to_ascii_lowercase();
    if SCHEMES_REFUSED.contains(&lower.as_str()) || lower.starts_with("ms-") {
        return Err(BadRedirect::Scheme);
    }
    // URIs are compared as they stand, so there is one way to write a scheme.
    if scheme.bytes().any(|octet| octet.is_ascii_uppercase()) {
        return Err(BadRedirect::Form);
    }
    if scheme != "https" && scheme != "http" {
        return Ok(()); // an app's own scheme: matched exactly, and never opened by us
    }
    let authority = authority(rest).ok_or(BadRedirect::Form)?;
    match authority {
        _ if authority.contains('@') => Err(BadRedirect::UserInfo),
        _ if !crate::site::is_authority(authority) => Err(BadRedirect::Form),
        _ if scheme == "http" && !is_loopback(authority) => Err(BadRedirect::PlainHttp),
        _ => Ok(()),
    }
}

/// Whether `requested` is `registered`: the same octets, or, on loopback http, the same but for the port, which a
/// native app gets from its system each time (RFC 8252 §7.3).
pub fn matches(registered: &str, requested: &str) -> bool {
    registered == requested
        || loopback_parts(registered).is_some_and(|own| Some(own) == loopback_parts(requested))
}

/// What a person is shown as the place that they are sent to: the host, or an app's scheme.
pub fn destination(uri: &str) -> &str {
    let (scheme, rest) = uri.split_once(':').unwrap_or((uri, ""));
    match scheme {
        "http" | "https" => authority(rest).unwrap_or(uri),
        _ => scheme,
    }
}

/// Whether the redirect stays on the person's own machine.
pub fn is_local(uri: &str) -> bool {
    loopback_parts(uri).is_some()
}

/// Host, and path with query, of a loopback http URI.
fn loopback_parts(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http:")?;
    let authority = authority(rest)?;
    let path = &rest["//".len() + authority.len()..];
    is_loopback(authority).then(|| (host(authority), path))
}

fn authority(rest: &str) -> Option<&str> {
    let rest = rest.strip_prefix("//")?;
    Some(&rest[..rest.find(['/', '?']).unwrap_or(rest.len())])
}

fn host(authority: &str) -> &str {
    let colon = authority.rfind(':').filter(|_| !authority.ends_with(']'));
    &authority[..colon.unwrap_or(authority.len())]
}

fn is_loopback(authority: &str) -> bool {
    crate::site::is_authority(authority) && ["localhost", "127.0.0.1", "[::1]"].contains(&host(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_https_loopback_and_an_apps_own_scheme() {
        for uri in [
            "https://claude.ai/api/mcp/auth_callback",
            "https://app.example:8443/cb?x=1",
            "http://127.0.0.1:6274/oauth/callback",
            "http://localhost/callback",
            "http://[::1]:9/cb",
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "com.example.app:/cb",
        ] {
            assert_eq!(check(uri), Ok(()), "{uri}");
        }
    }

    #[test]
    fn refuses_the_rest_by_name() {
        let rows = [
            ("javascript:alert(1)", BadRedirect::Scheme),
            ("JavaScript:alert(1)", BadRedirect::Scheme),
            ("data:text/html,x", BadRedirect::Scheme),
            ("file:///etc/passwd", BadRedirect::Scheme),
            ("http://app.example/cb", BadRedirect::PlainHttp),
            ("http://localhost.evil.example/cb", BadRedirect::PlainHttp),
            ("http://127.0.0.1@evil.example/cb", BadRedirect::UserInfo),
            ("https://app.example/cb#x", BadRedirect::Fragment),
            ("https:///cb", BadRedirect::Form),
            ("https:app.example/cb", BadRedirect::Form),
            ("/callback", BadRedirect::Form),
            ("https://app.example/c b", BadRedirect::Form),
            ("https://app.example\\@evil.example/", BadRedirect::Form),
            ("", BadRedirect::Form),
        ];
        for (uri, expected) in rows {
            assert_eq!(check(uri), Err(expected), "{uri}");
        }
    }

    #[test]
    fn lets_only_the_port_of_a_loopback_uri_differ() {
        let registered = "http://localhost:1234/callback?a=b";
        assert!(matches(registered, "http://localhost:9/callback?a=b"));
        assert!(matches(registered, "http://localhost/callback?a=b"));
        for other in [
            "http://127.0.0.1:1234/callback?a=b",
            "http://localhost:1234/callback",
            "http://localhost:1234/callback?a=b&c",
            "https://localhost:1234/callback?a=b",
            "http://localhost:99999/callback?a=b",
            "http://localhost:1234@evil.example/callback?a=b",
        ] {
            assert!(!matches(registered, other), "{other}");
        }
        assert!(!matches("https://app.example/cb", "https://app.example:443/cb"));
        assert!(!matches("cursor://x/cb", "cursor://x/cb/"));
    }
}
