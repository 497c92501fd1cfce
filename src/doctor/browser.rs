//! Steps 7 and 8: what a browser meets, at the authorization endpoint and as a client of its own.
//!
//! Knows no document's members but that endpoint. Invariant: the client that it names is registered nowhere, so the
//! server has no reason to keep anything.
//!
//! A browser takes part in two ways. Every client opens the authorization endpoint in the person's browser: that is
//! step
//! 7. And some clients run in a web page themselves: their requests come from a page of another origin, and the
//!    browser hands the answers to the page only where the server allows it (CORS). That is step 8.

use super::document::Document;
use super::report::shown;
use super::url::Url;
use super::{AGENT, DOCUMENT_FIELDS, Doctor, Hop, NO_CALLBACK, PAGE, POST_FIELDS, location};
use crate::http::WWW_AUTHENTICATE;
use crate::http::client::Answer;

impl Doctor<'_> {
    /// Step 7: requests the page of the authorization endpoint as a browser would, for a client that it doesn't
    /// know.
    ///
    /// The request is right but for the client and its redirect URI. RFC 6749 §4.1.2.1 wants an error page for
    /// that, and no redirect. fastmcp does the same before it opens the browser: a 400 means to it that it must
    /// register again.
    ///
    /// A real sign-in can't be tried: it needs a person, and leaves a grant behind.
    pub(super) fn authorize(&mut self, server: &Document) {
        self.report.step(7);
        let Some(endpoint) = server.members["authorization_endpoint"].as_str().and_then(Url::parse) else {
            return self.report.skip("needs the authorization_endpoint of step 6");
        };
        if !self.is_reached("the authorization endpoint", &endpoint) {
            return;
        }
        let mut url = endpoint.clone();
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
        let sent = "GET for a client that isn't registered";
        let fields = [AGENT, ("Accept", "text/html")];
        let (clause, page) =
            ("RFC 6749 §4.1.2.1", "show a page that says what is wrong, with 400; sign-in is a 200");
        match self.send("GET", Hop::to_page(&url), &fields, None) {
            Err(error) => {
                let text = format!("{sent}: the answer {}", error.message());
                self.report.fail(&text, "RFC 9112 §4", &"see that a browser gets a page there");
            }
            Ok(answer) => match answer.status {
                300..400 if !answer.fields("location").any(|at| !at.is_empty()) => self.report.fail(
                    &format_args!("{sent} is answered {} without a Location", answer.status),
                    "RFC 9110 §15.4",
                    &page,
                ),
                300..400 if leads_back(&answer, &endpoint, &url) => self.report.warn(
                    &format_args!("{sent} is redirected to itself: a browser may follow that without end"),
                    "RFC 9110 §15.4",
                    &page,
                ),
                // An open redirector: a link with this server's trusted name takes people to any page that the
                // link's author likes (RFC 6749 §10.15).
                300..400 if location(&answer).starts_with(&format!("\"{NO_CALLBACK}")) => self.report.warn(
                    &format_args!("{sent} is redirected to the address that the request itself named"),
                    clause,
                    &"redirect no browser before client_id and redirect_uri are checked, or any link can send people \
                      to any page",
                ),
                // To a page of sign-in, most likely: some servers have the person sign in before they look at the
                // client.
                300..400 => {
                    self.report.ok(&format_args!("{sent} is redirected to {}", location(&answer)), clause);
                }
                200 | 400 => self.report.ok(&format_args!("{sent} is answered {}", answer.status), clause),
                // The server has put this endpoint behind the check that guards the others.
                401 => self.report.fail(
                    &format_args!("{sent} is answered 401: a person's browser sends no token"),
                    clause,
                    &page,
                ),
                404 | 405 => {
                    let text =
                        format!("{sent} is answered {}: nothing is there for a browser", answer.status);
                    self.report.fail(&text, clause, &"correct authorization_endpoint");
                }
                400..500 => self.report.warn(
                    &format_args!(
                        "{sent} is answered {}; some clients read only 400 as \"register again\"",
                        answer.status
                    ),
                    clause,
                    &page,
                ),
                status => {
                    let text = format!("{sent} is answered {status}, where clients expect a page or a redirect");
                    self.report.fail(&text, clause, &page);
                }
            },
        }
    }

    /// Step 8: what a client in a web page needs beyond that (CORS, Fetch §3.3). It concerns the MCP endpoint and
    /// the two documents, because such a client reads all three by itself.
    ///
    /// Nothing here is a failure. A client on the person's machine needs no CORS, and a server may refuse all
    /// pages.
    pub(super) fn judge_browser_access(&mut self, documents: [Option<Document>; 2]) {
        self.report.step(8);
        let path = shown(self.url.target());
        let preflight = [
            AGENT,
            ("Origin", PAGE),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "authorization,content-type,mcp-protocol-version"),
        ];
        // The preflight: before the browser sends a page's POST with a token, it sends OPTIONS without one (Fetch
        // §3.3.2). A server that requires a token for OPTIONS too shuts out every page (alpic-ai/skybridge#873).
        let clause = "Fetch §3.3.2";
        match self.send("OPTIONS", Hop::to_gate(self.url), &preflight, None) {
            Err(error) => {
                self.report.warn(
                    &format_args!("the answer to OPTIONS {path} {}", error.message()),
                    clause,
                    &"answer preflights with 204",
                );
            }
            Ok(answer) if !(200..300).contains(&answer.status) => {
                let text = format!(
                    "the preflight of {path} is answered {}; a preflight carries no token",
                    answer.status
                );
                self.report.warn(
                    &text,
                    clause,
                    &"answer OPTIONS before the token is checked, with 204 and the CORS headers",
                );
            }
            Ok(answer) => self.judge_preflight(&answer),
        }
        // The 401 itself: a page sees an answer only if `Access-Control-Allow-Origin` allows it, and of its fields
        // only the few that every page may see and those that the server exposes. `WWW-Authenticate` is not one of
        // the few.
        let with_origin = [&POST_FIELDS[..], &[("Origin", PAGE)]].concat();
        let name = WWW_AUTHENTICATE;
        match self.send("POST", Hop::to_gate(self.url), &with_origin, None) {
            Ok(answer) if !allows_page(&answer) => self.report.warn(
                &"a page can't read the 401: Access-Control-Allow-Origin doesn't allow it",
                "Fetch §3.3.3",
                &"send Access-Control-Allow-Origin with every answer, the 401 above all",
            ),
            Ok(answer) if !lists(&answer, "access-control-expose-headers", name) => self.report.warn(
                &format_args!("a page can't see {name}, so it can't find the authorization server"),
                "Fetch §3.3.3",
                &format_args!("send Access-Control-Expose-Headers: {name}, Mcp-Session-Id"),
            ),
            Ok(_) => self.report.ok(&format_args!("a page can read the 401 and its {name}"), "Fetch §3.3.3"),
            Err(error) => self.report.warn(
                &format_args!("the answer to POST {path} with an Origin {}", error.message()),
                "Fetch §3.3.3",
                &"answer as without an Origin",
            ),
        }
        let [resource, server] = &documents;
        let resource = resource.iter().map(|document| Hop::to_gate(&document.url));
        let server = server.iter().map(|document| Hop::to_server(&document.url));
        for hop in resource.chain(server) {
            self.judge_sharing(hop);
        }
    }

    /// Judges an accepted preflight: whether it allows the page, and the fields of a client's POST. The three
    /// fields below are those that a page must not send without being allowed to: the token, a type that isn't that
    /// of a form, and a field that only MCP knows.
    fn judge_preflight(&mut self, answer: &Answer) {
        let missing: Vec<_> = ["authorization", "content-type", "mcp-protocol-version"]
            .into_iter()
            .filter(|name| !lists(answer, "access-control-allow-headers", name))
            .collect();
        let allow = "Access-Control-Allow-Headers";
        if !allows_page(answer) {
            let text = format!("the preflight doesn't allow a page of {PAGE}");
            let remedy = "send Access-Control-Allow-Origin with that origin, or pages there can't connect";
            self.report.warn(&text, "Fetch §3.3.3", &remedy);
        } else if missing.is_empty() {
            self.report
                .ok(&"the preflight needs no token and allows the fields that clients send", "Fetch §3.3.3");
        } else {
            let text = format!("the preflight doesn't allow {}", missing.join(", "));
            self.report.warn(
                &text,
                "Fetch §3.3.3",
                &format_args!("add them to {allow}; * doesn't stand for authorization"),
            );
        }
    }

    /// Judges whether a page can read a document. The SDKs send `MCP-Protocol-Version` with the GET, and for a
    /// field that isn't one of the few harmless ones the browser sends a preflight first. So a document needs both
    /// answers.
    fn judge_sharing(&mut self, hop: Hop) {
        let at = shown(hop.url.target());
        let get = [&DOCUMENT_FIELDS[..], &[("Origin", PAGE)]].concat();
        let preflight = [
            AGENT,
            ("Origin", PAGE),
            ("Access-Control-Request-Method", "GET"),
            ("Access-Control-Request-Headers", "mcp-protocol-version"),
        ];
        let is_readable = self.send("GET", hop, &get, None).is_ok_and(|answer| allows_page(&answer));
        let has_preflight = self.send("OPTIONS", hop, &preflight, None).is_ok_and(|answer| {
            (200..300).contains(&answer.status)
                && allows_page(&answer)
                && lists(&answer, "access-control-allow-headers", "mcp-protocol-version")
        });
        let text = match (is_readable, has_preflight) {
            (true, true) => {
                return self.report.ok(&format_args!("a page can read {at}"), "Fetch §3.3.3");
            }
            (false, _) => format!("a page can't read {at}: Access-Control-Allow-Origin doesn't allow it"),
            (true, false) => format!("a page can't read {at} with MCP-Protocol-Version, which the SDKs send"),
        };
        let remedy = "answer GET and OPTIONS with Access-Control-Allow-Origin: * and Access-Control-Allow-Headers: \
                      mcp-protocol-version";
        self.report.warn(&text, "Fetch §3.3.3", &remedy);
    }
}

/// Checks whether a redirect leads to the endpoint again, without the query or with the one that was sent.
fn leads_back(answer: &Answer, endpoint: &Url, sent: &Url) -> bool {
    answer.fields("location").next().is_some_and(|at| {
        let at = String::from_utf8_lossy(at);
        let is_path = at.starts_with('/');
        let at =
            if is_path { Url::parse(&format!("{}{at}", endpoint.origin.as_str())) } else { Url::parse(&at) };
        at.is_some_and(|at| at == *endpoint || at == *sent)
    })
}

/// Checks whether a list in a header field holds this name, in any case, or `*`, which means every name but
/// `Authorization` (Fetch §3.3.4).
#[inline(never)]
fn lists(answer: &Answer, field: &str, name: &str) -> bool {
    // `*` doesn't stand for `Authorization` (Fetch §3.3.4), which must be named. Servers get this wrong often.
    let fits = |item: &[u8]| {
        item.eq_ignore_ascii_case(name.as_bytes())
            || (item == b"*" && !name.eq_ignore_ascii_case("authorization"))
    };
    answer
        .fields(field)
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|item| fits(item.trim_ascii()))
}

/// Checks whether a page of [`PAGE`] may read this answer. A field that is there twice allows nothing: the browser
/// joins the two values to one, and that is no origin.
#[inline(never)]
fn allows_page(answer: &Answer) -> bool {
    let values: Vec<_> = answer.fields("access-control-allow-origin").collect();
    matches!(values[..], [value] if value == b"*" || value == PAGE.as_bytes())
}
