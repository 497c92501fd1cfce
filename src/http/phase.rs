//! What a connection is doing, and which connection makes room when all places are taken.
//!
//! Knows no socket and no lock: `connection` keeps one [`Status`] for each connection, under a lock, and changes it
//! nowhere else than here. Invariant: a connection that was ended stays ended, and one that serves a request has no
//! [`RoomRank`].

use std::time::Instant;

use crate::limits;

/// What the thread that serves a connection is doing. The order of the variants is the one in which connections make
/// room for a newcomer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Phase {
    /// No request head has arrived whole yet. A client that has a request sends its head at once. So a connection that
    /// stays in this phase was opened in advance, as browsers do, or has lost its packets, or is an attacker's; its end
    /// costs an honest client one more attempt.
    BeforeFirstRequest,
    /// The last response is written, and what the client still sends is dropped.
    Draining,
    /// A request was answered, and the next head hasn't arrived whole. A proxy keeps such connections for its next
    /// clients, so they are the last to go.
    BetweenRequests,
    /// A request is being served, or an event stream is open. It never makes room.
    InRequest,
    /// Another thread has ended the connection.
    Ended,
}

/// The phase of a connection, and since when it has made room: no other phase needs its time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Status {
    phase: Phase,
    since: Instant,
}

/// Which connection makes room first: the one with the smallest rank. The order is that of the fields from the top:
/// connections whose phase has just begun come last, then the phase counts, then who has waited longest.
///
/// Without the first field, where all others have sent a request before, each newcomer would take the place of the
/// last one, whose head is still on its way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct RoomRank {
    is_fresh: bool,
    /// The status that has this rank.
    pub(super) status: Status,
}

impl Status {
    /// Returns the status of a connection that has just been accepted.
    pub(super) fn new() -> Status {
        Status { phase: Phase::BeforeFirstRequest, since: Instant::now() }
    }

    /// Begins a phase; if the connection was ended, nothing changes and the result is `false`.
    pub(super) fn begin(&mut self, phase: Phase) -> bool {
        let begins = !self.is_ended();
        if begins {
            self.phase = phase;
        }
        begins
    }

    /// Begins the wait for a head, or for the rest of one. A connection whose head arrives slowly makes room like a
    /// silent one.
    pub(super) fn begin_wait(&mut self, now: Instant) {
        let is_first = self.phase == Phase::BeforeFirstRequest;
        self.begin(if is_first { Phase::BeforeFirstRequest } else { Phase::BetweenRequests });
        self.since = now;
    }

    /// Begins the time after the last response.
    pub(super) fn begin_draining(&mut self, now: Instant) {
        self.begin(Phase::Draining);
        self.since = now;
    }

    pub(super) fn is_ended(self) -> bool {
        self.phase == Phase::Ended
    }

    /// Returns whether no request is under way, so that shutdown may end the connection. A draining connection isn't
    /// ended first: it ends by itself soon, and its client may still have to read the response.
    pub(super) fn waits_for_request(self) -> bool {
        matches!(self.phase, Phase::BeforeFirstRequest | Phase::BetweenRequests)
    }

    /// Returns the rank by which the connection makes room; `None` if it doesn't.
    pub(super) fn room_rank(self, now: Instant) -> Option<RoomRank> {
        let is_fresh = now.saturating_duration_since(self.since) < limits::ROOM_GRACE;
        let makes_room = !matches!(self.phase, Phase::InRequest | Phase::Ended);
        makes_room.then_some(RoomRank { is_fresh, status: self })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn makes_room_silent_then_draining_then_idle_and_fresh_ones_last() {
        let now = Instant::now() + limits::ROOM_GRACE * 10;
        let rank = |phase, ago: u64| Status { phase, since: now - Duration::from_millis(ago) }.room_rank(now);
        let old = limits::ROOM_GRACE.as_millis() as u64;
        let expected = [
            rank(Phase::BeforeFirstRequest, old + 1),
            rank(Phase::BeforeFirstRequest, old),
            rank(Phase::Draining, old),
            rank(Phase::BetweenRequests, old * 2),
            rank(Phase::BetweenRequests, old),
            rank(Phase::BeforeFirstRequest, old - 1),
            rank(Phase::BeforeFirstRequest, 0),
            rank(Phase::BetweenRequests, 0),
        ];
        assert!(expected.is_sorted() && expected.iter().all(Option::is_some), "{expected:?}");
        assert_eq!((rank(Phase::InRequest, old), rank(Phase::Ended, old)), (None, None));
    }
}
