//! `make bench`: what epicme reaches, beside what this machine allows and what its peers reach, as one table of
//! ratios from one run. Nothing is asserted about time; a wrong answer is a failure. It knows epicme as a program and
//! by the bytes on its socket, and fills large databases by SQL.
//!
//! `EPICME` and `PEERS` name the programs. `BENCH_QUICK=1` measures every row, but shortly; `BENCH_WRITE=1` writes the
//! table and a chart into `docs/`.

#![allow(
    unreachable_pub,
    reason = "no other crate uses a benchmark: pub says what a module offers to the others"
)]

mod chart;
mod databases;
mod figures;
mod load;
mod people;
mod process;
mod reference;
mod rows;
mod statements;
mod system_calls;
mod table;
mod wire;

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use process::Process;
use rows::{Plan, Run};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        [] => report(),
        ["limit", ref arguments @ ..] => {
            reference::serve(arguments);
            ExitCode::SUCCESS
        }
        _ => panic!("the bench takes no arguments"),
    }
}

fn is_set(name: &str) -> bool {
    env::var(name).is_ok_and(|value| !["", "0", "no"].contains(&value.as_str()))
}

/// The whole run. Fails if a server gave a wrong answer, but shows what was measured.
fn report() -> ExitCode {
    let scratch = Scratch::new();
    let folder = scratch.0.clone();
    process::end_all_at_a_signal(move || _ = fs::remove_dir_all(folder));
    // The servers inherit the limit; that of the peers isn't theirs to raise.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let plan = if is_set("BENCH_QUICK") {
        Plan { rounds: 2, turn: Duration::from_millis(100), starts: 3, memories: 1 }
    } else {
        Plan { rounds: 9, turn: Duration::from_millis(400), starts: 15, memories: 3 }
    };
    let start = Instant::now();
    let run = Run::new(&scratch, plan);
    let rows = run.rows();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut table = format!("{}\n\n{}", machine(&plan, cores), table::markdown(&rows));
    let people = people::carried(&rows, cores);
    println!("{table}");
    println!("{}", people.as_deref().unwrap_or("The table lacks a figure that the number of people needs."));
    let failures = run.failures();
    for failure in &failures {
        eprintln!("FAILED {failure}");
    }
    if is_set("BENCH_WRITE") {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let path = docs.join("performance.md");
        if !failures.is_empty() {
            table += "\nWhere a server fails, it gave a wrong answer or none in time.\n";
        }
        let document = fs::read_to_string(&path).expect("docs/performance.md");
        let document = table::put(&document, "table", &table).expect("the markers of the table");
        let people = people.unwrap_or_else(|| "A figure is missing.".to_owned());
        let document = table::put(&document, "people", &people).expect("the markers of the people");
        fs::write(path, document).expect("docs/ can be written");
        fs::write(docs.join("performance.svg"), chart::svg(&rows)).expect("docs/ can be written");
    }
    eprintln!("{:.0} s in all", start.elapsed().as_secs_f64());
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was measured where, in a sentence without a name of the machine.
fn machine(plan: &Plan, cores: usize) -> String {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    format!(
        "One run on {cores} cores of {model}, {} Linux; the load and the servers share them. Medians of {} rounds of \
         {} ms for each server, in turns; beside a ratio the middle half of its rounds.",
        env::consts::ARCH,
        plan.rounds,
        plan.turn.as_millis()
    )
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

fn serve_watched(database: &Path) -> Process {
    Process::start(&mut epicme(&["serve", "--listen", "127.0.0.1:0", "--watch"], database))
}

fn serve_behind_a_proxy(database: &Path) -> Process {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--public-url", "https://journal.example"];
    Process::start(&mut epicme(&arguments, database))
}

/// A limit, which is this program; see [`reference::serve`].
fn limit(kind: &str, file: &Path) -> Process {
    Process::start(Command::new(env::current_exe().expect("Linux knows it")).args(["limit", kind]).arg(file))
}

/// A peer, if they were built.
fn peer(arguments: &[&str]) -> Option<Process> {
    Some(Process::start(Command::new(env::var_os("PEERS")?).args(arguments)))
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
        // A run that was killed has left more than a gigabyte.
        for entry in fs::read_dir(&place).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("bench-")?.parse::<u32>().ok());
            if number.is_some_and(|number| !Path::new(&format!("/proc/{number}")).exists()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
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
