//! The table of URLs, `route`: what answers each path and method.
//!
//! Knows no SQL and no JSON fields of MCP. `handle` reads the clock when a request arrives, and `endpoint` reads it
//! again after a slow body; handlers use that time, and only an open event stream reads the clock itself. Invariant:
//! every request ends as one response, and goes to the log once, but for `/healthz` and `/proof`.
//!
//! | path | caller | which web pages may read the response |
//! |---|---|---|
//! | `/mcp`, `/mcp/` | a client, with a token | those that `gate::check_origin` lets pass |
//! | `/.well-known/…` | a client on its way to a token | all: nothing in them is secret |
//! | `/token`, `/register`, `/revoke` | a client, or a page that is one | all: a request brings its own secret |
//! | `/introspect` | another server, with its own secret | none |
//! | `/authorize`, `/sign-in`, `/account`, `/setup` | a person's browser | none: they show whose journal this is |
//! | `/journal`, `/journal/…` | a person's browser | none: they show the journal |
//! | `/healthz` | a program of the operator | none: it holds nothing |
//! | `/proof` | `epicme stdio`, before it sends its token | none: no page has a reason to |
//! | `/`, `/style.css` | a person's browser | none: no page has a reason to |
//! | `/watch`, `/watch/…` | the operator's browser, if the server was started so | none: they show who does what |
//!
//! A larger server has a router, to which each module adds the patterns of its paths. A fixed, short list of paths
//! needs none, and one `match` shows which paths exist and which function answers each.

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
use crate::pages::journal::Place;
use crate::pages::{self, PageError};
use crate::proof::{Challenge, Ends};
use crate::request_id::RequestId;
use crate::scope::{Scope, Scopes};
use crate::settings;
use crate::shares::NoShare;
use crate::site;
use crate::store::OneTransaction;
use crate::watch::Watch;

/// Answers one request and writes its line in the log; those that [`unlogged`] answers have none. A request that can't
/// be read as HTTP gets an error response, and a line too. `http::server` calls this function for each request.
pub(crate) fn handle(
    app: &Arc<App>,
    request: Result<(&Head, &mut Body), BadRequest>,
    peer: SocketAddr,
    id: RequestId,
) -> Response {
    let head = request.as_ref().ok().map(|(head, _)| *head);
    if let Some(head) = head.filter(|head| matches!(head.path(), site::HEALTH | site::PROOF)) {
        return unlogged(app, head, peer);
    }
    let client = app.proxies.client(peer.ip(), head);
    let proxy_id = head.filter(|_| app.proxies.trusts(client.peer)).and_then(proxy_id);
    let arrival = Arrival { now: Timestamp::now(), client, id, proxy_id };
    // Begun before anything can fail, and written when the response is known. There is no `?` and no `return` in
    // between, so each request gets its line.
    let watch = app.watch.as_ref().filter(|_| head.is_none_or(|head| !is_of_the_watch(head.path())));
    let log = RequestLog::begin(&app.deployment, watch.is_some());
    let result = match request {
        Ok((head, body)) => answer(app, head, body, arrival, &log),
        Err(bad) => Err(bad.into()),
    };
    let response = result.unwrap_or_else(|error| error.response(&log));
    if let Some(field) = response.unwritable() {
        log.set_outcome("unwritable-response");
        log.set_remedy(format!("a value of {field} can't be sent: report this as a fault of epicme"));
    }
    log::write(arrival, head, &response, &log);
    if let Some(watch) = watch {
        show(watch, arrival, head, &response, &log);
    }
    // A person who sees that the server failed can tell the operator which request it was. Not so where the client has
    // sent what this server doesn't do (501, 505): the number of the connection would tell it how many others there
    // were.
    if response.status() >= 500 && head.is_some() {
        response.with("X-Request-Id", id.to_string())
    } else {
        response
    }
}

/// Answers what programs ask again and again, without a token and by any name of the host.
#[inline(never)] // see `log::write`
fn unlogged(app: &App, head: &Head, peer: SocketAddr) -> Response {
    let response = match (head.method(), head.path()) {
        ("GET" | "HEAD", site::HEALTH) => health(app),
        ("GET" | "HEAD", _) => prove(app, head, peer),
        _ => Response::text(405, &format!("this path takes only {UNLOGGED}")).with("Allow", UNLOGGED),
    };
    response.with("Cache-Control", "no-store")
}

/// Adds a request to those that are watched.
#[inline(never)] // see `log::write`
fn show(watch: &Watch, arrival: Arrival, head: Option<&Head>, response: &Response, log: &RequestLog) {
    watch.add(log::wire_view::as_json(arrival, head, response, log));
}

/// Answers whether the server is well: 200 if it can read its database and the file is where a later start finds it,
/// else 503. The client learns nothing else, so there is no token, and the host's name doesn't count: the programs that
/// ask, a balancer or the service of a container, use an address. It costs one look-up, as a request with an invented
/// token does.
fn health(app: &App) -> Response {
    if app.store.is_in_place() && settings::can_be_read(&app.store) {
        Response::text(200, "ok")
    } else {
        Response::text(503, "not ok")
    }
}

/// Answers a challenge by the proof that this server has its database, see `proof.rs`. It costs an HMAC and no look-up,
/// and says nothing to a client that hasn't the key.
fn prove(app: &App, head: &Head, peer: SocketAddr) -> Response {
    match head.query().and_then(Challenge::parse) {
        Some(challenge) => {
            let ends = Ends { listens: app.site.listens(), client: peer };
            Response::text(200, &ends.prove(&app.signer, &challenge))
        }
        None => Response::text(400, "the query must be challenge= and 256 bits in base64url"),
    }
}

/// The methods of these paths.
const UNLOGGED: &str = "GET, HEAD";

/// Returns the id that a proxy has given to a request, if it is one to be shown.
fn proxy_id(head: &Head) -> Option<&str> {
    let id = head.field("x-request-id")?;
    let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte));
    // A client's token in the wrong place must not reach the log.
    let is_plain = is_plain && !id.contains("em_");
    Some(id).filter(|id| is_plain && (1..=limits::PROXY_ID_CHARS_MAX).contains(&id.len()))
}

/// Checks the host, builds the context and calls `route`. The host is checked first, whatever the path, because a
/// [`Context`] needs the base URL. If a `?` here or in `route` ends the request, `handle` turns the error into the
/// response.
fn answer(
    app: &Arc<App>,
    head: &Head,
    body: &mut Body,
    arrival: Arrival,
    log: &RequestLog,
) -> Result<Response, Error> {
    let base_url = gate::check_host(head, &app.site, log)?;
    let Arrival { now, client, .. } = arrival;
    route(&Context { app, head, base_url, client, now, log }, body)
}

/// Answers a request by its path and method: the one table of URLs. The arms of a path are next to each other, and
/// the last of them, which calls `other`, is for the methods that the path doesn't have. Each path that takes `GET`
/// takes `HEAD` too (RFC 9110 §9.1); `http/` leaves out the body.
///
/// An arm calls the function that answers, and adds the CORS headers: only this file knows which web pages may read a
/// path.
fn route(context: &Context, body: &mut Body) -> Result<Response, Error> {
    let Context { app, head, base_url, log, .. } = *context;
    if app.introspector.is_some()
        && (OWN_SERVER.contains(&head.path()) || site::is_within(head.path(), site::JOURNAL))
    {
        // Another server issues the tokens, so these paths don't exist here.
        return Ok(nothing_here(base_url));
    }
    let program = |result: Result<Response, OAuthError>| {
        // A browser script of any origin may read the error, so that it can show why the request failed. Therefore
        // the error becomes a response before `publish` adds the CORS headers.
        let response = result.unwrap_or_else(|error| Error::OAuth(error).response(log));
        Ok(cors::publish(response, ENDPOINT))
    };
    // RFC 9110 §15.5.6: a 405 names the methods that the path has, and so does the response to OPTIONS (§9.3.7).
    let other = |allow: &'static str| {
        let response = match head.method() {
            "OPTIONS" => Response::new(204),
            _ => Response::text(405, &format!("this path takes only {allow}")),
        };
        Ok(response.with("Allow", allow))
    };
    match (head.path(), head.method()) {
        // `endpoint` answers all methods.
        (site::MCP | site::MCP_SLASH, _) => {
            // A foreign page gets its 403 without CORS headers. All later errors have them, so that a client in a
            // browser can read the challenge of the 401.
            let origin = gate::check_origin(head, &app.site, log)?;
            let response = endpoint(context, body).unwrap_or_else(|error| error.response(log));
            Ok(cors::share(response, origin))
        }
        // The gate isn't called for the documents: they hold nothing secret, and a client fetches them before it has
        // a token.
        (path, method) if path.starts_with(site::WELL_KNOWN) => match (document(context, path), method) {
            (Some(document), "GET" | "HEAD") => Ok(cors::publish(Response::json(200, &document), DOCUMENT)),
            // A browser's preflight and any other OPTIONS get the same response, with CORS headers.
            (_, "OPTIONS") => Ok(cors::publish(Response::new(204), DOCUMENT).with("Allow", DOCUMENT)),
            (Some(_), _) => other(DOCUMENT),
            // Clients look for documents that this server doesn't have, and go on to the next place after a 404. A
            // client in a browser can tell the 404 from a network error only if it may read it; that is also why the
            // preflight is answered for each path.
            (None, _) => Ok(cors::publish(nothing_here(base_url), DOCUMENT)),
        },
        (site::TOKEN, "POST") => program(oauth::token::answer(context, body)),
        (site::REGISTER, "POST") => program(oauth::register::answer(context, body)),
        (site::REVOKE, "POST") => program(oauth::revoke::answer(context, body)),
        (site::TOKEN | site::REGISTER | site::REVOKE, "OPTIONS") => {
            Ok(cors::publish(Response::new(204), ENDPOINT).with("Allow", ENDPOINT))
        }
        (site::TOKEN | site::REGISTER | site::REVOKE, _) => other(ENDPOINT),
        // Other servers call this endpoint, and no web page does, so there are no CORS headers.
        (site::INTROSPECT, "POST") => Ok(oauth::introspect::answer(context, body)?),
        (site::INTROSPECT, _) => other(ENDPOINT),
        // From here on pages for people. Only the person's own browser shows them, so there are no CORS headers.
        (site::AUTHORIZE, "GET" | "HEAD") => Ok(pages::consent::show(context)?),
        (site::AUTHORIZE, "POST") => Ok(pages::consent::decide(context, body)?),
        (site::AUTHORIZE, _) => other(PAGE_WITH_FORM),
        (site::SIGN_IN, "POST") => Ok(pages::sign_in::submit(context, body)?),
        // After a wrong password the address bar shows this path, so a reload or a bookmark asks for it. The account
        // page shows the form.
        (site::SIGN_IN, "GET" | "HEAD") => {
            Ok(Response::see_other(site::ACCOUNT.to_owned()).with("Cache-Control", "no-store"))
        }
        (site::SIGN_IN, _) => other(PAGE_WITH_FORM),
        (site::ACCOUNT, "GET" | "HEAD") => Ok(pages::account::show(context)?),
        (site::ACCOUNT, "POST") => Ok(pages::account::submit(context, body)?),
        (site::ACCOUNT, _) => other(PAGE_WITH_FORM),
        (site::SETUP, "GET" | "HEAD") => Ok(pages::setup::show(context)?),
        (site::SETUP, "POST") => Ok(pages::setup::submit(context, body)?),
        (site::SETUP, _) => other(PAGE_WITH_FORM),
        (path, method) if site::is_within(path, site::JOURNAL) => match (Place::parse(path), method) {
            (place, "GET" | "HEAD") | (place @ None, _) => Ok(pages::journal::show(context, place)?),
            (Some(place), "POST") if place.has_form() => Ok(pages::journal::submit(context, place, body)?),
            (Some(place), _) if place.has_form() => other(PAGE_WITH_FORM),
            _ => other(DOCUMENT),
        },
        (path, method) if site::is_within(path, site::WATCH) => match (&app.watch, method) {
            (None, _) => Ok(nothing_here(base_url)),
            (Some(watch), "GET" | "HEAD") => Ok(pages::watch::show(context, watch)?),
            (Some(_), _) => other(DOCUMENT),
        },
        // The pages' policy (CSP) allows no style but this file's.
        (site::STYLE, "GET" | "HEAD") => Ok(pages::style()),
        (site::HOME, "GET" | "HEAD") => Ok(pages::home::show(base_url, app.introspector.is_none())),
        // `OPTIONS *` asks about the whole server (RFC 9112 §3.2.4).
        (site::STYLE | site::HOME | "*", _) => other(DOCUMENT),
        _ => Ok(nothing_here(base_url)),
    }
}

/// Answers the MCP endpoint, step by step: the preflight; the gate; the redirect of `/mcp/`; what `mcp` can refuse by
/// the head; the person's share of the server; the body; the gate again if the body was slow; and then `mcp`. The gate
/// comes before the body, so a client without a good token can't make the server keep a body in memory.
fn endpoint(context: &Context, body: &mut Body) -> Result<Response, Error> {
    let Context { head, log, .. } = *context;
    // A preflight never carries a token (Fetch §3.3.5), so the gate can't require one. The response holds nothing
    // secret: the methods and fields that the endpoint takes.
    if cors::is_preflight(head) {
        log.check(Check::IsPreflight, true);
        return Ok(cors::preflight());
    }
    // Most bodies arrive together with their head. Then the server doesn't wait below: the token needs no second
    // look-up, and one transaction serves for the token and for the rows. Another server's answer is waited for.
    let has_arrived = body.has_arrived();
    let _transaction = (has_arrived && context.app.introspector.is_none()).then(OneTransaction::begin);
    let mut context = *context;
    let mut caller = context.gate().admit(head)?;
    if head.path() == site::MCP_SLASH {
        return Ok(redirect_to_endpoint(&context));
    }
    // A wrong method or media type is refused before the body is read, like a bad token: the head alone shows it.
    let accepts = mcp::accept(head)?;
    // This too comes before the body: the bodies of one person's requests must not take all of the memory.
    let bytes_max = body.bytes_at_most(limits::MCP_BODY_BYTES_MAX);
    let share = context.app.shares.take(caller.holder().user_id, bytes_max).map_err(Error::TooMany)?;
    let bytes = body.read(limits::MCP_BODY_BYTES_MAX)?;
    if !has_arrived {
        // The server waited for the body, for up to half a minute. The token may have been revoked meanwhile, and a
        // person who revokes a token expects that nothing is done with that token from then on. `now` becomes the
        // later time too, so the rows that the call writes have the time of the second check.
        context.now = Timestamp::now();
        caller = context.gate().admit(head)?;
    }
    let response = mcp::answer(&context, caller, accepts, &bytes, &mut || body.is_client_there());
    Ok(response.keeping(share))
}

/// Answers an admitted request to `/mcp/`, by a redirect to the endpoint. The gate comes first, because a client that
/// was given this URL finds only by the challenge where to get a token: on their way to a token, few clients follow a
/// redirect.
///
/// The request isn't answered here. If two URLs were the endpoint, a proxy could guard one of them and let the other
/// pass. The query is kept; the gate has refused one that holds a token.
#[inline(never)] // see `log::write`
fn redirect_to_endpoint(context: &Context) -> Response {
    let query = context.head.query().map(|query| format!("?{query}")).unwrap_or_default();
    let text = "the MCP endpoint is at the URL in the Location field; give that URL to the client";
    let location = format!("{}{}{query}", context.base_url, site::MCP);
    Response::permanent_redirect(location, text).with("Cache-Control", "no-store")
}

/// Why a request was refused. `Error::response` turns each kind into its response.
///
/// There is one type for all, so that the functions of this file can use `?`. The modules below have a type each, so
/// that `mcp` can't answer with an OAuth error, nor `oauth` with a page.
#[derive(Debug)]
enum Error {
    /// The request can't be read as HTTP, or its body is too large or too slow. The connection is closed after the
    /// response.
    Http(BadRequest),
    /// The gate refused the request.
    Gate(Refusal),
    /// An OAuth endpoint refused the request. The response is JSON for a program.
    OAuth(OAuthError),
    /// A page can't be shown. A person reads the error in a browser, so the response is a page too.
    Page(PageError),
    /// The head alone shows that the request is no message of MCP. Later errors of MCP aren't an `Error`: they are
    /// JSON-RPC, with the id of the call.
    Mcp(mcp::Unacceptable),
    /// There is no share of the server for this request now.
    TooMany(NoShare),
}

impl Error {
    /// Builds the response, and records the cause in the log at the same place, so that the two agree.
    fn response(self, log: &RequestLog) -> Response {
        let is_encoded = matches!(
            self,
            Error::Http(BadRequest::ContentEncoding)
                | Error::OAuth(OAuthError::Body(BadRequest::ContentEncoding))
                | Error::Page(PageError::Fields(OAuthError::Body(BadRequest::ContentEncoding)))
        );
        let response = match self {
            Error::Http(bad) => {
                log.set_remedy(bad.message()); // there may be no head, so nothing else says what was wrong
                let response = Response::text(bad.status(), bad.message()).and_close();
                match bad {
                    // RFC 9110 §15.6.4, §10.2.3: when to try again.
                    BadRequest::NoPlace => {
                        response.with("Retry-After", limits::REQUESTS_RETRY_SECONDS.to_string())
                    }
                    _ => response,
                }
            }
            Error::Gate(refusal) => {
                // A client that discovers this server sends its first request without a token. That is no mistake, so
                // the log names no remedy.
                if refusal.check != Check::HasAuthorization {
                    log.set_remedy_of(refusal.check);
                }
                refusal.response()
            }
            Error::OAuth(error) => {
                error.record(log);
                error.response()
            }
            Error::Page(error) => {
                error.record(log);
                error.response()
            }
            Error::Mcp(unacceptable) => unacceptable.response(),
            Error::TooMany(why) => {
                log.set_outcome("too-many-requests");
                let status = if why == NoShare::AllBodies { 503 } else { 429 };
                Response::text(status, &self.to_string())
                    .with("Retry-After", limits::REQUESTS_RETRY_SECONDS.to_string())
            }
        };
        // RFC 9110 §15.5.16: this field says which content codings would have been taken.
        if is_encoded { response.with("Accept-Encoding", "identity") } else { response }
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
            Error::TooMany(NoShare::Bodies) => out.write_str(
                "the requests that you have in progress are too large together; wait until some of them are answered",
            ),
            Error::TooMany(NoShare::AllBodies) => {
                out.write_str("the requests in progress are too large together; try again")
            }
            Error::TooMany(NoShare::Requests) => {
                let max = limits::REQUESTS_PER_PERSON_MAX;
                write!(out, "you have {max} requests in progress; wait until some of them are answered")
            }
        }
    }
}

impl std::error::Error for Error {}

// With these conversions, `?` turns the error of each module into an `Error`. They are here because no other module
// names this type.

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

/// The methods of a page that a person opens and whose form the browser sends.
const PAGE_WITH_FORM: &str = "GET, HEAD, POST, OPTIONS";
/// The paths that exist only if this server issues the tokens itself, beside its metadata. The home page isn't among
/// them: it always exists, and says where the journal is.
const OWN_SERVER: [&str; 8] = [
    site::AUTHORIZE,
    site::TOKEN,
    site::REGISTER,
    site::REVOKE,
    site::INTROSPECT,
    site::SIGN_IN,
    site::ACCOUNT,
    site::SETUP,
];

/// Returns whether a request is made by the page that shows exchanges, or by every page, and so isn't shown there.
fn is_of_the_watch(path: &str) -> bool {
    path == site::STYLE || site::is_within(path, site::WATCH)
}

/// Builds the 404. A person may have typed the address into a browser, so the text says where the journal is.
fn nothing_here(base_url: &str) -> Response {
    Response::text(404, &format!("nothing is here; the journal is at {base_url}{}", site::MCP))
}

/// Builds the metadata document that a well-known path has; `None` if it has none.
///
/// One slash at the end changes nothing. Clients build these paths from a URL that has one: from `/mcp/`, or from the
/// base URL as URL types write it.
#[inline(never)] // see `log::write`
fn document(context: &Context, path: &str) -> Option<serde_json::Value> {
    let Context { app, base_url, .. } = *context;
    match path.strip_suffix('/').unwrap_or(path) {
        site::RESOURCE_METADATA | site::RESOURCE_METADATA_ROOT => {
            // If another server issues the tokens, the document names that server as the issuer.
            let issuer = app.introspector.as_ref().map_or(base_url, Introspector::issuer);
            Some(resource_metadata(base_url, issuer))
        }
        // With another server, a client that found our own metadata would get a token that the gate refuses.
        site::SERVER_METADATA | site::SERVER_METADATA_MCP if app.introspector.is_none() => {
            Some(oauth::metadata::document(base_url))
        }
        _ => None,
    }
}

/// Builds the protected resource metadata (RFC 9728 §2), five members: the URL of the MCP endpoint (`resource`), the
/// one server that issues its tokens, the names of all scopes, where a token goes in a request (in `Authorization`
/// alone), and a name to show to people. `resource` must be the URL that the client called, byte for byte, or the
/// client must not use the document (RFC 9728 §3.3). Without that rule a server could get a client to send it a token
/// that was issued for another server.
///
/// A client that calls `/mcp/` gets the document too, and `resource` is still `/mcp`, the URL that tokens are for. The
/// SDKs use the document then, since they accept a resource whose path the URL lies below. A client that keeps to the
/// rule stops, and can show the person the URL that is right; with a 404 it would know nothing.
fn resource_metadata(base_url: &str, issuer: &str) -> serde_json::Value {
    json!({
        "resource": format!("{base_url}{}", site::MCP),
        "authorization_servers": [issuer],
        "scopes_supported": Scopes::ALL.iter().map(Scope::name).collect::<Vec<_>>(),
        "bearer_methods_supported": ["header"],
        "resource_name": "EpicMe journal",
    })
}
