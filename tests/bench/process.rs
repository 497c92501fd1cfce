//! A server in a process of its own: started, measured through `/proc`, and ended by its id. It knows nothing of
//! what the server does, only that its first line says where it listens.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Linux counts CPU time for user space in ticks of 10 ms, on every architecture that Rust runs on.
const TICK_US: f64 = 10_000.0;

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
        let mut output = BufReader::new(child.stdout.take().expect("it was piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("the server's first line is text");
        let address = line.trim().strip_prefix("listening on http://").and_then(|text| text.parse().ok());
        let Some(address) = address else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{command:?} should say where it listens, but said: {line:?}");
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
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if the process has ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time that a process has spent so far, in microseconds.
pub fn cpu_us(process_id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process_id}/stat")).expect("the process lives");
    // proc_pid_stat(5): the second field ends with the last parenthesis; utime and stime are fields 14 and 15.
    let fields = stat.rsplit_once(')').expect("a name in parentheses").1.split_ascii_whitespace();
    let ticks: f64 = fields.skip(11).take(2).map(|field| field.parse::<f64>().expect("it is a number")).sum();
    ticks * TICK_US
}
