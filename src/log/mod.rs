//! The request log: one line for each request, or the wire view in its place.
//!
//! Knows no handler. Each room records in the [`RequestLog`] of a request what it decided; `stderr` writes the lines.
//! Invariant: a log holds no token, no password, no code and nothing of a journal, so it can be kept and shown.

mod request_log;
pub mod wire_view;

use std::net::IpAddr;

pub(crate) use self::request_log::{OAuthRefusal, RequestLog};

use crate::clock::Timestamp;
use crate::http::request::Head;
use crate::http::response::Response;
use crate::stderr;

/// When a request came, and from which address: what is known of it even where no head could be read.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) now: Timestamp,
    /// The address at the other end of the connection, which may be a proxy's.
    pub(crate) peer: IpAddr,
}

/// Writes what happened to a request. There is no head where none could be read.
pub(crate) fn write(arrival: Arrival, head: Option<&Head>, response: &Response, log: &RequestLog) {
    stderr::print(arrival.now, || match stderr::view() {
        None => log.line(arrival, head, response.status()),
        Some(view) => wire_view::draw(view, arrival, head, response, log),
    });
}
