//! Step 2 with a fault: the server keeps all that comes, until an empty line.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use step_1::answer::serve;
use step_2::{READ_BYTES, Response};

fn main() -> io::Result<()> {
    serve(&step_1::listen()?, answer);
    Ok(())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut piece = [0; READ_BYTES];
    while !bytes.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&piece[..count]);
    }
    eprintln!("{} bytes kept for a stranger", bytes.len());
    stream.write_all(&Response::text(401, "Unauthorized").bytes())
}
