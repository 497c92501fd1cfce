//! An authorization server elsewhere: epicme asks it about each token, and admits nobody in doubt.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::{Client, Folder, Server, deaf_address, read_on, request};

pub const ISSUER: &str = "https://auth.example/tenant";
pub const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// Another server's introspection endpoint: answers each request with what it holds, and keeps the last request.
pub struct Elsewhere {
    address: SocketAddr,
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<Mutex<String>>,
    /// How often it was asked.
    pub times: Arc<AtomicUsize>,
}

/// What an endpoint says of one token: status and body.
type Verdict = dyn Fn(&str) -> (u16, String) + Send + Sync;

impl Elsewhere {
    pub fn start() -> Elsewhere {
        let answer = Arc::new(Mutex::new((500, String::new())));
        let held = Arc::clone(&answer);
        Elsewhere { answer, ..Elsewhere::judging(move |_| held.lock().expect("the answer").clone()) }
    }

    /// An endpoint that says of each token what `verdict` says, of several at once.
    pub fn judging(verdict: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Elsewhere {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let elsewhere = Elsewhere {
            address: listener.local_addr().expect("an address"),
            answer: Arc::default(),
            asked: Arc::default(),
            times: Arc::default(),
        };
        let (asked, times) = (Arc::clone(&elsewhere.asked), Arc::clone(&elsewhere.times));
        let verdict: Arc<Verdict> = Arc::new(verdict);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("a connection");
                let (asked, times, verdict) = (Arc::clone(&asked), Arc::clone(&times), Arc::clone(&verdict));
                thread::spawn(move || Elsewhere::answer(stream, &asked, &times, &*verdict));
            }
        });
        elsewhere
    }

    fn answer(mut stream: TcpStream, asked: &Mutex<String>, times: &AtomicUsize, verdict: &Verdict) {
        let mut request = String::new();
        let mut part = [0; 4096];
        // The field after the token shows that the token is whole.
        while !request.contains("&token_type_hint=") {
            let count = read_on(&mut stream, &mut part).expect("a request");
            request.push_str(&String::from_utf8_lossy(&part[..count]));
            if count == 0 {
                break;
            }
        }
        let token = request.split_once("\r\n\r\ntoken=").map_or("", |(_, body)| body);
        let token = token.split('&').next().unwrap_or_default().to_owned();
        *asked.lock().expect("the request") = request;
        times.fetch_add(1, Ordering::SeqCst);
        let (status, body) = verdict(&token);
        let head = format!("HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n\r\n");
        let _ = stream.write_all(format!("{head}{body}").as_bytes());
    }

    pub fn says(&self, status: u16, body: &Value) {
        *self.answer.lock().expect("the answer") = (status, body.to_string());
    }

    pub fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    fn serve_with(&self, further: &[&str]) -> Server {
        self.start_server(further, |options| Server::start_in(Arc::new(Folder::new()), options))
    }

    /// A server that may open this many descriptors.
    pub fn serve_with_descriptors(&self, count: usize) -> Server {
        let start =
            |options: &[&str]| Server::start_in_with_descriptors(Arc::new(Folder::new()), count, options);
        self.start_server(&[], start)
    }

    fn start_server(&self, further: &[&str], start: impl Fn(&[&str]) -> Server) -> Server {
        let url = format!("http://{}/introspect", self.address);
        let options = [
            "--authorization-server",
            ISSUER,
            "--introspection-url",
            &url,
            "--introspection-id",
            "epicme id",
            "--introspection-secret",
            "s:cret",
        ];
        start(&[&options, further].concat())
    }
}

/// The time so many seconds later.
pub fn seconds(later: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
    now.as_secs() as i64 + later
}

/// A live token of somebody, for this server.
pub fn live(server: &Server, subject: &str) -> Value {
    json!({
        "active": true, "sub": subject, "aud": format!("{}/mcp", server.base_url()), "iss": ISSUER, "exp": seconds(600),
        "scope": "openid user:read entries:read entries:write",
    })
}

pub fn status(server: &Server, token: &str) -> u16 {
    Client::new(server, token).post(&[], PING).status
}

#[test]
fn takes_a_token_that_the_other_server_vouches_for() {
    let elsewhere = Elsewhere::start();
    let server = elsewhere.serve();
    elsewhere.says(200, &live(&server, "u-1"));
    let mut ada = Client::new(&server, "any.token_of~theirs");
    ada.ok("create_entry", json!({ "title": "Mine", "content": "x" }));
    let who = ada.ok("whoami", json!({}));
    assert_eq!(who["user"]["email"], format!("u-1 at {ISSUER}"));
    assert_eq!(who["scopes"], json!(["user:read", "entries:read", "entries:write"]));
    let asked = elsewhere.asked.lock().expect("the request").clone();
    assert!(asked.starts_with("POST /introspect HTTP/1."), "{asked}");
    assert!(
        asked.contains("Authorization: Basic ZXBpY21lK2lkOnMlM0FjcmV0\r\n"),
        "each half is form-encoded: {asked}"
    );
    assert!(asked.contains("token=any.token_of%7Etheirs"), "{asked}");
    assert_eq!(elsewhere.times.load(Ordering::SeqCst), 1, "the answer is believed for a while");
    // The scope that is missing there is missing here; another subject is another person.
    let create_tag = json!({ "name": "create_tag", "arguments": { "name": "x" } });
    assert_eq!(ada.modern("tools/call", create_tag).status, 403);
    elsewhere.says(200, &live(&server, "u-2"));
    let mut bob = Client::new(&server, "another");
    assert_eq!(bob.ok("list_entries", json!({}))["total"], 0);
    assert!(!server.log().contains("any.token_of~theirs"));
}

#[test]
fn refuses_what_the_other_server_does_not_vouch_for() {
    let elsewhere = Elsewhere::start();
    let server = elsewhere.serve();
    let change = |changes: Value| {
        let mut answer = live(&server, "u-1");
        for (name, value) in changes.as_object().expect("an object") {
            answer[name] = value.clone();
        }
        answer
    };
    let rows = [
        (200, json!({ "active": false }), 401, "unknown-token"),
        (200, change(json!({ "active": "true" })), 401, "unknown-token"),
        (200, change(json!({ "exp": seconds(-1) })), 401, "expired"),
        (200, change(json!({ "aud": "https://other.example/mcp" })), 401, "wrong-audience"),
        (200, change(json!({ "aud": null })), 401, "wrong-audience"),
        (200, change(json!({ "iss": "https://evil.example" })), 401, "wrong-audience"),
        (200, change(json!({ "scope": "openid" })), 403, "no-scope"),
        (500, live(&server, "u-1"), 503, "lookup-failed"),
        (401, live(&server, "u-1"), 503, "lookup-failed"),
        (302, live(&server, "u-1"), 503, "lookup-failed"),
        (200, json!("no object"), 401, "unknown-token"),
    ];
    for (number, (code, answer, expected, rule)) in rows.into_iter().enumerate() {
        elsewhere.says(code, &answer);
        assert_eq!(status(&server, &format!("token{number}")), expected, "{code} {answer}");
        server.next_log_with(&format!("outcome={rule}"));
    }
    assert_eq!(status(&server, "not a token"), 401);
    elsewhere.says(200, &live(&server, "u-1"));
    assert_eq!(status(&server, "token"), 200);
}

#[test]
fn sends_nobody_to_this_server_for_a_token_that_the_other_one_issues() {
    let elsewhere = Elsewhere::start();
    let server = elsewhere.serve();
    let good = live(&server, "u-1");
    let change = |name: &str, value: Value| {
        let mut answer = good.clone();
        answer[name] = value;
        answer
    };
    let rows = [
        ("not a token", good.clone(), "malformed-token", "replace it by a whole one from"),
        ("token1", json!({ "active": false }), "unknown-token", "get a new one there"),
        ("token2", change("exp", json!(seconds(-1))), "expired", "refresh it, or get a new one from"),
        (
            "token3",
            change("aud", json!("https://x.example")),
            "wrong-audience",
            "its audience is not the URL that",
        ),
        ("token4", change("scope", json!("openid")), "no-scope", "the scopes that the challenge names"),
    ];
    for (token, answer, outcome, says) in rows {
        elsewhere.says(200, &answer);
        assert!(status(&server, token) >= 401);
        let line = server.next_log_with(&format!("outcome={outcome}"));
        assert!(line.contains(says) && line.contains(ISSUER) && !line.contains("epicme"), "{line}");
    }
    elsewhere.says(200, &good);
    assert_eq!(status(&server, "token"), 200);
}

#[test]
fn admits_nobody_when_the_other_server_is_gone() {
    let (gone, _kept) = deaf_address();
    let url = format!("http://{gone}/introspect");
    let options = [
        "--authorization-server",
        ISSUER,
        "--introspection-url",
        &url,
        "--introspection-id",
        "x",
        "--introspection-secret",
        "y",
    ];
    let server = Server::start_in(Arc::new(Folder::new()), &options);
    let reply = Client::new(&server, "token").post(&[], PING);
    assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")));
    let note = server.next_log_with("the gate can't look up a token");
    assert!(note.contains("no connection is accepted") && note.contains("--introspection-url"), "{note}");
    // A token made here is no better: it is the other server's word that counts.
    let own = server.token("ada@example.com", &[]);
    assert_eq!(status(&server, &own), 503);
}

#[test]
fn says_in_the_log_why_the_other_server_gives_no_answer_and_what_to_correct() {
    let elsewhere = Elsewhere::start();
    let server = elsewhere.serve();
    for (number, (code, answer, says)) in [
        (401, "{}", "--introspection-id and EPICME_INTROSPECTION_SECRET"),
        (404, "{}", "answers 404 instead of 200; correct --introspection-url"),
        (200, "<html>", "is no JSON; correct --introspection-url"),
    ]
    .into_iter()
    .enumerate()
    {
        *elsewhere.answer.lock().expect("the answer") = (code, answer.to_owned());
        assert_eq!(status(&server, &format!("secret.token.{number}")), 503);
        let note = server.next_log_with("the gate can't look up a token");
        assert!(note.contains(says), "{note}");
    }
    assert!(!server.log().contains("secret.token") && !server.log().contains("s:cret"), "{}", server.log());
    elsewhere.says(200, &live(&server, "u-1"));
    assert_eq!(status(&server, "token"), 200);
}

#[test]
fn explains_no_token_of_its_own_that_opens_nothing() {
    let elsewhere = Elsewhere::start();
    let server = elsewhere.serve();
    let token = server.token("ada@example.com", &[]);
    let folder = server.folder.clone();
    let explained = |folder: &Folder| folder.epicme(&["explain", "-"], &token);
    assert_eq!(
        explained(&folder).status.code(),
        Some(2),
        "a gate of another server's tokens isn't asked here"
    );
    drop(server);
    drop(Server::start_in(folder.clone(), &[]));
    assert_eq!(explained(&folder).status.code(), Some(0), "the server that ran last takes its own");
}

#[test]
fn names_the_other_server_and_has_none_of_its_own() {
    let elsewhere = Elsewhere::start();
    let server = elsewhere.serve();
    let host = server.address.to_string();
    let metadata =
        server.send(request("GET", "/.well-known/oauth-protected-resource/mcp", &[("Host", &host)], ""));
    assert_eq!(metadata.json()["authorization_servers"], json!([ISSUER]));
    let form = [("Host", host.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
    let oauth = ["/authorize", "/token", "/register", "/revoke", "/introspect"];
    let pages = ["/account", "/sign-in", "/setup", "/journal", "/journal/entry/1", "/journal/"];
    for path in oauth.into_iter().chain(pages) {
        for method in ["GET", "POST"] {
            assert_eq!(server.send(request(method, path, &form, "")).status, 404, "{method} {path}");
        }
    }
    // The first page shows no recipe with a token of the command line, which makes none that this server takes.
    let first_page = String::from_utf8(server.send(request("GET", "/", &form, "")).body).expect("text");
    assert!(first_page.contains("<summary>Claude Code</summary>") && !first_page.contains("token create"));
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server/"] {
        let reply = server.send(request("GET", path, &form, ""));
        assert_eq!((reply.status, reply.field("access-control-allow-origin")), (404, Some("*")), "{path}");
    }
}

#[test]
fn refuses_to_start_without_all_it_needs() {
    let folder = Folder::new();
    let serve =
        |options: &[&str]| folder.epicme(&[&["serve", "--listen", "127.0.0.1:0"], options].concat(), "");
    let whole = [
        "--authorization-server",
        ISSUER,
        "--introspection-url",
        "http://127.0.0.1:9/x",
        "--introspection-id",
        "x",
    ];
    let rows = [
        (whole.to_vec(), "--introspection-secret is missing"),
        (
            [
                &whole[..2],
                &["--introspection-url", "https://auth.example/x"],
                &whole[4..],
                &["--introspection-secret", "y"],
            ]
            .concat(),
            "speaks no TLS",
        ),
        (
            [
                &["--authorization-server", "http://auth.example"],
                &whole[2..],
                &["--introspection-secret", "y"],
            ]
            .concat(),
            "issuer",
        ),
    ];
    for (options, says) in rows {
        let output = serve(&options);
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(says), "{text}");
    }
}

#[test]
fn shows_which_checks_are_made_of_a_token_from_elsewhere() {
    let elsewhere = Elsewhere::start();
    let server = elsewhere.serve_with(&["--explain=json"]);
    let good = live(&server, "u-1");
    let but = |name: &str, value: Value| {
        let mut answer = good.clone();
        answer[name] = value;
        answer
    };
    let own =
        ["host_is_ours", "origin_is_allowed", "has_authorization", "one_authorization", "no_token_in_query"];
    let own = [&own[..], &["not_empty", "scheme_is_bearer", "token_well_formed"]].concat();
    // Whether the token was revoked, the other server doesn't say.
    let told = ["token_looked_up", "token_known", "not_expired", "audience_is_ours"];
    for (number, (place, answer)) in [
        (0, json!(null)),
        (1, but("active", json!(false))),
        (1, but("sub", json!(null))),
        (2, but("exp", json!(1))),
        (3, but("aud", json!("https://other.example"))),
        (4, good.clone()),
    ]
    .into_iter()
    .enumerate()
    {
        elsewhere.says(if answer.is_null() { 500 } else { 200 }, &answer);
        status(&server, &format!("token.{number}")); // each its own, since a refusal is kept for some seconds
        let shown: Value = serde_json::from_str(&server.next_log_with("\"checks\"")).expect("JSON");
        let checks = shown["checks"].as_array().expect("checks").iter();
        let checks: Vec<_> =
            checks.map(|check| (check["check"].as_str().expect("a name"), check["held"] == true)).collect();
        let mut made = [&own[..], &told[..(place + 1).min(4)]].concat();
        if place == 4 {
            made.push("has_known_scope");
        }
        let last = made.len() - 1;
        let expected: Vec<_> =
            made.into_iter().enumerate().map(|(at, name)| (name, at < last || place == 4)).collect();
        assert_eq!(checks, expected, "{answer}");
    }
}
