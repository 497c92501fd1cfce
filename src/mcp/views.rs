//! Views: pages that a client shows beside what a tool gave (MCP Apps, `io.modelcontextprotocol/ui`, 2026-01-26).
//!
//! Knows no journal and no session. Invariant: a page is the same for everybody and holds nothing of anybody's; what it
//! shows reaches it from the client, which called the tool. It loads nothing and sends nothing.

use serde_json::{Value, json};

/// The extension's name in `capabilities.extensions`.
const EXTENSION: &str = "io.modelcontextprotocol/ui";
/// The type of a view, which a client that shows views lists in its settings of the extension.
const MIME_TYPE: &str = "text/html;profile=mcp-app";

/// One page for every view: it shows whatever the result holds. Its own policy admits its one style and one script by
/// their hashes, whatever the client's frame would allow.
const PAGE: &str = include_str!("view.html");

/// A view.
pub struct View {
    /// What `resources/read` calls it by. `resources/list` leaves it out: it means nothing without a tool's result.
    pub uri: &'static str,
    /// The tools whose results it shows.
    tools: &'static [&'static str],
}

/// Every view.
static VIEWS: [View; 2] = [
    View { uri: "ui://epicme/entry", tools: &["get_entry"] },
    View { uri: "ui://epicme/journal", tools: &["list_entries", "search_entries"] },
];

/// The view of this URI.
pub fn find(uri: &str) -> Option<&'static View> {
    VIEWS.iter().find(|view| view.uri == uri)
}

/// Whether these capabilities are those of a client that shows views.
pub fn are_shown_by(capabilities: Option<&Value>) -> bool {
    let types =
        capabilities.and_then(|all| all.get("extensions")?.get(EXTENSION)?.get("mimeTypes")?.as_array());
    types.is_some_and(|types| types.iter().any(|taken| taken == MIME_TYPE))
}

/// The extension as the server's capabilities declare it: it has no settings.
pub fn declared() -> Value {
    json!({ EXTENSION: {} })
}

/// A tool as it is described to a client that shows views. The model alone calls it: no view does.
pub fn with_view(mut tool: Value) -> Value {
    let shows = |view: &&View| view.tools.iter().any(|name| tool["name"] == *name);
    if let Some(view) = VIEWS.iter().find(shows) {
        tool["_meta"] = json!({ "ui": { "resourceUri": view.uri, "visibility": ["model"] } });
    }
    tool
}

impl View {
    /// The page as `ResourceContents`. The empty lists are what its frame may reach.
    pub fn contents(&self) -> Value {
        let nothing = json!({
            "connectDomains": [], "resourceDomains": [], "frameDomains": [], "baseUriDomains": [],
        });
        json!({
            "uri": self.uri, "mimeType": MIME_TYPE, "text": PAGE,
            "_meta": { "ui": { "csp": nothing, "prefersBorder": true } },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::tools;

    #[test]
    fn names_only_tools_that_there_are() {
        for tool in VIEWS.iter().flat_map(|view| view.tools) {
            assert!(tools::find(tool).is_some(), "{tool}");
        }
    }

    #[test]
    fn takes_only_a_client_for_able_that_lists_the_type() {
        let able = |extensions: Value| are_shown_by(Some(&json!({ "extensions": extensions })));
        assert!(able(json!({ EXTENSION: { "mimeTypes": ["text/plain", MIME_TYPE] } })));
        for other in [
            json!({ EXTENSION: { "mimeTypes": ["text/html"] } }),
            json!({ EXTENSION: { "mimeTypes": [] } }),
            json!({ EXTENSION: { "mimeTypes": MIME_TYPE } }),
            json!({ EXTENSION: {} }),
            json!({ EXTENSION: true }),
            json!({ "io.modelcontextprotocol/tasks": { "mimeTypes": [MIME_TYPE] } }),
            json!([EXTENSION]),
            json!(null),
        ] {
            assert!(!able(other.clone()), "{other}");
        }
        assert!(!are_shown_by(None));
    }
}
