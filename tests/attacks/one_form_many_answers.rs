//! A program that has seen one form of the person's browser, or one request with it, wants more from it than the
//! person gave.
//!
//! The attacker has a whole POST with cookie and token (it read along, or it is an extension of the browser), or
//! makes the browser send one again. They send it again and again, at once, after a restart, to another page, or with
//! a request of another client in it. Or, as a stranger, they send forms to fill the disk of the server that
//! remembers which were used.
//!
//! What must hold: a form gives one answer, to the question that was on its page, and only from a browser where the
//! person is still signed in; a form whose answer could not be recorded stays good; and a stranger's form leaves
//! nothing behind.

use std::sync::{Arc, Barrier};
use std::thread;

use super::browser::{Browser, EMAIL, PUBLIC, PUBLIC_HOST, borrowed, hidden, query, register, server, text};
use crate::support::{Folder, PASSWORD, Reply, Server};

/// What sixteen threads get that send the same form at once, in order of status.
fn sixteen(browser: &Browser, path: &str, form: &[(&str, &str)]) -> Vec<u16> {
    let start = Barrier::new(16);
    let one = || {
        start.wait();
        browser.send_as(browser.cookie.as_deref(), "POST", path, form).status
    };
    let mut all: Vec<_> = thread::scope(|scope| {
        let all: Vec<_> = (0..16).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|one| one.join().expect("an answer")).collect()
    });
    all.sort_unstable();
    all
}

/// Checks the page that says that a form isn't taken: it changes no cookie, has no form, and says how to go on.
#[track_caller]
fn check_refused(reply: &Reply, why: &str, again: &str) {
    let shown = text(reply);
    assert_eq!((reply.status, reply.field("location")), (400, None), "{shown}");
    assert_eq!(reply.field("set-cookie"), None, "{shown}");
    assert!(shown.contains(why) && !shown.contains("<form"), "{why}: {shown}");
    assert!(
        shown.contains(&format!("<a href=\"{}\">Begin again</a>", again.replace('&', "&amp;"))),
        "{shown}"
    );
}

const USED: &str = "was already used";
const STALE: &str = "Nothing was changed. The page was open";

/// A server over https, where the session outlasts the consent, a browser that is signed in there, and a query.
fn at_consent() -> (Server, Arc<Folder>, Browser, String) {
    let (server, folder) = server(&["--public-url", PUBLIC]);
    let browser = Browser::signed_in(&server, PUBLIC_HOST);
    let query = query(&register(&server, "https://app.example/cb"), "code");
    (server, folder, browser, query)
}

#[test]
fn gives_one_code_for_one_form_however_often_it_comes() {
    let (server, folder, mut browser, query) = at_consent();
    let form = browser.consent(&query);
    assert_eq!(browser.post("/authorize", &borrowed(&form)).status, 303);
    for _ in 0..3 {
        let reply = browser.post("/authorize", &borrowed(&form));
        check_refused(&reply, USED, &format!("/authorize?{query}"));
    }
    assert_eq!((folder.count("grants"), folder.count("codes")), (1, 1));
    server.log_with("POST /authorize 400 outcome=used-form");
    // Each page has a form of its own, two in one second too.
    let (first, second) = (browser.consent(&query), browser.consent(&query));
    for form in [second, first] {
        assert_eq!(browser.post("/authorize", &borrowed(&form)).status, 303);
    }
    assert_eq!(folder.count("grants"), 3);
    // The form of a page that is shown again is a fresh one. The earlier one has decided nothing, so it is good too: the
    // person may go back to it.
    let mut form = browser.consent(&query);
    let whole = form.clone();
    let ticked = form.pop().expect("a box");
    let again = browser.post("/authorize", &borrowed(&form));
    assert!(again.status == 200 && text(&again).contains("Tick at least one box"), "{}", text(&again));
    assert_eq!(browser.post("/authorize", &borrowed(&whole)).status, 303);
    check_refused(&browser.post("/authorize", &borrowed(&whole)), USED, &format!("/authorize?{query}"));
    form[0].1 = hidden(&again, "form").expect("a form");
    form.push(ticked);
    assert_eq!(browser.post("/authorize", &borrowed(&form)).status, 303);
}

/// On plain http the first press signs the person out; the second one, of an impatient person, comes with the cookie
/// that was good before.
#[test]
fn tells_a_second_press_to_begin_again_at_the_program() {
    let (server, folder) = server(&[]);
    let mut browser = Browser::at(&server);
    browser.sign_in();
    let query = query(&register(&server, "http://127.0.0.1:9/cb"), "code");
    let (form, unused) = (browser.consent(&query), browser.consent(&query));
    let before = browser.cookie.clone();
    assert_eq!(browser.post("/authorize", &borrowed(&form)).status, 303);
    let again = |form| browser.send_as(before.as_deref(), "POST", "/authorize", &borrowed(form));
    check_refused(&again(&form), USED, &format!("/authorize?{query}"));
    // The browser dropped the answer with the code, so the client may wait in vain.
    check_refused(&again(&form), "begin again there", &format!("/authorize?{query}"));
    assert!(!text(&again(&form)).contains("close this page"));
    check_refused(&again(&unused), STALE, &format!("/authorize?{query}"));
    assert_eq!(folder.count("grants"), 1);
}

#[test]
fn takes_a_form_once_however_many_send_it_at_once() {
    let (server, folder, mut browser, query) = at_consent();
    let form = browser.consent(&query);
    let one_success = |status: u16| [&[status][..], &[400; 15]].concat();
    assert_eq!(sixteen(&browser, "/authorize", &borrowed(&form)), one_success(303));
    assert_eq!((folder.count("grants"), folder.count("codes")), (1, 1));
    let form = hidden(&browser.get("/account"), "form").expect("a form");
    let button = [("form", form.as_str()), ("do", "revoke"), ("grant", "1")];
    assert_eq!(sixteen(&browser, "/account", &button), one_success(200));
    let mut fresh = Browser::at_host(&server, PUBLIC_HOST);
    let form = hidden(&fresh.get("/account"), "form").expect("a form");
    let signing_in = [("form", form.as_str()), ("email", EMAIL), ("password", PASSWORD)];
    let before = folder.count("browsers");
    assert_eq!(sixteen(&fresh, "/sign-in", &signing_in), one_success(303));
    assert_eq!(folder.count("browsers"), before + 1);
    check_refused(&fresh.post("/sign-in", &signing_in), USED, "/account");
    check_refused(&fresh.post("/sign-in", &signing_in), "try from the start", "/account");
}

/// A reload of the page after a wrong password, or a bookmark of it, asks for the path by GET.
#[test]
fn leads_from_the_path_of_the_sign_in_to_its_form() {
    let (server, _folder) = server(&[]);
    let reply = Browser::at(&server).get("/sign-in");
    assert_eq!((reply.status, reply.field("location")), (303, Some("/account")));
}

#[test]
fn sets_up_once_by_one_form_however_many_send_it_at_once() {
    let server = Server::start();
    let printed = server.output_with("/setup?code=");
    let code = printed.split("/setup?code=").nth(1).and_then(|rest| rest.split_whitespace().next());
    let code = code.expect("a code");
    let mut browser = Browser::at(&server);
    let form = hidden(&browser.get(&format!("/setup?code={code}")), "form").expect("a form");
    let person = [("form", form.as_str()), ("code", code), ("email", EMAIL), ("password", PASSWORD)];
    let mut statuses = sixteen(&browser, "/setup", &person);
    // Behind the first, a form is used, or the server is set up already.
    statuses.retain(|status| ![400, 410].contains(status));
    assert_eq!(statuses, [201]);
    assert_eq!((server.folder.count("users"), server.folder.count("browsers")), (1, 1));
}

#[test]
fn remembers_a_used_form_over_a_restart() {
    let (mut server, folder, mut browser, query) = at_consent();
    let (used, unused) = (browser.consent(&query), browser.consent(&query));
    assert_eq!(browser.post("/authorize", &borrowed(&used)).status, 303);
    server.kill();
    let server = Server::start_in(folder.clone(), &["--public-url", PUBLIC]);
    let mut again = Browser::at_host(&server, PUBLIC_HOST);
    again.cookie = browser.cookie;
    check_refused(&again.post("/authorize", &borrowed(&used)), USED, &format!("/authorize?{query}"));
    assert_eq!(again.post("/authorize", &borrowed(&unused)).status, 303, "its twin is good still");
    assert_eq!(folder.count("grants"), 2);
}

#[test]
fn refuses_a_form_of_another_page_or_another_request() {
    let (server, folder, mut browser, asked) = at_consent();
    let other = query(&register(&server, "https://other.example/cb"), "code");
    let account = hidden(&browser.get("/account"), "form").expect("a form");
    let consent = browser.consent(&asked)[0].1.clone();
    let (authorize, elsewhere) = (format!("/authorize?{asked}"), format!("/authorize?{other}"));
    // The button of the account page approves nothing, and neither does the form for another request.
    let decide = |form: &str, request: &str| {
        let fields = [("form", form), ("request", request), ("decision", "allow"), ("tags:read", "1")];
        browser.send_as(browser.cookie.as_deref(), "POST", "/authorize", &fields)
    };
    check_refused(&decide(&account, &asked), STALE, &authorize);
    check_refused(&decide(&consent, &other), STALE, &elsewhere);
    check_refused(
        &decide(&consent, &format!("{asked}&scope=user%3Aread")),
        STALE,
        &format!("{authorize}&scope=user%3Aread"),
    );
    assert_eq!(folder.count("grants"), 0);
    // The consent signs nobody out.
    let press = |form: &str| {
        let fields = [("form", form), ("do", "sign-out-everywhere")];
        browser.send_as(browser.cookie.as_deref(), "POST", "/account", &fields)
    };
    check_refused(&press(&consent), STALE, "/account");
    assert!(browser.is_signed_in());
    // A sign-in form leads on to where it was shown, and is no other form.
    let mut fresh = Browser::at_host(&server, PUBLIC_HOST);
    let plain = hidden(&fresh.get("/account"), "form").expect("a form");
    let leading = hidden(&fresh.get(&authorize), "form").expect("a form");
    let signing_in = |form: &str, request: &str| {
        let fields = [("form", form), ("request", request), ("email", EMAIL), ("password", PASSWORD)];
        fresh.send_as(fresh.cookie.as_deref(), "POST", "/sign-in", &fields)
    };
    check_refused(&signing_in(&plain, &asked), STALE, &authorize);
    check_refused(&signing_in(&leading, ""), STALE, "/account");
    check_refused(&signing_in(&leading, &other), STALE, &elsewhere);
    // None of that has used a form up: each is good where it belongs.
    assert_eq!(folder.count("used_forms"), 1, "the sign-in's");
    assert_eq!(signing_in(&leading, &asked).field("location"), Some(authorize.as_str()));
    assert_eq!(signing_in(&plain, "").field("location"), Some("/account"));
    assert_eq!(decide(&consent, &asked).status, 303);
    assert_eq!(press(&account).status, 303);
}

#[test]
fn remembers_no_form_of_a_stranger() {
    let (server, folder, mut browser, asked) = at_consent();
    let before = folder.count("used_forms");
    let mut stranger = Browser::at_host(&server, PUBLIC_HOST);
    for number in 0..5 {
        let form = hidden(&stranger.get("/account"), "form").expect("a form");
        let email = format!("{number}@example.com");
        let guess = [("form", form.as_str()), ("email", &email), ("password", "a wrong password")];
        assert_eq!(stranger.post("/sign-in", &guess).status, 403);
        for path in ["/account", "/authorize", "/setup"] {
            let fields = [("form", form.as_str()), ("request", &asked), ("do", "sign-out"), ("code", "x")];
            let status = stranger.post(path, &fields).status;
            assert_eq!(status, if path == "/setup" { 410 } else { 400 }, "{path}");
        }
    }
    assert_eq!(folder.count("used_forms"), before);
    // Used forms are forgotten when they have long expired.
    for _ in 0..3 {
        let form = browser.consent(&asked);
        assert_eq!(browser.post("/authorize", &borrowed(&form)).status, 303);
    }
    assert_eq!(folder.count("used_forms"), before + 3);
    folder.tamper("UPDATE used_forms SET expires_at = unixepoch() - 3700");
    let form = browser.consent(&asked);
    assert_eq!(browser.post("/authorize", &borrowed(&form)).status, 303);
    assert_eq!(folder.count("used_forms"), 1);
}

/// What a button of the account page writes, its fields, and the status of its answer.
type Button = (&'static str, &'static [(&'static str, &'static str)], u16);

const BUTTONS: [Button; 5] = [
    ("UPDATE OF revoked_at ON grants", &[("do", "revoke"), ("grant", "1")], 200),
    ("DELETE ON browsers", &[("do", "sign-out")], 303),
    ("DELETE ON browsers", &[("do", "sign-out-everywhere")], 303),
    ("UPDATE OF time_zone ON users", &[("do", "zone"), ("zone", "Europe/Berlin")], 200),
    ("UPDATE ON users", &[("do", "password"), ("current", PASSWORD), ("new", "another password")], 200),
];

#[test]
fn keeps_a_form_whose_answer_cannot_be_recorded() {
    let (server, folder, mut browser, query) = at_consent();
    let fail = |what: &str| {
        let sql = format!("CREATE TRIGGER refuses BEFORE {what} BEGIN SELECT RAISE(ABORT, 'no'); END");
        folder.tamper(&sql);
    };
    let mend = || folder.tamper("DROP TRIGGER refuses");
    let form = browser.consent(&query);
    fail("INSERT ON grants");
    let failed = browser.post("/authorize", &borrowed(&form));
    assert!(failed.field("location").expect("a location").contains("error=server_error"));
    mend();
    let allowed = browser.post("/authorize", &borrowed(&form));
    assert!(allowed.field("location").expect("a location").contains("?code="));
    for (what, button, done) in BUTTONS {
        let mut browser = Browser::at_host(&server, PUBLIC_HOST);
        let form = hidden(&browser.get("/account"), "form").expect("a form");
        let signing_in = [("form", form.as_str()), ("email", EMAIL), ("password", PASSWORD)];
        fail("INSERT ON browsers");
        assert_eq!(browser.post("/sign-in", &signing_in).status, 503);
        mend();
        assert_eq!(browser.post("/sign-in", &signing_in).status, 303);
        let form = hidden(&browser.get("/account"), "form").expect("a form");
        let (fields, cookie) = ([&[("form", form.as_str())], button].concat(), browser.cookie.clone());
        fail(what);
        let reply = browser.post("/account", &fields);
        assert_eq!((reply.status, reply.field("retry-after")), (503, Some("5")), "{what}");
        mend();
        assert_eq!(browser.post("/account", &fields).status, done, "{what}");
        let again = browser.send_as(cookie.as_deref(), "POST", "/account", &fields);
        check_refused(&again, USED, "/account");
    }
}

/// The person's sign-in ends while a form of theirs is on its way: they sign out in another tab, or the operator sets
/// another password because a stranger is at their browser.
#[test]
fn does_nothing_for_a_session_that_has_ended_meanwhile() {
    let (_server, folder, mut browser, query) = at_consent();
    let grant = "INSERT INTO clients (id, name, redirect_uris, auth_method, registered_by, created_at)
                     VALUES ('c_x', 'x', 'http://127.0.0.1:9/', 'none', 'operator', 1);
                 INSERT INTO grants (user_id, client_id, resource, scope, created_at, used_at)
                     SELECT id, 'c_x', 'r', 'tags:read', unixepoch(), unixepoch() FROM users";
    folder.tamper(grant);
    let state = || {
        let sql = "SELECT (SELECT count(*) FROM used_forms), (SELECT count(*) FROM codes), (SELECT count(*) FROM browsers),
                          (SELECT count(*) FROM grants WHERE revoked_at IS NULL),
                          (SELECT password_hash || time_zone FROM users)";
        let connection = rusqlite::Connection::open(folder.database()).expect("the database");
        let row = connection.query_row(sql, [], |row| {
            Ok(([row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, i64>(3)?], row.get::<_, String>(4)?))
        });
        row.expect("a row")
    };
    let form = browser.consent(&query);
    let account = hidden(&browser.get("/account"), "form").expect("a form");
    let before = state();
    // The first thing that is written for a form is that it was used.
    folder.tamper("CREATE TRIGGER ends AFTER INSERT ON used_forms BEGIN DELETE FROM browsers; END");
    check_refused(&browser.post("/authorize", &borrowed(&form)), STALE, &format!("/authorize?{query}"));
    for (_, button, _) in BUTTONS {
        let fields = [&[("form", account.as_str())], button].concat();
        check_refused(&browser.post("/account", &fields), STALE, "/account");
    }
    assert_eq!(state(), before, "nothing was done");
    folder.tamper("DROP TRIGGER ends");
    assert_eq!(browser.post("/authorize", &borrowed(&form)).status, 303);
    assert_eq!((folder.count("grants"), folder.count("codes")), (2, 1));
}
