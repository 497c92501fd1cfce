//! The pages that a person sees: the frame of every page, and the parts that several pages share.
//!
//! Uses no SQL and no JSON-RPC. Invariant: no page but [`watch`], which shows no journal, runs a script, and none can
//! be shown in another site's frame, stays in a cache, or sends its address along to the next site. [`page_under`]
//! takes care of all four, and every page is made by it.
//!
//! The pages are forms and plain links, as the web had them before scripts. There is little that a person does here,
//! and a page that needs no script can forbid every script: then a client's name that slipped through the escaping
//! could still not act. A larger site would have templates in files; here the markup is in the source, and
//! [`Html::markup`] takes nothing but literals.

mod access;
pub(crate) mod account;
pub(crate) mod browser_session;
pub(crate) mod consent;
mod form;
pub(crate) mod home;
mod html;
pub(crate) mod journal;
mod qr;
mod recipes;
mod second_factor;
mod second_step;
pub(crate) mod setup;
pub(crate) mod sign_in;
pub(crate) mod watch;

use std::error::Error;
use std::fmt;

use self::form::BadForm;
pub(crate) use self::html::Html;

use crate::clock::Timestamp;
use crate::context::Context;
use crate::fair_queue::QueueError;
use crate::http::request::{Body, Head};
use crate::http::response::Response;
use crate::limits;
use crate::log::RequestLog;
use crate::oauth::{OAuthError, Parameters};
use crate::site;
use crate::text;

/// Why a page can't be shown or a form can't be taken.
#[derive(Debug)]
pub(crate) enum PageError {
    /// A reason of OAuth. It isn't an [`OAuthError`] by itself, because `routes` renders this error as a page for a
    /// person, and an [`OAuthError`] as JSON for a program.
    OAuth(OAuthError),
    /// The fields of a form, or of the query of a page, aren't those that a page of this server sends. No
    /// client has to do with it.
    Fields(OAuthError),
    /// The form that came can't be taken.
    Form {
        bad: BadForm,
        /// The path of the page on which the person can go on.
        again: String,
    },
    /// Wrong passwords have used up the tries of the account, or of the network address, for so many seconds more.
    TooManyTries(u64),
    /// As many pages are being sent to the person as one person may have.
    TooManyRequests,
    /// There is no such page, or nothing of the person's is there. The sentence says which.
    NotFound(&'static str),
    /// Too many passwords wait to be hashed, so this one was not looked at.
    SignInQueue(QueueError),
}

impl PageError {
    /// Records the error in the log.
    pub(crate) fn record(&self, log: &RequestLog) {
        match self {
            PageError::OAuth(error) | PageError::Fields(error) => error.record(log),
            PageError::Form { bad, .. } => log.set_outcome(bad.name()),
            PageError::TooManyTries(_) => log.set_outcome("too-many"),
            PageError::TooManyRequests => log.set_outcome("too-many-requests"),
            PageError::NotFound(_) => log.set_outcome("not-found"),
            PageError::SignInQueue(error) => {
                log.set_outcome("sign-in-queue-full");
                log.set_remedy(format!(
                    "{error} for a sign-in: somebody may be guessing passwords; let the proxy in front limit POST {} \
                     by network address",
                    site::SIGN_IN
                ));
            }
        }
    }

    /// Adds to a response when the same request may succeed (RFC 9110 §10.2.3), if time mends the error.
    pub(super) fn say_when(&self, response: Response) -> Response {
        let seconds = match self {
            PageError::OAuth(error) | PageError::Fields(error) => error.retry_seconds(),
            PageError::Form { .. } | PageError::NotFound(_) => None,
            PageError::TooManyTries(seconds) => Some(*seconds),
            PageError::TooManyRequests => Some(limits::REQUESTS_RETRY_SECONDS.unsigned_abs()),
            // By then each password that waits now is hashed, or was refused.
            PageError::SignInQueue(_) => Some(limits::SIGN_IN_WAIT_MAX.as_secs()),
        };
        match seconds {
            Some(seconds) => response.with("Retry-After", seconds.to_string()),
            None => response,
        }
    }

    /// Builds the page that shows the error. It sets no cookie and has no form: if a page of another site posted
    /// here, there was no cookie to bind a form to, and a new one would replace the person's own.
    #[inline(never)] // see `log::write`
    pub(crate) fn response(&self) -> Response {
        self.say_when(match self {
            PageError::OAuth(error) => {
                let (title, advice) = advice(error);
                unservable(title, advice, error)
            }
            PageError::Fields(error) => unservable(
                CANT_BE_DONE,
                "This is not what a page of this server sends, or it did not arrive whole. Go back, load that page anew, \
                 and try again.",
                error,
            ),
            PageError::Form { bad, again } => {
                let body = alert(&bad.to_string()).then("<p><a href=\"").then_text(again);
                page(400, "This form was not accepted", body.then("\">Begin again</a></p>\n"))
            }
            PageError::TooManyTries(_) => page(429, "Too many tries", alert(&self.to_string())),
            PageError::TooManyRequests => page(429, "Too many requests", alert(&self.to_string())),
            PageError::NotFound(_) => page(404, "Nothing is here", alert(&self.to_string()).and(journal_link())),
            PageError::SignInQueue(_) => page(503, "Not now", alert(&self.to_string())),
        })
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PageError::OAuth(error) | PageError::Fields(error) => error.fmt(out),
            PageError::Form { bad, .. } => bad.fmt(out),
            PageError::TooManyTries(seconds) => {
                let minutes = text::counted(seconds.div_ceil(60), "minute", "minutes");
                write!(out, "Too many wrong tries. Wait {minutes}, then try again.")
            }
            PageError::TooManyRequests => out.write_str(
                "Too many pages are being sent to you at this moment. Wait a moment, then load the page anew.",
            ),
            PageError::NotFound(sentence) => out.write_str(sentence),
            PageError::SignInQueue(_) => out.write_str(
                "Too many people are signing in at this moment. Wait a minute, then go back, load the page anew, and \
                 try again.",
            ),
        }
    }
}

impl Error for PageError {}

impl From<QueueError> for PageError {
    fn from(error: QueueError) -> PageError {
        PageError::SignInQueue(error)
    }
}

impl<E: Into<OAuthError>> From<E> for PageError {
    fn from(error: E) -> PageError {
        PageError::OAuth(error.into())
    }
}

/// One style sheet for all pages. It has a URL of its own, because the policy of the pages forbids styles inside
/// them.
const STYLE: &str = include_str!("style.css");

/// Builds a page whose forms lead back to this server only.
pub(crate) fn page(status: u16, title: &str, body: Html) -> Response {
    page_below(Html::default(), status, title, body)
}

/// The same with something above the page's heading: links that several pages have.
fn page_below(above: Html, status: u16, title: &str, body: Html) -> Response {
    page_under(("", above, body), status, title, "; form-action 'self'")
}

/// Builds the one page with a script, and with a style beside that of all pages. Both are files of this server.
fn page_with_script(title: &str, body: Html) -> Response {
    let head = "<link rel=\"stylesheet\" href=\"/watch/watch.css\">\n<script src=\"/watch/watch.js\" defer></script>\n";
    let policy = "; script-src 'self'; connect-src 'self'; form-action 'self'";
    page_under((head, Html::default(), body), 200, title, policy)
}

/// Builds a page with a form after which the browser is redirected to a client.
///
/// Its policy has no `form-action`. Chromium applies that rule to every redirect that follows a form, also to those
/// that the client sends afterwards, and would block the redirect that carries the code. The addresses of a client's
/// own redirects can't be listed, since this server doesn't know them. Little is lost: the form's target is a literal
/// of this program, and no text of a request becomes markup.
pub(crate) fn page_leading_on(status: u16, title: &str, body: Html) -> Response {
    page_under(("", Html::default(), body), status, title, "")
}

/// Builds a page of three parts: what its head has beside that of all pages, what is above its heading, and its body.
/// `policy` is what its policy allows beside the style.
fn page_under(
    (head, above, body): (&'static str, Html, Html),
    status: u16,
    title: &str,
    policy: &str,
) -> Response {
    let html = Html::markup("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .then("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .then("<meta name=\"color-scheme\" content=\"light dark\">\n<title>")
        .then_text(title)
        .then(" · epicme</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n")
        .then(head)
        .then(if head.is_empty() { "</head>\n<body>\n" } else { "</head>\n<body class=\"wide\">\n" })
        .and(above)
        .then("<main>\n<h1>")
        .then_text(title)
        .then("</h1>\n")
        .and(body)
        .then("</main>\n</body>\n</html>\n");
    // The browser loads nothing but the style sheet. `frame-ancestors` is against clickjacking (OAuth 2.1 §7.10): a
    // site that showed the consent page in an invisible frame could have the person press Allow while they aim at
    // something else.
    let policy =
        format!("default-src 'none'; style-src 'self'{policy}; frame-ancestors 'none'; base-uri 'none'");
    Response::html(status, html.into_bytes())
        .with("Content-Security-Policy", policy)
        .with("X-Frame-Options", "DENY") // the same for browsers that don't know `frame-ancestors`
        .with("X-Content-Type-Options", "nosniff")
        .with("Referrer-Policy", "no-referrer") // the URL of the consent page holds the client's `state`
        .with("Cache-Control", "no-store") // the back button must not show a page after its person signed out
}

/// Returns whether a request comes from a page of this server, as far as the browser says. Browsers of before 2023
/// don't, and none does to a server that it reaches without TLS at another machine; the token of a form decides in any
/// case. A page on another port of this machine has the cookie go along with its form, and then this is what keeps the
/// text that it sends from being shown here.
fn is_from_here(head: &Head) -> bool {
    let mut sites = head.fields("sec-fetch-site");
    sites.all(|site| site == b"same-origin" || site == b"none")
}

/// Reads the fields of a form of these pages.
fn form_fields(context: &Context, body: &mut Body) -> Result<Parameters, PageError> {
    Parameters::read(context.head, body).map_err(PageError::Fields)
}

/// Returns the value of a field that each form of its kind has.
fn need<'f>(fields: &'f Parameters, name: &'static str) -> Result<&'f str, PageError> {
    fields.need(name).map_err(PageError::Fields)
}

/// Returns the email address in a form, without the white space that people paste along with it. No address has any.
fn email_of(fields: &Parameters) -> &str {
    fields.get("email").unwrap_or("").trim()
}

/// The title of the page for a request that can't be served now or later.
const CANT_BE_DONE: &str = "This can't be done";

/// Returns what a person can do about an error of OAuth, as a page's title and its first sentences.
fn advice(error: &OAuthError) -> (&'static str, &'static str) {
    match error {
        OAuthError::Store(_) => ("Not now", "The server can't answer this now. Try again in a moment."),
        OAuthError::UnknownClient => (
            CANT_BE_DONE,
            "The program that sent you here is not known here any more. Remove this server from it, add it \
             again, and press Connect.",
        ),
        _ => (
            CANT_BE_DONE,
            "The program that sent you here made a request that this server can't accept. Start again in that \
             program; if this page comes back, give its author the detail below.",
        ),
    }
}

/// Builds the page for a request that can't be served. The browser isn't redirected to the client: its redirect URI
/// isn't proven, or no client has to do with the error.
fn unservable(title: &'static str, advice: &str, error: &OAuthError) -> Response {
    // A 401 would have to name an authentication scheme, and then the browser would ask for a password in a window of
    // its own. The 400 is useful too: some clients fetch this URL before they open it, and register again when they
    // see a 400.
    let status = if error.status() == 401 { 400 } else { error.status() };
    let body = alert(advice).then("<p class=\"hint\">In detail: ").then_text(&error.to_string());
    page(status, title, body.then(".</p>\n"))
}

/// Builds a message that says what went wrong. Because of its role a screen reader reads it at once, before the rest
/// of the page.
pub(crate) fn alert(text: &str) -> Html {
    Html::markup("<p role=\"alert\" class=\"alert\">").then_text(text).then("</p>\n")
}

/// Builds a message that says what was done. Because of its role a screen reader reads it after the current sentence.
pub(crate) fn status(text: &str) -> Html {
    Html::markup("<p role=\"status\" class=\"status\">").then_text(text).then("</p>\n")
}

/// Builds a hidden field of a form. The person can change it all the same, so the server checks its value like every
/// other input.
pub(crate) fn hidden(name: &'static str, value: &str) -> Html {
    Html::markup("<input type=\"hidden\" name=\"")
        .then(name)
        .then("\" value=\"")
        .then_text(value)
        .then("\">\n")
}

/// Builds a field for a password, with its label. From `autocomplete` a password manager knows whether to fill in the
/// present password or to propose a new one.
pub(crate) fn password(name: &'static str, label: &'static str, autocomplete: &'static str) -> Html {
    input(name, label, "password", autocomplete, "")
}

/// Builds a field for a code of the second factor, with its label. A phone may fill in the code by itself. Recovery
/// codes have letters, so the field doesn't ask for a keyboard of digits.
fn code_field(name: &'static str, label: &'static str) -> Html {
    labelled(name, label)
        .then(" type=\"text\" autocomplete=\"one-time-code\" autocapitalize=\"characters\" spellcheck=\"false\" ")
        .then("required></p>\n")
}

/// Builds a field for an email address, with its label. A password manager takes its value for the name of the
/// account.
pub(crate) fn email(value: &str) -> Html {
    input("email", "Email", "email", "username", value)
}

/// Builds a field for one of many words, with its label. The browser proposes the words that fit what is typed, and
/// others may be typed too. A list to choose from would be hundreds of lines long at each visit.
pub(crate) fn choice(
    name: &'static str,
    label: &'static str,
    value: &str,
    words: impl Iterator<Item = &'static str>,
) -> Html {
    labelled(name, label)
        .then(" type=\"text\" list=\"words\" autocomplete=\"off\" spellcheck=\"false\" value=\"")
        .then_text(value)
        .then("\" required></p>\n<datalist id=\"words\">\n")
        // HTML doesn't need the end tag of an option, and there are hundreds.
        .and(Html::all(words.map(|word| Html::markup("<option>").then(word).then("\n"))))
        .then("</datalist>\n")
}

fn input(
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    autocomplete: &'static str,
    value: &str,
) -> Html {
    labelled(name, label)
        .then(" type=\"")
        .then(kind)
        .then("\" autocomplete=\"")
        .then(autocomplete)
        .then("\" value=\"")
        .then_text(value)
        .then("\" required></p>\n")
}

/// Begins a field with its label, up to what differs between fields.
fn labelled(name: &'static str, label: &'static str) -> Html {
    Html::markup("<p><label for=\"")
        .then(name)
        .then("\">")
        .then(label)
        .then("</label>\n<input id=\"")
        .then(name)
        .then("\" name=\"")
        .then(name)
        .then("\"")
}

/// Answers `GET /style.css`. A browser may keep the style sheet for an hour: unlike a page it is the same for every
/// person.
pub(crate) fn style() -> Response {
    Response::css(STYLE).with("Cache-Control", "max-age=3600").with("X-Content-Type-Options", "nosniff")
}

/// Builds a date: the day for people, and the exact time for programs. Without a script the page can't know the
/// person's time zone, so it shows no hour.
pub(crate) fn day(at: Timestamp) -> Html {
    let text = at.iso8601();
    Html::markup("<time datetime=\"")
        .then_text(&text)
        .then("\">")
        .then_text(&text[..text.len().min("2026-07-28".len())])
        .then("</time>")
}

/// Builds a link to the first page.
pub(crate) fn home_link() -> Html {
    link(site::HOME, "How to connect a program")
}

/// Builds a link to the person's journal.
pub(crate) fn journal_link() -> Html {
    link(site::JOURNAL, "Your journal")
}

/// Builds a link to the account page.
pub(crate) fn account_link() -> Html {
    link(site::ACCOUNT, "Your account")
}

fn link(path: &'static str, text: &'static str) -> Html {
    Html::markup("<p><a href=\"").then(path).then("\">").then(text).then("</a></p>\n")
}
