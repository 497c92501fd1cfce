//! People: their email addresses and passwords.
//!
//! Knows no HTTP, no JSON and no journal. Invariant: a password is stored only as its Argon2id hash.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard};

use rusqlite::{Connection, OptionalExtension, Row};

use crate::clock::Timestamp;
use crate::gate::Permit;
use crate::limits;
use crate::lock::locked;
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
    /// Shorter than [`limits::PASSWORD_CHARS_MIN`] characters.
    PasswordShort,
    /// Longer than [`limits::PASSWORD_BYTES_MAX`] octets.
    PasswordLong,
}

impl BadCredential {
    /// What is wrong, for whoever typed it.
    pub fn message(self) -> &'static str {
        match self {
            BadCredential::Email => "That is not an email address; it must look like ada@example.com.",
            BadCredential::PasswordShort => "The password must have at least 8 characters.",
            BadCredential::PasswordLong => "The password must have at most 1024 bytes.",
        }
    }
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
    match text {
        _ if text.chars().count() < limits::PASSWORD_CHARS_MIN => Err(BadCredential::PasswordShort),
        _ if text.len() > limits::PASSWORD_BYTES_MAX => Err(BadCredential::PasswordLong),
        _ => Ok(()),
    }
}

/// Adds a person; `None` when the address is taken.
pub fn insert(store: &Store, email: &str, password: &str, now: Timestamp) -> Result<Option<i64>, StoreError> {
    let (email, hash) = (email.to_owned(), secret::hash_password(password));
    store.write(move |connection| insert_hashed(connection, &email, &hash, now))
}

/// Adds the first person; `None` when somebody is there already.
pub fn insert_first(
    store: &Store,
    email: &str,
    password: &str,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let (email, hash) = (email.to_owned(), secret::hash_password(password));
    store.write(move |connection| {
        let anybody = connection.query_row("SELECT 1 FROM users LIMIT 1", [], |_| Ok(())).optional()?;
        if anybody.is_some() { Ok(None) } else { insert_hashed(connection, &email, &hash, now) }
    })
}

/// Who signs in with this address and password; `None` when nobody does. An unknown address costs as much time as a
/// known one.
pub fn authenticate(
    store: &Store,
    _turn: &Turn,
    email: &str,
    password: &str,
) -> Result<Option<i64>, StoreError> {
    let known = store.look_up(|connection| {
        let sql = "SELECT id, password_hash FROM users WHERE email = ?1";
        let row = connection.query_row(sql, [email], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok::<Option<(i64, String)>, StoreError>(row)
    })?;
    // Nobody's password: compared with where there is nobody, for the time that it takes.
    static NOBODYS: LazyLock<String> = LazyLock::new(|| secret::hash_password(&secret::random_text::<32>()));
    let (id, hash) = known.map_or((None, NOBODYS.clone()), |(id, hash)| (Some(id), hash));
    let is_right = secret::verify_password(password, &hash);
    Ok(id.filter(|_| is_right))
}

/// Hashing takes 19 MiB a time: one at a time, and a bounded number who wait for it.
#[derive(Default)]
pub struct Turns {
    waiting: AtomicUsize,
    turn: Mutex<()>,
}

/// The turn to hash a password; the next one has it when this is dropped.
pub struct Turn<'t>(#[allow(dead_code)] MutexGuard<'t, ()>);

impl Turns {
    /// Waits for the turn. Fails with [`StoreError::Busy`] when [`limits::SIGN_INS_WAITING_MAX`] wait already.
    pub fn take(&self) -> Result<Turn<'_>, StoreError> {
        if self.waiting.fetch_add(1, Ordering::SeqCst) >= limits::SIGN_INS_WAITING_MAX {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            return Err(StoreError::Busy);
        }
        let turn = locked(&self.turn);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        Ok(Turn(turn))
    }
}

/// The person whom another authorization server calls `subject`, added when they are seen first.
///
/// They are known by issuer and subject alone. An address that the other server names could be anybody's here, so
/// the one that is shown is made of the subject.
pub fn find_or_insert_subject(
    store: &Store,
    issuer: &str,
    subject: &str,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let key = format!("{issuer} {subject}");
    let known = store.look_up(|connection| {
        let sql = "SELECT id FROM users WHERE subject = ?1";
        Ok::<_, StoreError>(connection.prepare_cached(sql)?.query_row([&key], |row| row.get(0)).optional()?)
    })?;
    if let Some(id) = known {
        return Ok(id);
    }
    let shown = format!("{subject} at {issuer}");
    store.write(move |connection| {
        // Addresses compare without case and subjects with it: where two would read alike, a mark tells them apart.
        let mark = &secret::sha256(key.as_bytes())[..4];
        let marked = format!("{shown} ({:02x}{:02x}{:02x}{:02x})", mark[0], mark[1], mark[2], mark[3]);
        for shown in [&shown, &marked] {
            let sql = "INSERT INTO users (email, password_hash, subject, created_at, updated_at)
                       VALUES (?1, '', ?2, ?3, ?3) ON CONFLICT DO NOTHING";
            connection.execute(sql, (shown, &key, now.0))?;
        }
        Ok(connection.query_row("SELECT id FROM users WHERE subject = ?1", [&key], |row| row.get(0))?)
    })
}

/// The address of a person; `None` when they were removed.
pub fn email_of(store: &Store, id: i64) -> Result<Option<String>, StoreError> {
    store.look_up(|connection| {
        Ok(connection
            .query_row("SELECT email FROM users WHERE id = ?1", [id], |row| row.get(0))
            .optional()?)
    })
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

/// Sets a new password and signs the person out of every browser; `false` when there is no such person.
pub fn set_password(store: &Store, email: &str, password: &str, now: Timestamp) -> Result<bool, StoreError> {
    let (email, hash) = (email.to_owned(), secret::hash_password(password));
    store.write(move |connection| {
        let sql = "DELETE FROM browsers WHERE user_id IN (SELECT id FROM users WHERE email = ?1)";
        connection.execute(sql, [&email])?;
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
