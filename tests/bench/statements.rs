//! The statements of the servers that epicme is compared with, over the tables that epicme made. The peers' crate has
//! this file too, so that both ask SQLite the same, except for a search: there each has an index of its own.

/// Settings of a connection that writes: as epicme's, in the log first, and on disk when a commit returns.
pub const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

/// The person of a token that is good, by its hash.
pub const TOKEN: &str =
    "SELECT user_id FROM tokens WHERE hash = ?1 AND revoked_at IS NULL AND expires_at > unixepoch()";

/// One entry of a person (`?1`).
pub const ENTRY: &str =
    "SELECT id, user_id, title, content, mood, location, weather, is_private, is_favorite,
        date, date_time, created_at, updated_at
    FROM entries WHERE user_id = ?1 AND id = ?2";

/// The tags of one entry.
pub const TAGS: &str = "SELECT t.id, t.name FROM entry_tags l
        JOIN tags t ON t.user_id = l.user_id AND t.id = l.tag_id
    WHERE l.user_id = ?1 AND l.entry_id = ?2 ORDER BY t.name, t.id";

/// Counts a person's entries on, and the id that the next one has by that. There is an entry already.
pub const NEXT: &str =
    "UPDATE journal_counts SET number = number + 1 WHERE user_id = ?1 AND kind = 'last entry' AND value = ''";
pub const NEXT_ID: &str =
    "SELECT number FROM journal_counts WHERE user_id = ?1 AND kind = 'last entry' AND value = ''";

/// A new entry, made now and about now.
pub const CREATE: &str =
    "INSERT INTO entries (row_id, user_id, id, title, content, date, date_time, instant, created_at, updated_at)
    VALUES (?1 << 32 | ?2, ?1, ?2, ?3, ?4, date(), strftime('%Y-%m-%dT%H:%M:%SZ'), unixepoch(), unixepoch(), unixepoch())";

/// How many entries a person has. Counted once, and kept in memory from then on.
pub const COUNT: &str = "SELECT count(*) FROM entries WHERE user_id = ?1";

/// A person's newest entries, `?2` of them.
pub const LIST: &str = "SELECT e.id, e.title,
        (SELECT count(*) FROM entry_tags l WHERE l.user_id = ?1 AND l.entry_id = e.id),
        e.mood, e.is_favorite, e.date, e.date_time, e.created_at, e.updated_at
    FROM entries e WHERE e.user_id = ?1 ORDER BY e.date DESC, e.created_at DESC, e.id DESC LIMIT ?2";

/// Entries on one page of a search.
pub const SEARCH_PAGE: usize = 20;
/// Links in one answer.
pub const LINKS: usize = 20;
