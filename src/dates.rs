//! Reads the dates and date-times that people and clients write, and those of the command line.
//!
//! Names no argument, no option and no table. Invariant: a text that is written like a date but isn't in the
//! calendar, such as the 30th of February, is refused and not moved to another day.
//!
//! If two functions read dates, they would sooner or later disagree: a check of the arguments would accept a text
//! that the filter then reads as another day, or as none. So there is one reader, and it takes the strict form of RFC
//! 3339. SQLite's own functions were the alternative, and the tests here compare with them; but they move the 30th of
//! February to March, and accept `now`. A crate for dates was rejected because this program needs only half a page of
//! one.

use std::error::Error;
use std::fmt;

use crate::clock::{LAST_SECOND, Timestamp};

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// The seconds that a date or date-time means: all of a day (UTC), or the one second of a date-time. A filter uses
/// the first second of its `from` and the last second of its `to`, so one date as both means that whole day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Period {
    pub(crate) first: Timestamp,
    /// The last second belongs to the period: a time in it is `>= first` and `<= last`.
    pub(crate) last: Timestamp,
}

/// Why a text isn't a date. There are two errors because a JSON Schema can express the first, as a pattern, but not
/// the second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DateError {
    /// The text isn't written like `2025-01-31` or `2025-01-31T09:30:00Z`.
    Malformed,
    /// The text is written so, but there is no such day, hour, minute or second in the years 0000 to 9999.
    Nonexistent,
}

impl fmt::Display for DateError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            DateError::Malformed => {
                "not a date (2025-01-31) or a date-time with its offset (2025-01-31T09:30:00Z)"
            }
            DateError::Nonexistent => "not a date or date-time that exists",
        })
    }
}

impl Error for DateError {}

/// Reads a date `YYYY-MM-DD`, or a date-time of RFC 3339 §5.6 whose letters are capitals and whose offset is at most
/// 14:59. A fraction of a second is allowed and dropped, since this program keeps times in whole seconds.
pub(crate) fn read(text: &str) -> Result<Period, DateError> {
    let Written { year, month, day, clock } = Written::read(text).ok_or(DateError::Malformed)?;
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return Err(DateError::Nonexistent);
    }
    let midnight = days_since_1970(year, month, day) * SECONDS_PER_DAY;
    let (first, last) = match clock {
        // Every day has the same length here, since Unix time counts no leap seconds and UTC has no summer time.
        None => (midnight, midnight + SECONDS_PER_DAY - 1),
        Some(Clock { hour, minute, second, offset_minutes }) => {
            // A leap second (`:60`) is refused too, because the journal keeps Unix time, which has no leap seconds.
            if hour >= 24 || minute >= 60 || second >= 60 {
                return Err(DateError::Nonexistent);
            }
            let seconds = midnight + (hour * 60 + minute - offset_minutes) * 60 + second;
            (seconds, seconds)
        }
    };
    // With a negative offset the last hours of the year 9999 fall into the year 10000 in UTC, which four digits can't
    // write.
    if last > LAST_SECOND {
        return Err(DateError::Nonexistent);
    }
    Ok(Period { first: Timestamp(first), last: Timestamp(last) })
}

/// Reads a date-time in UTC (`2026-07-28T09:30:00Z`, or with `+00:00`), or a date, which means its first second. The
/// command line accepts no other offset, because it prints times in UTC too.
pub(crate) fn read_utc(text: &str) -> Option<Timestamp> {
    let is_utc = text.ends_with('Z') || text.ends_with("+00:00") || !text.contains('T');
    let period = read(text).ok().filter(|_| is_utc)?;
    // A time before 1970 is useless for a token, and `Timestamp::iso8601` couldn't show it.
    Some(period.first).filter(|first| first.0 >= 0)
}

/// The numbers of a text that is written like a date or date-time. [`read`] checks afterwards that they are in the
/// calendar.
struct Written {
    year: i64,
    month: i64,
    day: i64,
    /// `None` if the text is only a date.
    clock: Option<Clock>,
}

struct Clock {
    hour: i64,
    minute: i64,
    second: i64,
    /// How far the local time is ahead of UTC; negative if it is behind. UTC is the local time minus this.
    offset_minutes: i64,
}

impl Written {
    /// Reads the numbers; `None` if the text isn't written like a date. `split_at_checked` cuts the text at fixed
    /// lengths: with `split_at` a cut inside a character of several bytes would be a panic that a client could cause.
    fn read(text: &str) -> Option<Written> {
        let (date, rest) = text.split_at_checked("0000-00-00".len())?;
        let [year, month, day] = numbers(date, "0000-00-00")?;
        if rest.is_empty() {
            return Some(Written { year, month, day, clock: None });
        }
        let (time, rest) = rest.split_at_checked("T00:00:00".len())?;
        let [hour, minute, second] = numbers(time, "T00:00:00")?;
        // A fraction may have any number of digits. They aren't read as a number, so they can't overflow.
        let offset = match rest.strip_prefix('.') {
            None => rest,
            Some(fraction) => {
                let offset = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
                if offset.len() == fraction.len() {
                    return None; // a point without a digit after it
                }
                offset
            }
        };
        let clock = Some(Clock { hour, minute, second, offset_minutes: minutes_ahead(offset)? });
        Some(Written { year, month, day, clock })
    }
}

/// Returns by how many minutes an offset (`Z`, `+02:00`, `-14:59`) is ahead of UTC. RFC 3339 allows up to 23:59, this
/// function up to 14:59: no place on earth is more than 14 hours ahead, SQLite has the same limit, and so has the
/// pattern in the schema of the arguments.
fn minutes_ahead(offset: &str) -> Option<i64> {
    if offset == "Z" {
        return Some(0);
    }
    let [hours, minutes] = numbers(offset, "+00:00").or_else(|| numbers(offset, "-00:00"))?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    (hours <= 14 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

/// Returns the numbers in `text` at the places where `form` has zeros; every other byte must be the same as in
/// `form`. All bytes are compared first, because Rust's `parse` for numbers is laxer than the standard: it accepts
/// `+1`.
fn numbers<const N: usize>(text: &str, form: &str) -> Option<[i64; N]> {
    let fits = |(byte, wanted): (u8, u8)| match wanted {
        b'0' => byte.is_ascii_digit(),
        _ => byte == wanted,
    };
    if text.len() != form.len() || !text.bytes().zip(form.bytes()).all(fits) {
        return None;
    }
    let digits = text.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let numbers: Vec<i64> = digits.map_while(|digits| digits.parse().ok()).collect();
    numbers.try_into().ok()
}

/// Returns how many days a month (1 to 12) has in the Gregorian calendar. RFC 3339 applies this calendar to every
/// year, also to those before its introduction.
fn days_in(year: i64, month: i64) -> i64 {
    let is_leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap_year => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Returns the number of days from the 1st of January 1970 to a day that exists; negative for an earlier day.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the leap day is the last day of its year and moves no other day. Then the
    // months have 31, 30, 31, 30, 31 days, and so on again: 153 days in five months. So a linear formula, rounded
    // down, gives the days before a month, and no table of months is needed.
    let (year, months_since_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * months_since_march + 2) / 5 + day - 1;
    // `div_euclid` rounds down, while `/` rounds towards zero: January of the year 0 belongs to the year -1 here.
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + day_of_year - 719_468 // which is the same sum for the 1st of January 1970
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// Reads a text by SQLite's functions; `None` if the date isn't in the calendar. (SQLite moves the 30th of
    /// February to the 2nd of March, and accepts the hour 24: hence the conditions.)
    fn by_sqlite(connection: &Connection, text: &str) -> Option<Period> {
        let sql = "SELECT unixepoch(?1), unixepoch(?1) + CASE length(?1) WHEN 10 THEN 86399 ELSE 0 END
                   WHERE date(substr(?1, 1, 10)) = substr(?1, 1, 10) AND substr(?1, 12, 2) < '24'
                       AND unixepoch(?1) IS NOT NULL";
        let mut statement = connection.prepare_cached(sql).expect("a statement");
        let mut rows = statement.query([text]).expect("a query");
        rows.next().expect("a row or none").map(|row| Period {
            first: Timestamp(row.get(0).expect("a number")),
            last: Timestamp(row.get(1).expect("a number")),
        })
    }

    #[track_caller]
    fn check_against_sqlite(connection: &Connection, text: &str) {
        let expected = by_sqlite(connection, text).ok_or(DateError::Nonexistent);
        assert_eq!(read(text), expected, "{text}");
    }

    #[test]
    fn reads_every_day_of_the_calendar_as_sqlite_does() {
        let connection = Connection::open_in_memory().expect("a database");
        // Around every change of century, of the epoch, and at both ends: all that rules of leap years can get wrong.
        let centuries = (0..=9900).step_by(100).flat_map(|year| [year, year + 4]);
        for year in centuries.chain(1965..=2040).chain([1, 2, 3, 9997, 9998, 9999]) {
            for month in 0..=13 {
                for day in [0, 1, 2, 27, 28, 29, 30, 31, 32, 99] {
                    check_against_sqlite(&connection, &format!("{year:04}-{month:02}-{day:02}"));
                }
            }
        }
    }

    #[test]
    fn reads_times_of_day_and_offsets_as_sqlite_does() {
        let connection = Connection::open_in_memory().expect("a database");
        let days = ["0000-01-01", "1969-12-31", "1970-01-01", "2024-02-29", "2025-02-29", "9999-12-31"];
        let times = ["00:00:00", "09:30:15", "23:59:59", "24:00:00", "12:60:00", "12:00:60", "99:99:99"];
        let fractions = ["", ".0", ".25", ".5", ".999", ".9999", ".999999999999", ".0000000000001"];
        let offsets = ["Z", "+00:00", "-00:00", "+02:00", "-00:01", "+05:45", "+14:59", "-14:59"];
        for (day, time) in days.iter().flat_map(|day| times.map(|time| (day, time))) {
            for (fraction, offset) in fractions.iter().flat_map(|it| offsets.map(|offset| (it, offset))) {
                check_against_sqlite(&connection, &format!("{day}T{time}{fraction}{offset}"));
            }
        }
    }

    #[test]
    fn tells_what_is_no_date_from_a_date_that_does_not_exist() {
        let second = |seconds| Ok(Period { first: Timestamp(seconds), last: Timestamp(seconds) });
        let day = Period { first: Timestamp(1_738_281_600), last: Timestamp(1_738_367_999) };
        assert_eq!(read("2025-01-31"), Ok(day));
        assert_eq!(read("2025-01-31T09:30:00Z"), second(1_738_315_800));
        assert_eq!(read("2025-01-31T09:30:00.25+02:00"), second(1_738_308_600));
        for malformed in [
            "",
            "now",
            "2025-1-31",
            "2025-01-31T09:30:00",
            "2025-01-31T09:30:00z",
            "2025-01-31t09:30:00Z",
            "2025-01-31 09:30:00Z",
            "2025-01-31T09:30:00.Z",
            "2025-01-31T09:30Z",
            "2025-01-31T09:30:00+15:00",
            "2025-01-31T09:30:00+02:60",
            "2025-01-31T09:30:00+0200",
            "2025-01-31T09:30:00Z ",
            "2025-01-31Z",
            "+025-01-31",
            "é025-01-31",
            "2025-01-é1",
            "2025-01-31Té9:30:00Z",
        ] {
            assert_eq!(read(malformed), Err(DateError::Malformed), "{malformed}");
        }
        for nonexistent in ["2025-02-30", "2025-00-01", "2025-01-31T24:00:00Z", "2025-01-31T23:59:60Z"] {
            assert_eq!(read(nonexistent), Err(DateError::Nonexistent), "{nonexistent}");
        }
    }

    #[test]
    fn reads_a_moment_or_a_day() {
        assert_eq!(read_utc("2026-07-28T09:30:00Z"), Some(Timestamp(1_785_231_000)));
        assert_eq!(read_utc("2026-07-28T09:30:00+00:00"), Some(Timestamp(1_785_231_000)));
        assert_eq!(read_utc("1970-01-02"), Some(Timestamp(24 * 60 * 60)));
        for text in ["", "now", "2026-07-28T09:30:00", "2026-07-28T09:30:00+02:00", "2026-02-30", "2026-7-28"]
        {
            assert_eq!(read_utc(text), None, "{text}");
        }
    }
}
