//! What a person names to be imported: a file, a folder or a ZIP archive, opened as a list of files.
//!
//! Knows no format but ZIP and gives the bytes no meaning. Invariant: nothing outside of what was named is read, since
//! links aren't followed and nothing is unpacked to the disk; and no more than [`limits::IMPORT_BYTES_MAX`] is read of
//! an archive, counted as the bytes come, because an archive can say that it holds less than it unpacks to.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::result::ZipError;

use super::import::{ImportError, Notes};
use crate::json::{self, Part};
use crate::limits;
use crate::text;

/// How a file is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// In one of the formats that are JSON.
    Json,
    /// As one entry.
    Markdown,
}

/// The files to be read, in the order of their names.
pub(super) struct InputFiles {
    files: Vec<Listed>,
    archive: Option<ZipArchive<BufReader<File>>>,
    /// How many files are neither JSON nor Markdown, and one of them.
    others: (usize, String),
    /// The bytes that may still be read, of those that may be read altogether.
    left: Cell<u64>,
    bytes_max: u64,
    /// The JSON file that was read last. It is counted when it is read first.
    counted: Option<usize>,
}

struct Listed {
    /// As messages show it: from the folder or archive that was named.
    name: String,
    kind: Kind,
    at: At,
}

/// Where the bytes of a file are.
enum At {
    Path(PathBuf),
    /// The number of a file in the archive.
    Member(usize),
}

impl InputFiles {
    pub(super) fn open(path: &Path, bytes_max: u64) -> Result<InputFiles, ImportError> {
        let name = shown(&path.to_string_lossy());
        let refused = |error: io::Error| ImportError::new(&name, format!("can't read it: {error}"));
        // The person may name a link. Only those that lie in what is named aren't followed.
        let found = fs::metadata(path).map_err(refused)?;
        let mut source = InputFiles {
            files: Vec::new(),
            archive: None,
            others: (0, String::new()),
            left: Cell::new(limits::IMPORT_PLAIN_BYTES_MAX),
            bytes_max: limits::IMPORT_PLAIN_BYTES_MAX,
            counted: None,
        };
        if found.is_dir() {
            source.list_folder(path, "", 0)?;
        } else if !found.is_file() {
            return Err(ImportError::new(&name, "it is neither a file nor a folder"));
        } else {
            // What a file is, its first bytes say. A name says it of Markdown alone, which is any text.
            let mut file = File::open(path).map_err(refused)?;
            let mut start = Vec::new();
            (&mut file).take(512).read_to_end(&mut start).map_err(refused)?;
            let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).trim_ascii_start();
            if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
                file.rewind().map_err(refused)?;
                // What it will be when it is unpacked, its size doesn't say.
                source.left.set(bytes_max);
                source.bytes_max = bytes_max;
                source.list_archive(file, &name)?;
            } else {
                let is_markdown = text.starts_with(b"---") || kind_of(&name) == Some(Kind::Markdown);
                let kind = match text.first() {
                    Some(b'{') => Kind::Json,
                    _ if is_markdown => Kind::Markdown,
                    None => return Err(ImportError::new(&name, "it is empty")),
                    _ => return Err(ImportError::new(&name, NO_KNOWN_FORM)),
                };
                source.files.push(Listed { name, kind, at: At::Path(path.to_owned()) });
            }
        }
        source.files.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(source)
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    pub(super) fn name(&self, place: usize) -> &str {
        &self.files[place].name
    }

    pub(super) fn kind(&self, place: usize) -> Kind {
        self.files[place].kind
    }

    /// Says how many files were left out.
    pub(super) fn note_others(&self, notes: &mut Notes) {
        let (count, one) = &self.others;
        if *count > 0 {
            let what = "neither Markdown nor JSON, and left out";
            let files = if *count == 1 { "file is" } else { "files are" };
            notes.at(one).add(&format!("{count} {files} {what}"));
        }
    }

    /// Reads a whole file as text. The inner error is a sentence about this one file, by which the others are read
    /// nevertheless.
    pub(super) fn whole(
        &mut self,
        place: usize,
        bytes_max: usize,
    ) -> Result<Result<String, String>, ImportError> {
        let mut bytes = Vec::new();
        let name = self.files[place].name.clone();
        let read = self.reader(place)?.take(bytes_max as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| ImportError::new(&name, error))?;
        if bytes.len() > bytes_max {
            return Ok(Err(format!("it has more than {bytes_max} bytes")));
        }
        Ok(String::from_utf8(bytes).map_err(|error| {
            let place = error.utf8_error().valid_up_to();
            format!("it is not UTF-8: byte {} is wrong", place + 1)
        }))
    }

    /// Reads a JSON file; see [`json::stream`].
    pub(super) fn stream(
        &mut self,
        place: usize,
        lists: &[&str],
        each: &mut dyn FnMut(Part<'_>),
    ) -> Result<(), ImportError> {
        // JSON is read twice, and counted once.
        let is_counted = self.counted.replace(place) == Some(place);
        let left = self.left.get();
        if is_counted {
            self.left.set(self.bytes_max);
        }
        let name = self.files[place].name.clone();
        let read = json::stream(self.reader(place)?, lists, each);
        if is_counted {
            self.left.set(left);
        }
        read.map_err(|bad| ImportError::new(&name, format!("it can't be read as JSON: {bad}")))
    }

    fn reader(&mut self, place: usize) -> Result<impl Read, ImportError> {
        let Listed { name, at, .. } = &self.files[place];
        let inner: Box<dyn Read> = match (at, &mut self.archive) {
            (At::Path(path), _) => Box::new(File::open(path).map_err(|error| ImportError::new(name, error))?),
            (At::Member(number), Some(archive)) => {
                Box::new(archive.by_index(*number).map_err(|error| ImportError::new(name, bad_zip(&error)))?)
            }
            (At::Member(_), None) => Box::new(io::empty()),
        };
        Ok(Bounded { inner, left: &self.left, bytes_max: self.bytes_max })
    }

    /// Adds a file or folder to the list, or to the number of those that are left out.
    fn list(&mut self, name: String, at: At) -> Result<(), ImportError> {
        if self.files.len() + self.others.0 >= limits::IMPORT_FILES_MAX {
            let why = format!("there are more than {} files; import it in parts", limits::IMPORT_FILES_MAX);
            return Err(ImportError::new(&name, why));
        }
        match kind_of(&name) {
            Some(kind) => self.files.push(Listed { name, kind, at }),
            None => {
                self.others.0 += 1;
                self.others.1 = name;
            }
        }
        Ok(())
    }

    /// Lists a folder and those in it.
    fn list_folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), ImportError> {
        let refused =
            |name: &str, error: io::Error| ImportError::new(name, format!("can't read it: {error}"));
        for found in fs::read_dir(folder).map_err(|error| refused(prefix, error))? {
            let found = found.map_err(|error| refused(prefix, error))?;
            let name = format!("{prefix}{}", shown(&found.file_name().to_string_lossy()));
            if is_hidden(&found.file_name().to_string_lossy()) {
                continue;
            }
            // Of the link itself, and not of what it leads to.
            let kind = found.file_type().map_err(|error| refused(&name, error))?;
            if kind.is_file() {
                self.list(name, At::Path(found.path()))?;
            } else if kind.is_dir() && depth < limits::IMPORT_DEPTH_MAX {
                self.list_folder(&found.path(), &format!("{name}/"), depth + 1)?;
            } else {
                self.others = (self.others.0 + 1, name);
            }
        }
        Ok(())
    }

    fn list_archive(&mut self, file: File, name: &str) -> Result<(), ImportError> {
        let refused = |error: ZipError| ImportError::new(name, bad_zip(&error));
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(refused)?;
        for number in 0..archive.len() {
            let member = archive.by_index_raw(number).map_err(refused)?;
            let member_name = shown(member.name());
            let is_hidden = member_name.split('/').any(is_hidden);
            if !member.is_file() || member.is_symlink() || is_hidden {
                continue;
            }
            drop(member);
            self.list(member_name, At::Member(number))?;
        }
        self.archive = Some(archive);
        Ok(())
    }
}

/// Why a file isn't opened.
const NO_KNOWN_FORM: &str =
    "it is no JSON, no ZIP archive and no Markdown file (.md), so there is no journal in it";

/// Returns whether a name is one under which programs keep what is theirs, as Obsidian its settings.
fn is_hidden(name: &str) -> bool {
    name == "__MACOSX" || name.starts_with('.') && !matches!(name, "." | "..")
}

/// Returns how a file is read whose name ends so.
fn kind_of(name: &str) -> Option<Kind> {
    let (_, ending) = name.rsplit_once('.')?;
    match ending.to_ascii_lowercase().as_str() {
        "json" => Some(Kind::Json),
        "md" | "markdown" => Some(Kind::Markdown),
        _ => None,
    }
}

/// Returns a name as a message may show it: a file can have any name.
fn shown(name: &str) -> String {
    text::displayable(name)
}

fn bad_zip(error: &ZipError) -> String {
    match error {
        ZipError::UnsupportedArchive(what) if *what == ZipError::PASSWORD_REQUIRED => {
            "it is encrypted; unpack it first, and import the folder".to_owned()
        }
        ZipError::UnsupportedArchive(what) => {
            format!(
                "it is a ZIP archive of a kind that epicme can't read ({what}); unpack it first, and import the folder"
            )
        }
        _ => format!("the ZIP archive is damaged: {error}"),
    }
}

/// A reader that ends with an error once no more bytes may be read.
struct Bounded<'l, R> {
    inner: R,
    left: &'l Cell<u64>,
    bytes_max: u64,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        let left = self.left.get().checked_sub(count as u64);
        self.left.set(left.ok_or_else(|| {
            let max = self.bytes_max / 1024 / 1024;
            io::Error::other(format!("it is more than {max} MiB once it is unpacked"))
        })?);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::super::read::{NO_EXPORT, read_at_most};
    use crate::portable::Reading;
    use crate::portable::tests::*;
    use crate::zone::Zone;

    #[test]
    fn reads_nothing_outside_of_what_was_named() {
        let folder = Folder::new();
        folder.file("outside/2025-01-01.md", "outside");
        folder.file("vault/2025-01-31.md", "inside");
        folder.file("vault/.obsidian/app.json", "{}");
        folder.file("vault/photo.jpeg", "x");
        let vault = folder.0.join("vault");
        symlink(folder.0.join("outside"), vault.join("link")).expect("a link");
        symlink(folder.0.join("outside/2025-01-01.md"), vault.join("2025-01-01.md")).expect("a link");
        folder.file("vault/other.json", "{\"a\":1}");
        let import = imported(&vault);
        assert_eq!(
            notes(&import),
            [
                format!("other.json: {NO_EXPORT}"),
                notes(&import)
                    .pop()
                    .filter(|note| note.contains("3 files are neither Markdown nor JSON"))
                    .expect("a note"),
            ]
        );
        let contents: Vec<_> = entries(import).into_iter().map(|entry| entry.content).collect();
        assert_eq!(contents, ["inside"]);
        symlink(&vault, folder.0.join("named")).expect("a link");
        assert_eq!(imported(&folder.0.join("named")).entries.len(), 1, "a link that is named is followed");
    }

    #[test]
    fn reads_an_archive_and_refuses_one_that_unpacks_to_too_much() {
        let folder = Folder::new();
        let pack = |name: &str, add: &dyn Fn(&mut ZipWriter<fs::File>)| {
            let path = folder.0.join(name);
            let mut writer = ZipWriter::new(fs::File::create(&path).expect("a file"));
            add(&mut writer);
            writer.finish().expect("an archive");
            path
        };
        let deflated = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        let sample = fs::read("tests/samples/day-one.json").expect("the sample");
        let path = pack("export.zip", &|writer| {
            writer.add_directory("photos/", deflated).expect("a member");
            writer.start_file("photos/x.jpeg", deflated).expect("a member");
            writer.start_file("../../Journal.json", deflated).expect("a member");
            writer.write_all(&sample).expect("a member");
        });
        let import = imported(&path);
        assert_eq!((import.format, import.entries.len()), ("an export of Day One", 2));
        assert!(notes(&import).iter().any(|note| note.contains("1 file is neither Markdown nor JSON")));
        let bomb = pack("bomb.zip", &|writer| {
            writer.start_file("Journal.json", deflated).expect("a member");
            writer.write_all(b"{\"entries\":[").expect("a member");
            writer.write_all(&[b' '; 2 * 1024 * 1024]).expect("a member");
            writer.write_all(b"]}").expect("a member");
        });
        assert!(fs::metadata(&bomb).expect("metadata").len() < 4096, "it is small");
        let reading = Reading { zone: &Zone::utc(), now: NOW };
        let unpacked =
            |bytes_max| read_at_most(&bomb, &reading, bytes_max).map(|import| import.entries.len());
        let said = unpacked(2 * 1024 * 1024).expect_err("it is refused").to_string();
        assert!(said.contains("it is more than 2 MiB once it is unpacked"), "{said}");
        let whole = unpacked(3 * 1024 * 1024).expect_err("it is no export").to_string();
        assert!(whole.contains(NO_EXPORT), "{whole}");
    }
}
