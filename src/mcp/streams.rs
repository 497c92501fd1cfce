//! An open event stream: who it is for, whether they may still have it, and what reaches it.
//!
//! Knows no method. A stream outlives the moment in which its request was admitted, so the gate is asked again, with
//! the same head, before anything is told and at each keep-alive. Invariant: nothing of a journal is written to a stream
//! whose token has expired or been revoked.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::app::App;
use crate::clock::Timestamp;
use crate::events::{Listener, News, Opener};
use crate::exchange::Exchange;
use crate::gate::{Caller, Rule};
use crate::limits;
use crate::request::Head;
use crate::response::EventStream;
use crate::trace;

/// What is kept of a request for as long as its stream is open.
pub struct OpenRequest {
    /// What requests are answered from.
    pub app: Arc<App>,
    /// The request's head, whose token opened the gate.
    pub head: Head,
    /// The name of ours that it was sent to.
    pub origin: String,
    /// Whom the gate admitted.
    pub caller: Caller,
}

/// What a wait on a stream ends with.
pub enum Next {
    /// Something came, and the gate is still open.
    News(News),
    /// The token has expired or been revoked, or couldn't be looked up.
    Barred,
    /// The client has closed its side.
    Gone,
    /// The time is over.
    Late,
}

/// The request that a stream answers, as it can be answered or cancelled: by the session of a legacy client, else with the
/// same token. Ids alone won't do: every client counts from the same number.
pub fn opener(caller: &Caller, session: Option<&str>, id: &Value) -> Opener {
    let client = session.map_or_else(|| format!("token {:?}", caller.token_digest()), str::to_owned);
    Opener { client, id: id.to_string() }
}

impl OpenRequest {
    /// Waits until something comes, at most until `deadline`, and keeps the stream alive meanwhile.
    pub fn next(
        &self,
        listener: &Listener,
        stream: &mut EventStream,
        deadline: Option<Instant>,
    ) -> io::Result<Next> {
        let (mut silent_since, mut in_doubt_since) = (Instant::now(), Instant::now());
        loop {
            let now = Instant::now();
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(now));
            let news = listener.wait(left.min(limits::STREAM_LOOK));
            if !stream.is_open() {
                return Ok(Next::Gone);
            }
            let expired = Timestamp::now() >= self.caller.expires_at();
            let (quiet, late) = (news.is_none(), left.is_zero());
            match news {
                Some(news @ (News::Cancelled | News::Ended)) => return Ok(Next::News(news)),
                _ if expired => return Ok(Next::Barred),
                None if !late && silent_since.elapsed() < limits::KEEP_ALIVE => continue,
                _ => {}
            }
            match self.admission() {
                Admission::Open if late && quiet => return Ok(Next::Late),
                Admission::Open => match news {
                    Some(news) => return Ok(Next::News(news)),
                    None => stream.keep_alive()?,
                },
                // Who can't be judged is told nothing, and isn't sent away at once either: what strangers do to the
                // other server shouldn't end everybody's streams.
                Admission::Undecided if !late && in_doubt_since.elapsed() < limits::DOUBT_MAX => {
                    news.into_iter().for_each(|news| listener.give_back(news));
                    thread::sleep(limits::STREAM_LOOK);
                    continue;
                }
                Admission::Undecided | Admission::Shut => return Ok(Next::Barred),
            }
            (silent_since, in_doubt_since) = (Instant::now(), Instant::now());
        }
    }

    /// Whether the gate still lets the caller in, without a doubt.
    pub fn is_admitted(&self) -> bool {
        matches!(self.admission(), Admission::Open)
    }

    /// Asks the gate again.
    fn admission(&self) -> Admission {
        match self.app.gate(&self.origin, Timestamp::now()).admit(&self.head, &mut Exchange::default()) {
            Ok(caller) if caller.binding() != self.caller.binding() => Admission::Shut,
            Ok(caller) if !caller.scopes().contains(self.caller.scopes()) => Admission::Shut,
            Ok(_) => Admission::Open,
            Err(refusal) if refusal.rule == Rule::Undecided => Admission::Undecided,
            Err(refusal) => {
                trace::note(&format!("an event stream ends: rule={}", refusal.rule.name()));
                Admission::Shut
            }
        }
    }
}

/// What the gate says of an open stream.
enum Admission {
    Open,
    Shut,
    Undecided,
}
