//! Bytes → one JSON value, or the items of a large one by one; read in one way only.
//!
//! Reads no JSON-RPC. Beyond what `serde_json` refuses (broken UTF-8, lone surrogates, numbers out of range, 128
//! levels or more) an object with the same member twice is refused. RFC 8259 §4 leaves open which one counts, and
//! programs differ: a proxy that checks the method of a call could read the first `method`, and this server the last.
//! I-JSON (RFC 7493 §2.3) forbids such objects for that reason.
//!
//! `serde_json` builds its own `Value` and keeps the last of two members without an error. So this file reads the
//! text by a serde visitor, and builds the value itself.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::io::{BufReader, Read};

use serde_core::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use crate::limits;

/// Reads a whole text; the error says what is wrong and where. Text after the value is an error too: two values would
/// be two messages, and the server would overlook one of them.
#[inline(never)] // see `log::write`
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, BadJson> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let left = Cell::new(limits::JSON_VALUES_MAX);
    let value = Strict(&left).deserialize(&mut reader).map_err(BadJson)?;
    reader.end().map_err(BadJson)?;
    Ok(value)
}

/// A part of the outermost object, as [`stream`] hands it over.
pub(crate) enum Part<'p> {
    /// An item of one of the lists, in their order.
    Item { list: &'p str, value: Value },
    /// Any other member. A list comes as an empty one, after its items. So does an object in the place of a list: it
    /// may be large, and what is in it has no use.
    Member { name: &'p str, value: Value },
}

/// Reads a text that may be too large to be one value in memory, and hands over the members of its outermost object
/// one by one, and the items of the members in `lists` one by one. Each part is held to the same rules and limits as a
/// whole text.
pub(crate) fn stream(
    input: impl Read,
    lists: &[&str],
    each: &mut dyn FnMut(Part<'_>),
) -> Result<(), BadJson> {
    let mut reader = serde_json::Deserializer::from_reader(BufReader::new(input));
    reader.deserialize_map(Outermost { lists, each }).map_err(BadJson)?;
    reader.end().map_err(BadJson)
}

/// Returns a member of the outermost object of a text, if it is neither an object nor a list; the rest of the text
/// isn't kept, nor checked. It is for a text that is too large to be read, and whose sender must be told.
pub(crate) fn member(input: impl Read, name: &str) -> Option<Value> {
    let mut found = None;
    let mut reader = serde_json::Deserializer::from_reader(BufReader::new(input));
    // The text is left in the middle once the member is found, which the reader takes for an error.
    let _ = reader.deserialize_map(Member { name, found: &mut found });
    found
}

/// Looks for one member of an object.
struct Member<'s> {
    name: &'s str,
    found: &'s mut Option<Value>,
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut reader: A) -> Result<(), A::Error> {
        while let Some(name) = reader.next_key::<String>()? {
            if name == self.name {
                *self.found = Some(reader.next_value_seed(Strict(&Cell::new(1)))?);
                return Ok(());
            }
            reader.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Reads the outermost object of a large text.
struct Outermost<'s> {
    lists: &'s [&'s str],
    each: &'s mut dyn FnMut(Part<'_>),
}

impl<'de> Visitor<'de> for Outermost<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut reader: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = reader.next_key::<String>()? {
            if names.len() >= limits::JSON_VALUES_MAX {
                return Err(A::Error::custom("too many values"));
            }
            if self.lists.contains(&name.as_str()) {
                reader.next_value_seed(Items { list: &name, each: self.each })?;
            } else {
                let value = reader.next_value_seed(Strict(&Cell::new(limits::JSON_VALUES_MAX)))?;
                (self.each)(Part::Member { name: &name, value });
            }
            if !names.insert(name) {
                return Err(A::Error::custom("a member is there twice"));
            }
        }
        Ok(())
    }
}

/// Reads one list of the outermost object, item by item.
struct Items<'s> {
    list: &'s str,
    each: &'s mut dyn FnMut(Part<'_>),
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut reader: A) -> Result<(), A::Error> {
        while let Some(value) = reader.next_element_seed(Strict(&Cell::new(limits::JSON_VALUES_MAX)))? {
            (self.each)(Part::Item { list: self.list, value });
        }
        (self.each)(Part::Member { name: self.list, value: Value::Array(Vec::new()) });
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut reader: A) -> Result<(), A::Error> {
        while reader.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        (self.each)(Part::Member { name: self.list, value: Value::Object(Map::new()) });
        Ok(())
    }
}

/// Why a text isn't read. The words say what is wrong and where, and repeat nothing of the text.
#[derive(Debug)]
pub(crate) struct BadJson(serde_json::Error);

impl fmt::Display for BadJson {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        // A program that cuts its text after so many UTF-16 units can cut an emoji in two, and its author sees nothing
        // wrong in the text. The parser's words speak of the escape's end there, or of a leading half for each half.
        let words = self.0.to_string();
        let is_half = ["lone leading surrogate", "unexpected end of hex escape"];
        if is_half.iter().any(|half| words.starts_with(half)) {
            let (line, column) = (self.0.line(), self.0.column());
            return write!(
                out,
                "an escape (\\uD800 to \\uDFFF) is half a character, a lone surrogate, at line {line} column {column}; \
                 write both halves, or \\uFFFD in its place"
            );
        }
        out.write_str(&words)
    }
}

impl std::error::Error for BadJson {}

/// Reads one value, and counts it against the number of values that are left. Four megabytes of `0,0,0,…` are two
/// million values, and in memory each takes sixteen times its two bytes or more. So a limit on bytes alone wouldn't
/// limit the memory enough.
///
/// All levels of the text share the count. Each level has a copy of this value, so the count is a `Cell` to which all
/// copies refer.
#[derive(Clone, Copy)]
struct Strict<'c>(&'c Cell<usize>);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        let left = self.0.get().checked_sub(1);
        self.0.set(left.ok_or_else(|| D::Error::custom("too many values"))?);
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        let mut text = String::new();
        // Like a large body, a large text goes back to the system when it is freed: see `MessageReader::take`.
        if value.len() > limits::TEXT_AT_FIRST_MAX {
            let _ = text.try_reserve_exact(limits::BODY_CAPACITY);
        }
        text.push_str(value);
        Ok(Value::String(text))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut reader: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = reader.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    /// Reads an object, each value by the same rules as the whole text. Fails if a member is there twice, because
    /// programs differ over which of the two counts.
    fn visit_map<A: MapAccess<'de>>(self, mut reader: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = reader.next_key::<String>()? {
            let Entry::Vacant(place) = members.entry(name) else {
                // The message doesn't repeat the member's name: the client chose it, and it could be any text.
                return Err(A::Error::custom("a member is there twice"));
            };
            place.insert(reader.next_value_seed(self)?);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &[u8], good: bool) {
        assert_eq!(parse(text).is_ok(), good, "{}", String::from_utf8_lossy(text));
    }

    #[test]
    fn finds_a_member_in_a_text_that_is_not_read() {
        let found = |text: &str| member(text.as_bytes(), "id");
        assert_eq!(found(r#"{"a":[{"id":1}],"b":"\"id\":2","id":3,"c":"#), Some(Value::from(3)));
        assert_eq!(found(r#"{"id":"x"#), None);
        assert_eq!(found(r#"{"id":"x""#), Some(Value::from("x")));
        for text in ["", "[]", r#"{"id":{}}"#, r#"{"id":[1]}"#, r#"{"a":1}"#, r#"{"a":1"#, "7"] {
            assert_eq!(found(text).filter(|id| !id.is_array() && !id.is_object()), None, "{text}");
        }
    }

    #[test]
    fn says_that_an_escape_is_half_a_character() {
        for (text, column) in [
            (r#"{"a":"\ud83d"}"#, 13),
            (r#"{"a":"\ud83dx"}"#, 13),
            (r#"{"a":"\ud83d\n"}"#, 14),
            (r#"{"a":"\ud83d\ud83d\ude00"}"#, 18),
            (r#"{"a":"\ude00"}"#, 12),
            (r#"{"\uDFFF":1}"#, 8),
        ] {
            let words = parse(text.as_bytes()).expect_err(text).to_string();
            assert!(
                words.contains("half a character, a lone surrogate, at line 1 column "),
                "{text}: {words}"
            );
            assert!(words.contains(&format!(" column {column};")), "{text}: {words}");
        }
        for (text, said) in [
            (r#""\ud83"#, "EOF while parsing a string at line 1 column 6"),
            (r#""\ud83g""#, "invalid escape at line 1 column 7"),
            ("1 1", "trailing characters at line 1 column 3"),
        ] {
            assert_eq!(parse(text.as_bytes()).expect_err(text).to_string(), said);
        }
        assert_eq!(parse(br#""\ud83d\ude00\ufffd""#).expect("a pair"), "😀\u{fffd}");
    }

    #[track_caller]
    fn streamed(text: &str) -> Result<Vec<String>, String> {
        let mut parts = Vec::new();
        let done = stream(text.as_bytes(), &["list"], &mut |part| {
            parts.push(match part {
                Part::Item { list, value } => format!("{list}: {value}"),
                Part::Member { name, value } => format!("{name} = {value}"),
            });
        });
        done.map(|()| parts).map_err(|bad| bad.to_string())
    }

    #[test]
    fn hands_over_the_items_of_a_large_text_one_by_one() {
        let parts = streamed(r#"{"a":[1,{"b":2}],"list":[[3],null,{"c":4}],"d":"e"}"#).expect("an object");
        assert_eq!(
            parts,
            [r#"a = [1,{"b":2}]"#, "list: [3]", "list: null", r#"list: {"c":4}"#, "list = []", r#"d = "e""#]
        );
        assert_eq!(streamed(r#"{"list":{"x":[1,2]}}"#).expect("an object"), ["list = {}"]);
        // Each item has the values of a whole text for itself.
        let many = format!("[{}0]", "0,".repeat(limits::JSON_VALUES_MAX - 2));
        assert_eq!(streamed(&format!(r#"{{"list":[{many},{many}]}}"#)).expect("an object").len(), 3);
        let one_more = format!("[{}0]", "0,".repeat(limits::JSON_VALUES_MAX - 1));
        for (text, why) in [
            (format!(r#"{{"list":[{one_more}]}}"#), "too many values"),
            (r#"{"list":[{"a":1,"a":1}]}"#.to_owned(), "a member is there twice"),
            (r#"{"list":[],"list":[]}"#.to_owned(), "a member is there twice"),
            (r#"{"a":1,"a":1}"#.to_owned(), "a member is there twice"),
            (r#"{"list":5}"#.to_owned(), "expected a list"),
            ("[]".to_owned(), "expected an object"),
            (r#"{"list":[1"#.to_owned(), "EOF"),
            ("{} {}".to_owned(), "trailing characters"),
        ] {
            let said = streamed(&text).expect_err(&text);
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn reads_a_text_in_one_way_only() {
        check(br#"{"a":1,"b":{"a":2}}"#, true);
        check(br#"{"a":1,"a":1}"#, false);
        check(br#"{"a":1,"\u0061":1}"#, false);
        check(br#"[{"b":[{"c":0,"c":0}]}]"#, false);
        check(br#""\ud83d\ude00""#, true);
        check(br#""\ud83d""#, false);
        check(b"\"\xff\"", false);
        check(b"1e999", false);
        check(b"{} {}", false);
        check(b"", false);
        check("[".repeat(127).as_bytes(), false);
        check(format!("{}{}", "[".repeat(127), "]".repeat(127)).as_bytes(), true);
        check(format!("[{}0]", "0,".repeat(limits::JSON_VALUES_MAX - 2)).as_bytes(), true);
        check(format!("[{}0]", "0,".repeat(limits::JSON_VALUES_MAX - 1)).as_bytes(), false);
        check(format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).as_bytes(), false);
    }
}
