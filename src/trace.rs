//! The log: lines on standard error, one for each exchange or what the wire view draws in its place, and notes.
//!
//! Knows no request: what it is given is safe to print, and `shown` makes it so. Invariant: nobody who serves waits for
//! whoever reads the log, and a flood of requests can't become a flood of lines.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::clock::Timestamp;
use crate::limits;
use crate::lock::locked;

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

/// Writes what `draw` makes of an exchange, within the rate; what is left out isn't even drawn.
pub fn print(now: Timestamp, draw: impl FnOnce() -> String) {
    if within_rate(now) {
        write(&draw());
    }
}

/// Says that the server stops. Standard error belongs to the log's thread as long as that runs: whoever else writes there
/// waits for somebody to read it.
pub fn stopping() {
    let text = "stopping; requests in flight may finish";
    match view() {
        Some(View::Json) => write(&noted(Timestamp::now(), text)),
        _ => write(&format!("epicme: {text}")),
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

/// What stands for whatever isn't shown.
pub const CUT: &str = "…";

/// What is shown of a value that a client sent: visible ASCII, all else escaped; it ends where it is too long, before
/// what looks like a token of ours, and in a word as long as secrets are.
pub fn shown(value: impl AsRef<[u8]>) -> String {
    let value = value.as_ref();
    let secret = value.windows(3).position(|window| window == b"em_");
    let ends = secret.unwrap_or(value.len()).min(limits::VALUE_SHOWN_BYTES_MAX);
    let (mut out, mut word) = (String::new(), 0);
    for octet in &value[..ends] {
        word = if octet.is_ascii_alphanumeric() || b"-_".contains(octet) { word + 1 } else { 0 };
        if word >= limits::WORD_SHOWN_BYTES_MAX {
            out.truncate(out.len() + 1 - word);
            return out + CUT;
        }
        match octet {
            b'\\' => out.push_str("\\\\"),
            b' '..=b'~' => out.push(char::from(*octet)),
            _ => out.push_str(&format!("\\x{octet:02x}")),
        }
    }
    if ends < value.len() { out + CUT } else { out }
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
                UNWRITTEN.fetch_sub(line.len(), Ordering::SeqCst);
            }
        };
        let _ = thread::Builder::new().name("log".into()).spawn(write_all);
        lines
    });
    // Octets are counted, not lines: a view of a hostile request is long.
    if UNWRITTEN.fetch_add(line.len() + 1, Ordering::SeqCst) > limits::LOG_BYTES_WAITING_MAX {
        UNWRITTEN.fetch_sub(line.len() + 1, Ordering::SeqCst);
        return;
    }
    if lines.try_send(format!("{line}\n")).is_err() {
        UNWRITTEN.fetch_sub(line.len() + 1, Ordering::SeqCst);
    }
}

/// Octets of lines that wait to be written.
static UNWRITTEN: AtomicUsize = AtomicUsize::new(0);

/// Waits for the lines that are on their way, a second at most.
pub fn finish() {
    let start = Instant::now();
    while UNWRITTEN.load(Ordering::SeqCst) > 0 && start.elapsed() < Duration::from_secs(1) {
        thread::sleep(Duration::from_millis(5));
    }
}
