//! JSON text, written from values as they are read: no tree of values is built in between.
//!
//! Knows no member's name and reads no JSON (`json.rs` does). Invariant: a [`JsonText`] is one whole JSON value, in
//! valid UTF-8, with each text in it escaped.
//!
//! Most of what this server writes are rows of the journal. A tree (`serde_json::Value`) of a page of them takes an
//! allocation for each member's name and for each text, all to be written once and dropped; that was a third of the
//! work of a list. Where a value is small and rarely written, a tree is easier to read, and [`Value`] is [`Json`] too.
//!
//! Values are written to bytes and not to a `String`: a text is escaped fastest in parts of one size, which may end
//! within a character. Each text is appended whole, and all else is ASCII, so the bytes are UTF-8 when it is done.

use std::fmt;
use std::io::Write;
use std::str;

use serde_json::Value;

/// Room for a value at first, in bytes. Most are one row as a list shows it, and fit.
const USUAL_BYTES: usize = 256;
/// For how many bytes an array makes room at most, after its first item.
const ROOM_AHEAD_BYTES_MAX: usize = 64 * 1024;

/// One JSON value as text.
#[derive(Clone)]
pub(crate) struct JsonText(Vec<u8>);

/// What can be written as one JSON value.
pub(crate) trait Json {
    /// Appends the value's text to `out`: ASCII and whole texts, nothing else.
    fn write(&self, out: &mut Vec<u8>);
}

impl JsonText {
    pub(crate) fn of(value: &(impl Json + ?Sized)) -> JsonText {
        let mut text = Vec::with_capacity(USUAL_BYTES);
        value.write(&mut text);
        JsonText(text)
    }

    /// Returns how many bytes it has.
    pub(crate) fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Returns it as a text: JSON within JSON.
    pub(crate) fn as_text(&self) -> impl Json {
        Text(&self.0)
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// An object that is being written.
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl Object<'_> {
    /// Appends a member. The caller gives each name once: a reader would refuse the object otherwise, or take either of
    /// the two values. A name is a literal without a character that must be escaped.
    ///
    /// Always inlined: where the length of the name is known, its copy is no call.
    #[inline(always)]
    pub(crate) fn member(&mut self, name: &'static str, value: impl Json) {
        debug_assert!(!name.bytes().any(must_be_escaped), "{name}");
        self.out.extend_from_slice(if self.is_empty { b"\"" } else { b",\"" });
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
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
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        (self.0)(&mut Object { out, is_empty: true });
        out.push(b'}');
    }
}

/// An array of these values.
pub(crate) fn array<J: Json>(items: impl IntoIterator<Item = J> + Clone) -> impl Json {
    Items(items)
}

struct Items<I>(I);

impl<J: Json, I: IntoIterator<Item = J> + Clone> Json for Items<I> {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        let (start, mut items) = (out.len(), self.0.clone().into_iter());
        if let Some(first) = items.next() {
            first.write(out);
            // Items are mostly of one size.
            let others = (out.len() - start + 1) * items.size_hint().0;
            out.reserve(others.min(ROOM_AHEAD_BYTES_MAX));
        }
        for item in items {
            out.push(b',');
            item.write(out);
        }
        out.push(b']');
    }
}

impl Json for JsonText {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl fmt::Display for JsonText {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(str::from_utf8(&self.0).expect("only texts and ASCII are appended"))
    }
}

impl Json for Value {
    fn write(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self).expect("a Vec takes every write");
    }
}

impl Json for i64 {
    fn write(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self).expect("a Vec takes every write");
    }
}

impl Json for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

impl<J: Json> Json for Option<J> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.write(out),
            None => out.extend_from_slice(b"null"),
        }
    }
}

impl<J: Json + ?Sized> Json for &J {
    fn write(&self, out: &mut Vec<u8>) {
        (**self).write(out);
    }
}

impl Json for String {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_str().write(out);
    }
}

impl Json for str {
    fn write(&self, out: &mut Vec<u8>) {
        Text(self.as_bytes()).write(out);
    }
}

/// A text, of which the bytes are known to be UTF-8.
struct Text<'t>(&'t [u8]);

impl Json for Text<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.0.len() + self.0.len() / 8 + 2); // about each tenth byte of JSON is a quote, which needs two
        out.push(b'"');
        write_escaped(self.0, out);
        out.push(b'"');
    }
}

/// A text that is put together as it is written: `format_args!` takes what `format!` takes, and allocates nothing.
impl Json for fmt::Arguments<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        fmt::Write::write_fmt(&mut Escaping(out), *self).expect("a Vec takes every write");
        out.push(b'"');
    }
}

/// Escapes each part of a text that it is given.
struct Escaping<'o>(&'o mut Vec<u8>);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        write_escaped(part.as_bytes(), self.0);
        Ok(())
    }
}

/// Appends a text, with what must be escaped in its shortest form (RFC 8259 §7), as `serde_json` does. All these
/// characters are ASCII, so no byte of a longer character is taken for one of them, and all others are copied as they
/// are.
///
/// Eight bytes are copied before any of them is looked at, and from the first that must be escaped on they are taken
/// back. A copy of eight bytes is one instruction, and one of a length that isn't known before is a call; in the data
/// of a list, which is also one of its texts, there would be one of those before each quote.
fn write_escaped(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((eight, after)) = rest.split_first_chunk::<8>() {
        let start = out.len();
        out.extend_from_slice(eight);
        let Some(place) = first_to_escape(*eight) else {
            rest = after;
            continue;
        };
        out.truncate(start + place);
        match eight[place] {
            b'"' => out.extend_from_slice(b"\\\""), // nearly always, in JSON within JSON
            byte => escape(byte, out),
        }
        rest = &rest[place + 1..];
    }
    for &byte in rest {
        if must_be_escaped(byte) { escape(byte, out) } else { out.push(byte) }
    }
}

/// Returns the place of the first byte of eight that [`must_be_escaped`]. It looks at all of them at once, as the
/// digits of one number to the base 256.
///
/// A digit below `n` (at most 0x80) borrows when `n` is taken from it, so its highest bit becomes 1 where it was 0.
/// What it borrows can make a higher digit seem too small, but no lower one, and only the lowest counts.
fn first_to_escape(eight: [u8; 8]) -> Option<usize> {
    /// The same digit eight times.
    const fn each(digit: u8) -> u64 {
        u64::from_le_bytes([digit; 8])
    }
    let below = |number: u64, n: u8| number.wrapping_sub(each(n)) & !number;
    let number = u64::from_le_bytes(eight);
    let escaped = below(number, b' ') | below(number ^ each(b'"'), 1) | below(number ^ each(b'\\'), 1);
    let escaped = escaped & each(0x80);
    (escaped != 0).then(|| (escaped.trailing_zeros() / 8) as usize)
}

/// Appends a byte that must be escaped.
fn escape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0x08 => out.extend_from_slice(b"\\b"),
        0x0c => out.extend_from_slice(b"\\f"),
        _ => write!(out, "\\u{byte:04x}").expect("a Vec takes every write"),
    }
}

/// Returns whether a byte of a text can't stand in JSON as it is. It looks the byte up, since a list is thousands of
/// them.
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
            assert_eq!(JsonText::of(text).to_string(), json!(text).to_string());
        }
    }

    /// Each character of ASCII, and one of each longer size, at each place of the eight bytes that are taken at once,
    /// and in what is left after them: alone, and with another one before or after it.
    #[test]
    fn writes_each_character_at_each_place_as_serde_json_does() {
        let characters = (0..=0x80).filter_map(char::from_u32).chain(['\u{7ff}', '日', '😀']);
        for character in characters {
            for place in 0..24 {
                for other in ['a', '"', '\u{1f}', 'é'] {
                    for after in [0, 1, 7, 8, 9] {
                        let text =
                            format!("{}{other}{character}{other}{}", "b".repeat(place), "c".repeat(after));
                        assert_eq!(JsonText::of(&text).to_string(), json!(text).to_string());
                    }
                }
            }
        }
    }

    #[test]
    fn writes_numbers_as_serde_json_does() {
        for number in [0, 7, -1, 1_750_000_000, i64::MIN, i64::MAX] {
            assert_eq!(JsonText::of(&number).to_string(), json!(number).to_string());
        }
    }

    #[test]
    fn writes_a_value_within_a_text_as_serde_json_does() {
        let value = json!({ "a": "\"\\\n\u{1}日" });
        let text = JsonText::of(&JsonText::of(&value).as_text());
        assert_eq!(text.to_string(), json!(value.to_string()).to_string());
        assert_eq!(text.bytes(), text.into_bytes().len());
    }

    #[test]
    fn escapes_each_part_of_a_text_that_is_put_together() {
        let (name, number) = ("a \"b\"\n日", 7);
        let text = JsonText::of(&format_args!("<{name}> \\ {number:03}"));
        assert_eq!(text.to_string(), json!(format!("<{name}> \\ {number:03}")).to_string());
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
        assert_eq!(JsonText::of(&written).to_string(), expected);
    }
}
