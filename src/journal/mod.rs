//! The journal: entries, tags, search; the domain's types and their SQL.
//!
//! Knows no JSON, no HTTP and no OAuth. Invariant: every statement runs through `Own`, which binds `?1` to the
//! user id of a [`Permit`], and every statement compares `user_id` with it: another person's row is as absent
//! as one that never was.

pub mod entries;
pub mod search;
pub mod tags;

use rusqlite::{Connection, OptionalExtension, Row, ToSql};

use crate::clock::Timestamp;
use crate::gate::Permit;
use crate::secret::Seal;
use crate::store::StoreError;

/// An entry with its tags.
pub struct Entry {
    /// Row id.
    pub id: i64,
    /// Its owner.
    pub user_id: i64,
    /// Its title.
    pub title: String,
    /// Its text.
    pub content: String,
    /// How its author felt.
    pub mood: Option<String>,
    /// Where it was written.
    pub location: Option<String>,
    /// The weather then.
    pub weather: Option<String>,
    /// A label only: every entry is visible to its owner alone.
    pub is_private: bool,
    /// A label only.
    pub is_favorite: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last; attaching a tag is no change.
    pub updated_at: Timestamp,
    /// Its tags, by name.
    pub tags: Vec<TagName>,
}

/// An entry as lists and searches show it.
pub struct EntryItem {
    /// Row id.
    pub id: i64,
    /// Its title.
    pub title: String,
    /// How many tags it has.
    pub tag_count: i64,
    /// How its author felt.
    pub mood: Option<String>,
    /// A label only.
    pub is_favorite: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// A tag.
pub struct Tag {
    /// Row id.
    pub id: i64,
    /// Its owner.
    pub user_id: i64,
    /// Its name, unique among its owner's tags.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// A tag as an entry shows it.
pub struct TagName {
    /// Row id.
    pub id: i64,
    /// Its name.
    pub name: String,
}

/// A tag as lists show it.
pub struct TagItem {
    /// Row id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// How many entries have it.
    pub entry_count: i64,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// The link between an entry and a tag.
pub struct EntryTag {
    /// Row id.
    pub id: i64,
    /// The owner of both.
    pub user_id: i64,
    /// The entry.
    pub entry_id: i64,
    /// The tag.
    pub tag_id: i64,
    /// When it was attached.
    pub created_at: Timestamp,
    /// The same moment: a link never changes.
    pub updated_at: Timestamp,
}

/// One page of a list.
pub struct Page<T> {
    /// What is on the page.
    pub items: Vec<T>,
    /// How many there are on all pages.
    pub total: i64,
    /// What to give as `cursor` for the next page; `None` on the last one.
    pub next: Option<String>,
}

/// Why the journal can't do what it is asked. Nothing was changed.
#[derive(Debug)]
pub enum Fault {
    /// The caller has no entry of this id.
    EntryNotFound(i64),
    /// The caller has no tag of this id.
    TagNotFound(i64),
    /// The caller has a tag of this name already.
    TagNameTaken {
        /// The name.
        name: String,
        /// The tag that has it.
        id: i64,
    },
    /// The entry would have more than [`crate::limits::TAGS_PER_ENTRY_MAX`] tags.
    TooManyTags,
    /// Not a date or date-time that exists.
    BadMoment {
        /// The argument that holds it.
        argument: &'static str,
        /// What it says.
        text: String,
    },
    /// Not a cursor of ours, or one from a list with other filters.
    BadCursor,
    /// A search without a word to search for.
    EmptyQuery,
    /// A search that only excludes.
    OnlyExclusions,
    /// A search of more terms than are looked for at once, or of too many or too short beginnings.
    TooManyTerms,
    /// The database failed.
    Store(StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault::Store(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        Fault::Store(error.into())
    }
}

/// One person's rows: the only way from here to the database.
struct Own<'c> {
    connection: &'c Connection,
    user_id: i64,
}

impl<'c> Own<'c> {
    fn new(connection: &'c Connection, permit: Permit) -> Own<'c> {
        Own { connection, user_id: permit.user_id() }
    }

    /// The first row; `None` when there is none. The arguments are `?2`, `?3` …
    fn first<T>(
        &self,
        sql: &str,
        arguments: &[&dyn ToSql],
        row: impl FnOnce(&Row) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Fault> {
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row(&self.bound(arguments)[..], row).optional()?)
    }

    /// Every row.
    fn all<T>(
        &self,
        sql: &str,
        arguments: &[&dyn ToSql],
        row: impl FnMut(&Row) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Fault> {
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_map(&self.bound(arguments)[..], row)?.collect::<Result<_, _>>()?)
    }

    /// Changes rows and says how many.
    fn change(&self, sql: &str, arguments: &[&dyn ToSql]) -> Result<usize, Fault> {
        Ok(self.connection.prepare_cached(sql)?.execute(&self.bound(arguments)[..])?)
    }

    fn bound<'a>(&'a self, arguments: &[&'a dyn ToSql]) -> Vec<&'a dyn ToSql> {
        let user: [&dyn ToSql; 1] = [&self.user_id];
        [&user, arguments].concat()
    }

    /// What a cursor of this person's list is bound to.
    fn cursor_context<'a>(user: &'a [u8; 8], list: &'a str, filters: &'a str) -> [&'a [u8]; 4] {
        [b"cursor", user, list.as_bytes(), filters.as_bytes()]
    }

    /// Seals the position after which the next page of a list begins.
    fn cursor(&self, seal: &Seal, list: &str, filters: &str, position: &[u8]) -> String {
        seal.seal(&Own::cursor_context(&self.user_id.to_be_bytes(), list, filters), position)
    }

    /// The position in a cursor of the same person, list and filters.
    fn position(&self, seal: &Seal, list: &str, filters: &str, cursor: &str) -> Result<Vec<u8>, Fault> {
        let user = self.user_id.to_be_bytes();
        seal.open(&Own::cursor_context(&user, list, filters), cursor).ok_or(Fault::BadCursor)
    }
}

/// Cuts a page to `limit` items; it was read one longer, to learn whether another follows.
fn cut<T>(items: &mut Vec<T>, limit: usize) -> Option<&T> {
    let more = items.len() > limit;
    items.truncate(limit);
    if more { items.last() } else { None }
}

/// Takes the next eight octets of a cursor's position.
fn take_eight(position: &mut &[u8]) -> Result<[u8; 8], Fault> {
    let (eight, rest) = position.split_first_chunk().ok_or(Fault::BadCursor)?;
    *position = rest;
    Ok(*eight)
}
