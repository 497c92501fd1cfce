//! Walks another server's front door as an MCP client does, and says where a client would stop, and why.
//!
//! Knows nothing of this server's own gate, journal or people. Invariant: it asks only what leaves nothing behind: it
//! registers no client, signs nobody in, and sends no token but one that is wrong on purpose.
//!
//! Nothing here is in a hurry, so what many lines call is kept from being copied into each: `#[inline(never)]`.
//!
//! What stops a client that goes by the current revision, or one of the SDKs, is a failure. What only some clients trip
//! over, browsers above all, is a warning.

mod browser;
pub mod challenge;
mod knock;
mod metadata;
pub mod report;
pub mod url;

use serde_json::Value;

pub use self::report::Verdict;
use self::report::{Report, STEPS, shown};
use self::url::{Url, Ways};
use crate::limits;
use crate::outgoing::{self, Answer, Bounds, Fault, Outgoing};
use crate::site;

/// What a client that knows no token yet sends first.
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"epicme-doctor","version":"1"}}}"#;
/// Who asks, for the other server's log.
const AGENT: (&str, &str) = ("User-Agent", concat!("epicme-doctor/", env!("CARGO_PKG_VERSION")));
/// What the SDKs send when they look for metadata.
const DOCUMENT_FIELDS: [(&str, &str); 4] = [
    AGENT,
    ("Accept", "application/json"),
    ("Accept-Encoding", "identity"),
    ("MCP-Protocol-Version", "2025-11-25"),
];
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

/// One walk: where it goes, the ways there, and what was found so far.
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
            None => {
                self.skip_step(6, "needs the metadata of step 5");
                None
            }
        };
        match &server {
            Some(server) => self.authorize(server),
            None => self.skip_step(7, "needs the metadata of step 6"),
        }
        self.browsers([resource, server]);
        self.wrong_token();
    }

    fn skip_from(&mut self, number: usize, why: &str) {
        for number in number..=STEPS.len() {
            self.skip_step(number, why);
        }
    }

    fn skip_step(&mut self, number: usize, why: &str) {
        self.report.step(number);
        self.report.skip(why);
    }

    /// Sends one request to wherever the URL's origin is reached.
    #[inline(never)]
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
            if !matches!(last, Err(Fault::Refused | Fault::Silent)) {
                break;
            }
        }
        last
    }

    /// RFC 9728 §3.1: the well-known part stands before the resource's path.
    fn path_form(&self) -> String {
        format!("{}{}", site::RESOURCE_METADATA_ROOT, self.url.trimmed_path())
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
        self.report.fail(
            &format_args!("{what} is {}, plain http, where secrets travel in the clear", shown(text)),
            clause,
            &remedy,
        );
        false
    }

    /// Whether this URL can be walked from here; if not, the verdict stays open.
    fn is_reached(&mut self, what: &str, url: &Url) -> bool {
        if !self.ways.to(&url.origin).is_empty() {
            return true;
        }
        let origin = shown(url.origin.as_str());
        self.report.skip_undecided(
            &format_args!("{what} at {origin} was not walked: it can't be reached from here"),
            &format_args!(
                "let a proxy forward a port of this machine to it, and add to --connect, behind a comma if there is \
                 something already: {}=127.0.0.1:PORT",
                url.origin.as_str()
            ),
        );
        false
    }

    /// Looks whether anybody is at an endpoint that can't be asked without leaving something behind; the clients that
    /// need it are stopped when nobody is, be they all or some.
    #[inline(never)]
    fn look(&mut self, name: &str, url: &Url, all_need_it: bool) {
        let addresses = self.ways.to(&url.origin);
        if addresses.is_empty() {
            if all_need_it {
                self.is_reached(name, url);
            }
            return;
        }
        let mut seen = Ok(());
        for address in addresses {
            seen = outgoing::reach(address, limits::ANSWER_DEADLINE);
            if seen.is_ok() {
                return;
            }
        }
        let Err(fault) = seen else { return };
        let text = format!("{name}: the answer {}", fault.message());
        let remedy = format!("start what is to listen at {}, or correct {name}", shown(url.origin.as_str()));
        match all_need_it {
            true => self.report.fail(&text, "RFC 8414 §2", &remedy),
            false => self.report.warn(&text, "RFC 8414 §2", &remedy),
        }
    }
}

/// Where a redirect goes, as it is printed.
#[inline(never)]
fn location(answer: &Answer) -> String {
    answer.fields("location").next().map_or("nowhere".to_owned(), |at| shown(at).to_string())
}

/// Why a server names another URL than the one that it is called by, and what to do.
fn mismatch(called: &Url, named: &Url) -> String {
    let public = "give the server its public URL, and let it build every URL from that";
    let (scheme, host) = (called.origin.is_https() == named.origin.is_https(), called.host() == named.host());
    match () {
        () if !scheme && !named.origin.is_https() => format!(
            "the server stands behind a proxy that speaks https and doesn't know it: {public} (or let it trust \
             X-Forwarded-Proto from that proxy)"
        ),
        () if !scheme => "give people the https URL, or start the server for plain http".to_owned(),
        () if !host && url::is_near(&called.origin) && url::is_near(&named.origin) => format!(
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
