//! What can be told from a database file and its log without SQLite: whether the log is the file's own.
//!
//! Writes nothing, and knows no table. SQLite keeps in a log nothing that names its file. So a copy of a database that
//! was put back beside the log of a crash gets the changes of that log, and is damaged by them.
//!
//! The numbers are those of SQLite's file format: the header of a database, of a log (32 bytes), and of each frame of a
//! log (24 bytes before a page). All are big-endian.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// The header of a database file.
pub(super) struct Header {
    pub(super) page_bytes: u64,
    has_log: bool,
    changes: u32,
    /// How many pages the file has; `None` if the header doesn't know.
    pages: Option<u64>,
    user_version: u32,
    application_id: u32,
}

impl Header {
    /// Reads the first bytes of a file; `None` if they aren't SQLite's.
    pub(super) fn read(bytes: &[u8; 100]) -> Option<Header> {
        if !bytes.starts_with(b"SQLite format 3\0") {
            return None;
        }
        let page_bytes = match u16::from_be_bytes([bytes[16], bytes[17]]) {
            1 => 65_536,
            size @ 512.. if size.is_power_of_two() => u64::from(size),
            _ => return None,
        };
        // An old version of SQLite changes the file and not this number; then the two counters differ.
        let is_known = number(bytes, 24) == number(bytes, 92);
        let pages = Some(u64::from(number(bytes, 28))).filter(|pages| is_known && *pages > 0);
        Some(Header {
            page_bytes,
            has_log: bytes[18] == 2,
            changes: number(bytes, 24),
            pages,
            user_version: number(bytes, 60),
            application_id: number(bytes, 68),
        })
    }

    /// How large the file must be.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.pages.map(|pages| pages * self.page_bytes)
    }

    /// Returns whether a file of this size is what a server with a new journal leaves when its log is lost.
    pub(super) fn is_without_content(&self, size: u64) -> bool {
        self.has_log && (self.user_version, self.application_id) == (0, 0) && size <= self.page_bytes
    }
}

/// What the commits of a log change.
pub(super) struct LogContents {
    /// The size of its file.
    pub(super) bytes: u64,
    page_bytes: u64,
    pages: HashSet<u32>,
    /// How many pages the database has after the last commit.
    pages_after: u64,
    /// The counter of changes in the first and in the last copy of the first page.
    changes: Option<(u32, u32)>,
}

impl LogContents {
    /// Reads a log to the end of its last commit, as SQLite does; `None` if there is no log, or no commit in it.
    pub(super) fn read(path: &Path) -> io::Result<Option<LogContents>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let bytes = file.metadata()?.len();
        let mut file = BufReader::with_capacity(256 * 1024, file);
        let mut header = [0; 32];
        if !read_whole(&mut file, &mut header)? {
            return Ok(None);
        }
        let magic = number(&header, 0);
        let mut sum = Checksum { big_endian: magic == 0x377f_0683, sums: (0, 0) };
        let page_bytes = number(&header, 8);
        let is_sound = magic & !1 == 0x377f_0682
            && (512..=65_536).contains(&page_bytes)
            && page_bytes.is_power_of_two()
            && sum.add(&header[..24]) == (number(&header, 24), number(&header, 28));
        if !is_sound {
            return Ok(None);
        }
        let (mut pages, mut pages_after, mut changes) = (HashSet::new(), 0, None);
        let mut uncommitted = Vec::new();
        let (mut frame, mut page) = ([0; 24], vec![0; page_bytes as usize]);
        while read_whole(&mut file, &mut frame)? && read_whole(&mut file, &mut page)? {
            sum.add(&frame[..8]);
            let is_whole = sum.add(&page) == (number(&frame, 16), number(&frame, 20));
            // A frame with other salts is of the log before, which this one writes over.
            if !is_whole || frame[8..16] != header[16..24] {
                break;
            }
            let (place, size_after) = (number(&frame, 0), number(&frame, 4));
            uncommitted.push((place, (place == 1).then(|| number(&page, 24))));
            if size_after > 0 {
                pages_after = u64::from(size_after);
                for (place, counter) in uncommitted.drain(..) {
                    pages.insert(place);
                    if let Some(counter) = counter {
                        changes = Some((changes.map_or(counter, |(first, _)| first), counter));
                    }
                }
            }
        }
        let log = LogContents { bytes, page_bytes: page_bytes.into(), pages, pages_after, changes };
        Ok(Some(log).filter(|log| log.pages_after > 0))
    }

    /// Returns `false` if it can't be the log of this file: pages that the file must have are in neither. A database
    /// grows with nearly each entry, so a copy from before the log lacks pages.
    pub(super) fn may_belong_to(&self, header: &Header, pages_in_file: u64) -> bool {
        let mut missing = pages_in_file + 1..=self.pages_after;
        header.page_bytes == self.page_bytes
            && missing.all(|page| u32::try_from(page).is_ok_and(|page| self.pages.contains(&page)))
    }

    /// Returns whether it may be the log of another file all the same: the database shrinks by it, or its counter of
    /// changes doesn't go on where the file's ends. Each is rare where the two belong together.
    pub(super) fn is_doubtful(&self, header: &Header, pages_in_file: u64) -> bool {
        let goes_on = self.changes.is_none_or(|(first, last)| {
            (first.saturating_sub(1)..=last.max(first)).contains(&header.changes)
        });
        self.pages_after < pages_in_file || !goes_on
    }
}

fn number(bytes: &[u8], place: usize) -> u32 {
    u32::from_be_bytes([bytes[place], bytes[place + 1], bytes[place + 2], bytes[place + 3]])
}

/// Fills a buffer; `false` if the file ends before.
fn read_whole(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

/// The checksum of a log, which goes on from frame to frame ("WAL file format", "checksum algorithm").
struct Checksum {
    big_endian: bool,
    sums: (u32, u32),
}

impl Checksum {
    fn add(&mut self, bytes: &[u8]) -> (u32, u32) {
        let word = |bytes: &[u8]| {
            let word = [bytes[0], bytes[1], bytes[2], bytes[3]];
            if self.big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
        };
        let (mut first, mut second) = self.sums;
        for pair in bytes.chunks_exact(8) {
            first = first.wrapping_add(word(pair)).wrapping_add(second);
            second = second.wrapping_add(word(&pair[4..])).wrapping_add(first);
        }
        self.sums = (first, second);
        self.sums
    }
}
