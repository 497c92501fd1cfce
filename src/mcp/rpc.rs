//! JSON-RPC 2.0: what kind of message a value is, and what an answer or an error looks like.
//!
//! Runs nothing. The one place that knows which code and which HTTP status each mistake has, in either era.

use serde_json::{Value, json};

use super::wording;
use crate::events::NoStream;
use crate::journal::Fault;
use crate::limits;
use crate::store::StoreError;
use crate::trace;

/// A message that wants an answer.
pub struct Request {
    pub(super) id: Value,
    pub(super) method: String,
    pub(super) params: Option<Value>,
}

/// A message by its kind (JSON-RPC 2.0 §4, §5).
pub enum Message {
    /// It wants an answer.
    Request(Request),
    /// It wants none.
    Notification { method: String, params: Option<Value> },
    /// An answer to a request of ours: its `result`, unless it is an error.
    Response { id: Option<Value>, result: Option<Value> },
}

impl Message {
    /// Takes a value for a message; the error answers its id, if that can be read.
    pub fn read(value: Value) -> Result<Message, RpcError> {
        let Value::Object(mut members) = value else {
            return Err(RpcError::invalid_request("a message is an object"));
        };
        let id = members.remove("id");
        let readable = id.as_ref().filter(|id| id.is_string() || id.is_i64() || id.is_u64()).cloned();
        let invalid = |text: &str| {
            let error = RpcError::invalid_request(text);
            Err(readable.iter().fold(error, RpcError::answering))
        };
        if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return invalid("jsonrpc must be \"2.0\"");
        }
        let is_response = members.contains_key("result") || members.contains_key("error");
        let params = members.remove("params");
        match (members.remove("method"), id) {
            (None, id) if is_response => Ok(Message::Response { id, result: members.remove("result") }),
            (Some(_), _) if is_response => invalid("a message is a request or a response, not both"),
            (Some(Value::String(method)), None) => Ok(Message::Notification { method, params }),
            (Some(_), Some(Value::String(id))) if id.len() > limits::REQUEST_ID_BYTES_MAX => {
                invalid(&format!("id must have at most {} octets", limits::REQUEST_ID_BYTES_MAX))
            }
            (Some(Value::String(method)), Some(id)) if readable.is_some() => {
                Ok(Message::Request(Request { id, method, params }))
            }
            (Some(Value::String(_)), Some(_)) => invalid("id must be a string or an integer"),
            _ => invalid("method must be a string"),
        }
    }
}

/// A JSON-RPC error, with the HTTP status that carries it.
pub struct RpcError {
    status: u16,
    code: i64,
    text: String,
    data: Option<Box<Value>>,
    /// The request that it answers; `None` where that couldn't be read.
    id: Option<Box<Value>>,
}

impl From<NoStream> for RpcError {
    fn from(why: NoStream) -> RpcError {
        match why {
            NoStream::Full => RpcError::streams_full(),
            NoStream::Ended => RpcError::broken_off("The server is stopping"),
        }
    }
}

impl RpcError {
    fn new(status: u16, code: i64, text: impl Into<String>) -> RpcError {
        RpcError { status, code, text: text.into(), data: None, id: None }
    }

    /// Not JSON, or not read in one way only.
    pub fn parse(error: &serde_json::Error) -> RpcError {
        RpcError::new(400, -32700, format!("Parse error: {error}"))
    }

    /// Not a message, or not one that may come here.
    pub fn invalid_request(text: &str) -> RpcError {
        RpcError::new(400, -32600, format!("Invalid request: {text}"))
    }

    /// No such method. A modern client is told by the status too; a legacy one would lose the error behind it.
    pub fn method_not_found(modern: bool) -> RpcError {
        RpcError::new(if modern { 404 } else { 200 }, -32601, "Method not found")
    }

    /// A method's parameters are wrong.
    pub fn invalid_params(text: impl Into<String>) -> RpcError {
        RpcError::new(200, -32602, text)
    }

    /// No such resource, or another person's: nothing tells the one from the other. The code is another one in each era.
    pub fn resource_not_found(modern: bool, uri: &str) -> RpcError {
        let code = if modern { -32602 } else { -32002 };
        let data = Some(Box::new(json!({ "uri": uri })));
        RpcError { data, ..RpcError::new(200, code, "Resource not found") }
    }

    /// The person must be asked, and the client says that it can't.
    pub fn needs_elicitation() -> RpcError {
        let data = json!({ "requiredCapabilities": { "elicitation": {} } });
        let text = "This call needs form elicitation: the person must confirm what is deleted";
        RpcError { data: Some(Box::new(data)), ..RpcError::new(400, -32021, text) }
    }

    /// A request of ours that was answered isn't open, or never was.
    pub fn unknown_question() -> RpcError {
        RpcError::new(
            400,
            -32600,
            "Invalid request: no request of this id waits for an answer in this session",
        )
    }

    /// As many event streams are open as there may be.
    fn streams_full() -> RpcError {
        let (own, all) = (limits::STREAMS_PER_PERSON_MAX, limits::STREAMS_MAX);
        let text =
            format!("Subscription limit: {own} event streams for one person, {all} in all; close one first");
        RpcError::new(200, -32603, text)
    }

    /// A stream ends before its call could be done.
    pub fn broken_off(why: &str) -> RpcError {
        RpcError::new(200, -32603, format!("{why}; nothing was changed, call again"))
    }

    /// A modern request without its envelope.
    pub fn missing_meta(text: &str) -> RpcError {
        RpcError::new(400, -32602, text)
    }

    /// The headers say something else than the body.
    pub fn header_mismatch(text: &str) -> RpcError {
        RpcError::new(400, -32020, text)
    }

    /// A revision that isn't spoken here.
    pub fn unsupported_version(supported: &[&str], requested: &str) -> RpcError {
        let data = json!({ "supported": supported, "requested": requested });
        RpcError { data: Some(Box::new(data)), ..RpcError::new(400, -32022, "Unsupported protocol version") }
    }

    /// A session id that isn't ours or has expired: the client starts over.
    pub fn unknown_session() -> RpcError {
        RpcError::new(
            404,
            -32600,
            "Invalid request: the session is unknown or has expired; send initialize again",
        )
    }

    /// The database failed; the detail goes to the log alone.
    pub fn internal(error: &StoreError) -> RpcError {
        trace::note(&format!("a call failed: {error}"));
        let text = match error {
            StoreError::TooSlow => "Internal error: this took too long; ask for less",
            _ => "Internal error: the journal can't be reached now; nothing was changed",
        };
        RpcError::new(200, -32603, text)
    }

    /// The answers before this one fill what a batch may be answered; this one wasn't run.
    pub fn batch_full() -> RpcError {
        RpcError::new(
            200,
            -32603,
            "Internal error: the batch's answer is full; this call was not run, send it again",
        )
    }

    /// The error as an answer to the request of this id.
    pub fn answering(self, id: &Value) -> RpcError {
        RpcError { id: Some(Box::new(id.clone())), ..self }
    }

    /// The error as an answer to no request in particular.
    pub fn unanswering(self) -> RpcError {
        RpcError { id: None, ..self }
    }

    /// The HTTP status that carries the error.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The error as a message; an unknown id is left out, `null` would not fit the schema.
    pub fn message(self) -> Value {
        let mut message = json!({ "jsonrpc": "2.0" });
        if let Some(id) = self.id {
            message["id"] = *id;
        }
        message["error"] = json!({ "code": self.code, "message": self.text });
        if let Some(data) = self.data {
            message["error"]["data"] = *data;
        }
        message
    }
}

/// Each fault of the journal outside tools, where it is an error of the protocol.
impl From<Fault> for RpcError {
    fn from(fault: Fault) -> RpcError {
        match fault {
            Fault::Store(error) => RpcError::internal(&error),
            Fault::BadCursor => RpcError::invalid_params("params.cursor is not a nextCursor of this list"),
            fault => RpcError::invalid_params(wording::fault(&fault)),
        }
    }
}

/// The answer to a request.
pub fn success(id: Value, result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}
