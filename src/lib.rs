//! epicme: a private journal for MCP clients, behind an OAuth gate.
//!
//! One request, room by room, in the order of the modules below:
//!
//! 1. [`http`] accepts a connection, gives it a thread, and turns bytes into a `Head`; the body stays unread.
//! 2. [`routes`] reads the clock, builds the [`context`] of the request and finds the handler of its path.
//! 3. [`gate`] turns `Authorization` into a `Caller`, or writes the 401. Each of its checks stands in [`check`]. Only
//!    then is the body read.
//! 4. [`mcp`] turns the body into a call of one method, in the protocol version that the client speaks.
//! 5. [`gate`] turns the caller and the scopes that the call needs into a `Permit`, or writes the 403.
//! 6. [`journal`] does the work on that person's rows, through [`store`], which answers after the commit.
//! 7. [`events`] hands what has changed to that person's open streams.
//! 8. [`http`] turns the response into bytes. It may stay open as a stream: then the gate checks the token again
//!    before anything more is sent.
//!
//! [`log`] writes a line for each request; `serve --explain` shows every check instead.
//!
//! The other journey is how the token of step 3 came to be: [`oauth`] registers the client, [`pages`] show a person
//! what the client wants, and [`oauth`] trades codes and refresh tokens for access tokens. Where another
//! authorization server issues the tokens, [`introspection`] asks that server. [`doctor`] makes the same journey to
//! any server, as a client would.
//!
//! Three rules hold everywhere. A check returns a value, and the next step takes that value: a `Head` for the gate, a
//! `Caller` for a `Permit`, a `Permit` for the journal; so a path that forgets a check doesn't compile. Whatever a
//! client can make large, slow or many has a bound in [`limits`]. And modules name each other in no circle, so each
//! can be understood from what it names.
//!
//! Public are the command line and what the tests in `tests/` use; everything else is the crate's own.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod cli;
pub mod limits;
mod http;
mod routes;
mod context;
mod app;
mod gate;
pub mod check;
mod cors;
mod introspection;
mod oauth;
mod pages;
mod mcp;
mod journal;
mod events;
pub mod store;
mod users;
mod passwords;
mod sign_ins;
mod throttle;
mod tokens;
mod settings;
mod doctor;
pub mod log;
mod stderr;
mod scope;
mod ids;
mod site;
mod authority;
pub mod secret;
mod json;
mod text;
mod dates;
mod lock;
mod clock;
pub mod fuzz;
