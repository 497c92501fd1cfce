//! What must hold between the rows of a database, and how a database breaks it.
//!
//! Changes nothing. What SQLite can see of a file itself, and what tables it must have, the store looks for
//! (`store::sqlite_faults`, `store::schema_faults`). Invariant: what is here follows from the rows alone, so a fault is
//! one of the program, of a disk, or of another program that wrote rows.

use crate::store::{Connection, VERSION};

/// How many rows of each kind each person has, as `journal_counts` keeps it.
const COUNTED: &str = "
    SELECT user_id, 'entries' AS kind, '' AS value, count(*) AS number FROM entries GROUP BY 1
    UNION ALL SELECT user_id, 'day', date, count(*) FROM entries GROUP BY 1, 3
    UNION ALL SELECT user_id, 'favorite', '', count(*) FROM entries WHERE is_favorite = 1 GROUP BY 1
    UNION ALL SELECT user_id, 'public', '', count(*) FROM entries WHERE is_private = 0 GROUP BY 1
    UNION ALL SELECT user_id, 'mood', mood_key, count(*) FROM entries WHERE mood_key IS NOT NULL GROUP BY 1, 3
    UNION ALL SELECT user_id, 'location', location_key, count(*) FROM entries
        WHERE location_key IS NOT NULL GROUP BY 1, 3
    UNION ALL SELECT user_id, 'weather', weather_key, count(*) FROM entries WHERE weather_key IS NOT NULL GROUP BY 1, 3
    UNION ALL SELECT user_id, 'tags', '', count(*) FROM tags GROUP BY 1
    UNION ALL SELECT user_id, 'tag', CAST(tag_id AS TEXT), count(*) FROM entry_tags GROUP BY 1, 3";

/// Each kind of fault, by the query in which a row stands for one, and how it is told.
const CHECKS: [(&str, &str); 5] = [
    (
        "SELECT user_id, kind, value FROM (
          SELECT * FROM (SELECT * FROM counted EXCEPT SELECT * FROM kept)
          UNION ALL SELECT * FROM (SELECT * FROM kept EXCEPT SELECT * FROM counted)
      ) GROUP BY 1, 2, 3",
        "numbers of rows that are kept and differ from the rows (journal_counts)",
    ),
    (
        "SELECT 1 FROM entries WHERE row_id NOT IN (SELECT id FROM search_index_docsize)",
        "entries that no search finds; what is missing at the end, epicme serve adds when it starts",
    ),
    (
        "SELECT 1 FROM search_index_docsize WHERE id NOT IN (SELECT row_id FROM entries)",
        "rows of the search index that are of no entry",
    ),
    (
        "SELECT 1 FROM entry_tags l JOIN entries e ON e.user_id = l.user_id AND e.id = l.entry_id
      WHERE (l.entry_date, l.entry_created_at) IS NOT (e.date, e.created_at)",
        "links of tags whose date isn't that of their entry",
    ),
    // Both rows are written at once, when a server begins. A new key would make invalid what clients keep.
    (
        "SELECT 1 FROM settings WHERE name = 'audience' AND NOT EXISTS (
            SELECT 1 FROM settings WHERE name = 'seal_key' AND typeof(value) = 'blob' AND length(value) = 32)",
        "keys that sign what clients keep, and are missing or not whole (seal_key in settings)",
    ),
];

/// Returns a line for each kind of fault. A database of an earlier version has other tables, and none of it is looked
/// for.
pub(crate) fn faults(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    if connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? != VERSION {
        return Ok(Vec::new());
    }
    let mut faults = Vec::new();
    for (rows, told) in CHECKS {
        let sql = format!(
            "WITH counted AS ({COUNTED}),
                  kept AS (SELECT user_id, kind, value, number FROM journal_counts WHERE kind NOT LIKE 'last %')
             SELECT count(*) FROM ({rows})"
        );
        let count: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
        if count > 0 {
            faults.push(format!("{told}: {count}"));
        }
    }
    Ok(faults)
}
