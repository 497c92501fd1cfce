//! Text → HTML: the one type that can make markup.
//!
//! Knows no page. Invariant: markup is what stands in the source; whatever comes from elsewhere is escaped.

/// A piece of a page.
#[derive(Default)]
pub struct Html(String);

impl Html {
    /// Markup written in this program: only a literal can be it.
    pub fn markup(literal: &'static str) -> Html {
        Html(literal.to_owned())
    }

    /// Text, escaped so that it stands for itself between tags and inside a quoted attribute.
    pub fn text(text: &str) -> Html {
        let mut escaped = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                // What turns the direction of a text, or can't be seen, could make a name read as another.
                '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{200b}'..='\u{200f}'
                | '\u{61c}'
                | '\u{feff}' => {
                    escaped.push('\u{fffd}');
                }
                control if control.is_control() && control != '\n' && control != '\t' => {
                    escaped.push('\u{fffd}')
                }
                other => escaped.push(other),
            }
        }
        Html(escaped)
    }

    /// This piece, then markup.
    pub fn then(self, literal: &'static str) -> Html {
        self.and(Html::markup(literal))
    }

    /// This piece, then text.
    pub fn then_text(self, text: &str) -> Html {
        self.and(Html::text(text))
    }

    /// This piece, then another.
    pub fn and(mut self, next: Html) -> Html {
        self.0.push_str(&next.0);
        self
    }

    /// All of these, one after the other.
    pub fn all(pieces: impl IntoIterator<Item = Html>) -> Html {
        pieces.into_iter().fold(Html::default(), Html::and)
    }

    /// The page's octets.
    pub fn into_octets(self) -> Vec<u8> {
        self.0.into_bytes()
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
        check("é\n☂", "é\n☂");
    }
}
