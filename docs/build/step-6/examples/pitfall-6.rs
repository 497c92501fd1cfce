//! Step 6 with a fault: of two lengths the server takes the first.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use step_2::answer::read_head;
use step_2::{BadRequest, Head, Response};
use step_5::HEAD_TIME;
use step_5::answer::{Timed, serve};
use step_6::close_in_stages;

fn main() -> io::Result<()> {
    serve(&step_1::listen()?, answer);
    Ok(())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let response = match show_body(&mut Timed::new(&stream, HEAD_TIME)) {
        Ok(()) => Response::text(200, "read"),
        Err(bad) => bad.response(),
    };
    stream.write_all(&response.bytes())?;
    close_in_stages(&stream)
}

fn show_body(stream: &mut impl Read) -> Result<(), BadRequest> {
    let head = read_head(stream)?;
    let mut sent = head.rest.clone();
    stream.take(1024 - sent.len() as u64).read_to_end(&mut sent).ok(); // what comes until the deadline
    let (body, next) = sent.split_at(length(&head).min(sent.len()));
    eprintln!("the body:         {}", body.escape_ascii());
    eprintln!("the next request: {}", next.escape_ascii());
    Ok(())
}

fn length(head: &Head) -> usize {
    let first = head.fields("content-length").next().unwrap_or_default();
    str::from_utf8(first).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
