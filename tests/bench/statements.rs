//! The statements of the servers that epicme is compared with, over the tables that epicme made. The peers' crate has
//! this file too, so that both ask SQLite the same.

/// Settings of a connection that writes: as epicme's, in the log first, and on disk when a commit returns.
pub const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

/// The person of a token that is good, by its hash.
pub const TOKEN: &str =
    "SELECT user_id FROM tokens WHERE hash = ?1 AND revoked_at IS NULL AND expires_at > unixepoch()";

/// One entry of a person (`?1`).
pub const ENTRY: &str =
    "SELECT id, user_id, title, content, mood, location, weather, is_private, is_favorite,
        created_at, updated_at
    FROM entries WHERE user_id = ?1 AND id = ?2";

/// The tags of one entry.
pub const TAGS: &str = "SELECT t.id, t.name FROM entry_tags l
        JOIN tags t ON t.user_id = l.user_id AND t.id = l.tag_id
    WHERE l.user_id = ?1 AND l.entry_id = ?2 ORDER BY t.name, t.id";

/// A new entry, made now.
pub const CREATE: &str = "INSERT INTO entries (user_id, title, content, created_at, updated_at)
    VALUES (?1, ?2, ?3, unixepoch(), unixepoch())";

/// How many entries a person has. Counted once, and kept in memory from then on.
pub const COUNT: &str = "SELECT count(*) FROM entries WHERE user_id = ?1";

/// A person's newest entries, `?2` of them.
pub const LIST: &str = "SELECT e.id, e.title,
        (SELECT count(*) FROM entry_tags l WHERE l.user_id = ?1 AND l.entry_id = e.id),
        e.mood, e.is_favorite, e.created_at, e.updated_at
    FROM entries e WHERE e.user_id = ?1 ORDER BY e.created_at DESC, e.id DESC LIMIT ?2";

/// How many of a person's entries have a word (`?2`, an expression of FTS5).
pub const FOUND: &str = "SELECT count(*) FROM entries_fts f CROSS JOIN entries e ON e.id = f.rowid
    WHERE entries_fts MATCH ?2 AND e.user_id = ?1";

/// The first `?4` of them: those with the word in their title (`?3`) first, then newest first. `CROSS JOIN` has SQLite
/// walk the index, and ask for each row that it finds; the other way about takes a look-up in the index for each row.
pub const SEARCH: &str = "SELECT e.id, e.title,
        (SELECT count(*) FROM entry_tags l WHERE l.user_id = ?1 AND l.entry_id = e.id), e.created_at
    FROM entries_fts f CROSS JOIN entries e ON e.id = f.rowid
    WHERE entries_fts MATCH ?2 AND e.user_id = ?1
    ORDER BY e.id IN (SELECT rowid FROM entries_fts WHERE entries_fts MATCH ?3) DESC, e.created_at DESC, e.id DESC
    LIMIT ?4";

/// The words around what was found in one entry (`?2`).
pub const SNIPPET: &str = "SELECT snippet(entries_fts, -1, '[', ']', '…', 32) FROM entries_fts WHERE entries_fts MATCH ?1 AND rowid = ?2";

/// Entries on one page of a search.
pub const SEARCH_PAGE: usize = 20;
/// Links in one answer.
pub const LINKS: usize = 20;
