//! `serve --watch`: the page that shows each exchange as it happens, the stream of new ones, and the file.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use epicme::limits;
use serde_json::{Value, json};

use crate::documents::{chapters, pictures};
use crate::support::{Client, Folder, Reply, Server, eventually, request};

fn watched() -> Server {
    Server::start_in(Arc::new(Folder::new()), &["--watch"])
}

#[track_caller]
fn get(server: &Server, path: &str) -> Reply {
    send(server, "GET", path, &[])
}

#[track_caller]
fn send(server: &Server, method: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
    let host = server.address.to_string();
    server.send(request(method, path, &[&[("Host", host.as_str())], fields].concat(), ""))
}

#[track_caller]
fn page(server: &Server, path: &str) -> String {
    let reply = get(server, path);
    assert_eq!(reply.status, 200, "{reply:?}");
    String::from_utf8(reply.body).expect("text")
}

/// What a page says of each exchange to a reader who doesn't see the arrows.
fn said(page: &str) -> Vec<&str> {
    let mut said: Vec<_> = page.split("<span class=\"hidden\">").skip(1).collect();
    said.iter_mut().for_each(|text| *text = text.split(". <").next().unwrap_or_default());
    said
}

/// The stream of new exchanges, as a browser reads it.
struct Stream(TcpStream, String);

impl Stream {
    fn open(server: &Server, query: &str) -> Stream {
        let mut stream = TcpStream::connect(server.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        let host = server.address.to_string();
        let head = request("GET", &format!("/watch/events?{query}"), &[("Host", &host)], "");
        stream.write_all(&head).expect("the server reads");
        let mut opened = Stream(stream, String::new());
        opened.until("\r\n\r\n");
        opened
    }

    /// Reads to the end of what comes next, and returns it.
    #[track_caller]
    fn until(&mut self, end: &str) -> Option<String> {
        let mut part = [0; 65_536];
        loop {
            if let Some(place) = self.1.find(end) {
                return Some(self.1.drain(..place + end.len()).collect());
            }
            match self.0.read(&mut part).expect("something comes in time") {
                0 => return None,
                count => self.1 += std::str::from_utf8(&part[..count]).expect("text, cut at no character"),
            }
        }
    }

    /// The next message; `None` at the end of the stream.
    #[track_caller]
    fn message(&mut self) -> Option<Value> {
        loop {
            let event = self.until("\n\n")?;
            if let Some((_, data)) = event.split_once("data: ") {
                return Some(serde_json::from_str(data.trim_end()).expect("JSON"));
            }
        }
    }
}

/// Whether there is room for one more stream.
fn has_room(server: &Server) -> bool {
    let mut wire = TcpStream::connect(server.address).expect("a connection");
    let host = server.address.to_string();
    wire.write_all(&request("HEAD", "/watch/events", &[("Host", &host)], "")).expect("it reads");
    let mut begins = [0; 12];
    wire.read_exact(&mut begins).is_ok() && begins.ends_with(b"200")
}

/// The place of the last exchange on a page.
fn place(page: &str) -> &str {
    page.split("data-place=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a place")
}

#[test]
fn is_there_for_this_machine_alone_and_only_if_it_is_asked_for() {
    let server = Server::start();
    for path in ["/watch", "/watch/events", "/watch/export", "/watch/src/gate.rs"] {
        assert_eq!(get(&server, path).status, 404, "{path}");
    }
    let folder = Folder::new();
    for options in [
        &["--public-url", "https://journal.example"][..],
        &["--public-url", "http://localhost:8787"],
        &["--public-url", "https://journal.example", "--listen", "0.0.0.0:0"],
        &["--trusted-proxies", "127.0.0.1"],
    ] {
        let output = folder.epicme(&[&["serve", "--watch"], options].concat(), "");
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("--watch") && error.contains("leave out --public-url"), "{error}");
    }
    let server = watched();
    server.output_with(&format!("Watch it at http://{}/watch", server.address));
    let foreign = server.send(request("GET", "/watch", &[("Host", "evil.example")], ""));
    assert_eq!(foreign.status, 403);
    let page = send(&server, "GET", "/watch", &[("Origin", "https://evil.example")]);
    assert!(page.fields.iter().all(|(name, _)| !name.to_ascii_lowercase().starts_with("access-control")));
    assert_eq!(send(&server, "POST", "/watch", &[]).status, 405);
    assert_eq!(get(&server, "/watch/src/secret.rs").status, 404);
    assert_eq!(get(&server, "/watching").status, 404);
}

/// A foreign page reads nothing, but could hold the places of all who watch: a stream needs no CORS to be open.
#[test]
fn gives_a_foreign_page_no_place_among_those_who_watch() {
    let server = watched();
    for site in ["cross-site", "same-site"] {
        let reply = send(&server, "GET", "/watch/events", &[("Sec-Fetch-Site", site)]);
        assert_eq!(reply.status, 403, "{site}");
        assert_eq!(
            send(&server, "GET", "/watch", &[("Sec-Fetch-Site", site)]).status,
            200,
            "a link leads here"
        );
    }
    get(&server, "/mcp");
    assert_eq!(Stream::open(&server, "").message().expect("an exchange")["count"], 1);
}

/// While others come, so that some come as a page is made.
#[test]
fn shows_each_exchange_on_the_page_or_in_the_stream_but_never_in_both() {
    let server = watched();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // As many as are needed, and no more if this test fails.
        scope.spawn(|| {
            (0..20_000)
                .take_while(|_| !is_over.load(Ordering::Relaxed))
                .for_each(|_| drop(get(&server, "/nothing")));
        });
        for _ in 0..30 {
            let page = page(&server, "/watch");
            let message = Stream::open(&server, &format!("after={}", place(&page))).message();
            let message = message.expect("exchanges");
            let next = id(message["html"].as_str().expect("HTML")).expect("one");
            assert!(!page.contains(&format!("<dt>Id</dt><dd>{next}</dd>")), "{next} is in both");
            eventually("the place of the stream is free", || has_room(&server));
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

/// The id of the first exchange in some HTML.
fn id(html: &str) -> Option<&str> {
    html.split("<dt>Id</dt><dd>").nth(1)?.split('<').next()
}

#[test]
fn shows_each_exchange_in_order_with_what_was_checked() {
    let server = watched();
    let token = server.token("ada@example.com", &["--scope", "tags:read"]);
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"create_tag","arguments":{"name":"x"}}}"#;
    get(&server, "/mcp");
    get(&server, "/.well-known/oauth-protected-resource/mcp");
    send(&server, "GET", "/.well-known/oauth-authorization-server", &[("User-Agent", "probe/7.1 (x)")]);
    Client::new(&server, &token).post(&[], call);
    Client::new(&server, &token).post(&[], r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    get(&server, "/style.css");
    let page = page(&server, "/watch");
    let metadata = "/.well-known/oauth";
    assert_eq!(
        said(&page),
        [
            "client to gate: GET /mcp; gate to client: 401 Unauthorized",
            &format!("client to gate: GET {metadata}-protected-resource/mcp; gate to client: 200 OK"),
            &format!(
                "client to authorization server: GET {metadata}-authorization-server; authorization server to \
                 client: 200 OK"
            ),
            "client to gate: POST /mcp; gate to client: 403 Forbidden",
            "client to gate: POST /mcp; gate to client: 200 OK",
        ]
    );
    for part in [
        "<li class=\"failed\">failed: there is an Authorization field <small>RFC 6750 §3, RFC 9728 §5.1</small></li>",
        "<dt>Bearer</dt><dd>how to send a token",
        "<dt>scope</dt><dd>user:read entries:read entries:write tags:read tags:write: what to ask the person for",
        "<dt>scope</dt><dd>tags:read tags:write: what to ask the person for",
        "<dt>error</dt><dd>insufficient_scope: what is wrong",
        "<dt>person</dt><dd>1</dd>\n<dt>scopes</dt><dd>tags:read</dd>\n<dt>audience</dt><dd>loopback</dd>\n<dt>expires</dt>",
        "<span class=\"arrow right from-3 to-5\" aria-hidden=\"true\"><span>tools/list</span></span>",
        "<a href=\"/watch/docs/walkthrough/02-challenge.md\">",
        "<a href=\"/watch/src/gate.rs\">src/gate.rs</a>",
        "<option>probe\n",
        "<p id=\"state\" role=\"status\">5 exchanges.</p>",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    let gate = std::fs::read_to_string("src/gate.rs").expect("a source");
    assert_eq!(self::page(&server, "/watch/src/gate.rs"), gate);
    let of_one = self::page(&server, "/watch?client=probe");
    assert_eq!(said(&of_one).len(), 1);
    for link in ["href=\"/watch/export?client=probe\"", "href=\"/watch?client=probe\">Refresh"] {
        assert!(of_one.contains(link), "{of_one}");
    }
    let of_nobody = self::page(&server, "/watch?client=nobody");
    assert_eq!(said(&of_nobody), [""; 0]);
    assert!(of_nobody.contains("<option selected>nobody\n"), "the list says what is shown: {of_nobody}");
}

#[test]
fn names_who_speaks_as_the_diagrams_of_the_walkthrough_do() {
    let server = watched();
    let requests: Vec<_> = chapters().iter().flat_map(|(_, chapter)| pictures::requests(chapter)).collect();
    for arrow in &requests {
        let (method, path) = arrow.text.split_once(' ').expect("a method and a path");
        send(&server, method, path, &[]);
    }
    let page = page(&server, "/watch");
    let columns = pictures::SPEAKERS.map(|speaker| format!("<span>{speaker}</span>")).concat();
    assert!(page.replace("&shy;", "").contains(&columns), "{page}");
    let said = said(&page);
    assert!(requests.len() > 20 && said.len() == requests.len(), "{said:?}");
    for (arrow, said) in requests.iter().zip(said) {
        let drawn = format!("{} to {}: {}; ", arrow.from, arrow.to, arrow.text);
        assert!(said.starts_with(&drawn), "{drawn} is drawn, but the page says: {said}");
    }
}

/// A learner believes what a sentence says, so it must not say more than happened.
#[test]
fn says_of_each_exchange_what_it_was() {
    let server = watched();
    let token = server.token("ada@example.com", &[]);
    let bearer = format!("Bearer {token}");
    let bearer = ("Authorization", bearer.as_str());
    let asks = [("Origin", "http://localhost:6274"), ("Access-Control-Request-Method", "POST")];
    send(&server, "OPTIONS", "/register", &asks);
    get(&server, "/journal");
    get(&server, "/sign-in");
    send(&server, "POST", "/mcp/", &[bearer]);
    send(&server, "GET", "/mcp", &[bearer]);
    Client::new(&server, &token).post(&[], r#"{"jsonrpc":"2.0","id":1,"method":"none/such"}"#);
    server.send(request("GET", "/.well-known/oauth-authorization-server", &[("Host", "evil.example")], ""));
    let page = page(&server, "/watch");
    let sentences: Vec<_> = page.split(". </span>").skip(1).map(|rest| rest.split('<').next()).collect();
    for (sentence, begins) in sentences.iter().zip([
        "A browser asks whether a page may send this request.",
        "The browser has no session, so the page asks who the person is.",
        "The form is on another page",
        "The token is good, but the URL has a slash too many.",
        "The token is good, but the request is none",
        "The token is good, but the answer says what is wrong",
        "The gate refuses a name that isn't this server's",
    ]) {
        assert!(sentence.is_some_and(|sentence| sentence.starts_with(begins)), "{begins}: {sentences:?}");
    }
    assert_eq!(sentences.len(), 7);
}

#[test]
fn takes_the_end_of_a_token_that_is_over_from_its_row() {
    let server = watched();
    let token = server.token("ada@example.com", &["--label", "old"]);
    server.folder.tamper("UPDATE tokens SET expires_at = 1000000000 WHERE label = 'old'");
    Client::new(&server, &token).post(&[], r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    let page = page(&server, "/watch");
    assert!(page.contains("<dt>expires</dt><dd>2001-09-09T01:46:40Z</dd>"), "{page}");
    assert!(page.contains("The token has expired."), "{page}");
}

#[test]
fn tells_an_open_page_of_each_exchange_once() {
    let server = watched();
    get(&server, "/mcp");
    let first = page(&server, "/watch");
    let mut stream = Stream::open(&server, &format!("after={}&client=", place(&first)));
    get(&server, "/register");
    let message = stream.message().expect("an exchange");
    let html = message["html"].as_str().expect("HTML");
    assert_eq!(
        said(html),
        [
            "client to authorization server: GET /register; authorization server to client: 405 Method Not Allowed"
        ]
    );
    assert_eq!((&message["missed"], &message["count"]), (&json!(0), &json!(1)));
    // What the stream brings is what the page shows later.
    let second = page(&server, "/watch");
    assert!(second.contains(html), "{html} is not in {second}");
    assert_eq!(message["place"], place(&second));
    // A page that comes back goes on where it was, or begins anew where the server is another one.
    let mut again = Stream::open(&server, &format!("after={}", place(&first)));
    assert_eq!(again.message().expect("an exchange")["html"], html);
    let mut anew = Stream::open(&server, "after=other.1&client=unknown");
    assert_eq!(said(anew.message().expect("both")["html"].as_str().expect("HTML")).len(), 2);
    let mut other = Stream::open(&server, &format!("after={}&client=other", place(&first)));
    assert_eq!(other.message().expect("the place to go on from")["count"], 0);
}

#[test]
fn counts_what_comes_too_fast_and_keeps_no_more_than_it_may() {
    let server = watched();
    let first = page(&server, "/watch");
    let many = limits::WATCHED_EXCHANGES_MAX + 10;
    for _ in 0..many {
        get(&server, "/nothing");
    }
    let page = page(&server, "/watch");
    assert_eq!(said(&page).len(), limits::WATCHED_EXCHANGES_MAX);
    let message = Stream::open(&server, &format!("after={}", place(&first))).message().expect("exchanges");
    assert_eq!((&message["missed"], &message["count"]), (&json!(10), &json!(limits::WATCHED_EXCHANGES_MAX)));
}

#[test]
fn grows_by_nothing_that_a_page_does_not_read() {
    let server = watched();
    let _unread = Stream::open(&server, "");
    let host = server.address.to_string();
    let ask = |count: usize| {
        let mut wire = server.connect();
        for _ in 0..count {
            wire.write(request("GET", "/mcp", &[("Host", &host), ("Accept", &"x".repeat(90))], ""));
            assert_eq!(wire.reply().expect("an answer").status, 401);
        }
    };
    ask(2_000);
    let before = server.memory_kib("VmRSS");
    ask(10_000);
    let after = server.memory_kib("VmRSS");
    // Ten thousand views are some thirty megabytes.
    assert!(after - before < 6 * 1024, "{before} KiB, then {after} KiB");
}

#[test]
fn gives_so_many_pages_a_stream_and_ends_it_with_the_server() {
    let mut server = watched();
    let mut streams: Vec<_> = (0..limits::WATCHERS_MAX).map(|_| Stream::open(&server, "")).collect();
    let full = get(&server, "/watch/events");
    assert_eq!((full.status, full.field("retry-after")), (503, Some("1")));
    assert!(page(&server, "/watch").contains("No exchange yet."), "the page works without a stream");
    drop(streams.pop());
    eventually("the place of a page that has gone is free", || has_room(&server));
    assert_eq!(server.signal("TERM"), Some(0));
    for stream in &mut streams {
        while stream.message().is_some() {}
        assert!(stream.1.ends_with("0\r\n\r\n"), "the last chunk: {}", stream.1);
    }
}

#[test]
fn shows_a_strangers_words_as_text_on_the_page_in_the_stream_and_in_the_file() {
    let server = watched();
    let mut stream = Stream::open(&server, "");
    let evil = "<img src=x onerror=alert(1)>\"'";
    send(&server, "GET", "/mcp", &[("User-Agent", evil), ("Origin", evil), ("Authorization", evil)]);
    send(&server, "GET", "/<script>", &[("User-Agent", "<b>/1")]);
    server.send(b"<script>alert(1)</script>\r\n\r\n");
    eventually("all three are shown", || said(&page(&server, "/watch")).len() == 3);
    let mut sent = String::new();
    while sent.matches("<li class=").count() < 3 {
        sent += stream.message().expect("an exchange")["html"].as_str().expect("HTML");
    }
    let file = get(&server, "/watch/export");
    assert_eq!(file.field("content-disposition"), Some("attachment; filename=\"epicme-exchanges.html\""));
    let file = String::from_utf8(file.body).expect("text");
    for text in [&sent, &page(&server, "/watch?client=%3Cb%3E"), &file] {
        for markup in ["<img", "<script>", "<b>", "onerror=alert(1)>\""] {
            assert!(!text.contains(markup), "{markup}: {text}");
        }
    }
    assert!(sent.contains("&lt;img src=x onerror=alert(1)&gt;"), "{sent}");
    // The file needs nothing else: no script, no address of a style, no link.
    assert!(
        file.contains("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';"),
        "{file}"
    );
    for part in ["src=\"", "href=", "data-place", "<link", "url("] {
        assert!(!file.contains(part), "{part}");
    }
}

#[test]
fn runs_no_script_but_its_own_and_leaves_the_other_pages_without_one() {
    let server = watched();
    let policy = |path: &str| get(&server, path).field("content-security-policy").map(str::to_owned);
    let own = policy("/watch").expect("a policy");
    assert!(own.contains("script-src 'self'; connect-src 'self'") && !own.contains("unsafe"), "{own}");
    assert!(own.contains("frame-ancestors 'none'"), "{own}");
    assert!(!policy("/").expect("a policy").contains("script-src"));
    let script = get(&server, "/watch/watch.js");
    assert_eq!(script.field("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(script.field("x-content-type-options"), Some("nosniff"));
}
