//! Copies of the whole database: what they hold.
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
