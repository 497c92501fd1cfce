//! A stranger writes `X-Forwarded-For` and `Forwarded` themselves.
//!
//! The attacker can send any headers, directly or through the operator's proxy, which writes one of the two headers and
//! passes the other on as it came. They want another address than their own: to guess passwords past the limit on one
//! address, to use up the tries of somebody else's address, or to write that address into the log.
//!
//! What must hold: only what a trusted proxy has written counts. A stranger's requests are logged and counted under the
//! address that the proxy saw, or else under the proxy's own, but never under one that the stranger chose; and whatever
//! they send, they don't escape the count.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use crate::oauth::{FORM, House, encoded, hidden};
use crate::support::{Folder, PASSWORD, Server, connect, request};

const PUBLIC: [&str; 2] = ["--public-url", "https://journal.example"];
const TRUSTED: [&str; 2] = ["--trusted-proxies", "127.0.0.1,::1,10.0.0.0/8,fd00::/8"];
/// What the proxy sees.
const STRANGER: &str = "203.0.113.9";
/// How many wrong passwords one address has.
const GUESSES_MAX: u32 = 50;
const CHOSEN: &str = "6.6.6.6";

fn start(options: &[&str]) -> Server {
    Server::start_in(Arc::new(Folder::new()), options)
}

/// Sends requests with these headers, each with a path of its own, and gives the addresses under which they are logged.
#[track_caller]
fn logged(server: &Server, requests: &[Vec<(&str, &str)>]) -> Vec<String> {
    let host = server.address.to_string();
    for (number, fields) in requests.iter().enumerate() {
        let fields = [&[("Host", host.as_str())], &fields[..]].concat();
        assert_eq!(server.send(request("GET", &format!("/nothing-{number}"), &fields, "")).status, 404);
    }
    let log = server.log_with(&format!("/nothing-{} 404 id=", requests.len() - 1));
    let address = |number: usize| {
        let path = format!(" GET /nothing-{number} 404 ");
        let line = log.lines().find(|line| line.contains(&path)).unwrap_or_else(|| panic!("no line: {log}"));
        line.split(' ').nth(1).expect("an address").to_owned()
    };
    (0..requests.len()).map(address).collect()
}

#[test]
fn logs_a_stranger_who_comes_without_a_proxy_under_their_own_address() {
    for trusted in ["10.0.0.0/8", "127.0.0.2,192.0.2.0/24,::2"] {
        let server = start(&["--trusted-proxies", trusted]);
        let found = logged(
            &server,
            &[
                vec![("X-Forwarded-For", CHOSEN)],
                vec![("Forwarded", "for=6.6.6.6")],
                vec![("X-Forwarded-For", "10.1.1.1"), ("Forwarded", "for=10.1.1.1")],
                vec![("X-Real-IP", CHOSEN), ("True-Client-IP", CHOSEN), ("CF-Connecting-IP", CHOSEN)],
            ],
        );
        assert_eq!(found, ["127.0.0.1"; 4]);
        let log = server.log();
        let note = "127.0.0.1 sent X-Forwarded-For or Forwarded, which is not believed: if that is your proxy, name it with \
                    --trusted-proxies";
        assert_eq!(log.matches(note).count(), 1, "once: {log}");
    }
}

#[test]
fn logs_a_stranger_under_the_address_that_the_proxy_saw() {
    let server = start(&TRUSTED);
    let far = format!("{}{STRANGER}", format!("{CHOSEN}, ").repeat(500));
    let rows = [
        (vec![("X-Forwarded-For", STRANGER)], STRANGER),
        (vec![("X-Forwarded-For", "6.6.6.6, 203.0.113.9")], STRANGER),
        (vec![("x-forwarded-for", "6.6.6.6"), ("X-FORWARDED-FOR", "203.0.113.9:4711")], STRANGER),
        (vec![("X-Forwarded-For", "6.6.6.6, 203.0.113.9, 10.1.1.1, fd00::1")], STRANGER),
        (vec![("X-Forwarded-For", "127.0.0.1, 203.0.113.9, 10.1.1.1, 10.1.1.2, 10.1.1.1")], STRANGER),
        (vec![("X-Forwarded-For", "\"), 203.0.113.9")], STRANGER),
        (vec![("X-Forwarded-For", far.as_str())], STRANGER),
        (vec![("X-Forwarded-For", "2001:db8::9")], "2001:db8::9"),
        (vec![("X-Forwarded-For", "6.6.6.6, [2001:db8::9]:4711")], "2001:db8::9"),
        (vec![("X-Forwarded-For", "6.6.6.6, ::ffff:203.0.113.9")], STRANGER),
        (vec![("Forwarded", "for=6.6.6.6, for=\"203.0.113.9:4711\";proto=https")], STRANGER),
        (vec![("Forwarded", "for=\"6.6.6.6"), ("Forwarded", "for=203.0.113.9")], STRANGER),
        (vec![("Forwarded", "for=6.6.6.6;by=\", for=1.1.1.1\", for=203.0.113.9")], STRANGER),
        // The proxy passes the other header on.
        (vec![("X-Forwarded-For", STRANGER), ("Forwarded", "for=6.6.6.6")], "127.0.0.1"),
        (vec![("X-Forwarded-For", CHOSEN), ("Forwarded", "for=203.0.113.9")], "127.0.0.1"),
        (vec![("X-Forwarded-For", STRANGER), ("Forwarded", "\"")], "127.0.0.1"),
        (vec![("X-Forwarded-For", STRANGER), ("Forwarded", "for=203.0.113.9")], STRANGER),
        // The proxy appends to a quote that the stranger has opened.
        (vec![("Forwarded", "for=6.6.6.6, x=\", for=203.0.113.9")], "127.0.0.1"),
        // A machine of the operator's own, and no header at all.
        (vec![("X-Forwarded-For", "10.1.1.1, 10.1.1.2")], "10.1.1.1"),
        (vec![("X-Forwarded-For", "unknown, 10.1.1.2")], "10.1.1.2"),
        (vec![("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "http")], "127.0.0.1"),
    ];
    let (requests, expected): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    assert_eq!(logged(&server, &requests), expected);
    let log = server.log();
    assert_eq!(log.matches("so neither is believed").count(), 1, "once: {log}");
}

#[test]
fn trusts_what_the_variable_names() {
    let server = Server::start_with_variables(&[("EPICME_TRUSTED_PROXIES", "127.0.0.1")]);
    assert_eq!(logged(&server, &[vec![("X-Forwarded-For", "6.6.6.6, 203.0.113.9")]]), [STRANGER]);
}

/// The connection's own address has two families.
#[test]
fn trusts_a_proxy_by_its_address_in_either_family() {
    let server = start(&["--trusted-proxies", "::1"]);
    let port = server.address.port();
    let over_ipv6 = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port));
    let ask = |path: &str, address: SocketAddr| {
        let mut wire = connect(address);
        let host = address.to_string();
        wire.write(request("GET", path, &[("Host", host.as_str()), ("X-Forwarded-For", STRANGER)], ""));
        assert_eq!(wire.reply().expect("an answer").status, 404);
    };
    ask("/by-ipv4", server.address);
    assert!(server.log_with("/by-ipv4").contains(" 127.0.0.1 GET /by-ipv4"));
    if TcpStream::connect(over_ipv6).is_ok() {
        ask("/by-ipv6", over_ipv6);
        assert!(server.log_with("/by-ipv6").contains(" 203.0.113.9 GET /by-ipv6"));
    }
}

/// Guesses one password at many accounts, each time with these headers; gives the first status that isn't a refusal of
/// the password, and after how many guesses it came.
#[track_caller]
fn guess(
    house: &House,
    headers: impl Fn(u32) -> Vec<(&'static str, String)>,
    most: u32,
) -> Option<(u16, u32)> {
    let page = house.browse_as(None, "GET", "/account", &[]);
    let cookie = page.field("set-cookie").expect("a cookie").split(';').next().expect("its pair").to_owned();
    let form = hidden(&page, "form");
    (0..most).find_map(|number| {
        let email = format!("nobody-{number}@example.com");
        let body = encoded(&[("form", form.as_str()), ("email", &email), ("password", "a wrong password")]);
        let headers = headers(number);
        let host = house.server.address.to_string();
        let mut fields = vec![("Host", host.as_str()), ("Cookie", &cookie), ("Content-Type", FORM)];
        fields.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
        let status = house.server.send(request("POST", "/sign-in", &fields, &body)).status;
        (status != 403).then_some((status, number))
    })
}

#[test]
fn counts_a_strangers_guesses_together_whatever_they_write_and_nobody_elses() {
    let house = House::with(&[PUBLIC, TRUSTED].concat());
    // What they append to is a new address each time; the proxy adds their own.
    let spoofed = |number: u32| {
        let chosen = format!("6.6.{}.{}", number / 256, number % 256);
        vec![("X-Forwarded-For", format!("{chosen}, {STRANGER}"))]
    };
    let max = GUESSES_MAX;
    assert_eq!(guess(&house, spoofed, max + 1), Some((429, max)));
    // With the header beside it, too, they are counted under one address, that of the proxy.
    let doubtful = |number: u32| {
        let chosen = format!("for=6.6.{}.{}", number / 256, number % 256);
        vec![("X-Forwarded-For", STRANGER.to_owned()), ("Forwarded", chosen)]
    };
    assert_eq!(guess(&house, doubtful, max + 1), Some((429, max)));
    // The address that the stranger named, the next one, and one of the operator's machines are free.
    for other in [CHOSEN, "203.0.113.10", "6.6.0.0", "10.1.1.1"] {
        assert_eq!(guess(&house, |_| vec![("X-Forwarded-For", other.to_owned())], 1), None, "{other}");
    }
    // So are people behind a proxy that says nothing of them.
    assert_eq!(guess(&house, |_| Vec::new(), 2), None);
    // The rightful person signs in at their own address.
    let page = house.browse_as(None, "GET", "/account", &[]);
    let cookie = page.field("set-cookie").expect("a cookie").split(';').next().expect("its pair");
    let form = hidden(&page, "form");
    let body = encoded(&[("form", form.as_str()), ("email", crate::oauth::EMAIL), ("password", PASSWORD)]);
    let host = house.server.address.to_string();
    let fields = [
        ("Host", host.as_str()),
        ("Cookie", cookie),
        ("Content-Type", FORM),
        ("X-Forwarded-For", "192.0.2.7"),
    ];
    assert_eq!(house.server.send(request("POST", "/sign-in", &fields, &body)).status, 303);
}

/// A customer has a whole /64, and would have as many tries as addresses.
#[test]
fn counts_a_network_of_ipv6_as_one_address() {
    let house = House::with(&[PUBLIC, TRUSTED].concat());
    let spread = |number: u32| vec![("X-Forwarded-For", format!("[2001:db8:0:7::{number:x}]:443"))];
    let max = GUESSES_MAX;
    assert_eq!(guess(&house, spread, max + 1), Some((429, max)));
    assert_eq!(guess(&house, |_| vec![("X-Forwarded-For", "2001:db8:0:8::1".to_owned())], 1), None);
}
