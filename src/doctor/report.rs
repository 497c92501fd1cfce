//! The report of a walk: prints the findings as lines for a terminal, and keeps the verdict.
//!
//! Knows no HTTP. Invariant: another server's bytes are printed escaped and cut, and no line is longer than
//! [`limits::TERMINAL_LINE_CHARS_MAX`]. The other server may be malicious: with a few control characters it could
//! erase the lines above in the operator's terminal, and write better ones.
//!
//! Each finding names the clause behind it, so that an operator can look it up and need not believe the doctor. Each
//! failure and warning has a remedy: what the operator of the other server can do.

use std::fmt::{self, Display, Formatter};

use crate::limits;

/// The steps. A client takes 1 to 7 in this order.
pub(crate) const STEPS: [&str; 9] = [
    "The URL",
    "A connection",
    "A request without a token",
    "The challenge of the 401",
    "Protected resource metadata: which server issues the tokens?",
    "Authorization server metadata: where are its endpoints?",
    "The authorization endpoint",
    "Clients in a browser (a failure here stops no other client, so it is a warning)",
    "A request with a wrong token",
];

/// A space at which no line is broken. It is printed as a plain one. Other servers' bytes can't hold it: they are
/// escaped.
const NO_BREAK: &str = "\u{a0}";

/// How a walk ended. Only `Could` is a success of the command: a script must be able to rely on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// The walk saw no failure. A warning may still stop some clients.
    Could,
    /// The first failure. A client stops there, so the later ones don't matter to it.
    Cannot(String),
    /// The server serves requests without a token, or with any token. A client could connect, and so could every
    /// stranger.
    Open,
    /// Nothing that was seen stops a client, but this couldn't be seen from here.
    Unknown(String),
}

impl Verdict {
    /// Returns the sentence for the last line: whether a client could connect, and if not, the failure that stops it
    /// first.
    pub(crate) fn text(&self) -> String {
        match self {
            Verdict::Could => "A client could connect.".to_owned(),
            Verdict::Cannot(failure) => format!("A client can't connect: {failure}"),
            Verdict::Open => {
                "The server answers requests without a valid token: nothing is protected there.".to_owned()
            }
            Verdict::Unknown(what) => format!("It isn't known whether a client could connect: {what}"),
        }
    }
}

/// Prints the findings, and keeps the verdict.
pub(crate) struct Report<'o> {
    out: &'o mut dyn FnMut(&str),
    verdict: Verdict,
}

impl<'o> Report<'o> {
    /// A report whose lines go to `out`.
    pub(crate) fn new(out: &'o mut dyn FnMut(&str)) -> Report<'o> {
        Report { out, verdict: Verdict::Could }
    }

    /// Prints a line that belongs to no step.
    #[inline(never)]
    pub(crate) fn say(&mut self, text: &str) {
        self.print(0, "", text);
    }

    /// Begins the step of this number. The first one is 1.
    #[inline(never)]
    pub(crate) fn step(&mut self, number: usize) {
        self.say(&format!("{number} {}", STEPS[number - 1]));
    }

    /// Something is as it should be.
    #[inline(never)]
    pub(crate) fn ok(&mut self, text: &dyn Display, clause: &str) {
        self.judged("  ok    ", text, clause);
    }

    /// Something stops some clients only, or none, and should be mended all the same. The verdict stays as it is.
    #[inline(never)]
    pub(crate) fn warn(&mut self, text: &dyn Display, clause: &str, remedy: &dyn Display) {
        self.judged("  warn  ", text, clause);
        self.print(16, "        remedy: ", &remedy.to_string());
    }

    /// Something stops a client.
    #[inline(never)]
    pub(crate) fn fail(&mut self, text: &dyn Display, clause: &str, remedy: &dyn Display) {
        self.judged("  FAIL  ", text, clause);
        self.print(16, "        remedy: ", &remedy.to_string());
        // The first failure stays the verdict, since a client gets no further. A doubt gives way to it.
        if matches!(self.verdict, Verdict::Could | Verdict::Unknown(_)) {
            self.verdict = Verdict::Cannot(text.to_string());
        }
    }

    /// Something wasn't checked.
    #[inline(never)]
    pub(crate) fn skip(&mut self, why: &str) {
        self.print(8, "  skip  ", why);
    }

    /// Prints that something wasn't checked which decides whether a client could connect, and what the operator can
    /// do about it. Makes the verdict [`Verdict::Unknown`] if it was [`Verdict::Could`]; any other verdict stays. A
    /// failure that is seen later replaces `Unknown`.
    pub(crate) fn skip_undecided(&mut self, what: &dyn Display, remedy: &dyn Display) {
        self.skip(&what.to_string());
        self.print(16, "        remedy: ", &remedy.to_string());
        if self.verdict == Verdict::Could {
            self.verdict = Verdict::Unknown(what.to_string());
        }
    }

    /// The server checks no token. This outweighs every other verdict: nothing else matters as much to the operator.
    pub(crate) fn fail_open(&mut self, text: &dyn Display, clause: &str, remedy: &dyn Display) {
        self.fail(text, clause, remedy);
        self.verdict = Verdict::Open;
    }

    /// Prints the verdict and gives it.
    pub(crate) fn end(mut self) -> Verdict {
        self.say(&self.verdict.text());
        self.verdict
    }

    fn judged(&mut self, mark: &str, text: &dyn Display, clause: &str) {
        // An operator searches for the clause, so it stays on one line.
        let clause = clause.replace(' ', NO_BREAK);
        self.print(8, mark, &format!("{text} [{clause}]"));
    }

    fn print(&mut self, indent: usize, first: &str, text: &str) {
        for line in wrapped(indent, first, text) {
            (self.out)(&line.replace(NO_BREAK, " "));
        }
    }
}

/// Breaks a text into lines at its spaces. The first line begins with `first`, the others with `indent` spaces. A
/// word that is longer than a line, such as a URL, is broken where the line ends.
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

/// Another server's bytes as they are printed: in quotes, visible ASCII, cut.
pub(crate) fn shown<T: AsRef<[u8]>>(bytes: T) -> Shown<T> {
    Shown(bytes)
}

/// See [`shown`].
pub(crate) struct Shown<T>(T);

impl<T: AsRef<[u8]>> Display for Shown<T> {
    fn fmt(&self, out: &mut Formatter) -> fmt::Result {
        write_shown(self.0.as_ref(), out)
    }
}

#[inline(never)]
fn write_shown(bytes: &[u8], out: &mut Formatter) -> fmt::Result {
    // Cut before it is escaped too: a text may be as large as a whole answer, and escaping makes it four times as
    // long.
    let escaped = bytes[..bytes.len().min(limits::DOCTOR_SHOWN_CHARS_MAX + 1)].escape_ascii().to_string();
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
