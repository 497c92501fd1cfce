//! One SQLite file: a writer that commits in groups, pooled read connections, migrations.
//!
//! Knows no word of the domain: work comes in as a closure over a connection. Invariant: [`Store::write`]
//! gives the work's value only after the commit that holds it is on the disk.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::limits;
use crate::lock::locked;

/// SQLite's `application_id` of our files: "EPIC" in ASCII.
const APPLICATION_ID: i32 = 0x4550_4943;
/// The steps from an empty file to the present one; `user_version` counts how many were taken.
const MIGRATIONS: [(&str, &str); 2] = [
    ("the journal, people and tokens", include_str!("schema.sql")),
    ("the authorization server", include_str!("schema_2.sql")),
];

/// Work on the database failed. What a client learns of it is decided elsewhere; this is for the log.
#[derive(Clone, Debug)]
pub enum StoreError {
    /// The writer's turn, a read connection or SQLite's lock didn't come in time; nothing was written.
    Busy,
    /// The disk is full; nothing was written.
    Full,
    /// A read worked for longer than [`limits::READ_WORK_MAX`] and was broken off.
    TooSlow,
    /// SQLite reported anything else.
    Sqlite(Arc<rusqlite::Error>),
    /// The work panicked or the writer has ended; nothing was written.
    Abandoned,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
            Some(ErrorCode::DiskFull) => StoreError::Full,
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
            StoreError::Sqlite(error) => write!(out, "SQLite: {error}"),
            StoreError::Abandoned => out.write_str("the work on the database was abandoned"),
        }
    }
}

impl Error for StoreError {}

/// Why a file can't be used as our database. The file is as it was.
#[derive(Debug)]
pub enum OpenError {
    /// It can't be made or opened.
    Io(io::Error),
    /// It belongs to another program.
    Foreign,
    /// A later version of this program made it.
    Newer {
        /// The file's version.
        file: i64,
    },
    /// Another server has it.
    InUse,
    /// Its file system can't hold a write-ahead log.
    NoLog,
    /// SQLite can't use it: damaged, locked, read-only.
    Store(StoreError),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> OpenError {
        OpenError::Store(error.into())
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> OpenError {
        OpenError::Store(error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Io(error) => write!(out, "can't open it: {error}"),
            OpenError::Foreign => out.write_str("it is another program's database; choose another file"),
            OpenError::Newer { file } => {
                let known = MIGRATIONS.len();
                write!(out, "it has version {file}, this epicme knows {known}; use a newer epicme")
            }
            OpenError::InUse => {
                out.write_str("another epicme serves it; stop that one, or name another file")
            }
            OpenError::NoLog => out.write_str("its file system can't hold SQLite's write-ahead log"),
            OpenError::Store(error) => write!(out, "can't use it: {error}"),
        }
    }
}

impl Error for OpenError {}

/// Read connections, lent to one thread at a time.
struct Pool {
    state: Mutex<PoolState>,
    returned: Condvar,
    /// How many one person may hold.
    per_person: usize,
}

#[derive(Default)]
struct PoolState {
    free: Vec<Connection>,
    waiting: usize,
    /// Who holds how many; nobody who holds none.
    held: HashMap<i64, usize>,
}

impl Pool {
    fn open(path: &Path, count: usize, per_person: usize) -> Result<Pool, OpenError> {
        let connections = (0..count).map(|_| {
            let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            connection.busy_timeout(limits::READ_WAIT_MAX)?;
            set_up(&connection)?;
            Ok(connection)
        });
        let free = connections.collect::<Result<_, OpenError>>()?;
        let state = Mutex::new(PoolState { free, ..PoolState::default() });
        Ok(Pool { state, returned: Condvar::new(), per_person })
    }

    /// Lends a connection on behalf of a person, for [`limits::READ_WORK_MAX`].
    fn lend(&self, person: i64) -> Result<Loan<'_>, StoreError> {
        let mut state = locked(&self.state);
        let must_wait = |state: &mut PoolState| {
            state.free.is_empty() || state.held.get(&person).is_some_and(|held| *held >= self.per_person)
        };
        if must_wait(&mut state) {
            state.waiting += 1;
            let waited = self.returned.wait_timeout_while(state, limits::READ_WAIT_MAX, must_wait);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
            if must_wait(&mut state) {
                return Err(StoreError::Busy);
            }
        }
        let mut connection = state.free.pop().ok_or(StoreError::Busy)?;
        *state.held.entry(person).or_default() += 1;
        drop(state);
        let deadline = Instant::now() + limits::READ_WORK_MAX;
        let is_over = move || Instant::now() >= deadline;
        connection.progress_handler(limits::READ_STEPS_BETWEEN_LOOKS, Some(is_over))?;
        Ok(Loan { pool: self, person, connection: Some(connection) })
    }
}

/// A read connection on loan; it goes back to its pool when this is dropped, after a panic too.
struct Loan<'p> {
    pool: &'p Pool,
    person: i64,
    connection: Option<Connection>,
}

impl Loan<'_> {
    fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("only `drop` takes the connection")
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if !connection.is_autocommit() {
            let _ = run(&connection, "ROLLBACK"); // the work panicked or was broken off inside its transaction
        }
        let mut state = locked(&self.pool.state);
        state.free.push(connection);
        let held = state.held.remove(&self.person).unwrap_or(1) - 1;
        if held > 0 {
            state.held.insert(self.person, held);
        }
        if state.waiting > 0 {
            self.pool.returned.notify_all(); // a system call, which the usual case is spared
        }
    }
}

/// The open database.
pub struct Store {
    readers: Pool,
    look_ups: Pool,
    /// `None` once the store is closing.
    queue: Mutex<Option<Sender<Job>>>,
    writer: Mutex<Option<JoinHandle<Connection>>>,
    /// The lock of a server, which no other server gets; `None` for a command.
    _lock: Option<File>,
}

impl Store {
    /// Opens the file for a server: a second one would answer by other names, and tokens would go astray.
    pub fn open_to_serve(path: &Path) -> Result<Store, OpenError> {
        let mut store = Store::open(path)?;
        // Kept open as long as the store: closing any descriptor of the file would end SQLite's own locks on it.
        let lock = File::open(path).map_err(OpenError::Io)?;
        lock.try_lock().map_err(|_| OpenError::InUse)?;
        store._lock = Some(lock);
        Ok(store)
    }

    /// Opens the file, or makes it (mode 0600), and brings it to the present version in one transaction.
    pub fn open(path: &Path) -> Result<Store, OpenError> {
        // To SQLite `:memory:` and `file:` are no names of files; to us they are.
        let path = &if path.is_relative() { Path::new(".").join(path) } else { path.to_owned() };
        let mut create = OpenOptions::new();
        create.write(true).create_new(true).mode(0o600); // SQLite gives its log files the same mode
        match create.open(path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => tighten_if_empty(path)?,
            Err(error) => return Err(OpenError::Io(error)),
        }
        let mut writer = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        writer.busy_timeout(limits::BUSY_MAX)?;
        migrate(&mut writer)?;
        set_up(&writer)?;
        let readers = Pool::open(path, limits::READ_CONNECTIONS, limits::READ_CONNECTIONS_PER_PERSON)?;
        let look_ups = Pool::open(path, limits::LOOK_UP_CONNECTIONS, limits::LOOK_UP_CONNECTIONS)?;
        let (queue, jobs) = mpsc::channel();
        let writer = thread::Builder::new().name("writer".into()).spawn(move || {
            write_in_groups(&writer, &jobs);
            writer
        });
        Ok(Store {
            readers,
            look_ups,
            queue: Mutex::new(Some(queue)),
            writer: Mutex::new(Some(writer.map_err(OpenError::Io)?)),
            _lock: None,
        })
    }

    /// Runs `work` in one read transaction: all its statements see the same state, and the lock is taken once.
    ///
    /// `person` is whoever asked: what one person's reads may hold at once is bounded. Fails with
    /// [`StoreError::Busy`] after [`limits::READ_WAIT_MAX`], with [`StoreError::TooSlow`] after
    /// [`limits::READ_WORK_MAX`].
    pub fn read<T, E>(&self, person: i64, work: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        let loan = self.readers.lend(person)?;
        run(loan.connection(), "BEGIN")?;
        let value = work(loan.connection());
        // A read transaction has nothing to lose: ending it can't turn the value into an error.
        let _ = run(loan.connection(), "COMMIT");
        value
    }

    /// Runs `work`, which looks up one row or lists a few for the operator, and so needs no transaction around it.
    /// It has connections of its own: what people read never keeps the gate from deciding.
    pub fn look_up<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        work(self.look_ups.lend(0)?.connection())
    }

    /// Runs `work` in a transaction of the writer and gives its value once the commit is on the disk.
    ///
    /// An error from `work` undoes what it did, and nothing else: other work in the same commit stands.
    /// Fails with [`StoreError::Busy`] after [`limits::BUSY_MAX`].
    pub fn write<T, E>(&self, work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = mpsc::sync_channel(1);
        let run = Box::new(move |turn: Result<&Connection, StoreError>| {
            let value = turn.map_err(E::from).and_then(work);
            let keep = value.is_ok();
            let acknowledge = Box::new(move |committed: Result<(), StoreError>| {
                // An error of the work's own needs no commit. That nobody waits any more is no fault.
                let _ = reply.send(value.and_then(|value| committed.map(|()| value).map_err(E::from)));
            });
            Outcome { keep, acknowledge: acknowledge as Box<dyn FnOnce(Result<(), StoreError>)> }
        });
        let job = Job { queued: Instant::now(), run };
        let sent = locked(&self.queue).as_ref().is_some_and(|queue| queue.send(job).is_ok());
        if !sent {
            return Err(StoreError::Abandoned.into());
        }
        answer.recv().unwrap_or_else(|_| Err(StoreError::Abandoned.into()))
    }

    /// Finishes the queued writes, moves the log into the database file and closes it.
    /// Reads and writes that come later fail.
    pub fn close(&self) -> Result<(), StoreError> {
        drop(locked(&self.queue).take());
        let writer = locked(&self.writer).take().ok_or(StoreError::Abandoned)?;
        let writer = writer.join().map_err(|_| StoreError::Abandoned)?;
        locked(&self.readers.state).free.clear();
        locked(&self.look_ups.state).free.clear();
        writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        writer.close().map_err(|(_, error)| error.into())
    }
}

/// Work for the writer, its type of value erased.
struct Job {
    queued: Instant,
    run: Box<Run>,
}

/// Does the work if its turn has come, or takes note that it hasn't.
type Run = dyn FnOnce(Result<&Connection, StoreError>) -> Outcome + Send;

impl Job {
    /// Tells whoever waits that the turn didn't come; the work isn't run.
    fn refuse(self, error: StoreError) {
        let outcome = (self.run)(Err(error));
        (outcome.acknowledge)(Ok(()));
    }
}

/// What became of a job, to be told to whoever waits for it.
struct Outcome {
    keep: bool,
    acknowledge: Box<dyn FnOnce(Result<(), StoreError>)>,
}

/// The writer's thread: commits whatever is queued as one transaction, a savepoint for each job.
///
/// While one commit waits for the disk the next group gathers in the queue, so many concurrent writers
/// share each `fsync` and a single one waits for nobody.
fn write_in_groups(connection: &Connection, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        // Another process may hold the lock. What the job has waited already counts.
        let left = limits::BUSY_MAX.saturating_sub(first.queued.elapsed());
        if left.is_zero() {
            first.refuse(StoreError::Busy); // what came before took too long: it has been promised an answer by now
            continue;
        }
        if let Err(error) = begin(connection, left) {
            first.refuse(error);
            continue;
        }
        let (began, mut group) = (Instant::now(), Vec::new());
        let mut next = Some(first);
        while let Some(job) = next {
            match job.queued.elapsed() < limits::BUSY_MAX || group.is_empty() {
                true => group.extend(attempt(job, connection, group.is_empty())),
                false => job.refuse(StoreError::Busy), // it has been promised an answer by now
            }
            let full = group.len() >= limits::BATCH_MAX || began.elapsed() >= limits::GATHER_MAX;
            next = if full || connection.is_autocommit() { None } else { jobs.try_recv().ok() };
        }
        // ---- the commit point: before it nothing counts, after it everything that was kept does ----
        let committed = commit(connection);
        for outcome in group {
            (outcome.acknowledge)(committed.clone());
        }
    }
}

fn begin(connection: &Connection, wait: Duration) -> Result<(), StoreError> {
    connection.busy_timeout(wait)?;
    run(connection, "BEGIN IMMEDIATE")
}

fn commit(connection: &Connection) -> Result<(), StoreError> {
    if connection.is_autocommit() {
        // The first job failed alone, or SQLite undid all by itself, as it may when the disk is full.
        return Err(StoreError::Abandoned);
    }
    run(connection, "COMMIT").inspect_err(|_| {
        if !connection.is_autocommit() {
            let _ = run(connection, "ROLLBACK");
        }
    })
}

/// Runs one job; a failed or panicking one is undone and spares its neighbours.
///
/// The first of a group has nothing before it to spare, so it does without a savepoint: where it fails, the
/// transaction ends with it, and the next group begins.
fn attempt(job: Job, connection: &Connection, is_first: bool) -> Option<Outcome> {
    if !is_first && let Err(error) = run(connection, "SAVEPOINT job") {
        job.refuse(error);
        return None;
    }
    // Whoever waits for a job that panicked learns it from the reply's sender being dropped.
    let outcome = catch_unwind(AssertUnwindSafe(|| (job.run)(Ok(connection)))).ok();
    let keep = outcome.as_ref().is_some_and(|outcome| outcome.keep);
    if !connection.is_autocommit() {
        let settled = match (is_first, keep) {
            (true, true) => Ok(()),
            (true, false) => run(connection, "ROLLBACK"),
            (false, true) => run(connection, "RELEASE job"),
            (false, false) => {
                run(connection, "ROLLBACK TO job").and_then(|()| run(connection, "RELEASE job"))
            }
        };
        if settled.is_err() {
            // What was to be undone might stay: then nothing of the group may be committed.
            let _ = connection.execute_batch("ROLLBACK");
        }
    }
    outcome
}

/// An empty file that was there already becomes a journal too: then it is its owner's alone as well.
fn tighten_if_empty(path: &Path) -> Result<(), OpenError> {
    let found = fs::metadata(path).map_err(OpenError::Io)?;
    if found.is_file() && found.len() == 0 {
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(OpenError::Io)?;
    }
    Ok(())
}

/// Refuses what isn't ours before anything touches the file, then takes the steps that are missing.
fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = pragma("application_id")?;
    let version = pragma("user_version")?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let empty = tables == 0 && application == 0 && version == 0;
    if !empty && application != i64::from(APPLICATION_ID) {
        return Err(OpenError::Foreign);
    }
    let taken = usize::try_from(version).unwrap_or(usize::MAX);
    if taken > MIGRATIONS.len() {
        return Err(OpenError::Newer { file: version });
    }
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(OpenError::NoLog);
    }
    connection.pragma_update(None, "synchronous", "full")?;
    let steps = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Asked again inside the transaction: two processes may open a new file at once.
    let taken = steps.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
    for (number, (name, sql)) in (1i64..).zip(MIGRATIONS).filter(|(number, _)| *number > taken) {
        steps.execute_batch(sql)?;
        steps.execute(
            "INSERT INTO schema_versions (version, name, applied_at) VALUES (?1, ?2, unixepoch())",
            (number, name),
        )?;
        steps.pragma_update(None, "user_version", number)?;
    }
    steps.pragma_update(None, "application_id", APPLICATION_ID)?;
    Ok(steps.commit()?)
}

/// What every connection needs.
fn set_up(connection: &Connection) -> Result<(), StoreError> {
    connection.pragma_update(None, "synchronous", "full")?; // the log is on the disk before a commit returns
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Plans must not depend on the values bound, or SQLite would prepare many a cached statement anew at each use.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(limits::STATEMENTS_MAX);
    Ok(())
}

/// Runs one statement without parameters or rows, prepared once per connection.
fn run(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
