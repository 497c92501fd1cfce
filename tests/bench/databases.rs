//! The databases of a run. epicme makes each of them, or the one that it is a copy of, so the tables are always those
//! of the program under test; the large ones are filled by SQL, because over the wire a million entries take too long.
//! epicme indexes what it finds there when it starts.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, params};

use crate::statements;

/// A word that no entry has, one that ten entries of a person have, and one that all have.
pub const NO_WORD: &str = "zebra";
pub const RARE_WORD: &str = "quetzal";
pub const COMMON_WORD: &str = "river";
/// A word that one entry of each person has.
pub const OWN_WORD: &str = "ibis";

/// A connection that writes.
pub fn open(database: &Path) -> Connection {
    let connection = Connection::open(database).expect("the database opens");
    connection.execute_batch(statements::SETTINGS).expect("SQLite has these settings");
    // A checkpoint in the midst of the writes is rarer than by default, and costs less for each of them.
    connection.pragma_update(None, "wal_autocheckpoint", 4000).expect("SQLite has this setting");
    connection
}

/// Fills a copy of `empty`, which has one person with a token: as many `people` in all, with so many entries each.
/// The entries come in turns, as if all had written at the same time.
pub fn fill(empty: &Path, database: &Path, people: i64, entries_each: i64) {
    fs::copy(empty, database).expect("room on the disk");
    let mut connection = open(database);
    // What is lost in a crash here is made again.
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;").expect("settings");
    let transaction = connection.transaction().expect("no other writer");
    transaction
        .execute(
            "WITH RECURSIVE number (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < ?1)
             INSERT INTO users (id, email, password_hash, created_at, updated_at)
             SELECT n, 'person-' || n || '@example.com', password_hash, created_at, updated_at
             FROM number, users WHERE users.id = 1 AND ?1 > 1",
            [people],
        )
        .expect("people");
    transaction
        .execute(
            "INSERT INTO tokens (hash, user_id, resource, scope, label, created_at, expires_at)
             SELECT randomblob(32), u.id, t.resource, t.scope, t.label, t.created_at, t.expires_at
             FROM users u, tokens t WHERE t.user_id = 1 AND u.id > 1",
            [],
        )
        .expect("tokens");
    transaction
        .execute(
            "WITH RECURSIVE number (n, at) AS (
                 SELECT 0, 1750000000 UNION ALL SELECT n + 1, 1750000000 + (n + 1) / ?1 FROM number WHERE n < ?1 * ?2 - 1)
             INSERT INTO entries (row_id, user_id, id, title, content, date, date_time, instant, created_at, updated_at)
             SELECT (n % ?1 + 1) << 32 | (n / ?1 + 1), n % ?1 + 1, n / ?1 + 1, 'Day ' || (n / ?1 + 1),
                 'Walked along the ' || ?3 || ' before breakfast and met nobody but the heron. Lunch with Ana, then '
                     || 'rain, soup, and word' || (n % 997) || ' and word' || (n * 7919 % 9973)
                     || iif(n / ?1 % max(?2 / 10, 1) = 0, ' ' || ?4, '') || iif(n / ?1 % ?2 = 0, ' ' || ?5, ''),
                 date(at, 'unixepoch'), strftime('%Y-%m-%dT%H:%M:%SZ', at, 'unixepoch'), at, at, at
             FROM number",
            params![people, entries_each, COMMON_WORD, RARE_WORD, OWN_WORD],
        )
        .expect("entries");
    let last =
        "INSERT INTO journal_counts SELECT user_id, 'last entry', '', max(id) FROM entries GROUP BY user_id";
    transaction.execute(last, []).expect("the ids that come next");
    transaction.commit().expect("room on the disk");
}

/// Gives a file what a peer searches: FTS5's own index of the texts, filled by a trigger, as SQLite's manual shows it.
/// epicme has no use for it, and works on as before where it only reads.
pub fn add_plain_index(database: &Path) {
    let sql = "CREATE VIRTUAL TABLE plain_index USING fts5 (title, content, mood, location, weather,
                   content = 'entries', content_rowid = 'row_id', tokenize = 'unicode61 remove_diacritics 2');
               INSERT INTO plain_index (plain_index) VALUES ('rebuild');
               CREATE TRIGGER plain_index_insert AFTER INSERT ON entries BEGIN
                   INSERT INTO plain_index (rowid, title, content, mood, location, weather)
                       VALUES (new.row_id, new.title, new.content, new.mood, new.location, new.weather);
               END;";
    open(database).execute_batch(sql).expect("room on the disk");
}
