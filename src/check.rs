//! The list of checks that a request passes on its way to the journal: what each is called, what must hold, the
//! clause that asks for it, what the client gets when it doesn't hold, and what a person can do about that.
//!
//! Knows no request and makes no decision: `gate.rs` makes the checks. The list has its own file because the log, the
//! wire view and `epicme explain` print the same names.

use std::borrow::Cow;

use self::Remedy::{ByDeployment, Fixed};
use crate::site::{self, Site};

/// One check, named for what must hold. They are made in this order, and the first that fails decides the response.
/// (`routes` makes [`Check::IsPreflight`], which decides only if it holds; the gate makes the others.)
///
/// First come the checks that need only the head, then those that need the database or the other server, last those
/// of what the token allows. So most bad requests are refused before a look-up, and the log names the first thing
/// that has to be mended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Check {
    /// `Host` is one of this server's own names. Otherwise a foreign web page could reach a server on this machine by
    /// pointing its own name here (DNS rebinding).
    HostIsOurs,
    /// `Origin`, if there is one, is a web page that may use this server.
    OriginIsAllowed,
    /// The request is a CORS preflight. It is recorded only if it holds, because other requests go on without it.
    IsPreflight,
    /// There is an `Authorization` field. A client that has no token yet fails here, and learns from the challenge of
    /// the 401 where to get one.
    HasAuthorization,
    /// There is only one `Authorization` field. If there were two, a proxy could have checked the one that isn't used
    /// here.
    OneAuthorization,
    /// The query holds no second token beside the one in the field. URLs end up in logs and browser histories.
    NoTokenInQuery,
    /// The `Authorization` field is not empty. It is a check of its own, with a remedy of its own, because the MCP
    /// Inspector sends such a field until the person removes it. Like the next check, it is answered as if there were
    /// no field.
    NotEmpty,
    /// The scheme of the credentials is `Bearer`. RFC 6750 §3.1 counts another scheme like no credentials: the client
    /// doesn't know yet what this server takes.
    SchemeIsBearer,
    /// What follows `Bearer` is one token of the right form. If this server issues the tokens, the form alone shows a
    /// pasted key of another service or a token that was cut short. Another server's token may have almost any form.
    TokenWellFormed,
    /// The database, or the other authorization server, could be asked about the token. If this fails, a server is at
    /// fault and not the client.
    TokenLookedUp,
    /// The token is one that was issued and still exists.
    TokenKnown,
    /// The token was not revoked. The row of a revoked token is kept, so that the log can name this cause.
    NotRevoked,
    /// The token has not expired.
    NotExpired,
    /// The token was issued for this server (RFC 8707). Otherwise another server that a person gave a token to could
    /// use that token here, as that person.
    AudienceIsOurs,
    /// The token has at least one scope that this server knows. This is the last check of [`Gate::admit`]; if it
    /// holds, the caller is admitted.
    ///
    /// [`Gate::admit`]: crate::gate::Gate::admit
    HasKnownScope,
    /// The token has every scope that the operation needs. If so, the operation is permitted.
    HasNeededScope,
}

/// The facts of one check: the log, the response and `epicme explain` take them from here.
pub struct Facts {
    /// The check's name in the wire view and in `epicme explain`.
    pub name: &'static str,
    /// What must hold, in words that read on from one check to the next.
    pub requirement: &'static str,
    /// The clause that the check obeys.
    pub clause: &'static str,
    /// What the log calls a request that failed this check.
    pub failure: &'static str,
    /// What the client gets when this check fails.
    pub(crate) response: ErrorResponse,
    /// What the log calls a request if this check was the last one and held.
    pub success: Option<&'static str>,
    /// What the person who runs the client or the server can do about a failure. The log and `epicme explain` show it
    /// to the operator. No response has it, because it would tell a stranger who tries tokens which check each of
    /// them failed. [`Check::remedy`] gives its words.
    remedy: Option<Remedy>,
}

/// What can be done about a failure.
enum Remedy {
    /// The same for every server.
    Fixed(&'static str),
    /// Depends on how the operator has started the server.
    ByDeployment(fn(&Deployment) -> String),
}

/// How the operator has started the server, as far as a remedy depends on it. Advice that doesn't fit is worse than
/// none: it sends a person to an option that is set already, or to a server that doesn't issue the tokens.
pub struct Deployment {
    /// The names that `Host` may have, as a list for people.
    pub hosts: String,
    /// The public URL, if there is one.
    pub public_url: Option<String>,
    /// The issuer of the tokens, if that is another server.
    pub issuer: Option<String>,
}

impl Deployment {
    pub(crate) fn new(site: &Site, issuer: Option<&str>) -> Deployment {
        let public_url = site.public_url().map(str::to_owned);
        Deployment { hosts: site.hosts(), public_url, issuer: issuer.map(str::to_owned) }
    }
}

/// The response to a failed check. The gate writes the error as JSON, and also into the challenge if there is one.
pub(crate) struct ErrorResponse {
    pub(crate) status: u16,
    /// The error code of RFC 6750 §3.1, or one like it; `None` for a request without credentials, whose response is
    /// plain text.
    pub(crate) error: Option<&'static str>,
    /// One sentence for the person who reads the client's log. The challenge has this sentence as a quoted-string, so
    /// it has no quotation mark and no byte beyond ASCII.
    pub(crate) description: &'static str,
}

const fn refusal(status: u16, error: &'static str, description: &'static str) -> ErrorResponse {
    ErrorResponse { status, error: Some(error), description }
}

// The refusals that more than one check leads to.

/// RFC 6750 §3.1: a client that sends no credentials, or tries a scheme that isn't served here, doesn't know yet what
/// it needs. So its challenge names no error. The one word is for people, and for a client in the field that takes a
/// 401 without a body for a server that is broken.
const NO_CREDENTIALS: ErrorResponse = ErrorResponse { status: 401, error: None, description: "Unauthorized" };
/// One response for all the ways in which a token can be invalid. In each case a client can only get another token.
/// Only the log says which check failed, so a stranger who tries tokens learns nothing.
const BAD_TOKEN: ErrorResponse = refusal(401, "invalid_token", "The access token is invalid or expired");

// The refusals of one check each.

/// The names are in the log alone: a foreign page that got here by DNS rebinding could read them in the response.
const FOREIGN_HOST: ErrorResponse =
    refusal(403, "access_denied", "Host is not a name of this server; its log says what to do");
const FOREIGN_PAGE: ErrorResponse = refusal(403, "access_denied", "Origin may not use this server");
const TWO_FIELDS: ErrorResponse = refusal(400, "invalid_request", "There must be one Authorization header");
/// RFC 6750 §3.1 puts two tokens in one request under `invalid_request`: neither of them was looked at.
const TWO_TOKENS: ErrorResponse =
    refusal(400, "invalid_request", "The access token belongs in the Authorization header alone");
/// Not a 401: a client that gets a 401 throws its token away, and the person would have to sign in again because the
/// database failed for a moment.
const NO_LOOK_UP: ErrorResponse =
    refusal(503, "temporarily_unavailable", "The access token can't be checked now; try again");
/// The scopes are written out, because a constant can't be built from `Scopes::ALL`; the test below compares the two.
const NO_SCOPE: ErrorResponse = refusal(
    403,
    "insufficient_scope",
    "This server needs at least one of user:read entries:read entries:write tags:read tags:write",
);
/// The gate replaces this description by the operation's name and the scopes that the operation needs.
const MISSING_SCOPE: ErrorResponse = refusal(403, "insufficient_scope", "The token lacks a scope");

const MCP_SECURITY: &str = "MCP Streamable HTTP, Security & Endpoint";
const INVALID_TOKEN: &str = "OAuth 2.1 §5.3.2, invalid_token";
const INSUFFICIENT_SCOPE: &str = "OAuth 2.1 §5.3.2, insufficient_scope";

impl Check {
    /// Every check, in the order in which they are made. The tests go through this list: for each check they need a
    /// request that fails it, and one that passes.
    pub const ALL: [Check; 16] = [
        Check::HostIsOurs,
        Check::OriginIsAllowed,
        Check::IsPreflight,
        Check::HasAuthorization,
        Check::OneAuthorization,
        Check::NoTokenInQuery,
        Check::NotEmpty,
        Check::SchemeIsBearer,
        Check::TokenWellFormed,
        Check::TokenLookedUp,
        Check::TokenKnown,
        Check::NotRevoked,
        Check::NotExpired,
        Check::AudienceIsOurs,
        Check::HasKnownScope,
        Check::HasNeededScope,
    ];

    /// Returns the facts of a check. This is a `match` and not an array, so that a check without its facts doesn't
    /// compile.
    pub fn facts(self) -> &'static Facts {
        match self {
            Check::HostIsOurs => &Facts {
                name: "host_is_ours",
                requirement: "Host is a name of this server",
                clause: MCP_SECURITY,
                failure: "foreign-host",
                response: FOREIGN_HOST,
                success: None,
                remedy: Some(ByDeployment(host_remedy)),
            },
            Check::OriginIsAllowed => &Facts {
                name: "origin_is_allowed",
                requirement: "no foreign web page sends this (Origin)",
                clause: MCP_SECURITY,
                failure: "foreign-origin",
                response: FOREIGN_PAGE,
                success: None,
                remedy: Some(ByDeployment(origin_remedy)),
            },
            Check::IsPreflight => &Facts {
                name: "is_preflight",
                requirement: "the browser asks before it sends",
                clause: "Fetch §3.3.2, CORS-preflight request",
                failure: "no-preflight",
                // Never sent: a request that is no preflight goes on to the next check.
                response: NO_CREDENTIALS,
                success: Some("preflight"),
                remedy: None,
            },
            Check::HasAuthorization => &Facts {
                name: "has_authorization",
                requirement: "there is an Authorization field",
                clause: "RFC 6750 §3, RFC 9728 §5.1",
                failure: "no-token",
                response: NO_CREDENTIALS,
                success: None,
                remedy: Some(Fixed(
                    "every client begins like this: the challenge tells it where to get a token",
                )),
            },
            Check::OneAuthorization => &Facts {
                name: "one_authorization",
                requirement: "there is only one",
                clause: "OAuth 2.1 §5.3.2",
                failure: "repeated-authorization",
                response: TWO_FIELDS,
                success: None,
                remedy: Some(Fixed("let the client send one Authorization header")),
            },
            Check::NoTokenInQuery => &Facts {
                name: "no_token_in_query",
                requirement: "the query holds no second token",
                clause: "OAuth 2.1 §5.3.2",
                failure: "token-in-query",
                response: TWO_TOKENS,
                success: None,
                remedy: Some(Fixed("take the token out of the URL, where it ends up in logs")),
            },
            Check::NotEmpty => &Facts {
                name: "not_empty",
                requirement: "the field is not empty",
                clause: "OAuth 2.1 §5.1.1",
                failure: "empty-authorization",
                response: NO_CREDENTIALS,
                success: None,
                remedy: Some(Fixed(
                    "the client sends an empty Authorization header: remove it from the client's custom headers (the \
                     MCP Inspector keeps one there), and it will ask for access by itself",
                )),
            },
            Check::SchemeIsBearer => &Facts {
                name: "scheme_is_bearer",
                requirement: "its scheme is Bearer",
                clause: "OAuth 2.1 §5.1.1",
                failure: "not-bearer",
                response: NO_CREDENTIALS,
                success: None,
                remedy: Some(Fixed(
                    "the client sends its own Authorization header, which is not a Bearer token: remove it from the \
                     client's custom headers, and it will ask for access by itself",
                )),
            },
            Check::TokenWellFormed => &Facts {
                name: "token_well_formed",
                requirement: "the token is well-formed",
                clause: "OAuth 2.1 §5.1.1",
                failure: "malformed-token",
                response: BAD_TOKEN,
                success: None,
                remedy: Some(ByDeployment(malformed_token_remedy)),
            },
            Check::TokenLookedUp => &Facts {
                name: "token_looked_up",
                requirement: "the token could be looked up",
                clause: "RFC 9110 §15.6.4",
                failure: "lookup-failed",
                response: NO_LOOK_UP,
                success: None,
                remedy: Some(Fixed("the note before this line in the log says why, and what to do")),
            },
            Check::TokenKnown => &Facts {
                name: "token_known",
                requirement: "the token is known",
                clause: INVALID_TOKEN,
                failure: "unknown-token",
                response: BAD_TOKEN,
                success: None,
                remedy: Some(ByDeployment(unknown_token_remedy)),
            },
            Check::NotRevoked => &Facts {
                name: "not_revoked",
                requirement: "the token was not revoked",
                clause: INVALID_TOKEN,
                failure: "revoked",
                response: BAD_TOKEN,
                success: None,
                remedy: Some(Fixed("it was revoked: get a new one")),
            },
            Check::NotExpired => &Facts {
                name: "not_expired",
                requirement: "the token has not expired",
                clause: INVALID_TOKEN,
                failure: "expired",
                response: BAD_TOKEN,
                success: None,
                remedy: Some(ByDeployment(expired_token_remedy)),
            },
            Check::AudienceIsOurs => &Facts {
                name: "audience_is_ours",
                requirement: "the token's audience is this server",
                clause: "RFC 8707 §2, OAuth 2.1 §5.2",
                failure: "wrong-audience",
                response: BAD_TOKEN,
                success: None,
                remedy: Some(ByDeployment(audience_remedy)),
            },
            Check::HasKnownScope => &Facts {
                name: "has_known_scope",
                requirement: "the token has a scope that is known here",
                clause: INSUFFICIENT_SCOPE,
                failure: "no-scope",
                response: NO_SCOPE,
                success: Some("admitted"),
                remedy: Some(ByDeployment(scope_remedy)),
            },
            Check::HasNeededScope => &Facts {
                name: "has_needed_scope",
                requirement: "the token has the scope this needs",
                clause: INSUFFICIENT_SCOPE,
                failure: "missing-scope",
                response: MISSING_SCOPE,
                success: Some("permitted"),
                remedy: Some(ByDeployment(scope_remedy)),
            },
        }
    }

    /// Returns what a person can do about a failure of this check at a server that was started in this way.
    pub fn remedy(self, deployment: &Deployment) -> Option<Cow<'static, str>> {
        self.facts().remedy.as_ref().map(|remedy| match remedy {
            Fixed(words) => Cow::Borrowed(*words),
            ByDeployment(words) => Cow::Owned(words(deployment)),
        })
    }
}

// The remedies that depend on how the server was started, in the order of the checks.

/// A server with a public URL has its name already, so what is missing is in the proxy: by default nginx sends the
/// name that it connects to. Its `$host` leaves the port out.
fn host_remedy(deployment: &Deployment) -> String {
    let Deployment { hosts, public_url, .. } = deployment;
    let Some(url) = public_url else {
        return "if that name is this server's, start it with --public-url https://NAME".to_owned();
    };
    let variable = if url.matches(':').count() > 1 { "$http_host" } else { "$host" };
    format!(
        "let the proxy pass the Host header (`proxy_set_header Host {variable}` in nginx); this server's names are \
         {hosts}"
    )
}

fn origin_remedy(deployment: &Deployment) -> String {
    let public = deployment.public_url.as_ref().map(|url| format!(" and of {url}"));
    format!(
        "only pages of this machine{} may use this server: open the client's page there, or start the server \
         with that page's origin in --allowed-origins",
        public.unwrap_or_default()
    )
}

fn malformed_token_remedy(deployment: &Deployment) -> String {
    let (token, source) = match &deployment.issuer {
        None => ("a token of this server", "`epicme token create`"),
        Some(issuer) => ("a token", issuer.as_str()),
    };
    format!(
        "the Authorization header does not hold {token}: remove it from the client's custom headers, or replace it \
         by a whole one from {source}"
    )
}

fn unknown_token_remedy(deployment: &Deployment) -> String {
    match &deployment.issuer {
        None => {
            "it may be another server's, or its person, client or grant was removed: get a new one".to_owned()
        }
        // RFC 7662 §2.2: the other server doesn't say why.
        Some(issuer) => format!(
            "{issuer} calls it inactive: it has expired, was revoked, or is another server's; get a new one there"
        ),
    }
}

fn expired_token_remedy(deployment: &Deployment) -> String {
    match &deployment.issuer {
        None => "refresh it, or make a new one with `epicme token create`".to_owned(),
        Some(issuer) => format!(
            "refresh it, or get a new one from {issuer}; if it is new, compare the clocks of the two servers"
        ),
    }
}

fn audience_remedy(deployment: &Deployment) -> String {
    let Deployment { public_url, issuer, .. } = deployment;
    match (issuer, public_url) {
        (None, None) => {
            "the token was made for a public URL, and this server has none: make one with `epicme token \
                         create`, or start the server with that --public-url"
                .to_owned()
        }
        (None, Some(url)) => format!(
            "the token was made for another URL: make one with `epicme token create --public-url {url}`"
        ),
        (Some(issuer), url) => {
            let audience = url.as_ref().map(|url| format!("{url}{}", site::MCP));
            let audience = audience.as_deref().unwrap_or("the URL that the client calls");
            format!(
                "its audience is not {audience}, or its issuer not {issuer}: get one there that names both"
            )
        }
    }
}

fn scope_remedy(deployment: &Deployment) -> String {
    match &deployment.issuer {
        None => "ask for the scopes that the challenge names; the person may allow them".to_owned(),
        Some(issuer) => format!(
            "ask {issuer} for the scopes that the challenge names; its operator may have to add them there first"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::Scopes;

    #[test]
    fn gives_advice_that_fits_how_the_server_was_started() {
        for (public_url, issuer) in [
            (None, None),
            (Some("https://journal.example"), None),
            (None, Some("https://auth.example")),
            (Some("https://journal.example"), Some("https://auth.example")),
        ] {
            let hosts = "journal.example, 127.0.0.1:8787".to_owned();
            let deployment = Deployment {
                hosts,
                public_url: public_url.map(str::to_owned),
                issuer: issuer.map(str::to_owned),
            };
            for check in Check::ALL {
                let Some(remedy) = check.remedy(&deployment) else { continue };
                if issuer.is_some() {
                    assert!(!remedy.contains("epicme token"), "{remedy}");
                } else {
                    assert!(!remedy.contains("auth.example"), "{remedy}");
                }
                if public_url.is_none() {
                    assert!(!remedy.contains("journal.example"), "{remedy}");
                }
            }
            let host = Check::HostIsOurs.remedy(&deployment).expect("a remedy");
            assert_eq!(host.contains("--public-url"), public_url.is_none(), "{host}");
            assert_eq!(
                host.contains("names are journal.example, 127.0.0.1:8787"),
                public_url.is_some(),
                "{host}"
            );
            for check in [Check::TokenWellFormed, Check::TokenKnown, Check::NotExpired, Check::AudienceIsOurs]
            {
                let remedy = check.remedy(&deployment).expect("a remedy");
                assert_eq!(remedy.contains("auth.example"), issuer.is_some(), "{remedy}");
            }
        }
    }

    #[test]
    fn names_the_variable_of_nginx_that_has_the_port_of_the_public_url() {
        let remedy = |url: &str| {
            let public_url = Some(url.to_owned());
            let deployment = Deployment { hosts: String::new(), public_url, issuer: None };
            Check::HostIsOurs.remedy(&deployment).expect("a remedy").into_owned()
        };
        assert!(remedy("https://journal.example").contains("proxy_set_header Host $host`"));
        assert!(remedy("https://journal.example:8443").contains("proxy_set_header Host $http_host`"));
    }

    #[test]
    fn describes_each_failure_in_words_that_fit_a_quoted_string() {
        for check in Check::ALL {
            let description = check.facts().response.description;
            assert!(
                description.is_ascii() && !description.contains(['"', '\\', '\r', '\n']),
                "{description}"
            );
        }
        let all = Check::HasKnownScope.facts().response.description;
        assert!(all.ends_with(&format!(" of {}", Scopes::ALL)), "{all}");
    }
}
