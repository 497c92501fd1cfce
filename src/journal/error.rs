//! The errors of the journal, with messages in the words of the domain.
//!
//! Names no tool and no argument: `mcp/tools/mod.rs` adds what a client can do about an error, because it knows the
//! names that the client used.

use std::error::Error;
use std::fmt;

use crate::ids::{EntryId, TagId};
use crate::limits;
use crate::store::StoreError;
use crate::used_forms::Undone;

/// Why the journal refuses a call. Such a call changes nothing: its closure returns the error, and the store rolls
/// back what the closure has done.
#[derive(Debug)]
pub(crate) enum JournalError {
    /// The person has no entry with this id. An entry of another person gives the same error: a different error would
    /// tell the client that the entry exists.
    EntryNotFound(EntryId),
    /// The person has no tag with this id; a tag of another person gives the same error.
    TagNotFound(TagId),
    /// The person has no tag with this name, and the caller may not make one. The text is cleaned.
    TagNameUnknown(String),
    /// The person already has a tag with this name.
    TagNameTaken {
        name: String,
        /// The tag that has the name, so that the client can use it instead.
        id: TagId,
        /// The tag that was to get the name; `None` for a new one.
        this: Option<TagId>,
    },
    /// A tag was to be merged into itself.
    MergedWithItself,
    /// The row has changed since it was shown to the person for confirmation. `mcp` then shows the new row, and asks
    /// again.
    Changed,
    /// The person has [`limits::TAGS_MAX`] tags.
    TagsFull,
    /// The entry would have more than [`limits::TAGS_PER_ENTRY_MAX`] tags.
    TooManyTags {
        /// How many it would have.
        count: usize,
    },
    /// The text of the entry would be longer than [`limits::CONTENT_CHARS_MAX`].
    TextTooLong {
        /// How many characters it would have.
        count: usize,
    },
    /// One end of a filter's period isn't a date or date-time that exists.
    BadDate {
        end: FilterEnd,
        /// The text that the client gave for this end.
        text: String,
    },
    /// The cursor wasn't signed by this server, or belongs to another person, another list or other filters.
    BadCursor,
    /// The search has no term.
    EmptyQuery,
    /// Every term of the search excludes.
    OnlyExclusions,
    /// The search has too many words, too many terms of the index in them, or too many or too short beginnings.
    TooManyTerms,
    /// The form by which the person asked for it, on a page, was used before.
    FormUsed,
    /// The person isn't signed in any more in the browser that sent the form.
    SignedOut,
    /// The database failed.
    Store(StoreError),
}

/// An end of the period that a filter's entries are about.
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
            JournalError::TagNameUnknown(name) => write!(out, "There is no tag named \"{name}\"."),
            JournalError::MergedWithItself => out.write_str("A tag can't be merged into itself."),
            JournalError::TagNameTaken { name, id, .. } => {
                write!(out, "A tag named \"{name}\" already exists (ID: {id}).")
            }
            JournalError::Changed => out.write_str("It changed meanwhile; nothing was done."),
            JournalError::TagsFull => {
                write!(out, "There are {} tags, and there can't be more.", limits::TAGS_MAX)
            }
            JournalError::TooManyTags { count } => {
                let max = limits::TAGS_PER_ENTRY_MAX;
                write!(out, "An entry can have at most {max} tags, and this one would have {count}.")
            }
            JournalError::TextTooLong { count } => {
                let max = limits::CONTENT_CHARS_MAX;
                write!(
                    out,
                    "The text of an entry can have at most {max} characters, and this one would have {count}."
                )
            }
            JournalError::BadDate { text, .. } => write!(out, "There is no date or date-time {text:?}."),
            JournalError::BadCursor => out.write_str("There is no such page of this list."),
            JournalError::EmptyQuery => out.write_str("There is nothing to search for."),
            JournalError::OnlyExclusions => out.write_str("A search can't only exclude."),
            JournalError::TooManyTerms => {
                let (words, parts) = (limits::QUERY_TERMS_MAX, limits::QUERY_LOOKUPS_MAX);
                let (beginnings, letters) = (limits::QUERY_BEGINNINGS_MAX, limits::QUERY_BEGINNING_CHARS_MIN);
                write!(
                    out,
                    "A search can have at most {words} words with {parts} parts together (an address or a Chinese word is \
                     several), of which {beginnings} beginnings (word*) of at least {letters} letters."
                )
            }
            JournalError::FormUsed => out.write_str("The form was used before; nothing was done."),
            JournalError::SignedOut => out.write_str("The person was signed out; nothing was done."),
            // Only the log gets the cause, from `source`: it can contain details of the server that a client must not
            // learn.
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

impl From<Undone<JournalError>> for JournalError {
    fn from(undone: Undone<JournalError>) -> JournalError {
        match undone {
            Undone::Used => JournalError::FormUsed,
            Undone::SignedOut => JournalError::SignedOut,
            Undone::Work(error) => error,
        }
    }
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> JournalError {
        JournalError::Store(error.into())
    }
}
