//! The authorization server: the whole flow once, then a test for each refusal, named after its clause.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use epicme::limits;
use serde_json::{Value, json};

use crate::support::{Client, EPICME, Folder, PASSWORD, Reply, Server, eventually, request};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"; // RFC 7636 appendix B
pub const CALLBACK: &str = "http://127.0.0.1:6274/oauth/callback";
pub const EMAIL: &str = "ada@example.com";
const OTHER: &str = "bob@example.com";
pub const FORM: &str = "application/x-www-form-urlencoded";
pub const PUBLIC: &str = "https://journal.example";

/// A server with one person, and a browser at it.
pub struct House {
    pub server: Server,
    host: String,
    pub cookie: Option<String>,
}

impl House {
    pub fn new() -> House {
        House::with(&[])
    }

    /// A house with a client, and the person signed in.
    fn connected() -> (House, String) {
        let mut house = House::new();
        house.sign_in();
        let client = house.client();
        (house, client)
    }

    /// The same with options for the server.
    pub fn with(options: &[&str]) -> House {
        let folder = Arc::new(Folder::new());
        folder.token(EMAIL, &[]);
        House::at(Server::start_in(folder, options))
    }

    pub fn at(server: Server) -> House {
        House { host: server.address.to_string(), server, cookie: None }
    }

    fn base_url(&self) -> String {
        format!("http://{}", self.host)
    }

    #[track_caller]
    fn get(&self, path: &str) -> Reply {
        self.server.send(request("GET", path, &[("Host", &self.host)], ""))
    }

    /// One request by the browser, cookie and all.
    #[track_caller]
    pub fn browse(&mut self, method: &str, path: &str, form: &[(&str, &str)]) -> Reply {
        let reply = self.browse_as(self.cookie.as_deref(), method, path, form);
        if let Some(set) = reply.field("set-cookie") {
            assert!(set.contains("; HttpOnly; SameSite=Lax"), "{set}");
            let ends = set.ends_with("; Max-Age=0");
            self.cookie = set.split(';').next().filter(|_| !ends).map(str::to_owned);
        }
        reply
    }

    /// One request by a browser with this cookie; what it sets is forgotten.
    #[track_caller]
    pub fn browse_as(&self, cookie: Option<&str>, method: &str, path: &str, form: &[(&str, &str)]) -> Reply {
        let mut fields = vec![("Host", self.host.as_str()), ("Content-Type", FORM)];
        fields.extend(cookie.map(|cookie| ("Cookie", cookie)));
        self.server.send(request(method, path, &fields, &encoded(form)))
    }

    /// One request by a program.
    #[track_caller]
    fn post(&self, path: &str, fields: &[(&str, &str)], form: &[(&str, &str)]) -> Reply {
        let own = [("Host", self.host.as_str()), ("Content-Type", FORM)];
        self.server.send(request("POST", path, &[&own, fields].concat(), &encoded(form)))
    }

    #[track_caller]
    pub fn register(&self, metadata: &Value) -> Reply {
        self.post_as("application/json", "/register", &metadata.to_string())
    }

    #[track_caller]
    fn post_as(&self, kind: &str, path: &str, body: &str) -> Reply {
        self.server.send(request("POST", path, &[("Host", &self.host), ("Content-Type", kind)], body))
    }

    /// Opens a page sixteen times in one browser, and gives the token of each form.
    #[track_caller]
    fn forms(&mut self, path: &str) -> Vec<String> {
        (0..16).map(|_| hidden(&self.browse("GET", path, &[]), "form")).collect()
    }

    /// Presses a button of the account page.
    #[track_caller]
    pub fn press(&mut self, button: &[(&str, &str)]) -> Reply {
        let form = hidden(&self.browse("GET", "/account", &[]), "form");
        self.browse("POST", "/account", &[&[("form", form.as_str())], button].concat())
    }

    /// Registers a client with these redirect URIs, and gives its id.
    #[track_caller]
    fn client_at(&self, uris: &[&str]) -> String {
        let answer = self.register(&json!({ "redirect_uris": uris })).json();
        answer["client_id"].as_str().expect("an id").to_owned()
    }

    /// Registers a public client and gives its id.
    #[track_caller]
    pub fn client(&self) -> String {
        let reply =
            self.register(&json!({ "redirect_uris": [CALLBACK], "client_name": "Test <b>client</b>" }));
        assert_eq!(reply.status, 201);
        reply.json()["client_id"].as_str().expect("an id").to_owned()
    }

    /// Registers a client that has a secret, and gives both.
    #[track_caller]
    fn confidential(&self, method: &str) -> (String, String) {
        let metadata = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": method });
        let answer = self.register(&metadata).json();
        assert_eq!(
            (&answer["token_endpoint_auth_method"], &answer["client_secret_expires_at"]),
            (&json!(method), &json!(0))
        );
        let text = |name: &str| answer[name].as_str().expect("a string").to_owned();
        (text("client_id"), text("client_secret"))
    }

    #[track_caller]
    pub fn sign_in(&mut self) {
        let reply = self.try_sign_in(EMAIL, PASSWORD);
        assert_eq!(reply.status, 303, "{}", text(&reply));
    }

    /// Signs a second person in, in a browser of their own; gives the first one's cookie.
    #[track_caller]
    fn sign_in_other(&mut self) -> Option<String> {
        self.server.token(OTHER, &[]);
        let first = self.cookie.take();
        assert_eq!(self.try_sign_in(OTHER, PASSWORD).status, 303);
        first
    }

    /// In a browser that is signed in already the person begins a new session: it is shown no sign-in form.
    #[track_caller]
    pub fn try_sign_in(&mut self, email: &str, password: &str) -> Reply {
        let mut page = self.browse("GET", "/account", &[]);
        if !text(&page).contains("action=\"/sign-in\"") {
            self.cookie = None;
            page = self.browse("GET", "/account", &[]);
        }
        let form = hidden(&page, "form");
        self.browse("POST", "/sign-in", &[("form", &form), ("email", email), ("password", password)])
    }

    #[track_caller]
    fn visit(&mut self, query: &[(&str, &str)]) -> Reply {
        self.browse("GET", &format!("/authorize?{}", encoded(query)), &[])
    }

    /// The signed-in person is sent back to the client because of an error in the query, and comes back.
    #[track_caller]
    fn visit_refused(&mut self, query: &[(&str, &str)]) -> Reply {
        let reply = self.visit(query);
        assert_eq!((reply.status, &self.cookie), (303, &None), "{}", text(&reply));
        self.sign_in();
        reply
    }

    /// The signed-in person decides with these fields on what the query asks for.
    #[track_caller]
    fn decide(&mut self, query: &[(&str, &str)], fields: &[(&str, &str)]) -> Reply {
        let page = self.visit(query);
        assert_eq!(page.status, 200, "{page:?}");
        let (form, asked) = (hidden(&page, "form"), hidden(&page, "request"));
        let own = [("form", form.as_str()), ("request", &asked)];
        let reply = self.browse("POST", "/authorize", &[&own, fields].concat());
        if self.cookie.is_none() {
            self.sign_in(); // the browser was signed out on its way to the client; the person comes back
        }
        reply
    }

    /// The signed-in person allows all that the query asks for; gives the redirect's parameters.
    #[track_caller]
    pub fn allow(&mut self, query: &[(&str, &str)]) -> Vec<(String, String)> {
        let boxes = boxes(&self.visit(query));
        let mut fields = vec![("decision", "allow")];
        fields.extend(boxes.iter().map(|scope| (scope.as_str(), "1")));
        let reply = self.decide(query, &fields);
        assert_eq!(reply.status, 303, "{}", text(&reply));
        location(&reply)
    }

    /// An access token and a refresh token.
    #[track_caller]
    fn tokens(&mut self, client_id: &str) -> (String, String) {
        let code = self.code(client_id);
        pair(&self.redeem(client_id, &code))
    }

    /// The query of a request for a code that is right in everything.
    pub fn asking<'q>(&self, client_id: &'q str) -> Vec<(&'q str, &'q str)> {
        vec![
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", CALLBACK),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("state", "a state & more"),
        ]
    }

    #[track_caller]
    pub fn code(&mut self, client_id: &str) -> String {
        let query = self.asking(client_id);
        value(&self.allow(&query), "code").to_owned()
    }

    #[track_caller]
    pub fn redeem(&self, client_id: &str, code: &str) -> Reply {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", client_id),
            ("code", code),
            ("code_verifier", VERIFIER),
        ];
        self.post("/token", &[], &form)
    }

    #[track_caller]
    fn refresh(&self, client_id: &str, token: &str) -> Reply {
        let form = [("grant_type", "refresh_token"), ("client_id", client_id), ("refresh_token", token)];
        self.post("/token", &[], &form)
    }

    /// Whether an access token opens the gate.
    pub fn opens(&self, token: &str) -> bool {
        let reply = Client::new(&self.server, token).post(&[], r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
        reply.status == 200
    }

    pub fn count(&self, table: &str) -> i64 {
        self.server.folder.count(table)
    }

    pub fn tamper(&self, sql: &str) {
        self.server.folder.tamper(sql);
    }
}

pub fn encoded(form: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

/// A form in which one parameter has these values instead.
fn but<'q>(form: &[(&'q str, &'q str)], name: &'q str, values: &[&'q str]) -> Vec<(&'q str, &'q str)> {
    let others = form.iter().filter(|(own, _)| *own != name).copied();
    others.chain(values.iter().map(|value| (name, *value))).collect()
}

/// The scopes that a consent page has a box for, each ticked.
fn boxes(page: &Reply) -> Vec<String> {
    let page = text(page);
    let names = page.split("<input type=\"checkbox\" name=\"").skip(1);
    names.map(|rest| rest.split_once("\" value=\"1\" checked>").expect("a ticked box").0.to_owned()).collect()
}

#[track_caller]
fn pair(reply: &Reply) -> (String, String) {
    (member(reply, "access_token"), member(reply, "refresh_token"))
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// What sixteen threads get that do the same at once.
fn at_once<T: Send>(work: impl Fn() -> T + Sync) -> Vec<T> {
    each_at_once(&[(); 16], |()| work())
}

/// What as many threads get that begin at once, each with an item of its own.
fn each_at_once<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(items.len());
    let one = |item| {
        start.wait();
        work(item)
    };
    thread::scope(|scope| {
        let one = &one;
        let all: Vec<_> = items.iter().map(|item| scope.spawn(move || one(item))).collect();
        all.into_iter().map(|one| one.join().expect("an answer")).collect()
    })
}

/// The hash by which the database knows a token, in hexadecimal digits.
fn hex(token: &str) -> String {
    epicme::secret::sha256(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

/// The value of a hidden field of a page, if the page has the field.
pub fn find_hidden(page: &Reply, name: &str) -> Option<String> {
    let page = text(page);
    let rest = page.split(&format!("<input type=\"hidden\" name=\"{name}\" value=\"")).nth(1)?;
    Some(rest.split('"').next()?.replace("&amp;", "&"))
}

#[track_caller]
pub fn hidden(page: &Reply, name: &str) -> String {
    find_hidden(page, name).unwrap_or_else(|| panic!("no {name} in {}", text(page)))
}

/// The parameters of a redirect to the client.
#[track_caller]
fn location(reply: &Reply) -> Vec<(String, String)> {
    let location = reply.field("location").expect("a location");
    let query =
        location.strip_prefix(CALLBACK).and_then(|rest| rest.strip_prefix('?')).expect("the callback");
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

#[track_caller]
fn value<'p>(parameters: &'p [(String, String)], name: &str) -> &'p str {
    let mut named = parameters.iter().filter(|(own, _)| own == name);
    let (_, value) = named.next().unwrap_or_else(|| panic!("no {name} in {parameters:?}"));
    assert!(named.next().is_none(), "{name} is there twice");
    value
}

#[track_caller]
fn member(reply: &Reply, name: &str) -> String {
    assert_eq!(reply.status, 200, "{}", text(reply));
    assert_eq!(reply.field("cache-control"), Some("no-store"));
    reply.json()[name].as_str().expect("a string").to_owned()
}

#[track_caller]
fn refused(reply: &Reply, error: &str) {
    let status = if error == "invalid_client" { 401 } else { 400 }; // OAuth 2.1 §3.2.4
    assert_eq!((reply.status, &reply.json()["error"]), (status, &json!(error)), "{}", text(reply));
    assert_eq!(reply.field("cache-control"), Some("no-store"));
}

#[test]
fn goes_the_whole_way_from_the_401_to_the_journal() {
    let mut house = House::new();
    let (host, origin) = (house.host.clone(), house.base_url());
    // 401 → who guards this → where to get in.
    let first = house.server.send(request("POST", "/mcp", &[("Host", &host)], "{}"));
    let challenge = first.field("www-authenticate").expect("a challenge").to_owned();
    let metadata_url = challenge.split("resource_metadata=\"").nth(1).and_then(|rest| rest.split('"').next());
    let path = metadata_url.and_then(|url| url.strip_prefix(&origin)).expect("a URL of ours");
    let metadata = house.server.send(request("GET", path, &[("Host", &host)], "")).json();
    let issuer = metadata["authorization_servers"][0].as_str().expect("an issuer").to_owned();
    assert_eq!(issuer, origin);
    let server =
        house.server.send(request("GET", "/.well-known/oauth-authorization-server", &[("Host", &host)], ""));
    let server = server.json();
    assert_eq!(server["issuer"], issuer);
    // Registration.
    let client = house.client();
    // Sign-in, from the client's own request.
    let resource = format!("{origin}/mcp");
    let query =
        [house.asking(&client), vec![("scope", "entries:read entries:write"), ("resource", &resource)]]
            .concat();
    let page = house.browse("GET", &format!("/authorize?{}", encoded(&query)), &[]);
    assert!(text(&page).contains("Sign in"), "{}", text(&page));
    let (form, asked) = (hidden(&page, "form"), hidden(&page, "request"));
    let fields = [("form", form.as_str()), ("request", &asked), ("email", EMAIL), ("password", PASSWORD)];
    let reply = house.browse("POST", "/sign-in", &fields);
    assert_eq!((reply.status, reply.field("location")), (303, Some(format!("/authorize?{asked}").as_str())));
    // Consent.
    let parameters = house.allow(&query);
    assert_eq!(value(&parameters, "state"), "a state & more");
    assert_eq!(value(&parameters, "iss"), issuer);
    // Tokens.
    let reply = house.redeem(&client, value(&parameters, "code"));
    let (access, refresh) = (member(&reply, "access_token"), member(&reply, "refresh_token"));
    assert_eq!(reply.json()["token_type"], "Bearer");
    assert_eq!(reply.json()["expires_in"], 900);
    assert_eq!(reply.json()["scope"], "entries:read entries:write");
    // Through the gate.
    let mut journal = Client::new(&house.server, &access);
    journal.ok("create_entry", json!({ "title": "Connected", "content": "by pressing Connect" }));
    assert_eq!(journal.ok("list_entries", json!({}))["total"], 1);
    // Refresh, then give it all back.
    let reply = house.refresh(&client, &refresh);
    let (second, refresh) = (member(&reply, "access_token"), member(&reply, "refresh_token"));
    assert!(house.opens(&second) && house.opens(&access));
    let form = [("client_id", client.as_str()), ("token", &refresh)];
    assert_eq!(house.post("/revoke", &[], &form).status, 200);
    assert!(!house.opens(&second) && !house.opens(&access));
    refused(&house.refresh(&client, &refresh), "invalid_grant");
}

// ---- Discovery ----

#[test]
fn calls_itself_by_the_name_that_the_client_used_in_every_document_and_answer() {
    let mut house = House::new();
    let port = house.server.address.port();
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        (house.host, house.cookie) = (host, None);
        let origin = house.base_url();
        let first = house.get("/.well-known/oauth-authorization-server").json();
        assert_eq!(first, house.get("/.well-known/oauth-authorization-server/mcp").json());
        let resource = house.get("/.well-known/oauth-protected-resource/mcp").json();
        assert_eq!(
            (&first["issuer"], &resource["authorization_servers"]),
            (&json!(origin), &json!([origin]))
        );
        let endpoints = "authorization/authorize token/token registration/register revocation/revoke introspection/introspect";
        for (name, path) in endpoints.split(' ').filter_map(|pair| pair.split_once('/')) {
            assert_eq!(first[format!("{name}_endpoint")], format!("{origin}/{path}"));
        }
        assert_eq!(first["scopes_supported"], resource["scopes_supported"]);
        assert_eq!(first["protected_resources"], json!([resource["resource"]]));
        assert_eq!(first["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(first["authorization_response_iss_parameter_supported"], true);
        assert_eq!(
            first["client_id_metadata_document_supported"],
            Value::Null,
            "nothing fetches such a document"
        );
        let client = house.client();
        house.sign_in();
        let endpoint = format!("{origin}/mcp");
        let query = but(&house.asking(&client), "resource", &[&endpoint]);
        assert_eq!(value(&house.allow(&query), "iss"), origin);
        assert_eq!(value(&location(&house.decide(&query, &[("decision", "deny")])), "iss"), origin);
    }
}

#[test]
fn publishes_the_metadata_to_every_page_and_nothing_beside_it() {
    let house = House::new();
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/oauth-authorization-server/mcp/",
    ] {
        for (method, status) in [("GET", 200), ("OPTIONS", 204), ("POST", 405)] {
            let fields = [("Host", house.host.as_str()), ("Origin", "https://anywhere.example")];
            let reply = house.server.send(request(method, path, &fields, ""));
            assert_eq!(reply.status, status, "{method} {path}");
            let shared = (status < 300).then_some("*");
            assert_eq!(reply.field("access-control-allow-origin"), shared);
            assert_eq!(
                reply.field("access-control-allow-headers"),
                shared.map(|_| "mcp-protocol-version, *")
            );
        }
    }
    let unknown = "openid-configuration | openid-configuration/ | openid-configuration/mcp | oauth-client | \
        oauth-authorization-server// | oauth-authorization-server/x | ";
    for unknown in unknown.split(" | ") {
        let path = format!("/.well-known/{unknown}");
        // A page is told the 404 and its reason; its browser asks first, and without a yes there would be no answer.
        let reply = house.get(&path);
        assert_eq!((reply.status, reply.field("access-control-allow-origin")), (404, Some("*")), "{unknown}");
        let fields = [("Host", house.host.as_str()), ("Origin", "https://anywhere.example")];
        let reply = house.server.send(request("OPTIONS", &path, &fields, ""));
        assert_eq!((reply.status, reply.field("access-control-allow-origin")), (204, Some("*")), "{unknown}");
        assert_eq!(reply.field("access-control-allow-headers"), Some("mcp-protocol-version, *"), "{unknown}");
    }
    for beside in ["/.well-known", "/well-known/x", "/x"] {
        let reply = house.get(beside);
        assert_eq!((reply.status, reply.field("access-control-allow-origin")), (404, None), "{beside}");
    }
}

#[test]
fn lets_every_page_talk_to_the_endpoints_but_not_to_the_person() {
    let house = House::new();
    let fields = [("Host", house.host.as_str()), ("Origin", "https://anywhere.example")];
    for path in ["/token", "/register", "/revoke"] {
        let reply = house.server.send(request("OPTIONS", path, &fields, ""));
        assert_eq!((reply.status, reply.field("access-control-allow-origin")), (204, Some("*")));
        let headers = reply.field("access-control-allow-headers").expect("headers");
        for needed in ["content-type", "authorization", "mcp-protocol-version"] {
            assert!(headers.split(", ").any(|own| own == needed), "{needed} in {headers}");
        }
        assert_eq!(house.post(path, &[], &[]).field("access-control-allow-origin"), Some("*"), "errors too");
        let get = house.get(path);
        assert_eq!((get.status, get.field("allow")), (405, Some("POST, OPTIONS")));
    }
    for path in ["/authorize", "/sign-in", "/account", "/setup", "/introspect"] {
        for method in ["OPTIONS", "GET", "POST"] {
            let reply = house.server.send(request(method, path, &fields, ""));
            assert_eq!(reply.field("access-control-allow-origin"), None, "{method} {path}");
        }
    }
}

#[test]
fn is_known_by_its_public_url_and_locks_the_cookie_to_it() {
    let mut house = House::with(&["--public-url", PUBLIC]);
    assert_eq!(house.get("/.well-known/oauth-authorization-server").json()["issuer"], PUBLIC);
    let client = house.client();
    for path in ["/account", "/sign-in"] {
        let page = match path {
            "/account" => house.browse("GET", path, &[]),
            _ => house.try_sign_in(EMAIL, PASSWORD),
        };
        let set = page.field("set-cookie").expect("a cookie");
        let (pair, rest) = set.split_once(';').expect("attributes");
        assert!(pair.starts_with("__Host-epicme="), "{set}");
        assert_eq!(rest, " Path=/; HttpOnly; SameSite=Lax; Secure");
    }
    let query = but(&house.asking(&client), "resource", &["https://journal.example/mcp"]);
    let answer = house.allow(&query);
    assert_eq!(value(&answer, "iss"), PUBLIC);
    let (access, _) = pair(&house.redeem(&client, value(&answer, "code")));
    assert!(house.opens(&access));
    // One URL has several spellings (RFC 3986 §6.2), at both endpoints.
    for spelling in
        ["https://journal.example:443/mcp", "HTTPS://Journal.Example/mcp/", "https://journal.example/%6Dcp"]
    {
        let answer = house.allow(&but(&query, "resource", &[spelling]));
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", client.as_str()),
            ("code", value(&answer, "code")),
            ("code_verifier", VERIFIER),
            ("resource", spelling),
        ];
        pair(&house.post("/token", &[], &form));
    }
    for other in
        ["https://journal.example:444/mcp", "http://journal.example:443/mcp", "https://journal.example/MCP"]
    {
        let reply = house.visit_refused(&but(&query, "resource", &[other]));
        assert_eq!(value(&location(&reply), "error"), "invalid_target", "{other}");
    }
    let local = format!("{}/mcp", house.base_url());
    let reply = house.visit(&but(&query, "resource", &[&local]));
    assert_eq!(value(&location(&reply), "error"), "invalid_target", "only the public name is the resource");
    let set =
        reply.field("set-cookie").expect("it was addressed by a name of this machine, and so is the client");
    assert_eq!(set, "__Host-epicme=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0");
}

// ---- Registration (RFC 7591) ----

#[test]
fn refuses_a_redirect_uri_that_could_hand_the_code_to_somebody_else() {
    let house = House::new();
    let long = format!("https://app.example/{}", "x".repeat(2000));
    let refused_uris = "http://app.example/cb http://127.0.0.1.evil.example/cb http://127.0.0.1@evil.example/cb
        http://192.168.0.1/cb javascript:alert(1) JavaScript:alert(1) data:text/html,x file:///etc/passwd blob:x
        about:blank vbscript:x ftp://app.example/ view-source:https://app.example/ /callback callback
        https://app.example/cb#fragment https://user@app.example/cb https:///cb https:app.example https://ä.example/cb
        https://app.example\\@evil.example/ http://[::2]/cb https://app.example:99999/cb";
    let spaced = ["https://app.example/c b", "https://app.example/\ncb", "java\tscript:alert(1)", &long];
    for uri in refused_uris.split_whitespace().chain(spaced) {
        for uris in [json!([uri]), json!([CALLBACK, uri])] {
            refused(&house.register(&json!({ "redirect_uris": uris })), "invalid_redirect_uri");
        }
    }
    house.server.log_with("outcome=redirect-uri");
}

#[test]
fn refuses_a_scheme_that_is_a_browsers_and_one_that_wraps_a_url_beside_a_good_one_too() {
    let house = House::with(&["--redirect-scheme", "zed", "--redirect-scheme", "mylittleapp"]);
    let refused_uris = "microsoft-edge:https://evil.example/cb x-safari-https://evil.example/cb intent:https://evil.example/
        googlechrome://evil.example/cb view-source:https://evil.example/ ms-word:x web+mcp:x goose://https://evil.example/
        com.example.app:https://evil.example/cb com.example.app://https://evil.example/cb zed:https://evil.example/
        cursor:///https://evil.example/ com.example.app:javascript:alert(1) com.example.app:https%3a//evil.example/";
    for uri in refused_uris.split_whitespace() {
        refused(&house.register(&json!({ "redirect_uris": [CALLBACK, uri] })), "invalid_redirect_uri");
    }
    for uri in [
        "com.example.app:/cb",
        "zed://oauth/callback",
        "mylittleapp:/cb",
        "vscode://saoudrizwan.claude-dev/mcp-auth/callback/1f",
    ] {
        let uris = json!([CALLBACK, uri]);
        let reply = house.register(&json!({ "redirect_uris": uris }));
        assert_eq!((reply.status, &reply.json()["redirect_uris"]), (201, &uris), "{uri}");
    }
}

/// Editors register a URI of their app beside one on this machine (RFC 7591 §3.2.1: the answer says what was kept).
#[test]
fn leaves_out_a_uri_of_an_unknown_scheme_and_refuses_a_registration_of_such_alone() {
    let mut house = House::new();
    let unknown = "windsurf://codeium.windsurf/oauth zed://oauth/cb kiro://cb lmstudio://cb jetbrains://idea/cb goose://cb
        trae://cb vscodium://cb vscode://file/cb cursor://vscode.git/clone?url=x ws://localhost/cb app:/cb localhost:6274/cb x-apple.systempreferences:cb";
    for uri in unknown.split_whitespace() {
        let alone = house.register(&json!({ "redirect_uris": [uri] }));
        refused(&alone, "invalid_redirect_uri");
        assert!(text(&alone).contains("--redirect-scheme"), "{uri}");
        for uris in [json!([CALLBACK, uri]), json!([uri, CALLBACK]), json!([uri, null, "", CALLBACK, uri])] {
            let reply = house.register(&json!({ "redirect_uris": uris }));
            assert_eq!((reply.status, &reply.json()["redirect_uris"]), (201, &json!([CALLBACK])), "{uris}");
        }
        for bad in ["http://app.example/cb", "https://u@app.example/", "cursor:https://x/", "javascript:x"] {
            refused(
                &house.register(&json!({ "redirect_uris": [CALLBACK, uri, bad] })),
                "invalid_redirect_uri",
            );
            refused(&house.register(&json!({ "redirect_uris": [uri, bad] })), "invalid_redirect_uri");
        }
    }
    for uris in [json!([CALLBACK, null]), json!(["", CALLBACK]), json!([CALLBACK, []])] {
        let reply = house.register(&json!({ "redirect_uris": uris }));
        assert_eq!((reply.status, &reply.json()["redirect_uris"]), (201, &json!([CALLBACK])), "{uris}");
    }
    for uris in
        [json!([null]), json!([""]), json!([CALLBACK, 1]), json!([CALLBACK, {}]), json!([CALLBACK, false])]
    {
        refused(&house.register(&json!({ "redirect_uris": uris })), "invalid_client_metadata");
    }
    // What was left out gets no code. The page and the log say why.
    let left_out = "windsurf://codeium.windsurf/oauth";
    let client = house.client_at(&[left_out, CALLBACK]);
    let asking = house.asking(&client);
    assert_eq!(house.visit(&asking).status, 200);
    let page = house.visit(&but(&asking, "redirect_uri", &[left_out]));
    assert_eq!((page.status, page.field("location")), (400, None));
    assert!(text(&page).contains("--redirect-scheme"), "{}", text(&page));
    house.server.log_with("GET /authorize 400 outcome=redirect-uri");
}

#[test]
fn refuses_a_scheme_that_was_taken_back_also_to_a_client_that_has_it() {
    let mut house = House::with(&["--redirect-scheme", "zed"]);
    let client = house.client_at(&["zed://oauth/callback", CALLBACK]);
    let asked = |house: &mut House, uri: &str| {
        let query = but(&house.asking(&client), "redirect_uri", &[uri]);
        house.visit(&query).status
    };
    assert_eq!(asked(&mut house, "zed://oauth/callback"), 200);
    let folder = house.server.folder.clone();
    house.server.kill();
    let mut house = House::at(Server::start_in(folder, &[]));
    assert_eq!(asked(&mut house, "zed://oauth/callback"), 400);
    assert_eq!(asked(&mut house, CALLBACK), 200);
}

#[test]
fn accepts_redirect_uris_as_real_clients_send_them() {
    let house = House::new();
    let cursor = [
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "https://www.cursor.com/agents/mcp/oauth/callback",
        "http://localhost:8787/callback",
    ];
    let code =
        ["http://localhost:53211/callback", "http://[::1]:9/cb", "https://claude.ai/api/mcp/auth_callback"];
    for uris in [cursor, code] {
        let metadata = json!({ "client_name": "Cursor", "redirect_uris": uris, "application_type": "native",
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "token_endpoint_auth_method": "none", "software_statement": { "unknown": [null] } });
        let reply = house.register(&metadata);
        assert_eq!((reply.status, &reply.json()["redirect_uris"]), (201, &json!(uris)));
    }
}

#[test]
fn refuses_metadata_of_the_wrong_form() {
    let house = House::new();
    let (long, longest) = ("x".repeat(201), "ä".repeat(200));
    let uris =
        |count: usize| json!((0..count).map(|n| format!("https://app.example/{n}")).collect::<Vec<_>>());
    #[rustfmt::skip]
    let rows = [
        ("redirect_uris", Value::Null), ("redirect_uris", json!([])), ("redirect_uris", json!(CALLBACK)),
        ("redirect_uris", json!([1])), ("redirect_uris", uris(21)), ("client_name", json!(1)),
        ("client_name", json!(long)), ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("token_endpoint_auth_method", json!("NONE")), ("token_endpoint_auth_method", json!(["none"])),
        ("grant_types", json!(["client_credentials"])), ("grant_types", json!(["refresh_token"])),
        ("grant_types", json!("authorization_code")), ("response_types", json!(["token"])),
        ("scope", json!(["entries:read"])), ("redirect_uris", json!("")),
        ("client_name", json!(" ")), ("client_name", json!("\u{3164}\u{2060}\u{ad}")),
        ("client_name", json!("\u{2800}\u{115f}\u{e0041}")), ("client_name", json!("a\u{202e}b")),
        ("client_name", json!("a\0")), ("client_name", json!("a\nb")), ("client_name", json!("a\u{2029}b")),
        ("redirect_uris", json!([format!("https://app.example/{}", "x".repeat(1970)),
            format!("https://app.example/{}", "x".repeat(1959)), "https://app.example/1"])),
    ];
    for (name, value) in rows {
        let mut metadata = json!({ "redirect_uris": [CALLBACK] });
        metadata[name] = value;
        let reply = house.register(&metadata);
        refused(&reply, "invalid_client_metadata");
        assert!(reply.json()["error_description"].to_string().contains(name), "{}", text(&reply));
    }
    // 4000 bytes with the name, which is `app.example`.
    let large = json!([
        format!("https://app.example/{}", "x".repeat(1970)),
        format!("https://app.example/{}", "x".repeat(1959)),
        "https://app.example/"
    ]);
    for (name, value) in
        [("redirect_uris", uris(20)), ("client_name", json!(longest)), ("redirect_uris", large)]
    {
        let mut metadata = json!({ "redirect_uris": [CALLBACK] });
        metadata[name] = value;
        assert_eq!(house.register(&metadata).status, 201, "{metadata}");
    }
}

#[test]
fn takes_an_empty_member_of_the_metadata_for_an_absent_one() {
    let house = House::new();
    let plain = house.register(&json!({ "redirect_uris": [CALLBACK] })).json();
    let members = "client_name token_endpoint_auth_method grant_types response_types scope contacts client_uri logo_uri \
                   tos_uri policy_uri jwks_uri jwks software_id software_version application_type";
    for name in members.split_whitespace() {
        for empty in [Value::Null, json!(""), json!([]), json!([null]), json!(["", null])] {
            let mut metadata = json!({ "redirect_uris": [CALLBACK] });
            metadata[name] = empty;
            let reply = house.register(&metadata);
            assert_eq!(reply.status, 201, "{metadata}: {}", text(&reply));
            let mut answer = reply.json();
            for own in ["client_id", "client_id_issued_at"] {
                answer[own] = plain[own].clone();
            }
            assert_eq!(answer, plain, "{metadata}");
        }
    }
}

#[test]
fn takes_a_name_of_which_something_is_seen_and_leaves_out_what_is_not() {
    let house = House::new();
    for (name, kept) in
        [("Cla\u{200b}u\u{3164}de ", "Claude"), ("❤️ App", "❤️ App"), ("Ada's «ré»", "Ada's «ré»")]
    {
        let reply = house.register(&json!({ "redirect_uris": [CALLBACK], "client_name": name }));
        assert_eq!((reply.status, &reply.json()["client_name"]), (201, &json!(kept)));
    }
}

#[test]
fn shows_a_name_of_an_earlier_version_without_what_could_deceive() {
    let mut house = House::new();
    house.sign_in();
    let client = {
        let made = house.server.folder.epicme(&["client", "add", "old", CALLBACK], "");
        String::from_utf8(made.stdout).expect("an id").trim_end().to_owned()
    };
    house.tamper("UPDATE clients SET name = 'Bank' || char(12644, 8238, 10, 27) || 'x'");
    let page = text(&house.visit(&house.asking(&client)));
    assert!(page.contains("<strong>Bank\u{fffd}\u{fffd}\n\u{fffd}x</strong> asks for access"), "{page}");
    let listed = house.server.folder.epicme(&["client", "list"], "");
    assert!(String::from_utf8(listed.stdout).expect("text").contains("  Bankx  "));
}

#[test]
fn refuses_a_registration_that_is_not_one_json_object() {
    let house = House::new();
    let good = json!({ "redirect_uris": [CALLBACK] }).to_string();
    let send = |kind: &str, body: &str| house.post_as(kind, "/register", body);
    let twice = format!("{{\"redirect_uris\":[\"https://evil.example/\"],{}", &good[1..]);
    for body in ["", "{", "[]", "null", "\"x\"", &good[..good.len() - 1], &format!("{good}{good}"), &twice] {
        refused(&send("application/json", body), "invalid_client_metadata");
    }
    for kind in ["text/plain", FORM, "application/jsonx", "application/json; charset=utf-16"] {
        refused(&send(kind, &good), "invalid_client_metadata");
    }
    let large = json!({ "redirect_uris": [CALLBACK], "x": "x".repeat(65 * 1024) }).to_string();
    assert_eq!(send("application/json", &large).status, 413);
    for charset in ["utf-8", "us-ascii"] {
        assert_eq!(send(&format!("application/json; charset={charset}"), &good).status, 201);
    }
}

#[test]
fn says_in_the_answer_what_was_decided_and_leaves_the_rest_out() {
    let house = House::new();
    let reply = house.register(&json!({ "redirect_uris": [CALLBACK], "client_uri": "https://app.example" }));
    assert_eq!((reply.status, reply.field("cache-control")), (201, Some("no-store")));
    assert_eq!(reply.field("content-type"), Some("application/json"));
    assert_eq!(reply.field("access-control-allow-origin"), Some("*"));
    let mut answer = reply.json();
    let id = answer["client_id"].take();
    assert!(id.as_str().is_some_and(|id| id.len() > 20 && !id.contains("://")), "{id}");
    assert!(answer["client_id_issued_at"].take().as_i64().is_some_and(|at| at > 1_700_000_000));
    let expected = json!({ "client_id": null, "client_id_issued_at": null, "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "token_endpoint_auth_method": "none" });
    assert_eq!(answer, expected, "no null, no empty text, no secret");
    let metadata =
        json!({ "redirect_uris": [CALLBACK], "client_name": "A", "scope": "tags:read diary:read" });
    let answer = house.register(&metadata).json();
    assert_eq!((&answer["client_name"], &answer["scope"]), (&json!("A"), &json!("tags:read")));
}

#[test]
fn knows_a_registered_client_and_its_tokens_after_a_restart() {
    let (mut house, client) = House::connected();
    let (_, refresh) = house.tokens(&client);
    let (folder, cookie) = (house.server.folder.clone(), house.cookie.clone().expect("a cookie"));
    house.server.kill();
    let mut house = House::at(Server::start_in(folder, &[]));
    let (access, _) = pair(&house.refresh(&client, &refresh));
    assert!(house.opens(&access));
    // The port is another now, and with it the cookie's name; its value is still somebody's.
    let value = cookie.split_once('=').expect("a value").1;
    house.cookie = Some(format!("epicme_{}={value}", house.server.address.port()));
    assert!(text(&house.browse("GET", "/account", &[])).contains(EMAIL));
}

#[test]
fn refuses_a_confidential_client_without_its_secret() {
    let mut house = House::new();
    house.sign_in();
    for method in ["client_secret_basic", "client_secret_post"] {
        let (id, secret) = house.confidential(method);
        let (_, foreign) = house.confidential(method);
        let right = basic(&id, &secret);
        let encoded_inside = basic(&id.replace('_', "%5F"), &secret.replace('_', "%5F"));
        let (_, refresh) = {
            let code = house.code(&id);
            let form =
                [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", VERIFIER)];
            refused(&house.redeem(&id, &code), "invalid_client");
            pair(&house.post("/token", &[("Authorization", &right)], &form))
        };
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        let in_form = |id, secret| [&form[..], &[("client_id", id), ("client_secret", secret)]].concat();
        for path in ["/token", "/revoke", "/introspect"] {
            let wrong = [
                basic(&id, &foreign),
                basic(&id, ""),
                basic("c_nobody", &secret),
                "Basic !".into(),
                "Bearer x".into(),
                right.replace(' ', "\t"),
                right.replace(' ', " \t"),
            ];
            for wrong in wrong {
                let reply =
                    house.post(path, &[("Authorization", &wrong)], &[&form[..], &[("token", "x")]].concat());
                refused(&reply, "invalid_client");
                assert!(
                    reply.field("www-authenticate").is_some_and(|value| value.starts_with("Basic ")),
                    "{wrong}"
                );
            }
            let reply = house.post(path, &[], &[&in_form(&id, &foreign)[..], &[("token", "x")]].concat());
            refused(&reply, "invalid_client");
            // OAuth 2.1 §2.4.1: one way at a time, and one client.
            let header = [("Authorization", right.as_str())];
            refused(&house.post(path, &header, &in_form(&id, &secret)), "invalid_request");
            let other = [&form[..], &[("client_id", "c_other")]].concat();
            refused(&house.post(path, &header, &other), "invalid_request");
            let twice = [("Authorization", right.as_str()), ("Authorization", right.as_str())];
            refused(&house.post(path, &twice, &form), "invalid_request");
        }
        house.server.log_with("outcome=wrong-client-secret");
        for reply in [
            house.post("/token", &[("Authorization", &right)], &form),
            house.post("/token", &[("Authorization", &encoded_inside)], &form),
            house.post("/token", &[("Authorization", &right.replace(' ', "  "))], &form),
            house.post("/token", &[], &in_form(&id, &secret)),
        ] {
            pair(&reply);
        }
        let public = house.client();
        refused(&house.post("/token", &[], &in_form(&public, &secret)), "invalid_client");
    }
}

#[test]
fn takes_an_empty_secret_for_none() {
    let (mut house, client) = House::connected();
    let empty = basic(&client, "");
    let header = [("Authorization", empty.as_str())];
    let code = house.code(&client);
    let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", VERIFIER)];
    let (_, refresh) = pair(&house.post("/token", &header, &form));
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    let (_, refresh) = pair(&house.post("/token", &header, &form));
    let in_body = [("client_id", client.as_str()), ("client_secret", "")];
    let form =
        [&in_body[..], &[("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())]].concat();
    let (access, _) = pair(&house.post("/token", &[], &form));
    // No public client may introspect, whichever way it sends nothing.
    refused(&house.post("/introspect", &header, &[("token", &access)]), "invalid_client");
    refused(
        &house.post("/introspect", &[], &[&in_body[..], &[("token", &access)]].concat()),
        "invalid_client",
    );
    assert!(house.opens(&access));
    assert_eq!(house.post("/revoke", &header, &[("token", &access)]).status, 200);
    assert!(!house.opens(&access));
    // To a client that has a secret, an empty one is a missing one.
    for method in ["client_secret_basic", "client_secret_post"] {
        let (id, _) = house.confidential(method);
        for path in ["/token", "/revoke", "/introspect"] {
            let rest = [("grant_type", "refresh_token"), ("refresh_token", "em_rt_x"), ("token", "x")];
            refused(&house.post(path, &[("Authorization", &basic(&id, ""))], &rest), "invalid_client");
            let in_body = [("client_id", id.as_str()), ("client_secret", "")];
            refused(&house.post(path, &[], &[&in_body[..], &rest].concat()), "invalid_client");
        }
    }
}

#[test]
fn takes_an_empty_authorization_for_none() {
    let (mut house, client) = House::connected();
    let empty = [("Authorization", "")];
    let form = |refresh, client| {
        [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", client)]
    };
    let (_, refresh) = house.tokens(&client);
    let (access, refresh) = pair(&house.post("/token", &empty, &form(&refresh, &client)));
    // A scheme is a try, and a second field is one too many.
    refused(&house.post("/token", &[("Authorization", "x")], &form(&refresh, &client)), "invalid_client");
    let twice = [empty[0], empty[0]];
    refused(&house.post("/token", &twice, &form(&refresh, &client)), "invalid_request");
    refused(&house.post("/token", &empty, &form(&refresh, "")), "invalid_request");
    refused(&house.post("/introspect", &empty, &[("token", &access)]), "invalid_client");
    assert_eq!(house.post("/revoke", &empty, &[("client_id", &client), ("token", &access)]).status, 200);
    assert!(!house.opens(&access));
}

#[test]
fn stores_a_client_when_a_person_allows_it_something_and_forgets_it_when_nothing_of_that_lives() {
    let (mut house, client) = House::connected();
    assert_eq!(house.count("clients"), 0, "the id holds the registration");
    let (_, refresh) = house.tokens(&client);
    let operators = house.server.folder.epicme(&["client", "add", "kept", CALLBACK], "");
    assert!(operators.status.success());
    let other = house.client();
    house.tokens(&other);
    assert_eq!(house.count("clients"), 3);
    house.tamper("UPDATE grants SET used_at = used_at - 31 * 24 * 60 * 60 WHERE id = 2");
    house.code(&client);
    assert_eq!(house.count("clients"), 2, "the one with a grant that lives, and the operator's");
    pair(&house.refresh(&client, &refresh));
    // The one that was forgotten is still registered, and asks the person again.
    house.tokens(&other);
    assert_eq!(house.count("clients"), 3);
}

#[test]
fn knows_a_client_by_a_row_of_an_earlier_version() {
    let mut house = House::new();
    house.sign_in();
    house.tamper(&format!(
        "INSERT INTO clients VALUES ('c_old', 'Old', '{CALLBACK}', 'none', NULL, 'itself', unixepoch())"
    ));
    let (access, refresh) = house.tokens("c_old");
    assert!(house.opens(&access));
    pair(&house.refresh("c_old", &refresh));
}

#[test]
fn refuses_an_id_that_was_changed_or_is_of_another_server() {
    let (mut house, client) = House::connected();
    let (_, elsewhere) = House::connected();
    assert_eq!(house.visit(&house.asking(&client)).status, 200);
    let (payload, mac) = client[..].rsplit_once('.').expect("a signature");
    let forged = format!("{}A.{mac}", &payload[..payload.len() - 1]);
    for id in [&forged, &elsewhere, payload, &client[2..], &client[..client.len() - 1]] {
        let page = house.visit(&house.asking(id));
        assert_eq!((page.status, page.field("location")), (400, None), "{id}");
        refused(&house.refresh(id, "em_rt_x"), "invalid_client");
    }
    let again = house.client();
    assert_ne!(client, again, "each registration has an id of its own");
}

// ---- The authorization endpoint (OAuth 2.1 §4.1) ----

#[test]
fn refuses_on_a_page_while_the_redirect_is_unproven() {
    let mut house = House::new();
    let client = house.client();
    let two = house.client_at(&[CALLBACK, "https://app.example/cb"]);
    let evil = "https://evil.example/\"><script>alert(1)</script>";
    let (long, longest) = ("x".repeat(4097), "x".repeat(4096));
    let right = house.asking(&client);
    #[rustfmt::skip]
    let rows: [(&str, &[&str]); 16] = [
        ("client_id", &[]), ("client_id", &[&client, &client]), ("redirect_uri", &[evil]),
        ("redirect_uri", &["https://127.0.0.1:6274/oauth/callback"]),
        ("redirect_uri", &["http://localhost:6274/oauth/callback"]), // another host, not another port
        ("redirect_uri", &["http://127.0.0.1:6274/oauth/callback/"]),
        ("redirect_uri", &["http://127.0.0.1:6274/oauth/callback?x"]),
        ("redirect_uri", &["http://127.0.0.1:6274@evil.example/oauth/callback"]),
        ("redirect_uri", &["http://127.0.0.1:99999/oauth/callback"]),
        ("redirect_uri", &["javascript:alert(1)"]), ("redirect_uri", &[CALLBACK, CALLBACK]),
        ("redirect_uri", &[CALLBACK, evil]), ("state", &["a", "b"]), ("state", &[&long]),
        ("scope", &["tags:read", "tags:read"]), ("code_challenge", &[CHALLENGE, CHALLENGE]),
    ];
    for _ in ["signed out", "signed in"] {
        for (name, values) in rows {
            let page = house.visit(&but(&right, name, values));
            assert_eq!((page.status, page.field("location")), (400, None), "{name} {values:?}");
            let shown = text(&page);
            assert!(shown.contains("role=\"alert\"") && !shown.contains("<form"), "{shown}");
            assert!(!shown.contains("evil") && !shown.contains("<script>"), "nothing is reflected: {shown}");
        }
        let unnamed = house.visit(&but(&but(&right, "client_id", &[&two]), "redirect_uri", &[]));
        assert_eq!((unnamed.status, unnamed.field("location")), (400, None));
        for (name, values) in
            [("redirect_uri", &[][..]), ("state", &[longest.as_str()]), ("redirect_uri", &[CALLBACK, ""])]
        {
            assert_eq!(house.visit(&but(&right, name, values)).status, 200, "{name} {values:?}");
        }
        house.sign_in();
    }
    house.server.log_with("outcome=foreign-redirect");
}

#[test]
fn refuses_an_unknown_client_on_a_400_page_so_that_clients_register_again() {
    let mut house = House::new();
    let client = house.client();
    let right = house.asking(&client);
    for id in ["c_unknown", "https://evil.example/client.json", "<script>"] {
        let page = house.visit(&but(&right, "client_id", &[id]));
        assert!(!text(&page).contains(id), "nothing is reflected");
        assert_eq!((page.status, page.field("location")), (400, None), "{id}");
    }
    assert_eq!(house.visit(&right).status, 200);
}

#[test]
fn refuses_by_redirect_once_the_person_has_signed_in() {
    let mut house = House::new();
    let client = house.client();
    let right = house.asking(&client);
    let ours = format!("{}/mcp", house.base_url());
    let (with_fragment, longer) = (format!("{ours}#x"), format!("{ours}/x"));
    let (long, short) = ("x".repeat(129), &CHALLENGE[..42]);
    #[rustfmt::skip]
    let rows: [(&str, &[&str], &str); 23] = [
        ("response_mode", &["form_post"], "invalid_request"), ("response_mode", &["fragment"], "invalid_request"),
        ("response_mode", &["query "], "invalid_request"), ("request", &["e30.e30."], "request_not_supported"),
        ("request_uri", &["urn:ietf:params:oauth:request_uri:x"], "request_uri_not_supported"),
        ("resource", &["https://127.0.0.1:443/mcp"], "invalid_target"),
        ("response_type", &["token"], "unsupported_response_type"),
        ("response_type", &["code token"], "unsupported_response_type"),
        ("response_type", &[], "invalid_request"), ("code_challenge", &[], "invalid_request"),
        ("code_challenge", &[short], "invalid_request"), ("code_challenge", &[&long], "invalid_request"),
        ("code_challenge", &["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"], "invalid_request"),
        ("code_challenge_method", &[], "invalid_request"), // means plain
        ("code_challenge_method", &["plain"], "invalid_request"),
        ("code_challenge_method", &["s256"], "invalid_request"),
        ("scope", &["diary:read offline_access"], "invalid_scope"),
        ("scope", &["entries:READ"], "invalid_scope"),
        ("resource", &["https://other.example/mcp"], "invalid_target"),
        ("resource", &["/mcp"], "invalid_target"),
        ("resource", &[&ours, "https://other.example/mcp"], "invalid_target"),
        ("resource", &[&with_fragment], "invalid_target"), ("resource", &[&longer], "invalid_target"),
    ];
    for (name, values, _) in rows {
        let page = house.visit(&but(&right, name, values));
        assert_eq!((page.status, page.field("location")), (200, None),);
        assert!(text(&page).contains("action=\"/sign-in\""));
    }
    house.sign_in();
    for (name, values, error) in rows {
        let reply = house.visit_refused(&but(&right, name, values));
        assert_eq!(
            (reply.status, reply.field("cache-control")),
            (303, Some("no-store")),
            "{name} {values:?}"
        );
        let answer = location(&reply);
        assert_eq!(value(&answer, "error"), error, "{name} {values:?}");
        assert_eq!(value(&answer, "state"), "a state & more");
        assert_eq!(value(&answer, "iss"), house.base_url());
        assert_eq!(answer.len(), 4, "and a description: {answer:?}");
    }
    let (slash, shout) = (format!("{ours}/"), ours.replace("http", "HTTP"));
    for resources in [&[ours.as_str()][..], &[&slash], &[&shout], &[&ours, &ours]] {
        assert_eq!(house.visit(&but(&right, "resource", resources)).status, 200, "{resources:?}");
    }
    for (name, value) in
        [("response_mode", "query"), ("response_mode", ""), ("request", ""), ("prompt", "consent")]
    {
        assert_eq!(house.visit(&but(&right, name, &[value])).status, 200, "{name}={value}");
    }
    let without_state = location(&house.visit(&but(&but(&right, "state", &[]), "response_type", &["token"])));
    assert!(!without_state.iter().any(|(name, _)| name == "state"), "{without_state:?}");
    assert_eq!(house.count("codes"), 0);
}

#[test]
fn names_the_rule_of_a_redirected_refusal_in_the_log() {
    let (mut house, client) = House::connected();
    let rows = [
        ("response_type", "token", "response-type"),
        ("code_challenge_method", "plain", "pkce-challenge"),
        ("scope", "diary:read", "no-known-scope"),
        ("resource", "https://other.example", "foreign-resource"),
    ];
    for (name, wrong, rule) in rows {
        house.visit_refused(&but(&house.asking(&client), name, &[wrong]));
        house.get(&format!("/after-{rule}"));
        let log = house.server.log_with(&format!("/after-{rule}"));
        assert!(log.contains(&format!("GET /authorize 303 outcome={rule} id=")), "{rule} in {log}");
    }
}

#[test]
fn refuses_what_the_person_denies() {
    let (mut house, client) = House::connected();
    let query = house.asking(&client);
    for fields in [&[("decision", "deny"), ("entries:read", "1")][..], &[("entries:read", "1")]] {
        let answer = location(&house.decide(&query, fields));
        assert_eq!((value(&answer, "error"), value(&answer, "state")), ("access_denied", "a state & more"));
        assert_eq!(value(&answer, "iss"), house.base_url());
    }
    house.server.log_with("POST /authorize 303 outcome=denied");
    assert_eq!(house.count("grants"), 0);
    let answer = location(&house.decide(&query, &[("decision", "allow"), ("entries:read", "1")]));
    assert!(!value(&answer, "code").is_empty());
}

#[test]
fn sends_the_code_to_the_port_that_a_native_app_names() {
    let mut house = House::new();
    house.sign_in();
    let client = house.client_at(&[
        "http://localhost:1234/callback",
        "https://app.example/cb?x=1",
        "com.example.app:/cb",
        "cursor://anysphere.cursor-mcp/oauth/callback?a=1&b='",
    ]);
    let local = ", a program on this computer";
    #[rustfmt::skip]
    let rows = [
        ("http://localhost:59999/callback", "?code=", format!("<code>http://localhost:59999/callback</code>{local}")),
        ("http://localhost/callback", "?code=", format!("<code>http://localhost/callback</code>{local}")),
        ("https://app.example/cb?x=1", "&code=", "<code>app.example</code></dd>".to_owned()),
        ("com.example.app:/cb", "?code=", "<code>com.example.app:/cb</code></dd>".to_owned()),
        ("cursor://anysphere.cursor-mcp/oauth/callback?a=1&b='", "&code=", "<code>cursor://anysphere.cursor-mcp/oauth/callback?a=1&amp;b=&#39;</code></dd>".to_owned()),
    ];
    for (uri, start, shown) in rows {
        let query = but(&house.asking(&client), "redirect_uri", &[uri]);
        let page = text(&house.visit(&query));
        assert!(page.contains(&shown), "{shown} in {page}");
        let reply = house.decide(&query, &[("decision", "allow"), ("tags:read", "1")]);
        assert_eq!(reply.status, 303);
        let location = reply.field("location").expect("a location");
        assert!(location.starts_with(&format!("{uri}{start}")), "{location}");
        assert!(location.contains("&state=a+state+%26+more&iss=http%3A%2F%2F127.0.0.1%3A"), "{location}");
    }
    for uri in ["https://app.example:444/cb?x=1", "http://127.0.0.1:1234/callback", "com.example.app:/cb/"] {
        assert_eq!(house.visit(&but(&house.asking(&client), "redirect_uri", &[uri])).status, 400, "{uri}");
    }
}

/// A link alone opens no app: the person sees a page of this server first, whatever is wrong with the request.
#[test]
fn tells_an_app_of_an_error_only_after_the_person_has_pressed_a_button() {
    let mut house = House::with(&["--redirect-scheme", "zed"]);
    for uri in ["com.example.app:/cb", "zed://oauth/cb", "cursor://anysphere.cursor-mcp/oauth/callback"] {
        house.sign_in();
        let client = house.client_at(&[uri, "https://app.example/cb"]);
        let query = but(&house.asking(&client), "redirect_uri", &[uri]);
        for (name, values) in [("response_type", &["token"][..]), ("code_challenge", &[]), ("scope", &["x"])]
        {
            let page = house.visit(&but(&query, name, values));
            assert_eq!((page.status, page.field("location")), (400, None), "{name}");
            assert!(text(&page).contains(&format!("<pre>{uri}</pre>")), "{}", text(&page));
        }
        let wrong = but(&query, "response_type", &["token"]);
        let page = house.visit(&wrong);
        // Neither button of another form gets a code for such a request.
        let (form, asked) = (hidden(&page, "form"), hidden(&page, "request"));
        let fields =
            [("form", form.as_str()), ("request", &asked), ("decision", "allow"), ("tags:read", "1")];
        let reply = house.browse("POST", "/authorize", &fields);
        let told = reply.field("location").expect("a location");
        assert!(
            reply.status == 303 && told.starts_with(&format!("{uri}?error=unsupported_response_type")),
            "{told}"
        );
        assert_eq!(house.cookie, None, "it is signed out on the way, as ever");
        house.sign_in();
        let elsewhere = but(&wrong, "redirect_uri", &["https://app.example/cb"]);
        assert_eq!(house.visit_refused(&elsewhere).status, 303, "its twin on the web is told at once");
    }
    assert_eq!(house.count("codes"), 0);
}

/// Proxies read the head of a response into a buffer, nginx one of 4 KiB unless it is told otherwise.
#[test]
fn keeps_the_heads_of_its_answers_small_for_the_largest_client() {
    let mut house = House::new();
    let head = |reply: &Reply| {
        let fields = reply.fields.iter().map(|(name, value)| name.len() + value.len() + ": \r\n".len());
        let length = "HTTP/1.1 303 See Other\r\n".len() + fields.sum::<usize>();
        assert!(length < 4_000, "{length} bytes: {:?}", reply.fields);
    };
    let name = "x".repeat(200);
    // The longest, and with another one as long as the client may register.
    let uri =
        |length: usize| format!("https://app.example/{}", "/".repeat(length - "https://app.example/".len()));
    let (longest, other) = (uri(2000), uri(1800));
    let too_long = json!({ "client_name": name, "redirect_uris": [longest, format!("{other}/")] });
    refused(&house.register(&too_long), "invalid_client_metadata");
    for (uris, expected) in [(vec![&longest, &other], 200), (vec![&uri(100)], 303)] {
        let reply = house.register(&json!({ "client_name": name, "redirect_uris": uris }));
        head(&reply);
        let client = reply.json()["client_id"].as_str().expect("an id").to_owned();
        let query = but(&house.asking(&client), "redirect_uri", &[uris[0]]);
        house.cookie = None;
        let page = house.visit(&query);
        head(&page);
        let (form, asked) = (hidden(&page, "form"), hidden(&page, "request"));
        let fields = [("form", form.as_str()), ("request", &asked), ("email", EMAIL)];
        for (password, status) in [("a wrong password", 403), (PASSWORD, expected)] {
            let reply = house.browse("POST", "/sign-in", &[&fields[..], &[("password", password)]].concat());
            head(&reply);
            assert_eq!(reply.status, status);
            if status == 200 {
                let path = format!("/authorize?{asked}").replace('&', "&amp;");
                let page = text(&reply);
                assert!(page.contains(&format!("content=\"0; url={path}\">")), "{page}");
                assert!(page.contains(&format!("<a href=\"{path}\">")), "{page}");
            }
        }
        let page = house.visit(&query);
        head(&page);
        let (form, asked) = (hidden(&page, "form"), hidden(&page, "request"));
        let fields =
            [("form", form.as_str()), ("request", &asked), ("decision", "allow"), ("tags:read", "1")];
        let reply = house.browse("POST", "/authorize", &fields);
        head(&reply);
        let location = reply.field("location").expect("a location");
        assert!(location.starts_with(&format!("{}?code=", uris[0])), "{location}");
        house.sign_in();
        head(&house.visit(&but(&query, "response_type", &["token"])));
    }
}

#[test]
fn shows_the_host_that_the_code_goes_to_however_the_scheme_is_spelt() {
    let mut house = House::new();
    house.sign_in();
    let uri = "HTTPS://evil.example/cb";
    let reply = house.register(&json!({ "redirect_uris": [uri] }));
    if reply.status == 400 {
        return refused(&reply, "invalid_redirect_uri"); // as good
    }
    let client = reply.json()["client_id"].as_str().expect("an id").to_owned();
    let page = house.visit(&but(&house.asking(&client), "redirect_uri", &[uri]));
    assert!(text(&page).contains("evil.example</code>"), "{}", text(&page));
    let policy = page.field("content-security-policy").expect("a policy");
    assert!(!policy.to_lowercase().contains("https:;"), "{policy}");
}

#[test]
fn asks_for_consent_in_plain_words_and_escapes_what_the_client_says() {
    let mut house = House::new();
    house.sign_in();
    let name = "<b>Ba\u{2060}nk</b>\"'&\u{3164}";
    let metadata = json!({ "redirect_uris": [CALLBACK], "client_name": name });
    let client = house.register(&metadata).json()["client_id"].as_str().expect("an id").to_owned();
    let query = [house.asking(&client), vec![("scope", "tags:read entries:write offline_access")]].concat();
    let page = house.visit(&query);
    let shown = text(&page);
    assert!(
        shown.contains("<strong>&lt;b&gt;Bank&lt;/b&gt;&quot;&#39;&amp;</strong> asks for access"),
        "{shown}"
    );
    assert!(!shown.contains("<b>") && shown.contains("this server has not checked it"), "{shown}");
    assert!(shown.contains(EMAIL) && shown.contains(&format!("<code>{CALLBACK}</code>")), "{shown}");
    assert!(shown.contains("write, change and delete entries") && shown.contains("see your tags"), "{shown}");
    assert!(!shown.contains("see your email address"), "it wasn't asked for");
    assert_eq!(boxes(&page), ["entries:write", "tags:read"]);
    let all = ["user:read", "entries:read", "entries:write", "tags:read", "tags:write"];
    assert_eq!(boxes(&house.visit(&house.asking(&client))), all, "who names none is offered all");
    let blank = [house.asking(&client), vec![("scope", " ")]].concat();
    assert_eq!(boxes(&house.visit(&blank)), all, "a blank names none");
}

#[test]
fn grants_what_is_ticked_and_asks_again_when_nothing_is() {
    let (mut house, client) = House::connected();
    let query = [house.asking(&client), vec![("scope", "entries:read tags:read")]].concat();
    for nothing in [&[("decision", "allow")][..], &[("decision", "allow"), ("entries:write", "1")]] {
        let page = house.decide(&query, nothing);
        assert_eq!((page.status, page.field("location")), (200, None));
        assert_eq!(boxes(&page), ["entries:read", "tags:read"]);
        assert!(text(&page).contains("role=\"alert\""));
    }
    assert_eq!(house.count("grants"), 0);
    // A box that the page didn't have gives nothing.
    let fields = [("decision", "allow"), ("tags:read", "1"), ("entries:write", "1")];
    let answer = location(&house.decide(&query, &fields));
    let reply = house.redeem(&client, value(&answer, "code"));
    assert_eq!(member(&reply, "scope"), "tags:read");
    let mut journal = Client::new(&house.server, &member(&reply, "access_token"));
    let needed = json!({ "name": "create_entry", "arguments": { "title": "a", "content": "b" } });
    assert_eq!(journal.modern("tools/call", needed).status, 403);
}

#[test]
fn keeps_every_page_out_of_frames_caches_and_scripts() {
    let mut house = House::new();
    let client = house.client();
    let query = house.asking(&client);
    let mut pages = vec![house.get("/"), house.visit(&query), house.visit(&[]), house.get("/setup")];
    pages.push(house.try_sign_in(EMAIL, "a wrong password"));
    house.sign_in();
    pages.push(house.browse("GET", "/account", &[]));
    pages.push(house.visit(&query));
    for page in pages {
        let shown = text(&page);
        assert!(shown.starts_with("<!doctype html>\n<html lang=\"en\">"), "{shown}");
        let policy = page.field("content-security-policy").expect("a policy");
        // A form that leads on to a client must not be held to our own origin; every other one is.
        let leads_on = shown.contains("name=\"request\"");
        for (part, expected) in [
            ("default-src 'none'", true),
            ("style-src 'self'", true),
            ("frame-ancestors 'none'", true),
            ("base-uri 'none'", true),
            ("form-action 'self'", !leads_on),
        ] {
            assert_eq!(policy.split("; ").any(|own| own == part), expected, "{part} in {policy}");
        }
        assert!(!leads_on || !policy.contains("form-action"), "{policy}");
        assert!(
            !policy.contains("unsafe") && !policy.contains("script-src") && !policy.contains('*'),
            "{policy}"
        );
        assert!(!shown.contains("<script") && !shown.contains("style="), "{shown}");
        assert_eq!(page.field("x-frame-options"), Some("DENY"));
        assert_eq!(page.field("referrer-policy"), Some("no-referrer"));
        assert_eq!(page.field("cache-control"), Some("no-store"));
        assert_eq!(page.field("x-content-type-options"), Some("nosniff"));
    }
}

#[test]
fn lets_the_sign_in_form_lead_on_to_the_client() {
    // A refusal after sign-in is a redirect of that form's own submission, which Chromium holds to form-action.
    let mut house = House::new();
    let client = house.client();
    let page = house.visit(&but(&house.asking(&client), "response_type", &["token"]));
    let policy = page.field("content-security-policy").expect("a policy");
    assert!(text(&page).contains("name=\"request\"") && !policy.contains("form-action"), "{policy}");
}

// ---- Browsers: forms, cookies, sign-in ----

#[test]
fn signs_the_browser_out_on_its_way_to_a_server_of_this_machine() {
    // Cookies don't tell ports apart: the client's own server is sent ours together with the code.
    let mut house = House::new();
    let client = house.client();
    house.sign_in();
    for decision in ["allow", "deny"] {
        let seen = house.cookie.clone();
        let query = house.asking(&client);
        let page = house.visit(&query);
        let (form, asked) = (hidden(&page, "form"), hidden(&page, "request"));
        let fields =
            [("form", form.as_str()), ("request", &asked), ("decision", decision), ("tags:read", "1")];
        assert_eq!(house.browse("POST", "/authorize", &fields).status, 303);
        assert_eq!(house.cookie, None, "the browser is told to forget it");
        let account = house.browse_as(seen.as_deref(), "GET", "/account", &[]);
        assert!(
            text(&account).contains("Sign in to your journal"),
            "and it is worth nothing to everyone else who saw it"
        );
        house.sign_in();
    }
}

#[test]
fn refuses_a_form_that_was_not_made_for_this_browser() {
    let mut house = House::new();
    let client = house.client();
    let foreign = hidden(&house.browse("GET", "/account", &[]), "form");
    house.cookie = None;
    let mut forged = hidden(&house.browse("GET", "/account", &[]), "form");
    let own = forged.clone();
    forged.replace_range(4..5, if &own[4..5] == "A" { "B" } else { "A" });
    let asked = encoded(&house.asking(&client));
    let wrong = [("form", foreign.as_str()), ("form", &forged), ("form", ""), ("unnamed", &own)];
    for form in wrong {
        let reply = house.browse("POST", "/sign-in", &[form, ("email", EMAIL), ("password", PASSWORD)]);
        assert_eq!((reply.status, reply.field("set-cookie")), (400, None), "{form:?}");
        assert!(!text(&reply).contains("<form") && text(&reply).contains("href=\"/account\""), "{form:?}");
    }
    assert_eq!(house.count("browsers"), 0);
    house.sign_in();
    let (access, _) = house.tokens(&client);
    let own = hidden(&house.visit(&house.asking(&client)), "form");
    let decision = [("request", asked.as_str()), ("decision", "allow"), ("tags:read", "1")];
    let buttons: [&[(&str, &str)]; 5] = [
        &[("do", "zone"), ("zone", "Europe/Berlin")],
        &[("do", "revoke"), ("grant", "1")],
        &[("do", "export"), ("password", PASSWORD), ("format", "json")],
        &[("do", "sign-out-everywhere")],
        &[("do", "password"), ("current", PASSWORD), ("new", "another password")],
    ];
    for form in wrong {
        let reply = house.browse("POST", "/authorize", &[&[form], &decision[..]].concat());
        assert_eq!((reply.status, reply.field("location")), (400, None), "{form:?}");
        for button in buttons {
            assert_eq!(house.browse("POST", "/account", &[&[form], button].concat()).status, 400, "{form:?}");
        }
    }
    assert_eq!((house.count("grants"), house.count("browsers"), house.opens(&access)), (1, 1, true));
    // Nobody signed in: the right form of a browser doesn't help another.
    let reply =
        house.browse_as(None, "POST", "/authorize", &[&[("form", own.as_str())], &decision[..]].concat());
    assert_eq!((reply.status, reply.field("location")), (400, None));
    let reply = house.browse("POST", "/authorize", &[&[("form", own.as_str())], &decision[..]].concat());
    assert_eq!(value(&location(&reply), "state"), "a state & more");
}

#[test]
fn signs_in_under_a_fresh_cookie_so_that_a_planted_one_is_worth_nothing() {
    let mut house = House::new();
    house.browse("GET", "/account", &[]);
    let before = house.cookie.clone().expect("a cookie");
    house.sign_in();
    let after = house.cookie.clone().expect("a cookie");
    assert_ne!(before, after);
    let account = |cookie: &str| text(&house.browse_as(Some(cookie), "GET", "/account", &[]));
    assert!(account(&after).contains(EMAIL) && account(&format!("a=b; {after}; c=d")).contains(EMAIL));
    assert!(!account(&before).contains(EMAIL) && !account(&format!("x{after}")).contains(EMAIL));
    assert!(!account(&after[..after.len() - 1]).contains(EMAIL));
    house.tamper("UPDATE browsers SET expires_at = unixepoch() + 1000");
    assert!(account(&after).contains(EMAIL));
    house.tamper("UPDATE browsers SET expires_at = unixepoch()");
    assert!(!account(&after).contains(EMAIL), "signed in no longer");
}

#[test]
fn goes_nowhere_but_to_its_own_pages_after_signing_in() {
    let mut house = House::new();
    let script = "\"><script>alert(1)</script>";
    // Where a form leads on is signed into its token. With any other goal it is refused, and the link on that page
    // leads to this server's own pages.
    for (asked, goal) in [
        ("https://evil.example/", "/authorize?https://evil.example/"),
        ("//evil.example", "/authorize?//evil.example"),
        ("x\r\nLocation: https://evil.example/", "/account"),
        ("ä", "/account"),
        (script, "/authorize?&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"),
    ] {
        let form = hidden(&house.browse("GET", "/account", &[]), "form");
        let fields = [("form", form.as_str()), ("request", asked), ("email", EMAIL), ("password", PASSWORD)];
        let reply = house.browse("POST", "/sign-in", &fields);
        assert_eq!((reply.status, reply.field("location")), (400, None), "{asked}");
        assert!(text(&reply).contains(&format!("<a href=\"{goal}\">Begin again</a>")), "{}", text(&reply));
        assert_eq!(house.browse("GET", goal, &[]).field("location"), None);
    }
    let form = hidden(&house.browse("GET", "/account", &[]), "form");
    let fields = [("form", form.as_str()), ("email", script), ("password", "a wrong password")];
    let shown = text(&house.browse("POST", "/sign-in", &fields));
    assert_eq!(shown.matches("value=\"&quot;&gt;&lt;script&gt;").count(), 1, "{shown}");
    assert!(!shown.contains("<script>"));
    let client = house.client();
    let page = house.visit(&house.asking(&client));
    let (form, asked) = (hidden(&page, "form"), hidden(&page, "request"));
    let fields = [("form", form.as_str()), ("request", &asked), ("email", EMAIL), ("password", PASSWORD)];
    let reply = house.browse("POST", "/sign-in", &fields);
    let goal = format!("/authorize?{}", encoded(&house.asking(&client)));
    assert_eq!((reply.status, reply.field("location")), (303, Some(goal.as_str())));
    house.cookie = None;
    assert_eq!(house.try_sign_in(EMAIL, PASSWORD).field("location"), Some("/account"));
}

/// The answer says how long there is no further try: until the window ends that the first failure has begun.
#[track_caller]
fn check_too_many(reply: &Reply) {
    let seconds: u64 = reply.field("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
    assert!(reply.status == 429 && (1..=900).contains(&seconds), "{} {seconds}", reply.status);
    let told = format!("Wait {} minute", seconds.div_ceil(60));
    assert!(text(reply).contains(&told), "{seconds}: {}", text(reply));
}

#[test]
fn refuses_the_eleventh_try_at_an_account_and_leaves_others_alone() {
    let mut house = House::new();
    house.server.token(OTHER, &[]);
    let mut pages = Vec::new();
    for email in [EMAIL, "nobody@example.com"] {
        for _ in 0..10 {
            pages.push(house.try_sign_in(email, "a wrong password"));
        }
        let last = house.try_sign_in(&email.to_uppercase(), PASSWORD);
        check_too_many(&last);
        pages.push(last);
    }
    let masked = |page: &Reply, email: &str| {
        let page = text(page).replace(&hidden(page, "form"), "").replace(email, "");
        page.replace(&email.to_uppercase(), "").replace("Wait 14", "Wait 15") // the one may have taken longer
    };
    for (known, unknown) in pages[..11].iter().zip(&pages[11..]) {
        assert_eq!(known.status, unknown.status);
        assert_eq!(masked(known, EMAIL), masked(unknown, "nobody@example.com"), "the same answer");
    }
    assert_eq!(pages[0].status, 403);
    assert_eq!(house.count("browsers"), 0);
    assert_eq!(house.try_sign_in(OTHER, PASSWORD).status, 303);
    let log = house.server.log_with("outcome=too-many");
    assert!(log.contains("outcome=wrong-password") && !log.contains("a wrong password"), "{log}");
}

/// The operator helps out a person whom a stranger has locked out.
#[test]
fn forgets_the_failures_at_an_account_when_another_password_is_set() {
    let mut house = House::new();
    for _ in 0..10 {
        assert_eq!(house.try_sign_in(EMAIL, "a wrong password").status, 403);
    }
    assert_eq!(house.try_sign_in(EMAIL, PASSWORD).status, 429);
    let folder = house.server.folder.clone();
    let set = folder.epicme(&["user", "passwd", EMAIL, "--password-stdin"], "another password");
    assert!(set.status.success(), "{set:?}");
    for _ in 0..9 {
        assert_eq!(house.try_sign_in(EMAIL, PASSWORD).status, 403);
    }
    assert_eq!(
        house.try_sign_in(&format!(" {EMAIL}\u{a0}"), "another password").status,
        303,
        "as it was pasted"
    );
    assert_eq!(house.try_sign_in("ada @example.com", "another password").status, 403);
}

#[test]
fn refuses_the_fifty_first_failure_from_one_address() {
    let mut house = House::new();
    for number in 0..50 {
        assert_eq!(house.try_sign_in(&format!("{number}@example.com"), "a wrong password").status, 403);
    }
    assert_eq!(house.try_sign_in(EMAIL, PASSWORD).status, 429);
}

#[test]
fn takes_as_long_for_an_unknown_person_as_for_a_wrong_password() {
    let mut house = House::new();
    house.server.token(OTHER, &[]);
    let form = hidden(&house.browse("GET", "/account", &[]), "form");
    let mut once = |email: &str| {
        let fields = [("form", form.as_str()), ("email", email), ("password", "a wrong password")];
        let start = Instant::now();
        assert_eq!(house.browse("POST", "/sign-in", &fields).status, 403);
        start.elapsed()
    };
    // In turns, and until the shortest times agree, since a busy machine may hold up either side for a while. An
    // answer without a hash would be far faster in every round.
    let (mut unknown, mut known) = (Duration::MAX, Duration::MAX);
    for round in 0..18 {
        let (nobody, somebody) =
            if round < 9 { ("nobody@example.com", EMAIL) } else { ("none@example.com", OTHER) };
        unknown = unknown.min(once(nobody));
        known = known.min(once(somebody));
        if round > 2 && unknown * 2 > known && known * 2 > unknown {
            break;
        }
    }
    assert!(known > Duration::from_millis(2), "a password is hashed: {known:?}");
    assert!(unknown * 2 > known && known * 2 > unknown, "unknown {unknown:?}, known {known:?}");
}

#[test]
fn lets_somebody_in_who_signs_in_rightly_sixty_times() {
    let mut house = House::new();
    for _ in 0..60 {
        house.sign_in();
    }
    assert_eq!(house.count("browsers"), 60);
}

#[test]
fn lets_sixteen_right_sign_ins_at_once_in() {
    let mut house = House::new();
    let forms = house.forms("/account");
    let replies = each_at_once(&forms, |form| {
        let fields = [("form", form.as_str()), ("email", EMAIL), ("password", PASSWORD)];
        house.browse_as(house.cookie.as_deref(), "POST", "/sign-in", &fields).status
    });
    assert_eq!(replies, [303; 16]);
}

// ---- The token endpoint (OAuth 2.1 §3.2) ----

#[test]
fn refuses_a_code_with_anything_wrong_and_keeps_it_for_its_client() {
    let (mut house, client) = House::connected();
    let other = house.client();
    let code = house.code(&client);
    let right = [
        ("grant_type", "authorization_code"),
        ("client_id", client.as_str()),
        ("code", &code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", CALLBACK),
    ];
    let (long, huge, guess) = ("x".repeat(129), "x".repeat(60_000), "x".repeat(43));
    let padded = format!("{VERIFIER}=");
    #[rustfmt::skip]
    let rows: [(&str, &[&str], &str); 23] = [
        ("grant_type", &[], "invalid_request"),
        ("grant_type", &["authorization_code", "authorization_code"], "invalid_request"),
        ("grant_type", &["password"], "unsupported_grant_type"),
        ("grant_type", &["client_credentials"], "unsupported_grant_type"),
        ("client_id", &[], "invalid_request"), ("client_id", &[&client, &client], "invalid_request"),
        ("client_id", &["c_unknown"], "invalid_client"), ("client_id", &[&other], "invalid_grant"),
        ("code", &[], "invalid_request"), ("code", &[""], "invalid_request"),
        ("code", &[&code, &code], "invalid_request"), ("code", &["unknown"], "invalid_grant"),
        ("code", &[&huge], "invalid_grant"), ("code_verifier", &[], "invalid_request"),
        ("code_verifier", &[&VERIFIER[..42]], "invalid_request"),
        ("code_verifier", &[&long], "invalid_request"), ("code_verifier", &[&padded], "invalid_request"),
        ("code_verifier", &[VERIFIER, VERIFIER], "invalid_request"),
        ("code_verifier", &[&guess], "invalid_grant"),
        ("code_verifier", &[CHALLENGE], "invalid_grant"), // RFC 7636 §4.6: no `plain` by the back door
        ("redirect_uri", &["http://127.0.0.1:6275/oauth/callback"], "invalid_grant"),
        ("resource", &["https://other.example/mcp"], "invalid_target"),
        ("client_secret", &["x"], "invalid_client"),
    ];
    for (name, values, error) in rows {
        let reply = house.post("/token", &[], &but(&right, name, values));
        assert_eq!(reply.json()["error"], error, "{name} {values:.60?}");
        refused(&reply, error);
        assert!(!text(&reply).contains(&code));
    }
    let too_large = "x".repeat(65 * 1024);
    assert_eq!(house.post("/token", &[], &but(&right, "code", &[&too_large])).status, 413);
    for kind in ["application/json", "text/plain", "multipart/form-data", ""] {
        refused(&house.post_as(kind, "/token", &encoded(&right)), "invalid_request");
    }
    // The same bytes are another text in these.
    for charset in ["utf-16", "utf-16le", "utf-7", "ibm037", "", "iso-8859", "iso-8859-1; charset=utf-16"] {
        let kind = format!("{FORM}; charset={charset}");
        refused(&house.post_as(&kind, "/token", &encoded(&right)), "invalid_request");
    }
    // In these they are the same one.
    for charset in ["utf8", "us-ascii", "ISO-8859-1", "\"iso-8859-15\"", "Windows-1252"] {
        let kind = format!("{FORM}; charset={charset}");
        let reply = house.post_as(&kind, "/token", &encoded(&but(&right, "grant_type", &["x"])));
        refused(&reply, "unsupported_grant_type");
    }
    let rules = "wrong-verifier another-client wrong-redirect unknown-code unknown-client grant-type foreign-resource";
    for rule in rules.split(' ') {
        house.server.log_with(&format!(" outcome={rule} id="));
    }
    let ours = format!("{}/mcp", house.base_url());
    let form = encoded(&[&right[..], &[("resource", &ours), ("unknown", "x")]].concat());
    let reply = house.post_as(&format!("{FORM};charset=ISO-8859-1"), "/token", &form);
    assert!(house.opens(&pair(&reply).0), "nothing of it all has used the code up");
    assert_eq!(reply.field("content-type"), Some("application/json"));
}

#[test]
fn refuses_a_code_from_the_second_of_its_expiry_on() {
    let (mut house, client) = House::connected();
    let code = house.code(&client);
    house.tamper("UPDATE codes SET expires_at = unixepoch()");
    refused(&house.redeem(&client, &code), "invalid_grant");
    house.server.log_with("outcome=code-expired");
    house.tamper("UPDATE codes SET expires_at = unixepoch() + 1000");
    pair(&house.redeem(&client, &code));
}

#[test]
fn refuses_a_code_twice_and_revokes_what_it_gave() {
    let (mut house, client) = House::connected();
    let other = house.client();
    let code = house.code(&client);
    let (access, refresh) = pair(&house.redeem(&client, &code));
    let (access, refresh) = (access, pair(&house.refresh(&client, &refresh)).1);
    // Somebody who only saw the code passing ends nothing with it.
    refused(&house.redeem(&other, &code), "invalid_grant");
    let guess = "x".repeat(43);
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", &client),
        ("code", &code),
        ("code_verifier", &guess),
    ];
    refused(&house.post("/token", &[], &form), "invalid_grant");
    assert!(house.opens(&access));
    refused(&house.redeem(&client, &code), "invalid_grant");
    house.server.log_with("outcome=code-replayed");
    assert!(!house.opens(&access));
    refused(&house.refresh(&client, &refresh), "invalid_grant");
}

#[test]
fn redeems_a_code_once_however_many_try_at_once() {
    let (mut house, client) = House::connected();
    let code = house.code(&client);
    let replies = at_once(|| house.redeem(&client, &code));
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!(won.len(), 1);
    lost.iter().for_each(|reply| refused(reply, "invalid_grant"));
    assert!(!house.opens(&pair(won[0]).0), "the others were replays that were right in everything");
    assert_eq!(house.count("activity WHERE kind = 'access-ended' AND subject = 'Test <b>client</b>'"), 1);
    assert_eq!((house.count("tokens WHERE grant_id IS NOT NULL"), house.count("refresh_tokens")), (1, 1));
}

#[test]
fn rotates_a_refresh_token_and_answers_a_retry_with_the_same_successor() {
    let (mut house, client) = House::connected();
    let (_, first) = house.tokens(&client);
    let (_, second) = pair(&house.refresh(&client, &first));
    assert_ne!(first, second);
    house.tamper("UPDATE refresh_tokens SET rotated_at = unixepoch() - 10 WHERE rotated_at IS NOT NULL");
    let (access, again) = pair(&house.refresh(&client, &first));
    assert_eq!((again, house.count("refresh_tokens")), (second.clone(), 2));
    assert!(house.opens(&access));
    let idle = "refresh_tokens WHERE expires_at - unixepoch() BETWEEN 2591900 AND 2592000";
    assert_eq!(house.count(idle), 2, "thirty days each");
    // Past the grace somebody else has a copy: the family ends, its newest member too.
    let (access, third) = pair(&house.refresh(&client, &second));
    house.tamper("UPDATE refresh_tokens SET rotated_at = unixepoch() - 31 WHERE rotated_at IS NOT NULL");
    assert!(house.opens(&access));
    refused(&house.refresh(&client, &first), "invalid_grant");
    house.server.log_with("outcome=refresh-token-reused");
    assert_eq!(house.count("activity WHERE kind = 'access-ended'"), 1);
    assert!(!house.opens(&access));
    refused(&house.refresh(&client, &third), "invalid_grant");
    house.server.log_with("outcome=grant-revoked");
}

#[test]
fn keeps_one_family_however_many_refresh_at_once() {
    let (mut house, client) = House::connected();
    let (_, first) = house.tokens(&client);
    let pairs: Vec<_> = at_once(|| house.refresh(&client, &first)).iter().map(pair).collect();
    assert!(pairs.iter().all(|(access, refresh)| *refresh == pairs[0].1 && house.opens(access)));
    assert_eq!((house.count("grants"), house.count("refresh_tokens")), (1, 2));
}

#[test]
fn refuses_a_refresh_that_is_not_the_clients_own_or_asks_for_more() {
    let (mut house, client) = House::connected();
    let other = house.client();
    let query = [house.asking(&client), vec![("scope", "entries:read tags:read")]].concat();
    let answer = house.allow(&query);
    let (access, refresh) = pair(&house.redeem(&client, value(&answer, "code")));
    let right =
        [("grant_type", "refresh_token"), ("client_id", client.as_str()), ("refresh_token", &refresh)];
    #[rustfmt::skip]
    let rows: [(&str, &[&str], &str); 11] = [
        ("refresh_token", &[], "invalid_request"), ("refresh_token", &[&refresh, &refresh], "invalid_request"),
        ("refresh_token", &["em_rt_unknown"], "invalid_grant"), ("refresh_token", &[&access], "invalid_grant"),
        ("client_id", &[], "invalid_request"), ("client_id", &["c_unknown"], "invalid_client"),
        ("client_id", &[&other], "invalid_grant"), ("scope", &["entries:write"], "invalid_scope"),
        ("scope", &["offline_access diary:read"], "invalid_scope"),
        ("scope", &["tags:read", "tags:read"], "invalid_request"),
        ("resource", &["https://other.example/mcp"], "invalid_target"),
    ];
    for (name, values, error) in rows {
        let reply = house.post("/token", &[], &but(&right, name, values));
        assert_eq!(reply.json()["error"], error, "{name} {values:?}");
        refused(&reply, error);
    }
    assert!(house.opens(&access), "nothing of it all has ended anything");
    let reply = house.post("/token", &[], &but(&right, "scope", &["tags:read"]));
    assert_eq!(member(&reply, "scope"), "tags:read");
    let next = member(&reply, "refresh_token");
    assert_eq!(member(&house.refresh(&client, &next), "scope"), "entries:read tags:read",);
}

#[test]
fn gives_a_refresh_of_the_scopes_that_it_names_those_that_were_granted() {
    let (mut house, client) = House::connected();
    let query = [house.asking(&client), vec![("scope", "entries:read tags:read offline_access")]].concat();
    let answer = house.decide(&query, &[("decision", "allow"), ("entries:read", "1"), ("tags:read", "1")]);
    let (_, mut refresh) = pair(&house.redeem(&client, value(&location(&answer), "code")));
    for (asked, given) in [
        ("entries:read tags:read offline_access", "entries:read tags:read"),
        ("entries:read entries:write", "entries:read"),
        ("user:read entries:read entries:write tags:read tags:write openid", "entries:read tags:read"),
        ("", "entries:read tags:read"),
        (" ", "entries:read tags:read"),
        (" \t ", "entries:read tags:read"),
    ] {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", client.as_str()),
            ("refresh_token", &refresh),
            ("scope", asked),
        ];
        let reply = house.post("/token", &[], &form);
        assert_eq!(member(&reply, "scope"), given, "{asked}");
        let (access, next) = pair(&reply);
        let granted = format!("tokens WHERE scope = '{given}' AND hash = x'{}'", hex(&access));
        assert_eq!(house.count(&granted), 1, "the token itself has no more");
        refresh = next;
    }
}

#[test]
fn refuses_a_refresh_token_that_lay_idle_too_long_and_an_access_token_past_its_quarter_of_an_hour() {
    let (mut house, client) = House::connected();
    let (access, refresh) = house.tokens(&client);
    assert_eq!(house.count("tokens WHERE expires_at - created_at = 900 AND grant_id IS NOT NULL"), 1);
    house.tamper("UPDATE tokens SET expires_at = unixepoch()");
    assert!(!house.opens(&access));
    house.tamper("UPDATE refresh_tokens SET expires_at = unixepoch()");
    refused(&house.refresh(&client, &refresh), "invalid_grant");
    house.server.log_with("outcome=refresh-token-expired");
    house.tamper("UPDATE refresh_tokens SET expires_at = unixepoch() + 1000");
    assert!(house.opens(&pair(&house.refresh(&client, &refresh)).0));
}

#[test]
fn refuses_a_grant_for_another_resource_rather_than_give_a_token_that_opens_nothing() {
    let (mut house, client) = House::connected();
    let (_, refresh) = house.tokens(&client);
    house.tamper("UPDATE grants SET resource = 'https://former.example/mcp'"); // another --public-url since
    let reply = house.refresh(&client, &refresh);
    assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("invalid_grant")));
}

// ---- Revocation (RFC 7009) and introspection (RFC 7662) ----

#[test]
fn refuses_to_revoke_what_belongs_to_another() {
    let (mut house, client) = House::connected();
    let other = house.client();
    let (access, refresh) = house.tokens(&client);
    let by_hand = house.server.token(EMAIL, &[]);
    let revoke =
        |client: &str, token: &str| house.post("/revoke", &[], &[("client_id", client), ("token", token)]);
    for (client, token) in [(&other, &access), (&other, &refresh), (&client, &by_hand)] {
        refused(&revoke(client, token), "invalid_grant");
    }
    refused(&revoke("c_unknown", &access), "invalid_client");
    refused(&revoke(&client, ""), "invalid_request");
    refused(&house.post("/revoke", &[], &[("token", &access)]), "invalid_request");
    assert!(house.opens(&access) && house.opens(&by_hand));
    for unknown in ["nonsense", "em_at_unknown"] {
        let reply = revoke(&client, unknown);
        assert_eq!(
            (reply.status, reply.body.len(), reply.field("cache-control")),
            (200, 0, Some("no-store"))
        );
    }
    // An access token alone, whatever the hint says; then the family by its refresh token.
    let form = [("client_id", client.as_str()), ("token", &access), ("token_type_hint", "refresh_token")];
    assert_eq!(house.post("/revoke", &[], &form).status, 200);
    assert!(!house.opens(&access));
    let (access, next) = pair(&house.refresh(&client, &refresh));
    assert!(house.opens(&access));
    assert_eq!(revoke(&client, &refresh).status, 200, "one that was rotated away names the family as well");
    assert!(!house.opens(&access));
    refused(&house.refresh(&client, &next), "invalid_grant");
    assert_eq!(revoke(&client, &refresh).status, 200, "again");
    assert_eq!(house.count("activity WHERE kind = 'access-given-back' AND times = 1"), 1);
    assert!(house.opens(&by_hand));
}

#[test]
fn tells_what_a_token_is_only_to_resource_servers_that_the_operator_knows() {
    let (mut house, client) = House::connected();
    let (access, refresh) = house.tokens(&client);
    let made = house.server.folder.epicme(&["client", "add", "resource server", "--confidential"], "");
    let made = String::from_utf8(made.stdout).expect("text");
    let (id, secret) = made.trim_end().split_once('\n').expect("an id and a secret");
    let known = basic(id, secret);
    let ask = |token: &str| house.post("/introspect", &[("Authorization", &known)], &[("token", token)]);
    let (own, own_secret) = house.confidential("client_secret_basic");
    let strangers =
        [basic(&own, &own_secret), basic(id, &own_secret), basic(id, ""), format!("Bearer {access}")];
    for stranger in strangers {
        let reply = house.post("/introspect", &[("Authorization", &stranger)], &[("token", &access)]);
        refused(&reply, "invalid_client");
        assert!(!text(&reply).contains("active"));
    }
    refused(&house.post("/introspect", &[], &[("token", &access), ("client_id", &client)]), "invalid_client");
    refused(&ask(""), "invalid_request");
    let reply = ask(&access);
    assert_eq!((reply.status, reply.field("cache-control")), (200, Some("no-store")));
    let mut answer = reply.json();
    let (exp, iat) = (answer["exp"].take(), answer["iat"].take());
    assert_eq!(exp.as_i64().zip(iat.as_i64()).map(|(exp, iat)| exp - iat), Some(900));
    let origin = house.base_url();
    let expected = json!({ "active": true, "sub": "1", "scope": "user:read entries:read entries:write tags:read tags:write",
        "aud": format!("{origin}/mcp"), "iss": origin, "exp": null, "iat": null, "token_type": "Bearer", "client_id": client });
    assert_eq!(answer, expected);
    let in_form = [("token", access.as_str()), ("client_id", id), ("client_secret", secret)];
    for nothing in [&[][..], &[("Authorization", "")]] {
        assert_eq!(house.post("/introspect", nothing, &in_form).json()["active"], true);
    }
    let inactive = |token: &str| assert_eq!(ask(token).json(), json!({ "active": false }), "{token}");
    ["nonsense", "em_at_x", &access[1..], &refresh].into_iter().for_each(inactive);
    for (wrong, right) in [
        ("expires_at = unixepoch()", "expires_at = unixepoch() + 900"),
        ("resource = 'https://other.example/mcp'", "resource = 'loopback'"),
        ("revoked_at = 1", "revoked_at = NULL"),
    ] {
        house.tamper(&format!("UPDATE tokens SET {wrong}"));
        inactive(&access);
        house.tamper(&format!("UPDATE tokens SET {right}"));
        assert_eq!(ask(&access).json()["active"], true, "{right}");
    }
}

#[test]
fn refuses_introspection_without_credentials_as_unauthorized() {
    let house = House::new();
    refused(&house.post("/introspect", &[], &[("token", "x")]), "invalid_client");
}

// ---- A person's own page ----

#[test]
fn names_no_program_where_a_form_or_link_of_its_own_pages_is_malformed() {
    let (mut house, client) = House::connected();
    let own = "Go back, load that page anew";
    let program = "The program that sent you here made a request";
    let told = |reply: &Reply, status: u16, advice: &str| {
        let shown = text(reply);
        assert_eq!(reply.status, status, "{shown}");
        assert!(shown.contains("In detail: "), "{shown}");
        let found = [own, program].map(|either| shown.contains(either));
        assert_eq!(found, [own, program].map(|either| either == advice), "{shown}");
    };
    for button in [
        &[][..],
        &[("do", "x")],
        &[("do", "revoke")],
        &[("do", "revoke"), ("grant", "x")],
        &[("do", "password"), ("current", PASSWORD)],
        &[("do", "export"), ("password", PASSWORD)],
        &[("do", "export"), ("format", "json")],
        &[("do", "export"), ("password", PASSWORD), ("format", "x")],
    ] {
        told(&house.press(button), 400, own);
    }
    told(&house.browse("GET", "/account?from=x", &[]), 400, own);
    told(&house.browse("GET", "/account?from=x&from=x", &[]), 400, own);
    for path in ["/account", "/sign-in", "/authorize", "/setup"] {
        let twice = [("form", "x"), ("form", "x")];
        told(&house.browse("POST", path, &twice), 400, own);
        let fields = [("Host", house.host.as_str()), ("Content-Type", "application/json")];
        told(&house.server.send(request("POST", path, &fields, "{}")), 400, own);
        let fields = [("Host", house.host.as_str()), ("Content-Type", FORM), ("Content-Encoding", "gzip")];
        let reply = house.server.send(request("POST", path, &fields, "a=b"));
        told(&reply, 415, own);
        assert_eq!(reply.field("accept-encoding"), Some("identity"));
    }
    told(&house.browse("POST", "/authorize", &[("decision", "allow")]), 400, own);
    // The request of a client is the client's, also where the form carries it along.
    let asking = but(&house.asking(&client), "redirect_uri", &["https://other.example/cb"]);
    told(&house.visit(&asking), 400, program);
    told(&house.browse("POST", "/authorize", &[("request", &encoded(&asking))]), 400, program);
}

#[test]
fn takes_access_back_from_the_account_page_for_its_owner_alone() {
    let (mut house, client) = House::connected();
    let (access, refresh) = house.tokens(&client);
    let shown = text(&house.browse("GET", "/account", &[]));
    assert!(shown.contains("<strong>Test &lt;b&gt;client&lt;/b&gt;</strong>"), "{shown}");
    assert!(
        shown.contains("<li>read and search all your entries") && shown.contains("<time datetime="),
        "{shown}"
    );
    let owner = house.sign_in_other();
    let mut press = |id: &str| house.press(&[("do", "revoke"), ("grant", id)]).status;
    assert_eq!((press("1"), press("99"), press("x")), (404, 404, 400), "another person's is as good as none");
    assert!(!text(&house.browse("GET", "/account", &[])).contains("Test &lt;b&gt;"));
    assert!(house.opens(&access));
    house.cookie = owner;
    let page = house.press(&[("do", "revoke"), ("grant", "1")]);
    assert!(page.status == 200 && !text(&page).contains("Take access back"), "{}", text(&page));
    assert!(text(&page).contains("Access was taken back from a program: <strong>Test &lt;b&gt;client"));
    assert!(!house.opens(&access));
    refused(&house.refresh(&client, &refresh), "invalid_grant");
}

#[test]
fn lists_only_access_that_lives() {
    let (mut house, client) = House::connected();
    house.tokens(&client);
    assert!(text(&house.browse("GET", "/account", &[])).contains("Test &lt;b&gt;client"));
    house.tamper("UPDATE refresh_tokens SET expires_at = 1; UPDATE tokens SET expires_at = 1");
    assert!(!text(&house.browse("GET", "/account", &[])).contains("Take access back"));
}

/// The value of the field for the time zone, as the page has it in its markup.
#[track_caller]
fn zone_in_the_field(page: &str) -> &str {
    let (_, field) = page.split_once("<input id=\"zone\"").expect("a field");
    let (_, value) = field.split_once("value=\"").expect("a value");
    value.split('"').next().unwrap_or_default()
}

#[test]
fn changes_the_time_zone_of_its_owner_alone() {
    let mut house = House::new();
    house.sign_in();
    let stored = |house: &House| -> Vec<String> {
        let other = rusqlite::Connection::open(house.server.folder.database()).expect("the database");
        let mut statement = other.prepare("SELECT time_zone FROM users ORDER BY id").expect("a statement");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("names")
    };
    let first = text(&house.browse("GET", "/account", &[]));
    assert_eq!(zone_in_the_field(&first), "UTC");
    assert!(first.contains("In UTC it is <time datetime=\"20") && first.contains("Z\">20"), "{first}");
    house.sign_in_other();
    let page = house.press(&[("do", "zone"), ("zone", " europe/berlin ")]);
    assert_eq!((page.status, zone_in_the_field(&text(&page))), (200, "Europe/Berlin"));
    assert!(text(&page).contains("role=\"status\" class=\"status\">Your time zone is Europe/Berlin now.<"));
    assert!(text(&page).contains("In Europe/Berlin it is <time datetime=\"20"), "{}", text(&page));
    assert_eq!(stored(&house), ["UTC", "Europe/Berlin"]);
    assert_eq!(zone_in_the_field(&text(&house.browse("GET", "/account", &[]))), "Europe/Berlin");
    // A name that the page doesn't propose, but that is one.
    assert_eq!(house.press(&[("do", "zone"), ("zone", "Cuba")]).status, 200);
    assert_eq!(stored(&house), ["UTC", "Cuba"]);
}

#[test]
fn keeps_what_was_typed_for_a_time_zone_that_there_is_not() {
    let mut house = House::new();
    house.sign_in();
    for (typed, shown, says) in [
        ("Berlin", "Berlin", "an area and a city. Did you mean Europe/Berlin? Nothing was changed."),
        ("new york", "new york", "Did you mean America/New_York?"),
        ("CET-1CEST", "CET-1CEST", "of an area and a city. Nothing was changed."),
        ("../Europe/Berlin", "../Europe/Berlin", "Did you mean Europe/Berlin?"),
        ("\"><script>", "&quot;&gt;&lt;script&gt;", "That is not a time zone"),
        ("Factory", "Factory", "That is not a time zone"),
    ] {
        let page = house.press(&[("do", "zone"), ("zone", typed)]);
        let page = (page.status, text(&page));
        assert_eq!((page.0, zone_in_the_field(&page.1)), (400, shown), "{typed}");
        assert!(page.1.contains("role=\"alert\"") && page.1.contains(says), "{typed}: {}", page.1);
        assert!(page.1.contains("In UTC it is "), "{typed}: {}", page.1);
    }
    for field in [&[][..], &[("zone", "")], &[("zone", "UTC"), ("zone", "UTC")]] {
        assert_eq!(house.press(&[&[("do", "zone")], field].concat()).status, 400, "{field:?}");
    }
    assert_eq!(zone_in_the_field(&text(&house.browse("GET", "/account", &[]))), "UTC");
    // The form on the page that shows the mistake is a fresh one.
    let page = house.press(&[("do", "zone"), ("zone", "Berlin")]);
    let form = hidden(&page, "form");
    let again =
        house.browse("POST", "/account", &[("form", &form), ("do", "zone"), ("zone", "Europe/Berlin")]);
    assert_eq!((again.status, zone_in_the_field(&text(&again))), (200, "Europe/Berlin"));
}

/// The list of names is on every account page, so it has its bound.
#[test]
fn proposes_time_zones_in_a_page_that_stays_small() {
    let mut house = House::new();
    house.sign_in();
    let page = text(&house.browse("GET", "/account", &[]));
    let options: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("<option>")).collect();
    assert!(options.len() > 400 && options.contains(&"Europe/Berlin") && options.contains(&"UTC"));
    assert!(page.len() < 20 * 1024, "{} bytes", page.len());
}

#[test]
fn refuses_a_new_password_from_somebody_who_does_not_know_the_current_one() {
    let mut house = House::new();
    house.sign_in();
    let new = "another password";
    let mut change = |current: &str, new: &str| {
        house.press(&[("do", "password"), ("current", current), ("new", new)]).status
    };
    assert_eq!(change("a wrong password", new), 403);
    assert_eq!((change(PASSWORD, "short"), change(PASSWORD, &"x".repeat(1025))), (400, 400));
    assert_eq!((change(PASSWORD, ""), change("", new)), (400, 400));
    assert_eq!((change(PASSWORD, new), change(PASSWORD, new)), (200, 403));
    house.cookie = None;
    assert_eq!(house.try_sign_in(EMAIL, PASSWORD).status, 403);
    assert_eq!(house.try_sign_in(EMAIL, new).status, 303);
}

#[test]
fn lets_ten_guesses_at_the_current_password_pass_even_all_at_once() {
    let mut house = House::new();
    house.sign_in();
    let forms = house.forms("/account");
    let replies = each_at_once(&forms, |form| {
        let fields = [
            ("form", form.as_str()),
            ("do", "password"),
            ("current", "a guess at it"),
            ("new", "another password"),
        ];
        house.browse_as(house.cookie.as_deref(), "POST", "/account", &fields).status
    });
    assert_eq!(replies.iter().filter(|status| **status == 403).count(), 10, "{replies:?}");
    assert_eq!(replies.iter().filter(|status| **status == 429).count(), 6, "{replies:?}");
}

#[test]
fn says_when_the_current_password_may_be_tried_again() {
    let mut house = House::new();
    house.sign_in();
    let guess = [("do", "password"), ("current", "a guess at it"), ("new", "another password")];
    for _ in 0..10 {
        assert_eq!(house.press(&guess).status, 403);
    }
    let reply = house.press(&guess);
    check_too_many(&reply);
    house.server.log_with("outcome=too-many");
}

#[test]
fn lets_a_person_who_is_signed_in_set_a_password_while_a_stranger_tries_some() {
    let mut house = House::new();
    house.sign_in();
    let cookie = house.cookie.take();
    for _ in 0..10 {
        assert_eq!(house.try_sign_in(EMAIL, "a guess at it").status, 403);
    }
    assert_eq!(house.try_sign_in(EMAIL, PASSWORD).status, 429);
    house.cookie = cookie;
    let change = [("do", "password"), ("current", PASSWORD), ("new", "another password")];
    assert_eq!(house.press(&change).status, 200);
    // The new password has a count of its own.
    house.cookie = None;
    assert_eq!(house.try_sign_in(EMAIL, "another password").status, 303);
}

/// A sign-in whose password is compared while the disk is waited for, and changed before it is stored.
fn sign_in_around(change: &str) -> (u16, i64) {
    let mut house = House::new();
    let form = hidden(&house.browse("GET", "/account", &[]), "form");
    let other = rusqlite::Connection::open(house.server.folder.database()).expect("the database");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let post = |password: &str| {
        let fields = [("form", form.as_str()), ("email", EMAIL), ("password", password)];
        house.browse_as(house.cookie.as_deref(), "POST", "/sign-in", &fields).status
    };
    let status = thread::scope(|scope| {
        let right = scope.spawn(|| post(PASSWORD));
        // Passwords are compared one by one, so the right one, which was sent first, has been compared when these
        // are.
        for _ in 0..5 {
            assert_eq!(post("a wrong password"), 403);
        }
        other.execute_batch(&format!("{change}; COMMIT")).expect("the change");
        right.join().expect("an answer")
    });
    (status, house.count("browsers"))
}

#[test]
fn refuses_a_sign_in_by_a_password_that_was_changed_before_it_is_stored() {
    let change = "UPDATE users SET password_hash = replace(password_hash, 'p=1$', 'p=1$A')";
    assert_eq!(sign_in_around(change), (403, 0));
}

#[test]
fn accepts_a_sign_in_while_something_else_of_the_person_is_changed() {
    assert_eq!(sign_in_around("UPDATE users SET updated_at = updated_at + 1"), (303, 1));
}

#[test]
fn signs_out_here_or_everywhere() {
    let (mut house, client) = House::connected();
    let (access, _) = house.tokens(&client);
    let laptop = house.cookie.clone();
    house.sign_in_other();
    let other = house.cookie.take();
    house.sign_in();
    let phone = house.cookie.clone();
    house.cookie = None;
    house.sign_in();
    let is_in = |house: &House, cookie: &Option<String>| {
        text(&house.browse_as(cookie.as_deref(), "GET", "/account", &[])).contains("You are signed in")
    };
    let reply = house.press(&[("do", "sign-out")]);
    assert_eq!((reply.status, reply.field("location")), (303, Some("/")));
    assert!(!is_in(&house, &house.cookie) && is_in(&house, &laptop) && is_in(&house, &phone));
    house.cookie = phone.clone();
    assert_eq!(house.press(&[("do", "sign-out-everywhere")]).status, 303);
    assert!(!is_in(&house, &laptop) && !is_in(&house, &phone) && is_in(&house, &other));
    assert!(house.opens(&access), "programs keep their access");
}

// ---- The first person ----

/// A server without people, and the path of the link that it printed.
fn empty_house(options: &[&str]) -> (House, String) {
    house_at(Server::start_in(Arc::new(Folder::new()), options))
}

/// The same for a server that has been started.
fn house_at(server: Server) -> (House, String) {
    let printed = server.output_with("/setup?code=");
    let link = printed.split_whitespace().find(|word| word.contains("/setup?code=")).expect("a link");
    let path = link[link.find("/setup").expect("its path")..].to_owned();
    (House::at(server), path)
}

#[test]
fn refuses_to_set_up_without_the_printed_code() {
    for (options, base_url) in [(&[][..], None), (&["--public-url", PUBLIC], Some(PUBLIC))] {
        check_set_up(options, base_url);
    }
}

#[track_caller]
fn check_set_up(options: &[&str], base_url: Option<&str>) {
    let (mut house, path) = empty_house(options);
    let base_url = base_url.map_or_else(|| house.base_url(), str::to_owned);
    assert!(house.server.output_with("/setup").contains(&format!("{base_url}{path}")));
    let form = hidden(&house.browse("GET", &path, &[]), "form");
    let right = path.split_once("code=").expect("a code").1.to_owned();
    let person = [("form", form.as_str()), ("email", EMAIL), ("password", PASSWORD)];
    let swapped: String = right.chars().rev().collect();
    for code in ["", "x", &swapped, &right[1..]] {
        for page in [
            house.browse("GET", &format!("/setup?code={code}"), &[]),
            house.browse("POST", "/setup", &[&person[..], &[("code", code)]].concat()),
            house.browse("GET", "/setup", &[]),
            // As a proxy of this machine sends it that was told nothing: HTTP/1.0, and not a word of a proxy.
            house.server.send("GET /setup HTTP/1.0\r\n\r\n"),
        ] {
            let shown = text(&page);
            assert_eq!((page.status, page.field("set-cookie")), (403, None), "{code}: {shown}");
            assert!(
                shown.contains(&format!("<pre>{base_url}/setup?code=</pre>")),
                "where the link is: {shown}"
            );
            assert!(!shown.contains("<form") && !shown.contains(&right), "{shown}");
        }
    }
    let code = [("code", right.as_str())];
    for (name, wrong) in
        [("form", ""), ("form", "v1.x.y"), ("email", "ada"), ("email", ""), ("password", "short")]
    {
        let reply = house.browse("POST", "/setup", &[&but(&person, name, &[wrong])[..], &code].concat());
        assert_eq!(reply.status, 400, "{name} {wrong}");
    }
    assert_eq!(house.count("users"), 0);
    let reply = house.browse("POST", "/setup", &[&person[..], &code].concat());
    assert_eq!(reply.status, 201, "{}", text(&reply));
    assert!(text(&reply).contains(&format!("<pre>{base_url}/mcp</pre>")));
    assert!(text(&house.browse("GET", "/account", &[])).contains(EMAIL), "signed in by that");
    for path in [&path, "/setup"] {
        assert_eq!(house.browse("GET", path, &[]).status, 410);
    }
    let again = [("form", form.as_str()), ("email", OTHER), ("password", PASSWORD), code[0]];
    assert_eq!((house.browse("POST", "/setup", &again).status, house.count("users")), (410, 1));
}

#[test]
fn says_that_it_is_not_set_up_to_whoever_is_to_sign_in() {
    let (mut house, path) = empty_house(&[]);
    let client = house.client();
    let query = house.asking(&client);
    for page in [house.visit(&query), house.browse("GET", "/account", &[])] {
        let shown = text(&page);
        assert_eq!((page.status, page.field("set-cookie")), (403, None), "{shown}");
        assert!(shown.contains("not set up yet") && shown.contains("epicme user add"), "{shown}");
        assert!(!shown.contains("type=\"password\"") && !shown.contains(&path), "{shown}");
    }
    house.server.log_with("outcome=not-set-up");
    // Words for a person, and not for a program, where the link can't be read.
    let broken = text(&house.browse("GET", &format!("{path}&code=x"), &[]));
    assert!(!broken.contains("program") && broken.contains("load that page anew"), "{broken}");
    house.server.folder.token(EMAIL, &[]);
    assert!(text(&house.visit(&query)).contains("type=\"password\""));
}

#[test]
fn refuses_setup_once_a_person_exists() {
    let mut house = House::new();
    assert!(!house.server.output_with("MCP URL").contains("/setup"));
    let form = hidden(&house.browse("GET", "/account", &[]), "form");
    let other = [("form", form.as_str()), ("email", OTHER), ("password", PASSWORD)];
    assert_eq!((house.get("/setup").status, house.browse("POST", "/setup", &other).status), (410, 410));
    assert_eq!(house.count("users"), 1);
}

#[test]
fn prints_another_link_at_each_start_until_somebody_is_there() {
    let (house, first) = empty_house(&[]);
    let folder = house.server.folder.clone();
    drop(house);
    let (mut house, second) = house_at(Server::start_in(folder.clone(), &[]));
    assert_ne!(first, second);
    assert_eq!(house.browse("GET", &first, &[]).status, 403, "the former link is worth nothing");
    let form = hidden(&house.browse("GET", &second, &[]), "form");
    let code = second.split_once("code=").expect("a code").1;
    let person = [("form", form.as_str()), ("code", code), ("email", EMAIL), ("password", PASSWORD)];
    assert_eq!(house.browse("POST", "/setup", &person).status, 201);
    drop(house);
    for options in [&[][..], &["--demo"]] {
        let server = Server::start_in(folder.clone(), options);
        assert!(!server.output_with("MCP URL").contains("/setup"), "{options:?}");
    }
}

#[test]
fn adds_one_first_person_however_many_try_at_once() {
    let (mut house, path) = empty_house(&[]);
    let (forms, code) = (house.forms(&path), path.split_once("code=").expect("a code").1);
    let mut replies = each_at_once(&forms, |form| {
        let person = [("form", form.as_str()), ("code", code), ("email", EMAIL), ("password", PASSWORD)];
        house.browse_as(house.cookie.as_deref(), "POST", "/setup", &person).status
    });
    replies.sort_unstable();
    assert_eq!(house.count("users"), 1);
    assert_eq!((replies[0], &replies[1..]), (201, &[410; 15][..]), "the others are told that it is done");
}

// ---- The operator's clients; secrets at rest ----

#[test]
fn registers_lists_and_removes_clients_on_the_command_line() {
    let mut house = House::new();
    let folder = house.server.folder.clone();
    let run = |arguments: &[&str]| {
        let output = folder.epicme(&[&["client"], arguments].concat(), "");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    assert_eq!(run(&["add", "desk"]).0, Some(2), "no redirect URI");
    assert_eq!(run(&["add", "desk", "http://app.example/cb"]).0, Some(1));
    assert_eq!(run(&["list"]), (Some(0), String::new()));
    let (code, id) = run(&["add", "desk", CALLBACK, "https://app.example/cb"]);
    let id = id.trim_end();
    assert!(code == Some(0) && id.starts_with("c_") && !id.contains('\n'), "{id}");
    let file = folder.path().join("client.json");
    let path = file.to_str().expect("a path");
    let metadata = |uri: &str| json!({ "client_name": "From a file", "redirect_uris": [uri], "token_endpoint_auth_method": "client_secret_post" });
    fs::write(&file, metadata("javascript:x").to_string()).expect("a file");
    assert_eq!(run(&["add", "--metadata", path]).0, Some(1));
    fs::write(&file, metadata(CALLBACK).to_string()).expect("a file");
    let (_, made) = run(&["add", "--metadata", path]);
    assert!(made.lines().nth(1).is_some_and(|secret| secret.starts_with("em_cs_")), "{made}");
    assert_eq!(run(&["add", "--metadata", "/nowhere"]).0, Some(1));
    let (_, listed) = run(&["list"]);
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(listed.contains(id) && listed.contains("From a file") && listed.contains(CALLBACK), "{listed}");
    assert!(!listed.contains("em_cs_"));
    house.sign_in();
    let (access, refresh) = house.tokens(id);
    assert!(house.opens(&access));
    assert_eq!((run(&["remove", id]).0, run(&["remove", id]).0), (Some(0), Some(1)));
    assert!(!house.opens(&access));
    refused(&house.refresh(id, &refresh), "invalid_client");
}

#[test]
fn lets_a_removed_client_that_registered_itself_ask_again_and_refuses_one_of_the_operator() {
    let (mut house, own) = House::connected();
    let folder = house.server.folder.clone();
    let added = String::from_utf8(folder.epicme(&["client", "add", "desk", CALLBACK], "").stdout);
    let operators = added.expect("text").trim_end().to_owned();
    for (id, status) in [(own, 200), (operators, 400)] {
        let (access, refresh) = house.tokens(&id);
        let said = folder.epicme(&["client", "remove", &id], "").stderr;
        assert!(String::from_utf8_lossy(&said).contains("if it registered itself, it can ask a person"));
        assert!(!house.opens(&access));
        assert_eq!(house.refresh(&id, &refresh).status, if status == 200 { 400 } else { 401 });
        assert_eq!(house.visit(&house.asking(&id)).status, status);
    }
}

#[test]
fn refuses_names_and_schemes_on_the_command_line_that_it_refuses_elsewhere() {
    let folder = Folder::new();
    folder.token(EMAIL, &[]);
    let code = |arguments: &[&str]| folder.epicme(arguments, "").status.code();
    for (name, expected) in
        [("desk", Some(0)), ("\u{3164}\u{ad}", Some(1)), ("de\u{202e}sk", Some(1)), ("a\nb", Some(1))]
    {
        assert_eq!(code(&["client", "add", name, CALLBACK]), expected, "{name:?}");
    }
    for (label, expected) in
        [("", Some(0)), ("❤️ desk", Some(0)), ("\u{2800}", Some(2)), ("a\u{2066}b", Some(2))]
    {
        assert_eq!(code(&["token", "create", EMAIL, "--label", label]), expected, "{label:?}");
    }
    let uri = "zed://oauth/callback";
    assert_eq!(code(&["client", "add", "zed", uri]), Some(1));
    assert_eq!(
        code(&["client", "add", "zed", uri, "--redirect-scheme", "goose", "--redirect-scheme", "zed"]),
        Some(0)
    );
    for bad in ["https", "javascript", "microsoft-edge", "ms-x", "web+x", "zed:", "Zed"] {
        assert_eq!(code(&["client", "add", "zed", uri, "--redirect-scheme", bad]), Some(2), "{bad}");
        assert_eq!(code(&["serve", "--listen", "127.0.0.1:0", "--redirect-scheme", bad]), Some(2), "{bad}");
    }
}

#[test]
fn stores_no_secret_but_as_a_hash() {
    let mut house = House::new();
    let (id, secret) = house.confidential("client_secret_post");
    let client = house.client();
    house.sign_in();
    house.code(&id);
    let unused = house.code(&client);
    let code = house.code(&client);
    let (access, first) = pair(&house.redeem(&client, &code));
    let (_, second) = pair(&house.refresh(&client, &first));
    let cookie = house.cookie.clone().expect("a cookie");
    let cookie = cookie.split_once('=').expect("a value").1;
    let mut stored = Vec::new();
    for entry in fs::read_dir(house.server.folder.path()).expect("the folder") {
        stored.extend(fs::read(entry.expect("an entry").path()).expect("a file"));
    }
    let log = house.server.log_with("POST /token 200");
    let holds = |text: &str| stored.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(
        [EMAIL, &id, &client, CHALLENGE, CALLBACK].into_iter().all(holds),
        "this is where it would stand"
    );
    for secret in [&secret, &unused, &code, &access, &first, &second, cookie, PASSWORD, VERIFIER] {
        // Without its prefix, too.
        let random = secret.rsplit("em_").next().expect("text");
        assert!(!holds(&random[random.len() / 4..]), "{secret} is stored");
        assert!(!log.contains(secret), "{secret} is logged");
    }
}

/// So many rows that are over, and after a write a bounded number less.
const PILE: i64 = limits::CLEAN_UP_ROWS_MAX as i64 * 2 + 500;

fn rows(count: i64) -> String {
    format!("WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {count})")
}

#[test]
fn deletes_a_bounded_number_of_rows_that_are_over_with_each_write() {
    let (mut house, client) = House::connected();
    let (_, refresh) = house.tokens(&client);
    let (pile, rows) = (PILE, rows(PILE));
    house.tamper(&format!(
        "{rows} INSERT INTO used_forms SELECT randomblob(32), 1 FROM number;
         INSERT INTO users (email, password_hash, created_at, updated_at) VALUES ('bob', '', 1, 1);
         {rows} INSERT INTO browsers (hash, user_id, created_at, expires_at) SELECT randomblob(32), (SELECT max(id) FROM users), 1, 2 FROM number;
         {rows} INSERT INTO refresh_tokens (hash, grant_id, expires_at) SELECT randomblob(32), 1, 1 FROM number;
         {rows} INSERT INTO tokens (hash, user_id, resource, scope, label, created_at, expires_at, grant_id)
                SELECT randomblob(32), 1, 'r', 'tags:read', '', 1, 2, 1 FROM number"
    ));
    let left = |house: &House| {
        [
            "used_forms WHERE expires_at = 1",
            "browsers WHERE expires_at = 2",
            "refresh_tokens WHERE expires_at = 1",
            "tokens WHERE expires_at = 2",
        ]
        .map(|table| house.count(table))
    };
    assert_eq!(left(&house), [pile; 4]);
    let (mut refresh, mut expected) = (refresh, pile);
    for _ in 0..3 {
        house.sign_in();
        (_, refresh) = pair(&house.refresh(&client, &refresh));
        expected = (expected - limits::CLEAN_UP_ROWS_MAX as i64).max(0);
        let left = left(&house);
        assert_eq!(left[1..], [expected; 3], "{left:?}");
        assert!(left[0] <= expected, "a sign-in uses a form");
    }
    assert_eq!(expected, 0);
}

#[test]
fn signs_a_person_out_of_the_browser_of_longest_ago_past_so_many() {
    let mut house = House::new();
    house.sign_in();
    let first = house.cookie.clone();
    let own = limits::SIGN_INS_PER_PERSON_MAX as i64;
    let is_signed_in = |house: &House, cookie: &Option<String>| {
        text(&house.browse_as(cookie.as_deref(), "GET", "/account", &[])).contains("Sign out")
    };
    let fill = |count| {
        let rows = rows(count);
        let columns = "randomblob(32), 1, unixepoch(), unixepoch() + 1000 + n";
        format!(
            "{rows} INSERT INTO browsers (hash, user_id, created_at, expires_at) SELECT {columns} FROM number"
        )
    };
    house.tamper(&fill(own - 1));
    assert_eq!(house.count("browsers"), own);
    assert!(is_signed_in(&house, &first));
    house.cookie = None;
    house.sign_in();
    assert_eq!(house.count("browsers"), own);
    assert!(!is_signed_in(&house, &first) && is_signed_in(&house, &house.cookie));
}

#[test]
fn ends_a_grant_that_was_refreshed_too_often_and_deletes_it_in_pieces() {
    let (mut house, client) = House::connected();
    let (access, refresh) = house.tokens(&client);
    let most = limits::REFRESH_TOKENS_PER_GRANT_MAX as i64;
    let traded = |count| {
        let values = "randomblob(32), 1, unixepoch() + 1000, unixepoch()";
        format!("{} INSERT INTO refresh_tokens SELECT {values} FROM number", rows(count))
    };
    house.tamper(&traded(most - 2));
    let (access_2, refresh) = pair(&house.refresh(&client, &refresh));
    assert_eq!(house.count("refresh_tokens"), most);
    assert!(house.opens(&access) && house.opens(&access_2));
    refused(&house.refresh(&client, &refresh), "invalid_grant");
    house.server.log_with("outcome=refreshed-too-often");
    assert!(!house.opens(&access) && !house.opens(&access_2), "the grant has ended");
    // The next consents delete it. It has more rows than one may have, as an earlier version left them.
    house.tamper(&traded(2 * most));
    house.tamper("UPDATE grants SET used_at = 1");
    let mut left = vec![house.count("refresh_tokens WHERE grant_id = 1")];
    while house.count("grants WHERE id = 1") == 1 {
        house.sign_in();
        let query = house.asking(&client);
        house.allow(&query);
        left.push(house.count("refresh_tokens WHERE grant_id = 1"));
    }
    let pieces: Vec<_> = left.windows(2).map(|pair| pair[0] - pair[1]).collect();
    let piece = most + limits::CLEAN_UP_ROWS_MAX as i64;
    assert_eq!((pieces.len(), left.last()), (3, Some(&0)), "{pieces:?}");
    assert!(pieces.iter().all(|count| *count <= piece), "{pieces:?}");
}

#[test]
fn removes_a_client_in_pieces_after_all_of_its_access() {
    let (mut house, client) = House::connected();
    let (access, refresh) = house.tokens(&client);
    let total = limits::CLEAN_UP_ROWS_MAX as i64 * 20;
    let traded = "randomblob(32), 1, unixepoch() + 1000, unixepoch()";
    house.tamper(&format!("{} INSERT INTO refresh_tokens SELECT {traded} FROM number", rows(total)));
    let folder = house.server.folder.clone();
    let left = || folder.count("refresh_tokens");
    let remove = || {
        let mut command = Command::new(EPICME);
        command.args(["client", "remove", &client, "--database"]).arg(folder.database());
        command.stderr(Stdio::null()).spawn().expect("the command runs")
    };
    // Killed in the middle, it has left the client without any access.
    let mut killed = remove();
    eventually("some rows are gone", || left() < total);
    killed.kill().expect("it runs");
    killed.wait().expect("it ends");
    assert!(left() > 0, "there is a middle");
    assert!(!house.opens(&access));
    refused(&house.refresh(&client, &refresh), "invalid_grant");
    // Run again it removes the rest.
    assert!(remove().wait().expect("it ends").success());
    let tables = ["clients", "grants", "codes", "refresh_tokens", "tokens WHERE grant_id IS NOT NULL"];
    let rows = tables.map(|table| house.count(table));
    assert_eq!(rows, [0; 5]);
}

#[test]
fn keeps_so_many_access_tokens_of_a_grant_and_ends_the_one_that_expires_first() {
    let (mut house, client) = House::connected();
    let (first, refresh) = house.tokens(&client);
    let most = limits::ACCESS_TOKENS_PER_GRANT_MAX;
    // A client that repeats a refresh gets the same refresh token again, and an access token each time.
    let mut access: Vec<_> = (1..most).map(|_| pair(&house.refresh(&client, &refresh)).0).collect();
    assert!(house.opens(&first));
    access.push(pair(&house.refresh(&client, &refresh)).0);
    assert_eq!(house.count("tokens WHERE grant_id = 1"), most as i64);
    assert!(!house.opens(&first) && house.opens(&access[0]) && house.opens(&access[most - 1]));
}

#[test]
fn refuses_invented_codes_and_tokens_without_the_writer() {
    let (house, client) = House::connected();
    // While another process has the lock, whatever asks the writer waits and fails.
    let other = rusqlite::Connection::open(house.server.folder.database()).expect("the database");
    other.execute_batch("BEGIN IMMEDIATE; UPDATE users SET updated_at = 1").expect("the lock");
    refused(&house.redeem(&client, "invented"), "invalid_grant");
    refused(&house.refresh(&client, "em_rt_invented"), "invalid_grant");
    let form = [("client_id", client.as_str()), ("token", "em_at_invented")];
    assert_eq!(house.post("/revoke", &[], &form).status, 200);
}
