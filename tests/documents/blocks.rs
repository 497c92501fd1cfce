//! A document's fenced blocks: commands, and what they print.
//!
//! Knows no server. A `sh` block is run. An `http`, `json` or `text` block behind it is what it prints, errors
//! included. What the server's terminal shows meanwhile is a `log` block, whose lines may have others between them, or,
//! with the wire view, a `wire` block, which is one piece. A block without a language, or with that of
//! another program's configuration, of Rust's code or of a diagram, is only read.
//! `…` stands for anything on one line, and alone on a line for any number of lines. Runs of blanks count as one, and
//! in `json` the layout doesn't count.

use serde_json::Value;

/// A fenced block.
#[derive(Clone)]
pub struct Block {
    pub language: String,
    pub text: String,
    /// The number of the line that opens it, from 1.
    pub line: usize,
    /// The number of the line that closes it.
    pub end: usize,
}

/// Commands, and what is shown of their effect.
pub struct Step {
    pub commands: Block,
    pub printed: Option<Block>,
    pub logged: Option<Block>,
}

/// Every fenced block of a document.
pub fn blocks(document: &str) -> Result<Vec<Block>, String> {
    let (mut found, mut open): (Vec<Block>, Option<Block>) = (Vec::new(), None);
    for (number, line) in (1..).zip(document.lines()) {
        open = match (line.strip_prefix("```"), open) {
            (Some(language), None) => {
                Some(Block { language: language.to_owned(), text: String::new(), line: number, end: 0 })
            }
            (Some(_), Some(block)) => {
                found.push(Block { end: number, ..block });
                None
            }
            (None, Some(mut block)) => {
                block.text += line;
                block.text.push('\n');
                Some(block)
            }
            (None, None) => None,
        };
    }
    open.map_or(Ok(found), |block| Err(format!("line {}: the block has no end", block.line)))
}

/// What is run, in order.
pub fn steps(document: &str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for block in blocks(document)? {
        let line = block.line;
        let place = match (block.language.as_str(), steps.last_mut()) {
            ("" | "caddyfile" | "jsonc" | "mermaid" | "nginx" | "yaml", _) => continue,
            (code, _) if code.starts_with("rust ") => continue, // tests/build.rs
            ("sh", _) => {
                steps.push(Step { commands: block, printed: None, logged: None });
                continue;
            }
            ("http" | "json" | "text", Some(step)) => &mut step.printed,
            ("log" | "wire", Some(step)) => &mut step.logged,
            (language, _) => return Err(format!("line {line}: a {language} block belongs to no command")),
        };
        if place.replace(block).is_some() {
            return Err(format!("line {line}: the commands before this block have one like it already"));
        }
    }
    if steps.is_empty() { Err("the document has no command".to_owned()) } else { Ok(steps) }
}

/// The lines that are compared: of JSON one for each member, of all else those that there are.
pub fn comparable(language: &str, text: &str) -> Vec<String> {
    let text = if language == "json" { members(text) } else { text.to_owned() };
    let plain = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.trim_end().lines().map(plain).collect()
}

/// JSON, or what stands for it, with a line for each member and no blanks between.
fn members(text: &str) -> String {
    let (mut lines, mut quoted, mut escaped) = (String::new(), false, false);
    for character in text.chars() {
        match character {
            _ if quoted => {
                quoted = escaped || character != '"';
                escaped = !escaped && character == '\\';
                lines.push(character);
            }
            ' ' | '\n' | '\t' | '\r' => {}
            '{' | '[' | ',' => lines.extend([character, '\n']),
            '}' | ']' => lines.extend(['\n', character]),
            _ => {
                quoted = character == '"';
                lines.push(character);
            }
        }
    }
    lines
}

/// Where what came leaves what was expected: the places of the first two lines that don't fit each other.
pub fn difference(expected: &[String], came: &[String]) -> Option<(usize, usize)> {
    let Some(line) = expected.first() else { return (!came.is_empty()).then_some((0, 0)) };
    if line.trim_end_matches(',') != "…" {
        let fits = came.first().is_some_and(|got| fits(line, got));
        let rest = || difference(&expected[1..], &came[1..]).map(|(one, other)| (one + 1, other + 1));
        return if fits { rest() } else { Some((0, 0)) };
    }
    let mut furthest = (0, 0);
    for skipped in 0..=came.len() {
        match difference(&expected[1..], &came[skipped..]) {
            None => return None,
            Some((one, other)) => furthest = furthest.max((one + 1, other + skipped)),
        }
    }
    Some(furthest)
}

/// How many of these lines lead up to the end of the first place that is as `expected` from its first line to its last;
/// else the places of the first two lines that don't fit each other, where most did.
pub fn piece(expected: &[String], came: &[String]) -> Result<usize, (usize, usize)> {
    let open = [expected, &["…".to_owned()]].concat();
    let mut furthest = (0, 0);
    for start in 0..came.len() {
        match difference(&open, &came[start..]) {
            None => return Ok(start + expected.iter().filter(|line| *line != "…").count()),
            Some((one, other)) => furthest = furthest.max((one, start + other)),
        }
    }
    Err(furthest)
}

/// Whether a line is what `pattern` says, in which each `…` stands for anything.
pub fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        let found = if last { rest.strip_suffix(part).map(str::len) } else { rest.find(part) };
        let Some(at) = found else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// The document with what was printed in the place of what was shown. A line that still fits stays, `…` and all.
pub fn rewritten(document: &str, steps: &[Step], printed: &[String]) -> String {
    let mut lines: Vec<String> = document.lines().map(str::to_owned).collect();
    for (step, text) in steps.iter().zip(printed).rev() {
        let language = step.printed.as_ref().map_or_else(|| language_of(text), |block| &block.language);
        let old = step.printed.as_ref().map_or("", |block| &block.text);
        let (expected, came) = (comparable(language, old), comparable(language, text));
        if difference(&expected, &came).is_none() {
            continue;
        }
        let old: Vec<_> = old.lines().collect();
        let new = laid_out(language, text).into_iter().map(|line| {
            let plain = |line: &str| comparable("text", line).join("");
            let kept = old.iter().find(|old| old.contains('…') && fits(&plain(old), &plain(&line)));
            kept.map_or_else(|| veiled(&line), |old| (*old).to_owned())
        });
        let new: Vec<_> = new.collect();
        match &step.printed {
            Some(block) => drop(lines.splice(block.line..block.end - 1, new)),
            None => {
                let opening = ["".to_owned(), format!("```{language}")];
                let block = opening.into_iter().chain(new).chain(["```".to_owned()]);
                drop(lines.splice(step.commands.end..step.commands.end, block));
            }
        }
    }
    lines.join("\n") + "\n"
}

fn language_of(text: &str) -> &'static str {
    match text.get(..1) {
        Some("H") if text.starts_with("HTTP/") => "http",
        Some("{" | "[") => "json",
        _ => "text",
    }
}

/// Lines as a reader is shown them.
fn laid_out(language: &str, text: &str) -> Vec<String> {
    match serde_json::from_str(text) {
        Ok(value) if language == "json" => {
            let mut lines = Vec::new();
            lay_out(&value, "", "", &mut lines);
            lines
        }
        _ => text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect(),
    }
}

/// A value on one line where it fits, else each of its members on lines of their own.
fn lay_out(value: &Value, before: &str, after: &str, lines: &mut Vec<String>) {
    let whole = format!("{before}{}{after}", on_one_line(value));
    let indent = &before[..before.len() - before.trim_start().len()];
    let members: Vec<_> = match value {
        _ if whole.chars().count() <= 100 => return lines.push(whole),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (format!("{indent}  {name:?}: "), value)).collect()
        }
        Value::Array(items) => items.iter().map(|item| (format!("{indent}  "), item)).collect(),
        _ => return lines.push(whole),
    };
    let (opening, closing) = if value.is_array() { ("[", "]") } else { ("{", "}") };
    lines.push(format!("{before}{opening}"));
    for (place, (before, value)) in members.iter().enumerate() {
        lay_out(value, before, if place + 1 < members.len() { "," } else { "" }, lines);
    }
    lines.push(format!("{indent}{closing}{after}"));
}

/// A value with a blank behind each comma and colon.
fn on_one_line(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{name:?}: {}", on_one_line(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(on_one_line).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A line with `…` for what looks as if it differed each time: dates, times, lengths, random text.
fn veiled(line: &str) -> String {
    for name in ["Date: ", "Content-Length: "] {
        if line.starts_with(name) {
            return format!("{name}…");
        }
    }
    let is_word = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    let (mut veiled, mut rest) = (String::new(), line);
    while let Some(start) = rest.find(is_word) {
        let length = rest[start..].find(|character| !is_word(character)).unwrap_or(rest.len() - start);
        let word = &rest[start..start + length];
        veiled += &rest[..start];
        rest = &rest[start + length..];
        let prefix = ["em_at_", "em_rt_", "em_cs_", "c_"].into_iter().find(|prefix| word.starts_with(prefix));
        let prefix = prefix.unwrap_or("");
        let has = |kind: fn(&char) -> bool| word.chars().any(|character| kind(&character));
        let random =
            has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase) && has(char::is_ascii_digit);
        if length >= 22 && random {
            veiled += prefix;
            veiled += "…";
        } else if length == "1800000000".len() && word.bytes().all(|byte| byte.is_ascii_digit()) {
            veiled += "…";
        } else if length == "2026-07-28T12".len() && word.starts_with("20") && word[10..].starts_with('T') {
            veiled += "…";
            rest = rest.split_once('Z').map_or(rest, |(_, rest)| rest);
        } else {
            veiled += word;
        }
    }
    veiled + rest
}
