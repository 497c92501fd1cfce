//! Dynamic client registration (RFC 7591): a client that this server has never heard of gets an id.
//!
//! Issues no token, reads no grant and stores nothing: `clients::issue` puts the registration into the client's id.
//! So a flood of registrations costs what any requests cost, and takes nothing from other clients. The endpoint needs
//! no credentials, since a client that a person has just installed has none: so a person can press Connect without
//! asking the operator first. All that a client says of itself is unproven. Registration gives the client no access;
//! a person gives access on the consent page.
//!
//! Newer clients of MCP can do without registration: their id is the URL of a metadata document, which the server
//! fetches. That takes a connection by https to a host that a stranger named. This program speaks no TLS, so it
//! offers registration alone.

use serde_json::{Value, json};

use super::clients::{self, AuthMethod, NewClient};
use super::redirect::{self, BadRedirect};
use super::{OAuthError, schemes::Schemes};
use crate::context::Context;
use crate::http::request::Body;
use crate::http::response::Response;
use crate::json;
use crate::limits;
use crate::scope::Scopes;
use crate::text;

/// Answers `POST /register`. The answer names all that was registered, also what the server chose (RFC 7591 §3.2.1).
/// What the client left out stays out, since clients stumble over `null`.
///
/// Some clients register a URI with their app's own scheme beside one on this machine. If the scheme isn't known here,
/// the server leaves that URI out, and the answer names the URIs that it registered: so the client gets on without the
/// operator, by the other URI, and no code ever goes to the URI that was left out.
///
/// A registration can't be read or changed later (RFC 7592 would allow it, by one more secret). A client that needs
/// another redirect URI registers once more.
pub(crate) fn answer(context: &Context, body: &mut Body) -> Result<Response, OAuthError> {
    let Context { app, head, now, .. } = *context;
    if !head.is_json() {
        return Err(OAuthError::Metadata("the body must be application/json, in UTF-8"));
    }
    let bytes = body.read(limits::OAUTH_BODY_BYTES_MAX)?;
    // RFC 7591 has no code for a body that isn't JSON; to a client it is metadata that can't be accepted.
    let mut metadata =
        json::parse(&bytes).map_err(|_| OAuthError::Metadata("the body must be a JSON object"))?;
    leave_out_unknown_schemes(&mut metadata, &app.redirect_schemes);
    let registration = Registration::read(&metadata, &app.redirect_schemes)?;
    let shown_name = registration.shown_name();
    let Registration { name, redirect_uris, auth_method, scope } = registration;
    let new = NewClient { name: shown_name, redirect_uris: redirect_uris.clone(), auth_method };
    let (id, secret) = clients::issue(&app.signer, &new, now);
    let mut answer = json!({
        "client_id": id,
        "client_id_issued_at": now.0,
        "redirect_uris": redirect_uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": auth_method.name(),
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

/// The part of a client's metadata that this server uses (RFC 7591 §2). It ignores unknown members, as the clause
/// demands, and also `logo_uri` and `client_uri`: a page that showed them would lend this server's name to a picture
/// that a stranger chose, and the browser would fetch it from the stranger's server.
pub(crate) struct Registration {
    /// `client_name`, if the client has one.
    name: Option<String>,
    /// `redirect_uris`, at least one.
    pub(crate) redirect_uris: Vec<String>,
    /// `token_endpoint_auth_method` as it was decided.
    pub(crate) auth_method: AuthMethod,
    /// Those of the requested scopes that are known here. The server only sends them back: each authorization request
    /// names the scopes that it asks for.
    scope: Option<String>,
}

impl Registration {
    /// Reads and checks a metadata document.
    ///
    /// A member that says nothing ([`says_something`]) counts as absent, and RFC 7591 §2 says what an absent member
    /// means. Programs that write out every field of a type send such members.
    pub(crate) fn read(metadata: &Value, schemes: &Schemes) -> Result<Registration, OAuthError> {
        if !metadata.is_object() {
            return Err(OAuthError::Metadata("the body must be a JSON object"));
        }
        let given = |name: &str| Some(&metadata[name]).filter(|value| says_something(value));
        // RFC 7591 §2 lets a client register none; but every client here goes through the browser, and one without a
        // registered URI could never be answered.
        let redirect_uris = texts(&metadata["redirect_uris"])
            .filter(|uris| (1..=limits::REDIRECT_URIS_MAX).contains(&uris.len()))
            .ok_or(OAuthError::Metadata("redirect_uris must be an array of 1 to 20 strings"))?;
        for uri in &redirect_uris {
            redirect::check(uri, schemes).map_err(OAuthError::Redirect)?;
        }
        // Two clients may have one name. Each copy of a program registers by itself, so an honest client looks
        // exactly like an imitation of it, and refusing the second would refuse the person's second machine. That is
        // why the consent page says that the name is unproven and shows where the code goes.
        let name = match given("client_name") {
            None => None,
            Some(Value::String(name)) if name.chars().count() <= limits::CLIENT_NAME_CHARS_MAX => {
                Some(text::name(name).map_err(OAuthError::Name)?)
            }
            _ => return Err(OAuthError::Metadata("client_name must be a string of at most 200 characters")),
        };
        // The lists may hold more than what is served: a client registers the same document at many servers. What is
        // needed has to be in them, or the client wouldn't use what the answer offers.
        let asks_for = |name: &str, needed: &str| match given(name) {
            None => true,
            Some(list) => texts(list).is_some_and(|list| list.iter().any(|item| item == needed)),
        };
        if !asks_for("grant_types", "authorization_code") {
            return Err(OAuthError::Metadata("grant_types must contain authorization_code"));
        }
        if !asks_for("response_types", "code") {
            return Err(OAuthError::Metadata("response_types must contain code"));
        }
        let auth_method = match given("token_endpoint_auth_method") {
            // RFC 7591 §2 would make it `client_secret_basic`. A client that doesn't care is better off without a
            // secret to lose; RFC 7591 §3.2.1 lets the server decide, and the answer says so.
            None => AuthMethod::None,
            // Another one isn't replaced by one of these: a client that signs its requests (`private_key_jwt`) wants
            // that strength.
            Some(Value::String(method)) => AuthMethod::parse(method).ok_or(OAuthError::Metadata(
                "token_endpoint_auth_method must be none, client_secret_post or client_secret_basic",
            ))?,
            _ => return Err(OAuthError::Metadata("token_endpoint_auth_method must be a string")),
        };
        let scope = match given("scope") {
            None => None,
            Some(Value::String(scope)) => Some(Scopes::parse_known(scope).to_string()),
            _ => return Err(OAuthError::Metadata("scope must be a string")),
        };
        // The client's id holds all of this, and each URL that the client makes holds the id. A client without a name
        // is called by a part of its first URI, which is then in the id twice.
        let shown_name = shown_name(name.as_deref(), &redirect_uris);
        let bytes = shown_name.len() + redirect_uris.iter().map(String::len).sum::<usize>();
        if bytes > limits::REGISTRATION_BYTES_MAX {
            return Err(OAuthError::Metadata(
                "redirect_uris and client_name must have at most 4000 bytes together",
            ));
        }
        Ok(Registration { name, redirect_uris, auth_method, scope: scope.filter(|scope| !scope.is_empty()) })
    }

    /// Returns the name that people see: the client's own, or the place to which its first redirect URI leads.
    pub(crate) fn shown_name(&self) -> String {
        shown_name(self.name.as_deref(), &self.redirect_uris).to_owned()
    }
}

fn shown_name<'a>(name: Option<&'a str>, redirect_uris: &'a [String]) -> &'a str {
    name.unwrap_or_else(|| redirect::destination(&redirect_uris[0]))
}

/// Leaves out the redirect URIs whose only fault is a scheme that isn't known here, if there is another URI that can
/// be registered. Otherwise nothing is left out, and the refusal says what is wrong with the first. A URI with
/// another fault has the registration refused: no honest client sends it.
fn leave_out_unknown_schemes(metadata: &mut Value, schemes: &Schemes) {
    let Some(Value::Array(uris)) = metadata.get_mut("redirect_uris") else { return };
    let checked = |uri: &Value| uri.as_str().map(|uri| redirect::check(uri, schemes));
    if uris.iter().any(|uri| checked(uri) == Some(Ok(()))) {
        uris.retain(|uri| checked(uri) != Some(Err(BadRedirect::Scheme)));
    }
}

/// Returns whether a member or an element says something: `null`, an empty text and a list without such an element
/// don't.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(says_something),
        _ => true,
    }
}

/// Returns the texts of an array, without the elements that say nothing; `None` if the value is no array, or another
/// element is no text.
fn texts(value: &Value) -> Option<Vec<String>> {
    let items = value.as_array()?.iter().filter(|item| says_something(item));
    items.map(|item| item.as_str().map(str::to_owned)).collect()
}
