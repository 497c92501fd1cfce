//! The JSON export of jrnl (`jrnl --export json`), as its documentation describes it.
//!
//! Opens no file. Such a file has `tags`, an object of counts, and `entries`. An entry has `title` (its first
//! sentence), `body`, `date`, `time` without an offset, `tags` with their sign, and `starred`.

use super::import::NotesAt;
use super::members::Members;
use super::read::JsonFormat;
use super::title::{cut_at_word, first_visible_line};
use super::{PortableEntry, Reading};
use crate::dates::EntryTime;
use crate::limits;
use crate::text;

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
    let (title, content) = match (!text::has_visible(&title), !text::has_visible(&body)) {
        (true, true) => return Ok(None),
        // Its title is the first sentence of the text, so without the title a text would lack it.
        (false, true) => (cut_at_word(&title), title),
        (false, false) if title.chars().count() > limits::TITLE_CHARS_MAX => {
            (cut_at_word(&title), format!("{title}\n{body}"))
        }
        (false, false) => (title, body),
        (true, false) => (first_visible_line(&body), body),
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

    use serde_json::json;

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

    #[test]
    fn gives_an_entry_of_another_program_a_title_and_keeps_a_blank_one_of_its_own() {
        let folder = Folder::new();
        let read = |name: &str, text: String| {
            let read = entries(imported(&folder.file(name, text)));
            read.into_iter().map(|entry| (entry.title, entry.content)).collect::<Vec<_>>()
        };
        let one = |title: &str, content: &str| vec![(title.to_owned(), content.to_owned())];
        let jrnl = |title: &str, body: &str| {
            json!({ "tags": {}, "entries": [{ "title": title, "body": body, "date": "2025-01-31" }] })
                .to_string()
        };
        assert_eq!(read("a.json", jrnl("\u{200b}", " \n the end\nx")), one("the end", " \n the end\nx"));
        let day_one = json!({ "metadata": {}, "entries": [{ "text": "\u{200b}\nx", "creationDate": "2025-01-31T09:00:00Z" }] });
        assert_eq!(read("b.json", day_one.to_string()), one("x", "\u{200b}\nx"));
        let note = "---\ntitle: \"\u{200b}\"\n---\nx";
        assert_eq!(read("2025-01-31.md", note.to_owned()), one("2025-01-31", "x"));
        for title in [" ", "\u{200b}"] {
            let own = exported(&[], &[plain(title, "x", "2025-01-31")]);
            assert_eq!(read("own.json", String::from_utf8(own).expect("UTF-8")), one(title, "x"));
        }
    }
}
