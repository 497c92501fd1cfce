//! Encodes values as bytes, so that different values give different bytes.
//!
//! Names no entry and no tag. A digest is made of this encoding and not of `Debug` output, which is for people and
//! may change when a name or the compiler changes.
//!
//! If two different values gave the same bytes, they would give the same digest. Then a person's yes to the deletion
//! of one row would count for another row, and a cursor of one filter would be accepted with another filter. No code
//! decodes these bytes; they only have to be unambiguous. JSON was rejected, because it has several spellings for one
//! value.

use crate::secret;

/// The bytes of all values added so far. The order of the calls is the format: a caller adds the fields of a type
/// always in the same order, so a value needs no name before it.
#[derive(Default)]
pub(super) struct Encoding(Vec<u8>);

impl Encoding {
    /// Adds a number as eight bytes; the fixed length makes an end mark unnecessary.
    pub(super) fn number(&mut self, number: i64) {
        self.0.extend(number.to_be_bytes());
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.0.push(u8::from(flag));
    }

    /// Adds a text with its length before it: otherwise `ab` and `c` would give the same bytes as `a` and `bc`. A
    /// mark between the texts would not be enough, since a text can contain any character.
    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as i64);
        self.0.extend(text.as_bytes());
    }

    /// Adds a value that may be absent. The flag before it makes `None` different from every value, also from the
    /// empty text.
    pub(super) fn optional<T>(&mut self, value: Option<T>, add: impl FnOnce(&mut Encoding, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            add(self, value);
        }
    }

    /// Returns the SHA-256 of the bytes. Its 32 bytes don't depend on the length of the entry, and no two inputs with
    /// the same SHA-256 are known. With a shorter checksum an attacker could make two texts with the same checksum,
    /// have the person confirm one, and delete the other.
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
