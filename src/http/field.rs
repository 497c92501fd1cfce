//! Header fields as this program writes them, in its responses and in its requests to other servers.
//!
//! Knows no field's meaning. Invariant: a [`Field`] is one line. Only [`Field::new`] makes one, and it refuses every
//! byte that could end the line: a value that ends its line begins another field, or another response (response
//! splitting, RFC 9112 §11.1).

use std::borrow::Cow;

/// A field that can be written. Most names and values are literals; a value that is built for one message is an
/// allocation.
pub(crate) struct Field<'f> {
    name: &'f str,
    value: Cow<'f, str>,
}

impl<'f> Field<'f> {
    /// Returns `None` if the name is no token, or if the value has anything but visible ASCII, spaces and tabs.
    ///
    /// A bad value isn't mended. A URL without its line end is another URL, and nobody would notice that some text
    /// reached a field unchecked. Bytes beyond ASCII are refused too: RFC 9110 §5.5 limits new fields to ASCII, and
    /// recipients differ in what they take the others for.
    pub(crate) fn new(name: &'f str, value: impl Into<Cow<'f, str>>) -> Option<Field<'f>> {
        let value = value.into();
        // Every byte is looked at, and not only those up to a bad one: so the compiler can look at many at once.
        let fits = |byte: u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t');
        let fits = value.bytes().fold(true, |all, byte| all & fits(byte));
        (is_token(name) && fits).then_some(Field { name, value })
    }

    pub(crate) fn name(&self) -> &'f str {
        self.name
    }

    pub(crate) fn value(&self) -> &str {
        &self.value
    }

    /// Returns how many bytes the field's line has.
    pub(crate) fn bytes(&self) -> usize {
        self.name.len() + self.value.len() + ": \r\n".len()
    }

    /// Appends the field's line to a head.
    pub(crate) fn write(&self, head: &mut String) {
        head.extend([self.name, ": ", &self.value, "\r\n"]);
    }
}

/// Returns whether a text is a token (RFC 9110 §5.6.2): the form of a method and of a field's name.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| IN_TOKENS[usize::from(byte)])
}

/// Which bytes a token may have. Each field of each response is looked at, so the answers are in a table.
static IN_TOKENS: [bool; 256] = {
    let mut fits = [false; 256];
    let mut byte = 0;
    while byte < fits.len() {
        fits[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut next = 0;
    while next < marks.len() {
        fits[marks[next] as usize] = true;
        next += 1;
    }
    fits
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_would_end_its_line_and_accepts_its_twin() {
        let written = |name, value: &str| {
            let mut head = String::new();
            Field::new(name, value.to_owned())?.write(&mut head);
            Some(head)
        };
        for value in ["", "/a?b=c", "a b", "a\tb", "Bearer realm=\"x\""] {
            assert_eq!(written("X-a", value), Some(format!("X-a: {value}\r\n")));
        }
        for value in
            ["a\rb", "a\nb", "a\r\nb: c", "\r\n\r\n", "a\0b", "a\x0bb", "a\x1bb", "a\x7fb", "a\u{85}b", "é"]
        {
            assert_eq!(written("X-a", value), None, "{value:?}");
        }
        for name in ["", "X a", "X:", "X\r\nY", "X\0", "\u{fc}", "X(y)"] {
            assert_eq!(written(name, "a"), None, "{name:?}");
        }
    }
}
