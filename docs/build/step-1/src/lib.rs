//! Step 1: one thread, and one 401 for all that comes.

pub mod answer;
pub mod yours;

#[cfg(feature = "answer")]
pub use answer as chosen;
#[cfg(not(feature = "answer"))]
pub use yours as chosen;

use std::env;
use std::io;
use std::net::TcpListener;

/// Where the server listens if the command line names no other address.
pub const ADDRESS: &str = "127.0.0.1:8780";

/// The one response of this step.
pub const UNAUTHORIZED: &str = "HTTP/1.1 401 Unauthorized\r\n\
    Connection: close\r\n\
    Content-Length: 13\r\n\
    \r\n\
    Unauthorized\n";

/// Binds the address, and prints it.
pub fn listen() -> io::Result<TcpListener> {
    let address = env::args().nth(1).unwrap_or_else(|| ADDRESS.to_owned());
    let listener = TcpListener::bind(address)?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(listener)
}
