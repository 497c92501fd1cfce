//! Forms that were used, as the database stores them, so that each form works once.
//!
//! Makes no token and knows no page: `pages/form.rs` does both. Invariant: of several uses of one form, however many
//! arrive at once and whatever restarts lie between them, [`insert`] accepts one.
//!
//! Only what was used is stored. A token is signed and says itself when it expires, so the many forms that are shown
//! and never sent cost nothing, and the rows of those that were sent are needed only for as long as their tokens are
//! good. Each use deletes the rows of those that are over, so the table holds what the people of this server sent
//! within two hours before the last use.

use rusqlite::OptionalExtension;

use crate::clock::Timestamp;
use crate::limits;
use crate::store::{Store, StoreError};

/// Records the use of a form by the hash of its token; returns whether this is the first use. The look and the
/// insertion are one statement on the store's one writer thread, so no other use can come between the two.
pub(crate) fn insert(
    store: &Store,
    hash: [u8; 32],
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    store.write(move |connection| {
        // A row stays for a while after its token has expired. A request is judged by the time at which its head
        // arrived, and its body may be slow: if the row were deleted at the very second, a second use that began
        // before that second would find the token good and the row gone.
        let expired = now.plus(-limits::FORM_SECONDS).0;
        connection.execute("DELETE FROM used_forms WHERE expires_at <= ?1", [expired])?;
        let sql = "INSERT INTO used_forms (hash, expires_at) VALUES (?1, ?2) ON CONFLICT (hash) DO NOTHING";
        Ok(connection.execute(sql, (hash, expires_at.0))? == 1)
    })
}

/// Returns whether a form was used, for a message about it. A decision needs [`insert`].
pub(crate) fn contains(store: &Store, hash: [u8; 32]) -> Result<bool, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT 1 FROM used_forms WHERE hash = ?1";
        Ok(connection.query_row(sql, [hash], |_| Ok(())).optional()?.is_some())
    })
}
