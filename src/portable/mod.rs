//! A journal outside of the database: what an export writes and an import reads, and the forms of files for it.
//!
//! Names no table and no person's id, and writes nothing into a journal: `journal/transfer.rs` does. Invariant: what is
//! in an [`Import`] can be kept as it is. Each entry has a title, a day and tags within the limits of the journal, and
//! what doesn't fit is a [`Problem`] that says where it is and why.
//!
//! Each format has a file: `json.rs` and `markdown.rs` read and write our own, `day_one.rs` and `jrnl.rs` read those of
//! two other programs. `source.rs` opens what a person names: a file, a folder or a ZIP archive. Which format a JSON
//! file has is told by what is in it, because names say little: Day One calls a file after the journal.
//!
//! An import is read as a whole before the first row is written. So a file that ends in the middle changes nothing, and
//! the one transaction that writes holds the lock on the database no longer than the writing takes.

mod day_one;
mod front_matter;
mod json;
mod jrnl;
pub(crate) mod markdown;
mod members;
mod source;
mod write;

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fmt;
use std::path::Path;

use serde_json::{Map, Value};

use self::source::{Kind, Source};
pub(crate) use self::write::{ExportError, Exported, Format, Output, write};
use crate::clock::Timestamp;
use crate::dates::{EntryDate, EntryTime};
use crate::json::Part;
use crate::limits;
use crate::text;
use crate::zone::Zone;

/// Whose journal it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Person {
    pub(crate) email: String,
    /// A name of IANA's time zone database.
    pub(crate) time_zone: String,
}

/// A tag outside of the database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PortableTag {
    /// `None` if the file gives none.
    pub(crate) id: Option<i64>,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// An entry outside of the database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PortableEntry {
    /// `None` if the file gives none.
    pub(crate) id: Option<i64>,
    pub(crate) title: String,
    pub(crate) content: String,
    pub(crate) date: EntryDate,
    pub(crate) mood: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) weather: Option<String>,
    pub(crate) is_private: bool,
    pub(crate) is_favorite: bool,
    /// The names of its tags.
    pub(crate) tags: Vec<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// The entries of a journal, one by one, or the error that ended them.
pub(crate) type Entries<'j, E> = &'j mut dyn Iterator<Item = Result<PortableEntry, E>>;

/// A whole journal on its way out of the database.
pub(crate) struct PortableJournal<'j, E> {
    pub(crate) person: Person,
    /// All tags, those of no entry too.
    pub(crate) tags: Vec<PortableTag>,
    pub(crate) entries: Entries<'j, E>,
}

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
    pub(crate) fn add(&mut self, what: &str, place: &str) {
        if let Some((_, count, _)) = self.0.iter_mut().find(|(known, ..)| known == what) {
            *count += 1;
        } else if self.0.len() < limits::IMPORT_NOTES_MAX {
            // The names of unknown members are part of a remark, and a file may have many of them.
            self.0.push((what.to_owned(), 1, place.to_owned()));
        }
    }

    /// Returns a sentence for each remark.
    pub(crate) fn sentences(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(what, count, place)| match count {
            1 => format!("{place}: {what}"),
            _ => format!("{place} and {} more: {what}", count - 1),
        })
    }
}

/// Why nothing can be imported from what a person has named.
#[derive(Debug)]
pub(crate) struct ImportError {
    place: String,
    why: String,
}

impl ImportError {
    fn new(place: &str, why: impl fmt::Display) -> ImportError {
        ImportError { place: place.to_owned(), why: why.to_string() }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.place, self.why)
    }
}

impl Error for ImportError {}

/// What is the same for all that is read.
pub(crate) struct Reading<'z> {
    /// Where a clock hung whose time has no offset in the file: in the person's zone.
    pub(crate) zone: &'z Zone,
    /// When an entry was made if the file doesn't say it.
    pub(crate) now: Timestamp,
}

impl Reading<'_> {
    /// Returns when something was made or changed: never in the future, since lists show the newest first, and nothing
    /// before 1970, which the journal's own clock can't give.
    fn moment(&self, found: Option<Timestamp>) -> Timestamp {
        found.map_or(self.now, |found| Timestamp(found.0.clamp(0, self.now.0)))
    }

    /// Reads a date, or a date-time with or without an offset, with `T` or a blank before the time. Without an offset
    /// the clock hung where the person lives. An error says what isn't right about the text.
    fn date(&self, text: &str) -> Result<EntryDate, String> {
        let refused = |error| format!("the date {:?} is {error}", text::displayable_name(text));
        match EntryDate::read(text) {
            Ok(date) => return Ok(date),
            Err(error) if text.len() < "2025-01-31T09:30".len() => return Err(refused(error)),
            Err(_) => {}
        }
        let mut wall = text.replacen(' ', "T", 1);
        if wall.len() == "2025-01-31T09:30".len() {
            wall += ":00";
        }
        let read = |offset: &str| EntryDate::read(&format!("{wall}{offset}")).map_err(refused);
        let instant = |date: &EntryDate| date.time.as_ref().map_or(self.now, EntryTime::instant);
        // The offset there may be another one at the instant that the first offset gives: a clock was set meanwhile.
        // An hour that a clock shows twice, or never, is taken by the second look.
        let mut date = read("Z").or_else(|error| if wall == text { Err(error) } else { read("") })?;
        for _ in 0..2 {
            let there = self.zone.rfc3339(instant(&date));
            let offset = there.get("2025-01-31T09:30:00".len()..).unwrap_or("Z");
            date = read(offset)?;
        }
        Ok(date)
    }
}

/// Reads all that can be imported from a file, a folder or a ZIP archive.
pub(crate) fn read(path: &Path, reading: &Reading) -> Result<Import, ImportError> {
    read_at_most(path, reading, limits::IMPORT_BYTES_MAX)
}

fn read_at_most(path: &Path, reading: &Reading, bytes_max: u64) -> Result<Import, ImportError> {
    let mut source = Source::open(path, bytes_max)?;
    let mut import = Import::default();
    for place in 0..source.len() {
        let format = match source.kind(place) {
            Kind::Json => read_json(&mut source, place, reading, &mut import),
            Kind::Markdown => {
                let name = source.name(place).to_owned();
                let read = source.whole(place, limits::MARKDOWN_FILE_BYTES_MAX)?;
                let read = read.and_then(|text| markdown::read(&name, &text, reading, &mut import.notes));
                import.keep(name, read);
                Ok("Markdown")
            }
        };
        match format {
            Ok(format) if import.format.is_empty() || import.format == format => import.format = format,
            Ok(_) => import.format = "files of several formats",
            // Beside an export in a folder there may be any other JSON.
            Err(error) if source.len() > 1 && error.why == NO_EXPORT => {
                import.notes.add(NO_EXPORT, &error.place);
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
    markdown::read(name, file, reading, &mut Notes::default()).and_then(fitting)
}

/// Reads one entry of a JSON file as each of the formats has it; returns those that can be kept.
pub(crate) fn read_entry(entry: &Value, reading: &Reading) -> Vec<PortableEntry> {
    let notes = &mut Notes::default();
    let read = [
        json::entry(entry.clone(), "", reading, notes).map(Some),
        day_one::entry(entry.clone(), "", reading, notes),
        jrnl::entry(entry.clone(), "", reading, notes),
    ];
    read.into_iter().flatten().flatten().filter_map(|entry| fitting(entry).ok()).collect()
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
const NO_EXPORT: &str = "it is JSON, but no export of epicme, Day One or jrnl";

/// The members of a JSON export that are lists, and may be long.
const LISTS: [&str; 2] = ["entries", "tags"];

/// Reads one JSON file, in whichever format it has, and returns the format's name. The file is read twice, because the
/// member that names the format may stand after the entries.
fn read_json(
    source: &mut Source,
    place: usize,
    reading: &Reading,
    import: &mut Import,
) -> Result<&'static str, ImportError> {
    let name = source.name(place).to_owned();
    // All of the file but its items, of which the first entry shows what the others are.
    let (mut members, mut first) = (Map::new(), Value::Null);
    source.stream(place, &LISTS, &mut |part| match part {
        Part::Item { list: "entries", value } if first.is_null() => first = value,
        Part::Item { .. } => {}
        // Of the others it counts whether they are there, and what the head is.
        Part::Member { name, value } => _ = members.insert(name.to_owned(), without_content(value)),
    })?;
    let has = |member: &str| first.get(member).is_some();
    let is_list = |member: &str| members.get(member).is_some_and(Value::is_array);
    let (mut number, mut tag_number) = (0, 0);
    if members.contains_key("format") {
        json::check_head(&members, import).map_err(|why| ImportError::new(&name, why))?;
        source.stream(place, &LISTS, &mut |part| match part {
            Part::Item { list: "entries", value } => {
                number += 1;
                let place = format!("{name}, entry {number}");
                let entry = json::entry(value, &place, reading, &mut import.notes);
                import.keep(place, entry);
            }
            Part::Item { value, .. } => {
                tag_number += 1;
                let place = format!("{name}, tag {tag_number}");
                match json::tag(value, &place, reading, &mut import.notes) {
                    Ok(tag) if import.has_room() => import.tags.push(tag),
                    Ok(_) => {}
                    Err(why) => import.refuse(place, why),
                }
            }
            Part::Member { .. } => {}
        })?;
        return Ok("an export of epicme");
    }
    let is_day_one = members.get("metadata").is_some_and(Value::is_object) || has("creationDate");
    let is_jrnl = members.contains_key("tags") || has("body");
    let (format, read): (_, fn(Value, &str, &Reading, &mut Notes) -> _) = match is_list("entries") {
        true if is_day_one => ("an export of Day One", day_one::entry),
        true if is_jrnl => ("an export of jrnl", jrnl::entry),
        _ => return Err(ImportError::new(&name, NO_EXPORT)),
    };
    source.stream(place, &LISTS, &mut |part| {
        if let Part::Item { list: "entries", value } = part {
            number += 1;
            let place = format!("{name}, entry {number}");
            match read(value, &place, reading, &mut import.notes) {
                Ok(None) => import.notes.add("it has no text and was left out", &place),
                Ok(Some(entry)) => import.keep(place, Ok(entry)),
                Err(why) => import.keep(place, Err(why)),
            }
        }
    })?;
    Ok(format)
}

impl Import {
    /// Keeps an entry if it is within the limits of the journal.
    fn keep(&mut self, place: String, entry: Result<PortableEntry, String>) {
        match entry.and_then(fitting) {
            Ok(entry) if self.has_room() => self.entries.push(PlacedEntry { place, entry }),
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
    fn refuse_too_much(&self, name: &str) -> Result<(), ImportError> {
        if !self.is_too_much {
            return Ok(());
        }
        let (items, problems) = (limits::IMPORT_ITEMS_MAX, limits::IMPORT_PROBLEMS_MAX);
        let why = format!(
            "it has more than {items} entries and tags, or more than {problems} that can't be kept; nothing was imported"
        );
        Err(ImportError::new(name, why))
    }

    /// Says which tags have the name of another one, when what isn't seen in it is left out. The first of them is kept.
    fn note_tags_that_are_one(&mut self) {
        let mut names = HashSet::new();
        for tag in self.tags.iter().filter(|tag| !names.insert(&tag.name)) {
            let place = format!("the tag {:?}", text::displayable_name(&tag.name));
            self.notes.add("it is there twice, and its entries get the first of the two", &place);
        }
    }

    /// Refuses files in which two entries or two tags have one id. Such files contradict themselves: one of the two
    /// replaces the other perhaps, and this program can't know which.
    fn refuse_ids_that_come_twice(&self) -> Result<(), ImportError> {
        let mut places = HashMap::new();
        for PlacedEntry { place, entry } in &self.entries {
            let Some(id) = entry.id else { continue };
            if let Some(other) = places.insert(id, place) {
                return Err(ImportError::new(
                    place,
                    format!("it has the id {id}, as {other} has; nothing was read"),
                ));
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

/// Returns the entry as the journal can keep it. Names of tags are cleaned, as those that a client sends; one that
/// comes twice counts once.
fn fitting(mut entry: PortableEntry) -> Result<PortableEntry, String> {
    within("title", &entry.title, limits::TITLE_CHARS_MAX)?;
    if entry.title.is_empty() {
        return Err("its title is empty".to_owned());
    }
    within("text", &entry.content, limits::CONTENT_CHARS_MAX)?;
    for (name, label) in [("mood", &entry.mood), ("location", &entry.location), ("weather", &entry.weather)] {
        within(name, label.as_deref().unwrap_or_default(), limits::LABEL_TEXT_CHARS_MAX)?;
    }
    let mut tags = Vec::new();
    for name in entry.tags {
        let name = tag_name(&name)?;
        if !tags.contains(&name) {
            tags.push(name);
        }
    }
    if tags.len() > limits::TAGS_PER_ENTRY_MAX {
        return Err(format!("it has {} tags, and {} is the limit", tags.len(), limits::TAGS_PER_ENTRY_MAX));
    }
    entry.tags = tags;
    Ok(entry)
}

fn within(what: &str, text: &str, max: usize) -> Result<(), String> {
    let chars = text.chars().count();
    if text.contains('\0') {
        Err(format!("its {what} contains the character NUL"))
    } else if chars > max {
        Err(format!("its {what} has {chars} characters, and {max} is the limit"))
    } else {
        Ok(())
    }
}

fn tag_name(text: &str) -> Result<String, String> {
    let shown = || text::displayable_name(text);
    let name = text::name(text).map_err(|bad| format!("the name {:?} of its tag {bad}", shown()))?;
    within(&format!("tag {:?}", shown()), &name, limits::TAG_NAME_CHARS_MAX)?;
    Ok(name)
}

/// Parts a text of another program, which has no title of its own, into title and text. A heading in its first line is
/// the title and no longer in the text. Any other first line stays in the text, and as much of it as fits is the title:
/// it may be the beginning of the first sentence. Returns `None` if nothing is written in the text.
fn title_and_text(text: &str) -> Option<(String, String)> {
    // Empty lines above it are no part of it; a blank at the beginning of its first line may mean something to Markdown.
    let start = text.len() - text.trim_start().len();
    let text = &text[text[..start].rfind('\n').map_or(0, |end| end + 1)..];
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    if text.trim().is_empty() {
        return None;
    }
    let words = line.trim();
    let heading = words.trim_start_matches('#');
    let is_heading = heading.len() < words.len() && heading.starts_with([' ', '\t']);
    let title =
        without_escapes(if is_heading { heading.trim().trim_end_matches('#').trim_end() } else { words });
    let rest = rest.trim_start_matches(['\n', '\r']);
    let whole = || Some((cut_at_word(&title), text.to_owned()));
    match is_heading && !title.is_empty() && title.chars().count() <= limits::TITLE_CHARS_MAX {
        true if !rest.trim().is_empty() => Some((title, rest.to_owned())),
        _ if title.is_empty() => Some((cut_at_word(words), text.to_owned())),
        _ => whole(),
    }
}

/// Cuts a text to the length of a title, between two words if there are blanks.
fn cut_at_word(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(limits::TITLE_CHARS_MAX) else { return text.to_owned() };
    let (last, _) = text.char_indices().nth(limits::TITLE_CHARS_MAX - 1).unwrap_or((end, ' '));
    let cut = &text[..last];
    let word_end = cut.rfind(char::is_whitespace).filter(|end| *end > last / 2).unwrap_or(last);
    format!("{}…", cut[..word_end].trim_end())
}

/// Takes away the backslashes by which Markdown keeps a sign from having a meaning (CommonMark §2.4).
fn without_escapes(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let escapes = character == '\\' && characters.peek().is_some_and(char::is_ascii_punctuation);
        if !escapes {
            out.push(character);
        } else if let Some(kept) = characters.next() {
            out.push(kept);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::fs;
    use std::io::{Cursor, Seek, Write};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    use serde_json::json;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::dates::Day;
    use crate::secret;

    const NOW: Timestamp = Timestamp(1_785_231_000);

    /// Numbers that look random and are the same in every run (xorshift64).
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % bound as u64) as usize
        }

        /// A text of pieces of all scripts, and of all that a format may give a meaning to.
        fn text(&mut self, pieces_max: usize) -> String {
            const PIECES: [&str; 64] = [
                "a",
                "Z",
                " ",
                "  ",
                "\n",
                "\r\n",
                "\r",
                "\t",
                "\u{1}",
                "\u{1b}[2J",
                "\u{7f}",
                "\u{85}",
                "\u{2028}",
                "\u{2029}",
                "\u{feff}",
                "\u{fffe}",
                "\u{ffff}",
                "\u{10ffff}",
                "---",
                "\n---\n",
                "...",
                "\n...\n",
                "- ",
                ": ",
                ":",
                " #",
                "#",
                "\"",
                "'",
                "''",
                "\\",
                "\\n",
                "\\u0041",
                "[",
                "]",
                "{",
                "}",
                ",",
                "|",
                ">",
                "&",
                "*",
                "!",
                "%",
                "@",
                "`",
                "~",
                "null",
                "yes",
                "No",
                "今天天气很好",
                "日本語の日記",
                "한국어 일기",
                "สวัสดีวันนี้",
                "مرحبا",
                "שָׁלוֹם",
                "नमस्ते",
                "Ёлка Łódź",
                "e\u{301}",
                "👩\u{200d}💻❤\u{fe0f}",
                "\u{200b}\u{ad}",
                "𒀀𐍈",
                "2025-01-31",
                "\u{e0041}",
            ];
            let count = self.below(pieces_max + 1);
            (0..count).map(|_| PIECES[self.below(PIECES.len())]).collect()
        }

        fn label(&mut self) -> Option<String> {
            if self.below(2) == 0 { None } else { Some(self.text(8)) }
        }

        fn entry(&mut self, id: i64) -> PortableEntry {
            let day = loop {
                let year = [1 + self.below(9999), 1970 + self.below(80)][self.below(2)] as i64;
                let found = Day::new(year, 1 + self.below(12) as i64, 1 + self.below(31) as i64);
                if let Some(day) = found.filter(|day| *day > Day::FIRST && *day < Day::LAST) {
                    break day;
                }
            };
            let offset = ["Z", "+00:00", "-00:00", "+05:45", "-14:59", "+14:00"][self.below(6)];
            let (hour, minute) = (self.below(24), self.below(60));
            let date = match self.below(2) {
                0 => day.to_string(),
                _ => format!("{day}T{hour:02}:{minute:02}:59{offset}"),
            };
            let mut tags: Vec<_> =
                (0..self.below(6)).filter_map(|_| text::name(&self.text(6)).ok()).collect();
            tags.sort();
            tags.dedup();
            let created_at = Timestamp(self.below(NOW.0 as usize) as i64);
            PortableEntry {
                id: Some(id),
                title: format!("{}{}", self.text(10), ["x", "今", "\"", " "][self.below(4)]),
                content: self.text(60),
                date: EntryDate::read(&date).expect("a date"),
                mood: self.label(),
                location: self.label(),
                weather: self.label(),
                is_private: self.below(2) == 0,
                is_favorite: self.below(2) == 0,
                tags,
                created_at,
                updated_at: Timestamp(created_at.0 + self.below((NOW.0 - created_at.0) as usize + 1) as i64),
            }
        }
    }

    /// A folder for one test, which is removed at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Folder {
            let path = std::env::temp_dir().join(format!("epicme-portable-{}", secret::random_text::<16>()));
            fs::create_dir(&path).expect("a folder");
            Folder(path)
        }

        fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(&path, bytes).expect("a file");
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn read_in(path: &Path, zone: &str) -> Result<Import, ImportError> {
        read(path, &Reading { zone: &Zone::named(zone).expect("a zone"), now: NOW })
    }

    #[track_caller]
    fn imported(path: &Path) -> Import {
        read_in(path, "Europe/Berlin").expect("an import")
    }

    #[track_caller]
    fn refused(path: &Path) -> String {
        read_in(path, "UTC").map(|_| ()).expect_err("it is refused").to_string()
    }

    /// The entries, all of which can be kept.
    #[track_caller]
    fn entries(import: Import) -> Vec<PortableEntry> {
        assert!(import.problems.is_empty(), "{:?}", import.problems);
        import.entries.into_iter().map(|placed| placed.entry).collect()
    }

    /// An entry that needs nothing.
    fn plain(title: &str, content: &str, date: &str) -> PortableEntry {
        PortableEntry {
            id: None,
            title: title.to_owned(),
            content: content.to_owned(),
            date: EntryDate::read(date).expect("a date"),
            mood: None,
            location: None,
            weather: None,
            is_private: true,
            is_favorite: false,
            tags: Vec::new(),
            created_at: NOW,
            updated_at: NOW,
        }
    }

    fn exported(tags: &[PortableTag], entries: &[PortableEntry]) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        write_all(tags, entries, Output::Json(&mut out));
        out.into_inner()
    }

    fn write_all<W: Write + Seek>(tags: &[PortableTag], entries: &[PortableEntry], output: Output<W>) {
        let person = Person { email: "ada@example.com".into(), time_zone: "Europe/Berlin".into() };
        let entries = &mut entries.iter().cloned().map(Ok::<_, Infallible>);
        let journal = PortableJournal { person, tags: tags.to_vec(), entries };
        write(journal, NOW, output, &mut |_| {}).expect("it is written");
    }

    #[test]
    fn reads_each_entry_of_its_own_export_as_it_was() {
        let (folder, mut dice) = (Folder::new(), Dice(0x9e37_79b9_7f4a_7c15));
        let written: Vec<_> = (1..=400).map(|id| dice.entry(id)).collect();
        let tags: Vec<_> = (1..=50)
            .map(|id| PortableTag {
                id: Some(id),
                name: format!("tag {id}"),
                description: dice.label(),
                created_at: Timestamp(id),
                updated_at: Timestamp(id * 2),
            })
            .collect();
        let bytes = exported(&tags, &written);
        let import = imported(&folder.file("journal.json", &bytes));
        assert_eq!((import.tags.clone(), import.format), (tags, "an export of epicme"));
        assert_eq!(import.notes.sentences().count(), 0);
        assert_eq!(entries(import), written);
        assert!(entries(imported(&folder.file("empty.json", exported(&[], &[])))).is_empty());
    }

    #[test]
    fn writes_what_the_schema_describes() {
        let schema = fs::read_to_string("docs/export.schema.json").expect("the schema");
        let mut schema: Value = serde_json::from_str(&schema).expect("JSON");
        let mut dice = Dice(7);
        let written: Vec<_> = (1..=100).map(|id| dice.entry(id)).collect();
        let tag = PortableTag {
            id: Some(3),
            name: "garden".into(),
            description: None,
            created_at: NOW,
            updated_at: NOW,
        };
        let export: Value = serde_json::from_slice(&exported(&[tag], &written)).expect("JSON");
        // For this test, everything that the schema describes is needed, and nothing else may be there.
        fn tighten(schema: &mut Value) {
            if let Some(names) =
                schema["properties"].as_object().map(|all| all.keys().cloned().collect::<Vec<_>>())
            {
                schema["required"] = json!(names);
                schema["additionalProperties"] = json!(false);
            }
            let members = schema.as_object_mut().into_iter().flat_map(|object| object.values_mut());
            members.filter(|member| member.is_object()).for_each(tighten);
        }
        tighten(&mut schema);
        let schema = jsonschema::options().should_validate_formats(true).build(&schema).expect("a schema");
        let wrong: Vec<_> = schema.iter_errors(&export).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        let mut without = export.clone();
        without["entries"][0]["dateTime"].take();
        without["entries"][0].as_object_mut().expect("an entry").remove("mood");
        assert!(!schema.is_valid(&without), "the schema can fail");
    }

    #[test]
    fn reads_each_markdown_file_of_its_own_as_it_was() {
        let (folder, mut dice) = (Folder::new(), Dice(0x2545_f491_4f6c_dd1d));
        let mut written: Vec<_> = (1..=400).map(|id| dice.entry(id)).collect();
        for (id, content) in
            ["", "\n", "\r\n", "---\n", "---\r\ntitle: x\n---\n", "\u{feff}x", "no end", "end\n\n\n", " \t"]
                .into_iter()
                .enumerate()
        {
            written.push(PortableEntry {
                id: Some(1000 + id as i64),
                ..plain("the same title", content, "2025-01-31")
            });
        }
        write_all(&[], &written, Output::<fs::File>::MarkdownFolder(&folder.0));
        let mut read = entries(imported(&folder.0));
        read.sort_by_key(|entry| entry.id);
        assert_eq!(read, written);
        let names = fs::read_dir(folder.0.join("2025")).expect("a year");
        let mut names: Vec<_> = names.map(|file| file.expect("a file")).collect();
        names.retain(|file| file.file_name().to_string_lossy().contains("the-same-title"));
        assert_eq!(names.len(), 9);
        for file in names {
            assert_eq!(file.metadata().expect("metadata").permissions().mode() & 0o777, 0o600);
        }
        // A ZIP archive of the folder is the same journal.
        let mut archive = fs::File::create(folder.0.join("all.zip")).expect("a file");
        write_all(&[], &written, Output::MarkdownArchive(&mut archive));
        let mut read = entries(imported(&folder.0.join("all.zip")));
        read.sort_by_key(|entry| entry.id);
        assert_eq!(read, written);
    }

    /// What an import says besides.
    fn notes(import: &Import) -> Vec<String> {
        import.notes.sentences().collect()
    }

    #[test]
    fn reads_an_export_of_day_one() {
        let sample = "tests/samples/day-one.json";
        let import = imported(Path::new(sample));
        assert_eq!(import.format, "an export of Day One");
        assert_eq!(
            notes(&import),
            [
                format!(
                    "{sample}, entry 1: its photos, videos and recordings are not kept; the text shows where they were"
                ),
                format!("{sample}, entry 3: it has no text and was left out"),
            ]
        );
        let moment = |text: &str| EntryDate::read(text).expect("a date").time.expect("a time").instant();
        let pier = PortableEntry {
            location: Some("Old Pier, Nantucket, Massachusetts, United States".into()),
            weather: Some("Mostly Clear, 18 °C".into()),
            is_favorite: true,
            tags: vec!["travel".into(), "harbour".into()],
            created_at: moment("2019-07-05T03:12:33Z"),
            updated_at: moment("2019-07-06T10:00:00Z"),
            ..plain(
                "The harbour at night",
                "We walked to the end of the pier\\. ![](dayone-moment://0F1E2D3C4B5A69788796A5B4C3D2E1F0)\n\nThe \
                 lamps were lit.",
                // There it was still the day before.
                "2019-07-04T23:12:33-04:00",
            )
        };
        let made_at = moment("2019-12-31T23:30:00Z");
        let silvester = PortableEntry {
            created_at: made_at,
            updated_at: made_at,
            ..plain(
                "Einfach nur Silvester. Wir blieben zu Hause!",
                "Einfach nur Silvester. Wir blieben zu Hause\\!",
                "2020-01-01",
            )
        };
        assert_eq!(entries(import), [pier, silvester]);
    }

    #[test]
    fn reads_an_export_of_jrnl() {
        let import = imported(Path::new("tests/samples/jrnl.json"));
        assert_eq!((import.format, notes(&import).len()), ("an export of jrnl", 0));
        let read = entries(import);
        let told: Vec<_> = read
            .iter()
            .map(|entry| {
                let time = entry.date.time.as_ref().map(EntryTime::as_str).unwrap_or_default();
                (&*entry.title, &*entry.content, time, entry.is_favorite, &*entry.tags[0])
            })
            .collect();
        // The clocks had been put forward in the night before.
        let beans = "Eight of them, along the fence. @garden\n\nIt may be too early.";
        let desk = "Long day at the desk. @work";
        assert_eq!(
            told,
            [
                ("Planted the first beans.", beans, "2024-03-31T09:00:00+02:00", false, "garden"),
                (desk, desk, "2024-07-01T21:45:00+02:00", true, "work"),
            ]
        );
    }

    #[test]
    fn reads_a_note_as_people_write_it() {
        let import = imported(Path::new("tests/samples/2024-02-29.md"));
        assert_eq!(notes(&import), ["tests/samples/2024-02-29.md: the field \"aliases\" is not kept"]);
        let rare = PortableEntry {
            mood: Some("it's fine".into()),
            weather: Some("sun".into()),
            is_favorite: true,
            tags: vec!["garden".into(), "two words".into()],
            ..plain("A day that is rare", "The snowdrops are out.\n", "2024-02-29")
        };
        assert_eq!(entries(import), [rare]);
        let folder = Folder::new();
        for (name, text, title, content, date) in [
            ("2024-01-01 New year.md", "Hello", "New year", "Hello", "2024-01-01"),
            ("2024-01-02.md", "Hello\n# Later", "2024-01-02", "Hello\n# Later", "2024-01-02"),
            ("a/b.md", "---\ndate: 2024-01-03\n---\n\nHello", "b", "Hello", "2024-01-03"),
            (
                "a/c.md",
                "---\ncreated: 2024-01-04 09:30\n---\nHello",
                "c",
                "Hello",
                "2024-01-04T09:30:00+01:00",
            ),
            (
                "d.md",
                "---\r\nDate: 2024-07-05T09:30\r\nTitle: No\r\n---\r\nHello\r\n",
                "No",
                "Hello\r\n",
                "2024-07-05T09:30:00+02:00",
            ),
            (
                "e.md",
                "\u{feff}---\ndate: \"2024-01-06\"\ntags: '#x'\n---\n#no heading\n## Two\n",
                "e",
                "#no heading\n## Two\n",
                "2024-01-06",
            ),
        ] {
            let read = entries(imported(&folder.file(name, text)));
            let found = read.iter().map(|entry| (&*entry.title, &*entry.content, entry.date.clone()));
            let date = EntryDate::read(date).expect("a date");
            assert_eq!(found.collect::<Vec<_>>(), [(title, content, date)], "{name}");
        }
        assert_eq!(imported(&folder.0).entries.len(), 6);
    }

    #[test]
    fn keeps_the_whole_of_a_text_whose_first_line_is_no_title() {
        let long = "word ".repeat(100);
        let split = |text: &str| title_and_text(text).expect("a title");
        for (text, title, content) in [
            ("# A\n\nb\n", "A", "b\n"),
            ("## A ##\r\nb", "A", "b"),
            ("#A\nb", "#A", "#A\nb"),
            ("A\n\nb", "A", "A\n\nb"),
            ("# A", "A", "# A"),
            ("#\nb", "#", "#\nb"),
            (" \n\t\r\n# A\n \nb", "A", " \nb"),
            (" \n  A\nb", "A", "  A\nb"),
            ("\n\n  A\\*\\n\nb", "A*\\n", "  A\\*\\n\nb"),
        ] {
            assert_eq!(split(text), (title.to_owned(), content.to_owned()), "{text:?}");
        }
        let (title, content) = split(&format!("# {long}\n\nb"));
        assert_eq!(content, format!("# {long}\n\nb"), "a heading that is cut stays in the text");
        assert!(title.ends_with("word…") && title.chars().count() <= limits::TITLE_CHARS_MAX, "{title}");
        let (title, _) = split(&"今".repeat(1000));
        assert_eq!(title.chars().count(), limits::TITLE_CHARS_MAX);
        assert_eq!(title_and_text(" \n\t\n"), None);
    }

    #[test]
    fn names_each_entry_that_can_not_be_kept_and_reads_the_others() {
        let entry = |change: &dyn Fn(&mut Value)| {
            let mut entry = json!({ "title": "a", "content": "b", "date": "2025-01-31" });
            change(&mut entry);
            entry
        };
        type Change<'c> = &'c dyn Fn(&mut Value);
        let cases: [(&str, Change, Option<&str>); 22] = [
            ("as it is", &|_| (), None),
            ("titles", &|entry| entry["title"] = json!("é".repeat(300)), None),
            (
                "titles",
                &|entry| entry["title"] = json!("é".repeat(301)),
                Some("its title has 301 characters, and 300 is the limit"),
            ),
            ("titles", &|entry| entry["title"] = json!(""), Some("its title is empty")),
            ("titles", &|entry| entry["title"] = json!(5), Some("its title is not a text")),
            ("titles", &|entry| _ = entry["title"].take(), Some("it has no title")),
            (
                "texts",
                &|entry| entry["content"] = json!("x".repeat(100_001)),
                Some("its text has 100001 characters, and 100000 is the limit"),
            ),
            (
                "labels",
                &|entry| entry["mood"] = json!("x".repeat(201)),
                Some("its mood has 201 characters, and 200 is the limit"),
            ),
            (
                "dates",
                &|entry| entry["date"] = json!("2025-02-29"),
                Some("the date \"2025-02-29\" is not a date or date-time that exists"),
            ),
            (
                "dates",
                &|entry| entry["date"] = json!("yesterday"),
                Some("the date \"yesterday\" is not a date (2025-01-31)"),
            ),
            ("dates", &|entry| entry["dateTime"] = json!("2025-01-31T23:00:00-14:59"), None),
            ("dates", &|entry| entry["dateTime"] = json!("2025-01-31T23:00:00-15:00"), Some("is not a date")),
            (
                "dates",
                &|entry| entry["dateTime"] = json!("2025-02-01T00:00:00Z"),
                Some("its dateTime is not on its date \"2025-01-31\""),
            ),
            (
                "dates",
                &|entry| entry["date"] = json!("2025-01-31T00:00:00Z"),
                Some("has a time, which belongs in dateTime"),
            ),
            (
                "flags",
                &|entry| entry["isPrivate"] = json!(1),
                Some("its isPrivate is neither true nor false"),
            ),
            ("tags", &|entry| entry["tags"] = json!(["a", " a\u{200b} ", "b"]), None),
            ("tags", &|entry| entry["tags"] = json!(["a", 5]), Some("its tags is not a list of texts")),
            (
                "tags",
                &|entry| entry["tags"] = json!(["\u{200b}"]),
                Some("the name \"\" of its tag must not be blank"),
            ),
            (
                "tags",
                &|entry| entry["tags"] = json!(["x".repeat(101)]),
                Some("has 101 characters, and 100 is the limit"),
            ),
            (
                "tags",
                &|entry| entry["tags"] = json!((0..51).map(|n| n.to_string()).collect::<Vec<_>>()),
                Some("it has 51 tags, and 50 is the limit"),
            ),
            ("ids", &|entry| entry["id"] = json!(0), Some("its id is not a whole number from 1 on")),
            (
                "moments",
                &|entry| entry["createdAt"] = json!("2025-01-31"),
                Some("its createdAt is not a date-time"),
            ),
        ];
        let folder = Folder::new();
        for (what, change, expected) in cases {
            let export = json!({ "format": "epicme-export", "version": 1, "entries": [entry(change), entry(&|_| ())] });
            let import = imported(&folder.file("one.json", export.to_string()));
            let said: Vec<_> = import.problems.iter().map(ToString::to_string).collect();
            match expected {
                None => assert_eq!((said.len(), import.entries.len()), (0, 2), "{what}: {said:?}"),
                Some(expected) => {
                    assert_eq!((said.len(), import.entries.len()), (1, 1), "{what}: {said:?}");
                    assert!(
                        said[0].contains(", entry 1: ") && said[0].contains(expected),
                        "{what}: {said:?}"
                    );
                }
            }
        }
        let two = imported(&folder.file(
            "tags.json",
            json!({ "format": "epicme-export", "version": 1, "entries": [entry(&|entry| entry["tags"] = json!(["a", " a\u{200b} ", "b"]))] })
                .to_string(),
        ));
        assert_eq!(entries(two)[0].tags, ["a", "b"], "a name that comes twice counts once");
        for (name, bytes, expected) in [
            ("undated.md", &b"text"[..], "it has no date"),
            ("2025-02-30.md", b"text", "it has no date"),
            ("2025-01-31.md", b"\xff", "it is not UTF-8: byte 1 is wrong"),
            ("2025-01-31.md", b"---\nmood: {a: b}\n---\n", "its field \"mood\" is not understood (line 2"),
            ("2025-01-31.md", b"---\nmood: [a, b]\n---\n", "its field \"mood\" holds several values"),
            (
                "2025-01-31.md",
                b"---\nprivate: perhaps\n---\n",
                "its field \"private\" is neither true nor false",
            ),
            ("2025-01-31.md", b"---\nmood\n---\n", "line 2 of its front matter is not understood"),
            ("2025-01-31.md", &[b'x'; limits::MARKDOWN_FILE_BYTES_MAX + 1], "it has more than 524288 bytes"),
        ] {
            let import = imported(&folder.file(&format!("vault/{name}"), bytes));
            let said: Vec<_> = import.problems.iter().map(ToString::to_string).collect();
            assert!(said.len() == 1 && said[0].contains(expected), "{name}: {said:?}");
        }
    }

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
        assert!(said.contains("that can't be kept; nothing was imported"), "{said}");
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

    #[test]
    fn reads_nothing_outside_of_what_was_named() {
        let folder = Folder::new();
        folder.file("outside/2025-01-01.md", "outside");
        folder.file("vault/2025-01-31.md", "inside");
        folder.file("vault/.obsidian/app.json", "{}");
        folder.file("vault/photo.jpeg", "x");
        let vault = folder.0.join("vault");
        symlink(folder.0.join("outside"), vault.join("link")).expect("a link");
        symlink(folder.0.join("outside/2025-01-01.md"), vault.join("2025-01-01.md")).expect("a link");
        folder.file("vault/other.json", "{\"a\":1}");
        let import = imported(&vault);
        assert_eq!(
            notes(&import),
            [
                format!("other.json: {NO_EXPORT}"),
                notes(&import)
                    .pop()
                    .filter(|note| note.contains("3 files are neither Markdown nor JSON"))
                    .expect("a note"),
            ]
        );
        let contents: Vec<_> = entries(import).into_iter().map(|entry| entry.content).collect();
        assert_eq!(contents, ["inside"]);
        symlink(&vault, folder.0.join("named")).expect("a link");
        assert_eq!(imported(&folder.0.join("named")).entries.len(), 1, "a link that is named is followed");
    }

    #[test]
    fn reads_an_archive_and_refuses_one_that_unpacks_to_too_much() {
        let folder = Folder::new();
        let pack = |name: &str, add: &dyn Fn(&mut ZipWriter<fs::File>)| {
            let path = folder.0.join(name);
            let mut writer = ZipWriter::new(fs::File::create(&path).expect("a file"));
            add(&mut writer);
            writer.finish().expect("an archive");
            path
        };
        let deflated = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        let sample = fs::read("tests/samples/day-one.json").expect("the sample");
        let path = pack("export.zip", &|writer| {
            writer.add_directory("photos/", deflated).expect("a member");
            writer.start_file("photos/x.jpeg", deflated).expect("a member");
            writer.start_file("../../Journal.json", deflated).expect("a member");
            writer.write_all(&sample).expect("a member");
        });
        let import = imported(&path);
        assert_eq!((import.format, import.entries.len()), ("an export of Day One", 2));
        assert!(notes(&import).iter().any(|note| note.contains("1 file is neither Markdown nor JSON")));
        let bomb = pack("bomb.zip", &|writer| {
            writer.start_file("Journal.json", deflated).expect("a member");
            writer.write_all(b"{\"entries\":[").expect("a member");
            writer.write_all(&[b' '; 2 * 1024 * 1024]).expect("a member");
            writer.write_all(b"]}").expect("a member");
        });
        assert!(fs::metadata(&bomb).expect("metadata").len() < 4096, "it is small");
        let reading = Reading { zone: &Zone::utc(), now: NOW };
        let unpacked =
            |bytes_max| read_at_most(&bomb, &reading, bytes_max).map(|import| import.entries.len());
        let said = unpacked(2 * 1024 * 1024).expect_err("it is refused").to_string();
        assert!(said.contains("it is more than 2 MiB once it is unpacked; nothing was read"), "{said}");
        let whole = unpacked(3 * 1024 * 1024).expect_err("it is no export").to_string();
        assert!(whole.contains(NO_EXPORT), "{whole}");
    }
}
