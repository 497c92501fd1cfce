//! A journal outside of the database: what an export writes and an import reads, and the forms of files for it.
//!
//! Names no table and no person's id, and writes nothing into a journal: `journal/transfer.rs` does. Invariant: what is
//! in an [`Import`] can be kept as it is. Each entry has a title, a day and tags within the limits of the journal, and
//! what doesn't fit is a [`Problem`](import::Problem) that says where it is and why.
//!
//! On the way out, `write.rs` chooses the format. On the way in, `source.rs` opens what a person names (a file, a
//! folder or a ZIP archive), `read.rs` chooses the format of each file, `fitting.rs` says what the journal keeps, and
//! `import.rs` gathers what was read. Each format has a file: `json.rs` and `markdown.rs` write and read our own,
//! `day_one.rs` and `jrnl.rs` read those of two other programs.
//!
//! An import is read as a whole before the first row is written. So a file that ends in the middle changes nothing, and
//! the one transaction that writes holds the lock on the database no longer than the writing takes.

mod day_one;
mod fitting;
mod front_matter;
mod import;
mod json;
mod jrnl;
pub(crate) mod markdown;
mod members;
mod moments;
mod read;
mod source;
#[cfg(test)]
mod tests;
mod title;
mod write;

pub(crate) use self::import::{Import, PlacedEntry};
pub(crate) use self::moments::Reading;
pub(crate) use self::read::{read, read_entry, read_note};
pub(crate) use self::write::{ExportError, Exported, Format, Output, write};
use crate::clock::Timestamp;
use crate::dates::EntryDate;

/// Whose journal it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Person {
    pub(crate) email: String,
    /// A name of IANA's time zone database.
    pub(crate) time_zone: String,
}

/// A tag outside of the database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PortableTag {
    /// `None` if the file gives none.
    pub(crate) id: Option<i64>,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// An entry outside of the database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PortableEntry {
    /// `None` if the file gives none.
    pub(crate) id: Option<i64>,
    pub(crate) title: String,
    pub(crate) content: String,
    pub(crate) date: EntryDate,
    pub(crate) mood: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) weather: Option<String>,
    pub(crate) is_private: bool,
    pub(crate) is_favorite: bool,
    /// The names of its tags.
    pub(crate) tags: Vec<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// The entries of a journal, one by one, or the error that ended them.
pub(crate) type Entries<'j, E> = &'j mut dyn Iterator<Item = Result<PortableEntry, E>>;

/// A whole journal on its way out of the database.
pub(crate) struct PortableJournal<'j, E> {
    pub(crate) person: Person,
    /// All tags, those of no entry too.
    pub(crate) tags: Vec<PortableTag>,
    pub(crate) entries: Entries<'j, E>,
}
