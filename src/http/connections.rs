//! The open connections: how many there may be, which one makes room for a newcomer, and how they end when the server
//! stops.
//!
//! Reads and writes no byte of a connection. Invariant: a connection is counted from before it is served until after
//! it is closed, even if serving it panics, so that neither the cap nor a shutdown counts one that is gone.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use super::connection::{self, Connection};
use super::phase::Status;
use super::response::Response;
use crate::limits;
use crate::lock::locked;

/// The open connections, counted against the cap and known to shutdown.
///
/// `served` and `refused` say how many there are: `served` is compared with the cap, and a shutdown waits until both
/// are 0. `list` holds the connections themselves, so that a newcomer or a shutdown can end one, and only those that
/// are served: one that is turned away holds no place, and its thread ends it soon.
pub(crate) struct Connections {
    max: usize,
    /// How many have a place.
    served: AtomicUsize,
    /// How many are being turned away.
    refused: AtomicUsize,
    stopping: Arc<AtomicBool>,
    /// With `all_closed`, what shutdown waits on until the last connection is closed.
    last_close: Mutex<()>,
    all_closed: Condvar,
    /// By their numbers, which grow: a newcomer's place is the last, and no number is hashed.
    list: Mutex<BTreeMap<u64, Arc<Connection>>>,
    last_number: AtomicU64,
}

/// Returns the cap: how many connections the server serves at once. A queue in which threads wait, each with its
/// connection, takes a part of this.
///
/// Each connection takes a descriptor. Without a free one `accept` itself would fail, and the client would wait and
/// get no 503. So the cap is lower than [`limits::CONNECTIONS_MAX`] if the process may open fewer. It is the same at
/// each call, since the first one raises the limit of the process as far as it goes.
pub(crate) fn cap() -> usize {
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024);
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    let spare = descriptors.saturating_sub(limits::DESCRIPTORS_RESERVED + limits::REFUSALS_MAX);
    limits::CONNECTIONS_MAX.min(spare).max(1)
}

impl Connections {
    pub(crate) fn new() -> Connections {
        Connections {
            max: cap(),
            served: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            stopping: Arc::new(AtomicBool::new(false)),
            last_close: Mutex::new(()),
            all_closed: Condvar::new(),
            list: Mutex::new(BTreeMap::new()),
            last_number: AtomicU64::new(0),
        }
    }

    /// Returns the number of the next connection, which no other one gets: the ids of its requests begin with it.
    pub(crate) fn next_number(&self) -> u64 {
        self.last_number.fetch_add(1, SeqCst) + 1
    }

    /// Calls `serve` with a connection and its number, and counts it as long as it lasts. Past the cap another
    /// connection makes room; if none can, this one is turned away with the response that `refuse` makes.
    ///
    /// The newcomer doesn't wait until the other one is closed. So for a moment there may be a few more connections
    /// than the cap, one for each that is ending.
    ///
    /// The cap is one for all clients. A larger server would also bound the connections of each address; here the
    /// proxy in front does that, because behind it every connection comes from the proxy's address. Which client the
    /// proxy serves is known only when a head has been read (`proxies.rs`), and by then the connection has its place.
    pub(crate) fn admit(
        &self,
        stream: TcpStream,
        serve: impl FnOnce(&Arc<Connection>, u64),
        refuse: impl FnOnce(u64) -> Response,
    ) {
        let number = self.next_number();
        let has_place = self.take_place();
        let count = if has_place { &self.served } else { &self.refused };
        let others_refused = if has_place { 0 } else { self.refused.fetch_add(1, SeqCst) };
        // The default `panic = "unwind"` is relied on here: with "abort" one bad request would end the whole server.
        // A panic ends only this connection, and the worker thread goes on; the panic hook has already printed the
        // place. Other threads see nothing half-changed, because code that holds a lock keeps what it changes
        // consistent (`lock.rs`).
        let _ = catch_unwind(AssertUnwindSafe(|| {
            if has_place {
                serve(&Listed::new(self, stream, number).connection, number);
            } else if others_refused < limits::REFUSALS_MAX {
                connection::turn_away(&stream, || refuse(number));
            } // else closed without a response: a 503 holds a thread too, so not each connection of a flood gets one
        }));
        if count.fetch_sub(1, SeqCst) == 1 && self.is_stopping() {
            // `close_all` holds this lock from reading the counts until it sleeps. Taking the lock here keeps the
            // signal from coming between the two and being lost.
            drop(locked(&self.last_close));
            self.all_closed.notify_all();
        }
    }

    /// Counts one more connection as served, if there is a place for it or another one makes room.
    fn take_place(&self) -> bool {
        // Added before looking: if it were added afterwards, the connection that makes room could have ended in
        // between, and a second newcomer would take the same place.
        let has_place = self.served.fetch_add(1, SeqCst) < self.max || self.make_room();
        if !has_place {
            self.served.fetch_sub(1, SeqCst);
        }
        has_place
    }

    /// Ends the connection that can best be spared, and returns whether there was one. Silence costs a client nothing,
    /// so without this a few thousand silent connections, which anyone can open, would shut all others out until
    /// [`limits::IDLE_MAX`] is over. So the idle limit holds while there are places, and when they are short it
    /// shrinks as far as the newcomers need.
    ///
    /// This walks over the whole list, but only when all places are taken, and it holds the lock of each connection for
    /// a moment. A list that is kept in order would have to be locked for each request.
    pub(super) fn make_room(&self) -> bool {
        let list = locked(&self.list);
        let now = Instant::now();
        loop {
            let spare = list.values().filter_map(|connection| Some((connection.room_rank(now)?, connection)));
            match spare.min_by_key(|(rank, _)| *rank) {
                None => return false,
                Some((rank, connection)) if connection.end_if(|status| status == rank.status) => return true,
                Some(_) => {} // its thread has gone on in between
            }
        }
    }

    /// Makes all connections end after the request that they are serving. This can't be undone.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, SeqCst);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(SeqCst)
    }

    /// Closes the connections that wait for a request, and waits until the others are closed, for
    /// [`limits::SHUTDOWN_GRACE`] at most.
    ///
    /// The caller has called [`Connections::stop`] before. So a connection that begins to wait after the walk over
    /// the list, or at this moment, ends by itself: its thread looks at the flag before it waits for another request.
    pub(crate) fn close_all(&self) {
        for connection in locked(&self.list).values() {
            connection.end_if(Status::waits_for_request);
        }
        let some_open = |_: &mut ()| self.served.load(SeqCst) + self.refused.load(SeqCst) > 0;
        let last_close = locked(&self.last_close);
        drop(self.all_closed.wait_timeout_while(last_close, limits::SHUTDOWN_GRACE, some_open));
    }
}

/// A connection in the list; it leaves the list when this is dropped, after a panic too.
struct Listed<'c> {
    connections: &'c Connections,
    number: u64,
    connection: Arc<Connection>,
}

impl Listed<'_> {
    fn new(connections: &Connections, stream: TcpStream, number: u64) -> Listed<'_> {
        let stopping = Arc::clone(&connections.stopping);
        let connection = Arc::new(Connection::new(stream, stopping));
        locked(&connections.list).insert(number, Arc::clone(&connection));
        Listed { connections, number, connection }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        locked(&self.connections.list).remove(&self.number);
    }
}
