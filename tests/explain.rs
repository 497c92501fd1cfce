//! The wire view and `epicme explain`: what they show is what the gate did, and no secret is among it.

use std::process::Output;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use epicme::check::{Check, Deployment, Facts};
use epicme::log::wire_view;
use serde_json::{Value, json};

use crate::support::{Folder, PASSWORD, Reply, Server, request};

const FORM: &str = "application/x-www-form-urlencoded";
const CREATE_TAG: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"create_tag","arguments":{"name":"x"}}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

fn watched(form: &str) -> Server {
    Server::start_in(Arc::new(Folder::new()), &[form])
}

/// How a server was started: with a public URL, or without.
fn deployment(server: &Server, public_url: Option<&str>) -> Deployment {
    let port = server.address.port();
    let public =
        public_url.map(|url| format!("{}, ", url.trim_start_matches("https://"))).unwrap_or_default();
    let hosts = format!("{public}127.0.0.1:{port}, localhost:{port}, [::1]:{port}");
    Deployment { hosts, public_url: public_url.map(str::to_owned), issuer: None }
}

/// A check, and whether it held.
type Decision = (Check, bool);

/// A token in each state that a token can be in, with the check that decides a call of `create_tag` with it
/// and whether it holds.
fn tokens(server: &Server) -> Vec<(String, Decision)> {
    let token = |options: &[&str]| server.token("ada@example.com", options);
    let good = token(&[]);
    let last = if good.ends_with('A') { "B" } else { "A" };
    let unknown = format!("{}{last}", &good[..good.len() - 1]);
    let states = [
        (good, (Check::HasNeededScope, true)),
        (token(&["--scope", "tags:read"]), (Check::HasNeededScope, false)),
        (token(&["--label", "no-scope"]), (Check::HasKnownScope, false)),
        (token(&["--public-url", "https://other.example"]), (Check::AudienceIsOurs, false)),
        (token(&["--label", "expired"]), (Check::NotExpired, false)),
        (token(&["--label", "revoked"]), (Check::NotRevoked, false)),
        (unknown, (Check::TokenKnown, false)),
        ("nonsense".to_owned(), (Check::TokenWellFormed, false)),
        (String::new(), (Check::TokenWellFormed, false)),
    ];
    server.folder.tamper(
        "UPDATE tokens SET scope = 'offline_access' WHERE label = 'no-scope';
         UPDATE tokens SET expires_at = unixepoch() WHERE label = 'expired';
         UPDATE tokens SET revoked_at = unixepoch() WHERE label = 'revoked';",
    );
    states.into()
}

/// Posts a body to a path with these fields.
fn post(server: &Server, path: &str, fields: &[(&str, &str)], body: &str) -> Reply {
    let host = server.address.to_string();
    let own = [("Host", host.as_str()), ("Content-Type", "application/json")];
    let named = |name: &str| fields.iter().any(|(own, _)| *own == name);
    let own: Vec<_> = own.into_iter().filter(|(name, _)| !named(name)).collect();
    server.send(request("POST", path, &[&own, fields].concat(), body))
}

/// Sends a request for every decision of the gate, and gives to `check` the decision and the answer.
fn send_in_every_way(server: &Server, check: impl Fn(Decision, &Reply)) {
    let tokens = tokens(server);
    let good = format!("Bearer {}", tokens[0].0);
    let authorization = ("Authorization", good.as_str());
    let fields: [(Decision, &[(&str, &str)]); 7] = [
        ((Check::HostIsOurs, false), &[("Host", "evil.example"), authorization]),
        ((Check::OriginIsAllowed, false), &[("Origin", "https://evil.example"), authorization]),
        ((Check::HasAuthorization, false), &[]),
        ((Check::OneAuthorization, false), &[authorization, authorization]),
        ((Check::NotEmpty, false), &[("Authorization", "")]),
        ((Check::SchemeIsBearer, false), &[("Authorization", "Basic YTpi")]),
        ((Check::HasKnownScope, true), &[authorization]),
    ];
    for (decision, fields) in fields {
        check(decision, &post(server, "/mcp", fields, LIST));
    }
    check((Check::NoTokenInQuery, false), &post(server, "/mcp?access_token=x", &[authorization], LIST));
    for (token, decision) in tokens {
        let bearer = format!("Bearer {token}");
        check(decision, &post(server, "/mcp", &[("Authorization", &bearer)], CREATE_TAG));
    }
    let host = server.address.to_string();
    let page = [("Origin", "http://localhost:6274"), ("Access-Control-Request-Method", "POST")];
    let preflight = request("OPTIONS", "/mcp", &[&[("Host", host.as_str())], &page[..]].concat(), "");
    check((Check::IsPreflight, true), &server.send(preflight));
    server.folder.tamper("ALTER TABLE tokens RENAME TO mislaid");
    check((Check::TokenLookedUp, false), &post(server, "/mcp", &[authorization], LIST));
    server.folder.tamper("ALTER TABLE mislaid RENAME TO tokens");
}

/// The checks that are made of a request until the last one decides, and whether each holds.
fn made((last, held): Decision) -> Vec<(Check, bool)> {
    let place = Check::ALL.iter().position(|check| *check == last).expect("a check");
    let applies =
        |check: &Check| *check == last || !matches!(check, Check::IsPreflight | Check::HasNeededScope);
    let checks = Check::ALL[..=place].iter().copied().filter(applies);
    checks.map(|check| (check, check != last || held)).collect()
}

#[test]
fn shows_every_check_to_a_program_in_the_order_in_which_it_was_made() {
    let server = watched("--explain=json");
    send_in_every_way(&server, |decision, reply| {
        let shown: Value = serde_json::from_str(&server.next_log_with("\"checks\"")).expect("one object");
        let expected: Vec<_> = made(decision)
            .into_iter()
            .map(|(check, held)| {
                let &Facts { name, requirement, clause, .. } = check.facts();
                json!({ "check": name, "held": held, "requirement": requirement, "clause": clause })
            })
            .collect();
        assert_eq!(shown["checks"], json!(expected), "{decision:?}");
        let (check, held) = decision;
        let &Facts { failure, success, .. } = check.facts();
        let remedy = check.remedy(&deployment(&server, None));
        assert_eq!(shown["outcome"], json!(if held { success } else { Some(failure) }));
        assert_eq!(shown["response"]["status"], reply.status, "{decision:?}");
        let challenge = reply.field("www-authenticate");
        assert_eq!(shown["response"]["fields"]["WWW-Authenticate"], json!(challenge), "{decision:?}");
        assert_eq!(shown["remedy"], json!(remedy.filter(|_| !held)), "{decision:?}");
        assert_eq!(shown["remedy"].is_null(), held, "{decision:?}: a refusal comes with a remedy");
        let operation = match decision {
            (Check::HasNeededScope, _) => Some("create_tag"),
            (Check::HasKnownScope, true) => Some("tools/list"),
            _ => None,
        };
        assert_eq!(shown["operation"], json!(operation), "{decision:?}");
    });
    for line in server.log().lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()), "{line}");
    }
}

#[test]
fn ends_as_one_object_for_each_line() {
    let mut server = watched("--explain=json");
    post(&server, "/mcp", &[], LIST);
    server.next_log_with("no-token");
    assert_eq!(server.signal("TERM"), Some(0));
    let log = server.log_with("stopping");
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
}

#[test]
fn shows_every_check_to_people_in_lines_that_fit() {
    let server = watched("--explain");
    send_in_every_way(&server, |decision, reply| {
        let mut shown = String::new();
        while !shown.ends_with("\n\n") {
            shown += &server.next_log_with("\n");
        }
        let rules: Vec<_> =
            shown.lines().filter(|line| line.starts_with("  ok  ") || line.starts_with("  NO  ")).collect();
        let expected: Vec<_> =
            made(decision).into_iter().map(|(check, held)| wire_view::check_line(check, held)).collect();
        assert_eq!(rules, expected);
        assert!(shown.contains(&format!("\n< {} ", reply.status)), "{shown}");
        if let Some(challenge) = reply.field("www-authenticate") {
            let answer = shown.lines().filter_map(|line| line.strip_prefix("< "));
            let answer: Vec<_> = answer.map(str::trim).collect();
            assert!(answer.join(" ").contains(&format!("WWW-Authenticate: {challenge}")), "{shown}");
        }
        for line in shown.lines() {
            let one_parameter = line.starts_with("<   ") && line.matches("=\"").count() == 1; // isn't torn
            let is_note = line.contains("the gate can't look up a token: "); // a line of the log, which has no width
            assert!(line.chars().count() <= 110 || one_parameter || is_note, "{line:?}");
            assert_eq!(line.trim_end(), line);
        }
    });
}

#[test]
fn shows_a_first_request_as_it_is() {
    let server = watched("--explain");
    post(&server, "/mcp?color=red&state=very-secret", &[("Accept", "application/json")], LIST);
    let shown = server.log_with("\n\n").replace(&server.address.to_string(), "127.0.0.1:8787");
    let (at, shown) = shown.split_once(' ').expect("the time comes first");
    let (first, shown) = shown.split_once('\n').expect("lines");
    let address = first.strip_suffix("-1").and_then(|line| line.rsplit_once(" id=")).expect("an id").0;
    let shown = format!("{address}\n{shown}");
    assert!(at.ends_with('Z'), "{at}");
    let expected = r#"127.0.0.1
> POST /mcp?…=…&state=…
> Host: 127.0.0.1:8787
> Content-Type: application/json
> Accept: application/json
  ok  Host is a name of this server             host_is_ours        MCP Streamable HTTP, Security & Endpoint
  ok  no foreign web page sends this (Origin)   origin_is_allowed   MCP Streamable HTTP, Security & Endpoint
  NO  there is an Authorization field           has_authorization   RFC 6750 §3, RFC 9728 §5.1
      every client begins like this: the challenge tells it where to get a token
< 401 Unauthorized
< WWW-Authenticate: Bearer realm="EpicMe",
<   resource_metadata="http://127.0.0.1:8787/.well-known/oauth-protected-resource/mcp",
<   scope="user:read entries:read entries:write tags:read tags:write"
< Content-Type: text/plain; charset=utf-8

"#;
    assert_eq!(shown, expected);
}

#[test]
fn shows_that_the_token_is_checked_again_after_a_slow_body() {
    let server = watched("--explain");
    let bearer = format!("Bearer {}", server.token("ada@example.com", &[]));
    let host = server.address.to_string();
    let fields = [("Host", host.as_str()), ("Authorization", &bearer), ("Content-Type", "application/json")];
    let whole = request("POST", "/mcp", &[&fields[..], &[("Expect", "100-continue")]].concat(), LIST);
    let (head, body) = whole.split_at(whole.len() - LIST.len());
    let mut wire = server.connect();
    wire.write(head);
    assert_eq!(wire.reply().expect("an answer").status, 100);
    assert!(server.folder.epicme(&["token", "revoke", "1"], "").status.success());
    wire.write(body);
    assert_eq!(wire.reply().expect("an answer").status, 401);
    let shown = server.log_with("\n\n");
    let (first, again) = shown.split_once("the token is checked again").expect("it says so");
    assert!(first.contains("  ok  the token has a scope that is known here"), "{shown}");
    assert!(again.contains("  NO  the token was not revoked"), "{shown}");
}

#[test]
fn shows_each_scope_that_a_batch_asks_for() {
    let server = watched("--explain");
    let token = server.token("ada@example.com", &["--scope", "tags:read tags:write"]);
    let call = |name: &str| {
        let params = json!({ "name": name, "arguments": { "name": "x" } });
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
    };
    let bearer = format!("Bearer {token}");
    let fields = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let batch = json!([call("create_tag"), call("list_tags"), call("create_entry")]).to_string();
    assert_eq!(post(&server, "/mcp", &fields, &batch).status, 403);
    let shown = server.log_with("403 Forbidden");
    let scopes: Vec<_> = shown.lines().filter(|line| line.contains("the scope this needs")).collect();
    assert_eq!(scopes.len(), 3, "{shown}");
    assert!(scopes[1].starts_with("  ok") && scopes[2].starts_with("  NO"), "{shown}");
}

/// A browser and a client at a server, and every secret that either ever held.
struct Flow {
    server: Server,
    cookie: Option<String>,
    secrets: Vec<String>,
}

impl Flow {
    #[track_caller]
    fn send(&mut self, method: &str, path: &str, fields: &[(&str, &str)], form: &[(&str, &str)]) -> Reply {
        let host = self.server.address.to_string();
        let cookie = self.cookie.clone();
        let mut all = vec![("Host", host.as_str()), ("Content-Type", FORM)];
        all.extend(cookie.as_deref().map(|cookie| ("Cookie", cookie)));
        all.extend(fields);
        let reply = self.server.send(request(method, path, &all, &encoded(form)));
        if let Some(set) = reply.field("set-cookie") {
            self.cookie = set.split(';').next().map(str::to_owned).filter(|_| !set.contains("Max-Age=0"));
            let value = self.cookie.as_deref().and_then(|pair| pair.split_once('='));
            self.secrets.extend(value.map(|(_, value)| value.to_owned()));
        }
        let page = String::from_utf8_lossy(&reply.body).into_owned();
        self.secrets.extend(hidden(&page, "form"));
        if reply.field("content-type") == Some("application/json") {
            for name in ["access_token", "refresh_token", "client_secret"] {
                self.secrets.extend(reply.json()[name].as_str().map(str::to_owned));
            }
        }
        reply
    }

    /// Goes to a page and sends its form with these fields.
    #[track_caller]
    fn submit(&mut self, page: &str, to: &str, fields: &[(&str, &str)]) -> Reply {
        let shown = self.send("GET", page, &[], &[]);
        let shown = String::from_utf8_lossy(&shown.body).into_owned();
        let (form, request) = (hidden(&shown, "form").expect("a form"), hidden(&shown, "request"));
        let mut all = vec![("form", form.as_str())];
        all.extend(request.as_deref().map(|request| ("request", request)));
        all.extend(fields);
        self.send("POST", to, &[], &all)
    }
}

fn encoded(form: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

fn hidden(page: &str, name: &str) -> Option<String> {
    let rest = page.split(&format!("<input type=\"hidden\" name=\"{name}\" value=\"")).nth(1)?;
    Some(rest.split('"').next()?.replace("&amp;", "&"))
}

/// Everything that somebody does between setting up and revoking.
fn walk(form: &str) -> Flow {
    let server = watched(form);
    let link = server.output_with("?code=");
    let code = link.split("?code=").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("a code");
    let code = code.to_owned();
    let (verifier, challenge) =
        ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    let (callback, state) = ("http://127.0.0.1:6274/callback", "Zx81-state");
    let secrets = [&code, verifier, state, PASSWORD, "wrong horse battery"].map(str::to_owned).to_vec();
    let mut flow = Flow { server, cookie: None, secrets };

    let person = [("code", code.as_str()), ("email", "ada@example.com"), ("password", PASSWORD)];
    assert_eq!(flow.submit(&format!("/setup?code={code}"), "/setup", &person).status, 201);
    for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-authorization-server"] {
        assert_eq!(flow.send("GET", path, &[], &[]).status, 200);
    }
    let metadata = json!({
        "redirect_uris": [callback], "client_name": "A client", "token_endpoint_auth_method": "client_secret_post",
    });
    let registered = post(&flow.server, "/register", &[], &metadata.to_string()).json();
    let (id, secret) = (registered["client_id"].as_str(), registered["client_secret"].as_str());
    let (id, secret) = (id.expect("an id").to_owned(), secret.expect("a secret").to_owned());
    flow.secrets.push(secret.clone());

    let asking = [
        ("response_type", "code"),
        ("client_id", &id),
        ("redirect_uri", callback),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
        ("state", state),
    ];
    let authorize = format!("/authorize?{}", encoded(&asking));
    flow.cookie = None;
    let wrong = [("email", "ada@example.com"), ("password", "wrong horse battery")];
    assert_eq!(flow.submit(&authorize, "/sign-in", &wrong).status, 403);
    let mut codes = Vec::new();
    for _ in 0..2 {
        let right = [("email", "ada@example.com"), ("password", PASSWORD)];
        assert_eq!(flow.submit(&authorize, "/sign-in", &right).status, 303);
        let allowed = flow.submit(&authorize, "/authorize", &[("decision", "allow"), ("tags:read", "1")]);
        let query = allowed.field("location").and_then(|place| place.split_once('?')).expect("a redirect").1;
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        codes.push(pairs.find(|(name, _)| name == "code").expect("a code").1.into_owned());
    }
    flow.secrets.extend(codes.clone());
    let client = [("client_id", id.as_str()), ("client_secret", &secret)];
    let mut trade = |form: &[(&str, &str)]| flow.send("POST", "/token", &[], &[&client, form].concat());
    let redeem =
        |code, verifier| [("grant_type", "authorization_code"), ("code", code), ("code_verifier", verifier)];
    let wrong = "w".repeat(43);
    assert_eq!(trade(&redeem(&codes[1], &wrong)).status, 400);
    let given = trade(&redeem(&codes[0], verifier)).json();
    let refresh = given["refresh_token"].as_str().expect("a token");
    let given = trade(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).json();
    let access = given["access_token"].as_str().expect("a token").to_owned();

    let bearer = format!("Bearer {access}");
    assert_eq!(post(&flow.server, "/mcp", &[("Authorization", &bearer)], CREATE_TAG).status, 403);
    // Secrets in every wrong place.
    for path in [format!("/mcp?{access}"), format!("/mcp/{access}"), format!("/mcp?{secret}=1&x={code}")] {
        let fields = [("Authorization", access.as_str()), ("Mcp-Name", &secret), ("Accept", verifier)];
        post(&flow.server, &path, &fields[..1], LIST);
        post(&flow.server, &path, &fields[1..], LIST);
    }
    let operator = flow.server.folder.epicme(&["client", "add", "resource", "--confidential"], "");
    let operator = String::from_utf8(operator.stdout).expect("text");
    let (id, own) = operator.trim_end().split_once('\n').expect("an id and a secret");
    let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{own}")));
    flow.secrets.extend([own.to_owned(), basic["Basic ".len()..].to_owned()]);
    let told = flow.send("POST", "/introspect", &[("Authorization", &basic)], &[("token", &access)]);
    assert_eq!(told.json()["active"], true);
    assert_eq!(flow.send("POST", "/revoke", &[], &[&client[..], &[("token", &access)]].concat()).status, 200);
    assert_eq!(post(&flow.server, "/mcp", &[("Authorization", &bearer)], LIST).status, 401);
    flow
}

#[test]
fn shows_no_secret_of_a_whole_journey() {
    for form in ["--explain", "--explain=json", "--watch"] {
        let flow = walk(form);
        let log = if form == "--watch" {
            let host = flow.server.address.to_string();
            let page = |path| flow.server.send(request("GET", path, &[("Host", &host)], "")).body;
            String::from_utf8([page("/watch"), page("/watch/export")].concat()).expect("text")
        } else {
            flow.server.log_with("the token was not revoked");
            assert_eq!(flow.server.send(request("GET", "/the-end", &[], "")).status, 403);
            flow.server.log_with("/the-end")
        };
        assert!(flow.secrets.len() > 20, "{} secrets were seen", flow.secrets.len());
        for secret in &flow.secrets {
            // A token may show its prefix and three characters, to be told from another; all else nothing.
            let harmless = if secret.starts_with("em_at_") { "em_at_".len() + 3 } else { 7 };
            let begins = &secret[..secret.len().min(harmless + 1)];
            let forgeable = begins.starts_with("v1.AAAA"); // a form's token begins with its time
            let begins = if forgeable { &secret[secret.len() - 12..] } else { begins };
            assert!(!log.contains(begins), "{begins} of {secret} is in {log}");
        }
        for told in
            ["wrong-verifier", "invalid_grant", "RFC 7636 §4.6", "signed-in", "wrong-password", "em_at_"]
        {
            assert!(log.contains(told), "{told} is not in {log}");
        }
    }
}

#[test]
fn lets_nothing_through_that_moves_a_cursor() {
    for form in ["--explain", "--explain=json"] {
        let server = watched(form);
        let mut hostile =
            format!("GET /%1b[2J?%1b=1&a[2J=2 HTTP/1.1\r\nHost: {}\r\n", server.address).into_bytes();
        for name in ["Origin", "Accept", "Authorization", "Content-Type", "Mcp-Name", "MCP-Protocol-Version"]
        {
            hostile.extend_from_slice(name.as_bytes());
            hostile.extend_from_slice(b": x\x9b2J\xc2\x9b31m\t\xe2\x80\xae\\\xff\r\n");
        }
        hostile.extend_from_slice(b"\r\n");
        server.send(&hostile);
        server.send(b"GET /\x1b[2J HTTP/1.1\r\nHost: \x07\r\n\r\n");
        server.log_with("malformed");
        post(&server, "/the-end", &[], "");
        let log = server.log_with("/the-end");
        assert!(log.contains("\\x9b2J"), "{log}");
        let harmless = |letter: char| letter == '\n' || matches!(letter, ' '..='~' | '…' | '§');
        assert!(log.chars().all(harmless), "{log:?}");
    }
}

#[track_caller]
fn explained(server: &Server, token: &str, options: &[&str], input: &str) -> (Output, String) {
    let address = server.address.to_string();
    let all = [&["explain", "--listen", &address], options, &["--", token]].concat();
    // The options of `Folder::epicme` come last, so the token goes before them.
    let all: Vec<_> = all.into_iter().filter(|word| *word != "--").collect();
    let output = server.folder.epicme(&all, input);
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    assert!(token.len() < 8 || !text.contains(token), "the token is printed");
    (output, text)
}

/// The status and the challenge that `epicme explain` ends with.
fn foretold(text: &str) -> (u16, Option<String>) {
    let answer = text.split("\n\n").nth(2).expect("an answer");
    let lines: Vec<_> = answer.lines().map(str::trim).collect();
    let status = lines[0].split(' ').next().and_then(|status| status.parse().ok()).expect("a status");
    let whole = lines[1..].join(" ");
    let challenge = whole.split("WWW-Authenticate: ").nth(1);
    (status, challenge.map(|rest| rest.split(" Content-Type: ").next().unwrap_or(rest).to_owned()))
}

#[test]
fn foretells_what_the_server_answers() {
    for options in [&[][..], &["--public-url", "https://journal.example"]] {
        let server = Server::start_in(Arc::new(Folder::new()), options);
        for (token, decision) in tokens(&server) {
            let bearer = format!("Bearer {token}");
            let reply = post(&server, "/mcp", &[("Authorization", &bearer)], CREATE_TAG);
            let (output, text) = explained(&server, &token, &["--scope", "create_tag"], "");
            let rules: Vec<_> = text.lines().filter(|line| line.starts_with("  ")).collect();
            let rules: Vec<_> = rules
                .into_iter()
                .filter(|line| line.starts_with("  ok") || line.starts_with("  NO"))
                .collect();
            let made = made(decision).into_iter().skip_while(|(check, _)| *check != Check::TokenWellFormed);
            let expected: Vec<_> = made.map(|(check, held)| wire_view::check_line(check, held)).collect();
            assert_eq!(rules, expected, "{text}");
            if decision == (Check::HasNeededScope, true) {
                assert_eq!((reply.status, output.status.code()), (200, Some(0)), "{text}");
                continue;
            }
            assert_eq!(output.status.code(), Some(1), "{text}");
            let challenge = reply.field("www-authenticate").map(str::to_owned);
            assert_eq!(foretold(&text), (reply.status, challenge), "{text}");
            let remedy = decision.0.remedy(&deployment(&server, options.get(1).copied()));
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words(&text).contains(&*remedy.expect("a remedy")), "{text}");
        }
    }
}

#[test]
fn explains_a_token_to_whoever_has_the_database() {
    let server = Server::start();
    let good = server.token("ada@example.com", &["--scope", "entries:read", "--expires", "30d"]);
    let (output, text) = explained(&server, &good, &[], "");
    assert_eq!(output.status.code(), Some(0));
    for fact in
        ["ada@example.com", "the command line", "entries:read", "this machine's own names", "The gate opens"]
    {
        assert!(text.contains(fact), "{fact} is not in {text}");
    }
    for (options, code, says) in [
        (&["--at", "2000-01-01"][..], 0, "2000-01-01T00:00:00Z"),
        (&["--at", "2100-01-01T00:00:00Z"], 1, "NO  the token has not expired"),
        (&["--scope", "entries:read"], 0, "the operation is permitted"),
        (&["--scope", "list_entries"], 0, "the operation is permitted"),
        (&["--scope", "entries:read entries:write"], 1, "scope=\"entries:read entries:write\""),
        (&["--scope", "delete_entry"], 1, "delete_entry needs entries:write"),
    ] {
        let (output, text) = explained(&server, &good, options, "");
        assert_eq!(output.status.code(), Some(code), "{options:?}: {text}");
        assert!(text.contains(says), "{options:?}: {text}");
        let (output, same) = explained(&server, "-", options, &format!("{good}\n"));
        assert_eq!(output.status.code(), Some(code), "{options:?} by standard input");
        assert!(!same.contains(&good) && same.contains(says), "{same}");
    }
    for (token, options, says) in [
        (good.as_str(), &["--scope", "diary:read"][..], "neither a tool nor a scope"),
        (&good, &["--scope", " "], "at least one of"),
        (&good, &["--at", "tomorrow"], "--at takes"),
        (&good, &["--expires", "1d"], "takes no --expires"),
        (&good, &["what"], "not complete, or too long"),
        (&format!("Bearer {good}"), &[], "only what follows Bearer"),
    ] {
        let (output, text) = explained(&server, token, options, "");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), text.as_str()), (Some(2), ""), "{options:?}");
        assert!(errors.contains(says) && !errors.contains(&good), "{errors}");
    }
    server.folder.tamper("ALTER TABLE tokens RENAME TO mislaid");
    let (output, text) = explained(&server, &good, &[], "");
    assert_eq!((output.status.code(), foretold(&text)), (Some(1), (503, None)), "{text}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("the gate can't look up a token"));
}

#[test]
fn refuses_a_view_that_is_not_there() {
    let folder = Folder::new();
    let output = folder.epicme(&["serve", "--listen", "127.0.0.1:0", "--explain=xml"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("takes no form but json"));
}
