//! Days and times as a person reads them.
//!
//! Knows no page and no entry. Invariant: each text comes in a `<time>` that has the same in the form for programs.
//!
//! The names are English, as the pages are. A day is written with the name of its month, because `01/02` is another day
//! in another country.

use std::ops::Range;

use super::{Html, Place};
use crate::clock::Timestamp;
use crate::dates::{Day, EntryDate, EntryTime};
use crate::zone::Zone;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The days of the week as the heads of a calendar's columns: a short name, and the whole one.
pub(super) const WEEKDAYS: [(&str, &str); 7] = [
    ("Mo", "Monday"),
    ("Tu", "Tuesday"),
    ("We", "Wednesday"),
    ("Th", "Thursday"),
    ("Fr", "Friday"),
    ("Sa", "Saturday"),
    ("Su", "Sunday"),
];

/// Where the hour and the minute stand in a date-time.
pub(super) const CLOCK: Range<usize> = "0000-00-00T".len().."0000-00-00T00:00".len();

/// Returns the name of the day's month.
pub(super) fn month_name(day: Day) -> &'static str {
    MONTHS[(day.month() - 1) as usize]
}

/// Writes the month and its year: `January 2025`.
pub(super) fn month(day: Day) -> String {
    format!("{} {}", month_name(day), day.year())
}

/// Writes a day: `31 January 2025`.
pub(super) fn day(day: Day) -> String {
    format!("{} {}", day.day_of_month(), month(day))
}

/// Writes a day with its day of the week.
pub(super) fn weekday_and_day(of: Day) -> String {
    format!("{}, {}", WEEKDAYS[of.weekday() as usize].1, day(of))
}

/// Builds the date of an entry: its day, as a link to that, and its time, if it has one. The time is that of the place
/// where the entry was written, with the place's offset: `09:30 (UTC+01:00)`.
pub(super) fn entry_date(date: &EntryDate) -> Html {
    let linked =
        Place::Day(date.day).open_link().and(time(&date.day.to_string(), &day(date.day))).then("</a>");
    match &date.time {
        None => linked,
        Some(at) => linked.then(", ").and(time_of_day(at)),
    }
}

/// Builds the time of an entry, without its day.
pub(super) fn time_of_day(at: &EntryTime) -> Html {
    let text = at.as_str();
    time(text, &clock(text))
}

/// Builds the time at which something was done, as it was in the person's time zone.
pub(super) fn moment(at: Timestamp, zone: &Zone) -> Html {
    let text = zone.rfc3339(at);
    time(&text, &format!("{}, {}", day(zone.day_of(at)), clock(&text)))
}

/// Writes what a clock shows of a date-time: the hour, the minute, and the offset from UTC.
fn clock(rfc3339: &str) -> String {
    let clock = rfc3339.get(CLOCK).unwrap_or_default();
    let offset = rfc3339.get("0000-00-00T00:00:00".len()..).unwrap_or_default();
    if offset == "Z" { format!("{clock} (UTC)") } else { format!("{clock} (UTC{offset})") }
}

fn time(exact: &str, shown: &str) -> Html {
    Html::markup("<time datetime=\"").then_text(exact).then("\">").then_text(shown).then("</time>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_days_and_times_for_people() {
        let date = |text| EntryDate::read(text).expect(text);
        assert_eq!(weekday_and_day(date("2025-01-31").day), "Friday, 31 January 2025");
        assert_eq!(weekday_and_day(Day::FIRST), "Monday, 1 January 1");
        assert_eq!(clock("2025-01-31T09:30:59+05:45"), "09:30 (UTC+05:45)");
        assert_eq!(clock("2025-01-31T09:30:59Z"), "09:30 (UTC)");
        let zone = Zone::named("America/New_York").expect("a zone");
        let text = String::from_utf8(moment(Timestamp(0), &zone).into_bytes()).expect("text");
        assert_eq!(
            text,
            "<time datetime=\"1969-12-31T19:00:00-05:00\">31 December 1969, 19:00 (UTC-05:00)</time>"
        );
    }
}
