//! One accepted connection: its deadlines, whole writes, and a close that lets the client read the last response.
//!
//! Knows no path and no token, and not what a request says. Invariant: no read, no write and no close lasts longer
//! than its limit, whatever the other side does.
//!
//! Each limit answers an attack that costs the attacker next to nothing: a head that is sent byte by byte (known as
//! Slowloris), a body that never ends, a response that is never read, a connection that is never closed. Each of them
//! would hold a thread, and [`limits::CONNECTIONS_MAX`] of them would hold the server.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::request::{Head, Section, Source};
use super::response::{EventStream, Response, ResponseBody, StreamEnd};
use crate::limits;

/// Gives a listener the settings that every connection shall have. On Linux an accepted socket inherits them, which
/// saves three system calls on each connection; elsewhere they may have to be made on each accepted stream. The read
/// timeout holds for `accept` too: it is how long an idle worker waits.
pub(crate) fn configure(listener: TcpListener) -> io::Result<TcpListener> {
    // std offers these settings on streams alone; to the kernel both are sockets.
    let socket = TcpStream::from(OwnedFd::from(listener));
    // Nagle's algorithm off: it gathers small writes until the client has acknowledged the one before, so an event
    // that follows another would wait for a round trip. Each write here is all that there is to send, so gathering
    // would gain nothing.
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(limits::THREAD_IDLE_MAX))?;
    socket.set_write_timeout(Some(limits::WRITE_STALL_MAX))?;
    Ok(TcpListener::from(OwnedFd::from(socket)))
}

/// Whether an operation ended because its socket's timeout was over. Which of the two kinds it is differs by
/// platform.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

/// One open connection, shared by the thread that serves it and the one that shuts the server down.
pub(crate) struct Connection {
    stream: TcpStream,
    /// Between two requests, with nothing of the next one read: shutdown may close it.
    idle: AtomicBool,
    /// The server is shutting down.
    stopping: Arc<AtomicBool>,
}

/// How one response is sent. That follows from its request: the same response goes without its body to HEAD, and with
/// another end to HTTP/1.0.
#[derive(Clone, Copy)]
pub(crate) struct Delivery {
    /// The response to HEAD goes without its body, its head unchanged (RFC 9110 §9.3.2).
    without_body: bool,
    stream_end: StreamEnd,
    /// Whether the connection stays open for another request.
    pub(crate) keep_open: bool,
}

impl Delivery {
    /// For the response to a request that couldn't be read: the connection ends with it.
    pub(crate) const LAST: Delivery =
        Delivery { without_body: false, stream_end: StreamEnd::LastChunk, keep_open: false };

    /// For the response to a request with this head. An event stream has no length that could be announced, so it
    /// goes in chunks; to HTTP/1.0, which has none, its end is the end of the connection (RFC 9112 §6.3).
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

    /// Makes the next read find the end, as if the client had closed: the thread that serves the connection wakes and
    /// closes its side. Only that thread writes, so no response is cut in the middle.
    pub(crate) fn end_reading(&self) {
        let _ = self.stream.shutdown(Shutdown::Read);
    }

    /// Writes a response, event by event if it is a stream. `out` is the buffer for its head, kept from one response
    /// to the next, because the head of every response would otherwise cost an allocation.
    pub(crate) fn write_response(
        &self,
        response: Response,
        delivery: Delivery,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let stream = &self.stream;
        out.clear();
        response.write_head(out, delivery.stream_end, !delivery.keep_open);
        match response.into_body() {
            _ if delivery.without_body => write_whole(stream, out)?,
            // Head and body in one write are one system call and, mostly, one packet. A large body isn't worth the
            // copy.
            ResponseBody::Whole(bytes) if bytes.len() <= limits::ONE_PIECE_BYTES_MAX => {
                out.extend_from_slice(&bytes);
                write_whole(stream, out)?;
            }
            // Two writes with a deadline each, so a large response may take twice the time.
            ResponseBody::Whole(bytes) => {
                write_whole(stream, out)?;
                write_whole(stream, &bytes)?;
            }
            // The head leaves at once: the client must learn that its stream is open, although the first event may
            // come hours later.
            ResponseBody::Stream(write_events) => {
                write_whole(stream, out)?;
                let (mut write, mut is_open) =
                    (|bytes: &[u8]| write_whole(stream, bytes), || is_open(stream));
                let mut events = EventStream::new(delivery.stream_end, &mut write, &mut is_open);
                write_events(&mut events)?;
                events.finish()?;
            }
        }
        // One large response must not leave its memory behind on a connection that may now be idle for long.
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
/// A socket has a timeout for each read, which begins anew with each byte. It is set to the time that is left, but
/// only when it would reach past the deadline: a client that sends its request in one piece costs no system call for
/// it.
///
/// The deadlines count on the monotonic clock (`Instant`): the wall clock may be set while a request is read.
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
    // It makes no system call: the socket's timeout is set by the next read, and only if it has to wait for long.
    fn section(&mut self, section: Section) {
        self.section = section;
        // Kept beside the section, because shutdown looks at it from another thread.
        self.connection.idle.store(section == Section::Idle, SeqCst);
        let time = match section {
            Section::Idle => limits::IDLE_MAX,
            Section::Head => limits::HEAD_DEADLINE,
            Section::Body => limits::BODY_DEADLINE,
        };
        self.deadline = Instant::now() + time;
    }
}

impl Read for TimedStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // Shutdown closes the connections that it finds idle. One that became idle after that look sees the flag
        // here, for the flag was set before the look: no connection is missed by both.
        if self.section == Section::Idle && self.connection.stopping.load(SeqCst) {
            return Ok(0);
        }
        let mut left = self.deadline.saturating_duration_since(Instant::now());
        loop {
            // To the kernel a timeout of zero means none at all, so a deadline that is over must not reach it.
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if self.timeout > left {
                self.connection.stream.set_read_timeout(Some(left))?;
                self.timeout = left;
            }
            match (&self.connection.stream).read(into) {
                Ok(count) => {
                    // Cleared already here and not only with the next section: shutdown must not close a connection
                    // whose request has begun to arrive.
                    self.connection.idle.store(false, SeqCst);
                    return Ok(count);
                }
                Err(error) if is_timeout(&error) => {
                    // The socket's timeout was shorter than the time that was left: wait for the rest of it. `MAX` is
                    // no timeout that was set; it makes the next round set one.
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

/// Writes all of it, or gives up at a deadline. The socket's own timeout alone would not do: it begins anew with each
/// byte taken, so a client that reads one byte now and then could hold the thread for days. `write_all` would not do
/// either, because it looks at no clock between its writes.
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

/// Whether the client hasn't closed its side: while an event stream lasts, that is how it says that it wants no more
/// of it. RFC 9112 §9.6 warns that a client may close its side and still want the response, so no other response ends
/// by this. A stream does, because one that no client reads would keep its thread until a write fails.
///
/// Peeking takes nothing away: bytes that wait to be read, a next request, don't count as closed. The stream is made
/// non-blocking for that moment only, which disturbs nothing, because one thread alone uses it.
fn is_open(stream: &TcpStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return false;
    }
    let found = stream.peek(&mut [0]);
    let open = !matches!(&found, Ok(0)) && found.err().is_none_or(|error| is_timeout(&error));
    stream.set_nonblocking(false).is_ok() && open
}

/// Turns a connection away that is past the cap, and sees to it that the client can read why.
pub(crate) fn turn_away(stream: &TcpStream) {
    if write_busy(stream).is_ok() {
        close_in_stages(stream);
    }
}

/// Turns a connection away for which there is no thread, without waiting for anything: the caller is the only worker
/// left that can accept the next one. The client may see a reset instead of the 503, which is the lesser evil.
pub(crate) fn turn_away_at_once(stream: &TcpStream) {
    let _ = stream.set_nonblocking(true);
    let _ = write_busy(stream);
}

/// Says that no connection is free, and when to try again (RFC 9110 §15.6.4, §10.2.3). Not a byte of the request was
/// read: the limit protects the server only if refusing costs less than serving.
fn write_busy(mut stream: &TcpStream) -> io::Result<()> {
    let busy = Response::text(503, "all connections are taken; try again").with("Retry-After", "1");
    let mut out = Vec::new();
    busy.write_head(&mut out, StreamEnd::LastChunk, true);
    if let ResponseBody::Whole(bytes) = busy.into_body() {
        out.extend_from_slice(&bytes);
    }
    stream.write_all(&out)
}

/// Closes in stages (RFC 9112 §9.6): first this side alone, then, once the client has closed its own or has had its
/// time, the whole. Closed at once, with bytes of an unread body still arriving, the kernel would reset the
/// connection, and the reset can overtake the response: the client, or a proxy before it, would report an error
/// instead of the refusal.
///
/// What arrives meanwhile is read and dropped, within a time and an amount: a client must not keep the thread by
/// sending on.
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
