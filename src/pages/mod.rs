//! What a person sees: the frame of every page, and the forms that are more than one room's.
//!
//! Knows no SQL. Invariant: no page runs a script, is shown in a frame, leaves a trace in a cache or tells the next
//! site where its visitor came from.

pub mod account;
pub mod home;
mod html;
pub mod setup;
pub mod sign_in;

pub use self::html::Html;

use crate::oauth::Fault;
use crate::response::Response;
use crate::site;

/// The style sheet.
pub const STYLE: &str = include_str!("style.css");

/// A page, whose forms lead back here only.
pub fn page(status: u16, title: &'static str, body: Html) -> Response {
    page_under(status, title, body, "; form-action 'self'")
}

/// A page with a form that leads on to a client. No `form-action` there: Chromium holds every redirect that follows
/// to it, the client's own included, and would swallow the code on its way. The form's target is a literal of ours.
pub fn page_leading_on(status: u16, title: &'static str, body: Html) -> Response {
    page_under(status, title, body, "")
}

fn page_under(status: u16, title: &'static str, body: Html, form_action: &'static str) -> Response {
    let html = Html::markup("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .then("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .then("<meta name=\"color-scheme\" content=\"light dark\">\n<title>")
        .then_text(title)
        .then(
            " · epicme</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n<body>\n<main>\n<h1>",
        )
        .then_text(title)
        .then("</h1>\n")
        .and(body)
        .then("</main>\n</body>\n</html>\n");
    let policy =
        format!("default-src 'none'; style-src 'self'{form_action}; frame-ancestors 'none'; base-uri 'none'");
    Response::html(status, html.into_octets())
        .with("Content-Security-Policy", policy)
        .with("X-Frame-Options", "DENY")
        .with("X-Content-Type-Options", "nosniff")
        .with("Referrer-Policy", "no-referrer")
        .with("Cache-Control", "no-store")
}

/// A page for a request that can't be served, and which must not be sent on to wherever it says.
pub fn fault(fault: &Fault) -> Response {
    let (title, advice) = match fault {
        Fault::TooMany => ("Too many tries", "Wait a quarter of an hour, then try again."),
        Fault::Store(_) => ("Not now", "The server can't answer this now. Try again in a moment."),
        Fault::UnknownClient => (
            "This can't be done",
            "The program that sent you here is not known here any more. Remove this server from it, add it \
             again, and press Connect.",
        ),
        _ => (
            "This can't be done",
            "What was asked for is not allowed, or not complete. Go back and try again.",
        ),
    };
    // A 401 would ask the browser for credentials of its own; to some clients a 400 here says: register again.
    let status = if fault.status() == 401 { 400 } else { fault.status() };
    let body = alert(advice).then("<p class=\"hint\">In detail: ").then_text(&fault.message());
    page(status, title, body.then(".</p>\n"))
}

/// A message that a screen reader says at once.
pub fn alert(text: &str) -> Html {
    Html::markup("<p role=\"alert\" class=\"alert\">").then_text(text).then("</p>\n")
}

/// A message that something was done.
pub fn status(text: &str) -> Html {
    Html::markup("<p role=\"status\" class=\"status\">").then_text(text).then("</p>\n")
}

/// A field that a form carries along.
pub fn hidden(name: &'static str, value: &str) -> Html {
    Html::markup("<input type=\"hidden\" name=\"")
        .then(name)
        .then("\" value=\"")
        .then_text(value)
        .then("\">\n")
}

/// A field for a password, with its label. `autocomplete` is what password managers go by.
pub fn password(name: &'static str, label: &'static str, autocomplete: &'static str) -> Html {
    input(name, label, "password", autocomplete, "")
}

/// A field for an email address, with its label.
pub fn email(value: &str) -> Html {
    input("email", "Email", "email", "username", value)
}

fn input(
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    autocomplete: &'static str,
    value: &str,
) -> Html {
    Html::markup("<p><label for=\"")
        .then(name)
        .then("\">")
        .then(label)
        .then("</label>\n<input id=\"")
        .then(name)
        .then("\" name=\"")
        .then(name)
        .then("\" type=\"")
        .then(kind)
        .then("\" autocomplete=\"")
        .then(autocomplete)
        .then("\" value=\"")
        .then_text(value)
        .then("\" required></p>\n")
}

/// The style sheet, which may be kept for an hour.
pub fn style() -> Response {
    Response::css(STYLE).with("Cache-Control", "max-age=3600").with("X-Content-Type-Options", "nosniff")
}

/// A day, for people.
pub fn day(at: crate::clock::Timestamp) -> Html {
    let text = at.iso8601();
    Html::markup("<time datetime=\"")
        .then_text(&text)
        .then("\">")
        .then_text(&text[..text.len().min("2026-07-28".len())])
        .then("</time>")
}

/// The way back to the first page.
pub fn home_link() -> Html {
    Html::markup("<p><a href=\"").then(site::HOME).then("\">How to connect a program</a></p>\n")
}

/// The path of the account page, for links.
pub fn account_link() -> Html {
    Html::markup("<p><a href=\"").then(site::ACCOUNT).then("\">Your account</a></p>\n")
}
