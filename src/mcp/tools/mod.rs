//! The tools: what a tool is, how it is shown and how a call of it runs; `table` lists them.
//!
//! Knows no SQL, no sockets and no token. Invariant: a tool runs only with a [`Permit`] for the scope in its row,
//! and with arguments that passed the schema in its row.

mod entries;
mod table;
mod tags;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::arguments::{self, Argument, Checked};
use crate::clock::Timestamp;
use crate::gate::Permit;
use crate::journal::Fault;
use crate::limits;
use crate::scope::{Scope, Scopes};
use crate::secret::Seal;
use crate::store::{Store, StoreError};

/// A tool.
pub struct Tool {
    /// Its name in `tools/call`.
    pub name: &'static str,
    title: &'static str,
    about: &'static str,
    /// The scope that a call needs.
    pub scope: Scope,
    effect: Effect,
    arguments: Vec<Argument>,
    output: fn() -> Value,
    run: fn(&Desk, &Checked) -> Result<Answer, ToolError>,
}

/// What a tool does to the journal, for the hints that hosts decide by (`ToolAnnotations`).
enum Effect {
    Reads,
    Adds,
    Changes,
    Deletes,
}

/// What a tool works with.
pub struct Desk<'a> {
    /// The database.
    pub store: &'a Store,
    /// The seal of cursors.
    pub seal: &'a Seal,
    /// Whose journal it is.
    pub permit: Permit,
    /// What the token may be used for.
    pub scopes: Scopes,
    /// The time of the request.
    pub now: Timestamp,
}

/// What a tool gives: a sentence for people, links, and the data.
struct Answer {
    text: Option<String>,
    links: Vec<Value>,
    data: Value,
}

/// Why a tool gives nothing.
pub enum ToolError {
    /// A sentence that the model can act on; it becomes a result with `isError`.
    Told(String),
    /// The database failed; the client learns that much and no more.
    Store(StoreError),
}

/// Every tool, in the order in which clients see them.
pub static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(table::table);

/// The tool of this name.
pub fn find(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name)
}

impl Tool {
    /// The scopes that a call needs.
    pub fn needs(&self) -> Scopes {
        Scopes::of(&[self.scope])
    }

    /// The tool as `tools/list` shows it.
    pub fn describe(&self) -> Value {
        let (read_only, destructive, idempotent) = match self.effect {
            Effect::Reads => (true, false, true),
            Effect::Adds => (false, false, false),
            Effect::Changes => (false, false, true),
            Effect::Deletes => (false, true, true),
        };
        json!({
            "name": self.name,
            "title": self.title,
            "description": self.about,
            "inputSchema": arguments::schema(&self.arguments),
            "outputSchema": (self.output)(),
            "annotations": {
                "readOnlyHint": read_only, "destructiveHint": destructive, "idempotentHint": idempotent,
                "openWorldHint": false,
            },
        })
    }

    /// Runs the tool and gives the `CallToolResult`; a wrong argument or a missing row is a result too, which the
    /// model can read. Only a failing database is an error.
    pub fn call(&self, desk: &Desk, given: Map<String, Value>) -> Result<Value, StoreError> {
        let answer = match arguments::read(&self.arguments, given) {
            Ok(checked) => (self.run)(desk, &checked),
            Err(faults) => Err(ToolError::Told(format!("Invalid arguments for {}: {faults}", self.name))),
        };
        match answer {
            Ok(Answer { text, links, data }) => {
                let block = |text: String| json!({ "type": "text", "text": text });
                let json = serde_json::to_string(&data).expect("a Value has no part that can't be written");
                let json = block(json); // for clients that don't read structuredContent
                let content: Vec<_> = text.map(block).into_iter().chain(links).chain([json]).collect();
                Ok(json!({ "content": content, "structuredContent": data }))
            }
            Err(ToolError::Told(text)) => {
                Ok(json!({ "content": [{ "type": "text", "text": text }], "isError": true }))
            }
            Err(ToolError::Store(error)) => Err(error),
        }
    }
}

impl From<StoreError> for ToolError {
    fn from(error: StoreError) -> ToolError {
        ToolError::Store(error)
    }
}

/// Each fault as a sentence that says what to do next.
impl From<Fault> for ToolError {
    fn from(fault: Fault) -> ToolError {
        ToolError::Told(match fault {
            Fault::EntryNotFound(id) => {
                format!(
                    "Entry with ID \"{id}\" not found. list_entries and search_entries show the entries there are."
                )
            }
            Fault::TagNotFound(id) => {
                format!("Tag ID \"{id}\" not found. list_tags shows the tags there are.")
            }
            Fault::TagNameTaken { name, id } => {
                format!(
                    "A tag named \"{name}\" already exists (ID: {id}). Use that one, or choose another name."
                )
            }
            Fault::TooManyTags => {
                let max = limits::TAGS_PER_ENTRY_MAX;
                format!("An entry can have at most {max} tags, and this one has {max}. Remove one first.")
            }
            Fault::BadMoment { argument, text } => {
                format!("Invalid arguments: {argument} must be a date or date-time that exists, not {text:?}")
            }
            Fault::BadCursor => {
                "Invalid arguments: cursor must be the nextCursor of a call with the same filters. \
                                 Leave it out to start from the beginning."
                    .to_owned()
            }
            Fault::EmptyQuery => {
                "Invalid arguments: query must contain a word to search for. list_entries lists without one."
                    .to_owned()
            }
            Fault::OnlyExclusions => {
                "Invalid arguments: query must contain a word that is not excluded.".to_owned()
            }
            Fault::TooManyTerms => format!(
                "Invalid arguments: query can have at most {} words, of which {} beginnings (word*) of at least 2 letters.",
                limits::QUERY_TERMS_MAX,
                limits::QUERY_BEGINNINGS_MAX
            ),
            Fault::Store(StoreError::TooSlow) => {
                "This took too long. Ask for less: fewer or longer words, narrower filters, a smaller page."
                    .to_owned()
            }
            Fault::Store(error) => return ToolError::Store(error),
        })
    }
}

fn found(total: i64, shown: usize, what: &str) -> String {
    let found = format!("Found {total} {what}.");
    if shown as i64 == total { found } else { format!("{found} This page shows {shown} of them.") }
}

fn entry_link(id: i64, title: &str, modified: Timestamp) -> Value {
    link(format!("epicme://entries/{id}"), title, format!("Journal Entry: \"{title}\""), modified)
}

fn tag_link(id: i64, name: &str, modified: Timestamp) -> Value {
    link(format!("epicme://tags/{id}"), name, format!("Tag: \"{name}\""), modified)
}

fn link(uri: String, name: &str, description: String, modified: Timestamp) -> Value {
    json!({
        "type": "resource_link", "uri": uri, "name": name, "description": description,
        "mimeType": "application/json", "annotations": { "lastModified": modified.iso8601() },
    })
}
