//! The steps from an empty file to the present schema.
//!
//! Names no table but its own record of the steps. Invariant: a file of another program, or of a later version of
//! this one, is refused before anything in it is changed.
//!
//! There are no steps back. An older program refuses a newer file instead of guessing what the new columns mean, so
//! an operator who goes back to an older version needs a copy of the file from before the upgrade.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Instant;

use rusqlite::{Connection, TransactionBehavior};

use super::{Derived, OpenError, Progress, Tidy, VERSION, write_ahead};
use crate::limits;
use crate::schema_5;
use crate::stderr;

/// SQLite's `application_id` of our files: "EPIC" in ASCII. SQLite keeps this number in the file's header, so that a
/// program can recognize its own files.
pub(super) const APPLICATION_ID: i32 = 0x4550_4943;

/// Every step, with its name. SQLite's `user_version`, another number in the header, counts how many of them a file
/// has taken. So a step that has been published must not be edited: files that took the old step would not take the
/// new one, and would have another schema than new files, without an error that says so. A change is a new step at
/// the end.
pub(super) const MIGRATIONS: [Step; 5] = [
    Step::of("the journal, people and tokens", include_str!("../schema.sql")),
    Step::of("the authorization server", include_str!("../schema_2.sql")),
    Step::of("forms that work once", include_str!("../schema_3.sql")),
    Step::of("counts, indexes for lists, and notes for the search index", include_str!("../schema_4.sql")),
    Step {
        then: schema_5::fold_names,
        ..Step::of("dates, ids of one's own, and a search index of terms", include_str!("../schema_5.sql"))
    },
];

/// A step, in one transaction with all that are missing.
pub(super) struct Step {
    name: &'static str,
    sql: &'static str,
    /// Does what SQL can't, after the script.
    then: fn(&Connection) -> rusqlite::Result<()>,
}

impl Step {
    const fn of(name: &'static str, sql: &'static str) -> Step {
        Step { name, sql, then: |_| Ok(()) }
    }
}

/// How many steps a file must have taken so that the commands that only read can read it: none of their statements
/// names what a later step added (`users::list` looks first whether a column is there). So they also read the file of
/// the version before, which is what an operator who goes back needs, and which any write would take from it.
pub(super) const STEPS_TO_READ: usize = 2;

/// Refuses a file of another program or of a later version. Returns how many steps have been taken. Changes nothing
/// in the file.
pub(super) fn recognize(connection: &Connection) -> Result<usize, OpenError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = pragma("application_id")?;
    let version = pragma("user_version")?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    // Most programs leave both numbers at 0, so a file counts as new only if it has no table either. Otherwise this
    // program would put its tables into another program's database when the operator mistypes `--database`.
    let empty = tables == 0 && application == 0 && version == 0;
    if !empty && application != i64::from(APPLICATION_ID) {
        return Err(OpenError::Foreign);
    }
    let taken = usize::try_from(version).unwrap_or(usize::MAX);
    if taken > MIGRATIONS.len() {
        return Err(OpenError::Newer { file: version });
    }
    Ok(taken)
}

/// Takes the steps that are missing, in one transaction. The file has been recognized.
pub(super) fn run(connection: &mut Connection) -> Result<(), OpenError> {
    // The file keeps its journal mode, but SQLite can't change the mode inside a transaction, so this comes first.
    // SQLite doesn't report a failure here: it returns the mode that the file has now. Without a write-ahead log
    // readers would block the writer, and the writer would block readers. The index of the log is memory that
    // processes share, which a network file system can't give.
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(OpenError::NoLog);
    }
    // Unlike the mode, `synchronous` is a setting of the connection. `configure` sets it for every connection, but
    // only after this function, and the commit below must survive a power failure too.
    connection.pragma_update(None, "synchronous", "full")?;
    // In SQLite a transaction covers changes of the schema too: after a crash or an error in any step the file is as
    // it was before all of them.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // The version is read again now that this process holds the write lock: another process may have opened the same
    // new file at the same time, and may have taken the steps after the first look in [`recognize`]. Taking them twice
    // would fail.
    let taken = transaction.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
    let is_changed = usize::try_from(taken).is_ok_and(|taken| taken < MIGRATIONS.len());
    // Mostly no step is missing. Then nothing is written, and the commit below waits for no disk.
    take(&transaction, taken + 1..=VERSION)?;
    transaction.commit()?;
    if is_changed {
        // A copy of the file alone, without its log, has at least its tables then, and isn't taken for an empty one.
        // Where others read the file just now, a later checkpoint does it.
        write_ahead::checkpoint(connection)?;
    }
    Ok(())
}

/// Takes steps, by their numbers, in a transaction.
fn take(connection: &Connection, steps: RangeInclusive<i64>) -> rusqlite::Result<()> {
    for (number, Step { name, sql, then }) in
        (1i64..).zip(MIGRATIONS).filter(|(number, _)| steps.contains(number))
    {
        connection.execute_batch(sql)?;
        then(connection)?;
        // This record is for people who look into the file. The program itself uses `user_version`.
        connection.execute(
            "INSERT INTO schema_versions (version, name, applied_at) VALUES (?1, ?2, unixepoch())",
            (number, name),
        )?;
        connection.pragma_update(None, "user_version", number)?;
        // The mark is set in the same transaction. A file with our tables but without our mark would be refused as
        // another program's.
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    Ok(())
}

/// Returns a line for each table, index, view and trigger that is missing, or isn't as the steps make it that the file
/// has taken. What was added isn't looked at: a program that replicates the file keeps tables of its own there.
pub(crate) fn schema_faults(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let fresh = Connection::open_in_memory()?;
    take(&fresh, 1..=version)?;
    let found = schema(connection)?;
    let faults = schema(&fresh)?.into_iter().filter_map(|((kind, name), sql)| {
        let what = format!("the {kind} {name}");
        match found.get(&(kind, name)) {
            None => Some(format!("{what} is missing")),
            Some(found) if *found != sql => Some(format!("{what} isn't as this program makes it")),
            Some(_) => None,
        }
    });
    Ok(faults.collect())
}

/// What a database is made of: kind and name, and the statement that makes it. What SQLite makes by itself has none.
fn schema(connection: &Connection) -> rusqlite::Result<BTreeMap<(String, String), String>> {
    let sql =
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND substr(name, 1, 7) <> 'sqlite_'";
    let mut select = connection.prepare(sql)?;
    let rows = select.query_map([], |row| {
        let sql: String = row.get(2)?;
        let words: Vec<_> = sql.split_whitespace().collect();
        Ok(((row.get(0)?, row.get(1)?), words.join(" ")))
    })?;
    rows.collect()
}

/// Makes what is derived from the rows, as far as it is missing: piece by piece, each in a transaction of its own. A
/// program that is killed leaves whole pieces, and the next one goes on behind them. While it takes long, tells the
/// operator how far it is.
pub(super) fn make_derived(connection: &mut Connection, derived: Derived) -> Result<(), OpenError> {
    let (mut told, mut has_made) = (Instant::now(), false);
    loop {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let is_piece = (derived.make_piece)(&transaction)?;
        // Mostly nothing is missing. Then nothing was written, and the commit waits for no disk.
        transaction.commit()?;
        if has_made && !is_piece || is_piece && told.elapsed() >= limits::PROGRESS_INTERVAL {
            let Progress { made, of } = (derived.progress)(connection)?;
            stderr::note(&format!("bringing the database up to date: row {made} of {of}"));
            told = Instant::now();
        }
        if !is_piece {
            break;
        }
        has_made = true;
    }
    while has_made {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        has_made = (derived.tidy)(&transaction, Tidy::All)?;
        transaction.commit()?;
    }
    Ok(())
}
