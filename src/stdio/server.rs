//! The server that the messages go to, and the connections to it.
//!
//! Opens no database and knows no token. Invariant: the other end of a [`Connection`] that this file returns has the
//! key of the database.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::http::client::{Answer, ClientError, Connection, Request};
use crate::limits;
use crate::proof::{Challenge, Ends};
use crate::secret::Signer;
use crate::site;

/// A server, as the database tells of it.
pub(crate) struct DatabaseServer {
    /// Where it listens.
    listens: SocketAddr,
    /// Where this machine reaches it.
    pub(crate) address: SocketAddr,
    /// Has the key of the database.
    signer: Signer,
}

/// Why there is no connection to the server. Nothing was sent that is secret.
#[derive(Debug)]
pub(crate) enum ConnectError {
    NotReached(ClientError),
    /// What answers there hasn't proved that it is the server of this database.
    NotProved,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            ConnectError::NotReached(error) => error.fmt(out),
            ConnectError::NotProved => {
                out.write_str("what answers there hasn't proved that it has the database")
            }
        }
    }
}

impl Error for ConnectError {}

impl DatabaseServer {
    pub(crate) fn new(listens: SocketAddr, signer: Signer) -> DatabaseServer {
        DatabaseServer { listens, address: reachable(listens), signer }
    }

    /// Connects, and has the server prove that it has this database. Each connection has a proof of its own: between
    /// two messages the server may end, and another program take its port.
    pub(crate) fn connect(&self) -> Result<Connection, ConnectError> {
        let connection = Connection::open(self.address, limits::STDIO_PROOF_WAIT_MAX);
        let mut connection = connection.map_err(ConnectError::NotReached)?;
        let client = connection.local_address().map_err(ConnectError::NotReached)?;
        let challenge = Challenge::generate();
        let request = Request {
            address: self.address,
            method: "GET",
            host: &self.host(),
            target: &format!("{}?{}", site::PROOF, challenge.query()),
            fields: &[],
            body: b"",
        };
        match connection.ask_before_last(&request, limits::STDIO_PROOF_BYTES_MAX) {
            Ok(Answer { status: 200, body: Ok(body), .. }) => {
                let proof = std::str::from_utf8(body.trim_ascii_end()).unwrap_or_default();
                let is_proved =
                    Ends { listens: self.listens, client }.are_proved(&self.signer, &challenge, proof);
                if is_proved { Ok(connection) } else { Err(ConnectError::NotProved) }
            }
            // It stops, or has no place for another connection: nothing was done.
            Ok(Answer { status: 503, .. })
            | Err(ClientError::Unread | ClientError::Gone | ClientError::Slow) => {
                Err(ConnectError::NotReached(ClientError::Unread))
            }
            Ok(_) | Err(_) => Err(ConnectError::NotProved),
        }
    }

    /// A name of this machine is always one of the server's, whatever its public URL is.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.address.port())
    }
}

/// Returns the address at which this machine reaches a server that listens on all of its addresses.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}
