//! The attacker has no token. They open as many connections as the server serves at once, and do with each as little as
//! keeps it open: nothing, a head that drips, one request, or a body that was refused. A connection that waits for a
//! request must make room: every newcomer is served at once, and nobody who is being served loses anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use epicme::limits;
use serde_json::json;

use crate::support::{Client, Server, Wire, eventually, modern_meta};

/// So many connections are served at once.
const CAP: usize = 72;

fn start() -> Server {
    Server::start_with_descriptors(CAP + limits::DESCRIPTORS_RESERVED + limits::REFUSALS_MAX)
}

fn ask(server: &Server) -> String {
    format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", server.address)
}

/// Whether a request on this connection is answered; a 503 isn't.
fn is_served(wire: &mut Wire, server: &Server) -> bool {
    wire.write(ask(server));
    wire.reply().is_some_and(|reply| reply.status == 200)
}

/// Newcomers come one by one and stay, and before each the attacker takes another place. Then they come in waves, and
/// their requests a moment later.
#[track_caller]
fn serves_newcomers(server: &Server, mut attack: impl FnMut() -> Wire) {
    let mut taken: Vec<Wire> = (0..CAP + 30).map(|_| attack()).collect();
    let mut newcomers = Vec::new();
    for number in 0..100 {
        taken.push(attack());
        newcomers.push(server.connect());
        let newcomer = newcomers.last_mut().expect("the one that came");
        assert!(is_served(newcomer, server), "newcomer {number} is turned away");
    }
    let mut waves = 0;
    eventually("three waves in time", || {
        thread::sleep(limits::ROOM_GRACE); // younger than this, one newcomer may make room for the next
        let start = Instant::now();
        let mut crowd: Vec<Wire> = (0..CAP / 2).map(|_| server.connect()).collect();
        crowd.iter_mut().for_each(|wire| wire.write(ask(server)));
        let in_time = start.elapsed() < limits::ROOM_GRACE; // or this machine is too busy, and the next wave counts
        let served = crowd.iter_mut().filter_map(Wire::reply).filter(|reply| reply.status == 200).count();
        assert!(!in_time || served == crowd.len(), "{served} of a wave of {} are served", crowd.len());
        waves += usize::from(in_time);
        taken.extend(crowd);
        waves == 3
    });
}

#[test]
fn serves_newcomers_while_silent_sockets_hold_every_place() {
    let server = start();
    serves_newcomers(&server, || server.connect());
}

#[test]
fn serves_newcomers_while_connections_that_were_used_once_hold_every_place() {
    let server = start();
    serves_newcomers(&server, || {
        let mut wire = server.connect();
        assert!(is_served(&mut wire, &server), "the attacker is a newcomer too");
        wire
    });
}

#[test]
fn serves_newcomers_while_refused_bodies_hold_every_place() {
    let server = start();
    let refused =
        format!("POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Length: 4000000\r\n\r\n", server.address);
    serves_newcomers(&server, || {
        let mut wire = server.connect();
        wire.write(&refused);
        assert_eq!(wire.reply().map(|reply| reply.status), Some(401));
        wire
    });
}

#[test]
fn serves_newcomers_while_dripping_heads_hold_every_place() {
    let server = start();
    for used_before in [false, true] {
        let over = Arc::new(AtomicBool::new(false));
        let mut drips = Vec::new();
        serves_newcomers(&server, || {
            let mut wire = server.connect();
            assert!(!used_before || is_served(&mut wire, &server));
            wire.write("GET / HTTP/1.1\r\nX: ");
            let (mut dripping, over) = (wire.stream.try_clone().expect("a second handle"), Arc::clone(&over));
            drips.push(thread::spawn(move || {
                while !over.load(SeqCst) && std::io::Write::write_all(&mut dripping, b"x").is_ok() {
                    thread::sleep(Duration::from_millis(10));
                }
            }));
            wire
        });
        over.store(true, SeqCst);
        drips.into_iter().for_each(|drip| drip.join().expect("a drip ends"));
    }
}

#[test]
fn closes_silent_connections_first_and_none_that_is_being_served() {
    let server = start();
    let token = server.token("ada@example.com", &[]);
    let mut ada = Client::new(&server, &token);
    ada.ok("create_tag", json!({ "name": "walks" }));

    let mut kept: Vec<Wire> = (0..10).map(|_| server.connect()).collect();
    assert!(kept.iter_mut().all(|wire| is_served(wire, &server)));
    let subscription = json!({
        "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen",
        "params": { "notifications": { "resourceSubscriptions": ["epicme://tags/1"] }, "_meta": modern_meta() },
    });
    let fields = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "subscriptions/listen")];
    let mut stream = ada.open(&fields, &subscription.to_string()).events();
    assert_eq!(stream.message()["method"], "notifications/subscriptions/acknowledged");
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let whole = ada.bytes(&[("Expect", "100-continue")], body);
    let mut uploading = server.connect();
    uploading.write(&whole[..whole.len() - body.len()]);
    assert_eq!(uploading.reply().expect("an answer").status, 100, "the body is being waited for");

    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("a process").count();
    let before = descriptors();
    let mut silent: Vec<Wire> = (kept.len() + 3..CAP).map(|_| server.connect()).collect();
    eventually("all are accepted", || descriptors() >= before + silent.len());
    thread::sleep(2 * limits::ROOM_GRACE); // until then they have a chance to say something
    // As many newcomers as there are silent connections, which also stay: now everybody has a place but the silent.
    let mut newcomers: Vec<Wire> = silent.iter().map(|_| server.connect()).collect();
    assert!(newcomers.iter_mut().all(|wire| is_served(wire, &server)));
    assert!(silent.iter_mut().all(Wire::is_closed), "the silent ones make room");

    assert!(kept.iter_mut().all(|wire| is_served(wire, &server)), "kept connections stay to the last");
    // More newcomers than kept connections: those make room now, and what is being served still doesn't.
    for _ in 0..2 * CAP {
        newcomers.push(server.connect());
        assert!(is_served(newcomers.last_mut().expect("the one that came"), &server));
    }
    assert!(kept.iter_mut().all(Wire::is_closed), "those idle for longest make room");
    uploading.write(body);
    assert_eq!(uploading.reply().expect("an answer").status, 200);
    let mut ada = Client::new(&server, &token);
    ada.ok("update_tag", json!({ "id": 1, "name": "rain" }));
    assert_eq!(stream.message()["method"], "notifications/resources/updated");
}
