//! How SQLite runs each statement of the source: none walks over a whole table and none sorts what it finds, unless it
//! is named here with the reason.
//!
//! A statement is a literal of the source that begins like one. Where it has a part in braces, each text that the
//! source puts there is tried. So a new statement is held to this without a line here.

use std::collections::BTreeSet;
use std::fs;

use rusqlite::Connection;

use crate::tidy;
use crate::tidy::source::{self, Kind};

/// The statements that walk or sort, by their beginning; what their plan says; and why that is right.
const EXCEPTIONS: [(&str, &str, &str); 19] = [
    ("SELECT id, name, redirect_uris", "SCAN clients", "an operator lists all clients"),
    ("SELECT id, name, redirect_uris", "ORDER BY", "the same"),
    ("SELECT id, email, ", "SCAN users", "an operator lists all people"),
    ("SELECT user_id FROM second_factors", "SCAN second_factors", "the same"),
    ("SELECT t.id, u.email", "ORDER BY", "an operator lists the tokens of the command line"),
    (
        "SELECT id FROM grants WHERE user_id = ?1 ORDER BY",
        "ORDER BY",
        "a person has a bounded number of grants",
    ),
    ("SELECT g.id, c.name", "ORDER BY", "the same"),
    ("DELETE FROM browsers", "SCAN browsers", "everybody is signed out"),
    ("SELECT 1 FROM users LIMIT 1", "SCAN users", "ends at the first row"),
    ("SELECT NOT EXISTS (SELECT 1 FROM users)", "SCAN users", "ends at the first row"),
    ("SELECT count(*) FROM sqlite_schema", "SCAN sqlite_", "the tables are few"),
    ("SELECT type, name, sql FROM sqlite_schema", "SCAN sqlite_", "the same"),
    ("SELECT DISTINCT user_id, mood_key", "SCAN entries USING COVERING INDEX", "a step of migration"),
    ("SELECT DISTINCT user_id, location_key", "SCAN entries USING COVERING INDEX", "the same"),
    ("SELECT DISTINCT user_id, weather_key", "SCAN entries USING COVERING INDEX", "the same"),
    ("SELECT user_id, id, name, description FROM tags ORDER BY", "SCAN tags", "the same"),
    (
        "SELECT (SELECT count(*) FROM search_index_docsize)",
        "SCAN search_index_docsize",
        "told once a second while the index is made",
    ),
    ("SELECT (SELECT count(*) FROM search_index_docsize)", "SCAN entries USING COVERING INDEX", "the same"),
    (
        "SELECT e.id, e.title",
        "FOR ORDER BY",
        "an entry may have several of a filter's tags, whose links have no order together",
    ),
];

/// The files whose statements read all of a database on purpose, and why. A command or a thread of its own runs them,
/// on a connection of its own.
const READ_EVERYTHING: [(&str, &str); 3] = [
    ("src/soundness.rs", "compares every row with what is kept of it"),
    ("src/backup.rs", "counts what a copy has, and ends all access that it has"),
    ("src/store/copy.rs", "counts the rows of each table, to compare a copy with the original"),
];

/// The literals of a source, as the program has them, with single spaces.
fn literals(source: &str) -> Vec<String> {
    let literals = source::pieces(source).into_iter().filter(|piece| piece.kind == Kind::Literal);
    let plain = |text: &str| text.replace("\\\"", "\"").replace("\\\n", " ").replace("\\n", " ");
    literals
        .map(|piece| plain(piece.text).split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|text| !text.is_empty())
        .collect()
}

/// The literal that begins so, of which there must be one.
#[track_caller]
fn literal(path: &str, start: &str) -> String {
    let source = fs::read_to_string(path).expect("a source");
    let mut found = literals(&source).into_iter().filter(|text| text.starts_with(start));
    let literal = found.next().unwrap_or_else(|| panic!("{path} has no {start:?}"));
    assert_eq!(found.next(), None, "{path}");
    literal
}

/// Every form of a statement: with each text that the source puts into its parts in braces.
fn forms(sql: &str) -> Vec<String> {
    let mut forms = vec![sql.to_owned()];
    let mut replace = |parts: &[&str], values: &[Vec<String>]| {
        if parts.iter().any(|part| sql.contains(part)) {
            let with = |form: &String, texts: &Vec<String>| {
                parts.iter().zip(texts).fold(form.clone(), |form, (part, text)| form.replace(part, text))
            };
            forms = forms.iter().flat_map(|form| values.iter().map(move |texts| with(form, texts))).collect();
        }
    };
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    // Where a list begins, with the names of the entry's date and id there.
    let filter = fs::read_to_string("src/journal/filter.rs").expect("a source");
    let of_entry =
        |from: String| vec![from, "e.date".to_owned(), "e.created_at".to_owned(), "e.id".to_owned()];
    let is_start = |text: &String| text.starts_with("entries e ");
    let bounds = literal("src/journal/entries.rs", "AND {date} >= ?4");
    replace(&["{bounds}"], &[owned(&[""]), vec![bounds]]);
    let mut starts: Vec<_> = literals(&filter).into_iter().filter(is_start).map(of_entry).collect();
    assert!(starts.len() >= 6, "{starts:?}");
    let links = literal("src/journal/filter.rs", "entry_tags s ");
    starts.push([&*links, "s.entry_date", "s.entry_created_at", "s.entry_id"].map(str::to_owned).to_vec());
    starts.push(of_entry(literal("src/journal/filter.rs", "(SELECT DISTINCT l.entry_id")));
    replace(&["{from}", "{date}", "{created_at}", "{entry_id}"], &starts);
    let named = [
        owned(&["entries", "CAST(id AS TEXT)", "date DESC, created_at DESC, id DESC"]),
        owned(&["entries", "title", "date DESC, created_at DESC, id DESC"]),
        owned(&["tags", "CAST(id AS TEXT)", "name, id"]),
        owned(&["tags", "name", "name, id"]),
    ];
    replace(&["{table}", "{text}", "{order}"], &named);
    let columns = literal("src/oauth/clients.rs", "id, name, redirect_uris, auth_method, registered_by");
    replace(&["{COLUMNS}"], &[vec![columns]]);
    replace(&["{}"], &[owned(&["g.id"])]);
    replace(&["{filter}"], &[owned(&[""]), owned(&["{FILTER_SQL}"])]);
    replace(&["{label}"], &[owned(&["mood"]), owned(&["location"]), owned(&["weather"])]);
    // These stand in what others bring.
    let mut forms: Vec<_> = forms;
    for (part, path, start) in [
        ("{ITEM_SQL}", "src/journal/entries.rs", "e.id, e.title, (SELECT count(*)"),
        ("{FILTER_SQL}", "src/journal/filter.rs", "AND (?2 = 0"),
        ("{SEARCHED}", "src/search_index.rs", "row_id, user_id, title"),
    ] {
        if forms.iter().any(|form| form.contains(part)) {
            let text = literal(path, start);
            forms.iter_mut().for_each(|form| *form = form.replace(part, &text));
        }
    }
    forms
}

/// An empty database with the present schema.
fn database() -> Connection {
    let database = Connection::open_in_memory().expect("a database");
    database.execute_batch(include_str!("../src/schema.sql")).expect("the first step");
    for step in 2.. {
        let Ok(sql) = fs::read_to_string(format!("src/schema_{step}.sql")) else { break };
        database.execute_batch(&sql).expect("a step");
    }
    database
}

/// What is wrong with the plan of a statement: each walk over a whole table or index, and each sorting.
fn faults(database: &Connection, sql: &str) -> BTreeSet<String> {
    let mut explain = database
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .unwrap_or_else(|error| panic!("{error}: {sql}"));
    let lines = explain.raw_query().mapped(|row| row.get(3)).collect::<Result<Vec<String>, _>>();
    let is_bounded = |line: &str| {
        // What comes from a parameter, from the search index, or from a subquery, which has lines of its own.
        line.contains("VIRTUAL TABLE INDEX")
            || line == "SCAN CONSTANT ROW"
            || line.strip_prefix("SCAN ").is_some_and(|name| name == "s")
    };
    let lines = lines.expect("a plan").into_iter();
    lines
        .filter(|line| line.starts_with("SCAN ") && !is_bounded(line) || line.contains("USE TEMP B-TREE"))
        .collect()
}

#[test]
fn walks_over_no_table_and_sorts_nothing_but_for_the_reasons_that_are_given() {
    let database = database();
    let (mut statements, mut wrong, mut used) = (0, Vec::new(), BTreeSet::new());
    for (path, source) in tidy::sources() {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        if READ_EVERYTHING.iter().any(|(read, _)| path.ends_with(read)) {
            continue;
        }
        let starts = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "WITH "];
        for sql in literals(tidy::code(&source))
            .iter()
            .filter(|text| starts.iter().any(|start| text.starts_with(start)))
        {
            statements += 1;
            for form in forms(sql) {
                for fault in faults(&database, &form) {
                    let exception = EXCEPTIONS
                        .iter()
                        .find(|(start, plan, _)| form.starts_with(start) && fault.contains(plan));
                    match exception {
                        Some(exception) => _ = used.insert(exception),
                        None => wrong.push(format!("{}: {fault}\n    {form}", path.display())),
                    }
                }
            }
        }
    }
    assert!(statements > 80, "{statements} statements were found");
    assert!(wrong.is_empty(), "{} plans:\n{}", wrong.len(), wrong.join("\n"));
    let unused: Vec<_> = EXCEPTIONS.iter().filter(|exception| !used.contains(exception)).collect();
    assert!(unused.is_empty(), "an exception that isn't needed any more goes: {unused:?}");
}

#[test]
fn asks_the_search_index_once_and_walks_from_it_to_the_entries() {
    let database = database();
    let search = literal("src/journal/search.rs", "SELECT e.id, e.date, e.created_at, CASE");
    let [sql] = &forms(&search)[..] else { panic!("one form") };
    let mut explain = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("a statement");
    let lines = explain.raw_query().mapped(|row| row.get(3)).collect::<Result<Vec<String>, _>>();
    let lines = lines.expect("a plan");
    let place = |part: &str| lines.iter().position(|line| line.contains(part));
    let (index, entries) = (place("SCAN f VIRTUAL TABLE"), place("SEARCH e USING INTEGER PRIMARY KEY"));
    assert!(index.is_some() && index < entries, "{lines:#?}");
    // The tags of a filter are looked up for each row; the titles are matched once for all.
    let count = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!((count("CORRELATED"), count("SCAN search_index"), count("USE TEMP")), (1, 2, 0), "{lines:#?}");
}
