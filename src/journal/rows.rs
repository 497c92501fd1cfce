//! One person's rows: the only way from the journal to the database.
//!
//! Names no column but `user_id`, `id`, those of the counts and those that [`OwnedRows::matching`] is given. Invariant:
//! `?1` of each statement is the id of the person whose permit, or `WholeJournal`, opened the journal, see THE BINDING
//! in [`OwnedRows::bound`].
//!
//! What this prevents: a statement that finds an entry by its id alone would give a person any other person's entry,
//! because ids are small numbers that anyone can count through (an insecure direct object reference, which the OWASP
//! Top 10 lists under broken access control). Three things together rule it out. The permit (or a
//! `WholeJournal`, see `transfer.rs`) is the only source of the user id; this file binds it in every statement; and
//! `tests/tidy.rs` searches the text of each statement for the use of `?1` as the owner. SQLite can't check that: a
//! parameter that a statement doesn't use is no error to it. A larger server would use a database with row-level
//! security, such as PostgreSQL, and let the database add the comparison.

use rusqlite::{Connection, OptionalExtension, Row, ToSql};

use super::{JournalError, Matches};
use crate::ids::UserId;
use crate::limits;
use crate::search_index;
use crate::secret::Signer;
use crate::terms;
use crate::zone::Zone;

/// The rows of one person, inside a transaction. The connection is private, so the other files of the journal can't
/// run a statement without the person's id.
pub(super) struct OwnedRows<'c> {
    connection: &'c Connection,
    user_id: UserId,
}

/// The rows of a table that have a name, for [`OwnedRows::matching`].
pub(super) struct NamedRows {
    /// The table, and the kind under which its rows are counted.
    pub(super) table: &'static str,
    /// The column that holds the name.
    pub(super) name: &'static str,
    pub(super) order: &'static str,
}

impl<'c> OwnedRows<'c> {
    pub(super) fn new(connection: &'c Connection, user_id: UserId) -> OwnedRows<'c> {
        OwnedRows { connection, user_id }
    }

    /// Returns whose rows they are.
    pub(super) fn user_id(&self) -> UserId {
        self.user_id
    }

    /// Returns the first row of a statement, or `None` if it finds none. The arguments are `?2`, `?3` and so on.
    pub(super) fn first<T>(
        &self,
        sql: &str,
        arguments: &[&dyn ToSql],
        row: impl FnOnce(&Row) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, JournalError> {
        // The connection keeps the prepared statement by its text, so SQLite needn't parse and plan it each time.
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row(&self.bound(arguments)[..], row).optional()?)
    }

    /// Returns every row, all in memory at once. Nearly every caller bounds the number of rows: by a LIMIT, or by a
    /// limit on what a person can store. Two have no such bound: the ids of a tag's entries, and what an import
    /// compares.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        arguments: &[&dyn ToSql],
        row: impl FnMut(&Row) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, JournalError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_map(&self.bound(arguments)[..], row)?.collect::<Result<_, _>>()?)
    }

    /// Returns how many rows of a kind the person has, of those with this value if the kind has values. The database
    /// keeps the numbers (`schema_5.sql`), so this counts nothing.
    pub(super) fn count(&self, kind: &str, value: &str) -> Result<i64, JournalError> {
        let sql = "SELECT number FROM journal_counts WHERE user_id = ?1 AND kind = ?2 AND value = ?3";
        Ok(self.first(sql, &[&kind, &value], |row| row.get(0))?.unwrap_or(0))
    }

    /// Changes rows and returns their number. Rows that a foreign key deletes as well aren't counted.
    pub(super) fn change(&self, sql: &str, arguments: &[&dyn ToSql]) -> Result<usize, JournalError> {
        Ok(self.connection.prepare_cached(sql)?.execute(&self.bound(arguments)[..])?)
    }

    /// Returns the id for a new row of a kind (`entry`, `tag` or `link`): the one after the last that was given, also
    /// if that row was deleted. Each person's rows are counted alone, so that an id tells nothing of other people's.
    pub(super) fn next_id(&self, kind: &str) -> Result<i64, JournalError> {
        let kind = format!("last {kind}");
        // For RETURNING, and for ON CONFLICT, SQLite makes a table in memory, which takes ten times as long as all of
        // this.
        let sql =
            "UPDATE journal_counts SET number = number + 1 WHERE user_id = ?1 AND kind = ?2 AND value = ''";
        if self.change(sql, &[&kind])? == 0 {
            let sql = "INSERT INTO journal_counts (user_id, kind, value, number) VALUES (?1, ?2, '', 1)";
            self.change(sql, &[&kind])?;
        }
        self.count(&kind, "")
    }

    /// Returns what stands before each term of the person's entries in the search index.
    pub(super) fn salt(&self) -> String {
        search_index::salt(self.user_id)
    }

    /// Has the next id of a kind come after this one. Only for a person who has got no id of this kind yet, since an id
    /// that was given must not be given again.
    pub(super) fn reserve_ids(&self, kind: &str, last: i64) -> Result<(), JournalError> {
        let sql =
            "INSERT INTO journal_counts (user_id, kind, value, number) VALUES (?1, 'last ' || ?2, '', ?3)";
        self.change(sql, &[&kind, &last])?;
        Ok(())
    }

    /// Returns the person's time zone: which day it is for them.
    pub(super) fn zone(&self) -> Result<Zone, JournalError> {
        let sql = "SELECT time_zone FROM users WHERE id = ?1";
        Ok(self.first(sql, &[], |row| row.get(0))?.unwrap_or_else(Zone::utc))
    }

    // ---- THE BINDING ----
    /// Puts the person's id before the arguments. Every statement of the journal is run with this list, so a caller
    /// can't leave the id out or use another one. Values are bound and not written into the text of a statement, so
    /// SQLite doesn't read a client's text as SQL.
    fn bound<'a>(&'a self, arguments: &[&'a dyn ToSql]) -> Vec<&'a dyn ToSql> {
        let user: [&dyn ToSql; 1] = [&self.user_id];
        [&user, arguments].concat()
    }

    /// Finds the ids of the rows that fit what a person is typing. Digits fit every id that contains them; any other
    /// text fits every name that contains it, with capitals, accents and widths folded. Rows that equal the text come
    /// first, then those that begin with it, then the rest; each group is in `order`. Only the first
    /// [`limits::COMPLETION_ROWS_MAX`] rows in `order` are looked at, and the one whose id the text is.
    ///
    /// The three texts of `column` become part of the statement, because SQL can bind only values. `&'static` makes
    /// sure that they are literals of this crate: a text that came with a request has no such lifetime.
    pub(super) fn matching(
        &self,
        column: &NamedRows,
        typed: &str,
        limit: usize,
    ) -> Result<Matches, JournalError> {
        let NamedRows { table, name, order } = column;
        // An empty text counts as digits, and every id contains it: before the person types, all rows fit, and the
        // first ones in `order` are returned.
        let by_id = typed.bytes().all(|byte| byte.is_ascii_digit());
        let text = if by_id { "CAST(id AS TEXT)" } else { name };
        let typed = terms::fold(typed);
        let (mut equal, mut beginning, mut others, mut total) = (Vec::new(), Vec::new(), Vec::new(), 0);
        // This code compares the texts, because SQLite knows the case of ASCII letters alone: to LIKE, É and é are
        // different letters. One pass over the rows finds the matches and counts them. A client asks at each key that
        // the person presses, so the rows are bounded; a larger server would keep an index of parts of names. All rows
        // fit an empty text, and their number is known.
        let is_any = typed.is_empty();
        let rows_max = if is_any { limit } else { limits::COMPLETION_ROWS_MAX } as i64;
        let sql = format!("SELECT id, {text} FROM {table} WHERE user_id = ?1 ORDER BY {order} LIMIT ?2");
        let mut rows = 0;
        self.all(&sql, &[&(rows_max + 1)], |row| {
            rows += 1;
            if rows > rows_max {
                return Ok(());
            }
            let (id, text): (i64, String) = (row.get(0)?, row.get(1)?);
            let text = terms::fold(&text);
            let alike = match text.find(&typed) {
                Some(0) if text == typed => &mut equal,
                Some(0) => &mut beginning,
                Some(_) => &mut others,
                None => return Ok(()),
            };
            total += 1;
            // Each list ends at `limit` here already, so that its memory doesn't grow with the journal.
            if alike.len() < limit {
                alike.push(id.to_string());
            }
            Ok(())
        })?;
        if is_any {
            total = self.count(table, "")?;
        }
        let is_cut = rows > rows_max;
        if is_cut && equal.is_empty() && by_id {
            let sql = format!("SELECT id FROM {table} WHERE user_id = ?1 AND id = ?2");
            // Digits that are no id, 07 for example, name no row.
            let id = typed.parse().ok().filter(|id: &i64| id.to_string() == typed);
            if let Some(id) = self.first(&sql, &[&id], |row| row.get::<_, i64>(0))? {
                equal.push(id.to_string());
                total += 1;
            }
        }
        let mut values = [equal, beginning, others].concat();
        values.truncate(limit);
        Ok(Matches { values, total, is_cut })
    }

    /// Signs the position after which the next page of a list begins. The cursor is bound to this person, to the list
    /// and to the digest of its filter: with another filter the position would belong to another list.
    ///
    /// The client keeps the signed position, so the server remembers nothing between two pages, and a cursor is good
    /// after a restart. A client can read the position, which tells it nothing new, but can't make up another one.
    /// Without the signature a cursor of another list would give a wrong page that looks right, instead of an error.
    pub(super) fn cursor(&self, signer: &Signer, list: &str, filter: &[u8; 32], position: &[u8]) -> String {
        signer.sign(&cursor_context(&self.user_id.get().to_be_bytes(), list, filter), position)
    }

    /// Returns the position in a cursor of the same person, list and filter. Every other cursor gives the same error,
    /// since all that a client can do is begin the list again.
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

/// Returns everything that a cursor is bound to. The first word names the purpose: the same key also signs other
/// texts, such as session ids and forms, and none of them may pass as a cursor.
fn cursor_context<'a>(user: &'a [u8; 8], list: &'a str, filter: &'a [u8; 32]) -> [&'a [u8]; 4] {
    [b"cursor", user, list.as_bytes(), filter]
}

/// Cuts a page to `limit` items, and returns its last item if another page follows. A page is read with one item more
/// than it shows, which tells whether another page follows: otherwise a list whose last page is full would end with a
/// cursor to an empty page.
pub(super) fn cut<T>(items: &mut Vec<T>, limit: usize) -> Option<&T> {
    let more = items.len() > limit;
    items.truncate(limit);
    if more { items.last() } else { None }
}

/// Takes the day at the beginning of a cursor's position; see [`take_number`].
pub(super) fn take_day(position: &mut &[u8]) -> Result<String, JournalError> {
    let (day, rest) = position.split_at_checked("0000-00-00".len()).ok_or(JournalError::BadCursor)?;
    *position = rest;
    String::from_utf8(day.to_vec()).map_err(|_| JournalError::BadCursor)
}

/// Takes the next number of a cursor's position. The signature says that this server made the position; but an
/// earlier version may have made it of other parts, so a missing number is an error and not a panic.
pub(super) fn take_number(position: &mut &[u8]) -> Result<i64, JournalError> {
    let (number, rest) = position.split_first_chunk().ok_or(JournalError::BadCursor)?;
    *position = rest;
    Ok(i64::from_be_bytes(*number))
}
