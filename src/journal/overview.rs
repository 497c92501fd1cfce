//! Looks back: what a journal holds as a whole, and what it holds of one day of the year.
//!
//! Names no tool and uses no JSON and no HTTP. Invariant: an overview is read from the counts that the database keeps
//! for each day and each tag, and walks over no entry; and what it returns is bounded, however long the journal is.
//!
//! The counts have a row for each day on which something was written, some thousands in a long life. One pass over them
//! gives the years, the months and the runs of days.

use std::cmp::Reverse;

use super::browse::{Excerpt, excerpts};
use super::entries::{self, ITEM_SQL};
use super::rows::OwnedRows;
use super::{EntryItem, Journal, JournalError, tags};
use crate::clock::Timestamp;
use crate::dates::Day;
use crate::ids::TagId;
use crate::limits;
use crate::scope::EntriesRead;

/// What a journal holds as a whole.
pub(crate) struct Overview {
    /// Today, in the person's time zone.
    pub(crate) today: Day,
    /// How many entries there are.
    pub(crate) total: i64,
    /// The first and the last entry by date.
    pub(crate) first: Option<EntryItem>,
    pub(crate) last: Option<EntryItem>,
    pub(crate) days: Days,
    /// The tags that the most entries have, the most used first, at most [`limits::OVERVIEW_TAGS_MAX`].
    pub(crate) tags: Vec<UsedTag>,
    /// How many other tags with entries are left out.
    pub(crate) tags_left_out: usize,
}

/// The days that have entries.
#[derive(Default)]
pub(crate) struct Days {
    /// How many there are.
    pub(crate) written: i64,
    /// The run that ends today or yesterday; in the morning a person hasn't written yet. Later days don't count: a plan
    /// for tomorrow is no day that was written.
    pub(crate) current_run: Option<Run>,
    /// The longest run; the latest of several that are as long.
    pub(crate) longest_run: Option<Run>,
    /// The years with entries, the newest first, at most [`limits::OVERVIEW_YEARS_MAX`].
    pub(crate) years: Vec<Period>,
    /// How many older years with entries are left out.
    pub(crate) years_left_out: usize,
    /// The months with entries, the newest first, at most [`limits::OVERVIEW_MONTHS_MAX`].
    pub(crate) months: Vec<Period>,
    /// How many older months with entries are left out.
    pub(crate) months_left_out: usize,
}

/// Days with entries, one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    pub(crate) first: Day,
    pub(crate) last: Day,
    pub(crate) days: i64,
}

/// A year or a month with entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Period {
    /// The first day of those that have entries.
    pub(crate) since: Day,
    pub(crate) entries: i64,
    /// How many of its days have entries.
    pub(crate) days: i64,
}

/// A tag, and how many entries have it.
pub(crate) struct UsedTag {
    pub(crate) id: TagId,
    pub(crate) name: String,
    pub(crate) entry_count: i64,
}

/// The entries of one day of the year in earlier years.
pub(crate) struct OnThisDay {
    /// The day whose earlier years these are.
    pub(crate) day: Day,
    /// The newest first, at most [`limits::ON_THIS_DAY_ENTRIES_MAX`].
    pub(crate) entries: Vec<Excerpt>,
    /// How many there are in all.
    pub(crate) total: i64,
}

/// Reads what a journal holds as a whole, as of `now`.
pub(crate) fn overview(journal: &Journal<EntriesRead>, now: Timestamp) -> Result<Overview, JournalError> {
    journal.read(|own| {
        let today = own.zone()?.day_of(now);
        let mut days = DayCounter::new(today);
        let sql =
            "SELECT value, number FROM journal_counts WHERE user_id = ?1 AND kind = 'day' ORDER BY value";
        own.all(sql, &[], |row| {
            days.add(row.get(0)?, row.get(1)?);
            Ok(())
        })?;
        // Either end of the index of lists.
        let last = format!(
            "SELECT {ITEM_SQL} FROM entries e INDEXED BY entries_newest WHERE e.user_id = ?1
             ORDER BY e.date DESC, e.created_at DESC, e.id DESC LIMIT 1"
        );
        let first = format!(
            "SELECT {ITEM_SQL} FROM entries e INDEXED BY entries_newest WHERE e.user_id = ?1
             ORDER BY e.date, e.created_at, e.id LIMIT 1"
        );
        let (tags, tags_left_out) = most_used(own)?;
        Ok(Overview {
            today,
            total: own.count("entries", "")?,
            first: own.first(&first, &[], entries::item)?,
            last: own.first(&last, &[], entries::item)?,
            days: days.finish(),
            tags,
            tags_left_out,
        })
    })
}

/// Finds the tags that the most entries have, and how many others have any. The counts aren't in the order of their
/// numbers, so all are read and sorted here; there are at most [`limits::TAGS_MAX`]. Of equals the older tag comes
/// first.
fn most_used(own: &OwnedRows) -> Result<(Vec<UsedTag>, usize), JournalError> {
    let sql = "SELECT CAST(value AS INTEGER), number FROM journal_counts WHERE user_id = ?1 AND kind = 'tag'";
    let mut counts: Vec<(TagId, i64)> = own.all(sql, &[], |row| Ok((row.get(0)?, row.get(1)?)))?;
    counts.sort_by_key(|(id, count)| (Reverse(*count), id.get()));
    let left_out = keep(&mut counts, limits::OVERVIEW_TAGS_MAX);
    let mut used = Vec::new();
    for (id, entry_count) in counts {
        let tag = tags::find_in(own, id)?;
        used.extend(tag.map(|tag| UsedTag { id, name: tag.name, entry_count }));
    }
    Ok((used, left_out))
}

/// Keeps the first `max` items, and returns how many it leaves out.
fn keep<T>(items: &mut Vec<T>, max: usize) -> usize {
    let left_out = items.len().saturating_sub(max);
    items.truncate(max);
    left_out
}

/// Reads the entries of this day in earlier years: of `day`, or of today in the person's time zone.
/// [`Day::anniversaries`] says which days these are.
pub(crate) fn on_this_day(
    journal: &Journal<EntriesRead>,
    day: Option<Day>,
    now: Timestamp,
) -> Result<OnThisDay, JournalError> {
    journal.read(|own| {
        let day = match day {
            Some(day) => day,
            None => own.zone()?.day_of(now),
        };
        let sql = "SELECT min(value) FROM journal_counts WHERE user_id = ?1 AND kind = 'day'";
        let first: Option<Day> = own.first(sql, &[], |row| row.get(0))?.flatten();
        let (mut entries, mut total) = (Vec::new(), 0);
        // One look-up for each year since the first entry: most find that nothing was written on that day.
        for earlier in first.into_iter().flat_map(|first| day.anniversaries(first)) {
            let count = own.count("day", &earlier.to_string())?;
            let left = limits::ON_THIS_DAY_ENTRIES_MAX - entries.len();
            total += count;
            if count > 0 && left > 0 {
                entries.extend(entries_of(own, earlier, left)?);
            }
        }
        Ok(OnThisDay { day, entries, total })
    })
}

/// Reads the newest entries of a day, each with the beginning of its text.
fn entries_of(own: &OwnedRows, day: Day, limit: usize) -> Result<Vec<Excerpt>, JournalError> {
    let sql = format!(
        "SELECT {ITEM_SQL} FROM entries e INDEXED BY entries_newest WHERE e.user_id = ?1 AND e.date = ?2
         ORDER BY e.date DESC, e.created_at DESC, e.id DESC LIMIT ?3"
    );
    excerpts(own, own.all(&sql, &[&day, &(limit as i64)], entries::item)?)
}

/// Counts days that come one after the other, the earliest first.
struct DayCounter {
    today: Day,
    /// The run to which the day belongs that came last.
    run: Option<Run>,
    /// The same, of the last day that isn't after today.
    until_today: Option<Run>,
    counted: Days,
}

impl DayCounter {
    fn new(today: Day) -> DayCounter {
        DayCounter { today, run: None, until_today: None, counted: Days::default() }
    }

    fn add(&mut self, day: Day, entries: i64) {
        let Days { written, longest_run, years, months, .. } = &mut self.counted;
        *written += 1;
        count_in(years, day, entries, |one, other| one.year() == other.year());
        count_in(months, day, entries, |one, other| one.month_start() == other.month_start());
        let run = match self.run {
            Some(run) if run.last.next() == Some(day) => Run { last: day, days: run.days + 1, ..run },
            _ => Run { first: day, last: day, days: 1 },
        };
        if longest_run.is_none_or(|longest| longest.days <= run.days) {
            *longest_run = Some(run);
        }
        if day <= self.today {
            self.until_today = Some(run);
        }
        self.run = Some(run);
    }

    fn finish(mut self) -> Days {
        let is_current = |run: &Run| run.last == self.today || run.last.next() == Some(self.today);
        self.counted.current_run = self.until_today.filter(is_current);
        let Days { years, years_left_out, months, months_left_out, .. } = &mut self.counted;
        years.reverse();
        *years_left_out = keep(years, limits::OVERVIEW_YEARS_MAX);
        months.reverse();
        *months_left_out = keep(months, limits::OVERVIEW_MONTHS_MAX);
        self.counted
    }
}

/// Counts a day in the last period, or in a new one.
fn count_in(periods: &mut Vec<Period>, day: Day, entries: i64, are_in_one: fn(Day, Day) -> bool) {
    match periods.last_mut() {
        Some(last) if are_in_one(last.since, day) => {
            last.entries += entries;
            last.days += 1;
        }
        _ => periods.push(Period { since: day, entries, days: 1 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::read(text).expect(text)
    }

    fn counted(today: &str, days: &str) -> Days {
        let mut counter = DayCounter::new(day(today));
        days.split_whitespace().for_each(|text| counter.add(day(text), 2));
        counter.finish()
    }

    #[track_caller]
    fn check(today: &str, days: &str, current: Option<(&str, i64)>, longest: Option<(&str, i64)>) {
        let Days { current_run, longest_run, .. } = counted(today, days);
        let run = |run: Option<Run>| run.map(|run| (run.first, run.days));
        let expected = |run: Option<(&str, i64)>| run.map(|(first, days)| (day(first), days));
        assert_eq!(
            (run(current_run), run(longest_run)),
            (expected(current), expected(longest)),
            "{today}: {days}"
        );
    }

    #[test]
    fn finds_the_run_that_goes_on_and_the_longest() {
        check("2025-03-01", "", None, None);
        check("2025-03-01", "2025-03-01", Some(("2025-03-01", 1)), Some(("2025-03-01", 1)));
        check("2025-03-01", "2025-02-27 2025-02-28", Some(("2025-02-27", 2)), Some(("2025-02-27", 2)));
        check("2024-03-01", "2024-02-27 2024-02-28", None, Some(("2024-02-27", 2)));
        // Over the end of a year; and of two that are as long the later one.
        let two = "2024-12-31 2025-01-01 2025-02-26 2025-02-27";
        check("2025-03-01", two, None, Some(("2025-02-26", 2)));
        check("2025-01-02", two, Some(("2024-12-31", 2)), Some(("2025-02-26", 2)));
        // What is dated tomorrow belongs to no run of today, but to the longest.
        check(
            "2025-01-02",
            "2025-01-02 2025-01-03 2025-01-04",
            Some(("2025-01-02", 1)),
            Some(("2025-01-02", 3)),
        );
        check("2025-01-02", "2025-01-03", None, Some(("2025-01-03", 1)));
        check("2025-01-02", "0001-01-01 9999-12-31", None, Some(("9999-12-31", 1)));
        check("9999-12-31", "9999-12-30 9999-12-31", Some(("9999-12-30", 2)), Some(("9999-12-30", 2)));
    }

    #[test]
    fn counts_years_and_months_the_newest_first() {
        let days = counted("2025-03-01", "2023-12-31 2024-01-01 2024-01-31 2024-03-01 2025-03-01");
        let rows = |periods: &[Period]| {
            let row = |period: &Period| (period.since.to_string(), period.entries, period.days);
            periods.iter().map(row).collect::<Vec<_>>()
        };
        let row = |since: &str, days| (since.to_owned(), 2 * days, days);
        assert_eq!(rows(&days.years), [row("2025-03-01", 1), row("2024-01-01", 3), row("2023-12-31", 1)]);
        let months = [row("2025-03-01", 1), row("2024-03-01", 1), row("2024-01-01", 2), row("2023-12-31", 1)];
        assert_eq!((rows(&days.months), days.written, days.months_left_out), (months.to_vec(), 5, 0));
    }

    #[test]
    fn keeps_to_its_bounds_however_long_the_journal_is() {
        let years = limits::OVERVIEW_YEARS_MAX + 5;
        let days: Vec<_> = (0..years).map(|year| format!("{:04}-06-15", 1900 + year)).collect();
        let days = counted("2025-03-01", &days.join(" "));
        assert_eq!(
            (days.years.len(), days.months.len()),
            (limits::OVERVIEW_YEARS_MAX, limits::OVERVIEW_MONTHS_MAX)
        );
        assert_eq!((days.years_left_out, days.months_left_out), (5, years - limits::OVERVIEW_MONTHS_MAX));
        assert_eq!(days.years[0].since, days.months[0].since, "the newest are kept");
        assert_eq!(days.written, years as i64);
    }
}
