//! One accepted connection: its deadlines, whole writes, and a close that lets the client read the last response.
//!
//! Knows no path and no token; of a request's head it uses the method and the HTTP version, to send the response.
//! Invariant: each read, write and close ends in bounded time, whatever the client does.
//!
//! Each limit is against an attack that is cheap for the attacker: a head that is sent byte by byte (known as
//! Slowloris), a body that never ends, a response that is never read, a connection that is never closed. Each such
//! connection would hold a thread, and [`limits::CONNECTIONS_MAX`] of them would leave none for other clients.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::phase::{Phase, RoomRank, Status};
use super::request::{Head, Section, Source};
use super::response::{EventStream, Response, ResponseBody, StreamEnd};
use crate::limits;
use crate::lock::locked;

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
    socket.set_write_timeout(Some(limits::WRITE_LOOK))?;
    Ok(TcpListener::from(OwnedFd::from(socket)))
}

/// Returns whether an operation ended because the socket's timeout was over. Platforms differ in which of the two
/// kinds they report.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

/// One open connection, shared by the thread that serves it and those that may end it: the one that shuts the server
/// down, and each that needs a place for a newcomer.
pub(crate) struct Connection {
    stream: TcpStream,
    /// The lock is held for a comparison and an assignment, and hardly ever by two threads at once.
    status: Mutex<Status>,
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
        Connection { stream, status: Mutex::new(Status::new()), stopping }
    }

    /// See [`Status::room_rank`].
    pub(super) fn room_rank(&self, now: Instant) -> Option<RoomRank> {
        locked(&self.status).room_rank(now)
    }

    /// Ends the connection if its status fits, and returns whether it did, so that of several threads one ends it.
    /// Reads now return the end, as if the client had closed: the thread that serves the connection wakes and closes
    /// it. Only that thread writes, so no response is cut in the middle.
    ///
    /// The server still answers a request that has arrived whole at this moment, because what has arrived can still be
    /// read. For a request that comes later the client sees a connection that ended while it was idle, which it must
    /// expect at any time (RFC 9112 §9.5).
    pub(super) fn end_if(&self, fits: impl FnOnce(Status) -> bool) -> bool {
        let ends = {
            let mut status = locked(&self.status);
            fits(*status) && status.begin(Phase::Ended)
        };
        if ends {
            let _ = self.stream.shutdown(Shutdown::Read);
        }
        ends
    }

    /// Begins a request. The server calls this when the wait for a head is over, also if an error or the end of the
    /// connection came in its place: the error is answered too. From here on no other thread ends the connection.
    /// Returns `false` if one did before: then nothing more can be read, but a response can be written.
    pub(crate) fn begin_request(&self) -> bool {
        locked(&self.status).begin(Phase::InRequest)
    }

    /// Writes a response, event by event if it is a stream.
    ///
    /// Never inlined into the loop that waits for the next request, so that the wait holds nothing of it: an idle
    /// connection has no buffer for its responses.
    #[inline(never)]
    pub(crate) fn write_response(&self, response: Response, delivery: Delivery) -> io::Result<()> {
        let mut writer = TimedWriter::new(&self.stream);
        let mut out = response.head(delivery.stream_end, !delivery.keep_open);
        let (body, kept) = response.into_parts();
        match body {
            _ if delivery.without_body => writer.write(&out)?,
            ResponseBody::Whole(bytes) => writer.write_both(&out, &bytes)?,
            ResponseBody::File(file, length) => {
                writer.write(&out)?;
                let (mut file, mut sent) = (file.take(length), 0);
                loop {
                    out.clear();
                    (&mut file).take(limits::FILE_PIECE_BYTES as u64).read_to_end(&mut out)?;
                    if out.is_empty() {
                        break;
                    }
                    sent += out.len() as u64;
                    writer.write(&out)?;
                }
                // The head has promised all of it, so the client must see that the body ends too early.
                if sent < length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            // The head is sent at once: the client must learn that the stream is open, although the first event may
            // come hours later. So each event has a time of its own.
            ResponseBody::Stream(write_events) => {
                writer.write(&out)?;
                drop((kept, out));
                let mut write = |bytes: &[u8]| TimedWriter::new(&self.stream).write(bytes);
                let mut is_there = || is_client_there(&self.stream);
                let mut events = EventStream::new(delivery.stream_end, &mut write, &mut is_there);
                write_events(&mut events)?;
                events.finish()?;
            }
        }
        Ok(())
    }

    /// Closes this side, and lets the client read the last response before the connection is gone. When places are
    /// short, the connection makes room earlier.
    pub(crate) fn close_in_stages(&self) {
        locked(&self.status).begin_draining(Instant::now());
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
        let time = match section {
            Section::Idle => limits::IDLE_MAX,
            Section::Head => limits::HEAD_DEADLINE,
            Section::Body => limits::BODY_DEADLINE,
        };
        let now = Instant::now();
        if section != Section::Body {
            locked(&self.connection.status).begin_wait(now);
        }
        self.deadline = now + time;
    }

    fn is_client_there(&mut self) -> bool {
        is_client_there(&self.connection.stream)
    }
}

impl Read for TimedStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // Shutdown ends the connections that it finds waiting for a request. A connection that begins to wait after
        // shutdown has looked finds `stopping` set here, because it was set before shutdown looked. So no connection
        // is missed.
        if self.section != Section::Body && self.connection.stopping.load(SeqCst) {
            return Ok(0);
        }
        // An ended connection reads once more, for what has arrived already. If that is no whole head, nothing waits
        // for the rest: a client that goes on dripping would keep its place.
        if self.section == Section::Head && locked(&self.connection.status).is_ended() {
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
                Ok(count) => return Ok(count),
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
        TimedWriter::new(&self.connection.stream).write(bytes).map(|()| bytes.len())
    }

    // std keeps no buffer in front of a socket.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes one response, head and body together, or one event of a stream. A client has some time to take it, and each
/// byte that it takes buys back a little of the time that has passed, never more than there was at first. So a slow
/// client gets a large response whole, and one that doesn't read, or reads a byte now and then, loses the connection.
///
/// A socket's own timeout would not be enough: it begins anew with each write, so a client that reads a byte now and
/// then could hold the thread for days. `write_all` checks no deadline between its writes. A deadline that moved on
/// with each byte would not be enough either, because the kernel takes some for a client that reads nothing.
struct TimedWriter<'c> {
    stream: &'c TcpStream,
    /// When the time is over; `None` until the client has left something untaken.
    deadline: Option<Instant>,
    /// How far away the deadline is at most.
    stall_max: Duration,
}

impl TimedWriter<'_> {
    fn new(stream: &TcpStream) -> TimedWriter<'_> {
        TimedWriter::with_stall_max(stream, limits::WRITE_STALL_MAX)
    }

    fn with_stall_max(stream: &TcpStream, stall_max: Duration) -> TimedWriter<'_> {
        TimedWriter { stream, deadline: None, stall_max }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_both(bytes, &[])
    }

    /// Writes all bytes of both, or fails when the time for them is over. Head and body together are one system call
    /// and often one packet, and neither is copied behind the other.
    ///
    /// One write waits for [`limits::WRITE_LOOK`] at most, which the socket has inherited from its listener, and
    /// never past the deadline. A longer one would hide how long ago the client took a byte: a write returns only when
    /// it is complete or its time is over.
    fn write_both(&mut self, mut head: &[u8], mut body: &[u8]) -> io::Result<()> {
        loop {
            let taken = match self.stream.write_vectored(&[IoSlice::new(head), IoSlice::new(body)]) {
                Ok(count) if count == head.len() + body.len() => return Ok(()), // mostly: then no clock is read
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()), // else this loop would never end
                Ok(count) => count,
                Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => 0,
                Err(error) => return Err(error),
            };
            let of_head = taken.min(head.len());
            (head, body) = (&head[of_head..], &body[taken - of_head..]);
            let now = Instant::now();
            let latest = now + self.stall_max;
            let bought = Duration::from_secs(taken as u64) / limits::WRITE_BYTES_PER_SECOND_MIN;
            let deadline = self.deadline.map_or(latest, |deadline| (deadline + bought).min(latest));
            self.deadline = Some(deadline);
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_write_timeout(Some(left.min(limits::WRITE_LOOK)))?;
        }
    }
}

/// Returns whether the client has kept its side open. By closing it, the client of an event stream says that it wants
/// no more events. RFC 9112 §9.6 warns that a client may close its side and still want the response, so only streams
/// are ended for this reason. A stream that no client reads would otherwise keep its thread until a write fails.
///
/// Peeking removes no bytes, and if bytes of a next request wait, the side is open. The socket is non-blocking only
/// for this moment, and no other thread reads or writes it.
fn is_client_there(stream: &TcpStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return false;
    }
    let found = stream.peek(&mut [0]);
    let open = !matches!(&found, Ok(0)) && found.err().is_none_or(|error| is_timeout(&error));
    stream.set_nonblocking(false).is_ok() && open
}

/// Turns away a connection past the cap with this response, and closes in stages, so that the client can read it.
#[inline(never)] // see `log::write`
pub(crate) fn turn_away(stream: &TcpStream, response: impl FnOnce() -> Response) {
    if TimedWriter::new(stream).write(&in_one(response())).is_ok() {
        close_in_stages(stream);
    }
}

/// Turns away a connection for which there is no thread, without waiting: the caller is the only worker that can
/// accept the next one. The client may see a reset instead of the response; that is better than a server that accepts
/// nothing.
#[inline(never)] // see `log::write`
pub(crate) fn turn_away_at_once(mut stream: &TcpStream, response: impl FnOnce() -> Response) {
    let _ = stream.set_nonblocking(true);
    let _ = stream.write_all(&in_one(response()));
}

/// Returns the bytes of a short response that ends its connection.
fn in_one(response: Response) -> Vec<u8> {
    let mut out = response.head(StreamEnd::LastChunk, true);
    if let ResponseBody::Whole(bytes) = response.into_parts().0 {
        out.extend_from_slice(&bytes);
    }
    out
}

/// Closes in stages (RFC 9112 §9.6): first the server's side, and then, when the client has closed too or its time is
/// over, the connection. If the server closed at once while bytes of an unread body arrive, the kernel would reset
/// the connection, and the reset can overtake the response: the client, or a proxy in between, would report an error
/// instead of the response. A proxy that has gathered a body sends all of it, whatever is answered.
///
/// Meanwhile the server reads and drops what arrives, up to a time and an amount, so that a client can't hold the
/// thread by sending more.
fn close_in_stages(mut stream: &TcpStream) {
    let deadline = Instant::now() + limits::CLOSE_DRAIN_MAX;
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    // On the stack, because a server that turns clients away shouldn't allocate for each; and small, because a thread
    // keeps the pages of its stack that it has used once.
    let mut scrap = [0; limits::READ_BYTES];
    let mut drained = 0;
    while drained < limits::CLOSE_DRAIN_BYTES_MAX {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return;
        }
        match stream.read(&mut scrap) {
            // The client has read the response and closed, so nothing is left to be reset; or the connection makes
            // room for another one.
            Ok(0) => return,
            Ok(count) => drained += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// A connection as the server has it, and the client's side of it.
    fn pair() -> (Arc<Connection>, TcpStream) {
        let listener = configure(TcpListener::bind("127.0.0.1:0").expect("a port")).expect("a listener");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("it accepts");
        let (stream, _) = listener.accept().expect("the client has come");
        (Arc::new(Connection::new(stream, Arc::default())), client)
    }

    /// Less time than a client gets, so that the tests end soon.
    const STALL_MAX: Duration = Duration::from_secs(2);
    /// More than the buffers of both sides hold, in two parts, like a head and a body.
    const PARTS: [usize; 2] = [1000, 64 << 20];

    fn write_parts(connection: &Connection) -> io::Result<()> {
        let mut writer = TimedWriter::with_stall_max(&connection.stream, STALL_MAX);
        let [head, body] = PARTS.map(|length| vec![b'x'; length]);
        writer.write_both(&head, &body)
    }

    /// A client that reads so much at a time, and pauses after it; gives how much came.
    fn reader(mut client: TcpStream, part: usize, pause: Duration) -> thread::JoinHandle<usize> {
        thread::spawn(move || {
            let (mut taken, mut part) = (0, vec![0; part]);
            while let Ok(count @ 1..) = client.read(&mut part) {
                taken += count;
                thread::sleep(pause);
            }
            taken
        })
    }

    #[test]
    fn fails_to_write_what_nobody_reads() {
        let (connection, _client) = pair();
        assert_eq!(write_parts(&connection).expect_err("nobody reads").kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn gives_up_a_response_that_drips_away_and_writes_it_whole_to_a_slow_reader() {
        let (connection, client) = pair();
        let dripping = reader(client, 64, Duration::from_millis(10));
        assert_eq!(write_parts(&connection).expect_err("too slow").kind(), io::ErrorKind::TimedOut);
        // What is in the kernel's buffers would take long to drip away.
        let _ = connection.stream.shutdown(Shutdown::Both);
        drop(dripping);

        let (connection, client) = pair();
        let reading = reader(client, 1 << 20, Duration::from_millis(60));
        let start = Instant::now();
        write_parts(&connection).expect("it is read");
        assert!(start.elapsed() > STALL_MAX, "the bytes taken bought time");
        drop(connection);
        assert_eq!(reading.join().expect("the reader ends"), PARTS.iter().sum::<usize>());
    }

    #[test]
    fn ends_a_connection_that_waits_and_none_with_a_request() {
        let (connection, mut client) = pair();
        let waiting = *locked(&connection.status);
        assert!(connection.begin_request());
        assert!(connection.room_rank(Instant::now()).is_none());
        assert!(!connection.end_if(|status| status == waiting), "it has gone on");
        locked(&connection.status).begin_wait(Instant::now());
        assert!(connection.end_if(Status::waits_for_request));
        assert!(!connection.end_if(|_| true), "it is ended once");
        assert!(!connection.begin_request());
        assert!(connection.room_rank(Instant::now()).is_none(), "it is ending");
        locked(&connection.status).begin_wait(Instant::now());
        assert!(!connection.begin_request(), "it stays ended");
        drop(connection);
        assert_eq!(client.read(&mut [0]).expect("the end"), 0);
    }

    #[test]
    fn reads_what_had_arrived_when_the_connection_was_ended_and_waits_for_nothing_more() {
        let (connection, mut client) = pair();
        let mut source = TimedStream::new(Arc::clone(&connection));
        client.write_all(b"GET").expect("it is taken");
        connection.stream.peek(&mut [0]).expect("it has arrived");
        assert!(connection.end_if(|_| true));
        let mut part = [0; 8];
        assert_eq!(source.read(&mut part).expect("what has arrived"), 3);
        source.section(Section::Head);
        client.write_all(b" / ").expect("it is taken");
        assert_eq!(source.read(&mut part).expect("the end"), 0);
    }
}
