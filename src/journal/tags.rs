//! Creates, reads, lists, changes and deletes tags.
//!
//! Names no tool and uses no JSON and no HTTP. Invariant: a tag's name is unique among the tags of its owner. Two
//! people may have tags of the same name, and neither learns of the other's.
//!
//! All entries of a person may have one tag. So one is deleted, or merged into another, in as many transactions as it
//! takes; until the last of them the tag is there, with the entries that still have it. A call that a crash has ended
//! does the rest when it is sent again.
//!
//! A person has at most [`limits::TAGS_MAX`] tags. This bounds what [`all`] and [`matching`] read. Entries have no
//! such bound, so the lists of entries have pages.

use std::time::Duration;

use rusqlite::Row;

use super::encoding::Encoding;
use super::rows::{NamedRows, OwnedRows, cut, take_number};
use super::{Journal, JournalError, Matches, Page, RowDigest, Tag, TagItem, TagName, entry_changed};
use crate::clock::Timestamp;
use crate::events::{Change, Changes, Resource};
use crate::gate::Permit;
use crate::ids::{EntryId, TagId};
use crate::limits;
use crate::scope::{TagsRead, TagsWrite};
use crate::secret;
use crate::store;

pub(crate) fn create(
    journal: &Journal<TagsWrite>,
    name: String,
    description: Option<String>,
    now: Timestamp,
) -> Result<Tag, JournalError> {
    let permit = journal.permit;
    journal.change(move |own, changes| {
        refuse_taken_name(own, &name, None)?;
        let id = create_in(own, permit, &name, description.as_deref(), now)?;
        changes.extend(list_changed(id));
        find_in(own, id)?.ok_or(JournalError::TagNotFound(id))
    })
}

/// Creates a tag of a name that is free. The permit opens nothing here: it shows that the caller may make tags, and no
/// other code inserts one, but for an import.
fn create_in(
    own: &OwnedRows,
    _: Permit<TagsWrite>,
    name: &str,
    description: Option<&str>,
    now: Timestamp,
) -> Result<TagId, JournalError> {
    // The same transaction counts and inserts. The writer runs one transaction at a time, so two calls at the same time
    // can't both make the last tag allowed.
    if own.count("tags", "")? >= limits::TAGS_MAX as i64 {
        return Err(JournalError::TagsFull);
    }
    let id = TagId::new(own.next_id("tag")?);
    let sql = "INSERT INTO tags (user_id, id, name, description, created_at, updated_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?5)";
    own.change(sql, &[&id, &name, &description, &now.0])?;
    Ok(id)
}

/// Finds the tag of a name, or creates it if the caller may; returns `true` for a new one.
pub(super) fn named_or_new_in(
    own: &OwnedRows,
    permit: Option<Permit<TagsWrite>>,
    name: &str,
    now: Timestamp,
) -> Result<(TagId, bool), JournalError> {
    if let Some(id) = named_in(own, name)? {
        return Ok((id, false));
    }
    let permit = permit.ok_or_else(|| JournalError::TagNameUnknown(name.to_owned()))?;
    Ok((create_in(own, permit, name, None, now)?, true))
}

/// Finds the tag of a name.
pub(super) fn named_in(own: &OwnedRows, name: &str) -> Result<Option<TagId>, JournalError> {
    let sql = "SELECT id FROM tags WHERE user_id = ?1 AND name = ?2";
    own.first(sql, &[&name], |row| row.get(0))
}

/// Returns the names that no tag has, each once.
pub(super) fn unknown_in(own: &OwnedRows, names: &[String]) -> Result<Vec<String>, JournalError> {
    let mut unknown = Vec::new();
    for name in names {
        if !unknown.contains(name) && named_in(own, name)?.is_none() {
            unknown.push(name.clone());
        }
    }
    Ok(unknown)
}

pub(crate) fn find(journal: &Journal<TagsRead>, id: TagId) -> Result<Option<Tag>, JournalError> {
    journal.read(|own| find_in(own, id))
}

/// Reads the tag that the person sees before they confirm its deletion, and how many entries have it. This needs no
/// scope to read, because a client that may delete a tag gets it in the result of the deletion anyway.
pub(crate) fn find_to_confirm(
    journal: &Journal<TagsWrite>,
    id: TagId,
) -> Result<Option<(Tag, usize)>, JournalError> {
    journal.read(|own| match find_in(own, id)? {
        Some(tag) => Ok(Some((tag, entry_count(own, id)?))),
        None => Ok(None),
    })
}

/// Reads every tag, by name; there are at most [`limits::TAGS_MAX`].
pub(crate) fn all(journal: &Journal<TagsRead>) -> Result<Vec<TagName>, JournalError> {
    let sql = "SELECT id, name FROM tags WHERE user_id = ?1 ORDER BY name, id";
    journal.read(|own| own.all(sql, &[], |row| Ok(TagName { id: row.get(0)?, name: row.get(1)? })))
}

const NAMES: NamedRows = NamedRows { table: "tags", name: "name", order: "name, id" };

/// Finds the ids of tags whose id or name fits what a person is typing; tags that fit equally well come by name; see
/// [`OwnedRows::matching`].
pub(crate) fn matching(
    journal: &Journal<TagsRead>,
    typed: &str,
    limit: usize,
) -> Result<Matches, JournalError> {
    journal.read(|own| own.matching(&NAMES, typed, limit))
}

/// Changes a tag: `None` keeps a field as it is, `Some(None)` clears the description. A change without any field
/// changes nothing, not even `updated_at`.
///
/// Every entry that has the tag then shows the new name. The rows of these entries don't change, since only the tag's
/// row holds the name, but streams that watch one of the entries are notified.
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
        // A call may give the name that the tag has already. Then no client is notified, since each would read in
        // vain.
        let renamed = tag.name != known.name;
        if renamed {
            changes.insert(Change::List);
        }
        Ok((tag, renamed))
    })?;
    // This runs after the commit, on this request's thread: `publish_to_watchers` says why.
    if renamed {
        journal.publish_to_watchers(|own, entry_id| is_attached(own, entry_id, id));
    }
    Ok(tag)
}

/// Deletes a tag, which detaches it from every entry, and returns it as it was. If the person confirmed the deletion,
/// the tag must still be what they were `shown`; see [`super::entries::delete`].
pub(crate) fn delete(
    journal: &Journal<TagsWrite>,
    id: TagId,
    shown: Option<RowDigest>,
) -> Result<Tag, JournalError> {
    let (tag, is_deleted) = journal.change(move |own, changes| {
        let tag = find_in(own, id)?.ok_or(JournalError::TagNotFound(id))?;
        let entry_count = entry_count(own, id)?;
        if shown.is_some_and(|shown| shown != tag.digest(entry_count)) {
            return Err(JournalError::Changed);
        }
        Ok((tag, dissolve_piece(own, changes, id, None)?))
    })?;
    if !is_deleted {
        let piece = || {
            let is_deleted = journal.change(move |own, changes| dissolve_piece(own, changes, id, None))?;
            Ok::<_, JournalError>(is_deleted.then_some(()))
        };
        store::in_pieces(Duration::ZERO, piece)?;
    }
    Ok(tag)
}

/// Takes a tag from the next [`limits::UNTAGGED_AT_ONCE`] of its entries, which get the tag `into` instead, if one is
/// given. Deletes it if no entry has it any more, and returns whether it did. (If another call has deleted it
/// meanwhile, nothing is left to do.)
fn dissolve_piece(
    own: &OwnedRows,
    changes: &mut Changes,
    id: TagId,
    into: Option<TagId>,
) -> Result<bool, JournalError> {
    let entries = some_entries_of(own, id)?;
    let mut moved = 0;
    for entry in &entries {
        if let Some(into) = into {
            // A link keeps its id and its time: it is the same, with another tag. That of an entry that has both can't
            // become a second one. It is ignored here, and deleted below.
            let sql = "UPDATE OR IGNORE entry_tags SET tag_id = ?4
                       WHERE user_id = ?1 AND entry_id = ?2 AND tag_id = ?3";
            if own.change(sql, &[entry, &id, &into])? == 1 {
                moved += 1;
                continue;
            }
        }
        own.change(
            "DELETE FROM entry_tags WHERE user_id = ?1 AND entry_id = ?2 AND tag_id = ?3",
            &[entry, &id],
        )?;
    }
    // Triggers count links that come and go, and none that changes its tag: with one for each link this would take
    // twice as long.
    if let Some(into) = into.filter(|_| moved > 0) {
        let sql = "UPDATE journal_counts SET number = number - ?3
                   WHERE user_id = ?1 AND kind = 'tag' AND value = CAST(?2 AS TEXT)";
        own.change(sql, &[&id, &moved])?;
        let sql = "INSERT INTO journal_counts (user_id, kind, value, number)
                   VALUES (?1, 'tag', CAST(?2 AS TEXT), ?3) ON CONFLICT DO UPDATE SET number = number + ?3";
        own.change(sql, &[&into, &moved])?;
    }
    let is_last = entries.len() < limits::UNTAGGED_AT_ONCE;
    // This adds a change for each entry. `publish_to_watchers` would look only at the entries that a stream watches,
    // but it runs after the commit, when the links that name the entries are gone.
    changes.extend(entries.into_iter().flat_map(entry_changed));
    if is_last {
        own.change("DELETE FROM tags WHERE user_id = ?1 AND id = ?2", &[&id])?;
        changes.extend(list_changed(id));
    }
    Ok(is_last)
}

fn entry_count(own: &OwnedRows, id: TagId) -> Result<usize, JournalError> {
    Ok(own.count("tag", &id.to_string())? as usize)
}

/// Two tags of which one is merged into the other.
pub(crate) struct Merge {
    /// The one that goes.
    pub(crate) from: Tag,
    /// The one that stays, as it is.
    pub(crate) into: Tag,
    /// How many entries have each.
    pub(crate) from_count: usize,
    pub(crate) into_count: usize,
}

impl Merge {
    /// Computes the digest of both tags, with the numbers that the question shows.
    pub(crate) fn digest(&self) -> RowDigest {
        let Merge { from, into, from_count, into_count } = self;
        RowDigest(secret::sha256(&[from.digest(*from_count).0, into.digest(*into_count).0].concat()))
    }
}

/// Reads the tags that the person sees before they confirm that one is merged into the other. This needs no scope to
/// read, for the reason that [`find_to_confirm`] gives.
pub(crate) fn find_to_merge(
    journal: &Journal<TagsWrite>,
    from: TagId,
    into: TagId,
) -> Result<Merge, JournalError> {
    journal.read(|own| find_both_in(own, from, into))
}

/// Gives the entries of one tag the other, and deletes the first: as if they had been one all the time. The tag that
/// stays keeps its name and description, and an entry that had both has one link. Returns the tags as they were, and
/// how many entries have the one that stayed.
///
/// If the person confirmed this, both tags must still be what they were `shown`; see [`super::entries::delete`]. If the
/// tag that stays is deleted meanwhile, the other one stays with the entries that it still has.
pub(crate) fn merge(
    journal: &Journal<TagsWrite>,
    from: TagId,
    into: TagId,
    shown: Option<RowDigest>,
) -> Result<(Merge, usize), JournalError> {
    let (both, done) = journal.change(move |own, changes| {
        let both = find_both_in(own, from, into)?;
        if shown.is_some_and(|shown| shown != both.digest()) {
            return Err(JournalError::Changed);
        }
        Ok((both, merge_piece(own, changes, from, into)?))
    })?;
    let entry_count = match done {
        Some(entry_count) => entry_count,
        None => store::in_pieces(Duration::ZERO, || {
            journal.change(move |own, changes| merge_piece(own, changes, from, into))
        })?,
    };
    Ok((both, entry_count))
}

/// Does a piece of [`merge`]; after the last one returns how many entries have the tag that stays.
fn merge_piece(
    own: &OwnedRows,
    changes: &mut Changes,
    from: TagId,
    into: TagId,
) -> Result<Option<usize>, JournalError> {
    find_in(own, into)?.ok_or(JournalError::TagNotFound(into))?;
    let is_merged = dissolve_piece(own, changes, from, Some(into))?;
    Ok(if is_merged { Some(entry_count(own, into)?) } else { None })
}

fn find_both_in(own: &OwnedRows, from: TagId, into: TagId) -> Result<Merge, JournalError> {
    if from == into {
        return Err(JournalError::MergedWithItself);
    }
    let find = |id: TagId| {
        let tag = find_in(own, id)?.ok_or(JournalError::TagNotFound(id))?;
        Ok::<_, JournalError>((tag, entry_count(own, id)?))
    };
    let ((from, from_count), (into, into_count)) = (find(from)?, find(into)?);
    Ok(Merge { from, into, from_count, into_count })
}

/// Reads one page of the tags, by name. Its cursors are bound to `list`, because clients get the tags in two lists,
/// and a cursor of one list isn't valid for the other.
///
/// If a tag is renamed while a client reads page after page, the client may miss that tag or get it twice, because
/// the tag moves to another place in the order. To show all pages of one moment, the server would have to keep the
/// state of that moment for each client.
pub(crate) fn list(
    journal: &Journal<TagsRead>,
    list: &'static str,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page<TagItem>, JournalError> {
    let signer = journal.signer;
    let no_filter = Encoding::default().digest();
    journal.read(|own| {
        let (mut name, mut id) = (String::new(), 0); // sorts before every tag: ids begin at 1
        if let Some(cursor) = cursor {
            // The id comes first, because its length is fixed; the rest is the name.
            let position = own.position(signer, list, &no_filter, cursor)?;
            let mut position = &position[..];
            id = take_number(&mut position)?;
            name = String::from_utf8(position.to_vec()).map_err(|_| JournalError::BadCursor)?;
        }
        let total = own.count("tags", "")?;
        // SQLite compares text byte by byte, so capitals come before small letters, and an umlaut after both. A
        // person would expect another order, but this one needs no sorting, because the index of the table's UNIQUE
        // has it.
        let sql = "SELECT t.id, t.name, t.description,
                       coalesce((SELECT c.number FROM journal_counts c WHERE c.user_id = ?1 AND c.kind = 'tag'
                                 AND c.value = CAST(t.id AS TEXT)), 0), t.updated_at
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

/// Returns the resources that change whenever a tag is created, changed or deleted.
fn changed(id: TagId) -> [Change; 2] {
    [Change::Of(Resource::Tags), Change::Of(Resource::Tag(id))]
}

/// Returns what changes when a tag is created or deleted: also the list of resources that clients get, which contains
/// the tags.
pub(super) fn list_changed(id: TagId) -> [Change; 3] {
    let [tags, tag] = changed(id);
    [tags, tag, Change::List]
}

/// Reads the ids of [`limits::UNTAGGED_AT_ONCE`] entries that have a tag, or of all that have it.
fn some_entries_of(own: &OwnedRows, id: TagId) -> Result<Vec<EntryId>, JournalError> {
    let sql = "SELECT entry_id FROM entry_tags WHERE user_id = ?1 AND tag_id = ?2 LIMIT ?3";
    own.all(sql, &[&id, &(limits::UNTAGGED_AT_ONCE as i64)], |row| row.get(0))
}

/// Returns whether an entry has a tag, and so shows its name. (The list of entries shows no names of tags.)
fn is_attached(own: &OwnedRows, entry_id: EntryId, id: TagId) -> Result<bool, JournalError> {
    let sql = "SELECT 1 FROM entry_tags WHERE user_id = ?1 AND entry_id = ?2 AND tag_id = ?3";
    Ok(own.first(sql, &[&entry_id, &id], |_| Ok(()))?.is_some())
}

pub(super) fn find_in(own: &OwnedRows, id: TagId) -> Result<Option<Tag>, JournalError> {
    let sql = "SELECT id, user_id, name, description, created_at, updated_at FROM tags
               WHERE user_id = ?1 AND id = ?2";
    own.first(sql, &[&id], tag)
}

/// Refuses a name that another tag of the person has; `this` is the tag that gets the name, if it exists already. The
/// table's UNIQUE would refuse the name too, but without the id of the other tag, which the client can use instead.
fn refuse_taken_name(own: &OwnedRows, name: &str, this: Option<TagId>) -> Result<(), JournalError> {
    // The statement uses IS NOT, because `<>` isn't true for NULL: for a new tag `?3` is NULL, and no name would
    // count as taken.
    let sql = "SELECT id FROM tags WHERE user_id = ?1 AND name = ?2 AND id IS NOT ?3";
    match own.first(sql, &[&name, &this], |row| row.get(0))? {
        Some(id) => Err(JournalError::TagNameTaken { name: name.to_owned(), id, this }),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;
    use crate::search_index::SEARCH_INDEX;
    use crate::store::{Connection, Store};

    /// Counts the links of each tag, and compares with the counts that the database keeps.
    fn links(connection: &Connection) -> [i64; 2] {
        [1, 2].map(|tag| {
            let number =
                |sql: &str| connection.query_row(sql, [tag], |row| row.get::<_, i64>(0)).expect("a number");
            let counted = number("SELECT count(*) FROM entry_tags WHERE tag_id = ?1");
            let kept = "SELECT coalesce(max(number), 0) FROM journal_counts
                        WHERE kind = 'tag' AND value = CAST(?1 AS TEXT)";
            assert_eq!(number(kept), counted, "of tag {tag}");
            counted
        })
    }

    /// As a crash after the first piece leaves it, and as a second call ends it.
    #[test]
    fn merges_and_deletes_in_pieces_each_of_which_is_right_by_itself() {
        let folder = std::env::temp_dir().join(format!("epicme-tags-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let store = Store::open(&folder.join("epicme.db"), SEARCH_INDEX).expect("a store");
        let at_once = limits::UNTAGGED_AT_ONCE as i64;
        let written = store.write(move |connection| {
            // Every fourth entry has both tags. The number is a multiple, so the last piece has nothing to move.
            connection.execute_batch(&format!(
                "INSERT INTO users (id, email, password_hash, created_at, updated_at) VALUES (1, 'a@b', '', 0, 0);
                 WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {})
                 INSERT INTO entries (row_id, user_id, id, title, content, date, created_at, updated_at)
                     SELECT (1 << 32) + n, 1, n, 't', '', '2025-01-31', 0, 0 FROM number;
                 INSERT INTO tags (user_id, id, name, created_at, updated_at) VALUES (1, 1, 'a', 0, 0), (1, 2, 'b', 0, 0);
                 INSERT INTO entry_tags (user_id, entry_id, tag_id, id, created_at, entry_date, entry_created_at)
                     SELECT 1, id, 1, id, 0, date, 0 FROM entries
                     UNION ALL SELECT 1, id, 2, id, 0, date, 0 FROM entries WHERE id % 4 = 0;",
                2 * at_once
            ))?;
            let own = OwnedRows::new(connection, UserId::new(1));
            let (from, into) = (TagId::new(1), TagId::new(2));
            assert_eq!(links(connection), [2 * at_once, at_once / 2]);
            let merge = |changes: &mut Changes| merge_piece(&own, changes, from, into);
            let mut changes = Changes::new();
            assert_eq!(merge(&mut changes)?, None, "there are more");
            let [left, merged] = links(connection);
            assert_eq!((left, merged), (at_once, at_once * 5 / 4));
            assert!(find_in(&own, from)?.is_some());
            assert_eq!(changes.iter().filter(|change| matches!(change, Change::Of(Resource::Entry(_)))).count() as i64, at_once);
            assert_eq!(merge(&mut changes)?, None);
            assert_eq!(merge(&mut changes)?, Some(2 * limits::UNTAGGED_AT_ONCE));
            assert_eq!((links(connection), find_in(&own, from)?.is_none()), ([0, 2 * at_once], true));
            // The same for a deletion; and what another call has deleted is done with.
            let delete = || dissolve_piece(&own, &mut Changes::new(), into, None);
            assert!(!delete()?, "there are more");
            assert_eq!((links(connection), find_in(&own, into)?.is_some()), ([0, at_once], true));
            assert_eq!((delete()?, delete()?, delete()?), (false, true, true));
            assert_eq!(links(connection), [0, 0]);
            assert!(matches!(merge(&mut changes), Err(JournalError::TagNotFound(id)) if id == into));
            Ok::<_, JournalError>(())
        });
        written.expect("a write");
        store.close().expect("a close");
        let _ = std::fs::remove_dir_all(&folder);
    }
}
