//! Full-text search: a small query language, and the order of what it finds.
//!
//! Names no tool and uses no JSON and no HTTP. Invariant: FTS5, SQLite's search engine, never reads a client's text
//! as syntax: each term is taken out of the query and put between quotation marks.
//!
//! FTS5 has a query language of its own, with `AND`, `NEAR`, column names and parentheses. A client's text isn't
//! passed to it, for two reasons: many texts that people type are syntax errors there, such as `what's new?`, and a
//! short query can take very long. So [`Query::parse`] takes the text apart by rules of its own, to which no text is
//! a syntax error, and writes an expression that holds nothing but quoted terms and FTS5's operators.
//!
//! One index serves all people, because FTS5 has one index for each table, and a table for each person would mean
//! statements whose text differs from person to person. So each statement joins what the index finds with `entries`,
//! and compares the owner of the row. (Two further matches, by which rows get their tier, read the index of all people;
//! only the person's rows get one.) Only the time still differs: a word that other people use in many entries takes
//! longer to find. A larger server would keep an index for each person.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rusqlite::ToSql;

use super::encoding::Encoding;
use super::entries::{self, ITEM_SQL};
use super::filter::{FILTER_SQL, Filter, FilterValues};
use super::rows::{cut, take_number};
use super::{EntryItem, Journal, JournalError, Page};
use crate::limits;
use crate::scope::EntriesRead;

/// A found entry, with the part of its text that matched.
pub(crate) struct Found {
    pub(crate) entry: EntryItem,
    /// The words around the match, the match itself in `[` and `]`. It is text of the entry, which may contain
    /// brackets itself: a person can read it, but a program can't take it apart.
    pub(crate) snippet: String,
    /// How well the entry matches: 0 is best, 2 is worst; see [`search`]. The tier is part of the cursor's position.
    tier: i64,
}

/// Finds the entries that match `query` and pass the filter, best match first: those with every wanted term in their
/// title, then those with some wanted term there, then the rest; newest first among equals.
///
/// An entry must match every term of a query: a word, `"a phrase"`, `word*` (a word that begins so) or `-word` (no
/// such word).
///
/// FTS5 has a rank of its own, bm25, which weighs a word by how many rows of the index have it. The index holds the
/// entries of all people, so a person could learn from the order of their own entries which words others write: each
/// entry with a word lowers the weight of that word, also when another person wrote it. The rank here depends on the
/// row alone. This also makes paging possible: a row keeps its place even if other rows change between two pages.
pub(crate) fn search(
    journal: &Journal<EntriesRead>,
    query: &str,
    filter: &Filter,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page<Found>, JournalError> {
    let Query { expression, all_in_title, some_in_title } = Query::parse(query)?;
    let signer = journal.signer;
    journal.read(|own| {
        let mut encoding = Encoding::default();
        // The digest is made of the expression, not of the query, so that two spellings of the same search may share
        // their cursors.
        encoding.text(&expression);
        filter.encode(&mut encoding);
        let digest = encoding.digest();
        // Without a cursor the position is before every entry: the best tier, and later than any date.
        let (mut tier, mut created_at, mut id) = (0, i64::MAX, i64::MAX);
        if let Some(cursor) = cursor {
            let position = own.position(signer, "search", &digest, cursor)?;
            let mut position = &position[..];
            tier = take_number(&mut position)?;
            created_at = take_number(&mut position)?;
            id = take_number(&mut position)?;
        }
        let values = FilterValues::of(filter)?;
        let place: [&dyn ToSql; 3] = [&expression, &all_in_title, &some_in_title];
        let values = [&values.parameters()[..], &place].concat();
        // The index finds rows of all people; the filter compares `user_id`, so only this person's rows are left. To
        // SQLite CROSS JOIN means that the index comes first. With JOIN it would walk the person's entries and ask the
        // index for each of them, and each time the index would look up the whole query. The tier comes from two further
        // matches, of the title alone. Each runs once and leaves a set of ids: EXISTS with the row's id would run it for
        // every row.
        let sql = format!(
            "SELECT e.id, e.created_at,
                 CASE WHEN e.id IN (SELECT rowid FROM entries_fts WHERE entries_fts MATCH ?12) THEN 0
                      WHEN e.id IN (SELECT rowid FROM entries_fts WHERE entries_fts MATCH ?13) THEN 1
                      ELSE 2 END
             FROM entries_fts f CROSS JOIN entries e ON e.id = f.rowid
             WHERE entries_fts MATCH ?11 AND {FILTER_SQL} AND e.created_at >= ?4 AND e.created_at <= ?5"
        );
        // Tier, date and id together are one position in the order, the last two downwards. One pass over what matches
        // counts it and keeps the page: the best positions after that of the cursor. SQLite would need a statement for
        // each of the two.
        let after = (tier, Reverse(created_at), Reverse(id));
        let (mut total, mut best) = (0, BinaryHeap::new());
        own.all(&sql, &values, |row| {
            total += 1;
            let (id, created_at, tier) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let position = (tier, Reverse(created_at), Reverse(id));
            if position > after {
                best.push(position);
                // One more than the page shows whether another page follows. The heap gives up its worst.
                if best.len() > limit + 1 {
                    best.pop();
                }
            }
            Ok(())
        })?;
        let sql = format!("SELECT {ITEM_SQL} FROM entries e WHERE e.user_id = ?1 AND e.id = ?2");
        let mut items = Vec::new();
        for (tier, _, Reverse(id)) in best.into_sorted_vec() {
            let entry = own.first(&sql, &[&id], entries::item)?;
            items.extend(entry.map(|entry| Found { entry, snippet: String::new(), tier }));
        }
        let next = cut(&mut items, limit).map(|last: &Found| {
            let place = [last.tier, last.entry.created_at.0, last.entry.id.get()].map(i64::to_be_bytes);
            own.cursor(signer, "search", &digest, &place.concat())
        });
        // This statement makes snippets for the shown page alone, because FTS5 reads the whole text of an entry for
        // its snippet.
        let sql = "SELECT snippet(entries_fts, -1, '[', ']', '…', ?4) FROM entries_fts
                   JOIN entries e ON e.id = entries_fts.rowid AND e.user_id = ?1
                   WHERE entries_fts MATCH ?2 AND entries_fts.rowid = ?3";
        for found in &mut items {
            let values: [&dyn ToSql; 3] = [&expression, &found.entry.id, &(limits::SNIPPET_TOKENS as i64)];
            let snippet = own.first(sql, &values, |row| row.get::<_, String>(0))?.unwrap_or_default();
            found.snippet = shortened(snippet);
        }
        Ok(Page { items, total, next })
    })
}

/// Cuts a snippet to [`limits::SNIPPET_CHARS_MAX`] characters around its first bracket, which marks the match unless
/// the text has one before. FTS5 counts tokens, and one token can be a whole text: a picture in base64, or a page of
/// Chinese without punctuation. A page of such snippets would have tens of megabytes.
fn shortened(snippet: String) -> String {
    let (count, max) = (snippet.chars().count(), limits::SNIPPET_CHARS_MAX);
    if count <= max {
        return snippet;
    }
    let marked = snippet.find('[').map_or(0, |at| snippet[..at].chars().count());
    let start = marked.saturating_sub(max / 4).min(count - max);
    let kept: String = snippet.chars().skip(start).take(max).collect();
    let dots = |is_cut: bool| if is_cut { "…" } else { "" };
    format!("{}{kept}{}", dots(start > 0), dots(start + max < count))
}

/// A query as three expressions of FTS5. They are bound as parameters, so only FTS5 parses them, and SQLite's SQL
/// parser doesn't.
struct Query {
    /// What an entry must match to be found at all.
    expression: String,
    /// What an entry of tier 0 matches: every wanted term is in its title.
    all_in_title: String,
    /// What an entry of tier 1 matches: some wanted term is in its title.
    some_in_title: String,
}

impl Query {
    /// Takes a query apart, one term after the other. White space separates terms. Every other character is part of a
    /// word, except a quote, a minus at the beginning of a term and a star at its end. So no text is a syntax error,
    /// and FTS5's own operators (`OR`, `NEAR`, `title:`) are words like others.
    ///
    /// Each pass of the loop takes one term from the front of the rest. The loop never goes back, so its time grows
    /// only with the length of the text.
    fn parse(query: &str) -> Result<Query, JournalError> {
        let (mut wanted, mut excluded) = (Vec::new(), Vec::new());
        let (mut beginnings, mut rest) = (0, query.trim_start());
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
            let term = starred.unwrap_or(text);
            let letters = term.chars().filter(|letter| letter.is_alphanumeric()).count();
            // FTS5 finds no token in a term without a letter or digit, so no entry can match such a term: a dash
            // between two words would make the whole search find nothing.
            if letters > 0 {
                if starred.is_some() {
                    beginnings += 1;
                    if letters < 2 || beginnings > limits::QUERY_BEGINNINGS_MAX {
                        // For a beginning FTS5 looks up every word of the index that begins with it and merges the
                        // lists of these words, so short beginnings take longest. FTS5 does that inside one step of
                        // SQLite's virtual machine, where the deadline of a read can't interrupt it. So the time must
                        // be bounded before.
                        return Err(JournalError::TooManyTerms);
                    }
                }
                let star = if starred.is_some() { " *" } else { "" };
                // ---- THE QUOTING ----
                // FTS5 reads everything between quotation marks as text; a quotation mark inside is written twice. No
                // other line puts a client's text into an expression.
                let quoted = format!("\"{}\"{star}", term.replace('"', "\"\""));
                if excludes { &mut excluded } else { &mut wanted }.push(quoted);
            }
            rest = after.trim_start();
        }
        // Each term is a look-up of its own. The terms that can't match were left out above and aren't looked up.
        if wanted.len() + excluded.len() > limits::QUERY_TERMS_MAX {
            return Err(JournalError::TooManyTerms);
        }
        let all = wanted.join(" AND ");
        // FTS5's NOT removes entries from what its left side found, so it needs a left side. A search that only
        // excludes would find nearly the whole journal, which a list shows better.
        let expression = match (wanted.is_empty(), excluded.is_empty()) {
            (true, true) => return Err(JournalError::EmptyQuery),
            (true, false) => return Err(JournalError::OnlyExclusions),
            (false, true) => all.clone(),
            (false, false) => format!("({all}) NOT ({})", excluded.join(" OR ")),
        };
        let some_in_title = format!("{{title}} : ({})", wanted.join(" OR "));
        Ok(Query { expression, all_in_title: format!("{{title}} : ({all})"), some_in_title })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: &str) {
        let parsed = Query::parse(query).unwrap_or_else(|error| panic!("{query:?}: {error}"));
        assert_eq!(parsed.expression, expected, "{query:?}");
    }

    #[test]
    fn keeps_of_a_snippet_what_is_around_the_match() {
        let max = limits::SNIPPET_CHARS_MAX;
        let (before, after) = (max / 4, max - max / 4 - 1);
        let whole = format!("{}[é]{}", "é".repeat(max), "é".repeat(max));
        let cut = format!("…{}[é]{}…", "é".repeat(before), "é".repeat(after - 2));
        assert_eq!(shortened(whole), cut);
        let fits = format!("{}[é]", "é".repeat(max - 3));
        assert_eq!(shortened(fits.clone()), fits);
        assert_eq!(shortened(format!("é{fits}")), format!("…{fits}"));
        assert_eq!(shortened(format!("[é]{}", "é".repeat(max))), format!("[é]{}…", "é".repeat(max - 3)));
        assert_eq!(shortened("é".repeat(max + 1)), format!("{}…", "é".repeat(max)));
    }

    #[test]
    fn quotes_every_term_again() {
        check("garden rain", r#""garden" AND "rain""#);
        check(r#""slow rain" gard*"#, r#""slow rain" AND "gard" *"#);
        check("rain -sun -\"long night\"", r#"("rain") NOT ("sun" OR "long night")"#);
        check("rain OR title:x NEAR(a b)", r#""rain" AND "OR" AND "title:x" AND "NEAR(a" AND "b)""#);
        check(r#"a"b"#, r#""a" AND "b""#);
        check("\"open end", "\"open end\"");
        check("rain !!! -", "\"rain\"");
        check("ré-sumé", "\"ré-sumé\"");
    }

    #[test]
    fn refuses_a_query_with_nothing_to_find() {
        assert!(matches!(Query::parse(" *** \"\" "), Err(JournalError::EmptyQuery)));
        assert!(matches!(Query::parse("-rain"), Err(JournalError::OnlyExclusions)));
    }

    #[test]
    fn refuses_a_query_that_costs_too_much() {
        assert!(Query::parse(&"word ".repeat(limits::QUERY_TERMS_MAX)).is_ok());
        assert!(matches!(
            Query::parse(&"word ".repeat(limits::QUERY_TERMS_MAX + 1)),
            Err(JournalError::TooManyTerms)
        ));
        assert!(Query::parse(&"wo* ".repeat(limits::QUERY_BEGINNINGS_MAX)).is_ok());
        assert!(matches!(
            Query::parse(&"wo* ".repeat(limits::QUERY_BEGINNINGS_MAX + 1)),
            Err(JournalError::TooManyTerms)
        ));
        assert!(matches!(Query::parse("w*"), Err(JournalError::TooManyTerms)));
    }
}
