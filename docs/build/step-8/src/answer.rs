//! The answer to step 8.

use std::time::{Duration, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Result};
use step_4::Holder;

use crate::SCHEMA;

/// Opens the database at `path`, and makes its tables if they aren't there.
pub fn open(path: &str) -> Result<Connection> {
    let connection = Connection::open(path)?;
    // Another process may be writing: then wait for it, and don't fail at once.
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

/// Keeps a token: its hash, and never its text.
pub fn add_token(connection: &Connection, hash: [u8; 32], holder: &Holder) -> Result<()> {
    let since_1970 = holder.expires_at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let sql = "INSERT INTO tokens (hash, person, expires_at) VALUES (?1, ?2, ?3)";
    connection.execute(sql, (hash, &holder.person, since_1970.as_secs().cast_signed()))?;
    Ok(())
}

/// Looks up a token by its hash. `None`: no such token was made.
pub fn find_token(connection: &Connection, hash: [u8; 32]) -> Result<Option<Holder>> {
    let sql = "SELECT person, expires_at FROM tokens WHERE hash = ?1";
    let holder = connection.query_row(sql, [hash], |row| {
        let seconds = row.get::<_, i64>(1)?.cast_unsigned();
        Ok(Holder { person: row.get(0)?, expires_at: UNIX_EPOCH + Duration::from_secs(seconds) })
    });
    holder.optional()
}

/// Writes an entry of a person, and returns its id. It is on the disk when this returns.
pub fn add_entry(connection: &Connection, person: &str, title: &str, content: &str) -> Result<i64> {
    let sql = "INSERT INTO entries (person, title, content) VALUES (?1, ?2, ?3)";
    connection.execute(sql, (person, title, content))?;
    Ok(connection.last_insert_rowid())
}
