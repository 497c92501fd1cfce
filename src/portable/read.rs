//! Reads all that a person names to be imported, each file in the format that it has.
//!
//! Writes nothing, and knows no member of an entry. Which format a JSON file has is told by what is in it, because
//! names say little: Day One calls a file after the journal. Invariant: a file is read in one format, or refused with a
//! reason.

use std::path::Path;

use serde_json::{Map, Value};

use super::fitting::fitting;
use super::import::{Import, ImportError, Notes, NotesAt};
use super::members::Members;
use super::source::{InputFiles, Kind};
use super::{PortableEntry, PortableTag, Reading, day_one, jrnl, json, markdown};
use crate::json::Part;
use crate::limits;

/// Reads all that can be imported from a file, a folder or a ZIP archive.
pub(crate) fn read(path: &Path, reading: &Reading) -> Result<Import, ImportError> {
    read_at_most(path, reading, limits::IMPORT_BYTES_MAX)
}

pub(super) fn read_at_most(path: &Path, reading: &Reading, bytes_max: u64) -> Result<Import, ImportError> {
    let mut source = InputFiles::open(path, bytes_max)?;
    let mut import = Import::default();
    for place in 0..source.len() {
        let format = match source.kind(place) {
            Kind::Json => read_json(&mut source, place, reading, &mut import),
            Kind::Markdown => {
                let name = source.name(place).to_owned();
                let read = source.whole(place, limits::MARKDOWN_FILE_BYTES_MAX)?;
                let read =
                    read.and_then(|text| markdown::read(&name, &text, reading, &mut import.notes.at(&name)));
                import.keep(name, read);
                Ok("Markdown")
            }
        };
        match format {
            Ok(format) if import.format.is_empty() || import.format == format => import.format = format,
            Ok(_) => import.format = "files of several formats",
            // Beside an export in a folder there may be any other JSON.
            Err(error) if source.len() > 1 && error.why == NO_EXPORT => {
                import.notes.at(&error.place).add(NO_EXPORT);
            }
            Err(error) => return Err(error),
        }
    }
    source.note_others(&mut import.notes);
    import.note_tags_that_are_one();
    if import.format.is_empty() {
        let why = "there is no journal in it: no Markdown, and no JSON of epicme, Day One or jrnl";
        return Err(ImportError::new(&path.display().to_string(), why));
    }
    import.refuse_too_much(&path.display().to_string())?;
    import.refuse_ids_that_come_twice()?;
    Ok(import)
}

/// Reads one Markdown file of this name.
pub(crate) fn read_note(name: &str, file: &str, reading: &Reading) -> Result<PortableEntry, String> {
    markdown::read(name, file, reading, &mut Notes::default().at(name)).and_then(fitting)
}

/// Reads one entry of a JSON file as each of the formats has it; returns those that can be kept.
pub(crate) fn read_entry(entry: &Value, reading: &Reading) -> Vec<PortableEntry> {
    let mut notes = Notes::default();
    let read = JSON_FORMATS.iter().filter_map(|format| {
        let members = Members::of(entry.clone()).ok()?;
        (format.entry)(members, reading, &mut notes.at("")).ok().flatten()
    });
    read.filter_map(|entry| fitting(entry).ok()).collect()
}

/// Returns a member's value without what is in it, if that may be much: a text, a list or an object.
fn without_content(value: Value) -> Value {
    match value {
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Object(_) => Value::Object(Map::new()),
        Value::String(text) if text.len() > limits::SHOWN_NAME_CHARS_MAX => Value::String(String::new()),
        other => other,
    }
}

/// Why a JSON file isn't read.
pub(super) const NO_EXPORT: &str = "it is JSON, but no export of epicme, Day One or jrnl";

/// The members of a JSON export that are lists, and may be long.
const LISTS: [&str; 2] = ["entries", "tags"];

/// All of a JSON file but its items, by which its format is told.
pub(super) struct Outline {
    /// The lists are empty, and so is what may be long.
    pub(super) members: Map<String, Value>,
    /// The first entry shows what the others are.
    first: Value,
}

impl Outline {
    pub(super) fn has_entries(&self) -> bool {
        self.members.get("entries").is_some_and(Value::is_array)
    }

    /// Whether the first entry has this member.
    pub(super) fn has_in_first(&self, member: &str) -> bool {
        self.first.get(member).is_some()
    }
}

/// Reads a tag or an entry. The error says why it can't be kept.
type ReadItem<T> = fn(Members, &Reading, &mut NotesAt) -> Result<T, String>;

/// A format of JSON, as its file describes it.
pub(super) struct JsonFormat {
    /// What a file of this format is, for a message.
    pub(super) name: &'static str,
    pub(super) is_it: fn(&Outline) -> bool,
    /// Checks what stands beside the entries. The error says what is wrong with the file.
    pub(super) check: fn(&Outline, &mut NotesAt) -> Result<(), String>,
    /// `None` is an entry in which nothing is written.
    pub(super) entry: ReadItem<Option<PortableEntry>>,
    /// `None` if the format doesn't list tags by themselves.
    pub(super) tag: Option<ReadItem<PortableTag>>,
}

/// The formats in the order in which they are tried.
const JSON_FORMATS: [JsonFormat; 3] = [json::FORMAT, day_one::FORMAT, jrnl::FORMAT];

/// Reads one JSON file, in whichever format it has, and returns the format's name. The file is read twice, because the
/// member that names the format may stand after the entries.
fn read_json(
    source: &mut InputFiles,
    place: usize,
    reading: &Reading,
    import: &mut Import,
) -> Result<&'static str, ImportError> {
    let name = source.name(place).to_owned();
    let mut outline = Outline { members: Map::new(), first: Value::Null };
    source.stream(place, &LISTS, &mut |part| match part {
        Part::Item { list: "entries", value } if outline.first.is_null() => outline.first = value,
        Part::Item { .. } => {}
        Part::Member { name, value } => _ = outline.members.insert(name.to_owned(), without_content(value)),
    })?;
    let format = JSON_FORMATS.iter().find(|format| (format.is_it)(&outline));
    let format = format.ok_or_else(|| ImportError::new(&name, NO_EXPORT))?;
    let checked = (format.check)(&outline, &mut import.notes.at("the file"));
    checked.map_err(|why| ImportError::new(&name, why))?;
    let (mut entries, mut tags) = (0, 0);
    source.stream(place, &LISTS, &mut |part| match (part, format.tag) {
        (Part::Item { list: "entries", value }, _) => {
            entries += 1;
            let place = format!("{name}, entry {entries}");
            let mut notes = import.notes.at(&place);
            let read = Members::of(value).and_then(|members| (format.entry)(members, reading, &mut notes));
            match read.transpose() {
                None => notes.add("it has no text and was left out"),
                Some(entry) => import.keep(place, entry),
            }
        }
        (Part::Item { value, .. }, Some(read_tag)) => {
            tags += 1;
            let place = format!("{name}, tag {tags}");
            let mut notes = import.notes.at(&place);
            let tag = Members::of(value).and_then(|members| read_tag(members, reading, &mut notes));
            import.keep_tag(place, tag);
        }
        (Part::Item { .. } | Part::Member { .. }, _) => {}
    })?;
    Ok(format.name)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use crate::portable::tests::*;

    #[test]
    fn says_what_a_file_is_that_is_no_journal() {
        let folder = Folder::new();
        let one = json!({ "title": "a", "content": "b", "date": "2025-01-31", "id": 7 });
        let export = json!({ "format": "epicme-export", "version": 1, "entries": [one, one] }).to_string();
        let half = exported(&[], &[plain("a", "b", "2025-01-31")]);
        for (name, bytes, expected) in [
            ("a.json", export.as_bytes(), "entry 2: it has the id 7, as "),
            ("b.json", br#"{"format":"epicme-export","version":2,"entries":[]}"#, "it has version 2 of the format, and this epicme reads 1; use a newer epicme"),
            ("c.json", br#"{"entries":[],"version":"1","format":"epicme-export"}"#, "its version is missing or none"),
            ("d.json", br#"{"format":"epicme-export","version":1}"#, "it has no list of entries"),
            ("d.json", br#"{"format":"epicme-export","version":1,"entries":[],"tags":{}}"#, "it has no list of tags"),
            ("e.json", br#"{"format":"other","version":1}"#, "its format is \"other\", and epicme reads \"epicme-export\""),
            ("f.json", br#"{"entries":[{"text":"x"}]}"#, "it is JSON, but no export of epicme, Day One or jrnl"),
            ("g.json", &half[..half.len() - 3], "it can't be read as JSON: EOF"),
            ("h.json", br#"{"a":1,"a":1}"#, "a member is there twice"),
            ("i.json", b"", "it is empty"),
            ("j.txt", b"Dear diary", "it is no JSON, no ZIP archive and no Markdown file"),
            ("k.json", b"[]", "it is no JSON, no ZIP archive and no Markdown file"),
            ("l.zip", b"PK\x03\x04 and no more", "the ZIP archive is damaged"),
            (
                "m.json",
                br#"{"format":"epicme-export","version":1,"entries":[],"tags":[{"id":1,"name":"a"},{"id":1,"name":"b"}]}"#,
                "the tag \"b\": another tag has its id 1 too",
            ),
        ] {
            let said = refused(&folder.file(name, bytes));
            assert!(said.contains(expected), "{name}: {said}");
        }
        assert!(refused(&folder.0.join("none")).contains("can't read it"));
        fs::create_dir(folder.0.join("empty")).expect("a folder");
        assert!(refused(&folder.0.join("empty")).contains("there is no journal in it"));
        let newer = r#"{"extra":1,"entries":[{"title":"a","content":"b","date":"2025-01-31","energy":3}],"format":"epicme-export","version":1}"#;
        let path = folder.file("n.json", newer);
        let import = imported(&path);
        let of = path.display();
        assert_eq!(
            notes(&import),
            [
                "the file: \"extra\" is not known and not kept".to_owned(),
                format!("{of}, entry 1: \"energy\" is not known and not kept")
            ]
        );
        assert_eq!(
            entries(import),
            [plain("a", "b", "2025-01-31")],
            "the order of the members has no meaning"
        );
    }
}
