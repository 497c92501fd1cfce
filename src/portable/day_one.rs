//! The JSON export of Day One: `metadata`, and `entries` with Markdown in them, often in a ZIP archive with the photos.
//!
//! Opens no file. The form is as Day One's help on JSON export and import describes it: `creationDate` and
//! `modifiedDate` are in UTC, `timeZone` is a name of IANA's, and `text` is Markdown, in which `![](dayone-moment://…)`
//! stands where a photo was.

use serde_json::Value;

use super::import::NotesAt;
use super::members::Members;
use super::read::JsonFormat;
use super::title::title_and_text;
use super::{PortableEntry, Reading};
use crate::dates::{EntryDate, EntryTime};
use crate::limits;
use crate::zone::Zone;

/// What an entry may have beside its text, and the journal can't keep.
const ATTACHMENTS: [&str; 4] = ["photos", "videos", "audios", "pdfAttachments"];

/// How an import reads it.
pub(super) const FORMAT: JsonFormat = JsonFormat {
    name: "an export of Day One",
    is_it: |outline| {
        let has_metadata = outline.members.get("metadata").is_some_and(Value::is_object);
        outline.has_entries() && (has_metadata || outline.has_in_first("creationDate"))
    },
    check: |_, _| Ok(()),
    entry,
    tag: None,
};

fn entry(
    mut members: Members,
    reading: &Reading,
    notes: &mut NotesAt,
) -> Result<Option<PortableEntry>, String> {
    let text = members.text("text")?.unwrap_or_default();
    let has = |name: &str| members.0.get(name).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    if ATTACHMENTS.iter().any(|name| has(name)) || text.contains("dayone-moment:") {
        notes.add("its photos, videos and recordings are not kept; the text shows where they were");
    }
    let Some((title, content)) = title_and_text(&text) else { return Ok(None) };
    let created = members.needed_text("creationDate")?;
    let created = EntryDate::read(&created).map_err(|error| format!("its creationDate is {error}"))?;
    let created_at = created.time.as_ref().map(EntryTime::instant);
    // The day is the one where the person was.
    let zone = match members.text("timeZone")? {
        None => None,
        Some(name) => {
            let zone = Zone::named(&name);
            if zone.is_none() {
                notes.add("its time zone is not known, so its time is in yours");
            }
            zone
        }
    };
    let mut date = match created_at {
        Some(instant) => zone.as_ref().unwrap_or(reading.zone).now(instant),
        None => created,
    };
    if members.flag("isAllDay")? == Some(true) {
        date.time = None;
    }
    let created_at = reading.moment(created_at);
    Ok(Some(PortableEntry {
        id: None,
        title,
        content,
        date,
        mood: None,
        location: members.take("location").and_then(|location| place_name(&location)),
        weather: members.take("weather").and_then(|weather| conditions(&weather)),
        is_private: true,
        is_favorite: members.flag("starred")?.unwrap_or(false),
        tags: members.texts("tags")?,
        created_at,
        updated_at: members.moment("modifiedDate")?.map_or(created_at, |at| reading.moment(Some(at))),
    }))
}

/// Writes a place as people do, from the nearest name to the country; `None` if it has no name.
fn place_name(location: &Value) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for part in ["placeName", "localityName", "administrativeArea", "country"] {
        let name = location.get(part).and_then(Value::as_str).map(str::trim).unwrap_or_default();
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    fitting_label(&names.join(", "))
}

/// Writes the weather as `Mostly Cloudy, 12 °C`.
fn conditions(weather: &Value) -> Option<String> {
    let words = weather.get("conditionsDescription").and_then(Value::as_str).map(str::trim);
    let degrees = weather.get("temperatureCelsius").and_then(Value::as_f64);
    let degrees = degrees.map(|degrees| format!("{degrees:.0} °C").replace("-0 ", "0 "));
    let parts: Vec<_> =
        words.filter(|words| !words.is_empty()).map(str::to_owned).into_iter().chain(degrees).collect();
    fitting_label(&parts.join(", "))
}

/// Cuts a label that this file has put together. Its parts come from another program's maps, and are no reason to
/// refuse an entry.
fn fitting_label(label: &str) -> Option<String> {
    let label: String = label.chars().take(limits::LABEL_TEXT_CHARS_MAX).collect();
    Some(label).filter(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::portable::tests::*;

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
}
