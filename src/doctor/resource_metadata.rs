//! Step 5: finds the protected resource metadata (RFC 9728) and judges it as the SDKs do.
//!
//! Knows no challenge, and not how a document is read (`document.rs`). Invariant: the document is looked for where
//! clients look, in their order.
//!
//! This document is the server's own statement about itself: this is my name, and tokens for me are issued there.
//! The two servers can be different programs of different operators. Before this document became part of MCP, with
//! 2025-06-18, a client had to assume that the MCP server issues its tokens itself.

use serde_json::Value;

use super::document::{Document, Read};
use super::report::shown;
use super::url::Url;
use super::{Doctor, Hop, mismatch};
use crate::site;

impl Doctor<'_> {
    /// Finds the protected resource metadata, judges it, and returns it. It tries `named` (the URL in the
    /// challenge), then the well-known path with the endpoint's own path after it, then the root, and takes the
    /// first document that it finds. After a 4xx other than 429 it tries the next place; any other bad answer ends
    /// the search.
    ///
    /// Returns `None`, after reporting why, if no place has the document, if what is there stops a client, or if the
    /// document names no authorization server. A document with other failures is reported and still returned.
    pub(super) fn find_resource(&mut self, named: Option<Url>) -> Option<Document> {
        self.report.step(5);
        let is_named = named.is_some();
        // The order of the specification (MCP authorization, Protected Resource Metadata Discovery Requirements): the
        // challenge's URL, then the well-known path with the endpoint's own path behind it, then the root.
        let with_path = self.url.at(&self.resource_metadata_path());
        let root = self.url.at(site::RESOURCE_METADATA_ROOT);
        let mut candidates: Vec<_> = named.into_iter().collect();
        for guess in [with_path, root] {
            if !candidates.contains(&guess) {
                candidates.push(guess);
            }
        }
        let clause = "RFC 9728 §3.2";
        let mut tried = Vec::new();
        for (place, url) in candidates.iter().enumerate() {
            match self.read_document(Hop::to_gate(url), clause) {
                Read::Found(document) => {
                    // Claude is reported to treat a server with the root form alone like one without metadata
                    // (anthropics/claude-ai-mcp#716).
                    if !is_named && url.path == site::RESOURCE_METADATA_ROOT && candidates.len() > 1 {
                        self.report.warn(
                            &"it is at the root only, where not every client looks",
                            "RFC 9728 §3.1",
                            &format_args!("serve it at {} too", shown(self.resource_metadata_path())),
                        );
                    }
                    self.judge_resource(&document);
                    self.judge_bearer_methods(&document);
                    return self.has_servers(&document).then_some(document);
                }
                // A client goes by the URL in the challenge and guesses no other one. The doctor goes on, so that the
                // other mistakes are found too.
                Read::Absent(status) if is_named && place == 0 => {
                    let text =
                        format!("{} is answered {status}, though the challenge names it", shown(url.text()));
                    self.report.fail(&text, clause, &"serve it there, without requiring a token");
                }
                Read::Absent(status) => tried.push(format!("{} ({status})", shown(url.target()))),
                Read::Wrong => return None,
            }
        }
        // Where the URL in the challenge is the only place there is, it has been reported above.
        if !tried.is_empty() || !is_named {
            self.report.fail(
                &format_args!("no protected resource metadata at {}", tried.join(" or ")),
                "MCP authorization, Authorization Server Location",
                &format_args!(
                    "serve it at {}, without requiring a token",
                    shown(self.resource_metadata_path())
                ),
            );
        }
        None
    }

    /// Judges `resource` (RFC 9728 §3.3): a document must speak of the URL that the person typed.
    ///
    /// Otherwise any server could serve the document of another one, and the client would ask for a token that is
    /// good there, and send it here (RFC 9728 §7.3). The SDKs accept a URL that covers the typed one; Claude is
    /// reported to accept the whole URL only (stormkit-io/stormkit-io#363).
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
        // Another origin or another path: all SDKs stop.
        if !covers(&resource, self.url) {
            return self.report.fail(
                &format_args!("{seen}, which doesn't cover {called}"),
                clause,
                &mismatch(self.url, &resource),
            );
        }
        if resource.origin == self.url.origin && resource.target() == self.url.target() {
            self.report.ok(&format_args!("{seen}, the URL that was called"), clause);
        } else {
            // A URL with a slash more than the endpoint's is mostly a slip of the person who typed it.
            let is_slash =
                resource.path != self.url.path && resource.trimmed_path() == self.url.trimmed_path();
            let remedy = if is_slash {
                "give people the URL that the document names, without the slash at the end"
            } else {
                "name the whole URL that people type, path included"
            };
            self.report.warn(
                &format_args!(
                    "{seen}, which covers {called} but isn't the same; not every client accepts that"
                ),
                clause,
                &remedy,
            );
        }
    }

    /// Judges `bearer_methods_supported`, which says where in a request the server looks for a token. An MCP client
    /// sends its token in `Authorization` and nowhere else, so a list without `header` tells a client that goes by it
    /// that there is no way in. Without the member nothing is said, and clients send the header.
    fn judge_bearer_methods(&mut self, document: &Document) {
        let methods = document.members["bearer_methods_supported"].as_array();
        if methods.is_some_and(|methods| !methods.iter().any(|method| method == "header")) {
            self.report.warn(
                &"bearer_methods_supported lacks \"header\", the one way in which MCP clients send a token",
                "RFC 9728 §2",
                &"add \"header\", or leave the member out",
            );
        }
    }

    /// Judges `authorization_servers`, and says whether the walk can go on to one.
    ///
    /// The member is optional in RFC 9728 §2, since a client may know the server from elsewhere. MCP demands it,
    /// because an MCP client knows nothing but the URL that a person has typed.
    fn has_servers(&mut self, document: &Document) -> bool {
        self.judge_types(&document.members, "RFC 9728 §2");
        let clause = "MCP authorization, Authorization Server Location";
        let remedy = "add \"authorization_servers\": [ISSUER], with at least one issuer identifier";
        match document.members["authorization_servers"].as_array().map(Vec::as_slice) {
            Some([Value::String(issuer), others @ ..]) => {
                let more =
                    if others.is_empty() { "" } else { ", the first of several; clients use the first" };
                self.report.ok(&format_args!("authorization_servers names {}{more}", shown(issuer)), clause);
                // The SDKs use the first one. But they read the whole list before, as a list of URLs, and stop at
                // an item that is none.
                let is_url = |item: &Value| item.as_str().and_then(Url::parse).is_some();
                if let Some(other) = others.iter().find(|item| !is_url(item)) {
                    let text = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
                    self.report.fail(
                        &format_args!("authorization_servers holds {}, {}", shown(&text), Url::fault(&text)),
                        clause,
                        &"take it out, or write it as an issuer identifier: an https URL",
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
}

/// Checks whether a resource covers a URL as the SDKs judge: the origin is the same, and the URL's path equals the
/// resource's path or lies below it. `/mcp` covers `/mcp/` and `/mcp/x`, but neither `/mc` nor `/mcp/` covers `/mcp`.
fn covers(resource: &Url, url: &Url) -> bool {
    let (own, called) = (&resource.path, &url.path);
    resource.origin == url.origin
        && own.len() <= called.len()
        && format!("{}/", url.trimmed_path()).starts_with(&format!("{}/", resource.trimmed_path()))
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
}
