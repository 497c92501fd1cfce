//! A server that lets the holder of a token pass.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use step_1::answer::serve;
use step_2::answer::read_head;
use step_2::{Head, Response};
use step_3::answer::{metadata, refuse};
use step_3::{MCP, RESOURCE_METADATA};
use step_4::chosen::{admit, hash};
use step_4::{Holder, new_token};

/// What requests are answered from.
struct App {
    base_url: String,
    /// The hash of each token, with its holder.
    tokens: HashMap<[u8; 32], Holder>,
}

fn main() -> io::Result<()> {
    let listener = step_1::listen()?;
    let token = new_token()?;
    let expires_at = SystemTime::now() + Duration::from_secs(3600);
    let holder = Holder { person: "ada@example.com".to_owned(), expires_at };
    let app = App {
        base_url: format!("http://{}", listener.local_addr()?),
        tokens: HashMap::from([(hash(&token), holder)]),
    };
    println!("token for an hour: {token}");
    serve(&listener, |stream| answer(stream, &app));
    Ok(())
}

fn answer(mut stream: TcpStream, app: &App) -> io::Result<()> {
    let response = match read_head(&mut stream) {
        Ok(head) => {
            let response = route(&head, app);
            eprintln!("{} {} {}", head.method, head.path(), response.status);
            response
        }
        Err(bad) => bad.response(),
    };
    stream.write_all(&response.bytes())
}

fn route(head: &Head, app: &App) -> Response {
    match head.path() {
        MCP => match admit(head, SystemTime::now(), |hash| Ok(app.tokens.get(&hash).cloned())) {
            Ok(holder) => Response::text(200, &format!("you are {}", holder.person)),
            Err(refusal) => refuse(refusal, &app.base_url),
        },
        RESOURCE_METADATA => Response::json(200, &metadata(&app.base_url).to_string()),
        _ => Response::text(404, "nothing is here"),
    }
}
