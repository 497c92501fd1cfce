//! A server in a process of its own: started, measured through `/proc`, and ended by its id. It knows nothing of
//! what the server does, only that its first line says where it listens.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Linux counts CPU time for user space in ticks of 10 ms, on every architecture that Rust runs on.
const TICK_US: f64 = 10_000.0;
/// How long a server may take to start: it may index a million entries first.
const START_MAX: Duration = Duration::from_secs(300);
/// How long a server may take to end in order; then it is killed.
const STOP_MAX: Duration = Duration::from_secs(60);

/// The processes that run, by their ids, for [`end_all_at_a_signal`].
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// A running server; dropping it ends the process.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
    /// Kept open, so that a server that prints more never meets a closed pipe.
    _output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts `command` and waits for its first line, `listening on http://ADDRESS`. Its log is thrown away.
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        running(|all| all.insert(child.id()));
        let mut output = BufReader::new(child.stdout.take().expect("it was piped"));
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = output.read_line(&mut line);
            // The other end is gone only if the wait was over.
            let _ = sender.send((read.map(|_| line), output));
        });
        let said = receiver.recv_timeout(START_MAX);
        let address = said.as_ref().ok().and_then(|(line, _)| {
            line.as_ref().ok()?.trim().strip_prefix("listening on http://")?.parse().ok()
        });
        let (Some(address), Ok((_, output))) = (address, said) else {
            end(&mut child);
            panic!("{command:?} should say where it listens");
        };
        Self { child, address, _output: output }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in KiB.
    pub fn memory_kib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the server lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux states it");
        line.trim().trim_end_matches(" kB").parse().expect("it is a number")
    }

    /// Ends the server in order, so that its database is one file again.
    pub fn stop(mut self) {
        signal(self.id(), "TERM");
        let start = Instant::now();
        while start.elapsed() < STOP_MAX && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // Both fail only if the process has ended by itself, which is as good.
    let _ = child.kill();
    let _ = child.wait();
    running(|all| all.remove(&child.id()));
}

fn running(change: impl FnOnce(&mut BTreeSet<u32>) -> bool) {
    change(&mut RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
}

/// Sends a signal to one process. The standard library can only kill.
pub fn signal(process_id: u32, name: &str) {
    // A process that has ended by itself needs none.
    let _ =
        Command::new("sh").args(["-c", &format!("kill -{name} {process_id}")]).stderr(Stdio::null()).status();
}

/// From here on a signal that ends the bench ends what it started too, and runs `clean_up`.
pub fn end_all_at_a_signal(clean_up: impl FnOnce() + Send + 'static) {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).expect("signals can be watched");
    thread::spawn(move || {
        if let Some(number) = signals.forever().next() {
            running(|all| {
                all.iter().for_each(|process_id| signal(*process_id, "KILL"));
                true
            });
            clean_up();
            std::process::exit(128 + number);
        }
    });
}

/// User and system time that a process has spent so far, in microseconds.
pub fn cpu_us(process_id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process_id}/stat")).expect("the process lives");
    // proc_pid_stat(5): the second field ends with the last parenthesis; utime and stime are fields 14 and 15.
    let fields = stat.rsplit_once(')').expect("a name in parentheses").1.split_ascii_whitespace();
    let ticks: f64 = fields.skip(11).take(2).map(|field| field.parse::<f64>().expect("it is a number")).sum();
    ticks * TICK_US
}
