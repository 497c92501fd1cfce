//! Copies of the whole database: what they hold, and what one that is restored may not bring back.
//!
//! Knows nothing of how a file is copied: the store does that. Invariant: nothing here changes the database that is
//! copied.

use std::fmt;
use std::path::Path;

use crate::store::{Connection, OpenError, Store, StoreError};

/// How much a database has, for the operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Contents {
    people: i64,
    entries: i64,
    tags: i64,
}

impl Contents {
    /// Counts the rows of a copy.
    pub(crate) fn of_copy(path: &Path) -> Result<Contents, OpenError> {
        Ok(Store::open_to_copy(path)?.look_up(|copy| Ok::<_, StoreError>(Contents::of(copy)?))?)
    }

    /// Counts the rows. The tables have had these names since the first version of the file.
    pub(crate) fn of(connection: &Connection) -> rusqlite::Result<Contents> {
        let count = |sql| connection.query_row(sql, [], |row| row.get(0));
        Ok(Contents {
            people: count("SELECT count(*) FROM users")?,
            entries: count("SELECT count(*) FROM entries")?,
            tags: count("SELECT count(*) FROM tags")?,
        })
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Contents { people, entries, tags } = self;
        let people_word = if *people == 1 { "person" } else { "people" };
        let entries_word = if *entries == 1 { "entry" } else { "entries" };
        let tags_word = if *tags == 1 { "tag" } else { "tags" };
        write!(out, "{people} {people_word}, {entries} {entries_word} and {tags} {tags_word}")
    }
}

/// Ends all access that a copy of the database has: every token, every grant, and every sign-in in a browser.
///
/// A copy doesn't know what was revoked since it was made. A token that a person took back from a thief would be good
/// again, and nobody would be told. People keep their passwords, and clients their registrations, so they ask again.
/// The copy may be of any version; the tables of grants and sign-ins came with the second.
pub(crate) fn end_access(copy: &Connection) -> rusqlite::Result<()> {
    copy.execute("UPDATE tokens SET revoked_at = unixepoch() WHERE revoked_at IS NULL", [])?;
    if copy.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? >= 2 {
        copy.execute("UPDATE grants SET revoked_at = unixepoch() WHERE revoked_at IS NULL", [])?;
        copy.execute("DELETE FROM browsers", [])?;
    }
    Ok(())
}
