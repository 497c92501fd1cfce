//! Schemes of redirect URIs: by which an app may be called, and what may follow one.
//!
//! Knows no registered client. Invariant: a scheme is accepted only if it is made of a domain name, or was added by the
//! operator, who can add none that browsers are known to run or to open pages by; of any other scheme, the callbacks
//! that are listed here.

/// Callbacks of well-known clients of MCP whose schemes aren't made of a domain name: the scheme, and how the rest
/// begins. Each is here because that client was seen to register it. Others, such as Windsurf and Kiro, register a
/// loopback URI.
///
/// The scheme alone would let in too much, since each of these programs can do more by it than take a code:
/// `vscode://file/…` opens a file, `vscode://vscode.git/clone?url=…` clones a repository, `cursor://` does the same and
/// proposes a server to install, `claude://` begins a chat.
const CLIENT_CALLBACKS: [(&str, &str); 8] = [
    ("claude", "//claude.ai/mcp-auth-callback/"), // the Claude app on macOS
    ("cursor", "//anysphere.cursor-mcp/oauth/callback"),
    ("cursor", "//anysphere.cursor-retrieval/oauth/"), // Cursor, before
    ("cursor", "//saoudrizwan.claude-dev/mcp-auth/callback/"), // Cline in Cursor, and in Visual Studio Code
    ("raycast", "//oauth"),
    ("vscode", "//saoudrizwan.claude-dev/mcp-auth/callback/"),
    ("vscode-insiders", "//saoudrizwan.claude-dev/mcp-auth/callback/"),
    ("warp", "//mcp/oauth2callback"),
];

/// Schemes that no option can allow: the browser runs or shows what follows, or opens another page that it names.
const SCHEMES_NEVER: [&str; 20] = [
    "about",
    "blob",
    "chrome",
    "content",
    "data",
    "file",
    "filesystem",
    "firefox",
    "ftp",
    "googlechrome",
    "googlechromes",
    "http",
    "https",
    "intent",
    "jar",
    "javascript",
    "microsoft-edge",
    "resource",
    "vbscript",
    "view-source",
];
/// The same for families of schemes: `ms-` belongs to Windows, which opens its own programs and settings by dozens of
/// them, `web+` to web pages, `x-safari-` to the browser.
const FAMILIES_NEVER: [&str; 3] = ["ms-", "web+", "x-safari-"];

/// The private-use schemes that redirect URIs may have, beside those that are made of a domain name.
///
/// This is a list of what is accepted, since a list of what is refused can't name what is invented tomorrow. Every
/// system has schemes that open a page or a program with what follows them: `microsoft-edge:https://evil.example/`
/// takes the code to that host, while a person reads the name of their browser. OAuth 2.1 §2.3.1 would have a server
/// refuse every scheme without a dot; some well-known clients have such a scheme, so their callbacks are let in, and
/// nothing else that they can do by it.
///
/// An app that claims the scheme of another one gains little by it: PKCE makes the code worthless without the
/// verifier (RFC 8252 §8.1).
#[derive(Default, Debug)]
pub(crate) struct Schemes {
    /// Those that the operator added with `--redirect-scheme`.
    added: Vec<String>,
}

impl Schemes {
    /// Reads the names that the operator added, separated by spaces. The error is the first that can't be added.
    pub(crate) fn parse(names: &str) -> Result<Schemes, &str> {
        let can_be_added = |name: &str| {
            is_scheme(name) && !name.bytes().any(|byte| byte.is_ascii_uppercase()) && !is_never_accepted(name)
        };
        let names = names.split_ascii_whitespace();
        let added = names.map(|name| if can_be_added(name) { Ok(name.to_owned()) } else { Err(name) });
        Ok(Schemes { added: added.collect::<Result<_, _>>()? })
    }

    /// Returns whether an app may be called by this scheme with this rest of a URI. `rest` is what follows the colon.
    pub(super) fn accepts(&self, scheme: &str, rest: &str) -> bool {
        is_reverse_domain(scheme)
            || self.added.iter().any(|added| added == scheme)
            || CLIENT_CALLBACKS.iter().any(|(own, start)| *own == scheme && is_below(start, rest))
    }
}

/// Returns whether a text can be a scheme (RFC 3986 §3.1).
pub(super) fn is_scheme(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte))
}

pub(super) fn is_never_accepted(scheme: &str) -> bool {
    SCHEMES_NEVER.contains(&scheme) || FAMILIES_NEVER.iter().any(|family| scheme.starts_with(family))
}

/// Returns whether the rest of a URI is the callback that begins so, or a path below it. No segment leads up again: an
/// app that resolves `..` would arrive elsewhere.
fn is_below(start: &str, rest: &str) -> bool {
    let Some(behind) = rest.strip_prefix(start) else { return false };
    let path = behind.split('?').next().unwrap_or(behind);
    let ends_there = start.ends_with('/') || path.is_empty() || path.starts_with('/');
    ends_there && path.split('/').all(|segment| segment != "..")
}

/// Returns whether a scheme is a domain name whose parts are reversed, such as `com.example.app` (RFC 8252 §7.1, RFC
/// 7595 §3.8): an app that owns the domain can have it, and nobody else would.
///
/// The first part must be able to be a top-level domain, that is letters, or `xn--` and their encoding. So the
/// system's own `x-apple.systempreferences` isn't one, although it has a dot.
fn is_reverse_domain(scheme: &str) -> bool {
    let is_label = |label: &str| {
        let edges = label.starts_with('-') || label.ends_with('-');
        !label.is_empty()
            && !edges
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let Some((top, rest)) = scheme.split_once('.') else { return false };
    let top_fits =
        top.starts_with("xn--") || (top.len() >= 2 && top.bytes().all(|byte| byte.is_ascii_lowercase()));
    top_fits && is_label(top) && rest.split('.').all(is_label)
}

/// Returns whether what follows `scheme:` could hold another URL, as `com.example.app://https://evil.example/` does: an
/// app that takes the rest for a URL would open it. So the only colon before the query is that of a port; and nothing
/// there is escaped, because an app may decode the text first, and more than once.
pub(super) fn wraps_a_url(rest: &str) -> bool {
    let before_query = rest.split('?').next().unwrap_or(rest);
    let (authority, path) = match before_query.strip_prefix("//") {
        Some(behind) => behind.split_once('/').unwrap_or((behind, "")),
        None => ("", before_query),
    };
    let without_digits = authority.trim_end_matches(|character: char| character.is_ascii_digit());
    let host = without_digits.strip_suffix(':').filter(|_| without_digits != authority).unwrap_or(authority);
    [host, path].iter().any(|part| part.contains([':', '%']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_what_the_operator_names_unless_it_is_a_browsers() {
        let schemes = Schemes::parse("mylittleapp zed").expect("two names");
        let accepts = |scheme| schemes.accepts(scheme, "//oauth/cb");
        assert!(accepts("zed") && accepts("mylittleapp") && !accepts("goose") && !accepts("vscode"));
        let schemes = Schemes::parse("vscode").expect("a name");
        assert!(schemes.accepts("vscode", "//an.extension/cb"), "the operator adds all of it");
        assert!(Schemes::parse("").is_ok());
        for bad in [
            "javascript",
            "https",
            "microsoft-edge",
            "ms-word",
            "web+x",
            "Zed",
            "zed:",
            "1x",
            "a_b",
            "x-safari-http",
        ] {
            assert_eq!(Schemes::parse(&format!("zed {bad}")).err(), Some(bad));
        }
    }

    #[test]
    fn accepts_the_callbacks_of_known_clients_and_nothing_else_by_their_schemes() {
        let accepts = |uri: &str| {
            let (scheme, rest) = uri.split_once(':').expect("a scheme");
            Schemes::default().accepts(scheme, rest)
        };
        for callback in [
            "claude://claude.ai/mcp-auth-callback/sdk",
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "cursor://anysphere.cursor-mcp/oauth/callback?a=1",
            "cursor://anysphere.cursor-retrieval/oauth/user-x/callback",
            "raycast://oauth?package_name=Extension",
            "vscode://saoudrizwan.claude-dev/mcp-auth/callback/1f",
            "vscode-insiders://saoudrizwan.claude-dev/mcp-auth/callback/1f",
            "warp://mcp/oauth2callback?server_id=1",
        ] {
            assert!(accepts(callback), "{callback}");
        }
        for other in [
            "claude://claude.ai/new?q=x",
            "claude://code/?q=x",
            "cursor://anysphere.cursor-mcp/oauth/callbacks",
            "cursor://anysphere.cursor-deeplink/mcp/install?name=x&config=y",
            "cursor://file/etc/passwd",
            "raycast://oauthx",
            "raycast://extensions/a/b/c",
            "vscode://vscode.git/clone?url=x",
            "vscode://file/x",
            "vscode://saoudrizwan.claude-dev/task?prompt=x",
            "vscode://saoudrizwan.claude-dev/mcp-auth/callback/../../task",
            "vscode:extension/a.b",
            "warp://action/new_tab?path=x",
            "warp:mcp/oauth2callback",
        ] {
            assert!(!accepts(other), "{other}");
        }
    }
}
