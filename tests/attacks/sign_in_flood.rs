//! A flood of sign-ins.
//!
//! The attacker has connections, and neither an account nor a password. They post wrong passwords on all connections
//! at once, each time for another address that they make up. All of them come from the address of a proxy, as those of
//! the rightful people do.
//!
//! What must hold: the memory of the server stays that of one password hash, however many are asked for; a person with
//! the right password signs in, since their turn comes; a person at another network address waits for one turn of
//! the crowd, not for all of it; and the guesses never hold all connections, however few the server has.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Instant;

use epicme::limits;

use crate::oauth::{House, encoded, hidden, text};
use crate::support::{Folder, PASSWORD, PATIENCE, Server, connect, eventually, request};

const PUBLIC: [&str; 2] = ["--public-url", "https://journal.example"];

impl House {
    /// The cookie and the form token of a new browser, with the page for the sign-in open.
    fn begin_sign_in(&self) -> (String, String) {
        let page = self.browse_as(None, "GET", "/account", &[]);
        let cookie = page.field("set-cookie").expect("a cookie").split(';').next().expect("its pair");
        (cookie.to_owned(), hidden(&page, "form"))
    }
}

/// A server behind a proxy, with the cookie and the form token of a browser. Any number of guesses may use these.
fn start() -> (House, String, String) {
    let house = House::with(&PUBLIC);
    let (cookie, form) = house.begin_sign_in();
    (house, cookie, form)
}

/// A sign-in with a wrong password for an address that nobody has; gives the status.
fn guess(house: &House, cookie: &str, form: &str, email: &str) -> u16 {
    let fields = [("form", form), ("email", email), ("password", "a wrong password")];
    house.browse_as(Some(cookie), "POST", "/sign-in", &fields).status
}

/// Keeps `count` strangers guessing while `work` is done. Gives its value, and how many guesses were answered
/// meanwhile.
fn besieged<T>(count: usize, guess: impl Fn(&str) + Sync, work: impl FnOnce(&AtomicUsize) -> T) -> T {
    let (over, answered, start) = (AtomicBool::new(false), AtomicUsize::new(0), Instant::now());
    thread::scope(|scope| {
        for stranger in 0..count {
            let (over, answered, guess) = (&over, &answered, &guess);
            scope.spawn(move || {
                for number in 0.. {
                    // After a failure of `work` nothing else ends them.
                    if over.load(Ordering::SeqCst) || start.elapsed() > 2 * PATIENCE {
                        break;
                    }
                    guess(&format!("nobody-{stranger}-{number}@example.com"));
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        // A request is sent in far less time than a password is hashed, so nearly all strangers wait by now.
        while answered.load(Ordering::SeqCst) < 5 {
            thread::yield_now();
        }
        let value = work(&answered);
        over.store(true, Ordering::SeqCst);
        value
    })
}

#[test]
fn costs_the_memory_of_one_hash() {
    let (house, cookie, form) = start();
    let memory = |name| house.server.memory_kib(name);
    // The first hash brings the memory in which all later ones work.
    assert_eq!(guess(&house, &cookie, &form, "first@example.com"), 403);
    let one = memory("VmRSS");
    let ready = Barrier::new(64);
    thread::scope(|scope| {
        for stranger in 0..64 {
            let (house, cookie, form, ready) = (&house, &cookie, &form, &ready);
            scope.spawn(move || {
                ready.wait();
                assert_eq!(guess(house, cookie, form, &format!("nobody-{stranger}@example.com")), 403);
            });
        }
    });
    let (peak, rest) = (memory("VmHWM"), memory("VmRSS"));
    // A second hash at once, or one more that stays, would be 19 MiB.
    assert!(peak - one < 18 * 1024, "{one} KiB after one sign-in, {peak} KiB at the peak");
    assert!(peak < 64 * 1024, "{peak} KiB at the peak");
    assert!(rest - one < 12 * 1024, "{one} KiB after one sign-in, {rest} KiB after the flood");
}

#[test]
fn keeps_nobody_out_who_signs_in_rightly() {
    let (house, cookie, form) = start();
    // Ten people with one password: a hash for each, made by the command, would take longer than the test.
    house.tamper(
        "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 10)
         INSERT INTO users (email, password_hash, created_at, updated_at)
         SELECT 'person-' || n || '@example.com', password_hash, created_at, updated_at FROM users, number",
    );
    // A right password uses its form up, so each person has one of their own.
    let forms: Vec<_> = (0..10).map(|_| house.begin_sign_in()).collect();
    let guess = |email: &str| _ = guess(&house, &cookie, &form, email);
    let statuses = besieged(70, guess, |_| {
        let house = &house;
        let sign_in = |number: usize, (cookie, form): &(String, String)| {
            let email = format!("person-{number}@example.com");
            let fields = [("form", form.as_str()), ("email", &email), ("password", PASSWORD)];
            house.browse_as(Some(cookie), "POST", "/sign-in", &fields).status
        };
        thread::scope(|scope| {
            let numbered = (1..).zip(&forms);
            let people: Vec<_> =
                numbered.map(|(number, form)| scope.spawn(move || sign_in(number, form))).collect();
            people.into_iter().map(|person| person.join().expect("an answer")).collect::<Vec<_>>()
        })
    });
    assert_eq!(statuses, [303; 10]);
}

#[test]
fn makes_a_person_at_another_address_wait_for_one_turn_of_the_crowd() {
    // The second address is that of IPv6: a client can't choose another one of IPv4.
    if let Err(error) = TcpListener::bind("[::1]:0") {
        let addresses = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
        assert!(!addresses.contains("00000000000000000000000000000001 "), "::1 can't be used: {error}");
        return eprintln!(
            "NOT TESTED: this machine has no IPv6; src/fair_queue.rs tests the order of the queue"
        );
    }
    let (house, cookie, form) = start();
    let forms: Vec<_> = (0..5).map(|_| house.begin_sign_in()).collect();
    let guess = |email: &str| _ = guess(&house, &cookie, &form, email);
    let guesses = besieged(70, guess, |answered| {
        let one = |(cookie, form): &(String, String)| {
            let before = answered.load(Ordering::SeqCst);
            let body = encoded(&[("form", form), ("email", "ada@example.com"), ("password", PASSWORD)]);
            let port = house.server.address.port();
            let host = house.server.address.to_string();
            let fields = [
                ("Host", host.as_str()),
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("Cookie", cookie),
            ];
            let mut wire = connect(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port)));
            wire.write(request("POST", "/sign-in", &fields, &body));
            assert_eq!(wire.reply().expect("an answer").status, 303);
            answered.load(Ordering::SeqCst) - before
        };
        forms.iter().map(one).collect::<Vec<_>>()
    });
    // In the order of arrival, each of the five would wait for about seventy. A few are answered while the sign-in is
    // stored, and on a busy machine some more; not each time.
    let least = guesses.iter().min().expect("five sign-ins");
    assert!(*least <= 4, "{guesses:?} guesses were answered during each of five sign-ins");
    assert!(guesses.iter().sum::<usize>() < 75, "{guesses:?}");
}

#[test]
fn leaves_connections_for_others_where_the_server_has_few() {
    let cap = 72;
    let folder = Arc::new(Folder::new());
    folder.token("ada@example.com", &[]);
    let descriptors = cap + limits::DESCRIPTORS_RESERVED + limits::REFUSALS_MAX;
    let house = House::at(Server::start_in_with_descriptors(folder, descriptors, &PUBLIC));
    let (cookie, form) = house.begin_sign_in();
    let host = house.server.address.to_string();
    let mut strangers: Vec<_> = (0..cap).map(|_| house.server.connect()).collect();
    for (number, wire) in strangers.iter_mut().enumerate() {
        let email = format!("nobody-{number}@example.com");
        let body = encoded(&[("form", &form), ("email", &email), ("password", "a wrong password")]);
        let kind = ("Content-Type", "application/x-www-form-urlencoded");
        wire.write(request("POST", "/sign-in", &[("Host", &host), kind, ("Cookie", &cookie)], &body));
    }
    let (answered, refused) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let count = || refused.lock().expect("the answers").len();
    thread::scope(|scope| {
        for wire in &mut strangers {
            scope.spawn(|| {
                if let Some(reply) = wire.reply().filter(|reply| reply.status == 503) {
                    refused.lock().expect("the answers").push(reply);
                }
                answered.fetch_add(1, Ordering::SeqCst);
            });
        }
        // A quarter may wait, and a few are hashed meanwhile.
        let is_over = || count() >= cap / 3 || answered.load(Ordering::SeqCst) == cap;
        eventually("a third is refused, or all are answered", is_over);
        assert!(count() >= cap / 3, "{} were refused", count());
        for _ in 0..10 {
            let reply = house.server.send(request("GET", "/", &[("Host", &host)], ""));
            assert_eq!(reply.status, 200);
        }
    });
    let refused = refused.lock().expect("the answers");
    assert_eq!(refused[0].field("retry-after"), Some("60"));
    let page = text(&refused[0]);
    assert!(
        page.contains("Too many people are signing in") && page.contains("press Sign in again"),
        "{page}"
    );
    assert!(page.contains("action=\"/sign-in\""), "the form is there to press it: {page}");
    let log = house.server.log_with("outcome=sign-in-queue-full");
    assert!(log.contains("let the proxy in front limit POST /sign-in by network address"), "{log}");
}

/// A stranger's cheapest way to a large response: the page of the sign-in writes back what was typed.
#[test]
fn writes_back_no_address_that_no_account_can_have() {
    let (house, cookie, form) = start();
    let size = |email: &str| {
        let fields = [("form", form.as_str()), ("email", email), ("password", "a wrong password")];
        house.browse_as(Some(&cookie), "POST", "/sign-in", &fields).body.len()
    };
    let empty = size("");
    let longest = "\"".repeat(limits::EMAIL_BYTES_MAX);
    assert!(size(&longest) > empty + longest.len(), "it is written back");
    assert_eq!(size(&"\"".repeat(15_000)), empty);
    for _ in 0..10 {
        size("");
    }
    assert!(size(&"\"".repeat(15_000)) < 2 * empty, "after too many tries too");
}
