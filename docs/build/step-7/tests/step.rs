//! When step 7 is right.

use serde_json::{Value, json};
use step_7::chosen::{answer, create_entry, read_call};
use step_7::{Call, RpcError, Unavailable};

fn message() -> Value {
    let arguments = json!({ "title": "Rain", "content": "All day." });
    let params = json!({ "name": "create_entry", "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
}

/// The message with another value in one place.
fn message_with(pointer: &str, value: Value) -> Value {
    let mut message = message();
    *message.pointer_mut(pointer).expect("the place is there") = value;
    message
}

fn create(title: &str, content: &str) -> Result<i64, Unavailable> {
    assert_eq!((title, content), ("Rain", "All day."));
    Ok(7)
}

fn never(_: &str, _: &str) -> Result<i64, Unavailable> {
    panic!("nothing must be written")
}

#[test]
fn reads_a_call() {
    let arguments = message()["params"]["arguments"].clone();
    assert_eq!(read_call(&message()), Ok(Call { id: json!(1), arguments: arguments.clone() }));
    assert_eq!(read_call(&message_with("/id", json!("a"))), Ok(Call { id: json!("a"), arguments }));
}

#[test]
fn says_why_a_message_is_no_call() {
    for (pointer, value, error) in [
        ("/jsonrpc", json!("1.0"), RpcError::InvalidRequest),
        ("/id", Value::Null, RpcError::InvalidRequest),
        ("/id", json!([1]), RpcError::InvalidRequest),
        ("/method", json!(1), RpcError::InvalidRequest),
        ("/method", json!("tools/burn"), RpcError::MethodNotFound),
        ("/params/name", json!("burn"), RpcError::UnknownTool),
        ("/params", Value::Null, RpcError::UnknownTool),
    ] {
        assert_eq!(read_call(&message_with(pointer, value)), Err(error), "{pointer}");
    }
    assert_eq!(read_call(&json!([])), Err(RpcError::InvalidRequest));
}

#[test]
fn answers_a_call() {
    let response = answer(message().to_string().as_bytes(), create);
    assert_eq!(response.status, 200);
    let expected = json!({ "jsonrpc": "2.0", "id": 1, "result": {
        "content": [{ "type": "text", "text": "Entry \"Rain\" created with ID 7." }], "isError": false } });
    assert_eq!(serde_json::from_str::<Value>(&response.body).expect("JSON"), expected);
}

#[test]
fn answers_what_is_no_call_and_writes_nothing() {
    let response = answer(b"{", never);
    assert_eq!(response.status, 400);
    let error = json!({ "code": -32700, "message": "Parse error" });
    let expected = json!({ "jsonrpc": "2.0", "id": null, "error": error });
    assert_eq!(serde_json::from_str::<Value>(&response.body).expect("JSON"), expected);
    let response = answer(message_with("/method", json!("x")).to_string().as_bytes(), never);
    assert_eq!(response.status, 200);
    assert!(response.body.contains("\"id\":1") && response.body.contains("-32601"), "{}", response.body);
}

#[test]
fn tells_the_model_what_is_wrong_with_the_arguments() {
    for arguments in [Value::Null, json!([]), json!({ "title": 1, "content": "x" }), json!({ "title": "x" })]
    {
        let result = create_entry(&arguments, never);
        assert_eq!(result["isError"], true, "{arguments}");
        let text = result["content"][0]["text"].as_str().expect("a text");
        assert!(text.contains("title") && text.contains("content"), "{text}");
    }
}

#[test]
fn says_that_nothing_was_written() {
    let result = create_entry(&message()["params"]["arguments"], |_, _| Err(Unavailable));
    assert_eq!(result["isError"], true);
}
