//! What the tools for entries do.
//!
//! Knows what [`super`] knows.

use serde_json::{Value, json};

use super::{Answer, Desk, Question, ToolError, entry_link, found, tag_link};
use crate::journal::entries::{self, EntryChange, Filter, NewEntry};
use crate::journal::{Entry, Fault, Tag, search};
use crate::limits;
use crate::mcp::arguments::Checked;
use crate::mcp::shapes;
use crate::mcp::wording;

pub(super) fn create_entry(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let new = NewEntry {
        title: given.text("title").unwrap_or_default(),
        content: given.text("content").unwrap_or_default(),
        mood: given.text("mood"),
        location: given.text("location"),
        weather: given.text("weather"),
        is_private: given.flag("isPrivate").unwrap_or(true),
        is_favorite: given.flag("isFavorite").unwrap_or(false),
        tag_ids: given.ids("tags"),
    };
    let entry = entries::create(&desk.journal, new, desk.now)?;
    let text = format!("Entry \"{}\" created with ID {}.", entry.title, entry.id);
    Ok(one_entry(Some(text), &entry))
}

pub(super) fn get_entry(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let id = given.id("id");
    let entry = entries::find(&desk.journal, id)?.ok_or(Fault::EntryNotFound(id))?;
    Ok(one_entry(None, &entry))
}

pub(super) fn list_entries(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let (filter, limit) = (filter(given), given.limit(limits::LIST_PAGE_DEFAULT));
    let cursor = given.text("cursor");
    let page = entries::list(&desk.journal, &filter, limit, cursor.as_deref())?;
    let links = page.items.iter().take(limits::LINKS_MAX);
    Ok(Answer {
        text: Some(found(page.total, page.items.len(), "entries")),
        links: links.map(|entry| entry_link(entry.id, &entry.title, entry.updated_at)).collect(),
        data: shapes::page(
            "entries",
            page.items.iter().map(shapes::entry_item).collect(),
            page.total,
            page.next.as_deref(),
        ),
    })
}

pub(super) fn search_entries(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let (filter, limit) = (filter(given), given.limit(limits::SEARCH_PAGE_DEFAULT));
    let (query, cursor) = (given.text("query").unwrap_or_default(), given.text("cursor"));
    let page = search::search(&desk.journal, &query, &filter, limit, cursor.as_deref())?;
    let links = page.items.iter().take(limits::LINKS_MAX).map(|found| &found.entry);
    Ok(Answer {
        text: Some(found(page.total, page.items.len(), "entries")),
        links: links.map(|entry| entry_link(entry.id, &entry.title, entry.updated_at)).collect(),
        data: shapes::page(
            "entries",
            page.items.iter().map(shapes::found).collect(),
            page.total,
            page.next.as_deref(),
        ),
    })
}

pub(super) fn update_entry(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let change = EntryChange {
        title: given.text("title"),
        content: given.text("content"),
        mood: given.nullable_text("mood"),
        location: given.nullable_text("location"),
        weather: given.nullable_text("weather"),
        is_private: given.flag("isPrivate"),
        is_favorite: given.flag("isFavorite"),
    };
    let entry = entries::update(&desk.journal, given.id("id"), change, desk.now)?;
    let text = format!("Entry \"{}\" (ID {}) updated.", entry.title, entry.id);
    Ok(one_entry(Some(text), &entry))
}

pub(super) fn delete_entry(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let entry = entries::delete(&desk.journal, given.id("id"), desk.shown)?;
    let text = format!("Entry \"{}\" (ID {}) deleted.", entry.title, entry.id);
    let data = json!({ "success": true, "entry": shapes::entry(&entry) });
    Ok(Answer { data, ..one_entry(Some(text), &entry) })
}

pub(super) fn ask_before_delete_entry(desk: &Desk, given: &Checked) -> Result<Question, ToolError> {
    let id = given.id("id");
    let entry = entries::find(&desk.journal, id)?.ok_or(Fault::EntryNotFound(id))?;
    let title = wording::shown_name(&entry.title);
    let text =
        format!("Entry \"{}\" (ID {id}) was not deleted: the deletion was not confirmed.", entry.title);
    let data = json!({ "success": false, "entry": shapes::entry(&entry) });
    Ok(Question {
        text: format!("Delete the entry \"{title}\" (ID: {id})?"),
        shown: entry.shown(),
        declined: Answer { text: Some(text), links: vec![], data },
    })
}

pub(super) fn add_tag_to_entry(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let (entry_id, tag_id) = (given.id("entryId"), given.id("tagId"));
    let (link, entry, tag) = entries::attach(&desk.journal, entry_id, tag_id, desk.now)?;
    let text = format!(
        "Tag \"{}\" (ID {}) is attached to entry \"{}\" (ID {}).",
        tag.name, tag.id, entry.title, entry.id
    );
    let data = json!({ "success": true, "entryTag": shapes::entry_tag(&link) });
    Ok(Answer { text: Some(text), links: both_links(&entry, &tag), data })
}

pub(super) fn remove_tag_from_entry(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let (entry_id, tag_id) = (given.id("entryId"), given.id("tagId"));
    let (removed, entry, tag) = entries::detach(&desk.journal, entry_id, tag_id)?;
    let done = if removed { "was removed from" } else { "was not attached to" };
    let text =
        format!("Tag \"{}\" (ID {}) {done} entry \"{}\" (ID {}).", tag.name, tag.id, entry.title, entry.id);
    let data = json!({ "success": true, "removed": removed });
    Ok(Answer { text: Some(text), links: both_links(&entry, &tag), data })
}

fn filter(given: &Checked) -> Filter {
    Filter {
        tag_ids: given.ids("tagIds"),
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
    Answer { text, links: vec![link], data: json!({ "entry": shapes::entry(entry) }) }
}

fn both_links(entry: &Entry, tag: &Tag) -> Vec<Value> {
    let tag_link = tag_link(tag.id, &tag.name, tag.updated_at);
    vec![tag_link, entry_link(entry.id, &entry.title, entry.updated_at)]
}
