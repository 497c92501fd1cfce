//! A consistent copy of a database that others may write meanwhile, as one whole file that was checked.
//!
//! Names no table: what is changed in a copy comes in as a function. Invariant: a name that is
//! given to a copy stands for a whole, checked one, or for what it stood for before. A program that is killed leaves
//! the unfinished copy under another name (`files::Part`), which the next copy to that name removes.
//!
//! SQLite's backup functions copy page by page. The copy is of one moment, because the connection that is read has one
//! read transaction open all the while: without it SQLite would begin again whenever another process writes. While
//! that transaction is open, the log of the database can't start over; so nothing in it waits for anything but the
//! disk, and the check of the copy comes after it.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, ffi};

use super::StoreError;
use super::files::{self, InTheWay, Part, PartError, ReadOnly, beside};
use super::restore::PUT_ASIDE;
use crate::limits;

/// How the name of a copy ends until it is whole. Nobody gives such a name to a file of their own.
pub(crate) const UNFINISHED: &str = ".epicme-part";

/// How a copy is made.
pub(crate) struct Copying<'c> {
    /// The only version that is wanted of the database.
    pub(crate) version: Option<i64>,
    /// Whether it takes the place of an earlier copy of the same name.
    pub(crate) replaces: bool,
    /// Changes the copy before it is checked. The original stays as it is.
    pub(crate) amend: fn(&Connection) -> rusqlite::Result<()>,
    /// Is told how far it is.
    pub(crate) progress: &'c mut dyn FnMut(CopyProgress),
    /// Another thread may set it: then the copy is given up.
    pub(crate) stop: Arc<AtomicBool>,
}

/// How far a copy is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CopyProgress {
    /// So many pages are copied.
    Copied {
        pages: i32,
        of: i32,
    },
    Checking,
}

/// A copy that was made.
pub(crate) struct Copied {
    /// How many steps of migration it has taken.
    pub(crate) version: i64,
    /// The size of its file.
    pub(crate) bytes: u64,
}

/// Why no copy was made. Each message is for the operator and comes behind the name of the copy; under that name there
/// is what was there before.
#[derive(Debug)]
pub(crate) enum CopyError {
    /// It would replace the database itself.
    Itself,
    /// It would replace a file that isn't a copy.
    Taken,
    /// There is a file of that name, and none was to be replaced.
    Exists,
    /// There is no such folder.
    NoFolder,
    /// The same copy is being made just now.
    InProgress,
    /// What isn't ours has the name that the copy would have until it is whole.
    InTheWay(InTheWay),
    /// It can't be written.
    Io(io::Error),
    /// It can't be written, says SQLite.
    Unwritten(StoreError),
    /// The database can't be read.
    Unread(StoreError),
    /// Another process has brought the database up to date meanwhile.
    OtherVersion,
    /// The copy isn't sound.
    Unsound(String),
    /// The program stops.
    Stopped,
}

impl From<PartError> for CopyError {
    fn from(error: PartError) -> CopyError {
        match error {
            PartError::InProgress => CopyError::InProgress,
            PartError::NoFolder => CopyError::NoFolder,
            PartError::InTheWay(file) => CopyError::InTheWay(file),
            PartError::Io(error) => CopyError::Io(error),
        }
    }
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> CopyError {
        CopyError::Io(error)
    }
}

impl fmt::Display for CopyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CopyError::Itself => out.write_str("that is the database itself, or a part of it; name another file"),
            CopyError::Taken => out.write_str(
                "there is a file already that is no backup, and it stays as it is; name another file, or move that one \
                 away",
            ),
            CopyError::Exists => out.write_str("there is such a file already; name another one"),
            CopyError::NoFolder => out.write_str("there is no such folder; make it, or name another file"),
            CopyError::InProgress => {
                out.write_str("another epicme is writing the same file; wait for it, or name another file")
            }
            CopyError::InTheWay(file) => file.fmt(out),
            CopyError::Io(error) => write!(
                out,
                "can't write it: {error}; see that its folder can be written and its disk has free space, or name \
                 another file"
            ),
            CopyError::Unwritten(error) => write!(
                out,
                "can't write it: {error}; see that its disk has free space, or name a file on another disk"
            ),
            CopyError::Unread(error) => write!(out, "can't read the database: {error}; {}", error.remedy()),
            CopyError::OtherVersion => {
                out.write_str("another epicme has brought the database up to date just now; run the command again")
            }
            CopyError::Unsound(why) => write!(
                out,
                "the copy isn't sound, so it was thrown away: {why}; the database may be damaged itself, and epicme \
                 check says how"
            ),
            CopyError::Stopped => out.write_str("it was given up, because the program stops"),
        }
    }
}

impl Error for CopyError {}

/// Copies the database that `source` has open and that lies at `database` into `target`, and returns what was copied.
/// A copy that is there already is replaced; any other file isn't.
pub(super) fn copy(
    source: &Connection,
    database: &Path,
    target: &Path,
    copying: &mut Copying,
) -> Result<Copied, CopyError> {
    let target = &files::for_copy(target)?;
    if files::is_of_database(target, database)? {
        return Err(CopyError::Itself);
    }
    // What a restore has put aside looks like a copy, and is the only one of a journal.
    let is_aside = target.file_name().is_some_and(|name| name.to_string_lossy().contains(PUT_ASIDE));
    if target.try_exists()? && (is_aside || !files::is_copy(target)?) {
        return Err(CopyError::Taken);
    }
    // The database itself begins as what a killed program has left does.
    let unfinished = beside(target, UNFINISHED);
    for path in [unfinished.clone()].into_iter().chain(files::files_beside(&unfinished)) {
        if files::is_of_database(&path, database)? {
            return Err(CopyError::InTheWay(InTheWay(path)));
        }
    }
    let part = Part::begin(target, UNFINISHED)?;
    // From here on no other program gives a copy this name.
    if !copying.replaces && target.try_exists()? {
        return Err(CopyError::Exists);
    }
    let copied = fill(source, &part, copying)?;
    part.finish(target)?;
    Ok(copied)
}

/// Copies into a file that has no name of its own yet, and checks it.
pub(super) fn fill(source: &Connection, part: &Part, copying: &mut Copying) -> Result<Copied, CopyError> {
    let unread = |error: rusqlite::Error| CopyError::Unread(error.into());
    source.execute_batch("BEGIN").map_err(unread)?;
    let measured = Measure::of(source).map_err(unread).and_then(|measured| {
        let is_wanted = copying.version.is_none_or(|wanted| wanted == measured.version);
        if is_wanted { Ok(measured) } else { Err(CopyError::OtherVersion) }
    });
    let measured = measured.and_then(|measured| copy_pages(source, part, copying).map(|()| measured));
    // It has changed nothing, so it doesn't matter how it ends. The connection may be one of a pool.
    let _ = source.execute_batch("ROLLBACK");
    let measured = measured?;
    // The original has a write-ahead log, and so says its first page, which was copied with the others. The copy is one
    // file. (File format, "file format version numbers": 1 stands for the rollback journal, 2 for the log.)
    part.write_at(&[1, 1], 18)?;
    (copying.progress)(CopyProgress::Checking);
    compare(part, &measured)?;
    amend(part, copying.amend)?;
    check(part, copying)?;
    Ok(Copied { version: measured.version, bytes: part.size()? })
}

/// What a copy must have as the original does: as many rows in each table.
#[derive(PartialEq, Eq)]
struct Measure {
    version: i64,
    rows: Vec<(String, i64)>,
}

impl Measure {
    fn of(connection: &Connection) -> rusqlite::Result<Measure> {
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        // A virtual table has its rows in other tables.
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name";
        let names: Vec<String> =
            connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let count = |name: String| {
            let sql = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
            connection.query_row(&sql, [], |row| row.get(0)).map(|rows| (name, rows))
        };
        Ok(Measure { version, rows: names.into_iter().map(count).collect::<Result<_, _>>()? })
    }
}

fn copy_pages(source: &Connection, part: &Part, copying: &mut Copying) -> Result<(), CopyError> {
    let unwritten = |error: rusqlite::Error| CopyError::Unwritten(error.into());
    let mut target = open_to_write(part).map_err(unwritten)?;
    // Where the two pages had different sizes, each page of the one would be several of the other.
    let page_bytes = source.pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0));
    let page_bytes = page_bytes.map_err(|error| CopyError::Unread(error.into()))?;
    let marked = target.pragma_update(None, "page_size", page_bytes).and_then(|()| files::mark(&target));
    marked.map_err(unwritten)?;
    let backup = Backup::new(source, &mut target).map_err(unwritten)?;
    loop {
        if copying.stop.load(SeqCst) {
            return Err(CopyError::Stopped);
        }
        let step = backup.step(limits::COPY_PAGES).map_err(of_either)?;
        let progress = backup.progress();
        let pages = progress.pagecount - progress.remaining;
        (copying.progress)(CopyProgress::Copied { pages, of: progress.pagecount });
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ => return Err(CopyError::Unread(StoreError::Busy)),
        }
    }
}

/// Opens an unfinished copy. Nothing of it counts before it is whole, and it is synced once at the end; so SQLite needs
/// no journal of what it writes, and waits for no disk.
fn open_to_write(part: &Part) -> rusqlite::Result<Connection> {
    let connection = files::open_to_write(part.path())?;
    connection.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "off")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// A step of a copy reads one file and writes another, and returns one error for both.
fn of_either(error: rusqlite::Error) -> CopyError {
    let extended = error.sqlite_extended_error_code();
    let is_write = error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || matches!(
            extended,
            Some(ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_TRUNCATE)
        );
    if is_write { CopyError::Unwritten(error.into()) } else { CopyError::Unread(error.into()) }
}

fn amend(part: &Part, amend: fn(&Connection) -> rusqlite::Result<()>) -> Result<(), CopyError> {
    let amended = open_to_write(part).and_then(|mut copy| {
        let transaction = copy.transaction()?;
        amend(&transaction)?;
        transaction.commit()
    });
    amended.map_err(|error| CopyError::Unwritten(error.into()))
}

/// Looks whether the copy has all that the original had.
fn compare(part: &Part, measured: &Measure) -> Result<(), CopyError> {
    match ReadOnly::shared(part.path()).connect().and_then(|copy| Measure::of(&copy)) {
        Ok(found) if found == *measured => Ok(()),
        Ok(_) => Err(CopyError::Unsound("it doesn't have all that the database has".to_owned())),
        Err(error) => Err(CopyError::Unsound(error.to_string())),
    }
}

/// Looks whether the copy is sound, which takes the longest.
fn check(part: &Part, copying: &Copying) -> Result<(), CopyError> {
    let stop = Arc::clone(&copying.stop);
    let found = ReadOnly::shared(part.path()).connect().and_then(|mut copy| {
        copy.progress_handler(limits::READ_STEPS_BETWEEN_LOOKS, Some(move || stop.load(SeqCst)))?;
        sqlite_faults(&copy)
    });
    match found {
        Ok(faults) if faults.is_empty() => Ok(()),
        Ok(faults) => Err(CopyError::Unsound(faults.join("; "))),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            Err(CopyError::Stopped)
        }
        Err(error) => Err(CopyError::Unsound(error.to_string())),
    }
}

/// Returns what SQLite itself finds wrong with a database, a line for each; nothing if it is sound.
pub(crate) fn sqlite_faults(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = format!("PRAGMA integrity_check({})", limits::FAULTS_SHOWN_MAX);
    let mut faults: Vec<String> =
        connection.prepare(&sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    faults.retain(|line| line != "ok");
    let sql = "SELECT \"table\", \"parent\", count(*) FROM pragma_foreign_key_check GROUP BY 1, 2";
    let mut check = connection.prepare(sql)?;
    let dangling = check.query_map([], |row| {
        let (table, parent, count): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(format!("rows of {table} that refer to rows of {parent} which aren't there: {count}"))
    })?;
    for fault in dangling {
        faults.push(fault?);
    }
    Ok(faults)
}
