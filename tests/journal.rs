//! The journal through its tools: what each gives, refuses and leaves alone, and that nobody meets another's rows.
//!
//! `Person::result` holds every answer in this file against the output schema of its tool. Tables are text, a row
//! a line, with ` | ` between the cells.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use epicme::limits;
use jsonschema::Validator;
use rusqlite::{Connection, types};
use serde_json::{Value, json};

use crate::durability::check_integrity;
use crate::support::{Client, Dice, SCOPES, Server, with_dates};

/// Name, title, scope, hints (as journal.md section 3 shortens them), and arguments, the required ones starred.
const TOOLS: &str = "
    whoami | Who Am I | user:read | ro |
    create_entry | Create Entry | entries:write | nd | \
        title* content* date mood location weather isPrivate isFavorite tags tagNames
    get_entry | Get Entry | entries:read | ro | id*
    list_entries | List Entries | entries:read | ro | \
        tagIds tagNames tagMode from to mood location weather isPrivate isFavorite limit cursor
    search_entries | Search Entries | entries:read | ro | \
        query* tagIds tagNames tagMode from to mood location weather isPrivate isFavorite limit cursor
    on_this_day | On This Day | entries:read | ro | date
    journal_overview | Journal Overview | entries:read | ro |
    update_entry | Update Entry | entries:write | nd | \
        id* title content append date mood location weather isPrivate isFavorite tags tagNames
    delete_entry | Delete Entry | entries:write | id | id*
    create_tag | Create Tag | tags:write | nd | name* description
    get_tag | Get Tag | tags:read | ro | id*
    list_tags | List Tags | tags:read | ro | limit cursor
    update_tag | Update Tag | tags:write | nd id | id* name description
    delete_tag | Delete Tag | tags:write | id | id*
    merge_tags | Merge Tags | tags:write | id | fromId* intoId*
    add_tag_to_entry | Add Tag to Entry | entries:write | nd id | entryId* tagId*
    remove_tag_from_entry | Remove Tag from Entry | entries:write | id | entryId* tagId*
    get_tag_suggestions_instructions | Get Tag Suggestions Instructions | entries:read tags:read | ro | entryId*
    get_journal_insights_instructions | Get Journal Insights Instructions | entries:read | ro | tagIds from to";

/// The first cell of each row of a table, and the others.
fn table(text: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    text.trim().lines().map(|row| {
        let mut cells = row.split('|').map(str::trim);
        (cells.next().expect("a cell"), cells.collect())
    })
}

/// Name and scopes of every tool.
fn scopes() -> impl Iterator<Item = (&'static str, &'static str)> {
    table(TOOLS).map(|(name, cells)| (name, cells[1]))
}

/// Somebody with a journal.
struct Person {
    server: Arc<Server>,
    email: &'static str,
    client: Client,
    tools: Vec<Value>,
    promises: BTreeMap<String, Validator>,
}

impl Person {
    /// Ada, alone on a server.
    fn alone() -> Person {
        Person::on(Server::start().into(), "ada@example.com")
    }

    fn on(server: Arc<Server>, email: &'static str) -> Person {
        let mut client = Client::new(&server, &server.token(email, &[]));
        let tools = client.modern("tools/list", json!({})).json()["result"]["tools"].take();
        let tools = tools.as_array().expect("tools").clone();
        let promise = |tool: &Value| jsonschema::validator_for(&tool["outputSchema"]).expect("a schema");
        let promises = tools.iter().map(|tool| (text(&tool["name"]), promise(tool))).collect();
        Person { server, email, client, tools, promises }
    }

    /// Somebody else on the same server.
    fn neighbour(&self) -> Person {
        Person::on(Arc::clone(&self.server), "bob@example.com")
    }

    /// From now on this person calls with a token of these scopes only.
    fn may_only(&mut self, scopes: &str) {
        self.client = Client::new(&self.server, &self.server.token(self.email, &["--scope", scopes]));
    }

    /// A `CallToolResult` that is what its tool promises.
    #[track_caller]
    fn result(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.client.call(tool, arguments);
        let content = result["content"].as_array().expect("content");
        let last = content.last().expect("a block");
        assert_eq!(last["type"], "text", "{result}");
        if result["isError"] == true {
            assert_eq!((content.len(), &result["structuredContent"]), (1, &Value::Null), "{result}");
        } else {
            let data = &result["structuredContent"];
            if let Err(error) = self.promises[tool].validate(data) {
                panic!("{tool} breaks its promise: {error} in {data}");
            }
            assert_eq!(parse(&text(&last["text"])), *data);
        }
        result
    }

    /// The structured content of a call that succeeds.
    #[track_caller]
    fn ok(&mut self, tool: &str, arguments: Value) -> Value {
        let mut result = self.result(tool, arguments);
        assert!(result["isError"].is_null(), "{result}");
        result["structuredContent"].take()
    }

    /// The call fails with this in its sentence, and nothing is written.
    #[track_caller]
    fn fails(&mut self, tool: &str, arguments: Value, sentence: &str) {
        let before = self.rows();
        let result = self.result(tool, arguments);
        let told = text(&result["content"][0]["text"]);
        assert!(result["isError"] == true && told.contains(sentence), "{told:?} lacks {sentence:?}");
        assert!(self.rows() == before, "{tool} wrote something");
    }

    #[track_caller]
    fn tag(&mut self, name: &str) -> i64 {
        self.ok("create_tag", json!({ "name": name }))["tag"]["id"].as_i64().expect("an id")
    }

    #[track_caller]
    fn entry(&mut self, title: &str, content: &str) -> i64 {
        let made = self.ok("create_entry", json!({ "title": title, "content": content }));
        made["entry"]["id"].as_i64().expect("an id")
    }

    /// The ids in a list that has one page.
    #[track_caller]
    fn ids(&mut self, tool: &str, arguments: Value) -> Vec<i64> {
        let page = self.ok(tool, arguments);
        assert_eq!(page["total"], ids(&page).len(), "{page}");
        ids(&page)
    }

    /// The ids of the entries in which these words are found, in the order of the ids.
    #[track_caller]
    fn found(&mut self, query: &str) -> Vec<i64> {
        sorted(self.ids("search_entries", json!({ "query": query })))
    }

    /// The ids on all pages of a list; `between` happens after each page but the last.
    #[track_caller]
    fn walk(&mut self, tool: &str, mut arguments: Value, mut between: impl FnMut(&mut Self)) -> Vec<i64> {
        let mut seen = Vec::new();
        loop {
            let page = self.ok(tool, arguments.clone());
            seen.extend(ids(&page));
            let Some(next) = page.get("nextCursor") else { return seen };
            assert_eq!(ids(&page).len(), arguments["limit"], "a page with a next one is full");
            assert!(seen.len() < 20, "no list here is that long: {seen:?}");
            arguments["cursor"] = next.clone();
            between(self);
        }
    }

    fn database(&self) -> Connection {
        self.server.folder.open()
    }

    /// Tries to change the database behind the server's back.
    fn try_sql(&self, statements: &str) -> rusqlite::Result<()> {
        self.database().execute_batch(&format!("PRAGMA foreign_keys = ON; {statements}"))
    }

    #[track_caller]
    fn sql(&self, statements: &str) {
        self.try_sql(statements).expect("the change");
        // A command that opens the database to write brings the search index up to date with what came from elsewhere.
        assert!(self.server.folder.epicme(&["token", "create", self.email], "").status.success());
    }

    /// Every row of every journal.
    fn rows(&self) -> Vec<String> {
        let database = self.database();
        let table = |name: &str| {
            let mut all = database.prepare(&format!("SELECT * FROM {name} ORDER BY id")).expect("a table");
            let width = all.column_count();
            let row = |row: &rusqlite::Row| (0..width).map(|at| row.get(at)).collect::<Result<Vec<_>, _>>();
            let rows = all.query_map([], row).expect("rows");
            rows.map(|row: Result<Vec<types::Value>, _>| format!("{name} {row:?}")).collect::<Vec<_>>()
        };
        ["entries", "tags", "entry_tags"].map(table).concat()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

#[track_caller]
fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn ids(page: &Value) -> Vec<i64> {
    let items = page.get("entries").or(page.get("tags")).and_then(Value::as_array).expect("items");
    items.iter().map(|item| item["id"].as_i64().expect("an id")).collect()
}

fn sorted(mut ids: Vec<i64>) -> Vec<i64> {
    ids.sort_unstable();
    ids
}

/// The numbers in a cell.
fn numbers(cell: &str) -> Vec<i64> {
    cell.split_whitespace().map(|number| number.parse().expect("a number")).collect()
}

/// `base` with one more member.
fn with(base: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut all = base.clone();
    all[name] = value.into();
    all
}

/// The tools that give pages, with the least that each takes.
fn lists() -> [(&'static str, Value); 3] {
    [("list_entries", json!({})), ("search_entries", json!({ "query": "page" })), ("list_tags", json!({}))]
}

/// What a link to a row looks like that changed on the second day of 1970.
fn link(kind: &str, id: i64, name: &str) -> Value {
    let (folder, what) = if kind == "tag" { ("tags", "Tag") } else { ("entries", "Journal Entry") };
    json!({
        "type": "resource_link", "uri": format!("epicme://{folder}/{id}"), "name": name,
        "description": format!("{what}: \"{name}\""), "mimeType": "application/json",
        "annotations": { "lastModified": "1970-01-02T00:00:00Z" },
    })
}

/// The content is a sentence with these words (none: no sentence), these links, and the data.
#[track_caller]
fn shows(result: &Value, words: &[&str], links: &[Value]) {
    let content = result["content"].as_array().expect("content");
    for word in words {
        assert_eq!(content[0]["type"], "text");
        assert!(text(&content[0]["text"]).contains(word), "{} lacks {word}", content[0]);
    }
    assert_eq!(&content[usize::from(!words.is_empty())..content.len() - 1], links);
}

/// A row's `createdAt`, which is now.
#[track_caller]
fn made_now(row: &Value) -> u64 {
    let (made, now) = (row["createdAt"].as_u64().expect("a number"), SystemTime::now());
    let now = now.duration_since(UNIX_EPOCH).expect("a time").as_secs();
    assert!((now - 60..=now).contains(&made), "{made} is Unix seconds in UTC");
    made
}

#[test]
fn describes_every_tool_as_the_contract_does() {
    let ada = Person::alone();
    assert_eq!(ada.tools.len(), table(TOOLS).count());
    for (tool, (name, cells)) in ada.tools.iter().zip(table(TOOLS)) {
        let hint = |short| cells[2].split(' ').any(|hint| hint == short);
        assert_eq!((&tool["name"], &tool["title"]), (&json!(name), &json!(cells[0])));
        assert!(!text(&tool["description"]).is_empty(), "{name}");
        let hints = json!({
            "readOnlyHint": hint("ro"), "destructiveHint": !hint("nd") && !hint("ro"),
            "idempotentHint": hint("id") || hint("ro"), "openWorldHint": false,
        });
        assert_eq!(tool["annotations"], hints, "{name}");
        let schema = &tool["inputSchema"];
        assert!(jsonschema::draft202012::meta::is_valid(schema), "{schema}");
        assert!(jsonschema::draft202012::meta::is_valid(&tool["outputSchema"]), "{name}");
        assert_eq!((&schema["type"], &schema["additionalProperties"]), (&json!("object"), &json!(false)));
        let star = |name: &String| if requires(schema, name) { "*" } else { "" };
        let properties = schema["properties"].as_object().into_iter().flat_map(|all| all.keys());
        let starred: Vec<_> = properties.map(|name| format!("{name}{}", star(name))).collect();
        assert_eq!(starred.join(" "), cells[3], "{name}");
    }
}

fn requires(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().is_some_and(|all| all.contains(&json!(name)))
}

#[test]
fn refuses_every_tool_to_a_token_that_lacks_a_scope_and_names_all_that_it_needs() {
    let mut ada = Person::alone();
    for scope in SCOPES {
        ada.may_only(&SCOPES.into_iter().filter(|other| *other != scope).collect::<Vec<_>>().join(" "));
        for (name, needs) in scopes().filter(|(_, needs)| needs.split(' ').any(|need| need == scope)) {
            let reply = ada.client.modern("tools/call", json!({ "name": name }));
            assert_eq!(reply.status, 403, "{name}");
            let challenge = reply.field("www-authenticate").expect("a challenge");
            assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
            assert!(challenge.contains(&format!(" needs {needs}\", scope=")), "{name}: {challenge}");
            assert_eq!(reply.scopes_to_ask_for(), SCOPES, "{name}: what it had, and what it lacks");
        }
    }
}

#[test]
fn accepts_every_tool_with_its_scopes_alone() {
    let mut ada = Person::alone();
    for (name, scope) in scopes() {
        ada.may_only("tags:write entries:write");
        let (tag, other, entry) = (ada.tag(name), ada.tag(&format!("not {name}")), ada.entry(name, ""));
        ada.may_only(scope);
        let arguments = match name {
            "create_entry" => json!({ "title": "t", "content": "c" }),
            "search_entries" => json!({ "query": "t" }),
            "create_tag" => json!({ "name": "new" }),
            "get_tag" | "update_tag" | "delete_tag" => json!({ "id": tag }),
            "merge_tags" => json!({ "fromId": tag, "intoId": other }),
            "get_entry" | "update_entry" | "delete_entry" => json!({ "id": entry }),
            "add_tag_to_entry" | "remove_tag_from_entry" => json!({ "entryId": entry, "tagId": tag }),
            "get_tag_suggestions_instructions" => json!({ "entryId": entry }),
            _ => json!({}),
        };
        ada.ok(name, arguments);
    }
}

#[test]
fn says_who_is_signed_in_and_what_the_token_may_do() {
    let mut ada = Person::alone();
    ada.sql("UPDATE users SET created_at = 1000, updated_at = 2000, time_zone = 'Asia/Kathmandu'");
    let user = json!({
        "id": 1, "email": "ada@example.com", "timeZone": "Asia/Kathmandu", "createdAt": 1000, "updatedAt": 2000
    });
    let result = ada.result("whoami", json!({}));
    assert_eq!(result["structuredContent"], json!({ "user": with_dates(&user), "scopes": SCOPES }));
    shows(&result, &[], &[]);
    ada.may_only("tags:write user:read");
    assert_eq!(
        ada.ok("whoami", json!({})),
        json!({ "user": with_dates(&user), "scopes": ["user:read", "tags:write"] })
    );
}

const OLD_ENTRIES: &str = "UPDATE made_entries SET created_at = 1000 * id, updated_at = 86400";

#[test]
fn writes_reads_changes_lists_and_deletes_an_entry() {
    let mut ada = Person::alone();
    let (sea, hill) = (ada.tag("sea"), ada.tag("hill"));
    let bare = ada.ok("create_entry", json!({ "title": "A \"walk\"", "content": "" }));
    let now = made_now(&bare["entry"]);
    let fields = json!({
        "id": 1, "userId": 1, "title": "A \"walk\"", "content": "", "mood": null, "location": null,
        "weather": null, "isPrivate": 1, "isFavorite": 0, "createdAt": now, "updatedAt": now, "tags": [],
    });
    assert_eq!(bare, json!({ "entry": with_dates(&fields) }));
    assert_eq!(ada.ok("get_entry", json!({ "id": 1 })), bare, "as it was stored");

    // Every field; the tags come by name, each once.
    let full = json!({
        "title": "Two", "content": "☂ text", "mood": "calm", "location": "Home", "weather": "rain",
        "isPrivate": false, "isFavorite": 1, "tags": [sea, hill, sea],
    });
    let mut made = ada.result("create_entry", full);
    let now = made_now(&made["structuredContent"]["entry"]);
    let mut entry = json!({
        "id": 2, "userId": 1, "title": "Two", "content": "☂ text", "mood": "calm", "location": "Home",
        "weather": "rain", "isPrivate": 0, "isFavorite": 1, "createdAt": now, "updatedAt": now,
        "tags": [{ "id": hill, "name": "hill" }, { "id": sea, "name": "sea" }],
    });
    assert_eq!(made["structuredContent"], json!({ "entry": with_dates(&entry) }));
    assert_eq!(ada.ok("get_entry", json!({ "id": 2 })), made["structuredContent"]);
    let modified = made["content"][1]["annotations"]["lastModified"].take();
    made["content"][1]["annotations"]["lastModified"] = "1970-01-02T00:00:00Z".into();
    shows(&made, &["\"Two\"", "2"], &[link("entry", 2, "Two")]);
    let moment = ada.database().query_row("SELECT unixepoch(?1)", [text(&modified)], |row| row.get(0));
    assert_eq!(moment, Ok(now as i64));

    // No field at all changes nothing; what is left out stays, null clears.
    ada.sql(OLD_ENTRIES);
    (entry["createdAt"], entry["updatedAt"]) = (2000.into(), 86400.into());
    for (tool, words) in [("get_entry", &[][..]), ("update_entry", &["\"Two\"", "2"])] {
        let result = ada.result(tool, json!({ "id": 2 }));
        assert_eq!(result["structuredContent"], json!({ "entry": with_dates(&entry) }));
        shows(&result, words, &[link("entry", 2, "Two")]);
    }
    let cleared = json!({ "mood": null, "location": null, "weather": null });
    let changed = json!({ "mood": "glad", "title": "Three", "content": "", "isPrivate": 1, "isFavorite": 0 });
    for (name, value) in [cleared, changed].iter().flat_map(|all| all.as_object().expect("an object")) {
        let mut updated = ada.ok("update_entry", with(&json!({ "id": 2 }), name, value.clone()));
        assert!(updated["entry"]["updatedAt"].as_u64() >= Some(now), "{updated}");
        updated["entry"]["updatedAt"] = 86400.into();
        updated["entry"] = with_dates(&updated["entry"]);
        entry[name] = value.clone();
        assert_eq!(updated, json!({ "entry": with_dates(&entry) }), "{name} and nothing else");
        ada.sql(OLD_ENTRIES);
    }

    let result = ada.result("list_entries", json!({}));
    let items = [
        json!({ "id": 2, "title": "Three", "tagCount": 2, "mood": "glad", "isFavorite": 0, "createdAt": 2000, "updatedAt": 86400 }),
        json!({ "id": 1, "title": "A \"walk\"", "tagCount": 0, "mood": null, "isFavorite": 0, "createdAt": 1000, "updatedAt": 86400 }),
    ]
    .each_ref()
    .map(with_dates);
    assert_eq!(result["structuredContent"], json!({ "entries": items, "total": 2 }));
    shows(&result, &["Found 2 entries."], &[link("entry", 2, "Three"), link("entry", 1, "A \"walk\"")]);

    let deleted = ada.result("delete_entry", json!({ "id": 2 }));
    assert_eq!(deleted["structuredContent"], json!({ "success": true, "entry": with_dates(&entry) }));
    shows(&deleted, &["\"Three\"", "2"], &[link("entry", 2, "Three")]);
    assert!(!ada.rows().iter().any(|row| row.starts_with("entry_tags")), "its links went with it");
    assert_eq!(ada.ids("list_tags", json!({})), [hill, sea]);
    for tool in ["get_entry", "update_entry", "delete_entry"] {
        ada.fails(tool, json!({ "id": 2 }), "Entry with ID \"2\" not found");
    }
}

#[test]
fn adds_a_paragraph_to_a_text_and_changes_nothing_of_what_was_there() {
    let mut ada = Person::alone();
    let id = ada.entry("Walk", "");
    for (before, added, after) in [
        ("", "a", "a"),
        ("a", "b", "a\n\nb"),
        ("a\n", "b", "a\n\nb"),
        ("a\n\n", "b", "a\n\nb"),
        ("a\n\n\n\n", "b", "a\n\n\n\nb"),
        ("a\r\n\r\n", "b", "a\r\n\r\nb"),
        ("a\r\n", "b", "a\r\n\nb"),
        (" ☂ ", "  - b\n", " ☂ \n\n  - b\n"),
    ] {
        ada.ok("update_entry", json!({ "id": id, "content": before }));
        ada.sql(OLD_ENTRIES);
        let made = ada.ok("update_entry", json!({ "id": id, "append": added }))["entry"].clone();
        assert_eq!(made["content"], after);
        assert!(made["updatedAt"].as_i64() > Some(86400), "it was changed now");
    }
    let both = json!({ "id": id, "content": "x", "append": "y" });
    ada.fails("update_entry", both, "Give content or append, not both");
    ada.fails("update_entry", json!({ "id": 9, "append": "y" }), "Entry with ID \"9\" not found");
    let other = json!({ "id": id, "append": "c", "title": "Long walk", "mood": "glad" });
    let entry = ada.ok("update_entry", other)["entry"].clone();
    assert_eq!([&entry["title"], &entry["mood"]], ["Long walk", "glad"]);
    assert_eq!(entry["content"], " ☂ \n\n  - b\n\nc");
}

#[test]
fn keeps_every_paragraph_that_several_clients_add_at_once() {
    let mut ada = Person::alone();
    let id = ada.entry("Walk", "begun");
    let add = |client: usize| {
        let mut client_of = Client::new(&ada.server, &ada.server.token(ada.email, &[]));
        move || {
            for number in 0..25 {
                let paragraph = format!("{client}:{number}");
                client_of.ok("update_entry", json!({ "id": id, "append": paragraph }));
            }
        }
    };
    let threads: Vec<_> = (0..4).map(|client| thread::spawn(add(client))).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("every call succeeds"));
    let entry = ada.ok("get_entry", json!({ "id": id }));
    let content = text(&entry["entry"]["content"]);
    let paragraphs: Vec<_> = content.split("\n\n").collect();
    assert_eq!((paragraphs.len(), paragraphs[0]), (101, "begun"));
    for client in 0..4 {
        let own = paragraphs.iter().filter(|text| text.starts_with(&format!("{client}:")));
        let expected: Vec<_> = (0..25).map(|number| format!("{client}:{number}")).collect();
        assert!(own.eq(expected.iter()), "each client's paragraphs, in its order: {content}");
    }
}

/// The names of an entry's tags, as its answer shows them.
fn tag_names(answer: &Value) -> Vec<String> {
    let tags = answer["entry"]["tags"].as_array().expect("tags");
    tags.iter().map(|tag| text(&tag["name"])).collect()
}

#[test]
fn attaches_tags_by_their_names_and_makes_those_that_there_are_not() {
    let mut ada = Person::alone();
    let (sea, hill) = (ada.tag("sea"), ada.tag("hill"));
    let entry = |names: &[&str]| json!({ "title": "Walk", "content": "c", "tagNames": names });
    let result = ada.result("create_entry", entry(&["sea"]));
    assert_eq!(text(&result["content"][0]["text"]), "Entry \"Walk\" created with ID 1.");
    let result = ada.result("create_entry", with(&entry(&["wind", "sea", "wind"]), "tags", [hill, sea]));
    assert_eq!(tag_names(&result["structuredContent"]), ["hill", "sea", "wind"], "each once");
    let told = "Entry \"Walk\" created with ID 2. The tag \"wind\" is new.";
    assert_eq!(text(&result["content"][0]["text"]), told);
    let tags = ada.ok("list_tags", json!({}));
    assert_eq!(ids(&tags), [hill, sea, 3], "one tag was made");
    assert_eq!(tags["tags"][2], json!({ "id": 3, "name": "wind", "description": null, "entryCount": 1 }));
    // A name is what it looks like, and no more than that.
    let alike = [" \t wind\u{a0}", "wi\u{200b}nd", "cafe\u{301}", "caf\u{e9}", "Wind"];
    let made = ada.ok("create_entry", entry(&alike));
    assert_eq!(tag_names(&made), ["Wind", "café", "wind"]);

    // An update attaches and detaches nothing; the entry itself is as it was.
    ada.sql(OLD_ENTRIES);
    let update = |names: Value| json!({ "id": 1, "tagNames": names });
    let result = ada.result("update_entry", update(json!(["fog", "hill", "ice"])));
    let told = "Entry \"Walk\" (ID 1) updated. These tags are new: \"fog\", \"ice\".";
    assert_eq!(text(&result["content"][0]["text"]), told);
    let entry = &result["structuredContent"];
    assert_eq!(tag_names(entry), ["fog", "hill", "ice", "sea"]);
    assert_eq!(entry["entry"]["updatedAt"], 86400);
    for nothing in [json!([]), json!(["sea"]), json!(["ice", "fog"])] {
        assert_eq!(tag_names(&ada.ok("update_entry", update(nothing))), ["fog", "hill", "ice", "sea"]);
    }
    assert_eq!(tag_names(&ada.ok("update_entry", json!({ "id": 1, "tags": [3] }))).len(), 5);
    // The forms in which frameworks send a list.
    for (given, name) in
        [(json!("dew"), "dew"), (json!("[\"mist\"]"), "mist"), (json!(2025), "2025"), (json!([7]), "7")]
    {
        let tags = tag_names(&ada.ok("update_entry", update(given)));
        assert!(tags.iter().any(|tag| tag == name), "{tags:?}");
    }
    for (given, sentence) in [
        (json!("dew, mist"), "tagNames must be an array, not a string"),
        (json!("[dew]"), "tagNames must be an array, not a string"),
        (json!(""), "tagNames must be an array, not a string"),
        (json!(true), "tagNames must be an array, not a boolean"),
        (json!(["dew", null]), "tagNames holds one that must be a string, not null"),
        (json!([" "]), "tagNames holds one that must not be blank"),
        (json!([""]), "tagNames holds one that must have 1 to 100 characters, not 0"),
        (json!(["x".repeat(101)]), "tagNames holds one that must have 1 to 100 characters, not 101"),
        (json!(["a\nb"]), "tagNames holds one that must not contain control characters"),
        (json!(vec!["x"; 51]), "tagNames must have at most 50 items, not 51"),
    ] {
        ada.fails("update_entry", update(given), sentence);
    }
    // Whatever fails, no tag is left behind.
    ada.fails("update_entry", json!({ "id": 99, "tagNames": ["new"] }), "Entry with ID \"99\" not found");
    ada.fails(
        "update_entry",
        json!({ "id": 1, "tagNames": ["new"], "tags": [99] }),
        "Tag ID \"99\" not found",
    );
    let many: Vec<_> = (0..45).map(|number| format!("tag {number}")).collect();
    ada.fails("update_entry", update(json!(many)), "at most 50 tags, and this one would have 54");
    ada.ok("update_entry", update(json!(many[..41])));
    ada.fails("update_entry", update(json!(["new"])), "at most 50 tags, and this one would have 51");
    ada.ok("update_entry", update(json!(many[..41])));
    // Somebody else's tags are not hers.
    let mut bob = ada.neighbour();
    let made = bob.ok("create_entry", json!({ "title": "t", "content": "c", "tagNames": ["sea"] }));
    assert_eq!(made["entry"]["tags"], json!([{ "id": 1, "name": "sea" }]));
}

#[test]
fn keeps_to_the_number_of_tags_when_it_makes_some_by_name() {
    let mut ada = Person::alone();
    let tags = limits::TAGS_MAX - 1;
    ada.sql(&format!(
        "CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {tags})
                                SELECT i FROM n;
         INSERT INTO made_tags (user_id, id, name, created_at, updated_at)
             SELECT 1, i, printf('tag %05d', i), 0, 0 FROM n;"
    ));
    let entry = |names: &[&str]| json!({ "title": "t", "content": "c", "tagNames": names });
    ada.fails("create_entry", entry(&["last", "one more"]), "There are 10000 tags, and there can't be more");
    ada.ok("create_entry", entry(&["last", "tag 00001"]));
    ada.fails("create_entry", entry(&["one more"]), "There are 10000 tags");
}

#[test]
fn refuses_a_name_that_would_make_a_tag_to_a_token_that_may_not_and_accepts_one_that_there_is() {
    let mut ada = Person::alone();
    ada.tag("sea");
    let id = ada.entry("Walk", "c");
    ada.may_only("entries:write");
    let before = ada.rows();
    let new = json!({ "title": "t", "content": "c" });
    for (tool, base) in [("create_entry", new.clone()), ("update_entry", json!({ "id": id, "append": "d" }))]
    {
        let call = |names: Value| json!({ "name": tool, "arguments": with(&base, "tagNames", names) });
        for names in [json!(["hill"]), json!(["sea", "hill"]), json!("hill"), json!("[\"hill\"]")] {
            let reply = ada.client.modern("tools/call", call(names));
            assert_eq!(reply.status, 403, "{tool}");
            let challenge = reply.field("www-authenticate").expect("a challenge");
            let needs = format!("error_description=\"{tool} needs entries:write tags:write\"");
            assert!(
                challenge.contains("error=\"insufficient_scope\"") && challenge.contains(&needs),
                "{challenge}"
            );
            assert_eq!(reply.scopes_to_ask_for(), ["entries:write", "tags:write"]);
            assert!(ada.rows() == before, "{tool} wrote something");
        }
        // What is wrong is said first: a person who gives the scope should get something for it.
        ada.fails(tool, with(&with(&base, "tagNames", ["hill"]), "title", ""), "title must have 1 to 300");
        ada.fails(tool, with(&base, "tagNames", json!(["hill", " "])), "tagNames holds one");
        ada.ok(tool, with(&base, "tagNames", json!([])));
        let known = ada.ok(tool, with(&base, "tagNames", json!(["sea", "se\u{200b}a"])));
        assert_eq!(tag_names(&known), ["sea"]);
        ada.sql(&format!(
            "DELETE FROM entries WHERE id > {id}; DELETE FROM entry_tags;
                          UPDATE entries SET content = 'c', updated_at = created_at"
        ));
    }
    ada.may_only("entries:write tags:write");
    assert_eq!(tag_names(&ada.ok("create_entry", with(&new, "tagNames", ["hill"]))), ["hill"]);
}

const OLD_TAGS: &str = "UPDATE tags SET created_at = 1000, updated_at = 86400";

#[test]
fn writes_reads_changes_lists_and_deletes_a_tag() {
    let mut ada = Person::alone();
    assert_eq!(ada.ok("create_tag", json!({ "name": "hill" }))["tag"]["description"], json!(null));
    let mut made = ada.result("create_tag", json!({ "name": " \t sea\u{a0}", "description": "salt" }));
    let now = made_now(&made["structuredContent"]["tag"]);
    let mut tag = json!({ "id": 2, "userId": 1, "name": "sea", "description": "salt", "createdAt": now, "updatedAt": now });
    assert_eq!(made["structuredContent"], json!({ "tag": with_dates(&tag) }));
    made["content"][1]["annotations"]["lastModified"] = "1970-01-02T00:00:00Z".into();
    shows(&made, &["\"sea\"", "2"], &[link("tag", 2, "sea")]);

    ada.sql(OLD_TAGS);
    (tag["createdAt"], tag["updatedAt"]) = (1000.into(), 86400.into());
    for (tool, words) in [("get_tag", &[][..]), ("update_tag", &["\"sea\"", "2"])] {
        let result = ada.result(tool, json!({ "id": 2 }));
        assert_eq!(result["structuredContent"], json!({ "tag": with_dates(&tag) }));
        shows(&result, words, &[link("tag", 2, "sea")]);
    }
    for (name, value) in [("description", json!(null)), ("name", json!("sea")), ("name", json!("ocean"))] {
        let mut updated = ada.ok("update_tag", with(&json!({ "id": 2 }), name, value.clone()));
        assert!(updated["tag"]["updatedAt"].as_u64() >= Some(now), "{updated}");
        updated["tag"]["updatedAt"] = 86400.into();
        updated["tag"] = with_dates(&updated["tag"]);
        tag[name] = value;
        assert_eq!(updated, json!({ "tag": with_dates(&tag) }), "{name} and nothing else");
        ada.sql(OLD_TAGS);
    }

    ada.ok("create_entry", json!({ "title": "t", "content": "c", "tags": [1, 2] }));
    ada.ok("create_entry", json!({ "title": "u", "content": "c", "tags": [2] }));
    let result = ada.result("list_tags", json!({}));
    let items = json!([
        { "id": 1, "name": "hill", "description": null, "entryCount": 1 },
        { "id": 2, "name": "ocean", "description": null, "entryCount": 2 },
    ]);
    assert_eq!(result["structuredContent"], json!({ "tags": items, "total": 2 }));
    shows(&result, &["Found 2 tags."], &[link("tag", 1, "hill"), link("tag", 2, "ocean")]);
    let deleted = ada.result("delete_tag", json!({ "id": 2 }));
    assert_eq!(deleted["structuredContent"], json!({ "success": true, "tag": with_dates(&tag) }));
    shows(&deleted, &["\"ocean\"", "2"], &[link("tag", 2, "ocean")]);
    let left = ada.ok("get_entry", json!({ "id": 1 }))["entry"]["tags"].take();
    assert_eq!(left, json!([{ "id": 1, "name": "hill" }]), "the entry stays, without the tag");
    for tool in ["get_tag", "update_tag", "delete_tag"] {
        ada.fails(tool, json!({ "id": 2 }), "Tag ID \"2\" not found");
    }
}

#[test]
fn attaches_a_tag_once_and_detaches_it_once() {
    let mut ada = Person::alone();
    let (entry, tag) = (ada.entry("Walk", "c"), ada.tag("sea"));
    ada.sql(OLD_ENTRIES);
    ada.sql(OLD_TAGS);
    let both = json!({ "entryId": entry, "tagId": tag });
    let (words, links) = (["\"sea\"", "\"Walk\""], [link("tag", tag, "sea"), link("entry", entry, "Walk")]);
    let mut fields = json!({ "id": 1, "userId": 1, "entryId": entry, "tagId": tag });
    for first in [true, false] {
        let result = ada.result("add_tag_to_entry", both.clone());
        let now = if first { made_now(&result["structuredContent"]["entryTag"]) } else { 1000 };
        (fields["createdAt"], fields["updatedAt"]) = (now.into(), now.into());
        assert_eq!(result["structuredContent"], json!({ "success": true, "entryTag": with_dates(&fields) }));
        shows(&result, &words, &links);
        ada.sql("UPDATE entry_tags SET created_at = 1000");
    }
    for removed in [true, false] {
        let result = ada.result("remove_tag_from_entry", both.clone());
        assert_eq!(result["structuredContent"], json!({ "success": true, "removed": removed }));
        shows(&result, &words, &links);
        assert_eq!(ada.ok("get_entry", json!({ "id": entry }))["entry"]["tags"], json!([]));
    }
    for tool in ["add_tag_to_entry", "remove_tag_from_entry"] {
        ada.fails(tool, json!({ "entryId": 9, "tagId": tag }), "Entry with ID \"9\" not found");
        ada.fails(tool, json!({ "entryId": entry, "tagId": 9 }), "Tag ID \"9\" not found");
    }
}

#[test]
fn merges_a_tag_into_another_and_leaves_all_else_alone() {
    let mut ada = Person::alone();
    let described = json!({ "name": "sea", "description": "salt" });
    ada.ok("create_tag", described);
    for tags in [&["ocean"][..], &["ocean", "sea"], &["sea"], &["hill"], &["ocean", "hill"]] {
        ada.ok("create_entry", json!({ "title": "t", "content": "c", "tagNames": tags }));
    }
    let mut bob = ada.neighbour();
    bob.ok("create_entry", json!({ "title": "t", "content": "c", "tagNames": ["a", "ocean", "sea"] }));
    ada.sql(OLD_ENTRIES);
    ada.sql(OLD_TAGS);
    ada.sql("UPDATE entry_tags SET created_at = 1000 * entry_id + tag_id");
    let tag = |id: i64, name: &str, description: Value| {
        let mut tag = json!({ "id": id, "userId": 1, "name": name, "description": description });
        (tag["createdAt"], tag["updatedAt"]) = (1000.into(), 86400.into());
        with_dates(&tag)
    };
    let result = ada.result("merge_tags", json!({ "fromId": 2, "intoId": 1 }));
    let (ocean, sea) = (tag(2, "ocean", json!(null)), tag(1, "sea", json!("salt")));
    let data = json!({ "success": true, "from": ocean, "into": sea, "entryCount": 4 });
    assert_eq!(result["structuredContent"], data);
    let told = "Tag \"ocean\" (ID 2) was merged into \"sea\" (ID 1), which 4 entries have now.";
    shows(&result, &[told], &[link("tag", 1, "sea")]);
    assert_eq!(ada.ok("get_tag", json!({ "id": 1 })), json!({ "tag": sea }), "it stays as it is");
    let tags = ada.ok("list_tags", json!({}))["tags"].take();
    let counts: Vec<_> =
        tags.as_array().expect("tags").iter().map(|tag| tag["entryCount"].as_i64()).collect();
    assert_eq!(counts, [Some(2), Some(4)], "{tags}");
    for (entry, names) in
        [(1, &["sea"][..]), (2, &["sea"]), (3, &["sea"]), (4, &["hill"]), (5, &["hill", "sea"])]
    {
        let shown = ada.ok("get_entry", json!({ "id": entry }));
        assert_eq!(tag_names(&shown), names);
        assert_eq!(shown["entry"]["updatedAt"], 86400);
    }
    let filter = json!({ "tagNames": ["sea"] });
    assert_eq!(sorted(ada.ids("list_entries", filter)), [1, 2, 3, 5]);
    // A link keeps its time; where there were two, the one to the tag that stays is kept.
    let database = ada.database();
    let mut links = database
        .prepare("SELECT created_at FROM entry_tags WHERE user_id = 1 AND tag_id = 1 ORDER BY entry_id")
        .expect("a statement");
    let times = links.query_map([], |row| row.get::<_, i64>(0)).expect("rows").collect::<Result<Vec<_>, _>>();
    assert_eq!(times, Ok(vec![1002, 2001, 3001, 5002]));
    drop(links);
    assert_eq!(bob.ok("list_tags", json!({}))["total"], 3);

    ada.fails("merge_tags", json!({ "fromId": 2, "intoId": 1 }), "Tag ID \"2\" not found");
    ada.fails("merge_tags", json!({ "fromId": 1, "intoId": 2 }), "Tag ID \"2\" not found");
    ada.fails("merge_tags", json!({ "fromId": 1, "intoId": 1 }), "A tag can't be merged into itself");
    ada.fails("merge_tags", json!({ "fromId": 1 }), "intoId is required");
    ada.fails("merge_tags", json!({ "fromId": 1.5, "intoId": "x" }), "fromId must be an integer");
    ada.ok("merge_tags", json!({ "fromId": "1", "intoId": 3.0 }));
    let (unused, empty) = (ada.tag("unused"), ada.tag("empty"));
    ada.ok("delete_entry", json!({ "id": 5 }));
    let merged = ada.result("merge_tags", json!({ "fromId": unused, "intoId": empty }));
    shows(&merged, &["which no entry has."], &merged["content"].as_array().expect("content")[1..2]);
}

#[test]
fn merges_and_deletes_tags_that_are_too_much_for_one_transaction() {
    let mut ada = Person::alone();
    let entries = 2 * limits::UNTAGGED_AT_ONCE + 7;
    ada.sql(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {entries})
         INSERT INTO made_entries (user_id, title, content, created_at, updated_at) SELECT 1, 't', '', i, 0 FROM n;
         INSERT INTO made_tags (user_id, name, created_at, updated_at) VALUES (1, 'a', 0, 0), (1, 'b', 0, 0);
         INSERT INTO made_links (user_id, entry_id, tag_id, created_at) SELECT 1, id, 1, 0 FROM entries;
         INSERT INTO made_links (user_id, entry_id, tag_id, created_at) SELECT 1, id, 2, 0 FROM entries WHERE id % 2;"
    ));
    let merged = ada.ok("merge_tags", json!({ "fromId": 1, "intoId": 2 }));
    assert_eq!((&merged["entryCount"], &merged["from"]["name"]), (&json!(entries), &json!("a")));
    let tags = ada.ok("list_tags", json!({}));
    assert_eq!((&tags["total"], &tags["tags"][0]["entryCount"]), (&json!(1), &json!(entries)));
    assert_eq!(ada.ok("list_entries", json!({ "tagIds": [2] }))["total"], entries);
    ada.ok("delete_tag", json!({ "id": 2 }));
    assert_eq!(ada.ok("list_tags", json!({}))["total"], 0);
    assert_eq!(ada.ok("list_entries", json!({}))["total"], entries);
    assert_eq!(ada.server.folder.count("entry_tags"), 0);
}

#[test]
fn writes_an_entry_with_all_its_tags_or_not_at_all() {
    let mut ada = Person::alone();
    let tag = ada.tag("sea");
    let entry = |tags: &[i64]| json!({ "title": "t", "content": "c", "tags": tags });
    for tags in [&[tag, 9][..], &[9, tag], &[9]] {
        ada.fails("create_entry", entry(tags), "Tag ID \"9\" not found");
    }
    let made = ada.ok("create_entry", entry(&[tag, tag]));
    assert_eq!(made["entry"]["tags"], json!([{ "id": tag, "name": "sea" }]));
    assert_eq!(ada.found("c"), [1]);
}

#[test]
fn refuses_a_tag_name_that_is_taken_and_accepts_it_from_its_owner_and_from_somebody_else() {
    let mut ada = Person::alone();
    let (sea, hill) = (ada.tag("sea"), ada.tag("hill"));
    let taken = format!("A tag named \"sea\" already exists (ID: {sea})");
    ada.fails("create_tag", json!({ "name": " sea " }), &taken);
    let merges = format!("{taken}. merge_tags makes one tag of the two");
    ada.fails("update_tag", json!({ "id": hill, "name": "sea" }), &merges);
    ada.ok("update_tag", json!({ "id": sea, "name": "sea" }));
    ada.tag("Sea");
    ada.neighbour().tag("sea");
}

#[test]
fn limits_every_text_and_names_the_limit_and_the_size() {
    let mut ada = Person::alone();
    ada.tag("sea");
    ada.entry("Walk", "c");
    /// The argument takes `max` characters, of several bytes each, and not one more.
    #[track_caller]
    fn check(ada: &mut Person, tool: &str, base: &Value, argument: &str, (min, max): (usize, usize)) {
        let letter = if tool.starts_with("update") { "é" } else { "☂" }; // tag names differ
        ada.ok(tool, with(base, argument, letter.repeat(max - 1) + "x"));
        let bounds = if min == 0 { format!("at most {max}") } else { format!("{min} to {max}") };
        let sentence = |count| format!("{argument} must have {bounds} characters, not {count}");
        ada.fails(tool, with(base, argument, letter.repeat(max + 1)), &sentence(max + 1));
        ada.fails(tool, with(base, argument, "a".repeat(2 * max)), &sentence(2 * max));
        let no_nul = format!("{argument} must not contain the character U+0000");
        ada.fails(tool, with(base, argument, "a\0b"), &no_nul);
        match min {
            0 => assert!(ada.result(tool, with(base, argument, ""))["isError"].is_null()),
            _ => ada.fails(tool, with(base, argument, ""), &sentence(0)),
        }
    }
    let rows = r#"
        create_entry | {"title":"t","content":"c"} | title 1 300 | content 0 100000 | mood 0 200 | location 0 200 | weather 0 200
        update_entry | {"id":1} | title 1 300 | content 0 100000 | mood 0 200 | location 0 200 | weather 0 200
        list_entries | {} | mood 0 200 | location 0 200 | weather 0 200
        search_entries | {"query":"x"} | query 1 500 | mood 0 200 | location 0 200 | weather 0 200
        create_tag | {} | name 1 100
        update_tag | {"id":1} | name 1 100 | description 0 1000"#;
    for (tool, cells) in table(rows) {
        for cell in &cells[1..] {
            let (argument, bounds) = cell.split_once(' ').expect("a name");
            let bounds = numbers(bounds);
            check(&mut ada, tool, &parse(cells[0]), argument, (bounds[0] as usize, bounds[1] as usize));
        }
    }
    // Beside what is there, which is two lines long.
    ada.ok("update_entry", json!({ "id": 1, "content": "c\nd" }));
    let sentence = "at most 100000 characters, and this one would have 100001";
    ada.fails("update_entry", json!({ "id": 1, "append": "☂".repeat(99_996) }), sentence);
    ada.ok("update_entry", json!({ "id": 1, "append": "☂".repeat(99_995) }));
    ada.fails("update_entry", json!({ "id": 1, "append": "x" }), "this one would have 100003");
    ada.fails(
        "update_entry",
        json!({ "id": 1, "append": "" }),
        "append must have 1 to 100000 characters, not 0",
    );
    for blank in [" ", "\t\n", "\u{a0}\u{3000}"] {
        ada.fails("create_tag", json!({ "name": blank }), "name must not be blank");
        ada.fails("update_tag", json!({ "id": 1, "name": blank }), "name must not be blank");
    }
    let unseen =
        ["\u{3164}\u{2060}\u{ad}", "\u{2800}", "\u{115f}\u{1160}\u{ffa0}", "\u{e0041}", "\u{fe0f}\u{200d}"];
    for name in unseen {
        ada.fails("create_tag", json!({ "name": name }), "name must not be blank");
    }
    for unseen in unseen.into_iter().chain([" ", "\n\t", "\u{200b}", "\u{202e}", "\u{301}"]) {
        for (tool, argument) in
            [("create_entry", "title"), ("create_entry", "content"), ("update_entry", "append")]
                .into_iter()
                .chain(["title", "content"].map(|argument| ("update_entry", argument)))
        {
            let base = json!({ "title": "t", "content": "c" });
            let base = if tool == "create_entry" { base } else { json!({ "id": 1 }) };
            let sentence = format!("{argument} must have a visible character");
            ada.fails(tool, with(&base, argument, unseen), &sentence);
        }
    }
    // Beside one character that is seen, all of these are kept.
    let kept = format!(" {}\n.\t", unseen.concat());
    let made = ada.ok("create_entry", json!({ "title": kept, "content": kept }))["entry"].clone();
    assert_eq!([&made["title"], &made["content"]], [&kept, &kept]);
    for name in
        ["a\u{1}b", "a\nb", "a\u{9b}b", "a\u{2028}b", "a\u{202e}b", "a\u{2066}b", "a\u{200f}b", "a\u{61c}b"]
    {
        ada.fails("create_tag", json!({ "name": name }), "name must not contain control characters");
        ada.fails("update_tag", json!({ "id": 1, "name": name }), "name must not contain control characters");
    }
    // What looks the same is the same: what isn't seen is left out, unless an emoji or a script needs it.
    for (name, kept) in [("se\u{200b}a\u{3164}", "sea"), ("❤️ 👩\u{200d}💻", "❤️ 👩\u{200d}💻")]
    {
        assert_eq!(ada.ok("create_tag", json!({ "name": name }))["tag"]["name"], kept);
    }
    ada.fails("create_tag", json!({ "name": "s\u{2060}ea" }), "A tag named \"sea\" already exists");
    let described = |name: &str, size| json!({ "name": name, "description": "é".repeat(size) });
    ada.ok("create_tag", described("a", 0));
    ada.ok("create_tag", described("b", 1000));
    ada.fails("create_tag", described("c", 1001), "description must have at most 1000 characters, not 1001");
    for (tool, base) in lists() {
        let long = "cursor must have at most 700 characters, not 701";
        ada.fails(tool, with(&base, "cursor", "A".repeat(701)), long);
        ada.fails(tool, with(&base, "cursor", "A".repeat(700)), "cursor must be the nextCursor");
    }
}

#[test]
fn limits_the_tags_of_an_entry_and_the_ids_of_a_filter() {
    let mut ada = Person::alone();
    let tags: Vec<_> = (0..51).map(|number| ada.tag(&format!("tag {number}"))).collect();
    let entry = |tags: &[i64]| json!({ "title": "page", "content": "c", "tags": tags });
    ada.fails("create_entry", entry(&tags), "tags must have at most 50 items, not 51");
    let made = ada.ok("create_entry", entry(&tags[..50]));
    assert_eq!(made["entry"]["tags"].as_array().map(Vec::len), Some(50));
    ada.fails("add_tag_to_entry", json!({ "entryId": 1, "tagId": tags[50] }), "at most 50 tags");
    ada.ok("add_tag_to_entry", json!({ "entryId": 1, "tagId": tags[49] })); // is there already
    ada.ok("remove_tag_from_entry", json!({ "entryId": 1, "tagId": tags[0] }));
    ada.ok("add_tag_to_entry", json!({ "entryId": 1, "tagId": tags[50] }));
    for (tool, base) in &lists()[..2] {
        let base = with(base, "tagMode", "all");
        ada.fails(tool, with(&base, "tagIds", &tags[..]), "tagIds must have at most 50 items, not 51");
        assert_eq!(ada.ids(tool, with(&base, "tagIds", &tags[1..])), [1]);
    }
}

#[test]
fn limits_a_page_to_what_is_asked_and_what_is_allowed() {
    let mut ada = Person::alone();
    ada.sql(
        "CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 501)
                                SELECT i FROM n;
         INSERT INTO made_entries (user_id, title, content, created_at, updated_at) SELECT 1, 'page', '', 0, 0 FROM n;
         INSERT INTO made_tags (user_id, name, created_at, updated_at) SELECT 1, printf('tag %03d', i), 0, 0 FROM n;",
    );
    for ((tool, base), (default, max)) in lists().into_iter().zip([(100, 200), (20, 100), (200, 500)]) {
        for (limit, count) in [(None, default), (Some(1), 1), (Some(max), max)] {
            let result = ada.result(tool, limit.map_or(base.clone(), |limit| with(&base, "limit", limit)));
            let page = &result["structuredContent"];
            assert_eq!((ids(page).len(), &page["total"]), (count, &json!(501)), "{tool}");
            let content = result["content"].as_array().expect("content");
            assert_eq!(content.len() - 2, count.min(20), "{tool} links its first twenty");
            let told = text(&content[0]["text"]);
            assert!(told.starts_with("Found 501 ") && told.contains(&count.to_string()), "{told}");
        }
        let mut count = |limit: Value| ids(&ada.ok(tool, with(&base, "limit", limit))).len();
        let counts = (count(json!("1")), count(json!(max.to_string())), count(json!(null)));
        assert_eq!(counts, (1, max, default), "{tool}: digits are a number, and null is none");
        for bad in
            [json!(0), json!(max + 1), json!(1.5), json!("1.5"), json!(format!("{}", max + 1)), json!(true)]
        {
            ada.fails(tool, with(&base, "limit", bad), &format!("limit must be an integer from 1 to {max}"));
        }
    }
}

#[test]
fn refuses_what_is_no_id_and_accepts_an_integer_however_it_is_written() {
    let mut ada = Person::alone();
    for number in 1..=3 {
        ada.tag(&number.to_string());
        ada.entry("t", "c");
    }
    let rows = r#"
        get_entry | id | {}
        update_entry | id | {}
        get_tag | id | {}
        update_tag | id | {}
        add_tag_to_entry | entryId | {"tagId":1}
        add_tag_to_entry | tagId | {"entryId":1}
        remove_tag_from_entry | entryId | {"tagId":1}
        remove_tag_from_entry | tagId | {"entryId":1}
        create_entry | tags | {"title":"t","content":"c"}
        update_entry | tags | {"id":1}
        list_entries | tagIds | {}
        search_entries | tagIds | {"query":"c"}
        get_tag_suggestions_instructions | entryId | {}
        get_journal_insights_instructions | tagIds | {}
        delete_entry | id | {}
        delete_tag | id | {}"#;
    let bad = "0 | -1 | 1.5 | true | [1] | 1e300 | -1e300 | 9223372036854775808 | \
        \"1.5\" | \"1.0\" | \"ten\" | \"\" | \" 1\" | \"1 \" | \"1e3\" | \"0x1\" | \"+1\" | \"-1\" | \"01\" | \"\u{661}\" | \"0\" | \
        \"9007199254740992\" | \"99999999999999999999\"";
    let text = "a string";
    let not =
        ["0 | -1 | 1.5 | a boolean | an array | 1e | -1e | 9223372036854775808", &[text; 12].join(" | ")]
            .join(" | ")
            + " | 0 | 9007199254740992 | a string";
    for (tool, cells) in table(rows) {
        let (argument, base) = (cells[0], parse(cells[1]));
        let listed = argument.starts_with("tag") && argument.ends_with('s');
        let shaped = |id: Value| with(&base, argument, if listed { json!([1, id]) } else { id });
        // As in the form that a client shows for the prompt of the same text.
        let empty_is_absent = tool.ends_with("_instructions");
        for (bad, not) in bad.split(" | ").zip(not.split(" | ")) {
            if bad == "\"\"" && empty_is_absent && !listed {
                ada.fails(tool, shaped(json!("")), &format!("{argument} is required"));
                continue;
            }
            ada.fails(
                tool,
                shaped(parse(bad)),
                &format!("must be an integer from 1 to 9007199254740991, not {not}"),
            );
        }
        if listed {
            let sentence = format!("{argument} must be an array, not ");
            for wrong in [json!(true), json!({}), json!("ten"), json!("[1"), json!("{}"), json!("1;2")] {
                ada.fails(tool, with(&base, argument, wrong), &sentence);
            }
            if empty_is_absent {
                ada.ok(tool, with(&base, argument, ""));
            } else {
                ada.fails(tool, with(&base, argument, ""), &sentence);
            }
            ada.fails(tool, shaped(json!(null)), &format!("{argument} holds one that must be an integer"));
            // The forms in which frameworks send a list. Each can mean one thing only.
            for taken in
                [json!(1), json!("1"), json!("[1,2]"), json!("[\"1\"]"), json!("1,2"), json!(["1", "2"])]
            {
                ada.ok(tool, with(&base, argument, taken));
            }
            if tool == "update_entry" {
                let sentence = format!("{argument} must be an array, not null");
                ada.fails(tool, with(&base, argument, json!(null)), &sentence);
            } else {
                ada.ok(tool, with(&base, argument, json!(null)));
            }
        } else {
            ada.fails(tool, shaped(json!(9_007_199_254_740_991_i64)), "\"9007199254740991\" not found");
            ada.fails(tool, shaped(json!("9007199254740991")), "\"9007199254740991\" not found");
            ada.fails(tool, base.clone(), &format!("{argument} is required"));
            let is_update = tool.starts_with("update_");
            let missing = if is_update { "must be an integer" } else { "is required" };
            ada.fails(tool, shaped(json!(null)), &format!("{argument} {missing}"));
        }
        let taken = if tool.starts_with("delete_") { ["3.0", "\"2\""] } else { ["3.0", "\"3\""] };
        for id in taken {
            ada.ok(tool, shaped(parse(id)));
        }
    }
}

#[test]
fn takes_true_for_1_also_as_a_text_and_nothing_else() {
    let mut ada = Person::alone();
    ada.entry("t", "c");
    for name in ["isPrivate", "isFavorite"] {
        let calls = r#"create_entry | {"title":"t","content":"c"}
                       update_entry | {"id":1}
                       list_entries | {}"#;
        for (tool, cells) in table(calls) {
            let taken = [
                ("true", 1),
                ("false", 0),
                ("1.0", 1),
                ("0", 0),
                (r#""true""#, 1),
                (r#""false""#, 0),
                (r#""1""#, 1),
            ];
            for (given, flag) in taken {
                let result = ada.ok(tool, with(&parse(cells[0]), name, parse(given)));
                match tool {
                    "list_entries" => assert_eq!(result, ada.ok(tool, with(&json!({}), name, flag))),
                    _ => assert_eq!(result["entry"][name], flag),
                }
            }
            for bad in ["2", "-1", "0.5", r#""2""#, r#""yes""#, r#""TRUE""#, "\"\"", "[]"] {
                let sentence = format!("{name} must be an integer from 0 to 1");
                ada.fails(tool, with(&parse(cells[0]), name, parse(bad)), &sentence);
            }
            let unset = with(&parse(cells[0]), name, json!(null));
            if tool == "update_entry" {
                ada.fails(tool, unset, &format!("{name} must be an integer from 0 to 1, not null"));
            } else {
                ada.ok(tool, unset);
            }
        }
    }
}

#[test]
fn takes_an_integer_for_its_digits_where_a_text_belongs() {
    let mut ada = Person::alone();
    let numbers = json!({ "title": 2025, "content": -7, "mood": 0 });
    let made = ada.ok("create_entry", numbers)["entry"].clone();
    assert_eq!([&made["title"], &made["content"], &made["mood"]], ["2025", "-7", "0"]);
    let changed =
        ada.ok("update_entry", json!({ "id": 1, "weather": i64::MAX, "mood": null }))["entry"].clone();
    assert_eq!([&changed["weather"], &changed["mood"]], [&json!("9223372036854775807"), &json!(null)]);
    assert_eq!(ada.ok("create_tag", json!({ "name": 5 }))["tag"]["name"], "5");
    let found = |ada: &mut Person, arguments: Value| {
        ada.ok("search_entries", arguments)["entries"].as_array().map(Vec::len)
    };
    assert_eq!(found(&mut ada, json!({ "query": 2025 })), Some(1));
    assert_eq!(found(&mut ada, json!({ "query": "2025", "weather": i64::MAX })), Some(1));
}

#[test]
fn refuses_what_has_no_one_text_where_a_text_belongs() {
    let mut ada = Person::alone();
    for (given, kind) in [
        ("2025.0", "a number"),
        ("1.50", "a number"),
        ("2e3", "a number"),
        ("-0", "a number"),
        ("9223372036854775808", "a number"),
        ("true", "a boolean"),
        ("[2025]", "an array"),
        ("{}", "an object"),
    ] {
        let sentence = format!("must be a string, not {kind}");
        let query = with(&json!({}), "query", parse(given));
        ada.fails("search_entries", query, &format!("query {sentence}"));
        ada.fails("create_tag", with(&json!({}), "name", parse(given)), &format!("name {sentence}"));
    }
    // A text of another form doesn't become right by being a number.
    ada.fails("list_entries", json!({ "from": 2025 }), "from must be a date");
    ada.fails("list_entries", json!({ "tagMode": 1 }), "tagMode must be one of any, all");
}

#[test]
fn ignores_what_a_client_gives_to_a_tool_without_arguments() {
    let mut ada = Person::alone();
    let told = ada.ok("whoami", json!({}));
    for given in [json!({ "random_string": "" }), json!({ "random_string": "x", "userId": 2 })] {
        assert_eq!(ada.ok("whoami", given), told);
    }
}

#[test]
fn refuses_an_argument_that_the_tool_does_not_take_and_a_null_that_clears_nothing_in_an_update() {
    let mut ada = Person::alone();
    ada.entry("t", "c");
    ada.tag("t");
    for (tool, _) in table(TOOLS).filter(|(_, cells)| !cells[3].is_empty()) {
        ada.fails(tool, json!({ "userId": 1 }), "\"userId\": no such argument");
        ada.fails(tool, json!({ "random_string": "" }), "\"random_string\": no such argument");
    }
    for (tool, name) in [("update_entry", "title"), ("update_entry", "content"), ("update_tag", "name")] {
        let arguments = with(&json!({ "id": 1 }), name, json!(null));
        ada.fails(tool, arguments, &format!("{name} must be a string, not null"));
    }
    // Such a client would clear what it doesn't mean to change: nothing of its call is done.
    ada.ok("update_entry", json!({ "id": 1, "mood": "calm" }));
    let everything = json!({ "id": 1, "title": "new", "content": null, "mood": null, "isPrivate": null });
    ada.fails("update_entry", everything, "content must be a string, not null");
    assert_eq!(ada.ok("get_entry", json!({ "id": 1 }))["entry"]["mood"], "calm");
    // Elsewhere null clears nothing, so it says nothing.
    let made = ada.ok("create_entry", json!({ "title": "t", "content": "c", "mood": null, "tags": null }));
    assert_eq!((&made["entry"]["mood"], &made["entry"]["tags"]), (&json!(null), &json!([])));
    ada.fails("create_entry", json!({ "title": null, "content": "c" }), "title is required");
    ada.ok(
        "search_entries",
        json!({ "query": "c", "limit": null, "from": null, "tagMode": null, "cursor": null }),
    );
    ada.fails("search_entries", json!({ "query": "c", "further": null }), "\"further\": no such argument");
}

/// Ada with five entries around the end of a January; 4 and 5 were made in the same second.
fn january() -> Person {
    let mut ada = Person::alone();
    for name in ["sea", "hill", "city"] {
        ada.tag(name);
    }
    ada.sql(
        "INSERT INTO made_entries (id, user_id, title, content, created_at, updated_at, mood, location, weather,
                              is_private, is_favorite)
         VALUES (1, 1, 'page', '', unixepoch('2025-01-30 23:59:59'), 0, 'calm', 'Home', 'sunny', 1, 0),
                (2, 1, 'page', '', unixepoch('2025-01-31 00:00:00'), 0, 'CALM', 'home', 'rain',  0, 1),
                (3, 1, 'page', '', unixepoch('2025-01-31 23:59:59'), 0, 'glad', NULL,   'rain',  1, 1),
                (4, 1, 'page', '', unixepoch('2025-02-01 00:00:00'), 0, NULL,   NULL,   NULL,    1, 0),
                (5, 1, 'page', '', unixepoch('2025-02-01 00:00:00'), 0, 'Calm', 'Sea',  NULL,    0, 0);
         INSERT INTO made_links (user_id, entry_id, tag_id, created_at)
         VALUES (1, 1, 1, 0), (1, 2, 1, 0), (1, 2, 2, 0), (1, 3, 2, 0), (1, 5, 1, 0),
                (1, 5, 2, 0), (1, 5, 3, 0);",
    );
    ada
}

#[test]
fn lists_and_finds_the_entries_that_pass_every_filter() {
    let mut ada = january();
    let rows = r#"
        5 4 3 2 1 | {} | {"tagIds":[]} | {"tagMode":"all"} | {"to":"2025-02-01"} | {"from":"2025-01-30"}
        5 3 2 1 | {"tagIds":[1,2]} | {"tagIds":[1,2],"tagMode":"any"} | {"tagIds":[2,99,1]}
        5 2 1 | {"tagIds":[1]} | {"tagIds":[1,1],"tagMode":"all"} | {"tagIds":[1,99]} | {"mood":"cALM"}
        5 2 | {"tagIds":[2,1],"tagMode":"all"} | {"isPrivate":0}
        5 2 | {"tagNames":["hill","sea"],"tagMode":"all"} | {"tagNames":["hill"],"tagIds":[1],"tagMode":"all"}
        5 3 2 1 | {"tagNames":["hill","sea"]} | {"tagNames":["hill"],"tagIds":[1]} | {"tagNames":["none","hill","sea"]}
        5 2 1 | {"tagNames":["sea"]} | {"tagNames":[" s\u200bea","sea"],"tagMode":"all"} | {"tagNames":["none"],"tagIds":[1]}
        5 | {"tagNames":["city"]} | {"tagNames":["city","none"]} | {"tagNames":["city","sea"],"tagMode":"all","tagIds":[2]}
        3 | {"tagNames":["hill"],"weather":"rain","isPrivate":1} | {"tagNames":["hill","none"],"to":"2025-01-31","isPrivate":1}
          | {"tagNames":["none"]} | {"tagNames":["none","neither"]} | {"tagNames":["sea","none"],"tagMode":"all"}
          | {"tagNames":["none"],"tagIds":[1],"tagMode":"all"} | {"tagNames":["Sea"]} | {"tagNames":["none"],"mood":"calm"}
        5 | {"tagIds":[1,2,3],"tagMode":"all"} | {"tagIds":[3]} | {"location":"SEA"} | {"mood":"calm","from":"2025-02-01"}
        5 4 3 2 | {"from":"2025-01-31"} | {"from":"2025-01-31T00:00:00Z"}
        3 2 1 | {"to":"2025-01-31"} | {"to":"2025-01-31T23:59:59Z"} | {"to":"2025-02-01T01:59:59+02:00"}
        3 2 | {"from":"2025-01-31","to":"2025-01-31"} | {"weather":"rain"} | {"weather":"RAIN"} | {"isFavorite":1}
        2 1 | {"to":"2025-01-31T23:59:58Z"} | {"to":"2025-01-31T23:59:58.999Z"} | {"location":"HOME"}
        5 4 | {"from":"2025-01-31T18:30:00-05:30"} | {"from":"2025-02-01","to":"2025-02-01T00:00:00Z"}
        4 3 1 | {"isPrivate":1}
        5 4 1 | {"isFavorite":0}
        2 | {"mood":"calm","tagIds":[2],"isPrivate":0,"to":"2025-01-31"} | {"location":"home","weather":"rain"}
        1 | {"location":"home","isFavorite":0} | {"tagIds":[1],"to":"2025-01-30"} | {"weather":"sunny"}
          | {"mood":"cal"} | {"mood":""} | {"tagIds":[1,99],"tagMode":"all"} | {"from":"2025-02-01","to":"2025-01-31"}"#;
    for (expected, filters) in table(rows) {
        for filter in filters {
            assert_eq!(ada.ids("list_entries", parse(filter)), numbers(expected), "{filter}");
            let found = ada.ids("search_entries", with(&parse(filter), "query", "page"));
            assert_eq!(sorted(found), sorted(numbers(expected)), "{filter}");
        }
    }
}

#[test]
fn shows_what_was_written_on_a_day_in_earlier_years() {
    let mut ada = Person::alone();
    let dates = [
        "2024-02-29",
        "2023-02-28",
        "2025-02-28T10:00:00Z",
        "2020-02-29",
        "2024-02-28",
        "2025-03-01",
        "2025-02-28",
    ];
    for date in dates {
        ada.ok("create_entry", json!({ "title": date, "content": format!("It was {date}."), "date": date }));
    }
    let seen = |ada: &mut Person, date: &str| {
        let page = ada.ok("on_this_day", json!({ "date": date }));
        assert_eq!(page["date"], date[..10]);
        let items = page["entries"].as_array().expect("entries");
        assert_eq!(page["total"], items.len());
        let seen = items.iter().map(|item| (item["id"].as_i64(), item["yearsAgo"].as_i64()));
        seen.map(|(id, ago)| (id.expect("an id"), ago.expect("a number"))).collect::<Vec<_>>()
    };
    for (date, expected) in [
        // In a year without a 29th its entries come with those of the 28th.
        ("2026-02-28", &[(7, 1), (3, 1), (1, 2), (5, 2), (2, 3), (4, 6)][..]),
        ("2025-02-28", &[(1, 1), (5, 1), (2, 2), (4, 5)]),
        ("2024-02-28", &[(2, 1)]),
        ("2024-02-29", &[(4, 4)]),
        ("2026-03-01", &[(6, 1)]),
        ("2026-03-01T23:30:00-05:00", &[(6, 1)]),
        ("9999-03-01", &[(6, 7974)]),
        ("2025-03-01", &[]),
        ("0001-01-01", &[]),
        ("2026-03-02", &[]),
    ] {
        assert_eq!(seen(&mut ada, date), expected, "{date}");
    }
    ada.fails("on_this_day", json!({ "date": "2025-02-29" }), "There is no date or date-time \"2025-02-29\"");
    ada.fails("on_this_day", json!({ "date": "today" }), "date must be a date");

    ada.sql(OLD_ENTRIES);
    ada.sql("UPDATE entries SET date = '2025-03-01', date_time = NULL, instant = NULL WHERE id = 6");
    ada.ok("update_entry", json!({ "id": 6, "mood": "calm", "tagNames": ["sea"] }));
    ada.sql("UPDATE entries SET updated_at = 86400 WHERE id = 6");
    let result = ada.result("on_this_day", json!({ "date": "2026-03-01" }));
    let item = json!({
        "id": 6, "title": "2025-03-01", "tagCount": 1, "mood": "calm", "isFavorite": 0, "date": "2025-03-01",
        "dateTime": null, "createdAt": 6000, "updatedAt": 86400, "yearsAgo": 1, "excerpt": "It was 2025-03-01.",
    });
    assert_eq!(result["structuredContent"], json!({ "date": "2026-03-01", "entries": [item], "total": 1 }));
    shows(&result, &["Found 1 entries of earlier years for 2026-03-01."], &[link("entry", 6, "2025-03-01")]);
    // Of a long text the beginning, by characters; of many entries the newest.
    for (content, excerpt) in [
        ("☂".repeat(300), "☂".repeat(300)),
        ("☂".repeat(301), "☂".repeat(300) + "…"),
        (" \nx\n".to_owned(), " \nx\n".to_owned()),
    ] {
        ada.ok("update_entry", json!({ "id": 6, "content": content }));
        let page = ada.ok("on_this_day", json!({ "date": "2026-03-01" }));
        assert_eq!(page["entries"][0]["excerpt"], excerpt);
    }
    let mut bob = ada.neighbour();
    assert_eq!(bob.ok("on_this_day", json!({ "date": "2026-03-01" }))["total"], 0);
    ada.sql(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 59)
         INSERT INTO made_entries (user_id, title, content, created_at, updated_at)
             SELECT 1, 'many', '', unixepoch('2022-03-01'), 0 FROM n;",
    );
    let result = ada.result("on_this_day", json!({ "date": "2026-03-01" }));
    let page = &result["structuredContent"];
    assert_eq!((ids(page).len(), &page["total"], ids(page)[0]), (50, &json!(60), 6));
    assert_eq!(
        result["content"].as_array().map(Vec::len),
        Some(22),
        "twenty links, the sentence and the data"
    );
    let told = "Found 60 entries of earlier years for 2026-03-01. This page shows 50 of them.";
    assert_eq!(text(&result["content"][0]["text"]), told);
}

#[test]
fn takes_today_for_the_day_that_it_is_for_the_person() {
    let mut ada = Person::alone();
    let mut today = |zone: &str| {
        ada.sql(&format!("UPDATE users SET time_zone = '{zone}'"));
        let day = text(&ada.ok("on_this_day", json!({}))["date"]);
        // Midnight may come between the two.
        assert!(text(&ada.ok("journal_overview", json!({}))["today"]) >= day);
        day
    };
    // 25 hours lie between these two places, so it is never the same day there.
    assert!(today("Pacific/Kiritimati") > today("Pacific/Pago_Pago"));
}

#[test]
fn counts_a_journal_by_years_months_days_and_tags() {
    let mut ada = Person::alone();
    let nothing = ada.result("journal_overview", json!({}));
    let mut expected = json!({
        "total": 0, "firstEntry": null, "lastEntry": null, "daysWritten": 0, "currentRun": null, "longestRun": null,
        "years": [], "months": [], "tags": [], "yearsLeftOut": 0, "monthsLeftOut": 0, "tagsLeftOut": 0,
    });
    expected["today"] = nothing["structuredContent"]["today"].clone();
    assert_eq!(nothing["structuredContent"], expected);
    shows(&nothing, &["The journal has no entry yet."], &[]);

    let rows = [
        ("2023-12-31", &["sea"][..]),
        ("2024-01-01", &["sea", "hill"]),
        ("2024-01-01T23:30:00-05:00", &["hill"]),
        ("2024-01-02", &["city"]),
        ("2024-03-05", &["sea"]),
        ("2020-02-29", &[]),
    ];
    for (date, tags) in rows {
        ada.ok("create_entry", json!({ "title": date, "content": "c", "date": date, "tagNames": tags }));
    }
    ada.tag("unused");
    ada.neighbour().entry("Bob's", "c");
    ada.sql("UPDATE entries SET updated_at = 86400");
    let result = ada.result("journal_overview", json!({}));
    let overview = &result["structuredContent"];
    let expected = json!({
        "today": overview["today"], "total": 6,
        "firstEntry": { "id": 6, "title": "2020-02-29", "date": "2020-02-29", "dateTime": null },
        "lastEntry": { "id": 5, "title": "2024-03-05", "date": "2024-03-05", "dateTime": null },
        "daysWritten": 5,
        "yearsLeftOut": 0, "monthsLeftOut": 0, "tagsLeftOut": 0,
        "currentRun": null,
        "longestRun": { "days": 3, "from": "2023-12-31", "to": "2024-01-02" },
        "years": [
            { "year": "2024", "entries": 4, "days": 3 }, { "year": "2023", "entries": 1, "days": 1 },
            { "year": "2020", "entries": 1, "days": 1 },
        ],
        "months": [
            { "month": "2024-03", "entries": 1, "days": 1 }, { "month": "2024-01", "entries": 3, "days": 2 },
            { "month": "2023-12", "entries": 1, "days": 1 }, { "month": "2020-02", "entries": 1, "days": 1 },
        ],
        "tags": [
            { "id": 1, "name": "sea", "entryCount": 3 }, { "id": 2, "name": "hill", "entryCount": 2 },
            { "id": 3, "name": "city", "entryCount": 1 },
        ],
    });
    assert_eq!(overview, &expected);
    let words = [
        "The journal has 6 entries on 5 days, from 2020-02-29 to 2024-03-05.",
        "so no run of days goes on",
        "The longest run is 3 days, from 2023-12-31 to 2024-01-02.",
    ];
    shows(&result, &words, &[link("entry", 5, "2024-03-05"), link("entry", 6, "2020-02-29")]);

    // A run that goes on; and what is planned for later.
    let today = text(&overview["today"]);
    let days = ["-1 day", "+2 days"].map(|other| {
        let sql = "SELECT date(?1, ?2)";
        ada.database().query_row(sql, [&today, other], |row| row.get::<_, String>(0)).expect("a day")
    });
    for date in [&days[0], &today, &days[1]] {
        ada.ok("create_entry", json!({ "title": "t", "content": "c", "date": date }));
    }
    let overview = ada.ok("journal_overview", json!({}));
    assert_eq!(overview["currentRun"], json!({ "days": 2, "from": days[0], "to": today }));
    assert_eq!((&overview["lastEntry"]["date"], &overview["daysWritten"]), (&json!(days[1]), &json!(8)));
    ada.ok("delete_entry", json!({ "id": 8 }));
    ada.ok("delete_entry", json!({ "id": 1 }));
    let overview = ada.ok("journal_overview", json!({}));
    assert_eq!(overview["currentRun"], json!({ "days": 1, "from": days[0], "to": days[0] }));
    assert_eq!(overview["longestRun"]["from"], "2024-01-01");
    assert_eq!(overview["years"].as_array().expect("years").last(), Some(&expected["years"][2]));
    let one = ada.neighbour().result("journal_overview", json!({}));
    shows(&one, &["The journal has 1 entry on 1 day"], &one["content"].as_array().expect("content")[1..2]);
}

#[test]
fn bounds_an_overview_however_much_was_written() {
    let mut ada = Person::alone();
    ada.sql(
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 119)
         INSERT INTO made_entries (user_id, title, content, created_at, updated_at)
             SELECT 1, 't', '', unixepoch('1900-06-15', i || ' years'), 0 FROM n;
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25)
         INSERT INTO made_tags (user_id, name, created_at, updated_at) SELECT 1, 'tag ' || i, 0, 0 FROM n;
         INSERT INTO made_links (user_id, entry_id, tag_id, created_at) SELECT 1, e.id, t.id, 0
             FROM entries e JOIN tags t ON e.id <= t.id;",
    );
    let result = ada.result("journal_overview", json!({}));
    let overview = &result["structuredContent"];
    let count = |name: &str| overview[name].as_array().map(Vec::len);
    assert_eq!((count("years"), count("months"), count("tags")), (Some(100), Some(36), Some(20)));
    assert_eq!(
        (&overview["years"][99]["year"], &overview["months"][35]["month"]),
        (&json!("1920"), &json!("1984-06"))
    );
    assert_eq!(overview["tags"][0], json!({ "id": 25, "name": "tag 25", "entryCount": 25 }));
    assert_eq!(overview["total"], 120);
    shows(
        &result,
        &[
            "84 older months are left out here; the years count them.",
            "20 older years are left out here; list_entries shows their entries.",
            "5 more tags with entries are left out here; list_tags shows all.",
        ],
        &result["content"].as_array().expect("content")[1..3],
    );
    let left_out = ["yearsLeftOut", "monthsLeftOut", "tagsLeftOut"].map(|name| overview[name].as_i64());
    assert_eq!(left_out, [Some(20), Some(84), Some(5)]);
}

#[test]
fn says_which_names_of_a_filter_no_tag_has() {
    let mut ada = january();
    for (tool, base) in &lists()[..2] {
        for (names, told) in [
            (json!(["sea"]), ""),
            (json!([]), ""),
            (json!(["none"]), " There is no tag named \"none\"."),
            (json!(["none", "sea", "none"]), " There is no tag named \"none\"."),
            (json!(["none", "n\"one"]), " There are no tags named \"none\", \"n'one\"."),
        ] {
            let result = ada.result(tool, with(base, "tagNames", names));
            let sentence = text(&result["content"][0]["text"]);
            assert!(sentence.starts_with("Found ") && sentence.ends_with(told), "{tool}: {sentence}");
            assert_eq!(sentence.contains(" named "), !told.is_empty(), "{tool}: {sentence}");
        }
    }
    // Bob's tag is no tag of hers.
    ada.neighbour().tag("none");
    let result = ada.result("list_entries", json!({ "tagNames": ["none"] }));
    assert_eq!(text(&result["content"][0]["text"]), "Found 0 entries. There is no tag named \"none\".");
}

#[test]
fn refuses_a_date_that_does_not_exist_and_accepts_one_that_does() {
    let mut ada = Person::alone();
    let rows = "
        2025-02-30 | exists | 2025-02-28
        2025-02-29 | exists | 2024-02-29
        2025-13-01 | exists | 2025-12-01
        2025-00-10 | exists | 2025-01-10
        2025-04-31T10:00:00Z | exists | 2025-04-30T10:00:00Z
        2025-01-31T24:00:00Z | exists | 2025-01-31T23:00:00Z
        2025-01-31T10:60:00Z | exists | 2025-01-31T10:59:00Z
        2025-01-31T10:00:61Z | exists | 2025-01-31T10:00:59Z
        2025-01-31T10:00:00+99:00 | with its offset | 2025-01-31T10:00:00+09:00
        2025-1-31 | (2025-01-31) | 2025-01-31
        2025-01-31T10:00:00 | with its offset | 2025-01-31T10:00:00Z
        2025-01-31 10:00:00Z | with its offset | 2025-01-31T10:00:00-00:00
        2460707.5 | must be a date | 1969-12-31T23:59:59.999999999Z
        now | must be a date | 0001-01-01
        | must be a date | 9999-12-31";
    for (bad, cells) in table(rows) {
        for (tool, base) in &lists()[..2] {
            for name in ["from", "to"] {
                ada.fails(tool, with(base, name, bad), cells[0]);
                ada.ok(tool, with(base, name, cells[1]));
            }
        }
    }
}

#[test]
fn walks_all_pages_without_repeating_or_skipping_while_others_are_written() {
    let mut ada = january();
    for limit in 1..=5 {
        let seen = ada.walk("list_entries", json!({ "limit": limit, "to": "2025-03-01" }), |_| ());
        assert_eq!(seen, [5, 4, 3, 2, 1], "{limit} on a page");
    }
    let newer = |ada: &mut Person| assert!(ada.entry("page", "newer") > 5);
    assert_eq!(ada.walk("list_entries", json!({ "limit": 2 }), newer), [5, 4, 3, 2, 1]);
    let same_second = "INSERT INTO made_entries (user_id, title, content, created_at, updated_at)
                       VALUES (1, 'page', '', unixepoch('2025-02-01'), 0)";
    let filter = json!({ "limit": 1, "to": "2025-02-01" });
    assert_eq!(ada.walk("list_entries", filter, |ada| ada.sql(same_second)), [5, 4, 3, 2, 1]);
    let mut letters = ["a", "b"].into_iter(); // before the first name, city
    let earlier = |ada: &mut Person| assert!(ada.tag(letters.next().expect("two pages end")) > 3);
    assert_eq!(ada.walk("list_tags", json!({ "limit": 1 }), earlier), [3, 2, 1]);
    assert_eq!(ada.walk("list_tags", json!({ "limit": 2 }), |_| ()), [4, 5, 3, 2, 1]);
}

/// A match is ranked by how rare its words are, which every entry of everybody changes.
#[test]
fn walks_all_pages_of_a_search_without_repeating_or_skipping_while_others_are_written() {
    let mut ada = january();
    let mut bob = ada.neighbour();
    let lit = [(); 3].map(|()| ada.entry("lantern", "lit"));
    let lit = [lit[2], lit[1], lit[0]]; // the newest first
    let search = json!({ "query": "lantern", "limit": 1 });
    assert_eq!(ada.walk("search_entries", search.clone(), |_| ()), lit);
    assert_eq!(ada.ok("search_entries", search.clone())["total"], 3, "of all pages");
    for (title, content) in [("dark", "no light at all"), ("lantern", "lantern lit by a lantern")] {
        let between = |_: &mut Person| _ = bob.entry(title, content);
        assert_eq!(ada.walk("search_entries", search.clone(), between), lit, "while {title} is written");
    }
}

#[test]
fn refuses_a_cursor_that_belongs_elsewhere_and_accepts_it_where_it_belongs() {
    let mut ada = january();
    let mut bob = ada.neighbour();
    let lists = lists().map(|(tool, base)| match tool {
        "list_tags" => (tool, base),
        _ => (tool, with(&with(&base, "mood", "calm"), "tagIds", [1])),
    });
    let first = |(tool, base): &(&str, Value)| text(&ada.ok(tool, with(base, "limit", 1))["nextCursor"]);
    let cursors: Vec<_> = lists.iter().map(first).collect();
    let not_ours = "cursor must be the nextCursor of a call with the same filters";
    for (own, (tool, base)) in lists.iter().enumerate() {
        for (other, cursor) in cursors.iter().enumerate() {
            let arguments = with(base, "cursor", cursor.as_str());
            bob.fails(tool, arguments.clone(), not_ours);
            if own == other {
                assert_eq!(ids(&ada.ok(tool, with(&arguments, "limit", 9))).len(), 2);
            } else {
                ada.fails(tool, arguments, not_ours);
            }
        }
        let cursor = cursors[own].as_str();
        let longer = format!("{cursor}A");
        for garbage in ["", "x", "v1", "v1..", "☂", &cursor[1..], &cursor[..cursor.len() - 1], &longer] {
            ada.fails(tool, with(base, "cursor", garbage), not_ours);
        }
        let others = json!({
            "mood": "glad", "tagIds": [1, 2], "tagMode": "all", "from": "2025-01-01", "to": "2025-03-01",
            "location": "home", "weather": "rain", "isPrivate": 1, "isFavorite": 0, "tagNames": ["sea"],
            "query": "other",
        });
        let takes = ["list_entries", "search_entries"].iter().position(|own| own == tool).map(|at| 10 + at);
        for (name, value) in others.as_object().into_iter().flatten().take(takes.unwrap_or(0)) {
            ada.fails(tool, with(&with(base, name, value.clone()), "cursor", cursor), not_ours);
        }
    }
}

/// Ada with four entries to search in.
fn library() -> Person {
    let mut ada = Person::alone();
    ada.entry("Slow rain", "It fell on the garden all day");
    ada.entry("Garden party", "We waited for slow trains, no rain");
    ada.entry("Café crème", "naïve gardener OR plumber");
    let mut notes = json!({ "title": "Notes", "content": "title x NEAR y", "mood": "stormy" });
    (notes["location"], notes["weather"]) = ("Lisbon".into(), "drizzle".into());
    ada.ok("create_entry", notes);
    ada
}

#[test]
fn searches_by_words_phrases_beginnings_and_exclusions_and_takes_all_else_as_text() {
    let mut ada = library();
    let rows = r#"
        1 2 | rain | RAIN garden | ^slow | rain * garden | rain + garden | rain" garden | rain !!!
        1 | "slow rain" | "slow rain | rain -party | -party rain | rain -"slow trains" | "slow"rain -par*
        2 | rain party | "slow tr"* | "slow tr*" | part* | rain -gardener -day
        1 2 3 | gard*
        3 | garden* -rain | cafe CREME | CAFÉ naive naïve | OR | "or PLUMBER" | crè*
        4 | stormy lisbon | drizzle | title:x | title : x | NEAR(y x) | near | x-near-y
          | rain plumber | "rain slow" | gard | rain OR plumber | rain AND garden | rain NOT party | title:rain
          | NEAR(slow rain, 5) | {title} : slow | 'rain'; DROP TABLE entries -- | rain') OR 1=1 | rain Ⓐ | ra*n"#;
    for (expected, queries) in table(rows) {
        for query in queries {
            assert_eq!(ada.found(query), numbers(expected), "{query}");
        }
    }
    for nothing in [" ", "*", "\"", "\"\"", "\"*\"", "-", "!!! ?", "^", "-*"] {
        ada.fails("search_entries", json!({ "query": nothing }), "query must contain a word to search for");
    }
    let only = "query must contain a word that is not excluded";
    for exclusion in ["-rain", "-\"slow rain\" -party", "-gard*"] {
        ada.fails("search_entries", json!({ "query": exclusion }), only);
    }
}

#[test]
fn shows_the_best_match_first_then_the_newest_with_the_words_around_it() {
    let mut ada = library();
    ada.sql(OLD_ENTRIES);
    let result = ada.result("search_entries", json!({ "query": "rain" }));
    let items = [
        json!({ "id": 1, "title": "Slow rain", "tagCount": 0, "createdAt": 1000, "snippet": "Slow [rain]" }),
        json!({ "id": 2, "title": "Garden party", "tagCount": 0, "createdAt": 2000,
                "snippet": "We waited for slow trains, no [rain]" }),
    ]
    .each_ref()
    .map(with_dates);
    assert_eq!(result["structuredContent"], json!({ "entries": items, "total": 2 }), "title before content");
    shows(&result, &["Found 2 entries."], &[link("entry", 1, "Slow rain"), link("entry", 2, "Garden party")]);

    let long = format!("{}lantern{}", "before ".repeat(60), " after".repeat(60));
    for id in 5..=7 {
        assert_eq!(ada.entry("Night", &long), id);
    }
    ada.sql("UPDATE made_entries SET created_at = 0 WHERE id = 7");
    let page = ada.ok("search_entries", json!({ "query": "lantern" }));
    assert_eq!(ids(&page), [6, 5, 7], "equal matches: newest first");
    let snippet = text(&page["entries"][0]["snippet"]);
    assert!(snippet.contains("before [lantern] after"), "{snippet}");
    assert!((20..=32).contains(&snippet.split_whitespace().count()), "{snippet}");
    // A token may be as long as a text.
    let long = ["x".repeat(40_000), "kite".to_owned(), "y".repeat(40_000)].join(" ");
    ada.ok("create_entry", json!({ "title": "Long", "content": long }));
    let page = ada.ok("search_entries", json!({ "query": "kite" }));
    let cut = text(&page["entries"][0]["snippet"]);
    assert!(cut.chars().count() <= limits::SNIPPET_CHARS_MAX + 2 && cut.contains("x [kite] y"), "{cut}");
    // A newer entry stands behind an older one that has more of the words in its title, on one page and on many.
    let titled = [("Snow and ice", "snow, ice"), ("Ice", "and snow"), ("Winter", "snow, ice")];
    let titled = titled.map(|(title, content)| ada.entry(title, content));
    for limit in 1..=3 {
        assert_eq!(
            ada.walk("search_entries", json!({ "query": "snow ice", "limit": limit }), |_| ()),
            titled
        );
    }
    // Of equal places that of the title is shown; else that of the field which has the words.
    let rows = "
        [Snow] and [ice] | snow ice
        [stormy] | stormy
        [Lisbon] | lisbon
        [drizzle] | drizzle";
    for (expected, queries) in table(rows) {
        let page = ada.ok("search_entries", json!({ "query": queries[0] }));
        assert_eq!(page["entries"][0]["snippet"], expected, "{}", queries[0]);
    }
}

#[test]
fn finds_what_an_entry_says_now() {
    let mut ada = library();
    ada.ok("update_entry", json!({ "id": 1, "title": "Quick hail", "mood": "cross" }));
    assert_eq!((ada.found("hail cross"), ada.found("rain")), (vec![1], vec![2]));
    ada.ok("update_entry", json!({ "id": 1, "mood": null }));
    assert_eq!((ada.found("cross"), ada.found("hail")), (vec![], vec![1]));
    ada.ok("delete_entry", json!({ "id": 2 }));
    assert_eq!((ada.found("rain"), ada.found("garden")), (vec![], vec![1]));
    check_integrity(&ada.server.folder.database());
}

/// Ada has entry and tag 1, linked; Bob has entry and tag 7001, linked; nobody has 7002.
fn neighbours() -> (Person, Person) {
    let mut ada = Person::alone();
    let bob = ada.neighbour();
    ada.tag("sea");
    ada.ok("create_entry", json!({ "title": "Ada's page", "content": "c", "tags": [1] }));
    ada.sql(
        "INSERT INTO made_entries (id, user_id, title, content, mood, created_at, updated_at)
         VALUES (7001, 2, 'Bob''s page', 'secret', 'calm', 0, 0);
         INSERT INTO made_tags (id, user_id, name, created_at, updated_at) VALUES (7001, 2, 'hidden', 0, 0);
         INSERT INTO made_links (user_id, entry_id, tag_id, created_at) VALUES (2, 7001, 7001, 0);",
    );
    (ada, bob)
}

#[test]
fn answers_for_anothers_row_as_for_one_that_never_was() {
    let (mut ada, _) = neighbours();
    let rows = r#"
        get_entry | {"id":7000}
        update_entry | {"id":7000} | {"id":7000,"title":"mine","mood":null,"isPrivate":0}
        delete_entry | {"id":7000}
        get_tag | {"id":7000}
        update_tag | {"id":7000} | {"id":7000,"name":"mine"} | {"id":7000,"name":"sea"}
        delete_tag | {"id":7000}
        merge_tags | {"fromId":7000,"intoId":1} | {"fromId":1,"intoId":7000}
        add_tag_to_entry | {"entryId":7000,"tagId":1} | {"entryId":1,"tagId":7000} | {"entryId":7000,"tagId":7000}
        remove_tag_from_entry | {"entryId":7000,"tagId":1} | {"entryId":1,"tagId":7000} | {"entryId":7000,"tagId":7000}
        create_entry | {"title":"t","content":"c","tags":[7000]} | {"title":"t","content":"c","tags":[1,7000]}
        list_entries | {"tagIds":[7000]} | {"tagIds":[1,7000]} | {"tagIds":[1,7000],"tagMode":"all"}
        search_entries | {"query":"page","tagIds":[7000]} | {"query":"page","tagIds":[1,7000],"tagMode":"all"}
        get_tag_suggestions_instructions | {"entryId":7000}
        get_journal_insights_instructions | {"tagIds":[7000]} | {"tagIds":[1,7000]}"#;
    for (tool, calls) in table(rows) {
        for arguments in calls {
            let before = ada.rows();
            let [theirs, missing] = ["7001", "7002"].map(|id| {
                let arguments = parse(&arguments.replace("7000", id));
                let reply = ada.client.modern("tools/call", json!({ "name": tool, "arguments": arguments }));
                let body = String::from_utf8(reply.body).expect("text");
                let without_time = reply.fields.into_iter().filter(|(name, _)| name != "Date");
                (reply.status, without_time.collect::<Vec<_>>(), body.replace(id, "7000"))
            });
            assert_eq!(theirs, missing, "{tool} {arguments}");
            assert!(ada.rows() == before, "{tool} {arguments} wrote something");
        }
    }
}

#[test]
fn shows_nothing_of_anothers_in_lists_searches_and_counts() {
    let (mut ada, mut bob) = neighbours();
    for (person, own, secret) in [(&mut ada, 1, vec![]), (&mut bob, 7001, vec![7001])] {
        for (tool, base) in lists() {
            assert_eq!(person.ids(tool, base.clone()), [own]);
            let page = person.ok(tool, base);
            let item = page.get("entries").or(page.get("tags")).expect("items")[0].clone();
            assert_eq!(item.get("tagCount").or(item.get("entryCount")), Some(&json!(1)), "{tool}");
        }
        assert_eq!(person.found("secret"), secret);
        assert_eq!(person.ids("list_entries", json!({ "mood": "calm" })), secret);
    }
    // Even if the index had her terms for his entry.
    ada.sql(
        "DELETE FROM search_index WHERE rowid = (2 << 32) + 7001;
             INSERT INTO search_index (rowid, content) VALUES ((2 << 32) + 7001, '1:secret 2:secret');",
    );
    assert_eq!((ada.found("secret"), bob.found("secret")), (vec![], vec![7001]));
}

#[test]
fn refuses_a_link_between_two_people_in_the_database_itself_and_accepts_one_of_the_same() {
    let (mut ada, _) = neighbours();
    let (entry, tag) = (ada.entry("t", "c"), ada.tag("hill"));
    let add = |(user, entry, tag): (i64, i64, i64)| {
        let columns = "user_id, entry_id, tag_id, created_at";
        ada.try_sql(&format!("INSERT INTO made_links ({columns}) VALUES ({user}, {entry}, {tag}, 0)"))
    };
    let across = [(1, 7001, tag), (1, entry, 7001), (2, entry, 7001), (2, 7001, tag), (2, entry, tag)];
    let give = [
        "UPDATE entries SET user_id = 2, row_id = (2 << 32) + id WHERE id = 1",
        "UPDATE tags SET user_id = 2 WHERE id = 1",
    ];
    for refused in across.map(add).into_iter().chain(give.map(|sql| ada.try_sql(sql))) {
        let refused = refused.expect_err("a link across").to_string();
        assert!(refused.contains("FOREIGN KEY constraint failed"), "{refused}");
    }
    add((1, entry, tag)).expect("a link within");
}

impl Dice {
    /// Something near what a schema asks for, mostly within it.
    fn value(&mut self, schema: &Value) -> Value {
        let edge = |name: &str, default: u64| schema[name].as_u64().unwrap_or(default) as usize;
        let pattern = schema["pattern"].as_str().unwrap_or_default();
        if let Some(either) = schema["anyOf"].as_array() {
            let which = self.below(2);
            return self.value(&either[which]);
        }
        if self.below(8) == 0 {
            let any =
                r#"[null, true, false, 0, 1, -1, 2, 3.0, 1.5, -0.0, "", "1", [], [1], ["1"], [[]], {}]"#;
            return self.pick(parse(any).as_array().expect("an array"));
        }
        match (&schema["enum"], schema["type"].as_str().expect("a type")) {
            (Value::Array(words), _) => self.pick(words),
            (_, "null") => Value::Null,
            (_, "integer") => (self.below(3).min(1) + self.below(edge("maximum", 4) + 1)).into(),
            (_, "array") => {
                let (most, alike) = (edge("maxItems", 0), self.below(2) == 0);
                let count = self.pick(&[0, 1, 2, most, most + 1]);
                (0..count).map(|_| if alike { json!(2.0) } else { self.value(&schema["items"]) }).collect()
            }
            _ if pattern.contains("[0-9]") => {
                let moments = "2025-01-31|2025-01-31T09:30:00Z|2025-01-31T09:30:00.5+02:00|2025-02-30|2025-1-31|\
                               2025-01-31\n|2025-01-31T09:30:00|2025-01-31T09:30:00.Z|２０２５-01-31|now";
                self.pick(&moments.split('|').collect::<Vec<_>>()).into()
            }
            _ => {
                let count = self.pick(&[0, 1, 2, 3, edge("maxLength", 0), edge("maxLength", 0) + 1]);
                self.pick(&["é", "☂", "a", " ", "\u{2003}", "-x"]).repeat(count).into()
            }
        }
    }

    fn arguments(&mut self, schema: &Value) -> Value {
        let mut arguments = json!({});
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if self.below(12) < if requires(schema, name) { 11 } else { 4 } {
                arguments[name] = self.value(property);
            }
        }
        if self.below(12) == 0 {
            arguments[self.pick(&["", "Title", "userId"])] = 1.into();
        }
        arguments
    }
}

/// What the arguments mean, as the schema writes it. The leniencies are: null for an argument that is left out, where
/// no argument of the tool can be cleared; true for 1 and false for 0; digits for a number, and an integer for its
/// digits; one id for a list of ids; an empty text for an argument that is left out, where the tool stands for a
/// prompt; anything where the tool has no arguments. (To a schema, too, 3.0 is an integer.)
fn strictly(tool: &str, schema: &Value, arguments: &Value) -> Value {
    let integer = |value: &Value| match value.as_str() {
        Some("1") => json!(1),
        _ => value.clone(),
    };
    let mut strict = arguments.as_object().expect("an object").clone();
    let properties = &schema["properties"];
    if !properties.to_string().contains("anyOf") {
        strict.retain(|name, value| !value.is_null() || properties.get(name).is_none());
    }
    if tool.ends_with("_instructions") {
        strict.retain(|name, value| value != "" || properties.get(name).is_none());
    }
    if properties == &json!({}) {
        strict.clear();
    }
    for (name, value) in &mut strict {
        let property = &properties[name.as_str()];
        let kind = property["type"].as_str().or(property["anyOf"][0]["type"].as_str());
        match (kind, value.as_bool()) {
            (Some("string"), _) if value.is_i64() => *value = value.to_string().into(),
            (Some("integer"), Some(flag)) if property["maximum"] == 1 => *value = u8::from(flag).into(),
            (Some("integer"), _) => *value = integer(value),
            (Some("array"), _) => {
                let are_names = property["items"]["type"] == "string";
                let name = |value: &Value| match value.as_i64() {
                    Some(number) => number.to_string().into(),
                    None => value.clone(),
                };
                let all = value.as_array().cloned();
                let is_one =
                    value.is_number() || value == "1" || are_names && value.is_string() && value != "";
                let all = all.or_else(|| is_one.then(|| vec![value.clone()]));
                if let Some(all) = all {
                    *value = if are_names {
                        all.iter().map(name).collect()
                    } else {
                        all.iter().map(integer).collect()
                    };
                }
            }
            _ => {}
        }
    }
    strict.into()
}

#[test]
fn accepts_what_the_schema_of_a_tool_accepts_and_nothing_else() {
    let mut ada = Person::alone();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for tool in ada.tools.clone() {
        let (name, schema) = (text(&tool["name"]), &tool["inputSchema"]);
        let promise = jsonschema::validator_for(schema).expect("a schema");
        let mut counts = [0, 0];
        for _ in 0..250 {
            let arguments = dice.arguments(schema);
            let strict = strictly(&name, schema, &arguments);
            let result = ada.result(&name, arguments.clone());
            let told = result["content"][0]["text"].as_str().unwrap_or_default(); // or it begins with a link
            let accepted = !told.starts_with("Invalid arguments for ");
            // A schema doesn't say that a name, a title or a text needs a visible character.
            let unseen =
                |text: &Value| text.as_str().is_some_and(|text| !text.is_empty() && text.trim().is_empty());
            let names = strict["tagNames"].as_array().into_iter().flatten();
            let texts = ["name", "title", "content", "append"].map(|argument| &strict[argument]);
            let is_blank = texts.into_iter().chain(names).any(unseen);
            assert_eq!(accepted, promise.is_valid(&strict) && !is_blank, "{name} {arguments}: {told}");
            counts[usize::from(accepted)] += 1;
        }
        let ignores = schema["properties"] == json!({});
        assert!(
            counts.iter().all(|count| ignores || *count >= 15),
            "{name}: {counts:?} refused and accepted"
        );
    }
}

#[test]
fn ranks_a_search_without_a_trace_of_what_others_wrote() {
    let server = Server::start();
    let (ada, bob) = (server.token("ada@example.com", &[]), server.token("bob@example.com", &[]));
    let (mut ada, mut bob) = (Client::new(&server, &ada), Client::new(&server, &bob));
    for title in ["rare word", "common word", "another"] {
        ada.ok(
            "create_entry",
            json!({ "title": title, "content": "rare and common words, a common one twice" }),
        );
    }
    let mut search = |query: &str| ada.ok("search_entries", json!({ "query": query, "limit": 1 }));
    let queries = ["rare", "common", "rare common", "word*", "words -another"];
    let before = queries.map(&mut search);
    for _ in 0..30 {
        bob.ok("create_entry", json!({ "title": "rare", "content": "rare rare rare, and nothing else" }));
    }
    // Page, total and cursor: the same bytes, so nothing of Bob's can be read from them.
    assert_eq!(queries.map(&mut search), before);
}
