//! The other end of the connection, for the tests of the steps: starts a server, sends bytes, returns what comes back.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// How long a test waits for a server that doesn't answer.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A server on a free port, in a thread of the test.
pub struct Server {
    address: SocketAddr,
}

impl Server {
    /// Starts what serves a listener.
    pub fn start(serve: impl FnOnce(TcpListener) + Send + 'static) -> io::Result<Server> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        thread::Builder::new().spawn(move || serve(listener))?;
        Ok(Server { address })
    }

    /// Opens a connection.
    pub fn connect(&self) -> io::Result<TcpStream> {
        let refused = |error: io::Error| {
            io::Error::new(error.kind(), format!("nobody listens any more: has `serve` returned? ({error})"))
        };
        let stream = TcpStream::connect(self.address).map_err(refused)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Sends bytes, keeps its own side open as clients do, and returns all that comes until the server closes.
    pub fn send(&self, bytes: &[u8]) -> io::Result<String> {
        let mut stream = self.connect()?;
        stream.write_all(bytes)?;
        read_all(&mut stream)
    }

    /// Opens a connection and closes it again without a byte.
    pub fn say_nothing(&self) -> io::Result<String> {
        let mut stream = self.connect()?;
        stream.shutdown(Shutdown::Write)?;
        read_all(&mut stream)
    }
}

/// Returns all that comes until the server closes.
pub fn read_all(stream: &mut TcpStream) -> io::Result<String> {
    let mut response = String::new();
    match stream.read_to_string(&mut response) {
        Ok(_) => Ok(response),
        Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => {
            let waited = format!("the server neither goes on nor closes; so far came {response:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, waited))
        }
        Err(error) => Err(io::Error::new(error.kind(), format!("{error}; so far came {response:?}"))),
    }
}
