//! The writer: one thread that runs queued work and commits it in groups.
//!
//! Names no table and no word of the domain. Invariant: a thread gets the value of its work only after the commit
//! with this work is on the disk; look for THE COMMIT POINT in [`commit_in_groups`].
//!
//! SQLite allows one write transaction at a time on a file, so all writes of the process go through one queue, in which
//! the people take turns (`queue.rs`). What makes a write slow is the `fsync` of its commit, which takes far longer
//! than most statements. So the thread takes the jobs that are queued, at most [`limits::BATCH_MAX`] and for at most
//! [`limits::GATHER_MAX`], brings up to date what follows from the rows that they changed ([`Derived`]), and commits
//! them as one transaction:
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
//! Each job but the first has a savepoint around it, so that a job that fails is undone alone. The thread doesn't
//! wait for further jobs: when the queue is empty, it commits. So a client that writes alone waits for its own
//! `fsync` and for nothing more.
//!
//! Two alternatives were rejected. With one connection in a mutex each write would need an `fsync` of its own. With
//! `synchronous=NORMAL` no commit would wait for the disk, and a power failure could take back writes that clients
//! were already promised. A database server such as PostgreSQL runs many write transactions at once and shares only
//! the flush of its log between them; SQLite has one write lock per file, so two transactions can't run at once here.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::hooks::Action;

use super::files::{self, Place};
use super::queue::{Holder, Queue, Taken};
use super::write_ahead::{self, WriteAheadLog};
use super::{ChangedRows, Derived, StoreError, Tidy, run};
use crate::limits;
use crate::lock::locked;

/// The queue, into which other threads put jobs, and the thread that takes the jobs out.
pub(super) struct Writer {
    /// Closing it is the signal to stop: the thread first runs the jobs that are already queued, then ends.
    queue: Arc<Queue<Job>>,
    place: Place,
    /// The thread returns its connection when it ends, so that [`super::Store::close`] can close the file in order.
    thread: Mutex<Option<JoinHandle<Connection>>>,
}

/// Work for the writer. The type of its value is erased, so that one queue holds work of all kinds.
struct Job {
    /// When the caller queued the job; see [`Job::is_late`].
    queued: Instant,
    run: Box<Run>,
}

/// Does the work, or, if it gets an error, keeps that error as the answer.
type Run = dyn FnOnce(Result<&Connection, StoreError>) -> Done + Send;

/// A job that was run or refused. `acknowledge` holds the value of its work until the outcome of the commit is known.
struct Done {
    /// Whether the work succeeded: the commit takes in only the changes of work that did.
    keep: bool,
    /// Sends the waiting thread its answer: the value, the work's own error, or why the commit failed.
    acknowledge: Box<dyn FnOnce(Result<(), StoreError>)>,
}

impl Writer {
    /// Starts the writer's thread. This thread owns the store's only connection that can write, so no other thread of
    /// this process can write. (Commands are other processes, and write through a `Store` of their own.)
    pub(super) fn spawn(
        mut connection: Connection,
        derived: Derived,
        mut log: WriteAheadLog,
        place: Place,
    ) -> Result<Writer, io::Error> {
        let group = Group::watch(&mut connection, derived).map_err(io::Error::other)?;
        let queue = Arc::new(Queue::new());
        let (jobs, file) = (Arc::clone(&queue), place.clone());
        let thread = thread::Builder::new().name("writer".into()).spawn(move || {
            commit_in_groups(&connection, &jobs, &group, &mut log, &file);
            connection
        })?;
        Ok(Writer { queue, place, thread: Mutex::new(Some(thread)) })
    }

    /// Returns whether the path of the file still leads to it.
    pub(super) fn is_in_place(&self) -> bool {
        self.place.is_kept()
    }

    /// Queues `work` in the line of `holder` and waits for its result; a value comes only after the commit. See
    /// [`super::Store::write`].
    pub(super) fn write<T, E>(
        &self,
        holder: Holder,
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
                // An error stays an error, whether or not the commit succeeds. A value counts only after the commit
                // has succeeded.
                let answer = value.and_then(|value| committed.map(|()| value).map_err(E::from));
                let _ = reply.send(answer); // fails only if the waiting thread has ended
            });
            Done { keep, acknowledge: acknowledge as Box<dyn FnOnce(Result<(), StoreError>)> }
        });
        let job = Job { queued: Instant::now(), run };
        if !self.queue.put(holder, job) {
            return Err(StoreError::Abandoned.into());
        }
        // If the work panicked, the sender of the answer was dropped without sending one.
        answer.recv().unwrap_or_else(|_| Err(StoreError::Abandoned.into()))
    }

    /// Queues `work` in the line of `holder` and doesn't wait for it. See [`super::Store::write_unawaited`].
    pub(super) fn write_unawaited(
        &self,
        holder: Holder,
        work: impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static,
    ) {
        let run = Box::new(move |connection: Result<&Connection, StoreError>| {
            let keep = connection.and_then(work).is_ok();
            Done { keep, acknowledge: Box::new(|_| ()) as Box<dyn FnOnce(Result<(), StoreError>)> }
        });
        let _ = self.queue.put(holder, Job { queued: Instant::now(), run }); // fails only if the server ends
    }

    /// Lets the thread finish the queued jobs and end, and returns its connection.
    pub(super) fn stop(&self) -> Result<Connection, StoreError> {
        self.queue.close();
        let thread = locked(&self.thread).take().ok_or(StoreError::Abandoned)?;
        thread.join().map_err(|_| StoreError::Abandoned)
    }
}

/// A command drops its store without [`super::Store::close`]. The connection must be closed before the program ends:
/// the last one that closes moves the log into the database file. Otherwise what the command has written would be in
/// the log alone, and a copy of the database file wouldn't have it.
impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.stop()); // an error means that it has stopped already
    }
}

impl Job {
    /// Sends this error to the waiting thread; the work isn't run.
    fn refuse(self, error: StoreError) {
        let done = (self.run)(Err(error));
        // The answer is this error, so the argument of `acknowledge` doesn't matter.
        (done.acknowledge)(Ok(()));
    }

    /// Returns whether the job has waited for as long as a write may. The writer then refuses the job: a clear
    /// "nothing was written" is worth more to a client than a success that comes after the client has given up and
    /// sent the write again. [`commit_in_groups`] computes the time of a group's first job itself, before the
    /// transaction begins.
    fn is_late(&self) -> bool {
        self.queued.elapsed() >= limits::BUSY_MAX
    }
}

/// What is left to do while no job comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// What follows from the rows may be tidied up, step by step: a job that comes meanwhile waits for one step.
    Untidy,
    /// What was written may be in the log alone. It is copied into the file when nothing is written, so that a person
    /// who copies that file alone, in spite of all warnings, has at least what they wrote until then.
    InLog,
    Nothing,
}

/// Runs jobs until the queue is closed and empty. While none comes, does what is left.
fn commit_in_groups(
    connection: &Connection,
    jobs: &Queue<Job>,
    changes: &Group,
    log: &mut WriteAheadLog,
    place: &Place,
) {
    let mut rest = Rest::Nothing;
    loop {
        let wait = match rest {
            Rest::Untidy => Some(limits::TIDY_AFTER),
            Rest::InLog => Some(limits::CHECKPOINT_AFTER),
            Rest::Nothing => None,
        };
        let first = match jobs.take(wait) {
            Taken::Job(job) => job,
            Taken::Nothing => {
                rest = match rest {
                    Rest::Untidy if changes.tidy(connection) => Rest::Untidy,
                    Rest::Untidy => Rest::InLog,
                    Rest::InLog | Rest::Nothing => {
                        // What fails now is done after the next write, or when the log is full, or at the end.
                        let _ = write_ahead::copy_into_file(connection);
                        Rest::Nothing
                    }
                };
                continue;
            }
            Taken::Closed => return,
        };
        // Another process, such as `epicme token`, may hold SQLite's write lock. The time that the job has spent in
        // the queue counts against its limit. Otherwise the waits would add up: three queued jobs could each wait the
        // full limit for the lock, so the last would get its answer after three limits.
        let left = limits::BUSY_MAX.saturating_sub(first.queued.elapsed());
        if left.is_zero() {
            first.refuse(StoreError::Busy);
            continue;
        }
        if !place.is_kept() {
            first.refuse(StoreError::Displaced);
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
            // The first job had time left before `begin`, which waited for SQLite's lock for `left` at most. So it
            // isn't checked again.
            if job.is_late() && !group.is_empty() {
                job.refuse(StoreError::Busy);
            } else {
                group.extend(attempt(job, connection, group.is_empty()));
            }
            // A group is bounded, because its first job waits for its last, and other processes wait for SQLite's
            // lock. The group also ends when its transaction has ended: SQLite would run a further job outside of
            // every transaction and commit each of its statements at once.
            let is_full = group.len() >= limits::BATCH_MAX
                || began.elapsed() >= limits::GATHER_MAX
                || connection.is_autocommit()
                || jobs.is_empty() // most writes are alone, and needn't be measured
                || changes.is_full(connection);
            next = if is_full { None } else { jobs.try_take() };
        }
        // ---- THE COMMIT POINT ----
        // Until `commit` returns `Ok`, no client has got the answer that its write succeeded. After `Ok`, every kept
        // job is on the disk, and a power failure can't undo it: in WAL mode with `synchronous=FULL` SQLite appends
        // the changed pages to the log, marks the last of them as a commit, and calls `fsync` before `COMMIT`
        // returns. If a crash cuts a commit in the log, SQLite ignores the incomplete part: after the restart the
        // file holds the whole group or nothing of it. After `Err`, every thread whose job succeeded gets the error.
        //
        // A file that has lost its name keeps the group too, and the next start doesn't find it. So the name is looked
        // at once more, which takes about a microsecond.
        let committed = changes.commit(connection);
        let is_found = || if place.is_kept() { Ok(()) } else { Err(StoreError::Displaced) };
        let committed = committed.and_then(|()| is_found());
        rest = Rest::Untidy;
        for done in group {
            (done.acknowledge)(committed.clone());
        }
        log.start_over_if_full(connection);
    }
}

/// Takes SQLite's write lock; if another process holds it, waits for `wait` at most.
fn begin(connection: &Connection, wait: Duration) -> Result<(), StoreError> {
    connection.busy_timeout(wait)?;
    // A plain BEGIN would take the lock only at the first write. If another process has written since this
    // transaction's first read, that write fails with SQLITE_BUSY_SNAPSHOT, and waiting doesn't help, since the
    // transaction's view of the file is out of date. IMMEDIATE takes the lock before the transaction reads anything.
    run(connection, "BEGIN IMMEDIATE")
}

/// What the jobs of the present group have changed, and what follows from it.
struct Group {
    derived: Derived,
    changes: Arc<Mutex<Changes>>,
    /// Whether a commit has raised the file's counter of changes, by which the log of this program is told from an
    /// earlier one (`log_file.rs`). SQLite raises it only where the first page is written.
    is_counted: Cell<bool>,
}

/// The rows of [`Derived::table`] that the group has changed.
#[derive(Default)]
struct Changes {
    rows: ChangedRows,
    /// Those that came since [`Group::is_full`] looked.
    unmeasured: Vec<i64>,
    /// How much work the others are.
    work: usize,
}

impl Group {
    /// Has SQLite report the rows that are changed on this connection, each while a statement runs and on this same
    /// thread. A savepoint that is rolled back takes no row off the list: then its row is brought up to date for
    /// nothing.
    fn watch(connection: &mut Connection, derived: Derived) -> rusqlite::Result<Group> {
        let changes = Arc::<Mutex<Changes>>::default();
        let reported = Arc::clone(&changes);
        connection.update_hook(Some(move |action, _: &str, table: &str, row| {
            if table == derived.table {
                let Changes { rows, unmeasured, .. } = &mut *locked(&reported);
                // What is done to it first tells: a row that is made has not been there.
                rows.entry(row).or_insert_with(|| {
                    unmeasured.push(row);
                    action == Action::SQLITE_INSERT
                });
            }
        }))?;
        Ok(Group { derived, changes, is_counted: Cell::new(false) })
    }

    /// Returns whether the update of what follows is as much work as one commit may have. The commit takes the time for
    /// it, which the time of the jobs doesn't show.
    fn is_full(&self, connection: &Connection) -> bool {
        let rows = std::mem::take(&mut locked(&self.changes).unmeasured);
        // If it can't be measured, the group ends; what is wrong shows at the commit.
        let work: rusqlite::Result<usize> =
            rows.into_iter().map(|row| (self.derived.work)(connection, row)).sum();
        let mut changes = locked(&self.changes);
        changes.work += work.unwrap_or(self.derived.work_max);
        changes.work >= self.derived.work_max
    }

    /// Tidies up a little, in a transaction of its own, and returns whether there is more to do. If it fails, or
    /// another process writes just now, the next write leads here again.
    fn tidy(&self, connection: &Connection) -> bool {
        let tidied = begin(connection, Duration::ZERO).and_then(|()| {
            let is_more = (self.derived.tidy)(connection, Tidy::Step)?;
            run(connection, "COMMIT").map(|()| is_more)
        });
        if !connection.is_autocommit() {
            let _ = run(connection, "ROLLBACK");
        }
        tidied.unwrap_or(false)
    }

    /// Brings up to date what follows from the changed rows, and commits the open transaction; if that fails, leaves
    /// none open for the next group. Fails with [`StoreError::Abandoned`] if the transaction has been rolled back
    /// already.
    fn commit(&self, connection: &Connection) -> Result<(), StoreError> {
        // Taken off the list in any case: the next group begins with an empty one.
        let Changes { rows, .. } = std::mem::take(&mut *locked(&self.changes));
        if connection.is_autocommit() {
            // There is no transaction any more: the first job failed alone, or SQLite rolled everything back by itself,
            // as it may when the disk is full, or `attempt` did because it couldn't undo one job. In the last two cases
            // the other jobs of the group were undone too, so they get an error and no value.
            return Err(StoreError::Abandoned);
        }
        self.finish(connection, &rows).inspect_err(|_| {
            // Some errors of COMMIT leave the transaction open. Then the next BEGIN would fail, and so would every
            // later write until a restart.
            if !connection.is_autocommit() {
                let _ = run(connection, "ROLLBACK");
            }
        })
    }

    fn finish(&self, connection: &Connection, rows: &ChangedRows) -> Result<(), StoreError> {
        // Most groups that the server itself writes, for tokens and sign-ins, change no row of the table.
        if !rows.is_empty() {
            (self.derived.update)(connection, rows)?;
        }
        // Where nothing was changed, a commit writes nothing, and costs nothing.
        let is_due = !self.is_counted.get() && connection.total_changes() > 0;
        if is_due {
            files::write_first_page(connection)?;
        }
        run(connection, "COMMIT")?;
        if is_due {
            self.is_counted.set(true);
        }
        Ok(())
    }
}

/// Runs one job. A job that fails is undone alone. If that isn't possible, the whole group is undone. Returns `None`
/// if the job panicked, or was already refused.
///
/// The first job of a group needs no savepoint, since the transaction holds no earlier job: if the first job fails,
/// the transaction is rolled back, and the next job begins a new group. So a write that is alone in its group, the
/// usual case on a quiet server, needs two statements fewer.
fn attempt(job: Job, connection: &Connection, is_first: bool) -> Option<Done> {
    if !is_first && let Err(error) = run(connection, "SAVEPOINT job") {
        job.refuse(error);
        return None;
    }
    // A panic in one job must not end this thread, or the server could write nothing until it is restarted.
    // `AssertUnwindSafe` is right here: after a panic this thread still uses only the connection, and the code below
    // rolls back what the job did on it.
    let done = catch_unwind(AssertUnwindSafe(|| (job.run)(Ok(connection)))).ok();
    let keep = done.as_ref().is_some_and(|done| done.keep);
    if !connection.is_autocommit() {
        let settled = match (is_first, keep) {
            (true, true) => Ok(()),
            (true, false) => run(connection, "ROLLBACK"),
            (false, true) => run(connection, "RELEASE job"),
            // ROLLBACK TO undoes what came after the savepoint but leaves the savepoint itself open. RELEASE closes
            // the savepoint, so that those of failed jobs don't pile up inside each other.
            (false, false) => {
                run(connection, "ROLLBACK TO job").and_then(|()| run(connection, "RELEASE job"))
            }
        };
        if settled.is_err() {
            // The savepoint could not be closed, so the transaction may hold changes of a job that failed. Roll back
            // the whole group.
            let _ = connection.execute_batch("ROLLBACK");
        }
    }
    done
}
