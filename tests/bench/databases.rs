//! The databases of a run. epicme makes each of them, or the one that it is a copy of, so the tables are always those
//! of the program under test; the large ones are filled by SQL, because over the wire a million entries take too long.

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
/// The entries of one person lie among those of the others, as if all had written at the same time: the first
/// person's have the ids 1, 1 + `people` and so on.
pub fn fill(empty: &Path, database: &Path, people: i64, entries_each: i64) {
    fs::copy(empty, database).expect("room on the disk");
    let mut connection = open(database);
    // What is lost in a crash here is made again.
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;").expect("settings");
    let transaction = connection.transaction().expect("no other writer");
    // A trigger that fills the index makes FTS5 write a segment for each row. For so many rows the index is built at
    // the end instead. Where something else fills it, that does so now or when the server starts.
    let filling = triggers(&transaction, &["INSERT INTO entries_fts"]);
    drop_triggers(&transaction, &filling);
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
            "WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < ?1 * ?2 - 1)
             INSERT INTO entries (user_id, title, content, created_at, updated_at)
             SELECT n % ?1 + 1, 'Day ' || (n / ?1 + 1),
                 'Walked along the ' || ?3 || ' before breakfast and met nobody but the heron. Lunch with Ana, then '
                     || 'rain, soup, and word' || (n % 997) || ' and word' || (n * 7919 % 9973)
                     || iif(n / ?1 % max(?2 / 10, 1) = 0, ' ' || ?4, '') || iif(n / ?1 % ?2 = 0, ' ' || ?5, ''),
                 1750000000 + n / ?1, 1750000000 + n / ?1
             FROM number",
            params![people, entries_each, COMMON_WORD, RARE_WORD, OWN_WORD],
        )
        .expect("entries");
    if !filling.is_empty() {
        let rebuild = "INSERT INTO entries_fts (entries_fts) VALUES ('rebuild')";
        transaction.execute(rebuild, []).expect("the index can be built");
        for (_, sql) in filling {
            transaction.execute_batch(&sql).expect("the trigger as it was");
        }
    }
    transaction.commit().expect("room on the disk");
}

/// A copy for the limit that writes: no trigger fills the index, since its writer does so once for each commit.
pub fn copy_without_index_triggers(original: &Path, database: &Path) {
    fs::copy(original, database).expect("room on the disk");
    let connection = open(database);
    drop_triggers(&connection, &triggers(&connection, &["entries_fts", "entries_unindexed"]));
}

/// A copy for a peer: the index is filled by the trigger that SQLite's manual shows.
pub fn copy_with_plain_index_trigger(original: &Path, database: &Path) {
    copy_without_index_triggers(original, database);
    let connection = open(database);
    let columns = index_columns(&connection);
    let values: Vec<_> = columns.iter().map(|column| format!("new.{column}")).collect();
    let sql = format!(
        "CREATE TRIGGER peer_fts_insert AFTER INSERT ON entries BEGIN
             INSERT INTO entries_fts (rowid, {}) VALUES (new.id, {});
         END",
        columns.join(", "),
        values.join(", ")
    );
    connection.execute_batch(&sql).expect("the index is there");
}

/// A statement that puts the entries above an id (`?1`) into the index.
pub fn index_new_rows(connection: &Connection) -> String {
    let columns = index_columns(connection).join(", ");
    format!("INSERT INTO entries_fts (rowid, {columns}) SELECT id, {columns} FROM entries WHERE id > ?1")
}

fn index_columns(connection: &Connection) -> Vec<String> {
    let mut statement =
        connection.prepare("SELECT name FROM pragma_table_info('entries_fts')").expect("the index");
    let columns = statement.query_map([], |row| row.get(0)).expect("its columns");
    columns.map(|column| column.expect("a name")).collect()
}

/// The triggers that run after an INSERT into `entries` and whose text has one of these words: name and text.
fn triggers(connection: &Connection, words: &[&str]) -> Vec<(String, String)> {
    let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'entries'";
    let mut statement = connection.prepare(sql).expect("every file has a schema");
    let all = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("its rows");
    all.map(|row: rusqlite::Result<(String, String)>| row.expect("two texts"))
        .filter(|(_, sql)| sql.contains("AFTER INSERT") && words.iter().any(|word| sql.contains(word)))
        .collect()
}

fn drop_triggers(connection: &Connection, triggers: &[(String, String)]) {
    for (name, _) in triggers {
        connection.execute_batch(&format!("DROP TRIGGER {name}")).expect("it is there");
    }
}
