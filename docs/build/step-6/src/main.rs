//! A server that reads a body, but not of a stranger.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::SystemTime;

use step_2::answer::read_head;
use step_2::{Head, Response};
use step_3::answer::{metadata, refuse};
use step_3::{MCP, RESOURCE_METADATA};
use step_4::Holder;
use step_4::answer::admit;
use step_5::answer::{Timed, serve};
use step_5::{App, HEAD_TIME, WRITE_TIME};
use step_6::chosen::read_body;
use step_6::{BODY_TIME, close_in_stages};

fn main() -> io::Result<()> {
    let listener = step_1::listen()?;
    let app = App::new(format!("http://{}", listener.local_addr()?))?;
    serve(&listener, |stream| answer(stream, &app));
    Ok(())
}

fn answer(mut stream: TcpStream, app: &App) -> io::Result<()> {
    let response = match read_head(&mut Timed::new(&stream, HEAD_TIME)) {
        Ok(head) => route(&head, &stream, app),
        Err(bad) => bad.response(),
    };
    stream.set_write_timeout(Some(WRITE_TIME))?;
    stream.write_all(&response.bytes())?;
    close_in_stages(&stream)
}

fn route(head: &Head, stream: &TcpStream, app: &App) -> Response {
    match head.path() {
        MCP => match admit(head, SystemTime::now(), |hash| app.find(hash)) {
            Ok(holder) => read(head, stream, &holder),
            Err(refusal) => refuse(refusal, &app.base_url),
        },
        RESOURCE_METADATA => Response::json(200, &metadata(&app.base_url).to_string()),
        _ => Response::text(404, "nothing is here"),
    }
}

/// Takes a `Holder`, which the gate alone returns: so a body is read after the gate.
fn read(head: &Head, stream: &TcpStream, holder: &Holder) -> Response {
    match read_body(head, &mut Timed::new(stream, BODY_TIME)) {
        Ok(body) => Response::text(200, &format!("{} sent {} bytes", holder.person, body.len())),
        Err(bad) => bad.response(),
    }
}
