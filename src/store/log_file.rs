//! What can be told from a database file and its log without SQLite: whether the log is the file's own, and whole.
//!
//! Writes nothing, and knows no table. SQLite keeps in a log nothing that names its file. So a copy of a database that
//! was put back beside the log of a crash gets the changes of that log, and is damaged by them; and a log of an earlier
//! time that was put back beside the database takes back what was written since. And SQLite takes the first frame that
//! is wrong for the end of the log, so one wrong byte takes back all commits behind it, without an error.
//!
//! What tells a file and a log of two times apart is the counter of changes on the first page. It never goes down, and
//! each program that writes raises it with its first commit (`writer.rs`). So between two programs that wrote one after
//! the other, it differs.
//!
//! A wrong frame is also what a power failure leaves. Which of the two it is, follows from what stands behind it:
//!
//! - Each commit is on the disk before the next one begins (`synchronous=full`). So a power failure tears the last
//!   commit alone, which no client was told of. Its frames may have reached the disk in any order: behind the first
//!   that is missing stands at most one frame that ends a commit, its own. Then come frames of an earlier turn of the
//!   log, which have other salts.
//! - If two frames there end commits of this turn, the first commit was whole once: the log is damaged.
//!
//! So damage to the last commit can't be told from a torn one: what is wrong there, SQLite ignores. In the commit
//! before it, the same holds for the few bytes that make it unclear whether a frame ended that commit: the mark of
//! the end, its salts, and the checksum from which that of the next frame goes on. Nor can a log whose end was cut
//! off be told from one that ends there. The other way round, a torn log passes for damaged only if another program
//! wrote with less than `synchronous=full`, or if the disk failed at several commits before: SQLite writes over
//! these, and the end of a longer one may still be there.
//!
//! Of a log whose header is wrong SQLite ignores all. SQLite has the header on the disk before the first frame, so one
//! with a frame was whole. Only the header of a log that starts over might be torn, if a disk wrote a part of its 32
//! bytes. That is refused too; the database file alone has everything then.
//!
//! The numbers are those of SQLite's file format: the header of a database, of a log (32 bytes), and of each frame of a
//! log (24 bytes before a page). All are big-endian.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::migrations::APPLICATION_ID;

/// The length of a log's header.
const HEADER_BYTES: usize = 32;

/// The length of what stands before each page of a log.
const FRAME_HEADER_BYTES: usize = 24;

/// The header of a database file.
pub(super) struct Header {
    pub(super) page_bytes: u64,
    pub(super) has_log: bool,
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

    /// Returns whether the file is one of this program.
    pub(super) fn is_ours(&self) -> bool {
        self.application_id.cast_signed() == APPLICATION_ID
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
    /// Where a part begins that is wrong, if there were commits behind it.
    pub(super) damaged_at: Option<u64>,
}

impl LogContents {
    /// Reads a log to the end of its last commit, as SQLite does, and looks behind it for damage; `None` if there is no
    /// log, or nothing in it. The pages of its database have `page_bytes`.
    pub(super) fn read(path: &Path, page_bytes: u64) -> io::Result<Option<LogContents>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let bytes = file.metadata()?.len();
        let mut file = BufReader::with_capacity(256 * 1024, file);
        let mut log = LogContents {
            bytes,
            page_bytes,
            pages: HashSet::new(),
            pages_after: 0,
            changes: None,
            damaged_at: None,
        };
        let mut header = [0; HEADER_BYTES];
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
            let has_frame = bytes >= (HEADER_BYTES + FRAME_HEADER_BYTES) as u64 + log.page_bytes;
            log.damaged_at = has_frame.then_some(0);
            return Ok(Some(log).filter(|_| has_frame));
        }
        log.page_bytes = page_bytes.into();
        let mut uncommitted = Vec::new();
        let (mut frame, mut page) = ([0; FRAME_HEADER_BYTES], vec![0; page_bytes as usize]);
        // Where the first frame is that is no part of the log, the checksum that the frame before says it has, and how
        // many commits of this log end from there on.
        let (mut end, mut before, mut commits_behind) = (None, sum.sums, 0);
        let mut place = HEADER_BYTES as u64;
        while commits_behind < 2 && read_whole(&mut file, &mut frame)? && read_whole(&mut file, &mut page)? {
            let stored = (number(&frame, 16), number(&frame, 20));
            // A frame with other salts is of the log before, which this one writes over.
            let is_ours = frame[8..16] == header[16..24];
            let (number_of_page, size_after) = (number(&frame, 0), number(&frame, 4));
            // Behind the end, only a frame that ends a commit matters.
            let is_whole = is_ours && (end.is_none() || size_after > 0) && {
                let mut sum = Checksum { sums: before, ..sum };
                sum.add(&frame[..8]);
                sum.add(&page) == stored
            };
            if end.is_none() && is_whole {
                let counter = (number_of_page == 1).then(|| number(&page, 24));
                uncommitted.push((number_of_page, counter));
                if size_after > 0 {
                    log.commit(&mut uncommitted, size_after);
                }
            } else {
                // The frame at the end itself counts by its header: a torn commit has nothing behind its last frame.
                commits_behind += usize::from(is_ours && size_after > 0 && (end.is_none() || is_whole));
                end.get_or_insert(place);
            }
            before = stored;
            place += FRAME_HEADER_BYTES as u64 + log.page_bytes;
        }
        log.damaged_at = end.filter(|_| commits_behind >= 2);
        Ok(Some(log).filter(|log| log.pages_after > 0 || log.damaged_at.is_some()))
    }

    /// Takes in the pages of a commit, each with the counter of changes that it has.
    fn commit(&mut self, pages: &mut Vec<(u32, Option<u32>)>, size_after: u32) {
        self.pages_after = u64::from(size_after);
        for (page, counter) in pages.drain(..) {
            self.pages.insert(page);
            if let Some(counter) = counter {
                self.changes = Some((self.changes.map_or(counter, |(first, _)| first), counter));
            }
        }
    }

    /// Returns `false` if it can't be the log of this file: pages that the file must have are in neither, or the two
    /// are of two times. A log begins with the counter of changes that the file had then, or the next one, and a
    /// checkpoint puts no later one into the file than the log has.
    pub(super) fn may_belong_to(&self, header: &Header, pages_in_file: u64) -> bool {
        let mut missing = pages_in_file + 1..=self.pages_after;
        let of_its_time = |(first, last)| (u32::saturating_sub(first, 1)..=last).contains(&header.changes);
        header.page_bytes == self.page_bytes
            && missing.all(|page| u32::try_from(page).is_ok_and(|page| self.pages.contains(&page)))
            && self.changes.is_none_or(of_its_time)
    }

    /// Returns whether it may be the log of another file all the same: the database shrinks by it, which is rare where
    /// the two belong together.
    pub(super) fn is_doubtful(&self, pages_in_file: u64) -> bool {
        self.pages_after < pages_in_file
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
