//! Step 3: the challenge, byte for byte, and the metadata that it names.

pub mod answer;
mod refusal;
pub mod yours;

#[cfg(feature = "answer")]
pub use answer as chosen;
#[cfg(not(feature = "answer"))]
pub use yours as chosen;

pub use refusal::{Facts, Refusal};

/// What is protected. The whole URL of the resource is the base URL and this.
pub const MCP: &str = "/mcp";
/// Where a client looks for the metadata of `/mcp` (RFC 9728 §3.1): the well-known name, and then the path.
pub const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource/mcp";
/// The server that issues tokens. It is not part of this course, so this one doesn't exist.
pub const AUTHORIZATION_SERVER: &str = "https://auth.example";
/// What a client can ask for there.
pub const SCOPES: [&str; 5] = ["user:read", "entries:read", "entries:write", "tags:read", "tags:write"];
