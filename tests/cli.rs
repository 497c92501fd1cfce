//! The command line: what each command prints, its exit code, and what it says when it can't.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use epicme::passwords::HashingMemory;
use rusqlite::Connection;
use serde_json::json;

use crate::support::{Client, EPICME, Folder, PASSWORD, PATIENCE, Server, collect, request, wait_for};

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

pub fn stderr(output: &Output) -> String {
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
pub fn fails(output: &Output, code: i32, says: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", stderr(output));
    assert!(stderr(output).starts_with("epicme: "), "{}", stderr(output));
    assert!(stderr(output).contains(says), "{says:?} is not in {:?}", stderr(output));
    assert!(output.stdout.is_empty(), "{}", stdout(output));
}

#[test]
fn shows_help_that_fits_a_screen_and_names_every_option_on_the_page_of_its_command() {
    let page = |arguments: &[&str]| {
        let help = bare(arguments, &[]);
        assert_eq!(help.status.code(), Some(0));
        let text = stdout(&help);
        assert!(text.lines().count() <= 24 && text.lines().all(|line| line.chars().count() <= 80), "{text}");
        text
    };
    let whole = page(&["help"]);
    for arguments in [&["--help"][..], &["-h"], &["help", "nothing"]] {
        assert_eq!(page(arguments), whole);
    }
    for variable in ["EPICME_DATABASE stands for --database", "EPICME_PUBLIC_URL for --public-url"] {
        assert!(whole.contains(variable), "{whole}");
    }
    // Each command that the page names has one of its own, but for `version` and `help`.
    let commands: BTreeSet<_> = whole.lines().filter_map(|line| line.strip_prefix("  epicme ")).collect();
    let commands = commands.into_iter().flat_map(|line| line.split(' ').next());
    let commands: Vec<_> = commands.filter(|name| !["version", "help"].contains(name)).collect();
    assert!(commands.len() >= 9, "{commands:?}");
    let pages: Vec<_> = commands.iter().map(|command| (*command, page(&["help", command]))).collect();
    for (command, text) in &pages {
        assert!(text.starts_with(&format!("epicme {command}")), "{text}");
        for longer in [&[command, "--help"][..], &["help", command, "add"], &[command, "add", "--help"]] {
            assert_eq!(page(longer), *text);
        }
        assert!(text.contains("for --some-name it is EPICME_SOME_NAME"), "{text}");
        // What the page names the command takes: it complains of another thing than the option.
        let words: &[&str] = match *command {
            "token" => &["token", "create", "ada@example.com"],
            "user" => &["user", "add", "ada@example.com"],
            "client" => &["client", "add", "zed"],
            "import" | "explain" | "doctor" | "backup" | "restore" => &[command, "nothing"],
            "serve" | "stdio" | "export" | "check" | "status" | "health" => &[command],
            other => panic!("how is {other} called?"),
        };
        for row in text.lines().filter(|line| line.starts_with("--")) {
            let mut parts = row.split([' ', '[']);
            let option = parts.next().expect("a name");
            let value = parts.next().filter(|value| value.starts_with(char::is_alphabetic));
            let mut arguments = [words, &[option], value.as_slice()].concat();
            if *command == "serve" && option != "--listen" {
                arguments.extend(["--listen", "nowhere"]); // so that it doesn't serve
            }
            let output = bare(&arguments, &[]);
            let told = stderr(&output);
            assert!(!told.contains("no option") && !told.contains("takes no --"), "{arguments:?}: {told}");
        }
    }
    // And every option of the program is on a page.
    let source = std::fs::read_to_string("src/cli/mod.rs").expect("the source");
    let (_, options) = source.split_once("const OPTIONS").expect("the options");
    let options: Vec<_> = options
        .lines()
        .skip(1)
        .map_while(|line| line.trim_start().strip_prefix("(\"")?.split('"').next())
        .collect();
    assert!(options.len() >= 24, "{options:?}");
    for option in options {
        let variable = format!("EPICME_{}", option.to_uppercase().replace('-', "_"));
        let is_named = |text: &str| text.contains(&format!("\n--{option}")) || text.contains(&variable);
        assert!(pages.iter().any(|(_, text)| is_named(text)), "--{option}");
    }
    let version = bare(&["version"], &[]);
    assert_eq!(stdout(&version), format!("epicme {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn refuses_a_wrong_command_line_with_2_and_says_where_help_is() {
    let rows: [(&[&str], &str); 21] = [
        (&[], "say what to do"),
        (&["sevre"], "no command \"sevre\""),
        (&["user"], "not complete"),
        (&["user", "add"], "not complete"),
        (&["user", "zone", "ada@example.com"], "not complete"),
        (&["user", "zone", "ada@example.com", "New", "York"], "too long"),
        (&["token", "list", "x"], "too long"),
        (&["serve", "--port", "1"], "no option --port"),
        (&["serve", "-x"], "no option -x"),
        (&["serve", "--listen"], "listen"),
        (&["serve", "--demo=yes"], "demo"),
        (&["user", "list", "--demo"], "takes no --demo"),
        (&["serve", "--listen", "a:1", "--listen", "b:1"], "twice"),
        (&["serve", "--listen", "example.com:80"], "takes ADDRESS:PORT"),
        (&["serve", "--public-url", "http://journal.example"], "must be https"),
        (&["serve", "--trusted-proxies", "10.0.0.0/8, 10.0.0.300"], "\"10.0.0.300\" has no IP address"),
        (
            &["serve", "--allowed-origins", "https://a.example,https://b.example/x"],
            "not \"https://b.example/x\"",
        ),
        (&["user", "list", "--trusted-proxies", "10.0.0.0/8"], "takes no --trusted-proxies"),
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
fn refuses_an_option_that_would_change_nothing_beside_another_one() {
    let folder = Folder::new();
    let document = folder.path().join("client.json");
    std::fs::write(&document, r#"{"redirect_uris":["http://127.0.0.1/callback"]}"#).expect("a document");
    let document = document.to_str().expect("UTF-8");
    let elsewhere = [
        ("EPICME_AUTHORIZATION_SERVER", "https://auth.example"),
        ("EPICME_INTROSPECTION_URL", "http://127.0.0.1:9/x"),
        ("EPICME_INTROSPECTION_ID", "x"),
        ("EPICME_INTROSPECTION_SECRET", "y"),
    ];
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let demo = "--demo is for a server that issues the tokens itself, and --authorization-server";
    let scheme =
        "--redirect-scheme is for a server that issues the tokens itself, and --authorization-server";
    fails(&bare(&[&serve[..], &["--demo"]].concat(), &elsewhere), 2, demo);
    fails(&bare(&serve, &[&elsewhere[..], &[("EPICME_DEMO", "yes")]].concat()), 2, demo);
    fails(&bare(&[&serve[..], &["--redirect-scheme", "zed"]].concat(), &elsewhere), 2, scheme);
    fails(&bare(&serve, &[&elsewhere[..], &[("EPICME_REDIRECT_SCHEME", "zed")]].concat()), 2, scheme);

    let add = ["client", "add", "--metadata", document];
    let secret =
        "says whether the client gets a secret (token_endpoint_auth_method): leave out --confidential";
    fails(&bare(&[&add[..], &["--confidential"]].concat(), &[]), 2, secret);
    fails(&bare(&add, &[("EPICME_CONFIDENTIAL", "1")]), 2, secret);
    let named = ["client", "add", "proxy", "--confidential"];
    let uri = "--redirect-scheme is for a redirect URI, and there is none";
    fails(&bare(&[&named[..], &["--redirect-scheme", "zed"]].concat(), &[]), 2, uri);
    fails(&bare(&["version", "--demo"], &[]), 2, "epicme version takes no --demo");
    fails(&bare(&["version", "--database", "x"], &[]), 2, "epicme version takes no --database");
    let doctor = ["doctor", "http://127.0.0.1:9/mcp"];
    fails(&bare(&[&doctor[..], &["--database", "x"]].concat(), &[]), 2, "takes no --database");

    // One of the two is enough, and a variable may be set for other commands than this one.
    let done = |arguments: &[&str], variables: &[(&str, &str)]| {
        let output = bare(arguments, variables);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    };
    done(&add, &[("EPICME_CONFIDENTIAL", "no"), ("EPICME_REDIRECT_SCHEME", "zed")]);
    done(&named, &[("EPICME_REDIRECT_SCHEME", "zed")]);
    done(&["client", "add", "zed", "zed://callback", "--confidential", "--redirect-scheme", "zed"], &[]);
    done(&["version"], &[("EPICME_DATABASE", "x"), ("EPICME_DEMO", "1")]);
    let off = [&elsewhere[..], &[("EPICME_DEMO", "no"), ("EPICME_LISTEN", "127.0.0.1:1")]].concat();
    fails(&bare(&["serve", "--database", "/nowhere/x.db"], &off), 1, "/nowhere/x.db");
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
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
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
    let matched = HashingMemory::default().verify("eight ch", &hash("bob@example.com"));
    assert_eq!(matched, Some(true), "the line end is no part of it");
    let passwd =
        |email: &str| folder.epicme(&["user", "passwd", email, "--password-stdin"], "another password");
    assert_eq!(passwd("ada@example.com").status.code(), Some(0));
    assert_ne!(hash("ada@example.com"), before);
    fails(&passwd("eve@example.com"), 1, "there is no eve@example.com");

    let zones = || -> Vec<String> {
        let listed = stdout(&folder.epicme(&["user", "list"], ""));
        listed.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect()
    };
    let zone = |email: &str, name: &str| folder.epicme(&["user", "zone", email, name], "");
    assert_eq!(zones(), ["ZONE", "UTC", "UTC"]);
    let set = zone("ADA@example.com", "europe/kyiv");
    assert_eq!(set.status.code(), Some(0));
    let told = stderr(&set);
    assert!(told.starts_with("epicme: ADA@example.com is in Europe/Kyiv now, where it is 20"), "{told}");
    assert!(told.ends_with("+02:00\n") || told.ends_with("+03:00\n"), "{told}");
    assert_eq!(zones(), ["ZONE", "Europe/Kyiv", "UTC"], "and of nobody else");
    for (name, says) in [
        ("Berlin", "a name like Europe/Berlin, of an area and a city. Did you mean Europe/Berlin?"),
        ("America/New York", "Did you mean America/New_York?"),
        ("CET-1CEST", "That is not a time zone"),
        ("/etc/localtime", "That is not a time zone"),
        ("", "That is not a time zone"),
    ] {
        fails(&zone("ada@example.com", name), 1, says);
    }
    assert_eq!(zones(), ["ZONE", "Europe/Kyiv", "UTC"]);
    fails(&zone("eve@example.com", "UTC"), 1, "there is no eve@example.com");
    assert_eq!(folder.epicme(&["user", "remove", "ada@example.com"], "").status.code(), Some(0));
    fails(&folder.epicme(&["user", "remove", "ada@example.com"], ""), 1, "there is no ada@example.com");
    assert!(!stdout(&folder.epicme(&["user", "list"], "")).contains("ada"));
}

#[test]
fn proposes_commands_that_can_be_pasted_whatever_the_names_are() {
    let folder = Folder::new();
    let [program, database] = ["an epicme", "it's $(id).db"].map(|name| folder.path().join(name));
    std::os::unix::fs::symlink(EPICME, &program).expect("a link");
    for email in ["ada@example.com", "o'brien@example.com", "a;id@example.com", "$(id)@example.com"] {
        let mut add = Command::new(&program);
        add.args(["user", "add", email, "--database"]).arg(&database).env_clear();
        let added = add.env("EPICME_PASSWORD_STDIN", "yes").stdin(password()).output().expect("it runs");
        let told = stderr(&added);
        let (_, command) = told.trim_end().split_once("a token for a client: ").expect("a command");
        let pasted = Command::new("/bin/sh").args(["-c", command]).output().expect("a shell");
        assert_eq!(pasted.status.code(), Some(0), "{command}: {}", stderr(&pasted));
        assert!(stdout(&pasted).starts_with("em_at_") && stdout(&pasted).lines().count() == 1, "{command}");
    }
}

/// A pipe that holds a password.
pub fn password() -> std::io::PipeReader {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(PASSWORD.as_bytes()).expect("it has room");
    reader
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
        "can't open it: there is no such folder",
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
    assert_eq!(HashingMemory::default().verify(&password, &hash), Some(true));
    assert_eq!(life, 24 * 60 * 60);

    let again = Server::start_in(folder.clone(), &["--demo"]);
    let host = again.address.to_string();
    assert_eq!(again.send(request("GET", "/", &[("Host", &host)], "")).status, 200);
    assert_eq!(stdout(&folder.epicme(&["user", "list"], "")).lines().count(), 2, "nobody is added twice");
    assert!(!again.output_with("MCP URL").contains("em_at_"));
}

/// Runs a command on this folder's database whose output goes to `sink`.
fn printing_to(sink: impl Into<Stdio>, folder: &Folder, arguments: &[&str]) -> Output {
    let mut command = Command::new(EPICME);
    command.args(arguments).env_clear().env("EPICME_DATABASE", folder.database());
    command.stdin(Stdio::null()).stdout(sink).stderr(Stdio::piped()).output().expect("the binary runs")
}

/// A device on which there is never room.
fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("Linux has it")
}

#[test]
fn fails_where_its_output_is_lost_and_not_where_its_reader_has_ended() {
    let server = Server::start();
    let folder = Arc::clone(&server.folder);
    let token = folder.token("ada@example.com", &[]);
    folder.epicme(&["client", "add", "an app", "http://127.0.0.1/callback"], "");
    let url = format!("{}/mcp", server.base_url());
    let commands: [(&[&str], i32); 10] = [
        (&["help"], 0),
        (&["version"], 0),
        (&["user", "list"], 0),
        (&["token", "list"], 0),
        (&["client", "list"], 0),
        (&["explain", &token], 0),
        (&["explain", "x"], 1),
        (&["doctor", &url], 0),
        (&["doctor", &url, "--diagram"], 0),
        (&["doctor", &url, "--json"], 0),
    ];
    for (arguments, code) in commands {
        let lost = printing_to(full(), &folder, arguments);
        assert_eq!(lost.status.code(), Some(1), "{arguments:?}");
        let told = stderr(&lost);
        assert!(told.contains("can't write to standard output: No space left"), "{arguments:?}: {told}");
        // The reader of this pipe has ended.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let unread = printing_to(writer, &folder, arguments);
        assert_eq!(unread.status.code(), Some(code), "{arguments:?}");
        assert!(!stderr(&unread).contains("standard output"), "{arguments:?}: {}", stderr(&unread));
    }
}

#[test]
fn takes_back_what_nobody_has_seen() {
    let folder = Folder::new();
    folder.token("ada@example.com", &[]);
    let token: &[&str] = &["token", "create", "ada@example.com"];
    let client: &[&str] = &["client", "add", "an app", "--confidential"];
    // It has no secret, but who adds it again would have it twice.
    let public: &[&str] = &["client", "add", "an app", "http://127.0.0.1/callback"];
    for (arguments, table, before) in [(token, "tokens", 1), (client, "clients", 0), (public, "clients", 1)] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        for output in [printing_to(full(), &folder, arguments), printing_to(writer, &folder, arguments)] {
            assert_eq!(output.status.code(), Some(1), "{arguments:?}");
            assert!(stderr(&output).contains("it was taken back"), "{}", stderr(&output));
            assert_eq!(folder.count(table), before, "{arguments:?}");
        }
        assert_eq!(folder.epicme(arguments, "").status.code(), Some(0));
        assert_eq!(folder.count(table), before + 1, "{arguments:?}");
    }
}

/// Runs a script of the shell, in which `"$@"` is the command with its arguments and the database of the folder.
pub fn in_shell(folder: &Folder, script: &str, arguments: &[&str]) -> Output {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script, "sh", EPICME]).args(arguments).arg("--database").arg(folder.database());
    shell.env_clear().stdin(Stdio::null()).output().expect("a shell")
}

#[test]
fn makes_no_secret_where_standard_output_keeps_nothing() {
    let folder = Folder::new();
    folder.token("ada@example.com", &[]);
    let run = |redirection: &str, arguments: &[&str]| {
        in_shell(&folder, &format!("exec \"$@\" {redirection}"), arguments)
    };
    let kept = format!("> {}", folder.path().join("kept").display());
    let token: &[&str] = &["token", "create", "ada@example.com"];
    let client: &[&str] = &["client", "add", "an app", "--confidential"];
    for (arguments, table, before) in [(token, "tokens", 1), (client, "clients", 0)] {
        for nowhere in [">&-", "> /dev/null"] {
            fails(&run(nowhere, arguments), 1, "nothing was made");
            assert_eq!(folder.count(table), before, "{nowhere}");
        }
        assert_eq!(run(&kept, arguments).status.code(), Some(0));
        assert_eq!(folder.count(table), before + 1);
    }
    // What can be found later, by a list, may go there.
    let public = ["client", "add", "an app", "http://127.0.0.1/callback"];
    for (arguments, nowhere) in [(&public[..], "> /dev/null"), (&["user", "list"], ">&-")] {
        assert_eq!(run(nowhere, arguments).status.code(), Some(0));
    }
}

#[test]
fn lists_a_client_of_a_long_id_without_widening_the_rows_of_the_others() {
    let folder = Folder::new();
    folder.epicme(&["client", "add", "an app", "http://127.0.0.1/callback"], "");
    // As long as the id of a client that registered itself can be.
    let copy = "UPDATE clients SET id = hex(zeroblob(2700)), registered_by = 'itself'";
    Connection::open(folder.database()).expect("the database").execute(copy, []).expect("a long id");
    folder.epicme(&["client", "add", "an app", "http://127.0.0.1/callback"], "");
    let listed = stdout(&folder.epicme(&["client", "list"], ""));
    let mut widths: Vec<_> = listed.lines().map(str::len).collect();
    widths.sort_unstable();
    assert!(widths[1] < 150 && widths[2] > 5400, "{widths:?}");
}

#[test]
fn reads_a_clients_document_within_a_bound() {
    let folder = Folder::new();
    let document = folder.path().join("client.json");
    let add =
        |path: &Path| folder.epicme(&["client", "add", "--metadata", path.to_str().expect("UTF-8")], "");
    let json = r#"{"redirect_uris":["http://127.0.0.1/callback"]}"#;
    let padded = |length: usize| [json, &" ".repeat(length - json.len())].concat().into_bytes();
    let refused: [(Vec<u8>, &str); 3] = [
        (padded(64 * 1024 + 1), "has more than 65536 bytes"),
        (format!("\u{feff}{json}").into_bytes(), "byte-order mark; write it without one"),
        (json.as_bytes()[1..].to_vec(), "client.json: "),
    ];
    for (content, says) in refused {
        std::fs::write(&document, content).expect("a document");
        fails(&add(&document), 1, says);
    }
    fails(&add(Path::new("/dev/zero")), 1, "has more than 65536 bytes");
    std::fs::write(&document, padded(64 * 1024)).expect("a document");
    assert_eq!(add(&document).status.code(), Some(0));
    assert_eq!(folder.count("clients"), 1);
}

#[test]
fn ends_in_order_where_nobody_can_read_how_to_reach_the_server() {
    for options in [&["--demo"][..], &[]] {
        let arguments = [&["serve", "--listen", "127.0.0.1:0"], options].concat();
        // Where the disk is full the first line is lost already. That a reader has ended matters for a secret alone:
        // the token of the demo, or the link by which the first person is added.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        for (sink, says) in
            [(Stdio::from(full()), "No space left"), (Stdio::from(writer), "nobody has seen what was made")]
        {
            let folder = Folder::new();
            let output = printing_to(sink, &folder, &arguments);
            assert_eq!(output.status.code(), Some(1), "{options:?}: {}", stderr(&output));
            assert!(stderr(&output).contains(says), "{options:?}: {}", stderr(&output));
            let log = folder.database().with_extension("db-wal");
            assert_eq!(std::fs::metadata(log).map_or(0, |log| log.len()), 0, "the log is empty");
            let rows = ["users", "tokens", "entries"].map(|table| folder.count(table));
            assert_eq!(rows, [0; 3], "{options:?}: as if the demo had never been made");
        }
    }
}

/// The messages that a service manager gets at an address of a socket, until the server has ended in order.
fn told_to_the_manager(socket: &UnixDatagram, address: &str) -> [String; 2] {
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let message = || {
        let mut bytes = [0; 64];
        let count = socket.recv(&mut bytes).expect("a message");
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    };
    let mut server = Server::start_with_variables(&[("NOTIFY_SOCKET", address)]);
    let ready = message();
    assert_eq!(server.send("GET /healthz HTTP/1.0\r\n\r\n").status, 200);
    assert_eq!(server.signal("TERM"), Some(0));
    let told = [ready, message()];
    socket.set_nonblocking(true).expect("it can be asked");
    assert!(socket.recv(&mut [0; 64]).is_err(), "nothing more");
    told
}

#[test]
fn tells_a_service_manager_when_it_serves_and_when_it_stops() {
    let folder = Folder::new();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let expected = ["READY=1", "STOPPING=1"];
    assert_eq!(told_to_the_manager(&socket, path.to_str().expect("UTF-8")), expected);

    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("epicme-test-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a name");
        let socket = UnixDatagram::bind_addr(&address).expect("a socket");
        assert_eq!(told_to_the_manager(&socket, &format!("@{name}")), expected);
    }

    // No manager is there: the server says so and serves all the same.
    let mut server = Server::start_with_variables(&[("NOTIFY_SOCKET", "/nowhere/notify")]);
    server.log_with("can't tell the service manager READY=1 at /nowhere/notify: No such file");
    assert_eq!(server.send("GET /healthz HTTP/1.0\r\n\r\n").status, 200);
    assert_eq!(server.signal("TERM"), Some(0));
    let mut server = Server::start_with_variables(&[("NOTIFY_SOCKET", "")]);
    assert_eq!(server.signal("TERM"), Some(0));
    assert!(!server.log().contains("service manager"), "{}", server.log());
}

#[test]
fn reads_yes_and_no_in_a_variable_and_refuses_any_other_word() {
    let folder = Arc::new(Folder::new());
    let database = folder.database();
    let database = database.to_str().expect("UTF-8");
    let add = |word: &str| {
        let variables = [("EPICME_DATABASE", database), ("EPICME_PASSWORD_STDIN", word)];
        bare(&["user", "add", "ada@example.com"], &variables)
    };
    for no in ["0", "no", "No", "FALSE", "off", ""] {
        fails(&add(no), 1, "no terminal");
    }
    for yes in ["1", "yes", "YES", "True", "on"] {
        // Read from standard input, which is empty.
        fails(&add(yes), 1, "at least 8 characters");
    }
    for other in ["2", "y", "maybe", " 1", "yes "] {
        fails(&add(other), 2, "EPICME_PASSWORD_STDIN takes yes or no, not");
    }
    for switch in ["EPICME_DEMO", "EPICME_REQUIRE_CONFIRMATION"] {
        fails(&bare(&["serve"], &[(switch, "ja")]), 2, &format!("{switch} takes yes or no"));
    }
    fails(&bare(&["client", "add", "x"], &[("EPICME_CONFIDENTIAL", "ja")]), 2, "EPICME_CONFIDENTIAL takes");
    fails(&bare(&["serve"], &[("EPICME_EXPLAIN", "xml")]), 2, "takes no form but json");
    // A command that doesn't take the option isn't disturbed, and one that is given the option doesn't look.
    let set = [("EPICME_DATABASE", database), ("EPICME_DEMO", "ja")];
    fails(&bare(&["user", "list"], &set), 1, "there is no ");
    fails(&bare(&["serve", "--demo=yes"], &[]), 2, "demo");
    let served = Server::start_with_variables(&[("EPICME_DEMO", "no"), ("EPICME_EXPLIAN", "1")]);
    assert!(served.output_with("MCP URL").contains("This journal has no account yet"));
    assert!(served.log_with("EPICME_EXPLIAN").contains("EPICME_EXPLIAN sets nothing"));
}

#[test]
fn takes_one_line_for_a_password_and_refuses_what_no_form_can_send() {
    let folder = Folder::new();
    let mut number = 0;
    let mut add = |input: &str| {
        number += 1;
        folder.epicme(&["user", "add", &format!("{number}@example.com"), "--password-stdin"], input)
    };
    let refused = [
        ("a password\nanother", "has more"),
        ("a password\n\n\n.", "has more"),
        ("a pass\0word", "U+0000"),
        ("a pass\tword", "U+0009"),
        ("a password\r", "U+000D"),
        ("a pass\rword\n", "U+000D"),
        ("a pass\u{7f}word", "U+007F"),
        ("a pass\u{85}word", "U+0085"),
        ("\u{feff}a password", "byte-order mark"),
        ("\na password", "has more"),
        ("\n", "at least 8"),
    ];
    for (input, says) in refused {
        fails(&add(input), 1, says);
    }
    let longest = "x".repeat(1024);
    let taken = [
        "a password",
        "a password\n",
        "a password\r\n",
        "a password\n\n\r\n",
        " a pass\u{a0}wörd ",
        &longest,
    ];
    for input in taken {
        let output = add(input);
        assert_eq!(output.status.code(), Some(0), "{input:?}: {}", stderr(&output));
        let connection = Connection::open(folder.database()).expect("the database");
        let sql = "SELECT password_hash FROM users ORDER BY id DESC LIMIT 1";
        let hash: String = connection.query_row(sql, [], |row| row.get(0)).expect("a row");
        let line = input.split(['\r', '\n']).next().expect("a line");
        assert_eq!(HashingMemory::default().verify(line, &hash), Some(true), "{input:?}");
    }
    fails(&add(&format!("{longest}\n\nx")), 1, "has more");
    fails(&add(&format!("{longest}x\n")), 1, "at most 1024");
    // The token that explain reads is one line too.
    fails(&folder.epicme(&["explain", "-"], "x\ny\n"), 2, "has more");
}

/// A person at a terminal, where a shell runs a command and then prints its exit code and the terminal's settings.
struct Typist {
    keyboard: File,
    screen: Arc<Mutex<String>>,
    shell: Child,
}

impl Typist {
    fn start(folder: &Folder, arguments: &[&str]) -> Typist {
        let terminal = nix::pty::openpty(None, None).expect("a terminal");
        // The signals of the keyboard go to the shell too, and it goes on to say what it sees.
        let command = "trap : HUP INT QUIT TERM; sh -c 'echo pid $$ && exec \"$@\"' sh \"$@\"; echo code $?; stty -a; echo end";
        let [stdin, stdout, stderr] = [(); 3].map(|()| terminal.slave.try_clone().expect("a descriptor"));
        // A test that runs in the background of a shell has some signals ignored.
        let mut shell = Command::new("env");
        shell.args(["--default-signal=HUP,INT,QUIT,TERM", "setsid", "-c", "sh", "-c", command, "sh", EPICME]);
        shell.args(arguments);
        shell.arg("--database").arg(folder.database()).stdin(stdin).stdout(stdout).stderr(stderr);
        let shell = shell.spawn().expect("setsid runs");
        let keyboard = File::from(terminal.master);
        let screen = collect(keyboard.try_clone().expect("a descriptor"));
        Typist { keyboard, screen, shell }
    }

    #[track_caller]
    fn types(&mut self, at: &str, keys: &[u8]) {
        wait_for(&self.screen, at);
        self.keyboard.write_all(keys).expect("the terminal takes it");
    }

    /// Sends a signal to the command itself, as another terminal or a service manager does.
    #[track_caller]
    fn signal(&self, at: &str, name: &str) {
        let screen = wait_for(&self.screen, at);
        let pid = screen.lines().find_map(|line| line.strip_prefix("pid ")).expect("a process");
        assert!(Command::new("kill").args([&format!("-{name}"), pid]).status().expect("kill runs").success());
    }

    /// Returns what stood on the screen when the command had ended, and checks that the terminal shows again what is
    /// typed.
    #[track_caller]
    fn ends(mut self, code: i32) -> String {
        let screen = wait_for(&self.screen, "\nend");
        assert!(screen.contains(&format!("code {code}\r\n")), "{screen}");
        assert!(screen.contains(" echo ") && !screen.contains(" -echo "), "{screen}");
        self.shell.wait().expect("it ends");
        screen
    }
}

const FIRST: &str = "Password: ";
const SECOND: &str = "The same again: ";

#[test]
fn takes_a_password_at_a_terminal_that_does_not_show_it() {
    let folder = Folder::new();
    let add: &[&str] = &["user", "add", "ada@example.com"];
    let mut typist = Typist::start(&folder, add);
    // The kernel edits the line: the first characters are erased.
    typist.types(FIRST, "xx\x7f\x7flong p\u{e4}ssword\n".as_bytes());
    typist.types(SECOND, "long p\u{e4}ssword\n".as_bytes());
    let screen = typist.ends(0);
    assert!(screen.contains("ada@example.com added") && !screen.contains("ssword\r\n"), "{screen}");
    let hash: String = Connection::open(folder.database())
        .expect("the database")
        .query_row("SELECT password_hash FROM users", [], |row| row.get(0))
        .expect("a row");
    assert_eq!(HashingMemory::default().verify("long p\u{e4}ssword", &hash), Some(true));

    let refused: [(&[u8], &str); 5] = [
        (b"\x04", "no password was typed; nothing was changed"),
        (b"a\tlong password\n", "U+0009"),
        (b"a long password\x1a\n", "U+001A"), // Ctrl-Z doesn't leave the terminal to the shell
        (b"a long p\xe4ssword\n", "not UTF-8"), // of a terminal in Latin-1
        (b"short\n", "at least 8 characters"),
    ];
    for (keys, says) in refused {
        let mut typist = Typist::start(&folder, add);
        typist.types(FIRST, keys);
        let screen = typist.ends(1);
        assert!(screen.contains(says) && !screen.contains("no terminal"), "{screen}");
    }
    let mut typist = Typist::start(&folder, add);
    typist.types(FIRST, b"long password\n");
    typist.types(SECOND, b"long passwOrd\n");
    assert!(typist.ends(1).contains("the two passwords differ; nothing was changed"));
}

#[test]
fn leaves_a_terminal_that_shows_what_is_typed_where_a_signal_ends_the_question() {
    let folder = Folder::new();
    let add: &[&str] = &["user", "add", "ada@example.com"];
    for (key, code) in [(b"\x03", 130), (b"\x1c", 131)] {
        let mut typist = Typist::start(&folder, add);
        typist.types(FIRST, b"abc");
        typist.types(FIRST, key);
        typist.ends(code);
        let mut typist = Typist::start(&folder, add);
        typist.types(FIRST, b"long password\n");
        typist.types(SECOND, key);
        typist.ends(code);
    }
    for (name, code) in [("TERM", 143), ("HUP", 129), ("INT", 130)] {
        let typist = Typist::start(&folder, add);
        typist.signal(FIRST, name);
        typist.ends(code);
    }
    assert!(!folder.database().exists());
}

/// The modes of the database and the files beside it that are there.
fn modes(folder: &Folder) -> Vec<u32> {
    let files = ["db", "db-wal", "db-shm"].map(|end| folder.database().with_extension(end));
    let modes = files.iter().filter_map(|file| std::fs::metadata(file).ok());
    modes.map(|found| found.permissions().mode() & 0o777).collect()
}

pub fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("the mode is set");
}

#[test]
fn moves_all_that_a_command_wrote_into_the_database_file() {
    let folder = Folder::new();
    for number in 0..10 {
        let email = format!("person-{number}@example.com");
        assert_eq!(
            folder.epicme(&["user", "add", &email, "--password-stdin"], "a password").status.code(),
            Some(0)
        );
        // A copy of the one file, as people make backups while nothing runs.
        let copy = Folder::new();
        std::fs::copy(folder.database(), copy.database()).expect("a copy");
        assert!(stdout(&copy.epicme(&["user", "list"], "")).contains(&email), "{email}");
    }
}

#[test]
fn refuses_what_is_no_file_as_a_database_and_waits_for_no_pipe() {
    let folder = Folder::new();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    for path in [folder.path(), &pipe, Path::new("/dev/null")] {
        let path = path.to_str().expect("a path");
        for command in [&["user", "list"][..], &["token", "create", "ada@example.com"], &["serve"]] {
            let output =
                Command::new(EPICME).args(command).args(["--database", path]).output().expect("it runs");
            fails(&output, 1, "name a file");
        }
    }
}

#[test]
fn takes_a_restored_database_from_the_eyes_of_others() {
    let folder = Arc::new(Folder::new());
    folder.token("ada@example.com", &[]);
    set_mode(&folder.database(), 0o644);
    let server = Server::start_in(folder.clone(), &[]);
    server.log_with("had mode 0644");
    assert_eq!(modes(&folder), [0o600; 3]);
    drop(server);
    // A killed server leaves all three files; they come back with the mode that the backup gave them.
    for mode in [0o666, 0o640, 0o604] {
        drop(Server::start_in(folder.clone(), &[]));
        for end in ["db", "db-wal", "db-shm"] {
            set_mode(&folder.database().with_extension(end), mode);
        }
        let made = folder.epicme(&["token", "create", "ada@example.com"], "");
        assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
        assert!(stderr(&made).contains(&format!("had mode 0{mode:o}")), "{}", stderr(&made));
        assert!(modes(&folder).iter().all(|mode| *mode == 0o600), "{:?}", modes(&folder));
    }
    // By a link it is the file that counts, and its folder.
    let links = Folder::new();
    std::os::unix::fs::symlink(folder.database(), links.database()).expect("a link");
    set_mode(&folder.database(), 0o644);
    assert_eq!(links.epicme(&["token", "create", "ada@example.com"], "").status.code(), Some(0));
    assert!(modes(&folder).iter().all(|mode| *mode == 0o600), "{:?}", modes(&folder));
    // What is another program's keeps its mode.
    let foreign = Folder::new();
    Connection::open(foreign.database())
        .expect("a database")
        .execute_batch("CREATE TABLE x (y)")
        .expect("a table");
    set_mode(&foreign.database(), 0o644);
    fails(&foreign.epicme(&["token", "create", "ada@example.com"], ""), 1, "another program's");
    assert_eq!(modes(&foreign)[0], 0o644);
}

/// Runs a command as a user who may read this folder and its files, and not write them. Root may write everywhere, so
/// where the tests run as root the command runs as nobody.
pub fn unprivileged(folder: &Folder, arguments: &[&str]) -> Output {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    // The program may lie where only root may go. A process of its own copies it: if this one had it open to write
    // while another thread starts a program, that program would have it open too, and it couldn't be run.
    let program = folder.path().join("program");
    if !program.exists() {
        assert!(Command::new("cp").arg(EPICME).arg(&program).status().expect("cp runs").success());
    }
    for end in ["db", "db-wal", "db-shm"] {
        let file = folder.database().with_extension(end);
        if file.exists() {
            set_mode(&file, 0o444);
        }
    }
    set_mode(folder.path(), 0o555);
    let mut command = Command::new(if stdout(&id) == "0\n" { "setpriv" } else { "env" });
    if stdout(&id) == "0\n" {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    command.arg(&program).args(arguments).arg("--database").arg(folder.database());
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    set_mode(folder.path(), 0o755);
    output
}

#[test]
fn reads_a_database_that_it_can_not_write_and_says_why_it_writes_nothing() {
    let folder = Arc::new(Folder::new());
    let token = folder.token("ada@example.com", &[]);
    let mut server = Server::start_in(folder.clone(), &[]);
    assert_eq!(server.signal("TERM"), Some(0));
    let reads: [(&[&str], &str); 3] = [
        (&["user", "list"], "ada@example.com"),
        (&["token", "list"], "live"),
        (&["explain", &token], "The gate opens"),
    ];
    let check = |says_more: &str| {
        for (arguments, says) in reads {
            let output = unprivileged(&folder, arguments);
            assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
            assert!(stdout(&output).contains(says), "{arguments:?}: {}", stdout(&output));
        }
        assert!(stdout(&unprivileged(&folder, &["user", "list"])).contains(says_more));
        for arguments in [&["user", "remove", "ada@example.com"][..], &["token", "create", "ada@example.com"]]
        {
            let output = unprivileged(&folder, arguments);
            assert_eq!(output.status.code(), Some(1), "{arguments:?}");
            let told = stderr(&output);
            assert!(told.contains("epicme.db: ") && told.contains("own"), "{told}");
            assert!(!told.contains("try again"), "{told}");
        }
    };
    for end in ["db-wal", "db-shm"] {
        let _ = std::fs::remove_file(folder.database().with_extension(end));
    }
    check("ada@example.com");

    // A killed server leaves a log whose changes aren't in the database.
    set_mode(&folder.database(), 0o600);
    let mut server = Server::start_in(folder.clone(), &[]);
    assert_eq!(
        folder.epicme(&["user", "add", "bob@example.com", "--password-stdin"], PASSWORD).status.code(),
        Some(0)
    );
    server.kill();
    assert!(std::fs::metadata(folder.database().with_extension("db-wal")).expect("a log").len() > 0);
    check("bob@example.com");

    // Without the index of the log its changes can't be read there. The database alone would be an old state.
    std::fs::remove_file(folder.database().with_extension("db-shm")).expect("an index");
    for (arguments, _) in reads {
        let output = unprivileged(&folder, arguments);
        fails(&output, 1, "the changes in its log");
    }
    set_mode(&folder.database(), 0o600);
    set_mode(&folder.database().with_extension("db-wal"), 0o600);
    assert!(stdout(&folder.epicme(&["user", "list"], "")).contains("bob@example.com"));
}

#[test]
fn names_a_full_disk_and_too_few_descriptors_and_no_failing_disk_or_other_owner() {
    let folder = Folder::new();
    folder.token("ada@example.com", &[]);
    let bounded = |bound: &str, arguments: &[&str]| {
        in_shell(&folder, &format!("trap '' XFSZ && {bound} && exec \"$@\""), arguments)
    };
    for arguments in [&["user", "list"][..], &["token", "create", "ada@example.com"]] {
        // No file may grow past 8 KiB, which stands in for a full disk: the index of the log needs 32 KiB.
        fails(&bounded("ulimit -f 16", arguments), 1, "the disk is full; free some space");
        fails(&bounded("ulimit -n 8", arguments), 1, "ulimit -n");
        let enough = bounded("ulimit -f 1000 && ulimit -n 200", arguments);
        assert_eq!(enough.status.code(), Some(0), "{}", stderr(&enough));
    }
}

/// Makes the database of an earlier version in this folder, which has taken this many steps, with one person.
fn earlier_version(folder: &Folder, steps: usize) {
    let all = [include_str!("../src/schema.sql"), include_str!("../src/schema_2.sql")];
    let connection = Connection::open(folder.database()).expect("a database");
    connection.query_row("PRAGMA journal_mode = wal", [], |_| Ok(())).expect("a log");
    all[..steps].iter().for_each(|sql| connection.execute_batch(sql).expect("a step"));
    let person = "INSERT INTO users (email, password_hash, created_at, updated_at) VALUES ('ada@example.com', '', 0, 0)";
    connection.execute(person, []).expect("a person");
    connection.pragma_update(None, "user_version", steps as i64).expect("a version");
    connection.pragma_update(None, "application_id", 0x4550_4943).expect("the mark");
}

#[test]
fn reads_the_database_of_the_version_before_and_leaves_it_as_it_was() {
    let folder = Folder::new();
    earlier_version(&folder, 2);
    let before = std::fs::read(folder.database()).expect("the file");
    set_mode(&folder.database(), 0o644);
    let reads: [(&[&str], i32); 4] =
        [(&["user", "list"], 0), (&["token", "list"], 0), (&["client", "list"], 0), (&["explain", "x"], 1)];
    for (arguments, code) in reads {
        let output = folder.epicme(arguments, "");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        // Where it can't be written, as on a medium that is mounted read-only, it can be read too.
        let output = unprivileged(&folder, arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        set_mode(&folder.database(), 0o644);
        assert!(before == std::fs::read(folder.database()).expect("the file"), "{arguments:?} changed it");
        assert_eq!(modes(&folder)[0], 0o644, "{arguments:?}");
    }
    let listed = || stdout(&folder.epicme(&["user", "list"], ""));
    assert!(listed().contains("ada@example.com") && listed().ends_with("UTC\n"), "{}", listed());
    folder.token("ada@example.com", &[]);
    assert!(listed().ends_with("UTC\n"), "{}", listed());
    let version = |folder: &Folder| -> i64 {
        let connection = Connection::open(folder.database()).expect("the database");
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version")
    };
    assert_eq!(version(&folder), 5, "a command that writes brings it up to date");

    // The version before that one lacks tables, and what is empty lacks them all.
    let older = Folder::new();
    earlier_version(&older, 1);
    let [empty, byte] = ["", "x"].map(|content| {
        let folder = Folder::new();
        std::fs::write(folder.database(), content).expect("a file");
        folder
    });
    for (folder, says, is_whole) in [
        (&older, "epicme serve brings it", true),
        (&empty, "it is empty, so it is no journal", false),
        (&byte, "its end is missing: it has 1 bytes", false),
    ] {
        let before = std::fs::read(folder.database()).expect("the file");
        set_mode(&folder.database(), 0o644);
        for (arguments, _) in reads {
            fails(&folder.epicme(arguments, ""), 1, says);
        }
        assert!(before == std::fs::read(folder.database()).expect("the file"), "{says}");
        assert_eq!(modes(folder)[0], 0o644, "{says}");
        if !is_whole {
            continue; // `opening` tests what makes a journal of it
        }
        folder.token("ada@example.com", &[]);
        assert!(stdout(&folder.epicme(&["user", "list"], "")).contains("ada@example.com"));
    }
}

/// Overwrites the first page of each of these tables, and of their indexes. Nothing has the database open.
fn damage(folder: &Folder, tables: &str) {
    let connection = Connection::open(folder.database()).expect("the database");
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("a checkpoint");
    let sql = format!(
        "SELECT group_concat(rootpage) FROM sqlite_schema WHERE tbl_name IN ({tables}) AND rootpage > 0"
    );
    let pages: String = connection.query_row(&sql, [], |row| row.get(0)).expect("pages");
    let size: u32 = connection.query_row("PRAGMA page_size", [], |row| row.get(0)).expect("a size");
    drop(connection);
    let file = OpenOptions::new().write(true).open(folder.database()).expect("the file");
    for page in pages.split(',') {
        let at = (page.parse::<u64>().expect("a number") - 1) * u64::from(size);
        std::os::unix::fs::FileExt::write_all_at(&file, &vec![0xff; size as usize], at).expect("damage");
    }
}

#[test]
fn says_in_the_log_what_to_do_about_damage_that_shows_while_serving() {
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "get_entry", "arguments": { "id": 1 } } })
        .to_string();
    for (tables, what, status) in
        [("'entries'", "a call failed: ", 200), ("'tokens'", "the gate can't look up a token: ", 503)]
    {
        let folder = Arc::new(Folder::new());
        let token = folder.token("ada@example.com", &[]);
        let server = Server::start_in(folder.clone(), &[]);
        damage(&folder, tables);
        let (host, bearer) = (server.address.to_string(), format!("Bearer {token}"));
        let fields = [("Host", &*host), ("Authorization", &*bearer), ("Content-Type", "application/json")];
        let answer = server.send(request("POST", "/mcp", &fields, &call));
        assert_eq!(answer.status, status, "{what}");
        let log = server.log_with("POST /mcp");
        let note = log.lines().find(|line| line.contains(what)).expect("a note");
        assert!(note.contains("malformed") && note.contains("a copy of it from a backup"), "{note}");
        assert!(!log.contains("try again"), "{log}");
    }
}

#[test]
fn names_a_damaged_file_and_the_way_out() {
    let folder = Folder::new();
    let token = folder.token("ada@example.com", &[]);
    damage(&folder, "'users', 'tokens', 'clients'");
    let commands: [&[&str]; 6] = [
        &["user", "list"],
        &["token", "list"],
        &["client", "list"],
        &["explain", &token],
        &["token", "create", "ada@example.com"],
        &["user", "remove", "ada@example.com"],
    ];
    for arguments in commands {
        let output = folder.epicme(arguments, "");
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        let path = folder.database().display().to_string();
        assert!(told.contains(&path) && told.contains("malformed") && told.contains("backup"), "{told}");
        assert!(!told.contains("try again"), "{told}");
    }
}
