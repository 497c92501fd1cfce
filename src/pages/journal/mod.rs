//! The pages of a person's journal: at which paths they are, who sees them, and the frame around them.
//!
//! Knows no SQL and no token; what a page shows is in the other files of this folder. Invariant: nothing of a journal
//! is read or written before the browser's session has given its person ([`show`], [`submit`]), and then by the permit
//! that the gate makes of it.
//!
//! A page is one GET of one path, which can be kept as a bookmark: what it shows is in the path, and where a list goes
//! on is in the query. A path that isn't written as this server writes it is no page, so each page has one address.

mod calendar;
mod dates;
mod entry_form;
mod reading;
mod writing;

pub(crate) use self::writing::submit;

use super::browser_session::BrowserSession;
use super::form::Next;
use super::{Html, PageError, page_below, sign_in};
use crate::context::Context;
use crate::dates::Day;
use crate::http::response::Response;
use crate::ids::{EntryId, Id, TagId};
use crate::journal::{Journal, JournalError};
use crate::oauth::{OAuthError, Parameters};
use crate::scope::{EntriesRead, TagsRead};
use crate::sign_ins::SignedIn;
use crate::site;

/// The parameter of a list that says where it goes on.
const AFTER: &str = "after";
/// The parameter of a search that says what is looked for.
const QUERY: &str = "q";
/// The parameter by which a month is jumped to.
const MONTH: &str = "month";

/// A page of the journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// The month of today, or one that was typed.
    ThisMonth,
    /// A month, by any of its days.
    Month(Day),
    Day(Day),
    Entry(EntryId),
    New,
    Edit(EntryId),
    /// The question before an entry is deleted.
    Delete(EntryId),
    Tags,
    Tag(TagId),
    Search,
}

impl Place {
    /// Finds the page at a path.
    pub(crate) fn parse(path: &str) -> Option<Place> {
        let below = path.strip_prefix(site::JOURNAL)?;
        let parts: Vec<_> = below.split('/').collect();
        match parts[..] {
            [""] => Some(Place::ThisMonth),
            ["", "month", month] => Day::read_month(month).ok().map(Place::Month),
            ["", "day", day] => Day::read(day).ok().map(Place::Day),
            ["", "entry", number] => id(number).map(Place::Entry),
            ["", "new"] => Some(Place::New),
            ["", "entry", number, "edit"] => id(number).map(Place::Edit),
            ["", "entry", number, "delete"] => id(number).map(Place::Delete),
            ["", "tags"] => Some(Place::Tags),
            ["", "tag", number] => id(number).map(Place::Tag),
            ["", "search"] => Some(Place::Search),
            _ => None,
        }
    }

    /// Returns whether the page has a form that changes the journal.
    pub(crate) fn has_form(self) -> bool {
        matches!(self, Place::New | Place::Edit(_) | Place::Delete(_))
    }

    /// Writes the path of the page, to which its form is sent too.
    pub(super) fn path(self) -> String {
        let below = match self {
            Place::ThisMonth => String::new(),
            Place::Month(day) => format!("/month/{}", day.month_text()),
            Place::Day(day) => format!("/day/{day}"),
            Place::Entry(id) => format!("/entry/{id}"),
            Place::New => "/new".to_owned(),
            Place::Edit(id) => format!("/entry/{id}/edit"),
            Place::Delete(id) => format!("/entry/{id}/delete"),
            Place::Tags => "/tags".to_owned(),
            Place::Tag(id) => format!("/tag/{id}"),
            Place::Search => "/search".to_owned(),
        };
        format!("{}{below}", site::JOURNAL)
    }

    /// Opens a link to the page. The text of the link, and its end, follow.
    fn open_link(self) -> Html {
        Html::markup("<a href=\"").then_text(&self.path()).then("\">")
    }

    /// Builds a link to the page, in a paragraph of its own.
    fn link(self, text: &str) -> Html {
        Html::markup("<p>").and(self.open_link()).then_text(text).then("</a></p>\n")
    }

    /// Builds the link to the rest of the page's list; `query` is what else the list depends on.
    fn link_to_rest(self, query: &[(&str, &str)], cursor: Option<&str>, text: &str) -> Html {
        let Some(cursor) = cursor else { return Html::default() };
        let mut written = form_urlencoded::Serializer::new(format!("{}?", self.path()));
        let query = written.extend_pairs(query).append_pair(AFTER, cursor).finish();
        Html::markup("<p><a href=\"").then_text(&query).then("\">").then_text(text).then("</a></p>\n")
    }
}

/// Reads an id as a path has it: digits without a zero in front, so that each row has one path.
fn id<Of>(text: &str) -> Option<Id<Of>> {
    let is_written_so = text.starts_with(|first: char| ('1'..='9').contains(&first))
        && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_written_so).map(Id::new)
}

/// Returns whether this is the path of a page here, perhaps with a query.
pub(super) fn is_page(path_and_query: &str) -> bool {
    Place::parse(path_and_query.split('?').next().unwrap_or_default()).is_some()
}

/// A person at a page of their journal.
struct Visit<'a> {
    context: &'a Context<'a>,
    session: &'a BrowserSession,
    person: SignedIn,
}

impl<'a> Visit<'a> {
    fn entries(&self) -> Journal<'a, EntriesRead> {
        self.context.app.journal_for_page(&self.person)
    }

    fn tags(&self) -> Journal<'a, TagsRead> {
        self.context.app.journal_for_page(&self.person)
    }

    /// Reads the query of the page's URL.
    fn query(&self) -> Result<Parameters, PageError> {
        let query = self.context.head.query().unwrap_or("");
        Parameters::parse(query.as_bytes()).map_err(PageError::Fields)
    }
}

/// Answers a GET of a page. A person who isn't signed in gets the sign-in form in its place, whatever the page, and
/// comes back to it.
///
/// The pages of the journal and the account page share a bound for each person. It is not that of `/mcp`, so the
/// person's programs can't keep them from their journal.
#[inline(never)] // see `log::write`
pub(crate) fn show(context: &Context, place: Option<Place>) -> Result<Response, PageError> {
    let place = place.ok_or(PageError::NotFound("This journal has no such page."))?;
    let session = BrowserSession::find_or_begin(context)?;
    let Some(person) = session.person() else {
        let query = context.head.query().map(|query| format!("?{query}")).unwrap_or_default();
        let asked = format!("{}{query}", context.head.path());
        context.log.set_outcome("asked-to-sign-in");
        return sign_in::first_page(context, &session, Next::Journal(&asked));
    };
    let shares = &context.app.page_shares;
    let share = shares.take(person.user_id(), 0).map_err(|_| PageError::TooManyRequests)?;
    let visit = Visit { context, session: &session, person };
    let response = match place {
        Place::ThisMonth => calendar::this_month(&visit),
        Place::Month(month) => calendar::month(&visit, month),
        Place::Day(day) => reading::day(&visit, day),
        Place::Entry(id) => reading::entry(&visit, id),
        Place::New => writing::new_entry(&visit),
        Place::Edit(id) => writing::edit(&visit, id),
        Place::Delete(id) => writing::ask_to_delete(&visit, id),
        Place::Tags => reading::tags(&visit),
        Place::Tag(id) => reading::tag(&visit, id),
        Place::Search => reading::search(&visit),
    };
    Ok(response?.keeping(share))
}

/// Builds a page of the journal: below the links that each of them has.
fn journal_page(status: u16, title: &str, place: Place, body: Html) -> Response {
    let item = |to: Place, text: &'static str| {
        let current = if to == place { " aria-current=\"page\"" } else { "" };
        Html::markup("<li><a href=\"")
            .then_text(&to.path())
            .then("\"")
            .then(current)
            .then(">")
            .then(text)
            .then("</a></li>\n")
    };
    let links = Html::markup("<nav aria-label=\"Journal\">\n<ul>\n")
        .and(item(Place::ThisMonth, "Calendar"))
        .and(item(Place::New, "Write"))
        .and(item(Place::Tags, "Tags"))
        .and(item(Place::Search, "Search"))
        .then("<li><a href=\"")
        .then(site::ACCOUNT)
        .then("\">Your account</a></li>\n</ul>\n</nav>\n");
    page_below(links, status, title, body)
}

/// Builds the error of a page whose journal can't be read. `routes` renders it.
fn failed(error: JournalError) -> PageError {
    match error {
        JournalError::Store(error) => error.into(),
        JournalError::EntryNotFound(_) => PageError::NotFound("You have no such entry."),
        JournalError::TagNotFound(_) => PageError::NotFound("You have no such tag."),
        // The page builds the rest of what it asks for.
        _ => PageError::Fields(OAuthError::Malformed(AFTER)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_each_page_one_path() {
        for path in [
            "/journal",
            "/journal/month/2025-01",
            "/journal/day/2024-02-29",
            "/journal/entry/7",
            "/journal/new",
            "/journal/entry/7/edit",
            "/journal/entry/7/delete",
            "/journal/tags",
            "/journal/tag/9223372036854775807",
            "/journal/search",
        ] {
            assert_eq!(Place::parse(path).map(Place::path).as_deref(), Some(path));
            assert!(is_page(path) && is_page(&format!("{path}?after=x?y")), "{path}");
        }
        for path in [
            "/",
            "/journals",
            "/journal/",
            "/Journal",
            "/journal/month",
            "/journal/month/2025-1",
            "/journal/month/2025-13",
            "/journal/month/0000-12",
            "/journal/month/2025-01-01",
            "/journal/month/2025-01/",
            "/journal/day/2025-02-29",
            "/journal/day/2025-02-28T00:00:00Z",
            "/journal/day/٢٠٢٥-01-01",
            "/journal/entry/0",
            "/journal/entry/07",
            "/journal/entry/+7",
            "/journal/entry/-7",
            "/journal/entry/7.0",
            "/journal/entry/9223372036854775808",
            "/journal/entry/",
            "/journal/entry/7/",
            "/journal/entry/07/edit",
            "/journal/entry/edit",
            "/journal/new/edit",
            "/journal/tag/x",
            "/journal/search/x",
            "//journal",
        ] {
            assert_eq!(Place::parse(path), None, "{path}");
        }
    }
}
