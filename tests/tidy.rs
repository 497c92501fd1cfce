//! The house rules that a program can see.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every source file with its text.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => walk(&path, found),
                false => found.push((path.clone(), fs::read_to_string(&path).expect("text"))),
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new("src"), &mut found);
    assert!(found.len() > 20, "the sources were found");
    found
}

/// A source without its unit tests.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

/// The rooms whose files lie under `room`.
fn in_room(path: &Path, room: &str) -> bool {
    let path = path.strip_prefix("src").expect("a source");
    path.starts_with(room) || path == Path::new(&format!("{room}.rs"))
}

#[test]
fn writes_the_challenge_in_one_file() {
    let writers: Vec<_> =
        sources().into_iter().filter(|(_, text)| text.to_lowercase().contains("www-authenticate")).collect();
    assert_eq!(
        writers.iter().map(|(path, _)| path.as_path()).collect::<Vec<_>>(),
        [Path::new("src/gate.rs")]
    );
    // The name alone is known elsewhere: there a challenge is read, another server's or one that went out.
    for (path, text) in sources().into_iter().filter(|(_, text)| code(text).contains("gate::CHALLENGE")) {
        let reads = in_room(&path, "doctor") || in_room(&path, "explain");
        assert!(reads && !code(&text).contains(".with("), "{}", path.display());
    }
}

#[test]
fn makes_a_caller_and_a_permit_in_the_gate_alone() {
    for (path, text) in sources() {
        let makes = ["Caller {", "Permit {", "Refusal {"].iter().any(|made| code(&text).contains(made));
        assert_eq!(makes, path == Path::new("src/gate.rs"), "{}", path.display());
    }
}

#[test]
fn keeps_who_names_what() {
    // A room, and what its code never names.
    let never: [(&str, &[&str]); 15] = [
        ("server", &["serde_json", "rusqlite", "SELECT", "/mcp", "tokens", "crate::gate"]),
        ("request", &["std::net", "TcpStream", "/mcp", "crate::gate", "serde_json", "rusqlite"]),
        ("response", &["crate::", "std::net"]),
        ("routes", &["rusqlite", "SELECT", "TcpStream"]),
        ("gate", &["Body", "crate::mcp", "crate::journal", "rusqlite", "SELECT", "jsonrpc"]),
        ("explain", &["Body", "rusqlite", "SELECT", "crate::store", "crate::tokens", ".body()"]),
        ("oauth", &["crate::mcp", "crate::journal", "TcpStream"]),
        ("pages", &["crate::mcp", "crate::journal", "rusqlite", "SELECT"]),
        ("mcp", &["std::net", "TcpStream", "rusqlite", "SELECT", "TokenText", "crate::tokens"]),
        (
            "journal",
            &["serde_json", "json!", "crate::request", "crate::response", "crate::tokens", "httparse"],
        ),
        ("store", &["crate::journal", "crate::gate", "crate::users", "entries", "tags", "serde_json"]),
        ("tokens", &["crate::request", "crate::response", "serde_json", "crate::gate"]),
        ("users", &["crate::request", "crate::response", "serde_json"]),
        ("outgoing", &["serde_json", "rusqlite", "/mcp", "crate::gate", "ToSocketAddrs"]),
        (
            "doctor",
            &["TcpStream", "rusqlite", "crate::request", "crate::response", "crate::store", "crate::oauth"],
        ),
    ];
    for (room, names) in never {
        let files: Vec<_> = sources().into_iter().filter(|(path, _)| in_room(path, room)).collect();
        assert!(!files.is_empty(), "{room}");
        for (path, text) in files {
            let lines = code(&text).lines().filter(|line| !line.trim_start().starts_with("//"));
            for (line, name) in lines.flat_map(|line| names.iter().map(move |name| (line, name))) {
                assert!(!line.contains(name), "{} names {name}: {line}", path.display());
            }
        }
    }
    // Requests are parsed in one room, and other servers' answers in one, which alone connects to them.
    for (name, rooms) in [("httparse::", &["request", "outgoing"][..]), ("TcpStream::connect", &["outgoing"])]
    {
        let users = sources().into_iter().filter(|(_, text)| code(text).contains(name)).map(|(path, _)| path);
        let strangers: Vec<_> = users.filter(|path| !rooms.iter().any(|room| in_room(path, room))).collect();
        assert!(strangers.is_empty(), "{strangers:?} name {name} too");
    }
}

#[test]
fn binds_every_statement_of_the_journal_to_its_owner() {
    let mut statements = 0;
    for (path, text) in sources().into_iter().filter(|(path, _)| in_room(path, "journal")) {
        let literals = code(&text).split('"').skip(1).step_by(2);
        let keywords = ["SELECT ", "INSERT ", "UPDATE ", "DELETE "];
        for sql in literals.filter(|text| keywords.iter().any(|word| text.starts_with(word))) {
            statements += 1;
            let bound = sql.contains("user_id = ?1")
                || sql.contains("VALUES (?1")
                || !sql.contains("FROM") && sql.starts_with("SELECT ") // reads no table
                || sql.contains("{FILTER_SQL}")
                || sql.contains("{matches}")
                || sql.contains("rowid = e.id"); // inside a statement that binds `e`
            assert!(bound, "{}: {sql}", path.display());
        }
        let direct = ["connection.execute", "connection.prepare(", "connection.query_row"];
        assert!(!direct.iter().any(|call| code(&text).contains(call)), "{} goes past `Own`", path.display());
    }
    assert!(statements > 15, "{statements} statements were found");
}

#[test]
fn heads_every_file_and_leaves_nothing_unfinished() {
    for (path, text) in sources() {
        if path.extension().is_some_and(|extension| extension == "rs") {
            assert!(text.starts_with("//!"), "{} says nothing of its job", path.display());
        }
        for mark in
            ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!(", ".unwrap()", "macro_rules!", "async "]
        {
            assert!(!code(&text).contains(mark), "{} has {mark}", path.display());
        }
    }
}

#[test]
fn runs_on_the_crates_that_were_agreed() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .output()
        .expect("cargo runs");
    assert!(tree.status.success());
    let tree = String::from_utf8(tree.stdout).expect("text");
    let names: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let manifest = fs::read_to_string("Cargo.toml").expect("the manifest");
    let agreed: BTreeSet<_> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("# runtime: "))
        .flat_map(|line| line.split(' '))
        .chain(["epicme"])
        .collect();
    assert_eq!(names.into_iter().filter(|name| !name.is_empty()).collect::<BTreeSet<_>>(), agreed);
}

#[test]
fn shows_only_what_belongs_on_the_top_level() {
    let listed = Command::new("git").args(["ls-files"]).output().expect("git runs");
    let files = String::from_utf8(listed.stdout).expect("text");
    let top: BTreeSet<_> = files.lines().filter_map(|path| path.split('/').next()).collect();
    let allowed = ["Cargo.toml", "Cargo.lock", "Makefile", "README.md", "LICENSE", "src", "tests", "docs"];
    for name in top {
        assert!(name.starts_with('.') || allowed.contains(&name), "{name} is on the top level");
    }
}
