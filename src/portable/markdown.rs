//! A journal as a folder of Markdown files, one for each entry: `2025/2025-01-31-first-snow.md`.
//!
//! Reads no row. Invariant: a file that was written and read again gives the same entry, and its text is in the file
//! byte for byte, behind the front matter. A tag's description has no place in such files: the JSON export keeps it.
//!
//! Files that other programs or people have written are read too. What the front matter doesn't say is taken from the
//! first heading and from the file's name, as Obsidian names a daily note.

use std::collections::{HashMap, HashSet};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::front_matter::{self, Value, write_quoted};
use super::import::NotesAt;
use super::title::{cut_at_word, title_and_text};
use super::{Entries, PortableEntry, Reading};
use crate::clock::Timestamp;
use crate::dates::{Day, EntryDate};
use crate::limits;
use crate::text;

/// Returns the text of the file of one entry.
pub(crate) fn text_of(entry: &PortableEntry) -> String {
    // The pattern names each field, so that this doesn't compile when an entry gets a new one that isn't written.
    let PortableEntry { id, title, content, date, mood, location, weather, .. } = entry;
    let PortableEntry { is_private, is_favorite, tags, created_at, updated_at, .. } = entry;
    let mut out = String::with_capacity(content.len() + 512);
    let mut line = |name: &str, value: &str| {
        out.push_str(name);
        out.push_str(": ");
        out.push_str(value);
        out.push('\n');
    };
    let in_quotes = |text: &str| {
        let mut value = String::new();
        write_quoted(text, &mut value);
        value
    };
    line("---\ntitle", &in_quotes(title));
    line("date", &date.time.as_ref().map_or_else(|| date.day.to_string(), |time| time.as_str().to_owned()));
    line("created", &created_at.iso8601());
    line("updated", &updated_at.iso8601());
    if !tags.is_empty() {
        let tags: Vec<_> = tags.iter().map(|name| in_quotes(name)).collect();
        line("tags", &format!("[{}]", tags.join(", ")));
    }
    for (name, label) in [("mood", mood), ("location", location), ("weather", weather)] {
        if let Some(label) = label {
            line(name, &in_quotes(label));
        }
    }
    line("favorite", if *is_favorite { "true" } else { "false" });
    line("private", if *is_private { "true" } else { "false" });
    if let Some(id) = id {
        line("id", &id.to_string());
    }
    out.push_str("---\n");
    out.push_str(content);
    out
}

/// Gives the files their names, each once.
#[derive(Default)]
struct Names {
    /// The names so far, in small letters: some file systems take two cases for one.
    used: HashSet<String>,
    /// The last number that a name got.
    numbers: HashMap<String, usize>,
}

impl Names {
    /// Returns the next name for an entry, with `/` between folder and file.
    fn next(&mut self, entry: &PortableEntry) -> String {
        let day = entry.date.day;
        let slug = slug(&entry.title);
        let name = if slug.is_empty() { day.to_string() } else { format!("{day}-{slug}") };
        let number = self.numbers.entry(name.to_lowercase()).or_default();
        loop {
            *number += 1;
            let numbered = if *number == 1 { name.clone() } else { format!("{name}-{number}") };
            // Another title may be what this one is with its number.
            if self.used.insert(numbered.to_lowercase()) {
                return format!("{:04}/{numbered}.md", day.year());
            }
        }
    }
}

/// Makes a part of a file's name of a title: small letters, digits and the signs of any script, with hyphens in the
/// place of all that means something to a file system, a shell or a link. With the day before it, it is no name that a
/// system reserves, and begins with no point.
fn slug(title: &str) -> String {
    let mut slug = String::new();
    for character in text::displayable(title).to_lowercase().chars() {
        let is_kept =
            character.is_ascii_alphanumeric() || !character.is_ascii() && !character.is_whitespace();
        match is_kept {
            true if slug.len() + character.len_utf8() > limits::SLUG_BYTES_MAX => break,
            true => slug.push(character),
            false if slug.is_empty() || slug.ends_with('-') => {}
            false => slug.push('-'),
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// Writes a journal into an empty folder that is there.
pub(super) fn write_folder<E>(entries: Entries<'_, E>, folder: &Path) -> Result<(), E>
where
    E: From<io::Error>,
{
    let mut names = Names::default();
    for entry in entries {
        write_file(folder, &mut names, &entry?)?;
    }
    Ok(())
}

/// Writes an entry into a new file, which only its owner can read.
fn write_file(folder: &Path, names: &mut Names, entry: &PortableEntry) -> io::Result<()> {
    let mut file = loop {
        let path = folder.join(names.next(entry));
        match DirBuilder::new().mode(0o700).create(path.parent().unwrap_or(folder)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            // A file system may take two names for one that differ in more than their case.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => break opened?,
        }
    };
    file.write_all(text_of(entry).as_bytes())
}

/// Writes the same folder as a ZIP archive.
pub(super) fn write_archive<E>(entries: Entries<'_, E>, out: impl Write + Seek) -> Result<(), E>
where
    E: From<io::Error>,
{
    let (mut archive, mut names) = (ZipWriter::new(out), Names::default());
    for entry in entries {
        let entry = entry?;
        let name = format!("journal/{}", names.next(&entry));
        let options = SimpleFileOptions::default().unix_permissions(0o600);
        archive.start_file(name, options).map_err(io::Error::from)?;
        archive.write_all(text_of(&entry).as_bytes())?;
    }
    archive.finish().map_err(io::Error::from)?;
    Ok(())
}

/// Reads the entry in a file; `name` is its path. The error says why the file can't be kept.
pub(super) fn read(
    name: &str,
    file: &str,
    reading: &Reading,
    notes: &mut NotesAt,
) -> Result<PortableEntry, String> {
    let parts = front_matter::read(file.strip_prefix('\u{feff}').unwrap_or(file))?;
    let mut fields = Fields(parts.fields);
    let id = fields
        .one("id")?
        .map(|text| text.parse::<i64>().ok().filter(|id| (1..=limits::IMPORTED_ID_MAX).contains(id)));
    // A note of another program may have an id of its own kind.
    let id = id.flatten();
    let (created, updated) = (fields.one("created")?, fields.one("updated")?);
    let is_ours = id.is_some() && created.is_some() && updated.is_some();
    let stem = name.rsplit('/').next().unwrap_or(name);
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    let (day_in_name, name_alone) = match stem.split_at_checked("2025-01-31".len()) {
        Some((day, rest)) if Day::read(day).is_ok() => (Some(day), rest.trim_matches([' ', '-', '_'])),
        _ => (None, stem),
    };
    let date = match (fields.one("date")?, day_in_name, &created) {
        (Some(date), _, _) => reading.date(&date)?,
        (None, Some(day), _) => reading.date(day)?,
        (None, None, Some(created)) => reading.date(created)?,
        (None, None, None) => {
            return Err("it has no date: neither a field \"date\" nor a name like 2025-01-31.md".to_owned());
        }
    };
    let (title, content) = match fields.one("title")? {
        // What we have written ourselves is the text as it stands. Other programs leave an empty line above it.
        Some(title) if is_ours => (title, parts.text.to_owned()),
        title => {
            let text = parts.text.trim_start_matches(['\n', '\r']);
            match (title.filter(|title| text::has_visible(title)), title_and_text(text)) {
                (Some(title), _) => (title, text.to_owned()),
                (None, Some((title, text))) if begins_with_heading(parts.text) => (title, text),
                _ if !name_alone.is_empty() => (cut_at_word(name_alone), text.to_owned()),
                _ => (date.day.to_string(), text.to_owned()),
            }
        }
    };
    // Any of these may have been written by hand, so one that can't be read is no reason to refuse the entry.
    let moment = |text: Option<String>| -> Option<Timestamp> {
        let date: EntryDate = text.and_then(|text| reading.date(&text).ok())?;
        date.time.map(|time| time.instant())
    };
    let created_at = reading.moment(moment(created));
    let updated_at = moment(updated).map_or(created_at, |at| reading.moment(Some(at)));
    let entry = PortableEntry {
        id: id.filter(|_| is_ours),
        title,
        content,
        date,
        mood: fields.one("mood")?,
        location: fields.one("location")?,
        weather: fields.one("weather")?,
        is_private: fields.flag("private")?.unwrap_or(true),
        is_favorite: fields.flag("favorite")?.or(fields.flag("starred")?).unwrap_or(false),
        tags: fields.tags(is_ours)?,
        created_at,
        updated_at,
    };
    for (field, _) in fields.0 {
        notes.add(&format!("the field \"{}\" is not kept", text::displayable_name(&field)));
    }
    Ok(entry)
}

fn begins_with_heading(text: &str) -> bool {
    let line = text.trim_start().lines().next().unwrap_or_default();
    line.trim_start_matches('#').starts_with([' ', '\t']) && line.starts_with('#')
}

/// The fields that aren't taken yet.
struct Fields(Vec<(String, Value)>);

impl Fields {
    fn take(&mut self, name: &str) -> Result<Value, String> {
        let place = self.0.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
        match place.map(|place| self.0.remove(place).1) {
            Some(Value::Unreadable(line)) => {
                Err(format!("its field {name:?} is not understood (line {line} of the front matter)"))
            }
            found => Ok(found.unwrap_or(Value::Empty)),
        }
    }

    /// Takes a field that holds one text.
    fn one(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name)? {
            Value::Plain(text) | Value::Quoted(text) => Ok(Some(text)),
            Value::List(mut items) if items.len() <= 1 => Ok(items.pop()),
            Value::List(_) => Err(format!("its field {name:?} holds several values")),
            Value::Empty | Value::Unreadable(_) => Ok(None),
        }
    }

    fn flag(&mut self, name: &str) -> Result<Option<bool>, String> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(Some(true)),
            "false" | "no" | "off" | "0" => Ok(Some(false)),
            _ => Err(format!("its field {name:?} is neither true nor false")),
        }
    }

    /// Takes the tags: a list, or a text with commas between them. Some people write a `#` before each.
    fn tags(&mut self, is_ours: bool) -> Result<Vec<String>, String> {
        let value = match self.take("tags")? {
            Value::Empty => self.take("tag")?,
            value => value,
        };
        let without_sign = |tag: &str| tag.trim().trim_start_matches('#').to_owned();
        let tags: Vec<String> = match value {
            // In our own list a sign belongs to the name.
            Value::List(items) if is_ours => items,
            Value::List(items) => items.iter().map(|tag| without_sign(tag)).collect(),
            Value::Quoted(one) => vec![without_sign(&one)],
            Value::Plain(several) => several.split(',').map(without_sign).collect(),
            Value::Empty | Value::Unreadable(_) => Vec::new(),
        };
        Ok(tags.into_iter().filter(|tag| !tag.trim().is_empty()).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::portable::Output;
    use crate::portable::tests::*;

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
        write_all(&[], &written, Output::<File>::MarkdownFolder(&folder.0));
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
        let mut archive = File::create(folder.0.join("all.zip")).expect("a file");
        write_all(&[], &written, Output::MarkdownArchive(&mut archive));
        let mut read = entries(imported(&folder.0.join("all.zip")));
        read.sort_by_key(|entry| entry.id);
        assert_eq!(read, written);
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
}
