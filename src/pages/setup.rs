//! The first person: a page that works once, for whoever holds the link that the server printed, or sits at the
//! machine itself where no proxy is in between.
//!
//! Knows no OAuth. Invariant: it never adds a second person; the check and the addition are one transaction.

use std::net::IpAddr;

use super::{Html, account_link, alert, hidden, page, password, status};
use crate::app::App;
use crate::browser::Browser;
use crate::clock::Timestamp;
use crate::exchange::Exchange;
use crate::oauth::{self, Parameters};
use crate::pages;
use crate::request::{Body, Head};
use crate::response::Response;
use crate::secret;
use crate::site;
use crate::users;

const TITLE: &str = "Set up your journal";

/// Answers `GET /setup` and `POST /setup`.
pub fn answer(
    app: &App,
    origin: &str,
    head: &Head,
    body: &mut Body,
    peer: IpAddr,
    now: Timestamp,
    exchange: &mut Exchange,
) -> Response {
    oauth::answered(exchange, pages::fault, |exchange| {
        let posted = head.method() == "POST";
        let form = match posted {
            true => Parameters::read(head, body)?,
            false => Parameters::parse(head.query().unwrap_or("").as_bytes())?,
        };
        let already = |exchange: &mut Exchange| {
            exchange.outcome = Some("set-up-already");
            page(410, TITLE, Html::markup("<p>This journal is set up already.</p>\n").and(account_link()))
        };
        if !users::list(&app.store)?.is_empty() {
            return Ok(already(exchange));
        }
        // Behind a proxy everybody comes from loopback: there only the code counts. One that nobody told us of shows
        // by the fields that it adds.
        let code = form.get("code").unwrap_or("");
        let right = secret::sha256(code.as_bytes()) == secret::sha256(app.setup_code.as_bytes());
        let forwarded =
            ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];
        let direct = !forwarded.iter().any(|name| head.fields(name).next().is_some());
        let local = peer.is_loopback() && direct && !app.site.is_public();
        if !right && !local {
            exchange.outcome = Some("setup-code");
            let why = "The link is not complete. Use the one that the server printed when it started.";
            return Ok(page(403, TITLE, alert(why)));
        }
        let browser = Browser::find(head, origin, &app.store, now)?;
        let shown = |code: u16, why_not: Option<&str>, email: &str| {
            let form = Html::all(why_not.map(alert))
                .then("<p>Nobody is here yet. Who are you?</p>\n<form method=\"post\" action=\"")
                .then(site::SETUP)
                .then("\">\n")
                .and(hidden("form", &browser.form_token(&app.seal, now)))
                .and(hidden("code", form.get("code").unwrap_or("")))
                .and(pages::email(email))
                .and(password("password", "Password (at least 8 characters)", "new-password"))
                .then("<p><button>Begin</button></p>\n</form>\n");
            browser.remember(page(code, TITLE, form), origin)
        };
        if !posted {
            return Ok(shown(200, None, ""));
        }
        let (email, password) = (form.get("email").unwrap_or(""), form.get("password").unwrap_or(""));
        if !browser.made(form.get("form"), &app.seal, now) {
            return Ok(shown(400, Some("This page was open for too long. Please try again."), email));
        }
        if let Err(bad) = users::check_email(email).and_then(|()| users::check_password(password)) {
            return Ok(shown(400, Some(bad.message()), email));
        }
        let turn = app.sign_ins.turns.take()?;
        let first = users::insert_first(&app.store, email, password, now)?;
        drop(turn);
        match first {
            Some(user_id) => {
                exchange.outcome = Some("set-up");
                let signed_in = Browser::sign_in(user_id, &app.store, now)?;
                let body = status("Your journal is ready.")
                    .then("<p>Give your MCP client this URL, and press Connect:</p>\n<pre>")
                    .then_text(&format!("{origin}{}", site::MCP))
                    .then("</pre>\n")
                    .and(account_link());
                Ok(signed_in.remember(page(201, TITLE, body), origin))
            }
            None => Ok(already(exchange)), // somebody else was faster
        }
    })
}
