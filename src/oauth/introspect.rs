//! The introspection endpoint (RFC 7662): what a token is, for resource servers that the operator knows.
//!
//! Knows what [`super`] knows. A client that registered itself may not ask: it would learn whose tokens live.

use serde_json::json;

use super::{Fault, Parameters, clients};
use crate::clock::Timestamp;
use crate::request::{Body, Head};
use crate::response::Response;
use crate::secret::TokenText;
use crate::site::{self, Site};
use crate::store::Store;
use crate::tokens;

/// Answers `POST /introspect`.
pub fn answer(
    store: &Store,
    site: &Site,
    origin: &str,
    head: &Head,
    body: &mut Body,
    now: Timestamp,
) -> Result<Response, Fault> {
    let parameters = Parameters::read(head, body)?;
    let caller = clients::authenticate(store, head, &parameters).map_err(|fault| match fault {
        Fault::Missing(_) => Fault::WrongSecret, // RFC 7662 §2.3: a caller without credentials is a 401
        other => other,
    })?;
    if caller.registered_by != "operator" || caller.auth_method == "none" {
        return Err(Fault::WrongSecret);
    }
    let token = match TokenText::parse(parameters.need("token")?.as_bytes()) {
        Some(presented) => tokens::find(store, &presented)?,
        None => None,
    };
    let live = token.filter(|token| {
        token.revoked_at.is_none() && now < token.expires_at && token.resource == site.audience()
    });
    let answer = match live {
        // RFC 7662 §2.2: of a token that isn't active nothing more is said, not even why.
        None => json!({ "active": false }),
        Some(token) => {
            let mut answer = json!({
                "active": true,
                "sub": token.user_id.to_string(),
                "scope": token.scopes.to_string(),
                "aud": format!("{origin}{}", site::MCP),
                "iss": origin,
                "exp": token.expires_at.0,
                "iat": token.created_at.0,
                "token_type": "Bearer",
            });
            if let Some(client_id) = token.client_id {
                answer["client_id"] = client_id.into();
            }
            answer
        }
    };
    Ok(Response::json(200, &answer).with("Cache-Control", "no-store"))
}
