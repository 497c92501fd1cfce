//! What the tools for tags do, and `whoami`.
//!
//! Knows what [`super`] knows.

use serde_json::json;

use super::{Answer, Desk, Question, ToolError, found, tag_link};
use crate::journal::{Fault, Tag, tags};
use crate::limits;
use crate::mcp::arguments::Checked;
use crate::mcp::shapes;
use crate::mcp::wording;
use crate::scope::Scope;
use crate::users;

pub(super) fn whoami(desk: &Desk, _: &Checked) -> Result<Answer, ToolError> {
    let user = users::find_own(desk.journal.store, &desk.journal.permit)?;
    let user = user.ok_or_else(|| ToolError::Told("This account no longer exists.".to_owned()))?;
    let scopes: Vec<_> = desk.scopes.iter().map(Scope::name).collect();
    Ok(Answer { text: None, links: vec![], data: json!({ "user": shapes::user(&user), "scopes": scopes }) })
}

pub(super) fn create_tag(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let (name, description) = (given.text("name").unwrap_or_default(), given.text("description"));
    let tag = tags::create(&desk.journal, name, description, desk.now)?;
    let text = format!("Tag \"{}\" created with ID {}.", tag.name, tag.id);
    Ok(one_tag(Some(text), &tag))
}

pub(super) fn get_tag(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let id = given.id("id");
    let tag = tags::find(&desk.journal, id)?.ok_or(Fault::TagNotFound(id))?;
    Ok(one_tag(None, &tag))
}

pub(super) fn list_tags(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let (limit, cursor) = (given.limit(limits::TAG_PAGE_DEFAULT), given.text("cursor"));
    let page = tags::list(&desk.journal, "tags", limit, cursor.as_deref())?;
    Ok(Answer {
        text: Some(found(page.total, page.items.len(), "tags")),
        links: page
            .items
            .iter()
            .take(limits::LINKS_MAX)
            .map(|tag| tag_link(tag.id, &tag.name, tag.updated_at))
            .collect(),
        data: shapes::page(
            "tags",
            page.items.iter().map(shapes::tag_item).collect(),
            page.total,
            page.next.as_deref(),
        ),
    })
}

pub(super) fn update_tag(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let (name, description) = (given.text("name"), given.nullable_text("description"));
    let tag = tags::update(&desk.journal, given.id("id"), name, description, desk.now)?;
    let text = format!("Tag \"{}\" (ID {}) updated.", tag.name, tag.id);
    Ok(one_tag(Some(text), &tag))
}

pub(super) fn delete_tag(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let tag = tags::delete(&desk.journal, given.id("id"), desk.shown)?;
    let text = format!("Tag \"{}\" (ID {}) deleted.", tag.name, tag.id);
    let data = json!({ "success": true, "tag": shapes::tag(&tag) });
    Ok(Answer { data, ..one_tag(Some(text), &tag) })
}

pub(super) fn ask_before_delete_tag(desk: &Desk, given: &Checked) -> Result<Question, ToolError> {
    let id = given.id("id");
    let (tag, entry_count) = tags::find_counted(&desk.journal, id)?.ok_or(Fault::TagNotFound(id))?;
    let name = wording::shown_name(&tag.name);
    let lose = match entry_count {
        0 => "No entry has it.".to_owned(),
        1 => "1 entry loses it; the entry stays.".to_owned(),
        count => format!("{count} entries lose it; the entries stay."),
    };
    let text = format!("Tag \"{}\" (ID {id}) was not deleted: the deletion was not confirmed.", tag.name);
    let data = json!({ "success": false, "tag": shapes::tag(&tag) });
    Ok(Question {
        text: format!("Delete the tag \"{name}\" (ID: {id})? {lose}"),
        shown: tag.shown(entry_count),
        declined: Answer { data, ..one_tag(Some(text), &tag) },
    })
}

fn one_tag(text: Option<String>, tag: &Tag) -> Answer {
    let link = tag_link(tag.id, &tag.name, tag.updated_at);
    Answer { text, links: vec![link], data: json!({ "tag": shapes::tag(tag) }) }
}
