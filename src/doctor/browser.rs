//! Steps 7 and 8: what a person's browser meets, at the authorization endpoint and as a client of its own.
//!
//! Knows no document's members but that endpoint. Invariant: the client that it names is registered nowhere.

use super::report::shown;
use super::url::Url;
use super::{AGENT, DOCUMENT_FIELDS, Doctor, Document, NO_CALLBACK, PAGE, POST_FIELDS, location};
use crate::gate;
use crate::outgoing::Answer;

impl Doctor<'_> {
    /// Asks the authorization endpoint as a browser would, for a client that it doesn't know.
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
        let asked = "GET for a client that isn't registered";
        let fields = [AGENT, ("Accept", "text/html")];
        let (clause, page) =
            ("RFC 6749 §4.1.2.1", "show a page that says what is wrong, with 400; sign-in is a 200");
        match self.send("GET", &url, &fields, None) {
            Err(fault) => {
                let text = format!("{asked}: the answer {}", fault.message());
                self.report.fail(&text, "RFC 9112 §4", &"see that a browser gets a page there");
            }
            Ok(answer) => match answer.status {
                300..400 if !answer.fields("location").any(|at| !at.is_empty()) => self.report.fail(
                    &format_args!("{asked} is answered {} without a Location", answer.status),
                    "RFC 9110 §15.4",
                    &page,
                ),
                300..400 if leads_back(&answer, &endpoint, &url) => self.report.warn(
                    &format_args!(
                        "{asked} is redirected to where it was asked: a browser may turn in circles"
                    ),
                    "RFC 9110 §15.4",
                    &page,
                ),
                300..400 if location(&answer).starts_with(&format!("\"{NO_CALLBACK}")) => self.report.warn(
                    &format_args!("{asked} is redirected to the address that the request itself named"),
                    clause,
                    &"redirect nobody before client and redirect_uri are known, or anybody can send people \
                      anywhere",
                ),
                300..400 => {
                    self.report.ok(&format_args!("{asked} is redirected to {}", location(&answer)), clause);
                }
                200 | 400 => self.report.ok(&format_args!("{asked} is answered {}", answer.status), clause),
                401 => self.report.fail(
                    &format_args!("{asked} is answered 401: a person's browser can't bring a token"),
                    clause,
                    &page,
                ),
                404 | 405 => {
                    let text =
                        format!("{asked} is answered {}: nothing is there for a browser", answer.status);
                    self.report.fail(&text, clause, &"correct authorization_endpoint");
                }
                400..500 => self.report.warn(
                    &format_args!(
                        "{asked} is answered {}; some clients read only 400 as \"register again\"",
                        answer.status
                    ),
                    clause,
                    &page,
                ),
                status => {
                    self.report.fail(&format_args!("{asked} is answered {status}: it breaks"), clause, &page)
                }
            },
        }
    }

    /// What a page in a browser needs beyond that: CORS.
    pub(super) fn browsers(&mut self, documents: [Option<Document>; 2]) {
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
                self.report.warn(
                    &format_args!("the answer to OPTIONS {path} {}", fault.message()),
                    clause,
                    &"answer preflights with 204",
                );
            }
            Ok(answer) if !(200..300).contains(&answer.status) => {
                let text =
                    format!("the preflight of {path} is answered {}; it carries no token", answer.status);
                self.report.warn(
                    &text,
                    clause,
                    &"answer OPTIONS before the gate, with 204 and the CORS headers",
                );
            }
            Ok(answer) => self.judge_preflight(&answer),
        }
        let with_origin = [&POST_FIELDS[..], &[("Origin", PAGE)]].concat();
        let name = gate::CHALLENGE;
        match self.send("POST", self.url, &with_origin, None) {
            Ok(answer) if !allows_page(&answer) => self.report.warn(
                &"a page can't read the 401: Access-Control-Allow-Origin doesn't allow it",
                "Fetch §3.3.3",
                &"send Access-Control-Allow-Origin with every answer, the 401 above all",
            ),
            Ok(answer) if !lists(&answer, "access-control-expose-headers", name) => self.report.warn(
                &format_args!("a page can't see {name}, so it doesn't learn where tokens are"),
                "Fetch §3.3.3",
                &format_args!("send Access-Control-Expose-Headers: {name}, Mcp-Session-Id"),
            ),
            Ok(_) => self.report.ok(&format_args!("a page can read the 401 and its {name}"), "Fetch §3.3.3"),
            Err(fault) => self.report.warn(
                &format_args!("the answer to POST {path} with an Origin {}", fault.message()),
                "Fetch §3.3.3",
                &"answer as without an Origin",
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
            self.report.warn(&text, "Fetch §3.3.3", &remedy);
        } else if missing.is_empty() {
            self.report.ok(&"the preflight isn't gated and allows what clients send", "Fetch §3.3.3");
        } else {
            let text = format!("the preflight doesn't allow {}", missing.join(", "));
            self.report.warn(
                &text,
                "Fetch §3.3.3",
                &format_args!("add them to {allow}; * doesn't stand for authorization"),
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

/// Whether a redirect leads to the endpoint again, bare or as it was asked.
fn leads_back(answer: &Answer, endpoint: &Url, asked: &Url) -> bool {
    answer.fields("location").next().is_some_and(|at| {
        let at = String::from_utf8_lossy(at);
        let is_path = at.starts_with('/');
        let at =
            if is_path { Url::parse(&format!("{}{at}", endpoint.origin.as_str())) } else { Url::parse(&at) };
        at.is_some_and(|at| at == *endpoint || at == *asked)
    })
}

/// Whether a list in a header field holds this name, or everything.
#[inline(never)]
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
#[inline(never)]
fn allows_page(answer: &Answer) -> bool {
    let values: Vec<_> = answer.fields("access-control-allow-origin").collect();
    matches!(values[..], [value] if value == b"*" || value == PAGE.as_bytes())
}
