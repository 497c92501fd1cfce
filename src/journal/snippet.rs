//! The part of an entry that matches a search, with marks around what matched.
//!
//! Knows no statement and no index. Invariant: without its marks and dots, a snippet is a piece of the text as it
//! stands.
//!
//! FTS5 has a function for snippets, but for that it would have to keep the texts themselves, as the index cuts them.
//! So the text of a found entry is cut once more, in the way in which the index was written, and what is wanted is
//! found in its terms.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use super::query::Wanted;
use crate::limits;
use crate::terms;

/// Finds the place with the most different wanted terms in the fields of an entry, of equal ones the first in the
/// earlier field, and returns the text around it: every match in `[` and `]`, and `…` where the text goes on.
///
/// It has at most [`limits::SNIPPET_TOKENS`] terms and [`limits::SNIPPET_CHARS_MAX`] characters, because one word can
/// be as long as a whole text, such as a picture in base64. The time grows with the length of the texts alone.
pub(super) fn snippet(fields: &[&str], wanted: &[Wanted]) -> Snippet {
    let pattern = Pattern::new(wanted);
    // An entry that was changed since the index was asked may have no match any more: it is shown from its beginning.
    let mut best = None::<(usize, Window)>;
    for field in fields {
        let found = MatchedText::new(field, &pattern);
        let (different, terms) = found.best_place(wanted.len());
        if !field.is_empty() && best.as_ref().is_none_or(|(most, _)| different > *most) {
            best = Some((different, Window { found, terms }));
        }
    }
    best.map_or_else(Snippet::default, |(_, place)| place.render())
}

/// A piece of a text, and where in it the matches are. As text it has them in `[` and `]`, which the text may contain
/// itself: a person can read that, but a program can't take it apart.
#[derive(Default)]
pub(crate) struct Snippet {
    text: String,
    /// The bytes of each match, in order.
    marks: Vec<Range<usize>>,
}

impl Snippet {
    /// Returns the text piece by piece, and of each whether it is a match.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (&str, bool)> {
        let ends = self.marks.iter().flat_map(|mark| [(mark.start, false), (mark.end, true)]);
        let mut at = 0;
        ends.chain([(self.text.len(), false)]).map(move |(end, is_match)| {
            let piece = &self.text[at..end];
            at = end;
            (piece, is_match)
        })
    }
}

impl fmt::Display for Snippet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces().try_for_each(
            |(piece, is_match)| {
                if is_match { write!(out, "[{piece}]") } else { out.write_str(piece) }
            },
        )
    }
}

/// All wanted terms as one row of bits, a bit for each term of the index. While a text is read, a bit of the state says
/// that the terms of its phrase up to this one are the last ones of the text (the algorithm is known as Shift-And). So
/// each term of the text is looked at once, however often the beginning of a phrase is repeated.
struct Pattern<'a> {
    /// For each wanted term the bits at which it stands.
    exact: HashMap<&'a str, u64>,
    /// The same for the terms that need only begin so.
    beginnings: Vec<(&'a str, u64)>,
    /// The bits of the first terms.
    firsts: u64,
    /// The bit of each last term, with what is wanted.
    lasts: Vec<(u64, usize, &'a Wanted)>,
}

const _: () = assert!(limits::QUERY_LOOKUPS_MAX <= u64::BITS as usize, "each term of a query has its bit");

impl<'a> Pattern<'a> {
    fn new(wanted: &'a [Wanted]) -> Pattern<'a> {
        let mut pattern =
            Pattern { exact: HashMap::new(), beginnings: Vec::new(), firsts: 0, lasts: Vec::new() };
        let mut bit: u64 = 1;
        for (which, wanted) in wanted.iter().enumerate() {
            pattern.firsts |= bit;
            for (number, term) in wanted.terms.iter().enumerate() {
                let is_last = number + 1 == wanted.terms.len();
                if is_last && wanted.begins {
                    pattern.beginnings.push((term, bit));
                } else {
                    *pattern.exact.entry(term).or_default() |= bit;
                }
                if is_last {
                    pattern.lasts.push((bit, which, wanted));
                }
                bit = bit.wrapping_shl(1);
            }
        }
        pattern
    }

    /// The bits at which a term of a text will do.
    fn bits(&self, term: &str) -> u64 {
        let exact = self.exact.get(term).copied().unwrap_or(0);
        let begun = self.beginnings.iter().filter(|(beginning, _)| term.starts_with(beginning));
        begun.fold(exact, |bits, (_, bit)| bits | bit)
    }
}

/// Something wanted that was found in a text.
struct Match {
    /// Its number among what is wanted.
    which: usize,
    /// The terms of the text that are marked for it.
    terms: Range<usize>,
}

/// A text, its terms, and what was found in it.
struct MatchedText<'a> {
    text: &'a str,
    /// The bytes of each term.
    terms: Vec<Range<usize>>,
    /// In the order in which they begin.
    matches: Vec<Match>,
}

impl<'a> MatchedText<'a> {
    fn new(text: &'a str, pattern: &Pattern) -> MatchedText<'a> {
        let (mut terms, mut matches) = (Vec::new(), Vec::new());
        let mut state = 0;
        terms::for_each(text, |term| {
            state = ((state << 1) | pattern.firsts) & pattern.bits(term.text);
            terms.push(term.at);
            for (_, which, wanted) in pattern.lasts.iter().filter(|(bit, ..)| state & bit != 0) {
                let first = terms.len() - wanted.terms.len();
                matches.push(Match { which: *which, terms: first..first + wanted.marked });
            }
        });
        matches.sort_by_key(|found: &Match| found.terms.start);
        MatchedText { text, terms, matches }
    }

    /// The terms between which the most different wanted terms were found, and how many these are: a window that begins
    /// with a match goes over the text, and counts what it holds.
    fn best_place(&self, wanted: usize) -> (usize, Range<usize>) {
        let (mut counts, mut different, mut end) = (vec![0_usize; wanted], 0, 0);
        let mut best = (0, 0..0);
        for (number, first) in self.matches.iter().enumerate() {
            while let Some(last) = self.matches.get(end)
                && (end <= number || last.terms.end - first.terms.start <= limits::SNIPPET_TOKENS)
            {
                different += usize::from(counts[last.which] == 0);
                counts[last.which] += 1;
                end += 1;
            }
            if different > best.0 {
                best = (different, first.terms.start..self.matches[end - 1].terms.end);
            }
            counts[first.which] -= 1;
            different -= usize::from(counts[first.which] == 0);
        }
        best
    }
}

/// Some terms of a text, to be shown with what is around them.
struct Window<'a> {
    found: MatchedText<'a>,
    terms: Range<usize>,
}

impl Window<'_> {
    /// Writes the text of the place, with as much around it as the limits allow.
    fn render(&self) -> Snippet {
        let MatchedText { text, terms, .. } = &self.found;
        // Whole terms: as many before as after, unless the text begins or ends there.
        let spare = limits::SNIPPET_TOKENS.saturating_sub(self.terms.len());
        let start = self.terms.start.saturating_sub(spare / 2);
        let end = terms.len().min(start + limits::SNIPPET_TOKENS);
        let start = start.min(end.saturating_sub(limits::SNIPPET_TOKENS));
        // What is before the first term and after the last belongs to them.
        let from = if start == 0 { 0 } else { terms[start].start };
        let to = if end == terms.len() { text.len() } else { terms[end - 1].end };
        let marks = self.marks(from..to);
        // The brackets of the matches count too.
        let shown = self.fitting(from..to, limits::SNIPPET_CHARS_MAX - 2 * marks.len());
        let before = if shown.start > 0 { "…" } else { "" };
        let after = if shown.end < text.len() { "…" } else { "" };
        let marks = marks.into_iter().filter_map(|mark| {
            let (start, end) = (mark.start.max(shown.start), mark.end.min(shown.end));
            let moved = |at: usize| at - shown.start + before.len();
            (start < end).then(|| moved(start)..moved(end))
        });
        let marks = marks.collect();
        Snippet { text: [before, &text[shown], after].concat(), marks }
    }

    /// The bytes of what was found between two places, in their order. Those that touch each other are one.
    fn marks(&self, within: Range<usize>) -> Vec<Range<usize>> {
        let mut marks: Vec<Range<usize>> = Vec::new();
        for found in &self.found.matches {
            let terms = &self.found.terms[found.terms.clone()];
            let (Some(first), Some(last)) = (terms.first(), terms.last()) else { continue };
            match marks.last_mut() {
                _ if last.end <= within.start || first.start >= within.end => {}
                Some(mark) if first.start <= mark.end => mark.end = mark.end.max(last.end),
                _ => marks.push(first.start..last.end),
            }
        }
        marks
    }

    /// What of a piece of the text has at most `max` characters: the first match, and before it at most a quarter. The
    /// ends are moved so that no letter loses its mark, except in a text that is nothing but marks.
    fn fitting(&self, piece: Range<usize>, max: usize) -> Range<usize> {
        let text = self.found.text;
        let first = self.found.terms.get(self.terms.start).map_or(piece.start, |term| term.start);
        let count = text[piece.clone()].chars().count();
        let before = text[piece.start..first].chars().count();
        let skipped = before.saturating_sub(max / 4).min(count.saturating_sub(max));
        let byte_of = |number| text[piece.clone()].char_indices().nth(number).map(|(at, _)| piece.start + at);
        let start = byte_of(skipped).unwrap_or(piece.end);
        let end = byte_of(skipped + max).unwrap_or(piece.end);
        let is_between = |at: &usize| {
            let neighbours = (text[..*at].chars().next_back(), text[*at..].chars().next());
            !matches!(neighbours, (Some(before), Some(after)) if terms::is_joined(before, after))
        };
        let places = |from: usize, to: usize| (from..=to).filter(|at| text.is_char_boundary(*at));
        let kept_start = places(start, first).find(is_between).unwrap_or(start);
        let kept_end = places(first, end).rev().find(is_between).filter(|at| *at > first).unwrap_or(end);
        kept_start..kept_end
    }
}

#[cfg(test)]
mod tests {
    use super::super::query::Query;
    use super::*;

    fn of(fields: &[&str], query: &str) -> String {
        let query = Query::parse(query, "7:").unwrap_or_else(|error| panic!("{query:?}: {error}"));
        snippet(fields, &query.wanted).to_string()
    }

    #[track_caller]
    fn check(text: &str, query: &str, expected: &str) {
        assert_eq!(of(&[text], query), expected, "{query:?} in {text:?}");
    }

    #[test]
    fn marks_what_matched_as_it_stands_in_the_text() {
        check("Rain, and the Garden.", "rain", "[Rain], and the Garden.");
        check("Rain, and the Gardens. (rain)", "gard* RAIN", "[Rain], and the [Gardens]. ([rain])");
        check("“Rain”, and the Garden.", "rain", "“[Rain]”, and the Garden.");
        check("A slow\n rain; slow x rain", "\"slow rain\"", "A [slow\n rain]; slow x rain");
        check("a b c d", "b \"a b c\"", "[a b c] d");
        check("Write to Ada@Example.com!", "ada@example.com", "Write to [Ada@Example.com]!");
        check("C, C++ and ++", "c++", "C, [C++] and ++");
        check("====", "=", "[==]==");
        check("今天天气很好", "天气", "今天[天气]很好");
        check("今天天气很好", "今天 天气", "[今天天气]很好");
        check("今天天气很好", "今天 很好", "[今天]天气[很好]");
        check("今天天气很好", "天", "今[天天]气很好");
        check("今天天气很好", "好", "今天天气很[好]");
        check("我的iPhone手机", "的iphone手", "我[的iPhone手]机");
        check("お\u{304b}\u{3099}た、ｶﾞﾗｽ", "がた ガラス", "お[\u{304b}\u{3099}た]、[ｶﾞﾗｽ]");
        check("สวัสดีครับ ดื่มน้ำ", "น้ำ", "สวัสดีครับ ดื่ม[น้ำ]");
        check("오늘 학교에서", "학교", "오늘 [학교]에서");
        check("Donau\u{ad}dampf\u{200b}schiff!", "donaudampfschiff", "[Donau\u{ad}dampf\u{200b}schiff]!");
        check("Cafe\u{301} Łódź", "café lodz", "[Cafe\u{301}] [Łódź]");
        check("x ☂\u{fe0f} y", "☂", "x [☂\u{fe0f}] y");
        check("שָׁלוֹם עוֹלָם", "עולם", "שָׁלוֹם [עוֹלָם]");
        check("㍿ と", "会社", "[㍿] と");
        check("haha haha haha hahaha", "\"haha haha\"", "[haha haha haha] hahaha");
    }

    #[test]
    fn chooses_the_field_and_the_place_with_the_most_different_terms() {
        let fields = ["It rained. The garden", "A garden", "rain garden", "", ""];
        assert_eq!(of(&fields, "garden"), "It rained. The [garden]");
        assert_eq!(of(&fields, "garden rain"), "[rain] [garden]");
        assert_eq!(of(&["", "", "", "Köln", ""], "koln"), "[Köln]");
        let far = "w ".repeat(40);
        let text = format!("rain {far}sun rain {far}moon sun rain {far}moon sun");
        let snippet = of(&[&text], "rain sun moon");
        assert!(snippet.contains("w [moon] [sun] [rain] w"), "{snippet}");
        assert_eq!(of(&[&text], "moon").matches('[').count(), 1);
        let text = format!("rain {far}sun {far}moon {far}sun rain");
        let snippet = of(&[&text], "rain sun moon");
        assert!(snippet.ends_with("w [sun] [rain]"), "{snippet}");
        // The widest place that one snippet can show, and one word more.
        for (between, count) in [(limits::SNIPPET_TOKENS - 2, 2), (limits::SNIPPET_TOKENS - 1, 1)] {
            let text = format!("{far}rain {}sun {far}", "w ".repeat(between));
            assert_eq!(of(&[&text], "rain sun").matches('[').count(), count, "{between}");
        }
        // Of equal places the first.
        let text = format!("one rain {far}two rain {far}");
        assert!(of(&[&text], "rain").starts_with("one [rain] w"));
        // A phrase that has more terms than a snippet.
        let phrase = "天".repeat(limits::SNIPPET_TOKENS + 9);
        let text = format!("w {phrase} w");
        let expected = format!("…[{}]…", "天".repeat(limits::SNIPPET_TOKENS));
        assert_eq!(of(&[&text], &phrase), expected);
        // What isn't there any more.
        assert_eq!(of(&["", "A title"], "gone"), "A title");
        assert_eq!(of(&["", ""], "gone"), "");
    }

    #[test]
    fn shows_so_many_terms_around_the_match() {
        let max = limits::SNIPPET_TOKENS;
        let (before, after) = ("b ".repeat(100), " a".repeat(100));
        let text = format!("{before}kite{after}");
        let around = (max - 1) / 2;
        let expected = format!("…{}[kite]{}…", "b ".repeat(around), " a".repeat(max - 1 - around));
        assert_eq!(of(&[&text], "kite"), expected);
        assert_eq!(of(&[&format!("kite{after}")], "kite"), format!("[kite]{}…", " a".repeat(max - 1)));
        assert_eq!(of(&[&format!("{before}(kite!)")], "kite"), format!("…{}([kite]!)", "b ".repeat(max - 1)));
        let chinese = format!("{}天気{}", "雨".repeat(100), "雪".repeat(100));
        let snippet = of(&[&chinese], "天気");
        assert_eq!(snippet, format!("…{}[天気]{}…", "雨".repeat(max / 2 - 1), "雪".repeat(max / 2 - 1)));
    }

    #[test]
    fn has_a_bound_of_characters_whatever_the_words_are() {
        let max = limits::SNIPPET_CHARS_MAX;
        let (before, after) = ((max - 2) / 4, max - 2 - (max - 2) / 4 - "kite".len());
        let text = format!("{} kite {}", "é".repeat(9_000), "é".repeat(9_000));
        let expected = format!("…{} [kite] {}…", "é".repeat(before - 1), "é".repeat(after - 1));
        assert_eq!(of(&[&text], "kite"), expected);
        // As much is before the match as there is room for.
        let text = format!("{} kite", "é".repeat(9_000));
        assert_eq!(of(&[&text], "kite"), format!("…{} [kite]", "é".repeat(max - 2 - " kite".len())));
        // A match that is cut at the beginning, and one that begins where the snippet ends.
        let phrase = "a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7 8 9";
        let snippet = of(&[&format!("{} {phrase}", "yx".repeat(9_000))], &format!("yx* \"{phrase}\" c"));
        assert!(snippet.starts_with("…[yx") && snippet.contains("yx] [a b c"), "{snippet}");
        let between = "x".repeat(max - 2 * 2 - "kite ".len());
        assert_eq!(of(&[&format!("kite {between}天")], "kite 天"), format!("[kite] {between}…"));
        let picture = "iVBORw0KGgo".repeat(9_000);
        let snippet = of(&[&picture], "ivborw*");
        assert!(snippet.starts_with("[iVBORw0K") && snippet.ends_with("]…"), "{snippet}");
        let marked = format!("a{}", "\u{301}".repeat(9_000));
        assert_eq!(of(&[&marked], "a").chars().count(), max + 1, "a text that is nothing but marks");
        let mut longest = 0;
        for word in
            ["é", "天", "+", "a ", "a\u{301}", "\u{301}", "น้ำ", "🇬🇧", "👩\u{200d}", "한 ", "x\u{200b}"]
        {
            for query in ["kite", "kite 天", "天天", "a", "é*", "+", "👩 \"kite 🇬\"", "น้ำ*", "한"]
            {
                let text = format!("{}kite{}", word.repeat(2_000), word.repeat(2_000));
                let Ok(query) = Query::parse(query, "7:") else { continue };
                let snippet = super::snippet(&[&text, &text], &query.wanted).to_string();
                longest = longest.max(snippet.chars().count());
                let plain: String = snippet.chars().filter(|shown| !"[]…".contains(*shown)).collect();
                assert!(text.contains(&plain), "{snippet:?}");
            }
        }
        assert!(longest <= max + 2, "{longest}");
    }

    #[test]
    fn leaves_each_letter_its_marks() {
        let max = limits::SNIPPET_CHARS_MAX;
        for letter in [
            "a\u{301}\u{327}",
            "กำ",
            "ကွေ",
            "👩\u{200d}👩\u{200d}👧",
            "👍🏽",
            "\u{1112}\u{1161}\u{11ab}",
            "❤\u{fe0f}",
            "🇬🇧.",
        ] {
            for shift in 0..letter.len() {
                let (around, between) = (letter.repeat(max), "x".repeat(shift));
                let text = format!("{around}{between} kite {between}{around}");
                let snippet = of(&[&text], "kite");
                let shown = snippet.trim_matches('…').replace(['[', ']'], "");
                let (before, after) = shown.split_once(" kite ").expect("the match");
                let rest = |shown: &str| shown.replace(letter.trim_end_matches('.'), "").replace('.', "");
                assert_eq!([rest(before), rest(after)], [&between[..]; 2], "{snippet}");
            }
        }
    }
}
