//! The answer to step 1.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::UNAUTHORIZED;

/// Accepts one connection after the other, and gives each to `answer`. Prints an error, and goes on.
pub fn serve(listener: &TcpListener, answer: impl Fn(TcpStream) -> io::Result<()>) {
    for stream in listener.incoming() {
        // An error is the trouble of one client. With `?` it would end the server for all of them.
        if let Err(error) = stream.and_then(&answer) {
            eprintln!("a connection failed: {error}");
        }
    }
}

/// Waits until the client has sent something, and refuses it. A client that closes first gets no response.
pub fn refuse(mut stream: TcpStream) -> io::Result<()> {
    // One read, not all until the end: the client leaves its side open, because it waits for the response.
    let count = stream.read(&mut [0; 2048])?;
    if count == 0 {
        return Ok(());
    }
    stream.write_all(UNAUTHORIZED.as_bytes())
    // Here `stream` is dropped, which closes the connection.
}
