//! Completion: what somebody may mean who is typing an argument.
//!
//! Knows no SQL and no token. Invariant: only the caller's own rows are offered; where the scope is missing there are
//! none, since a client asks this behind the person's back and must not be sent for a consent.

use serde_json::{Value, json};

use super::arguments::Kind;
use super::prompts;
use super::resources::{TEMPLATES, Template};
use super::rpc::RpcError;
use crate::journal::{Fault, Journal, Matches, entries, tags};
use crate::limits;
use crate::scope::{Scope, Scopes};

/// What is being typed, and how much of it is there.
pub struct Completion {
    subject: Subject,
    typed: String,
}

enum Subject {
    EntryId,
    TagId,
    /// Several ids with commas; the last of them is being typed.
    TagIds,
    Day,
}

impl Completion {
    /// Reads the parameters of `completion/complete`.
    pub fn read(params: &Value) -> Result<Completion, RpcError> {
        let text = |place: &str, pointer: &str| {
            let found = params.pointer(pointer).and_then(Value::as_str);
            found.ok_or_else(|| RpcError::invalid_params(format!("params.{place} must be a string")))
        };
        let (name, typed) =
            (text("argument.name", "/argument/name")?, text("argument.value", "/argument/value")?);
        if typed.chars().count() > limits::COMPLETED_CHARS_MAX {
            let max = limits::COMPLETED_CHARS_MAX;
            return Err(RpcError::invalid_params(format!(
                "params.argument.value has more than {max} characters"
            )));
        }
        let subject = match text("ref.type", "/ref/type")? {
            "ref/resource" => {
                let uri = text("ref.uri", "/ref/uri")?;
                let known = TEMPLATES.iter().find(|(template, _)| *template == uri);
                let (_, template) = known.ok_or_else(|| {
                    RpcError::invalid_params(
                        "Unknown template: resources/templates/list shows those there are",
                    )
                })?;
                match template {
                    _ if name != "id" => return Err(unknown_argument("id")),
                    Template::Entry => Subject::EntryId,
                    Template::Tag => Subject::TagId,
                }
            }
            "ref/prompt" => {
                let prompt = prompts::find(text("ref.name", "/ref/name")?)?;
                let Some(argument) = prompt.arguments.iter().find(|argument| argument.name == name) else {
                    let known: Vec<_> = prompt.arguments.iter().map(|argument| argument.name).collect();
                    return Err(unknown_argument(&known.join(", ")));
                };
                match argument.kind {
                    Kind::IdText => Subject::EntryId,
                    Kind::IdsText => Subject::TagIds,
                    _ => Subject::Day,
                }
            }
            _ => return Err(RpcError::invalid_params("params.ref.type must be ref/prompt or ref/resource")),
        };
        Ok(Completion { subject, typed: typed.to_owned() })
    }

    /// The scope without which nothing is offered.
    pub fn needs(&self) -> Scopes {
        Scopes::of(&[match self.subject {
            Subject::EntryId | Subject::Day => Scope::EntriesRead,
            Subject::TagId | Subject::TagIds => Scope::TagsRead,
        }])
    }

    /// The `CompleteResult`; empty without a journal.
    pub fn complete(&self, journal: Option<&Journal>) -> Result<Value, Fault> {
        let (typed, max) = (self.typed.trim(), limits::COMPLETIONS_MAX);
        let matches = match (journal, &self.subject) {
            (None, _) => Matches { values: Vec::new(), total: 0 },
            (Some(journal), Subject::EntryId) => entries::matching(journal, typed, max)?,
            (Some(journal), Subject::TagId) => tags::matching(journal, typed, max)?,
            (Some(journal), Subject::Day) => entries::days(journal, typed, max)?,
            (Some(journal), Subject::TagIds) => {
                let (before, last) = typed.split_at(typed.rfind(',').map_or(0, |comma| comma + 1));
                let Matches { values, total } = tags::matching(journal, last.trim(), max)?;
                Matches { values: values.iter().map(|id| format!("{before}{id}")).collect(), total }
            }
        };
        let has_more = matches.total > matches.values.len() as i64;
        Ok(json!({ "completion": { "values": matches.values, "total": matches.total, "hasMore": has_more } }))
    }
}

fn unknown_argument(known: &str) -> RpcError {
    RpcError::invalid_params(format!("Unknown argument: there is {known}"))
}
