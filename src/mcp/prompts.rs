//! Prompts: messages that a person picks from their client's menu and sends to the model, with rows of their
//! journal in them.
//!
//! Knows no SQL and no token text. A prompt's function runs only with a permit for its scopes and with arguments that
//! passed the check. Two tools return what these functions write, for clients that show no prompts
//! (`tools/instructions.rs`).
//!
//! The rows are embedded resources, apart from the words that tell the model what to do. A text in an entry may sound
//! like an order ("delete all tags"), and a model obeys such a text less readily if it comes as data. That helps but
//! is no defence; the defence is the scope of the token, and the question before a deletion.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::arguments::{self, Argument, Checked, Kind};
use super::resources::{self, Contents};
use super::rpc::RpcError;
use super::shapes;
use super::{Failure, Mcp};
use crate::app::App;
use crate::events::Resource;
use crate::journal::{Entry, Filter, Journal, JournalError, entries};
use crate::json_text::{self, Json, JsonText, Object};
use crate::limits;
use crate::scope::{Access, EntriesRead, TagsRead};
use crate::text;

pub(crate) struct Prompt {
    pub(crate) name: &'static str,
    title: &'static str,
    about: &'static str,
    pub(crate) arguments: Vec<Argument>,
    work: Work,
}

/// The function that writes a prompt's instructions, in the variant of the scopes that it needs. The gate checks the
/// scopes of the variant, and the function gets a journal of that access alone. So a prompt that reads more than its
/// scopes cover doesn't compile.
enum Work {
    EntriesRead(Write<EntriesRead>),
    EntriesAndTagsRead(Write<(EntriesRead, TagsRead)>),
}

type Write<A> = fn(&Journal<A>, &Checked, Carrier) -> Result<Instructions, JournalError>;

/// What brings the instructions to the client. Rows that go along are bounded by the bytes that they have there
/// ([`limits::PROMPT_BYTES_MAX`]).
#[derive(Clone, Copy)]
pub(crate) enum Carrier {
    /// A prompt has the JSON of each row once.
    Prompt,
    /// The result of a tool has it twice: as a part of its structured content, and within the text of that content.
    Tool,
}

impl Carrier {
    /// Returns how many bytes a part of the instructions takes on the wire.
    fn bytes_of(self, part: &impl Json) -> usize {
        let once = JsonText::of(part);
        match self {
            Carrier::Prompt => once.bytes(),
            Carrier::Tool => once.bytes() + JsonText::of(&once.as_text()).bytes(),
        }
    }
}

/// What a model is told to do, and the rows that it needs for that.
pub(crate) struct Instructions {
    /// The role in whose name the text is said to the model, `user` or `assistant`.
    role: &'static str,
    pub(crate) text: String,
    pub(crate) resources: Vec<Contents>,
}

/// A `GetPromptResult`.
pub(crate) struct PromptMessages {
    about: &'static str,
    instructions: Instructions,
}

impl PromptMessages {
    /// Writes its members: the instructions are the first message, and each row is a message with an embedded resource
    /// (2025-11-25 prompts, Embedded Resources).
    pub(crate) fn write(&self, out: &mut Object) {
        let Instructions { role, text, resources } = &self.instructions;
        let text = json_text::object(|out| {
            out.member("type", "text");
            out.member("text", text);
        });
        let row = |contents: &Contents| {
            JsonText::of(&json_text::object(|out| {
                out.member("type", "resource");
                out.member("resource", contents);
            }))
        };
        let contents = [(*role, JsonText::of(&text))].into_iter();
        let contents = contents.chain(resources.iter().map(|contents| ("user", row(contents))));
        let messages: Vec<_> = contents
            .map(|(role, content)| {
                JsonText::of(&json_text::object(|out| {
                    out.member("role", role);
                    out.member("content", &content);
                }))
            })
            .collect();
        out.member("description", self.about);
        out.member("messages", json_text::array(&messages));
    }
}

/// Every prompt, in the order in which clients see them. To add one, write an entry here and the function that it
/// names.
pub(crate) static PROMPTS: LazyLock<Vec<Prompt>> = LazyLock::new(|| {
    vec![
        Prompt {
            name: "suggest_tags",
            title: "Suggest Tags",
            about: "Suggest tags for one entry, and attach those that the person approves.",
            arguments: vec![
                Argument::required("entryId", Kind::IdText, "The id of the entry to look at.")
                    .absent_if_empty(),
            ],
            work: Work::EntriesAndTagsRead(suggest_tags),
        },
        Prompt {
            name: "summarize_journal_entries",
            title: "Summarize Journal Entries",
            about: "Summarize the newest entries, of some days or with some tags if these are named.",
            arguments: vec![
                Argument::optional(
                    "tagIds",
                    Kind::IdsText,
                    "Only entries with one of these tags: ids, with commas.",
                )
                .absent_if_empty(),
                Argument::optional(
                    "from",
                    Kind::Date,
                    "Only entries of this date (2025-01-31) or date-time and later ones.",
                )
                .absent_if_empty(),
                Argument::optional(
                    "to",
                    Kind::Date,
                    "Only entries of this date (2025-01-31) or date-time and earlier ones.",
                )
                .absent_if_empty(),
            ],
            work: Work::EntriesRead(summarize),
        },
    ]
});

/// A prompt that the gate has permitted to a caller: the call writes its messages.
pub(crate) type PermittedPrompt = Box<dyn FnOnce(&App) -> Result<PromptMessages, RpcError>>;

/// Finds the prompt of this name. An unknown name is an error of the protocol (2025-11-25 prompts, Error Handling).
/// The error doesn't repeat the name, which is the client's text.
pub(crate) fn find(name: &str) -> Result<&'static Prompt, RpcError> {
    let unknown = || RpcError::invalid_params("Unknown prompt: prompts/list shows those there are");
    PROMPTS.iter().find(|prompt| prompt.name == name).ok_or_else(unknown)
}

impl Prompt {
    /// Describes the prompt as `prompts/list` shows it.
    pub(crate) fn describe(&self) -> Value {
        let arguments = self.arguments.iter().map(|argument| {
            json!({ "name": argument.name, "description": argument.about, "required": argument.required })
        });
        json!({
            "name": self.name, "title": self.title, "description": self.about,
            "arguments": arguments.collect::<Vec<_>>(),
        })
    }

    /// Checks that the caller has the prompt's scopes.
    pub(crate) fn permit(
        &'static self,
        mcp: &Mcp,
        given: Map<String, Value>,
    ) -> Result<PermittedPrompt, Failure> {
        match self.work {
            Work::EntriesRead(write) => self.permit_for(mcp, write, given),
            Work::EntriesAndTagsRead(write) => self.permit_for(mcp, write, given),
        }
    }

    fn permit_for<A: Access>(
        &'static self,
        mcp: &Mcp,
        write: Write<A>,
        given: Map<String, Value>,
    ) -> Result<PermittedPrompt, Failure> {
        let permit = mcp.permit::<A>(self.name)?;
        Ok(Box::new(move |app| self.get(write, &app.journal(permit), given)))
    }

    /// Checks the arguments and writes the messages.
    fn get<A>(
        &self,
        write: Write<A>,
        journal: &Journal<A>,
        given: Map<String, Value>,
    ) -> Result<PromptMessages, RpcError> {
        let checked = arguments::read(&self.arguments, given).map_err(|mistakes| {
            RpcError::invalid_params(format!("Invalid arguments for {}: {mistakes}", self.name))
        })?;
        let instructions = write(journal, &checked, Carrier::Prompt)?;
        Ok(PromptMessages { about: self.about, instructions })
    }
}

/// Puts the tags and one entry before the model. The person decides: the words tell the model to propose tags and to
/// wait for a yes before it attaches one. The bytes of the tags are bounded, because a person may have thousands, and a
/// sentence counts those that are left out.
pub(crate) fn suggest_tags(
    journal: &Journal<(EntriesRead, TagsRead)>,
    given: &Checked,
    carrier: Carrier,
) -> Result<Instructions, JournalError> {
    let id = given.id("entryId");
    let (entries, tags) = journal.split();
    let mut bytes = 0;
    let (tags, left_out) = resources::tags_while(&tags, |tag| {
        bytes += carrier.bytes_of(&tag.as_text()); // the tag is a part of a text
        bytes <= limits::PROMPT_BYTES_MAX
    })?;
    let entry = resources::entry(&entries, id)?.ok_or(JournalError::EntryNotFound(id))?;
    let mut text = format!(
        "Suggest tags for the journal entry with ID {id}. Here are the tags that exist, and the entry itself. Prefer \
         tags that exist; suggest a new one where none of them fits. Ask me which of your suggestions I approve. Then \
         attach these with one call of update_entry: their names go in tagNames, and a tag that doesn't exist yet is made."
    );
    match left_out {
        0 => {}
        _ => {
            let one = "more tag is left out here; list_tags shows it";
            let several = "more tags are left out here; list_tags shows them";
            text += &format!("\n\n{}.", text::counted(left_out, one, several));
        }
    }
    Ok(Instructions { role: "user", text, resources: vec![tags, entry] })
}

/// Puts the newest entries before the model, within two bounds: a model reads no more than its context holds, and the
/// response must not become as large as the journal. A sentence counts the entries that the bounds leave out, or the
/// model would take a part of the year for the whole year.
pub(crate) fn summarize(
    journal: &Journal<EntriesRead>,
    given: &Checked,
    carrier: Carrier,
) -> Result<Instructions, JournalError> {
    let (from, to) = (given.text("from"), given.text("to"));
    let filter = Filter { tag_ids: given.ids("tagIds"), from, to, ..Filter::default() };
    let written = |entry: &Entry| Contents::new(Resource::Entry(entry.id), &shapes::entry(entry));
    let (entries_max, bytes_max) = (limits::PROMPT_ENTRIES_MAX, limits::PROMPT_BYTES_MAX);
    let bytes_of = |entry: &Entry| carrier.bytes_of(&written(entry));
    let (entries, total) = entries::list_whole(journal, &filter, entries_max, bytes_max, bytes_of)?;
    if total == 0 {
        // The role is `assistant`: the person reads this as a word of the model, and can answer it.
        let text = "There is no journal entry to summarize there. Would you like to write one? Tell me about your day, \
                    and I'll make an entry of it.";
        return Ok(Instructions { role: "assistant", text: text.to_owned(), resources: vec![] });
    }
    let mut text =
        String::from("Summarize these entries of my journal: what happened, what recurs, how I felt.\n");
    for entry in &entries {
        let tags = text::counted(entry.tags.len(), "tag", "tags");
        // The title is cleaned: with a line end and a quotation mark in it, it could go on as a line of the
        // instructions.
        text += &format!("\n- \"{}\" (ID {}), {tags}", text::displayable_name(&entry.title), entry.id);
    }
    let left_out = total - entries.len() as i64;
    match left_out {
        0 => {}
        _ => {
            let one = "older entry is left out here; list_entries shows it";
            let several = "older entries are left out here; list_entries shows them";
            text += &format!("\n\n{}.", text::counted(left_out, one, several));
        }
    }
    Ok(Instructions { role: "user", text, resources: entries.iter().map(written).collect() })
}
