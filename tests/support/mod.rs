//! What every test stands on: the built binary on a free port with a database of its own, and a raw socket.
//!
//! `Server::start` is the only way to start a server; `Wire` is the only way to talk to it, and holds every MCP
//! message that comes back against its revision (see `schema`).

pub mod events;
pub mod schema;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};

/// The program under test.
pub const EPICME: &str = env!("CARGO_BIN_EXE_epicme");
/// How long anything may take before a test gives up: generous, since machines are busy.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The password of every person that tests make.
pub const PASSWORD: &str = "a password for tests";

/// Views into which a test inserts rows, of which it gives what it cares for. An id that isn't given is the next; an
/// entry is about the time (UTC) at which it was made; labels are compared as they are, without capitals.
const MADE: &str = "
    CREATE TEMP VIEW made_entries AS SELECT * FROM main.entries;
    CREATE TEMP TRIGGER make_entry INSTEAD OF INSERT ON made_entries BEGIN
        INSERT INTO main.entries (row_id, user_id, id, title, content, mood, location, weather, mood_key, location_key,
                weather_key, is_private, is_favorite, date, date_time, instant, created_at, updated_at)
            SELECT new.user_id << 32 | id, new.user_id, id, new.title, new.content, new.mood, new.location, new.weather, lower(new.mood), lower(new.location),
                lower(new.weather), coalesce(new.is_private, 1), coalesce(new.is_favorite, 0),
                date(new.created_at, 'unixepoch'), strftime('%Y-%m-%dT%H:%M:%SZ', new.created_at, 'unixepoch'),
                new.created_at, new.created_at, new.updated_at
            FROM (SELECT coalesce(new.id, (SELECT max(id) FROM main.entries WHERE user_id = new.user_id) + 1, 1) AS id);
        INSERT INTO main.journal_counts SELECT user_id, 'last entry', '', max(id)
            FROM main.entries WHERE user_id = new.user_id ON CONFLICT DO UPDATE SET number = excluded.number;
    END;
    CREATE TEMP TRIGGER move_entry INSTEAD OF UPDATE OF created_at ON made_entries BEGIN
        UPDATE main.entries SET created_at = new.created_at, updated_at = new.updated_at,
            date = date(new.created_at, 'unixepoch'), instant = new.created_at,
            date_time = strftime('%Y-%m-%dT%H:%M:%SZ', new.created_at, 'unixepoch') WHERE row_id = old.row_id;
    END;
    CREATE TEMP VIEW made_tags AS SELECT * FROM main.tags;
    CREATE TEMP TRIGGER make_tag INSTEAD OF INSERT ON made_tags BEGIN
        INSERT INTO main.tags (user_id, id, name, description, created_at, updated_at)
            SELECT new.user_id, coalesce(new.id, (SELECT max(id) FROM main.tags WHERE user_id = new.user_id) + 1, 1),
                new.name, new.description, new.created_at, new.updated_at;
        INSERT INTO main.journal_counts SELECT user_id, 'last tag', '', max(id)
            FROM main.tags WHERE user_id = new.user_id ON CONFLICT DO UPDATE SET number = excluded.number;
    END;
    CREATE TEMP VIEW made_links AS SELECT * FROM main.entry_tags;
    CREATE TEMP TRIGGER make_link INSTEAD OF INSERT ON made_links BEGIN
        INSERT INTO main.entry_tags (user_id, entry_id, tag_id, id, created_at, entry_date, entry_created_at)
            SELECT new.user_id, new.entry_id, new.tag_id,
                coalesce((SELECT max(id) FROM main.entry_tags WHERE user_id = new.user_id) + 1, 1), new.created_at,
                coalesce((SELECT date FROM main.entries WHERE user_id = new.user_id AND id = new.entry_id), ''),
                coalesce((SELECT created_at FROM main.entries WHERE user_id = new.user_id AND id = new.entry_id), 0);
        INSERT INTO main.journal_counts SELECT user_id, 'last link', '', max(id)
            FROM main.entry_tags WHERE user_id = new.user_id ON CONFLICT DO UPDATE SET number = excluded.number;
    END;";

/// A folder that is removed with the value.
pub struct Folder(PathBuf);

/// Adds to a row what follows from its times, as it is for a row whose date was not given: an entry is about the moment
/// at which it was made, and a whole row has its times as texts too (UTC).
pub fn with_dates(row: &Value) -> Value {
    let mut row = row.clone();
    if !row["title"].is_null() {
        let made = iso8601(row["createdAt"].as_i64().expect("a time"));
        (row["date"], row["dateTime"]) = (made[..10].into(), made.into());
    }
    if row["tagCount"].is_null() {
        for (number, text) in [("createdAt", "createdDateTime"), ("updatedAt", "updatedDateTime")] {
            row[text] = iso8601(row[number].as_i64().expect("a time")).into();
        }
    }
    row
}

/// A time as RFC 3339 (UTC).
pub fn iso8601(seconds: i64) -> String {
    let database = Connection::open_in_memory().expect("a database");
    let sql = "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', ?1, 'unixepoch')";
    database.query_row(sql, [seconds], |row| row.get(0)).expect("a time")
}

impl Folder {
    pub fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let path = std::env::temp_dir().join(format!("epicme-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn database(&self) -> PathBuf {
        self.0.join("epicme.db")
    }

    /// Runs one `epicme` command on this folder's database, with `input` on its standard input.
    pub fn epicme(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(EPICME);
        command.args(arguments).arg("--database").arg(self.database()).env_clear();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        child.wait_with_output().expect("the command ends")
    }

    /// Opens the database behind the server's back. Rows that are made through the views [`MADE`] need only what a test
    /// is about.
    #[track_caller]
    pub fn open(&self) -> Connection {
        let database = Connection::open(self.database()).expect("the database");
        database.busy_timeout(PATIENCE).expect("a timeout");
        database.execute_batch(MADE).expect("the views");
        database
    }

    /// Changes the database behind the server's back, as no command can: time passes that way.
    #[track_caller]
    pub fn tamper(&self, sql: &str) {
        self.open().execute_batch(sql).expect("the change");
    }

    /// Has the ids of a person who has no rows yet begin after these, so that they differ from those of others.
    pub fn give_ids_after(&self, user: i64, entries: i64, tags: i64) {
        self.tamper(&format!(
            "INSERT INTO journal_counts VALUES ({user}, 'last entry', '', {entries}), ({user}, 'last tag', '', {tags})"
        ));
    }

    /// The number of a table's rows. The name may be followed by a condition.
    #[track_caller]
    pub fn count(&self, table: &str) -> i64 {
        let database = Connection::open(self.database()).expect("the database");
        let sql = format!("SELECT count(*) FROM {table}");
        database.query_row(&sql, [], |row| row.get(0)).expect("a count")
    }

    /// Adds a person, unless they are there, and makes a token for them.
    pub fn token(&self, email: &str, options: &[&str]) -> String {
        self.epicme(&["user", "add", email, "--password-stdin"], PASSWORD);
        let made = self.epicme(&[&["token", "create", email], options].concat(), "");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).expect("a token is text").trim_end().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running server.
pub struct Server {
    child: Child,
    /// `127.0.0.1` and the port it took.
    pub address: SocketAddr,
    /// Where its database is.
    pub folder: Arc<Folder>,
    output: Arc<Mutex<String>>,
    log: Arc<Mutex<String>>,
    /// How much of the log `next_log_with` has passed.
    passed: Mutex<usize>,
}

impl Server {
    /// A server with an empty database.
    pub fn start() -> Server {
        Server::start_in(Arc::new(Folder::new()), &[])
    }

    /// A server on the database of `folder`, with further options. Whether the kernel's table has the server's side of
    /// a client's connection as established (01): it hasn't closed it, and doesn't know yet of a close by the client.
    /// The kernel may tell it of that after other bytes that were sent later, on another connection.
    pub fn is_established(&self, client: SocketAddr) -> bool {
        let ports = [self.address, client].map(|address| format!(":{:04X}", address.port()));
        let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
        table.lines().any(|line| {
            let cells: Vec<_> = line.split_whitespace().collect();
            cells[1].ends_with(&ports[0]) && cells[2].ends_with(&ports[1]) && cells[3] == "01"
        })
    }

    pub fn start_in(folder: Arc<Folder>, options: &[&str]) -> Server {
        Server::launch(Command::new(EPICME), folder, options)
    }

    /// A server with an empty database that may open this many descriptors.
    pub fn start_with_descriptors(count: usize) -> Server {
        Server::start_in_with_descriptors(Arc::new(Folder::new()), count, &[])
    }

    /// The same on the database of `folder`, with further options.
    pub fn start_in_with_descriptors(folder: Arc<Folder>, count: usize, options: &[&str]) -> Server {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "ulimit -n $0 && exec \"$@\"", &count.to_string(), EPICME]);
        Server::launch(shell, folder, options)
    }

    /// A server with an empty database and these variables.
    pub fn start_with_variables(variables: &[(&str, &str)]) -> Server {
        let mut env = Command::new("env");
        env.args(variables.iter().map(|(name, value)| format!("{name}={value}"))).arg(EPICME);
        Server::launch(env, Arc::new(Folder::new()), &[])
    }

    /// A server with an empty database that is started as `nohup` starts it: with SIGHUP ignored.
    pub fn start_without_hangup() -> Server {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "trap '' HUP && exec \"$0\" \"$@\"", EPICME]);
        Server::launch(shell, Arc::new(Folder::new()), &[])
    }

    fn launch(mut command: Command, folder: Arc<Folder>, options: &[&str]) -> Server {
        command.args(["serve", "--listen", "127.0.0.1:0", "--database"]).arg(folder.database()).args(options);
        let mut child = command
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let log = collect(child.stderr.take().expect("a pipe"));
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut first = String::new();
        stdout.read_line(&mut first).expect("a first line");
        let address =
            first.trim_end().strip_prefix("listening on http://").and_then(|text| text.parse().ok());
        let Some(address) = address else {
            let _ = child.wait();
            panic!("the first line was {first:?}, the log {}", log.lock().expect("the log"));
        };
        Server { child, address, folder, output: collect(stdout), log, passed: Mutex::new(0) }
    }

    /// See [`Folder::token`].
    pub fn token(&self, email: &str, options: &[&str]) -> String {
        self.folder.token(email, options)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn connect(&self) -> Wire {
        connect(self.address)
    }

    /// Sends bytes on a connection of their own and gives the first answer.
    #[track_caller]
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> Reply {
        let mut wire = self.connect();
        wire.write(bytes);
        wire.reply().expect("an answer")
    }

    /// Waits until the log holds `text` and gives the whole log.
    #[track_caller]
    pub fn log_with(&self, text: &str) -> String {
        wait_for(&self.log, text)
    }

    /// Waits until the log holds `text` behind what was found before, so that each line is found once.
    #[track_caller]
    pub fn next_log_with(&self, text: &str) -> String {
        let start = Instant::now();
        let mut passed = self.passed.lock().expect("the place");
        loop {
            let log = self.log.lock().expect("the log")[*passed..].to_owned();
            if let Some(line) =
                log.split_inclusive('\n').find(|line| line.contains(text) && line.ends_with('\n'))
            {
                *passed += line.as_ptr().addr() - log.as_ptr().addr() + line.len();
                return line.to_owned();
            }
            assert!(start.elapsed() < PATIENCE, "no further {text:?} in:\n{log}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the server has printed `text` and gives all that it printed after its first line.
    #[track_caller]
    pub fn output_with(&self, text: &str) -> String {
        wait_for(&self.output, text)
    }

    /// Everything logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A size that the kernel states of the process, in KiB: `VmRSS`, what it has in memory, or `VmHWM`, the most that
    /// it ever had.
    pub fn memory_kib(&self, name: &str) -> i64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.expect("a size").trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// `kill -9`: nothing of the server runs any more when this returns.
    pub fn kill(&mut self) {
        self.child.kill().expect("the server is there to be killed");
        self.child.wait().expect("it ends");
    }

    /// Sends SIGTERM (or another, by name) and gives the exit code.
    pub fn signal(&mut self, name: &str) -> Option<i32> {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(sent.expect("kill runs").success());
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `text` was printed, and gives all that was printed so far.
#[track_caller]
pub fn wait_for(printed: &Mutex<String>, text: &str) -> String {
    let start = Instant::now();
    loop {
        let printed = printed.lock().expect("the text").clone();
        if printed.contains(text) {
            return printed;
        }
        assert!(start.elapsed() < PATIENCE, "no {text:?} in:\n{printed}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Reads a pipe to its end in a thread, so that the server never waits for us.
pub fn collect(mut pipe: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&text);
    thread::spawn(move || {
        let mut part = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut part) {
            kept.lock().expect("the text").push_str(&String::from_utf8_lossy(&part[..count]));
        }
    });
    text
}

/// Reads once, and again after a signal: one ends a read that has a timeout, even without a handler (a stop and a
/// continue).
pub fn read_on(stream: &mut TcpStream, part: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match stream.read(part) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// A connection to this address.
pub fn connect(address: SocketAddr) -> Wire {
    let stream = TcpStream::connect(address).expect("the server accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    Wire { stream, unread: Vec::new(), unanswered: Vec::new(), in_step: true }
}

/// Waits until something holds that is bound to hold.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A connection, byte by byte.
pub struct Wire {
    pub stream: TcpStream,
    unread: Vec<u8>,
    /// What was written behind the last request that was answered.
    unanswered: Vec<u8>,
    /// Whether `unanswered` begins with the request that the next answer is for.
    in_step: bool,
}

impl Wire {
    /// A connection to the server at this address, for a thread that doesn't hold the server.
    pub fn to(address: SocketAddr) -> Wire {
        connect(address)
    }

    #[track_caller]
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        // A server that refuses early may have closed: what counts is its answer.
        let _ = self.stream.write_all(bytes.as_ref());
        if self.in_step {
            self.unanswered.extend_from_slice(bytes.as_ref());
        }
    }

    /// The request that is answered next. `None` from the first one on that isn't plainly framed by its length, or
    /// wasn't sent whole: behind it, which answer is for which request is the server's to say.
    fn answered(&mut self) -> Option<schema::Sent> {
        let sent = parse_request(&self.unanswered).filter(|_| self.in_step);
        match &sent {
            Some((_, length)) => drop(self.unanswered.drain(..*length)),
            None => (self.in_step, self.unanswered) = (false, Vec::new()),
        }
        sent.map(|(sent, _)| sent)
    }

    /// Says that nothing more will be written.
    pub fn finish(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next answer; `None` when the server has closed the connection.
    #[track_caller]
    pub fn reply(&mut self) -> Option<Reply> {
        self.reply_to("GET")
    }

    /// The next answer to a request by `method`: one to HEAD has no body.
    #[track_caller]
    pub fn reply_to(&mut self, method: &str) -> Option<Reply> {
        loop {
            if let Some((reply, length)) = Reply::parse(&self.unread, method == "HEAD") {
                self.unread.drain(..length);
                if reply.status >= 200 {
                    schema::check_exchange(self.answered().as_ref(), &reply);
                }
                return Some(reply);
            }
            let mut part = [0; 16 * 1024];
            match read_on(&mut self.stream, &mut part) {
                Ok(0) if self.unread.is_empty() => return None,
                Ok(0) => panic!("half an answer: {}", String::from_utf8_lossy(&self.unread)),
                Ok(count) => self.unread.extend_from_slice(&part[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }

    /// Whether the server closes the connection without another byte.
    #[track_caller]
    pub fn is_closed(&mut self) -> bool {
        self.reply().is_none()
    }
}

/// A whole request at the start of these bytes, and its length.
fn parse_request(bytes: &[u8]) -> Option<(schema::Sent, usize)> {
    let mut storage = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut storage);
    let httparse::Status::Complete(start) = parsed.parse(bytes).ok()? else { return None };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields: Vec<_> =
        parsed.headers.iter().map(|field| (field.name.to_owned(), text(field.value))).collect();
    let named = |name: &'static str| fields.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name));
    let mut lengths = named("content-length").map(|(_, value)| value.parse::<usize>());
    let length = match (lengths.next(), lengths.next(), named("transfer-encoding").next()) {
        (None, _, None) => 0,
        (Some(Ok(length)), None, None) => length,
        _ => return None,
    };
    let line = format!("{} {}", parsed.method?, parsed.path?);
    let end = start.checked_add(length)?;
    let body = bytes.get(start..end)?.to_vec();
    Some((schema::Sent { line, fields, body }, end))
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    fn parse(bytes: &[u8], without_body: bool) -> Option<(Reply, usize)> {
        let mut storage = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut storage);
        let length = match parsed.parse(bytes).expect("a well-formed answer") {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => return None,
        };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("ASCII fields");
        let fields: Vec<_> =
            parsed.headers.iter().map(|field| (field.name.to_owned(), text(field.value))).collect();
        let status = parsed.code.expect("a status");
        let mut reply = Reply { status, fields, body: Vec::new() };
        let announced = reply.field("content-length").map_or(0, |text| text.parse().expect("a number"));
        let body = if without_body || status < 200 { 0 } else { announced };
        reply.body = bytes.get(length..length + body)?.to_vec();
        Some((reply, length + body))
    }

    /// The one field of this name.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut named = self.fields.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let first = named.next();
        assert!(named.next().is_none(), "{name} is there twice: {:?}", self.fields);
        first.map(|(_, value)| value.as_str())
    }

    /// The scopes that the challenge tells the client to ask for.
    #[track_caller]
    pub fn scopes_to_ask_for(&self) -> Vec<&str> {
        let challenge = self.field("www-authenticate").expect("a challenge");
        let (_, rest) = challenge.split_once(", scope=\"").expect("a scope");
        rest.split('"').next().unwrap_or_default().split(' ').collect()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error} in the body of {}: {}", self.status, String::from_utf8_lossy(&self.body))
        })
    }

    pub fn closes(&self) -> bool {
        self.field("connection") == Some("close")
    }
}

/// A request with a body, framed by its length.
pub fn request(method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head += "Host: localhost\r\n"; // tests that depend on it give their own; see `Client`
    }
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Every scope, in the order in which the server writes them.
pub const SCOPES: [&str; 5] = ["user:read", "entries:read", "entries:write", "tags:read", "tags:write"];

/// An address of this machine at which nobody listens, and the sockets that keep all others from it while they are
/// open: it is that of a client's own socket. A port that was given back could be another test's a moment later.
pub fn deaf_address() -> (SocketAddr, (TcpListener, TcpStream)) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    (client.local_addr().expect("an address"), (listener, client))
}

/// The keys that every request of revision 2026-07-28 carries.
pub fn modern_meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// Numbers that look random and are the same in every run (xorshift64); the seed isn't zero. Each test adds what it
/// throws.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// Somebody with a token, on one connection.
pub struct Client {
    wire: Wire,
    host: String,
    token: String,
}

impl Client {
    pub fn new(server: &Server, token: &str) -> Client {
        Client { wire: server.connect(), host: server.address.to_string(), token: token.to_owned() }
    }

    /// Posts a body to `/mcp` with the token and these further fields.
    #[track_caller]
    pub fn post(&mut self, fields: &[(&str, &str)], body: &str) -> Reply {
        self.wire.write(self.bytes(fields, body));
        self.wire.reply().expect("an answer")
    }

    /// The same on a connection of its own, whose answer is yet to be read.
    pub fn open(&self, fields: &[(&str, &str)], body: &str) -> Wire {
        let mut wire = connect(self.host.parse().expect("an address"));
        wire.write(self.bytes(fields, body));
        wire
    }

    /// A POST to `/mcp` with the token and these further fields.
    pub fn bytes(&self, fields: &[(&str, &str)], body: &str) -> Vec<u8> {
        let authorization = format!("Bearer {}", self.token);
        let own = [
            ("Host", self.host.as_str()),
            ("Authorization", &authorization),
            ("Content-Type", "application/json"),
        ];
        request("POST", "/mcp", &[&own, fields].concat(), body)
    }

    /// The head of a request, on a connection of its own: the body is sent only when the server has asked for it.
    pub fn begin(&self, body: &str) -> Wire {
        let bytes = self.bytes(&[("Expect", "100-continue")], body);
        let mut wire = connect(self.host.parse().expect("an address"));
        wire.write(&bytes[..bytes.len() - body.len()]);
        wire
    }

    /// A request in progress: the server has asked for the body and waits for it.
    #[track_caller]
    pub fn unfinished(&self, body: &str) -> Wire {
        let mut wire = self.begin(body);
        let mut go_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
        wire.stream.read_exact(&mut go_on).expect("the server asks for the body");
        wire
    }

    /// A request of revision 2026-07-28 with all its headers; `params` need no `_meta`.
    #[track_caller]
    pub fn modern(&mut self, method: &str, mut params: Value) -> Reply {
        params["_meta"] = modern_meta();
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        let mut fields = vec![("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method)];
        if method == "tools/call" {
            fields.push(("Mcp-Name", &name));
        }
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.post(&fields, &message.to_string())
    }

    /// The `CallToolResult` of a tool.
    #[track_caller]
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let reply = self.modern("tools/call", json!({ "name": tool, "arguments": arguments }));
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        let mut answer = reply.json();
        assert!(answer["error"].is_null(), "{answer}");
        answer["result"].take()
    }

    /// The structured content of a tool that must succeed.
    #[track_caller]
    pub fn ok(&mut self, tool: &str, arguments: Value) -> Value {
        let mut result = self.call(tool, arguments);
        assert!(result["isError"].is_null(), "{result}");
        result["structuredContent"].take()
    }

    /// The sentence of a tool that must fail.
    #[track_caller]
    pub fn fails(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], true, "{result}");
        assert!(result["structuredContent"].is_null(), "{result}");
        result["content"][0]["text"].as_str().expect("a sentence").to_owned()
    }
}
