//! MCP Apps: the pages that a client shows beside the result of a tool (`io.modelcontextprotocol/ui`, 2026-01-26).
//!
//! Knows no journal and no session. It knows the names of the tools whose results a page shows.
//!
//! A page is the same for every caller and holds no person's data. The client shows the page in a frame and hands it
//! the result of the tool that was called. An entry may hold text from anywhere, so the page treats all of that text
//! as text and not as markup. The page's own policy lets it load nothing and send nothing, so even a script that got
//! into the page couldn't carry an entry away.

use serde_json::{Value, json};

/// The extension's name in `capabilities.extensions`.
const EXTENSION: &str = "io.modelcontextprotocol/ui";
/// The type of a page. A client that can show pages lists it in its settings of the extension.
const MIME_TYPE: &str = "text/html;profile=mcp-app";

/// The page of all UI resources: it shows what the result holds, an entry, a list, a month of them, or a tag. Its
/// Content-Security-Policy admits its one style and its one script by their hashes. So the page's safety doesn't depend
/// on what the client's frame allows.
const PAGE: &str = include_str!("app.html");

/// A page that the server offers, under a URI of its own.
pub(crate) struct UiResource {
    /// The URI for `resources/read`. `resources/list` leaves the page out: without a tool's result a person who
    /// picked the page from that list would see an empty page.
    pub(crate) uri: &'static str,
    /// The tools whose results it shows.
    tools: &'static [&'static str],
    pub(crate) shows: Shows,
}

/// What a page is there to show: the scope for it is needed to read the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shows {
    Entries,
    Tags,
}

/// The tools of one page give a result of one form. A list whose entries are all of one month is shown as a calendar
/// too.
static UI_RESOURCES: [UiResource; 3] = [
    UiResource { uri: "ui://epicme/entry", tools: &["get_entry"], shows: Shows::Entries },
    UiResource {
        uri: "ui://epicme/journal",
        tools: &["list_entries", "search_entries", "on_this_day"],
        shows: Shows::Entries,
    },
    UiResource { uri: "ui://epicme/tag", tools: &["get_tag"], shows: Shows::Tags },
];

/// Finds the page with this URI.
pub(crate) fn find(uri: &str) -> Option<&'static UiResource> {
    UI_RESOURCES.iter().find(|page| page.uri == uri)
}

/// Checks whether a client with these capabilities shows such pages. The client must list our type: later the
/// extension may have other types, and a client that knows only those must not get a page of our type.
pub(crate) fn are_supported(capabilities: Option<&Value>) -> bool {
    let types =
        capabilities.and_then(|all| all.get("extensions")?.get(EXTENSION)?.get("mimeTypes")?.as_array());
    types.is_some_and(|types| types.iter().any(|taken| taken == MIME_TYPE))
}

/// Returns the extension as the server's capabilities declare it: without settings.
pub(crate) fn declared() -> Value {
    json!({ EXTENSION: {} })
}

/// Adds to a tool's description the page that shows the tool's results, if there is one. `visibility` says that the
/// model may call the tool and the page may not: a script that shows a result needs no access to the journal.
pub(crate) fn with_page(mut tool: Value) -> Value {
    let shows = |page: &&UiResource| page.tools.iter().any(|name| tool["name"] == *name);
    if let Some(page) = UI_RESOURCES.iter().find(shows) {
        tool["_meta"] = json!({ "ui": { "resourceUri": page.uri, "visibility": ["model"] } });
    }
    tool
}

impl UiResource {
    /// Returns the page as `ResourceContents`. The lists name the hosts that the page's frame may reach. They are
    /// empty, so it may reach none.
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
