//! The journal behind the tools: a few connections to read with, one to write with, a commit for each write.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

use rmcp::schemars;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Result, Row};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{search, statements};

const READERS: usize = 4;

pub struct Journal {
    readers: Vec<Mutex<Connection>>,
    writer: Mutex<Connection>,
    /// How many entries each person has. A list says it, and counting them anew each time would grow with them.
    counts: Mutex<HashMap<i64, i64>>,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub id: i64,
    user_id: i64,
    pub title: String,
    content: String,
    mood: Option<String>,
    location: Option<String>,
    weather: Option<String>,
    is_private: i64,
    is_favorite: i64,
    date: String,
    date_time: Option<String>,
    created_at: i64,
    pub updated_at: i64,
    created_date_time: String,
    updated_date_time: String,
    tags: Vec<Tag>,
}

#[derive(Serialize, schemars::JsonSchema)]
pub struct Tag {
    id: i64,
    name: String,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    pub id: i64,
    pub title: String,
    tag_count: i64,
    mood: Option<String>,
    is_favorite: i64,
    date: String,
    date_time: Option<String>,
    created_at: i64,
    pub updated_at: i64,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    pub id: i64,
    pub title: String,
    tag_count: i64,
    date: String,
    date_time: Option<String>,
    created_at: i64,
    snippet: String,
    #[serde(skip)]
    pub updated_at: i64,
}

/// A page of a list, and how many rows there are on all pages.
pub struct Page<T> {
    pub rows: Vec<T>,
    pub total: i64,
    pub more: bool,
}

impl Journal {
    pub fn open(database: &Path) -> Journal {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader =
            |_| Mutex::new(Connection::open_with_flags(database, flags).expect("the database opens"));
        let writer = Connection::open(database).expect("the database opens");
        writer.execute_batch(statements::SETTINGS).expect("SQLite has these settings");
        Journal {
            readers: (0..READERS).map(reader).collect(),
            writer: Mutex::new(writer),
            counts: Mutex::default(),
        }
    }

    /// A connection to read with: one that is free, or else the first that will be.
    fn reader(&self) -> MutexGuard<'_, Connection> {
        let free = self.readers.iter().find_map(|reader| reader.try_lock().ok());
        free.unwrap_or_else(|| self.readers[0].lock().expect("no reader panics"))
    }

    /// The person whose token this is.
    pub fn person(&self, token: &str) -> Result<Option<i64>> {
        let hash = Sha256::digest(token);
        let reader = self.reader();
        let mut statement = reader.prepare_cached(statements::TOKEN)?;
        statement.query_row([&hash[..]], |row| row.get(0)).optional()
    }

    pub fn find(&self, user_id: i64, id: i64) -> Result<Option<Entry>> {
        find(&self.reader(), user_id, id)
    }

    pub fn create(&self, user_id: i64, title: &str, content: &str) -> Result<Option<Entry>> {
        let mut writer = self.writer.lock().expect("no writer panics");
        let transaction = writer.transaction()?;
        transaction.prepare_cached(statements::NEXT)?.execute([user_id])?;
        let id = transaction.prepare_cached(statements::NEXT_ID)?.query_row([user_id], |row| row.get(0))?;
        transaction.prepare_cached(statements::CREATE)?.execute((user_id, id, title, content))?;
        let entry = find(&transaction, user_id, id)?;
        transaction.commit()?;
        if let Some(count) = self.counts.lock().expect("no thread panics").get_mut(&user_id) {
            *count += 1;
        }
        Ok(entry)
    }

    pub fn list(&self, user_id: i64, limit: usize) -> Result<Page<Item>> {
        let reader = self.reader();
        let total = self.total(&reader, user_id)?;
        let mut statement = reader.prepare_cached(statements::LIST)?;
        let rows = statement.query_map((user_id, limit as i64 + 1), |row| {
            Ok(Item {
                id: row.get(0)?,
                title: row.get(1)?,
                tag_count: row.get(2)?,
                mood: row.get(3)?,
                is_favorite: row.get(4)?,
                date: row.get(5)?,
                date_time: row.get(6)?,
                created_at: row.get(7)?,
                updated_at: row.get(8)?,
            })
        })?;
        Ok(page(rows.collect::<Result<_>>()?, total, limit))
    }

    /// The entries with every word of `query`.
    pub fn search(&self, user_id: i64, query: &str) -> Result<Page<Found>> {
        let quoted: Vec<_> =
            query.split_whitespace().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
        let words = quoted.join(" AND ");
        let reader = self.reader();
        let total = reader.prepare_cached(search::FOUND)?.query_row((user_id, &words), |row| row.get(0))?;
        let in_title = format!("{{title}} : ({words})");
        let mut snippet = reader.prepare_cached(search::SNIPPET)?;
        let mut statement = reader.prepare_cached(search::SEARCH)?;
        let one_more = statements::SEARCH_PAGE as i64 + 1;
        let rows = statement.query_map((user_id, &words, in_title, one_more), |row| {
            Ok(Found {
                id: row.get(0)?,
                title: row.get(1)?,
                tag_count: row.get(2)?,
                date: row.get(3)?,
                date_time: row.get(4)?,
                created_at: row.get(5)?,
                snippet: snippet.query_row((&words, row.get::<_, i64>(7)?), |row| row.get(0))?,
                updated_at: row.get(6)?,
            })
        })?;
        Ok(page(rows.collect::<Result<_>>()?, total, statements::SEARCH_PAGE))
    }

    fn total(&self, reader: &Connection, user_id: i64) -> Result<i64> {
        if let Some(count) = self.counts.lock().expect("no thread panics").get(&user_id) {
            return Ok(*count);
        }
        let count = reader.query_row(statements::COUNT, [user_id], |row| row.get(0))?;
        self.counts.lock().expect("no thread panics").insert(user_id, count);
        Ok(count)
    }
}

/// A time in Unix seconds as RFC 3339.
pub fn date_time(seconds: i64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs())).to_string()
}

fn page<T>(mut rows: Vec<T>, total: i64, limit: usize) -> Page<T> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    Page { rows, total, more }
}

fn find(connection: &Connection, user_id: i64, id: i64) -> Result<Option<Entry>> {
    let mut statement = connection.prepare_cached(statements::ENTRY)?;
    let entry = statement.query_row((user_id, id), |row| {
        let (created_at, updated_at) = (row.get(11)?, row.get(12)?);
        Ok(Entry {
            id: row.get(0)?,
            user_id: row.get(1)?,
            title: row.get(2)?,
            content: row.get(3)?,
            mood: row.get(4)?,
            location: row.get(5)?,
            weather: row.get(6)?,
            is_private: row.get(7)?,
            is_favorite: row.get(8)?,
            date: row.get(9)?,
            date_time: row.get(10)?,
            created_at,
            updated_at,
            created_date_time: date_time(created_at),
            updated_date_time: date_time(updated_at),
            tags: vec![],
        })
    });
    let Some(mut entry) = entry.optional()? else { return Ok(None) };
    let tag = |row: &Row| Ok(Tag { id: row.get(0)?, name: row.get(1)? });
    let mut statement = connection.prepare_cached(statements::TAGS)?;
    entry.tags = statement.query_map((user_id, id), tag)?.collect::<Result<_>>()?;
    Ok(Some(entry))
}
