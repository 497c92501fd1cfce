//! A close that lets the client read the last response.

use std::io::{self, Read};
use std::net::{Shutdown, TcpStream};

use step_5::answer::Timed;

use crate::{DRAIN_BYTES_MAX, DRAIN_TIME};

/// Closes this side, then takes what the client still sends, and drops it. A plain close with unread bytes resets the
/// connection, and a reset can take the response away from a client that is still sending.
pub fn close_in_stages(stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    let mut rest = Timed::new(stream, DRAIN_TIME).take(DRAIN_BYTES_MAX);
    io::copy(&mut rest, &mut io::sink())?;
    Ok(())
}
