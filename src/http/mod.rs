//! HTTP/1.1 over `std::net`: the server, and a client for requests to other servers.
//!
//! Knows no path, no policy and no token, and names no room that does: the server is given a handler and calls it for
//! each request.
//!
//! To be read in this order: `server` has the life of a connection on one screen, `workers` and `connection` hold
//! what its threads and sockets need, `request` turns bytes into a request, `response` turns a response into bytes.
//! `message` is what `request` and `client` share, because a request and a response are framed by the same rules.

pub(crate) mod client;
mod connection;
mod connections;
mod message;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod server;
mod workers;

/// The field that carries a challenge (RFC 9110 §11.6.1). Several rooms read it, so its name stands below all of
/// them; only `gate.rs` writes it.
pub(crate) const WWW_AUTHENTICATE: &str = "WWW-Authenticate";
