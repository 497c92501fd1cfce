//! Bytes → one JSON value, read in one way only.
//!
//! Reads no JSON-RPC. Beyond what `serde_json` refuses (broken UTF-8, lone surrogates, numbers out of range, 128
//! levels or more) an object with the same member twice is refused. RFC 8259 §4 leaves open which one counts, and
//! programs differ: a proxy that checks the method of a call could read the first `method`, and this server the last.
//! I-JSON (RFC 7493 §2.3) forbids such objects for that reason.
//!
//! `serde_json` builds its own `Value` and keeps the last of two members without an error. So this file reads the
//! text by a serde visitor, and builds the value itself.

use std::cell::Cell;
use std::fmt;

use serde_core::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::limits;

/// Reads a whole text; the error says what is wrong and where. Text after the value is an error too: two values would
/// be two messages, and the server would overlook one of them.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, BadJson> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let left = Cell::new(limits::JSON_VALUES_MAX);
    let value = Strict(&left).deserialize(&mut reader).map_err(BadJson)?;
    reader.end().map_err(BadJson)?;
    Ok(value)
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
        Ok(Value::String(value.to_owned()))
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
            if members.contains_key(&name) {
                // The message doesn't repeat the member's name: the client chose it, and it could be any text.
                return Err(A::Error::custom("a member is there twice"));
            }
            let value = reader.next_value_seed(self)?;
            members.insert(name, value);
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
