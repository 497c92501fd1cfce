//! How many people one host carries, computed from the table. It knows the rows by their names, and what is assumed of
//! people stands here alone.

use super::figures::short;
use super::table::{EPICME, Row};

// The rows that this needs, by their names.
pub const GET: &str = "get_entry, 64 connections";
pub const LIST: &str = "list 50 of 1,000 entries, 64 connections";
pub const SEARCH: &str = "search, a rare word among 100,000 entries";
pub const CREATE: &str = "create_entry, 64 writers";
pub const CONNECTIONS: &str = "idle connections that stay open, of 10,000";
pub const IDLE_READ: &str = "memory per idle connection, after a read";

/// A conversation calls a tool every so many seconds: a model reads and writes for a while between two calls.
const SECONDS_BETWEEN_CALLS: f64 = 10.0;
/// Of ten calls so many do this.
const READS: f64 = 6.0;
const LISTS: f64 = 2.0;
const SEARCHES: f64 = 1.0;
const WRITES: f64 = 1.0;
/// The part of the processors and of the writer that may be in use at the busiest time.
const PART_IN_USE: f64 = 0.5;
/// Of so many people one has a conversation at the busiest time.
const PEOPLE_PER_CONVERSATION: f64 = 10.0;

/// The arithmetic, as Markdown; `None` if the table lacks a figure.
pub fn carried(rows: &[Row], cores: usize) -> Option<String> {
    let figure = |work: &str| {
        let row = rows.iter().find(|row| row.work == work)?;
        Some(row.outcomes[EPICME].spread()?.median)
    };
    let (get, list, search) = (figure(GET)?, figure(LIST)?, figure(SEARCH)?);
    let (writes, connections, idle_kib) = (figure(CREATE)?, figure(CONNECTIONS)?, figure(IDLE_READ)?);
    let cores = cores as f64;
    // As if a write took all that the machine has: the load has its part of it, so this is too much.
    let write = cores * 1e6 / writes;
    let call = (READS * get + LISTS * list + SEARCHES * search + WRITES * write) / 10.0;
    let by_processor = PART_IN_USE * cores * 1e6 / call * SECONDS_BETWEEN_CALLS;
    let by_writer = PART_IN_USE * writes / (WRITES / 10.0) * SECONDS_BETWEEN_CALLS;
    let bounds = [("processor", by_processor), ("writer", by_writer), ("number of connections", connections)];
    let (what, conversations) = bounds.into_iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let people = conversations * PEOPLE_PER_CONVERSATION;
    let idle_mib = conversations * idle_kib / 1024.0;
    let whole = |value: f64| short(value.floor());
    Some(format!(
        "- A call takes ({READS} × {get} + {LISTS} × {list} + {SEARCHES} × {search} + {WRITES} × {write}) / 10 = {call} µs of a \
         processor; the write is {cores} × 1,000,000 µs / {writes}, as if it took the whole machine.\n\
         - Processor: {PART_IN_USE} × {cores} × 1,000,000 µs / {call} µs × {SECONDS_BETWEEN_CALLS} s = **{by_processor} \
         conversations**.\n\
         - Writer: {PART_IN_USE} × {writes} per s / {part} × {SECONDS_BETWEEN_CALLS} s = **{by_writer} conversations**.\n\
         - Connections: one for each conversation, so **{connections} conversations**.\n\
         - The least of these is set by the {what}: {conversations} conversations at once, which with one person in \
         {PEOPLE_PER_CONVERSATION} at work are **{people} people**. Their connections take {conversations} × {idle_kib} KiB = \
         {idle_mib} MiB.\n",
        get = short(get),
        list = short(list),
        search = short(search),
        write = short(write),
        call = short(call),
        writes = short(writes),
        part = WRITES / 10.0,
        by_processor = whole(by_processor),
        by_writer = whole(by_writer),
        connections = whole(connections),
        conversations = whole(conversations),
        people = whole(people),
        idle_kib = short(idle_kib),
        idle_mib = short(idle_mib),
    ))
}
