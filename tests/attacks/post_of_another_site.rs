//! A page of another site, which the person has open in the same browser, posts forms here.
//!
//! The attacker writes that page. The browser leaves the cookie out of its forms (`SameSite=Lax`), but takes a cookie
//! from the answer. A page on another port of this host gets further: there the cookie goes along. In both cases the
//! attacker can put anything into the form, also a token that this server made for a browser of the attacker's own.
//!
//! What must hold: no such form changes anything, nor signs the person out, and the person gets a page from which
//! they can go on.

use super::browser::{Browser, EMAIL, borrowed, hidden, query, register, server, text};
use crate::support::{PASSWORD, request};

#[test]
fn answers_with_no_cookie_that_would_take_the_place_of_the_persons_own() {
    let (server, folder) = server(&[]);
    let client = register(&server, "https://app.example/cb");
    let asked = query(&client, "code");
    let mut person = Browser::at(&server);
    person.sign_in();
    let mut attacker = Browser::at(&server);
    let own = hidden(&attacker.get("/account"), "form").expect("a form");
    let wrong = query(&client, "token");
    for form in [Some(own.as_str()), Some("v1.x.y"), None] {
        let pages = ["/authorize", "/sign-in", "/account", "/setup", "/", "/style.css", "/nothing"];
        let journal = ["/journal", "/journal/new", "/journal/entry/1/edit", "/journal/entry/1/delete"];
        for path in pages.into_iter().chain(journal) {
            for asked in [asked.as_str(), &wrong, "", "client_id=x"] {
                for button in ["sign-out", "sign-out-everywhere", "password", ""] {
                    let mut fields = vec![("request", asked), ("do", button), ("decision", "allow")];
                    fields.extend([("tags:read", "1"), ("email", EMAIL), ("password", PASSWORD)]);
                    fields.extend(form.map(|form| ("form", form)));
                    let reply = person.send_as(None, "POST", path, &fields);
                    assert!(reply.status >= 400, "{path} {fields:?}: {}", text(&reply));
                    assert_eq!(reply.field("set-cookie"), None, "{path} {fields:?}");
                    assert!(!text(&reply).contains("<form"), "a form that couldn't work: {path} {fields:?}");
                }
            }
        }
    }
    let host = server.address.to_string();
    for (kind, body) in [("text/plain", "x=1"), ("application/json", "{}"), ("", "")] {
        for path in ["/authorize", "/sign-in", "/account", "/journal/new", "/journal/entry/1/delete"] {
            let reply = server.send(request("POST", path, &[("Host", &host), ("Content-Type", kind)], body));
            assert_eq!((reply.status, reply.field("set-cookie")), (400, None), "{path} {kind}");
        }
    }
    assert!(person.is_signed_in());
    assert_eq!((folder.count("grants"), folder.count("browsers")), (0, 1));
    // The page leads on: to where the person was, and they are signed in there as before.
    let reply = person.send_as(None, "POST", "/authorize", &[("request", &asked), ("decision", "allow")]);
    let again = format!("/authorize?{asked}");
    assert!(
        text(&reply).contains(&format!("<a href=\"{}\">", again.replace('&', "&amp;"))),
        "{}",
        text(&reply)
    );
    let form = person.consent(&asked);
    assert_eq!(person.post("/authorize", &borrowed(&form)).status, 303);
}

#[test]
fn lets_a_page_on_another_port_press_nothing() {
    let (server, folder) = server(&[]);
    let client = register(&server, "https://app.example/cb");
    let mut person = Browser::at(&server);
    person.sign_in();
    let mut attacker = Browser::at(&server);
    let foreign = hidden(&attacker.get("/account"), "form").expect("a form");
    for form in [foreign.as_str(), "", "x"] {
        // With an error in the request as well: it leads to no client, and so ends no session.
        for asked in [query(&client, "code"), query(&client, "token")] {
            for decision in ["allow", "deny"] {
                let fields =
                    [("form", form), ("request", &asked), ("decision", decision), ("tags:read", "1")];
                let reply = person.post("/authorize", &fields);
                assert_eq!((reply.status, reply.field("location")), (400, None), "{decision} {asked}");
            }
        }
        for button in ["sign-out", "sign-out-everywhere", "revoke", "password"] {
            let fields =
                [("form", form), ("do", button), ("grant", "1"), ("current", PASSWORD), ("new", PASSWORD)];
            assert_eq!(person.post("/account", &fields).status, 400, "{button}");
        }
        let fields = [("form", form), ("email", EMAIL), ("password", PASSWORD)];
        assert_eq!(person.post("/sign-in", &fields).status, 400);
    }
    assert!(person.is_signed_in());
    assert_eq!((folder.count("grants"), folder.count("browsers"), folder.count("used_forms")), (0, 1, 1));
}
