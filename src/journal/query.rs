//! The small query language of the search: from the text of a query to an expression of FTS5.
//!
//! Knows no table and no entry. Invariant: FTS5, SQLite's search engine, never reads a client's text as syntax: a query
//! is cut into the terms of the index, in which no quotation mark is, and these are put between quotation marks.
//!
//! FTS5 has a query language of its own, with `AND`, `NEAR`, column names and parentheses. A client's text isn't
//! passed to it, for two reasons: many texts that people type are syntax errors there, such as `what's new?`, and a
//! short query can take very long. So [`Query::parse`] takes the text apart by rules of its own, to which no text is
//! a syntax error, and writes an expression that holds nothing but quoted terms and FTS5's operators.
//!
//! What a person writes without a blank may be several terms of the index: `node.js`, an address, a date, a word in
//! Chinese. They must stand in a row in the entry, as the words of a phrase do.

use std::fmt::Write as _;

use super::JournalError;
use crate::limits;
use crate::terms::{self, Kind};
use crate::text;

/// A query, as three expressions of FTS5 and as what a snippet marks. The expressions are bound as parameters, so only
/// FTS5 parses them, and SQLite's SQL parser doesn't.
#[derive(Debug)]
pub(super) struct Query {
    /// What an entry must match to be found at all.
    pub(super) expression: String,
    /// What an entry of tier 0 matches: every wanted term is in its title.
    pub(super) all_in_title: String,
    /// What an entry of tier 1 matches: some wanted term is in its title. `None` if there is one term: some is all.
    pub(super) some_in_title: Option<String>,
    /// What is wanted, as it is found in a text.
    pub(super) wanted: Vec<Wanted>,
    /// What an entry must have to be found, in words: `"rain" and a word that begins with "gard" without "sun"`. Terms
    /// that can't be in an entry aren't named.
    pub(super) looked_for: String,
}

/// One wanted word or phrase: terms that stand in a row.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    /// The terms, without salt; at least one.
    pub(super) terms: Vec<String>,
    /// Whether a term that begins with the last of them will do.
    pub(super) begins: bool,
    /// How many terms of the text are marked, from the first on: one more than `terms` where the last of them is a
    /// pair, which stands for its first character alone.
    pub(super) marked: usize,
}

impl Wanted {
    /// Cuts a word or phrase of a query, or returns nothing if no term is in it: a dash between two words.
    ///
    /// A word in a script without blanks may have others before and after it in the entry. Before it there is nothing
    /// to do, since pairs begin everywhere. At the end the terms of an entry go on with further pairs, and those of the
    /// query would end with the last character alone, which only the end of a run has. So that term is left out; and if
    /// there is no pair before it, it is the beginning of one. Within a phrase it stays, because another word follows.
    fn cut(text: &str, is_beginning: bool) -> Result<Option<Wanted>, JournalError> {
        let (mut terms, mut kinds) = (Vec::new(), Vec::new());
        terms::for_each(text, |term| {
            terms.push(term.text.to_owned());
            kinds.push(term.kind);
        });
        let marked = terms.len();
        let begins = match kinds[..] {
            [] => return Ok(None),
            [.., Kind::Pair, Kind::Last] => {
                terms.pop();
                is_beginning
            }
            [.., Kind::Last] => true,
            // No symbol is the beginning of another.
            [.., Kind::Symbol] => false,
            _ => is_beginning,
        };
        let is_short = |term: &String| term.chars().count() < limits::QUERY_BEGINNING_CHARS_MIN;
        if begins && kinds.ends_with(&[Kind::Word]) && terms.last().is_some_and(is_short) {
            return Err(JournalError::TooManyTerms);
        }
        Ok(Some(Wanted { terms, begins, marked }))
    }

    /// Writes the terms as a string of FTS5, a phrase of terms that no other person's rows have.
    fn quoted(&self, salt: &str) -> String {
        // ---- THE QUOTING ----
        // FTS5 reads everything between quotation marks as text and cuts it at the blanks. No other line puts a
        // client's text into an expression, and no term has a quotation mark in it (`src/terms.rs`).
        let terms: Vec<_> = self.terms.iter().map(|term| format!("{salt}{term}")).collect();
        format!("\"{}\"{}", terms.join(" "), if self.begins { " *" } else { "" })
    }
}

impl Query {
    /// Takes a query apart, one term after the other. White space separates terms. Every other character is part of a
    /// word, except a quote, a minus at the beginning of a term and a star at its end. So no text is a syntax error,
    /// and FTS5's own operators (`OR`, `NEAR`, `title:`) are words like others.
    ///
    /// `salt` stands before each term of the person's rows in the index.
    ///
    /// Each pass of the loop takes one term from the front of the rest. The loop never goes back, so its time grows
    /// only with the length of the text.
    pub(super) fn parse(query: &str, salt: &str) -> Result<Query, JournalError> {
        let (mut wanted, mut excluded) = (Vec::new(), Vec::new());
        let (mut names, mut excluded_names) = (Vec::new(), Vec::new());
        let mut signs = Vec::new();
        let (mut lookups, mut beginnings, mut rest) = (0, 0, query.trim_start());
        while !rest.is_empty() {
            // One term: an optional minus, then a phrase or a word, then an optional star.
            let (excludes, term) = match rest.strip_prefix('-') {
                Some(term) => (true, term),
                None => (false, rest),
            };
            let (text, mut after) = match term.strip_prefix('"') {
                Some(phrase) => phrase.split_once('"').unwrap_or((phrase, "")), // unclosed: takes the rest
                None => {
                    term.split_at(term.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(term.len()))
                }
            };
            // A star at the end of the term's text is part of `text` here. The star of a phrase may also follow the
            // closing quote.
            let mut starred = text.strip_suffix('*');
            if let (None, Some(behind)) = (starred, after.strip_prefix('*')) {
                (starred, after) = (Some(text), behind); // "a phrase"*
            }
            let text = starred.unwrap_or(text);
            // A sign of ASCII between two words is mostly meant as an operator: `rain + garden`. It is looked for only
            // if there is nothing else.
            let is_sign =
                !excludes && !term.starts_with('"') && text.chars().all(|c| c.is_ascii_punctuation());
            // No entry can match a term without letters, digits and symbols: a dash between two words would make the
            // whole search find nothing.
            if let Some(cut) = Wanted::cut(text, starred.is_some())? {
                lookups += cut.terms.len();
                beginnings += usize::from(cut.begins);
                let name = format!("\"{}\"", text::displayable_name(text.trim()));
                if excludes {
                    excluded.push(cut.quoted(salt));
                    excluded_names.push(name);
                } else if is_sign {
                    signs.push((name, cut));
                } else {
                    names.push(if starred.is_some() {
                        format!("a word that begins with {name}")
                    } else {
                        name
                    });
                    wanted.push(cut);
                }
            }
            rest = after.trim_start();
        }
        if wanted.is_empty() && excluded.is_empty() {
            (names, wanted) = signs.into_iter().unzip();
        }
        // Each term is a look-up of its own. A beginning is as many as there are words that begin so, and FTS5 merges
        // their lists inside one step of SQLite's virtual machine, where the deadline of a read can't interrupt it.
        if wanted.len() + excluded.len() > limits::QUERY_TERMS_MAX
            || lookups > limits::QUERY_LOOKUPS_MAX
            || beginnings > limits::QUERY_BEGINNINGS_MAX
        {
            return Err(JournalError::TooManyTerms);
        }
        let quoted: Vec<_> = wanted.iter().map(|wanted| wanted.quoted(salt)).collect();
        let all = quoted.join(" AND ");
        // FTS5's NOT removes entries from what its left side found, so it needs a left side. A search that only
        // excludes would find nearly the whole journal, which a list shows better.
        let expression = match (wanted.is_empty(), excluded.is_empty()) {
            (true, true) => return Err(JournalError::EmptyQuery),
            (true, false) => return Err(JournalError::OnlyExclusions),
            (false, true) => all.clone(),
            (false, false) => format!("({all}) NOT ({})", excluded.join(" OR ")),
        };
        let mut looked_for = names.join(" and ");
        if !excluded_names.is_empty() {
            let _ = write!(looked_for, " without {}", excluded_names.join(" or "));
        }
        let some_in_title = (quoted.len() > 1).then(|| format!("{{title}} : ({})", quoted.join(" OR ")));
        let all_in_title = format!("{{title}} : ({all})");
        Ok(Query { expression, all_in_title, some_in_title, wanted, looked_for })
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::super::snippet::snippet;
    use super::*;

    #[track_caller]
    fn parse(query: &str) -> Query {
        Query::parse(query, "7:").unwrap_or_else(|error| panic!("{query:?}: {error}"))
    }

    #[track_caller]
    fn check(query: &str, expected: &str) {
        assert_eq!(parse(query).expression.replace("7:", ""), expected, "{query:?}");
    }

    /// The index as the database has it.
    struct Index(Connection);

    impl Index {
        fn new() -> Index {
            let connection = Connection::open_in_memory().expect("a database");
            let sql = "CREATE VIRTUAL TABLE entries USING fts5 (title, content, mood, location, weather, content = '',
                           tokenize = \"ascii tokenchars ':+=<>$#@&%'\")";
            connection.execute(sql, []).expect("a table");
            Index(connection)
        }

        fn insert(&self, id: i64, salt: &str, text: &str) {
            let sql = "INSERT INTO entries (rowid, content) VALUES (?1, ?2)";
            self.0.execute(sql, (id, terms::index_text(salt, text))).expect("an entry");
        }

        fn found(&self, expression: &str) -> Vec<i64> {
            let sql = "SELECT rowid FROM entries WHERE entries MATCH ?1 ORDER BY rowid";
            let mut found = self.0.prepare_cached(sql).expect("a statement");
            let rows = found.query_map([expression], |row| row.get(0)).expect("an expression");
            rows.map(|row| row.expect("a row")).collect()
        }
    }

    #[test]
    fn finds_every_script() {
        let rows: &[(&str, &[&str], &[&str])] = &[
            (
                "今天天气很好",
                &["天气", "今天", "天天气", "今天天气很好", "好", "今", "天*", "天气 很好"],
                &["天很", "气今", "晴"],
            ),
            (
                "我的iPhone手机",
                &["iphone", "IPHONE手机", "手机", "我的iPhone", "的iphone手", "手"],
                &["phone", "iphone机", "我iPhone"],
            ),
            (
                "東京タワーへ行った。ガラス",
                &["東京", "タワー", "ﾀﾜｰ", "京タワーへ", "行った", "ｶﾞﾗｽ", "へ"],
                &["カラス", "東タ"],
            ),
            ("สวัสดีครับ วันนี้ฝนตก", &["ฝนตก", "สวัสดี", "วันนี้", "วันนี้ฝน", "ฝน", "ตก"], &["ฝนตกหนัก", "สวสดี"]),
            ("ดื่มน้ำ", &["น้ำ", "น้\u{e4d}\u{e32}", "ดื่ม"], &["นำ", "ดม"]),
            ("ສະບາຍດີຕອນເຊົ້າ", &["ສະບາຍດີ", "ຕອນ", "ເຊົ້າ"], &["ບາດ"]),
            ("ខ្ញុំស្រលាញ់ភាសា\u{200b}ខ្មែរ", &["ភាសា", "ភាសាខ្មែរ", "ស្រលាញ់"], &["ខ្មែរភាសា"]),
            ("မင်္ဂလာပါခင်ဗျာ", &["မင်္ဂလာ", "မင်္ဂလာပါ", "ခင်ဗျာ"], &["ဂလာမင်္"]),
            (
                "오늘 학교에서 책을 읽었다",
                &[
                    "학교",
                    "책",
                    "학교에서",
                    "오늘 책",
                    "\u{1112}\u{1161}\u{11a8}\u{1100}\u{116d}",
                    "\"학교에서 책\"",
                ],
                &["학에", "교책"],
            ),
            (
                "Donau\u{ad}dampf\u{200b}schiff",
                &["donaudampfschiff", "Donaudampf*", "donau\u{ad}dampf\u{ad}schiff"],
                &["dampf", "donau"],
            ),
            ("שָׁלוֹם עוֹלָם", &["שלום", "עולם", "שָׁלוֹם", "\"שלום עולם\""], &["שלו"]),
            ("مُحَمَّدٌ كِتَاب أحمد محـــمود", &["محمد", "كتاب", "احمد", "محمود", "مُحمد"], &["حمد"]),
            (
                "Łódź, đường Αθήνα Ёлка Straße İstanbul",
                &[
                    "łódź",
                    "LODZ",
                    "lodz",
                    "ĐƯỜNG",
                    "duong",
                    "ΑΘΗΝΑ",
                    "αθηνα",
                    "ёлка",
                    "ЕЛКА",
                    "елка",
                    "STRASSE",
                    "straße",
                    "strasse",
                    "STRAẞE",
                    "istanbul",
                    "ISTANBUL",
                    "ıstanbul",
                    "İSTANBUL",
                ],
                &["strase", "stanbul"],
            ),
            ("हिन्दी भाषा", &["हिन्दी", "भाषा", "हिन्*"], &["हिनदी", "भष"]),
            (
                "a ☂️ day, 👩\u{200d}👩\u{200d}👧 and 👍🏽 in 🇬🇧",
                &["☂", "☂️", "👩\u{200d}👩\u{200d}👧", "👧", "👍", "👍🏽", "🇬🇧", "\"a ☂ day\""],
                &["👍🏿", "☀", "🇧🇬"],
            ),
            (
                "2025-01-31, or 31.1.2025, or 2025年1月31日",
                &["2025-01-31", "31.1.2025", "\"2025-01\"", "1月31日", "2025年", "2025"],
                &["2025-31", "202"],
            ),
            (
                "I write C++ and node.js, not C#",
                &["C++", "c++", "node.js", "C#", "c+", "node", "js", "\"c++ and\""],
                &["c+++x", "#c", "nodejs"],
            ),
            (
                "Mail ada@example.com #tag R&B <3 100%",
                &[
                    "ada@example.com",
                    "ADA@Example.com",
                    "example.com",
                    "#tag",
                    "tag",
                    "r&b",
                    "<3",
                    "100%",
                    "100",
                ],
                &["ada@com", "#ta", "ada@example.org"],
            ),
            ("ＡＢＣ ⅩⅡ ﬁsh m²", &["abc", "xii", "fish", "m2", "ｆｉｓｈ"], &["ab"]),
            (
                "don’t **worry**, snake_case",
                &["don't", "don’t", "worry", "\"don't worry\"", "snake_case", "case", "worr*", "wo*"],
                &["dont", "snakecase", "wor"],
            ),
            ("= = = Title ====", &["title", "=", "====", "\"title =\"", "title="], &["===title+"]),
        ];
        for (text, found, missed) in rows {
            let index = Index::new();
            index.insert(1, "7:", text);
            index.insert(2, "77:", text);
            index.insert(3, "8:", text);
            for query in *found {
                assert_eq!(index.found(&parse(query).expression), [1], "{query} in {text}");
            }
            for query in *missed {
                assert!(index.found(&parse(query).expression).is_empty(), "{query} in {text}");
            }
        }
    }

    /// A text of the letters below, as it is compared: a blank between two words, runs and symbols, also where none is
    /// written, and around all of it.
    fn spaced(text: &str) -> String {
        let mut spaced = String::from(" ");
        let mut last = ' ';
        for character in text.chars() {
            let is_letter = |character: char| !matches!(character, ' ' | '+');
            let is_run = is_letter(last) && is_letter(character) && (last == 'a') == (character == 'a');
            if !spaced.ends_with(' ') && !is_run {
                spaced.push(' ');
            }
            if character != ' ' {
                spaced.push(character);
            }
            last = character;
        }
        spaced.push(' ');
        while spaced.contains("+ + +") {
            spaced = spaced.replace("+ + +", "+ +");
        }
        spaced.replace("  ", " ")
    }

    /// All texts of these letters with at most this many.
    fn texts(letters: &str, length: usize) -> Vec<String> {
        let mut texts = vec![String::new()];
        let mut from = 0;
        for _ in 0..length {
            let end = texts.len();
            for text in from..end {
                for letter in letters.chars() {
                    texts.push(format!("{}{letter}", texts[text]));
                }
            }
            from = end;
        }
        texts
    }

    /// The terms of a phrase must stand in a text exactly when the phrase stands in it: compared as letters, where a
    /// word ends at a blank, and a run of pairs may go on before and after the phrase.
    #[test]
    fn finds_a_phrase_exactly_where_it_is_written() {
        let index = Index::new();
        let entries = texts("天気a +", 5);
        for (id, text) in (1..).zip(&entries) {
            index.insert(id, "7:", text);
        }
        let mut found = 0;
        for phrase in texts("天気a +", 4) {
            let looked_for = spaced(&phrase);
            let looked_for = looked_for.trim();
            if looked_for.is_empty() {
                continue;
            }
            let ends = |letter: Option<char>| {
                if letter.is_some_and(|letter| "天気".contains(letter)) { "" } else { " " }
            };
            let (before, after) = (ends(looked_for.chars().next()), ends(looked_for.chars().next_back()));
            let looked_for = format!("{before}{looked_for}{after}");
            let expected: Vec<i64> = (1..)
                .zip(&entries)
                .filter_map(|(id, text)| spaced(text).contains(&looked_for).then_some(id))
                .collect();
            found += expected.len();
            let query = parse(&format!("\"{phrase}\""));
            assert_eq!(index.found(&query.expression), expected, "{phrase:?}");
            // A snippet finds the same in the text itself.
            for (id, text) in (1..).zip(&entries).take_while(|(_, text)| text.chars().count() < 3) {
                let is_marked = snippet(&[text], &query.wanted).to_string().contains('[');
                assert_eq!(is_marked, expected.contains(&id), "{phrase:?} in {text:?}");
            }
        }
        assert!(found > 10_000, "{found}");
    }

    #[test]
    fn quotes_every_term_again() {
        check("garden rain", r#""garden" AND "rain""#);
        check(r#""slow rain" gard*"#, r#""slow rain" AND "gard" *"#);
        check("rain -sun -\"long night\"", r#"("rain") NOT ("sun" OR "long night")"#);
        check("rain OR title:x NEAR(a b)", r#""rain" AND "or" AND "title x" AND "near a" AND "b""#);
        check(r#"a"b"#, r#""a" AND "b""#);
        check("\"open end", "\"open end\"");
        check("\"slow ra\"* \"slow ra*\"", "\"slow ra\" * AND \"slow ra\" *");
        check("rain !!! - -", "\"rain\"");
        check("☂* 天*", "\"☂\" AND \"天\" *");
        check("Ré-Sumé -", "\"re sume\"");
        check("今天 -天气* 的iPhone手", "(\"今天\" AND \"的 iphone 手\" *) NOT (\"天气\" *)");
        let query = parse("Rain gard* -sun");
        assert_eq!(query.expression, r#"("7:rain" AND "7:gard" *) NOT ("7:sun")"#);
        assert_eq!(query.all_in_title, r#"{title} : ("7:rain" AND "7:gard" *)"#);
        assert_eq!(query.some_in_title.as_deref(), Some(r#"{title} : ("7:rain" OR "7:gard" *)"#));
    }

    /// FTS5 must take any expression, and find with it what was typed.
    #[test]
    fn takes_no_text_for_syntax() {
        let index = Index::new();
        let texts = texts("a\"*- (今+", 4);
        let mut parsed = 0;
        for text in &texts {
            if let Ok(query) = Query::parse(text, "7:") {
                parsed += 1;
                for expression in
                    [&query.expression, &query.all_in_title].into_iter().chain(&query.some_in_title)
                {
                    assert_eq!(index.found(expression), [0_i64; 0], "{text:?}");
                }
            }
        }
        assert!(parsed > texts.len() / 2, "{parsed}");
    }

    #[test]
    fn names_what_was_looked_for() {
        for (query, expected) in [
            ("Rain", "\"Rain\""),
            (
                "rain \"slow  night\" gard* -",
                "\"rain\" and \"slow  night\" and a word that begins with \"gard\"",
            ),
            ("天 -sun -\"long night\"", "\"天\" without \"sun\" or \"long night\""),
            ("a\u{1b}[2J\u{202e}b", "\"a[2Jb\""),
            ("\" rain \" ", "\"rain\""),
        ] {
            assert_eq!(parse(query).looked_for, expected, "{query}");
        }
    }

    #[test]
    fn refuses_a_query_with_nothing_to_find() {
        for nothing in ["", " *** \"\" ", "-", "… \u{200b}\u{301}*", "\"?!\""] {
            assert!(matches!(Query::parse(nothing, "7:"), Err(JournalError::EmptyQuery)), "{nothing:?}");
        }
        for excluding in ["-rain ***", "-rain +"] {
            let refused = Query::parse(excluding, "7:");
            assert!(matches!(refused, Err(JournalError::OnlyExclusions)), "{excluding:?}");
        }
        assert!(Query::parse("*+*", "7:").is_ok());
    }

    #[test]
    fn refuses_a_query_that_costs_too_much() {
        #[track_caller]
        fn check(part: &str, max: usize) {
            assert!(Query::parse(&part.repeat(max), "7:").is_ok());
            assert!(matches!(Query::parse(&part.repeat(max + 1), "7:"), Err(JournalError::TooManyTerms)));
            // What is excluded costs as much.
            let excluding =
                |count| Query::parse(&format!("{part} {}", format!("-{part}").repeat(count)), "7:");
            assert!(excluding(max - 1).is_ok());
            assert!(matches!(excluding(max), Err(JournalError::TooManyTerms)));
        }
        check("word ", limits::QUERY_TERMS_MAX);
        check("wo* ", limits::QUERY_BEGINNINGS_MAX);
        check("天 ", limits::QUERY_BEGINNINGS_MAX);
        check("a-", limits::QUERY_LOOKUPS_MAX);
        for short in ["w*", "-W*", "\"slow w\"*", "é*", "ж*"] {
            assert!(
                matches!(Query::parse(&format!("x {short}"), "7:"), Err(JournalError::TooManyTerms)),
                "{short}"
            );
        }
        for enough in ["wo*", "ß*", "天*", "天気*", "한*", "x+*", "ก*"] {
            assert!(Query::parse(enough, "7:").is_ok(), "{enough}");
        }
        assert!(Query::parse(&format!("天{}", "気".repeat(limits::QUERY_LOOKUPS_MAX)), "7:").is_ok());
        assert!(matches!(
            Query::parse(&format!("天{}", "気".repeat(limits::QUERY_LOOKUPS_MAX + 1)), "7:"),
            Err(JournalError::TooManyTerms)
        ));
    }

    #[test]
    fn knows_a_long_word_by_its_beginning() {
        let index = Index::new();
        let picture = "iVBORw0KGgo".repeat(9_000);
        index.insert(1, "7:", &format!("x {picture} y"));
        for query in [&picture[..400], &picture[..limits::TERM_CHARS_MAX], "ivborw*", "\"x ivborw*\""] {
            assert_eq!(index.found(&parse(query).expression), [1], "{query}");
        }
        assert!(index.found(&parse(&picture[..limits::TERM_CHARS_MAX - 1]).expression).is_empty());
        assert_eq!(terms::index_text("7:", &picture).len(), 2 + limits::TERM_CHARS_MAX);
    }
}
