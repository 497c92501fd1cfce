//! The authorization server's metadata (RFC 8414): from one URL a client learns all the others, and what is served
//! there.
//!
//! Reads no request and no database: the document is made of the issuer's URL, the paths of `site` and the scopes.
//! Invariant: `issuer` is the base URL, the same bytes here, in the protected resource metadata and in the `iss` of
//! every redirect. Clients compare the three byte for byte (RFC 8414 §3.3, RFC 9207 §2.4), so one more slash in one
//! of them would make every such client stop.

use serde_json::{Value, json};

use crate::scope::{Scope, Scopes};
use crate::site;

/// Builds the document. It names only what this server serves, because a client chooses among what it finds here.
pub(crate) fn document(issuer: &str) -> Value {
    let at = |path: &str| format!("{issuer}{path}");
    let secrets = ["client_secret_post", "client_secret_basic"];
    // `none` is for public clients. A list that is left out means `client_secret_basic` alone (RFC 8414 §2), and they
    // would believe that they need a secret.
    let methods = ["none", "client_secret_post", "client_secret_basic"];
    json!({
        "issuer": issuer,
        "authorization_endpoint": at(site::AUTHORIZE),
        "token_endpoint": at(site::TOKEN),
        "registration_endpoint": at(site::REGISTER),
        "revocation_endpoint": at(site::REVOKE),
        "introspection_endpoint": at(site::INTROSPECT),
        "scopes_supported": Scopes::ALL.iter().map(Scope::name).collect::<Vec<_>>(),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        // A resource server must prove itself (RFC 7662 §2.1).
        "introspection_endpoint_auth_methods_supported": secrets,
        // A client of MCP that doesn't find S256 here must not go on.
        "code_challenge_methods_supported": ["S256"],
        // From this a client knows that it must reject a response without `iss` (RFC 9207 §2.4).
        "authorization_response_iss_parameter_supported": true,
        // RFC 9728 §4: a client compares this with the resource's own metadata, so that each of the two names the
        // other.
        "protected_resources": [at(site::MCP)],
    })
}
