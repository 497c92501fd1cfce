//! Step 4 with a fault: the log has all that the client sent.

use std::io::{self, Write};
use std::net::TcpStream;

use step_1::answer::serve;
use step_2::Head;
use step_2::answer::read_head;
use step_3::Refusal;
use step_3::answer::refuse;

fn main() -> io::Result<()> {
    let listener = step_1::listen()?;
    let base_url = format!("http://{}", listener.local_addr()?);
    serve(&listener, |stream| answer(stream, &base_url));
    Ok(())
}

fn answer(mut stream: TcpStream, base_url: &str) -> io::Result<()> {
    let response = match read_head(&mut stream) {
        Ok(head) => {
            log(&head);
            refuse(Refusal::InvalidToken, base_url)
        }
        Err(bad) => bad.response(),
    };
    stream.write_all(&response.bytes())
}

fn log(head: &Head) {
    eprintln!("{} {}", head.method, head.path());
    for (name, value) in &head.fields {
        eprintln!("  {name}: {}", value.escape_ascii());
    }
}
