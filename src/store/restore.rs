//! Puts a copy in the place of the database, and the old database aside.
//!
//! Names no table. Invariants: nothing is deleted but what a restore itself has begun; and no file ever has the name of
//! the database while a log lies beside it that isn't its own.
//!
//! The new file is written beside the old one, whole and checked, before anything happens to the old one. Then the old
//! file gets another name, its log after it, and the new one gets its name last. A program that is killed in between
//! leaves no file of that name; the new one, unfinished by its name (`files::RESTORING`), says why, so nobody makes a
//! new journal there (`files::find_or_make`), and the next restore goes on from there.

use std::error::Error;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};

use super::files::{self, Part, RESTORING, beside};
use super::{Copied, CopyError, Copying, OpenError, Store, copy, migrations};
use crate::limits;

/// What a restore has done.
pub(crate) struct Restored {
    pub(crate) copied: Copied,
    /// Where the old database is now; `None` if there was none.
    pub(crate) aside: Option<PathBuf>,
}

/// Why nothing was restored. The messages are for the operator, and name the file that they are about.
#[derive(Debug)]
pub(crate) enum RestoreError {
    /// The backup can't be used.
    Backup(PathBuf, OpenError),
    /// It is the database itself.
    Itself(PathBuf),
    /// The database is being used.
    InUse(PathBuf),
    /// What has the name of the database can't be put aside.
    Database(PathBuf, OpenError),
    /// The new file can't be written.
    Copy(PathBuf, CopyError),
    /// A file can't be renamed. If it is the new one, the old one was put aside already.
    Rename(PathBuf, io::Error),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestoreError::Backup(path, error) => write!(out, "{}: {error}", path.display()),
            RestoreError::Itself(path) => {
                write!(out, "{}: that is the database itself, or a part of it; name a backup", path.display())
            }
            RestoreError::InUse(path) => {
                write!(
                    out,
                    "{}: another program uses it; stop that one, and run the restore again",
                    path.display()
                )
            }
            RestoreError::Database(path, error) => write!(out, "{}: {error}", path.display()),
            RestoreError::Copy(path, error) => {
                write!(out, "{}: {error}; nothing was restored", path.display())
            }
            RestoreError::Rename(path, error) => write!(
                out,
                "{}: can't rename it: {error}; see that its folder can be written, and run the restore again",
                path.display()
            ),
        }
    }
}

impl Error for RestoreError {}

/// Puts a copy of the database at `backup` in the place of `database`. The old one gets `aside` at the end of its name.
pub(crate) fn restore(
    backup: &Path,
    database: &Path,
    aside: &str,
    copying: &mut Copying,
) -> Result<Restored, RestoreError> {
    let cannot_write = |error: CopyError| RestoreError::Copy(database.to_owned(), error);
    let database = &files::for_copy(database).map_err(|error| cannot_write(error.into()))?;
    let store =
        Store::open_to_copy(backup).map_err(|error| RestoreError::Backup(backup.to_owned(), error))?;
    if files::is_of_database(backup, database).unwrap_or(false) {
        return Err(RestoreError::Itself(backup.to_owned()));
    }
    // The server's lock, on both files: nobody serves the old one any more, and nobody serves the new one yet.
    let old = lock_old(database)?;
    let was_interrupted = fs::exists(beside(database, RESTORING)).unwrap_or(false);
    let mut part = Part::begin(database, RESTORING).map_err(|error| match error {
        files::PartError::InProgress => RestoreError::InUse(database.clone()),
        error => cannot_write(error.into()),
    })?;
    if was_interrupted && old.is_none() {
        part.keep(); // as the one before, also if this restore fails
    }
    let source = store.readers.connect().map_err(|error| cannot_write(CopyError::Unread(error)))?;
    let copied = copy::fill(&source, &part, copying).map_err(cannot_write)?;
    // Its header says that it has a write-ahead log, as that of a journal does and that of a backup doesn't. So no
    // backup takes it for an earlier one (`files::is_copy`).
    part.write_at(&[2, 2], 18).and_then(|()| part.sync()).map_err(|error| cannot_write(error.into()))?;
    // A server that runs as another user must be able to open the file: root restores for it. Nobody else can give a
    // file away, and needn't.
    if let Some(owner) = old.as_ref().and_then(|lock| lock.metadata().ok()) {
        let _ = chown(part.path(), Some(owner.uid()), Some(owner.gid()));
    }
    // Nobody else uses the old one for as long as this is open.
    let held = old.as_ref().map(|lock| make_whole(database, lock)).transpose()?;
    let aside = put_aside(database, aside, was_interrupted);
    if !fs::exists(database).unwrap_or(true) {
        part.keep(); // if the rest fails, its name says why there is no database
    }
    let aside = aside?;
    part.finish(database).map_err(|error| RestoreError::Rename(database.clone(), error))?;
    drop(held);
    Ok(Restored { copied, aside })
}

/// Takes the lock of a server on what is there; `None` if nothing is.
fn lock_old(database: &Path) -> Result<Option<File>, RestoreError> {
    if !fs::exists(database).unwrap_or(true) {
        return Ok(None);
    }
    let cannot_use = |error| RestoreError::Database(database.to_owned(), error);
    // Whatever else is wrong with it, it is put aside.
    if let Err(error @ (OpenError::NotAFile | OpenError::Io(_))) = files::find(database) {
        return Err(cannot_use(error));
    }
    files::lock_for_server(database).map(Some).map_err(|error| match error {
        OpenError::InUse => RestoreError::InUse(database.to_owned()),
        error => cannot_use(error),
    })
}

/// Moves the log of the old database into its file, so that it is one whole file, and keeps all others from it. Returns
/// `None` where that can't be done because the file is damaged: then the log is put aside with it, as it is.
fn make_whole(database: &Path, lock: &File) -> Result<Option<Connection>, RestoreError> {
    if files::find(database).is_err() || files::check_whole(database, Some(lock), true).is_err() {
        return Ok(None);
    }
    let made = files::open_to_write(database).and_then(|connection| {
        connection.busy_timeout(limits::READ_WAIT_MAX)?;
        let recognized = migrations::recognize(&connection);
        if matches!(recognized, Err(OpenError::Foreign)) {
            return Ok(Err(OpenError::Foreign));
        }
        // SQLite changes this mode only while nobody else has the file open.
        connection.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        Ok(Ok(connection))
    });
    match made {
        Ok(Ok(connection)) => Ok(Some(connection)),
        Ok(Err(error)) => Err(RestoreError::Database(database.to_owned(), error)),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Err(RestoreError::InUse(database.to_owned()))
            }
            _ => Ok(None),
        },
    }
}

/// Renames the old database and what lies beside it. The database goes first: without its log it might pass for whole.
/// Where there is none, an earlier restore may have been interrupted after that.
fn put_aside(database: &Path, end: &str, was_interrupted: bool) -> Result<Option<PathBuf>, RestoreError> {
    let rename = |from: &Path, to: &Path| match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(RestoreError::Rename(from.to_owned(), error)),
        Ok(()) => Ok(true),
    };
    let is_there = fs::exists(database).unwrap_or(true);
    // After an interrupted restore, what is left belongs to what that one has put aside. Otherwise nobody knows to
    // which file a log belongs that is alone.
    let earlier = if was_interrupted && !is_there { put_aside_last(database) } else { None };
    let aside = earlier.unwrap_or_else(|| free_name(database, end));
    if is_there {
        rename(database, &aside)?;
    }
    // The first of them is the one that the operator is told of.
    let mut moved = is_there.then(|| aside.clone());
    for suffix in ["-wal", "-journal"] {
        let to = beside(&aside, suffix);
        if rename(&beside(database, suffix), &to)? {
            moved.get_or_insert(to);
        }
    }
    // SQLite makes the index of a log anew.
    let _ = fs::remove_file(beside(database, "-shm"));
    files::sync_folder(database).map_err(|error| RestoreError::Rename(database.to_owned(), error))?;
    Ok(moved)
}

/// Finds a name that neither a file nor a log has. If it can't be seen, the name counts as free, and to rename fails.
fn free_name(database: &Path, end: &str) -> PathBuf {
    let is_taken =
        |name: &Path| [name, &beside(name, "-wal")].iter().any(|name| fs::exists(name).unwrap_or(false));
    let mut name = beside(database, end);
    let mut number = 1;
    while is_taken(&name) {
        number += 1;
        name = beside(database, &format!("{end}-{number}"));
    }
    name
}

/// Finds what was put aside last, if it has no log yet.
fn put_aside_last(database: &Path) -> Option<PathBuf> {
    let beginning = beside(database, PUT_ASIDE);
    let beginning = beginning.file_name()?.to_str()?;
    let names =
        fs::read_dir(database.parent()?).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let last = names.filter(|name| name.starts_with(beginning) && !name.ends_with("-wal")).max()?;
    let last = database.with_file_name(last);
    (!fs::exists(beside(&last, "-wal")).unwrap_or(true)).then_some(last)
}

/// How the name of a database that was put aside goes on; the time follows.
pub(crate) const PUT_ASIDE: &str = ".before-restore-";
