//! A month as a calendar: a table whose rows are weeks, in which the days that were written about are links.
//!
//! Reads no entry, only how many there are of each day. Invariant: each day of the month stands once, below its day of
//! the week.
//!
//! Weeks begin on Monday (ISO 8601). The table is a table, with a caption and a head for each column, so a screen
//! reader says of a cell which day of the week it is.

use super::dates::{self, WEEKDAYS};
use super::{Html, MONTH, PageError, Place, Visit, failed, journal_page};
use crate::dates::Day;
use crate::http::response::Response;
use crate::journal::browse::{self, Month};
use crate::pages::alert;
use crate::text::counted;

/// Answers `/journal`: this month, in the person's time zone; or, if a month was typed, leads to that one, so that each
/// month has one address.
pub(super) fn this_month(visit: &Visit) -> Result<Response, PageError> {
    let typed = visit.query()?;
    let Some(typed) = typed.get(MONTH) else {
        let today = today(visit)?;
        return shown(visit, Place::ThisMonth, (today, today), None);
    };
    match Day::read_month(typed.trim()) {
        Ok(month) => {
            let there = Response::see_other(Place::Month(month).path());
            Ok(there.with("Cache-Control", "no-store"))
        }
        Err(_) => {
            let today = today(visit)?;
            shown(visit, Place::ThisMonth, (today, today), Some(typed))
        }
    }
}

/// Answers the page of a month.
pub(super) fn month(visit: &Visit, month: Day) -> Result<Response, PageError> {
    shown(visit, Place::Month(month), (month, today(visit)?), None)
}

fn today(visit: &Visit) -> Result<Day, PageError> {
    let (_, today) = browse::today(&visit.entries(), visit.context.now).map_err(failed)?;
    Ok(today)
}

/// Builds the page of a month. `refused` is what was typed for a month and is none.
fn shown(
    visit: &Visit,
    place: Place,
    (of, today): (Day, Day),
    refused: Option<&str>,
) -> Result<Response, PageError> {
    let month = browse::month(&visit.entries(), of).map_err(failed)?;
    let (status, message) = match refused {
        None => (200, Html::default()),
        Some(_) => (400, alert("There is no such month. Write it like 2025-01.")),
    };
    let body = message
        .and(neighbours(of))
        .and(table(of, today, &month))
        .and(summary(&month))
        .and(jump(refused.unwrap_or(&of.month_text())));
    Ok(journal_page(status, &dates::month(of), place, body))
}

/// Builds the links to the months before and after. The calendar begins in the year 1 and ends in the year 9999.
fn neighbours(of: Day) -> Html {
    let link = |day: Option<Day>, rel: &'static str, before: &'static str, after: &'static str| {
        let month = |day: Day| {
            Html::markup("<li><a rel=\"")
                .then(rel)
                .then("\" href=\"")
                .then_text(&Place::Month(day).path())
                .then("\">")
                .then(before)
                .then_text(&dates::month(day))
                .then(after)
                .then("</a></li>\n")
        };
        Html::all(day.map(month))
    };
    Html::markup("<nav aria-label=\"Months\">\n<ul class=\"ends\">\n")
        .and(link(of.month_start().previous(), "prev", "← ", ""))
        .and(link(of.month_end().next(), "next", "", " →"))
        .then("</ul>\n</nav>\n")
}

fn table(of: Day, today: Day, month: &Month) -> Html {
    let heads = WEEKDAYS.map(|(short, whole)| {
        Html::markup("<th scope=\"col\"><span aria-hidden=\"true\">")
            .then(short)
            .then("</span><span class=\"hidden\">")
            .then(whole)
            .then("</span></th>")
    });
    let first = of.month_start();
    let mut rows = Html::markup("<tr>");
    for _ in 0..first.weekday() {
        rows = rows.then("<td></td>");
    }
    let mut next = Some(first);
    while let Some(day) = next {
        if day.weekday() == 0 && day != first {
            rows = rows.then("</tr>\n<tr>");
        }
        let count = month.days.iter().find(|(written, _)| *written == day).map(|(_, count)| *count);
        rows = rows.and(cell(day, day == today, count));
        next = day.next().filter(|next| next.month() == of.month());
    }
    for _ in of.month_end().weekday()..6 {
        rows = rows.then("<td></td>");
    }
    Html::markup("<table class=\"month\">\n<caption class=\"hidden\">The days of ")
        .then_text(&dates::month(of))
        .then(", each with the number of its entries</caption>\n<thead>\n<tr>")
        .and(Html::all(heads))
        .then("</tr>\n</thead>\n<tbody>\n")
        .and(rows)
        .then("</tr>\n</tbody>\n</table>\n")
}

/// Builds the cell of a day: a link if the day was written about, with the number of its entries. What isn't seen is
/// for screen readers, which read the links out one after the other.
fn cell(day: Day, is_today: bool, count: Option<i64>) -> Html {
    let cell = Html::markup(if is_today { "<td class=\"today\" aria-current=\"date\">" } else { "<td>" });
    let number = |html: Html| html.then("<span>").then_text(&day.day_of_month().to_string()).then("</span>");
    let filled = match count {
        None => number(cell),
        Some(count) => number(cell.and(Place::Day(day).open_link()))
            .then("<span class=\"hidden\"> ")
            .then(dates::month_name(day))
            .then(": </span><small>")
            .then_text(&count.to_string())
            .then("<span class=\"hidden\">")
            .then(if count == 1 { " entry" } else { " entries" })
            .then("</span></small></a>"),
    };
    filled.then("</td>")
}

/// Says how much was written in the month; and if it was nothing, where the nearest entries are.
fn summary(month: &Month) -> Html {
    let entries: i64 = month.days.iter().map(|(_, count)| count).sum();
    if entries > 0 {
        let days = month.days.len();
        let (entries, days) = (counted(entries, "entry", "entries"), counted(days, "day", "days"));
        let text = format!("{entries} on {days}.");
        return Html::markup("<p>").then_text(&text).then("</p>\n");
    }
    let nearest = |day: Option<Day>, text: &'static str| {
        Html::all(day.map(|day| Place::Day(day).link(&format!("{text}: {}", dates::day(day)))))
    };
    Html::markup("<p>Nothing is written about this month.</p>\n")
        .and(nearest(month.beside.before, "The last day before it with an entry"))
        .and(nearest(month.beside.after, "The first day after it with an entry"))
}

/// Builds the form that leads to a month. A browser that doesn't know fields for months shows one for text.
fn jump(month: &str) -> Html {
    Html::markup("<form method=\"get\" action=\"")
        .then_text(&Place::ThisMonth.path())
        .then("\">\n<p><label for=\"month\">Go to a month <span class=\"hint\">(year and month, like 2025-01)</span>")
        .then("</label>\n<span class=\"row\"><input id=\"month\" name=\"")
        .then(MONTH)
        .then("\" type=\"month\" min=\"0001-01\" max=\"9999-12\" required value=\"")
        .then_text(month)
        .then("\">\n<button class=\"quiet\">Go</button></span></p>\n</form>\n")
}
