//! The database file, and the two that SQLite keeps beside it: who may read them, and how a connection that only reads
//! is opened.
//!
//! Names no table. Invariant: a file that this program writes is readable for its owner alone, before the first row
//! is written.
//!
//! SQLite keeps what isn't yet in the database in a log (`-wal`), and an index of that log in memory that processes
//! share (`-shm`). Both hold or lead to the same texts as the database, and SQLite creates them with the mode of the
//! database.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::OpenError;
use super::migrations::APPLICATION_ID;
use crate::secret;
use crate::stderr;

/// A connection is used by one thread at a time: the compiler sees to that, since `Connection` isn't `Sync`. So SQLite
/// needn't take a lock of its own for each call.
pub(super) const ONE_THREAD: OpenFlags = OpenFlags::SQLITE_OPEN_NO_MUTEX;

/// The mode of a file that only its owner may read and write.
const OWNER_ONLY: u32 = 0o600;

/// Creates the file if there is none, and returns its path without links.
///
/// The path has no links because SQLite follows them too, and so keeps its log beside the file and not beside the link.
/// It is absolute, because SQLite gives `:memory:` and `file:…` a special meaning; to the operator they are names of
/// files.
pub(super) fn create(path: &Path) -> Result<PathBuf, OpenError> {
    // This code creates the file, because SQLite would make it readable for every user of the machine (0644, less the
    // umask).
    match OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(OpenError::Io(error)),
    }
    find(path)
}

/// Returns the path of a file that is there, as [`create`] does. To open a pipe would be to wait for a program at its
/// other end, so what isn't a file is refused before.
pub(super) fn find(path: &Path) -> Result<PathBuf, OpenError> {
    let path = fs::canonicalize(path).map_err(OpenError::Io)?;
    if fs::metadata(&path).map_err(OpenError::Io)?.is_file() { Ok(path) } else { Err(OpenError::NotAFile) }
}

/// Makes a file beside the database that only its owner may open, and takes its name away at once: nobody finds it, and
/// nothing of it is left if the process is killed.
pub(super) fn scratch(database: &Path) -> io::Result<File> {
    let path = beside(database, &format!("-{}", secret::random_text::<16>()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(OWNER_ONLY).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// Takes from all others the right to read the database, its log and the index of the log. A copy that was put back
/// from a backup often has the mode of any other file, and with it every user of the machine could read the journal.
///
/// The log of the server says that the mode was changed, since the operator may have meant it. If it can't be changed,
/// because the file belongs to another user, the file isn't used: the operator would not learn of it in time.
pub(super) fn keep_to_owner(path: &Path) -> Result<(), OpenError> {
    for file in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        let mode = match fs::metadata(&file) {
            Ok(found) if found.is_file() => found.permissions().mode() & 0o7777,
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(OpenError::Io(error)),
        };
        if mode & 0o077 == 0 {
            continue;
        }
        fs::set_permissions(&file, Permissions::from_mode(OWNER_ONLY))
            .map_err(|_| OpenError::Exposed { mode })?;
        if file == path {
            let name = path.display();
            stderr::note(&format!(
                "{name} had mode {mode:04o}, so others could use it; it has mode 0600 now"
            ));
        }
    }
    Ok(())
}

/// How a connection that only reads is opened.
#[derive(Clone)]
pub(super) struct ReadOnly {
    /// A path, or a URI if the flags say so.
    name: OsString,
    flags: OpenFlags,
}

impl ReadOnly {
    /// Reads a file that others may write at the same time.
    pub(super) fn shared(path: &Path) -> ReadOnly {
        ReadOnly { name: path.into(), flags: OpenFlags::SQLITE_OPEN_READ_ONLY | ONE_THREAD }
    }

    /// Reads a file that nobody writes: SQLite takes no lock on it and looks for no log.
    fn immutable(path: &Path) -> ReadOnly {
        const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');
        let name = format!("file:{}?immutable=1", percent_encode(path.as_os_str().as_bytes(), &KEPT));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | ONE_THREAD;
        ReadOnly { name: name.into(), flags }
    }

    /// Finds the way in which this file can be read.
    ///
    /// Mostly that is the shared one. In a folder that can't be written SQLite can't make the index of the log, and
    /// without the index it refuses the file. Then the file can be read as one that doesn't change, but only if there
    /// is no log whose changes would be overlooked, and no index, which would mean that another process uses the file.
    pub(super) fn find(path: &Path) -> Result<ReadOnly, OpenError> {
        let shared = ReadOnly::shared(path);
        let read = shared.connect().and_then(|connection| {
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        });
        let Err(error) = read else { return Ok(shared) };
        let needs_index =
            matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly));
        if !needs_index {
            return Err(error.into());
        }
        let log_is_empty = match fs::metadata(beside(path, "-wal")) {
            Ok(log) => log.len() == 0,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        let has_no_index = !fs::exists(beside(path, "-shm")).unwrap_or(true);
        if !log_is_empty || !has_no_index {
            return Err(OpenError::LogUnread);
        }
        Ok(ReadOnly::immutable(path))
    }

    pub(super) fn connect(&self) -> rusqlite::Result<Connection> {
        Connection::open_with_flags(&self.name, self.flags)
    }
}

/// A file that is written under another name than the one that it gets when it is whole. Its writer holds a lock on it,
/// so that a part which a killed program has left can be told from one that is being written.
///
/// The lock is `flock`'s, as that of a server. The descriptor stays open until the file is whole: to close it would take
/// SQLite's own locks off the file.
pub(super) struct Part {
    path: PathBuf,
    file: File,
    is_finished: bool,
}

/// Why a [`Part`] can't be begun.
#[derive(Debug)]
pub(super) enum PartError {
    /// Another program is writing it.
    InProgress,
    /// There is no such folder.
    NoFolder,
    Io(io::Error),
}

impl std::fmt::Display for PartError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PartError::InProgress => out.write_str("another program is writing it"),
            PartError::NoFolder => out.write_str("there is no such folder"),
            PartError::Io(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for PartError {}

impl Part {
    /// Makes an empty file beside `target`, with `suffix` at the end of its name, that only its owner may read. One that
    /// a killed program has left is removed first.
    pub(super) fn begin(target: &Path, suffix: &str) -> Result<Part, PartError> {
        let path = beside(target, suffix);
        if let Ok(left) = OpenOptions::new().read(true).write(true).open(&path) {
            lock(&left)?;
            fs::remove_file(&path).map_err(PartError::Io)?;
        }
        let made = OpenOptions::new().read(true).write(true).create_new(true).mode(OWNER_ONLY).open(&path);
        let file = made.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => PartError::InProgress,
            io::ErrorKind::NotFound => PartError::NoFolder,
            _ => PartError::Io(error),
        })?;
        lock(&file)?;
        // Between the two lines another program may have taken it for one that was left.
        let is_own = is_same(&file.metadata().map_err(PartError::Io)?, &path).map_err(PartError::Io)?;
        if is_own { Ok(Part { path, file, is_finished: false }) } else { Err(PartError::InProgress) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    pub(super) fn write_at(&self, bytes: &[u8], place: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, place)
    }

    /// Gives the file the name `target`, once all of it is on the disk.
    pub(super) fn finish(mut self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, target)?;
        self.is_finished = true;
        sync_folder(target)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_finished {
            let _ = fs::remove_file(&self.path); // what is left is removed by the next one
        }
    }
}

fn lock(file: &File) -> Result<(), PartError> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => PartError::InProgress,
        TryLockError::Error(error) => PartError::Io(error),
    })
}

/// Has the disk keep the names in the folder of a file. Until then a power failure may bring back the old ones.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Returns whether a path leads to this file, which may be open under a name that it had before.
fn is_same(file: &Metadata, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (file.dev(), file.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns the path of a copy without links, as [`find`] does; the file itself needn't be there. A link to a file stands
/// for that file.
pub(super) fn for_copy(path: &Path) -> Result<PathBuf, PartError> {
    let found = |path: &Path| {
        fs::canonicalize(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => PartError::NoFolder,
            _ => PartError::Io(error),
        })
    };
    if fs::symlink_metadata(path).is_ok() {
        return found(path);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let no_name = || PartError::Io(io::Error::from(io::ErrorKind::IsADirectory));
    let folder = found(folder)?;
    if !folder.is_dir() {
        return Err(PartError::NoFolder);
    }
    Ok(folder.join(path.file_name().ok_or_else(no_name)?))
}

/// Returns whether a path leads to the database, or to one of the files beside it.
pub(super) fn is_of_database(path: &Path, database: &Path) -> io::Result<bool> {
    let Ok(file) = fs::metadata(path) else { return Ok(false) };
    for part in [database.to_owned(), beside(database, "-wal"), beside(database, "-shm")] {
        if is_same(&file, &part)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns whether a file is a copy of one of our databases, which may be replaced by a newer one. A database that was
/// served has a write-ahead log, as its header says: that may be somebody's journal, and no copy.
pub(super) fn is_copy(path: &Path) -> io::Result<bool> {
    let mut header = [0; 100];
    let is_file = fs::metadata(path)?.is_file();
    let is_read = is_file && File::open(path)?.read_exact_at(&mut header, 0).is_ok();
    let application = header[68..72] == APPLICATION_ID.to_be_bytes();
    Ok(is_read && header.starts_with(b"SQLite format 3\0") && header[18..20] == [1, 1] && application)
}

/// Returns the path of a file that SQLite keeps beside the database.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
