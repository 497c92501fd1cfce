//! What was read to be imported: the entries and tags, what is to be said of them, and what can't be kept.
//!
//! Knows no format and no file. Invariant: an [`Import`] takes no more memory than its limits allow, however long a
//! file is, and each of its entries is within the limits of the journal.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fmt;

use super::fitting::fitting;
use super::{PortableEntry, PortableTag};
use crate::limits;
use crate::text;

/// What was read to be imported.
#[derive(Default)]
pub(crate) struct Import {
    /// What the files are, for a message.
    pub(crate) format: &'static str,
    /// The tags that the file lists by themselves; the entries may have others.
    pub(crate) tags: Vec<PortableTag>,
    pub(crate) entries: Vec<PlacedEntry>,
    /// What could not be kept and is left out without harm.
    pub(crate) notes: Notes,
    /// The entries that can't be kept.
    pub(crate) problems: Vec<Problem>,
    /// Whether there was more than an import takes; see [`Import::refuse_too_much`].
    is_too_much: bool,
}

/// An entry, and where it was found.
pub(crate) struct PlacedEntry {
    pub(crate) place: String,
    pub(crate) entry: PortableEntry,
}

/// An entry or tag that can't be kept.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) place: String,
    pub(crate) why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.place, self.why)
    }
}

/// Remarks, each with how often it holds and where it held first. An archive of ten years may have the same remark for
/// each of its entries.
#[derive(Default)]
pub(crate) struct Notes(Vec<(String, usize, String)>);

impl Notes {
    /// Returns what takes the remarks on one place.
    pub(super) fn at<'n>(&'n mut self, place: &'n str) -> NotesAt<'n> {
        NotesAt { notes: self, place }
    }

    /// Returns a sentence for each remark.
    pub(crate) fn sentences(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(what, count, place)| match count {
            1 => format!("{place}: {what}"),
            _ => format!("{place} and {} more: {what}", count - 1),
        })
    }
}

/// Takes the remarks on one place.
pub(super) struct NotesAt<'n> {
    notes: &'n mut Notes,
    place: &'n str,
}

impl NotesAt<'_> {
    pub(super) fn add(&mut self, what: &str) {
        let Notes(known) = self.notes;
        if let Some((_, count, _)) = known.iter_mut().find(|(known, ..)| known == what) {
            *count += 1;
        } else if known.len() < limits::IMPORT_NOTES_MAX {
            // The names of unknown members are part of a remark, and a file may have many of them.
            known.push((what.to_owned(), 1, self.place.to_owned()));
        }
    }
}

/// Why nothing can be imported from what a person has named.
#[derive(Debug)]
pub(crate) struct ImportError {
    pub(super) place: String,
    pub(super) why: String,
}

impl ImportError {
    pub(super) fn new(place: &str, why: impl fmt::Display) -> ImportError {
        ImportError { place: place.to_owned(), why: why.to_string() }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.place, self.why)
    }
}

impl Error for ImportError {}

impl Import {
    /// Keeps an entry if it is within the limits of the journal.
    pub(super) fn keep(&mut self, place: String, entry: Result<PortableEntry, String>) {
        match entry.and_then(fitting) {
            Ok(entry) if self.has_room() => self.entries.push(PlacedEntry { place, entry }),
            Ok(_) => {}
            Err(why) => self.refuse(place, why),
        }
    }

    pub(super) fn keep_tag(&mut self, place: String, tag: Result<PortableTag, String>) {
        match tag {
            Ok(tag) if self.has_room() => self.tags.push(tag),
            Ok(_) => {}
            Err(why) => self.refuse(place, why),
        }
    }

    /// Whether one more entry or tag may be kept in memory. If not, the import is refused when the file has been read.
    fn has_room(&mut self) -> bool {
        let has_room = self.entries.len() + self.tags.len() < limits::IMPORT_ITEMS_MAX;
        self.is_too_much |= !has_room;
        has_room
    }

    /// Notes why an entry or a tag can't be kept. A file of nothing else would fill the memory with reasons.
    fn refuse(&mut self, place: String, why: String) {
        if self.problems.len() < limits::IMPORT_PROBLEMS_MAX {
            self.problems.push(Problem { place, why });
        } else {
            self.is_too_much = true;
        }
    }

    /// Refuses what is more than an import takes.
    pub(super) fn refuse_too_much(&self, name: &str) -> Result<(), ImportError> {
        if !self.is_too_much {
            return Ok(());
        }
        let (items, problems) = (limits::IMPORT_ITEMS_MAX, limits::IMPORT_PROBLEMS_MAX);
        let why = format!(
            "it has more than {items} entries and tags, or more than {problems} that can't be kept; import it in parts"
        );
        Err(ImportError::new(name, why))
    }

    /// Says which tags have the name of another one, when what isn't seen in it is left out. The first of them is kept.
    pub(super) fn note_tags_that_are_one(&mut self) {
        let mut names = HashSet::new();
        for tag in self.tags.iter().filter(|tag| !names.insert(&tag.name)) {
            let place = format!("the tag {:?}", text::displayable_name(&tag.name));
            self.notes.at(&place).add("it is there twice, and its entries get the first of the two");
        }
    }

    /// Refuses files in which two entries or two tags have one id. Such files contradict themselves: one of the two
    /// replaces the other perhaps, and this program can't know which.
    pub(super) fn refuse_ids_that_come_twice(&self) -> Result<(), ImportError> {
        let mut places = HashMap::new();
        for PlacedEntry { place, entry } in &self.entries {
            let Some(id) = entry.id else { continue };
            if let Some(other) = places.insert(id, place) {
                return Err(ImportError::new(place, format!("it has the id {id}, as {other} has")));
            }
        }
        let mut ids = HashSet::new();
        match self.tags.iter().find(|tag| tag.id.is_some_and(|id| !ids.insert(id))) {
            Some(tag) => {
                let (name, id) = (text::displayable_name(&tag.name), tag.id.unwrap_or_default());
                Err(ImportError::new(
                    &format!("the tag {name:?}"),
                    format!("another tag has its id {id} too"),
                ))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::Notes;
    use crate::limits;
    use crate::portable::tests::*;

    #[test]
    fn takes_two_tags_that_look_the_same_for_one() {
        let folder = Folder::new();
        let tags =
            json!([{ "name": "Café" }, { "name": "work" }, { "name": " wo\u{200b}rk", "description": "x" }]);
        let export = json!({ "format": "epicme-export", "version": 1, "entries": [], "tags": tags });
        let import = imported(&folder.file("in.json", export.to_string()));
        let said = "the tag \"work\": it is there twice, and its entries get the first of the two";
        assert_eq!(notes(&import), [said]);
    }

    #[test]
    fn counts_equal_remarks_and_keeps_a_bounded_number_of_others() {
        let mut notes = Notes::default();
        for place in ["first", "second", "third"] {
            notes.at(place).add("again");
        }
        (0..limits::IMPORT_NOTES_MAX).for_each(|number| notes.at("x").add(&number.to_string()));
        let said: Vec<_> = notes.sentences().collect();
        assert_eq!((&*said[0], said.len()), ("first and 2 more: again", limits::IMPORT_NOTES_MAX));
    }

    #[test]
    fn refuses_what_would_fill_the_memory_and_reads_a_long_quote_once() {
        let folder = std::env::temp_dir().join(format!("epicme-much-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("much.json");
        let read = |text: String| {
            fs::write(&path, text).expect("a file");
            read_in(&path, "UTC").map_err(|error| error.to_string())
        };
        let zeros = "0,".repeat(limits::IMPORT_PROBLEMS_MAX);
        let head = r#"{"format":"epicme-export","version":1,"entries":["#;
        let said = read(format!("{head}{zeros}0]}}")).err().expect("one too many");
        assert!(said.contains("that can't be kept; import it in parts"), "{said}");
        let import = read(format!("{head}{}]}}", zeros.trim_end_matches(','))).expect("not too many");
        assert_eq!(import.problems.len(), limits::IMPORT_PROBLEMS_MAX);
        // An id past those that are kept is given anew; what no other way takes is refused.
        let one =
            |members: &str| read(format!("{head}{{\"title\":\"t\",\"date\":\"2025-01-31\",{members}}}]}}"));
        let import =
            one(&format!("\"content\":\"x\",\"id\":{}", limits::IMPORTED_ID_MAX + 1)).expect("an import");
        assert_eq!((import.entries[0].entry.id, import.problems.len()), (None, 0));
        let import = one("\"content\":\"x\\u0000y\"").expect("an import");
        assert!(import.problems[0].to_string().contains("its text contains the character NUL"));
        // In debug builds a hundred times this length took minutes.
        let quotes = "\\\"".repeat(100_000);
        let note = format!("---\ndate: 2025-01-31\ntitle: \"{quotes}\n---\nhello");
        fs::write(folder.join("a.md"), note).expect("a file");
        assert_eq!(read_in(&folder.join("a.md"), "UTC").expect("an import").problems.len(), 1);
        fs::remove_dir_all(&folder).expect("the folder");
    }
}
