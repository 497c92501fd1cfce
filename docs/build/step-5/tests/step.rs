//! When step 5 is right.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use client::{PATIENCE, Server, read_all};
use step_2::answer::read_head;
use step_2::{BadRequest, Response};
use step_5::CONNECTIONS_MAX;
use step_5::chosen::{Timed, serve};

/// Reads one byte, and sends it back.
fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    stream.write_all(&byte)
}

/// Answers with what came of the head, which has to come within a time.
fn answer_within(time: Duration, mut stream: TcpStream) -> io::Result<()> {
    let head = read_head(&mut Timed::new(&stream, time));
    stream.write_all(&head.map_or_else(BadRequest::response, |_| Response::text(200, "a head")).bytes())
}

#[test]
fn serves_a_client_while_another_one_is_silent() -> io::Result<()> {
    let server = Server::start(|listener| serve(&listener, echo))?;
    let _silent = server.connect()?;
    assert_eq!(server.send(b"x")?, "x");
    Ok(())
}

#[test]
fn serves_so_many_at_once_and_no_more() -> io::Result<()> {
    let server = Server::start(|listener| serve(&listener, echo))?;
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        silent.push(server.connect()?);
    }
    let mut one_too_many = server.connect()?;
    let response = read_all(&mut one_too_many)?;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    // A client that leaves makes room.
    drop(silent);
    let began = Instant::now();
    while !server.send(b"x").is_ok_and(|response| response == "x") {
        assert!(began.elapsed() < PATIENCE, "no place became free");
        thread::yield_now();
    }
    Ok(())
}

#[test]
fn frees_the_place_of_a_thread_that_panics() -> io::Result<()> {
    let server = Server::start(|listener| {
        serve(&listener, |stream| {
            let mut first = [0];
            stream.peek(&mut first)?;
            assert_ne!(first, *b"!", "a fault of this test");
            echo(stream)
        });
    })?;
    for _ in 0..2 * CONNECTIONS_MAX {
        let _ = server.send(b"!");
    }
    assert_eq!(server.send(b"x")?, "x");
    Ok(())
}

#[test]
fn reads_what_comes_in_time() -> io::Result<()> {
    let server = Server::start(|listener| serve(&listener, |stream| answer_within(PATIENCE, stream)))?;
    let response = server.send(b"GET / HTTP/1.1\r\n\r\n")?;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    Ok(())
}

#[test]
fn waits_no_longer_for_a_client_that_sends_nothing() -> io::Result<()> {
    let moment = Duration::from_millis(300);
    let server = Server::start(move |listener| serve(&listener, |stream| answer_within(moment, stream)))?;
    let response = read_all(&mut server.connect()?)?;
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    Ok(())
}

#[test]
fn waits_no_longer_for_a_client_that_sends_a_byte_now_and_then() -> io::Result<()> {
    let moment = Duration::from_millis(300);
    let server = Server::start(move |listener| serve(&listener, |stream| answer_within(moment, stream)))?;
    let mut stream = server.connect()?;
    stream.set_read_timeout(Some(Duration::from_millis(50)))?;
    let began = Instant::now();
    let mut response = [0; 13];
    loop {
        match stream.read(&mut response) {
            Ok(_) => break,
            Err(_) => assert!(began.elapsed() < PATIENCE, "the server still waits for the head"),
        }
        stream.write_all(b"x")?;
    }
    assert_eq!(&response, b"HTTP/1.1 408 ");
    Ok(())
}
