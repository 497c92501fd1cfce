//! Entries: making, reading, listing, changing and deleting them, and attaching tags to them.
//!
//! Knows no JSON, no HTTP and no name of a tool, as nothing in the journal does. Invariant: a write is one
//! transaction with everything that belongs to it, so no entry is ever seen without its tags.
//!
//! Each function is given its permit and its time, and touches rows through `OwnedRows` alone. A function whose name
//! ends in `_in` works inside a transaction that its caller has opened, so that several of them see one state.

use std::collections::BTreeSet;

use rusqlite::{Row, ToSql};

use super::encoding::Encoding;
use super::rows::{NamedRows, OwnedRows, cut, take_number};
use super::{
    Entry, EntryItem, EntryTag, FilterEnd, Journal, JournalError, Matches, Page, RowDigest, Tag, TagName,
    entry_changed, tags,
};
use crate::clock::Timestamp;
use crate::dates;
use crate::ids::{EntryId, TagId};
use crate::limits;
use crate::scope::{EntriesRead, EntriesWrite};
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
    /// The tags to attach; one that is named twice is attached once. The schema of the arguments bounds how many.
    pub(crate) tag_ids: Vec<TagId>,
}

/// A change of an entry: a field that is `None` stays as it is, `Some(None)` clears it. With a single `Option` a
/// client that leaves a field out, because it doesn't know it, would clear what the person wrote.
#[derive(Default)]
pub(crate) struct EntryChange {
    pub(crate) title: Option<String>,
    pub(crate) content: Option<String>,
    pub(crate) mood: Option<Option<String>>,
    pub(crate) location: Option<Option<String>>,
    pub(crate) weather: Option<Option<String>>,
    pub(crate) is_private: Option<bool>,
    pub(crate) is_favorite: Option<bool>,
}

/// Which entries a list or search shows; a field that is `None` or empty narrows nothing.
#[derive(Default)]
pub(crate) struct Filter {
    pub(crate) tag_ids: Vec<TagId>,
    /// Whether an entry must have all of [`Filter::tag_ids`], instead of any of them.
    pub(crate) all_tags: bool,
    /// Entries made at this date (from its beginning, UTC) or date-time, or after it.
    pub(crate) from: Option<String>,
    /// Entries made at this date (to its end, UTC) or date-time, or before it.
    pub(crate) to: Option<String>,
    // The three labels are compared without regard to the case of ASCII letters, which is all that SQLite's NOCASE
    // knows.
    pub(crate) mood: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) weather: Option<String>,
    pub(crate) is_private: Option<bool>,
    pub(crate) is_favorite: Option<bool>,
}

impl Filter {
    /// Adds all that the filter says, which is what a cursor must agree with: it is good for the same filter alone.
    pub(super) fn encode(&self, encoding: &mut Encoding) {
        // Every field by its name: a field that is added to the filter doesn't compile until it is encoded here.
        // Were it left out, a cursor would be taken for a list that it doesn't belong to, and entries would be
        // skipped in silence.
        let Filter { tag_ids, all_tags, from, to, mood, location, weather, is_private, is_favorite } = self;
        encoding.number(tag_ids.len() as i64);
        for tag_id in tag_ids {
            encoding.number(tag_id.get());
        }
        encoding.flag(*all_tags);
        for text in [from, to, mood, location, weather] {
            encoding.optional(text.as_deref(), Encoding::text);
        }
        for label in [is_private, is_favorite] {
            encoding.optional(*label, Encoding::flag);
        }
    }
}

/// The condition of a [`Filter`] on `e`, an entry: parameters `?1` (the person) to `?10`. An entry passes where it
/// has at least `?2` of the tags `?3`: one of them, or as many as there are.
///
/// Its text is the same for every filter, so that SQLite prepares it once. A text that is put together from the
/// fields in use would have hundreds of forms, each parsed and planned anew. The price is that SQLite plans for no
/// field in particular: it walks along the person's entries by the index `entries_newest` and tests each of them.
/// For one person's journal that is little. A larger server would index the fields that people filter by.
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

/// The columns of an [`EntryItem`], as [`item`] reads them. The tags are counted and not joined: a join would give an
/// entry once for each of its tags.
pub(super) const ITEM_SQL: &str = "e.id, e.title,
    (SELECT count(*) FROM entry_tags l WHERE l.user_id = ?1 AND l.entry_id = e.id),
    e.mood, e.is_favorite, e.created_at, e.updated_at";

/// A [`Filter`] as the parameters `?2` to `?10` of [`FILTER_SQL`].
pub(super) struct FilterValues<'f> {
    filter: &'f Filter,
    /// How many of the tags an entry must have.
    tags_needed: i64,
    /// The tags' ids as a JSON array, for `json_each`: SQL has no parameter that stands for a list of any length.
    tag_ids: String,
    /// The first and the last second in which an entry may have been made. Both are always there, as the widest
    /// period if need be, so that SQLite can use them as the two ends of a range in the index.
    first: i64,
    last: i64,
}

impl<'f> FilterValues<'f> {
    /// Fails where one of the dates can't be read. SQLite's own date functions would give NULL for it, and the list
    /// would be empty instead of an error.
    pub(super) fn of(filter: &'f Filter) -> Result<FilterValues<'f>, JournalError> {
        // An id that is named twice counts once: an entry has at most one link to a tag, so it could never have both.
        let tag_ids: BTreeSet<_> = filter.tag_ids.iter().collect();
        let tags_needed = if filter.all_tags { tag_ids.len() as i64 } else { i64::from(!tag_ids.is_empty()) };
        let tag_ids: Vec<_> = tag_ids.into_iter().map(TagId::to_string).collect();
        let period = |end, text: &str| {
            dates::read(text).map_err(|_| JournalError::BadDate { end, text: text.to_owned() })
        };
        let from = filter.from.as_deref().map(|text| period(FilterEnd::From, text)).transpose()?;
        let to = filter.to.as_deref().map(|text| period(FilterEnd::To, text)).transpose()?;
        Ok(FilterValues {
            filter,
            tags_needed,
            tag_ids: format!("[{}]", tag_ids.join(",")),
            first: from.map_or(i64::MIN, |period| period.first.0),
            last: to.map_or(i64::MAX, |period| period.last.0),
        })
    }

    /// In the order in which [`FILTER_SQL`] numbers them.
    pub(super) fn parameters(&self) -> [&dyn ToSql; 9] {
        let Filter { mood, location, weather, is_private, is_favorite, .. } = self.filter;
        let FilterValues { tags_needed, tag_ids, first, last, .. } = self;
        [tags_needed, tag_ids, first, last, mood, location, weather, is_private, is_favorite]
    }
}

/// Makes an entry with its tags; a tag that the person doesn't have undoes all of it. The other choice, an entry
/// without that tag and a warning, would leave the client to find out what was done, and perhaps to write the entry
/// twice.
pub(crate) fn create(
    journal: &Journal<EntriesWrite>,
    new: NewEntry,
    now: Timestamp,
) -> Result<Entry, JournalError> {
    journal.change(move |own, changes| {
        // Both times are the server's. The order of lists depends on them, and a client's clock may be wrong.
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
        let id = EntryId::new(own.inserted_id());
        for tag_id in &new.tag_ids {
            // The foreign key of the link would refuse another person's tag as well, but as a failure of the
            // database.
            tags::find_in(own, *tag_id)?.ok_or(JournalError::TagNotFound(*tag_id))?;
            link(own, id, *tag_id, now)?;
        }
        changes.extend(entry_changed(id));
        // Read back inside the transaction: the client is shown what was stored, the tags in their order included.
        find_in(own, id)?.ok_or(JournalError::EntryNotFound(id))
    })
}

pub(crate) fn find(journal: &Journal<EntriesRead>, id: EntryId) -> Result<Option<Entry>, JournalError> {
    journal.read(|own| find_in(own, id))
}

/// The entry as the person is shown it before they confirm that it is deleted. A client that may delete an entry is
/// given it at the end anyway, so this needs no scope to read.
pub(crate) fn find_to_confirm(
    journal: &Journal<EntriesWrite>,
    id: EntryId,
) -> Result<Option<Entry>, JournalError> {
    journal.read(|own| find_in(own, id))
}

/// Changes an entry; without any field it stays as it is, its `updated_at` too, and no stream is notified.
pub(crate) fn update(
    journal: &Journal<EntriesWrite>,
    id: EntryId,
    change: EntryChange,
    now: Timestamp,
) -> Result<Entry, JournalError> {
    journal.change(move |own, changes| {
        let EntryChange { title, content, mood, location, weather, is_private, is_favorite } = change;
        let changes_a_field = title.is_some()
            || content.is_some()
            || [&mood, &location, &weather].iter().any(|field| field.is_some())
            || is_private.is_some()
            || is_favorite.is_some();
        if changes_a_field {
            // One statement for every set of fields, for the reason that [`FILTER_SQL`] gives. NULL in place of a
            // title means that it stays; a label can be NULL itself, so a flag says whether it is set. Each field
            // is assigned, if only the value that it has, so the search index is renewed with any change: SQLite
            // fires a trigger `UPDATE OF` by the names in SET, not by the values.
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
            changes.extend(entry_changed(id));
        }
        find_in(own, id)?.ok_or(JournalError::EntryNotFound(id))
    })
}

/// Deletes an entry with its links and returns what it was. Where the person confirmed it, the entry must still be
/// what they were `shown`. That is checked in the transaction that deletes it: the writer runs one transaction at a
/// time, so a change between the question and the answer, however late, is seen here. A check in a transaction
/// before it would leave a moment in which another client could change the text, and the person would lose one that
/// they never saw.
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
        // The links go with it, by the foreign key, and its words leave the search index, by a trigger.
        own.change("DELETE FROM entries WHERE user_id = ?1 AND id = ?2", &[&id])?;
        Ok(entry)
    })
}

/// Attaches a tag to an entry; one that is attached already stays so. A client that got no response can send the call
/// again and finds the same link, with the time of the first call.
pub(crate) fn attach(
    journal: &Journal<EntriesWrite>,
    entry_id: EntryId,
    tag_id: TagId,
    now: Timestamp,
) -> Result<(EntryTag, Entry, Tag), JournalError> {
    journal.change(move |own, changes| {
        let tag = tags::find_in(own, tag_id)?.ok_or(JournalError::TagNotFound(tag_id))?;
        // Looked up first, although it is read again below: the foreign key refuses a link to an entry that isn't
        // there, but the client would get a failure of the database instead of words that help.
        find_in(own, entry_id)?.ok_or(JournalError::EntryNotFound(entry_id))?;
        let (link, is_new) = link(own, entry_id, tag_id, now)?;
        if is_new {
            changes.extend(entry_changed(entry_id));
        }
        let entry = find_in(own, entry_id)?.ok_or(JournalError::EntryNotFound(entry_id))?;
        // Counted after the link is there: a tag that was attached before adds none, and is no error on a full entry.
        if entry.tags.len() > limits::TAGS_PER_ENTRY_MAX {
            return Err(JournalError::TooManyTags); // which undoes the link
        }
        Ok((link, entry, tag))
    })
}

/// Detaches a tag from an entry and says whether it was attached. One that wasn't is no error, so that a client can
/// send the call again.
pub(crate) fn detach(
    journal: &Journal<EntriesWrite>,
    entry_id: EntryId,
    tag_id: TagId,
) -> Result<(bool, Entry, Tag), JournalError> {
    journal.change(move |own, changes| {
        let tag = tags::find_in(own, tag_id)?.ok_or(JournalError::TagNotFound(tag_id))?;
        let sql = "DELETE FROM entry_tags WHERE user_id = ?1 AND entry_id = ?2 AND tag_id = ?3";
        let removed = own.change(sql, &[&entry_id, &tag_id])? == 1;
        // A notification says that something is different; where nothing is, each client would read for nothing.
        if removed {
            changes.extend(entry_changed(entry_id));
        }
        let entry = find_in(own, entry_id)?.ok_or(JournalError::EntryNotFound(entry_id))?;
        Ok((removed, entry, tag))
    })
}

/// The entries that pass the filter, newest first.
pub(crate) fn list(
    journal: &Journal<EntriesRead>,
    filter: &Filter,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page<EntryItem>, JournalError> {
    journal.read(|own| list_in(own, journal.signer, filter, limit, cursor))
}

/// The newest entries that pass the filter, each with all its text: at most `limit` of them, and at most `bytes_max`
/// bytes of text in all. With them, how many entries pass the filter. The number alone would bound little: one entry
/// may have [`limits::CONTENT_CHARS_MAX`] characters, and the texts are meant for a model that reads only so much.
pub(crate) fn list_whole(
    journal: &Journal<EntriesRead>,
    filter: &Filter,
    limit: usize,
    bytes_max: usize,
) -> Result<(Vec<Entry>, i64), JournalError> {
    journal.read(|own| {
        // The page and the entries are read in one transaction, so no entry is deleted in between.
        let page = list_in(own, journal.signer, filter, limit, None)?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for item in &page.items {
            let Some(entry) = find_in(own, item.id)? else { continue };
            bytes += entry.title.len() + entry.content.len();
            if bytes > bytes_max {
                // Not `continue`: what is left out must be the oldest, and nothing between the newest.
                break;
            }
            entries.push(entry);
        }
        Ok((entries, page.total))
    })
}

const TITLES: NamedRows = NamedRows { table: "entries", name: "title", order: "created_at DESC, id DESC" };

/// Ids of entries whose id or title fits what a person is typing, newest first where they fit equally well; see
/// [`OwnedRows::matching`]. The client puts the chosen id into its call, so an id is what it is given, not a title.
pub(crate) fn matching(
    journal: &Journal<EntriesRead>,
    typed: &str,
    limit: usize,
) -> Result<Matches, JournalError> {
    journal.read(|own| own.matching(&TITLES, typed, limit))
}

/// The days (UTC) on which the person wrote an entry and that begin with what they are typing; newest first. UTC,
/// since the server doesn't know the person's time zone: an entry from around midnight can be found under the day
/// beside the one that they remember. The filter by dates has the same days, so the two agree.
pub(crate) fn days(
    journal: &Journal<EntriesRead>,
    typed: &str,
    limit: usize,
) -> Result<Matches, JournalError> {
    journal.read(|own| {
        // `instr` and not LIKE: to LIKE a percent sign or an underline that the person types would be a pattern.
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

/// One page of [`list`], inside a transaction: its items, and how many there are on all pages, at the same moment.
fn list_in(
    own: &OwnedRows,
    signer: &Signer,
    filter: &Filter,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page<EntryItem>, JournalError> {
    let mut encoding = Encoding::default();
    filter.encode(&mut encoding);
    let digest = encoding.digest();
    // A position is the date and id of the last entry that was shown, not a number of entries to skip. With OFFSET
    // an entry that is made between two pages moves all others down by one, and the next page repeats one of them.
    // The id decides between entries of one second; without it those behind the first could be left out.
    let (mut created_at, mut id) = (i64::MAX, i64::MAX); // before every entry
    if let Some(cursor) = cursor {
        let position = own.position(signer, "entries", &digest, cursor)?;
        let mut position = &position[..];
        created_at = take_number(&mut position)?;
        id = take_number(&mut position)?;
    }
    let values = FilterValues::of(filter)?;
    let values = values.parameters();
    // Counted anew for each page, over all entries that pass. A larger server would leave the total out, or
    // estimate it.
    let sql = format!("SELECT count(*) FROM entries e WHERE {FILTER_SQL}");
    let total = own.first(&sql, &values, |row| row.get(0))?.unwrap_or(0);
    let sql = format!(
        "SELECT {ITEM_SQL} FROM entries e
             WHERE {FILTER_SQL} AND (e.created_at, e.id) < (?11, ?12)
             ORDER BY e.created_at DESC, e.id DESC LIMIT ?13"
    );
    let one_more = limit as i64 + 1; // which shows whether another page follows
    let values = [&values[..], &[&created_at, &id, &one_more]].concat();
    let mut items = own.all(&sql, &values, item)?;
    let next = cut(&mut items, limit).map(|last: &EntryItem| {
        let position = [last.created_at.0.to_be_bytes(), last.id.get().to_be_bytes()].concat();
        own.cursor(signer, "entries", &digest, &position)
    });
    Ok(Page { items, total, next })
}

/// Reads the columns of [`ITEM_SQL`].
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

/// An entry with its tags, in two statements. One statement with a join would give all of the entry's text once for
/// each tag, and an entry may have [`limits::TAGS_PER_ENTRY_MAX`] of them.
fn find_in(own: &OwnedRows, id: EntryId) -> Result<Option<Entry>, JournalError> {
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

/// Links an entry to a tag, both known to be the person's, or finds the link that is there; `true` for a new one.
///
/// The table's UNIQUE decides whether there is one. The link's own `user_id` is part of both of its foreign keys:
/// even a mistake here couldn't link two people's rows.
fn link(
    own: &OwnedRows,
    entry_id: EntryId,
    tag_id: TagId,
    now: Timestamp,
) -> Result<(EntryTag, bool), JournalError> {
    let sql = "INSERT INTO entry_tags (user_id, entry_id, tag_id, created_at, updated_at)
               VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT (entry_id, tag_id) DO NOTHING";
    let is_new = own.change(sql, &[&entry_id, &tag_id, &now.0])? == 1;
    // Read in a statement of its own: RETURNING would give nothing for a link that was there before.
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
    Ok((found.ok_or(JournalError::EntryNotFound(entry_id))?, is_new))
}
