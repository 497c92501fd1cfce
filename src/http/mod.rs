//! HTTP/1.1 over `std::net`: the server, and a client for requests to other servers.
//!
//! Knows no path, no policy and no token, and names no room that does: `cli` gives the server a handler, which the
//! server calls for each request.
//!
//! Read in this order: `server` has the life of a connection in one function, `workers`, `connections`, `phase`
//! and `connection` have what its threads and sockets need, `request` turns bytes into a request, `response` turns a
//! response into bytes. `client` sends requests to other servers. `field` writes the header fields of both, and
//! `message` has the framing of bodies.

pub(crate) mod client;
mod connection;
pub(crate) mod connections;
pub(crate) mod field;
mod message;
mod phase;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod server;
mod workers;

/// The field that carries a challenge (RFC 9110 §11.6.1). Several rooms read this field, so its name is defined in a
/// room that all of them may name; only `gate.rs` writes the field.
pub(crate) const WWW_AUTHENTICATE: &str = "WWW-Authenticate";
