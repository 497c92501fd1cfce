//! Step 1 with a fault: the server reads until the end.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use step_1::UNAUTHORIZED;
use step_1::answer::serve;

fn main() -> io::Result<()> {
    serve(&step_1::listen()?, refuse);
    Ok(())
}

fn refuse(mut stream: TcpStream) -> io::Result<()> {
    let mut request = Vec::new();
    stream.read_to_end(&mut request)?;
    stream.write_all(UNAUTHORIZED.as_bytes())
}
