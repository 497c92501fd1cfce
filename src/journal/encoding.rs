//! Values as bytes from which they could be read back, so that different values never give the same bytes.
//!
//! Knows no entry and no tag. What a digest or a signature is bound to is written here rather than with `Debug`,
//! whose output is for people, and may change with a name or with the compiler.
//!
//! If two different values gave the same bytes, they would give the same digest. Then a person's yes to the
//! deletion of one row would pass for another row, and a cursor of one filter would be taken for another. Nothing
//! decodes these bytes; they only have to be unambiguous. JSON was rejected: it has several spellings for one
//! value, and the journal knows no JSON.

use crate::secret;

/// Bytes that say all that was added to them, in its order. The order of the calls is the format: the same type is
/// always added in the same order, so no name or tag needs to go before a value.
#[derive(Default)]
pub(super) struct Encoding(Vec<u8>);

impl Encoding {
    /// Always eight bytes, so its end is known without a mark.
    pub(super) fn number(&mut self, number: i64) {
        self.0.extend(number.to_be_bytes());
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.0.push(u8::from(flag));
    }

    /// The length goes before the text: else `ab` and `c` would give the bytes of `a` and `bc`. A mark between them
    /// would not do, since a text can hold every character.
    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as i64);
        self.0.extend(text.as_bytes());
    }

    /// A value that may be absent. Its absence has bytes that no present value has, the empty text among them.
    pub(super) fn optional<T>(&mut self, value: Option<T>, add: impl FnOnce(&mut Encoding, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            add(self, value);
        }
    }

    /// SHA-256 of the bytes: 32 of them, however long the entry, and no two values are known that share them. A
    /// shorter checksum would let a person be shown one text and another one be deleted that was made to fit.
    pub(super) fn digest(&self) -> [u8; 32] {
        secret::sha256(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(add: impl FnOnce(&mut Encoding)) -> [u8; 32] {
        let mut encoding = Encoding::default();
        add(&mut encoding);
        encoding.digest()
    }

    #[test]
    fn tells_apart_what_reads_alike() {
        let texts = |texts: &[&str]| digest(|encoding| texts.iter().for_each(|text| encoding.text(text)));
        assert_ne!(texts(&["ab", "c"]), texts(&["a", "bc"]));
        assert_ne!(texts(&["a", ""]), texts(&["a"]));
        let optional = |text: Option<&str>| digest(|encoding| encoding.optional(text, Encoding::text));
        assert_ne!(optional(None), optional(Some("")));
        let two = |values: [Option<bool>; 2]| {
            digest(|encoding| values.into_iter().for_each(|value| encoding.optional(value, Encoding::flag)))
        };
        assert_ne!(two([None, Some(true)]), two([Some(true), None]));
    }
}
