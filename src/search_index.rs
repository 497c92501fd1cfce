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
