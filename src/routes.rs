//! Every URL that the server answers, in one match.
//!
//! Knows no SQL and no JSON fields of MCP. The clock is read here, once for each request.

use std::net::SocketAddr;

use serde_json::json;

use crate::clock::Timestamp;
use crate::gate::{self, Caller, Refusal, Rule};
use crate::limits;
use crate::mcp::{self, Mcp};
use crate::request::{BadRequest, Body, Head};
use crate::response::Response;
use crate::scope::Scopes;
use crate::secret::Seal;
use crate::site::{self, Site};
use crate::store::Store;
use crate::trace::{self, Exchange};

/// What requests are answered from.
pub struct App {
    /// The names of this server.
    pub site: Site,
    /// The database.
    pub store: Store,
    /// The seal of cursors and session ids.
    pub seal: Seal,
}

/// Answers one request and logs it.
pub fn answer(app: &App, head: &Head, body: &mut Body, peer: SocketAddr) -> Response {
    let now = Timestamp::now();
    let mut exchange = Exchange::default();
    let response = route(app, head, body, now, &mut exchange).unwrap_or_else(|refusal| {
        exchange.rule = Some(refusal.rule.name());
        exchange.remedy = refusal.rule.remedy();
        refusal.answer()
    });
    trace::exchange(now, peer.ip(), head.method(), head.path(), response.status(), &exchange);
    response
}

/// Answers what can't be served as HTTP, and logs it; the connection ends with it.
pub fn refuse(bad: BadRequest, peer: SocketAddr) -> Response {
    let exchange = Exchange { remedy: Some(bad.message()), ..Exchange::default() };
    trace::exchange(Timestamp::now(), peer.ip(), "-", "-", bad.status(), &exchange);
    bad_request(bad)
}

fn route(
    app: &App,
    head: &Head,
    body: &mut Body,
    now: Timestamp,
    exchange: &mut Exchange,
) -> Result<Response, Refusal> {
    let origin = gate::origin(head, &app.site)?;
    Ok(match (head.method(), head.path()) {
        (_, site::MCP) => {
            let page = gate::page(head, &app.site)?;
            gate::share(endpoint(app, head, body, origin, now, exchange), page)
        }
        ("GET" | "HEAD", site::RESOURCE_METADATA | site::RESOURCE_METADATA_ROOT) => {
            published(Response::json(200, &resource_metadata(origin)))
        }
        ("OPTIONS", site::RESOURCE_METADATA | site::RESOURCE_METADATA_ROOT) => {
            published(Response::new(204)).with("Allow", "GET, HEAD, OPTIONS")
        }
        ("GET" | "HEAD", site::HOME) => Response::text(200, &welcome(origin)),
        ("OPTIONS", "*" | site::HOME) => Response::new(204).with("Allow", "GET, HEAD, OPTIONS"),
        (_, site::RESOURCE_METADATA | site::RESOURCE_METADATA_ROOT | site::HOME) => {
            Response::text(405, "only GET and HEAD are answered here").with("Allow", "GET, HEAD, OPTIONS")
        }
        _ => Response::text(404, &format!("nothing is here; the journal is at {origin}{}", site::MCP)),
    })
}

/// The MCP endpoint: the gate, then the journal behind it.
fn endpoint(
    app: &App,
    head: &Head,
    body: &mut Body,
    origin: &str,
    now: Timestamp,
    exchange: &mut Exchange,
) -> Response {
    if gate::is_preflight(head) {
        exchange.rule = Some(Rule::Preflight.name());
        return gate::preflight();
    }
    let caller = match admitted(app, head, origin, now, exchange) {
        Ok(caller) => caller,
        Err(response) => return response,
    };
    let form = match mcp::accept(head) {
        Ok(form) => form,
        Err(response) => return response,
    };
    let at_once = body.has_arrived();
    let octets = match body.read(limits::MCP_BODY_BYTES_MAX) {
        Ok(octets) => octets,
        Err(bad) => {
            exchange.remedy = Some(bad.message());
            return bad_request(bad);
        }
    };
    // A body may take its time, and the token may have been revoked meanwhile.
    let (caller, now) = match at_once {
        true => (caller, now),
        false => match admitted(app, head, origin, Timestamp::now(), exchange) {
            Ok(caller) => (caller, Timestamp::now()),
            Err(response) => return response,
        },
    };
    let mcp = Mcp { store: &app.store, seal: &app.seal, caller: &caller, now };
    mcp::answer(&mcp, head, form, &octets, exchange)
}

/// The caller, or the refusal as it is answered and logged.
fn admitted(
    app: &App,
    head: &Head,
    origin: &str,
    now: Timestamp,
    exchange: &mut Exchange,
) -> Result<Caller, Response> {
    let admitted = gate::admit(head, origin, &app.site, &app.store, now);
    let rule = admitted.as_ref().map_or_else(|refusal| refusal.rule, |_| Rule::Admitted);
    exchange.rule = Some(rule.name());
    exchange.remedy = rule.remedy();
    admitted.map_err(|refusal| refusal.answer())
}

/// RFC 9728 §2: what the resource is, who hands out its tokens, and what they can be for.
fn resource_metadata(origin: &str) -> serde_json::Value {
    json!({
        "resource": format!("{origin}{}", site::MCP),
        "authorization_servers": [origin],
        "scopes_supported": Scopes::ALL.iter().map(|scope| scope.name()).collect::<Vec<_>>(),
    })
}

/// A document for everybody, pages of any origin included; the SDKs send a header that browsers ask about.
fn published(response: Response) -> Response {
    response
        .with("Access-Control-Allow-Origin", "*")
        .with("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
        .with("Access-Control-Allow-Headers", "mcp-protocol-version")
}

fn welcome(origin: &str) -> String {
    format!(
        "epicme: a private journal for MCP clients, behind an OAuth gate.\n\
         Give your client this URL: {origin}{}\n\
         Without a token it meets the gate: curl -i {origin}{}",
        site::MCP,
        site::MCP
    )
}

fn bad_request(bad: BadRequest) -> Response {
    Response::text(bad.status(), bad.message()).and_close()
}
