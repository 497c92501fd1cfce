//! Databases of every earlier version of the file, `version_1.db` to `version_4.db`, are brought up to date: nothing of
//! them is lost or changed that isn't meant to be, whenever the program is killed meanwhile, and a copy of each stays
//! as it was.
//!
//! The server of each version wrote the file; only the times of the entries in that of version 4 were moved afterwards,
//! to a day for each entry.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;

use crate::backup::{chance, kills, run_until_killed};
use crate::cli::{fails, in_shell, set_mode, stderr};
use crate::durability::check_integrity;
use crate::support::{Client, Dice, EPICME, Folder, Server};

/// The versions that there were.
const EARLIER: [i64; 4] = [1, 2, 3, 4];

fn database_of(version: i64) -> Arc<Folder> {
    let folder = Folder::new();
    fs::copy(format!("tests/version_{version}.db"), folder.database()).expect("the file");
    set_mode(&folder.database(), 0o600);
    Arc::new(folder)
}

fn old_database() -> Arc<Folder> {
    database_of(4)
}

fn version(connection: &Connection) -> i64 {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a number")
}

/// All that a database has: its version, its schema, and the rows of each table.
fn whole(database: &Path) -> Vec<String> {
    let connection = Connection::open(database).expect("the file");
    let mut all = vec![format!("version {}", version(&connection))];
    all.extend(rows(&connection, "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"));
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name";
    let mut select = connection.prepare(tables).expect("a statement");
    let names = select.query_map([], |row| row.get(0)).expect("rows");
    for name in names.collect::<Result<Vec<String>, _>>().expect("names") {
        all.extend(rows(&connection, &format!("SELECT * FROM \"{name}\"")));
    }
    all
}

fn backup_of(folder: &Folder, version: i64) -> PathBuf {
    folder.path().join(format!("epicme.db.version-{version}"))
}

#[test]
fn brings_every_earlier_version_up_to_date_and_keeps_a_copy_of_it() {
    for earlier in EARLIER {
        let folder = database_of(earlier);
        let old = Connection::open(folder.database()).expect("the file");
        assert_eq!(version(&old), earlier);
        let before = KEPT.map(|sql| rows(&old, sql));
        assert!(before.iter().all(|rows| !rows.is_empty()), "{earlier}: {before:?}");
        drop(old);
        let all = whole(&folder.database());
        let server = Server::start_in(folder.clone(), &[]);
        let says =
            format!("has version {earlier} and is brought up to date to 5; a backup of it as it was is ");
        server.log_with(&says);
        drop(server);
        check_integrity(&folder.database());
        let connection = folder.open();
        assert_eq!(version(&connection), 5);
        for (sql, mut before) in KEPT.into_iter().zip(before) {
            let mut after = rows(&connection, sql);
            before.sort();
            after.sort();
            if sql.contains("FROM settings") {
                // The server adds what it remembers; what was there stays.
                assert!(
                    before.iter().all(|row| row.contains("audience") || after.contains(row)),
                    "{earlier}"
                );
                continue;
            }
            assert_eq!(after, before, "{earlier}: {sql}");
        }
        assert_eq!(whole(&backup_of(&folder, earlier)), all, "the copy is as the file was");
        assert_eq!(
            fs::metadata(backup_of(&folder, earlier)).expect("a file").permissions().mode() & 0o777,
            0o600
        );
        // It is made once, and not by a start that changes nothing.
        fs::remove_file(backup_of(&folder, earlier)).expect("the copy");
        drop(Server::start_in(folder.clone(), &[]));
        assert!(!backup_of(&folder, earlier).exists());
    }
}

#[test]
fn leaves_the_copy_out_where_that_is_wanted_and_changes_nothing_where_it_has_no_room() {
    let folder = old_database();
    let before = fs::read(folder.database()).expect("the file");
    // No file may grow past 128 KiB, which stands in for a full disk.
    let full = "trap '' XFSZ; ulimit -f 256; exec \"$@\"";
    let output = in_shell(&folder, full, &["token", "create", "ada@example.com"]);
    fails(&output, 1, "it is of an earlier version, and stays as it is, because it can't be backed up");
    for says in ["epicme.db.version-4: can't write it: ", "free space", "epicme serve --no-backup"] {
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
    assert!(fs::read(folder.database()).expect("the file") == before, "it was changed");
    assert!(!backup_of(&folder, 4).exists());
    // What has that name already and is no backup stays.
    fs::write(backup_of(&folder, 4), "a letter").expect("a file");
    let output = folder.epicme(&["token", "create", "ada@example.com"], "");
    fails(&output, 1, "there is a file already that is no backup");
    assert_eq!(fs::read(backup_of(&folder, 4)).expect("a file"), b"a letter");
    assert!(fs::read(folder.database()).expect("the file") == before, "it was changed");
    fs::remove_file(backup_of(&folder, 4)).expect("the file");
    let server = Server::start_in(folder.clone(), &["--no-backup"]);
    assert!(!server.log().contains("a backup of it"), "{}", server.log());
    assert!(!backup_of(&folder, 4).exists());
    assert_eq!(version(&folder.open()), 5);
}

#[test]
fn leaves_the_file_as_it_was_where_any_step_fails() {
    // What each step makes: if it is there already, the step fails, and with it those before.
    let made = [(2, "clients"), (3, "used_forms"), (4, "journal_counts"), (5, "entries_5")];
    for earlier in EARLIER {
        for (step, table) in made.into_iter().filter(|(step, _)| *step > earlier) {
            let folder = database_of(earlier);
            Connection::open(folder.database())
                .expect("the file")
                .execute_batch(&format!("CREATE TABLE {table} (kept); INSERT INTO {table} VALUES (1)"))
                .expect("a table");
            let before = whole(&folder.database());
            for _ in 0..2 {
                let output = folder.epicme(&["token", "create", "ada@example.com"], "");
                assert_eq!(output.status.code(), Some(1), "{earlier}, {step}: {}", stderr(&output));
                assert!(stderr(&output).contains(table), "{earlier}, {step}: {}", stderr(&output));
                assert_eq!(whole(&folder.database()), before, "{earlier}, {step}");
            }
            assert_eq!(whole(&backup_of(&folder, earlier)), before, "{earlier}, {step}: the copy too");
        }
    }
}

#[test]
fn loses_nothing_when_it_is_killed_while_a_file_is_copied_and_brought_up_to_date() {
    let upgrade: &[&str] = &["token", "create", "ada@example.com"];
    let begun = Instant::now();
    assert!(old_database().epicme(upgrade, "").status.success());
    let (takes, mut dice, mut unfinished) = (begun.elapsed(), chance(), 0);
    let old = old_database();
    let before = KEPT.map(|sql| rows(&Connection::open(old.database()).expect("the file"), sql));
    let all = whole(&old.database());
    for kill in 0..kills() {
        let folder = database_of(4);
        run_until_killed(&folder, upgrade, takes * 2, &mut dice);
        let backup = backup_of(&folder, 4);
        let version = version(&Connection::open(folder.database()).expect("the file"));
        assert!([4, 5].contains(&version), "{kill}: {version}");
        unfinished += usize::from(version == 4);
        assert!(version == 4 || backup.exists(), "{kill}: the copy comes first");
        if backup.exists() {
            assert_eq!(whole(&backup), all, "{kill}");
        }
        assert!(folder.epicme(upgrade, "").status.success(), "{kill}");
        check_integrity(&folder.database());
        assert_eq!(whole(&backup), all, "{kill}");
        let connection = folder.open();
        for (sql, before) in KEPT[..2].iter().zip(&before) {
            assert_eq!(rows(&connection, sql), *before, "{kill}: {sql}");
        }
    }
    println!("{unfinished} of {} kills came before it was done", kills());
    assert!(unfinished > 0, "none of {} kills came in time", kills());
}

/// The rows of a statement, each as a text.
fn rows(connection: &Connection, sql: &str) -> Vec<String> {
    let mut select = connection.prepare(sql).expect("a statement");
    let width = select.column_count();
    let row = |row: &rusqlite::Row| (0..width).map(|at| row.get(at)).collect::<Result<Vec<_>, _>>();
    let rows = select.query_map([], row).expect("rows");
    rows.map(|row: Result<Vec<rusqlite::types::Value>, _>| format!("{row:?}")).collect()
}

/// What an upgrade leaves as it was, in terms that both versions have.
const KEPT: [&str; 4] = [
    "SELECT user_id, id, title, content, mood, location, weather, is_private, is_favorite, created_at, updated_at
     FROM entries ORDER BY user_id, id",
    "SELECT id, email, password_hash, created_at, updated_at FROM users ORDER BY id",
    "SELECT hash, user_id, resource, scope, label, created_at, expires_at FROM tokens ORDER BY id",
    "SELECT name, value FROM settings ORDER BY name",
];

#[test]
fn brings_the_file_of_a_released_version_up_to_date() {
    let folder = old_database();
    let before = KEPT.map(|sql| rows(&Connection::open(folder.database()).expect("the file"), sql));
    let token = folder.token("ada@example.com", &[]);
    check_integrity(&folder.database());
    let connection = folder.open();
    for (sql, mut before) in KEPT.into_iter().zip(before) {
        let mut after = rows(&connection, sql);
        if sql.contains("FROM tokens") {
            after.pop(); // the token that was made just now
        }
        before.sort();
        after.sort();
        assert_eq!(after, before, "{sql}");
    }
    // An entry is about the day (UTC) on which it was made; at what time it isn't known.
    let days = "SELECT count(*) FROM entries
                WHERE date <> date(created_at, 'unixepoch') OR date_time IS NOT NULL OR instant IS NOT NULL";
    assert_eq!(connection.query_row(days, [], |row| row.get(0)), Ok(0));
    let owners = rows(&connection, "SELECT user_id FROM entries ORDER BY row_id");
    assert!(owners.is_sorted() && owners.first() < owners.last(), "the entries of each person lie together");

    let server = Server::start_in(folder.clone(), &[]);
    let mut ada = Client::new(&server, &token);
    // Tags that looked the same are one, which has the entries of both.
    let tags = ada.ok("list_tags", json!({}))["tags"].take();
    let tags: Vec<_> = tags
        .as_array()
        .expect("tags")
        .iter()
        .map(|tag| (tag["name"].as_str().unwrap_or_default(), tag["entryCount"].as_i64().unwrap_or(0)))
        .collect();
    assert_eq!(tags, [("Café", 3), ("sea side", 1), ("walks", 1), ("work", 1)]);
    // Labels are the same in any case and with any accents.
    for (mood, total) in [("müde", 2), ("MUDE", 2), ("грустно", 2), ("calm", 0)] {
        assert_eq!(ada.ok("list_entries", json!({ "mood": mood }))["total"], total, "{mood}");
    }
    for (query, total) in [
        ("天气", 1),
        ("iphone", 1),
        ("lodz", 1),
        ("strasse", 1),
        ("donaudampfschiff", 1),
        ("c++", 1),
        ("hunter2zebra", 0),
        ("deleted", 0),
        ("number", 15),
    ] {
        assert_eq!(ada.ok("search_entries", json!({ "query": query }))["total"], total, "{query}");
    }
    // Ids that are given now are behind the person's own last, not behind those of others.
    let id = |row: &serde_json::Value| row["entry"]["id"].as_i64().expect("an id");
    let last: i64 = connection
        .query_row("SELECT max(id) FROM entries WHERE user_id = 1", [], |row| row.get(0))
        .expect("an id");
    let new = ada.ok("create_entry", json!({ "title": "new", "content": "x", "tags": [1] }));
    assert_eq!(id(&new), last + 1);
    check_integrity(&folder.database());
}

#[test]
fn survives_being_killed_at_any_time_while_it_brings_a_large_file_up_to_date() {
    let folder = old_database();
    let connection = Connection::open(folder.database()).expect("the file");
    let entries = 100_000;
    connection
        .execute_batch(&format!(
            "DROP TRIGGER entries_unindexed_insert;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {entries})
             INSERT INTO entries (user_id, title, content, mood, created_at, updated_at)
                 SELECT 1 + i % 2, 'large ' || i, 'word ' || (i % 100), iif(i % 10, NULL, 'Mood ' || i % 7), i * 5000, 0
                 FROM n;"
        ))
        .expect("entries");
    let before = rows(&connection, KEPT[0]);
    drop(connection);
    let mut dice = Dice(11);
    let (mut kills, mut versions) = (0, BTreeSet::new());
    loop {
        let mut command = Command::new(EPICME);
        command.args(["token", "create", "ada@example.com", "--database"]).arg(folder.database()).env_clear();
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        // Longer from time to time, so that it ends.
        thread::sleep(Duration::from_millis(dice.below(400) as u64 * (1 + kills / 4)));
        let ended = child.try_wait().expect("a process").is_some();
        let _ = child.kill();
        let status = child.wait().expect("its end");
        if ended {
            let mut told = String::new();
            child.stderr.take().expect("a pipe").read_to_string(&mut told).expect("text");
            assert!(status.success(), "{status}: {told}");
            break;
        }
        kills += 1;
        let connection = Connection::open(folder.database()).expect("the file");
        let sound: String =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
        assert_eq!(sound, "ok");
        versions.insert(
            connection
                .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
                .expect("a number"),
        );
    }
    assert!(kills >= 3, "it was killed {kills} times");
    assert!(versions.is_subset(&BTreeSet::from([4, 5])), "{versions:?}");
    check_integrity(&folder.database());
    assert_eq!(rows(&folder.open(), KEPT[0]), before);
}

#[test]
fn says_how_far_it_is_while_it_takes_long() {
    let folder = old_database();
    let connection = Connection::open(folder.database()).expect("the file");
    // More than one piece of the search index.
    connection
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
             INSERT INTO entries (user_id, title, content, created_at, updated_at)
                 SELECT 1, 'long', printf('%.*c', 90000, 'x'), 0, 0 FROM n;",
        )
        .expect("entries");
    drop(connection);
    let told = folder.epicme(&["token", "create", "ada@example.com"], "");
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.contains("bringing the database up to date: row 96 of 96"), "{told}");
    let again = folder.epicme(&["token", "create", "ada@example.com"], "");
    assert!(!String::from_utf8_lossy(&again.stderr).contains("up to date"), "once");
}
