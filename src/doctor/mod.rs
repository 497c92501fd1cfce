//! Walks another server's front door as an MCP client does, and says where a client would stop, and why.
//!
//! Knows nothing of this server's own gate, journal or people. Invariant: it asks only what leaves nothing behind: it
//! registers no client, signs nobody in, and sends no token but one that is wrong on purpose.
//!
//! What stops a client that goes by the current revision, or one of the SDKs, is a failure. What only some clients trip
//! over, browsers above all, is a warning.

pub mod challenge;
pub mod report;
pub mod url;

use std::net::IpAddr;

use serde_json::Value;

use self::challenge::Challenge;
pub use self::report::Verdict;
use self::report::{Report, STEPS, shown};
use self::url::{Url, Ways};
use crate::gate;
use crate::json;
use crate::limits;
use crate::outgoing::{self, Answer, Bounds, Fault, Outgoing};
use crate::site;

/// What a client that knows no token yet sends first.
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"epicme-doctor","version":"1"}}}"#;
/// Who asks, for the other server's log.
const AGENT: (&str, &str) = ("User-Agent", concat!("epicme-doctor/", env!("CARGO_PKG_VERSION")));
/// What the SDKs send when they look for metadata.
const DOCUMENT_FIELDS: [(&str, &str); 3] =
    [AGENT, ("Accept", "application/json"), ("MCP-Protocol-Version", "2025-11-25")];
const POST_FIELDS: [(&str, &str); 3] =
    [AGENT, ("Accept", "application/json, text/event-stream"), ("Content-Type", "application/json")];
/// A page as the MCP Inspector serves it.
const PAGE: &str = "http://localhost:6274";
/// A token that no server has given to anybody.
const WRONG_TOKEN: &str = "epicme-doctor-is-no-token";
/// Where nobody listens, for the authorization endpoint not to send anybody to.
const NO_CALLBACK: &str = "http://127.0.0.1:9/epicme-doctor";

/// Walks to `url` and hands each line to `out` as soon as it is known.
pub fn walk(url: &Url, ways: &Ways, out: &mut dyn FnMut(&str)) -> Verdict {
    let mut doctor = Doctor { url, ways, report: Report::new(out) };
    doctor
        .report
        .say(&format!("{} as an MCP client meets it; nothing is registered there", shown(url.text())));
    doctor.walk();
    doctor.report.end()
}

struct Doctor<'d> {
    url: &'d Url,
    ways: &'d Ways,
    report: Report<'d>,
}

/// A metadata document and where it was.
struct Document {
    url: Url,
    members: Value,
}

impl Doctor<'_> {
    fn walk(&mut self) {
        self.form();
        if !self.connection() {
            return self.skip_from(3, "needs the connection of step 2");
        }
        let Some(knock) = self.knock() else {
            return self.skip_from(4, "needs the 401 of step 3");
        };
        let named = self.challenge(&knock);
        let resource = self.resource(named);
        let server = match &resource {
            Some(resource) => self.server(resource),
            None => self.skip_step(6, "needs the metadata of step 5"),
        };
        match &server {
            Some(server) => self.authorize(server),
            None => self.skip_step(7, "needs the metadata of step 6").unwrap_or(()),
        }
        self.browsers([resource, server]);
        self.wrong_token();
    }

    fn skip_from(&mut self, number: usize, why: &str) {
        for number in number..=STEPS.len() {
            self.skip_step::<()>(number, why);
        }
    }

    fn skip_step<T>(&mut self, number: usize, why: &str) -> Option<T> {
        self.report.step(number);
        self.report.skip(why);
        None
    }

    /// Sends one request to wherever the URL's origin is reached.
    fn send(
        &self,
        method: &str,
        url: &Url,
        fields: &[(&str, &str)],
        body_bytes_max: Option<usize>,
    ) -> Result<Answer, Fault> {
        let body = if method == "POST" { INITIALIZE.as_bytes() } else { b"" };
        let bounds = Bounds { deadline: limits::ANSWER_DEADLINE, body_bytes_max };
        let mut last = Err(Fault::Gone);
        for address in self.ways.to(&url.origin) {
            let (host, target) = (url.origin.authority(), &url.target());
            last = outgoing::ask(&Outgoing { address, method, host, target, fields, body }, bounds);
            if !matches!(last, Err(Fault::Unreachable(_))) {
                break;
            }
        }
        last
    }

    fn form(&mut self) {
        self.report.step(1);
        let text = shown(self.url.text());
        let clause = "OAuth 2.1 §1.5";
        match (self.ways.forwarded(&self.url.origin), self.url.keeps_secrets()) {
            (_, false) => self.report.fail(
                &format!("{text} is plain http to another machine: tokens would travel in the clear"),
                clause,
                "serve it over https; a proxy in front can do that",
            ),
            (Some(address), true) => {
                self.report.ok(&format!("{text}, reached through {address}"), clause);
            }
            (None, true) => self.report.ok(&format!("{text} is plain http to this machine"), clause),
        }
        if !self.url.query.is_empty() {
            self.report.warn(
                "the URL has a query, which a resource identifier should not have",
                "RFC 8707 §2",
                "give people a URL without a ?",
            );
        }
    }

    fn connection(&mut self) -> bool {
        self.report.step(2);
        let clause = "RFC 9293 §3.5";
        let addresses = self.ways.to(&self.url.origin);
        let reached = |address| outgoing::reach(address, limits::ANSWER_DEADLINE);
        let (open, shut): (Vec<_>, Vec<_>) = addresses.iter().partition(|address| reached(**address).is_ok());
        let listed = |addresses: &[std::net::SocketAddr]| {
            addresses.iter().map(|address| address.to_string()).collect::<Vec<_>>().join(" and ")
        };
        if open.is_empty() {
            let remedy =
                "start the server, look at the port, and see that nothing between here and there drops it";
            self.report.fail(&format!("nobody accepts a connection at {}", listed(&shut)), clause, remedy);
            return false;
        }
        self.report.ok(&format!("connected to {}", listed(&open)), clause);
        if !shut.is_empty() {
            self.report.warn(
                &format!("nobody is at {}: localhost is both, and some clients try one only", listed(&shut)),
                clause,
                "listen on both 127.0.0.1 and [::1], or give people the URL with the address that answers",
            );
        }
        true
    }

    /// The 401, which everything else follows from.
    fn knock(&mut self) -> Option<Answer> {
        self.report.step(3);
        let path = shown(self.url.target());
        let clause = "RFC 9110 §15.5.2";
        let answer = match self.send("POST", self.url, &POST_FIELDS, None) {
            Ok(answer) => answer,
            Err(fault) => {
                let remedy = match fault {
                    Fault::Malformed => {
                        "see what listens there; if it speaks TLS, walk to its https URL through a forwarding proxy"
                    }
                    _ => "answer 401 from the head alone: no token, no work, no reading of the body",
                };
                let text = format!("the answer to POST {path} {}", fault.message());
                self.report.fail(&text, "RFC 9112 §4", remedy);
                return None;
            }
        };
        let status = answer.status;
        if status != 401 {
            self.refused_otherwise(&answer);
            return None;
        }
        self.report.ok(&format!("POST {path} without a token is answered 401"), clause);
        let stream = [AGENT, ("Accept", "text/event-stream")];
        match self.send("GET", self.url, &stream, None).map(|answer| answer.status) {
            Ok(401) => self.report.ok(&format!("GET {path} is answered 401 too"), clause),
            other => {
                let seen = other.map_or("no whole answer".to_owned(), |status| status.to_string());
                self.report.warn(
                    &format!("GET {path} without a token gets {seen}: the gate guards POST alone"),
                    "MCP authorization, Token Requirements",
                    "ask for a token whatever the method, OPTIONS alone excepted",
                );
            }
        }
        Some(answer)
    }

    /// Explains any answer to the first knock but a 401.
    fn refused_otherwise(&mut self, answer: &Answer) {
        let status = answer.status;
        let (path, seen) = (shown(self.url.target()), format!("is answered {status}, not 401"));
        let gated = "RFC 9110 §15.5.2";
        let (why, remedy) = match status {
            200..300 => {
                let text = format!("POST {path} without a token {seen}: there is no gate at all");
                let remedy =
                    "answer 401 with a challenge to every request without a token, before reading its body";
                return self.report.fail_open(&text, gated, remedy);
            }
            300..400 => (
                format!("it redirects to {}", location(answer)),
                "clients don't take a token through a redirect: give people the URL that it ends at, or serve this one \
                 (frameworks often redirect a path to itself with a slash)",
            ),
            400 | 406 | 411 | 413 | 415 | 422 => (
                "the request was judged before the token was".to_owned(),
                "let the gate decide first, from the head alone; without a token it is a 401 whatever the body holds",
            ),
            403 => (
                "that says that asking for access is useless".to_owned(),
                "answer 401 to who brings no token; keep 403 for a good token with too little scope. If the server \
                 checks Host, it may not know this name: give it its public URL",
            ),
            404 => (
                "nothing is at this path".to_owned(),
                "look at the path: it is the MCP endpoint's, often /mcp",
            ),
            405 => (
                "this path takes no POST".to_owned(),
                "look at the path; a server of the old HTTP+SSE transport is to be replaced by Streamable HTTP",
            ),
            421 => ("the server doesn't know this host".to_owned(), "give the server its public URL"),
            429 => (
                "there were too many requests".to_owned(),
                "wait and try again; don't count knocks so tightly",
            ),
            500.. => (
                "the server, or the proxy before it, fails before its gate".to_owned(),
                "look at the server's log; a missing token must not be an error inside",
            ),
            _ => ("no client knows what to do with that".to_owned(), "answer 401 with a challenge"),
        };
        self.report.fail(&format!("POST {path} without a token {seen}: {why}"), gated, remedy);
    }

    /// Judges the challenge, and gives the metadata URL that it names, if a client would go there.
    fn challenge(&mut self, knock: &Answer) -> Option<Url> {
        self.report.step(4);
        self.cacheable(knock);
        let bearer = self.bearer(knock)?;
        if bearer.parameter("error").is_some() {
            self.report.warn(
                "the challenge holds an error although no token was sent",
                "RFC 6750 §3.1",
                "leave error out until a token was presented: a client may take it for a token gone bad",
            );
        }
        let named = self.named_metadata(&bearer);
        match bearer.parameter("scope") {
            Some(scope) if scope.quoted => {
                self.report.ok(&format!("it asks for the scope {}", shown(&scope.value)), "RFC 6750 §3");
            }
            Some(_) => self.report.warn(
                "scope is not quoted, so only its first word can be read",
                "RFC 9110 §11.2",
                "write scope=\"...\"",
            ),
            None => self.report.ok(
                "it names no scope: clients ask for all of the metadata's scopes_supported",
                "MCP authorization, Scope Selection Strategy",
            ),
        }
        named
    }

    fn cacheable(&mut self, knock: &Answer) {
        let directives = ["public", "s-maxage", "max-age"];
        let named = |directive: &str| {
            let values = knock.fields("cache-control").flat_map(|value| value.split(|octet| *octet == b','));
            values.into_iter().any(|value| {
                let value = value.trim_ascii();
                let name = value.split(|octet| *octet == b'=').next().unwrap_or_default();
                name.eq_ignore_ascii_case(directive.as_bytes()) && !value.ends_with(b"=0")
            })
        };
        let kept = named("no-store") || named("no-cache") || named("private");
        if !kept && directives.into_iter().any(named) {
            self.report.warn(
                "a cache may keep the 401 and give it to who brings a token",
                "RFC 9111 §5.2.2",
                "send Cache-Control: no-store with it",
            );
        }
    }

    /// The `Bearer` challenge, if there is one that can be read. Without it clients still look at the well-known paths.
    fn bearer(&mut self, knock: &Answer) -> Option<Challenge> {
        let name = gate::CHALLENGE;
        let form =
            format!("send {name}: Bearer resource_metadata=\"{}\"", self.url.at(&self.path_form()).text());
        let fallback = "clients that go by it alone stop here, the others guess";
        let fields: Vec<_> = knock.fields(name).collect();
        if fields.is_empty() {
            let text = format!("the 401 has no {name}: {fallback}");
            self.report.warn(&text, "RFC 9110 §15.5.2", &form);
            return None;
        }
        let Some(challenges) = fields.iter().map(|field| challenge::parse(field)).collect::<Option<Vec<_>>>()
        else {
            let text = format!("{name} can't be read: {}", shown(fields.join(&b", "[..])));
            self.report.warn(&format!("{text}: {fallback}"), "RFC 9110 §11.6.1", &form);
            return None;
        };
        let challenges = challenges.concat();
        let mut bearers = challenges.iter().filter(|one| one.scheme.eq_ignore_ascii_case("Bearer"));
        let Some(bearer) = bearers.next() else {
            let schemes: Vec<_> = challenges.iter().map(|one| one.scheme.as_str()).collect();
            let text = format!("{name} offers {}, not Bearer: {fallback}", shown(schemes.join(", ")));
            self.report.warn(&text, "RFC 6750 §3", &form);
            return None;
        };
        match bearers.next() {
            None => self.report.ok(&format!("{name} has a Bearer challenge"), "RFC 6750 §3"),
            Some(_) => self.report.warn(
                "there are several Bearer challenges, and clients differ over which they read",
                "RFC 9110 §11.6.1",
                "send one, with all its parameters",
            ),
        }
        Some(bearer.clone())
    }

    fn named_metadata(&mut self, bearer: &Challenge) -> Option<Url> {
        let clause = "RFC 9728 §5.1";
        let Some(named) = bearer.parameter("resource_metadata") else {
            let at = self.url.at(&self.path_form()).text();
            self.report.warn(
                "the challenge names no resource_metadata, so clients guess where it is",
                clause,
                &format!("add resource_metadata=\"{at}\""),
            );
            return None;
        };
        if !named.quoted {
            self.report.warn(
                "resource_metadata is not quoted; a URL is no token, and some clients read the quoted form alone",
                "RFC 9110 §11.2",
                "write resource_metadata=\"...\"",
            );
        }
        let text = format!("resource_metadata is {}", shown(&named.value));
        let Some(url) = Url::parse(&named.value) else {
            self.report.fail(&format!("{text}, not an absolute URL"), clause, "write it from https:// on");
            return None;
        };
        if url.origin != self.url.origin {
            let remedy = mismatch(self.url, &url);
            self.report.fail(&format!("{text}, another origin than {}", self.origin()), clause, &remedy);
            return None;
        }
        self.report.ok(&text, clause);
        Some(url)
    }

    fn origin(&self) -> String {
        shown(self.url.origin.as_str())
    }

    /// RFC 9728 §3.1: the well-known part stands before the resource's path.
    fn path_form(&self) -> String {
        format!("{}{}", site::RESOURCE_METADATA_ROOT, self.url.trimmed_path())
    }

    /// Finds the protected resource metadata and judges it.
    fn resource(&mut self, named: Option<Url>) -> Option<Document> {
        self.report.step(5);
        let is_named = named.is_some();
        let path_form = self.url.at(&self.path_form());
        let root = self.url.at(site::RESOURCE_METADATA_ROOT);
        let mut candidates: Vec<_> = named.into_iter().collect();
        for guess in [path_form, root] {
            if !candidates.contains(&guess) {
                candidates.push(guess);
            }
        }
        let clause = "RFC 9728 §3.2";
        let mut tried = Vec::new();
        for (place, url) in candidates.iter().enumerate() {
            match self.document(url, clause) {
                Read::Found(members) => {
                    let document = Document { url: url.clone(), members };
                    self.found(&document, clause);
                    if !is_named && url.path == site::RESOURCE_METADATA_ROOT && candidates.len() > 1 {
                        self.report.warn(
                            "it is at the root only, where not every client looks",
                            "RFC 9728 §3.1",
                            &format!("serve it at {} too", shown(self.path_form())),
                        );
                    }
                    self.judge_resource(&document);
                    return self.has_servers(&document).then_some(document);
                }
                Read::Absent(status) if is_named && place == 0 => {
                    let text =
                        format!("{} is answered {status}, though the challenge names it", shown(url.text()));
                    self.report.fail(&text, clause, "serve it there, without asking for a token");
                }
                Read::Absent(status) => tried.push(format!("{} ({status})", shown(url.target()))),
                Read::Wrong => return None,
            }
        }
        if !tried.is_empty() || !is_named {
            self.report.fail(
                &format!("no protected resource metadata at {}", tried.join(" or ")),
                "MCP authorization, Authorization Server Location",
                &format!("serve it at {}, without asking for a token", shown(self.path_form())),
            );
        }
        None
    }

    fn found(&mut self, document: &Document, clause: &str) {
        self.report.ok(&format!("{} is there, in JSON", shown(document.url.text())), clause);
    }

    fn judge_resource(&mut self, document: &Document) {
        let clause = "RFC 9728 §3.3";
        let called = shown(self.url.text());
        let Some(text) = document.members["resource"].as_str() else {
            let remedy = format!("add \"resource\": {called}");
            return self.report.fail("the document names no resource", "RFC 9728 §2", &remedy);
        };
        let seen = format!("resource is {}", shown(text));
        let Some(resource) = Url::parse(text) else {
            let remedy = format!("write the URL that people type, {called}");
            return self.report.fail(&format!("{seen}, not an absolute http(s) URL"), clause, &remedy);
        };
        if !covers(&resource, self.url) {
            let text = format!("{seen}, which doesn't cover {called}");
            return self.report.fail(&text, clause, &mismatch(self.url, &resource));
        }
        match resource.origin == self.url.origin && resource.target() == self.url.target() {
            true => self.report.ok(&format!("{seen}, the URL that was called"), clause),
            false => self.report.warn(
                &format!("{seen}, which covers {called} but isn't it; not every client takes that"),
                clause,
                "name the whole URL that people type, path included",
            ),
        }
    }

    fn has_servers(&mut self, document: &Document) -> bool {
        self.types(&document.members, "RFC 9728 §2");
        let clause = "MCP authorization, Authorization Server Location";
        let remedy = "add \"authorization_servers\": [ISSUER], with at least one issuer identifier";
        match document.members["authorization_servers"].as_array().map(Vec::as_slice) {
            Some([Value::String(issuer), others @ ..]) => {
                let more =
                    if others.is_empty() { "" } else { ", the first of several, and clients take that" };
                self.report.ok(&format!("authorization_servers names {}{more}", shown(issuer)), clause);
                true
            }
            _ => {
                self.report.fail("authorization_servers isn't a list with at least one URL", clause, remedy);
                false
            }
        }
    }

    /// The SDKs check the types of the members that they know, and stop at `null`.
    fn types(&mut self, members: &Value, clause: &str) {
        let is_wrong = |name: &str, value: &Value| match name {
            "authorization_servers" | "issuer" | "resource" => false, // judged where they matter
            _ if name.ends_with("_supported") && value.is_boolean() => false,
            _ if name.ends_with("_supported") => {
                !value.as_array().is_some_and(|items| items.iter().all(Value::is_string))
            }
            "jwks_uri" => !value.is_string(),
            _ => name.ends_with("_endpoint") && !value.is_string(),
        };
        let wrong = members.as_object().into_iter().flatten();
        let wrong: Vec<_> =
            wrong.filter(|(name, value)| is_wrong(name, value)).map(|(name, _)| name.as_str()).collect();
        if !wrong.is_empty() {
            self.report.fail(
                &format!("of the wrong type, or null: {}", shown(wrong.join(", "))),
                clause,
                "leave a member out that has no value; lists hold texts, endpoints are texts",
            );
        }
    }

    /// Finds the authorization server's metadata and judges it.
    fn server(&mut self, resource: &Document) -> Option<Document> {
        self.report.step(6);
        let issuer = resource.members["authorization_servers"][0].as_str().unwrap_or_default();
        let Some(url) = Url::parse(issuer).filter(|url| url.query.is_empty()) else {
            let text = format!("the issuer {} is not an absolute http(s) URL without a query", shown(issuer));
            self.report.fail(&text, "RFC 8414 §2", "write it from https:// on");
            return None;
        };
        if !self.is_safe("the issuer", issuer, &url) || !self.is_reached("the authorization server", &url) {
            return None;
        }
        let clause = "RFC 8414 §3.1";
        let mut tried = Vec::new();
        for at in server_candidates(&url) {
            match self.document(&at, clause) {
                Read::Found(members) => {
                    let document = Document { url: at, members };
                    self.found(&document, clause);
                    self.judge_server(&document, issuer);
                    return Some(document);
                }
                Read::Absent(status) => tried.push(format!("{} ({status})", shown(at.target()))),
                Read::Wrong => return None,
            }
        }
        self.report.fail(
            &format!("no authorization server metadata at {}", tried.join(" or ")),
            "MCP authorization, Authorization Server Metadata Discovery",
            "serve it at the first of these, without asking for a token; clients without it can only guess",
        );
        None
    }

    /// Whether secrets can travel to this URL; the report says so if they can't.
    fn is_safe(&mut self, what: &str, text: &str, url: &Url) -> bool {
        let clause = "MCP authorization, Communication Security";
        if url.origin.is_https() || (!self.url.origin.is_https() && url.keeps_secrets()) {
            return true;
        }
        let remedy = match url.host() == self.url.host() {
            true => mismatch(self.url, url),
            false => "serve it over https, and name it so".to_owned(),
        };
        let text = format!("{what} is {}, plain http, where secrets travel in the clear", shown(text));
        self.report.fail(&text, clause, &remedy);
        false
    }

    /// Whether this URL can be walked from here; if not, the verdict stays open.
    fn is_reached(&mut self, what: &str, url: &Url) -> bool {
        if !self.ways.to(&url.origin).is_empty() {
            return true;
        }
        let origin = shown(url.origin.as_str());
        self.report.skip_undecided(
            &format!("{what} at {origin} was not walked: it can't be reached from here"),
            &format!(
                "let a proxy forward a port of this machine to it, and add to --connect, behind a comma if there is \
                 something already: {}=127.0.0.1:PORT",
                url.origin.as_str().get(..limits::DOCTOR_SHOWN_CHARS_MAX).unwrap_or(url.origin.as_str())
            ),
        );
        false
    }

    fn judge_server(&mut self, document: &Document, wanted: &str) {
        let members = &document.members;
        self.types(members, "RFC 8414 §2");
        self.judge_issuer(members, wanted);
        let endpoint = |name: &str| members[name].as_str().and_then(Url::parse);
        for name in ["authorization_endpoint", "token_endpoint"] {
            match (members[name].as_str(), endpoint(name)) {
                (Some(text), Some(url)) => {
                    if self.is_safe(name, text, &url) {
                        self.report.ok(&format!("{name} is {}", shown(text)), "RFC 8414 §2");
                    }
                }
                (Some(text), None) => {
                    let text = format!("{name} is {}, not an absolute URL", shown(text));
                    self.report.fail(&text, "RFC 8414 §2", "write it from https:// on");
                }
                (None, _) => self.report.fail(&format!("there is no {name}"), "RFC 8414 §2", "name it"),
            }
        }
        let lists = |name: &str, word: &str| {
            members[name].as_array().is_some_and(|items| items.iter().any(|item| item == word))
        };
        match lists("response_types_supported", "code") {
            true => self.report.ok("response_types_supported has code", "RFC 8414 §2"),
            false => self.report.fail(
                "response_types_supported doesn't have code",
                "RFC 8414 §2",
                "add \"response_types_supported\": [\"code\"]",
            ),
        }
        if !members["grant_types_supported"].is_null()
            && !lists("grant_types_supported", "authorization_code")
        {
            self.report.fail(
                "grant_types_supported doesn't have authorization_code",
                "RFC 8414 §2",
                "add authorization_code and refresh_token to it, or leave it out",
            );
        }
        match lists("code_challenge_methods_supported", "S256") {
            true => self.report.ok("code_challenge_methods_supported has S256", "RFC 8414 §2"),
            false => self.report.fail(
                "code_challenge_methods_supported doesn't have S256: clients must not go on without PKCE",
                "MCP authorization, Authorization Code Protection",
                "verify PKCE, and add \"code_challenge_methods_supported\": [\"S256\"]",
            ),
        }
        match lists("token_endpoint_auth_methods_supported", "none") {
            true => self.report.ok("token_endpoint_auth_methods_supported has none", "RFC 8414 §2"),
            false => self.report.warn(
                "token_endpoint_auth_methods_supported doesn't have none: every client needs a secret",
                "RFC 8414 §2, OAuth 2.1 §2.1",
                "add none: a program on a person's machine can't keep a secret",
            ),
        }
        match members["authorization_response_iss_parameter_supported"] == true {
            true => self
                .report
                .ok("iss is promised; each redirect must hold it, errors included", "RFC 9207 §2.3"),
            false => self.report.ok("iss isn't promised, so clients don't expect it", "RFC 9207 §2.3"),
        }
        self.judge_registration(members);
    }

    fn judge_issuer(&mut self, members: &Value, wanted: &str) {
        let clause = "RFC 8414 §3.3";
        let expected = shown(wanted);
        match members["issuer"].as_str() {
            Some(issuer) if issuer == wanted => {
                self.report.ok(&format!("issuer is {expected}, octet for octet"), clause);
            }
            Some(issuer) if issuer.trim_end_matches('/') == wanted.trim_end_matches('/') => self.report.fail(
                &format!(
                    "issuer is {}, and authorization_servers says {expected}: a slash differs",
                    shown(issuer)
                ),
                clause,
                "write both the same, without a slash at the end; some URL types add one",
            ),
            Some(issuer) => {
                let urls = Url::parse(wanted).zip(Url::parse(issuer));
                let remedy = urls
                    .filter(|(wanted, issuer)| wanted.origin != issuer.origin)
                    .map_or("name the same issuer in both documents".to_owned(), |(wanted, issuer)| {
                        mismatch(&wanted, &issuer)
                    });
                let text = format!("issuer is {}, and authorization_servers says {expected}", shown(issuer));
                self.report.fail(&text, clause, &remedy);
            }
            None => {
                let remedy = format!("add \"issuer\": {expected}");
                self.report.fail("the document names no issuer", "RFC 8414 §2", &remedy);
            }
        }
    }

    fn judge_registration(&mut self, members: &Value) {
        let by_document = members["client_id_metadata_document_supported"] == true;
        let endpoint = members["registration_endpoint"].as_str();
        let clause = "MCP authorization, Client Registration";
        match (endpoint, by_document) {
            (None, false) => self.report.fail(
                "no way for a client to introduce itself: neither registration_endpoint nor \
                 client_id_metadata_document_supported",
                clause,
                "offer one of them; else pre-register each client there, and give its client id to the people who \
                 connect",
            ),
            (None, true) => self.report.warn(
                "clients can introduce themselves by a metadata document only",
                clause,
                "offer registration_endpoint too: many clients know nothing else",
            ),
            (Some(text), _) => match Url::parse(text) {
                None => self.report.fail(
                    &format!("registration_endpoint is {}, not an absolute URL", shown(text)),
                    "RFC 8414 §2",
                    "write it from https:// on",
                ),
                Some(url) => {
                    if self.is_safe("registration_endpoint", text, &url) {
                        self.report.ok(&format!("registration_endpoint is {}", shown(text)), clause);
                        self.report.skip("registering isn't tried: it would leave a client behind");
                    }
                }
            },
        }
    }

    /// Asks the authorization endpoint as a browser would, for a client that it doesn't know.
    fn authorize(&mut self, server: &Document) {
        self.report.step(7);
        let Some(mut url) = server.members["authorization_endpoint"].as_str().and_then(Url::parse) else {
            return self.report.skip("needs the authorization_endpoint of step 6");
        };
        if !self.is_reached("the authorization endpoint", &url) {
            return;
        }
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", "epicme-doctor-is-not-registered")
            .append_pair("redirect_uri", NO_CALLBACK)
            .append_pair("state", "x")
            .append_pair("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM") // RFC 7636, appendix B
            .append_pair("code_challenge_method", "S256")
            .append_pair("resource", &self.url.text())
            .finish();
        url.query = if url.query.is_empty() { format!("?{query}") } else { format!("{}&{query}", url.query) };
        let asked = "GET for a client that isn't registered";
        let fields = [AGENT, ("Accept", "text/html")];
        let (clause, page) =
            ("RFC 6749 §4.1.2.1", "show a page that says what is wrong, with 400; sign-in is a 200");
        match self.send("GET", &url, &fields, None) {
            Err(fault) => {
                let text = format!("{asked}: the answer {}", fault.message());
                self.report.fail(&text, "RFC 9112 §4", "see that a browser gets a page there");
            }
            Ok(answer) => match answer.status {
                300..400 if location(&answer).starts_with(&format!("\"{NO_CALLBACK}")) => self.report.warn(
                    &format!("{asked} is redirected to the address that the request itself named"),
                    clause,
                    "redirect nobody before client and redirect_uri are known, or anybody can send people anywhere",
                ),
                300..400 => {
                    self.report.ok(&format!("{asked} is redirected to {}", location(&answer)), clause);
                }
                200 | 400 => self.report.ok(&format!("{asked} is answered {}", answer.status), clause),
                401 => self.report.fail(
                    &format!("{asked} is answered 401: a person's browser can't bring a token"),
                    clause,
                    page,
                ),
                404 | 405 => {
                    let text = format!("{asked} is answered {}: nothing is there for a browser", answer.status);
                    self.report.fail(&text, clause, "correct authorization_endpoint");
                }
                400..500 => self.report.warn(
                    &format!("{asked} is answered {}; some clients read only 400 as \"register again\"", answer.status),
                    clause,
                    page,
                ),
                status => self.report.fail(&format!("{asked} is answered {status}: it breaks"), clause, page),
            },
        }
    }

    /// What a page in a browser needs beyond that: CORS.
    fn browsers(&mut self, documents: [Option<Document>; 2]) {
        self.report.step(8);
        let path = shown(self.url.target());
        let preflight = [
            AGENT,
            ("Origin", PAGE),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "authorization,content-type,mcp-protocol-version"),
        ];
        let clause = "Fetch §3.3.2";
        match self.send("OPTIONS", self.url, &preflight, None) {
            Err(fault) => {
                let text = format!("the answer to OPTIONS {path} {}", fault.message());
                self.report.warn(&text, clause, "answer preflights with 204");
            }
            Ok(answer) if !(200..300).contains(&answer.status) => {
                let text =
                    format!("the preflight of {path} is answered {}; it carries no token", answer.status);
                self.report.warn(
                    &text,
                    clause,
                    "answer OPTIONS before the gate, with 204 and the CORS headers",
                );
            }
            Ok(answer) => self.judge_preflight(&answer),
        }
        let with_origin = [&POST_FIELDS[..], &[("Origin", PAGE)]].concat();
        let name = gate::CHALLENGE;
        match self.send("POST", self.url, &with_origin, None) {
            Ok(answer) if !allows_page(&answer) => self.report.warn(
                "a page can't read the 401: Access-Control-Allow-Origin is missing",
                "Fetch §3.3.3",
                "send Access-Control-Allow-Origin with every answer, the 401 above all",
            ),
            Ok(answer) if !lists(&answer, "access-control-expose-headers", name) => self.report.warn(
                &format!("a page can't see {name}, so it doesn't learn where tokens are"),
                "Fetch §3.3.3",
                &format!("send Access-Control-Expose-Headers: {name}, Mcp-Session-Id"),
            ),
            Ok(_) => self.report.ok(&format!("a page can read the 401 and its {name}"), "Fetch §3.3.3"),
            Err(fault) => self.report.warn(
                &format!("the answer to POST {path} with an Origin {}", fault.message()),
                "Fetch §3.3.3",
                "answer as without an Origin",
            ),
        }
        for document in documents.into_iter().flatten() {
            self.judge_sharing(&document.url);
        }
    }

    fn judge_preflight(&mut self, answer: &Answer) {
        let missing: Vec<_> = ["authorization", "content-type", "mcp-protocol-version"]
            .into_iter()
            .filter(|name| !lists(answer, "access-control-allow-headers", name))
            .collect();
        let allow = "Access-Control-Allow-Headers";
        if !allows_page(answer) {
            let text = format!("the preflight doesn't allow a page of {PAGE}");
            let remedy = "send Access-Control-Allow-Origin with that origin, or pages there can't connect";
            self.report.warn(&text, "Fetch §3.3.3", remedy);
        } else if missing.is_empty() {
            self.report.ok("the preflight isn't gated and allows what clients send", "Fetch §3.3.3");
        } else {
            let text = format!("the preflight doesn't allow {}", missing.join(", "));
            self.report.warn(
                &text,
                "Fetch §3.3.3",
                &format!("add them to {allow}; * doesn't stand for authorization"),
            );
        }
    }

    fn judge_sharing(&mut self, url: &Url) {
        let at = shown(url.target());
        let get = [&DOCUMENT_FIELDS[..], &[("Origin", PAGE)]].concat();
        let preflight = [
            AGENT,
            ("Origin", PAGE),
            ("Access-Control-Request-Method", "GET"),
            ("Access-Control-Request-Headers", "mcp-protocol-version"),
        ];
        let is_read = self.send("GET", url, &get, None).is_ok_and(|answer| allows_page(&answer));
        let is_asked = self.send("OPTIONS", url, &preflight, None).is_ok_and(|answer| {
            (200..300).contains(&answer.status)
                && allows_page(&answer)
                && lists(&answer, "access-control-allow-headers", "mcp-protocol-version")
        });
        let text = match (is_read, is_asked) {
            (true, true) => {
                return self.report.ok(&format!("a page can read {at}"), "Fetch §3.3.3");
            }
            (false, _) => format!("a page can't read {at}: Access-Control-Allow-Origin is missing"),
            (true, false) => format!("a page can't read {at} with MCP-Protocol-Version, which the SDKs send"),
        };
        let remedy = "answer GET and OPTIONS with Access-Control-Allow-Origin: * and Access-Control-Allow-Headers: \
                      mcp-protocol-version";
        self.report.warn(&text, "Fetch §3.3.3", remedy);
    }

    fn wrong_token(&mut self) {
        self.report.step(9);
        let clause = "RFC 6750 §3.1";
        let authorization = format!("Bearer {WRONG_TOKEN}");
        let fields = [&POST_FIELDS[..], &[("Authorization", authorization.as_str())]].concat();
        let answer = match self.send("POST", self.url, &fields, None) {
            Ok(answer) => answer,
            Err(fault) => {
                let text = format!("the answer to a wrong token {}", fault.message());
                return self.report.fail(&text, "RFC 9112 §4", "answer 401 with error=\"invalid_token\"");
            }
        };
        let remedy = "answer 401 with error=\"invalid_token\": only then does a client refresh its token";
        match answer.status {
            401 => {
                let challenges = answer.fields(gate::CHALLENGE).filter_map(challenge::parse).flatten();
                let errors: Vec<_> = challenges
                    .filter(|one| one.scheme.eq_ignore_ascii_case("Bearer"))
                    .filter_map(|one| one.parameter("error").map(|error| error.value.clone()))
                    .collect();
                match errors.first().map(String::as_str) {
                    Some("invalid_token") => {
                        self.report.ok("a wrong token is answered 401 with error=\"invalid_token\"", clause);
                    }
                    other => {
                        let seen =
                            other.map_or("no error".to_owned(), |error| format!("error {}", shown(error)));
                        let text =
                            format!("a wrong token is answered 401 with {seen}, not \"invalid_token\"");
                        self.report.warn(&text, clause, remedy);
                    }
                }
            }
            200..300 => self.report.fail_open(
                &format!(
                    "a wrong token is answered {}: the gate lets anybody in who brings one",
                    answer.status
                ),
                clause,
                "check the token: who made it, for whom, until when",
            ),
            403 => self.report.fail(
                "a wrong token is answered 403, so a client whose token has expired gives up",
                clause,
                remedy,
            ),
            status => {
                let text = format!("a wrong token is answered {status}, not 401");
                self.report.fail(&text, clause, remedy);
            }
        }
    }

    /// Reads a metadata document as the SDKs do; what stops them is reported.
    fn document(&mut self, url: &Url, clause: &str) -> Read {
        let at = shown(url.text());
        let answer = match self.send("GET", url, &DOCUMENT_FIELDS, Some(limits::ANSWER_BYTES_MAX)) {
            Ok(answer) => answer,
            Err(fault) => {
                let text = format!("{at}: the answer {}", fault.message());
                self.report.fail(&text, "RFC 9112 §6.3", "answer with a short JSON document");
                return Read::Wrong;
            }
        };
        match answer.status {
            200 => {}
            300..400 => {
                let text = format!("{at} redirects to {}", location(&answer));
                self.report.fail(
                    &text,
                    clause,
                    "answer there itself, with 200: clients follow no redirect to metadata",
                );
                return Read::Wrong;
            }
            429 | 500.. => {
                let text = format!("{at} is answered {}, and clients stop there", answer.status);
                self.report.fail(
                    &text,
                    clause,
                    "answer 404 where nothing is, and clients look at the next place",
                );
                return Read::Wrong;
            }
            400..500 => return Read::Absent(answer.status),
            status => {
                self.report.fail(
                    &format!("{at} is answered {status}, not 200"),
                    clause,
                    "answer 200 with the document",
                );
                return Read::Wrong;
            }
        }
        let types: Vec<_> = answer.fields("content-type").collect();
        let media_type = types.first().and_then(|value| value.split(|octet| *octet == b';').next());
        let is_json =
            media_type.is_some_and(|own| own.trim_ascii().eq_ignore_ascii_case(b"application/json"));
        let seen = types.first().map_or("no type".to_owned(), |value| format!("as {}", shown(value)));
        let wrong = match answer.body.map(|octets| json::parse(&octets)) {
            Ok(Ok(members @ Value::Object(_))) => {
                if !is_json {
                    let text = format!("{at} comes {seen}, and not every client reads it then");
                    self.report.warn(&text, clause, "send Content-Type: application/json");
                }
                return Read::Found(members);
            }
            Ok(Ok(_)) => format!("{at} is not a JSON object"),
            Ok(Err(error)) => format!("{at} is no JSON that can be read in one way ({seen}): {error}"),
            Err(fault) => format!("{at}: the answer {}", fault.message()),
        };
        let remedy =
            "answer with the document, as application/json; where there is none, with 404, not with a page";
        self.report.fail(&wrong, clause, remedy);
        Read::Wrong
    }
}

/// What became of reading a metadata document.
enum Read {
    Found(Value),
    /// It isn't there, and a client looks elsewhere.
    Absent(u16),
    /// It is there and stops a client; that has been reported.
    Wrong,
}

/// Where a redirect goes, as it is printed.
fn location(answer: &Answer) -> String {
    answer.fields("location").next().map_or("nowhere".to_owned(), shown)
}

/// Whether a list in a header field holds this name, or everything.
fn lists(answer: &Answer, field: &str, name: &str) -> bool {
    // Fetch §3.3.4: `*` doesn't stand for `Authorization`.
    let fits = |item: &[u8]| {
        item.eq_ignore_ascii_case(name.as_bytes())
            || (item == b"*" && !name.eq_ignore_ascii_case("authorization"))
    };
    answer
        .fields(field)
        .flat_map(|value| value.split(|octet| *octet == b','))
        .any(|item| fits(item.trim_ascii()))
}

/// Whether the page of [`PAGE`] may read this answer.
fn allows_page(answer: &Answer) -> bool {
    let values: Vec<_> = answer.fields("access-control-allow-origin").collect();
    matches!(values[..], [value] if value == b"*" || value == PAGE.as_bytes())
}

/// Whether a resource covers a URL as the SDKs judge: the same origin, and its path a beginning of the URL's, segment by
/// segment; a path that is longer by a slash doesn't.
fn covers(resource: &Url, url: &Url) -> bool {
    let (own, called) = (&resource.path, &url.path);
    resource.origin == url.origin
        && own.len() <= called.len()
        && format!("{}/", url.trimmed_path()).starts_with(&format!("{}/", resource.trimmed_path()))
}

/// RFC 8414 §3.1 puts the well-known part before the issuer's path, OpenID Connect behind it; clients try all.
fn server_candidates(issuer: &Url) -> Vec<Url> {
    let (oauth, openid) = (site::SERVER_METADATA, "/.well-known/openid-configuration");
    match issuer.trimmed_path() {
        "" => vec![issuer.at(oauth), issuer.at(openid)],
        path => vec![
            issuer.at(&format!("{oauth}{path}")),
            issuer.at(&format!("{openid}{path}")),
            issuer.at(&format!("{path}{openid}")),
        ],
    }
}

/// Why a server names another URL than the one that it is called by, and what to do.
fn mismatch(called: &Url, named: &Url) -> String {
    let is_local = |url: &Url| {
        let host = url.host().trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    };
    let public = "give the server its public URL, and let it build every URL from that";
    let (scheme, host) = (called.origin.is_https() == named.origin.is_https(), called.host() == named.host());
    match () {
        () if !scheme && !named.origin.is_https() => format!(
            "the server stands behind a proxy that speaks https and doesn't know it: {public} (or let it trust \
             X-Forwarded-Proto from that proxy)"
        ),
        () if !scheme => "give people the https URL, or start the server for plain http".to_owned(),
        () if !host && is_local(called) && is_local(named) => format!(
            "{} and {} are different hosts to a client: give people the URL that the documents name, or name the host \
             that was called",
            shown(called.host()),
            shown(named.host())
        ),
        () if !host => format!("the documents name another host: {public}"),
        () if called.origin != named.origin => {
            format!("the port differs, as it does behind a proxy or in a container: {public}")
        }
        () if called.trimmed_path() == named.trimmed_path() => {
            "a slash at the end differs: name the URL as people type it".to_owned()
        }
        () => "the path differs: name the endpoint's own path, as people type it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    #[test]
    fn covers_what_lies_below() {
        for (resource, called, expected) in [
            ("https://h/mcp", "https://h/mcp", true),
            ("https://H:443/mcp", "https://h/mcp", true),
            ("https://h", "https://h/mcp", true),
            ("https://h/a", "https://h/a/mcp", true),
            ("https://h/mcp", "https://h/mcp/", true),
            ("https://h/mcp/", "https://h/mcp", false),
            ("https://h/mc", "https://h/mcp", false),
            ("https://h/mcp/x", "https://h/mcp", false),
            ("http://h/mcp", "https://h/mcp", false),
            ("https://h:8443/mcp", "https://h/mcp", false),
            ("http://localhost/mcp", "http://127.0.0.1/mcp", false),
        ] {
            assert_eq!(covers(&url(resource), &url(called)), expected, "{resource} for {called}");
        }
    }

    #[test]
    fn looks_for_a_server_where_clients_do() {
        let places = |issuer| server_candidates(&url(issuer)).iter().map(Url::target).collect::<Vec<_>>();
        let root = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
        assert_eq!(places("https://h"), root);
        assert_eq!(places("https://h/"), root);
        let tenant = [
            "/.well-known/oauth-authorization-server/t",
            "/.well-known/openid-configuration/t",
            "/t/.well-known/openid-configuration",
        ];
        assert_eq!(places("https://h/t"), tenant);
        assert_eq!(places("https://h/t/"), tenant);
    }

    #[test]
    fn names_the_usual_mistake() {
        for (called, named, says) in [
            ("https://h/mcp", "http://h/mcp", "proxy that speaks https"),
            ("https://h/mcp", "http://localhost:3000/mcp", "proxy that speaks https"),
            ("http://127.0.0.1:1/mcp", "https://h/mcp", "give people the https URL"),
            ("http://127.0.0.1:1/mcp", "http://localhost:1/mcp", "different hosts to a client"),
            ("https://h/mcp", "https://other/mcp", "another host"),
            ("https://h/mcp", "https://h:3000/mcp", "the port differs"),
            ("https://h/mcp", "https://h/mcp/", "a slash at the end"),
            ("https://h/mcp", "https://h/sse", "the path differs"),
        ] {
            let remedy = mismatch(&url(called), &url(named));
            assert!(remedy.contains(says), "{named} for {called}: {remedy}");
        }
    }
}
