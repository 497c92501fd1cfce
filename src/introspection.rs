//! Checks tokens that another authorization server issued: this server asks that one about a token (RFC 7662), and
//! trusts no other source.
//!
//! Knows no request of a client and no journal. Invariant: a token is good only if the other server said so within
//! the last [`limits::INTROSPECTION_CACHE_SECONDS`]. Without an answer, or with one that leaves a doubt, the token is
//! refused.
//!
//! Three words here name one URL, that of our MCP endpoint. It is `base_url` followed by `/mcp`; RFC 8707 calls it
//! the resource; and in the answer about a token it is the audience (`aud`).
//!
//! The alternative is a signed token (JWT, RFC 9068), which this server could check without a request. That would
//! need the keys of the other server, code that verifies signatures, and checks of algorithm, issuer and times, each
//! of which some program has forgotten; and a revoked token would stay good until it expires. With introspection, the
//! issuer itself says whether a token is good.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::authority;
use crate::clock::Timestamp;
use crate::http::client::{self, Bounds, Request};
use crate::json;
use crate::limits;
use crate::lock::locked;
use crate::scope::Scopes;
use crate::secret;
use crate::site;
use crate::stderr;
use crate::store::Store;
use crate::tokens::TokenHolder;
use crate::users;

/// The other server, and how this one authenticates to it.
pub(crate) struct Introspector {
    issuer: String,
    endpoint: Endpoint,
    /// Id and secret of this server as the other one's client, encoded for `Authorization: Basic`. RFC 7662 §2.1
    /// requires that a caller authenticates: otherwise anyone could try out tokens at that endpoint.
    credentials: String,
    /// The other server's answers about good tokens, each with the time until which it is used. The key is a digest,
    /// so the cache holds no token. Other answers aren't kept: a token that is inactive now may become active.
    known: Mutex<HashMap<[u8; 32], (TokenInfo, Timestamp)>>,
    /// Requests to the other server that are under way.
    running: AtomicUsize,
}

/// A token of the other server, as a client presented it. Like every type that holds a secret it has no `Debug`,
/// `Display` or `Serialize`. Only this file reads its text.
#[derive(Clone)]
pub(crate) struct ForeignToken(String);

impl ForeignToken {
    /// Parses a client's token; `None` if it is empty or has a byte that no `b64token` has (the form of a bearer
    /// token, RFC 6750 §2.1). The text is sent to the other server, so it must have no control bytes. In a
    /// `b64token` every `=` is at the end; this isn't checked, because the other server knows its own tokens.
    pub(crate) fn parse(presented: &[u8]) -> Option<ForeignToken> {
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
        let well_formed = !presented.is_empty() && presented.iter().all(fits);
        well_formed.then(|| ForeignToken(String::from_utf8_lossy(presented).into_owned()))
    }

    /// Returns a digest of the token, by which two tokens are told apart.
    pub(crate) fn hash(&self) -> [u8; 32] {
        secret::sha256(self.0.as_bytes())
    }
}

/// What the other server says of a good token.
#[derive(Clone)]
struct TokenInfo {
    /// The person, as the other server calls them.
    subject: String,
    /// The client, if the other server names one: of all members, RFC 7662 §2.2 requires only `active`.
    client_id: Option<String>,
    scopes: Scopes,
    expires_at: Timestamp,
}

/// Why a token isn't accepted, in the order of the gate's checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum IntrospectionError {
    /// The token couldn't be looked up: the other server or the database gave no usable answer.
    Unreachable,
    /// The other server doesn't know the token, or the token was revoked, or the answer has no usable `sub`. RFC 7662
    /// §2.2 wants no reason in the answer.
    Inactive,
    /// The token has expired, or is not good yet.
    Expired,
    /// The token's audience is another resource or is missing, or the answer names another issuer.
    Audience,
}

impl fmt::Display for IntrospectionError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            IntrospectionError::Unreachable => "nothing can be learnt of the token now",
            IntrospectionError::Inactive => "the token is not active",
            IntrospectionError::Expired => "the token has expired, or is not good yet",
            IntrospectionError::Audience => "the token's audience is another server",
        })
    }
}

impl Error for IntrospectionError {}

/// An http URL on this machine. It is parsed at the start, so a malformed one is reported then and not at a request.
struct Endpoint {
    address: SocketAddr,
    host: String,
    path: String,
}

/// Parses the URL of an introspection endpoint. It must be plain http to this machine, because this program has no
/// TLS, and tokens must not leave the machine unencrypted. A proxy on this machine adds the TLS.
fn endpoint(url: &str) -> Option<Endpoint> {
    let rest = url.strip_prefix("http://")?;
    let slash = rest.find('/')?;
    let (host, path) = rest.split_at(slash);
    let address = authority::socket_address(host)?;
    let fits = address.ip().is_loopback() && path.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| Endpoint { address, host: host.to_owned(), path: path.to_owned() })
}

impl Introspector {
    /// Builds an introspector for the server with this issuer identifier, whose endpoint is at `url`; our server is
    /// its client `id`, with `secret`. Returns `None` if the URL isn't plain http to this machine.
    pub(crate) fn new(issuer: &str, url: &str, id: &str, secret: &str) -> Option<Introspector> {
        // OAuth 2.1 §2.4.1: both parts are form-encoded before they are joined; otherwise a colon in the id would end
        // the id too early.
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        Some(Introspector {
            issuer: issuer.to_owned(),
            endpoint: endpoint(url)?,
            credentials: STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))),
            known: Mutex::new(HashMap::new()),
            running: AtomicUsize::new(0),
        })
    }

    /// Returns the other server's issuer identifier, which our metadata names to clients.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the holder of a token, if the token is good at this base URL. A person whom the other server names for
    /// the first time is added to our users, so they need no registration. A person is found by issuer and `sub`
    /// together: a `sub` is unique at one issuer only (RFC 7519 §4.1.2), and another server's user with the same
    /// `sub` is another person.
    pub(crate) fn find(
        &self,
        store: &Store,
        token: &ForeignToken,
        base_url: &str,
        now: Timestamp,
    ) -> Result<TokenHolder, IntrospectionError> {
        let info = self.introspect(token, base_url, now)?;
        let user_id = users::find_or_insert_subject(store, &self.issuer, &info.subject, now);
        let user_id = user_id.map_err(|error| {
            stderr::note(&format!("the gate can't find the person of a token: {error}"));
            IntrospectionError::Unreachable
        })?;
        let TokenInfo { client_id, scopes, expires_at, .. } = info;
        Ok(TokenHolder { user_id, client_id, scopes, expires_at })
    }

    /// Returns what the other server says of a token, or what it said within the cache's time.
    fn introspect(
        &self,
        token: &ForeignToken,
        base_url: &str,
        now: Timestamp,
    ) -> Result<TokenInfo, IntrospectionError> {
        // A token may be good for one of our base URLs and not for another, so the base URL is part of the key.
        let key = secret::sha256(format!("{base_url} {}", token.0).as_bytes());
        if let Some((info, until)) = locked(&self.known).get(&key)
            && now < *until
            && now < info.expires_at
        {
            return Ok(info.clone());
        }
        // The lock isn't held while the other server is asked, because a slow answer would make the other requests
        // wait. So two requests with the same new token may both ask, which does no harm.
        let answer = self.ask(token).ok_or_else(|| {
            stderr::note("the gate can't look up a token: the other authorization server doesn't answer");
            IntrospectionError::Unreachable
        })?;
        let info = judge(&answer, &self.issuer, &format!("{base_url}{}", site::MCP), now)?;
        let mut known = locked(&self.known);
        if known.len() >= limits::INTROSPECTIONS_KEPT_MAX {
            known.clear(); // simpler than finding the oldest; then each token is asked about again
        }
        known.insert(key, (info.clone(), now.plus(limits::INTROSPECTION_CACHE_SECONDS)));
        Ok(info)
    }

    /// Sends one introspection request; `None` if there is no answer that can be judged. A redirect isn't followed,
    /// because the token could be sent to any server.
    fn ask(&self, token: &ForeignToken) -> Option<Value> {
        let Endpoint { address, host, path } = &self.endpoint;
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", &token.0)
            .append_pair("token_type_hint", "access_token")
            .finish();
        let fields = [
            ("Authorization", format!("Basic {}", self.credentials)),
            ("Accept", "application/json".to_owned()),
            ("Content-Type", "application/x-www-form-urlencoded".to_owned()),
        ];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        let _running = Running::begin(&self.running)?; // counts this request until the function returns
        let bounds = Bounds {
            deadline: limits::INTROSPECTION_DEADLINE,
            body_bytes_max: Some(limits::INTROSPECTION_BYTES_MAX),
        };
        let body = body.as_bytes();
        let request =
            Request { address: *address, method: "POST", host, target: path, fields: &fields, body };
        let answer = client::send(&request, bounds).ok().filter(|answer| answer.status == 200)?;
        json::parse(&answer.body.ok()?).ok()
    }
}

/// Counts one introspection request while it lasts. Each holds a thread until the other server answers, so their
/// number is bounded: a slow authorization server must not hold all threads.
struct Running<'a>(&'a AtomicUsize);

impl<'a> Running<'a> {
    /// Counts one more request until the returned value is dropped. Returns `None` if
    /// [`limits::INTROSPECTIONS_AT_ONCE_MAX`] are running already; the request isn't sent then, and the token counts
    /// as one that can't be looked up now.
    fn begin(count: &'a AtomicUsize) -> Option<Running<'a>> {
        let running = Running(count);
        let before = count.fetch_add(1, Ordering::SeqCst);
        (before < limits::INTROSPECTIONS_AT_ONCE_MAX).then_some(running)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Judges an introspection answer (RFC 7662 §2.2) in the order of the gate's checks. If one of the required members
/// is missing or has the wrong type, the token is refused.
///
/// Most members are optional in the RFC. Three of them are required here: without `sub` there is no person whose
/// journal it is, without `exp` a cached answer has no end, and without `aud` the token may be meant for any server.
fn judge(
    answer: &Value,
    issuer: &str,
    resource: &str,
    now: Timestamp,
) -> Result<TokenInfo, IntrospectionError> {
    // The text "true" isn't accepted: code that accepts texts here could also accept "false".
    if answer["active"] != Value::Bool(true) {
        return Err(IntrospectionError::Inactive);
    }
    let subject = answer["sub"]
        .as_str()
        .filter(|subject| (1..=limits::SUBJECT_BYTES_MAX).contains(&subject.len()))
        .ok_or(IntrospectionError::Inactive)?
        .to_owned();
    let expires_at = Timestamp(answer["exp"].as_i64().ok_or(IntrospectionError::Expired)?);
    let not_before = Timestamp(answer["nbf"].as_i64().unwrap_or(i64::MIN));
    if expires_at <= now || now < not_before {
        return Err(IntrospectionError::Expired);
    }
    // `aud` is one text or a list of them (RFC 7662 §2.2, RFC 7519 §4.1.3). Ours must be among them; others may be
    // there too.
    let is_ours = |audience: &Value| audience.as_str().is_some_and(|named| site::same_url(named, resource));
    let audience_fits = match &answer["aud"] {
        Value::Array(several) => several.iter().any(is_ours),
        one => is_ours(one),
    };
    // `iss` may be left out. If it is there, it must be our issuer: an endpoint may serve several issuers, and
    // another issuer's users must not be taken for ours.
    let issuer_fits = answer["iss"].is_null() || answer["iss"] == issuer;
    if !audience_fits || !issuer_fits {
        return Err(IntrospectionError::Audience);
    }
    // Scopes of other servers are ignored. The gate refuses a token that has none of ours.
    let scopes = Scopes::parse_known(answer["scope"].as_str().unwrap_or(""));
    let client_id = answer["client_id"].as_str().map(str::to_owned);
    Ok(TokenInfo { subject, client_id, scopes, expires_at })
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
    fn check(change: Value, expected: Result<&str, IntrospectionError>) {
        let mut answer = good();
        for (name, value) in change.as_object().expect("an object") {
            answer[name] = value.clone();
        }
        let info = judge(&answer, ISSUER, RESOURCE, Timestamp(1000)).map(|info| info.scopes.to_string());
        assert_eq!(info, expected.map(str::to_owned), "{answer}");
    }

    #[test]
    fn takes_only_a_token_that_is_live_and_ours() {
        check(json!({}), Ok("entries:read"));
        check(json!({ "aud": ["https://other.example", RESOURCE] }), Ok("entries:read"));
        check(json!({ "iss": null }), Ok("entries:read"));
        check(json!({ "scope": "" }), Ok(""));
        check(json!({ "aud": "https://Journal.example:443/mcp" }), Ok("entries:read"));
        check(json!({ "active": false }), Err(IntrospectionError::Inactive));
        check(json!({ "active": "true" }), Err(IntrospectionError::Inactive));
        check(json!({ "sub": null }), Err(IntrospectionError::Inactive));
        check(json!({ "aud": null }), Err(IntrospectionError::Audience));
        check(json!({ "aud": "https://journal.example" }), Err(IntrospectionError::Audience));
        check(json!({ "iss": "https://evil.example" }), Err(IntrospectionError::Audience));
        check(json!({ "exp": 1000 }), Err(IntrospectionError::Expired));
        check(json!({ "exp": null }), Err(IntrospectionError::Expired));
        check(json!({ "nbf": 1001 }), Err(IntrospectionError::Expired));
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
