//! Steps 5 and 6: the two metadata documents, read and judged as the SDKs do.
//!
//! Knows no challenge. Invariant: a document is looked for where clients look, in their order, and no redirect is
//! followed.

use serde_json::Value;

use super::report::shown;
use super::url::{self, Url};
use super::{DOCUMENT_FIELDS, Doctor, Document, location, mismatch};
use crate::json;
use crate::limits;
use crate::site;

/// What some editors put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Doctor<'_> {
    /// Finds the protected resource metadata and judges it.
    pub(super) fn resource(&mut self, named: Option<Url>) -> Option<Document> {
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
                            &"it is at the root only, where not every client looks",
                            "RFC 9728 §3.1",
                            &format_args!("serve it at {} too", shown(self.path_form())),
                        );
                    }
                    self.judge_resource(&document);
                    return self.has_servers(&document).then_some(document);
                }
                Read::Absent(status) if is_named && place == 0 => {
                    let text =
                        format!("{} is answered {status}, though the challenge names it", shown(url.text()));
                    self.report.fail(&text, clause, &"serve it there, without asking for a token");
                }
                Read::Absent(status) => tried.push(format!("{} ({status})", shown(url.target()))),
                Read::Wrong => return None,
            }
        }
        if !tried.is_empty() || !is_named {
            self.report.fail(
                &format_args!("no protected resource metadata at {}", tried.join(" or ")),
                "MCP authorization, Authorization Server Location",
                &format_args!("serve it at {}, without asking for a token", shown(self.path_form())),
            );
        }
        None
    }

    fn found(&mut self, document: &Document, clause: &str) {
        self.report.ok(&format_args!("{} is there, in JSON", shown(document.url.text())), clause);
    }

    fn judge_resource(&mut self, document: &Document) {
        let clause = "RFC 9728 §3.3";
        let called = shown(self.url.text());
        let Some(text) = document.members["resource"].as_str() else {
            let remedy = format!("add \"resource\": {called}");
            return self.report.fail(&"the document names no resource", "RFC 9728 §2", &remedy);
        };
        let seen = format!("resource is {}", shown(text));
        let Some(resource) = Url::parse(text) else {
            let remedy = format!("write the URL that people type, {called}");
            return self.report.fail(&format_args!("{seen}, {}", Url::fault(text)), clause, &remedy);
        };
        if !covers(&resource, self.url) {
            return self.report.fail(
                &format_args!("{seen}, which doesn't cover {called}"),
                clause,
                &mismatch(self.url, &resource),
            );
        }
        match resource.origin == self.url.origin && resource.target() == self.url.target() {
            true => self.report.ok(&format_args!("{seen}, the URL that was called"), clause),
            false => self.report.warn(
                &format_args!("{seen}, which covers {called} but isn't it; not every client takes that"),
                clause,
                &"name the whole URL that people type, path included",
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
                self.report.ok(&format_args!("authorization_servers names {}{more}", shown(issuer)), clause);
                // Clients take the first, and read the list whole before.
                let is_url = |item: &Value| item.as_str().and_then(Url::parse).is_some();
                if let Some(other) = others.iter().find(|item| !is_url(item)) {
                    let text = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
                    self.report.fail(
                        &format_args!("authorization_servers holds {}, {}", shown(&text), Url::fault(&text)),
                        clause,
                        &"take it out, or write it as the issuer that it is",
                    );
                }
                true
            }
            _ => {
                self.report.fail(
                    &"authorization_servers isn't a list with at least one URL",
                    clause,
                    &remedy,
                );
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
                &format_args!("of the wrong type, or null: {}", shown(wrong.join(", "))),
                clause,
                &"leave a member out that has no value; lists hold texts, endpoints are texts",
            );
        }
    }

    /// Finds the authorization server's metadata and judges it.
    pub(super) fn server(&mut self, resource: &Document) -> Option<Document> {
        self.report.step(6);
        let issuer = resource.members["authorization_servers"][0].as_str().unwrap_or_default();
        let parsed = Url::parse(issuer);
        let fault = if parsed.is_some() { "a URL with a query" } else { Url::fault(issuer) };
        let Some(url) = parsed.filter(|url| url.query.is_empty()) else {
            let text = format!("the issuer {} is {fault}", shown(issuer));
            self.report.fail(&text, "RFC 8414 §2", &url::REMEDY);
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
            &format_args!("no authorization server metadata at {}", tried.join(" or ")),
            "MCP authorization, Authorization Server Metadata Discovery",
            &"serve it at the first of these, without asking for a token; clients without it can only guess",
        );
        None
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
                        self.report.ok(&format_args!("{name} is {}", shown(text)), "RFC 8414 §2");
                        if name == "token_endpoint" {
                            self.look(name, &url, true);
                        }
                    }
                }
                (Some(text), None) => {
                    self.report.fail(
                        &format_args!("{name} is {}, {}", shown(text), Url::fault(text)),
                        "RFC 8414 §2",
                        &url::REMEDY,
                    );
                }
                (None, _) => self.report.fail(&format_args!("there is no {name}"), "RFC 8414 §2", &"name it"),
            }
        }
        match lists(members, "response_types_supported", "code") {
            true => self.report.ok(&"response_types_supported has code", "RFC 8414 §2"),
            false => self.report.fail(
                &"response_types_supported doesn't have code",
                "RFC 8414 §2",
                &"add \"response_types_supported\": [\"code\"]",
            ),
        }
        if !members["grant_types_supported"].is_null()
            && !lists(members, "grant_types_supported", "authorization_code")
        {
            self.report.fail(
                &"grant_types_supported doesn't have authorization_code",
                "RFC 8414 §2",
                &"add authorization_code and refresh_token to it, or leave it out",
            );
        }
        match lists(members, "code_challenge_methods_supported", "S256") {
            true => self.report.ok(&"code_challenge_methods_supported has S256", "RFC 8414 §2"),
            false => self.report.fail(
                &"code_challenge_methods_supported doesn't have S256: clients must not go on without PKCE",
                "MCP authorization, Authorization Code Protection",
                &"verify PKCE, and add \"code_challenge_methods_supported\": [\"S256\"]",
            ),
        }
        match lists(members, "token_endpoint_auth_methods_supported", "none") {
            true => self.report.ok(&"token_endpoint_auth_methods_supported has none", "RFC 8414 §2"),
            false => self.report.warn(
                &"token_endpoint_auth_methods_supported doesn't have none: every client needs a secret",
                "RFC 8414 §2, OAuth 2.1 §2.1",
                &"add none: a program on a person's machine can't keep a secret",
            ),
        }
        match members["authorization_response_iss_parameter_supported"] == true {
            true => self
                .report
                .ok(&"iss is promised; each redirect must hold it, errors included", "RFC 9207 §2.3"),
            false => self.report.ok(&"iss isn't promised, so clients don't expect it", "RFC 9207 §2.3"),
        }
        self.judge_registration(members);
    }

    fn judge_issuer(&mut self, members: &Value, wanted: &str) {
        let clause = "RFC 8414 §3.3";
        let expected = shown(wanted);
        match members["issuer"].as_str() {
            Some(issuer) if issuer == wanted => {
                self.report.ok(&format_args!("issuer is {expected}, octet for octet"), clause);
            }
            Some(issuer) if issuer.trim_end_matches('/') == wanted.trim_end_matches('/') => self.report.fail(
                &format_args!(
                    "issuer is {}, and authorization_servers says {expected}: a slash differs",
                    shown(issuer)
                ),
                clause,
                &"write both the same, without a slash at the end; some URL types add one",
            ),
            Some(issuer) => {
                let urls = Url::parse(wanted).zip(Url::parse(issuer));
                let remedy = urls
                    .filter(|(wanted, issuer)| wanted.origin != issuer.origin)
                    .map_or("name the same issuer in both documents".to_owned(), |(wanted, issuer)| {
                        mismatch(&wanted, &issuer)
                    });
                self.report.fail(
                    &format_args!("issuer is {}, and authorization_servers says {expected}", shown(issuer)),
                    clause,
                    &remedy,
                );
            }
            None => {
                let remedy = format!("add \"issuer\": {expected}");
                self.report.fail(&"the document names no issuer", "RFC 8414 §2", &remedy);
            }
        }
    }

    fn judge_registration(&mut self, members: &Value) {
        let by_document = members["client_id_metadata_document_supported"] == true;
        let endpoint = members["registration_endpoint"].as_str();
        let clause = "MCP authorization, Client Registration";
        match (endpoint, by_document) {
            (None, false) => self.report.fail(
                &"no way for a client to introduce itself: neither registration_endpoint nor \
                 client_id_metadata_document_supported",
                clause,
                &"offer one of them; else pre-register each client there, and give its client id to the people who \
                 connect",
            ),
            (None, true) => self.report.warn(
                &"clients can introduce themselves by a metadata document only",
                clause,
                &"offer registration_endpoint too: many clients know nothing else",
            ),
            (Some(text), _) => match Url::parse(text) {
                None => self.report.fail(
                    &format_args!("registration_endpoint is {}, {}", shown(text), Url::fault(text)),
                    "RFC 8414 §2",
                    &url::REMEDY,
                ),
                Some(url) => {
                    if self.is_safe("registration_endpoint", text, &url) {
                        self.report.ok(&format_args!("registration_endpoint is {}", shown(text)), clause);
                        self.report.skip("registering isn't tried: it would leave a client behind");
                        self.look("registration_endpoint", &url, !by_document);
                    }
                }
            },
        }
    }

    /// Reads a metadata document as the SDKs do; what stops them is reported.
    fn document(&mut self, url: &Url, clause: &str) -> Read {
        let at = shown(url.text());
        let answer = match self.send("GET", url, &DOCUMENT_FIELDS, Some(limits::ANSWER_BYTES_MAX)) {
            Ok(answer) => answer,
            Err(fault) => {
                self.report.fail(
                    &format_args!("{at}: the answer {}", fault.message()),
                    "RFC 9112 §6.3",
                    &"answer with a short JSON document",
                );
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
                    &"answer there itself, with 200: clients follow no redirect to metadata",
                );
                return Read::Wrong;
            }
            429 | 500.. => {
                let text = format!("{at} is answered {}, and clients stop there", answer.status);
                self.report.fail(
                    &text,
                    clause,
                    &"answer 404 where nothing is, and clients look at the next place",
                );
                return Read::Wrong;
            }
            400..500 => return Read::Absent(answer.status),
            status => {
                self.report.fail(
                    &format_args!("{at} is answered {status}, not 200"),
                    clause,
                    &"answer 200 with the document",
                );
                return Read::Wrong;
            }
        }
        let types: Vec<_> = answer.fields("content-type").collect();
        let media_type = types.first().and_then(|value| value.split(|octet| *octet == b';').next());
        let is_json =
            media_type.is_some_and(|own| own.trim_ascii().eq_ignore_ascii_case(b"application/json"));
        let seen = types.first().map_or("no type".to_owned(), |value| format!("as {}", shown(value)));
        let has_mark = answer.body.as_ref().is_ok_and(|octets| octets.starts_with(BYTE_ORDER_MARK));
        let skipped = if has_mark { BYTE_ORDER_MARK.len() } else { 0 };
        let wrong = match answer.body.map(|octets| json::parse(&octets[skipped..])) {
            Ok(Ok(members @ Value::Object(_))) => {
                if has_mark {
                    self.report.warn(
                        &format_args!("{at} begins with a byte order mark, which not every client skips"),
                        "RFC 8259 §8.1",
                        &"write it as UTF-8 without one",
                    );
                }
                if !is_json {
                    self.report.warn(
                        &format_args!("{at} comes {seen}, and not every client reads it then"),
                        clause,
                        &"send Content-Type: application/json",
                    );
                }
                return Read::Found(members);
            }
            Ok(Ok(_)) => format!("{at} is not a JSON object"),
            Ok(Err(error)) => format!("{at} is no JSON that can be read in one way ({seen}): {error}"),
            Err(fault) => format!("{at}: the answer {}", fault.message()),
        };
        let remedy =
            "answer with the document, as application/json; where there is none, with 404, not with a page";
        self.report.fail(&wrong, clause, &remedy);
        Read::Wrong
    }
}

/// Whether a member is a list with this word in it.
#[inline(never)]
fn lists(members: &Value, name: &str, word: &str) -> bool {
    members[name].as_array().is_some_and(|items| items.iter().any(|item| item == word))
}

/// What became of reading a metadata document.
enum Read {
    Found(Value),
    /// It isn't there, and a client looks elsewhere.
    Absent(u16),
    /// It is there and stops a client; that has been reported.
    Wrong,
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
}
