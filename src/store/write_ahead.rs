//! The write-ahead log: how large it may become, and how it starts over.
//!
//! Names no table. Invariant: unless another process reads the file for long, the log is never larger than
//! [`limits::WAL_BYTES_MAX`] and one commit.
//!
//! SQLite appends each commit to the log, and copies the log's pages into the database file at a checkpoint, which
//! doesn't wait for anybody. It starts the log over, at its beginning, with the first commit that finds all pages
//! copied and no reader in need of the log. Two long reads that overlap again and again are enough to prevent that:
//! the one keeps the newer pages from being copied, and when it ends, the other does. The log would grow without
//! bound, and with it the time of each read, for as long as one person sends searches.
//!
//! So when the log has become too large, the writer pauses after a commit until no reader needs the log. It waits for
//! the reads that have begun and for no others: while no commit comes, SQLite copies every page, and a read that begins
//! after that needs only the database file. And those reads end soon, because while the writer waits, a read may work
//! for [`limits::READ_WORK_MAX_AT_FULL_WAL`] only.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::StoreError;
use crate::limits;
use crate::stderr;

/// Whether the writer waits for reads to end, so that the log can start over. The readers look at it.
pub(super) type LogIsFull = Arc<AtomicBool>;

/// The writer's view of the log.
pub(super) struct WriteAheadLog {
    path: PathBuf,
    is_full: LogIsFull,
    /// The size from which the log is to start over, in bytes.
    bound: u64,
}

impl WriteAheadLog {
    /// The log of the database file at `path`.
    pub(super) fn of(path: &Path, is_full: LogIsFull) -> WriteAheadLog {
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        WriteAheadLog { path: name.into(), is_full, bound: limits::WAL_BYTES_MAX }
    }

    /// Starts the log over if it is too large. Called between two commits, when all clients of the first have their
    /// answers. Waits for [`limits::WAL_WAIT_MAX`] at most.
    pub(super) fn start_over_if_full(&mut self, connection: &Connection) {
        // The file's size is that of the log: when SQLite starts it over by itself, it cuts the file to
        // [`limits::WAL_BYTES_KEPT`]. If the size can't be read, the log is left as it is.
        let size = fs::metadata(&self.path).map_or(0, |log| log.len());
        if size < self.bound {
            return;
        }
        self.is_full.store(true, SeqCst);
        let started_over = start_over(connection);
        self.is_full.store(false, SeqCst);
        let _ = connection.busy_timeout(limits::BUSY_MAX); // for what comes next; it fails for no value
        self.bound = limits::WAL_BYTES_MAX;
        if !matches!(started_over, Ok(true)) {
            // Another process reads the file, perhaps a backup, and for it no deadline of ours counts. (Or a search is
            // in a step that has taken this long: SQLite looks at the deadline between steps alone.) A wait after each
            // commit would stop this server; so it waits again after so many bytes more.
            self.bound += size;
            stderr::note(&format!(
                "the database's log (-wal) has {size} bytes and can't start over; another program reads the file for \
                 long, or a search takes long: let that end"
            ));
        }
    }
}

/// Copies all of the log into the database file and empties it, once no reader needs it; `false` if one still does.
///
/// SQLite can wait for the readers by itself, but it waits for the place in its list where it has seen an early one,
/// and a later reader, which needs not be waited for, may take that place meanwhile. With readers that overlap it would
/// wait in vain. So it is asked again and again, and doesn't wait.
fn start_over(connection: &Connection) -> Result<bool, StoreError> {
    connection.busy_timeout(Duration::ZERO)?;
    let began = Instant::now();
    loop {
        if checkpoint(connection)? {
            return Ok(true);
        }
        if began.elapsed() >= limits::WAL_WAIT_MAX {
            return Ok(false);
        }
        thread::sleep(limits::WAL_LOOK);
    }
}

/// Copies what can be copied of the log into the database file, and waits for nobody. The log keeps its size, which
/// makes the next commits faster.
pub(super) fn copy_into_file(connection: &Connection) -> Result<(), StoreError> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?)
}

/// Copies what can be copied of the log into the database file. Returns whether that was all of it, and no reader needs
/// the log any more: then the log is empty.
pub(super) fn checkpoint(connection: &Connection) -> Result<bool, StoreError> {
    let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(!is_busy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret;

    #[test]
    fn waits_for_a_read_that_works_for_as_long_as_a_read_may() {
        let path = std::env::temp_dir().join(format!("epicme-log-{}.db", secret::random_text::<16>()));
        let writer = Connection::open(&path).expect("a file");
        writer.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (n)").expect("a table");
        let (begun, has_begun) = std::sync::mpsc::channel();
        let reader = Connection::open(&path).expect("the file");
        let reading = thread::spawn(move || {
            reader.execute_batch("BEGIN; SELECT count(*) FROM t").expect("a read");
            begun.send(()).expect("a receiver");
            // As in one step of the search index: nothing breaks it off.
            thread::sleep(limits::READ_WORK_MAX);
            reader.execute_batch("COMMIT").expect("its end");
        });
        has_begun.recv().expect("it reads");
        writer.execute_batch("INSERT INTO t VALUES (1)").expect("a write");
        assert!(start_over(&writer).expect("a checkpoint"));
        reading.join().expect("the reader ends");
        drop(writer);
        fs::remove_file(&path).expect("the file");
    }
}
