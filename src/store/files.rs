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
use std::thread;
use std::time::Instant;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::ffi::{Error, SQLITE_NOTADB};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::log_file::{Header, LogContents};
use super::migrations::APPLICATION_ID;
use super::{OpenError, StoreError};
use crate::limits;
use crate::secret;
use crate::stderr;

/// A connection is used by one thread at a time: the compiler sees to that, since `Connection` isn't `Sync`. So SQLite
/// needn't take a lock of its own for each call.
pub(super) const ONE_THREAD: OpenFlags = OpenFlags::SQLITE_OPEN_NO_MUTEX;

/// The end of the name of a database that is being made. An operator may well call a journal `epicme.db.new`, but not
/// this.
const MAKING: &str = ".epicme-new";

/// How the name of a restored file ends until it is whole.
pub(super) const RESTORING: &str = ".restoring";

/// The mode of a file that only its owner may read and write.
const OWNER_ONLY: u32 = 0o600;

/// Returns the path of the database without links, and has `make` fill a new one where there is none.
///
/// The path has no links because SQLite follows them too, and so keeps its log beside the file and not beside the link.
/// It is absolute, because SQLite gives `:memory:` and `file:…` a special meaning; to the operator they are names of
/// files.
///
/// A file that is there is never taken for a new one, unless the operator says so (`create`): it was a journal
/// perhaps, and with a new one in its place nobody would miss the old one in time.
pub(super) fn find_or_make(
    path: &Path,
    create: bool,
    make: impl FnOnce(&Path) -> Result<(), OpenError>,
) -> Result<PathBuf, OpenError> {
    if is_missing(path)? {
        let path = &for_copy(path)?;
        match Part::begin(path, MAKING) {
            Ok(part) => {
                make(part.path())?;
                part.finish_new(path).map_err(OpenError::Io)?;
            }
            Err(PartError::InProgress) => wait_for(path)?,
            Err(error) => return Err(error.into()),
        }
    }
    match find(path) {
        Err(OpenError::Empty) if create => fs::canonicalize(path).map_err(OpenError::Io),
        found => found,
    }
}

/// Returns whether there is no such file, and nothing beside it that was a part of one.
pub(super) fn is_missing(path: &Path) -> Result<bool, OpenError> {
    match fs::symlink_metadata(path) {
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(OpenError::Io(error)),
    }
    let path = &for_copy(path)?;
    // First, because a restore that was interrupted may have left the log too.
    if fs::exists(beside(path, RESTORING)).map_err(OpenError::Io)? {
        return Err(OpenError::RestoreUnfinished);
    }
    check_beside(path)?;
    if is_filled(&beside(path, "-wal")) { Err(OpenError::LogAlone) } else { Ok(true) }
}

/// Waits until another process has made the database that it is making.
fn wait_for(path: &Path) -> Result<(), OpenError> {
    let began = Instant::now();
    while !fs::exists(path).map_err(OpenError::Io)? {
        if began.elapsed() >= limits::BUSY_MAX {
            return Err(OpenError::Store(StoreError::Busy));
        }
        thread::sleep(limits::WAL_LOOK);
    }
    Ok(())
}

/// Returns the path of a file that is there, as [`find_or_make`] does. To open a pipe would be to wait for a program at
/// its other end, so what isn't a file is refused before. So is an empty file: if SQLite opened it, it would delete the
/// log beside it.
pub(super) fn find(path: &Path) -> Result<PathBuf, OpenError> {
    let path =
        fs::canonicalize(path).map_err(|error| is_missing(path).err().unwrap_or(OpenError::Io(error)))?;
    let found = fs::metadata(&path).map_err(OpenError::Io)?;
    if !found.is_file() {
        return Err(OpenError::NotAFile);
    }
    check_beside(&path)?;
    match found.len() {
        0 if is_filled(&beside(&path, "-wal")) => Err(OpenError::EmptyBesideLog),
        0 => Err(OpenError::Empty),
        _ => Ok(path),
    }
}

/// Looks whether what SQLite would open beside the database are files, if they are there.
fn check_beside(path: &Path) -> Result<(), OpenError> {
    let other = files_beside(path).into_iter().find(|file| fs::metadata(file).is_ok_and(|it| !it.is_file()));
    other.map_or(Ok(()), |file| Err(OpenError::NotAFileBeside(file)))
}

/// Returns whether there is a file with something in it.
fn is_filled(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.len() > 0)
}

/// Opens the database for the lock that only one server gets, and takes the lock. A command that begins has it for a
/// moment; a restore, and a command that brings the file up to date, have it for as long as they run.
pub(super) fn lock_for_server(path: &Path) -> Result<File, OpenError> {
    let began = Instant::now();
    loop {
        let file = File::open(path).map_err(OpenError::Io)?;
        let is_locked = file.try_lock().is_ok();
        // The file may have been replaced before it was locked.
        if is_locked && is_same(&file.metadata().map_err(OpenError::Io)?, path).map_err(OpenError::Io)? {
            return Ok(file);
        }
        if began.elapsed() >= limits::SERVER_LOCK_WAIT_MAX {
            return Err(OpenError::InUse);
        }
        thread::sleep(limits::WAL_LOOK);
    }
}

/// Looks whether a database that is there is whole, before SQLite opens it: SQLite believes a log that lies beside a
/// file, whatever file that is, ignores all of it from a wrong byte on, and an end that is missing shows only when it
/// is read.
///
/// While a server has the file, this looks at nothing but the file's name: the server did, and writes to the file and
/// its log just now. `lock` is the server's own; a command closes the file here before SQLite opens it.
pub(super) fn check_whole(path: &Path, lock: Option<&File>, create: bool) -> Result<(), OpenError> {
    let opened;
    let file = match lock {
        Some(file) => file,
        None => {
            opened = File::open(path).map_err(OpenError::Io)?;
            if is_served_under_this_name(path, &opened)? {
                return Ok(());
            }
            &opened
        }
    };
    let size = file.metadata().map_err(OpenError::Io)?.len();
    let mut header = [0; 100];
    if file.read_exact_at(&mut header, 0).is_err() {
        return if create && size == 0 { Ok(()) } else { Err(OpenError::Cut { has: size, of: None }) };
    }
    // SQLite would say the same, but remove the log that lies beside it if it finds nothing of use there.
    let header = Header::read(&header)
        .ok_or_else(|| rusqlite::Error::SqliteFailure(Error::new(SQLITE_NOTADB), None))?;
    let read_log = || LogContents::read(&beside(path, "-wal"), header.page_bytes).map_err(OpenError::Io);
    let mut log = read_log()?;
    if let Some(place) = log.as_ref().and_then(|log| log.damaged_at) {
        // A command may have written to the log while it was read. What is damaged is so at the second look too.
        log = read_log()?;
        if log.as_ref().is_some_and(|log| log.damaged_at == Some(place)) {
            return Err(OpenError::DamagedLog { place });
        }
    }
    let Some(log) = log else {
        return match header.bytes() {
            Some(of) if size < of => Err(OpenError::Cut { has: size, of: Some(of) }),
            // What a server had written was in the log.
            _ if header.is_without_content(size) && !create => Err(OpenError::HeaderAlone),
            _ => Ok(()),
        };
    };
    let in_file = size / header.page_bytes;
    if !log.may_belong_to(&header, in_file) {
        return Err(OpenError::ForeignLog);
    }
    let is_small = size + log.bytes <= limits::CHECKED_AT_OPEN_BYTES_MAX;
    if !is_small && !log.is_doubtful(in_file) {
        return Ok(());
    }
    // A connection that only reads doesn't move the log into the file when it closes.
    let sound = ReadOnly::shared(path).connect().and_then(|connection| {
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
    });
    match sound {
        Ok(sound) if sound != "ok" => Err(OpenError::ForeignLog),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            Err(OpenError::ForeignLog)
        }
        _ => Ok(()), // other errors show again, and are told then
    }
}

/// Returns whether a server has the file; if not, `file` has a lock that keeps one away for now.
///
/// A file may have a second name, by a hard link or because it alone is mounted into a container. SQLite keeps the log
/// beside the name by which it was opened. So a command that opens the file by the other name reads what is old, and
/// what it writes is lost, or damages the file. Beside the server's name there is the index of the log, but for the
/// moment in which it begins, or as long as the file has no log yet; and beside the name of a file that is being
/// restored there is the new one.
fn is_served_under_this_name(path: &Path, file: &File) -> Result<bool, OpenError> {
    let began = Instant::now();
    loop {
        match file.try_lock_shared() {
            Ok(()) => return Ok(false),
            Err(TryLockError::Error(_)) => return Ok(true), // a file system without such locks
            Err(TryLockError::WouldBlock) => {}
        }
        let has_log = our_header(file).is_some_and(|header| header.has_log);
        if !has_log || ["-shm", RESTORING].iter().any(|end| fs::exists(beside(path, end)).unwrap_or(true)) {
            return Ok(true);
        }
        if began.elapsed() >= limits::SERVER_SIGN_WAIT_MAX {
            return Err(OpenError::OtherName);
        }
        thread::sleep(limits::WAL_LOOK);
    }
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

/// Opens a file that is there, to write to it. The flags leave SQLITE_OPEN_CREATE out: if the file is deleted just now,
/// SQLite fails instead of creating one with another mode.
pub(super) fn open_to_write(path: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | ONE_THREAD)
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
    pub(super) fn immutable(path: &Path) -> ReadOnly {
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
/// The lock is `flock`'s, as that of a server. The descriptor stays open until the file is whole: to close it would
/// take SQLite's own locks off the file.
pub(super) struct Part {
    path: PathBuf,
    file: File,
    /// Whether the file stays when this value is dropped.
    is_kept: bool,
}

/// Why a [`Part`] can't be begun.
#[derive(Debug)]
pub(super) enum PartError {
    /// Another program is writing it.
    InProgress,
    /// There is no such folder.
    NoFolder,
    /// A file that isn't ours has its name.
    InTheWay(InTheWay),
    Io(io::Error),
}

impl std::fmt::Display for PartError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PartError::InProgress => out.write_str("another program is writing it"),
            PartError::NoFolder => out.write_str("there is no such folder"),
            PartError::InTheWay(file) => file.fmt(out),
            PartError::Io(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for PartError {}

impl From<io::Error> for PartError {
    fn from(error: io::Error) -> PartError {
        PartError::Io(error)
    }
}

/// A file under the name that an unfinished one would have, and that no program of ours has left there.
#[derive(Debug)]
pub struct InTheWay(pub(super) PathBuf);

impl std::fmt::Display for InTheWay {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{} is in the way: it is no unfinished file of epicme, so it stays as it is; move it away, or name another \
             file",
            self.0.display()
        )
    }
}

impl Part {
    /// Makes an empty file beside `target`, with `suffix` at the end of its name, that only its owner may read. One
    /// that a killed program has left is removed first; any other file of that name stays, and there is an error.
    pub(super) fn begin(target: &Path, suffix: &str) -> Result<Part, PartError> {
        let path = beside(target, suffix);
        remove_left(&path)?;
        let made = OpenOptions::new().read(true).write(true).create_new(true).mode(OWNER_ONLY).open(&path);
        let file = made.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => PartError::InProgress,
            io::ErrorKind::NotFound => PartError::NoFolder,
            _ => PartError::Io(error),
        })?;
        lock(&file)?;
        // Between the two lines another program may have taken it for one that was left.
        if !is_same(&file.metadata()?, &path)? {
            return Err(PartError::InProgress);
        }
        let part = Part { path, file, is_kept: false };
        // SQLite would take these for its own, and write their changes into the new file, or delete them.
        let found = files_beside(&part.path).into_iter().find(|file| fs::symlink_metadata(file).is_ok());
        found.map_or(Ok(part), |file| Err(PartError::InTheWay(InTheWay(file))))
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

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Gives the file the name `path`, once all of it is on the disk, unless another file has that name already.
    fn finish_new(self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        match fs::hard_link(&self.path, path) {
            Ok(()) => sync_folder(path), // the part's own name is removed with the value
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // Some file systems have one name for a file.
            Err(_) if !fs::exists(path)? => self.finish(path),
            Err(error) => Err(error),
        }
    }

    /// Gives the file the name `target`, once all of it is on the disk.
    pub(super) fn finish(mut self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, target)?;
        self.keep();
        sync_folder(target)
    }

    /// Has the file stay where it is, unfinished or not.
    pub(super) fn keep(&mut self) {
        self.is_kept = true;
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_file(&self.path); // what is left is removed by the next one
        }
    }
}

/// Removes what a killed program has left under the name of a [`Part`]: it is empty, or begins as our databases do, as
/// [`mark`] has seen to. Whatever else has that name belongs to somebody.
fn remove_left(path: &Path) -> Result<(), PartError> {
    let in_the_way = || PartError::InTheWay(InTheWay(path.to_owned()));
    let open = |found: Metadata| {
        let opened = found.is_file().then(|| OpenOptions::new().read(true).write(true).open(path));
        Ok(opened.ok_or_else(in_the_way)??)
    };
    let left = match fs::symlink_metadata(path).map_err(PartError::Io).and_then(open) {
        Err(PartError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        left => left?,
    };
    lock(&left)?;
    if left.metadata()?.len() > 0 && our_header(&left).is_none() {
        return Err(in_the_way());
    }
    // Another program may have removed it before it was locked, and have begun a new one.
    if !is_same(&left.metadata()?, path)? {
        return Err(PartError::InProgress);
    }
    for file in files_beside(path) {
        let _ = fs::remove_file(file); // mostly there is none
    }
    Ok(fs::remove_file(path)?)
}

/// Has a new, empty file begin as our databases do, before anything else is written to it: if the program is killed,
/// the next one knows by it that it may remove the file. Nothing of it need outlive a power failure.
pub(super) fn mark(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "off")?;
    write_first_page(connection)
}

/// Writes the first page of a database of ours, which stays as it is but for the counter of its changes.
pub(super) fn write_first_page(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", APPLICATION_ID)
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
pub(super) fn is_same(file: &Metadata, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (file.dev(), file.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A file that is open, and the path that led to it.
#[derive(Clone)]
pub(super) struct Place {
    path: PathBuf,
    file: Metadata,
}

impl Place {
    pub(super) fn of(path: &Path, file: Metadata) -> Place {
        Place { path: path.to_owned(), file }
    }

    /// Returns whether the path still leads to the file. Otherwise it was moved, deleted or replaced, and what is
    /// written to it would be lost to the next start. Where it can't be seen, it counts as being there.
    pub(super) fn is_kept(&self) -> bool {
        is_same(&self.file, &self.path).unwrap_or(true)
    }
}

/// Returns the path of a copy without links, as [`find`] does; the file itself needn't be there. A link to a file
/// stands for that file.
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

/// Returns whether a path leads to the database, or to one of the files beside it; or whether it has the name of such a
/// file, which SQLite or this program would remove or write over.
pub(super) fn is_of_database(path: &Path, database: &Path) -> io::Result<bool> {
    let parts = ["", "-wal", "-shm", "-journal", RESTORING, MAKING].map(|suffix| beside(database, suffix));
    if for_copy(path).is_ok_and(|path| parts.contains(&path)) {
        return Ok(true);
    }
    let Ok(file) = fs::metadata(path) else { return Ok(false) };
    for part in parts {
        if is_same(&file, &part)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns whether a file is a copy of one of our databases, which may be replaced by a newer one. A database that was
/// served or restored has a write-ahead log, as its header says: that may be somebody's journal, and no copy.
pub(super) fn is_copy(path: &Path) -> io::Result<bool> {
    let is_file = fs::metadata(path)?.is_file();
    let header = if is_file { our_header(&File::open(path)?) } else { None };
    Ok(header.is_some_and(|header| !header.has_log))
}

/// Returns how a database of ours begins; `None` for any other file.
fn our_header(file: &File) -> Option<Header> {
    let mut header = [0; 100];
    file.read_exact_at(&mut header, 0).ok()?;
    Header::read(&header).filter(Header::is_ours)
}

/// The files that SQLite keeps beside a database.
pub(super) fn files_beside(path: &Path) -> [PathBuf; 3] {
    ["-wal", "-shm", "-journal"].map(|suffix| beside(path, suffix))
}

/// Returns the path of a file that SQLite keeps beside the database.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
