//! The front matter of a Markdown file: the lines of YAML between two lines of `---`.
//!
//! Knows no name of a field. Invariant: a field that was written is read as the same text, and what this file can't
//! read is an error with its line, never a guess.
//!
//! It reads the part of YAML 1.2 that people and their editors write there: a name and a value on each line, plain or
//! in quotes, and lists, inline or with dashes. A value is always a text here. YAML itself would give some words a
//! type, so that a title `No` or a mood `1e3` were no texts any more. A crate for all of YAML would add anchors, tags
//! and nested objects, which no field of an entry can hold, and many times the bytes.

use crate::limits;

/// The value of a field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// Nothing, or a word that means nothing.
    Empty,
    /// A text without quotes. Where several values can stand, they may be in it with commas.
    Plain(String),
    Quoted(String),
    List(Vec<String>),
    /// Something that this file doesn't read, with its line. It matters only if the field does.
    Unreadable(usize),
}

/// A file taken apart.
pub(super) struct Parts<'t> {
    /// The fields in their order; none if the file has no front matter.
    pub(super) fields: Vec<(String, Value)>,
    /// Everything after the front matter, byte for byte.
    pub(super) text: &'t str,
}

/// Takes a file apart. The error says which line isn't understood.
pub(super) fn read(file: &str) -> Result<Parts<'_>, String> {
    let mut lines = Lines { rest: file, number: 0 };
    let is_begun = lines.next().is_some_and(|line| line.trim_end() == "---");
    // Without an end, the first line is a rule above a text.
    let is_whole = is_begun && lines.rest.split('\n').any(is_end);
    if !is_whole {
        return Ok(Parts { fields: Vec::new(), text: file });
    }
    let mut fields: Vec<(String, Value)> = Vec::new();
    while let Some(line) = lines.next() {
        if is_end(line) {
            break;
        }
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let number = lines.number;
        let (name, value) = name_and_value(line).ok_or_else(|| not_understood(number))?;
        if fields.iter().any(|(known, _)| *known == name) {
            return Err(format!("the field {name:?} is there twice (line {number})"));
        }
        if fields.len() >= limits::FRONT_MATTER_FIELDS_MAX {
            return Err(format!("its front matter has more than {} fields", limits::FRONT_MATTER_FIELDS_MAX));
        }
        let value = lines.value(value);
        fields.push((name, value));
    }
    Ok(Parts { fields, text: lines.rest })
}

fn is_end(line: &str) -> bool {
    matches!(line.trim_end(), "---" | "...")
}

fn not_understood(line: usize) -> String {
    format!("line {line} of its front matter is not understood; write name: \"value\"")
}

/// The lines that are left, without their ends.
struct Lines<'t> {
    rest: &'t str,
    /// Of the line that was taken last, from 1.
    number: usize,
}

impl<'t> Lines<'t> {
    fn next(&mut self) -> Option<&'t str> {
        let line = self.peek()?;
        self.rest = self.rest[line.len()..].strip_prefix('\n').unwrap_or_default();
        self.number += 1;
        Some(line.strip_suffix('\r').unwrap_or(line))
    }

    fn peek(&self) -> Option<&'t str> {
        if self.rest.is_empty() { None } else { self.rest.split('\n').next() }
    }

    /// Takes the next line if it belongs to the value of the line before: it is further in, or begins with a dash.
    /// Empty lines before it go with it.
    fn next_of_value(&mut self) -> Option<&'t str> {
        let empty = self.rest.split('\n').take_while(|line| line.trim().is_empty()).count();
        let line = self.rest.split('\n').nth(empty)?;
        let is_item = line.starts_with("- ") || line.trim_end() == "-";
        if !line.starts_with([' ', '\t']) && !is_item {
            return None;
        }
        (0..empty).for_each(|_| _ = self.next());
        self.next()
    }

    /// Reads a value that begins with this text, and goes on in the following lines perhaps.
    fn value(&mut self, first: &str) -> Value {
        let number = self.number;
        let mut further = Vec::new();
        while let Some(line) = self.next_of_value() {
            further.push(line.trim());
        }
        let unreadable = Value::Unreadable(number);
        let first = without_comment(first);
        if first.is_empty() && !further.is_empty() {
            let items = further.iter().filter(|line| !line.starts_with('#')).map(|line| {
                let item = line.strip_prefix('-').filter(|item| item.is_empty() || item.starts_with(' '))?;
                text_of(without_comment(item))
            });
            return items.collect::<Option<Vec<_>>>().map_or(unreadable, |items| {
                Value::List(items.into_iter().filter(|item| !item.is_empty()).collect())
            });
        }
        match first.chars().next() {
            Some('"' | '\'') if further.is_empty() => quoted(first).map_or(unreadable, Value::Quoted),
            Some('[') if further.is_empty() => inline_list(first).map_or(unreadable, Value::List),
            Some(start) if "\"'[]{}|>&*!%@`".contains(start) => unreadable,
            _ if further.iter().any(|line| line.contains(": ")) => unreadable,
            _ if matches!(first, "" | "~" | "null" | "Null" | "NULL") => Value::Empty,
            // The lines of a plain text are joined by blanks.
            _ => {
                let lines = [first].into_iter().chain(further.into_iter().map(without_comment));
                Value::Plain(lines.collect::<Vec<_>>().join(" "))
            }
        }
    }
}

/// Splits `name: value`; the name may be in quotes.
fn name_and_value(line: &str) -> Option<(String, &str)> {
    if line.starts_with(['"', '\'']) {
        let end = quote_end(line)?;
        let value = line[end..].trim_start().strip_prefix(':')?;
        return Some((quoted(&line[..end])?, value));
    }
    let (name, value) = match line.split_once(": ") {
        Some(parts) => parts,
        None => (line.trim_end().strip_suffix(':')?, ""),
    };
    let is_name = !name.starts_with([' ', '\t', '-', '?', '[', '{', '&', '*', '!', '|', '>', '%', '@', '`']);
    (is_name && !name.trim().is_empty()).then(|| (name.trim_end().to_owned(), value))
}

/// Takes away the blanks around a value and a comment behind it. A `#` begins a comment only after a blank and outside
/// of quotes.
fn without_comment(text: &str) -> &str {
    let text = text.trim();
    if text.starts_with('#') {
        return "";
    }
    // Only at the beginning of a value or of an item in a list does a quote begin a text in quotes.
    let has_quotes = text.starts_with(['"', '\'', '[']);
    // A quote whose text doesn't end is none, and so are those of its kind behind it: looked for again and again, the
    // end would take the square of the length.
    let mut unended = String::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let quote = rest.chars().next().filter(|quote| has_quotes && ['"', '\''].contains(quote));
        let quotes = quote.filter(|quote| !unended.contains(*quote)).and_then(|quote| {
            let end = quote_end(rest);
            if end.is_none() {
                unended.push(quote);
            }
            end
        });
        if rest.starts_with(" #") || rest.starts_with("\t#") {
            return text[..at].trim_end();
        }
        at += quotes.unwrap_or_else(|| rest.chars().next().map_or(1, char::len_utf8));
    }
    text
}

/// Returns where a text in quotes ends, behind the second quote.
fn quote_end(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' if quote == '"' => _ = characters.next(),
            '\'' if quote == '\'' && characters.peek().is_some_and(|(_, next)| *next == '\'') => {
                characters.next();
            }
            _ if character == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Reads one text, plain or in quotes.
fn text_of(text: &str) -> Option<String> {
    match text.chars().next() {
        Some('"' | '\'') => quoted(text),
        Some(start) if "[]{}|>&*!%@`".contains(start) => None,
        _ if text.contains(": ") || text.ends_with(':') => None, // an object
        _ => Some(text.to_owned()),
    }
}

/// Reads `[a, "b, c"]`.
fn inline_list(text: &str) -> Option<Vec<String>> {
    let mut rest = text.strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut items = Vec::new();
    while !rest.is_empty() {
        let end = if rest.starts_with(['"', '\'']) {
            quote_end(rest)?
        } else {
            rest.find(',').unwrap_or(rest.len())
        };
        let (item, after) = rest.split_at(end);
        let item = text_of(item.trim())?;
        if !item.is_empty() {
            items.push(item);
        }
        let after = after.trim_start();
        rest = if after.is_empty() { "" } else { after.strip_prefix(',')?.trim_start() };
    }
    Some(items)
}

/// Reads a text in quotes, and nothing behind it.
fn quoted(text: &str) -> Option<String> {
    if quote_end(text)? != text.len() {
        return None;
    }
    let inside = &text[1..text.len() - 1];
    if text.starts_with('\'') {
        return Some(inside.replace("''", "'"));
    }
    let mut out = String::new();
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        out.push(match characters.next()? {
            'n' => '\n',
            't' | '\t' => '\t',
            'r' => '\r',
            '0' => '\0',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'v' => '\u{b}',
            'f' => '\u{c}',
            'e' => '\u{1b}',
            'N' => '\u{85}',
            '_' => '\u{a0}',
            'L' => '\u{2028}',
            'P' => '\u{2029}',
            'x' => code(&mut characters, 2)?,
            'U' => code(&mut characters, 8)?,
            'u' => {
                let mut ahead = characters.clone();
                match code(&mut ahead, 4) {
                    Some(character) => {
                        characters = ahead;
                        character
                    }
                    // JSON writes a character above U+FFFF as two halves, and YAML doesn't.
                    None => surrogates(&mut characters)?,
                }
            }
            itself @ ('"' | '\\' | '/' | ' ') => itself,
            _ => return None,
        });
    }
    Some(out)
}

fn code(characters: &mut std::str::Chars, digits: usize) -> Option<char> {
    char::from_u32(number(characters, digits)?)
}

fn number(characters: &mut std::str::Chars, digits: usize) -> Option<u32> {
    (0..digits).try_fold(0, |number, _| Some(number * 16 + characters.next()?.to_digit(16)?))
}

fn surrogates(characters: &mut std::str::Chars) -> Option<char> {
    let high = u16::try_from(number(characters, 4)?).ok()?;
    let follows = characters.next() == Some('\\') && characters.next() == Some('u');
    let low = u16::try_from(number(characters, 4).filter(|_| follows)?).ok()?;
    char::decode_utf16([high, low]).next()?.ok()
}

/// Appends a text in double quotes, on one line. What YAML doesn't print and what some readers take for a line end is
/// escaped (YAML 1.2.2 §5.1, §5.4).
pub(super) fn write_quoted(text: &str, out: &mut String) {
    use std::fmt::Write;
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                write!(out, "\\u{:04x}", u32::from(character)).expect("a String takes every write");
            }
            _ if character.is_control() => {
                write!(out, "\\u{:04x}", u32::from(character)).expect("a String takes every write");
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn field(lines: &str) -> Value {
        let file = format!("---\n{lines}\n---\ntext");
        let mut parts = read(&file).expect("front matter");
        assert_eq!(parts.text, "text");
        assert_eq!(parts.fields.len(), 1, "{:?}", parts.fields);
        parts.fields.remove(0).1
    }

    fn plain(text: &str) -> Value {
        Value::Plain(text.to_owned())
    }

    fn quoted_text(text: &str) -> Value {
        Value::Quoted(text.to_owned())
    }

    fn list(items: &[&str]) -> Value {
        Value::List(items.iter().map(|item| (*item).to_owned()).collect())
    }

    #[test]
    fn reads_what_people_and_their_editors_write() {
        assert_eq!(field("a: b"), plain("b"));
        assert_eq!(field("a:   b c  # d"), plain("b c"));
        assert_eq!(field("a: b#c"), plain("b#c"));
        assert_eq!(field("a: No"), plain("No"));
        assert_eq!(field("a: b: c"), plain("b: c"));
        assert_eq!(field("a: it's \"so\""), plain("it's \"so\""));
        assert_eq!(field("a: b\n  c # d\n  e"), plain("b c e"));
        assert_eq!(field("a: b\r"), plain("b"));
        assert_eq!(field("\"a\": b"), plain("b"));
        for nothing in ["a:", "a: ", "a: ~", "a: null", "a: # b"] {
            assert_eq!(field(nothing), Value::Empty, "{nothing}");
        }
        assert_eq!(field("a: 'it''s # \"so\"' # b"), quoted_text("it's # \"so\""));
        assert_eq!(
            field(r#"a: "\x41\u00e9\U0001F600\ud83d\ude00\e\_\/\"\\""#),
            quoted_text("Aé😀😀\u{1b}\u{a0}/\"\\")
        );
        assert_eq!(field("a: []"), list(&[]));
        assert_eq!(field("a: [b, 'c, d', \"e # ]\", f g] # h"), list(&["b", "c, d", "e # ]", "f g"]));
        assert_eq!(field("a:\n  - b\n  - \"c: d\"\n  # e\n  - 'f' # g\n  -"), list(&["b", "c: d", "f"]));
        assert_eq!(field("a:\n- b\n- c"), list(&["b", "c"]));
    }

    #[test]
    fn says_what_it_does_not_read_and_goes_on_behind_it() {
        for lines in [
            "a: |\n  b\n  c",
            "a: >-\n  b",
            "a: {b: c}",
            "a:\n  b: c",
            "a:\n  - b: c",
            "a: &b c",
            "a: *b",
            "a: !b c",
            "a: [b, c",
            "a: [[b]]",
            "a: \"b",
            "a: \"b\" c",
            "a: \"\\q\"",
            "a: \"\\ud83d\"",
            "a: b\n  c: d",
        ] {
            assert_eq!(field(lines), Value::Unreadable(2), "{lines}");
        }
        let parts = read("---\na: |\n  b: c\n\n  d\nb: e\n---\n").expect("front matter");
        assert_eq!(parts.fields[1], ("b".to_owned(), plain("e")));
        for (lines, line) in [("b", 2), ("a: b\n\tc d\n?", 4), ("a: b\n:c", 3), ("[a]: b", 2), (": b", 2)] {
            let file = format!("---\n{lines}\n---\n");
            let why = read(&file).map(|parts| parts.fields).expect_err(lines);
            assert!(why.starts_with(&format!("line {line} of")), "{lines}: {why}");
        }
        let twice = read("---\na: b\na: c\n---\n").map(|parts| parts.fields).expect_err("twice");
        assert_eq!(twice, "the field \"a\" is there twice (line 3)");
    }

    #[test]
    fn takes_nothing_for_front_matter_that_does_not_end() {
        for file in ["", "text", "---", "---\n\nA rule above.\n", " ---\na: b\n---\n", "----\na: b\n---\n"] {
            let parts = read(file).expect("a text");
            assert_eq!((parts.text, parts.fields.len()), (file, 0), "{file}");
        }
        for (file, text) in [
            ("---\n---", ""),
            ("---\n---\n", ""),
            ("---\r\n---\r\n\r\nx", "\r\nx"),
            ("---\n...\nx", "x"),
            ("---\na: b\n---\n---\nx", "---\nx"),
        ] {
            assert_eq!(read(file).expect("front matter").text, text, "{file:?}");
        }
    }
}
