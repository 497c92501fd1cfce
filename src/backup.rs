//! Copies of the whole database: what they must have as the original does.
//!
//! Knows nothing of how a file is copied: the store does that, and takes from here what it can't know. Invariant:
//! nothing here changes the database that is copied.

use std::fmt;

use crate::store::Connection;

/// How much a database has, so that a copy can be compared with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Contents {
    people: i64,
    entries: i64,
    tags: i64,
}

impl Contents {
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
