//! What a handler needs to know of the request that it answers. `routes` builds it.
//!
//! Makes no decision: it only carries what `routes` found out. `routes` reads the clock when the request arrives, and
//! again after a slow body on `/mcp`. A handler uses this time, so a test of expiry changes a row, not the clock. An
//! open event stream lasts longer than its request, and reads the clock itself.
//!
//! The body isn't part of the context. Reading a body changes the `Body`, so handlers get it separately, as `&mut
//! Body`; a handler without that parameter can't read one.

use std::sync::Arc;

use crate::activity::Visit;
use crate::app::App;
use crate::clock::Timestamp;
use crate::gate::Gate;
use crate::http::request::Head;
use crate::log::RequestLog;
use crate::proxies::ClientAddress;
use crate::user_agent;

/// One request. Most handlers take this, and the body if the request may have one.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The state that all requests share. It is an `Arc`, because an event stream keeps a clone of it after the
    /// handler has returned.
    pub(crate) app: &'a Arc<App>,
    pub(crate) head: &'a Head,
    /// Our scheme, host and port, as this request addressed them; with a public URL, always that URL. Every URL of
    /// ours in the response begins so. `gate::check_host` chose it among our own names, so it is no copy of what the
    /// client sent.
    pub(crate) base_url: &'a str,
    /// Where the request comes from. `proxies.rs` has found it.
    pub(crate) client: ClientAddress,
    /// The time that the handler works with. `routes` has read it, and handlers don't read the clock.
    pub(crate) now: Timestamp,
    /// The log of this request. Each module writes its decision there.
    pub(crate) log: &'a RequestLog<'a>,
}

impl<'a> Context<'a> {
    /// Returns from where the person does what they ask for, as their account tells it to them later.
    pub(crate) fn visit(&self) -> Visit {
        Visit {
            now: self.now,
            address: self.client.address.to_string(),
            browser: user_agent::describe(self.head.field("user-agent").unwrap_or("")),
        }
    }

    /// Returns the gate with this request's base URL, time and log.
    pub(crate) fn gate(&self) -> Gate<'a> {
        self.app.gate(self.base_url, self.now, Some(self.client.address), Some(self.log))
    }
}
