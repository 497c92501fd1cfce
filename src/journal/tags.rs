//! Tags: making, reading, listing, changing and deleting them.
//!
//! Knows no JSON, no HTTP and no name of a tool, as nothing in the journal does. Invariant: a tag's name is unique
//! among the tags of its owner. Two people may have tags of one name and don't learn of each other.
//!
//! A person has at most [`limits::TAGS_MAX`] tags, few enough to be listed whole and to be sorted by name. That
//! bound keeps [`all`] and [`matching`] cheap; entries, which have no such bound, are always given page by
//! page.

use rusqlite::Row;

use super::encoding::Encoding;
use super::rows::{NamedRows, OwnedRows, cut, take_number};
use super::{Journal, JournalError, Matches, Page, RowDigest, Tag, TagItem, TagName, entry_changed};
use crate::clock::Timestamp;
use crate::events::{Change, Resource};
use crate::ids::{EntryId, TagId};
use crate::limits;
use crate::scope::{TagsRead, TagsWrite};

pub(crate) fn create(
    journal: &Journal<TagsWrite>,
    name: String,
    description: Option<String>,
    now: Timestamp,
) -> Result<Tag, JournalError> {
    journal.change(move |own, changes| {
        refuse_taken_name(own, &name, None)?;
        // Counted in the transaction that inserts. The writer runs one at a time, so two calls that come at once
        // can't both find the last free place.
        if count_in(own)? >= limits::TAGS_MAX as i64 {
            return Err(JournalError::TagsFull);
        }
        let sql = "INSERT INTO tags (user_id, name, description, created_at, updated_at)
                   VALUES (?1, ?2, ?3, ?4, ?4)";
        own.change(sql, &[&name, &description, &now.0])?;
        let id = TagId::new(own.inserted_id());
        changes.extend(changed(id));
        // Tags are what comes and goes in the list of resources that clients are shown.
        changes.insert(Change::List);
        find_in(own, id)?.ok_or(JournalError::TagNotFound(id))
    })
}

pub(crate) fn find(journal: &Journal<TagsRead>, id: TagId) -> Result<Option<Tag>, JournalError> {
    journal.read(|own| find_in(own, id))
}

/// A tag, and how many entries have it, as the person is shown it before they confirm that it is deleted. As with an
/// entry, a client that may delete it is given it at the end anyway, so this needs no scope to read.
pub(crate) fn find_to_confirm(
    journal: &Journal<TagsWrite>,
    id: TagId,
) -> Result<Option<(Tag, usize)>, JournalError> {
    journal.read(|own| match find_in(own, id)? {
        Some(tag) => Ok(Some((tag, entries_of(own, id)?.len()))),
        None => Ok(None),
    })
}

/// Every tag, by name; there are at most [`limits::TAGS_MAX`].
pub(crate) fn all(journal: &Journal<TagsRead>) -> Result<Vec<TagName>, JournalError> {
    let sql = "SELECT id, name FROM tags WHERE user_id = ?1 ORDER BY name, id";
    journal.read(|own| own.all(sql, &[], |row| Ok(TagName { id: row.get(0)?, name: row.get(1)? })))
}

const NAMES: NamedRows = NamedRows { table: "tags", name: "name", order: "name, id" };

/// Ids of tags whose id or name fits what a person is typing, by name where they fit equally well; see
/// [`OwnedRows::matching`].
pub(crate) fn matching(
    journal: &Journal<TagsRead>,
    typed: &str,
    limit: usize,
) -> Result<Matches, JournalError> {
    journal.read(|own| own.matching(&NAMES, typed, limit))
}

/// Changes a tag: what is `None` stays as it is, `Some(None)` clears the description. Without any field the tag
/// stays as it is, its `updated_at` too.
///
/// A new name shows in every entry that has the tag. Those entries aren't changed, since they hold the tag's id, but
/// streams that watch one of them are notified.
pub(crate) fn update(
    journal: &Journal<TagsWrite>,
    id: TagId,
    name: Option<String>,
    description: Option<Option<String>>,
    now: Timestamp,
) -> Result<Tag, JournalError> {
    let (tag, renamed) = journal.change(move |own, changes| {
        let known = find_in(own, id)?.ok_or(JournalError::TagNotFound(id))?;
        if name.is_none() && description.is_none() {
            return Ok((known, false));
        }
        if let Some(name) = &name {
            refuse_taken_name(own, name, Some(id))?;
        }
        let sql = "UPDATE tags SET name = coalesce(?3, name),
                       description = CASE WHEN ?4 THEN ?5 ELSE description END, updated_at = ?6
                   WHERE user_id = ?1 AND id = ?2";
        own.change(sql, &[&id, &name, &description.is_some(), &description.flatten(), &now.0])?;
        changes.extend(changed(id));
        let tag = find_in(own, id)?.ok_or(JournalError::TagNotFound(id))?;
        // Not every call that names a name changes it, and a notification costs each client a read.
        let renamed = tag.name != known.name;
        if renamed {
            changes.insert(Change::List);
        }
        Ok((tag, renamed))
    })?;
    // Behind the commit, on this request's thread: see `publish_to_watchers` for what it would cost inside.
    if renamed {
        journal.publish_to_watchers(|own, entry_id| is_attached(own, entry_id, id));
    }
    Ok(tag)
}

/// Deletes a tag, which detaches it from every entry, and returns what it was. Where the person confirmed it, it must
/// still be what they were `shown`; see [`super::entries::delete`].
pub(crate) fn delete(
    journal: &Journal<TagsWrite>,
    id: TagId,
    shown: Option<RowDigest>,
) -> Result<Tag, JournalError> {
    journal.change(move |own, changes| {
        let tag = find_in(own, id)?.ok_or(JournalError::TagNotFound(id))?;
        let entries = entries_of(own, id)?;
        if shown.is_some_and(|shown| shown != tag.digest(entries.len())) {
            return Err(JournalError::Changed);
        }
        changes.extend(changed(id));
        changes.insert(Change::List);
        // Of all its entries, not only of those that a stream watches, as `publish_to_watchers` would do it: after
        // the deletion the links are gone that say which entries they were. Deleting the links costs more than
        // this.
        changes.extend(entries.into_iter().flat_map(entry_changed));
        own.change("DELETE FROM tags WHERE user_id = ?1 AND id = ?2", &[&id])?;
        Ok(tag)
    })
}

/// One page of the tags, by name. Its cursors are bound to the name `list`, because clients see the tags in two
/// lists, and a cursor of the one is no cursor of the other.
///
/// A tag that is renamed while a client reads page after page may be missed or be shown twice: it moves to another
/// place in the order. To show all pages of one moment the server would have to keep that moment for each client.
pub(crate) fn list(
    journal: &Journal<TagsRead>,
    list: &'static str,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page<TagItem>, JournalError> {
    let signer = journal.signer;
    let no_filter = Encoding::default().digest();
    journal.read(|own| {
        let (mut name, mut id) = (String::new(), 0); // before every tag: no name is empty
        if let Some(cursor) = cursor {
            // The number comes first, because its length is known; the rest is the name.
            let position = own.position(signer, list, &no_filter, cursor)?;
            let mut position = &position[..];
            id = take_number(&mut position)?;
            name = String::from_utf8(position.to_vec()).map_err(|_| JournalError::BadCursor)?;
        }
        let total = count_in(own)?;
        // SQLite compares text byte by byte, so capitals come before small letters, and an umlaut after both. A
        // person would expect another order; one that SQLite can page by an index is worth more here.
        let sql = "SELECT t.id, t.name, t.description,
                       (SELECT count(*) FROM entry_tags l WHERE l.user_id = ?1 AND l.tag_id = t.id), t.updated_at
                   FROM tags t WHERE t.user_id = ?1 AND (t.name, t.id) > (?2, ?3) ORDER BY t.name, t.id LIMIT ?4";
        let mut items = own.all(sql, &[&name, &id, &(limit as i64 + 1)], |row| {
            let (id, name, description) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(TagItem { id, name, description, entry_count: row.get(3)?, updated_at: Timestamp(row.get(4)?) })
        })?;
        let next = cut(&mut items, limit).map(|last: &TagItem| {
            let position = [&last.id.get().to_be_bytes()[..], last.name.as_bytes()].concat();
            own.cursor(signer, list, &no_filter, &position)
        });
        Ok(Page { items, total, next })
    })
}

/// What is always different once a tag is made, changed or deleted.
fn changed(id: TagId) -> [Change; 2] {
    [Change::Of(Resource::Tags), Change::Of(Resource::Tag(id))]
}

/// Every entry that has a tag, in the worst case all that the person wrote.
fn entries_of(own: &OwnedRows, id: TagId) -> Result<Vec<EntryId>, JournalError> {
    let sql = "SELECT entry_id FROM entry_tags WHERE user_id = ?1 AND tag_id = ?2";
    own.all(sql, &[&id], |row| row.get(0))
}

/// How many tags the person has.
fn count_in(own: &OwnedRows) -> Result<i64, JournalError> {
    let sql = "SELECT count(*) FROM tags WHERE user_id = ?1";
    Ok(own.first(sql, &[], |row| row.get(0))?.unwrap_or(0))
}

/// Whether an entry has a tag, and so shows its name. (The list of entries shows none.)
fn is_attached(own: &OwnedRows, entry_id: EntryId, id: TagId) -> Result<bool, JournalError> {
    let sql = "SELECT 1 FROM entry_tags WHERE user_id = ?1 AND entry_id = ?2 AND tag_id = ?3";
    Ok(own.first(sql, &[&entry_id, &id], |_| Ok(()))?.is_some())
}

pub(super) fn find_in(own: &OwnedRows, id: TagId) -> Result<Option<Tag>, JournalError> {
    let sql = "SELECT id, user_id, name, description, created_at, updated_at FROM tags
               WHERE user_id = ?1 AND id = ?2";
    own.first(sql, &[&id], tag)
}

/// Refuses a name that a tag of the person's has, unless it is `this` one. The table's UNIQUE would refuse it as
/// well, but without the id of the other tag, by which the client can go on.
fn refuse_taken_name(own: &OwnedRows, name: &str, this: Option<TagId>) -> Result<(), JournalError> {
    // IS NOT and not `<>`, which is never true of NULL: for a new tag, whose `?3` is NULL, no name would count as
    // taken.
    let sql = "SELECT id FROM tags WHERE user_id = ?1 AND name = ?2 AND id IS NOT ?3";
    match own.first(sql, &[&name, &this], |row| row.get(0))? {
        Some(id) => Err(JournalError::TagNameTaken { name: name.to_owned(), id }),
        None => Ok(()),
    }
}

fn tag(row: &Row) -> rusqlite::Result<Tag> {
    Ok(Tag {
        id: row.get(0)?,
        user_id: row.get(1)?,
        name: row.get(2)?,
        description: row.get(3)?,
        created_at: Timestamp(row.get(4)?),
        updated_at: Timestamp(row.get(5)?),
    })
}
