//! `/healthz`, `epicme health` and `epicme status`, and how the log can be written: what an operator looks at.

use serde_json::Value;

use super::support::{Folder, Reply, Server, request};

const ADA: &str = "ada@example.com";

fn health(server: &Server, method: &str, host: &str) -> Reply {
    let mut wire = server.connect();
    wire.write(format!("{method} /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    wire.reply_to(method).expect("a reply")
}

/// Runs a command in this folder; returns its exit code and what it printed, both outputs.
fn run(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String) {
    let output = folder.epicme(arguments, "");
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).expect("UTF-8"))
}

#[test]
fn says_to_anybody_whether_it_is_well_and_nothing_else() {
    let server = Server::start_in(Folder::new().into(), &["--public-url", "https://journal.example"]);
    for host in ["journal.example", "10.0.0.7:8787", "elsewhere.example"] {
        let reply = health(&server, "GET", host);
        assert_eq!((reply.status, &*reply.body), (200, &b"ok\n"[..]), "{host}");
        assert_eq!(reply.field("Cache-Control"), Some("no-store"));
        assert_eq!((reply.field("WWW-Authenticate"), reply.field("X-Request-Id")), (None, None));
    }
    assert_eq!((health(&server, "HEAD", "x").status, health(&server, "POST", "x").status), (200, 405));
    assert_eq!(health(&server, "POST", "x").field("Allow"), Some("GET, HEAD"));
    // Another path is refused by its host, and stands in the log behind all of these, which don't.
    assert_eq!(server.send(request("GET", "/healthz/more", &[], "")).status, 403);
    assert!(!server.log_with("/healthz/more").contains("/healthz "), "{}", server.log());
}

#[test]
fn proves_itself_to_a_challenge_of_one_form_and_says_nothing_else() {
    let server = Server::start_in(Folder::new().into(), &["--public-url", "https://journal.example"]);
    let challenge = "A".repeat(43);
    let ask = |method: &str, query: &str| {
        let mut wire = server.connect();
        wire.write(format!("{method} /proof{query} HTTP/1.1\r\nHost: 10.0.0.7\r\n\r\n"));
        wire.reply_to(method).expect("a reply")
    };
    let [one, other] = [(); 2].map(|()| ask("GET", &format!("?challenge={challenge}")));
    assert_eq!((one.status, one.field("Cache-Control")), (200, Some("no-store")));
    assert_eq!((one.field("WWW-Authenticate"), one.field("Access-Control-Allow-Origin")), (None, None));
    assert!(one.body.starts_with(b"v1.") && one.body.len() < 128, "{:?}", one.body);
    assert_ne!(one.body, other.body, "each is for its connection");
    for query in
        ["", "?challenge=", "?challenge=x", &format!("?challenge={challenge}A"), &format!("?{challenge}")]
    {
        assert_eq!(ask("GET", query).status, 400, "{query}");
    }
    assert_eq!(ask("POST", &format!("?challenge={challenge}")).field("Allow"), Some("GET, HEAD"));
    assert_eq!(server.send(request("GET", "/proof/more", &[], "")).status, 403);
    assert!(!server.log_with("/proof/more").contains("/proof "), "{}", server.log());
}

#[test]
fn is_not_well_while_its_file_is_gone_and_well_again_when_it_is_back() {
    let server = Server::start();
    server.output_with("MCP URL"); // it has opened all of its connections to the file
    let (database, aside) = (server.folder.database(), server.folder.path().join("aside.db"));
    std::fs::rename(&database, &aside).expect("a move");
    let reply = health(&server, "GET", "127.0.0.1");
    assert_eq!((reply.status, &*reply.body, reply.field("X-Request-Id")), (503, &b"not ok\n"[..], None));
    let url = server.base_url();
    let (code, said) = run(&server.folder, &["health", &url]);
    assert!(code == Some(1) && said.contains("can't use its database now"), "{said}");
    std::fs::rename(&aside, &database).expect("a move");
    assert_eq!(health(&server, "GET", "127.0.0.1").status, 200);
    assert_eq!(run(&server.folder, &["health", &url]), (Some(0), "ok\n".to_owned()));
    assert_eq!(run(&server.folder, &["health", &format!("{url}/healthz")]).0, Some(0));
    assert_eq!(run(&server.folder, &["health", "--listen", &url["http://".len()..]]).0, Some(0));
}

#[test]
fn finds_no_health_where_no_server_is() {
    let folder = Folder::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let (code, said) = run(&folder, &["health", &url]);
    assert!(code == Some(1) && said.contains(&url) && said.contains("no connection is accepted"), "{said}");
    for wrong in ["https://127.0.0.1:1", "http://journal.example", "127.0.0.1:1", "http://127.0.0.1:1/mcp"] {
        let (code, said) = run(&folder, &["health", wrong]);
        assert!(code == Some(2) && said.contains(wrong), "{said}");
    }
    assert!(std::fs::read_dir(folder.path()).expect("the folder").next().is_none(), "it opens no database");
}

#[test]
fn tells_the_state_of_a_database_while_a_server_runs_and_after() {
    let mut server = Server::start_in(Folder::new().into(), &["--public-url", "https://journal.example"]);
    server.token(ADA, &[]);
    let (code, said) = run(&server.folder, &["status"]);
    assert_eq!(code, Some(0), "{said}");
    for line in [
        "Holds     1 person, 0 entries and 0 tags\n",
        "Backup    none that this database knows of\n",
        "Server    is running, or a restore\n",
        "Tokens    for https://journal.example",
        "MCP       2026-07-28 2025-11-25 2025-06-18 2025-03-26\n",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let file = server.folder.path().join("backup.db");
    let file = file.to_str().expect("UTF-8");
    assert_eq!(run(&server.folder, &["backup", file]).0, Some(0));
    assert!(run(&server.folder, &["status"]).1.contains(file));
    assert_eq!(server.signal("TERM"), Some(0));
    std::fs::remove_file(file).expect("the backup");
    let (_, said) = run(&server.folder, &["status"]);
    assert!(
        said.contains("Server    is not running\n") && said.contains("where it isn't any more"),
        "{said}"
    );
    // Also of an earlier version, which stays one.
    let folder = Folder::new();
    std::fs::copy("tests/version_1.db", folder.database()).expect("a copy");
    let before = std::fs::read(folder.database()).expect("the file");
    let (code, said) = run(&folder, &["status"]);
    assert!(code == Some(0) && said.contains("Schema    1; epicme serve brings it to 5\n"), "{said}");
    assert_eq!(std::fs::read(folder.database()).expect("the file"), before);
}

#[test]
fn writes_requests_and_notes_as_json() {
    // Of an earlier version, so that there are notes before the server listens.
    let folder = Folder::new();
    std::fs::copy("tests/version_1.db", folder.database()).expect("a copy");
    let server = Server::start_in(folder.into(), &["--log", "json", "--trusted-proxies", "10.0.0.1"]);
    server.send(request("GET", "/", &[("X-Forwarded-For", "1.2.3.4")], ""));
    let log = server.log_with("is not believed");
    let note = log.lines().find(|line| line.contains("is not believed")).expect("a note");
    let note: Value = serde_json::from_str(note).expect("an object");
    assert!(note["note"].is_string() && note["at"].is_string() && note["id"].is_string(), "{note}");
    server.send(request("GET", "/nowhere\u{1b}", &[], ""));
    server.send(request("POST", "/mcp", &[("Host", &server.address.to_string())], "{}"));
    let line = server.log_with("\"path\":\"/mcp\"");
    let line = line.lines().find(|line| line.contains("/mcp")).expect("a line");
    let json: Value = serde_json::from_str(line).expect("an object");
    assert_eq!(json["method"], "POST");
    assert_eq!((&json["status"], &json["client"]), (&401.into(), &"127.0.0.1".into()), "{line}");
    assert_eq!((&json["operation"], &json["proxyId"]), (&Value::Null, &Value::Null));
    assert!(server.log().contains("is brought up to date"), "{}", server.log());
    for line in server.log().lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

#[test]
fn writes_why_it_ends_as_json_too() {
    let folder = Folder::new();
    let rows: [(&[&str], i32, &str); 2] = [
        (&["--log", "json"], 1, "it is empty"),
        (&["--log", "json", "--every", "daily"], 2, "--every is for"),
    ];
    std::fs::write(folder.database(), "").expect("a file");
    for (options, code, says) in rows {
        let (found, said) = run(&folder, &[&["serve", "--listen", "127.0.0.1:0"], options].concat());
        let line: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        assert!(
            found == Some(code) && line["note"].as_str().is_some_and(|note| note.contains(says)),
            "{said}"
        );
    }
}

#[test]
fn writes_its_notes_in_a_flood_of_requests() {
    let server = Server::start_in(Folder::new().into(), &["--trusted-proxies", "10.0.0.1"]);
    let host = server.address.to_string();
    let mut wire = server.connect();
    let many = request("GET", "/nowhere", &[("Host", &host)], "").repeat(100);
    // More than a second has lines for, on a machine that is fast enough.
    for _ in 0..20 {
        wire.write(&many);
        for _ in 0..100 {
            assert_eq!(wire.reply().expect("a reply").status, 404);
        }
    }
    // This is noted once.
    wire.write(request("GET", "/", &[("Host", &host), ("X-Forwarded-For", "1.2.3.4")], ""));
    assert_eq!(wire.reply().expect("a reply").status, 200);
    server.log_with("is not believed");
}

#[test]
fn writes_no_more_requests_than_the_level_has() {
    for (level, has) in [("info", [true, true]), ("warn", [false, true]), ("error", [false, false])] {
        let server =
            Server::start_in(Folder::new().into(), &["--log-level", level, "--trusted-proxies", "10.0.0.1"]);
        assert_eq!(
            server.send(request("GET", "/", &[("Host", &server.address.to_string())], "")).status,
            200
        );
        assert_eq!(
            server.send(request("POST", "/mcp", &[("Host", &server.address.to_string())], "")).status,
            401
        );
        let token = server.token(ADA, &[]);
        server.folder.tamper("ALTER TABLE tokens RENAME TO hidden");
        let bearer = format!("Bearer {token}");
        let fields = [("Host", &*server.address.to_string()), ("Authorization", &bearer)];
        assert_eq!(server.send(request("POST", "/mcp", &fields, "")).status, 503);
        // A note comes in each level, and behind them.
        let fields = [("Host", &*server.address.to_string()), ("X-Forwarded-For", "1.2.3.4")];
        server.send(request("GET", "/style.css", &fields, ""));
        server.log_with("is not believed");
        let log = server.log();
        assert_eq!(["GET / 200", "POST /mcp 401"].map(|line| log.contains(line)), has, "{level}: {log}");
        assert!(log.contains("POST /mcp 503"), "{level}: {log}");
    }
}

#[test]
fn gives_a_request_an_id_that_its_notes_its_line_and_its_failure_have() {
    let mut server = Server::start_in(Folder::new().into(), &["--trusted-proxies", "127.0.0.1"]);
    let token = server.token(ADA, &[]);
    let mut wire = server.connect();
    let bearer = format!("Bearer {token}");
    let host = server.address.to_string();
    let fields = [
        ("Host", &*host),
        ("Authorization", &*bearer),
        ("Content-Type", "application/json"),
        ("X-Request-Id", "f00-7"),
    ];
    let ping = request("POST", "/mcp", &fields, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    wire.write(&ping);
    let reply = wire.reply().expect("a reply");
    assert_eq!((reply.status, reply.field("X-Request-Id")), (200, None));
    let line = server.log_with("op=ping");
    let of_first = id_in(&line, "op=ping");
    assert!(of_first.ends_with("-1") && line.contains(&format!(" id={of_first} proxy-id=f00-7")), "{line}");
    // The table that the gate reads is gone, so the next one fails.
    server.folder.tamper("ALTER TABLE tokens RENAME TO hidden");
    wire.write(&ping);
    let reply = wire.reply().expect("a reply");
    let id = reply.field("X-Request-Id").expect("an id").to_owned();
    assert_eq!((reply.status, id), (503, of_first.replace("-1", "-2")), "the second of that connection");
    let log = server.log_with("POST /mcp 503");
    let id = format!(" id={}", of_first.replace("-1", "-2"));
    assert!(log.lines().any(|line| line.contains("can't look up a token") && line.ends_with(&id)), "{log}");
    assert!(log.lines().any(|line| line.contains("POST /mcp 503") && line.contains(&id)), "{log}");
    // What isn't like an id isn't shown, nor is that of a stranger.
    server.kill();
    let server = Server::start_in(Folder::new().into(), &["--trusted-proxies", "127.0.0.1"]);
    for odd in ["em_at_0123456789", "a b", "", "\"x", &"x".repeat(65), "\u{e9}"] {
        server.send(request("GET", "/", &[("X-Request-Id", odd)], ""));
    }
    server.send(request("GET", "/style.css", &[], ""));
    assert!(!server.log_with("/style.css").contains("proxy-id"), "{}", server.log());
    let server = Server::start();
    server.send(request("GET", "/", &[("X-Request-Id", "f00-7")], ""));
    assert!(!server.log_with("GET / ").contains("proxy-id"));
}

/// Returns the id in the line of the log that has this text.
fn id_in(log: &str, text: &str) -> String {
    let line = log.lines().find(|line| line.contains(text)).expect("the line");
    let (_, id) = line.split_once(" id=").expect("an id");
    id.split(' ').next().expect("a word").to_owned()
}

#[test]
fn refuses_a_log_that_it_can_not_write() {
    let folder = Folder::new();
    for (option, value) in [("--log", "xml"), ("--log-level", "debug")] {
        let (code, said) = run(&folder, &["serve", option, value]);
        assert!(code == Some(2) && said.contains(value), "{said}");
    }
}
