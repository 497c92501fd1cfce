//! `make bench`: what epicme reaches, beside what this machine allows, as ratios from one run. Nothing is asserted
//! about time; a wrong answer ends the run. It knows epicme as a program and by the bytes on its socket only.
//!
//! `EPICME` names another binary than the one cargo built, `BENCH_ENTRIES` the size of the large journal.

#![allow(
    unreachable_pub,
    reason = "no other crate uses a benchmark: pub says what a module offers to the others"
)]

mod load;
mod process;
mod reference;

use std::env;
use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use load::{Connection, NUMBER, Request, Round, Until};
use process::Process;

/// Each comparison takes short turns, one side after the other, so that a noisy moment meets both.
const TURNS: usize = 15;
const TURN: Until = Until { time: Duration::from_millis(360), requests_each: u64::MAX };
const CONNECTIONS: [u64; 3] = [1, 16, 64];
const SMALL_JOURNAL: u64 = 1_000;
/// Connections over which a journal is filled.
const FILLERS: u64 = 50;
const IDLE_CONNECTIONS: usize = 1_000;
const STARTS: usize = 15;
/// What an entry says: about as much as a person notes in passing.
const CONTENT: &str = "Walked along the river before breakfast and met nobody but the heron. The book about tides is \
    finished; the second half is better than the first. Lunch with Ana, who moves to the coast in spring and wants \
    company for the drive. In the evening rain, soup, and the letter I had put off for a week.";

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        [] => report(&Scratch::new()),
        ["responder", ref arguments @ ..] => reference::serve(arguments),
        _ => panic!("the bench takes no arguments"),
    }
}

/// The whole run: single figures first, then the table.
fn report(scratch: &Scratch) {
    let small = Epicme::start(&scratch.file("small.db"));
    let create = small.call("create_entry", &new_entry(), 99_999_999);
    small.fill(&create, SMALL_JOURNAL);
    let get = small.call("get_entry", &entry_id(), SMALL_JOURNAL);
    let refused = small.learn("HTTP/1.1 401 ", no_token(&small.server), None, 1);

    let database = scratch.file("reference.db");
    reference::create(&database, &small.token, SMALL_JOURNAL, CONTENT);
    let responder = |arguments: &[&dyn Display]| {
        let this = env::current_exe().expect("Linux knows it");
        Process::start(Command::new(this).arg("responder").args(arguments.iter().map(ToString::to_string)))
    };
    let bare = responder(&[&"bare", &refused.answer_bytes]);
    let store = responder(&[&"store", &database.display(), &get.answer_bytes, &create.answer_bytes]);

    start_time(scratch);
    memory(scratch);
    let large = Epicme::start(&scratch.file("large.db"));
    let entries =
        env::var("BENCH_ENTRIES").map_or(100_000, |it| it.parse().expect("BENCH_ENTRIES is a number"));
    let start = Instant::now();
    large.fill(&large.call("create_entry", &new_entry(), 99_999_999), entries);
    println!(
        "{entries} entries written over {FILLERS} connections in {:.1} s\n",
        start.elapsed().as_secs_f64()
    );

    println!("{TURNS} turns of {} ms a side: medians, least and most ratio, aim", TURN.time.as_millis());
    println!("{:38}{:^48}   {:^48}", "", "requests per second", "server CPU, µs per request");
    println!(
        "{:38}{1:>9}{2:>10}{3:>22}{4:>7}   {1:>9}{2:>10}{3:>22}{4:>7}",
        "", "first", "second", "ratio", "aim"
    );
    let kept = |server, request, clients| move || load::run(server, request, clients, false, TURN);
    let fresh = |server, request, clients| move || load::run(server, request, clients, true, TURN);
    let served = &small.server;
    for count in CONNECTIONS {
        let name = format!("401 / bare, {count}");
        compare(&name, ["0.9", "1.05"], kept(served, &refused, count), kept(&bare, &refused, count));
    }
    let name = "401 / bare, 16, each on a new one";
    compare(name, ["", "1.05"], fresh(served, &refused, 16), fresh(&bare, &refused, 16));
    for count in CONNECTIONS {
        let name = format!("get_entry / bare + store, {count}");
        compare(&name, ["0.7", "1.25"], kept(served, &get, count), kept(&store, &get, count));
    }
    let name = format!("get_entry of {entries} / of {SMALL_JOURNAL}, 16");
    let get_large = large.call("get_entry", &entry_id(), entries);
    compare(&name, ["0.8", ""], kept(&large.server, &get_large, 16), kept(served, &get, 16));
    for count in CONNECTIONS {
        let name = format!("create_entry / bare + store, {count}");
        compare(&name, ["0.8", ""], kept(served, &create, count), kept(&store, &create, count));
    }
    let database = scratch.file("alone.db");
    reference::create(&database, &small.token, SMALL_JOURNAL, CONTENT);
    let commit_each = || reference::commit_each(&database, CONTENT, TURN);
    compare("create_entry, 64 / one commit a write", ["20", ""], kept(served, &create, 64), commit_each);
    // How much of that aim the disk leaves room for.
    compare("bare + store, 64 / one commit a write", ["", ""], kept(&store, &create, 64), commit_each);
}

/// Measures the two in turns and prints one line; the aims are for the ratio of speed and that of CPU time.
fn compare(name: &str, aims: [&str; 2], first: impl Fn() -> Round, second: impl Fn() -> Round) {
    let turns: Vec<[Round; 2]> = (0..TURNS).map(|_| [first(), second()]).collect();
    let half = |value: fn(Round) -> f64, decimals: usize, aim: &str| {
        let [first, second] =
            [0, 1].map(|side| sorted(turns.iter().map(|turn| value(turn[side])))[TURNS / 2]);
        let ratios = sorted(turns.iter().map(|turn| value(turn[0]) / value(turn[1])));
        let ratio = format!("{:.2} ({:.2}–{:.2})", ratios[TURNS / 2], ratios[0], ratios[TURNS - 1]);
        format!("{first:9.decimals$}{second:10.decimals$}{ratio:>22}{aim:>7}")
    };
    let halves =
        [half(|round| round.requests_per_second, 0, aims[0]), half(|round| round.cpu_us, 1, aims[1])];
    println!("{name:38}{}   {}", halves[0], halves[1]);
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Prints the time from the start of the program, its database being there already, to its first whole answer.
fn start_time(scratch: &Scratch) {
    let database = scratch.file("start.db");
    drop(serve(&database));
    let ms = sorted((0..STARTS).map(|_| {
        let start = Instant::now();
        let server = serve(&database);
        let mut connection = Connection::open(&server).expect("the server accepts");
        connection.exchange(no_token(&server).as_bytes()).expect("an answer");
        start.elapsed().as_secs_f64() * 1e3
    }));
    println!("start to the first 401: {:.1} ms ({:.1}–{:.1}), aim 5", ms[STARTS / 2], ms[0], ms[STARTS - 1]);
}

/// Opens many connections at once and prints what each costs the server, after one request and after another.
fn memory(scratch: &Scratch) {
    let epicme = Epicme::start(&scratch.file("memory.db"));
    epicme.call("create_entry", &new_entry(), 1);
    let refused = epicme.learn("HTTP/1.1 401 ", no_token(&epicme.server), None, 1);
    let get = epicme.call("get_entry", &entry_id(), 1);
    let before_kib = epicme.server.memory_kib();
    let open = |_| Connection::open(&epicme.server).expect("a socket: `ulimit -n` must allow a thousand");
    let mut connections: Vec<Connection> = (0..IDLE_CONNECTIONS).map(open).collect();
    for (after, request, aim) in [("a 401", &refused, ", aim 20"), ("get_entry", &get, "")] {
        for connection in &mut connections {
            connection.expect(request, &request.bytes).expect("a right answer");
        }
        let each_kib = (epicme.server.memory_kib() - before_kib) / IDLE_CONNECTIONS as f64;
        println!("memory for an idle connection, after {after}: {each_kib:.1} KiB{aim}");
    }
}

/// A server under test, with one person in its database.
struct Epicme {
    server: Process,
    token: String,
}

impl Epicme {
    fn start(database: &Path) -> Self {
        run(&["user", "add", "bench@example.com", "--password-stdin"], database);
        let token = run(&["token", "create", "bench@example.com"], database);
        Self { server: serve(database), token }
    }

    /// Writes at least so many entries, the same number over each of `FILLERS` connections.
    fn fill(&self, create: &Request, entries: u64) {
        let until = Until { time: Duration::from_secs(600), requests_each: entries.div_ceil(FILLERS) };
        load::run(&self.server, create, FILLERS, false, until);
    }

    /// A tool call of revision 2026-07-28; `NUMBER` in the arguments stands for a new number in each request.
    fn call(&self, tool: &str, arguments: &str, number_max: u64) -> Request {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
        );
        let request = format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
             Mcp-Method: tools/call\r\nMcp-Name: {tool}\r\nContent-Length: {}\r\n\r\n{body}",
            self.server.address,
            self.token,
            body.len()
        );
        let number_at = request.find(NUMBER).expect("the arguments hold a number");
        self.learn("HTTP/1.1 200 ", request.replacen(NUMBER, "       1", 1), Some(number_at), number_max)
    }

    /// Sends the request once, to learn how long the answer is that every later one must have.
    fn learn(
        &self,
        status: &'static str,
        text: String,
        number_at: Option<usize>,
        number_max: u64,
    ) -> Request {
        let mut connection = Connection::open(&self.server).expect("the server accepts");
        let answer = connection.exchange(text.as_bytes()).expect("an answer");
        let shown = String::from_utf8_lossy(answer);
        assert!(shown.starts_with(status) && !shown.contains("\"isError\""), "{status} is due, not {shown}");
        Request { bytes: text.into(), number_at, number_max, status, answer_bytes: answer.len() }
    }
}

fn no_token(server: &Process) -> String {
    format!("GET /mcp HTTP/1.1\r\nHost: {}\r\n\r\n", server.address)
}

fn entry_id() -> String {
    format!(r#"{{"id":{NUMBER}}}"#)
}

fn new_entry() -> String {
    format!(r#"{{"title":"Day {NUMBER}","content":"{CONTENT}"}}"#)
}

/// The program under test, with these arguments and its database.
fn epicme(arguments: &[&str], database: &Path) -> Command {
    let built = option_env!("CARGO_BIN_EXE_epicme").unwrap_or("target/epicme");
    let mut command = Command::new(env::var_os("EPICME").unwrap_or_else(|| built.into()));
    command.args(arguments).arg("--database").arg(database);
    command
}

fn serve(database: &Path) -> Process {
    Process::start(&mut epicme(&["serve", "--listen", "127.0.0.1:0"], database))
}

/// Runs a command that ends by itself, with a password as its input, and returns what it prints.
fn run(arguments: &[&str], database: &Path) -> String {
    let mut command = epicme(arguments, database);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // A command that asks for none may have ended already.
    let _ = child.stdin.take().expect("it was piped").write_all(b"correct horse battery\n");
    let output = child.wait_with_output().expect("the command ends");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {log}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// A directory for this run, removed at its end. It lies where cargo builds and not in `/tmp`, which may be memory,
/// where an fsync costs nothing.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let place = option_env!("CARGO_TARGET_TMPDIR").map_or_else(env::temp_dir, PathBuf::from);
        let directory = place.join(format!("bench-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory can be made");
        Self(directory)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can't be removed is left in the build directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}
