//! The first page: what this server is, the URL to copy, and recipes for some clients.
//!
//! Reads no database and no request. A person who types the server's name into a browser should learn what to do with
//! it, and not meet a 404.

use super::{Html, account_link, journal_link, page};
use crate::http::response::Response;
use crate::site;

/// Answers `GET /`. If another authorization server issues the tokens, people have no account here, and the page has
/// no link to one.
pub(crate) fn show(base_url: &str, has_accounts: bool) -> Response {
    let url = format!("{base_url}{}", site::MCP);
    let recipe = |name: &'static str, before: &'static str, after: &'static str| {
        Html::markup("<h2>")
            .then(name)
            .then("</h2>\n<pre>")
            .then_text(before)
            .then_text(&url)
            .then_text(after)
            .then("</pre>\n")
    };
    let body = Html::markup("<p>You write and read this journal through any program that speaks MCP; ")
        .then("each person sees only their own entries.</p>\n<p>Give your program this URL and press Connect:</p>\n<pre>")
        .then_text(&url)
        .then("</pre>\n")
        .and(if has_accounts { journal_link().and(account_link()) } else { Html::default() })
        .and(recipe("Claude Code", "claude mcp add --transport http epicme ", ""))
        .and(recipe("VS Code", "code --add-mcp '{\"name\":\"epicme\",\"type\":\"http\",\"url\":\"", "\"}'"))
        .and(recipe("Cursor, in mcp.json", "{\"mcpServers\":{\"epicme\":{\"url\":\"", "\"}}}"))
        .and(if base_url.starts_with("http://") { claude_desktop() } else { Html::default() })
        .and(recipe("MCP Inspector", "npx @modelcontextprotocol/inspector\n# Transport: Streamable HTTP, URL: ", ""))
        .then("<h2>curl</h2>\n<p>Without a token the gate answers 401 and says where to get one:</p>\n<pre>")
        .then_text(&format!("curl -i {url}"))
        .then("</pre>\n");
    page(200, "A private journal", body)
}

/// The recipe for Claude Desktop. It opens no URL of this machine, and starts a program in its place. (To a server that
/// has a public URL it connects as to any other.)
fn claude_desktop() -> Html {
    let config = r#"{"mcpServers":{"epicme":{"command":"/path/to/epicme","args":["stdio","--database","/path/to/epicme.db"],"env":{"EPICME_TOKEN":"em_…"}}}}"#;
    Html::markup("<h2>Claude Desktop, in claude_desktop_config.json</h2>\n<pre>")
        .then_text(config)
        .then("</pre>\n<p>with a token that <code>epicme token create EMAIL</code> prints</p>\n")
}
