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
//! first count is that a stranger can keep a person from signing in, for a quarter of an hour at a time. A person with
//! a second factor gets another form after this one (`second_step.rs`), and its failures count here too.

use super::browser_session::BrowserSession;
use super::form::{Form, FormText, Next};
use super::{
    Html, PageError, alert, email, email_of, form_fields, page, page_leading_on, password, second_step, setup,
};
use crate::context::Context;
use crate::http::request::Body;
use crate::http::response::Response;
use crate::limits;
use crate::second_factor;
use crate::secret;
use crate::store::{Holder, StoreError};
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
    let Context { app, log, .. } = *context;
    let fields = form_fields(context, body)?;
    if let Some(proof) = fields.get(second_step::PROOF) {
        return second_step::submit(context, &fields, proof);
    }
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
    let tries = Tries::of(context, address)?;
    // Time mends these errors, so the person gets the form once more, and not the page of the error.
    let later = |error: PageError, status, message: &str| {
        error.record(log);
        error.say_when(again(status, message))
    };
    let too_many = |error: PageError| {
        let message = error.to_string();
        later(error, 429, &message)
    };
    if let Err(error) = tries.check(context) {
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
    if let Err(error) = tries.check(context) {
        return Ok(too_many(error));
    }
    let typed = fields.get("password").unwrap_or("");
    let visit = context.visit();
    let Some(person) = users::authenticate(&app.store, &mut permit, address, typed, &visit)? else {
        // The failure is counted also if no account has this address; otherwise a 429 would show that there is one.
        tries.count(context);
        log.set_outcome("wrong-password");
        // The status is 403, because a 401 would have to name an authentication scheme, and the browser would ask for
        // the password by itself.
        return Ok(again(403, WRONG));
    };
    drop(permit);
    if second_factor::find(&app.store, person.user_id)?.is_some() {
        log.set_outcome("asked-for-code");
        return Ok(second_step::first_page(context, submitted.session(), next, &person));
    }
    // The form is used up only now, because a stranger can send any number of forms with wrong passwords, and the
    // server stores nothing of them. So a form works for as many guesses as the limits allow, but for one sign-in.
    let signed_in = submitted.act(context, Holder::Server, move |connection| {
        // The person may have switched a factor on since the look above.
        let Some(passed) = second_factor::not_needed(connection, person.user_id)? else {
            return Ok::<_, StoreError>(None);
        };
        BrowserSession::sign_in(connection, &person, &passed, &visit)
    })?;
    tries.forget(context);
    let Some(signed_in) = signed_in else {
        log.set_outcome("password-changed"); // since it was compared
        return Ok(again(403, WRONG));
    };
    log.set_outcome("signed-in");
    Ok(signed_in.remember(context, onward(&next.path())))
}

/// The keys by which the failures of a sign-in are counted.
pub(super) struct Tries {
    account: [u8; 32],
    /// `None` if all people have one address, or the person is signed in.
    client: Option<[u8; 32]>,
}

impl Tries {
    pub(super) fn of(context: &Context, email: &str) -> Result<Tries, StoreError> {
        let client = context.client.own().map(throttle::address_key);
        Ok(Tries { account: users::failures_key(&context.app.store, email)?, client })
    }

    /// The key of a person who is signed in, for their own account alone. If it were that of the sign-in, a stranger
    /// who tries passwords there could keep the person from setting another one.
    pub(super) fn of_signed_in(context: &Context, email: &str) -> Result<Tries, StoreError> {
        let key = users::failures_key(&context.app.store, email)?;
        Ok(Tries { account: secret::sha256(&[b"signed in", &key[..]].concat()), client: None })
    }

    /// Fails if one of the two limits is used up.
    pub(super) fn check(&self, context: &Context) -> Result<(), PageError> {
        let (sign_ins, now) = (&context.app.sign_ins, context.now);
        let by_client = self.client.and_then(|client| sign_ins.address.wait(client, now));
        let seconds = by_client.max(sign_ins.account.wait(self.account, now));
        seconds.map_or(Ok(()), |seconds| Err(PageError::TooManyTries(seconds)))
    }

    pub(super) fn count(&self, context: &Context) {
        let (sign_ins, now) = (&context.app.sign_ins, context.now);
        sign_ins.account.count(self.account, now);
        if let Some(client) = self.client {
            sign_ins.address.count(client, now);
        }
    }

    /// Forgets the failures at the account after a success. The count by address stays: otherwise an attacker with an
    /// account of their own could reset it by signing in there.
    pub(super) fn forget(&self, context: &Context) {
        context.app.sign_ins.account.forget(self.account);
    }
}

/// Builds the response that leads the browser to a path of this server: a redirect, or, if the path is too long for the
/// head of a response, a page that goes on by itself.
///
/// The path holds a client's whole request, with the client's id, which holds its registration. A proxy reads the head
/// of a response into a buffer, with nginx by default one of 4 KiB, and answers 502 if it doesn't fit.
pub(super) fn onward(path: &str) -> Response {
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
