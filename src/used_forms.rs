//! Forms that were used, as the database stores them, so that each form works once.
//!
//! Makes no token and knows no page: `pages/form.rs` does both. Invariant: of several uses of one form, however many
//! arrive at once and whatever restarts lie between them, [`act`] accepts one; and a form is used if and only if what
//! it asked for is done.
//!
//! Only what was used is stored. A token is signed and says itself when it expires, so the many forms that are shown
//! and never sent cost nothing, and the rows of those that were sent are needed only for as long as their tokens are
//! good. Each use deletes rows of those that are over, so the table holds what the people of this server sent
//! within two hours before the last use.

use std::error::Error;
use std::fmt;

use rusqlite::OptionalExtension;

use crate::clock::Timestamp;
use crate::limits;
use crate::sign_ins::{self, SignedIn};
use crate::store::{Connection, Holder, Store, StoreError};

/// One use of a form whose token was checked. Only `pages/form.rs` makes one.
#[derive(Clone)]
pub(crate) struct FormUse {
    /// The hash of the form's token.
    pub(crate) hash: [u8; 32],
    pub(crate) expires_at: Timestamp,
    /// The cookie of the browser that sent the form.
    pub(crate) cookie: String,
    /// The person who must be signed in under that cookie, if the form is one that only such a person can send.
    pub(crate) person: Option<SignedIn>,
}

/// Why nothing was done of what a form asks for. The database is as it was before.
#[derive(Debug)]
pub(crate) enum Undone<E> {
    /// The form was used before.
    Used,
    /// The person is not signed in there any more.
    SignedOut,
    /// The work itself failed. The form can be used again.
    Work(E),
}

impl<E: From<StoreError>> From<StoreError> for Undone<E> {
    fn from(error: StoreError) -> Undone<E> {
        Undone::Work(error.into())
    }
}

impl<E: fmt::Display> fmt::Display for Undone<E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undone::Used => out.write_str("the form was used before"),
            Undone::SignedOut => out.write_str("the person is not signed in any more"),
            Undone::Work(error) => error.fmt(out),
        }
    }
}

impl<E: Error> Error for Undone<E> {}

/// Does what a form asks for, `work`, and records that the form was used, both in one transaction in the name of
/// `holder`. The look, the insertion and the work are one job of the store's one writer thread, so no other use can
/// come between them.
///
/// If the use were recorded first, in a transaction of its own, a failure between the two would take the person's form
/// and do nothing of what they wanted; the other way round, the form would work once more. The sign-in is looked up
/// here too, because it may have ended since the request came: the person has signed out in another tab, or the
/// operator has set another password to shut a stranger out.
pub(crate) fn act<T, E>(
    store: &Store,
    holder: Holder,
    form: FormUse,
    now: Timestamp,
    work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
) -> Result<T, Undone<E>>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    store.write_for(holder, move |connection| {
        if !insert(connection, &form, now)? {
            return Err(Undone::Used);
        }
        let cookie_holder = sign_ins::find_in(connection, &form.cookie, now)?;
        if form.person.is_some() && cookie_holder != form.person {
            return Err(Undone::SignedOut);
        }
        work(connection).map_err(Undone::Work)
    })
}

/// Records the use of a form; returns whether this is the first one.
fn insert(connection: &Connection, form: &FormUse, now: Timestamp) -> Result<bool, StoreError> {
    // A row stays for a while after its token has expired. A request is judged by the time at which its head arrived,
    // and its body may be slow: if the row were deleted at the very second, a second use that began before that second
    // would find the token good and the row gone.
    let expired = now.plus(-limits::FORM_SECONDS).0;
    let sql = "DELETE FROM used_forms WHERE rowid IN (SELECT rowid FROM used_forms WHERE expires_at <= ?1 LIMIT ?2)";
    connection.execute(sql, (expired, limits::CLEAN_UP_ROWS_MAX as i64))?;
    let sql = "INSERT INTO used_forms (hash, expires_at) VALUES (?1, ?2) ON CONFLICT (hash) DO NOTHING";
    Ok(connection.execute(sql, (form.hash, form.expires_at.0))? == 1)
}

/// Returns whether a form was used, for a message about it. A decision needs [`act`].
pub(crate) fn contains(store: &Store, hash: [u8; 32]) -> Result<bool, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT 1 FROM used_forms WHERE hash = ?1";
        Ok(connection.query_row(sql, [hash], |_| Ok(())).optional()?.is_some())
    })
}
