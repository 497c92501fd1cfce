//! The course in `docs/build/` is true: its programs compile, its tests say when a step is right and when it isn't, its
//! text shows the code that was compiled and prints what it shows, and its last step refuses as epicme does.
//!
//! Its workspace is built into a folder of its own below that of this build, from the crates of this lock file.
//! `UPDATE_DOCUMENTS=1` writes the code, and what was printed, into the text.

mod code;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, LazyLock, Mutex};

use crate::documents::blocks::{self, Step};
use crate::documents::{Port, Run, faults, names, pictures, questions, run_commands, text_of};
use crate::support::{EPICME, Folder, Server, collect, wait_for};

const FOLDER: &str = "docs/build";
const STEPS: usize = 8;
/// Where the servers of the course listen, as the text shows it.
const SHOWN_PORT: u16 = 8780;

fn folder(step: usize) -> PathBuf {
    Path::new(FOLDER).join(format!("step-{step}"))
}

/// Where the course is built: `target/build`, beside the folder that has epicme for this kind of machine.
fn target() -> PathBuf {
    Path::new(EPICME).ancestors().nth(3).expect("a target folder").join("build")
}

/// Runs the tests of the course: with the answers, or of what a learner finds.
fn cargo_test(answers: bool) -> Output {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--locked", "--offline", "--no-fail-fast", "--manifest-path"]);
    cargo.arg(Path::new(FOLDER).join("Cargo.toml")).arg("--target-dir").arg(target());
    if answers {
        cargo.args(["--features", "answer"]);
    }
    cargo.output().expect("cargo runs")
}

/// What came of the tests of the course before and after it was written. The programs that are built in the end are
/// those of the answers.
static TESTED: LazyLock<(Output, Output)> = LazyLock::new(|| (cargo_test(false), cargo_test(true)));

/// A program of the course, with the answers in it.
fn program(name: &str) -> PathBuf {
    assert!(TESTED.1.status.success(), "the answers are built");
    let machine = Path::new(EPICME).ancestors().nth(2).and_then(Path::file_name);
    target().join(machine.expect("a kind of machine")).join("debug").join(name)
}

#[test]
fn says_what_to_write_before_it_is_written() {
    let output = &TESTED.0;
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "a step passes that nobody has written:\n{printed}");
    assert!(!printed.contains(" ... ok\n"), "a test holds whatever is written:\n{printed}");
    let index = text_of(&Path::new(FOLDER).join("README.md"));
    let shown = index.lines().find(|line| line.starts_with("not yet implemented: ")).expect("an example");
    assert!(printed.contains(shown), "the index shows {shown}");
    for step in 1..=STEPS {
        let file = format!("step-{step}/src/yours.rs");
        let yours = text_of(&Path::new(FOLDER).join(&file));
        let missing: Vec<_> = yours.lines().filter(|line| line.trim_start().starts_with("todo!(")).collect();
        assert!(!missing.is_empty(), "{file} leaves nothing to write");
        for line in missing {
            assert!(
                line.contains(&format!("todo!(\"step {step}: write `")) && line.contains(&file),
                "{line}"
            );
        }
        assert!(
            printed.contains(&format!("not yet implemented: step {step}: write `")),
            "step {step}:\n{printed}"
        );
        let answer = text_of(&folder(step).join("src/answer.rs"));
        assert_eq!(code::not_in_answer(&yours, &answer), Vec::<String>::new(), "step {step}");
    }
}

#[test]
fn holds_for_its_answers() {
    let output = &TESTED.1;
    let printed = [&output.stdout[..], &output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&printed));
}

#[test]
fn runs_on_crates_of_the_same_versions() {
    let packages = |path: &Path| -> BTreeSet<String> {
        let lock = text_of(path);
        let packages = lock.split("[[package]]\n").skip(1).filter(|package| package.contains("\nsource = "));
        let first_lines = |package: &str| package.lines().take(2).collect::<Vec<_>>().join(" ");
        packages.map(first_lines).collect()
    };
    let (ours, course) = (packages(Path::new("Cargo.lock")), packages(&Path::new(FOLDER).join("Cargo.lock")));
    let strangers: Vec<_> = course.difference(&ours).collect();
    assert!(course.len() > 5 && strangers.is_empty(), "{strangers:?}");
}

/// A server of the course that a document has its reader start, and what is sent to it.
struct Part {
    /// `step-1`, or `examples/pitfall-1`; `None` where commands need no server.
    program: Option<String>,
    /// Whether the reader is told to take the token that it has printed.
    takes_token: bool,
    /// How many of the document's steps belong to it.
    steps: usize,
}

/// The servers of a document, in order. A block of one command, `cargo run -p step-1`, starts one in place of the one
/// before.
fn parts(document: &str) -> Vec<Part> {
    let mut parts = vec![Part { program: None, takes_token: false, steps: 0 }];
    for block in blocks::blocks(document).expect("blocks") {
        let text = block.text.trim_end();
        if block.language.is_empty() && text.starts_with("cargo run -p step-") && !text.contains('\n') {
            parts.push(Part { program: Some(program_of(text)), takes_token: false, steps: 0 });
        }
        let Some(part) = parts.last_mut() else { continue };
        part.takes_token |= block.language.is_empty() && text.starts_with("TOKEN=em_at_");
        part.steps += usize::from(block.language == "sh");
    }
    parts
}

/// `cargo run -p step-1 --example pitfall-1` to `examples/pitfall-1`.
fn program_of(command: &str) -> String {
    let words: Vec<_> = command.split(' ').collect();
    let after = |word: &str| words.iter().skip_while(|found| **found != word).nth(1);
    match after("--example") {
        Some(example) => format!("examples/{example}"),
        None => after("-p").expect("a package").to_string(),
    }
}

/// Commands with the built programs in the place of `cargo run -q … --`.
fn with_programs(commands: &str) -> String {
    let mut replaced = String::new();
    let mut rest = commands;
    while let Some((before, from)) = rest.split_once("cargo run -q ") {
        let (options, after) = from.split_once(" -- ").expect("a program that gets arguments");
        replaced += before;
        replaced += &format!("{} ", program(&program_of(options)).display());
        rest = after;
    }
    replaced + rest
}

/// A program of the course that runs; it ends with this value.
struct Running {
    child: Child,
    printed: Arc<Mutex<String>>,
    address: SocketAddr,
    log: PathBuf,
}

impl Running {
    fn start(name: &str, folder: &Path) -> Running {
        let log = folder.join(".log");
        let mut command = Command::new(program(name));
        command.arg("127.0.0.1:0").current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(File::create(&log).expect("a file")).spawn().expect("it starts");
        let printed = collect(child.stdout.take().expect("a pipe"));
        let said = wait_for(&printed, "listening on http://");
        let address = said.lines().find_map(|line| line.strip_prefix("listening on http://")?.parse().ok());
        Running { child, printed, address: address.expect("an address"), log }
    }

    fn token(&self) -> String {
        let said = wait_for(&self.printed, "token for an hour: ");
        said.trim_end().rsplit(' ').next().expect("a token").to_owned()
    }

    /// Ends it, and returns what it has logged.
    fn end(mut self) -> String {
        self.stop();
        text_of(&self.log)
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs a document's commands, each against the server that its reader has started before.
fn run(document: &str, steps: &[Step]) -> Result<Run, String> {
    let folder = Folder::new();
    let mut run = Run { printed: Vec::new(), log: String::new(), recorded: Vec::new() };
    let mut token = String::new();
    for part in parts(document) {
        let server = part.program.map(|name| Running::start(&name, folder.path()));
        if part.takes_token {
            token = server.as_ref().expect("a server that has printed it").token();
        }
        let own = server.as_ref().map_or(SHOWN_PORT, |server| server.address.port());
        let port = Port { shown: SHOWN_PORT, own };
        let mut own_steps = Vec::new();
        for step in &steps[run.printed.len()..][..part.steps] {
            let mut commands = step.commands.clone();
            commands.text = with_programs(&commands.text);
            own_steps.push(Step { commands, printed: None, logged: None });
        }
        run.printed.extend(run_commands(&own_steps, folder.path(), port, &[("TOKEN", &token)])?);
        run.log += &port.shown(&server.map(Running::end).unwrap_or_default());
    }
    run.recorded = pictures::recorded(folder.path());
    Ok(run)
}

/// What is wrong with a document of the course.
fn check(path: &Path, update: bool) -> Vec<String> {
    let folder = path.parent().expect("a folder");
    if update {
        let document = code::rewritten(&text_of(path), folder);
        let steps = blocks::steps(&document).unwrap_or_default();
        let rewritten = run(&document, &steps).map(|run| blocks::rewritten(&document, &steps, &run.printed));
        fs::write(path, rewritten.unwrap_or(document)).expect("the document can be written");
    }
    let document = text_of(path);
    let mut wrong = [names::missing(&document, folder), code::wrong(&document, folder)].concat();
    match blocks::steps(&document).and_then(|steps| Ok((run(&document, &steps)?, steps))) {
        Ok((run, steps)) => {
            wrong.extend(faults(&steps, &run));
            let pitfall = document.lines().position(|line| line == "## The pitfall");
            wrong.extend(pictures::wrong(&document, &run.recorded, pitfall));
        }
        Err(why) => wrong.push(why),
    }
    wrong
}

#[test]
fn shows_its_code_and_prints_what_it_shows() {
    let update = std::env::var_os("UPDATE_DOCUMENTS").is_some();
    let threads = (1..=STEPS).map(|step| {
        std::thread::spawn(move || {
            let path = folder(step).join("README.md");
            let wrong = check(&path, update).into_iter();
            wrong.map(|why| format!("{}, {why}\n", path.display())).collect::<String>()
        })
    });
    let threads: Vec<_> = threads.collect();
    let wrong: String =
        threads.into_iter().map(|thread| thread.join().unwrap_or("a step panicked\n".to_owned())).collect();
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn keeps_each_step_to_one_form() {
    let index_path = Path::new(FOLDER).join("README.md");
    let index = text_of(&index_path);
    assert_eq!(names::missing(&index, Path::new(FOLDER)), Vec::<String>::new());
    assert_eq!(code::wrong(&index, Path::new(FOLDER)), Vec::<String>::new());
    for (path, way) in
        [("README.md", "docs/build/README.md"), ("docs/walkthrough/README.md", "../build/README.md")]
    {
        assert!(text_of(Path::new(path)).contains(&format!("]({way})")), "{path} leads to the course");
    }
    for step in 1..=STEPS {
        let text = text_of(&folder(step).join("README.md"));
        assert!(text.starts_with(&format!("# {step}. ")), "step {step} has its number in the heading");
        assert!(index.contains(&format!("](step-{step}/README.md)")), "the index leads to step {step}");
        let parts =
            ["Goal", "What to type", "When it is right", "The pitfall", "The answer", "In the source"];
        let places: Vec<_> =
            parts.iter().map(|part| text.find(&format!("\n## {part}\n")).unwrap_or(0)).collect();
        assert!(places[0] > 0 && places.is_sorted(), "step {step} has its parts in order: {places:?}");
        let part = |number: usize| text[places[number]..].split("\n## ").nth(1).unwrap_or_default();
        assert!(pictures::ends_with_one(part(0)), "the goal of step {step} ends with its diagram");
        assert!(part(1).contains("```rust src/yours.rs"), "step {step} shows what is missing");
        assert!(part(2).contains(&format!("cargo test -p step-{step}\n")), "step {step} says how to try it");
        assert!(part(3).contains("```sh\n"), "step {step} has its pitfall seen");
        let hidden = part(4).split("<details>").nth(1).and_then(|rest| rest.split("</details>").next());
        assert!(
            hidden.is_some_and(|code| code.contains("```rust src/answer.rs")),
            "step {step} hides its answer"
        );
        assert!(names::symbols(part(5)).len() > 1, "step {step} names too few symbols of the source");
        assert_eq!(questions::wrong(&text), Vec::<String>::new(), "step {step}");
        let next = format!("](../step-{}/README.md)", step + 1);
        assert!(step == STEPS || text.contains(&next), "step {step} leads on");
    }
}

#[test]
fn heads_every_file_and_keeps_lines_short() {
    let listed = Command::new("git").args(["ls-files", "--", FOLDER]).output().expect("git runs");
    let listed = String::from_utf8(listed.stdout).expect("text");
    let paths: Vec<_> = listed.lines().filter(|path| path.ends_with(".rs")).collect();
    assert!(paths.len() > 40, "{paths:?}");
    for path in paths {
        let text = text_of(Path::new(path));
        assert!(text.starts_with("//! "), "{path} says nothing of its job");
        let long = text.lines().find(|line| line.chars().count() > 120);
        assert_eq!(long, None, "{path} has a line that is too wide");
    }
}

/// The refusals that step 8 has its reader see; each request closes its connection, as the course always does.
#[test]
fn refuses_in_the_end_as_epicme_does() {
    let folder = Folder::new();
    let course = Running::start("step-8", folder.path());
    let server = Server::start();
    let text = text_of(&self::folder(STEPS).join("README.md"));
    let unknown = "Authorization: Bearer em_at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let half = "Authorization: Bearer em_at_half";
    let basic = "Authorization: Basic YWRhOmFkYQ==";
    for fields in [&[][..], &[half], &[unknown], &[basic], &[half, unknown], &["authorization: bearer x"]] {
        let lines: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let [ours, theirs] = [server.address, course.address].map(|address| {
            let host = format!("127.0.0.1:{}", address.port());
            let mut stream = TcpStream::connect(&host).expect("a connection");
            let head = format!("POST /mcp HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n");
            stream.write_all(head.as_bytes()).expect("it is sent");
            let mut response = String::new();
            stream.read_to_string(&mut response).expect("a response, and the end");
            let (before, date) = response.split_once("\r\nDate: ").expect("a date");
            let (_, after) = date.split_once("\r\n").expect("the end of the line");
            [before, after].map(|part| part.replace(&host, "HOST"))
        });
        assert_eq!(theirs, ours, "{fields:?}");
    }
    for field in [half, unknown, basic] {
        assert!(text.contains(&format!("'{field}'")), "the text sends {field}");
    }
}
