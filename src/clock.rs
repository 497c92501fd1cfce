//! The time, as the server counts it.
//!
//! Knows no other room. `routes` reads the clock once per request; what stands below takes the
//! [`Timestamp`], so a test of expiry needs no sleep and no mock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second of the year 9999: ISO 8601 writes years in four digits.
const LAST_SECOND: u64 = 253_402_300_799;

/// A moment in Unix seconds (UTC).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The present moment.
    pub fn now() -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }

    /// The moment `seconds` later.
    pub fn plus(self, seconds: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(seconds))
    }

    /// Reads a date-time like `2026-07-28T09:30:00Z`, or a date, which is its first second (RFC 3339 §5.6, UTC alone).
    pub fn parse(text: &str) -> Option<Timestamp> {
        let is_date = text.len() == "2026-07-28".len();
        let whole = if is_date { format!("{text}T00:00:00Z") } else { text.to_owned() };
        let since = humantime::parse_rfc3339(&whole).ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Timestamp(i64::try_from(since.as_secs()).ok()?))
    }

    /// The moment as ISO 8601 in UTC, `2026-07-28T09:30:00Z`.
    pub fn iso8601(self) -> String {
        // No server writes another time, but a file can hold one.
        let since = Duration::from_secs(u64::try_from(self.0).unwrap_or(0).min(LAST_SECOND));
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

    #[test]
    fn reads_a_moment_or_a_day() {
        assert_eq!(Timestamp::parse("2026-07-28T09:30:00Z"), Some(Timestamp(1_785_231_000)));
        assert_eq!(Timestamp::parse("1970-01-02"), Some(Timestamp(24 * 60 * 60)));
        for text in ["", "now", "2026-07-28T09:30:00", "2026-07-28T09:30:00+02:00", "2026-02-30", "2026-7-28"]
        {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
