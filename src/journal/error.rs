//! Why the journal refuses a call, in its own words.
//!
//! Knows no tool and no name of an argument: what a client can do about an error is added where the client's words
//! are known, in `mcp/tools/mod.rs`.

use std::error::Error;
use std::fmt;

use crate::ids::{EntryId, TagId};
use crate::limits;
use crate::store::StoreError;

/// Why the journal refuses a call. Nothing was changed: an error leaves the closure of the transaction, and the
/// store rolls back what the closure had done.
#[derive(Debug)]
pub(crate) enum JournalError {
    /// The person has no entry of this id. An entry of another person's gives the same error: a different one would
    /// say that there is such an entry.
    EntryNotFound(EntryId),
    /// The person has no tag of this id; a tag of another person's gives the same error.
    TagNotFound(TagId),
    /// The person has a tag of this name already.
    TagNameTaken {
        name: String,
        /// The tag that has the name, so that the client can use it instead.
        id: TagId,
    },
    /// The row isn't any more what the person was shown when they confirmed. The server shows them the row as it is
    /// now, and asks again.
    Changed,
    /// The person has [`limits::TAGS_MAX`] tags.
    TagsFull,
    /// The entry would have more than [`limits::TAGS_PER_ENTRY_MAX`] tags.
    TooManyTags,
    /// One end of a filter's time isn't a date or date-time that exists.
    BadDate {
        end: FilterEnd,
        /// What was given for it.
        text: String,
    },
    /// The cursor wasn't signed by this server, or belongs to another person, another list or other filters.
    BadCursor,
    /// The search has no word to search for.
    EmptyQuery,
    /// The search has nothing but words to exclude.
    OnlyExclusions,
    /// The search has more terms than one search may cost, or too many or too short beginnings.
    TooManyTerms,
    /// The database failed.
    Store(StoreError),
}

/// An end of the time in which a filter's entries were made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FilterEnd {
    From,
    To,
}

impl fmt::Display for JournalError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JournalError::EntryNotFound(id) => write!(out, "Entry with ID \"{id}\" not found."),
            JournalError::TagNotFound(id) => write!(out, "Tag ID \"{id}\" not found."),
            JournalError::TagNameTaken { name, id } => {
                write!(out, "A tag named \"{name}\" already exists (ID: {id}).")
            }
            JournalError::Changed => out.write_str("It changed meanwhile; nothing was done."),
            JournalError::TagsFull => {
                write!(out, "There are {} tags, and there can't be more.", limits::TAGS_MAX)
            }
            JournalError::TooManyTags => {
                let max = limits::TAGS_PER_ENTRY_MAX;
                write!(out, "An entry can have at most {max} tags, and this one has {max}.")
            }
            JournalError::BadDate { text, .. } => write!(out, "There is no date or date-time {text:?}."),
            JournalError::BadCursor => out.write_str("There is no such page of this list."),
            JournalError::EmptyQuery => out.write_str("There is nothing to search for."),
            JournalError::OnlyExclusions => out.write_str("A search can't only exclude."),
            JournalError::TooManyTerms => {
                let (terms, beginnings) = (limits::QUERY_TERMS_MAX, limits::QUERY_BEGINNINGS_MAX);
                write!(
                    out,
                    "A search can have at most {terms} words, of which {beginnings} beginnings (word*) of at least 2 \
                     letters."
                )
            }
            // What failed is for the log, which gets it from `source`; clients would learn of the server's inside.
            JournalError::Store(_) => out.write_str("The journal can't be reached now; nothing was changed."),
        }
    }
}

impl Error for JournalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            JournalError::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> JournalError {
        JournalError::Store(error)
    }
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> JournalError {
        JournalError::Store(error.into())
    }
}
