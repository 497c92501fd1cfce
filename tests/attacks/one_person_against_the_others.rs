//! The attacker is a person with a journal of their own here and a good token. They keep hundreds of connections busy,
//! with large entries, with bodies that never end, with batches that they don't wait for. What must hold: another
//! person's calls are answered as if the attacker had a few connections, and the attacker is told to slow down.

use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use epicme::limits;
use serde_json::{Value, json};

use crate::support::{Client, Server, Wire, eventually};

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
    let large = &"word and more words ".repeat(4_950); // near the longest content that an entry may have
    let (stop, written) = (&AtomicBool::new(false), &AtomicUsize::new(0));
    let (mut theirs, mut own) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        let attack = || {
            let mut client = Client::new(&server, &attackers);
            let mut times = Vec::new();
            while !stop.load(SeqCst) {
                let began = Instant::now();
                client.ok("create_entry", json!({ "title": "large", "content": large }));
                times.push(began.elapsed());
                written.fetch_add(1, SeqCst);
            }
            times
        };
        let attacks: Vec<_> = (0..connections).map(|_| scope.spawn(attack)).collect();
        eventually("the attack is under way", || written.load(SeqCst) >= connections);
        let mut client = Client::new(&server, &token);
        for _ in 0..11 {
            let began = Instant::now();
            client.ok("create_entry", json!({ "title": "small", "content": "a day" }));
            own.push(began.elapsed());
        }
        stop.store(true, SeqCst);
        for attack in attacks {
            theirs.extend(attack.join().expect("an attacker is only slow, and gets no error"));
        }
    });
    let (theirs, own) = (median(theirs), median(own));
    assert!(own * 2 < theirs, "a write took {own:?} beside {connections} writers with {theirs:?} each");
}

/// A request in progress: its body hasn't come whole yet.
fn unfinished(server: &Server, token: &str) -> Wire {
    let mut wire = server.connect();
    let bytes = Client::new(server, token).bytes(&[], &create(1, "x").to_string());
    wire.stream.set_nodelay(true).expect("a socket");
    wire.write(&bytes[..bytes.len() - 1]);
    wire
}

#[test]
fn refuses_a_persons_requests_past_their_share_and_accepts_those_of_the_next_person() {
    let server = Server::start();
    let (greedy, other) = (
        server.token("mallory@example.com", &["--scope", "entries:write"]),
        server.token("ada@example.com", &[]),
    );
    let mut open: Vec<_> =
        (0..limits::REQUESTS_PER_PERSON_MAX).map(|_| unfinished(&server, &greedy)).collect();
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    // The last of the heads may not have been read yet.
    eventually("the share is taken", || Client::new(&server, &greedy).post(&[], &list).status == 429);
    let refused = Client::new(&server, &greedy).post(&[], &list);
    assert_eq!((refused.status, refused.field("retry-after")), (429, Some("1")));
    let text = String::from_utf8_lossy(&refused.body).into_owned();
    assert!(text.contains(&limits::REQUESTS_PER_PERSON_MAX.to_string()), "{text}");
    assert!(server.log_with("outcome=too-many-requests").contains(" 429 "));
    assert_eq!(Client::new(&server, &other).post(&[], &list).status, 200);
    // One request less, and the next one is taken.
    let mut last = open.pop().expect("a request");
    last.write("}");
    assert_eq!(last.reply().expect("an answer").status, 200);
    eventually("a place is free", || Client::new(&server, &greedy).post(&[], &list).status == 200);
    // Those that give up give their places back.
    drop(open);
    let again: Vec<_> = (1..limits::REQUESTS_PER_PERSON_MAX).map(|_| unfinished(&server, &greedy)).collect();
    eventually("every place is free again", || Client::new(&server, &greedy).post(&[], &list).status == 200);
    drop(again);
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
