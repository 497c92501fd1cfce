//! What happened to one request, as far as the log and the wire view show it.
//!
//! Knows no socket, and no text of the request but method and path. Every room that decides something records here
//! what it decided, so that the line in the log and the response can't differ.
//!
//! The alternative is to log at each place that decides. The lines of requests served at once would then be mixed,
//! and an operator would have to gather from several of them what happened to one request.

use std::cell::{Cell, RefCell};

use super::Arrival;
use crate::check::Check;
use crate::http::request::Head;
use crate::stderr::{self, shown};

/// The record of one request. Rooms share it by reference while the request is answered on its one thread, so each
/// part is a cell: with `&mut` only one room at a time could hold it, and a lock would cost something where there is
/// only one thread.
///
/// Names are literals of this program (`&'static str`), never texts of a request: what a client made up can't become
/// a name in the log.
pub(crate) struct RequestLog {
    /// The check that decided so far: the one that failed, or the last that can end a request well.
    decided: Cell<Option<(Check, bool)>>,
    /// What became of the request behind or beside the gate: the name of an error or of a success.
    outcome: Cell<Option<&'static str>>,
    /// What the operator can do about a refusal.
    remedy: Cell<Option<&'static str>>,
    /// The method or tool of MCP.
    operation: Cell<Option<&'static str>>,
    /// What only the wire view prints; `None` while it is off, so that the usual request pays nothing for it.
    details: Option<RefCell<Details>>,
}

/// What is recorded for the wire view alone.
#[derive(Default)]
struct Details {
    /// Every check that was made, in order, and whether it held.
    checks: Vec<(Check, bool)>,
    /// Why an OAuth endpoint refused.
    oauth: Option<OAuthRefusal>,
}

/// An OAuth error in the words of its RFC.
#[derive(Clone)]
pub(crate) struct OAuthRefusal {
    pub(crate) code: &'static str,
    pub(crate) clause: &'static str,
    /// What is wrong, for a person.
    pub(crate) message: String,
}

impl RequestLog {
    /// The record of a request that has just arrived.
    pub(crate) fn begin() -> RequestLog {
        RequestLog::new(stderr::view().is_some())
    }

    /// A record that keeps every check, whether or not the wire view is on: `epicme explain` prints them.
    pub(crate) fn with_details() -> RequestLog {
        RequestLog::new(true)
    }

    fn new(details: bool) -> RequestLog {
        RequestLog {
            decided: Cell::default(),
            outcome: Cell::default(),
            remedy: Cell::default(),
            operation: Cell::default(),
            details: details.then(RefCell::default),
        }
    }

    /// Records that a check was made and whether it held. A check that failed decides, and so does one that can be
    /// the last of a request that goes well. The others that held say nothing new:the line names one check, and every
    /// check made before it held.
    pub(crate) fn check(&self, check: Check, held: bool) {
        if !held || check.facts().success.is_some() {
            self.decided.set(Some((check, held)));
        }
        if let Some(details) = &self.details {
            details.borrow_mut().checks.push((check, held));
        }
    }

    /// Records what became of the request behind or beside the gate, by the name that the log uses.
    pub(crate) fn set_outcome(&self, name: &'static str) {
        self.outcome.set(Some(name));
    }

    /// Records what the operator can do about a refusal. `None` takes back an earlier remedy.
    pub(crate) fn set_remedy(&self, text: Option<&'static str>) {
        self.remedy.set(text);
    }

    /// Records the MCP method or tool, once it is known to be one of this server's. A name that a client made up
    /// never reaches the log.
    pub(crate) fn set_operation(&self, name: &'static str) {
        self.operation.set(Some(name));
    }

    /// Records why an OAuth endpoint refused. The closure runs only while the wire view is on.
    pub(crate) fn set_oauth_refusal(&self, refusal: impl FnOnce() -> OAuthRefusal) {
        if let Some(details) = &self.details {
            details.borrow_mut().oauth = Some(refusal());
        }
    }

    /// The name of what was decided: the outcome if there is one, else what the deciding check says. The outcome
    /// comes first because it is recorded later in the request: an OAuth error is the end of a request that passed
    /// its checks.
    pub(crate) fn outcome(&self) -> Option<&'static str> {
        self.outcome.get().or_else(|| {
            let (check, held) = self.decided.get()?;
            if held { check.facts().success } else { Some(check.facts().failure) }
        })
    }

    /// Whether the outcome was named by a room behind the gate rather than by a check.
    pub(crate) fn has_own_outcome(&self) -> bool {
        self.outcome.get().is_some()
    }

    /// What can be done about the outcome, if it is a refusal. The wire view shows it for every check that failed;
    /// the line in the log has only what was recorded on purpose, because each new client fails a check once.
    pub(crate) fn remedy(&self) -> Option<&'static str> {
        self.remedy.get().or_else(|| match self.decided.get() {
            Some((check, false)) if !self.has_own_outcome() => check.facts().remedy,
            _ => None,
        })
    }

    /// The MCP method or tool.
    pub(crate) fn operation(&self) -> Option<&'static str> {
        self.operation.get()
    }

    /// Every check that was made, in order; empty while nothing is kept for the wire view.
    pub(crate) fn checks(&self) -> Vec<(Check, bool)> {
        self.details.as_ref().map_or_else(Vec::new, |details| details.borrow().checks.clone())
    }

    /// Why an OAuth endpoint refused.
    pub(crate) fn oauth_refusal(&self) -> Option<OAuthRefusal> {
        self.details.as_ref()?.borrow().oauth.clone()
    }

    /// The request as one line: time, peer, method, path, status, and what was decided. The parts that are always
    /// there come first and in one order, so that `cut` and `awk` find them; the query is left out, since codes
    /// travel in it.
    pub(crate) fn line(&self, arrival: Arrival, head: Option<&Head>, status: u16) -> String {
        let (method, path) = head.map_or(("-", "-"), |head| (head.method(), head.path()));
        let (at, method, path) = (arrival.now.iso8601(), shown(method), shown(path));
        let mut line = format!("{at} {} {method} {path} {status}", arrival.peer);
        for (key, value) in [("op", self.operation()), ("outcome", self.outcome())] {
            if let Some(value) = value {
                line.push_str(&format!(" {key}={value}"));
            }
        }
        if let Some(remedy) = self.remedy.get() {
            line.push_str(&format!(" ({remedy})"));
        }
        line
    }
}
