//! Records what happened to one request, for the log and the wire view.
//!
//! Knows no socket, and of the request only the client's address, the method and the path. A room records its decision
//! here at the place where it decides, so that the line in the log agrees with the response.
//!
//! The alternative is to write a line at each place that decides. The lines of simultaneous requests would then be
//! mixed, and an operator would have to find all those of one request.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use super::Arrival;
use serde_json::{Map, Value};

use crate::check::{Check, Deployment};
use crate::clock::Timestamp;
use crate::http::request::Head;
use crate::stderr::{self, shown};

/// The record of one request. Several rooms hold a reference to it at the same time, so each part is a cell: with
/// `&mut` only one room could hold it. One thread answers a request, so no lock is needed.
///
/// Names are literals of this program (`&'static str`), so a text that a client made up can't become one.
pub(crate) struct RequestLog<'d> {
    /// The check that decided so far: the one that failed, or else the last one that has a `success` name.
    decided: Cell<Option<(Check, bool)>>,
    /// The name of an error or of a success that another room than the gate decided.
    outcome: Cell<Option<&'static str>>,
    /// What the operator can do about a refusal.
    remedy: RefCell<Option<Cow<'static, str>>>,
    /// What remedies depend on.
    deployment: &'d Deployment,
    /// The method or tool of MCP.
    operation: Cell<Option<&'static str>>,
    /// What only the wire view prints; `None` while the wire view is off, to save the allocations. In a box, because
    /// the record lies on the stack of each request's thread.
    details: Option<Box<RefCell<Details>>>,
}

/// What the gate knows of a token, whether it lets the token pass or not: everything but the token.
#[derive(Clone)]
pub(crate) struct TokenFacts {
    /// The id of its person. The log names nobody.
    pub(crate) person: i64,
    /// The client that got it; `None` for a token from the command line.
    pub(crate) client: Option<String>,
    pub(crate) scopes: String,
    pub(crate) audience: String,
    pub(crate) expires_at: Timestamp,
}

/// What is recorded for the wire view alone.
#[derive(Default)]
struct Details {
    /// The checks that were made, in order, and whether each held.
    checks: Vec<(Check, bool)>,
    /// Why an OAuth endpoint refused.
    oauth: Option<OAuthRefusal>,
    /// The token that the request brought, once it was found.
    token: Option<TokenFacts>,
}

/// An OAuth error in the words of its RFC.
#[derive(Clone)]
pub(crate) struct OAuthRefusal {
    pub(crate) code: &'static str,
    pub(crate) clause: &'static str,
    /// What is wrong, for a person.
    pub(crate) message: String,
}

impl<'d> RequestLog<'d> {
    /// Begins the record of a request that has just arrived. It keeps all checks if it is watched, or the wire view is
    /// on.
    pub(crate) fn begin(deployment: &'d Deployment, is_watched: bool) -> RequestLog<'d> {
        let details = is_watched || stderr::style().explains;
        RequestLog {
            decided: Cell::default(),
            outcome: Cell::default(),
            remedy: RefCell::default(),
            deployment,
            operation: Cell::default(),
            details: details.then(Box::default),
        }
    }

    /// Records that a check was made and whether it held. A check that failed decides, and so does one that has a
    /// `success` name. Other checks that held aren't shown in the log: its line names one check, and those before it
    /// have held.
    pub(crate) fn check(&self, check: Check, held: bool) {
        if !held || check.facts().success.is_some() {
            self.decided.set(Some((check, held)));
        }
        if let Some(details) = &self.details {
            details.borrow_mut().checks.push((check, held));
        }
    }

    /// Records what another room than the gate decided, by the name that the log uses.
    pub(crate) fn set_outcome(&self, name: &'static str) {
        self.outcome.set(Some(name));
    }

    /// Records what the operator can do about a refusal.
    pub(crate) fn set_remedy(&self, text: impl Into<Cow<'static, str>>) {
        self.remedy.replace(Some(text.into()));
    }

    /// Records the remedy of a check that failed.
    pub(crate) fn set_remedy_of(&self, check: Check) {
        self.remedy.replace(check.remedy(self.deployment));
    }

    /// Records the MCP method or tool, once it is known to be one of this server's.
    pub(crate) fn set_operation(&self, name: &'static str) {
        self.operation.set(Some(name));
    }

    /// Records why an OAuth endpoint refused. The closure runs only while the wire view is on.
    pub(crate) fn set_oauth_refusal(&self, refusal: impl FnOnce() -> OAuthRefusal) {
        if let Some(details) = &self.details {
            details.borrow_mut().oauth = Some(refusal());
        }
    }

    /// Records what is known of the token. The closure runs only while details are kept.
    pub(crate) fn set_token(&self, facts: impl FnOnce() -> TokenFacts) {
        if let Some(details) = &self.details {
            details.borrow_mut().token = Some(facts());
        }
    }

    /// Returns the name of what was decided: the outcome if there is one, else the name that the deciding check has.
    /// The outcome is preferred because it is recorded later: a request that gets an OAuth error has passed its
    /// checks before.
    pub(crate) fn outcome(&self) -> Option<&'static str> {
        self.outcome.get().or_else(|| {
            let (check, held) = self.decided.get()?;
            if held { check.facts().success } else { Some(check.facts().failure) }
        })
    }

    /// Returns whether a room other than the gate has named an outcome.
    pub(crate) fn has_own_outcome(&self) -> bool {
        self.outcome.get().is_some()
    }

    /// Returns what can be done about a refusal. The wire view shows this for each check that failed. The line in the
    /// log has only a remedy that was recorded, because a client without a token is no reason for one.
    pub(crate) fn remedy(&self) -> Option<Cow<'static, str>> {
        self.remedy.borrow().clone().or_else(|| match self.decided.get() {
            Some((check, false)) if !self.has_own_outcome() => check.remedy(self.deployment),
            _ => None,
        })
    }

    /// The MCP method or tool.
    pub(crate) fn operation(&self) -> Option<&'static str> {
        self.operation.get()
    }

    /// Returns the checks that were made, in order; empty if no details are kept.
    pub(crate) fn checks(&self) -> Vec<(Check, bool)> {
        self.details.as_ref().map_or_else(Vec::new, |details| details.borrow().checks.clone())
    }

    /// Why an OAuth endpoint refused.
    pub(crate) fn oauth_refusal(&self) -> Option<OAuthRefusal> {
        self.details.as_ref()?.borrow().oauth.clone()
    }

    pub(crate) fn token(&self) -> Option<TokenFacts> {
        self.details.as_ref()?.borrow().token.clone()
    }

    /// Returns the request as one line: time, the client's address, method, path and status; then, where known, the
    /// operation (`op=`) and the name of what was decided (`outcome=`); the id of the request, and the one that a
    /// trusted proxy gave it (`proxy-id=`); and in parentheses what can be done about a refusal. The line names no
    /// person and no client. The parts that each line has come first and in one order, so that `cut` and `awk` find
    /// them. The query is left out, because it may hold an authorization code.
    #[inline(never)] // see `log::write`
    pub(crate) fn line(&self, arrival: Arrival, head: Option<&Head>, status: u16) -> String {
        let (method, path) = head.map_or(("-", "-"), |head| (head.method(), head.path()));
        let (at, method, path) = (arrival.now.iso8601(), shown(method), shown(path));
        let mut line = format!("{at} {} {method} {path} {status}", arrival.client.address);
        for (key, value) in [(" op=", self.operation()), (" outcome=", self.outcome())] {
            line.extend(value.map(|value| [key, value]).into_iter().flatten());
        }
        line.extend([" id=", &arrival.id.to_string()]);
        line.extend(arrival.proxy_id.map(|id| [" proxy-id=", id]).into_iter().flatten());
        if let Some(remedy) = &*self.remedy.borrow() {
            line.extend([" (", remedy, ")"]);
        }
        line
    }

    /// Returns the same as a JSON object on one line. A member without a value is `null`.
    #[inline(never)] // see `log::write`
    pub(crate) fn json(&self, arrival: Arrival, head: Option<&Head>, status: u16) -> String {
        let members: Map<String, Value> = [
            ("at", arrival.now.iso8601().into()),
            ("client", arrival.client.address.to_string().into()),
            ("method", head.map(|head| shown(head.method())).into()),
            ("path", head.map(|head| shown(head.path())).into()),
            ("status", status.into()),
            ("operation", self.operation().into()),
            ("outcome", self.outcome().into()),
            ("id", arrival.id.to_string().into()),
            ("proxyId", arrival.proxy_id.into()),
            ("remedy", self.remedy.borrow().as_deref().into()),
        ]
        .map(|(name, value): (_, Value)| (name.to_owned(), value))
        .into_iter()
        .collect();
        Value::Object(members).to_string()
    }
}
