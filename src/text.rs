//! Which characters of a foreign text may be shown to a person: in a terminal, on a page or in a question.
//!
//! Knows no terminal, no markup and no journal. It takes away what no format shows; what a format gives a meaning
//! to, such as `<` in HTML, is escaped by the room that writes that format.

use crate::limits;

/// Checks whether a character is visible or a plain blank: it moves no cursor, breaks no line and turns no text
/// around.
///
/// With the others a name could read as something that it isn't. A client could register the name of another one
/// with an invisible character in it, and the person would take it for that one on the consent page. An entry's
/// title could turn around the rest of the question whether it may be deleted. Unicode names such characters in UTS
/// #39 §3.1 (default-ignorable ones aren't allowed in identifiers) and in UAX #9 (direction).
///
/// Letters of different scripts that look alike (a Cyrillic `а` for a Latin `a`) stay: to refuse them would refuse
/// people's own names.
pub(crate) fn is_displayable(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// A text without the characters that may not be shown, for a line in a terminal. The characters are left out and not
/// replaced: a sign in their place would look like a part of the name.
pub(crate) fn displayable(text: &str) -> String {
    text.chars().filter(|character| is_displayable(*character)).collect()
}

/// A title or name as it may stand between quotation marks in a sentence: on one line, at most
/// [`limits::SHOWN_NAME_CHARS_MAX`] characters, and without the quotation mark that would end it. A title of
/// `x" (ID: 9)? Sure` would otherwise write the rest of a question itself.
pub(crate) fn displayable_name(name: &str) -> String {
    let characters = name.chars().filter(|character| is_displayable(*character));
    let unquoted = characters.map(|character| if character == '"' { '\'' } else { character });
    let mut shown: String = unquoted.take(limits::SHOWN_NAME_CHARS_MAX + 1).collect();
    if let Some((end, _)) = shown.char_indices().nth(limits::SHOWN_NAME_CHARS_MAX) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_a_name_as_what_it_is() {
        assert_eq!(displayable_name("a\u{1b}[2Jb\u{202e}c\nd\u{2028}e\u{61c}f"), "a[2Jbcdef");
        assert_eq!(displayable_name("x\" (ID: 9)? \u{200b}\u{feff}Sure"), "x' (ID: 9)? Sure");
        assert_eq!(displayable_name(&"é".repeat(80)), "é".repeat(80));
        assert_eq!(displayable_name(&"é".repeat(81)), format!("{}…", "é".repeat(80)));
        assert_eq!(displayable("Ada's \"ré-sumé\" ☂\t\u{200b}"), "Ada's \"ré-sumé\" ☂");
    }
}
