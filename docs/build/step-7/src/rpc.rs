//! A call of a tool, and why a message is none.

use serde_json::{Value, json};
use step_2::Response;

/// `tools/call` of the one tool, `create_entry`.
#[derive(PartialEq, Debug)]
pub struct Call {
    /// By which the client finds the response to its request: a number or a text.
    pub id: Value,
    /// What the tool gets: a JSON object, if the client did it right.
    pub arguments: Value,
}

/// Why a message is no call (JSON-RPC 2.0 §5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RpcError {
    /// Not JSON.
    Parse,
    /// JSON, but not a request of JSON-RPC 2.0 with an id.
    InvalidRequest,
    /// A method that this server doesn't know.
    MethodNotFound,
    /// A tool that this server doesn't know.
    UnknownTool,
}

impl RpcError {
    /// Builds the response. `id` is null if the message has none that can be read.
    pub fn response(self, id: &Value) -> Response {
        let (status, code, message) = match self {
            RpcError::Parse => (400, -32700, "Parse error"),
            RpcError::InvalidRequest => (400, -32600, "Invalid Request"),
            RpcError::MethodNotFound => (200, -32601, "Method not found"),
            RpcError::UnknownTool => (200, -32602, "Unknown tool"),
        };
        let error = json!({ "code": code, "message": message });
        Response::json(status, &json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string())
    }
}

/// The journal can't keep an entry now. What went wrong stands in the server's log, not in the response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unavailable;
