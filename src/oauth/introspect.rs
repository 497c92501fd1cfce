//! The introspection endpoint (RFC 7662): tells a resource server what a token is.
//!
//! Changes nothing in the database. The tokens of this server are opaque: another resource server can't read them, so
//! it has to ask here. To an attacker the same answer would say whether a guessed or stolen token is good and whose
//! it is. So the endpoint answers only the confidential clients that the operator registered.

use serde_json::json;

use super::clients::{self, AuthMethod, RegisteredBy};
use super::{OAuthError, Parameters};
use crate::context::Context;
use crate::http::request::Body;
use crate::http::response::Response;
use crate::secret::TokenText;
use crate::site;
use crate::tokens;

/// Answers `POST /introspect`.
pub(crate) fn answer(context: &Context, body: &mut Body) -> Result<Response, OAuthError> {
    let Context { app, head, base_url, now, .. } = *context;
    let parameters = Parameters::read(head, body)?;
    let caller = clients::authenticate(app, head, &parameters).map_err(|error| match error {
        // Without credentials the answer is a 401 (RFC 7662 §2.3); the token endpoint calls it a missing parameter.
        OAuthError::Missing(_) => OAuthError::WrongSecret,
        other => other,
    })?;
    if caller.registered_by != RegisteredBy::Operator || caller.auth_method == AuthMethod::None {
        return Err(OAuthError::WrongSecret);
    }
    let token = match TokenText::parse(parameters.need("token")?.as_bytes()) {
        Some(presented) => tokens::find(&app.store, presented.hash())?,
        None => None,
    };
    // These are the conditions of the gate too. A token that the gate would refuse must not count as good anywhere
    // else.
    let live = token.filter(|token| {
        token.revoked_at.is_none() && now < token.holder.expires_at && token.resource == app.site.audience()
    });
    let answer = match live {
        // Nothing more is said of a token that isn't active, not even why (RFC 7662 §2.2): an answer for an expired
        // one would still name its person.
        None => json!({ "active": false }),
        Some(token) => {
            let mut answer = json!({
                "active": true,
                "sub": token.holder.user_id.to_string(),
                "scope": token.holder.scopes.to_string(),
                "aud": format!("{base_url}{}", site::MCP),
                "iss": base_url,
                "exp": token.holder.expires_at.0,
                "iat": token.created_at.0,
                "token_type": "Bearer",
            });
            // A token from the command line belongs to no client.
            if let Some(client_id) = token.holder.client_id {
                answer["client_id"] = client_id.into();
            }
            answer
        }
    };
    Ok(Response::json(200, &answer).with("Cache-Control", "no-store"))
}
