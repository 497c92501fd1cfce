//! Step 5 with a fault: the time begins anew with each read.

use std::io::{self, Write};
use std::net::TcpStream;

use step_2::Response;
use step_2::answer::read_head;
use step_5::HEAD_TIME;
use step_5::answer::serve;

fn main() -> io::Result<()> {
    serve(&step_1::listen()?, answer);
    Ok(())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(HEAD_TIME))?;
    let response = match read_head(&mut stream) {
        Ok(_) => Response::text(401, "Unauthorized"),
        Err(bad) => bad.response(),
    };
    stream.write_all(&response.bytes())
}
