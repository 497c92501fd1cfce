//! The command line: what each command prints, its exit code, and what it says when it can't.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::json;

use crate::support::{Client, EPICME, Folder, PASSWORD, Server, request};

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// Runs the program without a database option.
fn bare(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let folder = Folder::new();
    let mut command = Command::new(EPICME);
    command.args(arguments).env_clear().envs(variables.iter().copied()).current_dir(folder.path());
    command.output().expect("the binary runs")
}

#[track_caller]
fn fails(output: &Output, code: i32, says: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", stderr(output));
    assert!(stderr(output).starts_with("epicme: "), "{}", stderr(output));
    assert!(stderr(output).contains(says), "{says:?} is not in {:?}", stderr(output));
    assert!(output.stdout.is_empty(), "{}", stdout(output));
}

#[test]
fn shows_help_that_fits_a_screen_and_names_every_variable() {
    for arguments in [&["help"][..], &["--help"], &["-h"], &["serve", "--help"]] {
        let help = bare(arguments, &[]);
        assert_eq!(help.status.code(), Some(0));
        let text = stdout(&help);
        assert!(text.lines().count() <= 24 && text.lines().all(|line| line.len() <= 80), "{text}");
        for variable in
            ["DATABASE", "LISTEN", "PUBLIC_URL", "DEMO", "PASSWORD_STDIN", "SCOPE", "EXPIRES", "LABEL"]
        {
            assert!(text.contains(&format!("EPICME_{variable}")), "{variable}");
        }
    }
    let version = bare(&["version"], &[]);
    assert_eq!(stdout(&version), format!("epicme {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn refuses_a_wrong_command_line_with_2_and_says_where_help_is() {
    let rows: [(&[&str], &str); 16] = [
        (&[], "say what to do"),
        (&["sevre"], "no command \"sevre\""),
        (&["user"], "not complete"),
        (&["user", "add"], "not complete"),
        (&["token", "list", "x"], "too long"),
        (&["serve", "--port", "1"], "no option --port"),
        (&["serve", "-x"], "no option -x"),
        (&["serve", "--listen"], "listen"),
        (&["serve", "--demo=yes"], "demo"),
        (&["user", "list", "--demo"], "takes no --demo"),
        (&["serve", "--listen", "a:1", "--listen", "b:1"], "twice"),
        (&["serve", "--listen", "example.com:80"], "takes ADDRESS:PORT"),
        (&["serve", "--public-url", "http://journal.example"], "must be https"),
        (&["token", "create", "a@b", "--scope", "entries:read diary:read"], "\"diary:read\" is not a scope"),
        (&["token", "create", "a@b", "--expires", "30"], "--expires takes"),
        (&["token", "revoke", "x"], "not the ID of a token"),
    ];
    for (arguments, says) in rows {
        let output = bare(arguments, &[]);
        fails(&output, 2, says);
        assert!(stderr(&output).contains("epicme help"), "{}", stderr(&output));
    }
}

#[test]
fn binds_only_loopback_without_an_https_public_url() {
    for arguments in [
        &["serve", "--listen", "0.0.0.0:0"][..],
        &["serve", "--listen", "[::]:0"],
        &["serve", "--listen", "0.0.0.0:0", "--public-url", "http://localhost:80"],
    ] {
        fails(&bare(arguments, &[]), 2, "tokens would travel in the clear");
    }
    let public = Folder::new();
    let options = ["--listen", "0.0.0.0:0", "--public-url", "https://journal.example"];
    let mut child = Command::new(EPICME)
        .args(["serve", "--database"])
        .arg(public.database())
        .args(options)
        .env_clear()
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut line = String::new();
    let mut reader = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
    std::io::BufRead::read_line(&mut reader, &mut line).expect("a line");
    assert!(line.starts_with("listening on http://0.0.0.0:"), "{line}");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

#[test]
fn takes_options_from_variables_unless_they_are_given() {
    let folder = Folder::new();
    let database = folder.database();
    let database = database.to_str().expect("UTF-8");
    folder.token("ada@example.com", &[]);
    let listed = bare(&["user", "list"], &[("EPICME_DATABASE", database)]);
    assert!(stdout(&listed).contains("ada@example.com"), "{}", stderr(&listed));
    let given = bare(&["user", "list", "--database", "other.db"], &[("EPICME_DATABASE", database)]);
    fails(&given, 1, "there is no other.db");
    let refused = bare(&["serve"], &[("EPICME_LISTEN", "0.0.0.0:0")]);
    fails(&refused, 2, "0.0.0.0:0 can be reached");
    let variables =
        [("EPICME_DATABASE", database), ("EPICME_SCOPE", "tags:read"), ("EPICME_LABEL", "from a variable")];
    assert_eq!(bare(&["token", "create", "ada@example.com"], &variables).status.code(), Some(0));
    let tokens = stdout(&bare(&["token", "list"], &variables));
    let row: Vec<_> =
        tokens.lines().last().expect("a row").split("  ").filter(|cell| !cell.is_empty()).collect();
    assert_eq!(
        row[row.len() - 2..].iter().map(|cell| cell.trim()).collect::<Vec<_>>(),
        ["tags:read", "from a variable"]
    );
}

#[test]
fn manages_people() {
    let folder = Folder::new();
    let add =
        |email: &str, password: &str| folder.epicme(&["user", "add", email, "--password-stdin"], password);
    assert_eq!(add("ada@example.com", PASSWORD).status.code(), Some(0));
    fails(&add("ADA@example.com", PASSWORD), 1, "there is a ADA@example.com already");
    for email in ["ada", "@example.com", "a b@example.com", "a@b@c", "ada@"] {
        fails(&add(email, PASSWORD), 1, "not an email address");
    }
    fails(&add("bob@example.com", "short"), 1, "at least 8 characters");
    fails(&add("bob@example.com", &"x".repeat(1025)), 1, "at most 1024 bytes");
    fails(&folder.epicme(&["user", "add", "bob@example.com"], PASSWORD), 1, "--password-stdin");
    assert_eq!(add("bob@example.com", "eight ch\r\n").status.code(), Some(0));
    let listed = stdout(&folder.epicme(&["user", "list"], ""));
    assert!(listed.contains("ada@example.com") && listed.contains("bob@example.com"), "{listed}");

    let hash = |email: &str| -> String {
        let connection = Connection::open(folder.database()).expect("the database");
        connection
            .query_row("SELECT password_hash FROM users WHERE email = ?1", [email], |row| row.get(0))
            .expect("a row")
    };
    let before = hash("ada@example.com");
    assert!(before.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{before}");
    assert!(
        epicme::secret::verify_password("eight ch", &hash("bob@example.com")),
        "the line end is no part of it"
    );
    let passwd =
        |email: &str| folder.epicme(&["user", "passwd", email, "--password-stdin"], "another password");
    assert_eq!(passwd("ada@example.com").status.code(), Some(0));
    assert_ne!(hash("ada@example.com"), before);
    fails(&passwd("eve@example.com"), 1, "there is no eve@example.com");
    assert_eq!(folder.epicme(&["user", "remove", "ada@example.com"], "").status.code(), Some(0));
    fails(&folder.epicme(&["user", "remove", "ada@example.com"], ""), 1, "there is no ada@example.com");
    assert!(!stdout(&folder.epicme(&["user", "list"], "")).contains("ada"));
}

#[test]
fn makes_lists_and_revokes_tokens_and_keeps_only_hashes() {
    let folder = Folder::new();
    let token = folder.token("ada@example.com", &["--expires", "90s", "--label", "my laptop"]);
    assert!(token.starts_with("em_at_") && token.len() == 49, "{token}");
    fails(&folder.epicme(&["token", "create", "eve@example.com"], ""), 1, "there is no eve@example.com");
    fails(&folder.epicme(&["token", "create", "ada@example.com", "--scope", " "], ""), 2, "at least one");
    let listed = stdout(&folder.epicme(&["token", "list"], ""));
    assert!(listed.contains("live") && listed.contains("my laptop"), "{listed}");
    assert!(listed.contains("user:read entries:read entries:write tags:read tags:write"), "{listed}");
    assert!(!listed.contains(&token));
    assert_eq!(folder.epicme(&["token", "revoke", "1"], "").status.code(), Some(0));
    assert_eq!(
        folder.epicme(&["token", "revoke", "1"], "").status.code(),
        Some(0),
        "twice is as good as once"
    );
    fails(&folder.epicme(&["token", "revoke", "2"], ""), 1, "there is no token 2");
    assert!(stdout(&folder.epicme(&["token", "list"], "")).contains("revoked "));

    let connection = Connection::open(folder.database()).expect("the database");
    let life: i64 = connection
        .query_row("SELECT expires_at - created_at FROM tokens", [], |row| row.get(0))
        .expect("a row");
    assert_eq!(life, 90);
    drop(connection);
    for file in ["epicme.db", "epicme.db-wal"] {
        let bytes = std::fs::read(folder.path().join(file)).unwrap_or_default();
        for secret in [token.as_bytes(), &token.as_bytes()[6..], PASSWORD.as_bytes()] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "a secret is in {file}");
        }
    }
}

#[test]
fn keeps_the_database_to_its_owner() {
    let server = Server::start();
    server.token("ada@example.com", &[]);
    for file in ["epicme.db", "epicme.db-wal", "epicme.db-shm"] {
        let mode = std::fs::metadata(server.folder.path().join(file)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn refuses_a_database_that_is_not_its_own_and_leaves_it_as_it_was() {
    let prepared = |sql: &str| {
        let folder = Folder::new();
        Connection::open(folder.database()).expect("a database").execute_batch(sql).expect("its content");
        folder
    };
    let foreign = prepared("CREATE TABLE other (x); PRAGMA user_version = 1");
    let newer = Folder::new();
    newer.token("ada@example.com", &[]);
    Connection::open(newer.database())
        .expect("it opens")
        .execute_batch("PRAGMA user_version = 99; PRAGMA journal_mode = DELETE")
        .expect("a version");
    let damaged = Folder::new();
    std::fs::write(
        damaged.database(),
        "not a database at all, but long enough to be asked about it".repeat(100),
    )
    .expect("a file");
    for (folder, says) in
        [(foreign, "another program's database"), (newer, "has version 99"), (damaged, "not a database")]
    {
        let before = std::fs::read(folder.database()).expect("the file");
        for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["user", "list"]] {
            let output = folder.epicme(command, "");
            fails(&output, 1, says);
            assert_eq!(stderr(&output).lines().count(), 1);
        }
        assert!(
            before == std::fs::read(folder.database()).expect("the file"),
            "{says}: the file was changed"
        );
    }
    let missing = Folder::new();
    fails(&missing.epicme(&["token", "list"], ""), 1, "there is no ");
    assert!(!missing.database().exists());
    fails(
        &bare(&["serve", "--listen", "127.0.0.1:0", "--database", "/nowhere/x.db"], &[]),
        1,
        "can't open it",
    );
}

#[test]
fn says_when_the_port_is_taken() {
    let server = Server::start();
    let other = Folder::new();
    let output = other.epicme(&["serve", "--listen", &server.address.to_string()], "");
    fails(&output, 1, "--listen takes another port");
}

#[test]
fn shows_an_empty_server_how_to_begin_and_keeps_it_empty() {
    let server = Server::start();
    let output = server.output_with("MCP URL");
    for line in ["epicme user add you@example.com", "epicme token create you@example.com"] {
        assert!(output.contains(line), "{output}");
    }
    assert!(stdout(&server.folder.epicme(&["user", "list"], "")).is_empty());
}

/// Runs the indented curl lines of a server's output as they stand; gives what each printed.
fn pasted(output: &str) -> Vec<String> {
    let lines =
        output.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| line.starts_with("curl"));
    let run = |line| {
        let ran = Command::new("sh").args(["-c", line]).output().expect("a shell");
        assert!(ran.status.success(), "{line}: {}", stderr(&ran));
        stdout(&ran)
    };
    lines.map(run).collect()
}

#[test]
fn fills_an_empty_database_once_with_a_demo_whose_curl_lines_work() {
    let folder = Arc::new(Folder::new());
    let server = Server::start_in(folder.clone(), &["--demo"]);
    let output = server.output_with("query\":\"first entry\"}}}'\n");
    let printed = pasted(&output);
    let [refused, passed, written, found] = &printed[..] else { panic!("four curl lines, not {printed:?}") };
    assert!(
        refused.starts_with("HTTP/1.1 401 ") && refused.contains("WWW-Authenticate: Bearer "),
        "{refused}"
    );
    assert!(passed.starts_with("HTTP/1.1 200 ") && passed.contains("demo@localhost"), "{passed}");
    assert!(written.contains("created with ID 4"), "{written}");
    assert!(found.contains("Found 1 entries"), "{found}");

    let word = |name: &str| {
        let line = output.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
        line.split_whitespace().last().expect("a word").to_owned()
    };
    let (token, password) = (word("Token "), word("Person "));
    let mut client = Client::new(&server, &token);
    assert_eq!(client.ok("list_entries", json!({}))["total"], 4);
    assert_eq!(client.ok("list_tags", json!({}))["total"], 3);
    assert_eq!(client.ok("whoami", json!({}))["user"]["email"], "demo@localhost");
    drop(server);
    let connection = Connection::open(folder.database()).expect("the database");
    let (hash, life): (String, i64) = connection
        .query_row("SELECT password_hash, expires_at - t.created_at FROM users, tokens t", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .expect("one person, one token");
    assert!(epicme::secret::verify_password(&password, &hash));
    assert_eq!(life, 24 * 60 * 60);

    let again = Server::start_in(folder.clone(), &["--demo"]);
    let host = again.address.to_string();
    assert_eq!(again.send(request("GET", "/", &[("Host", &host)], "")).status, 200);
    assert_eq!(stdout(&folder.epicme(&["user", "list"], "")).lines().count(), 2, "nobody is added twice");
    assert!(!again.output_with("MCP URL").contains("em_at_"));
}
