//! Step 7 with a fault: it takes for granted what a client sends, and holds the lock meanwhile. Without a gate, so that
//! it is short.
#![allow(clippy::unwrap_used, reason = "that is the fault")]

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Mutex;

use serde_json::Value;
use step_2::Response;
use step_2::answer::read_head;
use step_5::HEAD_TIME;
use step_5::answer::{Timed, serve};
use step_6::answer::read_body;
use step_6::close_in_stages;

type Journal = Mutex<Vec<String>>;

fn main() -> io::Result<()> {
    let journal = Journal::default();
    serve(&step_1::listen()?, |stream| answer(stream, &journal));
    Ok(())
}

fn answer(mut stream: TcpStream, journal: &Journal) -> io::Result<()> {
    let mut timed = Timed::new(&stream, HEAD_TIME);
    let body = read_head(&mut timed).and_then(|head| read_body(&head, &mut timed));
    let response = match body {
        Ok(body) => create_entry(&body, journal),
        Err(bad) => bad.response(),
    };
    stream.write_all(&response.bytes())?;
    close_in_stages(&stream)
}

fn create_entry(body: &[u8], journal: &Journal) -> Response {
    let mut entries = journal.lock().unwrap();
    let message: Value = serde_json::from_slice(body).unwrap();
    let arguments = &message["params"]["arguments"];
    entries.push(arguments["title"].as_str().unwrap().to_owned());
    Response::text(200, &format!("{} entries", entries.len()))
}
