//! Your part of step 1.
#![allow(unused, reason = "until it is written")]

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::UNAUTHORIZED;

/// Accepts one connection after the other, and gives each to `answer`. Prints an error, and goes on.
pub fn serve(listener: &TcpListener, answer: impl Fn(TcpStream) -> io::Result<()>) {
    todo!("step 1: write `serve` in step-1/src/yours.rs")
}

/// Waits until the client has sent something, and refuses it. A client that closes first gets no response.
pub fn refuse(mut stream: TcpStream) -> io::Result<()> {
    todo!("step 1: write `refuse` in step-1/src/yours.rs")
}
