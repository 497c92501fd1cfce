//! The tools: what a tool is, how it is shown and how a call of it runs; `table` lists them.
//!
//! Knows no SQL, no sockets and no token. Invariant: a tool runs only with a
//! [`Permit`](crate::gate::Permit) for the scope in its row, and with arguments that passed the schema in its row.

mod entries;
mod table;
mod tags;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::arguments::{self, Argument, Checked};
use super::resources;
use super::rpc::RpcError;
use crate::clock::Timestamp;
use crate::events::{Answer as Consent, Resource};
use crate::journal::{Fault, Journal, Shown};
use crate::limits;
use crate::scope::{Scope, Scopes};
use crate::store::StoreError;

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
    run: Run<Answer>,
    /// What the person is asked first, where they can be.
    question: Option<Run<Question>>,
}

/// What a tool does with arguments that fit.
type Run<T> = fn(&Desk, &Checked) -> Result<T, ToolError>;

/// What a person is asked before a tool runs.
struct Question {
    text: String,
    /// The row that they are asked about.
    shown: Shown,
    /// What the tool gives when they don't agree.
    declined: Answer,
}

/// How a call stands with the person.
#[derive(Clone, Copy)]
pub enum Standing {
    /// They can't be asked, and the operator doesn't demand it: the host has shown them the call, or chose not to.
    NotAsked,
    /// They are to be asked.
    ToBeAsked,
    /// They have answered, about a row that said this.
    Answered(Consent, Shown),
}

/// What a call comes to.
pub enum Outcome {
    /// The `CallToolResult`.
    Result(Value),
    /// The person has to answer this first.
    Ask {
        /// The question.
        text: String,
        /// The row that it is about.
        shown: Shown,
    },
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
    /// The journal of whoever called.
    pub journal: Journal<'a>,
    /// What the token may be used for.
    pub scopes: Scopes,
    /// The time of the request.
    pub now: Timestamp,
    /// What the person was shown when they agreed.
    pub shown: Option<Shown>,
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
    /// The row has changed since the person was asked about it.
    Changed,
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

    /// Whether the person is asked first, where they can be.
    pub fn asks(&self) -> bool {
        self.question.is_some()
    }

    /// Runs the tool, or says what the person has to answer first. A wrong argument or a missing row is a result too,
    /// which the model can read. Only a failing database is an error.
    pub fn call(
        &self,
        desk: &Desk,
        given: Map<String, Value>,
        standing: Standing,
    ) -> Result<Outcome, StoreError> {
        let answer = match arguments::read(&self.arguments, given) {
            Ok(checked) => self.run(desk, &checked, standing),
            Err(faults) => Err(ToolError::Told(format!("Invalid arguments for {}: {faults}", self.name))),
        };
        match answer {
            Ok(Ok(answer)) => Ok(Outcome::Result(answer.result())),
            Ok(Err(Question { text, shown, .. })) => Ok(Outcome::Ask { text, shown }),
            Err(ToolError::Told(text)) => Ok(Outcome::Result(told(&text))),
            // Only a tool that asks can find the row changed, and it has been asked again below.
            Err(ToolError::Changed) => Ok(Outcome::Result(told("It changed meanwhile; nothing was done."))),
            Err(ToolError::Store(error)) => Err(error),
        }
    }

    fn run(
        &self,
        desk: &Desk,
        given: &Checked,
        standing: Standing,
    ) -> Result<Result<Answer, Question>, ToolError> {
        let (Some(question), Standing::ToBeAsked | Standing::Answered(..)) = (self.question, standing) else {
            return (self.run)(desk, given).map(Ok);
        };
        match standing {
            Standing::Answered(Consent::No, _) => Ok(Ok(question(desk, given)?.declined)),
            Standing::Answered(Consent::Yes, shown) => {
                // Looked at where it is deleted, in the same transaction: a row that has changed is asked about anew.
                match (self.run)(&Desk { shown: Some(shown), ..*desk }, given) {
                    Err(ToolError::Changed) => question(desk, given).map(Err),
                    done => done.map(Ok),
                }
            }
            _ => question(desk, given).map(Err),
        }
    }
}

impl Answer {
    /// The `CallToolResult`.
    fn result(self) -> Value {
        let Answer { text, links, data } = self;
        let block = |text: String| json!({ "type": "text", "text": text });
        let json = block(data.to_string()); // for clients that don't read structuredContent
        let content: Vec<_> = text.map(block).into_iter().chain(links).chain([json]).collect();
        json!({ "content": content, "structuredContent": data })
    }
}

/// A `CallToolResult` that tells the model what is wrong.
pub fn told(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }], "isError": true })
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
            Fault::Changed => return ToolError::Changed,
            Fault::TagsFull => {
                let max = limits::TAGS_MAX;
                format!("There are {max} tags, and there can't be more. Delete one that you don't need.")
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

/// The same outside tools, where a fault is an error of the protocol.
impl From<Fault> for RpcError {
    fn from(fault: Fault) -> RpcError {
        match fault {
            Fault::Store(error) => RpcError::internal(&error),
            fault => match ToolError::from(fault) {
                ToolError::Told(text) => RpcError::invalid_params(text),
                ToolError::Changed => RpcError::broken_off("The row changed meanwhile"),
                ToolError::Store(error) => RpcError::internal(&error),
            },
        }
    }
}

fn found(total: i64, shown: usize, what: &str) -> String {
    let found = format!("Found {total} {what}.");
    if shown as i64 == total { found } else { format!("{found} This page shows {shown} of them.") }
}

fn entry_link(id: i64, title: &str, modified: Timestamp) -> Value {
    link(Resource::Entry(id), title, format!("Journal Entry: \"{title}\""), modified)
}

fn tag_link(id: i64, name: &str, modified: Timestamp) -> Value {
    link(Resource::Tag(id), name, format!("Tag: \"{name}\""), modified)
}

fn link(resource: Resource, name: &str, description: String, modified: Timestamp) -> Value {
    json!({
        "type": "resource_link", "uri": resources::uri(resource), "name": name, "description": description,
        "mimeType": "application/json", "annotations": { "lastModified": modified.iso8601() },
    })
}
