//! `epicme doctor`: on epicme itself, on a scripted server that does all right, and on that server with one mistake.
//! The diagram and the object for programs are in `forms`.

mod forms;

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{EPICME, Folder, PATIENCE, Server, deaf_address, read_on};

const STEPS: usize = 9;
const RESOURCE: &str = "/.well-known/oauth-protected-resource/mcp";
const RESOURCE_ROOT: &str = "/.well-known/oauth-protected-resource";
const SERVER: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// A request that a scripted server got.
struct Asked {
    method: String,
    target: String,
    head: String,
    /// `http://127.0.0.1:PORT`, as the request's `Host` says.
    origin: String,
}

impl Asked {
    fn has(&self, field: &str) -> bool {
        self.head.to_lowercase().contains(&format!("\r\n{field}: "))
    }

    fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.target.split('?').next() == Some(path)
    }
}

/// What a scripted server answers.
#[derive(Clone)]
struct Reply {
    status: u16,
    fields: Vec<(&'static str, String)>,
    body: String,
    /// How the bytes go out.
    manner: Manner,
}

#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Length,
    UntilClose,
    Chunked,
    /// The body alone, without a head.
    Junk,
    /// The body again and again.
    Endless,
    /// A head, then a byte now and then, for ever.
    Drip,
}

impl Reply {
    fn new(status: u16) -> Reply {
        Reply { status, fields: Vec::new(), body: String::new(), manner: Manner::Length }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.fields.retain(|(own, _)| *own != name);
        self.fields.push((name, value.into()));
        self
    }

    fn without(mut self, name: &str) -> Reply {
        self.fields.retain(|(own, _)| *own != name);
        self
    }

    fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(own, _)| *own == name);
        &found.unwrap_or_else(|| panic!("no {name}")).1
    }

    fn json(status: u16, value: &Value) -> Reply {
        let mut reply = Reply::new(status).with("Content-Type", "application/json; charset=utf-8");
        reply.body = value.to_string();
        reply
    }

    /// The same document with one member changed; `None` takes it out.
    fn member(mut self, name: &str, value: Option<Value>) -> Reply {
        let mut members: Value = serde_json::from_str(&self.body).expect("a document");
        match value {
            Some(value) => members[name] = value,
            None => _ = members.as_object_mut().expect("an object").remove(name),
        }
        self.body = members.to_string();
        self
    }

    fn manner(mut self, manner: Manner) -> Reply {
        self.manner = manner;
        self
    }

    fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        if self.manner == Manner::Junk {
            return stream.write_all(self.body.as_bytes());
        }
        let mut head = format!("HTTP/1.1 {} Whatever\r\n", self.status);
        for (name, value) in &self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        head += match self.manner {
            Manner::Length => format!("Content-Length: {}\r\n\r\n", self.body.len()),
            Manner::Chunked => "Transfer-Encoding: chunked\r\n\r\n".to_owned(),
            _ => "Connection: close\r\n\r\n".to_owned(),
        }
        .as_str();
        stream.write_all(head.as_bytes())?;
        match self.manner {
            Manner::Chunked => {
                for part in self.body.as_bytes().chunks(7) {
                    write!(stream, "{:x};x=y\r\n", part.len())?;
                    stream.write_all(part)?;
                    stream.write_all(b"\r\n")?;
                }
                stream.write_all(b"0\r\nX: y\r\n\r\n")
            }
            Manner::Endless => loop {
                stream.write_all(self.body.as_bytes())?;
            },
            Manner::Drip => loop {
                stream.write_all(b" ")?;
                thread::sleep(Duration::from_millis(100)); // the pace of the drip; nothing waits for it
            },
            _ => stream.write_all(self.body.as_bytes()),
        }
    }
}

/// A server that does all right, in the fewest words.
fn right(asked: &Asked) -> Reply {
    let origin = &asked.origin;
    let public = |reply: Reply| {
        reply
            .with("Access-Control-Allow-Origin", "*")
            .with("Access-Control-Allow-Headers", "mcp-protocol-version")
    };
    let (method, path) = (asked.method.as_str(), asked.target.split('?').next().expect("a path"));
    match (method, path) {
        ("OPTIONS", "/mcp") => Reply::new(204)
            .with("Access-Control-Allow-Origin", "*")
            .with("Access-Control-Allow-Headers", "Authorization, Content-Type, MCP-Protocol-Version"),
        (_, "/mcp") => {
            let error = if asked.has("authorization") { "error=\"invalid_token\", " } else { "" };
            let challenge = format!("Bearer {error}resource_metadata=\"{origin}{RESOURCE}\", scope=\"a b\"");
            Reply::new(401)
                .with("WWW-Authenticate", challenge)
                .with("Access-Control-Allow-Origin", "*")
                .with("Access-Control-Expose-Headers", "*")
        }
        ("GET" | "OPTIONS", RESOURCE) => public(Reply::json(
            200,
            &json!({ "resource": format!("{origin}/mcp"), "authorization_servers": [origin] }),
        )),
        ("GET" | "OPTIONS", SERVER) => public(Reply::json(
            200,
            &json!({
                "issuer": origin,
                "authorization_endpoint": format!("{origin}/authorize"),
                "token_endpoint": format!("{origin}/token"),
                "registration_endpoint": format!("{origin}/register"),
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
            }),
        )),
        ("GET", "/authorize") => Reply::new(400),
        _ => Reply::new(404),
    }
}

/// A server that answers by a script, and keeps the requests that it got.
struct Scripted {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let scripted =
            Scripted { address: listener.local_addr().expect("an address"), asked: Arc::default() };
        let (answer, kept) = (Arc::new(answer), scripted.asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, answer, kept) =
                    (stream.expect("a connection"), answer.clone(), kept.clone());
                thread::spawn(move || {
                    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
                    let Some(asked) = read(&mut stream) else { return };
                    kept.lock().expect("the requests").push(format!("{} {}", asked.method, asked.target));
                    let _ = answer(&asked).send(&mut stream); // the doctor may have had enough
                });
            }
        });
        scripted
    }

    fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}

/// Reads one request whole, so that closing doesn't reset the connection.
fn read(stream: &mut TcpStream) -> Option<Asked> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() >= length.map_or(0, |digits| digits.parse().expect("a length")) {
                let host = head.lines().find_map(|line| line.strip_prefix("Host: ")).expect("a Host");
                let mut words = head.split(' ').map(str::to_owned);
                let (method, target) = (words.next()?, words.next()?);
                return Some(Asked {
                    method,
                    target,
                    head: head.to_owned(),
                    origin: format!("http://{host}"),
                });
            }
        }
        match read_on(stream, &mut part) {
            Ok(count @ 1..) => bytes.extend_from_slice(&part[..count]),
            _ => return None,
        }
    }
}

fn doctor(arguments: &[&str]) -> Output {
    let mut command = Command::new(EPICME);
    command.arg("doctor").args(arguments).env_clear().output().expect("the binary runs")
}

/// The lines of each step, each finding on one line: `mark text`, `remedy: text`. Then what follows the steps: a line of
/// the funnel for each step, and the verdict.
struct Findings {
    steps: Vec<Vec<String>>,
    funnel: Vec<String>,
    verdict: String,
}

/// Reads what the doctor printed, after seeing that a terminal can show it.
#[track_caller]
fn findings(output: &Output) -> Findings {
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in text.lines() {
        assert!(line.chars().count() <= 110, "{line}");
        assert!(line.chars().all(|letter| matches!(letter, ' '..='~' | '§')), "{line:?}");
    }
    let mut steps: Vec<Vec<String>> = Vec::new();
    let (above, screen) = text.split_once("How far a client comes:\n").expect("a funnel");
    let screen: Vec<_> = screen.lines().collect();
    // With the heading, and a line for the prompt.
    assert!(screen.len() + 2 <= 24 && screen.iter().all(|line| line.chars().count() <= 80), "{screen:#?}");
    let (funnel, verdict) = screen.split_at(STEPS);
    assert!(funnel.iter().all(|line| line.starts_with("  ")), "{funnel:#?}");
    assert!(!verdict.is_empty() && verdict.iter().all(|line| !line.starts_with(' ')), "{verdict:#?}");
    for line in above.lines().skip(1) {
        let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_continued =
            !["ok ", "warn ", "FAIL ", "skip ", "remedy: "].iter().any(|mark| words.starts_with(mark));
        if line.starts_with(&format!("{} ", steps.len() + 1)) {
            steps.push(Vec::new());
        } else if is_continued {
            let last = steps.last_mut().and_then(|step| step.last_mut()).expect("a finding to go on with");
            *last += &format!(" {words}");
        } else {
            steps.last_mut().expect("a step").push(words);
        }
    }
    assert_eq!(steps.len(), STEPS, "{text}");
    let funnel = funnel.iter().map(|line| line.trim().to_owned()).collect();
    Findings { steps, funnel, verdict: verdict.join(" ") }
}

/// Whether `line` begins with `pattern`, in which each `…` stands for anything.
fn begins(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let rest = line.strip_prefix(parts.next().unwrap_or_default());
    parts.try_fold(rest, |rest, part| Some(rest?.split_once(part).map(|(_, rest)| rest))).flatten().is_some()
}

/// The server with one mistake: at `step` there is a finding that begins with `says`, and its remedy holds `remedy`. A
/// `FAIL` is the first one, ends the walk with 1 and is named by the verdict; a `warn` alone doesn't.
#[track_caller]
fn check(
    mistake: impl Fn(&Asked, Reply) -> Reply + Send + Sync + 'static,
    step: usize,
    says: &str,
    remedy: &str,
) -> Findings {
    let scripted = Scripted::start(move |asked| mistake(asked, right(asked)));
    let output = doctor(&[&scripted.url()]);
    let findings = findings(&output);
    let all = format!("{:#?}\n{}", findings.steps, findings.verdict);
    let lines = &findings.steps[step - 1];
    let at = lines.iter().position(|line| begins(line, says));
    let at = at.unwrap_or_else(|| panic!("step {step} doesn't say {says:?}:\n{all}"));
    let given = lines.get(at + 1).filter(|line| line.starts_with("remedy: ")).expect("a remedy");
    assert!(given.contains(remedy), "{given:?} doesn't say {remedy:?}");
    assert!(lines[at].ends_with(']'), "a clause is named: {}", lines[at]);
    let failures: Vec<_> =
        findings.steps.iter().flatten().filter_map(|line| line.strip_prefix("FAIL ")).collect();
    if let Some(failure) = says.strip_prefix("FAIL ") {
        assert!(begins(failures[0], failure), "{failures:?}");
        assert_eq!(output.status.code(), Some(1), "{all}");
        let named = findings.verdict.strip_prefix("A client can't connect: ");
        assert!(named.is_some_and(|named| begins(named, failure)), "{all}");
    } else {
        assert!(failures.is_empty(), "{failures:?}");
        assert_eq!(output.status.code(), Some(0), "{all}");
        assert_eq!(findings.verdict, "A client could connect.");
    }
    findings
}

/// Every mark of a walk, in order.
fn marks(findings: &Findings) -> Vec<&str> {
    findings.steps.iter().flatten().filter_map(|line| line.split(' ').next()).collect()
}

#[test]
fn finds_nothing_wrong_with_epicme() {
    let server = Server::start();
    for origin in [server.base_url(), server.base_url().replace("127.0.0.1", "localhost")] {
        let output = doctor(&[&format!("{origin}/mcp")]);
        let findings = findings(&output);
        let marks = marks(&findings);
        assert!(!marks.contains(&"warn") && !marks.contains(&"FAIL"), "{:#?}", findings.steps);
        assert_eq!(marks.iter().filter(|mark| **mark == "skip").count(), 1, "registering alone isn't tried");
        assert_eq!((findings.verdict.as_str(), output.status.code()), ("A client could connect.", Some(0)));
    }
    assert_eq!(server.folder.epicme(&["client", "list"], "").stdout, b"", "no client was left behind");
    assert!(!server.log().contains("/register"));
}

#[test]
fn finds_that_a_client_could_connect_to_epicme_by_a_url_with_a_slash_too_many() {
    let server = Server::start();
    let output = doctor(&[&format!("{}/mcp/", server.base_url())]);
    let findings = findings(&output);
    assert_eq!((findings.verdict.as_str(), output.status.code()), ("A client could connect.", Some(0)));
    let lines: Vec<_> = findings.steps.iter().flatten().collect();
    let warned: Vec<_> = lines.iter().filter(|line| line.starts_with("warn ")).collect();
    assert_eq!(warned.len(), 1, "{lines:#?}");
    assert!(warned[0].contains("which covers") && warned[0].contains("/mcp/\""), "{warned:?}");
    assert!(lines.iter().any(|line| line.contains("without the slash at the end")), "{lines:#?}");
}

#[test]
fn walks_to_an_https_server_through_a_proxy() {
    let server = Server::start_in(Arc::new(Folder::new()), &["--public-url", "https://journal.example"]);
    let forwarded = server.address.to_string();
    let output = doctor(&["https://journal.example/mcp", "--connect", &forwarded]);
    let findings = findings(&output);
    assert_eq!(output.status.code(), Some(0), "{:#?}", findings.steps);
    assert!(!marks(&findings).contains(&"warn"), "{:#?}", findings.steps);
    assert!(findings.steps[0][0].contains(&format!("through {forwarded}")), "{:?}", findings.steps[0]);
    // The same server, forgetful of its public URL, behind the same proxy.
    let scripted = Scripted::start(right);
    let output = doctor(&["https://journal.example/mcp", "--connect", &scripted.address.to_string()]);
    let findings = self::findings(&output);
    assert_eq!(output.status.code(), Some(1));
    let step = &findings.steps[3];
    let at =
        step.iter().position(|line| line.starts_with("FAIL resource_metadata is \"http://journal.example/"));
    let at = at.unwrap_or_else(|| panic!("{step:?}"));
    assert!(step[at + 1].contains("behind a proxy that speaks https and doesn't know it"), "{step:?}");
    assert!(
        findings.steps[4].iter().any(|line| line.starts_with("FAIL resource is")),
        "{:?}",
        findings.steps[4]
    );
    assert!(findings.steps[5][0].starts_with("FAIL the issuer is"), "{:?}", findings.steps[5]);
}

#[test]
fn finds_nothing_wrong_with_a_server_that_does_all_right() {
    for manner in [Manner::Length, Manner::Chunked, Manner::UntilClose] {
        let scripted = Scripted::start(move |asked| right(asked).manner(manner));
        let output = doctor(&[&scripted.url()]);
        let findings = findings(&output);
        assert_eq!(output.status.code(), Some(0), "{:#?}", findings.steps);
        assert!(!marks(&findings).contains(&"warn"), "{:#?}", findings.steps);
        // Nothing is posted but to the endpoint, so nothing is left behind.
        let asked = scripted.asked.lock().expect("the requests").clone();
        assert!(asked.iter().all(|asked| !asked.starts_with("POST ") || asked == "POST /mcp"), "{asked:?}");
    }
}

#[test]
fn explains_a_first_response_that_is_not_a_401() {
    let status = |status: u16| {
        move |asked: &Asked, reply: Reply| {
            if asked.is("POST", "/mcp") { Reply::new(status).with("Location", "/mcp/") } else { reply }
        }
    };
    let rows = [
        (403, "asking for access is useless", "answer 401 to a request without a token"),
        (404, "nothing is at this path", "often /mcp"),
        (405, "takes no POST", "Streamable HTTP"),
        (400, "judged before the token", "from the head alone"),
        (307, "it redirects to \"/mcp/\"", "the URL that it ends at"),
        (421, "doesn't know this host", "public URL"),
        (429, "too many requests", "wait"),
        (500, "fails before it checks the token", "server's log"),
        (502, "fails before it checks the token", "server's log"),
    ];
    for (code, why, remedy) in rows {
        let says = format!("FAIL POST \"/mcp\" without a token is answered {code}, not 401: ");
        let findings = check(status(code), 3, &says, remedy);
        assert!(findings.steps[2][0].contains(why), "{:?}", findings.steps[2]);
        assert!(findings.steps[3..].iter().all(|step| step[..] == ["skip needs the 401 of step 3"]));
    }
    let get = |asked: &Asked, reply| if asked.is("GET", "/mcp") { Reply::new(200) } else { reply };
    check(get, 3, "warn GET \"/mcp\" without a token gets 200", "for every method but OPTIONS");
}

#[test]
fn says_that_no_token_is_checked() {
    for (with_token, step) in [(false, 3), (true, 9)] {
        let scripted = Scripted::start(move |asked| {
            let is_open = asked.is("POST", "/mcp") && (!with_token || asked.has("authorization"));
            if is_open { Reply::json(200, &json!({})) } else { right(asked) }
        });
        let output = doctor(&[&scripted.url()]);
        let findings = findings(&output);
        let failed =
            findings.steps[step - 1].iter().find(|line| line.starts_with("FAIL")).expect("a failure");
        assert!(failed.contains("is answered 200"), "{failed}");
        assert_eq!(output.status.code(), Some(1));
        assert!(findings.verdict.contains("nothing is protected"), "{}", findings.verdict);
    }
}

/// A mistake in the challenge alone.
fn challenge(change: impl Fn(&str) -> Option<String>) -> impl Fn(&Asked, Reply) -> Reply {
    move |asked, reply| {
        if !asked.target.starts_with("/mcp") || asked.method == "OPTIONS" || asked.has("authorization") {
            return reply;
        }
        match change(reply.field("WWW-Authenticate")) {
            Some(value) => reply.with("WWW-Authenticate", value),
            None => reply.without("WWW-Authenticate"),
        }
    }
}

#[test]
fn judges_the_challenge() {
    check(
        challenge(|_| None),
        4,
        "warn the 401 has no WWW-Authenticate",
        "Bearer resource_metadata=\"http://",
    );
    let basic = challenge(|_| Some("Basic realm=\"x\"".to_owned()));
    check(basic, 4, "warn WWW-Authenticate offers \"Basic\", not Bearer", "Bearer resource_metadata=\"");
    let broken = challenge(|value| Some(value.replace("\", ", "\" ")));
    check(broken, 4, "warn WWW-Authenticate can't be read", "Bearer resource_metadata=\"");
    let bare = challenge(|_| Some("Bearer".to_owned()));
    check(bare, 4, "warn the challenge names no resource_metadata", "add resource_metadata=\"http://");
    let unquoted =
        challenge(|value| Some(value.replace(&format!("{RESOURCE}\""), RESOURCE).replace("a=\"", "a=")));
    check(unquoted, 4, "warn resource_metadata is not quoted", "write resource_metadata=\"...\"");
    let scope = challenge(|value| Some(value.replace("\"a b\"", "a")));
    check(scope, 4, "warn scope is not quoted", "scope=\"...\"");
    let error = challenge(|value| Some(format!("{value}, error=\"invalid_token\"")));
    check(error, 4, "warn the challenge holds an error", "leave error out");
    let second = challenge(|value| Some(format!("Basic realm=\"x\", {value}")));
    check(second, 4, "warn \"Basic\" stands before the Bearer challenge", "or alone");
    let twice = challenge(|value| Some(format!("{value}, Bearer realm=\"x\"")));
    check(twice, 4, "warn there are several Bearer challenges", "send one");
    let abroad = challenge(|_| Some("Bearer resource_metadata=\"https://user@h.example/\"".to_owned()));
    check(
        abroad,
        4,
        "FAIL resource_metadata is \"https://user@h.example/\", a URL with a user in it",
        "ASCII",
    );
    let relative = challenge(|_| Some(format!("Bearer resource_metadata=\"{RESOURCE}\"")));
    check(relative, 4, "FAIL resource_metadata is \"/.well-known", "from https:// on");
    let elsewhere =
        challenge(|_| Some(format!("Bearer resource_metadata=\"https://other.example{RESOURCE}\"")));
    check(elsewhere, 4, "FAIL resource_metadata is \"https://other.example", "https URL");
    let localhost = challenge(|value| Some(value.replace("127.0.0.1", "localhost")));
    check(localhost, 4, "FAIL resource_metadata is \"http://localhost", "different hosts to a client");
    let cached = |asked: &Asked, reply: Reply| {
        if asked.is("POST", "/mcp") { reply.with("Cache-Control", "max-age=60") } else { reply }
    };
    check(cached, 4, "warn a cache may keep the 401", "no-store");
}

/// A mistake in the document at one path alone.
fn at(path: &'static str, change: impl Fn(&str, Reply) -> Reply) -> impl Fn(&Asked, Reply) -> Reply {
    move |asked, reply| if asked.is("GET", path) { change(&asked.origin, reply) } else { reply }
}

#[test]
fn judges_the_protected_resource_metadata() {
    let gone = at(RESOURCE, |_, _| Reply::new(404));
    check(
        gone,
        5,
        "FAIL \"http://127.0.0.1:…/.well-known/oauth-protected-resource/mcp\" is answered 404, though the challenge names it",
        "serve it there",
    );
    let gated = at(RESOURCE, |_, _| Reply::new(401));
    check(
        gated,
        5,
        "FAIL \"http://127.0.0.1:…/.well-known/oauth-protected-resource/mcp\" is answered 401, though the challenge names it",
        "without requiring a token",
    );
    let nowhere = |asked: &Asked, reply: Reply| match asked.target.as_str() {
        RESOURCE => Reply::new(404),
        _ => challenge(|_| Some("Bearer realm=\"x\"".to_owned()))(asked, reply),
    };
    check(nowhere, 5, "FAIL no protected resource metadata at", "serve it at \"/.well-known");
    let at_root = |asked: &Asked, reply: Reply| match asked.target.as_str() {
        RESOURCE => Reply::new(404),
        RESOURCE_ROOT => {
            right(&Asked { target: RESOURCE.to_owned(), head: asked.head.clone(), ..asked.copy() })
        }
        _ => challenge(|_| None)(asked, reply),
    };
    check(at_root, 5, "warn it is at the root only", "too");
    let html = at(RESOURCE, |_, _| {
        let mut page = Reply::new(200).with("Content-Type", "text/html");
        page.body = "<!doctype html>\u{1b}[2J".to_owned();
        page
    });
    check(
        html,
        5,
        "FAIL \"http://127.0.0.1:…/.well-known/oauth-protected-resource/mcp\" is no JSON that can be read in one way (as \"text/html\")",
        "not with a page",
    );
    let twice = at(RESOURCE, |_, mut reply| {
        reply.body = reply.body.replacen('{', "{\"resource\":\"x\",", 1);
        reply
    });
    check(
        twice,
        5,
        "FAIL \"http://127.0.0.1:…/.well-known/oauth-protected-resource/mcp\" is no JSON that can be read in one way … there twice",
        "answer with the document",
    );
    let marked = at(RESOURCE, |_, mut reply| {
        reply.body.insert(0, '\u{feff}');
        reply
    });
    check(
        marked,
        5,
        "warn \"http://127.0.0.1:…/.well-known/oauth-protected-resource/mcp\" begins with a byte order mark",
        "without one",
    );
    let text = at(RESOURCE, |_, reply| reply.with("Content-Type", "text/plain"));
    check(
        text,
        5,
        "warn \"http://127.0.0.1:…/.well-known/oauth-protected-resource/mcp\" comes as \"text/plain\"",
        "Content-Type: application/json",
    );
    let moved = at(RESOURCE, |_, _| Reply::new(301).with("Location", "https://elsewhere.example/"));
    check(
        moved,
        5,
        "FAIL \"http://127.0.0.1:…/.well-known/oauth-protected-resource/mcp\" redirects to \"https://elsewhere.example/\"",
        "clients follow no redirect",
    );
    let broken = at(RESOURCE, |_, _| Reply::new(500));
    check(
        broken,
        5,
        "FAIL \"http://127.0.0.1:…/.well-known/oauth-protected-resource/mcp\" is answered 500",
        "answer 404 where nothing is",
    );

    type Named = fn(&str) -> Option<Value>;
    let rows: [(&str, Named, &str, &str); 15] = [
        ("resource", |_| None, "FAIL the document names no resource", "add \"resource\""),
        (
            "resource",
            |_| Some(json!("/mcp")),
            "FAIL resource is \"/mcp\", not an absolute",
            "that people type",
        ),
        (
            "resource",
            |origin| Some(json!(format!("{}/mcp", origin.replace("127.0.0.1", "localhost")))),
            "FAIL resource is \"http://localhost:",
            "\"127.0.0.1\" and \"localhost\" are different hosts",
        ),
        (
            "resource",
            |origin| Some(json!(format!("{}/mcp", origin.replace("http:", "https:")))),
            "FAIL resource is \"https://127.0.0.1:",
            "https URL",
        ),
        (
            "resource",
            |_| Some(json!("http://127.0.0.1:1/mcp")),
            "FAIL resource is \"http://127.0.0.1:1/mcp\"",
            "the port differs",
        ),
        (
            "resource",
            |origin| Some(json!(format!("{origin}/mcp/"))),
            "FAIL resource is \"http://127.0.0.1:",
            "a slash at the end",
        ),
        ("resource", |origin| Some(json!(origin)), "warn resource is \"http://127.0.0.1:", "path included"),
        (
            "bearer_methods_supported",
            |_| Some(json!(["body"])),
            "warn bearer_methods_supported lacks \"header\"",
            "leave the member out",
        ),
        (
            "bearer_methods_supported",
            |_| Some(json!([])),
            "warn bearer_methods_supported lacks \"header\"",
            "leave the member out",
        ),
        (
            "authorization_servers",
            |_| Some(json!([])),
            "FAIL authorization_servers isn't a list",
            "at least one",
        ),
        (
            "authorization_servers",
            |origin| Some(json!(origin)),
            "FAIL authorization_servers isn't a list",
            "at least one",
        ),
        (
            "authorization_servers",
            |origin| Some(json!([origin, 5])),
            "FAIL authorization_servers holds \"5\", not an absolute",
            "take it out",
        ),
        (
            "authorization_servers",
            |origin| Some(json!([origin, null])),
            "FAIL authorization_servers holds \"null\", not an absolute",
            "take it out",
        ),
        (
            "authorization_servers",
            |origin| Some(json!([origin, "nonsense"])),
            "FAIL authorization_servers holds \"nonsense\", not an absolute",
            "take it out",
        ),
        (
            "scopes_supported",
            |_| Some(Value::Null),
            "FAIL of the wrong type, or null: \"scopes_supported\"",
            "leave a member out",
        ),
    ];
    for (name, value, says, remedy) in rows {
        check(at(RESOURCE, move |origin, reply| reply.member(name, value(origin))), 5, says, remedy);
    }
}

impl Asked {
    fn copy(&self) -> Asked {
        let Asked { method, target, head, origin } = self;
        let (method, target) = (method.clone(), target.clone());
        Asked { method, target, head: head.clone(), origin: origin.clone() }
    }
}

#[test]
fn judges_the_authorization_server_metadata() {
    type Named = fn(&str) -> Option<Value>;
    let rows: [(&str, Named, &str, &str); 15] = [
        ("issuer", |origin| Some(json!(format!("{origin}/"))), "FAIL issuer is \"http://", "without a slash"),
        (
            "issuer",
            |origin| Some(json!(format!("{origin}/tenant"))),
            "FAIL issuer is \"http://",
            "the same issuer in both documents",
        ),
        (
            "issuer",
            |origin| Some(json!(origin.replace("127.0.0.1", "localhost"))),
            "FAIL issuer is \"http://localhost:",
            "different hosts",
        ),
        ("issuer", |_| None, "FAIL the document names no issuer", "add \"issuer\""),
        (
            "authorization_endpoint",
            |_| None,
            "FAIL there is no authorization_endpoint",
            "add \"authorization_endpoint\"",
        ),
        (
            "token_endpoint",
            |_| Some(json!("/token")),
            "FAIL token_endpoint is \"/token\"",
            "from https:// on",
        ),
        (
            "token_endpoint",
            |_| Some(json!("http://auth.example/token")),
            "FAIL token_endpoint is \"http://auth.example/token\", plain http",
            "over https",
        ),
        (
            "response_types_supported",
            |_| Some(json!(["token"])),
            "FAIL response_types_supported",
            "[\"code\"]",
        ),
        (
            "grant_types_supported",
            |_| Some(json!(["implicit"])),
            "FAIL grant_types_supported",
            "leave it out",
        ),
        (
            "code_challenge_methods_supported",
            |_| None,
            "FAIL code_challenge_methods_supported",
            "verify PKCE",
        ),
        (
            "code_challenge_methods_supported",
            |_| Some(json!(["plain"])),
            "FAIL code_challenge_methods_supported",
            "[\"S256\"]",
        ),
        (
            "token_endpoint_auth_methods_supported",
            |_| None,
            "warn token_endpoint_auth_methods_supported doesn't have none",
            "can't keep a secret",
        ),
        ("registration_endpoint", |_| None, "FAIL no way for a client to register", "pre-register"),
        (
            "registration_endpoint",
            |_| Some(json!("register")),
            "FAIL registration_endpoint is \"register\"",
            "from https:// on",
        ),
        (
            "jwks_uri",
            |_| Some(Value::Null),
            "FAIL of the wrong type, or null: \"jwks_uri\"",
            "leave a member out",
        ),
    ];
    for (name, value, says, remedy) in rows {
        check(at(SERVER, move |origin, reply| reply.member(name, value(origin))), 6, says, remedy);
    }
    let by_document = at(SERVER, |_, reply| {
        let reply = reply.member("registration_endpoint", None);
        reply.member("client_id_metadata_document_supported", Some(json!(true)))
    });
    check(by_document, 6, "warn clients can register by a client ID metadata document only", "too");
    check(
        at(SERVER, |_, _| Reply::new(404)),
        6,
        "FAIL no authorization server metadata at",
        "at the first of these",
    );
    let openid_breaks = |asked: &Asked, reply: Reply| match asked.target.as_str() {
        SERVER => Reply::new(404),
        OPENID => Reply::new(500),
        _ => reply,
    };
    check(
        openid_breaks,
        6,
        "FAIL \"http://127.0.0.1:…/.well-known/openid-configuration\" is answered 500",
        "answer 404 where nothing is",
    );
    let slash = at(RESOURCE, |origin, reply| {
        reply.member("authorization_servers", Some(json!([format!("{origin}/")])))
    });
    check(slash, 6, "FAIL issuer is \"http://127.0.0.1:", "without a slash");
    let plain =
        at(RESOURCE, |_, reply| reply.member("authorization_servers", Some(json!(["http://auth.example"]))));
    check(plain, 6, "FAIL the issuer is \"http://auth.example\", plain http", "over https");
    let far = at(RESOURCE, |_, reply| {
        let hosts = format!("https://{}.example", "a".repeat(100_000));
        reply.member("authorization_servers", Some(json!([hosts])))
    });
    let findings = check(far, 6, "FAIL the issuer \"https://aaa", "from https:// on");
    let step = &findings.steps[5];
    assert!(step[0].contains("is a URL with a host longer than any name"), "{step:?}");
    assert!(step.iter().all(|line| line.len() < 1000), "{step:?}");
    for (issuer, says) in [
        (
            "https://m\u{fc}nchen.example",
            "FAIL the issuer \"https://m\\xc3\\xbcnchen.example\" is a URL with letters",
        ),
        ("https://user@h.example", "FAIL the issuer \"https://user@h.example\" is a URL with a user in it"),
        ("https://h.example?x", "FAIL the issuer \"https://h.example?x\" is a URL with a query"),
        ("https://h.example/#x", "FAIL the issuer \"https://h.example/#x\" is a URL with a fragment"),
    ] {
        let named =
            at(RESOURCE, move |_, reply| reply.member("authorization_servers", Some(json!([issuer]))));
        check(named, 6, says, "in ASCII");
    }
    let no_url =
        at(RESOURCE, |_, reply| reply.member("authorization_servers", Some(json!(["auth.example"]))));
    check(no_url, 6, "FAIL the issuer \"auth.example\" is not an absolute", "from https:// on");
}

#[test]
fn finds_the_metadata_where_openid_connect_puts_it() {
    let scripted = Scripted::start(|asked| match asked.target.as_str() {
        SERVER => Reply::new(404),
        OPENID => right(&Asked { target: SERVER.to_owned(), ..asked.copy() }),
        _ => right(asked),
    });
    let output = doctor(&[&scripted.url()]);
    assert_eq!(output.status.code(), Some(0), "{:#?}", findings(&output).steps);
}

#[test]
fn leaves_the_verdict_open_where_it_can_not_look() {
    let other = Scripted::start(right);
    let (port, origin) = (other.address.to_string(), "https://auth.example");
    let scripted = Scripted::start(|asked| {
        let reply = right(asked);
        match asked.target.as_str() {
            RESOURCE => reply.member("authorization_servers", Some(json!(["https://auth.example"]))),
            _ => reply,
        }
    });
    let output = doctor(&[&scripted.url()]);
    let blind = findings(&output);
    assert!(
        blind.steps[5][0]
            .starts_with("skip the authorization server at \"https://auth.example\" was not checked")
    );
    assert!(blind.steps[5][1].contains("https://auth.example=127.0.0.1:PORT"), "{:?}", blind.steps[5]);
    assert!(blind.verdict.starts_with("It isn't known whether a client could connect"), "{}", blind.verdict);
    assert_eq!(output.status.code(), Some(1));
    // With --connect for it the doctor reads its metadata, in which it names itself wrongly.
    let output = doctor(&[&scripted.url(), "--connect", &format!("{origin}={port}")]);
    let seeing = findings(&output);
    assert!(
        seeing.steps[5][1].starts_with("FAIL issuer is \"http://auth.example\""),
        "{:#?}",
        seeing.steps[5]
    );
}

/// A port of this machine at which no program listens.
fn dead() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

#[test]
fn checks_that_the_endpoints_accept_connections_to_which_it_sends_nothing() {
    for (name, clause) in [("token_endpoint", "token"), ("registration_endpoint", "register")] {
        let gone = format!("{}/{clause}", dead());
        let mistake = at(SERVER, move |_, reply| reply.member(name, Some(json!(gone))));
        let says = format!("FAIL {name}: the answer doesn't come: no connection is accepted");
        check(mistake, 6, &says, "start the server that should listen at \"http://127.0.0.1:");
    }
    let gone = format!("{}/register", dead());
    let by_document = at(SERVER, move |_, reply| {
        let reply = reply.member("client_id_metadata_document_supported", Some(json!(true)));
        reply.member("registration_endpoint", Some(json!(gone)))
    });
    check(
        by_document,
        6,
        "warn registration_endpoint: the answer doesn't come",
        "start the server that should listen",
    );
    for (name, by_document, is_open) in [
        ("token_endpoint", false, true),
        ("registration_endpoint", false, true),
        ("registration_endpoint", true, false),
    ] {
        let elsewhere = at(SERVER, move |_, reply| {
            let reply = reply.member("client_id_metadata_document_supported", Some(json!(by_document)));
            reply.member(name, Some(json!("https://auth.example/x")))
        });
        let scripted = Scripted::start(move |asked| elsewhere(asked, right(asked)));
        let output = doctor(&[&scripted.url()]);
        let findings = findings(&output);
        let says =
            format!("It isn't known whether a client could connect: {name} at \"https://auth.example\"");
        assert_eq!(findings.verdict.starts_with(&says), is_open, "{}", findings.verdict);
        assert_eq!(output.status.code(), Some(i32::from(is_open)), "{:#?}", findings.steps);
    }
}

#[test]
fn asks_the_authorization_endpoint_for_nothing_it_could_keep() {
    let status = |status: u16| at("/authorize", move |_, _| Reply::new(status));
    check(status(500), 7, "FAIL GET for a client that isn't registered is answered 500", "with 400");
    check(status(401), 7, "FAIL GET for a client that isn't registered is answered 401", "sign-in is a 200");
    check(status(404), 7, "FAIL GET for a client that isn't registered is answered 404", "correct");
    check(status(403), 7, "warn GET for a client that isn't registered is answered 403", "with 400");
    check(
        status(302),
        7,
        "FAIL GET for a client that isn't registered is answered 302 without a Location",
        "a page",
    );
    for whole in [false, true] {
        let circle = move |asked: &Asked, reply| match asked.is("GET", "/authorize") {
            true if whole => Reply::new(302).with("Location", format!("{}{}", asked.origin, asked.target)),
            true => Reply::new(302).with("Location", "/authorize"),
            false => reply,
        };
        check(circle, 7, "warn GET for a client that isn't registered is redirected to itself", "a page");
    }
    let open = at("/authorize", |_, _| {
        Reply::new(302).with("Location", "http://127.0.0.1:9/epicme-doctor?error=invalid_request")
    });
    check(
        open,
        7,
        "warn GET for a client that isn't registered is redirected to the address",
        "redirect no browser",
    );
    let login = at("/authorize", |_, _| Reply::new(302).with("Location", "/login"));
    let scripted = Scripted::start(move |asked| login(asked, right(asked)));
    assert_eq!(doctor(&[&scripted.url()]).status.code(), Some(0));
}

#[test]
fn warns_where_only_browsers_stop() {
    let preflight = |change: fn(Reply) -> Reply| {
        move |asked: &Asked, reply| if asked.is("OPTIONS", "/mcp") { change(reply) } else { reply }
    };
    let gated = preflight(|_| Reply::new(401));
    check(gated, 8, "warn the preflight of \"/mcp\" is answered 401", "before the token is checked");
    let star = preflight(|reply| reply.with("Access-Control-Allow-Headers", "*"));
    check(star, 8, "warn the preflight doesn't allow authorization [", "doesn't stand for authorization");
    let other = preflight(|reply| reply.with("Access-Control-Allow-Origin", "https://other.example"));
    check(other, 8, "warn the preflight doesn't allow a page", "Access-Control-Allow-Origin");
    let hidden = |asked: &Asked, reply: Reply| {
        if asked.is("POST", "/mcp") { reply.without("Access-Control-Expose-Headers") } else { reply }
    };
    check(
        hidden,
        8,
        "warn a page can't see WWW-Authenticate",
        "Access-Control-Expose-Headers: WWW-Authenticate",
    );
    let closed = |asked: &Asked, reply: Reply| {
        if asked.is("POST", "/mcp") { reply.without("Access-Control-Allow-Origin") } else { reply }
    };
    check(closed, 8, "warn a page can't read the 401", "with every answer");
    let private = at(SERVER, |_, reply| reply.without("Access-Control-Allow-Origin"));
    check(private, 8, "warn a page can't read \"/.well-known/oauth-authorization-server\":", "Origin: *");
    let unasked = |asked: &Asked, reply| if asked.is("OPTIONS", RESOURCE) { Reply::new(405) } else { reply };
    check(unasked, 8, "warn a page can't read \"/.well-known/oauth-protected-resource/mcp\" with", "OPTIONS");
}

#[test]
fn knows_how_a_wrong_token_is_to_be_answered() {
    let status = |status: u16| {
        move |asked: &Asked, reply| if asked.has("authorization") { Reply::new(status) } else { reply }
    };
    check(status(403), 9, "FAIL a wrong token is answered 403, so a client", "invalid_token");
    check(status(500), 9, "FAIL a wrong token is answered 500", "invalid_token");
    check(status(400), 9, "FAIL a wrong token is answered 400", "invalid_token");
    check(status(401), 9, "warn a wrong token is answered 401 with no error", "invalid_token");
}

#[test]
fn survives_a_server_that_is_none() {
    let junk = |body: &'static str| {
        move |asked: &Asked, reply: Reply| {
            if asked.is("POST", "/mcp") {
                Reply { body: body.to_owned(), ..reply.manner(Manner::Junk) }
            } else {
                reply
            }
        }
    };
    let malformed = "FAIL the answer to POST \"/mcp\" is not HTTP/1.1";
    check(junk("\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}\u{46}"), 3, malformed, "if it speaks TLS");
    check(junk("SSH-2.0-OpenSSH_9\r\n"), 3, malformed, "find out which program listens there");
    check(
        junk("HTTP/1.1 401 x\r\nX: \u{1b}[2J\u{0}\r\n\r\n"),
        3,
        malformed,
        "find out which program listens there",
    );
    check(junk(""), 3, "FAIL the answer to POST \"/mcp\" ends before it is whole", "from the head alone");
    let first = |change: fn(Reply) -> Reply| {
        move |asked: &Asked, reply| if asked.is("POST", "/mcp") { change(reply) } else { reply }
    };
    let framing = "FAIL the answer to POST \"/mcp\" has no one end: look at its Content-Length";
    check(first(|reply| reply.with("Content-Length", "7")), 3, framing, "mend what writes the head");
    check(first(|reply| reply.with("Transfer-Encoding", "chunked")), 3, framing, "mend what writes the head");
    // Equal values too: the fetch of Node stops at them.
    let listed = first(|reply| reply.manner(Manner::UntilClose).with("Content-Length", "0, 0"));
    check(listed, 3, framing, "mend what writes the head");
    check(
        junk("HTTP/1.1 401 No\nWWW-Authenticate: Bearer\nContent-Length: 0\n\n"),
        3,
        "FAIL the answer to POST \"/mcp\" has a line that ends with LF alone",
        "mend what writes the head",
    );
    let many = first(|mut reply| {
        reply.fields.extend((0..101).map(|_| ("X", "y".to_owned())));
        reply
    });
    check(
        many,
        3,
        "FAIL the answer to POST \"/mcp\" has more header fields than some clients read",
        "send fewer",
    );
    let endless_head = |asked: &Asked, reply: Reply| {
        if asked.is("POST", "/mcp") { Reply::new(401).with("X", "x".repeat(100_000)) } else { reply }
    };
    check(endless_head, 3, "FAIL the answer to POST \"/mcp\" is too large", "from the head alone");
    let endless = at(RESOURCE, |_, reply| reply.manner(Manner::Endless));
    check(
        endless,
        5,
        "FAIL \"http://127.0.0.1:…/.well-known/oauth-protected-resource/mcp\": the answer is too large",
        "answer with the document",
    );
    // What is printed of it is escaped and cut: `findings` looks at every line.
    let wild = at(RESOURCE, |_, reply| {
        reply.member("resource", Some(json!(format!("\u{1b}[2J\r\nok \u{202e}{}", "x".repeat(5000)))))
    });
    check(wild, 5, "FAIL resource is \"\\x1b[2J\\r\\nok \\xe2\\x80\\xae", "that people type");
    let (nobodys, _kept) = deaf_address();
    let output = doctor(&[&format!("http://{nobodys}/mcp")]);
    let findings = findings(&output);
    assert!(findings.steps[1][0].starts_with("FAIL no connection is accepted at"), "{:?}", findings.steps[1]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn waits_for_a_dripping_answer_only_so_long() {
    let drip = at(RESOURCE, |_, reply| reply.manner(Manner::Drip));
    check(
        drip,
        5,
        "FAIL \"http://127.0.0.1:…/.well-known/oauth-protected-resource/mcp\": the answer takes too long",
        "answer with the document",
    );
}

#[test]
fn refuses_a_wrong_command_line_with_2() {
    let local = "http://127.0.0.1:8787/mcp";
    for (arguments, says) in [
        (&[][..], "not complete"),
        (&["mcp"], "takes the URL"),
        (&["http://user@127.0.0.1/mcp"], "takes the URL"),
        (&["http://127.0.0.1/mcp#x"], "takes the URL"),
        (
            &["https://journal.example/mcp"],
            "socat TCP-LISTEN:9000,bind=127.0.0.1,fork OPENSSL:journal.example:443",
        ),
        (&["https://journal.example/mcp?a&b"], "epicme doctor 'https://journal.example/mcp?a&b' --connect"),
        (&["http://journal.example/mcp"], "resolves no names"),
        (&["http://10.0.0.1/mcp"], "is not a host of this machine"),
        (&[local, "--connect", "10.0.0.1:9000"], "--connect takes"),
        (&[local, "--connect", "proxy:9000"], "--connect takes"),
        (&[local, "--demo"], "takes no --demo"),
        (&[local, "--json", "--diagram"], "--diagram and --json are two forms of one report: choose one"),
        (&["mcp", "--json"], "takes the URL"),
        (&[local, local], "too long"),
    ] {
        let output = doctor(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(says) && output.stdout.is_empty(), "{arguments:?}: {text}");
    }
}
