//! `epicme backup`, a copy of the whole database, also while a server runs, and `epicme restore`, which brings one
//! back.
//!
//! Writes nothing into the database that is copied but when and where that was done. Invariant: when they say that they
//! are done, there is a whole copy under the name that the operator gave, and it was checked.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::{CliError, CommandLine, note};
use crate::backup::{self, Contents, Made};
use crate::clock::Timestamp;
use crate::limits;
use crate::store::{self, CopyProgress, Copying, PUT_ASIDE, Restored, Store, VERSION};

/// Copies the database into a file.
pub(super) fn backup(line: &CommandLine, file: &str) -> Result<(), CliError> {
    let store = line.existing(Store::open_to_copy)?;
    let path = Path::new(file);
    let made = backup::make(&store, path, true, &mut tell_progress(), Arc::default())
        .map_err(|error| CliError::Failed(format!("{}: {error}", path.display())))?;
    drop(store);
    let (contents, kib) = (made.contents, made.bytes.div_ceil(1024));
    note(&format!("{file}: a whole copy with {contents}, {kib} KiB; checked"));
    remember(line, &made);
    Ok(())
}

/// Returns what tells the operator how far a copy is that takes long.
fn tell_progress() -> impl FnMut(CopyProgress) {
    let mut told = Instant::now();
    move |progress| match progress {
        CopyProgress::Copied { pages, of } if told.elapsed() >= limits::PROGRESS_INTERVAL => {
            note(&format!("{pages} of {of} pages are copied"));
            told = Instant::now();
        }
        CopyProgress::Checking if told.elapsed() >= limits::PROGRESS_INTERVAL => note("checking the copy"),
        _ => {}
    }
}

/// Has the database know when it was copied last. One of an earlier version stays one, and one that can't be written is
/// copied all the same.
fn remember(line: &CommandLine, made: &Made) {
    if made.version < VERSION {
        return;
    }
    let opened = line.open_existing().map_err(|error| error.to_string());
    if let Err(error) = opened.and_then(|store| made.remember(&store).map_err(|error| error.to_string())) {
        note(&format!("the database itself can't keep when it was backed up: {error}"));
    }
}

/// Puts a copy in the place of the database, which is kept aside.
pub(super) fn restore(line: &CommandLine, file: &str) -> Result<(), CliError> {
    let keeps_access = line.flag("keep-access");
    let mut copying = Copying {
        version: None,
        replaces: true,
        amend: if keeps_access { |_| Ok(()) } else { backup::end_access },
        progress: &mut tell_progress(),
        stop: Default::default(),
    };
    let path = line.database();
    let told = path.display();
    let aside = format!("{PUT_ASIDE}{}", Timestamp::now().compact());
    let Restored { copied, aside } = store::restore(Path::new(file), &path, &aside, &mut copying)
        .map_err(|error| CliError::Failed(error.to_string()))?;
    // Of the backup, which has as much: to read the journal, SQLite would make its log and the index of that, which
    // would belong to the user who runs this.
    let contents =
        Contents::of_copy(Path::new(file)).map_err(|error| CliError::Failed(format!("{file}: {error}")))?;
    note(&format!("{told} is what {file} was, with {contents}"));
    if let Some(aside) = aside {
        note(&format!("what was there before is {} now; delete it when you don't need it", aside.display()));
    }
    if copied.version < VERSION {
        note(&format!("it has version {}; epicme serve brings it up to date", copied.version));
    }
    note(if keeps_access {
        "all tokens and sign-ins are as they were when the backup was made: what was revoked since is good again, also in \
         the hands of a thief; epicme token list shows the tokens, and epicme token revoke ID takes one back"
    } else {
        "all tokens and sign-ins are ended, because some may have been revoked since the backup: clients ask their people \
         again, and epicme token create EMAIL makes a token; --keep-access would keep them"
    });
    note("passwords are those of the time of the backup; epicme user passwd EMAIL sets another one");
    Ok(())
}
