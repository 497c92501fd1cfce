//! The revocation endpoint (RFC 7009): a client gives back what it was given.
//!
//! Knows what [`super`] knows.

use super::{Fault, Parameters, clients, grants};
use crate::clock::Timestamp;
use crate::request::{Body, Head};
use crate::response::Response;
use crate::store::Store;

/// Answers `POST /revoke`. The hint of the token's type isn't needed: every token is found by its hash.
pub fn answer(store: &Store, head: &Head, body: &mut Body, now: Timestamp) -> Result<Response, Fault> {
    let parameters = Parameters::read(head, body)?;
    let client = clients::authenticate(store, head, &parameters)?;
    grants::revoke_token(store, parameters.need("token")?, &client.id, now)?;
    Ok(Response::new(200).with("Cache-Control", "no-store"))
}
