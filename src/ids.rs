//! Ids of rows whose type says what kind of row they name, so that the compiler refuses a tag's id where an entry's
//! is meant.
//!
//! Knows no table, and no other room. An id doesn't say who owns the row: the journal's statements compare that. It
//! is no secret either, so nothing may be shown to a client because it knows an id.

use std::fmt;
use std::marker::PhantomData;

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};

/// The id of one row of the kind `Of`. It is a plain integer in the database and on the wire, and in memory too: a
/// `PhantomData` takes no space.
///
/// The alternative was a struct for each kind, with the same `impl`s in each, or a macro to write them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Id<Of> {
    number: i64,
    kind: PhantomData<Of>,
}

// The kinds are enums without a variant, so no value of them can exist: they only make the types of ids different.
// They derive what `Id` derives, because a derive on a generic type requires the same of its parameter.

/// The kind of row that an [`EntryId`] names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum EntryRow {}

/// The kind of row that a [`TagId`] names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum TagRow {}

/// The kind of row that a [`UserId`] names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum UserRow {}

/// The id of an entry.
pub(crate) type EntryId = Id<EntryRow>;
/// The id of a tag.
pub(crate) type TagId = Id<TagRow>;
/// The id of a person.
pub(crate) type UserId = Id<UserRow>;

impl<Of> Id<Of> {
    /// Takes a number for an id of this kind; whether there is such a row, only the database knows.
    pub(crate) const fn new(number: i64) -> Id<Of> {
        Id { number, kind: PhantomData }
    }

    /// The number, as it stands in the database and on the wire.
    pub(crate) fn get(&self) -> i64 {
        self.number
    }
}

impl<Of> fmt::Display for Id<Of> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(out)
    }
}

impl<Of> ToSql for Id<Of> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.number.to_sql()
    }
}

// The type of the id is chosen where the row is read, by the field that it goes into. SQLite knows only integers,
// so here alone the compiler can't see whether the column was the right one.
impl<Of> FromSql for Id<Of> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Id<Of>> {
        i64::column_result(value).map(Id::new)
    }
}
