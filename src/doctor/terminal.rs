//! The report of a walk as lines for a terminal: each step with its findings as they come, and at the end the funnel,
//! one line for each step with how far a client comes, and the verdict.
//!
//! Knows no HTTP, and judges nothing. Invariant: no line is longer than [`limits::TERMINAL_LINE_CHARS_MAX`], and the
//! funnel and the verdict fit together on a screen of [`limits::SCREEN_LINES`] by [`limits::SCREEN_COLUMNS`], because
//! people don't read what scrolls away.

use super::report::{Finding, Outcome, Progress, Report, shown};
use crate::limits;

/// A space at which no line is broken. It is printed as a plain one. Other servers' bytes can't hold it: they are
/// escaped.
const NO_BREAK: &str = "\u{a0}";

/// The lines that say what a walk has just seen.
pub(crate) fn lines(progress: &Progress) -> Vec<String> {
    match progress {
        Progress::Walk(url) => {
            let url = shown(url.text());
            whole_line(&format!("{url} as an MCP client meets it; nothing is registered there"))
        }
        Progress::Step(step) => {
            whole_line(&format!("{} {}{}", step.number, step.info.title, step.info.detail))
        }
        Progress::Finding(finding) => finding_lines(finding),
        Progress::End(report) => screen(report),
    }
}

fn finding_lines(finding: &Finding) -> Vec<String> {
    let mark = match finding.outcome {
        Outcome::Ok => "  ok    ",
        Outcome::Warning => "  warn  ",
        Outcome::Failure => "  FAIL  ",
        Outcome::Skipped | Outcome::Unknown => "  skip  ",
    };
    // An operator searches for the clause, so it stays on one line.
    let clause = finding.clause.as_ref().map(|clause| format!(" [{}]", clause.replace(' ', NO_BREAK)));
    let text = format!("{}{}", finding.text, clause.unwrap_or_default());
    let width = limits::TERMINAL_LINE_CHARS_MAX;
    let mut lines = wrapped(width, 8, mark, &text);
    if let Some(remedy) = &finding.remedy {
        lines.extend(wrapped(width, 16, "        remedy: ", remedy));
    }
    lines.iter().map(|line| line.replace(NO_BREAK, " ")).collect()
}

/// The funnel and the verdict. A line is left for the shell's prompt.
fn screen(report: &Report) -> Vec<String> {
    let mut lines = vec!["How far a client comes:".to_owned()];
    for (step, outcome) in report.steps.iter().zip(report.outcomes()) {
        // Another word than at the finding, so that a search for FAIL finds the findings alone.
        let mark = match outcome {
            Outcome::Ok => "ok",
            Outcome::Warning => "warn",
            Outcome::Failure => "NO",
            Outcome::Unknown => "not known",
            Outcome::Skipped => "not reached",
        };
        lines.push(format!("  {mark:<12} {} {}", step.number, step.info.title));
    }
    lines.extend(wrapped(limits::SCREEN_COLUMNS, 0, "", &report.verdict.text()));
    // Only a server that names very long URLs gets so far; the failure itself stands above, whole.
    if lines.len() >= limits::SCREEN_LINES {
        lines.truncate(limits::SCREEN_LINES - 2);
        lines.push("...".to_owned());
    }
    lines
}

fn whole_line(text: &str) -> Vec<String> {
    wrapped(limits::TERMINAL_LINE_CHARS_MAX, 0, "", text)
}

/// Breaks a text into lines of this width at its spaces. The first line begins with `first`, the others with `indent`
/// spaces. A word that is longer than a line, such as a URL, is broken where the line ends.
pub(super) fn wrapped(width: usize, indent: usize, first: &str, text: &str) -> Vec<String> {
    let (mut lines, mut line, mut left) = (Vec::new(), first.to_owned(), width - first.len());
    let whole = width - indent;
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

#[cfg(test)]
mod tests {
    use super::super::report::{Recorder, STEPS};
    use super::super::url::Url;
    use super::*;

    #[test]
    fn breaks_lines_at_spaces_and_within_the_width() {
        let width = limits::TERMINAL_LINE_CHARS_MAX;
        let text = "word ".repeat(60);
        let lines = wrapped(width, 8, "  ok    ", text.trim_end());
        assert!(lines.len() > 2 && lines[0].starts_with("  ok    word"), "{lines:?}");
        assert!(lines[1..].iter().all(|line| line.starts_with("        word")), "{lines:?}");
        assert!(lines.iter().all(|line| line.chars().count() <= width), "{lines:?}");
        assert_eq!(lines.iter().map(|line| line.matches("word").count()).sum::<usize>(), 60);
        assert_eq!(wrapped(width, 0, "", ""), [""]);
        let long = wrapped(width, 8, "  ok    ", &format!("a {}", "x".repeat(300)));
        assert!(long.iter().all(|line| line.chars().count() <= width), "{long:?}");
        assert_eq!(long.iter().map(|line| line.matches('x').count()).sum::<usize>(), 300);
    }

    #[test]
    fn fits_the_funnel_and_any_verdict_on_one_screen() {
        for (failure, is_cut) in [("short".to_owned(), false), ("long ".repeat(1000), true)] {
            let mut ignored = |_: Progress| ();
            let mut recorder = Recorder::new(&Url::parse("http://h/").expect("a URL"), &mut ignored);
            for number in 1..=STEPS.len() {
                recorder.step(number);
                match number {
                    1 => recorder.warn(&"warned", "RFC 1", &"remedy"),
                    3 => recorder.fail(&failure, "RFC 1", &"remedy"),
                    _ => recorder.ok(&"ok", "RFC 1"),
                }
            }
            let lines = screen(&recorder.end());
            assert!(lines.len() < limits::SCREEN_LINES, "a line is left for the prompt: {lines:#?}");
            assert!(lines.iter().all(|line| line.len() <= limits::SCREEN_COLUMNS), "{lines:#?}");
            assert_eq!(lines[1], "  warn         1 The URL");
            assert_eq!(lines[3], "  NO           3 A request without a token");
            assert_eq!(lines[4], "  not reached  4 The challenge of the 401");
            assert_eq!(lines.last().map(String::as_str) == Some("..."), is_cut, "{lines:#?}");
        }
    }
}
