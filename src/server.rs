//! Sockets and threads: accept, one thread for each connection, deadlines, the cap, shutdown.
//!
//! Knows no JSON, no SQL, no paths and no tokens. Invariant: a thread serves one connection at a time, and a
//! connection costs the others nothing, however slow, silent or broken it is.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::app::App;
use crate::limits;
use crate::lock::locked;
use crate::request::{Incoming, Section, Source};
use crate::response::{Body, EventStream, Framing, Response};
use crate::routes;
use crate::trace;

/// Binds `address`. For a loopback address both families are bound on the same port, because `localhost` means
/// `::1` first on many machines, and whoever else held that port there would be sent our clients' tokens.
pub fn bind(address: SocketAddr) -> io::Result<Vec<TcpListener>> {
    let twin = match address.ip() {
        IpAddr::V4(Ipv4Addr::LOCALHOST) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        _ => return Ok(vec![TcpListener::bind(address)?]),
    };
    let mut tries = 0;
    loop {
        tries += 1;
        let first = TcpListener::bind(address)?;
        match TcpListener::bind((twin, first.local_addr()?.port())) {
            Ok(second) => return Ok(vec![first, second]),
            // A port chosen by the kernel is free in one family only: let it choose again.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && address.port() == 0 && tries < 10 => {}
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(_) => return Ok(vec![first]), // a machine without that family
        }
    }
}

/// A running server.
pub struct Server {
    app: Arc<App>,
    connections_max: usize,
    open: AtomicUsize,
    stopping: Arc<AtomicBool>,
    stopped: Mutex<()>,
    all_closed: Condvar,
    peers: Mutex<HashMap<u64, Arc<Peer>>>,
    next_peer: AtomicU64,
}

/// A listener, and how many threads wait at it.
struct Door {
    listener: TcpListener,
    waiting: AtomicUsize,
}

/// What shutdown needs to know of a connection.
struct Peer {
    stream: TcpStream,
    /// Between two requests, with nothing of the next one read.
    idle: AtomicBool,
}

impl Server {
    /// Starts accepting on every listener and returns at once.
    pub fn start(listeners: Vec<TcpListener>, app: App) -> io::Result<Arc<Server>> {
        let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024);
        let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
        let server = Arc::new(Server {
            app: Arc::new(app),
            connections_max: limits::CONNECTIONS_MAX
                .min(descriptors.saturating_sub(limits::DESCRIPTORS_RESERVED + limits::REFUSALS_MAX))
                .max(1),
            open: AtomicUsize::new(0),
            stopping: Arc::new(AtomicBool::new(false)),
            stopped: Mutex::new(()),
            all_closed: Condvar::new(),
            peers: Mutex::new(HashMap::new()),
            next_peer: AtomicU64::new(0),
        });
        for listener in listeners {
            let door = Door { listener: furnished(listener)?, waiting: AtomicUsize::new(0) };
            let door = Arc::new(door);
            for _ in 0..limits::DOOR_THREADS_MIN {
                server.station(&door)?;
            }
        }
        Ok(server)
    }

    /// Stops accepting, ends idle connections, gives requests in flight [`limits::SHUTDOWN_GRACE`] to finish.
    pub fn stop(&self) {
        self.stopping.store(true, SeqCst);
        self.app.events.end();
        for peer in locked(&self.peers).values().filter(|peer| peer.idle.load(SeqCst)) {
            let _ = peer.stream.shutdown(Shutdown::Read); // its thread reads the end and closes
        }
        let busy = |_: &mut ()| self.open.load(SeqCst) > 0;
        drop(self.all_closed.wait_timeout_while(locked(&self.stopped), limits::SHUTDOWN_GRACE, busy));
    }

    /// The database and all else that requests are answered from.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Puts one more thread at a door. The builder reports a kernel out of threads, where `thread::spawn` panics.
    fn station(self: &Arc<Server>, door: &Arc<Door>) -> io::Result<()> {
        let (server, own) = (Arc::clone(self), Arc::clone(door));
        door.waiting.fetch_add(1, SeqCst);
        let thread = thread::Builder::new().name("connection".into()).stack_size(limits::THREAD_STACK_BYTES);
        let stationed = thread.spawn(move || server.work(&own));
        stationed.map(drop).inspect_err(|_| _ = door.waiting.fetch_sub(1, SeqCst))
    }

    /// The life of a thread: it waits at the door, sees to it that somebody waits there after it, serves one
    /// connection, and comes back.
    ///
    /// Nothing is handed from thread to thread. One costs more to make than a short connection costs to serve, so
    /// those that come back stay a while, and the last few for good.
    fn work(self: &Arc<Server>, door: &Arc<Door>) {
        loop {
            match door.listener.accept() {
                // Whoever comes now finds the door shut; what was accepted is dropped.
                Ok(_) if self.stopping.load(SeqCst) => return,
                Ok((stream, address)) => {
                    let stay = door.waiting.fetch_sub(1, SeqCst) - 1;
                    let stationed = if stay < limits::DOOR_THREADS_MIN { self.station(door) } else { Ok(()) };
                    match stationed {
                        Err(error) if stay == 0 => {
                            trace::note(&format!("no thread for the next connection: {error}"));
                            let _ = stream.set_nonblocking(true); // this one is needed at the door
                            let _ = write_busy(&stream);
                        }
                        _ => self.serve(stream, address),
                    }
                    door.waiting.fetch_add(1, SeqCst);
                }
                Err(error) if is_timeout(&error) => {
                    let spare = |waiting| (waiting > limits::DOOR_THREADS_MIN).then(|| waiting - 1);
                    if door.waiting.fetch_update(SeqCst, SeqCst, spare).is_ok() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    trace::note(&format!("accept failed, trying again: {error}"));
                    thread::sleep(limits::ACCEPT_RETRY);
                }
            }
        }
    }

    /// One connection from its beginning to its end, counted against the cap.
    fn serve(&self, stream: TcpStream, address: SocketAddr) {
        let open = self.open.fetch_add(1, SeqCst);
        // A panic ends this connection alone; the hook has already printed where it was.
        let _ = catch_unwind(AssertUnwindSafe(|| match open.checked_sub(self.connections_max) {
            None => self.converse(stream, address),
            Some(over) if over < limits::REFUSALS_MAX => {
                if write_busy(&stream).is_ok() {
                    linger(&stream);
                }
            }
            Some(_) => {} // dropped unanswered: even saying no has its bound
        }));
        if self.open.fetch_sub(1, SeqCst) == 1 && self.stopping.load(SeqCst) {
            drop(locked(&self.stopped)); // `stop` is either asleep or has yet to look
            self.all_closed.notify_all();
        }
    }

    /// The life of a connection.
    fn converse(&self, stream: TcpStream, address: SocketAddr) {
        let peer = Registered::new(self, stream);
        let stream = &peer.peer.stream;
        let line = Line::new(Arc::clone(&peer.peer), Arc::clone(&self.stopping));
        let mut incoming = Incoming::new(Box::new(line));
        let mut out = Vec::new();
        loop {
            let (response, without_body, framing, keep) = match incoming.head() {
                Ok(None) => return,
                Ok(Some(_)) if self.stopping.load(SeqCst) => return,
                Ok(Some(head)) => {
                    let mut body = incoming.body(&head);
                    let response = routes::answer(&self.app, &head, &mut body, address);
                    let keep = body.finish() && head.persistent() && !response.closes();
                    let chunks = head.takes_chunks();
                    let framing = if chunks { Framing::Delimited } else { Framing::UntilClose };
                    (response, head.method() == "HEAD", framing, keep && !self.stopping.load(SeqCst))
                }
                Err(bad) => (routes::refuse(bad, address), false, Framing::Delimited, false),
            };
            out.clear();
            response.write_head(&mut out, framing, !keep);
            let written = match response.into_body() {
                _ if without_body => write_whole(stream, &out),
                Body::Whole(octets) if octets.len() <= limits::ONE_PIECE_BYTES_MAX => {
                    out.extend_from_slice(&octets);
                    write_whole(stream, &out)
                }
                Body::Whole(octets) => write_whole(stream, &out).and_then(|()| write_whole(stream, &octets)),
                Body::Stream(events) => write_whole(stream, &out).and_then(|()| {
                    let (mut write, mut is_open) =
                        (|octets: &[u8]| write_whole(stream, octets), || is_open(stream));
                    let mut open = EventStream::new(framing, &mut write, &mut is_open);
                    events(&mut open)?;
                    open.finish()
                }),
            };
            if written.is_err() {
                return;
            }
            if !keep {
                linger(stream);
                return;
            }
            if out.capacity() > limits::IDLE_BUFFER_BYTES_MAX {
                out = Vec::new();
            }
        }
    }
}

/// Writes all of it, or gives up at a deadline: the socket's own timeout begins anew with each octet taken.
fn write_whole(mut stream: &TcpStream, mut octets: &[u8]) -> io::Result<()> {
    let deadline = Instant::now() + limits::WRITE_DEADLINE;
    while !octets.is_empty() {
        match stream.write(octets) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => octets = &octets[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if !octets.is_empty() && Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok(())
}

/// Whether the client hasn't closed its side: while an answer lasts, that is how it says that it wants no more.
fn is_open(stream: &TcpStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return false;
    }
    let found = stream.peek(&mut [0]);
    let open = !matches!(&found, Ok(0)) && found.err().is_none_or(|error| is_timeout(&error));
    stream.set_nonblocking(false).is_ok() && open
}

/// Says that the cap is reached (RFC 9110 §15.6.4).
fn write_busy(mut stream: &TcpStream) -> io::Result<()> {
    let busy = Response::text(503, "all connections are taken; try again").with("Retry-After", "1");
    let mut out = Vec::new();
    busy.write_head(&mut out, Framing::Delimited, true);
    if let Body::Whole(octets) = busy.into_body() {
        out.extend_from_slice(&octets);
    }
    stream.write_all(&out)
}

/// Closes in stages (RFC 9112 §9.6): an unread body still arriving would make the kernel reset the connection,
/// and the answer could be lost on its way, a proxy's included.
fn linger(mut stream: &TcpStream) {
    let deadline = Instant::now() + limits::LINGER_MAX;
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let mut scrap = [0; 4096];
    let mut drained = 0;
    while drained < limits::LINGER_BYTES_MAX {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return;
        }
        match stream.read(&mut scrap) {
            Ok(0) => return,
            Ok(count) => drained += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// A connection in the list that shutdown walks; it leaves the list when this is dropped.
struct Registered<'s> {
    server: &'s Server,
    number: u64,
    peer: Arc<Peer>,
}

impl Registered<'_> {
    fn new(server: &Server, stream: TcpStream) -> Registered<'_> {
        let peer = Arc::new(Peer { stream, idle: AtomicBool::new(true) });
        let number = server.next_peer.fetch_add(1, SeqCst);
        locked(&server.peers).insert(number, Arc::clone(&peer));
        Registered { server, number, peer }
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        locked(&self.server.peers).remove(&self.number);
    }
}

/// A socket with a deadline for each section of a request.
///
/// The socket's own timeout is set only when it would reach past the deadline: a client that sends a request in
/// one piece costs no system call for it.
struct Line {
    peer: Arc<Peer>,
    stopping: Arc<AtomicBool>,
    section: Section,
    deadline: Instant,
    timeout: Duration,
}

impl Line {
    fn new(peer: Arc<Peer>, stopping: Arc<AtomicBool>) -> Line {
        let (section, deadline) = (Section::Idle, Instant::now() + limits::IDLE_MAX);
        Line { peer, stopping, section, deadline, timeout: limits::THREAD_IDLE_MAX }
    }
}

impl Source for Line {
    fn section(&mut self, section: Section) {
        self.section = section;
        self.peer.idle.store(section == Section::Idle, SeqCst);
        let seconds = match section {
            Section::Idle => limits::IDLE_MAX,
            Section::Head => limits::HEAD_DEADLINE,
            Section::Body => limits::BODY_DEADLINE,
        };
        self.deadline = Instant::now() + seconds;
    }
}

impl Read for Line {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // Shutdown ends the connections that it finds idle; one that has become so since ends itself.
        if self.section == Section::Idle && self.stopping.load(SeqCst) {
            return Ok(0);
        }
        let mut left = self.deadline.saturating_duration_since(Instant::now());
        loop {
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if self.timeout > left {
                self.peer.stream.set_read_timeout(Some(left))?;
                self.timeout = left;
            }
            match (&self.peer.stream).read(into) {
                Ok(count) => {
                    self.peer.idle.store(false, SeqCst);
                    return Ok(count);
                }
                Err(error) if is_timeout(&error) => {
                    // The socket's timeout was shorter than the time that is left: wait for the rest.
                    left = self.deadline.saturating_duration_since(Instant::now());
                    self.timeout = Duration::MAX;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Write for Line {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        (&self.peer.stream).write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives a listener what every connection shall have; the kernel hands it on to each, which saves three system
/// calls on each. The read timeout holds for `accept` too: it is how long a thread waits at the door.
fn furnished(listener: TcpListener) -> io::Result<TcpListener> {
    // std offers these settings on streams alone; to the kernel both are sockets.
    let socket = TcpStream::from(OwnedFd::from(listener));
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(limits::THREAD_IDLE_MAX))?;
    socket.set_write_timeout(Some(limits::WRITE_STALL_MAX))?;
    Ok(TcpListener::from(OwnedFd::from(socket)))
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}
