//! The few things that the database remembers about the server itself.
//!
//! Knows no people and no journal.

use rusqlite::OptionalExtension;

use crate::secret::{self, Seal};
use crate::site;
use crate::store::{Store, StoreError};

/// The seal of this database's cursors and session ids; its key is made the first time.
pub fn seal(store: &Store) -> Result<Seal, StoreError> {
    let fresh: [u8; 32] = secret::random();
    let key = store.write(move |connection| {
        let sql = "INSERT INTO settings (name, value) VALUES ('seal_key', ?1) ON CONFLICT (name) DO NOTHING";
        connection.execute(sql, [&fresh])?;
        let sql = "SELECT value FROM settings WHERE name = 'seal_key'";
        Ok::<_, StoreError>(connection.query_row(sql, [], |row| row.get(0))?)
    })?;
    Ok(Seal::new(key))
}

/// Remembers what resource the server guards, so that a token made on the command line is made for it.
pub fn remember_audience(store: &Store, audience: &str) -> Result<(), StoreError> {
    let audience = audience.to_owned();
    store.write(move |connection| {
        let sql = "INSERT INTO settings (name, value) VALUES ('audience', ?1)
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value";
        connection.execute(sql, [audience.as_bytes()])?;
        Ok(())
    })
}

/// Remembers whether tokens come from an authorization server elsewhere: then none of this database's opens the gate.
pub fn remember_elsewhere(store: &Store, elsewhere: bool) -> Result<(), StoreError> {
    store.write(move |connection| {
        let sql = "INSERT INTO settings (name, value) VALUES ('elsewhere', ?1)
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value";
        connection.execute(sql, [[u8::from(elsewhere)]])?;
        Ok(())
    })
}

/// Whether that was so when the server ran last.
pub fn elsewhere(store: &Store) -> Result<bool, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT value = x'01' FROM settings WHERE name = 'elsewhere'";
        Ok(connection.query_row(sql, [], |row| row.get(0)).optional()?.unwrap_or(false))
    })
}

/// What resource the server guarded when it ran last; this machine's loopback names before that.
pub fn audience(store: &Store) -> Result<String, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT CAST(value AS TEXT) FROM settings WHERE name = 'audience'";
        let known = connection.query_row(sql, [], |row| row.get(0)).optional()?;
        Ok(known.unwrap_or_else(|| site::LOOPBACK.to_owned()))
    })
}
