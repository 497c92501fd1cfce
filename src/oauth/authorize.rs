//! What a client asks of the authorization endpoint (OAuth 2.1 §3.1, §4.1), proven and checked.
//!
//! Uses no page: `pages/consent.rs` has the person sign in, shows them the request and takes their decision.
//! Invariants: this file sends the browser only to a [`TrustedRedirect`], and only a match with what the client
//! registered makes one; and the browser leaves only when no server at the other end could receive a cookie under
//! which somebody is still signed in here ([`ClientRedirect::send`]).
//!
//! The request reaches this server through the person's browser, and the person may have followed a link that an
//! attacker wrote. So the server first compares the client and the redirect URI with what was registered, and then
//! checks the rest. The checks come in two halves, which differ in where an error may be reported:
//!
//! 1. [`prove`] finds the client and its redirect URI. Until both are proven, an error is a page of this server.
//! 2. [`AuthorizationRequest::read`] reads the rest. Its errors go to the client, by redirect.

use super::clients::{self, Client, RegisteredBy};
use super::redirect::{self, BadRedirect};
use super::{OAuthError, Parameters, require_our_resource, token};
use crate::app::App;
use crate::http::response::Response;
use crate::limits;
use crate::scope::Scopes;
use crate::sign_ins::SignedOut;

/// A redirect URI that the client registered, with the two parameters that every redirect to it must carry.
///
/// Its fields are private and [`TrustedRedirect::prove`] alone makes one. So a handler that redirects to a client
/// holds the proof that the URI belongs to that client. [`TrustedRedirect::grant`] and [`TrustedRedirect::refuse`]
/// consume the value, since one request has one response.
pub(crate) struct TrustedRedirect {
    uri: String,
    state: Option<String>,
    issuer: String,
}

impl TrustedRedirect {
    /// Proves the redirect URI of a request: it must be one that the client registered (OAuth 2.1 §2.3.1, RFC 9700
    /// §4.1.3). A client that registered only one may leave it out (OAuth 2.1 §2.3.2).
    ///
    /// An attacker who could choose the URI would begin a request of their own in the name of a known client, and the
    /// code that the person allows would come to the attacker. PKCE is no help there: the attacker knows the
    /// verifier. A comparison by pattern ("any path below this host") is no help either: one page on that host that
    /// forwards its visitors would pass the code on.
    fn prove(client: &Client, parameters: &Parameters, issuer: &str) -> Result<TrustedRedirect, OAuthError> {
        let uri = match (parameters.get("redirect_uri"), &client.redirect_uris[..]) {
            (None, [only]) => only,
            (None, _) => return Err(OAuthError::Missing("redirect_uri")),
            (Some(asked), registered) if registered.iter().any(|own| redirect::matches(own, asked)) => asked,
            (Some(_), _) => return Err(OAuthError::ForeignRedirect),
        };
        let state = parameters.get("state").map(str::to_owned);
        Ok(TrustedRedirect { uri: uri.to_owned(), state, issuer: issuer.to_owned() })
    }

    /// Returns the URI. The consent page shows it to the person, and the code is bound to it.
    pub(crate) fn uri(&self) -> &str {
        &self.uri
    }

    /// Builds the redirect to the client with the code that the person's consent gave.
    pub(crate) fn grant(self, code: &str) -> ClientRedirect {
        self.answer(&[("code", code)])
    }

    /// Builds the redirect to the client with the error, the reason why it gets no code (OAuth 2.1 §4.1.2.1). The
    /// browser is the only way to the client: this server has no connection to it at this moment.
    pub(crate) fn refuse(self, error: &OAuthError) -> ClientRedirect {
        let code = match error.code() {
            // The database failed. OAuth 2.1 §4.1.2.1 has both codes: `temporarily_unavailable` is for overload and
            // maintenance, `server_error` for an unexpected condition, which this is. (The token endpoint has no code
            // for it at all, see `OAuthError::facts`.)
            "temporarily_unavailable" => "server_error",
            other => other,
        };
        self.answer(&[("error", code), ("error_description", &error.to_string())])
    }

    /// Builds the redirect to the client with these parameters and the two that belong in every response:
    ///
    /// - `state`, exactly as it came (OAuth 2.1 §4.1.2): by it the client finds the request that it began, and
    ///   refuses a response that it never asked for.
    /// - `iss`, the issuer (RFC 9207 §2). Otherwise a client of several authorization servers couldn't know which of
    ///   them answers, and a hostile server could make the client bring it the code of an honest server (the mix-up
    ///   attack, RFC 9700 §4.4).
    fn answer(self, parameters: &[(&str, &str)]) -> ClientRedirect {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        if let Some(state) = &self.state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", &self.issuer);
        // A query that the client registered must be kept (OAuth 2.1 §2.3).
        let separator = if self.uri.contains('?') { '&' } else { '?' };
        let location = format!("{}{separator}{}", self.uri, query.finish());
        ClientRedirect { uri: self.uri, location, base_url: self.issuer }
    }
}

/// What the server answers the client, with the way there: all that is missing is that the browser is sent.
///
/// This isn't a [`Response`] yet, because the browser may not leave with a live sign-in. Only
/// [`ClientRedirect::send`] makes it one.
pub(crate) struct ClientRedirect {
    uri: String,
    location: String,
    /// The issuer is the base URL.
    base_url: String,
}

impl ClientRedirect {
    /// Sends the browser to the client. If a server there may receive our cookies, `sign_out` is called before, and
    /// must prove that every sign-in under them has ended; if it fails, there is no response. The proof comes back with
    /// the response, and `None` if none was needed. `host` is how the browser's request names this server.
    ///
    /// The status is 303, after which every browser sends a GET without a body. With 307 the browser would repeat the
    /// consent form's POST to the client; with 302 it may do so (OAuth 2.1 §7.5.4).
    pub(crate) fn send<E>(
        self,
        host: Option<&str>,
        sign_out: impl FnOnce() -> Result<SignedOut, E>,
    ) -> Result<(Response, Option<SignedOut>), E> {
        let needs_proof = redirect::may_receive_cookies(&self.uri, &self.base_url, host);
        let proof = if needs_proof { Some(sign_out()?) } else { None };
        let response = Response::see_other(self.location)
            .with("Cache-Control", "no-store") // the URL holds the code
            .with("Referrer-Policy", "no-referrer");
        Ok((response, proof))
    }
}

/// Finds the client of a request and proves where its response may go.
///
/// An error before this proof is a page of this server, never a redirect (OAuth 2.1 §2.3.5, §4.1.2.1). Otherwise the
/// server would be an open redirector: a link that begins with this server's trusted name would lead to any site that
/// the author of the link chose (OAuth 2.1 §7.12.2).
pub(crate) fn prove(
    app: &App,
    parameters: &Parameters,
    issuer: &str,
) -> Result<(Client, TrustedRedirect), OAuthError> {
    let client = clients::find(app, parameters.need("client_id")?)?.ok_or(OAuthError::UnknownClient)?;
    // A state that isn't UTF-8 was decoded with U+FFFD in the place of its bytes. The server couldn't send such a
    // state back as it came, and the client would discard the response without saying why. So a page of this server
    // says what is wrong.
    let state_fits = |state: &str| state.len() <= limits::STATE_BYTES_MAX && !state.contains('\u{fffd}');
    if !parameters.get("state").is_none_or(state_fits) {
        return Err(OAuthError::Malformed("state"));
    }
    let redirect = TrustedRedirect::prove(&client, parameters, issuer).map_err(|error| {
        // Registration left such a URI out. The operator can let the scheme in, and learns here that it is wanted.
        let is_of_unknown_scheme =
            |uri: &str| redirect::check(uri, &app.redirect_schemes) == Err(BadRedirect::Scheme);
        match error {
            OAuthError::ForeignRedirect
                if parameters.get("redirect_uri").is_some_and(is_of_unknown_scheme) =>
            {
                OAuthError::Redirect(BadRedirect::Scheme)
            }
            error => error,
        }
    })?;
    // A registration lasts longer than the rules that it was checked by: the operator may have taken a scheme back,
    // or an earlier version of this program may have accepted more. The server doesn't check the URIs of the
    // operator's clients again: the operator chose them.
    if client.registered_by == RegisteredBy::Itself {
        redirect::check(redirect.uri(), &app.redirect_schemes).map_err(OAuthError::Redirect)?;
    }
    Ok((client, redirect))
}

/// What a client asks for, checked. The person decides whether the client gets it.
pub(crate) struct AuthorizationRequest {
    /// The scopes that the person is asked about. They may allow fewer.
    pub(crate) scopes: Scopes,
    /// The PKCE challenge: the SHA-256 of a secret that the client keeps until it redeems the code.
    pub(crate) challenge: String,
}

impl AuthorizationRequest {
    /// Reads the rest of the request, all but the client and its redirect URI. An error goes to the client, by
    /// redirect.
    pub(crate) fn read(parameters: &Parameters, base_url: &str) -> Result<AuthorizationRequest, OAuthError> {
        // A client that puts its parameters into a request object (RFC 9101) wants those to count, and not what
        // stands beside it in the URL, which the browser could change. To ignore the object would take that from the
        // client without a word. (Other unknown parameters are ignored, as OAuth 2.1 §3.1 demands.)
        for parameter in ["request", "request_uri"] {
            if parameters.get(parameter).is_some() {
                return Err(OAuthError::RequestObject(parameter));
            }
        }
        // `token`, the implicit grant, put the access token itself into the URL, where histories and logs keep it.
        // OAuth 2.1 §10.1 removed this grant.
        if parameters.need("response_type")? != "code" {
            return Err(OAuthError::ResponseType);
        }
        // A client that waits for a form or a fragment would never find the code in the query, where others might.
        if parameters.get("response_mode").is_some_and(|mode| mode != "query") {
            return Err(OAuthError::ResponseMode);
        }
        // PKCE is demanded of every client, confidential ones too (OAuth 2.1 §7.5.2): a stolen code is worthless
        // without the verifier, and a code that an attacker injects into another person's client doesn't fit that
        // client's verifier. A method that is left out means `plain` (RFC 7636 §4.3). This server refuses `plain`:
        // its challenge is the verifier itself, and everything that sees the URL could read it. This also keeps an
        // attacker from making a client that knows S256 use `plain` instead (a downgrade).
        let challenge = parameters.get("code_challenge").filter(|challenge| token::is_pkce_text(challenge));
        let s256 = parameters.get("code_challenge_method") == Some("S256");
        let challenge = challenge.filter(|_| s256).ok_or(OAuthError::Challenge)?.to_owned();
        require_our_resource(parameters, base_url)?;
        // A client that names no scope probably doesn't know scopes, so it couldn't ask for more when the gate refuses
        // a call for lack of one. The person is offered all of them (OAuth 2.1 §1.4.1 lets the server choose) and may
        // untick some. Unknown names are passed over: clients add `offline_access` or `openid` out of habit, and
        // refusing them would shut these clients out. The token response names what was granted.
        let scopes = parameters.scopes().unwrap_or(Scopes::ALL);
        if scopes.is_empty() {
            return Err(OAuthError::NoScope);
        }
        Ok(AuthorizationRequest { scopes, challenge })
    }
}
