//! A program on another port of this machine is after the person's session.
//!
//! The attacker can listen on a port, register a client, and open a URL in the person's browser; anything else the
//! person does by themselves, the sign-in too. A browser sends a cookie to every port of its host (RFC 6265 §8.5), so
//! wherever this server sends the browser on to the attacker's port, the cookie goes along. The attacker then opens
//! the consent page under that cookie and presses Allow.
//!
//! What must hold: a redirect to a client never takes along a cookie under which somebody is still signed in, whatever
//! the redirect says. At the public https URL, where the cookie can't reach another host, the browser stays signed in;
//! at a name of this machine it doesn't, whether there is a public URL or not.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use super::browser::{Browser, EMAIL, PUBLIC, PUBLIC_HOST, borrowed, hidden, query, register, server, text};
use crate::support::{PASSWORD, Reply, Server, request};

/// The attacker's program: a client of this server, with a port.
struct Program {
    listener: TcpListener,
    address: SocketAddr,
    id: String,
}

impl Program {
    /// Listens, and registers a redirect URI with this host, whatever port it gets.
    fn start(server: &Server, host: &str) -> Program {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        Program { listener, address, id: register(server, &format!("http://{host}:{}/cb", address.port())) }
    }

    /// A browser follows the redirect, with this cookie; gives the cookie that the program has received.
    #[track_caller]
    fn receive(&self, reply: &Reply, cookie: &str) -> String {
        let location = reply.field("location").expect("a redirect");
        let (authority, path) =
            location.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a URL");
        assert!(authority.ends_with(&format!(":{}", self.address.port())), "{location}");
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut stream = TcpStream::connect(self.address).expect("the program listens");
                let fields = [("Host", authority), ("Cookie", cookie)];
                stream.write_all(&request("GET", &format!("/{path}"), &fields, "")).expect("a request");
            });
            let (stream, _) = self.listener.accept().expect("a browser");
            let lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
            let received = lines.take_while(|line| !line.is_empty());
            let received: Vec<_> =
                received.filter_map(|line| Some(line.strip_prefix("Cookie: ")?.to_owned())).collect();
            received.into_iter().next().expect("a browser sends its cookies to every port")
        })
    }

    /// Presses Allow under a cookie that it received; gives the code.
    #[track_caller]
    fn approves_itself(&self, browser: &Browser, cookie: &str) -> Option<String> {
        let query = query(&self.id, "code");
        let page = browser.send_as(Some(cookie), "GET", &format!("/authorize?{query}"), &[]);
        let form = hidden(&page, "form")?;
        let fields =
            [("form", form.as_str()), ("request", &query), ("decision", "allow"), ("tags:read", "1")];
        let reply = browser.send_as(Some(cookie), "POST", "/authorize", &fields);
        reply.field("location").filter(|location| location.contains("?code=")).map(str::to_owned)
    }
}

/// Checks one answer that sent the browser, which had this cookie, to the program.
#[track_caller]
fn check(program: &Program, browser: &Browser, before: Option<String>, reply: &Reply) {
    assert_eq!(reply.status, 303, "{}", text(reply));
    let set = reply.field("set-cookie").expect("the browser is told to forget the cookie");
    assert!(set.ends_with("; Max-Age=0") && browser.cookie.is_none(), "{set}");
    // The worst case: the cookie goes along all the same, or the program has seen it before.
    let received = program.receive(reply, &before.expect("a cookie"));
    assert!(!browser.is_signed_in_as(Some(&received)), "the cookie is worth nothing any more");
    assert_eq!(program.approves_itself(browser, &received), None);
}

#[test]
fn carries_no_live_session_to_a_client_by_any_redirect() {
    let (server, folder) = server(&[]);
    let program = Program::start(&server, "127.0.0.1");
    let mut browser = Browser::at(&server);
    let error = format!("/authorize?{}", query(&program.id, "token"));
    for method in ["GET", "HEAD"] {
        browser.sign_in();
        let before = browser.cookie.clone();
        assert!(
            program.approves_itself(&browser, before.as_deref().expect("a cookie")).is_some(),
            "as it could"
        );
        browser.sign_in();
        let before = browser.cookie.clone();
        let reply = browser.send(method, &error, &[]);
        check(&program, &browser, before, &reply);
    }
    // The sign-in itself leads there, without another page in between.
    let page = browser.get(&error);
    let (form, asked) =
        (hidden(&page, "form").expect("a form"), hidden(&page, "request").expect("a request"));
    let fields = [("form", form.as_str()), ("request", &asked), ("email", EMAIL), ("password", PASSWORD)];
    let onward = browser.post("/sign-in", &fields);
    assert_eq!(onward.field("location"), Some(error.as_str()));
    let before = browser.cookie.clone();
    let reply = browser.get(&error);
    check(&program, &browser, before, &reply);
    for decision in ["allow", "deny"] {
        browser.sign_in();
        let before = browser.cookie.clone();
        let mut form = browser.consent(&query(&program.id, "code"));
        form[2].1 = decision.to_owned();
        let reply = browser.post("/authorize", &borrowed(&form));
        check(&program, &browser, before, &reply);
    }
    // The grant can't be recorded.
    browser.sign_in();
    let before = browser.cookie.clone();
    let form = browser.consent(&query(&program.id, "code"));
    folder.tamper("CREATE TRIGGER refuses BEFORE INSERT ON grants BEGIN SELECT RAISE(ABORT, 'no'); END");
    let reply = browser.post("/authorize", &borrowed(&form));
    assert!(reply.field("location").expect("a location").contains("error=server_error"));
    check(&program, &browser, before, &reply);
}

#[test]
fn sends_the_browser_nowhere_where_the_end_of_the_session_cannot_be_recorded() {
    let (server, folder) = server(&[]);
    let client = register(&server, "http://127.0.0.1:9/cb");
    let mut browser = Browser::at(&server);
    browser.sign_in();
    let form = browser.consent(&query(&client, "code"));
    folder.tamper("CREATE TRIGGER refuses BEFORE DELETE ON browsers BEGIN SELECT RAISE(ABORT, 'no'); END");
    let by_form = browser.post("/authorize", &borrowed(&form));
    let by_link = browser.get(&format!("/authorize?{}", query(&client, "token")));
    for reply in [by_form, by_link] {
        assert_eq!((reply.status, reply.field("location")), (503, None), "{}", text(&reply));
        assert_eq!(reply.field("retry-after"), Some("5"));
    }
    assert!(browser.is_signed_in());
    folder.tamper("DROP TRIGGER refuses");
    assert_eq!(browser.get(&format!("/authorize?{}", query(&client, "token"))).status, 303);
}

#[test]
fn ends_the_session_on_plain_http_whatever_the_client_is() {
    let (server, _folder) = server(&[]);
    let mut browser = Browser::at(&server);
    for uri in ["https://app.example/cb", "com.example.app:/cb", "http://[::1]:9/cb", "http://localhost/cb"] {
        let client = register(&server, uri);
        browser.sign_in();
        let before = browser.cookie.clone();
        // An app is told of an error at the press of a button, any other client at once.
        let page = browser.get(&format!("/authorize?{}", query(&client, "token")));
        if uri.starts_with("com.") {
            let (form, asked) = (hidden(&page, "form").expect("a form"), hidden(&page, "request"));
            let fields = [("form", form.as_str()), ("request", asked.as_deref().expect("a request"))];
            assert!(page.status == 400 && browser.is_signed_in(), "{uri}");
            assert_eq!(browser.post("/authorize", &fields).status, 303, "{uri}");
        } else {
            assert_eq!(page.status, 303, "{uri}");
        }
        assert!(
            !browser.is_signed_in_as(before.as_deref()),
            "{uri}: it may send the browser on to a port here"
        );
    }
}

/// A browser knows this machine by several names, and has a cookie for each.
#[test]
fn ends_the_session_that_the_browser_has_under_another_name_of_this_machine() {
    let (server, _folder) = server(&[]);
    let port = server.address.port();
    let program = Program::start(&server, "localhost");
    let other = Browser::signed_in(&server, &format!("localhost:{port}"));
    let mut browser = Browser::signed_in(&server, &format!("127.0.0.1:{port}"));
    let reply = browser.get(&format!("/authorize?{}", query(&program.id, "token")));
    // The request came without that cookie; the browser sends it to the program.
    let received = program.receive(&reply, other.cookie.as_deref().expect("a cookie"));
    assert!(!other.is_signed_in_as(Some(&received)));
    assert_eq!(program.approves_itself(&other, &received), None);
}

/// Two people share a browser, and one of them allows a program something.
#[test]
fn ends_the_session_of_another_person_under_another_name_of_this_machine() {
    let (server, folder) = server(&[]);
    let port = server.address.port();
    let program = Program::start(&server, "localhost");
    let other = Browser::signed_in(&server, &format!("localhost:{port}"));
    folder.tamper(
        "INSERT INTO users (email, password_hash, created_at, updated_at)
             SELECT 'eve@example.com', password_hash, created_at, updated_at FROM users;
         UPDATE browsers SET user_id = (SELECT id FROM users WHERE email = 'eve@example.com')",
    );
    let mut browser = Browser::signed_in(&server, &format!("127.0.0.1:{port}"));
    assert!(other.is_signed_in());
    let reply = browser.get(&format!("/authorize?{}", query(&program.id, "token")));
    let received = program.receive(&reply, other.cookie.as_deref().expect("a cookie"));
    assert!(!other.is_signed_in_as(Some(&received)));
}

/// A page on another port can set a cookie of the same name with a longer path, which browsers send first.
#[test]
fn ends_the_session_behind_a_cookie_that_was_slipped_in() {
    let (server, folder) = server(&[]);
    folder.token("mallory@example.com", &[]);
    let program = Program::start(&server, "127.0.0.1");
    let mut mallory = Browser::at(&server);
    let form = hidden(&mallory.get("/account"), "form").expect("a form");
    let own = [("form", form.as_str()), ("email", "mallory@example.com"), ("password", PASSWORD)];
    assert_eq!(mallory.post("/sign-in", &own).status, 303);
    let mut browser = Browser::at(&server);
    browser.sign_in();
    let before = browser.cookie.clone().expect("a cookie");
    browser.cookie = mallory.cookie.map(|slipped_in| format!("{slipped_in}; {before}"));
    let reply = browser.get(&format!("/authorize?{}", query(&program.id, "token")));
    check(&program, &browser, Some(before), &reply);
}

/// What remains of the page's own ways to sign out: they leave no cookie to which a form could be bound.
#[test]
fn takes_the_cookie_back_when_the_person_signs_out() {
    let (server, _folder) = server(&[]);
    let mut browser = Browser::at(&server);
    for button in ["sign-out", "sign-out-everywhere"] {
        browser.sign_in();
        let before = browser.cookie.clone();
        let form = hidden(&browser.get("/account"), "form").expect("a form");
        let reply = browser.post("/account", &[("form", &form), ("do", button)]);
        assert_eq!((reply.status, reply.field("location")), (303, Some("/")));
        assert!(browser.cookie.is_none() && !browser.is_signed_in_as(before.as_deref()), "{button}");
    }
}

#[test]
fn stays_signed_in_over_https_unless_the_client_is_on_this_very_host() {
    let (server, folder) = server(&["--public-url", PUBLIC]);
    let mut browser = Browser::signed_in(&server, PUBLIC_HOST);
    let visit = |browser: &mut Browser, uri: &str| {
        let client = register(&server, uri);
        let form = browser.consent(&query(&client, "code"));
        let replies = [
            browser.post("/authorize", &borrowed(&form)),
            browser.send_as(
                browser.cookie.as_deref(),
                "GET",
                &format!("/authorize?{}", query(&client, "token")),
                &[],
            ),
        ];
        replies.map(|reply| reply.status)
    };
    let app = [
        "https://app.example/cb",
        "http://127.0.0.1:9/cb",
        "com.example.app:/cb",
        "https://a.journal.example/",
    ];
    for uri in app {
        let told = if uri.starts_with("com.") { 400 } else { 303 }; // an app only at the press of a button
        assert_eq!(visit(&mut browser, uri), [303, told], "{uri}");
        assert!(browser.is_signed_in(), "{uri}");
    }
    assert_eq!(folder.count("grants"), 4);
    let before = browser.cookie.clone();
    let [allowed, _] = visit(&mut browser, "https://journal.example:8443/cb");
    assert_eq!((allowed, browser.cookie.as_deref()), (303, None));
    assert!(!browser.is_signed_in_as(before.as_deref()), "another port of the host would receive the cookie");
}

/// A server with a public URL answers under the names of this machine too, and a browser there has a cookie for them.
#[test]
fn ends_the_session_under_a_name_of_this_machine_though_there_is_a_public_url() {
    let (server, _folder) = server(&["--public-url", PUBLIC]);
    for host in
        [format!("127.0.0.1:{}", server.address.port()), format!("localhost:{}", server.address.port())]
    {
        let program = Program::start(&server, host.split(':').next().expect("a host"));
        let mut browser = Browser::signed_in(&server, &host);
        let before = browser.cookie.clone();
        let reply = browser.get(&format!("/authorize?{}", query(&program.id, "token")));
        check(&program, &browser, before, &reply);
        // These can send the browser on to a port here.
        for uri in ["https://app.example/cb", "com.example.app:/cb", "https://journal.example:8443/cb"] {
            let client = register(&server, uri);
            browser.sign_in();
            let before = browser.cookie.clone();
            let form = browser.consent(&query(&client, "code"));
            assert_eq!(browser.post("/authorize", &borrowed(&form)).status, 303, "{uri}");
            assert!(!browser.is_signed_in_as(before.as_deref()), "{host}: {uri}");
        }
    }
    let mut elsewhere = Browser::signed_in(&server, PUBLIC_HOST);
    let form = elsewhere.consent(&query(&register(&server, "https://app.example/cb"), "code"));
    assert_eq!(elsewhere.post("/authorize", &borrowed(&form)).status, 303);
    assert!(elsewhere.is_signed_in(), "the cookie of that name reaches no other host");
}
