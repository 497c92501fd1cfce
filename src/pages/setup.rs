//! The page on which the first person chooses an email address and a password. It works once.
//!
//! Of `oauth` it uses only the reader of forms. Invariant: the page doesn't add a second person; the check and the
//! insertion are one transaction.
//!
//! A server that has just been started belongs to no person yet, and the first visitor could take it. On the internet
//! that may be a scanner, within minutes. So the page opens only to two kinds of browsers: one that brings the link
//! that the server printed on the operator's terminal, and one on the server's own machine. A default password, the
//! usual alternative, stays in place on many machines for years.

use super::browser_session::BrowserSession;
use super::{Html, PageError, account_link, alert, email, form_to, hidden, page, password, status};
use crate::context::Context;
use crate::http::request::Body;
use crate::http::response::Response;
use crate::oauth::Parameters;
use crate::secret;
use crate::site;
use crate::users;

const TITLE: &str = "Set up your journal";

/// The header fields that show that a request came through a proxy. If a proxy runs on this machine and the operator
/// didn't set `--public-url`, every browser in the world seems to be on this machine. The server can't recognize a
/// proxy that adds none of these fields; then the page is open to every visitor until the first account exists.
const PROXY_FIELDS: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// Answers `GET /setup` and `POST /setup`.
pub(crate) fn answer(context: &Context, body: &mut Body) -> Result<Response, PageError> {
    let Context { app, head, log, .. } = *context;
    let posted = head.method() == "POST";
    let form = if posted {
        Parameters::read(head, body)?
    } else {
        Parameters::parse(head.query().unwrap_or("").as_bytes())?
    };
    if !users::list(&app.store)?.is_empty() {
        return Ok(set_up_already(context));
    }
    let code = form.get("code").unwrap_or("");
    if !has_setup_code(context, code) && !is_on_this_machine(context) {
        log.set_outcome("setup-code");
        let why = "The link is not complete. Use the one that the server printed when it started.";
        return Ok(page(403, TITLE, alert(why)));
    }
    let session = BrowserSession::find(context)?;
    let address = form.get("email").unwrap_or("");
    let form_page = |status: u16, message: Option<&str>| {
        let form = Html::all(message.map(alert))
            .then("<p>This journal has no account yet. Choose what you will sign in with.</p>\n")
            .and(form_to(site::SETUP, &session.form_token(context)))
            .and(hidden("code", code))
            // A link could bring an address as well. Filled in, it would make the attacker's address look proposed.
            .and(email(if posted { address } else { "" }))
            .and(password("password", "Password (at least 8 characters)", "new-password"))
            .then("<p><button>Begin</button></p>\n</form>\n");
        session.remember(context, page(status, TITLE, form))
    };
    if !posted {
        return Ok(form_page(200, None));
    }
    let chosen = form.get("password").unwrap_or("");
    if !session.verify_form_token(context, form.get("form")) {
        return Ok(form_page(400, Some("This page was open for too long. Please try again.")));
    }
    if let Err(bad) = users::check_email(address).and_then(|()| users::check_password(chosen)) {
        return Ok(form_page(400, Some(&bad.to_string())));
    }
    // Hashing takes much memory, as at the sign-in, so this thread waits for the permit.
    let permit = app.sign_ins.queue.take()?;
    let first = users::insert_first(&app.store, address, chosen, context.now)?;
    drop(permit);
    let Some(user_id) = first else {
        return Ok(set_up_already(context)); // another browser was added since the check above
    };
    log.set_outcome("set-up");
    let signed_in = BrowserSession::sign_in(context, user_id)?;
    let body = status("Your journal is ready.")
        .then("<p>Give your MCP client this URL, and press Connect:</p>\n<pre>")
        .then_text(&format!("{}{}", context.base_url, site::MCP))
        .then("</pre>\n")
        .and(account_link());
    Ok(signed_in.remember(context, page(201, TITLE, body)))
}

/// Returns whether the browser sends the code of the printed link. The function compares digests, because the time of
/// a comparison of the codes themselves could tell how many of the first characters are right.
fn has_setup_code(context: &Context, code: &str) -> bool {
    secret::sha256(code.as_bytes()) == secret::sha256(context.app.setup_code.as_bytes())
}

/// Returns whether the browser seems to run on the server's own machine, whose user could mostly read the link
/// anyway.
fn is_on_this_machine(context: &Context) -> bool {
    let is_direct = !PROXY_FIELDS.iter().any(|name| context.head.fields(name).next().is_some());
    context.peer.is_loopback() && is_direct && !context.app.site.is_public()
}

/// Answers 410, and says so in the log: the page was here and is gone for good.
fn set_up_already(context: &Context) -> Response {
    context.log.set_outcome("set-up-already");
    page(410, TITLE, Html::markup("<p>This journal is set up already.</p>\n").and(account_link()))
}
