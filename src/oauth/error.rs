//! Every reason for which an OAuth endpoint refuses, in one table: name, code, status, clause and words.
//!
//! Handles no request. The pages show the same errors to people, since a browser doesn't read JSON out to its user.
//! Two readers get two views of an error: the client gets a standard code and a sentence for its developer, the log
//! gets the exact reason. For a code or token the two differ on purpose, see [`OAuthError::facts`].

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use serde_json::json;

use super::redirect::BadRedirect;
use crate::gate;
use crate::http::request::BadRequest;
use crate::http::response::Response;
use crate::limits;
use crate::log::{OAuthRefusal, RequestLog};
use crate::store::StoreError;
use crate::text::BadName;

/// Why an endpoint refuses.
#[derive(Debug)]
pub(crate) enum OAuthError {
    // ---- Any endpoint ----
    /// The body isn't `application/x-www-form-urlencoded`, or not in UTF-8.
    ContentType,
    /// A parameter is there more than once.
    Repeated,
    /// There are more parameters than `limits::PARAMETERS_MAX`.
    TooManyParameters,
    /// A parameter is missing or empty.
    Missing(&'static str),
    /// A parameter is too long, or holds bytes that it can't hold.
    Malformed(&'static str),
    /// The database failed.
    Store(StoreError),
    /// The body can't be read.
    Body(BadRequest),

    // ---- The client ----
    /// No client of this id is registered, or it was removed.
    UnknownClient,
    /// The client's secret is wrong or missing, or it has none and sends one.
    WrongSecret,
    /// The client's credentials are in two places.
    TwoCredentials,

    // ---- The authorization endpoint ----
    /// The redirect URI isn't one that the client registered.
    ForeignRedirect,
    /// The response type isn't `code`.
    ResponseType,
    /// There is no PKCE challenge, or one by another method than S256.
    Challenge,
    /// The response mode isn't `query`.
    ResponseMode,
    /// The request is in a request object, in this parameter.
    RequestObject(&'static str),
    /// None of the requested scopes is one of ours.
    NoScope,
    /// The resource isn't this server's endpoint.
    ForeignResource,
    /// The person denied the request.
    Denied,

    // ---- The token endpoint ----
    /// The grant type isn't one of the two that are served.
    GrantType,
    /// The code was never issued, or its row was deleted since.
    UnknownCode,
    /// The code was redeemed before; what it gave is now revoked.
    CodeReplayed,
    /// The code was redeemed too late, see `limits::CODE_SECONDS`.
    CodeExpired,
    /// The code or token was issued to another client.
    AnotherClient,
    /// The code was sent to another redirect URI.
    WrongRedirect,
    /// The verifier doesn't match the challenge.
    WrongVerifier,
    /// The refresh token was never issued, or its row was deleted since.
    UnknownRefresh,
    /// The refresh token was rotated away; the whole grant is now revoked.
    RefreshReused,
    /// Its grant has as many refresh tokens as it may have; the whole grant is now revoked.
    RefreshedTooOften,
    /// The refresh token was not used for too long.
    RefreshExpired,
    /// The code or token was issued for another resource: this server's own under a former public URL.
    AnotherResource,
    /// The person took back what they allowed.
    GrantRevoked,
    /// The client asks for scopes of which the person allowed none.
    NotGranted,

    // ---- Registration ----
    /// The metadata of a registration can't be accepted.
    Metadata(&'static str),
    /// The name of a client can't be accepted.
    Name(BadName),
    /// A redirect URI of a client can't be accepted. It may have been registered when the server accepted more.
    Redirect(BadRedirect),
}

/// What is known of an error, all in one place.
struct Facts {
    /// What the log calls the error, exactly.
    name: &'static str,
    /// The standard code, from which a client's program decides what to do next.
    code: &'static str,
    status: u16,
    /// The clause that the request breaks, or by which it is refused.
    clause: &'static str,
    /// What is wrong, for the person who writes the client. ASCII without quotation marks and backslashes (OAuth 2.1
    /// §3.2.4), and nothing in it is copied from the request.
    words: Cow<'static, str>,
}

impl OAuthError {
    /// The table of errors. Their codes are from OAuth 2.1 §3.2.4 (token endpoint) and §4.1.2.1 (authorization
    /// endpoint), RFC 7591 §3.2.2 (registration) and RFC 8707 §2 (`invalid_target`).
    ///
    /// Every invalid code or refresh token gets the same code and the same sentence; only the log has the exact
    /// reason. A thief who tries a stolen one must not learn whether it was real, whose it was, or what is missing.
    ///
    /// `temporarily_unavailable` is defined for the authorization endpoint alone. The token endpoint has no code for
    /// a server that fails, so it borrows this one; the status 503 and `Retry-After` say what a client needs.
    fn facts(&self) -> Facts {
        const INVALID: &str = "the code or token is invalid, expired or revoked";
        let row = |name, code, status, clause, words: &'static str| {
            let words = Cow::Borrowed(words);
            Facts { name, code, status, clause, words }
        };
        let bad_request = |name, clause, words| row(name, "invalid_request", 400, clause, words);
        let bad_client = |name, words| row(name, "invalid_client", 401, "OAuth 2.1 §2.4", words);
        let bad_grant = |name, clause| row(name, "invalid_grant", 400, clause, INVALID);
        match self {
            OAuthError::ContentType => bad_request(
                "content-type",
                "OAuth 2.1 §3.2.2",
                "the Content-Type of the body must be application/x-www-form-urlencoded, in UTF-8",
            ),
            OAuthError::Repeated => {
                bad_request("parameter-repeated", "OAuth 2.1 §3.1", "a parameter is there more than once")
            }
            OAuthError::TooManyParameters => Facts {
                words: format!("there are more than {} parameters", limits::PARAMETERS_MAX).into(),
                ..bad_request("too-many-parameters", "OAuth 2.1 §3.1", "")
            },
            OAuthError::Missing(name) => Facts {
                words: format!("{name} is missing").into(),
                ..bad_request("parameter-missing", "OAuth 2.1 §3.2.4, §4.1.2.1", "")
            },
            OAuthError::Malformed(name) => Facts {
                words: format!("{name} is malformed or too long").into(),
                ..bad_request("parameter-malformed", "OAuth 2.1 §3.2.4, §4.1.2.1", "")
            },
            OAuthError::Store(_) => row(
                "store-failed",
                "temporarily_unavailable",
                503,
                "RFC 9110 §15.6.4",
                "this can't be decided now; try again",
            ),
            OAuthError::Body(bad) => {
                let is_encoded = *bad == BadRequest::ContentEncoding;
                let clause = if is_encoded { "RFC 9110 §15.5.16" } else { "RFC 9112 §6" };
                row("bad-body", "invalid_request", bad.status(), clause, bad.message())
            }
            OAuthError::UnknownClient => {
                bad_client("unknown-client", "this client is not registered here; register it again")
            }
            OAuthError::WrongSecret => {
                bad_client("wrong-client-secret", "the client's credentials are wrong")
            }
            OAuthError::TwoCredentials => bad_request(
                "two-client-credentials",
                "OAuth 2.1 §2.4",
                "the client must send its credentials once, in one Authorization header or in the body",
            ),
            OAuthError::ForeignRedirect => bad_request(
                "foreign-redirect",
                "OAuth 2.1 §2.3.1",
                "redirect_uri is not one that the client registered",
            ),
            OAuthError::ResponseType => row(
                "response-type",
                "unsupported_response_type",
                400,
                "OAuth 2.1 §4.1.2.1",
                "response_type must be code",
            ),
            OAuthError::Challenge => bad_request(
                "pkce-challenge",
                "OAuth 2.1 §7.5.1, RFC 7636 §4.3",
                "code_challenge is needed, with code_challenge_method S256",
            ),
            // Only the metadata names the modes that are served; OAuth 2.1 leaves this parameter to an extension.
            OAuthError::ResponseMode => bad_request(
                "response-mode",
                "OAuth 2.0 Multiple Response Types §2.1",
                "response_mode must be query, or be left out",
            ),
            OAuthError::RequestObject(parameter) => Facts {
                words: format!("{parameter} is not supported; send the parameters themselves").into(),
                ..row(
                    "request-object",
                    if *parameter == "request" {
                        "request_not_supported"
                    } else {
                        "request_uri_not_supported"
                    },
                    400,
                    "RFC 9101 §7",
                    "",
                )
            },
            OAuthError::NoScope => row(
                "no-known-scope",
                "invalid_scope",
                400,
                "OAuth 2.1 §4.1.2.1",
                "none of the requested scopes is known here",
            ),
            OAuthError::ForeignResource => row(
                "foreign-resource",
                "invalid_target",
                400,
                "RFC 8707 §2",
                "resource is not this server's endpoint",
            ),
            OAuthError::Denied => {
                row("denied", "access_denied", 400, "OAuth 2.1 §4.1.2.1", "the person did not allow it")
            }
            OAuthError::GrantType => row(
                "grant-type",
                "unsupported_grant_type",
                400,
                "OAuth 2.1 §3.2.4",
                "grant_type must be authorization_code or refresh_token",
            ),
            OAuthError::UnknownCode => bad_grant("unknown-code", "OAuth 2.1 §4.1.3"),
            OAuthError::CodeReplayed => bad_grant("code-replayed", "OAuth 2.1 §4.1.3"),
            OAuthError::CodeExpired => bad_grant("code-expired", "OAuth 2.1 §4.1.3"),
            OAuthError::AnotherClient => bad_grant("another-client", "OAuth 2.1 §4.1.3, §4.3.1"),
            OAuthError::WrongRedirect => bad_grant("wrong-redirect", "OAuth 2.1 §4.1.3"),
            OAuthError::WrongVerifier => bad_grant("wrong-verifier", "RFC 7636 §4.6"),
            OAuthError::UnknownRefresh => bad_grant("unknown-refresh-token", "OAuth 2.1 §4.3.1"),
            OAuthError::RefreshReused => bad_grant("refresh-token-reused", "OAuth 2.1 §4.3.1"),
            OAuthError::RefreshedTooOften => bad_grant("refreshed-too-often", "OAuth 2.1 §4.3.1"),
            OAuthError::RefreshExpired => bad_grant("refresh-token-expired", "OAuth 2.1 §4.3.1"),
            OAuthError::AnotherResource => bad_grant("another-resource", "RFC 8707 §2"),
            OAuthError::GrantRevoked => bad_grant("grant-revoked", "OAuth 2.1 §3.2.4"),
            OAuthError::NotGranted => row(
                "scope-not-granted",
                "invalid_scope",
                400,
                "OAuth 2.1 §4.3.1",
                "none of the requested scopes was granted",
            ),
            OAuthError::Metadata(why) => {
                row("client-metadata", "invalid_client_metadata", 400, "RFC 7591 §3.2.2", why)
            }
            OAuthError::Name(bad) => Facts {
                words: format!("client_name {bad}").into(),
                ..row("client-name", "invalid_client_metadata", 400, "RFC 7591 §3.2.2", "")
            },
            OAuthError::Redirect(bad) => Facts {
                words: bad.to_string().into(),
                ..row("redirect-uri", "invalid_redirect_uri", 400, "RFC 7591 §3.2.2", "")
            },
        }
    }

    /// Returns the standard code, for a client that gets the error by redirect.
    pub(crate) fn code(&self) -> &'static str {
        self.facts().code
    }

    pub(crate) fn status(&self) -> u16 {
        self.facts().status
    }

    /// Returns after how many seconds the same request may succeed; `None` if time doesn't mend the error.
    pub(crate) fn retry_seconds(&self) -> Option<u64> {
        matches!(self, OAuthError::Store(_)).then_some(5)
    }

    /// Builds the JSON response of the endpoints that a client's program calls: token, revocation, introspection and
    /// registration.
    #[inline(never)] // see `log::write`
    pub(crate) fn response(&self) -> Response {
        let Facts { code, status, words, .. } = self.facts();
        let body = json!({ "error": code, "error_description": words });
        let mut response = Response::json(status, &body).with("Cache-Control", "no-store");
        if let Some(seconds) = self.retry_seconds() {
            response = response.with("Retry-After", seconds.to_string());
        }
        match self {
            // A 401 names an authentication scheme in any case (RFC 9110 §15.5.2). To a client that sent
            // `Authorization` it has to name the scheme that it used (OAuth 2.1 §3.2.4), and Basic is the only one
            // served here.
            OAuthError::UnknownClient | OAuthError::WrongSecret => gate::challenge_client(response),
            // The rest of the body is unread, so the server couldn't find the beginning of the next request.
            OAuthError::Body(_) => response.and_close(),
            _ => response,
        }
    }

    /// Records the error in the log, with what the client must not learn of it.
    pub(crate) fn record(&self, log: &RequestLog) {
        let Facts { name, code, clause, words, .. } = self.facts();
        log.set_outcome(name);
        log.set_oauth_refusal(|| OAuthRefusal { code, clause, message: words.into_owned() });
        if let OAuthError::Store(error) = self {
            error.note("an OAuth request failed");
        }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.facts().words)
    }
}

impl Error for OAuthError {}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> OAuthError {
        OAuthError::Store(error)
    }
}

impl From<rusqlite::Error> for OAuthError {
    fn from(error: rusqlite::Error) -> OAuthError {
        OAuthError::Store(error.into())
    }
}

impl From<BadRequest> for OAuthError {
    fn from(bad: BadRequest) -> OAuthError {
        OAuthError::Body(bad)
    }
}
