//! The journal: entries, tags and the links between them; the types of the domain, and the publishing of changes.
//!
//! Knows no JSON, no HTTP, no OAuth and no name of a tool or its arguments. Invariant: every statement goes through
//! `OwnedRows`, which binds it to the person of a [`Permit`] (THE BINDING is marked in `rows.rs`); another person's
//! row is as absent as one that never was.
//!
//! What opens the journal is a value. Without a [`Permit`], which only the gate makes, there is no [`Journal`]; and
//! without a [`Journal`] of the right scope no function here can be called. So a handler that forgets a check
//! doesn't compile. The types of the domain don't derive `Serialize`: a field that is added to a table can't reach
//! a client by itself.

mod encoding;
pub(crate) mod entries;
mod error;
mod rows;
pub(crate) mod search;
pub(crate) mod tags;

use self::encoding::Encoding;
pub(crate) use self::error::{FilterEnd, JournalError};
use self::rows::OwnedRows;
use crate::clock::Timestamp;
use crate::events::{Change, Changes, Events, Resource};
use crate::gate::Permit;
use crate::ids::{EntryId, TagId, UserId};
use crate::scope::Access;
use crate::secret::Signer;
use crate::store::Store;

/// One person's journal, opened by a permit.
///
/// `A` is the scope that the permit stands for. Each function of the journal takes the `Journal` of the scope that
/// it needs (`entries::delete` that of [`EntriesWrite`](crate::scope::EntriesWrite)), and with another one the call
/// doesn't compile: no check of scopes can be forgotten, or be made for the wrong scope. The alternative was a
/// comparison of scopes in each function while it runs; the compiler couldn't see where one is missing, and only a
/// test for that very function would.
#[derive(Clone, Copy)]
pub(crate) struct Journal<'a, A> {
    pub(crate) store: &'a Store,
    /// Signs the cursors of lists.
    pub(crate) signer: &'a Signer,
    /// The open event streams, to which changes are published.
    pub(crate) events: &'a Events,
    /// Whose journal it is: the only source of a user id in this room.
    pub(crate) permit: Permit<A>,
}

impl<A: Access> Journal<'_, A> {
    /// Reads in one transaction, so that a page, its total and an entry's tags belong to the same moment.
    fn read<T>(&self, work: impl FnOnce(&OwnedRows) -> Result<T, JournalError>) -> Result<T, JournalError> {
        let user_id = self.permit.user_id();
        self.store.read(user_id.get(), |connection| work(&OwnedRows::new(connection, user_id)))
    }

    /// Changes rows in one transaction. `work` notes what it changes, and that is published once it is on the disk:
    /// a client that reads as soon as it is notified must not find the state of before, nor read what a crash takes
    /// back.
    ///
    /// A crash between the commit and the notification loses the notification. It loses the streams too, so every
    /// client subscribes anew and reads what is there; a queue of notifications on the disk would gain nothing.
    fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&OwnedRows, &mut Changes) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let user_id = self.permit.user_id();
        let (value, changes) = self.store.write(move |connection| {
            let mut changes = Changes::new();
            let value = work(&OwnedRows::new(connection, user_id), &mut changes)?;
            Ok::<_, JournalError>((value, changes))
        })?;
        self.events.publish(user_id, &changes);
        Ok(value)
    }

    /// Publishes a change of those entries for which `touched` is true, after a change that may touch any number of
    /// them: a tag with a new name may be shown by thousands. Only the entries that a stream watches are looked at,
    /// and after the commit on a read connection: listing all of them inside the write would keep every other write
    /// waiting.
    fn publish_to_watchers(&self, touched: impl Fn(&OwnedRows, EntryId) -> Result<bool, JournalError>) {
        let person = self.permit.user_id();
        let watched = self.events.watched(person).into_iter().filter_map(|change| match change {
            Change::Of(Resource::Entry(id)) => Some(id),
            _ => None,
        });
        let watched: Vec<_> = watched.collect();
        if watched.is_empty() {
            return;
        }
        let found = self.read(|own| {
            let mut found = Vec::new();
            for id in &watched {
                if touched(own, *id)? {
                    found.push(*id);
                }
            }
            Ok(found)
        });
        // Where they can't be read now, all are published: a notification without a change costs the client one read,
        // and one that is missing leaves it with the state of before.
        let changed = found.unwrap_or(watched).into_iter().map(|id| Change::Of(Resource::Entry(id)));
        self.events.publish(person, &changed.collect());
    }
}

impl<'a, A: Access, B: Access> Journal<'a, (A, B)> {
    /// A journal that was opened for two scopes, as one for each. The gate checks both at once, so that its 403 names
    /// both and the client asks the person once.
    pub(crate) fn split(self) -> (Journal<'a, A>, Journal<'a, B>) {
        let Journal { store, signer, events, permit } = self;
        let (first, second) = permit.split();
        (Journal { store, signer, events, permit: first }, Journal { store, signer, events, permit: second })
    }
}

/// The digest of all that a row said when the server asked the person to confirm its deletion. They confirm what they
/// were shown and nothing else: a row with another digest isn't deleted. A digest stands for the row because it must
/// travel through the client and back, in a size that doesn't depend on the entry, and without its text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowDigest(pub(crate) [u8; 32]);

pub(crate) struct Entry {
    pub(crate) id: EntryId,
    pub(crate) user_id: UserId,
    pub(crate) title: String,
    pub(crate) content: String,
    pub(crate) mood: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) weather: Option<String>,
    /// A label only: every entry is visible to its owner alone.
    pub(crate) is_private: bool,
    pub(crate) is_favorite: bool,
    pub(crate) created_at: Timestamp,
    /// When one of its own fields changed last; attaching a tag is no such change.
    pub(crate) updated_at: Timestamp,
    /// In the order of their names, so that the same entry always has the same digest.
    pub(crate) tags: Vec<TagName>,
}

impl Entry {
    pub(crate) fn digest(&self) -> RowDigest {
        // Each field is named here, so that one that is added later doesn't compile until it is part of the digest.
        let Entry {
            id,
            user_id,
            title,
            content,
            mood,
            location,
            weather,
            is_private,
            is_favorite,
            created_at,
            updated_at,
            tags,
        } = self;
        let mut encoding = Encoding::default();
        encoding.number(id.get());
        encoding.number(user_id.get());
        encoding.text(title);
        encoding.text(content);
        for label in [mood, location, weather] {
            encoding.optional(label.as_deref(), Encoding::text);
        }
        encoding.flag(*is_private);
        encoding.flag(*is_favorite);
        encoding.number(created_at.0);
        encoding.number(updated_at.0);
        encoding.number(tags.len() as i64);
        for TagName { id, name } in tags {
            encoding.number(id.get());
            encoding.text(name);
        }
        RowDigest(encoding.digest())
    }
}

/// An entry as lists and searches show it: without its content, so that a page stays small.
pub(crate) struct EntryItem {
    pub(crate) id: EntryId,
    pub(crate) title: String,
    pub(crate) tag_count: i64,
    pub(crate) mood: Option<String>,
    pub(crate) is_favorite: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

pub(crate) struct Tag {
    pub(crate) id: TagId,
    pub(crate) user_id: UserId,
    /// Unique among its owner's tags.
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Tag {
    /// How many entries have the tag is part of the digest, because the question about the tag says it: a person who
    /// confirmed for a tag that no entry had hasn't confirmed it for a hundred.
    pub(crate) fn digest(&self, entry_count: usize) -> RowDigest {
        let Tag { id, user_id, name, description, created_at, updated_at } = self;
        let mut encoding = Encoding::default();
        encoding.number(id.get());
        encoding.number(user_id.get());
        encoding.text(name);
        encoding.optional(description.as_deref(), Encoding::text);
        encoding.number(created_at.0);
        encoding.number(updated_at.0);
        encoding.number(entry_count as i64);
        RowDigest(encoding.digest())
    }
}

/// A tag as an entry shows it.
pub(crate) struct TagName {
    pub(crate) id: TagId,
    pub(crate) name: String,
}

/// A tag as lists show it.
pub(crate) struct TagItem {
    pub(crate) id: TagId,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) entry_count: i64,
    pub(crate) updated_at: Timestamp,
}

/// The link between an entry and a tag.
pub(crate) struct EntryTag {
    /// No id of its own type: no call names a link by it.
    pub(crate) id: i64,
    /// The owner of the entry and of the tag, which the database holds to be the same person.
    pub(crate) user_id: UserId,
    pub(crate) entry_id: EntryId,
    pub(crate) tag_id: TagId,
    pub(crate) created_at: Timestamp,
    /// The same moment as `created_at`, since a link never changes.
    pub(crate) updated_at: Timestamp,
}

/// What fits a text that a person has begun to type.
pub(crate) struct Matches {
    /// The best of them, within the limit of the call.
    pub(crate) values: Vec<String>,
    /// How many fit in all, so that the client can say that there are more.
    pub(crate) total: i64,
}

/// One page of a list. There is no way to page through a list backwards, or to jump: a position is found from the
/// last item of the page before.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// How many items there are on all pages.
    pub(crate) total: i64,
    /// The cursor of the page behind this one; `None` on the last.
    pub(crate) next: Option<String>,
}

/// What is different once an entry is made, changed or deleted, or has other tags. The list of entries is different
/// each time, since it shows how many tags an entry has and when it changed.
fn entry_changed(id: EntryId) -> [Change; 2] {
    [Change::Of(Resource::Entries), Change::Of(Resource::Entry(id))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            id: EntryId::new(1),
            user_id: UserId::new(1),
            title: "a".into(),
            content: "bc".into(),
            mood: None,
            location: Some(String::new()),
            weather: None,
            is_private: false,
            is_favorite: false,
            created_at: Timestamp(1),
            updated_at: Timestamp(1),
            tags: vec![TagName { id: TagId::new(1), name: "d".into() }],
        }
    }

    #[test]
    fn gives_rows_that_differ_in_anything_different_digests() {
        let changes: [fn(&mut Entry); 15] = [
            |_| (),
            |entry| entry.id = EntryId::new(2),
            |entry| entry.user_id = UserId::new(2),
            |entry| (entry.title, entry.content) = ("ab".into(), "c".into()),
            |entry| entry.content = "b".into(),
            |entry| entry.mood = Some(String::new()),
            |entry| entry.location = None,
            |entry| (entry.location, entry.weather) = (None, Some(String::new())),
            |entry| entry.is_private = true,
            |entry| entry.is_favorite = true,
            |entry| entry.created_at = Timestamp(2),
            |entry| entry.updated_at = Timestamp(2),
            |entry| entry.tags.clear(),
            |entry| entry.tags[0].id = TagId::new(2),
            |entry| entry.tags[0].name = "e".into(),
        ];
        let digests = changes.map(|change| {
            let mut entry = entry();
            change(&mut entry);
            entry.digest().0
        });
        for (place, digest) in digests.iter().enumerate() {
            assert!(!digests[..place].contains(digest), "change {place} goes unseen");
        }
        assert!(entry().digest() == entry().digest());
    }
}
