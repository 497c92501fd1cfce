//! `epicme check`: looks through a database, or a copy of one, and says what is wrong with it.
//!
//! Changes nothing. Invariant: the exit code is 0 only if nothing is wrong.

use std::path::{Path, PathBuf};

use super::{CliError, CommandLine, say};
use crate::backup::Contents;
use crate::soundness;
use crate::store::{self, Store, StoreError, VERSION};
use crate::text;

/// Checks the file that is named, or the database.
pub(super) fn check(line: &CommandLine, file: Option<&str>) -> Result<(), CliError> {
    let path = file.map_or_else(|| line.database(), PathBuf::from);
    let told = path.display();
    let store = Store::open_to_copy(&path).map_err(|error| CliError::Failed(format!("{told}: {error}")))?;
    let looked = store.read_at_length(|connection| {
        let mut faults = store::sqlite_faults(connection)?;
        if faults.is_empty() {
            faults = store::schema_faults(connection)?;
        }
        // What is torn or missing can't be counted.
        let (contents, version) = if faults.is_empty() {
            faults = soundness::faults(connection)?;
            let version = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
            (Some(Contents::of(connection)?), version)
        } else {
            (None, VERSION)
        };
        Ok::<_, StoreError>((faults, contents, version))
    });
    let (faults, contents, version) =
        looked.map_err(|error| CliError::Failed(format!("{told}: {error}; {}", error.remedy())))?;
    let later = if version < VERSION { "; epicme serve brings it up to date" } else { "" };
    match contents {
        Some(contents) if faults.is_empty() => {
            say(&format!("{told}: sound, of schema version {version}, with {contents}{later}"))
        }
        _ => {
            for fault in faults {
                say(&format!("{told}: {}", text::displayable(&fault)))?;
            }
            say(&remedy(&path))?;
            Err(CliError::Refused)
        }
    }
}

fn remedy(path: &Path) -> String {
    let told = path.display();
    format!(
        "{told} is damaged: stop each epicme that uses it, see whether an earlier backup is sound by epicme check FILE, and \
         bring that one back by epicme restore FILE; before that, epicme export writes what can still be read"
    )
}
