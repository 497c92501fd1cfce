//! Creates, reads, lists, changes and deletes entries, and attaches tags to them.
//!
//! Names no tool, and uses no HTTP and no JSON. Invariant: a write is one transaction with everything that belongs to
//! it, so a reader can't see a new entry without its tags.
//!
//! A function gets the permit with its [`Journal`], gets the time as an argument if it stores one, and reads and
//! writes rows through `OwnedRows` alone. A function whose name ends in `_in` works inside a transaction that its
//! caller has opened, so that several of them see one state.

use rusqlite::{Row, ToSql};

use super::encoding::Encoding;
use super::filter::{AFTER_ALL_DAYS, BEFORE_ALL_DAYS, Filter, FilterValues, Start, label_key};
use super::rows::{NamedRows, OwnedRows, cut, take_day, take_number};
use super::{
    Entry, EntryItem, EntryTag, Journal, JournalError, Matches, Page, RowDigest, Tag, TagName, entry_changed,
    tags,
};
use crate::clock::Timestamp;
use crate::dates::{EntryDate, EntryTime};
use crate::events::Changes;
use crate::gate::Permit;
use crate::ids::{EntryId, TagId};
use crate::limits;
use crate::scope::{EntriesRead, EntriesWrite, TagsWrite};
use crate::secret::Signer;

/// An entry to be made.
pub(crate) struct NewEntry {
    pub(crate) title: String,
    pub(crate) content: String,
    pub(crate) mood: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) weather: Option<String>,
    pub(crate) is_private: bool,
    pub(crate) is_favorite: bool,
    /// The day that it is about; `None` for the day and time at which it is made.
    pub(crate) date: Option<EntryDate>,
    pub(crate) tags: TagsToAttach,
}

/// Tags to be attached to an entry; one that comes twice is attached once. The schema of the arguments bounds their
/// number.
#[derive(Default)]
pub(crate) struct TagsToAttach {
    pub(crate) ids: Vec<TagId>,
    /// Names as `text::name` cleans them.
    pub(crate) names: Vec<String>,
    /// The caller's right to make a tag of a name that no tag has. Without it such a name is an error. It is of the
    /// caller whose journal this is: `mcp` has one caller for each request.
    pub(crate) may_make: Option<Permit<TagsWrite>>,
}

/// An entry as it was stored, and the names of the tags that were made for it.
pub(crate) struct Written {
    pub(crate) entry: Entry,
    pub(crate) new_tags: Vec<String>,
}

/// A change of an entry: `None` keeps the field as it is, `Some(None)` clears it. With a single `Option`, a client
/// that leaves out a field would clear what the person wrote.
#[derive(Default)]
pub(crate) struct EntryChange {
    pub(crate) title: Option<String>,
    pub(crate) content: Option<String>,
    /// What is added at the end of the text, as a paragraph of its own; of use without `content`, which replaces all of
    /// the text.
    pub(crate) append: Option<String>,
    pub(crate) mood: Option<Option<String>>,
    pub(crate) location: Option<Option<String>>,
    pub(crate) weather: Option<Option<String>>,
    pub(crate) is_private: Option<bool>,
    pub(crate) is_favorite: Option<bool>,
    pub(crate) date: Option<EntryDate>,
    /// Those that the entry has already stay, unless only these shall.
    pub(crate) tags: TagsToAttach,
    /// Whether the tags that aren't named in `tags` are detached.
    pub(crate) only_these_tags: bool,
    /// The entry as the person was shown it. If it is another one by now, nothing is changed.
    pub(crate) shown: Option<RowDigest>,
}

/// The columns of an [`EntryItem`], as [`item`] reads them. A subquery counts the tags, because a join would return
/// an entry once for each of its tags.
pub(super) const ITEM_SQL: &str = "e.id, e.title,
    (SELECT count(*) FROM entry_tags l WHERE l.user_id = ?1 AND l.entry_id = e.id),
    e.mood, e.is_favorite, e.date, e.date_time, e.created_at, e.updated_at";

/// Creates an entry with its tags; if the person doesn't have one of the tags, nothing is created. The alternative,
/// an entry without that tag and a warning, would make the client find out what was done, and it could write the
/// entry twice.
pub(crate) fn create(
    journal: &Journal<EntriesWrite>,
    mut new: NewEntry,
    now: Timestamp,
) -> Result<Written, JournalError> {
    journal.change(move |own, changes| {
        let id = EntryId::new(own.next_id("entry")?);
        let date = match new.date.take() {
            Some(date) => date,
            None => own.zone()?.now(now),
        };
        let NewEntry {
            title, content, mood, location, weather, is_private, is_favorite, tags: wanted, ..
        } = new;
        let mut entry = Entry {
            id,
            user_id: own.user_id(),
            title,
            content,
            mood,
            location,
            weather,
            is_private,
            is_favorite,
            date,
            // When it was made is the server's word, since a client's clock may be wrong. What day it is about is the
            // person's.
            created_at: now,
            updated_at: now,
            tags: Vec::new(),
        };
        insert(own, &entry)?;
        let (is_tagged, new_tags) = attach_all(own, changes, id, &wanted, now)?;
        if is_tagged {
            // Read back for their order, and for the names of those that came as ids.
            entry.tags = bounded(tags_of(own, id)?)?;
        }
        changes.extend(entry_changed(id));
        Ok(Written { entry, new_tags })
    })
}

pub(crate) fn find(journal: &Journal<EntriesRead>, id: EntryId) -> Result<Option<Box<Entry>>, JournalError> {
    journal.read(|own| find_in(own, id))
}

/// Reads the entry that the person sees before they confirm its deletion. This needs no scope to read, because a
/// client that may delete an entry gets its text in the result of the deletion anyway.
pub(crate) fn find_to_confirm(
    journal: &Journal<EntriesWrite>,
    id: EntryId,
) -> Result<Option<Box<Entry>>, JournalError> {
    journal.read(|own| find_in(own, id))
}

/// Changes an entry. A change without any field changes nothing, not even `updated_at`, and no stream is notified.
pub(crate) fn update(
    journal: &Journal<EntriesWrite>,
    id: EntryId,
    change: EntryChange,
    now: Timestamp,
) -> Result<Written, JournalError> {
    journal.change(move |own, changes| {
        let EntryChange {
            title,
            content,
            append,
            mood,
            location,
            weather,
            is_private,
            is_favorite,
            date,
            tags,
            only_these_tags,
            shown,
        } = change;
        if let Some(shown) = shown {
            let known = find_in(own, id)?.ok_or(JournalError::EntryNotFound(id))?;
            if shown != known.digest() {
                return Err(JournalError::Changed);
            }
        }
        let content = match append {
            Some(paragraph) => Some(with_paragraph(own, id, &paragraph)?),
            None => content,
        };
        let changes_a_field = title.is_some()
            || content.is_some()
            || [&mood, &location, &weather].iter().any(|field| field.is_some())
            || is_private.is_some()
            || is_favorite.is_some()
            || date.is_some();
        if changes_a_field {
            // There is one statement for every set of fields, for the reason that `filter.rs` gives. NULL in place
            // of a title keeps the title; a label can be NULL itself, so a flag says whether to set it. The statement
            // assigns every field, if necessary its old value.
            let sql = "UPDATE entries SET
                           title = coalesce(?3, title), content = coalesce(?4, content),
                           mood = CASE WHEN ?5 THEN ?6 ELSE mood END,
                           mood_key = CASE WHEN ?5 THEN ?7 ELSE mood_key END,
                           location = CASE WHEN ?8 THEN ?9 ELSE location END,
                           location_key = CASE WHEN ?8 THEN ?10 ELSE location_key END,
                           weather = CASE WHEN ?11 THEN ?12 ELSE weather END,
                           weather_key = CASE WHEN ?11 THEN ?13 ELSE weather_key END,
                           is_private = coalesce(?14, is_private), is_favorite = coalesce(?15, is_favorite),
                           date = coalesce(?16, date),
                           date_time = CASE WHEN ?16 IS NULL THEN date_time ELSE ?17 END,
                           instant = CASE WHEN ?16 IS NULL THEN instant ELSE ?18 END,
                           updated_at = ?19
                       WHERE user_id = ?1 AND id = ?2";
            let time = date.as_ref().and_then(|date| date.time.as_ref());
            let (is_mood, mood) = (mood.is_some(), mood.flatten());
            let (is_location, location) = (location.is_some(), location.flatten());
            let (is_weather, weather) = (weather.is_some(), weather.flatten());
            own.change(
                sql,
                &[
                    &id,
                    &title,
                    &content,
                    &is_mood,
                    &mood,
                    &label_key(&mood),
                    &is_location,
                    &location,
                    &label_key(&location),
                    &is_weather,
                    &weather,
                    &label_key(&weather),
                    &is_private,
                    &is_favorite,
                    &date.as_ref().map(|date| date.day),
                    &time.map(EntryTime::as_str),
                    &time.map(|time| time.instant().0),
                    &now.0,
                ],
            )?;
        }
        // A link isn't a field of the entry, so `updated_at` stays; but the entry shows its tags.
        let is_untagged = only_these_tags && detach_others(own, id, &tags.names)?;
        let (is_tagged, new_tags) = attach_all(own, changes, id, &tags, now)?;
        if changes_a_field || is_tagged || is_untagged {
            changes.extend(entry_changed(id));
        }
        Ok(Written { entry: tagged(own, id)?, new_tags })
    })
}

/// Makes the row of a new entry, with what follows from its fields: the labels as they are compared, and the moment.
/// Its tags are [`link`]ed after that.
pub(super) fn insert(own: &OwnedRows, entry: &Entry) -> Result<(), JournalError> {
    let Entry { id, title, content, mood, location, weather, is_private, is_favorite, date, .. } = entry;
    let sql =
        "INSERT INTO entries (row_id, user_id, id, title, content, mood, location, weather, mood_key, location_key,
                   weather_key, is_private, is_favorite, date, date_time, instant, created_at, updated_at)
               VALUES (?1 << 32 | ?2, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";
    let arguments: [&dyn ToSql; 16] = [
        id,
        title,
        content,
        mood,
        location,
        weather,
        &label_key(mood),
        &label_key(location),
        &label_key(weather),
        is_private,
        is_favorite,
        &date.day,
        &date.time,
        &date.time.as_ref().map(|time| time.instant().0),
        &entry.created_at.0,
        &entry.updated_at.0,
    ];
    own.change(sql, &arguments)?;
    Ok(())
}

/// Attaches tags to an entry, those that are named and missing included, and returns whether any link is new and the
/// names of the tags that were made. Everything is one transaction with the write of the entry: a failure leaves
/// neither the entry nor a tag behind.
fn attach_all(
    own: &OwnedRows,
    changes: &mut Changes,
    id: EntryId,
    tags: &TagsToAttach,
    now: Timestamp,
) -> Result<(bool, Vec<String>), JournalError> {
    let (mut is_tagged, mut new_tags) = (false, Vec::new());
    for tag_id in &tags.ids {
        // The foreign key of the link refuses another person's tag as well, but the client would get that as a failure
        // of the database.
        tags::find_in(own, *tag_id)?.ok_or(JournalError::TagNotFound(*tag_id))?;
        is_tagged |= link(own, id, *tag_id, now)?.1;
    }
    for name in &tags.names {
        let (tag_id, is_new) = tags::named_or_new_in(own, tags.may_make, name, now)?;
        is_tagged |= link(own, id, tag_id, now)?.1;
        if is_new {
            changes.extend(tags::list_changed(tag_id));
            new_tags.push(name.clone());
        }
    }
    Ok((is_tagged, new_tags))
}

/// Detaches the tags with other names than these, and returns whether there was one.
fn detach_others(own: &OwnedRows, id: EntryId, names: &[String]) -> Result<bool, JournalError> {
    let entry = find_in(own, id)?.ok_or(JournalError::EntryNotFound(id))?;
    let mut others = entry.tags.iter().filter(|tag| !names.contains(&tag.name));
    let sql = "DELETE FROM entry_tags WHERE user_id = ?1 AND entry_id = ?2 AND tag_id = ?3";
    others.try_fold(false, |_, tag| own.change(sql, &[&id, &tag.id]).map(|_| true))
}

/// Reads an entry back after tags were attached.
fn tagged(own: &OwnedRows, id: EntryId) -> Result<Entry, JournalError> {
    let mut entry = find_in(own, id)?.ok_or(JournalError::EntryNotFound(id))?;
    entry.tags = bounded(entry.tags)?;
    Ok(*entry)
}

/// Fails if an entry has more tags than it may. They are counted after they were attached, because one that was
/// attached before adds no link, and so is accepted on a full entry too. The error undoes the links.
fn bounded(tags: Vec<TagName>) -> Result<Vec<TagName>, JournalError> {
    match tags.len() {
        count if count > limits::TAGS_PER_ENTRY_MAX => Err(JournalError::TooManyTags { count }),
        _ => Ok(tags),
    }
}

/// Returns those of the names that no tag has, for a caller who writes: an entry with such a name makes a tag.
pub(crate) fn tags_to_make(
    journal: &Journal<EntriesWrite>,
    names: &[String],
) -> Result<Vec<String>, JournalError> {
    journal.read(|own| tags::unknown_in(own, names))
}

/// Returns those of a filter's names that no tag has. It is a transaction of its own, beside that of the list: a tag
/// that is made between the two is only named too early, or too late.
pub(crate) fn unknown_tags(
    journal: &Journal<EntriesRead>,
    filter: &Filter,
) -> Result<Vec<String>, JournalError> {
    match &filter.tag_names[..] {
        [] => Ok(Vec::new()),
        names => journal.read(|own| tags::unknown_in(own, names)),
    }
}

/// Returns the text of an entry with a further paragraph, behind a blank line. What stands there is kept byte for byte,
/// so line ends with which it closes already are a part of that blank line.
///
/// The writer runs one transaction at a time, and this reads and writes in one. So of two clients that add a paragraph
/// at the same time neither loses its own, and the limit holds for what both have made of the text.
fn with_paragraph(own: &OwnedRows, id: EntryId, paragraph: &str) -> Result<String, JournalError> {
    let sql = "SELECT content FROM entries WHERE user_id = ?1 AND id = ?2";
    let text: Option<String> = own.first(sql, &[&id], |row| row.get(0))?;
    let mut text = text.ok_or(JournalError::EntryNotFound(id))?;
    if !text.is_empty() {
        let end = text.trim_end_matches(['\n', '\r']).len();
        let line_ends = text[end..].matches('\n').count();
        text.push_str(&"\n\n"[line_ends.min(2)..]);
    }
    text.push_str(paragraph);
    match text.chars().count() {
        count if count > limits::CONTENT_CHARS_MAX => Err(JournalError::TextTooLong { count }),
        _ => Ok(text),
    }
}

/// Deletes an entry with its links and returns it. If the person confirmed the deletion, the entry must still be what
/// they were `shown`. The transaction that deletes the entry also checks this: the writer runs one transaction at a
/// time, so even the latest change between the question and the answer is seen here. With a check in an earlier
/// transaction another client could change the text between the two, and the person would lose a text that they never
/// saw.
pub(crate) fn delete(
    journal: &Journal<EntriesWrite>,
    id: EntryId,
    shown: Option<RowDigest>,
) -> Result<Entry, JournalError> {
    journal.change(move |own, changes| {
        let entry = find_in(own, id)?.ok_or(JournalError::EntryNotFound(id))?;
        if shown.is_some_and(|shown| shown != entry.digest()) {
            return Err(JournalError::Changed);
        }
        changes.extend(entry_changed(id));
        // The foreign key deletes the links too.
        own.change("DELETE FROM entries WHERE user_id = ?1 AND id = ?2", &[&id])?;
        Ok(*entry)
    })
}

/// Attaches a tag to an entry; a tag that is attached already stays attached. So a client that got no response can
/// send the call again, and gets the same link with the time of the first call.
pub(crate) fn attach(
    journal: &Journal<EntriesWrite>,
    entry_id: EntryId,
    tag_id: TagId,
    now: Timestamp,
) -> Result<(EntryTag, Entry, Tag), JournalError> {
    journal.change(move |own, changes| {
        let tag = tags::find_in(own, tag_id)?.ok_or(JournalError::TagNotFound(tag_id))?;
        // The entry is looked up first, although it is read again below: the foreign key refuses a link to a missing
        // entry too, but the client would get a failure of the database instead of a helpful message.
        find_in(own, entry_id)?.ok_or(JournalError::EntryNotFound(entry_id))?;
        let (link, is_new) = link(own, entry_id, tag_id, now)?;
        if is_new {
            changes.extend(entry_changed(entry_id));
        }
        Ok((link, tagged(own, entry_id)?, tag))
    })
}

/// Detaches a tag from an entry, and returns whether it was attached. A tag that wasn't attached gives no error, so
/// that a client can send the call again.
pub(crate) fn detach(
    journal: &Journal<EntriesWrite>,
    entry_id: EntryId,
    tag_id: TagId,
) -> Result<(bool, Entry, Tag), JournalError> {
    journal.change(move |own, changes| {
        let tag = tags::find_in(own, tag_id)?.ok_or(JournalError::TagNotFound(tag_id))?;
        let sql = "DELETE FROM entry_tags WHERE user_id = ?1 AND entry_id = ?2 AND tag_id = ?3";
        let removed = own.change(sql, &[&entry_id, &tag_id])? == 1;
        // If nothing has changed, no client is notified, since each would read the entry in vain.
        if removed {
            changes.extend(entry_changed(entry_id));
        }
        let entry = find_in(own, entry_id)?.ok_or(JournalError::EntryNotFound(entry_id))?;
        Ok((removed, *entry, tag))
    })
}

/// Reads one page of the entries that pass the filter, newest first.
pub(crate) fn list(
    journal: &Journal<EntriesRead>,
    filter: &Filter,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page<EntryItem>, JournalError> {
    journal.read(|own| list_in(own, journal.signer, filter, limit, cursor))
}

/// Reads the newest entries that pass the filter, with their whole text: at most `limit` of them, and at most
/// `bytes_max` bytes as the caller counts them, but the newest one in any case. Also returns how many entries pass the
/// filter. `limit` alone would not bound the size: one entry may have [`limits::CONTENT_CHARS_MAX`] characters, and the
/// texts are for a model that can read only a bounded amount.
pub(crate) fn list_whole(
    journal: &Journal<EntriesRead>,
    filter: &Filter,
    limit: usize,
    bytes_max: usize,
    bytes_of: impl Fn(&Entry) -> usize,
) -> Result<(Vec<Entry>, i64), JournalError> {
    journal.read(|own| {
        // The page and the entries are read in one transaction, which sees no deletion between the two.
        let page = list_in(own, journal.signer, filter, limit, None)?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for item in &page.items {
            let Some(entry) = find_in(own, item.id)? else { continue };
            bytes += bytes_of(&entry);
            if bytes > bytes_max && !entries.is_empty() {
                // `continue` would be wrong: the entries that are left out must be the oldest, with no gap before
                // them.
                break;
            }
            entries.push(*entry);
        }
        Ok((entries, page.total))
    })
}

const TITLES: NamedRows =
    NamedRows { table: "entries", name: "title", order: "date DESC, created_at DESC, id DESC" };

/// Finds the ids of entries whose id or title fits what a person is typing; entries that fit equally well come newest
/// first; see [`OwnedRows::matching`]. The result holds ids and not titles, because the client puts the chosen id
/// into its call.
pub(crate) fn matching(
    journal: &Journal<EntriesRead>,
    typed: &str,
    limit: usize,
) -> Result<Matches, JournalError> {
    journal.read(|own| own.matching(&TITLES, typed, limit))
}

/// Finds the days that the person has written about and whose date begins with what they are typing; newest first.
pub(crate) fn days(
    journal: &Journal<EntriesRead>,
    typed: &str,
    limit: usize,
) -> Result<Matches, JournalError> {
    journal.read(|own| {
        // The counts have a row for each day.
        let sql = "SELECT value FROM journal_counts WHERE user_id = ?1 AND kind = 'day' ORDER BY value DESC LIMIT ?2";
        let days_max = limits::COMPLETION_ROWS_MAX;
        let days: Vec<String> = own.all(sql, &[&(days_max as i64 + 1)], |row| row.get(0))?;
        let is_cut = days.len() > days_max;
        let mut values: Vec<_> =
            days.into_iter().take(days_max).filter(|day| day.starts_with(typed)).collect();
        let total = values.len() as i64;
        values.truncate(limit);
        Ok(Matches { values, total, is_cut })
    })
}

/// Reads one page of [`list`], inside a transaction: its items, and how many there are on all pages at that moment.
pub(super) fn list_in(
    own: &OwnedRows,
    signer: &Signer,
    filter: &Filter,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page<EntryItem>, JournalError> {
    let mut encoding = Encoding::default();
    filter.encode(&mut encoding);
    let digest = encoding.digest();
    // A position is that of the last entry on the page before, not a number of entries to skip. With OFFSET an entry
    // that is created between two pages would move all others down by one, and the next page would repeat one of them.
    // The id orders the entries of one day and second; without the id the next page could leave out some of these.
    let mut position = Position::before_day(AFTER_ALL_DAYS);
    if let Some(cursor) = cursor {
        position = Position::read(&own.position(signer, "entries", &digest, cursor)?)?;
    }
    let mut values = FilterValues::of(filter, own)?;
    let Start { source, rows, total } = values.start(own)?;
    if rows == 0 {
        return Ok(Page { items: Vec::new(), total: 0, next: None });
    }
    // One bound on the date is enough for the index to begin there: the position, or the last day of the period.
    if values.last_day < position.day {
        position = Position::before_day(&values.last_day);
    }
    let first_day = &values.first_day[..];
    let (filter, values) = (values.condition(), values.parameters());
    let (from, date, created_at, entry_id) = source.sql();
    let total = match total {
        Some(total) => total,
        // Two fields of a filter, or a period beside one: the entries of the source are counted anew for each page.
        None => {
            let sql = format!(
                "SELECT count(*) FROM {from} e.user_id = ?1 {filter} AND {date} >= ?4 AND {date} <= ?5"
            );
            own.first(&sql, &values, |row| row.get(0))?.unwrap_or(0)
        }
    };
    // The first page of a list without a period, the one that is read most, has no bound that each row must be compared
    // with.
    let bounds = if (&position.day[..], first_day) == (AFTER_ALL_DAYS, BEFORE_ALL_DAYS) {
        String::new()
    } else {
        format!("AND {date} >= ?4 AND ({date}, {created_at}, {entry_id}) < (?15, ?16, ?17)")
    };
    let sql = format!(
        "SELECT {ITEM_SQL} FROM {from} e.user_id = ?1 {filter} {bounds}
             ORDER BY {date} DESC, {created_at} DESC, {entry_id} DESC LIMIT ?18"
    );
    let one_more = limit as i64 + 1; // one more shows whether another page follows
    let place: [&dyn ToSql; 4] = [&position.day, &position.created_at, &position.id, &one_more];
    let mut items = own.all(&sql, &[&values[..], &place].concat(), item)?;
    let next = cut(&mut items, limit)
        .map(|last: &EntryItem| own.cursor(signer, "entries", &digest, &Position::of(last).bytes()));
    Ok(Page { items, total, next })
}

/// The place of an entry in the order of lists, which goes downwards in each of the three.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) day: String,
    pub(super) created_at: i64,
    pub(super) id: i64,
}

impl Position {
    /// Before every entry of this day, and after those of later days.
    pub(super) fn before_day(day: &str) -> Position {
        Position { day: day.to_owned(), created_at: i64::MAX, id: i64::MAX }
    }

    pub(super) fn of(entry: &EntryItem) -> Position {
        Position { day: entry.date.day.to_string(), created_at: entry.created_at.0, id: entry.id.get() }
    }

    /// Writes it for a cursor.
    pub(super) fn bytes(&self) -> Vec<u8> {
        [self.day.as_bytes(), &self.created_at.to_be_bytes(), &self.id.to_be_bytes()].concat()
    }

    /// Reads it from a cursor.
    pub(super) fn read(mut position: &[u8]) -> Result<Position, JournalError> {
        let day = take_day(&mut position)?;
        Ok(Position { day, created_at: take_number(&mut position)?, id: take_number(&mut position)? })
    }
}

/// Reads the columns of [`ITEM_SQL`].
pub(super) fn item(row: &Row) -> rusqlite::Result<EntryItem> {
    Ok(EntryItem {
        id: row.get(0)?,
        title: row.get(1)?,
        tag_count: row.get(2)?,
        mood: row.get(3)?,
        is_favorite: row.get(4)?,
        date: date(row, 5)?,
        created_at: Timestamp(row.get(7)?),
        updated_at: Timestamp(row.get(8)?),
    })
}

/// Reads the date of an entry from its columns `date` and `date_time`, of which the first is at `place`.
fn date(row: &Row, place: usize) -> rusqlite::Result<EntryDate> {
    Ok(EntryDate::stored(row.get(place)?, row.get(place + 1)?))
}

/// Reads an entry with its tags, in two statements. One statement with a join would return the whole text of the
/// entry once for each tag, and an entry may have [`limits::TAGS_PER_ENTRY_MAX`] of them.
///
/// In a box, because the entry passes through many functions, each of which would keep a place for it on the stack.
#[inline(never)] // see `log::write`
pub(super) fn find_in(own: &OwnedRows, id: EntryId) -> Result<Option<Box<Entry>>, JournalError> {
    let Some(mut entry) = without_tags(own, id)? else { return Ok(None) };
    entry.tags = tags_of(own, id)?;
    Ok(Some(entry))
}

#[inline(never)] // see `log::write`
fn without_tags(own: &OwnedRows, id: EntryId) -> Result<Option<Box<Entry>>, JournalError> {
    let sql = "SELECT id, user_id, title, content, mood, location, weather, is_private, is_favorite, date, date_time,
                   created_at, updated_at
               FROM entries WHERE user_id = ?1 AND id = ?2";
    own.first(sql, &[&id], of_columns)
}

/// Makes an entry of the columns that [`without_tags`] reads.
#[inline(never)] // see `log::write`
fn of_columns(row: &Row) -> rusqlite::Result<Box<Entry>> {
    Ok(Box::new(Entry {
        id: row.get(0)?,
        user_id: row.get(1)?,
        title: row.get(2)?,
        content: row.get(3)?,
        mood: row.get(4)?,
        location: row.get(5)?,
        weather: row.get(6)?,
        is_private: row.get(7)?,
        is_favorite: row.get(8)?,
        date: date(row, 9)?,
        created_at: Timestamp(row.get(11)?),
        updated_at: Timestamp(row.get(12)?),
        tags: Vec::new(),
    }))
}

#[inline(never)] // see `log::write`
fn tags_of(own: &OwnedRows, id: EntryId) -> Result<Vec<TagName>, JournalError> {
    let sql = "SELECT t.id, t.name FROM entry_tags l JOIN tags t ON t.user_id = l.user_id AND t.id = l.tag_id
               WHERE l.user_id = ?1 AND l.entry_id = ?2 ORDER BY t.name, t.id";
    own.all(sql, &[&id], |row| Ok(TagName { id: row.get(0)?, name: row.get(1)? }))
}

/// Links an entry to a tag, or finds the link that exists already; returns `true` for a new link. The caller has
/// checked that both are the person's.
///
/// The writer runs one transaction at a time, so nobody makes the link between the look and the INSERT. The `user_id`
/// of a link is part of both of its foreign keys, so even a mistake here couldn't link two people's rows.
pub(super) fn link(
    own: &OwnedRows,
    entry_id: EntryId,
    tag_id: TagId,
    now: Timestamp,
) -> Result<(EntryTag, bool), JournalError> {
    let sql = "SELECT id, user_id, entry_id, tag_id, created_at FROM entry_tags
               WHERE user_id = ?1 AND entry_id = ?2 AND tag_id = ?3";
    let find = || {
        own.first(sql, &[&entry_id, &tag_id], |row| {
            Ok(EntryTag {
                id: row.get(0)?,
                user_id: row.get(1)?,
                entry_id: row.get(2)?,
                tag_id: row.get(3)?,
                created_at: Timestamp(row.get(4)?),
            })
        })
    };
    if let Some(link) = find()? {
        return Ok((link, false));
    }
    let sql =
        "INSERT INTO entry_tags (user_id, entry_id, tag_id, id, created_at, entry_date, entry_created_at)
               SELECT ?1, ?2, ?3, ?4, ?5, date, created_at FROM entries WHERE user_id = ?1 AND id = ?2";
    own.change(sql, &[&entry_id, &tag_id, &own.next_id("link")?, &now.0])?;
    Ok((find()?.ok_or(JournalError::EntryNotFound(entry_id))?, true))
}
