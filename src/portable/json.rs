//! Our own export: one JSON file with a person's whole journal, and nothing lost. `docs/export.schema.json` describes
//! it.
//!
//! Opens no file and reads no row. Invariant: an entry that was written and read again is the same in each of its
//! fields.
//!
//! The file is written one entry after the other, each on a line of its own. So a large journal needs no more memory
//! than its largest entry, and two exports can be compared line by line.

use std::io::{self, Write};

use serde_json::Value;

use super::fitting::{tag_name, within};
use super::import::NotesAt;
use super::members::Members;
use super::read::{JsonFormat, Outline};
use super::{PortableEntry, PortableJournal, PortableTag, Reading};
use crate::clock::Timestamp;
use crate::dates::EntryTime;
use crate::json_text::{JsonText, array, object};
use crate::limits;
use crate::text;

/// What the member `format` holds.
const FORMAT_NAME: &str = "epicme-export";

/// The version that is written. A later one may hold what this program would lose, so it isn't read.
const VERSION: i64 = 1;

/// Writes a whole journal.
pub(super) fn write<E>(
    journal: PortableJournal<'_, E>,
    exported_at: Timestamp,
    out: &mut dyn Write,
) -> Result<(), E>
where
    E: From<io::Error>,
{
    let PortableJournal { person, tags, entries } = journal;
    let head = object(|out| {
        out.member("format", FORMAT_NAME);
        out.member("version", VERSION);
        out.member("exportedAt", exported_at.iso8601());
        out.member(
            "person",
            object(|out| {
                out.member("email", &person.email);
                out.member("timeZone", &person.time_zone);
            }),
        );
    });
    let head = JsonText::of(&head).to_string();
    // The object stays open for the lists.
    write!(out, "{},\n\"tags\":[", head.strip_suffix('}').unwrap_or(&head))?;
    for (place, tag) in tags.iter().enumerate() {
        write_tag(tag, if place > 0 { "," } else { "" }, out)?;
    }
    write!(out, "],\n\"entries\":[")?;
    for (place, entry) in entries.enumerate() {
        write_entry(&entry?, if place > 0 { "," } else { "" }, out)?;
    }
    // Without its end the file is no JSON, so half an export isn't taken for a whole one.
    Ok(out.write_all(b"]}\n")?)
}

/// Writes a tag on a line of its own, behind `comma`.
fn write_tag(tag: &PortableTag, comma: &str, out: &mut dyn Write) -> io::Result<()> {
    let PortableTag { id, name, description, created_at, updated_at } = tag;
    let written = object(|out| {
        out.member("id", *id);
        out.member("name", name);
        out.member("description", description.as_deref());
        out.member("createdAt", created_at.iso8601());
        out.member("updatedAt", updated_at.iso8601());
    });
    write!(out, "{comma}\n{}", JsonText::of(&written))
}

/// Writes an entry on a line of its own, behind `comma`.
fn write_entry(entry: &PortableEntry, comma: &str, out: &mut dyn Write) -> io::Result<()> {
    // The pattern names each field, so that this doesn't compile when an entry gets a new one that isn't written.
    let PortableEntry { id, title, content, date, mood, location, weather, .. } = entry;
    let PortableEntry { is_private, is_favorite, tags, created_at, updated_at, .. } = entry;
    let written = object(|out| {
        out.member("id", *id);
        out.member("title", title);
        out.member("content", content);
        out.member("date", date.day.to_string());
        out.member("dateTime", date.time.as_ref().map(EntryTime::as_str));
        out.member("mood", mood.as_deref());
        out.member("location", location.as_deref());
        out.member("weather", weather.as_deref());
        out.member("isPrivate", *is_private);
        out.member("isFavorite", *is_favorite);
        out.member("tags", array(tags));
        out.member("createdAt", created_at.iso8601());
        out.member("updatedAt", updated_at.iso8601());
    });
    write!(out, "{comma}\n{}", JsonText::of(&written))
}

/// How an import reads our own export.
pub(super) const FORMAT: JsonFormat = JsonFormat {
    name: "an export of epicme",
    is_it: |outline| outline.members.contains_key("format"),
    check,
    entry,
    tag: Some(tag),
};

/// Checks what stands beside the lists. The error says what the file is.
fn check(outline: &Outline, notes: &mut NotesAt) -> Result<(), String> {
    let members = &outline.members;
    if members.get("format").and_then(Value::as_str) != Some(FORMAT_NAME) {
        let named = members.get("format").map(ToString::to_string).unwrap_or_default();
        let named = text::displayable_name(named.trim_matches('"'));
        return Err(format!("its format is \"{named}\", and epicme reads \"{FORMAT_NAME}\""));
    }
    match members.get("version").and_then(Value::as_i64) {
        Some(VERSION) => {}
        Some(version) if version > VERSION => {
            return Err(format!(
                "it has version {version} of the format, and this epicme reads {VERSION}; use a newer epicme"
            ));
        }
        _ => return Err(format!("its version is missing or none; epicme reads version {VERSION}")),
    }
    for list in ["entries", "tags"] {
        match members.get(list) {
            Some(Value::Array(_)) => {}
            None if list == "tags" => {}
            _ => return Err(format!("it has no list of {list}")),
        }
    }
    let known = ["format", "version", "exportedAt", "person", "tags", "entries"];
    let unknown = members.keys().filter(|name| !known.contains(&name.as_str()));
    note_unknown(unknown, notes);
    Ok(())
}

fn tag(mut members: Members, reading: &Reading, notes: &mut NotesAt) -> Result<PortableTag, String> {
    let id = id(&mut members)?;
    let name = tag_name(&members.needed_text("name")?)?;
    let description = members.text("description")?;
    within("description", description.as_deref().unwrap_or_default(), limits::TAG_DESCRIPTION_CHARS_MAX)?;
    let (created_at, updated_at) = moments(&mut members, reading)?;
    note_unknown(members.0.keys(), notes);
    Ok(PortableTag { id, name, description, created_at, updated_at })
}

fn entry(
    mut members: Members,
    reading: &Reading,
    notes: &mut NotesAt,
) -> Result<Option<PortableEntry>, String> {
    let id = id(&mut members)?;
    let title = members.needed_text("title")?;
    let content = members.needed_text("content")?;
    let (day, time) = (members.needed_text("date")?, members.text("dateTime")?);
    let date = reading.date(time.as_deref().unwrap_or(&day))?;
    if date.day.to_string() != day {
        return Err(match time {
            Some(_) => format!("its dateTime is not on its date {:?}", text::displayable_name(&day)),
            None => {
                format!("its date {:?} has a time, which belongs in dateTime", text::displayable_name(&day))
            }
        });
    }
    let (mood, location) = (members.text("mood")?, members.text("location")?);
    let weather = members.text("weather")?;
    // An entry that a client makes without these has the same.
    let is_private = members.flag("isPrivate")?.unwrap_or(true);
    let is_favorite = members.flag("isFavorite")?.unwrap_or(false);
    let tags = members.texts("tags")?;
    let (created_at, updated_at) = moments(&mut members, reading)?;
    note_unknown(members.0.keys(), notes);
    Ok(Some(PortableEntry {
        id,
        title,
        content,
        date,
        mood,
        location,
        weather,
        is_private,
        is_favorite,
        tags,
        created_at,
        updated_at,
    }))
}

/// Takes the id.
fn id(members: &mut Members) -> Result<Option<i64>, String> {
    let Some(value) = members.take("id") else { return Ok(None) };
    match value.as_i64() {
        // A larger one is given anew, so that those that follow stay numbers that every client reads exactly.
        Some(id @ 1..) => Ok(Some(id).filter(|id| *id <= limits::IMPORTED_ID_MAX)),
        _ => Err("its id is not a whole number from 1 on".to_owned()),
    }
}

/// Takes when something was made and last changed.
fn moments(members: &mut Members, reading: &Reading) -> Result<(Timestamp, Timestamp), String> {
    let created_at = reading.moment(members.moment("createdAt")?);
    Ok((created_at, members.moment("updatedAt")?.map_or(created_at, |at| reading.moment(Some(at)))))
}

/// Says of members that this program doesn't know that they aren't kept: a person who has added some should learn that
/// they are not in the journal.
fn note_unknown<'n>(names: impl Iterator<Item = &'n String>, notes: &mut NotesAt) {
    for name in names {
        notes.add(&format!("\"{}\" is not known and not kept", text::displayable_name(name)));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::portable::tests::*;

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
}
