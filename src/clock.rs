//! The time, in whole seconds.
//!
//! Imports no other module. `routes` reads the clock when a request arrives, and again after a slow body on `/mcp`,
//! and passes the [`Timestamp`] on, so a test of expiry changes a row and needs no sleep and no mock. An open stream
//! reads the clock again, because it may stay open for days.
//!
//! This clock is for times that the database keeps: when a token expires, when an entry was made. An operator or a
//! time server can set it back. So a wait or a deadline inside the process is measured with [`std::time::Instant`]
//! instead, which can't be set back but means nothing after a restart.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::SignedDuration;
use jiff::civil::Date;

/// The first second of the year 1, where the calendar of RFC 3339 begins for this program.
pub(crate) const FIRST_SECOND: i64 = -62_135_596_800;
/// The last second of the year 9999: in ISO 8601 a year has four digits.
pub(crate) const LAST_SECOND: i64 = 253_402_300_799;

/// A moment in Unix seconds (UTC). The type makes sure that a lifetime in seconds can't be used as a moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Timestamp(pub(crate) i64);

impl Timestamp {
    pub(crate) fn now() -> Timestamp {
        // The clock of a machine may be before 1970 if it was never set. The server then uses 1970, and tokens expire
        // too late, as with every slow clock.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }

    /// Adds seconds, and stops at the largest and the smallest number. If the sum wrapped around, a moment long ago
    /// could become one far in the future, and an expired token would be valid again.
    pub(crate) fn plus(self, seconds: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(seconds))
    }

    /// Returns the moment as it is displayed.
    pub(crate) fn iso8601(self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Timestamp {
    /// Writes the moment as ISO 8601 in UTC, `2026-07-28T09:30:00Z`. A moment outside the years 1970 to 9999 becomes
    /// the nearest one inside.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The server writes no moment outside these years, but an edited database file can hold one.
        let since = SignedDuration::from_secs(self.0.clamp(0, LAST_SECOND));
        let shown = Date::constant(1970, 1, 1).at(0, 0, 0, 0).checked_add(since);
        let shown = shown.expect("a second of these years");
        let mut text = *b"0000-00-00T00:00:00Z";
        write_day(&mut text, shown.date());
        for (place, number) in [(11, shown.hour()), (14, shown.minute()), (17, shown.second())] {
            write_number(&mut text[place..place + 2], number.into());
        }
        out.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl Timestamp {
    /// Writes the moment as it may stand in the name of a file on any system: ISO 8601 in its basic form,
    /// `20260728T093000Z`.
    pub(crate) fn compact(self) -> String {
        self.iso8601().replace(['-', ':'], "")
    }
}

/// Writes a day of the years 0 to 9999 over the zeros of `0000-00-00`. An answer has a hundred dates, so it pays that
/// this doesn't go through the many possibilities of `format!`.
pub(crate) fn write_day(text: &mut [u8], day: Date) {
    write_number(&mut text[..4], day.year());
    write_number(&mut text[5..7], day.month().into());
    write_number(&mut text[8..10], day.day().into());
}

/// Writes the last digits of a number that isn't negative, as many as there is room for.
fn write_number(digits: &mut [u8], mut number: i16) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
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
    fn writes_the_same_as_another_crate() {
        for seconds in (0..253_402_300_799).step_by(86_461 * 97) {
            let text =
                humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
            assert_eq!(Timestamp(i64::try_from(seconds).expect("small")).iso8601(), text);
        }
    }
}
