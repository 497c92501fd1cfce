//! Tags: made, read, listed, changed, deleted.
//!
//! Knows what [`super`] knows.

use rusqlite::Row;

use super::{Fault, Own, Page, Tag, TagItem, cut, take_eight};
use crate::clock::Timestamp;
use crate::gate::Permit;
use crate::secret::Seal;
use crate::store::Store;

/// Makes a tag.
pub fn create(
    store: &Store,
    permit: &Permit,
    name: String,
    description: Option<String>,
    now: Timestamp,
) -> Result<Tag, Fault> {
    let permit = *permit;
    store.write(move |connection| {
        let own = Own::new(connection, permit);
        refuse_taken_name(&own, &name, 0)?;
        let sql = "INSERT INTO tags (user_id, name, description, created_at, updated_at)
                   VALUES (?1, ?2, ?3, ?4, ?4)";
        own.change(sql, &[&name, &description, &now.0])?;
        let id = connection.last_insert_rowid();
        find_in(&own, id)?.ok_or(Fault::TagNotFound(id))
    })
}

/// The caller's tag of this id.
pub fn find(store: &Store, permit: &Permit, id: i64) -> Result<Option<Tag>, Fault> {
    store.read(permit.user_id(), |connection| find_in(&Own::new(connection, *permit), id))
}

/// Changes a tag: what is `None` stays as it is, `Some(None)` clears the description. Without any field the tag
/// stays as it is, its `updated_at` too.
pub fn update(
    store: &Store,
    permit: &Permit,
    id: i64,
    name: Option<String>,
    description: Option<Option<String>>,
    now: Timestamp,
) -> Result<Tag, Fault> {
    let permit = *permit;
    store.write(move |connection| {
        let own = Own::new(connection, permit);
        let known = find_in(&own, id)?.ok_or(Fault::TagNotFound(id))?;
        if name.is_none() && description.is_none() {
            return Ok(known);
        }
        if let Some(name) = &name {
            refuse_taken_name(&own, name, id)?;
        }
        let sql = "UPDATE tags SET name = coalesce(?3, name),
                       description = CASE WHEN ?4 THEN ?5 ELSE description END, updated_at = ?6
                   WHERE user_id = ?1 AND id = ?2";
        own.change(sql, &[&id, &name, &description.is_some(), &description.flatten(), &now.0])?;
        find_in(&own, id)?.ok_or(Fault::TagNotFound(id))
    })
}

/// Deletes a tag, which detaches it from every entry, and gives what it was.
pub fn delete(store: &Store, permit: &Permit, id: i64) -> Result<Tag, Fault> {
    let permit = *permit;
    store.write(move |connection| {
        let own = Own::new(connection, permit);
        let tag = find_in(&own, id)?.ok_or(Fault::TagNotFound(id))?;
        own.change("DELETE FROM tags WHERE user_id = ?1 AND id = ?2", &[&id])?;
        Ok(tag)
    })
}

/// The tags, by name.
pub fn list(
    store: &Store,
    seal: &Seal,
    permit: &Permit,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page<TagItem>, Fault> {
    store.read(permit.user_id(), |connection| {
        let own = Own::new(connection, *permit);
        let (mut name, mut id) = (String::new(), 0); // before every tag: no name is empty
        if let Some(cursor) = cursor {
            let position = own.position(seal, "tags", "", cursor)?;
            let mut position = &position[..];
            id = i64::from_be_bytes(take_eight(&mut position)?);
            name = String::from_utf8(position.to_vec()).map_err(|_| Fault::BadCursor)?;
        }
        let sql = "SELECT count(*) FROM tags WHERE user_id = ?1";
        let total = own.first(sql, &[], |row| row.get(0))?.unwrap_or(0);
        let sql = "SELECT t.id, t.name, t.description,
                       (SELECT count(*) FROM entry_tags l WHERE l.user_id = ?1 AND l.tag_id = t.id), t.updated_at
                   FROM tags t WHERE t.user_id = ?1 AND (t.name, t.id) > (?2, ?3) ORDER BY t.name, t.id LIMIT ?4";
        let mut items = own.all(sql, &[&name, &id, &(limit as i64 + 1)], |row| {
            let (id, name, description) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(TagItem { id, name, description, entry_count: row.get(3)?, updated_at: Timestamp(row.get(4)?) })
        })?;
        let next = cut(&mut items, limit).map(|last: &TagItem| {
            let position = [&last.id.to_be_bytes()[..], last.name.as_bytes()].concat();
            own.cursor(seal, "tags", "", &position)
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
