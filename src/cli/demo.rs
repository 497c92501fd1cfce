//! `epicme serve --demo`: a person, a token and three entries, and what to paste to see the gate at work.
//!
//! Calls no function of the journal. It writes the entries over HTTP with the token, as any client would, because the
//! functions of the journal need a permit of the gate. So the demo is also a first test of the server that was just
//! started.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{CliError, show_once};
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::client::{self, Bounds, Request};
use crate::limits;
use crate::scope::Scopes;
use crate::secret::{self, TokenText};
use crate::site;
use crate::store::StoreError;
use crate::tokens::{self, NewToken};
use crate::users;

const EMAIL: &str = "demo@localhost";
const TAGS: [(&str, &str); 3] = [
    ("garden", "What grows, and what the slugs left"),
    ("reading", "Books and what they left behind"),
    ("people", "Who I met"),
];
/// Title, content, mood, weather, and the tags' places in [`TAGS`].
const ENTRIES: [(&str, &str, &str, &str, &[usize]); 3] = [
    (
        "First tomatoes",
        "Four red ones on the south wall, three weeks earlier than last year. The basil next to them has bolted.",
        "proud",
        "sunny",
        &[0],
    ),
    (
        "Rain all day",
        "Read the second half of the lighthouse book while the rain ran down the window. The storm chapter is \
         better than I remembered.",
        "calm",
        "rain",
        &[1],
    ),
    (
        "Tea with Ines",
        "She brought cuttings of her blue hydrangea and a novel I must give back by August. We sat outside until \
         the rain came.",
        "grateful",
        "cloudy",
        &[0, 1, 2],
    ),
];

/// Adds the person and the token, writes the entries, and prints what to try.
///
/// The password is drawn at random: a fixed one would be known to everyone who has read this file, and demos stay
/// running longer than was meant.
pub(super) fn fill(app: &App, bound: SocketAddr) -> Result<(), CliError> {
    let password = secret::random_text::<12>();
    // In the memory that the server keeps for this, see `passwords.rs`.
    let permit = app.sign_ins.queue.take(bound.ip(), EMAIL);
    let hash = permit
        .map_err(|error| CliError::Failed(format!("no password for the example: {error}")))?
        .hash(&password);
    let (now, resource) = (Timestamp::now(), app.site.audience().to_owned());
    // One transaction: a person who was left without a token would make the next start take this for a database that
    // is in use, and print no example.
    let token = app.store.write(move |connection| {
        let user_id = users::insert_hashed(connection, EMAIL, &hash, now)?.ok_or(StoreError::Abandoned)?;
        let (scopes, label, seconds) = (Scopes::ALL, "demo".to_owned(), limits::DEMO_TOKEN_SECONDS);
        tokens::insert(
            connection,
            &NewToken { user_id, resource, scopes, label, seconds, grant_id: None },
            now,
        )
    })?;
    let withdraw = || users::remove(&app.store, EMAIL, now).map(|_| ());
    // Nobody has seen the token. With the person the next start would take this for a database that is in use.
    write_entries(bound, &token).inspect_err(|_| _ = withdraw())?;

    let base_url = app.site.base_url_for(None).unwrap_or_default();
    let (url, token) = (format!("{base_url}{}", site::MCP), token.reveal());
    let shown = format!(
        "
MCP URL   {url}
Person    {EMAIL}, password {password}
Token     {token}
          (this is shown once; the token is good for a day)

Send a request without the token. The answer is a 401, and its challenge says where to get one:

  curl -i {url} -H 'Content-Type: application/json' -d '{whoami}'

The same with the token:

  curl -i {url} -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d '{whoami}'

Write an entry:

  curl {url} -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d '{write}'

Search for it:

  curl {url} -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d '{search}'
",
        whoami = call("whoami", json!({})),
        write = call("create_entry", json!({ "title": "Hello", "content": "My first entry from curl." })),
        search = call("search_entries", json!({ "query": "first entry" })),
    );
    show_once(&shown, withdraw)
}

fn write_entries(bound: SocketAddr, token: &TokenText) -> Result<(), CliError> {
    let mut tag_ids = Vec::new();
    for (name, description) in TAGS {
        let tag =
            post(bound, token, &call("create_tag", json!({ "name": name, "description": description })))?;
        tag_ids.push(tag["tag"]["id"].clone());
    }
    for (title, content, mood, weather, tags) in ENTRIES {
        let tags: Vec<_> = tags.iter().map(|place| &tag_ids[*place]).collect();
        let entry = json!({
            "title": title, "content": content, "mood": mood, "weather": weather, "tags": tags,
        });
        post(bound, token, &call("create_entry", entry))?;
    }
    Ok(())
}

/// Builds the request that calls a tool. The requests in the printed curl lines are built by it too.
fn call(tool: &str, arguments: Value) -> Value {
    json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool, "arguments": arguments },
    })
}

/// Sends one call and returns the structured content of its result. The call goes to the address that the server has
/// just bound, with a `Host` that is one of the server's names. It has a deadline: if the server doesn't answer, the
/// start fails.
fn post(bound: SocketAddr, token: &TokenText, message: &Value) -> Result<Value, CliError> {
    let failed = |why: &str| CliError::Failed(format!("can't write the example entries: {why}"));
    let (host, authorization) = (format!("localhost:{}", bound.port()), format!("Bearer {}", token.reveal()));
    let message = message.to_string();
    let call = Request {
        address: bound,
        method: "POST",
        host: &host,
        target: site::MCP,
        fields: &[
            ("Authorization", &authorization),
            ("Content-Type", "application/json"),
            ("MCP-Protocol-Version", "2025-11-25"),
        ],
        body: message.as_bytes(),
    };
    let bounds = Bounds { deadline: limits::ANSWER_DEADLINE, body_bytes_max: Some(limits::ANSWER_BYTES_MAX) };
    let answer = client::send(&call, bounds).and_then(|answer| answer.body);
    let body = answer.map_err(|error| failed(&error.to_string()))?;
    let mut answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    match answer["result"]["structuredContent"].take() {
        Value::Null => Err(failed(&answer.to_string())),
        content => Ok(content),
    }
}
