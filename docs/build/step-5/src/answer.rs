//! The answer to step 5.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::{Duration, Instant};

use step_2::Response;

use crate::Place;

/// Accepts connections, and gives each to `answer` in a thread of its own. If all places are taken, the connection gets
/// a 503. Prints an error, and goes on.
pub fn serve(listener: &TcpListener, answer: impl Fn(TcpStream) -> io::Result<()> + Sync) {
    let taken = AtomicUsize::new(0);
    thread::scope(|scope| {
        for stream in listener.incoming() {
            let Some(place) = Place::take(&taken) else {
                let full = Response::text(503, "all connections are taken; try again");
                // These bytes fit into the empty buffer of a new connection, so this write doesn't wait.
                let _ = stream.and_then(|mut stream| stream.write_all(&full.bytes()));
                continue;
            };
            let answer = &answer;
            let work = move || {
                let _place = place;
                if let Err(error) = stream.and_then(answer) {
                    eprintln!("a connection failed: {error}");
                }
            };
            // `thread::spawn` would panic if the system has no thread left, and end the server.
            if let Err(error) = thread::Builder::new().spawn_scoped(scope, work) {
                eprintln!("no thread for a connection: {error}");
            }
        }
    });
}

/// A stream whose reads must all be done before one deadline. Past it a read fails with `TimedOut` or `WouldBlock`.
pub struct Timed<'s> {
    stream: &'s TcpStream,
    deadline: Instant,
}

impl Timed<'_> {
    /// The deadline comes after `time`, from now on.
    pub fn new(stream: &TcpStream, time: Duration) -> Timed<'_> {
        Timed { stream, deadline: Instant::now() + time }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        // A timeout of zero would mean none, so `set_read_timeout` refuses it.
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(into)
    }
}
