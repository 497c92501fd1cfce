//! What a client asks of the authorization endpoint (OAuth 2.1 §3.1, §4.1), proven and checked.
//!
//! Knows no page: `pages/consent.rs` signs the person in, shows them the request and takes their decision. Invariant:
//! the browser is sent to a [`TrustedRedirect`] alone, and only a match with what the client registered makes one.
//!
//! The request reaches this server through the person's browser, and the person may have followed a link that an
//! attacker wrote. So nothing in it is believed until it agrees with what the client registered beforehand. The
//! checks come in two halves, which differ in where an error may be reported:
//!
//! 1. [`prove`] finds the client and its redirect URI. Until both are proven, an error is a page of this server.
//! 2. [`AuthorizationRequest::read`] reads the rest. Its errors go to the client, by redirect.

use super::clients::{self, Client};
use super::{OAuthError, Parameters, names_our_resource, redirect, token};
use crate::http::response::Response;
use crate::limits;
use crate::scope::Scopes;
use crate::store::Store;

/// A redirect URI that the client registered, with what every response that is sent there must carry.
///
/// Its fields are private and [`TrustedRedirect::prove`] alone makes one. So a handler that answers a client by
/// redirect holds the proof that it may. Both ways to answer consume the value: one request has one response.
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

    /// The URI, for the person to see and for the code to be bound to.
    pub(crate) fn uri(&self) -> &str {
        &self.uri
    }

    /// Sends the browser there with the code that the person's consent gave.
    pub(crate) fn grant(self, code: &str) -> Response {
        self.answer(&[("code", code)])
    }

    /// Sends the browser there with the reason why the client gets no code (OAuth 2.1 §4.1.2.1). The browser is the
    /// only way to the client: there is no connection between the two servers at this moment.
    pub(crate) fn refuse(self, error: &OAuthError) -> Response {
        let code = match error.code() {
            // The database failed. OAuth 2.1 §4.1.2.1 has both codes: `temporarily_unavailable` is for overload and
            // maintenance, `server_error` for an unexpected condition, which this is. (The token endpoint has no code
            // for it at all, see `OAuthError::facts`.)
            "temporarily_unavailable" => "server_error",
            other => other,
        };
        self.answer(&[("error", code), ("error_description", &error.to_string())])
    }

    /// Sends the browser there with these parameters and the two that belong in every response:
    ///
    /// - `state`, exactly as it came (OAuth 2.1 §4.1.2): by it the client finds the request that it began, and
    ///   refuses a response that it never asked for.
    /// - `iss`, the issuer (RFC 9207 §2). A client of several authorization servers would otherwise not know which of
    ///   them answers, and a hostile one could have the code of an honest one brought to itself (the mix-up attack,
    ///   RFC 9700 §4.4).
    ///
    /// The status is 303, after which every browser sends a GET without a body. With 307 it would repeat the form's
    /// POST to the client, with the person's decision or password in it; with 302 it may (OAuth 2.1 §7.5.4).
    fn answer(self, parameters: &[(&str, &str)]) -> Response {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        if let Some(state) = &self.state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", &self.issuer);
        // A query that the client registered must be kept (OAuth 2.1 §2.3).
        let separator = if self.uri.contains('?') { '&' } else { '?' };
        Response::see_other(format!("{}{separator}{}", self.uri, query.finish()))
            .with("Cache-Control", "no-store") // the URL holds the code
            .with("Referrer-Policy", "no-referrer")
    }
}

/// Finds the client of a request and proves where its response may go.
///
/// An error before that is a page of this server, never a redirect (OAuth 2.1 §2.3.5, §4.1.2.1). Otherwise the server
/// would be an open redirector: a link that begins with its trusted name would lead to any site its author chose
/// (OAuth 2.1 §7.12.2).
pub(crate) fn prove(
    store: &Store,
    parameters: &Parameters,
    issuer: &str,
) -> Result<(Client, TrustedRedirect), OAuthError> {
    let client = clients::find(store, parameters.need("client_id")?)?.ok_or(OAuthError::UnknownClient)?;
    // A state that isn't UTF-8 was decoded with U+FFFD in the place of its bytes. It couldn't be sent back as it
    // came, and the client would discard the response without a word. A page says what is wrong.
    let state_fits = |state: &str| state.len() <= limits::STATE_BYTES_MAX && !state.contains('\u{fffd}');
    if !parameters.get("state").is_none_or(state_fits) {
        return Err(OAuthError::Malformed("state"));
    }
    let redirect = TrustedRedirect::prove(&client, parameters, issuer)?;
    Ok((client, redirect))
}

/// What a client asks for, checked. Whether it gets that, the person decides.
pub(crate) struct AuthorizationRequest {
    /// The scopes that the person is asked about. They may allow fewer.
    pub(crate) scopes: Scopes,
    /// The PKCE challenge: the SHA-256 of a secret that the client keeps until it redeems the code.
    pub(crate) challenge: String,
}

impl AuthorizationRequest {
    /// Reads what comes besides the client and its redirect URI. An error goes to the client, by redirect.
    pub(crate) fn read(parameters: &Parameters, base_url: &str) -> Result<AuthorizationRequest, OAuthError> {
        // `token`, the implicit grant, put the access token itself into the URL, where histories and logs keep it.
        // OAuth 2.1 §10.1 removed it.
        if parameters.need("response_type")? != "code" {
            return Err(OAuthError::ResponseType);
        }
        // PKCE is demanded of every client, confidential ones too (OAuth 2.1 §7.5.2): a stolen code is worthless
        // without the verifier, and a code that an attacker slips into another person's client doesn't fit the
        // verifier there. A method that is left out means `plain` (RFC 7636 §4.3). It isn't served: its challenge is
        // the verifier itself, readable to everything that sees the URL. Nor may a client that can do S256 be talked
        // down to `plain`.
        let challenge = parameters.get("code_challenge").filter(|challenge| token::is_pkce_text(challenge));
        let s256 = parameters.get("code_challenge_method") == Some("S256");
        let challenge = challenge.filter(|_| s256).ok_or(OAuthError::Challenge)?.to_owned();
        names_our_resource(parameters, base_url)?;
        let scopes = match parameters.get("scope") {
            // Such a client doesn't know scopes, so it couldn't ask for more when a call is refused for lack of one.
            // The person is offered all of them (OAuth 2.1 §1.4.1 lets the server choose) and may untick some.
            None => Scopes::ALL,
            // Unknown names are passed over: clients add `offline_access` or `openid` out of habit, and refusing them
            // would shut these clients out. The token response names what was granted.
            Some(asked) => Scopes::parse_known(asked),
        };
        if scopes.is_empty() {
            return Err(OAuthError::NoScope);
        }
        Ok(AuthorizationRequest { scopes, challenge })
    }
}
