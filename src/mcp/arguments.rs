//! The arguments of a tool or prompt: one list gives both the JSON Schema that clients see and the check that the
//! server makes.
//!
//! Knows no tool and no journal.
//!
//! A schema tells models what a call must look like, but no model is forced to obey it. So the server checks every
//! argument itself (2025-11-25 tools, Security Considerations). If the schema and the check were written in two
//! places, one could be changed without the other, and the server would refuse a call that obeys the schema. Here
//! both come from one list of [`Argument`]s.
//!
//! What fits the schema that [`schema`] returns passes [`read`], but for texts with a NUL, names, titles and texts
//! without a visible character and days that don't exist, which no schema can say plainly, and for texts over a length
//! that only the description states ([`SCHEMA_LENGTH_MAX`]). [`read`] takes a little more. Agent
//! frameworks write `null` for an argument that isn't set; numbers, booleans and lists as texts (`"10"`, `"true"`,
//! `"[1,2]"`); and a text of digits as a number (`2025` as the words of a search). The check takes such a value where
//! it can mean one thing only. Each value that passes becomes the one that the schema describes, so no tool sees the
//! difference. The schema doesn't mention these forms: it tells models what to write, and a client that checks a call
//! against it has no need of them.
//!
//! A validator of JSON Schema would be the usual choice. But a validator is a large dependency, and its messages are
//! for programmers; the messages below say to a model what to change.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use serde_json::{Map, Value, json};

use super::shapes;
use crate::dates::{DateError, EntryDate};
use crate::ids::Id;
use crate::json;
use crate::limits;
use crate::text;

/// One argument that a tool or prompt takes.
#[derive(Clone)]
pub(crate) struct Argument {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// Whether the value may be `null`. In an update `null` clears a field, while an argument that is left out leaves
    /// the field as it is.
    pub(crate) nullable: bool,
    /// Whether `""` means that the argument is left out.
    absent_if_empty: bool,
    /// Its meaning, for the model that reads the schema.
    pub(crate) about: &'static str,
}

/// The largest id. Many JSON readers keep every number as a double, and up to 2^53 - 1 a double holds each integer as
/// itself (RFC 8259 §6). A larger id could come back from a client as that of another row.
const ID_MAX: i64 = (1 << 53) - 1;
/// Characters of a date-time. Without a bound a fraction of a second could have as many digits as the body may have
/// bytes. With this bound a fraction has at most 14 digits.
const DATE_CHARS_MAX: usize = 40;
/// The largest `maxLength` in a schema; a larger one is a sentence in the description, which a model reads as well.
/// Programs that run a local model make a grammar of the schema, in which each character that may come is a rule of its
/// own. With a large bound some take minutes, and some refuse the grammar and with it all tools, from 2,000 characters
/// on (ggml-org/llama.cpp#25746).
const SCHEMA_LENGTH_MAX: usize = 1_999;
/// Unknown arguments that an error names. The error only counts the other names: otherwise a call with a thousand
/// unknown arguments would fill the model's context with the names.
const UNKNOWN_NAMED_MAX: usize = 5;

/// The form of a [`Kind::Date`], for clients. [`EntryDate::read`] takes the same form, and also checks that the
/// calendar has that day. It has no classes such as `\d`: some readers of schemas refuse them, and others take the
/// digits of every script.
const DATE_PATTERN: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}\
    (T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9]))?$";

/// What an argument must be. Each kind has a schema ([`Argument::schema`]) and a check ([`Argument::check`]). The two
/// functions follow each other, so that a reader can compare them.
#[derive(Clone)]
pub(crate) enum Kind {
    /// A row id.
    Id,
    /// Row ids, at most [`limits::TAGS_PER_ENTRY_MAX`]. See [`listed`] for the forms that are taken.
    Ids,
    /// Text of `min` to `max` characters.
    Text { min: usize, max: usize },
    /// The title or text of an entry, of `min` to `max` characters. Something of it is seen, unless it is empty: nobody
    /// could find again what looks like nothing. It is kept as it is, byte for byte.
    Prose { min: usize, max: usize },
    /// A name: text of at most `max` characters on one line, of which something is seen. The check removes the blanks
    /// around the name and what isn't seen in it, or a person could have two tags that look the same.
    Name { max: usize },
    /// The names of tags, at most [`limits::TAGS_PER_ENTRY_MAX`], each checked and cleaned as [`Kind::Name`] is. See
    /// [`listed_names`] for the forms that are taken.
    Names { max: usize },
    /// 0 or 1, with the default if the argument is left out. It is a number, as it is in the rows that clients get.
    Flag(Option<u8>),
    /// How many rows to return: at most `max`, and `default` if the argument is left out.
    Limit { max: usize, default: usize },
    /// One of these words. The first is the default if the argument is left out.
    Choice(&'static [&'static str]),
    /// A date `YYYY-MM-DD` or a date-time of RFC 3339.
    Date,
    /// The `nextCursor` of an earlier page. Only its length is checked here. The journal checks its signature, which
    /// says for which list and which person the server made it.
    Cursor,
    /// A row id as decimal digits. The arguments of prompts are texts, ids too (2025-11-25 schema, GetPromptRequest).
    IdText,
    /// Row ids as decimal digits with commas between them, at most [`limits::TAGS_PER_ENTRY_MAX`].
    IdsText,
}

impl Argument {
    /// Describes an argument that a call must have.
    pub(crate) const fn required(name: &'static str, kind: Kind, about: &'static str) -> Argument {
        Argument { name, kind, required: true, nullable: false, absent_if_empty: false, about }
    }

    /// Describes an argument that may be left out.
    pub(crate) const fn optional(name: &'static str, kind: Kind, about: &'static str) -> Argument {
        Argument { name, kind, required: false, nullable: false, absent_if_empty: false, about }
    }

    /// Describes an argument that may be left out or be `null`.
    pub(crate) const fn nullable(name: &'static str, kind: Kind, about: &'static str) -> Argument {
        Argument { name, kind, required: false, nullable: true, absent_if_empty: false, about }
    }

    /// Describes the same argument, for which `""` means that it is left out: the form that a client shows to a person
    /// for a prompt sends `""` for a field that the person left empty. Other arguments take `""` as a value, or refuse
    /// it where it can't be one: the model that wrote it for a filter learns that the call filters nothing by it.
    pub(crate) fn absent_if_empty(self) -> Argument {
        Argument { absent_if_empty: true, ..self }
    }

    /// Writes the JSON Schema of this argument. It states the bounds, one or the other in words, because a model that
    /// knows a bound keeps to it, while a model that doesn't know the bound has to call again.
    ///
    /// The kinds for prompts have a schema too, but clients don't see it: MCP describes a prompt without a schema.
    fn schema(&self) -> Value {
        let mut schema = match &self.kind {
            Kind::Id => json!({ "type": "integer", "minimum": 1, "maximum": ID_MAX }),
            Kind::Ids => json!({
                "type": "array", "items": { "type": "integer", "minimum": 1, "maximum": ID_MAX },
                "maxItems": limits::TAGS_PER_ENTRY_MAX,
            }),
            Kind::Text { min, max } | Kind::Prose { min, max } if *max > SCHEMA_LENGTH_MAX => {
                json!({ "type": "string", "minLength": min })
            }
            Kind::Text { min, max } | Kind::Prose { min, max } => {
                json!({ "type": "string", "minLength": min, "maxLength": max })
            }
            // That a name needs a visible character could be a pattern, `\S`; but programs that make a grammar for a
            // local model of the schema take no pattern that isn't anchored, and no class (llama.cpp).
            Kind::Name { max } => json!({ "type": "string", "minLength": 1, "maxLength": max }),
            Kind::Names { max } => json!({
                "type": "array", "items": { "type": "string", "minLength": 1, "maxLength": max },
                "maxItems": limits::TAGS_PER_ENTRY_MAX,
            }),
            Kind::Flag(default) => {
                let mut flag = shapes::flag();
                if let Some(default) = default {
                    flag["default"] = (*default).into();
                }
                flag
            }
            Kind::Limit { max, default } => {
                json!({ "type": "integer", "minimum": 1, "maximum": max, "default": default })
            }
            Kind::Choice(words) => json!({ "type": "string", "enum": words, "default": words[0] }),
            Kind::Date => {
                json!({ "type": "string", "maxLength": DATE_CHARS_MAX, "pattern": DATE_PATTERN })
            }
            Kind::Cursor => json!({ "type": "string", "maxLength": limits::CURSOR_CHARS_MAX }),
            Kind::IdText | Kind::IdsText => json!({ "type": "string" }),
        };
        // `"type": ["string", "null"]` would mean the same, but some clients read `type` as a text, and the MCP
        // Inspector warns about a list there.
        if self.nullable {
            schema = json!({ "anyOf": [schema, { "type": "null" }] });
        }
        schema["description"] = match self.kind {
            Kind::Text { max, .. } | Kind::Prose { max, .. } if max > SCHEMA_LENGTH_MAX => {
                format!("{} At most {max} characters.", self.about).into()
            }
            _ => self.about.into(),
        };
        schema
    }

    /// Checks a value. Returns it as the tool gets it, or the rest of a sentence that begins with the argument's
    /// name. The sentence says what the argument must be, so that a model can mend its call.
    fn check(&self, value: &Value) -> Result<Value, String> {
        if self.nullable && value.is_null() {
            return Ok(Value::Null);
        }
        let text = || required_text(value);
        match &self.kind {
            Kind::Id => integer(value, 1, ID_MAX).map(Value::from),
            Kind::Ids => {
                let ids = listed(value)?;
                within("must have", ids.len(), 0, limits::TAGS_PER_ENTRY_MAX, "items")?;
                let ids = ids.iter().map(|id| integer(id, 1, ID_MAX).map(Value::from));
                ids.collect::<Result<Vec<_>, _>>()
                    .map(Value::Array)
                    .map_err(|why| format!("holds one that {why}"))
            }
            Kind::Text { min, max } => characters(&text()?, *min, *max).map(Value::from),
            Kind::Prose { min, max } => match characters(&text()?, *min, *max)? {
                text if text.is_empty() || text::has_visible(text) => Ok(text.into()),
                _ => Err("must have a visible character".into()),
            },
            Kind::Name { max } => name_of(value, *max),
            Kind::Names { max } => {
                let names = listed_names(value)?;
                within("must have", names.len(), 0, limits::TAGS_PER_ENTRY_MAX, "items")?;
                let names = names.iter().map(|name| name_of(name, *max));
                names
                    .collect::<Result<Vec<_>, _>>()
                    .map(Value::Array)
                    .map_err(|why| format!("holds one that {why}"))
            }
            // Some models write `true` for 1 although the schema says 0 or 1. `true` can only mean 1, so it is
            // accepted, also as a text.
            Kind::Flag(_) => match (value, value.as_str()) {
                (Value::Bool(true), _) | (_, Some("true")) => Ok(1.into()),
                (Value::Bool(false), _) | (_, Some("false")) => Ok(0.into()),
                _ => integer(value, 0, 1).map(Value::from),
            },
            Kind::Limit { max, .. } => integer(value, 1, *max as i64).map(Value::from),
            Kind::Choice(words) => match &*text()? {
                word if words.contains(&word) => Ok(word.into()),
                _ => Err(format!("must be one of {}", words.join(", "))),
            },
            Kind::Date => match &*text()? {
                date if date.len() <= DATE_CHARS_MAX && has_form_of_date(date) => Ok(date.into()),
                _ => Err("must be a date (2025-01-31) or a date-time with its offset, at most 14:59 (2025-01-31T09:30:00Z)"
                    .into()),
            },
            Kind::Cursor => characters(&text()?, 0, limits::CURSOR_CHARS_MAX).map(Value::from),
            Kind::IdText => {
                number_of(&text()?).map(Value::from).ok_or("must be an id in decimal digits".into())
            }
            Kind::IdsText => {
                let ids =
                    ids_of(&text()?).ok_or("must be ids in decimal digits, with commas between them")?;
                within("must have", ids.len(), 0, limits::TAGS_PER_ENTRY_MAX, "ids")?;
                Ok(ids.into())
            }
        }
    }
}

/// Reads an id from its decimal digits. Refuses `07`: as a part of a URI it would give one row two names, and a
/// client or a cache would take them for two rows.
pub(crate) fn id_of<Of>(digits: &str) -> Option<Id<Of>> {
    number_of(digits).map(Id::new)
}

fn number_of(digits: &str) -> Option<i64> {
    decimal(digits).filter(|number| (1..=ID_MAX).contains(number))
}

/// Writes the JSON Schema (2020-12) of a tool's arguments. Its root is an object, as MCP demands, even for a tool
/// without arguments (2025-11-25 tools, Tool). It allows no further members: if a model misspelt the name of a filter
/// and got no error, the tool would return every row, and the model would believe that every row passed the filter.
pub(crate) fn schema(arguments: &[Argument]) -> Value {
    // `properties` is there for a tool without arguments too: JSON Schema doesn't need it, but a client that hands the
    // schema on to a model's API does (OpenAI's refuses the whole request without it).
    let properties: Map<_, _> = arguments.iter().map(|a| (a.name.to_owned(), a.schema())).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    let required: Vec<_> = arguments.iter().filter(|a| a.required).map(|a| a.name).collect();
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema["additionalProperties"] = false.into();
    schema
}

/// All mistakes in the arguments of a call. If the error named only the first one, a model would need one call for
/// each mistake.
#[derive(Debug)]
pub(crate) struct BadArguments(Vec<String>);

impl fmt::Display for BadArguments {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0.join("; "))
    }
}

impl Error for BadArguments {}

/// Arguments that passed the check. Only [`read`] makes this type, so a tool can't get unchecked arguments. A tool
/// calls the getters below with the names and types of its own list; if the call left the argument out, a getter
/// returns the value that means "left out".
pub(crate) struct Checked(Map<String, Value>);

/// Checks the arguments of a call against what the tool or prompt takes. For an unknown name the error repeats that
/// name and lists the known ones, so that a model that has misspelt a name finds the right one.
///
/// An argument that is `null` is left out, unless `null` is a value for some argument of this tool. In such a tool
/// (an update) each `null` has to be meant: a client that writes `null` for whatever isn't set would otherwise clear
/// the mood of an entry whose title it changes. There a `null` that clears nothing is a mistake, and the error keeps
/// the fields from being cleared.
///
/// What is given to a tool without arguments is ignored. Some clients show such a tool to their model with an argument
/// of their own (Cursor: `random_string`), and no name can be a misspelt filter there.
pub(crate) fn read(arguments: &[Argument], mut given: Map<String, Value>) -> Result<Checked, BadArguments> {
    if arguments.is_empty() {
        return Ok(Checked(Map::new()));
    }
    let mut mistakes = Vec::new();
    let null_is_absent = !arguments.iter().any(|argument| argument.nullable);
    given.retain(|name, value| {
        let is_absent =
            |own: &Argument| (value.is_null() && null_is_absent) || (value == "" && own.absent_if_empty);
        !arguments.iter().any(|own| own.name == name && is_absent(own))
    });
    for argument in arguments.iter().filter(|a| a.required && !given.contains_key(a.name)) {
        mistakes.push(format!("{} is required", argument.name));
    }
    let (mut checked, mut unknown) = (Map::new(), Vec::new());
    for (name, value) in given {
        match arguments.iter().find(|argument| argument.name == name) {
            None => unknown.push(name),
            Some(argument) => match argument.check(&value) {
                Ok(value) => drop(checked.insert(name, value)),
                Err(why) => mistakes.push(format!("{name} {why}")),
            },
        }
    }
    if !unknown.is_empty() {
        let named: Vec<String> = unknown.iter().take(UNKNOWN_NAMED_MAX).map(|name| cut(name)).collect();
        let more = match unknown.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let known: Vec<_> = arguments.iter().map(|argument| argument.name).collect();
        let known = known.join(", ");
        mistakes.push(format!("{}{more}: no such argument (there are {known})", named.join(", ")));
    }
    if mistakes.is_empty() { Ok(Checked(checked)) } else { Err(BadArguments(mistakes)) }
}

impl Checked {
    /// Returns the id of a required argument. The type says to which kind of row the id belongs, so a tool can't use
    /// a tag's id for an entry. If the arguments hold no integer of this name, the function returns the id 0, which no
    /// row has.
    pub(crate) fn id<Of>(&self, name: &str) -> Id<Of> {
        // The check has ruled out that the id is missing. If it were missing all the same, no row has the id 0.
        Id::new(self.0.get(name).and_then(Value::as_i64).unwrap_or(0))
    }

    /// Returns the ids, or an empty list if the argument is left out.
    pub(crate) fn ids<Of>(&self, name: &str) -> Vec<Id<Of>> {
        let ids = self.0.get(name).and_then(Value::as_array);
        ids.into_iter().flatten().filter_map(Value::as_i64).map(Id::new).collect()
    }

    /// Returns the names, or an empty list if the argument is left out.
    pub(crate) fn names(&self, name: &str) -> Vec<String> {
        let names = self.0.get(name).and_then(Value::as_array);
        names.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// Returns `None` if the argument is left out, `Some(None)` for `null`, and otherwise the text.
    pub(crate) fn nullable_text(&self, name: &str) -> Option<Option<String>> {
        self.0.get(name).map(|value| value.as_str().map(str::to_owned))
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_i64).map(|number| number == 1)
    }

    pub(crate) fn limit(&self, default: usize) -> usize {
        self.0.get("limit").and_then(Value::as_u64).and_then(|limit| limit.try_into().ok()).unwrap_or(default)
    }
}

/// Reads a text, or an integer as its digits: a framework that guesses types makes one of `"2025"`. The digits are what
/// the client had, because an integer is written in one way only. A number with a fraction has several (`1.50`, `1.5`),
/// and no person types `true` where a text belongs, so neither counts as a text.
pub(crate) fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    let digits = || value.as_i64().map(|number| Cow::Owned(number.to_string()));
    value.as_str().map(Cow::Borrowed).or_else(digits)
}

fn required_text(value: &Value) -> Result<Cow<'_, str>, String> {
    text_of(value).ok_or_else(|| format!("must be a string, not {}", kind_of(value)))
}

/// Reads a name of at most `max` characters, and cleans it.
fn name_of(value: &Value, max: usize) -> Result<Value, String> {
    let name = text::name(characters(&required_text(value)?, 1, max)?);
    name.map(Value::from).map_err(|bad| bad.to_string())
}

/// Checks for an integer within bounds. `3.0` passes too: JSON has one kind of number, and JSON Schema 2020-12 counts
/// a number without a fraction as an integer (Validation §6.1.1). So does a text of plain decimal digits. A text with
/// a sign, a fraction, an exponent, a blank or a zero in front doesn't pass: such a text came from a place where more
/// than an integer can stand, and a rounded or trimmed value could be another than the one meant there.
fn integer(value: &Value, min: i64, max: i64) -> Result<i64, String> {
    let whole = value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 2f64.powi(53));
    let written = value.as_str().and_then(decimal);
    let number = value.as_i64().or(whole.map(|number| number as i64)).or(written);
    match (number, written) {
        (Some(number), _) if (min..=max).contains(&number) => Ok(number),
        (_, Some(number)) => Err(format!("must be an integer from {min} to {max}, not {number}")),
        _ => Err(format!("must be an integer from {min} to {max}, not {}", shown(value))),
    }
}

/// Reads plain decimal digits. The number is of this type, or `None`.
fn decimal(digits: &str) -> Option<i64> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = plain && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| canonical)
}

/// Reads a list of ids, which aren't checked yet: an array; the text of an array; one id, which can only mean the list
/// that holds it; or ids with commas between them, as prompts take them ([`Kind::IdsText`]).
fn listed(value: &Value) -> Result<Vec<Value>, String> {
    let not_listed = || format!("must be an array, not {}", kind_of(value));
    match value {
        Value::Array(ids) => Ok(ids.clone()),
        Value::Number(_) => Ok(vec![value.clone()]),
        Value::String(text) if text.starts_with('[') => match json::parse(text.as_bytes()) {
            Ok(Value::Array(ids)) => Ok(ids),
            _ => Err(not_listed()),
        },
        Value::String(text) => ids_of(text).ok_or_else(not_listed),
        _ => Err(not_listed()),
    }
}

/// Reads a list of names, which aren't checked yet: an array; the text of an array; or one name, which can only mean
/// the list that holds it. A text with a comma is refused, since it may be one name or several.
fn listed_names(value: &Value) -> Result<Vec<Value>, String> {
    match value {
        Value::String(name) if name.starts_with('[') => listed(value),
        Value::String(name) if name.is_empty() || name.contains(',') => {
            Err(format!("must be an array, not {}", kind_of(value)))
        }
        Value::String(_) => Ok(vec![value.clone()]),
        _ => listed(value),
    }
}

/// Reads ids in decimal digits with commas between them.
fn ids_of(text: &str) -> Option<Vec<Value>> {
    text.split(',').map(|id| number_of(id.trim()).map(Value::from)).collect()
}

/// Checks the length of a text. The bounds count characters and not bytes, as JSON Schema does (`maxLength`).
fn characters(text: &str, min: usize, max: usize) -> Result<&str, String> {
    within("must have", text.chars().count(), min, max, "characters")?;
    // Some functions of SQLite take U+0000 for the end of a text: `length` and a search would not see the characters
    // after it.
    if text.contains('\0') { Err("must not contain the character U+0000".into()) } else { Ok(text) }
}

fn within(must: &str, count: usize, min: usize, max: usize, unit: &str) -> Result<(), String> {
    match count {
        _ if (min..=max).contains(&count) => Ok(()),
        _ if min == 0 => Err(format!("{must} at most {max} {unit}, not {count}")),
        _ => Err(format!("{must} {min} to {max} {unit}, not {count}")),
    }
}

/// Quotes the name of an unknown argument and cuts it, for an error. `{:?}` writes control characters as escapes, so
/// the client's text can't look like a sentence of the server.
fn cut(name: &str) -> String {
    format!("{:?}", name.chars().take(40).collect::<String>())
}

/// Writes a wrong value for an error: a number as it is, because it is short, and of each other value only the type,
/// because a text could be a whole entry.
fn shown(value: &Value) -> String {
    if value.is_number() { value.to_string() } else { kind_of(value).to_owned() }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Checks whether a text is written like a date or a date-time. The journal checks later whether the calendar has
/// that day.
fn has_form_of_date(text: &str) -> bool {
    EntryDate::read(text) != Err(DateError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_forms_of_a_date() {
        for good in ["2025-01-31", "2025-01-31T09:30:00Z", "2025-01-31T09:30:00.25+02:00"] {
            assert!(has_form_of_date(good), "{good}");
        }
        for bad in [
            "now",
            "2025-1-31",
            "2025-01-31T09:30:00",
            "2025-01-31 09:30:00Z",
            "2025-01-31T09:30:00.Z",
            "é025-01-31",
        ] {
            assert!(!has_form_of_date(bad), "{bad}");
        }
    }

    #[test]
    fn names_everything_that_is_wrong() {
        let arguments = [
            Argument::required("title", Kind::Text { min: 1, max: 5 }, ""),
            Argument::optional("tags", Kind::Ids, ""),
            Argument::nullable("mood", Kind::Text { min: 0, max: 5 }, ""),
        ];
        let check = |given: Value| match given {
            Value::Object(given) => {
                read(&arguments, given).map(|_| ()).map_err(|mistakes| mistakes.to_string())
            }
            _ => unreachable!("the table holds objects"),
        };
        assert_eq!(check(json!({ "title": "é☂abc", "tags": [1, 2.0], "mood": null })), Ok(()));
        for text in ["[1, 2]", "1, 2", "7"] {
            assert_eq!(check(json!({ "title": "é", "tags": text })), Ok(()), "{text}");
        }
        let wrong = check(json!({ "tags": [1, 1.5], "mood": "stormy", "colour": "red" }));
        let expected = "title is required; tags holds one that must be an integer from 1 to 9007199254740991, not 1.5; \
                        mood must have at most 5 characters, not 6; \
                        \"colour\": no such argument (there are title, tags, mood)";
        assert_eq!(wrong, Err(expected.to_owned()));
    }
}
