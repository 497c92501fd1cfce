//! The house rules that a program can see.

pub mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::source::{Kind, Piece, is_word};
use crate::documents::blocks::blocks;

/// Every source file with its text.
pub fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push((path.clone(), fs::read_to_string(&path).expect("text")));
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new("src"), &mut found);
    assert!(found.len() > 20, "the sources were found");
    found
}

/// A source without its unit tests.
pub fn code(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

/// The code in lower case without its comments.
fn statements(code: &str) -> String {
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(str::to_lowercase).collect::<Vec<_>>().join("\n")
}

/// The rooms whose files lie under `room`.
fn in_room(path: &Path, room: &str) -> bool {
    let inside = |path: &Path| path.starts_with(room) || path == Path::new(&format!("{room}.rs"));
    path.strip_prefix("src").is_ok_and(inside)
}

#[test]
fn writes_the_challenge_in_one_file() {
    let with = |part: &str| {
        let found = sources().into_iter().filter(|(_, text)| statements(code(text)).contains(part));
        found.map(|(path, _)| path).collect::<Vec<_>>()
    };
    // The field's name stands once, in a room below those that read it; only the gate writes it into a response.
    assert_eq!(with("\"www-authenticate"), [Path::new("src/http/mod.rs")]);
    assert_eq!(with(".with(www_authenticate"), [Path::new("src/gate.rs")]);
}

/// A redirect to a client may not take a live session along, which `ClientRedirect` sees to; the others lead to pages
/// and the endpoint of this server.
#[test]
fn redirects_in_these_files_alone() {
    let sends = |(path, text): (PathBuf, String)| {
        let sends = ["see_other(", "permanent_redirect(", ".with(\"Location\""]
            .iter()
            .any(|call| code(&text).contains(call));
        sends.then(|| path.display().to_string())
    };
    let found: BTreeSet<_> = sources().into_iter().filter_map(sends).collect();
    let expected =
        ["http/response.rs", "oauth/authorize.rs", "pages/account.rs", "pages/sign_in.rs", "routes.rs"];
    let expected = expected.into_iter().chain(["pages/journal/calendar.rs", "pages/journal/writing.rs"]);
    assert_eq!(found, expected.map(|path| format!("src/{path}")).collect());
}

#[test]
fn makes_a_caller_and_a_permit_in_the_gate_alone() {
    for (path, text) in sources() {
        let words = format!(" {}", code(&text).replace(|c: char| !c.is_alphanumeric() && c != '{', " "));
        let makes = [" Caller {", " Permit {", " Refusal {"].iter().any(|made| words.contains(made));
        assert_eq!(makes, path == Path::new("src/gate.rs"), "{}", path.display());
    }
}

/// A session in a browser is the one credential beside a token. Each of the values that lead from it to a journal is
/// made in one file, and used in one.
#[test]
fn opens_a_journal_to_a_browser_in_one_way() {
    let with = |part: &str| {
        let named = |text: &str| {
            let text = statements(code(text))
                .replace("struct signedin {", "")
                .replace("struct formuse {", "")
                .replace("struct passed {", "");
            text.contains(part)
        };
        let found = sources().into_iter().filter(|(_, text)| named(text));
        found.map(|(path, _)| path.display().to_string()).collect::<BTreeSet<_>>()
    };
    let with = |part: &str| Vec::from_iter(with(part));
    assert_eq!(with(" signedin {"), ["src/sign_ins.rs"], "says that a person is signed in");
    assert_eq!(with(" passed {"), ["src/second_factor.rs"], "says that the second factor is no obstacle");
    assert_eq!(
        with("gate::permit_in_browser("),
        ["src/app.rs"],
        "asks the gate for the permit of such a person"
    );
    assert_eq!(with(".journal_for_page("), ["src/pages/journal/mod.rs"], "opens their journal by it");
    assert_eq!(with(" formuse {"), ["src/pages/form.rs"], "says that the token of a form is good");
    assert_eq!(
        with(".journal_for_form("),
        ["src/pages/journal/writing.rs"],
        "opens their journal for a change"
    );
    assert_eq!(with(" journal {"), ["src/app.rs", "src/journal/mod.rs"], "makes a journal of a permit");
}

#[test]
fn keeps_who_names_what() {
    // A room, and what its code never names.
    let never: [(&str, &[&str]); 23] = [
        ("json_text", &["crate::"]),
        ("http", &["rusqlite", "SELECT", "/mcp", "tokens", "crate::gate", "crate::mcp", "crate::oauth"]),
        ("http", &["crate::routes", "crate::app", "crate::events", "crate::store", "crate::pages"]),
        ("http/server", &["serde_json", "TcpStream"]),
        ("http/workers", &["serde_json", "std::net", "TcpStream", "crate::http"]),
        ("http/connection", &["serde_json"]),
        ("http/message", &["serde_json", "std::net", "TcpStream", "super::request", "super::client"]),
        ("http/request", &["std::net", "TcpStream", "serde_json"]),
        ("http/response", &["crate::", "std::net"]),
        (
            "stdio",
            &[
                "TcpStream",
                "rusqlite",
                "SELECT",
                "crate::store",
                "crate::gate",
                "crate::journal",
                "crate::app",
            ],
        ),
        ("routes", &["rusqlite", "SELECT", "TcpStream"]),
        ("gate", &["Body", "crate::mcp", "crate::journal", "rusqlite", "SELECT", "jsonrpc"]),
        ("log/wire_view", &["Body", "rusqlite", "SELECT", "crate::store", "crate::tokens", ".body()"]),
        ("oauth", &["crate::mcp", "crate::journal", "TcpStream"]),
        (
            "pages",
            &["crate::mcp", "rusqlite", "SELECT", "TokenText", "NewToken", "tokens::find", "tokens::insert"],
        ),
        ("mcp", &["std::net", "TcpStream", "rusqlite", "SELECT", "TokenText", "crate::tokens"]),
        (
            "journal",
            &[
                "serde_json",
                "json!",
                "crate::http::request",
                "crate::http::response",
                "crate::tokens",
                "httparse",
            ],
        ),
        (
            "portable",
            &["crate::journal", "crate::store", "crate::users", "rusqlite", "SELECT", "crate::http"],
        ),
        ("store", &["crate::journal", "crate::gate", "crate::users", "entries", "tags", "serde_json"]),
        ("tokens", &["crate::http::request", "crate::http::response", "serde_json", "crate::gate"]),
        ("users", &["crate::http::request", "crate::http::response", "serde_json"]),
        ("http/client", &["serde_json", "ToSocketAddrs"]),
        (
            "doctor",
            &[
                "TcpStream",
                "rusqlite",
                "crate::http::request",
                "crate::http::response",
                "crate::store",
                "crate::oauth",
            ],
        ),
    ];
    for (room, names) in never {
        let files: Vec<_> = sources().into_iter().filter(|(path, _)| in_room(path, room)).collect();
        assert!(!files.is_empty(), "{room}");
        for (path, text) in files {
            let lines = code(&text).lines().filter(|line| !line.trim_start().starts_with("//"));
            for (line, name) in lines.flat_map(|line| names.iter().map(move |name| (line, name))) {
                assert!(!line.contains(name), "{} names {name}: {line}", path.display());
            }
        }
    }
    // Of the pages, those of the journal alone know it; the one from which access is taken back doesn't.
    for (path, text) in sources().into_iter().filter(|(path, _)| in_room(path, "pages")) {
        let is_journal = path.starts_with("src/pages/journal");
        assert!(is_journal || !statements(code(&text)).contains("crate::journal"), "{}", path.display());
    }
    // HTTP messages are parsed in one room, one file connects to other servers, and one takes host:port apart.
    for (name, rooms) in [
        ("httparse::", &["http"][..]),
        ("TcpStream::connect", &["http/client"]),
        ("rfind(':')", &["authority"]),
        ("rsplit(':')", &[]),
        ("rsplit_once(':')", &[]),
    ] {
        let users = sources().into_iter().filter(|(_, text)| code(text).contains(name)).map(|(path, _)| path);
        let strangers: Vec<_> = users.filter(|path| !rooms.iter().any(|room| in_room(path, room))).collect();
        assert!(strangers.is_empty(), "{strangers:?} name {name} too");
    }
}

/// Whether the code of one room names another.
fn names(room: &str, other: &str) -> bool {
    let named = format!("crate::{other}");
    sources().iter().filter(|(path, _)| in_room(path, room)).any(|(_, text)| {
        let lines = code(text).lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.flat_map(|line| line.split(&named).skip(1)).any(|after| !after.starts_with(is_word))
    })
}

/// The rooms to which arrows lead from one, in any number of steps.
fn reached<'d>(arrows: &[(&'d str, &'d str)], from: &str) -> BTreeSet<&'d str> {
    let next = arrows.iter().filter(|(one, _)| *one == from);
    next.flat_map(|(_, other)| reached(arrows, other).into_iter().chain([*other])).collect()
}

#[test]
fn draws_who_names_whom() {
    let architecture = fs::read_to_string("docs/architecture.md").expect("the document");
    let blocks = blocks(&architecture).expect("blocks");
    let diagram = blocks.iter().find(|block| block.language == "mermaid").expect("a diagram");
    let arrows = diagram.text.strip_prefix("flowchart TD\n").expect("its kind").lines();
    let arrows: Vec<_> = arrows.map(|line| line.trim().split_once(" --> ").expect("an arrow")).collect();
    let rooms: BTreeSet<_> = arrows.iter().flat_map(|(one, other)| [*one, *other]).collect();
    assert!(rooms.len() >= 8, "{rooms:?}");
    for room in &rooms {
        let named: BTreeSet<_> =
            rooms.iter().copied().filter(|other| other != room && names(room, other)).collect();
        let drawn: BTreeSet<_> =
            arrows.iter().filter(|(one, _)| one == room).map(|(_, other)| *other).collect();
        assert!(drawn.is_subset(&named), "{room} names {named:?}, and the arrows say {drawn:?}");
        let below = reached(&arrows, room);
        assert!(named.is_subset(&below), "{room} names {named:?}, and the arrows lead to {below:?}");
    }
    for (place, (one, other)) in arrows.iter().enumerate() {
        let others = [&arrows[..place], &arrows[place + 1..]].concat();
        assert!(!reached(&others, one).contains(other), "{one} to {other} needs no arrow of its own");
    }
}

#[test]
fn binds_every_statement_of_the_journal_to_its_owner() {
    let mut statements = 0;
    for (path, text) in sources().into_iter().filter(|(path, _)| in_room(path, "journal")) {
        let literals = code(&text).split('"').skip(1).step_by(2);
        let keywords = ["SELECT ", "INSERT ", "UPDATE ", "DELETE "];
        for sql in literals.filter(|text| keywords.iter().any(|word| text.starts_with(word))) {
            statements += 1;
            let bound = sql.contains("user_id = ?1")
                || sql.contains("FROM users WHERE id = ?1")
                || sql.contains("VALUES (?1")
                || !sql.contains("FROM") && sql.starts_with("SELECT "); // reads no table
            assert!(bound, "{}: {sql}", path.display());
        }
        let direct = ["connection.execute", "connection.prepare(", "connection.query_row"];
        assert!(!direct.iter().any(|call| code(&text).contains(call)), "{} goes past `Own`", path.display());
    }
    assert!(statements > 15, "{statements} statements were found");
}

/// A permit of the wrong scope can't reach a function of the journal: that doesn't compile, since each takes the
/// `Journal` of its own access. No test can compile what must not (the functions aren't public), so this one looks at
/// their signatures: none takes a journal of any access, and none reaches the rows without one.
#[test]
fn opens_each_function_of_the_journal_to_a_named_access_alone() {
    let accesses = ["UserRead", "EntriesRead", "EntriesWrite", "TagsRead", "TagsWrite"];
    let mut functions = 0;
    for (path, text) in sources().into_iter().filter(|(path, _)| in_room(path, "journal")) {
        for function in code(&text).split("\npub").skip(1) {
            let Some((visibility, rest)) = function.split_once("fn ") else { continue };
            let (signature, _) = rest.split_once('{').unwrap_or((rest, ""));
            if visibility.contains(['\n', '{']) || visibility.contains("super") {
                continue; // no function, or one for the journal itself
            }
            functions += 1;
            let named = accesses.iter().any(|access| signature.contains(&format!("&Journal<{access}>")));
            let is_whole = signature.contains("WholeJournal") && path.ends_with("transfer.rs");
            assert!(named || is_whole, "{}: {signature}", path.display());
        }
    }
    assert!(functions > 15, "{functions} functions were found");
}

/// No permit is needed for a whole journal, so nothing that answers a request of a program may name it.
#[test]
fn opens_a_whole_journal_for_the_operator_and_with_a_password_alone() {
    let names = sources().into_iter().filter(|(_, text)| statements(code(text)).contains("wholejournal"));
    let names: BTreeSet<_> = names.map(|(path, _)| path.display().to_string()).collect();
    let allowed = ["cli/export.rs", "cli/import.rs", "downloads.rs", "journal/transfer.rs"];
    assert_eq!(names, allowed.map(|path| format!("src/{path}")).into());
    let transfer = fs::read_to_string("src/journal/transfer.rs").expect("the file");
    let makers = ["WholeJournal { user_id: user.id }", "WholeJournal { user_id: person.user_id }"];
    assert_eq!(code(&transfer).matches("WholeJournal { user_id").count(), makers.len());
    assert!(
        makers.iter().all(|made| code(&transfer).contains(made)),
        "from a `User` and from an `Authenticated`"
    );
    for (path, text) in sources().into_iter().filter(|(path, _)| !path.ends_with("journal/transfer.rs")) {
        let operator = in_room(&path, "cli");
        assert!(operator || !code(&text).contains("for_operator"), "{}", path.display());
    }
}

#[test]
fn heads_every_file_and_leaves_nothing_unfinished() {
    for (path, text) in sources() {
        if path.extension().is_some_and(|extension| extension == "rs") {
            assert!(text.starts_with("//!"), "{} says nothing of its job", path.display());
        }
        for line in
            text.lines().filter(|line| ["//", "--"].iter().any(|mark| line.trim_start().starts_with(mark)))
        {
            // A row of a table can't be folded, and a URL neither.
            let is_whole = line.contains(" | ") || line.split_whitespace().count() <= 2;
            assert!(line.chars().count() <= 120 || is_whole, "{}: too wide: {line}", path.display());
        }
        for mark in
            ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!(", ".unwrap()", "macro_rules!", "async "]
        {
            assert!(!code(&text).contains(mark), "{} has {mark}", path.display());
        }
    }
}

#[test]
fn runs_on_the_crates_that_were_agreed() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .output()
        .expect("cargo runs");
    assert!(tree.status.success());
    let tree = String::from_utf8(tree.stdout).expect("text");
    let names: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let manifest = fs::read_to_string("Cargo.toml").expect("the manifest");
    let agreed: BTreeSet<_> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("# runtime: "))
        .flat_map(|line| line.split(' '))
        .chain(["epicme"])
        .collect();
    assert_eq!(names.into_iter().filter(|name| !name.is_empty()).collect::<BTreeSet<_>>(), agreed);
}

#[test]
fn shows_only_what_belongs_on_the_top_level() {
    let listed = Command::new("git").args(["ls-files"]).output().expect("git runs");
    let files = String::from_utf8(listed.stdout).expect("text");
    let top: BTreeSet<_> = files.lines().filter_map(|path| path.split('/').next()).collect();
    let allowed = "Cargo.toml Cargo.lock Makefile README.md CHANGELOG.md LICENSE rust-toolchain.toml src tests docs packaging";
    let allowed: Vec<_> = allowed.split(' ').collect();
    for name in top {
        assert!(name.starts_with('.') || allowed.contains(&name), "{name} is on the top level");
    }
}

/// The words that were given up, how each is found, and what is written instead.
const GLOSSARY: [(Old, &str, &str); 63] = [
    (Old::Text, "gate::page", "gate::check_origin"),
    (Old::Text, "gate::origin", "gate::check_host, which returns the base_url"),
    (Old::Name, "Rule", "Check, with a name for what must hold"),
    (Old::NameIn("gate"), "ask", "require"),
    (Old::NameIn("gate"), "hold", "require"),
    (Old::Name, "Exchange", "RequestLog"),
    (Old::Name, "trace", "log"),
    (Old::Name, "Seal", "Signer"),
    (Old::Name, "seal", "sign, or verify"),
    (Old::Name, "Remote", "Introspector"),
    (Old::Name, "Told", "TokenInfo"),
    (Old::NameIn("introspection"), "No", "IntrospectionError"),
    (Old::Name, "Eras", "ProtocolVersion"),
    (Old::Name, "Revision", "ProtocolVersion"),
    (Old::Name, "MODERN", "ProtocolVersion"),
    (Old::NameIn("mcp"), "Peer", "ClientInfo"),
    (Old::Word, "era", "protocol version"),
    (Old::Word, "eras", "protocol versions"),
    (Old::Name, "Abilities", "Capabilities"),
    (Old::Name, "questions", "elicitation"),
    (Old::NameIn("mcp"), "Consent", "ConfirmationAnswer"),
    (Old::Name, "Desk", "ToolContext"),
    (Old::Name, "Standing", "ConfirmationState"),
    (Old::NameIn("mcp"), "told", "ToolResult::Error"),
    (Old::Name, "Wish", "Interest"),
    (Old::Name, "News", "Event"),
    (Old::Name, "Opener", "RequestKey"),
    (Old::Name, "views", "apps"),
    (Old::NameIn("mcp"), "Form", "Accepts"),
    (Old::NameIn("journal"), "Shown", "RowDigest"),
    (Old::NameIn("journal"), "Own", "OwnedRows"),
    (Old::Name, "Door", "Acceptor"),
    (Old::Name, "station", "spawn_worker"),
    (Old::Name, "furnished", "configure"),
    (Old::Word, "converse", "serve_connection"),
    (Old::NameIn("http"), "Line", "TimedStream"),
    (Old::Name, "linger", "close_in_stages"),
    (Old::Name, "Browser", "BrowserSession"),
    (Old::Text, "Browser::made", "Form::check"),
    (Old::Name, "outgoing", "http::client"),
    (Old::Name, "Ways", "ConnectMap"),
    (Old::Name, "Turn", "HashingPermit"),
    (Old::Name, "Turns", "HashingQueue"),
    (Old::Text, "somebody was given this token", "the token is known"),
    (Old::Text, "what it holds has the form of a token", "the token is well-formed"),
    (Old::Text, "it was made for this server", "the token's audience is this server"),
    (Old::Text, "who listens", "the subscriber"),
    (Old::Text, "who waits", "the waiting thread"),
    (Old::Word, "whoever", "the actor: the client, the operator, the person"),
    (Old::Word, "door", "what is meant: the acceptor, the endpoint, the server"),
    (Old::Word, "doors", "what is meant: the endpoints"),
    (Old::Word, "knock", "the first request"),
    (Old::Word, "knocks", "sends a request"),
    (Old::Word, "knocked", "sent a request"),
    (Old::Word, "knocking", "sending a request"),
    // Files; the names of their modules are above.
    (Old::Text, "mcp/form.rs", "src/mcp/methods.rs"),
    (Old::Text, "mcp/views.rs", "src/mcp/apps.rs"),
    (Old::Text, "mcp/questions.rs", "src/mcp/elicitation.rs"),
    (Old::Text, "src/browser.rs", "src/pages/browser_session.rs"),
    (Old::Text, "src/remote.rs", "src/introspection.rs"),
    (Old::Text, "src/outgoing.rs", "src/http/client.rs"),
    (Old::Text, "src/exchange.rs", "src/log/"),
    (Old::Text, "src/trace.rs", "src/log/"),
];

/// How a word that was given up is found.
#[derive(Clone, Copy)]
enum Old {
    /// As a name of the source: in code, or between backticks. As a word of a sentence it may stand.
    Name,
    /// The same in the files of one room; elsewhere the name has another meaning.
    NameIn(&'static str),
    /// As a word or a part of a longer name, whatever its case.
    Word,
    /// Wherever these letters stand, whatever their case.
    Text,
}

/// A line of a file, or a part of it.
struct Text {
    line: usize,
    text: String,
    lower: String,
    /// Whether it consists of names: code, or what stands between backticks.
    names: bool,
}

impl Text {
    fn new(line: usize, text: &str, names: bool) -> Text {
        Text { line, text: text.to_owned(), lower: text.to_ascii_lowercase(), names }
    }

    /// Whether this text, of a file at `path`, has a word that was given up.
    fn has(&self, path: &Path, old: Old, word: &str) -> bool {
        let alone = |text: &str, is_inside: fn(char) -> bool| {
            text.match_indices(word).any(|(at, _)| {
                !text[..at].ends_with(is_inside) && !text[at + word.len()..].starts_with(is_inside)
            })
        };
        match old {
            Old::Name => self.names && alone(&self.text, is_word),
            Old::NameIn(room) => self.names && in_room(path, room) && alone(&self.text, is_word),
            Old::Word => alone(&self.lower, char::is_alphanumeric),
            Old::Text => self.lower.contains(&word.to_ascii_lowercase()),
        }
    }
}

/// The texts of a file.
fn texts(path: &Path, text: &str) -> Vec<Text> {
    // What isn't Rust is prose.
    let pieces = if path.extension().is_some_and(|extension| extension == "rs") {
        source::pieces(text)
    } else {
        vec![Piece { kind: Kind::Comment, text, line: 1 }]
    };
    let mut texts = Vec::new();
    for piece in pieces {
        for (line, text) in (piece.line..).zip(piece.text.lines()) {
            texts.push(Text::new(line, text, piece.kind == Kind::Code));
            if piece.kind == Kind::Comment && !text.starts_with("```") {
                let spans = text.split('`').skip(1).step_by(2).filter(|span| !span.starts_with("tests/"));
                texts.extend(spans.map(|span| Text::new(line, span, true)));
            }
        }
    }
    texts
}

/// What people read.
const PROSE: [&str; 6] = ["src", "docs", "packaging", "README.md", ".github", "CHANGELOG.md"];

/// Every file under these folders that git knows, with its text.
fn files(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let listed = Command::new("git").args(["ls-files", "--"]).args(folders).output().expect("git runs");
    let listed = String::from_utf8(listed.stdout).expect("text");
    let paths: Vec<_> = listed.lines().map(PathBuf::from).filter(|path| path.exists()).collect();
    assert!(paths.len() >= folders.len(), "the files were found");
    let text = |path: &PathBuf| fs::read_to_string(path).unwrap_or_default();
    paths.iter().map(|path| (path.clone(), text(path))).collect()
}

#[test]
fn speaks_the_words_of_the_glossary() {
    let mut wrong = Vec::new();
    for (path, text) in files(&PROSE) {
        for text in texts(&path, &text) {
            for (old, word, new) in GLOSSARY {
                if text.has(&path, old, word) {
                    wrong.push(format!("{}:{}: not {word:?} but {new}", path.display(), text.line));
                }
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{} places:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn finds_a_given_up_word_where_it_stands_and_no_other() {
    #[track_caller]
    fn check(path: &str, source: &str, expected: &[&str]) {
        let path = Path::new(path);
        let texts = texts(path, source);
        let has = |(old, word, _): &&(Old, &str, &str)| texts.iter().any(|text| text.has(path, *old, word));
        let found: Vec<_> = GLOSSARY.iter().filter(has).map(|(_, word, _)| *word).collect();
        assert_eq!(found, expected, "{source}");
    }
    check("src/x.rs", "let a: Ways = Rule::all();", &["Rule", "Ways"]);
    check("src/x.rs", "let ways: LongWays = \"Rule 1: No Ways\"; // No Rule without Ways", &[]);
    check("src/x.rs", "/// See `Rule::ALL` and [`Ways`], but `tests/x.rs::Turn`.", &["Rule", "Ways"]);
    check("docs/x.md", "No Rule, but `Rule`.", &["Rule"]);
    check("src/x.rs", "fn first_knock() {} // Whoever it is", &["whoever", "knock"]);
    check("src/x.rs", "fn doorbell() {} // several, an ornament of each", &[]);
    check(
        "src/x.rs",
        "// Gate::page is the one\n\"it was made for this server\"",
        &["gate::page", "it was made for this server"],
    );
    check("src/gate.rs", "let found = ask(one);", &["ask"]);
    check("src/cli/mod.rs", "let found = ask(one);", &[]);
}

#[test]
fn says_byte() {
    let old = ["oc", "tet"].concat();
    for (path, text) in files(&[&PROSE[..], &["tests"]].concat()) {
        // The standard library's, and SQLite's.
        let text =
            text.to_lowercase().replace(&format!(".{old}s()"), "").replace(&format!("{old}_length("), "");
        let line = text.lines().position(|line| line.contains(&old)).map(|line| line + 1);
        let is_ours = !path.ends_with("package-lock.json");
        assert!(line.is_none() || !is_ours, "{}:{line:?}", path.display());
    }
}

#[test]
fn gives_a_function_five_parameters_at_most() {
    let mut functions = 0;
    let mut wrong = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| path.extension() == Some("rs".as_ref())) {
        for (name, count) in source::parameters(code(&text)) {
            functions += 1;
            if count > 5 {
                wrong.push(format!("{}: {name} has {count}", path.display()));
            }
        }
    }
    assert!(functions > 500, "{functions} functions were found");
    assert!(wrong.is_empty(), "{} functions:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn counts_parameters_as_a_reader_does() {
    let source = "fn none() {} fn one(&mut self, (a, b): (u8, u8)) {}\n\
        fn two<F: Fn(u8, u8) -> bool, const N: usize>(self: Arc<Self>, x: F, y: [u8; N],) -> u8 {}\n\
        pub(crate) fn three(a: &[(u8, u8)], /* b, c */ b: impl Fn(u8) -> Map<u8, u8>, c: u8) { let f: fn(u8, u8); }";
    let expected =
        [("none", 0), ("one", 1), ("two", 2), ("three", 3)].map(|(name, count)| (name.to_owned(), count));
    assert_eq!(source::parameters(source), expected);
}

#[test]
fn makes_every_error_a_standard_error() {
    let mut errors = Vec::new();
    let mut wrong = Vec::new();
    let sources: Vec<_> =
        sources().into_iter().map(|(path, text)| (path, source::code_alone(code(&text)))).collect();
    for (path, text) in &sources {
        let words: Vec<_> = text.split(|letter| !is_word(letter)).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let is_error = pair[1].ends_with("Error") || pair[1].starts_with("Bad") || pair[1] == "Refusal";
            if ["enum", "struct"].contains(&pair[0]) && is_error {
                errors.push((path.display().to_string(), pair[1].to_owned()));
            }
        }
    }
    for (path, name) in &errors {
        for of in ["Error", "Display"] {
            let implemented = sources.iter().any(|(_, text)| {
                text.lines().any(|line| {
                    let head =
                        line.trim_start().strip_prefix("impl").and_then(|rest| rest.split_once(" for "));
                    head.is_some_and(|(kind, rest)| {
                        kind.rsplit([':', ' ']).next() == Some(of)
                            && rest.split(|c| !is_word(c)).next() == Some(name)
                    })
                })
            });
            if !implemented {
                wrong.push(format!("{path}: {name} isn't {of}"));
            }
        }
    }
    assert!(errors.len() > 8, "{errors:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The places that may name a tool beside its entry in the table, each with the reason.
const NAMES_TOOLS: [(&str, &[&str], &str); 6] = [
    (
        "src/cli/demo.rs",
        &["whoami", "create_entry", "search_entries", "create_tag"],
        "calls them, as a client does",
    ),
    (
        "src/mcp/apps.rs",
        &["get_entry", "get_tag", "list_entries", "on_this_day", "search_entries"],
        "says which page shows a tool's result",
    ),
    ("src/mcp/prompts.rs", &["update_entry", "list_entries", "list_tags"], "tells a model what to call"),
    (
        "src/mcp/tools/mod.rs",
        &["list_entries", "search_entries", "list_tags", "merge_tags"],
        "an error says which tool helps",
    ),
    ("src/mcp/tools/overview.rs", &["list_entries", "list_tags"], "says which tool shows what is left out"),
    (
        "src/mcp/tools/table.rs",
        &["list_tags", "remove_tag_from_entry"],
        "an argument's description says where its ids come from, and what it doesn't do",
    ),
];

#[test]
fn names_a_tool_in_its_entry_of_the_table_alone() {
    let table = fs::read_to_string("src/mcp/tools/table.rs").expect("the table");
    let tools: Vec<_> = code(&table)
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("name: \"")?.strip_suffix("\","))
        .collect();
    assert_eq!(tools.len(), 19, "{tools:?}");
    let mut used = BTreeSet::new();
    for tool in tools {
        let mut entries = 0;
        for (path, text) in sources() {
            for piece in source::pieces(code(&text)).iter().filter(|piece| piece.kind == Kind::Literal) {
                if path == Path::new("src/mcp/tools/table.rs") && piece.text == tool {
                    entries += 1;
                } else if piece.text.split(|letter| !is_word(letter)).any(|word| word == tool) {
                    let place = path.display().to_string();
                    let allowed =
                        NAMES_TOOLS.iter().any(|(path, tools, _)| *path == place && tools.contains(&tool));
                    assert!(allowed, "{place}:{} names {tool}: {:?}", piece.line, piece.text);
                    used.insert((place, tool));
                }
            }
        }
        assert_eq!(entries, 1, "{tool} has one entry");
    }
    let allowed: usize = NAMES_TOOLS.iter().map(|(_, tools, _)| tools.len()).sum();
    assert_eq!(used.len(), allowed, "an exception that isn't needed any more goes: {used:?}");
}
