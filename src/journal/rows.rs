//! One person's rows: the only way from the journal to the database.
//!
//! Knows no column but `user_id` and those that [`OwnedRows::matching`] is given. Invariant: `?1` of each statement
//! is the id of the person whose permit opened the journal, see THE BINDING in [`OwnedRows::bound`].
//!
//! What the failure would be: a statement that finds an entry by its id alone gives a person any other person's
//! entry, because ids are small numbers that anyone can count through (an insecure direct object reference, which
//! the OWASP Top 10 lists under broken access control). Three things together rule it out. The permit is the only
//! source of the user id; this file puts it into every statement; and `tests/tidy.rs` holds that the text of each
//! statement compares `user_id` with `?1`, which SQLite can't check, since a parameter that a statement doesn't use
//! is no error to it. A larger server would use a database with row-level security, such as PostgreSQL, and let the
//! database add the comparison.

use rusqlite::{Connection, OptionalExtension, Row, ToSql};

use super::{JournalError, Matches};
use crate::ids::UserId;
use crate::secret::Signer;

/// The rows of one person, inside a transaction. The connection is private: the files beside this one can
/// run no statement without the person's id.
pub(super) struct OwnedRows<'c> {
    connection: &'c Connection,
    user_id: UserId,
}

/// The rows of a table that have a name, for [`OwnedRows::matching`].
pub(super) struct NamedRows {
    pub(super) table: &'static str,
    /// The column that holds the name.
    pub(super) name: &'static str,
    pub(super) order: &'static str,
}

impl<'c> OwnedRows<'c> {
    pub(super) fn new(connection: &'c Connection, user_id: UserId) -> OwnedRows<'c> {
        OwnedRows { connection, user_id }
    }

    /// The first row; `None` when there is none, or only another person's. The arguments are `?2`, `?3` and so on.
    pub(super) fn first<T>(
        &self,
        sql: &str,
        arguments: &[&dyn ToSql],
        row: impl FnOnce(&Row) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, JournalError> {
        // Cached: the statement is looked up by its text, and parsed and planned only the first time on a connection.
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row(&self.bound(arguments)[..], row).optional()?)
    }

    /// Every row, in memory at once. Each caller bounds how many that are: by a LIMIT, or by a limit on what a
    /// person can store. Only the ids of a tag's entries have no bound of their own.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        arguments: &[&dyn ToSql],
        row: impl FnMut(&Row) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, JournalError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_map(&self.bound(arguments)[..], row)?.collect::<Result<_, _>>()?)
    }

    /// Changes rows and says how many. Rows that a foreign key deletes along with them aren't counted.
    pub(super) fn change(&self, sql: &str, arguments: &[&dyn ToSql]) -> Result<usize, JournalError> {
        Ok(self.connection.prepare_cached(sql)?.execute(&self.bound(arguments)[..])?)
    }

    /// The id of the row that was inserted last. It must be read before the next statement: the connection is the
    /// writer's, and the number is that of whichever statement inserted last on it.
    pub(super) fn inserted_id(&self) -> i64 {
        self.connection.last_insert_rowid()
    }

    // ---- THE BINDING ----
    /// Puts the person's id before the arguments. Every statement of the journal is run with this list, so no
    /// caller can leave the id out or put another in its place; and values are always bound and never written into
    /// the text of a statement, so no text of a client's is ever read as SQL.
    fn bound<'a>(&'a self, arguments: &[&'a dyn ToSql]) -> Vec<&'a dyn ToSql> {
        let user: [&dyn ToSql; 1] = [&self.user_id];
        [&user, arguments].concat()
    }

    /// Ids of the rows of `table` that fit what a person is typing: where it is digits, their id must hold it, else
    /// their `name`, in any case. Those that equal it come first, then those that begin with it, then the rest, each
    /// in `order`.
    ///
    /// The names of `column` become part of the statement's text, because SQL can bind values only. `&'static` holds that
    /// they are literals of this crate: a text that came with a request has no such lifetime.
    pub(super) fn matching(
        &self,
        column: &NamedRows,
        typed: &str,
        limit: usize,
    ) -> Result<Matches, JournalError> {
        let NamedRows { table, name, order } = column;
        // An empty text counts as digits, and every id holds it: before the person types, the first rows in `order`
        // fit.
        let by_id = typed.bytes().all(|byte| byte.is_ascii_digit());
        let text = if by_id { "CAST(id AS TEXT)" } else { name };
        let typed = typed.to_lowercase();
        let (mut equal, mut beginning, mut others, mut total) = (Vec::new(), Vec::new(), Vec::new(), 0);
        // They are compared here and not by LIKE, to which É and é are different letters, because SQLite knows the
        // case of ASCII letters alone. So all rows of the person are read, which one pass does, the counting
        // included. A larger server would keep a column of folded names with an index on it; here the deadline of a
        // read bounds the cost.
        let sql = format!("SELECT id, {text} FROM {table} WHERE user_id = ?1 ORDER BY {order}");
        self.all(&sql, &[], |row| {
            let (id, text): (i64, String) = (row.get(0)?, row.get(1)?);
            let text = text.to_lowercase();
            let alike = match text.find(&typed) {
                Some(0) if text == typed => &mut equal,
                Some(0) => &mut beginning,
                Some(_) => &mut others,
                None => return Ok(()),
            };
            total += 1;
            // Each list is cut here already: the memory that the matches take doesn't grow with the journal.
            if alike.len() < limit {
                alike.push(id.to_string());
            }
            Ok(())
        })?;
        let mut values = [equal, beginning, others].concat();
        values.truncate(limit);
        Ok(Matches { values, total })
    }

    /// Signs the position after which the next page of a list begins. The cursor is bound to this person, the list
    /// and the digest of its filter: with another filter the position would be a place in another list.
    ///
    /// Signing keeps the position outside of the server: it remembers nothing between two pages, and a cursor is good
    /// after a restart. A client can read the position, which it was shown anyway, but can't make one up. Without the
    /// signature a cursor that was mixed up would give a wrong page that looks right, and not an error.
    pub(super) fn cursor(&self, signer: &Signer, list: &str, filter: &[u8; 32], position: &[u8]) -> String {
        signer.sign(&cursor_context(&self.user_id.get().to_be_bytes(), list, filter), position)
    }

    /// The position in a cursor of the same person, list and filter. Any other cursor is one and the same
    /// error, since a client can do nothing but begin the list again.
    pub(super) fn position(
        &self,
        signer: &Signer,
        list: &str,
        filter: &[u8; 32],
        cursor: &str,
    ) -> Result<Vec<u8>, JournalError> {
        let user = self.user_id.get().to_be_bytes();
        signer.verify(&cursor_context(&user, list, filter), cursor).ok_or(JournalError::BadCursor)
    }
}

/// Everything that a cursor is bound to. The first word names the purpose: the same key also signs session ids,
/// forms and request states, and none of them may pass as a cursor.
fn cursor_context<'a>(user: &'a [u8; 8], list: &'a str, filter: &'a [u8; 32]) -> [&'a [u8]; 4] {
    [b"cursor", user, list.as_bytes(), filter]
}

/// Cuts a page to `limit` items, and gives its last item where another page follows. Pages are read one item longer
/// than they are shown, to learn that: without it a list whose last page is full would end with a cursor to an
/// empty page.
pub(super) fn cut<T>(items: &mut Vec<T>, limit: usize) -> Option<&T> {
    let more = items.len() > limit;
    items.truncate(limit);
    if more { items.last() } else { None }
}

/// Takes the next number of a cursor's position. The signature says that this server made the position; but an
/// earlier version may have made it of other parts, so a number that isn't there is an error and no panic.
pub(super) fn take_number(position: &mut &[u8]) -> Result<i64, JournalError> {
    let (number, rest) = position.split_first_chunk().ok_or(JournalError::BadCursor)?;
    *position = rest;
    Ok(i64::from_be_bytes(*number))
}
