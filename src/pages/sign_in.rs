//! The sign-in form: an email address and a password → a browser session.
//!
//! Of `oauth` it uses only the reader of forms and the errors. Invariant: an unknown address and a wrong password
//! take the same hashing time and get the same response, so a stranger can't find out which addresses have an account
//! here.
//!
//! An attacker can guess passwords (OAuth 2.1 §7.7), so failures are counted in two ways: by account, against many
//! guesses at one person, and by network address, against one common password that is tried on many people. Behind a
//! proxy that isn't trusted all people have one address, so there only the account is counted (`ClientAddress::own`).
//! Successes aren't counted. The price of the
//! first count is that a stranger can keep a person from signing in, for a quarter of an hour at a time. A larger
//! server would ask for a second factor instead.

use super::browser_session::BrowserSession;
use super::form::{Form, FormText, Next};
use super::{Html, PageError, alert, email, email_of, form_fields, page, page_leading_on, password, setup};
use crate::context::Context;
use crate::http::request::Body;
use crate::http::response::Response;
use crate::limits;
use crate::store::Holder;
use crate::throttle;
use crate::users;

const TITLE: &str = "Sign in to your journal";
/// The page doesn't say which of the two it is.
const WRONG: &str = "The email or the password is wrong.";

/// Builds the page with the form, as it is shown first, and sets the cookie that the form is bound to. The page has
/// no URL of its own, but is the response to the GET of the URL that the person asked for: a reload shows the same
/// page, and nothing about the request has to be stored.
///
/// While there is no account, nobody can sign in, and the page says how the first person is added.
pub(crate) fn first_page(
    context: &Context,
    session: &BrowserSession,
    next: Next,
) -> Result<Response, PageError> {
    if users::is_empty(&context.app.store)? {
        return Ok(setup::not_done(context));
    }
    Ok(session.remember(context, form_page(context, session, next, 200, FormText::default())))
}

fn form_page(
    context: &Context,
    session: &BrowserSession,
    next: Next,
    status: u16,
    text: FormText,
) -> Response {
    let body = Html::all(text.message.map(alert))
        .and(Form::SignIn(next).open(context, session))
        .and(email(text.address))
        .and(password("password", "Password", "current-password"))
        .then("<p><button>Sign in</button></p>\n</form>\n");
    // If the client's request is wrong, the sign-in leads to a redirect to the client without another page in
    // between. To the browser that redirect still follows from this form, so the policy of this page must allow the
    // redirect.
    match next {
        Next::Authorize(_) => page_leading_on(status, TITLE, body),
        Next::Journal(_) | Next::Account => page(status, TITLE, body),
    }
}

/// Answers `POST /sign-in`: checks the form and the limits on wrong tries, then the password, and begins a session.
///
/// On success the person gets a 303 (or a page, see [`onward`]), so that neither the back button nor a reload sends the
/// password again. A wrong password (403), too many tries (429) and a full queue (503) are no errors here: they show
/// the form once more.
pub(crate) fn submit(context: &Context, body: &mut Body) -> Result<Response, PageError> {
    let Context { app, now, log, .. } = *context;
    let fields = form_fields(context, body)?;
    let next = Next::read(&fields);
    // This form too is bound to the browser: otherwise another site could sign the person in under the attacker's
    // account, and they would write into the attacker's journal.
    let submitted = Form::SignIn(next).check(context, &fields)?;
    // No account has a longer address. The page writes the address back, with several bytes for some of its characters:
    // without this bound a stranger could have pages of hundreds of kilobytes made, as many as they like.
    let address = Some(email_of(&fields)).filter(|text| text.len() <= limits::EMAIL_BYTES_MAX).unwrap_or("");
    let again = |status: u16, message: &str| {
        form_page(context, submitted.session(), next, status, FormText { message: Some(message), address })
    };
    let account = users::failures_key(&app.store, address)?;
    let client = context.client.own().map(throttle::address_key);
    let wait = || {
        let by_client = client.and_then(|client| app.sign_ins.address.wait(client, now));
        by_client.max(app.sign_ins.account.wait(account, now)).map(PageError::TooManyTries)
    };
    // Time mends these errors, so the person gets the form once more, and not the page of the error.
    let later = |error: PageError, status, message: &str| {
        error.record(log);
        error.say_when(again(status, message))
    };
    let too_many = |error: PageError| {
        let message = error.to_string();
        later(error, 429, &message)
    };
    if let Some(error) = wait() {
        return Ok(too_many(error)); // before it takes a place in the queue from a person who may sign in
    }
    let mut permit = match app.sign_ins.queue.take(context.client.address, address) {
        Ok(permit) => permit,
        Err(error) => {
            let message =
                "Too many people are signing in at this moment. Wait a minute, then press Sign in again.";
            return Ok(later(error.into(), 503, message));
        }
    };
    // The limits are checked again, because a request that was hashed before this one may have used up the last try.
    // From here to the count below this thread holds the one permit, so a hundred guesses that are sent at once are
    // counted one by one.
    if let Some(error) = wait() {
        return Ok(too_many(error));
    }
    let typed = fields.get("password").unwrap_or("");
    let Some(person) = users::authenticate(&app.store, &mut permit, address, typed)? else {
        // The failure is counted also if no account has this address; otherwise a 429 would show that there is one.
        app.sign_ins.account.count(account, now);
        if let Some(client) = client {
            app.sign_ins.address.count(client, now);
        }
        log.set_outcome("wrong-password");
        // The status is 403, because a 401 would have to name an authentication scheme, and the browser would ask for
        // the password by itself.
        return Ok(again(403, WRONG));
    };
    drop(permit);
    // The form is used up only now, because a stranger can send any number of forms with wrong passwords, and the
    // server stores nothing of them. So a form works for as many guesses as the limits allow, but for one sign-in.
    let signed_in = submitted
        .act(context, Holder::Server, move |connection| BrowserSession::sign_in(connection, &person, now))?;
    // The count by address stays: otherwise an attacker with an account of their own could reset it by signing in
    // there.
    app.sign_ins.account.forget(account);
    let Some(signed_in) = signed_in else {
        log.set_outcome("password-changed"); // since it was compared
        return Ok(again(403, WRONG));
    };
    log.set_outcome("signed-in");
    Ok(signed_in.remember(context, onward(&next.path())))
}

/// Builds the response that leads the browser to a path of this server: a redirect, or, if the path is too long for the
/// head of a response, a page that goes on by itself.
///
/// The path holds a client's whole request, with the client's id, which holds its registration. A proxy reads the head
/// of a response into a buffer, with nginx by default one of 4 KiB, and answers 502 if it doesn't fit.
fn onward(path: &str) -> Response {
    if path.len() <= limits::LOCATION_BYTES_MAX {
        return Response::see_other(path.to_owned()).with("Cache-Control", "no-store");
    }
    let body = Html::markup("<meta http-equiv=\"refresh\" content=\"0; url=")
        .then_text(path)
        .then("\">\n<p>You are signed in.</p>\n<p><a href=\"")
        .then_text(path)
        .then("\">Go on to what the program asks for</a></p>\n");
    page(200, TITLE, body)
}
