//! What a person is asked before something of theirs is deleted, and that nothing but their yes to just that question
//! deletes it: as a call that is sent again (2026-07-28), and on the call's own stream (before).

use std::sync::{Arc, Barrier};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use epicme::limits;
use epicme::secret::{Signer, sha256};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::events::Events;
use crate::support::{self, Client, Folder, Reply, Server, eventually};

/// The revisions in which a question comes on the call's stream.
const ASKING: [&str; 2] = ["2025-11-25", "2025-06-18"];
const KEY: &str = "confirm_delete";
const LEGACY: (&str, &str) = ("MCP-Protocol-Version", "2025-11-25");

/// A server with ada's first three entries and two tags; the first entry has the first tag.
struct House {
    server: Server,
    ada: Client,
}

impl House {
    fn new() -> House {
        House::with(&[])
    }

    /// The same with options for the server.
    fn with(options: &[&str]) -> House {
        let server = Server::start_in(Arc::new(Folder::new()), options);
        let mut ada = Client::new(&server, &server.token("ada@example.com", &[]));
        furnish(&mut ada);
        House { server, ada }
    }

    /// Somebody else, with the like.
    fn bob(&self) -> Client {
        let mut bob = Client::new(&self.server, &self.server.token("bob@example.com", &[]));
        self.server.folder.give_ids_after(2, 3, 2);
        furnish(&mut bob);
        bob
    }

    fn database(&self) -> Connection {
        Connection::open(self.server.folder.database()).expect("the database")
    }

    fn tamper(&self, sql: &str) {
        self.server.folder.tamper(sql);
    }

    fn count(&self, table: &str) -> i64 {
        self.server.folder.count(table)
    }

    /// How many entries and tags there are.
    fn rows(&self) -> (i64, i64) {
        (self.count("entries"), self.count("tags"))
    }

    /// The signer by which the server knows its own states.
    fn signer(&self) -> Signer {
        let sql = "SELECT value FROM settings WHERE name = 'seal_key'";
        Signer::new(self.database().query_row(sql, [], |row| row.get(0)).expect("the key"))
    }

    /// Makes the newest token one of an OAuth client's.
    fn give_token_to_client(&self, client: &str) {
        self.tamper(&format!(
            "INSERT INTO clients VALUES ('{client}', '', 'http://localhost/', 'none', NULL, 'itself', 0);
             INSERT INTO grants SELECT NULL, user_id, '{client}', resource, scope, 0, 0, NULL FROM tokens
                 WHERE id = (SELECT max(id) FROM tokens);
             UPDATE tokens SET grant_id = (SELECT max(id) FROM grants) WHERE id = (SELECT max(id) FROM tokens)"
        ));
    }
}

fn furnish(client: &mut Client) {
    client.ok("create_tag", json!({ "name": "walks" }));
    client.ok("create_tag", json!({ "name": "rain" }));
    let walks = client.ok("list_tags", json!({}))["tags"][1]["id"].clone();
    client.ok("create_entry", json!({ "title": "Hills", "content": "a long walk", "tags": [walks] }));
    client.ok("create_entry", json!({ "title": "Sea", "content": "a swim" }));
    client.ok("create_entry", json!({ "title": "Wood", "content": "birds" }));
}

// ---- 2026-07-28 ----

/// Calls a tool as a client with these capabilities; `more` goes beside name and arguments.
#[track_caller]
fn call_as(client: &mut Client, able: Value, tool: &str, arguments: Value, more: &Value) -> Reply {
    let mut params = json!({ "name": tool, "arguments": arguments, "_meta": support::modern_meta() });
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = able;
    for (key, value) in more.as_object().into_iter().flatten() {
        params[key] = value.clone();
    }
    let fields = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", tool)];
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    client.post(&fields, &message.to_string())
}

/// Calls a tool as a client that can ask; gives the result.
#[track_caller]
fn call(client: &mut Client, tool: &str, id: i64, more: &Value) -> Value {
    let reply = call_as(client, json!({ "elicitation": {} }), tool, json!({ "id": id }), more);
    let answer = reply.json();
    assert_eq!((reply.status, &answer["error"]), (200, &Value::Null), "{more} {answer}");
    answer["result"].clone()
}

/// Calls a tool that must ask; gives the question and the state.
#[track_caller]
fn ask(client: &mut Client, tool: &str, id: i64, more: &Value) -> (String, String) {
    let result = call(client, tool, id, more);
    assert_eq!(result["resultType"], "input_required", "{more} {result}");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&result["inputRequests"][KEY]["params"]["message"]), text(&result["requestState"]))
}

/// What the client brings back: an answer and the state.
fn back(answer: Value, state: &str) -> Value {
    json!({ "inputResponses": { KEY: answer }, "requestState": state })
}

fn yes() -> Value {
    json!({ "action": "accept", "content": { "confirmed": true } })
}

/// Every answer that is a no.
fn refusals() -> [Value; 5] {
    [
        json!({ "action": "accept", "content": { "confirmed": false } }),
        json!({ "action": "decline" }),
        json!({ "action": "decline", "content": { "confirmed": true } }),
        json!({ "action": "cancel" }),
        json!({ "action": "cancel", "content": { "confirmed": true } }),
    ]
}

/// Every answer that doesn't fit the question.
fn misfits() -> Vec<Value> {
    let accepting = |content: Value| json!({ "action": "accept", "content": content });
    let mut misfits =
        vec![json!(null), json!(1), json!("accept"), json!([]), json!({}), json!({ "action": 1 })];
    misfits.extend(
        ["Accept", "yes", ""].map(|action| json!({ "action": action, "content": { "confirmed": true } })),
    );
    misfits.push(json!({ "action": "accept" }));
    misfits.push(json!({ "content": { "confirmed": true } }));
    misfits.extend(
        [json!(null), json!([]), json!(true), json!({}), json!({ "Confirmed": true })].map(accepting),
    );
    misfits.extend(
        [json!("true"), json!(1), json!(null), json!([true])]
            .map(|yes| accepting(json!({ "confirmed": yes }))),
    );
    misfits
}

#[track_caller]
fn assert_declined(result: &Value, what: &str, id: i64) {
    assert_eq!(result["structuredContent"]["success"], false, "{result}");
    assert_eq!(result["structuredContent"]["reason"], "the deletion was not confirmed", "{result}");
    assert_eq!(result["structuredContent"][what]["id"], id, "{result}");
    assert!(result["isError"].is_null(), "{result}");
    let told = result["content"][0]["text"].as_str().expect("a sentence");
    assert!(told.contains("was not deleted"), "{told}");
}

#[test]
fn asks_before_it_deletes_and_deletes_on_a_yes() {
    let mut house = House::new();
    let ada = &mut house.ada;
    for (tool, id, message) in [
        ("delete_entry", 1, r#"Delete the entry "Hills" (ID: 1)?"#),
        ("delete_tag", 1, r#"Delete the tag "walks" (ID: 1)? No entry has it."#),
    ] {
        let asked = call(ada, tool, id, &json!({}));
        let confirmed =
            json!({ "type": "boolean", "title": "Delete it", "description": "It can't be brought back." });
        let schema =
            json!({ "type": "object", "properties": { "confirmed": confirmed }, "required": ["confirmed"] });
        let params = json!({ "mode": "form", "message": message, "requestedSchema": schema });
        let requests = json!({ KEY: { "method": "elicitation/create", "params": params } });
        assert_eq!(asked["inputRequests"], requests);
        let members: Vec<_> = asked.as_object().expect("a result").keys().collect();
        assert_eq!(members, ["resultType", "inputRequests", "requestState", "_meta"]);
        let state = asked["requestState"].as_str().expect("a state");
        let what = &tool["delete_".len()..];
        ada.ok(&format!("get_{what}"), json!({ "id": id }));

        // Keys that the server didn't ask for are passed over.
        let mut brought = back(yes(), state);
        brought["inputResponses"]["another"] = json!(null);
        let done = call(ada, tool, id, &brought);
        assert_eq!(done["resultType"], "complete");
        assert_eq!(done["structuredContent"]["success"], true, "{done}");
        assert_eq!(done["structuredContent"][what]["id"], id, "{done}");
        let missing = ada.fails(&format!("get_{what}"), json!({ "id": id }));

        // Sent once more, as a client that lost the answer does.
        let again = call(ada, tool, id, &brought);
        assert_eq!((&again["isError"], &again["content"][0]["text"]), (&json!(true), &json!(missing)));
    }
    assert_eq!(house.rows(), (2, 1));
    assert_eq!(house.count("entry_tags"), 0);
}

#[test]
fn names_the_row_in_the_question_as_what_it_is() {
    let mut house = House::new();
    let ada = &mut house.ada;
    let long = "é".repeat(300);
    let cut = format!("{}…", "é".repeat(limits::SHOWN_NAME_CHARS_MAX));
    let whole = "é".repeat(limits::SHOWN_NAME_CHARS_MAX);
    let hostile = "a\u{1b}[31m\r\n\u{85}b\u{202e}c\u{2066}d\u{2028}e\u{7f}";
    for (title, shown) in
        [(long.as_str(), cut.as_str()), (&whole, &whole), (hostile, "a[31mbcde"), ("\"?", "'?")]
    {
        ada.ok("update_entry", json!({ "id": 2, "title": title }));
        let question = ask(ada, "delete_entry", 2, &json!({})).0;
        assert_eq!(question, format!("Delete the entry \"{shown}\" (ID: 2)?"));
    }
    let question = |ada: &mut Client| ask(ada, "delete_tag", 1, &json!({})).0;
    let lose = ["1 entry loses it; the entry stays.", "2 entries lose it; the entries stay."];
    assert_eq!(question(ada), format!("Delete the tag \"walks\" (ID: 1)? {}", lose[0]));
    ada.ok("add_tag_to_entry", json!({ "entryId": 2, "tagId": 1 }));
    // A row of an earlier version, which took such names.
    house.tamper("UPDATE tags SET name = 'a' || char(8203, 8238) || 'b' WHERE id = 1");
    let ada = &mut house.ada;
    assert_eq!(question(ada), format!("Delete the tag \"ab\" (ID: 1)? {}", lose[1]));
    assert_eq!(ask(ada, "delete_tag", 2, &json!({})).0, "Delete the tag \"rain\" (ID: 2)? No entry has it.");
}

#[test]
fn keeps_the_row_on_every_no() {
    let mut house = House::new();
    for (tool, what) in [("delete_entry", "entry"), ("delete_tag", "tag")] {
        let (_, state) = ask(&mut house.ada, tool, 1, &json!({}));
        for answer in refusals() {
            assert_declined(&call(&mut house.ada, tool, 1, &back(answer, &state)), what, 1);
        }
    }
    assert_eq!((house.rows(), house.count("entry_tags")), ((3, 2), 1));
}

#[test]
fn asks_again_where_an_answer_or_its_state_is_missing() {
    let mut house = House::new();
    let ada = &mut house.ada;
    let (question, state) = ask(ada, "delete_entry", 1, &json!({}));
    for more in [
        json!({ "requestState": state }),
        json!({ "requestState": state, "inputResponses": {} }),
        json!({ "requestState": state, "inputResponses": { "confirm": yes(), "Confirm_delete": yes() } }),
        json!({ "inputResponses": { KEY: yes() } }),
        json!({ "inputResponses": { KEY: { "action": "decline" } } }),
        json!({ "inputResponses": null }),
        json!({ "inputResponses": null, "requestState": null }),
        json!({ "requestState": state, "inputResponses": null }),
        json!({ "requestState": state, "inputResponses": { KEY: null } }),
        json!({ "requestState": null, "inputResponses": { KEY: yes() } }),
    ] {
        assert_eq!(ask(ada, "delete_entry", 1, &more).0, question, "{more}");
    }
    assert_eq!(house.rows(), (3, 2));
}

#[test]
fn refuses_answers_and_states_of_another_form() {
    let mut house = House::new();
    let ada = &mut house.ada;
    let (_, state) = ask(ada, "delete_entry", 1, &json!({}));
    let responses = [json!([1]), json!("yes"), json!(1), json!([yes()])];
    let states = [json!(1), json!({}), json!([state]), json!("")];
    // An answer of null is none, and the person is asked again: see above.
    let misfits = misfits().into_iter().filter(|answer| !answer.is_null());
    let wrong = (misfits.map(|answer| back(answer, &state)))
        .chain(responses.map(|responses| json!({ "requestState": state, "inputResponses": responses })))
        .chain(states.map(|state| json!({ "requestState": state, "inputResponses": { KEY: yes() } })));
    for more in wrong {
        let reply = call_as(ada, json!({ "elicitation": {} }), "delete_entry", json!({ "id": 1 }), &more);
        assert_eq!((reply.status, reply.json()["error"]["code"].clone()), (200, json!(-32602)), "{more}");
    }
    assert_eq!(house.rows(), (3, 2));
}

#[test]
fn refuses_a_state_that_was_not_made_for_this_call() {
    let mut house = House::new();
    let mut bob = house.bob();
    let token = house.server.token("ada@example.com", &[]);
    house.give_token_to_client("one");
    let mut one = Client::new(&house.server, &token);
    let token = house.server.token("ada@example.com", &[]);
    house.give_token_to_client("two");
    let mut two = Client::new(&house.server, &token);
    let rows = house.rows();

    let able = || json!({ "elicitation": {} });
    #[track_caller]
    fn check(reply: &Reply, why: &str) {
        assert_eq!((reply.status, reply.json()["error"]["code"].clone()), (200, json!(-32602)), "{why}");
    }
    let (_, state) = ask(&mut house.ada, "delete_entry", 1, &json!({}));
    for (client, why) in
        [(&mut bob, "another person"), (&mut one, "another client"), (&mut two, "another client")]
    {
        check(&call_as(client, able(), "delete_entry", json!({ "id": 1 }), &back(yes(), &state)), why);
    }
    let (_, of_one) = ask(&mut one, "delete_entry", 1, &json!({}));
    for client in [&mut two, &mut house.ada] {
        check(
            &call_as(client, able(), "delete_entry", json!({ "id": 1 }), &back(yes(), &of_one)),
            "two clients",
        );
    }
    let ada = &mut house.ada;
    for arguments in [json!({ "id": 2 }), json!({}), json!({ "id": 1, "x": 1 }), json!({ "id": "1" })] {
        check(
            &call_as(ada, able(), "delete_entry", arguments.clone(), &back(yes(), &state)),
            &arguments.to_string(),
        );
    }
    check(&call_as(ada, able(), "delete_tag", json!({ "id": 1 }), &back(yes(), &state)), "another tool");
    // Neither does a client that can't ask get past it, nor one that doesn't say what it can.
    for able in [json!({}), json!({ "elicitation": { "url": {} } })] {
        check(&call_as(&mut bob, able, "delete_entry", json!({ "id": 1 }), &back(yes(), &state)), "unable");
    }
    let ada = &mut house.ada;
    let mut forged = vec![
        state.replacen("v1.", "v2.", 1),
        state.trim_end_matches(|c| c != '.').to_owned(),
        format!("{state}A"),
        format!("{state}=="),
        format!("{state}.{state}"),
        ada.ok("list_entries", json!({ "limit": 1 }))["nextCursor"].as_str().expect("a cursor").to_owned(),
    ];
    forged.extend((0..state.len()).map(|position| {
        let mut bytes = state.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).expect("ASCII")
    }));
    forged.extend((1..state.len()).step_by(7).map(|length| state[..length].to_owned()));
    for forged in forged {
        let reply = call_as(ada, able(), "delete_entry", json!({ "id": 1 }), &back(yes(), &forged));
        check(&reply, &forged);
        let message = reply.json()["error"]["message"].to_string();
        assert!(forged.len() < 40 || !message.contains(&forged), "it is repeated: {message}");
    }
    assert_eq!(house.rows(), rows);
    // The state itself was good all the time.
    assert_eq!(
        call(&mut house.ada, "delete_entry", 1, &back(yes(), &state))["structuredContent"]["success"],
        true
    );
}

#[test]
fn asks_again_where_the_state_is_too_old() {
    let mut house = House::new();
    let (question, state) = ask(&mut house.ada, "delete_entry", 1, &json!({}));
    let payload =
        state.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok()).expect("a payload");
    let (shown, expires_at) = payload.split_at(32);
    let expires_at = i64::from_be_bytes(expires_at.try_into().expect("eight bytes"));
    let signer = house.signer();
    let made = |expires_at: i64| {
        let context: [&[u8]; 4] =
            [b"question", &1_i64.to_be_bytes(), b"delete_entry", &sha256(br#"{"id":1}"#)];
        signer.sign(&context, &[shown, &expires_at.to_be_bytes()].concat())
    };
    assert_eq!(made(expires_at), state, "it is made like this");
    for old in [i64::MIN, 0, expires_at - limits::REQUEST_STATE_SECONDS] {
        for answer in [yes(), json!({ "action": "decline" })] {
            assert_eq!(ask(&mut house.ada, "delete_entry", 1, &back(answer, &made(old))).0, question);
        }
    }
    assert_eq!(house.rows(), (3, 2));
    let done = call(&mut house.ada, "delete_entry", 1, &back(yes(), &made(i64::MAX)));
    assert_eq!(done["structuredContent"]["success"], true);
}

#[test]
fn asks_again_about_a_row_that_has_changed() {
    let mut house = House::new();
    // `updated_at` stays as it was, as it does for a second change within one second.
    for (tool, id, change) in [
        ("delete_entry", 1, "UPDATE entries SET title = 'Mountains' WHERE id = 1"),
        ("delete_entry", 1, "UPDATE entries SET content = 'x' WHERE id = 1"),
        ("delete_entry", 1, "UPDATE entries SET mood = '', mood_key = '' WHERE id = 1"),
        ("delete_entry", 1, "UPDATE entries SET location = 'x', location_key = 'x' WHERE id = 1"),
        ("delete_entry", 1, "UPDATE entries SET weather = 'x', weather_key = 'x' WHERE id = 1"),
        ("delete_entry", 1, "UPDATE entries SET is_favorite = 1 WHERE id = 1"),
        (
            "delete_entry",
            1,
            "UPDATE entries SET date = '2020-02-20', date_time = NULL, instant = NULL WHERE id = 1",
        ),
        ("delete_entry", 1, "UPDATE entries SET updated_at = updated_at + 1 WHERE id = 1"),
        (
            "delete_entry",
            1,
            "INSERT INTO made_links (user_id, entry_id, tag_id, created_at) VALUES (1, 1, 2, 0)",
        ),
        ("delete_entry", 1, "UPDATE tags SET name = 'hikes' WHERE id = 1"),
        ("delete_entry", 1, "DELETE FROM entry_tags WHERE entry_id = 1"),
        (
            "delete_tag",
            2,
            "INSERT INTO made_links (user_id, entry_id, tag_id, created_at) VALUES (1, 1, 2, 0)",
        ),
        (
            "delete_tag",
            2,
            "INSERT INTO made_links (user_id, entry_id, tag_id, created_at) VALUES (1, 2, 2, 0)",
        ),
        ("delete_tag", 2, "DELETE FROM entry_tags WHERE entry_id = 2"),
        ("delete_tag", 2, "UPDATE tags SET name = 'storms' WHERE id = 2"),
        ("delete_tag", 2, "UPDATE tags SET description = '' WHERE id = 2"),
    ] {
        let (_, state) = ask(&mut house.ada, tool, id, &json!({}));
        house.tamper(change);
        let (question, renewed) = ask(&mut house.ada, tool, id, &back(yes(), &state));
        assert_eq!(question, ask(&mut house.ada, tool, id, &json!({})).0, "{change}");
        assert_ne!(renewed, state, "{change}");
        ask(&mut house.ada, tool, id, &back(yes(), &state));
        assert_declined(
            &call(&mut house.ada, tool, id, &back(json!({ "action": "decline" }), &state)),
            &tool["delete_".len()..],
            id,
        );
    }
    assert_eq!(house.rows(), (3, 2));
    // The tools change what the question was about too; what happens elsewhere doesn't.
    let ada = &mut house.ada;
    let (_, state) = ask(ada, "delete_tag", 1, &json!({}));
    ada.ok("add_tag_to_entry", json!({ "entryId": 3, "tagId": 1 }));
    let (question, state) = ask(ada, "delete_tag", 1, &back(yes(), &state));
    assert_eq!(question, "Delete the tag \"hikes\" (ID: 1)? 1 entry loses it; the entry stays.");
    ada.ok("update_entry", json!({ "id": 3, "title": "Woods" }));
    ada.ok("update_tag", json!({ "id": 2, "description": "wet" }));
    ada.ok("create_entry", json!({ "title": "Elsewhere", "content": "x" }));
    assert_eq!(call(ada, "delete_tag", 1, &back(yes(), &state))["structuredContent"]["success"], true);
}

#[test]
fn asks_before_it_merges_tags_and_again_if_one_of_them_has_changed() {
    let mut house = House::new();
    let able = json!({ "elicitation": {} });
    let merge = |ada: &mut Client, more: &Value| {
        let reply = call_as(ada, able.clone(), "merge_tags", json!({ "fromId": 1, "intoId": 2 }), more);
        reply.json()["result"].clone()
    };
    let message =
        |asked: &Value| asked["inputRequests"][KEY]["params"]["message"].as_str().map(str::to_owned);
    let state = |asked: &Value| asked["requestState"].as_str().expect("a state").to_owned();
    let asked = merge(&mut house.ada, &json!({}));
    let first = "Merge the tag \"walks\" (ID: 1, on 1 entry) into \"rain\" (ID: 2, on 0 entries)? The first is \
                 deleted, and its entries get the second.";
    assert_eq!(message(&asked).as_deref(), Some(first));
    let form = &asked["inputRequests"][KEY]["params"]["requestedSchema"]["properties"]["confirmed"];
    assert_eq!(form["title"], "Merge them");
    for no in refusals() {
        let declined = merge(&mut house.ada, &back(no, &state(&asked)));
        let data = &declined["structuredContent"];
        assert_eq!((&data["success"], &data["entryCount"]), (&json!(false), &json!(0)), "{declined}");
        assert_eq!(data["reason"], "the merge was not confirmed");
        assert_eq!((&data["from"]["id"], &data["into"]["id"]), (&json!(1), &json!(2)));
        let told = "Tag \"walks\" (ID 1) was not merged into \"rain\" (ID 2): the merge was not confirmed.";
        assert_eq!(declined["content"][0]["text"], told);
        assert_eq!(house.rows(), (3, 2));
    }
    let mut asked = asked;
    for change in [
        "INSERT INTO made_links (user_id, entry_id, tag_id, created_at) VALUES (1, 3, 2, 0)",
        "INSERT INTO made_links (user_id, entry_id, tag_id, created_at) VALUES (1, 3, 1, 0)",
        "UPDATE tags SET name = 'storms' WHERE id = 2",
        "UPDATE tags SET description = 'long ones' WHERE id = 1",
    ] {
        house.tamper(change);
        let renewed = merge(&mut house.ada, &back(yes(), &state(&asked)));
        assert_eq!(renewed["resultType"], "input_required", "{change}");
        assert_eq!(message(&renewed), message(&merge(&mut house.ada, &json!({}))), "{change}");
        asked = renewed;
    }
    let last = "Merge the tag \"walks\" (ID: 1, on 2 entries) into \"storms\" (ID: 2, on 1 entry)?";
    assert!(message(&asked).is_some_and(|message| message.starts_with(last)), "{asked}");
    let done = merge(&mut house.ada, &back(yes(), &state(&asked)));
    assert_eq!(
        (&done["structuredContent"]["success"], &done["structuredContent"]["entryCount"]),
        (&json!(true), &json!(2))
    );
    assert_eq!((house.rows(), house.count("entry_tags")), ((3, 1), 2));
    let again = merge(&mut house.ada, &back(yes(), &state(&asked)));
    assert_eq!(again["content"][0]["text"], "Tag ID \"1\" not found. list_tags shows the tags there are.");
}

#[test]
fn asks_about_nothing_that_is_not_there() {
    let mut house = House::new();
    let mut bob = house.bob();
    let rows = house.rows();
    for (tool, theirs) in [("delete_entry", 4), ("delete_tag", 3)] {
        assert!(ask(&mut bob, tool, theirs, &json!({})).0.contains(&format!("(ID: {theirs})")));
        let mut told = |id: i64, more: &Value| {
            let result = call(&mut house.ada, tool, id, more);
            assert_eq!(result["isError"], true, "{result}");
            result["content"][0]["text"].as_str().expect("a sentence").replace(&id.to_string(), "ID")
        };
        let theirs = told(theirs, &json!({}));
        assert_eq!(theirs, told(999, &json!({})));
        assert!(theirs.contains("not found"), "{theirs}");
        assert_eq!(theirs, told(999, &json!({ "inputResponses": { KEY: yes() } })));
    }
    for arguments in [json!({}), json!({ "id": 0 }), json!({ "id": 1, "confirmed": true })] {
        let reply =
            call_as(&mut house.ada, json!({ "elicitation": {} }), "delete_entry", arguments, &json!({}));
        assert_eq!(reply.json()["result"]["isError"], true);
    }
    assert_eq!(house.rows(), rows);
}

#[test]
fn asks_only_a_client_that_shows_forms() {
    let mut house = House::new();
    let ada = &mut house.ada;
    let mut delete = |able: Value, id: i64, more: Value| {
        call_as(ada, able, "delete_entry", json!({ "id": id }), &more).json()
    };
    // A declaration of another type is one all the same: `[]` is how PHP writes `{}`.
    let odd =
        [json!([]), json!({ "form": [] }), json!({ "form": [], "url": [] }), json!(true), json!("form")];
    let able = [json!({}), json!({ "form": {} }), json!({ "form": {}, "url": {} })];
    for able in able.into_iter().chain(odd) {
        let answer = delete(json!({ "elicitation": able }), 1, json!({}));
        assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
    }
    // An answer that nobody can have been asked for doesn't delete either.
    let answer = delete(json!({}), 1, json!({ "inputResponses": { KEY: yes() } }));
    assert_eq!(answer["error"]["code"], -32021, "{answer}");
    // The host of a client that can't ask has shown the call, or chose not to.
    let unable = [
        json!({}),
        json!({ "elicitation": { "url": {} } }),
        json!({ "sampling": {}, "elicitation": null }),
        json!({ "elicitation": { "url": [] } }),
        json!({ "elicitation": false }),
        json!([]),
    ];
    for able in unable {
        let made = ada.ok("create_entry", json!({ "title": "t", "content": "c" }));
        let id = made["entry"]["id"].as_i64().expect("an id");
        let answer = call_as(ada, able, "delete_entry", json!({ "id": id }), &json!({})).json();
        assert_eq!(answer["result"]["structuredContent"]["success"], true, "{answer}");
    }
    assert_eq!(house.rows(), (3, 2));
}

#[test]
fn deletes_nothing_unconfirmed_where_the_operator_demands_it() {
    let mut house = House::with(&["--require-confirmation"]);
    let token = house.server.token("ada@example.com", &[]);
    for (tool, id) in [("delete_entry", 1), ("delete_tag", 1)] {
        for able in [json!({}), json!({ "elicitation": { "url": {} } })] {
            let reply = call_as(&mut house.ada, able, tool, json!({ "id": id }), &json!({}));
            let error = reply.json()["error"].clone();
            assert_eq!((reply.status, &error["code"]), (400, &json!(-32021)));
            assert_eq!(error["data"], json!({ "requiredCapabilities": { "elicitation": {} } }));
        }
        ask(&mut house.ada, tool, id, &json!({}));
        // A legacy client without a session can't be asked, one in a session that can't show forms neither.
        let message = legacy_call(1, tool, id);
        let mut ada = Client::new(&house.server, &token);
        let unable = session(&mut ada, "2025-11-25", json!({ "elicitation": { "url": {} } }));
        let oldest = session(&mut ada, "2025-03-26", json!({ "elicitation": {} }));
        for fields in [
            vec![],
            vec![LEGACY],
            vec![LEGACY, ("Mcp-Session-Id", &unable)],
            vec![("Mcp-Session-Id", &oldest)],
            vec![("MCP-Protocol-Version", "2025-03-26"), ("Mcp-Session-Id", &oldest)],
        ] {
            let result = ada.post(&fields, &message).json()["result"].clone();
            assert_eq!(result["isError"], true, "{result}");
            assert!(result["content"][0]["text"].as_str().is_some_and(|text| text.contains("elicitation")));
        }
        let batch = ada.post(&[("Mcp-Session-Id", &oldest)], &format!("[{message}]")).json();
        assert_eq!(batch[0]["result"]["isError"], true, "{batch}");
    }
    assert_eq!(house.rows(), (3, 2));
    let (_, state) = ask(&mut house.ada, "delete_entry", 1, &json!({}));
    assert_eq!(
        call(&mut house.ada, "delete_entry", 1, &back(yes(), &state))["structuredContent"]["success"],
        true
    );
    let able = session(&mut house.ada, "2025-11-25", json!({ "elicitation": {} }));
    let asked = Asked::about(&house.ada, &able, 7, "delete_entry", 2);
    assert_eq!(asked.answer(&mut house.ada, yes()).status, 202);
    assert_eq!(asked.result()["structuredContent"]["success"], true);
    assert_eq!(house.rows(), (1, 2));
}

#[test]
fn remembers_nothing_of_a_question_itself() {
    let mut house = House::new();
    let (_, state) = ask(&mut house.ada, "delete_entry", 1, &json!({}));
    let folder = house.server.folder.clone();
    house.server.kill();
    let server = Server::start_in(folder, &[]);
    let mut ada = Client::new(&server, &server.token("ada@example.com", &[]));
    let done = call(&mut ada, "delete_entry", 1, &back(yes(), &state));
    assert_eq!(done["structuredContent"]["success"], true, "{done}");
}

#[test]
fn looks_at_the_scope_before_it_asks() {
    let house = House::new();
    let token = house.server.token("ada@example.com", &["--scope", "entries:read tags:read"]);
    let mut reader = Client::new(&house.server, &token);
    let session = session(&mut reader, "2025-11-25", json!({ "elicitation": {} }));
    for (tool, needs) in [("delete_entry", "entries:write"), ("delete_tag", "tags:write")] {
        let modern = call_as(&mut reader, json!({ "elicitation": {} }), tool, json!({ "id": 1 }), &json!({}));
        let legacy = reader.post(&[LEGACY, ("Mcp-Session-Id", &session)], &legacy_call(1, tool, 1));
        for reply in [modern, legacy] {
            assert_eq!(reply.status, 403);
            assert!(reply.field("www-authenticate").is_some_and(|challenge| challenge.contains(needs)));
        }
    }
    assert_eq!(house.rows(), (3, 2));
}

// ---- Before: on the call's own stream ----

/// Initializes with these capabilities, and gives the session's id.
#[track_caller]
fn session(client: &mut Client, version: &str, able: Value) -> String {
    let params = json!({
        "protocolVersion": version, "capabilities": able, "clientInfo": { "name": "test", "version": "1" },
    });
    let message = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let reply = client.post(&[], &message.to_string());
    reply.field("mcp-session-id").expect("a session").to_owned()
}

#[track_caller]
fn asking_session(client: &mut Client) -> String {
    session(client, "2025-11-25", json!({ "elicitation": {} }))
}

fn legacy_call(call: impl Into<Value>, tool: &str, id: i64) -> String {
    let params = json!({ "name": tool, "arguments": { "id": id } });
    json!({ "jsonrpc": "2.0", "id": call.into(), "method": "tools/call", "params": params }).to_string()
}

/// The client's answer to a question of this id.
fn response(id: &str, result: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
}

fn cancelled(call: impl Into<Value>) -> String {
    let params = json!({ "requestId": call.into() });
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }).to_string()
}

/// A call that waits for an answer.
struct Asked {
    events: Events,
    session: String,
    /// The question's id and what it says.
    id: String,
    message: String,
}

impl Asked {
    /// Calls a tool, which must ask.
    #[track_caller]
    fn about(client: &Client, session: &str, call: impl Into<Value>, tool: &str, id: i64) -> Asked {
        let fields = [LEGACY, ("Mcp-Session-Id", session)];
        Asked::on(client.open(&fields, &legacy_call(call, tool, id)).events(), session)
    }

    #[track_caller]
    fn on(events: Events, session: &str) -> Asked {
        let (id, message) = (String::new(), String::new());
        let mut asked = Asked { events, session: session.to_owned(), id, message };
        asked.read();
        asked
    }

    /// Reads a question.
    #[track_caller]
    fn read(&mut self) {
        let asked = self.events.message();
        assert_eq!(asked["method"], "elicitation/create", "{asked}");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        (self.id, self.message) = (text(&asked["id"]), text(&asked["params"]["message"]));
    }

    /// Posts an answer to the question.
    #[track_caller]
    fn answer(&self, client: &mut Client, result: Value) -> Reply {
        self.post(client, &response(&self.id, result))
    }

    /// Posts a message in the session in which it was asked.
    #[track_caller]
    fn post(&self, client: &mut Client, message: &str) -> Reply {
        client.post(&[LEGACY, ("Mcp-Session-Id", &self.session)], message)
    }

    /// The result with which the stream ends.
    #[track_caller]
    fn result(mut self) -> Value {
        let last = self.events.last();
        assert!(last["result"].is_object(), "{last}");
        last["result"].clone()
    }
}

#[test]
fn asks_on_the_calls_own_stream_in_the_earlier_revisions() {
    let mut house = House::new();
    let mut ids = Vec::new();
    for (version, entry) in ASKING.into_iter().zip(1..) {
        let session = session(&mut house.ada, version, json!({ "elicitation": {} }));
        let fields = [("MCP-Protocol-Version", version), ("Mcp-Session-Id", session.as_str())];
        let mut wire = house.ada.open(&fields, &legacy_call("seven", "delete_entry", entry));
        // The next request waits behind the stream on the same connection.
        let ping = r#"{"jsonrpc":"2.0","id":8,"method":"ping"}"#;
        wire.write(house.ada.bytes(&fields, ping));
        let mut events = wire.events();
        let asked = events.message();
        let confirmed =
            json!({ "type": "boolean", "title": "Delete it", "description": "It can't be brought back." });
        let schema =
            json!({ "type": "object", "properties": { "confirmed": confirmed }, "required": ["confirmed"] });
        let title = ["Hills", "Sea"][entry as usize - 1];
        let message = format!("Delete the entry \"{title}\" (ID: {entry})?");
        // Without `mode`: 2025-06-18 has none, and in 2025-11-25 none means a form.
        assert_eq!(asked["params"], json!({ "message": message, "requestedSchema": schema }));
        assert_eq!(house.rows().0, 4 - entry, "nothing is deleted yet");
        let id = asked["id"].as_str().expect("a string");
        let reply = house.ada.post(&fields, &response(id, yes()));
        assert_eq!((reply.status, reply.body.len()), (202, 0));
        let last = events.last();
        assert_eq!(
            (&last["id"], &last["result"]["structuredContent"]["success"]),
            (&json!("seven"), &json!(true))
        );
        assert_eq!(house.rows().0, 3 - entry);
        let mut wire = events.into_wire();
        assert_eq!(wire.reply().expect("an answer").json()["id"], 8);
        wire.write(house.ada.bytes(&fields, ping));
        assert_eq!(wire.reply().expect("an answer").json()["result"], json!({}));
        assert_eq!(house.ada.post(&fields, &response(id, yes())).status, 400, "it was answered");
        ids.push(id.to_owned());
    }
    assert_ne!(ids[0], ids[1]);
    let session = asking_session(&mut house.ada);
    let asked = Asked::about(&house.ada, &session, 1, "delete_tag", 2);
    assert_eq!(asked.message, "Delete the tag \"rain\" (ID: 2)? No entry has it.");
    assert_eq!(asked.answer(&mut house.ada, yes()).status, 202);
    assert_eq!(asked.result()["structuredContent"]["success"], true);
    assert_eq!(house.rows(), (1, 1));
}

#[test]
fn takes_silence_refusals_and_nonsense_on_the_stream_for_a_no() {
    let mut house = House::new();
    let session = asking_session(&mut house.ada);
    for result in refusals().into_iter().chain(misfits()) {
        let asked = Asked::about(&house.ada, &session, 1, "delete_tag", 1);
        assert_eq!(asked.answer(&mut house.ada, result).status, 202);
        assert_declined(&asked.result(), "tag", 1);
    }
    for error in [json!({ "code": -1, "message": "no" }), json!(null), json!("x")] {
        let asked = Asked::about(&house.ada, &session, 1, "delete_entry", 1);
        let message = json!({ "jsonrpc": "2.0", "id": asked.id, "error": error });
        assert_eq!(asked.post(&mut house.ada, &message.to_string()).status, 202);
        assert_declined(&asked.result(), "entry", 1);
    }
    // Both at once are no response, and the question stays open.
    let asked = Asked::about(&house.ada, &session, 1, "delete_entry", 1);
    let both = json!({ "jsonrpc": "2.0", "id": asked.id, "method": "x", "result": yes() });
    assert_eq!(asked.post(&mut house.ada, &both.to_string()).status, 400);
    assert_eq!(asked.answer(&mut house.ada, json!({ "action": "decline" })).status, 202);
    assert_declined(&asked.result(), "entry", 1);
    assert_eq!(house.rows(), (3, 2));
}

#[test]
fn asks_a_client_that_declares_forms_by_an_empty_array() {
    let mut house = House::new();
    for able in [json!({ "elicitation": [] }), json!({ "elicitation": { "form": [] } })] {
        for version in ASKING {
            let session = session(&mut house.ada, version, able.clone());
            let asked = Asked::about(&house.ada, &session, 1, "delete_entry", 1);
            assert_eq!(asked.answer(&mut house.ada, json!({ "action": "decline" })).status, 202);
            assert_declined(&asked.result(), "entry", 1);
        }
        let (_, state) = ask(&mut house.ada, "delete_entry", 1, &json!({ "inputResponses": [] }));
        ask(&mut house.ada, "delete_entry", 1, &json!({ "inputResponses": [], "requestState": state }));
    }
    assert_eq!(house.rows(), (3, 2));
    for unable in [json!([]), json!({ "elicitation": { "url": [] } })] {
        let session = session(&mut house.ada, "2025-11-25", unable);
        let id = house.rows().0;
        let fields = [LEGACY, ("Mcp-Session-Id", session.as_str())];
        let answer = house.ada.post(&fields, &legacy_call(1, "delete_entry", id)).json();
        assert_eq!(answer["result"]["structuredContent"]["success"], true, "{answer}");
    }
    assert_eq!(house.rows(), (1, 2));
}

/// JSON-RPC 2.0 §5 allows a result or an error. A client that writes the other one as `null` has only one of them.
#[test]
fn refuses_a_yes_beside_an_error_and_accepts_it_beside_none() {
    let mut house = House::new();
    let session = asking_session(&mut house.ada);
    let asked = Asked::about(&house.ada, &session, 1, "delete_entry", 1);
    let beside = |version: &str, error: Value| {
        json!({ "jsonrpc": version, "id": asked.id, "result": yes(), "error": error }).to_string()
    };
    let errors = [json!({ "code": 1, "message": "x" }), json!({}), json!([]), json!(false), json!("")];
    let wrong = errors.map(|error| beside("2.0", error)).into_iter().chain([beside("1.0", Value::Null)]);
    for message in wrong {
        let reply = asked.post(&mut house.ada, &message);
        let answer = reply.json();
        assert_eq!((reply.status, &answer["error"]["code"]), (400, &json!(-32600)), "{message}");
        assert_eq!(answer.get("id"), None, "it is no request of the client's: {message}");
        assert_eq!(house.rows(), (3, 2), "{message}");
    }
    assert_eq!(asked.post(&mut house.ada, &beside("2.0", Value::Null)).status, 202);
    assert_eq!(asked.result()["structuredContent"]["success"], true);
    assert_eq!(house.rows(), (2, 2));
    // An error beside a result of `null` is an error alone.
    let asked = Asked::about(&house.ada, &session, 1, "delete_entry", 2);
    let error = json!({ "code": 1, "message": "x" });
    let message = json!({ "jsonrpc": "2.0", "id": asked.id, "result": null, "error": error });
    assert_eq!(asked.post(&mut house.ada, &message.to_string()).status, 202);
    assert_declined(&asked.result(), "entry", 2);
}

#[test]
fn takes_an_answer_only_from_whom_it_asked() {
    let mut house = House::new();
    let mut bob = house.bob();
    let rows = house.rows();
    let (hers, other, his) =
        (asking_session(&mut house.ada), asking_session(&mut house.ada), asking_session(&mut bob));
    let asked = Asked::about(&house.ada, &hers, 1, "delete_entry", 1);
    let answer = response(&asked.id, yes());
    let refuse = |client: &mut Client, fields: &[(&str, &str)], message: &str, status: u16| {
        let reply = client.post(fields, message);
        let code = reply.json()["error"]["code"].clone();
        assert_eq!((reply.status, code), (status, json!(-32600)), "{fields:?} {message}");
    };
    let ada = &mut house.ada;
    refuse(ada, &[LEGACY, ("Mcp-Session-Id", &other)], &answer, 400);
    refuse(ada, &[LEGACY], &answer, 400);
    refuse(ada, &[], &answer, 400);
    refuse(ada, &[("MCP-Protocol-Version", "2026-07-28")], &answer, 400);
    refuse(ada, &[LEGACY, ("Mcp-Session-Id", "v1.x.y")], &answer, 404);
    refuse(&mut bob, &[LEGACY, ("Mcp-Session-Id", &hers)], &answer, 404);
    refuse(&mut bob, &[LEGACY, ("Mcp-Session-Id", &his)], &answer, 400);
    let upper = asked.id.to_uppercase();
    for id in [
        json!("elc-"),
        json!(format!("{}x", asked.id)),
        json!(upper),
        json!(1),
        json!(null),
        json!([asked.id]),
    ] {
        let message = json!({ "jsonrpc": "2.0", "id": id, "result": yes() }).to_string();
        refuse(ada, &[LEGACY, ("Mcp-Session-Id", &hers)], &message, 400);
    }
    let anonymous = json!({ "jsonrpc": "2.0", "result": yes() }).to_string();
    refuse(ada, &[LEGACY, ("Mcp-Session-Id", &hers)], &anonymous, 400);
    assert_eq!(house.rows(), rows);
    // The question stayed open; and a batch, which its revision doesn't have, is no way in.
    let ada = &mut house.ada;
    refuse(ada, &[LEGACY, ("Mcp-Session-Id", &hers)], &format!("[{answer}]"), 400);
    assert_eq!(asked.answer(ada, yes()).status, 202);
    assert_eq!(asked.result()["structuredContent"]["success"], true);
    assert_eq!(house.rows(), (rows.0 - 1, rows.1));
}

#[test]
fn drops_a_call_that_is_cancelled_in_its_session() {
    let mut house = House::new();
    let mut bob = house.bob();
    let rows = house.rows();
    let (hers, other, his) =
        (asking_session(&mut house.ada), asking_session(&mut house.ada), asking_session(&mut bob));
    for (call, others) in [(json!(7), json!("7")), (json!("7"), json!(7)), (json!(u64::MAX), json!(-1))] {
        let asked = Asked::about(&house.ada, &hers, call.clone(), "delete_entry", 1);
        for (is_bob, fields, message) in [
            (false, vec![LEGACY, ("Mcp-Session-Id", other.as_str())], cancelled(call.clone())),
            (false, vec![LEGACY], cancelled(call.clone())),
            (false, vec![("MCP-Protocol-Version", "2026-07-28")], cancelled(call.clone())),
            (true, vec![LEGACY, ("Mcp-Session-Id", &his)], cancelled(call.clone())),
            (false, vec![LEGACY, ("Mcp-Session-Id", &hers)], cancelled(others)),
            (false, vec![LEGACY, ("Mcp-Session-Id", &hers)], cancelled(Value::Null)),
        ] {
            let client = if is_bob { &mut bob } else { &mut house.ada };
            assert_eq!(client.post(&fields, &message).status, 202, "{message}");
        }
        assert_eq!(
            asked.answer(&mut house.ada, json!({ "action": "cancel" })).status,
            202,
            "it is open still"
        );
        assert_declined(&asked.result(), "entry", 1);

        let mut asked = Asked::about(&house.ada, &hers, call.clone(), "delete_entry", 1);
        let open = Asked::about(&house.ada, &hers, "another", "delete_entry", 1);
        assert_eq!(asked.post(&mut house.ada, &cancelled(call)).status, 202);
        assert_eq!(asked.events.next(), None, "no response is owed");
        assert_eq!(asked.answer(&mut house.ada, yes()).status, 400, "nobody waits for it");
        assert_eq!(open.answer(&mut house.ada, json!({ "action": "cancel" })).status, 202);
        assert_declined(&open.result(), "entry", 1);
    }
    assert_eq!(house.rows(), rows);
}

#[test]
fn deletes_nothing_for_a_client_that_has_gone() {
    let mut house = House::new();
    let session = asking_session(&mut house.ada);
    let mut open: Vec<_> = (0..limits::STREAMS_PER_PERSON_MAX)
        .map(|number| Asked::about(&house.ada, &session, number, "delete_entry", 1))
        .collect();
    let ids: Vec<_> = open.iter().map(|asked| asked.id.clone()).collect();
    open[0].events.finish();
    assert_eq!(open[0].events.next(), None, "it has no more to say, so there is nobody to tell");
    let clients: Vec<_> = open.iter().map(|asked| asked.events.client()).collect();
    drop(open);
    eventually("the server's side knows", || {
        !clients.iter().any(|client| house.server.is_established(*client))
    });
    for id in ids {
        // Until the server has noticed, it takes the answer; but it looks before it acts.
        let reply = house.ada.post(&[LEGACY, ("Mcp-Session-Id", &session)], &response(&id, yes()));
        assert!(matches!(reply.status, 202 | 400), "{}", reply.status);
    }
    // Each has given its place back.
    let mut again = Vec::new();
    eventually("the places are free", || {
        let fields = [LEGACY, ("Mcp-Session-Id", session.as_str())];
        again.extend(house.ada.open(&fields, &legacy_call(1, "delete_tag", 1)).stream());
        again.len() == limits::STREAMS_PER_PERSON_MAX
    });
    assert_eq!(house.rows(), (3, 2));
}

#[test]
fn deletes_nothing_when_the_server_stops() {
    let mut house = House::new();
    let session = asking_session(&mut house.ada);
    let mut open = [1, 2].map(|id| Asked::about(&house.ada, &session, id, "delete_entry", id));
    assert_eq!(house.server.signal("TERM"), Some(0));
    for asked in &mut open {
        let last = asked.events.last();
        assert_eq!(last["error"]["code"], -32603, "{last}");
        assert!(last["error"]["message"].as_str().is_some_and(|text| text.contains("stopping")), "{last}");
    }
    assert_eq!(house.rows(), (3, 2));
}

#[test]
fn deletes_nothing_for_a_token_that_has_ended() {
    let mut house = House::new();
    let mut others = Client::new(&house.server, &house.server.token("ada@example.com", &[]));
    let session = asking_session(&mut house.ada);
    for sql in
        ["UPDATE tokens SET revoked_at = 1 WHERE id = 1", "UPDATE tokens SET expires_at = 1 WHERE id = 1"]
    {
        let mut asked = Asked::about(&house.ada, &session, 1, "delete_entry", 1);
        house.tamper(sql);
        // Another token of the same person's opens the gate; the call's own doesn't any more.
        assert_eq!(asked.answer(&mut others, yes()).status, 202);
        let last = asked.events.last();
        assert_eq!(last["error"]["code"], -32603, "{last}");
        assert!(
            last["error"]["message"].as_str().is_some_and(|text| text.contains("token has ended")),
            "{last}"
        );
        house.tamper("UPDATE tokens SET revoked_at = NULL, expires_at = 9999999999");
    }
    // It ends by itself when the token does.
    let token = house.server.token("ada@example.com", &["--expires", "3s"]);
    let mut brief = Client::new(&house.server, &token);
    let session = asking_session(&mut brief);
    let mut asked = Asked::about(&brief, &session, 1, "delete_entry", 1);
    assert_eq!(asked.events.last()["error"]["code"], -32603);
    assert_eq!(house.rows(), (3, 2));
}

#[test]
fn asks_again_on_the_same_stream_about_a_row_that_has_changed() {
    let mut house = House::new();
    let session = asking_session(&mut house.ada);
    let mut asked = Asked::about(&house.ada, &session, 1, "delete_entry", 1);
    house.ada.ok("update_entry", json!({ "id": 1, "title": "Mountains" }));
    let first = asked.id.clone();
    assert_eq!(asked.answer(&mut house.ada, yes()).status, 202);
    asked.read();
    assert_eq!(asked.message, "Delete the entry \"Mountains\" (ID: 1)?");
    // The first answer once more, as a client posts it that isn't sure of the first time: it was about something else.
    assert_ne!(asked.id, first, "an id is used once");
    assert_eq!(asked.post(&mut house.ada, &response(&first, yes())).status, 400);
    house.tamper("UPDATE entries SET content = 'more' WHERE id = 1");
    assert_eq!(asked.answer(&mut house.ada, yes()).status, 202);
    asked.read();
    assert_eq!(house.rows(), (3, 2));
    assert_eq!(asked.answer(&mut house.ada, yes()).status, 202);
    assert_eq!(asked.result()["structuredContent"]["success"], true);

    let mut asked = Asked::about(&house.ada, &session, 2, "delete_tag", 2);
    house.ada.ok("add_tag_to_entry", json!({ "entryId": 2, "tagId": 2 }));
    assert_eq!(asked.answer(&mut house.ada, yes()).status, 202);
    asked.read();
    assert_eq!(asked.message, "Delete the tag \"rain\" (ID: 2)? 1 entry loses it; the entry stays.");
    house.ada.ok("delete_tag", json!({ "id": 2 }));
    assert_eq!(asked.answer(&mut house.ada, yes()).status, 202);
    assert_eq!(asked.result()["isError"], true, "somebody else deleted it");
    assert_eq!(house.rows(), (2, 1));
}

#[test]
fn takes_the_first_of_two_answers() {
    let mut house = House::new();
    let session = asking_session(&mut house.ada);
    let asked = Asked::about(&house.ada, &session, 1, "delete_entry", 1);
    assert_eq!(asked.answer(&mut house.ada, json!({ "action": "decline" })).status, 202);
    let second = asked.answer(&mut house.ada, yes()).status;
    assert!(matches!(second, 202 | 400), "{second}");
    assert_declined(&asked.result(), "entry", 1);
    assert_eq!(house.rows(), (3, 2));
}

#[test]
fn does_not_ask_where_no_question_can_be_shown() {
    let mut house = House::new();
    let session_id = asking_session(&mut house.ada);
    let fields =
        |accept: &'static str| vec![LEGACY, ("Mcp-Session-Id", session_id.as_str()), ("Accept", accept)];
    let reply = house.ada.post(&fields("application/json"), &legacy_call(1, "delete_entry", 1));
    assert_eq!(reply.status, 406);
    assert!(String::from_utf8_lossy(&reply.body).contains("text/event-stream"));
    // What isn't there isn't asked about, and needs no stream.
    let reply = house.ada.post(&fields("application/json"), &legacy_call(1, "delete_entry", 99));
    assert_eq!((reply.status, &reply.json()["result"]["isError"]), (200, &json!(true)));
    assert_eq!(house.rows(), (3, 2));
    for accept in ["text/event-stream", "application/json, text/event-stream", "*/*", "text/*;q=0.1"] {
        let asked = Asked::on(
            house.ada.open(&fields(accept), &legacy_call(1, "delete_entry", 1)).events(),
            &session_id,
        );
        assert_eq!(asked.answer(&mut house.ada, json!({ "action": "cancel" })).status, 202);
        assert_declined(&asked.result(), "entry", 1);
    }
    assert_eq!(house.rows(), (3, 2));
    // No session, none that shows forms, or the oldest revision: the call is all there is.
    let oldest = session(&mut house.ada, "2025-03-26", json!({ "elicitation": {} }));
    let unable = session(&mut house.ada, "2025-11-25", json!({ "elicitation": { "url": {} } }));
    let oldest_fields = [("MCP-Protocol-Version", "2025-03-26"), ("Mcp-Session-Id", &*session_id)];
    for (fields, id) in [
        (&[LEGACY][..], 1),
        (&[("Mcp-Session-Id", oldest.as_str())], 2),
        (&[LEGACY, ("Mcp-Session-Id", &unable)], 3),
    ] {
        let result = house.ada.post(fields, &legacy_call(1, "delete_entry", id)).json()["result"].clone();
        assert!(result["isError"].is_null() && result["content"].is_array(), "{result}");
    }
    let result = house.ada.post(&oldest_fields, &legacy_call(1, "delete_tag", 1)).json()["result"].clone();
    assert!(result["isError"].is_null() && result["content"].is_array(), "{result}");
    let batch = house.ada.post(&[], &format!("[{}]", legacy_call(1, "delete_tag", 2))).json();
    assert!(batch[0]["result"]["isError"].is_null(), "{batch}");
    assert_eq!(house.rows(), (0, 0));
}

#[test]
fn keeps_two_questions_apart() {
    let mut house = House::new();
    let session = asking_session(&mut house.ada);
    let first = Asked::about(&house.ada, &session, 1, "delete_entry", 1);
    let second = Asked::about(&house.ada, &session, 2, "delete_entry", 2);
    assert_eq!(second.answer(&mut house.ada, yes()).status, 202);
    assert_eq!(second.result()["structuredContent"]["entry"]["id"], 2);
    assert_eq!(house.rows(), (2, 2));
    assert_eq!(first.answer(&mut house.ada, json!({ "action": "decline" })).status, 202);
    assert_declined(&first.result(), "entry", 1);
    assert_eq!(house.rows(), (2, 2));
}

#[test]
fn bounds_the_questions_that_one_person_has_open() {
    let mut house = House::new();
    let mut bob = house.bob();
    let rows = house.rows();
    let (hers, his) = (asking_session(&mut house.ada), asking_session(&mut bob));
    let mut open: Vec<_> = (0..limits::STREAMS_PER_PERSON_MAX)
        .map(|number| Asked::about(&house.ada, &hers, number, "delete_entry", 1))
        .collect();
    let reply = house.ada.post(&[LEGACY, ("Mcp-Session-Id", &hers)], &legacy_call(9, "delete_entry", 2));
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (200, &json!(-32603)));
    let his = Asked::about(&bob, &his, 1, "delete_entry", 4);
    assert_eq!(his.answer(&mut bob, json!({ "action": "cancel" })).status, 202);
    assert_declined(&his.result(), "entry", 4);
    assert_eq!(house.rows(), rows);
    // An answered question makes room at once.
    let last = open.pop().expect("a question");
    assert_eq!(last.answer(&mut house.ada, json!({ "action": "decline" })).status, 202);
    assert_declined(&last.result(), "entry", 1);
    Asked::about(&house.ada, &hers, 9, "delete_entry", 2);
    assert_eq!(house.rows(), rows);
}

#[test]
fn deletes_just_what_it_says_it_deleted_when_an_answer_meets_a_cancellation() {
    let mut house = House::new();
    let session = asking_session(&mut house.ada);
    let mut other = Client::new(&house.server, &house.server.token("ada@example.com", &[]));
    for round in 0..20 {
        let made = house.ada.ok("create_entry", json!({ "title": "Brief", "content": "x" }));
        let id = made["entry"]["id"].as_i64().expect("an id");
        let mut asked = Asked::about(&house.ada, &session, round, "delete_entry", id);
        let fields = [LEGACY, ("Mcp-Session-Id", session.as_str())];
        let answer = response(&asked.id, yes());
        let together = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                together.wait();
                let status = house.ada.post(&fields, &answer).status;
                assert!(matches!(status, 202 | 400), "{status}");
            });
            together.wait();
            assert_eq!(other.post(&fields, &cancelled(round)).status, 202);
        });
        let told = asked.events.next();
        let there = house.ada.call("get_entry", json!({ "id": id }))["isError"].is_null();
        match told {
            None => assert!(there, "it was cancelled"),
            Some(message) => {
                assert_eq!(message["result"]["structuredContent"]["success"], true, "{message}");
                assert!(!there && asked.events.next().is_none());
            }
        }
    }
}
