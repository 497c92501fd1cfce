//! The measurements, in the order of the table. Each is made in rounds, one server after the other, so that a noisy
//! moment meets all of them. It knows how to start the servers, and neither draws nor writes anything.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::databases::{self, COMMON_WORD, NO_WORD, OWN_WORD, RARE_WORD};
use crate::figures;
use crate::load::{Connection, Load, NUMBER, Request, Round, Until};
use crate::people;
use crate::process::Process;
use crate::table::{Better, Outcome, Row, SERVERS};
use crate::wire::{self, Call};
use crate::{Scratch, limit, peer, run, serve, serve_behind_a_proxy, serve_watched, system_calls};

const CLIENTS: usize = 64;
/// With a new connection each, more of them at once measure the listener's queue.
const FRESH_CLIENTS: usize = 16;
/// Where one request may take long, fewer wait at once.
const FEW_CLIENTS: usize = 4;
const SEARCHERS: usize = 2;
const SMALL_JOURNAL: u64 = 1_000;
/// The journals of one person between which speed is compared.
const SIZES: [i64; 4] = [1_000, 10_000, 100_000, 1_000_000];
const PEOPLE: i64 = 10_000;
const ENTRIES_EACH: i64 = 100;
/// What a search among so many people takes is at most 1.1 times what it takes alone.
const SEARCH_AMONG_PEOPLE: &str = "≥ 0.91";
/// Connections over which the small journal is filled, less its first entry: the same number over each.
const FILLERS: usize = 27;
const IDLE_CONNECTIONS: usize = 1_000;
/// As many as one asks for to see how many stay. Some descriptors are for other things.
const MANY_CONNECTIONS: u64 = 10_000;
const OTHER_DESCRIPTORS: u64 = 500;
const LARGE_BODIES: usize = 8;
const LARGE_BODY_BYTES: usize = 3_500_000;
const SIGN_INS: usize = 64;
/// How long a server is left alone before its memory at rest is read.
const REST: Duration = Duration::from_secs(1);
/// Requests while system calls are counted. Reads come over one connection: strace holds a thread up at each call, and
/// the others would wait for its locks as they never do without strace.
const COUNTED_REQUESTS: u64 = 1_280;
/// What an entry says: about as much as a person notes in passing.
const CONTENT: &str = "Walked along the river before breakfast and met nobody but the heron. The book about tides is \
    finished; the second half is better than the first. Lunch with Ana, who moves to the coast in spring and wants \
    company for the drive. In the evening rain, soup, and the letter I had put off for a week.";

/// How long is measured.
#[derive(Clone, Copy)]
pub struct Plan {
    pub rounds: usize,
    /// One server's part of a round.
    pub turn: Duration,
    pub starts: usize,
    pub memories: usize,
}

/// A run: where its files are, and what went wrong.
pub struct Run<'s> {
    scratch: &'s Scratch,
    plan: Plan,
    token: String,
    empty: PathBuf,
    /// What is being measured.
    phase: RefCell<String>,
    failures: RefCell<Vec<String>>,
    start: Instant,
}

/// One server's part of a round: a value for each row that it is for.
type Measure<'a> = Box<dyn FnMut() -> Result<Vec<f64>, String> + 'a>;
/// Four servers, of which some aren't there.
type Servers<'a> = [Option<&'a Process>; 4];

impl<'s> Run<'s> {
    pub fn new(scratch: &'s Scratch, plan: Plan) -> Self {
        let empty = scratch.file("empty.db");
        run(&["user", "add", "bench@example.com", "--password-stdin"], &empty);
        let token = run(&["token", "create", "bench@example.com"], &empty);
        Self {
            scratch,
            plan,
            token,
            empty,
            phase: RefCell::default(),
            failures: RefCell::default(),
            start: Instant::now(),
        }
    }

    pub fn rows(&self) -> Vec<Row> {
        self.progress("a journal of 1,000 entries");
        let small = self.small_journal();
        let mut rows = self.requests(&small);
        rows.extend(self.writes(&small));
        rows.extend(self.watching(&small));
        rows.extend(self.sizes());
        rows.extend(self.many_people());
        rows.extend(self.idle_memory(&small));
        rows.extend(self.memory_at_rest(&small));
        rows.extend(self.starts(&small));
        rows.extend(self.system_calls(&small));
        rows
    }

    /// What servers answered wrongly, each in a sentence.
    pub fn failures(&self) -> Vec<String> {
        self.failures.borrow().clone()
    }

    fn progress(&self, what: &str) {
        eprintln!("[{:4.0} s] {what}", self.start.elapsed().as_secs_f64());
        what.clone_into(&mut self.phase.borrow_mut());
    }

    fn fail(&self, server: usize, why: &str) {
        let why = format!("{}, {}: {}", self.phase.borrow(), SERVERS[server], why.trim_end());
        eprintln!("         {why}");
        self.failures.borrow_mut().push(why);
    }

    fn call<'a>(&'a self, tool: &'a str, arguments: &'a str, numbers: u64) -> Call<'a> {
        Call { token: &self.token, tool, arguments, numbers }
    }

    /// A journal that epicme has filled itself, over its wire.
    fn small_journal(&self) -> PathBuf {
        let database = self.copy(&self.empty, "small.db");
        let server = serve(&database);
        let create = self.call("create_entry", &new_entry(), 99_999_999).to(&server).expect("a right answer");
        let requests_each = (SMALL_JOURNAL - 1) / FILLERS as u64;
        let until = Until { time: Duration::from_secs(60), requests_each };
        Load::open(&server, &create, FILLERS).and_then(|mut load| load.run(until)).expect("right answers");
        server.stop();
        database
    }

    fn copy(&self, original: &Path, name: &str) -> PathBuf {
        let database = self.scratch.file(name);
        fs::copy(original, &database).expect("room on the disk");
        database
    }

    /// The limit that answers every request with the bytes of epicme's 401.
    fn bare(&self, epicme: &Process) -> Process {
        let file = self.scratch.file("refusal");
        let request = wire::refused(epicme).expect("a 401");
        fs::write(&file, wire::exchange(epicme, &request.bytes).expect("an answer"))
            .expect("room on the disk");
        limit("bare", &file)
    }

    /// Requests that read, on the small journal. All servers have the same file.
    fn requests(&self, small: &Path) -> Vec<Row> {
        self.progress("requests that read, over connections that are kept and over new ones");
        let epicme = serve(small);
        let (bare, store) = (self.bare(&epicme), limit("store", small));
        let (rmcp, hyper) = (peer(&["rmcp", text(small)]), peer(&["hyper"]));
        let stateless = [Some(&epicme), Some(&bare), rmcp.as_ref(), hyper.as_ref()];
        let stateful = [Some(&epicme), Some(&store), rmcp.as_ref(), None];
        let (get, list) = (entry_id(), r#"{"limit":50}"#);
        for (tool, arguments) in [
            ("get_entry", get.as_str()),
            ("list_entries", list),
            ("search_entries", r#"{"query":"heron"}"#),
            ("search_entries", r#"{"query":"zebra"}"#),
        ] {
            wire::check_same(&self.call(tool, arguments, 1), &epicme, &store);
        }
        let kept = self.refusals(stateless, CLIENTS, false);
        let fresh = self.refusals(stateless, FRESH_CLIENTS, true);
        let get = self.load(stateful, &self.call("get_entry", &get, SMALL_JOURNAL), CLIENTS, cpu);
        let list = self.load(stateful, &self.call("list_entries", list, 1), CLIENTS, cpu);
        vec![
            cpu_row(&format!("401, {CLIENTS} kept connections"), "≤ 1.05 × limit", kept),
            cpu_row("401, a new connection each", "≤ 1.0 × limit", fresh),
            cpu_row(people::GET, "≤ 1.2 × limit", get),
            cpu_row(people::LIST, "≤ 1.15 × limit", list),
        ]
    }

    /// Copies of a database for epicme, the limit and rmcp, which has a search index of its own.
    fn copies_to_write(&self, database: &Path, name: &str) -> [PathBuf; 3] {
        let mine = self.copy(database, &format!("{name}.db"));
        let [limits, peers] =
            ["limit", "peer"].map(|server| self.copy(database, &format!("{name}-{server}.db")));
        databases::add_plain_index(&peers);
        [mine, limits, peers]
    }

    /// Durable writes. Each server has a file of its own.
    fn writes(&self, small: &Path) -> Vec<Row> {
        self.progress("durable writes");
        let [mine, limits, peers] = self.copies_to_write(small, "write");
        let (epicme, store, rmcp) = (serve(&mine), limit("store", &limits), peer(&["rmcp", text(&peers)]));
        let servers = [Some(&epicme), Some(&store), rmcp.as_ref(), None];
        let arguments = new_entry();
        let create = self.call("create_entry", &arguments, 99_999_999);
        let [ours, limits] = [&epicme, &store].map(|server| create.to(server).map(|it| it.answer_bytes));
        assert_eq!(ours, limits, "src/ answers create_entry otherwise than tests/bench/reference.rs");
        let many = self.load(servers, &create, CLIENTS, |round| round.requests_per_second);
        let one = self.load(servers, &create, 1, |round| round.requests_per_second);
        let row = |work: &str, aim, outcomes| Row {
            work: work.to_owned(),
            unit: "per s",
            better: Better::More,
            aim,
            outcomes,
        };
        vec![
            row(people::CREATE, "≥ 0.85 × limit", many),
            row("create_entry, 1 writer", "≥ 0.95 × limit", one),
        ]
    }

    /// What it costs to keep each exchange for a page, and to tell an open one. No other server has such a page.
    fn watching(&self, small: &Path) -> Vec<Row> {
        self.progress("get_entry, watched");
        let [plain, kept, told] =
            ["plain", "kept", "told"].map(|name| self.copy(small, &format!("watch-{name}.db")));
        let (plain, kept, told) = (serve(&plain), serve_watched(&kept), serve_watched(&told));
        wire::open_page(&told);
        let get = entry_id();
        let calls = [self.call("get_entry", &get, SMALL_JOURNAL); 3];
        let servers = [Some([&plain, &kept, &told]), None, None, None];
        let measured = self.compare(servers, calls, CLIENTS);
        let works = ["get_entry with --watch : without", "get_entry with --watch and an open page : without"];
        let row = |(work, outcomes): (&str, _)| Row {
            work: work.to_owned(),
            unit: "speed",
            better: Better::More,
            aim: "",
            outcomes,
        };
        works.into_iter().zip(measured).map(row).collect()
    }

    /// How speed depends on the number of entries that one person has, and what a search takes.
    fn sizes(&self) -> Vec<Row> {
        self.progress("journals of 1,000 to 1,000,000 entries: filling them");
        let files = SIZES.map(|size| self.scratch.file(&format!("entries-{size}.db")));
        for (size, file) in SIZES.iter().zip(&files) {
            databases::fill(&self.empty, file, 1, *size);
        }
        // The peer searches these two; in the others it only reads and lists.
        files[1..3].iter().for_each(|file| databases::add_plain_index(file));
        let ours = files.each_ref().map(|file| serve(file));
        let limits = files.each_ref().map(|file| limit("store", file));
        let peers = files.each_ref().map(|file| peer(&["rmcp", text(file)]));
        let groups = [
            Some(ours.each_ref()),
            Some(limits.each_ref()),
            match &peers {
                [Some(first), Some(second), Some(third), Some(fourth)] => {
                    Some([first, second, third, fourth])
                }
                _ => None,
            },
            None,
        ];
        let mut rows = vec![];
        let get = entry_id();
        for (name, tool, arguments, clients) in [
            ("get_entry", "get_entry", get.as_str(), FEW_CLIENTS),
            ("list 50", "list_entries", r#"{"limit":50}"#, FEW_CLIENTS),
        ] {
            self.progress(&format!("the same, {name}"));
            let calls = SIZES.map(|size| self.call(tool, arguments, size as u64));
            let measured = self.compare(groups, calls, clients);
            for (size, outcomes) in SIZES[1..].iter().zip(measured) {
                let work = format!("{name} at {} entries : at 1,000", figures::short(*size as f64));
                rows.push(Row { work, unit: "speed", better: Better::More, aim: "≥ 0.9", outcomes });
            }
        }
        let [_, of_10_000, of_100_000, _] =
            [0, 1, 2, 3].map(|size| groups.map(|group| group.map(|all| all[size])));
        for (work, word) in [("search, no match among 100,000 entries", NO_WORD), (people::SEARCH, RARE_WORD)]
        {
            self.progress(work);
            let arguments = format!(r#"{{"query":"{word}"}}"#);
            let call = self.call("search_entries", &arguments, 1);
            rows.push(cpu_row(work, "", self.load(of_100_000, &call, SEARCHERS, cpu)));
        }
        for (work, servers, aim) in [
            ("search, a word of all 10,000 entries", of_10_000, "≤ 20"),
            ("search, a word of all 100,000 entries", of_100_000, "≤ 100"),
        ] {
            self.progress(work);
            let arguments = format!(r#"{{"query":"{COMMON_WORD}"}}"#);
            // One client waits for its first page.
            let call = self.call("search_entries", &arguments, 1);
            let outcomes = self.load(servers, &call, 1, |round| 1e3 / round.requests_per_second);
            rows.push(Row { work: work.to_owned(), unit: "ms", better: Better::Less, aim, outcomes });
        }
        rows
    }

    /// What other people's entries cost one person.
    fn many_people(&self) -> Vec<Row> {
        self.progress("10,000 people of 100 entries each: filling");
        let (crowd, alone) = (self.scratch.file("crowd.db"), self.scratch.file("alone.db"));
        databases::fill(&self.empty, &crowd, PEOPLE, ENTRIES_EACH);
        databases::fill(&self.empty, &alone, 1, ENTRIES_EACH);
        let files = [&alone, &crowd];
        files.into_iter().for_each(|file| databases::add_plain_index(file));
        let ours = files.map(|file| serve(file));
        let limits = files.map(|file| limit("store", file));
        let peers = files.map(|file| peer(&["rmcp", text(file)]));
        let pairs = [
            Some(ours.each_ref()),
            Some(limits.each_ref()),
            match &peers {
                [Some(alone), Some(crowd)] => Some([alone, crowd]),
                _ => None,
            },
            None,
        ];
        let get = entry_id();
        let [own, common] = [OWN_WORD, COMMON_WORD].map(|word| format!(r#"{{"query":"{word}"}}"#));
        let mut rows = vec![];
        for (name, tool, arguments, aim) in [
            ("get_entry", "get_entry", get.as_str(), "≥ 0.9"),
            ("list 50", "list_entries", r#"{"limit":50}"#, "≥ 0.9"),
            ("search, a word of one entry", "search_entries", own.as_str(), SEARCH_AMONG_PEOPLE),
            ("search, a word of all 100 entries", "search_entries", common.as_str(), SEARCH_AMONG_PEOPLE),
        ] {
            self.progress(&format!("the same, {name}"));
            let calls = [self.call(tool, arguments, ENTRIES_EACH as u64); 2];
            let measured = self.compare(pairs, calls, FEW_CLIENTS);
            let work = format!("{name}, among 10,000 people : alone");
            rows.extend(measured.into_iter().map(|outcomes| Row {
                work: work.clone(),
                unit: "speed",
                better: Better::More,
                aim,
                outcomes,
            }));
        }
        rows
    }

    fn idle_memory(&self, small: &Path) -> Vec<Row> {
        self.progress("memory of idle connections");
        let get = entry_id();
        let call = self.call("get_entry", &get, SMALL_JOURNAL);
        let both = |server: Option<Process>| {
            let server = server.expect("it was built");
            idle(&server, &[wire::refused(&server)?, call.to(&server)?])
        };
        let mine = self.copy(small, "idle.db");
        let epicme = serve(&mine);
        // The file with the 401 is made once; each round has servers of its own.
        drop(self.bare(&epicme));
        drop(epicme);
        let refusal = self.scratch.file("refusal");
        let has_peers = peer(&["hyper"]).is_some();
        let measures: [Option<Measure>; 4] = [
            Some(Box::new(|| both(Some(serve(&mine))))),
            Some(Box::new(|| {
                let bare = limit("bare", &refusal);
                let mut kib = idle(&bare, &[wire::refused(&bare)?])?;
                let store = limit("store", small);
                kib.extend(idle(&store, &[call.to(&store)?])?);
                Ok(kib)
            })),
            has_peers.then(|| Box::new(|| both(peer(&["rmcp", text(small)]))) as Measure),
            has_peers.then(|| {
                Box::new(|| {
                    let hyper = peer(&["hyper"]).expect("it was built");
                    idle(&hyper, &[wire::refused(&hyper)?])
                }) as Measure
            }),
        ];
        let measured = self.in_turns(self.plan.memories, 2, measures);
        self.progress("how many idle connections stay open");
        let (descriptors, _) = rlimit::Resource::NOFILE.get().unwrap_or((1024, 1024));
        let wanted = MANY_CONNECTIONS.min(descriptors.saturating_sub(OTHER_DESCRIPTORS)) as usize;
        let measures: [Option<Measure>; 4] = [
            Some(Box::new(|| many(&serve(&mine), wanted))),
            Some(Box::new(|| many(&limit("bare", &refusal), wanted))),
            has_peers
                .then(|| Box::new(|| many(&peer(&["rmcp", text(small)]).expect("built"), wanted)) as Measure),
            has_peers.then(|| Box::new(|| many(&peer(&["hyper"]).expect("built"), wanted)) as Measure),
        ];
        let stayed = self.in_turns(1, 2, measures);
        let row = |work: &str, unit, better, aim, outcomes| Row {
            work: work.to_owned(),
            unit,
            better,
            aim,
            outcomes,
        };
        let [refused, read] = two(measured);
        let [count, kib] = two(stayed);
        vec![
            row("memory per idle connection, after a 401", "KiB", Better::Less, "≤ 18", refused),
            row(people::IDLE_READ, "KiB", Better::Less, "≤ 24", read),
            row(people::CONNECTIONS, "connections", Better::More, "10,000", count),
            row("memory of the server, for each of those", "KiB", Better::Less, "≤ 26", kib),
        ]
    }

    fn memory_at_rest(&self, small: &Path) -> Vec<Row> {
        self.progress("memory at rest after large bodies");
        let get = r#"{"id":1}"#;
        let call = self.call("get_entry", get, 1);
        let mine = self.copy(small, "rest.db");
        let has_peers = peer(&["hyper"]).is_some();
        let measures: [Option<Measure>; 4] = [
            Some(Box::new(|| large_bodies(&serve(&mine), &call))),
            Some(Box::new(|| large_bodies(&limit("store", small), &call))),
            has_peers.then(|| {
                Box::new(|| large_bodies(&peer(&["rmcp", text(small)]).expect("built"), &call)) as Measure
            }),
            None,
        ];
        let mut bodies = self.in_turns(self.plan.memories, 1, measures);
        self.progress("memory at rest after sign-ins");
        let measures = [Some(Box::new(|| sign_ins(&mine)) as Measure), None, None, None];
        let mut after_sign_ins = self.in_turns(self.plan.memories, 1, measures);
        let row = |work: String, outcomes| Row { work, unit: "MiB", better: Better::Less, aim: "", outcomes };
        vec![
            row(format!("memory after {LARGE_BODIES} bodies of 3.5 MB"), bodies.remove(0)),
            row(format!("memory after {SIGN_INS} sign-ins at once"), after_sign_ins.remove(0)),
        ]
    }

    fn starts(&self, small: &Path) -> Vec<Row> {
        self.progress("starts");
        let mine = self.copy(small, "start.db");
        let refusal = self.scratch.file("refusal");
        let has_peers = peer(&["hyper"]).is_some();
        let measures: [Option<Measure>; 4] = [
            Some(Box::new(|| first_answer(|| serve(&mine)))),
            Some(Box::new(|| first_answer(|| limit("bare", &refusal)))),
            has_peers.then(|| {
                Box::new(|| first_answer(|| peer(&["rmcp", text(small)]).expect("built"))) as Measure
            }),
            has_peers.then(|| Box::new(|| first_answer(|| peer(&["hyper"]).expect("built"))) as Measure),
        ];
        let mut measured = self.in_turns(self.plan.starts, 1, measures);
        let work = "from the start to the first 401".to_owned();
        vec![Row { work, unit: "ms", better: Better::Less, aim: "≤ 3", outcomes: measured.remove(0) }]
    }

    fn system_calls(&self, small: &Path) -> Vec<Row> {
        self.progress("system calls");
        let [mine, limits, peers] = self.copies_to_write(small, "calls");
        let epicme = serve(&mine);
        let (bare, store) = (self.bare(&epicme), limit("store", &limits));
        let (rmcp, hyper) = (peer(&["rmcp", text(&peers)]), peer(&["hyper"]));
        let stateless = [Some(&epicme), Some(&bare), rmcp.as_ref(), hyper.as_ref()];
        let stateful = [Some(&epicme), Some(&store), rmcp.as_ref(), None];
        let (get, create) = (entry_id(), new_entry());
        let refused = self.counted(stateless, 1, wire::refused);
        let get = self.call("get_entry", &get, SMALL_JOURNAL);
        let get = self.counted(stateful, 1, |server| get.to(server));
        let create = self.call("create_entry", &create, 99_999_999);
        let create = self.counted(stateful, CLIENTS, |server| create.to(server));
        let row = |work: &str, outcomes| Row {
            work: format!("system calls: {work}"),
            unit: "per request",
            better: Better::Less,
            aim: "",
            outcomes,
        };
        vec![
            row("401, 1 connection", refused),
            row("get_entry, 1 connection", get),
            row(people::CREATE, create),
        ]
    }

    fn counted(
        &self,
        servers: Servers,
        clients: usize,
        request: impl Fn(&Process) -> Result<Request, String>,
    ) -> [Outcome; 4] {
        let summary = self.scratch.file("strace");
        let count = |server: &Process| -> Result<Option<f64>, String> {
            let request = request(server)?;
            let mut load = Load::open(server, &request, clients).map_err(|error| error.to_string())?;
            let until = |requests_each| Until { time: Duration::from_secs(60), requests_each };
            // Threads and statements are made before the calls are counted.
            load.run(until(2)).map_err(|error| error.to_string())?;
            let counted =
                system_calls::count(server, &summary, || load.run(until(COUNTED_REQUESTS / clients as u64)));
            let Some((calls, round)) = counted else { return Ok(None) };
            Ok(Some(calls / round.map_err(|error| error.to_string())?.requests))
        };
        let mut outcomes = [const { Outcome::Absent }; 4];
        for (number, server) in servers.iter().enumerate() {
            let Some(server) = server else { continue };
            outcomes[number] = match count(server) {
                Ok(None) => Outcome::NotMeasured,
                Ok(Some(calls)) => Outcome::Rounds(vec![calls]),
                Err(why) => {
                    self.fail(number, &why);
                    Outcome::Failed
                }
            };
        }
        outcomes
    }

    fn refusals(&self, servers: Servers, clients: usize, fresh: bool) -> [Outcome; 4] {
        let turn = self.until();
        let measures = servers.map(|server| {
            server.map(|server| {
                let request = wire::refused(server);
                let measure = move || {
                    let request = request.as_ref().map_err(Clone::clone)?;
                    let open = if fresh { Load::fresh } else { Load::open };
                    let round = open(server, request, clients).and_then(|mut load| load.run(turn));
                    Ok(vec![round.map_err(|error| error.to_string())?.cpu_us])
                };
                Box::new(measure) as Measure
            })
        });
        let mut measured = self.in_turns(self.plan.rounds, 1, measures);
        measured.remove(0)
    }

    fn load(&self, servers: Servers, call: &Call, clients: usize, value: fn(Round) -> f64) -> [Outcome; 4] {
        let turn = self.until();
        let measures = servers.map(|server| {
            server.map(|server| {
                let request = call.to(server);
                let measure = move || Ok(vec![value(turn_of(server, &request, clients, turn)?)]);
                Box::new(measure) as Measure
            })
        });
        let mut measured = self.in_turns(self.plan.rounds, 1, measures);
        measured.remove(0)
    }

    fn until(&self) -> Until {
        Until { time: self.plan.turn, requests_each: u64::MAX }
    }

    /// Measures a call at several sizes, and returns the speed at each but the first as a part of that at the first.
    fn compare<const N: usize>(
        &self,
        servers: [Option<[&Process; N]>; 4],
        calls: [Call; N],
        clients: usize,
    ) -> Vec<[Outcome; 4]> {
        let turn = self.until();
        let measures = servers.map(|sizes| {
            sizes.map(|sizes| {
                let pairs: Vec<_> =
                    sizes.iter().zip(&calls).map(|(server, call)| (*server, call.to(server))).collect();
                let measure = move || {
                    let rounds =
                        pairs.iter().map(|(server, request)| turn_of(server, request, clients, turn));
                    let rounds = rounds.collect::<Result<Vec<_>, _>>()?;
                    Ok(rounds[1..].iter().map(|round| rounds[0].cpu_us / round.cpu_us).collect())
                };
                Box::new(measure) as Measure
            })
        });
        self.in_turns(self.plan.rounds, N - 1, measures)
    }

    /// Measures in rounds, one server after the other, and returns the outcomes of each of `rows` rows. A server that
    /// fails is left out from then on.
    fn in_turns(&self, rounds: usize, rows: usize, mut measures: [Option<Measure>; 4]) -> Vec<[Outcome; 4]> {
        let nothing = measures.each_ref().map(|measure| match measure {
            Some(_) => Outcome::Rounds(vec![]),
            None => Outcome::Absent,
        });
        let mut outcomes = vec![nothing; rows];
        for _ in 0..rounds {
            for (server, measure) in measures.iter_mut().enumerate() {
                let Some(measured) = measure.as_mut().map(|measure| measure()) else { continue };
                match measured {
                    Ok(values) => {
                        for (row, outcomes) in outcomes.iter_mut().enumerate() {
                            match (&mut outcomes[server], values.get(row)) {
                                (Outcome::Rounds(rounds), Some(value)) => rounds.push(*value),
                                (outcome, _) => *outcome = Outcome::Absent,
                            }
                        }
                    }
                    Err(why) => {
                        self.fail(server, &why);
                        *measure = None;
                        outcomes.iter_mut().for_each(|outcomes| outcomes[server] = Outcome::Failed);
                    }
                }
            }
        }
        outcomes
    }
}

fn turn_of(
    server: &Process,
    request: &Result<Request, String>,
    clients: usize,
    turn: Until,
) -> Result<Round, String> {
    let request = request.as_ref().map_err(Clone::clone)?;
    let round = Load::open(server, request, clients).and_then(|mut load| load.run(turn));
    round.map_err(|error| error.to_string())
}

fn cpu(round: Round) -> f64 {
    round.cpu_us
}

fn cpu_row(work: &str, aim: &'static str, outcomes: [Outcome; 4]) -> Row {
    Row { work: work.to_owned(), unit: "CPU µs", better: Better::Less, aim, outcomes }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("cargo's directory is named in UTF-8")
}

fn two(outcomes: Vec<[Outcome; 4]>) -> [[Outcome; 4]; 2] {
    outcomes.try_into().expect("two rows were asked for")
}

fn entry_id() -> String {
    format!(r#"{{"id":{NUMBER}}}"#)
}

fn new_entry() -> String {
    format!(r#"{{"title":"Day {NUMBER}","content":"{CONTENT}"}}"#)
}

/// What each of many connections costs in KiB, after all have sent one of these requests and after the next.
fn idle(server: &Process, requests: &[Request]) -> Result<Vec<f64>, String> {
    let before_kib = server.memory_kib();
    let mut connections = Vec::new();
    let mut each_kib = vec![];
    for request in requests {
        for number in 0..IDLE_CONNECTIONS {
            // Each is opened when its turn comes: more at once than the listener's queue holds would wait a second.
            if number == connections.len() {
                connections.push(Connection::open(server.address).map_err(|error| error.to_string())?);
            }
            connections[number].expect(request, &request.bytes).map_err(|error| error.to_string())?;
        }
        each_kib.push((server.memory_kib() - before_kib) / IDLE_CONNECTIONS as f64);
    }
    Ok(each_kib)
}

/// Opens so many connections with a 401 each, and returns how many stay open, and the server's memory in KiB for each
/// of those.
fn many(server: &Process, wanted: usize) -> Result<Vec<f64>, String> {
    let refused = wire::refused(server)?;
    let mut connections = Vec::new();
    for _ in 0..wanted {
        let Ok(mut connection) = Connection::open(server.address) else { break };
        // One that the server turns away is closed, and not counted below. One that gets no answer waits long, and
        // so would those after it.
        match connection.expect(&refused, &refused.bytes) {
            Ok(()) => connections.push(connection),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
            Err(_) => {}
        }
    }
    thread::sleep(REST);
    let open = connections.iter_mut().map(Connection::is_idle).filter(|is_idle| *is_idle).count();
    Ok(vec![open as f64, server.memory_kib() / open as f64])
}

/// Memory in MiB after some connections have sent a large body each, all at once, and still are open.
fn large_bodies(server: &Process, call: &Call) -> Result<Vec<f64>, String> {
    let request = call.with_padding(server, LARGE_BODY_BYTES)?;
    let mut load = Load::open(server, &request, LARGE_BODIES).map_err(|error| error.to_string())?;
    let until = Until { time: Duration::from_secs(60), requests_each: 1 };
    load.run(until).map_err(|error| error.to_string())?;
    thread::sleep(REST);
    Ok(vec![server.memory_kib() / 1024.0])
}

/// Memory in MiB after many people, who don't exist, have tried to sign in at once.
fn sign_ins(database: &Path) -> Result<Vec<f64>, String> {
    // Behind a proxy, so that the failures of one address aren't counted.
    let server = serve_behind_a_proxy(database);
    let page = "GET /account HTTP/1.1\r\nHost: journal.example\r\n\r\n";
    let page =
        String::from_utf8(wire::exchange(&server, page.as_bytes())?).map_err(|error| error.to_string())?;
    let between = |before: &str, after| {
        let part = page.split_once(before).and_then(|(_, rest)| Some(rest.split_once(after)?.0.to_owned()));
        part.ok_or_else(|| format!("a form is due, not {page}"))
    };
    let cookie = between("Set-Cookie: ", ";")?;
    let form = between("name=\"form\" value=\"", "\"")?;
    let form: String = form_urlencoded::byte_serialize(form.as_bytes()).collect();
    let sign_in = |number: usize| {
        let body = format!("form={form}&email=nobody-{number}%40example.com&password=a+wrong+password");
        let request = format!(
            "POST /sign-in HTTP/1.1\r\nHost: journal.example\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = wire::exchange(&server, request.as_bytes())?;
        let is_refused = answer.starts_with(b"HTTP/1.1 403 ");
        is_refused.then_some(()).ok_or_else(|| String::from_utf8_lossy(&answer).into_owned())
    };
    thread::scope(|scope| {
        let sign_in = &sign_in;
        let threads: Vec<_> = (0..SIGN_INS).map(|number| scope.spawn(move || sign_in(number))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no client panics"))
    })?;
    thread::sleep(REST);
    Ok(vec![server.memory_kib() / 1024.0])
}

/// Milliseconds from the start of a program, its database being there already, to its first whole answer.
fn first_answer(start: impl FnOnce() -> Process) -> Result<Vec<f64>, String> {
    let begin = Instant::now();
    let server = start();
    wire::refused(&server)?;
    Ok(vec![begin.elapsed().as_secs_f64() * 1e3])
}
