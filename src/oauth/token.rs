//! The token endpoint (OAuth 2.1 §3.2): a code or a refresh token → tokens.
//!
//! Knows what [`super`] knows.

use serde_json::json;

use super::grants::{self, Issued, Redemption, Rotation};
use super::{Fault, Parameters, clients, names_our_resource};
use crate::clock::Timestamp;
use crate::limits;
use crate::request::{Body, Head};
use crate::response::Response;
use crate::secret::Seal;
use crate::site::Site;
use crate::store::Store;

/// Answers `POST /token`.
pub fn answer(
    store: &Store,
    seal: &Seal,
    site: &Site,
    origin: &str,
    head: &Head,
    body: &mut Body,
    now: Timestamp,
) -> Result<Response, Fault> {
    let parameters = Parameters::read(head, body)?;
    let grant_type = parameters.need("grant_type")?;
    let client = clients::authenticate(store, head, &parameters)?;
    let resource = site.audience().to_owned();
    let issued = match grant_type {
        "authorization_code" => {
            let code = parameters.need("code")?.to_owned();
            let verifier = parameters.need("code_verifier")?.to_owned();
            if !is_pkce_text(&verifier) {
                return Err(Fault::Malformed("code_verifier"));
            }
            names_our_resource(&parameters, origin)?;
            // OAuth 2.1 dropped redirect_uri here; a client of OAuth 2.0 sends it, and then it must be right.
            let redirect_uri = parameters.get("redirect_uri").map(str::to_owned);
            grants::redeem(
                store,
                Redemption { code, client_id: client.id, redirect_uri, verifier, resource },
                now,
            )?
        }
        "refresh_token" => {
            let presented = parameters.need("refresh_token")?.to_owned();
            names_our_resource(&parameters, origin)?;
            let successor = grants::successor(seal, &presented);
            let (client_id, scope) = (client.id, parameters.get("scope").map(str::to_owned));
            grants::rotate(store, Rotation { presented, successor, client_id, scope, resource }, now)?
        }
        _ => return Err(Fault::GrantType),
    };
    let Issued { access_token, refresh_token, scopes } = issued;
    let answer = json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": limits::ACCESS_TOKEN_SECONDS,
        "refresh_token": refresh_token,
        "scope": scopes.to_string(),
    });
    Ok(Response::json(200, &answer).with("Cache-Control", "no-store"))
}

/// Whether a text has the form of a PKCE verifier and challenge: 43 to 128 unreserved characters (RFC 7636 §4.1, §4.2).
pub fn is_pkce_text(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet))
}
