//! A pool of read-only connections, each lent to one thread at a time.
//!
//! Names no table; the only statement here is ROLLBACK. Invariants: a holder never has more than its share of the
//! connections, so one person's searches can't take them all; and a returned connection has no open transaction, also
//! after work that panicked.
//!
//! In SQLite's WAL mode readers don't wait for the writer, and the writer doesn't wait for them: each read
//! transaction sees the file as it was after the last commit before that transaction, while the writer appends to the
//! log. So reads need no queue, only connections. A connection for each worker thread was rejected: thousands of them
//! would each keep file descriptors, a page cache and prepared statements, and no more of them could work at once
//! than there are cores.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, Thread};
use std::time::Instant;

use rusqlite::Connection;

use super::files::ReadOnly;
use super::write_ahead::LogIsFull;
use super::{OpenError, StoreError, configure, run};
use crate::limits;
use crate::lock::locked;

/// Connections to one file, and the rule by which threads share them; see THE FAIRNESS RULE in [`Readers::lend`].
pub(super) struct Readers {
    file: ReadOnly,
    /// How many there are, once all are open.
    pub(super) count: usize,
    state: Mutex<State>,
    /// The share: how many connections one holder may have at a time.
    per_holder: usize,
    /// How many connections are kept for holders who have none.
    kept: usize,
    /// Whether the writer waits for reads to end.
    log_is_full: LogIsFull,
}

#[derive(Default)]
struct State {
    /// The last one returned is lent first: its cache holds the pages that were just read.
    free: Vec<Connection>,
    /// How many are open, those that are lent included.
    open: usize,
    /// The threads that wait for a connection and weren't called, with those for whom they wait, in the order in which
    /// they came. No thread is in it twice.
    waiting: VecDeque<(Borrower, Thread)>,
    /// How many connections each holder has. A holder without a connection has no entry, so the map never holds more
    /// holders than there are connections, however many people use the server.
    held: HashMap<Borrower, usize>,
}

impl State {
    /// Counts one connection more for this holder.
    fn count(&mut self, holder: Borrower) {
        *self.held.entry(holder).or_default() += 1;
    }

    /// Counts one connection less for this holder.
    fn uncount(&mut self, holder: Borrower) {
        let held = self.held.remove(&holder).unwrap_or(1) - 1;
        if held > 0 {
            self.held.insert(holder, held);
        }
    }
}

/// For whom a connection is lent. Each has one share of the pool.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Borrower {
    /// A person's programs, by the person's id.
    Programs(i64),
    /// A page of the same person. If it shared with their programs, a program whose searches are slow could keep
    /// them from the page on which they take its access back.
    Page(i64),
    /// The server, for what it looks up before it knows who calls.
    Server,
}

impl Readers {
    /// Makes a pool of `count` connections, of which none is open yet. With a new connection for each read, SQLite
    /// would parse the schema each time, and no prepared statement would be used twice.
    ///
    /// Within `per_holder` a holder who has a connection gets a further one only if [`limits::READ_CONNECTIONS_KEPT`]
    /// stay free; where one holder may have all, nothing is kept.
    pub(super) fn new(
        file: ReadOnly,
        count: usize,
        per_holder: usize,
        log_is_full: &LogIsFull,
    ) -> Arc<Readers> {
        let kept = if per_holder < count { limits::READ_CONNECTIONS_KEPT } else { 0 };
        let (state, log_is_full) = (Mutex::default(), Arc::clone(log_is_full));
        Arc::new(Readers { file, count, state, per_holder, kept, log_is_full })
    }

    /// Opens connections until there are so many. A thread that wants one meanwhile waits for it as for any other.
    pub(super) fn open(&self, count: usize) -> Result<(), OpenError> {
        while locked(&self.state).open < count {
            let connection = self.connect()?;
            let mut state = locked(&self.state);
            state.free.push(connection);
            state.open += 1;
            self.call_next(&mut state);
        }
        Ok(())
    }

    /// Opens a connection that doesn't belong to the pool.
    pub(super) fn connect(&self) -> Result<Connection, StoreError> {
        // SQLite itself makes it read-only: if a mistake in this crate sends a write here and not to the writer, SQLite
        // refuses it.
        let connection = self.file.connect()?;
        // A reader gets SQLITE_BUSY only in rare moments, for example while another process recovers the log after a
        // crash. Those moments are short, so SQLite waits.
        connection.busy_timeout(limits::READ_WAIT_MAX)?;
        configure(&connection)?;
        Ok(connection)
    }

    /// Lends a connection to `holder`, for whom it is used, within their share of the pool. Fails with
    /// [`StoreError::Busy`] if none is free for them within [`limits::READ_WAIT_MAX`]. SQLite interrupts what still
    /// runs on it [`limits::READ_WORK_MAX`] later.
    pub(super) fn lend(self: &Arc<Readers>, holder: Borrower) -> Result<Loan, StoreError> {
        let mut state = locked(&self.state);
        // ---- THE FAIRNESS RULE ----
        // A thread waits in three cases: no connection is free; its holder has a full share of them; or its holder has
        // one already, and the free ones are kept for holders who have none. Without the second case one person could
        // send as many slow searches as there are connections, and the requests of all other people would wait for
        // them and fail. Without the third, two people could do so together. As many people as there are connections
        // still can; then the two deadlines, of a read and of a wait, bound how long the others must wait.
        //
        // A connection that comes back calls the first thread in the line that may have it. A thread that doesn't wait
        // may take the connection before the one that was called: to hold it back for that one would leave it unused
        // until the system runs the thread. For the same reason a loan is passed on to a person who may have it, also
        // while others wait. There are no turns, as the writer has them (`queue.rs`): a read waits for a second at
        // most, and turns would only order that second.
        // A read takes less time than to fall asleep and to be woken, so the thread first lets others run.
        for _ in 0..limits::READ_YIELDS {
            if !self.must_wait(&state, state.free.len(), holder) {
                break;
            }
            drop(state);
            thread::yield_now();
            state = locked(&self.state);
        }
        let deadline = Instant::now() + limits::READ_WAIT_MAX;
        let mut came_before = false;
        while self.must_wait(&state, state.free.len(), holder) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.call_next(&mut state); // if this thread was called, its call is for another one
                return Err(StoreError::Busy);
            }
            let place = (holder, thread::current());
            if came_before {
                state.waiting.push_front(place);
            } else {
                state.waiting.push_back(place);
            }
            came_before = true;
            drop(state);
            thread::park_timeout(left);
            state = locked(&self.state);
            // A thread that was called isn't in the line any more; one whose time is over leaves it here.
            state.waiting.retain(|(_, waiting)| waiting.id() != thread::current().id());
        }
        let connection = state.free.pop().ok_or(StoreError::Busy)?;
        self.begin_loan(state, connection, holder)
    }

    /// Lends a connection to the server, which will pass it on or return it after a moment. Returns `None` if that
    /// would take a wait, or a connection that is kept for holders who have none. The server itself has no share here:
    /// it doesn't know yet whose this loan will be.
    pub(super) fn lend_at_once(self: &Arc<Readers>) -> Option<Loan> {
        let mut state = locked(&self.state);
        if state.free.len() <= self.kept {
            return None;
        }
        let connection = state.free.pop()?;
        self.begin_loan(state, connection, Borrower::Server).ok()
    }

    /// Counts a connection that was free in the share of `holder`.
    fn begin_loan(
        self: &Arc<Readers>,
        mut state: MutexGuard<State>,
        connection: Connection,
        holder: Borrower,
    ) -> Result<Loan, StoreError> {
        state.count(holder);
        drop(state);
        // From here on the loan's `drop` returns the connection, also if `set_deadline` fails.
        let mut loan = Loan { readers: Arc::clone(self), holder, connection: Some(connection) };
        loan.set_deadline(Instant::now())?;
        Ok(loan)
    }

    /// Returns whether a thread must wait, by THE FAIRNESS RULE, where so many connections are `free`.
    fn must_wait(&self, state: &State, free: usize, holder: Borrower) -> bool {
        let held = state.held.get(&holder).copied().unwrap_or(0);
        let kept = if held == 0 { 0 } else { self.kept };
        free <= kept || held >= self.per_holder
    }

    /// Calls the first waiting thread that needn't wait any more. Not simply the first in the line: its holder may have
    /// a full share. And not all of them: all but one would wake for nothing, each for two system calls.
    fn call_next(&self, state: &mut State) {
        let next =
            state.waiting.iter().position(|(holder, _)| !self.must_wait(state, state.free.len(), *holder));
        if let Some((_, thread)) = next.and_then(|place| state.waiting.remove(place)) {
            thread.unpark();
        }
    }

    /// Closes the connections that are free. A connection that is lent comes back to the pool later, and closes with
    /// the store. That loses no write, since these connections can't write.
    pub(super) fn close(&self) {
        locked(&self.state).free.clear();
    }
}

/// A connection on loan. Dropping the loan ends its transaction and returns the connection, also while a panic unwinds.
pub(super) struct Loan {
    readers: Arc<Readers>,
    /// The holder in whose share the connection is counted.
    holder: Borrower,
    /// `None` only inside `drop`.
    connection: Option<Connection>,
}

impl Loan {
    pub(super) fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("only `drop` takes the connection")
    }

    /// Returns whether the connection belongs to this pool.
    pub(super) fn is_of(&self, readers: &Arc<Readers>) -> bool {
        Arc::ptr_eq(&self.readers, readers)
    }

    /// Passes the loan on to another holder, if by THE FAIRNESS RULE they wouldn't have to wait if this connection were
    /// free. Otherwise the connection is returned, and `None`. The deadline stays that of the first holder.
    pub(super) fn pass_on(mut self, holder: Borrower) -> Option<Loan> {
        let mut state = locked(&self.readers.state);
        if self.readers.must_wait(&state, state.free.len() + 1, holder) {
            drop(state); // the loan's `drop` takes the lock
            return None;
        }
        state.uncount(self.holder);
        state.count(holder);
        drop(state);
        self.holder = holder;
        Some(self)
    }

    /// Makes SQLite interrupt whatever still runs on the connection [`limits::READ_WORK_MAX`] after `began`, or sooner
    /// if the writer waits for it: it fails with SQLITE_INTERRUPT, which becomes [`StoreError::TooSlow`]. A connection
    /// has one progress handler at a time, so this one replaces that of the last loan.
    ///
    /// SQLite calls the handler between the steps of its virtual machine. One step can be long, such as FTS5's
    /// look-up of every word that begins with `ab`: so `search.rs` bounds what a query may ask for, and doesn't rely
    /// on this deadline alone.
    fn set_deadline(&mut self, began: Instant) -> Result<(), StoreError> {
        let log_is_full = Arc::clone(&self.readers.log_is_full);
        let is_over = move || {
            let worked = began.elapsed();
            worked >= limits::READ_WORK_MAX
                || (worked >= limits::READ_WORK_MAX_AT_FULL_WAL && log_is_full.load(SeqCst))
        };
        if let Some(connection) = &mut self.connection {
            // Reading the clock takes about as long as a step, so SQLite makes many steps between two calls of the
            // handler.
            connection.progress_handler(limits::READ_STEPS_BETWEEN_LOOKS, Some(is_over))?;
        }
        Ok(())
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if !connection.is_autocommit() {
            // The work panicked inside its transaction, or its COMMIT failed, or nothing was read after a look-up. If
            // the transaction stayed open, the `BEGIN` of the next borrower would fail. The log would also grow without
            // end, because SQLite starts the log over only when no reader needs its pages.
            let _ = run(&connection, "ROLLBACK");
        }
        let mut state = locked(&self.readers.state);
        state.free.push(connection);
        state.uncount(self.holder);
        self.readers.call_next(&mut state);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::secret;

    /// A pool with all of its connections open, on a file that the test removes.
    fn pool(count: usize, per_holder: usize) -> (PathBuf, Arc<Readers>) {
        let (path, readers) = closed_pool(count, per_holder);
        readers.open(count).expect("the connections");
        (path, readers)
    }

    fn closed_pool(count: usize, per_holder: usize) -> (PathBuf, Arc<Readers>) {
        let path = std::env::temp_dir().join(format!("epicme-readers-{}.db", secret::random_text::<16>()));
        Connection::open(&path).expect("a file").pragma_update(None, "user_version", 1).expect("a write");
        let readers = Readers::new(ReadOnly::shared(&path), count, per_holder, &LogIsFull::default());
        (path, readers)
    }

    #[test]
    fn has_a_read_wait_until_a_connection_is_open() {
        let (path, readers) = closed_pool(2, 2);
        thread::scope(|scope| {
            let read = scope.spawn(|| readers.lend(Borrower::Programs(1)).is_ok());
            while locked(&readers.state).waiting.is_empty() {
                thread::yield_now();
            }
            readers.open(1).expect("a connection");
            assert!(read.join().expect("it ends"));
        });
        readers.open(2).expect("the other");
        assert_eq!(locked(&readers.state).free.len(), 2);
        std::fs::remove_file(path).expect("the file");
    }

    #[test]
    fn keeps_a_connection_for_people_who_have_none() {
        let (path, readers) = pool(4, 2);
        let lend = |person| readers.lend(Borrower::Programs(person));
        let mut first: Vec<_> = (0..2).map(|_| lend(1).expect("a share")).collect();
        assert!(matches!(lend(1), Err(StoreError::Busy)), "a third is more than a share");
        let second = lend(2).expect("the second person's first");
        assert!(matches!(lend(2), Err(StoreError::Busy)), "the last one is kept");
        let third = lend(3).expect("it is kept for somebody who has none");
        assert!(matches!(lend(4), Err(StoreError::Busy)), "none is free");
        first.pop();
        drop(lend(4).expect("one came back"));
        drop((first, second, third));
        assert!(lend(1).is_ok() && locked(&readers.state).held.is_empty());
        std::fs::remove_file(&path).expect("the file");
    }

    #[test]
    fn passes_a_loan_on_to_those_alone_who_would_not_have_to_wait_for_it() {
        let (path, readers) = pool(4, 2);
        let lend = |person| readers.lend(Borrower::Programs(person)).expect("a share");
        let pass_on =
            |person| readers.lend_at_once().and_then(|loan| loan.pass_on(Borrower::Programs(person)));
        let counts = |person| locked(&readers.state).held.get(&Borrower::Programs(person)).copied();
        let first = [pass_on(1).expect("a first"), pass_on(1).expect("a second")];
        assert_eq!(
            (counts(1), locked(&readers.state).held.len()),
            (Some(2), 1),
            "it counts as the person's alone"
        );
        assert!(pass_on(1).is_none(), "a third is more than a share");
        assert_eq!(locked(&readers.state).free.len(), 2, "it was returned");
        let second = lend(2);
        assert!(readers.lend_at_once().is_none(), "the last one is kept");
        drop(first);

        // Meanwhile others take what was free.
        let [for_one, for_other] = [(); 2].map(|()| readers.lend_at_once().expect("one is free"));
        let third = lend(3);
        assert!(for_one.pass_on(Borrower::Programs(2)).is_none(), "of those that are left one is kept");
        let fourth = for_other.pass_on(Borrower::Programs(4)).expect("who has none may have it");
        drop((second, third, fourth));
        assert!(locked(&readers.state).held.is_empty());
        std::fs::remove_file(&path).expect("the file");
    }

    #[test]
    fn keeps_a_connection_for_a_persons_page_whatever_their_programs_read() {
        let (path, readers) = pool(4, 2);
        let lend = |borrower| readers.lend(borrower);
        let programs = [(); 2].map(|()| lend(Borrower::Programs(1)).expect("a share"));
        assert!(matches!(lend(Borrower::Programs(1)), Err(StoreError::Busy)));
        let page = lend(Borrower::Page(1)).expect("a share of its own");
        assert!(matches!(lend(Borrower::Page(1)), Err(StoreError::Busy)), "the last one is kept");
        drop(lend(Borrower::Programs(2)).expect("for another person"));
        drop((programs, page));
        std::fs::remove_file(&path).expect("the file");
    }

    #[test]
    fn calls_the_first_waiting_thread_that_may_have_the_connection() {
        let (path, readers) = pool(2, 1);
        let lend = |person| readers.lend(Borrower::Programs(person));
        let (first, second) = (lend(1).expect("one"), lend(2).expect("the other"));
        let (got, comes) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            for (place, person) in [1, 3, 3].into_iter().enumerate() {
                let got = got.clone();
                scope.spawn(move || got.send(lend(person).map(|loan| (person, loan))).expect("a receiver"));
                while locked(&readers.state).waiting.len() <= place {
                    thread::yield_now();
                }
            }
            drop(second);
            let (person, third) = comes.recv().expect("one of them").expect("a connection");
            assert_eq!(person, 3, "the first in the line has a full share");
            assert_eq!(locked(&readers.state).waiting.len(), 2, "nobody else was called");
            drop(first);
            let (person, _fourth) = comes.recv().expect("one of them").expect("a connection");
            assert_eq!(person, 1, "the first in the line may have it now");
            drop(third);
            assert_eq!(comes.recv().expect("the last").map(|(person, _)| person).ok(), Some(3));
        });
        std::fs::remove_file(&path).expect("the file");
    }
}
