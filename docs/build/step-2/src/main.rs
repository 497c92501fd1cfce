//! A server that reads the head of a request before it refuses.

use std::io::{self, Write};
use std::net::TcpStream;

use step_1::answer::serve;
use step_2::chosen::read_head;
use step_2::{Head, Response};

fn main() -> io::Result<()> {
    serve(&step_1::listen()?, answer);
    Ok(())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let response = match read_head(&mut stream) {
        Ok(head) => route(&head),
        Err(bad) => bad.response(),
    };
    stream.write_all(&response.bytes())
}

fn route(head: &Head) -> Response {
    match head.path() {
        "/mcp" => Response::text(401, "Unauthorized"),
        _ => Response::text(404, "nothing is here"),
    }
}
