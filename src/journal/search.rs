//! Full-text search: what a query finds, and the order of it.
//!
//! Names no tool and uses no JSON and no HTTP; `query.rs` reads the query, and `snippet.rs` shows where it matched.
//! Invariant: a search reads no list of another person's terms, so its time doesn't depend on which words they have.
//!
//! One index serves all people, because FTS5 has one index for each table, and a table for each person would mean
//! statements whose text differs from person to person. But each term in it has its owner in front
//! (`search_index.rs`), so each person has lists of their own. If all had the list of a word in common, the time of a
//! search would tell how many entries of others have that word, and a person could guess the words of others letter by
//! letter. Each statement also joins what the index finds with `entries`, and compares the owner of the row.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rusqlite::ToSql;

use super::encoding::Encoding;
use super::entries::{self, ITEM_SQL, Position};
use super::filter::{AFTER_ALL_DAYS, FILTER_SQL, Filter, FilterValues};
use super::query::Query;
use super::rows::{cut, take_number};
use super::snippet::{Snippet, snippet};
use super::{EntryItem, Journal, JournalError, Page};
use crate::scope::EntriesRead;

/// A found entry, with the part of its text that matched.
pub(crate) struct Found {
    pub(crate) entry: EntryItem,
    /// The words around the match.
    pub(crate) snippet: Snippet,
    /// How well the entry matches: 0 is best, 2 is worst; see [`search`]. The tier is part of the cursor's position.
    tier: i64,
}

/// Finds the entries that match `query` and pass the filter, best match first: those with every wanted term in their
/// title, then those with some wanted term there, then the rest; newest first among equals.
///
/// An entry must match every term of a query: a word, `"a phrase"`, `word*` (a word that begins so) or `-word` (no
/// such word).
///
/// FTS5 has a rank of its own, bm25, which weighs a word by how many rows of the whole index have it. The rank here
/// depends on the row alone, so a row keeps its place even if other rows change between two pages, and a cursor can say
/// where the next page begins.
///
/// Also returns what was looked for, in words.
pub(crate) fn search(
    journal: &Journal<EntriesRead>,
    query: &str,
    filter: &Filter,
    limit: usize,
    cursor: Option<&str>,
) -> Result<(Page<Found>, String), JournalError> {
    let signer = journal.signer;
    journal.read(|own| {
        let Query { expression, all_in_title, some_in_title, wanted, looked_for } =
            Query::parse(query, &own.salt())?;
        let mut encoding = Encoding::default();
        // The digest is made of the expression, not of the query, so that two spellings of the same search may share
        // their cursors.
        encoding.text(&expression);
        filter.encode(&mut encoding);
        let digest = encoding.digest();
        // Without a cursor the position is before every entry: the best tier, and later than any day.
        let mut after = (0, Reverse(Position::before_day(AFTER_ALL_DAYS)));
        if let Some(cursor) = cursor {
            let position = own.position(signer, "search", &digest, cursor)?;
            let mut position = &position[..];
            after = (take_number(&mut position)?, Reverse(Position::read(position)?));
        }
        let values = FilterValues::of(filter, own)?;
        let terms: [&dyn ToSql; 3] = [&expression, &all_in_title, &some_in_title];
        let values = [&values.parameters()[..], &terms].concat();
        // To SQLite CROSS JOIN means that the index comes first. With JOIN it would walk the person's entries and ask
        // the index for each of them, and each time the index would look up the whole query. The tier comes from two
        // further matches, of the title alone. Each runs once and leaves a set of rows: EXISTS with the row would run
        // it for every row.
        let sql = format!(
            "SELECT e.id, e.date, e.created_at,
                 CASE WHEN e.row_id IN (SELECT rowid FROM search_index WHERE search_index MATCH ?16) THEN 0
                      WHEN ?17 IS NOT NULL
                          AND e.row_id IN (SELECT rowid FROM search_index WHERE search_index MATCH ?17) THEN 1
                      ELSE 2 END
             FROM search_index f CROSS JOIN entries e ON e.row_id = f.rowid
             WHERE search_index MATCH ?15 AND e.user_id = ?1 {FILTER_SQL} AND e.date >= ?4 AND e.date <= ?5"
        );
        // Tier and position together are one place in the order. One pass over what matches counts it and keeps the
        // page: the best places after that of the cursor. SQLite would need a statement for each of the two.
        let (mut total, mut best) = (0, BinaryHeap::<Rank>::new());
        own.all(&sql, &values, |row| {
            total += 1;
            // Compared as SQLite has it. Of many rows only a few belong to the page.
            let place = (row.get(3)?, Reverse((row.get_ref(1)?.as_str()?, row.get(2)?, row.get(0)?)));
            if place > rank_of(&after)
                && (best.len() <= limit || best.peek().is_none_or(|worst| place < rank_of(worst)))
            {
                let (tier, Reverse((day, created_at, id))) = place;
                best.push((tier, Reverse(Position { day: day.to_owned(), created_at, id })));
                // One more than the page shows whether another page follows. The heap gives up its worst.
                if best.len() > limit + 1 {
                    best.pop();
                }
            }
            Ok(())
        })?;
        let sql = format!("SELECT {ITEM_SQL} FROM entries e WHERE e.user_id = ?1 AND e.id = ?2");
        let mut items = Vec::new();
        for (tier, Reverse(position)) in best.into_sorted_vec() {
            let entry = own.first(&sql, &[&position.id], entries::item)?;
            items.extend(entry.map(|entry| Found { entry, snippet: Snippet::default(), tier }));
        }
        let next = cut(&mut items, limit).map(|last: &Found| {
            let position = [&last.tier.to_be_bytes()[..], &Position::of(&last.entry).bytes()].concat();
            own.cursor(signer, "search", &digest, &position)
        });
        // Only the shown page gets snippets, because they are made of the whole text of an entry.
        let sql =
            "SELECT title, content, mood, location, weather FROM entries WHERE user_id = ?1 AND id = ?2";
        for found in &mut items {
            let fields = own.first(sql, &[&found.entry.id], |row| {
                (0..5).map(|column| row.get::<_, Option<String>>(column)).collect::<Result<Vec<_>, _>>()
            })?;
            let fields: Vec<_> =
                fields.iter().flatten().map(|field| field.as_deref().unwrap_or_default()).collect();
            found.snippet = snippet(&fields, &wanted);
        }
        Ok((Page { items, total, next }, looked_for))
    })
}

/// A tier and the position in it; a better rank is smaller, though a position goes downwards.
type Rank = (i64, Reverse<Position>);

/// Returns a rank as it is compared with that of a row.
fn rank_of((tier, Reverse(Position { day, created_at, id })): &Rank) -> (i64, Reverse<(&str, i64, i64)>) {
    (*tier, Reverse((day, *created_at, *id)))
}
