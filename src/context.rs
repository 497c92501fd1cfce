//! What a handler needs to know of the request that it answers, built once in `routes`.
//!
//! Knows no URL and no wire. The clock was read when it was built: whatever a handler does, it does at `now`. So all
//! parts of a response agree on the time, and a test of expiry changes a row and needs neither sleep nor mock.
//!
//! The body isn't part of it. Reading one changes it, so it is passed beside the context as `&mut Body`, and a
//! signature without a body says that none is read.

use std::net::IpAddr;
use std::sync::Arc;

use crate::app::App;
use crate::clock::Timestamp;
use crate::gate::Gate;
use crate::http::request::Head;
use crate::log::RequestLog;

/// One request. A handler is a function of this and, where there is one, the body.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// An `Arc`, because a stream takes a share of it and lives on after the request.
    pub(crate) app: &'a Arc<App>,
    pub(crate) head: &'a Head,
    /// The URL of ours that the request was sent to, without a path: every URL in the response begins with it. It was
    /// chosen among our own names by `gate::check_host`, and is never a copy of what the client sent.
    pub(crate) base_url: &'a str,
    /// The address at the other end of the connection. Behind a proxy it is the proxy's: `X-Forwarded-For` isn't
    /// believed, because any client can send it.
    pub(crate) peer: IpAddr,
    pub(crate) now: Timestamp,
    /// Where each room records what it decided.
    pub(crate) log: &'a RequestLog,
}

impl<'a> Context<'a> {
    /// The gate, as this request meets it.
    pub(crate) fn gate(&self) -> Gate<'a> {
        self.app.gate(self.base_url, self.now, Some(self.log))
    }
}
