//! The JSON export of jrnl (`jrnl --export json`), as its documentation describes it.
//!
//! Opens no file. Such a file has `tags`, an object of counts, and `entries`. An entry has `title` (its first sentence),
//! `body`, `date`, `time` without an offset, `tags` with their sign, and `starred`.

use super::import::NotesAt;
use super::members::Members;
use super::read::JsonFormat;
use super::title::cut_at_word;
use super::{PortableEntry, Reading};
use crate::dates::EntryTime;
use crate::limits;

/// How an import reads it.
pub(super) const FORMAT: JsonFormat = JsonFormat {
    name: "an export of jrnl",
    is_it: |outline| {
        outline.has_entries() && (outline.members.contains_key("tags") || outline.has_in_first("body"))
    },
    check: |_, _| Ok(()),
    entry,
    tag: None,
};

fn entry(
    mut members: Members,
    reading: &Reading,
    _notes: &mut NotesAt,
) -> Result<Option<PortableEntry>, String> {
    let title = members.text("title")?.unwrap_or_default().trim().to_owned();
    let body = members.text("body")?.unwrap_or_default();
    let body = body.trim_end().trim_start_matches(['\n', '\r']).to_owned();
    let (title, content) = match (title.is_empty(), body.trim().is_empty()) {
        (true, true) => return Ok(None),
        // Its title is the first sentence of the text, so without the title a text would lack it.
        (false, true) => (cut_at_word(&title), title),
        (false, false) if title.chars().count() > limits::TITLE_CHARS_MAX => {
            (cut_at_word(&title), format!("{title}\n{body}"))
        }
        (false, false) => (title, body),
        (true, false) => (cut_at_word(body.lines().next().unwrap_or_default().trim()), body),
    };
    let date = members.needed_text("date")?;
    let date = match members.text("time")?.filter(|time| !time.is_empty()) {
        Some(time) => reading.date(&format!("{date}T{time}"))?,
        None => reading.date(&date)?,
    };
    // The sign before a tag is a setting of jrnl's; these are usual.
    let tags = members.texts("tags")?;
    let tags = tags.iter().map(|tag| tag.trim_start_matches(['@', '#']).to_owned()).collect();
    let made_at = reading.moment(date.time.as_ref().map(EntryTime::instant));
    Ok(Some(PortableEntry {
        id: None,
        title,
        content,
        date,
        mood: None,
        location: None,
        weather: None,
        is_private: true,
        is_favorite: members.flag("starred")?.unwrap_or(false),
        tags,
        created_at: made_at,
        updated_at: made_at,
    }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::portable::tests::*;

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
}
