//! MCP Apps: the pages that a client shows beside the result of a tool (`io.modelcontextprotocol/ui`, 2026-01-26).
//!
//! Knows no journal and no session.
//!
//! A page is the same for every caller and holds no person's data. The client shows it in a frame and hands it the
//! result of the tool that it has called. An entry may hold text from anywhere, so the page treats all of it as
//! text and never as markup; it loads nothing and sends nothing, so even a script that got into it could carry no
//! entry away.

use serde_json::{Value, json};

/// The extension's name in `capabilities.extensions`.
const EXTENSION: &str = "io.modelcontextprotocol/ui";
/// The type of a page. A client that can show pages lists it in its settings of the extension.
const MIME_TYPE: &str = "text/html;profile=mcp-app";

/// One page for every UI resource: it shows what the result holds, be it one entry or a list. The
/// Content-Security-Policy in it admits its one style and one script by their hashes. So it doesn't depend on what
/// the client's frame allows.
const PAGE: &str = include_str!("app.html");

/// A page that the server offers, under a URI of its own.
pub(crate) struct UiResource {
    /// The URI for `resources/read`. `resources/list` leaves the page out: without the result of a tool there is
    /// nothing to show, and the person who picks from that list would get an empty page.
    pub(crate) uri: &'static str,
    /// The tools whose results it shows.
    tools: &'static [&'static str],
}

static UI_RESOURCES: [UiResource; 2] = [
    UiResource { uri: "ui://epicme/entry", tools: &["get_entry"] },
    UiResource { uri: "ui://epicme/journal", tools: &["list_entries", "search_entries"] },
];

/// The page with this URI.
pub(crate) fn find(uri: &str) -> Option<&'static UiResource> {
    UI_RESOURCES.iter().find(|page| page.uri == uri)
}

/// Whether a client with these capabilities shows such pages. It must list the type itself: the extension may get
/// other types, and a client that knows only those must not be given this one.
pub(crate) fn are_supported(capabilities: Option<&Value>) -> bool {
    let types =
        capabilities.and_then(|all| all.get("extensions")?.get(EXTENSION)?.get("mimeTypes")?.as_array());
    types.is_some_and(|types| types.iter().any(|taken| taken == MIME_TYPE))
}

/// The extension as the server's capabilities declare it: it has no settings.
pub(crate) fn declared() -> Value {
    json!({ EXTENSION: {} })
}

/// A tool as it is described to a client that shows pages: with the page that shows its results, if there is one.
/// `visibility` says that only the model may call the tool, and the page may not: a script that shows a result
/// needs no access to the journal.
pub(crate) fn with_page(mut tool: Value) -> Value {
    let shows = |page: &&UiResource| page.tools.iter().any(|name| tool["name"] == *name);
    if let Some(page) = UI_RESOURCES.iter().find(shows) {
        tool["_meta"] = json!({ "ui": { "resourceUri": page.uri, "visibility": ["model"] } });
    }
    tool
}

impl UiResource {
    /// The page as `ResourceContents`. The empty lists name the hosts that its frame may reach: none.
    pub(crate) fn contents(&self) -> Value {
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
        for tool in UI_RESOURCES.iter().flat_map(|page| page.tools) {
            assert!(tools::find(tool).is_some(), "{tool}");
        }
    }

    #[test]
    fn finds_able_only_a_client_that_lists_the_type() {
        let able = |extensions: Value| are_supported(Some(&json!({ "extensions": extensions })));
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
        assert!(!are_supported(None));
    }
}
