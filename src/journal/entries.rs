//! Entries: made, read, listed, changed, deleted, and their links to tags.
//!
//! Knows what [`super`] knows. Every write is one transaction with all that belongs to it.

use rusqlite::Row;

use super::{
    Entry, EntryItem, EntryTag, Fault, Journal, Matches, Own, Page, Shown, TagName, cut, entry_changed, tags,
    take_eight,
};
use crate::clock::Timestamp;
use crate::limits;
use crate::secret::Seal;

/// An entry to be made.
pub struct NewEntry {
    /// Its title.
    pub title: String,
    /// Its text.
    pub content: String,
    /// How its author feels.
    pub mood: Option<String>,
    /// Where it is written.
    pub location: Option<String>,
    /// The weather.
    pub weather: Option<String>,
    /// A label only.
    pub is_private: bool,
    /// A label only.
    pub is_favorite: bool,
    /// The tags to attach; one that is there twice is attached once.
    pub tag_ids: Vec<i64>,
}

/// A change of an entry: a field that is `None` stays as it is; `Some(None)` clears it.
#[derive(Default)]
pub struct EntryChange {
    /// The new title.
    pub title: Option<String>,
    /// The new text.
    pub content: Option<String>,
    /// The new mood.
    pub mood: Option<Option<String>>,
    /// The new location.
    pub location: Option<Option<String>>,
    /// The new weather.
    pub weather: Option<Option<String>>,
    /// The new label.
    pub is_private: Option<bool>,
    /// The new label.
    pub is_favorite: Option<bool>,
}

/// Which entries a list or search shows; what is `None` or empty doesn't narrow it.
#[derive(Clone, Default, Debug)]
pub struct Filter {
    /// Entries with these tags.
    pub tag_ids: Vec<i64>,
    /// All of [`Filter::tag_ids`] rather than any of them.
    pub all_tags: bool,
    /// Made at or after this date or date-time.
    pub from: Option<String>,
    /// Made at or before this date (to its end, UTC) or date-time.
    pub to: Option<String>,
    /// This mood, whatever the case of ASCII letters.
    pub mood: Option<String>,
    /// This location, likewise.
    pub location: Option<String>,
    /// This weather, likewise.
    pub weather: Option<String>,
    /// This label.
    pub is_private: Option<bool>,
    /// This label.
    pub is_favorite: Option<bool>,
}

/// The condition of a [`Filter`] on `e`, an entry: parameters `?1` (the user) to `?10`.
pub(super) const FILTER_SQL: &str = "e.user_id = ?1
    AND (?2 = 0 OR ?2 <= (
        SELECT count(*) FROM entry_tags l
        WHERE l.user_id = ?1 AND l.entry_id = e.id AND l.tag_id IN (SELECT value FROM json_each(?3))))
    AND e.created_at >= ?4 AND e.created_at <= ?5
    AND (?6 IS NULL OR e.mood = ?6 COLLATE NOCASE)
    AND (?7 IS NULL OR e.location = ?7 COLLATE NOCASE)
    AND (?8 IS NULL OR e.weather = ?8 COLLATE NOCASE)
    AND (?9 IS NULL OR e.is_private = ?9)
    AND (?10 IS NULL OR e.is_favorite = ?10)";

/// The columns of an [`EntryItem`].
pub(super) const ITEM_SQL: &str = "e.id, e.title,
    (SELECT count(*) FROM entry_tags l WHERE l.user_id = ?1 AND l.entry_id = e.id),
    e.mood, e.is_favorite, e.created_at, e.updated_at";

/// A [`Filter`] as the parameters `?2` to `?10` of [`FILTER_SQL`].
pub(super) type FilterValues<'f> = (
    (i64, String, i64, i64),
    (&'f Option<String>, &'f Option<String>, &'f Option<String>, Option<bool>, Option<bool>),
);

/// Makes an entry with its tags; a tag that isn't the caller's undoes all of it.
pub fn create(journal: &Journal, new: NewEntry, now: Timestamp) -> Result<Entry, Fault> {
    journal.change(move |own, changes| {
        let sql =
            "INSERT INTO entries (user_id, title, content, mood, location, weather, is_private, is_favorite,
                                        created_at, updated_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)";
        own.change(
            sql,
            &[
                &new.title,
                &new.content,
                &new.mood,
                &new.location,
                &new.weather,
                &new.is_private,
                &new.is_favorite,
                &now.0,
            ],
        )?;
        let id = own.connection.last_insert_rowid();
        for tag_id in &new.tag_ids {
            tags::find_in(own, *tag_id)?.ok_or(Fault::TagNotFound(*tag_id))?;
            link(own, id, *tag_id, now)?;
        }
        changes.extend(entry_changed(id));
        find_in(own, id)?.ok_or(Fault::EntryNotFound(id))
    })
}

/// The caller's entry of this id.
pub fn find(journal: &Journal, id: i64) -> Result<Option<Entry>, Fault> {
    journal.read(|own| find_in(own, id))
}

/// Changes an entry; without any field it stays as it is, its `updated_at` too.
pub fn update(journal: &Journal, id: i64, change: EntryChange, now: Timestamp) -> Result<Entry, Fault> {
    journal.change(move |own, noted| {
        let EntryChange { title, content, mood, location, weather, is_private, is_favorite } = change;
        let any = title.is_some()
            || content.is_some()
            || [&mood, &location, &weather].iter().any(|field| field.is_some())
            || is_private.is_some()
            || is_favorite.is_some();
        if any {
            let sql = "UPDATE entries SET
                           title = coalesce(?3, title), content = coalesce(?4, content),
                           mood = CASE WHEN ?5 THEN ?6 ELSE mood END,
                           location = CASE WHEN ?7 THEN ?8 ELSE location END,
                           weather = CASE WHEN ?9 THEN ?10 ELSE weather END,
                           is_private = coalesce(?11, is_private), is_favorite = coalesce(?12, is_favorite),
                           updated_at = ?13
                       WHERE user_id = ?1 AND id = ?2";
            own.change(
                sql,
                &[
                    &id,
                    &title,
                    &content,
                    &mood.is_some(),
                    &mood.flatten(),
                    &location.is_some(),
                    &location.flatten(),
                    &weather.is_some(),
                    &weather.flatten(),
                    &is_private,
                    &is_favorite,
                    &now.0,
                ],
            )?;
            noted.extend(entry_changed(id));
        }
        find_in(own, id)?.ok_or(Fault::EntryNotFound(id))
    })
}

/// Deletes an entry with its links and gives what it was. Where a person was asked, it must still be what they were
/// `shown`.
pub fn delete(journal: &Journal, id: i64, shown: Option<Shown>) -> Result<Entry, Fault> {
    journal.change(move |own, changes| {
        let entry = find_in(own, id)?.ok_or(Fault::EntryNotFound(id))?;
        if shown.is_some_and(|shown| shown != entry.shown()) {
            return Err(Fault::Changed);
        }
        changes.extend(entry_changed(id));
        own.change("DELETE FROM entries WHERE user_id = ?1 AND id = ?2", &[&id])?;
        Ok(entry)
    })
}

/// Attaches a tag to an entry; one that is attached already stays so.
pub fn attach(
    journal: &Journal,
    entry_id: i64,
    tag_id: i64,
    now: Timestamp,
) -> Result<(EntryTag, Entry, super::Tag), Fault> {
    journal.change(move |own, changes| {
        let tag = tags::find_in(own, tag_id)?.ok_or(Fault::TagNotFound(tag_id))?;
        find_in(own, entry_id)?.ok_or(Fault::EntryNotFound(entry_id))?;
        let (link, is_new) = link(own, entry_id, tag_id, now)?;
        if is_new {
            changes.extend(entry_changed(entry_id));
        }
        let entry = find_in(own, entry_id)?.ok_or(Fault::EntryNotFound(entry_id))?;
        if entry.tags.len() > limits::TAGS_PER_ENTRY_MAX {
            return Err(Fault::TooManyTags); // the savepoint takes the link back
        }
        Ok((link, entry, tag))
    })
}

/// Detaches a tag from an entry and says whether it was attached.
pub fn detach(journal: &Journal, entry_id: i64, tag_id: i64) -> Result<(bool, Entry, super::Tag), Fault> {
    journal.change(move |own, changes| {
        let tag = tags::find_in(own, tag_id)?.ok_or(Fault::TagNotFound(tag_id))?;
        let sql = "DELETE FROM entry_tags WHERE user_id = ?1 AND entry_id = ?2 AND tag_id = ?3";
        let removed = own.change(sql, &[&entry_id, &tag_id])? == 1;
        if removed {
            changes.extend(entry_changed(entry_id));
        }
        let entry = find_in(own, entry_id)?.ok_or(Fault::EntryNotFound(entry_id))?;
        Ok((removed, entry, tag))
    })
}

/// The entries that pass the filter, newest first.
pub fn list(
    journal: &Journal,
    filter: &Filter,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page<EntryItem>, Fault> {
    journal.read(|own| list_in(own, journal.seal, filter, limit, cursor))
}

/// The newest entries that pass the filter, whole: so many at most, and no more than hold so many octets of text.
/// With them how many pass it in all.
pub fn whole(
    journal: &Journal,
    filter: &Filter,
    limit: usize,
    bytes_max: usize,
) -> Result<(Vec<Entry>, i64), Fault> {
    journal.read(|own| {
        let page = list_in(own, journal.seal, filter, limit, None)?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for item in &page.items {
            let Some(entry) = find_in(own, item.id)? else { continue };
            bytes += entry.title.len() + entry.content.len();
            if bytes > bytes_max {
                break;
            }
            entries.push(entry);
        }
        Ok((entries, page.total))
    })
}

/// Ids of entries for somebody who types one: digits are looked for in the ids, other text in the titles. What is equal
/// comes first, then what begins with it, then the rest, each newest first.
pub fn matching(journal: &Journal, typed: &str, limit: usize) -> Result<Matches, Fault> {
    journal.read(|own| own.matching("entries", "title", "created_at DESC, id DESC", typed, limit))
}

/// The days (UTC) on which the person wrote, for somebody who types one; newest first.
pub fn days(journal: &Journal, typed: &str, limit: usize) -> Result<Matches, Fault> {
    journal.read(|own| {
        let day = "date(created_at, 'unixepoch')";
        let matches = format!("FROM entries WHERE user_id = ?1 AND instr({day}, ?2) = 1");
        let total =
            own.first(&format!("SELECT count(DISTINCT {day}) {matches}"), &[&typed], |row| row.get(0))?;
        let total = total.unwrap_or(0);
        let sql = format!("SELECT DISTINCT {day} {matches} ORDER BY 1 DESC LIMIT ?3");
        let values = own.all(&sql, &[&typed, &(limit as i64)], |row| row.get(0))?;
        Ok(Matches { values, total })
    })
}

fn list_in(
    own: &Own,
    seal: &Seal,
    filter: &Filter,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page<EntryItem>, Fault> {
    let filters = format!("{filter:?}"); // every field, with its name: all that a cursor must agree with
    let (mut created_at, mut id) = (i64::MAX, i64::MAX);
    if let Some(cursor) = cursor {
        let position = own.position(seal, "entries", &filters, cursor)?;
        let mut position = &position[..];
        created_at = i64::from_be_bytes(take_eight(&mut position)?);
        id = i64::from_be_bytes(take_eight(&mut position)?);
    }
    let ((need, tags, from, to), (mood, location, weather, private, favorite)) = filter_values(own, filter)?;
    let sql = format!("SELECT count(*) FROM entries e WHERE {FILTER_SQL}");
    let values: [&dyn rusqlite::ToSql; 9] =
        [&need, &tags, &from, &to, mood, location, weather, &private, &favorite];
    let total = own.first(&sql, &values, |row| row.get(0))?.unwrap_or(0);
    let sql = format!(
        "SELECT {ITEM_SQL} FROM entries e
             WHERE {FILTER_SQL} AND (e.created_at, e.id) < (?11, ?12)
             ORDER BY e.created_at DESC, e.id DESC LIMIT ?13"
    );
    let one_more = limit as i64 + 1;
    let values = [&values[..], &[&created_at, &id, &one_more]].concat();
    let mut items = own.all(&sql, &values, item)?;
    let next = cut(&mut items, limit).map(|last: &EntryItem| {
        let position = [last.created_at.0.to_be_bytes(), last.id.to_be_bytes()].concat();
        own.cursor(seal, "entries", &filters, &position)
    });
    Ok(Page { items, total, next })
}

pub(super) fn filter_values<'f>(own: &Own, filter: &'f Filter) -> Result<FilterValues<'f>, Fault> {
    let mut tag_ids = filter.tag_ids.clone();
    tag_ids.sort_unstable();
    tag_ids.dedup();
    let need = match (tag_ids.len(), filter.all_tags) {
        (0, _) => 0,
        (count, true) => count as i64,
        (_, false) => 1,
    };
    let from = filter.from.as_deref().map(|text| moment(own, "from", text)).transpose()?;
    let to = filter.to.as_deref().map(|text| moment(own, "to", text)).transpose()?;
    let (from, to) = (from.map_or(i64::MIN, |(first, _)| first), to.map_or(i64::MAX, |(_, last)| last));
    let labels = (&filter.mood, &filter.location, &filter.weather, filter.is_private, filter.is_favorite);
    Ok(((need, format!("{tag_ids:?}"), from, to), labels))
}

/// The first and last second that a date (a whole day, UTC) or an RFC 3339 date-time means.
fn moment(own: &Own, argument: &'static str, text: &str) -> Result<(i64, i64), Fault> {
    // `?1`, the user that every statement is given, has no part in it.
    // SQLite takes many more forms, "now" among them, and turns the 30th of February into the 2nd of March:
    // the form is checked by whoever took the argument, and the date must come out as it went in.
    let sql = "SELECT unixepoch(?2), unixepoch(?2) + CASE length(?2) WHEN 10 THEN 86399 ELSE 0 END
               WHERE ?1 AND date(substr(?2, 1, 10)) = substr(?2, 1, 10) AND substr(?2, 12, 2) < '24'
                   AND unixepoch(?2) IS NOT NULL";
    let found = own.first(sql, &[&text], |row| Ok((row.get(0)?, row.get(1)?)))?;
    found.ok_or_else(|| Fault::BadMoment { argument, text: text.to_owned() })
}

pub(super) fn item(row: &Row) -> rusqlite::Result<EntryItem> {
    Ok(EntryItem {
        id: row.get(0)?,
        title: row.get(1)?,
        tag_count: row.get(2)?,
        mood: row.get(3)?,
        is_favorite: row.get(4)?,
        created_at: Timestamp(row.get(5)?),
        updated_at: Timestamp(row.get(6)?),
    })
}

pub(super) fn find_in(own: &Own, id: i64) -> Result<Option<Entry>, Fault> {
    let sql =
        "SELECT id, user_id, title, content, mood, location, weather, is_private, is_favorite, created_at,
                      updated_at
               FROM entries WHERE user_id = ?1 AND id = ?2";
    let entry = own.first(sql, &[&id], |row| {
        Ok(Entry {
            id: row.get(0)?,
            user_id: row.get(1)?,
            title: row.get(2)?,
            content: row.get(3)?,
            mood: row.get(4)?,
            location: row.get(5)?,
            weather: row.get(6)?,
            is_private: row.get(7)?,
            is_favorite: row.get(8)?,
            created_at: Timestamp(row.get(9)?),
            updated_at: Timestamp(row.get(10)?),
            tags: Vec::new(),
        })
    })?;
    let Some(mut entry) = entry else { return Ok(None) };
    let sql = "SELECT t.id, t.name FROM entry_tags l JOIN tags t ON t.user_id = l.user_id AND t.id = l.tag_id
               WHERE l.user_id = ?1 AND l.entry_id = ?2 ORDER BY t.name, t.id";
    entry.tags = own.all(sql, &[&id], |row| Ok(TagName { id: row.get(0)?, name: row.get(1)? }))?;
    Ok(Some(entry))
}

/// Links an entry to a tag, both known to be the caller's, or finds the link that is there; says which.
fn link(own: &Own, entry_id: i64, tag_id: i64, now: Timestamp) -> Result<(EntryTag, bool), Fault> {
    let sql = "INSERT INTO entry_tags (user_id, entry_id, tag_id, created_at, updated_at)
               VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT (entry_id, tag_id) DO NOTHING";
    let is_new = own.change(sql, &[&entry_id, &tag_id, &now.0])? == 1;
    let sql = "SELECT id, user_id, entry_id, tag_id, created_at, updated_at FROM entry_tags
               WHERE user_id = ?1 AND entry_id = ?2 AND tag_id = ?3";
    let found = own.first(sql, &[&entry_id, &tag_id], |row| {
        Ok(EntryTag {
            id: row.get(0)?,
            user_id: row.get(1)?,
            entry_id: row.get(2)?,
            tag_id: row.get(3)?,
            created_at: Timestamp(row.get(4)?),
            updated_at: Timestamp(row.get(5)?),
        })
    })?;
    Ok((found.ok_or(Fault::EntryNotFound(entry_id))?, is_new))
}
