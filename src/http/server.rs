//! The server: worker thread → accept → connection → request → response.
//!
//! Knows no JSON, no SQL, no path and no token: what a request means is up to its handler. Invariant: a thread serves
//! one connection at a time. A slow, silent or broken connection holds one thread and one place under the cap; it
//! delays no other connection, and when all places are taken, one that waits for a request makes room.
//!
//! Everything here blocks. A thread that waits for its client sleeps in a system call. It costs its stack, of which
//! only the pages that were used take memory. So no event loop and no state machine is needed, and one function,
//! `serve_connection`, holds the life of a connection. Four other files do what a blocking server needs besides:
//! `connection` puts a deadline on every wait, `connections` bounds how many are open and ends them at shutdown,
//! `phase` says which of them makes room for a newcomer, `workers` reuses threads.
//!
//! A larger server would run each connection as a task of an event loop (tokio), because tens of thousands of threads
//! cost memory and scheduling. The price is that no function may block any more, SQLite's included, and that the
//! runtime is more code than this program. At most [`limits::CONNECTIONS_MAX`] threads don't justify that.

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
use crate::request_id::{RequestId, RequestIds};
use crate::stderr;

/// The function that turns a request into a response.
///
/// It receives the request's head and its body, which is still unread, or the reason why the request can't be served;
/// the address at the other end of the connection, and the id of the request. The handler also gets a request that
/// can't be read, because such a request is answered and logged too. `Handler` is a trait object and not a type
/// parameter: one indirect call is cheap compared with a request, and the types of `http/` stay without a parameter.
pub(crate) type Handler =
    dyn Fn(Result<(&Head, &mut Body), BadRequest>, SocketAddr, RequestId) -> Response + Send + Sync;

/// A running server. All its threads share it.
pub(crate) struct Server {
    handler: Box<Handler>,
    connections: Connections,
}

impl Server {
    /// Starts accepting on every listener and returns at once. The threads aren't joined: when the process ends, most
    /// of them are blocked in `accept`, and std has no call that wakes them.
    pub(crate) fn start(listeners: Vec<TcpListener>, handler: Box<Handler>) -> io::Result<Arc<Server>> {
        let server = Arc::new(Server { handler, connections: Connections::new() });
        for listener in listeners {
            let (server, listener) = (Arc::clone(&server), connection::configure(listener)?);
            Workers::start(move |workers| server.accept_connections(&listener, workers))?;
        }
        Ok(server)
    }

    /// Runs a worker thread: accepts a connection, serves the connection to its end, and accepts the next one.
    fn accept_connections(&self, listener: &TcpListener, workers: &Arc<Workers>) {
        loop {
            match listener.accept() {
                // The server is stopping, so the stream is dropped, which closes it. The client sees the same as
                // after the process has ended.
                Ok(_) if self.connections.is_stopping() => return,
                Ok((stream, peer)) => {
                    // From here on this thread serves the connection, for seconds or for hours. So it first makes
                    // sure that another worker waits in `accept`. Otherwise a few slow clients could hold all
                    // workers, and no new connection would be accepted.
                    match workers.leave_accept() {
                        Ok(()) => self.connections.admit(
                            stream,
                            |connection, number| self.serve_connection(connection, number, peer),
                            |number| self.refuse(number, peer),
                        ),
                        // No other worker waits in `accept`, and none can be started. This one must return to
                        // `accept` at once. A connection that waits for a request makes room, as when all places
                        // are taken: its thread accepts the next connection.
                        Err(error) => {
                            stderr::note(&format!("no thread for the next connection: {error}"));
                            self.connections.make_room();
                            connection::turn_away_at_once(&stream, || {
                                self.refuse(self.connections.next_number(), peer)
                            });
                        }
                    }
                    workers.return_to_accept();
                }
                // No connection came within the listener's timeout. If enough other workers wait, this thread ends.
                Err(error) if connection::is_timeout(&error) && workers.may_end() => return,
                Err(error) if connection::is_timeout(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {} // by a signal: nothing is lost
                // Mostly the process has no descriptor left. The connection then stays in the kernel's queue, and the
                // worker tries again. Until a descriptor is free each `accept` fails at once, so without a pause the
                // loop would take a whole core.
                Err(error) => {
                    stderr::note(&format!("accept failed, trying again: {error}"));
                    thread::sleep(limits::ACCEPT_RETRY);
                }
            }
        }
    }

    /// Serves a connection: request, response, request, response, until the client or the server ends the connection
    /// (RFC 9112 §9.3).
    ///
    /// A client may send its next request before it has read the response (pipelining, RFC 9112 §9.3.2). That needs
    /// no code: the next request waits in the reader's buffer until the response to the one before is written, so the
    /// responses have the order of the requests.
    fn serve_connection(&self, connection: &Arc<Connection>, number: u64, peer: SocketAddr) {
        let mut requests = RequestReader::new(Box::new(TimedStream::new(Arc::clone(connection))));
        let mut ids = RequestIds::of_connection(number);
        loop {
            let next = requests.next_head();
            // From here on the connection makes no room for another one. It may have done so a moment ago, while the
            // request arrived. Then a request that is here whole is still answered, but the rest of a body can't be
            // read any more.
            let ended = !connection.begin_request();
            let (response, delivery) = match next {
                Ok(None) => return,
                Ok(Some(head)) if !self.connections.is_stopping() => {
                    let mut body = requests.body(&head);
                    if ended && !body.has_arrived() {
                        return;
                    }
                    let response = (self.handler)(Ok((&head, &mut body)), peer, ids.begin_next());
                    // If the handler left a body unread, its bytes would be taken for the next request. An attacker
                    // could hide a request in them that a proxy has seen only as a body.
                    let keep_open = body.finish() && head.persistent() && !response.closes() && !ended;
                    (response, Delivery::to(&head, keep_open && !self.connections.is_stopping()))
                }
                // The request came after the stop; or it isn't certain where it ends and the next one starts. A server
                // that guessed could be used for request smuggling (RFC 9112 §11.2); this one ends the connection.
                refused => {
                    let bad = refused.err().unwrap_or(BadRequest::Stopping);
                    ((self.handler)(Err(bad), peer, ids.begin_next()), Delivery::LAST)
                }
            };
            if connection.write_response(response, delivery).is_err() {
                return; // the client has gone, or doesn't read
            }
            if !delivery.keep_open {
                return connection.close_in_stages();
            }
        }
    }

    /// Returns the response for a connection that gets no place, none of whose requests is read.
    fn refuse(&self, number: u64, peer: SocketAddr) -> Response {
        (self.handler)(Err(BadRequest::NoPlace), peer, RequestIds::of_connection(number).begin_next())
    }

    /// Begins a stop: new connections are dropped, and no connection gets another request served. The requests that
    /// are being served go on.
    ///
    /// The stop has two steps, because between them the caller ends the open event streams. If the streams ended
    /// before `stop_accepting`, their clients would connect again at once. If they were still open at `finish`, it
    /// would wait for them in vain.
    pub(crate) fn stop_accepting(&self) {
        self.connections.stop();
    }

    /// Ends a stop: closes the idle connections, and waits up to [`limits::SHUTDOWN_GRACE`] for the requests that are
    /// being served.
    pub(crate) fn finish(&self) {
        self.connections.close_all();
    }
}

/// Binds `address`. For `127.0.0.1` and for `::1` it binds the same port of both, if the machine has both. On many
/// machines `localhost` means `::1` first; another program with that port of `::1` would receive our clients' tokens.
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
            // For port 0 the kernel chose a port of the first address that is free there, but another program has it
            // at the second address. The next try gets another port.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && address.port() == 0 && tries < 10 => {}
            // The operator chose this port, and another program has it at the second address. If the server served
            // the first address alone, some clients would reach that program.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(_) => return Ok(vec![first]), // the machine doesn't have the second address
        }
    }
}
