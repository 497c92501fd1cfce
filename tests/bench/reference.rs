//! The reference responders: what a thread per connection over `std::net` can do on this machine, and what it can do
//! with SQLite behind it. They know where a request ends and where its token and number stand; nothing is checked.

use std::fmt::Write as _;
use std::io::{Read, Result, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::thread;
use std::time::Instant;

use rusqlite::{Connection, OpenFlags, params};
use sha2::{Digest, Sha256};

use crate::load::{self, Round, Until};
use crate::process;

/// Connections that all threads read with.
const READERS: usize = 4;

/// What a responder does with a request.
enum Work {
    /// The same bytes for everybody.
    Bare(Vec<u8>),
    /// The token's hash, then one read or one durable write.
    Store(Store),
}

struct Store {
    readers: Vec<Mutex<Connection>>,
    writer: mpsc::Sender<NewEntry>,
    /// Length of the answer to a read and to a write, as the server under test gives them.
    read_bytes: usize,
    write_bytes: usize,
}

/// An entry for the writer thread, and where it says under which id it is on disk.
struct NewEntry {
    user_id: i64,
    content: String,
    done: mpsc::Sender<i64>,
}

/// `responder bare BYTES` or `responder store DATABASE READ_BYTES WRITE_BYTES`: serves until it is killed.
pub fn serve(arguments: &[&str]) {
    let bytes = |text: &str| text.parse().expect("a length in bytes");
    let work = match *arguments {
        ["bare", length] => Work::Bare(answer("401 Unauthorized", "", bytes(length))),
        ["store", database, read, write] => {
            Work::Store(Store::open(Path::new(database), bytes(read), bytes(write)))
        }
        _ => panic!("unknown responder {arguments:?}"),
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
            thread::spawn(move || accept_and_serve(&shared));
        }
        // A client that hangs up ends its own connection and nothing else.
        let _ = serve_connection(stream, work);
        waiting.fetch_add(1, Ordering::Relaxed);
    }
}

/// Answers one request after another, each with a single write.
fn serve_connection(mut stream: TcpStream, work: &Work) -> Result<()> {
    stream.set_nodelay(true)?;
    let (sender, receiver) = mpsc::channel();
    let mut request = [0; 4096];
    let mut filled = 0;
    loop {
        match stream.read(&mut request[filled..])? {
            0 => return Ok(()),
            count => filled += count,
        }
        if load::message_bytes(&request[..filled]).is_none_or(|whole| whole > filled) {
            continue;
        }
        match work {
            Work::Bare(answer) => stream.write_all(answer)?,
            Work::Store(store) => stream.write_all(&store.answer(&request[..filled], &sender, &receiver))?,
        }
        filled = 0;
    }
}

impl Store {
    fn open(database: &Path, read_bytes: usize, write_bytes: usize) -> Self {
        let (writer, queue) = mpsc::channel();
        let mut connection = open(database);
        thread::spawn(move || write_in_groups(&mut connection, &queue));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader =
            |_| Mutex::new(Connection::open_with_flags(database, flags).expect("the database opens"));
        Self { readers: (0..READERS).map(reader).collect(), writer, read_bytes, write_bytes }
    }

    /// The answer to a request for `get_entry` or `create_entry`, which are told apart by what their arguments are.
    fn answer(&self, request: &[u8], sender: &mpsc::Sender<i64>, receiver: &mpsc::Receiver<i64>) -> Vec<u8> {
        let request = std::str::from_utf8(request).expect("the load is text");
        let token = between(request, "Bearer ", "\r\n");
        let arguments = between(request, "\"arguments\":", ",\"_meta\"");
        let reader = self.reader();
        // One transaction for both reads takes SQLite's lock once.
        let run = |sql| reader.prepare_cached(sql).and_then(|mut it| it.execute([])).expect("no other state");
        run("BEGIN");
        let user_id: i64 = reader
            .prepare_cached("SELECT user_id FROM tokens WHERE hash = ?1")
            .and_then(|mut statement| statement.query_row([&Sha256::digest(token)[..]], |row| row.get(0)))
            .expect("the token is known");
        let mut body = String::with_capacity(2048);
        let Some(id) = arguments.strip_prefix("{\"id\":") else {
            run("COMMIT");
            drop(reader);
            let content = arguments.to_owned();
            self.writer.send(NewEntry { user_id, content, done: sender.clone() }).expect("the writer lives");
            let id = receiver.recv().expect("the writer answers");
            write!(body, r#"{{"entry":{{"id":{id},"userId":{user_id},"content":{arguments}}}}}"#)
                .expect("a string");
            return answer("200 OK", &body, self.write_bytes);
        };
        let id: i64 = id.trim_matches([' ', '}']).parse().expect("an id");
        reader
            .prepare_cached("SELECT title, content, created_at FROM entries WHERE id = ?1 AND user_id = ?2")
            .and_then(|mut statement| {
                statement.query_row([id, user_id], |row| {
                    let (title, content) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
                    let created_at: i64 = row.get(2)?;
                    write!(
                        body,
                        r#"{{"entry":{{"id":{id},"userId":{user_id},"title":"{title}","content":"{content}","createdAt":{created_at}}}}}"#
                    )
                    .expect("a string");
                    Ok(())
                })
            })
            .expect("the entry is there");
        run("COMMIT");
        drop(reader);
        answer("200 OK", &body, self.read_bytes)
    }

    /// A connection to read with: one that is free, or else the first that will be.
    fn reader(&self) -> MutexGuard<'_, Connection> {
        let free = self.readers.iter().find_map(|reader| reader.try_lock().ok());
        free.unwrap_or_else(|| self.readers[0].lock().expect("no reader panics"))
    }
}

/// Commits whatever is queued as one transaction, and only then says so to each that waits.
fn write_in_groups(connection: &mut Connection, queue: &mpsc::Receiver<NewEntry>) {
    while let Ok(first) = queue.recv() {
        let transaction = connection.transaction().expect("no other writer");
        let mut done = Vec::new();
        for write in std::iter::once(first).chain(queue.try_iter()) {
            done.push((write.done, insert(&transaction, write.user_id, &write.content)));
        }
        transaction.commit().expect("room on the disk");
        for (done, id) in done {
            // A connection that has ended meanwhile needs no answer.
            let _ = done.send(id);
        }
    }
}

/// Makes a database with one token for user 1 and so many entries.
pub fn create(database: &Path, token: &str, entries: u64, content: &str) {
    let mut connection = open(database);
    connection
        .execute_batch(
            "CREATE TABLE tokens (hash BLOB PRIMARY KEY, user_id INTEGER NOT NULL) WITHOUT ROWID;
             CREATE TABLE entries (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, title TEXT NOT NULL,
                                   content TEXT NOT NULL, created_at INTEGER NOT NULL);",
        )
        .expect("a new database");
    let hash = Sha256::digest(token);
    connection.execute("INSERT INTO tokens VALUES (?1, 1)", [&hash[..]]).expect("a new token");
    let transaction = connection.transaction().expect("no other writer");
    for _ in 0..entries {
        insert(&transaction, 1, content);
    }
    transaction.commit().expect("room on the disk");
}

/// How many inserts SQLite makes durable when each is a transaction of its own.
pub fn commit_each(database: &Path, content: &str, until: Until) -> Round {
    let connection = open(database);
    let (start, cpu_us) = (Instant::now(), process::cpu_us(std::process::id()));
    let mut inserts = 0;
    while inserts < until.requests_each && start.elapsed() < until.time {
        insert(&connection, 1, content);
        inserts += 1;
    }
    Round {
        requests_per_second: inserts as f64 / start.elapsed().as_secs_f64(),
        cpu_us: (process::cpu_us(std::process::id()) - cpu_us) / inserts as f64,
    }
}

fn insert(connection: &Connection, user_id: i64, content: &str) -> i64 {
    let sql =
        "INSERT INTO entries (user_id, title, content, created_at) VALUES (?1, 'A title', ?2, unixepoch())";
    let mut statement = connection.prepare_cached(sql).expect("the table is there");
    statement.insert(params![user_id, content]).expect("room on the disk")
}

/// A connection that writes as the server's does: into the log first, and on disk when it returns.
fn open(database: &Path) -> Connection {
    let connection = Connection::open(database).expect("the database opens");
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
        .expect("SQLite has these settings");
    connection
}

/// An answer of exactly `bytes` in all, its body padded with spaces.
fn answer(status: &str, body: &str, bytes: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: ");
    let body_bytes = bytes - head.len() - "00000\r\n\r\n".len();
    let mut answer = format!("{head}{body_bytes:05}\r\n\r\n{body}").into_bytes();
    answer.resize(bytes, b' ');
    answer
}

/// The part of `text` after `before` and up to `after`.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).expect("the load has it").1;
    rest.split_once(after).expect("the load has it").0
}
