//! A slow client: it begins a head, then sends a byte five times in a second, 25 in all. It says how far it came.

use std::env;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const BYTES: u32 = 25;
const PAUSE: Duration = Duration::from_millis(200);

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| step_1::ADDRESS.to_owned());
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PAUSE))?;
    stream.write_all(b"GET /mcp HTTP/1.1\r\nX-Slow: ")?;
    for sent in 0..BYTES {
        if let Some(line) = answered(&mut stream)? {
            println!("after {sent} bytes: {line}");
            return Ok(());
        }
        stream.write_all(b"x")?;
    }
    println!("after {BYTES} bytes: the server still waits");
    Ok(())
}

/// Waits a moment for a response, and returns its first line.
fn answered(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut piece = [0; 1024];
    match stream.read(&mut piece) {
        Ok(count) => {
            let response = String::from_utf8_lossy(&piece[..count]).into_owned();
            Ok(Some(response.lines().next().unwrap_or("closed").to_owned()))
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => Ok(None),
        Err(error) => Err(error),
    }
}
