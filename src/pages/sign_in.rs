//! The sign-in form: an email address and a password → a browser session.
//!
//! Knows no OAuth beyond where the person goes on. Invariant: an unknown address and a wrong password cost the same
//! time and get the same response, so a stranger can't find out which addresses have an account here.
//!
//! Passwords are what can be guessed (OAuth 2.1 §7.7), so failures are counted in two ways. By account, against many
//! guesses at one person; by network address, against one common password tried on many. Successes aren't counted: a
//! person who signs in rightly meets no limit. The price of the first count is that a stranger can keep a person from
//! signing in, for a quarter of an hour at a time. A larger server would ask for a second factor instead.

use super::browser_session::BrowserSession;
use super::{Html, PageError, alert, email, form_to, hidden, page, page_leading_on, password};
use crate::context::Context;
use crate::http::request::Body;
use crate::http::response::Response;
use crate::limits;
use crate::oauth::{OAuthError, Parameters};
use crate::site;
use crate::throttle;
use crate::users;

const TITLE: &str = "Sign in to your journal";

/// Where a person goes on after signing in.
pub(crate) enum Next<'q> {
    /// Back to a client's request, by its query.
    Authorize(&'q str),
    /// To the account page.
    Account,
}

impl Next<'_> {
    /// A path of this server, whatever the form says that brought it. The form holds only the query of a request, and
    /// what stands before it is written here: a full URL in its place would let a link send people on to any site,
    /// after they have typed their password. A query with a blank or a line end would break the `Location` field.
    fn path(&self) -> String {
        match self {
            Next::Authorize(query) if query.bytes().all(|byte| byte.is_ascii_graphic()) => {
                format!("{}?{query}", site::AUTHORIZE)
            }
            Next::Authorize(_) | Next::Account => site::ACCOUNT.to_owned(),
        }
    }
}

/// What the form says when it is shown again after a failure. The password isn't filled in again: pages hold no
/// secret.
#[derive(Default)]
struct FormText<'a> {
    /// What went wrong.
    message: Option<&'a str>,
    /// The email address that was typed.
    address: &'a str,
}

/// The page with the form, as it is shown first. It stands at the URL that the person asked for, and not at one of
/// its own: a reload shows the same page, and nothing about the request has to be stored.
pub(crate) fn first_page(context: &Context, session: &BrowserSession, next: &Next) -> Response {
    form_page(context, session, next, 200, FormText::default())
}

fn form_page(
    context: &Context,
    session: &BrowserSession,
    next: &Next,
    status: u16,
    text: FormText,
) -> Response {
    let request = match next {
        Next::Authorize(query) => hidden("request", query),
        Next::Account => Html::default(),
    };
    let body = Html::all(text.message.map(alert))
        .and(form_to(site::SIGN_IN, &session.form_token(context)))
        .and(request)
        .and(email(text.address))
        .and(password("password", "Password", "current-password"))
        .then("<p><button>Sign in</button></p>\n</form>\n");
    // If the client's request is wrong, the sign-in leads to a redirect to the client without another page in
    // between. To the browser it still follows from this form, so the policy of this page must allow it.
    match next {
        Next::Authorize(_) => page_leading_on(status, TITLE, body),
        Next::Account => page(status, TITLE, body),
    }
}

/// Answers `POST /sign-in`.
///
/// On success the person gets a 303, so that neither the back button nor a reload sends the password again.
pub(crate) fn submit(context: &Context, body: &mut Body) -> Result<Response, PageError> {
    let Context { app, now, log, .. } = *context;
    let form = Parameters::read(context.head, body)?;
    let next = form.get("request").map_or(Next::Account, Next::Authorize);
    let session = BrowserSession::find(context)?;
    let address = form.get("email").unwrap_or("");
    let again = |status: u16, message| {
        form_page(context, &session, &next, status, FormText { message: Some(message), address })
    };
    // Also this form is bound to the browser: otherwise another site could sign the person in under the attacker's
    // account, and they would write into the attacker's journal.
    if !session.verify_form_token(context, form.get("form")) {
        log.set_outcome("stale-form");
        let why = "This page was open for too long, or your browser keeps no cookies. Please try again.";
        return Ok(session.remember(context, again(400, why)));
    }
    let account = throttle::account_key(address);
    let peer = throttle::address_key(context.peer);
    // Behind the operator's own proxy every browser has the proxy's address, so one attacker would shut out all
    // people. There only the account is counted.
    let counts_peer = !(app.site.is_public() && context.peer.is_loopback());
    let is_allowed = || {
        let by_peer = !counts_peer || app.sign_ins.address.allows(peer, now);
        by_peer && app.sign_ins.account.allows(account, now)
    };
    let too_many = || {
        log.set_outcome(OAuthError::TooMany.name());
        again(429, "Too many wrong tries. Wait a quarter of an hour, then try again.")
            .with("Retry-After", limits::SIGN_IN_WINDOW_SECONDS.to_string())
    };
    if !is_allowed() {
        return Ok(too_many()); // before it takes a place in the queue from a person who may sign in
    }
    let permit = app.sign_ins.queue.take()?;
    // Checked again, because a request that was hashed before this one may have used up the last try. From here to
    // the count below this thread holds the one permit, so a hundred guesses that are sent at once are counted one by
    // one.
    if !is_allowed() {
        return Ok(too_many());
    }
    let typed = form.get("password").unwrap_or("");
    let Some(user_id) = users::authenticate(&app.store, &permit, address, typed)? else {
        // The account is counted also where there is none of this address, or the 429 would say that there is one.
        app.sign_ins.account.count(account, now);
        if counts_peer {
            app.sign_ins.address.count(peer, now);
        }
        log.set_outcome("wrong-password");
        // 403: a 401 would have to name an authentication scheme, and the browser would ask for the password by
        // itself.
        return Ok(again(403, "The email or the password is wrong."));
    };
    drop(permit);
    // The count by address stays: an attacker with an account of their own could reset it by signing in to that.
    app.sign_ins.account.forget(account);
    log.set_outcome("signed-in");
    let signed_in = BrowserSession::sign_in(context, user_id)?;
    let onward = Response::see_other(next.path()).with("Cache-Control", "no-store");
    Ok(signed_in.remember(context, onward))
}
