//! Keeps the transaction of a look-up open, for the read that follows it on the same thread.
//!
//! Names no table, and doesn't know what is looked up. Invariant: a transaction is kept only by a thread that has a
//! [`OneTransaction`], and a look-up never sees the state that an earlier one has kept.
//!
//! The gate looks up the token of each request, and then most requests read rows. For each transaction SQLite locks the
//! file and unlocks it, which are two system calls or three; with a transaction for each of the two, and a loan for
//! each, a short read took a sixth more of the processor. One transaction for both also means that the rows are as they
//! were when the token was good.
//!
//! Whose token it is shows only when it has been looked up. So the connection is lent to the server, and passed on to
//! the person if they needn't wait for it: see [`Readers::lend_at_once`] and [`Loan::pass_on`]. Otherwise the person's
//! read waits for its turn and is a transaction by itself.
//!
//! What is kept belongs to the thread, because one thread answers a request. Otherwise each function between the gate
//! and the rows would have to pass a connection on, and none of them knows of any. It gives no right to anything: the
//! read still needs its permit.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use super::readers::{Borrower, Loan, Readers};

thread_local! {
    /// Whether the thread has a [`OneTransaction`].
    static KEEPS: Cell<bool> = const { Cell::new(false) };
    /// The connection of its last look-up, with the open transaction.
    static KEPT: Cell<Option<Loan>> = const { Cell::new(None) };
}

/// While this value lives, its thread keeps the transaction of a look-up open until it reads for a person, writes or
/// looks up something else.
///
/// The thread must not wait for a client meanwhile: an open transaction holds a connection that others could use, and
/// keeps SQLite from starting the log over.
pub(crate) struct OneTransaction {
    /// A raw pointer can't be sent to another thread, and so neither can this value.
    _thread: PhantomData<*const ()>,
}

impl OneTransaction {
    pub(crate) fn begin() -> OneTransaction {
        KEEPS.set(true);
        OneTransaction { _thread: PhantomData }
    }
}

impl Drop for OneTransaction {
    fn drop(&mut self) {
        KEEPS.set(false);
        end();
    }
}

/// Lends a connection for a look-up whose transaction will be kept. Returns `None` if none is to be kept, or if no
/// connection can be had without waiting.
pub(super) fn lend(readers: &Arc<Readers>) -> Option<Loan> {
    if !KEEPS.get() {
        return None;
    }
    end(); // a look-up sees the present state, also if a token is looked up again
    readers.lend_at_once()
}

/// Keeps a connection that [`lend`] has lent, since its transaction is open; returns any other.
pub(super) fn keep_or_return(loan: Loan) {
    if !loan.connection().is_autocommit() {
        KEPT.set(Some(loan));
    }
}

/// Returns the connection that is kept, with its open transaction, for a read for `borrower`. Returns `None` if none is
/// kept, or if `borrower` must wait for one; then it is given back.
pub(super) fn go_on(readers: &Arc<Readers>, borrower: Borrower) -> Option<Loan> {
    KEPT.take().filter(|loan| loan.is_of(readers))?.pass_on(borrower)
}

/// Gives back the connection that is kept, if one is; that ends its transaction.
pub(super) fn end() {
    drop(KEPT.take());
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::PathBuf;
    use std::thread;
    use std::time::Duration;

    use rusqlite::Connection;

    use super::super::{Derived, Store, StoreError};
    use super::*;
    use crate::ids::UserId;
    use crate::secret;

    const PERSON: i64 = 1;

    /// A store with a table of one number, and a connection of another program, which changes it.
    struct House {
        path: PathBuf,
        store: Arc<Store>,
        other: Connection,
    }

    impl House {
        fn new() -> House {
            let name = format!("epicme-one-transaction-{}.db", secret::random_text::<16>());
            let path = std::env::temp_dir().join(name);
            let store = Store::open(&path, Derived::NOTHING).expect("a store");
            store.open_read_connections().expect("the others");
            let other = Connection::open(&path).expect("the file");
            other.busy_timeout(Duration::ZERO).expect("a timeout");
            other.execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (0)").expect("a table");
            House { path, store: Arc::new(store), other }
        }

        fn look_up(&self) -> i64 {
            self.store.look_up(number).expect("a look-up")
        }

        fn read(&self) -> i64 {
            self.store.read(PERSON, number).expect("a read")
        }

        fn change(&self) {
            self.other.execute_batch("UPDATE t SET n = n + 1").expect("nobody else writes");
        }

        /// Whether an open transaction needs the log. Each call changes the number, so that there is something to copy.
        fn log_is_needed(&self) -> bool {
            self.change();
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            self.other.query_row(checkpoint, [], |row| row.get(0)).expect("a checkpoint")
        }
    }

    impl Drop for House {
        fn drop(&mut self) {
            for end in ["", "-wal", "-shm"] {
                let mut name = self.path.clone().into_os_string();
                name.push(end);
                let _ = std::fs::remove_file(name);
            }
        }
    }

    fn number(connection: &Connection) -> Result<i64, StoreError> {
        Ok(connection.query_row("SELECT n FROM t", [], |row| row.get(0))?)
    }

    #[test]
    fn reads_the_state_of_the_look_up_once() {
        let house = House::new();
        assert_eq!((house.look_up(), house.change(), house.read()), (0, (), 1), "two transactions");
        let transaction = OneTransaction::begin();
        assert_eq!((house.look_up(), house.change(), house.read()), (1, (), 1), "one");
        assert_eq!(house.read(), 2, "the second read is one by itself");
        assert!(!house.log_is_needed(), "it has ended");
        drop(transaction);
        let alone = house.look_up();
        house.change();
        assert_eq!(house.read(), alone + 1);
    }

    #[test]
    fn sees_the_present_state_with_each_look_up() {
        let house = House::new();
        let _transaction = OneTransaction::begin();
        assert_eq!((house.look_up(), house.change(), house.look_up()), (0, (), 1));
        assert_eq!(house.read(), 1);
    }

    #[test]
    fn ends_the_transaction_with_the_request_also_after_a_panic() {
        let house = House::new();
        let transaction = OneTransaction::begin();
        house.look_up();
        assert!(house.log_is_needed(), "it is kept");
        drop(transaction);
        assert!(!house.log_is_needed(), "the request has ended");

        let failed = catch_unwind(AssertUnwindSafe(|| {
            let _transaction = OneTransaction::begin();
            house.look_up();
            panic!("on purpose");
        }));
        assert!(failed.is_err() && !house.log_is_needed());
    }

    #[test]
    fn waits_for_a_write_without_a_connection() {
        let house = House::new();
        let _transaction = OneTransaction::begin();
        house.look_up();
        let free = |store: &Store| {
            let lent: Vec<_> = std::iter::from_fn(|| store.readers.lend_at_once()).collect();
            lent.len()
        };
        let before = free(&house.store);
        let store = Arc::clone(&house.store);
        let meanwhile = house.store.write(move |_| Ok::<_, StoreError>(free(&store)));
        assert_eq!(meanwhile.expect("a write"), before + 1);
    }

    #[test]
    fn keeps_nothing_for_another_thread_or_another_file() {
        let (house, neighbour) = (House::new(), House::new());
        let _transaction = OneTransaction::begin();
        house.look_up();
        house.change();
        thread::scope(|scope| {
            let read =
                scope.spawn(|| house.store.read_for_page(UserId::new(PERSON), number).expect("a read"));
            assert_eq!(read.join().expect("it ends"), 1);
        });
        assert_eq!(neighbour.read(), 0);
        assert_eq!(house.read(), 1, "it was given back");
    }
}
