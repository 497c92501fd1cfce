//! A flood of invented tokens, while an authorization server elsewhere is asked about each.
//!
//! The attacker has connections and no token. They send a new invented token with each request, and the other server
//! takes its time to say that it doesn't know it. So they hold every question that this server may have open.
//!
//! What must hold: a client whose token was good before is served, and so is a client with a good token that is new
//! here; the other server is asked no more at once than the bound says; one token costs one question, on however many
//! connections it is presented; and the requests that wait for an answer never hold all connections, whether they
//! have one token or many.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use epicme::limits;
use serde_json::json;

use crate::remote::{Elsewhere, ISSUER, PING, seconds, status};
use crate::support::{Client, PATIENCE, Server, eventually};

/// How many questions about tokens the server may have open at once, of both kinds together.
const AT_ONCE_MAX: usize = 16;

/// What the other server has seen.
#[derive(Default)]
struct Seen {
    /// The audience of good tokens, known once the server under test has started.
    audience: Mutex<String>,
    open: AtomicUsize,
    most_open: AtomicUsize,
    /// How often it was asked about each token.
    asked: Mutex<HashMap<String, usize>>,
    /// Tokens that it has issued meanwhile.
    issued: Mutex<Vec<String>>,
    /// Whether it answers nothing about invented tokens at the moment.
    stalls: AtomicBool,
}

impl Seen {
    fn times(&self, token: &str) -> usize {
        self.asked.lock().expect("the counts").get(token).copied().unwrap_or_default()
    }
}

/// Another server that takes a tenth of a second for each answer, and a server that asks it. A token is good if it
/// begins with `good`, or if it was issued. Its lifetime is the number behind the last point, or ten minutes.
fn start() -> (Server, Arc<Seen>) {
    start_by(Elsewhere::serve)
}

fn start_by(serve: impl Fn(&Elsewhere) -> Server) -> (Server, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let its = Arc::clone(&seen);
    let elsewhere = Elsewhere::judging(move |token| {
        let open = its.open.fetch_add(1, Ordering::SeqCst) + 1;
        its.most_open.fetch_max(open, Ordering::SeqCst);
        *its.asked.lock().expect("the counts").entry(token.to_owned()).or_default() += 1;
        let start = Instant::now();
        while its.stalls.load(Ordering::SeqCst) && !token.starts_with("good") && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(Duration::from_millis(100));
        its.open.fetch_sub(1, Ordering::SeqCst);
        let is_issued = its.issued.lock().expect("the tokens").iter().any(|issued| issued == token);
        if !token.starts_with("good") && !is_issued {
            return (200, json!({ "active": false }).to_string());
        }
        let lifetime = token.rsplit('.').next().and_then(|text| text.parse().ok()).unwrap_or(600);
        let audience = its.audience.lock().expect("the audience").clone();
        let answer = json!({
            "active": true, "sub": "u-1", "aud": audience, "iss": ISSUER, "exp": seconds(lifetime),
            "scope": "entries:read",
        });
        (200, answer.to_string())
    });
    let server = serve(&elsewhere);
    *seen.audience.lock().expect("the audience") = format!("{}/mcp", server.base_url());
    (server, seen)
}

#[test]
fn serves_good_tokens_known_and_new() {
    let (server, seen) = start();
    // Its answers are good for two seconds, so this client is asked about again and again.
    assert_eq!(status(&server, "good.known.2"), 200);
    let (over, refused, start) = (AtomicBool::new(false), AtomicUsize::new(0), Instant::now());
    let (known, new) = thread::scope(|scope| {
        for stranger in 0..40 {
            let (server, over, refused) = (&server, &over, &refused);
            scope.spawn(move || {
                for number in 0.. {
                    // After a failure of the test nothing else ends them.
                    if over.load(Ordering::SeqCst) || start.elapsed() > 2 * PATIENCE {
                        break;
                    }
                    status(server, &format!("invented.{stranger}.{number}"));
                    refused.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        eventually("the strangers are at work", || refused.load(Ordering::SeqCst) >= 40);
        let server = &server;
        let new =
            scope.spawn(|| (0..15).map(|n| status(server, &format!("good.new.{n}.600"))).collect::<Vec<_>>());
        let mut known = Vec::new();
        while !new.is_finished() || seen.times("good.known.2") < 3 {
            known.push(status(server, "good.known.2"));
        }
        over.store(true, Ordering::SeqCst);
        (known, new.join().expect("answers"))
    });
    assert_eq!(new, [200; 15]);
    assert!(known.iter().all(|status| *status == 200), "{known:?}");
    let most = seen.most_open.load(Ordering::SeqCst);
    assert!(most <= AT_ONCE_MAX, "{most} questions were open at once");
}

#[test]
fn asks_once_for_one_token_however_many_present_it() {
    let (server, seen) = start();
    let ready = Barrier::new(32);
    let statuses: Vec<_> = thread::scope(|scope| {
        let send = || {
            ready.wait();
            status(&server, "good.shared.600")
        };
        let threads: Vec<_> = (0..32).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    assert_eq!(statuses, [200; 32]);
    assert_eq!(seen.times("good.shared.600"), 1);
}

#[test]
fn keeps_a_refusal_for_a_moment_only() {
    let (server, seen) = start();
    // Each round has a token of its own, since a busy machine may let the moment pass between the two requests.
    let kept = (0..20).any(|round| {
        let (token, began) = (format!("invented.{round}"), Instant::now());
        assert_eq!((status(&server, &token), status(&server, &token)), (401, 401));
        assert!(began.elapsed() > Duration::from_secs(4) || seen.times(&token) == 1);
        seen.times(&token) == 1
    });
    assert!(kept, "a second request costs no second question");
    assert_eq!(status(&server, "late.1.600"), 401);
    seen.issued.lock().expect("the tokens").push("late.1.600".to_owned());
    eventually("the token is taken that was issued after it was asked about", || {
        status(&server, "late.1.600") == 200
    });
}

/// The attacker presents a token on each connection that the server has, while the other server gives no answer.
#[track_caller]
fn leaves_connections_for_others(token: impl Fn(usize) -> String) {
    let cap = 72;
    let descriptors = cap + limits::DESCRIPTORS_RESERVED + limits::REFUSALS_MAX;
    let (server, seen) = start_by(|elsewhere| elsewhere.serve_with_descriptors(descriptors));
    assert_eq!(status(&server, "good.known.600"), 200);
    seen.stalls.store(true, Ordering::SeqCst);
    let mut strangers: Vec<_> =
        (0..cap).map(|number| Client::new(&server, &token(number)).open(&[], PING)).collect();
    let (refused, heard) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for wire in &mut strangers {
            let (refused, heard) = (&refused, &heard);
            scope.spawn(move || match wire.reply().map(|reply| reply.status) {
                Some(503) => refused.fetch_add(1, Ordering::SeqCst),
                Some(401) => heard.fetch_add(1, Ordering::SeqCst),
                _ => 0,
            });
        }
        eventually("a third is refused", || refused.load(Ordering::SeqCst) >= cap / 3);
        let known: Vec<_> = (0..5).map(|_| status(&server, "good.known.600")).collect();
        let asked =
            seen.asked.lock().expect("the counts").keys().filter(|token| token.starts_with("inv")).count();
        seen.stalls.store(false, Ordering::SeqCst);
        assert_eq!(known, [200; 5]);
        assert!(
            asked <= AT_ONCE_MAX / 2,
            "they were refused at once, not after the other server had its time"
        );
    });
    assert!(heard.load(Ordering::SeqCst) > 0, "those that wait get the answer");
    assert_eq!(status(&server, "good.new.600"), 200);
}

/// A newcomer presents their good token on a few connections at once, as clients do, while one invented token is
/// presented on every connection that the server has.
#[test]
fn serves_a_newcomer_on_several_connections_while_one_invented_token_is_presented_many_times() {
    let cap = 72;
    let descriptors = cap + limits::DESCRIPTORS_RESERVED + limits::REFUSALS_MAX;
    let (server, seen) = start_by(|elsewhere| elsewhere.serve_with_descriptors(descriptors));
    seen.stalls.store(true, Ordering::SeqCst);
    let present = |_| Client::new(&server, "invented").open(&[], PING);
    let mut strangers: Vec<_> = (0..cap / 3).map(present).collect();
    let (refused, ready) = (AtomicUsize::new(0), Barrier::new(4));
    let send = || {
        ready.wait();
        status(&server, "good.new.600")
    };
    let statuses: Vec<_> = thread::scope(|scope| {
        for wire in &mut strangers {
            let refused = &refused;
            scope.spawn(move || {
                if wire.reply().is_some_and(|reply| reply.status == 503) {
                    refused.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        eventually("all that may wait do", || refused.load(Ordering::SeqCst) >= cap / 3 - cap / 8 - 1);
        let newcomer: Vec<_> = (0..4).map(|_| scope.spawn(send)).collect();
        let statuses = newcomer.into_iter().map(|thread| thread.join().expect("an answer")).collect();
        seen.stalls.store(false, Ordering::SeqCst);
        statuses
    });
    assert_eq!(statuses, [200; 4]);
    assert_eq!((seen.times("good.new.600"), seen.times("invented")), (1, 1));
}

#[test]
fn leaves_connections_for_others_while_one_invented_token_is_presented_many_times() {
    leaves_connections_for_others(|_| "invented".to_owned());
}

#[test]
fn leaves_connections_for_others_while_many_invented_tokens_are_presented() {
    leaves_connections_for_others(|number| format!("invented.{number}"));
}
