//! What a document names: every link, path and symbol must be there.
//!
//! Knows no commands. In backticks, `src/gate.rs` is a path, in the document's folder or in the repository,
//! `tests/gate.rs::refuses_…` a function in that file, and
//! `gate::check_host`, `Check::SchemeIsBearer` or `oauth::token::answer` a symbol: what stands before the last `::` is
//! a room or a type of the source, what stands behind it is defined there.

use std::fs;
use std::path::{Path, PathBuf};

/// What a document names that isn't there, each in a sentence.
pub fn missing(document: &str, folder: &Path) -> Vec<String> {
    let mut missing = Vec::new();
    for (number, line) in prose(document) {
        for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if !target.contains("://") && !folder.join(path).exists() {
                missing.push(format!("line {number}: the link leads to {path}, which is not there"));
            }
        }
        if line.matches('`').count() % 2 == 1 {
            missing.push(format!("line {number}: a backtick has no partner on its line"));
        }
        for span in line.split('`').skip(1).step_by(2) {
            if let Err(why) = look_up(span, folder) {
                missing.push(format!("line {number}: `{span}`: {why}"));
            }
        }
    }
    missing
}

/// Every symbol of the source that a document names.
pub fn symbols(document: &str) -> Vec<&str> {
    let spans = prose(document).flat_map(|(_, line)| line.split('`').skip(1).step_by(2));
    spans.filter(|span| is_symbol(span)).collect()
}

/// Every function in a file that a text names.
pub fn tests(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).filter(|span| is_path(span) && span.contains("::")).collect()
}

/// The lines outside of fenced blocks, with their numbers.
fn prose(document: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(document.lines()).filter(move |(_, line)| {
        let fence = line.starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

fn is_path(span: &str) -> bool {
    ["src/", "tests/", "docs/", "packaging/"].iter().any(|folder| span.starts_with(folder))
        && !span.contains(' ')
}

fn is_symbol(span: &str) -> bool {
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    span.contains("::") && !span.starts_with("std::") && span.split("::").all(word)
}

/// Whether a file has a test of this name.
fn has_test(text: &str, name: &str) -> bool {
    let signature = format!("fn {name}(");
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    lines.windows(2).any(|pair| pair[0] == "#[test]" && pair[1].starts_with(&signature))
}

fn look_up(span: &str, folder: &Path) -> Result<(), String> {
    if is_path(span) {
        let (path, function) = span.split_once("::").unwrap_or((span, ""));
        let place = [folder.join(path), PathBuf::from(path)].into_iter().find(|place| place.exists());
        let found = place.is_some();
        let text = place.and_then(|place| fs::read_to_string(place).ok()).unwrap_or_default();
        return match (found, function) {
            (false, _) => Err(format!("there is no {path}")),
            (true, "") => Ok(()),
            (true, function) if has_test(&text, function) => Ok(()),
            (true, function) => Err(format!("{path} has no test {function}")),
        };
    }
    let Some((owner, name)) = span.rsplit_once("::").filter(|_| is_symbol(span)) else { return Ok(()) };
    let is_type = |owner: &str| owner.starts_with(|first: char| first.is_ascii_uppercase());
    let last = owner.rsplit("::").next().unwrap_or_default();
    let defined = if is_type(last) {
        sources().iter().any(|(_, text)| parts_of(text, last).iter().any(|part| defines(part, name)))
    } else {
        rooms(owner).iter().any(|(path, text)| {
            defines(text, name) || path.with_extension("").ends_with(owner.replace("::", "/") + "/" + name)
        })
    };
    if defined { Ok(()) } else { Err(format!("{owner} defines no {name}")) }
}

/// The files of a room, `gate` or `oauth::token`.
fn rooms(room: &str) -> Vec<(PathBuf, String)> {
    let room = room.replace("::", "/");
    let inside = |path: &Path| {
        path.with_extension("").ends_with(&room)
            || path.parent().is_some_and(|folder| folder.ends_with(&room))
    };
    sources().into_iter().filter(|(path, _)| inside(path)).collect()
}

/// The definition of a type and its `impl` blocks.
fn parts_of(text: &str, name: &str) -> Vec<String> {
    let words =
        |line: &str| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == name);
    let begins = |line: &str| {
        let line = without_visibility(line);
        ["enum ", "struct ", "trait ", "impl"].iter().any(|kind| line.starts_with(kind)) && words(line)
    };
    let lines: Vec<_> = text.lines().collect();
    let starts = (0..lines.len()).filter(|start| begins(lines[*start]));
    starts
        .map(|start| lines[start..].split(|line| *line == "}").next().unwrap_or_default().join("\n"))
        .collect()
}

fn without_visibility(line: &str) -> &str {
    ["pub(crate) ", "pub(super) ", "pub "].iter().find_map(|pub_| line.strip_prefix(pub_)).unwrap_or(line)
}

/// Whether a text defines a name: a function, a type, a constant, a variant or a field.
fn defines(text: &str, name: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_');
    text.lines().map(str::trim_start).any(|line| {
        let line = without_visibility(line);
        let kinds = ["const fn ", "fn ", "struct ", "enum ", "trait ", "const ", "static ", "type "];
        let keyword = kinds.iter().find_map(|kind| line.strip_prefix(kind));
        let named = keyword.and_then(|rest| rest.strip_prefix(name)).is_some_and(ends);
        let member = line.strip_prefix(name).is_some_and(|rest| {
            rest.is_empty() || [",", "(", " {", ": ", " ="].iter().any(|next| rest.starts_with(next))
        });
        named || member && (line.ends_with(',') || line.ends_with('{'))
    })
}

/// Every source file with its text.
pub fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![PathBuf::from("src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.clone(), fs::read_to_string(&path).expect("text")));
            }
        }
    }
    found
}
