//! The gate: `Authorization` → [`Caller`], or the 401 with its Bearer challenge; scope → [`Permit`], or the 403.
//!
//! Knows no bodies, no JSON-RPC and no journal. Invariant: only this file makes a [`Caller`] or a [`Permit`], and
//! only after its rules; whoever holds one has passed, and nothing else opens the journal.
//!
//! The 401 is written at the bottom, in `challenge`.

use serde_json::json;

use crate::clock::Timestamp;
use crate::remote::{No, Remote};
use crate::request::Head;
use crate::response::Response;
use crate::scope::Scopes;
use crate::secret::TokenText;
use crate::site::{self, Site};
use crate::store::{Store, StoreError};
use crate::tokens;
use crate::trace;
use crate::users;

/// Every reason for which the gate admits or refuses. Decisions, log lines and tests all name these.
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
    /// The token couldn't be looked up, so nobody is let in.
    Undecided,
    /// The token is good: the caller is known.
    Admitted,
    /// The token lacks a scope that this operation needs.
    MissingScope,
    /// The operation is within the token's scopes.
    Permitted,
}

impl Rule {
    /// Every rule.
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
        Rule::UnknownToken,
        Rule::Revoked,
        Rule::Expired,
        Rule::WrongAudience,
        Rule::NoScope,
        Rule::Undecided,
        Rule::Admitted,
        Rule::MissingScope,
        Rule::Permitted,
    ];

    /// The rule's name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Rule::ForeignHost => "foreign-host",
            Rule::ForeignOrigin => "foreign-origin",
            Rule::Preflight => "preflight",
            Rule::NoToken => "no-token",
            Rule::RepeatedAuthorization => "repeated-authorization",
            Rule::TokenInQuery => "token-in-query",
            Rule::EmptyAuthorization => "empty-authorization",
            Rule::NotBearer => "not-bearer",
            Rule::MalformedToken => "malformed-token",
            Rule::UnknownToken => "unknown-token",
            Rule::Revoked => "revoked",
            Rule::Expired => "expired",
            Rule::WrongAudience => "wrong-audience",
            Rule::NoScope => "no-scope",
            Rule::Undecided => "undecided",
            Rule::Admitted => "admitted",
            Rule::MissingScope => "missing-scope",
            Rule::Permitted => "permitted",
        }
    }

    /// The clause that the rule obeys.
    pub fn clause(self) -> &'static str {
        match self {
            Rule::ForeignHost | Rule::ForeignOrigin => "MCP Streamable HTTP, Security & Endpoint",
            Rule::Preflight => "Fetch §3.3.2, CORS-preflight request",
            Rule::NoToken => "RFC 6750 §3, RFC 9728 §5.1",
            Rule::RepeatedAuthorization | Rule::TokenInQuery => "OAuth 2.1 §5.3.2",
            Rule::EmptyAuthorization | Rule::NotBearer | Rule::MalformedToken => "OAuth 2.1 §5.1.1",
            Rule::UnknownToken | Rule::Revoked | Rule::Expired => "OAuth 2.1 §5.3.2, invalid_token",
            Rule::WrongAudience => "RFC 8707 §2, OAuth 2.1 §5.2",
            Rule::NoScope | Rule::MissingScope => "OAuth 2.1 §5.3.2, insufficient_scope",
            Rule::Undecided => "RFC 9110 §15.6.4",
            Rule::Admitted | Rule::Permitted => "OAuth 2.1 §5.2",
        }
    }

    /// What whoever runs the client can do, in plain words; for the log, never for the wire.
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
            _ => None,
        }
    }
}

/// Somebody whose token is good. The fields are private: only [`admit`] makes one.
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
}

impl Caller {
    /// Lets one operation through that needs all of `needs`; `operation` is named in the 403.
    ///
    /// Refuses with [`Rule::MissingScope`], and with every scope that the operation needs in one challenge, so
    /// that a client asks once (MCP authorization, Runtime Insufficient Scope Errors).
    pub fn permit(&self, needs: Scopes, operation: &'static str) -> Result<Permit, Refusal> {
        if self.pass.scopes.contains(needs) {
            return Ok(Permit { user_id: self.pass.user_id });
        }
        let description = format!("{operation} needs {needs}");
        Err(Refusal { rule: Rule::MissingScope, origin: self.origin.clone(), scope: needs, description })
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

    /// The client that the token was given to; `None` for one from the command line.
    pub fn client_id(&self) -> Option<&str> {
        self.pass.client_id.as_deref()
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

/// The name of ours that the request was sent to, as the origin of every URL in the answer.
///
/// A web page can make a browser send a request here under a foreign name (DNS rebinding); no name of ours,
/// no answer.
pub fn origin<'s>(head: &Head, site: &'s Site) -> Result<&'s str, Refusal> {
    let refusal = || Refusal::new(Rule::ForeignHost, "", "Host is not a name of this server");
    site.origin_for(head.host()).ok_or_else(refusal)
}

/// The `Origin` of a web page that may talk to the endpoint; `None` when no browser is involved.
pub fn page<'h>(head: &'h Head, site: &Site) -> Result<Option<&'h str>, Refusal> {
    let refusal = || Refusal::new(Rule::ForeignOrigin, "", "Origin may not use this server");
    match head.fields("origin").count() {
        0 => Ok(None),
        1 => head.field("origin").filter(|page| site.welcomes(page)).map(Some).ok_or_else(refusal),
        _ => Err(refusal()),
    }
}

/// Decides from the head alone who is calling; no body has been read yet.
pub fn admit(
    head: &Head,
    origin: &str,
    site: &Site,
    store: &Store,
    remote: Option<&Remote>,
    now: Timestamp,
) -> Result<Caller, Refusal> {
    let refuse = |rule, description| Err(Refusal::new(rule, origin, description));
    let invalid = |rule| refuse(rule, "The access token is invalid or expired");

    let mut credentials = head.fields("authorization");
    let Some(credential) = credentials.next() else {
        return refuse(Rule::NoToken, ""); // a token in the query alone isn't looked at: OAuth 2.1 §5.1
    };
    if credentials.next().is_some() {
        return refuse(Rule::RepeatedAuthorization, "There must be one Authorization header");
    }
    let query = head.query().unwrap_or("");
    if query.split('&').any(|pair| pair.split('=').next() == Some("access_token")) {
        return refuse(Rule::TokenInQuery, "The access token belongs in the Authorization header alone");
    }
    if credential.is_empty() {
        return invalid(Rule::EmptyAuthorization);
    }
    let scheme_ends = credential.iter().position(|octet| *octet == b' ').unwrap_or(credential.len());
    let (scheme, presented) = credential.split_at(scheme_ends);
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return invalid(Rule::NotBearer);
    }
    let presented = presented.trim_ascii_start();
    let found = match remote {
        None => own_token(presented, site, store, now),
        Some(remote) => remote_token(presented, origin, remote, store, now),
    };
    let pass = match found {
        Ok(pass) => pass,
        Err(Rule::Undecided) => {
            return refuse(Rule::Undecided, "The access token can't be checked now; try again");
        }
        Err(rule) => return invalid(rule),
    };
    if pass.scopes.is_empty() {
        return Err(Refusal {
            description: format!("This server needs at least one of {}", Scopes::ALL),
            ..Refusal::new(Rule::NoScope, origin, "")
        });
    }
    Ok(Caller { pass, origin: origin.to_owned() })
}

/// What a token says that was made here.
fn own_token(presented: &[u8], site: &Site, store: &Store, now: Timestamp) -> Result<Pass, Rule> {
    let presented = TokenText::parse(presented).ok_or(Rule::MalformedToken)?;
    match tokens::find(store, &presented).map_err(|error| undecided(&error))? {
        None => Err(Rule::UnknownToken),
        Some(token) if token.revoked_at.is_some() => Err(Rule::Revoked),
        Some(token) if token.expires_at <= now => Err(Rule::Expired),
        Some(token) if token.resource != site.audience() => Err(Rule::WrongAudience),
        Some(tokens::Token { user_id, client_id, scopes, expires_at, .. }) => {
            Ok(Pass { user_id, client_id, scopes, expires_at })
        }
    }
}

/// What a token says that another authorization server made.
fn remote_token(
    presented: &[u8],
    origin: &str,
    remote: &Remote,
    store: &Store,
    now: Timestamp,
) -> Result<Pass, Rule> {
    // RFC 6750 §2.1: a token is a b64token, whoever made it.
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~+/=".contains(&octet);
    let text = std::str::from_utf8(presented).ok().filter(|text| !text.is_empty() && text.bytes().all(fits));
    let told = remote.find(text.ok_or(Rule::MalformedToken)?, origin, now).map_err(|no| match no {
        No::Inactive => Rule::UnknownToken,
        No::Expired => Rule::Expired,
        No::Audience => Rule::WrongAudience,
        No::Unreachable => Rule::Undecided,
    })?;
    let user_id = users::find_or_insert_subject(store, remote.issuer(), &told.subject, now);
    let user_id = user_id.map_err(|error| undecided(&error))?;
    Ok(Pass { user_id, client_id: told.client_id, scopes: told.scopes, expires_at: told.expires_at })
}

fn undecided(error: &StoreError) -> Rule {
    trace::note(&format!("the gate can't look up a token: {error}"));
    Rule::Undecided
}

impl Refusal {
    fn new(rule: Rule, origin: &str, description: &str) -> Refusal {
        let description = description.to_owned();
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
            _ => response.with("WWW-Authenticate", self.challenge(error)),
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
    response.with("WWW-Authenticate", "Basic realm=\"EpicMe\"")
}

/// Whether this is a CORS preflight: a browser's question before the real request, which carries no credentials
/// and so can't be asked for any (Fetch §3.3.2).
pub fn is_preflight(head: &Head) -> bool {
    head.method() == "OPTIONS"
        && head.field("origin").is_some()
        && head.field("access-control-request-method").is_some()
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
