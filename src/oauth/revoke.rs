//! The revocation endpoint (RFC 7009): a client gives back a token, when the person disconnects it for example.
//!
//! Decides nothing itself: `clients` authenticates the client, and `grants` revokes. Without this endpoint a client
//! could only forget its tokens, and a copy of them in a backup or a log would stay good until it expires.

use super::{OAuthError, Parameters, clients, grants};
use crate::context::Context;
use crate::http::request::Body;
use crate::http::response::Response;

/// Answers `POST /revoke`. `token_type_hint` isn't read: it would save a look-up if each kind of token had a store of
/// its own, and a wrong hint must not matter anyway (RFC 7009 §2.1). Here the hash finds a token of either kind.
pub(crate) fn answer(context: &Context, body: &mut Body) -> Result<Response, OAuthError> {
    let parameters = Parameters::read(context.head, body)?;
    // A public client may revoke too. The token itself is proof enough: a thief would rather use it than revoke it.
    let client = clients::authenticate(context.app, context.head, &parameters)?;
    grants::revoke_token(&context.app.store, parameters.need("token")?, &client.id, context.visit())?;
    Ok(Response::new(200).with("Cache-Control", "no-store"))
}
