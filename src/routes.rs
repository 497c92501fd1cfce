//! Every URL that the server answers, in one match.
//!
//! Knows no SQL and no JSON fields of MCP. The clock is read here, once for a request and once more after a slow
//! body; an open stream alone reads it for itself. Invariant: every request ends as one response and one line in the
//! log.
//!
//! | path | caller | which web pages may read the response |
//! |---|---|---|
//! | `/mcp` | a client, with a token | those that `gate::check_origin` lets pass |
//! | `/.well-known/…` | a client on its way to a token | all: nothing in them is secret |
//! | `/token`, `/register`, `/revoke` | a client, or a page that is one | all: a request brings its own secret |
//! | `/introspect` | another server, with its own secret | none |
//! | `/authorize`, `/sign-in`, `/account`, `/setup` | a person's browser | none: they show whose journal this is |
//!
//! A larger server has a router: a table of patterns that each room adds its own to. Twenty fixed paths need none,
//! and a `match` shows at one look which paths exist and what answers each.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::json;

use crate::app::App;
use crate::check::Check;
use crate::clock::Timestamp;
use crate::context::Context;
use crate::cors::{self, DOCUMENT, ENDPOINT};
use crate::gate::{self, Refusal};
use crate::http::request::{BadRequest, Body, Head};
use crate::http::response::Response;
use crate::introspection::Introspector;
use crate::limits;
use crate::log::{self, Arrival, RequestLog};
use crate::mcp;
use crate::oauth::{self, OAuthError};
use crate::pages::{self, PageError};
use crate::scope::{Scope, Scopes};
use crate::site;

/// Answers one request, or says what is wrong with one that can't be read, and writes it to the log. This is the
/// server's handler: above it stands HTTP alone, below it a [`Context`].
pub(crate) fn handle(
    app: &Arc<App>,
    request: Result<(&Head, &mut Body), BadRequest>,
    peer: SocketAddr,
) -> Response {
    // `::ffff:192.0.2.1` and `192.0.2.1` are one address: what counts failures by address must not count it as two.
    let arrival = Arrival { now: Timestamp::now(), peer: peer.ip().to_canonical() };
    // Made before anything can fail and written after the response is known: no way out of this function skips it.
    let log = RequestLog::begin();
    let (head, result) = match request {
        Ok((head, body)) => (Some(head), answer(app, head, body, arrival, &log)),
        Err(bad) => (None, Err(bad.into())),
    };
    let response = result.unwrap_or_else(|error| error.response(&log));
    log::write(arrival, head, &response, &log);
    response
}

/// The host is checked before anything else, whatever the path: without a base URL there is no [`Context`]. From here
/// on every `?` ends the request, and `handle` turns the error into the response.
fn answer(
    app: &Arc<App>,
    head: &Head,
    body: &mut Body,
    arrival: Arrival,
    log: &RequestLog,
) -> Result<Response, Error> {
    let base_url = gate::check_host(head, &app.site, log)?;
    let Arrival { now, peer } = arrival;
    route(&Context { app, head, base_url, peer, now, log }, body)
}

/// The map of URLs. `HEAD` stands wherever `GET` does (RFC 9110 §9.1 asks for both); `http/` leaves out the body.
///
/// An arm calls one function of the room that knows the path, and adds nothing but CORS headers: these depend on
/// which pages may read a path, and that is what this file knows.
fn route(context: &Context, body: &mut Body) -> Result<Response, Error> {
    let Context { app, head, base_url, log, .. } = *context;
    if app.introspector.is_some() && OWN_SERVER.contains(&head.path()) {
        // Tokens issued here would be good for nothing, and a client that finds this server's metadata would try to
        // get one.
        return Ok(nothing_here(base_url));
    }
    let program = |result: Result<Response, OAuthError>| {
        // Rendered here and not by the caller, so that `publish` covers the error too: a page must see why its
        // request failed, and without the CORS headers its browser would report only that it did.
        let response = result.unwrap_or_else(|error| Error::OAuth(error).response(log));
        Ok(cors::publish(response, ENDPOINT))
    };
    match (head.method(), head.path()) {
        (_, site::MCP) => {
            // A foreign page gets its 403 without CORS headers. Every later error has them, the 401 above all.
            let origin = gate::check_origin(head, &app.site, log)?;
            let response = endpoint(context, body).unwrap_or_else(|error| error.response(log));
            Ok(cors::share(response, origin))
        }
        // The documents hold nothing secret, and a client fetches them before it has a token: so there is no gate.
        ("GET" | "HEAD", site::RESOURCE_METADATA | site::RESOURCE_METADATA_ROOT) => {
            // Where another server issues the tokens, the document leads there, and the client never meets our own.
            let issuer = app.introspector.as_ref().map_or(base_url, Introspector::issuer);
            Ok(cors::publish(Response::json(200, &resource_metadata(base_url, issuer)), DOCUMENT))
        }
        ("GET" | "HEAD", site::SERVER_METADATA | site::SERVER_METADATA_MCP) => {
            Ok(cors::publish(Response::json(200, &oauth::metadata::document(base_url)), DOCUMENT))
        }
        // The same for a browser's preflight and for any other OPTIONS, so no arm distinguishes the two.
        ("OPTIONS", path) if DOCUMENTS.contains(&path) => {
            Ok(cors::publish(Response::new(204), DOCUMENT).with("Allow", DOCUMENT))
        }
        ("POST", site::TOKEN) => program(oauth::token::answer(context, body)),
        ("POST", site::REGISTER) => program(oauth::register::answer(context, body)),
        ("POST", site::REVOKE) => program(oauth::revoke::answer(context, body)),
        ("OPTIONS", site::TOKEN | site::REGISTER | site::REVOKE) => {
            Ok(cors::publish(Response::new(204), ENDPOINT).with("Allow", ENDPOINT))
        }
        // Other servers call this one, and no page does: it has no CORS headers.
        ("POST", site::INTROSPECT) => Ok(oauth::introspect::answer(context, body)?),
        // From here on pages for people, which only their own browser shows.
        ("GET" | "HEAD", site::AUTHORIZE) => Ok(pages::consent::show(context)?),
        ("POST", site::AUTHORIZE) => Ok(pages::consent::decide(context, body)?),
        ("POST", site::SIGN_IN) => Ok(pages::sign_in::submit(context, body)?),
        ("GET" | "HEAD", site::ACCOUNT) => Ok(pages::account::show(context)?),
        ("POST", site::ACCOUNT) => Ok(pages::account::submit(context, body)?),
        // One function for both methods, because both check first whether the server still has no person.
        ("GET" | "HEAD" | "POST", site::SETUP) => Ok(pages::setup::answer(context, body)?),
        // The pages' policy (CSP) allows no style but this file's.
        ("GET" | "HEAD", site::STYLE) => Ok(pages::style()),
        ("GET" | "HEAD", site::HOME) => Ok(pages::home::show(base_url, app.introspector.is_none())),
        // RFC 9110 §15.5.6: a 405 says which methods the path has, and so does the response to OPTIONS (§9.3.7).
        (method, path) => Ok(match allowed(path) {
            Some(allow) if method == "OPTIONS" => Response::new(204).with("Allow", allow),
            Some(allow) => Response::text(405, &format!("this takes {allow}")).with("Allow", allow),
            None => nothing_here(base_url),
        }),
    }
}

/// The MCP endpoint: the gate, then the body, then the call. In this order a client without a good token can make the
/// server keep a head in memory, and nothing else.
fn endpoint(context: &Context, body: &mut Body) -> Result<Response, Error> {
    let Context { head, log, .. } = *context;
    // A preflight never carries a token (Fetch §3.3.5), so it can't be asked for one. It learns what any page may
    // know: which methods and fields the endpoint takes.
    if cors::is_preflight(head) {
        log.check(Check::IsPreflight, true);
        return Ok(cors::preflight());
    }
    let mut context = *context;
    let mut caller = context.gate().admit(head)?;
    // What the head alone decides (method, media types) is refused before the body is read, like a bad token.
    let accepts = mcp::accept(head)?;
    // Most bodies come with their head. Then no time passes here, and the token needs no second look-up.
    let has_arrived = body.has_arrived();
    let bytes = body.read(limits::MCP_BODY_BYTES_MAX)?;
    if !has_arrived {
        // The server waited for the body, for up to half a minute. The token may have been revoked meanwhile, and a
        // person who revokes a token expects that nothing is done with it from then on. The call itself happens at
        // the later time too, so its checks and its rows agree.
        context.now = Timestamp::now();
        caller = context.gate().admit(head)?;
    }
    Ok(mcp::answer(&context, caller, accepts, &bytes))
}

/// Why a request was refused, on whichever wire. Each kind is rendered in one place, by its own room.
///
/// There is one type for all, so that a handler can use `?` for whatever refuses, and one type for each wire below
/// it, so that an OAuth error can't be sent where a client expects JSON-RPC.
#[derive(Debug)]
enum Error {
    /// It can't be read as HTTP. The connection ends behind the response, whatever it says.
    Http(BadRequest),
    /// The gate refused it, with a challenge where a token would help.
    Gate(Refusal),
    /// An OAuth endpoint refused it, in JSON for a program.
    OAuth(OAuthError),
    /// A page can't be shown. A person reads the error in a browser, so it becomes a page itself.
    Page(PageError),
    /// Its head alone shows that it is no message of MCP. Later errors of MCP are JSON-RPC and no `Error`: they
    /// answer a request by its id.
    Mcp(mcp::Unacceptable),
}

impl Error {
    /// The response. What decided is recorded in the same place, so that log and response can't differ.
    fn response(self, log: &RequestLog) -> Response {
        match self {
            Error::Http(bad) => {
                log.set_remedy(Some(bad.message())); // there may be no head, so nothing else says what was wrong
                Response::text(bad.status(), bad.message()).and_close()
            }
            Error::Gate(refusal) => {
                // Every client's first request has no token. That is no mistake, so the log names no remedy for it.
                let is_first = refusal.check == Check::HasAuthorization;
                log.set_remedy(refusal.check.facts().remedy.filter(|_| !is_first));
                refusal.response()
            }
            Error::OAuth(error) => {
                error.record(log);
                error.response()
            }
            Error::Page(PageError(error)) => {
                error.record(log);
                pages::error(&error)
            }
            Error::Mcp(unacceptable) => unacceptable.response(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Http(bad) => bad.fmt(out),
            Error::Gate(refusal) => refusal.fmt(out),
            Error::OAuth(error) => error.fmt(out),
            Error::Page(error) => error.fmt(out),
            Error::Mcp(unacceptable) => unacceptable.fmt(out),
        }
    }
}

impl std::error::Error for Error {}

// `?` turns the refusal of each room into an `Error`. No room below names this type, so the conversions stand here.

impl From<BadRequest> for Error {
    fn from(bad: BadRequest) -> Error {
        Error::Http(bad)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::Gate(refusal)
    }
}

impl From<OAuthError> for Error {
    fn from(error: OAuthError) -> Error {
        Error::OAuth(error)
    }
}

impl From<PageError> for Error {
    fn from(error: PageError) -> Error {
        Error::Page(error)
    }
}

impl From<mcp::Unacceptable> for Error {
    fn from(unacceptable: mcp::Unacceptable) -> Error {
        Error::Mcp(unacceptable)
    }
}

/// The documents that every page may read. They are for programs; what a person reads has paths of its own.
const DOCUMENTS: [&str; 4] =
    [site::RESOURCE_METADATA, site::RESOURCE_METADATA_ROOT, site::SERVER_METADATA, site::SERVER_METADATA_MCP];
/// The paths that are there only while this server is its own authorization server. The home page stays, and says
/// where the journal is.
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

/// A person who types the address into a browser ends here as well, so it says where the journal is.
fn nothing_here(base_url: &str) -> Response {
    Response::text(404, &format!("nothing is here; the journal is at {base_url}{}", site::MCP))
}

/// The methods of a path that is there, for `Allow`; `None` for another path. `*` stands for the whole server (RFC
/// 9112 §3.2.4). The MCP endpoint isn't listed: its own room answers every method.
fn allowed(path: &str) -> Option<&'static str> {
    match path {
        site::TOKEN | site::REGISTER | site::REVOKE | site::INTROSPECT | site::SIGN_IN => Some(ENDPOINT),
        site::AUTHORIZE | site::ACCOUNT | site::SETUP => Some("GET, HEAD, POST, OPTIONS"),
        site::STYLE | site::HOME | "*" => Some(DOCUMENT),
        _ => DOCUMENTS.contains(&path).then_some(DOCUMENT),
    }
}

/// The protected resource metadata (RFC 9728 §2): what the resource is, which server issues its tokens, and what they
/// can be for. `resource` must be the URL that the client has called, byte for byte, or the client must not use the
/// document (RFC 9728 §3.3): otherwise a server could have the client send it a token that is meant for another.
fn resource_metadata(base_url: &str, issuer: &str) -> serde_json::Value {
    json!({
        "resource": format!("{base_url}{}", site::MCP),
        "authorization_servers": [issuer],
        "scopes_supported": Scopes::ALL.iter().map(Scope::name).collect::<Vec<_>>(),
    })
}
