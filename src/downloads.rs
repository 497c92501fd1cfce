//! A whole journal as one file for its person to download, made for the account page.
//!
//! Knows no page and no HTTP. Invariant: a download is made only for a person who has just given their password; and
//! while their browser takes it, however slowly, no transaction is open and no memory holds it.
//!
//! The journal is read in one transaction into a file without a name on the disk of the database. One download is made
//! at a time, because SQLite's log can't start over meanwhile.

use std::fs::File;
use std::io::{self, BufWriter, Seek};
use std::sync::Mutex;

use crate::clock::Timestamp;
use crate::journal::JournalError;
use crate::journal::transfer::{self, WholeJournal};
use crate::lock::try_locked;
use crate::portable::{self, ExportError, Format, Output};
use crate::stderr;
use crate::store::{Store, StoreError};
use crate::users::Authenticated;

/// Sees to it that one download is made at a time.
#[derive(Default)]
pub(crate) struct Downloads(Mutex<()>);

impl Downloads {
    /// Writes the journal of a person with this address into a file that is read from its beginning next: JSON, or a
    /// ZIP archive of Markdown files. Returns the file and its length, or `None` while another one is made.
    pub(crate) fn make(
        &self,
        store: &Store,
        person: &Authenticated,
        email: &str,
        format: Format,
    ) -> Result<Option<(File, u64)>, StoreError> {
        let Some(_one) = try_locked(&self.0) else { return Ok(None) };
        let mut out = BufWriter::new(store.scratch_file().map_err(|error| cannot_write(&error))?);
        let taken = transfer::take_out(store, &WholeJournal::for_person(person), email, |journal| {
            let output = match format {
                Format::Json => Output::Json(&mut out),
                Format::Markdown => Output::MarkdownArchive(&mut out),
            };
            portable::write(journal, Timestamp::now(), output, &mut |_| {})
        });
        match taken {
            Ok(_) => from_its_beginning(out).map(Some).map_err(|error| cannot_write(&error)),
            Err(ExportError::Output(error)) => Err(cannot_write(&error)),
            Err(ExportError::Journal(JournalError::Store(error))) => Err(error),
            // None of the others can come of reading a whole journal.
            Err(ExportError::Journal(_)) => Err(StoreError::Abandoned),
        }
    }
}

fn from_its_beginning(out: BufWriter<File>) -> io::Result<(File, u64)> {
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    let length = file.metadata()?.len();
    file.rewind()?;
    Ok((file, length))
}

fn cannot_write(error: &io::Error) -> StoreError {
    if error.kind() == io::ErrorKind::StorageFull {
        return StoreError::Full;
    }
    stderr::note(&format!("can't write a download beside the database: {error}"));
    StoreError::Abandoned
}
