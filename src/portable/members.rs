//! The members of a JSON object that a file of a person holds, read one by one.
//!
//! Knows no format. Invariant: a member is taken as what it has to be, or the error says in a sentence what is wrong
//! with it; nothing is turned into another kind of value.

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::dates::EntryDate;

/// The members of a JSON object, of which each is taken once. An error is a sentence about the object.
pub(super) struct Members(pub(super) Map<String, Value>);

impl Members {
    pub(super) fn of(value: Value) -> Result<Members, String> {
        match value {
            Value::Object(members) => Ok(Members(members)),
            _ => Err("it is not an object".to_owned()),
        }
    }

    /// Takes a member; one that is `null` counts as left out.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.shift_remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("its {name} is not a text")),
        }
    }

    pub(super) fn needed_text(&mut self, name: &str) -> Result<String, String> {
        self.text(name)?.ok_or_else(|| format!("it has no {name}"))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(format!("its {name} is neither true nor false")),
        }
    }

    pub(super) fn texts(&mut self, name: &str) -> Result<Vec<String>, String> {
        let wrong = || format!("its {name} is not a list of texts");
        let Some(value) = self.take(name) else { return Ok(Vec::new()) };
        let Value::Array(items) = value else { return Err(wrong()) };
        let texts = items.into_iter().map(|item| match item {
            Value::String(text) => Ok(text),
            _ => Err(wrong()),
        });
        texts.collect()
    }

    /// Takes a moment in RFC 3339.
    pub(super) fn moment(&mut self, name: &str) -> Result<Option<Timestamp>, String> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let time = EntryDate::read(&text).ok().and_then(|date| date.time);
        let time = time.ok_or_else(|| format!("its {name} is not a date-time (2025-01-31T09:30:00Z)"))?;
        Ok(Some(time.instant()))
    }
}
