//! A pool of read-only connections, each lent to one thread at a time.
//!
//! Knows no statement but those that open a connection or end a transaction. Invariants: a holder never has more than
//! its share of the connections, so one person's searches can't shut the others out; and a connection comes back
//! without a transaction, also from work that panicked.
//!
//! In SQLite's WAL mode readers don't wait for the writer, nor the writer for them: each read transaction sees the
//! file as the last commit before it left it, while the writer appends to the log. So reads need no queue, only
//! connections. A connection for each worker thread was rejected: thousands of them would each keep file
//! descriptors, a page cache and prepared statements, and no more of them could work at once than there are cores.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use rusqlite::{Connection, OpenFlags};

use super::{OpenError, StoreError, configure, run};
use crate::limits;
use crate::lock::locked;

/// Connections to one file, and the rule by which threads share them; see THE FAIRNESS RULE in [`Readers::lend`].
pub(super) struct Readers {
    state: Mutex<State>,
    /// Signalled when a connection comes back.
    returned: Condvar,
    /// The share: how many connections one holder may have at a time.
    per_holder: usize,
}

#[derive(Default)]
struct State {
    /// The last one returned is lent first: its cache holds the pages that were just read.
    free: Vec<Connection>,
    /// How many threads wait for a connection.
    waiting: usize,
    /// How many connections each holder has. A holder without one has no place here, so the map never holds more
    /// holders than there are connections, however many people have come by.
    held: HashMap<i64, usize>,
}

impl Readers {
    /// Opens `count` connections. They are opened once, with the store: opening one for each read would parse the
    /// schema again and throw all prepared statements away.
    pub(super) fn open(path: &Path, count: usize, per_holder: usize) -> Result<Readers, OpenError> {
        let connections = (0..count).map(|_| {
            // Read-only by SQLite's own means: if a mistake in this crate sends a statement that writes past the
            // writer and its commit point, SQLite refuses it here.
            let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            // A reader meets SQLITE_BUSY in rare moments only, for instance while another process recovers the log
            // after a crash. They are short, so SQLite waits for their end.
            connection.busy_timeout(limits::READ_WAIT_MAX)?;
            configure(&connection)?;
            Ok(connection)
        });
        let free = connections.collect::<Result<_, OpenError>>()?;
        let state = Mutex::new(State { free, ..State::default() });
        Ok(Readers { state, returned: Condvar::new(), per_holder })
    }

    /// Lends a connection, whose statements SQLite interrupts after [`limits::READ_WORK_MAX`]. Fails with
    /// [`StoreError::Busy`] when none is free for this holder within [`limits::READ_WAIT_MAX`].
    pub(super) fn lend(&self, holder: i64) -> Result<Loan<'_>, StoreError> {
        let mut state = locked(&self.state);
        // ---- THE FAIRNESS RULE ----
        // A thread waits while no connection is free, and also while its holder has a full share of them. Without the
        // second condition one person could send as many slow searches as there are connections, and the requests of
        // all other people would wait for them and fail. Two people can still fill the pool together: then the two
        // deadlines, of a read and of a wait, bound what the others lose.
        //
        // Waiting threads don't get connections in the order in which they came. `Condvar` promises no order, and a
        // thread that loses every race for the whole wait gets `Busy`. A larger server would keep a queue for each
        // holder and serve the queues in rotation.
        let must_wait = |state: &mut State| {
            state.free.is_empty() || state.held.get(&holder).is_some_and(|held| *held >= self.per_holder)
        };
        if must_wait(&mut state) {
            state.waiting += 1;
            let waited = self.returned.wait_timeout_while(state, limits::READ_WAIT_MAX, must_wait);
            // A poisoned lock is taken all the same, for the reason that `locked` gives.
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
            // The condition decides here, not whether the time ran out: a connection may have come back in the last
            // moment, and then it is taken.
            if must_wait(&mut state) {
                return Err(StoreError::Busy);
            }
        }
        let connection = state.free.pop().ok_or(StoreError::Busy)?;
        *state.held.entry(holder).or_default() += 1;
        drop(state);
        // From here on the loan's `drop` gives the connection back, whatever fails.
        let mut loan = Loan { readers: self, holder, connection: Some(connection) };
        loan.set_deadline(Instant::now() + limits::READ_WORK_MAX)?;
        Ok(loan)
    }

    /// Closes the connections that are free. One that is lent closes when the process ends, which loses nothing: a
    /// reader holds nothing that isn't on the disk.
    pub(super) fn close(&self) {
        locked(&self.state).free.clear();
    }
}

/// A connection on loan. Dropping it returns it, which happens while a panic unwinds as well.
pub(super) struct Loan<'r> {
    readers: &'r Readers,
    /// On whose account the connection is counted.
    holder: i64,
    /// `None` only inside `drop`.
    connection: Option<Connection>,
}

impl Loan<'_> {
    pub(super) fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("only `drop` takes the connection")
    }

    /// Has SQLite end whatever runs on the connection after `deadline` with SQLITE_INTERRUPT, which becomes
    /// [`StoreError::TooSlow`]. A connection has one such handler at a time, so this replaces the one of the last
    /// loan.
    ///
    /// SQLite calls the handler between the steps of its virtual machine. One step can be long, such as FTS5's
    /// look-up of every word with the beginning `ab*`: so `search.rs` bounds what a query may ask for, and doesn't
    /// rely on this deadline alone.
    fn set_deadline(&mut self, deadline: Instant) -> Result<(), StoreError> {
        let is_over = move || Instant::now() >= deadline;
        if let Some(connection) = &mut self.connection {
            // A look at the clock costs about as much as a step, so SQLite makes many steps between two looks.
            connection.progress_handler(limits::READ_STEPS_BETWEEN_LOOKS, Some(is_over))?;
        }
        Ok(())
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if !connection.is_autocommit() {
            // The work panicked or was interrupted inside its transaction. Left open, the transaction would show
            // the next borrower the file as it is now, for ever. It would also make the log grow without end:
            // SQLite starts the log over only when no reader needs its pages.
            let _ = run(&connection, "ROLLBACK");
        }
        let mut state = locked(&self.readers.state);
        state.free.push(connection);
        let held = state.held.remove(&self.holder).unwrap_or(1) - 1;
        if held > 0 {
            state.held.insert(self.holder, held);
        }
        if state.waiting > 0 {
            // All waiting threads are woken and not one: the one that `notify_one` picks could belong to a holder
            // with a full share. It would go on waiting, and the free connection would lie unused beside threads
            // that may have it. Where no thread waits, which is the usual case, the system call is spared.
            self.readers.returned.notify_all();
        }
    }
}
