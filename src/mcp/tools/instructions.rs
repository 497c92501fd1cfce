//! The tools that give the instructions of the prompts, with the rows that they speak of.
//!
//! Knows no SQL, no sockets and no token, and writes no instructions: `mcp/prompts.rs` does, for the prompt and for
//! the tool.
//!
//! A prompt is for the person, who picks it from a menu. Many clients show no such menu and offer a server's tools
//! alone; there a model reaches the same text by these tools.

use serde_json::Value;

use super::{Answer, ToolContext, ToolError};
use crate::json_text::{self, JsonText};
use crate::mcp::arguments::Checked;
use crate::mcp::prompts::{self, Carrier, Instructions};
use crate::mcp::shapes;
use crate::scope::{EntriesRead, TagsRead};

pub(super) fn tag_suggestions(
    context: &ToolContext<(EntriesRead, TagsRead)>,
    given: &Checked,
) -> Result<Answer, ToolError> {
    Ok(answer(prompts::suggest_tags(&context.journal, given, Carrier::Tool)?))
}

pub(super) fn journal_insights(
    context: &ToolContext<EntriesRead>,
    given: &Checked,
) -> Result<Answer, ToolError> {
    Ok(answer(prompts::summarize(&context.journal, given, Carrier::Tool)?))
}

/// The text stands in front as well as in the data: a client that reads the text blocks gets it as a text, and one
/// that reads the structured content alone gets it too. The rows are resources, as in the prompt, and for the same
/// reason: they are data and no part of the instructions.
fn answer(instructions: Instructions) -> Answer {
    let Instructions { text, resources, .. } = instructions;
    let data = JsonText::of(&json_text::object(|out| {
        out.member("instructions", &text);
        out.member("resources", json_text::array(&resources));
    }));
    Answer { text: Some(text), links: vec![], data }
}

/// The schema of the data that both tools return.
pub(super) fn schema() -> Value {
    let resource =
        shapes::object([("uri", shapes::text()), ("mimeType", shapes::text()), ("text", shapes::text())]);
    shapes::object([("instructions", shapes::text()), ("resources", shapes::array(resource))])
}
