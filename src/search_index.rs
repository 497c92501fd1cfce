//! Fills the search index for the entries that a group of writes has changed, once for all of them.
//!
//! Names no person and runs no search (`journal/search.rs` does). Invariant: after each commit the index holds just
//! what the entries hold, because both are of one transaction.
//!
//! If a trigger inserted each row into FTS5 as it changes, FTS5 would write a piece of index for each row of a group,
//! all to be merged later: SQLite opens a savepoint for a statement with triggers, and FTS5 must be able to go back to
//! each. So the triggers of `schema_4.sql` only note which entries have changed, and with which words the index still
//! has them, and the writer calls [`BEFORE_COMMIT`] when it has run the last job of its group. The notes are rows of
//! the same transaction. A job that is undone takes its notes with it, and after a crash there are as many notes as
//! changes.

use rusqlite::Connection;

use crate::limits;
use crate::store::BeforeCommit;

/// What the writer's commits need of this file.
pub(crate) const BEFORE_COMMIT: BeforeCommit = BeforeCommit { finish: fill, is_full };

/// Brings the index up to date with the entries that are noted, and removes the notes.
fn fill(connection: &Connection) -> rusqlite::Result<()> {
    // Most groups that the server itself writes, for tokens and sign-ins, change no entry.
    if !connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM entries_unindexed)")?
        .query_row([], |row| row.get(0))?
    {
        return Ok(());
    }
    // To remove a row from the index, FTS5 must get the words that it has inserted. The removals come first: with the
    // new words of a row already in the index, FTS5 would take the old ones from the wrong list.
    for sql in [
        "INSERT INTO entries_fts (entries_fts, rowid, title, content, mood, location, weather)
             SELECT 'delete', id, title, content, mood, location, weather FROM entries_unindexed WHERE is_indexed",
        "INSERT INTO entries_fts (rowid, title, content, mood, location, weather)
             SELECT e.id, e.title, e.content, e.mood, e.location, e.weather
             FROM entries_unindexed n CROSS JOIN entries e ON e.id = n.id",
        "DELETE FROM entries_unindexed",
    ] {
        connection.prepare_cached(sql)?.execute([])?;
    }
    Ok(())
}

/// Returns whether the noted entries are as many bytes as one commit may index. A group's jobs are quick, and its clients
/// wait for the index too; without this bound a few hundred long entries would make all of them wait. A job that changes
/// many entries asks this too.
pub(crate) fn is_full(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT total(bytes) FROM entries_unindexed";
    let bytes: f64 = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(bytes >= limits::GROUP_BYTES_MAX as f64)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::sync::Mutex;

    use super::*;
    use crate::lock::locked;
    use crate::secret;
    use crate::store::{Store, StoreError};

    /// Where the copies of the database lie that were made so far.
    static COPIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

    /// Copies the database and its log as they are on the disk: what a crash at this moment would leave. Another program
    /// copies them, because a file that this process closes loses all of its locks.
    fn copy(connection: &Connection) {
        let database = PathBuf::from(connection.path().expect("a file"));
        let mut copies = locked(&COPIES);
        let folder = database.with_file_name(copies.len().to_string());
        std::fs::create_dir(&folder).expect("a folder");
        let log = database.with_extension("db-wal");
        let done = Command::new("cp").args([&database, &log, &folder]).status().expect("cp runs");
        assert!(done.success());
        copies.push(folder.join(database.file_name().expect("a name")));
    }

    fn fill_between_copies(connection: &Connection) -> rusqlite::Result<()> {
        let is_open = !locked(&COPIES).is_empty();
        if is_open {
            copy(connection);
        }
        fill(connection)?;
        if is_open {
            copy(connection);
        }
        Ok(())
    }

    /// The titles of the entries of a database that is opened after a crash, when its index and counts were compared with
    /// the rows.
    fn titles(database: &Path) -> String {
        let store = Store::open(database, BEFORE_COMMIT).expect("it opens");
        let read = store.write(|connection| {
            let check = "INSERT INTO entries_fts (entries_fts, rank) VALUES ('integrity-check', 1)";
            connection.execute(check, [])?;
            let sql = "SELECT count(*) FROM entries e WHERE NOT EXISTS (
                           SELECT 1 FROM entries_fts WHERE entries_fts MATCH '\"' || e.title || '\"' AND rowid = e.id)";
            assert_eq!(connection.query_row(sql, [], |row| row.get::<_, i64>(0))?, 0, "each word is found");
            let sql = "SELECT (SELECT count(*) FROM entries) =
                           (SELECT sum(number) FROM journal_counts WHERE kind = 'entries')
                       AND (SELECT count(*) FROM entries WHERE mood = 'calm') =
                           (SELECT total(number) FROM journal_counts WHERE kind = 'mood' AND value = 'calm')
                       AND NOT EXISTS (SELECT 1 FROM entries_unindexed)";
            assert!(connection.query_row(sql, [], |row| row.get::<_, bool>(0))?, "the counts are of the rows");
            let sql = "SELECT group_concat(title, ' ' ORDER BY id) FROM entries";
            Ok::<String, StoreError>(connection.query_row(sql, [], |row| row.get(0))?)
        });
        let read = read.expect("the index and the counts agree with the rows");
        store.close().expect("it closes");
        read
    }

    #[test]
    fn agrees_with_the_rows_after_a_crash_at_each_statement_of_a_group() {
        let folder = std::env::temp_dir().join(format!("epicme-crashes-{}", secret::random_text::<16>()));
        std::fs::create_dir(&folder).expect("a folder");
        let before_commit = BeforeCommit { finish: fill_between_copies, is_full };
        let store = Store::open(&folder.join("epicme.db"), before_commit).expect("a store");
        let write = |statements: &'static [&'static str], copies: bool| {
            let done = store.write(move |connection| {
                // So few pages are kept in memory that changes go to the log before the commit.
                connection.pragma_update(None, "cache_size", 4)?;
                for sql in statements {
                    connection.execute(sql, [])?;
                    if copies {
                        copy(connection);
                    }
                }
                Ok::<_, StoreError>(())
            });
            done.expect("a write");
        };
        write(
            &[
                "INSERT INTO users (id, email, password_hash, created_at, updated_at) VALUES (1, 'a@b', '', 0, 0)",
                "INSERT INTO entries (user_id, title, content, mood, created_at, updated_at)
                 VALUES (1, 'kept', 'x', NULL, 0, 0), (1, 'changed', 'y', 'calm', 1, 1), (1, 'deleted', 'z', 'calm', 2, 2)",
            ],
            false,
        );
        write(
            &[
                "INSERT INTO entries (user_id, title, content, mood, created_at, updated_at)
                 VALUES (1, 'new', printf('%.*c', 60000, 'n '), 'calm', 3, 3)",
                "UPDATE entries SET title = 'otherwise', mood = NULL WHERE title = 'changed'",
                "UPDATE entries SET content = printf('%.*c', 60000, 'm ') WHERE title = 'otherwise'",
                "DELETE FROM entries WHERE title = 'deleted'",
                "INSERT INTO entries (user_id, title, content, created_at, updated_at) VALUES (1, 'brief', '', 4, 4)",
                "DELETE FROM entries WHERE title = 'brief'",
            ],
            true,
        );
        store
            .write(|connection| {
                copy(connection);
                Ok::<_, StoreError>(())
            })
            .expect("a copy");
        store.close().expect("it closes");
        let left: Vec<_> = locked(&COPIES).iter().map(|database| titles(database)).collect();
        let whole = left.iter().position(|titles| titles != "kept changed deleted").expect("the commit");
        assert!(whole >= 8, "one copy for each statement, and two at the end: {left:?}");
        assert!(left[whole..].iter().all(|titles| titles == "kept otherwise new"), "{left:?}");
        std::fs::remove_dir_all(&folder).expect("the folder");
    }
}
