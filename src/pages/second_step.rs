//! The second form of a sign-in: the code of the person's app, or a recovery code → a browser session.
//!
//! Uses no SQL. Invariant: between the two forms the person is not signed in, and nothing is stored. What proves that
//! the password was right is a signed text in the second form: for this browser, for where the sign-in leads, for
//! [`limits::SECOND_STEP_SECONDS`], and for as long as the password stays the same.
//!
//! A wrong code counts as a wrong password does. Besides, the database counts the wrong codes of a person since the
//! last right one (`second_factor.rs`): the first count forgets them after a quarter of an hour, and somebody who has
//! the password could go on for months.

use super::browser_session::BrowserSession;
use super::form::{BadForm, Form, Next};
use super::{Html, PageError, alert, code_field, page, page_leading_on, sign_in};
use crate::clock::Timestamp;
use crate::context::Context;
use crate::http::response::Response;
use crate::limits;
use crate::oauth::Parameters;
use crate::second_factor::{self, BadCode};
use crate::store::{Holder, StoreError};
use crate::users::{self, Authenticated};

const TITLE: &str = "Enter the code of your app";

/// What the field for a code takes.
pub(super) const CODE: &str = "Code of your app, or a recovery code";

/// The field that holds the proof of the first step.
pub(super) const PROOF: &str = "proof";

/// Builds the page with the form, for a person who has just given the right password.
pub(super) fn first_page(
    context: &Context,
    session: &BrowserSession,
    next: Next,
    person: &Authenticated,
) -> Response {
    let expires_at = context.now.plus(limits::SECOND_STEP_SECONDS).0.to_be_bytes();
    let payload = [&expires_at[..], &person.to_bytes()].concat();
    let proof = context.app.signer.sign(&bound_to(session, next), &payload);
    form_page(context, session, Form::SecondStep { proof: &proof, next }, None)
}

fn bound_to<'s>(session: &'s BrowserSession, next: Next<'s>) -> [&'s [u8]; 4] {
    let (field, value) = next.field().unwrap_or_default();
    [b"second step", session.cookie().as_bytes(), field.as_bytes(), value.as_bytes()]
}

fn form_page(context: &Context, session: &BrowserSession, form: Form, message: Option<&str>) -> Response {
    let body = Html::all(message.map(alert))
        .and(form.open(context, session))
        .and(code_field("code", CODE))
        .then("<p class=\"hint\">The six digits that your authenticator app shows now. A recovery code works too, ")
        .then("once each.</p>\n<p><button>Sign in</button></p>\n</form>\n<p><a href=\"")
        .then_text(&form.again())
        .then("\">Begin again</a></p>\n");
    let status = if message.is_some() { 403 } else { 200 };
    match form {
        // See `sign_in::form_page`.
        Form::SecondStep { next: Next::Authorize(_), .. } => page_leading_on(status, TITLE, body),
        _ => page(status, TITLE, body),
    }
}

/// Answers the form. The permit to hash is taken as for a password, though nothing is hashed: the thread that has it
/// counts its failure before the next one looks, so a hundred guesses at once are counted one by one.
pub(super) fn submit(context: &Context, fields: &Parameters, proof: &str) -> Result<Response, PageError> {
    let Context { app, now, log, .. } = *context;
    let next = Next::read(fields);
    let form = Form::SecondStep { proof, next };
    let submitted = form.check(context, fields)?;
    let payload = app.signer.verify(&bound_to(submitted.session(), next), proof);
    let payload = payload.as_deref().and_then(<[u8]>::split_first_chunk);
    let Some((expires_at, person)) = payload else { return Err(form.refusal(BadForm::Stale)) };
    if now >= Timestamp(i64::from_be_bytes(*expires_at)) {
        return Err(form.refusal(BadForm::Stale));
    }
    let person = person.to_vec();
    let email = app.store.look_up(|connection| {
        let person = users::authenticated_before(connection, &person)?;
        Ok::<_, StoreError>(person.map(|person| person.user_id))
    })?;
    let email = email.map(|id| users::email_of(&app.store, id)).transpose()?.flatten();
    let Some(email) = email else { return Err(form.refusal(BadForm::Stale)) }; // another password was set
    let tries = sign_in::Tries::of(context, &email)?;
    tries.check(context)?;
    let permit = app.sign_ins.queue.take(context.client.address, &email)?;
    tries.check(context)?;
    let (typed, visit) = (fields.get("code").unwrap_or("").to_owned(), context.visit());
    // A wrong code uses the form up too: what counts it must be committed. The page has a fresh form.
    let signed_in = submitted.act(context, Holder::Server, move |connection| {
        let Some(person) = users::authenticated_before(connection, &person)? else {
            return Ok::<_, StoreError>(Ok(None));
        };
        Ok(match second_factor::pass(connection, &person, &typed, &visit)? {
            Ok(passed) => Ok(BrowserSession::sign_in(connection, &person, &passed, &visit)?),
            Err(bad) => Err(bad),
        })
    })?;
    match signed_in {
        Ok(Some(session)) => {
            tries.forget(context);
            log.set_outcome("signed-in");
            Ok(session.remember(context, sign_in::onward(&next.path())))
        }
        Ok(None) => Err(form.refusal(BadForm::Stale)),
        Err(bad) => {
            tries.count(context);
            drop(permit);
            log.set_outcome(outcome(bad));
            Ok(form_page(context, submitted.session(), form, Some(&bad.to_string())))
        }
    }
}

/// Returns the name that the log uses.
pub(super) fn outcome(bad: BadCode) -> &'static str {
    match bad {
        BadCode::Wrong(_) => "wrong-code",
        BadCode::ClockWentBack(_) => "clock-went-back",
        BadCode::TooMany => "too-many-codes",
    }
}
