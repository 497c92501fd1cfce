//! The server: accept → thread → connection → request → response.
//!
//! Knows no JSON, no SQL, no path and no token: what a request means is up to its handler. Invariant: a thread serves
//! one connection at a time, and a connection costs the others nothing, however slow, silent or broken it is.
//!
//! Everything here blocks. A thread that waits for its client sleeps in a system call and costs little but its stack,
//! of which only the touched pages are memory. So there is no event loop and no state machine: the life of a
//! connection is one function, read from top to bottom. What a blocking server needs besides has files of its own:
//! `connection` puts a deadline on every wait, `connections` bounds how many are open and ends them at shutdown,
//! `workers` reuses threads.
//!
//! A larger server would run each connection as a task of an asynchronous runtime, because tens of thousands of threads cost
//! memory and scheduling. The price is that no function may block any more, SQLite's included, and that the runtime
//! comes with more code than this whole program. [`limits::CONNECTIONS_MAX`] threads need none of it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use super::connection::{self, Connection, Delivery, TimedStream};
use super::connections::Connections;
use super::request::{BadRequest, Body, Head, RequestReader};
use super::response::Response;
use super::workers::Workers;
use crate::limits;
use crate::stderr;

/// What turns a request into a response.
///
/// It receives the request's head and its body, which is still unread, or the reason why the request can't be served;
/// and the address at the other end of the connection. An unreadable request goes to the handler too, because it is
/// answered and logged like every other. The type is a box and no type parameter: one indirect call costs nothing
/// beside a request, and `http/` stays free of the rooms above it.
pub(crate) type Handler =
    dyn Fn(Result<(&Head, &mut Body), BadRequest>, SocketAddr) -> Response + Send + Sync;

/// A running server. All its threads share it.
pub(crate) struct Server {
    handler: Box<Handler>,
    connections: Connections,
}

impl Server {
    /// Starts accepting on every listener and returns at once. No thread is ever joined: most of them are blocked in
    /// `accept` when the process ends, and no portable call would wake them.
    pub(crate) fn start(listeners: Vec<TcpListener>, handler: Box<Handler>) -> io::Result<Arc<Server>> {
        let server = Arc::new(Server { handler, connections: Connections::new() });
        for listener in listeners {
            let (server, listener) = (Arc::clone(&server), connection::configure(listener)?);
            Workers::start(move |workers| server.accept_connections(&listener, workers))?;
        }
        Ok(server)
    }

    /// The life of a worker thread: it accepts a connection, serves it to its end, and comes back for the next one.
    fn accept_connections(&self, listener: &TcpListener, workers: &Arc<Workers>) {
        loop {
            match listener.accept() {
                // The stream is dropped, which closes it. The client sees what it would see a moment later.
                Ok(_) if self.connections.is_stopping() => return,
                Ok((stream, peer)) => {
                    // From here on this thread belongs to the connection, for seconds or for hours. So it first makes
                    // sure that another worker accepts; in the other order, a few slow clients would shut the server.
                    match workers.leave_accept() {
                        Ok(()) => self.connections.admit(stream, |own| self.serve_connection(own, peer)),
                        // No other worker accepts, and none can be started. This one must return to `accept` soon.
                        Err(error) => {
                            stderr::note(&format!("no thread for the next connection: {error}"));
                            connection::turn_away_at_once(&stream);
                        }
                    }
                    workers.return_to_accept();
                }
                // No connection came within the listener's timeout: the moment to end a thread that isn't needed.
                Err(error) if connection::is_timeout(&error) && workers.may_end() => return,
                Err(error) if connection::is_timeout(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {} // by a signal: nothing is lost
                // The usual cause is that the process has no descriptor left. The connection then stays in the
                // kernel's queue, so this is no reason to end; but `accept` fails at once as long as that lasts, and
                // without a pause the loop would take a whole core.
                Err(error) => {
                    stderr::note(&format!("accept failed, trying again: {error}"));
                    thread::sleep(limits::ACCEPT_RETRY);
                }
            }
        }
    }

    /// The life of a connection: request, response, request, response, until one of the two sides ends it (RFC 9112
    /// §9.3).
    ///
    /// A client may send its next request before it has read the response (pipelining, RFC 9112 §9.3.2). That needs
    /// no code: the request waits in the reader's buffer, and responses leave in the order of the requests by
    /// themselves.
    fn serve_connection(&self, connection: &Arc<Connection>, peer: SocketAddr) {
        let mut requests = RequestReader::new(Box::new(TimedStream::new(Arc::clone(connection))));
        let mut out = Vec::new();
        loop {
            let (response, delivery) = match requests.next_head() {
                Ok(None) => return,
                // It came after the stop. A client must expect at any time that an idle connection ends (RFC 9112
                // §9.5).
                Ok(Some(_)) if self.connections.is_stopping() => return,
                Ok(Some(head)) => {
                    let mut body = requests.body(&head);
                    let response = (self.handler)(Ok((&head, &mut body)), peer);
                    // Of a body that the handler left unread, the rest would be taken for the next request: an
                    // attacker could put a whole request there, and a proxy in front would never have seen it.
                    let keep_open = body.finish() && head.persistent() && !response.closes();
                    (response, Delivery::to(&head, keep_open && !self.connections.is_stopping()))
                }
                // Where this request ends isn't certain, so neither is where the next one starts. Request smuggling
                // needs a reader that guesses (RFC 9112 §11.2); this one ends the connection.
                Err(bad) => ((self.handler)(Err(bad), peer), Delivery::LAST),
            };
            if connection.write_response(response, delivery, &mut out).is_err() {
                return; // the client has gone, or takes nothing
            }
            if !delivery.keep_open {
                return connection.close_in_stages();
            }
        }
    }

    /// The first step of a stop: connections that come from now on are dropped, and no connection gets a further
    /// request served. What is being served goes on.
    ///
    /// The stop has two steps because its caller must end the open event streams in between. If they ended before
    /// this step, their clients would connect again at once; if they were still open at the last step, it would wait
    /// for them in vain.
    pub(crate) fn stop_accepting(&self) {
        self.connections.stop();
    }

    /// The last step of a stop: closes idle connections, and gives what is being served [`limits::SHUTDOWN_GRACE`] to
    /// finish.
    pub(crate) fn finish(&self) {
        self.connections.close_all();
    }
}

/// Binds `address`. For a loopback address both families are bound on the same port: `localhost` means `::1` first on
/// many machines, and another program that held that port there would be sent our clients' tokens.
pub(crate) fn bind(address: SocketAddr) -> io::Result<Vec<TcpListener>> {
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
            // For port 0 the kernel chose a port that is free in the first family, and another program has it in the
            // second one. The next try gets another port.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && address.port() == 0 && tries < 10 => {}
            // A port that the operator chose is taken in one family. To serve in the other alone would leave clients
            // to the program that has it.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(_) => return Ok(vec![first]), // a machine without that family
        }
    }
}
