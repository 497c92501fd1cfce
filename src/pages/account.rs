//! A person's own page: who has access, what each may do, how to take it back; password; signing out.
//!
//! Knows no client's secrets and no journal. Every button is a form of its own, bound to the browser.

use super::{Html, alert, day, hidden, home_link, page, password, sign_in, status};
use crate::app::App;
use crate::browser::{self, Browser};
use crate::clock::Timestamp;
use crate::exchange::Exchange;
use crate::oauth::{self, Fault, Parameters, authorize, grants};
use crate::pages;
use crate::request::{Body, Head};
use crate::response::Response;
use crate::site;
use crate::throttle;
use crate::users;

/// Answers `GET /account`.
pub fn show(app: &App, origin: &str, head: &Head, now: Timestamp, exchange: &mut Exchange) -> Response {
    oauth::answered(exchange, pages::fault, |_| {
        let browser = Browser::find(head, origin, &app.store, now)?;
        match browser.user_id() {
            Some(user_id) => account_page(app, &browser, user_id, 200, Html::default(), now),
            None => {
                let page = sign_in::page_first(app, &browser, &sign_in::Next::Account, now);
                Ok(browser.remember(page, origin))
            }
        }
    })
}

/// Answers `POST /account`: one of the page's buttons.
pub fn submit(
    app: &App,
    origin: &str,
    head: &Head,
    body: &mut Body,
    now: Timestamp,
    exchange: &mut Exchange,
) -> Response {
    oauth::answered(exchange, pages::fault, |exchange| {
        let form = Parameters::read(head, body)?;
        let mut browser = Browser::find(head, origin, &app.store, now)?;
        let Some(user_id) = browser.user_id() else {
            let page = sign_in::page_first(app, &browser, &sign_in::Next::Account, now);
            return Ok(browser.remember(page, origin));
        };
        let (code, said) = if browser.made(form.get("form"), &app.seal, now) {
            match form.get("do") {
                Some("revoke") => {
                    let id = form.need("grant")?.parse().map_err(|_| Fault::Malformed("grant"))?;
                    match grants::revoke(&app.store, user_id, id, now)? {
                        true => (200, status("Access was taken back.")),
                        false => (404, alert("That access is not there any more.")),
                    }
                }
                Some("password") => {
                    let (current, new) = (form.need("current")?, form.need("new")?);
                    let email = users::email_of(&app.store, user_id)?.unwrap_or_default();
                    let (code, said) = change_password(app, &email, user_id, current, new, now)?;
                    if code == 200 {
                        browser = Browser::sign_in(user_id, &app.store, now)?; // every browser was signed out
                    }
                    (code, said)
                }
                Some("sign-out") => {
                    browser.sign_out(&app.store)?;
                    return Ok(Response::see_other(site::HOME.to_owned()));
                }
                Some("sign-out-everywhere") => {
                    browser::sign_out_everywhere(user_id, &app.store)?;
                    return Ok(Response::see_other(site::HOME.to_owned()));
                }
                _ => return Err(Fault::Malformed("do")),
            }
        } else {
            exchange.outcome = Some("stale-form");
            (400, alert("This page was open for too long. Nothing was changed; please try again."))
        };
        let page = account_page(app, &browser, user_id, code, said, now)?;
        Ok(browser.remember(page, origin))
    })
}

fn change_password(
    app: &App,
    email: &str,
    user_id: i64,
    current: &str,
    new: &str,
    now: Timestamp,
) -> Result<(u16, Html), Fault> {
    let key = throttle::account_key(email);
    let turn = app.sign_ins.turns.take()?;
    if !app.sign_ins.account.allows(key, now) {
        return Err(Fault::TooMany);
    }
    if users::authenticate(&app.store, &turn, email, current)? != Some(user_id) {
        app.sign_ins.account.count(key, now);
        return Ok((403, alert("The current password is wrong. Nothing was changed.")));
    }
    if let Err(bad) = users::check_password(new) {
        return Ok((400, alert(bad.message())));
    }
    users::set_password(&app.store, email, new, now)?;
    drop(turn);
    Ok((200, status("The password was changed, and every other browser signed out.")))
}

fn account_page(
    app: &App,
    browser: &Browser,
    user_id: i64,
    code: u16,
    said: Html,
    now: Timestamp,
) -> Result<Response, Fault> {
    let email = users::email_of(&app.store, user_id)?.unwrap_or_default();
    let token = browser.form_token(&app.seal, now);
    let form = |button: &'static str| {
        Html::markup("<form method=\"post\" action=\"")
            .then(site::ACCOUNT)
            .then("\">\n")
            .and(hidden("form", &token))
            .and(hidden("do", button))
    };
    let listed = grants::list(&app.store, user_id, now)?;
    let clients = match listed.is_empty() {
        true => Html::markup("<p>No program has access to your journal through this page.</p>\n"),
        false => Html::all(listed.iter().map(|grant| {
            Html::markup("<div class=\"card\">\n<p><strong>")
                .then_text(&grant.client_name)
                .then("</strong></p>\n<p>It may</p>\n<ul>\n")
                .and(Html::all(
                    grant
                        .scopes
                        .iter()
                        .map(|scope| Html::markup("<li>").then(authorize::meaning(scope)).then("</li>\n")),
                ))
                .then("</ul>\n<dl>\n<dt>Allowed</dt>\n<dd>")
                .and(day(grant.created_at))
                .then("</dd>\n<dt>Last used</dt>\n<dd>")
                .and(day(grant.used_at))
                .then("</dd>\n</dl>\n")
                .and(form("revoke"))
                .and(hidden("grant", &grant.id.to_string()))
                .then("<button class=\"quiet\">Take access back<span class=\"hidden\"> from ")
                .then_text(&grant.client_name)
                .then("</span></button>\n</form>\n</div>\n")
        })),
    };
    let body = said
        .then("<p>You are signed in as <strong>")
        .then_text(&email)
        .then("</strong>.</p>\n<h2>Programs with access</h2>\n")
        .and(clients)
        .then("<h2>Password</h2>\n")
        .and(form("password"))
        .and(password("current", "Current password", "current-password"))
        .and(password("new", "New password", "new-password"))
        .then("<p><button>Change password</button></p>\n</form>\n<h2>Sign out</h2>\n<div class=\"choice\">\n")
        .and(form("sign-out"))
        .then("<button class=\"quiet\">Sign out here</button>\n</form>\n")
        .and(form("sign-out-everywhere"))
        .then("<button class=\"quiet\">Sign out everywhere</button>\n</form>\n</div>\n")
        .then("<p class=\"hint\">Signing out ends the pages in your browsers. Programs keep their access until you ")
        .then("take it back above. One that is used gets a fresh token every quarter of an hour; that is when it was ")
        .then("last used.</p>\n")
        .and(home_link());
    Ok(page(code, "Your account", body))
}
