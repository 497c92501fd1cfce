//! `subscriptions/listen`: what a client is told, by whom alone it is told, and that a stream costs nobody else
//! anything.
//!
//! That nothing was told is shown by what was told next: behind the change in question another one is made, of which
//! the stream must tell, and nothing came before that.

use std::iter;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use epicme::limits;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::events::Events;
use crate::support::{Client, Folder, Server, Wire, eventually, modern_meta};

const FIELDS: [(&str, &str); 2] =
    [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "subscriptions/listen")];

/// Asks to be told; the answer is yet to be read.
fn listening(client: &Client, id: impl Into<Value>, notifications: Value) -> Wire {
    client.open(&FIELDS, &listen(id, notifications))
}

fn listen(id: impl Into<Value>, notifications: Value) -> String {
    let params = json!({ "notifications": notifications, "_meta": modern_meta() });
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": "subscriptions/listen", "params": params })
        .to_string()
}

/// An open subscription.
struct Stream {
    events: Events,
    id: Value,
    /// What the acknowledgement said.
    honoured: Value,
}

impl Stream {
    #[track_caller]
    fn open(client: &Client, notifications: Value) -> Stream {
        Stream::open_as(client, 1, notifications)
    }

    #[track_caller]
    fn open_as(client: &Client, id: impl Into<Value>, notifications: Value) -> Stream {
        let id = id.into();
        Stream::on(listening(client, id.clone(), notifications), id)
    }

    #[track_caller]
    fn on(wire: Wire, id: Value) -> Stream {
        Stream::read(wire.events(), id)
    }

    #[track_caller]
    fn read(events: Events, id: Value) -> Stream {
        let mut stream = Stream { events, id, honoured: Value::Null };
        let first = stream.message();
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
        stream.honoured = first["params"]["notifications"].clone();
        stream
    }

    #[track_caller]
    fn of(client: &Client, uris: &[&str]) -> Stream {
        Stream::open(client, json!({ "resourceSubscriptions": uris }))
    }

    /// The next message, which is a notification.
    #[track_caller]
    fn message(&mut self) -> Value {
        let message = self.events.message();
        let told = &message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
        assert_eq!(told, &self.id, "{message}");
        message
    }

    /// The URI that has changed, or `list`.
    #[track_caller]
    fn change(&mut self) -> String {
        let message = self.message();
        match message["method"].as_str() {
            Some("notifications/resources/list_changed") => "list".to_owned(),
            Some("notifications/resources/updated") => {
                message["params"]["uri"].as_str().expect("a URI").to_owned()
            }
            _ => panic!("{message}"),
        }
    }

    /// What has changed before this; what is there twice was told twice.
    #[track_caller]
    fn changes_before(&mut self, last: &str) -> Vec<String> {
        let mut changes = Vec::new();
        loop {
            match self.change() {
                change if change == last => break,
                change => changes.push(change),
            }
        }
        changes
    }

    /// Reads the graceful end, before which nothing more may be told.
    #[track_caller]
    fn ends(mut self) -> Events {
        let last = self.events.last();
        assert_eq!(last["id"], self.id, "{last}");
        let told = &last["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
        assert_eq!((&last["result"]["resultType"], told), (&json!("complete"), &self.id), "{last}");
        self.events
    }
}

/// A server and ada, who has these rows.
fn start() -> (Server, Client) {
    let server = Server::start();
    let mut ada = Client::new(&server, &server.token("ada@example.com", &[]));
    furnish(&mut ada);
    (server, ada)
}

/// Three tags and three entries, the first entry with the first tag, the second with the first two. The last of each
/// are for marks.
fn furnish(client: &mut Client) {
    let ids: Vec<_> = ["walks", "rain", "mark"]
        .map(|name| client.ok("create_tag", json!({ "name": name }))["tag"]["id"].clone())
        .into();
    for (title, tags) in [("Hills", &ids[..1]), ("Sea", &ids[..2]), ("Mark", &[])] {
        client.ok("create_entry", json!({ "title": title, "content": "x", "tags": tags }));
    }
}

fn database(server: &Server) -> Connection {
    server.folder.open()
}

/// How many threads the server has.
fn threads(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/task", server.pid())).expect("a process").count()
}

/// How much memory the server has in use, in KiB.
fn memory(server: &Server) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

// ---- What is told ----

#[test]
fn says_first_what_it_will_tell_and_under_which_id() {
    let (_server, ada) = start();
    for id in [json!(7), json!("7"), json!(""), json!(-1), json!("a \"quoted\"\nid é")] {
        let asked = json!({
            "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true, "further": 1,
            "resourceSubscriptions": ["epicme://tags", "epicme://entries/1"],
        });
        let stream = Stream::open_as(&ada, id, asked);
        let honoured = json!({
            "resourcesListChanged": true, "resourceSubscriptions": ["epicme://entries/1", "epicme://tags"],
        });
        assert_eq!(stream.honoured, honoured);
        assert!(stream.events.chunked);
    }
    for nothing in [
        json!({}),
        json!({ "toolsListChanged": true, "promptsListChanged": true }),
        json!({ "resourcesListChanged": false, "resourceSubscriptions": [] }),
    ] {
        assert_eq!(Stream::open(&ada, nothing).honoured, json!({}));
    }
}

#[test]
fn leaves_out_what_the_caller_may_not_read_as_what_is_not_there() {
    let (server, ada) = start();
    let mut bob = Client::new(&server, &server.token("bob@example.com", &[]));
    furnish(&mut bob);
    let everything = [
        "epicme://users/current",
        "epicme://entries",
        "epicme://entries/1",
        "epicme://tags",
        "epicme://tags/1",
        // Bob's, nobody's, and no names at all.
        "epicme://entries/4",
        "epicme://tags/4",
        "epicme://entries/99",
        "epicme://tags/99",
        "epicme://users/1",
        "epicme://entries/01",
        "epicme://entries/-1",
        "epicme://entries/",
        "epicme://tags/1?x",
        "EPICME://tags",
        "",
        "tags",
        "http://localhost/",
        "epicme://tags/9223372036854775808",
        "epicme://entries/{id}",
        "epicme://entries/%ff",
    ];
    let honoured = |scope: &str| {
        let client = Client::new(&server, &server.token("ada@example.com", &["--scope", scope]));
        let asked = json!({ "resourcesListChanged": true, "resourceSubscriptions": everything });
        Stream::open(&client, asked).honoured
    };
    let list = |uris: &[&str]| json!({ "resourcesListChanged": true, "resourceSubscriptions": uris });
    let readable = list(&[
        "epicme://users/current",
        "epicme://entries",
        "epicme://entries/1",
        "epicme://tags",
        "epicme://tags/1",
    ]);
    assert_eq!(honoured("user:read entries:read tags:read"), readable);
    assert_eq!(honoured("tags:read"), list(&["epicme://tags", "epicme://tags/1"]));
    let entries = json!({ "resourceSubscriptions": ["epicme://entries", "epicme://entries/1"] });
    assert_eq!(honoured("entries:read tags:write"), entries);
    assert_eq!(honoured("user:read"), json!({ "resourceSubscriptions": ["epicme://users/current"] }));
    assert_eq!(honoured("entries:write tags:write"), json!({}));
    // A URI is told as the client wrote it, and once for each thing.
    let mut stream = Stream::of(&ada, &["epicme://entries/%31", "epicme://entries/1", "epicme://tags/%33"]);
    assert_eq!(
        stream.honoured["resourceSubscriptions"],
        json!(["epicme://entries/%31", "epicme://tags/%33"])
    );
    let mut ada = ada;
    ada.ok("update_entry", json!({ "id": 1, "mood": "calm" }));
    ada.ok("update_tag", json!({ "id": 3, "description": "mark" }));
    assert_eq!(stream.changes_before("epicme://tags/%33"), ["epicme://entries/%31"]);
}

#[test]
fn refuses_what_it_can_not_read_and_opens_no_stream_for_it() {
    let (_server, mut ada) = start();
    let uris = |count: usize| json!({ "resourceSubscriptions": vec!["epicme://tags/1"; count] });
    let bad = [
        json!(null),
        json!([1]),
        json!(true),
        json!("all"),
        json!({ "resourcesListChanged": 1 }),
        json!({ "toolsListChanged": "true" }),
        json!({ "promptsListChanged": [] }),
        json!({ "resourceSubscriptions": "epicme://tags" }),
        json!({ "resourceSubscriptions": {} }),
        json!({ "resourceSubscriptions": ["epicme://tags", 1] }),
        json!({ "resourceSubscriptions": [null] }),
        uris(limits::SUBSCRIBED_URIS_MAX + 1),
    ];
    let refuse = |ada: &mut Client, message: &str| {
        let reply = ada.post(&FIELDS, message);
        assert_eq!(
            (reply.status, reply.json()["error"]["code"].clone()),
            (200, json!(-32602)),
            "{message:.300}"
        );
    };
    for notifications in bad {
        refuse(&mut ada, &listen(1, notifications));
    }
    let params = json!({ "_meta": modern_meta() });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params });
    refuse(&mut ada, &message.to_string());
    // Where a member is null the client asks for nothing by it.
    let unset =
        json!({ "resourcesListChanged": null, "toolsListChanged": null, "resourceSubscriptions": null });
    assert_eq!(Stream::open_as(&ada, 1, unset).honoured, json!({}));
    // An empty array is an object without members, or a list without elements.
    for empty in [json!([]), json!({ "resourceSubscriptions": [] })] {
        assert_eq!(Stream::open_as(&ada, 1, empty).honoured, json!({}));
    }
    assert_eq!(Stream::open(&ada, uris(limits::SUBSCRIBED_URIS_MAX)).honoured, uris(1));
    for (accept, status) in
        [("application/json", 406), ("application/json, text/event-stream;q=0", 406), ("text/html", 406)]
    {
        let fields = [&FIELDS[..], &[("Accept", accept)]].concat();
        assert_eq!(ada.post(&fields, &listen(1, json!({}))).status, status, "{accept}");
    }
    for accept in ["text/event-stream", "text/*", "*/*"] {
        let wire = ada.open(&[&FIELDS[..], &[("Accept", accept)]].concat(), &listen(1, json!({})));
        Stream::on(wire, json!(1));
    }
    // The method is the stateless revision's alone.
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": { "notifications": {} } });
    for version in ["2025-11-25", "2025-06-18", "2025-03-26"] {
        let error = ada.post(&[("MCP-Protocol-Version", version)], &message.to_string()).json();
        assert_eq!(error["error"]["code"], -32601);
    }
    let batch = ada.post(&[], &format!("[{message}]")).json();
    assert_eq!(batch[0]["error"]["code"], -32601, "{batch}");
    assert_eq!(ada.post(&FIELDS, &format!("[{}]", listen(1, json!({})))).status, 400);
}

/// A change, and the URIs (without `epicme://`) and `list` that it is told by.
fn changes() -> Vec<(&'static str, Value, &'static str)> {
    let entry = |id: i64| json!({ "id": id });
    vec![
        ("create_entry", json!({ "title": "New", "content": "x" }), "entries"),
        ("create_entry", json!({ "title": "New", "content": "x", "tags": [1, 2] }), "entries"),
        ("create_entry", json!({ "title": "New", "content": "x", "tags": [1, 99] }), ""),
        ("create_entry", json!({ "title": "" }), ""),
        ("update_entry", json!({ "id": 1, "title": "Mountains" }), "entries entries/1"),
        ("update_entry", json!({ "id": 1, "content": "y" }), "entries entries/1"),
        ("update_entry", json!({ "id": 1, "mood": "calm" }), "entries entries/1"),
        ("update_entry", json!({ "id": 1, "location": "x" }), "entries entries/1"),
        ("update_entry", json!({ "id": 1, "weather": null }), "entries entries/1"),
        ("update_entry", json!({ "id": 1, "isPrivate": 0 }), "entries entries/1"),
        ("update_entry", json!({ "id": 1, "isFavorite": 1 }), "entries entries/1"),
        ("update_entry", entry(1), ""),
        ("update_entry", json!({ "id": 99, "title": "x" }), ""),
        ("add_tag_to_entry", json!({ "entryId": 1, "tagId": 2 }), "entries entries/1"),
        ("add_tag_to_entry", json!({ "entryId": 1, "tagId": 2 }), ""),
        ("add_tag_to_entry", json!({ "entryId": 1, "tagId": 99 }), ""),
        ("remove_tag_from_entry", json!({ "entryId": 1, "tagId": 2 }), "entries entries/1"),
        ("remove_tag_from_entry", json!({ "entryId": 1, "tagId": 2 }), ""),
        ("create_tag", json!({ "name": "new" }), "list tags"),
        ("create_tag", json!({ "name": "walks" }), ""),
        ("update_tag", json!({ "id": 2, "description": "wet" }), "tags tags/2"),
        ("update_tag", json!({ "id": 2, "name": "rain" }), "tags tags/2"),
        ("update_tag", json!({ "id": 2, "name": "storms" }), "entries/2 list tags tags/2"),
        (
            "update_tag",
            json!({ "id": 1, "name": "hikes", "description": "x" }),
            "entries/1 entries/2 list tags tags/1",
        ),
        ("update_tag", entry(2), ""),
        ("update_tag", json!({ "id": 2, "name": "hikes" }), ""),
        ("delete_tag", entry(1), "entries entries/1 entries/2 list tags tags/1"),
        ("delete_tag", entry(1), ""),
        ("delete_entry", entry(2), "entries entries/2"),
        ("delete_entry", entry(2), ""),
        ("delete_tag", entry(4), "list tags"), // no entry has it
        ("delete_tag", entry(2), "entries list tags tags/2"),
        (
            "create_entry",
            json!({ "title": "New", "content": "x", "tagNames": ["fresh"] }),
            "entries list tags",
        ),
        ("create_entry", json!({ "title": "New", "content": "x", "tagNames": ["fresh"] }), "entries"),
        ("update_entry", json!({ "id": 1, "tagNames": ["fresh"] }), "entries entries/1"),
        ("update_entry", json!({ "id": 1, "tagNames": ["fresh"] }), ""),
        ("update_entry", json!({ "id": 1, "tagNames": ["fresher"] }), "entries entries/1 list tags"),
        ("update_entry", json!({ "id": 99, "tagNames": ["freshest"] }), ""),
        ("update_entry", json!({ "id": 1, "append": "z" }), "entries entries/1"),
        ("merge_tags", json!({ "fromId": 6, "intoId": 5 }), "entries entries/1 list tags"),
        ("merge_tags", json!({ "fromId": 6, "intoId": 5 }), ""),
        ("merge_tags", json!({ "fromId": 5, "intoId": 5 }), ""),
        ("list_entries", json!({}), ""),
        ("get_tag", entry(3), ""),
        ("whoami", json!({}), ""),
    ]
}

#[test]
fn tells_of_each_change_what_it_touches_and_nothing_else() {
    let all = ["users/current", "entries", "entries/1", "entries/2", "tags", "tags/1", "tags/2", "list"];
    // The mark is of the other family, so that it can't run together with what is looked at.
    for (family, mark, tool, other) in [
        ("entries", "epicme://tags/3", "update_tag", json!({ "id": 3, "description": "mark" })),
        ("tags", "epicme://entries/3", "update_entry", json!({ "id": 3, "mood": "mark" })),
    ] {
        let (_server, mut ada) = start();
        let is_told = |uri: &str| uri.starts_with(family) || ["list", "users/current"].contains(&uri);
        let mut uris: Vec<_> = all
            .iter()
            .filter(|uri| is_told(uri) && **uri != "list")
            .map(|uri| format!("epicme://{uri}"))
            .collect();
        uris.push(mark.to_owned());
        let asked = json!({ "resourcesListChanged": true, "resourceSubscriptions": uris });
        let mut stream = Stream::open(&ada, asked);
        for (change, arguments, touched) in changes() {
            ada.call(change, arguments.clone());
            ada.ok(tool, other.clone());
            let touched: Vec<_> = touched.split_whitespace().filter(|uri| is_told(uri)).collect();
            let mut told = stream.changes_before(mark);
            // Change and mark may come together, in the order of the set: what then stands behind the mark comes before
            // the next one.
            ada.ok(tool, other.clone());
            told.extend(stream.changes_before(mark));
            let mut told: Vec<_> = told.iter().map(|uri| uri.trim_start_matches("epicme://")).collect();
            told.sort_unstable();
            assert_eq!(told, touched, "{change} {arguments}");
        }
    }
}

#[test]
fn tells_nobody_of_another_persons_changes() {
    let (server, mut ada) = start();
    let mut bob = Client::new(&server, &server.token("bob@example.com", &[]));
    server.folder.give_ids_after(2, 90, 90);
    furnish(&mut bob);
    let uris: Vec<_> = [1, 2, 3, 91, 92, 93]
        .into_iter()
        .flat_map(|id| ["entries", "tags"].map(|rows| format!("epicme://{rows}/{id}")))
        .collect();
    let shared = ["epicme://users/current", "epicme://entries", "epicme://tags"].map(str::to_owned);
    let asked =
        json!({ "resourcesListChanged": true, "resourceSubscriptions": ([&uris[..], &shared].concat()) });
    let mut hers = Stream::open(&ada, asked.clone());
    let mut his = Stream::open(&bob, asked);
    let count = |stream: &Stream| stream.honoured["resourceSubscriptions"].as_array().map(Vec::len);
    assert_eq!((count(&hers), count(&his)), (Some(9), Some(9)));
    let mut told = 0;
    for (change, arguments, touched) in changes() {
        ada.call(change, arguments.clone());
        told += usize::from(!touched.is_empty());
        // Her attempts on his rows are no changes either.
        for key in ["id", "entryId", "tagId"] {
            if let Some(id) = arguments[key].as_i64().filter(|id| *id < 4) {
                let mut his_row = arguments.clone();
                his_row[key] = (id + 90).into();
                assert_eq!(ada.call(change, his_row)["isError"], true);
            }
        }
    }
    bob.ok("update_entry", json!({ "id": 93, "mood": "mark" }));
    assert_eq!(his.changes_before("epicme://entries/93"), ["epicme://entries"]);
    ada.ok("update_entry", json!({ "id": 3, "mood": "mark" }));
    let hers_told = hers.changes_before("epicme://entries/3");
    assert!(
        hers_told.len() >= told.min(8) && hers_told.iter().all(|uri| !uri.contains("/9")),
        "{hers_told:?}"
    );
    // And the other way round: of what he did she was told nothing.
    bob.ok("update_tag", json!({ "id": 91, "name": "hikes" }));
    bob.ok("delete_entry", json!({ "id": 91 }));
    ada.ok("update_tag", json!({ "id": 3, "description": "mark" }));
    assert_eq!(hers.changes_before("epicme://tags/3"), ["epicme://tags"]);
}

#[test]
fn tells_every_stream_of_a_person_whoever_caused_the_change() {
    let (server, mut ada) = start();
    let mut streams: Vec<_> = (0..limits::STREAMS_PER_PERSON_MAX)
        .map(|id| {
            Stream::open_as(&ada, id as i64, json!({ "resourceSubscriptions": ["epicme://entries/1"] }))
        })
        .collect();
    let token = server.token("ada@example.com", &["--scope", "entries:write"]);
    let mut writer = Client::new(&server, &token);
    for client in [&mut ada, &mut writer] {
        client.ok("update_entry", json!({ "id": 1, "mood": "calm" }));
        for stream in &mut streams {
            assert_eq!(stream.change(), "epicme://entries/1");
        }
    }
}

#[test]
fn tells_what_happens_from_the_acknowledgement_on() {
    let (_server, mut ada) = start();
    let asked = json!({ "resourceSubscriptions": ["epicme://entries/1"] });
    for round in 0..40 {
        // A place is free as soon as the server has noticed that the last stream's client has gone.
        let mut events = None;
        eventually("a place is free", || {
            events = listening(&ada, 1, asked.clone()).stream().ok();
            events.is_some()
        });
        let mut stream = Stream::read(events.expect("a stream"), json!(1));
        ada.ok("update_entry", json!({ "id": 1, "mood": round.to_string() }));
        assert_eq!(stream.change(), "epicme://entries/1");
    }
}

#[test]
fn tells_of_a_change_only_after_its_commit() {
    let (server, mut ada) = start();
    let mut writer = Client::new(&server, &server.token("ada@example.com", &[]));
    let mut stream = Stream::of(&ada, &["epicme://entries/1"]);
    for round in 0..100 {
        let mood = format!("round {round}");
        thread::scope(|scope| {
            let written = scope.spawn(|| writer.ok("update_entry", json!({ "id": 1, "mood": mood })));
            // Often before the writer has its answer.
            assert_eq!(stream.change(), "epicme://entries/1");
            assert_eq!(ada.ok("get_entry", json!({ "id": 1 }))["entry"]["mood"], mood);
            written.join().expect("a result");
        });
    }
}

#[test]
fn tells_of_no_change_that_kill_could_take_back() {
    let folder = Arc::new(Folder::new());
    let token = folder.token("ada@example.com", &[]);
    let mut server = Server::start_in(folder.clone(), &[]);
    let mut ada = Client::new(&server, &token);
    furnish(&mut ada);
    for round in 0..10 {
        let mood = format!("round {round}");
        let mut stream = Stream::of(&ada, &["epicme://entries/1"]);
        let params = json!({ "name": "update_entry", "arguments": { "id": 1, "mood": mood } });
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let in_flight = ada.open(&[], &message.to_string());
        assert_eq!(stream.change(), "epicme://entries/1");
        server.kill();
        drop(in_flight);
        server = Server::start_in(folder.clone(), &[]);
        ada = Client::new(&server, &token);
        assert_eq!(ada.ok("get_entry", json!({ "id": 1 }))["entry"]["mood"], mood);
    }
}

// ---- What a stream costs ----

/// Gives the first tag to so many more entries of ada's that one rename of it is told by as many messages as one
/// subscription can have; a few dozen renames fill every buffer on the way. Gives the URIs.
fn prepare_bursts(server: &Server) -> Vec<String> {
    let last = limits::SUBSCRIBED_URIS_MAX as i64 + 3;
    let sql = format!(
        "WITH RECURSIVE n (i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n WHERE i < {last})
         INSERT INTO made_entries (id, user_id, title, content, created_at, updated_at)
             SELECT i, 1, 'x', 'x', 0, 0 FROM n;
         INSERT INTO made_links (user_id, entry_id, tag_id, created_at)
             SELECT 1, id, 1, 0 FROM entries WHERE id > 3"
    );
    database(server).execute_batch(&sql).expect("entries");
    (4..=last).map(|id| format!("epicme://entries/{id}")).collect()
}

/// Subscribes with an id that makes every message long.
fn open_wordy(client: &Client, uris: &[String]) -> Stream {
    let long = "x".repeat(limits::REQUEST_ID_BYTES_MAX);
    Stream::open_as(client, long, json!({ "resourceSubscriptions": uris }))
}

fn rename(client: &mut Client, number: usize) {
    client.ok("update_tag", json!({ "id": 1, "name": format!("name {number}") }));
}

#[test]
fn costs_nobody_anything_where_nobody_reads() {
    let (mut server, mut ada) = start();
    let deaf = open_wordy(&ada, &prepare_bursts(&server));
    let mut listening = Stream::of(&ada, &["epicme://tags/1", "epicme://tags/3"]);
    for number in 0..50 {
        rename(&mut ada, number);
    }
    let (before, occupied) = (memory(&server), threads(&server));
    for number in 0..1000 {
        rename(&mut ada, number);
        if number % 100 == 0 {
            assert_eq!(listening.change(), "epicme://tags/1", "others are told meanwhile");
        }
    }
    ada.ok("update_tag", json!({ "id": 3, "description": "mark" }));
    listening.changes_before("epicme://tags/3");
    assert!(threads(&server) <= occupied, "{} threads of {occupied}", threads(&server));
    let grown = memory(&server) - before;
    assert!(grown < 32 * 1024, "{grown} KiB more");
    assert_eq!(server.signal("TERM"), Some(0), "it isn't waited for");
    drop(deaf);
}

/// How many bytes the server has written on this connection that its client hasn't read.
fn unread(server: &Server, client: SocketAddr) -> u64 {
    let ports = [format!(":{:04X}", server.address.port()), format!(":{:04X}", client.port())];
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
    let queues = table.lines().filter_map(|line| {
        let cells: Vec<_> = line.split_whitespace().collect();
        let (sent, received) = cells.get(4)?.split_once(':')?;
        let is = |from: &String, to: &String| cells[1].ends_with(from) && cells[2].ends_with(to);
        match (is(&ports[0], &ports[1]), is(&ports[1], &ports[0])) {
            (true, _) => u64::from_str_radix(sent, 16).ok(),
            (_, true) => u64::from_str_radix(received, 16).ok(),
            _ => None,
        }
    });
    queues.sum()
}

#[test]
fn tells_a_slow_reader_no_more_of_a_burst_once_its_token_is_revoked() {
    let (server, mut ada) = start();
    let uris = prepare_bursts(&server);
    for number in 0..3 {
        let client = Client::new(&server, &server.token("ada@example.com", &[]));
        let mut slow = open_wordy(&client, &uris);
        let address = slow.events.address();
        // Full is what takes nothing for as long as a writer trusts in the gate without asking it again.
        let (mut written, mut since, mut renamed) = (0, Instant::now(), 0);
        while since.elapsed() < 2 * limits::STREAM_LOOK {
            rename(&mut ada, renamed);
            renamed += 1;
            let now = unread(&server, address);
            if now > written {
                (written, since) = (now, Instant::now());
            }
        }
        assert!(written > 100_000, "{written} bytes are waiting after {renamed} renames");
        assert!(server.folder.epicme(&["token", "revoke", &(number + 2).to_string()], "").status.success());
        let mut last = String::new();
        while let Some(message) = slow.events.next() {
            match message["params"]["uri"].as_str() {
                Some(uri) => last = uri.to_owned(),
                None => assert_eq!(message["result"]["resultType"], "complete"),
            }
        }
        // The buffers were full in the middle of a burst, but for one chance in five hundred.
        if Some(&last) != uris.last() {
            return;
        }
    }
    panic!("each burst was told to its end");
}

#[test]
fn runs_together_what_nobody_has_read_yet() {
    let (server, mut ada) = start();
    let mut stream = Stream::of(&ada, &["epicme://entries/1", "epicme://entries/3"]);
    let writers = 4;
    thread::scope(|scope| {
        for _ in 0..writers {
            let mut writer = Client::new(&server, &server.token("ada@example.com", &[]));
            scope.spawn(move || {
                for number in 0..50 {
                    writer.ok("update_entry", json!({ "id": 1, "mood": number.to_string() }));
                }
            });
        }
    });
    ada.ok("update_entry", json!({ "id": 3, "mood": "mark" }));
    let told = stream.changes_before("epicme://entries/3").len();
    assert!((1..=writers * 50).contains(&told), "{told}");
}

#[test]
fn bounds_the_streams_of_one_person_and_gives_places_back() {
    let (server, mut ada) = start();
    let mut bob = Client::new(&server, &server.token("bob@example.com", &[]));
    furnish(&mut bob);
    let quiet = threads(&server);
    for _ in 0..2 {
        let mut open = Vec::new();
        eventually("eight places are free", || {
            open.extend(listening(&ada, 1, json!({ "resourcesListChanged": true })).stream());
            open.len() == limits::STREAMS_PER_PERSON_MAX
        });
        let refused = ada.post(&FIELDS, &listen("ninth", json!({})));
        let error = refused.json();
        assert_eq!(
            (refused.status, &error["error"]["code"], &error["id"]),
            (200, &json!(-32603), &json!("ninth"))
        );
        assert!(error["error"]["message"].as_str().is_some_and(|text| text.contains("limit")), "{error}");
        // Another token of hers is no way round it; another person isn't touched, and she is served as ever.
        let mut hers = Client::new(&server, &server.token("ada@example.com", &[]));
        assert_eq!(hers.post(&FIELDS, &listen(1, json!({}))).json()["error"]["code"], -32603);
        Stream::open(&bob, json!({}));
        ada.ok("create_tag", json!({ "name": format!("tag {}", threads(&server)) }));
        ada.ok("delete_tag", json!({ "id": ada_newest(&server) }));
        drop(open); // without an event, too
    }
    eventually("their threads have ended", || threads(&server) <= quiet + 1);
}

fn ada_newest(server: &Server) -> i64 {
    let newest = "SELECT max(id) FROM tags WHERE user_id = 1";
    database(server).query_row(newest, [], |row| row.get(0)).expect("a tag")
}

#[test]
fn bounds_the_streams_of_all_together() {
    let server = Server::start();
    server.token("first@example.com", &[]);
    let people = limits::STREAMS_MAX / limits::STREAMS_PER_PERSON_MAX;
    let adding = "INSERT INTO users (email, password_hash, created_at, updated_at) VALUES (?1, 'x', 0, 0)";
    let clients: Vec<_> = (0..=people)
        .map(|number| {
            let email = format!("person{number}@example.com");
            database(&server).execute(adding, [&email]).expect("a person");
            let made = server.folder.epicme(&["token", "create", &email], "");
            Client::new(&server, String::from_utf8(made.stdout).expect("a token").trim_end())
        })
        .collect();
    let (last, others) = clients.split_last().expect("people");
    let mut open: Vec<_> = others
        .iter()
        .flat_map(|client| (0..limits::STREAMS_PER_PERSON_MAX).map(|_| Stream::open(client, json!({}))))
        .collect();
    assert_eq!(open.len(), limits::STREAMS_MAX);
    let mut refused = listening(last, 1, json!({}));
    assert_eq!(refused.reply().expect("an answer").json()["error"]["code"], -32603);
    assert_eq!(
        last.open(&[], r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).reply().expect("an answer").status,
        200
    );
    open.pop();
    eventually("the place is free", || listening(last, 1, json!({})).stream().is_ok());
}

// ---- How a stream ends ----

#[test]
fn tells_nothing_more_once_the_token_is_revoked() {
    let (server, mut ada) = start();
    let token = server.token("ada@example.com", &[]);
    let client = Client::new(&server, &token);
    let mut stream = Stream::of(&client, &["epicme://entries/1"]);
    ada.ok("update_entry", json!({ "id": 1, "mood": "calm" }));
    assert_eq!(stream.change(), "epicme://entries/1");
    assert!(server.folder.epicme(&["token", "revoke", "2"], "").status.success());
    ada.ok("update_entry", json!({ "id": 1, "mood": "secret" }));
    // The connection goes on, and its next request is refused.
    let mut wire = stream.ends().into_wire();
    wire.write(client.bytes(&FIELDS, &listen(1, json!({}))));
    assert_eq!(wire.reply().expect("an answer").status, 401);
    // The same for what else takes the token's right away.
    for sql in [
        "UPDATE tokens SET expires_at = 1 WHERE id = 3",
        "UPDATE tokens SET scope = 'tags:read' WHERE id = 4",
        "UPDATE tokens SET resource = 'elsewhere' WHERE id = 5",
        "UPDATE tokens SET user_id = 2 WHERE id = 6",
        "DELETE FROM tokens WHERE id = 7",
    ] {
        let client = Client::new(&server, &server.token("ada@example.com", &[]));
        let stream = Stream::of(&client, &["epicme://entries/1"]);
        let bob = "INSERT OR IGNORE INTO users (id, email, password_hash, created_at, updated_at)
                   VALUES (2, 'bob@example.com', 'x', 0, 0)";
        database(&server).execute_batch(&format!("{bob}; {sql}")).expect("the change");
        ada.ok("update_entry", json!({ "id": 1, "mood": "secret" }));
        stream.ends();
    }
}

#[test]
fn ends_with_the_token() {
    let (server, _) = start();
    let client = Client::new(&server, &server.token("ada@example.com", &["--expires", "3s"]));
    Stream::of(&client, &["epicme://entries/1"]).ends();
}

#[test]
fn ends_by_a_notification_of_the_same_client_that_names_its_request() {
    let (server, mut ada) = start();
    let mut bob = Client::new(&server, &server.token("bob@example.com", &[]));
    furnish(&mut bob);
    let list = || json!({ "resourcesListChanged": true });
    let (meant, other) = (Stream::open_as(&ada, "s1", list()), Stream::open_as(&ada, "s2", list()));
    let (number, bobs) = (Stream::open_as(&ada, 1, list()), Stream::open_as(&bob, "s1", list()));
    let mut cancel = |id: Value| {
        let params = json!({ "requestId": id, "_meta": modern_meta() });
        let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
        assert_eq!(ada.post(&FIELDS[..1], &cancelled.to_string()).status, 202);
    };
    for nothing in [json!("s3"), json!("1"), json!(2), json!(null), json!({}), json!("s1")] {
        cancel(nothing);
    }
    meant.ends();
    // Ids are counted from the same number everywhere: another client of hers doesn't end it.
    let mut elsewhere = Client::new(&server, &server.token("ada@example.com", &[]));
    let params = json!({ "requestId": "s2", "_meta": modern_meta() });
    let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
    assert_eq!(elsewhere.post(&FIELDS[..1], &cancelled.to_string()).status, 202);
    for person in [&mut ada, &mut bob] {
        person.ok("create_tag", json!({ "name": "later" }));
    }
    for mut open in [other, number, bobs] {
        assert_eq!(open.change(), "list");
    }
}

#[test]
fn ends_gracefully_when_the_server_stops() {
    let (mut server, ada) = start();
    let streams: Vec<_> = (0..limits::STREAMS_PER_PERSON_MAX)
        .map(|id| Stream::open_as(&ada, format!("s{id}"), json!({ "resourcesListChanged": true })))
        .collect();
    assert_eq!(server.signal("TERM"), Some(0));
    for stream in streams {
        assert!(stream.ends().into_wire().is_closed());
    }
}

#[test]
fn ends_every_stream_that_begins_while_the_server_stops() {
    let mut server = Server::start();
    let people: Vec<_> = (0..4).map(|number| format!("person{number}@example.com")).collect();
    let clients: Vec<_> =
        people.iter().map(|email| Client::new(&server, &server.token(email, &[]))).collect();
    let (some, stopped) = mpsc::channel();
    thread::scope(|scope| {
        for (client, some) in clients.iter().zip(iter::repeat(some)) {
            let mut wires: Vec<_> = (0..limits::STREAMS_PER_PERSON_MAX).map(|_| server.connect()).collect();
            scope.spawn(move || {
                for wire in &mut wires {
                    wire.write(client.bytes(&FIELDS, &listen(1, json!({}))));
                    let _ = some.send(());
                }
                drop(some);
                // None is left open: each is told of its end, or why it doesn't begin, or was never answered.
                for wire in wires {
                    match wire.stream() {
                        Ok(events) => Stream::read(events, json!(1)).ends().into_wire(),
                        Err(None) => continue,
                        Err(Some(reply)) => {
                            // By MCP, or by HTTP if it hasn't been read.
                            let told = String::from_utf8_lossy(&reply.body);
                            assert!(told.contains("stopping"), "{} {told}", reply.status);
                            continue;
                        }
                    };
                }
            });
        }
        stopped.recv().expect("the first one");
        stopped.recv().expect("another one");
        assert_eq!(server.signal("TERM"), Some(0));
    });
}

#[test]
fn takes_a_client_that_closes_its_side_for_gone() {
    let (server, mut ada) = start();
    let quiet = threads(&server);
    let mut stream = Stream::of(&ada, &["epicme://entries/1"]);
    stream.events.finish();
    assert_eq!(stream.events.next(), None, "nobody waits for a result");
    let streams: Vec<_> =
        (0..limits::STREAMS_PER_PERSON_MAX).map(|_| Stream::of(&ada, &["epicme://entries/1"])).collect();
    assert!(threads(&server) > quiet);
    drop(streams);
    ada.ok("update_entry", json!({ "id": 1, "mood": "calm" }));
    eventually("their threads have ended", || threads(&server) <= quiet);
}

#[test]
fn ends_with_the_connection_in_http_1_0() {
    let (server, mut ada) = start();
    let token = server.token("ada@example.com", &[]);
    let client = Client::new(&server, &token);
    let asked = client.bytes(&FIELDS, &listen(1, json!({ "resourceSubscriptions": ["epicme://entries/1"] })));
    let asked = String::from_utf8(asked).expect("text").replacen("HTTP/1.1", "HTTP/1.0", 1);
    let mut wire = server.connect();
    wire.write(asked);
    let mut stream = Stream::on(wire, json!(1));
    assert!(!stream.events.chunked, "chunks came with HTTP/1.1");
    ada.ok("update_entry", json!({ "id": 1, "mood": "calm" }));
    assert_eq!(stream.change(), "epicme://entries/1");
    assert!(server.folder.epicme(&["token", "revoke", "2"], "").status.success());
    ada.ok("update_entry", json!({ "id": 1, "mood": "secret" }));
    stream.ends();
}

#[test]
fn keeps_a_quiet_stream_alive_and_looks_at_the_token_meanwhile() {
    let (server, mut ada) = start();
    let mut stream = Stream::of(&ada, &["epicme://entries/1"]);
    let revoked = Client::new(&server, &server.token("ada@example.com", &[]));
    let barred = Stream::of(&revoked, &["epicme://entries/1"]);
    assert!(server.folder.epicme(&["token", "revoke", "2"], "").status.success());
    stream.events.wait_for_keep_alive();
    ada.ok("update_entry", json!({ "id": 1, "mood": "calm" }));
    assert_eq!(stream.change(), "epicme://entries/1");
    barred.ends();
}
