//! The tools that look back: over the whole journal, and at one day of the year.
//!
//! Knows no SQL, no sockets and no token.

use super::{Answer, Link, ToolContext, ToolError, entries, entry_link, found};
use crate::journal::EntryItem;
use crate::journal::overview::{self, OnThisDay, Overview, Run};
use crate::json_text::JsonText;
use crate::limits;
use crate::mcp::arguments::Checked;
use crate::mcp::shapes;
use crate::scope::EntriesRead;
use crate::text::counted;

/// The page shows the beginning of each text, so that a model can tell what happened then without a call for each
/// entry.
pub(super) fn on_this_day(context: &ToolContext<EntriesRead>, given: &Checked) -> Result<Answer, ToolError> {
    // Of a date-time the day counts, as the person who named it had it.
    let day = entries::date(given)?.map(|date| date.day);
    let remembered = overview::on_this_day(&context.journal, day, context.now)?;
    let OnThisDay { day, entries, total } = &remembered;
    let what = format!("entries of earlier years for {day}");
    let links = entries.iter().take(limits::LINKS_MAX).map(|excerpt| link(&excerpt.entry));
    Ok(Answer {
        text: Some(found(*total, entries.len(), &what)),
        links: links.collect(),
        data: JsonText::of(&shapes::on_this_day(&remembered)),
    })
}

pub(super) fn journal_overview(context: &ToolContext<EntriesRead>, _: &Checked) -> Result<Answer, ToolError> {
    let overview = overview::overview(&context.journal, context.now)?;
    let ends = [&overview.last, &overview.first].into_iter().flatten();
    let mut links: Vec<_> = ends.map(link).collect();
    links.truncate(overview.total.clamp(0, 2) as usize); // the only entry is the first and the last
    Ok(Answer { text: Some(summary(&overview)), links, data: JsonText::of(&shapes::overview(&overview)) })
}

fn link(entry: &EntryItem) -> Link {
    entry_link(entry.id, &entry.title, entry.updated_at)
}

/// Says the most important numbers in a sentence each.
fn summary(overview: &Overview) -> String {
    let Overview { today, total, first, last, days, tags_left_out, .. } = overview;
    let (Some(first), Some(last)) = (first, last) else {
        return format!("The journal has no entry yet. Today is {today}.");
    };
    let mut text = format!(
        "The journal has {} on {}, from {} to {}. Today is {today}.",
        counted(*total, "entry", "entries"),
        counted(days.written, "day", "days"),
        first.date.day,
        last.date.day,
    );
    let run = |run: &Run| format!("{}, from {} to {}", counted(run.days, "day", "days"), run.first, run.last);
    match &days.current_run {
        Some(current) => text += &format!(" The current run is {}.", run(current)),
        None => text += " Nothing was written today or yesterday, so no run of days goes on.",
    }
    if let Some(longest) = &days.longest_run {
        text += &format!(" The longest run is {}.", run(longest));
    }
    if days.months_left_out > 0 {
        let months = counted(days.months_left_out, "older month is", "older months are");
        text += &format!(" {months} left out here; the years count them.");
    }
    if days.years_left_out > 0 {
        let years = counted(days.years_left_out, "older year is", "older years are");
        text += &format!(" {years} left out here; list_entries shows their entries.");
    }
    if *tags_left_out > 0 {
        let tags = counted(*tags_left_out, "more tag with entries is", "more tags with entries are");
        text += &format!(" {tags} left out here; list_tags shows all.");
    }
    text
}
