//! Tags: made, read, listed, changed, deleted.
//!
//! Knows what [`super`] knows.

use rusqlite::Row;

use super::{
    Fault, Journal, Matches, Own, Page, Shown, Tag, TagItem, TagName, cut, entry_changed, take_eight,
};
use crate::clock::Timestamp;
use crate::events::{Change, Resource};
use crate::limits;

/// Makes a tag.
pub fn create(
    journal: &Journal,
    name: String,
    description: Option<String>,
    now: Timestamp,
) -> Result<Tag, Fault> {
    journal.change(move |own, changes| {
        refuse_taken_name(own, &name, 0)?;
        if count_in(own)? >= limits::TAGS_MAX as i64 {
            return Err(Fault::TagsFull);
        }
        let sql = "INSERT INTO tags (user_id, name, description, created_at, updated_at)
                   VALUES (?1, ?2, ?3, ?4, ?4)";
        own.change(sql, &[&name, &description, &now.0])?;
        let id = own.connection.last_insert_rowid();
        changes.extend(changed(id));
        changes.insert(Change::List);
        find_in(own, id)?.ok_or(Fault::TagNotFound(id))
    })
}

/// The caller's tag of this id.
pub fn find(journal: &Journal, id: i64) -> Result<Option<Tag>, Fault> {
    journal.read(|own| find_in(own, id))
}

/// The caller's tag of this id, and how many entries have it.
pub fn find_counted(journal: &Journal, id: i64) -> Result<Option<(Tag, usize)>, Fault> {
    journal.read(|own| match find_in(own, id)? {
        Some(tag) => Ok(Some((tag, entries_of(own, id)?.len()))),
        None => Ok(None),
    })
}

/// Every tag, by name; there are at most [`limits::TAGS_MAX`].
pub fn all(journal: &Journal) -> Result<Vec<TagName>, Fault> {
    let sql = "SELECT id, name FROM tags WHERE user_id = ?1 ORDER BY name, id";
    journal.read(|own| own.all(sql, &[], |row| Ok(TagName { id: row.get(0)?, name: row.get(1)? })))
}

/// Ids of tags for somebody who types one; see [`super::entries::matching`]. Each by name.
pub fn matching(journal: &Journal, typed: &str, limit: usize) -> Result<Matches, Fault> {
    journal.read(|own| own.matching("tags", "name", "name, id", typed, limit))
}

/// What is different once a tag is made, changed or deleted, whatever else.
fn changed(id: i64) -> [Change; 2] {
    [Change::Of(Resource::Tags), Change::Of(Resource::Tag(id))]
}

/// The entries that have a tag.
fn entries_of(own: &Own, id: i64) -> Result<Vec<i64>, Fault> {
    let sql = "SELECT entry_id FROM entry_tags WHERE user_id = ?1 AND tag_id = ?2";
    own.all(sql, &[&id], |row| row.get(0))
}

fn count_in(own: &Own) -> Result<i64, Fault> {
    let sql = "SELECT count(*) FROM tags WHERE user_id = ?1";
    Ok(own.first(sql, &[], |row| row.get(0))?.unwrap_or(0))
}

/// Changes a tag: what is `None` stays as it is, `Some(None)` clears the description. Without any field the tag
/// stays as it is, its `updated_at` too.
pub fn update(
    journal: &Journal,
    id: i64,
    name: Option<String>,
    description: Option<Option<String>>,
    now: Timestamp,
) -> Result<Tag, Fault> {
    let (tag, renamed) = journal.change(move |own, changes| {
        let known = find_in(own, id)?.ok_or(Fault::TagNotFound(id))?;
        if name.is_none() && description.is_none() {
            return Ok((known, false));
        }
        if let Some(name) = &name {
            refuse_taken_name(own, name, id)?;
        }
        let sql = "UPDATE tags SET name = coalesce(?3, name),
                       description = CASE WHEN ?4 THEN ?5 ELSE description END, updated_at = ?6
                   WHERE user_id = ?1 AND id = ?2";
        own.change(sql, &[&id, &name, &description.is_some(), &description.flatten(), &now.0])?;
        changes.extend(changed(id));
        let tag = find_in(own, id)?.ok_or(Fault::TagNotFound(id))?;
        let renamed = tag.name != known.name;
        if renamed {
            changes.insert(Change::List);
        }
        Ok((tag, renamed))
    })?;
    if renamed {
        journal.tell_watchers(|own, entry_id| is_attached(own, entry_id, id));
    }
    Ok(tag)
}

/// Whether an entry shows a tag's name. (The list of entries shows none.)
fn is_attached(own: &Own, entry_id: i64, id: i64) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM entry_tags WHERE user_id = ?1 AND entry_id = ?2 AND tag_id = ?3";
    Ok(own.first(sql, &[&entry_id, &id], |_| Ok(()))?.is_some())
}

/// Deletes a tag, which detaches it from every entry, and gives what it was. Where a person was asked, it must still be
/// what they were `shown`.
pub fn delete(journal: &Journal, id: i64, shown: Option<Shown>) -> Result<Tag, Fault> {
    journal.change(move |own, changes| {
        let tag = find_in(own, id)?.ok_or(Fault::TagNotFound(id))?;
        let entries = entries_of(own, id)?;
        if shown.is_some_and(|shown| shown != tag.shown(entries.len())) {
            return Err(Fault::Changed);
        }
        changes.extend(changed(id));
        changes.insert(Change::List);
        // All of them: once their links are gone nobody can tell which they were. The deletion itself costs more.
        changes.extend(entries.into_iter().flat_map(entry_changed));
        own.change("DELETE FROM tags WHERE user_id = ?1 AND id = ?2", &[&id])?;
        Ok(tag)
    })
}

/// The tags, by name. A cursor is good for the list of the same name alone.
pub fn list(
    journal: &Journal,
    list: &'static str,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page<TagItem>, Fault> {
    let seal = journal.seal;
    journal.read(|own| {
        let (mut name, mut id) = (String::new(), 0); // before every tag: no name is empty
        if let Some(cursor) = cursor {
            let position = own.position(seal, list, "", cursor)?;
            let mut position = &position[..];
            id = i64::from_be_bytes(take_eight(&mut position)?);
            name = String::from_utf8(position.to_vec()).map_err(|_| Fault::BadCursor)?;
        }
        let total = count_in(own)?;
        let sql = "SELECT t.id, t.name, t.description,
                       (SELECT count(*) FROM entry_tags l WHERE l.user_id = ?1 AND l.tag_id = t.id), t.updated_at
                   FROM tags t WHERE t.user_id = ?1 AND (t.name, t.id) > (?2, ?3) ORDER BY t.name, t.id LIMIT ?4";
        let mut items = own.all(sql, &[&name, &id, &(limit as i64 + 1)], |row| {
            let (id, name, description) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(TagItem { id, name, description, entry_count: row.get(3)?, updated_at: Timestamp(row.get(4)?) })
        })?;
        let next = cut(&mut items, limit).map(|last: &TagItem| {
            let position = [&last.id.to_be_bytes()[..], last.name.as_bytes()].concat();
            own.cursor(seal, list, "", &position)
        });
        Ok(Page { items, total, next })
    })
}

pub(super) fn find_in(own: &Own, id: i64) -> Result<Option<Tag>, Fault> {
    let sql = "SELECT id, user_id, name, description, created_at, updated_at FROM tags
               WHERE user_id = ?1 AND id = ?2";
    own.first(sql, &[&id], tag)
}

/// Refuses a name that another tag of the caller's has.
fn refuse_taken_name(own: &Own, name: &str, own_id: i64) -> Result<(), Fault> {
    let sql = "SELECT id FROM tags WHERE user_id = ?1 AND name = ?2 AND id <> ?3";
    match own.first(sql, &[&name, &own_id], |row| row.get(0))? {
        Some(id) => Err(Fault::TagNameTaken { name: name.to_owned(), id }),
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
