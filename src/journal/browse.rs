//! What a person leafs through: the days of a month, the days beside a day, and entries with the beginnings of their
//! texts.
//!
//! Writes nothing, and knows no page. Invariant: the numbers of a month come from the counts that the database keeps
//! (`schema_5.sql`), so that a month costs the same however much was written in it.

use super::entries::list_in;
use super::rows::OwnedRows;
use super::{EntryItem, Filter, Journal, JournalError, Page};
use crate::clock::Timestamp;
use crate::dates::Day;
use crate::limits;
use crate::scope::EntriesRead;
use crate::zone::Zone;

/// A month of a journal.
pub(crate) struct Month {
    /// The days that were written about, in order, each with the number of its entries.
    pub(crate) days: Vec<(Day, i64)>,
    pub(crate) beside: Beside,
}

/// The days that were written about next to others; `None` where there is none.
pub(crate) struct Beside {
    pub(crate) before: Option<Day>,
    pub(crate) after: Option<Day>,
}

/// An entry in a list, with the beginning of its text.
pub(crate) struct Excerpt {
    pub(crate) entry: EntryItem,
    /// At most [`limits::EXCERPT_CHARS_MAX`] characters, and `…` if the text goes on.
    pub(crate) text: String,
}

/// Returns the person's time zone, and what day it is for them.
pub(crate) fn today(journal: &Journal<EntriesRead>, now: Timestamp) -> Result<(Zone, Day), JournalError> {
    journal.read(|own| {
        let zone = own.zone()?;
        let today = zone.day_of(now);
        Ok((zone, today))
    })
}

/// Reads the month of a day, and which days before and after the month were written about.
pub(crate) fn month(journal: &Journal<EntriesRead>, of: Day) -> Result<Month, JournalError> {
    let (first, last) = (of.month_start(), of.month_end());
    journal.read(|own| {
        let sql = "SELECT value, number FROM journal_counts
                   WHERE user_id = ?1 AND kind = 'day' AND value >= ?2 AND value <= ?3 ORDER BY value";
        let days = own.all(sql, &[&first, &last], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Month { days, beside: beside(own, first, last)? })
    })
}

/// Finds the days next to this one that were written about.
pub(crate) fn beside_day(journal: &Journal<EntriesRead>, day: Day) -> Result<Beside, JournalError> {
    journal.read(|own| beside(own, day, day))
}

fn beside(own: &OwnedRows, first: Day, last: Day) -> Result<Beside, JournalError> {
    let before = "SELECT value FROM journal_counts
                  WHERE user_id = ?1 AND kind = 'day' AND value < ?2 ORDER BY value DESC LIMIT 1";
    let after = "SELECT value FROM journal_counts
                 WHERE user_id = ?1 AND kind = 'day' AND value > ?2 ORDER BY value LIMIT 1";
    let find = |sql, day: Day| own.first(sql, &[&day], |row| row.get(0));
    Ok(Beside { before: find(before, first)?, after: find(after, last)? })
}

/// Reads one page of the entries that pass the filter, newest first, each with the beginning of its text.
pub(crate) fn list(
    journal: &Journal<EntriesRead>,
    filter: &Filter,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page<Excerpt>, JournalError> {
    journal.read(|own| {
        let Page { items, total, next } = list_in(own, journal.signer, filter, limit, cursor)?;
        Ok(Page { items: excerpts(own, items)?, total, next })
    })
}

/// Reads the beginnings of the texts of some entries. SQLite cuts them, so that a page of long entries isn't held in
/// memory whole.
pub(super) fn excerpts(own: &OwnedRows, entries: Vec<EntryItem>) -> Result<Vec<Excerpt>, JournalError> {
    let sql = "SELECT substr(content, 1, ?3) || iif(substr(content, ?3 + 1, 1) = '', '', '…') FROM entries
               WHERE user_id = ?1 AND id = ?2";
    let mut excerpts = Vec::new();
    for entry in entries {
        let text = own.first(sql, &[&entry.id, &(limits::EXCERPT_CHARS_MAX as i64)], |row| row.get(0))?;
        excerpts.extend(text.map(|text| Excerpt { entry, text }));
    }
    Ok(excerpts)
}
