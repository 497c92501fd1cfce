//! Sign-ins, as the database stores them: in which browsers a person is signed in, each known by the hash of its
//! cookie.
//!
//! Reads no header and writes no page. Invariant: the value of a cookie is stored nowhere, so with a copy of the
//! database (a backup, for example) it isn't possible to sign in.
//!
//! Sign-ins are rows and not signed cookies, because a person must be able to end them: in one browser, or in every
//! browser at once when a device was lost or the password has changed.

use std::fmt;

use rusqlite::{OptionalExtension, Row};

use crate::activity::Visit;
use crate::clock::Timestamp;
use crate::ids::UserId;
use crate::limits;
use crate::second_factor::Passed;
use crate::secret;
use crate::store::{Connection, Store, StoreError};
use crate::users::Authenticated;

/// A person who is signed in in a browser. Only this file makes one, of a row that is good: so code that has one has
/// looked up the cookie that a request brought, or has just signed the person in by their password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SignedIn {
    user_id: UserId,
}

impl SignedIn {
    pub(crate) fn user_id(&self) -> UserId {
        self.user_id
    }
}

/// Finds the person who is signed in under this cookie; returns `None` when the sign-in is unknown or has expired.
/// Use doesn't lengthen a sign-in, so a stolen cookie stops working at the same time, however often the thief uses
/// it.
///
/// Now and then it is written down when the browser was seen last, and where. Nobody waits for that: a page that only
/// reads is shown also if the disk is full.
pub(crate) fn find(store: &Store, cookie: &str, visit: &Visit) -> Result<Option<SignedIn>, StoreError> {
    let hash = secret::sha256(cookie.as_bytes());
    let found = store.look_up(|connection| {
        let sql = "SELECT user_id, seen_at FROM browsers WHERE hash = ?1 AND expires_at > ?2";
        let read = |row: &Row| Ok((SignedIn { user_id: row.get(0)? }, Timestamp(row.get(1)?)));
        Ok::<_, StoreError>(connection.query_row(sql, (hash, visit.now.0), read).optional()?)
    })?;
    let Some((person, seen_at)) = found else { return Ok(None) };
    if seen_at.plus(limits::SEEN_SECONDS) <= visit.now {
        let visit = visit.clone();
        store.write_unawaited(move |connection| {
            let sql = "UPDATE browsers SET seen_at = ?2, address = ?3, description = ?4 WHERE hash = ?1";
            connection.execute(sql, (hash, visit.now.0, visit.address, visit.browser))?;
            Ok(())
        });
    }
    Ok(Some(person))
}

/// The same inside a transaction, where the sign-in can't end before the commit.
pub(crate) fn find_in(
    connection: &Connection,
    cookie: &str,
    now: Timestamp,
) -> Result<Option<SignedIn>, StoreError> {
    let hash = secret::sha256(cookie.as_bytes());
    let sql = "SELECT user_id FROM browsers WHERE hash = ?1 AND expires_at > ?2";
    Ok(connection.query_row(sql, (hash, now.0), |row| Ok(SignedIn { user_id: row.get(0)? })).optional()?)
}

/// Signs a person in under a cookie, for [`limits::SIGN_IN_SECONDS`]: one who knows their password and has passed the
/// second factor. Returns `None`, and signs nobody in, if the password that they gave isn't the stored one any more.
///
/// Hashing takes a while, and the disk takes another. Meanwhile the person may have set a new password, because
/// somebody else knows the old one, and that has signed them out of every browser. A sign-in by the old password that
/// came after it would stay.
pub(crate) fn insert(
    connection: &Connection,
    cookie: &str,
    (person, passed): (&Authenticated, &Passed),
    visit: &Visit,
) -> Result<Option<SignedIn>, StoreError> {
    if passed.user_id() != person.user_id {
        return Ok(None);
    }
    let now = visit.now;
    let hash = secret::sha256(cookie.as_bytes());
    // Each sign-in also deletes expired rows, because a browser that has lost its cookie can't end its sign-in.
    let expired =
        "DELETE FROM browsers WHERE rowid IN (SELECT rowid FROM browsers WHERE expires_at <= ?1 LIMIT ?2)";
    connection.execute(expired, (now.0, limits::CLEAN_UP_ROWS_MAX as i64))?;
    // And it makes room: a program that signs in again and again must not fill the table, and to sign a person out of
    // every browser is one short write.
    let surplus = "DELETE FROM browsers WHERE rowid IN (
                       SELECT rowid FROM browsers WHERE user_id = ?1 ORDER BY rowid DESC LIMIT ?2 OFFSET ?3)";
    let kept = limits::SIGN_INS_PER_PERSON_MAX as i64 - 1;
    connection.execute(surplus, (person.user_id, limits::CLEAN_UP_ROWS_MAX as i64, kept))?;
    let sql = "INSERT INTO browsers (hash, user_id, created_at, seen_at, expires_at, address, description)
               SELECT ?1, id, ?4, ?4, ?5, ?6, ?7 FROM users WHERE id = ?2 AND password_hash = ?3";
    let expires_at = now.plus(limits::SIGN_IN_SECONDS).0;
    let Visit { address, browser, .. } = visit;
    let row = (hash, person.user_id, person.hash(), now.0, expires_at, address, browser);
    let is_stored = connection.execute(sql, row)? == 1;
    Ok(is_stored.then_some(SignedIn { user_id: person.user_id }))
}

/// The proof that the server has ended every sign-in under the cookies that came with a request. Only [`delete_with`]
/// and [`delete_everyones`] make one, after their commit; `oauth::authorize` demands it where the cookies could reach a
/// client's server.
pub(crate) struct SignedOut(());

/// Ends every sign-in of each person who is signed in under one of these cookies.
///
/// All of the person's sign-ins end, not only those under these cookies: a browser may know this server under a second
/// name, and sent only the cookie of one of them with the request.
pub(crate) fn delete_with(store: &Store, cookies: &[&str]) -> Result<SignedOut, StoreError> {
    let hashes: Vec<_> = cookies.iter().map(|cookie| secret::sha256(cookie.as_bytes())).collect();
    store.write(move |connection| {
        let sql = "DELETE FROM browsers WHERE user_id = (SELECT user_id FROM browsers WHERE hash = ?1)";
        let mut delete = connection.prepare_cached(sql)?;
        for hash in hashes {
            delete.execute([hash])?;
        }
        Ok(SignedOut(()))
    })
}

/// Ends every sign-in of everybody. On plain http all browsers of this server are on its own machine, and one of them
/// may hold a cookie of each of several people, if it knows this server as `localhost` and as `127.0.0.1`: a request
/// brings only one of those, and a redirect may take the other along.
pub(crate) fn delete_everyones(store: &Store) -> Result<SignedOut, StoreError> {
    store.write(|connection| {
        connection.execute("DELETE FROM browsers", [])?;
        Ok(SignedOut(()))
    })
}

/// Ends the sign-in under this cookie, if there is one.
pub(crate) fn delete(connection: &Connection, cookie: &str) -> Result<(), StoreError> {
    connection.execute("DELETE FROM browsers WHERE hash = ?1", [secret::sha256(cookie.as_bytes())])?;
    Ok(())
}

/// A browser in which a person is signed in, as they see it on the account page.
pub(crate) struct Listed {
    pub(crate) id: BrowserId,
    pub(crate) created_at: Timestamp,
    pub(crate) seen_at: Timestamp,
    pub(crate) address: String,
    /// What browser it is; empty if it signed in before that was kept.
    pub(crate) description: String,
}

/// What tells a browser from the others of the person: the beginning of the hash of its cookie. Nobody can sign in with
/// it, and unlike a number of the row it doesn't tell how many people sign in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct BrowserId(i64);

impl BrowserId {
    pub(crate) fn of_cookie(cookie: &str) -> BrowserId {
        BrowserId::of(&secret::sha256(cookie.as_bytes()))
    }

    fn of(hash: &[u8; 32]) -> BrowserId {
        BrowserId(i64::from_be_bytes(*hash.first_chunk().expect("32 bytes have eight")))
    }

    /// Reads what `Display` writes.
    pub(crate) fn parse(text: &str) -> Option<BrowserId> {
        text.parse().ok().map(BrowserId)
    }
}

impl fmt::Display for BrowserId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Lists the browsers in which a person is signed in, the last sign-in first.
pub(crate) fn list(store: &Store, user_id: UserId, now: Timestamp) -> Result<Vec<Listed>, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT hash, created_at, seen_at, address, description FROM browsers
                   WHERE user_id = ?1 AND expires_at > ?2 ORDER BY rowid DESC";
        let mut select = connection.prepare_cached(sql)?;
        let rows = select.query_map((user_id, now.0), |row| {
            Ok(Listed {
                id: BrowserId::of(&row.get(0)?),
                created_at: Timestamp(row.get(1)?),
                seen_at: Timestamp(row.get(2)?),
                address: row.get(3)?,
                description: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    })
}

/// Ends the sign-in in one browser of a person. Returns what is known of the browser; `None` if they have no such one.
pub(crate) fn end(
    connection: &Connection,
    user_id: UserId,
    id: BrowserId,
) -> Result<Option<String>, StoreError> {
    let sql = "DELETE FROM browsers WHERE user_id = ?1 AND substr(hash, 1, 8) = ?2 RETURNING description";
    Ok(connection.query_row(sql, (user_id, id.0.to_be_bytes()), |row| row.get(0)).optional()?)
}

/// Signs a person out of every browser.
pub(crate) fn delete_all(connection: &Connection, user_id: UserId) -> Result<(), StoreError> {
    connection.execute("DELETE FROM browsers WHERE user_id = ?1", [user_id])?;
    Ok(())
}
