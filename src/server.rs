//! Sockets and threads: accept, one thread for each connection, deadlines, the cap, shutdown.
//!
//! Knows no JSON, no SQL, no paths and no tokens. Invariant: a thread serves one connection at a time, and a
//! connection costs the others nothing, however slow, silent or broken it is.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::limits;
use crate::request::{Incoming, Section, Source};
use crate::response::Response;
use crate::routes::{self, App};
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
    app: App,
    addresses: Vec<SocketAddr>,
    connections_max: usize,
    open: AtomicUsize,
    stopping: AtomicBool,
    crew: Mutex<Crew>,
    handed_over: Condvar,
    all_closed: Condvar,
    peers: Mutex<HashMap<u64, Arc<Peer>>>,
    next_peer: AtomicU64,
}

/// Threads without a connection, and connections on their way to them.
struct Crew {
    waiting: usize,
    handed: VecDeque<Connection>,
}

/// A connection that was just accepted.
struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    /// Over the cap: it is told so and nothing else.
    refused: bool,
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
            app,
            addresses: listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?,
            connections_max: limits::CONNECTIONS_MAX
                .min(descriptors.saturating_sub(limits::DESCRIPTORS_RESERVED + limits::REFUSALS_MAX))
                .max(1),
            open: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            crew: Mutex::new(Crew { waiting: 0, handed: VecDeque::new() }),
            handed_over: Condvar::new(),
            all_closed: Condvar::new(),
            peers: Mutex::new(HashMap::new()),
            next_peer: AtomicU64::new(0),
        });
        for listener in listeners {
            let server = Arc::clone(&server);
            thread::Builder::new().name("accept".into()).spawn(move || server.accept(&listener))?;
        }
        Ok(server)
    }

    /// Stops accepting, ends idle connections, gives requests in flight [`limits::SHUTDOWN_GRACE`] to finish.
    pub fn stop(&self) {
        self.stopping.store(true, SeqCst);
        for address in &self.addresses {
            // `accept` has no deadline; a connection of our own wakes it.
            let ip = match address.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
                ip => ip,
            };
            let _ = TcpStream::connect_timeout(&(ip, address.port()).into(), Duration::from_secs(1));
        }
        for peer in locked(&self.peers).values().filter(|peer| peer.idle.load(SeqCst)) {
            let _ = peer.stream.shutdown(Shutdown::Read); // its thread reads the end and closes
        }
        let crew = locked(&self.crew);
        let busy = |_: &mut Crew| self.open.load(SeqCst) > 0;
        drop(self.all_closed.wait_timeout_while(crew, limits::SHUTDOWN_GRACE, busy));
    }

    /// The database and all else that requests are answered from.
    pub fn app(&self) -> &App {
        &self.app
    }

    fn accept(self: &Arc<Server>, listener: &TcpListener) {
        loop {
            match listener.accept() {
                Ok(_) if self.stopping.load(SeqCst) => return,
                Ok((stream, address)) => self.take_on(stream, address),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    trace::note(&format!("accept failed, trying again: {error}"));
                    thread::sleep(limits::ACCEPT_RETRY);
                }
            }
        }
    }

    /// Hands a connection to a waiting thread, or to a new one.
    fn take_on(self: &Arc<Server>, stream: TcpStream, address: SocketAddr) {
        let open = self.open.fetch_add(1, SeqCst);
        if open >= self.connections_max + limits::REFUSALS_MAX {
            self.count_closed();
            return; // dropped unanswered: even saying no has its bound
        }
        let connection = Connection { stream, address, refused: open >= self.connections_max };
        let mut crew = locked(&self.crew);
        crew.handed.push_back(connection);
        if crew.waiting >= crew.handed.len() {
            self.handed_over.notify_one();
            return;
        }
        drop(crew);
        let server = Arc::clone(self);
        let thread = thread::Builder::new().name("connection".into()).stack_size(limits::THREAD_STACK_BYTES);
        // The builder's `spawn` reports a kernel out of threads, where `thread::spawn` would panic.
        if let Err(error) = thread.spawn(move || server.work()) {
            trace::note(&format!("no thread for a connection: {error}"));
            if let Some(connection) = locked(&self.crew).handed.pop_back() {
                let _ = connection.stream.set_nonblocking(true); // the accept loop waits for nobody
                let _ = write_busy(&connection.stream);
                self.count_closed();
            }
        }
    }

    /// The life of a thread: one connection after the other, until none comes for a while.
    ///
    /// A thread costs more to make than a short connection costs to serve, so it waits before it ends.
    fn work(&self) {
        loop {
            let mut crew = locked(&self.crew);
            crew.waiting += 1;
            let none_handed = |crew: &mut Crew| crew.handed.is_empty();
            let waited = self.handed_over.wait_timeout_while(crew, limits::THREAD_IDLE_MAX, none_handed);
            let (mut crew, _) = waited.unwrap_or_else(PoisonError::into_inner);
            crew.waiting -= 1;
            let Some(connection) = crew.handed.pop_front() else { return };
            drop(crew);
            // A panic ends this connection alone; the hook has already printed where it was.
            let _ = catch_unwind(AssertUnwindSafe(|| self.converse(connection)));
            self.count_closed();
        }
    }

    fn count_closed(&self) {
        if self.open.fetch_sub(1, SeqCst) == 1 && self.stopping.load(SeqCst) {
            drop(locked(&self.crew)); // the waiter is either asleep or not yet looking
            self.all_closed.notify_all();
        }
    }

    /// The life of a connection.
    fn converse(&self, connection: Connection) {
        let Connection { stream, address, refused } = connection;
        let timeouts = stream.set_nodelay(true).and(stream.set_write_timeout(Some(limits::WRITE_STALL_MAX)));
        if timeouts.is_err() {
            return; // the peer is gone already
        }
        if refused {
            if write_busy(&stream).is_ok() {
                linger(&stream);
            }
            return;
        }
        let peer = Registered::new(self, stream);
        let mut stream = &peer.peer.stream;
        let mut incoming = Incoming::new(Box::new(Line::new(Arc::clone(&peer.peer))));
        let mut out = Vec::new();
        loop {
            let (response, without_body, keep) = match incoming.head() {
                Ok(None) => return,
                Ok(Some(_)) if self.stopping.load(SeqCst) => return,
                Ok(Some(head)) => {
                    let mut body = incoming.body(&head);
                    let response = routes::answer(&self.app, &head, &mut body, address);
                    let keep = body.finish() && head.persistent() && !response.closes();
                    (response, head.method() == "HEAD", keep && !self.stopping.load(SeqCst))
                }
                Err(bad) => (routes::refuse(bad, address), false, false),
            };
            out.clear();
            response.write(&mut out, without_body, !keep);
            if stream.write_all(&out).is_err() {
                return;
            }
            if !keep {
                linger(stream);
                return;
            }
            if out.capacity() > limits::IDLE_BUFFER_BYTES_MAX {
                out = Vec::new();
            }
            peer.peer.idle.store(true, SeqCst);
            if self.stopping.load(SeqCst) {
                return; // shutdown looked before this connection was idle
            }
        }
    }
}

/// Says that the cap is reached (RFC 9110 §15.6.4).
fn write_busy(mut stream: &TcpStream) -> io::Result<()> {
    let mut out = Vec::new();
    Response::text(503, "all connections are taken; try again")
        .with("Retry-After", "1")
        .write(&mut out, false, true);
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
/// The socket's own timeout is set only when it must differ from the last one: a client that sends a request
/// in one piece costs no system call for it.
struct Line {
    peer: Arc<Peer>,
    section: Section,
    deadline: Instant,
    timeout: Option<Duration>,
}

impl Line {
    fn new(peer: Arc<Peer>) -> Line {
        Line { peer, section: Section::Idle, deadline: Instant::now(), timeout: None }
    }

    fn set_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        if self.timeout != Some(timeout) {
            self.peer.stream.set_read_timeout(Some(timeout))?;
            self.timeout = Some(timeout);
        }
        Ok(())
    }
}

impl Source for Line {
    fn section(&mut self, section: Section) {
        self.section = section;
        if section == Section::Body {
            self.peer.idle.store(false, SeqCst); // its head came with the last request, in one read
        }
        match section {
            Section::Idle => {}
            Section::Head => self.deadline = Instant::now() + limits::HEAD_DEADLINE,
            Section::Body => self.deadline = Instant::now() + limits::BODY_DEADLINE,
        }
    }
}

impl Read for Line {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.section {
            Section::Idle => self.set_timeout(limits::IDLE_MAX)?,
            Section::Head | Section::Body => {
                let left = self.deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                self.set_timeout(left)?;
            }
        }
        let count = (&self.peer.stream).read(into)?;
        if self.section == Section::Idle && count > 0 {
            self.peer.idle.store(false, SeqCst);
        }
        Ok(count)
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

/// A lock whose holder panicked is still good: no critical section here leaves half a change behind.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
