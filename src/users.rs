//! People, as the database stores them: the email address and password of each.
//!
//! Uses no HTTP, no JSON, no gate and no function of the journal. Invariant: a password is stored only as its
//! Argon2id hash.
//!
//! A person is a row with an id of its own, and every other table refers to the id. The address is only for the
//! sign-in, so it could change without touching the person's journal. If another authorization server signs people
//! in, a person has a subject instead of a password. No password is right for such a person, since an empty hash
//! matches no password.

use std::time::Instant;

use rusqlite::{Connection, OptionalExtension, Row};

use crate::activity::{self, Event, Visit};
use crate::clock::Timestamp;
use crate::ids::UserId;
use crate::limits;
use crate::passwords::{HashedPassword, HashingPermit};
use crate::secret;
use crate::store::{self, Store, StoreError};
use crate::throttle;
use crate::zone::Zone;

/// A person.
pub(crate) struct User {
    pub(crate) id: UserId,
    /// The address they sign in with; compared without case.
    pub(crate) email: String,
    /// Where they live: it says which day it is for them.
    pub(crate) zone: Zone,
    pub(crate) created_at: Timestamp,
    /// When the password or the time zone changed last.
    pub(crate) updated_at: Timestamp,
}

/// The proof that a person knows their password. It holds the stored hash that the password was compared with, so
/// that a sign-in isn't stored after another password was set meanwhile (`sign_ins::insert`). Only this file makes
/// one.
pub(crate) struct Authenticated {
    pub(crate) user_id: UserId,
    hash: String,
}

impl Authenticated {
    /// Returns the hash that the database has, as long as the password isn't changed.
    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }

    /// Writes down who it is and which password was right, for [`authenticated_before`]. A browser gets this to keep
    /// between the two steps of a sign-in, so it holds a digest in the place of the hash. The caller signs it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [&self.user_id.get().to_be_bytes()[..], &secret::sha256(self.hash.as_bytes())].concat()
    }
}

/// Returns the proof that a person has given their password before, by what [`Authenticated::to_bytes`] has written:
/// the caller has verified that this server signed it. `None` if another password was set since.
pub(crate) fn authenticated_before(
    connection: &Connection,
    bytes: &[u8],
) -> Result<Option<Authenticated>, StoreError> {
    let Some((id, digest)) = bytes.split_first_chunk() else { return Ok(None) };
    let user_id = UserId::new(i64::from_be_bytes(*id));
    let sql = "SELECT password_hash FROM users WHERE id = ?1";
    let hash: Option<String> = connection.query_row(sql, [user_id], |row| row.get(0)).optional()?;
    let hash = hash.filter(|hash| secret::sha256(hash.as_bytes()) == digest);
    Ok(hash.map(|hash| Authenticated { user_id, hash }))
}

/// Adds a person; `None` when the address is taken. The caller has hashed the password already: if the writer thread
/// did it, all other writes would wait meanwhile.
pub(crate) fn insert(
    store: &Store,
    email: &str,
    hash: HashedPassword,
    now: Timestamp,
) -> Result<Option<UserId>, StoreError> {
    let email = email.to_owned();
    store.write(move |connection| insert_hashed(connection, &email, &hash, now))
}

/// Adds the first person, who has just chosen the password; `None` when there is a person already. The check and the
/// insertion are in one transaction, so if several browsers set the server up at once, one of them succeeds.
pub(crate) fn insert_first(
    connection: &Connection,
    email: &str,
    hash: &HashedPassword,
    now: Timestamp,
) -> Result<Option<Authenticated>, StoreError> {
    let any = connection.query_row("SELECT 1 FROM users LIMIT 1", [], |_| Ok(())).optional()?;
    let id = if any.is_some() { None } else { insert_hashed(connection, email, hash, now)? };
    Ok(id.map(|user_id| Authenticated { user_id, hash: hash.as_str().to_owned() }))
}

/// Finds the person who signs in with this address and password; returns `None` when one of the two is wrong. The
/// caller doesn't learn which, so no page can say it. An unknown address takes as much time as a known one, see
/// [`HashingPermit::verify`].
///
/// A wrong password is written down for the person. That isn't waited for, because for an unknown address there is
/// nothing to write. The limits on wrong passwords bound how often it happens.
pub(crate) fn authenticate(
    store: &Store,
    permit: &mut HashingPermit,
    email: &str,
    password: &str,
    visit: &Visit,
) -> Result<Option<Authenticated>, StoreError> {
    let known = store.look_up(|connection| {
        let sql = "SELECT id, password_hash FROM users WHERE email = ?1";
        let row = connection.query_row(sql, [email], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let known = row.map(|(user_id, hash)| Authenticated { user_id, hash });
        Ok::<_, StoreError>(known)
    })?;
    let is_right = permit.verify(password, known.as_ref().map(Authenticated::hash));
    if let Some(user_id) = known.as_ref().map(|known| known.user_id).filter(|_| !is_right) {
        let visit = visit.clone();
        store.write_unawaited(move |connection| {
            activity::record(connection, user_id, (Event::WrongPassword, ""), &visit)
        });
    }
    Ok(known.filter(|_| is_right))
}

/// Finds the person whom another authorization server calls `subject`, and adds the person when that server names
/// them for the first time.
///
/// They are identified by issuer and subject alone: those two together never change and are never given to another
/// person (RFC 7519 §4.1.2 demands it of the subject within its issuer). An email address could be given to another
/// person later, or be the address of a person of this server, and then one person could read another's journal. So
/// the address that is shown is made of the subject.
pub(crate) fn find_or_insert_subject(
    store: &Store,
    issuer: &str,
    subject: &str,
    now: Timestamp,
) -> Result<UserId, StoreError> {
    let key = format!("{issuer} {subject}");
    // The look-up comes first: nearly every request finds the person, and then needs no write.
    let known = store.look_up(|connection| {
        let sql = "SELECT id FROM users WHERE subject = ?1";
        Ok::<_, StoreError>(connection.prepare_cached(sql)?.query_row([&key], |row| row.get(0)).optional()?)
    })?;
    if let Some(id) = known {
        return Ok(id);
    }
    let shown = format!("{subject} at {issuer}");
    store.write(move |connection| {
        // Addresses are compared without case and subjects with it, so the shown addresses of two people could
        // collide. If they do, the second insertion adds a mark made of the subject's digest. Once the person has a
        // row, both insertions do nothing; so two requests may also add the same person at once.
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

/// Returns the key by which wrong passwords for an account are counted: of the address, and of the password that is
/// stored. So a new password begins a count of its own, also if the operator sets it on the command line, in another
/// process than the one that counts. An address without an account has a count too.
pub(crate) fn failures_key(store: &Store, email: &str) -> Result<[u8; 32], StoreError> {
    let stored: Option<String> = store.look_up(|connection| {
        let sql = "SELECT password_hash FROM users WHERE email = ?1";
        Ok::<_, StoreError>(connection.query_row(sql, [email], |row| row.get(0)).optional()?)
    })?;
    Ok(secret::sha256(&[&throttle::account_key(email), stored.unwrap_or_default().as_bytes()].concat()))
}

/// Finds the address of a person; returns `None` when the person was removed.
pub(crate) fn email_of(store: &Store, id: UserId) -> Result<Option<String>, StoreError> {
    store.look_up(|connection| {
        Ok(connection
            .query_row("SELECT email FROM users WHERE id = ?1", [id], |row| row.get(0))
            .optional()?)
    })
}

/// Adds a person inside a transaction that does more; `None` when the address is taken.
pub(crate) fn insert_hashed(
    connection: &Connection,
    email: &str,
    hash: &HashedPassword,
    now: Timestamp,
) -> Result<Option<UserId>, StoreError> {
    let sql = "INSERT INTO users (email, password_hash, created_at, updated_at) VALUES (?1, ?2, ?3, ?3)
               ON CONFLICT (email) DO NOTHING RETURNING id";
    Ok(connection.query_row(sql, (email, hash.as_str(), now.0), |row| row.get(0)).optional()?)
}

/// Finds the person with this address.
pub(crate) fn find_by_email(store: &Store, email: &str) -> Result<Option<User>, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT id, email, time_zone, created_at, updated_at FROM users WHERE email = ?1";
        Ok(connection.query_row(sql, [email], user).optional()?)
    })
}

/// Finds the person with this id; returns `None` when the person was removed.
pub(crate) fn find(store: &Store, id: UserId) -> Result<Option<User>, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT id, email, time_zone, created_at, updated_at FROM users WHERE id = ?1";
        Ok(connection.prepare_cached(sql)?.query_row([id], user).optional()?)
    })
}

/// Returns whether there is no person yet. Strangers can ask this, so it must not cost more with many people.
pub(crate) fn is_empty(store: &Store) -> Result<bool, StoreError> {
    store.look_up(|connection| {
        Ok(connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM users)", [], |row| row.get(0))?)
    })
}

/// Lists all people, by address. The file may be one that the version before has left, in which people have no time
/// zone yet: then it is UTC, as it will be when the file is brought up to date.
pub(crate) fn list(store: &Store) -> Result<Vec<User>, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT EXISTS (SELECT 1 FROM pragma_table_info('users') WHERE name = 'time_zone')";
        let sql = if connection.query_row(sql, [], |row| row.get(0))? {
            "SELECT id, email, time_zone, created_at, updated_at FROM users ORDER BY email"
        } else {
            "SELECT id, email, 'UTC', created_at, updated_at FROM users ORDER BY email"
        };
        Ok(connection.prepare(sql)?.query_map([], user)?.collect::<Result<_, _>>()?)
    })
}

/// Sets a new password and signs the person out of every browser, in one transaction; `false` when there is no such
/// person. A password is often changed because another person has learnt it, and that person may be signed in.
/// Clients keep their access, as OAuth 2.1 §4.3.3 allows: they didn't need the password, and the person can take the
/// access back on the account page.
pub(crate) fn set_password(
    store: &Store,
    email: &str,
    hash: HashedPassword,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let email = email.to_owned();
    store.write(move |connection| {
        let sql = "DELETE FROM browsers WHERE user_id IN (SELECT id FROM users WHERE email = ?1)";
        connection.execute(sql, [&email])?;
        let sql = "UPDATE users SET password_hash = ?2, updated_at = ?3 WHERE email = ?1 RETURNING id";
        let id = connection.query_row(sql, (email, hash.as_str(), now.0), |row| row.get(0)).optional()?;
        if let Some(id) = id {
            activity::record(connection, id, (Event::PasswordSet, ""), &Visit::of_operator(now))?;
        }
        Ok(id.is_some())
    })
}

/// Like [`set_password`], for a person who has given the present password; `None`, and nothing is changed, if another
/// one was set since that was compared. Otherwise a stranger who knows the old password could undo the change by
/// which the operator shuts them out.
pub(crate) fn replace_password(
    connection: &Connection,
    person: &Authenticated,
    hash: &HashedPassword,
    visit: &Visit,
) -> Result<Option<Authenticated>, StoreError> {
    let user_id = person.user_id;
    let sql = "UPDATE users SET password_hash = ?3, updated_at = ?4 WHERE id = ?1 AND password_hash = ?2";
    if connection.execute(sql, (user_id, &person.hash, hash.as_str(), visit.now.0))? == 0 {
        return Ok(None);
    }
    activity::record(connection, user_id, (Event::PasswordChanged, ""), visit)?;
    connection.execute("DELETE FROM browsers WHERE user_id = ?1", [user_id])?;
    Ok(Some(Authenticated { user_id, hash: hash.as_str().to_owned() }))
}

/// Sets a person's time zone; `false` when the person was removed. The dates that entries have stay as they are: each
/// is of the day that it was where the person was then.
pub(crate) fn set_zone(
    connection: &Connection,
    id: UserId,
    zone: &Zone,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "UPDATE users SET time_zone = ?2, updated_at = ?3 WHERE id = ?1";
    Ok(connection.execute(sql, (id, zone, now.0))? == 1)
}

/// What a person owns and there may be much of, table by table. The foreign keys would delete all of it together with
/// the person, but in one transaction, and a long one: every write of the server would wait for it and fail.
const MUCH: [&str; 5] = [
    "DELETE FROM entries WHERE rowid IN (SELECT rowid FROM entries WHERE user_id = ?1 LIMIT ?2)",
    "DELETE FROM tags WHERE user_id = ?1 AND id IN (SELECT id FROM tags WHERE user_id = ?1 LIMIT ?2)",
    "DELETE FROM tokens WHERE rowid IN (SELECT rowid FROM tokens WHERE user_id = ?1 LIMIT ?2)",
    "DELETE FROM refresh_tokens WHERE rowid IN (
         SELECT r.rowid FROM grants g JOIN refresh_tokens r ON r.grant_id = g.id WHERE g.user_id = ?1 LIMIT ?2)",
    "DELETE FROM grants WHERE rowid IN (SELECT rowid FROM grants WHERE user_id = ?1 LIMIT ?2)",
];

/// Removes a person with their tokens and their whole journal; `false` when there is no such person.
///
/// The first transaction takes away every access to the journal, and the following ones delete the rows piece by piece,
/// the person's own last. So after a crash in between the person can do nothing, and a second call removes the rest.
pub(crate) fn remove(store: &Store, email: &str, now: Timestamp) -> Result<bool, StoreError> {
    let Some(User { id, .. }) = find_by_email(store, email)? else { return Ok(false) };
    store.write(move |connection| end_access(connection, id, now))?;
    let piece = || {
        let is_all = store.write(move |connection| delete_piece(connection, id))?;
        Ok(is_all.then_some(true))
    };
    store::in_pieces(limits::REMOVAL_PAUSE, piece)
}

/// Ends all that opens a person's journal. A person without a password can't sign in, and without a subject a token of
/// another authorization server isn't theirs. The row keeps the address, by which it is found again.
fn end_access(connection: &Connection, id: UserId, now: Timestamp) -> Result<(), StoreError> {
    connection.execute("UPDATE users SET password_hash = '', subject = NULL WHERE id = ?1", [id])?;
    connection.execute("DELETE FROM browsers WHERE user_id = ?1", [id])?;
    for sql in [
        "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?2) WHERE user_id = ?1",
        "UPDATE grants SET revoked_at = coalesce(revoked_at, ?2) WHERE user_id = ?1",
    ] {
        connection.execute(sql, (id, now.0))?;
    }
    Ok(())
}

/// Deletes rows of a person for [`limits::REMOVAL_WORK_MAX`], and no more than [`limits::REMOVED_ROWS_MAX`], because
/// the commit takes the entries out of the search index; returns whether that was all of them, the person's own too.
fn delete_piece(connection: &Connection, id: UserId) -> Result<bool, StoreError> {
    let (began, mut deleted) = (Instant::now(), 0);
    for sql in MUCH {
        let mut delete = connection.prepare_cached(sql)?;
        loop {
            let rows = delete.execute((id, limits::REMOVED_AT_ONCE))?;
            if rows == 0 {
                break;
            }
            deleted += rows;
            if began.elapsed() >= limits::REMOVAL_WORK_MAX || deleted >= limits::REMOVED_ROWS_MAX {
                return Ok(false);
            }
        }
    }
    connection.execute("DELETE FROM users WHERE id = ?1", [id])?;
    Ok(true)
}

fn user(row: &Row) -> rusqlite::Result<User> {
    let (created_at, updated_at) = (Timestamp(row.get(3)?), Timestamp(row.get(4)?));
    Ok(User { id: row.get(0)?, email: row.get(1)?, zone: row.get(2)?, created_at, updated_at })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::passwords::HashingQueue;
    use crate::search_index::SEARCH_INDEX;
    use crate::store::Derived;

    #[test]
    fn removes_a_journal_in_pieces() {
        let folder = std::env::temp_dir().join(format!("epicme-removal-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let store = Store::open(&folder.join("epicme.db"), SEARCH_INDEX).expect("a store");
        let entries = 3 * limits::REMOVED_ROWS_MAX;
        let left = store.write(move |connection| {
            connection.execute_batch(&format!(
                "INSERT INTO users (id, email, password_hash, created_at, updated_at) VALUES (1, 'a@b', '', 0, 0);
                 WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {entries})
                 INSERT INTO entries (row_id, user_id, id, title, content, date, created_at, updated_at)
                     SELECT 1 << 32 | n, 1, n, 'one', 'of many', '2025-01-31', 0, 0 FROM number;"
            ))?;
            assert!(!delete_piece(connection, UserId::new(1))?, "there are more");
            let left = "SELECT count(*) FROM entries";
            Ok::<_, StoreError>(connection.query_row(left, [], |row| row.get::<_, i64>(0))?)
        });
        let deleted = entries - left.expect("a write") as usize;
        let max = limits::REMOVED_ROWS_MAX + limits::REMOVED_AT_ONCE as usize;
        assert!(deleted > 0 && deleted <= max, "{deleted} deleted");
        store.close().expect("a close");
        let _ = std::fs::remove_dir_all(&folder);
    }

    #[test]
    fn replaces_a_password_only_while_it_is_the_one_that_was_given() {
        let folder = std::env::temp_dir().join(format!("epicme-users-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let store = Store::open(&folder.join("epicme.db"), Derived::NOTHING).expect("a store");
        let (queue, email, now) = (HashingQueue::new(4), "ada@example.com", Timestamp(1000));
        let mut permit = queue.take(Ipv4Addr::LOCALHOST.into(), email).expect("an empty queue");
        insert(&store, email, permit.hash("first password"), now).expect("a write");
        let visit = Visit::of_operator(now);
        let known = authenticate(&store, &mut permit, email, "first password", &visit).expect("a read");
        let known = known.expect("the password is right");
        let mut replace = |known: &Authenticated, new| {
            let known = Authenticated { user_id: known.user_id, hash: known.hash.clone() };
            let (hash, visit) = (permit.hash(new), visit.clone());
            let replaced = store.write(move |connection| replace_password(connection, &known, &hash, &visit));
            replaced.expect("a write")
        };
        let second = replace(&known, "second password").expect("the first was still stored");
        assert!(replace(&known, "a stranger's password").is_none(), "the first is gone");
        assert!(replace(&second, "third password").is_some());
        let known = authenticate(&store, &mut permit, email, "third password", &visit).expect("a read");
        assert!(known.is_some());
        store.close().expect("a close");
        let _ = std::fs::remove_dir_all(&folder);
    }
}
