//! What happened in one exchange, as far as the log and the wire view tell it.
//!
//! Knows no socket and no text of a request. Every room that decides something writes here what it decided.

use std::net::IpAddr;

use crate::clock::Timestamp;
use crate::gate::Rule;
use crate::trace;

/// One exchange.
#[derive(Default)]
pub struct Exchange {
    /// The rule by which the gate admitted or refused, if it was asked.
    pub decided: Option<Rule>,
    /// What became of it behind or beside the gate: the name of a fault or of an outcome.
    pub outcome: Option<&'static str>,
    /// What the operator can do about it, in plain words.
    pub remedy: Option<&'static str>,
    /// The MCP method and tool, once they are known to be ours.
    pub operation: Option<&'static str>,
    /// What else the wire view shows; `None` while nobody watches.
    pub watched: Option<Watched>,
}

/// What is remembered of an exchange for the wire view alone.
#[derive(Default)]
pub struct Watched {
    /// Every rule that the gate asked, in order, and whether it held.
    pub steps: Vec<(Rule, bool)>,
    /// Why an OAuth endpoint refused.
    pub refused: Option<Refused>,
}

/// An OAuth refusal in the words of its RFC.
pub struct Refused {
    /// The error code.
    pub error: &'static str,
    /// The clause behind it.
    pub clause: &'static str,
    /// What is wrong.
    pub message: String,
}

impl Exchange {
    /// An exchange that has just begun.
    pub fn begin() -> Exchange {
        Exchange { watched: trace::view().map(|_| Watched::default()), ..Exchange::default() }
    }

    /// Takes note that a rule was asked, and whether it held: what doesn't hold decides, and so does a good end.
    pub fn asked(&mut self, rule: Rule, held: bool) {
        if !held || rule.opens() {
            self.decided = Some(rule);
        }
        if let Some(watched) = &mut self.watched {
            watched.asked(rule, held);
        }
    }

    /// Remembers why an OAuth endpoint refused.
    pub fn refused(&mut self, why: impl FnOnce() -> Refused) {
        if let Some(watched) = &mut self.watched {
            watched.refused = Some(why());
        }
    }

    /// Writes the exchange as one line of the log.
    pub fn log(&self, now: Timestamp, peer: IpAddr, method: &str, path: &str, status: u16) {
        trace::print(now, || {
            let (method, path) = (trace::shown(method), trace::shown(path));
            let mut line = format!("{} {peer} {method} {path} {status}", now.iso8601());
            for (key, value) in [("op", self.operation), ("rule", self.decision())] {
                if let Some(value) = value {
                    line.push_str(&format!(" {key}={value}"));
                }
            }
            if let Some(remedy) = self.remedy {
                line.push_str(&format!(" ({remedy})"));
            }
            line
        });
    }

    /// The name that says what was decided: the outcome, if there is one, or else the rule.
    pub fn decision(&self) -> Option<&'static str> {
        self.outcome.or_else(|| self.decided.map(Rule::name))
    }
}

impl Watched {
    #[cold] // out of the way of those whom nobody watches
    fn asked(&mut self, rule: Rule, held: bool) {
        self.steps.push((rule, held));
    }
}
