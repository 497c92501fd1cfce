//! The check that every other test relies on to find an invalid message: it takes what is right and finds each fault.

use serde_json::{Value, json};

use crate::support::schema::{Judge, Sent, check_exchange, fault, fault_by};
use crate::support::{self, Folder, Reply};

const LEGACY: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];
const MODERN: &str = "2026-07-28";

fn answer(result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "result": result })
}

fn error(code: i64, data: Option<Value>) -> Value {
    let mut answer = json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": code, "message": "No." } });
    if let Some(data) = data {
        answer["error"]["data"] = data;
    }
    answer
}

/// A message with one member set, or taken away, at a JSON pointer.
fn but(message: &Value, place: &str, value: Option<Value>) -> Value {
    let mut message = message.clone();
    let (parent, name) = place.rsplit_once('/').expect("a pointer");
    let name = name.replace("~1", "/");
    match (message.pointer_mut(parent).expect("a place"), value) {
        (Value::Object(members), Some(value)) => drop(members.insert(name, value)),
        (Value::Object(members), None) => drop(members.remove(&name).expect("something to take away")),
        (other, _) => panic!("{other} has no members"),
    }
    message
}

fn tools(revision: &str) -> Value {
    let mut tool =
        json!({ "name": "get_tag", "description": "Reads a tag.", "inputSchema": { "type": "object" } });
    if revision != "2025-03-26" {
        tool["title"] = "Get Tag".into();
        tool["outputSchema"] = json!({ "type": "object" });
    }
    let mut result = json!({ "tools": [tool] });
    if revision == MODERN {
        result["resultType"] = "complete".into();
        result["ttlMs"] = 1.into();
        result["cacheScope"] = "public".into();
    }
    answer(result)
}

fn modern(mut result: Value) -> Value {
    result["resultType"] = "complete".into();
    answer(result)
}

fn asking() -> Value {
    let schema = json!({ "type": "object", "properties": { "confirmed": { "type": "boolean" } } });
    let params = json!({ "mode": "form", "message": "Delete it?", "requestedSchema": schema });
    let request = json!({ "method": "elicitation/create", "params": params });
    answer(json!({ "resultType": "input_required", "inputRequests": { "confirm_delete": request } }))
}

fn elicitation() -> Value {
    let schema = json!({ "type": "object", "properties": { "confirmed": { "type": "boolean" } } });
    let params = json!({ "message": "Delete it?", "requestedSchema": schema });
    json!({ "jsonrpc": "2.0", "id": "e1", "method": "elicitation/create", "params": params })
}

fn notification(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({ "io.modelcontextprotocol/subscriptionId": 7 });
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

fn page() -> Value {
    let csp =
        json!({ "connectDomains": [], "resourceDomains": [], "frameDomains": [], "baseUriDomains": [] });
    let meta = json!({ "ui": { "csp": csp, "prefersBorder": true } });
    let contents = json!([{ "uri": "ui://epicme/entry", "text": "<!doctype html>", "_meta": meta }]);
    json!({ "contents": contents, "ttlMs": 0, "cacheScope": "private" })
}

#[test]
fn takes_one_of_everything_that_the_server_says() {
    let cached = |mut result: Value| {
        result["ttlMs"] = 0.into();
        result["cacheScope"] = "private".into();
        result
    };
    let info = json!({ "name": "epicme", "version": "1" });
    let embedded = json!({ "type": "resource", "resource": { "uri": "epicme://tags", "text": "[]" } });
    let text = json!({ "type": "text", "text": "{}" });
    let link = json!({ "type": "resource_link", "uri": "epicme://tags/1", "name": "walks" });
    let called = json!({ "content": [link, text], "structuredContent": {} });
    let methods = [
        ("tools/call", called),
        ("resources/list", cached(json!({ "resources": [{ "uri": "epicme://tags", "name": "tags" }] }))),
        (
            "resources/templates/list",
            cached(json!({ "resourceTemplates": [{ "uriTemplate": "epicme://tags/{id}", "name": "tag" }] })),
        ),
        ("resources/read", cached(json!({ "contents": [{ "uri": "epicme://tags", "text": "[]" }] }))),
        ("resources/read", page()),
        ("prompts/list", cached(json!({ "prompts": [{ "name": "p", "arguments": [{ "name": "a" }] }] }))),
        ("prompts/get", json!({ "messages": [{ "role": "user", "content": embedded }] })),
        ("completion/complete", json!({ "completion": { "values": ["1"], "total": 1, "hasMore": false } })),
    ];
    for (method, result) in methods {
        assert_eq!(fault(MODERN, Some(method), &modern(result.clone())), Ok(()));
        let mut legacy = result;
        legacy.as_object_mut().expect("a result").retain(|name, _| name != "ttlMs" && name != "cacheScope");
        for revision in &LEGACY[..2] {
            assert_eq!(fault(revision, Some(method), &answer(legacy.clone())), Ok(()));
        }
    }
    for revision in LEGACY {
        let result =
            json!({ "protocolVersion": revision, "capabilities": { "tools": {} }, "serverInfo": info });
        assert_eq!(fault(revision, Some("initialize"), &answer(result)), Ok(()));
        assert_eq!(fault(revision, Some("ping"), &answer(json!({}))), Ok(()));
        assert_eq!(fault(revision, Some("tools/list"), &tools(revision)), Ok(()));
        assert_eq!(
            fault(revision, Some("resources/read"), &error(-32002, Some(json!({ "uri": "x" })))),
            Ok(())
        );
        assert_eq!(fault(revision, None, &but(&error(-32700, None), "/id", None)), Ok(()));
    }
    let batch = json!([answer(json!({})), answer(json!({}))]);
    assert_eq!(fault("2025-03-26", Some("ping"), &batch), Ok(()));
    for revision in &LEGACY[..2] {
        assert_eq!(fault(revision, None, &elicitation()), Ok(()));
    }
    assert_eq!(fault(MODERN, Some("tools/list"), &tools(MODERN)), Ok(()));
    let discovered = cached(
        json!({ "supportedVersions": [MODERN], "capabilities": { "resources": { "subscribe": true } } }),
    );
    assert_eq!(fault(MODERN, Some("server/discover"), &modern(discovered)), Ok(()));
    let ended = json!({ "_meta": { "io.modelcontextprotocol/subscriptionId": 7 } });
    assert_eq!(fault(MODERN, Some("subscriptions/listen"), &modern(ended)), Ok(()));
    assert_eq!(fault(MODERN, Some("tools/call"), &asking()), Ok(()));
    for (method, params) in [
        (
            "notifications/subscriptions/acknowledged",
            json!({ "notifications": { "resourcesListChanged": true } }),
        ),
        ("notifications/resources/updated", json!({ "uri": "epicme://tags/1" })),
        ("notifications/resources/list_changed", json!({})),
    ] {
        assert_eq!(fault(MODERN, None, &notification(method, params)), Ok(()));
    }
    for (code, data) in [
        (-32020, None),
        (-32021, Some(json!({ "requiredCapabilities": { "elicitation": {} } }))),
        (-32022, Some(json!({ "supported": [MODERN], "requested": "2099-01-01" }))),
        (-32602, None),
    ] {
        assert_eq!(fault(MODERN, Some("tools/call"), &error(code, data)), Ok(()));
    }
}

#[test]
fn finds_each_single_fault() {
    let (list, call, none) = (Some("tools/list"), Some("tools/call"), None);
    let called = |result: Value| answer(result);
    let text = json!([{ "type": "text", "text": "x" }]);
    let link = json!([{ "type": "resource_link", "uri": "epicme://tags/1", "name": "walks" }]);
    let updated = notification("notifications/resources/updated", json!({ "uri": "epicme://tags/1" }));
    let versions = error(-32022, Some(json!({ "supported": [MODERN], "requested": "x" })));
    let viewed = json!({ "ui": { "resourceUri": "ui://epicme/entry", "visibility": ["model"] } });
    let (read, page) = (Some("resources/read"), modern(page()));
    let tool = "/result/tools/0";
    let one_tool = |revision: &str, name: &str, value: Value| {
        let mut message = tools(revision);
        message.pointer_mut(tool).expect("a tool")[name] = value;
        message
    };
    let faults: Vec<(&str, Option<&str>, Value, &str)> = vec![
        // The envelope.
        (MODERN, list, but(&tools(MODERN), "/jsonrpc", None), "jsonrpc"),
        (MODERN, list, but(&tools(MODERN), "/jsonrpc", Some(json!("1.0"))), "/jsonrpc"),
        (MODERN, list, but(&tools(MODERN), "/id", None), "id"),
        (MODERN, list, but(&tools(MODERN), "/id", Some(Value::Null)), "/id"),
        (MODERN, list, but(&tools(MODERN), "/extra", Some(json!(1))), "extra"),
        (MODERN, none, tools(MODERN), "no request could be read"),
        (MODERN, Some("nothing/known"), tools(MODERN), "which has none"),
        (MODERN, Some("input_required"), asking(), "which has none"),
        (MODERN, none, but(&error(-32700, None), "/id", Some(Value::Null)), "/id"),
        (MODERN, list, but(&error(-32602, None), "/id", None), "without the id"),
        (MODERN, list, but(&error(-32602, None), "/error/code", Some(json!("x"))), "integer code"),
        (MODERN, list, but(&error(-32602, None), "/error/message", None), "message"),
        (MODERN, list, but(&error(-32602, None), "/result", Some(json!({}))), "result"),
        // A batch where there is none.
        ("2025-06-18", Some("ping"), json!([answer(json!({}))]), "no batch"),
        ("2025-03-26", Some("ping"), json!([]), "no batch"),
        // Codes and what goes with them.
        (MODERN, list, error(-32002, None), "-32002"),
        (MODERN, list, error(-32042, None), "-32042"),
        (MODERN, list, error(-32021, None), "data"),
        (MODERN, list, error(-32021, Some(json!({ "requiredCapabilities": [] }))), "requiredCapabilities"),
        (MODERN, list, but(&versions, "/error/data/requested", None), "requested"),
        ("2025-11-25", list, but(&versions, "/error/data/supported", Some(json!("x"))), "supported"),
        // What the stateless revision demands, and the others don't have.
        (MODERN, list, but(&tools(MODERN), "/result/resultType", None), "resultType"),
        (MODERN, list, but(&tools(MODERN), "/result/resultType", Some(json!("done"))), "resultType"),
        (MODERN, list, but(&tools(MODERN), "/result/ttlMs", Some(json!(-1))), "ttlMs"),
        (MODERN, list, but(&tools(MODERN), "/result/cacheScope", None), "cacheScope"),
        (MODERN, call, modern(json!({ "content": [], "ttlMs": 1 })), "ttlMs"),
        (MODERN, list, but(&tools(MODERN), "/result/nextCursor", Some(Value::Null)), "nextCursor"),
        (MODERN, Some("ping"), modern(json!({})), "ping"),
        (MODERN, list, asking(), "tools/list"),
        (MODERN, call, but(&asking(), "/result/inputRequests", Some(json!({}))), "inputRequests"),
        ("2025-11-25", call, asking(), "tools/call"),
        (
            "2025-11-25",
            list,
            but(&tools("2025-11-25"), "/result/resultType", Some(json!("complete"))),
            "resultType",
        ),
        ("2025-11-25", list, but(&tools("2025-11-25"), "/result/_meta", Some(json!({}))), "_meta"),
        ("2025-06-18", list, but(&tools("2025-06-18"), "/result/ttlMs", Some(json!(0))), "ttlMs"),
        (
            "2025-06-18",
            list,
            but(&tools("2025-06-18"), "/result/cacheScope", Some(json!("public"))),
            "cacheScope",
        ),
        ("2025-11-25", Some("ping"), answer(json!({ "pong": 1 })), "pong"),
        ("2025-11-25", Some("server/discover"), answer(json!({})), "server/discover"),
        // What 2025-03-26 doesn't know.
        ("2025-03-26", list, one_tool("2025-03-26", "title", json!("T")), "title"),
        (
            "2025-03-26",
            list,
            one_tool("2025-03-26", "outputSchema", json!({ "type": "object" })),
            "outputSchema",
        ),
        ("2025-03-26", list, one_tool("2025-03-26", "_meta", viewed.clone()), "_meta"),
        ("2025-03-26", call, called(json!({ "content": [], "structuredContent": {} })), "structuredContent"),
        ("2025-03-26", call, called(json!({ "content": link })), "content"),
        ("2025-03-26", none, elicitation(), "elicitation/create"),
        // The rest.
        (MODERN, list, one_tool(MODERN, "_meta", but(&viewed, "/ui/extra", Some(json!(1)))), "_meta"),
        (
            "2025-11-25",
            list,
            one_tool("2025-11-25", "_meta", but(&viewed, "/ui/visibility", Some(json!(["app"])))),
            "_meta",
        ),
        (
            MODERN,
            read,
            but(&page, "/result/contents/0/_meta/ui/csp/frameDomains", Some(json!(["x"]))),
            "contents",
        ),
        (MODERN, read, but(&page, "/result/contents/0/_meta/ui/csp/connectDomains", None), "contents"),
        (MODERN, list, one_tool(MODERN, "inputSchema", json!({ "type": "array" })), "inputSchema"),
        (
            "2025-06-18",
            call,
            called(json!({ "content": text, "structuredContent": [] })),
            "structuredContent",
        ),
        ("2025-06-18", call, called(json!({ "content": [{ "type": "text" }] })), "content"),
        ("2025-06-18", Some("resources/read"), called(json!({ "contents": [] })), "contents"),
        (
            MODERN,
            Some("completion/complete"),
            modern(json!({ "completion": { "values": vec!["1"; 101] } })),
            "values",
        ),
        (MODERN, none, elicitation(), "elicitation/create"),
        ("2025-06-18", none, but(&elicitation(), "/params/mode", Some(json!("form"))), "mode"),
        (MODERN, none, but(&updated, "/params/uri", None), "uri"),
        (MODERN, none, but(&updated, "/params/_meta", None), "_meta"),
        (MODERN, none, but(&updated, "/id", Some(json!(1))), "id"),
        ("2025-11-25", none, updated.clone(), "notifications/resources/updated"),
        (
            MODERN,
            none,
            but(&updated, "/method", Some(json!("notifications/message"))),
            "nothing that this server",
        ),
    ];
    for (revision, method, message, named) in faults {
        match fault(revision, method, &message) {
            Ok(()) => panic!("{revision} {method:?} took {message}"),
            Err(fault) => assert!(fault.contains(named), "{fault:?} doesn't name {named:?}: {message}"),
        }
    }
}

#[test]
fn lets_the_official_schema_refuse_what_the_own_rules_take() {
    let folder = Folder::new();
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {
            "JSONRPCResponse": { "required": ["jsonrpc"] },
            "ListToolsResult": { "required": ["nextCursor"] },
        },
    });
    std::fs::write(folder.path().join("2025-06-18.json"), schema.to_string()).expect("a schema is written");
    let official = Judge::official(folder.path().to_owned());
    let fault = |message: &Value| fault_by(Some(&official), "2025-06-18", Some("tools/list"), message);
    let told = fault(&tools("2025-06-18")).expect_err("the folder's schema wants a cursor");
    assert!(told.contains("official") && told.contains("nextCursor"), "{told}");
    assert_eq!(fault(&but(&tools("2025-06-18"), "/result/nextCursor", Some(json!("c")))), Ok(()));
}

/// Whether the answer to this request is found invalid.
fn is_refused(fields: &[(&str, &str)], request: &Value, kind: &str, body: &str) -> bool {
    let own = |fields: &[(&str, &str)]| {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
    };
    let body = body.as_bytes().to_vec();
    let sent =
        Sent { line: "POST /mcp".to_owned(), fields: own(fields), body: request.to_string().into_bytes() };
    let reply = Reply { status: 200, fields: own(&[("Content-Type", kind)]), body };
    std::panic::catch_unwind(|| check_exchange(Some(&sent), &reply)).is_err()
}

#[test]
fn knows_from_the_request_what_its_answer_must_be() {
    let json_kind = "application/json";
    let version = |revision| [("MCP-Protocol-Version", revision)];
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let mut claiming = list.clone();
    claiming["params"] = json!({ "_meta": support::modern_meta() });
    for spoken in ["2025-03-26", "2025-11-25", MODERN] {
        let asked = if spoken == MODERN { &claiming } else { &list };
        for answered in ["2025-03-26", "2025-11-25", MODERN] {
            // The oldest form has no member that a later one would miss.
            let valid = spoken == answered || (spoken, answered) == ("2025-11-25", "2025-03-26");
            let body = tools(answered).to_string();
            assert_eq!(is_refused(&version(spoken), asked, json_kind, &body), !valid, "{spoken} {answered}");
        }
    }
    assert!(!is_refused(&[], &list, json_kind, &tools("2025-03-26").to_string()), "silence is the oldest");
    assert!(is_refused(&[], &list, json_kind, &tools("2025-11-25").to_string()));
    assert!(is_refused(&[], &list, json_kind, &but(&tools("2025-03-26"), "/id", Some(json!(2))).to_string()));
    let (ping, pong) = (json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }), answer(json!({})));
    let both = json!([list, ping]);
    assert!(!is_refused(&[], &both, json_kind, &json!([tools("2025-03-26"), pong]).to_string()));
    assert!(is_refused(&[], &both, json_kind, &json!([pong, tools("2025-03-26")]).to_string()));
    assert!(is_refused(&[], &both, json_kind, &json!([tools("2025-03-26")]).to_string()), "one is missing");
    let events =
        |last: &Value| format!(": wait\n\ndata: {}\n\nevent: message\ndata: {last}\n\n", elicitation());
    let call =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "delete_tag" } });
    let done = answer(json!({ "content": [] }));
    assert!(!is_refused(&version("2025-11-25"), &call, "text/event-stream", &events(&done)));
    assert!(is_refused(&version("2025-11-25"), &call, "text/event-stream", &events(&pong)));
    assert!(is_refused(&[], &call, "text/event-stream", &events(&done)), "2025-03-26 has no questions");
}
