//! The time, in whole seconds.
//!
//! Knows no other room. `routes` reads the clock once for each request and hands the [`Timestamp`] down, so that all
//! parts of a request agree on the time, and a test of expiry needs no sleep and no mock.
//!
//! This is the clock of the calendar, for what outlasts the process: when a token expires, when an entry was made. An
//! operator or a time server can set it back. So a wait or a deadline inside the process is measured with
//! [`std::time::Instant`] instead, which only goes forward but means nothing after a restart.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second of the year 9999: ISO 8601 writes years in four digits.
pub(crate) const LAST_SECOND: i64 = 253_402_300_799;

/// A moment in Unix seconds (UTC). A type of its own, so that a number of seconds that is a lifetime can't be taken
/// for a moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Timestamp(pub(crate) i64);

impl Timestamp {
    pub(crate) fn now() -> Timestamp {
        // A machine whose clock was never set may be before 1970. The server runs all the same; tokens then seem to
        // have longer to live, as with every clock that is slow.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }

    /// Saturates at the ends. Wrapping around would make a moment far in the future one long ago, or the reverse: a
    /// token that has expired would be valid again.
    pub(crate) fn plus(self, seconds: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(seconds))
    }

    /// The moment as ISO 8601 in UTC, `2026-07-28T09:30:00Z`.
    pub(crate) fn iso8601(self) -> String {
        // The server writes no moment outside these years, but an edited database file can hold one.
        let seconds = u64::try_from(self.0.clamp(0, LAST_SECOND)).expect("not negative");
        let since = Duration::from_secs(seconds);
        humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_iso_8601() {
        assert_eq!(Timestamp(1_785_231_000).iso8601(), "2026-07-28T09:30:00Z");
        assert_eq!(Timestamp(-1).iso8601(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp(i64::MAX).iso8601(), "9999-12-31T23:59:59Z");
    }
}
