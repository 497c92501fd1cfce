//! People: their email addresses and passwords.
//!
//! Knows no HTTP, no JSON and no journal. Invariant: a password is stored only as its Argon2id hash.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::clock::Timestamp;
use crate::gate::Permit;
use crate::limits;
use crate::secret;
use crate::store::{Store, StoreError};

/// A person.
pub struct User {
    /// Row id.
    pub id: i64,
    /// The address they sign in with; compared without case.
    pub email: String,
    /// When they were added.
    pub created_at: Timestamp,
    /// When the address or password changed last.
    pub updated_at: Timestamp,
}

/// Why a person can't be added or a password can't be set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadCredential {
    /// Not an email address.
    Email,
    /// Shorter than [`limits::PASSWORD_BYTES_MIN`] octets.
    PasswordShort,
    /// Longer than [`limits::PASSWORD_BYTES_MAX`] octets.
    PasswordLong,
}

/// Whether `text` can be an email address: something on both sides of one `@`, visible ASCII only. Whether mail
/// arrives there isn't asked; nothing is sent.
pub fn check_email(text: &str) -> Result<(), BadCredential> {
    let sides = text.split_once('@').filter(|(left, right)| !left.is_empty() && !right.is_empty());
    let one_at = sides.is_some_and(|(_, right)| !right.contains('@'));
    let fits = text.len() <= limits::EMAIL_BYTES_MAX && text.bytes().all(|octet| octet.is_ascii_graphic());
    if one_at && fits { Ok(()) } else { Err(BadCredential::Email) }
}

/// Whether `text` can be a password; only its length is judged. (A larger server would also refuse
/// those known from breaches, NIST SP 800-63B §5.1.1.2.)
pub fn check_password(text: &str) -> Result<(), BadCredential> {
    match text.len() {
        ..limits::PASSWORD_BYTES_MIN => Err(BadCredential::PasswordShort),
        limits::PASSWORD_BYTES_MIN..=limits::PASSWORD_BYTES_MAX => Ok(()),
        _ => Err(BadCredential::PasswordLong),
    }
}

/// Adds a person; `None` when the address is taken.
pub fn insert(store: &Store, email: &str, password: &str, now: Timestamp) -> Result<Option<i64>, StoreError> {
    let (email, hash) = (email.to_owned(), secret::hash_password(password));
    store.write(move |connection| insert_hashed(connection, &email, &hash, now))
}

/// [`insert`] inside a transaction that does more.
pub fn insert_hashed(
    connection: &Connection,
    email: &str,
    password_hash: &str,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let sql = "INSERT INTO users (email, password_hash, created_at, updated_at) VALUES (?1, ?2, ?3, ?3)
               ON CONFLICT (email) DO NOTHING RETURNING id";
    Ok(connection.query_row(sql, (email, password_hash, now.0), |row| row.get(0)).optional()?)
}

/// The person with this address.
pub fn find(store: &Store, email: &str) -> Result<Option<User>, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT id, email, created_at, updated_at FROM users WHERE email = ?1";
        Ok(connection.query_row(sql, [email], user).optional()?)
    })
}

/// The person behind a permit; `None` when they were removed since.
pub fn find_own(store: &Store, permit: &Permit) -> Result<Option<User>, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT id, email, created_at, updated_at FROM users WHERE id = ?1";
        Ok(connection.prepare_cached(sql)?.query_row([permit.user_id()], user).optional()?)
    })
}

/// Everybody, by address.
pub fn list(store: &Store) -> Result<Vec<User>, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT id, email, created_at, updated_at FROM users ORDER BY email";
        Ok(connection.prepare(sql)?.query_map([], user)?.collect::<Result<_, _>>()?)
    })
}

/// Sets a new password; `false` when there is no such person.
pub fn set_password(store: &Store, email: &str, password: &str, now: Timestamp) -> Result<bool, StoreError> {
    let (email, hash) = (email.to_owned(), secret::hash_password(password));
    store.write(move |connection| {
        let sql = "UPDATE users SET password_hash = ?2, updated_at = ?3 WHERE email = ?1";
        Ok(connection.execute(sql, (email, hash, now.0))? == 1)
    })
}

/// Removes a person with their tokens and their whole journal; `false` when there is no such person.
pub fn remove(store: &Store, email: &str) -> Result<bool, StoreError> {
    let email = email.to_owned();
    store.write(move |connection| Ok(connection.execute("DELETE FROM users WHERE email = ?1", [email])? == 1))
}

fn user(row: &Row) -> rusqlite::Result<User> {
    let (created_at, updated_at) = (Timestamp(row.get(2)?), Timestamp(row.get(3)?));
    Ok(User { id: row.get(0)?, email: row.get(1)?, created_at, updated_at })
}
