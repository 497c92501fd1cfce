//! The gate: `Authorization` → [`Caller`], or a refusal (401, 400, 503); scopes → [`Permit`], or a 403; so do sign-ins.
//!
//! Knows no bodies, no JSON-RPC and no journal. Invariant: only this file makes a [`Caller`] or a [`Permit`], and
//! only after its checks, or that of `sign_ins.rs`. Without a [`Permit`] no handler's use of the journal compiles.
//!
//! In the order of the calls: [`check_host`], [`check_origin`], [`Gate::admit`], [`Caller::permit`]; for open
//! streams, [`Gate::recheck`]. A person's own browser has a session in place of a token: [`permit_in_browser`].
//! Each call of `require` makes one check of `check.rs`; the first that fails decides. `serve --explain` shows them.
//!
//! Each request has its token looked up (`introspection.rs` keeps the other server's answers for a minute). A larger
//! system signs its tokens (JWT, RFC 9068) to check them without a database; revoked, they are good until they expire.

use std::fmt;
use std::marker::PhantomData;

use serde_json::json;

use crate::check::{Check, ErrorResponse};
use crate::clock::Timestamp;
use crate::http::WWW_AUTHENTICATE;
use crate::http::request::{Head, split_credentials};
use crate::http::response::Response;
use crate::ids::UserId;
use crate::introspection::{ForeignToken, IntrospectionError, Introspector, Presented};
use crate::log::RequestLog;
use crate::scope::{Access, Scopes};
use crate::secret::TokenText;
use crate::sign_ins::SignedIn;
use crate::site::{self, Site};
use crate::store::Store;
use crate::tokens::{self, TokenHolder};

/// Makes one check, and records it in the log. The check passes if `found` is `Some`; the caller gets the value. A
/// check that needs the value of another can't be made before it.
fn require<T>(log: Option<&RequestLog>, check: Check, found: Option<T>) -> Result<T, Check> {
    if let Some(log) = log {
        log.check(check, found.is_some());
    }
    found.ok_or(check)
}

/// Returns our own base URL that the request addressed, with which every URL of ours in the response starts. A foreign
/// web page can point its own name at this machine (DNS rebinding), and a browser then sends that name as `Host`.
pub(crate) fn check_host<'s>(head: &Head, site: &'s Site, log: &RequestLog) -> Result<&'s str, Refusal> {
    require(Some(log), Check::HostIsOurs, site.base_url_for(head.host()))
        .map_err(|check| Refusal::new(check, ""))
}

/// Returns the `Origin` of the web page that sent the request; `None` if there is no such field. A page of another
/// site is refused: its scripts must not use the person's token, nor reach a network that only the person can reach.
/// To leave out CORS headers is not enough: they hide the response, and the request has had its effect.
pub(crate) fn check_origin<'h>(
    head: &'h Head,
    site: &Site,
    log: &RequestLog,
) -> Result<Option<&'h str>, Refusal> {
    let origin = match head.fields("origin").count() {
        0 => Some(None),
        1 => head.field("origin").filter(|origin| site.allows_origin(origin)).map(Some),
        _ => None,
    };
    require(Some(log), Check::OriginIsAllowed, origin).map_err(|check| Refusal::new(check, ""))
}

/// What the gate needs in order to check a token.
pub(crate) struct Gate<'a> {
    /// Our base URL that the request addressed, from [`check_host`].
    pub(crate) base_url: &'a str,
    pub(crate) site: &'a Site,
    pub(crate) store: &'a Store,
    /// `None` if this server issues the tokens itself.
    pub(crate) introspector: Option<&'a Introspector>,
    /// The time at which the token must be good.
    pub(crate) now: Timestamp,
    /// Where the request came from, and its log; both `None` for an open stream, whose request was logged long ago.
    pub(crate) peer: Option<std::net::IpAddr>,
    pub(crate) log: Option<&'a RequestLog<'a>>,
}

impl Gate<'_> {
    /// Returns the caller. The body is read only after this, so a stranger can't make the server keep one.
    pub(crate) fn admit(&self, head: &Head) -> Result<Caller, Refusal> {
        let scope = Scopes::to_ask_first(head.field("mcp-protocol-version"));
        let found = self.bearer(head).and_then(|presented| self.find_caller(presented));
        found.map_err(|check| Refusal { scope, ..Refusal::new(check, self.base_url) })
    }

    /// Checks a token without a request. [`Gate::admit`] and `epicme explain` both call this, so they can't differ.
    pub(crate) fn check_token(&self, presented: &[u8]) -> Result<Caller, Refusal> {
        self.find_caller(presented).map_err(|check| Refusal::new(check, self.base_url))
    }

    /// Checks the token of an open stream or a batch again, which may have expired or been revoked; elsewhere that is
    /// noticed up to a minute late. The error [`Check::TokenLookedUp`] means that the token can't be judged now.
    pub(crate) fn recheck(&self, caller: &Caller) -> Result<(), Check> {
        let now = match &caller.credential {
            Credential::Own(hash) => self.check_own(*hash)?,
            Credential::Foreign(token) => self.check_foreign(token.clone())?,
        };
        // The other server may now name another person or client for this token.
        self.require_that(Check::TokenKnown, now.binding() == caller.binding())?;
        // If a scope was removed, the stream ends: its events may need that scope.
        self.require_that(Check::HasNeededScope, now.holder.scopes.contains(caller.holder.scopes))
    }

    fn require<T>(&self, check: Check, found: Option<T>) -> Result<T, Check> {
        require(self.log, check, found)
    }

    /// Makes a check that gives no value for the next one.
    fn require_that(&self, check: Check, holds: bool) -> Result<(), Check> {
        require(self.log, check, holds.then_some(()))
    }

    /// Returns what follows `Bearer` in the one `Authorization` field (RFC 6750 §2.1). Of two, a proxy could check one
    /// and this server use the other.
    fn bearer<'h>(&self, head: &'h Head) -> Result<&'h [u8], Check> {
        let mut fields = head.fields("authorization");
        let field = self.require(Check::HasAuthorization, fields.next())?;
        self.require_that(Check::OneAuthorization, fields.next().is_none())?;
        // A token in the query is never accepted (OAuth 2.1 §5.1), because URLs end up in logs, histories and
        // `Referer`. Together with an `Authorization` field it is a 400 (§5.3.2), so that the author notices.
        let mut pairs = head.query().unwrap_or("").split('&');
        let in_query = pairs.any(|pair| pair.split('=').next() == Some("access_token"));
        self.require_that(Check::NoTokenInQuery, !in_query)?;
        let (scheme, presented) = self.require(Check::NotEmpty, split_credentials(field))?;
        // The scheme's name has no case (RFC 9110 §11.1), and some clients write it in lower case.
        self.require_that(Check::SchemeIsBearer, scheme.eq_ignore_ascii_case(b"Bearer"))?;
        Ok(presented)
    }

    /// Returns the caller to whom a token was issued. A pasted key or a token cut short is found without a look-up.
    fn find_caller(&self, presented: &[u8]) -> Result<Caller, Check> {
        let caller = if self.introspector.is_none() {
            let token = self.require(Check::TokenWellFormed, TokenText::parse(presented))?;
            self.check_own(token.hash())?
        } else {
            let token = self.require(Check::TokenWellFormed, ForeignToken::parse(presented))?;
            self.check_foreign(token)?
        };
        // A token without any scope of ours could call no tool.
        self.require_that(Check::HasKnownScope, !caller.holder.scopes.is_empty())?;
        Ok(caller)
    }

    /// Checks a token that this server issued, by the row with its hash. A stolen copy of the database holds no token,
    /// and the time of a look-up by hash doesn't show how much of a guessed one was right.
    fn check_own(&self, hash: [u8; 32]) -> Result<Caller, Check> {
        // If the database fails, the gate answers 503 instead of guessing, and writes the reason to standard error.
        let found =
            tokens::find(self.store, hash).inspect_err(|error| error.note("the gate can't look up a token"));
        let row = self.require(Check::TokenLookedUp, found.ok())?;
        let row = self.require(Check::TokenKnown, row)?;
        self.log.into_iter().for_each(|log| log.set_token(|| row.holder.facts(&[&row.resource])));
        self.require_that(Check::NotRevoked, row.revoked_at.is_none())?;
        // In the second `expires_at` the token has already expired: `expires_in` promised no second more.
        self.require_that(Check::NotExpired, self.now < row.holder.expires_at)?;
        // Another server that a person gave a token to must not use it here, as that person (RFC 8707 §2, OAuth 2.1
        // §5.2): MCP calls this attack the confused deputy.
        self.require_that(Check::AudienceIsOurs, row.resource == self.site.audience())?;
        let base_url = self.base_url.to_owned();
        Ok(Caller { holder: row.holder, credential: Credential::Own(hash), base_url })
    }

    /// Checks a token of another authorization server. `introspection.rs` asks that server and judges its answer, in
    /// the order of these checks. The answer calls a revoked token only inactive.
    fn check_foreign(&self, token: ForeignToken) -> Result<Caller, Check> {
        let presented = Presented { token: &token, base_url: self.base_url, peer: self.peer, now: self.now };
        let found = self.introspector.ok_or(Check::TokenKnown)?.find(self.store, &presented);
        for (check, error) in [
            (Check::TokenLookedUp, IntrospectionError::Unreachable),
            (Check::TokenKnown, IntrospectionError::Inactive),
            (Check::NotExpired, IntrospectionError::Expired),
        ] {
            self.require_that(check, found.as_ref().err() != Some(&error))?;
        }
        let holder = self.require(Check::AudienceIsOurs, found.ok())?;
        self.log.into_iter().for_each(|log| log.set_token(|| holder.facts(&[self.base_url, site::MCP])));
        Ok(Caller { holder, credential: Credential::Foreign(token), base_url: self.base_url.to_owned() })
    }
}

/// Who sent the request, proved by a valid token. Only this file can make one, since its fields are private. With a
/// global "current user" in place of a value, code could run for a person whose token was never checked.
pub(crate) struct Caller {
    holder: TokenHolder,
    credential: Credential,
    base_url: String,
}

/// What the gate needs in order to check the same token again.
enum Credential {
    /// The hash of a token that this server issued, so an open stream keeps no token of ours in memory.
    Own([u8; 32]),
    /// A token of another authorization server. That server must be sent the token's text (RFC 7662 §2.1).
    Foreign(ForeignToken),
}

impl Caller {
    /// Returns the permit for an operation that needs the scopes of `A`; the 403 names `operation`. Each function of
    /// the journal takes a permit of its own scopes, so a handler can't check one scope and use another.
    pub(crate) fn permit<A: Access>(&self, operation: &str, log: &RequestLog) -> Result<Permit<A>, Refusal> {
        self.require_scopes(A::SCOPES, operation, log)?;
        Ok(Permit { user_id: self.holder.user_id, access: PhantomData })
    }

    /// Like [`Caller::permit`], but returns `None` for a missing scope; the handler then leaves that part out of the
    /// response.
    pub(crate) fn permit_if<A: Access>(&self) -> Option<Permit<A>> {
        let is_permitted = self.holder.scopes.contains(A::SCOPES);
        is_permitted.then_some(Permit { user_id: self.holder.user_id, access: PhantomData })
    }

    /// Checks that the token has every scope that an operation needs. The 403 names these and those of the token: the
    /// client's next token has only what it asks for (2025-11-25 authorization, Runtime Insufficient Scope Errors).
    pub(crate) fn require_scopes(
        &self,
        needs: Scopes,
        operation: &str,
        log: &RequestLog,
    ) -> Result<(), Refusal> {
        let has_all = self.holder.scopes.contains(needs);
        require(Some(log), Check::HasNeededScope, has_all.then_some(())).map_err(|check| {
            let description = format!("{operation} needs {needs}").into();
            let scope = self.holder.scopes.or(needs);
            Refusal { scope, description, ..Refusal::new(check, &self.base_url) }
        })
    }

    /// Returns person, client, scopes and expiry of the token. They don't replace a [`Permit`].
    pub(crate) fn holder(&self) -> &TokenHolder {
        &self.holder
    }

    /// Returns person and client. Session ids and confirmation states are signed together with these two, and not with
    /// the token: a client may replace its token every few minutes.
    pub(crate) fn binding(&self) -> Vec<u8> {
        let client = self.holder.client_id.as_deref().unwrap_or_default();
        [&self.holder.user_id.get().to_be_bytes(), client.as_bytes()].concat()
    }

    /// Returns a digest of the token, by which two tokens are told apart.
    pub(crate) fn token_digest(&self) -> [u8; 32] {
        match &self.credential {
            Credential::Own(hash) => *hash,
            Credential::Foreign(token) => token.hash(),
        }
    }
}

/// The right of one person to the operations of scope `A`, or of a pair of scopes. The journal gets its user id from
/// a permit alone, and each of its functions takes that of its own scope: to delete with one to read doesn't compile.
#[derive(Clone, Copy)]
pub(crate) struct Permit<A> {
    user_id: UserId,
    access: PhantomData<A>,
}

impl<A> Permit<A> {
    /// Returns the person whose journal may be used.
    pub(crate) fn user_id(&self) -> UserId {
        self.user_id
    }
}

/// Returns the permit of a person who is signed in in a browser, for the pages of the journal: the one way to a permit
/// without a token. [`SignedIn`] is a check's value as [`Caller`] is: `sign_ins.rs` makes it of a live row for the hash
/// of this request's cookie, a row that was made when the person had given their password. No scope is compared: those
/// are the parts that an owner gives to programs, and here comes the owner. By the cookie alone another site could make
/// a browser change something, so that takes a form of our own besides; see `App::journal_for_form`.
pub(crate) fn permit_in_browser<A: Access>(person: &SignedIn) -> Permit<A> {
    Permit { user_id: person.user_id(), access: PhantomData }
}

impl<A, B> Permit<(A, B)> {
    /// Splits a permit for two scopes into one for each.
    pub(crate) fn split(self) -> (Permit<A>, Permit<B>) {
        let user_id = self.user_id;
        (Permit { user_id, access: PhantomData }, Permit { user_id, access: PhantomData })
    }
}

/// A refusal by the gate: the check that failed (`check.rs` has its status and error code), and what else is said.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) check: Check,
    description: std::borrow::Cow<'static, str>,
    /// What the challenge tells the client to ask for.
    scope: Scopes,
    base_url: String,
}

impl Refusal {
    fn new(check: Check, base_url: &str) -> Refusal {
        let description = check.facts().response.description.into();
        Refusal { check, description, scope: Scopes::ALL, base_url: base_url.to_owned() }
    }

    /// Builds the response.
    pub(crate) fn response(&self) -> Response {
        let ErrorResponse { status, error, .. } = self.check.facts().response;
        let body = |error| json!({ "error": error, "error_description": self.description });
        let words = || Response::text(status, &self.description);
        let response = error.map_or_else(words, |error| Response::json(status, &body(error)));
        // A cache must not store it: the same request may be permitted in a minute.
        let response = response.with("Cache-Control", "no-store");
        match self.check {
            // A foreign page isn't told where to get tokens. After a failed look-up a new one wouldn't help.
            Check::HostIsOurs | Check::OriginIsAllowed => response,
            Check::TokenLookedUp => response.with("Retry-After", "1"),
            _ => response.with(WWW_AUTHENTICATE, self.challenge()),
        }
    }

    /// Writes the Bearer challenge (RFC 6750 §3), the value of `WWW-Authenticate`. `resource_metadata` leads the client
    /// to the authorization server (RFC 9728 §5.1), and `scope` says what to ask for there. Without credentials, or
    /// with those of another scheme, there is no `error`. Every parameter is a quoted-string, because clients read them
    /// with patterns like `name="([^"]+)"`. Nothing in it comes from the request: it has our own names alone.
    fn challenge(&self) -> String {
        let ErrorResponse { status, error, .. } = self.check.facts().response;
        let error =
            error.map(|code| [", error=\"", code, "\", error_description=\"", &self.description, "\""]);
        let metadata = [", resource_metadata=\"", &self.base_url, site::RESOURCE_METADATA, "\""];
        let names = self.scope.iter().flat_map(|scope| [" ", scope.name()]).skip(1);
        let scope = [", scope=\""].into_iter().chain(names).chain(["\""]);
        let mut challenge = String::with_capacity(256) + "Bearer realm=\"EpicMe\""; // mostly one allocation
        challenge.extend(error.into_iter().flatten());
        // The order is that of the examples in MCP authorization. A 400 names no scope, because no scope would help.
        match status {
            400 => challenge.extend(metadata),
            403 => challenge.extend(scope.chain(metadata)),
            _ => challenge.extend(metadata.into_iter().chain(scope)),
        }
        challenge
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.check.facts().failure, self.description)
    }
}

impl std::error::Error for Refusal {}

/// Adds the challenge for a client that failed to authenticate itself at an OAuth endpoint (OAuth 2.1 §3.2.4). This
/// function is in the gate so that one file writes the field: at `/mcp` a client must find `Bearer`, never `Basic`.
pub(crate) fn challenge_client(response: Response) -> Response {
    response.with(WWW_AUTHENTICATE, "Basic realm=\"EpicMe\"")
}
