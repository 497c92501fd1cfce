//! Steps 1 to 3, and 9: the URL, the connection, and the two requests that decide whether tokens are checked at
//! all: one without a token, and one with a wrong token.
//!
//! Knows no metadata, and of a challenge only its `error`. A client learns here whether it needs a token; where it
//! gets one, it learns from the challenge (`bearer.rs`).

use std::net::SocketAddr;

use super::challenge;
use super::report::shown;
use super::{AGENT, Doctor, Hop, POST_FIELDS, WRONG_TOKEN, location};
use crate::http::WWW_AUTHENTICATE;
use crate::http::client::{self, Answer, ClientError};
use crate::limits;

impl Doctor<'_> {
    /// Step 1: whether a token can travel to this URL without being read on the way.
    ///
    /// Plain http to this machine is no mistake: the connection crosses no network, and that is how people try a
    /// server out. OAuth 2.1 §1.5 makes this exception for redirect URIs alone; the SDKs make it for servers too.
    pub(super) fn judge_url(&mut self) {
        self.report.step(1);
        let text = shown(self.url.text());
        let clause = "OAuth 2.1 §1.5";
        match (self.connect_map.forwarded(&self.url.origin), self.url.keeps_secrets()) {
            (_, false) => self.report.fail(
                &format_args!("{text} is plain http to another machine: tokens would travel in the clear"),
                clause,
                &"serve it over https; a proxy in front can do that",
            ),
            // The URL doesn't show this address, and a wrong one would explain every later failure.
            (Some(address), true) => {
                self.report.ok(&format_args!("{text}, reached through {address}"), clause);
            }
            (None, true) => self.report.ok(&format_args!("{text} is plain http to this machine"), clause),
        }
        // The URL is the resource's identifier, which the client sends to the authorization server. A fragment
        // can't get this far: `Url::parse` refuses it.
        if !self.url.query.is_empty() {
            self.report.warn(
                &"the URL has a query, which a resource identifier should not have",
                "RFC 8707 §2",
                &"give people a URL without a ?",
            );
        }
    }

    /// Step 2: connects to each address and says whether one accepts.
    ///
    /// Every address is tried, and not just until one works. `localhost` is `127.0.0.1` and `::1`; many servers
    /// listen on one of them, and a client that tries the other one alone fails where a browser succeeds.
    pub(super) fn connect(&mut self) -> bool {
        self.report.step(2);
        let clause = "RFC 9293 §3.5";
        let addresses = self.connect_map.to(&self.url.origin);
        let mut is_silent = false;
        let mut reached = |address: &SocketAddr| {
            let seen = client::reach(*address, limits::ANSWER_DEADLINE);
            is_silent |= seen == Err(ClientError::Silent);
            seen.is_ok()
        };
        let (open, closed): (Vec<_>, Vec<_>) = addresses.iter().partition(|address| reached(address));
        // A refused connection means that no program listens there. Silence means that something on the way drops the
        // packets, most often a firewall.
        let missing =
            if is_silent { "no connection is answered in time" } else { "no connection is accepted" };
        let listed = |addresses: &[SocketAddr]| {
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
        };
        if open.is_empty() {
            let remedy =
                "start the server, check the port, and see that no firewall on the way drops the connection";
            self.report.fail(&format_args!("{missing} at {}", listed(&closed)), clause, &remedy);
            return false;
        }
        self.report.ok(&format_args!("connected to {}", listed(&open)), clause);
        if !closed.is_empty() {
            self.report.warn(
                &format_args!(
                    "{missing} at {}: localhost stands for both addresses, and some clients try only one",
                    listed(&closed)
                ),
                clause,
                &"listen on both 127.0.0.1 and [::1], or give people the URL with the address that answers",
            );
        }
        true
    }

    /// Step 3: sends what a client sends first, without a token. The answer must be a 401, from which everything
    /// else follows: only that status makes a client look for a challenge.
    ///
    /// A GET is sent too, because rmcp looks for the challenge by a GET. Another answer to that is only a warning:
    /// the clients that stop there are few.
    pub(super) fn send_without_token(&mut self) -> Option<Answer> {
        self.report.step(3);
        let path = shown(self.url.target());
        let clause = "RFC 9110 §15.5.2";
        // The body of the answer isn't read: clients don't read it either, and it may be a web page of any size.
        let answer = match self.send("POST", Hop::to_gate(self.url), &POST_FIELDS, None) {
            Ok(answer) => answer,
            Err(error) => {
                let remedy = match error {
                    // A TLS server answers a plain request with an alert, whose bytes aren't HTTP.
                    ClientError::Malformed => {
                        "find out which program listens there; if it speaks TLS, check its https URL, with a proxy that \
                         forwards a port to it and --connect"
                    }
                    // The HTTP libraries of some clients read 100 fields at most, or refuse a line that ends
                    // without CR.
                    ClientError::TooManyFields => "send fewer header fields; a proxy may add some",
                    ClientError::LineEnd | ClientError::Framing => {
                        "mend what writes the head, the server or a proxy before it: clients refuse it as it is"
                    }
                    ClientError::Gone if self.connect_map.forwarded(&self.url.origin).is_some() => {
                        "look at the proxy's own messages: it may not reach the server, or not trust its certificate"
                    }
                    // A slow answer or none: the server waits for something before it looks for a token.
                    _ => "answer 401 from the head alone: no token, no work, no reading of the body",
                };
                self.report.fail(
                    &format_args!("the answer to POST {path} {}", error.message()),
                    "RFC 9112 §4",
                    &remedy,
                );
                return None;
            }
        };
        if answer.status != 401 {
            self.explain_status(&answer);
            return None;
        }
        self.report.ok(&format_args!("POST {path} without a token is answered 401"), clause);
        let stream = [AGENT, ("Accept", "text/event-stream")];
        match self.send("GET", Hop::to_gate(self.url), &stream, None).map(|answer| answer.status) {
            Ok(401) => self.report.ok(&format_args!("GET {path} is answered 401 too"), clause),
            other => {
                let seen = other.map_or("no whole answer".to_owned(), |status| status.to_string());
                self.report.warn(
                    &format_args!("GET {path} without a token gets {seen}: only POST requires a token"),
                    "MCP authorization, Token Requirements",
                    &"require a token for every method but OPTIONS",
                );
            }
        }
        Some(answer)
    }

    /// Explains any answer to a request without a token but a 401.
    ///
    /// To a client all of these are the same: no 401, so no challenge, so no way to a token. To the operator they
    /// aren't. Each status has a usual cause, and the remedy is for that one; "not 401" alone would leave them to
    /// guess.
    fn explain_status(&mut self, answer: &Answer) {
        let status = answer.status;
        let (path, seen) = (shown(self.url.target()), format!("is answered {status}, not 401"));
        let clause = "RFC 9110 §15.5.2";
        let (why, remedy) = match status {
            // Not a matter of interoperability but of security, so the verdict is a different one.
            200..300 => {
                let text = format!("POST {path} without a token {seen}: the server requires no token");
                let remedy =
                    "answer 401 with a challenge to every request without a token, before reading its body";
                return self.report.fail_open(&text, clause, &remedy);
            }
            // A client that follows a redirect leaves `Authorization` out, as RFC 9110 §15.4 advises: the target
            // could be a server for which the token was not meant.
            300..400 => (
                format!("it redirects to {}", location(answer)),
                "clients don't take a token through a redirect: give people the URL that it ends at, or serve this one \
                 (frameworks often redirect a path to itself with a slash)",
            ),
            // The server has read the body before it has checked the token. So any stranger can make it read and
            // parse bodies, and a client whose first message it doesn't understand never gets the 401.
            400 | 406 | 411 | 413 | 415 | 422 => (
                "the request was judged before the token was".to_owned(),
                "check the token first, from the head alone: without one the answer is 401, whatever the body holds",
            ),
            // Frameworks answer this where a permission is missing, and some firewalls to every unknown
            // `User-Agent`. A client reads it as RFC 9110 §15.5.4 defines it: new credentials won't help.
            403 => (
                "to a client that means that asking for access is useless".to_owned(),
                "answer 401 to a request without a token; keep 403 for a valid token with too little scope. If the \
                 server checks Host, it may not know this name: give it its public URL, and let a proxy before it pass \
                 the Host header",
            ),
            // People type the host alone, or leave out the prefix under which a proxy serves the endpoint.
            404 => (
                "nothing is at this path".to_owned(),
                "correct the path: it must be that of the MCP endpoint, often /mcp",
            ),
            // The old transport took GET at one URL and POST at another.
            405 => (
                "this path takes no POST".to_owned(),
                "correct the path; a server of the old HTTP+SSE transport is to be replaced by Streamable HTTP",
            ),
            // Misdirected Request (RFC 9110 §15.5.20): a server that checks `Host` against DNS rebinding may answer
            // so.
            421 => (
                "the server doesn't know this host".to_owned(),
                "give the server its public URL, and let a proxy before it pass the Host header",
            ),
            // Each client begins with a request without a token, so such requests are many and harmless.
            429 => (
                "there were too many requests".to_owned(),
                "wait and try again; let the server allow more requests without a token",
            ),
            // 502 and 503 are a proxy's: the server behind it is down, or was looked for at another port.
            500.. => (
                "the server, or the proxy before it, fails before it checks the token".to_owned(),
                "look at the server's log: a missing token must be answered 401, and not end as an internal error",
            ),
            _ => ("clients have no rule for that status".to_owned(), "answer 401 with a challenge"),
        };
        self.report.fail(&format_args!("POST {path} without a token {seen}: {why}"), clause, &remedy);
    }

    /// Step 9: sends a token that no server has issued.
    ///
    /// To a client this is the more frequent case, since access tokens expire. It refreshes its token when it gets a
    /// 401, and reads in `error` that the token is the reason. And only here does it show whether the server checks
    /// tokens at all: one that merely looks whether there is an `Authorization` field passes step 3.
    ///
    /// The step is the last one, because a server may count wrong tokens and then refuse the address for a while.
    pub(super) fn send_wrong_token(&mut self) {
        self.report.step(9);
        let clause = "RFC 6750 §3.1";
        // The token has the characters of one (RFC 6750 §2.1), so a server can't refuse it for its form alone.
        let authorization = format!("Bearer {WRONG_TOKEN}");
        let fields = [&POST_FIELDS[..], &[("Authorization", authorization.as_str())]].concat();
        let answer = match self.send("POST", Hop::to_gate(self.url), &fields, None) {
            Ok(answer) => answer,
            Err(error) => {
                return self.report.fail(
                    &format_args!("the answer to a wrong token {}", error.message()),
                    "RFC 9112 §4",
                    &"answer 401 with error=\"invalid_token\"",
                );
            }
        };
        let remedy = "answer 401 with error=\"invalid_token\": only then does a client refresh its token";
        match answer.status {
            401 => self.judge_token_error(&answer, remedy),
            // The server looks whether there is a token, or only whether it can be decoded. OAuth 2.1 §5.2 has it
            // check who issued the token, its audience, its scope and its expiry.
            200..300 => self.report.fail_open(
                &format_args!("a wrong token is answered {}: the server accepts any token", answer.status),
                clause,
                &"check each token: which server issued it, for which audience, until when",
            ),
            // A 403 is for a good token with too little scope (RFC 6750 §3.1). Clients ask the person for more
            // scopes then, or give up; they don't refresh.
            403 => self.report.fail(
                &"a wrong token is answered 403, so a client whose token has expired gives up",
                clause,
                &remedy,
            ),
            // A 400 means a malformed request to a client, and a 500 an outage. It refreshes its token after neither.
            status => {
                self.report.fail(
                    &format_args!("a wrong token is answered {status}, not 401"),
                    clause,
                    &remedy,
                );
            }
        }
    }

    /// Judges the `error` of a 401 for a wrong token. Without it a client can't tell a bad token from a missing
    /// one; most refresh all the same, so this is a warning.
    fn judge_token_error(&mut self, answer: &Answer, remedy: &str) {
        let clause = "RFC 6750 §3.1";
        let challenges = answer.fields(WWW_AUTHENTICATE).filter_map(challenge::parse).flatten();
        let errors: Vec<_> = challenges
            .filter(|one| one.scheme.eq_ignore_ascii_case("Bearer"))
            .filter_map(|one| one.parameter("error").map(|error| error.value.clone()))
            .collect();
        match errors.first().map(String::as_str) {
            Some("invalid_token") => {
                self.report.ok(&"a wrong token is answered 401 with error=\"invalid_token\"", clause);
            }
            other => {
                let seen = other.map_or("no error".to_owned(), |error| format!("error {}", shown(error)));
                let text = format!("a wrong token is answered 401 with {seen}, not \"invalid_token\"");
                self.report.warn(&text, clause, &remedy);
            }
        }
    }
}
