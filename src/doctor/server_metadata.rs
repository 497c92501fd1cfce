//! Step 6: finds the authorization server's metadata (RFC 8414) and judges it as the SDKs do.
//!
//! Knows no challenge and no resource, and not how a document is read (`document.rs`). Invariant: the document is
//! looked for where clients look, in their order.
//!
//! The document says whose it is (`issuer`), and a client compares that with the issuer that the resource's
//! metadata names. If it didn't, a document at an attacker's URL could call itself by an honest server's name, send
//! the person to the honest server's sign-in, and name a token endpoint of its own: the client would hand it the
//! honest server's code (mix-up attack, RFC 9207 §1).

use serde_json::Value;

use super::document::{Document, Read};
use super::report::shown;
use super::url::{self, Url};
use super::{Doctor, Hop, mismatch};
use crate::site;

/// A word that a list in the authorization server's metadata must hold. Such lists say what the server can do, and
/// a client that doesn't find there what it needs stops before it opens a browser: later it could only fail before
/// the person's eyes.
///
/// Most members aren't judged at all. `scopes_supported`, `revocation_endpoint` and the like help a client, and
/// every client can do without them.
struct NeededWord {
    member: &'static str,
    word: &'static str,
    /// Where the member may be left out, because its default is good: nothing is said of it then.
    may_be_absent: bool,
    /// Whether every client stops without the word, or only some.
    stops_every_client: bool,
    /// What follows where the word is missing, behind "MEMBER doesn't have WORD".
    consequence: &'static str,
    /// The clause that asks for the word.
    clause: &'static str,
    remedy: &'static str,
}

/// The words that clients look for, in the order in which the report shows them.
const NEEDED_WORDS: [NeededWord; 4] = [
    // The flow in which the browser comes back to the client with a code. The SDKs refuse a server that doesn't
    // list it.
    NeededWord {
        member: "response_types_supported",
        word: "code",
        may_be_absent: false,
        stops_every_client: true,
        consequence: "",
        clause: "RFC 8414 §2",
        remedy: "add \"response_types_supported\": [\"code\"]",
    },
    // The default is the authorization code (RFC 8414 §2), so only a list without it is a mistake.
    NeededWord {
        member: "grant_types_supported",
        word: "authorization_code",
        may_be_absent: true,
        stops_every_client: true,
        consequence: "",
        clause: "RFC 8414 §2",
        remedy: "add authorization_code and refresh_token to it, or leave it out",
    },
    // A client must see this before it sends a person to the server. A server that ignores PKCE answers just like
    // one that verifies it, so the metadata is the only way to know.
    NeededWord {
        member: "code_challenge_methods_supported",
        word: "S256",
        may_be_absent: false,
        stops_every_client: true,
        consequence: ": clients must not go on without PKCE",
        clause: "MCP authorization, Authorization Code Protection",
        remedy: "verify PKCE, and add \"code_challenge_methods_supported\": [\"S256\"]",
    },
    // The default is a client with a secret (RFC 8414 §2). A client that registers gets one then, and has to keep
    // it where any program of the same person can read it. It works with most clients all the same, so this is a
    // warning.
    NeededWord {
        member: "token_endpoint_auth_methods_supported",
        word: "none",
        may_be_absent: false,
        stops_every_client: false,
        consequence: ": every client needs a secret",
        clause: "RFC 8414 §2, OAuth 2.1 §2.1",
        remedy: "add none: a program on a person's machine can't keep a secret",
    },
];

impl Doctor<'_> {
    /// Step 6: finds the metadata of the authorization server that step 5 names, and judges it.
    ///
    /// The document is looked for at the issuer's own host, and never at the MCP server's: only the host that a
    /// person trusts with their password may say where that password goes.
    pub(super) fn find_server(&mut self, resource: &Document) -> Option<Document> {
        self.report.step(6);
        let issuer = resource.members["authorization_servers"][0].as_str().unwrap_or_default();
        // RFC 8414 §2: an issuer has no query and no fragment. The well-known URL is built from it, and a query
        // would have no place there.
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
            match self.read_document(Hop::to_server(&at), clause) {
                Read::Found(document) => {
                    self.judge_server(&document.members, issuer);
                    return Some(document);
                }
                Read::Absent(status) => tried.push(format!("{} ({status})", shown(at.target()))),
                Read::Wrong => return None,
            }
        }
        // Without a document the SDKs guess `/authorize`, `/token` and `/register`, as 2025-03-26 had it. The current
        // version doesn't know that, and a server that happens to work so has no PKCE that a client could see.
        self.report.fail(
            &format_args!("no authorization server metadata at {}", tried.join(" or ")),
            "MCP authorization, Authorization Server Metadata Discovery",
            &"serve it at the first of these, without requiring a token; clients without it can only guess",
        );
        None
    }

    /// Judges the authorization server's metadata; `expected` is the issuer that the resource's metadata names. The
    /// order is that of a client: is this the right document, where does it send me, can it do what I need, can I
    /// register.
    fn judge_server(&mut self, members: &Value, expected: &str) {
        self.judge_types(members, "RFC 8414 §2");
        self.judge_issuer(members, expected);
        for name in ["authorization_endpoint", "token_endpoint"] {
            self.judge_endpoint(members, name);
        }
        for needed in &NEEDED_WORDS {
            self.judge_word(members, needed);
        }
        // With `iss` in the redirect a client sees which server has sent it, which is the defence against a mix-up
        // of two servers. A client to which it is promised refuses a redirect without it (RFC 9207 §2.4), that of
        // an error included. Whether the promise is kept can't be seen without a sign-in, so both are only stated.
        if members["authorization_response_iss_parameter_supported"] == true {
            self.report.ok(&"iss is promised; each redirect must hold it, errors included", "RFC 9207 §2.3");
        } else {
            self.report.ok(&"iss isn't promised, so clients don't expect it", "RFC 9207 §2.3");
        }
        self.judge_registration(members);
    }

    /// Judges one of the two endpoints that every client needs: the page for the person's browser, and the URL at
    /// which the client trades the code for tokens. A path alone, like `/token`, is no URL to a client: nothing
    /// says what it would be relative to.
    fn judge_endpoint(&mut self, members: &Value, name: &str) {
        let clause = "RFC 8414 §2";
        let Some(text) = members[name].as_str() else {
            let remedy = format!("add \"{name}\" with its URL");
            return self.report.fail(&format_args!("there is no {name}"), clause, &remedy);
        };
        let Some(url) = Url::parse(text) else {
            let text = format!("{name} is {}, {}", shown(text), Url::fault(text));
            return self.report.fail(&text, clause, &url::REMEDY);
        };
        if self.is_safe(name, text, &url) {
            self.report.ok(&format_args!("{name} is {}", shown(text)), clause);
            // A request to it needs a code, and a wrong code could be counted as an attack. The authorization
            // endpoint has a step of its own.
            if name == "token_endpoint" {
                self.probe(name, &url, true);
            }
        }
    }

    /// Judges whether a list holds a word that clients need.
    fn judge_word(&mut self, members: &Value, needed: &NeededWord) {
        let NeededWord { member, word, consequence, clause, remedy, .. } = needed;
        let has_word = members[member].as_array().is_some_and(|items| items.iter().any(|item| item == word));
        if needed.may_be_absent && (has_word || members[member].is_null()) {
            return;
        }
        let text = format!("{member} doesn't have {word}{consequence}");
        if has_word {
            self.report.ok(&format_args!("{member} has {word}"), "RFC 8414 §2");
        } else if needed.stops_every_client {
            self.report.fail(&text, clause, remedy);
        } else {
            self.report.warn(&text, clause, remedy);
        }
    }

    /// Judges `issuer` (RFC 8414 §3.3): it must be the same text as in the resource's metadata.
    ///
    /// The comparison is one of bytes, and no URL type may come between. A slash at the end is the most common
    /// difference in the field, since many URL types add one (modelcontextprotocol/python-sdk#1919,
    /// expo/expo#49053). The SDKs were run against such servers. The TypeScript SDK 1 and rmcp go on; the Python
    /// SDK 2 stops at every difference, and the TypeScript SDK 2 where the slash is in `issuer`. So it is a
    /// failure.
    fn judge_issuer(&mut self, members: &Value, expected: &str) {
        let clause = "RFC 8414 §3.3";
        let shown_expected = shown(expected);
        match members["issuer"].as_str() {
            Some(issuer) if issuer == expected => {
                self.report.ok(&format_args!("issuer is {shown_expected}, byte for byte"), clause);
            }
            Some(issuer) if issuer.trim_end_matches('/') == expected.trim_end_matches('/') => {
                self.report.fail(
                    &format_args!(
                        "issuer is {}, and authorization_servers says {shown_expected}: a slash differs",
                        shown(issuer)
                    ),
                    clause,
                    &"write both the same, without a slash at the end; some URL types add one",
                );
            }
            Some(issuer) => {
                let urls = Url::parse(expected).zip(Url::parse(issuer));
                let remedy = urls
                    .filter(|(expected, issuer)| expected.origin != issuer.origin)
                    .map_or("name the same issuer in both documents".to_owned(), |(expected, issuer)| {
                        mismatch(&expected, &issuer)
                    });
                self.report.fail(
                    &format_args!(
                        "issuer is {}, and authorization_servers says {shown_expected}",
                        shown(issuer)
                    ),
                    clause,
                    &remedy,
                );
            }
            None => {
                let remedy = format!("add \"issuer\": {shown_expected}");
                self.report.fail(&"the document names no issuer", "RFC 8414 §2", &remedy);
            }
        }
    }

    /// Judges how a client that the server has never seen gets a client id.
    ///
    /// There are two ways without a person's help. A client can register by a POST (RFC 7591): 2026-07-28 calls
    /// that deprecated, and Cursor and Codex know nothing else. Or its id is the URL of a client ID metadata
    /// document, which the server fetches: then the server keeps no list of clients. Without either, each client
    /// must be entered at the server by hand, and the people who connect must be given its id.
    ///
    /// Whether the endpoint takes a registration isn't tried. Many mistakes are made there that the doctor doesn't
    /// see (an answer without `redirect_uris`, a member that is `null`); a client that it left behind would be
    /// worse.
    fn judge_registration(&mut self, members: &Value) {
        let by_document = members["client_id_metadata_document_supported"] == true;
        let endpoint = members["registration_endpoint"].as_str();
        let clause = "MCP authorization, Client Registration";
        match (endpoint, by_document) {
            (None, false) => self.report.fail(
                &"no way for a client to register: neither registration_endpoint nor \
                 client_id_metadata_document_supported",
                clause,
                &"offer one of them; else pre-register each client there, and give its client id to the people who \
                 connect",
            ),
            (None, true) => self.report.warn(
                &"clients can register by a client ID metadata document only",
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
                        self.probe("registration_endpoint", &url, !by_document);
                    }
                }
            },
        }
    }
}

/// The places of the authorization server's metadata, in the order in which clients must try them (MCP
/// authorization, Authorization Server Metadata Discovery).
///
/// For the issuer `https://h/tenant` RFC 8414 §3.1 puts the well-known part before the path:
/// `https://h/.well-known/oauth-authorization-server/tenant`. OpenID Connect Discovery, which is older, puts it
/// behind: `https://h/tenant/.well-known/openid-configuration`. Servers of both kinds exist, and some mix the two.
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
