//! `epicme export`: a person's whole journal as a file of JSON or a folder of Markdown files.
//!
//! Writes nothing of a password or a token: it reads entries, tags, the address and the time zone alone. Invariant:
//! under the name that the operator gave there is a whole export or none. It is written beside that name first, and
//! gets the name when it is on the disk.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Cursor, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{CliError, CommandLine, STANDARD, cannot_print, counts, note, user};
use crate::clock::Timestamp;
use crate::journal::JournalError;
use crate::journal::transfer::{self, WholeJournal};
use crate::limits;
use crate::portable::{self, ExportError, Exported, Format, Output};
use crate::secret;
use crate::store::Store;
use crate::text;
use crate::users::{self, User};

/// Writes the journal of one person, or of each.
pub(super) fn export(line: &CommandLine, email: Option<&str>) -> Result<(), CliError> {
    let format = match line.value("format").as_deref() {
        None | Some("json") => Format::Json,
        Some("markdown") => Format::Markdown,
        Some(other) => {
            return Err(CliError::Usage(format!("--format takes json or markdown, not {other:?}")));
        }
    };
    // By an old convention - is standard output, where the export goes without the option too.
    let output = line.value("output").filter(|path| path != STANDARD).map(PathBuf::from);
    let all = line.flag("all");
    let usage = |why: &str| Err(CliError::Usage(why.to_owned()));
    match (&output, format) {
        _ if all && email.is_some() => return usage("name one person or give --all, not both"),
        (None, _) if all => {
            return usage("--all needs --output FOLDER, into which it writes one export for each person");
        }
        (None, Format::Markdown) => return usage("--format markdown needs --output FOLDER"),
        _ => {}
    }
    let store = line.existing(Store::open_to_read_all)?;
    if !all {
        let person = one_person(&store, email)?;
        let exported = match output {
            None => to_standard_output(&store, &person)?,
            Some(path) => in_place(&path, format, |beside| write(&store, &person, format, beside, &path))?,
        };
        note(&told(exported, &person));
        return Ok(());
    }
    let people = users::list(&store)?;
    let folder = output.unwrap_or_default();
    in_place(&folder, Format::Markdown, |beside| {
        let mut names = HashSet::new();
        for person in &people {
            let name = name_of(&person.email, &mut names);
            let exported = match format {
                Format::Json => {
                    let name = name + ".json";
                    write(&store, person, format, &beside.join(&name), &folder.join(&name))?
                }
                Format::Markdown => {
                    let (path, shown) = (beside.join(&name), folder.join(&name));
                    make_folder(&path).map_err(|error| cannot_write(&shown, &error))?;
                    write(&store, person, format, &path, &shown)?
                }
            };
            note(&told(exported, person));
        }
        Ok(())
    })
}

/// Finds the person that the command is about: the one who is named, or the only one.
pub(super) fn one_person(store: &Store, email: Option<&str>) -> Result<User, CliError> {
    let Some(email) = email else {
        let mut people = users::list(store)?;
        let only = people.pop().filter(|_| people.is_empty());
        return only.ok_or_else(|| {
            let why = "there is not just one account, so say whose journal it is; epicme user list shows all accounts";
            CliError::Failed(why.to_owned())
        });
    };
    match users::find_by_email(store, email)? {
        Some(person) => Ok(person),
        None => Err(user::require_account(false, email).err().unwrap_or(CliError::Refused)),
    }
}

fn told(exported: Exported, person: &User) -> String {
    let Exported { entries, tags } = exported;
    format!("exported {} of {}", counts(entries, tags), text::displayable(&person.email))
}

/// Takes a person's journal out of the database. `failed` says what could not be written to.
fn take_out<W: Write + Seek>(
    store: &Store,
    person: &User,
    output: Output<W>,
    failed: impl Fn(&io::Error) -> CliError,
) -> Result<Exported, CliError> {
    let whole = WholeJournal::for_operator(person);
    let exported = transfer::take_out(store, &whole, &person.email, |journal| {
        portable::write(journal, Timestamp::now(), output, &mut |entries| {
            if entries.is_multiple_of(limits::PROGRESS_ENTRIES) {
                note(&format!("{entries} entries so far"));
            }
        })
    });
    exported.map_err(|error| match error {
        ExportError::Journal(error) => CliError::from(error),
        ExportError::Output(error) => failed(&error),
    })
}

/// Writes JSON to standard output. What isn't a file may be read slowly, and while a read transaction is open, the log
/// of a server that uses the database can't start over. So such an output gets the export when it is whole in memory.
fn to_standard_output(store: &Store, person: &User) -> Result<Exported, CliError> {
    let output = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    let is_file = |output: &File| output.metadata().is_ok_and(|found| found.is_file());
    if let Some(file) = output.ok().filter(is_file) {
        let mut out = BufWriter::new(file);
        let exported = take_out(store, person, Output::Json(&mut out), cannot_print)?;
        out.flush().map_err(|error| cannot_print(&error))?;
        return Ok(exported);
    }
    let mut out = Cursor::new(Vec::new());
    let exported = take_out(store, person, Output::Json(&mut out), cannot_print)?;
    match io::stdout().lock().write_all(out.get_ref()).and_then(|()| io::stdout().flush()) {
        // The reader has read what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(exported),
        printed => printed.map(|()| exported).map_err(|error| cannot_print(&error)),
    }
}

/// Writes one person's journal into a new file, or into an empty folder. Returns when it is on the disk.
/// It is there under another name than `shown`, which the person knows.
fn write(
    store: &Store,
    person: &User,
    format: Format,
    path: &Path,
    shown: &Path,
) -> Result<Exported, CliError> {
    let failed = |error: &io::Error| cannot_write(shown, error);
    match format {
        Format::Json => {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let mut out = BufWriter::new(file.map_err(|error| failed(&error))?);
            let exported = take_out(store, person, Output::Json(&mut out), failed)?;
            let kept = out.into_inner().map_err(io::IntoInnerError::into_error);
            kept.and_then(|file| file.sync_all()).map_err(|error| failed(&error))?;
            Ok(exported)
        }
        Format::Markdown => {
            let exported = take_out(store, person, Output::<File>::MarkdownFolder(path), failed)?;
            // One call for the whole file system: one for each of ten thousand files takes minutes.
            let kept = File::open(path).and_then(|folder| Ok(nix::unistd::syncfs(folder)?));
            kept.map(|()| exported).map_err(|error| failed(&error))
        }
    }
}

/// Has `work` write under another name in the same folder, and gives what it wrote the name `path` at the end. If it
/// fails, nothing is left of it. An existing file is never replaced: it may be the only copy of an earlier export.
fn in_place<T>(
    path: &Path,
    format: Format,
    work: impl FnOnce(&Path) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let failed = |error: &io::Error| cannot_write(path, error);
    let is_free = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(failed(&error)),
        Ok(found) => {
            let is_folder = format == Format::Markdown && found.is_dir();
            is_folder && fs::read_dir(path).map_err(|error| failed(&error))?.next().is_none()
        }
    };
    let name = path.file_name().filter(|_| is_free).ok_or_else(|| {
        let shown = path.display();
        CliError::Failed(match format {
            Format::Json if path.is_dir() => {
                let example = path.join("journal.json");
                format!("{shown} is a folder; --output takes a new file, such as {}", example.display())
            }
            Format::Json => format!("{shown} exists already; --output takes a new file"),
            Format::Markdown if path.file_name().is_none() => {
                format!("{shown} can't be replaced; --output takes a new folder, such as journal")
            }
            Format::Markdown => format!("{shown} exists already; --output takes a new or empty folder"),
        })
    })?;
    // With an ending that can't be guessed, because others may be able to write into this folder too.
    let beside = format!(".{}.{}.part", name.display(), secret::random_text::<8>());
    let beside = path.with_file_name(beside);
    if format == Format::Markdown {
        make_folder(&beside).map_err(|error| failed(&error))?;
    }
    let done = work(&beside).and_then(|done| {
        fs::rename(&beside, path).map_err(|error| failed(&error))?;
        Ok(done)
    });
    if done.is_err() {
        let _ = fs::remove_file(&beside).or_else(|_| fs::remove_dir_all(&beside));
    }
    done
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Says why the output that a person named can't be written, and what they can do.
fn cannot_write(path: &Path, error: &io::Error) -> CliError {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = parent.display();
    let why = match error.kind() {
        io::ErrorKind::NotFound => {
            format!("there is no folder {parent}; make it first, or name another one with --output")
        }
        io::ErrorKind::NotADirectory => {
            // Perhaps the path itself: with a `/` behind it. As components it has none.
            let file = path.components().as_path().ancestors().find(|part| part.is_file());
            let file = file.unwrap_or(path).display();
            format!("{file} is not a folder; name another one with --output")
        }
        io::ErrorKind::PermissionDenied => {
            format!("you may not write into the folder {parent}; name another one with --output")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("there is no room left in {parent}; make room, or name another folder with --output")
        }
        _ => error.to_string(),
    };
    CliError::Failed(format!("can't write {}: {why}; nothing was exported", path.display()))
}

/// Makes a name for a person's export that no other person has. An address may hold any visible sign, a `/` too.
fn name_of(email: &str, names: &mut HashSet<String>) -> String {
    let is_kept = |letter: char| letter.is_ascii_alphanumeric() || "@._-+".contains(letter);
    let name: String =
        email.chars().map(|letter| if is_kept(letter) { letter } else { '-' }).take(100).collect();
    let name = name.trim_start_matches('.');
    let mut numbered = name.to_owned();
    let mut number = 1;
    // Some file systems take two cases for one.
    while numbered.is_empty() || !names.insert(numbered.to_lowercase()) {
        number += 1;
        numbered = format!("{name}-{number}");
    }
    numbered
}

impl From<JournalError> for CliError {
    fn from(error: JournalError) -> CliError {
        match error {
            JournalError::Store(error) => CliError::from(error),
            error => CliError::Failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_to_do_about_an_output_that_can_not_be_written() {
        for (kind, expected) in [
            (io::ErrorKind::NotFound, "there is no folder some; make it first"),
            (io::ErrorKind::PermissionDenied, "you may not write into the folder some;"),
            (io::ErrorKind::StorageFull, "there is no room left in some; make room"),
        ] {
            let said = cannot_write(Path::new("some/out.json"), &kind.into()).to_string();
            assert!(said.starts_with(&format!("can't write some/out.json: {expected}")), "{said}");
            assert!(said.ends_with("--output; nothing was exported"), "{said}");
        }
        let said = cannot_write(Path::new("out.json"), &io::ErrorKind::PermissionDenied.into()).to_string();
        assert!(said.contains("into the folder .;"), "{said}");
    }

    #[test]
    fn names_the_export_of_each_person_once() {
        let mut names = HashSet::new();
        let mut name = |email| name_of(email, &mut names);
        assert_eq!(name("ada@example.com"), "ada@example.com");
        assert_eq!(name("Ada@example.com"), "Ada@example.com-2");
        assert_eq!(name("../../x@y"), "-..-x@y");
        assert_eq!(name("a at https://issuer.example/é"), "a-at-https---issuer.example--");
        assert_eq!(name(".."), "-2");
        assert_eq!(name(&"x".repeat(300)).len(), 100);
    }
}
