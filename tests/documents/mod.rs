//! The documents are true: every command that they show is run and prints what they show, and what they name is there.
//!
//! Each document has a server of its own, the one that `make run` starts, and one shell for all its commands. The port
//! 8787 that they show becomes the server's, also where they show none and mean it. Where a document has the reader
//! start the server with variables, as in `EPICME_EXPLAIN=1 make run`, the server gets those. `UPDATE_DOCUMENTS=1` writes
//! what was printed into the documents.

pub mod blocks;
pub mod names;
pub mod pictures;
pub mod questions;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use self::blocks::{Block, Step, comparable, difference, fits, piece};
use self::pictures::Recorded;

use crate::support::{EPICME, Folder, Server};

/// How a reader starts the server with the wire view.
const WATCH: &str = "EPICME_EXPLAIN=1 make run";
/// What separates the output of one block from the next.
const MARK: char = '\u{1e}';

/// What came of a document's commands.
pub struct Run {
    /// What each step printed.
    pub printed: Vec<String>,
    pub log: String,
    /// What was sent, and what was answered.
    pub recorded: Recorded,
}

/// The port that a document shows, and the one that the server has.
#[derive(Clone, Copy)]
pub struct Port {
    pub shown: u16,
    pub own: u16,
}

impl Port {
    /// What stands before a port.
    const BESIDE: [&str; 5] = ["127.0.0.1:", "localhost:", "[::1]:", "127.0.0.1%3A", "epicme_"];

    /// A document's text with the server's own port.
    fn own(self, text: &str) -> String {
        Port::BESIDE.iter().fold(text.to_owned(), |text, name| {
            text.replace(&format!("{name}{}", self.shown), &format!("{name}{}", self.own))
        })
    }

    /// What was printed, with the port that the document shows.
    pub fn shown(self, text: &str) -> String {
        Port { shown: self.own, own: self.shown }.own(text)
    }
}

/// The options of the server that a document has its reader start: `EPICME_SOME_NAME=x make run`, in a block without a
/// language, is `--some-name x`, and a variable that is 1 is an option without a value.
fn options(document: &str) -> Vec<String> {
    let blocks = blocks::blocks(document).unwrap_or_default();
    let mut plain = blocks.iter().filter(|block| block.language.is_empty());
    let variables =
        plain.find_map(|block| block.text.strip_suffix("make run\n").filter(|text| !text.is_empty()));
    let mut options = vec!["--demo".to_owned()];
    for variable in variables.unwrap_or_default().split_whitespace() {
        let (name, value) = variable.split_once('=').expect("a variable and its value");
        let name = name.strip_prefix("EPICME_").expect("a variable of the server");
        options.push(format!("--{}", name.to_lowercase().replace('_', "-")));
        options.extend((value != "1").then(|| value.to_owned()));
    }
    options
}

/// Runs a document's commands where a reader stands: in the checkout, next to `make run`.
fn run(document: &str, steps: &[Step]) -> Result<Run, String> {
    let folder = Arc::new(Folder::new());
    let options = options(document);
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let server = Server::start_in(folder.clone(), &options);
    server.output_with("Search for it");
    fs::create_dir(folder.path().join("target")).expect("a folder");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let links = [
        (Path::new(EPICME), "target/epicme"),
        (&repository.join("docs"), "docs"),
        (&repository.join("src"), "src"),
    ];
    for (original, link) in links {
        symlink(original, folder.path().join(link)).expect("a link");
    }
    let port = Port { shown: 8787, own: server.address.port() };
    let listen = format!("127.0.0.1:{}", port.own);
    let printed = run_commands(steps, folder.path(), port, &[("EPICME_LISTEN", &listen)])?;
    server.send("GET /the-end HTTP/1.0\r\n\r\n"); // what is logged before this is logged
    let log = port.shown(&server.log_with("/the-end"));
    Ok(Run { printed, log, recorded: pictures::recorded(folder.path()) })
}

/// Runs commands in one shell, and returns what each step printed. Each must end with status 0. What curl
/// sends and gets is recorded in the folder.
pub fn run_commands(
    steps: &[Step],
    folder: &Path,
    port: Port,
    variables: &[(&str, &str)],
) -> Result<Vec<String>, String> {
    // On a terminal curl shows no progress, and nobody waits for ever.
    fs::write(folder.join(".curlrc"), "silent\nshow-error\nmax-time = 60\n").expect("a file");
    let mut script = "exec 2>&1\nset -u\n".to_owned();
    for step in steps {
        script += &format!("{}printf '{MARK}%s{MARK}' \"$?\"\n", step.commands.text);
        script += &pictures::mark(step.commands.line);
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", &port.own(&script)]).current_dir(folder).stdin(Stdio::null()).env_clear();
    shell.env("HOME", folder).env("PATH", pictures::record_in(folder));
    let output = shell.envs(variables.iter().copied()).output().expect("a shell runs");
    let output = port.shown(&String::from_utf8_lossy(&output.stdout));
    let parts: Vec<_> = output.split(MARK).collect();
    let mut printed = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        let (text, status) = (parts[2 * place], parts.get(2 * place + 1));
        if status != Some(&"0") {
            let how =
                status.map_or("ended the shell".to_owned(), |status| format!("ended with status {status}"));
            return Err(format!("line {}: the commands {how} and printed\n{text}", step.commands.line));
        }
        printed.push(text.to_owned());
    }
    Ok(printed)
}

/// Whether a step shows the wire.
fn is_watched(step: &Step) -> bool {
    step.logged.as_ref().is_some_and(|block| block.language == "wire")
}

/// What is wrong with a document's steps, each in a sentence that says what was expected and what came.
pub fn faults(steps: &[Step], run: &Run) -> Vec<String> {
    let mut faults = Vec::new();
    let mut log = &comparable("text", &run.log)[..];
    for (step, text) in steps.iter().zip(&run.printed) {
        let (line, language, shown) = match &step.printed {
            Some(block) => (block.line, block.language.as_str(), block.text.as_str()),
            None => (step.commands.line, "text", ""),
        };
        let (expected, came) = (comparable(language, shown), comparable(language, text));
        if let Some((one, other)) = difference(&expected, &came) {
            let at =
                |lines: &[String], place| lines.get(place).cloned().unwrap_or("(nothing more)".to_owned());
            let place = if language == "json" { line } else { line + 1 + one };
            faults.push(format!(
                "line {place}: this differs\n  expected: {}\n  came:     {}",
                at(&expected, one),
                at(&came, other)
            ));
        }
        let Some(block) = &step.logged else { continue };
        let missing = if block.language == "wire" {
            wire_missing(block, &mut log)
        } else {
            log_missing(block, &mut log)
        };
        if let Some(fault) = missing {
            faults.push(fault);
            return faults;
        }
    }
    faults
}

/// Looks for each line of a `log` block in what is left of the log.
fn log_missing(block: &Block, log: &mut &[String]) -> Option<String> {
    for (number, expected) in (block.line + 1..).zip(comparable("text", &block.text)) {
        match log.iter().position(|line| fits(&expected, line)) {
            Some(place) => *log = &log[place + 1..],
            None => {
                let came = log.join("\n");
                return Some(format!(
                    "line {number}: the log doesn't say this\n  expected: {expected}\n  came:\n{came}"
                ));
            }
        }
    }
    None
}

/// Looks for a `wire` block in what is left of the wire view.
fn wire_missing(block: &Block, log: &mut &[String]) -> Option<String> {
    let expected = comparable("text", &block.text);
    match piece(&expected, log) {
        Ok(length) => {
            *log = &log[length..];
            None
        }
        Err((one, other)) => {
            let at = |lines: &[String], place| lines.get(place).cloned().unwrap_or_default();
            Some(format!(
                "line {}: the wire view doesn't say this\n  expected: {}\n  came:     {}",
                block.line + 1 + one,
                at(&expected, one),
                at(log, other)
            ))
        }
    }
}

/// What is wrong with a document in `folder`.
fn check(document: &str, folder: &Path) -> Vec<String> {
    let mut wrong = names::missing(document, folder);
    let steps = match blocks::steps(document) {
        Ok(steps) => steps,
        Err(why) => return [wrong, vec![why]].concat(),
    };
    let says_how = options(document).iter().any(|option| option == "--explain");
    if let Some(step) = steps.iter().find(|step| is_watched(step) && !says_how) {
        let line = step.commands.line;
        let why =
            format!("line {line}: the document shows the wire view, but doesn't say to start `{WATCH}`");
        return [wrong, vec![why]].concat();
    }
    match run(document, &steps) {
        Ok(run) => {
            wrong.extend(faults(&steps, &run));
            wrong.extend(pictures::wrong(document, &run.recorded, None));
        }
        Err(why) => wrong.push(why),
    }
    wrong
}

/// How many lines a chapter has before its questions, without its diagrams.
fn own_lines(chapter: &str) -> usize {
    let own = chapter.split("\n## Questions\n").next().unwrap_or_default();
    let blocks = blocks::blocks(own).expect("blocks");
    let diagrams = blocks.iter().filter(|block| block.language == "mermaid");
    own.lines().count() - diagrams.map(|block| block.end + 1 - block.line).sum::<usize>()
}

/// Writes what its commands print into a document. What can't be run stays as it is, and is told by the check.
fn update_document(path: &Path) {
    let document = text_of(path);
    let Ok(steps) = blocks::steps(&document) else { return };
    let Ok(run) = run(&document, &steps) else { return };
    fs::write(path, blocks::rewritten(&document, &steps, &run.printed)).expect("the document can be written");
}

/// The README, the recipes for clients, the page for operators and the walkthrough.
fn documents() -> Vec<PathBuf> {
    let walkthrough = fs::read_dir("docs/walkthrough").expect("the walkthrough");
    let walkthrough = walkthrough.map(|entry| entry.expect("a file").path());
    let mut paths: Vec<_> =
        walkthrough.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    paths.extend(["README.md", "docs/clients.md", "docs/operating.md"].map(PathBuf::from));
    paths.sort();
    paths
}

pub fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The numbered chapters, in order.
pub fn chapters() -> Vec<(PathBuf, String)> {
    let numbered =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes()[0].is_ascii_digit());
    documents().into_iter().filter(numbered).map(|path| (path.clone(), text_of(&path))).collect()
}

#[test]
fn print_what_they_show() {
    let update = std::env::var_os("UPDATE_DOCUMENTS").is_some();
    let threads = documents().into_iter().map(|path| {
        std::thread::spawn(move || {
            if update {
                update_document(&path);
            }
            let mut document = text_of(&path);
            if path == Path::new("README.md") {
                document = pictures::left_out(&document); // see `show_the_whole_in_one_diagram`
            }
            let wrong = check(&document, path.parent().expect("a folder"));
            wrong.into_iter().map(|why| format!("{}, {why}\n", path.display())).collect::<String>()
        })
    });
    let threads: Vec<_> = threads.collect();
    let wrong: String = threads
        .into_iter()
        .map(|thread| thread.join().unwrap_or("a document panicked\n".to_owned()))
        .collect();
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn name_what_is_there() {
    let paths = [
        "docs/architecture.md",
        "docs/performance.md",
        "docs/threats.md",
        "CHANGELOG.md",
        ".github/CONTRIBUTING.md",
        ".github/SECURITY.md",
    ];
    let missing = paths.map(Path::new).into_iter().flat_map(|path| {
        let missing = names::missing(&text_of(path), path.parent().expect("a folder"));
        missing.into_iter().map(move |why| format!("{}, {why}\n", path.display()))
    });
    let missing: String = missing.collect();
    assert!(missing.is_empty(), "\n{missing}");
}

#[test]
fn show_how_to_add_a_tool_in_four_steps() {
    let contributing = text_of(Path::new(".github/CONTRIBUTING.md"));
    let section = contributing.split("\n## ").find(|section| section.starts_with("Add a tool\n"));
    let steps: Vec<_> =
        section.expect("a section").split("\n\n").nth(1).expect("a list").split("\n").collect();
    let starts: Vec<u8> = steps.iter().filter_map(|line| line.split(". ").next()?.parse().ok()).collect();
    assert_eq!(starts, [1, 2, 3, 4], "{steps:?}");
    for place in [
        "`journal::entries::find`",
        "`tools::entries::get_entry`",
        "`tools::table::table`",
        "`tests/journal.rs`",
    ] {
        assert!(steps.iter().any(|line| line.contains(place)), "no step names {place}");
    }
}

#[test]
fn keep_each_chapter_to_one_form() {
    let chapters = chapters();
    assert_eq!(chapters.len(), 15);
    let index = text_of(Path::new("docs/walkthrough/README.md"));
    for (number, (path, text)) in (1..).zip(&chapters) {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(name.starts_with(&format!("{number:02}-")), "{name}");
        assert!(text.starts_with(&format!("# {number}. ")), "{name} has its number in the heading");
        assert!(index.contains(&format!("]({name})")), "the index leads to {name}");
        let parts = [
            "\n## Predict\n",
            "\n## Run\n",
            "\n## See\n",
            "\n## Why\n",
            "\n## Break it\n",
            "\n## Exercise\n",
        ];
        let places: Vec<_> = parts.iter().map(|part| text.find(part).unwrap_or(0)).collect();
        assert!(places[0] > 0 && places.is_sorted(), "{name} has its parts in order: {places:?}");
        let see = text[places[2]..].split("\n## ").nth(1).expect("a part");
        assert!(pictures::ends_with_one(see), "{name} has its diagram at the end of See");
        let hidden = text.split("<details>").nth(1).and_then(|rest| rest.split("</details>").next());
        assert!(
            hidden.is_some_and(|solution| solution.contains("```sh\n")),
            "{name} hides a solution that is run"
        );
        assert!(!names::symbols(text).is_empty(), "{name} names no symbol of the source");
        let next = chapters.get(number).map(|(path, _)| path.file_name().and_then(|name| name.to_str()));
        assert!(
            next.is_none_or(|next| text.contains(&format!("]({})", next.expect("a name")))),
            "{name} leads on"
        );
        let own = own_lines(text);
        assert!((80..=210).contains(&own), "{name} has {own} lines without diagrams and questions");
        assert_eq!(questions::wrong(text), Vec::<String>::new(), "{name}");
    }
}

/// Chapter 12 puts all together, and its run is that of the diagram.
#[test]
fn show_the_whole_in_one_diagram() {
    let diagram = |path: &str| {
        let blocks = blocks::blocks(&text_of(Path::new(path))).expect("blocks");
        let diagram = blocks.into_iter().find(|block| block.language == "mermaid");
        diagram.unwrap_or_else(|| panic!("{path} has no diagram")).text
    };
    let whole = diagram("README.md");
    assert_eq!(whole, diagram("docs/walkthrough/12-press-connect.md"));
    for speaker in pictures::SPEAKERS {
        assert!(whole.contains(speaker), "{speaker} is a part of it");
    }
}

#[test]
fn map_every_room_in_the_order_of_the_source() {
    let library = text_of(Path::new("src/lib.rs"));
    let mut rooms = vec!["src/main.rs".to_owned(), "src/lib.rs".to_owned()];
    for room in library
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
    {
        let file = format!("src/{room}.rs");
        rooms.push(if Path::new(&file).exists() { file } else { format!("src/{room}/") });
    }
    let architecture = text_of(Path::new("docs/architecture.md"));
    let mapped: Vec<_> = architecture.lines().filter_map(|line| line.strip_prefix("| `src/")).collect();
    let path = |row: &&str| format!("src/{}", row.split('`').next().unwrap_or_default());
    let is_room = |path: &String| {
        path.trim_end_matches('/').matches('/').count() == 1 && (path.ends_with('/') || path.ends_with(".rs"))
    };
    let mapped_rooms: Vec<_> = mapped.iter().map(path).filter(is_room).collect();
    assert_eq!(mapped_rooms, rooms, "the rows of the map are the rooms of src/lib.rs, in their order");
    let mapped_all: Vec<_> = mapped.iter().map(path).collect();
    for (source, _) in names::sources() {
        let source = source.to_str().expect("a path in ASCII");
        let found = mapped_all.iter().position(|row| row == source);
        let found = found.unwrap_or_else(|| panic!("{source} is not on the map"));
        let room = mapped_rooms.iter().rposition(|room| mapped_all[..=found].contains(room));
        let room = room.map(|room| &mapped_rooms[room]);
        let inside = source.matches('/').count() == 1 || room.is_some_and(|room| source.starts_with(room));
        assert!(inside, "{source} is in its room's part of the map");
    }
    for row in mapped {
        let cells: Vec<_> = row.trim_end_matches('|').split(" | ").map(str::trim).collect();
        assert!(
            cells.len() == 3 && cells.iter().all(|cell| !cell.is_empty()),
            "a path, a job, an invariant: {row}"
        );
    }
}

#[test]
fn show_a_test_for_every_threat() {
    let threats = text_of(Path::new("docs/threats.md"));
    let rows: Vec<_> =
        threats.lines().filter(|line| line.starts_with("| ") && !line.contains("| Tests |")).collect();
    assert!(rows.len() > 20, "{} threats", rows.len());
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 3, "a failure, what rules it out, its tests: {row}");
        assert!(cells[1].contains('`'), "what rules it out has a name in the source: {row}");
        assert!(!names::tests(cells[2]).is_empty(), "no test: {row}");
    }
}

/// A document of one command, which prints `401`.
const REQUEST: &str = "curl -s -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:8787/mcp";

#[track_caller]
fn check_refused(document: &str, sentence: &str) {
    let wrong = check(document, Path::new("."));
    assert_eq!(wrong.len(), 1, "{sentence}: {wrong:?}");
    assert!(wrong[0].contains(sentence), "{}", wrong[0]);
}

fn shown(commands: &str, language: &str, text: &str) -> String {
    format!("```sh\n{commands}\n```\n```{language}\n{text}\n```\n")
}

/// The diagram of that request.
fn drawn(status: &str) -> String {
    let arrows = format!("client->>gate: GET /mcp\ngate-->>client: {status}");
    format!("Drawn:\n```mermaid\nsequenceDiagram\nparticipant client\nparticipant gate\n{arrows}\n```\n")
}

#[test]
fn accept_a_document_that_is_true() {
    let document = format!(
        "See `gate::check_host`, `Check::SchemeIsBearer`, `tests/gate.rs` and [the gate](src/gate.rs).\n\n\
         ```sh\nprobe() {{ {REQUEST}; }}\nprobe\n```\n\n```text\n401\n```\n\n```log\n… GET /mcp 401 outcome=no-token id=…\n```\n\n\
         ```sh\nprobe | sed 's/.*/{{\"status\":&,\"id\":\"x, y\"}}/'\n```\n\n```json\n{{ \"status\": 401,\n  … }}\n```\n\n\
         ```sh\ncurl -i http://127.0.0.1:8787/mcp\n```\n\n```http\nHTTP/1.1 401 Unauthorized\n…\nVary: Origin\n…\n```\n"
    );
    assert_eq!(check(&document, Path::new(".")), Vec::<String>::new());
    let watched = format!(
        "```\n{WATCH}\n```\n\n```sh\n{REQUEST}\n```\n```text\n401\n```\n```wire\n> GET /mcp\n> Host: 127.0.0.1:8787\n…\n\
         < 401 Unauthorized\n```\n"
    );
    assert_eq!(check(&watched, Path::new(".")), Vec::<String>::new());
    let drawn = format!("{}{}", shown(REQUEST, "text", "401"), drawn("401 Unauthorized"));
    assert_eq!(check(&drawn, Path::new(".")), Vec::<String>::new());
}

#[test]
fn refuse_a_document_that_is_not_true() {
    let request = "curl -i http://127.0.0.1:8787/mcp";
    let status = shown(request, "http", "HTTP/1.1 403 Forbidden\n…");
    check_refused(
        &status,
        "line 5: this differs\n  expected: HTTP/1.1 403 Forbidden\n  came:     HTTP/1.1 401 Unauthorized",
    );
    let header = shown(
        request,
        "http",
        "HTTP/1.1 401 Unauthorized\nDate: …\nContent-Type: text/plain; charset=utf-8\nCache-Control: no-cache\n…",
    );
    check_refused(
        &header,
        "line 8: this differs\n  expected: Cache-Control: no-cache\n  came:     Cache-Control: no-store",
    );
    let short = shown(REQUEST, "text", "401\n402");
    check_refused(&short, "line 6: this differs\n  expected: 402\n  came:     (nothing more)");
    let metadata = "curl -s http://127.0.0.1:8787/.well-known/oauth-protected-resource";
    let member = shown(metadata, "json", "{ \"resource\": \"http://127.0.0.1:8787/\", … }");
    check_refused(
        &member,
        "expected: \"resource\":\"http://127.0.0.1:8787/\",\n  came:     \"resource\":\"http://127.0.0.1:8787/mcp\",",
    );
    check_refused(
        &shown(REQUEST, "log", "… outcome=no-token id=…"),
        "expected: (nothing more)\n  came:     401",
    );
    check_refused(
        &(shown(REQUEST, "text", "401") + "```log\n… outcome=expired id=…\n```\n"),
        "the log doesn't say this\n  expected: … outcome=expired",
    );
    let wire = shown(REQUEST, "text", "401") + "```wire\n> GET /mcp\n> Host: localhost:8787\n```\n";
    check_refused(
        &format!("```\n{WATCH}\n```\n{wire}"),
        "line 12: the wire view doesn't say this\n  expected: > Host: localhost:8787\n  came:     > Host: 127.0.0.1:8787",
    );
    let gap = wire.replace("localhost:8787", "127.0.0.1:8787\n< 401 Unauthorized");
    check_refused(
        &format!("```\n{WATCH}\n```\n{gap}"),
        "expected: < 401 Unauthorized\n  came:     > Accept: */*",
    );
    check_refused(
        &gap.replace("\n< 401 Unauthorized", ""),
        "doesn't say to start `EPICME_EXPLAIN=1 make run`",
    );
    check_refused(
        &shown(&format!("{REQUEST}; false"), "text", "401"),
        "line 1: the commands ended with status 1 and printed\n401",
    );
    check_refused(&shown("exit 0", "text", ""), "line 1: the commands ended the shell");
    check_refused("", "the document has no command");
    check_refused("```text\n401\n```\n", "line 1: a text block belongs to no command");
    check_refused("```\nmake run\n", "line 1: the block has no end");
    let true_step = shown(REQUEST, "text", "401");
    check_refused(
        &(true_step.clone() + &drawn("403 Forbidden")),
        "line 12: this didn't happen, or not now\n  drawn: client to gate: GET /mcp; gate to client: 403 Forbidden",
    );
    for (named, sentence) in [
        ("`gate::admits`", "line 1: `gate::admits`: gate defines no admits"),
        ("`Check::NoTokens`", "line 1: `Check::NoTokens`: Check defines no NoTokens"),
        ("`Refusal::admit`", "line 1: `Refusal::admit`: Refusal defines no admit"),
        ("`oauth::gate::admit`", "oauth::gate defines no admit"),
        ("`src/absent.rs`", "line 1: `src/absent.rs`: there is no src/absent.rs"),
        ("`tests/gate.rs::refuses_all`", "tests/gate.rs has no test refuses_all"),
        ("[a file](src/absent.rs#top)", "line 1: the link leads to src/absent.rs, which is not there"),
    ] {
        check_refused(&format!("{named}\n\n{true_step}"), sentence);
    }
}

#[test]
fn rewrite_what_is_shown_and_keep_what_stands_for_what_varies() {
    let document = "Before.\n\n```sh\none\n```\n\n```http\nHTTP/1.1 200 OK\nDate: …\nX: a…\n```\n\n```sh\ntwo\n```\n\n\
                    ```json\n{\"a\": …}\n```\n\n```sh\nthree\n```\n\nAfter.\n";
    let steps = blocks::steps(document).expect("three steps");
    let printed = [
        "HTTP/1.1 401 Unauthorized\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nX: abc\r\n".to_owned(),
        "{\"a\": 1}".to_owned(),
        "em_at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAa1 until 2026-07-28T12:00:00Z\n".to_owned(),
    ];
    let rewritten = blocks::rewritten(document, &steps, &printed);
    let expected = document
        .replace("200 OK", "401 Unauthorized")
        .replace("three\n```\n", "three\n```\n\n```text\nem_at_… until …\n```\n");
    assert_eq!(rewritten, expected);
    let steps = blocks::steps(&rewritten).expect("three steps");
    assert_eq!(blocks::rewritten(&rewritten, &steps, &printed), rewritten);
}

#[test]
fn name_targets_and_a_server_that_start() {
    let (readme, makefile) = (text_of(Path::new("README.md")), text_of(Path::new("Makefile")));
    let blocks = blocks::blocks(&readme).expect("blocks");
    let lines: Vec<_> = blocks
        .iter()
        .filter(|block| block.language.is_empty())
        .flat_map(|block| block.text.lines())
        .collect();
    let targets: Vec<_> =
        lines.iter().filter_map(|line| line.strip_prefix("make ")?.split(' ').next()).collect();
    assert!(targets.contains(&"run") && targets.contains(&"test"), "{targets:?}");
    let workflow = [".github/workflows/ci.yml", ".github/workflows/release.yml", ".ci/run"]
        .map(|path| text_of(Path::new(path)))
        .concat();
    let in_workflow =
        workflow.lines().filter_map(|line| line.trim().trim_start_matches("- run: ").strip_prefix("make "));
    let in_workflow: Vec<_> = in_workflow.filter_map(|rest| rest.split(' ').next()).collect();
    for needed in ["test", "run", "interop", "crates", "dist"] {
        assert!(in_workflow.contains(&needed), "no workflow runs make {needed}: {in_workflow:?}");
    }
    for target in targets.into_iter().chain(in_workflow) {
        assert!(makefile.contains(&format!("\n{target}: ")), "there is no make {target}");
    }
    let served: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("target/epicme serve ")).collect();
    assert!(!served.is_empty());
    for options in served {
        let options = options.replace("--listen 127.0.0.1:8787 ", ""); // the test's server takes a free port
        let options: Vec<_> = options.split(' ').collect();
        assert!(Server::start_in(Arc::new(Folder::new()), &options).address.port() > 0);
    }
}

#[test]
fn show_a_request_and_its_401_on_the_first_screen() {
    let readme = text_of(Path::new("README.md"));
    assert!(readme.matches("](src/").count() > 5);
    let first_screen: Vec<_> = readme.lines().take(40).collect();
    for needed in [
        "make run",
        "make test",
        "curl -i",
        "WWW-Authenticate: Bearer",
        "src/gate.rs",
        "Authorization: Bearer $TOKEN",
        "docs/walkthrough",
    ] {
        assert!(first_screen.iter().any(|line| line.contains(needed)), "{needed} is not on the first screen");
    }
}
