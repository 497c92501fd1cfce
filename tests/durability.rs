//! What was acknowledged is still there: after `kill -9`, after a torn log, while others hold the lock.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use epicme::limits;
use epicme::store::{Derived, Store, StoreError};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::counts;
use crate::support::{Client, Folder, PATIENCE, Server, eventually, request};

/// Writes entries until the server goes away, changes each and deletes another, and counts those that were
/// acknowledged; gives their titles.
fn write_until_killed(
    server: &Server,
    token: &str,
    writer: usize,
    count: &Arc<AtomicUsize>,
) -> impl FnOnce() -> Vec<String> + use<> {
    let (mut wire, count) = (server.connect(), Arc::clone(count));
    let (host, bearer) = (server.address.to_string(), format!("Bearer {token}"));
    // The structured content of the answer, or `None` when the server is gone.
    let mut call = move |tool: &str, arguments: Value| {
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool, "arguments": arguments },
        });
        let fields = [
            ("Host", host.as_str()),
            ("Authorization", &bearer),
            ("Content-Type", "application/json"),
            ("MCP-Protocol-Version", "2025-11-25"),
        ];
        wire.write(request("POST", "/mcp", &fields, &call.to_string()));
        // The killed server's socket ends in the middle of anything.
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| wire.reply())) {
            Ok(Some(reply)) if reply.status == 200 => {
                let mut answer = reply.json();
                assert!(answer["result"]["isError"].is_null(), "{answer}");
                Some(answer["result"]["structuredContent"].take())
            }
            _ => None,
        }
    };
    move || {
        let mut acknowledged = Vec::new();
        for number in 0.. {
            let title = format!("entry {writer}.{number}");
            let mood = ["calm", "tired"][number % 2];
            let new = json!({ "title": title, "content": "first words", "mood": mood });
            let Some(made) = call("create_entry", new) else { break };
            acknowledged.push(title);
            count.fetch_add(1, Ordering::SeqCst);
            let change = json!({ "id": made["entry"]["id"], "content": "second thoughts", "isFavorite": 1 });
            if call("update_entry", change).is_none() {
                break;
            }
            let Some(made) = call("create_entry", json!({ "title": "short-lived", "content": "x" })) else {
                break;
            };
            if call("delete_entry", json!({ "id": made["entry"]["id"] })).is_none() {
                break;
            }
        }
        acknowledged
    }
}

#[test]
fn keeps_every_acknowledged_entry_after_kill() {
    let folder = Arc::new(Folder::new());
    let token = folder.token("ada@example.com", &[]);
    let mut acknowledged: Vec<String> = Vec::new();
    for cycle in 0..10 {
        let mut server = Server::start_in(folder.clone(), &[]);
        let count: Arc<AtomicUsize> = Arc::default();
        let writers: Vec<_> = (0..8)
            .map(|writer| thread::spawn(write_until_killed(&server, &token, cycle * 8 + writer, &count)))
            .collect();
        eventually("some writes are acknowledged", || count.load(Ordering::SeqCst) > 10);
        // Not a fixed number of writes: each cycle is killed at another moment of the writer's work.
        thread::sleep(Duration::from_millis(17 * cycle as u64));
        server.kill();
        for writer in writers {
            acknowledged.extend(writer.join().expect("a writer ends"));
        }
        check_integrity(&folder.database());
    }
    assert!(acknowledged.len() > 100, "only {} writes were acknowledged", acknowledged.len());
    let server = Server::start_in(folder.clone(), &[]);
    let mut client = Client::new(&server, &token);
    let mut found = Vec::new();
    let mut arguments = json!({ "limit": 200 });
    loop {
        let page = client.ok("list_entries", arguments.clone());
        let entries = page["entries"].as_array().expect("entries");
        found.extend(entries.iter().map(|entry| entry["title"].as_str().expect("a title").to_owned()));
        match page["nextCursor"].as_str() {
            Some(cursor) => arguments["cursor"] = cursor.into(),
            None => break,
        }
    }
    found.retain(|title| title != "short-lived"); // a few were made and not yet deleted
    found.sort_unstable();
    assert!(found.windows(2).all(|pair| pair[0] != pair[1]), "nothing is there twice");
    let lost: Vec<_> = acknowledged.iter().filter(|title| found.binary_search(title).is_err()).collect();
    assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), acknowledged.len());
    drop(server);
    check_integrity(&folder.database());
}

/// The file is sound, its search index and its counts included.
#[track_caller]
pub fn check_integrity(database: &Path) {
    let connection = Connection::open(database).expect("the database");
    let sound: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
    assert_eq!(sound, "ok");
    let dangling =
        connection.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0));
    assert_eq!(dangling, Ok(0));
    check_index(&connection);
    counts::check(&connection);
}

/// The search index is sound, and has just the terms of the entries.
#[track_caller]
fn check_index(connection: &Connection) {
    let check = "INSERT INTO search_index (search_index, rank) VALUES ('integrity-check', 1)";
    connection.execute(check, []).expect("a sound index");
    // Each column of each row, as its terms.
    let rows = |sql: &str| {
        let mut select = connection.prepare(sql).expect("a statement");
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
        rows.expect("rows").collect::<Result<Vec<(i64, String, i64, String)>, _>>().expect("texts")
    };
    connection
        .execute_batch("CREATE VIRTUAL TABLE temp.terms USING fts5vocab('main', 'search_index', 'instance')")
        .expect("the terms");
    let kept =
        rows("SELECT doc, col, 0, group_concat(term, ' ' ORDER BY offset) FROM terms GROUP BY doc, col");
    let kept: BTreeSet<_> = kept.into_iter().map(|(row, column, _, terms)| (row, column, terms)).collect();
    let texts = rows(
        "SELECT row_id, 'title', user_id, title FROM entries
         UNION ALL SELECT row_id, 'content', user_id, content FROM entries
         UNION ALL SELECT row_id, 'mood', user_id, mood FROM entries WHERE mood IS NOT NULL
         UNION ALL SELECT row_id, 'location', user_id, location FROM entries WHERE location IS NOT NULL
         UNION ALL SELECT row_id, 'weather', user_id, weather FROM entries WHERE weather IS NOT NULL",
    );
    let made = texts.into_iter().map(|(row, column, owner, text)| {
        (row, column, epicme::terms::index_text(&format!("{owner}:"), &text).trim().to_owned())
    });
    let made: BTreeSet<_> = made.filter(|(_, _, terms)| !terms.is_empty()).collect();
    let wrong: Vec<_> = made.symmetric_difference(&kept).take(3).collect();
    assert!(wrong.is_empty(), "the index differs from the entries: {wrong:?}");
}

#[test]
fn keeps_a_whole_prefix_wherever_the_log_is_cut() {
    let folder = Arc::new(Folder::new());
    let token = folder.token("ada@example.com", &[]);
    let mut server = Server::start_in(folder.clone(), &[]);
    let mut client = Client::new(&server, &token);
    for number in 1..=12 {
        client.ok("create_entry", json!({ "title": format!("entry {number}"), "content": "some words" }));
    }
    server.kill(); // so that the log isn't moved into the database
    let database = folder.database();
    let log = fs::read(database.with_extension("db-wal")).expect("a log");
    let base = fs::read(&database).expect("the database");
    let (header, frame) = (32, 24 + 4096);
    assert!(log.len() > header + 12 * frame && (log.len() - header).is_multiple_of(frame));
    let mut counts = Vec::new();
    for cut in (header..=log.len()).step_by(frame) {
        // Cut at the boundary, and torn in the middle of the next frame.
        for end in [cut, (cut + frame / 2).min(log.len())] {
            let torn = Folder::new();
            fs::write(torn.database(), &base).expect("a copy");
            fs::write(torn.database().with_extension("db-wal"), &log[..end]).expect("a cut log");
            let connection = Connection::open(torn.database()).expect("the copy opens");
            let titles = connection.prepare("SELECT title FROM entries ORDER BY id").and_then(|mut rows| {
                rows.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()
            });
            // Before the frames that made the tables there are no tables, which is a whole prefix too.
            let titles = titles.unwrap_or_default();
            let expected: Vec<_> = (1..=titles.len()).map(|number| format!("entry {number}")).collect();
            assert_eq!(titles, expected, "cut at {end}");
            drop(connection);
            if !titles.is_empty() {
                check_integrity(&torn.database());
            }
            counts.push(titles.len());
        }
    }
    assert!(counts.is_sorted(), "{counts:?}");
    assert_eq!(counts.last(), Some(&12));
}

#[test]
fn indexes_at_the_start_what_another_program_has_written() {
    let folder = Arc::new(Folder::new());
    let token = folder.token("ada@example.com", &[]);
    let mut server = Server::start_in(folder.clone(), &[]);
    let mut client = Client::new(&server, &token);
    client.ok("create_entry", json!({ "title": "first", "content": "an old word" }));
    client.ok("create_entry", json!({ "title": "second", "content": "an old word" }));
    server.kill();
    folder.tamper(
        "INSERT INTO made_entries (user_id, title, content, created_at, updated_at) VALUES (1, 'third', 'foreign', 0, 0)",
    );
    let server = Server::start_in(folder.clone(), &[]);
    let mut client = Client::new(&server, &token);
    for (query, total) in [("foreign", 1), ("old", 2), ("third", 1), ("second", 1)] {
        assert_eq!(client.ok("search_entries", json!({ "query": query }))["total"], total, "{query}");
    }
    check_integrity(&folder.database());
}

#[test]
fn moves_what_a_crash_has_left_in_the_log_into_the_file_at_the_start() {
    let folder = Arc::new(Folder::new());
    let token = folder.token("ada@example.com", &[]);
    let mut server = Server::start_in(folder.clone(), &[]);
    let mut client = Client::new(&server, &token);
    for number in 0..20 {
        client.ok("create_entry", json!({ "title": format!("entry {number}"), "content": "" }));
    }
    server.kill();
    let written = || fs::metadata(folder.database().with_extension("db-wal")).map_or(0, |log| log.len());
    let left = written();
    let _server = Server::start_in(folder.clone(), &[]);
    assert!(written() < left, "the log of {left} bytes starts over");
    let alone = Folder::new();
    fs::copy(folder.database(), alone.database()).expect("a copy without the log");
    assert_eq!(alone.count("entries"), 20);
}

#[test]
fn has_everything_in_the_database_file_alone_when_nothing_is_written_for_a_while() {
    let folder = Arc::new(Folder::new());
    let token = folder.token("ada@example.com", &[]);
    let server = Server::start_in(folder.clone(), &[]);
    let mut client = Client::new(&server, &token);
    for number in 0..20 {
        client.ok("create_entry", json!({ "title": format!("entry {number}"), "content": "" }));
    }
    let copied = || {
        let alone = Folder::new();
        fs::copy(folder.database(), alone.database()).expect("a copy without the log");
        Connection::open(alone.database())
            .and_then(|copy| copy.query_row("SELECT count(*) FROM entries", [], |row| row.get::<_, i64>(0)))
    };
    eventually("the copy has all entries", || copied() == Ok(20));
    check_integrity(&folder.database());
}

#[test]
fn keeps_what_one_person_has_written_together() {
    let folder = Arc::new(Folder::new());
    let tokens = ["ada@example.com", "bob@example.com"].map(|email| folder.token(email, &[]));
    let server = Server::start_in(folder.clone(), &[]);
    let mut clients = tokens.map(|token| Client::new(&server, &token));
    for number in 1..=3 {
        for client in &mut clients {
            client.ok(
                "create_entry",
                json!({ "title": format!("number {number}"), "content": "a shared word" }),
            );
        }
    }
    // A row in the midst of the index is changed, and one goes.
    let [ada, bob] = &mut clients;
    ada.ok("update_entry", json!({ "id": 2, "content": "another word" }));
    ada.ok("delete_entry", json!({ "id": 1 }));
    for (client, query, total) in [(ada, "shared", 1), (bob, "shared", 3)] {
        assert_eq!(client.ok("search_entries", json!({ "query": query }))["total"], total);
    }
    let database = folder.open();
    let mut owners = database.prepare("SELECT user_id FROM entries ORDER BY row_id").expect("a statement");
    let owners = owners.query_map([], |row| row.get(0)).expect("rows").collect::<Result<Vec<i64>, _>>();
    assert_eq!(owners, Ok(vec![1, 1, 2, 2, 2]));
    let moved = database.execute("UPDATE entries SET row_id = row_id + 7 WHERE user_id = 1 AND id = 3", []);
    assert!(moved.is_err(), "a row has one place");
    check_integrity(&folder.database());
}

#[test]
fn acknowledges_nothing_that_is_committed_to_a_file_which_lost_its_name_meanwhile() {
    let folder = Folder::new();
    let store = Store::open(&folder.database(), Derived::NOTHING).expect("a store");
    let write = |name: &'static str, meanwhile: fn(&Path, &Path)| {
        let (path, moved) = (folder.database(), folder.path().join("moved.db"));
        store.write(move |connection| {
            connection.execute("INSERT INTO settings VALUES (?1, x'00')", [name])?;
            meanwhile(&path, &moved);
            Ok::<_, StoreError>(())
        })
    };
    write("kept", |_, _| ()).expect("it is written");
    let lost = write("lost", |path, moved| fs::rename(path, moved).expect("the file"));
    assert!(matches!(lost, Err(StoreError::Displaced)), "{lost:?}");
    let refused = write("not run", |_, _| unreachable!("it was refused before"));
    assert!(matches!(refused, Err(StoreError::Displaced)), "{refused:?}");
    fs::rename(folder.path().join("moved.db"), folder.database()).expect("the file");
    write("after", |_, _| ()).expect("it is back");
}

#[test]
fn makes_at_an_open_what_is_missing_piece_by_piece() {
    let folder = Folder::new();
    let make_piece = |connection: &Connection| {
        let made: i64 = connection.query_row("SELECT count(*) FROM settings", [], |row| row.get(0))?;
        if made == 3 {
            return Ok(false);
        }
        connection.execute("INSERT INTO settings VALUES (?1, x'')", [made])?;
        Ok(true)
    };
    let store = Store::open(&folder.database(), Derived { make_piece, ..Derived::NOTHING });
    let store = store.expect("a store");
    assert_eq!(folder.count("settings"), 3, "before any write");
    store.close().expect("it closes");
}

#[test]
fn stops_in_order_on_a_signal() {
    for signal in ["TERM", "INT", "HUP"] {
        let mut server = Server::start();
        let token = server.token("ada@example.com", &[]);
        let mut idle = server.connect();
        let mut client = Client::new(&server, &token);
        client.ok("create_entry", json!({ "title": "last words", "content": "x" }));
        // A request in flight: its head is there, its body isn't yet.
        let mut in_flight = server.connect();
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let bearer = format!("Bearer {token}");
        let host = server.address.to_string();
        let whole = request(
            "POST",
            "/mcp",
            &[
                ("Host", &host),
                ("Authorization", &bearer),
                ("Content-Type", "application/json"),
                ("Expect", "100-continue"),
            ],
            body,
        );
        in_flight.write(&whole[..whole.len() - body.len()]);
        assert_eq!(in_flight.reply().expect("an answer").status, 100, "the body is being waited for");
        let pid = server.pid().to_string();
        let sent = std::process::Command::new("kill").args([&format!("-{signal}"), &pid]).status();
        assert!(sent.expect("kill runs").success());
        server.log_with("stopping");
        // Where a terminal goes, more than one may come.
        let again = std::process::Command::new("kill").args(["-HUP", &pid]).status();
        assert!(again.expect("kill runs").success());
        assert!(idle.is_closed(), "an idle connection is closed at once");
        in_flight.write(body);
        let reply = in_flight.reply().expect("a request in flight is answered");
        assert_eq!((reply.status, reply.closes()), (200, true));
        assert_eq!(server.signal("0"), Some(0), "exit code after SIG{signal}");
        let log = server.folder.database().with_extension("db-wal");
        assert_eq!(fs::metadata(log).map_or(0, |log| log.len()), 0, "the log is empty");
        check_integrity(&server.folder.database());
    }
}

#[test]
fn outlives_its_terminal_where_it_was_started_so() {
    let mut server = Server::start_without_hangup();
    let token = server.token("ada@example.com", &[]);
    let sent = std::process::Command::new("kill").args(["-HUP", &server.pid().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    Client::new(&server, &token).ok("whoami", json!({}));
    assert_eq!(server.signal("TERM"), Some(0));
}

#[test]
fn answers_while_another_process_holds_the_lock() {
    let server = Server::start();
    let token = server.token("ada@example.com", &[]);
    let mut client = Client::new(&server, &token);
    client.ok("create_entry", json!({ "title": "before", "content": "x" }));
    let other = Connection::open(server.folder.database()).expect("the database");
    other.execute_batch("BEGIN IMMEDIATE; UPDATE users SET updated_at = 1").expect("the lock");
    // Three writers wait for their turn; each is answered within the one bound, not one after the other.
    let start = Instant::now();
    let writers: Vec<_> = (0..3)
        .map(|number| {
            let mut client = Client::new(&server, &token);
            thread::spawn(move || {
                let arguments = json!({ "title": format!("during {number}"), "content": "x" });
                client.modern("tools/call", json!({ "name": "create_entry", "arguments": arguments }))
            })
        })
        .collect();
    assert_eq!(client.ok("list_entries", json!({}))["total"], 1, "reads go on");
    for writer in writers {
        let reply = writer.join().expect("a writer ends");
        assert_eq!(reply.json()["error"]["code"], -32603);
    }
    assert!(
        start.elapsed() < limits::BUSY_MAX * 2,
        "three waits of {:?} took {:?}",
        limits::BUSY_MAX,
        start.elapsed()
    );
    other.execute_batch("ROLLBACK").expect("the lock is given back");
    client.ok("create_entry", json!({ "title": "after", "content": "x" }));
    let titles: Vec<Value> =
        client.ok("list_entries", json!({}))["entries"].as_array().expect("entries").clone();
    let titles: Vec<_> = titles.iter().map(|entry| entry["title"].clone()).collect();
    assert_eq!(titles, ["after", "before"], "what was refused was not written");
}

#[test]
fn spares_the_neighbours_of_a_failing_or_panicking_write() {
    let folder = Folder::new();
    let store = Arc::new(Store::open(&folder.database(), Derived::NOTHING).expect("a store"));
    // The first job keeps the writer busy until the others are queued, so that they share its commit.
    let queued = Arc::new(AtomicBool::new(false));
    let wait = Arc::clone(&queued);
    let first = {
        let store = Arc::clone(&store);
        thread::spawn(move || {
            store.write(move |connection| {
                let start = Instant::now();
                while !wait.load(Ordering::SeqCst) && start.elapsed() < PATIENCE {
                    thread::yield_now();
                }
                connection.execute("INSERT INTO settings VALUES ('first', zeroblob(1))", [])?;
                Ok::<_, StoreError>(())
            })
        })
    };
    let job = |name: &'static str, fate: u8| {
        let store = Arc::clone(&store);
        thread::spawn(move || {
            store.write(move |connection| {
                connection.execute("INSERT INTO settings VALUES (?1, zeroblob(1))", [name])?;
                match fate {
                    0 => Ok(()),
                    1 => Err(StoreError::Busy),
                    _ => panic!("a panic in a write, on purpose"),
                }
            })
        })
    };
    let jobs = [job("kept", 0), job("failed", 1), job("panicked", 2), job("kept too", 0)];
    thread::sleep(Duration::from_millis(200)); // lets them queue; the outcome is the same if they don't
    queued.store(true, Ordering::SeqCst);
    first.join().expect("it ends").expect("the first write");
    let outcomes = jobs.map(|job| job.join().expect("it ends"));
    assert!(
        matches!(outcomes, [Ok(()), Err(StoreError::Busy), Err(StoreError::Abandoned), Ok(())]),
        "{outcomes:?}"
    );
    let names = |connection: &Connection| {
        let mut rows = connection.prepare("SELECT name FROM settings ORDER BY name")?;
        let names = rows.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        Ok::<_, StoreError>(names)
    };
    assert_eq!(store.read(1, names).expect("a read"), ["first", "kept", "kept too"]);
    store.close().expect("it closes");
    assert!(matches!(store.read(1, names), Err(StoreError::Busy)));
    assert!(matches!(store.write(|_| Ok::<_, StoreError>(())), Err(StoreError::Abandoned)));
}

#[test]
fn returns_to_writing_when_the_disk_has_room_again() {
    let folder = Folder::new();
    let store = Store::open(&folder.database(), Derived::NOTHING).expect("a store");
    let write = |bytes: i64| {
        store.write(move |connection| {
            connection.execute("INSERT OR REPLACE INTO settings VALUES ('large', zeroblob(?1))", [bytes])?;
            Ok::<_, StoreError>(())
        })
    };
    write(1000).expect("there is room");
    // SQLite's own limit on pages stands in for a full disk: the same error by the same path.
    let limit = |pages: i64| {
        store.write(move |connection| {
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
            Ok::<_, StoreError>(())
        })
    };
    limit(1).expect("a limit"); // no file can shrink below its size, so the file is full as it is
    let full = write(10_000_000);
    assert!(matches!(full, Err(StoreError::Full)), "{full:?}");
    let size: i64 = store
        .read(1, |connection| {
            Ok::<_, StoreError>(connection.query_row(
                "SELECT length(value) FROM settings WHERE name = 'large'",
                [],
                |row| row.get(0),
            )?)
        })
        .expect("reads go on");
    assert_eq!(size, 1000, "nothing of the refused write is there");
    limit(1_000_000).expect("room again");
    write(10_000_000).expect("writes return by themselves");
    store.close().expect("it closes");
}

#[test]
fn writes_nothing_at_an_open_that_has_nothing_to_do() {
    let folder = Folder::new();
    let open = || Store::open(&folder.database(), Derived::NOTHING).expect("a store");
    let written = || fs::metadata(folder.database().with_extension("db-wal")).map_or(0, |log| log.len());
    let first = open();
    assert_eq!(written(), 0, "the steps of a new file are in the file itself at once");
    let alone = Folder::new();
    fs::copy(folder.database(), alone.database()).expect("a copy");
    assert_eq!(alone.count("schema_versions"), folder.count("schema_versions"));
    first.close().expect("it closes");
    let second = open();
    assert_eq!(written(), 0);
    second.close().expect("it closes");
}

#[test]
fn bounds_the_log_although_reads_of_one_person_always_overlap() {
    let folder = Folder::new();
    let store = &Store::open(&folder.database(), Derived::NOTHING).expect("a store");
    store.open_read_connections().expect("more than one");
    let log = folder.database().with_extension("db-wal");
    let (stop, begun, overlaps) = (&AtomicBool::new(false), &AtomicUsize::new(0), &AtomicUsize::new(0));
    // Each read keeps its view of the file until the other one has a later view, unless the store breaks it off.
    let read_until_the_next = |connection: &Connection| {
        connection.query_row("SELECT count(*) FROM settings", [], |_| Ok(()))?;
        let mine = begun.fetch_add(1, Ordering::SeqCst) + 1;
        while begun.load(Ordering::SeqCst) == mine && !stop.load(Ordering::SeqCst) {
            let work = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000) SELECT count(*) FROM n";
            connection.query_row(work, [], |_| Ok(()))?;
        }
        overlaps.fetch_add(1, Ordering::SeqCst);
        Ok::<_, StoreError>(())
    };
    thread::scope(|scope| {
        let _stop = StopAtEnd(stop);
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let _ = store.read(1, read_until_the_next);
                }
            });
        }
        eventually("both read", || overlaps.load(Ordering::SeqCst) > 0);
        let part = 4 * 1024 * 1024;
        let mut largest = 0;
        for number in 0..2 * limits::WAL_BYTES_MAX / part {
            let before = begun.load(Ordering::SeqCst);
            store
                .write(move |connection| {
                    let sql = "INSERT OR REPLACE INTO settings VALUES (?1, randomblob(?2))";
                    connection.execute(sql, (format!("large {}", number % 4), part as i64))?;
                    Ok::<_, StoreError>(())
                })
                .expect("a write");
            // A view of each state, so that SQLite alone would never find the log without a reader.
            eventually("the next read begins", || begun.load(Ordering::SeqCst) > before);
            largest = largest.max(fs::metadata(&log).map_or(0, |log| log.len()));
        }
        let bound = limits::WAL_BYTES_MAX + 2 * part;
        assert!(largest > limits::WAL_BYTES_MAX / 2, "the reads overlap: {largest}");
        assert!(largest <= bound, "the log has grown to {largest} bytes, past {bound}");
    });
    store.close().expect("it closes");
}

/// Tells the threads of a test to end, also when the test panics: a scope waits for them.
struct StopAtEnd<'s>(&'s AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// How many rows of each of these tables a person has.
fn owned(folder: &Folder, email: &str, tables: [&str; 3]) -> Option<[i64; 3]> {
    let mut connection = Connection::open(folder.database()).expect("the database");
    connection.busy_timeout(PATIENCE).expect("a timeout");
    let view = connection.transaction().expect("a view");
    let id: Option<i64> =
        view.query_row("SELECT id FROM users WHERE email = ?1", [email], |row| row.get(0)).ok();
    let count = |table| {
        let sql = format!("SELECT count(*) FROM {table} AND user_id = ?1");
        view.query_row(&sql, [id], |row| row.get(0)).expect("a count")
    };
    id.map(|_| tables.map(count))
}

#[test]
fn removes_a_person_in_pieces_between_which_others_write() {
    let server = Server::start();
    let (folder, total) = (&server.folder, 20_000);
    let (adas, bobs) = (server.token("ada@example.com", &[]), server.token("bob@example.com", &[]));
    let connection = folder.open();
    let sql = format!(
        "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {total})
         INSERT INTO made_entries (user_id, title, content, created_at, updated_at)
         SELECT 1, 'entry ' || n, 'some words of it', n, n FROM number;
         INSERT INTO browsers (hash, user_id, created_at, expires_at) SELECT randomblob(32), 1, 1, 2"
    );
    connection.execute_batch(&sql).expect("entries");
    let tables = ["entries WHERE true", "browsers WHERE true", "tokens WHERE revoked_at IS NULL"];
    let state = || owned(folder, "ada@example.com", tables);
    assert_eq!(state(), Some([total, 1, 1]));
    let remove = || {
        let mut command = std::process::Command::new(crate::support::EPICME);
        command.args(["user", "remove", "ada@example.com", "--database"]).arg(folder.database());
        command.stdout(std::process::Stdio::null()).spawn().expect("the command runs")
    };
    // Killed in the middle, it has left the person without any access.
    let mut killed = remove();
    eventually("some entries are gone", || state().is_some_and(|[entries, ..]| entries < total));
    killed.kill().expect("it runs");
    killed.wait().expect("it ends");
    let left = state().expect("the person is still there");
    assert!(left[0] > 0 && left[1..] == [0, 0], "{left:?}");
    assert_eq!(Client::new(&server, &adas).modern("tools/list", json!({})).status, 401);
    // Run again it removes the rest, and the server writes meanwhile.
    let (mut again, mut written) = (remove(), 0);
    let mut client = Client::new(&server, &bobs);
    while again.try_wait().expect("a command").is_none() {
        let arguments = json!({ "title": "meanwhile", "content": "x" });
        client.ok("create_entry", arguments);
        written += usize::from(state().is_some());
    }
    assert!(again.wait().expect("it ended").success());
    assert!(written >= 3, "only {written} writes came between");
    assert_eq!(state(), None);
    let others = "SELECT count(*) FROM entries WHERE user_id != (SELECT id FROM users)";
    assert_eq!(connection.query_row(others, [], |row| row.get(0)), Ok(0));
    check_integrity(&folder.database());
}

#[test]
fn says_of_a_write_for_somebody_who_was_removed_that_nothing_is_damaged() {
    let folder = Folder::new();
    let store = Store::open(&folder.database(), Derived::NOTHING).expect("a store");
    let written = store.write(|connection| {
        let sql = "INSERT INTO tags (user_id, id, name, created_at, updated_at) VALUES (7, 1, 'walks', 1, 1)";
        Ok::<_, StoreError>(connection.execute(sql, [])?)
    });
    assert!(matches!(written, Err(StoreError::Gone)), "{written:?}");
    store.close().expect("it closes");
}
