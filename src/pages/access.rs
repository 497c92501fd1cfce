//! The parts of the account page about what opens the account beside programs, and about what has happened to it:
//! browsers, tokens from the command line, the last events.
//!
//! Uses no SQL. Invariant: it shows a person their own rows alone, and no secret: a browser is known by a part of the
//! hash of its cookie, a token by its label.

use super::{Html, consent, day, hidden};
use crate::activity::Happened;
use crate::clock::Timestamp;
use crate::limits;
use crate::sign_ins::{self, BrowserId};
use crate::tokens::Own;
use crate::zone::Zone;

/// Builds the list of the browsers; `here` is the one that gets the page. `form` makes the beginning of a form.
pub(super) fn browsers(
    listed: &[sign_ins::Listed],
    here: BrowserId,
    zone: &Zone,
    form: impl Fn() -> Html,
) -> Html {
    let card = |browser: &sign_ins::Listed| {
        let is_here = browser.id == here;
        let description =
            if browser.description.is_empty() { "A browser" } else { browser.description.as_str() };
        let card = Html::markup("<div class=\"card\">\n<p><strong>")
            .then_text(description)
            .then("</strong>")
            .then(if is_here { " (this one)" } else { "" })
            .then("</p>\n<dl>\n<dt>Signed in</dt>\n<dd>")
            .and(moment(zone, browser.created_at))
            .then("</dd>\n<dt>Last seen</dt>\n<dd>")
            .and(moment(zone, browser.seen_at))
            .and(from(&browser.address))
            .then("</dd>\n</dl>\n");
        if is_here {
            return card.then("</div>\n");
        }
        card.and(form())
            .and(hidden("browser", &browser.id.to_string()))
            .then("<button class=\"quiet\">Sign it out<span class=\"hidden\">: ")
            .then_text(description)
            .then("</span></button>\n</form>\n</div>\n")
    };
    let one = Html::markup("<h2>Browsers that are signed in</h2>\n");
    one.and(Html::all(listed.iter().map(card)))
}

/// Builds the list of the tokens, if there are any.
pub(super) fn tokens(listed: &[Own], form: impl Fn() -> Html) -> Html {
    if listed.is_empty() {
        return Html::default();
    }
    let card = |token: &Own| {
        let label = if token.label.is_empty() { "without a label" } else { token.label.as_str() };
        let scopes = token.scopes.iter();
        Html::markup("<div class=\"card\">\n<p><strong>")
            .then_text(label)
            .then("</strong></p>\n<p>It may</p>\n<ul>\n")
            .and(Html::all(
                scopes.map(|scope| Html::markup("<li>").then(consent::meaning(scope)).then("</li>\n")),
            ))
            .then("</ul>\n<dl>\n<dt>Made</dt>\n<dd>")
            .and(day(token.created_at))
            .then("</dd>\n<dt>Good until</dt>\n<dd>")
            .and(day(token.expires_at))
            .then("</dd>\n</dl>\n")
            .and(form())
            .and(hidden("token", &token.id.to_string()))
            .then("<button class=\"quiet\">Revoke it<span class=\"hidden\">: ")
            .then_text(label)
            .then("</span></button>\n</form>\n</div>\n")
    };
    let shown = listed.iter().take(limits::TOKENS_SHOWN_MAX);
    let more = (listed.len() > limits::TOKENS_SHOWN_MAX).then(|| {
        Html::markup("<p class=\"hint\">There are more, made earlier; the operator of this server can list them.</p>\n")
    });
    Html::markup("<h2>Tokens from the command line</h2>\n")
        .and(Html::all(shown.map(card)))
        .and(Html::all(more))
}

/// Builds the list of what has happened, the newest first.
pub(super) fn events(listed: &[Happened], zone: &Zone) -> Html {
    let heading = Html::markup("<h2>What has happened</h2>\n");
    if listed.is_empty() {
        return heading.then("<p>Nothing since this is written down.</p>\n");
    }
    let line = |happened: &Happened| {
        let line = Html::markup("<li>").and(moment(zone, happened.at)).then("<br>\n").then(happened.words);
        let line = if happened.subject.is_empty() {
            line
        } else {
            line.then(": <strong>").then_text(&happened.subject).then("</strong>")
        };
        let line =
            if happened.times > 1 { line.then_text(&format!(", {} times", happened.times)) } else { line };
        let line = if happened.address.is_empty() {
            line.then(", by the operator on the command line")
        } else {
            line.and(from(&happened.address))
        };
        line.then("</li>\n")
    };
    heading
        .then("<ul class=\"events\">\n")
        .and(Html::all(listed.iter().map(line)))
        .then("</ul>\n<p class=\"hint\">If something here wasn't you, change your password and sign out everywhere. ")
        .then("Of several wrong tries in a row the last one is shown.</p>\n")
}

fn from(address: &str) -> Html {
    if address.is_empty() {
        return Html::default();
    }
    Html::markup(", from <code>").then_text(address).then("</code>")
}

/// Builds a moment as the clock of the person shows it.
pub(super) fn moment(zone: &Zone, at: Timestamp) -> Html {
    let text = zone.rfc3339(at);
    let shown = text.get(.."2026-07-28T09:30".len()).unwrap_or_default().replace('T', ", ");
    Html::markup("<time datetime=\"").then_text(&text).then("\">").then_text(&shown).then("</time>")
}
