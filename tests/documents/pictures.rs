//! The sequence diagrams of a text, in Mermaid: their form, and whether what they show happened.
//!
//! Knows no server. A run is recorded as the exchanges that there were, in order, by curl, which writes down what it
//! sends and gets. A diagram may leave out what happened. But each of its arrows must be one of an exchange of the run,
//! those of one exchange together, and all in the order of the run. What the commands behind it send is not meant by it.
//! Notes are for what no run records; nobody compares them.
//!
//! Of Mermaid this reads the few forms that the texts use, and refuses all others: `tests/interop/diagrams.mjs` has
//! Mermaid itself read every diagram.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::blocks::{self, Block};

/// Who speaks, in the order of the columns. The page of `serve --watch` names the same (`tests/watch.rs`).
pub const SPEAKERS: [&str; 5] = ["browser", "client", "gate", "authorization server", "journal"];
/// More than this no reader takes in at one look.
const ARROWS_MAX: usize = 16;

/// What one sends to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrow {
    pub from: String,
    pub to: String,
    /// A method and a path, an operation of the journal, or a status.
    pub text: String,
    pub is_answer: bool,
}

/// A request, what the gate passes on to the journal, and the answer.
pub type Exchange = Vec<Arrow>;

/// What was sent and answered, each with the line of the commands that did it.
pub type Recorded = Vec<(usize, Exchange)>;

impl Arrow {
    pub fn new(from: &str, to: &str, text: &str, is_answer: bool) -> Arrow {
        Arrow { from: from.to_owned(), to: to.to_owned(), text: text.to_owned(), is_answer }
    }
}

/// What the shell finds in the place of curl: curl, which writes down what it sends and gets, in a file for each call.
const RECORDER: &str = "\
#!/bin/sh
PATH=${PATH#*:}
exec curl --trace-ascii \"$HOME/.wire/$(ls \"$HOME/.wire\" | wc -l)\" \"$@\"
";

/// Puts the recorder into a folder, the home of the commands. Returns the `PATH` with which they find it.
pub fn record_in(folder: &Path) -> String {
    let programs = folder.join(".programs");
    for path in [&programs, &folder.join(".wire")] {
        fs::create_dir_all(path).expect("a folder");
    }
    fs::write(programs.join("curl"), RECORDER).expect("a file");
    fs::set_permissions(programs.join("curl"), Permissions::from_mode(0o755)).expect("it may be run");
    format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default())
}

/// The command that marks the end of the commands of a line: it adds a file with the number alone.
pub fn mark(line: usize) -> String {
    format!("echo {line} > \"$HOME/.wire/$(ls \"$HOME/.wire\" | wc -l)\"\n")
}

/// What was recorded in a folder.
pub fn recorded(folder: &Path) -> Recorded {
    let (mut recorded, mut of_line) = (Vec::new(), Vec::new());
    for number in 0.. {
        let Ok(trace) = fs::read(folder.join(format!(".wire/{number}"))) else { break };
        let trace = String::from_utf8_lossy(&trace);
        match trace.trim_end().parse() {
            Ok(line) => recorded.extend(of_line.drain(..).map(|exchange| (line, exchange))),
            Err(_) => of_line.extend(traced(&trace)),
        }
    }
    recorded
}

/// A request and its answer, as curl saw them.
#[derive(Default)]
struct Seen {
    method: String,
    path: String,
    body: String,
    status: Option<String>,
    answer: String,
}

/// Reads what curl writes down with `--trace-ascii`: headings, and below them the bytes in lines with their places.
fn traced(trace: &str) -> Vec<Exchange> {
    let (mut all, mut heading): (Vec<Seen>, _) = (Vec::new(), "");
    for line in trace.lines() {
        let is_data = line.len() > 4 && line.as_bytes()[..4].iter().all(u8::is_ascii_hexdigit);
        let Some((place, text)) = line.split_once(": ").filter(|_| is_data) else {
            heading = line.split(", ").next().unwrap_or_default();
            continue;
        };
        match (heading, place, all.last_mut()) {
            ("=> Send header", "0000", _) => {
                let mut words = text.split([' ', '?']).map(str::to_owned);
                let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                all.push(Seen { method, path, ..Seen::default() });
            }
            ("=> Send data", _, Some(seen)) => seen.body += text,
            ("<= Recv header", "0000", Some(seen)) => {
                let status = text.strip_prefix("HTTP/1.1 ").filter(|status| !status.starts_with("100 "));
                seen.status = status.map(str::to_owned).or(seen.status.take());
            }
            ("<= Recv data", _, Some(seen)) => seen.answer += text,
            _ => {}
        }
    }
    all.iter().map(exchange).collect()
}

/// Who speaks follows from the path, and what the journal did from the answer: it is a result, and no error.
fn exchange(seen: &Seen) -> Exchange {
    let Seen { method, path, body, status, answer } = seen;
    let (from, to) = match path.as_str() {
        "/authorize" | "/sign-in" => ("browser", "authorization server"),
        "/register" | "/token" | "/revoke" | "/introspect" => ("client", "authorization server"),
        path if path.starts_with("/.well-known/oauth-authorization-server") => {
            ("client", "authorization server")
        }
        _ => ("client", "gate"),
    };
    let mut exchange = vec![Arrow::new(from, to, &format!("{method} {path}"), false)];
    let member = |name: &str| body.split(name).nth(1)?.trim_start_matches([':', ' ', '"']).split('"').next();
    let operation =
        member("\"method\"").filter(|method| *method != "tools/call").or_else(|| member("\"name\""));
    if answer.contains("\"result\":") && !answer.contains("\"isError\":true") {
        exchange.extend(operation.map(|operation| Arrow::new("gate", "journal", operation, false)));
    }
    exchange.extend(status.as_ref().map(|status| Arrow::new(to, from, status, true)));
    exchange
}

/// The requests of all diagrams of a document.
pub fn requests(document: &str) -> Vec<Arrow> {
    let blocks = blocks::blocks(document).expect("blocks");
    let diagrams = blocks.iter().filter(|block| block.language == "mermaid");
    let arrows = diagrams.flat_map(|block| arrows(block).expect("arrows"));
    arrows.map(|(_, arrow)| arrow).filter(begins).collect()
}

/// What is wrong with the sequence diagrams of a document, each in a sentence. They show what the commands before line
/// `end` have sent, or if there is none, those before the diagram itself.
pub fn wrong(document: &str, recorded: &Recorded, end: Option<usize>) -> Vec<String> {
    let lines: Vec<_> = document.lines().collect();
    let diagrams = blocks::blocks(document).unwrap_or_default();
    let diagrams = diagrams.iter().filter(|block| block.language == "mermaid");
    let wrong = diagrams.filter_map(|block| {
        let before = lines[..block.line - 1].iter().rfind(|line| !line.is_empty());
        if !before.is_some_and(|line| line.ends_with(':') && !line.starts_with('#')) {
            return Some(format!("line {}: no sentence before the diagram says what it shows", block.line));
        }
        let end = end.unwrap_or(block.line);
        let until: Vec<_> = recorded.iter().filter(|(line, _)| *line < end).collect();
        arrows(block).and_then(|arrows| compare(&arrows, &until)).err()
    });
    wrong.collect()
}

/// A document without its diagrams, and as many lines.
pub fn left_out(document: &str) -> String {
    let mut lines: Vec<_> = document.lines().collect();
    for block in blocks::blocks(document).unwrap_or_default() {
        if block.language == "mermaid" {
            lines[block.line - 1..block.end].fill("");
        }
    }
    lines.join("\n") + "\n"
}

/// Whether a part of a document ends with a diagram.
pub fn ends_with_one(part: &str) -> bool {
    let last = blocks::blocks(part.trim_end()).ok().and_then(|mut blocks| blocks.pop());
    last.is_some_and(|block| block.language == "mermaid" && block.end == part.trim_end().lines().count())
}

/// The arrows of a sequence diagram, with the numbers of their lines.
fn arrows(block: &Block) -> Result<Vec<(usize, Arrow)>, String> {
    let mut lines = (block.line + 1..).zip(block.text.lines().map(str::trim));
    let wrong = |number: usize, why: &str| Err(format!("line {number}: {why}"));
    if lines.next().is_none_or(|(_, line)| line != "sequenceDiagram") {
        return wrong(block.line, "the diagram doesn't begin with sequenceDiagram");
    }
    let (mut speakers, mut arrows): (Vec<(&str, &str)>, Vec<_>) = (Vec::new(), Vec::new());
    let mut seen = Vec::new();
    for (number, line) in lines {
        // To Mermaid a semicolon is the end of a line, and `#` begins a character's number.
        if line.contains([';', '#']) {
            return wrong(number, "Mermaid reads ; and # in another way");
        }
        if let Some(rest) = line.strip_prefix("participant ") {
            speakers.push(rest.split_once(" as ").unwrap_or((rest, rest)));
            continue;
        }
        let Some((head, text)) = line.split_once(": ").filter(|(_, text)| !text.is_empty()) else {
            return wrong(number, "not a participant, an arrow or a note");
        };
        let mut named = |id: &str| {
            let found = speakers.iter().find(|(known, _)| *known == id).map(|(_, name)| (*name).to_owned());
            seen.extend(found.clone());
            found.ok_or_else(|| format!("line {number}: {id} is no participant"))
        };
        if let Some(over) = head.strip_prefix("Note over ") {
            over.split(',').try_for_each(|id| named(id).map(drop))?;
        } else if let Some((from, to)) = head.split_once("-->>") {
            arrows.push((number, Arrow::new(&named(from)?, &named(to)?, text, true)));
        } else if let Some((from, to)) = head.split_once("->>") {
            arrows.push((number, Arrow::new(&named(from)?, &named(to)?, text, false)));
        } else {
            return wrong(number, "not a participant, an arrow or a note");
        }
    }
    let names: Vec<_> = speakers.iter().map(|(_, name)| *name).collect();
    // The course has a second client, which is slow.
    let columns = [&["slow client"], &SPEAKERS[..]].concat();
    let places: Option<Vec<_>> =
        names.iter().map(|name| columns.iter().position(|column| column == name)).collect();
    if !places.is_some_and(|places| places.is_sorted_by(|one, next| one < next)) {
        return wrong(block.line, &format!("the participants are {}, in this order", columns.join(", ")));
    }
    if let Some(silent) = names.iter().find(|name| !seen.iter().any(|seen| seen == *name)) {
        return wrong(block.line, &format!("{silent} says and hears nothing"));
    }
    match arrows.len() {
        0 => wrong(block.line, "the diagram has no arrow"),
        1..=ARROWS_MAX => Ok(arrows),
        count => wrong(block.line, &format!("{count} arrows are too many")),
    }
}

/// Looks for each exchange of a diagram in what is left of the run. A request begins one, and what follows belongs to it.
fn compare(arrows: &[(usize, Arrow)], recorded: &[&(usize, Exchange)]) -> Result<(), String> {
    let mut left = recorded;
    for exchange in arrows.chunk_by(|_, (_, next)| !begins(next)) {
        let (number, first) = &exchange[0];
        if !begins(first) {
            return Err(format!("line {number}: this is the answer to nothing"));
        }
        let is_it = |(_, came): &&(usize, Exchange)| {
            let mut came = came.iter();
            exchange.iter().all(|(_, drawn)| came.any(|arrow| arrow == drawn))
        };
        let Some(place) = left.iter().position(is_it) else {
            let drawn: Vec<_> = exchange.iter().map(|(_, arrow)| said(arrow)).collect();
            let came = left.iter().map(|(_, came)| came.iter().map(said).collect::<Vec<_>>().join("; "));
            let came: Vec<_> = came.collect();
            return Err(format!(
                "line {number}: this didn't happen, or not now\n  drawn: {}\n  left:\n{}",
                drawn.join("; "),
                came.join("\n")
            ));
        };
        left = &left[place + 1..];
    }
    Ok(())
}

/// Whether an arrow is the request of an exchange.
fn begins(arrow: &Arrow) -> bool {
    !arrow.is_answer && arrow.to != "journal"
}

fn said(arrow: &Arrow) -> String {
    format!("{} to {}: {}", arrow.from, arrow.to, arrow.text)
}

/// A call that the gate refuses, then one that it lets pass.
const DRAWN: &str = "First:\n\n```mermaid\nsequenceDiagram\n    participant client\n    participant gate\n    \
    participant journal\n    client->>gate: POST /mcp\n    Note over client,gate: no token\n    \
    gate-->>client: 401 Unauthorized\n    client->>gate: POST /mcp\n    gate->>journal: whoami\n    \
    gate-->>client: 200 OK\n```\n";

fn run() -> Recorded {
    let asked = |path: &str| Arrow::new("client", "gate", path, false);
    let answered = |status: &str| Arrow::new("gate", "client", status, true);
    let passed = Arrow::new("gate", "journal", "whoami", false);
    vec![
        (1, vec![asked("GET /mcp"), answered("404 Not Found")]),
        (1, vec![asked("POST /mcp"), answered("401 Unauthorized")]),
        (1, vec![asked("GET /mcp"), answered("403 Forbidden")]),
        (2, vec![asked("POST /mcp"), passed, answered("200 OK")]),
        (4, vec![asked("GET /mcp"), answered("401 Unauthorized")]),
    ]
}

#[test]
fn accepts_what_happened_and_what_leaves_something_out() {
    assert_eq!(wrong(DRAWN, &run(), None), Vec::<String>::new());
    for line in
        ["gate-->>client: 200 OK", "gate-->>client: 401 Unauthorized", "Note over client,gate: no token"]
    {
        assert_eq!(
            wrong(&DRAWN.replace(&format!("    {line}\n"), ""), &run(), None),
            Vec::<String>::new(),
            "{line}"
        );
    }
    let later = DRAWN
        .replace(
            "journal: whoami",
            "journal: whoami\n    gate-->>client: 200 OK\n    client->>gate: GET /mcp",
        )
        .replace("client: 200 OK\n```", "client: 401 Unauthorized\n```");
    assert_eq!(wrong(&later, &run(), Some(5)), Vec::<String>::new());
    assert!(wrong(&later, &run(), None).concat().starts_with("line 14: this didn't happen"));
    assert!(ends_with_one(DRAWN) && !ends_with_one(&format!("{DRAWN}\nMore.\n")));
    assert_eq!(left_out(&format!("{DRAWN}End.\n")), format!("First:\n{}End.\n", "\n".repeat(13)));
}

#[test]
fn refuses_what_did_not_happen() {
    let twice =
        "client->>gate: GET /mcp\n    gate-->>client: 404 Not Found\n    client->>gate: POST /mcp\n    Note";
    for (old, new, why) in [
        (
            "401 Unauthorized",
            "403 Forbidden",
            "line 8: this didn't happen, or not now\n  drawn: client to gate: POST",
        ),
        ("gate: POST /mcp\n    Note", "gate: PUT /mcp\n    Note", "line 8: this didn't happen"),
        ("401 Unauthorized", "200 OK", "line 11: this didn't happen"), // 200 is that of the second
        (
            "whoami",
            "create_entry",
            "line 11: this didn't happen, or not now\n  drawn: client to gate: POST /mcp; gate to journal",
        ),
        (
            "gate->>journal: whoami\n    gate-->>client: 200 OK",
            "gate-->>client: 200 OK\n    gate->>journal: whoami",
            "line 11: this",
        ),
        ("client->>gate: POST /mcp\n    Note", twice, ""),
        (
            "gate-->>client: 200 OK\n",
            "gate-->>client: 200 OK\n    client->>gate: GET /mcp\n",
            "line 14: this didn't happen",
        ),
        (
            "gate-->>client: 401 Unauthorized",
            "client-->>gate: 401 Unauthorized",
            "line 8: this didn't happen",
        ),
        ("    client->>gate: POST /mcp\n    Note", "    Note", "line 9: this is the answer to nothing"),
        (
            "participant journal",
            "participant journal as browser",
            "line 3: the participants are slow client, browser,",
        ),
        ("    participant journal\n", "", "line 11: journal is no participant"),
        ("gate->>journal: whoami", "Note over gate: whoami", "line 3: journal says and hears nothing"),
        ("client->>gate: POST", "client->gate: POST", "line 8: not a participant, an arrow or a note"),
        ("sequenceDiagram", "sequence", "line 3: the diagram doesn't begin with sequenceDiagram"),
        ("no token", "no token; none", "line 9: Mermaid reads ; and #"),
        ("First:", "First", "line 3: no sentence before the diagram"),
        ("First:", "# First:", "line 3: no sentence before the diagram"),
    ] {
        let document = DRAWN.replacen(old, new, 1);
        assert_ne!(document, DRAWN, "{old}");
        let wrong = wrong(&document, &run(), None);
        assert!(
            wrong.len() == usize::from(!why.is_empty()) && wrong.concat().starts_with(why),
            "{new}: {wrong:?}"
        );
    }
    let many = "    client->>gate: GET /mcp\n".repeat(ARROWS_MAX);
    let many = DRAWN.replace("    client->>gate: POST", &format!("{many}    client->>gate: POST"));
    assert!(wrong(&many, &run(), None).concat().contains("arrows are too many"));
}

#[test]
fn reads_what_curl_writes_down() {
    let trace = "== Info: Connected\n=> Send header, 20 bytes (0x14)\n0000: POST /mcp?a=b HTTP/1.1\n0016: Host: x\n\
        == Info: x\n=> Send data, 80 bytes (0x50)\n0000: {\"method\": \"tools/call\", \"name\": \"create_\n0040: entry\"}\n\
        <= Recv header, 17 bytes (0x11)\n0000: HTTP/1.1 100 Continue\n\
        <= Recv header, 17 bytes (0x11)\n0000: HTTP/1.1 200 OK\n<= Recv header, 4 bytes (0x4)\n0000: A: b\n\
        <= Recv data, 17 bytes (0x11)\n0000: {\"result\":{\"isErr\n0040: or\":false}}\n";
    let shown = |trace: &str| -> Vec<_> { traced(trace).concat().iter().map(said).collect() };
    let expected = ["client to gate: POST /mcp", "gate to journal: create_entry", "gate to client: 200 OK"];
    assert_eq!(shown(trace), expected);
    assert_eq!(shown(&trace.replace("false", "true")), [expected[0], expected[2]]);
    assert_eq!(shown(&trace.replace("tools/call", "ping"))[1], "gate to journal: ping");
    assert_eq!(shown(trace.split("<=").next().expect("a part")), expected[..1]);
    assert_eq!(traced(&trace.repeat(2)).len(), 2);
    assert_eq!(shown("== Info: connect failed\n"), [""; 0]);
}
