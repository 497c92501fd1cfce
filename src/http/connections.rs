//! The open connections: how many there may be, and how they end when the server stops.
//!
//! Reads and writes no byte of a connection. Invariant: a connection is counted from before it is served until after
//! it is closed, even if serving it panics, so that neither the cap nor a shutdown counts one that is gone.

use std::collections::HashMap;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};

use super::connection::{self, Connection};
use crate::limits;
use crate::lock::locked;

/// The open connections, counted against the cap and known to shutdown.
///
/// The count and the list are two things. The count includes connections that are only turned away, and changes
/// without a lock; the list is of those that are served, and holds what shutdown needs in order to close them.
pub(crate) struct Connections {
    max: usize,
    /// How many are being served or turned away.
    open: AtomicUsize,
    stopping: Arc<AtomicBool>,
    /// With `all_closed`, what shutdown waits on until the last connection is closed.
    last_close: Mutex<()>,
    all_closed: Condvar,
    list: Mutex<HashMap<u64, Arc<Connection>>>,
    next_number: AtomicU64,
}

impl Connections {
    pub(crate) fn new() -> Connections {
        // Each connection takes a descriptor. Without a free one `accept` itself would fail, and the client would
        // wait and get no 503. So the cap is lower if the process may open fewer.
        let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024);
        let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
        let spare = descriptors.saturating_sub(limits::DESCRIPTORS_RESERVED + limits::REFUSALS_MAX);
        Connections {
            max: limits::CONNECTIONS_MAX.min(spare).max(1),
            open: AtomicUsize::new(0),
            stopping: Arc::new(AtomicBool::new(false)),
            last_close: Mutex::new(()),
            all_closed: Condvar::new(),
            list: Mutex::new(HashMap::new()),
            next_number: AtomicU64::new(0),
        }
    }

    /// Calls `serve` with a connection and counts it as long as it lasts; a connection past the cap is turned away.
    ///
    /// The cap is one for all clients. A larger server would also bound the connections of each address; here the
    /// proxy in front does that, because behind it every connection comes from the proxy's address.
    pub(crate) fn admit(&self, stream: TcpStream, serve: impl FnOnce(&Arc<Connection>)) {
        let others = self.open.fetch_add(1, SeqCst);
        // The default `panic = "unwind"` is relied on here: with "abort" one bad request would end the whole server.
        // A panic ends only this connection, and the worker thread goes on; the panic hook has already printed the
        // place. Other threads see nothing half-changed, because code that holds a lock keeps what it changes
        // consistent (`lock.rs`).
        let _ = catch_unwind(AssertUnwindSafe(|| match others.checked_sub(self.max) {
            None => serve(&Listed::new(self, stream).connection),
            Some(over) if over < limits::REFUSALS_MAX => connection::turn_away(&stream),
            // Closed without a response. A 503 holds a thread too, so not each connection of a flood gets one.
            Some(_) => {}
        }));
        if self.open.fetch_sub(1, SeqCst) == 1 && self.is_stopping() {
            // `close_all` holds this lock from reading the count until it sleeps. Taking the lock here keeps the
            // signal from coming between the two and being lost.
            drop(locked(&self.last_close));
            self.all_closed.notify_all();
        }
    }

    /// Makes all connections end after the request that they are serving. This can't be undone.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, SeqCst);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(SeqCst)
    }

    /// Closes the idle connections, and waits until the others are closed, for [`limits::SHUTDOWN_GRACE`] at most.
    ///
    /// The caller has called [`Connections::stop`] before. So a connection that becomes idle after the walk over the
    /// list ends by itself: its thread looks at the flag before it waits for another request.
    pub(crate) fn close_all(&self) {
        for connection in locked(&self.list).values().filter(|connection| connection.is_idle()) {
            connection.end_reading();
        }
        let some_open = |_: &mut ()| self.open.load(SeqCst) > 0;
        let last_close = locked(&self.last_close);
        drop(self.all_closed.wait_timeout_while(last_close, limits::SHUTDOWN_GRACE, some_open));
    }
}

/// A connection in the list that shutdown walks; it leaves the list when this is dropped, after a panic too.
struct Listed<'c> {
    connections: &'c Connections,
    number: u64,
    connection: Arc<Connection>,
}

impl Listed<'_> {
    fn new(connections: &Connections, stream: TcpStream) -> Listed<'_> {
        let connection = Arc::new(Connection::new(stream, Arc::clone(&connections.stopping)));
        let number = connections.next_number.fetch_add(1, SeqCst);
        locked(&connections.list).insert(number, Arc::clone(&connection));
        Listed { connections, number, connection }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        locked(&self.connections.list).remove(&self.number);
    }
}
