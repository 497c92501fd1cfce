//! Step 3 with a fault: the server takes its own name from the request.

use std::io::{self, Write};
use std::net::TcpStream;

use step_1::answer::serve;
use step_2::Head;
use step_2::answer::read_head;
use step_3::Refusal;
use step_3::answer::refuse;

fn main() -> io::Result<()> {
    serve(&step_1::listen()?, answer);
    Ok(())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let response = match read_head(&mut stream) {
        Ok(head) => refuse(Refusal::NoCredentials, &base_url(&head)),
        Err(bad) => bad.response(),
    };
    stream.write_all(&response.bytes())
}

fn base_url(head: &Head) -> String {
    let host = head.fields("host").next().unwrap_or_default();
    format!("http://{}", String::from_utf8_lossy(host))
}
