//! The account page: which programs, tokens and browsers have access, what each may do, and how to take it back; what
//! has happened to the account; the person's time zone; a new password; the second factor; the whole journal as a
//! download; signing out.
//!
//! Reads no client's secret, and of the journal nothing but for the download. A person must be able to look up a
//! consent later and take it back, so this page lists each grant by itself, with its own button.
//!
//! Every button is a form of its own, which is bound to the browser session and works once. A link would not do: some
//! browsers fetch linked pages in advance, so a GET must change nothing (RFC 9110 §9.2.1).

use super::browser_session::BrowserSession;
use super::form::{Form, Next, SubmittedForm};
use super::{
    Html, PageError, access, account_link, alert, choice, code_field, consent, day, form_fields, hidden,
    home_link, journal_link, need, page, password, second_factor, second_step, setup, sign_in, status,
};
use crate::activity::{self, Event};
use crate::context::Context;
use crate::credentials;
use crate::http::request::Body;
use crate::http::response::Response;
use crate::ids::UserId;
use crate::oauth::grants::{self, Listed, Place};
use crate::oauth::{OAuthError, Parameters};
use crate::passwords::HashingPermit;
use crate::portable::Format;
use crate::sign_ins::{self, BrowserId};
use crate::site;
use crate::store::{Connection, Holder, StoreError};
use crate::tokens;
use crate::users::{self, Authenticated};
use crate::zone::{self, Zone};

/// The parameter that says where the list of the programs begins.
const FROM: &str = "from";

const TITLE: &str = "Your account";

/// Answers `GET /account`.
pub(crate) fn show(context: &Context) -> Result<Response, PageError> {
    let session = BrowserSession::find_or_begin(context)?;
    match session.person() {
        Some(person) => whole_page(context, &session, person.user_id(), &Outcome::default()),
        None => sign_in::first_page(context, &session, Next::Account),
    }
}

/// What a button did, as the page says it.
#[derive(Default)]
pub(super) struct Outcome {
    /// The status, and the message at the top of the page; `None` if no button was pressed.
    message: Option<(u16, String)>,
    /// The time zone that was typed, if there is none of that name.
    typed_zone: Option<String>,
}

impl Outcome {
    pub(super) fn of(code: u16, message: impl Into<String>) -> Outcome {
        Outcome { message: Some((code, message.into())), typed_zone: None }
    }

    fn code(&self) -> u16 {
        self.message.as_ref().map_or(200, |(code, _)| *code)
    }

    fn html(&self) -> Html {
        match &self.message {
            None => Html::default(),
            Some((200, message)) => status(message),
            Some((_, message)) => alert(message),
        }
    }
}

/// Answers `POST /account`: one of the page's buttons, named by the field `do`. If a button changed nothing, the
/// status isn't 200, so that a program and the log can tell that from success. A form whose password, zone or download
/// was refused isn't used up, so it still works when the person goes back to its page.
///
/// A button comes before every bound that a program with access could use up in the person's name: it may be the one
/// that takes that program's access back. If the whole page can't be shown after it, a short one says what was done.
pub(crate) fn submit(context: &Context, body: &mut Body) -> Result<Response, PageError> {
    let fields = form_fields(context, body)?;
    if fields.get(second_factor::SECRET).is_some() {
        return second_factor::confirm(context, &fields);
    }
    let (submitted, person) = Form::Account.check_person(context, &fields)?;
    let user_id = person.user_id();
    let (visit, mut signed_in) = (context.visit(), None);
    let outcome = match fields.get("do") {
        Some("revoke") => {
            let id = need(&fields, "grant")?.parse().map_err(|_| malformed("grant"))?;
            // The id comes from the form. For another person's grant the response is the same as for an unknown id.
            let revoke = move |connection: &Connection| grants::revoke(connection, user_id, id, &visit);
            if submitted.act(context, Holder::Server, revoke)? {
                Outcome::of(200, "Access was taken back.")
            } else {
                Outcome::of(404, "That access was taken back already, or has ended.")
            }
        }
        Some("revoke-token") => {
            let id = need(&fields, "token")?.parse().map_err(|_| malformed("token"))?;
            let revoke = move |connection: &Connection| tokens::revoke_own(connection, user_id, id, &visit);
            if submitted.act(context, Holder::Server, revoke)? {
                Outcome::of(200, "The token was revoked.")
            } else {
                Outcome::of(404, "That token was revoked already, or has expired.")
            }
        }
        Some("end-browser") => {
            let id = BrowserId::parse(need(&fields, "browser")?).ok_or_else(|| malformed("browser"))?;
            let ended = submitted.act(context, Holder::Server, move |connection| {
                let ended = sign_ins::end(connection, user_id, id)?;
                if let Some(description) = &ended {
                    activity::record(connection, user_id, (Event::BrowserEnded, description), &visit)?;
                }
                Ok::<_, StoreError>(ended.is_some())
            })?;
            if id == BrowserId::of_cookie(submitted.session().cookie()) {
                return Ok(signed_out(context));
            }
            if ended {
                Outcome::of(200, "The browser was signed out.")
            } else {
                Outcome::of(404, "That browser was signed out already.")
            }
        }
        Some("factor") => match second_factor::change(context, &submitted, user_id, &fields)? {
            Ok(response) => return Ok(submitted.into_session().remember(context, response)),
            Err(outcome) => outcome,
        },
        Some("zone") => change_zone(context, &submitted, user_id, need(&fields, "zone")?)?,
        Some("password") => {
            let typed = [need(&fields, "current")?, need(&fields, "new")?, code(&fields, PASSWORD_CODE)];
            let changed = change_password(context, &submitted, user_id, typed)?;
            signed_in = changed.1;
            changed.0
        }
        Some("export") => {
            let format = match need(&fields, "format")? {
                "json" => Format::Json,
                "markdown" => Format::Markdown,
                _ => return Err(malformed("format")),
            };
            let typed = [need(&fields, "password")?, code(&fields, EXPORT_CODE)];
            match download(context, &submitted, (user_id, format), typed)? {
                Ok(response) => return Ok(submitted.into_session().remember(context, response)),
                Err(refused) => refused,
            }
        }
        Some("sign-out") => {
            let cookie = submitted.session().cookie().to_owned();
            submitted.act(context, Holder::Server, move |connection| {
                activity::record(connection, user_id, (Event::SignedOut, &visit.browser), &visit)?;
                sign_ins::delete(connection, &cookie)
            })?;
            return Ok(signed_out(context));
        }
        // Programs keep their access, because their tokens don't depend on a browser. The page says so below the
        // button.
        Some("sign-out-everywhere") => {
            submitted.act(context, Holder::Server, move |connection| {
                activity::record(connection, user_id, (Event::SignedOutEverywhere, ""), &visit)?;
                sign_ins::delete_all(connection, user_id)
            })?;
            return Ok(signed_out(context));
        }
        _ => return Err(malformed("do")),
    };
    let session = signed_in.unwrap_or_else(|| submitted.into_session());
    let page = whole_page(context, &session, user_id, &outcome)
        .unwrap_or_else(|_| page(outcome.code(), TITLE, outcome.html().and(account_link())));
    Ok(session.remember(context, page))
}

/// The fields for the code of the second factor. On one page each has a name of its own.
const PASSWORD_CODE: &str = "password-code";
const EXPORT_CODE: &str = "export-code";

/// Returns the code that was typed. The field is there only if the person has a factor.
fn code<'f>(fields: &'f Parameters, name: &str) -> &'f str {
    fields.get(name).unwrap_or("")
}

pub(super) fn malformed(name: &'static str) -> PageError {
    PageError::Fields(OAuthError::Malformed(name))
}

/// Leads to the first page, without the cookie.
fn signed_out(context: &Context) -> Response {
    BrowserSession::forget(context, Response::see_other(site::HOME.to_owned()))
}

/// Changes the time zone. A password isn't asked for: it says what day the server takes for today, and nothing that was
/// written changes with it.
fn change_zone(
    context: &Context,
    submitted: &SubmittedForm,
    user_id: UserId,
    typed: &str,
) -> Result<Outcome, PageError> {
    let now = context.now;
    let zone = match Zone::typed(typed) {
        Ok(zone) => zone,
        Err(unknown) => {
            let outcome = Outcome::of(400, format!("{unknown} Nothing was changed."));
            return Ok(Outcome { typed_zone: Some(typed.to_owned()), ..outcome });
        }
    };
    let name = zone.name();
    // The form isn't taken from a person who was removed, so there is one whose zone it sets.
    submitted
        .act(context, Holder::Server, move |connection| users::set_zone(connection, user_id, &zone, now))?;
    Ok(Outcome::of(200, format!("Your time zone is {name} now.")))
}

/// Changes the password, which signs the person out of every browser, and signs them in again in this one. What is
/// typed is the current one, the new one, and a code of the second factor if there is one. Returns the outcome and the
/// new session: 200 if the password was changed, 403 if the current one or the code is wrong, 400 if the new one can't
/// be taken. Too many tries are an error instead, with a page of its own.
///
/// The current password and a code are asked for although the person is signed in: at a browser that was left open, a
/// stranger who has seen the password could otherwise take the account over for good. Wrong ones are counted as at the
/// sign-in, since they may be guesses too, but by a count of their own (`sign_in::Tries::of_signed_in`).
fn change_password(
    context: &Context,
    submitted: &SubmittedForm,
    user_id: UserId,
    [current, new, code]: [&str; 3],
) -> Result<(Outcome, Option<BrowserSession>), PageError> {
    let (visit, code) = (context.visit(), code.to_owned());
    let wrong = || (Outcome::of(403, "The current password is wrong. Nothing was changed."), None);
    let email = users::email_of(&context.app.store, user_id)?.unwrap_or_default();
    let mut permit = context.app.sign_ins.queue.take(context.client.address, &email)?;
    let Some(person) = authenticate(context, &mut permit, (user_id, &email), current)? else {
        return Ok(wrong());
    };
    if let Err(bad) = credentials::check_password(new, &email, setup::chars_min(context)) {
        return Ok((Outcome::of(400, bad.to_string()), None));
    }
    let hash = permit.hash(new);
    // The permit is held until the write has returned: of two changes at once, the second meets the password of the
    // first, and is refused.
    let signed_in = submitted.act(context, Holder::Server, move |connection| {
        let passed = match crate::second_factor::pass(connection, &person, &code, &visit)? {
            Ok(passed) => passed,
            Err(bad) => return Ok::<_, StoreError>(Err(bad)),
        };
        let person = users::replace_password(connection, &person, &hash, &visit)?;
        let Some(person) = person else { return Ok(Ok(None)) }; // the operator has set another one
        BrowserSession::renew(connection, &person, &passed, &visit).map(Ok)
    })?;
    Ok(match signed_in {
        Err(bad) => (second_factor::refused(context, &email, bad, "Nothing was changed.")?, None),
        Ok(None) => wrong(),
        Ok(session) => {
            (Outcome::of(200, "The password was changed, and every other browser signed out."), session)
        }
    })
}

/// Returns the proof that the person knows their password; `None` if this isn't it, which is counted, whatever becomes
/// of the form. The caller has taken the permit before, so that requests that were sent at once are counted one by one.
pub(super) fn authenticate(
    context: &Context,
    permit: &mut HashingPermit,
    (user_id, email): (UserId, &str),
    password: &str,
) -> Result<Option<Authenticated>, PageError> {
    let tries = sign_in::Tries::of_signed_in(context, email)?;
    tries.check(context)?;
    let known = users::authenticate(&context.app.store, permit, email, password, &context.visit())?;
    let person = known.filter(|person| person.user_id == user_id);
    if person.is_none() {
        tries.count(context);
    }
    Ok(person)
}

/// Answers with the whole journal as a file. The inner error is what the page says instead: 403 if the password or the
/// code is wrong, 503 if another download is being made.
///
/// Both are asked for, as for a new password: at a browser that was left open, a stranger could otherwise take all
/// along that the person has ever written.
fn download(
    context: &Context,
    submitted: &SubmittedForm,
    (user_id, format): (UserId, Format),
    [password, code]: [&str; 2],
) -> Result<Result<Response, Outcome>, PageError> {
    let app = context.app;
    // A browser that takes the file slowly holds a file on the disk, so a person may have only so many at once.
    let share = app.page_shares.take(user_id, 0).map_err(|_| PageError::TooManyRequests)?;
    let email = users::email_of(&app.store, user_id)?.unwrap_or_default();
    let mut permit = app.sign_ins.queue.take(context.client.address, &email)?;
    let person = authenticate(context, &mut permit, (user_id, &email), password)?;
    drop(permit); // others may sign in meanwhile
    let Some(person) = person else {
        return Ok(Err(Outcome::of(403, "The password is wrong. Nothing was downloaded.")));
    };
    let Some((file, length)) = app.downloads.make(&app.store, &person, &email, format)? else {
        let busy = "Another journal is being prepared at this moment. Try again in a minute.";
        return Ok(Err(Outcome::of(503, busy)));
    };
    // Only now, so that a form whose download can't be made is good for another press, and so is the code. As at the
    // sign-in, the permit is held until a wrong code is counted.
    let (visit, code) = (context.visit(), code.to_owned());
    let _permit = app.sign_ins.queue.take(context.client.address, &email)?;
    let done = submitted.act(context, Holder::Server, move |connection| {
        let passed = crate::second_factor::pass(connection, &person, &code, &visit)?;
        if passed.is_ok() {
            activity::record(connection, user_id, (Event::Downloaded, ""), &visit)?;
        }
        Ok::<_, StoreError>(passed.map(drop))
    })?;
    if let Err(bad) = done {
        return Ok(Err(second_factor::refused(context, &email, bad, "Nothing was downloaded.")?));
    }
    let day = context.now.iso8601();
    let (content_type, ending) = match format {
        Format::Json => ("application/json", "json"),
        Format::Markdown => ("application/zip", "zip"),
    };
    let name = format!("journal-{}.{ending}", &day[..day.len().min("2026-07-28".len())]);
    Ok(Ok(Response::download(file, length, content_type, &name).keeping(share)))
}

/// Builds the part of the page about one program with access. `revoke_form` is the beginning of the form that takes it
/// back.
fn card(grant: &Listed, revoke_form: Html) -> Html {
    let scopes = grant.scopes.iter();
    Html::markup("<div class=\"card\">\n<p><strong>")
        .then_text(&grant.client_name)
        .then("</strong></p>\n<p>It may</p>\n<ul>\n")
        .and(Html::all(
            scopes.map(|scope| Html::markup("<li>").then(consent::meaning(scope)).then("</li>\n")),
        ))
        .then("</ul>\n<dl>\n<dt>Allowed</dt>\n<dd>")
        .and(day(grant.created_at))
        .then("</dd>\n<dt>Last used</dt>\n<dd>")
        .and(day(grant.used_at))
        .then("</dd>\n</dl>\n")
        .and(revoke_form)
        .and(hidden("grant", &grant.id.to_string()))
        // The hidden text is for screen readers, which read the buttons out one after the other: each must say to
        // which program it belongs.
        .then("<button class=\"quiet\">Take access back<span class=\"hidden\"> from ")
        .then_text(&grant.client_name)
        .then("</span></button>\n</form>\n</div>\n")
}

/// Builds the page, with the outcome of the last button at its top. The query of a GET may say where the list of the
/// programs begins.
///
/// The page is large, and a browser that doesn't read it holds it in memory, so a person may have only so many at once.
/// They have places of their own and not those of `/mcp`, which a program could keep to itself.
fn whole_page(
    context: &Context,
    session: &BrowserSession,
    user_id: UserId,
    outcome: &Outcome,
) -> Result<Response, PageError> {
    let share = context.app.page_shares.take(user_id, 0).map_err(|_| PageError::TooManyRequests)?;
    let person = users::find(&context.app.store, user_id)?;
    let (email, zone) = person.map_or((String::new(), Zone::utc()), |person| (person.email, person.zone));
    let button_form = |button: &'static str| Form::Account.open(context, session).and(hidden("do", button));
    let query =
        Parameters::parse(context.head.query().unwrap_or("").as_bytes()).map_err(PageError::Fields)?;
    let from = match query.get(FROM) {
        Some(text) => Some(Place::parse(text).ok_or_else(|| malformed(FROM))?),
        None => None,
    };
    let list = |from| grants::list(&context.app.store, user_id, from, context.now);
    let (mut listed, mut next) = list(from)?;
    if listed.is_empty() && from.is_some() {
        // All that the link led to has ended since the page with the link was made.
        (listed, next) = list(None)?;
    }
    let clients = if listed.is_empty() {
        Html::markup("<p>No program has access to your journal through this page.</p>\n")
    } else {
        Html::all(listed.iter().map(|grant| card(grant, button_form("revoke"))))
    };
    let (store, now) = (&context.app.store, context.now);
    let here = BrowserId::of_cookie(session.cookie());
    let browsers = sign_ins::list(store, user_id, now)?;
    let browsers = access::browsers(&browsers, here, &zone, || button_form("end-browser"));
    let tokens = access::tokens(&tokens::list_own(store, user_id, now)?, || button_form("revoke-token"));
    let events = access::events(&activity::list(store, user_id)?, &zone);
    let factor = crate::second_factor::find(store, user_id)?;
    let code = |name| Html::all(factor.as_ref().map(|_| code_field(name, second_step::CODE)));
    let (password_code, export_code) = (code(PASSWORD_CODE), code(EXPORT_CODE));
    let factor = second_factor::section(factor.as_ref(), button_form("factor"));
    let more = next.map(|place| {
        Html::markup("<p><a href=\"")
            .then_text(&format!("{}?{FROM}={place}", site::ACCOUNT))
            .then("\">Programs that were used longer ago</a></p>\n")
    });
    let body = outcome
        .html()
        .then("<p>You are signed in as <strong>")
        .then_text(&email)
        .then("</strong>.</p>\n<h2>Programs with access</h2>\n")
        .and(clients)
        .and(Html::all(more))
        .and(tokens)
        .and(browsers)
        .then("<h2>Time zone</h2>\n")
        .and(button_form("zone"))
        .and(choice("zone", "Time zone", outcome.typed_zone.as_deref().unwrap_or(zone.name()), zone::places()))
        .then("<p><button>Change time zone</button></p>\n</form>\n<p class=\"hint\">")
        .then("It says which day it is for you. In ")
        .then(zone.name())
        .then(" it is ")
        .and(access::moment(&zone, context.now))
        .then(" now. Entries keep the dates that they have.</p>\n")
        .then("<h2>Password</h2>\n")
        .and(button_form("password"))
        .and(password("current", "Current password", "current-password"))
        .and(password("new", "New password", "new-password"))
        .and(setup::password_hint(context))
        .and(password_code)
        .then("<p><button>Change password</button></p>\n</form>\n")
        .and(factor)
        .and(events)
        .then("<h2>Your journal as a file</h2>\n")
        .then("<p class=\"hint\">All that you have written, and nothing of your password or of programs. The Markdown ")
        .then("files can be read in any editor; JSON holds all details, also the descriptions of tags.</p>\n")
        .and(button_form("export"))
        .and(password("password", "Your password", "current-password"))
        .and(export_code)
        .then("<div class=\"choice\">\n<button class=\"quiet\" name=\"format\" value=\"markdown\">")
        .then("Download Markdown (ZIP)</button>\n<button class=\"quiet\" name=\"format\" value=\"json\">")
        .then("Download JSON</button>\n</div>\n</form>\n<h2>Sign out</h2>\n<div class=\"choice\">\n")
        .and(button_form("sign-out"))
        .then("<button class=\"quiet\">Sign out here</button>\n</form>\n")
        .and(button_form("sign-out-everywhere"))
        .then("<button class=\"quiet\">Sign out everywhere</button>\n</form>\n</div>\n")
        .then("<p class=\"hint\">Signing out ends the pages in your browsers. Programs keep their access until you ")
        .then("take it back above. One that is used gets a fresh token every quarter of an hour; that is when it was ")
        .then("last used.</p>\n")
        .and(journal_link())
        .and(home_link());
    Ok(page(outcome.code(), TITLE, body).keeping(share))
}
