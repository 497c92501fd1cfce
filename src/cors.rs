//! CORS headers: they tell a browser which responses a web page may read, and which requests it may send (Fetch
//! §3.3).
//!
//! Knows no token, no body and no path. `gate::check_origin` decides which pages may use `/mcp`, and `routes` which
//! responses are shared.
//!
//! A browser lets a page send requests to any server, but shows it the response only if the server names the page in
//! `Access-Control-Allow-Origin`. So the headers protect nothing: they permit what the browser would forbid. No
//! response here has `Access-Control-Allow-Credentials`: a page must send its token in a header, and can't read a
//! response that the cookie of a signed-in person has got.

use crate::http::WWW_AUTHENTICATE;
use crate::http::request::Head;
use crate::http::response::Response;

/// The methods of a path that is only read.
pub(crate) const DOCUMENT: &str = "GET, HEAD, OPTIONS";
/// The methods of an OAuth endpoint that programs call.
pub(crate) const ENDPOINT: &str = "POST, OPTIONS";

/// Returns whether this is a CORS preflight: the request by which a browser asks the server before it sends the
/// page's own one (Fetch §3.3.2). A preflight has no credentials (§3.3.5), so it must be answered before the gate
/// checks them.
pub(crate) fn is_preflight(head: &Head) -> bool {
    head.method() == "OPTIONS"
        && head.field("origin").is_some()
        && head.field("access-control-request-method").is_some()
}

/// Builds the response to a preflight for the MCP endpoint: the methods and fields that MCP clients send.
///
/// The list of fields ends with `*`: programs add fields of their own, a trace id for example, and without it their
/// requests would fail without a reason that a page can read. It permits nothing that a page could use, because no
/// response here is shared with a page that sends its cookies. `*` alone wouldn't do: it doesn't cover `Authorization`
/// (Fetch §2.2.2, CORS non-wildcard request-header name), and older browsers don't know it.
///
/// The browser keeps the answer for ten minutes; otherwise each call of a page would be two requests. If a new
/// version changes these lists, an open page may use the old ones for that long.
pub(crate) fn preflight() -> Response {
    let headers = "authorization, content-type, accept, mcp-protocol-version, mcp-method, mcp-name, \
                   mcp-session-id, last-event-id, *";
    Response::new(204)
        .with("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
        .with("Access-Control-Allow-Headers", headers)
        .with("Access-Control-Max-Age", "600")
}

/// Lets the page that sent the request read the endpoint's response, the challenge above all: without
/// `Expose-Headers` the browser hides that field, and the client never learns where to get a token.
///
/// `origin` is the page's origin, which the gate has checked. The header repeats it and isn't `*`, which would let a
/// page of any origin read the response. So the response depends on `Origin`, and `Vary` keeps a cache from giving
/// one page the response of another.
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

/// Lets a page of any origin read a document or an OAuth endpoint's response. A client may be a page of any site, and
/// the response holds nothing of a person except what the request's own secret gives access to. The same fields
/// answer the preflight, which a browser sends because the MCP SDKs add `MCP-Protocol-Version` to these requests.
pub(crate) fn publish(response: Response, methods: &'static str) -> Response {
    let headers = if methods == DOCUMENT {
        "mcp-protocol-version, *"
    } else {
        "mcp-protocol-version, content-type, authorization, *"
    };
    response
        .with("Access-Control-Allow-Origin", "*")
        .with("Access-Control-Allow-Methods", methods)
        .with("Access-Control-Allow-Headers", headers)
}
