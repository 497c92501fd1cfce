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
use crate::events::{Change, Changes, Events, Resource};
use crate::gate::Permit;
use crate::secret::{self, Seal};
use crate::store::{Store, StoreError};

/// One person's journal: where it is kept, who listens to it, and the permit that opened it.
#[derive(Clone, Copy)]
pub struct Journal<'a> {
    /// The database.
    pub store: &'a Store,
    /// The seal of cursors.
    pub seal: &'a Seal,
    /// Who listens.
    pub events: &'a Events,
    /// Whose journal it is.
    pub permit: Permit,
}

impl Journal<'_> {
    /// Reads in one transaction.
    fn read<T>(&self, work: impl FnOnce(&Own) -> Result<T, Fault>) -> Result<T, Fault> {
        self.store.read(self.permit.user_id(), |connection| work(&Own::new(connection, self.permit)))
    }

    /// Changes in one transaction what `work` says it changes, and tells who listens once that is on the disk.
    fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Own, &mut Changes) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let permit = self.permit;
        let (value, changes) = self.store.write(move |connection| {
            let mut changes = Changes::new();
            let value = work(&Own::new(connection, permit), &mut changes)?;
            Ok::<_, Fault>((value, changes))
        })?;
        self.events.publish(permit.user_id(), &changes);
        Ok(value)
    }
}

impl Journal<'_> {
    /// Tells those who watch an entry for which `touched` says so that it is different now, for a change that may touch
    /// any number of entries: only those that somebody watches are looked at, and the writer doesn't wait for it.
    fn tell_watchers(&self, touched: impl Fn(&Own, i64) -> Result<bool, Fault>) {
        let person = self.permit.user_id();
        let watched = self.events.watched(person).into_iter().filter_map(|change| match change {
            Change::Of(Resource::Entry(id)) => Some(id),
            _ => None,
        });
        let watched: Vec<_> = watched.collect();
        if watched.is_empty() {
            return;
        }
        let found = self.read(|own| {
            let mut found = Vec::new();
            for id in &watched {
                if touched(own, *id)? {
                    found.push(*id);
                }
            }
            Ok(found)
        });
        // Where they can't be read now all are told: one notification too many is better than one that is lost.
        let changed = found.unwrap_or(watched).into_iter().map(|id| Change::Of(Resource::Entry(id)));
        self.events.publish(person, &changed.collect());
    }
}

/// All that a row says, as a digest: what a person agreed to is what they were shown.
pub type Shown = [u8; 32];

/// An entry with its tags.
#[derive(Debug)]
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

impl Entry {
    /// See [`Shown`]. Of `Debug` it takes every field with its name: one that is added is bound too.
    pub fn shown(&self) -> Shown {
        secret::sha256(format!("{self:?}").as_bytes())
    }
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
#[derive(Debug)]
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

impl Tag {
    /// See [`Shown`]; how many entries have the tag is part of it.
    pub fn shown(&self, entry_count: usize) -> Shown {
        secret::sha256(format!("{self:?} {entry_count}").as_bytes())
    }
}

/// A tag as an entry shows it.
#[derive(Debug)]
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

/// What fits the beginning of a text that somebody is typing.
pub struct Matches {
    /// The best so many.
    pub values: Vec<String>,
    /// How many there are.
    pub total: i64,
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
    /// The row isn't any more what the person was shown when they agreed.
    Changed,
    /// The caller has [`crate::limits::TAGS_MAX`] tags.
    TagsFull,
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

/// What is different once an entry is made, changed, deleted, or has other tags.
fn entry_changed(id: i64) -> [Change; 2] {
    [Change::Of(Resource::Entries), Change::Of(Resource::Entry(id))]
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

    /// Rows of `table` whose id (where digits are typed) or else whose `name` holds what is typed, whatever the case:
    /// equal ones first, then those that begin with it, then the rest, each in `order`.
    fn matching(
        &self,
        table: &'static str,
        name: &'static str,
        order: &'static str,
        typed: &str,
        limit: usize,
    ) -> Result<Matches, Fault> {
        let by_id = typed.bytes().all(|octet| octet.is_ascii_digit());
        let text = if by_id { "CAST(id AS TEXT)" } else { name };
        let typed = typed.to_lowercase();
        let (mut equal, mut begun, mut others, mut total) = (Vec::new(), Vec::new(), Vec::new(), 0);
        // Compared here: SQLite knows the case of ASCII letters alone. One pass finds them and counts them.
        let sql = format!("SELECT id, {text} FROM {table} WHERE user_id = ?1 ORDER BY {order}");
        self.all(&sql, &[], |row| {
            let (id, text): (i64, String) = (row.get(0)?, row.get(1)?);
            let text = text.to_lowercase();
            let alike = match text.find(&typed) {
                Some(0) if text == typed => &mut equal,
                Some(0) => &mut begun,
                Some(_) => &mut others,
                None => return Ok(()),
            };
            total += 1;
            if alike.len() < limit {
                alike.push(id.to_string());
            }
            Ok(())
        })?;
        let mut values = [equal, begun, others].concat();
        values.truncate(limit);
        Ok(Matches { values, total })
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
