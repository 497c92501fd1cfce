//! The log: one line on standard error for each exchange, with the rule that decided it, or the wire view in its place.
//!
//! Knows no bodies, no header values and no query: what it is given is safe to print. Invariant: no secret
//! reaches it, and a flood of requests can't become a flood of lines.

use std::io::Write;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::clock::Timestamp;
use crate::gate::Rule;
use crate::limits;
use crate::lock::locked;

/// What happened in one exchange, as far as the log tells it.
#[derive(Default)]
pub struct Exchange {
    /// The name of the rule that admitted or refused the request.
    pub rule: Option<&'static str>,
    /// What the operator can do about it, in plain words.
    pub remedy: Option<&'static str>,
    /// The MCP method and tool, once they are known to be ours.
    pub operation: Option<&'static str>,
    /// What else the wire view shows; `None` while nobody watches.
    pub watched: Option<Watched>,
}

/// What is remembered of an exchange for the wire view alone.
#[derive(Default)]
pub struct Watched {
    /// Every rule that the gate asked, in order, and whether it held.
    pub steps: Vec<(Rule, bool)>,
    /// Why an OAuth endpoint refused.
    pub refused: Option<Refused>,
}

/// An OAuth refusal in the words of its RFC.
pub struct Refused {
    /// The error code.
    pub error: &'static str,
    /// The clause behind it.
    pub clause: &'static str,
    /// What is wrong.
    pub message: String,
}

impl Exchange {
    /// An exchange that has just begun.
    pub fn begin() -> Exchange {
        Exchange { watched: view().map(|_| Watched::default()), ..Exchange::default() }
    }

    /// Remembers that a rule was asked, and whether it held.
    pub fn asked(&mut self, rule: Rule, held: bool) {
        if let Some(watched) = &mut self.watched {
            watched.asked(rule, held);
        }
    }

    /// Remembers why an OAuth endpoint refused.
    pub fn refused(&mut self, why: impl FnOnce() -> Refused) {
        if let Some(watched) = &mut self.watched {
            watched.refused = Some(why());
        }
    }
}

impl Watched {
    #[cold] // out of the way of those whom nobody watches
    fn asked(&mut self, rule: Rule, held: bool) {
        self.steps.push((rule, held));
    }
}

/// The form of the wire view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// Lines for people.
    Text,
    /// One JSON object on each line.
    Json,
}

static VIEW: OnceLock<View> = OnceLock::new();

/// From now on each exchange is shown in this form instead of as a line. Set once, before the first request.
pub fn watch(view: View) {
    let _ = VIEW.set(view);
}

/// The form of the wire view, if anybody watches.
pub fn view() -> Option<View> {
    VIEW.get().copied()
}

/// Writes the line of one exchange.
pub fn exchange(now: Timestamp, peer: IpAddr, method: &str, path: &str, status: u16, exchange: &Exchange) {
    if !within_rate(now) {
        return;
    }
    let mut line = format!("{} {peer} {method:.16} {} {status}", now.iso8601(), printable(path));
    for (key, value) in [("op", exchange.operation), ("rule", exchange.rule)] {
        if let Some(value) = value {
            line.push_str(&format!(" {key}={value}"));
        }
    }
    if let Some(remedy) = exchange.remedy {
        line.push_str(&format!(" ({remedy})"));
    }
    write(&line);
}

/// Writes an exchange as the wire view shows it, within the same rate as the lines.
pub fn print(now: Timestamp, shown: &str) {
    if within_rate(now) {
        write(shown);
    }
}

/// Writes a line about the server itself, within the same rate.
pub fn note(text: &str) {
    let now = Timestamp::now();
    if within_rate(now) {
        write(&noted(now, text));
    }
}

fn noted(now: Timestamp, text: &str) -> String {
    match view() {
        Some(View::Json) => json!({ "at": now.iso8601(), "note": text }).to_string(),
        _ => format!("{} {text}", now.iso8601()),
    }
}

/// A path as far as the log shows it: cut short, and before anything that looks like a token.
fn printable(path: &str) -> &str {
    let end = path.find("em_").unwrap_or(path.len());
    path.get(..end.min(100)).unwrap_or("")
}

/// Counts a line against its second; tells how many were left out when the next second begins.
fn within_rate(now: Timestamp) -> bool {
    static SECOND: Mutex<(i64, u64)> = Mutex::new((0, 0));
    let (lines, left_out) = {
        let mut second = locked(&SECOND);
        // A slow request's line carries the second in which it began, which may be over.
        // A clock that was set back by more than that begins anew, or the log would be silent until it catches up.
        let is_next = now.0 > second.0 || now.0 < second.0 - 60;
        let left_out = if is_next { second.1.saturating_sub(limits::LOG_LINES_PER_SECOND_MAX) } else { 0 };
        *second = if is_next { (now.0, 1) } else { (second.0, second.1 + 1) };
        (second.1, left_out)
    };
    if left_out > 0 {
        write(&noted(now, &format!("{left_out} lines left out in the last busy second")));
    }
    lines <= limits::LOG_LINES_PER_SECOND_MAX
}

/// Hands a line to the log's thread. A log that nobody reads, or that can't be written, is no reason to stop serving:
/// where the lines pile up they are dropped.
fn write(line: &str) {
    static LINES: OnceLock<SyncSender<String>> = OnceLock::new();
    let lines = LINES.get_or_init(|| {
        let (lines, waiting) = mpsc::sync_channel::<String>(limits::LOG_LINES_WAITING_MAX);
        let write_all = move || {
            for line in waiting {
                // One write for a whole line, so that it isn't mixed with what else goes there.
                let _ = std::io::stderr().write_all(line.as_bytes());
                UNWRITTEN.fetch_sub(1, Ordering::SeqCst);
            }
        };
        let _ = thread::Builder::new().name("log".into()).spawn(write_all);
        lines
    });
    UNWRITTEN.fetch_add(1, Ordering::SeqCst);
    if lines.try_send(format!("{line}\n")).is_err() {
        UNWRITTEN.fetch_sub(1, Ordering::SeqCst);
    }
}

static UNWRITTEN: AtomicUsize = AtomicUsize::new(0);

/// Waits for the lines that are on their way, a second at most.
pub fn finish() {
    let start = Instant::now();
    while UNWRITTEN.load(Ordering::SeqCst) > 0 && start.elapsed() < Duration::from_secs(1) {
        thread::sleep(Duration::from_millis(5));
    }
}
