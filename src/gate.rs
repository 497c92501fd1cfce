//! The gate: `Authorization` → [`Caller`], or the 401 with its Bearer challenge; scope → [`Permit`], or the 403.
//!
//! Knows no bodies, no JSON-RPC and no journal. Invariant: only this file makes a [`Caller`] or a [`Permit`], and
//! only after its checks. The journal opens to a [`Permit`] alone, so a handler that forgets the gate doesn't
//! compile.
//!
//! This file is read in the order in which a request meets it: [`check_host`], [`check_origin`], [`Gate::admit`],
//! [`Caller::permit`]. Each call of `require` makes one check of the list in `check.rs`; the first check that fails
//! decides the response, and `serve --explain` shows each of them. The 401 itself is written at the bottom, in
//! `Refusal::challenge`.
//!
//! Each token is looked up for each request. A larger system signs its tokens instead (JWT, RFC 9068), so that a
//! server can check them without a database; the price is that a signed token stays good until it expires, revoked or
//! not.

use std::fmt;
use std::marker::PhantomData;

use serde_json::json;

use crate::check::{Check, ErrorResponse};
use crate::clock::Timestamp;
use crate::http::WWW_AUTHENTICATE;
use crate::http::request::Head;
use crate::http::response::Response;
use crate::ids::UserId;
use crate::introspection::{ForeignToken, IntrospectionError, Introspector};
use crate::log::RequestLog;
use crate::scope::{Access, Scopes};
use crate::secret::TokenText;
use crate::site::{self, Site};
use crate::stderr;
use crate::store::Store;
use crate::tokens::{self, TokenHolder};

/// Makes one check: it holds where a value was found, and that value is what the next check needs. So a check can't
/// come before the one whose value it needs. The log records the result.
fn require<T>(log: Option<&RequestLog>, check: Check, found: Option<T>) -> Result<T, Check> {
    if let Some(log) = log {
        log.check(check, found.is_some());
    }
    found.ok_or(check)
}

/// Finds which of this server's own URLs the request was sent to: the `base_url` of every URL in the response. A
/// foreign web page can point its own name at this machine (DNS rebinding) and make a browser send requests here.
/// They carry that name in `Host`, so a name that isn't ours is refused first.
pub(crate) fn check_host<'s>(head: &Head, site: &'s Site, log: &RequestLog) -> Result<&'s str, Refusal> {
    require(Some(log), Check::HostIsOurs, site.base_url_for(head.host()))
        .map_err(|check| Refusal::new(check, ""))
}

/// Finds the `Origin` of the web page that sends the request; `None` where a program sends it. A page of another site
/// is refused: its scripts run inside the person's network, and may have found a token. To answer without CORS
/// headers wouldn't do: the browser then only hides the response, after a simple request has had its effect.
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

/// What the gate needs in order to find the caller.
pub(crate) struct Gate<'a> {
    /// The URL of ours that was called, from [`check_host`].
    pub(crate) base_url: &'a str,
    pub(crate) site: &'a Site,
    pub(crate) store: &'a Store,
    /// `None` where this server issues the tokens itself.
    pub(crate) introspector: Option<&'a Introspector>,
    /// The time at which the token must be good.
    pub(crate) now: Timestamp,
    /// `None` for an open stream, whose request was logged long ago.
    pub(crate) log: Option<&'a RequestLog>,
}

impl Gate<'_> {
    /// Finds the caller from the head alone: a client without a token can't make the server read and keep a body.
    pub(crate) fn admit(&self, head: &Head) -> Result<Caller, Refusal> {
        let presented = self.bearer(head).map_err(|check| Refusal::new(check, self.base_url))?;
        self.check_token(presented)
    }

    /// Decides about a presented token: the half of [`Gate::admit`] that needs no request. `epicme explain` runs it,
    /// so that what it prints can't differ from what the server does.
    pub(crate) fn check_token(&self, presented: &[u8]) -> Result<Caller, Refusal> {
        self.find_caller(presented).map_err(|check| Refusal::new(check, self.base_url))
    }

    /// Checks the token of an open stream's caller again: it may have been revoked since. A stream stays open for
    /// days, so a lifetime of minutes would mean nothing if only its first moment were checked. The error is the
    /// check that failed; [`Check::TokenLookedUp`] means that nothing can be said at this moment.
    pub(crate) fn recheck(&self, caller: &Caller) -> Result<(), Check> {
        let now = match &caller.credential {
            Credential::Own(hash) => self.check_own(*hash)?,
            Credential::Foreign(token) => self.check_foreign(token.clone())?,
        };
        // The other server may name another person or client for the same token: then another caller opened the
        // stream.
        self.require_that(Check::TokenKnown, now.binding() == caller.binding())?;
        // A scope that was taken away ends the stream: what it was opened for may need that scope.
        self.require_that(Check::HasNeededScope, now.holder.scopes.contains(caller.holder.scopes))
    }

    fn require<T>(&self, check: Check, found: Option<T>) -> Result<T, Check> {
        require(self.log, check, found)
    }

    /// The same for a check that yields no value, only whether it holds.
    fn require_that(&self, check: Check, holds: bool) -> Result<(), Check> {
        require(self.log, check, holds.then_some(()))
    }

    /// Finds what follows `Bearer` in the one `Authorization` field (RFC 6750 §2.1). Of two fields, a proxy may have
    /// checked the one and this server would use the other.
    fn bearer<'h>(&self, head: &'h Head) -> Result<&'h [u8], Check> {
        let mut fields = head.fields("authorization");
        let field = self.require(Check::HasAuthorization, fields.next())?;
        self.require_that(Check::OneAuthorization, fields.next().is_none())?;
        // A token in the query is never accepted (OAuth 2.1 §5.1), because URLs end up in logs, histories and
        // `Referer`. Beside one in the field it is an error (§5.3.2), so that the client's author notices.
        let mut pairs = head.query().unwrap_or("").split('&');
        let in_query = pairs.any(|pair| pair.split('=').next() == Some("access_token"));
        self.require_that(Check::NoTokenInQuery, !in_query)?;
        self.require_that(Check::NotEmpty, !field.is_empty())?;
        // The scheme's name has no case (RFC 9110 §11.1), and some clients write it in lower case.
        let scheme_ends = field.iter().position(|byte| *byte == b' ').unwrap_or(field.len());
        let (scheme, presented) = field.split_at(scheme_ends);
        self.require_that(Check::SchemeIsBearer, scheme.eq_ignore_ascii_case(b"Bearer"))?;
        Ok(presented.trim_ascii_start())
    }

    /// A token of this server is known by its form, so most mistakes (a pasted key, a token cut short) are found
    /// before anything is looked up.
    fn find_caller(&self, presented: &[u8]) -> Result<Caller, Check> {
        let caller = if self.introspector.is_none() {
            let token = self.require(Check::TokenWellFormed, TokenText::parse(presented))?;
            self.check_own(token.hash())?
        } else {
            let token = self.require(Check::TokenWellFormed, ForeignToken::parse(presented))?;
            self.check_foreign(token)?
        };
        // A token without any scope of ours could call nothing. Refused here, it is not taken for one that works.
        self.require_that(Check::HasKnownScope, !caller.holder.scopes.is_empty())?;
        Ok(caller)
    }

    /// Checks a token that this server issued, by the row that its hash finds. The database holds no token, so a
    /// stolen copy of it opens nothing; and how long a look-up by hash takes says nothing of how much of a guess was
    /// right.
    fn check_own(&self, hash: [u8; 32]) -> Result<Caller, Check> {
        // The gate admits no caller in doubt: a database that fails is a 503, and the log says why.
        let found = tokens::find(self.store, hash)
            .inspect_err(|error| stderr::note(&format!("the gate can't look up a token: {error}")));
        let row = self.require(Check::TokenLookedUp, found.ok())?;
        let row = self.require(Check::TokenKnown, row)?;
        self.require_that(Check::NotRevoked, row.revoked_at.is_none())?;
        // At the second of its end the token has expired: `expires_in` promises no second more.
        self.require_that(Check::NotExpired, self.now < row.holder.expires_at)?;
        // A token for another resource must open nothing here, or a server that was given one could use it as the
        // person (RFC 8707 §2, OAuth 2.1 §5.2). MCP calls that attack the confused deputy.
        self.require_that(Check::AudienceIsOurs, row.resource == self.site.audience())?;
        let base_url = self.base_url.to_owned();
        Ok(Caller { holder: row.holder, credential: Credential::Own(hash), base_url })
    }

    /// Checks a token that another authorization server issued. `introspection.rs` asks that server and judges its
    /// answer in the order of these checks; the answer doesn't say whether a token was revoked.
    fn check_foreign(&self, token: ForeignToken) -> Result<Caller, Check> {
        let introspector = self.introspector.ok_or(Check::TokenKnown)?;
        let found = introspector.find(self.store, &token, self.base_url, self.now);
        // Each check holds unless the answer failed in just that point, so the log shows what held before it.
        for (check, error) in [
            (Check::TokenLookedUp, IntrospectionError::Unreachable),
            (Check::TokenKnown, IntrospectionError::Inactive),
            (Check::NotExpired, IntrospectionError::Expired),
        ] {
            self.require_that(check, found.as_ref().err() != Some(&error))?;
        }
        let holder = self.require(Check::AudienceIsOurs, found.ok())?;
        Ok(Caller { holder, credential: Credential::Foreign(token), base_url: self.base_url.to_owned() })
    }
}

/// The holder of a good token. The fields are private: only this file makes one, after its checks. Handlers pass it
/// on as a value; a "current user" that any function could look up could be used where no check was made.
pub(crate) struct Caller {
    holder: TokenHolder,
    credential: Credential,
    base_url: String,
}

/// By what the same token is found again while a stream is open.
enum Credential {
    /// The hash of a token that this server issued: an open stream keeps no token of ours in memory.
    Own([u8; 32]),
    /// A token of another authorization server, which knows it by its text alone (RFC 7662 §2.1).
    Foreign(ForeignToken),
}

impl Caller {
    /// Permits one operation that needs the scopes of `A`; `operation` is named in the 403. What the handler calls in
    /// the journal decides `A`, so it can't have another scope checked than the one that it uses.
    pub(crate) fn permit<A: Access>(&self, operation: &str, log: &RequestLog) -> Result<Permit<A>, Refusal> {
        self.require_scopes(A::SCOPES, operation, log)?;
        Ok(Permit { user_id: self.holder.user_id, access: PhantomData })
    }

    /// The same where a missing scope refuses nothing, and the response merely holds less without it.
    pub(crate) fn permit_if<A: Access>(&self) -> Option<Permit<A>> {
        let is_permitted = self.holder.scopes.contains(A::SCOPES);
        is_permitted.then_some(Permit { user_id: self.holder.user_id, access: PhantomData })
    }

    /// Checks that the token has every scope that an operation needs, and opens nothing. The 403 names all of them in
    /// one challenge, so that the client asks the person once (MCP authorization, Runtime Insufficient Scope Errors).
    pub(crate) fn require_scopes(
        &self,
        needs: Scopes,
        operation: &str,
        log: &RequestLog,
    ) -> Result<(), Refusal> {
        let has_all = self.holder.scopes.contains(needs);
        require(Some(log), Check::HasNeededScope, has_all.then_some(())).map_err(|check| {
            let description = format!("{operation} needs {needs}");
            Refusal { scope: needs, description, ..Refusal::new(check, &self.base_url) }
        })
    }

    /// For whom the token was issued, for what, and until when. It opens no journal: that takes a [`Permit`].
    pub(crate) fn holder(&self) -> &TokenHolder {
        &self.holder
    }

    /// What a signed text for this caller is bound to: the person, and the client that acts for them. Not the token:
    /// a client refreshes it every few minutes, and its cursors and session ids must outlast that.
    pub(crate) fn binding(&self) -> Vec<u8> {
        let client = self.holder.client_id.as_deref().unwrap_or_default();
        [&self.holder.user_id.get().to_be_bytes(), client.as_bytes()].concat()
    }

    /// A digest that tells this token from every other one and reveals nothing of it.
    pub(crate) fn token_digest(&self) -> [u8; 32] {
        match &self.credential {
            Credential::Own(hash) => *hash,
            Credential::Foreign(token) => token.hash(),
        }
    }
}

/// One operation that one person's token allows: the journal's only source of a user id. `A` is the scope that was
/// checked (or a pair of scopes), and each function of the journal takes the permit of its own scope: a permit to
/// read tags can't delete an entry, because that doesn't compile.
#[derive(Clone, Copy)]
pub(crate) struct Permit<A> {
    user_id: UserId,
    access: PhantomData<A>,
}

impl<A> Permit<A> {
    /// The person whose rows these are.
    pub(crate) fn user_id(&self) -> UserId {
        self.user_id
    }
}

impl<A, B> Permit<(A, B)> {
    /// A permit for two scopes, as one for each.
    pub(crate) fn split(self) -> (Permit<A>, Permit<B>) {
        let user_id = self.user_id;
        (Permit { user_id, access: PhantomData }, Permit { user_id, access: PhantomData })
    }
}

/// A check that failed, on its way to become the response. Its status and error stand with the check, in `check.rs`.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) check: Check,
    description: String,
    /// The scopes that the client should ask for.
    scope: Scopes,
    base_url: String,
}

impl Refusal {
    fn new(check: Check, base_url: &str) -> Refusal {
        let description = check.facts().response.description.to_owned();
        Refusal { check, description, scope: Scopes::INITIAL, base_url: base_url.to_owned() }
    }

    /// The response, written by hand.
    pub(crate) fn response(&self) -> Response {
        let ErrorResponse { status, error, .. } = self.check.facts().response;
        let body = |error| json!({ "error": error, "error_description": self.description });
        let response =
            error.map_or_else(|| Response::new(status), |error| Response::json(status, &body(error)));
        // No cache may answer for the gate: what is refused now may be permitted in a minute.
        let response = response.with("Cache-Control", "no-store");
        match self.check {
            // A foreign page learns nothing of where tokens are; a failing database is no matter of tokens.
            Check::HostIsOurs | Check::OriginIsAllowed => response,
            Check::TokenLookedUp => response.with("Retry-After", "1"),
            _ => response.with(WWW_AUTHENTICATE, self.challenge()),
        }
    }

    /// The Bearer challenge (RFC 6750 §3): the value of `WWW-Authenticate`. With it a client that knows nothing but
    /// this URL finds its way: `resource_metadata` (RFC 9728 §5.1) leads to the authorization server, and `scope`
    /// says what to ask for there.
    ///
    /// Every parameter is a quoted-string, because clients read them with patterns like `name="([^"]+)"`. Nothing in
    /// it comes from the request: the URL is one of our own names, all else is written in this program.
    fn challenge(&self) -> String {
        let ErrorResponse { status, error, .. } = self.check.facts().response;
        let mut challenge = String::from("Bearer realm=\"EpicMe\"");
        if let Some(error) = error {
            challenge += &format!(", error=\"{error}\", error_description=\"{}\"", self.description);
        }
        let metadata = format!(", resource_metadata=\"{}{}\"", self.base_url, site::RESOURCE_METADATA);
        let scope = format!(", scope=\"{}\"", self.scope);
        // In the order of the examples in MCP authorization. A 400 names no scope, because no scope would mend it.
        match status {
            400 => challenge + &metadata,
            403 => challenge + &scope + &metadata,
            _ => challenge + &metadata + &scope,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.check.facts().failure, self.description)
    }
}

impl std::error::Error for Refusal {}

/// Adds the challenge for a client that failed to authenticate itself at an OAuth endpoint (OAuth 2.1 §3.2.4). It
/// stands here so that one file writes the field; a client must never meet `Basic` where it looks for `Bearer`.
pub(crate) fn challenge_client(response: Response) -> Response {
    response.with(WWW_AUTHENTICATE, "Basic realm=\"EpicMe\"")
}
