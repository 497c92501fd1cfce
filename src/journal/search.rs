//! Full-text search: a small query language, best matches first.
//!
//! Knows what [`super`] knows. Invariant: no text of a person's reaches FTS5 as syntax; each term is quoted
//! again here.

use super::entries::{self, FILTER_SQL, Filter, ITEM_SQL};
use super::{EntryItem, Fault, Journal, Page, cut, take_eight};
use crate::limits;

/// A found entry and the place where it matched.
pub struct Found {
    /// The entry.
    pub entry: EntryItem,
    /// The words around the match, the match itself in `[` and `]`.
    pub snippet: String,
    tier: i64,
}

/// The entries that match `query` and pass the filter, best match first: those with every word in their title, those
/// with some word there, then the rest; each newest first.
///
/// FTS5's own rank, bm25, weighs a word by how many rows of the index have it, and the index holds everybody's: from
/// the order of their own entries people could learn the words of others. This rank looks at the row alone.
///
/// Words are all required; `"a phrase"` in quotes, `word*` for a beginning, `-word` to exclude.
pub fn search(
    journal: &Journal,
    query: &str,
    filter: &Filter,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page<Found>, Fault> {
    let Query { expression, all_in_title, some_in_title } = Query::parse(query)?;
    let seal = journal.seal;
    journal.read(|own| {
        let filters = format!("{expression} {filter:?}");
        let (mut tier, mut created_at, mut id) = (0, i64::MAX, i64::MAX); // before every entry
        if let Some(cursor) = cursor {
            let position = own.position(seal, "search", &filters, cursor)?;
            let mut position = &position[..];
            tier = i64::from_be_bytes(take_eight(&mut position)?);
            created_at = i64::from_be_bytes(take_eight(&mut position)?);
            id = i64::from_be_bytes(take_eight(&mut position)?);
        }
        let ((need, tags, from, to), (mood, location, weather, private, favorite)) =
            entries::filter_values(own, filter)?;
        let values: [&dyn rusqlite::ToSql; 10] =
            [&need, &tags, &from, &to, mood, location, weather, &private, &favorite, &expression];
        let matches = format!(
            "FROM entries_fts f JOIN entries e ON e.id = f.rowid WHERE entries_fts MATCH ?11 AND {FILTER_SQL}"
        );
        let total = own.first(&format!("SELECT count(*) {matches}"), &values, |row| row.get(0))?.unwrap_or(0);
        let in_title = |parameter| format!("SELECT 1 FROM entries_fts WHERE entries_fts MATCH {parameter} AND rowid = e.id");
        let (all, some) = (in_title("?12"), in_title("?13"));
        let sql = format!(
            "SELECT * FROM (
                 SELECT {ITEM_SQL}, CASE WHEN EXISTS ({all}) THEN 0 WHEN EXISTS ({some}) THEN 1 ELSE 2 END AS tier,
                        e.created_at AS made {matches})
             WHERE (tier, -made, -id) > (?14, -?15, -?16) ORDER BY tier, made DESC, id DESC LIMIT ?17"
        );
        let one_more = limit as i64 + 1;
        let place: [&dyn rusqlite::ToSql; 6] = [&all_in_title, &some_in_title, &tier, &created_at, &id, &one_more];
        let mut items = own.all(&sql, &[&values[..], &place].concat(), |row| {
            Ok(Found { entry: entries::item(row)?, snippet: String::new(), tier: row.get(7)? })
        })?;
        let next = cut(&mut items, limit).map(|last: &Found| {
            let place = [last.tier, last.entry.created_at.0, last.entry.id].map(i64::to_be_bytes);
            own.cursor(seal, "search", &filters, &place.concat())
        });
        // Snippets only for what is shown: they read the whole text again.
        let sql = "SELECT snippet(entries_fts, -1, '[', ']', '…', ?4) FROM entries_fts
                   JOIN entries e ON e.id = entries_fts.rowid AND e.user_id = ?1
                   WHERE entries_fts MATCH ?2 AND entries_fts.rowid = ?3";
        for found in &mut items {
            let values: [&dyn rusqlite::ToSql; 3] = [&expression, &found.entry.id, &(limits::SNIPPET_TOKENS as i64)];
            found.snippet = own.first(sql, &values, |row| row.get(0))?.unwrap_or_default();
        }
        Ok(Page { items, total, next })
    })
}

/// A query as FTS5 expressions.
struct Query {
    /// What an entry must match.
    expression: String,
    /// Every wanted word in the title.
    all_in_title: String,
    /// Some wanted word in the title.
    some_in_title: String,
}

impl Query {
    fn parse(query: &str) -> Result<Query, Fault> {
        let (mut wanted, mut excluded) = (Vec::new(), Vec::new());
        let (mut beginnings, mut rest) = (0, query.trim_start());
        while !rest.is_empty() {
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
            let mut starred = text.strip_suffix('*');
            if let (None, Some(behind)) = (starred, after.strip_prefix('*')) {
                (starred, after) = (Some(text), behind); // "a phrase"*
            }
            let term = starred.unwrap_or(text);
            let letters = term.chars().filter(|letter| letter.is_alphanumeric()).count();
            // A term without a letter or digit is no token to FTS5, and matching it matches nothing.
            if letters > 0 {
                if starred.is_some() {
                    beginnings += 1;
                    if letters < 2 || beginnings > limits::QUERY_BEGINNINGS_MAX {
                        return Err(Fault::TooManyTerms); // each is looked up word by word
                    }
                }
                let star = if starred.is_some() { " *" } else { "" };
                let quoted = format!("\"{}\"{star}", term.replace('"', "\"\""));
                if excludes { &mut excluded } else { &mut wanted }.push(quoted);
            }
            rest = after.trim_start();
        }
        if wanted.len() + excluded.len() > limits::QUERY_TERMS_MAX {
            return Err(Fault::TooManyTerms);
        }
        let all = wanted.join(" AND ");
        let expression = match (wanted.is_empty(), excluded.is_empty()) {
            (true, true) => return Err(Fault::EmptyQuery),
            (true, false) => return Err(Fault::OnlyExclusions),
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
        let parsed = Query::parse(query).unwrap_or_else(|fault| panic!("{query:?}: {fault:?}"));
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
        assert!(matches!(Query::parse(" *** \"\" "), Err(Fault::EmptyQuery)));
        assert!(matches!(Query::parse("-rain"), Err(Fault::OnlyExclusions)));
    }

    #[test]
    fn refuses_a_query_that_costs_too_much() {
        assert!(Query::parse(&"word ".repeat(limits::QUERY_TERMS_MAX)).is_ok());
        assert!(matches!(
            Query::parse(&"word ".repeat(limits::QUERY_TERMS_MAX + 1)),
            Err(Fault::TooManyTerms)
        ));
        assert!(Query::parse(&"wo* ".repeat(limits::QUERY_BEGINNINGS_MAX)).is_ok());
        assert!(matches!(
            Query::parse(&"wo* ".repeat(limits::QUERY_BEGINNINGS_MAX + 1)),
            Err(Fault::TooManyTerms)
        ));
        assert!(matches!(Query::parse("w*"), Err(Fault::TooManyTerms)));
    }
}
