//! The attacker has a journal of their own here and a good token, and wants to know what another person writes. They
//! search their own entries for words that they guess, letter by letter, and measure how long each answer takes.
//!
//! What must hold: a search takes as long for what thousands of entries of the other person have as for what nobody
//! has.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Client, Folder, Server};

/// How often a pair is measured of which the one took longer, before it counts.
const MEASUREMENTS: usize = 3;
/// Entries of the other person. If their lists were read, a search would take several times as long.
const SECRETS: usize = 4_000;
const ROUNDS: usize = 60;

/// For each way to ask, a query for what the other person has, and one of the same form for what nobody has.
const PAIRS: [[&str; 2]; 5] = [
    ["hunter2zebra", "huntar2zebra"],
    ["hunter*", "huntar*"],
    ["\"hunter2zebra and river\"", "\"huntar2zebra and river\""],
    ["river hunter*", "river huntar*"],
    ["river -hunter2zebra", "river -huntar2zebra"],
];

/// A server with a person who is searched for, and one who searches: the token is theirs.
fn house() -> (Server, String) {
    let folder = Arc::new(Folder::new());
    let token = folder.token("mallory@example.com", &[]);
    folder.token("ada@example.com", &[]);
    let mut sql = String::from("BEGIN;");
    let mut entry = |user: usize, text: String| {
        let _ = write!(
            sql,
            "INSERT INTO made_entries (user_id, title, content, created_at, updated_at)
                 VALUES ({user}, 'A day', '{text}', 1700000000, 1700000000);"
        );
    };
    for number in 0..SECRETS {
        entry(2, format!("my password is hunter2zebra and river, or hunter{number}"));
    }
    for number in 0..20 {
        entry(1, format!("along the river, for the {number}th time"));
    }
    folder.tamper(&(sql + "COMMIT;"));
    // It indexes the entries when it starts.
    (Server::start_in(folder, &[]), token)
}

/// The time below which a quarter of them lie: what a busy machine adds to some has no part in it.
fn quick(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 4]
}

#[test]
fn takes_as_long_for_a_word_of_another_person_as_for_a_word_of_nobody() {
    let (server, token) = house();
    let mut client = Client::new(&server, &token);
    // A machine with other work may hold up the one more often than the other, by chance. What the index gives away it
    // gives away in each measurement.
    let mut differing: Vec<_> = PAIRS.to_vec();
    let mut seen = Vec::new();
    for _ in 0..MEASUREMENTS {
        let mut times: Vec<_> =
            differing.iter().map(|pair| pair.map(|_| Vec::with_capacity(ROUNDS))).collect();
        for round in 0..=ROUNDS {
            for (pair, times) in differing.iter().zip(&mut times) {
                // Now one of the two is first, and now the other.
                for which in [round % 2, (round + 1) % 2] {
                    let arguments = json!({ "query": pair[which] });
                    let began = Instant::now();
                    let found = client.ok("search_entries", arguments);
                    let time = began.elapsed();
                    // The first round fills the caches.
                    if round > 0 {
                        times[which].push(time);
                    }
                    let own = if pair[which].contains('-') { 20 } else { 0 };
                    assert_eq!(found["total"], own, "{}", pair[which]);
                }
            }
        }
        let mut left = Vec::new();
        for (pair, [theirs, nobodys]) in differing.into_iter().zip(&mut times) {
            let (theirs, nobodys) = (quick(theirs), quick(nobodys));
            if theirs * 2 >= nobodys * 3 || nobodys * 2 >= theirs * 3 {
                seen.push(format!("{} took {theirs:?}, and {} {nobodys:?}", pair[0], pair[1]));
                left.push(pair);
            }
        }
        differing = left;
    }
    assert!(differing.is_empty(), "{seen:?}");
}
