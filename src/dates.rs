//! Days of the calendar, and the dates and date-times that people and clients write.
//!
//! Names no argument, no option and no table, and knows no time zone but an offset. Invariant: a text that is written
//! like a date but isn't in the calendar, such as the 30th of February, is refused and not moved to another day.
//!
//! If two functions read dates, they would sooner or later disagree: a check of the arguments would accept a text
//! that the filter then reads as another day, or as none. So there is one reader, and it takes the strict form of RFC
//! 3339. What follows from a day (the next one, the length of a month) is the crate `jiff`'s work. Its reader wasn't
//! taken, because it takes much more than RFC 3339 does; nor SQLite's functions, which move the 30th of February to
//! March and accept `now`. The tests here compare with both.

use std::error::Error;
use std::fmt;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};
use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};

use crate::clock::{FIRST_SECOND, LAST_SECOND, Timestamp, write_day};
use crate::json_text::Json;

/// The largest offset from UTC. RFC 3339 allows 23:59. But no place on earth is more than 14 hours ahead, SQLite has
/// this limit too, and so has the pattern in the schema of the arguments.
const OFFSET_MINUTES_MAX: i64 = 14 * 60 + 59;

/// The day with which Unix time begins.
const EPOCH: Date = Date::constant(1970, 1, 1);

/// A day of the Gregorian calendar in the years 0001 to 9999, nowhere in particular. RFC 3339 applies this calendar to
/// every year, also to those before its introduction. The order of days is the order of time, and also the order of
/// their texts, so SQLite sorts a column of days as this type does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Day(Date);

impl Day {
    pub(crate) const FIRST: Day = Day(Date::constant(1, 1, 1));
    #[cfg(test)]
    pub(crate) const LAST: Day = Day(Date::constant(9999, 12, 31));

    /// Returns the day with these numbers, if the calendar has it.
    pub(crate) fn new(year: i64, month: i64, day: i64) -> Option<Day> {
        let (year, month, day) = (year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?);
        Date::new(year, month, day).ok().filter(|date| *date >= Day::FIRST.0).map(Day)
    }

    /// Reads a day `YYYY-MM-DD`.
    pub(crate) fn read(text: &str) -> Result<Day, DateError> {
        match DateParts::read(text) {
            Some(DateParts { year, month, day, clock: None }) => {
                Day::new(year, month, day).ok_or(DateError::Nonexistent)
            }
            _ => Err(DateError::Malformed),
        }
    }

    /// Reads a month `YYYY-MM`, as its first day.
    pub(crate) fn read_month(text: &str) -> Result<Day, DateError> {
        if text.len() == "0000-00".len() {
            Day::read(&format!("{text}-01"))
        } else {
            Err(DateError::Malformed)
        }
    }

    /// Writes the month of the day, as [`Day::read_month`] reads it.
    pub(crate) fn month_text(self) -> String {
        format!("{:04}-{:02}", self.0.year(), self.0.month())
    }

    pub(crate) fn year(self) -> i64 {
        self.0.year().into()
    }

    /// Returns the month, 1 to 12.
    pub(crate) fn month(self) -> i64 {
        self.0.month().into()
    }

    /// Returns the number of the day in its month, from 1.
    pub(crate) fn day_of_month(self) -> i64 {
        self.0.day().into()
    }

    /// Returns the day of the week: 0 is Monday, as ISO 8601 begins its weeks, and 6 is Sunday.
    pub(crate) fn weekday(self) -> i64 {
        self.0.weekday().to_monday_zero_offset().into()
    }

    /// Returns the day after; `None` after the last one.
    pub(crate) fn next(self) -> Option<Day> {
        self.0.tomorrow().ok().map(Day)
    }

    /// Returns the day before; `None` before the first one.
    pub(crate) fn previous(self) -> Option<Day> {
        self.0.yesterday().ok().filter(|date| *date >= Day::FIRST.0).map(Day)
    }

    /// Returns the first day of the month.
    pub(crate) fn month_start(self) -> Day {
        Day(self.0.first_of_month())
    }

    /// Returns the last day of the month, whose number is the length of the month.
    pub(crate) fn month_end(self) -> Day {
        Day(self.0.last_of_month())
    }

    /// Returns the earlier days whose anniversary is this day, down to `since`, the latest first.
    ///
    /// The 29th of February has its anniversary on the 28th in a year without a 29th: otherwise what happened on it
    /// would come back only every fourth year. In a leap year each of the two days has only its own.
    pub(crate) fn anniversaries(self, since: Day) -> impl Iterator<Item = Day> {
        let stands_for_29 = self.month() == 2 && self.day_of_month() == 28 && self == self.month_end();
        (since.year()..self.year())
            .rev()
            .flat_map(move |year| {
                let leap_day = if stands_for_29 { Day::new(year, 2, 29) } else { None };
                leap_day.into_iter().chain(Day::new(year, self.month(), self.day_of_month()))
            })
            .filter(move |day| *day >= since)
    }

    /// Returns the second in which the day begins where the clocks show UTC.
    pub(crate) fn start_in_utc(self) -> Timestamp {
        Timestamp(self.0.duration_since(EPOCH).as_secs())
    }

    /// Returns midnight of the day, for the rules of a time zone.
    pub(crate) fn midnight(self) -> DateTime {
        self.0.at(0, 0, 0, 0)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"0000-00-00";
        write_day(&mut text, self.0);
        out.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl Json for Day {
    fn write(&self, out: &mut Vec<u8>) {
        let mut text = *b"0000-00-00";
        write_day(&mut text, self.0);
        str::from_utf8(&text).expect("digits").write(out);
    }
}

impl ToSql for Day {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.to_string().into())
    }
}

impl FromSql for Day {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Day> {
        Day::read(value.as_str()?).map_err(FromSqlError::other)
    }
}

/// The second of a day, and the offset from UTC of the place where it was that time of day. It is kept as it was
/// written: the same instant is another day and another hour elsewhere, and what an entry is about happened here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct EntryTime {
    /// As in RFC 3339, without a fraction of a second: `2025-06-01T23:30:00-05:00`. After a `Z` there are blanks. A
    /// list has many times, so none is an allocation.
    text: [u8; 25],
    instant: Timestamp,
}

impl EntryTime {
    /// Returns the instant, which is the same everywhere.
    pub(crate) fn instant(&self) -> Timestamp {
        self.instant
    }

    /// Returns the time as it was written.
    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(self.text.trim_ascii_end()).expect("ASCII")
    }
}

impl fmt::Display for EntryTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl ToSql for EntryTime {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.as_str().to_sql()
    }
}

impl FromSql for EntryTime {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<EntryTime> {
        match EntryDate::read(value.as_str()?) {
            Ok(EntryDate { time: Some(time), .. }) => Ok(time),
            Ok(_) => Err(FromSqlError::other(DateError::Malformed)),
            Err(error) => Err(FromSqlError::other(error)),
        }
    }
}

/// The date of an entry: what day it is about and, if that is known, what time. The day is the one that the time has
/// in its own offset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct EntryDate {
    pub(crate) day: Day,
    pub(crate) time: Option<EntryTime>,
}

impl EntryDate {
    /// Reads a date `YYYY-MM-DD`, or a date-time of RFC 3339 §5.6 whose letters are capitals and whose offset is at
    /// most 14:59. A fraction of a second is allowed and dropped, since this program keeps times in whole seconds. The
    /// years are 0001 to 9999, of a date-time also in UTC: four digits can write no others.
    pub(crate) fn read(text: &str) -> Result<EntryDate, DateError> {
        let DateParts { year, month, day, clock } = DateParts::read(text).ok_or(DateError::Malformed)?;
        let day = Day::new(year, month, day).ok_or(DateError::Nonexistent)?;
        let Some(clock) = clock else { return Ok(EntryDate { day, time: None }) };
        let instant = clock.on(day)?;
        // As it was written, but for the fraction.
        let (local, offset) = (&text.as_bytes()[.."0000-00-00T00:00:00".len()], clock.offset.as_bytes());
        let mut text = [b' '; "0000-00-00T00:00:00+00:00".len()];
        text[..local.len()].copy_from_slice(local);
        text[local.len()..local.len() + offset.len()].copy_from_slice(offset);
        Ok(EntryDate { day, time: Some(EntryTime { text, instant }) })
    }

    /// Returns the date of an hour and a minute of a day, where the clocks are `offset_minutes` ahead of UTC; `None` if
    /// no clock shows that, or if it isn't in the years 0001 to 9999 in UTC too. Of an offset that is too large, as
    /// [`EntryDate::at`] has them, the day and the time are kept.
    pub(crate) fn on(day: Day, (hour, minute): (i8, i8), offset_minutes: i64) -> Option<EntryDate> {
        let offset = written_offset(offset_minutes.clamp(-OFFSET_MINUTES_MAX, OFFSET_MINUTES_MAX));
        EntryDate::read(&format!("{day}T{hour:02}:{minute:02}:00{offset}")).ok()
    }

    /// Puts together what the database has in two columns.
    pub(crate) fn stored(day: Day, time: Option<EntryTime>) -> EntryDate {
        EntryDate { day, time }
    }

    /// Returns the date and time of an instant where the clocks are `offset_minutes` ahead of UTC. [`EntryDate::read`]
    /// can read the result: what would fall outside of the years 0001 to 9999 becomes the nearest second inside, and an
    /// offset that was possible only before the date line had its present place becomes 14:59.
    pub(crate) fn at(instant: Timestamp, offset_minutes: i64) -> EntryDate {
        let offset_minutes = offset_minutes.clamp(-OFFSET_MINUTES_MAX, OFFSET_MINUTES_MAX);
        let instant = instant.0.clamp(FIRST_SECOND, LAST_SECOND);
        let shown = (instant + offset_minutes * 60).clamp(FIRST_SECOND, LAST_SECOND);
        let shown_at = EPOCH.at(0, 0, 0, 0).checked_add(SignedDuration::from_secs(shown));
        let shown_at = shown_at.expect("jiff's years are -9999 to 9999");
        let (hour, minute, second) = (shown_at.hour(), shown_at.minute(), shown_at.second());
        let offset = written_offset(offset_minutes);
        let text = format!("{}T{hour:02}:{minute:02}:{second:02}{offset}", Day(shown_at.date()));
        EntryDate::read(&text).expect("the clamped second of an hour that exists")
    }
}

/// An end of the span of time that a filter shows; what it names belongs to the span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bound {
    /// An entry is compared by its day.
    Day(Day),
    /// An entry is compared by its instant, or by its day if it has no time.
    Instant(Timestamp),
}

impl Bound {
    /// Reads the same texts as [`EntryDate::read`].
    pub(crate) fn read(text: &str) -> Result<Bound, DateError> {
        let EntryDate { day, time } = EntryDate::read(text)?;
        Ok(time.map_or(Bound::Day(day), |time| Bound::Instant(time.instant())))
    }
}

/// Why a text isn't a date. There are two errors because a JSON Schema can express the first, as a pattern, but not
/// the second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DateError {
    /// The text isn't written like `2025-01-31` or `2025-01-31T09:30:00Z`.
    Malformed,
    /// The text is written so, but there is no such day, hour, minute or second in the years 0001 to 9999.
    Nonexistent,
}

impl fmt::Display for DateError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            DateError::Malformed => {
                "not a date (2025-01-31) or a date-time with its offset, at most 14:59 (2025-01-31T09:30:00Z)"
            }
            DateError::Nonexistent => "not a date or date-time that exists",
        })
    }
}

impl Error for DateError {}

/// Reads a date-time in UTC (`2026-07-28T09:30:00Z`, or with `+00:00`), or a date, which means its first second. The
/// command line accepts no other offset, because it prints times in UTC too.
pub(crate) fn read_utc(text: &str) -> Option<Timestamp> {
    let is_utc = text.ends_with('Z') || text.ends_with("+00:00") || !text.contains('T');
    let second = match Bound::read(text).ok().filter(|_| is_utc)? {
        Bound::Day(day) => day.start_in_utc(),
        Bound::Instant(second) => second,
    };
    // A time before 1970 is useless for a token, and `Timestamp::iso8601` couldn't show it.
    Some(second).filter(|second| second.0 >= 0)
}

/// The numbers of a text that is written like a date or date-time. They may not be in the calendar: [`Day::new`] and
/// [`Clock::on`] check that.
struct DateParts<'t> {
    year: i64,
    month: i64,
    day: i64,
    /// `None` if the text is only a date.
    clock: Option<Clock<'t>>,
}

/// What a clock shows, and where it hangs.
struct Clock<'t> {
    hour: i64,
    minute: i64,
    second: i64,
    /// How far the local time is ahead of UTC; negative if it is behind. UTC is the local time minus this.
    offset_minutes: i64,
    /// The same as it is written: UTC can be `Z`, `+00:00` or `-00:00`.
    offset: &'t str,
}

impl Clock<'_> {
    /// Returns the instant that the clock shows on a day; an error if no clock shows that. A leap second (`:60`) is an
    /// error too, because the journal keeps Unix time, which has no leap seconds.
    fn on(&self, day: Day) -> Result<Timestamp, DateError> {
        let Clock { hour, minute, second, offset_minutes, .. } = self;
        if *hour >= 24 || *minute >= 60 || *second >= 60 {
            return Err(DateError::Nonexistent);
        }
        let instant = day.start_in_utc().plus((hour * 60 + minute - offset_minutes) * 60 + second);
        // With a negative offset the last hours of the year 9999 fall into the year 10000 in UTC, and with a positive
        // one the first hours of the year 1 into the year 0.
        if !(FIRST_SECOND..=LAST_SECOND).contains(&instant.0) {
            return Err(DateError::Nonexistent);
        }
        Ok(instant)
    }
}

impl<'t> DateParts<'t> {
    /// Reads the numbers; `None` if the text isn't written like a date. `split_at_checked` cuts the text at fixed
    /// lengths: with `split_at` a cut inside a character of several bytes would be a panic that a client could cause.
    fn read(text: &'t str) -> Option<DateParts<'t>> {
        let (date, rest) = text.split_at_checked("0000-00-00".len())?;
        let [year, month, day] = numbers(date, "0000-00-00")?;
        if rest.is_empty() {
            return Some(DateParts { year, month, day, clock: None });
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
        let offset_minutes = minutes_ahead(offset)?;
        let clock = Some(Clock { hour, minute, second, offset_minutes, offset });
        Some(DateParts { year, month, day, clock })
    }
}

/// Returns by how many minutes an offset (`Z`, `+02:00`, `-14:59`) is ahead of UTC, up to [`OFFSET_MINUTES_MAX`].
fn minutes_ahead(offset: &str) -> Option<i64> {
    if offset == "Z" {
        return Some(0);
    }
    let [hours, minutes] = numbers(offset, "+00:00").or_else(|| numbers(offset, "-00:00"))?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let ahead = hours * 60 + minutes;
    (ahead <= OFFSET_MINUTES_MAX && minutes <= 59).then_some(sign * ahead)
}

/// Writes an offset as [`minutes_ahead`] reads it.
fn written_offset(minutes_ahead: i64) -> String {
    if minutes_ahead == 0 {
        return "Z".to_owned();
    }
    let sign = if minutes_ahead < 0 { '-' } else { '+' };
    let minutes = minutes_ahead.abs();
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Returns the numbers in `text` at the places where `form` has zeros; every other byte must be the same as in
/// `form`. Rust's `parse` for numbers is laxer than the standard: it accepts `+1`.
fn numbers<const N: usize>(text: &str, form: &str) -> Option<[i64; N]> {
    if text.len() != form.len() {
        return None;
    }
    // Each byte that isn't a digit ends a number, if there was one before it.
    let (mut numbers, mut number, mut is_in_number) = ([0; N], 0, false);
    for (byte, wanted) in text.bytes().zip(form.bytes()) {
        match wanted {
            b'0' if byte.is_ascii_digit() => {
                let value = numbers.get_mut(number)?;
                *value = *value * 10 + i64::from(byte - b'0');
                is_in_number = true;
            }
            _ if byte != wanted || wanted == b'0' => return None,
            _ => (number, is_in_number) = (number + usize::from(is_in_number), false),
        }
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

    /// Returns the first second that a text means in UTC.
    fn first_second(text: &str) -> Result<i64, DateError> {
        Ok(match Bound::read(text)? {
            Bound::Day(day) => day.start_in_utc().0,
            Bound::Instant(second) => second.0,
        })
    }

    /// Returns the same by SQLite's functions; `None` if the date isn't in the calendar. (SQLite moves the 30th of
    /// February to the 2nd of March, and accepts the hour 24: hence the conditions.)
    fn by_sqlite(connection: &Connection, text: &str) -> Option<i64> {
        let sql = "SELECT unixepoch(?1)
                   WHERE date(substr(?1, 1, 10)) = substr(?1, 1, 10) AND substr(?1, 12, 2) < '24'
                       AND unixepoch(?1) IS NOT NULL";
        let mut statement = connection.prepare_cached(sql).expect("a statement");
        let mut rows = statement.query([text]).expect("a query");
        rows.next().expect("a row or none").map(|row| row.get(0).expect("a number"))
    }

    #[track_caller]
    fn check_against_sqlite(connection: &Connection, text: &str) {
        let expected = by_sqlite(connection, text).ok_or(DateError::Nonexistent);
        assert_eq!(first_second(text), expected, "{text}");
    }

    #[test]
    fn reads_every_day_of_the_calendar_as_sqlite_does() {
        let connection = Connection::open_in_memory().expect("a database");
        // Around every change of century, of the epoch, and at both ends: all that rules of leap years can get wrong.
        let centuries = (100..=9900).step_by(100).flat_map(|year| [year, year + 4]);
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
        let days = ["0001-01-02", "1969-12-31", "1970-01-01", "2024-02-29", "2025-02-29", "9999-12-31"];
        let times = ["00:00:00", "09:30:15", "23:59:59", "24:00:00", "12:60:00", "12:00:60", "99:99:99"];
        let fractions = ["", ".0", ".25", ".5", ".999", ".9999", ".999999999999", ".0000000000001"];
        let offsets = ["Z", "+00:00", "-00:00", "+02:00", "-00:01", "+05:45", "+14:59", "-14:59"];
        let mut compared = 0;
        for (day, time) in days.iter().flat_map(|day| times.map(|time| (day, time))) {
            for (fraction, offset) in fractions.iter().flat_map(|it| offsets.map(|offset| (it, offset))) {
                let text = format!("{day}T{time}{fraction}{offset}");
                check_against_sqlite(&connection, &text);
                // jiff reads no more digits of a fraction than nine, and has no instant in the last hours of the year
                // 9999. It has the leap second, which it moves.
                if let Ok(EntryDate { time: Some(time), .. }) = EntryDate::read(&text)
                    && let Ok(by_jiff) = text.parse::<jiff::Timestamp>()
                {
                    // jiff's seconds before 1970 are rounded up.
                    let seconds = by_jiff.as_second() - i64::from(by_jiff.subsec_nanosecond() < 0);
                    assert_eq!(time.instant().0, seconds, "{text}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 100, "{compared}");
    }

    #[test]
    fn tells_what_is_no_date_from_a_date_that_does_not_exist() {
        let second = |seconds| Ok(Bound::Instant(Timestamp(seconds)));
        assert_eq!(Bound::read("2025-01-31"), Ok(Bound::Day(Day::new(2025, 1, 31).expect("a day"))));
        assert_eq!(Bound::read("2025-01-31T09:30:00Z"), second(1_738_315_800));
        assert_eq!(Bound::read("2025-01-31T09:30:00.25+02:00"), second(1_738_308_600));
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
            assert_eq!(EntryDate::read(malformed), Err(DateError::Malformed), "{malformed}");
        }
        for nonexistent in [
            "2025-02-29",
            "2025-02-30",
            "2025-13-01",
            "2025-00-01",
            "2025-01-00",
            "0000-01-01",
            "0000-12-31T23:59:59Z",
            "2025-02-29T09:30:00Z",
            "2025-01-31T24:00:00Z",
            "2025-01-31T23:59:60Z",
        ] {
            assert_eq!(EntryDate::read(nonexistent), Err(DateError::Nonexistent), "{nonexistent}");
        }
    }

    /// The day, the time and the instant of a text.
    fn entry_date(text: &str) -> (String, Option<String>, Option<i64>) {
        let EntryDate { day, time } = EntryDate::read(text).expect(text);
        (
            day.to_string(),
            time.as_ref().map(|time| time.as_str().to_owned()),
            time.map(|time| time.instant().0),
        )
    }

    #[test]
    fn keeps_the_day_and_the_time_as_they_were_written() {
        assert_eq!(entry_date("2025-06-01"), ("2025-06-01".to_owned(), None, None));
        for (text, day, time, instant) in [
            ("2025-06-01T23:30:00-05:00", "2025-06-01", "2025-06-01T23:30:00-05:00", 1_748_838_600),
            ("2025-06-02T04:30:00Z", "2025-06-02", "2025-06-02T04:30:00Z", 1_748_838_600),
            ("2025-06-02T04:30:00.999-00:00", "2025-06-02", "2025-06-02T04:30:00-00:00", 1_748_838_600),
            ("2025-06-02T10:15:00.5+05:45", "2025-06-02", "2025-06-02T10:15:00+05:45", 1_748_838_600),
        ] {
            let expected = (day.to_owned(), Some(time.to_owned()), Some(instant));
            assert_eq!(entry_date(text), expected, "{text}");
        }
    }

    #[test]
    fn reads_the_first_and_the_last_second_in_every_offset() {
        assert_eq!(Day::read("0001-01-01"), Ok(Day::FIRST));
        assert_eq!(Day::read("9999-12-31"), Ok(Day::LAST));
        for (good, instant) in [
            ("0001-01-01T00:00:00Z", FIRST_SECOND),
            ("0001-01-01T00:00:00-14:59", FIRST_SECOND + OFFSET_MINUTES_MAX * 60),
            ("0001-01-01T14:59:00+14:59", FIRST_SECOND),
            ("9999-12-31T23:59:59Z", LAST_SECOND),
            ("9999-12-31T23:59:59+14:59", LAST_SECOND - OFFSET_MINUTES_MAX * 60),
            ("9999-12-31T09:00:59-14:59", LAST_SECOND),
        ] {
            assert_eq!(Bound::read(good), Ok(Bound::Instant(Timestamp(instant))), "{good}");
        }
        for bad in ["0001-01-01T14:58:59+14:59", "9999-12-31T09:01:00-14:59", "9999-12-31T23:59:59-00:01"] {
            assert_eq!(EntryDate::read(bad), Err(DateError::Nonexistent), "{bad}");
        }
    }

    #[test]
    fn writes_an_instant_so_that_it_can_be_read_again() {
        for (instant, offset_minutes, expected) in [
            (1_748_838_600, -300, "2025-06-01T23:30:00-05:00"),
            (1_748_838_600, 345, "2025-06-02T10:15:00+05:45"),
            (1_748_838_600, 0, "2025-06-02T04:30:00Z"),
            (1_748_838_600, -30, "2025-06-02T04:00:00-00:30"),
            (FIRST_SECOND, -30, "0001-01-01T00:00:00-00:30"),
            (LAST_SECOND, 840, "9999-12-31T23:59:59+14:00"),
            (i64::MIN, 0, "0001-01-01T00:00:00Z"),
            (i64::MAX, -1, "9999-12-31T23:58:59-00:01"),
            (0, 24 * 60, "1970-01-01T14:59:00+14:59"),
        ] {
            let date = EntryDate::at(Timestamp(instant), offset_minutes);
            assert_eq!(date.time.as_ref().map(EntryTime::as_str), Some(expected));
            assert_eq!(EntryDate::read(expected), Ok(date), "{expected}");
        }
    }

    #[test]
    fn walks_from_each_day_to_the_next() {
        // A Monday, a Saturday before the year 1900 (no leap year) and 2000 (a leap year), and one before the end.
        for (first, weekday) in [("0001-01-01", 0), ("1898-01-01", 5), ("9990-01-01", 0)] {
            let mut day = Day::read(first).expect(first);
            let (mut weekday, mut seconds) = (weekday, day.start_in_utc().0);
            for _ in 0..110 * 366 {
                assert_eq!((day.weekday(), day.start_in_utc().0), (weekday, seconds), "{day}");
                assert_eq!(Day::new(day.year(), day.month(), day.day_of_month()), Some(day));
                assert!(day.month_start() <= day && day <= day.month_end(), "{day}");
                let Some(next) = day.next() else { break };
                assert_eq!((next.previous(), next > day), (Some(day), true), "{day}");
                assert_eq!(next.month_start() == next, day.month_end() == day, "{day}");
                (day, weekday, seconds) = (next, (weekday + 1) % 7, seconds + SECONDS_PER_DAY);
            }
            assert!(day.year() >= 111, "{day}");
        }
        assert_eq!((Day::FIRST.previous(), Day::LAST.next()), (None, None));
    }

    #[test]
    fn finds_this_day_in_earlier_years() {
        let day = |text: &str| Day::read(text).expect(text);
        for (today, since, expected) in [
            ("2025-06-01", "2022-06-01", "2024-06-01 2023-06-01 2022-06-01"),
            ("2025-06-01", "2022-06-02", "2024-06-01 2023-06-01"),
            ("2025-06-01", "2025-01-01", ""),
            ("2025-06-01", "2026-01-01", ""),
            ("2024-02-29", "2016-01-01", "2020-02-29 2016-02-29"),
            ("2024-02-28", "2019-01-01", "2023-02-28 2022-02-28 2021-02-28 2020-02-28 2019-02-28"),
            ("2025-02-28", "2023-01-01", "2024-02-29 2024-02-28 2023-02-28"),
            ("2025-02-28", "2024-02-29", "2024-02-29"),
            ("0002-03-04", "0001-01-01", "0001-03-04"),
        ] {
            let found: Vec<_> = day(today).anniversaries(day(since)).map(|it| it.to_string()).collect();
            assert_eq!(found.join(" "), expected, "{today} since {since}");
        }
        assert_eq!(day("9999-12-31").anniversaries(Day::FIRST).count(), 9998);
    }

    #[test]
    fn keeps_a_date_in_the_database_as_its_text() {
        let connection = Connection::open_in_memory().expect("a database");
        for text in ["2025-06-01", "2025-06-01T23:30:00-05:00", "0001-01-01T00:00:00Z"] {
            let date = EntryDate::read(text).expect(text);
            let kept = connection.query_row(
                "SELECT ?1, ?2, ?1 IS substr(?3, 1, 10), coalesce(?2, ?1) IS ?3",
                (date.day, &date.time, text),
                |row| {
                    assert!(row.get::<_, bool>(2)? && row.get::<_, bool>(3)?, "{text}");
                    Ok(EntryDate::stored(row.get(0)?, row.get(1)?))
                },
            );
            assert_eq!(kept.expect("a row"), date);
        }
        for bad in ["2025-02-30", "2025-06-01 ", ""] {
            assert!(connection.query_row("SELECT ?1", [bad], |row| row.get::<_, Day>(0)).is_err(), "{bad}");
        }
        let day = connection.query_row("SELECT '2025-06-01'", [], |row| row.get::<_, EntryTime>(0));
        assert!(day.is_err(), "a day isn't a time");
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
