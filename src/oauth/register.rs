//! Dynamic client registration (RFC 7591): a client that this server has never heard of gets an id.
//!
//! Knows what [`super`] knows. The endpoint needs no credentials, since a client that a person has just installed has
//! none: that is what lets them press Connect without asking the operator first. So all that a client says of itself
//! is unproven. Registration gives it no access to anything; that, a person gives on the consent page.
//!
//! Newer clients of MCP can do without it: their id is the URL of a metadata document, which the server fetches. That
//! takes a connection by https to a host that a stranger named. This program speaks no TLS, so it offers registration
//! alone.

use serde_json::{Value, json};

use super::clients::{self, NewClient};
use super::{OAuthError, redirect};
use crate::context::Context;
use crate::http::request::Body;
use crate::http::response::Response;
use crate::json;
use crate::limits;
use crate::scope::Scopes;
use crate::throttle;

/// Answers `POST /register`. The answer names all that was registered, also where the server chose it (RFC 7591
/// §3.2.1). What the client left out stays out, since clients stumble over `null`.
///
/// A registration can't be read or changed later (RFC 7592 would allow it, by one more secret). A client that needs
/// another redirect URI registers once more; the old registration is deleted when nothing of it lives.
pub(crate) fn answer(context: &Context, body: &mut Body) -> Result<Response, OAuthError> {
    let Context { app, head, now, .. } = *context;
    // Behind the operator's own proxy every client has the proxy's address, so a limit by address would shut out all
    // of them together. There the limit on unused clients must do (`clients::insert`). A larger server would read the
    // client's address from the proxy's `Forwarded` field, and would have to know which proxies to believe.
    if !(app.site.is_public() && context.peer.is_loopback()) {
        let key = throttle::address_key(context.peer);
        if !app.registrations.allows(key, now) {
            return Err(OAuthError::TooMany);
        }
        // Counted before the metadata is looked at: what costs the server is the request, good or bad.
        app.registrations.count(key, now);
    }
    if !head.is_of_type("application/json") {
        return Err(OAuthError::Metadata("the body must be application/json"));
    }
    let bytes = body.read(limits::OAUTH_BODY_BYTES_MAX)?;
    // RFC 7591 has no code for a body that isn't JSON; to a client it is metadata that can't be accepted.
    let metadata = json::parse(&bytes).map_err(|_| OAuthError::Metadata("the body must be a JSON object"))?;
    let registration = Registration::read(&metadata)?;
    let shown_name = registration.shown_name();
    let Registration { name, redirect_uris, auth_method, scope } = registration;
    let new = NewClient {
        name: shown_name,
        redirect_uris: redirect_uris.clone(),
        auth_method,
        registered_by: "itself",
    };
    let (id, secret) = clients::insert(&app.store, new, now)?;
    let mut answer = json!({
        "client_id": id,
        "client_id_issued_at": now.0,
        "redirect_uris": redirect_uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": auth_method,
    });
    if let Some(secret) = secret {
        answer["client_secret"] = secret.into();
        answer["client_secret_expires_at"] = 0.into(); // never; the member is required beside a secret
    }
    if let Some(name) = name {
        answer["client_name"] = name.into();
    }
    if let Some(scope) = scope {
        answer["scope"] = scope.into();
    }
    Ok(Response::json(201, &answer).with("Cache-Control", "no-store"))
}

/// What matters here of a client's metadata (RFC 7591 §2). Unknown members are passed over, as the clause demands. So
/// are `logo_uri` and `client_uri`: a page that showed them would lend this server's name to a picture that a
/// stranger chose, and the browser would fetch it from the stranger's server.
pub(crate) struct Registration {
    /// `client_name`, if the client has one.
    name: Option<String>,
    /// `redirect_uris`, at least one.
    pub(crate) redirect_uris: Vec<String>,
    /// `token_endpoint_auth_method` as it was decided.
    pub(crate) auth_method: &'static str,
    /// Those of the requested scopes that are known here. They are only sent back: what the client may do, each of
    /// its authorization requests asks anew.
    scope: Option<String>,
}

impl Registration {
    /// Reads and checks a metadata document.
    pub(crate) fn read(metadata: &Value) -> Result<Registration, OAuthError> {
        if !metadata.is_object() {
            return Err(OAuthError::Metadata("the body must be a JSON object"));
        }
        // RFC 7591 §2 lets a client register none; but every client here goes through the browser, and one without a
        // registered URI could never be answered.
        let redirect_uris = texts(&metadata["redirect_uris"])
            .filter(|uris| (1..=limits::REDIRECT_URIS_MAX).contains(&uris.len()))
            .ok_or(OAuthError::Metadata("redirect_uris must be an array of 1 to 20 strings"))?;
        for uri in &redirect_uris {
            redirect::check(uri).map_err(OAuthError::Redirect)?;
        }
        // Two clients may have one name. Each copy of a program registers by itself, so an honest client looks
        // exactly like an imitation of it, and refusing the second would refuse the person's second machine. That is
        // why the consent page says that the name is unproven and shows where the code goes.
        let name = match &metadata["client_name"] {
            Value::Null => None,
            Value::String(name) if name.chars().count() <= limits::CLIENT_NAME_CHARS_MAX => {
                Some(name.trim().to_owned()).filter(|name| !name.is_empty())
            }
            _ => return Err(OAuthError::Metadata("client_name must be a string of at most 200 characters")),
        };
        // The lists may hold more than what is served: a client registers the same document at many servers. What is
        // needed has to be in them, or the client wouldn't use what the answer offers.
        let asks_for = |name: &str, needed: &str| match &metadata[name] {
            Value::Null => true,
            given => texts(given).is_some_and(|given| given.iter().any(|given| given == needed)),
        };
        if !asks_for("grant_types", "authorization_code") {
            return Err(OAuthError::Metadata("grant_types must contain authorization_code"));
        }
        if !asks_for("response_types", "code") {
            return Err(OAuthError::Metadata("response_types must contain code"));
        }
        let auth_method = match &metadata["token_endpoint_auth_method"] {
            // RFC 7591 §2 would make it `client_secret_basic`. A client that doesn't care is better off without a
            // secret to lose; RFC 7591 §3.2.1 lets the server decide, and the answer says so.
            Value::Null => "none",
            Value::String(method) => match method.as_str() {
                "none" => "none",
                "client_secret_basic" => "client_secret_basic",
                "client_secret_post" => "client_secret_post",
                // Not replaced by one of these: a client that signs its requests (`private_key_jwt`) wants that
                // strength.
                _ => {
                    let known =
                        "token_endpoint_auth_method must be none, client_secret_post or client_secret_basic";
                    return Err(OAuthError::Metadata(known));
                }
            },
            _ => return Err(OAuthError::Metadata("token_endpoint_auth_method must be a string")),
        };
        let scope = match &metadata["scope"] {
            Value::Null => None,
            Value::String(scope) => Some(Scopes::parse_known(scope).to_string()),
            _ => return Err(OAuthError::Metadata("scope must be a string")),
        };
        Ok(Registration { name, redirect_uris, auth_method, scope: scope.filter(|scope| !scope.is_empty()) })
    }

    /// What people are shown as the client's name: its own, or the place that it sends them to.
    pub(crate) fn shown_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| redirect::destination(&self.redirect_uris[0]).to_owned())
    }
}

/// The texts of an array; `None` when it is none, or holds something else.
fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}
