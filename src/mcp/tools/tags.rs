//! The tools for tags: from checked arguments to the journal, and from its rows to an answer.
//!
//! Knows no SQL, no sockets and no token, and not how the client asks a person.

use super::{Answer, Confirmable, Confirmation, NOT_CONFIRMED, ToolContext, ToolError, found, tag_link};
use crate::journal::{JournalError, Tag, tags};
use crate::json_text::{self, JsonText};
use crate::limits;
use crate::mcp::arguments::Checked;
use crate::mcp::shapes;
use crate::scope::{TagsRead, TagsWrite};
use crate::text;

pub(super) fn create_tag(context: &ToolContext<TagsWrite>, given: &Checked) -> Result<Answer, ToolError> {
    let (name, description) = (given.text("name").unwrap_or_default(), given.text("description"));
    let tag = tags::create(&context.journal, name, description, context.now)?;
    let text = format!("Tag \"{}\" created with ID {}.", tag.name, tag.id);
    Ok(one_tag(Some(text), &tag))
}

pub(super) fn get_tag(context: &ToolContext<TagsRead>, given: &Checked) -> Result<Answer, ToolError> {
    let id = given.id("id");
    let tag = tags::find(&context.journal, id)?.ok_or(JournalError::TagNotFound(id))?;
    Ok(one_tag(None, &tag))
}

pub(super) fn list_tags(context: &ToolContext<TagsRead>, given: &Checked) -> Result<Answer, ToolError> {
    let (limit, cursor) = (given.limit(limits::TAG_PAGE_DEFAULT), given.text("cursor"));
    let page = tags::list(&context.journal, "tags", limit, cursor.as_deref())?;
    Ok(Answer {
        text: Some(found(page.total, page.items.len(), "tags")),
        links: page
            .items
            .iter()
            .take(limits::LINKS_MAX)
            .map(|tag| tag_link(tag.id, &tag.name, tag.updated_at))
            .collect(),
        data: JsonText::of(&shapes::page("tags", &page, shapes::tag_item)),
    })
}

pub(super) fn update_tag(context: &ToolContext<TagsWrite>, given: &Checked) -> Result<Answer, ToolError> {
    let (name, description) = (given.text("name"), given.nullable_text("description"));
    let tag = tags::update(&context.journal, given.id("id"), name, description, context.now)?;
    let text = format!("Tag \"{}\" (ID {}) updated.", tag.name, tag.id);
    Ok(one_tag(Some(text), &tag))
}

pub(super) fn delete_tag(context: &ToolContext<TagsWrite>, given: &Checked) -> Result<Answer, ToolError> {
    let tag = tags::delete(&context.journal, given.id("id"), context.confirmed)?;
    let text = format!("Tag \"{}\" (ID {}) deleted.", tag.name, tag.id);
    let data = JsonText::of(&shapes::deletion("tag", shapes::tag(&tag), None));
    Ok(Answer { data, ..one_tag(Some(text), &tag) })
}

/// The question before [`delete_tag`]. It says how many entries lose the tag, because a person sees the tag's name
/// alone and can't know that. The number is part of the row's digest: if it changes, the question is another one.
pub(super) fn confirm_delete_tag(
    context: &ToolContext<TagsWrite>,
    given: &Checked,
) -> Result<Confirmable, ToolError> {
    let id = given.id("id");
    let (tag, entry_count) =
        tags::find_to_confirm(&context.journal, id)?.ok_or(JournalError::TagNotFound(id))?;
    let name = text::displayable_name(&tag.name);
    let lose = match entry_count {
        0 => "No entry has it.".to_owned(),
        1 => "1 entry loses it; the entry stays.".to_owned(),
        count => format!("{count} entries lose it; the entries stay."),
    };
    let text = format!("Tag \"{}\" (ID {id}) was not deleted: {NOT_CONFIRMED}.", tag.name);
    let data = JsonText::of(&shapes::deletion("tag", shapes::tag(&tag), Some(NOT_CONFIRMED)));
    Ok(Confirmable {
        confirmation: Confirmation {
            text: format!("Delete the tag \"{name}\" (ID: {id})? {lose}"),
            row: tag.digest(entry_count),
        },
        declined: Answer { data, ..one_tag(Some(text), &tag) },
    })
}

fn one_tag(text: Option<String>, tag: &Tag) -> Answer {
    let link = tag_link(tag.id, &tag.name, tag.updated_at);
    let data = JsonText::of(&json_text::object(|out| out.member("tag", shapes::tag(tag))));
    Answer { text, links: vec![link], data }
}
