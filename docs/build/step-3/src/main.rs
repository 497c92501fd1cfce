//! A server that refuses, and says where to get a token.

use std::io::{self, Write};
use std::net::TcpStream;

use step_1::answer::serve;
use step_2::answer::read_head;
use step_2::{Head, Response};
use step_3::chosen::{metadata, refuse};
use step_3::{MCP, RESOURCE_METADATA, Refusal};

fn main() -> io::Result<()> {
    let listener = step_1::listen()?;
    let base_url = format!("http://{}", listener.local_addr()?);
    serve(&listener, |stream| answer(stream, &base_url));
    Ok(())
}

fn answer(mut stream: TcpStream, base_url: &str) -> io::Result<()> {
    let response = match read_head(&mut stream) {
        Ok(head) => route(&head, base_url),
        Err(bad) => bad.response(),
    };
    stream.write_all(&response.bytes())
}

fn route(head: &Head, base_url: &str) -> Response {
    match head.path() {
        MCP => refuse(Refusal::NoCredentials, base_url),
        RESOURCE_METADATA => Response::json(200, &metadata(base_url).to_string()),
        _ => Response::text(404, "nothing is here"),
    }
}
