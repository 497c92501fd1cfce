//! The command line as `epicme help` and `epicme help COMMAND` print it: the one table of it.
//!
//! Knows no form in which it is written anew. What the pages leave to the reader follows from how they are written: a
//! value in capitals stands for one of the reader's own, and values in small letters with `|` between them are all that
//! there are.

use std::process::Command;

use crate::support::EPICME;

/// A command with its page.
pub struct Page {
    pub name: String,
    /// What is written after the name, a call each: `add EMAIL`, `list`.
    pub calls: Vec<String>,
    /// What the command does, in small letters and without a full stop.
    pub about: String,
    /// The paragraphs below that.
    pub more: Vec<String>,
    pub options: Vec<Row>,
}

/// An option, or a variable that has none.
pub struct Row {
    /// `--listen`.
    pub name: String,
    /// `ADDR:PORT`, `json|markdown`; empty without a value.
    pub value: String,
    /// Whether the value may be left out, so that it is given with `=` alone.
    pub is_optional: bool,
    /// Which calls take it (`add`, `passwd`); all if there is none.
    pub of: Vec<String>,
    pub about: String,
}

/// What can be typed in a place.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// One of these.
    Words(Vec<String>),
    File,
    Folder,
    /// Something that no shell can know.
    Other,
}

fn printed(arguments: &[&str]) -> String {
    let output = Command::new(EPICME).args(arguments).env_clear().output().expect("the binary runs");
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Every command, in the order of `epicme help`.
pub fn pages() -> Vec<Page> {
    let whole = printed(&["help"]);
    let lines: Vec<_> = whole.lines().filter_map(|line| line.strip_prefix("  epicme ")).collect();
    assert!(lines.len() > 10, "{whole}");
    lines.into_iter().map(page).collect()
}

/// The page of the command that this line of `epicme help` is about. `version` and `help` have the line alone.
fn page(line: &str) -> Page {
    let name = line.split(' ').next().expect("a name").to_owned();
    let text = printed(&["help", &name]);
    if !text.starts_with(&format!("epicme {name}")) {
        let (call, about) = line.split_once("   ").expect("a description");
        let calls = vec![call[name.len()..].trim().to_owned()];
        return Page { name, calls, about: about.trim().to_owned(), more: Vec::new(), options: Vec::new() };
    }
    // The rule has no empty line above it, so that the longest page fits a screen.
    let (text, rule) = text.trim_end().rsplit_once('\n').expect("more than a line");
    assert!(rule.starts_with("Each option has a variable"), "{rule}");
    let mut paragraphs: Vec<_> = text.split("\n\n").collect();
    // What is too long for one line goes on behind blanks.
    let head = paragraphs.remove(0).replace("\n ", "");
    let head = head.strip_prefix(&format!("epicme {name}")).expect("the name");
    let (rows, texts): (Vec<&str>, Vec<&str>) =
        paragraphs.iter().copied().partition(|text| text.starts_with("--") || text.starts_with("EPICME_"));
    let mut texts: Vec<_> = texts.iter().map(|text| text.replace('\n', " ")).collect();
    let (calls, about) = match head.split_once(": ") {
        Some((calls, about)) => (calls, about.to_owned()),
        None => {
            let text = texts.remove(0);
            (head, text[..1].to_lowercase() + text[1..].trim_end_matches('.'))
        }
    };
    let calls: Vec<_> = calls.split(" | ").map(|call| call.trim().to_owned()).collect();
    let options = rows.iter().flat_map(|rows| options(rows, &calls)).collect();
    Page { name, calls, about, more: texts, options }
}

/// The rows of a page's options. A row goes on where the next line begins with blanks.
fn options(rows: &str, calls: &[String]) -> Vec<Row> {
    let mut joined: Vec<String> = Vec::new();
    for line in rows.lines() {
        match joined.last_mut() {
            Some(row) if line.starts_with(' ') => *row += &format!(" {}", line.trim()),
            _ => joined.push(line.to_owned()),
        }
    }
    let row = |row: &String| {
        let (option, about) = row.split_once("  ").expect("an option and what it does");
        let end = option.find([' ', '[']).unwrap_or(option.len());
        let (name, value) = option.split_at(end);
        let is_optional = value.starts_with("[=");
        let value = value.trim_start_matches("[=").trim_end_matches(']').trim();
        let mut about = about.trim();
        let mut of = Vec::new();
        if let Some((names, rest)) = about.split_once(": ") {
            let names: Vec<_> = names.split(", ").map(str::to_owned).collect();
            if names.iter().all(|name| calls.iter().any(|call| first(call) == *name)) {
                (of, about) = (names, rest.trim());
            }
        }
        Row { name: name.to_owned(), value: value.to_owned(), is_optional, of, about: about.to_owned() }
    };
    joined.iter().map(row).collect()
}

fn first(call: &str) -> &str {
    call.split(' ').next().unwrap_or_default()
}

/// Whether a word is typed as it stands.
pub fn is_literal(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')
}

impl Page {
    /// The words that choose between the calls: `add`, `list`. None where the command has one alone.
    pub fn verbs(&self) -> Vec<&str> {
        let mut verbs: Vec<_> = self.calls.iter().map(|call| first(call)).collect();
        verbs.retain(|verb| is_literal(verb));
        verbs.dedup();
        verbs
    }

    /// The options that a call takes.
    pub fn options_of(&self, verb: &str) -> Vec<&Row> {
        let takes = |row: &&Row| row.of.is_empty() || row.of.iter().any(|of| of == verb);
        self.options.iter().filter(|row| row.name.starts_with("--")).filter(takes).collect()
    }

    /// What can follow the words of a call.
    pub fn argument(&self, verb: &str, pages: &[Page]) -> Choice {
        let calls = self.calls.iter().filter(|call| verb.is_empty() || first(call) == verb);
        // What follows an option is the option's own.
        let words = calls.flat_map(|call| call.split(' ').take_while(|word| !word.starts_with("--")));
        let words: Vec<_> = words.map(|word| word.trim_matches(['[', ']'])).collect();
        if words.contains(&"COMMAND") {
            return Choice::Words(pages.iter().map(|page| page.name.clone()).collect());
        }
        if words.iter().any(|word| ["FILE", "PATH"].contains(word)) { Choice::File } else { Choice::Other }
    }
}

impl Row {
    /// What can be the value. `all` are the rows of every page, since one page alone may say what a value can be.
    pub fn choice(&self, all: &[&Row]) -> Choice {
        let words: Vec<_> = self.value.split('|').collect();
        if words.iter().all(|word| is_literal(word)) {
            return Choice::Words(words.into_iter().map(str::to_owned).collect());
        }
        let same = all.iter().filter(|row| row.name == self.name);
        let scopes: Vec<_> = same.flat_map(|row| row.about.split(' ')).flat_map(scopes).collect();
        match self.value.as_str() {
            _ if !scopes.is_empty() => Choice::Words(scopes),
            "FILE" | "PATH" => Choice::File,
            "DIR" => Choice::Folder,
            _ => Choice::Other,
        }
    }
}

/// The scopes that a word stands for: `{entries,tags}:{read,write}` for four.
fn scopes(word: &str) -> Vec<String> {
    let parts: Vec<_> = word.split(':').collect();
    let is_part = |part: &&str| {
        !part.is_empty() && part.chars().all(|letter| letter.is_ascii_lowercase() || "{,}".contains(letter))
    };
    if parts.len() != 2 || !parts.iter().all(is_part) {
        return Vec::new();
    }
    let names = |part: &str| part.trim_matches(['{', '}']).split(',').map(str::to_owned).collect::<Vec<_>>();
    let (rows, acts) = (names(parts[0]), names(parts[1]));
    rows.iter().flat_map(|row| acts.iter().map(move |act| format!("{row}:{act}"))).collect()
}

/// Where something can be typed, and what: after a command, or after its verb.
pub struct Place<'a> {
    /// `user add`, `serve`.
    pub words: String,
    pub options: Vec<&'a Row>,
    pub argument: Choice,
}

/// Every place after the whole name of a call.
pub fn places(pages: &[Page]) -> Vec<Place<'_>> {
    let places = pages.iter().flat_map(|page| {
        let verbs = page.verbs();
        let verbs = if verbs.is_empty() { vec![""] } else { verbs };
        verbs.into_iter().map(move |verb| Place {
            words: format!("{} {verb}", page.name).trim_end().to_owned(),
            options: page.options_of(verb),
            argument: page.argument(verb, pages),
        })
    });
    places.collect()
}

/// Every option, once each, with what its value can be.
pub fn values(pages: &[Page]) -> Vec<(&Row, Choice)> {
    let rows: Vec<_> =
        pages.iter().flat_map(|page| &page.options).filter(|row| row.name.starts_with("--")).collect();
    let mut found: Vec<(&Row, Choice)> = Vec::new();
    for row in &rows {
        if !found.iter().any(|(known, _)| known.name == row.name) {
            found.push((row, row.choice(&rows)));
        }
    }
    found
}
