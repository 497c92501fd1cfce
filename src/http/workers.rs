//! The worker threads of one listener: how many there are, when one more is started, when one ends.
//!
//! Knows no connection and no request: what a worker does is one function, which the server gives. Invariant: at
//! least one worker waits for the next connection, or is about to.
//!
//! The plain form of this file is `thread::spawn` for each accepted connection. It was measured on two cores, against
//! the reuse of threads that stands here:
//!
//! | a thread for each connection reaches | of the speed of reuse |
//! |---|---|
//! | requests on connections that stay open | 1.0 |
//! | new connections, 16 or 64 clients at once | 0.5 |
//! | new connections, one client after the other | 0.23 |
//!
//! The reason is the kernel's work: to accept a connection, serve one request and close takes 22 system calls with a
//! fresh thread, most of them to make the thread and to end it, and 6 with a worker that comes back. Clients that
//! keep their connection open gain nothing; those that open one for each request, as every call of curl does, gain
//! the most.
//!
//! Two usual designs were left out. A pool of fixed size stops serving when as many slow clients are connected as it
//! has threads, unless each request is handed to it by an event loop. One thread that accepts and hands connections
//! to others through a queue adds a wake-up to every connection, and the queue needs a limit of its own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use crate::limits;

/// The workers of one listener. Each of them blocks in `accept` by itself, and the kernel gives a new connection to
/// one of them: so a connection is never handed from thread to thread, and no queue stands between.
pub(crate) struct Workers {
    /// How many wait in `accept`, or are about to. The workers that serve a connection aren't counted here: their
    /// number is bounded by the cap on connections.
    waiting: AtomicUsize,
    run: Box<Run>,
}

/// The whole life of one worker thread.
type Run = dyn Fn(&Arc<Workers>) + Send + Sync;

impl Workers {
    /// Starts the first workers, each of which calls `run` and ends when that returns.
    pub(crate) fn start(run: impl Fn(&Arc<Workers>) + Send + Sync + 'static) -> io::Result<()> {
        let workers = Arc::new(Workers { waiting: AtomicUsize::new(0), run: Box::new(run) });
        for _ in 0..limits::WAITING_WORKERS_MIN {
            workers.spawn_worker()?;
        }
        Ok(())
    }

    fn spawn_worker(self: &Arc<Workers>) -> io::Result<()> {
        let workers = Arc::clone(self);
        // Counted before it runs: a second connection that arrives meanwhile must not start another for the same
        // place.
        self.waiting.fetch_add(1, SeqCst);
        // The builder reports a kernel that has no more threads, where `thread::spawn` would panic.
        let thread = thread::Builder::new().name("connection".into()).stack_size(limits::THREAD_STACK_BYTES);
        let spawned = thread.spawn(move || (workers.run)(&workers));
        spawned.map(drop).inspect_err(|_| _ = self.waiting.fetch_sub(1, SeqCst))
    }

    /// A worker has accepted a connection and is about to serve it; another is started if too few are left to accept
    /// the next one. The error means that none could be started and none is left: this worker must not serve but go
    /// back at once, or a connection that lasts would keep all later ones waiting.
    pub(crate) fn leave_accept(self: &Arc<Workers>) -> io::Result<()> {
        let left = self.waiting.fetch_sub(1, SeqCst) - 1;
        let spawned = if left < limits::WAITING_WORKERS_MIN { self.spawn_worker() } else { Ok(()) };
        // With others left, a failure to start one more is no failure yet: it is tried again at the next connection.
        if left == 0 { spawned } else { Ok(()) }
    }

    /// The worker has done with its connection and waits for the next one.
    pub(crate) fn return_to_accept(&self) {
        self.waiting.fetch_add(1, SeqCst);
    }

    /// Whether this worker, which has waited for [`limits::THREAD_IDLE_MAX`] in vain, may end: the threads of a busy
    /// hour shouldn't stay for good, but a few must. It counts as gone from here on.
    pub(crate) fn may_end(&self) -> bool {
        // Comparing and subtracting are one step: two workers that both see one too many must not both end.
        let one_less = |waiting| (waiting > limits::WAITING_WORKERS_MIN).then(|| waiting - 1);
        self.waiting.fetch_update(SeqCst, SeqCst, one_less).is_ok()
    }
}
