//! `epicme stdio`: what a client that starts a program meets, by pipes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio as Pipe};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use epicme::limits;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{self, Client, EPICME, Folder, PATIENCE, Server, eventually, modern_meta, schema};

/// A running `epicme stdio`.
struct Stdio {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    log: Arc<Mutex<String>>,
    /// What was asked, by its id as text.
    asked: HashMap<String, Value>,
    revision: String,
}

impl Stdio {
    fn start(folder: &Folder, token: Option<&str>) -> Stdio {
        Stdio::start_with(folder, token, &[])
    }

    fn start_with(folder: &Folder, token: Option<&str>, options: &[&str]) -> Stdio {
        let mut command = Command::new(EPICME);
        command.args(["stdio", "--database"]).arg(folder.database()).args(options).env_clear();
        command.envs(token.map(|token| ("EPICME_TOKEN", token)));
        let mut child = command
            .stdin(Pipe::piped())
            .stdout(Pipe::piped())
            .stderr(Pipe::piped())
            .spawn()
            .expect("the binary runs");
        let log = support::collect(child.stderr.take().expect("a pipe"));
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).for_each(|line| _ = sender.send(line)));
        let input = child.stdin.take();
        Stdio { child, input, lines, log, asked: HashMap::new(), revision: "2026-07-28".to_owned() }
    }

    fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let input = self.input.as_mut().expect("it is open");
        input.write_all(bytes.as_ref()).expect("the program reads");
    }

    fn send(&mut self, message: &Value) {
        if !message["id"].is_null() {
            self.asked.insert(message["id"].to_string(), message.clone());
        }
        self.write(format!("{message}\n"));
    }

    /// The next line.
    #[track_caller]
    fn line(&mut self) -> String {
        self.lines
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("no line; the log:\n{}", self.log.lock().expect("the log")))
    }

    /// The next message, which must be one of its revision.
    #[track_caller]
    fn message(&mut self) -> Value {
        let line = self.line();
        let message: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let asked = self.asked.get(&message["id"].to_string()).cloned().unwrap_or_default();
        if message["method"].is_string() || !asked.is_null() {
            let of_both = [&asked, &message].map(|message| message["params"]["_meta"].to_string());
            let is_modern = of_both.iter().any(|meta| meta.contains("io.modelcontextprotocol/"));
            let revision = if is_modern { "2026-07-28" } else { &self.revision };
            schema::check_event(revision, &asked, &message);
        }
        message
    }

    /// Begins a session, and returns the result.
    #[track_caller]
    fn initialize(&mut self, revision: &str, capabilities: Value) -> Value {
        self.revision = revision.to_owned();
        let info = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": revision, "capabilities": capabilities, "clientInfo": info });
        let answer = self.ask("initialize", params);
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        assert_eq!(answer["result"]["protocolVersion"], revision, "{answer}");
        answer["result"].clone()
    }

    /// Sends a request of the session, and returns its id.
    fn begin(&mut self, method: &str, params: Value) -> Value {
        let id = json!(self.asked.len() + 1);
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// The same of the stateless version.
    fn begin_modern(&mut self, method: &str, mut params: Value) -> Value {
        params["_meta"] = modern_meta();
        self.begin(method, params)
    }

    /// The answer to a request while there is no other message.
    #[track_caller]
    fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params);
        self.answer(&id)
    }

    #[track_caller]
    fn modern(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin_modern(method, params);
        self.answer(&id)
    }

    #[track_caller]
    fn answer(&mut self, id: &Value) -> Value {
        let message = self.message();
        assert_eq!(message["id"], *id, "{message}");
        message
    }

    /// The structured content of a tool that must succeed.
    #[track_caller]
    fn ok(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.modern("tools/call", json!({ "name": tool, "arguments": arguments }));
        assert!(answer["result"]["structuredContent"].is_object(), "{answer}");
        answer["result"]["structuredContent"].clone()
    }

    /// The sentence of a request that the program itself must answer by an error.
    #[track_caller]
    fn refused(&mut self) -> String {
        let answer = self.modern("tools/list", json!({}));
        assert_eq!(answer["error"]["code"], -32603, "{answer}");
        answer["error"]["message"].as_str().expect("a sentence").to_owned()
    }

    #[track_caller]
    fn log_with(&self, text: &str) -> String {
        support::wait_for(&self.log, text)
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// The exit code, and what came behind the last message that was read.
    #[track_caller]
    fn end(mut self) -> (Option<i32>, Vec<String>) {
        let code = self.child.wait().expect("it ends").code();
        (code, self.lines.iter().collect())
    }

    /// Closes the input, as a client ends the program.
    #[track_caller]
    fn close(mut self) -> (Option<i32>, Vec<String>) {
        self.input = None;
        self.end()
    }
}

impl Drop for Stdio {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const NOTHING: (Option<i32>, Vec<String>) = (Some(0), Vec::new());

/// A folder with a journal that isn't served, and ada's token.
fn folder() -> (Arc<Folder>, String) {
    let folder = Arc::new(Folder::new());
    let token = folder.token("ada@example.com", &[]);
    (folder, token)
}

fn signal(server: &Server, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &server.pid().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

#[test]
fn serves_a_journal_that_has_no_server_in_the_versions_of_both_kinds() {
    let (folder, token) = folder();
    for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut stdio = Stdio::start(&folder, Some(&token));
        let result = stdio.initialize(revision, json!({}));
        assert_eq!(result["serverInfo"]["name"], "epicme");
        assert_eq!(stdio.ask("ping", json!({}))["result"], json!({}));
        let arguments = json!({ "title": revision, "content": "é" });
        let answer = stdio.ask("tools/call", json!({ "name": "create_entry", "arguments": arguments }));
        assert!(answer["result"]["content"].is_array() && answer["result"]["isError"].is_null(), "{answer}");
        assert_eq!(
            stdio.ask("resources/list", json!({}))["result"]["resources"][0]["uri"],
            "epicme://users/current"
        );
        assert_eq!(stdio.close(), NOTHING);
        assert!(!folder.path().join("epicme.db-wal").exists(), "it was closed in order");
    }
    let mut stdio = Stdio::start(&folder, Some(&token));
    let discovered = stdio.modern("server/discover", json!({}));
    assert_eq!(discovered["result"]["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(stdio.ok("list_entries", json!({}))["entries"].as_array().expect("a list").len(), 3);
    // A name that no header holds as it is.
    let answer = stdio.modern("tools/call", json!({ "name": "späte\nRose", "arguments": {} }));
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let answer = stdio.modern("resources/read", json!({ "uri": "epicme://entries/1" }));
    assert!(answer["result"]["contents"][0]["text"].as_str().expect("a text").contains('é'), "{answer}");
    let mut meta = modern_meta();
    meta["io.modelcontextprotocol/protocolVersion"] = "2099-01-01".into();
    let answer = stdio.ask("tools/list", json!({ "_meta": meta }));
    assert_eq!(answer["error"]["data"]["supported"], json!(["2026-07-28"]), "{answer}");
    let answer = stdio.modern("logging/setLevel", json!({ "level": "info" }));
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
    assert_eq!(stdio.close(), NOTHING);
}

#[test]
fn writes_what_the_server_answers_byte_for_byte() {
    let server = Server::start();
    let token = server.token("ada@example.com", &[]);
    let mut client = Client::new(&server, &token);
    let mut stdio = Stdio::start(&server.folder, Some(&token));
    stdio.log_with(&format!("going through the server at http://{}", server.address));
    let params = [
        ("tools/list", json!({})),
        ("prompts/list", json!({})),
        ("server/discover", json!({})),
        ("tools/call", json!({ "name": "whoami", "arguments": {} })),
        ("tools/call", json!({ "name": "get_entry", "arguments": { "id": 9 } })),
        ("nothing/such", json!({})),
    ];
    for (method, params) in params {
        let reply = client.modern(method, params.clone());
        let mut params = params;
        params["_meta"] = modern_meta();
        stdio.send(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }));
        assert_eq!(stdio.line().as_bytes(), reply.body.trim_ascii_end());
    }
    assert_eq!(stdio.close(), NOTHING);
}

#[test]
fn brings_the_changes_that_another_client_makes() {
    let server = Server::start();
    let token = server.token("ada@example.com", &[]);
    let mut client = Client::new(&server, &token);
    client.ok("create_entry", json!({ "title": "One", "content": "x" }));
    let mut stdio = Stdio::start(&server.folder, Some(&token));
    let id = stdio.begin_modern(
        "subscriptions/listen",
        json!({ "notifications": { "resourcesListChanged": true, "resourceSubscriptions": ["epicme://entries/1"] } }),
    );
    assert_eq!(stdio.message()["method"], "notifications/subscriptions/acknowledged");
    client.ok("update_entry", json!({ "id": 1, "title": "Two" }));
    let told = stdio.message();
    assert_eq!(told["params"]["uri"], "epicme://entries/1", "{told}");
    // And the other way.
    let mut other = Stdio::start(&server.folder, Some(&token));
    other.ok("create_tag", json!({ "name": "garden" }));
    assert_eq!(stdio.message()["method"], "notifications/resources/list_changed");
    // A server that stops ends the subscription in order, and the client learns of it.
    signal(&server, "TERM");
    let last = stdio.answer(&id);
    assert_eq!(last["result"]["resultType"], "complete", "{last}");
    assert_eq!(stdio.close(), NOTHING);
}

#[test]
fn carries_a_question_and_its_answer_while_the_call_waits() {
    let (folder, token) = folder();
    let mut stdio = Stdio::start(&folder, Some(&token));
    for title in ["One", "Two", "Three"] {
        stdio.ok("create_entry", json!({ "title": title, "content": "x" }));
    }
    stdio.initialize("2025-11-25", json!({ "elicitation": {} }));
    let delete = |id: i64| json!({ "name": "delete_entry", "arguments": { "id": id } });
    let call = stdio.begin("tools/call", delete(1));
    let question = stdio.message();
    assert_eq!(question["method"], "elicitation/create", "{question}");
    assert_eq!(stdio.ask("ping", json!({}))["result"], json!({}), "a ping gets through");
    let yes = json!({ "action": "accept", "content": { "confirmed": true } });
    stdio.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": yes }));
    let answer = stdio.answer(&call);
    assert!(answer["result"]["structuredContent"].is_object(), "{answer}");
    assert_eq!(folder.count("entries"), 2);
    // A second answer to the same question is no message that is answered.
    stdio.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": yes }));
    stdio.log_with("the server didn't take a message");

    let call = stdio.begin("tools/call", delete(2));
    let question = stdio.message();
    stdio.send(
        &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": call } }),
    );
    stdio.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": yes }));
    // The question that nobody answers any more ends with the input.
    stdio.begin("tools/call", delete(3));
    assert_eq!(
        stdio.message()["method"],
        "elicitation/create",
        "nothing came for the call that was cancelled"
    );
    assert_eq!(stdio.close(), NOTHING);
    assert_eq!(folder.count("entries"), 2);
    // The same in the stateless version: the question is an answer.
    let mut stdio = Stdio::start(&folder, Some(&token));
    let mut params = delete(2);
    params["_meta"] = modern_meta();
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({ "elicitation": {} });
    let asked = stdio.ask("tools/call", params.clone());
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    params["requestState"] = asked["result"]["requestState"].clone();
    params["inputResponses"] = json!({ "confirm_delete": yes });
    let answer = stdio.ask("tools/call", params);
    assert!(answer["result"]["structuredContent"].is_object(), "{answer}");
    assert_eq!(folder.count("entries"), 1);
    assert_eq!(stdio.close(), NOTHING);
}

#[test]
fn refuses_a_delete_that_nobody_confirms_where_the_operator_wants_it() {
    let (folder, token) = folder();
    let mut stdio = Stdio::start_with(&folder, Some(&token), &["--require-confirmation", "--log", "json"]);
    stdio.ok("create_entry", json!({ "title": "One", "content": "x" }));
    let answer = stdio.modern("tools/call", json!({ "name": "delete_entry", "arguments": { "id": 1 } }));
    assert_eq!(answer["error"]["code"], -32021, "{answer}");
    stdio.log_with("\"outcome\":");
    assert_eq!(stdio.close(), NOTHING);

    // What the last server was started with holds; a program's own option is for that program.
    let delete = |folder: &Folder| {
        let mut stdio = Stdio::start(folder, Some(&token));
        let answer = stdio.modern("tools/call", json!({ "name": "delete_entry", "arguments": { "id": 1 } }));
        assert_eq!(stdio.close(), NOTHING);
        answer["error"]["code"].as_i64()
    };
    drop(Server::start_in(Arc::clone(&folder), &["--require-confirmation"]));
    assert_eq!([delete(&folder), delete(&folder)], [Some(-32021); 2]);
    drop(Server::start_in(Arc::clone(&folder), &[]));
    assert_eq!(delete(&folder), None);
    assert_eq!(folder.count("entries"), 0);
}

#[test]
fn gives_the_places_of_cancelled_subscriptions_back_and_writes_nothing_more_for_them() {
    let (folder, token) = folder();
    let mut stdio = Stdio::start(&folder, Some(&token));
    for _ in 0..2 {
        let mut open = Vec::new();
        eventually("as many subscriptions as before are open again", || {
            let wanted = json!({ "notifications": { "resourcesListChanged": true } });
            let id = stdio.begin_modern("subscriptions/listen", wanted);
            let message = stdio.message();
            if message["method"].is_string() {
                open.push(id);
            } else {
                assert!(message["error"]["message"].as_str().expect("why").starts_with("Subscription limit"));
            }
            open.len() == limits::STREAMS_PER_PERSON_MAX
        });
        for id in open {
            let params = json!({ "requestId": id, "reason": "enough" });
            stdio.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }));
        }
    }
    stdio.ok("create_tag", json!({ "name": "garden" }));
    // One that isn't in flight.
    stdio.send(
        &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "x" } }),
    );
    stdio.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled" }));
    assert_eq!(stdio.close(), NOTHING);
}

#[test]
fn answers_each_line_that_is_no_message_and_goes_on() {
    let (folder, token) = folder();
    let mut stdio = Stdio::start(&folder, Some(&token));
    stdio.initialize("2025-11-25", json!({}));
    let error = |stdio: &mut Stdio| {
        let answer = stdio.message();
        assert!(answer["id"].is_null(), "{answer}");
        let error = &answer["error"];
        (error["code"].as_i64().expect("a code"), error["message"].as_str().expect("words").to_owned())
    };
    stdio.write("\n \r\n");
    for (line, code, words) in [
        (&b"GET / HTTP/1.1"[..], -32700, "Parse error"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}", -32700, "twice"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pi\xffng\"}", -32700, "Parse error"),
        (b"7", -32600, "a message is an object"),
        (b"{}", -32600, "jsonrpc must be"),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}",
            -32600,
            "id must be a string or an integer",
        ),
        (b"[]", -32600, "a batch holds"),
        (
            b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]",
            -32600,
            "this protocol version has no batches",
        ),
    ] {
        stdio.write([line, b"\r\n"].concat());
        let (got, told) = error(&mut stdio);
        assert!(got == code && told.contains(words), "{got} {told}");
    }
    let long = "x".repeat(limits::STDIO_LINE_BYTES_MAX);
    stdio.write(format!("{{\"a\":\"{long}\",\"jsonrpc\":\"2.0\",\"id\":\"long\",\"method\":\"ping\"}}\n"));
    let answer = stdio.message();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("long"), &json!(-32600)), "{answer}");
    stdio.write(format!("{long}xx\n"));
    assert!(error(&mut stdio).1.contains("4194304 bytes, and nothing was done"));
    assert_eq!(stdio.ask("ping", json!({}))["result"], json!({}));
    // Half a line: nothing of it is done, and what is whole is done without a line end too.
    let call = |id: &str| {
        let params = json!({ "name": "create_tag", "arguments": { "name": id } });
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
    };
    let half = call("half");
    stdio.write(&half[..half.len() - 1]);
    stdio.input = None;
    let (code, told) = error(&mut stdio);
    assert!(code == -32700 && told.contains("EOF"), "{told}");
    assert_eq!(stdio.end(), NOTHING);
    let mut stdio = Stdio::start(&folder, Some(&token));
    stdio.write(call("whole"));
    let (code, lines) = stdio.close();
    assert_eq!((code, lines.len()), (Some(0), 1), "{lines:?}");
    assert_eq!(folder.count("tags"), 1);
}

#[test]
fn takes_a_batch_in_the_one_version_that_has_them() {
    let (folder, token) = folder();
    let mut stdio = Stdio::start(&folder, Some(&token));
    stdio.initialize("2025-03-26", json!({}));
    let ping = |id: i64| json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
    stdio.write(format!("{}\n", json!([ping(7), ping(8)])));
    let answers: Value = serde_json::from_str(&stdio.line()).expect("JSON");
    assert_eq!((&answers[0]["id"], &answers[1]["id"]), (&json!(7), &json!(8)), "{answers}");
    assert_eq!(stdio.close(), NOTHING);
}

#[test]
fn says_what_to_do_about_a_token_that_the_gate_refuses() {
    let (folder, token) = folder();
    let (_other, foreign) = self::folder();
    let mut stdio = Stdio::start(&folder, None);
    stdio.log_with("epicme: EPICME_TOKEN isn't set");
    assert!(stdio.refused().contains("EPICME_TOKEN isn't set: make a token by"));
    let refused = stdio.ask("initialize", json!({}));
    assert!(refused["error"]["message"].as_str().expect("why").contains(" token create EMAIL --database "));
    assert_eq!(stdio.close(), NOTHING);
    for wrong in [&foreign, "nonsense", &token[1..]] {
        let mut stdio = Stdio::start(&folder, Some(wrong));
        let told = stdio.refused();
        assert!(told.contains("is refused") && told.contains(" token create EMAIL --database "), "{told}");
        assert!(!told.contains(wrong), "{told}");
        let log = stdio.log_with("is refused");
        assert!(!log.contains(wrong), "{log}");
        assert_eq!(stdio.close(), NOTHING);
    }
    let mut stdio = Stdio::start(&folder, Some("em_\u{e9}"));
    assert!(stdio.refused().contains("EPICME_TOKEN has a character that no token has"));
    assert_eq!(stdio.close(), NOTHING);

    // As a person copies it, with a blank and a line end.
    let mut stdio = Stdio::start(&folder, Some(&format!(" {token}\n")));
    stdio.ok("create_tag", json!({ "name": "garden" }));
    let id = stdio
        .begin_modern("subscriptions/listen", json!({ "notifications": { "resourcesListChanged": true } }));
    assert_eq!(stdio.message()["method"], "notifications/subscriptions/acknowledged");
    assert!(folder.epicme(&["token", "revoke", "1"], "").status.success());
    assert!(stdio.refused().contains("was revoked or has expired"), "from the next request on");
    assert!(folder.count("tags") == 1 && !id.is_null());
    assert_eq!(stdio.close().0, Some(0));

    let narrow = folder.token("ada@example.com", &["--scope", "entries:read"]);
    let mut stdio = Stdio::start(&folder, Some(&narrow));
    let answer = stdio.modern("tools/call", json!({ "name": "create_tag", "arguments": { "name": "x" } }));
    let told = answer["error"]["message"].as_str().expect("why");
    assert!(told.contains("create_tag needs tags:write") && told.contains("token create"), "{told}");
    assert_eq!(stdio.close(), NOTHING);
}

#[test]
fn goes_on_with_another_server_when_its_own_is_killed() {
    let (folder, token) = folder();
    let mut server = Server::start_in(Arc::clone(&folder), &[]);
    server.output_with("MCP URL");
    let [mut one, mut two] = [(); 2].map(|()| Stdio::start(&folder, Some(&token)));
    for stdio in [&mut one, &mut two] {
        stdio.initialize("2025-11-25", json!({}));
        stdio.log_with("going through the server");
        server.next_log_with(" 202 "); // nothing of it is on its way any more
    }
    let id = one
        .begin_modern("subscriptions/listen", json!({ "notifications": { "resourcesListChanged": true } }));
    assert_eq!(one.message()["method"], "notifications/subscriptions/acknowledged");
    server.kill();
    let broken = one.answer(&id);
    let told = broken["error"]["message"].as_str().expect("why");
    assert!(told.contains("has ended this subscription") && told.contains("subscribe again"), "{broken}");
    // The session lives on, since the server keeps nothing of it.
    assert!(one.ask("tools/list", json!({}))["result"]["tools"].is_array());
    one.log_with("so this serves it itself");
    two.ok("create_tag", json!({ "name": "garden" }));
    eventually("it has found the other one", || {
        two.log.lock().expect("the log").matches("going through the server").count() == 2
    });
    let refused = folder.epicme(&["serve", "--listen", "127.0.0.1:0"], "");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("epicme stdio"), "it says who may have it");
    // The one that serves ends, and the other takes its place.
    assert_eq!(one.close(), NOTHING);
    two.ok("create_tag", json!({ "name": "kitchen" }));
    two.log_with("so this serves it itself");
    assert_eq!(two.close(), NOTHING);
    let server = Server::start_in(Arc::clone(&folder), &[]);
    assert_eq!(
        Client::new(&server, &token).ok("list_tags", json!({}))["tags"].as_array().expect("tags").len(),
        2
    );
}

#[test]
fn loses_no_call_while_the_program_that_serves_ends() {
    let (folder, token) = folder();
    let mut one = Stdio::start(&folder, Some(&token));
    for number in 0..5 {
        // Now it serves, also where all calls so far went through the one before it.
        one.ok("list_tags", json!({}));
        let mut two = Stdio::start(&folder, Some(&token));
        two.log_with("going through the server");
        one.input = None; // it ends while the other one goes on
        for part in ["a", "b", "c"] {
            two.ok("create_tag", json!({ "name": format!("{part}{number}") }));
        }
        assert_eq!(one.end(), NOTHING);
        one = two;
    }
    assert_eq!(folder.count("tags"), 15);
    assert_eq!(one.close(), NOTHING);
}

#[test]
fn keeps_the_public_url_for_which_the_tokens_are() {
    let folder = Arc::new(Folder::new());
    let public = ["--public-url", "https://journal.example"];
    let mut server = Server::start_in(Arc::clone(&folder), &public);
    server.output_with("MCP URL");
    let token = folder.token("ada@example.com", &[]);
    let mut stdio = Stdio::start(&folder, Some(&token));
    stdio.ok("create_tag", json!({ "name": "garden" }));
    stdio.log_with("going through the server");
    server.kill();
    stdio.ok("create_tag", json!({ "name": "kitchen" }));
    let next = folder.token("ada@example.com", &[]);
    assert_eq!(stdio.close(), NOTHING);
    let server = Server::start_in(folder, &public);
    for token in [token, next] {
        Client::new(&server, &token).ok("list_tags", json!({}));
    }
}

#[test]
fn finds_a_server_that_listens_on_all_addresses() {
    let folder = Arc::new(Folder::new());
    let options = ["serve", "--listen", "0.0.0.0:0", "--public-url", "https://journal.example", "--database"];
    let mut server = Command::new(EPICME);
    server.args(options).arg(folder.database()).env_clear().stdout(Pipe::piped()).stderr(Pipe::null());
    let mut server = server.spawn().expect("the binary runs");
    let output = support::collect(server.stdout.take().expect("a pipe"));
    support::wait_for(&output, "MCP URL");
    let token = folder.token("ada@example.com", &[]);
    let mut stdio = Stdio::start(&folder, Some(&token));
    stdio.log_with("going through the server at http://127.0.0.1:");
    stdio.ok("list_tags", json!({}));
    assert_eq!(stdio.close(), NOTHING);
    server.kill().expect("it runs");
    server.wait().expect("it ends");
}

/// A program of this machine that has the port of a server, or that the database wrongly names. It answers each
/// connection's first request as `answer` says, and keeps what it was sent.
fn thief(
    address: &str,
    answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static,
) -> (SocketAddr, Arc<Mutex<String>>) {
    let listener = TcpListener::bind(address).expect("the port is free");
    let address = listener.local_addr().expect("an address");
    let seen = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&seen);
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut part = [0; 8192];
            let Ok(count) = client.read(&mut part) else { continue };
            kept.lock().expect("what it was sent").push_str(&String::from_utf8_lossy(&part[..count]));
            let _ = client.write_all(&answer(&part[..count]));
            // It waits for more on the same connection.
            client.set_read_timeout(Some(Duration::from_secs(1))).expect("a timeout");
            let count = client.read(&mut part).unwrap_or(0);
            kept.lock().expect("what it was sent").push_str(&String::from_utf8_lossy(&part[..count]));
        }
    });
    (address, seen)
}

/// Another process that has the database open, with the index of its log, and no port.
fn hold(folder: &Folder) -> (Connection, File) {
    let file = File::open(folder.database()).expect("the database");
    file.try_lock().expect("nobody has it");
    let connection = Connection::open(folder.database()).expect("the database");
    connection.query_row("SELECT count(*) FROM settings", [], |_| Ok(())).expect("a read");
    (connection, file)
}

fn name_address(folder: &Folder, address: SocketAddr) {
    folder.tamper(&format!(
        "INSERT INTO settings (name, value) VALUES ('address', CAST('{address}' AS BLOB))
         ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    ));
}

#[track_caller]
fn assert_no_token(seen: &Mutex<String>, token: &str) {
    let seen = seen.lock().expect("what it was sent").clone();
    assert!(seen.starts_with("GET /proof?challenge="), "{seen}");
    assert!(!seen.contains(token) && !seen.to_ascii_lowercase().contains("authorization"), "{seen}");
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn gives_no_token_to_a_program_at_an_address_that_is_out_of_date() {
    let (folder, token) = folder();
    drop(Server::start_in(Arc::clone(&folder), &[])); // it makes the key
    let (address, seen) = thief("127.0.0.1:0", |_| OK.to_vec());
    name_address(&folder, address);
    let held = hold(&folder);
    let mut stdio = Stdio::start(&folder, Some(&token));
    let told = stdio.log_with("so gets no token");
    let wanted = format!("http://{address} hasn't proved to be it");
    assert!(told.contains(&wanted) && told.contains(&folder.database().display().to_string()), "{told}");
    assert_no_token(&seen, &token);
    drop(held);
    stdio.ok("list_tags", json!({})); // the next request looks again
    assert_eq!(stdio.close(), NOTHING);
    assert_no_token(&seen, &token);
}

#[test]
fn gives_no_token_to_a_program_that_takes_the_port_of_a_server_that_was_killed() {
    let (folder, token) = folder();
    let mut server = Server::start_in(Arc::clone(&folder), &[]);
    let mut stdio = Stdio::start(&folder, Some(&token));
    stdio.ok("list_tags", json!({}));
    stdio.log_with("going through the server");
    server.kill();
    let held = hold(&folder);
    let (_, seen) = thief(&server.address.to_string(), |_| OK.to_vec());
    assert!(stdio.refused().contains("hasn't proved to be it, and so gets no token"));
    assert_no_token(&seen, &token);
    drop(held);
    stdio.ok("list_tags", json!({}));
    assert_eq!(stdio.close(), NOTHING);
    assert_no_token(&seen, &token);
}

#[test]
fn gives_no_token_to_a_program_that_passes_the_challenge_on_to_the_real_server() {
    let server = Server::start();
    let token = server.token("ada@example.com", &[]);
    let real = server.address;
    let relay = move |request: &[u8]| {
        let mut wire = TcpStream::connect(real).expect("it listens");
        wire.write_all(request).expect("it reads");
        let mut part = [0; 8192];
        let count = wire.read(&mut part).expect("it answers");
        part[..count].to_vec()
    };
    let (address, seen) = thief("127.0.0.1:0", relay);
    name_address(&server.folder, address);
    let mut stdio = Stdio::start(&server.folder, Some(&token));
    stdio.log_with("so gets no token");
    assert_no_token(&seen, &token);
    name_address(&server.folder, real);
    stdio.ok("list_tags", json!({}));
    stdio.log_with(&format!("going through the server at http://{real}"));
    assert_eq!(stdio.close(), NOTHING);
    assert_no_token(&seen, &token);
}

#[test]
fn says_why_no_server_can_be_had_and_ends_with_1() {
    let empty = Folder::new();
    let mut stdio = Stdio::start(&empty, Some("em_x"));
    stdio.log_with("epicme: there is no ");
    assert!(stdio.refused().contains("epicme user add EMAIL makes it"));
    assert_eq!(stdio.close(), (Some(1), Vec::new()));
    assert!(!empty.database().exists(), "it makes no journal");

    let (folder, token) = folder();
    drop(Server::start_in(Arc::clone(&folder), &[]));
    folder.tamper("UPDATE settings SET value = x'01' WHERE name = 'elsewhere'");
    let mut stdio = Stdio::start(&folder, Some(&token));
    assert!(stdio.refused().contains("another authorization server"));
    folder.tamper("UPDATE settings SET value = x'00' WHERE name = 'elsewhere'");
    stdio.ok("list_tags", json!({})); // the next request tries again
    assert_eq!(stdio.close(), NOTHING);
}

#[test]
fn ends_with_0_when_the_client_closes_its_output_or_a_signal_comes() {
    let (folder, token) = folder();
    let mut command = Command::new(EPICME);
    command.args(["stdio", "--database"]).arg(folder.database()).env_clear().env("EPICME_TOKEN", &token);
    let mut child =
        command.stdin(Pipe::piped()).stdout(Pipe::piped()).stderr(Pipe::piped()).spawn().expect("it runs");
    let log = support::collect(child.stderr.take().expect("a pipe"));
    drop(child.stdout.take());
    let params = json!({ "name": "create_tag", "arguments": { "name": "garden" }, "_meta": modern_meta() });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(format!("{call}\n").as_bytes()).expect("it reads");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    support::wait_for(&log, "epicme: the client has closed standard output");
    assert_eq!(folder.count("tags"), 1, "what was sent was done");
    assert!(!folder.path().join("epicme.db-wal").exists(), "it was closed in order");

    for name in ["TERM", "INT", "HUP"] {
        let mut stdio = Stdio::start(&folder, Some(&token));
        let id = stdio.begin_modern(
            "subscriptions/listen",
            json!({ "notifications": { "resourcesListChanged": true } }),
        );
        assert!(stdio.message()["method"].is_string() && !id.is_null());
        stdio.signal(name);
        assert_eq!(stdio.end(), NOTHING, "{name}");
        assert!(!folder.path().join("epicme.db-wal").exists(), "it was closed in order");
    }
}

#[test]
fn looks_once_for_all_requests_that_wait_for_a_server_and_ends_meanwhile() {
    let (folder, token) = folder();
    // As while a restore goes on.
    let lock = File::open(folder.database()).expect("the file");
    lock.lock().expect("a lock");
    std::fs::write(folder.database().with_extension("db.restoring"), "").expect("a file");
    let began = Instant::now();
    let mut stdio = Stdio::start(&folder, Some(&token));
    for _ in 0..5 {
        stdio.begin_modern("tools/list", json!({}));
    }
    let mut waited = Vec::new();
    for _ in 0..5 {
        let answer = stdio.message();
        let told = answer["error"]["message"].as_str().expect("why");
        assert!(told.contains("another epicme has it open"), "{told}");
        waited.push(began.elapsed());
    }
    assert!(waited[4] < waited[0] * 3 / 2, "{waited:?}");
    // A signal ends it while it looks again.
    let began = Instant::now();
    stdio.begin_modern("tools/list", json!({}));
    stdio.signal("TERM");
    assert_eq!(stdio.end().0, Some(1));
    assert!(began.elapsed() < waited[0], "it doesn't look to the end");
}

#[test]
fn says_so_if_the_last_answers_cannot_be_written() {
    let (folder, token) = folder();
    let mut command = Command::new(EPICME);
    command.args(["stdio", "--database"]).arg(folder.database()).env_clear().env("EPICME_TOKEN", &token);
    let full = File::options().write(true).open("/dev/full").expect("a disk that is always full");
    let mut child = command.stdin(Pipe::piped()).stdout(full).stderr(Pipe::piped()).spawn().expect("it runs");
    let log = support::collect(child.stderr.take().expect("a pipe"));
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(format!("{call}\n").as_bytes()).expect("it reads");
    drop(input);
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
    support::wait_for(&log, "No space left");
}

#[test]
fn takes_its_token_from_the_variable_alone() {
    let (folder, token) = folder();
    let output = folder.epicme(&["stdio", "--token", &token], "");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("EPICME_TOKEN") && !told.contains(&token), "{told}");
    let mut stdio = Stdio::start(&folder, Some(" \n"));
    assert!(stdio.refused().contains("EPICME_TOKEN isn't set"));
    assert_eq!(stdio.close(), NOTHING);
}

#[test]
fn writes_no_answer_that_waits_for_the_output_once_its_request_is_cancelled() {
    const COUNT: usize = 30;
    let (folder, token) = folder();
    let mut command = Command::new(EPICME);
    command.args(["stdio", "--database"]).arg(folder.database()).env_clear().env("EPICME_TOKEN", &token);
    let mut child =
        command.stdin(Pipe::piped()).stdout(Pipe::piped()).stderr(Pipe::piped()).spawn().expect("it runs");
    let log = support::collect(child.stderr.take().expect("a pipe"));
    let mut input = child.stdin.take().expect("a pipe");
    let mut send = |message: Value| input.write_all(format!("{message}\n").as_bytes()).expect("it reads");
    let list = |id: usize| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/list", "params": { "_meta": modern_meta() } });
    (0..COUNT).for_each(|id| send(list(id)));
    eventually("the server has answered all of them", || {
        log.lock().expect("the log").matches(" op=tools/list ").count() == COUNT
    });
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut first = String::new();
    output.read_line(&mut first).expect("an answer");
    assert!(
        first.len() * COUNT > 200_000,
        "the pipe takes 64 KiB, and all of them are {}",
        first.len() * COUNT
    );
    // Nothing more is read until the cancellations have been taken.
    for id in 0..COUNT {
        send(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } }));
    }
    send(json!({ "jsonrpc": "2.0", "method": "notifications/none" }));
    eventually("what came behind them has been taken", || log.lock().expect("the log").contains(" 202 "));
    drop(input);
    let lines: Vec<_> = output.lines().map_while(Result::ok).collect();
    assert!(lines.len() < COUNT / 2, "{} answers", lines.len());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

/// The recipes for Claude Desktop are configurations of it, and name what there is.
#[test]
fn has_one_recipe_in_the_readme_and_on_the_first_page() {
    let config = |text: &str| {
        let config: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let own = config["mcpServers"]["epicme"].clone();
        assert_eq!((&own["args"][0], &own["args"][1]), (&json!("stdio"), &json!("--database")), "{own}");
        assert!(own["command"].is_string() && own["env"]["EPICME_TOKEN"].is_string(), "{own}");
    };
    let readme = std::fs::read_to_string("README.md").expect("the page");
    let mut blocks = readme.split("```").filter(|block| block.contains("\"mcpServers\""));
    config(blocks.next().expect("a recipe").trim());
    let own = Server::start();
    let host = own.address.to_string();
    let reply = own.send(support::request("GET", "/", &[("Host", &host)], ""));
    let text = String::from_utf8(reply.body).expect("UTF-8").replace("&quot;", "\"");
    let (_, recipe) = text.split_once("<summary>Claude Desktop</summary>").expect("a recipe");
    config(
        recipe.split(['<', '>']).find(|text| text.trim().starts_with('{')).expect("a configuration").trim(),
    );
}

#[test]
fn bounds_the_requests_in_flight() {
    let server = Server::start();
    let token = server.token("ada@example.com", &[]);
    let mut stdio = Stdio::start(&server.folder, Some(&token));
    stdio.initialize("2025-11-25", json!({}));
    stdio.ask("ping", json!({})); // the notification before it has been taken
    let threads = |process: u32| {
        let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("a process").flatten();
        threads.map(|thread| std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default())
    };
    eventually("no request is in flight", || {
        !threads(stdio.child.id()).any(|stat| stat.contains("(request)"))
    });
    signal(&server, "STOP");
    eventually("each of its threads has stopped", || threads(server.pid()).all(|stat| stat.contains(") T ")));
    let ids: Vec<_> = (0..limits::STDIO_REQUESTS_MAX).map(|_| stdio.begin("ping", json!({}))).collect();
    let told = stdio.ask("ping", json!({}));
    assert!(told["error"]["message"].as_str().expect("why").contains("64 requests are in flight"), "{told}");
    signal(&server, "CONT");
    let mut answered: Vec<_> = ids.iter().map(|_| stdio.message()["id"].as_u64()).collect();
    answered.sort_unstable();
    assert_eq!(answered, ids.iter().map(Value::as_u64).collect::<Vec<_>>());
    assert_eq!(stdio.ask("ping", json!({}))["result"], json!({}));
    assert_eq!(stdio.close(), NOTHING);
}
