//! Dynamic client registration (RFC 7591): a client introduces itself.
//!
//! Knows what [`super`] knows. Whatever is decided for the client is said in the answer; what it left out stays
//! out, since clients stumble over `null`.

use serde_json::{Value, json};

use super::clients::{self, NewClient};
use super::{Fault, redirect};
use crate::clock::Timestamp;
use crate::json;
use crate::limits;
use crate::request::{Body, Head};
use crate::response::Response;
use crate::scope::Scopes;
use crate::store::Store;

/// Answers `POST /register`.
pub fn answer(store: &Store, head: &Head, body: &mut Body, now: Timestamp) -> Result<Response, Fault> {
    if !head.is_of_type("application/json") {
        return Err(Fault::Metadata("the body must be application/json"));
    }
    let octets = body.read(limits::OAUTH_BODY_BYTES_MAX)?;
    let metadata = json::parse(&octets).map_err(|_| Fault::Metadata("the body must be a JSON object"))?;
    let registration = Registration::read(&metadata)?;
    let Registration { name, redirect_uris, auth_method, scope } = registration;
    let new = NewClient {
        // A client without a name is shown by the place that it sends people to.
        name: name.clone().unwrap_or_else(|| redirect::destination(&redirect_uris[0]).to_owned()),
        redirect_uris: redirect_uris.clone(),
        auth_method,
        registered_by: "itself",
    };
    let (id, secret) = clients::insert(store, new, now)?;
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
        answer["client_secret_expires_at"] = 0.into(); // never
    }
    if let Some(name) = name {
        answer["client_name"] = name.into();
    }
    if let Some(scope) = scope {
        answer["scope"] = scope.into();
    }
    Ok(Response::json(201, &answer).with("Cache-Control", "no-store"))
}

/// What matters here of a client's metadata (RFC 7591 §2); the rest is passed over.
pub struct Registration {
    /// `client_name`.
    pub name: Option<String>,
    /// `redirect_uris`, at least one.
    pub redirect_uris: Vec<String>,
    /// `token_endpoint_auth_method` as it was decided.
    pub auth_method: &'static str,
    scope: Option<String>,
}

impl Registration {
    /// Reads and checks a metadata document.
    pub fn read(metadata: &Value) -> Result<Registration, Fault> {
        if !metadata.is_object() {
            return Err(Fault::Metadata("the body must be a JSON object"));
        }
        let redirect_uris = texts(&metadata["redirect_uris"])
            .filter(|uris| (1..=limits::REDIRECT_URIS_MAX).contains(&uris.len()))
            .ok_or(Fault::Metadata("redirect_uris must be an array of 1 to 20 strings"))?;
        for uri in &redirect_uris {
            redirect::check(uri).map_err(Fault::Redirect)?;
        }
        let name = match &metadata["client_name"] {
            Value::Null => None,
            Value::String(name) if name.chars().count() <= limits::CLIENT_NAME_CHARS_MAX => {
                Some(name.trim().to_owned()).filter(|name| !name.is_empty())
            }
            _ => return Err(Fault::Metadata("client_name must be a string of at most 200 characters")),
        };
        let asks_for = |name: &str, needed: &str| match &metadata[name] {
            Value::Null => true,
            given => texts(given).is_some_and(|given| given.iter().any(|given| given == needed)),
        };
        if !asks_for("grant_types", "authorization_code") {
            return Err(Fault::Metadata("grant_types must contain authorization_code"));
        }
        if !asks_for("response_types", "code") {
            return Err(Fault::Metadata("response_types must contain code"));
        }
        let auth_method = match &metadata["token_endpoint_auth_method"] {
            // RFC 7591 §2 would make it client_secret_basic. A client that doesn't care is better off without a
            // secret to lose; RFC 7591 §3.2.1 lets us decide, and the answer says so.
            Value::Null => "none",
            Value::String(method) => match method.as_str() {
                "none" => "none",
                "client_secret_basic" => "client_secret_basic",
                "client_secret_post" => "client_secret_post",
                _ => {
                    let known =
                        "token_endpoint_auth_method must be none, client_secret_post or client_secret_basic";
                    return Err(Fault::Metadata(known));
                }
            },
            _ => return Err(Fault::Metadata("token_endpoint_auth_method must be a string")),
        };
        let scope = match &metadata["scope"] {
            Value::Null => None,
            Value::String(scope) => Some(Scopes::parse_known(scope).to_string()),
            _ => return Err(Fault::Metadata("scope must be a string")),
        };
        Ok(Registration { name, redirect_uris, auth_method, scope: scope.filter(|scope| !scope.is_empty()) })
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}
