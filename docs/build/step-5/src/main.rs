//! A server that one slow client can't hold up.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::SystemTime;

use step_2::answer::read_head;
use step_2::{Head, Response};
use step_3::answer::{metadata, refuse};
use step_3::{MCP, RESOURCE_METADATA};
use step_4::answer::admit;
use step_5::chosen::{Timed, serve};
use step_5::{App, HEAD_TIME, WRITE_TIME};

fn main() -> io::Result<()> {
    let listener = step_1::listen()?;
    let app = App::new(format!("http://{}", listener.local_addr()?))?;
    serve(&listener, |stream| answer(stream, &app));
    Ok(())
}

fn answer(mut stream: TcpStream, app: &App) -> io::Result<()> {
    let response = match read_head(&mut Timed::new(&stream, HEAD_TIME)) {
        Ok(head) => route(&head, app),
        Err(bad) => bad.response(),
    };
    stream.set_write_timeout(Some(WRITE_TIME))?;
    stream.write_all(&response.bytes())
}

fn route(head: &Head, app: &App) -> Response {
    match head.path() {
        MCP => match admit(head, SystemTime::now(), |hash| app.find(hash)) {
            Ok(holder) => Response::text(200, &format!("you are {}", holder.person)),
            Err(refusal) => refuse(refusal, &app.base_url),
        },
        RESOURCE_METADATA => Response::json(200, &metadata(&app.base_url).to_string()),
        _ => Response::text(404, "nothing is here"),
    }
}
