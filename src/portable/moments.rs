//! When an entry is about and when it was made, as the files of many programs write it.
//!
//! Knows no format. Invariant: what was made is never in the future, and a clock without an offset hung where the
//! person lives.

use crate::clock::Timestamp;
use crate::dates::{EntryDate, EntryTime};
use crate::text;
use crate::zone::Zone;

/// What is the same for all that is read.
pub(crate) struct Reading<'z> {
    /// Where a clock hung whose time has no offset in the file: in the person's zone.
    pub(crate) zone: &'z Zone,
    /// When an entry was made if the file doesn't say it.
    pub(crate) now: Timestamp,
}

impl Reading<'_> {
    /// Returns when something was made or changed: never in the future, since lists show the newest first, and nothing
    /// before 1970, which the journal's own clock can't give.
    pub(super) fn moment(&self, found: Option<Timestamp>) -> Timestamp {
        found.map_or(self.now, |found| Timestamp(found.0.clamp(0, self.now.0)))
    }

    /// Reads a date, or a date-time with or without an offset, with `T` or a blank before the time. Without an offset
    /// the clock hung where the person lives. An error says what isn't right about the text.
    pub(super) fn date(&self, text: &str) -> Result<EntryDate, String> {
        let refused = |error| format!("the date {:?} is {error}", text::displayable_name(text));
        match EntryDate::read(text) {
            Ok(date) => return Ok(date),
            Err(error) if text.len() < "2025-01-31T09:30".len() => return Err(refused(error)),
            Err(_) => {}
        }
        let mut wall = text.replacen(' ', "T", 1);
        if wall.len() == "2025-01-31T09:30".len() {
            wall += ":00";
        }
        let read = |offset: &str| EntryDate::read(&format!("{wall}{offset}")).map_err(refused);
        let instant = |date: &EntryDate| date.time.as_ref().map_or(self.now, EntryTime::instant);
        // The offset there may be another one at the instant that the first offset gives: a clock was set meanwhile.
        // An hour that a clock shows twice, or never, is taken by the second look.
        let mut date = read("Z").or_else(|error| if wall == text { Err(error) } else { read("") })?;
        for _ in 0..2 {
            let there = self.zone.rfc3339(instant(&date));
            let offset = there.get("2025-01-31T09:30:00".len()..).unwrap_or("Z");
            date = read(offset)?;
        }
        Ok(date)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_clock_as_it_hung_there_and_no_moment_of_the_future() {
        let zone = Zone::named("Europe/Berlin").expect("a zone");
        let reading = Reading { zone: &zone, now: Timestamp(1_785_231_000) };
        for (found, expected) in [(-1, 0), (5, 5), (1_785_231_001, 1_785_231_000)] {
            assert_eq!(reading.moment(Some(Timestamp(found))), Timestamp(expected));
        }
        assert_eq!(reading.moment(None), reading.now);
        // The clocks were put forward at two o'clock, which is one o'clock in UTC.
        for (text, expected) in [
            ("2025-03-30 01:30", "2025-03-30T01:30:00+01:00"),
            ("2025-03-30T03:30", "2025-03-30T03:30:00+02:00"),
        ] {
            assert_eq!(reading.date(text), Ok(EntryDate::read(expected).expect("a date")), "{text}");
        }
    }
}
