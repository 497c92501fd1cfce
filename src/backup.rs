//! Backups, copies of the whole database: how one is made, what it holds, and what one that is restored may not bring
//! back.
//!
//! Knows nothing of how a file is copied: the store does that. Invariant: nothing here changes the database that is
//! copied, but to note there when and where that was done.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::clock::Timestamp;
use crate::settings;
use crate::store::{Connection, CopyError, CopyProgress, Copying, OpenError, Store, StoreError};
use crate::text;

/// A backup that was made and checked.
pub(crate) struct Made {
    pub(crate) contents: Contents,
    /// How many steps of migration it has taken.
    pub(crate) version: i64,
    /// The size of its file.
    pub(crate) bytes: u64,
    /// When it was begun: later changes aren't in it.
    begun: Timestamp,
    path: PathBuf,
}

/// Makes a backup of the whole database at `path`; where it `replaces`, also in the place of an earlier one. It changes
/// nothing of the database. Another thread may set `stop`: then the backup is given up.
pub(crate) fn make(
    store: &Store,
    path: &Path,
    replaces: bool,
    progress: &mut dyn FnMut(CopyProgress),
    stop: Arc<AtomicBool>,
) -> Result<Made, BackupError> {
    let begun = Timestamp::now();
    let mut copying = Copying { version: None, replaces, amend: |_| Ok(()), progress, stop };
    let copied = store.copy_to(path, &mut copying).map_err(BackupError::Copy)?;
    let contents = Contents::of_copy(path).map_err(BackupError::Unread)?;
    // A relative path would lead elsewhere when it is read.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    Ok(Made { contents, version: copied.version, bytes: copied.bytes, begun, path })
}

impl Made {
    /// Has the database itself keep when and where it was backed up, for `epicme status`.
    pub(crate) fn remember(&self, store: &Store) -> Result<(), StoreError> {
        settings::remember_backup(store, self.begun, &self.path)
    }
}

/// Why there is no backup. Each message is for the operator and comes behind the name of the backup.
#[derive(Debug)]
pub(crate) enum BackupError {
    /// It can't be made.
    Copy(CopyError),
    /// It was made, and can't be read.
    Unread(OpenError),
}

impl fmt::Display for BackupError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackupError::Copy(error) => error.fmt(out),
            BackupError::Unread(error) => error.fmt(out),
        }
    }
}

impl Error for BackupError {}

/// How much a database has, for the operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Contents {
    people: i64,
    entries: i64,
    tags: i64,
}

impl Contents {
    /// Counts the rows of a copy.
    pub(crate) fn of_copy(path: &Path) -> Result<Contents, OpenError> {
        Ok(Store::open_to_copy(path)?.look_up(|copy| Ok::<_, StoreError>(Contents::of(copy)?))?)
    }

    /// Counts the rows. The tables have had these names since the first version of the file.
    pub(crate) fn of(connection: &Connection) -> rusqlite::Result<Contents> {
        let count = |sql| connection.query_row(sql, [], |row| row.get(0));
        Ok(Contents {
            people: count("SELECT count(*) FROM users")?,
            entries: count("SELECT count(*) FROM entries")?,
            tags: count("SELECT count(*) FROM tags")?,
        })
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Contents { people, entries, tags } = self;
        let people = text::counted(*people, "person", "people");
        let entries = text::counted(*entries, "entry", "entries");
        let tags = text::counted(*tags, "tag", "tags");
        write!(out, "{people}, {entries} and {tags}")
    }
}

/// The time in the name of a backup that the server makes: `epicme-20261130T070000Z.db`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Stamp(Timestamp);

impl Stamp {
    pub(crate) fn of(moment: Timestamp) -> Stamp {
        Stamp(moment)
    }

    /// Reads the name of a file; `None` if it isn't just of this form.
    pub(crate) fn parse(name: &str) -> Option<Stamp> {
        let time = name.strip_prefix("epicme-")?.strip_suffix(".db")?;
        let moment: jiff::Timestamp = time.parse().ok()?;
        let stamp = Stamp(Timestamp(moment.as_second()));
        (stamp.name() == name).then_some(stamp)
    }

    pub(crate) fn moment(self) -> Timestamp {
        self.0
    }

    pub(crate) fn name(self) -> String {
        format!("epicme-{}.db", self.0.compact())
    }
}

/// Ends all access that a copy of the database has: every token, every grant, and every sign-in in a browser.
///
/// A copy doesn't know what was revoked since it was made. A token that a person took back from a thief would be good
/// again, and nobody would be told. People keep their passwords, and clients their registrations, so they ask again.
/// The copy may be of any version; the tables of grants and sign-ins came with the second.
pub(crate) fn end_access(copy: &Connection) -> rusqlite::Result<()> {
    copy.execute("UPDATE tokens SET revoked_at = unixepoch() WHERE revoked_at IS NULL", [])?;
    if copy.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? >= 2 {
        copy.execute("UPDATE grants SET revoked_at = unixepoch() WHERE revoked_at IS NULL", [])?;
        copy.execute("DELETE FROM browsers", [])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_its_own_names_for_those_of_backups() {
        let name = "epicme-20260728T093000Z.db";
        let stamp = Stamp::parse(name).expect("a name of ours");
        assert_eq!((stamp.moment(), stamp.name()), (Timestamp(1_785_231_000), name.to_owned()));
        for other in [
            "epicme.db",
            "epicme-.db",
            "epicme-20260728T093000Z.db.part",
            "epicme-20260728T093000Z",
            "my-epicme-20260728T093000Z.db",
            "epicme-2026-07-28T09:30:00Z.db",
            "epicme-20260728T093000+00.db",
            "epicme-20260728T093000.5Z.db",
            "epicme-20260728t093000z.db",
            "epicme-20261328T093000Z.db",
        ] {
            assert_eq!(Stamp::parse(other), None, "{other}");
        }
    }
}
