//! Step 8 with a fault: what a client sends becomes a part of the statement. It needs no server to be seen.

use std::env;

use rusqlite::{Connection, Result};
use step_8::answer::{add_entry, open};

fn main() -> Result<()> {
    let content = env::args().nth(1).unwrap_or_default();
    let database = open(":memory:")?;
    add_entry(&database, "bob@example.com", "Secret", "Bob's own words")?;
    add_entry_of_ada(&database, &content)?;
    let sql = "SELECT content FROM entries WHERE person = 'ada@example.com'";
    let found: String = database.query_row(sql, [], |row| row.get(0))?;
    println!("Ada reads: {found}");
    Ok(())
}

fn add_entry_of_ada(database: &Connection, content: &str) -> Result<()> {
    let values = format!("'ada@example.com', 'Title', '{content}'");
    database.execute_batch(&format!("INSERT INTO entries (person, title, content) VALUES ({values})"))
}
