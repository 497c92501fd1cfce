//! The authorization server: how a client gets a token, and a person's leave for it.
//!
//! Knows no MCP and no journal. One file for each endpoint; each reads top-down as its RFC does. "OAuth 2.1" is
//! draft-ietf-oauth-v2-1-13 wherever a clause of it is named.

pub mod authorize;
pub mod clients;
pub mod grants;
pub mod introspect;
pub mod metadata;
pub mod redirect;
pub mod register;
pub mod revoke;
pub mod token;

use serde_json::json;

use self::redirect::BadRedirect;
use crate::exchange::{Exchange, Refused};
use crate::gate;
use crate::limits;
use crate::request::{BadRequest, Body, Head};
use crate::response::Response;
use crate::store::StoreError;
use crate::trace;

/// Every reason for which an endpoint refuses: one variant, one error code, one name in the log.
#[derive(Debug)]
pub enum Fault {
    /// The body isn't `application/x-www-form-urlencoded` (OAuth 2.1 §3.2.2), or isn't JSON where that is asked.
    ContentType,
    /// A parameter is there twice (OAuth 2.1 §3.1).
    Repeated,
    /// More than [`limits::PARAMETERS_MAX`] parameters.
    TooManyParameters,
    /// A parameter is missing or empty.
    Missing(&'static str),
    /// A parameter is too long or has octets that it can't have.
    Malformed(&'static str),
    /// Nobody registered this client id, or it was removed.
    UnknownClient,
    /// The client's secret is wrong or missing.
    WrongSecret,
    /// Client credentials in two places (OAuth 2.1 §2.4).
    TwoCredentials,
    /// The redirect URI isn't one of the client's own.
    ForeignRedirect,
    /// A response type other than `code`.
    ResponseType,
    /// No PKCE challenge, or one that isn't S256 (OAuth 2.1 §7.5.1).
    Challenge,
    /// None of the requested scopes is one of ours.
    NoScope,
    /// A resource that isn't this server's endpoint (RFC 8707 §2).
    ForeignResource,
    /// The person said no.
    Denied,
    /// A grant type other than the two that are served.
    GrantType,
    /// A code that was never given or has been forgotten.
    UnknownCode,
    /// A code that was redeemed before: what it gave is revoked (OAuth 2.1 §4.1.3).
    CodeReplayed,
    /// A code past its minute.
    CodeExpired,
    /// A code or token that was given to another client.
    AnotherClient,
    /// Another redirect URI than the code was sent to.
    WrongRedirect,
    /// The verifier doesn't match the challenge.
    WrongVerifier,
    /// A refresh token that was never given or has been forgotten.
    UnknownRefresh,
    /// A refresh token that was rotated away: the whole grant is revoked (OAuth 2.1 §4.3.1).
    RefreshReused,
    /// A refresh token that lay idle too long.
    RefreshExpired,
    /// A code or refresh token for what this server guarded under another name.
    AnotherResource,
    /// What the person allowed was taken back.
    GrantRevoked,
    /// More scope than the person allowed.
    ScopeWidened,
    /// A registration whose metadata can't be accepted.
    Metadata(&'static str),
    /// A registration with a redirect URI that can't be accepted.
    Redirect(BadRedirect),
    /// Too many requests of this kind.
    TooMany,
    /// The database failed.
    Store(StoreError),
    /// The body can't be read.
    Bytes(BadRequest),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault::Store(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        Fault::Store(error.into())
    }
}

impl From<BadRequest> for Fault {
    fn from(bad: BadRequest) -> Fault {
        Fault::Bytes(bad)
    }
}

impl Fault {
    /// The fault's name in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Fault::ContentType => "content-type",
            Fault::Repeated => "parameter-repeated",
            Fault::TooManyParameters => "too-many-parameters",
            Fault::Missing(_) => "parameter-missing",
            Fault::Malformed(_) => "parameter-malformed",
            Fault::UnknownClient => "unknown-client",
            Fault::WrongSecret => "wrong-client-secret",
            Fault::TwoCredentials => "two-client-credentials",
            Fault::ForeignRedirect => "foreign-redirect",
            Fault::ResponseType => "response-type",
            Fault::Challenge => "pkce-challenge",
            Fault::NoScope => "no-known-scope",
            Fault::ForeignResource => "foreign-resource",
            Fault::Denied => "denied",
            Fault::GrantType => "grant-type",
            Fault::UnknownCode => "unknown-code",
            Fault::CodeReplayed => "code-replayed",
            Fault::CodeExpired => "code-expired",
            Fault::AnotherClient => "another-client",
            Fault::WrongRedirect => "wrong-redirect",
            Fault::WrongVerifier => "wrong-verifier",
            Fault::UnknownRefresh => "unknown-refresh-token",
            Fault::RefreshReused => "refresh-token-reused",
            Fault::RefreshExpired => "refresh-token-expired",
            Fault::AnotherResource => "another-resource",
            Fault::GrantRevoked => "grant-revoked",
            Fault::ScopeWidened => "scope-widened",
            Fault::Metadata(_) => "client-metadata",
            Fault::Redirect(_) => "redirect-uri",
            Fault::TooMany => "too-many",
            Fault::Store(_) => "store-failed",
            Fault::Bytes(_) => "bad-body",
        }
    }

    /// The error code on the wire (OAuth 2.1 §3.2.4, §4.1.2.1; RFC 7591 §3.2.2; RFC 8707 §2).
    pub fn code(&self) -> &'static str {
        match self {
            Fault::UnknownClient | Fault::WrongSecret => "invalid_client",
            Fault::ResponseType => "unsupported_response_type",
            Fault::NoScope | Fault::ScopeWidened => "invalid_scope",
            Fault::ForeignResource => "invalid_target",
            Fault::Denied => "access_denied",
            Fault::GrantType => "unsupported_grant_type",
            Fault::UnknownCode | Fault::CodeReplayed | Fault::CodeExpired | Fault::AnotherClient => {
                "invalid_grant"
            }
            Fault::WrongRedirect | Fault::WrongVerifier => "invalid_grant",
            Fault::UnknownRefresh | Fault::RefreshReused | Fault::RefreshExpired => "invalid_grant",
            Fault::GrantRevoked | Fault::AnotherResource => "invalid_grant",
            Fault::Metadata(_) => "invalid_client_metadata",
            Fault::Redirect(_) => "invalid_redirect_uri",
            Fault::TooMany | Fault::Store(_) => "temporarily_unavailable",
            _ => "invalid_request",
        }
    }

    /// The clause that the refused request breaks, or by which it is refused.
    pub fn clause(&self) -> &'static str {
        match self {
            Fault::ContentType => "OAuth 2.1 §3.2.2",
            Fault::Repeated | Fault::TooManyParameters => "OAuth 2.1 §3.1",
            Fault::Missing(_) | Fault::Malformed(_) => "OAuth 2.1 §3.2.4, §4.1.2.1",
            Fault::UnknownClient | Fault::WrongSecret | Fault::TwoCredentials => "OAuth 2.1 §2.4",
            Fault::ForeignRedirect => "OAuth 2.1 §2.3.1",
            Fault::ResponseType | Fault::NoScope | Fault::Denied => "OAuth 2.1 §4.1.2.1",
            Fault::Challenge => "OAuth 2.1 §7.5.1, RFC 7636 §4.3",
            Fault::ForeignResource | Fault::AnotherResource => "RFC 8707 §2",
            Fault::GrantType | Fault::GrantRevoked => "OAuth 2.1 §3.2.4",
            Fault::UnknownCode | Fault::CodeReplayed | Fault::CodeExpired => "OAuth 2.1 §4.1.3",
            Fault::AnotherClient => "OAuth 2.1 §4.1.3, §4.3.1",
            Fault::WrongRedirect => "OAuth 2.1 §4.1.3",
            Fault::WrongVerifier => "RFC 7636 §4.6",
            Fault::UnknownRefresh | Fault::RefreshReused | Fault::RefreshExpired => "OAuth 2.1 §4.3.1",
            Fault::ScopeWidened => "OAuth 2.1 §4.3.1",
            Fault::Metadata(_) | Fault::Redirect(_) => "RFC 7591 §3.2.2",
            Fault::TooMany => "RFC 6585 §4",
            Fault::Store(_) => "RFC 9110 §15.6.4",
            Fault::Bytes(_) => "RFC 9112 §6",
        }
    }

    /// What is wrong, for whoever writes the client. Why exactly a code or token is refused, the log alone tells.
    pub fn message(&self) -> String {
        match self {
            Fault::ContentType => {
                "the Content-Type of the body is not the one that this endpoint takes".to_owned()
            }
            Fault::Repeated => "a parameter is there more than once".to_owned(),
            Fault::TooManyParameters => "there are too many parameters".to_owned(),
            Fault::Missing(name) => format!("{name} is missing"),
            Fault::Malformed(name) => format!("{name} is malformed or too long"),
            Fault::UnknownClient => "this client is not registered here; register it again".to_owned(),
            Fault::WrongSecret => "the client's credentials are wrong".to_owned(),
            Fault::TwoCredentials => "the client's credentials are there in more than one way".to_owned(),
            Fault::ForeignRedirect => "redirect_uri is not one that the client registered".to_owned(),
            Fault::ResponseType => "response_type must be code".to_owned(),
            Fault::Challenge => "code_challenge is needed, with code_challenge_method S256".to_owned(),
            Fault::NoScope => "none of the requested scopes is known here".to_owned(),
            Fault::ForeignResource => "resource is not this server's endpoint".to_owned(),
            Fault::Denied => "the person did not allow it".to_owned(),
            Fault::GrantType => "grant_type must be authorization_code or refresh_token".to_owned(),
            Fault::ScopeWidened => "scope asks for more than was granted".to_owned(),
            Fault::Metadata(why) => (*why).to_owned(),
            Fault::Redirect(bad) => bad.message().to_owned(),
            Fault::TooMany => "too many requests; try again later".to_owned(),
            Fault::Store(_) => "this can't be decided now; try again".to_owned(),
            Fault::Bytes(bad) => bad.message().to_owned(),
            _ => "the code or token is invalid, expired or revoked".to_owned(),
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Fault::UnknownClient | Fault::WrongSecret => 401,
            Fault::TooMany => 429,
            Fault::Store(_) => 503,
            Fault::Bytes(bad) => bad.status(),
            _ => 400,
        }
    }

    /// The fault as the JSON that the token, revocation, introspection and registration endpoints answer with.
    pub fn answer(&self) -> Response {
        let body = json!({ "error": self.code(), "error_description": self.message() });
        let response = Response::json(self.status(), &body).with("Cache-Control", "no-store");
        match self {
            // OAuth 2.1 §3.2.4: who tried HTTP authentication is told its scheme; a 401 names one in any case.
            Fault::UnknownClient | Fault::WrongSecret => gate::challenge_client(response),
            Fault::TooMany => response.with("Retry-After", "900"),
            Fault::Store(_) => response.with("Retry-After", "5"),
            Fault::Bytes(_) => response.and_close(),
            _ => response,
        }
    }
}

/// Does the work of an endpoint; a fault becomes the answer that `render` makes of it, and its name goes to the log.
pub fn answered(
    exchange: &mut Exchange,
    render: fn(&Fault) -> Response,
    work: impl FnOnce(&mut Exchange) -> Result<Response, Fault>,
) -> Response {
    work(exchange).unwrap_or_else(|fault| {
        note(&fault, exchange);
        render(&fault)
    })
}

/// Names a fault in the log, and tells there what the client must not learn of it.
pub fn note(fault: &Fault, exchange: &mut Exchange) {
    exchange.outcome = Some(fault.name());
    exchange.refused(|| Refused { error: fault.code(), clause: fault.clause(), message: fault.message() });
    if let Fault::Store(error) = fault {
        trace::note(&format!("an OAuth request failed: {error}"));
    }
}

/// The parameters of a request: each at most once, an empty one as good as none (OAuth 2.1 §3.1).
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a query or a form. `resource` may be repeated (RFC 8707 §2).
    pub fn parse(octets: &[u8]) -> Result<Parameters, Fault> {
        let mut found: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(octets) {
            if value.is_empty() {
                continue;
            }
            if found.len() >= limits::PARAMETERS_MAX {
                return Err(Fault::TooManyParameters);
            }
            if name != "resource" && found.iter().any(|(known, _)| *known == name) {
                return Err(Fault::Repeated);
            }
            found.push((name.into_owned(), value.into_owned()));
        }
        Ok(Parameters(found))
    }

    /// Reads the form in a body.
    pub fn read(head: &Head, body: &mut Body) -> Result<Parameters, Fault> {
        if !head.is_of_type("application/x-www-form-urlencoded") {
            return Err(Fault::ContentType);
        }
        Parameters::parse(&body.read(limits::OAUTH_BODY_BYTES_MAX)?)
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The value of a parameter that must be there.
    pub fn need(&self, name: &'static str) -> Result<&str, Fault> {
        self.get(name).ok_or(Fault::Missing(name))
    }

    /// Every value of a parameter that may be repeated.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Refuses a request that names a `resource` other than this server's endpoint. They compare with scheme and host in any case, one
/// trailing slash tolerated (some clients' URL types add it to whatever they are given).
pub fn names_our_resource(parameters: &Parameters, origin: &str) -> Result<(), Fault> {
    let ours = format!("{origin}{}", crate::site::MCP);
    let same = |named: &str| {
        let named = named.strip_suffix('/').unwrap_or(named);
        named.get(..origin.len()).is_some_and(|start| start.eq_ignore_ascii_case(origin))
            && named[origin.len()..] == ours[origin.len()..]
    };
    if parameters.all("resource").all(same) { Ok(()) } else { Err(Fault::ForeignResource) }
}
