//! The worker threads of one listener: how many there are, when one more is started, when one ends.
//!
//! Knows no connection and no request: what a worker does is one function, which the server gives. Invariant: at
//! least one worker waits in `accept`, or is about to call it.
//!
//! The plain form of this file is `thread::spawn` for each accepted connection. A measurement on two cores compared
//! it with the reuse of threads, as this file does it:
//!
//! | a thread for each connection reaches | of the speed of reuse |
//! |---|---|
//! | requests on connections that stay open | 1.0 |
//! | new connections, 16 or 64 clients at once | 0.5 |
//! | new connections, one client after the other | 0.23 |
//!
//! The reason is the kernel's work: to accept a connection, serve one request and close takes 22 system calls with a
//! new thread, most of them to start and end the thread, and 6 with a worker that is used again. Clients that keep a
//! connection open gain nothing from the reuse; clients that open one for each request, like separate calls of curl,
//! gain the most.
//!
//! Two usual designs were left out. A pool of fixed size stops serving when as many slow clients are connected as it
//! has threads, unless each request is handed to it by an event loop. A single thread that accepts, and hands
//! connections to others through a queue, adds a wake-up to each connection, and the queue needs its own limit.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use crate::limits;

/// The workers of one listener. Each worker blocks in `accept` itself, and the kernel gives a new connection to one
/// of them. So no connection is handed from thread to thread, and there is no queue.
pub(crate) struct Workers {
    /// How many workers wait in `accept`, or are about to call it. Those that serve a connection aren't counted here:
    /// the cap on connections bounds them.
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
        // Counted before the thread runs: a second connection that arrives meanwhile must not start one more for the
        // same purpose.
        self.waiting.fetch_add(1, SeqCst);
        // If the kernel has no more threads, the builder returns an error, and `thread::spawn` would panic.
        let thread = thread::Builder::new().name("connection".into()).stack_size(limits::THREAD_STACK_BYTES);
        let spawned = thread.spawn(move || (workers.run)(&workers));
        spawned.map(drop).inspect_err(|_| _ = self.waiting.fetch_sub(1, SeqCst))
    }

    /// Counts a worker that has accepted a connection as gone from `accept`, and starts another one if too few are
    /// left there. The error means that none is left and none could be started: then the caller must not serve the
    /// connection but go back to `accept`, or later connections would wait until this one ends.
    pub(crate) fn leave_accept(self: &Arc<Workers>) -> io::Result<()> {
        let left = self.waiting.fetch_sub(1, SeqCst) - 1;
        let spawned = if left < limits::WAITING_WORKERS_MIN { self.spawn_worker() } else { Ok(()) };
        // If others are left, a failure to start one more does no harm yet: the next connection makes another
        // attempt.
        if left == 0 { spawned } else { Ok(()) }
    }

    /// Counts a worker whose connection has ended as waiting in `accept` again.
    pub(crate) fn return_to_accept(&self) {
        self.waiting.fetch_add(1, SeqCst);
    }

    /// Returns whether the calling worker, which has waited for [`limits::THREAD_IDLE_MAX`] in vain, may end, and if
    /// so, stops counting it. It may end while more than [`limits::WAITING_WORKERS_MIN`] workers wait, so that the
    /// threads of a busy hour don't stay for good, but a few do. Workers that serve a connection don't count here.
    pub(crate) fn may_end(&self) -> bool {
        // Comparing and subtracting are one step, so that two workers that both see one too many don't both end.
        let one_less = |waiting| (waiting > limits::WAITING_WORKERS_MIN).then(|| waiting - 1);
        self.waiting.fetch_update(SeqCst, SeqCst, one_less).is_ok()
    }
}
