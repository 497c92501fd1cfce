//! The request log: one line for each request but `/healthz` and `/proof`, or the wire view in its place.
//!
//! Knows no handler. Each room records its decision in the [`RequestLog`] of the request; `stderr` writes the lines.
//! Invariant: the places of a request that hold a token, a password, a code or the text of a journal aren't written
//! (the wire view shows how a token begins), so the log can be kept and shown.

mod request_log;
pub mod wire_view;

pub(crate) use self::request_log::{OAuthRefusal, RequestLog, TokenFacts};

use crate::clock::Timestamp;
use crate::http::request::Head;
use crate::http::response::Response;
use crate::proxies::ClientAddress;
use crate::request_id::RequestId;
use crate::stderr::{self, Form, Style};

/// When a request came, and from which address: this is known even if no head could be read.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) now: Timestamp,
    pub(crate) client: ClientAddress,
    pub(crate) id: RequestId,
    /// The id that a trusted proxy has given to the request, by which the operator finds it in the log of the proxy.
    pub(crate) proxy_id: Option<&'a str>,
}

/// Writes what happened to a request. `head` is `None` if no head could be read.
///
/// Never inlined, as are a few others on the way of each request: what they need would lie on the stack below the whole
/// answer, and the thread of a connection keeps each page of its stack that it has used once.
#[inline(never)]
pub(crate) fn write(arrival: Arrival, head: Option<&Head>, response: &Response, log: &RequestLog) {
    let style = stderr::style();
    if !style.level.has(response.status()) {
        return;
    }
    stderr::print(arrival.now, || match style {
        Style { explains: true, form, .. } => wire_view::draw(form, arrival, head, response, log),
        Style { form: Form::Text, .. } => log.line(arrival, head, response.status()),
        Style { form: Form::Json, .. } => log.json(arrival, head, response.status()),
    });
}
