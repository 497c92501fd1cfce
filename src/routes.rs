//! Every URL that the server answers, in one match.
//!
//! Knows no SQL and no JSON fields of MCP. The clock is read here, once for each request, and again after a slow
//! body; only a stream that stays open reads it for itself.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde_json::json;

use crate::app::App;
use crate::clock::Timestamp;
use crate::exchange::Exchange;
use crate::explain;
use crate::gate::{self, Caller, Refusal, Rule};
use crate::limits;
use crate::mcp::{self, Mcp};
use crate::oauth::{self, Fault};
use crate::pages;
use crate::remote::Remote;
use crate::request::{BadRequest, Body, Head};
use crate::response::Response;
use crate::scope::Scopes;
use crate::site;
use crate::throttle;

/// Answers one request and logs it.
pub fn answer(app: &Arc<App>, head: &Head, body: &mut Body, peer: SocketAddr) -> Response {
    let now = Timestamp::now();
    let mut exchange = Exchange::begin();
    let response = route(app, head, body, peer.ip().to_canonical(), now, &mut exchange);
    let response = response.unwrap_or_else(|refusal| refused(&refusal, &mut exchange));
    match exchange.watched {
        None => exchange.log(now, peer.ip(), head.method(), head.path(), response.status()),
        Some(_) => explain::show(now, peer.ip(), Some(head), &response, &exchange),
    }
    response
}

/// Answers what can't be served as HTTP, and logs it; the connection ends with it.
pub fn refuse(bad: BadRequest, peer: SocketAddr) -> Response {
    let exchange = Exchange { remedy: Some(bad.message()), ..Exchange::begin() };
    let (now, response) = (Timestamp::now(), bad_request(bad));
    match exchange.watched {
        None => exchange.log(now, peer.ip(), "-", "-", bad.status()),
        Some(_) => explain::show(now, peer.ip(), None, &response, &exchange),
    }
    response
}

fn route(
    app: &Arc<App>,
    head: &Head,
    body: &mut Body,
    peer: IpAddr,
    now: Timestamp,
    exchange: &mut Exchange,
) -> Result<Response, Refusal> {
    let origin = gate::origin(head, &app.site, exchange)?;
    let App { store, seal, site, .. } = &**app;
    if app.remote.is_some() && OWN_SERVER.contains(&head.path()) {
        return Ok(nothing_here(origin)); // the authorization server is elsewhere
    }
    Ok(match (head.method(), head.path()) {
        (_, site::MCP) => {
            let page = gate::page(head, &app.site, exchange)?;
            gate::share(endpoint(app, head, body, origin, now, exchange), page)
        }
        ("GET" | "HEAD", site::RESOURCE_METADATA | site::RESOURCE_METADATA_ROOT) => published(
            Response::json(
                200,
                &resource_metadata(origin, app.remote.as_ref().map_or(origin, Remote::issuer)),
            ),
            DOCUMENT,
        ),
        ("GET" | "HEAD", site::SERVER_METADATA | site::SERVER_METADATA_MCP) => {
            published(Response::json(200, &oauth::metadata::document(origin)), DOCUMENT)
        }
        ("OPTIONS", path) if DOCUMENTS.contains(&path) => {
            published(Response::new(204), DOCUMENT).with("Allow", DOCUMENT)
        }
        ("POST", site::TOKEN) => {
            let work = |_: &mut Exchange| oauth::token::answer(store, seal, site, origin, head, body, now);
            published(oauth::answered(exchange, Fault::answer, work), ENDPOINT)
        }
        ("POST", site::REGISTER) => {
            let key = throttle::address_key(peer);
            let work = |_: &mut Exchange| {
                // Behind a proxy of our own everybody has its address; there the cap on unused clients must do.
                if !(site.is_public() && peer.is_loopback()) {
                    if !app.registrations.allows(key, now) {
                        return Err(Fault::TooMany);
                    }
                    app.registrations.count(key, now);
                }
                oauth::register::answer(store, head, body, now)
            };
            published(oauth::answered(exchange, Fault::answer, work), ENDPOINT)
        }
        ("POST", site::REVOKE) => {
            let work = |_: &mut Exchange| oauth::revoke::answer(store, head, body, now);
            published(oauth::answered(exchange, Fault::answer, work), ENDPOINT)
        }
        ("OPTIONS", site::TOKEN | site::REGISTER | site::REVOKE) => {
            published(Response::new(204), ENDPOINT).with("Allow", ENDPOINT)
        }
        ("POST", site::INTROSPECT) => oauth::answered(exchange, Fault::answer, |_| {
            oauth::introspect::answer(store, site, origin, head, body, now)
        }),
        ("GET" | "HEAD", site::AUTHORIZE) => oauth::authorize::show(app, origin, head, now, exchange),
        ("POST", site::AUTHORIZE) => oauth::authorize::decide(app, origin, head, body, now, exchange),
        ("POST", site::SIGN_IN) => pages::sign_in::submit(app, origin, head, body, peer, now, exchange),
        ("GET" | "HEAD", site::ACCOUNT) => pages::account::show(app, origin, head, now, exchange),
        ("POST", site::ACCOUNT) => pages::account::submit(app, origin, head, body, now, exchange),
        ("GET" | "HEAD" | "POST", site::SETUP) => {
            pages::setup::answer(app, origin, head, body, peer, now, exchange)
        }
        ("GET" | "HEAD", site::STYLE) => pages::style(),
        ("GET" | "HEAD", site::HOME) => pages::home::show(origin, app.remote.is_none()),
        (method, path) => match allowed(path) {
            Some(allow) if method == "OPTIONS" => Response::new(204).with("Allow", allow),
            Some(allow) => Response::text(405, &format!("this takes {allow}")).with("Allow", allow),
            None => nothing_here(origin),
        },
    })
}

/// The documents for everybody.
const DOCUMENTS: [&str; 4] =
    [site::RESOURCE_METADATA, site::RESOURCE_METADATA_ROOT, site::SERVER_METADATA, site::SERVER_METADATA_MCP];
/// What is only there while the authorization server is this one.
const OWN_SERVER: [&str; 10] = [
    site::SERVER_METADATA,
    site::SERVER_METADATA_MCP,
    site::AUTHORIZE,
    site::TOKEN,
    site::REGISTER,
    site::REVOKE,
    site::INTROSPECT,
    site::SIGN_IN,
    site::ACCOUNT,
    site::SETUP,
];
/// What a document takes.
const DOCUMENT: &str = "GET, HEAD, OPTIONS";
/// What an endpoint takes that programs talk to.
const ENDPOINT: &str = "POST, OPTIONS";

fn nothing_here(origin: &str) -> Response {
    Response::text(404, &format!("nothing is here; the journal is at {origin}{}", site::MCP))
}

/// The methods of a path that is there.
fn allowed(path: &str) -> Option<&'static str> {
    match path {
        site::TOKEN | site::REGISTER | site::REVOKE | site::INTROSPECT | site::SIGN_IN => Some(ENDPOINT),
        site::AUTHORIZE | site::ACCOUNT | site::SETUP => Some("GET, HEAD, POST, OPTIONS"),
        site::STYLE | site::HOME | "*" => Some(DOCUMENT),
        _ => DOCUMENTS.contains(&path).then_some(DOCUMENT),
    }
}

/// The MCP endpoint: the gate, then the journal behind it.
fn endpoint(
    app: &Arc<App>,
    head: &Head,
    body: &mut Body,
    origin: &str,
    now: Timestamp,
    exchange: &mut Exchange,
) -> Response {
    if gate::is_preflight(head) {
        exchange.asked(Rule::Preflight, true);
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
    mcp::answer(Mcp { app, head, origin, caller, now }, form, &octets, exchange)
}

/// A refusal as it is logged and answered.
fn refused(refusal: &Refusal, exchange: &mut Exchange) -> Response {
    // A first knock is nobody's mistake: the log stays short about it.
    exchange.remedy = refusal.rule.remedy().filter(|_| refusal.rule != Rule::NoToken);
    refusal.answer()
}

/// The caller, or the refusal as it is answered and logged.
fn admitted(
    app: &App,
    head: &Head,
    origin: &str,
    now: Timestamp,
    exchange: &mut Exchange,
) -> Result<Caller, Response> {
    let caller =
        app.gate(origin, now).admit(head, exchange).map_err(|refusal| refused(&refusal, exchange))?;
    Ok(caller)
}

/// RFC 9728 §2: what the resource is, who hands out its tokens, and what they can be for.
fn resource_metadata(origin: &str, issuer: &str) -> serde_json::Value {
    json!({
        "resource": format!("{origin}{}", site::MCP),
        "authorization_servers": [issuer],
        "scopes_supported": Scopes::ALL.iter().map(|scope| scope.name()).collect::<Vec<_>>(),
    })
}

/// An answer for everybody, pages of any origin included; the SDKs send headers that browsers ask about.
fn published(response: Response, methods: &'static str) -> Response {
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

fn bad_request(bad: BadRequest) -> Response {
    Response::text(bad.status(), bad.message()).and_close()
}
