//! The forms of the report beside the lines: `--diagram`, `--json`, and the funnel at the end of the lines.

use serde_json::{Value, json};

use super::{
    Asked, Manner, OPENID, RESOURCE, RESOURCE_ROOT, Reply, SERVER, STEPS, Scripted, at, challenge, doctor,
    findings, right,
};
use crate::support::{Server, deaf_address};

/// A server with one mistake, or none.
type Mistake = Box<dyn Fn(&Asked, Reply) -> Reply + Send + Sync>;

/// How a diagram begins, whatever was walked to.
const PARTICIPANTS: &str = "sequenceDiagram
    participant browser
    participant client
    participant gate
    participant server as authorization server
    participant journal
";

/// Returns the lines of a diagram after its participants, each without its indent, after seeing that each is an arrow
/// or a note and that nothing in it means something to Mermaid.
#[track_caller]
fn diagram(arguments: &[&str]) -> Vec<String> {
    let output = doctor(&[arguments, &["--diagram"]].concat());
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let rest = text.strip_prefix(PARTICIPANTS).expect("the participants");
    let lines: Vec<_> = rest.lines().map(|line| line.strip_prefix("    ").expect("an indent")).collect();
    let actors = ["browser", "client", "gate", "server", "journal"];
    for line in &lines {
        let (head, text) = line.split_once(": ").expect("a text");
        let ends = match head.strip_prefix("Note over ") {
            Some(over) => over.split_once(','),
            None => ["-->>", "->>", "--x", "-x"].iter().find_map(|arrow| head.split_once(arrow)),
        };
        let (left, right) = ends.unwrap_or_else(|| panic!("{line}"));
        assert!(actors.contains(&left) && actors.contains(&right), "{line}");
        let text = text.replace("<br/>", " "); // ours: the text of a server has no `<`
        let is_harmless =
            |letter: char| letter.is_ascii_alphanumeric() || " !\"'()*+,-./:=?@[]_~§%".contains(letter);
        assert!(text.chars().all(is_harmless) && !text.contains("%%"), "{line}");
        assert!(line.chars().count() <= 400, "{line}");
    }
    lines.into_iter().map(str::to_owned).collect()
}

/// The requests of a diagram, as `METHOD path`, and the notes of what is wrong.
fn drawn(lines: &[String]) -> (Vec<String>, Vec<String>) {
    let is_request = |line: &&String| line.contains("->>") && !line.contains("-->>");
    let requests = lines.iter().filter(is_request).filter_map(|line| line.split_once(": "));
    let is_wrong = |text: &str| ["warn: ", "FAIL: ", "not known: "].iter().any(|mark| text.starts_with(mark));
    let lines = lines.iter().map(|line| line.replace("<br/>", " "));
    let notes =
        lines.filter_map(|line| Some(line.strip_prefix("Note over ")?.split_once(": ")?.1.to_owned()));
    (
        requests.map(|(_, request)| request.trim_end_matches("?...").to_owned()).collect(),
        notes.filter(|text| is_wrong(text)).collect(),
    )
}

/// The object of `--json`, after seeing that it stands alone and is as its schema says, with nothing beside.
#[track_caller]
fn object(arguments: &[&str]) -> Value {
    let output = doctor(&[arguments, &["--json"]].concat());
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let object: Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!(object["exitCode"], json!(output.status.code()), "{object:#}");
    let schema = schema();
    let judge = jsonschema::validator_for(&schema).expect("a schema");
    let wrong: Vec<_> = judge.iter_errors(&object).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{object:#}");
    let names = object["steps"].as_array().into_iter().flatten().map(|step| &step["name"]);
    assert_eq!(json!(names.collect::<Vec<_>>()), schema["$defs"]["step"]["properties"]["name"]["examples"]);
    object
}

/// The schema of the documents, in which for these tests no object may have a member that isn't described.
fn schema() -> Value {
    fn close(schema: &mut Value) {
        if schema["properties"].is_object() {
            let all: Vec<_> =
                schema["properties"].as_object().into_iter().flat_map(|own| own.keys()).collect();
            assert_eq!(json!(all), schema["required"], "every member is always there");
            schema["additionalProperties"] = json!(false);
        }
        let members = schema.as_object_mut().into_iter().flat_map(|object| object.values_mut());
        members.filter(|member| member.is_object()).for_each(close);
    }
    let mut schema: Value =
        serde_json::from_str(include_str!("../../docs/doctor.schema.json")).expect("JSON");
    close(&mut schema);
    schema
}

/// The outcome of each step.
fn outcomes(object: &Value) -> Vec<&str> {
    let steps = object["steps"].as_array().expect("the steps");
    steps.iter().map(|step| step["outcome"].as_str().expect("an outcome")).collect()
}

#[test]
fn draws_each_request_and_answer_of_a_walk_in_order() {
    let scripted = Scripted::start(right);
    let expected = "
Note over browser,journal: 3 A request without a token
client->>gate: POST /mcp
gate-->>client: 401
client->>gate: GET /mcp
gate-->>client: 401
Note over browser,journal: 5 Protected resource metadata
client->>gate: GET /.well-known/oauth-protected-resource/mcp
gate-->>client: 200
Note over browser,journal: 6 Authorization server metadata
client->>server: GET /.well-known/oauth-authorization-server
server-->>client: 200
Note over browser,journal: 7 The authorization endpoint
browser->>server: GET /authorize?...
server-->>browser: 400
Note over browser,journal: 8 Clients in a browser
client->>gate: OPTIONS /mcp
gate-->>client: 204
client->>gate: POST /mcp
gate-->>client: 401
client->>gate: GET /.well-known/oauth-protected-resource/mcp
gate-->>client: 200
client->>gate: OPTIONS /.well-known/oauth-protected-resource/mcp
gate-->>client: 200
client->>server: GET /.well-known/oauth-authorization-server
server-->>client: 200
client->>server: OPTIONS /.well-known/oauth-authorization-server
server-->>client: 200
Note over browser,journal: 9 A request with a wrong token
client->>gate: POST /mcp
gate-->>client: 401
Note over browser,journal: A client could connect";
    let lines = diagram(&[&scripted.url()]);
    assert_eq!(lines, expected.lines().skip(1).collect::<Vec<_>>());
    // The object tells of the same exchanges, and both of those that the server saw.
    let asked = |scripted: &Scripted| {
        let asked = scripted.asked.lock().expect("the requests").clone();
        asked.iter().map(|asked| asked.split('?').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(drawn(&lines), (asked(&scripted), Vec::new()));
    let again = Scripted::start(right);
    let object = object(&[&again.url()]);
    let told: Vec<_> = object["exchanges"]
        .as_array()
        .expect("the exchanges")
        .iter()
        .map(|sent| {
            let url = sent["url"].as_str().expect("a URL").split('?').next().unwrap_or_default();
            let path = url.strip_prefix(&format!("http://{}", again.address)).expect("a path");
            format!("{} {path}", sent["method"].as_str().expect("a method"))
        })
        .collect();
    assert_eq!(told, asked(&again));
}

#[test]
fn says_the_same_in_every_form() {
    let rows: [(Mistake, usize, &str, Option<&str>); 7] = [
        (Box::new(|_, reply| reply), 0, "could", None),
        (Box::new(challenge(|_| None)), 4, "could", Some("warn: the 401 has no WWW-Authenticate")),
        (
            Box::new(|asked, reply| if asked.is("POST", "/mcp") { Reply::new(500) } else { reply }),
            3,
            "cannot",
            Some("FAIL: POST \"/mcp\" without a token is answered 500"),
        ),
        (
            Box::new(|asked, reply| if asked.has("authorization") { Reply::new(200) } else { reply }),
            9,
            "open",
            Some("FAIL: a wrong token is answered 200"),
        ),
        (
            Box::new(at(RESOURCE, |_, reply| {
                reply.member("authorization_servers", Some(json!(["https://auth.example"])))
            })),
            6,
            "unknown",
            Some("not known: the authorization server at \"https://auth.example\" was not checked"),
        ),
        (Box::new(at("/authorize", |_, _| Reply::new(404))), 7, "cannot", Some("FAIL: GET for a client")),
        // It ends where step 6 does; what needs no metadata is checked all the same.
        (
            Box::new(at(SERVER, |_, _| Reply::new(404))),
            6,
            "cannot",
            Some("FAIL: no authorization server metadata at"),
        ),
    ];
    for (mistake, step, verdict, note) in rows {
        let scripted = Scripted::start(move |asked| mistake(asked, right(asked)));
        let url = scripted.url();
        let object = object(&[&url]);
        let outcomes = outcomes(&object);
        assert_eq!(object["verdict"]["outcome"], verdict);
        assert_eq!(object["exitCode"], json!(i32::from(verdict != "could")));
        let lines = diagram(&[&url]);
        let (_, notes) = drawn(&lines);
        assert_eq!(notes.first().is_some_and(|first| first.starts_with(note.unwrap_or("-"))), note.is_some());
        // As many notes as findings that are worth one.
        let all = object["steps"].as_array().into_iter().flatten();
        let all = all.flat_map(|step| step["findings"].as_array().expect("the findings"));
        let wrong = all.filter(|one| !["ok", "skipped"].contains(&one["outcome"].as_str().expect("one")));
        assert_eq!(wrong.count(), notes.len(), "{notes:#?}");
        // The funnel names the same outcomes.
        let output = doctor(&[&url]);
        let findings = findings(&output);
        assert_eq!(output.status.code(), object["exitCode"].as_i64().map(|code| code as i32));
        assert_eq!(object["verdict"]["text"], findings.verdict);
        assert_eq!(findings.funnel.len(), STEPS);
        for ((line, outcome), number) in findings.funnel.iter().zip(&outcomes).zip(1..) {
            let mark = match *outcome {
                "warning" => "warn",
                "failure" => "NO",
                "unknown" => "not known",
                "skipped" => "not reached",
                _ => "ok",
            };
            let title = object["steps"][number - 1]["title"].as_str().expect("a title");
            assert_eq!(*line, format!("{mark:<12} {number} {title}"));
        }
        // A client comes as far as the first failure.
        let worst = match (note, verdict) {
            (None, _) => None,
            (_, "could") => Some("warning"),
            (_, "unknown") => Some("unknown"),
            _ => Some("failure"),
        };
        if let Some(worst) = worst {
            assert!(outcomes[..step - 1].iter().all(|outcome| *outcome == "ok"), "{outcomes:?}");
            assert_eq!(outcomes[step - 1], worst, "{outcomes:?}");
            let is_end = worst == "failure";
            let rest = &outcomes[step..];
            assert!(rest.iter().all(|outcome| (*outcome == "skipped") == is_end), "{outcomes:?}");
        } else {
            assert!(outcomes.iter().all(|outcome| *outcome == "ok"), "{outcomes:?}");
        }
    }
}

#[test]
fn reports_a_walk_that_ends_early_in_every_form() {
    let (nobodys, _kept) = deaf_address();
    let url = format!("http://{nobodys}/mcp");
    let failure = format!("no connection is accepted at {nobodys}");
    let lines = diagram(&[&url]);
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert_eq!(lines[0], "Note over browser,journal: 2 A connection");
    assert_eq!(drawn(&lines).1, [format!("FAIL: {failure} [RFC 9293 §3.5]")]);
    assert_eq!(lines[2], "Note over browser,journal: A client can't connect");
    let step = |number: usize, name: &str, title: &str, outcome: &str, finding: Value| json!({ "number": number, "name": name, "title": title, "outcome": outcome, "findings": [finding] });
    let skipped = |number: usize, name: &str, title: &str| {
        let why = "needs the connection of step 2";
        let finding = json!({ "outcome": "skipped", "text": why, "clause": null, "remedy": null });
        step(number, name, title, "skipped", finding)
    };
    // Every member as programs read it: a change here breaks them, and needs another version of the form.
    let expected = json!({
        "format": "epicme-doctor",
        "version": 1,
        "url": url,
        "steps": [
            step(1, "url", "The URL", "ok", json!({
                "outcome": "ok",
                "text": format!("\"{url}\" is plain http to this machine"),
                "clause": "OAuth 2.1 §1.5",
                "remedy": null,
            })),
            step(2, "connection", "A connection", "failure", json!({
                "outcome": "failure",
                "text": failure,
                "clause": "RFC 9293 §3.5",
                "remedy": "start the server, check the port, and see that no firewall on the way drops the connection",
            })),
            skipped(3, "first_request", "A request without a token"),
            skipped(4, "challenge", "The challenge of the 401"),
            skipped(5, "resource_metadata", "Protected resource metadata"),
            skipped(6, "server_metadata", "Authorization server metadata"),
            skipped(7, "authorization_endpoint", "The authorization endpoint"),
            skipped(8, "browser_access", "Clients in a browser"),
            skipped(9, "wrong_token", "A request with a wrong token"),
        ],
        "exchanges": [],
        "verdict": { "outcome": "cannot", "text": format!("A client can't connect: {failure}") },
        "exitCode": 1,
    });
    let seen = object(&[&url]);
    assert_eq!(seen, expected);
    assert_eq!(seen.to_string(), expected.to_string(), "in this order too");
}

#[test]
fn draws_an_answer_that_does_not_come_as_a_lost_arrow() {
    let scripted = Scripted::start(|asked| {
        let junk = Reply { body: "SSH-2.0-x\r\n".to_owned(), ..Reply::new(200).manner(Manner::Junk) };
        if asked.is("POST", "/mcp") { junk } else { right(asked) }
    });
    let lines = diagram(&[&scripted.url()]);
    assert_eq!(lines[1], "client->>gate: POST /mcp");
    assert_eq!(lines[2], "gate--xclient: the answer is not HTTP/1.1 as RFC 9112 defines it");
    let object = object(&[&scripted.url()]);
    let sent = &object["exchanges"][0];
    assert_eq!((&sent["status"], sent["error"].is_string()), (&Value::Null, true), "{sent}");
    // Nothing listens at the authorization server, so the request isn't even sent.
    let (nobodys, _kept) = deaf_address();
    let scripted = Scripted::start(move |asked| {
        let issuer = format!("http://{nobodys}");
        at(RESOURCE, |_, reply| reply.member("authorization_servers", Some(json!([issuer]))))(
            asked,
            right(asked),
        )
    });
    let lines = diagram(&[&scripted.url()]);
    let lost = "client-xserver: GET /.well-known/oauth-authorization-server, the answer doesn't come: no connection is accepted";
    assert!(lines.iter().any(|line| line == lost), "{lines:#?}");
}

#[test]
fn takes_nothing_of_a_hostile_server_into_the_grammar_of_the_diagram() {
    const WILD: &str = "x;y%%{init:{'theme':'dark'}}%%$$\\n`|&lt;^--client->>gate:200;end;participant_z";
    // What may stand in a path, in a field, and in a document.
    let path =
        "/x;y%%{init:{'theme':'dark'}}%%$$`|&lt;^--client->>gate:200;end;participant_z".replace('>', "");
    let named = path.clone();
    let by_path = move |asked: &Asked, reply: Reply| match asked.target.as_str() {
        target if target == named => {
            right(&Asked { target: RESOURCE.to_owned(), head: asked.head.clone(), ..asked.copy() })
        }
        _ => {
            let named = named.clone();
            challenge(move |value| Some(value.replace(RESOURCE, &named)))(asked, reply)
        }
    };
    let scripted = Scripted::start(move |asked| by_path(asked, right(asked)));
    let lines = diagram(&[&scripted.url()]);
    let fetched = lines.iter().find(|line| line.starts_with("client->>gate: GET /x")).expect("the path");
    assert!(
        fetched.starts_with("client->>gate: GET /x%3By%25%25%7Binit:%7B'theme':'dark'%7D%7D"),
        "{fetched}"
    );
    assert!(fetched.ends_with("..."), "it is cut: {fetched}");
    let object = object(&[&scripted.url()]);
    let urls: Vec<_> =
        object["exchanges"].as_array().into_iter().flatten().map(|sent| &sent["url"]).collect();
    assert!(urls.contains(&&json!(format!("http://{}{path}", scripted.address))), "whole in the object");

    let feeds = format!("{WILD}\n  gate->>client: 200\r\nend\u{2028}\u{202e}\u{1b}[2J#<br/><script>");
    let rows: Vec<(Mistake, &str)> = vec![
        (
            Box::new(challenge(|_| Some(format!("Bearer resource_metadata=\"{WILD}\"")))),
            "FAIL: resource_metadata",
        ),
        (Box::new(challenge(|_| Some(format!("{WILD}\" Bearer")))), "warn: WWW-Authenticate can't be read"),
        (
            Box::new(
                |asked, reply| {
                    if asked.is("POST", "/mcp") { Reply::new(302).with("Location", WILD) } else { reply }
                },
            ),
            "FAIL: POST \"/mcp\" without a token is answered 302, not 401: it redirects to",
        ),
        (
            Box::new({
                let feeds = feeds.clone();
                at(RESOURCE, move |_, reply| reply.member("resource", Some(json!(feeds))))
            }),
            "FAIL: resource is",
        ),
        (
            Box::new({
                let feeds = feeds.clone();
                at(SERVER, move |_, reply| reply.member("issuer", Some(json!(feeds))))
            }),
            "FAIL: issuer is",
        ),
        (
            Box::new(at(SERVER, move |_, reply| {
                let twice = format!("{{{0}:1,{0}:1}}", json!(feeds));
                Reply { body: twice, ..reply }
            })),
            "FAIL: \"http://127.0.0.1",
        ),
    ];
    for (mistake, note) in rows {
        let scripted = Scripted::start(move |asked| mistake(asked, right(asked)));
        let url = scripted.url();
        let lines = diagram(&[&url]);
        let (requests, notes) = drawn(&lines);
        assert!(notes.iter().any(|own| own.starts_with(note)), "{note}: {lines:#?}");
        assert_eq!(requests.len(), scripted.asked.lock().expect("the requests").len(), "no arrow is made up");
        self::object(&[&url]);
        findings(&doctor(&[&url]));
    }
}

#[test]
fn keeps_the_longest_verdict_on_the_screen() {
    // Three places at an issuer with a long path, each of which the verdict names.
    let long = "x".repeat(5000);
    let scripted = Scripted::start(move |asked| {
        let path = asked.target.split('?').next().expect("a path");
        match path {
            RESOURCE => {
                let issuer = format!("{}/{long}", asked.origin);
                right(asked).member("authorization_servers", Some(json!([issuer])))
            }
            RESOURCE_ROOT | OPENID => Reply::new(404),
            _ => right(asked),
        }
    });
    let findings = findings(&doctor(&[&scripted.url()]));
    assert_eq!(findings.verdict.matches("xxx...").count(), 3, "{}", findings.verdict);
    assert!(diagram(&[&scripted.url()]).iter().any(|line| line.contains("xxx...")), "cut");
    object(&[&scripted.url()]);
}

#[test]
fn draws_epicme_itself() {
    let server = Server::start();
    let url = format!("{}/mcp", server.base_url());
    let (requests, notes) = drawn(&diagram(&[&url]));
    assert_eq!((requests.len(), notes.len()), (12, 0), "{requests:#?} {notes:#?}");
    let object = object(&[&url]);
    assert_eq!(outcomes(&object), ["ok"; STEPS]);
    // A variable chooses the form too, and the two exclude each other however they are chosen.
    let mut command = std::process::Command::new(super::EPICME);
    let command = command.args(["doctor", &url, "--json"]).env_clear().env("EPICME_DIAGRAM", "yes");
    assert_eq!(command.output().expect("the binary runs").status.code(), Some(2));
}
