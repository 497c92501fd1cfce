//! The arguments of a tool or prompt: one table gives both the JSON Schema that clients see and the check that is made.
//!
//! Knows no tool and no journal. Invariant: what passes [`read`] for a tool fits the schema that [`schema`] gives, so a
//! tool never meets an argument it didn't ask for. (One thing passes that the schema doesn't promise, since models
//! send it: `true` for `1`.)

use serde_json::{Map, Value, json};

use crate::limits;

/// One argument.
#[derive(Clone)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// What it must be.
    pub kind: Kind,
    /// Whether a call without it is refused.
    pub required: bool,
    /// Whether `null` may stand in its place, to clear what is there.
    pub nullable: bool,
    /// What it means, for the model.
    pub about: &'static str,
}

/// The largest id: the largest integer that every JSON reader takes for itself (RFC 8259 §6).
const ID_MAX: i64 = (1 << 53) - 1;
/// Characters of a date-time: more fraction than anybody measures.
const MOMENT_CHARS_MAX: usize = 40;
/// Unknown arguments that an error names; the rest it counts.
const UNKNOWN_NAMED_MAX: usize = 5;

/// The form of a [`Kind::Moment`], for clients; [`is_moment`] is the same for us.
const MOMENT_PATTERN: &str =
    "^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?(Z|[+-](0\\d|1[0-4]):[0-5]\\d))?$";

/// What an argument must be.
#[derive(Clone)]
pub enum Kind {
    /// A row id.
    Id,
    /// Row ids, at most [`limits::TAGS_PER_ENTRY_MAX`].
    Ids,
    /// Text of so many characters.
    Text {
        /// At least.
        min: usize,
        /// At most.
        max: usize,
    },
    /// Text of at most so many characters that aren't all blank; the blanks around it are taken off.
    Name {
        /// At most.
        max: usize,
    },
    /// 0 or 1, with what is meant when it is left out.
    Flag(Option<u8>),
    /// How many rows to return.
    Limit {
        /// At most.
        max: usize,
        /// When it is left out.
        default: usize,
    },
    /// One of these words; the first when it is left out.
    Choice(&'static [&'static str]),
    /// A date `YYYY-MM-DD` or a date-time of RFC 3339.
    Moment,
    /// What an earlier page gave as `nextCursor`.
    Cursor,
    /// A row id as decimal digits: a prompt takes nothing but text.
    IdText,
    /// Row ids as decimal digits with commas between them, at most [`limits::TAGS_PER_ENTRY_MAX`].
    IdsText,
}

impl Argument {
    /// An argument that a call must have.
    pub const fn required(name: &'static str, kind: Kind, about: &'static str) -> Argument {
        Argument { name, kind, required: true, nullable: false, about }
    }

    /// An argument that may be left out.
    pub const fn optional(name: &'static str, kind: Kind, about: &'static str) -> Argument {
        Argument { name, kind, required: false, nullable: false, about }
    }

    /// An argument that may be left out, or be `null`.
    pub const fn nullable(name: &'static str, kind: Kind, about: &'static str) -> Argument {
        Argument { name, kind, required: false, nullable: true, about }
    }

    fn schema(&self) -> Value {
        let mut schema = match &self.kind {
            Kind::Id => json!({ "type": "integer", "minimum": 1, "maximum": ID_MAX }),
            Kind::Ids => json!({
                "type": "array", "items": { "type": "integer", "minimum": 1, "maximum": ID_MAX },
                "maxItems": limits::TAGS_PER_ENTRY_MAX,
            }),
            Kind::Text { min, max } => json!({ "type": "string", "minLength": min, "maxLength": max }),
            Kind::Name { max } => json!({ "type": "string", "maxLength": max, "pattern": "\\S" }),
            Kind::Flag(None) => json!({ "type": "integer", "enum": [0, 1] }),
            Kind::Flag(Some(default)) => json!({ "type": "integer", "enum": [0, 1], "default": default }),
            Kind::Limit { max, default } => {
                json!({ "type": "integer", "minimum": 1, "maximum": max, "default": default })
            }
            Kind::Choice(words) => json!({ "type": "string", "enum": words, "default": words[0] }),
            Kind::Moment => {
                json!({ "type": "string", "maxLength": MOMENT_CHARS_MAX, "pattern": MOMENT_PATTERN })
            }
            Kind::Cursor => json!({ "type": "string", "maxLength": limits::CURSOR_CHARS_MAX }),
            Kind::IdText | Kind::IdsText => json!({ "type": "string" }),
        };
        if self.nullable {
            schema = json!({ "anyOf": [schema, { "type": "null" }] });
        }
        schema["description"] = self.about.into();
        schema
    }

    /// The argument as the tool gets it, or what is wrong with it.
    fn check(&self, value: &Value) -> Result<Value, String> {
        if self.nullable && value.is_null() {
            return Ok(Value::Null);
        }
        let text = || value.as_str().ok_or_else(|| format!("must be a string, not {}", kind_of(value)));
        match &self.kind {
            Kind::Id => integer(value, 1, ID_MAX).map(Value::from),
            Kind::Ids => {
                let ids =
                    value.as_array().ok_or_else(|| format!("must be an array, not {}", kind_of(value)))?;
                within("must have", ids.len(), 0, limits::TAGS_PER_ENTRY_MAX, "items")?;
                let ids = ids.iter().map(|id| integer(id, 1, ID_MAX).map(Value::from));
                ids.collect::<Result<Vec<_>, _>>()
                    .map(Value::Array)
                    .map_err(|why| format!("holds one that {why}"))
            }
            Kind::Text { min, max } => characters(text()?, *min, *max).map(Value::from),
            Kind::Name { max } => match characters(text()?, 1, *max)?.trim() {
                "" => Err("must not be blank".into()),
                name if name.contains(char::is_control) => Err("must not contain control characters".into()),
                name => Ok(name.into()),
            },
            Kind::Flag(_) => match value.as_bool() {
                Some(flag) => Ok(u8::from(flag).into()),
                None => integer(value, 0, 1).map(Value::from),
            },
            Kind::Limit { max, .. } => integer(value, 1, *max as i64).map(Value::from),
            Kind::Choice(words) => match text()? {
                word if words.contains(&word) => Ok(word.into()),
                _ => Err(format!("must be one of {}", words.join(", "))),
            },
            Kind::Moment => match text()? {
                moment if moment.len() <= MOMENT_CHARS_MAX && is_moment(moment) => Ok(moment.into()),
                _ => Err("must be a date (2025-01-31) or a date-time with its offset (2025-01-31T09:30:00Z)"
                    .into()),
            },
            Kind::Cursor => characters(text()?, 0, limits::CURSOR_CHARS_MAX).map(Value::from),
            Kind::IdText => id_of(text()?).map(Value::from).ok_or("must be an id in decimal digits".into()),
            Kind::IdsText => {
                let ids = text()?.split(',').map(|id| id_of(id.trim()));
                let ids: Option<Vec<_>> = ids.collect();
                let ids = ids.ok_or("must be ids in decimal digits, with commas between them")?;
                within("must have", ids.len(), 0, limits::TAGS_PER_ENTRY_MAX, "ids")?;
                Ok(ids.into())
            }
        }
    }
}

/// The id that these digits write, if they are the one way to write it.
pub fn id_of(digits: &str) -> Option<i64> {
    let plain = !digits.starts_with('0') && digits.bytes().all(|octet| octet.is_ascii_digit());
    digits.parse().ok().filter(|id| plain && (1..=ID_MAX).contains(id))
}

/// The JSON Schema (2020-12) of a tool's arguments.
pub fn schema(arguments: &[Argument]) -> Value {
    let mut schema = json!({ "type": "object" });
    if !arguments.is_empty() {
        let properties: Map<_, _> = arguments.iter().map(|a| (a.name.to_owned(), a.schema())).collect();
        schema["properties"] = properties.into();
    }
    let required: Vec<_> = arguments.iter().filter(|a| a.required).map(|a| a.name).collect();
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema["additionalProperties"] = false.into();
    schema
}

/// Arguments that passed.
pub struct Checked(Map<String, Value>);

/// Checks what a call gave; the error names everything that is wrong, so that a model mends it in one go.
pub fn read(arguments: &[Argument], given: Map<String, Value>) -> Result<Checked, String> {
    let mut faults = Vec::new();
    for argument in arguments.iter().filter(|a| a.required && !given.contains_key(a.name)) {
        faults.push(format!("{} is required", argument.name));
    }
    let (mut checked, mut unknown) = (Map::new(), Vec::new());
    for (name, value) in given {
        match arguments.iter().find(|argument| argument.name == name) {
            None => unknown.push(name),
            Some(argument) => match argument.check(&value) {
                Ok(value) => drop(checked.insert(name, value)),
                Err(why) => faults.push(format!("{name} {why}")),
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
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        faults.push(format!("{}{more}: no such argument (there are {known})", named.join(", ")));
    }
    if faults.is_empty() { Ok(Checked(checked)) } else { Err(faults.join("; ")) }
}

impl Checked {
    /// The id of a required argument.
    pub fn id(&self, name: &str) -> i64 {
        self.0.get(name).and_then(Value::as_i64).unwrap_or(0) // no row has the id 0
    }

    /// The ids given; none when it is left out.
    pub fn ids(&self, name: &str) -> Vec<i64> {
        let ids = self.0.get(name).and_then(Value::as_array);
        ids.into_iter().flatten().filter_map(Value::as_i64).collect()
    }

    /// The text given.
    pub fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// The text given, or `Some(None)` for `null`.
    pub fn nullable_text(&self, name: &str) -> Option<Option<String>> {
        self.0.get(name).map(|value| value.as_str().map(str::to_owned))
    }

    /// The flag given.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_i64).map(|number| number == 1)
    }

    /// The limit given.
    pub fn limit(&self, default: usize) -> usize {
        self.0.get("limit").and_then(Value::as_u64).and_then(|limit| limit.try_into().ok()).unwrap_or(default)
    }
}

/// An integer within bounds; `3.0` is one.
fn integer(value: &Value, min: i64, max: i64) -> Result<i64, String> {
    let whole = value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 2f64.powi(53));
    let number = value.as_i64().or(whole.map(|number| number as i64));
    match number {
        Some(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(format!("must be an integer from {min} to {max}, not {}", shown(value))),
    }
}

fn characters(text: &str, min: usize, max: usize) -> Result<&str, String> {
    within("must have", text.chars().count(), min, max, "characters")?;
    // SQLite's functions take U+0000 for the end of a text.
    if text.contains('\0') { Err("must not contain the character U+0000".into()) } else { Ok(text) }
}

fn within(must: &str, count: usize, min: usize, max: usize, unit: &str) -> Result<(), String> {
    match count {
        _ if (min..=max).contains(&count) => Ok(()),
        _ if min == 0 => Err(format!("{must} at most {max} {unit}, not {count}")),
        _ => Err(format!("{must} {min} to {max} {unit}, not {count}")),
    }
}

/// A name of the client's, quoted and short enough to repeat.
fn cut(name: &str) -> String {
    format!("{:?}", name.chars().take(40).collect::<String>())
}

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

/// Whether a text has the form of a date or of an RFC 3339 date-time; whether that day exists is asked later.
fn is_moment(text: &str) -> bool {
    let fits = |text: &str, form: &str| {
        let digit_or_same =
            |(octet, wanted): (u8, u8)| if wanted == b'0' { octet.is_ascii_digit() } else { octet == wanted };
        text.len() == form.len() && text.bytes().zip(form.bytes()).all(digit_or_same)
    };
    if fits(text, "0000-00-00") {
        return true;
    }
    let Some((clock, rest)) = text.split_at_checked("0000-00-00T00:00:00".len()) else { return false };
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let fraction_fits = offset.len() == rest.len() || rest.len() - offset.len() >= 2;
    fits(clock, "0000-00-00T00:00:00")
        && fraction_fits
        && (offset == "Z"
            || (fits(offset, "+00:00") || fits(offset, "-00:00"))
                && &offset[1..] < "15"
                && &offset[4..] < "6")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_forms_of_a_moment() {
        for good in ["2025-01-31", "2025-01-31T09:30:00Z", "2025-01-31T09:30:00.25+02:00"] {
            assert!(is_moment(good), "{good}");
        }
        for bad in [
            "now",
            "2025-1-31",
            "2025-01-31T09:30:00",
            "2025-01-31 09:30:00Z",
            "2025-01-31T09:30:00.Z",
            "é025-01-31",
        ] {
            assert!(!is_moment(bad), "{bad}");
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
            Value::Object(given) => read(&arguments, given).map(|_| ()),
            _ => unreachable!("the table holds objects"),
        };
        assert_eq!(check(json!({ "title": "é☂abc", "tags": [1, 2.0], "mood": null })), Ok(()));
        let wrong = check(json!({ "tags": [1, 1.5], "mood": "stormy", "colour": "red" }));
        let expected = "title is required; tags holds one that must be an integer from 1 to 9007199254740991, not 1.5; \
                        mood must have at most 5 characters, not 6; \
                        \"colour\": no such argument (there are title, tags, mood)";
        assert_eq!(wrong, Err(expected.to_owned()));
    }
}
