//! Your part of step 3.
#![allow(unused, reason = "until it is written")]

use serde_json::{Value, json};
use step_2::Response;

use crate::{AUTHORIZATION_SERVER, MCP, RESOURCE_METADATA, Refusal, SCOPES};

/// Returns the value of `WWW-Authenticate`: the scheme, then the parameters `realm`, `error` and `error_description`
/// (if the refusal has an error), `resource_metadata`, and `scope` (in a 401 alone).
pub fn challenge(refusal: Refusal, base_url: &str) -> String {
    todo!("step 3: write `challenge` in step-3/src/yours.rs")
}

/// Builds the response to a refused request. A 401 or 400 has the challenge, a 503 says when to try again.
pub fn refuse(refusal: Refusal, base_url: &str) -> Response {
    todo!("step 3: write `refuse` in step-3/src/yours.rs")
}

/// Returns the metadata of `/mcp` (RFC 9728 §2): the resource, its authorization servers, the scopes, and that a token
/// comes in the header.
pub fn metadata(base_url: &str) -> Value {
    todo!("step 3: write `metadata` in step-3/src/yours.rs")
}
