//! The authorization server: decides which client gets a token, for whose journal, and for which scopes.
//!
//! Knows no MCP, no journal and no HTML; the pages that a person sees are in `pages/`. The files in the order of the
//! protocol: a client reads [`metadata`], registers itself ([`register`], [`clients`]), sends the person's browser to
//! the authorization endpoint ([`authorize`], [`redirect`]), and trades the code that comes back for tokens
//! ([`token`], [`grants`]). Later it gives a token back ([`revoke`]), or a resource server asks what a token is
//! ([`introspect`]).
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
pub(crate) mod token;

pub(crate) use self::error::OAuthError;

use crate::http::request::{Body, Head};
use crate::limits;
use crate::site;

/// The parameters of a request, from its query or its form.
///
/// Each is there at most once, and one with an empty value counts as left out (OAuth 2.1 §3.1, §3.2). A repeated one
/// is refused, because programs disagree about which of the two counts: a filter in front of the server could check
/// the first `redirect_uri` while the server sends the code to the last. Unknown ones are kept and never read: both
/// clauses demand that they are ignored, so that later extensions can add some.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `name=value&…`. Only `resource` may be repeated: RFC 8707 §2 lets a client name several.
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
    /// the type is wrong, and doesn't search for the parameters that are said to be missing.
    pub(crate) fn read(head: &Head, body: &mut Body) -> Result<Parameters, OAuthError> {
        if !head.is_of_type("application/x-www-form-urlencoded") {
            return Err(OAuthError::ContentType);
        }
        Parameters::parse(&body.read(limits::OAUTH_BODY_BYTES_MAX)?)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The value of a parameter without which the request can't be served.
    pub(crate) fn need(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or(OAuthError::Missing(name))
    }

    /// Every value of a parameter that may be repeated.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Refuses a request that names a `resource` other than this server's MCP endpoint (RFC 8707 §2).
///
/// Otherwise the client would get a token that it believes to be for another server, and would send it there: that
/// server could then use it here. A client that names none gets a token for the endpoint, since this server protects
/// nothing else; those of the MCP revision 2025-03-26 don't know the parameter.
///
/// Scheme and host compare without case (RFC 3986 §6.2.2.1), the path with it. One slash at the end is tolerated,
/// because some clients' URL types add it to every URL.
pub(crate) fn names_our_resource(parameters: &Parameters, base_url: &str) -> Result<(), OAuthError> {
    let ours = format!("{base_url}{}", site::MCP);
    let same = |named: &str| {
        let named = named.strip_suffix('/').unwrap_or(named);
        named.get(..base_url.len()).is_some_and(|start| start.eq_ignore_ascii_case(base_url))
            && named[base_url.len()..] == ours[base_url.len()..]
    };
    if parameters.all("resource").all(same) { Ok(()) } else { Err(OAuthError::ForeignResource) }
}
