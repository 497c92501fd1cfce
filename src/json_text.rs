//! JSON text, written from values as they are read: no tree of values is built in between.
//!
//! Knows no member's name and reads no JSON (`json.rs` does). Invariant: a [`JsonText`] is one whole JSON value, with
//! each text in it escaped.
//!
//! Most of what this server writes are rows of the journal. A tree (`serde_json::Value`) of a page of them takes an
//! allocation for each member's name and for each text, all to be written once and dropped; that was a third of the
//! work of a list. Where a value is small and rarely written, a tree is easier to read, and [`Value`] is [`Json`] too.

use std::fmt::{self, Write};

use serde_json::Value;

/// Room for a value at first, in bytes. Most are one row as a list shows it, and fit.
const USUAL_BYTES: usize = 256;

/// One JSON value as text.
#[derive(Clone)]
pub(crate) struct JsonText(String);

/// What can be written as one JSON value.
pub(crate) trait Json {
    /// Appends the value's text to `out`.
    fn write(&self, out: &mut String);
}

impl JsonText {
    pub(crate) fn of(value: &(impl Json + ?Sized)) -> JsonText {
        let mut text = String::with_capacity(USUAL_BYTES);
        value.write(&mut text);
        JsonText(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// An object that is being written.
pub(crate) struct Object<'o> {
    out: &'o mut String,
    is_empty: bool,
}

impl Object<'_> {
    /// Appends a member. The caller gives each name once: a reader would refuse the object otherwise, or take either of
    /// the two values. A name is a literal without a character that must be escaped.
    pub(crate) fn member(&mut self, name: &'static str, value: impl Json) {
        debug_assert!(!name.bytes().any(must_be_escaped), "{name}");
        self.out.push_str(if self.is_empty { "\"" } else { ",\"" });
        self.out.push_str(name);
        self.out.push_str("\":");
        self.is_empty = false;
        value.write(self.out);
    }
}

/// An object whose members this function writes, in the order of its calls.
pub(crate) fn object(members: impl Fn(&mut Object)) -> impl Json {
    Members(members)
}

struct Members<F>(F);

impl<F: Fn(&mut Object)> Json for Members<F> {
    fn write(&self, out: &mut String) {
        out.push('{');
        (self.0)(&mut Object { out, is_empty: true });
        out.push('}');
    }
}

/// An array of these values.
pub(crate) fn array<J: Json>(items: impl IntoIterator<Item = J> + Clone) -> impl Json {
    Items(items)
}

struct Items<I>(I);

impl<J: Json, I: IntoIterator<Item = J> + Clone> Json for Items<I> {
    fn write(&self, out: &mut String) {
        out.push('[');
        for (place, item) in self.0.clone().into_iter().enumerate() {
            if place > 0 {
                out.push(',');
            }
            item.write(out);
        }
        out.push(']');
    }
}

impl Json for JsonText {
    fn write(&self, out: &mut String) {
        out.push_str(&self.0);
    }
}

impl fmt::Display for JsonText {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Json for Value {
    fn write(&self, out: &mut String) {
        write!(out, "{self}").expect("a String takes every write");
    }
}

impl Json for i64 {
    fn write(&self, out: &mut String) {
        write!(out, "{self}").expect("a String takes every write");
    }
}

impl Json for bool {
    fn write(&self, out: &mut String) {
        out.push_str(if *self { "true" } else { "false" });
    }
}

impl<J: Json> Json for Option<J> {
    fn write(&self, out: &mut String) {
        match self {
            Some(value) => value.write(out),
            None => out.push_str("null"),
        }
    }
}

impl<J: Json + ?Sized> Json for &J {
    fn write(&self, out: &mut String) {
        (**self).write(out);
    }
}

impl Json for String {
    fn write(&self, out: &mut String) {
        self.as_str().write(out);
    }
}

impl Json for str {
    /// Writes what must be escaped in its shortest form (RFC 8259 §7), as `serde_json` does. All these characters are
    /// ASCII, so the parts between them are whole characters and are copied as they are.
    fn write(&self, out: &mut String) {
        out.reserve(self.len() + 2);
        out.push('"');
        let mut rest = self;
        while let Some(place) = rest.bytes().position(must_be_escaped) {
            out.push_str(&rest[..place]);
            let byte = rest.as_bytes()[place];
            rest = &rest[place + 1..];
            match byte {
                b'"' => out.push_str("\\\""),
                b'\\' => out.push_str("\\\\"),
                b'\n' => out.push_str("\\n"),
                b'\r' => out.push_str("\\r"),
                b'\t' => out.push_str("\\t"),
                0x08 => out.push_str("\\b"),
                0x0c => out.push_str("\\f"),
                _ => write!(out, "\\u{byte:04x}").expect("a String takes every write"),
            }
        }
        out.push_str(rest);
        out.push('"');
    }
}

/// Returns whether a byte of a text can't stand in JSON as it is. It looks the byte up, since a list is thousands of them.
fn must_be_escaped(byte: u8) -> bool {
    const ESCAPED: [bool; 256] = {
        let mut escaped = [false; 256];
        let mut byte = 0;
        while byte < b' ' {
            escaped[byte as usize] = true;
            byte += 1;
        }
        (escaped[b'"' as usize], escaped[b'\\' as usize]) = (true, true);
        escaped
    };
    ESCAPED[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn writes_texts_as_serde_json_does() {
        let each: String = (0..0x300).filter_map(char::from_u32).collect();
        for text in ["", "a", "\"", "a\"b\\", "é\u{1}日\n本", "\u{2028}😀\u{7f}", &each] {
            assert_eq!(JsonText::of(text).as_str(), json!(text).to_string());
        }
    }

    #[test]
    fn writes_members_and_items_in_the_order_of_the_calls() {
        let written = object(|out| {
            out.member("b", -1);
            out.member("a", array([Some("x"), None]));
            out.member("none", object(|_| ()));
            out.member("value", json!({ "y": [true, 1.5] }));
            out.member("text", JsonText::of(&array::<bool>([])));
            out.member("is", false);
        });
        let expected = r#"{"b":-1,"a":["x",null],"none":{},"value":{"y":[true,1.5]},"text":[],"is":false}"#;
        assert_eq!(JsonText::of(&written).into_string(), expected);
    }
}
