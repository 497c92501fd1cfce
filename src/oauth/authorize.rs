//! The authorization endpoint (OAuth 2.1 §3.1, §4.1): a person signs in, sees who asks for what, and decides.
//!
//! Knows what [`super`] knows. Invariant: nobody is sent anywhere but to a [`TrustedRedirect`], which is made only by
//! a match with what the client registered; and nobody is sent there before having signed in.

use super::clients::{self, Client};
use super::grants::{self, NewGrant};
use super::{Fault, Parameters, names_our_resource, redirect, token};
use crate::app::App;
use crate::browser::Browser;
use crate::clock::Timestamp;
use crate::exchange::Exchange;
use crate::limits;
use crate::oauth;
use crate::pages::{self, Html, sign_in};
use crate::request::{Body, Head};
use crate::response::Response;
use crate::scope::{Scope, Scopes};
use crate::site;
use crate::users;

/// A place that the client registered, and what an answer that goes there must carry.
pub struct TrustedRedirect {
    uri: String,
    state: Option<String>,
    issuer: String,
}

impl TrustedRedirect {
    /// Proves the redirect URI of a request (OAuth 2.1 §2.3.1); one that isn't named is the client's only one.
    fn prove(client: &Client, parameters: &Parameters, issuer: &str) -> Result<TrustedRedirect, Fault> {
        let uri = match (parameters.get("redirect_uri"), &client.redirect_uris[..]) {
            (None, [only]) => only,
            (None, _) => return Err(Fault::Missing("redirect_uri")),
            (Some(asked), known) => {
                let known = known.iter().any(|known| redirect::matches(known, asked));
                if known { asked } else { return Err(Fault::ForeignRedirect) }
            }
        };
        let state = parameters.get("state").map(str::to_owned);
        Ok(TrustedRedirect { uri: uri.to_owned(), state, issuer: issuer.to_owned() })
    }

    /// Sends the browser there with these parameters, the state as it came, and who answers (RFC 9207).
    /// 303, so that nothing of a form goes along (OAuth 2.1 §7.5.4).
    fn answer(self, parameters: &[(&str, &str)]) -> Response {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        if let Some(state) = &self.state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", &self.issuer);
        let separator = if self.uri.contains('?') { '&' } else { '?' };
        Response::see_other(format!("{}{separator}{}", self.uri, query.finish()))
            .with("Cache-Control", "no-store")
            .with("Referrer-Policy", "no-referrer")
    }

    /// Tells the client why it gets nothing (OAuth 2.1 §4.1.2.1).
    fn refuse(self, fault: &Fault) -> Response {
        let code = match fault.code() {
            "temporarily_unavailable" => "server_error",
            other => other,
        };
        self.answer(&[("error", code), ("error_description", &fault.message())])
    }
}

/// What a client asks for, checked.
struct Asked {
    scopes: Scopes,
    challenge: String,
}

impl Asked {
    fn read(parameters: &Parameters, origin: &str) -> Result<Asked, Fault> {
        if parameters.need("response_type")? != "code" {
            return Err(Fault::ResponseType);
        }
        // A method that is left out means `plain` (RFC 7636 §4.3), which isn't served.
        let challenge = parameters.get("code_challenge").filter(|challenge| token::is_pkce_text(challenge));
        let s256 = parameters.get("code_challenge_method") == Some("S256");
        let challenge = challenge.filter(|_| s256).ok_or(Fault::Challenge)?.to_owned();
        names_our_resource(parameters, origin)?;
        let scopes = match parameters.get("scope") {
            // A client that names none couldn't ask for more later: the person is offered all.
            None => Scopes::ALL,
            Some(asked) => Scopes::parse_known(asked),
        };
        if scopes.is_empty() { Err(Fault::NoScope) } else { Ok(Asked { scopes, challenge }) }
    }
}

/// A request as far as it has come: everything is proven, somebody is signed in, and only their word is missing.
struct Asking<'q> {
    query: &'q str,
    browser: Browser,
    user_id: i64,
    client: Client,
    redirect: TrustedRedirect,
    asked: Asked,
}

impl Asking<'_> {
    /// Checks all that comes before the person's word; where something is missing, the answer: the sign-in page, or the
    /// client's refusal.
    fn begin<'q>(
        app: &App,
        origin: &str,
        head: &Head,
        query: &'q str,
        now: Timestamp,
        exchange: &mut Exchange,
    ) -> Result<Result<Asking<'q>, Response>, Fault> {
        let parameters = Parameters::parse(query.as_bytes())?;
        let (client, redirect) = prove(app, &parameters, origin)?;
        let browser = Browser::find(head, origin, &app.store, now)?;
        let Some(user_id) = browser.user_id() else {
            let page = sign_in::page_first(app, &browser, &sign_in::Next::Authorize(query), now);
            return Ok(Err(browser.remember(page, origin)));
        };
        match Asked::read(&parameters, origin) {
            Ok(asked) => Ok(Ok(Asking { query, browser, user_id, client, redirect, asked })),
            Err(fault) => {
                oauth::note(&fault, exchange);
                Ok(Err(redirect.refuse(&fault)))
            }
        }
    }
}

/// Answers `GET /authorize`: harmless and repeatable, since some clients try the URL before they show it.
pub fn show(app: &App, origin: &str, head: &Head, now: Timestamp, exchange: &mut Exchange) -> Response {
    oauth::answered(exchange, pages::fault, |exchange| {
        match Asking::begin(app, origin, head, head.query().unwrap_or(""), now, exchange)? {
            Ok(asking) => asking.page(app, None, now),
            Err(answer) => Ok(answer),
        }
    })
}

/// Answers `POST /authorize`: the person's decision. Everything is checked again, as if nothing had been shown.
pub fn decide(
    app: &App,
    origin: &str,
    head: &Head,
    body: &mut Body,
    now: Timestamp,
    exchange: &mut Exchange,
) -> Response {
    oauth::answered(exchange, pages::fault, |exchange| {
        let form = Parameters::read(head, body)?;
        let asking = match Asking::begin(app, origin, head, form.need("request")?, now, exchange)? {
            Ok(asking) => asking,
            Err(answer) => return Ok(answer),
        };
        if !asking.browser.made(form.get("form"), &app.seal, now) {
            exchange.outcome = Some("stale-form");
            return asking.page(app, Some("This page was open for too long. Please decide again."), now);
        }
        let ticked: Vec<_> =
            asking.asked.scopes.iter().filter(|scope| form.get(scope.name()).is_some()).collect();
        let scopes = Scopes::of(&ticked);
        let allows = form.get("decision") == Some("allow");
        if allows && scopes.is_empty() {
            return asking.page(app, Some("Tick at least one box, or press Deny."), now);
        }
        let Asking { browser, user_id, client, redirect, asked, .. } = asking;
        // On https the cookie's prefix keeps it to this host, and no client's server is on it.
        let stays = origin.starts_with("https:") || !redirect::is_local(&redirect.uri);
        let part = |response| if stays { Ok(response) } else { browser.forget(response, origin, &app.store) };
        if !allows {
            oauth::note(&Fault::Denied, exchange);
            return Ok(part(redirect.refuse(&Fault::Denied))?);
        }
        let new = NewGrant {
            user_id,
            client_id: client.id,
            resource: app.site.audience().to_owned(),
            scopes,
            redirect_uri: redirect.uri.clone(),
            challenge: asked.challenge,
        };
        match grants::allow(&app.store, new, now) {
            Ok(code) => Ok(part(redirect.answer(&[("code", &code)]))?),
            Err(fault) => {
                oauth::note(&fault, exchange);
                Ok(redirect.refuse(&fault))
            }
        }
    })
}

/// The client and where it may be answered. Until both are proven a fault is a page, never a redirect.
fn prove(app: &App, parameters: &Parameters, origin: &str) -> Result<(Client, TrustedRedirect), Fault> {
    let client = clients::find(&app.store, parameters.need("client_id")?)?.ok_or(Fault::UnknownClient)?;
    let state_fits = |state: &str| state.len() <= limits::STATE_BYTES_MAX && !state.contains('\u{fffd}');
    if !parameters.get("state").is_none_or(state_fits) {
        return Err(Fault::Malformed("state")); // it couldn't be sent back as it came
    }
    let redirect = TrustedRedirect::prove(&client, parameters, origin)?;
    Ok((client, redirect))
}

impl Asking<'_> {
    /// The consent page, with what to say first.
    fn page(&self, app: &App, alert: Option<&str>, now: Timestamp) -> Result<Response, Fault> {
        let Asking { query, browser, user_id, client, redirect, asked } = self;
        let email = users::email_of(&app.store, *user_id)?.unwrap_or_default();
        let local = redirect::is_local(&redirect.uri);
        let destination = redirect::destination(&redirect.uri);
        let scope_boxes = asked.scopes.iter().map(|scope| {
            Html::markup("<label><input type=\"checkbox\" name=\"")
                .then(scope.name())
                .then("\" value=\"1\" checked> <span>")
                .then(meaning(scope))
                .then("</span></label>\n")
        });
        let body = Html::all(alert.map(pages::alert))
        .then("<p><strong>")
        .then_text(&client.name)
        .then("</strong> asks for access to the journal of <strong>")
        .then_text(&email)
        .then("</strong>.</p>\n<p class=\"hint\">That name is what the program calls itself; nobody has checked it.</p>\n")
        .then("<dl>\n<dt>You will be sent to</dt>\n<dd><code>")
        .then_text(destination)
        .then("</code>")
        .then(if local { ", a program on this computer" } else { "" })
        .then("</dd>\n<dt>To use</dt>\n<dd><code>")
        .then_text(&format!("{}{}", redirect.issuer, site::MCP))
        .then("</code></dd>\n</dl>\n<form method=\"post\" action=\"")
        .then(site::AUTHORIZE)
        .then("\">\n")
        .and(pages::hidden("form", &browser.form_token(&app.seal, now)))
        .and(pages::hidden("request", query))
        .then("<fieldset>\n<legend>It may</legend>\n")
        .and(Html::all(scope_boxes))
        .then("</fieldset>\n<p class=\"choice\">\n")
        .then("<button name=\"decision\" value=\"allow\">Allow</button>\n")
        .then("<button name=\"decision\" value=\"deny\" class=\"quiet\">Deny</button>\n</p>\n</form>\n")
        .then("<p class=\"hint\">If you did not start this, press Deny. You can take access back at any time on ")
        .then("<a href=\"")
        .then(site::ACCOUNT)
        .then("\">your account page</a>.</p>\n");
        Ok(pages::page_leading_on(200, "Allow access?", body))
    }
}

/// A scope in plain words.
pub fn meaning(scope: Scope) -> &'static str {
    match scope {
        Scope::UserRead => "see your email address",
        Scope::EntriesRead => "read and search all your entries, with the names of their tags",
        Scope::EntriesWrite => "write, change and delete entries, and see each entry that it changes",
        Scope::TagsRead => "see your tags",
        Scope::TagsWrite => "make, change and delete tags",
    }
}
