//! The JSON export of jrnl (`jrnl --export json`), as its documentation describes it.
//!
//! Opens no file. Such a file has `tags`, an object of counts, and `entries`. An entry has `title` (its first sentence),
//! `body`, `date`, `time` without an offset, `tags` with their sign, and `starred`.

use serde_json::Value;

use super::members::Members;
use super::{Notes, PortableEntry, Reading, cut_at_word};
use crate::dates::EntryTime;
use crate::limits;

/// Reads an entry; `None` if nothing is written in it.
pub(super) fn entry(
    value: Value,
    _place: &str,
    reading: &Reading,
    _notes: &mut Notes,
) -> Result<Option<PortableEntry>, String> {
    let mut members = Members::of(value)?;
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
