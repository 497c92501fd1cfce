//! Steps 1 to 4 and 9: the connection, the knock without a token, its challenge, and the knock with a wrong one.
//!
//! Knows no metadata. What a client learns here is where the metadata is.

use std::net::SocketAddr;

use super::challenge::{self, Challenge};
use super::report::shown;
use super::url::{self, Url};
use super::{AGENT, Doctor, POST_FIELDS, WRONG_TOKEN, location, mismatch};
use crate::gate;
use crate::limits;
use crate::outgoing::{self, Answer, Fault};

impl Doctor<'_> {
    pub(super) fn form(&mut self) {
        self.report.step(1);
        let text = shown(self.url.text());
        let clause = "OAuth 2.1 §1.5";
        match (self.ways.forwarded(&self.url.origin), self.url.keeps_secrets()) {
            (_, false) => self.report.fail(
                &format_args!("{text} is plain http to another machine: tokens would travel in the clear"),
                clause,
                &"serve it over https; a proxy in front can do that",
            ),
            (Some(address), true) => {
                self.report.ok(&format_args!("{text}, reached through {address}"), clause);
            }
            (None, true) => self.report.ok(&format_args!("{text} is plain http to this machine"), clause),
        }
        if !self.url.query.is_empty() {
            self.report.warn(
                &"the URL has a query, which a resource identifier should not have",
                "RFC 8707 §2",
                &"give people a URL without a ?",
            );
        }
    }

    pub(super) fn connection(&mut self) -> bool {
        self.report.step(2);
        let clause = "RFC 9293 §3.5";
        let addresses = self.ways.to(&self.url.origin);
        let mut is_silent = false;
        let mut reached = |address: &SocketAddr| {
            let seen = outgoing::reach(*address, limits::ANSWER_DEADLINE);
            is_silent |= seen == Err(Fault::Silent);
            seen.is_ok()
        };
        let (open, shut): (Vec<_>, Vec<_>) = addresses.iter().partition(|address| reached(address));
        let nobody = if is_silent { "nobody answers in time" } else { "nobody accepts a connection" };
        let listed = |addresses: &[SocketAddr]| {
            addresses.iter().map(|address| address.to_string()).collect::<Vec<_>>().join(" and ")
        };
        if open.is_empty() {
            let remedy =
                "start the server, look at the port, and see that nothing between here and there drops it";
            self.report.fail(&format_args!("{nobody} at {}", listed(&shut)), clause, &remedy);
            return false;
        }
        self.report.ok(&format_args!("connected to {}", listed(&open)), clause);
        if !shut.is_empty() {
            self.report.warn(
                &format_args!(
                    "{nobody} at {}: localhost is both, and some clients try one only",
                    listed(&shut)
                ),
                clause,
                &"listen on both 127.0.0.1 and [::1], or give people the URL with the address that answers",
            );
        }
        true
    }

    /// The 401, which everything else follows from.
    pub(super) fn knock(&mut self) -> Option<Answer> {
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
                    Fault::TooManyFields => "send fewer header fields; a proxy may add some",
                    Fault::LineEnd | Fault::Framing => {
                        "mend what writes the head, the server or a proxy before it: clients refuse it as it is"
                    }
                    Fault::Gone if self.ways.forwarded(&self.url.origin).is_some() => {
                        "see what the proxy says: it may not reach the server, or not trust its certificate"
                    }
                    _ => "answer 401 from the head alone: no token, no work, no reading of the body",
                };
                self.report.fail(
                    &format_args!("the answer to POST {path} {}", fault.message()),
                    "RFC 9112 §4",
                    &remedy,
                );
                return None;
            }
        };
        let status = answer.status;
        if status != 401 {
            self.refused_otherwise(&answer);
            return None;
        }
        self.report.ok(&format_args!("POST {path} without a token is answered 401"), clause);
        let stream = [AGENT, ("Accept", "text/event-stream")];
        match self.send("GET", self.url, &stream, None).map(|answer| answer.status) {
            Ok(401) => self.report.ok(&format_args!("GET {path} is answered 401 too"), clause),
            other => {
                let seen = other.map_or("no whole answer".to_owned(), |status| status.to_string());
                self.report.warn(
                    &format_args!("GET {path} without a token gets {seen}: the gate guards POST alone"),
                    "MCP authorization, Token Requirements",
                    &"ask for a token whatever the method, OPTIONS alone excepted",
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
                return self.report.fail_open(&text, gated, &remedy);
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
        self.report.fail(&format_args!("POST {path} without a token {seen}: {why}"), gated, &remedy);
    }

    /// Judges the challenge, and gives the metadata URL that it names, if a client would go there.
    pub(super) fn challenge(&mut self, knock: &Answer) -> Option<Url> {
        self.report.step(4);
        self.cacheable(knock);
        let bearer = self.bearer(knock)?;
        if bearer.parameter("error").is_some() {
            self.report.warn(
                &"the challenge holds an error although no token was sent",
                "RFC 6750 §3.1",
                &"leave error out until a token was presented: a client may take it for a token gone bad",
            );
        }
        let named = self.named_metadata(&bearer);
        match bearer.parameter("scope") {
            Some(scope) if scope.quoted => {
                self.report.ok(&format_args!("it asks for the scope {}", shown(&scope.value)), "RFC 6750 §3");
            }
            Some(_) => self.report.warn(
                &"scope is not quoted, so only its first word can be read",
                "RFC 9110 §11.2",
                &"write scope=\"...\"",
            ),
            None => self.report.ok(
                &"it names no scope: clients ask for all of the metadata's scopes_supported",
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
                &"a cache may keep the 401 and give it to who brings a token",
                "RFC 9111 §5.2.2",
                &"send Cache-Control: no-store with it",
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
            self.report.warn(&format_args!("the 401 has no {name}: {fallback}"), "RFC 9110 §15.5.2", &form);
            return None;
        }
        let Some(challenges) = fields.iter().map(|field| challenge::parse(field)).collect::<Option<Vec<_>>>()
        else {
            let text = format!("{name} can't be read: {}", shown(fields.join(&b", "[..])));
            self.report.warn(&format_args!("{text}: {fallback}"), "RFC 9110 §11.6.1", &form);
            return None;
        };
        let challenges = challenges.concat();
        let mut bearers = challenges.iter().filter(|one| one.scheme.eq_ignore_ascii_case("Bearer"));
        let Some(bearer) = bearers.next() else {
            let schemes: Vec<_> = challenges.iter().map(|one| one.scheme.as_str()).collect();
            self.report.warn(
                &format_args!("{name} offers {}, not Bearer: {fallback}", shown(schemes.join(", "))),
                "RFC 6750 §3",
                &form,
            );
            return None;
        };
        let first = &challenges[0].scheme;
        if bearers.next().is_some() {
            self.report.warn(
                &"there are several Bearer challenges, and clients differ over which they read",
                "RFC 9110 §11.6.1",
                &"send one, with all its parameters",
            );
        } else if !first.eq_ignore_ascii_case("Bearer") {
            self.report.warn(
                &format_args!(
                    "{} stands before the Bearer challenge, and some clients read the first alone",
                    shown(first)
                ),
                "RFC 9110 §11.6.1",
                &"send the Bearer challenge first, or alone",
            );
        } else {
            self.report.ok(&format_args!("{name} has a Bearer challenge"), "RFC 6750 §3");
        }
        Some(bearer.clone())
    }

    fn named_metadata(&mut self, bearer: &Challenge) -> Option<Url> {
        let clause = "RFC 9728 §5.1";
        let Some(named) = bearer.parameter("resource_metadata") else {
            let at = self.url.at(&self.path_form()).text();
            self.report.warn(
                &"the challenge names no resource_metadata, so clients guess where it is",
                clause,
                &format_args!("add resource_metadata=\"{at}\""),
            );
            return None;
        };
        if !named.quoted {
            self.report.warn(
                &"resource_metadata is not quoted; a URL is no token, and some clients read the quoted form alone",
                "RFC 9110 §11.2",
                &"write resource_metadata=\"...\"",
            );
        }
        let text = format!("resource_metadata is {}", shown(&named.value));
        let Some(url) = Url::parse(&named.value) else {
            self.report.fail(&format_args!("{text}, {}", Url::fault(&named.value)), clause, &url::REMEDY);
            return None;
        };
        if url.origin != self.url.origin {
            let remedy = mismatch(self.url, &url);
            self.report.fail(
                &format_args!("{text}, another origin than {}", shown(self.url.origin.as_str())),
                clause,
                &remedy,
            );
            return None;
        }
        self.report.ok(&text, clause);
        Some(url)
    }

    pub(super) fn wrong_token(&mut self) {
        self.report.step(9);
        let clause = "RFC 6750 §3.1";
        let authorization = format!("Bearer {WRONG_TOKEN}");
        let fields = [&POST_FIELDS[..], &[("Authorization", authorization.as_str())]].concat();
        let answer = match self.send("POST", self.url, &fields, None) {
            Ok(answer) => answer,
            Err(fault) => {
                return self.report.fail(
                    &format_args!("the answer to a wrong token {}", fault.message()),
                    "RFC 9112 §4",
                    &"answer 401 with error=\"invalid_token\"",
                );
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
                        self.report.ok(&"a wrong token is answered 401 with error=\"invalid_token\"", clause);
                    }
                    other => {
                        let seen =
                            other.map_or("no error".to_owned(), |error| format!("error {}", shown(error)));
                        let text =
                            format!("a wrong token is answered 401 with {seen}, not \"invalid_token\"");
                        self.report.warn(&text, clause, &remedy);
                    }
                }
            }
            200..300 => self.report.fail_open(
                &format_args!(
                    "a wrong token is answered {}: the gate lets anybody in who brings one",
                    answer.status
                ),
                clause,
                &"check the token: who made it, for whom, until when",
            ),
            403 => self.report.fail(
                &"a wrong token is answered 403, so a client whose token has expired gives up",
                clause,
                &remedy,
            ),
            status => {
                self.report.fail(
                    &format_args!("a wrong token is answered {status}, not 401"),
                    clause,
                    &remedy,
                );
            }
        }
    }
}
