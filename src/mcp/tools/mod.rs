//! The tools: what a tool is, how it is described and what it gives; `table` lists them.
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
use super::wording;
use crate::clock::Timestamp;
use crate::events::{Consent, Resource};
use crate::journal::{Fault, Journal, Shown};
use crate::scope::{Scope, Scopes};
use crate::store::StoreError;

/// A tool.
pub struct Tool {
    /// Its name in `tools/call`.
    pub name: &'static str,
    title: &'static str,
    about: &'static str,
    /// The scope that a call needs.
    scope: Scope,
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
    /// The tool doesn't ask; or they can't be asked, and the operator doesn't demand it.
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
    /// What the person was shown when they agreed; `None` where nobody was asked.
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
        let checked = arguments::read(&self.arguments, given)
            .map_err(|faults| ToolError::Told(format!("Invalid arguments for {}: {faults}", self.name)));
        let outcome = checked.and_then(|given| match (self.question, standing) {
            (None, _) | (_, Standing::NotAsked) => (self.run)(desk, &given).map(Answer::outcome),
            (Some(question), Standing::ToBeAsked) => question(desk, &given).map(Question::outcome),
            (Some(question), Standing::Answered(Consent::No, _)) => {
                question(desk, &given).map(|question| question.declined.outcome())
            }
            // Looked at where it is deleted, in the same transaction: a row that has changed is asked about anew.
            (Some(question), Standing::Answered(Consent::Yes, shown)) => {
                match (self.run)(&Desk { shown: Some(shown), ..*desk }, &given) {
                    Err(ToolError::Changed) => question(desk, &given).map(Question::outcome),
                    done => done.map(Answer::outcome),
                }
            }
        });
        match outcome {
            Ok(outcome) => Ok(outcome),
            Err(ToolError::Store(error)) => Err(error),
            Err(ToolError::Told(text)) => Ok(Outcome::Result(told(&text))),
            Err(ToolError::Changed) => Ok(Outcome::Result(told(&wording::fault(&Fault::Changed)))),
        }
    }
}

impl Question {
    fn outcome(self) -> Outcome {
        Outcome::Ask { text: self.text, shown: self.shown }
    }
}

impl Answer {
    /// The `CallToolResult`.
    fn outcome(self) -> Outcome {
        let Answer { text, links, data } = self;
        let block = |text: String| json!({ "type": "text", "text": text });
        let json = block(data.to_string()); // for clients that don't read structuredContent
        let content: Vec<_> = text.map(block).into_iter().chain(links).chain([json]).collect();
        Outcome::Result(json!({ "content": content, "structuredContent": data }))
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

impl From<Fault> for ToolError {
    fn from(fault: Fault) -> ToolError {
        match fault {
            Fault::Changed => ToolError::Changed,
            Fault::Store(StoreError::TooSlow) => ToolError::Told(wording::TOO_SLOW.to_owned()),
            Fault::Store(error) => ToolError::Store(error),
            fault => ToolError::Told(wording::fault(&fault)),
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
        "mimeType": resources::MIME_TYPE, "annotations": { "lastModified": modified.iso8601() },
    })
}
