//! Stores what the server must remember about itself: its signing key, and how it was started last.
//!
//! Reads no person, no token and no journal. Another command than `serve` runs as a process of its own, which doesn't
//! get the options of the server; from this file it learns under which URL the server runs, and so for which audience
//! it must make a token, and at which address it listens.
//!
//! The rows keep the names that the first version gave them: `seal_key` is the signing key, and `elsewhere` says
//! whether another server issues the tokens. Under a new name the key of an older database would not be found, and
//! with a fresh one every text that was signed before would turn invalid.

use std::net::SocketAddr;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use crate::clock::Timestamp;
use crate::secret::{self, Signer};
use crate::site;
use crate::store::{Store, StoreError};

/// Remembers how the server is started, in one transaction, and returns the signer of the texts that clients keep for
/// it.
///
/// `address` is where it listens. `audience` is the resource that it protects: a token that the command line makes must
/// have it as audience. If `is_external`, the tokens come from another authorization server: then the gate accepts no
/// token of this database, and `epicme explain` must not judge a token by it.
///
/// The signer's key is made when the database is first served, and stored: what was signed before a restart must be
/// good after it. The key lies in the same file as what it protects. A person who can read the file can read the
/// journal anyway; a client can't read the file, and so can't sign a text.
pub(crate) fn begin_to_serve(
    store: &Store,
    address: SocketAddr,
    audience: &str,
    is_external: bool,
) -> Result<Signer, StoreError> {
    let fresh: [u8; 32] = secret::random();
    let (address, audience) = (address.to_string(), audience.to_owned());
    let key = store.write(move |connection| {
        let sql = "INSERT INTO settings (name, value) VALUES ('seal_key', ?1) ON CONFLICT (name) DO NOTHING";
        connection.execute(sql, [&fresh])?;
        set(connection, "address", address.as_bytes())?;
        set(connection, "audience", audience.as_bytes())?;
        set(connection, "elsewhere", &[u8::from(is_external)])?;
        let sql = "SELECT value FROM settings WHERE name = 'seal_key'";
        Ok::<_, StoreError>(connection.query_row(sql, [], |row| row.get(0))?)
    })?;
    Ok(Signer::new(key))
}

/// Stores a setting; one that has this value already is no change.
fn set(connection: &Connection, name: &str, value: &[u8]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO settings (name, value) VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value";
    connection.execute(sql, (name, value)).map(|_| ())
}

/// Returns whether a setting that is on or off is on; one that was never stored is off.
fn is_on(store: &Store, name: &str) -> Result<bool, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT value = x'01' FROM settings WHERE name = ?1";
        Ok(connection.query_row(sql, [name], |row| row.get(0)).optional()?.unwrap_or(false))
    })
}

/// Forgets where this server listens, since another program may get the port.
pub(crate) fn end_to_serve(store: &Store) -> Result<(), StoreError> {
    store.write(|connection| {
        connection.execute("DELETE FROM settings WHERE name = 'address'", [])?;
        Ok(())
    })
}

/// Returns where the server listens that has this database open. After a crash it is where that one did, until the next
/// begins to serve; so [`crate::store::is_served`] is asked first, and what listens there proves that it is the server.
pub(crate) fn address(store: &Store) -> Result<Option<SocketAddr>, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT CAST(value AS TEXT) FROM settings WHERE name = 'address'";
        let known: Option<String> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
        Ok(known.and_then(|text| text.parse().ok()))
    })
}

/// Returns the signer of the server that has this database open, or had it last; `None` if none ever had it.
pub(crate) fn signer(store: &Store) -> Result<Option<Signer>, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT value FROM settings WHERE name = 'seal_key'";
        let key = connection.query_row(sql, [], |row| row.get(0)).optional()?;
        Ok(key.map(Signer::new))
    })
}

/// Returns whether the tokens came from another authorization server when this database was served last.
pub(crate) fn has_external_issuer(store: &Store) -> Result<bool, StoreError> {
    is_on(store, "elsewhere")
}

/// Remembers whether the operator wants no delete that no person can confirm, for an `epicme stdio` that serves this
/// database while no server has it.
pub(crate) fn remember_confirmation(store: &Store, is_required: bool) -> Result<(), StoreError> {
    store.write(move |connection| Ok(set(connection, "require_confirmation", &[u8::from(is_required)])?))
}

/// Returns what [`remember_confirmation`] was told last.
pub(crate) fn requires_confirmation(store: &Store) -> Result<bool, StoreError> {
    is_on(store, "require_confirmation")
}

/// Returns the resource that the server protected when this database was served last. For a database that was never
/// served it is the resource of this machine's loopback names, under which a server without a public URL runs.
pub(crate) fn audience(store: &Store) -> Result<String, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT CAST(value AS TEXT) FROM settings WHERE name = 'audience'";
        let known = connection.query_row(sql, [], |row| row.get(0)).optional()?;
        Ok(known.unwrap_or_else(|| site::LOOPBACK.to_owned()))
    })
}

/// Returns whether the database can be read, by the row that each database has that was served.
pub(crate) fn can_be_read(store: &Store) -> bool {
    let read = store.look_up(|connection| {
        let sql = "SELECT 1 FROM settings WHERE name = 'seal_key'";
        Ok::<_, StoreError>(connection.query_row(sql, [], |_| Ok(()))?)
    });
    read.is_ok()
}

/// Returns what tells a journal from all others and is the same in each copy of it: a digest of the signing key, which
/// says nothing of the key. `None` for a database that was never served.
pub(crate) fn identity(connection: &Connection) -> rusqlite::Result<Option<[u8; 32]>> {
    let sql = "SELECT value FROM settings WHERE name = 'seal_key'";
    let key = connection.query_row(sql, [], |row| row.get::<_, Vec<u8>>(0)).optional()?;
    Ok(key.map(|key| secret::sha256(&key)))
}

/// Returns when the database was copied last, and where to, as [`remember_backup`] writes it.
pub(crate) fn last_backup(store: &Store) -> Result<Option<String>, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT CAST(value AS TEXT) FROM settings WHERE name = 'last_backup'";
        Ok(connection.query_row(sql, [], |row| row.get(0)).optional()?)
    })
}

/// Remembers when the database was copied last, and where to: the time in ISO 8601, a space, and the path.
pub(crate) fn remember_backup(store: &Store, now: Timestamp, path: &Path) -> Result<(), StoreError> {
    let text = format!("{} {}", now.iso8601(), path.display());
    store.write(move |connection| {
        let sql = "INSERT INTO settings (name, value) VALUES ('last_backup', ?1)
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        connection.execute(sql, [text.as_bytes()])?;
        Ok(())
    })
}
