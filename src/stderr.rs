//! Lines on standard error, written by one thread: what `log/` draws of each request, and notes about the server
//! itself.
//!
//! Knows no request: what it is given is safe to print, and [`shown`] makes it so. Invariants: no thread that serves
//! a client ever waits for the reader of the log, and a flood of requests can't become a flood of lines.
//!
//! The place is a `static` and no part of `App`, because a process has one standard error: rooms without a context,
//! the server's accept loop among them, note things too. A larger server would use the `tracing` crate and write
//! levels, targets and spans; one line for each request needs none of it.

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

/// How the wire view is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum View {
    /// Lines for people.
    Text,
    /// One JSON object on each line.
    Json,
}

static VIEW: OnceLock<View> = OnceLock::new();

/// Turns the wire view on. Called once, before the first request; a second call would change nothing.
pub(crate) fn show_wire_view(view: View) {
    let _ = VIEW.set(view);
}

/// How the wire view is written; `None` while it is off.
pub(crate) fn view() -> Option<View> {
    VIEW.get().copied()
}

/// Writes what `draw` makes of a request, within the rate. A line past the rate is not even drawn: under a flood of
/// requests, drawing would be most of the work.
pub(crate) fn print(now: Timestamp, draw: impl FnOnce() -> String) {
    if within_rate(now) {
        write(&draw());
    }
}

/// Says that the server stops. The line goes through the log's thread like every other: a direct write to standard
/// error would block while nothing reads it, and the server would not stop. The rate doesn't count, or a flood could
/// hide it.
pub(crate) fn note_stopping() {
    let text = "stopping; requests in flight may finish";
    match view() {
        Some(View::Json) => write(&noted(Timestamp::now(), text)),
        _ => write(&format!("epicme: {text}")),
    }
}

/// Writes a line about the server itself, within the same rate: a failing disk is noted by every request. Its time is
/// the wall clock's, because most of its callers have no request whose time it could be.
pub(crate) fn note(text: &str) {
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

/// Stands in the place of text that is left out.
pub(crate) const CUT: &str = "…";

/// A value that a client sent, as it may be printed: visible ASCII, every other byte escaped. It is cut where it is
/// too long, before anything that looks like a token of this server, and inside a word that is as long as secrets
/// are: a secret that was sent in the wrong place must not reach the log.
///
/// Escaping is against two attacks. A line end in a value would let a client write lines of its own into the log; and
/// an escape sequence would let it move the cursor, hide lines or set the title of the terminal that shows the log.
/// The backslash is escaped as well, so that what is printed can be read back in one way only.
pub(crate) fn shown(value: impl AsRef<[u8]>) -> String {
    let value = value.as_ref();
    let secret = value.windows(3).position(|window| window == b"em_");
    let ends = secret.unwrap_or(value.len()).min(limits::VALUE_SHOWN_BYTES_MAX);
    let (mut out, mut word) = (String::new(), 0);
    for byte in &value[..ends] {
        // The characters of base64url, of which tokens, codes and cookies consist. Any other one ends a word, so that
        // a path or a list of media types is shown whole.
        word = if byte.is_ascii_alphanumeric() || b"-_".contains(byte) { word + 1 } else { 0 };
        if word >= limits::WORD_SHOWN_BYTES_MAX {
            out.truncate(out.len() + 1 - word);
            return out + CUT;
        }
        match byte {
            b'\\' => out.push_str("\\\\"),
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    if ends < value.len() { out + CUT } else { out }
}

/// Counts a line against its second, and writes how many were left out when the next second begins. The lock is held
/// for the count alone: writing the number takes the log's own way.
fn within_rate(now: Timestamp) -> bool {
    static SECOND: Mutex<(i64, u64)> = Mutex::new((0, 0));
    let (lines, left_out) = {
        let mut second = locked(&SECOND);
        // The line of a slow request carries the second in which the request began, which may be long over, so an
        // earlier second counts as the present one. A clock that was set back by more than a minute starts a new
        // second: otherwise the log would be silent until the clock has caught up.
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

/// Hands a line to the log's thread. A full disk or a stopped reader (`epicme serve 2>&1 | less`) is no reason to
/// stop serving, so lines that pile up are dropped.
fn write(line: &str) {
    static LINES: OnceLock<SyncSender<String>> = OnceLock::new();
    let lines = LINES.get_or_init(|| {
        let (lines, waiting) = mpsc::sync_channel::<String>(limits::LOG_LINES_WAITING_MAX);
        let write_all = move || {
            for line in waiting {
                // One write for a whole line, so that the lines of other programs don't get into it. There is no
                // place where a failure could be reported.
                let _ = std::io::stderr().write_all(line.as_bytes());
                UNWRITTEN.fetch_sub(line.len(), Ordering::SeqCst);
            }
        };
        // Without a thread the receiver is gone, each line is dropped below, and the server serves on without a log.
        let _ = thread::Builder::new().name("log".into()).spawn(write_all);
        lines
    });
    // Bytes are counted as well as lines, because the wire view of a hostile request is long. Added first and taken
    // back, so that two threads at once can't both find the last free place.
    if UNWRITTEN.fetch_add(line.len() + 1, Ordering::SeqCst) > limits::LOG_BYTES_WAITING_MAX {
        UNWRITTEN.fetch_sub(line.len() + 1, Ordering::SeqCst);
        return;
    }
    if lines.try_send(format!("{line}\n")).is_err() {
        UNWRITTEN.fetch_sub(line.len() + 1, Ordering::SeqCst);
    }
}

/// Bytes of lines that wait to be written.
static UNWRITTEN: AtomicUsize = AtomicUsize::new(0);

/// Waits for the lines that are still to be written, for a second at most: the process ends next, and the log's
/// thread with it. It looks again and again, since a lock for this one moment would be a cost of every line.
pub(crate) fn finish() {
    let start = Instant::now();
    while UNWRITTEN.load(Ordering::SeqCst) > 0 && start.elapsed() < Duration::from_secs(1) {
        thread::sleep(Duration::from_millis(5));
    }
}
