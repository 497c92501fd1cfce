//! Writes a whole journal in one of the formats: the one way out, for the command and for the download.
//!
//! Reads no row: the caller hands the entries over one by one. Invariant: what was written
//! without an error is a whole export, and after an error the output is to be thrown away.

use std::error::Error;
use std::fmt;
use std::io::{self, Seek, Write};
use std::path::Path;

use super::{PortableEntry, PortableJournal, json, markdown};
use crate::clock::Timestamp;

/// The format of an export.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    Json,
    Markdown,
}

/// What an export is written into, and how.
pub(crate) enum Output<'o, W> {
    Json(&'o mut W),
    /// A ZIP archive of the files that [`Output::MarkdownFolder`] would have.
    MarkdownArchive(&'o mut W),
    /// An empty folder that is there.
    MarkdownFolder(&'o Path),
}

/// How much was exported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Exported {
    pub(crate) entries: usize,
    pub(crate) tags: usize,
}

/// Why an export isn't whole. `E` is the error of the journal.
#[derive(Debug)]
pub(crate) enum ExportError<E> {
    /// The journal can't be read.
    Journal(E),
    /// The output takes no more.
    Output(io::Error),
}

impl<E: fmt::Display> fmt::Display for ExportError<E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExportError::Journal(error) => error.fmt(out),
            ExportError::Output(error) => write!(out, "the export can't be written: {error}"),
        }
    }
}

impl<E: Error> Error for ExportError<E> {}

impl<E> From<io::Error> for ExportError<E> {
    fn from(error: io::Error) -> ExportError<E> {
        ExportError::Output(error)
    }
}

/// Writes a journal. `progress` is told after each entry how many there were. The entries go out as they come, so a
/// large journal needs no more memory than its largest entry.
pub(crate) fn write<W: Write + Seek, E>(
    journal: PortableJournal<'_, E>,
    exported_at: Timestamp,
    output: Output<'_, W>,
    progress: &mut dyn FnMut(usize),
) -> Result<Exported, ExportError<E>> {
    let PortableJournal { person, tags, entries } = journal;
    let mut exported = Exported { entries: 0, tags: tags.len() };
    let mut entries = entries.map(|entry: Result<PortableEntry, E>| {
        exported.entries += 1;
        progress(exported.entries);
        entry.map_err(ExportError::Journal)
    });
    match output {
        Output::Json(out) => {
            let journal = PortableJournal { person, tags, entries: &mut entries };
            json::write(journal, exported_at, out)?;
        }
        Output::MarkdownArchive(out) => markdown::write_archive(&mut entries, out)?,
        Output::MarkdownFolder(folder) => markdown::write_folder(&mut entries, folder)?,
    }
    Ok(exported)
}
