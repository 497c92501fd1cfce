//! When step 8 is right.

use std::time::{Duration, SystemTime};

use rusqlite::Result;
use step_4::Holder;
use step_4::answer::hash;
use step_8::chosen::{add_entry, add_token, find_token, open};

fn holder() -> Holder {
    let expires_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    Holder { person: "ada@example.com".to_owned(), expires_at }
}

#[test]
fn finds_a_token_by_its_hash_alone() -> Result<()> {
    let database = open(":memory:")?;
    assert_eq!(find_token(&database, hash("em_at_x"))?, None);
    add_token(&database, hash("em_at_x"), &holder())?;
    assert_eq!(find_token(&database, hash("em_at_x"))?, Some(holder()));
    assert_eq!(find_token(&database, hash("em_at_y"))?, None);
    Ok(())
}

#[test]
fn gives_each_entry_an_id() -> Result<()> {
    let database = open(":memory:")?;
    assert_eq!(add_entry(&database, "ada@example.com", "Rain", "All day.")?, 1);
    assert_eq!(add_entry(&database, "bob@example.com", "Sun", "At last.")?, 2);
    let sql = "SELECT title FROM entries WHERE person = 'bob@example.com'";
    assert_eq!(database.query_row(sql, [], |row| row.get::<_, String>(0))?, "Sun");
    Ok(())
}

#[test]
fn keeps_a_text_as_it_is_whatever_stands_in_it() -> Result<()> {
    let database = open(":memory:")?;
    let text = "It's '); DROP TABLE entries; -- \" \\ ?1 今日";
    add_entry(&database, text, text, text)?;
    let found = database.query_row("SELECT person, title, content FROM entries", [], |row| {
        Ok([row.get::<_, String>(0)?, row.get(1)?, row.get(2)?])
    })?;
    assert_eq!(found, [text; 3]);
    Ok(())
}

#[test]
fn finds_all_again_after_a_restart() -> Result<()> {
    let path = std::env::temp_dir().join(format!("step-8-{}.db", std::process::id()));
    let path = path.to_str().expect("a path in UTF-8");
    add_token(&open(path)?, hash("em_at_x"), &holder())?;
    let found = open(path).and_then(|database| find_token(&database, hash("em_at_x")));
    let _ = std::fs::remove_file(path);
    assert_eq!(found?, Some(holder()));
    Ok(())
}
