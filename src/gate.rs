//! The gate: `Authorization` → [`Caller`], or the 401 with its Bearer challenge; scope → [`Permit`], or the 403.
//!
//! Knows no bodies, no JSON-RPC and no journal. Invariant: only this file makes a [`Caller`] or a [`Permit`], and
//! only after its rules; whoever holds one has passed, and nothing else opens the journal.
//!
//! The rules are asked in the order in which they stand in [`Rule`] and in which this file is read: [`origin`], [`page`],
//! [`is_preflight`], [`Gate::admit`], [`Caller::permit`]. One line asks one rule, and the first that doesn't hold decides
//! (of a token made elsewhere it is asked twice whether it can be looked up: there, and here);
//! `serve --explain` shows what each of them said. The 401 is written at the bottom, in `challenge`.

use serde_json::json;

use crate::clock::Timestamp;
use crate::exchange::Exchange;
use crate::remote::{No, Remote};
use crate::request::Head;
use crate::response::Response;
use crate::scope::Scopes;
use crate::secret::{self, TokenText};
use crate::site::{self, Site};
use crate::store::{Store, StoreError};
use crate::tokens;
use crate::trace;
use crate::users;

/// The field that carries a challenge (RFC 9110 §11.6.1). Only this file writes it.
pub const CHALLENGE: &str = "WWW-Authenticate";

/// Every reason for which the gate admits or refuses, in the order in which it asks. Decisions, log lines and tests all
/// name these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// `Host` isn't a name of ours.
    ForeignHost,
    /// `Origin` is a web page that has no business here.
    ForeignOrigin,
    /// The browser only asks whether it may ask.
    Preflight,
    /// No `Authorization` field: the first knock.
    NoToken,
    /// More than one `Authorization` field.
    RepeatedAuthorization,
    /// A token in the query beside the one in the header.
    TokenInQuery,
    /// An `Authorization` field with nothing in it.
    EmptyAuthorization,
    /// Another scheme than `Bearer`.
    NotBearer,
    /// What follows `Bearer` isn't one token of our form.
    MalformedToken,
    /// The token couldn't be looked up, so nobody is let in.
    Undecided,
    /// A well-formed token that nobody was given.
    UnknownToken,
    /// A token that was revoked.
    Revoked,
    /// A token past its end.
    Expired,
    /// A token made for another resource.
    WrongAudience,
    /// A token without a single scope of ours.
    NoScope,
    /// The token is good: the caller is known.
    Admitted,
    /// The token lacks a scope that this operation needs.
    MissingScope,
    /// The operation is within the token's scopes.
    Permitted,
}

impl Rule {
    /// Every rule, in order.
    pub const ALL: [Rule; 18] = [
        Rule::ForeignHost,
        Rule::ForeignOrigin,
        Rule::Preflight,
        Rule::NoToken,
        Rule::RepeatedAuthorization,
        Rule::TokenInQuery,
        Rule::EmptyAuthorization,
        Rule::NotBearer,
        Rule::MalformedToken,
        Rule::Undecided,
        Rule::UnknownToken,
        Rule::Revoked,
        Rule::Expired,
        Rule::WrongAudience,
        Rule::NoScope,
        Rule::Admitted,
        Rule::MissingScope,
        Rule::Permitted,
    ];

    /// The rule's name in the log.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// What must hold, in words that follow on each other as the rules do.
    pub fn demand(self) -> &'static str {
        self.words().1
    }

    /// The clause that the rule obeys.
    pub fn clause(self) -> &'static str {
        self.words().2
    }

    fn words(self) -> (&'static str, &'static str, &'static str) {
        use Rule::*;
        match self {
            ForeignHost => ("foreign-host", "Host is a name of this server", MCP_SECURITY),
            ForeignOrigin => ("foreign-origin", "no foreign web page asks (Origin)", MCP_SECURITY),
            Preflight => {
                ("preflight", "a browser asks before it sends", "Fetch §3.3.2, CORS-preflight request")
            }
            NoToken => ("no-token", "there is an Authorization field", "RFC 6750 §3, RFC 9728 §5.1"),
            RepeatedAuthorization => ("repeated-authorization", "there is only one", "OAuth 2.1 §5.3.2"),
            TokenInQuery => ("token-in-query", "the query holds no second token", "OAuth 2.1 §5.3.2"),
            EmptyAuthorization => ("empty-authorization", "the field is not empty", "OAuth 2.1 §5.1.1"),
            NotBearer => ("not-bearer", "its scheme is Bearer", "OAuth 2.1 §5.1.1"),
            MalformedToken => {
                ("malformed-token", "what it holds has the form of a token", "OAuth 2.1 §5.1.1")
            }
            Undecided => ("undecided", "the token can be looked up", "RFC 9110 §15.6.4"),
            UnknownToken => ("unknown-token", "somebody was given this token", INVALID_TOKEN),
            Revoked => ("revoked", "it was not revoked", INVALID_TOKEN),
            Expired => ("expired", "it has not expired", INVALID_TOKEN),
            WrongAudience => ("wrong-audience", "it was made for this server", "RFC 8707 §2, OAuth 2.1 §5.2"),
            NoScope => ("no-scope", "it has a scope that is known here", INSUFFICIENT_SCOPE),
            Admitted => ("admitted", "so the caller is known", "OAuth 2.1 §5.2"),
            MissingScope => ("missing-scope", "the token has the scope this needs", INSUFFICIENT_SCOPE),
            Permitted => ("permitted", "the token has the scope this needs", "OAuth 2.1 §5.2"),
        }
    }

    /// Whether it is a good end: the rule lets through and refuses nobody.
    pub fn opens(self) -> bool {
        matches!(self, Rule::Preflight | Rule::Admitted | Rule::Permitted)
    }

    /// What whoever runs the client can do, in plain words; for the log and the wire view, never for the wire.
    pub fn remedy(self) -> Option<&'static str> {
        match self {
            Rule::EmptyAuthorization => Some(
                "the client sends an empty Authorization header: remove it from the client's custom headers \
                 (the MCP Inspector keeps one there), and it will ask for access by itself",
            ),
            Rule::NotBearer => Some(
                "the client sends its own Authorization header, which is not a Bearer token: remove it from the \
                 client's custom headers, and it will ask for access by itself",
            ),
            Rule::MalformedToken => Some(
                "the Authorization header does not hold a token of this server: remove it from the client's \
                 custom headers, or replace it by a whole one from `epicme token create`",
            ),
            Rule::WrongAudience => Some(
                "the token was made for another public URL: make one with `epicme token create` and the same \
                 --public-url as the server",
            ),
            Rule::ForeignHost => Some("if that name is this server's, start it with --public-url"),
            Rule::ForeignOrigin => Some("pages of this machine and of the public URL may ask, no others"),
            Rule::RepeatedAuthorization => Some("let the client send one Authorization header"),
            Rule::TokenInQuery => Some("take the token out of the URL, where it ends up in logs"),
            Rule::UnknownToken => {
                Some("it may be another server's, or its person, client or grant was removed: get a new one")
            }
            Rule::Revoked => Some("it was taken back for good: get a new one"),
            Rule::Expired => Some("refresh it, or make a new one with `epicme token create`"),
            Rule::NoScope | Rule::MissingScope => {
                Some("ask for the scopes that the challenge names; the person may allow them")
            }
            Rule::Undecided => Some("try again; the line before says what is wrong"),
            Rule::NoToken => Some("a client begins like this: the challenge tells it where to get a token"),
            Rule::Preflight | Rule::Admitted | Rule::Permitted => None,
        }
    }

    /// What the client is told.
    fn description(self) -> String {
        let text = match self {
            Rule::NoToken => "",
            Rule::ForeignHost => "Host is not a name of this server",
            Rule::ForeignOrigin => "Origin may not use this server",
            Rule::RepeatedAuthorization => "There must be one Authorization header",
            Rule::TokenInQuery => "The access token belongs in the Authorization header alone",
            Rule::Undecided => "The access token can't be checked now; try again",
            Rule::NoScope => return format!("This server needs at least one of {}", Scopes::ALL),
            _ => "The access token is invalid or expired",
        };
        text.to_owned()
    }
}

const MCP_SECURITY: &str = "MCP Streamable HTTP, Security & Endpoint";
const INVALID_TOKEN: &str = "OAuth 2.1 §5.3.2, invalid_token";
const INSUFFICIENT_SCOPE: &str = "OAuth 2.1 §5.3.2, insufficient_scope";

/// Asks one rule: it holds where there is something to go on with. The exchange remembers the answer for whoever
/// watches; nothing is asked behind a rule that doesn't hold.
fn ask<T>(exchange: &mut Exchange, rule: Rule, found: Option<T>) -> Result<T, Rule> {
    exchange.asked(rule, found.is_some());
    found.ok_or(rule)
}

/// Asks one rule that gives nothing to go on with.
fn hold(exchange: &mut Exchange, rule: Rule, holds: bool) -> Result<(), Rule> {
    ask(exchange, rule, holds.then_some(()))
}

/// The name of ours that the request was sent to, as the origin of every URL in the answer.
///
/// A web page can make a browser send a request here under a foreign name (DNS rebinding); no name of ours,
/// no answer.
pub fn origin<'s>(head: &Head, site: &'s Site, exchange: &mut Exchange) -> Result<&'s str, Refusal> {
    let ours = site.origin_for(head.host());
    ask(exchange, Rule::ForeignHost, ours).map_err(|rule| Refusal::new(rule, ""))
}

/// The `Origin` of a web page that may talk to the endpoint; `None` when no browser is involved.
pub fn page<'h>(head: &'h Head, site: &Site, exchange: &mut Exchange) -> Result<Option<&'h str>, Refusal> {
    let page = match head.fields("origin").count() {
        0 => Some(None),
        1 => head.field("origin").filter(|page| site.welcomes(page)).map(Some),
        _ => None,
    };
    ask(exchange, Rule::ForeignOrigin, page).map_err(|rule| Refusal::new(rule, ""))
}

/// Whether this is a CORS preflight: a browser's question before the real request, which carries no credentials
/// and so can't be asked for any (Fetch §3.3.2).
pub fn is_preflight(head: &Head) -> bool {
    head.method() == "OPTIONS"
        && head.field("origin").is_some()
        && head.field("access-control-request-method").is_some()
}

/// What follows `Bearer` in the one `Authorization` field.
fn bearer<'h>(head: &'h Head, exchange: &mut Exchange) -> Result<&'h [u8], Rule> {
    let mut credentials = head.fields("authorization");
    // A token in the query alone isn't looked at: OAuth 2.1 §5.1.
    let credential = ask(exchange, Rule::NoToken, credentials.next())?;
    hold(exchange, Rule::RepeatedAuthorization, credentials.next().is_none())?;
    let mut pairs = head.query().unwrap_or("").split('&');
    let in_query = pairs.any(|pair| pair.split('=').next() == Some("access_token"));
    hold(exchange, Rule::TokenInQuery, !in_query)?;
    hold(exchange, Rule::EmptyAuthorization, !credential.is_empty())?;
    let scheme_ends = credential.iter().position(|octet| *octet == b' ').unwrap_or(credential.len());
    let (scheme, presented) = credential.split_at(scheme_ends);
    hold(exchange, Rule::NotBearer, scheme.eq_ignore_ascii_case(b"Bearer"))?;
    Ok(presented.trim_ascii_start())
}

/// What the gate knows of the server when it decides who is calling.
pub struct Gate<'a> {
    /// The name of ours that was called, from [`origin`].
    pub origin: &'a str,
    /// The names of the server.
    pub site: &'a Site,
    /// The database.
    pub store: &'a Store,
    /// The authorization server, if it is elsewhere.
    pub remote: Option<&'a Remote>,
    /// The time of the request.
    pub now: Timestamp,
}

impl Gate<'_> {
    /// Decides from the head alone who is calling; no body has been read yet.
    pub fn admit(&self, head: &Head, exchange: &mut Exchange) -> Result<Caller, Refusal> {
        let presented = bearer(head, exchange).map_err(|rule| Refusal::new(rule, self.origin))?;
        self.judge(presented, exchange)
    }

    /// Decides on a presented token alone: the half of [`Gate::admit`] that needs no request, and all that
    /// `epicme explain` asks.
    pub fn judge(&self, presented: &[u8], exchange: &mut Exchange) -> Result<Caller, Refusal> {
        let pass = match self.remote {
            None => self.own_token(presented, exchange),
            Some(remote) => self.remote_token(presented, remote, exchange),
        };
        let caller = pass.and_then(|pass| {
            hold(exchange, Rule::NoScope, !pass.scopes.is_empty())?;
            ask(exchange, Rule::Admitted, Some(Caller { pass, origin: self.origin.to_owned() }))
        });
        caller.map_err(|rule| Refusal::new(rule, self.origin))
    }

    /// What a token says that was made here.
    fn own_token(&self, presented: &[u8], exchange: &mut Exchange) -> Result<Pass, Rule> {
        let presented = ask(exchange, Rule::MalformedToken, TokenText::parse(presented))?;
        let digest = presented.hash();
        let token = ask(exchange, Rule::Undecided, answered(tokens::find(self.store, &presented)))?;
        let token = ask(exchange, Rule::UnknownToken, token)?;
        hold(exchange, Rule::Revoked, token.revoked_at.is_none())?;
        hold(exchange, Rule::Expired, self.now < token.expires_at)?;
        hold(exchange, Rule::WrongAudience, token.resource == self.site.audience())?;
        let tokens::Token { user_id, client_id, scopes, expires_at, .. } = token;
        Ok(Pass { user_id, client_id, scopes, expires_at, digest })
    }

    /// What a token says that another authorization server made. It is judged in `remote.rs`, in this
    /// order; whether it was revoked, the other server doesn't say.
    fn remote_token(&self, presented: &[u8], remote: &Remote, exchange: &mut Exchange) -> Result<Pass, Rule> {
        // RFC 6750 §2.1: a token is a b64token, whoever made it.
        let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~+/=".contains(&octet);
        let text = std::str::from_utf8(presented).ok();
        let text = text.filter(|text| !text.is_empty() && text.bytes().all(fits));
        let text = ask(exchange, Rule::MalformedToken, text)?;
        let told = remote.find(text, self.origin, self.now);
        let no = told.as_ref().err().copied();
        if no == Some(No::Unreachable) {
            trace::note("the gate can't look up a token: the authorization server elsewhere gives no answer");
        }
        hold(exchange, Rule::Undecided, no != Some(No::Unreachable))?;
        hold(exchange, Rule::UnknownToken, no != Some(No::Inactive))?;
        hold(exchange, Rule::Expired, no != Some(No::Expired))?;
        let told = ask(exchange, Rule::WrongAudience, told.ok())?;
        let user_id = users::find_or_insert_subject(self.store, remote.issuer(), &told.subject, self.now);
        let user_id = ask(exchange, Rule::Undecided, answered(user_id))?;
        let digest = secret::sha256(text.as_bytes());
        Ok(Pass {
            user_id,
            client_id: told.client_id,
            scopes: told.scopes,
            expires_at: told.expires_at,
            digest,
        })
    }
}

/// What the database says; `None` when it can't, and the log says why.
fn answered<T>(found: Result<T, StoreError>) -> Option<T> {
    found.inspect_err(|error| trace::note(&format!("the gate can't look up a token: {error}"))).ok()
}

/// Somebody whose token is good. The fields are private: only [`Gate::judge`] makes one.
pub struct Caller {
    pass: Pass,
    origin: String,
}

/// What a good token says.
struct Pass {
    user_id: i64,
    client_id: Option<String>,
    scopes: Scopes,
    expires_at: Timestamp,
    digest: [u8; 32],
}

impl Caller {
    /// Lets one operation through that needs all of `needs`; `operation` is named in the 403.
    ///
    /// Refuses with [`Rule::MissingScope`], and with every scope that the operation needs in one challenge, so
    /// that a client asks once (MCP authorization, Runtime Insufficient Scope Errors).
    pub fn permit(
        &self,
        needs: Scopes,
        operation: &'static str,
        exchange: &mut Exchange,
    ) -> Result<Permit, Refusal> {
        let Some(permit) = self.permit_if(needs) else {
            exchange.asked(Rule::MissingScope, false);
            let description = format!("{operation} needs {needs}");
            let origin = self.origin.clone();
            return Err(Refusal { rule: Rule::MissingScope, origin, scope: needs, description });
        };
        exchange.asked(Rule::Permitted, true);
        Ok(permit)
    }

    /// The same where less is given without these scopes, and nothing is refused.
    pub fn permit_if(&self, needs: Scopes) -> Option<Permit> {
        self.pass.scopes.contains(needs).then_some(Permit { user_id: self.pass.user_id })
    }

    /// What the token may be used for.
    pub fn scopes(&self) -> Scopes {
        self.pass.scopes
    }

    /// Whose event streams theirs are. It opens no journal: that takes a [`Permit`].
    pub fn person(&self) -> i64 {
        self.pass.user_id
    }

    /// What a text that is handed to this caller is bound to: the person, and the client that acts for them.
    pub fn binding(&self) -> Vec<u8> {
        let client = self.pass.client_id.as_deref().unwrap_or_default();
        [&self.pass.user_id.to_be_bytes(), client.as_bytes()].concat()
    }

    /// What tells this token from every other one, and says nothing of it.
    pub fn token_digest(&self) -> [u8; 32] {
        self.pass.digest
    }

    /// From this moment on the token opens nothing, an open stream neither.
    pub fn expires_at(&self) -> Timestamp {
        self.pass.expires_at
    }
}

/// One operation that one person's token allows: the journal's only source of a user id.
#[derive(Clone, Copy)]
pub struct Permit {
    user_id: i64,
}

impl Permit {
    /// The person whose rows these are.
    pub fn user_id(&self) -> i64 {
        self.user_id
    }
}

/// A closed gate: the rule that closed it, and what the client is told.
pub struct Refusal {
    /// The rule that decided.
    pub rule: Rule,
    origin: String,
    scope: Scopes,
    description: String,
}

impl Refusal {
    fn new(rule: Rule, origin: &str) -> Refusal {
        let description = rule.description();
        Refusal { rule, origin: origin.to_owned(), scope: Scopes::INITIAL, description }
    }

    /// The answer, written by hand.
    pub fn answer(&self) -> Response {
        let (status, error) = match self.rule {
            Rule::NoToken => (401, None),
            Rule::RepeatedAuthorization | Rule::TokenInQuery => (400, Some("invalid_request")),
            Rule::ForeignHost | Rule::ForeignOrigin => (403, Some("access_denied")),
            Rule::NoScope | Rule::MissingScope => (403, Some("insufficient_scope")),
            Rule::Undecided => (503, Some("temporarily_unavailable")),
            _ => (401, Some("invalid_token")),
        };
        let response = match error {
            // OAuth 2.1 §5.3.2: who brings no credentials is told how to get some, and of no error.
            None => Response::new(status),
            Some(error) => {
                Response::json(status, &json!({ "error": error, "error_description": self.description }))
            }
        };
        let response = response.with("Cache-Control", "no-store");
        match self.rule {
            Rule::ForeignHost | Rule::ForeignOrigin => response,
            Rule::Undecided => response.with("Retry-After", "1"),
            _ => response.with(CHALLENGE, self.challenge(error)),
        }
    }

    /// The Bearer challenge (RFC 6750 §3, RFC 9728 §5.1).
    ///
    /// Every value is a quoted-string, since clients read it with a pattern like `name="([^"]+)"`. No octet of
    /// it comes from the request: the origin is one of our own names, all else is written in this file.
    fn challenge(&self, error: Option<&str>) -> String {
        let mut challenge = String::from("Bearer realm=\"EpicMe\"");
        if let Some(error) = error {
            challenge += &format!(", error=\"{error}\", error_description=\"{}\"", self.description);
        }
        let metadata = format!(", resource_metadata=\"{}{}\"", self.origin, site::RESOURCE_METADATA);
        let scope = format!(", scope=\"{}\"", self.scope);
        match self.rule {
            Rule::RepeatedAuthorization | Rule::TokenInQuery => challenge + &metadata,
            Rule::NoScope | Rule::MissingScope => challenge + &scope + &metadata,
            _ => challenge + &metadata + &scope,
        }
    }
}

/// Adds the challenge for a client that failed to authenticate itself (OAuth 2.1 §3.2.4).
pub fn challenge_client(response: Response) -> Response {
    response.with(CHALLENGE, "Basic realm=\"EpicMe\"")
}

/// The answer to a preflight for the endpoint.
pub fn preflight() -> Response {
    let headers = "authorization, content-type, accept, mcp-protocol-version, mcp-method, mcp-name, \
                   mcp-session-id, last-event-id";
    Response::new(204)
        .with("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
        .with("Access-Control-Allow-Headers", headers)
        .with("Access-Control-Max-Age", "600")
}

/// Lets the page read an answer of the endpoint, the challenge above all: without `Expose-Headers` a browser
/// hides it, and the client can't learn where to get a token.
pub fn share(response: Response, page: Option<&str>) -> Response {
    let response = response.with("Vary", "Origin");
    match page {
        None => response,
        Some(page) => response
            .with("Access-Control-Allow-Origin", page.to_owned())
            .with("Access-Control-Expose-Headers", "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version"),
    }
}
