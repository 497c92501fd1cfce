//! Every kind of answer, byte for byte: each tool, prompt, resource, list, completion and error, in a stateless
//! protocol version and in two with sessions, is compared with what `answers.txt` records.
//!
//! A change of how answers are made must change none of these bytes, the order of the members included: models and
//! caches have read the same texts before. `UPDATE_ANSWERS=1 cargo test answers::` writes what came into the record;
//! read the difference before you commit.
//!
//! What differs from run to run is replaced by its name: times, cursors, ids of sessions and questions, signed states,
//! the day, and the version of the program.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Client, Reply, Server, modern_meta};

const RECORD: &str = "tests/answers.txt";
const STATELESS: &str = "2026-07-28";
const WITH_SESSIONS: [&str; 2] = ["2025-11-25", "2025-03-26"];
/// The times of the first entries begin here, in November 2023; all later times are those of the run.
const FIRST: i64 = 1_700_000_000;

/// A client of one protocol version, and what it was answered so far.
struct Recorder<'r> {
    client: Client,
    version: &'static str,
    /// `None` in the stateless version.
    session: Option<String>,
    capabilities: Value,
    record: &'r mut String,
}

/// The capabilities of a client that can ask the person and shows pages.
fn able() -> Value {
    let pages = json!({ "mimeTypes": ["text/html;profile=mcp-app"] });
    json!({ "elicitation": {}, "extensions": { "io.modelcontextprotocol/ui": pages } })
}

impl<'r> Recorder<'r> {
    fn new(server: &Server, token: &str, version: &'static str, record: &'r mut String) -> Recorder<'r> {
        let client = Client::new(server, token);
        let mut recorder = Recorder { client, version, session: None, capabilities: json!({}), record };
        recorder.begin(json!({}));
        recorder
    }

    /// Begins a session with these capabilities, or declares them in each request from here on.
    fn begin(&mut self, capabilities: Value) {
        self.capabilities = capabilities;
        if self.version != STATELESS {
            let info = json!({ "name": "test", "version": "1" });
            let params = json!({
                "protocolVersion": self.version, "capabilities": self.capabilities, "clientInfo": info,
            });
            self.session = None;
            let reply = self.ask("initialize", params);
            self.session = Some(reply.field("mcp-session-id").expect("a session").to_owned());
        }
    }

    /// The fields and the body of a request.
    fn message(&self, method: &str, mut params: Value) -> (Vec<(&'static str, String)>, String) {
        let mut fields = vec![("Accept", "application/json, text/event-stream".to_owned())];
        if self.version == STATELESS {
            let name = params["uri"].as_str().or(params["name"].as_str()).map(str::to_owned);
            params["_meta"] = modern_meta();
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
            fields.push(("Mcp-Method", method.to_owned()));
            if let ("tools/call" | "resources/read" | "prompts/get", Some(name)) = (method, name) {
                fields.push(("Mcp-Name", name));
            }
        }
        if method != "initialize" {
            fields.push(("MCP-Protocol-Version", self.version.to_owned()));
            fields.extend(self.session.clone().map(|session| ("Mcp-Session-Id", session)));
        }
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        (fields, message.to_string())
    }

    /// Sends a request, and records it with its answer.
    fn ask(&mut self, method: &str, params: Value) -> Reply {
        let (fields, body) = self.message(method, params.clone());
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let reply = self.client.post(&fields, &body);
        let text = String::from_utf8(reply.body.clone()).expect("text");
        self.note(&format!("{method} {}", shortened(&params)), &format!("{} {text}", reply.status));
        reply
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Reply {
        self.ask("tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    /// Makes a call that is answered by a stream, answers its question, and records both messages of the stream.
    fn call_and_answer(&mut self, tool: &str, arguments: Value, answer: Value) {
        let params = json!({ "name": tool, "arguments": arguments });
        let (fields, body) = self.message("tools/call", params.clone());
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut stream = self.client.open(&fields, &body).events();
        let question = stream.message();
        let posted = json!({ "jsonrpc": "2.0", "id": question["id"], "result": answer });
        let reply = self.client.post(&fields, &posted.to_string());
        assert_eq!(reply.status, 202);
        let text = format!("{question}\n{}\n", stream.last());
        self.note(&format!("tools/call {params}, answered {answer}"), &text);
    }

    fn note(&mut self, request: &str, answer: &str) {
        let answer = normalized(answer);
        writeln!(self.record, "> {} {}\n{}\n", self.version, normalized(request), answer.trim_end())
            .expect("a string");
    }

    /// The answer's first cursor.
    fn cursor(reply: &Reply) -> String {
        let answer = reply.json();
        let result = &answer["result"];
        let text = result["content"].as_array().and_then(|content| content.last()?["text"].as_str());
        let data: Value = text.map_or(json!({}), |text| serde_json::from_str(text).expect("JSON"));
        let cursor = result["nextCursor"].as_str().or(data["nextCursor"].as_str());
        cursor.expect("a further page").to_owned()
    }
}

/// A request's parameters, without texts that are only long.
fn shortened(params: &Value) -> String {
    let text = params.to_string();
    if text.len() < 1000 { text } else { format!("({} bytes)", text.len()) }
}

/// Puts names in the place of what differs from run to run.
fn normalized(text: &str) -> String {
    let page = fs::read_to_string("src/mcp/app.html").expect("the page");
    let page = serde_json::to_string(&page).expect("a string");
    let mut text = text.replace(&page, "\"<page>\"");
    text =
        text.replace(&format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION")), "\"version\":\"<version>\"");
    for member in ["nextCursor", "requestState", "cursor", "id"] {
        for quote in ["\"", "\\\""] {
            let before = format!("{quote}{member}{quote}:{quote}");
            let mut place = 0;
            while let Some(found) = text[place..].find(&before) {
                let start = place + found + before.len();
                let length = text[start..].find(quote).expect("a closed text");
                // A cursor of the test's own is short, and stays.
                if length > 20 {
                    text.replace_range(start..start + length, &format!("<{member}>"));
                }
                place = start;
            }
        }
    }
    for before in ["Today is ", "\"today\":\"", "\\\"today\\\":\\\""] {
        for (found, _) in text.clone().match_indices(before) {
            let start = found + before.len();
            text.replace_range(start..start + "2023-11-14".len(), "yyyy-mm-dd");
        }
    }
    let mut text = named_times(&text);
    // The day of an entry that the run made is the day of the run.
    for quote in ["\"", "\\\""] {
        let of_run = format!("{quote},{quote}dateTime{quote}:{quote}<date>");
        for (end, _) in text.clone().match_indices(&of_run) {
            text.replace_range(end - "2023-11-14".len()..end, "yyyy-mm-dd");
        }
    }
    text
}

/// Puts names in the place of the times of the run: seconds since 1970, and dates with times.
fn named_times(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(place) = rest.find(|letter: char| letter.is_ascii_digit()) {
        out.push_str(&rest[..place]);
        rest = &rest[place..];
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let date = "2023-11-14T22:13:20Z".len();
        let is_date = digits == 4
            && rest.as_bytes().get(date - 1) == Some(&b'Z')
            && rest.as_bytes().get(10) == Some(&b'T');
        let number = rest[..digits].parse::<i64>().unwrap_or(0);
        let is_time = digits == 10 && number > FIRST + 365 * 24 * 60 * 60 && number < 10 * FIRST / 4;
        if is_date && !rest.starts_with("2023") {
            out.push_str("<date>");
            rest = &rest[date..];
        } else if is_time {
            out.push_str("<time>");
            rest = &rest[digits..];
        } else {
            out.push_str(&rest[..digits]);
            rest = &rest[digits..];
        }
    }
    out + rest
}

/// Moves what was written so far to fixed times: an entry a day, so that filters and completions have days to find.
fn fix_times(server: &Server) {
    server.folder.tamper(&format!(
            "UPDATE users SET created_at = {FIRST}, updated_at = {FIRST};
             UPDATE made_entries SET created_at = {FIRST} + 86400 * id, updated_at = {FIRST} + 86400 * id + 60;
             UPDATE tags SET created_at = {FIRST}, updated_at = {FIRST} + id;
             UPDATE entry_tags SET created_at = {FIRST};"
    ));
}

/// A journal with texts that need every escape of JSON, and with more entries and tags than one page shows.
fn furnish(recorder: &mut Recorder) {
    let hostile = "\"quoted\" \\ / \u{8}\u{c}\n\r\t\u{1}\u{1f}\u{7f} \u{2028} é 日本 😀 <b>&";
    recorder.call("create_tag", json!({ "name": "work", "description": hostile }));
    recorder.call("create_tag", json!({ "name": "tür \"auf\"" }));
    recorder.call("create_tag", json!({ "name": "unused", "description": null }));
    recorder.call(
        "create_entry",
        json!({
            "title": "First rain", "content": hostile, "mood": "calm", "location": "home", "weather": "rain",
            "isPrivate": 0, "isFavorite": 1, "tags": [2, 1, 2],
        }),
    );
    recorder.call("create_entry", json!({ "title": hostile, "content": "" }));
    for number in 3..=6 {
        let title = format!("A rainy day, the {number}th");
        let content = "Walked along the river, in the rain.\nMet nobody.";
        let arguments = json!({
            "title": title, "content": content, "mood": if number % 2 == 0 { "calm" } else { "Tired" },
            "isFavorite": number % 3, "tags": [1],
        });
        // A flag is 0 or 1: one of these calls is refused, and says so.
        recorder.call("create_entry", arguments);
    }
}

fn tools(recorder: &mut Recorder) {
    recorder.call("whoami", json!({}));
    for id in [1, 2, 99] {
        recorder.call("get_entry", json!({ "id": id }));
        recorder.call("get_tag", json!({ "id": id }));
    }
    for arguments in [
        json!({}),
        json!({ "mood": "CALM" }),
        json!({ "location": "home", "weather": "RAIN" }),
        json!({ "isFavorite": 1 }),
        json!({ "isPrivate": 0 }),
        json!({ "tagIds": [1, 2], "tagMode": "all" }),
        json!({ "tagIds": [1, 3] }),
        json!({ "tagIds": [3] }),
        json!({ "tagNames": ["work", "none"] }),
        json!({ "tagNames": ["work", "none", "n\"one"], "tagMode": "all" }),
        json!({ "from": "2023-11-16", "to": "2023-11-18" }),
        json!({ "from": "2023-11-16T22:13:20Z", "mood": "tired", "isPrivate": 1 }),
        json!({ "from": "2023-02-30" }),
        json!({ "mood": "nobody's" }),
        json!({ "cursor": "x" }),
        json!({ "limit": 0, "mood": 7 }),
    ] {
        recorder.call("list_entries", arguments);
    }
    let reply = recorder.call("list_entries", json!({ "limit": 2 }));
    let cursor = Recorder::cursor(&reply);
    recorder.call("list_entries", json!({ "limit": 2, "cursor": cursor }));
    recorder.call("list_entries", json!({ "limit": 2, "mood": "calm", "cursor": cursor }));
    for query in ["rain", "rai*", "\"rainy day\" -walked", "first", "nowhere", "-rain", "***", "a* b*"] {
        recorder.call("search_entries", json!({ "query": query }));
    }
    let filtered = json!({ "query": "river", "mood": "tired", "tagIds": [1], "from": "2023-11-01" });
    recorder.call("search_entries", filtered);
    let reply = recorder.call("search_entries", json!({ "query": "rain*", "limit": 2 }));
    let cursor = Recorder::cursor(&reply);
    recorder.call("search_entries", json!({ "query": "rain*", "limit": 2, "cursor": cursor }));
    recorder.call("on_this_day", json!({ "date": "2024-11-16" }));
    recorder.call("on_this_day", json!({ "date": "2024-11-14" }));
    recorder.call("on_this_day", json!({ "date": "2024-11-31" }));
    recorder.call("journal_overview", json!({}));
    recorder.call("list_tags", json!({}));
    let reply = recorder.call("list_tags", json!({ "limit": 2 }));
    let cursor = Recorder::cursor(&reply);
    recorder.call("list_tags", json!({ "limit": 2, "cursor": cursor }));
    recorder.call("get_tag_suggestions_instructions", json!({ "entryId": 1 }));
    recorder.call("get_tag_suggestions_instructions", json!({ "entryId": 99 }));
    recorder.call("get_journal_insights_instructions", json!({}));
    recorder.call("get_journal_insights_instructions", json!({ "from": "2024-01-01", "to": "2024-01-02" }));
    recorder.call("get_journal_insights_instructions", json!({ "tagIds": [2] }));
}

fn other_methods(recorder: &mut Recorder) {
    if recorder.version == STATELESS {
        recorder.ask("server/discover", json!({}));
    }
    recorder.ask("ping", json!({}));
    for list in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
        recorder.ask(list, json!({}));
        recorder.ask(list, json!({ "cursor": "x" }));
    }
    for uri in [
        "epicme://users/current",
        "epicme://entries",
        "epicme://entries/1",
        "epicme://entries/%32",
        "epicme://entries/99",
        "epicme://tags",
        "epicme://tags/1",
        "epicme://tags/99",
        "epicme://nothing",
        "ui://epicme/entry",
    ] {
        recorder.ask("resources/read", json!({ "uri": uri }));
    }
    for (name, arguments) in [
        ("suggest_tags", json!({ "entryId": "1" })),
        ("suggest_tags", json!({ "entryId": "99" })),
        ("suggest_tags", json!({ "entryId": "one" })),
        ("suggest_tags", json!({})),
        ("summarize_journal_entries", json!({})),
        ("summarize_journal_entries", json!({ "tagIds": "1,2", "from": "2023-11-16", "to": "2023-11-18" })),
        ("summarize_journal_entries", json!({ "to": "2000-01-01" })),
        ("no_prompt", json!({})),
    ] {
        recorder.ask("prompts/get", json!({ "name": name, "arguments": arguments }));
    }
    let entry = json!({ "type": "ref/resource", "uri": "epicme://entries/{id}" });
    let tag = json!({ "type": "ref/resource", "uri": "epicme://tags/{id}" });
    let prompt = json!({ "type": "ref/prompt", "name": "summarize_journal_entries" });
    for (subject, name, typed) in [
        (&entry, "id", ""),
        (&entry, "id", "1"),
        (&entry, "id", "RAIN"),
        (&entry, "id", "nothing like it"),
        (&entry, "other", ""),
        (&tag, "id", ""),
        (&tag, "id", "TÜR"),
        (&prompt, "tagIds", "3,wo"),
        (&prompt, "from", ""),
        (&prompt, "from", "2023-11-1"),
        (&prompt, "to", "1999"),
        (&prompt, "other", ""),
    ] {
        let params = json!({ "ref": subject, "argument": { "name": name, "value": typed } });
        recorder.ask("completion/complete", params);
    }
    recorder.ask("no/method", json!({}));
    recorder.ask("tools/call", json!({ "name": "no_tool" }));
    recorder.ask("tools/call", json!({ "name": "whoami", "arguments": 1 }));
}

/// Writes, each with what it refuses. They come last, since they change what the others show.
fn writes(recorder: &mut Recorder) {
    recorder.call("update_entry", json!({ "id": 1 }));
    recorder
        .call("update_entry", json!({ "id": 1, "title": "New \"title\"", "mood": null, "isFavorite": 0 }));
    recorder.call("update_entry", json!({ "id": 99, "title": "x" }));
    recorder.call("update_entry", json!({ "id": 2, "append": "At first nothing." }));
    recorder.call(
        "update_entry",
        json!({ "id": 2, "append": "Then more.\n", "tags": [3], "tagNames": ["made \"now\""] }),
    );
    recorder.call("update_entry", json!({ "id": 2, "append": "x", "content": "y" }));
    recorder.call("update_entry", json!({ "id": 2, "append": "x".repeat(99_999) }));
    recorder.call("update_entry", json!({ "id": 2, "title": " ", "append": "" }));
    recorder.call("update_tag", json!({ "id": 1, "description": null }));
    recorder.call("update_tag", json!({ "id": 1, "name": "unused" }));
    recorder.call("update_tag", json!({ "id": 3, "name": "used" }));
    recorder.call("update_tag", json!({ "id": 99, "name": "x" }));
    recorder.call("create_tag", json!({ "name": "used" }));
    recorder.call("create_entry", json!({ "title": "x", "content": "y", "tags": [99] }));
    recorder.call(
        "create_entry",
        json!({ "title": "x", "content": "y", "tagNames": ["one ", "two", "one", "work"] }),
    );
    recorder.call("create_entry", json!({ "title": "x", "content": "y", "tagNames": "one, two" }));
    recorder.call("merge_tags", json!({ "fromId": 5, "intoId": 6 }));
    recorder.call("merge_tags", json!({ "fromId": 5, "intoId": 6 }));
    recorder.call("merge_tags", json!({ "fromId": 6, "intoId": 6 }));
    recorder.call("create_entry", json!({ "title": "", "mood": null, "unknown": 1 }));
    for tool in ["add_tag_to_entry", "remove_tag_from_entry"] {
        recorder.call(tool, json!({ "entryId": 2, "tagId": 3 }));
        recorder.call(tool, json!({ "entryId": 2, "tagId": 3 }));
        recorder.call(tool, json!({ "entryId": 2, "tagId": 99 }));
        recorder.call(tool, json!({ "entryId": 99, "tagId": 3 }));
    }
}

/// Deletes, by clients that can ask the person and by one that can't.
fn deletes(recorder: &mut Recorder) {
    recorder.begin(able());
    for (tool, arguments) in [
        ("delete_entry", json!({ "id": 3 })),
        ("merge_tags", json!({ "fromId": 3, "intoId": 1 })),
        ("delete_tag", json!({ "id": 1 })),
    ] {
        let (no, yes) =
            (json!({ "action": "decline" }), json!({ "action": "accept", "content": { "confirmed": true } }));
        match recorder.version {
            "2026-07-28" => {
                let question = recorder.call(tool, arguments.clone()).json();
                let state = &question["result"]["requestState"];
                for answer in [no, yes] {
                    let responses = json!({ "confirm_delete": answer });
                    recorder.ask(
                        "tools/call",
                        json!({
                            "name": tool, "arguments": arguments, "inputResponses": responses,
                            "requestState": state,
                        }),
                    );
                }
            }
            "2025-03-26" => drop(recorder.call(tool, arguments)),
            _ => {
                recorder.call_and_answer(tool, arguments.clone(), no);
                recorder.call_and_answer(tool, arguments, yes);
            }
        }
        recorder.call(tool, json!({ "id": 99 }));
    }
    recorder.ask("tools/list", json!({}));
    recorder.ask("resources/read", json!({ "uri": "ui://epicme/entry" }));
    if recorder.version == STATELESS {
        recorder.ask("server/discover", json!({}));
    }
    recorder.begin(json!({}));
    recorder.call("delete_entry", json!({ "id": 4 }));
    recorder.call("delete_tag", json!({ "id": 2 }));
}

/// A subscription of the stateless version, whose client cancels it; and in the oldest version a batch.
fn several_messages(recorder: &mut Recorder) {
    if recorder.version == STATELESS {
        let notifications = json!({
            "resourcesListChanged": true, "resourceSubscriptions": ["epicme://entries", "epicme://none"],
        });
        let params = json!({ "notifications": notifications });
        let (fields, body) = recorder.message("subscriptions/listen", params.clone());
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut stream = recorder.client.open(&fields, &body).events();
        let acknowledged = stream.message();
        recorder.call("create_entry", json!({ "title": "heard of", "content": "" }));
        let updated = stream.message();
        let cancel =
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 } });
        let version = [("MCP-Protocol-Version", STATELESS)];
        assert_eq!(recorder.client.post(&version, &cancel.to_string()).status, 202);
        let text = format!("{acknowledged}\n{updated}\n{}\n", stream.last());
        recorder.note(&format!("subscriptions/listen {params}"), &text);
        // A client that takes no JSON gets the same message as an event.
        let params = json!({ "name": "get_entry", "arguments": { "id": 1 } });
        let (mut fields, body) = recorder.message("tools/call", params.clone());
        fields.retain(|(name, _)| *name != "Accept");
        fields.push(("Accept", "text/event-stream".to_owned()));
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let reply = recorder.client.post(&fields, &body);
        recorder.note(&format!("tools/call {params}, as an event"), &String::from_utf8_lossy(&reply.body));
    }
    if recorder.version == "2025-03-26" {
        let call = |id: i64, tool: &str, arguments: Value| {
            let params = json!({ "name": tool, "arguments": arguments });
            json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
        };
        let batch = json!([
            call(1, "get_tag", json!({ "id": 3 })),
            call(2, "get_tag", json!({ "id": 99 })),
            call(3, "no_tool", json!({})),
            { "jsonrpc": "2.0", "id": "four", "method": "ping" },
        ]);
        let session = recorder.session.clone().expect("a session");
        let fields = [("MCP-Protocol-Version", "2025-03-26"), ("Mcp-Session-Id", session.as_str())];
        let reply = recorder.client.post(&fields, &batch.to_string());
        recorder.note(&format!("{batch}"), &String::from_utf8_lossy(&reply.body));
    }
    for body in [
        "{",
        "1",
        "[]",
        r#"{"jsonrpc":"2.0","id":1,"id":2}"#,
        r#"{"jsonrpc":"1.0","id":"a","method":"ping"}"#,
    ] {
        let reply = recorder.client.post(&[("MCP-Protocol-Version", recorder.version)], body);
        recorder.note(body, &format!("{} {}", reply.status, String::from_utf8_lossy(&reply.body)));
    }
}

#[test]
fn gives_every_answer_as_it_is_recorded() {
    let mut record = String::new();
    for version in [STATELESS, WITH_SESSIONS[0], WITH_SESSIONS[1]] {
        let server = Server::start();
        let token = server.token("ada@example.com", &[]);
        let mut recorder = Recorder::new(&server, &token, version, &mut record);
        furnish(&mut recorder);
        fix_times(&server);
        tools(&mut recorder);
        other_methods(&mut recorder);
        writes(&mut recorder);
        deletes(&mut recorder);
        several_messages(&mut recorder);
        // A token without the scopes of rows: lists and completions are shorter, and a call is refused.
        let poor = server.token("ada@example.com", &["--scope", "user:read"]);
        let mut recorder = Recorder::new(&server, &poor, version, &mut record);
        recorder.ask("resources/list", json!({}));
        recorder.call("whoami", json!({}));
        let entry = json!({ "type": "ref/resource", "uri": "epicme://entries/{id}" });
        recorder
            .ask("completion/complete", json!({ "ref": entry, "argument": { "name": "id", "value": "" } }));
        let writer = server.token("ada@example.com", &["--scope", "entries:write"]);
        let mut recorder = Recorder::new(&server, &writer, version, &mut record);
        recorder.call(
            "create_entry",
            json!({ "title": "x", "content": "y", "tagNames": ["used", "unheard of"] }),
        );
    }
    if std::env::var_os("UPDATE_ANSWERS").is_some() {
        fs::write(RECORD, &record).expect("the record is written");
    }
    let recorded = fs::read_to_string(Path::new(RECORD)).expect("the record");
    let place = record.lines().zip(recorded.lines()).position(|(came, expected)| came != expected);
    if let Some(place) = place {
        let line = |text: &str| text.lines().nth(place).unwrap_or_default().to_owned();
        let request = record.lines().take(place + 1).filter(|line| line.starts_with("> ")).last();
        let (expected, came) = (line(&recorded), line(&record));
        // A list of tools is a line of many thousand characters.
        let from = came.chars().zip(expected.chars()).take_while(|(one, other)| one == other).count();
        let part = |line: &str| line.chars().skip(from.saturating_sub(80)).take(240).collect::<String>();
        panic!(
            "{RECORD}:{}: {}\n  expected: …{}\n  came:     …{}",
            place + 1,
            request.unwrap_or_default(),
            part(&expected),
            part(&came)
        );
    }
    assert_eq!(record.len(), recorded.len(), "one of them goes on");
}
