//! What a journal can keep: the limits of an entry and of a tag that come from a file.
//!
//! Knows no format. Invariant: what passes can be written as it is, and an error is a sentence about the entry.

use super::PortableEntry;
use crate::limits;
use crate::text;

/// Returns the entry as the journal can keep it. Names of tags are cleaned, as those that a client sends; one that
/// comes twice counts once.
pub(super) fn fitting(mut entry: PortableEntry) -> Result<PortableEntry, String> {
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

pub(super) fn within(what: &str, text: &str, max: usize) -> Result<(), String> {
    let chars = text.chars().count();
    if text.contains('\0') {
        Err(format!("its {what} contains the character NUL"))
    } else if chars > max {
        Err(format!("its {what} has {chars} characters, and {max} is the limit"))
    } else {
        Ok(())
    }
}

pub(super) fn tag_name(text: &str) -> Result<String, String> {
    let shown = || text::displayable_name(text);
    let name = text::name(text).map_err(|bad| format!("the name {:?} of its tag {bad}", shown()))?;
    within(&format!("tag {:?}", shown()), &name, limits::TAG_NAME_CHARS_MAX)?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::limits;
    use crate::portable::tests::*;

    #[test]
    fn names_each_entry_that_can_not_be_kept_and_reads_the_others() {
        let entry = |change: &dyn Fn(&mut Value)| {
            let mut entry = json!({ "title": "a", "content": "b", "date": "2025-01-31" });
            change(&mut entry);
            entry
        };
        type Change<'c> = &'c dyn Fn(&mut Value);
        let cases: [(&str, Change, Option<&str>); 23] = [
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
                &|entry| entry["tags"] = json!((0..50).map(|n| n.to_string()).collect::<Vec<_>>()),
                None,
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
}
