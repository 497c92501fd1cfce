//! System calls of a server, counted by strace. It knows how to attach to a process and to read the summary.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::{self, Process};

/// Runs `work` while strace counts, and returns the number of calls; `None` if strace isn't there or may not attach.
pub fn count<T>(server: &Process, summary: &Path, work: impl FnOnce() -> T) -> Option<(f64, T)> {
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-p", &server.id().to_string(), "-o"]).arg(summary);
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut strace = spawned.ok()?;
    let mut said = BufReader::new(strace.stderr.take().expect("it was piped"));
    let mut line = String::new();
    // `strace: Process 1 attached with 5 threads`, or why it can't.
    let attached = said.read_line(&mut line).is_ok() && line.contains("attached");
    let outcome = attached.then(work);
    process::signal(strace.id(), "INT");
    // What it says of each thread is of no use, but a full pipe would stop it.
    let _ = said.read_to_end(&mut Vec::new());
    let _ = strace.wait();
    let text = fs::read_to_string(summary).unwrap_or_default();
    Some((total(&text)?, outcome?))
}

/// The calls of the line `100.00 0.012345 3 4321 12 total`, whose fifth column is empty without an error.
fn total(summary: &str) -> Option<f64> {
    let line = summary.lines().find(|line| line.ends_with(" total"))?;
    line.split_ascii_whitespace().nth(3)?.parse().ok()
}
