//! The commands of the man page, written in mdoc(7), which every Unix with a man page reader knows.
//!
//! Knows no shell, and nothing of the page but its part between two comments: the rest is written by hand.

use super::help::{Page, Row, is_literal};

const BEGIN: &str = ".\\\" Made of epicme help by tests/packaging:\n";
const END: &str = ".\\\" End of what is made.\n";

/// The page with its commands as they are now, and with the version of the program.
pub fn page(written: &str, pages: &[Page]) -> String {
    let (before, rest) = written.split_once(BEGIN).expect("the beginning of what is made");
    let (_, after) = rest.split_once(END).expect("the end of what is made");
    let os = |line: &str| {
        if line.starts_with(".Os ") {
            format!(".Os epicme {}\n", env!("CARGO_PKG_VERSION"))
        } else {
            format!("{line}\n")
        }
    };
    let before: String = before.lines().map(os).collect();
    let commands: String = pages.iter().map(command).collect();
    format!("{before}{BEGIN}.Bl -tag -width Ds\n{commands}.El\n{END}{after}")
}

fn command(page: &Page) -> String {
    let mut text = String::new();
    for call in &page.calls {
        text += &format!(".It Cm {}{}\n", page.name, words(call));
    }
    text += &sentence(&page.about);
    for more in &page.more {
        text += &format!(".Pp\n{}", prose(more));
    }
    if !page.options.is_empty() {
        text += ".Bl -tag -width Ds\n";
        text += &page.options.iter().map(option).collect::<String>();
        text += ".El\n";
    }
    text
}

/// The words behind a command's name, each marked for what it is.
fn words(call: &str) -> String {
    let word = |word: &str| {
        let inner = word.trim_matches(['[', ']']);
        let optional = if word.starts_with('[') { " Op" } else { "" };
        format!("{optional} {}", alternatives(inner))
    };
    call.split(' ').filter(|word| !word.is_empty()).map(word).collect()
}

fn alternatives(word: &str) -> String {
    let mark = |word: &str| match word.strip_prefix('-') {
        Some(rest) => format!("Fl {rest}").trim_end().to_owned(),
        None if is_literal(word) => format!("Cm {}", escaped(word)),
        None => format!("Ar {}", escaped(word)),
    };
    word.split('|').map(mark).collect::<Vec<_>>().join(" | ")
}

fn option(row: &Row) -> String {
    let mut text = match row.name.strip_prefix('-') {
        Some(name) => format!(".It Fl {}", escaped(name)),
        None => format!(".It Ev {}", row.name),
    };
    if row.is_optional {
        text += &format!(" Ns Op = Ns {}", alternatives(&row.value));
    } else if !row.value.is_empty() {
        text += &format!(" {}", alternatives(&row.value));
    }
    text.push('\n');
    if row.of.is_empty() {
        return text + &sentence(&row.about);
    }
    text += "For\n";
    for (place, name) in (1..).zip(&row.of) {
        let end = if place == row.of.len() { " :" } else { " ," };
        text += &format!(".Cm {name}{end}\n");
    }
    text + &prose(&(row.about.clone() + "."))
}

/// A text with a capital letter and a full stop. A value stays as it is typed.
fn sentence(text: &str) -> String {
    let first = text.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
    let is_word = is_literal(first) && !["json", "https"].contains(&first);
    let text = text.trim_end_matches([':', '.']);
    prose(&if is_word { first[..1].to_uppercase() + &text[1..] + "." } else { format!("{text}.") })
}

/// Lines of a usual width. A line for each sentence, as the format asks for, so that the reader's program sets the space
/// between them.
fn prose(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let word = escaped(word);
        let line = lines.last_mut().expect("a line");
        let is_sentence = line.ends_with('.') && word.starts_with(|letter: char| letter.is_uppercase());
        if is_sentence || line.len() + word.len() >= 80 {
            lines.push(word);
        } else {
            *line += if line.is_empty() { "" } else { " " };
            *line += &word;
        }
    }
    // A line that begins so would be a command.
    let line = |line: &String| format!("{}{line}\n", if line.starts_with(['.', '\'']) { "\\&" } else { "" });
    lines.iter().map(line).collect()
}

/// A hyphen in a man page is one of prose, which a person can't paste into a shell; this is the sign that they typed.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
