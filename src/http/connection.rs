//! One accepted connection: its deadlines, whole writes, and a close that lets the client read the last response.
//!
//! Knows no path and no token; of a request's head it uses the method and the HTTP version, to send the response.
//! Invariant: each read, write and close ends in bounded time, whatever the client does.
//!
//! Each limit is against an attack that is cheap for the attacker: a head that is sent byte by byte (known as
//! Slowloris), a body that never ends, a response that is never read, a connection that is never closed. Each such
//! connection would hold a thread, and [`limits::CONNECTIONS_MAX`] of them would leave none for other clients.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::request::{Head, Section, Source};
use super::response::{EventStream, Response, ResponseBody, StreamEnd};
use crate::limits;

/// Gives a listener the settings that its connections need. On Linux an accepted socket inherits them, which saves
/// three system calls for each connection; another system may need them set on each accepted stream. The read timeout
/// applies to `accept` too: an idle worker waits so long.
pub(crate) fn configure(listener: TcpListener) -> io::Result<TcpListener> {
    // std offers these settings on streams alone; to the kernel both are sockets.
    let socket = TcpStream::from(OwnedFd::from(listener));
    // This turns Nagle's algorithm off. The algorithm holds a small write back until the client has acknowledged the
    // write before, so the second of two events would wait for a round trip. The server writes all that it has in one
    // or two calls, so the algorithm would gain nothing.
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(limits::THREAD_IDLE_MAX))?;
    socket.set_write_timeout(Some(limits::WRITE_STALL_MAX))?;
    Ok(TcpListener::from(OwnedFd::from(socket)))
}

/// Returns whether an operation ended because the socket's timeout was over. Platforms differ in which of the two
/// kinds they report.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

/// One open connection, shared by the thread that serves it and the one that shuts the server down.
pub(crate) struct Connection {
    stream: TcpStream,
    /// Between two requests, with nothing of the next one read: then shutdown may close the connection.
    idle: AtomicBool,
    /// The server is shutting down.
    stopping: Arc<AtomicBool>,
}

/// How one response is sent. This depends on the request: a response to HEAD goes without its body, and an event
/// stream to HTTP/1.0 ends in another way.
#[derive(Clone, Copy)]
pub(crate) struct Delivery {
    /// The response to HEAD goes without its body, its head unchanged (RFC 9110 §9.3.2).
    without_body: bool,
    stream_end: StreamEnd,
    /// Whether the connection stays open for another request.
    pub(crate) keep_open: bool,
}

impl Delivery {
    /// How to answer a request that couldn't be read: the connection is closed after the response.
    pub(crate) const LAST: Delivery =
        Delivery { without_body: false, stream_end: StreamEnd::LastChunk, keep_open: false };

    /// Returns how to answer a request with this head. The length of an event stream isn't known when its head is
    /// written, so the stream goes in chunks. HTTP/1.0 has no chunks: there the stream ends when the connection is
    /// closed (RFC 9112 §6.3).
    pub(crate) fn to(head: &Head, keep_open: bool) -> Delivery {
        let stream_end = if head.takes_chunks() { StreamEnd::LastChunk } else { StreamEnd::Close };
        Delivery { without_body: head.method() == "HEAD", stream_end, keep_open }
    }
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, stopping: Arc<AtomicBool>) -> Connection {
        Connection { stream, idle: AtomicBool::new(true), stopping }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.idle.load(SeqCst)
    }

    /// Makes reads return the end, as if the client had closed: the thread that serves the connection wakes and
    /// closes it. Only that thread writes, so no response is cut in the middle.
    pub(crate) fn end_reading(&self) {
        let _ = self.stream.shutdown(Shutdown::Read);
    }

    /// Writes a response, event by event if it is a stream. `out` is the buffer for the head. It is used again for
    /// the next response, because a new one would be an allocation for each.
    pub(crate) fn write_response(
        &self,
        response: Response,
        delivery: Delivery,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let stream = &self.stream;
        out.clear();
        response.write_head(out, delivery.stream_end, !delivery.keep_open);
        let (body, kept) = response.into_parts();
        match body {
            _ if delivery.without_body => write_whole(stream, out)?,
            // One write of head and body is one system call and often one packet. For a large body, copying would
            // cost more than it saves.
            ResponseBody::Whole(bytes) if bytes.len() <= limits::ONE_PIECE_BYTES_MAX => {
                out.extend_from_slice(&bytes);
                write_whole(stream, out)?;
            }
            // Two writes with a deadline each, so a large response may take twice the time.
            ResponseBody::Whole(bytes) => {
                write_whole(stream, out)?;
                write_whole(stream, &bytes)?;
            }
            // The head is sent at once: the client must learn that the stream is open, although the first event may
            // come hours later.
            ResponseBody::Stream(write_events) => {
                write_whole(stream, out)?;
                drop(kept);
                let (mut write, mut is_open) =
                    (|bytes: &[u8]| write_whole(stream, bytes), || is_open(stream));
                let mut events = EventStream::new(delivery.stream_end, &mut write, &mut is_open);
                write_events(&mut events)?;
                events.finish()?;
            }
        }
        // The connection may now be idle for long, and must not keep the memory of a large response.
        if out.capacity() > limits::IDLE_BUFFER_BYTES_MAX {
            *out = Vec::new();
        }
        Ok(())
    }

    /// Closes this side, and lets the client read the last response before the connection is gone.
    pub(crate) fn close_in_stages(&self) {
        close_in_stages(&self.stream);
    }
}

/// A connection as requests are read from it: each section of a request has one deadline, however slowly its bytes
/// come.
///
/// A socket's timeout begins anew with each read. A read sets it to the time that is left, but only if the socket's
/// timeout would end after the deadline. So a request that arrives in one piece needs no system call for its
/// deadline.
///
/// The deadlines use the monotonic clock (`Instant`), because the wall clock may be set while a request is read.
pub(crate) struct TimedStream {
    connection: Arc<Connection>,
    section: Section,
    deadline: Instant,
    /// The socket's own timeout, as it was set last.
    timeout: Duration,
}

impl TimedStream {
    pub(crate) fn new(connection: Arc<Connection>) -> TimedStream {
        let (section, deadline) = (Section::Idle, Instant::now() + limits::IDLE_MAX);
        // The timeout that the socket has inherited from its listener.
        TimedStream { connection, section, deadline, timeout: limits::THREAD_IDLE_MAX }
    }
}

impl Source for TimedStream {
    // This makes no system call: the next read sets the socket's timeout, and only if the timeout is too long.
    fn section(&mut self, section: Section) {
        self.section = section;
        // Stored in the connection too, because shutdown reads `idle` from another thread.
        self.connection.idle.store(section == Section::Idle, SeqCst);
        let time = match section {
            Section::Idle => limits::IDLE_MAX,
            Section::Head => limits::HEAD_DEADLINE,
            Section::Body => limits::BODY_DEADLINE,
        };
        self.deadline = Instant::now() + time;
    }

    fn is_open(&mut self) -> bool {
        is_open(&self.connection.stream)
    }
}

impl Read for TimedStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // Shutdown closes the connections that it finds idle. A connection that becomes idle after shutdown has
        // looked finds `stopping` set here, because it was set before shutdown looked. So no connection is missed.
        if self.section == Section::Idle && self.connection.stopping.load(SeqCst) {
            return Ok(0);
        }
        let mut left = self.deadline.saturating_duration_since(Instant::now());
        loop {
            // To the kernel a timeout of zero means no timeout, so it must not be set when the deadline is over.
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if self.timeout > left {
                self.connection.stream.set_read_timeout(Some(left))?;
                self.timeout = left;
            }
            match (&self.connection.stream).read(into) {
                Ok(count) => {
                    // `idle` is cleared here and not only with the next section, because shutdown must not close a
                    // connection whose request has begun to arrive.
                    self.connection.idle.store(false, SeqCst);
                    return Ok(count);
                }
                Err(error) if is_timeout(&error) => {
                    // The socket's timeout was shorter than the time that was left: wait for the rest. `MAX` is no
                    // real timeout: it makes the next round set one.
                    left = self.deadline.saturating_duration_since(Instant::now());
                    self.timeout = Duration::MAX;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Write for TimedStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.connection.stream).write(bytes)
    }

    // std keeps no buffer in front of a socket.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes all bytes, or gives up at a deadline. The deadline is checked between two writes, so the last write may
/// take up to [`limits::WRITE_STALL_MAX`] longer. The socket's own timeout would not be enough: it begins anew with
/// each write, so a client that reads a byte now and then could hold the thread for days. `write_all` checks no
/// deadline between its writes.
fn write_whole(mut stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    let deadline = Instant::now() + limits::WRITE_DEADLINE;
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()), // else this loop would never end
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if !bytes.is_empty() && Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok(())
}

/// Returns whether the client has kept its side open. By closing it, the client of an event stream says that it wants
/// no more events. RFC 9112 §9.6 warns that a client may close its side and still want the response, so only streams
/// are ended for this reason. A stream that no client reads would otherwise keep its thread until a write fails.
///
/// Peeking removes no bytes, and if bytes of a next request wait, the side is open. The socket is non-blocking only
/// for this moment, and no other thread reads or writes it.
fn is_open(stream: &TcpStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return false;
    }
    let found = stream.peek(&mut [0]);
    let open = !matches!(&found, Ok(0)) && found.err().is_none_or(|error| is_timeout(&error));
    stream.set_nonblocking(false).is_ok() && open
}

/// Turns away a connection past the cap with a 503, and closes in stages, so that the client can read the response.
pub(crate) fn turn_away(stream: &TcpStream) {
    if write_busy(stream).is_ok() {
        close_in_stages(stream);
    }
}

/// Turns away a connection for which there is no thread, without waiting: the caller is the only worker that can
/// accept the next one. The client may see a reset instead of the 503; that is better than a server that accepts
/// nothing.
pub(crate) fn turn_away_at_once(stream: &TcpStream) {
    let _ = stream.set_nonblocking(true);
    let _ = write_busy(stream);
}

/// Writes that no connection is free, and when to try again (RFC 9110 §15.6.4, §10.2.3). The request isn't read
/// before: the limit protects the server only if a refusal costs less than an answer.
fn write_busy(mut stream: &TcpStream) -> io::Result<()> {
    let busy = Response::text(503, "all connections are taken; try again").with("Retry-After", "1");
    let mut out = Vec::new();
    busy.write_head(&mut out, StreamEnd::LastChunk, true);
    if let ResponseBody::Whole(bytes) = busy.into_parts().0 {
        out.extend_from_slice(&bytes);
    }
    stream.write_all(&out)
}

/// Closes in stages (RFC 9112 §9.6): first the server's side, and then, when the client has closed too or its time is
/// over, the connection. If the server closed at once while bytes of an unread body arrive, the kernel would reset
/// the connection, and the reset can overtake the response: the client, or a proxy in between, would report an error
/// instead of the response.
///
/// Meanwhile the server reads and drops what arrives, up to a time and an amount, so that a client can't hold the
/// thread by sending more.
fn close_in_stages(mut stream: &TcpStream) {
    let deadline = Instant::now() + limits::CLOSE_DRAIN_MAX;
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let mut scrap = [0; 4096]; // on the stack: a server that turns clients away shouldn't allocate for each
    let mut drained = 0;
    while drained < limits::CLOSE_DRAIN_BYTES_MAX {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return;
        }
        match stream.read(&mut scrap) {
            Ok(0) => return, // the client has read the response and closed: nothing is left to be reset
            Ok(count) => drained += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
