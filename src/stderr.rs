//! Writes lines to standard error, from one thread: the line of each request, which `log/` makes, and notes about the
//! server itself.
//!
//! Knows no request. Its callers pass text that is safe to print; [`shown`] makes a client's text safe. Invariants:
//! no thread that serves a client waits until standard error takes a line; of the lines about requests at most
//! [`limits::LOG_LINES_PER_SECOND_MAX`] are written in one second, and of the notes
//! [`limits::NOTES_PER_SECOND_MAX`]. Each kind has a bound of its own, because some notes come only once: a flood of
//! requests must not push them out.
//!
//! The queue is a `static` and not a part of `App`, because a process has one standard error, and because modules
//! without a context, such as the accept loop, write notes too. A larger server would use the `tracing` crate, with
//! levels, targets and spans; one line for each request needs none of them.

use std::io::Write;
use std::iter;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::clock::Timestamp;
use crate::limits;
use crate::lock::locked;
use crate::request_id::RequestId;

/// How requests and notes are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// Lines for people.
    Text,
    /// One JSON object on each line.
    Json,
}

/// Which requests are written. Notes are always written: each says what an operator should know or do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Level {
    /// Those that this server failed to answer: a status of 500 and above.
    Error,
    /// Those that were refused too: 400 and above.
    Warn,
    /// All.
    Info,
}

impl Level {
    /// Returns whether a request that was answered with this status is written.
    pub(crate) fn has(self, status: u16) -> bool {
        match self {
            Level::Error => status >= 500,
            Level::Warn => status >= 400,
            Level::Info => true,
        }
    }
}

/// What the operator has chosen for the whole process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Style {
    pub(crate) form: Form,
    pub(crate) level: Level,
    /// Whether each request is shown check by check, in the wire view.
    pub(crate) explains: bool,
}

static STYLE: OnceLock<Style> = OnceLock::new();

/// Sets the style. Called once, before the first request; a second call would change nothing.
///
/// As JSON, also what Rust itself would write of a panic gets this form. It is written at once, since the program may
/// end by it.
pub(crate) fn set_style(style: Style) {
    let _ = STYLE.set(style);
    if style.form == Form::Json {
        panic::set_hook(Box::new(|panic| {
            let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
            let why = panic.payload_as_str().unwrap_or("for an unknown reason");
            tell(&format!("a thread of this program panicked{place}: {why}"));
        }));
    }
}

/// The style; one line of text for each request until it is set, and in commands.
pub(crate) fn style() -> Style {
    STYLE.get().copied().unwrap_or(Style { form: Form::Text, level: Level::Info, explains: false })
}

/// Calls `draw` and writes its text, unless the second has had its lines already. Then `draw` isn't called: under a
/// flood of requests, making lines would be much of the work.
pub(crate) fn print(now: Timestamp, draw: impl FnOnce() -> String) {
    static REQUESTS: Rate = Rate::of(limits::LOG_LINES_PER_SECOND_MAX);
    if REQUESTS.has_room(now, "lines") {
        write(draw());
    }
}

/// Writes that the server stops. The log's thread writes this line too: a direct write to standard error would block
/// while nothing reads standard error, and the server would not stop. The line is not subject to the limit for a
/// second, which a flood of notes could have used up.
pub(crate) fn note_stopping() {
    write(of_program("stopping; requests in flight may finish"));
}

/// Writes what the program itself says, at once and not by the log's thread: what a command tells, and why the program
/// ends.
pub(crate) fn tell(text: &str) {
    // One write, so that lines of other programs aren't mixed into it.
    let _ = std::io::stderr().write_all((of_program(text) + "\n").as_bytes());
}

/// Writes a line about the server itself. It has a limit too, because each request may note the same failing disk.
/// The time is read from the clock here, because some callers have no request and so no `now`.
pub(crate) fn note(text: &str) {
    static NOTES: Rate = Rate::of(limits::NOTES_PER_SECOND_MAX);
    let now = Timestamp::now();
    if NOTES.has_room(now, "notes") {
        write(noted(now, text));
    }
}

/// Makes the line of what the program says: as of any other command, or as a note where lines are JSON.
fn of_program(text: &str) -> String {
    match style().form {
        Form::Json => noted(Timestamp::now(), text),
        Form::Text => format!("epicme: {text}"),
    }
}

/// Makes the line of a note: the time, the text, and the id of the request if the thread answers one.
fn noted(now: Timestamp, text: &str) -> String {
    let (at, id) = (now.iso8601(), RequestId::of_this_thread().map(|id| id.to_string()));
    match (style().form, id) {
        (Form::Json, id) => json!({ "at": at, "note": text, "id": id }).to_string(),
        (Form::Text, Some(id)) => format!("{at} {text} id={id}"),
        (Form::Text, None) => format!("{at} {text}"),
    }
}

/// Written in place of text that is left out.
pub(crate) const CUT: &str = "…";

/// Returns a client's value as it may be printed: visible ASCII, and each other byte escaped. The value is cut if it
/// is too long, before a token of this server, and before a word that is as long as secrets are: a client may send a
/// secret in the wrong place, and that must not reach the log.
///
/// Escaping prevents two attacks. With a line end in a value, a client could write lines of its own into the log;
/// with an escape sequence, it could move the cursor, hide lines or set the title of the terminal that shows the log.
/// The backslash is escaped as well, so that a reader can tell an escaped byte from the same characters in the value.
pub(crate) fn shown(value: impl AsRef<[u8]>) -> String {
    let value = value.as_ref();
    let secret = value.windows(3).position(|window| window == b"em_");
    let ends = secret.unwrap_or(value.len()).min(limits::VALUE_SHOWN_BYTES_MAX);
    let (mut out, mut word) = (String::with_capacity(ends), 0);
    for byte in &value[..ends] {
        // The characters of base64url, of which tokens, codes and cookies consist. Any other character ends a word,
        // so that a path or a list of media types is mostly shown whole.
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

/// How many lines of one kind a second may have.
struct Rate {
    max: u64,
    /// A second, and how many lines it has had.
    second: Mutex<(i64, u64)>,
}

impl Rate {
    const fn of(max: u64) -> Rate {
        Rate { max, second: Mutex::new((0, 0)) }
    }

    /// Counts a line, and returns whether its second may have one more. The first line of a later second also writes
    /// how many were left out before, by the name of their kind. The lock isn't held while that is written.
    fn has_room(&self, now: Timestamp, kind: &str) -> bool {
        let (has_room, left_out) = self.count(now);
        if left_out > 0 {
            write(noted(now, &format!("{left_out} {kind} left out in the last busy second")));
        }
        has_room
    }

    /// Counts a line. Returns whether there is room for it, and how many were left out in the second that it ends.
    fn count(&self, now: Timestamp) -> (bool, u64) {
        let mut second = locked(&self.second);
        // The line of a slow request carries the second in which the request began, which may be long over, so an
        // earlier second counts as the present one. A clock that was set back by more than a minute starts a new
        // second: otherwise the log would be silent until the clock has caught up.
        let is_next = now.0 > second.0 || now.0 < second.0 - 60;
        let left_out = if is_next { second.1.saturating_sub(self.max) } else { 0 };
        *second = if is_next { (now.0, 1) } else { (second.0, second.1 + 1) };
        (second.1 <= self.max, left_out)
    }
}

/// Hands a line to the log's thread. If standard error takes no more, because of a stopped reader (`epicme serve 2>&1
/// | less`) say, the server must go on serving: up to a limit lines wait, and further ones are dropped.
fn write(mut line: String) {
    static LINES: OnceLock<SyncSender<String>> = OnceLock::new();
    let lines = LINES.get_or_init(|| {
        let (lines, waiting) = mpsc::sync_channel::<String>(limits::LOG_LINES_WAITING_MAX);
        let write_all = move || {
            while let Ok(first) = waiting.recv() {
                // One write for whole lines, so that lines of other programs on the same terminal aren't mixed into
                // them. A failure can't be reported: standard error would be the place.
                let lines: String = iter::once(first).chain(waiting.try_iter()).collect();
                let _ = std::io::stderr().write_all(lines.as_bytes());
                UNWRITTEN.fetch_sub(lines.len(), Ordering::SeqCst);
                // While this thread waits for a line, the next one costs the thread that sends it a system call. Lines
                // that come during the pause cost none, and are written together.
                thread::sleep(limits::LOG_PAUSE);
            }
        };
        // If the thread can't be started, its receiver is dropped: then each line is dropped below, and the server
        // works without a log.
        let _ = thread::Builder::new().name("log".into()).spawn(write_all);
        lines
    });
    line.push('\n');
    // Bytes are counted as well as lines, because the wire view of a hostile request is long. The line's bytes are
    // added first and subtracted if they don't fit, so that two threads at once can't both take the last free place.
    let bytes = line.len();
    let fits = UNWRITTEN.fetch_add(bytes, Ordering::SeqCst) <= limits::LOG_BYTES_WAITING_MAX;
    if !fits || lines.try_send(line).is_err() {
        UNWRITTEN.fetch_sub(bytes, Ordering::SeqCst);
    }
}

/// How many bytes wait to be written.
static UNWRITTEN: AtomicUsize = AtomicUsize::new(0);

/// Waits until all lines are written, for a second at most: the process ends next, and the log's thread with it. The
/// loop polls, because a signal from the log's thread would need a lock for each line.
pub(crate) fn finish() {
    let start = Instant::now();
    while UNWRITTEN.load(Ordering::SeqCst) > 0 && start.elapsed() < Duration::from_secs(1) {
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;

    use serde_json::Value;

    use super::*;

    #[test]
    fn bounds_the_lines_of_a_second_and_says_how_many_were_left_out() {
        let rate = Rate::of(2);
        let counts = [7, 7, 7, 6, 8, 8, 70, 9].map(|second| rate.count(Timestamp(second)));
        let room = (true, 0);
        // The fourth is of a slow request; the last comes after the clock was set back.
        assert_eq!(counts, [room, room, (false, 0), (false, 0), (true, 2), room, room, room]);
    }

    /// In a process of its own, since the style and the hook are those of a process.
    #[test]
    fn writes_a_panic_as_an_object_where_lines_are_json() {
        if env::var_os("EPICME_TEST_PANIC").is_some() {
            set_style(Style { form: Form::Json, level: Level::Info, explains: false });
            panic!("this is\n\"wrong\"");
        }
        let mut own = Command::new(env::current_exe().expect("the program of the tests"));
        own.args([
            "--exact",
            "stderr::tests::writes_a_panic_as_an_object_where_lines_are_json",
            "--nocapture",
        ]);
        let output = own.env("EPICME_TEST_PANIC", "1").output().expect("it runs");
        let text = String::from_utf8(output.stderr).expect("UTF-8");
        let notes: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let [note] = &notes[..] else { panic!("one note: {text}") };
        let words = note["note"].as_str().expect("a note");
        assert!(
            words.contains("panicked at src/stderr.rs:") && words.ends_with(": this is\n\"wrong\""),
            "{words}"
        );
        assert!(note["at"].is_string(), "{note}");
    }
}
