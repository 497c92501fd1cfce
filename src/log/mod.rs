//! The request log: one line for each request, or the wire view in its place.
//!
//! Knows no handler. Each room records its decision in the [`RequestLog`] of the request; `stderr` writes the lines.
//! Invariant: the places of a request that hold a token, a password, a code or the text of a journal aren't written
//! (the wire view shows how a token begins), so the log can be kept and shown.

mod request_log;
pub mod wire_view;

pub(crate) use self::request_log::{OAuthRefusal, RequestLog};

use crate::clock::Timestamp;
use crate::http::request::Head;
use crate::http::response::Response;
use crate::proxies::ClientAddress;
use crate::stderr;

/// When a request came, and from which address: this is known even if no head could be read.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) now: Timestamp,
    pub(crate) client: ClientAddress,
}

/// Writes what happened to a request. `head` is `None` if no head could be read.
///
/// Never inlined, as are a few others on the way of each request: what they need would lie on the stack below the whole
/// answer, and the thread of a connection keeps each page of its stack that it has used once.
#[inline(never)]
pub(crate) fn write(arrival: Arrival, head: Option<&Head>, response: &Response, log: &RequestLog) {
    stderr::print(arrival.now, || match stderr::view() {
        None => log.line(arrival, head, response.status()),
        Some(view) => wire_view::draw(view, arrival, head, response, log),
    });
}
