//! The journal: entries, tags and the links between them; the types of the domain, and the publishing of changes.
//!
//! Names no tool and no argument, and uses no HTTP and no OAuth except the [`Permit`] and its scopes. Invariant:
//! every statement goes through `OwnedRows`, which binds it to the person of a [`Permit`], or of a `WholeJournal` (THE
//! BINDING is marked in `rows.rs`), so the row of another person looks like a row that doesn't exist.
//!
//! Only the gate makes a [`Permit`], only a [`Permit`] makes a [`Journal`], and every function that reads or writes
//! needs the [`Journal`] of its scope, but for those of `transfer.rs`, which no program's request reaches. So a handler
//! that forgets the gate's check doesn't compile. The types of the domain don't derive `Serialize`, so a new field
//! reaches a client only if the code in `mcp` writes it.

pub(crate) mod browse;
mod encoding;
pub(crate) mod entries;
mod error;
mod filter;
pub(crate) mod overview;
mod query;
mod rows;
pub(crate) mod search;
mod snippet;
pub(crate) mod tags;
pub(crate) mod transfer;

use self::encoding::Encoding;
pub(crate) use self::error::{FilterEnd, JournalError};
pub(crate) use self::filter::Filter;
use self::rows::OwnedRows;
pub(crate) use self::snippet::Snippet;
use crate::clock::Timestamp;
use crate::dates::EntryDate;
use crate::events::{Change, Changes, Events, Resource};
use crate::gate::Permit;
use crate::ids::{EntryId, TagId, UserId};
use crate::scope::Access;
use crate::secret::Signer;
use crate::store::{Connection, Holder, Store};
use crate::used_forms::{self, FormUse};

/// One person's journal, opened by a permit.
///
/// `A` is the scope of the permit. Each function of the journal takes the `Journal` of the scope that it needs
/// (`entries::delete` takes that of [`EntriesWrite`](crate::scope::EntriesWrite)), and a call with another scope
/// doesn't compile. The alternative was that each function compares scopes while it runs; the compiler couldn't find
/// a function that forgets to, and only a test of that very function would.
#[derive(Clone, Copy)]
pub(crate) struct Journal<'a, A> {
    pub(crate) store: &'a Store,
    /// Signs the cursors of lists.
    pub(crate) signer: &'a Signer,
    /// The open event streams, to which changes are published.
    pub(crate) events: &'a Events,
    /// Says whose journal it is; the journal takes a user id only from here.
    pub(crate) permit: Permit<A>,
    /// How the person asks, which decides whose share of the server the work takes.
    pub(crate) asked: AskedBy<'a>,
}

/// How a person asks for something of their journal.
#[derive(Clone, Copy)]
pub(crate) enum AskedBy<'a> {
    /// By a program with a token.
    Program,
    /// By opening a page in a browser. What their programs read doesn't keep them from it.
    Page,
    /// By a form of such a page, at this time. A change is one transaction with the use of the form.
    Form(&'a FormUse, Timestamp),
}

impl<A: Access> Journal<'_, A> {
    /// Runs `work` in one read transaction, so that for example a page and its total belong to the same moment.
    fn read<T>(&self, work: impl FnOnce(&OwnedRows) -> Result<T, JournalError>) -> Result<T, JournalError> {
        let user_id = self.permit.user_id();
        let work = |connection: &Connection| work(&OwnedRows::new(connection, user_id));
        match self.asked {
            AskedBy::Program => self.store.read(user_id.get(), work),
            AskedBy::Page | AskedBy::Form(..) => self.store.read_for_page(user_id, work),
        }
    }

    /// Runs `work` in one write transaction. `work` adds what it changes to the set, and the set is published after
    /// the commit: a client that reads right after the notification must not get the old state, nor a state that a
    /// crash undoes.
    ///
    /// A crash between the commit and the notification loses the notification. But the crash ends the streams too, so
    /// clients subscribe again and read the new state. A queue of notifications on the disk would gain nothing.
    fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&OwnedRows, &mut Changes) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let user_id = self.permit.user_id();
        let work = move |connection: &Connection| {
            let mut changes = Changes::new();
            let value = work(&OwnedRows::new(connection, user_id), &mut changes)?;
            Ok::<_, JournalError>((value, changes))
        };
        let (value, changes) = match self.asked {
            // `App::journal_for_page` gives no page a journal that it could change.
            AskedBy::Program | AskedBy::Page => self.store.write_for(Holder::Person(user_id), work)?,
            AskedBy::Form(form, now) => {
                used_forms::act(self.store, Holder::Page(user_id), form.clone(), now, work)?
            }
        };
        self.events.publish(user_id, &changes);
        Ok(value)
    }

    /// Publishes a change of the entries for which `touched` is true. A single write may touch many entries:
    /// thousands may show the name of a tag. So this runs after the commit on a read connection, and looks only at
    /// the entries that a stream watches. If the write itself listed all of them, every other write would wait.
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
        // If the read fails, all watched entries are published: after a needless notification a client reads once in
        // vain, but without a needed one it keeps the old state.
        let changed = found.unwrap_or(watched).into_iter().map(|id| Change::Of(Resource::Entry(id)));
        self.events.publish(person, &changed.collect());
    }
}

impl<'a, A: Access, B: Access> Journal<'a, (A, B)> {
    /// Splits a journal of two scopes into one for each. The gate checks both scopes at once, so that its 403 names
    /// both and the client asks the person once.
    pub(crate) fn split(self) -> (Journal<'a, A>, Journal<'a, B>) {
        let Journal { store, signer, events, permit, asked } = self;
        let (first, second) = permit.split();
        (
            Journal { store, signer, events, permit: first, asked },
            Journal { store, signer, events, permit: second, asked },
        )
    }
}

/// The digest of all fields of a row when it was shown to the person, who then confirms its deletion or sends it back
/// changed. They decide about what they were shown, so a row with another digest isn't deleted, nor written over. A
/// digest is used and not the row itself, because it goes to the client and back: its size doesn't depend on the entry,
/// and it doesn't contain the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RowDigest(pub(crate) [u8; 32]);

pub(crate) struct Entry {
    pub(crate) id: EntryId,
    pub(crate) user_id: UserId,
    pub(crate) title: String,
    pub(crate) content: String,
    pub(crate) mood: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) weather: Option<String>,
    /// Only a label: every entry is visible to its owner alone, whatever the label says.
    pub(crate) is_private: bool,
    pub(crate) is_favorite: bool,
    /// What day the entry is about, and what time if that is known. Lists are in its order.
    pub(crate) date: EntryDate,
    pub(crate) created_at: Timestamp,
    /// When a call last changed fields of the entry itself; attaching a tag doesn't count.
    pub(crate) updated_at: Timestamp,
    /// The tags in the order of their names, so that the same entry always has the same digest.
    pub(crate) tags: Vec<TagName>,
}

impl Entry {
    /// Computes the digest of all fields, and of the ids and names of the tags. When a person has confirmed the
    /// deletion of an entry, the journal compares this digest with that of the entry as the question showed it, and
    /// deletes nothing if they differ.
    pub(crate) fn digest(&self) -> RowDigest {
        // The pattern names each field, so that this doesn't compile when the entry gets a new field that isn't part
        // of the digest.
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
            date,
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
        encoding.text(&date.day.to_string());
        encoding.optional(date.time.as_ref(), |encoding, time| encoding.text(time.as_str()));
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
    pub(crate) date: EntryDate,
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
    /// Computes the digest. The number of entries that have the tag is part of it, because the question shows this
    /// number: a person who confirmed the deletion of an unused tag hasn't confirmed that of a tag on a hundred
    /// entries.
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
    /// A plain number, since no call takes the id of a link. It counts the links of the person.
    pub(crate) id: i64,
    /// The owner of the entry and of the tag; the foreign keys make sure that this is the same person.
    pub(crate) user_id: UserId,
    pub(crate) entry_id: EntryId,
    pub(crate) tag_id: TagId,
    /// A link never changes, so this is also when it was last changed.
    pub(crate) created_at: Timestamp,
}

/// The values that fit a text that a person has begun to type.
pub(crate) struct Matches {
    /// The values that fit best, at most as many as the call allows.
    pub(crate) values: Vec<String>,
    /// How many values fit of those that were looked at, so that the client can say that there are more.
    pub(crate) total: i64,
    /// Whether there are rows that weren't looked at, of which some may fit too.
    pub(crate) is_cut: bool,
}

/// One page of a list. A client can only go on to the next page, not back and not to a page of its choice: a cursor
/// holds the position of a page's last item.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// How many items all pages have together.
    pub(crate) total: i64,
    /// The cursor of the next page; `None` on the last page.
    pub(crate) next: Option<String>,
}

/// Returns the resources that change when an entry is created, changed or deleted, or gets other tags. The list of
/// entries changes each time, since it shows the number of an entry's tags and the time of its last change.
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
            date: EntryDate::read("2025-01-31").expect("a date"),
            created_at: Timestamp(1),
            updated_at: Timestamp(1),
            tags: vec![TagName { id: TagId::new(1), name: "d".into() }],
        }
    }

    #[test]
    fn gives_rows_that_differ_in_anything_different_digests() {
        let changes: [fn(&mut Entry); 17] = [
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
            |entry| entry.date = EntryDate::read("2025-02-01").expect("a date"),
            |entry| entry.date = EntryDate::read("2025-01-31T00:00:00Z").expect("a date-time"),
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
