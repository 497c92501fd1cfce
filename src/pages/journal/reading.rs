//! The pages that are read: a day, an entry, a tag and the list of tags, and a search.
//!
//! Changes nothing. Invariant: a page shows a bounded part of a journal ([`limits::JOURNAL_PAGE_ENTRIES`] entries, each
//! cut to [`limits::EXCERPT_CHARS_MAX`] characters, or one entry whole), and a link leads to the rest.

use super::{AFTER, Html, PageError, Place, QUERY, Visit, dates, failed, journal_page};
use crate::dates::Day;
use crate::http::response::Response;
use crate::ids::{EntryId, TagId};
use crate::journal::browse::{self, Beside, Excerpt};
use crate::journal::search::{self, Found};
use crate::journal::{
    Entry, EntryItem, Filter, JournalError, Page, Snippet, TagItem, TagName, entries, tags,
};
use crate::limits;
use crate::pages::alert;
use crate::text::counted;

/// Answers the page of a day.
pub(super) fn day(visit: &Visit, day: Day) -> Result<Response, PageError> {
    let text = Some(day.to_string());
    let filter = Filter { from: text.clone(), to: text, ..Filter::default() };
    let page = list(visit, &filter)?;
    let beside = browse::beside_day(&visit.entries(), day).map_err(failed)?;
    let place = Place::Day(day);
    let entries = if page.total == 0 {
        Html::markup("<p>Nothing is written about this day.</p>\n")
    } else {
        excerpts(&page, place)
    };
    let write = format!("{}?date={day}", Place::New.path());
    let body = neighbours(&beside)
        .and(entries)
        .then("<p><a href=\"")
        .then_text(&write)
        .then("\">Write about this day</a></p>\n")
        .and(Place::Month(day).link(&format!("The calendar of {}", dates::month(day))));
    Ok(journal_page(200, &dates::weekday_and_day(day), place, body))
}

/// Builds the links to the days before and after that were written about.
fn neighbours(beside: &Beside) -> Html {
    if beside.before.is_none() && beside.after.is_none() {
        return Html::default();
    }
    let link = |day: Option<Day>, before: &'static str, after: &'static str| {
        let link = |day: Day| {
            let link = Html::markup("<li>").and(Place::Day(day).open_link()).then(before);
            link.then_text(&dates::day(day)).then(after).then("</a></li>\n")
        };
        Html::all(day.map(link))
    };
    Html::markup("<nav aria-label=\"Days with entries\">\n<ul class=\"ends\">\n")
        .and(link(beside.before, "← ", ""))
        .and(link(beside.after, "", " →"))
        .then("</ul>\n</nav>\n")
}

/// Answers the page of an entry.
pub(super) fn entry(visit: &Visit, id: EntryId) -> Result<Response, PageError> {
    let found = entries::find(&visit.entries(), id).map_err(failed)?;
    let entry = found.ok_or_else(|| failed(JournalError::EntryNotFound(id)))?;
    let (zone, _) = browse::today(&visit.entries(), visit.context.now).map_err(failed)?;
    let changed = (entry.updated_at != entry.created_at)
        .then(|| row("Changed last", dates::moment(entry.updated_at, &zone)));
    let body = Html::markup("<p>")
        .and(dates::entry_date(&entry.date))
        .then("</p>\n")
        .and(text(&entry.content))
        .then("<h2>About this entry</h2>\n<dl>\n")
        .and(labels(&entry))
        .and(row("Written", dates::moment(entry.created_at, &zone)))
        .and(Html::all(changed))
        .then("</dl>\n<p class=\"choice\"><a class=\"button\" href=\"")
        .then_text(&Place::Edit(id).path())
        .then("\">Change</a> <a class=\"button\" href=\"")
        .then_text(&Place::Delete(id).path())
        .then("\">Delete</a></p>\n");
    Ok(journal_page(200, &title(&entry.title), Place::Entry(id), body))
}

/// Builds what else is known of an entry, each as a name and a value.
pub(super) fn labels(entry: &Entry) -> Html {
    let label = |name, value: &Option<String>| {
        Html::all(
            value.as_deref().filter(|value| !value.is_empty()).map(|value| row(name, Html::text(value))),
        )
    };
    let tags = (!entry.tags.is_empty()).then(|| row("Tags", Html::all(separated(&entry.tags))));
    let kept = match (entry.is_favorite, entry.is_private) {
        (true, true) => "favorite, private",
        (true, false) => "favorite, not private",
        (false, true) => "private",
        (false, false) => "not private",
    };
    Html::all(tags)
        .and(label("Mood", &entry.mood))
        .and(label("Place", &entry.location))
        .and(label("Weather", &entry.weather))
        .and(row("Marked as", Html::text(kept)))
}

fn separated(tags: &[TagName]) -> impl Iterator<Item = Html> {
    tags.iter().enumerate().map(|(number, TagName { id, name })| {
        let comma = Html::markup(if number == 0 { "" } else { ", " });
        comma.and(Place::Tag(*id).open_link()).then_text(name).then("</a>")
    })
}

fn row(name: &'static str, value: Html) -> Html {
    Html::markup("<dt>").then(name).then("</dt>\n<dd dir=\"auto\">").and(value).then("</dd>\n")
}

/// Builds a text as it was written: an empty line ends a paragraph, and within one every blank and every line end is
/// kept. Each paragraph has the direction of its own letters.
pub(super) fn text(content: &str) -> Html {
    // A text from another system may end its lines in another way. A return alone would be shown as something that
    // can't be seen.
    let content = content.replace("\r\n", "\n").replace('\r', "\n");
    let paragraphs = content.split("\n\n");
    let paragraphs = paragraphs.map(|text| Html::markup("<p dir=\"auto\">").then_text(text).then("</p>\n"));
    Html::markup("<div class=\"text\">\n").and(Html::all(paragraphs)).then("</div>\n")
}

/// Returns a title, or what stands for one of which nothing is seen.
pub(super) fn title(title: &str) -> String {
    if title.trim().is_empty() { "(without a title)".to_owned() } else { title.to_owned() }
}

/// Answers the list of the tags.
pub(super) fn tags(visit: &Visit) -> Result<Response, PageError> {
    let query = visit.query()?;
    let list = |cursor| tags::list(&visit.tags(), "the page of the tags", limits::TAG_PAGE_DEFAULT, cursor);
    let page = list(query.get(AFTER)).map_err(failed)?;
    let item = |tag: &TagItem| {
        Html::markup("<li>")
            .and(Place::Tag(tag.id).open_link())
            .then_text(&tag.name)
            .then("</a> <span class=\"hint\">")
            .then_text(&counted(tag.entry_count, "entry", "entries"))
            .then("</span></li>\n")
    };
    let body = if page.items.is_empty() {
        Html::markup("<p>You have no tags.</p>\n")
    } else {
        let items = Html::all(page.items.iter().map(item));
        Html::markup("<ul>\n").and(items).then("</ul>\n").and(Place::Tags.link_to_rest(
            &[],
            page.next.as_deref(),
            "More tags",
        ))
    };
    Ok(journal_page(200, "Tags", Place::Tags, body))
}

/// Answers the page of a tag.
pub(super) fn tag(visit: &Visit, id: TagId) -> Result<Response, PageError> {
    let found = tags::find(&visit.tags(), id).map_err(failed)?;
    let tag = found.ok_or_else(|| failed(JournalError::TagNotFound(id)))?;
    let page = list(visit, &Filter { tag_ids: vec![id], ..Filter::default() })?;
    let description =
        tag.description.map(|text| Html::markup("<p dir=\"auto\">").then_text(&text).then("</p>\n"));
    let body = Html::all(description)
        .then("<p>")
        .then_text(&counted(page.total, "entry", "entries"))
        .then("</p>\n")
        .and(excerpts(&page, Place::Tag(id)));
    Ok(journal_page(200, &format!("Tag: {}", tag.name), Place::Tag(id), body))
}

/// Answers the page of a search. Without a query it is the form alone.
pub(super) fn search(visit: &Visit) -> Result<Response, PageError> {
    let query = visit.query()?;
    let wanted = query.get(QUERY).unwrap_or_default();
    let (status, found) = if wanted.trim().is_empty() {
        (200, Html::default())
    } else if wanted.chars().count() > limits::QUERY_CHARS_MAX {
        (400, alert(&format!("A search can have at most {} characters.", limits::QUERY_CHARS_MAX)))
    } else {
        let (limit, cursor) = (limits::JOURNAL_PAGE_ENTRIES, query.get(AFTER));
        match search::search(&visit.entries(), wanted, &Filter::default(), limit, cursor) {
            Ok((page, looked_for)) => (200, results(wanted, &looked_for, &page)),
            Err(JournalError::Store(error)) => return Err(error.into()),
            // Each of the others is about what was typed, or about the link that was followed.
            Err(error) => (400, alert(&format!("{error} {}", remedy(&error)))),
        }
    };
    let form = Html::markup("<form method=\"get\" role=\"search\" action=\"")
        .then_text(&Place::Search.path())
        .then("\">\n<p><label for=\"q\">Look for</label>\n<span class=\"row\"><input id=\"q\" name=\"")
        .then(QUERY)
        .then("\" type=\"search\" required value=\"")
        .and(Html::exact(wanted))
        .then("\">\n<button>Search</button></span></p>\n<p class=\"hint\">An entry must have every word. ")
        .then("<code>\"a phrase\"</code> finds these words in this order, <code>word*</code> what begins so, and ")
        .then("<code>-word</code> leaves out entries with the word.</p>\n</form>\n");
    Ok(journal_page(status, "Search", Place::Search, form.and(found)))
}

/// Builds the list of what was found. `looked_for` says the search in words, as it was understood.
fn results(wanted: &str, looked_for: &str, page: &Page<Found>) -> Html {
    let said = match page.total {
        0 => format!("Nothing was found for {looked_for}."),
        total => format!("Found {} for {looked_for}.", counted(total, "entry", "entries")),
    };
    let items = page.items.iter().map(|found| item(&found.entry, Place::Search, marked(&found.snippet)));
    Html::markup("<p role=\"status\">")
        .then_text(&said)
        .then("</p>\n")
        .and(Html::all(items))
        .and(Place::Search.link_to_rest(&[(QUERY, wanted)], page.next.as_deref(), "More entries"))
}

/// Builds a snippet, with what matched marked.
fn marked(snippet: &Snippet) -> Html {
    let piece = |(text, is_match): (&str, bool)| {
        let text = Html::text(&text.replace('\r', ""));
        if is_match { Html::markup("<mark>").and(text).then("</mark>") } else { text }
    };
    Html::all(snippet.pieces().map(piece))
}

/// Reads the part of a list that the query of the page asks for.
fn list(visit: &Visit, filter: &Filter) -> Result<Page<Excerpt>, PageError> {
    let query = visit.query()?;
    let limit = limits::JOURNAL_PAGE_ENTRIES;
    browse::list(&visit.entries(), filter, limit, query.get(AFTER)).map_err(failed)
}

fn excerpts(page: &Page<Excerpt>, place: Place) -> Html {
    let excerpt = |Excerpt { entry, text }: &Excerpt| item(entry, place, Html::text(&text.replace('\r', "")));
    let items = page.items.iter().map(excerpt);
    Html::all(items).and(place.link_to_rest(&[], page.next.as_deref(), "Older entries"))
}

/// Builds an entry of a list: its title, its date, and a part of its text. The page of a day doesn't say its date
/// again.
fn item(entry: &EntryItem, place: Place, text: Html) -> Html {
    let EntryItem { id, title: named, tag_count, mood, is_favorite, date, .. } = entry;
    let mood = mood.as_deref().filter(|mood| !mood.is_empty());
    let when = if place == Place::Day(date.day) {
        date.time.as_ref().map(dates::time_of_day)
    } else {
        Some(dates::entry_date(date))
    };
    let facts = [
        when,
        mood.map(Html::text),
        is_favorite.then(|| Html::markup("favorite")),
        (*tag_count > 0).then(|| Html::text(&counted(*tag_count, "tag", "tags"))),
    ];
    let facts = facts
        .into_iter()
        .flatten()
        .enumerate()
        .map(|(number, fact)| Html::markup(if number == 0 { "" } else { " · " }).and(fact));
    Html::markup("<article class=\"card\">\n<h2 dir=\"auto\">")
        .and(Place::Entry(*id).open_link())
        .then_text(&title(named))
        .then("</a></h2>\n<p class=\"hint\">")
        .and(Html::all(facts))
        .then("</p>\n<p dir=\"auto\">")
        .and(text)
        .then("</p>\n</article>\n")
}

/// Says what a person can do about a search that was refused.
fn remedy(error: &JournalError) -> &'static str {
    match error {
        JournalError::OnlyExclusions => "Add a word that the entries have.",
        JournalError::EmptyQuery => "Type a word, a number or a sign.",
        JournalError::TooManyTerms => "Leave some of them out.",
        _ => "Search again.",
    }
}
