//! Sentences: what is wrong and what to do next, and names as they may stand in the middle of one.
//!
//! Knows no wire.

use crate::journal::Fault;
use crate::limits;

/// What a read that was broken off is told.
pub const TOO_SLOW: &str =
    "This took too long. Ask for less: fewer or longer words, narrower filters, a smaller page.";

/// A fault as a sentence that says what to do next.
pub fn fault(fault: &Fault) -> String {
    match fault {
        Fault::EntryNotFound(id) => {
            format!(
                "Entry with ID \"{id}\" not found. list_entries and search_entries show the entries there are."
            )
        }
        Fault::TagNotFound(id) => {
            format!("Tag ID \"{id}\" not found. list_tags shows the tags there are.")
        }
        Fault::TagNameTaken { name, id } => {
            format!("A tag named \"{name}\" already exists (ID: {id}). Use that one, or choose another name.")
        }
        Fault::TagsFull => {
            let max = limits::TAGS_MAX;
            format!("There are {max} tags, and there can't be more. Delete one that you don't need.")
        }
        Fault::TooManyTags => {
            let max = limits::TAGS_PER_ENTRY_MAX;
            format!("An entry can have at most {max} tags, and this one has {max}. Remove one first.")
        }
        Fault::BadMoment { argument, text } => {
            format!("Invalid arguments: {argument} must be a date or date-time that exists, not {text:?}")
        }
        Fault::BadCursor => {
            "Invalid arguments: cursor must be the nextCursor of a call with the same filters. \
                             Leave it out to start from the beginning."
                .to_owned()
        }
        Fault::EmptyQuery => {
            "Invalid arguments: query must contain a word to search for. list_entries lists without one."
                .to_owned()
        }
        Fault::OnlyExclusions => {
            "Invalid arguments: query must contain a word that is not excluded.".to_owned()
        }
        Fault::TooManyTerms => format!(
            "Invalid arguments: query can have at most {} words, of which {} beginnings (word*) of at least 2 letters.",
            limits::QUERY_TERMS_MAX,
            limits::QUERY_BEGINNINGS_MAX
        ),
        Fault::Changed => "It changed meanwhile; nothing was done. Try again.".to_owned(),
        Fault::Store(_) => "The journal can't be reached now; nothing was changed. Try again.".to_owned(),
    }
}

/// Whether a character is seen, moves no cursor, breaks no line and turns no text around.
pub fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// A title or name in the middle of a sentence: cut, and without what would let it say
/// something else than it is: control characters, those that aren't seen, break a line or turn the direction of text, and
/// the quotation mark that ends the name.
pub fn shown_name(name: &str) -> String {
    let harmless = name.chars().filter(|c| is_harmless(*c)).map(|c| if c == '"' { '\'' } else { c });
    let mut cut: String = harmless.take(limits::SHOWN_NAME_CHARS_MAX + 1).collect();
    if let Some((end, _)) = cut.char_indices().nth(limits::SHOWN_NAME_CHARS_MAX) {
        cut.truncate(end);
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_a_name_as_what_it_is() {
        assert_eq!(shown_name("a\u{1b}[2Jb\u{202e}c\nd\u{2028}e\u{61c}f"), "a[2Jbcdef");
        assert_eq!(shown_name("x\" (ID: 9)? \u{200b}\u{feff}Sure"), "x' (ID: 9)? Sure");
        assert_eq!(shown_name(&"é".repeat(80)), "é".repeat(80));
        assert_eq!(shown_name(&"é".repeat(81)), format!("{}…", "é".repeat(80)));
    }
}
