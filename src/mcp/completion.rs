//! Completion: while a person types an argument, proposes values for it.
//!
//! Knows no SQL and no token text. Only the caller's own rows are offered (2025-11-25 completion, Security).
//!
//! If the token lacks the scope for these rows, the list is empty, and there is no error. A client asks for
//! completions at each key that the person presses; a 403 would open a consent page in the middle of a word.

use serde_json::Value;

use super::Mcp;
use super::arguments::{self, Kind};
use super::prompts;
use super::resources::{TEMPLATES, Template};
use super::rpc::RpcError;
use crate::journal::{JournalError, Matches, entries, tags};
use crate::json_text::{self, Json};
use crate::limits;

/// Which argument the person is typing, and how much of it they have typed.
pub(crate) struct Completion {
    subject: Subject,
    typed: String,
}

/// The kind of value that the argument takes. The same kind is completed alike in a prompt and in a template.
enum Subject {
    EntryId,
    TagId,
    /// Several ids with commas. The person is typing the last of them.
    TagIds,
    Day,
}

impl Completion {
    /// Reads the parameters of `completion/complete`. An unknown prompt, template or argument is an error of the
    /// protocol (2025-11-25 completion, Error Handling): the client got its names from this server's lists, so a name
    /// that isn't in them is a mistake in the client's program. The server ignores `context`, the arguments that were
    /// typed before, since no value here depends on another one.
    pub(crate) fn read(params: &Value) -> Result<Completion, RpcError> {
        let text = |place: &str, pointer: &str| {
            let found = params.pointer(pointer).and_then(Value::as_str);
            found.ok_or_else(|| RpcError::invalid_params(format!("params.{place} must be a string")))
        };
        let name = text("argument.name", "/argument/name")?;
        // A client that keeps an id as a number writes it as one.
        let typed = params.pointer("/argument/value").and_then(arguments::text_of);
        let typed =
            typed.ok_or_else(|| RpcError::invalid_params("params.argument.value must be a string"))?;
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
        Ok(Completion { subject, typed: typed.into_owned() })
    }

    /// Finds the matches, best match first: at most [`limits::COMPLETIONS_MAX`] values, as the schema demands.
    pub(crate) fn complete(&self, mcp: &Mcp) -> Result<Matches, JournalError> {
        let (typed, max) = (self.typed.trim(), limits::COMPLETIONS_MAX);
        let matches = match self.subject {
            Subject::EntryId => mcp.journal_if().map(|journal| entries::matching(&journal, typed, max)),
            Subject::Day => mcp.journal_if().map(|journal| entries::days(&journal, typed, max)),
            Subject::TagId => mcp.journal_if().map(|journal| tags::matching(&journal, typed, max)),
            // The client replaces the whole argument by the value that the person picks. So each value begins with
            // the ids that come before the last one.
            Subject::TagIds => mcp.journal_if().map(|journal| {
                let (before, last) = typed.split_at(typed.rfind(',').map_or(0, |comma| comma + 1));
                let found = tags::matching(&journal, last.trim(), max)?;
                Ok(Matches {
                    values: found.values.iter().map(|id| format!("{before}{id}")).collect(),
                    ..found
                })
            }),
        };
        matches.unwrap_or(Ok(Matches { values: Vec::new(), total: 0, is_cut: false }))
    }
}

/// Writes the `completion` of a `CompleteResult`.
pub(crate) fn written(matches: &Matches) -> impl Json {
    json_text::object(|out| {
        out.member("values", json_text::array(&matches.values));
        out.member("total", matches.total);
        out.member("hasMore", matches.is_cut || matches.total > matches.values.len() as i64);
    })
}

fn unknown_argument(known: &str) -> RpcError {
    RpcError::invalid_params(format!("Unknown argument: there is {known}"))
}
