//! An open event stream: who it is for, whether they may still have it, and what reaches it.
//!
//! Knows no method. A stream outlives the moment in which its request was admitted, so the gate is asked again, with
//! the same head, before anything is told and at each keep-alive. Invariant: nothing of a journal is written to a stream
//! whose token has expired or been revoked.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::app::App;
use crate::clock::Timestamp;
use crate::events::{Listener, News, Opener};
use crate::gate::{Caller, Gate};
use crate::limits;
use crate::request::Head;
use crate::response::EventStream;
use crate::trace::Exchange;

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

/// The request that a stream answers: only there can it be answered or cancelled. A legacy client is known by its
/// session, any other by the client that its token was given to, and all with tokens from the command line are one here.
/// (No session id begins with a word and a space.)
pub fn opener(caller: &Caller, session: Option<&str>, id: &Value) -> Opener {
    let client =
        session.map_or_else(|| format!("client {}", caller.client_id().unwrap_or("")), str::to_owned);
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
        let mut silent_since = Instant::now();
        loop {
            let now = Instant::now();
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(now));
            let news = listener.wait(left.min(limits::STREAM_LOOK));
            if !stream.is_open() {
                return Ok(Next::Gone);
            }
            match news {
                None if Timestamp::now() >= self.caller.expires_at() => return Ok(Next::Barred),
                None if left.is_zero() && self.is_admitted() => return Ok(Next::Late),
                None if left.is_zero() => return Ok(Next::Barred),
                None if silent_since.elapsed() < limits::KEEP_ALIVE => {}
                None if self.is_admitted() => {
                    stream.keep_alive()?;
                    silent_since = Instant::now();
                }
                None => return Ok(Next::Barred),
                Some(news @ (News::Cancelled | News::Ended)) => return Ok(Next::News(news)),
                Some(news) if self.is_admitted() => return Ok(Next::News(news)),
                Some(_) => return Ok(Next::Barred),
            }
        }
    }

    /// Asks the gate again.
    pub fn is_admitted(&self) -> bool {
        let App { site, store, remote, .. } = &*self.app;
        let gate = Gate { origin: &self.origin, site, store, remote: remote.as_ref(), now: Timestamp::now() };
        let admitted = gate.admit(&self.head, &mut Exchange::default());
        admitted.is_ok_and(|caller| {
            caller.binding() == self.caller.binding() && caller.scopes().contains(self.caller.scopes())
        })
    }
}
