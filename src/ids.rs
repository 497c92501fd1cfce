//! Ids of rows. The type of an id says which kind of row it names, so that the compiler refuses a tag's id in place
//! of an entry's.
//!
//! Names no table, and imports no other module. An id doesn't say who owns the row: the journal's statements compare
//! the owner. An id isn't a secret either, so a client that knows one may not see the row for that reason alone.

use std::fmt;
use std::marker::PhantomData;

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};

/// The id of one row of the kind `Of`. The id is a plain integer in the database, on the wire and in memory: a
/// `PhantomData` takes no space.
///
/// The alternatives were a struct for each kind, with the same `impl`s for each, or a macro that writes them.
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
    /// Makes an id from a number. Neither the compiler nor this function checks that a row of this kind has the
    /// number.
    pub(crate) const fn new(number: i64) -> Id<Of> {
        Id { number, kind: PhantomData }
    }

    /// Returns the number, as the database and the wire have it.
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

// The field that takes the value decides the type of the id. SQLite knows only integers, so the compiler can't check
// here, just as in [`Id::new`], that the number comes from the right column.
impl<Of> FromSql for Id<Of> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Id<Of>> {
        i64::column_result(value).map(Id::new)
    }
}
