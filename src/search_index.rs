//! Fills the search index for the entries that a group of writes has changed, once for all of them.
//!
//! Runs no search (`journal/search.rs` does). Invariant: after each commit the index holds just the terms of the
//! entries, because both are of one transaction; and each term stands under its owner, so a look-up of one person's
//! terms meets no list of another's.
//!
//! If each row went into FTS5 as it changes, FTS5 would write a piece of index for each row of a group, all to be
//! merged later, because it must be able to go back to the savepoint of each job. So the store remembers which entries
//! a group has changed, and calls [`update`] when it has run the last job.
//!
//! The index is FTS5's, which keeps for each term a sorted list of rows and positions. It is given no text and keeps
//! none: [`terms::index_text`] makes the terms, and a search makes those of its query by the same function. With FTS5's
//! own tokenizer a word of Chinese or Thai would not be found, and all people would share the list of a word: how long
//! a search takes would tell how much others write of it.

use rusqlite::{Connection, OptionalExtension, Row, Statement};

use crate::ids::UserId;
use crate::limits;
use crate::store::{ChangedRows, Derived, Progress, Tidy};
use crate::terms;

/// What the store needs of this file.
pub(crate) const SEARCH_INDEX: Derived = Derived {
    table: "entries",
    update,
    work: bytes,
    work_max: limits::GROUP_BYTES_MAX,
    make_piece,
    progress,
    tidy,
};

/// The columns of an entry that are searched, as [`put`] reads them.
const SEARCHED: &str = "row_id, user_id, title, content, mood, location, weather";

const INSERT: &str = "INSERT INTO search_index (rowid, title, content, mood, location, weather) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// Returns what stands before each term of a person's entries. A colon ends it, so none is the beginning of another.
pub(crate) fn salt(owner: UserId) -> String {
    format!("{owner}:")
}

/// Brings the index up to date with these entries: they are new, changed, deleted, or as they were.
fn update(connection: &Connection, rows: &ChangedRows) -> rusqlite::Result<()> {
    // The removals come first, and the new terms in the order of the rows: for a row below the last one, FTS5 would
    // write out what it has in memory and begin a new piece.
    let mut delete = connection.prepare_cached("DELETE FROM search_index WHERE rowid = ?1")?;
    for (row, _) in rows.iter().filter(|(_, is_new)| !**is_new) {
        delete.execute([row])?;
    }
    let mut find = connection.prepare_cached(&format!("SELECT {SEARCHED} FROM entries WHERE row_id = ?1"))?;
    let mut insert = connection.prepare_cached(INSERT)?;
    for row in rows.keys() {
        find.query_row([row], |row| put(&mut insert, row)).optional()?;
    }
    Ok(())
}

/// Puts an entry into the index, which doesn't have it, by the statement [`INSERT`].
fn put(insert: &mut Statement, row: &Row) -> rusqlite::Result<()> {
    let salt = salt(row.get(1)?);
    // A label that isn't there has no terms.
    let terms = |column| -> rusqlite::Result<String> {
        Ok(row
            .get_ref(column)?
            .as_str_or_null()?
            .map_or_else(String::new, |text| terms::index_text(&salt, text)))
    };
    insert.execute((row.get::<_, i64>(0)?, terms(2)?, terms(3)?, terms(4)?, terms(5)?, terms(6)?))?;
    Ok(())
}

/// Returns how many bytes of an entry are to be indexed; none if it was deleted. A group's jobs are quick, and its
/// clients wait for the index too; without a bound on these a few hundred long entries would make all of them wait.
fn bytes(connection: &Connection, row: i64) -> rusqlite::Result<usize> {
    // SQLite knows the length of a text without reading it.
    let sql = "SELECT octet_length(title) + octet_length(content) FROM entries WHERE row_id = ?1";
    let bytes = connection.prepare_cached(sql)?.query_row([row], |row| row.get::<_, i64>(0)).optional()?;
    Ok(bytes.unwrap_or(0) as usize)
}

/// Indexes the entries behind the last that the index has, as many as one commit may. The index lacks entries after the
/// step to version 5 of the file, and after that if a process was killed in here, or if another program has written
/// rows behind the last. What such a program has changed elsewhere isn't found out.
fn make_piece(connection: &Connection) -> rusqlite::Result<bool> {
    // FTS5 keeps a row here for each that it has.
    let sql = "SELECT coalesce(max(id), 0) FROM search_index_docsize";
    let last: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    let sql = format!("SELECT {SEARCHED} FROM entries WHERE row_id > ?1 ORDER BY row_id");
    let mut find = connection.prepare(&sql)?;
    let mut rows = find.query([last])?;
    let mut insert = connection.prepare_cached(INSERT)?;
    let mut bytes = 0;
    while bytes < limits::INDEX_PIECE_BYTES {
        let Some(row) = rows.next()? else { break };
        put(&mut insert, row)?;
        // An entry without texts is a row of the index too.
        bytes += 1 + row.get_ref(2)?.as_str()?.len() + row.get_ref(3)?.as_str()?.len();
    }
    Ok(bytes > 0)
}

/// Counts the entries that the index has, and all of them.
fn progress(connection: &Connection) -> rusqlite::Result<Progress> {
    let sql = "SELECT (SELECT count(*) FROM search_index_docsize), (SELECT count(*) FROM entries)";
    connection.query_row(sql, [], |row| Ok(Progress { made: row.get(0)?, of: row.get(1)? }))
}

/// Merges a part of the index. FTS5 writes a new piece for each commit and for each megabyte, and merges them when
/// there are many, but a search looks each term up in each piece: with forty of them, after ten thousand entries that
/// were written one by one, SQLite takes two to three times as long to find a rare word as in one.
fn tidy(connection: &Connection, how_much: Tidy) -> rusqlite::Result<bool> {
    let changes = || connection.query_row("SELECT total_changes()", [], |row| row.get::<_, i64>(0));
    let before = changes()?;
    // With a negative number of pages everything is merged, and otherwise four pieces of one size: if everything were
    // merged after each write, each would have the whole index written anew.
    let pages = match how_much {
        Tidy::All => -limits::INDEX_MERGE_PAGES,
        Tidy::Step => limits::INDEX_STEP_PAGES,
    };
    let sql = "INSERT INTO search_index (search_index, rank) VALUES ('merge', ?1)";
    connection.prepare_cached(sql)?.execute([pages])?;
    // By its manual FTS5 has merged nothing if there was one change: the command itself.
    Ok(changes()? - before >= 2)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::lock::locked;
    use crate::secret;
    use crate::store::{Store, StoreError};

    /// Where the copies of the database lie that were made so far.
    static COPIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

    /// Copies the database and its log as they are on the disk: what a crash at this moment would leave. Another
    /// program copies them, because a file that this process closes loses all of its locks.
    fn copy(connection: &Connection) {
        let database = PathBuf::from(connection.path().expect("a file"));
        let mut copies = locked(&COPIES);
        let folder = database.with_file_name(copies.len().to_string());
        std::fs::create_dir(&folder).expect("a folder");
        let log = database.with_extension("db-wal");
        let done = Command::new("cp").args([&database, &log, &folder]).status().expect("cp runs");
        assert!(done.success());
        copies.push(folder.join(database.file_name().expect("a name")));
    }

    fn update_between_copies(connection: &Connection, rows: &ChangedRows) -> rusqlite::Result<()> {
        let is_open = !locked(&COPIES).is_empty();
        if is_open {
            copy(connection);
        }
        update(connection, rows)?;
        if is_open {
            copy(connection);
        }
        Ok(())
    }

    /// The titles of the entries of a database that is opened after a crash, when its index and counts were compared
    /// with the rows.
    fn titles(database: &Path) -> String {
        let store = Store::open(database, SEARCH_INDEX).expect("it opens");
        let read = store.write(|connection| {
            let check = "INSERT INTO search_index (search_index, rank) VALUES ('integrity-check', 1)";
            connection.execute(check, [])?;
            let sql = "SELECT count(*) FROM entries e WHERE NOT EXISTS (
                           SELECT 1 FROM search_index
                           WHERE search_index MATCH '\"1:' || e.title || '\"' AND rowid = e.row_id)";
            assert_eq!(connection.query_row(sql, [], |row| row.get::<_, i64>(0))?, 0, "each word is found");
            let sql = "SELECT (SELECT count(*) FROM search_index_docsize) = (SELECT count(*) FROM entries)";
            assert!(connection.query_row(sql, [], |row| row.get::<_, bool>(0))?, "and no more");
            let sql = "SELECT (SELECT count(*) FROM entries) =
                           (SELECT sum(number) FROM journal_counts WHERE kind = 'entries')
                       AND (SELECT count(*) FROM entries WHERE mood = 'calm') =
                           (SELECT total(number) FROM journal_counts WHERE kind = 'mood' AND value = 'calm')";
            assert!(
                connection.query_row(sql, [], |row| row.get::<_, bool>(0))?,
                "the counts are of the rows"
            );
            let sql = "SELECT group_concat(title, ' ' ORDER BY id) FROM entries";
            Ok::<String, StoreError>(connection.query_row(sql, [], |row| row.get(0))?)
        });
        let read = read.expect("the index and the counts agree with the rows");
        store.close().expect("it closes");
        read
    }

    /// The most rows that one commit has indexed.
    static ROWS_MAX: AtomicUsize = AtomicUsize::new(0);

    fn update_and_count(connection: &Connection, rows: &ChangedRows) -> rusqlite::Result<()> {
        ROWS_MAX.fetch_max(rows.len(), SeqCst);
        update(connection, rows)
    }

    #[test]
    fn indexes_no_more_in_one_commit_than_others_may_wait_for() {
        let folder = std::env::temp_dir().join(format!("epicme-groups-{}", secret::random_text::<16>()));
        std::fs::create_dir(&folder).expect("a folder");
        let derived = Derived { update: update_and_count, ..SEARCH_INDEX };
        let store = Store::open(&folder.join("epicme.db"), derived).expect("a store");
        let user = "INSERT INTO users (id, email, password_hash, created_at, updated_at) VALUES (1, 'a@b', '', 0, 0)";
        let write = |sql: String| {
            loop {
                let sql = sql.clone();
                let done = store.write(move |connection| {
                    connection.execute(&sql, [])?;
                    Ok::<_, StoreError>(())
                });
                // On a machine with much to do the last of them may have to wait for too long.
                match done {
                    Err(StoreError::Busy) => {}
                    done => return done.expect("a write"),
                }
            }
        };
        write(user.to_owned());
        // Each entry alone is as much as a commit may index: the title half of it, the text the other, in two-byte
        // letters.
        let half = limits::GROUP_BYTES_MAX / 4;
        thread::scope(|scope| {
            for id in 1..=6 {
                let write = &write;
                scope.spawn(move || {
                    write(format!(
                        "INSERT INTO entries (row_id, user_id, id, date, title, content, created_at, updated_at)
                         SELECT 1 << 32 | {id}, 1, {id}, '2025-01-31', text, text, 0, 0
                         FROM (SELECT printf('%.*c', {half}, 'é') AS text)"
                    ));
                });
            }
        });
        assert_eq!(ROWS_MAX.load(SeqCst), 1);
        let measured = store.write(|connection| {
            connection.execute("DELETE FROM entries WHERE id = 2", [])?;
            Ok::<_, StoreError>([bytes(connection, 1 << 32 | 1)?, bytes(connection, 1 << 32 | 2)?])
        });
        assert_eq!(measured.expect("two numbers"), [limits::GROUP_BYTES_MAX, 0]);
        store.close().expect("it closes");
        std::fs::remove_dir_all(&folder).expect("the folder");
    }

    #[test]
    fn makes_what_is_missing_in_pieces_of_a_bounded_size_and_merges_them_all() {
        let folder = std::env::temp_dir().join(format!("epicme-missing-{}", secret::random_text::<16>()));
        std::fs::create_dir(&folder).expect("a folder");
        let store = Store::open(&folder.join("epicme.db"), Derived::NOTHING).expect("a store");
        let written = store.write(|connection| {
            connection.execute_batch(
                "INSERT INTO users (id, email, password_hash, created_at, updated_at) VALUES (1, 'a@b', '', 0, 0);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
                 INSERT INTO entries (row_id, user_id, id, date, title, content, created_at, updated_at)
                     SELECT 1 << 32 | i, 1, i, '2025-01-31', 'long', printf('%.*c', 90000, 'x'), 0, 0 FROM n",
            )?;
            Ok::<_, StoreError>(())
        });
        written.expect("entries without an index");
        let piece = || {
            let made = store.write(|connection| {
                let is_piece = make_piece(connection)?;
                let Progress { made, of } = progress(connection)?;
                Ok::<_, StoreError>((is_piece, made, of))
            });
            made.expect("a piece")
        };
        let first = limits::INDEX_PIECE_BYTES.div_ceil(1 + "long".len() + 90_000) as i64;
        assert_eq!([piece(), piece(), piece()], [(true, first, 60), (true, 60, 60), (false, 60, 60)]);
        let empty = store.write(|connection| {
            let sql =
                "INSERT INTO entries (row_id, user_id, id, date, title, content, created_at, updated_at)
                       VALUES (1 << 32 | 61, 1, 61, '2025-01-31', '', '', 0, 0)";
            Ok::<_, StoreError>(connection.execute(sql, [])?)
        });
        empty.expect("an entry without texts");
        assert_eq!([piece(), piece()], [(true, 61, 61), (false, 61, 61)]);
        let tidied = |how_much| {
            let tidied = store.write(move |connection| {
                let is_more = tidy(connection, how_much)?;
                let sql = "SELECT count(DISTINCT segid) FROM search_index_idx";
                Ok::<_, StoreError>((is_more, connection.query_row(sql, [], |row| row.get::<_, i64>(0))?))
            });
            tidied.expect("a step")
        };
        assert_eq!(tidied(Tidy::Step), (false, 2), "a step leaves alone what is so few");
        assert_eq!([tidied(Tidy::All), tidied(Tidy::All)], [(true, 1), (false, 1)]);
        store.close().expect("it closes");
        std::fs::remove_dir_all(&folder).expect("the folder");
    }

    #[test]
    fn merges_its_pieces_while_nothing_is_written() {
        let folder = std::env::temp_dir().join(format!("epicme-pieces-{}", secret::random_text::<16>()));
        std::fs::create_dir(&folder).expect("a folder");
        let path = folder.join("epicme.db");
        let store = Store::open(&path, SEARCH_INDEX).expect("a store");
        let write = |sql: String| {
            let done = store.write(move |connection| {
                connection.execute(&sql, [])?;
                Ok::<_, StoreError>(())
            });
            done.expect("a write");
        };
        let user = "INSERT INTO users (id, email, password_hash, created_at, updated_at) VALUES (1, 'a@b', '', 0, 0)";
        write(user.to_owned());
        for id in 1..=12 {
            write(format!(
                "INSERT INTO entries (row_id, user_id, id, date, title, content, created_at, updated_at)
                 VALUES (1 << 32 | {id}, 1, {id}, '2025-01-31', 'title', 'text', 0, 0)"
            ));
        }
        // Looked at by a connection of its own: a write would put the merge off.
        let reader = Connection::open(&path).expect("the file");
        let pieces = || -> i64 {
            let sql = "SELECT count(DISTINCT segid) FROM search_index_idx";
            reader.query_row(sql, [], |row| row.get(0)).expect("a count")
        };
        let began = Instant::now();
        while pieces() >= 4 {
            assert!(began.elapsed() < Duration::from_secs(20), "{} pieces", pieces());
            thread::sleep(limits::TIDY_AFTER);
        }
        let found: i64 = reader
            .query_row("SELECT count(*) FROM search_index WHERE search_index MATCH '\"1:text\"'", [], |row| {
                row.get(0)
            })
            .expect("a search");
        assert_eq!(found, 12);
        drop(reader);
        store.close().expect("it closes");
        std::fs::remove_dir_all(&folder).expect("the folder");
    }

    #[test]
    fn agrees_with_the_rows_after_a_crash_at_each_statement_of_a_group() {
        let folder = std::env::temp_dir().join(format!("epicme-crashes-{}", secret::random_text::<16>()));
        std::fs::create_dir(&folder).expect("a folder");
        let derived = Derived { update: update_between_copies, ..SEARCH_INDEX };
        let store = Store::open(&folder.join("epicme.db"), derived).expect("a store");
        let write = |statements: &'static [&'static str], copies: bool| {
            let done = store.write(move |connection| {
                // So few pages are kept in memory that changes go to the log before the commit.
                connection.pragma_update(None, "cache_size", 4)?;
                for sql in statements {
                    connection.execute(sql, [])?;
                    if copies {
                        copy(connection);
                    }
                }
                Ok::<_, StoreError>(())
            });
            done.expect("a write");
        };
        write(
            &[
                "INSERT INTO users (id, email, password_hash, created_at, updated_at) VALUES (1, 'a@b', '', 0, 0)",
                "INSERT INTO entries (row_id, user_id, id, date, title, content, mood, mood_key, created_at, updated_at)
                 VALUES (1 << 32 | 1, 1, 1, '2025-01-31', 'kept', 'x', NULL, NULL, 0, 0),
                        (1 << 32 | 2, 1, 2, '2025-01-31', 'changed', 'y', 'calm', 'calm', 1, 1),
                        (1 << 32 | 3, 1, 3, '2025-01-31', 'deleted', 'z', 'calm', 'calm', 2, 2)",
            ],
            false,
        );
        write(
            &[
                "INSERT INTO entries (row_id, user_id, id, date, title, content, mood, mood_key, created_at, updated_at)
                 VALUES (1 << 32 | 4, 1, 4, '2025-01-31', 'new', printf('%.*c', 60000, 'n '), 'calm', 'calm', 3, 3)",
                "UPDATE entries SET title = 'otherwise', mood = NULL, mood_key = NULL WHERE title = 'changed'",
                "UPDATE entries SET content = printf('%.*c', 60000, 'm ') WHERE title = 'otherwise'",
                "DELETE FROM entries WHERE title = 'deleted'",
                "INSERT INTO entries (row_id, user_id, id, date, title, content, created_at, updated_at)
                 VALUES (1 << 32 | 5, 1, 5, '2025-01-31', 'brief', '', 4, 4)",
                "DELETE FROM entries WHERE title = 'brief'",
            ],
            true,
        );
        store
            .write(|connection| {
                copy(connection);
                Ok::<_, StoreError>(())
            })
            .expect("a copy");
        store.close().expect("it closes");
        let left: Vec<_> = locked(&COPIES).iter().map(|database| titles(database)).collect();
        let whole = left.iter().position(|titles| titles != "kept changed deleted").expect("the commit");
        assert!(whole >= 8, "one copy for each statement, and two at the end: {left:?}");
        assert!(left[whole..].iter().all(|titles| titles == "kept otherwise new"), "{left:?}");
        std::fs::remove_dir_all(&folder).expect("the folder");
    }
}
