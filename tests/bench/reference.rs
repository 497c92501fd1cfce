//! The limits: what a thread per connection over `std::net` can do on this machine, and what it can do with SQLite,
//! epicme's tables and epicme's answers behind it. They know where a request ends and where its token and arguments
//! stand; nothing is checked.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs;
use std::io::{IoSlice, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Row, Statement, ToSql};
use sha2::{Digest, Sha256};

use crate::databases;
use crate::load;
use crate::statements;

/// Connections that all threads read with.
const READERS: usize = 4;
/// Bytes that one read of a socket takes; a longer request gets a buffer of its own.
const READ_BYTES: usize = 4096;
/// The cursor of a next page. epicme signs its own; this has the length of one.
const LIST_CURSOR: &str =
    "v1.AAAAAGsMAogAAAAAAAAAAgAAAAAAAAAAAAA.4O4XB4aYr6lw_JP69-IfeRp2e9ElcbSvSVcmfPA2pqk";
const SEARCH_CURSOR: &str =
    "v1.AAAAAAAAAAIAAAAAawwCiAAAAAAAAAACAAAAAAAAAAAAAA.FWe6YCkB2QuazDB-sdD_U_yP5Eu5XHxnboLs2M5Q_ec";

/// Terms of a snippet.
const SNIPPET_TERMS: usize = 32;

/// The entries of a person (`?1`) that have a word (`?2`), with their places in the order of a search: those that have
/// it in the title (`?3`) first, then newest first. The index holds each word under its owner.
const FOUND: &str = "SELECT e.row_id IN (SELECT rowid FROM search_index WHERE search_index MATCH ?3),
        e.date, e.created_at, e.id, e.row_id
    FROM search_index f CROSS JOIN entries e ON e.row_id = f.rowid
    WHERE search_index MATCH ?2 AND e.user_id = ?1";

/// What the page of a search says of one of them (`?2`).
const SHOWN: &str = "SELECT e.id, e.title,
        (SELECT count(*) FROM entry_tags l WHERE l.user_id = ?1 AND l.entry_id = e.id),
        e.date, e.date_time, e.created_at, e.updated_at, e.content
    FROM entries e WHERE e.row_id = ?2 AND e.user_id = ?1";

/// Puts an entry into the index.
const INDEX: &str = "INSERT INTO search_index (rowid, title, content) VALUES (?1, ?2, ?3)";

/// What a server does with a request.
enum Work {
    /// The same bytes for everybody.
    Bare(Vec<u8>),
    /// The token's hash, then one read or one durable write.
    Store(Store),
}

struct Store {
    readers: Vec<Mutex<Connection>>,
    writer: mpsc::Sender<NewEntry>,
    /// How many entries each person has: counted once, and never anew.
    counts: Mutex<HashMap<i64, i64>>,
    /// How many connections there have been.
    connections: AtomicUsize,
}

/// An entry for the writer thread, and where it says under which id it is on disk.
struct NewEntry {
    user_id: i64,
    title: String,
    content: String,
    done: mpsc::Sender<i64>,
}

/// `limit bare FILE`, which holds the answer, or `limit store DATABASE`: serves until it is killed.
pub fn serve(arguments: &[&str]) {
    let work = match *arguments {
        ["bare", file] => Work::Bare(fs::read(file).expect("the answer")),
        ["store", database] => Work::Store(Store::open(Path::new(database))),
        _ => panic!("unknown limit {arguments:?}"),
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    println!("listening on http://{}", listener.local_addr().expect("it is bound"));
    let shared = Arc::new((listener, work, AtomicUsize::new(1)));
    accept_and_serve(&shared);
}

/// The life of a thread: it takes a connection, serves it to its end, and takes the next. When the last thread
/// that waits gets a connection, it starts another one first, so that there is always one that waits.
fn accept_and_serve(shared: &Arc<(TcpListener, Work, AtomicUsize)>) {
    let (listener, work, waiting) = &**shared;
    loop {
        let (stream, _) = listener.accept().expect("a connection");
        if waiting.fetch_sub(1, Ordering::Relaxed) == 1 {
            waiting.fetch_add(1, Ordering::Relaxed);
            let shared = Arc::clone(shared);
            // Without a further thread the next connection waits for this one's end.
            let _ = thread::Builder::new().spawn(move || accept_and_serve(&shared));
        }
        // A client that hangs up ends its own connection and nothing else.
        let _ = serve_connection(stream, work);
        waiting.fetch_add(1, Ordering::Relaxed);
    }
}

/// Answers one request after another, each with a single write.
fn serve_connection(mut stream: TcpStream, work: &Work) -> Result<()> {
    stream.set_nodelay(true)?;
    match work {
        Work::Bare(answer) => each_request(&mut stream, |stream, _| stream.write_all(answer)),
        Work::Store(store) => {
            let mut exchange = Exchange::new(store);
            each_request(&mut stream, |stream, request| exchange.answer(stream, request))
        }
    }
}

fn each_request(
    stream: &mut TcpStream,
    mut answer: impl FnMut(&mut TcpStream, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut request = [0; READ_BYTES];
    let mut filled = 0;
    loop {
        match stream.read(&mut request[filled..])? {
            0 => return Ok(()),
            count => filled += count,
        }
        match load::message_bytes(&request[..filled]) {
            Some(whole) if whole > filled && filled < READ_BYTES => continue,
            // Of a long request only the beginning matters.
            Some(whole) if whole > filled => drain(stream, whole - filled)?,
            Some(_) => {}
            None => continue,
        }
        answer(stream, &request[..filled])?;
        filled = 0;
    }
}

/// Reads so many bytes and drops them. Inlined, its buffer would be part of every connection's stack.
#[inline(never)]
fn drain(stream: &mut TcpStream, mut bytes: usize) -> Result<()> {
    let mut dropped = [0; 4 * READ_BYTES];
    while bytes > 0 {
        let part = dropped.len().min(bytes);
        stream.read_exact(&mut dropped[..part])?;
        bytes -= part;
    }
    Ok(())
}

impl Store {
    fn open(database: &Path) -> Self {
        let (writer, queue) = mpsc::channel();
        let mut connection = databases::open(database);
        thread::spawn(move || write_in_groups(&mut connection, &queue));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = |_| {
            let reader = Connection::open_with_flags(database, flags).expect("the database opens");
            // Otherwise SQLite may plan a statement anew for another value.
            reader
                .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
                .expect("SQLite has this setting");
            reader.set_prepared_statement_cache_capacity(32);
            Mutex::new(reader)
        };
        Self {
            readers: (0..READERS).map(reader).collect(),
            writer,
            counts: Mutex::default(),
            connections: AtomicUsize::new(0),
        }
    }

    /// A connection to read with: one that is free, or else that of this `place`.
    fn reader(&self, place: usize) -> MutexGuard<'_, Connection> {
        let free = (place..place + READERS).find_map(|place| self.readers[place % READERS].try_lock().ok());
        free.unwrap_or_else(|| self.readers[place % READERS].lock().expect("no reader panics"))
    }

    fn total(&self, reader: &Connection, user_id: i64) -> i64 {
        let mut counts = self.counts.lock().expect("no thread panics");
        *counts.entry(user_id).or_insert_with(|| {
            reader.query_row(statements::COUNT, [user_id], |row| row.get(0)).expect("a count")
        })
    }
}

/// What a connection needs for one answer after another. The buffers are given back with the connection.
struct Exchange<'s> {
    store: &'s Store,
    /// Spreads the connections over the readers.
    place: usize,
    sender: mpsc::Sender<i64>,
    receiver: mpsc::Receiver<i64>,
    /// The rows as JSON, and the body.
    data: Vec<u8>,
    body: Vec<u8>,
    /// The `Date` of a second.
    date: (u64, String),
}

impl<'s> Exchange<'s> {
    fn new(store: &'s Store) -> Self {
        let (sender, receiver) = mpsc::channel();
        let (data, body) = (Vec::new(), Vec::new());
        let place = store.connections.fetch_add(1, Ordering::Relaxed);
        Self { store, place, sender, receiver, data, body, date: (0, String::new()) }
    }

    /// Answers a request for one of four tools.
    fn answer(&mut self, stream: &mut TcpStream, request: &[u8]) -> Result<()> {
        let request = std::str::from_utf8(request).expect("the load is ASCII");
        let token = between(request, "Bearer ", "\r\n");
        let tool = between(request, "Mcp-Name: ", "\r\n");
        let arguments = between(request, "\"arguments\":", ",\"_meta\"");
        self.data.clear();
        self.body.clear();
        self.body.extend(br#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":["#);
        let reader = self.store.reader(self.place);
        // One transaction for all reads takes SQLite's lock once.
        run(&reader, "BEGIN");
        let mut user_id = 0;
        each_row(&reader, statements::TOKEN, &[&&Sha256::digest(token)[..]], |row| user_id = number(row, 0));
        assert!(user_id > 0, "the token is known");
        match tool {
            "get_entry" => self.one(&reader, user_id, digits(arguments)),
            "list_entries" => self.list(&reader, user_id, digits(arguments)),
            "search_entries" => self.search(&reader, user_id, between(arguments, "\"query\":\"", "\"}")),
            _ => {}
        }
        run(&reader, "COMMIT");
        drop(reader);
        if tool == "create_entry" {
            let title = between(arguments, "\"title\":\"", "\",\"content\":\"");
            let content = between(arguments, "\"content\":\"", "\"}");
            self.create(user_id, title, content);
        }
        self.finish(stream)
    }

    fn one(&mut self, reader: &Connection, user_id: i64, id: i64) {
        let (data, body) = (&mut self.data, &mut self.body);
        each_row(reader, statements::ENTRY, &[&user_id, &id], |row| {
            link(body, number(row, 0), text(row, 2), number(row, 12));
            entry(data, row);
        });
        let mut comma = false;
        each_row(reader, statements::TAGS, &[&user_id, &id], |row| {
            data.extend(if comma { &b","[..] } else { b"" });
            comma = true;
            put(data, format_args!("{{\"id\":{},\"name\":", number(row, 0)));
            string(data, text(row, 1));
            data.push(b'}');
        });
        data.extend(b"]}}");
    }

    fn create(&mut self, user_id: i64, title: &str, content: &str) {
        let entry = NewEntry {
            user_id,
            title: title.to_owned(),
            content: content.to_owned(),
            done: self.sender.clone(),
        };
        self.store.writer.send(entry).expect("the writer lives");
        let id = self.receiver.recv().expect("the writer answers");
        let now = seconds();
        let date_time = iso(now as i64);
        let (data, body) = (&mut self.data, &mut self.body);
        put(
            body,
            format_args!("{{\"type\":\"text\",\"text\":\"Entry \\\"{title}\\\" created with ID {id}.\"}},"),
        );
        link(body, id, title, now as i64);
        put(data, format_args!("{{\"entry\":{{\"id\":{id},\"userId\":{user_id},\"title\":"));
        string(data, title);
        data.extend(b",\"content\":");
        string(data, content);
        data.extend(b",\"mood\":null,\"location\":null,\"weather\":null,\"isPrivate\":1,\"isFavorite\":0");
        put(data, format_args!(",\"date\":\"{:.10}\",\"dateTime\":\"{date_time}\"", date_time.to_string()));
        put(
            data,
            format_args!(",\"createdAt\":{now},\"updatedAt\":{now},\"createdDateTime\":\"{date_time}\""),
        );
        put(data, format_args!(",\"updatedDateTime\":\"{date_time}\",\"tags\":[]}}}}"));
    }

    fn list(&mut self, reader: &Connection, user_id: i64, limit: i64) {
        let total = self.store.total(reader, user_id);
        let (data, body) = (&mut self.data, &mut self.body);
        found(body, total, total.min(limit), "");
        data.extend(b"{\"entries\":[");
        let mut shown = 0;
        each_row(reader, statements::LIST, &[&user_id, &(limit + 1)], |row| {
            shown += 1;
            if shown > limit {
                return;
            }
            if shown <= statements::LINKS as i64 {
                link(body, number(row, 0), text(row, 1), number(row, 8));
            }
            data.extend(if shown > 1 { &b","[..] } else { b"" });
            put(data, format_args!("{{\"id\":{},\"title\":", number(row, 0)));
            string(data, text(row, 1));
            put(data, format_args!(",\"tagCount\":{},\"mood\":", number(row, 2)));
            optional(data, row, 3);
            put(
                data,
                format_args!(
                    ",\"isFavorite\":{},\"date\":\"{}\",\"dateTime\":",
                    number(row, 4),
                    text(row, 5)
                ),
            );
            optional(data, row, 6);
            put(data, format_args!(",\"createdAt\":{},\"updatedAt\":{}}}", number(row, 7), number(row, 8)));
        });
        end_of_page(data, total, (shown > limit).then_some(LIST_CURSOR));
    }

    fn search(&mut self, reader: &Connection, user_id: i64, word: &str) {
        let salted = format!("\"{user_id}:{word}\"");
        let (in_title, limit) = (format!("{{title}} : ({salted})"), statements::SEARCH_PAGE);
        // One pass counts what was found and keeps the best places, and one more that shows whether a page follows.
        let (mut total, mut best) = (0, BinaryHeap::new());
        each_row(reader, FOUND, &[&user_id, &salted, &in_title], |row| {
            total += 1;
            let place = (number(row, 0), text(row, 1), number(row, 2), number(row, 3));
            let is_better = |worst: &Reverse<(i64, String, i64, i64, i64)>| {
                let (in_title, date, created_at, id, _) = &worst.0;
                place > (*in_title, date.as_str(), *created_at, *id)
            };
            if best.len() <= limit || best.peek().is_some_and(is_better) {
                let (in_title, date, created_at, id) = place;
                best.push(Reverse((in_title, date.to_owned(), created_at, id, number(row, 4))));
                if best.len() > limit + 1 {
                    best.pop();
                }
            }
        });
        let (data, body) = (&mut self.data, &mut self.body);
        let none = format!(" No entry that passes the filters has \\\"{word}\\\".");
        found(body, total, total.min(limit as i64), &none);
        data.extend(b"{\"entries\":[");
        let more = best.len() > limit;
        for (shown, Reverse(place)) in best.into_sorted_vec().into_iter().take(limit).enumerate() {
            each_row(reader, SHOWN, &[&user_id, &place.4], |row| {
                link(body, number(row, 0), text(row, 1), number(row, 6));
                data.extend(if shown > 0 { &b","[..] } else { b"" });
                put(data, format_args!("{{\"id\":{},\"title\":", number(row, 0)));
                string(data, text(row, 1));
                put(data, format_args!(",\"tagCount\":{},\"date\":\"{}\"", number(row, 2), text(row, 3)));
                data.extend(b",\"dateTime\":");
                optional(data, row, 4);
                put(data, format_args!(",\"createdAt\":{},\"snippet\":", number(row, 5)));
                string(data, &snippet(if place.0 == 1 { text(row, 1) } else { text(row, 7) }, word));
                data.push(b'}');
            });
        }
        end_of_page(data, total, more.then_some(SEARCH_CURSOR));
    }

    /// Adds the rows as a text and as they are, and sends it all with its head.
    fn finish(&mut self, stream: &mut TcpStream) -> Result<()> {
        let Self { data, body, date, .. } = self;
        body.extend(b"{\"type\":\"text\",\"text\":");
        string(body, std::str::from_utf8(data).expect("JSON is text"));
        body.extend(b"}],\"structuredContent\":");
        body.extend(&*data);
        body.extend(br#","_meta":{"io.modelcontextprotocol/serverInfo":"#);
        body.extend(br#"{"name":"epicme","title":"EpicMe Journal","version":"0.1.0"}}}}"#);
        body.push(b'\n');
        let now = seconds();
        if date.0 != now {
            *date = (now, httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now)));
        }
        let mut head = [0; 256];
        let mut rest = &mut head[..];
        write!(
            rest,
            "HTTP/1.1 200 OK\r\nDate: {}\r\nContent-Type: application/json\r\nVary: Origin\r\nContent-Length: {}\r\n\r\n",
            date.1,
            body.len()
        )?;
        let head_bytes = 256 - rest.len();
        // Both go out in one piece, unless the socket's buffer is full.
        let sent = stream.write_vectored(&[IoSlice::new(&head[..head_bytes]), IoSlice::new(body)])?;
        stream.write_all(&body[sent.saturating_sub(head_bytes)..])
    }
}

/// Commits whatever is queued as one transaction, and only then says so to each that waits. The index is filled once
/// for all rows of the transaction.
fn write_in_groups(connection: &mut Connection, queue: &mpsc::Receiver<NewEntry>) {
    while let Ok(first) = queue.recv() {
        let transaction = connection.transaction().expect("no other writer");
        let mut group = Vec::new();
        for write in std::iter::once(first).chain(queue.try_iter()) {
            let mut next = transaction.prepare_cached(statements::NEXT).expect("the table is there");
            next.execute([write.user_id]).expect("room on the disk");
            let mut next = transaction.prepare_cached(statements::NEXT_ID).expect("the table is there");
            let id: i64 = next.query_row([write.user_id], |row| row.get(0)).expect("room on the disk");
            let mut create = transaction.prepare_cached(statements::CREATE).expect("the table is there");
            let values = (write.user_id, id, &write.title, &write.content);
            let row = create.insert(values).expect("room on the disk");
            group.push((write, id, row));
        }
        let mut index = transaction.prepare_cached(INDEX).expect("the index is there");
        for (write, _, row) in &group {
            let terms = [&write.title, &write.content].map(|text| salted_terms(write.user_id, text));
            index.execute((row, &terms[0], &terms[1])).expect("room on the disk");
        }
        drop(index);
        transaction.commit().expect("room on the disk");
        for (write, id, _) in group {
            // A connection that has ended meanwhile needs no answer.
            let _ = write.done.send(id);
        }
    }
}

/// The words of a text as the index has them, each under its owner. The load is ASCII, of which FTS5 itself takes what
/// is no letter for a blank, and capitals for small letters.
fn salted_terms(user_id: i64, text: &str) -> String {
    let (salt, mut terms) = (format!("{user_id}:"), String::with_capacity(2 * text.len()));
    for word in text.split_ascii_whitespace() {
        terms.push_str(&salt);
        terms.push_str(word);
        terms.push(' ');
    }
    terms
}

/// The part of a text around a word that it has once, with the word in brackets.
fn snippet(text: &str, word: &str) -> String {
    let mut terms: Vec<Range<usize>> = Vec::new();
    for (at, _) in text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_alphanumeric()) {
        match terms.last_mut() {
            Some(last) if last.end == at => last.end += 1,
            _ => terms.push(at..at + 1),
        }
    }
    let found = terms.iter().position(|term| text[term.clone()].eq_ignore_ascii_case(word)).unwrap_or(0);
    let end = terms.len().min(found.saturating_sub((SNIPPET_TERMS - 1) / 2) + SNIPPET_TERMS);
    let start = end.saturating_sub(SNIPPET_TERMS);
    let from = if start == 0 { 0 } else { terms[start].start };
    let to = if end == terms.len() { text.len() } else { terms[end - 1].end };
    let Range { start: before, end: after } = terms[found].clone();
    let dots = |is_cut| if is_cut { "…" } else { "" };
    let [head, found, tail] = [&text[from..before], &text[before..after], &text[after..to]];
    format!("{}{head}[{found}]{tail}{}", dots(from > 0), dots(to < text.len()))
}

fn run(connection: &Connection, sql: &str) {
    connection.prepare_cached(sql).and_then(|mut it| it.execute([])).expect("no other state");
}

/// Runs a statement and hands over each of its rows.
fn each_row(connection: &Connection, sql: &str, values: &[&dyn ToSql], mut with: impl FnMut(&Row)) {
    let mut statement = connection.prepare_cached(sql).expect("the tables are there");
    let statement: &mut Statement = &mut statement;
    let mut rows = statement.query(values).expect("the values fit");
    while let Some(row) = rows.next().expect("the database is whole") {
        with(row);
    }
}

fn number(row: &Row, column: usize) -> i64 {
    row.get(column).expect("a number")
}

fn text<'r>(row: &'r Row, column: usize) -> &'r str {
    row.get_ref(column).ok().and_then(|value| value.as_str().ok()).expect("a text")
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments) {
    out.write_fmt(text).expect("memory");
}

/// Writes a text as JSON, in quotes. The runs that need no escape are copied whole.
fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut copied = 0;
    for (place, byte) in text.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend(&text.as_bytes()[copied..place]);
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            _ => put(out, format_args!("\\u{byte:04x}")),
        }
        copied = place + 1;
    }
    out.extend(&text.as_bytes()[copied..]);
    out.push(b'"');
}

fn optional(out: &mut Vec<u8>, row: &Row, column: usize) {
    match row.get_ref(column).ok().and_then(|value| value.as_str().ok()) {
        Some(text) => string(out, text),
        None => out.extend(b"null"),
    }
}

/// The members of an entry up to its tags.
fn entry(out: &mut Vec<u8>, row: &Row) {
    put(out, format_args!("{{\"entry\":{{\"id\":{},\"userId\":{}", number(row, 0), number(row, 1)));
    for (name, column) in [("title", 2), ("content", 3), ("mood", 4), ("location", 5), ("weather", 6)] {
        put(out, format_args!(",\"{name}\":"));
        optional(out, row, column);
    }
    for (name, column) in [("isPrivate", 7), ("isFavorite", 8)] {
        put(out, format_args!(",\"{name}\":{}", number(row, column)));
    }
    put(out, format_args!(",\"date\":\"{}\",\"dateTime\":", text(row, 9)));
    optional(out, row, 10);
    let (created_at, updated_at) = (number(row, 11), number(row, 12));
    put(out, format_args!(",\"createdAt\":{created_at},\"updatedAt\":{updated_at}"));
    put(
        out,
        format_args!(
            ",\"createdDateTime\":\"{}\",\"updatedDateTime\":\"{}\"",
            iso(created_at),
            iso(updated_at)
        ),
    );
    out.extend(b",\"tags\":[");
}

/// A link to an entry, and a comma.
fn link(out: &mut Vec<u8>, id: i64, title: &str, modified: i64) {
    put(out, format_args!("{{\"type\":\"resource_link\",\"uri\":\"epicme://entries/{id}\",\"name\":"));
    string(out, title);
    out.extend(b",\"description\":\"Journal Entry: \\\"");
    let start = out.len();
    string(out, title);
    out.remove(start); // the title's own quotes are those that are escaped
    out.pop();
    put(
        out,
        format_args!(
            "\\\"\",\"mimeType\":\"application/json\",\"annotations\":{{\"lastModified\":\"{}\"}}}},",
            iso(modified)
        ),
    );
}

/// A time in Unix seconds as RFC 3339.
fn iso(seconds: i64) -> impl std::fmt::Display {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs()))
}

/// The sentence that a page begins with, another one for a page of nothing, and a comma.
fn found(out: &mut Vec<u8>, total: i64, shown: i64, none: &str) {
    put(out, format_args!("{{\"type\":\"text\",\"text\":\"Found {total} entries."));
    out.extend(if total == 0 { none.as_bytes() } else { b"" });
    if shown != total {
        put(out, format_args!(" This page shows {shown} of them."));
    }
    out.extend(b"\"},");
}

fn end_of_page(out: &mut Vec<u8>, total: i64, cursor: Option<&str>) {
    put(out, format_args!("],\"total\":{total}"));
    if let Some(cursor) = cursor {
        put(out, format_args!(",\"nextCursor\":\"{cursor}\""));
    }
    out.push(b'}');
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The number of an object that has one member, a number.
fn digits(arguments: &str) -> i64 {
    arguments.trim_matches(|letter: char| !letter.is_ascii_digit()).parse().expect("a number")
}

/// The part of `text` after `before` and up to `after`.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).expect("the load has it").1;
    rest.split_once(after).expect("the load has it").0
}
