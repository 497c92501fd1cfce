//! Resources, prompts, completion and pages of lists, in every revision: what each gives, to whom, and every mistake
//! with its answer. What a message's envelope may be is told in `mcp.rs`, what the tools do in `journal.rs`.
//!
//! Tables are text, a row a line, with ` | ` between the cells.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use epicme::limits;
use epicme::secret::TokenText;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{self, Client, Folder, Reply, SCOPES, Server, modern_meta};

const VERSION: &str = "MCP-Protocol-Version";
/// The stateless revision.
const MODERN: &str = "2026-07-28";
/// The revision without titles, links and structured content.
const OLDEST: &str = "2025-03-26";
const REVISIONS: [&str; 4] = [MODERN, "2025-11-25", "2025-06-18", OLDEST];
const PUBLIC: (i64, &str) = (3_600_000, "public");
const PRIVATE: (i64, &str) = (0, "private");

/// The cells of a table row that is written as one text.
fn cells(row: &str) -> impl Iterator<Item = &str> {
    row.split('|').map(str::trim)
}

/// The first cell of each row of a table, and the others.
fn table(text: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    text.trim().lines().map(|row| {
        let mut cells = cells(row);
        (cells.next().expect("a cell"), cells.collect())
    })
}

/// What a header says that must repeat this: itself where a header can, else in base64.
fn header_of(text: &str) -> String {
    let plain = text.bytes().all(|byte| matches!(byte, b'!'..=b'~')) && !text.starts_with("=?base64?");
    if plain { text.to_owned() } else { format!("=?base64?{}?=", STANDARD.encode(text)) }
}

/// Every scope but these.
fn all_but(scopes: &[&str]) -> String {
    SCOPES.into_iter().filter(|scope| !scopes.contains(scope)).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn parse(text: &Value) -> Value {
    serde_json::from_str(text.as_str().expect("a text")).expect("JSON")
}

#[track_caller]
fn list<'v>(value: &'v Value, name: &str) -> &'v Vec<Value> {
    value[name].as_array().unwrap_or_else(|| panic!("no {name} in {value:.500}"))
}

/// One member of each item, as text.
fn each<'v>(items: &'v [Value], name: &str) -> Vec<&'v str> {
    items.iter().map(|item| item[name].as_str().expect("a text")).collect()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// Somebody with a token.
struct Person {
    server: Arc<Server>,
    email: &'static str,
    client: Client,
}

impl Person {
    fn on(server: &Arc<Server>, email: &'static str) -> Person {
        let client = Client::new(server, &server.token(email, &[]));
        Person { server: Arc::clone(server), email, client }
    }

    /// Ada, alone on a server.
    fn alone() -> Person {
        Person::on(&Server::start().into(), "ada@example.com")
    }

    /// The same person with a token of these scopes only.
    fn with_only(&self, scopes: &str) -> Person {
        let client = Client::new(&self.server, &self.server.token(self.email, &["--scope", scopes]));
        Person { server: Arc::clone(&self.server), email: self.email, client }
    }

    /// Sends a request as a client of this revision does.
    #[track_caller]
    fn ask(&mut self, revision: &str, method: &str, mut params: Value) -> Reply {
        let mut fields = vec![(VERSION, revision.to_owned())];
        if revision == MODERN {
            params["_meta"] = modern_meta();
            fields.push(("Mcp-Method", method.to_owned()));
            let named = match method {
                "resources/read" => params["uri"].as_str(),
                "tools/call" | "prompts/get" => params["name"].as_str(),
                _ => None,
            };
            fields.extend(named.map(|name| ("Mcp-Name", header_of(name))));
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.client.post(&fields, &body.to_string())
    }

    /// What a request that succeeds gives, without what 2026-07-28 puts around every result.
    #[track_caller]
    fn get(&mut self, revision: &str, method: &str, params: Value) -> Value {
        let row = format!("{revision} {method} {params:.300}");
        let reply = self.ask(revision, method, params);
        assert_eq!(reply.status, 200, "{row} {}", String::from_utf8_lossy(&reply.body));
        let mut answer = reply.json();
        assert_eq!(answer.get("error"), None, "{row}");
        let mut result = answer["result"].take();
        if revision == MODERN {
            let members = result.as_object_mut().expect("an object");
            assert_eq!(members.shift_remove("resultType"), Some(json!("complete")), "{row}");
            let given = members.shift_remove("_meta").unwrap_or_default();
            assert_eq!(given["io.modelcontextprotocol/serverInfo"]["name"], "epicme", "{row}");
        }
        result
    }

    /// The same of a result that a modern client may keep: it says so, and to an earlier one nothing.
    #[track_caller]
    fn get_kept(&mut self, revision: &str, method: &str, params: Value, kept: (i64, &str)) -> Value {
        let mut result = self.get(revision, method, params);
        let members = result.as_object_mut().expect("an object");
        let hints = ["ttlMs", "cacheScope"].map(|name| members.shift_remove(name));
        let expected = (revision == MODERN).then(|| [json!(kept.0), json!(kept.1)]);
        assert_eq!(hints, expected.map_or([None, None], |hints| hints.map(Some)), "{revision} {method}");
        result
    }

    /// The error of a request that fails with this code, whose message is a sentence.
    #[track_caller]
    fn error(&mut self, revision: &str, method: &str, params: Value, code: i64) -> Value {
        let row = format!("{revision} {method} {params:.300}");
        let reply = self.ask(revision, method, params);
        assert_eq!(reply.status, 200, "{row} {}", String::from_utf8_lossy(&reply.body));
        let mut answer = reply.json();
        assert_eq!(answer.get("result"), None, "{row}: nothing is given, not even what is empty");
        assert_eq!(answer["error"]["code"], code, "{row} {answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|text| text.len() > 10), "{row} {answer}");
        answer["error"].take()
    }

    /// A request that the gate refuses, since the token lacks just these scopes.
    #[track_caller]
    fn barred(&mut self, revision: &str, method: &str, params: Value, scopes: &str) {
        let reply = self.ask(revision, method, params.clone());
        assert_eq!(reply.status, 403, "{revision} {method} {params}");
        let challenge = reply.field("www-authenticate").expect("a challenge");
        assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
        assert!(challenge.contains(&format!(" needs {scopes}\", scope=")), "{method} {params}: {challenge}");
        let asked = reply.scopes_to_ask_for();
        assert!(scopes.split(' ').all(|scope| asked.contains(&scope)), "{method} {params}: {challenge}");
    }

    /// What `completion/complete` offers.
    #[track_caller]
    fn offers(&mut self, revision: &str, reference: &str, name: &str, typed: &str) -> Value {
        let params = completing(reference, name, typed);
        let mut result = self.get(revision, "completion/complete", params);
        assert_eq!(keys(&result), ["completion"], "{revision} {reference}");
        result["completion"].take()
    }

    /// The values alone; there are no more of them.
    #[track_caller]
    fn values(&mut self, reference: &str, name: &str, typed: &str) -> Vec<String> {
        let mut offer = self.offers(MODERN, reference, name, typed);
        let values: Vec<String> = serde_json::from_value(offer["values"].take()).expect("texts");
        let expected = json!({ "values": null, "total": values.len(), "hasMore": false });
        assert_eq!(offer, expected, "{reference} {name} {typed:?}");
        values
    }

    fn tag(&mut self, name: &str) {
        self.client.ok("create_tag", json!({ "name": name }));
    }

    fn sql(&self, statements: &str) {
        self.server.folder.tamper(statements);
    }
}

/// The parameters of `completion/complete`; a reference with `://` is one to a template, any other to a prompt.
fn completing(reference: &str, name: &str, typed: &str) -> Value {
    let reference = if reference.contains("://") {
        json!({ "type": "ref/resource", "uri": reference })
    } else {
        json!({ "type": "ref/prompt", "name": reference })
    };
    json!({ "ref": reference, "argument": { "name": name, "value": typed } })
}

const ENTRY: &str = "epicme://entries/{id}";
const TAG: &str = "epicme://tags/{id}";
const SUGGEST: &str = "suggest_tags";
const SUMMARIZE: &str = "summarize_journal_entries";

/// Ada has the tags 1 and 2 and the entries 1 and 2; Bob has tag and entry 7001, linked; nobody has 7002.
fn neighbours() -> (Person, Person) {
    let mut ada = Person::alone();
    let bob = Person::on(&ada.server, "bob@example.com");
    ada.tag("sea");
    ada.client.ok("create_tag", json!({ "name": "hill", "description": "up" }));
    let full = json!({
        "title": "A \"walk\"", "content": "☂ text", "mood": "calm", "location": "Home", "weather": "rain",
        "isPrivate": 0, "isFavorite": 1, "tags": [1, 2],
    });
    ada.client.ok("create_entry", full);
    ada.client.ok("create_entry", json!({ "title": "Two", "content": "" }));
    ada.sql(
        "INSERT INTO made_entries (id, user_id, title, content, created_at, updated_at)
         VALUES (7001, 2, 'Bob''s page', 'secret', 0, 0);
         INSERT INTO made_tags (id, user_id, name, created_at, updated_at) VALUES (7001, 2, 'hidden', 0, 0);
         INSERT INTO made_links (user_id, entry_id, tag_id, created_at) VALUES (2, 7001, 7001, 0);
         UPDATE users SET created_at = 1000, updated_at = 2000;
         UPDATE made_entries SET created_at = 1000 * id, updated_at = 86400;
         UPDATE tags SET created_at = 1000 * id, updated_at = 86400;",
    );
    (ada, bob)
}

/// What Ada's resources hold in [`neighbours`], and the scope of each.
fn held() -> [(&'static str, &'static str, Value); 7] {
    let item = |id: i64, title: &str, tags: i64, mood: Option<&str>, favorite: i64| {
        support::with_dates(
            &json!({ "id": id, "title": title, "tagCount": tags, "mood": mood, "isFavorite": favorite,
            "createdAt": 1000 * id, "updatedAt": 86400 }),
        )
    };
    let hill = json!({ "id": 2, "name": "hill" });
    let sea = json!({ "id": 1, "name": "sea" });
    [
        (
            "epicme://users/current",
            "user:read",
            support::with_dates(&json!({
                "id": 1, "email": "ada@example.com", "timeZone": "UTC", "createdAt": 1000, "updatedAt": 2000
            })),
        ),
        (
            "epicme://entries",
            "entries:read",
            json!({
                "entries": [item(2, "Two", 0, None, 0), item(1, "A \"walk\"", 2, Some("calm"), 1)],
                "total": 2,
            }),
        ),
        ("epicme://tags", "tags:read", json!([hill, sea])),
        (
            "epicme://entries/1",
            "entries:read",
            support::with_dates(&json!({
                "id": 1, "userId": 1, "title": "A \"walk\"", "content": "☂ text", "mood": "calm",
                "location": "Home", "weather": "rain", "isPrivate": 0, "isFavorite": 1, "createdAt": 1000,
                "updatedAt": 86400, "tags": [hill, sea],
            })),
        ),
        (
            "epicme://entries/2",
            "entries:read",
            support::with_dates(&json!({
                "id": 2, "userId": 1, "title": "Two", "content": "", "mood": null, "location": null,
                "weather": null, "isPrivate": 1, "isFavorite": 0, "createdAt": 2000, "updatedAt": 86400,
                "tags": [],
            })),
        ),
        (
            "epicme://tags/1",
            "tags:read",
            support::with_dates(&json!({
                "id": 1, "userId": 1, "name": "sea", "description": null, "createdAt": 1000,
                "updatedAt": 86400,
            })),
        ),
        (
            "epicme://tags/2",
            "tags:read",
            support::with_dates(&json!({
                "id": 2, "userId": 1, "name": "hill", "description": "up", "createdAt": 2000,
                "updatedAt": 86400,
            })),
        ),
    ]
}

// ---- Resources ----

/// Takes a sentence out of each item, which is there and isn't contract.
#[track_caller]
fn undescribed(mut items: Vec<Value>) -> Vec<Value> {
    for item in &mut items {
        if let Some(about) = item.as_object_mut().expect("an object").shift_remove("description") {
            assert!(about.as_str().is_some_and(|text| text.len() > 5), "{about}");
        }
    }
    items
}

/// As the revision has it: the oldest knows no titles, and no times in annotations.
fn known_in(revision: &str, mut items: Vec<Value>) -> Vec<Value> {
    for item in items.iter_mut().filter_map(Value::as_object_mut).filter(|_| revision == OLDEST) {
        item.retain(|key, _| key != "title" && key != "annotations");
    }
    items
}

#[test]
fn lists_what_has_a_name_and_then_each_own_tag_by_name() {
    let (mut ada, mut bob) = neighbours();
    let fixed = |name: &str, title: &str, path: &str| {
        json!({
            "uri": format!("epicme://{path}"), "name": name, "title": title, "mimeType": "application/json",
        })
    };
    let tag = |id: i64, name: &str| {
        json!({
            "uri": format!("epicme://tags/{id}"), "name": name, "mimeType": "application/json",
            "annotations": { "lastModified": "1970-01-02T00:00:00Z" },
        })
    };
    let named = [
        fixed("user", "User", "users/current"),
        fixed("entries", "Entries", "entries"),
        fixed("tags", "Tags", "tags"),
    ];
    for revision in REVISIONS {
        for (person, tags) in
            [(&mut ada, vec![tag(2, "hill"), tag(1, "sea")]), (&mut bob, vec![tag(7001, "hidden")])]
        {
            let mut result = person.get_kept(revision, "resources/list", json!({}), PRIVATE);
            assert_eq!(keys(&result), ["resources"], "{revision}: one page, so no cursor");
            let Value::Array(listed) = result["resources"].take() else { panic!("{result}") };
            let expected = known_in(revision, [&named[..], &tags].concat());
            assert_eq!(undescribed(listed), expected, "{revision}");
        }
        for scope in SCOPES {
            for (scopes, tags) in
                [(scope.to_owned(), scope == "tags:read"), (all_but(&[scope]), scope != "tags:read")]
            {
                let listed = ada.with_only(&scopes).get_kept(revision, "resources/list", json!({}), PRIVATE);
                assert_eq!(list(&listed, "resources").len(), if tags { 5 } else { 3 }, "{scopes}");
            }
        }
    }
}

#[test]
fn lists_the_same_templates_to_everybody() {
    let (mut ada, _) = neighbours();
    for revision in REVISIONS {
        let mut result = ada.get_kept(revision, "resources/templates/list", json!({}), PUBLIC);
        assert_eq!(keys(&result), ["resourceTemplates"], "{revision}");
        let Value::Array(listed) = result["resourceTemplates"].take() else { panic!("{result}") };
        let template = |uri: &str, name: &str, title: &str| json!({ "uriTemplate": uri, "name": name, "title": title, "mimeType": "application/json" });
        let expected = vec![template(ENTRY, "entry", "Journal Entry"), template(TAG, "tag", "Tag")];
        assert_eq!(undescribed(listed), known_in(revision, expected), "{revision}");
        let raw =
            |scope: &str| ada.with_only(scope).ask(revision, "resources/templates/list", json!({})).body;
        let first = raw(SCOPES[0]);
        assert!(SCOPES.iter().all(|scope| raw(scope) == first), "{revision}: it is public");
    }
}

#[test]
fn reads_each_resource_with_its_scope_alone_and_names_the_scope_to_all_others() {
    let (ada, _) = neighbours();
    for scope in SCOPES {
        let (mut able, mut barred) = (ada.with_only(scope), ada.with_only(&all_but(&[scope])));
        for (uri, _, body) in held().into_iter().filter(|(_, needs, _)| *needs == scope) {
            for revision in REVISIONS {
                let result = able.get_kept(revision, "resources/read", json!({ "uri": uri }), PRIVATE);
                assert_eq!(keys(&result), ["contents"], "{uri}");
                let [content] = &list(&result, "contents")[..] else { panic!("{result}") };
                assert_eq!(keys(content), ["uri", "mimeType", "text"], "{uri}");
                assert_eq!(
                    (&content["uri"], &content["mimeType"]),
                    (&json!(uri), &json!("application/json"))
                );
                assert_eq!(parse(&content["text"]), body, "{revision} {uri}");
                barred.barred(revision, "resources/read", json!({ "uri": uri }), scope);
            }
        }
        // Without the scope nobody learns whether a row is there.
        let ids = ["1", "7001", "7002"];
        for folder in ["entries", "tags"].into_iter().filter(|folder| scope == format!("{folder}:read")) {
            let answers = ids.map(|id| {
                let uri = format!("epicme://{folder}/{id}");
                barred.ask(MODERN, "resources/read", json!({ "uri": uri })).body
            });
            assert!(answers.iter().all(|body| *body == answers[0]), "{folder}");
        }
    }
}

#[test]
fn shows_an_empty_journal_as_empty_lists() {
    let mut ada = Person::alone();
    for (uri, body) in
        [("epicme://tags", json!([])), ("epicme://entries", json!({ "entries": [], "total": 0 }))]
    {
        let result = ada.get(MODERN, "resources/read", json!({ "uri": uri }));
        assert_eq!(parse(&result["contents"][0]["text"]), body);
    }
}

/// The answer as bytes, less the time and with another id.
fn anonymous(reply: Reply, id: &str) -> (u16, Vec<(String, String)>, String) {
    let body = String::from_utf8(reply.body).expect("text");
    let fields = reply.fields.into_iter().filter(|(name, _)| name != "Date").collect();
    (reply.status, fields, body.replace(id, "7000"))
}

#[test]
fn answers_for_anothers_resource_as_for_one_that_never_was() {
    let (mut ada, mut bob) = neighbours();
    for revision in REVISIONS {
        for folder in ["entries", "tags"] {
            let uri = |id: &str| format!("epicme://{folder}/{id}");
            let [theirs, missing] = ["7001", "7002"].map(|id| {
                let params = json!({ "uri": uri(id) });
                let error = ada.error(revision, "resources/read", params.clone(), not_found(revision));
                assert_eq!(error["data"], json!({ "uri": uri(id) }), "{revision}");
                assert_eq!(error["message"], "Resource not found");
                anonymous(ada.ask(revision, "resources/read", params), id)
            });
            assert_eq!(theirs, missing, "{revision} {folder}");
            bob.get(revision, "resources/read", json!({ "uri": uri("7001") }));
            bob.error(revision, "resources/read", json!({ "uri": uri("1") }), not_found(revision));
        }
        for id in ["7001", "7002"] {
            let tools = [("get_entry", "Entry with ID"), ("get_tag", "Tag ID")];
            for (tool, begins) in tools {
                let call =
                    json!({ "name": tool, "arguments": { "id": id.parse::<i64>().expect("a number") } });
                let told = ada.get(revision, "tools/call", call);
                let text = told["content"][0]["text"].as_str().expect("a sentence");
                assert!(text.starts_with(&format!("{begins} \"{id}\" not found")), "{text}");
            }
        }
    }
}

fn not_found(revision: &str) -> i64 {
    if revision == MODERN { -32602 } else { -32002 }
}

#[test]
fn knows_a_uri_whole_and_decodes_its_escapes_once() {
    let (mut ada, _) = neighbours();
    // Everything here would name a row of Ada's if it were read more freely.
    let unknown = r#"epicme://tags/01 | epicme://tags/001 | epicme://tags/+1 | epicme://tags/-1 | epicme://tags/1.0 |
        epicme://tags/1e0 | epicme://tags/0x1 | epicme://tags/0 | epicme://tags/ | epicme://tags/1/ |
        epicme://tags//1 | epicme://tags/1/1 | epicme://tags/./1 | epicme://tags/../tags/1 | epicme://tags/1? |
        epicme://tags/1?x=1 | epicme://tags/1#x | epicme://tags?id=1 | epicme://tags#1 | epicme://tags:1 |
        epicme://tags/%2531 | epicme://tags/%201 | epicme://tags/1%20 | epicme://tags/1%00 | epicme://tags/%2f1 |
        epicme://tags%2F1 | epicme://tags%2f1 | epicme://entries%2F1 | epicme://users%2Fcurrent |
        epicme://tags/%FF | epicme://tags/%C0%B1 | epicme://tags/1%0A | epicme://tags/%3 | epicme://tags/%zz |
        epicme://tags/% | epicme://tags/1,2 | epicme://tags/{id} | epicme://tags/١ | epicme://tags/１ |
        epicme://entries/01 | epicme://entries/1/ | epicme://entries/{id} | epicme://entries/1/tags |
        epicme://Tags/1 | EPICME://tags/1 | Epicme://tags | epicme:/tags/1 | epicme:tags/1 | epicme:///tags/1 |
        epicme://x@tags/1 | http://tags/1 | file:///etc/passwd | https://localhost/epicme://tags/1 | tags/1 | /tags/1 |
        epicme:// | epicme: | epicme | epicme://tag/1 | epicme://entry/1 | epicme://user/current |
        epicme://users | epicme://users/ | epicme://users/1 | epicme://users/current/ | epicme://users/Current |
        epicme://credits | ui://entries/1 | epicme://tags/9223372036854775807 | epicme://tags/9223372036854775808 |
        epicme://tags/9007199254740992 | epicme://tags/18446744073709551617 |"#;
    let odd = [
        " epicme://tags/1",
        "epicme://tags/1 ",
        "epicme://tags/1\n",
        "epicme://tags/1\0",
        "\u{feff}epicme://tags",
    ];
    let long = format!("epicme://tags/1{}", "0".repeat(limits::URI_BYTES_MAX - 15));
    assert_eq!(long.len(), limits::URI_BYTES_MAX);
    for revision in REVISIONS {
        for uri in cells(unknown).chain(odd).chain([long.as_str()]) {
            let error = ada.error(revision, "resources/read", json!({ "uri": uri }), not_found(revision));
            assert_eq!(error["data"], json!({ "uri": uri }), "as it was asked for");
        }
        // Too long to be looked at, or to be repeated.
        for longer in [format!("{long}0"), format!("epicme://{}", "☂".repeat(664))] {
            assert!(longer.len() > limits::URI_BYTES_MAX);
            let error = ada.error(revision, "resources/read", json!({ "uri": longer }), -32602);
            assert!(
                error.get("data").is_none()
                    && error["message"].as_str().is_some_and(|text| text.contains("2000"))
            );
        }
        for (escaped, plain) in [
            ("epicme://tags/%31", "epicme://tags/1"),
            ("epicme://%74ag%73", "epicme://tags"),
            ("epicme://users/%63urrent", "epicme://users/current"),
            ("epicme://%65ntries/%32", "epicme://entries/2"),
        ] {
            let [one, other] =
                [escaped, plain].map(|uri| ada.get(revision, "resources/read", json!({ "uri": uri })));
            assert_eq!(one, other, "{escaped}");
        }
        let nothing =
            [json!({}), json!({ "uri": null }), json!({ "uri": 1 }), json!({ "uri": ["epicme://tags"] })];
        for params in nothing {
            match revision {
                // Which no header can repeat.
                MODERN => {
                    let reply = ada.ask(revision, "resources/read", params);
                    assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &json!(-32020)));
                }
                _ => drop(ada.error(revision, "resources/read", params, -32602)),
            }
        }
    }
    // The largest id that there can be is one that isn't there.
    ada.error(MODERN, "resources/read", json!({ "uri": "epicme://tags/9007199254740991" }), -32602);
}

#[test]
fn demands_the_name_of_a_resource_and_of_a_prompt_in_the_header() {
    let (mut ada, _) = neighbours();
    let suggest = json!({ "name": SUGGEST, "arguments": { "entryId": "1" } });
    let rows = [
        ("resources/read", json!({ "uri": "epicme://tags/1" }), "epicme://tags/1"),
        ("prompts/get", suggest, SUGGEST),
        ("resources/read", json!({ "uri": "epicme://tags/é ☂" }), "epicme://tags/é ☂"),
        ("prompts/get", json!({ "name": " é" }), " é"),
    ];
    for (method, mut params, name) in rows {
        params["_meta"] = modern_meta();
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let mut post = |names: &[&str]| {
            let mut fields = vec![(VERSION, MODERN), ("Mcp-Method", method)];
            fields.extend(names.iter().map(|name| ("Mcp-Name", *name)));
            let reply = ada.client.post(&fields, &body);
            (reply.status, reply.json()["error"]["code"].as_i64().unwrap_or(0))
        };
        let encoded = STANDARD.encode(name);
        let plain = name.is_ascii();
        let good = if plain { (200, 0) } else { (200, -32602) }; // the header is right, though there is no such thing
        assert_eq!(post(&[&format!("=?base64?{encoded}?=")]), good, "{method} {name}");
        assert_eq!(post(&[name]), if plain { good } else { (400, -32020) }, "{method} {name}");
        let refused = (400, -32020);
        let near = [format!("{name}x"), format!("=?base64?{encoded}"), format!("=?base64?{encoded}=?=")];
        let odd =
            ["", "epicme://tags", "EPICME://TAGS/1", "Suggest_tags", "epicme://tags/%31", "=?base64?/w==?="];
        for other in odd.into_iter().chain(near.iter().map(String::as_str)).chain([encoded.as_str()]) {
            assert_eq!(post(&[other]), refused, "{method} {other}");
        }
        let (right, mixed) = (header_of(name), format!("=?Base64?{encoded}?="));
        for names in [&[][..], &[right.as_str(), &right], &[mixed.as_str()]] {
            assert_eq!(post(names), refused, "{method} {names:?}");
        }
    }
    // A name in the wrong place is none, and where no name is demanded none is looked at.
    for (method, params) in [
        ("prompts/get", json!({ "uri": SUGGEST, "name": 1 })),
        ("resources/read", json!({ "name": "epicme://tags", "uri": [] })),
    ] {
        let mut params = params;
        params["_meta"] = modern_meta();
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        for name in [SUGGEST, "epicme://tags"] {
            let fields = [(VERSION, MODERN), ("Mcp-Method", method), ("Mcp-Name", name)];
            assert_eq!(ada.client.post(&fields, &body).status, 400, "{method}");
        }
    }
    let params = json!({ "_meta": modern_meta() });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "prompts/list", "params": params }).to_string();
    let fields = [(VERSION, MODERN), ("Mcp-Method", "prompts/list"), ("Mcp-Name", "anything")];
    assert_eq!(ada.client.post(&fields, &body).status, 200);
}

/// Entries of Ada's and Bob's: so many, the odd ones of a second with the even ones before.
fn write_entries(ada: &Person, count: i64) {
    ada.sql(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
         INSERT INTO made_entries (id, user_id, title, content, created_at, updated_at)
         SELECT i, 1, 'Entry ' || i, 'text', 1000 + i / 2, 0 FROM n;
         INSERT INTO made_entries (id, user_id, title, content, created_at, updated_at)
         SELECT id + 100000, 2, 'Bob', 'his', created_at, 0 FROM entries"
    ));
}

#[test]
fn shows_the_newest_hundred_entries_and_how_many_there_are() {
    let mut ada = Person::alone();
    Person::on(&ada.server, "bob@example.com");
    write_entries(&ada, 150);
    for revision in REVISIONS {
        let result = ada.get(revision, "resources/read", json!({ "uri": "epicme://entries" }));
        let held = parse(&result["contents"][0]["text"]);
        let ids: Vec<_> = list(&held, "entries").iter().map(|entry| entry["id"].as_i64()).collect();
        assert_eq!(ids, (51..=150).rev().map(Some).collect::<Vec<_>>(), "newest first, then the larger id");
        assert_eq!((keys(&held), &held["total"]), (vec!["entries", "total"], &json!(150)));
    }
}

// ---- Pages ----

/// Tags of the first person, named so that their order is that of their numbers.
fn number_tags(folder: &Folder, count: i64) {
    folder.tamper(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
             INSERT INTO made_tags (user_id, name, created_at, updated_at)
             SELECT 1, printf('tag %05d', i), 0, 0 FROM n"
    ));
}

#[test]
fn walks_all_resources_without_repeating_or_skipping_while_tags_are_made() {
    let mut ada = Person::alone();
    let mut bob = Person::on(&ada.server, "bob@example.com");
    number_tags(&ada.server.folder, 250);
    let (mut seen, mut cursor) = (Vec::new(), None);
    for (page, size) in [103, 100, 54].into_iter().enumerate() {
        // The person is the same, whatever revision their client speaks and whatever else its token may do.
        let params = cursor.take().map_or(json!({}), |cursor: Value| json!({ "cursor": cursor }));
        let mut reader = if page == 1 { ada.with_only("tags:read") } else { ada.with_only(&all_but(&[])) };
        let result = reader.get_kept(REVISIONS[page], "resources/list", params, PRIVATE);
        let names = each(list(&result, "resources"), "name");
        assert_eq!(names.len(), size, "page {page}");
        seen.extend(names.iter().map(|name| (*name).to_owned()));
        cursor = result.get("nextCursor").cloned();
        assert_eq!(cursor.is_some(), page < 2, "there is none behind the last page, not even null");
        assert_eq!(result.get("nextCursor").is_some_and(Value::is_string), page < 2);
        // Before all that was seen, just behind it, and at the end.
        ada.tag(&format!("a before {page}"));
        ada.tag(&format!("{} behind", names[names.len() - 1]));
        ada.tag(&format!("z {page}"));
        bob.tag(&format!("tag 00150 of Bob {page}"));
    }
    let once: BTreeSet<_> = seen.iter().collect();
    assert_eq!(once.len(), seen.len(), "nothing is shown twice");
    let old: Vec<_> = (1..=250).map(|number| format!("tag {number:05}")).collect();
    let shown: Vec<_> = seen.iter().filter(|name| old.contains(name)).cloned().collect();
    assert_eq!(shown, old, "nothing is left out");
    let new = ["tag 00100 behind", "tag 00199 behind", "z 0", "z 1"];
    let shown: Vec<_> = seen[3..].iter().filter(|name| !old.contains(name)).collect();
    assert_eq!(shown, new, "of the new ones those behind the place are shown");
}

#[test]
fn gives_no_cursor_behind_a_last_page_that_is_full() {
    let mut ada = Person::alone();
    number_tags(&ada.server.folder, 200);
    let first = ada.get(MODERN, "resources/list", json!({}));
    let last = ada.get(MODERN, "resources/list", json!({ "cursor": first["nextCursor"] }));
    assert_eq!((list(&last, "resources").len(), last.get("nextCursor")), (100, None));
    assert!(
        list(&last, "resources")
            .iter()
            .all(|item| item["uri"].as_str().is_some_and(|uri| uri.contains("/tags/")))
    );
}

#[test]
fn refuses_a_cursor_that_is_not_of_this_list_and_this_person() {
    let mut ada = Person::alone();
    let mut bob = Person::on(&ada.server, "bob@example.com");
    number_tags(&ada.server.folder, 150);
    write_entries(&ada, 3);
    let cursor_of = |person: &mut Person| {
        let result = person.get(MODERN, "resources/list", json!({}));
        result["nextCursor"].as_str().expect("a cursor").to_owned()
    };
    let own = cursor_of(&mut ada);
    let of_tool = |person: &mut Person, tool: &str| {
        person.client.ok(tool, json!({ "limit": 1 }))["nextCursor"].as_str().expect("a cursor").to_owned()
    };
    let elsewhere = [of_tool(&mut ada, "list_tags"), of_tool(&mut ada, "list_entries")];
    ada.sql("UPDATE tags SET user_id = 2");
    let bobs = cursor_of(&mut bob);
    ada.sql("UPDATE tags SET user_id = 1");
    let pieces = own.split('.').collect::<Vec<_>>();
    let swapped = format!("v1.{}.{}", elsewhere[0].split('.').nth(1).expect("a payload"), pieces[2]);
    let odd = "| x | 0 | null | v1 | v1. | v1.. | v2.. | v1.AA.AA | ☂ | eyJvIjo1MH0";
    let near = [&own[1..], &own[..own.len() - 1], pieces[1], pieces[2], " ", "\0"];
    let more =
        [format!("{own}A"), format!("{own}="), format!(" {own}"), format!("{own}\n"), own.to_uppercase()];
    let others = [own.repeat(2), "A".repeat(100_000), bobs, swapped].into_iter().chain(elsewhere);
    let texts = cells(odd).chain(near).map(str::to_owned).chain(more).chain(others).collect::<Vec<_>>();
    for revision in REVISIONS {
        let values = [json!(1), json!(true), json!([own]), json!({ "cursor": own })];
        for cursor in texts.iter().map(|text| json!(text)).chain(values) {
            let error = ada.error(revision, "resources/list", json!({ "cursor": cursor }), -32602);
            assert!(error["message"].as_str().is_some_and(|text| text.contains("cursor")), "{error}");
        }
        ada.get(revision, "resources/list", json!({ "cursor": own }));
        bob.error(revision, "resources/list", json!({ "cursor": own }), -32602);
        // Without tags there is one page.
        let mut barred = ada.with_only(&all_but(&["tags:read"]));
        barred.error(revision, "resources/list", json!({ "cursor": own }), -32602);
    }
    for at in 0..own.len() {
        let other = if &own[at..=at] == "A" { "B" } else { "A" };
        let tampered = format!("{}{other}{}", &own[..at], &own[at + 1..]);
        ada.error(MODERN, "resources/list", json!({ "cursor": tampered }), -32602);
    }
    for tool in ["list_tags", "list_entries"] {
        assert!(ada.client.fails(tool, json!({ "cursor": own })).contains("cursor must be the nextCursor"));
    }
}

#[test]
fn refuses_every_cursor_where_there_is_one_page() {
    let mut ada = Person::alone();
    number_tags(&ada.server.folder, 150);
    let real = ada.get(MODERN, "resources/list", json!({}))["nextCursor"].take();
    for revision in REVISIONS {
        for method in ["tools/list", "prompts/list", "resources/templates/list"] {
            for cursor in [json!(""), json!("x"), json!(0), json!([]), real.clone()] {
                let error = ada.error(revision, method, json!({ "cursor": cursor }), -32602);
                assert!(error["message"].as_str().is_some_and(|text| text.contains("cursor")), "{error}");
            }
            assert!(ada.get(revision, method, json!({})).get("nextCursor").is_none(), "{method}");
        }
    }
}

#[test]
fn keeps_ten_thousand_tags_and_refuses_one_more() {
    let folder = Arc::new(Folder::new());
    folder.token("ada@example.com", &[]);
    number_tags(&folder, limits::TAGS_MAX as i64 - 1);
    let server = Arc::new(Server::start_in(folder, &[]));
    let mut ada = Person::on(&server, "ada@example.com");
    let mut bob = Person::on(&server, "bob@example.com");
    ada.tag("tag 10000");
    for _ in 0..2 {
        let told = ada.client.fails("create_tag", json!({ "name": "one more" }));
        assert!(told.contains("10000 tags"), "{told}");
    }
    let taken = ada.client.fails("create_tag", json!({ "name": "tag 00007" }));
    assert!(taken.contains("already exists (ID: 7)"), "{taken}");
    bob.tag("one more");
    let result = ada.get(MODERN, "resources/read", json!({ "uri": "epicme://tags" }));
    let held = parse(&result["contents"][0]["text"]);
    let expected: Vec<_> =
        (1..=10_000).map(|id| json!({ "id": id, "name": format!("tag {id:05}") })).collect();
    assert!(held == Value::from(expected), "all of them, by name, and nothing else");
    ada.client.ok("update_tag", json!({ "id": 7, "name": "renamed" }));
    ada.client.ok("delete_tag", json!({ "id": 8 }));
    ada.tag("one more");
    let total = ada.client.ok("list_tags", json!({ "limit": 1 }))["total"].take();
    assert_eq!(total, 10_000);
    assert_eq!(ada.offers(MODERN, TAG, "id", "")["total"], 10_000);
}

// ---- Prompts ----

#[test]
fn lists_the_same_prompts_to_everybody() {
    let mut ada = Person::alone();
    for revision in REVISIONS {
        let mut result = ada.get_kept(revision, "prompts/list", json!({}), PUBLIC);
        assert_eq!(keys(&result), ["prompts"], "{revision}");
        let Value::Array(mut listed) = result["prompts"].take() else { panic!("{result}") };
        for prompt in &mut listed {
            let Value::Array(arguments) = prompt["arguments"].take() else { panic!("{prompt}") };
            assert!(arguments.iter().all(|argument| keys(argument) == ["name", "description", "required"]));
            prompt["arguments"] = undescribed(arguments).into();
        }
        let argument = |name: &str, required: bool| json!({ "name": name, "required": required });
        let expected = vec![
            json!({ "name": SUGGEST, "title": "Suggest Tags", "arguments": [argument("entryId", true)] }),
            json!({
                "name": SUMMARIZE, "title": "Summarize Journal Entries",
                "arguments": [argument("tagIds", false), argument("from", false), argument("to", false)],
            }),
        ];
        assert_eq!(undescribed(listed), known_in(revision, expected), "{revision}");
        let raw = |scope: &str| ada.with_only(scope).ask(revision, "prompts/list", json!({})).body;
        let first = raw(SCOPES[0]);
        assert!(SCOPES.iter().all(|scope| raw(scope) == first), "{revision}: it is public");
    }
}

/// What `resources/read` gives for this, as a message of a prompt.
fn embedded(person: &mut Person, uri: &str) -> Value {
    let mut result = person.get(MODERN, "resources/read", json!({ "uri": uri }));
    json!({ "role": "user", "content": { "type": "resource", "resource": result["contents"][0].take() } })
}

#[test]
fn suggests_tags_with_the_tags_and_the_entry_beside_the_request() {
    let (mut ada, _) = neighbours();
    let beside = ["epicme://tags", "epicme://entries/1"].map(|uri| embedded(&mut ada, uri));
    let mut able = ada.with_only("tags:read entries:read");
    for revision in REVISIONS {
        let params = json!({ "name": SUGGEST, "arguments": { "entryId": "1" } });
        let result = able.get(revision, "prompts/get", params);
        assert_eq!(keys(&result), ["description", "messages"], "{revision}: nothing to keep");
        let [asks, tags, entry] = &list(&result, "messages")[..] else { panic!("{result}") };
        assert_eq!((tags, entry), (&beside[0], &beside[1]));
        assert_eq!((&asks["role"], keys(&asks["content"])), (&json!("user"), vec!["type", "text"]));
        let text = asks["content"]["text"].as_str().expect("a text");
        for word in ["tags", "ID 1.", "approve", "update_entry", "tagNames"] {
            assert!(text.contains(word), "{word} is missing: {text}");
        }
    }
}

#[test]
fn gives_the_instructions_of_each_prompt_by_a_tool_too() {
    let (mut ada, _) = neighbours();
    let rows = [
        (
            "suggest_tags",
            "get_tag_suggestions_instructions",
            json!({ "entryId": "1" }),
            json!({ "entryId": 1 }),
        ),
        (
            SUMMARIZE,
            "get_journal_insights_instructions",
            json!({ "tagIds": "1,2", "from": "2000-01-01" }),
            json!({ "tagIds": [1, 2], "from": "2000-01-01" }),
        ),
        (SUMMARIZE, "get_journal_insights_instructions", json!({}), json!({})),
        (
            SUMMARIZE,
            "get_journal_insights_instructions",
            json!({ "tagIds": "", "from": "", "to": "" }),
            json!({ "tagIds": null }),
        ),
        (
            SUMMARIZE,
            "get_journal_insights_instructions",
            json!({ "to": "2000-01-01" }),
            json!({ "to": "2000-01-01" }),
        ),
    ];
    for (prompt, tool, texts, values) in rows {
        let params = json!({ "name": prompt, "arguments": texts });
        let result = ada.get("2025-11-25", "prompts/get", params);
        let (first, others) = list(&result, "messages").split_first().expect("a message");
        let resources: Vec<_> = others.iter().map(|message| &message["content"]["resource"]).collect();
        // A client that hands on the prompt's own arguments gets the same.
        for arguments in [texts, values] {
            let called = ada.get("2025-11-25", "tools/call", json!({ "name": tool, "arguments": arguments }));
            assert_eq!(called["content"][0], first["content"], "{tool}");
            let expected = json!({ "instructions": first["content"]["text"], "resources": resources });
            assert_eq!(called["structuredContent"], expected, "{tool}");
        }
    }
    // The earliest version has no structured content; the last text holds the same.
    let params = json!({ "name": "get_tag_suggestions_instructions", "arguments": { "entryId": 1 } });
    let called = ada.get("2025-03-26", "tools/call", params);
    let content = list(&called, "content");
    assert_eq!(content.len(), 2, "{called}");
    assert_eq!(list(&parse(&content[1]["text"]), "resources").len(), 2, "{called}");
}

#[test]
fn takes_an_id_that_a_client_writes_as_a_number_in_a_prompt_and_a_completion() {
    let (mut ada, _) = neighbours();
    for revision in REVISIONS {
        let prompt = |id: Value| json!({ "name": SUGGEST, "arguments": { "entryId": id } });
        let texts =
            [json!("1"), json!(1)].map(|id| ada.get(revision, "prompts/get", prompt(id))["messages"].clone());
        assert_eq!(texts[0], texts[1]);
        let values = [json!("1"), json!(1)].map(|typed| {
            let mut params = completing(ENTRY, "id", "");
            params["argument"]["value"] = typed;
            ada.get(revision, "completion/complete", params)["completion"].clone()
        });
        assert_eq!(values[0], values[1]);
    }
}

#[test]
fn names_every_scope_that_a_prompt_needs_in_one_challenge() {
    let (ada, _) = neighbours();
    let suggest = json!({ "name": SUGGEST, "arguments": { "entryId": "1" } });
    let both = "entries:read tags:read";
    for revision in REVISIONS {
        for without in [&["entries:read"][..], &["tags:read"], &["entries:read", "tags:read"]] {
            ada.with_only(&all_but(without)).barred(revision, "prompts/get", suggest.clone(), both);
        }
        let mut barred = ada.with_only(&all_but(&["entries:read"]));
        barred.barred(revision, "prompts/get", json!({ "name": SUMMARIZE }), "entries:read");
        // The scope comes before the arguments, which may name anything.
        barred.barred(revision, "prompts/get", json!({ "name": SUGGEST, "arguments": { "x": 1 } }), both);
        ada.with_only("entries:read").get(revision, "prompts/get", json!({ "name": SUMMARIZE }));
    }
}

#[test]
fn answers_every_mistake_in_a_prompt_as_wrong_parameters() {
    let (mut ada, _) = neighbours();
    let long = format!("\"{}1\"", "1,".repeat(50));
    let rows = format!(
        r#"
        suggest_tags | entryId is required | {{}} | {{"entryId":""}} | {{"entryId":null}}
        suggest_tags | decimal digits | {{"entryId":"one"}} | {{"entryId":"0"}} | {{"entryId":"-1"}} | {{"entryId":"+1"}} | \
            {{"entryId":"01"}} | {{"entryId":"1.0"}} | {{"entryId":"1e0"}} | {{"entryId":" 1"}} | {{"entryId":"1 "}} | \
            {{"entryId":"1\n"}} | {{"entryId":"1\u0000"}} | {{"entryId":"\u0661"}} | {{"entryId":"9007199254740992"}} | \
            {{"entryId":"18446744073709551617"}} | {{"entryId":" "}} | {{"entryId":"1,2"}} | {{"entryId":0}} | {{"entryId":-1}}
        suggest_tags | a string | {{"entryId":1.0}} | {{"entryId":["1"]}} | {{"entryId":{{}}}} | {{"entryId":true}}
        suggest_tags | not found | {{"entryId":"7001"}} | {{"entryId":"7002"}} | {{"entryId":"9007199254740991"}}
        suggest_tags | no such argument | {{"entryId":"1","x":"1"}} | {{"entryId":"1","":"1"}} | {{"entryId":"1","EntryId":"1"}} | \
            {{"entryId":"1","x":""}} | {{"entryId":"1","tagIds":"1"}}
        summarize_journal_entries | no such argument | {{"entryId":"1"}} | {{"x":""}} | {{"tagids":""}} | {{"limit":"5"}}
        summarize_journal_entries | tagIds must be | {{"tagIds":"x"}} | {{"tagIds":"1,x"}} | {{"tagIds":"1;2"}} | {{"tagIds":"0"}} | \
            {{"tagIds":"01"}} | {{"tagIds":"-1"}} | {{"tagIds":"1.0"}} | {{"tagIds":[1]}} | {{"tagIds":0}} | \
            {{"tagIds":"1 2"}} | {{"tagIds":"[1]"}} | {{"tagIds":","}} | {{"tagIds":"1,"}} | {{"tagIds":"9007199254740992"}}
        summarize_journal_entries | at most 50 | {{"tagIds":{long}}}
        summarize_journal_entries | from must be | {{"from":"x"}} | {{"from":"2025-1-31"}} | {{"from":"now"}} | {{"from":1}} | \
            {{"from":"2025-02-30"}} | {{"from":"2025-13-01"}} | {{"from":"2025-01-31 09:30:00Z"}} | {{"from":" "}} | \
            {{"from":"2025-01-31\u0000"}} | {{"from":"2025-01-31T24:00:00Z"}} | {{"from":"0000-00-00"}}
        summarize_journal_entries | to must be | {{"to":"x"}} | {{"to":"20250131"}} | {{"to":"2025-02-29"}} | {{"to":[]}} | \
            {{"from":"2025-01-31","to":"tomorrow"}}"#
    )
    .replace("\\\n", " ");
    for revision in REVISIONS {
        for (prompt, row) in table(&rows) {
            for arguments in &row[1..] {
                let given: Value = serde_json::from_str(arguments).expect("JSON");
                let params = json!({ "name": prompt, "arguments": given });
                let error = ada.error(revision, "prompts/get", params, -32602);
                let told = error["message"].as_str().expect("a sentence");
                assert!(told.contains(row[0]), "{prompt} {arguments}: {told}");
            }
        }
        for arguments in [json!([{}]), json!("1"), json!(1), json!(["1"]), json!(true)] {
            for prompt in [SUGGEST, SUMMARIZE] {
                let params = json!({ "name": prompt, "arguments": arguments });
                ada.error(revision, "prompts/get", params, -32602);
            }
        }
        for name in ["", "suggest", "Suggest_tags", "suggest_tags ", "suggest_tags\0", "get_entry", "x"] {
            let params = json!({ "name": name, "arguments": { "entryId": "1" } });
            let error = ada.error(revision, "prompts/get", params, -32602);
            assert!(error["message"].as_str().is_some_and(|text| text.contains("Unknown prompt")), "{error}");
        }
        let suggest = |id: &str| json!({ "name": SUGGEST, "arguments": { "entryId": id } });
        let answers = ["7001", "7002"].map(|id| anonymous(ada.ask(revision, "prompts/get", suggest(id)), id));
        assert_eq!(answers[0], answers[1], "another's is as absent as one that never was");
    }
    for params in [json!({}), json!({ "name": null }), json!({ "name": 1 }), json!([])] {
        ada.error("2025-11-25", "prompts/get", params, -32602);
    }
}

/// The text of the first message, and the ids of the entries behind it. Each is there as `resources/read` gives it.
#[track_caller]
fn summary(person: &mut Person, revision: &str, arguments: Value) -> (String, Vec<i64>) {
    let params = json!({ "name": SUMMARIZE, "arguments": arguments });
    let result = person.get(revision, "prompts/get", params);
    assert_eq!(keys(&result), ["description", "messages"]);
    let messages = list(&result, "messages");
    let text = messages[0]["content"]["text"].as_str().expect("a text").to_owned();
    assert_eq!(messages[0]["content"]["type"], "text");
    let role = if messages.len() == 1 { "assistant" } else { "user" };
    assert_eq!(messages[0]["role"], role, "{text}");
    let id = |message: &Value| {
        assert_eq!((&message["role"], &message["content"]["type"]), (&json!("user"), &json!("resource")));
        let resource = &message["content"]["resource"];
        let id = parse(&resource["text"])["id"].as_i64().expect("an id");
        assert_eq!(resource["uri"], format!("epicme://entries/{id}"));
        assert_eq!(resource["mimeType"], "application/json");
        id
    };
    (text, messages[1..].iter().map(id).collect())
}

#[test]
fn summarizes_the_entries_of_the_days_and_tags_that_are_named() {
    let mut ada = Person::alone();
    Person::on(&ada.server, "bob@example.com");
    ["sea", "hill", "town"].into_iter().for_each(|name| ada.tag(name));
    for tags in [json!([1]), json!([1, 2]), json!([])] {
        ada.client.ok("create_entry", json!({ "title": "Day", "content": "text", "tags": tags }));
    }
    ada.sql(
        "UPDATE made_entries SET created_at = unixepoch('2025-01-30T00:00:00Z') WHERE id = 1;
         UPDATE made_entries SET created_at = unixepoch('2025-01-31T23:59:59Z') WHERE id = 2;
         UPDATE made_entries SET created_at = unixepoch('2025-02-01T00:00:00Z') WHERE id = 3;
         INSERT INTO made_entries (id, user_id, title, content, created_at, updated_at)
         VALUES (7001, 2, 'secret', 'secret', unixepoch('2025-01-31'), 0);
         INSERT INTO made_tags (id, user_id, name, created_at, updated_at) VALUES (7001, 2, 'hidden', 0, 0);
         INSERT INTO made_links (user_id, entry_id, tag_id, created_at) VALUES (2, 7001, 7001, 0);",
    );
    let rows = r#"
        3 2 1 | {} | {"tagIds":"","from":"","to":""} | {"from":"2025-01-30"} | {"to":"2025-02-01"} | {"from":"1970-01-01","to":""}
        2 1 | {"tagIds":"1"} | {"tagIds":"1,2"} | {"tagIds":" 2 , 1 "} | {"tagIds":"1,1"} | {"tagIds":"1,7001"} | \
            {"to":"2025-01-31"} | {"to":"2025-01-31T23:59:59Z"} | {"to":"2025-02-01T00:59:59+01:00"}
        2 | {"tagIds":"2"} | {"tagIds":2} | {"from":"2025-01-31","to":"2025-01-31"} | {"tagIds":"1","from":"2025-01-31"} | {"tagIds":"2,3"}
        1 | {"to":"2025-01-30"} | {"to":"2025-01-31T23:59:58Z"} | {"from":"","to":"2025-01-30","tagIds":"1"}
        3 | {"from":"2025-02-01"} | {"from":"2025-02-01T00:00:00Z"} | {"from":"2025-02-01T00:00:00.5+00:00","to":"2025-02-01"}
          | {"tagIds":"3"} | {"tagIds":"7001"} | {"tagIds":"9007199254740991"} | {"from":"2025-02-02"} | {"to":"2025-01-29"} | \
            {"from":"2025-02-01","to":"2025-01-31"}"#
        .replace("\\\n", " ");
    let mut able = ada.with_only("entries:read");
    for revision in REVISIONS {
        for (expected, calls) in table(&rows) {
            let expected: Vec<i64> =
                expected.split_whitespace().map(|id| id.parse().expect("an id")).collect();
            for call in calls {
                let arguments: Value = serde_json::from_str(call).expect("JSON");
                let (text, ids) = summary(&mut able, revision, arguments);
                assert_eq!(ids, expected, "{call}");
                assert!(!text.contains("left out") && !text.contains("secret"), "{text}");
                let lines: Vec<_> = text.lines().filter(|line| line.starts_with("- ")).collect();
                let counts = BTreeMap::from([(1, "1 tag"), (2, "2 tags"), (3, "0 tags")]);
                let line = |id: &i64| format!("- \"Day\" (ID {id}), {}", counts[id]);
                assert_eq!(lines, expected.iter().map(line).collect::<Vec<_>>(), "{call}");
            }
        }
    }
    let result = able.get(MODERN, "prompts/get", json!({ "name": SUMMARIZE }));
    let entries = [3, 2, 1].map(|id| embedded(&mut ada, &format!("epicme://entries/{id}")));
    assert_eq!(list(&result, "messages")[1..], entries);
    ada.sql("DELETE FROM entries WHERE user_id = 1");
    let (text, ids) = summary(&mut able, MODERN, json!({}));
    assert!(ids.is_empty() && text.contains("Would you like to write one?"), "{text}");
}

#[test]
fn summarizes_no_more_than_a_prompt_may_hold_and_says_how_much_is_left_out() {
    let mut ada = Person::alone();
    Person::on(&ada.server, "bob@example.com");
    write_entries(&ada, 50);
    let newest: Vec<_> = (1..=50).rev().collect();
    let (text, ids) = summary(&mut ada, MODERN, json!({}));
    assert_eq!(ids, newest);
    assert!(!text.contains("left out"), "{text}");
    ada.sql(
        "UPDATE made_entries SET created_at = created_at + 1; INSERT INTO made_entries
        (user_id, title, content, created_at, updated_at) VALUES (1, 'old', '', 1, 0)",
    );
    let (text, ids) = summary(&mut ada, "2025-06-18", json!({}));
    assert_eq!(ids, newest);
    assert!(text.contains("\n\n1 older entry is left out here"), "{text}");
    ada.sql(
        "INSERT INTO made_entries (user_id, title, content, created_at, updated_at) VALUES (1, 'older', '', 0, 0)",
    );
    let (text, ids) = summary(&mut ada, OLDEST, json!({}));
    assert_eq!(ids, newest);
    assert!(text.contains("\n\n2 older entries are left out here"), "{text}");
    assert!(!text.contains("\"old"), "what is left out isn't named: {text}");

    // Entries count as they are written, in bytes: three of them fill the prompt to the last one.
    let server = Arc::clone(&ada.server);
    let fill = |ada: &mut Person, [first, second, third]: [usize; 3]| {
        server.folder.tamper(&format!(
            "DELETE FROM entries WHERE user_id = 1; INSERT INTO made_entries
             (id, user_id, title, content, created_at, updated_at) VALUES
             (1, 1, '\"x\"', printf('%.*c', {first}, 'x'), 1, 0),
             (2, 1, 'é', printf('%.*c', {second}, 'x'), 2, 0),
             (3, 1, 'x', char(10) || printf('%.*c', {third}, 'x'), 3, 0)",
        ));
        [1, 2, 3].map(|id| {
            let message = embedded(ada, &format!("epicme://entries/{id}"));
            message["content"]["resource"].to_string().len()
        })
    };
    let sizes = fill(&mut ada, [1, 1, 1]);
    let half = limits::PROMPT_BYTES_MAX / 2;
    let rest = limits::PROMPT_BYTES_MAX - sizes.iter().sum::<usize>() - half;
    assert_eq!(fill(&mut ada, [1, 1 + half, 1 + rest]).iter().sum::<usize>(), limits::PROMPT_BYTES_MAX);
    assert_eq!(summary(&mut ada, MODERN, json!({})).1, [3, 2, 1]);
    fill(&mut ada, [2, 1 + half, 1 + rest]);
    let (text, ids) = summary(&mut ada, MODERN, json!({}));
    assert_eq!(ids, [3, 2]);
    assert!(text.contains("1 older entry is left out"), "{text}");
    fill(&mut ada, [1, 1 + half, 1 + rest + sizes[0] + 1]);
    let (text, ids) = summary(&mut ada, MODERN, json!({}));
    assert_eq!(ids, [3], "and none that is older than what is left out");
    assert!(text.contains("2 older entries are left out"), "{text}");
    fill(&mut ada, [1, 1, limits::PROMPT_BYTES_MAX]);
    assert_eq!(summary(&mut ada, MODERN, json!({})).1, [3], "the newest in any case");
    // The largest entry that can be written fits.
    let largest = json!({ "title": "😀".repeat(300), "content": "😀".repeat(100_000) });
    ada.client.ok("create_entry", largest);
    assert_eq!(summary(&mut ada, MODERN, json!({})).1.len(), 1);
}

#[test]
fn bounds_both_copies_of_the_rows_in_the_result_of_a_tool_with_instructions() {
    let mut ada = Person::alone();
    let max = limits::PROMPT_BYTES_MAX;
    // What needs an escape in JSON needs two in JSON within a text.
    ada.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
         INSERT INTO made_entries (user_id, title, content, created_at, updated_at)
         SELECT 1, 'day', replace(hex(zeroblob(10000)), '0', char(10) || '\"'), i, 0 FROM n;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
         INSERT INTO made_tags (user_id, name, created_at, updated_at)
         SELECT 1, printf('%05d \"\"\"\"\"\"\"\"', i), 0, 0 FROM n;",
    );
    let mut call = |tool: &str, arguments: Value| {
        let result = ada.get("2025-11-25", "tools/call", json!({ "name": tool, "arguments": arguments }));
        let bytes = result.to_string().len();
        let held = result["structuredContent"].clone();
        assert_eq!(parse(&list(&result, "content")[1]["text"]), held, "both copies are the same");
        (bytes, held)
    };
    let (bytes, held) = call("get_journal_insights_instructions", json!({}));
    let (count, text) = (list(&held, "resources").len(), held["instructions"].as_str().expect("a text"));
    assert!((max / 2..max + 8 * 1024).contains(&bytes), "{bytes} bytes");
    assert!(text.contains(&format!("\n\n{} older entries are left out here", 50 - count)), "{text}");

    let (bytes, held) = call("get_tag_suggestions_instructions", json!({ "entryId": 1 }));
    let [tags, entry] = &list(&held, "resources")[..] else { panic!("two resources") };
    let (names, text) = (parse(&tags["text"]), held["instructions"].as_str().expect("a text"));
    let names = names.as_array().expect("a list");
    assert_eq!((names[0]["id"].as_i64(), parse(&entry["text"])["id"].as_i64()), (Some(1), Some(1)));
    assert!((max..max + 512 * 1024).contains(&bytes), "{bytes} bytes");
    let left_out = 10_000 - names.len();
    assert!(text.ends_with(&format!("\n\n{left_out} more tags are left out here; list_tags shows them.")));
    ada.sql("DELETE FROM tags WHERE id > 100");
    let arguments = json!({ "name": "get_tag_suggestions_instructions", "arguments": { "entryId": 1 } });
    let result = ada.get("2025-11-25", "tools/call", arguments);
    assert!(!result["content"][0]["text"].as_str().expect("a text").contains("left out"));
}

// ---- Completion ----

/// Everything that completes an entry's id, and what completes a tag's.
const ENTRY_IDS: [(&str, &str); 2] = [(ENTRY, "id"), (SUGGEST, "entryId")];
const TAG_IDS: [(&str, &str); 2] = [(TAG, "id"), (SUMMARIZE, "tagIds")];

#[test]
fn completes_an_id_by_its_digits_the_best_first() {
    let mut ada = Person::alone();
    Person::on(&ada.server, "bob@example.com");
    // The later an entry the larger its id; a tag's name turns that round. Titles and names hold other digits.
    ada.sql(
        "CREATE TEMP TABLE ids (id INTEGER); INSERT INTO ids VALUES (7), (12), (17), (70), (71), (107), (170), (700), (1007);
         INSERT INTO made_entries (id, user_id, title, content, created_at, updated_at)
         SELECT id, 1, 'page 555 of 12', '7', id, 0 FROM ids;
         INSERT INTO made_tags (id, user_id, name, created_at, updated_at)
         SELECT id, 1, 'tag 555 ' || (10000 - id), 0, 0 FROM ids;
         INSERT INTO made_entries (id, user_id, title, content, created_at, updated_at) VALUES (77, 2, '7', '7', 0, 0);
         INSERT INTO made_tags (id, user_id, name, created_at, updated_at) VALUES (77, 2, '7', 0, 0);",
    );
    let rows = "
        7 | 7 700 71 70 1007 170 107 17
        70 | 70 700 170
        00 | 1007 700
        1 | 1007 170 107 17 12 71
        12 | 12
        1007 | 1007
         | 1007 700 170 107 71 70 17 12 7
        07 | 1007 107
        555 |
        77 |
        9 |
        0 | 1007 700 170 107 70
        99999999999999999999 |
        10071 |";
    for (typed, expected) in table(rows) {
        let expected: Vec<_> = expected[0].split_whitespace().collect();
        for (reference, name) in ENTRY_IDS.into_iter().chain(TAG_IDS) {
            assert_eq!(ada.values(reference, name, typed), expected, "{reference} {typed:?}");
            assert_eq!(
                ada.values(reference, name, &format!(" {typed}\t")),
                expected,
                "blanks around are nothing"
            );
        }
    }
    for revision in REVISIONS {
        let expected = json!({ "values": ["12"], "total": 1, "hasMore": false });
        assert_eq!(ada.offers(revision, ENTRY, "id", "12"), expected, "{revision}");
    }
}

#[test]
fn completes_an_id_by_the_name_of_what_has_it_the_best_first() {
    let mut ada = Person::alone();
    Person::on(&ada.server, "bob@example.com");
    // Newest first is the order of the ids turned round; by name it is another, and capitals come first there.
    let names = "deep sea | sea | Seaside | the Sea of 7 | SEA | sea wall | 100% | a_b | axb | it's \"so\" \\ * | Émile |
        émile | ☂ rain | 5 | DROP TABLE tags;-- | stra\u{df}e";
    for (at, name) in cells(names).enumerate() {
        let id = at + 1;
        ada.client.ok("create_entry", json!({ "title": name, "content": "sea" }));
        ada.tag(name);
        ada.sql(&format!("UPDATE made_entries SET created_at = {id} WHERE id = {id}"));
    }
    ada.sql(
        "INSERT INTO made_entries (id, user_id, title, content, created_at, updated_at) VALUES (77, 2, 'sea', '', 0, 0);
         INSERT INTO made_tags (id, user_id, name, created_at, updated_at) VALUES (77, 2, 'sea', 0, 0);",
    );
    // What is typed; the entries, newest first; the tags, by name.
    let rows = r#"
        sea | 5 2 6 3 4 1 | 5 2 3 6 1 4
        SeA | 5 2 6 3 4 1 | 5 2 3 6 1 4
        seas | 3 | 3
        a s | |
        e S | 4 | 4
        p sea | 1 | 1
        sea  wall | 6 | 6
        sea of 7 | 4 | 4
        7 sea | |
        % | 7 | 7
        100% | 7 | 7
        _ | 8 | 8
        a_b | 8 | 8
        s_a | |
        s%a | |
        * | 10 | 10
        \ | 10 | 10
        '| 10 | 10
        ' OR 1=1 -- | |
        "so" | 10 | 10
        ☂ | 13 | 13
        mile | 12 11 | 11 12
        É | 12 11 16 15 6 5 4 3 2 1 | 11 12 15 5 3 1 2 6 16 4
        éM | 12 11 | 11 12
        EMI | 12 11 | 11 12
        ÉMILE | 12 11 | 11 12
        ß | 16 | 16
        STRAẞE | 16 | 16
        STRASSE | 16 | 16
        [5] | |
        5. | |
        5 | 5 15 | 5 15
        tags;-- | 15 | 15
        １ | 7 | 7"#;
    for (typed, cells) in table(rows) {
        for (references, expected) in [(ENTRY_IDS, cells[0]), (TAG_IDS, cells[1])] {
            let expected: Vec<_> = expected.split_whitespace().collect();
            for (reference, name) in references {
                assert_eq!(ada.values(reference, name, typed), expected, "{reference} {typed:?}");
            }
        }
    }
    // The end of a text is no end to what is compared.
    for odd in ["\0", "sea\0", "sea\0x", "\0sea", "s\0ea"] {
        for (reference, name) in ENTRY_IDS.into_iter().chain(TAG_IDS) {
            assert_eq!(ada.values(reference, name, odd), [""; 0], "{reference} {odd:?}");
        }
    }
}

#[test]
fn completes_from_the_newest_of_many_entries_and_by_the_whole_id_from_all() {
    let mut ada = Person::alone();
    let (max, all) = (limits::COMPLETION_ROWS_MAX, limits::COMPLETION_ROWS_MAX + 5);
    // The later an entry the larger its id, and each is of a day of its own.
    ada.sql(&format!(
        "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {all})
         INSERT INTO made_entries (id, user_id, title, content, created_at, updated_at)
         SELECT n, 1, iif(n <= 5, 'old', 'new'), '', n * 86400, 0 FROM number"
    ));
    let newest = all.to_string();
    for (reference, name) in ENTRY_IDS {
        let mut offers = |typed: &str| {
            let offered = ada.offers(REVISIONS[0], reference, name, typed);
            let first = offered["values"][0].as_str().unwrap_or_default().to_owned();
            (first, offered["total"].as_u64().expect("a total") as usize, offered["hasMore"] == true)
        };
        assert_eq!(offers(""), (newest.clone(), all, true));
        assert_eq!(offers("new"), (newest.clone(), max, true));
        assert_eq!(offers("old"), (String::new(), 0, true), "there may be some among the rows that are left");
        assert_eq!(offers("3").0, "3", "the whole id is found among all rows");
        assert_eq!(offers("03").0, newest[..1].to_owned() + "0003", "no id is written so");
    }
    let days = ada.offers(REVISIONS[0], SUMMARIZE, "from", "");
    assert_eq!(days["hasMore"], true);
    assert_eq!(days["total"], max, "each day is found by one step");
}

#[test]
fn completes_a_list_of_tags_at_its_last_one() {
    let mut ada = Person::alone();
    ["sea", "seaside", "hill"].into_iter().for_each(|name| ada.tag(name));
    let rows = "
        3 | 3
        sea | 1 2
        1, | 1,3 1,1 1,2
        1,2 | 1,2
        1,sea | 1,1 1,2
        1, sea | 1,1 1,2
        1,2,hi | 1,2,3
        1,9 |
        9,2 | 9,2
        hill,2 | hill,2
        ,, | ,,3 ,,1 ,,2
        sea,x |";
    for (typed, expected) in table(rows) {
        let expected: Vec<_> = expected[0].split_whitespace().collect();
        assert_eq!(ada.values(SUMMARIZE, "tagIds", typed), expected, "{typed:?}");
    }
    assert_eq!(ada.values(TAG, "id", "1,2"), [""; 0], "a template takes one");
}

#[test]
fn completes_the_days_on_which_somebody_wrote_newest_first() {
    let mut ada = Person::alone();
    Person::on(&ada.server, "bob@example.com");
    let rows = [
        (1, "2025-01-31T00:00:00Z"),
        (1, "2025-01-31T23:59:59Z"),
        (1, "2024-12-31T12:00:00Z"),
        (1, "2025-02-01T00:00:00Z"),
        (1, "2025-12-02T00:00:00Z"),
        (2, "2025-03-03T00:00:00Z"),
    ];
    for (user, moment) in rows {
        ada.sql(&format!(
            "INSERT INTO made_entries (user_id, title, content, created_at, updated_at)
             VALUES ({user}, '2025-07-07', '', unixepoch('{moment}'), 0)"
        ));
    }
    let rows = "
         | 2025-12-02 2025-02-01 2025-01-31 2024-12-31
        2 | 2025-12-02 2025-02-01 2025-01-31 2024-12-31
        2025 | 2025-12-02 2025-02-01 2025-01-31
        2025-0 | 2025-02-01 2025-01-31
        2025-01-31 | 2025-01-31
        2025-01-31T |
        2025-1 | 2025-12-02
        12 |
        31 |
        2025-03 |
        2025-07 |
        2025-% |
        2025_0 |
        today |
        now |";
    for (typed, expected) in table(rows) {
        let expected: Vec<_> = expected[0].split_whitespace().collect();
        for name in ["from", "to"] {
            assert_eq!(ada.values(SUMMARIZE, name, typed), expected, "{name} {typed:?}");
        }
    }
    assert_eq!(ada.values(SUMMARIZE, "to", "2025-01-31\0"), [""; 0]);
}

#[test]
fn offers_a_hundred_at_most_and_says_how_many_there_are() {
    let mut ada = Person::alone();
    Person::on(&ada.server, "bob@example.com");
    number_tags(&ada.server.folder, 100);
    write_entries(&ada, 100);
    ada.sql("UPDATE made_entries SET created_at = 86400 * id WHERE user_id = 1");
    let subjects =
        [(ENTRY, "id"), (SUGGEST, "entryId"), (TAG, "id"), (SUMMARIZE, "tagIds"), (SUMMARIZE, "from")];
    for (reference, name) in subjects {
        let offer = ada.offers(MODERN, reference, name, "");
        assert_eq!((&offer["total"], &offer["hasMore"]), (&json!(100), &json!(false)), "{reference} {name}");
        assert_eq!(list(&offer, "values").len(), 100);
    }
    ada.sql(
        "INSERT INTO made_tags (id, user_id, name, created_at, updated_at) VALUES (1234, 1, 'zz', 0, 0);
         INSERT INTO made_entries (id, user_id, title, content, created_at, updated_at) VALUES (1234, 1, 'zz', '', 0, 0);",
    );
    for revision in REVISIONS {
        for (reference, name) in subjects {
            let offer = ada.offers(revision, reference, name, "");
            let values = list(&offer, "values");
            assert_eq!(
                (&offer["total"], &offer["hasMore"]),
                (&json!(101), &json!(true)),
                "{reference} {name}"
            );
            let once: BTreeSet<_> = values.iter().filter_map(Value::as_str).collect();
            assert_eq!(once.len(), 100, "{reference} {name}");
            let worst = if name == "from" { "1970-01-01" } else { "1234" };
            assert!(!values.contains(&json!(worst)), "{reference} {name}: the last in the order is left out");
        }
    }
    assert_eq!(ada.values(ENTRY, "id", "123"), ["1234"]);
    assert_eq!(ada.values(TAG, "id", "Z"), ["1234"]);
    let last = json!(ada.offers(MODERN, SUMMARIZE, "tagIds", "7,")["values"][99]);
    assert_eq!(last, "7,100");
}

#[test]
fn offers_nothing_without_the_scope_and_asks_for_no_consent() {
    let (mut ada, mut bob) = neighbours();
    let subjects = [
        (ENTRY, "id", "entries:read"),
        (SUGGEST, "entryId", "entries:read"),
        (SUMMARIZE, "from", "entries:read"),
        (SUMMARIZE, "to", "entries:read"),
        (TAG, "id", "tags:read"),
        (SUMMARIZE, "tagIds", "tags:read"),
    ];
    let nothing = json!({ "values": [], "total": 0, "hasMore": false });
    for (reference, name, scope) in subjects {
        let (mut able, mut barred) = (ada.with_only(scope), ada.with_only(&all_but(&[scope])));
        for revision in REVISIONS {
            for typed in ["", "1", "7", "e", "1,"] {
                assert_eq!(barred.offers(revision, reference, name, typed), nothing, "{reference} {name}");
            }
            let whole = able.offers(revision, reference, name, "");
            assert!(
                whole["total"] == if matches!(name, "from" | "to") { 1 } else { 2 },
                "{reference} {whole}"
            );
            assert_eq!(whole, ada.offers(revision, reference, name, ""));
            // Each has their own.
            let theirs = bob.offers(revision, reference, name, "");
            assert_eq!(theirs["total"], 1, "{theirs}");
            assert!(name.ends_with('o') || name == "from" || theirs["values"] == json!(["7001"]), "{theirs}");
        }
        // A mistake is one, whoever makes it.
        barred.error(MODERN, "completion/complete", completing(reference, "x", ""), -32602);
    }
}

#[test]
fn answers_every_mistake_in_a_completion_as_wrong_parameters() {
    let (mut ada, _) = neighbours();
    let good = completing(ENTRY, "id", "1");
    let but = |pointer: &str, value: Option<Value>| {
        let mut params = good.clone();
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        let members = params.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
        match value {
            Some(value) => drop(members.insert(name.to_owned(), value)),
            None => drop(members.shift_remove(name)),
        }
        params
    };
    let mut rows: Vec<(Value, &str)> = Vec::new();
    for (place, named) in [
        ("/ref", "ref"),
        ("/ref/type", "ref.type"),
        ("/ref/uri", "ref.uri"),
        ("/argument", "argument"),
        ("/argument/name", "argument.name"),
        ("/argument/value", "argument.value"),
    ] {
        rows.push((but(place, None), named));
        // An integer is the text of its digits only where an argument's value belongs.
        let odd = if named == "argument.value" { json!(1.5) } else { json!(1) };
        for odd in [json!(null), odd, json!([]), json!(["id"]), json!({}), json!(true)] {
            rows.push((but(place, Some(odd)), named));
        }
    }
    for kind in ["", "resource", "ref/tool", "Ref/resource", "ref/resources"] {
        rows.push((but("/ref/type", Some(json!(kind))), "ref.type"));
    }
    rows.push((but("/ref/type", Some(json!("ref/prompt"))), "ref.name"));
    let uris =
        "| epicme://entries | epicme://tags | epicme://entries/1 | epicme://entries/{ID} | epicme://{id} |
        epicme://entries/%7Bid%7D | epicme://users/current | EPICME://entries/{id} | epicme://entries/{id}/";
    for uri in cells(uris).chain([" epicme://entries/{id}"]) {
        rows.push((but("/ref/uri", Some(json!(uri))), "template"));
    }
    let unknown = [
        (ENTRY, "| ID | entryId"),
        (TAG, "tagIds"),
        (SUGGEST, "| id | tagIds"),
        (SUMMARIZE, "entryId | From"),
    ];
    for (reference, name) in
        unknown.into_iter().flat_map(|(reference, names)| cells(names).map(move |name| (reference, name)))
    {
        rows.push((completing(reference, name, ""), "Unknown argument"));
    }
    for prompt in ["", "x", "Suggest_tags", "get_entry", "suggest_tags\0"] {
        rows.push((completing(prompt, "entryId", ""), "Unknown prompt"));
    }
    for long in ["1".repeat(limits::COMPLETED_CHARS_MAX + 1), "☂".repeat(501), "x".repeat(100_000)] {
        for (reference, name) in [(ENTRY, "id"), (SUMMARIZE, "tagIds"), (SUMMARIZE, "to")] {
            rows.push((completing(reference, name, &long), "500"));
        }
    }
    for revision in REVISIONS {
        for (params, named) in &rows {
            let error = ada.error(revision, "completion/complete", params.clone(), -32602);
            let told = error["message"].as_str().expect("a sentence");
            assert!(told.contains(named) && told.len() < 300, "{params:.300}: {told}");
        }
        ada.get(revision, "completion/complete", good.clone());
        // As long as may be, with what else a client tells.
        let mut params = completing(SUMMARIZE, "to", &"☂".repeat(limits::COMPLETED_CHARS_MAX));
        params["context"] = json!({ "arguments": { "from": "2025-01-01" } });
        params["ref"]["title"] = "A title".into();
        ada.get(revision, "completion/complete", params);
    }
    for params in [json!(null), json!([]), json!([good])] {
        ada.error("2025-11-25", "completion/complete", params, -32602);
    }
}

// ---- What each revision knows ----

/// Every request that gives something, so that each kind of result is seen.
fn requests() -> Vec<(&'static str, Value)> {
    let call = |tool: &str, arguments: Value| ("tools/call", json!({ "name": tool, "arguments": arguments }));
    let mut all = vec![
        ("tools/list", json!({})),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("prompts/list", json!({})),
        ("prompts/get", json!({ "name": SUGGEST, "arguments": { "entryId": "1" } })),
        ("prompts/get", json!({ "name": SUMMARIZE })),
        ("completion/complete", completing(SUGGEST, "entryId", "")),
        call("list_entries", json!({})),
        call("get_entry", json!({ "id": 1 })),
        call("list_tags", json!({})),
        call("whoami", json!({})),
        call("add_tag_to_entry", json!({ "entryId": 1, "tagId": 1 })),
    ];
    all.extend(held().map(|(uri, ..)| ("resources/read", json!({ "uri": uri }))));
    all
}

/// Every name in a value that holds something other than an object, and every type of a block.
fn names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        Value::Object(members) => {
            for (name, member) in members {
                // The schema of an argument called "title" is no title.
                if !(name == "title" && member.is_object()) {
                    found.insert(name.clone());
                }
                if name == "type" {
                    found.extend(member.as_str().map(str::to_owned));
                }
                names(member, found);
            }
        }
        _ => {}
    }
}

#[test]
fn leaves_out_what_a_revision_does_not_know() {
    let (mut ada, _) = neighbours();
    let later = ["title", "outputSchema", "structuredContent", "resource_link", "lastModified"];
    let modern = ["resultType", "ttlMs", "cacheScope", "_meta"];
    for revision in REVISIONS {
        let mut found = BTreeSet::new();
        for (method, params) in requests() {
            names(&ada.ask(revision, method, params).json()["result"], &mut found);
        }
        for name in later {
            assert_eq!(found.contains(name), revision != OLDEST, "{revision} {name}");
        }
        for name in modern {
            assert_eq!(found.contains(name), revision == MODERN, "{revision} {name}");
        }
        assert!(found.contains("mimeType") && found.contains("resource"), "{revision}");
    }
}

#[test]
fn gives_every_revision_the_same_data() {
    let (mut ada, _) = neighbours();
    for (method, params) in requests() {
        let mut data = REVISIONS.map(|revision| {
            let mut result = ada.get(revision, method, params.clone());
            let members = result.as_object_mut().expect("an object");
            members.retain(|name, _| !["ttlMs", "cacheScope", "structuredContent"].contains(&name.as_str()));
            if let Some(Value::Array(content)) = members.get_mut("content") {
                content.retain(|block| block["type"] == "text");
            }
            result
        });
        let [modern, newest, middle, oldest] = &mut data;
        assert_eq!((&*modern, &*modern), (&*newest, &*middle), "{method} {params}");
        for name in ["tools", "resources", "resourceTemplates", "prompts"] {
            for described in
                modern[name].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut)
            {
                described.retain(|key, _| key != "title" && key != "outputSchema");
                described.retain(|key, value| key != "annotations" || value.get("lastModified").is_none());
            }
            // `modern[name]` has made a member of what wasn't there.
            modern.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        }
        assert_eq!(modern, oldest, "{method} {params}");
    }
}

#[test]
fn has_in_each_era_the_methods_of_that_era() {
    let (mut ada, _) = neighbours();
    let both = requests().into_iter().map(|(method, params)| (method, params, true, true));
    let initialize = json!({ "protocolVersion": OLDEST, "capabilities": {}, "clientInfo": { "name": "x", "version": "1" } });
    let of_one = [
        ("server/discover", json!({}), true, false),
        ("ping", json!({}), false, true),
        ("initialize", initialize, false, true),
        ("subscriptions/listen", json!({ "notifications": {} }), true, false),
        ("resources/subscribe", json!({ "uri": "epicme://tags" }), false, false),
        ("resources/unsubscribe", json!({ "uri": "epicme://tags" }), false, false),
        ("logging/setLevel", json!({ "level": "info" }), false, false),
        ("prompts", json!({}), false, false),
        ("resources/Read", json!({ "uri": "epicme://tags" }), false, false),
        ("completion", json!({}), false, false),
    ];
    for (method, params, modern, legacy) in both.chain(of_one) {
        for revision in REVISIONS {
            if (method, revision) == ("subscriptions/listen", MODERN) {
                continue; // it is there, and opens a stream
            }
            let is_there = if revision == MODERN { modern } else { legacy };
            let reply = ada.ask(revision, method, params.clone());
            let status = if is_there || revision != MODERN { 200 } else { 404 };
            let code = reply.json()["error"]["code"].as_i64();
            assert_eq!((reply.status, code), (status, (!is_there).then_some(-32601)), "{revision} {method}");
        }
    }
}

#[test]
fn goes_on_behind_the_longest_name() {
    let server = Server::start();
    let mut ada = Client::new(&server, &server.token("ada@example.com", &[]));
    let mut connection = server.folder.open();
    let many = connection.transaction().expect("a transaction");
    for number in 0..250 {
        let name = format!("{}{number:03}", "😀".repeat(97));
        let sql = "INSERT INTO made_tags (user_id, name, created_at, updated_at) VALUES (1, ?1, 0, 0)";
        many.execute(sql, [name]).expect("a tag");
    }
    many.commit().expect("a commit");
    let first = ada.ok("list_tags", json!({}));
    let second = ada.ok("list_tags", json!({ "cursor": first["nextCursor"] }));
    assert_eq!(second["tags"].as_array().map(Vec::len), Some(50));
    let mut seen = 0;
    let mut params = json!({});
    loop {
        let page = ada.modern("resources/list", params).json()["result"].take();
        seen += page["resources"].as_array().expect("a list").len();
        match &page["nextCursor"] {
            Value::Null => break,
            cursor => params = json!({ "cursor": cursor }),
        }
    }
    assert_eq!(seen, 3 + 250);
    let long = "x".repeat(limits::CURSOR_CHARS_MAX + 1);
    let refused = ada.modern("resources/list", json!({ "cursor": long })).json();
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    assert!(refused["error"]["message"].as_str().is_some_and(|text| text.contains("more than")), "{refused}");
}

#[test]
fn declares_in_each_era_what_it_serves_there() {
    let (mut ada, _) = neighbours();
    for revision in REVISIONS {
        let (method, watching) = match revision {
            MODERN => ("server/discover", json!({ "subscribe": true, "listChanged": true })),
            _ => ("initialize", json!({})),
        };
        let params = json!({ "protocolVersion": revision, "capabilities": {}, "clientInfo": { "name": "x", "version": "1" } });
        let told = ada.get(revision, method, if revision == MODERN { json!({}) } else { params });
        let mut expected = json!({ "tools": {}, "resources": watching, "prompts": {}, "completions": {} });
        if revision == MODERN {
            expected["extensions"] = json!({ "io.modelcontextprotocol/ui": {} });
        }
        assert_eq!(told["capabilities"], expected, "{revision}");
    }
}

#[test]
fn answers_a_batch_as_it_answers_each_request_alone() {
    let (mut ada, _) = neighbours();
    let mut requests = requests();
    requests.extend([
        ("resources/read", json!({ "uri": "epicme://tags/7001" })),
        ("resources/read", json!({ "uri": "epicme://tags/7002" })),
        ("resources/list", json!({ "cursor": "" })),
        ("prompts/get", json!({ "name": SUGGEST })),
        ("prompts/get", json!({ "name": "x" })),
        ("completion/complete", json!({})),
        ("subscriptions/listen", json!({ "notifications": {} })),
        ("server/discover", json!({})),
    ]);
    let message = |(id, (method, params)): (usize, &(&str, Value))| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    let batch: Vec<_> = requests.iter().enumerate().map(message).collect();
    let reply = ada.client.post(&[(VERSION, OLDEST)], &Value::from(batch.clone()).to_string());
    assert_eq!(reply.status, 200);
    let answers = reply.json();
    assert_eq!(answers.as_array().map(Vec::len), Some(batch.len()));
    for (message, answer) in batch.iter().zip(answers.as_array().into_iter().flatten()) {
        assert_eq!(*answer, ada.client.post(&[(VERSION, OLDEST)], &message.to_string()).json(), "{message}");
    }
    let failed = answers.as_array().into_iter().flatten().filter(|answer| answer.get("error").is_some());
    assert_eq!(failed.count(), 8, "those behind the ones that succeed");
    for revision in ["2025-06-18", "2025-11-25", MODERN] {
        let reply = ada.client.post(&[(VERSION, revision)], &Value::from(batch.clone()).to_string());
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &json!(-32600)), "{revision}");
    }
}

#[test]
fn refuses_a_whole_batch_for_a_scope_unless_it_is_a_completion_that_lacks_it() {
    let (ada, _) = neighbours();
    let mut barred = ada.with_only(&all_but(&["entries:read"]));
    let message = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let make = message("tools/call", json!({ "name": "create_tag", "arguments": { "name": "made" } }));
    let refused = [
        ("resources/read", json!({ "uri": "epicme://entries/1" }), "entries:read"),
        ("prompts/get", json!({ "name": SUMMARIZE }), "entries:read"),
        ("prompts/get", json!({ "name": SUGGEST }), "entries:read tags:read"),
    ];
    for (method, params, scopes) in refused {
        let reply = barred.client.post(&[], &json!([make, message(method, params)]).to_string());
        assert_eq!(reply.status, 403, "{method}");
        let challenge = reply.field("www-authenticate").expect("a challenge");
        assert!(challenge.contains(&format!(" needs {scopes}\", scope=")), "{challenge}");
        assert_eq!(reply.scopes_to_ask_for(), SCOPES, "what it had, and what it lacks");
    }
    // A call that has its scopes needs another for the name of a tag that there isn't.
    let mut maker = ada.with_only(&all_but(&["tags:write"]));
    let entry = |names: Value| {
        let arguments = json!({ "title": "t", "content": "c", "tagNames": names });
        message("tools/call", json!({ "name": "create_entry", "arguments": arguments }))
    };
    let before = maker.client.ok("list_entries", json!({}))["total"].clone();
    let reply = maker.client.post(&[], &json!([entry(json!([])), entry(json!(["unheard of"]))]).to_string());
    assert_eq!(reply.status, 403);
    assert_eq!(reply.scopes_to_ask_for(), SCOPES);
    assert_eq!(maker.client.ok("list_entries", json!({}))["total"], before, "nothing was written");
    assert_eq!(barred.client.ok("list_tags", json!({}))["total"], 2, "nothing was made");
    let complete = message("completion/complete", completing(ENTRY, "id", ""));
    let reply =
        barred.client.post(&[], &json!([make, complete, message("resources/list", json!({}))]).to_string());
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()[1]["result"]["completion"]["values"], json!([]));
    assert_eq!(barred.client.ok("list_tags", json!({}))["total"], 3);
}

// ---- Sessions ----

/// A token of the first person's for an OAuth client; without a client, one from the command line.
fn token_for(folder: &Folder, client: &str) -> String {
    let token = TokenText::generate();
    let plain = folder.token("ada@example.com", &[]);
    let like = TokenText::parse(plain.as_bytes()).expect("a token").hash();
    let database = Connection::open(folder.database()).expect("the database");
    database.busy_timeout(support::PATIENCE).expect("a timeout");
    let statements = [
        "INSERT OR IGNORE INTO clients (id, name, redirect_uris, auth_method, registered_by, created_at)
         SELECT ?1, 'x', '', 'none', 'itself', 0 WHERE ?2 <> ?3",
        "INSERT INTO grants (user_id, client_id, resource, scope, created_at, used_at)
         SELECT user_id, ?1, resource, scope, created_at, created_at FROM tokens WHERE hash = ?2 AND ?2 <> ?3",
        "INSERT INTO tokens (hash, user_id, resource, scope, label, created_at, expires_at, grant_id)
         SELECT ?3, user_id, resource, scope, '', created_at, expires_at,
             (SELECT max(id) FROM grants WHERE client_id = ?1) FROM tokens WHERE hash = ?2",
    ];
    for statement in statements {
        let changed = database.execute(statement, (client, like, token.hash())).expect("the change");
        assert!(changed == 1 || statement.starts_with("INSERT OR IGNORE"), "{statement}");
    }
    token.reveal().to_owned()
}

/// Begins a session of this revision and gives its id.
#[track_caller]
fn begin(client: &mut Client, revision: &str) -> String {
    let info = json!({ "name": "x", "version": "1" });
    let params = json!({ "protocolVersion": revision, "capabilities": {}, "clientInfo": info });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    client.post(&[], &body.to_string()).field("mcp-session-id").expect("a session").to_owned()
}

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"resources/list"}"#;

#[test]
fn keeps_a_session_to_the_person_and_the_client_that_began_it() {
    let server = Server::start();
    let plain = server.token("ada@example.com", &[]);
    let tokens = [
        plain.clone(),
        token_for(&server.folder, "one"),
        token_for(&server.folder, "another"),
        server.token("bob@example.com", &[]),
    ];
    let mut clients = tokens.each_ref().map(|token| Client::new(&server, token));
    let sessions = clients.each_mut().map(|client| begin(client, "2025-11-25"));
    for (at, client) in clients.iter_mut().enumerate() {
        for (whose, session) in sessions.iter().enumerate() {
            let reply = client.post(&[("Mcp-Session-Id", session)], LIST);
            assert_eq!(reply.status, if at == whose { 200 } else { 404 }, "session {whose} with token {at}");
            if at != whose {
                assert_eq!(reply.json()["error"]["code"], -32600);
                let again = begin(client, "2025-11-25"); // which is how a client goes on
                assert_eq!(client.post(&[("Mcp-Session-Id", &again)], LIST).status, 200);
            }
        }
        assert_eq!(client.post(&[(VERSION, "2025-11-25")], LIST).status, 200, "none is needed");
    }
    // Another token of the same client's carries on: that is what a refresh brings.
    let mut refreshed = Client::new(&server, &token_for(&server.folder, "one"));
    assert_eq!(refreshed.post(&[("Mcp-Session-Id", &sessions[1])], LIST).status, 200);
    let mut second = Client::new(&server, &server.token("ada@example.com", &[]));
    assert_eq!(second.post(&[("Mcp-Session-Id", &sessions[0])], LIST).status, 200);
    // In no place does a session stand for a token, and in none is another one passed over.
    for body in [LIST, &format!("[{LIST}]"), r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#] {
        let fields = [(VERSION, OLDEST), ("Mcp-Session-Id", sessions[2].as_str())];
        assert_eq!(refreshed.post(&fields, body).status, 404, "{body}");
    }
}

#[test]
fn remembers_in_a_session_what_its_revision_knows() {
    let (mut ada, _) = neighbours();
    for revision in &REVISIONS[1..] {
        let session = begin(&mut ada.client, revision);
        let listed = ada.client.post(&[("Mcp-Session-Id", &session)], LIST).json();
        assert_eq!(listed["result"], ada.get(revision, "resources/list", json!({})), "{revision}");
        let both = [("Mcp-Session-Id", session.as_str()), (VERSION, OLDEST)];
        let oldest = ada.client.post(&both, LIST).json();
        assert!(
            oldest["result"]["resources"][0].get("title").is_none(),
            "the header says what is spoken now"
        );
    }
    let silent = ada.client.post(&[], LIST).json();
    assert_eq!(silent["result"], ada.get(OLDEST, "resources/list", json!({})));
}

// ---- What a person is asked before a delete ----

/// A call of a delete by a client that can ask, with what it brings back of an earlier round.
#[track_caller]
fn delete(person: &mut Person, tool: &str, id: i64, brought: Value) -> Value {
    let mut params = brought;
    params["name"] = tool.into();
    params["arguments"] = json!({ "id": id });
    params["_meta"] = modern_meta();
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({ "elicitation": {} });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let fields = [(VERSION, MODERN), ("Mcp-Method", "tools/call"), ("Mcp-Name", tool)];
    let reply = person.client.post(&fields, &body.to_string());
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()["result"].take()
}

/// The question, whose form is always the same.
#[track_caller]
fn question(asked: &Value) -> &str {
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let request = &asked["inputRequests"]["confirm_delete"];
    assert_eq!(keys(&asked["inputRequests"]), ["confirm_delete"]);
    let schema = &request["params"]["requestedSchema"];
    assert_eq!(keys(&schema["properties"]), ["confirmed"]);
    let form = (&schema["properties"]["confirmed"]["type"], &schema["required"]);
    assert_eq!(form, (&json!("boolean"), &json!(["confirmed"])));
    request["params"]["message"].as_str().expect("a question")
}

#[test]
fn asks_about_a_row_by_its_name_cut_and_cleaned_and_by_its_id() {
    let (mut ada, _) = neighbours();
    let rows = [
        ("walks".to_owned(), "walks".to_owned()),
        ("a \"b\" c".to_owned(), "a 'b' c".to_owned()),
        ("a\u{200b}b\u{feff}".to_owned(), "ab".to_owned()),
        ("é☂".repeat(40), "é☂".repeat(40)),
        ("é☂".repeat(40) + "x", "é☂".repeat(40) + "…"),
        ("one\ntwo\r\u{1b}[31mthree\u{7f}\u{9b}".to_owned(), "onetwo[31mthree".to_owned()),
        ("live\u{202e}evil\u{2066}\u{61c}".to_owned(), "liveevil".to_owned()),
        ("one\u{2028}two\u{2029}".to_owned(), "onetwo".to_owned()),
        ("\u{1}".repeat(20) + &"x".repeat(80), "x".repeat(80)),
    ];
    for (name, shown) in rows {
        let entry = ada.client.ok("create_entry", json!({ "title": name, "content": "" }));
        let id = entry["entry"]["id"].as_i64().expect("an id");
        let asked = delete(&mut ada, "delete_entry", id, json!({}));
        assert_eq!(question(&asked), format!("Delete the entry \"{shown}\" (ID: {id})?"));
        if name.contains(|c: char| c.is_control() || "\u{202e}\u{2028}".contains(c)) {
            ada.client.fails("create_tag", json!({ "name": name })); // a tag can't have such a name
            continue;
        }
        let tag = ada.client.ok("create_tag", json!({ "name": name }));
        let tag_id = tag["tag"]["id"].as_i64().expect("an id");
        let asked = delete(&mut ada, "delete_tag", tag_id, json!({}));
        assert_eq!(question(&asked), format!("Delete the tag \"{shown}\" (ID: {tag_id})? No entry has it."));
    }
    let asked = delete(&mut ada, "delete_tag", 1, json!({}));
    assert_eq!(question(&asked), "Delete the tag \"sea\" (ID: 1)? 1 entry loses it; the entry stays.");
    ada.client.ok("add_tag_to_entry", json!({ "entryId": 2, "tagId": 1 }));
    let asked = delete(&mut ada, "delete_tag", 1, json!({}));
    assert_eq!(question(&asked), "Delete the tag \"sea\" (ID: 1)? 2 entries lose it; the entries stay.");
    // What isn't there is said before anything is asked.
    for (tool, id) in
        [("delete_entry", 7001), ("delete_entry", 9999), ("delete_tag", 7001), ("delete_tag", 9999)]
    {
        let told = delete(&mut ada, tool, id, json!({}));
        assert_eq!((&told["resultType"], &told["isError"]), (&json!("complete"), &json!(true)));
        assert!(told["content"][0]["text"].as_str().is_some_and(|text| text.contains("not found")), "{told}");
    }
}

#[test]
fn says_of_a_refusal_that_nothing_was_deleted_and_of_a_yes_what_was() {
    let (mut ada, _) = neighbours();
    let no = [
        json!({ "action": "decline" }),
        json!({ "action": "cancel" }),
        json!({ "action": "accept", "content": { "confirmed": false } }),
    ];
    let yes = json!({ "action": "accept", "content": { "confirmed": true } });
    for (tool, kind, id, name, types) in [
        ("delete_entry", "entry", 1, "Entry \"A \"walk\"\" (ID 1)", &["text", "text"][..]),
        ("delete_tag", "tag", 1, "Tag \"sea\" (ID 1)", &["text", "resource_link", "text"]),
    ] {
        let row = ada.client.ok(&format!("get_{kind}"), json!({ "id": id }))[kind].take();
        for (answer, done) in no.iter().map(|answer| (answer, false)).chain([(&yes, true)]) {
            let state = delete(&mut ada, tool, id, json!({}))["requestState"].take();
            let brought = json!({ "requestState": state, "inputResponses": { "confirm_delete": answer } });
            let result = delete(&mut ada, tool, id, brought);
            assert_eq!(
                (&result["resultType"], result.get("isError")),
                (&json!("complete"), None),
                "{answer}"
            );
            let mut data = json!({ "success": done, kind: row });
            if !done {
                data["reason"] = "the deletion was not confirmed".into();
            }
            assert_eq!(result["structuredContent"], data, "{answer}");
            let content = list(&result, "content");
            let end = if done { " deleted." } else { " was not deleted: the deletion was not confirmed." };
            assert_eq!(content[0]["text"], format!("{name}{end}"));
            let types = if done { &["text", "resource_link", "text"] } else { types };
            assert_eq!(each(content, "type"), types, "{tool} {answer}");
            let still = ada.client.call(&format!("get_{kind}"), json!({ "id": id }));
            assert_eq!(still["isError"] == true, done, "{tool} {answer}");
        }
    }
}
