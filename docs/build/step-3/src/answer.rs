//! The answer to step 3.

use serde_json::{Value, json};
use step_2::Response;

use crate::{AUTHORIZATION_SERVER, MCP, RESOURCE_METADATA, Refusal, SCOPES};

/// Returns the value of `WWW-Authenticate`: the scheme, then the parameters `realm`, `error` and `error_description`
/// (if the refusal has an error), `resource_metadata`, and `scope` (in a 401 alone).
pub fn challenge(refusal: Refusal, base_url: &str) -> String {
    let facts = refusal.facts();
    let mut challenge = "Bearer realm=\"EpicMe\"".to_owned();
    if let Some(error) = facts.error {
        challenge += &format!(", error=\"{error}\", error_description=\"{}\"", facts.description);
    }
    challenge += &format!(", resource_metadata=\"{base_url}{RESOURCE_METADATA}\"");
    if facts.status == 401 {
        challenge += &format!(", scope=\"{}\"", SCOPES.join(" "));
    }
    challenge
}

/// Builds the response to a refused request. A 401 or 400 has the challenge, a 503 says when to try again.
pub fn refuse(refusal: Refusal, base_url: &str) -> Response {
    let facts = refusal.facts();
    let response = match facts.error {
        Some(error) => {
            let body = json!({ "error": error, "error_description": facts.description });
            Response::json(facts.status, &body.to_string())
        }
        None => Response::text(facts.status, facts.description),
    };
    // The same request may be permitted in a minute, so no cache may keep the refusal.
    let response = response.with("Cache-Control", "no-store");
    let response = match refusal {
        Refusal::NoLookUp => response.with("Retry-After", "1"),
        _ => response.with("WWW-Authenticate", challenge(refusal, base_url)),
    };
    response.with("Vary", "Origin")
}

/// Returns the metadata of `/mcp` (RFC 9728 §2): the resource, its authorization servers, the scopes, and that a token
/// comes in the header.
pub fn metadata(base_url: &str) -> Value {
    json!({
        "resource": format!("{base_url}{MCP}"),
        "authorization_servers": [AUTHORIZATION_SERVER],
        "scopes_supported": SCOPES,
        "bearer_methods_supported": ["header"],
    })
}
