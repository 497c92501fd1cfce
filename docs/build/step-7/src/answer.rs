//! The answer to step 7.

use serde_json::{Value, json};
use step_2::Response;

use crate::{Call, RpcError, Unavailable};

/// Answers one message. `create` writes an entry of a title and a content, and returns its id.
pub fn answer(body: &[u8], create: impl FnOnce(&str, &str) -> Result<i64, Unavailable>) -> Response {
    let Ok(message) = serde_json::from_slice(body) else { return RpcError::Parse.response(&Value::Null) };
    match read_call(&message) {
        Ok(call) => {
            let result = create_entry(&call.arguments, create);
            Response::json(200, &json!({ "jsonrpc": "2.0", "id": call.id, "result": result }).to_string())
        }
        Err(error) => error.response(&message["id"]),
    }
}

/// Reads a message as a call of `create_entry`.
pub fn read_call(message: &Value) -> Result<Call, RpcError> {
    let id = &message["id"];
    let method = message["method"].as_str().ok_or(RpcError::InvalidRequest)?;
    if message["jsonrpc"] != "2.0" || !(id.is_string() || id.is_i64()) {
        return Err(RpcError::InvalidRequest);
    }
    if method != "tools/call" {
        return Err(RpcError::MethodNotFound);
    }
    let params = &message["params"];
    if params["name"] != "create_entry" {
        return Err(RpcError::UnknownTool);
    }
    Ok(Call { id: id.clone(), arguments: params["arguments"].clone() })
}

/// The tool: returns the result that MCP wants. A model reads it, so what is wrong with the arguments is a result too.
pub fn create_entry(arguments: &Value, create: impl FnOnce(&str, &str) -> Result<i64, Unavailable>) -> Value {
    let (Some(title), Some(content)) = (arguments["title"].as_str(), arguments["content"].as_str()) else {
        return result("create_entry needs a title and a content, each a text", true);
    };
    match create(title, content) {
        Ok(id) => result(&format!("Entry {title:?} created with ID {id}."), false),
        Err(Unavailable) => result("The journal can't be written now; try again.", true),
    }
}

fn result(text: &str, is_error: bool) -> Value {
    json!({ "content": [{ "type": "text", "text": text }], "isError": is_error })
}
