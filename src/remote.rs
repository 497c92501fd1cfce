//! An authorization server elsewhere: asks it what a token is (RFC 7662), and believes nothing else.
//!
//! Knows no path of ours and no journal. Invariant: a token is good only while the other server says so, or said so
//! within [`limits::INTROSPECTION_CACHE_SECONDS`]; no answer is never a yes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::json;
use crate::limits;
use crate::lock::locked;
use crate::outgoing::{self, Bounds, Outgoing};
use crate::scope::Scopes;
use crate::secret;
use crate::site;

/// The other server, and how we prove ourselves to it.
pub struct Remote {
    issuer: String,
    endpoint: Endpoint,
    credentials: String,
    known: Mutex<HashMap<[u8; 32], (Told, Timestamp)>>,
    asking: AtomicUsize,
}

/// What the other server says of a live token.
#[derive(Clone)]
pub struct Told {
    /// Who it acts for, there.
    pub subject: String,
    /// The client that it was given to, if the other server says so.
    pub client_id: Option<String>,
    /// What it may be used for here.
    pub scopes: Scopes,
    /// Its end.
    pub expires_at: Timestamp,
}

/// Why a token isn't taken, in the order in which it is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum No {
    /// The other server can't be asked.
    Unreachable,
    /// The other server doesn't know it, or it has been revoked.
    Inactive,
    /// It has expired, or isn't good yet.
    Expired,
    /// It was made for another resource, or for none in particular, or by another issuer.
    Audience,
}

/// An http URL on this machine, taken apart.
struct Endpoint {
    address: SocketAddr,
    host: String,
    path: String,
}

/// The `host:port` and path of an introspection endpoint that can be asked from here: http, on loopback.
fn endpoint(url: &str) -> Option<Endpoint> {
    let rest = url.strip_prefix("http://")?;
    let slash = rest.find('/')?;
    let (host, path) = rest.split_at(slash);
    let address = match host.strip_prefix("localhost:") {
        Some(port) => SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?)),
        None => host.parse().ok()?,
    };
    let fits = address.ip().is_loopback() && path.bytes().all(|octet| octet.is_ascii_graphic());
    fits.then(|| Endpoint { address, host: host.to_owned(), path: path.to_owned() })
}

impl Remote {
    /// The server with this issuer identifier, asked at `url` as the client `id` with `secret`.
    /// `None` when the URL isn't plain http to this machine.
    pub fn new(issuer: &str, url: &str, id: &str, secret: &str) -> Option<Remote> {
        // OAuth 2.1 §2.4.1: both halves are form-encoded before they are joined.
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        Some(Remote {
            issuer: issuer.to_owned(),
            endpoint: endpoint(url)?,
            credentials: STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))),
            known: Mutex::new(HashMap::new()),
            asking: AtomicUsize::new(0),
        })
    }

    /// The other server's issuer identifier, as it stands in our metadata.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What a presented token is good for at `origin`.
    pub fn find(&self, presented: &str, origin: &str, now: Timestamp) -> Result<Told, No> {
        // The same token may be for one of our names and not for another.
        let key = secret::sha256(format!("{origin} {presented}").as_bytes());
        if let Some((told, until)) = locked(&self.known).get(&key)
            && now < *until
            && now < told.expires_at
        {
            return Ok(told.clone());
        }
        let answer = self.ask(presented).ok_or(No::Unreachable)?;
        let told = judge(&answer, &self.issuer, &format!("{origin}{}", site::MCP), now)?;
        let mut known = locked(&self.known);
        if known.len() >= limits::INTROSPECTIONS_KEPT_MAX {
            known.clear(); // they are asked again; nothing is lost but time
        }
        known.insert(key, (told.clone(), now.plus(limits::INTROSPECTION_CACHE_SECONDS)));
        Ok(told)
    }

    /// Asks, once.
    fn ask(&self, presented: &str) -> Option<Value> {
        let Endpoint { address, host, path } = &self.endpoint;
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", presented)
            .append_pair("token_type_hint", "access_token")
            .finish();
        let fields = [
            ("Authorization", format!("Basic {}", self.credentials)),
            ("Accept", "application/json".to_owned()),
            ("Content-Type", "application/x-www-form-urlencoded".to_owned()),
        ];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        let _asking = Asking::begin(&self.asking)?;
        let bounds = Bounds {
            deadline: limits::INTROSPECTION_DEADLINE,
            body_bytes_max: Some(limits::INTROSPECTION_BYTES_MAX),
        };
        let body = body.as_bytes();
        let question =
            Outgoing { address: *address, method: "POST", host, target: path, fields: &fields, body };
        let answer = outgoing::ask(&question, bounds).ok().filter(|answer| answer.status == 200)?;
        json::parse(&answer.body.ok()?).ok() // a redirect is no answer either
    }
}

/// One question under way; too many at once would take every thread there is.
struct Asking<'a>(&'a AtomicUsize);

impl<'a> Asking<'a> {
    fn begin(count: &'a AtomicUsize) -> Option<Asking<'a>> {
        let asking = Asking(count);
        let before = count.fetch_add(1, Ordering::SeqCst);
        (before < limits::INTROSPECTIONS_AT_ONCE_MAX).then_some(asking)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Judges an introspection answer (RFC 7662 §2.2), in the order of the gate's rules: every doubt is a no.
fn judge(answer: &Value, issuer: &str, resource: &str, now: Timestamp) -> Result<Told, No> {
    if answer["active"] != Value::Bool(true) {
        return Err(No::Inactive);
    }
    let subject = answer["sub"]
        .as_str()
        .filter(|subject| (1..=limits::SUBJECT_BYTES_MAX).contains(&subject.len()))
        .ok_or(No::Inactive)?
        .to_owned();
    let expires_at = Timestamp(answer["exp"].as_i64().ok_or(No::Expired)?);
    let not_before = Timestamp(answer["nbf"].as_i64().unwrap_or(i64::MIN));
    if expires_at <= now || now < not_before {
        return Err(No::Expired);
    }
    let is_ours = |audience: &Value| audience.as_str() == Some(resource);
    let audience_fits = match &answer["aud"] {
        Value::Array(several) => several.iter().any(is_ours),
        one => is_ours(one),
    };
    let issuer_fits = answer["iss"].is_null() || answer["iss"] == issuer;
    if !audience_fits || !issuer_fits {
        return Err(No::Audience);
    }
    let scopes = Scopes::parse_known(answer["scope"].as_str().unwrap_or(""));
    let client_id = answer["client_id"].as_str().map(str::to_owned);
    Ok(Told { subject, client_id, scopes, expires_at })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://auth.example";
    const RESOURCE: &str = "https://journal.example/mcp";

    fn good() -> Value {
        json!({
            "active": true, "sub": "u1", "aud": RESOURCE, "iss": ISSUER, "exp": 2000, "scope": "entries:read openid",
        })
    }

    #[track_caller]
    fn check(change: Value, expected: Result<&str, No>) {
        let mut answer = good();
        for (name, value) in change.as_object().expect("an object") {
            answer[name] = value.clone();
        }
        let told = judge(&answer, ISSUER, RESOURCE, Timestamp(1000)).map(|told| told.scopes.to_string());
        assert_eq!(told, expected.map(str::to_owned), "{answer}");
    }

    #[test]
    fn takes_only_a_token_that_is_live_and_ours() {
        check(json!({}), Ok("entries:read"));
        check(json!({ "aud": ["https://other.example", RESOURCE] }), Ok("entries:read"));
        check(json!({ "iss": null }), Ok("entries:read"));
        check(json!({ "scope": "" }), Ok(""));
        check(json!({ "active": false }), Err(No::Inactive));
        check(json!({ "active": "true" }), Err(No::Inactive));
        check(json!({ "sub": null }), Err(No::Inactive));
        check(json!({ "aud": null }), Err(No::Audience));
        check(json!({ "aud": "https://journal.example" }), Err(No::Audience));
        check(json!({ "iss": "https://evil.example" }), Err(No::Audience));
        check(json!({ "exp": 1000 }), Err(No::Expired));
        check(json!({ "exp": null }), Err(No::Expired));
        check(json!({ "nbf": 1001 }), Err(No::Expired));
    }

    #[test]
    fn asks_only_on_this_machine() {
        for good in ["http://127.0.0.1:9/introspect", "http://localhost:9/x?y", "http://[::1]:9/"] {
            assert!(endpoint(good).is_some(), "{good}");
        }
        for bad in [
            "https://127.0.0.1:9/x",
            "http://auth.example:80/x",
            "http://10.0.0.1:80/x",
            "http://127.0.0.1:9",
        ] {
            assert!(endpoint(bad).is_none(), "{bad}");
        }
    }
}
