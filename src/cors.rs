//! CORS: which responses a web page may read, and the browser's question before it sends a request (Fetch §3.3).
//!
//! Knows no token and no body. The gate decides which page may use the endpoint at all; this file only says so to the
//! browser.
//!
//! A browser lets a page send requests to any server, but shows it the response only if the server names the page in
//! `Access-Control-Allow-Origin`. So CORS protects nothing by itself: it opens what the browser keeps shut. No
//! response here has `Access-Control-Allow-Credentials`: a page must bring its token in a header, and the cookie of a
//! signed-in person opens no response to it.

use crate::http::WWW_AUTHENTICATE;
use crate::http::request::Head;
use crate::http::response::Response;

/// The methods of a path that is only read.
pub(crate) const DOCUMENT: &str = "GET, HEAD, OPTIONS";
/// The methods of an OAuth endpoint that programs call.
pub(crate) const ENDPOINT: &str = "POST, OPTIONS";

/// Whether this is a CORS preflight: a browser's question before the real request (Fetch §3.3.2). It never carries
/// credentials (§3.3.5), so it must be answered before the gate checks them.
pub(crate) fn is_preflight(head: &Head) -> bool {
    head.method() == "OPTIONS"
        && head.field("origin").is_some()
        && head.field("access-control-request-method").is_some()
}

/// The response to a preflight for the MCP endpoint: the methods and fields that MCP clients send. The list can't be
/// `*`, because that doesn't cover `Authorization` (Fetch §2.2.2, CORS non-wildcard request-header name).
///
/// The browser remembers the answer for ten minutes, or each call of a page would be two requests. A change of this
/// list takes effect in open pages within that time.
pub(crate) fn preflight() -> Response {
    let headers = "authorization, content-type, accept, mcp-protocol-version, mcp-method, mcp-name, \
                   mcp-session-id, last-event-id";
    Response::new(204)
        .with("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
        .with("Access-Control-Allow-Headers", headers)
        .with("Access-Control-Max-Age", "600")
}

/// Lets the page that sent the request read the endpoint's response, the challenge above all: without
/// `Expose-Headers` the browser hides that field, and the client never learns where to get a token.
///
/// `origin` is what the gate has let pass, and it is repeated here rather than `*`, which would let every page read
/// what a token opens. So the response differs by `Origin`, and `Vary` keeps a cache from giving it to another page.
pub(crate) fn share(response: Response, origin: Option<&str>) -> Response {
    let response = response.with("Vary", "Origin");
    match origin {
        None => response,
        Some(origin) => response.with("Access-Control-Allow-Origin", origin.to_owned()).with(
            "Access-Control-Expose-Headers",
            format!("{WWW_AUTHENTICATE}, Mcp-Session-Id, MCP-Protocol-Version"),
        ),
    }
}

/// Lets every page read a document or an OAuth endpoint's response: a client may be a page of any site, and the
/// response holds nothing of a person's but what the request's own secret opens. The same fields answer the
/// preflight: the MCP SDKs send `MCP-Protocol-Version` with these requests, about which a browser asks first.
pub(crate) fn publish(response: Response, methods: &'static str) -> Response {
    let headers = if methods == DOCUMENT {
        "mcp-protocol-version"
    } else {
        "mcp-protocol-version, content-type, authorization"
    };
    response
        .with("Access-Control-Allow-Origin", "*")
        .with("Access-Control-Allow-Methods", methods)
        .with("Access-Control-Allow-Headers", headers)
}
