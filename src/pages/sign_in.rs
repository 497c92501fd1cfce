//! Signing in and out.
//!
//! Knows no OAuth beyond where to go on. Invariant: an unknown person and a wrong password cost the same time and get
//! the same answer, and only failures are counted.

use std::net::IpAddr;

use super::{Html, alert, hidden, page, page_leading_on};
use crate::app::App;
use crate::browser::Browser;
use crate::clock::Timestamp;
use crate::exchange::Exchange;
use crate::oauth::{self, Fault, Parameters};
use crate::pages;
use crate::request::{Body, Head};
use crate::response::Response;
use crate::site;
use crate::throttle;
use crate::users;

const TITLE: &str = "Sign in to your journal";

/// Where a person goes on after signing in.
pub enum Next<'q> {
    /// Back to a client's request, by its query.
    Authorize(&'q str),
    /// To their own page.
    Account,
}

impl Next<'_> {
    /// A path of ours, whatever the form that brought it says: no other site is ever gone on to.
    fn path(&self) -> String {
        match self {
            Next::Authorize(query) if query.bytes().all(|octet| octet.is_ascii_graphic()) => {
                format!("{}?{query}", site::AUTHORIZE)
            }
            Next::Authorize(_) | Next::Account => site::ACCOUNT.to_owned(),
        }
    }
}

/// The page with the form.
fn page_with(
    app: &App,
    browser: &Browser,
    next: &Next,
    why_not: Option<&str>,
    email: &str,
    status: u16,
    now: Timestamp,
) -> Response {
    let request = match next {
        Next::Authorize(query) => hidden("request", query),
        Next::Account => Html::default(),
    };
    let body = Html::all(why_not.map(alert))
        .then("<form method=\"post\" action=\"")
        .then(site::SIGN_IN)
        .then("\">\n")
        .and(hidden("form", &browser.form_token(&app.seal, now)))
        .and(request)
        .and(pages::email(email))
        .and(pages::password("password", "Password", "current-password"))
        .then("<p><button>Sign in</button></p>\n</form>\n");
    // After signing in the client may be told at once that its request was wrong: that redirect belongs to this form.
    match next {
        Next::Authorize(_) => page_leading_on(status, TITLE, body),
        Next::Account => page(status, TITLE, body),
    }
}

/// The page with the form, as it is shown first.
pub fn page_first(app: &App, browser: &Browser, next: &Next, now: Timestamp) -> Response {
    page_with(app, browser, next, None, "", 200, now)
}

/// Answers `POST /sign-in`.
pub fn submit(
    app: &App,
    origin: &str,
    head: &Head,
    body: &mut Body,
    peer: IpAddr,
    now: Timestamp,
    exchange: &mut Exchange,
) -> Response {
    oauth::answered(exchange, pages::fault, |exchange| {
        let form = Parameters::read(head, body)?;
        let next = form.get("request").map_or(Next::Account, Next::Authorize);
        let browser = Browser::find(head, origin, &app.store, now)?;
        let (email, password) = (form.get("email").unwrap_or(""), form.get("password").unwrap_or(""));
        if !browser.made(form.get("form"), &app.seal, now) {
            exchange.outcome = Some("stale-form");
            let why = "This page was open for too long, or your browser keeps no cookies. Please try again.";
            return Ok(browser.remember(page_with(app, &browser, &next, Some(why), email, 400, now), origin));
        }
        let account = throttle::account_key(email);
        let address = throttle::address_key(peer);
        // Behind a proxy of our own everybody has its address: only the account tells people apart there.
        let counts_address = !(app.site.is_public() && peer.is_loopback());
        let allowed = || {
            let by_address = !counts_address || app.sign_ins.address.allows(address, now);
            by_address && app.sign_ins.account.allows(account, now)
        };
        let too_many = |exchange: &mut Exchange| {
            exchange.outcome = Some(Fault::TooMany.name());
            let why = "Too many wrong tries. Wait a quarter of an hour, then try again.";
            page_with(app, &browser, &next, Some(why), email, 429, now).with("Retry-After", "900")
        };
        if !allowed() {
            return Ok(too_many(exchange)); // without waiting for a turn
        }
        let turn = app.sign_ins.turns.take()?;
        // Asked again: whoever was before may have used up the last try. In one's turn nobody else counts.
        if !allowed() {
            return Ok(too_many(exchange));
        }
        let Some(user_id) = users::authenticate(&app.store, &turn, email, password)? else {
            app.sign_ins.account.count(account, now);
            if counts_address {
                app.sign_ins.address.count(address, now);
            }
            exchange.outcome = Some("wrong-password");
            let why = "The email or the password is wrong.";
            return Ok(page_with(app, &browser, &next, Some(why), email, 403, now));
        };
        drop(turn);
        app.sign_ins.account.forget(account);
        exchange.outcome = Some("signed-in");
        let signed_in = Browser::sign_in(user_id, &app.store, now)?;
        Ok(signed_in.remember(Response::see_other(next.path()).with("Cache-Control", "no-store"), origin))
    })
}
