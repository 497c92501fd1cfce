//! The authorization server's metadata (RFC 8414).
//!
//! Knows nothing but URLs. Invariant: `issuer` is the origin, the same octets in every document and redirect.

use serde_json::{Value, json};

use crate::scope::Scopes;
use crate::site;

/// The document.
pub fn document(issuer: &str) -> Value {
    let at = |path: &str| format!("{issuer}{path}");
    let secrets = ["client_secret_post", "client_secret_basic"];
    let methods = ["none", "client_secret_post", "client_secret_basic"];
    json!({
        "issuer": issuer,
        "authorization_endpoint": at(site::AUTHORIZE),
        "token_endpoint": at(site::TOKEN),
        "registration_endpoint": at(site::REGISTER),
        "revocation_endpoint": at(site::REVOKE),
        "introspection_endpoint": at(site::INTROSPECT),
        "scopes_supported": Scopes::ALL.iter().map(|scope| scope.name()).collect::<Vec<_>>(),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": secrets,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "protected_resources": [at(site::MCP)],
    })
}
