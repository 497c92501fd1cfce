//! The attacker is a person with a journal of their own here and a good token. They keep hundreds of connections busy,
//! with large entries, with bodies that never end, with batches that they don't wait for. What must hold: another
//! person's calls are answered as if the attacker had a few connections, and the attacker is told to slow down.

use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use epicme::limits;
use serde_json::{Value, json};

use crate::oauth::House;
use crate::support::{Client, Server, eventually};

fn create(id: usize, content: &str) -> Value {
    let arguments = json!({ "title": "t", "content": content });
    json!({
        "jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": { "name": "create_entry", "arguments": arguments },
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[test]
fn lets_a_persons_write_take_its_turn_before_the_many_writes_of_another() {
    let server = Server::start();
    let attackers = server.token("mallory@example.com", &[]);
    let token = server.token("ada@example.com", &[]);
    let connections = limits::REQUESTS_PER_PERSON_MAX - 10;
    let large = &"word and more words ".repeat(2_500); // half of the longest content that an entry may have
    let (stop, written) = (&AtomicBool::new(false), &AtomicUsize::new(0));
    let (mut theirs, mut own) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        let attack = || {
            let mut client = Client::new(&server, &attackers);
            let mut times = Vec::new();
            while !stop.load(SeqCst) {
                let began = Instant::now();
                let arguments = json!({ "title": "large", "content": large });
                let reply =
                    client.modern("tools/call", json!({ "name": "create_entry", "arguments": arguments }));
                times.push(began.elapsed());
                // On a busy machine their own writes may be so many that one waits for too long; that is their loss.
                written.fetch_add(usize::from(reply.json()["error"].is_null()), SeqCst);
            }
            times
        };
        // Also after a panic: the scope waits for its threads.
        let stop_at_the_end = Stop(stop);
        let attacks: Vec<_> = (0..connections).map(|_| scope.spawn(attack)).collect();
        eventually("the attack is under way", || written.load(SeqCst) >= connections);
        let mut client = Client::new(&server, &token);
        for _ in 0..11 {
            let began = Instant::now();
            client.ok("create_entry", json!({ "title": "small", "content": "a day" }));
            own.push(began.elapsed());
        }
        drop(stop_at_the_end);
        for attack in attacks {
            theirs.extend(attack.join().expect("an attacker gets an answer"));
        }
    });
    let (theirs, own) = (median(theirs), median(own));
    assert!(own * 2 < theirs, "a write took {own:?} beside {connections} writers with {theirs:?} each");
}

/// Says that it is time to stop when it is dropped.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// A call whose answer doesn't matter here.
const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

#[test]
fn refuses_a_persons_requests_past_their_share_and_accepts_those_of_the_next_person() {
    let server = Server::start();
    let greedy = server.token("mallory@example.com", &["--scope", "entries:write"]);
    let (mut greedy, other) = (Client::new(&server, &greedy), server.token("ada@example.com", &[]));
    let mut open: Vec<_> = (0..limits::REQUESTS_PER_PERSON_MAX).map(|_| greedy.unfinished(BODY)).collect();
    let refused = greedy.post(&[], BODY);
    assert_eq!((refused.status, refused.field("retry-after")), (429, Some("1")));
    let text = String::from_utf8_lossy(&refused.body).into_owned();
    assert!(text.contains(&limits::REQUESTS_PER_PERSON_MAX.to_string()), "{text}");
    assert!(server.log_with("outcome=too-many-requests").contains(" 429 "));
    assert_eq!(Client::new(&server, &other).post(&[], BODY).status, 200);
    // One request less, and the next one is taken.
    let mut last = open.pop().expect("a request");
    last.write(BODY);
    assert_eq!(last.reply().expect("an answer").status, 200);
    eventually("a place is free", || greedy.post(&[], BODY).status == 200);
    // Those that give up give their places back.
    drop(open);
    let again: Vec<_> = (1..limits::REQUESTS_PER_PERSON_MAX).map(|_| greedy.unfinished(BODY)).collect();
    eventually("every place is free again", || greedy.post(&[], BODY).status == 200);
    drop(again);
}

#[test]
fn refuses_a_persons_bodies_past_their_share_of_the_memory_and_accepts_those_of_the_next_person() {
    let server = Server::start();
    let token = server.token("mallory@example.com", &[]);
    let mut greedy = Client::new(&server, &token);
    let mut other = Client::new(&server, &server.token("ada@example.com", &[]));
    // Padded with blanks, so that it is as large as a body may be.
    let large = &format!("{BODY}{}", " ".repeat(limits::MCP_BODY_BYTES_MAX - BODY.len()));
    let own = limits::BODY_BYTES_PER_PERSON_MAX / limits::MCP_BODY_BYTES_MAX;
    let mut open: Vec<_> = (0..own).map(|_| greedy.unfinished(large)).collect();
    let refused = greedy.begin(large).reply().expect("an answer");
    assert_eq!((refused.status, refused.field("retry-after")), (429, Some("1")));
    assert_eq!(other.post(&[], large).status, 200);
    let mut last = open.pop().expect("a request");
    last.write(large);
    assert_eq!(last.reply().expect("an answer").status, 200);
    eventually("a place is free", || {
        greedy = Client::new(&server, &token); // a refusal may have closed the connection
        greedy.post(&[], BODY).status == 200
    });
    assert_eq!(greedy.post(&[], large).status, 200);
}

#[test]
fn answers_a_small_body_although_those_of_others_take_all_of_the_memory() {
    let server = Server::start();
    let own = limits::BODY_BYTES_PER_PERSON_MAX / limits::MCP_BODY_BYTES_MAX;
    let all = limits::BODY_BYTES_MAX / limits::BODY_BYTES_PER_PERSON_MAX;
    let mut attackers: Vec<_> = (0..all)
        .map(|number| Client::new(&server, &server.token(&format!("mallory{number}@example.com"), &[])))
        .collect();
    let mut ada = Client::new(&server, &server.token("ada@example.com", &[]));
    // Nothing comes of the bodies that they announce.
    let largest = &" ".repeat(limits::MCP_BODY_BYTES_MAX);
    let open: Vec<_> =
        attackers.iter().flat_map(|attacker| (0..own).map(|_| attacker.unfinished(largest))).collect();
    let large = &format!("{BODY}{}", " ".repeat(limits::SMALL_BODY_BYTES_MAX + 1 - BODY.len()));
    assert_eq!(ada.begin(large).reply().expect("an answer").status, 503);
    assert_eq!(ada.post(&[], &large[..large.len() - 1]).status, 200);
    assert_eq!(attackers[0].post(&[], BODY).status, 429);
    drop(open);
}

#[test]
fn runs_no_further_call_of_a_batch_whose_client_has_gone() {
    let server = Server::start();
    let token = server.token("ada@example.com", &[]);
    let mut client = Client::new(&server, &token);
    let batch = Value::from((0..50).map(|id| create(id, "x")).collect::<Vec<_>>()).to_string();
    let not_run = |reply: &Value| {
        let answers = reply.as_array().expect("a batch");
        assert_eq!(answers.len(), 50, "each call is answered");
        answers.iter().filter(|answer| answer["error"]["code"] == -32603).count()
    };
    let entries =
        |client: &mut Client| client.ok("list_entries", json!({}))["total"].as_u64().expect("a number");
    assert_eq!(not_run(&client.post(&[], &batch).json()), 0);
    assert_eq!(entries(&mut client), 50);
    // This client closes its side at once, but reads on: so it sees what the server did of its batch.
    let mut leaving = client.open(&[], &batch);
    leaving.stream.shutdown(Shutdown::Write).expect("a socket");
    let reply = leaving.reply().expect("an answer").json();
    let left_out = not_run(&reply);
    assert!(left_out > 0, "{reply}");
    let text = reply[49]["error"]["message"].as_str().expect("a sentence");
    assert!(text.contains("not run"), "{text}");
    assert_eq!(entries(&mut client), 100 - left_out as u64, "what was answered as not run wasn't run");
}

/// Ada, who is signed in, with so many grants, as a program makes them that asks her again and again.
fn with_grants(count: usize) -> House {
    let mut house = House::new();
    house.sign_in();
    house.tamper(&format!(
        "INSERT INTO clients (id, name, redirect_uris, auth_method, registered_by, created_at)
             VALUES ('c_many', 'many', 'http://127.0.0.1:9/', 'none', 'operator', 1);
         WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {count})
             INSERT INTO grants (user_id, client_id, resource, scope, created_at, used_at)
             SELECT users.id, 'c_many', 'r', 'tags:read', n, n / 3 FROM users, number;
         INSERT INTO refresh_tokens (hash, grant_id, expires_at)
             SELECT randomblob(32), id, unixepoch() + 1000 FROM grants"
    ));
    house
}

#[test]
fn shows_a_persons_many_programs_page_by_page() {
    let mut house = with_grants(2 * limits::GRANTS_PER_PAGE + 1);
    let (mut path, mut pages) = ("/account".to_owned(), Vec::new());
    loop {
        let reply = house.browse("GET", &path, &[]);
        let page = String::from_utf8_lossy(&reply.body).into_owned();
        let ids = page.split("name=\"grant\" value=\"").skip(1).filter_map(|rest| rest.split('"').next());
        pages.push(ids.map(|id| id.parse().expect("a number")).collect::<Vec<usize>>());
        let Some((_, link)) = page.split_once("<a href=\"/account?") else { break };
        path = format!("/account?{}", link.split('"').next().expect("its end"));
    }
    let per_page = limits::GRANTS_PER_PAGE;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [per_page, per_page, 1]);
    let shown = pages.concat();
    assert!(shown.iter().rev().copied().eq(1..=shown.len()), "each once, the last used first: {shown:?}");
    let ids = |page: &str| page.matches("name=\"grant\"").count();
    let past_the_end = house.browse("GET", "/account?from=0.0", &[]);
    let shown = String::from_utf8_lossy(&past_the_end.body).into_owned();
    assert_eq!((past_the_end.status, ids(&shown)), (200, per_page), "the first page: {shown}");
    for bad in ["x", "1", "1.", "1.x", "9223372036854775808.1"] {
        assert_eq!(house.browse("GET", &format!("/account?from={bad}"), &[]).status, 400, "{bad}");
    }
}

#[test]
fn keeps_the_gate_open_while_a_person_reads_a_long_account_page_again_and_again() {
    let house = with_grants(5_000);
    let token = house.server.token("bob@example.com", &[]);
    let (stop, read) = (&AtomicBool::new(false), &AtomicUsize::new(0));
    thread::scope(|scope| {
        let house = &house;
        for _ in 0..60 {
            scope.spawn(move || {
                while !stop.load(SeqCst) {
                    house.browse_as(house.cookie.as_deref(), "GET", "/account", &[]);
                    read.fetch_add(1, SeqCst);
                }
            });
        }
        eventually("the attack is under way", || read.load(SeqCst) >= 60);
        let mut client = Client::new(&house.server, &token);
        let statuses: Vec<_> = (0..30).map(|_| client.post(&[], BODY).status).collect();
        stop.store(true, SeqCst);
        assert_eq!(statuses, [200; 30]);
    });
}

#[test]
fn keeps_so_many_grants_of_a_person_and_ends_the_one_that_was_used_longest_ago() {
    let mut house = with_grants(limits::GRANTS_PER_PERSON_MAX);
    // Theirs were used at the beginning of the epoch; without this they would be deleted for their age.
    house.tamper(
        "UPDATE grants SET used_at = unixepoch() - 1000 + id; UPDATE grants SET revoked_at = 1 WHERE id = 2",
    );
    let ids = |house: &House| {
        let connection = rusqlite::Connection::open(house.server.folder.database()).expect("the database");
        let mut select = connection.prepare("SELECT id FROM grants ORDER BY id").expect("a statement");
        let rows = select.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<Vec<i64>, _>>().expect("ids")
    };
    let all: Vec<i64> = (1..=limits::GRANTS_PER_PERSON_MAX as i64).collect();
    assert_eq!(ids(&house), all);
    let client = house.client();
    let query = house.asking(&client);
    house.allow(&query);
    let without_the_revoked: Vec<_> = all.iter().copied().filter(|id| *id != 2).chain([201]).collect();
    assert_eq!(ids(&house), without_the_revoked);
    house.sign_in();
    house.allow(&query);
    let without_the_oldest: Vec<_> = without_the_revoked[1..].iter().copied().chain([202]).collect();
    assert_eq!(ids(&house), without_the_oldest);
}
