//! The writer: one thread that runs queued work and commits it in groups.
//!
//! Knows no table and no word of the domain. Invariant: a thread gets the value of its work only after the commit
//! that holds the work is on the disk; look for THE COMMIT POINT in [`commit_in_groups`].
//!
//! SQLite allows one write transaction at a time on a file, so all writes of the process go through one queue. What
//! makes a write slow is the `fsync` of its commit: it takes far longer than most statements. The thread therefore
//! commits everything that is queued as one transaction:
//!
//! ```text
//! BEGIN IMMEDIATE                    A is alone in the queue
//!   A
//! COMMIT ... fsync                   B, C and D arrive meanwhile
//! BEGIN IMMEDIATE
//!   B
//!   SAVEPOINT job   C   RELEASE job
//!   SAVEPOINT job   D   ROLLBACK TO job, RELEASE job      D fails
//! COMMIT ... fsync                   one for B and C
//! ```
//!
//! Each job but the first has a savepoint around it, so that a job that fails is undone alone. The thread never waits
//! for a group to grow: a client that writes alone pays for its own `fsync` and for no delay.
//!
//! Two alternatives were rejected. With one connection behind a mutex each write would pay for its own `fsync`.
//! With `synchronous=NORMAL` no commit would wait for the disk, and a power failure could take back writes that
//! clients were already promised. A larger server, such as PostgreSQL, runs many write transactions at once and
//! shares only the flush of its log between them; one file with one write lock leaves nothing to run at once.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::{StoreError, run};
use crate::limits;
use crate::lock::locked;

/// The end of the queue into which other threads put jobs, and the thread that takes jobs out.
pub(super) struct Writer {
    /// `None` once the store is closing. Dropping the only sender is the signal to stop: the receiver still gives out
    /// every job that was queued before, and then reports the end.
    ///
    /// The queue has no bound of its own and needs none: a thread that queues a job waits for its answer, so there
    /// are at most as many jobs as threads, and [`limits::CONNECTIONS_MAX`] bounds those.
    queue: Mutex<Option<Sender<Job>>>,
    /// The thread returns its connection when it ends, so that [`super::Store::close`] can close the file in order.
    thread: Mutex<Option<JoinHandle<Connection>>>,
}

/// Work for the writer. The type of its value is erased, so that one queue holds work of all kinds.
struct Job {
    /// Since when its thread has been waiting; see [`Job::is_late`].
    queued: Instant,
    run: Box<Run>,
}

/// Does the work on the connection, or takes note of the error because of which the work isn't done.
type Run = dyn FnOnce(Result<&Connection, StoreError>) -> Done + Send;

/// A job that was run, or refused. Its value stays inside until the outcome of the commit is known.
struct Done {
    /// Whether the work succeeded, so that its changes belong into the commit.
    keep: bool,
    /// Sends the waiting thread its value, or why the commit failed.
    acknowledge: Box<dyn FnOnce(Result<(), StoreError>)>,
}

impl Writer {
    /// Starts the thread. It owns the store's only connection that can write, so there is no way to write past it.
    pub(super) fn spawn(connection: Connection) -> Result<Writer, io::Error> {
        let (queue, jobs) = mpsc::channel();
        let thread = thread::Builder::new().name("writer".into()).spawn(move || {
            commit_in_groups(&connection, &jobs);
            connection
        })?;
        Ok(Writer { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)) })
    }

    /// Queues `work` and waits until it is on the disk; see [`super::Store::write`].
    pub(super) fn write<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        // The channel has room for the one answer, so the writer never waits for a thread that is slow to take it.
        let (reply, answer) = mpsc::sync_channel(1);
        let run = Box::new(move |connection: Result<&Connection, StoreError>| {
            let value = connection.map_err(E::from).and_then(work);
            let keep = value.is_ok();
            let acknowledge = Box::new(move |committed: Result<(), StoreError>| {
                // An error of the work's own is true whatever becomes of the commit. A value is true only behind it.
                let answer = value.and_then(|value| committed.map(|()| value).map_err(E::from));
                let _ = reply.send(answer); // fails only where the waiting thread has ended, which loses nothing
            });
            Done { keep, acknowledge: acknowledge as Box<dyn FnOnce(Result<(), StoreError>)> }
        });
        let job = Job { queued: Instant::now(), run };
        let sent = locked(&self.queue).as_ref().is_some_and(|queue| queue.send(job).is_ok());
        if !sent {
            return Err(StoreError::Abandoned.into());
        }
        // Where the work panicked, the writer drops the sender of the answer without sending one.
        answer.recv().unwrap_or_else(|_| Err(StoreError::Abandoned.into()))
    }

    /// Finishes the queued jobs, ends the thread and gives its connection back.
    pub(super) fn stop(&self) -> Result<Connection, StoreError> {
        drop(locked(&self.queue).take());
        let thread = locked(&self.thread).take().ok_or(StoreError::Abandoned)?;
        thread.join().map_err(|_| StoreError::Abandoned)
    }
}

impl Job {
    /// Sends the waiting thread this error; the work isn't run.
    fn refuse(self, error: StoreError) {
        let done = (self.run)(Err(error));
        // The value is that error, which no commit can change: `acknowledge` sends it whatever it is given.
        (done.acknowledge)(Ok(()));
    }

    /// Whether the job has waited for as long as a write may. It is refused then, because a clear "nothing was
    /// written" is worth more to the client than a success that comes after it has given up and sent the write
    /// again.
    fn is_late(&self) -> bool {
        self.queued.elapsed() >= limits::BUSY_MAX
    }
}

/// Runs jobs until the queue is closed and empty.
fn commit_in_groups(connection: &Connection, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        // Another process, such as `epicme token`, may hold SQLite's write lock. The time that the job has spent in
        // the queue counts against its limit: otherwise each of three queued jobs could wait for the whole limit
        // after the one before it, and the last would be answered after three times that long.
        let left = limits::BUSY_MAX.saturating_sub(first.queued.elapsed());
        if left.is_zero() {
            first.refuse(StoreError::Busy);
            continue;
        }
        if let Err(error) = begin(connection, left) {
            // Only this job is refused. The next one tries to begin again, within its own limit.
            first.refuse(error);
            continue;
        }
        let (began, mut group) = (Instant::now(), Vec::new());
        let mut next = Some(first);
        while let Some(job) = next {
            // The first job was in time when the transaction began: it is run however long SQLite's lock took.
            if job.is_late() && !group.is_empty() {
                job.refuse(StoreError::Busy);
            } else {
                group.extend(attempt(job, connection, group.is_empty()));
            }
            // A group is bounded, because all of it waits for its last job, and other processes wait for its lock. It
            // also ends where the transaction did: a further job would run outside of any, and be committed at once.
            let full = group.len() >= limits::BATCH_MAX || began.elapsed() >= limits::GATHER_MAX;
            next = if full || connection.is_autocommit() { None } else { jobs.try_recv().ok() };
        }
        // ---- THE COMMIT POINT ----
        // Before this line a crash undoes the whole group, and no client was promised anything. Behind it every job
        // that was kept is on the disk, and a power failure can't take it back: in WAL mode with `synchronous=FULL`
        // SQLite appends the changed pages to the log, marks the last of them as a commit, and calls `fsync` before
        // `COMMIT` returns. Where a crash cuts the log inside of a commit, SQLite reads it up to the commit before:
        // all of the group is there, or nothing. Only now the waiting threads get their values, so no answer comes
        // too early.
        let committed = commit(connection);
        for done in group {
            (done.acknowledge)(committed.clone());
        }
    }
}

/// Takes SQLite's write lock, and waits for it at most for `wait` where another process holds it.
fn begin(connection: &Connection, wait: Duration) -> Result<(), StoreError> {
    connection.busy_timeout(wait)?;
    // A plain BEGIN would take the lock only at the first write. Where another process has written since this
    // transaction's first read, SQLite then fails with SQLITE_BUSY_SNAPSHOT and no waiting helps, since the
    // transaction's view of the file is out of date. IMMEDIATE takes the lock before anything is read.
    run(connection, "BEGIN IMMEDIATE")
}

/// Commits the open transaction.
fn commit(connection: &Connection) -> Result<(), StoreError> {
    if connection.is_autocommit() {
        // There is no transaction any more: the first job failed alone, or SQLite rolled everything back by itself,
        // as it may when the disk is full. That undid the jobs before it too, so their threads get an error instead
        // of the value that they nearly had.
        return Err(StoreError::Abandoned);
    }
    run(connection, "COMMIT").inspect_err(|_| {
        // Some errors of COMMIT leave the transaction open. The next BEGIN would then fail, and so would every later
        // write of the server.
        if !connection.is_autocommit() {
            let _ = run(connection, "ROLLBACK");
        }
    })
}

/// Runs one job. One that fails or panics is undone alone, and the other jobs of the group stand. `None` where
/// there is nothing to acknowledge after the commit.
///
/// The first job of a group needs no savepoint, since there is nothing before it to preserve: where it fails, the
/// transaction ends with it, and the next group begins. So a write that is alone in its group, the usual case on a
/// quiet server, is spared two statements.
fn attempt(job: Job, connection: &Connection, is_first: bool) -> Option<Done> {
    if !is_first && let Err(error) = run(connection, "SAVEPOINT job") {
        job.refuse(error);
        return None;
    }
    // A panic in one job must not end this thread, or the server could write nothing until it is restarted. Unwind
    // safety is asserted because all that the closure shares with this thread is the connection, and what the job
    // did on it is rolled back below.
    let done = catch_unwind(AssertUnwindSafe(|| (job.run)(Ok(connection)))).ok();
    let keep = done.as_ref().is_some_and(|done| done.keep);
    if !connection.is_autocommit() {
        let settled = match (is_first, keep) {
            (true, true) => Ok(()),
            (true, false) => run(connection, "ROLLBACK"),
            (false, true) => run(connection, "RELEASE job"),
            // ROLLBACK TO undoes what came behind the savepoint but leaves the savepoint itself open. RELEASE
            // closes it, so that the savepoints of failed jobs don't pile up inside each other.
            (false, false) => {
                run(connection, "ROLLBACK TO job").and_then(|()| run(connection, "RELEASE job"))
            }
        };
        if settled.is_err() {
            // What should have been undone may still be in the transaction. Committing it would keep half of a write
            // that its client is answered an error for, so nothing of the group may be committed.
            let _ = connection.execute_batch("ROLLBACK");
        }
    }
    done
}
