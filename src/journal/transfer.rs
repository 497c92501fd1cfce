//! Takes a whole journal out of the database, and puts entries of an import in.
//!
//! Knows no file and no format: `portable` does. Invariant: no request of a client comes here. The functions take no
//! [`Journal`](super::Journal), which a permit of the gate opens, but a [`WholeJournal`], and only two have one: the
//! operator, who has the database file itself, and a person who has just given their password. No scope of a token
//! stands for so much. `tests/tidy.rs` holds who may name it.
//!
//! An import is one transaction. So it is there as a whole or not at all, also if the process is killed; and no client
//! sees a half of it. Meanwhile no other write can be done, as after any long write; the reading and checking of the
//! files is done before.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;

use super::encoding::Encoding;
use super::entries::{self, find_in, link};
use super::rows::OwnedRows;
use super::{Entry, JournalError, TagName};
use crate::clock::Timestamp;
use crate::dates::EntryDate;
use crate::ids::{EntryId, TagId, UserId};
use crate::limits;
use crate::portable::{ExportError, Person, PlacedEntry, PortableEntry, PortableJournal, PortableTag};
use crate::store::{Holder, Store, StoreError};
use crate::users::{Authenticated, User};

/// The right to take out a person's whole journal and to put entries in.
pub(crate) struct WholeJournal {
    user_id: UserId,
}

impl WholeJournal {
    /// For a command of the operator. It gives them nothing that they don't have: they can read and change the database
    /// file with any program.
    pub(crate) fn for_operator(user: &User) -> WholeJournal {
        WholeJournal { user_id: user.id }
    }

    /// For a person who has just given their password. It is asked for although they are signed in: at a browser that
    /// was left open, a stranger could otherwise take the whole journal along.
    pub(crate) fn for_person(person: &Authenticated) -> WholeJournal {
        WholeJournal { user_id: person.user_id }
    }
}

/// Hands over the whole journal of a person with this address, as it is at one moment. The entries come in the order of
/// their ids, and are read when `write` asks for them.
pub(crate) fn take_out<T>(
    store: &Store,
    whole: &WholeJournal,
    email: &str,
    write: impl FnOnce(PortableJournal<'_, JournalError>) -> Result<T, ExportError<JournalError>>,
) -> Result<T, ExportError<JournalError>> {
    let taken = store.read_at_length(|connection| {
        let own = OwnedRows::new(connection, whole.user_id);
        let sql =
            "SELECT id, name, description, created_at, updated_at FROM tags WHERE user_id = ?1 ORDER BY id";
        let tags = own.all(sql, &[], |row| {
            let (created_at, updated_at) = (Timestamp(row.get(3)?), Timestamp(row.get(4)?));
            let (id, name, description) = (Some(row.get(0)?), row.get(1)?, row.get(2)?);
            Ok(PortableTag { id, name, description, created_at, updated_at })
        })?;
        let person = Person { email: email.to_owned(), time_zone: own.zone()?.name().to_owned() };
        let mut entries = AllEntries { own: &own, ids: Vec::new().into_iter(), last: EntryId::new(0) };
        Ok::<_, JournalError>(write(PortableJournal { person, tags, entries: &mut entries }))
    });
    taken.map_err(ExportError::Journal)?
}

/// All entries of a journal in the order of their ids, each read when it is asked for.
struct AllEntries<'o> {
    own: &'o OwnedRows<'o>,
    /// The next ids. They are looked up many at once, and not all, since there may be millions.
    ids: std::vec::IntoIter<EntryId>,
    last: EntryId,
}

impl AllEntries<'_> {
    fn find_next(&mut self) -> Result<Option<Box<Entry>>, JournalError> {
        if self.ids.as_slice().is_empty() {
            let sql = "SELECT id FROM entries WHERE user_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
            let ids = self.own.all(sql, &[&self.last, &limits::EXPORTED_IDS_AT_ONCE], |row| row.get(0))?;
            self.ids = ids.into_iter();
        }
        let Some(id) = self.ids.next() else { return Ok(None) };
        self.last = id;
        // The id was read in the same transaction, so the entry is there.
        find_in(self.own, id)
    }
}

impl Iterator for AllEntries<'_> {
    type Item = Result<PortableEntry, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.find_next().map(|entry| entry.map(|entry| portable(*entry))).transpose()
    }
}

/// Leaves out what an entry is only in this database: the ids of its owner and of its tags.
fn portable(entry: Entry) -> PortableEntry {
    let Entry { id, title, content, mood, location, weather, is_private, is_favorite, .. } = entry;
    let Entry { date, created_at, updated_at, tags, .. } = entry;
    PortableEntry {
        id: Some(id.get()),
        title,
        content,
        date,
        mood,
        location,
        weather,
        is_private,
        is_favorite,
        tags: tags.into_iter().map(|TagName { name, .. }| name).collect(),
        created_at,
        updated_at,
    }
}

/// What is to be put into a journal.
pub(crate) struct Incoming {
    pub(crate) tags: Vec<PortableTag>,
    pub(crate) entries: Vec<PlacedEntry>,
    /// When a tag was made that only an entry names, and when a tag was attached.
    pub(crate) now: Timestamp,
    /// Whether all is undone at the end.
    pub(crate) is_trial: bool,
    /// Is told how many entries are done, now and then.
    pub(crate) progress: Box<dyn FnMut(usize) + Send>,
}

/// What was put into a journal, or would have been.
#[derive(Default)]
pub(crate) struct PutIn {
    pub(crate) entries: usize,
    pub(crate) tags: usize,
    /// Where the entries were found that are in the journal already, and weren't put in again.
    pub(crate) known: Vec<String>,
}

/// Why a transaction was undone.
enum RolledBack {
    /// It was a trial, and would have done this.
    Tried(PutIn),
    Failed(PutInError),
}

/// Why nothing was put into a journal.
#[derive(Debug)]
pub(crate) struct PutInError {
    /// The entry that can't be put in, if it is that.
    place: Option<String>,
    pub(crate) error: JournalError,
}

impl fmt::Display for PutInError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(out, "{place}: ")?;
        }
        self.error.fmt(out)
    }
}

impl Error for PutInError {}

impl From<JournalError> for PutInError {
    fn from(error: JournalError) -> PutInError {
        PutInError { place: None, error }
    }
}

impl From<StoreError> for RolledBack {
    fn from(error: StoreError) -> RolledBack {
        RolledBack::Failed(JournalError::Store(error).into())
    }
}

/// Puts entries and tags into a journal. An entry that the journal has already, by its title, text, date and labels, is
/// left out, so an import that is done twice adds nothing the second time. A tag whose name the journal has is that
/// tag.
///
/// The first import into a new journal keeps the ids: a text may name another entry by its id. In any other journal
/// they may belong to other entries, or to ones that were deleted, so there each entry gets the next id.
pub(crate) fn put_in(store: &Store, whole: &WholeJournal, incoming: Incoming) -> Result<PutIn, PutInError> {
    let user_id = whole.user_id;
    let done = store.write_for(Holder::Person(user_id), move |connection| {
        let is_trial = incoming.is_trial;
        let put_in =
            put_in_rows(&OwnedRows::new(connection, user_id), incoming).map_err(RolledBack::Failed)?;
        if is_trial { Err(RolledBack::Tried(put_in)) } else { Ok(put_in) }
    });
    match done {
        Ok(put_in) | Err(RolledBack::Tried(put_in)) => Ok(put_in),
        Err(RolledBack::Failed(error)) => Err(error),
    }
}

fn put_in_rows(own: &OwnedRows, incoming: Incoming) -> Result<PutIn, PutInError> {
    let Incoming { tags, entries, now, mut progress, .. } = incoming;
    let mut put_in = PutIn::default();
    let keeps_tag_ids = reserve(own, "tag", tags.iter().filter_map(|tag| tag.id).max())?;
    let mut known_tags = Tags::of(own, now)?;
    for tag in tags {
        if !known_tags.ids.contains_key(&tag.name) {
            known_tags.add(own, tag, keeps_tag_ids)?;
        }
    }
    let keeps_ids = reserve(own, "entry", entries.iter().filter_map(|placed| placed.entry.id).max())?;
    let mut known = known_entries(own)?;
    for (done, PlacedEntry { place, entry }) in entries.into_iter().enumerate() {
        if let Some(count) = known.get_mut(&digest(&entry)).filter(|count| **count > 0) {
            // Each entry of the journal stands for one of the file. A person may have written the same twice.
            *count -= 1;
            put_in.known.push(place);
            continue;
        }
        let id = match entry.id.filter(|_| keeps_ids) {
            Some(id) => EntryId::new(id),
            None => EntryId::new(own.next_id("entry")?),
        };
        let PortableEntry { title, content, date, mood, location, weather, tags: names, .. } = entry;
        let PortableEntry { is_private, is_favorite, created_at, updated_at, .. } = entry;
        let user_id = own.user_id();
        entries::insert(
            own,
            &Entry {
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
                tags: Vec::new(),
            },
        )?;
        for name in names {
            let tag_id = known_tags.find_or_add(own, name);
            let tag_id = tag_id.map_err(|error| PutInError { place: Some(place.clone()), error })?;
            link(own, id, tag_id, now)?;
        }
        put_in.entries += 1;
        if (done + 1).is_multiple_of(limits::PROGRESS_ENTRIES) {
            progress(done + 1);
        }
    }
    put_in.tags = known_tags.added;
    Ok(put_in)
}

/// Returns whether the rows of a kind can keep their ids, and if so has the next id come after the last of them.
fn reserve(own: &OwnedRows, kind: &str, last: Option<i64>) -> Result<bool, JournalError> {
    let Some(last) = last else { return Ok(false) };
    if own.count(&format!("last {kind}"), "")? > 0 {
        return Ok(false);
    }
    own.reserve_ids(kind, last)?;
    Ok(true)
}

/// The tags of a journal by their names.
struct Tags {
    ids: HashMap<String, TagId>,
    added: usize,
    now: Timestamp,
}

impl Tags {
    fn of(own: &OwnedRows, now: Timestamp) -> Result<Tags, JournalError> {
        let sql = "SELECT name, id FROM tags WHERE user_id = ?1";
        let ids = own.all(sql, &[], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Tags { ids: ids.into_iter().collect(), added: 0, now })
    }

    fn add(&mut self, own: &OwnedRows, tag: PortableTag, keeps_id: bool) -> Result<TagId, JournalError> {
        if self.ids.len() >= limits::TAGS_MAX {
            return Err(JournalError::TagsFull);
        }
        let id = match tag.id.filter(|_| keeps_id) {
            Some(id) => TagId::new(id),
            None => TagId::new(own.next_id("tag")?),
        };
        let sql = "INSERT INTO tags (user_id, id, name, description, created_at, updated_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        own.change(sql, &[&id, &tag.name, &tag.description, &tag.created_at.0, &tag.updated_at.0])?;
        self.ids.insert(tag.name, id);
        self.added += 1;
        Ok(id)
    }

    fn find_or_add(&mut self, own: &OwnedRows, name: String) -> Result<TagId, JournalError> {
        match self.ids.get(&name) {
            Some(id) => Ok(*id),
            None => {
                let (created_at, updated_at) = (self.now, self.now);
                self.add(
                    own,
                    PortableTag { id: None, name, description: None, created_at, updated_at },
                    false,
                )
            }
        }
    }
}

/// Returns how often each entry is in the journal, by its digest. They are read one by one, and of each the digest is
/// kept: a whole journal may be large.
fn known_entries(own: &OwnedRows) -> Result<HashMap<[u8; 32], usize>, JournalError> {
    let sql =
        "SELECT title, content, date, date_time, mood, location, weather FROM entries WHERE user_id = ?1";
    let digests = own.all(sql, &[], |row| {
        let date = EntryDate::stored(row.get(2)?, row.get(3)?);
        let (title, content): (String, String) = (row.get(0)?, row.get(1)?);
        let labels: [Option<String>; 3] = [row.get(4)?, row.get(5)?, row.get(6)?];
        Ok(digest_of([&title, &content], &date, [&labels[0], &labels[1], &labels[2]]))
    })?;
    let mut known = HashMap::new();
    digests.into_iter().for_each(|digest| *known.entry(digest).or_default() += 1);
    Ok(known)
}

/// Computes the digest by which an entry is known again. Its tags and flags aren't part of it: a person who has changed
/// these since an export doesn't want the entry twice.
fn digest(entry: &PortableEntry) -> [u8; 32] {
    let PortableEntry { title, content, date, mood, location, weather, .. } = entry;
    digest_of([title, content], date, [mood, location, weather])
}

fn digest_of(texts: [&str; 2], date: &EntryDate, labels: [&Option<String>; 3]) -> [u8; 32] {
    let mut encoding = Encoding::default();
    texts.into_iter().for_each(|text| encoding.text(text));
    encoding.text(&date.day.to_string());
    encoding.optional(date.time.as_ref(), |encoding, time| encoding.text(time.as_str()));
    for label in labels {
        encoding.optional(label.as_deref(), Encoding::text);
    }
    encoding.digest()
}
