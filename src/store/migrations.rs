//! The steps from an empty file to the present schema.
//!
//! Knows no table but its own record of the steps. Invariant: a file that isn't ours, or that a later version made,
//! is refused before anything in it is changed.
//!
//! There are no steps back. An older program refuses a newer file instead of guessing what the new columns mean, so
//! an operator who must go back needs a copy of the file from before the upgrade.

use rusqlite::{Connection, TransactionBehavior};

use super::OpenError;

/// SQLite's `application_id` of our files: "EPIC" in ASCII. SQLite keeps this number in the header of the file for
/// exactly this use and gives it no meaning of its own.
const APPLICATION_ID: i32 = 0x4550_4943;

/// Every step, with its name. SQLite's `user_version`, another number in the header, counts how many of them a file
/// has taken. So a step that has been published is never edited: files that took it would not take it again, and
/// would from then on have another schema than new files, without an error that says so. A change is a new step at
/// the end.
pub(super) const MIGRATIONS: [(&str, &str); 2] = [
    ("the journal, people and tokens", include_str!("../schema.sql")),
    ("the authorization server", include_str!("../schema_2.sql")),
];

/// Refuses what isn't ours, then takes the steps that are missing, in one transaction.
pub(super) fn run(connection: &mut Connection) -> Result<(), OpenError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = pragma("application_id")?;
    let version = pragma("user_version")?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    // Most programs leave both numbers at 0, so a file counts as new only if it has no table either. Otherwise a
    // mistyped `--database` would put our tables into another program's database.
    let empty = tables == 0 && application == 0 && version == 0;
    if !empty && application != i64::from(APPLICATION_ID) {
        return Err(OpenError::Foreign);
    }
    let taken = usize::try_from(version).unwrap_or(usize::MAX);
    if taken > MIGRATIONS.len() {
        return Err(OpenError::Newer { file: version });
    }
    // The mode is kept in the file, but SQLite can't change it inside a transaction, so it is set before. SQLite
    // doesn't report a failure here: it answers with the mode that the file has now. Without the log readers would
    // shut the writer out, and it them. The log's index is memory that processes share, which a network file system
    // can't give.
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(OpenError::NoLog);
    }
    // Unlike the mode this is a setting of the connection. `configure` sets it for every connection, but only after
    // this function; the commit below must survive a power failure as every other.
    connection.pragma_update(None, "synchronous", "full")?;
    // SQLite's schema is transactional: a crash or an error in any step leaves the file as it was before all of them.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read again now that this process holds the write lock: another process may have opened the same new file at the
    // same time, and have taken the steps since this one looked. Taking them twice would fail.
    let taken = transaction.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
    for (number, (name, sql)) in (1i64..).zip(MIGRATIONS).filter(|(number, _)| *number > taken) {
        transaction.execute_batch(sql)?;
        // A record for people who look into the file. The program itself goes by `user_version`.
        transaction.execute(
            "INSERT INTO schema_versions (version, name, applied_at) VALUES (?1, ?2, unixepoch())",
            (number, name),
        )?;
        transaction.pragma_update(None, "user_version", number)?;
    }
    // Inside the same transaction: a file can't end up with our tables and without our mark, which would make it
    // foreign the next time.
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    Ok(transaction.commit()?)
}
