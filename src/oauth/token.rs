//! The token endpoint (OAuth 2.1 §3.2): a code or a refresh token → tokens.
//!
//! Stores nothing itself. The person's browser takes no part any more: the client calls this endpoint by itself, so
//! the tokens pass through no URL, no history and no page. What may be traded for what is decided in [`grants`],
//! inside the transaction that uses the code or refresh token up; this file reads the request and writes the
//! response.

use serde_json::json;

use super::grants::{self, Issued, Redemption, Rotation};
use super::{OAuthError, Parameters, clients, require_our_resource};
use crate::context::Context;
use crate::http::request::Body;
use crate::http::response::Response;
use crate::limits;

/// Answers `POST /token`.
pub(crate) fn answer(context: &Context, body: &mut Body) -> Result<Response, OAuthError> {
    let store = &context.app.store;
    let parameters = Parameters::read(context.head, body)?;
    let grant_type = parameters.need("grant_type")?;
    // The client comes first: a confidential one whose secret is wrong must not learn whether the code is good.
    let client = clients::authenticate(context.app, context.head, &parameters)?;
    let resource = context.app.site.audience().to_owned();
    let issued = match grant_type {
        "authorization_code" => {
            let code = parameters.need("code")?.to_owned();
            // Required, since no code is issued without a challenge (OAuth 2.1 §4.1.3). A request without it is
            // refused before the code is looked at, so PKCE can't be switched off by leaving it out.
            let verifier = parameters.need("code_verifier")?.to_owned();
            if !is_pkce_text(&verifier) {
                return Err(OAuthError::Malformed("code_verifier"));
            }
            // A client may name the resource here again (RFC 8707 §2.2). The token is for the one of the consent.
            require_our_resource(&parameters, context.base_url)?;
            let redirect_uri = parameters.get("redirect_uri").map(str::to_owned);
            grants::redeem(
                store,
                Redemption { code, client_id: client.id, redirect_uri, verifier, resource },
                context.visit(),
            )?
        }
        "refresh_token" => {
            let presented = parameters.need("refresh_token")?.to_owned();
            require_our_resource(&parameters, context.base_url)?;
            let successor = grants::successor(&context.app.signer, &presented);
            let (client_id, scopes) = (client.id, parameters.scopes());
            grants::rotate(
                store,
                Rotation { presented, successor, client_id, scopes, resource },
                context.visit(),
            )?
        }
        // `password` would have people type their password into a client, and OAuth 2.1 dropped it. With
        // `client_credentials` a client acts for itself, and a journal belongs to a person.
        _ => return Err(OAuthError::GrantType),
    };
    let Issued { access_token, refresh_token, scopes } = issued;
    let answer = json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": limits::ACCESS_TOKEN_SECONDS,
        // Every client gets a refresh token, whether it asked for `offline_access` or not: without one the person
        // would be asked again each time that an access token expires.
        "refresh_token": refresh_token,
        // The scopes are always named, not only if they differ from the request (OAuth 2.1 §3.2.3): the person may
        // have unticked some.
        "scope": scopes.to_string(),
    });
    // OAuth 2.1 §3.2.3: no cache may keep a token.
    Ok(Response::json(200, &answer).with("Cache-Control", "no-store"))
}

/// Returns whether a text can be a PKCE verifier or challenge: 43 to 128 unreserved characters (RFC 7636 §4.1, §4.2).
/// The lower bound is the length of 256 random bits in base64url; a short verifier could be found by trying all of
/// them.
pub(crate) fn is_pkce_text(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}
