//! The search of the peer: statements over an index that has the texts of all people in common, cut by FTS5 itself.
//! `tests/bench/databases.rs` makes it.

/// How many of a person's entries have a word (`?2`, an expression of FTS5).
pub const FOUND: &str = "SELECT count(*) FROM plain_index f CROSS JOIN entries e ON e.row_id = f.rowid
    WHERE plain_index MATCH ?2 AND e.user_id = ?1";

/// The first `?4` of them: those with the word in their title (`?3`) first, then newest first. `CROSS JOIN` has SQLite
/// walk the index, and ask for each row that it finds; the other way about takes a look-up in the index for each row.
pub const SEARCH: &str = "SELECT e.id, e.title,
        (SELECT count(*) FROM entry_tags l WHERE l.user_id = ?1 AND l.entry_id = e.id),
        e.date, e.date_time, e.created_at, e.updated_at, e.row_id
    FROM plain_index f CROSS JOIN entries e ON e.row_id = f.rowid
    WHERE plain_index MATCH ?2 AND e.user_id = ?1
    ORDER BY e.row_id IN (SELECT rowid FROM plain_index WHERE plain_index MATCH ?3) DESC,
        e.date DESC, e.created_at DESC, e.id DESC
    LIMIT ?4";

/// The words around what was found in one entry (`?2`).
pub const SNIPPET: &str = "SELECT snippet(plain_index, -1, '[', ']', '…', 32) FROM plain_index WHERE plain_index MATCH ?1 AND rowid = ?2";
