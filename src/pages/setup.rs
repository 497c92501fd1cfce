//! The page on which the first person chooses an email address and a password. It works once.
//!
//! Of `oauth` it uses only the reader of forms. Invariant: the page doesn't add a second person; the check and the
//! insertion are one transaction.
//!
//! A server that has just been started belongs to no person yet, and the first visitor could take it. On the internet
//! that may be a scanner, within minutes. So the page opens only to a browser that brings the link that the server
//! printed on the operator's terminal. The address that a connection comes from is no substitute for the link: a
//! proxy on this machine makes every browser in the world seem to be here, and it needn't say that it is a proxy. A
//! default password, the usual alternative, stays in place on many machines for years.

use super::browser_session::BrowserSession;
use super::form::{Form, FormText};
use super::{Html, PageError, account_link, alert, email, email_of, form_fields, page, password, status};
use crate::context::Context;
use crate::credentials;
use crate::http::request::Body;
use crate::http::response::Response;
use crate::oauth::Parameters;
use crate::second_factor;
use crate::secret;
use crate::site;
use crate::store::{Holder, StoreError};
use crate::users;

const TITLE: &str = "Set up your journal";

/// Answers `GET /setup`.
pub(crate) fn show(context: &Context) -> Result<Response, PageError> {
    let query =
        Parameters::parse(context.head.query().unwrap_or("").as_bytes()).map_err(PageError::Fields)?;
    let code = query.get("code").unwrap_or("");
    if let Some(refusal) = refuse(context, code)? {
        return Ok(refusal);
    }
    let session = BrowserSession::find_or_begin(context)?;
    // A link could bring an address as well. Filled in, it would make the attacker's address look proposed.
    Ok(session.remember(context, form_page(context, &session, code, 200, FormText::default())))
}

/// Answers `POST /setup`: adds the first person, and signs them in.
pub(crate) fn submit(context: &Context, body: &mut Body) -> Result<Response, PageError> {
    let fields = form_fields(context, body)?;
    let code = fields.get("code").unwrap_or("");
    if let Some(refusal) = refuse(context, code)? {
        return Ok(refusal);
    }
    let submitted = Form::SetUp(code).check(context, &fields)?;
    let (address, chosen) = (email_of(&fields), fields.get("password").unwrap_or(""));
    let check = || credentials::check_password(chosen, address, chars_min(context));
    if let Err(bad) = credentials::check_email(address).and_then(|()| check()) {
        let text = FormText { message: Some(&bad.to_string()), address };
        return Ok(form_page(context, submitted.session(), code, 400, text));
    }
    // Hashing takes much memory, as at the sign-in, so this thread waits for the permit. It holds it for this one line
    // only, and not while it waits for the disk.
    let hash = context.app.sign_ins.queue.take(context.client.address, address)?.hash(chosen);
    let (owned_address, visit) = (address.to_owned(), context.visit());
    // The sender has the code, so they are no stranger, and the server may remember their form.
    let session = submitted.act(context, Holder::Server, move |connection| {
        let person = users::insert_first(connection, &owned_address, &hash, visit.now)?;
        let Some(person) = person else { return Ok::<_, StoreError>(None) };
        let Some(passed) = second_factor::not_needed(connection, person.user_id)? else { return Ok(None) };
        BrowserSession::sign_in(connection, &person, &passed, &visit)
    })?;
    let Some(session) = session else {
        return Ok(set_up_already(context)); // by another browser, since the check above
    };
    context.log.set_outcome("set-up");
    let body = status("Your journal is ready.")
        .then("<p>Give your MCP client this URL, and press Connect:</p>\n<pre>")
        .then_text(&format!("{}{}", context.base_url, site::MCP))
        .then("</pre>\n")
        .and(account_link());
    Ok(session.remember(context, page(201, TITLE, body)))
}

fn form_page(
    context: &Context,
    session: &BrowserSession,
    code: &str,
    status: u16,
    text: FormText,
) -> Response {
    let body = Html::all(text.message.map(alert))
        .then("<p>This journal has no account yet. Choose what you will sign in with.</p>\n")
        .and(Form::SetUp(code).open(context, session))
        .and(email(text.address))
        .and(password("password", "Password", "new-password"))
        .and(password_hint(context))
        .then("<p><button>Begin</button></p>\n</form>\n");
    page(status, TITLE, body)
}

/// Returns how many characters a new password must have on this server.
pub(super) fn chars_min(context: &Context) -> usize {
    credentials::password_chars_min(context.app.site.public_url().is_some())
}

/// Says it beside the field for a new password.
pub(super) fn password_hint(context: &Context) -> Html {
    let least = format!("At least {} characters. Several words make a good one.", chars_min(context));
    Html::markup("<p class=\"hint\">").then_text(&least).then("</p>\n")
}

/// Returns the page for a browser that can't set this server up: there is a person already, or the code is wrong.
/// `None` if it can.
fn refuse(context: &Context, code: &str) -> Result<Option<Response>, PageError> {
    if !users::is_empty(&context.app.store)? {
        return Ok(Some(set_up_already(context)));
    }
    if has_setup_code(context, code) {
        return Ok(None);
    }
    context.log.set_outcome("setup-code");
    let why = "This page opens only by the link with the code that the server printed when it was started.";
    Ok(Some(page(403, TITLE, alert(why).and(where_the_link_is(context)))))
}

/// Builds the page for a browser that is to sign in here while there is no account yet.
pub(super) fn not_done(context: &Context) -> Response {
    context.log.set_outcome("not-set-up");
    let why = "This journal is not set up yet: it has no account, so nobody can sign in. Its operator opens the link with \
               the code that the server printed when it was started; then go back to your program and press Connect again.";
    page(403, "This journal is not set up yet", alert(why).and(where_the_link_is(context)))
}

/// Says where the operator finds the link.
fn where_the_link_is(context: &Context) -> Html {
    Html::markup("<p>Look for it on the server's terminal, or in the log of its service; it begins so:</p>\n<pre>")
        .then_text(&format!("{}{}?code=", context.base_url, site::SETUP))
        .then("</pre>\n<p>Each start makes a new link, and those of earlier starts are worth nothing. On the server's ")
        .then("machine, <code>epicme user add EMAIL</code> adds the first person too.</p>\n")
}

/// Returns whether the browser sends the code of the printed link. The function compares digests, because the time of
/// a comparison of the codes themselves could tell how many of the first characters are right.
fn has_setup_code(context: &Context, code: &str) -> bool {
    secret::sha256(code.as_bytes()) == secret::sha256(context.app.setup_code.as_bytes())
}

/// Answers 410, and says so in the log: the page was here and is gone for good.
fn set_up_already(context: &Context) -> Response {
    context.log.set_outcome("set-up-already");
    page(410, TITLE, Html::markup("<p>This journal is set up already.</p>\n").and(account_link()))
}
