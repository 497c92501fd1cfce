//! The second factor on the account page: switched on with a QR code, switched off, and its recovery codes.
//!
//! Uses no SQL. Invariants: whatever changes the factor asks for the password, and once it is on for a code too; and
//! the secret and the recovery codes are on one page each, which no cache keeps and no link leads to.
//!
//! After two presses of a button a browser shows the answer to the second. So the recovery codes are made of a secret
//! of the form (`SubmittedForm::seed`): the second press finds that they are the ones, and shows them too, for a
//! minute.
//!
//! Until the person has given a code of it, a secret is stored nowhere: the form that asks for the code holds it, and
//! its token is bound to it. So a person who gives up halfway has the factor that they had before.

use super::account::{self, Outcome};
use super::browser_session::BrowserSession;
use super::form::{BadForm, Form, SubmittedForm};
use super::{
    Html, PageError, account_link, alert, code_field, day, hidden, need, page, password, qr, second_step,
    sign_in,
};
use crate::authority::Authority;
use crate::context::Context;
use crate::http::response::Response;
use crate::ids::UserId;
use crate::oauth::Parameters;
use crate::second_factor::{self, BadCode, Factor};
use crate::store::{Holder, StoreError};
use crate::text;
use crate::totp::{self, TotpSecret};
use crate::users;

/// The field that holds the secret that isn't stored yet.
pub(super) const SECRET: &str = "secret";
/// The field of the password, which has an id of its own among those of the account page.
const PASSWORD: &str = "factor-password";

/// Builds the part of the account page about the factor. `form` is the beginning of the form.
pub(super) fn section(factor: Option<&Factor>, form: Html) -> Html {
    let heading = Html::markup("<h2 id=\"factor\">Second factor</h2>\n");
    let own_password = || password(PASSWORD, "Your password", "current-password");
    let Some(Factor { since, codes_left }) = factor else {
        return heading
            .then("<p>With a second factor, a sign-in asks for a code of an authenticator app on your phone too. Who ")
            .then("learns your password can't sign in then. Programs with access aren't asked.</p>\n")
            .and(form)
            .and(own_password())
            .then("<p><button name=\"factor\" value=\"begin\">Set up a second factor</button></p>\n</form>\n");
    };
    let left = text::counted(*codes_left, "recovery code is", "recovery codes are");
    let few = (*codes_left <= 2).then(|| alert("Few recovery codes are left. Make new ones."));
    heading
        .then("<p>It is on since ")
        .and(day(*since))
        .then(", and ")
        .then_text(&left)
        .then(" left.</p>\n")
        .and(Html::all(few))
        .and(form)
        .and(own_password())
        .and(code_field("code", second_step::CODE))
        .then("<div class=\"choice\">\n<button class=\"quiet\" name=\"factor\" value=\"codes\">")
        .then("Make new recovery codes</button>\n<button class=\"quiet\" name=\"factor\" value=\"off\">")
        .then("Switch it off</button>\n</div>\n</form>\n")
}

/// Answers the buttons of that part. The inner error is what the account page says instead.
pub(super) fn change(
    context: &Context,
    submitted: &SubmittedForm,
    user_id: UserId,
    fields: &Parameters,
) -> Result<Result<Response, Outcome>, PageError> {
    let button = need(fields, "factor")?;
    let email = users::email_of(&context.app.store, user_id)?.unwrap_or_default();
    let mut permit = context.app.sign_ins.queue.take(context.client.address, &email)?;
    let typed = need(fields, PASSWORD)?;
    let Some(person) = account::authenticate(context, &mut permit, (user_id, &email), typed)? else {
        return Ok(Err(Outcome::of(403, "The password is wrong. Nothing was changed.")));
    };
    let is_on = second_factor::find(&context.app.store, user_id)?.is_some();
    let renews = match button {
        "begin" if is_on => return Ok(Err(Outcome::of(409, ON_ALREADY))),
        "begin" => {
            drop(permit);
            submitted.use_up(context)?;
            let secret = TotpSecret::generate();
            return set_up_page(context, submitted.session(), (user_id, &email), (secret, None)).map(Ok);
        }
        _ if !is_on => return Ok(Err(Outcome::of(409, "The second factor is off. Nothing was changed."))),
        "codes" => true,
        "off" => false,
        _ => return Err(account::malformed("factor")),
    };
    // The permit is held meanwhile, as at the sign-in, so that wrong codes are counted one by one.
    let (code, visit) = (fields.get("code").unwrap_or("").to_owned(), context.visit());
    let codes = renews.then(|| totp::recovery_codes(&submitted.seed(context)));
    let new = codes.clone();
    let done = submitted.act(context, Holder::Server, move |connection| {
        let passed = match second_factor::pass(connection, &person, &code, &visit)? {
            Ok(passed) => passed,
            Err(bad) => return Ok::<_, StoreError>(Err(bad)),
        };
        match new {
            Some(codes) => second_factor::renew_codes(connection, &passed, &codes, &visit)?,
            None => second_factor::switch_off(connection, &passed, &visit)?,
        }
        Ok(Ok(()))
    });
    match (done, codes) {
        (Err(error), Some(codes)) => after_second_press(context, user_id, &codes, error).map(Ok),
        (Err(error), None) => Err(error),
        (Ok(Err(bad)), _) => Ok(Err(refused(context, &email, bad, "Nothing was changed.")?)),
        (Ok(Ok(())), codes) => {
            sign_in::Tries::of_signed_in(context, &email)?.forget(context);
            let off = || Outcome::of(200, "The second factor is off. A sign-in asks for the password alone.");
            Ok(codes.map_or_else(|| Err(off()), |codes| Ok(codes_page(&codes))))
        }
    }
}

/// Counts a code that wasn't taken, and says so and what was not done.
pub(super) fn refused(
    context: &Context,
    email: &str,
    bad: BadCode,
    nothing: &str,
) -> Result<Outcome, PageError> {
    sign_in::Tries::of_signed_in(context, email)?.count(context);
    context.log.set_outcome(second_step::outcome(bad));
    Ok(Outcome::of(403, format!("{bad} {nothing}")))
}

/// Shows the recovery codes if the form was used because its button was pressed twice. Else this isn't taken.
fn after_second_press(
    context: &Context,
    user_id: UserId,
    codes: &[String],
    error: PageError,
) -> Result<Response, PageError> {
    let was_used = matches!(error, PageError::Form { bad: BadForm::Used(_), .. });
    if was_used && second_factor::were_just_made(&context.app.store, user_id, codes, context.now)? {
        return Ok(codes_page(codes));
    }
    Err(error)
}

const ON_ALREADY: &str = "The second factor is on already. Nothing was changed.";

/// Answers the form that asks for the first code of a secret, which comes back in a field. A wrong code changes
/// nothing, and isn't counted: the person has the secret before their eyes.
pub(super) fn confirm(context: &Context, fields: &Parameters) -> Result<Response, PageError> {
    let field = need(fields, SECRET)?;
    let (submitted, person) = Form::SecondFactor(field).check_person(context, fields)?;
    let user_id = person.user_id();
    // The token of the form is good, so this server has written the field.
    let secret = TotpSecret::parse(field).ok_or_else(|| account::malformed(SECRET))?;
    let step = totp::parse(fields.get("code").unwrap_or(""))
        .and_then(|typed| secret.accept(typed, context.now, None));
    let Some(step) = step else {
        let email = users::email_of(&context.app.store, user_id)?.unwrap_or_default();
        let bad = BadCode::Wrong(context.now).to_string();
        return set_up_page(context, submitted.session(), (user_id, &email), (secret, Some(&bad)));
    };
    let (visit, codes) = (context.visit(), totp::recovery_codes(&submitted.seed(context)));
    let new = codes.clone();
    let is_on = submitted.act(context, Holder::Server, move |connection| {
        second_factor::switch_on(connection, user_id, (secret, step), &new, &visit)
    });
    match is_on {
        Ok(true) => Ok(codes_page(&codes)),
        Ok(false) => Ok(page(409, "Your account", alert(ON_ALREADY).and(account_link()))),
        Err(error) => after_second_press(context, user_id, &codes, error),
    }
}

/// Builds the page with the secret, with a message at its top if the code that was given was wrong.
fn set_up_page(
    context: &Context,
    session: &BrowserSession,
    (user_id, email): (UserId, &str),
    (secret, message): (TotpSecret, Option<&str>),
) -> Result<Response, PageError> {
    let share = context.app.page_shares.take(user_id, 0).map_err(|_| PageError::TooManyRequests)?;
    let uri = secret.uri(&issuer(context.base_url), email);
    let body = Html::all(message.map(alert))
        .then("<p>Scan this with an authenticator app on your phone.</p>\n")
        .and(Html::all(qr::draw(&uri, "QR code for your authenticator app")))
        .then("<p>Or type this secret into the app, as one for codes by time:</p>\n<pre>")
        .then_text(&secret.groups())
        .then("</pre>\n<p><a href=\"")
        .then_text(&uri)
        .then("\">Open an app on this device</a></p>\n")
        .and(Form::SecondFactor(&secret.field()).open(context, session))
        .and(hidden("do", "factor"))
        .and(code_field("code", "Code of your app"))
        .then("<p class=\"hint\">The six digits that the app shows now. Until you have sent them, nothing is changed.")
        .then("</p>\n<p><button>Switch it on</button></p>\n</form>\n")
        .and(account_link());
    let status = if message.is_some() { 400 } else { 200 };
    Ok(page(status, "Set up a second factor", body).keeping(share))
}

/// Returns the name by which the app shows this server: a person may have several. A colon would end it.
fn issuer(base_url: &str) -> String {
    let authority = base_url.split_once("://").and_then(|(_, authority)| Authority::parse(authority));
    match authority.map(|authority| authority.host) {
        Some(host) if !host.contains(':') => format!("epicme {host}"),
        _ => "epicme".to_owned(),
    }
}

/// Builds the page that shows recovery codes, this once. Unlike other pages it takes no share of what a person may have
/// sent at once: it is short, and if it were refused, nobody would ever see the codes.
fn codes_page(codes: &[String]) -> Response {
    let body = super::status("The second factor is on. These are your recovery codes.")
        .then("<p>Print them, or keep them in a password manager: they are shown this once. Each signs you in one time ")
        .then("in the place of a code of the app, if your phone is lost.</p>\n<pre>")
        .then_text(&codes.join("\n"))
        .then("</pre>\n<p>Earlier recovery codes are worth nothing now.</p>\n")
        .and(account_link());
    page(200, "Your recovery codes", body)
}
