//! epicme: a private journal for MCP clients, behind an OAuth gate.
//!
//! One request, room by room, in the order of the modules below:
//!
//! 1. [`server`] accepts a connection and gives it a thread.
//! 2. [`request`] turns octets into a `Head`; the body stays unread.
//! 3. [`routes`] reads the clock and finds the path.
//! 4. [`gate`] turns `Authorization` into a `Caller`, or writes the 401. Only now is the body read.
//! 5. [`mcp`] turns the body into what one method asks, in the revision that the client speaks.
//! 6. [`gate`] turns the caller and the scope that this needs into a `Permit`, or writes the 403.
//! 7. [`journal`] does the work on that person's rows, through [`store`], which answers after the commit.
//! 8. [`events`] tells what has changed to those of that person who listen.
//! 9. [`response`] turns the answer into octets. It may stay open as a stream: then the gate is asked again before
//!    anything more is told.
//!
//! Whoever wants to watch this happen starts `serve --explain`: [`explain`] shows each exchange, rule by rule.
//!
//! How the token of step 4 came to be is the other journey: [`oauth`] registers the client, shows a person what it
//! asks for on [`pages`], and trades codes and refresh tokens for access tokens; [`remote`] asks another server
//! instead, where that is configured. [`doctor`] makes that journey to somebody else's server, as a client would; both
//! ask through [`outgoing`].

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod cli;
pub mod limits;
pub mod server;
pub mod request;
pub mod response;
pub mod routes;
pub mod app;
pub mod gate;
pub mod oauth;
pub mod pages;
pub mod mcp;
pub mod journal;
pub mod events;
pub mod store;
pub mod users;
pub mod browser;
pub mod throttle;
pub mod tokens;
pub mod settings;
pub mod remote;
pub mod doctor;
pub mod outgoing;
pub mod scope;
pub mod site;
pub mod secret;
pub mod json;
pub mod lock;
pub mod clock;
pub mod exchange;
pub mod trace;
pub mod explain;
