//! The tools for entries: from checked arguments to the journal, and from its rows to an answer.
//!
//! Knows no SQL, no sockets and no token, and not how the client asks a person. The type of the context says which
//! scope a tool has: a function of [`EntriesRead`] is given no journal that it could change.

use super::{
    Answer, Confirmable, Confirmation, DELETE_IT, Link, NOT_CONFIRMED, TAG_NAMES, ToolContext, ToolError,
    entry_link, found, tag_link,
};
use crate::dates::EntryDate;
use crate::journal::entries::{self, EntryChange, NewEntry, TagsToAttach, Written};
use crate::journal::{Entry, Filter, JournalError, Tag, search};
use crate::json_text::{self, JsonText};
use crate::limits;
use crate::mcp::arguments::Checked;
use crate::mcp::shapes;
use crate::scope::{EntriesRead, EntriesWrite};
use crate::text;

pub(super) fn create_entry(
    context: &ToolContext<EntriesWrite>,
    given: &Checked,
) -> Result<Answer, ToolError> {
    let new = NewEntry {
        title: given.text("title").unwrap_or_default(),
        content: given.text("content").unwrap_or_default(),
        mood: given.text("mood"),
        location: given.text("location"),
        weather: given.text("weather"),
        is_private: given.flag("isPrivate").unwrap_or(true),
        is_favorite: given.flag("isFavorite").unwrap_or(false),
        date: date(given)?,
        tags: tags_to_attach(context, given),
    };
    let Written { entry, new_tags } = entries::create(&context.journal, new, context.now)?;
    let text = format!("Entry \"{}\" created with ID {}.", entry.title, entry.id);
    Ok(one_entry(Some(text + &made(&new_tags)), &entry))
}

pub(super) fn get_entry(context: &ToolContext<EntriesRead>, given: &Checked) -> Result<Answer, ToolError> {
    let id = given.id("id");
    let entry = entries::find(&context.journal, id)?.ok_or(JournalError::EntryNotFound(id))?;
    Ok(one_entry(None, &entry))
}

/// The page shows every row in its data, and links the first few alone ([`limits::LINKS_MAX`]): clients show each
/// link to the person.
pub(super) fn list_entries(context: &ToolContext<EntriesRead>, given: &Checked) -> Result<Answer, ToolError> {
    let (filter, limit) = (filter(given), given.limit(limits::LIST_PAGE_DEFAULT));
    let cursor = given.text("cursor");
    let page = entries::list(&context.journal, &filter, limit, cursor.as_deref())?;
    let unknown = entries::unknown_tags(&context.journal, &filter)?;
    let text = found(page.total, page.items.len(), "entries") + &without_tag(&unknown);
    let data = JsonText::of(&shapes::page("entries", &page, shapes::entry_item));
    let links = page.items.into_iter().take(limits::LINKS_MAX);
    let links = links.map(|entry| entry_link(entry.id, entry.title, entry.updated_at)).collect();
    Ok(Answer { text: Some(text), links, data })
}

/// Searches the caller's entries by `query` and the filter, for the tool `search_entries`. Returns one page of the
/// entries found, links to the first of them, and how many there are in all. Fails if the query has no word to search
/// for or more terms than allowed, if a date of the filter can't be read, if the cursor isn't one of this search, or
/// if the database fails.
pub(super) fn search_entries(
    context: &ToolContext<EntriesRead>,
    given: &Checked,
) -> Result<Answer, ToolError> {
    let (filter, limit) = (filter(given), given.limit(limits::SEARCH_PAGE_DEFAULT));
    let (query, cursor) = (given.text("query").unwrap_or_default(), given.text("cursor"));
    let (page, looked_for) = search::search(&context.journal, &query, &filter, limit, cursor.as_deref())?;
    let mut text = found(page.total, page.items.len(), "entries");
    if page.total == 0 {
        // So that a model sees how its query was read.
        text += &format!(" No entry that passes the filters has {looked_for}.");
    }
    text += &without_tag(&entries::unknown_tags(&context.journal, &filter)?);
    let links = page.items.iter().take(limits::LINKS_MAX).map(|found| &found.entry);
    Ok(Answer {
        text: Some(text),
        links: links.map(|entry| entry_link(entry.id, &entry.title, entry.updated_at)).collect(),
        data: JsonText::of(&shapes::page("entries", &page, shapes::found)),
    })
}

pub(super) fn update_entry(
    context: &ToolContext<EntriesWrite>,
    given: &Checked,
) -> Result<Answer, ToolError> {
    let (content, append) = (given.text("content"), given.text("append"));
    if content.is_some() && append.is_some() {
        // Either order of the two would be a guess.
        let text = "Give content or append, not both: content replaces the text, append adds to it. Nothing was changed.";
        return Err(ToolError::Rejected(text.to_owned()));
    }
    let change = EntryChange {
        title: given.text("title"),
        content,
        append,
        mood: given.nullable_text("mood"),
        location: given.nullable_text("location"),
        weather: given.nullable_text("weather"),
        is_private: given.flag("isPrivate"),
        is_favorite: given.flag("isFavorite"),
        date: date(given)?,
        tags: tags_to_attach(context, given),
        ..EntryChange::default()
    };
    let written = entries::update(&context.journal, given.id("id"), change, context.now)?;
    let Written { entry, new_tags } = written;
    let text = format!("Entry \"{}\" (ID {}) updated.", entry.title, entry.id);
    Ok(one_entry(Some(text + &made(&new_tags)), &entry))
}

/// The answer holds the entry that was deleted. It can't be read afterwards, and the person may want to know what
/// it was.
pub(super) fn delete_entry(
    context: &ToolContext<EntriesWrite>,
    given: &Checked,
) -> Result<Answer, ToolError> {
    let entry = entries::delete(&context.journal, given.id("id"), context.confirmed)?;
    let text = format!("Entry \"{}\" (ID {}) deleted.", entry.title, entry.id);
    let data = JsonText::of(&shapes::deletion("entry", shapes::entry(&entry), None));
    Ok(Answer { data, ..one_entry(Some(text), &entry) })
}

/// The question before [`delete_entry`]. If there is no such entry, there is no question.
///
/// The title is cleaned for the question and nowhere else. A person decides by this sentence, and a title with
/// invisible or turning characters could make it read as a question about another entry.
pub(super) fn confirm_delete_entry(
    context: &ToolContext<EntriesWrite>,
    given: &Checked,
) -> Result<Confirmable, ToolError> {
    let id = given.id("id");
    let entry = entries::find_to_confirm(&context.journal, id)?.ok_or(JournalError::EntryNotFound(id))?;
    let title = text::displayable_name(&entry.title);
    let text = format!("Entry \"{}\" (ID {id}) was not deleted: {NOT_CONFIRMED}.", entry.title);
    let data = JsonText::of(&shapes::deletion("entry", shapes::entry(&entry), Some(NOT_CONFIRMED)));
    Ok(Confirmable {
        confirmation: Confirmation {
            text: format!("Delete the entry \"{title}\" (ID: {id})?"),
            agreement: DELETE_IT,
            row: entry.digest(),
        },
        declined: Answer { text: Some(text), links: vec![], data },
    })
}

pub(super) fn add_tag_to_entry(
    context: &ToolContext<EntriesWrite>,
    given: &Checked,
) -> Result<Answer, ToolError> {
    let (entry_id, tag_id) = (given.id("entryId"), given.id("tagId"));
    let (link, entry, tag) = entries::attach(&context.journal, entry_id, tag_id, context.now)?;
    let text = format!(
        "Tag \"{}\" (ID {}) is attached to entry \"{}\" (ID {}).",
        tag.name, tag.id, entry.title, entry.id
    );
    let data = JsonText::of(&json_text::object(|out| {
        out.member("success", true);
        out.member("entryTag", shapes::entry_tag(&link));
    }));
    Ok(Answer { text: Some(text), links: both_links(&entry, &tag), data })
}

pub(super) fn remove_tag_from_entry(
    context: &ToolContext<EntriesWrite>,
    given: &Checked,
) -> Result<Answer, ToolError> {
    let (entry_id, tag_id) = (given.id("entryId"), given.id("tagId"));
    let (removed, entry, tag) = entries::detach(&context.journal, entry_id, tag_id)?;
    let done = if removed { "was removed from" } else { "was not attached to" };
    let text =
        format!("Tag \"{}\" (ID {}) {done} entry \"{}\" (ID {}).", tag.name, tag.id, entry.title, entry.id);
    let data = JsonText::of(&json_text::object(|out| {
        out.member("success", true);
        out.member("removed", removed);
    }));
    Ok(Answer { text: Some(text), links: both_links(&entry, &tag), data })
}

/// The tags that a call gives to an entry, by their ids and by their names.
fn tags_to_attach(context: &ToolContext<EntriesWrite>, given: &Checked) -> TagsToAttach {
    TagsToAttach { ids: given.ids("tags"), names: given.names(TAG_NAMES), may_make: context.may_make_tags }
}

/// Says which tags a call has made: a model that has misspelt the name of a tag can see it here.
fn made(new_tags: &[String]) -> String {
    match new_tags {
        [] => String::new(),
        [one] => format!(" The tag {} is new.", quoted(one)),
        several => format!(" These tags are new: {}.", listed(several)),
    }
}

/// Says which of a filter's names no tag has: otherwise a model that has misspelt one would take it that no entry has
/// the tag.
fn without_tag(unknown: &[String]) -> String {
    match unknown {
        [] => String::new(),
        [one] => format!(" There is no tag named {}.", quoted(one)),
        several => format!(" There are no tags named {}.", listed(several)),
    }
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", text::displayable_name(name))
}

/// The date in a call.
pub(super) fn date(given: &Checked) -> Result<Option<EntryDate>, ToolError> {
    let Some(text) = given.text("date") else { return Ok(None) };
    // The check of the arguments knows the form of a date, and not the calendar.
    EntryDate::read(&text).map(Some).map_err(|_| {
        ToolError::Rejected(format!("There is no date or date-time {text:?}. date must be one that exists."))
    })
}

/// The filter arguments that `list_entries` and `search_entries` share.
fn filter(given: &Checked) -> Filter {
    Filter {
        tag_ids: given.ids("tagIds"),
        tag_names: given.names(TAG_NAMES),
        all_tags: given.text("tagMode").as_deref() == Some("all"),
        from: given.text("from"),
        to: given.text("to"),
        mood: given.text("mood"),
        location: given.text("location"),
        weather: given.text("weather"),
        is_private: given.flag("isPrivate"),
        is_favorite: given.flag("isFavorite"),
    }
}

fn one_entry(text: Option<String>, entry: &Entry) -> Answer {
    let link = entry_link(entry.id, &entry.title, entry.updated_at);
    let data = JsonText::of(&json_text::object(|out| out.member("entry", shapes::entry(entry))));
    Answer { text, links: vec![link], data }
}

fn both_links(entry: &Entry, tag: &Tag) -> Vec<Link> {
    let tag_link = tag_link(tag.id, &tag.name, tag.updated_at);
    vec![tag_link, entry_link(entry.id, &entry.title, entry.updated_at)]
}
