//! Checks tokens that another authorization server issued: this server asks that one about a token (RFC 7662), and
//! trusts no other source.
//!
//! Knows no request of a client and no journal. Invariant: a token is good only if the other server said so within
//! the last [`limits::INTROSPECTION_CACHE_SECONDS`]. Without an answer, or with one that leaves a doubt, the token is
//! refused.
//!
//! Every stranger can make this server ask, with any invented token, and each question holds a thread until the other
//! server answers. So few are asked at once, and four rules keep strangers from using up what the others need. The
//! answers about good and other tokens are kept apart, so that invented tokens push out no good one. A *known* token,
//! one that was good when it was last asked about, is asked about again in places of its own. For the other places,
//! those for *unknown* tokens, network addresses take turns. And requests with the same token wait for one answer
//! together; if too many do, one makes room of the address and the token that have the most. Each wait holds a
//! connection, so all of them together take half of the connections at most.
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
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::authority;
use crate::clock::Timestamp;
use crate::fair_queue::{Crowd, CrowdTicket, FairQueue, Key, QueueBounds, QueueError};
use crate::http::client::{self, Bounds, ClientError, Request};
use crate::json;
use crate::limits;
use crate::lock::locked;
use crate::scope::Scopes;
use crate::secret;
use crate::site;
use crate::stderr;
use crate::store::Store;
use crate::throttle;
use crate::tokens::TokenHolder;
use crate::users;

/// The other server, and how this one authenticates to it.
pub(crate) struct Introspector {
    issuer: String,
    endpoint: Endpoint,
    /// Id and secret of this server as the other one's client, encoded for `Authorization: Basic`. RFC 7662 §2.1
    /// requires that a caller authenticates: otherwise anyone could try out tokens at that endpoint.
    credentials: String,
    answers: Mutex<Answers>,
    /// For tokens that weren't found good before; a group of the queue is a network address.
    unknown_tokens: Waiting,
    /// For tokens that were good when they were last asked about; a group of the queue is a person.
    known_tokens: Waiting,
}

/// The requests that wait because of tokens of one kind.
struct Waiting {
    /// Those that ask the other server, one for each token.
    queue: FairQueue,
    /// Those that wait for what another request with the same token asks. A token that is presented on many connections
    /// makes room here for one that is presented on few.
    followers: Crowd,
}

/// Where the answer about one token will be.
type Answer = OnceLock<Result<TokenInfo, IntrospectionError>>;

/// A request that asks about a token. When this is dropped, also while a panic unwinds, the requests that follow it are
/// called, and the next one with this token asks anew.
struct Asking<'i> {
    introspector: &'i Introspector,
    key: Key,
    answer: Arc<Answer>,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        // First the entry goes, so that no further request follows this one.
        locked(&self.introspector.answers).asking.remove(&self.key);
        // A token may have changed its kind meanwhile.
        for waiting in [&self.introspector.unknown_tokens, &self.introspector.known_tokens] {
            waiting.followers.call(self.key);
        }
    }
}

/// What is known of tokens. The keys are digests, so no token is kept.
#[derive(Default)]
struct Answers {
    /// The other server's answers about good tokens, each with the time until which it is used. After that time an
    /// entry stays, to show that the token was good.
    good: HashMap<Key, (TokenInfo, Timestamp)>,
    /// Why other tokens were refused, each with the time until which that is used.
    refused: HashMap<Key, (IntrospectionError, Timestamp)>,
    /// The tokens that are being asked about: where the answer will be.
    asking: HashMap<Key, Arc<Answer>>,
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

/// A token as a request presents it.
pub(crate) struct Presented<'a> {
    pub(crate) token: &'a ForeignToken,
    /// Our base URL that the request addressed, for which the token must be good.
    pub(crate) base_url: &'a str,
    /// The network address that the request came from; `None` if an open stream asks again.
    pub(crate) peer: Option<IpAddr>,
    pub(crate) now: Timestamp,
}

impl Presented<'_> {
    /// Returns the key of the answer. A token may be good for one of our base URLs and not for another, so the base
    /// URL is part of it.
    fn key(&self) -> Key {
        secret::sha256(format!("{} {}", self.base_url, self.token.0).as_bytes())
    }

    /// Returns the key of the group in which the request waits if its token isn't known: its network address. Only a
    /// stream that is open has none; its token was good, but may have been forgotten since.
    fn group(&self) -> Key {
        self.peer.map_or([0; 32], throttle::address_key)
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
    /// The token couldn't be looked up: the other server or the database gave no usable answer, or too many requests
    /// wait for one. The log has the reason.
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

/// Why there is no answer of the other server that can be judged. The log shows it to the operator, so it says what
/// to correct, and holds nothing of the token and of our secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum AskError {
    /// There is no whole answer.
    Client(ClientError),
    /// The answer has another status than 200.
    Status(u16),
    /// The body isn't JSON.
    NotJson,
}

impl fmt::Display for AskError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AskError::Client(error) => write!(
                out,
                "the answer of the other authorization server {}; see that it runs, and that --introspection-url \
                 leads to it",
                error.message()
            ),
            // RFC 7662 §2.3 has a 401 for wrong credentials; a 403 says that this client may not ask.
            AskError::Status(status @ (401 | 403)) => write!(
                out,
                "the other authorization server refuses this server as its client ({status}); correct \
                 --introspection-id and EPICME_INTROSPECTION_SECRET, or let that client ask there"
            ),
            AskError::Status(status) => write!(
                out,
                "the other authorization server answers {status} instead of 200; correct --introspection-url, or \
                 look in the log of that server"
            ),
            AskError::NotJson => out.write_str(
                "the answer of the other authorization server is no JSON; correct --introspection-url, which takes \
                 its introspection endpoint (RFC 7662)",
            ),
        }
    }
}

impl Error for AskError {}

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
    /// its client `id`, with `secret`, and serves `connections_max` connections at once. Returns `None` if the URL
    /// isn't plain http to this machine.
    pub(crate) fn new(
        issuer: &str,
        url: &str,
        id: &str,
        secret: &str,
        connections_max: usize,
    ) -> Option<Introspector> {
        // OAuth 2.1 §2.4.1: both parts are form-encoded before they are joined; otherwise a colon in the id would end
        // the id too early.
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        Some(Introspector {
            issuer: issuer.to_owned(),
            endpoint: endpoint(url)?,
            credentials: STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))),
            answers: Mutex::default(),
            unknown_tokens: Waiting::new(limits::UNKNOWN_TOKENS_AT_ONCE_MAX, connections_max),
            known_tokens: Waiting::new(limits::KNOWN_TOKENS_AT_ONCE_MAX, connections_max),
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
        presented: &Presented,
    ) -> Result<TokenHolder, IntrospectionError> {
        let info = self.introspect(presented)?;
        let user_id = users::find_or_insert_subject(store, &self.issuer, &info.subject, presented.now);
        let user_id = user_id.map_err(|error| {
            error.note("the gate can't find the person of a token");
            IntrospectionError::Unreachable
        })?;
        let TokenInfo { client_id, scopes, expires_at, .. } = info;
        Ok(TokenHolder { user_id, client_id, scopes, expires_at })
    }

    /// Returns what the other server says of a token, or what it said within the time for which that is kept.
    fn introspect(&self, presented: &Presented) -> Result<TokenInfo, IntrospectionError> {
        let key = presented.key();
        let mut answers = locked(&self.answers);
        if let Some(kept) = answers.kept(&key, presented.now) {
            return kept;
        }
        let person = answers.person(&key);
        let waiting = if person.is_some() { &self.known_tokens } else { &self.unknown_tokens };
        let group = person.unwrap_or_else(|| presented.group());
        // The first request with a token asks, and the others follow it: so one token takes one place, on however
        // many connections it is presented. But each follower holds a connection too.
        if let Some(answer) = answers.asking.get(&key).cloned() {
            let ticket = waiting.followers.join(group, key);
            drop(answers);
            return self.follow(ticket, &answer);
        }
        let asking = Asking { introspector: self, key, answer: Arc::default() };
        answers.asking.insert(key, Arc::clone(&asking.answer));
        // The lock isn't held while the other server is asked, because a slow answer would make all other requests
        // wait.
        drop(answers);
        asking.answer.get_or_init(|| self.look_up(presented, key, waiting, group)).clone()
    }

    /// Waits for the answer that another request with the same token asks for.
    fn follow(&self, ticket: CrowdTicket, answer: &Answer) -> Result<TokenInfo, IntrospectionError> {
        match ticket.wait() {
            // There is no answer if that request panicked.
            Ok(()) => answer.get().cloned().unwrap_or(Err(IntrospectionError::Unreachable)),
            Err(_) => {
                stderr::note(
                    "the gate can't look up a token: too many requests wait already for what others with the same token \
                     ask the other authorization server; it is slow, or a stranger sends one invented token often",
                );
                Err(IntrospectionError::Unreachable)
            }
        }
    }

    /// Waits for a place, asks the other server, and keeps its answer.
    fn look_up(
        &self,
        presented: &Presented,
        key: Key,
        waiting: &Waiting,
        group: Key,
    ) -> Result<TokenInfo, IntrospectionError> {
        let start = Instant::now();
        let _place = waiting.queue.enter(group, key).map_err(|error| {
            let cause = match error {
                QueueError::PushedOut => "a stranger may be sending many invented tokens",
                QueueError::WaitedTooLong => "that server is slow, or a stranger sends many invented tokens",
            };
            stderr::note(&format!(
                "the gate can't look up a token: {error} to ask the other authorization server; {cause}"
            ));
            IntrospectionError::Unreachable
        })?;
        let waited = || i64::try_from(start.elapsed().as_secs()).unwrap_or(i64::MAX);
        // An answer is as old as its question: the token may be revoked right after that server has judged it.
        let asked_at = presented.now.plus(waited());
        let answer = self.ask(presented.token).map_err(|error| {
            stderr::note(&format!("the gate can't look up a token: {error}"));
            IntrospectionError::Unreachable
        })?;
        // The token must be good now, and not only when the request came, before the wait.
        let now = presented.now.plus(waited());
        let result = judge(&answer, &self.issuer, &format!("{}{}", presented.base_url, site::MCP), now);
        locked(&self.answers).keep(key, &result, asked_at);
        result
    }

    /// Sends one introspection request. A redirect isn't followed, because the token could be sent to any server.
    fn ask(&self, token: &ForeignToken) -> Result<Value, AskError> {
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
        let bounds = Bounds {
            deadline: limits::INTROSPECTION_DEADLINE,
            body_bytes_max: Some(limits::INTROSPECTION_BYTES_MAX),
        };
        let body = body.as_bytes();
        let request =
            Request { address: *address, method: "POST", host, target: path, fields: &fields, body };
        let answer = client::send(&request, bounds).map_err(AskError::Client)?;
        if answer.status != 200 {
            return Err(AskError::Status(answer.status));
        }
        json::parse(&answer.body.map_err(AskError::Client)?).map_err(|_| AskError::NotJson)
    }
}

impl Waiting {
    /// Each waiting request holds a thread and a connection until the other server has answered, so a slow one must
    /// not hold all. There are four crowds that can wait (two kinds of tokens, each with requests that ask and
    /// requests that follow), and each takes an eighth of the connections at most.
    fn new(places: usize, connections_max: usize) -> Waiting {
        let share = (connections_max / 8).max(1);
        let waiting_max = limits::INTROSPECTIONS_WAITING_MAX.min(share);
        let wait_max = limits::INTROSPECTION_WAIT_MAX;
        Waiting {
            queue: FairQueue::new(QueueBounds { places, waiting_max, wait_max }),
            followers: Crowd::new(limits::INTROSPECTION_FOLLOWERS_MAX.min(share)),
        }
    }
}

impl Answers {
    /// Returns what was said of this token, if it may still be used.
    fn kept(&self, key: &Key, now: Timestamp) -> Option<Result<TokenInfo, IntrospectionError>> {
        if let Some((info, until)) = self.good.get(key)
            && now < *until
            && now < info.expires_at
        {
            return Some(Ok(info.clone()));
        }
        self.refused.get(key).filter(|(_, until)| now < *until).map(|(error, _)| Err(*error))
    }

    /// Returns a digest of the person for whom this token was good the last time; `None` if it wasn't.
    fn person(&self, key: &Key) -> Option<Key> {
        self.good.get(key).map(|(info, _)| secret::sha256(info.subject.as_bytes()))
    }

    /// Keeps an answer, and makes room for it among those of its kind.
    fn keep(&mut self, key: Key, result: &Result<TokenInfo, IntrospectionError>, now: Timestamp) {
        match result {
            Ok(info) => {
                self.refused.remove(&key);
                if self.good.len() >= limits::INTROSPECTIONS_KEPT_MAX && !self.good.contains_key(&key) {
                    self.good.retain(|_, (info, _)| now < info.expires_at);
                }
                if self.good.len() >= limits::INTROSPECTIONS_KEPT_MAX && !self.good.contains_key(&key) {
                    // A token that is in use is asked about every minute, so this one is the least in use.
                    let oldest = self.good.iter().min_by_key(|(_, (_, until))| *until).map(|(key, _)| *key);
                    oldest.map(|key| self.good.remove(&key));
                }
                let until = now.plus(limits::INTROSPECTION_CACHE_SECONDS);
                self.good.insert(key, (info.clone(), until));
            }
            Err(error) => {
                self.good.remove(&key);
                if self.refused.len() >= limits::REFUSALS_KEPT_MAX {
                    self.refused.retain(|_, (_, until)| now < *until);
                }
                if self.refused.len() >= limits::REFUSALS_KEPT_MAX {
                    self.refused.clear(); // then each is asked about once more, and waits its turn for it
                }
                self.refused.insert(key, (*error, now.plus(limits::REFUSAL_CACHE_SECONDS)));
            }
        }
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
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

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

    fn info(subject: &str, expires_at: i64) -> Result<TokenInfo, IntrospectionError> {
        let expires_at = Timestamp(expires_at);
        Ok(TokenInfo { subject: subject.to_owned(), client_id: None, scopes: Scopes::ALL, expires_at })
    }

    fn key(number: usize) -> Key {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    #[test]
    fn keeps_an_answer_for_its_time_and_remembers_who_was_good() {
        let mut answers = Answers::default();
        let inactive = Err(IntrospectionError::Inactive);
        let kept = |answers: &Answers, now| {
            answers.kept(&key(1), Timestamp(now)).map(|answer| answer.map(|info| info.subject))
        };
        assert_eq!(kept(&answers, 1000), None);
        answers.keep(key(1), &inactive, Timestamp(1000));
        assert_eq!(kept(&answers, 1004), Some(Err(IntrospectionError::Inactive)));
        assert_eq!((kept(&answers, 1005), answers.person(&key(1))), (None, None));
        answers.keep(key(1), &info("u1", 5000), Timestamp(1004));
        assert_eq!(kept(&answers, 1004), Some(Ok("u1".to_owned())), "good is believed at once");
        assert_eq!(kept(&answers, 1063), Some(Ok("u1".to_owned())));
        assert_eq!(kept(&answers, 1064), None);
        assert!(answers.person(&key(1)).is_some(), "it has a place of its own");
        answers.keep(key(1), &inactive, Timestamp(1064));
        assert_eq!(kept(&answers, 1064), Some(Err(IntrospectionError::Inactive)));
        assert_eq!(answers.person(&key(1)), None);
    }

    #[test]
    fn bounds_both_kinds_of_answers_and_lets_neither_push_out_the_other() {
        let mut answers = Answers::default();
        answers.keep(key(0), &info("u0", 5000), Timestamp(1000));
        for number in 1..limits::REFUSALS_KEPT_MAX + 10 {
            answers.keep(key(number), &Err(IntrospectionError::Inactive), Timestamp(1000));
        }
        assert!(answers.refused.len() <= limits::REFUSALS_KEPT_MAX);
        assert!(answers.kept(&key(0), Timestamp(1000)).is_some());
        for number in 1..limits::INTROSPECTIONS_KEPT_MAX + 10 {
            answers.keep(key(number), &info("u", 5000), Timestamp(1001));
        }
        assert_eq!(answers.good.len(), limits::INTROSPECTIONS_KEPT_MAX);
        assert!(answers.kept(&key(0), Timestamp(1001)).is_none(), "it was asked about longest ago");
    }

    #[test]
    fn calls_those_that_follow_a_request_that_panics() {
        let introspector = Introspector::new(ISSUER, "http://127.0.0.1:9/x", "id", "secret", 8);
        let introspector = introspector.expect("a URL of this machine");
        let answer = Arc::new(Answer::new());
        locked(&introspector.answers).asking.insert(key(1), Arc::clone(&answer));
        let follow = |waiting: &Waiting| waiting.followers.join(key(2), key(1));
        // The token may be counted as known meanwhile.
        let followers = [&introspector.unknown_tokens, &introspector.known_tokens].map(follow);
        let ends = catch_unwind(AssertUnwindSafe(|| {
            let _asking = Asking { introspector: &introspector, key: key(1), answer: Arc::clone(&answer) };
            resume_unwind(Box::new(()));
        }));
        assert!(
            ends.is_err() && locked(&introspector.answers).asking.is_empty(),
            "the next request asks anew"
        );
        for ticket in followers {
            let error = introspector.follow(ticket, &answer).err();
            assert_eq!(error, Some(IntrospectionError::Unreachable));
        }
    }
}
