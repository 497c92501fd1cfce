//! A program that a person has given access doesn't want to lose it.
//!
//! The attacker is the program: it has a good token of the person, and as many requests and searches under way as that
//! token allows. It has no cookie. What must hold: the person sees the account page, takes the access back, changes the
//! password and signs out, as if the program did nothing.

use epicme::limits;

use super::browser::{Browser, EMAIL, hidden, server, text};
use crate::support::{Client, PASSWORD};

const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

/// Grants of the person, each with a refresh token.
const GRANTS: &str = "
    INSERT INTO clients (id, name, redirect_uris, auth_method, registered_by, created_at)
        VALUES ('c_clinging', 'clinging', 'http://127.0.0.1:9/', 'none', 'operator', 1);
    INSERT INTO grants (user_id, client_id, resource, scope, created_at, used_at)
        SELECT id, 'c_clinging', 'r', 'tags:read', 1, 1 FROM users UNION ALL
        SELECT id, 'c_clinging', 'r', 'tags:read', 2, 2 FROM users;
    INSERT INTO refresh_tokens (hash, grant_id, expires_at)
        SELECT randomblob(32), id, unixepoch() + 1000 FROM grants";

#[test]
fn takes_access_back_while_the_program_has_all_its_requests_in_progress() {
    let (server, folder) = server(&[]);
    folder.tamper(GRANTS);
    let token = folder.token(EMAIL, &[]);
    let mut program = Client::new(&server, &token);
    let open: Vec<_> = (0..limits::REQUESTS_PER_PERSON_MAX).map(|_| program.unfinished(BODY)).collect();
    assert_eq!(program.post(&[], BODY).status, 429, "it has all that it can have");
    let mut browser = Browser::at(&server);
    browser.sign_in();
    let page = browser.get("/account");
    assert!(page.status == 200 && text(&page).contains("clinging"), "{}", text(&page));
    let mut press = |button: &[(&str, &str)]| {
        let form = hidden(&browser.get("/account"), "form").expect("a form");
        browser.post("/account", &[&[("form", form.as_str())], button].concat())
    };
    let revoked = press(&[("do", "revoke"), ("grant", "1")]);
    assert!(revoked.status == 200 && text(&revoked).contains("Access was taken back."), "{}", text(&revoked));
    let passwords = [("do", "password"), ("current", PASSWORD), ("new", "another password")];
    assert_eq!(press(&passwords).status, 200);
    assert_eq!(press(&[("do", "sign-out-everywhere")]).status, 303);
    drop(open);
}

/// Something keeps the page with the list from being made: what was pressed counts all the same, and the person is
/// told.
#[test]
fn says_that_access_was_taken_back_where_it_can_not_show_the_rest() {
    let (server, folder) = server(&[]);
    folder.tamper(GRANTS);
    let mut browser = Browser::at(&server);
    browser.sign_in();
    let form = hidden(&browser.get("/account"), "form").expect("a form");
    folder.tamper("ALTER TABLE refresh_tokens RENAME TO refresh_tokens_elsewhere");
    assert_eq!(browser.get("/account").status, 503);
    let reply = browser.post("/account", &[("form", &form), ("do", "revoke"), ("grant", "1")]);
    let shown = text(&reply);
    assert!(reply.status == 200 && shown.contains("Access was taken back."), "{shown}");
    assert!(shown.contains("href=\"/account\"") && !shown.contains("<form"), "{shown}");
    folder.tamper("ALTER TABLE refresh_tokens_elsewhere RENAME TO refresh_tokens");
    let page = text(&browser.get("/account"));
    assert!(
        page.contains("name=\"grant\" value=\"2\"") && !page.contains("name=\"grant\" value=\"1\""),
        "{page}"
    );
}
