//! Full-text search: a small query language, and the order of what it finds.
//!
//! Knows no JSON, no HTTP and no name of a tool, as nothing in the journal does. Invariant: no text that a client
//! sends reaches FTS5, SQLite's search engine, as syntax: each term is taken out of the query and quoted again.
//!
//! FTS5 has a query language of its own, with `AND`, `NEAR`, column names and parentheses. Two things speak against
//! handing a client's text to it: many texts that people type are errors there, such as `what's new?`, and a short
//! query can be made to cost much. So [`Query::parse`] takes the text apart by rules that accept every text,
//! and writes an expression of FTS5 that holds nothing but quoted terms and its own operators.
//!
//! One index serves all people, because FTS5 has one index for each table, and a table for each person would mean
//! statements whose text differs from person to person. So what the index finds is always joined with `entries`,
//! where the owner of a row is compared. What remains visible is time: a word that others use often takes longer to
//! find. A larger server would keep an index for each person.

use rusqlite::ToSql;

use super::encoding::Encoding;
use super::entries::{self, FILTER_SQL, Filter, FilterValues, ITEM_SQL};
use super::rows::{cut, take_number};
use super::{EntryItem, Journal, JournalError, Page};
use crate::limits;
use crate::scope::EntriesRead;

/// A found entry and the place where it matched.
pub(crate) struct Found {
    pub(crate) entry: EntryItem,
    /// The words around the match, the match itself in `[` and `]`. It is text of the entry, where brackets may
    /// stand as well: good for a person's eyes, and nothing for a program to take apart.
    pub(crate) snippet: String,
    /// How well it matches: 0 is the best, 2 the least; see [`search`]. It is part of the cursor's position.
    tier: i64,
}

/// The entries that match `query` and pass the filter, best match first: those with every word in their title, then
/// those with some word there, then the rest; newest first among equals.
///
/// All words of a query are required; `"a phrase"` stands in quotes, `word*` is a beginning, `-word` is excluded.
///
/// FTS5 has a rank of its own, bm25, which weighs a word by how many rows of the index have it. The index holds the
/// entries of all people, so from the order of their own entries they could learn which words others write: the
/// weight of a word falls with each entry of anyone that has it. The rank here looks at the row alone. It also
/// makes paging possible: a row keeps its place whatever is written into other rows between two pages.
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
        // The expression and not the query: two spellings of the same search may share their cursors.
        encoding.text(&expression);
        filter.encode(&mut encoding);
        let digest = encoding.digest();
        // Without a cursor the position is the one before every entry: the best tier, and later than any date.
        let (mut tier, mut created_at, mut id) = (0, i64::MAX, i64::MAX);
        if let Some(cursor) = cursor {
            let position = own.position(signer, "search", &digest, cursor)?;
            let mut position = &position[..];
            tier = take_number(&mut position)?;
            created_at = take_number(&mut position)?;
            id = take_number(&mut position)?;
        }
        let values = FilterValues::of(filter)?;
        let values = [&values.parameters()[..], &[&expression]].concat();
        // The index finds rows of all people; the filter, which compares `user_id`, leaves this person's.
        let matches = format!(
            "FROM entries_fts f JOIN entries e ON e.id = f.rowid
             WHERE entries_fts MATCH ?11 AND {FILTER_SQL}"
        );
        let total = own.first(&format!("SELECT count(*) {matches}"), &values, |row| row.get(0))?.unwrap_or(0);
        // Tier, date and id together name one place in the order. SQLite compares rows of values in one direction
        // only, so those that fall are compared negated. A row's tier is found by matching its title once more, by
        // its `rowid`; a search for each tier, merged here, would have to repeat the filter and the paging three
        // times.
        let sql = format!(
            "SELECT * FROM (
                 SELECT {ITEM_SQL},
                     CASE WHEN EXISTS (SELECT 1 FROM entries_fts WHERE entries_fts MATCH ?12
                                       AND rowid = e.id) THEN 0
                          WHEN EXISTS (SELECT 1 FROM entries_fts WHERE entries_fts MATCH ?13
                                       AND rowid = e.id) THEN 1
                          ELSE 2 END AS tier,
                     e.created_at AS made {matches})
             WHERE (tier, -made, -id) > (?14, -?15, -?16) ORDER BY tier, made DESC, id DESC LIMIT ?17"
        );
        let one_more = limit as i64 + 1; // which shows whether another page follows
        let place: [&dyn ToSql; 6] = [&all_in_title, &some_in_title, &tier, &created_at, &id, &one_more];
        let mut items = own.all(&sql, &[&values[..], &place].concat(), |row| {
            Ok(Found { entry: entries::item(row)?, snippet: String::new(), tier: row.get(7)? })
        })?;
        let next = cut(&mut items, limit).map(|last: &Found| {
            let place = [last.tier, last.entry.created_at.0, last.entry.id.get()].map(i64::to_be_bytes);
            own.cursor(signer, "search", &digest, &place.concat())
        });
        // Snippets are made for the shown page alone: for each of them FTS5 reads the whole text of its entry. In the
        // statement above SQLite could make one for every match, before it sorts them and keeps a page.
        let sql = "SELECT snippet(entries_fts, -1, '[', ']', '…', ?4) FROM entries_fts
                   JOIN entries e ON e.id = entries_fts.rowid AND e.user_id = ?1
                   WHERE entries_fts MATCH ?2 AND entries_fts.rowid = ?3";
        for found in &mut items {
            let values: [&dyn ToSql; 3] = [&expression, &found.entry.id, &(limits::SNIPPET_TOKENS as i64)];
            found.snippet = own.first(sql, &values, |row| row.get(0))?.unwrap_or_default();
        }
        Ok(Page { items, total, next })
    })
}

/// A query as expressions of FTS5. All three are bound as parameters, so SQLite itself parses none of them.
struct Query {
    /// What an entry must match to be found at all.
    expression: String,
    /// What an entry of tier 0 matches: every wanted word stands in its title.
    all_in_title: String,
    /// What an entry of tier 1 matches: some wanted word stands there.
    some_in_title: String,
}

impl Query {
    /// Takes a query apart, one term after the other. Whatever is no quote, star or minus in its place is part of a
    /// word, so every text is a query, and FTS5's own operators (`OR`, `NEAR`, `title:`) are words like others.
    ///
    /// Each pass of the loop takes one term from the front of what is left and is done with it. There is no way
    /// back, so the time grows with the length of the text and with nothing else.
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
                Some(phrase) => phrase.split_once('"').unwrap_or((phrase, "")), // an open quote runs to the end
                None => {
                    term.split_at(term.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(term.len()))
                }
            };
            // The star of a word was taken with the word; that of a phrase stands behind the closing quote.
            let mut starred = text.strip_suffix('*');
            if let (None, Some(behind)) = (starred, after.strip_prefix('*')) {
                (starred, after) = (Some(text), behind); // "a phrase"*
            }
            let term = starred.unwrap_or(text);
            let letters = term.chars().filter(|letter| letter.is_alphanumeric()).count();
            // To FTS5 a term without a letter or digit is no token, and an entry can't match it: a dash between two
            // words would make the whole search find nothing.
            if letters > 0 {
                if starred.is_some() {
                    beginnings += 1;
                    if letters < 2 || beginnings > limits::QUERY_BEGINNINGS_MAX {
                        // For a beginning FTS5 looks up every word of the index that begins so and merges their
                        // lists, so short ones cost most. It does that inside one step of SQLite's machine, where
                        // the deadline of a read can't interrupt it: the cost must be bounded before.
                        return Err(JournalError::TooManyTerms);
                    }
                }
                let star = if starred.is_some() { " *" } else { "" };
                // ---- THE QUOTING ----
                // Between quotation marks FTS5 takes everything as text; a mark inside is written twice. No other
                // line puts text of a client's into an expression.
                let quoted = format!("\"{}\"{star}", term.replace('"', "\"\""));
                if excludes { &mut excluded } else { &mut wanted }.push(quoted);
            }
            rest = after.trim_start();
        }
        // Each term is a look-up of its own. Terms that can't match were left out above, and cost nothing.
        if wanted.len() + excluded.len() > limits::QUERY_TERMS_MAX {
            return Err(JournalError::TooManyTerms);
        }
        let all = wanted.join(" AND ");
        // FTS5's NOT takes away from what its left side found, so there must be a left side. A search that only
        // excludes would mean nearly the whole journal, which a list shows better.
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
