//! A flood of registrations.
//!
//! What the attacker has: a network connection, and the registration endpoint, which is open to everyone. Behind a
//! proxy they even have the same address as everybody else.
//!
//! What they do: register client after client over several connections, as fast as the server answers, and open the
//! authorization page of some. They never stop.
//!
//! What must hold: a newcomer registers in the middle of it and gets an id. However long their person takes to sign
//! in and to decide, the id is known, and in the end it gives a token. The flood leaves nothing on the disk.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::oauth::{CALLBACK, House, PUBLIC};
use crate::support::{PATIENCE, Wire, request};

/// Registrations of the attacker before the newcomer's, and again before their person decides: each time more than
/// any table of unused clients would sensibly hold.
const FLOOD: usize = 3_000;
const CONNECTIONS: usize = 4;

/// Sends registrations on one connection until `over`, and counts those that were answered.
fn flood(mut connect: impl FnMut() -> Wire, answered: &AtomicUsize, over: &AtomicBool) {
    let body = json!({ "client_name": "Flood", "redirect_uris": ["https://evil.example/cb"] }).to_string();
    let registration = request("POST", "/register", &[("Content-Type", "application/json")], &body);
    let mut wire = connect();
    while !over.load(Ordering::SeqCst) {
        wire.write(&registration);
        let Some(reply) = wire.reply() else {
            wire = connect();
            continue;
        };
        if answered.fetch_add(1, Ordering::SeqCst).is_multiple_of(50) && reply.status == 201 {
            let answer: Value = reply.json();
            let id = answer["client_id"].as_str().expect("an id");
            wire.write(request("GET", &format!("/authorize?response_type=code&client_id={id}"), &[], ""));
            let _ = wire.reply();
        }
    }
}

/// Lets a newcomer come in the middle of a flood.
fn check(options: &[&str]) {
    let mut house = House::with(options);
    let (answered, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let address = house.server.address;
    let wait_for = |count: usize| {
        let start = Instant::now();
        while answered.load(Ordering::SeqCst) < count {
            assert!(start.elapsed() < PATIENCE, "the flood stands still at {answered:?} of {count}");
            thread::sleep(Duration::from_millis(10));
        }
    };
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| flood(|| Wire::to(address), &answered, &over));
        }
        // The flood ends also when a check below fails; otherwise the test would wait for it.
        let _end = End(&over);
        wait_for(FLOOD);
        let reply = house.register(&json!({ "client_name": "Newcomer", "redirect_uris": [CALLBACK] }));
        assert_eq!(reply.status, 201, "{reply:?}");
        let client = reply.json()["client_id"].as_str().expect("an id").to_owned();
        wait_for(answered.load(Ordering::SeqCst) + FLOOD);
        house.sign_in();
        let code = house.code(&client);
        let tokens = house.redeem(&client, &code);
        assert_eq!(tokens.status, 200, "{tokens:?}");
        assert!(house.opens(tokens.json()["access_token"].as_str().expect("a token")));
        let next = house.register(&json!({ "redirect_uris": [CALLBACK] }));
        assert_eq!(next.status, 201, "{next:?}");
    });
    assert_eq!(house.count("clients"), 1, "only the newcomer, to whom the person allowed something");
}

/// Ends the flood when it is dropped.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn lets_a_newcomer_through_a_flood_of_registrations() {
    check(&[]);
}

#[test]
fn lets_a_newcomer_through_a_flood_of_registrations_behind_a_proxy() {
    check(&["--public-url", PUBLIC]);
}
