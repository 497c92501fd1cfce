//! A whole journal as one file for its person to download, made for the account page.
//!
//! Knows no page and no HTTP. Invariant: a download is made only for a person who has just given their password; and while
//! their browser takes it, however slowly, no transaction is open and no memory holds it.
//!
//! The journal is read in one transaction into a file without a name on the disk of the database. One download is made at
//! a time, because SQLite's log can't start over meanwhile.

use std::fs::File;
use std::io::{self, BufWriter, Seek};
use std::sync::Mutex;

use crate::clock::Timestamp;
use crate::journal::JournalError;
use crate::journal::transfer::{self, Part, WholeJournal};
use crate::lock::try_locked;
use crate::portable::{Person, json, markdown};
use crate::stderr;
use crate::store::{Store, StoreError};
use crate::users::Authenticated;

/// The form of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    Json,
    /// A ZIP archive of Markdown files.
    Markdown,
}

/// Sees to it that one download is made at a time.
#[derive(Default)]
pub(crate) struct Downloads(Mutex<()>);

impl Downloads {
    /// Writes the journal of a person with this address into a file that is read from its beginning next. Returns the file
    /// and its length, or `None` while another one is made.
    pub(crate) fn make(
        &self,
        store: &Store,
        person: &Authenticated,
        email: &str,
        format: Format,
    ) -> Result<Option<(File, u64)>, StoreError> {
        let Some(_one) = try_locked(&self.0) else { return Ok(None) };
        let out = BufWriter::new(store.scratch_file().map_err(|error| cannot_write(&error))?);
        let mut export = Export::Begun(format, out);
        let taken = transfer::take_out(store, &WholeJournal::for_person(person), &mut |part| {
            let given = std::mem::replace(&mut export, Export::Failed);
            export = given.take(part, email).map_err(|error| JournalError::Store(cannot_write(&error)))?;
            Ok(())
        });
        match taken {
            Ok(()) => export.end().map(Some).map_err(|error| cannot_write(&error)),
            Err(JournalError::Store(error)) => Err(error),
            Err(_) => Err(StoreError::Abandoned), // none of the others can come of reading a whole journal
        }
    }
}

/// A download that is being made.
enum Export {
    Begun(Format, BufWriter<File>),
    Json(json::Export<BufWriter<File>>),
    Markdown(Box<markdown::Archive<BufWriter<File>>>),
    /// A part could not be written.
    Failed,
}

impl Export {
    fn take(self, part: Part, email: &str) -> io::Result<Export> {
        Ok(match (self, part) {
            (Export::Begun(Format::Json, out), Part::Begin(zone, tags)) => {
                let person = Person { email: email.to_owned(), time_zone: zone.name().to_owned() };
                Export::Json(json::Export::begin(out, &person, Timestamp::now(), &tags)?)
            }
            (Export::Begun(Format::Markdown, out), Part::Begin(..)) => {
                Export::Markdown(Box::new(markdown::Archive::begin(out)))
            }
            (Export::Json(mut export), Part::Entry(entry)) => {
                export.entry(&entry)?;
                Export::Json(export)
            }
            (Export::Markdown(mut archive), Part::Entry(entry)) => {
                archive.entry(&entry)?;
                Export::Markdown(archive)
            }
            (other, _) => other, // what begins comes first, and once
        })
    }

    fn end(self) -> io::Result<(File, u64)> {
        let out = match self {
            Export::Json(export) => export.end()?,
            Export::Markdown(archive) => archive.end()?,
            Export::Begun(..) | Export::Failed => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let length = file.metadata()?.len();
        file.rewind()?;
        Ok((file, length))
    }
}

fn cannot_write(error: &io::Error) -> StoreError {
    if error.kind() == io::ErrorKind::StorageFull {
        return StoreError::Full;
    }
    stderr::note(&format!("can't write a download beside the database: {error}"));
    StoreError::Abandoned
}
