//! A server that keeps tokens and entries in one file.

use std::error::Error;
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use step_2::answer::read_head;
use step_2::{Head, Response};
use step_3::answer::{metadata, refuse};
use step_3::{MCP, RESOURCE_METADATA, Refusal};
use step_4::answer::{admit, hash};
use step_4::{Holder, new_token};
use step_5::answer::{Timed, serve};
use step_5::{HEAD_TIME, WRITE_TIME};
use step_6::answer::read_body;
use step_6::{BODY_TIME, close_in_stages};
use step_7::Unavailable;
use step_8::chosen::{add_entry, add_token, find_token, open};

/// The file, in the folder where the server was started.
const DATABASE: &str = "gate.db";

/// What requests are answered from.
struct App {
    base_url: String,
    database: Mutex<Connection>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let listener = step_1::listen()?;
    let database = open(DATABASE)?;
    let token = new_token()?;
    let expires_at = SystemTime::now() + Duration::from_secs(3600);
    add_token(&database, hash(&token), &Holder { person: "ada@example.com".to_owned(), expires_at })?;
    println!("token for an hour: {token}");
    let base_url = format!("http://{}", listener.local_addr()?);
    let app = App { base_url, database: Mutex::new(database) };
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
            Ok(_) if head.method != "POST" => {
                Response::text(405, "send JSON-RPC by POST").with("Allow", "POST")
            }
            Ok(holder) => call(head, stream, app, &holder),
            Err(refusal) => refuse(refusal, &app.base_url),
        },
        RESOURCE_METADATA => Response::json(200, &metadata(&app.base_url).to_string()),
        _ => Response::text(404, "nothing is here"),
    }
}

fn call(head: &Head, stream: &TcpStream, app: &App, holder: &Holder) -> Response {
    match read_body(head, &mut Timed::new(stream, BODY_TIME)) {
        Ok(body) => step_7::answer::answer(&body, |title, content| app.create(holder, title, content)),
        Err(bad) => bad.response(),
    }
}

impl App {
    fn find(&self, hash: [u8; 32]) -> Result<Option<Holder>, Refusal> {
        find_token(&self.database(), hash).map_err(|error| {
            eprintln!("a token can't be looked up: {error}");
            Refusal::NoLookUp
        })
    }

    fn create(&self, holder: &Holder, title: &str, content: &str) -> Result<i64, Unavailable> {
        add_entry(&self.database(), &holder.person, title, content).map_err(|error| {
            eprintln!("an entry can't be written: {error}");
            Unavailable
        })
    }

    /// Each statement is whole or not done at all, so a thread that panicked has left the database as it was.
    fn database(&self) -> MutexGuard<'_, Connection> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
