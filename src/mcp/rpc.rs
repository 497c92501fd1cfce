//! JSON-RPC 2.0: which kind of message a value is, how a response is written, and what each error is on the wire.
//!
//! Runs no method. One table, `RpcError::facts`, holds the code, the HTTP status and the words of each [`RpcError`].
//!
//! MCP narrows JSON-RPC 2.0 in two places that this file obeys: an id is a string or an integer and never `null`
//! (2025-11-25 base protocol, Requests), and if the id of a request can't be read, the error has no id at all.
//! JSON-RPC alone would write `"id": null` there (§5), which MCP's schema refuses.

use std::error::Error;
use std::fmt;
use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::tools;
use super::version::{MethodResult, ProtocolVersion};
use crate::events::SubscribeError;
use crate::journal::JournalError;
use crate::json::BadJson;
use crate::json_text::{self, JsonText};
use crate::limits;
use crate::store::StoreError;

/// A message that needs a response.
pub(crate) struct Request {
    pub(crate) id: Value,
    pub(crate) method: String,
    pub(crate) params: Option<Value>,
}

/// A message by its kind (JSON-RPC 2.0 §4, §5).
pub(crate) enum Message {
    Request(Request),
    /// A message that gets no response, because it has no id.
    Notification {
        method: String,
        params: Option<Value>,
    },
    /// The client's response to a request of the server. An error is a response without `result`; the server drops
    /// its code and words, because no error means yes to a question.
    Response {
        id: Option<Value>,
        result: Option<Value>,
    },
}

impl Message {
    /// Reads a value as a message. The error comes with the id of the request, if the id can be read: then the client
    /// learns which request failed.
    ///
    /// Members that JSON-RPC doesn't know are ignored. A duplicate member can't occur here, since [`crate::json`]
    /// refuses it: otherwise a proxy could read the first of two methods, and this server the second.
    ///
    /// A member that may be left out may also be `null`: many clients are written in languages that serialize a field
    /// without a value so, and what they mean is clear. `jsonrpc` and `method` can't be left out of a request.
    ///
    /// An `id` of `null` counts as none only beside a method that is a notification by its name: those names begin with
    /// `notifications/`, and no request of MCP has such a name. Beside another method it is refused: MCP forbids it in
    /// a request, and without the id the request would be a notification, which is never answered.
    pub(crate) fn read(value: Value) -> Result<Message, (RpcError, Option<Value>)> {
        let Value::Object(mut members) = value else {
            return Err((RpcError::invalid_request("a message is an object"), None));
        };
        let method = members.remove("method").filter(|method| !method.is_null());
        let is_notification = method
            .as_ref()
            .and_then(Value::as_str)
            .is_some_and(|method| method.starts_with("notifications/"));
        let id = members.remove("id").filter(|id| !(id.is_null() && is_notification));
        // What a message is depends on which members it has (JSON-RPC 2.0 §4, §5). With a method it is a request, or
        // without an id a notification; without a method but with a result or an error it is a response. A message
        // that is both is refused, because two readers could each take a different half; so is a response with a
        // result and an error, of which one would be a yes to a question and the other none.
        let mut params = members.remove("params").filter(|params| !params.is_null());
        params.iter_mut().for_each(normalize);
        let says = |name: &str| members.get(name).is_some_and(|value| !value.is_null());
        let (has_result, has_error) = (says("result"), says("error"));
        let is_response =
            method.is_none() && (members.contains_key("result") || members.contains_key("error"));
        // A number with a fraction is refused: 1.0 and 1 are one number to some clients and two ids to others. The id
        // of a response is that of our own request. Beside an error it would look like the id of the client's, so
        // it is left out (2025-11-25 transports, Sending Messages to the Server).
        let is_readable = |id: &&Value| !is_response && (id.is_string() || id.is_i64() || id.is_u64());
        let readable = id.as_ref().filter(is_readable).cloned();
        let invalid = |text: String| Err((RpcError::invalid_request(text), readable.clone()));
        if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return invalid("jsonrpc must be \"2.0\"".into());
        }
        match (method, id) {
            (None, _) if has_result && has_error => {
                invalid("a response has a result or an error, not both".into())
            }
            (None, id) if is_response => Ok(Message::Response { id, result: members.remove("result") }),
            (Some(_), _) if has_result || has_error => {
                invalid("a message is a request or a response, not both".into())
            }
            (Some(Value::String(method)), None) => Ok(Message::Notification { method, params }),
            // An event stream keeps the id of its request and repeats it in every message.
            (Some(_), Some(Value::String(id))) if id.len() > limits::REQUEST_ID_BYTES_MAX => {
                invalid(format!("id must have at most {} bytes", limits::REQUEST_ID_BYTES_MAX))
            }
            (Some(Value::String(method)), Some(id)) if readable.is_some() => {
                Ok(Message::Request(Request { id, method, params }))
            }
            (Some(Value::String(_)), Some(_)) => invalid("id must be a string or an integer".into()),
            _ => invalid("method must be a string".into()),
        }
    }
}

/// The parameters that are lists. Each other parameter that this server reads is an object or no container.
const LISTS: [&str; 2] = ["resourceSubscriptions", "mimeTypes"];

/// Brings the parameters of a message into the one form that the handlers read.
///
/// It removes each member that is `null`, at every depth: absence is what it means there. None of the handlers can
/// then take a `null` for a value.
///
/// It turns an empty array into an empty object, since some languages have one type for both, and their libraries
/// write `[]` for an object without members (PHP's `json_encode`). A capability that is declared as `[]` is declared:
/// a client that can ask the person before a delete must not be taken for one that can't.
///
/// What is in `arguments` stays as it is. There `null` may be a value, since it clears a field of a row, and `[]` a
/// list; what they mean is up to the tool ([`super::arguments::read`]). The elements of an array stay too, because the
/// others would change places.
fn normalize(value: &mut Value) {
    match value {
        Value::Array(items) if items.is_empty() => *value = json!({}),
        Value::Object(members) => members.retain(|name, value| {
            let is_kept = (name == "arguments" && value.is_object()) || LISTS.contains(&name.as_str());
            if !is_kept {
                normalize(value);
            }
            !value.is_null()
        }),
        _ => {}
    }
}

/// Writes the response to a request that succeeded. It repeats the id with its JSON type: clients find their request
/// by the id, and `7` isn't `"7"`.
pub(crate) fn success(id: &Value, result: &MethodResult) -> JsonText {
    JsonText::of(&json_text::object(|out| {
        out.member("jsonrpc", "2.0");
        out.member("id", id);
        out.member("result", result);
    }))
}

/// Why the server answers a message with an error.
///
/// Three kinds of failure aren't here. A request with a missing or bad token gets a `401` from the gate before this,
/// and a missing scope is a [`Refusal`](crate::gate::Refusal) (`403`): HTTP has words for both. If a tool can't work
/// with its arguments, the answer is a result with `isError`, because a model can read that and try again (2025-11-25
/// tools, Error Handling).
#[derive(Debug)]
pub(crate) enum RpcError {
    /// The body isn't JSON, or two readers could understand it in two ways.
    Parse(BadJson),
    /// The value isn't a message of JSON-RPC, or is one that the protocol version doesn't allow here.
    InvalidRequest(String),
    /// The session id wasn't made by this server for this caller, or the session has expired.
    UnknownSession,
    /// The client responds to a request of the server that isn't open, or not in this session.
    UnknownResponse,
    /// The protocol version has no such method.
    MethodNotFound(ProtocolVersion),
    /// A stateless request whose `_meta` lacks a member that it must hold.
    MissingMeta(String),
    /// A method's parameters are wrong.
    InvalidParams(String),
    /// There is no such resource, or it is another person's. The client can't tell which: it must not be able to
    /// find out whether another person has an entry with some id.
    ResourceNotFound { version: ProtocolVersion, uri: String },
    /// A header says something else than the body, is missing, or is there twice.
    HeaderMismatch(String),
    /// The person must confirm the call, and the client doesn't declare that it can ask them.
    ElicitationNeeded,
    /// The server doesn't speak this protocol version. The client finds in `supported` what it can use instead.
    UnsupportedVersion { supported: Vec<&'static str>, requested: String },
    /// As many event streams are open as the server allows to one person, or to all.
    StreamsFull,
    /// A call wasn't run, because its stream or its batch ended first. The text says why; the constants below are all
    /// there are.
    BrokenOff(&'static str),
    /// A read took longer than [`limits::READ_WORK_MAX`].
    TooSlow,
    /// The database failed.
    Unavailable,
}

// The codes of JSON-RPC 2.0 §5.1.
const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const INTERNAL_ERROR: i64 = -32603;
/// 2025-11-25 resources, Error Handling; 2026-07-28 has `INVALID_PARAMS` in its place.
const RESOURCE_NOT_FOUND: i64 = -32002;
// The codes that MCP has added: 2026-07-28 base protocol, Error Codes. A server's own codes must not be in their
// range, -32020 to -32099, so each error without a code of MCP uses a code of JSON-RPC.
const HEADER_MISMATCH: i64 = -32020;
const MISSING_CAPABILITY: i64 = -32021;
const UNSUPPORTED_VERSION: i64 = -32022;

/// What an error is on the wire.
struct Facts {
    status: u16,
    code: i64,
    text: String,
    /// What programs read, beside the text for people.
    data: Option<Value>,
}

impl Facts {
    fn new(status: u16, code: i64, text: impl Into<String>) -> Facts {
        Facts { status, code, text: text.into(), data: None }
    }

    fn with(self, data: Value) -> Facts {
        Facts { data: Some(data), ..self }
    }
}

impl RpcError {
    /// The token was revoked or has expired, or can't be checked now.
    pub(crate) const TOKEN_ENDED: RpcError =
        RpcError::BrokenOff("the access token has ended, or can't be checked now");
    pub(crate) const SERVER_STOPPING: RpcError = RpcError::BrokenOff("the server is stopping");
    /// The responses before this one fill what the response to a batch may hold.
    pub(crate) const BATCH_FULL: RpcError = RpcError::BrokenOff("the batch's answer is full");
    /// The client of a batch has closed its side of the connection.
    pub(crate) const CLIENT_GONE: RpcError = RpcError::BrokenOff("you closed the connection");

    pub(crate) fn invalid_request(text: impl Into<String>) -> RpcError {
        RpcError::InvalidRequest(text.into())
    }

    pub(crate) fn invalid_params(text: impl Into<String>) -> RpcError {
        RpcError::InvalidParams(text.into())
    }

    pub(crate) fn header_mismatch(text: impl Into<String>) -> RpcError {
        RpcError::HeaderMismatch(text.into())
    }

    pub(crate) fn unsupported_version(
        supported: &RangeInclusive<ProtocolVersion>,
        requested: &str,
    ) -> RpcError {
        let supported = ProtocolVersion::names(supported);
        RpcError::UnsupportedVersion { supported, requested: requested.to_owned() }
    }

    /// Returns what an error is on the wire. This is the table of errors.
    ///
    /// The status is 200 if the specification leaves it open. A client of the versions with `initialize` takes
    /// another status for a failure of the transport, and doesn't read the error in the body (the TypeScript SDK). To
    /// a client that tries the stateless version first, a 400 with -32602 looks like a server that doesn't know that
    /// version.
    ///
    /// Some errors must have another status: 400 and 404 in the stateless version (2026-07-28 Streamable HTTP,
    /// Protocol Version Header, Server Validation; base protocol, `_meta`), and 404 for a session that has ended.
    fn facts(&self) -> Facts {
        match self {
            // The parser's words say what is wrong and where, and repeat no text of the body.
            RpcError::Parse(error) => Facts::new(400, PARSE_ERROR, format!("Parse error: {error}")),
            RpcError::InvalidRequest(text) => {
                Facts::new(400, INVALID_REQUEST, format!("Invalid request: {text}"))
            }
            // By the 404 a client learns that it must begin anew (2025-11-25 transports, Session Management). In a
            // session nothing else may be a 404: rmcp would take it for the end of the session.
            RpcError::UnknownSession => Facts::new(
                404,
                INVALID_REQUEST,
                "Invalid request: the session is unknown or has expired; send initialize again",
            ),
            // So this is a 400, although the request that the client answers doesn't exist.
            RpcError::UnknownResponse => Facts::new(
                400,
                INVALID_REQUEST,
                "Invalid request: no request of this id waits for an answer in this session",
            ),
            RpcError::MethodNotFound(version) => {
                let status = if version.is_stateless() { 404 } else { 200 };
                Facts::new(status, METHOD_NOT_FOUND, "Method not found")
            }
            RpcError::MissingMeta(text) => Facts::new(400, INVALID_PARAMS, text),
            RpcError::InvalidParams(text) => Facts::new(200, INVALID_PARAMS, text),
            RpcError::ResourceNotFound { version, uri } => {
                let code = if version.is_stateless() { INVALID_PARAMS } else { RESOURCE_NOT_FOUND };
                Facts::new(200, code, "Resource not found").with(json!({ "uri": uri }))
            }
            // The text names the header and never repeats its value, which could be a secret in the wrong place.
            RpcError::HeaderMismatch(text) => Facts::new(400, HEADER_MISMATCH, text),
            // What is missing is named as a client declares it, so that a program can compare the two.
            RpcError::ElicitationNeeded => Facts::new(
                400,
                MISSING_CAPABILITY,
                "This call needs form elicitation: the person must confirm what is deleted",
            )
            .with(json!({ "requiredCapabilities": { "elicitation": {} } })),
            // Clients decide by this list: if it holds versions with `initialize` alone, they go on with
            // `initialize`.
            RpcError::UnsupportedVersion { supported, requested } => {
                Facts::new(400, UNSUPPORTED_VERSION, "Unsupported protocol version")
                    .with(json!({ "supported": supported, "requested": requested }))
            }
            // MCP has no code for the errors below. Each text says what the client can do.
            RpcError::StreamsFull => {
                let (own, all) = (limits::STREAMS_PER_PERSON_MAX, limits::STREAMS_MAX);
                let text = format!(
                    "Subscription limit: {own} event streams for one person, {all} in all; close one first"
                );
                Facts::new(200, INTERNAL_ERROR, text)
            }
            RpcError::BrokenOff(why) => Facts::new(
                200,
                INTERNAL_ERROR,
                format!("Internal error: {why}; this call was not run, send it again"),
            ),
            RpcError::TooSlow => {
                Facts::new(200, INTERNAL_ERROR, "Internal error: this took too long; ask for less")
            }
            // The store reports success only after the commit. So after an error the request has written nothing.
            RpcError::Unavailable => Facts::new(
                200,
                INTERNAL_ERROR,
                "Internal error: the journal can't be reached now; nothing was changed",
            ),
        }
    }

    /// Returns the HTTP status of the response.
    pub(crate) fn status(&self) -> u16 {
        self.facts().status
    }

    /// Writes the response to the request of this id. An unknown id is left out: `null` would not fit the schema
    /// (2026-07-28 schema, JSONRPCErrorResponse).
    pub(crate) fn message(&self, id: Option<&Value>) -> JsonText {
        let Facts { code, text, data, .. } = self.facts();
        let error = json_text::object(|out| {
            out.member("code", code);
            out.member("message", &text);
            if let Some(data) = &data {
                out.member("data", data);
            }
        });
        JsonText::of(&json_text::object(|out| {
            out.member("jsonrpc", "2.0");
            if let Some(id) = id {
                out.member("id", id);
            }
            out.member("error", &error);
        }))
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.facts().text)
    }
}

impl Error for RpcError {}

impl From<SubscribeError> for RpcError {
    fn from(why: SubscribeError) -> RpcError {
        match why {
            SubscribeError::Full => RpcError::StreamsFull,
            SubscribeError::Ended => RpcError::SERVER_STOPPING,
        }
    }
}

/// The database's message goes to standard error and not to the client. It could show the path of the file, or the
/// text of a statement with values of other people's rows.
impl From<StoreError> for RpcError {
    fn from(error: StoreError) -> RpcError {
        error.note("a call failed");
        match error {
            StoreError::TooSlow => RpcError::TooSlow,
            _ => RpcError::Unavailable,
        }
    }
}

/// Outside tools an error of the journal becomes an error of the protocol, because the result of a prompt or a list
/// has no `isError`.
impl From<JournalError> for RpcError {
    fn from(error: JournalError) -> RpcError {
        match error {
            JournalError::Store(error) => RpcError::from(error),
            JournalError::BadCursor => {
                RpcError::invalid_params("params.cursor is not a nextCursor of this list")
            }
            error => RpcError::invalid_params(tools::explain(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(mut value: Value) -> Value {
        normalize(&mut value);
        value
    }

    #[test]
    fn takes_a_null_member_for_none_and_leaves_arguments_and_arrays_alone() {
        let params = json!({
            "cursor": null, "_meta": { "progressToken": null, "x": { "y": null, "z": 1 } },
            "arguments": { "mood": null }, "list": [null, 1],
        });
        let cleaned =
            json!({ "_meta": { "x": { "z": 1 } }, "arguments": { "mood": null }, "list": [null, 1] });
        assert_eq!(normalized(params), cleaned);
    }

    #[test]
    fn takes_an_empty_array_for_an_empty_object_unless_a_list_belongs_there() {
        let params = json!({
            "_meta": [], "arguments": { "tags": [] }, "capabilities": { "elicitation": [], "x": { "y": [] } },
            "resourceSubscriptions": [], "mimeTypes": [], "list": [[]],
        });
        let cleaned = json!({
            "_meta": {}, "arguments": { "tags": [] }, "capabilities": { "elicitation": {}, "x": { "y": {} } },
            "resourceSubscriptions": [], "mimeTypes": [], "list": [[]],
        });
        assert_eq!(normalized(params), cleaned);
        assert_eq!(normalized(json!([])), json!({}));
        assert_eq!(normalized(json!({ "arguments": [] })), json!({ "arguments": {} }));
        assert_eq!(
            normalized(json!({ "arguments": [{}], "x": [{}] })),
            json!({ "arguments": [{}], "x": [{}] })
        );
    }

    #[test]
    fn leaves_out_an_id_that_is_unknown_and_writes_the_one_that_is_known() {
        let error = RpcError::invalid_params("params.uri must be a string");
        let written = error.message(None).to_string();
        let expected = format!(r#"{{"jsonrpc":"2.0","error":{{"code":-32602,"message":"{error}"}}}}"#);
        assert_eq!(written, expected);
        let written = error.message(Some(&json!("7"))).to_string();
        assert!(written.starts_with(r#"{"jsonrpc":"2.0","id":"7","error":{"#), "{written}");
    }
}
