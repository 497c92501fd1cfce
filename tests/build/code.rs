//! The code that a text shows: whole files, and items of files.
//!
//! Knows no server. A block that opens with `rust src/answer.rs` shows that file, and one that opens with
//! `rust src/answer.rs refuse serve` these items of it, with what is written above them. So the code has one source,
//! which is compiled.

use std::fs;
use std::path::Path;

use crate::documents::blocks;

/// What is wrong with the code that a document in `folder` shows, each in a sentence.
pub fn wrong(document: &str, folder: &Path) -> Vec<String> {
    let blocks = blocks::blocks(document).unwrap_or_default();
    let shown = blocks.iter().filter_map(|block| Some((block, block.language.strip_prefix("rust ")?)));
    let wrong = shown.filter_map(|(block, source)| match text(source, folder) {
        Ok(text) if text == block.text => None,
        Ok(_) => Some(format!("line {}: this isn't the code of {source}", block.line)),
        Err(why) => Some(format!("line {}: {why}", block.line)),
    });
    wrong.collect()
}

/// The document with the code as it is.
pub fn rewritten(document: &str, folder: &Path) -> String {
    let mut lines: Vec<String> = document.lines().map(str::to_owned).collect();
    for block in blocks::blocks(document).unwrap_or_default().iter().rev() {
        let Some(text) = block.language.strip_prefix("rust ").and_then(|source| text(source, folder).ok())
        else {
            continue;
        };
        lines.splice(block.line..block.end - 1, text.lines().map(str::to_owned));
    }
    lines.join("\n") + "\n"
}

/// A file and the names of items to their text.
fn text(source: &str, folder: &Path) -> Result<String, String> {
    let (path, names) = source.split_once(' ').unwrap_or((source, ""));
    let file = fs::read_to_string(folder.join(path)).map_err(|error| format!("{path}: {error}"))?;
    if names.is_empty() {
        return Ok(file);
    }
    let found: Result<Vec<_>, _> = names.split(' ').map(|name| item(&file, name, path)).collect();
    Ok(found?.join("\n"))
}

/// An item with what stands above it; of a type its `impl` blocks too.
fn item(file: &str, name: &str, path: &str) -> Result<String, String> {
    let lines: Vec<_> = file.lines().collect();
    let mut found = Vec::new();
    for start in (0..lines.len()).filter(|at| begins(lines[*at], name)) {
        let is_above = |line: &&str| line.starts_with("///") || line.starts_with("#[");
        let above = lines[..start].iter().rev().take_while(|line| is_above(line)).count();
        // A constant may be a text of several lines, one of which ends with a semicolon.
        let last = if lines[start].contains("const ") { "\";" } else { "}" };
        let is_last = |line: &&str| line.ends_with(last) && !(last == "}" && line.starts_with(' '));
        let further = lines[start..].iter().position(is_last).filter(|_| !lines[start].ends_with(';'));
        let length = further.unwrap_or(0);
        found.push(lines[start - above..=start + length].join("\n") + "\n");
    }
    if found.is_empty() { Err(format!("{path} has no {name}")) } else { Ok(found.join("\n")) }
}

/// Whether a line begins the item, or an `impl` block of the type.
fn begins(line: &str, name: &str) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let words: Vec<_> = line.split(|character| !is_word(character)).filter(|word| !word.is_empty()).collect();
    let words = words.strip_prefix(&["pub"]).unwrap_or(&words);
    match words {
        ["fn" | "const" | "struct" | "enum" | "type", named, ..] => *named == name,
        // What follows the type's name is at most a lifetime.
        ["impl", of @ ..] => of.iter().rev().take(2).any(|word| *word == name),
        _ => false,
    }
}

/// What of the learner's file doesn't stand in the answer: the signatures are the same, and only bodies are missing.
pub fn not_in_answer(yours: &str, answer: &str) -> Vec<String> {
    let from = yours.find("\nuse ").unwrap_or(0);
    let mut parts = vec![String::new()];
    for line in yours[from..].lines() {
        if line.trim_start().starts_with("todo!(") {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            *part += &format!("{line}\n");
        }
    }
    parts.retain(|part| !answer.contains(part.trim_start_matches('\n')));
    parts
}

#[test]
fn finds_an_item_with_what_stands_above_it() {
    let file = "use a;\n\n/// One.\npub const ONE: u8 = 1;\n/// Two.\npub const TWO: &str = \"\n    a;\n    b;\";\n\n\
                #[derive(Debug)]\npub struct Three {\n    a: u8,\n}\n\nimpl Read for Three<'_> {\n    fn x() {}\n}\n\n\
                /// Four.\npub fn four(\n    a: Three,\n) -> u8 {\n    5\n}\n";
    let found =
        |names: &str| names.split(' ').map(|name| item(file, name, "a").expect("it")).collect::<String>();
    assert_eq!(found("ONE"), "/// One.\npub const ONE: u8 = 1;\n");
    assert_eq!(found("TWO"), "/// Two.\npub const TWO: &str = \"\n    a;\n    b;\";\n");
    assert_eq!(
        found("Three"),
        "#[derive(Debug)]\npub struct Three {\n    a: u8,\n}\n\nimpl Read for Three<'_> {\n    fn x() {}\n}\n"
    );
    assert_eq!(found("four"), "/// Four.\npub fn four(\n    a: Three,\n) -> u8 {\n    5\n}\n");
    assert_eq!(item(file, "five", "a"), Err("a has no five".to_owned()));
}

#[test]
fn finds_a_signature_that_differs() {
    let answer = "use a;\nuse b;\n\n/// One.\npub fn one(a: u8) -> u8 {\n    a\n}\n\n/// Two.\npub fn two() {\n    b()\n}\n\nfn help() {}\n";
    let yours = "//! Yours.\n\nuse a;\nuse b;\n\n/// One.\npub fn one(a: u8) -> u8 {\n    todo!(\"x\")\n}\n\n/// Two.\npub fn two() {\n    todo!(\"y\")\n}\n";
    assert_eq!(not_in_answer(yours, answer), Vec::<String>::new());
    assert_eq!(not_in_answer(&yours.replace("one(a: u8)", "one(a: u16)"), answer).len(), 1);
    assert_eq!(not_in_answer(&yours.replace("/// Two", "/// 2"), answer).len(), 1);
}
