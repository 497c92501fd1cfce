//! Text → HTML: the one type that can make markup.
//!
//! Builds no page. Invariant: markup is a literal in the source of this program; every other text is escaped. A
//! client registers itself under any name, and that name is shown on the page where the person decides: markup in it
//! could hide the warning beside it, or add a form of its own.

use crate::text;

/// A piece of a page.
///
/// It holds markup and escaped text, and the field is private, so text reaches a page only by [`Html::text`]. If each
/// page escaped its values itself, one could be forgotten; with this type, code that forgets it doesn't compile.
#[derive(Default)]
pub(crate) struct Html(String);

impl Html {
    /// Takes markup that is written in this program. Because of the lifetime `'static` the compiler refuses a text
    /// that was borrowed from a request.
    pub(crate) fn markup(literal: &'static str) -> Html {
        Html(literal.to_owned())
    }

    /// Escapes a text, so that a browser shows it unchanged between tags and inside a quoted attribute. Those are the
    /// two places where pages put text. Others (an unquoted attribute, a URL, a style) would need other escapes.
    pub(crate) fn text(text: &str) -> Html {
        let mut escaped = String::with_capacity(text.len());
        for (character, shown) in text::judged(text) {
            match escape(character) {
                Some(escape) => escaped.push_str(escape),
                None if shown || matches!(character, '\n' | '\t') => escaped.push(character),
                // Characters that are invisible or turn the text around could make a name read like another one. On
                // the consent page a person decides by the name. Left out, the characters would make the two names
                // the same; so they are replaced, and the reader sees that something was there.
                None => escaped.push('\u{fffd}'),
            }
        }
        Html(escaped)
    }

    /// Escapes a text and keeps every character of it, for the value of a field that the person changes and sends back:
    /// if a sign stood there for what isn't seen, it would be saved in its place. What the person decides by is written
    /// by [`Html::text`].
    pub(crate) fn exact(text: &str) -> Html {
        let mut escaped = String::with_capacity(text.len());
        for character in text.chars() {
            match escape(character) {
                Some(escape) => escaped.push_str(escape),
                None => escaped.push(character),
            }
        }
        Html(escaped)
    }

    pub(crate) fn then(self, literal: &'static str) -> Html {
        self.and(Html::markup(literal))
    }

    pub(crate) fn then_text(self, text: &str) -> Html {
        self.and(Html::text(text))
    }

    pub(crate) fn and(mut self, next: Html) -> Html {
        self.0.push_str(&next.0);
        self
    }

    /// Joins all pieces in their order. An `Option` gives its piece, or nothing.
    pub(crate) fn all(pieces: impl IntoIterator<Item = Html>) -> Html {
        pieces.into_iter().fold(Html::default(), Html::and)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

/// Returns what is written in place of a character that means something in markup.
fn escape(character: char) -> Option<&'static str> {
    match character {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&#39;"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(Html::text(text).0, expected);
    }

    #[test]
    fn makes_text_stand_for_itself() {
        check("<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;");
        check("\" onload=\"x", "&quot; onload=&quot;x");
        check("a & b", "a &amp; b");
        check("\u{202e}evil\0", "\u{fffd}evil\u{fffd}");
        check("\u{2060}a\u{ad}b\u{2028}", "\u{fffd}a\u{fffd}b\u{fffd}");
        check("\u{3164}\u{2800}\u{e0041}", "\u{fffd}\u{fffd}\u{fffd}");
        check("\u{301}a\u{301}", "\u{fffd}a\u{301}");
        check("👩\u{200d}💻 ❤\u{fe0f}", "👩\u{200d}💻 ❤\u{fe0f}");
        check("é\n☂", "é\n☂");
    }
}
