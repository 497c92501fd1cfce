//! The counts that the database keeps of each person's rows are those of the rows: after any operations, in whatever
//! order, after writes that fail, and after a migration. And a list shows by them what its filter says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::durability::check_integrity;
use crate::support::{Client, Dice, Folder, Server};

/// What the counts must be, from the rows themselves.
const COUNTED: &str = "
    SELECT user_id, 'entries', '', count(*) FROM entries GROUP BY user_id
    UNION ALL SELECT user_id, 'tags', '', count(*) FROM tags GROUP BY user_id
    UNION ALL SELECT user_id, 'favorite', '', count(*) FROM entries WHERE is_favorite GROUP BY user_id
    UNION ALL SELECT user_id, 'public', '', count(*) FROM entries WHERE NOT is_private GROUP BY user_id
    UNION ALL SELECT user_id, 'tag', CAST(tag_id AS TEXT), count(*) FROM entry_tags GROUP BY user_id, tag_id
    UNION ALL SELECT user_id, 'day', date, count(*) FROM entries GROUP BY user_id, date
    UNION ALL SELECT user_id, 'mood', mood_key, count(*) FROM entries
        WHERE mood IS NOT NULL GROUP BY user_id, mood_key
    UNION ALL SELECT user_id, 'location', location_key, count(*) FROM entries
        WHERE location IS NOT NULL GROUP BY user_id, location_key
    UNION ALL SELECT user_id, 'weather', weather_key, count(*) FROM entries
        WHERE weather IS NOT NULL GROUP BY user_id, weather_key";
const KEPT: &str = "SELECT user_id, kind, value, number FROM journal_counts WHERE kind NOT LIKE 'last %'";
/// Rows whose id is larger than the last that was given.
const NOT_GIVEN: &str = "
    SELECT count(*) FROM (
        SELECT user_id, 'last entry' AS kind, max(id) AS id FROM entries GROUP BY user_id
        UNION ALL SELECT user_id, 'last tag', max(id) FROM tags GROUP BY user_id
        UNION ALL SELECT user_id, 'last link', max(id) FROM entry_tags GROUP BY user_id) AS largest
    WHERE NOT EXISTS (SELECT 1 FROM journal_counts c
        WHERE c.user_id = largest.user_id AND c.kind = largest.kind AND c.number >= largest.id)";

/// The counts agree with the rows, and so do the dates of the links.
#[track_caller]
pub fn check(connection: &Connection) {
    let rows = |sql: &str| {
        let mut select = connection.prepare(sql).expect("a statement");
        let rows = select.query_map([], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, i64>(3)?,
            ))
        });
        rows.expect("rows").collect::<Result<BTreeSet<_>, _>>().expect("counts")
    };
    let (counted, kept) = (rows(COUNTED), rows(KEPT));
    let wrong: Vec<_> = counted.symmetric_difference(&kept).collect();
    assert!(wrong.is_empty(), "counted: {counted:?}\nkept: {kept:?}\nwrong: {wrong:?}");
    let sql =
        "SELECT count(*) FROM entry_tags l JOIN entries e ON e.user_id = l.user_id AND e.id = l.entry_id
               WHERE (l.entry_date, l.entry_created_at) IS NOT (e.date, e.created_at)";
    assert_eq!(connection.query_row(sql, [], |row| row.get::<_, i64>(0)), Ok(0), "a date of a link");
    assert_eq!(
        connection.query_row(NOT_GIVEN, [], |row| row.get::<_, i64>(0)),
        Ok(0),
        "an id that wasn't given"
    );
}

impl Dice {
    /// Labels that differ, that differ in case alone, and none.
    fn label(&mut self) -> Value {
        self.pick(&[json!("calm"), json!("CALM"), json!("tired"), json!(""), json!("É"), json!(null)])
    }

    /// A call that may fail: some ids are of rows that aren't there.
    fn call(&mut self) -> (&'static str, Value) {
        let (entry, tag) = (self.below(40) + 1, self.below(12) + 1);
        let tags: Vec<_> = (0..self.below(4)).map(|_| self.below(12) + 1).collect();
        match self.below(13) {
            0..4 => {
                let mut entry = json!({
                    "title": "t", "content": "c", "tags": tags, "isFavorite": self.below(2),
                    "isPrivate": self.below(2),
                });
                if self.below(4) == 0 {
                    entry["tagNames"] = json!([format!("tag {}", self.below(8))]);
                }
                for name in ["mood", "location", "weather"] {
                    if let label @ Value::String(_) = self.label() {
                        entry[name] = label;
                    }
                }
                ("create_entry", entry)
            }
            4..6 => {
                let mut change = json!({ "id": entry });
                for name in ["mood", "location", "weather"] {
                    if self.below(2) == 0 {
                        change[name] = self.label();
                    }
                }
                for name in ["isFavorite", "isPrivate"] {
                    if self.below(2) == 0 {
                        change[name] = self.below(2).into();
                    }
                }
                if self.below(2) == 0 {
                    change["content"] = self.pick(&["c", "another word", ""]).into();
                }
                ("update_entry", change)
            }
            6 => ("delete_entry", json!({ "id": entry })),
            7 => ("create_tag", json!({ "name": format!("tag {}", self.below(8)) })),
            8 => ("delete_tag", json!({ "id": tag })),
            9 => ("merge_tags", json!({ "fromId": tag, "intoId": self.below(12) + 1 })),
            10..12 => ("add_tag_to_entry", json!({ "entryId": entry, "tagId": tag })),
            _ => ("remove_tag_from_entry", json!({ "entryId": entry, "tagId": tag })),
        }
    }

    fn filter(&mut self) -> Value {
        let mut filter = json!({ "limit": 5 + self.below(40) });
        for name in ["mood", "location", "weather"] {
            if let (0, label @ Value::String(_)) = (self.below(4), self.label()) {
                filter[name] = label;
            }
        }
        for name in ["isFavorite", "isPrivate"] {
            if self.below(5) == 0 {
                filter[name] = self.below(2).into();
            }
        }
        if self.below(3) == 0 {
            filter["tagIds"] = (0..1 + self.below(3)).map(|_| self.below(10) + 1).collect();
            filter["tagMode"] = self.pick(&["any", "all"]).into();
        }
        for name in ["from", "to"] {
            if self.below(5) == 0 {
                filter[name] = format!("1970-01-{:02}", 1 + self.below(20)).into();
            }
        }
        filter
    }
}

/// The ids of the entries of user 1 that pass the filter, in the order of the list, by the plainest statement.
fn expected(connection: &Connection, filter: &Value) -> Vec<i64> {
    let sql = "SELECT e.id FROM entries e WHERE e.user_id = 1
        AND (?1 IS NULL OR e.mood_key = ?1) AND (?2 IS NULL OR e.location_key = ?2)
        AND (?3 IS NULL OR e.weather_key = ?3)
        AND (?4 IS NULL OR e.is_favorite = ?4) AND (?5 IS NULL OR e.is_private = ?5)
        AND (?6 = 0 OR ?6 <= (SELECT count(DISTINCT l.tag_id) FROM entry_tags l
             WHERE l.user_id = e.user_id AND l.entry_id = e.id AND l.tag_id IN (SELECT value FROM json_each(?7))))
        AND e.date >= ?8 AND e.date <= ?9
        ORDER BY e.date DESC, e.created_at DESC, e.id DESC";
    let tags: BTreeSet<_> =
        filter["tagIds"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
    let needed = if filter["tagMode"] == "all" { tags.len() } else { tags.len().min(1) };
    let mut select = connection.prepare(sql).expect("a statement");
    let text = |name: &str| filter[name].as_str();
    let key = |name: &str| text(name).map(|text| text.to_lowercase().replace('é', "e"));
    let values = (
        key("mood"),
        key("location"),
        key("weather"),
        filter["isFavorite"].as_i64(),
        filter["isPrivate"].as_i64(),
        needed as i64,
        json!(tags).to_string(),
        text("from").unwrap_or(""),
        text("to").unwrap_or("~"),
    );
    select.query_map(values, |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("ids")
}

#[test]
fn keeps_the_counts_of_the_rows_through_random_operations_of_several_people_at_once() {
    let server = Arc::new(Server::start());
    let people = ["ada@example.com", "bob@example.com"].map(|email| server.token(email, &[]));
    let failed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for worker in 0..6 {
            let (server, people, failed) = (&server, &people, &failed);
            scope.spawn(move || {
                let mut client = Client::new(server, &people[worker % 2]);
                let mut dice = Dice(0x9e37_79b9_7f4a_7c15 + worker as u64);
                for _ in 0..150 {
                    let (tool, arguments) = dice.call();
                    let result = client.call(tool, arguments);
                    failed.fetch_add(usize::from(result["isError"] == true), Ordering::SeqCst);
                }
            });
        }
    });
    let failed = failed.into_inner();
    assert!((100..800).contains(&failed), "{failed} of 900 calls failed: some must, and not all");
    check_integrity(&server.folder.database());
    let removed = server.folder.epicme(&["user", "remove", "bob@example.com"], "");
    assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
    check_integrity(&server.folder.database());
    let database = Connection::open(server.folder.database()).expect("the database");
    let left = "SELECT count(*) FROM journal_counts WHERE user_id = 2";
    assert_eq!(database.query_row(left, [], |row| row.get::<_, i64>(0)), Ok(0), "nothing of bob is left");
}

#[test]
fn lists_by_each_filter_what_passes_it_and_counts_it_exactly() {
    let server = Server::start();
    let token = server.token("ada@example.com", &[]);
    let mut client = Client::new(&server, &token);
    let mut dice = Dice(7);
    for number in 0..10 {
        client.ok("create_tag", json!({ "name": format!("tag {number}") }));
    }
    for _ in 0..400 {
        let (tool, arguments) = dice.call();
        if !["delete_tag", "delete_entry", "merge_tags"].contains(&tool) {
            client.call(tool, arguments);
        }
    }
    let database = server.folder.open();
    // Days of January 1970, several entries on each, some of them in the same second.
    database
        .execute("UPDATE made_entries SET created_at = (id * 7919 % 17) * 86400 + id % 3", [])
        .expect("a change");
    check(&database);
    let mut sizes = BTreeSet::new();
    for _ in 0..150 {
        let filter = dice.filter();
        let expected = expected(&database, &filter);
        let (mut arguments, mut found) = (filter.clone(), Vec::new());
        loop {
            let page = client.ok("list_entries", arguments.clone());
            assert_eq!(page["total"], expected.len(), "{filter}");
            let entries = page["entries"].as_array().expect("entries");
            found.extend(entries.iter().map(|entry| entry["id"].as_i64().expect("an id")));
            match page["nextCursor"].as_str() {
                Some(cursor) => arguments["cursor"] = cursor.into(),
                None => break,
            }
        }
        assert_eq!(found, expected, "{filter}");
        sizes.insert(expected.len());
    }
    assert!(sizes.len() > 20, "the filters let different numbers pass: {sizes:?}");
}

#[test]
fn counts_the_rows_of_a_database_of_an_earlier_version() {
    let folder = Folder::new();
    let connection = Connection::open(folder.database()).expect("a database");
    let steps = [
        include_str!("../src/schema.sql"),
        include_str!("../src/schema_2.sql"),
        include_str!("../src/schema_3.sql"),
    ];
    steps.iter().for_each(|sql| connection.execute_batch(sql).expect("a step"));
    connection
        .execute_batch(
            "PRAGMA user_version = 3; PRAGMA application_id = 0x45504943;
             INSERT INTO users (email, password_hash, created_at, updated_at)
                 VALUES ('ada@example.com', '', 0, 0), ('bob@example.com', '', 0, 0), ('eve@example.com', '', 0, 0);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
             INSERT INTO entries (user_id, title, content, mood, location, weather, is_private, is_favorite,
                                  created_at, updated_at)
                 SELECT 1 + i % 2, 'number ' || i, 'words', iif(i % 3, 'calm', 'Calm'), iif(i % 5, NULL, 'home'), NULL,
                        i % 7 = 0, i % 11 = 0, i % 50, i FROM n;
             INSERT INTO tags (user_id, name, created_at, updated_at)
                 VALUES (1, 'a', 0, 0), (2, 'b', 0, 0), (1, 'c', 0, 0);
             INSERT INTO entry_tags (user_id, entry_id, tag_id, created_at, updated_at)
                 SELECT user_id, id, user_id, 5, 5 FROM entries WHERE id % 4 < 2;",
        )
        .expect("rows");
    drop(connection);
    let server = Server::start_in(Arc::new(folder), &[]);
    let database = Connection::open(server.folder.database()).expect("the database");
    assert_eq!(database.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)), Ok(5));
    check(&database);
    let made = server.folder.epicme(&["token", "create", "ada@example.com"], "");
    let mut client = Client::new(&server, String::from_utf8_lossy(&made.stdout).trim_end());
    assert_eq!(client.ok("list_entries", json!({ "mood": "CALM" }))["total"], 100);
    let expected = expected(&database, &json!({ "tagIds": [1] }));
    assert_eq!(client.ok("list_entries", json!({ "tagIds": [1] }))["total"], expected.len());
    assert_eq!(client.ok("search_entries", json!({ "query": "words", "mood": "calm" }))["total"], 100);
    client.ok("create_entry", json!({ "title": "t", "content": "c", "mood": "calm", "tags": [1] }));
    client.ok("update_entry", json!({ "id": 6, "content": "other", "mood": null }));
    client.ok("delete_entry", json!({ "id": 8 }));
    check_integrity(&server.folder.database());
}
