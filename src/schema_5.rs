//! What the step to version 5 of the database can't do in SQL: it folds the labels of entries and the names of tags.
//!
//! Knows the tables as `schema_5.sql` leaves them, and runs once for each file, in the transaction of that step. Once
//! it is published it must not be changed, for the reason that `store/migrations.rs` gives.

use rusqlite::{Connection, OptionalExtension};

use crate::terms;
use crate::text;

/// Makes the keys of the labels, and has no two tags of a person that look the same.
pub(crate) fn fold_names(connection: &Connection) -> rusqlite::Result<()> {
    for label in ["mood", "location", "weather"] {
        fold_labels(connection, label)?;
    }
    fold_tags(connection)
}

/// Puts the folded form of each label in the place of the label itself, which `schema_5.sql` has put there. The
/// triggers correct the counts.
fn fold_labels(connection: &Connection, label: &str) -> rusqlite::Result<()> {
    // A form that is folded stays as it is if it is folded again, so it does no harm that some of them are labels too.
    let sql = format!("SELECT DISTINCT user_id, {label}_key FROM entries WHERE {label}_key IS NOT NULL");
    let labels: Vec<(i64, String)> = connection
        .prepare(&sql)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let sql = format!("UPDATE entries SET {label}_key = ?3 WHERE user_id = ?1 AND {label}_key = ?2");
    let mut update = connection.prepare(&sql)?;
    for (user_id, label) in labels {
        let key = terms::fold(&label);
        if key != label {
            update.execute((user_id, &label, &key))?;
        }
    }
    Ok(())
}

/// Gives each tag its name as it is kept now. If another tag of the person has that name already, the entries of this
/// one get the other, and this one is deleted: both looked the same in every list.
fn fold_tags(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "SELECT user_id, id, name, description FROM tags ORDER BY user_id, id";
    let tags: Vec<(i64, i64, String, Option<String>)> = connection
        .prepare(sql)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<Result<_, _>>()?;
    for (user_id, id, name, description) in tags {
        // A name of which nothing is seen can't be kept.
        let kept = text::name(&name).unwrap_or_else(|_| format!("tag {id}"));
        if kept == name {
            continue;
        }
        let sql = "SELECT id FROM tags WHERE user_id = ?1 AND name = ?2";
        let other = connection.query_row(sql, (user_id, &kept), |row| row.get::<_, i64>(0)).optional()?;
        let Some(other) = other else {
            connection
                .execute("UPDATE tags SET name = ?3 WHERE user_id = ?1 AND id = ?2", (user_id, id, &kept))?;
            continue;
        };
        connection.execute(
            "INSERT OR IGNORE INTO entry_tags (user_id, entry_id, tag_id, id, created_at, entry_date, entry_created_at)
             SELECT user_id, entry_id, ?3, id, created_at, entry_date, entry_created_at
             FROM entry_tags WHERE user_id = ?1 AND tag_id = ?2",
            (user_id, id, other),
        )?;
        connection.execute(
            "UPDATE tags SET description = coalesce(description, ?3) WHERE user_id = ?1 AND id = ?2",
            (user_id, other, &description),
        )?;
        connection.execute("DELETE FROM tags WHERE user_id = ?1 AND id = ?2", (user_id, id))?;
    }
    Ok(())
}
