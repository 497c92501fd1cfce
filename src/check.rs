//! The list of checks that a request passes on its way to the journal: what each is called, what must hold, the
//! clause that asks for it, what the client gets when it doesn't hold, and what a person can do about that.
//!
//! Knows no request and makes no decision: `gate.rs` makes the checks. The list has its own file because the log, the
//! wire view and `epicme explain` print the same names.

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
    /// Inspector sends such a field until the person removes it.
    NotEmpty,
    /// The scheme of the credentials is `Bearer`.
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
    /// them failed.
    pub remedy: Option<&'static str>,
}

/// The response to a failed check. The gate writes the error as JSON, and also into the challenge if there is one.
pub(crate) struct ErrorResponse {
    pub(crate) status: u16,
    /// The error code of RFC 6750 §3.1, or one like it; `None` for a request without credentials.
    pub(crate) error: Option<&'static str>,
    /// One sentence for the person who reads the client's log. The challenge has this sentence as a quoted-string, so
    /// it has no quotation mark and no byte beyond ASCII.
    pub(crate) description: &'static str,
}

const fn refusal(status: u16, error: &'static str, description: &'static str) -> ErrorResponse {
    ErrorResponse { status, error: Some(error), description }
}

// The refusals that more than one check leads to.

/// RFC 6750 §3.1: a client without credentials made no mistake, so its challenge names no error.
const NO_CREDENTIALS: ErrorResponse = ErrorResponse { status: 401, error: None, description: "" };
/// One response for all the ways in which a token can be invalid. In each case a client can only get another token.
/// Only the log says which check failed, so a stranger who tries tokens learns nothing.
const BAD_TOKEN: ErrorResponse = refusal(401, "invalid_token", "The access token is invalid or expired");

// The refusals of one check each.

const FOREIGN_HOST: ErrorResponse = refusal(403, "access_denied", "Host is not a name of this server");
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
const ASK_FOR_SCOPES: &str = "ask for the scopes that the challenge names; the person may allow them";

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
                remedy: Some("if that name is this server's, start it with --public-url"),
            },
            Check::OriginIsAllowed => &Facts {
                name: "origin_is_allowed",
                requirement: "no foreign web page sends this (Origin)",
                clause: MCP_SECURITY,
                failure: "foreign-origin",
                response: FOREIGN_PAGE,
                success: None,
                remedy: Some("only pages of this machine and of the public URL may use this server"),
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
                remedy: Some("every client begins like this: the challenge tells it where to get a token"),
            },
            Check::OneAuthorization => &Facts {
                name: "one_authorization",
                requirement: "there is only one",
                clause: "OAuth 2.1 §5.3.2",
                failure: "repeated-authorization",
                response: TWO_FIELDS,
                success: None,
                remedy: Some("let the client send one Authorization header"),
            },
            Check::NoTokenInQuery => &Facts {
                name: "no_token_in_query",
                requirement: "the query holds no second token",
                clause: "OAuth 2.1 §5.3.2",
                failure: "token-in-query",
                response: TWO_TOKENS,
                success: None,
                remedy: Some("take the token out of the URL, where it ends up in logs"),
            },
            Check::NotEmpty => &Facts {
                name: "not_empty",
                requirement: "the field is not empty",
                clause: "OAuth 2.1 §5.1.1",
                failure: "empty-authorization",
                response: BAD_TOKEN,
                success: None,
                remedy: Some(
                    "the client sends an empty Authorization header: remove it from the client's custom headers \
                     (the MCP Inspector keeps one there), and it will ask for access by itself",
                ),
            },
            Check::SchemeIsBearer => &Facts {
                name: "scheme_is_bearer",
                requirement: "its scheme is Bearer",
                clause: "OAuth 2.1 §5.1.1",
                failure: "not-bearer",
                response: BAD_TOKEN,
                success: None,
                remedy: Some(
                    "the client sends its own Authorization header, which is not a Bearer token: remove it from the \
                     client's custom headers, and it will ask for access by itself",
                ),
            },
            Check::TokenWellFormed => &Facts {
                name: "token_well_formed",
                requirement: "the token is well-formed",
                clause: "OAuth 2.1 §5.1.1",
                failure: "malformed-token",
                response: BAD_TOKEN,
                success: None,
                remedy: Some(
                    "the Authorization header does not hold a token of this server: remove it from the client's \
                     custom headers, or replace it by a whole one from `epicme token create`",
                ),
            },
            Check::TokenLookedUp => &Facts {
                name: "token_looked_up",
                requirement: "the token could be looked up",
                clause: "RFC 9110 §15.6.4",
                failure: "lookup-failed",
                response: NO_LOOK_UP,
                success: None,
                remedy: Some("try again; the line before says what is wrong"),
            },
            Check::TokenKnown => &Facts {
                name: "token_known",
                requirement: "the token is known",
                clause: INVALID_TOKEN,
                failure: "unknown-token",
                response: BAD_TOKEN,
                success: None,
                remedy: Some(
                    "it may be another server's, or its person, client or grant was removed: get a new one",
                ),
            },
            Check::NotRevoked => &Facts {
                name: "not_revoked",
                requirement: "the token was not revoked",
                clause: INVALID_TOKEN,
                failure: "revoked",
                response: BAD_TOKEN,
                success: None,
                remedy: Some("it was taken back for good: get a new one"),
            },
            Check::NotExpired => &Facts {
                name: "not_expired",
                requirement: "the token has not expired",
                clause: INVALID_TOKEN,
                failure: "expired",
                response: BAD_TOKEN,
                success: None,
                remedy: Some("refresh it, or make a new one with `epicme token create`"),
            },
            Check::AudienceIsOurs => &Facts {
                name: "audience_is_ours",
                requirement: "the token's audience is this server",
                clause: "RFC 8707 §2, OAuth 2.1 §5.2",
                failure: "wrong-audience",
                response: BAD_TOKEN,
                success: None,
                remedy: Some(
                    "the token was made for another public URL: make one with `epicme token create` and the same \
                     --public-url as the server",
                ),
            },
            Check::HasKnownScope => &Facts {
                name: "has_known_scope",
                requirement: "the token has a scope that is known here",
                clause: INSUFFICIENT_SCOPE,
                failure: "no-scope",
                response: NO_SCOPE,
                success: Some("admitted"),
                remedy: Some(ASK_FOR_SCOPES),
            },
            Check::HasNeededScope => &Facts {
                name: "has_needed_scope",
                requirement: "the token has the scope this needs",
                clause: INSUFFICIENT_SCOPE,
                failure: "missing-scope",
                response: MISSING_SCOPE,
                success: Some("permitted"),
                remedy: Some(ASK_FOR_SCOPES),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::Scopes;

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
