//! The authorization server: decides which client gets a token, for whose journal, and for which scopes.
//!
//! Imports nothing of `mcp`, `journal` or `pages`. Of MCP it knows the URL of the endpoint that tokens are for; the
//! pages that a person sees are in `pages/`. The files in the order of the protocol: a client reads [`metadata`],
//! registers itself ([`register`], [`clients`]), sends the person's browser to the authorization endpoint
//! ([`authorize`], [`redirect`], [`schemes`]), and trades the code that comes back for tokens ([`token`], [`grants`]).
//! Later it gives a token back ([`revoke`]), or a resource server asks what a token is ([`introspect`]).
//!
//! "OAuth 2.1" is draft-ietf-oauth-v2-1-13 wherever a clause of it is named. The number of the draft matters, because
//! its sections moved between drafts. It gathers RFC 6749 (the framework), RFC 7636 (PKCE), RFC 8252 (native apps)
//! and RFC 9700 (security) and drops what they deprecated; an older RFC is named where only its text has the rule.

pub(crate) mod authorize;
pub(crate) mod clients;
mod error;
pub(crate) mod grants;
pub(crate) mod introspect;
pub(crate) mod metadata;
pub(crate) mod redirect;
pub(crate) mod register;
pub(crate) mod revoke;
pub(crate) mod schemes;
pub(crate) mod token;

pub(crate) use self::error::OAuthError;

use crate::http::request::{Body, Head};
use crate::limits;
use crate::scope::Scopes;
use crate::site;

/// The parameters of a request, from its query or its form.
///
/// Each name is there at most once, except `resource`, and a parameter with an empty value counts as left out (OAuth
/// 2.1 §3.1, §3.2). A repeated name is refused, because programs disagree about which of the two values counts: a
/// filter in front of the server could check the first `redirect_uri` while the server sends the code to the last. No
/// code asks for a parameter with an unknown name: both clauses demand that a server ignores it, so that later
/// extensions can add parameters.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `name=value&…`. Only `resource` may be repeated: RFC 8707 §2 lets a client name several
    /// resources. Fails only on another repeated name or too many parameters: a broken escape is kept as it is
    /// written, and bytes that aren't UTF-8 become U+FFFD. A parameter without a value counts as left out (OAuth 2.1
    /// §3.1).
    pub(crate) fn parse(bytes: &[u8]) -> Result<Parameters, OAuthError> {
        let mut found: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(bytes) {
            if value.is_empty() {
                continue;
            }
            // Each parameter is compared with all before it. Without a bound, a form of 64 KiB with ten thousand
            // names would cost fifty million comparisons, and its sender needs no account for that.
            if found.len() >= limits::PARAMETERS_MAX {
                return Err(OAuthError::TooManyParameters);
            }
            if name != "resource" && found.iter().any(|(known, _)| *known == name) {
                return Err(OAuthError::Repeated);
            }
            found.push((name.into_owned(), value.into_owned()));
        }
        Ok(Parameters(found))
    }

    /// Reads the form in a body.
    ///
    /// Nearly every text can be parsed as a form. So the type is checked first: a client that sends JSON learns that
    /// the type is wrong, instead of searching for parameters that an error calls missing.
    pub(crate) fn read(head: &Head, body: &mut Body) -> Result<Parameters, OAuthError> {
        Parameters::read_long(head, body, limits::OAUTH_BODY_BYTES_MAX)
    }

    /// Reads a form that may have so many bytes. The sender of a long one must be known already.
    pub(crate) fn read_long(
        head: &Head,
        body: &mut Body,
        bytes_max: usize,
    ) -> Result<Parameters, OAuthError> {
        if !head.is_form() {
            return Err(OAuthError::ContentType);
        }
        Parameters::parse(&body.read(bytes_max)?)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Returns the value of a required parameter, or an error that names the parameter.
    pub(crate) fn need(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or(OAuthError::Missing(name))
    }

    /// Returns the scopes of this server that `scope` names, or `None` if it names nothing: blanks alone separate no
    /// names, so they count as left out, as an empty value does.
    pub(crate) fn scopes(&self) -> Option<Scopes> {
        let named = self.get("scope").filter(|named| !named.trim_ascii().is_empty());
        named.map(Scopes::parse_known)
    }

    /// Returns every value of a parameter that may be repeated.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Refuses a request that names a `resource` other than this server's MCP endpoint (RFC 8707 §2).
///
/// Otherwise the client would take its new token for one of the other server, and would send the token there; the
/// other server could then use the token here. A client that names no resource gets a token for the endpoint, since
/// this server protects nothing else; clients of the protocol version 2025-03-26 don't know the parameter.
///
/// Two spellings of one URL are one resource ([`site::same_url`]); `/MCP` is another path, though. One slash at the
/// end is tolerated, because some clients' URL types add it to every URL. Each `resource` that the request names must
/// be ours.
pub(crate) fn require_our_resource(parameters: &Parameters, base_url: &str) -> Result<(), OAuthError> {
    let ours = format!("{base_url}{}", site::MCP);
    let same = |named: &str| site::same_url(named.strip_suffix('/').unwrap_or(named), &ours);
    if parameters.all("resource").all(same) { Ok(()) } else { Err(OAuthError::ForeignResource) }
}
