//! Tells the service manager that started the program how far it is, as `sd_notify(3)` says: systemd, with
//! `Type=notify` in the unit, or another one that sets `NOTIFY_SOCKET`.
//!
//! Knows nothing of what the program does. Invariant: a program that no such manager has started sends nothing, and a
//! message that can't be sent is noted and stops nothing.

use std::ffi::OsStr;
use std::io;
use std::os::unix::net::UnixDatagram;

use crate::stderr;

/// The server listens, and has said how it is reached: what depends on it may start.
pub(super) const READY: &str = "READY=1";
/// The server takes no further request, so that the manager doesn't take its end for a failure.
pub(super) const STOPPING: &str = "STOPPING=1";

/// Sends one of the messages above.
pub(super) fn tell(message: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else { return };
    if let Err(error) = send(&socket, message) {
        // A manager that waits for the message ends the server after a while, and its own log doesn't say why.
        stderr::note(&format!("can't tell the service manager {message} at {}: {error}", socket.display()));
    }
}

fn send(socket: &OsStr, message: &str) -> io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    // The socket may be full, and a server that waits for the manager would serve nobody.
    sender.set_nonblocking(true)?;
    #[cfg(target_os = "linux")]
    if let Some(name) = socket.as_encoded_bytes().strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::SocketAddr;
        return sender.send_to_addr(message.as_bytes(), &SocketAddr::from_abstract_name(name)?).map(drop);
    }
    sender.send_to(message.as_bytes(), socket).map(drop)
}
