//! Full-text search: a small query language, best matches first.
//!
//! Knows what [`super`] knows. Invariant: no text of a person's reaches FTS5 as syntax; each term is quoted
//! again here.

use super::entries::{self, FILTER_SQL, Filter, ITEM_SQL};
use super::{EntryItem, Fault, Own, Page, cut, take_eight};
use crate::gate::Permit;
use crate::limits;
use crate::secret::Seal;
use crate::store::Store;

/// A found entry and the place where it matched.
pub struct Found {
    /// The entry.
    pub entry: EntryItem,
    /// The words around the match, the match itself in `[` and `]`.
    pub snippet: String,
    score: f64,
}

/// The entries that match `query` and pass the filter: best match first, then newest.
///
/// Words are all required; `"a phrase"` in quotes, `word*` for a beginning, `-word` to exclude.
pub fn search(
    store: &Store,
    seal: &Seal,
    permit: &Permit,
    query: &str,
    filter: &Filter,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page<Found>, Fault> {
    let expression = expression(query)?;
    store.read(|connection| {
        let own = Own::new(connection, *permit);
        let filters = format!("{expression} {filter:?}");
        let (mut score, mut created_at, mut id) = (f64::NEG_INFINITY, i64::MAX, i64::MAX);
        if let Some(cursor) = cursor {
            let position = own.position(seal, "search", &filters, cursor)?;
            let mut position = &position[..];
            score = f64::from_be_bytes(take_eight(&mut position)?);
            created_at = i64::from_be_bytes(take_eight(&mut position)?);
            id = i64::from_be_bytes(take_eight(&mut position)?);
            // Any write of anybody's changes every score a little: the page goes on from what the row has now.
            let sql = "SELECT bm25(entries_fts, 10, 5, 1, 1, 1) FROM entries_fts
                       JOIN entries e ON e.id = entries_fts.rowid AND e.user_id = ?1
                       WHERE entries_fts MATCH ?2 AND entries_fts.rowid = ?3";
            score = own.first(sql, &[&expression, &id], |row| row.get(0))?.unwrap_or(score);
        }
        let ((need, tags, from, to), (mood, location, weather, private, favorite)) =
            entries::filter_values(&own, filter)?;
        let values: [&dyn rusqlite::ToSql; 10] =
            [&need, &tags, &from, &to, mood, location, weather, &private, &favorite, &expression];
        let matches = format!(
            "FROM entries_fts f JOIN entries e ON e.id = f.rowid WHERE entries_fts MATCH ?11 AND {FILTER_SQL}"
        );
        let total = own.first(&format!("SELECT count(*) {matches}"), &values, |row| row.get(0))?.unwrap_or(0);
        // bm25 is smaller for a better match; the weights follow the columns of the index.
        let sql = format!(
            "SELECT * FROM (SELECT {ITEM_SQL}, bm25(entries_fts, 10, 5, 1, 1, 1) AS score, e.created_at AS made {matches})
             WHERE (score, -made, -id) > (?12, -?13, -?14) ORDER BY score, made DESC, id DESC LIMIT ?15"
        );
        let one_more = limit as i64 + 1;
        let values = [&values[..], &[&score, &created_at, &id, &one_more]].concat();
        let mut items = own.all(&sql, &values, |row| {
            Ok(Found { entry: entries::item(row)?, snippet: String::new(), score: row.get(7)? })
        })?;
        let next = cut(&mut items, limit).map(|last: &Found| {
            let (made, id) = (last.entry.created_at.0.to_be_bytes(), last.entry.id.to_be_bytes());
            own.cursor(seal, "search", &filters, &[last.score.to_be_bytes(), made, id].concat())
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

/// The FTS5 expression for a query.
fn expression(query: &str) -> Result<String, Fault> {
    let (mut wanted, mut excluded) = (Vec::new(), Vec::new());
    let mut rest = query.trim_start();
    while !rest.is_empty() {
        let (excludes, term) = match rest.strip_prefix('-') {
            Some(term) => (true, term),
            None => (false, rest),
        };
        let (text, mut after) = match term.strip_prefix('"') {
            Some(phrase) => phrase.split_once('"').unwrap_or((phrase, "")), // an open quote runs to the end
            None => term.split_at(term.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(term.len())),
        };
        let mut starred = text.strip_suffix('*');
        if let (None, Some(behind)) = (starred, after.strip_prefix('*')) {
            (starred, after) = (Some(text), behind); // "a phrase"*
        }
        let term = starred.unwrap_or(text);
        // A term without a letter or digit is no token to FTS5, and matching it matches nothing.
        if term.chars().any(char::is_alphanumeric) {
            let quoted =
                format!("\"{}\"{}", term.replace('"', "\"\""), if starred.is_some() { " *" } else { "" });
            if excludes { &mut excluded } else { &mut wanted }.push(quoted);
        }
        rest = after.trim_start();
    }
    match (wanted.is_empty(), excluded.is_empty()) {
        (true, true) => Err(Fault::EmptyQuery),
        (true, false) => Err(Fault::OnlyExclusions),
        (false, true) => Ok(wanted.join(" AND ")),
        (false, false) => Ok(format!("({}) NOT ({})", wanted.join(" AND "), excluded.join(" OR "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: &str) {
        assert_eq!(expression(query).expect("a query"), expected, "{query:?}");
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
        assert!(matches!(expression(" *** \"\" "), Err(Fault::EmptyQuery)));
        assert!(matches!(expression("-rain"), Err(Fault::OnlyExclusions)));
    }
}
