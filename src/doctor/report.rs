//! What the doctor found, as lines for a terminal.
//!
//! Knows no HTTP. Invariant: another server's octets are printed escaped and cut, and no line is longer than
//! [`limits::TERMINAL_LINE_CHARS_MAX`].

use std::fmt::{self, Display, Formatter};

use crate::limits;

/// The steps, in the order in which a client takes them.
pub const STEPS: [&str; 9] = [
    "The URL",
    "A connection",
    "Knock without a token",
    "The challenge of the 401",
    "Protected resource metadata: who guards this?",
    "Authorization server metadata: where are tokens made?",
    "The authorization endpoint",
    "Clients in a browser (a failure here stops no other client, so it is a warning)",
    "Knock with a wrong token",
];

/// A space at which no line is broken. Other servers' octets can't hold it: they are escaped.
const NO_BREAK: &str = "\u{a0}";

/// How the walk ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nothing stops a client.
    Could,
    /// The first thing that stops one.
    Cannot(String),
    /// There is no gate.
    Open,
    /// Nothing that was seen stops a client, but this couldn't be seen from here.
    Unknown(String),
}

impl Verdict {
    /// The verdict as the last line says it.
    pub fn text(&self) -> String {
        match self {
            Verdict::Could => "A client could connect.".to_owned(),
            Verdict::Cannot(failure) => format!("A client can't connect: {failure}"),
            Verdict::Open => {
                "Anybody gets in without a token: there is no gate to connect through.".to_owned()
            }
            Verdict::Unknown(what) => format!("It isn't known whether a client could connect: {what}"),
        }
    }
}

/// Prints what is found, and keeps the verdict.
pub struct Report<'o> {
    out: &'o mut dyn FnMut(&str),
    verdict: Verdict,
}

impl<'o> Report<'o> {
    /// A report whose lines go to `out`.
    pub fn new(out: &'o mut dyn FnMut(&str)) -> Report<'o> {
        Report { out, verdict: Verdict::Could }
    }

    /// Prints a line that belongs to no step.
    #[inline(never)]
    pub fn say(&mut self, text: &str) {
        self.print(0, "", text);
    }

    /// Begins the step of this number, which counts from one.
    #[inline(never)]
    pub fn step(&mut self, number: usize) {
        self.say(&format!("{number} {}", STEPS[number - 1]));
    }

    /// Something is as it should be.
    #[inline(never)]
    pub fn ok(&mut self, text: &dyn Display, clause: &str) {
        self.judged("  ok    ", text, clause);
    }

    /// Something stops some clients, or none, and should still be mended.
    #[inline(never)]
    pub fn warn(&mut self, text: &dyn Display, clause: &str, remedy: &dyn Display) {
        self.judged("  warn  ", text, clause);
        self.print(16, "        remedy: ", &remedy.to_string());
    }

    /// Something stops a client.
    #[inline(never)]
    pub fn fail(&mut self, text: &dyn Display, clause: &str, remedy: &dyn Display) {
        self.judged("  FAIL  ", text, clause);
        self.print(16, "        remedy: ", &remedy.to_string());
        if matches!(self.verdict, Verdict::Could | Verdict::Unknown(_)) {
            self.verdict = Verdict::Cannot(text.to_string());
        }
    }

    /// Something wasn't looked at.
    #[inline(never)]
    pub fn skip(&mut self, why: &str) {
        self.print(8, "  skip  ", why);
    }

    /// What wasn't looked at decides, and `what` says it.
    pub fn skip_undecided(&mut self, what: &dyn Display, remedy: &dyn Display) {
        self.skip(&what.to_string());
        self.print(16, "        remedy: ", &remedy.to_string());
        if self.verdict == Verdict::Could {
            self.verdict = Verdict::Unknown(what.to_string());
        }
    }

    /// There is no gate, which is a verdict of its own.
    pub fn fail_open(&mut self, text: &dyn Display, clause: &str, remedy: &dyn Display) {
        self.fail(text, clause, remedy);
        self.verdict = Verdict::Open;
    }

    /// Prints the verdict and gives it.
    pub fn end(mut self) -> Verdict {
        self.say(&self.verdict.text());
        self.verdict
    }

    fn judged(&mut self, mark: &str, text: &dyn Display, clause: &str) {
        // A clause is searched for, so it stays on one line.
        let clause = clause.replace(' ', NO_BREAK);
        self.print(8, mark, &format!("{text} [{clause}]"));
    }

    fn print(&mut self, indent: usize, first: &str, text: &str) {
        for line in wrapped(indent, first, text) {
            (self.out)(&line.replace(NO_BREAK, " "));
        }
    }
}

/// Words in lines; the first begins with `first`, the others with `indent` spaces. A word that is longer than a line is
/// broken where it must be.
fn wrapped(indent: usize, first: &str, text: &str) -> Vec<String> {
    let (mut lines, mut line, mut left) =
        (Vec::new(), first.to_owned(), limits::TERMINAL_LINE_CHARS_MAX - first.len());
    let whole = limits::TERMINAL_LINE_CHARS_MAX - indent;
    for (place, word) in text.split(' ').enumerate() {
        let space = usize::from(place > 0);
        if space + word.chars().count() > left && left < whole {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            left = whole;
        } else if place > 0 {
            line.push(' ');
            left = left.saturating_sub(1);
        }
        for letter in word.chars() {
            if left == 0 {
                lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
                left = whole;
            }
            line.push(letter);
            left -= 1;
        }
    }
    lines.push(line);
    lines
}

/// Another server's octets as they are printed: in quotes, visible ASCII, cut.
pub fn shown<T: AsRef<[u8]>>(octets: T) -> Shown<T> {
    Shown(octets)
}

/// See [`shown`].
pub struct Shown<T>(T);

impl<T: AsRef<[u8]>> Display for Shown<T> {
    fn fmt(&self, out: &mut Formatter) -> fmt::Result {
        write_shown(self.0.as_ref(), out)
    }
}

#[inline(never)]
fn write_shown(octets: &[u8], out: &mut Formatter) -> fmt::Result {
    // Cut before it is escaped as well, so that a large text isn't copied for nothing.
    let escaped = octets[..octets.len().min(limits::DOCTOR_SHOWN_CHARS_MAX + 1)].escape_ascii().to_string();
    match escaped.get(..limits::DOCTOR_SHOWN_CHARS_MAX) {
        Some(cut) if escaped.len() > limits::DOCTOR_SHOWN_CHARS_MAX => write!(out, "\"{cut}...\""),
        _ => write!(out, "\"{escaped}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_lines_at_spaces_and_within_the_width() {
        let text = "word ".repeat(60);
        let lines = wrapped(8, "  ok    ", text.trim_end());
        assert!(lines.len() > 2 && lines[0].starts_with("  ok    word"), "{lines:?}");
        assert!(lines[1..].iter().all(|line| line.starts_with("        word")), "{lines:?}");
        assert!(
            lines.iter().all(|line| line.chars().count() <= limits::TERMINAL_LINE_CHARS_MAX),
            "{lines:?}"
        );
        assert_eq!(lines.iter().map(|line| line.matches("word").count()).sum::<usize>(), 60);
        assert_eq!(wrapped(0, "", ""), [""]);
        let long = wrapped(8, "  ok    ", &format!("a {}", "x".repeat(300)));
        assert!(long.iter().all(|line| line.chars().count() <= limits::TERMINAL_LINE_CHARS_MAX), "{long:?}");
        assert_eq!(long.iter().map(|line| line.matches('x').count()).sum::<usize>(), 300);
    }

    #[test]
    fn shows_nothing_that_could_move_the_cursor() {
        assert_eq!(shown("plain/text").to_string(), "\"plain/text\"");
        assert_eq!(shown("\u{1b}[2J\r\n\"\u{202e}").to_string(), r#""\x1b[2J\r\n\"\xe2\x80\xae""#);
        let long = shown("x".repeat(5000)).to_string();
        assert_eq!(long.len(), limits::DOCTOR_SHOWN_CHARS_MAX + "\"...\"".len());
        let exact = "x".repeat(limits::DOCTOR_SHOWN_CHARS_MAX);
        assert_eq!(shown(&exact).to_string(), format!("\"{exact}\""));
    }
}
