//! The tools for tags: from checked arguments to the journal, and from its rows to an answer.
//!
//! Knows no SQL, no sockets and no token, and not how the client asks a person.

use super::{
    Agreement, Answer, Confirmable, Confirmation, DELETE_IT, NOT_CONFIRMED, ToolContext, ToolError, found,
    tag_link,
};
use crate::journal::tags::{self, Merge};
use crate::journal::{JournalError, Tag};
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
        count => {
            let lose =
                text::counted(count, "entry loses it; the entry stays", "entries lose it; the entries stay");
            format!("{lose}.")
        }
    };
    let text = format!("Tag \"{}\" (ID {id}) was not deleted: {NOT_CONFIRMED}.", tag.name);
    let data = JsonText::of(&shapes::deletion("tag", shapes::tag(&tag), Some(NOT_CONFIRMED)));
    Ok(Confirmable {
        confirmation: Confirmation {
            text: format!("Delete the tag \"{name}\" (ID: {id})? {lose}"),
            agreement: DELETE_IT,
            row: tag.digest(entry_count),
        },
        declined: Answer { data, ..one_tag(Some(text), &tag) },
    })
}

pub(super) fn merge_tags(context: &ToolContext<TagsWrite>, given: &Checked) -> Result<Answer, ToolError> {
    let (from, into) = (given.id("fromId"), given.id("intoId"));
    let (both, entry_count) = tags::merge(&context.journal, from, into, context.confirmed)?;
    let Merge { from, into, .. } = &both;
    let text = format!(
        "Tag \"{}\" (ID {}) was merged into \"{}\" (ID {}), which {}.",
        from.name,
        from.id,
        into.name,
        into.id,
        match entry_count {
            0 => "no entry has".to_owned(),
            count => text::counted(count, "entry has now", "entries have now"),
        }
    );
    let data = JsonText::of(&shapes::merge(&both, entry_count, None));
    Ok(Answer { text: Some(text), links: vec![tag_link(into.id, &into.name, into.updated_at)], data })
}

/// The question before [`merge_tags`]. It says which of the two goes, which stays, and how many entries have each:
/// after the merge nobody can tell the entries of the one from those of the other.
pub(super) fn confirm_merge_tags(
    context: &ToolContext<TagsWrite>,
    given: &Checked,
) -> Result<Confirmable, ToolError> {
    let both = tags::find_to_merge(&context.journal, given.id("fromId"), given.id("intoId"))?;
    let Merge { from, into, from_count, into_count } = &both;
    let shown = |tag: &Tag, count: usize| {
        let entries = text::counted(count, "entry", "entries");
        format!("\"{}\" (ID: {}, on {entries})", text::displayable_name(&tag.name), tag.id)
    };
    let question = format!(
        "Merge the tag {} into {}? The first is deleted, and its entries get the second.",
        shown(from, *from_count),
        shown(into, *into_count)
    );
    let text = format!(
        "Tag \"{}\" (ID {}) was not merged into \"{}\" (ID {}): {NOT_MERGED}.",
        from.name, from.id, into.name, into.id
    );
    let data = JsonText::of(&shapes::merge(&both, *into_count, Some(NOT_MERGED)));
    let links = [from, into].map(|tag| tag_link(tag.id, &tag.name, tag.updated_at)).into();
    Ok(Confirmable {
        confirmation: Confirmation { text: question, agreement: MERGE_THEM, row: both.digest() },
        declined: Answer { text: Some(text), links, data },
    })
}

/// What a person agrees to by the box of that question.
const MERGE_THEM: Agreement =
    Agreement { title: "Merge them", warning: "Nothing tells afterwards which entries had the first." };

/// Why tags weren't merged of which the person was asked.
const NOT_MERGED: &str = "the merge was not confirmed";

fn one_tag(text: Option<String>, tag: &Tag) -> Answer {
    let link = tag_link(tag.id, &tag.name, tag.updated_at);
    let data = JsonText::of(&json_text::object(|out| out.member("tag", shapes::tag(tag))));
    Answer { text, links: vec![link], data }
}
