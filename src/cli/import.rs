//! `epicme import`: what another journal has written, put into a person's journal.
//!
//! Knows no format (`portable` does). Invariant: the journal has all of an import or nothing of it, also if the command
//! is killed. What isn't imported is named with its place and the reason.

use std::collections::HashSet;
use std::path::Path;

use super::{CliError, CommandLine, counts, export, note};
use crate::clock::Timestamp;
use crate::journal::JournalError;
use crate::journal::transfer::{self, Incoming, PutIn, PutInError, WholeJournal};
use crate::limits;
use crate::portable::{self, Import, Reading};
use crate::text;

/// Reads all that is at `path`, and puts it into the journal unless this is a trial.
///
/// If an entry can't be kept, nothing is imported: a person who moves ten years of a diary should hear of it before,
/// and not find out one day. With `--skip-invalid` they say that they know it.
pub(super) fn import(line: &CommandLine, email: Option<&str>, path: &str) -> Result<(), CliError> {
    let is_trial = line.flag("dry-run");
    let store = line.open_existing()?;
    let person = export::one_person(&store, email)?;
    let whole = WholeJournal::for_operator(&person);
    let now = Timestamp::now();
    let read = portable::read(Path::new(path), &Reading { zone: &person.zone, now });
    let import = read.map_err(|error| CliError::Failed(format!("{error}; nothing was imported")))?;
    let Import { format, tags, entries, notes, problems, .. } = import;
    notes.sentences().for_each(|sentence| note(&sentence));
    for problem in problems.iter().take(limits::PROBLEMS_SHOWN_MAX) {
        note(&text::displayable(&problem.to_string()));
    }
    if problems.len() > limits::PROBLEMS_SHOWN_MAX {
        note(&format!("and {} more", problems.len() - limits::PROBLEMS_SHOWN_MAX));
    }
    if !problems.is_empty() && !line.flag("skip-invalid") {
        let (bad, good) = (problems.len(), entries.len());
        return Err(CliError::Failed(format!(
            "{bad} of {} can't be kept, so nothing was imported; mend them, or import the other {good} with \
             --skip-invalid",
            bad + good
        )));
    }
    let count = entries.len();
    // A tag may be listed, or only be at an entry, as in the formats that list none.
    let at_entries = entries.iter().flat_map(|placed| &placed.entry.tags);
    let names: HashSet<_> = tags.iter().map(|tag| &tag.name).chain(at_entries).collect();
    let listed = counts(count, names.len());
    note(&format!("{} is {format}, with {listed}", text::displayable(path)));
    let progress = Box::new(move |done| note(&format!("{done} of {count} entries")));
    let done = transfer::put_in(&store, &whole, Incoming { tags, entries, now, is_trial, progress });
    let done = done.map_err(|error| match error {
        PutInError { error: JournalError::Store(error), .. } => {
            CliError::Failed(format!("{}; nothing was imported", CliError::from(error)))
        }
        PutInError { error: JournalError::TagsFull, .. } => CliError::Failed(format!(
            "{error} Nothing was imported; use fewer tags in the files, or delete some of the journal's"
        )),
        error => CliError::Failed(format!("{error} Nothing was imported")),
    })?;
    let PutIn { entries, tags, known } = done;
    if let Some(first) = known.first() {
        let all = match known.len() {
            1 => first.clone(),
            more => format!("{first} and {} more", more - 1),
        };
        note(&format!("{all}: the journal has this already, so it was skipped"));
    }
    let email = text::displayable(&person.email);
    let done = counts(entries, tags);
    note(&if is_trial {
        format!("it would import {done} for {email}; nothing was written")
    } else {
        format!("imported {done} for {email}")
    });
    Ok(())
}
