//! MCP over HTTP, in every protocol version: which one a message speaks, the order of the checks, every mistake with
//! its response, and what the responses hold. `journal.rs` holds what the tools do.

use std::collections::BTreeMap;

use epicme::limits;
use epicme::secret::Signer;
use jsonschema::draft202012;
use serde_json::{Value, json};

use crate::support::{Client, Dice, Reply, SCOPES, Server, Wire, modern_meta};

const VERSION: &str = "MCP-Protocol-Version";
/// The header of the stateless revision.
const MODERN: (&str, &str) = (VERSION, "2026-07-28");
/// The revisions that are reached by `initialize`, newest first.
const LEGACY: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// Every tool in its order, the scopes that it needs, and a call that works in that order on [`furnish`]ed rows.
const TOOLS: [(&str, &str, &str); 19] = [
    ("whoami", "user:read", "{}"),
    ("create_entry", "entries:write", r#"{"title":"Rain","content":"all day","tags":[1]}"#),
    ("get_entry", "entries:read", r#"{"id":1}"#),
    ("list_entries", "entries:read", r#"{"limit":1}"#),
    ("search_entries", "entries:read", r#"{"query":"walk*"}"#),
    ("on_this_day", "entries:read", r#"{"date":"2026-03-01"}"#),
    ("journal_overview", "entries:read", "{}"),
    ("update_entry", "entries:write", r#"{"id":1,"mood":null,"isFavorite":1}"#),
    ("delete_entry", "entries:write", r#"{"id":1}"#),
    ("create_tag", "tags:write", r#"{"name":"weather"}"#),
    ("get_tag", "tags:read", r#"{"id":1}"#),
    ("list_tags", "tags:read", r#"{"limit":1}"#),
    ("update_tag", "tags:write", r#"{"id":1,"description":"outdoors"}"#),
    ("delete_tag", "tags:write", r#"{"id":1}"#),
    ("merge_tags", "tags:write", r#"{"fromId":3,"intoId":2}"#),
    ("add_tag_to_entry", "entries:write", r#"{"entryId":2,"tagId":2}"#),
    ("remove_tag_from_entry", "entries:write", r#"{"entryId":2,"tagId":2}"#),
    ("get_tag_suggestions_instructions", "entries:read tags:read", r#"{"entryId":2}"#),
    ("get_journal_insights_instructions", "entries:read", r#"{"tagIds":[2]}"#),
];

/// A server, and somebody with a token made with these options.
fn start(options: &[&str]) -> (Server, Client) {
    let server = Server::start();
    let client = Client::new(&server, &server.token("ada@example.com", options));
    (server, client)
}

/// One entry and one tag, for the calls in [`TOOLS`].
fn furnish(client: &mut Client) {
    client.ok("create_entry", json!({ "title": "Hills", "content": "a long walk", "mood": "calm" }));
    client.ok("create_tag", json!({ "name": "walks" }));
}

/// The cells of a table row that is written as one text.
fn cells(row: &str) -> impl Iterator<Item = &str> {
    row.split('|').map(str::trim)
}

fn message(method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

/// Parameters whose `_meta` claims this revision.
fn claiming(version: impl Into<Value>) -> Value {
    json!({ "_meta": { VERSION_KEY: version.into(), CAPABILITIES_KEY: {} } })
}

fn batch<T: AsRef<str>>(messages: &[T]) -> String {
    format!("[{}]", messages.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(","))
}

/// A request byte by byte: whole header lines, and a body framed by its length.
fn raw<L: AsRef<[u8]>>(method: &str, lines: &[L], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} /mcp HTTP/1.1\r\n").into_bytes();
    for line in lines {
        bytes.extend([line.as_ref(), b"\r\n"].concat());
    }
    bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
    bytes.extend(body);
    bytes
}

/// The lines `Host` and `Authorization` of somebody with all scopes.
fn own_lines(server: &Server) -> [String; 2] {
    let token = server.token("ada@example.com", &[]);
    [format!("Host: {}", server.address), format!("Authorization: Bearer {token}")]
}

/// The id that an answer must repeat: that of a request, if it is one that a request may have.
fn id_of(message: &Value) -> Option<&Value> {
    let is_response =
        message.get("method").is_none() && message.get("result").or(message.get("error")).is_some();
    message.get("id").filter(|id| !is_response && (id.is_string() || id.is_i64() || id.is_u64()))
}

/// Checks the whole envelope of an answer to `body`: status, code (0 for a result), and the id with its type.
/// Gives the result or the error.
#[track_caller]
fn check_reply(reply: &Reply, body: &str, status: u16, code: i64) -> Value {
    let row = format!("{body:.300} was answered {} {}", reply.status, String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.status, status, "{row}");
    if status == 202 {
        assert!(reply.body.is_empty(), "{row}");
        return Value::Null;
    }
    assert_eq!(reply.field("content-type"), Some("application/json"), "{row}");
    let mut answer = reply.json();
    assert_eq!(answer["jsonrpc"], "2.0", "{row}");
    assert_eq!(answer.get("id"), id_of(&serde_json::from_str(body).unwrap_or_default()), "{row}");
    let (given, other) = if code == 0 { ("result", "error") } else { ("error", "result") };
    assert!(answer.get(other).is_none(), "{row}");
    assert_eq!(answer["error"]["code"].as_i64().unwrap_or(0), code, "{row}");
    assert_eq!(answer["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), code != 0, "{row}");
    answer[given].take()
}

/// Posts `body` with these fields and checks the answer as [`check_reply`] does.
#[track_caller]
fn check(client: &mut Client, fields: &[(&str, &str)], body: &str, status: u16, code: i64) -> Value {
    let reply = client.post(fields, body);
    assert_eq!(reply.status, status, "{fields:?} {body:.300} {}", String::from_utf8_lossy(&reply.body));
    check_reply(&reply, body, status, code)
}

/// Sends `initialize` and gives the session id and the result.
#[track_caller]
fn initialize(client: &mut Client, fields: &[(&str, &str)], version: &str) -> (String, Value) {
    let client_info = json!({ "name": "test", "version": "1" });
    let params = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client_info });
    let body = message("initialize", params);
    let reply = client.post(fields, &body);
    let result = check_reply(&reply, &body, 200, 0);
    (reply.field("mcp-session-id").expect("a session id").to_owned(), result)
}

// ---- Protocol versions, the order of the checks, mistakes ----

#[test]
fn decides_the_era_by_the_body_and_checks_the_headers_against_it() {
    let (_server, mut client) = start(&[]);
    let mut check = |header: &str, body: &str, status, code| {
        let version = [(VERSION, header), ("Mcp-Method", "initialize")];
        check(&mut client, if header.is_empty() { &[] } else { &version }, body, status, code)
    };
    let ping = message("ping", json!({}));
    for header in ["", "2025-03-26", "2025-11-25", "2026-07-28", "2099-01-01"] {
        check(header, "[]", 400, -32600);
        check(header, &batch(&[&ping, &message("ping", claiming("2026-07-28"))]), 400, -32600);
        for body in cells(r#"1 | true | null | "ping" | {} | {"jsonrpc":"2.0","id":1}"#) {
            check(header, body, 400, -32600);
        }
        for response in
            cells(r#""id":1,"result":{} | "id":"x","error":{} | "id":null,"error":{} | "error":{}"#)
        {
            check(header, &format!(r#"{{"jsonrpc":"2.0",{response}}}"#), 400, -32600);
        }
        check(header, INITIALIZED, 202, 0);
    }
    for header in ["2026-07-28", "2099-01-01"] {
        check(header, &batch(&[&ping]), 400, -32600);
        check(header, &message("initialize", json!({ "protocolVersion": "2025-11-25" })), 400, -32020);
        let missing = check(header, &ping, 400, -32602);
        for key in [VERSION_KEY, CAPABILITIES_KEY] {
            assert!(missing["message"].as_str().is_some_and(|text| text.contains(key)), "{missing}");
        }
    }
    // `initialize` begins a session of an earlier version, unless it is a well-formed request of the stateless version.
    for (version, header, status, code) in [
        (json!("2025-11-25"), "", 200, 0),
        (json!("v999"), "2025-11-25", 200, 0),
        (json!(42), "", 200, 0),
        (json!(42), "2026-07-28", 400, -32020),
        (json!("2026-07-28"), "2026-07-28", 404, -32601),
        (json!("2099-01-01"), "", 400, -32022),
    ] {
        let mut params = claiming(version);
        params["protocolVersion"] = "2025-11-25".into();
        check(header, &message("initialize", params), status, code);
    }
    // A claim is never taken back, whatever it says.
    check("", &message("ping", claiming("v999")), 400, -32022);
    check("", &message("ping", claiming(20260728)), 400, -32602);
    check("2025-11-25", &message("ping", claiming("2025-11-25")), 400, -32022);
    // All else is legacy, where silence means the oldest revision.
    let oldest = check("", LIST, 200, 0);
    assert_eq!(oldest, check("2025-03-26", LIST, 200, 0));
    assert_ne!(oldest, check("2025-06-18", LIST, 200, 0));
    for header in ["2024-11-05", "2026-07-27", "2026-7-28", "latest"] {
        let error = check(header, &ping, 400, -32022);
        assert_eq!(error["data"], json!({ "supported": LEGACY, "requested": header }));
        check(header, INITIALIZED, 400, -32022);
    }
}

#[test]
fn answers_the_earlier_of_two_mistakes_before_the_body_is_parsed() {
    let server = Server::start();
    let [host, authorization] = &own_lines(&server);
    let (foreign, page) = ("Origin: https://evil.example", "Origin: http://localhost:6274");
    let (asks, json) = ("Access-Control-Request-Method: POST", "Content-Type: application/json");
    let (text, html) = ("Content-Type: text/plain", "Accept: text/html");
    let huge = &"x".repeat(4 * 1024 * 1024 + 1);
    let rows: [(&str, &[&str], &str, u16); 10] = [
        ("OPTIONS", &[host, host, foreign, asks], "", 400),
        ("OPTIONS", &[host, foreign, asks], "", 403),
        ("OPTIONS", &[host, page, asks], "", 204),
        ("GET", &[host, text], "", 401),
        ("GET", &[host, authorization, text, html], "", 405),
        ("POST", &[host, authorization, text, html], "{", 415),
        ("POST", &[host, authorization, text], huge, 415),
        ("POST", &[host, authorization, json, html], huge, 406),
        ("POST", &[host, authorization, json], huge, 413),
        ("POST", &[host, authorization, json], "{", 400),
    ];
    for (method, lines, body, status) in rows {
        let reply = server.send(raw(method, lines, body.as_bytes()));
        assert_eq!(reply.status, status, "{method} {lines:?} {body:.9}");
    }
}

#[test]
fn answers_the_earlier_of_two_mistakes_in_a_message() {
    let (_server, mut client) = start(&["--scope", "tags:read"]);
    let check = &mut |fields: &[_], body: &str, status, code| check(&mut client, fields, body, status, code);
    let (old, future) = ((VERSION, "2024-11-05"), (VERSION, "2099-01-01"));
    let (method, twice) = (("Mcp-Method", "tools/list"), [MODERN, MODERN]);
    // Not JSON, then not JSON-RPC, then a protocol version that isn't served.
    check(&twice, r#"{"jsonrpc":"1.0","id":1"#, 400, -32700);
    check(&[old], r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, 400, -32600);
    check(&[old], "[]", 400, -32600);
    check(&[old], &batch(&[LIST]), 400, -32600);
    check(&twice, r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, 400, -32600);
    check(&[old], &message("nothing/known", json!([])), 400, -32022);
    check(&[("Mcp-Session-Id", "v1.x.y")], &message("nothing/known", json!([])), 404, -32600);
    check(&[MODERN, method], &message("initialize", claiming(42)), 400, -32020);
    // Then the envelope, its header, whether it is served, and the other headers.
    let half = |version: &str| json!({ "_meta": { VERSION_KEY: version } });
    check(&[MODERN, method], &message("tools/list", half("v999")), 400, -32602);
    check(&[MODERN], &message("tools/list", claiming("v999")), 400, -32020);
    check(&[future], &message("tools/list", claiming("2099-01-01")), 400, -32022);
    check(&[], &message("tools/list", claiming("2099-01-01")), 400, -32022);
    check(&[MODERN, method], &message("nothing/known", claiming("2026-07-28")), 400, -32020);
    // Then the method, its parameters and the tool, the scope, and last the arguments.
    check(&[], &message("nothing/known", json!([])), 200, -32601);
    check(&[], &message("tools/call", json!({ "name": "create_diary" })), 200, -32602);
    check(&[], &message("tools/call", json!({ "name": "create_entry", "arguments": [1] })), 200, -32602);
    let wrong = message("tools/call", json!({ "name": "create_entry", "arguments": { "title": 1 } }));
    assert_eq!(client.post(&[], &wrong).status, 403);
    let wrong = message("tools/call", json!({ "name": "get_tag", "arguments": { "id": "x" } }));
    assert_eq!(check_reply(&client.post(&[], &wrong), &wrong, 200, 0)["isError"], true);
}

#[test]
fn answers_every_mistake_in_the_envelope() {
    let (_server, mut client) = start(&[]);
    let mut check = |fields: &[(&str, &str)], params: Value, status, code| {
        check(&mut client, fields, &message("tools/list", params), status, code)
    };
    let good = [MODERN, ("Mcp-Method", "tools/list")];
    check(&good, claiming("2026-07-28"), 200, 0);
    for params in [
        json!({}),
        json!([]),
        json!({ "_meta": null }),
        json!({ "_meta": {} }),
        json!({ "_meta": { CAPABILITIES_KEY: {} } }),
        json!({ "_meta": { VERSION_KEY: "2026-07-28" } }),
        json!({ "_meta": { VERSION_KEY: "2026-07-28", CAPABILITIES_KEY: [1] } }),
        json!({ "_meta": { VERSION_KEY: null, CAPABILITIES_KEY: {} } }),
    ] {
        check(&good, params, 400, -32602);
    }
    check(&[], json!({ "_meta": { VERSION_KEY: "2026-07-28" } }), 400, -32602);
    check(&[("Mcp-Method", "tools/list")], claiming("2026-07-28"), 400, -32020);
    for requested in ["2099-01-01", "2025-11-25"] {
        let error = check(&[(VERSION, requested)], claiming(requested), 400, -32022);
        assert_eq!(error["data"], json!({ "supported": ["2026-07-28"], "requested": requested }));
    }
    // What isn't known is passed over.
    let mut params = claiming("2026-07-28");
    params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({ "name": "test", "version": "1" });
    params["_meta"]["traceparent"] = "malformed".into();
    params["_meta"]["example.com/own"] = json!([]);
    params["further"] = json!(1);
    check(&good, params, 200, 0);
}

#[test]
fn answers_a_method_that_is_not_there_by_the_status_of_its_era() {
    let (_server, mut client) = start(&[]);
    let absent =
        "logging/setLevel | resources/subscribe | resources/unsubscribe | roots/list | tasks/get | tasks/list |
        sampling/createMessage | elicitation/create | Tools/List |";
    for method in cells(absent).chain(["initialize", "ping"]) {
        let params = json!({ "_meta": modern_meta(), "name": "x", "uri": "x" });
        let fields = [MODERN, ("Mcp-Method", method), ("Mcp-Name", "x")];
        check(&mut client, &fields, &message(method, params), 404, -32601);
    }
    for method in cells(absent).chain(["server/discover", "subscriptions/listen"]) {
        for version in LEGACY {
            check(&mut client, &[(VERSION, version)], &message(method, json!({})), 200, -32601);
        }
    }
}

#[test]
fn says_of_a_failing_journal_only_that_it_failed() {
    let (server, mut client) = start(&[]);
    client.ok("create_tag", json!({ "name": "walks" }));
    let tamper = |sql| {
        let connection = rusqlite::Connection::open(server.folder.database()).expect("the database");
        connection.execute_batch(sql).expect("the change");
    };
    let call = json!({ "name": "get_tag", "arguments": { "id": 1 } });
    tamper("ALTER TABLE tags RENAME TO mislaid");
    let error = check(&mut client, &[], &message("tools/call", call.clone()), 200, -32603);
    assert_eq!(client.modern("tools/call", call.clone()).json()["error"], error);
    for detail in ["tags", "table", "SELECT", "SQL"] {
        assert!(!error.to_string().contains(detail), "{error}");
    }
    tamper("ALTER TABLE mislaid RENAME TO tags");
    check(&mut client, &[], &message("tools/call", call), 200, 0);
}

// ---- JSON and JSON-RPC ----

#[test]
fn repeats_an_id_with_its_type_and_refuses_what_is_none() {
    let (_server, mut client) = start(&[]);
    let mut check = |id: &str, status, code| {
        check(&mut client, &[], &format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#), status, code);
    };
    for good in cells(r#"0 | 7 | -7 | "7" | "" | "\u00e9\"\\\n☂" | 9007199254740993 | 18446744073709551615"#)
    {
        check(good, 200, 0);
    }
    for bad in cells(r#"null | 1.5 | -0.1 | 1e300 | true | false | [] | [1] | {} | {"id":1}"#) {
        check(bad, 400, -32600);
    }
    check("-9223372036854775808", 200, 0);
    check(&json!("x".repeat(limits::REQUEST_ID_BYTES_MAX)).to_string(), 200, 0);
    check(&json!("x".repeat(limits::REQUEST_ID_BYTES_MAX + 1)).to_string(), 400, -32600);
}

#[test]
fn refuses_what_is_no_json_rpc_message_and_names_its_id() {
    let (_server, mut client) = start(&[]);
    let mut check = |rows: &str, status, code| {
        for members in cells(rows) {
            check(&mut client, &[], &format!(r#"{{{members},"id":"a"}}"#), status, code);
        }
    };
    let ping = r#""jsonrpc":"2.0","method":"ping""#;
    check(&format!(r#"{ping} | {ping},"params":{{}} | {ping},"params":null | {ping},"further":1"#), 200, 0);
    check(&format!(r#"{ping},"params":[1] | {ping},"params":[{{}}] | {ping},"params":1"#), 200, -32602);
    // A client whose one type of message writes each field that isn't set as `null`.
    check(&format!(r#"{ping},"params":null,"result":null,"error":null"#), 200, 0);
    check(
        &format!(r#"{ping},"result":{{}} | {ping},"error":{{}} | "jsonrpc":"2.0","Method":"ping""#),
        400,
        -32600,
    );
    check(
        r#""method":"ping" | "jsonrpc":"2.1","method":"ping" | "jsonrpc":2.0,"method":"ping""#,
        400,
        -32600,
    );
    check(r#""jsonrpc":"2.0","method":1 | "jsonrpc":"2.0","method":null"#, 400, -32600);
    check(r#""jsonrpc":null,"method":"ping" | "jsonrpc":"2.0","method":null,"params":null"#, 400, -32600);
}

/// Some clients serialize each optional field, and write `null` where they have nothing to say.
#[test]
fn takes_null_for_absence_at_every_level_of_a_request() {
    let (_server, mut client) = start(&[]);
    furnish(&mut client);
    let completing = json!({ "ref": { "type": "ref/prompt", "name": "suggest_tags", "title": null },
        "argument": { "name": "entryId", "value": "1" }, "context": null });
    let rows = [
        ("tools/list", json!(null)),
        ("tools/list", json!({ "cursor": null, "_meta": null })),
        ("tools/list", json!({ "_meta": { "progressToken": null } })),
        ("prompts/list", json!({ "cursor": null })),
        ("resources/list", json!({ "cursor": null })),
        ("resources/templates/list", json!({ "cursor": null })),
        ("tools/call", json!({ "name": "list_tags", "arguments": null, "_meta": null })),
        ("tools/call", json!({ "name": "list_tags", "arguments": { "limit": null, "cursor": null } })),
        ("prompts/get", json!({ "name": "summarize_journal_entries", "arguments": null })),
        ("prompts/get", json!({ "name": "summarize_journal_entries", "arguments": { "from": null } })),
        ("completion/complete", completing),
    ];
    for (method, params) in rows {
        for version in LEGACY {
            check(&mut client, &[(VERSION, version)], &message(method, params.clone()), 200, 0);
        }
        // The two required keys of `_meta` are no more than that.
        let mut params = if params.is_null() { json!({}) } else { params };
        params["_meta"] = modern_meta();
        params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!(null);
        params["_meta"]["io.modelcontextprotocol/logLevel"] = json!(null);
        params["_meta"][CAPABILITIES_KEY] = json!({ "elicitation": null, "extensions": null });
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        let fields = [MODERN, ("Mcp-Method", method), ("Mcp-Name", &name)];
        check(&mut client, &fields, &message(method, params), 200, 0);
    }
    // Keys of `_meta` that are there without a value make no stateless request, alone or in a batch.
    let absent = json!({ "_meta": { VERSION_KEY: null, CAPABILITIES_KEY: null } });
    check(&mut client, &[], &message("ping", absent.clone()), 200, 0);
    assert_eq!(client.post(&[], &batch(&[message("ping", absent)])).status, 200);
    let params =
        json!({ "protocolVersion": "2025-11-25", "capabilities": null, "clientInfo": null, "_meta": null });
    assert_eq!(
        check(&mut client, &[], &message("initialize", params), 200, 0)["protocolVersion"],
        "2025-11-25"
    );
    // What must be there can't be null.
    for (method, params) in [
        ("tools/call", json!({ "name": null })),
        ("resources/read", json!({ "uri": null })),
        ("initialize", json!({ "protocolVersion": null })),
        ("completion/complete", json!({ "ref": null, "argument": null })),
    ] {
        check(&mut client, &[], &message(method, params), 200, -32602);
    }
}

/// PHP has one type for lists and objects, and writes `[]` for an object without members.
#[test]
fn takes_an_empty_array_for_an_empty_object_and_refuses_another_array_there() {
    let (_server, mut client) = start(&[]);
    furnish(&mut client);
    let rows = [
        ("tools/list", "/params"),
        ("tools/list", "/params/_meta"),
        ("resources/list", "/params"),
        ("prompts/list", "/params"),
        ("tools/call", "/params/arguments"),
        ("prompts/get", "/params/arguments"),
        ("completion/complete", "/params/context"),
        ("completion/complete", "/params/context/arguments"),
    ];
    let named = |method: &str| match method {
        "tools/call" => json!({ "name": "list_tags", "arguments": {} }),
        "prompts/get" => json!({ "name": "summarize_journal_entries", "arguments": {} }),
        "completion/complete" => json!({ "ref": { "type": "ref/prompt", "name": "suggest_tags" },
            "argument": { "name": "entryId", "value": "1" }, "context": { "arguments": {} } }),
        _ => json!({ "_meta": {} }),
    };
    let with = |method: &str, params: Value, place: &str, value: Value| {
        let mut sent = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        *sent.pointer_mut(place).expect("a place") = value;
        sent.to_string()
    };
    for (method, place) in rows {
        for version in LEGACY {
            let whole = check(&mut client, &[(VERSION, version)], &message(method, named(method)), 200, 0);
            let sent = with(method, named(method), place, json!([]));
            assert_eq!(check(&mut client, &[(VERSION, version)], &sent, 200, 0), whole, "{sent}");
            let is_read = matches!(place, "/params" | "/params/arguments");
            for other in [json!([null]), json!([[]]), json!([{}])].into_iter().filter(|_| is_read) {
                let sent = with(method, named(method), place, other);
                check(&mut client, &[(VERSION, version)], &sent, 200, -32602);
            }
        }
        let mut params = named(method);
        params["_meta"] = json!({ VERSION_KEY: MODERN.1, CAPABILITIES_KEY: [] });
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        let fields = [MODERN, ("Mcp-Method", method), ("Mcp-Name", &name)];
        let whole = check(&mut client, &fields, &message(method, params.clone()), 200, 0);
        if !matches!(place, "/params" | "/params/_meta") {
            let sent = with(method, params.clone(), place, json!([]));
            assert_eq!(check(&mut client, &fields, &sent, 200, 0), whole, "{sent}");
        }
        params["_meta"][CAPABILITIES_KEY] = json!([{}]);
        check(&mut client, &fields, &message(method, params), 400, -32602);
    }
    let params =
        json!({ "protocolVersion": "2025-11-25", "capabilities": [], "clientInfo": [], "_meta": [] });
    check(&mut client, &[], &message("initialize", params), 200, 0);
}

#[test]
fn never_answers_a_notification_and_never_does_what_it_says() {
    let (_server, mut client) = start(&[]);
    let call = json!({ "name": "create_tag", "arguments": { "name": "walks" }, "_meta": modern_meta() });
    let methods = "notifications/initialized | notifications/cancelled | notifications/progress |
        notifications/roots/list_changed | notifications/nothing | tools/call | initialize | nothing";
    for method in cells(methods) {
        for params in [json!({}), json!([1]), call.clone()] {
            let body = json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string();
            check(&mut client, &[], &body, 202, 0);
            // No header rules are defined for notifications.
            check(&mut client, &[MODERN, ("Mcp-Method", "another")], &body, 202, 0);
            check(&mut client, &[(VERSION, "2025-11-25")], &body, 202, 0);
        }
    }
    assert_eq!(client.ok("list_tags", json!({}))["total"], 0);
}

/// A client with one type for requests and notifications writes `"id": null` in each notification.
#[test]
fn takes_a_null_id_for_none_in_what_only_a_notification_is_called_and_refuses_it_elsewhere() {
    let (_server, mut client) = start(&[]);
    let with_id = |id: &str, method: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":null,"result":null}}"#)
    };
    for name in cells("initialized | cancelled | progress | roots/list_changed | nothing") {
        let method = format!("notifications/{name}");
        for fields in [&[][..], &[MODERN], &[(VERSION, "2025-11-25")]] {
            check(&mut client, fields, &with_id("null", &method), 202, 0);
        }
        check(&mut client, &[], &with_id("1", &method), 200, -32601);
        check(&mut client, &[], &with_id("[]", &method), 400, -32600);
    }
    for method in
        cells("ping | tools/call | initialize | nothing | notifications | Notifications/initialized")
    {
        check(&mut client, &[], &with_id("null", method), 400, -32600);
    }
    let batched = batch(&[with_id("null", "notifications/initialized"), message("ping", json!({}))]);
    assert_eq!(client.post(&[], &batched).json(), json!([{ "jsonrpc": "2.0", "id": 1, "result": {} }]));
}

#[test]
fn refuses_what_is_not_one_json_text_of_one_meaning() {
    let server = Server::start();
    let lines = own_lines(&server);
    let mut wire = server.connect();
    let mut check = |body: &[u8], good: bool| {
        let lines = [&lines[0], &lines[1], "Content-Type: application/json"];
        wire.write(raw("POST", &lines, body));
        let (status, code) = if good { (200, 0) } else { (400, -32700) };
        check_reply(&wire.reply().expect("an answer"), if good { LIST } else { "" }, status, code);
    };
    // In `params`, where nobody looks: it is the text that counts.
    let with = |x: &[u8]| [&LIST.as_bytes()[..LIST.len() - 1], br#","params":{"x":"#, x, b"}}"].concat();
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels)).into_bytes();
    for good in cells(r#"1 | 1e308 | "\ud83d\ude00" | "é☂" | {"y":{"z":0},"z":0} | [1]"#) {
        check(&with(good.as_bytes()), true);
    }
    check(&with(&nested(50)), true);
    let bad = r#"1e999 | -1e999 | NaN | 01 | 0x1 | .5 | +1 | 1, | | [1,] | 'x' | // one | 1,"x":1 | 1,"\u0078":1 |
        {"y":{"z":0,"z":0}} | "\ud83d" | "\ude00\ud83d" | "\x41" | }"#;
    for bad in cells(bad) {
        check(&with(bad.as_bytes()), false);
    }
    for bad in [&b"\"\xff\""[..], b"\"\xc0\xaf\"", b"\"\xed\xa0\xbd\"", b"\"\x01\"", b"\"\n\""] {
        check(&with(bad), false);
    }
    for bad in ["9", "[", r#"{"x":"#].map(|piece| piece.repeat(100_000)) {
        check(&with(bad.as_bytes()), false);
    }
    for levels in [129, 100_000] {
        check(&with(&nested(levels)), false);
    }
    check(&[b" \r\n\t", LIST.as_bytes(), b"\n"].concat(), true);
    for (before, after) in [("", "x"), ("", "}"), ("", LIST), ("\u{feff}", ""), ("", "\0"), (")]}',\n", "")] {
        check(format!("{before}{LIST}{after}").as_bytes(), false);
    }
    let wide: Vec<_> = LIST.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bad in [&b""[..], b" ", b"{", &LIST.as_bytes()[1..], br#"{"id":1,"id":1}"#, &wide] {
        check(bad, false);
    }
    check(LIST.as_bytes(), true);
}

// ---- HTTP: methods, types, headers ----

#[test]
fn opens_no_stream_and_ends_no_session_once_past_the_gate() {
    let server = Server::start();
    let [host, authorization] = &own_lines(&server);
    for method in ["GET", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS"] {
        let ask = |lines: &[&str]| {
            let mut wire = server.connect();
            wire.write(raw(method, lines, b""));
            wire.reply_to(method).expect("an answer")
        };
        assert_eq!(ask(&[host, "Accept: text/event-stream"]).status, 401, "{method}");
        let reply = ask(&[host, authorization, "Accept: text/event-stream", "Mcp-Session-Id: v1.x.y"]);
        assert_eq!((reply.status, reply.field("allow")), (405, Some("POST, OPTIONS")), "{method}");
    }
}

#[test]
fn takes_only_a_body_that_says_it_is_json() {
    let server = Server::start();
    let [host, authorization] = &own_lines(&server);
    let check = |types: &[&str], status: u16| {
        let types = types.iter().map(|value| format!("Content-Type: {value}"));
        let lines: Vec<_> = [host.clone(), authorization.clone()].into_iter().chain(types).collect();
        assert_eq!(server.send(raw("POST", &lines, LIST.as_bytes())).status, status, "{lines:?}");
    };
    let good = "application/json | application/json; charset=utf-8 | Application/JSON ;x=y |
        application/json;charset=UTF-8 | application/json; Charset=\"Utf-8\"; x=y | application/json; charset=utf8 |
        application/json; charset=us-ascii | application/json; charset=\"US-ASCII\" |
        application/json; xcharset=utf-16";
    for good in cells(good) {
        check(&[good], 200);
    }
    // The same bytes are another text to a reader that goes by these.
    let other = "application/json; charset=utf-16 | application/json; x=y;charset=iso-8859-1 |
        application/json; charset=utf-8; charset=utf-16 | application/json; CHARSET=\"utf-7\" |
        application/json; charset= | application/json; charset | application/json; charset=us-ascii2 |
        application/json; charset=us-ascii; charset=utf-16";
    for other in cells(other) {
        check(&[other], 415);
    }
    let bad = "text/plain | text/json | application/jsonl | application/json-rpc | application | */* | |
        application/json, application/json | multipart/form-data; x=application/json";
    for bad in cells(bad) {
        check(&[bad], 415);
    }
    check(&[], 415);
    check(&["application/json", "application/json"], 415);
}

#[test]
fn answers_in_a_type_that_the_client_accepts() {
    let (_server, mut client) = start(&[]);
    let mut get = |accept: &str| client.post(&[("Accept", accept), (VERSION, "2025-11-25")], LIST);
    let both = "application/json, text/event-stream | text/event-stream, application/json;q=0.1";
    let plain = get("application/json").json();
    for accept in cells(both).chain(cells("*/* | application/* | APPLICATION/JSON | application/json; q=1.0"))
    {
        let reply = get(accept);
        assert_eq!((reply.status, reply.field("content-type")), (200, Some("application/json")), "{accept}");
    }
    for accept in cells("text/event-stream | Text/* ;q=0.5 | application/json;q=0, text/event-stream") {
        let reply = get(accept);
        assert_eq!((reply.status, reply.field("content-type")), (200, Some("text/event-stream")), "{accept}");
        let text = String::from_utf8(reply.body).expect("UTF-8");
        let data = text.strip_prefix("event: message\ndata: ").and_then(|rest| rest.strip_suffix("\n\n"));
        let data = data.filter(|data| !data.contains(['\n', '\r'])).expect("one event of one data line");
        assert_eq!(serde_json::from_str::<Value>(data).expect("JSON"), plain);
    }
    let refused = "application/json;q=0 | */*;q=0 | */*; q=0.000 | text/event-stream;q=0 | text/html | json";
    for accept in cells(refused).chain(["application/jsonp, text/event-streams"]) {
        assert_eq!(get(accept).status, 406, "{accept}");
    }
    // What isn't a successful answer to a request isn't an event.
    let event = ("Accept", "text/event-stream");
    check(&mut client, &[event], INITIALIZED, 202, 0);
    check(&mut client, &[event], "{", 400, -32700);
}

#[test]
fn demands_headers_that_say_what_the_body_says() {
    let (server, mut client) = start(&[]);
    let body = |name: &Value| message("tools/call", json!({ "name": name, "_meta": modern_meta() }));
    let whoami = body(&json!("whoami"));
    let (method, name) = (("Mcp-Method", "tools/call"), ("Mcp-Name", "whoami"));
    let mut accepts = |fields: &[(&str, &str)]| check(&mut client, fields, &whoami, 200, 0);
    accepts(&[MODERN, method, name]);
    accepts(&[("mcp-protocol-version", "2026-07-28"), ("MCP-METHOD", "tools/call"), ("mCP-nAME", "whoami")]);
    accepts(&[(VERSION, " \t2026-07-28\t"), ("Mcp-Method", "  tools/call "), ("Mcp-Name", "\twhoami \t ")]);
    accepts(&[MODERN, method, ("Mcp-Name", "=?base64?d2hvYW1p?=")]);
    let reply =
        client.post(&[MODERN, method, name, ("Mcp-Session-Id", "v1.x.y"), ("Last-Event-ID", "5")], &whoami);
    check_reply(&reply, &whoami, 200, 0);
    assert_eq!(reply.field("mcp-session-id"), None);

    let mut refuses = |fields: &[(&str, &str)], body: &str| check(&mut client, fields, body, 400, -32020);
    refuses(&[method, name], &whoami);
    refuses(&[MODERN, name], &whoami);
    refuses(&[MODERN, method], &whoami);
    for other in ["tools/list", "Tools/Call", "TOOLS/CALL", "tools/call,", "=?base64?", ""] {
        refuses(&[MODERN, ("Mcp-Method", other), name], &whoami);
    }
    let others =
        "Whoami | WHOAMI | who ami | 'whoami' | | get_tag | d2hvYW1p | =?base64?d2hvYW1p | d2hvYW1p?= |
        =?base64?d2hvYW1p=?= | =?base64?d2hvYW1?= | =?base64?d2hv*W1p?= | =?base64?d2hv YW1p?= | =?base64??= |
        =?base64?V2hvYW1p?= | =?base64?/w==?= | =?base64?PT9iYXNlNjQ/ZDJodllXMXA/PQ==?=";
    for other in cells(others) {
        refuses(&[MODERN, method, ("Mcp-Name", other)], &whoami);
    }
    // A name that the body lacks matches no header, one that can't be decoded included.
    for nameless in [json!(null), json!(5), json!(["whoami"])] {
        for value in ["whoami", "null", "5", "=?base64?/w==?=", "=?base64?*?="] {
            refuses(&[MODERN, method, ("Mcp-Name", value)], &body(&nameless));
        }
    }
    // Beyond ASCII there is only base64; half of its frame is taken as it stands. No tool has such a name.
    for (header, name) in [
        ("=?base64?w6k=?=", "é"),
        ("=?base64?d2hvYW1p", "=?base64?d2hvYW1p"),
        ("d2hvYW1p?=", "d2hvYW1p?="),
        ("=?base64?IHdob2FtaQ==?=", " whoami"),
        ("=?base64??=", ""),
    ] {
        check(&mut client, &[MODERN, method, ("Mcp-Name", header)], &body(&json!(name)), 200, -32602);
    }
    // Bytes that no header may hold: obs-text reaches the check, control bytes already break the framing.
    let lines = own_lines(&server);
    for byte in [0x80, 0xff, 0x00, 0x01, 0x0b, 0x7f] {
        for (header, value) in [MODERN, method, name] {
            let line = [header.as_bytes(), b": ", value.as_bytes(), &[byte]].concat();
            let own = lines.iter().map(String::as_bytes);
            let own: Vec<_> = own.chain([&b"Content-Type: application/json"[..], &line]).collect();
            let reply = server.send(raw("POST", &own, whoami.as_bytes()));
            assert_eq!(reply.status, 400, "{byte:#x}");
            if byte >= 0x80 {
                check_reply(&reply, &whoami, 400, -32020);
            }
        }
    }
}

#[test]
fn refuses_a_protocol_header_that_is_there_twice() {
    let (_server, mut client) = start(&[]);
    let (session, _) = initialize(&mut client, &[], "2025-11-25");
    let version = (VERSION, "2025-11-25");
    let (method, session) = (("Mcp-Method", "tools/list"), ("Mcp-Session-Id", session.as_str()));
    check(&mut client, &[version, session, method], LIST, 200, 0);
    for (header, value) in [version, session, method, ("Mcp-Name", "x")] {
        for other in [value, "another", ""] {
            check(&mut client, &[(header, value), (&header.to_uppercase(), other)], LIST, 400, -32020);
        }
    }
}

#[test]
fn takes_an_empty_session_id_or_version_header_for_none() {
    let (_server, mut client) = start(&[]);
    let (session, _) = initialize(&mut client, &[], "2025-11-25");
    let (session, empty) = (("Mcp-Session-Id", session.as_str()), [("Mcp-Session-Id", ""), (VERSION, "")]);
    let bare = check(&mut client, &[], LIST, 200, 0);
    let newest = check(&mut client, &[session], LIST, 200, 0);
    assert_ne!(bare, newest, "the version without a session is an older one");
    assert_eq!(check(&mut client, &empty, LIST, 200, 0), bare);
    assert_eq!(check(&mut client, &[empty[0], (VERSION, "2025-11-25")], LIST, 200, 0), newest);
    assert_eq!(check(&mut client, &[session, empty[1]], LIST, 200, 0), newest);
    assert_eq!(client.post(&empty, INITIALIZED).status, 202);
    initialize(&mut client, &empty, "2025-11-25");
    // One byte, and it is a value.
    check(&mut client, &[("Mcp-Session-Id", "0")], LIST, 404, -32600);
    check(&mut client, &[(VERSION, "0")], LIST, 400, -32022);
    // A stateless request needs its headers, and an empty one isn't there.
    let list = message("tools/list", claiming("2026-07-28"));
    let error = check(&mut client, &[empty[1], ("Mcp-Method", "tools/list")], &list, 400, -32020);
    assert!(error["message"].as_str().is_some_and(|text| text.contains("is missing")), "{error}");
    check(&mut client, &[MODERN, ("Mcp-Method", "")], &list, 400, -32020);
    check(&mut client, &[MODERN, ("Mcp-Method", "tools/list"), empty[0]], &list, 200, 0);
}

// ---- The versions with `initialize` ----

#[test]
fn agrees_on_a_legacy_revision_and_never_on_the_stateless_one() {
    let (_server, mut client) = start(&[]);
    for asked in LEGACY.into_iter().chain(cells("2026-07-28 | 2024-11-05 | 2099-01-01 | latest |")) {
        let agreed = if LEGACY.contains(&asked) { asked } else { "2025-11-25" };
        for fields in [&[][..], &[(VERSION, "2025-11-25")], &[("Mcp-Session-Id", "v1.x.y")]] {
            let (session, result) = initialize(&mut client, fields, asked);
            assert!(session.bytes().all(|byte| byte.is_ascii_graphic()), "{session}");
            assert_eq!(result["protocolVersion"], agreed, "{asked}");
            let capabilities = json!({ "tools": {}, "resources": {}, "prompts": {}, "completions": {} });
            assert_eq!(
                result["capabilities"], capabilities,
                "nothing is sent unasked, so nothing can be subscribed to"
            );
            assert_eq!(result["serverInfo"]["name"], "epicme");
            assert_eq!(result["serverInfo"].get("title").is_some(), agreed != "2025-03-26");
            assert!(result["instructions"].is_string());
            // The session remembers the revision, so that the header may be left out.
            let listed = check(&mut client, &[("Mcp-Session-Id", &session)], LIST, 200, 0);
            assert_eq!(listed, check(&mut client, &[(VERSION, agreed)], LIST, 200, 0));
        }
    }
    for params in [json!({}), json!({ "protocolVersion": 20251125 }), json!([]), json!(null)] {
        check(&mut client, &[], &message("initialize", params), 200, -32602);
    }
}

#[test]
fn takes_a_session_for_a_memory_and_never_for_a_token() {
    let (server, mut ada) = start(&[]);
    let mut bob = Client::new(&server, &server.token("bob@example.com", &[]));
    let (session, _) = initialize(&mut ada, &[], "2025-11-25");
    let (bobs, _) = initialize(&mut bob, &[], "2025-11-25");
    let line = format!("Mcp-Session-Id: {session}");
    let lines = [&format!("Host: {}", server.address), "Content-Type: application/json", &line];
    assert_eq!(server.send(raw("POST", &lines, LIST.as_bytes())).status, 401);

    let ping = message("ping", json!({}));
    let mut check = |session: &str, status, code| {
        for version in LEGACY {
            check(&mut ada, &[(VERSION, version), ("Mcp-Session-Id", session)], &ping, status, code);
        }
    };
    check(&session, 200, 0);
    let connection = rusqlite::Connection::open(server.folder.database()).expect("the database");
    let key =
        connection.query_row("SELECT value FROM settings WHERE name = 'seal_key'", [], |row| row.get(0));
    let signer = Signer::new(key.expect("the key"));
    let sealed = |expires_at: i64| {
        let session = json!(["2025-11-25", expires_at, false, "random", false]).to_string();
        signer.sign(&[b"session", &1_i64.to_be_bytes()], session.as_bytes())
    };
    check(&sealed(i64::MAX), 200, 0);
    let (head, tail) = session.split_at(session.len() / 2);
    let forged = format!("{head}{}{}", if tail.starts_with('A') { "B" } else { "A" }, &tail[1..]);
    let unsigned = format!("{}.", session.rsplit_once('.').expect("a signature").0);
    for bad in [&bobs, &sealed(1), &forged, &unsigned, head, "v1", "0", "../../x", &"A".repeat(9000)] {
        check(bad, 404, -32600);
    }
    assert_eq!(ada.post(&[("Mcp-Session-Id", &session)], INITIALIZED).status, 202);
    assert_eq!(ada.post(&[("Mcp-Session-Id", &bobs)], INITIALIZED).status, 404);
    assert_eq!(ada.post(&[], INITIALIZED).status, 202, "none is needed");
    // It needs no memory of the server's own.
    let folder = server.folder.clone();
    drop(server);
    let again = Server::start_in(folder, &[]);
    let mut ada = Client::new(&again, &again.token("ada@example.com", &[]));
    check_reply(&ada.post(&[("Mcp-Session-Id", &session)], &ping), &ping, 200, 0);
}

#[test]
fn tells_each_revision_only_what_it_knows() {
    let (_server, mut client) = start(&[]);
    furnish(&mut client);
    let call = message("tools/call", json!({ "name": "get_entry", "arguments": { "id": 1 }, "task": {} }));
    let modern = client.call("get_entry", json!({ "id": 1 }));
    for version in LEGACY {
        let mut check = |body: &str| check(&mut client, &[(VERSION, version)], body, 200, 0);
        assert_eq!(check(&message("ping", json!({}))), json!({}), "{version}");
        let is_oldest = version == "2025-03-26";
        let (listed, mut called) = (check(LIST), check(&call));
        for tool in listed["tools"].as_array().expect("tools") {
            for key in ["title", "outputSchema"] {
                assert_eq!(tool.get(key).is_none(), is_oldest, "{version} {tool}");
            }
        }
        let data = called["content"].as_array_mut().and_then(Vec::pop).expect("content");
        let data: Value = serde_json::from_str(data["text"].as_str().expect("text")).expect("JSON");
        assert_eq!(data, modern["structuredContent"], "{version}");
        let (links, keys): (_, &[&str]) =
            if is_oldest { (0, &["content"]) } else { (1, &["content", "structuredContent"]) };
        assert_eq!(called["content"].as_array().map(Vec::len), Some(links), "{version} {called}");
        assert_eq!(called.as_object().expect("a result").keys().collect::<Vec<_>>(), keys, "{version}");
        assert_eq!(listed.as_object().expect("a result").keys().collect::<Vec<_>>(), ["tools"], "{version}");
    }
}

/// The fourth call of the batch writes an entry, and with it a trigger revokes the token.
#[test]
fn runs_no_further_call_of_a_batch_whose_token_has_ended() {
    let server = Server::start();
    let token = server.token("ada@example.com", &[]);
    let mut client = Client::new(&server, &token);
    let calls = |last: usize| {
        let call = |id: usize| {
            let title = if id == last { "last" } else { "one" };
            let params = json!({ "name": "create_entry", "arguments": { "title": title, "content": "c" } });
            json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
        };
        batch(&(0..10).map(call).collect::<Vec<_>>())
    };
    let trigger = "CREATE TRIGGER revoke AFTER INSERT ON entries WHEN new.title = 'last'
                   BEGIN UPDATE tokens SET revoked_at = 1; END";
    let database = rusqlite::Connection::open(server.folder.database()).expect("the database");
    database.execute_batch(trigger).expect("a trigger");
    for (last, expected) in [(10, 10), (3, 4)] {
        let answers = client.post(&[], &calls(last)).json();
        let answers = answers.as_array().expect("a batch");
        let (done, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer["error"].is_null());
        assert_eq!(done.len(), expected, "{answers:?}");
        for answer in refused {
            let text = answer["error"]["message"].as_str().expect("a sentence");
            assert!(text.contains("the access token has ended"), "{text}");
        }
    }
    let rows = database.query_row("SELECT count(*) FROM entries", [], |row| row.get(0));
    assert_eq!(rows, Ok(14), "what says that it was not run was not run");
}

#[test]
fn answers_a_batch_in_order_at_the_oldest_revision_alone() {
    let (_server, mut client) = start(&[]);
    let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let request =
        |id: Value, method: &str| json!({ "jsonrpc": "2.0", "id": id, "method": method }).to_string();
    let mixed =
        [&request(json!("b"), "ping"), note, &request(json!(3), "nothing"), &request(json!(1), "tools/list")];
    let (oldest, _) = initialize(&mut client, &[], "2025-03-26");
    let (newest, _) = initialize(&mut client, &[], "2025-11-25");
    for fields in [&[][..], &[(VERSION, "2025-03-26")], &[("Mcp-Session-Id", oldest.as_str())]] {
        let reply = client.post(fields, &batch(&mixed));
        assert_eq!((reply.status, reply.field("content-type")), (200, Some("application/json")));
        let answers = reply.json();
        let ids: Vec<_> = answers.as_array().expect("a batch").iter().map(|answer| &answer["id"]).collect();
        assert_eq!(ids, [&json!("b"), &json!(3), &json!(1)]);
        assert_eq!(answers[0]["result"], json!({}));
        assert_eq!(answers[1]["error"]["code"], -32601);
        assert_eq!(answers[2]["result"]["tools"][0]["name"], TOOLS[0].0);
    }
    assert_eq!(client.post(&[], &batch(&[LIST; 50])).json().as_array().map(Vec::len), Some(50));
    check(&mut client, &[], &batch(&[LIST; 51]), 400, -32600);
    check(&mut client, &[], &batch(&[note; 2]), 202, 0);
    let newest = ("Mcp-Session-Id", newest.as_str());
    for fields in [newest, (VERSION, "2025-11-25"), (VERSION, "2025-06-18"), MODERN] {
        check(&mut client, &[fields], &batch(&mixed), 400, -32600);
        check(&mut client, &[fields], &batch(&[note]), 400, -32600);
    }
}

#[test]
fn does_nothing_of_a_batch_that_it_refuses() {
    let (server, mut client) = start(&["--scope", "tags:read tags:write"]);
    let call = |tool: &str| message("tools/call", json!({ "name": tool, "arguments": { "name": "walks" } }));
    let create = call("create_tag");
    let initialize = message("initialize", json!({ "protocolVersion": "2025-03-26" }));
    for refused in [&initialize, "1", "[]", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, r#"{"id":null}"#] {
        check(&mut client, &[], &batch(&[&create, refused]), 400, -32600);
    }
    let reply = client.post(&[], &batch(&[&create, &call("create_entry"), &create]));
    assert_eq!(reply.status, 403);
    assert_eq!(reply.scopes_to_ask_for(), ["entries:write", "tags:read", "tags:write"]);
    assert_eq!(client.ok("list_tags", json!({}))["total"], 0);
    // The same without what was refused.
    let mut able = Client::new(&server, &server.token("ada@example.com", &[]));
    assert_eq!(able.post(&[], &batch(&[&create, &call("create_entry"), &create])).status, 200);
    assert_eq!(client.ok("list_tags", json!({}))["total"], 1);
}

// ---- The stateless version, and the tools as it shows them ----

#[test]
fn tells_a_modern_client_what_there_is_and_how_long_that_holds() {
    let (_server, mut client) = start(&[]);
    furnish(&mut client);
    let server_info =
        |result: &Value| result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "epicme";
    let discovered = client.modern("server/discover", json!({})).json()["result"].take();
    assert_eq!(discovered["supportedVersions"], json!(["2026-07-28"]));
    let resources = json!({ "subscribe": true, "listChanged": true });
    let capabilities = json!({
        "tools": {}, "resources": resources, "prompts": {}, "completions": {},
        "extensions": { "io.modelcontextprotocol/ui": {} },
    });
    assert_eq!(discovered["capabilities"], capabilities);
    let listed = client.modern("tools/list", json!({})).json()["result"].take();
    assert_eq!(listed.get("nextCursor"), None);
    for result in [&discovered, &listed] {
        assert_eq!(result["resultType"], "complete");
        assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(3_600_000), &json!("public")));
        assert!(server_info(result), "{result}");
    }
    for id in [1, 9] {
        let called = client.call("get_entry", json!({ "id": id }));
        assert_eq!(called["resultType"], "complete");
        assert!(called.get("ttlMs").is_none() && called.get("cacheScope").is_none() && server_info(&called));
        assert_eq!(called.get("isError").is_some(), id == 9, "{called}");
    }
    let cursor = client.modern("tools/list", json!({ "cursor": "" }));
    assert_eq!((cursor.status, &cursor.json()["error"]["code"]), (200, &json!(-32602)));
}

#[test]
fn shows_the_same_tools_to_everybody() {
    let (server, mut client) = start(&[]);
    let all = client.modern("tools/list", json!({})).body;
    for scope in SCOPES {
        let mut client = Client::new(&server, &server.token("bob@example.com", &["--scope", scope]));
        assert_eq!(client.modern("tools/list", json!({})).body, all, "{scope}");
        for (tool, needed, arguments) in TOOLS {
            let arguments: Value = serde_json::from_str(arguments).expect("JSON");
            let reply = client.modern("tools/call", json!({ "name": tool, "arguments": arguments }));
            assert_eq!(reply.status, if needed == scope { 200 } else { 403 }, "{tool} with {scope}");
            if needed != scope {
                let asked = SCOPES.into_iter().filter(|name| *name == scope || needed.contains(name));
                assert_eq!(reply.scopes_to_ask_for(), asked.collect::<Vec<_>>(), "{tool} with {scope}");
            }
        }
    }
}

#[test]
fn describes_each_tool_by_valid_schemas_and_keeps_to_them() {
    let (_server, mut client) = start(&[]);
    furnish(&mut client);
    client.ok("create_tag", json!({ "name": "a tag to merge another into" }));
    assert!(!draft202012::meta::is_valid(&json!({ "type": "whole" })), "the judge can say no");
    let listed = client.modern("tools/list", json!({})).json();
    let tools = listed["result"]["tools"].as_array().expect("tools");
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().expect("a name")).collect();
    assert_eq!(names, TOOLS.map(|(name, ..)| name));
    for (tool, (name, _, arguments)) in tools.iter().zip(TOOLS) {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        assert!((1..=128).contains(&name.len()) && name.chars().all(fits), "{name}");
        for text in ["title", "description"] {
            assert!(tool[text].as_str().is_some_and(|text| !text.is_empty()), "{name}");
        }
        let (input, output) = (&tool["inputSchema"], &tool["outputSchema"]);
        for schema in [input, output] {
            assert!(draft202012::meta::is_valid(schema), "{name} {schema}");
            assert_eq!(schema["type"], "object", "{name}");
            assert!(!schema.to_string().contains("$ref"), "{name}");
        }
        assert_eq!(input["additionalProperties"], false, "{name}");
        // Programs that hand a schema on to a model refuse some of what JSON Schema allows, and then the whole request.
        for property in input["properties"].as_object().expect("also without arguments").values() {
            for word in property["enum"].as_array().into_iter().flatten() {
                assert!(word.as_str().is_some_and(|word| !word.is_empty()), "{name} {property}");
            }
            if let Some(pattern) = property["pattern"].as_str() {
                assert!(
                    pattern.starts_with('^') && pattern.ends_with('$') && !pattern.contains('\\'),
                    "{name}"
                );
            }
            let bounds = [property, &property["anyOf"][0]].map(|schema| schema["maxLength"].as_u64());
            assert!(bounds.iter().flatten().all(|bound| *bound < 2_000), "{name} {property}");
        }
        // A larger bound is there in words, and the server keeps to it.
        if ["create_entry", "update_entry"].contains(&name) {
            let content = &input["properties"]["content"];
            assert_eq!(content.get("maxLength"), None, "{name}");
            let described = content["description"].as_str().expect("a description");
            assert!(described.ends_with(". At most 100000 characters."), "{described}");
        }
        let begins = |verbs: &[&str]| verbs.iter().any(|verb| name.starts_with(verb));
        let hint = |name: &str| tool["annotations"][name].as_bool();
        let reads = ["whoami", "get_", "list_", "search_", "on_this_day", "journal_overview"];
        assert_eq!(hint("readOnlyHint"), Some(begins(&reads)), "{name}");
        assert_eq!(hint("destructiveHint"), Some(begins(&["delete_", "remove_", "merge_"])), "{name}");
        // update_entry can add to a text.
        assert_eq!(hint("idempotentHint"), Some(!begins(&["create_", "update_entry"])), "{name}");
        assert_eq!(hint("openWorldHint"), Some(false), "{name}");

        let arguments: Value = serde_json::from_str(arguments).expect("JSON");
        assert!(draft202012::is_valid(input, &arguments), "{name} {arguments}");
        let data = client.ok(name, arguments.clone());
        draft202012::validate(output, &data).unwrap_or_else(|error| panic!("{name}: {error} in {data}"));
        let mut further = arguments;
        further["further"] = json!(1);
        assert!(!draft202012::is_valid(input, &further), "{name}");
        if input["properties"] != json!({}) {
            assert!(client.fails(name, further).contains("\"further\""), "{name}");
        }
    }
}

#[test]
fn refuses_a_call_that_names_no_tool_or_no_object_of_arguments() {
    let (_server, mut client) = start(&[]);
    let mut check = |version: &str, params: &str, code| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call"{params}}}"#);
        check(&mut client, &[(VERSION, version)], &body, 200, code)
    };
    let good = r#"{"name":"whoami"} | {"name":"whoami","arguments":{}} | {"name":"whoami","further":1} |
        {"name":"whoami","arguments":null} | {"name":"whoami","_meta":null} | {"name":"whoami","arguments":[]}"#;
    let bad = r#"{"name":"whoam"} | {"name":"Whoami"} | {"name":"whoami\u0000"} | {"name":" whoami"} | {"name":""} |
        {"name":"whoami","arguments":[{}]} | {"name":"whoami","arguments":"{}"} |
        {"name":null} | {"name":["whoami"]} | {"arguments":{}} | {} | [] | null | "whoami""#;
    for version in LEGACY {
        check(version, "", -32602);
        for params in cells(good) {
            check(version, &format!(r#","params":{params}"#), 0);
        }
        for params in cells(bad) {
            let error = check(version, &format!(r#","params":{params}"#), -32602);
            assert!(!error.to_string().to_lowercase().contains("whoam"), "nothing is reflected: {error}");
        }
    }
    for (params, code) in [
        (json!({ "name": "whoami" }), Value::Null),
        (json!({ "name": "whoam" }), json!(-32602)),
        (json!({ "name": "whoami", "arguments": [] }), Value::Null),
        (json!({ "name": "whoami", "arguments": [{}] }), json!(-32602)),
    ] {
        let reply = client.modern("tools/call", params);
        assert_eq!((reply.status, reply.json()["error"]["code"].take()), (200, code));
    }
}

// ---- Chance ----

impl Dice {
    /// Flips a bit, cuts or repeats a piece, or puts something else in the place of a JSON value.
    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        let odd = r#"null | true | -1 | 1.5 | 1e300 | 1e999 | 99999999999999999999 | "" | "\u0000" | "\ud800" | [] |
            [[]] | [1,"x"] | {} | {"x":{}} | [ | { | " | 0,"x":0 | "2026-07-28" | "list_tags" | "9999-99-99""#;
        let at = self.below(bytes.len());
        let end = (at + 1 + self.below(12)).min(bytes.len());
        let value = bytes[at..].iter().position(|byte| *byte == b':').map(|colon| at + colon + 1);
        match (self.below(12), value) {
            (0, _) => bytes[at] ^= 1 << self.below(8),
            (1, _) => drop(bytes.drain(at..end)),
            (2, _) | (_, None) => {
                let piece = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, piece));
            }
            (_, Some(start)) => {
                let length = bytes[start..].iter().position(|byte| b",}]".contains(byte)).unwrap_or(0);
                let odd = cells(odd).nth(self.below(22)).unwrap_or_default();
                drop(bytes.splice(start..start + length, odd.bytes()));
            }
        }
    }
}

/// Whatever was sent, this is an answer: not our fault, and JSON where it says so.
#[track_caller]
fn check_answer(wire: &mut Wire, sent: &[u8]) -> Reply {
    let sent = String::from_utf8_lossy(sent);
    let reply = wire.reply().unwrap_or_else(|| panic!("no answer to {sent}"));
    assert!((200..500).contains(&reply.status), "{} to {sent}", reply.status);
    match reply.field("content-type") {
        Some("application/json") => {
            let answer = reply.json();
            let is_rpc = answer["jsonrpc"] == "2.0" || answer[0]["jsonrpc"] == "2.0";
            assert!(is_rpc || answer["error"].is_string(), "{answer} to {sent}");
        }
        Some(_) => assert!(!reply.body.is_empty(), "{sent}"),
        None => assert!(reply.body.is_empty() && matches!(reply.status, 202 | 401), "{sent}"),
    }
    reply
}

#[test]
fn survives_whatever_chance_sends() {
    let (server, mut bystander) = start(&[]);
    let [host, authorization] = own_lines(&server);
    let arguments =
        json!({ "query": "walk", "tagIds": [1], "from": "2025-01-31", "limit": 5, "isPrivate": 1 });
    let params = json!({ "name": "search_entries", "arguments": arguments, "_meta": modern_meta() });
    let modern = message("tools/call", params.clone());
    let legacy =
        batch(&[LIST, &message("ping", json!({})), &message("tools/call", json!({ "name": "list_tags" }))]);
    let shared = [&host, &authorization, "Content-Type: application/json", "Accept: application/json"];
    let own = ["MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: search_entries"];
    let all = [&shared[..], &own].concat();

    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut wire = server.connect();
    let mut seen = BTreeMap::new();
    for round in 0..6000 {
        let (lines, body) = if round % 4 == 0 { (&shared[..], &legacy) } else { (&all[..], &modern) };
        let mut lines: Vec<_> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
        let mut body = body.clone().into_bytes();
        let at = dice.below(lines.len());
        match dice.below(9) {
            0 => drop(lines.remove(at)),
            1 => lines.push(lines[at].clone()),
            2 => dice.spoil(&mut lines[at]),
            _ => (0..=dice.below(2)).for_each(|_| dice.spoil(&mut body)),
        }
        let sent = raw("POST", &lines, &body);
        wire.write(&sent);
        let reply = check_answer(&mut wire, &sent);
        if reply.closes() {
            assert_eq!((reply.status, reply.field("content-type")), (400, Some("text/plain; charset=utf-8")));
            wire = server.connect();
        }
        *seen.entry(reply.status).or_insert(0) += 1;
    }
    for status in [200, 400, 401, 406, 415] {
        assert!(seen.get(&status).is_some_and(|count| *count > 10), "chance reached every corner: {seen:?}");
    }
    assert_eq!(bystander.modern("tools/call", params).status, 200);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn fills_a_batch_with_answers_up_to_a_bound() {
    let server = Server::start();
    let token = server.token("ada@example.com", &[]);
    let mut client = Client::new(&server, &token);
    // Six bytes each in JSON, and once more for the text that holds the JSON.
    let content = "x".to_owned() + &"\u{1}".repeat(99_999);
    client.ok("create_entry", json!({ "title": "large", "content": content }));
    let call = |id: usize| {
        let params = json!({ "name": "get_entry", "arguments": { "id": 1 } });
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
    };
    let batch: Vec<_> = (1..=50).map(call).collect();
    let reply = client.post(&[], &Value::from(batch).to_string());
    assert_eq!(reply.status, 200);
    assert!(reply.body.len() < 3 * limits::BATCH_ANSWER_BYTES_MAX, "{} bytes", reply.body.len());
    let answers = reply.json();
    let answers = answers.as_array().expect("a batch");
    assert_eq!(answers.len(), 50, "each call is answered");
    assert!(answers[0]["result"].is_object());
    assert_eq!((&answers[49]["id"], &answers[49]["error"]["code"]), (&json!(50), &json!(-32603)));
}
