//! `epicme doctor`: sends another server the requests that an MCP client sends before it has a token, and says
//! where a client would stop, why, and what mends it.
//!
//! Knows nothing of this server's own gate, journal or people. Invariant: the doctor registers no client, signs no
//! person in, and sends only one token, which is wrong on purpose. So an operator can point it at a server in use.
//! What stays there are lines in the log, and at a server that requires no token perhaps a session.
//!
//! One run is a *walk*: nine steps ([`report::STEPS`]). Steps 1 to 7 are in the order in which a client takes them.
//! Most steps need what an earlier one has found. A step that can't be taken is skipped with a reason, and the walk
//! goes on with those that can be: an operator wants to see all mistakes at once, where a client stops at the first.
//!
//! What counts as a mistake is decided by what clients do, and not by the wording of a specification alone:
//!
//! - A *failure* stops a client that follows the current version of the specification, or one of the SDKs
//!   (TypeScript, Python, rmcp). Each SDK has been run against a server with just that mistake.
//! - A *warning* stops some clients only, above all those that run in a browser.
//!
//! Speed doesn't matter here, and the size of the program does. So the functions that many lines call are marked
//! `#[inline(never)]`: otherwise the compiler copies them into each of those lines.

mod bearer;
mod browser;
pub(crate) mod challenge;
pub(crate) mod diagram;
mod document;
mod first_request;
pub(crate) mod json;
mod report;
mod resource_metadata;
mod server_metadata;
pub(crate) mod terminal;
pub(crate) mod url;

pub(crate) use self::report::{Progress, Report};
use self::report::{Recorder, RoundTrip, STEPS, shown};
use self::url::{ConnectMap, Url};
use crate::actor::Actor;
use crate::http::client::{self, Answer, Bounds, ClientError, Request};
use crate::limits;
use crate::site;

/// The body of every POST: the first message of a client that begins in the way of the versions with `initialize`, as
/// most clients do. A server that checks the token first never reads it.
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"epicme-doctor","version":"1"}}}"#;
/// Names the doctor in the other server's log, so that its operator can tell these requests from an attack.
const AGENT: (&str, &str) = ("User-Agent", concat!("epicme-doctor/", env!("CARGO_PKG_VERSION")));
/// The fields that the SDKs send when they look for metadata. No compressed answer is accepted, because the reader of
/// answers knows no compression.
const DOCUMENT_FIELDS: [(&str, &str); 4] = [
    AGENT,
    ("Accept", "application/json"),
    ("Accept-Encoding", "identity"),
    ("MCP-Protocol-Version", "2025-11-25"),
];
/// The fields of a client's POST to the MCP endpoint (2025-11-25 transports, Sending Messages to the Server).
const POST_FIELDS: [(&str, &str); 3] =
    [AGENT, ("Accept", "application/json, text/event-stream"), ("Content-Type", "application/json")];
/// The origin of a web page as the MCP Inspector serves it.
const PAGE: &str = "http://localhost:6274";
/// A token that no server has issued.
const WRONG_TOKEN: &str = "epicme-doctor-is-no-token";
/// A redirect URI at which no program listens: port 9 is that of `discard`. If the other server does redirect to
/// it, no code gets into wrong hands.
const NO_CALLBACK: &str = "http://127.0.0.1:9/epicme-doctor";

/// Where a request goes, and who sends it in the story of a client.
#[derive(Clone, Copy)]
struct Hop<'u> {
    from: Actor,
    to: Actor,
    url: &'u Url,
}

impl Hop<'_> {
    /// From the client to the server with the endpoint. A client in a web page is a client too: its browser isn't the
    /// one in which the person signs in.
    fn to_gate(url: &Url) -> Hop<'_> {
        Hop { from: Actor::Client, to: Actor::Gate, url }
    }

    /// From the client to the authorization server.
    fn to_server(url: &Url) -> Hop<'_> {
        Hop { from: Actor::Client, to: Actor::AuthorizationServer, url }
    }

    /// From the browser in which the person signs in.
    fn to_page(url: &Url) -> Hop<'_> {
        Hop { from: Actor::WebBrowser, to: Actor::AuthorizationServer, url }
    }
}

/// Walks to `url`, and gives the report. It tells `watcher` of each step and finding as soon as it is known: a step can
/// take as long as the other server does.
pub(crate) fn walk(url: &Url, connect_map: &ConnectMap, watcher: &mut dyn FnMut(Progress)) -> Report {
    let mut doctor = Doctor { url, connect_map, report: Recorder::new(url, watcher) };
    doctor.walk();
    doctor.report.end()
}

/// One walk: the URL that the person gives to their client, where its origins are reached, and the findings so far.
struct Doctor<'d> {
    url: &'d Url,
    connect_map: &'d ConnectMap,
    report: Recorder<'d>,
}

impl Doctor<'_> {
    /// Takes the nine steps. What one step finds is what a later one needs: the 401 holds the challenge, the
    /// challenge names the first document, that document names the issuer of the second one, and that one names the
    /// authorization endpoint. A client has nothing else to go by, and so the doctor uses nothing else.
    fn walk(&mut self) {
        self.judge_url();
        if !self.connect() {
            return self.skip_from(3, "needs the connection of step 2");
        }
        let Some(unauthorized) = self.send_without_token() else {
            return self.skip_from(4, "needs the 401 of step 3");
        };
        let named = self.judge_challenge(&unauthorized);
        let resource = self.find_resource(named);
        let server = match &resource {
            Some(resource) => self.find_server(resource),
            None => {
                self.skip_step(6, "needs the metadata of step 5");
                None
            }
        };
        match &server {
            Some(server) => self.authorize(server),
            None => self.skip_step(7, "needs the metadata of step 6"),
        }
        self.judge_browser_access([resource, server]);
        self.send_wrong_token();
    }

    /// Skips this step and all later ones. They are printed all the same, so that a report always has nine steps.
    fn skip_from(&mut self, number: usize, why: &str) {
        for number in number..=STEPS.len() {
            self.skip_step(number, why);
        }
    }

    fn skip_step(&mut self, number: usize, why: &str) {
        self.report.step(number);
        self.report.skip(why);
    }

    /// Sends one request to the address at which the URL's origin is reached, and records it with its answer.
    ///
    /// `localhost` has two addresses. The second one is tried only where the first accepts no connection, as the
    /// resolver of a client's system does it. An answer, however wrong, is the answer.
    #[inline(never)]
    fn send(
        &mut self,
        method: &str,
        hop: Hop,
        fields: &[(&str, &str)],
        body_bytes_max: Option<usize>,
    ) -> Result<Answer, ClientError> {
        let body = if method == "POST" { INITIALIZE.as_bytes() } else { b"" };
        let bounds = Bounds { deadline: limits::ANSWER_DEADLINE, body_bytes_max };
        let Hop { from, to, url } = hop;
        let mut last = Err(ClientError::Gone);
        for address in self.connect_map.to(&url.origin) {
            let (host, target) = (url.origin.authority(), &url.target());
            last = client::send(&Request { address, method, host, target, fields, body }, bounds);
            if !matches!(last, Err(ClientError::Refused | ClientError::Silent)) {
                break;
            }
        }
        let answer = last.as_ref().map(|answer| answer.status).map_err(|error| *error);
        self.report.exchange(RoundTrip { from, to, method: method.to_owned(), url: url.clone(), answer });
        last
    }

    /// The path of the protected resource metadata. RFC 9728 §3.1 puts the well-known part before the resource's own
    /// path, and not behind it: one server can then serve the metadata of all resources of its host.
    fn resource_metadata_path(&self) -> String {
        format!("{}{}", site::RESOURCE_METADATA_ROOT, self.url.trimmed_path())
    }

    /// Checks whether codes and tokens can be sent to this URL. If not, the report says so.
    ///
    /// Plain http is good for a server on this machine, where it crosses no network. That holds only if the MCP
    /// endpoint is reached in this way too: a public server that names `http://localhost` means its own machine,
    /// and to the client that name means another one.
    fn is_safe(&mut self, what: &str, text: &str, url: &Url) -> bool {
        let clause = "MCP authorization, Communication Security";
        if url.origin.is_https() || (!self.url.origin.is_https() && url.keeps_secrets()) {
            return true;
        }
        // Where the host is the same, the server knows its own name and only takes the scheme for another one.
        let remedy = if url.host() == self.url.host() {
            mismatch(self.url, url)
        } else {
            "serve it over https, and name it so".to_owned()
        };
        self.report.fail(
            &format_args!("{what} is {}, plain http, where secrets travel in the clear", shown(text)),
            clause,
            &remedy,
        );
        false
    }

    /// Checks whether the doctor can reach this URL from here. If not, the verdict stays open: a client on another
    /// machine, or one that speaks TLS, may well reach it.
    fn is_reached(&mut self, what: &str, url: &Url) -> bool {
        if !self.connect_map.to(&url.origin).is_empty() {
            return true;
        }
        let origin = shown(url.origin.as_str());
        self.report.skip_undecided(
            &format_args!("{what} at {origin} was not checked: it can't be reached from here"),
            &format_args!(
                "let a proxy forward a port of this machine to it, and add {}=127.0.0.1:PORT to --connect, after a \
                 comma if --connect has a value already",
                url.origin.as_str()
            ),
        );
        false
    }

    /// Checks that connections are accepted at an endpoint to which no request can be sent without leaving
    /// something behind: a registration would leave a client there. If none is accepted, the clients that need the
    /// endpoint stop.
    #[inline(never)]
    fn probe(&mut self, name: &str, url: &Url, all_need_it: bool) {
        let addresses = self.connect_map.to(&url.origin);
        if addresses.is_empty() {
            if all_need_it {
                self.is_reached(name, url);
            }
            return;
        }
        let mut seen = Ok(());
        for address in addresses {
            seen = client::reach(address, limits::ANSWER_DEADLINE);
            if seen.is_ok() {
                return;
            }
        }
        let Err(error) = seen else { return };
        let text = format!("{name}: the answer {}", error.message());
        let remedy = format!(
            "start the server that should listen at {}, or correct {name}",
            shown(url.origin.as_str())
        );
        if all_need_it {
            self.report.fail(&text, "RFC 8414 §2", &remedy);
        } else {
            self.report.warn(&text, "RFC 8414 §2", &remedy);
        }
    }
}

/// The target of a redirect, as it is printed.
#[inline(never)]
fn location(answer: &Answer) -> String {
    answer.fields("location").next().map_or("nowhere".to_owned(), |at| shown(at).to_string())
}

/// Explains why a server names another URL than the one that the client calls, and says what to do.
///
/// This is the most common mistake in the field. A server builds its URLs from what it sees of a request, and
/// behind a proxy it sees another scheme, host or port than the client. Clients compare these URLs strictly, since
/// a server that could name another host could have tokens sent there. The usual causes are tried from the scheme
/// on, because a wrong scheme often brings a wrong port with it.
fn mismatch(called: &Url, named: &Url) -> String {
    let public = "give the server its public URL, and let it build every URL from that";
    if called.origin.is_https() && !named.origin.is_https() {
        format!(
            "the server stands behind a proxy that speaks https and doesn't know it: {public} (or let it trust \
             X-Forwarded-Proto from that proxy)"
        )
    } else if called.origin.is_https() != named.origin.is_https() {
        "give people the https URL, or start the server for plain http".to_owned()
    } else if called.host() != named.host() && url::is_near(&called.origin) && url::is_near(&named.origin) {
        // `localhost` and `127.0.0.1` are one machine and yet two origins: to a client they differ like any two
        // hosts.
        format!(
            "{} and {} are different hosts to a client: give people the URL that the documents name, or name the host \
             that was called",
            shown(called.host()),
            shown(named.host())
        )
    } else if called.host() != named.host() {
        format!("the documents name another host: {public}")
    } else if called.origin != named.origin {
        format!("the port differs, as it does behind a proxy or in a container: {public}")
    } else if called.trimmed_path() == named.trimmed_path() {
        // Some URL types of programming languages add a slash to a URL without a path.
        "a slash at the end differs: name the URL as people type it".to_owned()
    } else {
        "the path differs: name the endpoint's own path, as people type it".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
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
