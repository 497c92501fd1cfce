//! Redirect URIs: which may be registered, which of a client's own a request names, and where each takes the browser.
//!
//! Looks up no client and writes no page; `schemes` knows which scheme an app may have. Invariant: a URI is compared
//! byte for byte (RFC 3986 §6.2.1), and no parser normalizes one first. Parsers disagree about escapes, case, dots and
//! backslashes; two that disagree, here and in the browser, are how a code reaches a host that the comparison never
//! saw.
//!
//! What a redirect URI decides: the browser takes the code there. A URI that can be registered although no honest
//! client could use it is therefore a tool for an attacker alone, and registration is open to everyone.

use std::fmt;

use super::schemes::{self, Schemes};
use crate::authority::Authority;
use crate::limits;

/// Why a redirect URI can't be registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BadRedirect {
    /// Not an absolute URI of visible ASCII (OAuth 2.1 §2.3), or too long.
    Malformed,
    /// It has a fragment (OAuth 2.1 §2.3). The response is written into the query; after a `#` it would be part of
    /// the fragment, which the browser doesn't send to the client's server.
    Fragment,
    /// The URI names a user before the host, as in `https://bank.example@evil.example/`: a person reads the first
    /// name and the browser goes to the second.
    UserInfo,
    /// Plain http to another machine: everyone on the way there could read the code (OAuth 2.1 §1.5, RFC 8252 §8.3).
    PlainHttp,
    /// A scheme of a browser or a system, which no option can allow.
    NeverAccepted,
    /// A scheme that isn't known to belong to an app that waits for a code, or not the place where it waits; see
    /// [`Schemes`].
    Scheme,
    /// An app's own scheme, and behind it a whole URL, to which the app could take the code.
    Wrapped,
}

impl fmt::Display for BadRedirect {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(match self {
            BadRedirect::Malformed => {
                "a redirect URI must be an absolute URI of visible ASCII, at most 2000 bytes"
            }
            BadRedirect::Fragment => "a redirect URI must not have a fragment",
            BadRedirect::UserInfo => "a redirect URI must not name a user",
            BadRedirect::PlainHttp => "an http redirect URI must be on localhost, 127.0.0.1 or [::1]",
            BadRedirect::NeverAccepted => {
                "a redirect URI must not have a scheme by which a browser or a system opens something else"
            }
            BadRedirect::Scheme => {
                "this scheme, or what follows it, is not accepted in a redirect URI; https, loopback http and an app's own \
                 scheme like com.example.app are, the callbacks of some well-known apps, and the schemes that the \
                 operator adds with --redirect-scheme"
            }
            BadRedirect::Wrapped => "a redirect URI must not hold another URL behind its scheme",
        })
    }
}

impl std::error::Error for BadRedirect {}

/// Checks whether a client may register this URI.
///
/// Whatever the person who reads the consent page, the browser that follows the redirect and this server could read
/// in different ways is refused, not mended: a mended URI is another one than the client will name in its request.
pub(crate) fn check(uri: &str, schemes: &Schemes) -> Result<(), BadRedirect> {
    // A browser takes a backslash for a slash and strips tabs and line ends: to it, `https://a\@b/` has the host `a`,
    // and to a parser that takes `a\` for a user the host `b`. None of these characters is allowed in a URI (RFC 3986
    // §2).
    let visible = uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte));
    if !visible || uri.len() > limits::REDIRECT_URI_BYTES_MAX {
        return Err(BadRedirect::Malformed);
    }
    if uri.contains('#') {
        return Err(BadRedirect::Fragment);
    }
    // The text before the first colon is a scheme only if it is made of the letters of one (RFC 3986 §3.1). A
    // relative reference such as `/callback` would be resolved against this server's own URL.
    let (scheme, rest) = uri.split_once(':').ok_or(BadRedirect::Malformed)?;
    if !schemes::is_scheme(scheme) || rest.is_empty() {
        return Err(BadRedirect::Malformed);
    }
    // Schemes have no case (RFC 3986 §3.1), but URIs are compared byte for byte. With one way to write a scheme, the
    // comparisons below and in `destination` miss no https URI that is written `HTTPS`.
    if scheme.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(BadRedirect::Malformed);
    }
    if scheme != "https" && scheme != "http" {
        // An app's own scheme (RFC 8252 §7.1): the URI is compared as a whole, and never opened by this server. The
        // scheme comes last: a registration may go without a URI that has no other fault ([`BadRedirect::Scheme`]).
        return if schemes::is_never_accepted(scheme) {
            Err(BadRedirect::NeverAccepted)
        } else if schemes::wraps_a_url(rest) {
            Err(BadRedirect::Wrapped)
        } else if !schemes.accepts(scheme, rest) {
            Err(BadRedirect::Scheme)
        } else {
            Ok(())
        };
    }
    let authority = authority(rest).ok_or(BadRedirect::Malformed)?;
    if authority.contains('@') {
        return Err(BadRedirect::UserInfo);
    }
    // `Authority` compares the host as a whole: `127.0.0.1.evil.example` only begins like this machine.
    match Authority::parse(authority) {
        None => Err(BadRedirect::Malformed),
        Some(authority) if scheme == "http" && !authority.is_loopback() => Err(BadRedirect::PlainHttp),
        Some(_) => Ok(()),
    }
}

/// Returns whether the URI that a request names is the registered one: the same bytes (OAuth 2.1 §2.3.1).
///
/// The one exception is the port of an http URI on this machine, which a native app gets from its system anew each
/// time (RFC 8252 §7.3, OAuth 2.1 §8.4.2). Both clauses demand this exception for `127.0.0.1` and `[::1]`; this
/// server makes it for `localhost` too, because clients that run in a terminal register that name. The host itself
/// must be the same: another program may listen on `[::1]` than on `127.0.0.1`, and what `localhost` means is up to
/// the machine.
pub(crate) fn matches(registered: &str, requested: &str) -> bool {
    registered == requested
        || loopback_parts(registered).is_some_and(|own| Some(own) == loopback_parts(requested))
}

/// Returns what the consent page shows as the place to which the browser goes. Of an https URI that is the host: it
/// decides who gets the code, and a long path could push it out of sight. Any other URI is shown whole: which program
/// of this machine gets the code may depend on each part of it, and a scheme alone says too little to the person.
pub(crate) fn shown(uri: &str) -> &str {
    if uri.starts_with("https:") { destination(uri) } else { uri }
}

/// Returns the place to which a URI leads, in short: the host, or an app's scheme. A client without a name is called
/// by it.
pub(crate) fn destination(uri: &str) -> &str {
    let (scheme, rest) = uri.split_once(':').unwrap_or((uri, ""));
    match scheme {
        "http" | "https" => authority(rest).unwrap_or(uri),
        _ => scheme,
    }
}

/// Returns whether the redirect opens an app by its own scheme, and no server is asked.
pub(crate) fn opens_an_app(uri: &str) -> bool {
    !uri.starts_with("https:") && !uri.starts_with("http:")
}

/// Returns whether the redirect stays on the person's own machine.
pub(crate) fn is_local(uri: &str) -> bool {
    loopback_parts(uri).is_some()
}

/// Returns whether a browser that goes to `uri` may send along the cookies that it keeps for this server, or be sent
/// on to a server that receives them. `base_url` is our own, and `host` what the browser's request names as ours.
///
/// A browser sends the cookies of a host to every port of it, and those of http to https as well (RFC 6265 §8.5). So
/// the host that the browser has in its address bar decides, and the request's `Host` is all that the server knows of
/// it.
///
/// If that is a name of this machine, the answer is always yes: programs listen on its other ports, and the client's
/// own server, wherever it is, can send the browser on to one of them. A server with a public URL answers under such a
/// name too. A proxy that doesn't pass `Host` on looks the same from here; its people are signed out more often than
/// they need be. If `Host` is that of the public https URL (or left out, as no browser does), it is yes only for a URI
/// on that host: the cookie is `Secure` and bound to the host, and another https server there would need this host's
/// certificate.
///
/// An address can be written in many ways (`127.1`, `0x7f000001`), which browsers take for the same, so any two
/// addresses count as one host.
pub(crate) fn may_receive_cookies(uri: &str, base_url: &str, host: Option<&str>) -> bool {
    let public = base_url.strip_prefix("https://").and_then(Authority::parse);
    let is_public = |public: &Authority| {
        let is_it = |own: Authority| own.host.eq_ignore_ascii_case(public.host);
        host.is_none_or(|host| Authority::parse(host).is_some_and(is_it))
    };
    let Some(own) = public.filter(is_public) else { return true };
    let target = match uri.split_once(':') {
        Some(("http" | "https", rest)) => authority(rest).and_then(Authority::parse),
        _ => return false, // an app's own scheme: no server is asked, so none is sent a cookie
    };
    let Some(target) = target else { return true }; // no registered URI is so; if in doubt, yes
    let is_address = |host: &str| {
        let last = host.rsplit('.').next().unwrap_or(host);
        host.ends_with(']') || last.starts_with(|first: char| first.is_ascii_digit())
    };
    own.host.eq_ignore_ascii_case(target.host)
        || (own.is_loopback() && target.is_loopback())
        || (is_address(own.host) && is_address(target.host))
}

/// Returns the host, and the path with its query, of an http URI on this machine: the parts that are compared. No
/// check has read the requested URI before, so it is parsed as strictly as a registered one.
fn loopback_parts(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http:")?;
    let authority = authority(rest)?;
    let path = &rest["//".len() + authority.len()..];
    let authority = Authority::parse(authority).filter(Authority::is_loopback)?;
    Some((authority.host, path))
}

/// Returns the text between `//` and the path or query of a URI, which is given without its scheme. The text isn't
/// checked yet.
fn authority(rest: &str) -> Option<&str> {
    let rest = rest.strip_prefix("//")?;
    Some(&rest[..rest.find(['/', '?']).unwrap_or(rest.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str) -> Result<(), BadRedirect> {
        super::check(uri, &Schemes::default())
    }

    #[test]
    fn takes_https_loopback_and_an_apps_own_scheme() {
        for uri in [
            "https://claude.ai/api/mcp/auth_callback",
            "https://app.example:8443/cb?x=1",
            "http://127.0.0.1:6274/oauth/callback",
            "http://localhost/callback",
            "http://[::1]:9/cb",
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "vscode://saoudrizwan.claude-dev/mcp-auth/callback/1f",
            "warp://mcp/oauth2callback",
            "raycast://oauth?package_name=Extension",
            "com.example.app:/cb",
            "com.example.app://cb?next=https://app.example/",
            "xn--p1ai.example:/cb",
        ] {
            assert_eq!(check(uri), Ok(()), "{uri}");
        }
    }

    #[test]
    fn refuses_the_rest_by_name() {
        let rows = [
            ("javascript:alert(1)", BadRedirect::NeverAccepted),
            ("JavaScript:alert(1)", BadRedirect::Malformed),
            ("microsoft-edge:https://evil.example/cb", BadRedirect::NeverAccepted),
            ("x-safari-https://evil.example/cb", BadRedirect::NeverAccepted),
            ("googlechrome://evil.example/cb", BadRedirect::NeverAccepted),
            ("intent://evil.example/#Intent;scheme=https;end", BadRedirect::Fragment),
            ("intent:https://evil.example/cb", BadRedirect::NeverAccepted),
            ("view-source:https://evil.example/cb", BadRedirect::NeverAccepted),
            ("ms-settings:network", BadRedirect::NeverAccepted),
            ("web+mcp://cb", BadRedirect::NeverAccepted),
            ("app://cb", BadRedirect::Scheme),
            ("vscode://vscode.git/clone?url=x", BadRedirect::Scheme),
            ("localhost:6274/cb", BadRedirect::Scheme),
            ("x-apple.systempreferences:cb", BadRedirect::Scheme),
            ("com.:/cb", BadRedirect::Scheme),
            ("com..x:/cb", BadRedirect::Scheme),
            ("c.x:/cb", BadRedirect::Scheme),
            ("web+com.example:/cb", BadRedirect::NeverAccepted),
            ("com.-x:/cb", BadRedirect::Scheme),
            ("com.example.app:https://evil.example/cb", BadRedirect::Wrapped),
            ("com.example.app://https://evil.example/cb", BadRedirect::Wrapped),
            ("com.example.app:/https%3A//evil.example/cb", BadRedirect::Wrapped),
            ("com.example.app:javascript:alert(1)", BadRedirect::Wrapped),
            ("com.example.app://%68ttps://evil.example", BadRedirect::Wrapped),
            ("com.example.app:%2F%2Fhttps%3A%2F%2Fevil.example/", BadRedirect::Wrapped),
            ("com.example.app:https%253A//evil.example/", BadRedirect::Wrapped),
            ("com.example.app:..https://evil.example", BadRedirect::Wrapped),
            ("com.example.app:/x/https://evil.example/", BadRedirect::Wrapped),
            ("cursor://https://evil.example/cb", BadRedirect::Wrapped),
            ("vscode:HTTPS://evil.example/cb", BadRedirect::Wrapped),
            ("goose://https://evil.example/cb", BadRedirect::Wrapped),
            ("data:text/html,x", BadRedirect::NeverAccepted),
            ("file:///etc/passwd", BadRedirect::NeverAccepted),
            ("http://app.example/cb", BadRedirect::PlainHttp),
            ("http://localhost.evil.example/cb", BadRedirect::PlainHttp),
            ("http://127.0.0.1@evil.example/cb", BadRedirect::UserInfo),
            ("https://app.example/cb#x", BadRedirect::Fragment),
            ("https:///cb", BadRedirect::Malformed),
            ("https:app.example/cb", BadRedirect::Malformed),
            ("/callback", BadRedirect::Malformed),
            ("https://app.example/c b", BadRedirect::Malformed),
            ("https://app.example\\@evil.example/", BadRedirect::Malformed),
            ("", BadRedirect::Malformed),
        ];
        for (uri, expected) in rows {
            assert_eq!(check(uri), Err(expected), "{uri}");
        }
    }

    #[test]
    fn knows_where_a_browser_takes_the_cookies_of_our_host() {
        let (local, public) = ("http://127.0.0.1:8787", "https://journal.example");
        for uri in ["http://localhost:9/cb", "https://app.example/cb", "com.example.app:/cb"] {
            assert!(
                may_receive_cookies(uri, local, Some("127.0.0.1:8787")),
                "{uri}: it can send the browser on"
            );
        }
        let over_https = |uri, host| may_receive_cookies(uri, public, Some(host));
        for other in ["https://app.example/cb", "http://127.0.0.1:9/cb", "https://x.journal.example/"] {
            assert!(!over_https(other, "journal.example"), "{other}");
        }
        assert!(!over_https("cursor://journal.example/cb", "journal.example"));
        assert!(over_https("https://journal.example:9/cb", "journal.example"));
        assert!(over_https("https://Journal.Example?x", "journal.example"));
        for uri in ["http://localhost:9/cb", "https://app.example/cb", "com.example.app:/cb"] {
            for host in ["127.0.0.1:8787", "localhost:8787", "[::1]:8787", "127.0.0.2:8787"] {
                assert!(over_https(uri, host), "{uri}: {host} is addressed behind the proxy's back");
            }
            assert!(!over_https(uri, "Journal.Example:443"), "{uri}");
        }
        let by_address = |uri| may_receive_cookies(uri, "https://192.0.2.1", None);
        assert!(by_address("https://0xc0000201:9/cb") && by_address("https://192.0.513/cb"));
        assert!(!by_address("https://app.example/cb"));
    }

    #[test]
    fn takes_a_scheme_that_the_operator_added_with_no_url_behind_it() {
        let schemes = Schemes::parse("mylittleapp zed").expect("two names");
        assert_eq!(super::check("zed://oauth/cb", &schemes), Ok(()));
        assert_eq!(super::check("goose://oauth/cb", &schemes), Err(BadRedirect::Scheme));
        assert_eq!(super::check("zed:https://evil.example/", &schemes), Err(BadRedirect::Wrapped));
    }

    #[test]
    fn shows_the_host_of_an_https_uri_and_all_of_any_other() {
        assert_eq!(shown("https://app.example:8443/a/long?path"), "app.example:8443");
        for whole in
            ["http://localhost:1234/callback?a", "cursor://anysphere.cursor-mcp/cb", "com.example:/cb"]
        {
            assert_eq!(shown(whole), whole);
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
