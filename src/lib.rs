//! epicme: a private journal for MCP clients, protected by OAuth.
//!
//! A *room* is a module with one job: a file or a folder of `src/`. One request goes through the rooms like this:
//!
//! 1. [`http`]: a worker thread accepts a connection and turns the first bytes into a `Head`. The body stays unread.
//! 2. [`routes`] reads the clock, builds the [`context`] of the request and calls the function that answers its path.
//!    For `/mcp`, the steps 3 to 6 follow.
//! 3. [`gate`] turns `Authorization` into a `Caller`, or refuses, mostly with a 401. [`check`] lists the checks that
//!    it makes. `routes` reads the body only after the gate has admitted the caller.
//! 4. [`mcp`] turns the body into a call of one method, in the protocol version that the client speaks.
//! 5. [`gate`] turns the caller and the scopes that the call needs into a `Permit`, or refuses with a 403.
//! 6. [`journal`] does the work on that person's rows, through [`store`]. A write returns its result only after the
//!    commit (`store/writer.rs`). [`events`] then tells that person's open streams what has changed.
//! 7. [`http`] turns the response into bytes. If the response is an event stream, it stays open, and the gate checks
//!    its token again and again.
//!
//! [`log`] writes a line for each request, up to a limit per second; with `serve --explain` it shows the checks
//! instead.
//!
//! The other journey gives the client the token of step 3: [`oauth`] registers the client, [`pages`] show a person
//! what the client wants, and `oauth/grants.rs` stores what the person granted, and exchanges an authorization code
//! or a refresh token for an access token. If another authorization server issues the tokens, [`introspection`] asks
//! that server about each. [`doctor`] makes the same journey to any server, as a client would.
//!
//! Two more journeys: a person reads and writes in their browser ([`pages`], by a session in place of a token), and a
//! whole journal goes out or comes in ([`portable`], [`downloads`], `journal/transfer.rs`). [`terms`] cuts what a
//! search finds, and [`search_index`] keeps it.
//!
//! Three rules hold everywhere. A check returns a value, and the next step takes that value: a `Caller` gives a
//! `Permit`, and a `Permit` gives a journal; so code that reads a journal without these checks doesn't compile. What
//! a client can make large, slow or many has a bound in [`limits`]. And no two rooms of `src/` name each other,
//! directly or through others, so each can be understood from those that it names.
//!
//! A client that starts a program in place of opening a URL comes by [`stdio`], which carries its messages to `/mcp`.
//!
//! The command line and what the tests in `tests/` use is `pub`; all other items are `pub(crate)` or private.

#![forbid(unsafe_code)]

pub mod cli;
pub mod limits;
mod stdio;
mod http;
mod routes;
mod context;
mod app;
mod gate;
pub mod check;
mod cors;
mod proxies;
mod introspection;
mod oauth;
mod pages;
mod mcp;
mod journal;
mod portable;
mod search_index;
mod events;
mod backup;
mod soundness;
pub mod store;
mod schema_5;
mod downloads;
mod users;
mod credentials;
mod activity;
mod second_factor;
mod totp;
pub mod passwords;
mod sign_ins;
mod user_agent;
mod shares;
mod used_forms;
mod watch;
mod throttle;
mod fair_queue;
mod tokens;
mod settings;
mod proof;
mod actor;
mod doctor;
pub mod log;
mod stderr;
mod request_id;
mod scope;
mod ids;
mod site;
mod authority;
pub mod secret;
mod json;
mod json_text;
mod text;
pub mod terms;
mod zone;
mod dates;
mod lock;
mod clock;
pub mod fuzz;
