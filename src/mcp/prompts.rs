//! Prompts: what a person can have their client say, with the journal's own rows in it.
//!
//! Knows no SQL and no token. Invariant: a prompt runs only with a permit for its scopes and with arguments that fit.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::arguments::{self, Argument, Checked, Kind};
use super::resources;
use super::rpc::RpcError;
use super::shapes;
use super::wording;
use crate::events::Resource;
use crate::journal::entries::{self, Filter};
use crate::journal::{Fault, Journal};
use crate::limits;
use crate::scope::{Scope, Scopes};

/// A prompt.
pub struct Prompt {
    /// Its name in `prompts/get`.
    pub name: &'static str,
    title: &'static str,
    about: &'static str,
    /// The scopes that getting it needs.
    pub needs: Scopes,
    /// What it takes, all of it text.
    pub arguments: Vec<Argument>,
    messages: fn(&Journal, &Checked) -> Result<Vec<Value>, Fault>,
}

/// Every prompt, in the order in which clients see them.
pub static PROMPTS: LazyLock<Vec<Prompt>> = LazyLock::new(|| {
    vec![
        Prompt {
            name: "suggest_tags",
            title: "Suggest Tags",
            about: "Suggest tags for one entry, and attach those that the person approves.",
            needs: Scopes::of(&[Scope::EntriesRead, Scope::TagsRead]),
            arguments: vec![Argument::required("entryId", Kind::IdText, "The id of the entry to look at.")],
            messages: suggest_tags,
        },
        Prompt {
            name: "summarize_journal_entries",
            title: "Summarize Journal Entries",
            about: "Summarize the newest entries, of some days or with some tags if these are named.",
            needs: Scopes::of(&[Scope::EntriesRead]),
            arguments: vec![
                Argument::optional(
                    "tagIds",
                    Kind::IdsText,
                    "Only entries with one of these tags: ids, with commas.",
                ),
                Argument::optional(
                    "from",
                    Kind::Moment,
                    "Only entries made on this day (YYYY-MM-DD, UTC) or later.",
                ),
                Argument::optional(
                    "to",
                    Kind::Moment,
                    "Only entries made on this day (YYYY-MM-DD, UTC) or earlier.",
                ),
            ],
            messages: summarize,
        },
    ]
});

/// The prompt of this name.
pub fn find(name: &str) -> Result<&'static Prompt, RpcError> {
    let unknown = || RpcError::invalid_params("Unknown prompt: prompts/list shows those there are");
    PROMPTS.iter().find(|prompt| prompt.name == name).ok_or_else(unknown)
}

impl Prompt {
    /// The prompt as `prompts/list` shows it.
    pub fn describe(&self) -> Value {
        let arguments = self.arguments.iter().map(|argument| {
            json!({ "name": argument.name, "description": argument.about, "required": argument.required })
        });
        json!({
            "name": self.name, "title": self.title, "description": self.about,
            "arguments": arguments.collect::<Vec<_>>(),
        })
    }

    /// The `GetPromptResult`.
    pub fn get(&self, journal: &Journal, mut given: Map<String, Value>) -> Result<Value, RpcError> {
        // How a form sends a field that was left empty; one that the prompt doesn't have is a mistake all the same.
        given.retain(|name, value| value != "" || self.arguments.iter().all(|own| own.name != name));
        let checked = arguments::read(&self.arguments, given).map_err(|faults| {
            RpcError::invalid_params(format!("Invalid arguments for {}: {faults}", self.name))
        })?;
        let messages = (self.messages)(journal, &checked)?;
        Ok(json!({ "description": self.about, "messages": messages }))
    }
}

fn suggest_tags(journal: &Journal, given: &Checked) -> Result<Vec<Value>, Fault> {
    let id = given.id("entryId");
    let contents = |resource| resources::contents(journal, resource)?.ok_or(Fault::EntryNotFound(id));
    let (tags, entry) = (contents(Resource::Tags)?, contents(Resource::Entry(id))?);
    let text = format!(
        "Suggest tags for the journal entry with ID {id}. Here are the tags that exist, and the entry itself. Prefer \
         tags that exist; suggest a new one where none of them fits. Ask me which of your suggestions I approve. For \
         each that I approve, make it with create_tag if it doesn't exist yet, then attach it with add_tag_to_entry."
    );
    Ok(vec![says("user", text), brings(tags), brings(entry)])
}

fn summarize(journal: &Journal, given: &Checked) -> Result<Vec<Value>, Fault> {
    let (from, to) = (given.text("from"), given.text("to"));
    let filter = Filter { tag_ids: given.ids("tagIds"), from, to, ..Filter::default() };
    let (entries, total) =
        entries::whole(journal, &filter, limits::PROMPT_ENTRIES_MAX, limits::PROMPT_BYTES_MAX)?;
    if total == 0 {
        let text = "There is no journal entry to summarize there. Would you like to write one? Tell me about your day, \
                    and I'll make an entry of it.";
        return Ok(vec![says("assistant", text.to_owned())]);
    }
    let mut text =
        String::from("Summarize these entries of my journal: what happened, what recurs, how I felt.\n");
    for entry in &entries {
        let tags = match entry.tags.len() {
            1 => "1 tag".to_owned(),
            count => format!("{count} tags"),
        };
        text += &format!("\n- \"{}\" (ID {}), {tags}", wording::shown_name(&entry.title), entry.id);
    }
    let left_out = total - entries.len() as i64;
    match left_out {
        0 => {}
        1 => text += "\n\n1 older entry is left out here; list_entries shows it.",
        _ => text += &format!("\n\n{left_out} older entries are left out here; list_entries shows them."),
    }
    let whole = entries
        .iter()
        .map(|entry| brings(resources::embedded(Resource::Entry(entry.id), &shapes::entry(entry))));
    Ok([says("user", text)].into_iter().chain(whole).collect())
}

fn says(role: &str, text: String) -> Value {
    json!({ "role": role, "content": { "type": "text", "text": text } })
}

fn brings(contents: Value) -> Value {
    json!({ "role": "user", "content": { "type": "resource", "resource": contents } })
}
