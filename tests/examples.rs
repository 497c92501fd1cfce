//! The smallest clients, `docs/examples/`: each signs in and writes an entry, and without the password writes none.

use std::process::{Command, Output};

use serde_json::json;

use crate::support::{Client, PASSWORD, Server};

const EMAIL: &str = "ada@example.com";

/// A title and a content that have to be escaped in JSON.
const ENTRY: [&str; 2] = ["An \"example\"", "It took 100 % of\u{a0}C:\\patience,\n\n\tand then more"];

/// Runs an example with the server's URL and an entry.
fn run(mut example: Command, server: &Server, password: &str, entry: [&str; 2]) -> Output {
    let url = format!("{}/mcp", server.base_url());
    example.arg(url).args(entry).env("EMAIL", EMAIL).env("PASSWORD", password).output().expect("it runs")
}

#[track_caller]
fn check(example: impl Fn() -> Command) {
    let server = Server::start();
    let mut ada = Client::new(&server, &server.token(EMAIL, &[]));
    let refused = run(example(), &server, "a wrong password", ENTRY);
    let complaint = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains(&format!("not signed in: is that the password of {EMAIL}?")), "{complaint}");
    assert_eq!(ada.ok("list_entries", json!({}))["total"], 0);
    let done = run(example(), &server, PASSWORD, ENTRY);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(said.contains("created with ID 1"), "{said}");
    let entry = &ada.ok("get_entry", json!({ "id": 1 }))["entry"];
    assert_eq!([&entry["title"], &entry["content"]], ENTRY);
    // What the server refuses isn't taken for done.
    let refused = run(example(), &server, PASSWORD, [&"x".repeat(301), "x"]);
    assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stdout));
    assert_eq!(ada.ok("list_entries", json!({}))["total"], 1);
}

#[test]
fn signs_in_and_writes_an_entry_with_curl() {
    check(|| Command::new("docs/examples/client.sh"));
}

#[test]
fn signs_in_and_writes_an_entry_over_std_net() {
    check(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["run", "--quiet", "--locked", "--example", "client", "--"]);
        cargo
    });
}
