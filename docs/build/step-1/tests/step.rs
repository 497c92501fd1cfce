//! When step 1 is right.

use std::cell::Cell;
use std::io;

use client::Server;
use step_1::UNAUTHORIZED;
use step_1::chosen::{refuse, serve};

#[test]
fn refuses_all_that_comes() -> io::Result<()> {
    let server = Server::start(|listener| serve(&listener, refuse))?;
    for request in ["GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n", "x", "\0\u{1}\u{7f}"] {
        assert_eq!(server.send(request.as_bytes())?, UNAUTHORIZED);
    }
    Ok(())
}

#[test]
fn says_nothing_to_a_client_that_says_nothing() -> io::Result<()> {
    let server = Server::start(|listener| serve(&listener, refuse))?;
    assert_eq!(server.say_nothing()?, "", "a client that sends no byte gets none");
    assert_eq!(server.send(b"x")?, UNAUTHORIZED, "the next client is served");
    Ok(())
}

#[test]
fn goes_on_after_an_error() -> io::Result<()> {
    let server = Server::start(|listener| {
        let first = Cell::new(true);
        serve(&listener, |stream| {
            if first.replace(false) { Err(io::ErrorKind::ConnectionReset.into()) } else { refuse(stream) }
        });
    })?;
    assert_eq!(server.say_nothing()?, "");
    assert_eq!(server.send(b"x")?, UNAUTHORIZED, "the next client is served");
    Ok(())
}
