//! Every test of epicme as a program, in one crate: it is linked once, and `cargo test gate::` runs one module of it.
//!
//! In reading order, what each module holds:
//!
//! - `support` has no tests, but what the others stand on. It starts the built binary, talks to it over a raw socket,
//!   and holds each MCP message that comes back against its revision.
//! - `http`: HTTP/1.1 framing, deadlines, and what abuse leaves behind.
//! - `fuzz`: the readers of foreign bytes, on what chance makes of good input.
//! - `gate`: the 401 and the 403, a test for each check.
//! - `oauth`: the authorization server: registration, consent, codes, tokens, and every refusal.
//! - `pages`: the pages of a journal.
//! - `remote`: tokens of an authorization server elsewhere.
//! - `mcp`: which revision a message speaks, the order of the checks, every mistake with its answer.
//! - `journal`: the tools.
//! - `answers`: every kind of answer, byte for byte as it is recorded.
//! - `counts`: the numbers of rows that the database keeps are those of the rows.
//! - `features`: resources, prompts, completion, and pages of lists.
//! - `questions`: what a person is asked before something is deleted.
//! - `stream`: `subscriptions/listen`.
//! - `stdio`: `epicme stdio`, by pipes.
//! - `bundle`: what `make bundle` packs.
//! - `apps`: MCP Apps.
//! - `schema`: that `support` finds an invalid message.
//! - `cli`: the commands.
//! - `explain`: the wire view, and `epicme explain`.
//! - `watch`: the page that shows each exchange as it happens.
//! - `doctor`: `epicme doctor`.
//! - `durability`: what was acknowledged is still there after a crash.
//! - `opening`: what isn't a whole journal is refused, and never becomes a new one.
//! - `backup`: copies of the whole database.
//! - `upgrade`: the file of every earlier version is brought up to date.
//! - `attacks`: what one client must not be able to take from the others, each attack in a file of its own.
//! - `portable`: exports and imports.
//! - `documents`: the README and everything in `docs/` is run or looked up.
//! - `build`: the course in `docs/build/` compiles, holds, and ends where epicme is.
//! - `examples`: the clients in `docs/examples/` do what they are there for.
//! - `plans`: no statement walks over a table or sorts without a reason.
//! - `bench`: what `make bench` makes of its figures; the bench itself isn't run.
//! - `packaging`: the man page and the completions say what `epicme help` says, and the shells understand them.
//! - `tidy`: the rules of the house that a program can see.
//! - `binary`: the release binary is static, small and without a resolver.
//!
//! The modules run at the same time, so a test may change nothing that belongs to the whole process: no environment
//! variable, no current directory, no limit. Each has a server, a folder and a port of its own.

#![allow(
    unreachable_pub,
    reason = "no other crate uses a test crate: pub says what a module offers to the others"
)]

mod support;

mod http;
mod fuzz;
mod gate;
mod health;
mod oauth;
mod pages;
mod factor;
mod remote;
mod mcp;
mod journal;
mod answers;
mod counts;
mod features;
mod questions;
mod stream;
mod stdio;
mod bundle;
mod apps;
mod schema;
mod cli;
mod explain;
mod watch;
mod doctor;
mod opening;
mod backup;
mod upgrade;
mod attacks;
mod durability;
mod portable;
mod documents;
mod build;
mod examples;
mod plans;
mod bench;
mod packaging;
mod tidy;
mod binary;
