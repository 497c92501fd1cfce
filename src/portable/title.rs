//! The title of an entry that has none of its own, made of its text.
//!
//! Knows no format. Invariant: no word of the text is lost.
//!
//! The rule for an entry without a title, or with one of which nothing is seen: our own exports keep it as it is, since
//! a journal that an earlier version made may have such entries, and what was exported must come back the same. An
//! entry of another program gets a title: the heading or the first line of its text, for a Markdown file without a
//! heading its name, and if that is only a day, the day. A new entry needs a title, because its author can give it one.

use crate::limits;
use crate::text;

/// Parts a text of another program, which has no title of its own, into title and text. A heading in its first line is
/// the title and no longer in the text. Any other first line stays in the text, and as much of it as fits is the title:
/// it may be the beginning of the first sentence. Returns `None` if nothing is written in the text.
pub(super) fn title_and_text(text: &str) -> Option<(String, String)> {
    // Empty lines above it are no part of it; a blank at the beginning of its first line may mean something to
    // Markdown.
    let start = text.len() - text.trim_start().len();
    let text = &text[text[..start].rfind('\n').map_or(0, |end| end + 1)..];
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    if !text::has_visible(text) {
        return None;
    }
    let words = line.trim();
    let heading = words.trim_start_matches('#');
    let is_heading = heading.len() < words.len() && heading.starts_with([' ', '\t']);
    let title =
        without_escapes(if is_heading { heading.trim().trim_end_matches('#').trim_end() } else { words });
    let rest = rest.trim_start_matches(['\n', '\r']);
    let whole = || Some((cut_at_word(&title), text.to_owned()));
    match is_heading && text::has_visible(&title) && title.chars().count() <= limits::TITLE_CHARS_MAX {
        true if !rest.trim().is_empty() => Some((title, rest.to_owned())),
        _ if !text::has_visible(&title) => Some((first_visible_line(text), text.to_owned())),
        _ => whole(),
    }
}

/// Returns the first line in which something is seen, cut to the length of a title.
pub(super) fn first_visible_line(text: &str) -> String {
    cut_at_word(text.lines().map(str::trim).find(|line| text::has_visible(line)).unwrap_or_default())
}

/// Cuts a text to the length of a title, between two words if there are blanks.
pub(super) fn cut_at_word(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(limits::TITLE_CHARS_MAX) else { return text.to_owned() };
    let (last, _) = text.char_indices().nth(limits::TITLE_CHARS_MAX - 1).unwrap_or((end, ' '));
    let cut = &text[..last];
    let word_end = cut.rfind(char::is_whitespace).filter(|end| *end > last / 2).unwrap_or(last);
    format!("{}…", cut[..word_end].trim_end())
}

/// Takes away the backslashes by which Markdown keeps a sign from having a meaning (CommonMark §2.4).
pub(super) fn without_escapes(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let escapes = character == '\\' && characters.peek().is_some_and(char::is_ascii_punctuation);
        if !escapes {
            out.push(character);
        } else if let Some(kept) = characters.next() {
            out.push(kept);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_whole_of_a_text_whose_first_line_is_no_title() {
        let long = "word ".repeat(100);
        let split = |text: &str| title_and_text(text).expect("a title");
        for (text, title, content) in [
            ("# A\n\nb\n", "A", "b\n"),
            ("## A ##\r\nb", "A", "b"),
            ("#A\nb", "#A", "#A\nb"),
            ("A\n\nb", "A", "A\n\nb"),
            ("# A", "A", "# A"),
            ("#\nb", "#", "#\nb"),
            ("\u{200b}\nb\n", "b", "\u{200b}\nb\n"),
            (" \n\t\r\n# A\n \nb", "A", " \nb"),
            (" \n  A\nb", "A", "  A\nb"),
            ("\n\n  A\\*\\n\nb", "A*\\n", "  A\\*\\n\nb"),
        ] {
            assert_eq!(split(text), (title.to_owned(), content.to_owned()), "{text:?}");
        }
        let (title, content) = split(&format!("# {long}\n\nb"));
        assert_eq!(content, format!("# {long}\n\nb"), "a heading that is cut stays in the text");
        assert!(title.ends_with("word…") && title.chars().count() <= limits::TITLE_CHARS_MAX, "{title}");
        let (title, _) = split(&"今".repeat(1000));
        assert_eq!(title.chars().count(), limits::TITLE_CHARS_MAX);
        assert_eq!(title_and_text(" \n\t\n\u{200b}"), None);
    }
}
