//! What the tests of several files here need: made-up entries, a folder, and imports and exports that must succeed.
//!
//! Tests nothing itself.

use std::convert::Infallible;
use std::fs;
use std::io::{Cursor, Seek, Write};
use std::path::{Path, PathBuf};

use super::import::ImportError;
use super::*;
use crate::dates::Day;
use crate::secret;
use crate::text;
use crate::zone::Zone;

pub(super) const NOW: Timestamp = Timestamp(1_785_231_000);

/// Numbers that look random and are the same in every run (xorshift64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    /// A text of pieces of all scripts, and of all that a format may give a meaning to.
    pub(super) fn text(&mut self, pieces_max: usize) -> String {
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

    pub(super) fn label(&mut self) -> Option<String> {
        if self.below(2) == 0 { None } else { Some(self.text(8)) }
    }

    pub(super) fn entry(&mut self, id: i64) -> PortableEntry {
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
        let mut tags: Vec<_> = (0..self.below(6)).filter_map(|_| text::name(&self.text(6)).ok()).collect();
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
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("epicme-portable-{}", secret::random_text::<16>()));
        fs::create_dir(&path).expect("a folder");
        Folder(path)
    }

    pub(super) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
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

pub(super) fn read_in(path: &Path, zone: &str) -> Result<Import, ImportError> {
    read(path, &Reading { zone: &Zone::named(zone).expect("a zone"), now: NOW })
}

#[track_caller]
pub(super) fn imported(path: &Path) -> Import {
    read_in(path, "Europe/Berlin").expect("an import")
}

#[track_caller]
pub(super) fn refused(path: &Path) -> String {
    read_in(path, "UTC").map(|_| ()).expect_err("it is refused").to_string()
}

/// The entries, all of which can be kept.
#[track_caller]
pub(super) fn entries(import: Import) -> Vec<PortableEntry> {
    assert!(import.problems.is_empty(), "{:?}", import.problems);
    import.entries.into_iter().map(|placed| placed.entry).collect()
}

/// An entry that needs nothing.
pub(super) fn plain(title: &str, content: &str, date: &str) -> PortableEntry {
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

pub(super) fn exported(tags: &[PortableTag], entries: &[PortableEntry]) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    write_all(tags, entries, Output::Json(&mut out));
    out.into_inner()
}

pub(super) fn write_all<W: Write + Seek>(tags: &[PortableTag], entries: &[PortableEntry], output: Output<W>) {
    let person = Person { email: "ada@example.com".into(), time_zone: "Europe/Berlin".into() };
    let entries = &mut entries.iter().cloned().map(Ok::<_, Infallible>);
    let journal = PortableJournal { person, tags: tags.to_vec(), entries };
    write(journal, NOW, output, &mut |_| {}).expect("it is written");
}

/// What an import says besides.
pub(super) fn notes(import: &Import) -> Vec<String> {
    import.notes.sentences().collect()
}
