//! The second factor, new passwords, and what the account page shows of a person's browsers, tokens and past.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use epicme::limits;
use epicme::secret::{self, Signer};
use hmac::{Hmac, KeyInit, Mac};
use rusqlite::OptionalExtension;
use sha1::Sha1;

use crate::attacks::browser::{
    Browser, EMAIL, PUBLIC, PUBLIC_HOST, borrowed, hidden, query, register, server, text,
};
use crate::support::{Client, Folder, PASSWORD, Reply, Server};

/// Another person.
const OTHER: &str = "eve@example.com";

fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).map_or("", |(found, _)| found)
}

/// A person's phone, with the secret in it.
#[derive(Clone)]
struct Phone(Vec<u8>);

impl Phone {
    /// The secret that the page shows for people who type it.
    #[track_caller]
    fn reads(page: &Reply) -> Phone {
        let page = text(page);
        let shown = between(&page, "<pre>", "</pre>");
        let letters: Vec<_> = shown.chars().filter(|letter| *letter != ' ').collect();
        assert_eq!((letters.len(), shown.len()), (32, 39), "{page}");
        let value = |letter: &char| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(*letter).expect("base32") as u64;
        let bytes = letters.chunks(8).flat_map(|letters| {
            let number = letters.iter().fold(0, |number, letter| number << 5 | value(letter));
            number.to_be_bytes()[3..].to_vec()
        });
        Phone(bytes.collect())
    }

    /// The code that it shows now, or so many half minutes later.
    fn code(&self, ahead: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64;
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).expect("a key");
        mac.update(&(now / 30 + ahead).to_be_bytes());
        let digest = mac.finalize().into_bytes();
        let at = usize::from(digest[19] & 15);
        let number = u32::from_be_bytes(digest[at..at + 4].try_into().expect("four bytes")) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }

    /// Six digits that are no code of now.
    fn wrong(&self) -> String {
        let codes: Vec<_> = (-3..=3).map(|ahead| self.code(ahead)).collect();
        let wrong = (0..).map(|number| format!("{number:06}"));
        wrong.into_iter().find(|wrong| !codes.contains(wrong)).expect("there are a million")
    }
}

/// Lets the codes of now be used again: as if half a minute had gone by.
fn forget_last_code(folder: &Folder) {
    folder.tamper("UPDATE second_factors SET last_step = 0");
}

/// Presses a button of the account page.
#[track_caller]
fn press(browser: &mut Browser, fields: &[(&str, &str)]) -> Reply {
    let form = hidden(&browser.get("/account"), "form").expect("a form");
    browser.post("/account", &[&[("form", form.as_str())], fields].concat())
}

#[track_caller]
fn begin(browser: &mut Browser, password: &str) -> Reply {
    press(browser, &[("do", "factor"), ("factor", "begin"), ("factor-password", password)])
}

/// Sends the first code to the page that shows the secret.
#[track_caller]
fn confirm(browser: &mut Browser, page: &Reply, code: &str) -> Reply {
    let [form, secret] = ["form", "secret"].map(|name| hidden(page, name).expect("a field"));
    browser.post("/account", &[("form", &form), ("secret", &secret), ("do", "factor"), ("code", code)])
}

/// Switches the factor on; returns the phone and the recovery codes.
#[track_caller]
fn switch_on(browser: &mut Browser, folder: &Folder) -> (Phone, Vec<String>) {
    let page = begin(browser, PASSWORD);
    let phone = Phone::reads(&page);
    let shown = confirm(browser, &page, &phone.code(0));
    assert_eq!(shown.status, 200, "{}", text(&shown));
    let codes: Vec<_> = between(&text(&shown), "<pre>", "</pre>").lines().map(str::to_owned).collect();
    assert_eq!(codes.len(), limits::RECOVERY_CODES, "{codes:?}");
    forget_last_code(folder);
    (phone, codes)
}

/// Gives the password; returns the answer, which for a person with a factor is the second form.
#[track_caller]
fn give_password(browser: &mut Browser, email: &str, password: &str) -> Reply {
    let page = browser.get("/account");
    let form = hidden(&page, "form").unwrap_or_else(|| panic!("no form: {}", text(&page)));
    browser.post("/sign-in", &[("form", &form), ("email", email), ("password", password)])
}

#[track_caller]
fn give_code(browser: &mut Browser, page: &Reply, code: &str) -> Reply {
    let [form, proof] = ["form", "proof"].map(|name| hidden(page, name).expect("a field"));
    browser.post("/sign-in", &[("form", &form), ("proof", &proof), ("code", code)])
}

#[track_caller]
fn sign_in(server: &Server, code: &str) -> (Browser, Reply) {
    let mut browser = Browser::at(server);
    let page = give_password(&mut browser, EMAIL, PASSWORD);
    assert_eq!(page.status, 200, "{}", text(&page));
    let reply = give_code(&mut browser, &page, code);
    (browser, reply)
}

#[track_caller]
fn check_let_in(signed_in: &(Browser, Reply)) {
    let (browser, reply) = signed_in;
    assert!(reply.status == 303 && browser.is_signed_in(), "{}", text(reply));
}

#[track_caller]
fn check_kept_out(signed_in: &(Browser, Reply), says: &str) {
    let (browser, reply) = signed_in;
    assert!(reply.status == 403 && !browser.is_signed_in(), "{}", text(reply));
    assert!(text(reply).contains(says), "{says:?} isn't in {}", text(reply));
}

/// A server with a person who has a factor, and the browser in which they are signed in.
struct House {
    server: Server,
    folder: Arc<Folder>,
    browser: Browser,
    phone: Phone,
    codes: Vec<String>,
}

impl House {
    fn new() -> House {
        let (server, folder) = server(&[]);
        let mut browser = Browser::at(&server);
        browser.sign_in();
        let (phone, codes) = switch_on(&mut browser, &folder);
        House { server, folder, browser, phone, codes }
    }
}

#[test]
fn switches_a_factor_on_for_the_password_and_the_first_code_alone() {
    let (server, folder) = server(&[]);
    let mut browser = Browser::at(&server);
    browser.sign_in();
    let is_off = |folder: &Folder| folder.count("second_factors") + folder.count("recovery_codes") == 0;
    let refused = begin(&mut browser, "a wrong password");
    assert!(refused.status == 403 && text(&refused).contains("The password is wrong"), "{}", text(&refused));
    let page = begin(&mut browser, PASSWORD);
    assert_eq!(page.status, 200);
    // The page loads nothing, and has its picture in itself, without a style or a script.
    let policy = page.field("content-security-policy").expect("a policy");
    assert_eq!(
        policy,
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    assert_eq!(page.field("cache-control"), Some("no-store"));
    let shown = text(&page);
    assert!(shown.contains("<svg class=\"code\" role=\"img\" aria-label=\"QR code"), "{shown}");
    assert!(!shown.contains("style=") && !shown.contains("<script") && !shown.contains("<img"), "{shown}");
    let phone = Phone::reads(&page);
    let secret = between(&shown, "<pre>", "</pre>").replace(' ', "");
    let uri = format!(
        "otpauth://totp/epicme%20127.0.0.1:ada%40example.com?secret={secret}&amp;issuer=epicme%20127.0.0.1"
    );
    assert!(shown.contains(&uri), "{shown}");
    // Until it is confirmed, nothing is stored, and the password alone signs in.
    assert!(is_off(&folder));
    Browser::at(&server).sign_in();
    let again = confirm(&mut browser, &page, &phone.wrong());
    assert!(again.status == 400 && text(&again).contains("The code is wrong"), "{}", text(&again));
    assert!(is_off(&folder) && Phone::reads(&again).0 == phone.0, "the secret on the page stays the same");
    // A secret of somebody else isn't taken: the form is for its own.
    let [form, own] = ["form", "secret"].map(|name| hidden(&again, name).expect("a field"));
    let other = format!("{}{}", if own.starts_with('A') { "B" } else { "A" }, &own[1..]);
    let fields = [("form", form.as_str()), ("secret", &other), ("do", "factor"), ("code", &phone.code(0))];
    assert_eq!(browser.post("/account", &fields).status, 400);
    assert!(is_off(&folder));
    let codes = confirm(&mut browser, &again, &phone.code(0));
    assert!(codes.status == 200 && text(&codes).contains("shown this once"), "{}", text(&codes));
    assert_eq!((folder.count("second_factors"), folder.count("recovery_codes")), (1, 10));
    let told = format!(
        "{:?}",
        folder.open().query_row("SELECT hash FROM recovery_codes", [], |row| row.get::<_, Vec<u8>>(0))
    );
    for code in between(&text(&codes), "<pre>", "</pre>").lines() {
        assert!(code.len() == 19 && !told.contains(code) && !text(&browser.get("/account")).contains(code));
    }
    // A form that was shown before switches nothing on once more.
    let refused = confirm(&mut browser, &page, &phone.code(0));
    assert_eq!(refused.status, 409, "{}", text(&refused));
    assert_eq!(begin(&mut browser, PASSWORD).status, 409);
    let logged = server.log();
    assert!(!logged.contains(&secret) && !logged.contains("otpauth"), "{logged}");
}

#[test]
fn gives_no_session_no_consent_and_no_download_between_the_password_and_the_code() {
    let house = House::new();
    let client = register(&house.server, "http://127.0.0.1:9/callback");
    let asked = query(&client, "code");
    let mut browser = Browser::at(&house.server);
    let form = hidden(&browser.get(&format!("/authorize?{asked}")), "form").expect("a form");
    let fields = [("form", form.as_str()), ("request", &asked), ("email", EMAIL), ("password", PASSWORD)];
    let browsers = house.folder.count("browsers");
    let cookie = browser.cookie.clone();
    let page = browser.post("/sign-in", &fields);
    assert!(page.status == 200 && page.field("set-cookie").is_none(), "{}", text(&page));
    assert!(browser.cookie == cookie && house.folder.count("browsers") == browsers);
    for path in ["/account", "/journal", &format!("/authorize?{asked}")] {
        let shown = text(&browser.get(path));
        assert!(shown.contains("action=\"/sign-in\"") && shown.contains("name=\"password\""), "{shown}");
    }
    // The tokens of the forms of before open nothing else.
    let [form, proof] = ["form", "proof"].map(|name| hidden(&page, name).expect("a field"));
    for (path, fields) in [
        ("/account", vec![("form", &*form), ("do", "export"), ("format", "json"), ("password", PASSWORD)]),
        (
            "/authorize",
            vec![("form", &*form), ("request", &*asked), ("decision", "allow"), ("tags:read", "1")],
        ),
        ("/account", vec![("form", &*form), ("proof", &*proof), ("do", "sign-out-everywhere")]),
    ] {
        assert_eq!(browser.post(path, &fields).status, 400, "{path}");
    }
    assert_eq!((house.folder.count("grants"), house.folder.count("browsers")), (0, browsers));
    // With the code it leads on to where it began.
    let fields =
        [("form", form.as_str()), ("proof", &proof), ("request", &asked), ("code", &house.phone.code(0))];
    let reply = browser.post("/sign-in", &fields);
    assert_eq!(reply.status, 303, "{}", text(&reply));
    assert_eq!(reply.field("location"), Some(&*format!("/authorize?{asked}")));
    assert_ne!(browser.cookie, cookie);
    let form = browser.consent(&asked);
    assert_eq!(browser.post("/authorize", &borrowed(&form)).status, 303);
}

/// The factor comes between the look at it and the write that signs in.
#[test]
fn signs_nobody_in_by_the_password_alone_if_a_factor_was_switched_on_meanwhile() {
    let (server, folder) = server(&[]);
    for (then, status) in [
        (
            "INSERT INTO second_factors (user_id, secret, last_step, created_at) VALUES (1, zeroblob(20), 0, 0)",
            403,
        ),
        ("UPDATE users SET time_zone = 'Europe/Berlin' WHERE id = 1", 303),
    ] {
        folder.tamper(&format!("CREATE TRIGGER meanwhile AFTER INSERT ON used_forms BEGIN {then}; END"));
        let mut browser = Browser::at(&server);
        assert_eq!(give_password(&mut browser, EMAIL, PASSWORD).status, status, "{then}");
        assert_eq!(browser.is_signed_in(), status == 303);
        folder.tamper("DROP TRIGGER meanwhile; DELETE FROM second_factors");
    }
}

#[test]
fn tells_nobody_who_has_a_factor_before_the_password_is_right() {
    let house = House::new();
    house.folder.token(OTHER, &[]);
    let refused = |email: &str| {
        let reply = give_password(&mut Browser::at(&house.server), email, "a wrong password");
        let form = hidden(&reply, "form").expect("a form");
        (reply.status, text(&reply).replace(&form, "").replace(email, ""))
    };
    let with = refused(EMAIL);
    assert_eq!(with.0, 403);
    assert_eq!(with, refused(OTHER));
    assert_eq!(with, refused("nobody@example.com"));
}

#[test]
fn takes_each_code_once() {
    let house = House::new();
    let code = house.phone.code(0);
    check_let_in(&sign_in(&house.server, &code));
    check_kept_out(&sign_in(&house.server, &code), "The code is wrong, or was used already");
    check_kept_out(&sign_in(&house.server, &house.phone.code(-1)), "was used already");
    // The next one, with the blank that apps show.
    let next = house.phone.code(1);
    check_let_in(&sign_in(&house.server, &format!("{} {}", &next[..3], &next[3..])));
    forget_last_code(&house.folder);
    for wrong in
        [house.phone.wrong(), house.phone.code(-3), house.phone.code(3), String::new(), "12345".to_owned()]
    {
        check_kept_out(&sign_in(&house.server, &wrong), "The code is wrong");
    }
    check_let_in(&sign_in(&house.server, &house.phone.code(0)));
}

#[test]
fn lets_one_in_of_those_who_bring_one_code_at_once() {
    let house = House::new();
    for code in [house.phone.code(0), house.codes[0].clone()] {
        let barrier = Arc::new(Barrier::new(6));
        let browsers: Vec<_> = (0..6)
            .map(|_| {
                let mut browser = Browser::at(&house.server);
                let page = give_password(&mut browser, EMAIL, PASSWORD);
                (browser, page)
            })
            .collect();
        let threads = browsers.into_iter().map(|(mut browser, page)| {
            let (barrier, code) = (barrier.clone(), code.clone());
            thread::spawn(move || {
                barrier.wait();
                give_code(&mut browser, &page, &code).status
            })
        });
        let threads: Vec<_> = threads.collect();
        let statuses: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("an answer")).collect();
        let let_in = statuses.iter().filter(|status| **status == 303).count();
        assert!(let_in == 1 && statuses.iter().all(|status| [303, 403].contains(status)), "{statuses:?}");
    }
}

#[test]
fn takes_each_recovery_code_once_until_they_are_used_up() {
    let mut house = House::new();
    for (number, code) in house.codes.iter().enumerate() {
        let typed = if number % 2 == 0 { code.to_lowercase().replace('-', " ") } else { code.clone() };
        check_let_in(&sign_in(&house.server, &typed));
        check_kept_out(&sign_in(&house.server, code), "The code is wrong, or was used already");
        assert_eq!(house.folder.count("recovery_codes"), 9 - number as i64);
    }
    let page = text(&house.browser.get("/account"));
    assert!(page.contains("0 recovery codes are left") && page.contains("Make new ones"), "{page}");
    // New ones, for the password and a code.
    let code = house.phone.code(0);
    let fields = [("do", "factor"), ("factor", "codes"), ("factor-password", PASSWORD), ("code", &*code)];
    let shown = press(&mut house.browser, &fields);
    assert_eq!(shown.status, 200, "{}", text(&shown));
    let page = text(&shown);
    let fresh = between(&page, "<pre>", "</pre>").lines().next().expect("a code");
    assert!(!house.codes.contains(&fresh.to_owned()));
    check_let_in(&sign_in(&house.server, fresh));
}

#[test]
fn ends_a_sign_in_only_where_it_began() {
    let house = House::new();
    let mut browser = Browser::at(&house.server);
    let page = give_password(&mut browser, EMAIL, PASSWORD);
    let mut other = Browser::at(&house.server);
    other.get("/account");
    assert_eq!(give_code(&mut other, &page, &house.phone.code(0)).status, 400);
    // Also with a second form of that browser's own.
    let own = give_password(&mut other, EMAIL, PASSWORD);
    let [form, proof] = [hidden(&own, "form").expect("a form"), hidden(&page, "proof").expect("a proof")];
    let fields = [("form", form.as_str()), ("proof", &proof), ("code", &house.phone.code(0))];
    assert_eq!(other.post("/sign-in", &fields).status, 400);
    assert!(!other.is_signed_in());
    // Nor does it lead elsewhere.
    let [form, proof] = ["form", "proof"].map(|name| hidden(&own, name).expect("a field"));
    let fields =
        [("form", form.as_str()), ("proof", &proof), ("page", "/journal"), ("code", &house.phone.code(0))];
    assert_eq!(other.post("/sign-in", &fields).status, 400);
    let reply = give_code(&mut browser, &page, &house.phone.code(0));
    assert!(reply.status == 303 && browser.is_signed_in());
    // A form that has signed somebody in does it once.
    let used = give_code(&mut browser, &page, &house.phone.code(1));
    assert_eq!(used.status, 400);
}

/// Signs a proof as the server does, for a moment of its end.
fn proof(house: &House, browser: &Browser, expires_at: i64) -> String {
    let database = house.folder.open();
    let key: Vec<u8> = database
        .query_row("SELECT value FROM settings WHERE name = 'seal_key'", [], |row| row.get(0))
        .expect("a key");
    let hash: String = database
        .query_row("SELECT password_hash FROM users WHERE id = 1", [], |row| row.get(0))
        .expect("a hash");
    let cookie = browser.cookie.as_deref().and_then(|cookie| cookie.split_once('=')).expect("a cookie").1;
    let payload =
        [&expires_at.to_be_bytes()[..], &1_i64.to_be_bytes(), &secret::sha256(hash.as_bytes())].concat();
    let signer = Signer::new(key.try_into().expect("32 bytes"));
    signer.sign(&[b"second step", cookie.as_bytes(), b"", b""], &payload)
}

#[test]
fn refuses_a_second_step_that_comes_late_and_accepts_one_in_time() {
    let house = House::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64;
    for (expires_at, status) in [(now - 1, 400), (now + 60, 303)] {
        let mut browser = Browser::at(&house.server);
        let page = give_password(&mut browser, EMAIL, PASSWORD);
        let proof = proof(&house, &browser, expires_at);
        // The form's own token is bound to the proof, so it is signed as the server does, too.
        let key: Vec<u8> = house
            .folder
            .open()
            .query_row("SELECT value FROM settings WHERE name = 'seal_key'", [], |row| row.get(0))
            .expect("a key");
        let signer = Signer::new(key.try_into().expect("32 bytes"));
        let cookie = browser.cookie.clone().expect("a cookie");
        let cookie = cookie.split_once('=').expect("a value").1;
        let payload = [&(now + 60).to_be_bytes()[..], &[7; 16]].concat();
        let bound_to = [&b"form"[..], cookie.as_bytes(), b"/sign-in", b"proof", proof.as_bytes()];
        let form = signer.sign(&bound_to, &payload);
        let fields = [("form", form.as_str()), ("proof", &proof), ("code", &house.phone.code(0))];
        let reply = browser.post("/sign-in", &fields);
        assert_eq!(reply.status, status, "{}", text(&reply));
        drop(page);
    }
}

#[test]
fn refuses_a_second_step_after_another_password_was_set() {
    let house = House::new();
    let mut browser = Browser::at(&house.server);
    let page = give_password(&mut browser, EMAIL, PASSWORD);
    let set = house.folder.epicme(&["user", "passwd", EMAIL, "--password-stdin"], "another password");
    assert!(set.status.success());
    assert_eq!(give_code(&mut browser, &page, &house.phone.code(0)).status, 400);
    let page = give_password(&mut browser, EMAIL, "another password");
    assert_eq!(give_code(&mut browser, &page, &house.phone.code(0)).status, 303);
}

#[test]
fn counts_wrong_codes_as_wrong_passwords_and_the_right_password_forgets_none() {
    let house = House::new();
    for _ in 0..5 {
        check_kept_out(&sign_in(&house.server, &house.phone.wrong()), "The code is wrong");
    }
    let mut browser = Browser::at(&house.server);
    for _ in 0..5 {
        assert_eq!(give_password(&mut browser, EMAIL, "a wrong password").status, 403);
    }
    let reply = give_password(&mut browser, EMAIL, PASSWORD);
    assert_eq!(reply.status, 429, "{}", text(&reply));
    // At a second form that was open before, too.
    let house = House::new();
    let mut browser = Browser::at(&house.server);
    let page = give_password(&mut browser, EMAIL, PASSWORD);
    for _ in 0..10 {
        check_kept_out(&sign_in(&house.server, &house.phone.wrong()), "The code is wrong");
    }
    let reply = give_code(&mut browser, &page, &house.phone.code(0));
    assert!(reply.status == 429 && reply.field("retry-after").is_some(), "{}", text(&reply));
    assert!(!browser.is_signed_in());
}

#[test]
fn bounds_the_wrong_codes_of_a_person_until_a_recovery_code_comes() {
    let house = House::new();
    let most = limits::WRONG_CODES_MAX;
    house.folder.tamper(&format!("UPDATE second_factors SET wrong_codes = {}", most - 1));
    check_let_in(&sign_in(&house.server, &house.phone.code(0)));
    assert_eq!(house.folder.count("second_factors WHERE wrong_codes = 0"), 1);
    forget_last_code(&house.folder);
    house.folder.tamper(&format!("UPDATE second_factors SET wrong_codes = {}", most - 1));
    check_kept_out(&sign_in(&house.server, &house.phone.wrong()), "The code is wrong");
    check_kept_out(
        &sign_in(&house.server, &house.phone.code(0)),
        "Give a recovery code, then choose another",
    );
    check_let_in(&sign_in(&house.server, &house.codes[0]));
    check_let_in(&sign_in(&house.server, &house.phone.code(0)));
}

#[test]
fn says_so_if_the_clock_has_gone_back_and_goes_on_after_a_recovery_code() {
    let house = House::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64;
    // A code was used while the clock was a year ahead.
    let ahead = now / 30 + 365 * 24 * 120;
    house.folder.tamper(&format!("UPDATE second_factors SET last_step = {ahead}"));
    let refused = sign_in(&house.server, &house.phone.code(0));
    check_kept_out(&refused, "The clock of this server has gone back");
    let until = "SELECT strftime('%Y-%m-%dT%H:%M', ?1, 'unixepoch')";
    let until: String = house.folder.open().query_row(until, [ahead * 30], |row| row.get(0)).expect("a date");
    assert!(text(&refused.1).contains(&until), "{}", text(&refused.1));
    check_let_in(&sign_in(&house.server, &house.codes[0]));
    // What may have been used before the clock was wrong is not taken; what comes then is.
    check_kept_out(&sign_in(&house.server, &house.phone.code(0)), "The code is wrong, or was used already");
    house.folder.tamper("UPDATE second_factors SET last_step = last_step - 2");
    check_let_in(&sign_in(&house.server, &house.phone.code(1)));
}

#[test]
fn switches_off_and_makes_codes_for_the_password_and_a_code_alone() {
    let mut house = House::new();
    for button in ["codes", "off"] {
        let wrong = house.phone.wrong();
        for (password, code) in
            [("a wrong password", house.phone.code(0)), (PASSWORD, wrong), (PASSWORD, String::new())]
        {
            let fields =
                [("do", "factor"), ("factor", button), ("factor-password", password), ("code", &*code)];
            let refused = press(&mut house.browser, &fields);
            assert!(
                refused.status == 403 && text(&refused).contains("Nothing was changed"),
                "{}",
                text(&refused)
            );
        }
        assert_eq!((house.folder.count("second_factors"), house.folder.count("recovery_codes")), (1, 10));
        let code = house.phone.code(0);
        let fields = [("do", "factor"), ("factor", button), ("factor-password", PASSWORD), ("code", &*code)];
        let done = press(&mut house.browser, &fields);
        assert_eq!(done.status, 200, "{}", text(&done));
        forget_last_code(&house.folder);
    }
    assert_eq!((house.folder.count("second_factors"), house.folder.count("recovery_codes")), (0, 0));
    Browser::at(&house.server).sign_in();
    let fields = [("do", "factor"), ("factor", "off"), ("factor-password", PASSWORD), ("code", "123456")];
    assert_eq!(press(&mut house.browser, &fields).status, 409);
}

#[test]
fn changes_the_password_for_a_code_alone_and_keeps_the_session_and_the_factor() {
    let mut house = House::new();
    let change = |browser: &mut Browser, code: &[(&str, &str)]| {
        let fields = [("do", "password"), ("current", PASSWORD), ("new", "another password")];
        press(browser, &[&fields[..], code].concat())
    };
    let wrong = house.phone.wrong();
    for code in
        [&[][..], &[("password-code", "")], &[("password-code", &wrong)], &[("code", &house.phone.code(0))]]
    {
        let refused = change(&mut house.browser, code);
        assert!(refused.status == 403 && text(&refused).contains("The code is wrong"), "{}", text(&refused));
        assert!(text(&refused).contains("Nothing was changed"), "{}", text(&refused));
    }
    assert_eq!(house.folder.count("activity WHERE kind = 'wrong-code' AND times = 4"), 1);
    let reply = change(&mut house.browser, &[("password-code", &house.phone.code(0))]);
    assert!(reply.status == 200 && house.browser.is_signed_in(), "{}", text(&reply));
    let page = give_password(&mut Browser::at(&house.server), EMAIL, "another password");
    assert!(hidden(&page, "proof").is_some(), "{}", text(&page));
    let used = give_code(&mut Browser::at(&house.server), &page, &house.phone.code(0));
    assert_ne!(used.status, 303, "the code is used up");
}

#[test]
fn downloads_the_journal_for_a_code_alone() {
    let mut house = House::new();
    let download = |browser: &mut Browser, code: &[(&str, &str)]| {
        let fields = [("do", "export"), ("format", "json"), ("password", PASSWORD)];
        press(browser, &[&fields[..], code].concat())
    };
    let wrong = house.phone.wrong();
    for code in [&[][..], &[("export-code", &*wrong)]] {
        let refused = download(&mut house.browser, code);
        assert!(
            refused.status == 403 && text(&refused).contains("Nothing was downloaded"),
            "{}",
            text(&refused)
        );
        assert!(refused.field("content-disposition").is_none());
    }
    assert_eq!(house.folder.count("activity WHERE kind = 'downloaded'"), 0);
    let code = house.phone.code(0);
    let given = download(&mut house.browser, &[("export-code", &code)]);
    assert!(given.status == 200 && given.field("content-disposition").is_some(), "{}", text(&given));
    assert_eq!(download(&mut house.browser, &[("export-code", &code)]).status, 403, "each code works once");
    assert_eq!(download(&mut house.browser, &[("export-code", &house.codes[0])]).status, 200);
    assert_eq!(house.folder.count("activity WHERE kind = 'downloaded'"), 2);
}

/// After two presses of a button a browser shows the answer to the second.
#[test]
fn shows_the_recovery_codes_to_a_second_press_too_for_a_minute() {
    let (server, folder) = server(&[]);
    let mut browser = Browser::at(&server);
    browser.sign_in();
    let page = begin(&mut browser, PASSWORD);
    let phone = Phone::reads(&page);
    let code = phone.code(0);
    let codes = |reply: &Reply| between(&text(reply), "<pre>", "</pre>").to_owned();
    let [first, second] = [(); 2].map(|()| confirm(&mut browser, &page, &code));
    assert_eq!((first.status, second.status), (200, 200), "{}", text(&second));
    assert!(codes(&first).lines().count() == limits::RECOVERY_CODES && codes(&first) == codes(&second));
    assert_eq!((folder.count("second_factors"), folder.count("recovery_codes")), (1, 10));
    assert_eq!(folder.count("activity WHERE kind = 'factor-on'"), 1, "it was done once");
    let later = "UPDATE activity SET at = at - 60 WHERE kind IN ('factor-on', 'recovery-codes-made')";
    folder.tamper(later);
    let late = confirm(&mut browser, &page, &code);
    assert!(late.status == 400 && text(&late).contains("already used"), "{}", text(&late));

    // The same where new ones are made.
    forget_last_code(&folder);
    let form = hidden(&browser.get("/account"), "form").expect("a form");
    let code = phone.code(0);
    let fields = [
        ("form", form.as_str()),
        ("do", "factor"),
        ("factor", "codes"),
        ("factor-password", PASSWORD),
        ("code", &code),
    ];
    let [third, fourth] = [(); 2].map(|()| browser.post("/account", &fields));
    assert_eq!((third.status, fourth.status), (200, 200), "{}", text(&fourth));
    assert!(codes(&third) == codes(&fourth) && codes(&third) != codes(&first));
    // Once one of them was used, they aren't shown again.
    let used = codes(&third).lines().next().expect("a code").to_owned();
    check_let_in(&sign_in(&server, &used));
    assert_eq!(browser.post("/account", &fields).status, 400);
    folder.tamper(later);
    assert_eq!(browser.post("/account", &fields).status, 400);
}

#[test]
fn lets_the_operator_take_a_factor_away() {
    let house = House::new();
    house.folder.token(OTHER, &[]);
    let told = |folder: &Folder| {
        let listed = folder.epicme(&["user", "list"], "");
        let listed = String::from_utf8(listed.stdout).expect("text");
        let lines =
            listed.lines().skip(1).map(|line| line.split_whitespace().nth(3).expect("a cell").to_owned());
        lines.collect::<Vec<_>>()
    };
    assert_eq!(told(&house.folder), ["yes", "no"]);
    let removed = house.folder.epicme(&["user", "remove-factor", EMAIL], "");
    assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
    assert_eq!(told(&house.folder), ["no", "no"]);
    Browser::at(&house.server).sign_in();
    for (email, says) in
        [(EMAIL, "has no second factor"), ("nobody@example.com", "there is no nobody@example.com")]
    {
        let refused = house.folder.epicme(&["user", "remove-factor", email], "");
        assert_eq!(refused.status.code(), Some(1));
        let why = String::from_utf8(refused.stderr).expect("text");
        assert!(why.contains(says) && why.contains("epicme user list"), "{why}");
    }
    // And who sits before the second form meanwhile comes in by the password, as everybody does now.
}

#[test]
fn keeps_factor_and_events_in_a_backup_and_ends_sign_ins_with_a_restore() {
    let house = House::new();
    check_let_in(&sign_in(&house.server, &house.codes[0]));
    let copy = house.folder.path().join("copy.db");
    let made = house.folder.epicme(&["backup", copy.to_str().expect("text")], "");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let events = house.folder.count("activity");
    let House { server, folder, phone, codes, .. } = house;
    drop(server);
    folder.tamper("DELETE FROM second_factors; DELETE FROM activity");
    let restored = folder.epicme(&["restore", copy.to_str().expect("text")], "");
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    assert_eq!((folder.count("second_factors"), folder.count("recovery_codes")), (1, 9));
    assert_eq!((folder.count("activity"), folder.count("browsers")), (events, 0));
    let checked = folder.epicme(&["check"], "");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let server = Server::start_in(folder.clone(), &[]);
    forget_last_code(&folder);
    check_let_in(&sign_in(&server, &phone.code(0)));
    check_kept_out(&sign_in(&server, &codes[0]), "was used already");
}

#[test]
fn demands_a_longer_password_where_there_is_a_public_url() {
    // Eleven characters and twelve, and those that are guessed first.
    let refused = [
        ("eleven xxxx", "at least 12 characters"),
        ("Password123!", "one of the commonest"),
        ("ada@example.com", "must not be made of your email address"),
    ];
    let (own, good) = ("eight xx", "twelve xxxxx");
    let (server, folder) = server(&["--public-url", PUBLIC]);
    let mut browser = Browser::at_host(&server, PUBLIC_HOST);
    browser.sign_in();
    let change = |browser: &mut Browser, current: &str, new: &str| {
        press(browser, &[("do", "password"), ("current", current), ("new", new)])
    };
    assert!(text(&browser.get("/account")).contains("At least 12 characters"));
    for (password, says) in refused {
        let reply = change(&mut browser, PASSWORD, password);
        assert!(reply.status == 400 && text(&reply).contains(says), "{says}: {}", text(&reply));
    }
    assert_eq!(change(&mut browser, PASSWORD, good).status, 200);
    // On the command line by the option, or its variable.
    let set = |public: &[&str], password: &str| {
        let arguments = [&["user", "passwd", EMAIL, "--password-stdin"], public].concat();
        let output = folder.epicme(&arguments, password);
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    for (password, says) in refused {
        let (code, told) = set(&["--public-url", PUBLIC], password);
        assert!(code == Some(1) && told.contains(says), "{told}");
    }
    assert_eq!(set(&["--public-url", PUBLIC], good).0, Some(0));
    assert_eq!(set(&["--public-url", "nonsense"], good).0, Some(2));
    assert_eq!(set(&[], own).0, Some(0));
    // One that was set before is good still.
    let mut browser = Browser::at_host(&server, PUBLIC_HOST);
    assert_eq!(give_password(&mut browser, EMAIL, own).status, 303);
    let add = |public: &[&str], password: &str| {
        let arguments = [&["user", "add", OTHER, "--password-stdin"], public].concat();
        folder.epicme(&arguments, password).status.code()
    };
    assert_eq!(add(&["--public-url", PUBLIC], "eleven xxxx"), Some(1));
    assert_eq!(add(&["--public-url", PUBLIC], good), Some(0));
}

#[test]
fn holds_the_first_person_to_the_same_passwords() {
    for (options, host, refused, good) in [
        (&["--public-url", PUBLIC][..], Some(PUBLIC_HOST), "eleven xxxx", "twelve xxxxx"),
        (&[], None, "seven x", "eight xx"),
    ] {
        let server = Server::start_in(Arc::new(Folder::new()), options);
        let code = server.output_with("/setup?code=");
        let code = code
            .split("/setup?code=")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next())
            .expect("a code");
        let host = host.map_or(server.address.to_string(), str::to_owned);
        let mut browser = Browser::at_host(&server, &host);
        let mut set_up = |password: &str| {
            let form = hidden(&browser.get(&format!("/setup?code={code}")), "form").expect("a form");
            browser
                .post("/setup", &[("form", &form), ("code", code), ("email", EMAIL), ("password", password)])
        };
        let reply = set_up(refused);
        assert!(reply.status == 400 && text(&reply).contains("characters"), "{}", text(&reply));
        assert_eq!(set_up("Qwerty123456789").status, 400);
        assert_eq!(set_up("password1234").status, 400, "common");
        assert_eq!(set_up(good).status, 201);
    }
}

#[test]
fn lists_browsers_and_tokens_and_ends_each() {
    let (server, folder) = server(&[]);
    let token = folder.token(EMAIL, &["--label", "for <curl>"]);
    let foreign = folder.token(OTHER, &["--label", "eve's own"]);
    let mut browser = Browser::at(&server);
    browser.sign_in();
    let mut second = Browser::at(&server);
    second.sign_in();
    let page = text(&browser.get("/account"));
    assert_eq!(page.matches("Sign it out").count(), 1, "{page}");
    assert_eq!(page.matches("(this one)").count(), 1, "{page}");
    assert!(page.contains("from <code>127.0.0.1</code>"), "{page}");
    assert!(page.contains("for &lt;curl&gt;") && !page.contains("eve's own"), "{page}");
    assert!(page.matches("Revoke it").count() == 2, "two tokens of the person's: {page}");
    let other = hidden(&browser.get("/account"), "browser").expect("the other browser");
    let [own_id, foreign_id] = ["for <curl>", "eve's own"].map(|label| {
        let sql = "SELECT id FROM tokens WHERE label = ?1";
        let id =
            folder.open().query_row(sql, [label], |row| row.get::<_, i64>(0)).optional().expect("a read");
        id.expect("a token").to_string()
    });
    // Those of another person are as unknown ones.
    let works =
        |token: &str| Client::new(&server, token).modern("tools/list", serde_json::json!({})).status == 200;
    let foreign_reply = press(&mut browser, &[("do", "revoke-token"), ("token", &foreign_id)]);
    let unknown = press(&mut browser, &[("do", "revoke-token"), ("token", "999")]);
    assert_eq!((foreign_reply.status, unknown.status), (404, 404));
    assert!(works(&foreign) && works(&token));
    assert_eq!(press(&mut browser, &[("do", "revoke-token"), ("token", &own_id)]).status, 200);
    assert!(!works(&token) && works(&foreign));
    assert_eq!(press(&mut browser, &[("do", "revoke-token"), ("token", &own_id)]).status, 404);
    // Another person can't end this person's browsers.
    folder.tamper("UPDATE browsers SET user_id = (SELECT max(id) FROM users) WHERE rowid = (SELECT max(rowid) FROM browsers)");
    assert_eq!(press(&mut browser, &[("do", "end-browser"), ("browser", &other)]).status, 404);
    assert!(second.is_signed_in());
    folder.tamper("UPDATE browsers SET user_id = 1");
    assert_eq!(press(&mut browser, &[("do", "end-browser"), ("browser", &other)]).status, 200);
    assert!(!second.is_signed_in() && browser.is_signed_in());
    assert_eq!(press(&mut browser, &[("do", "end-browser"), ("browser", "x")]).status, 400);
    let page = text(&browser.get("/account"));
    for told in [
        "Signed in: <strong>",
        "A browser was signed out",
        "A token was revoked: <strong>for &lt;curl&gt;</strong>",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert!(page.contains("A token was made: <strong>for &lt;curl&gt;</strong>, by the operator"), "{page}");
}

#[test]
fn writes_down_when_a_browser_was_seen_last() {
    let (server, folder) = server(&[]);
    let mut browser = Browser::at(&server);
    browser.sign_in();
    let before = "UPDATE browsers SET seen_at = seen_at - 3600, address = '192.0.2.1'";
    folder.tamper(before);
    browser.get("/journal");
    // The next write that is waited for comes after it.
    browser.sign_in_again();
    assert_eq!(folder.count("browsers WHERE address = '192.0.2.1'"), 0);
    assert_eq!(folder.count("browsers WHERE seen_at >= unixepoch() - 60"), 2);
    // Not with each page: that would be a write for each.
    folder.tamper("UPDATE browsers SET address = '192.0.2.1'");
    browser.get("/journal");
    browser.sign_in_again();
    assert_eq!(folder.count("browsers WHERE address = '192.0.2.1'"), 2);
}

#[test]
fn tells_a_person_of_their_own_account_alone_and_nothing_of_addresses_without_one() {
    let (server, folder) = server(&[]);
    folder.token(OTHER, &[]);
    let mut stranger = Browser::at(&server);
    let before = folder.count("activity");
    for number in 0..5 {
        let nobody = format!("nobody{number}@example.com");
        assert_eq!(give_password(&mut stranger, &nobody, "a wrong password").status, 403);
    }
    for _ in 0..5 {
        assert_eq!(give_password(&mut stranger, EMAIL, "a wrong password").status, 403);
    }
    let mut browser = Browser::at(&server);
    browser.sign_in();
    assert_eq!(folder.count("activity"), before + 2, "five tries in a row are one row, then the sign-in");
    let page = text(&browser.get("/account"));
    assert!(page.contains("A wrong password was tried, 5 times, from <code>127.0.0.1</code>"), "{page}");
    assert!(!page.contains("nobody"), "{page}");
    let mut eve = Browser::at(&server);
    assert_eq!(give_password(&mut eve, OTHER, PASSWORD).status, 303);
    let page = text(&eve.get("/account"));
    assert!(page.contains("Signed in: ") && !page.contains("wrong password was tried"), "{page}");
    // It is bounded, and no secret is in it.
    folder.tamper(
        "WITH RECURSIVE number(n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM number WHERE n < 400)
         INSERT INTO activity (user_id, id, at, kind, subject, address) SELECT 1, n, 0, 'signed-in', '', '' FROM number",
    );
    browser.sign_in_again();
    assert_eq!(folder.count("activity WHERE user_id = 1"), limits::ACTIVITY_KEPT_MAX);
    let page = text(&browser.get("/account"));
    assert_eq!(
        between(&page, "<ul class=\"events\">", "</ul>").matches("<li>").count() as i64,
        limits::ACTIVITY_SHOWN_MAX
    );
    assert_eq!(folder.count(&format!("activity WHERE subject || address || kind LIKE '%{PASSWORD}%'")), 0);
    assert!(folder.epicme(&["user", "remove", EMAIL], "").status.success());
    assert_eq!(folder.count("activity WHERE user_id = 1"), 0);
}

#[test]
fn writes_an_event_down_with_what_it_tells_or_neither() {
    let (server, folder) = server(&[]);
    let mut browser = Browser::at(&server);
    browser.sign_in();
    folder.tamper("CREATE TRIGGER fails BEFORE INSERT ON activity BEGIN SELECT RAISE(ABORT, 'no'); END");
    let client = register(&server, "http://127.0.0.1:9/callback");
    let form = browser.consent(&query(&client, "code"));
    browser.post("/authorize", &borrowed(&form));
    assert_eq!(folder.count("grants"), 0);
    let mut other = Browser::at(&server);
    assert_ne!(give_password(&mut other, EMAIL, PASSWORD).status, 303);
    folder.tamper("DROP TRIGGER fails");
    let mut other = Browser::at(&server);
    assert_eq!(give_password(&mut other, EMAIL, PASSWORD).status, 303);
    let form = other.consent(&query(&client, "code"));
    other.post("/authorize", &borrowed(&form));
    assert_eq!(folder.count("grants"), 1);
    assert_eq!(folder.count("activity WHERE kind = 'access-given' AND subject = 'A client'"), 1);
}
