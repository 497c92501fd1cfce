//! A server that writes an entry, into memory.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use step_2::answer::read_head;
use step_2::{Head, Response};
use step_3::answer::{metadata, refuse};
use step_3::{MCP, RESOURCE_METADATA};
use step_4::Holder;
use step_4::answer::admit;
use step_5::answer::{Timed, serve};
use step_5::{App, HEAD_TIME, WRITE_TIME};
use step_6::answer::read_body;
use step_6::{BODY_TIME, close_in_stages};
use step_7::Unavailable;

/// Each entry with its person, its title and its content.
type Journal = Mutex<Vec<(String, String, String)>>;

fn main() -> io::Result<()> {
    let listener = step_1::listen()?;
    let app = App::new(format!("http://{}", listener.local_addr()?))?;
    let journal = Journal::default();
    serve(&listener, |stream| answer(stream, &app, &journal));
    Ok(())
}

fn answer(mut stream: TcpStream, app: &App, journal: &Journal) -> io::Result<()> {
    let response = match read_head(&mut Timed::new(&stream, HEAD_TIME)) {
        Ok(head) => route(&head, &stream, app, journal),
        Err(bad) => bad.response(),
    };
    stream.set_write_timeout(Some(WRITE_TIME))?;
    stream.write_all(&response.bytes())?;
    close_in_stages(&stream)
}

fn route(head: &Head, stream: &TcpStream, app: &App, journal: &Journal) -> Response {
    match head.path() {
        MCP => match admit(head, SystemTime::now(), |hash| app.find(hash)) {
            Ok(_) if head.method != "POST" => {
                Response::text(405, "send JSON-RPC by POST").with("Allow", "POST")
            }
            Ok(holder) => call(head, stream, &holder, journal),
            Err(refusal) => refuse(refusal, &app.base_url),
        },
        RESOURCE_METADATA => Response::json(200, &metadata(&app.base_url).to_string()),
        _ => Response::text(404, "nothing is here"),
    }
}

fn call(head: &Head, stream: &TcpStream, holder: &Holder, journal: &Journal) -> Response {
    match read_body(head, &mut Timed::new(stream, BODY_TIME)) {
        Ok(body) => step_7::chosen::answer(&body, |title, content| create(journal, holder, title, content)),
        Err(bad) => bad.response(),
    }
}

fn create(journal: &Journal, holder: &Holder, title: &str, content: &str) -> Result<i64, Unavailable> {
    // A thread that panicked while it held the lock has left whole entries: `push` does all or nothing.
    let mut entries = journal.lock().unwrap_or_else(PoisonError::into_inner);
    entries.push((holder.person.clone(), title.to_owned(), content.to_owned()));
    i64::try_from(entries.len()).map_err(|_| Unavailable)
}
