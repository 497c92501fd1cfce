//! One SQLite file, shared by every thread: many readers, and one writer that commits in groups.
//!
//! Names no table, except in the schema that `migrations.rs` includes: work comes in as a closure over a connection.
//! Invariant: [`Store::write`] returns the work's value only after the commit with that work is on the disk.
//!
//! There are four ways to the file, each with connections of its own:
//!
//! - [`Store::write`], in `writer.rs`: one thread, which commits the queued work in groups. THE COMMIT POINT is
//!   marked there. The people whose work is queued take turns, in `queue.rs`. The log is bounded in `write_ahead.rs`.
//! - [`Store::read`], in `readers.rs`: reads for one person, in one transaction; each person has a bounded share of
//!   the connections. THE FAIRNESS RULE is marked there.
//! - [`Store::look_up`]: reads by one statement, for the gate above all. A look-up never waits for a connection that
//!   a slow search has. A read that follows at once may go on in its transaction, in `one_transaction.rs`.
//! - [`Store::read_at_length`]: one read that takes as long as it needs, such as that of a whole journal for a
//!   download.
//!
//! What is too much for one write is done in pieces ([`in_pieces`]).
//!
//! SQLite was chosen over a database server because a private journal has one machine and one operator: the library
//! is part of the program, and once the server has stopped, the whole database is one file to copy. A larger server,
//! with several machines that write, would need a database server.

mod copy;
mod files;
mod log_file;
mod migrations;
mod one_transaction;
mod queue;
mod readers;
mod restore;
mod write_ahead;
mod writer;

use std::error::Error;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

pub(crate) use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::{ErrorCode, ffi};

pub(crate) use self::copy::{Copied, CopyError, CopyProgress, Copying, UNFINISHED, sqlite_faults};
use self::files::{InTheWay, Place, ReadOnly};
pub(crate) use self::migrations::schema_faults;
use self::migrations::{MIGRATIONS, STEPS_TO_READ};
pub(crate) use self::one_transaction::OneTransaction;
pub(crate) use self::queue::Holder;
use self::readers::{Borrower, Loan, Readers};
pub(crate) use self::restore::{PUT_ASIDE, Restored, restore};
use self::write_ahead::{LogIsFull, WriteAheadLog};
use self::writer::Writer;
use crate::ids::UserId;
use crate::limits;
use crate::stderr;

/// Work on the database failed. Its words are for the log. The code that writes the response decides what a client
/// may read: SQLite's own messages name tables and files, and a client must learn nothing of those.
#[derive(Clone, Debug)]
pub enum StoreError {
    /// The writer, a read connection or SQLite's lock didn't become free in time; nothing was written.
    Busy,
    /// The disk is full; nothing was written.
    Full,
    /// What the rows belong to was removed meanwhile, by a command perhaps; nothing was written.
    Gone,
    /// Another file has the name of the database, or none. A later start wouldn't find what is written, so nothing is;
    /// what was being written as that happened is in the file that has lost its name.
    Displaced,
    /// A read worked for longer than [`limits::READ_WORK_MAX`], and SQLite interrupted it.
    TooSlow,
    /// SQLite reported anything else. The error is in an `Arc`, because a commit that fails is reported to every
    /// thread of its group.
    Sqlite(Arc<rusqlite::Error>),
    /// The work panicked, or was undone with other work that failed, or the store is closed, or it was opened to read;
    /// nothing was written.
    Abandoned,
}

impl StoreError {
    /// Writes to the log that `what` failed, why, and what the operator can do.
    pub(crate) fn note(&self, what: &str) {
        stderr::note(&format!("{what}: {self}; about the database file: {}", self.remedy()));
    }

    /// Says what the operator can do next, for a message that has named the file and the failure. Only where the next
    /// try may find another state does it say so: a file that is damaged today is damaged tomorrow.
    pub(crate) fn remedy(&self) -> String {
        // It also puts the log aside that a crash has left. If only the file were replaced, SQLite would put the
        // changes of that log into the copy, and damage it.
        let restore = "stop each epicme that uses it, and put a copy of it from a backup in its place by epicme restore \
                       FILE, which keeps it aside";
        let StoreError::Sqlite(error) = self else {
            return match self {
                StoreError::Full => "free some space on it".to_owned(),
                StoreError::Gone => "nothing is wrong with it".to_owned(),
                StoreError::Displaced => {
                    "put the file that this server has open back in its place, or stop the server, \
                                          put the right file there (epicme restore FILE), and start again"
                        .to_owned()
                }
                _ => "try again".to_owned(),
            };
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt) => format!("it is damaged: {restore}"),
            Some(ErrorCode::NotADatabase) => format!("name another file; or, if it was the journal, {restore}"),
            Some(ErrorCode::SystemIoFailure) => format!(
                "see that its disk has free space; otherwise the disk or file system fails: mend that, and if the file \
                 is damaged then, {restore}"
            ),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                "run this as the user who owns the file, and see that its folder can be written and its disk is not \
                 mounted read-only"
                    .to_owned()
            }
            // SQLite doesn't say which of these it was.
            Some(ErrorCode::CannotOpen) => {
                "run this as the user who owns the file, and see that its folder and the files beside it whose names end \
                 in -wal and -shm can be written, its disk is not mounted read-only, and the program may open enough \
                 files (ulimit -n)"
                    .to_owned()
            }
            _ => format!("it isn't as this program left it: {restore}"),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        // Four kinds say what can be done: wait, free some disk, ask for less, or nothing. All other errors are for the
        // log alone.
        match error.sqlite_error_code() {
            // The third is SQLite's word for a log that others keep changing while it looks at it.
            Some(
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed,
            ) => StoreError::Busy,
            // The program looks before it writes, and writes come one after the other; so only a row that was removed
            // between two transactions can be missing.
            Some(ErrorCode::ConstraintViolation)
                if error.sqlite_extended_error_code() == Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) =>
            {
                StoreError::Gone
            }
            Some(ErrorCode::DiskFull) => StoreError::Full,
            // The index of the log can't grow. SQLite has no other code for a full disk there.
            Some(ErrorCode::SystemIoFailure)
                if error.sqlite_extended_error_code() == Some(ffi::SQLITE_IOERR_SHMSIZE) =>
            {
                StoreError::Full
            }
            Some(ErrorCode::OperationInterrupted) => StoreError::TooSlow,
            _ => StoreError::Sqlite(Arc::new(error)),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Busy => out.write_str("the database was busy for too long"),
            StoreError::TooSlow => out.write_str("a read took too long"),
            StoreError::Full => out.write_str("the disk is full"),
            StoreError::Gone => out.write_str("the person was removed meanwhile"),
            StoreError::Displaced => out.write_str("the file was moved, deleted or replaced"),
            StoreError::Sqlite(error) => write!(out, "SQLite: {error}"),
            StoreError::Abandoned => out.write_str("the work on the database was abandoned"),
        }
    }
}

impl Error for StoreError {}

/// Why a file can't be used as the database. A file that is [`OpenError::Foreign`], [`OpenError::Newer`] or
/// [`OpenError::Older`] is left as it was; before the other errors it may have been created or migrated. Each message
/// goes to the operator, who started the command, so it says what to do if the operator can do something.
#[derive(Debug)]
pub enum OpenError {
    /// It can't be created or opened.
    Io(io::Error),
    /// It is another program's database, by SQLite's `application_id`.
    Foreign,
    /// A later version of this program made it. This version can't know what the later one put into it.
    Newer {
        /// How many steps of migration the file has taken.
        file: i64,
    },
    /// It is empty: a file without a byte, or a database without a table. It may have been a journal.
    Empty,
    /// It is empty, and its log isn't.
    EmptyBesideLog,
    /// There is no such file, but the log of one.
    LogAlone,
    /// It has a header that says that there is a log, and neither a table nor a log.
    HeaderAlone,
    /// Its end is missing.
    Cut {
        /// How many bytes it has.
        has: u64,
        /// How many it must have, if its header says so.
        of: Option<u64>,
    },
    /// The log beside it is of another file.
    ForeignLog,
    /// The log beside it is damaged, and has commits behind the damage.
    DamagedLog {
        /// The byte of the log where the damaged part begins.
        place: u64,
    },
    /// There is no such file, but one that a restore has begun.
    RestoreUnfinished,
    /// It is of an earlier version, and can't be copied before it is brought up to date.
    NotBackedUp {
        /// What the copy would have been called.
        copy: PathBuf,
        /// Why there is none.
        why: String,
    },
    /// Another file has got its name while it was being opened.
    Replaced,
    /// A server has it open by another name.
    OtherName,
    /// It was to be read only, and lacks tables that are read.
    Older {
        /// How many steps of migration the file has taken.
        file: usize,
        /// How many it needs for this command.
        needs: usize,
    },
    /// Another server has the lock on the file; see [`Store::open_to_serve`].
    InUse,
    /// Its file system can't hold a write-ahead log; a network file system can't, for example.
    NoLog,
    /// Others than its owner may read it, and this user can't change that.
    Exposed {
        /// The mode that it has.
        mode: u32,
    },
    /// It can't be read without its log, and the log can't be read in a folder that can't be written.
    LogUnread,
    /// It is a directory, a device or a pipe.
    NotAFile,
    /// One of those that SQLite keeps beside it is.
    NotAFileBeside(PathBuf),
    /// There is none, and what isn't ours has the name that a new one would have until it is whole.
    InTheWay(InTheWay),
    /// SQLite can't use it: it is damaged, locked or read-only.
    Store(StoreError),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> OpenError {
        OpenError::Store(error.into())
    }
}

impl From<files::PartError> for OpenError {
    fn from(error: files::PartError) -> OpenError {
        match error {
            files::PartError::NoFolder => {
                OpenError::Io(io::Error::new(io::ErrorKind::NotFound, "there is no such folder"))
            }
            files::PartError::InProgress => OpenError::Store(StoreError::Busy),
            files::PartError::InTheWay(file) => OpenError::InTheWay(file),
            files::PartError::Io(error) => OpenError::Io(error),
        }
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> OpenError {
        OpenError::Store(error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let restore = "epicme restore FILE brings a backup back";
        let create = "with --create, epicme serve makes a new journal of it";
        match self {
            OpenError::Io(error) => write!(out, "can't open it: {error}; check the path and its permissions, or name another file by --database"),
            OpenError::Foreign => out.write_str("it is another program's database; choose another file"),
            OpenError::Newer { file } => {
                let known = MIGRATIONS.len();
                write!(out, "it has version {file}, this epicme knows {known}; use a newer epicme")
            }
            OpenError::Empty => write!(out, "it is empty, so it is no journal; if it was one, {restore}; {create}"),
            OpenError::EmptyBesideLog => write!(
                out,
                "it is empty, and the file beside it whose name ends in -wal isn't: that has changes of a journal which \
                 is missing; put that journal in its place, or {restore}"
            ),
            OpenError::LogAlone => write!(
                out,
                "there is no such file, but the one beside it whose name ends in -wal has changes of it: put the journal \
                 that belongs to these in its place, or {restore}; for a new journal, move the other file away first"
            ),
            OpenError::HeaderAlone => write!(
                out,
                "it is only the beginning of a journal: it was copied while epicme served it, without the file beside it \
                 whose name ends in -wal, which had all the rest; {restore}, and copy by epicme backup; {create}"
            ),
            OpenError::Cut { has, of } => {
                write!(out, "its end is missing: it has {has} bytes")?;
                if let Some(of) = of {
                    write!(out, " of {of}")?;
                }
                write!(out, "; put a whole copy in its place, or {restore}")
            }
            OpenError::ForeignLog => write!(
                out,
                "the file beside it whose name ends in -wal has changes of another file, or of another time, which would \
                 damage it; if it was just put there, move the one that ends in -wal away and keep it; otherwise {restore}"
            ),
            OpenError::DamagedLog { place } => write!(
                out,
                "the file beside it whose name ends in -wal is damaged, in the part from byte {place} on, and the changes in \
                 that part can't be used: copy both files into another folder, and keep them; then {restore}; or move the \
                 one that ends in -wal away, which gives up all changes in it that the journal itself hasn't got yet, and \
                 see by epicme check whether the journal is sound without it"
            ),
            OpenError::RestoreUnfinished => out.write_str(
                "a restore was interrupted, so there is no such file; run the restore again: epicme restore FILE",
            ),
            OpenError::NotBackedUp { copy, why } => write!(
                out,
                "it is of an earlier version, and stays as it is, because it can't be backed up before it is brought up to \
                 date: {}: {why}; epicme serve --no-backup leaves the backup out",
                copy.display()
            ),
            OpenError::Replaced => {
                out.write_str("another file was put in its place just now; run the command again")
            }
            OpenError::OtherName => out.write_str(
                "an epicme has it open by another name, beside which its log lies, so what is written by this name would be \
                 lost: name it as that one does, without a hard link or a mount of the file alone; if that epicme is only \
                 starting, run the command again",
            ),
            OpenError::Older { file, needs } => write!(
                out,
                "it has version {file}, and this command reads {needs} and later; epicme serve brings it up to \
                 date, and earlier versions of epicme can't use it then"
            ),
            OpenError::InUse => {
                out.write_str(
                    "another epicme serves it (a client may have started that one, as epicme stdio), or restores it or \
                     brings it up to date just now; stop that one, or name another file",
                )
            }
            OpenError::NoLog => out.write_str(
                "its file system can't hold SQLite's write-ahead log, and a network file system never can: name a file on a \
                 local disk by --database",
            ),
            OpenError::Exposed { mode } => write!(
                out,
                "others can read it (mode {mode:04o}), and only its owner can change that: run this as its owner"
            ),
            OpenError::NotAFile => out.write_str("it is a directory, a device or a pipe; name a file"),
            OpenError::NotAFileBeside(path) => write!(
                out,
                "SQLite keeps changes of it in {}, and that is a directory, a device or a pipe; move it away",
                path.display()
            ),
            OpenError::InTheWay(file) => file.fmt(out),
            OpenError::LogUnread => out.write_str(
                "the changes in its log (the file with -wal at the end) can't be read in a folder that can't be \
                 written; copy the database and its log into another folder, and name the copy",
            ),
            OpenError::Store(error) => write!(out, "can't use it: {error}; {}", error.remedy()),
        }
    }
}

impl Error for OpenError {}

/// How many steps of migration a file of this version has taken.
pub(crate) const VERSION: i64 = MIGRATIONS.len() as i64;

/// What follows from the rows of one table, and is brought up to date once for all jobs of a commit, because that is
/// cheaper than once for each row. What it is, the store doesn't know.
///
/// The store remembers the ids of the rows that the jobs of a group insert, change or delete: SQLite reports each of
/// them (`sqlite3_update_hook`), also those that a foreign key deletes. A table of notes, filled by triggers, was the
/// alternative, and cost each commit a page of the log.
#[derive(Clone, Copy)]
pub struct Derived {
    /// The table, which must have a rowid.
    pub table: &'static str,
    /// Brings up to date what follows from these rows, in the transaction of the group and just before its commit. If
    /// it fails, the whole group does. Some of the rows may be as they were: a job that changed them was undone.
    pub update: fn(&Connection, &ChangedRows) -> rusqlite::Result<()>,
    /// Returns how much work the update of a row is.
    pub work: fn(&Connection, i64) -> rusqlite::Result<usize>,
    /// How much of it one commit may have: a group with more takes no further job.
    pub work_max: usize,
    /// Makes a piece of what is missing altogether, in a transaction of its own, and returns whether anything was. A
    /// store calls it until nothing is when it is opened: after a migration all of it is missing.
    pub make_piece: fn(&Connection) -> rusqlite::Result<bool>,
    /// Returns how far [`Derived::make_piece`] has come; the operator is told.
    pub progress: fn(&Connection) -> rusqlite::Result<Progress>,
    /// Brings what was made nearer to the form that is read fastest, in a transaction of its own, and returns whether
    /// there is more to do. If a program is killed meanwhile, only that speed is lost.
    pub tidy: fn(&Connection, Tidy) -> rusqlite::Result<bool>,
}

/// How much one call of [`Derived::tidy`] does.
#[derive(Clone, Copy, Debug)]
pub enum Tidy {
    /// A part of everything, when a store is opened and has made the pieces.
    All,
    /// So little that a write can wait for it, when the writer has nothing to do.
    Step,
}

/// The rows that the jobs of one group have changed, by their ids; `true` for one that the group has made, of which
/// nothing can follow yet.
pub type ChangedRows = std::collections::BTreeMap<i64, bool>;

/// How much of [`Derived`] is there.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// How many rows it is made of.
    pub made: i64,
    /// How many there are.
    pub of: i64,
}

impl Derived {
    /// For a store from whose rows nothing follows.
    pub const NOTHING: Derived = Derived {
        table: "",
        update: |_, _| Ok(()),
        work: |_, _| Ok(0),
        work_max: 1,
        make_piece: |_| Ok(false),
        progress: |_| Ok(Progress { made: 0, of: 0 }),
        tidy: |_, _| Ok(false),
    };
}

/// How a file is opened to be written.
#[derive(Clone, Copy, Default)]
pub(crate) struct Opening {
    /// Whether a new journal may be made in a file that is there and is empty.
    pub(crate) create: bool,
    /// Whether a file of an earlier version is brought up to date without a backup of it.
    pub(crate) no_backup: bool,
}

/// The open database. All threads share one `Store`, so no method needs `&mut self`.
pub struct Store {
    readers: Arc<Readers>,
    /// A second, small pool. The gate looks up a token for every request, so without this pool a few slow searches
    /// would make everybody wait.
    look_ups: Arc<Readers>,
    /// The database file.
    path: PathBuf,
    /// `None` if the file was opened to read.
    writer: Option<Writer>,
    /// The lock that only one server gets, for as long as the file is open; `None` for a command, which may use the
    /// file at the same time as a server, unless it brings the file up to date.
    lock: Option<File>,
}

impl Store {
    /// Opens the file for a server, and keeps other servers from it. SQLite itself would allow two. But if the second
    /// had another public URL, it would remember that URL as the audience, and the gate of the first would from then
    /// on refuse every token that the command line makes. Besides, a change would reach only the event streams of the
    /// server that wrote it.
    ///
    /// The lock comes before everything else: a file that another server uses is neither looked through nor migrated.
    /// The read connections aren't open yet: SQLite parses the schema for each of them, which takes longer than all
    /// else at a start. So the server listens before it calls [`Store::open_read_connections`].
    pub(crate) fn open_to_serve(path: &Path, derived: Derived, opening: Opening) -> Result<Store, OpenError> {
        let path = &files::find_or_make(path, opening.create, make_new)?;
        Store::open_locked(path, derived, opening)
    }

    /// Takes the lock that only one server gets, and opens the writer alone, on a file that is there.
    fn open_locked(path: &Path, derived: Derived, opening: Opening) -> Result<Store, OpenError> {
        // The lock is on a second descriptor of the database file: when a server is killed, the kernel closes the
        // descriptor and drops the lock, and no lock file stays beside the database. On Linux this lock is a `flock`,
        // which doesn't conflict with SQLite's own POSIX locks, so commands can use the file while the server runs.
        //
        // The descriptor stays open as long as the store. POSIX drops all locks of a process on a file when the
        // process closes any descriptor of that file: closing this one would drop the lock by which SQLite shows that
        // the server uses the file. A command that ends would then take itself for the last user of the file, and
        // remove the log that the server still writes.
        let lock = files::lock_for_server(path)?;
        let mut store = Store::open_found(path, derived, opening, Some(&lock))?;
        store.lock = Some(lock);
        Ok(store)
    }

    /// Opens the file, or creates it, with mode 0600 in both cases, and brings it to the present version: its tables in
    /// one transaction, and then, in as many as it takes, what is `derived` from them.
    pub fn open(path: &Path, derived: Derived) -> Result<Store, OpenError> {
        Store::open_as(path, derived, Opening::default())
    }

    /// Like [`Store::open`], as the operator wants it. A file that a server has is refused if it is of an earlier
    /// version.
    pub(crate) fn open_as(path: &Path, derived: Derived, opening: Opening) -> Result<Store, OpenError> {
        let path = &files::find_or_make(path, opening.create, make_new)?;
        let opened = match Store::open_found(path, derived, opening, None) {
            // A server of that version may have it, and would go on with tables that it doesn't know. The connection
            // is closed by now, so the descriptor of the lock takes none of SQLite's locks away.
            Err(OpenError::Older { .. }) => Store::open_locked(path, derived, opening),
            opened => opened,
        };
        opened?.with_one_reader()
    }

    /// Opens the writer alone, on a file that is there. Without the lock, a file of an earlier version is refused.
    fn open_found(
        path: &Path,
        derived: Derived,
        opening: Opening,
        lock: Option<&File>,
    ) -> Result<Store, OpenError> {
        let found = fs::metadata(path).map_err(OpenError::Io)?;
        files::check_whole(path, lock, opening.create)?;
        let mut connection = files::open_to_write(path)?;
        connection.busy_timeout(limits::BUSY_MAX)?;
        let taken = migrations::recognize(&connection)?;
        if taken == 0 && !opening.create {
            return Err(OpenError::Empty);
        }
        if taken < MIGRATIONS.len() && lock.is_none() {
            return Err(OpenError::Older { file: taken, needs: MIGRATIONS.len() });
        }
        // From here on SQLite's lock keeps a restore away.
        if !files::is_same(&found, path).map_err(OpenError::Io)? {
            return Err(OpenError::Replaced);
        }
        // After the look that changes nothing, because another program's file keeps its mode; and before the first
        // change of ours.
        files::keep_to_owner(path)?;
        if (1..MIGRATIONS.len()).contains(&taken) && !opening.no_backup {
            back_up_version(&connection, path, taken)?;
        }
        migrations::run(&mut connection)?;
        configure(&connection)?;
        if lock.is_some() {
            // What a crash has left is moved into the file, and the log starts over. Otherwise each power failure could
            // leave one torn commit more in the log, and two of them look like damage (`log_file.rs`). A disk that is
            // full, or a program that reads, may be in the way; the server serves all the same.
            let _ = write_ahead::checkpoint(&connection);
        }
        connection.pragma_update(None, "wal_autocheckpoint", limits::CHECKPOINT_PAGES)?;
        migrations::make_derived(&mut connection, derived)?;
        // The read connections are opened later, because a read-only connection can neither make the tables nor switch
        // the file to the write-ahead log.
        let log_is_full = LogIsFull::default();
        let mut store = Store::of_readers(path, &ReadOnly::shared(path), &log_is_full);
        let log = WriteAheadLog::of(path, log_is_full);
        let place = Place::of(path, found);
        store.writer = Some(Writer::spawn(connection, derived, log, place).map_err(OpenError::Io)?);
        Ok(store)
    }

    /// Opens the file for a command that only reads, and changes nothing of it: so it works on a file that can't be
    /// written too, such as a backup on a medium that is mounted read-only.
    ///
    /// A file of an earlier version stays one, because the program of that version refuses a file that was migrated,
    /// and it may be serving the file just now. If the file lacks tables that the statements name, it is refused.
    pub(crate) fn open_to_read(path: &Path) -> Result<Store, OpenError> {
        Store::open_after(path, STEPS_TO_READ)
    }

    /// Like [`Store::open_to_read`], for a command that reads all tables as they are now.
    pub(crate) fn open_to_read_all(path: &Path) -> Result<Store, OpenError> {
        Store::open_after(path, MIGRATIONS.len())
    }

    /// Like [`Store::open_to_read`], for a copy of the whole file, which may be of any earlier version.
    pub(crate) fn open_to_copy(path: &Path) -> Result<Store, OpenError> {
        Store::open_after(path, 1)
    }

    /// Opens a file to read, if it has taken so many steps of migration.
    fn open_after(path: &Path, needs: usize) -> Result<Store, OpenError> {
        let path = files::find(path)?;
        files::check_whole(&path, None, false)?;
        let file = ReadOnly::find(&path)?;
        match migrations::recognize(&file.connect()?)? {
            0 => Err(OpenError::Empty),
            taken if taken >= needs => {
                Store::of_readers(&path, &file, &LogIsFull::default()).with_one_reader()
            }
            taken => Err(OpenError::Older { file: taken, needs }),
        }
    }

    /// Opens the read connections that aren't open yet. A server calls this once, when it listens; a request that
    /// reads meanwhile waits for them.
    pub fn open_read_connections(&self) -> Result<(), OpenError> {
        self.look_ups.open(self.look_ups.count)?;
        self.readers.open(self.readers.count)
    }

    /// Opens one read connection for each of their two uses. That is enough for a command, which reads one thing after
    /// the other.
    fn with_one_reader(self) -> Result<Store, OpenError> {
        self.look_ups.open(1)?;
        self.readers.open(1)?;
        Ok(self)
    }

    /// Makes a store that only reads, none of whose connections is open.
    fn of_readers(path: &Path, file: &ReadOnly, log_is_full: &LogIsFull) -> Store {
        let pool = |count, per_holder| Readers::new(file.clone(), count, per_holder, log_is_full);
        Store {
            readers: pool(limits::READ_CONNECTIONS, limits::READ_CONNECTIONS_PER_PERSON),
            look_ups: pool(limits::LOOK_UP_CONNECTIONS, limits::LOOK_UP_CONNECTIONS),
            path: path.to_owned(),
            writer: None,
            lock: None,
        }
    }

    /// Runs `work` in one read transaction, so that all its statements see the same state: a page and its total
    /// agree, even if another thread writes in between.
    ///
    /// `holder` is the id of the person for whom `work` reads; each person may have a bounded share of the
    /// connections at a time. Fails with [`StoreError::Busy`] if no connection is free for the person within
    /// [`limits::READ_WAIT_MAX`], and with [`StoreError::TooSlow`] if the statements run for longer than
    /// [`limits::READ_WORK_MAX`], or than [`limits::READ_WORK_MAX_AT_FULL_WAL`] while the log must start over.
    pub fn read<T, E>(&self, holder: i64, work: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        self.read_as(Borrower::Programs(holder), work)
    }

    /// Like [`Store::read`], for a page that the person opens in a browser. It has a share of its own, so that what
    /// their programs read doesn't keep them from it.
    pub(crate) fn read_for_page<T, E: From<StoreError>>(
        &self,
        person: UserId,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.read_as(Borrower::Page(person.get()), work)
    }

    fn read_as<T, E: From<StoreError>>(
        &self,
        borrower: Borrower,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let loan = self.begin_read(borrower)?;
        let value = work(loan.connection());
        // A read transaction has no changes that could be lost. If COMMIT fails, the value is still right, and the
        // loan rolls back the transaction.
        let _ = run(loan.connection(), "COMMIT");
        value
    }

    /// Runs `work` in one read transaction that may take as long as it needs, on a connection of its own. While it
    /// takes, the log can't start over, so `work` must wait for nothing but the disk, and a server does one at a time.
    pub(crate) fn read_at_length<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let connection = self.readers.connect()?;
        run(&connection, "BEGIN")?;
        // The transaction ends with the connection.
        work(&connection)
    }

    /// The database file, without links.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether the name of the file still leads to the file that is open to write. As long as it doesn't,
    /// writes fail.
    pub(crate) fn is_in_place(&self) -> bool {
        self.writer.as_ref().is_none_or(Writer::is_in_place)
    }

    /// Returns what `look` finds in a copy of a database; `None` if the file isn't one, or is this database itself.
    /// (Then it isn't even opened: to close it would take SQLite's locks off it.) Nobody writes to a copy while this
    /// reads it, since it has got its name when it was whole.
    pub(crate) fn look_into_copy<T>(
        &self,
        path: &Path,
        look: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, OpenError> {
        let path = &fs::canonicalize(path).map_err(OpenError::Io)?;
        let is_of_this = files::is_of_database(path, &self.path).map_err(OpenError::Io)?;
        if is_of_this || !files::is_copy(path).map_err(OpenError::Io)? {
            return Ok(None);
        }
        Ok(Some(ReadOnly::immutable(path).connect().and_then(|copy| look(&copy))?))
    }

    /// Copies the whole database, as it is at this moment, into a file that gets its name when it is whole and checked.
    /// It changes nothing of the database, and others can write to it meanwhile.
    pub(crate) fn copy_to(&self, target: &Path, copying: &mut Copying) -> Result<Copied, CopyError> {
        let connection = self.readers.connect().map_err(CopyError::Unread)?;
        copy::copy(&connection, &self.path, target, copying)
    }

    /// Runs `work` that is one statement: it looks up a row, or lists some. SQLite puts a transaction around each
    /// statement by itself, so this needs no BEGIN and no COMMIT, unless the thread has a [`OneTransaction`].
    pub(crate) fn look_up<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let loan = self.begin_look_up()?;
        let value = work(loan.connection());
        one_transaction::keep_or_return(loan);
        value
    }

    // These two aren't part of the generic functions that call them, of which the program has one for each `work`.

    /// Lends a connection for a read, with an open transaction.
    fn begin_read(&self, borrower: Borrower) -> Result<Loan, StoreError> {
        match one_transaction::go_on(&self.readers, borrower) {
            Some(loan) => Ok(loan),
            None => begin(self.readers.lend(borrower)?),
        }
    }

    /// Lends a connection for a look-up, with an open transaction if that is to be kept.
    fn begin_look_up(&self) -> Result<Loan, StoreError> {
        match one_transaction::lend(&self.readers) {
            Some(loan) => begin(loan),
            // These connections have no share for each person: the gate doesn't know yet which person calls. So all
            // look-ups count as one holder's, whose share is the whole pool.
            None => self.look_ups.lend(Borrower::Server),
        }
    }

    /// Runs `work` in a transaction of the writer and returns its value once the commit is on the disk.
    ///
    /// If `work` returns an error, its changes are undone, and the other work of the same commit stays; if undoing it
    /// alone isn't possible, the whole group is undone and fails. Fails with [`StoreError::Busy`] if `work` can't
    /// begin within [`limits::BUSY_MAX`]. The work runs on the writer's thread, hence `Send` and `'static`.
    ///
    /// `work` must end at the first error of SQLite and return it. Some errors, a full disk for example, roll the
    /// whole transaction back at once; a statement after such an error would run outside of every transaction and be
    /// committed by itself.
    pub fn write<T, E>(&self, work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write_for(Holder::Server, work)
    }

    /// Like [`Store::write`], in the name of `holder`: the holders take turns, so that one who writes much doesn't
    /// make the others wait.
    pub(crate) fn write_for<T, E>(
        &self,
        holder: Holder,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        one_transaction::end(); // the thread waits now
        match &self.writer {
            Some(writer) => writer.write(holder, work),
            None => Err(StoreError::Abandoned.into()), // no command that only reads comes here
        }
    }

    /// Queues a write of the server itself and doesn't wait for it: for what nobody is to notice in the time of an
    /// answer, or to miss if it fails. The caller must see to it that strangers can't queue many.
    pub(crate) fn write_unawaited(
        &self,
        work: impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static,
    ) {
        if let Some(writer) = &self.writer {
            writer.write_unawaited(Holder::Server, work);
        }
    }

    /// Makes a file that has no name, on the disk of the database; it is gone when it is closed. There is no other
    /// folder of which the server knows that it may write there.
    pub(crate) fn scratch_file(&self) -> io::Result<File> {
        files::scratch(&self.path)
    }

    /// Finishes the queued writes, moves the content of the log into the database file, and closes the file. Writes
    /// that come later fail, and so do reads, unless a connection that was lent at that time has come back to the
    /// pool. A server that is killed loses no committed write: the next one finds the log beside the file and reads
    /// it.
    pub fn close(&self) -> Result<(), StoreError> {
        let connection = self.writer.as_ref().ok_or(StoreError::Abandoned)?.stop()?;
        self.readers.close();
        self.look_ups.close();
        // SQLite itself empties and removes the log when the last connection closes. But a read that is still running
        // keeps its connection open, and an operator who copies the database file alone would then miss what is only
        // in the log. If such a read blocks this statement too, the log stays, and the next server reads it.
        write_ahead::checkpoint(&connection)?;
        connection.close().map_err(|(_, error)| error.into())
    }
}

/// Returns whether there is no database of this name, and nothing that is left of one; if something is, that is the
/// error.
pub(crate) fn is_missing(path: &Path) -> Result<bool, OpenError> {
    files::is_missing(path)
}

/// Returns whether a server has this file open, by its lock. To be asked before this process opens the database: on the
/// way out the file is closed, and with it SQLite's locks of this process would be gone.
pub(crate) fn is_served(path: &Path) -> bool {
    let is_file = fs::metadata(path).is_ok_and(|found| found.is_file()); // to open a pipe is to wait for a writer
    is_file
        && File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Returns how many bytes the database file and its log have.
pub(crate) fn sizes(path: &Path) -> (u64, u64) {
    let bytes = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
    (bytes(path), bytes(&files::beside(path, "-wal")))
}

/// Removes what a killed program has left of a copy.
pub(crate) fn remove_unfinished_copy(target: &Path) {
    drop(files::Part::begin(target, UNFINISHED)); // an error means that another program is making it now
}

/// Makes the tables of a new journal in an empty file, and moves them from the log into the file itself: so whatever is
/// copied of it, a program sees that it is ours.
fn make_new(path: &Path) -> Result<(), OpenError> {
    let mut connection = files::open_to_write(path)?;
    files::mark(&connection)?;
    migrations::run(&mut connection)
}

/// Copies a file of an earlier version beside itself, because there is no step back from the present one.
fn back_up_version(connection: &Connection, path: &Path, version: usize) -> Result<(), OpenError> {
    let copy = files::beside(path, &format!(".version-{version}"));
    let told = path.display();
    let mut copying = Copying {
        version: i64::try_from(version).ok(),
        replaces: true,
        amend: |_| Ok(()),
        progress: &mut |_| (),
        stop: Arc::default(),
    };
    match copy::copy(connection, path, &copy, &mut copying) {
        Ok(_) => {
            stderr::note(&format!(
                "{told} has version {version} and is brought up to date to {VERSION}; a backup of it as it was is {}",
                copy.display()
            ));
            Ok(())
        }
        Err(error) => Err(OpenError::NotBackedUp { copy, why: error.to_string() }),
    }
}

/// Sets what every connection needs. SQLite keeps none of these settings in the file, so a connection without them
/// would follow other rules than the rest.
fn configure(connection: &Connection) -> Result<(), StoreError> {
    // `normal` is often recommended for a write-ahead log, because a commit then doesn't wait until the log is on the
    // disk. Such a commit survives `kill -9`, but a power failure takes back writes that clients were promised.
    connection.pragma_update(None, "synchronous", "full")?;
    // When SQLite starts the log over, it keeps the file as long as it has become, unless it is told how much to keep.
    connection.pragma_update(None, "journal_size_limit", limits::WAL_BYTES_KEPT)?;
    // SQLite reads REFERENCES but ignores it by default, for compatibility with old files. (The bundled build obeys
    // it; this program doesn't rely on that.) Without this setting a link could join two people's rows, and rows
    // would stay behind when their owner is removed.
    connection.pragma_update(None, "foreign_keys", true)?;
    // SQLite's manual advises all programs to turn this setting off: triggers and defaults in an edited file can then
    // call only functions that are marked as harmless.
    connection.pragma_update(None, "trusted_schema", false)?;
    // SQLite's "query planner stability guarantee": a plan doesn't depend on the bound values. Without this setting
    // SQLite looks at some values, such as a LIMIT, and may prepare a cached statement anew for the next value, which
    // can take longer than the statement itself.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // The texts of statements are made of literals of the source, so there is a small, fixed number of them, and a
    // connection parses and plans those that come through `prepare_cached` only once. Texts that hold their values
    // would fill this cache with entries that are used once, besides being open to SQL injection.
    connection.set_prepared_statement_cache_capacity(limits::STATEMENTS_MAX);
    Ok(())
}

/// Does what is too much for one transaction, since all other writes wait for that: calls `piece`, which does a part of
/// it in one, until that returns a value. Other writes come in between.
///
/// A crash may come in between too. So each piece must leave rows that are right by themselves, and what is to be done
/// must be such that a second call does the rest.
///
/// `pause` is for a command: another process, which waits for SQLite's lock, gets it then. In a server the holders take
/// turns at the writer, and there is nothing to wait for.
pub(crate) fn in_pieces<T, E>(
    pause: Duration,
    mut piece: impl FnMut() -> Result<Option<T>, E>,
) -> Result<T, E> {
    loop {
        if let Some(value) = piece()? {
            return Ok(value);
        }
        thread::sleep(pause);
    }
}

/// Begins a read transaction. SQLite takes the snapshot at the first SELECT, not here. A plain BEGIN takes no lock that
/// the writer needs.
fn begin(loan: Loan) -> Result<Loan, StoreError> {
    run(loan.connection(), "BEGIN")?;
    Ok(loan)
}

/// Runs one statement without parameters or rows, from the connection's cache of prepared statements.
fn run(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
