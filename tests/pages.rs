//! The pages of a person's journal, as a browser without scripts gets them.

use std::sync::Arc;

use epicme::limits;
use serde_json::json;

use crate::attacks::browser::{Browser, EMAIL, PUBLIC, PUBLIC_HOST, hidden, server, text};
use crate::support::{Client, Folder, PASSWORD, Reply, Server, modern_meta, request};

/// Another person.
const OTHER: &str = "eve@example.com";

/// A server with a person, a browser in which they are signed in, and a program of theirs.
struct Desk {
    server: Server,
    folder: Arc<Folder>,
    browser: Browser,
    program: Client,
}

impl Desk {
    fn new() -> Desk {
        let (server, folder) = server(&[]);
        let mut browser = Browser::at(&server);
        browser.sign_in();
        let program = Client::new(&server, &folder.token(EMAIL, &[]));
        Desk { server, folder, browser, program }
    }

    /// Has the program write an entry about a day; returns its id.
    #[track_caller]
    fn write(&mut self, title: &str, content: &str, date: &str) -> i64 {
        let given = json!({ "title": title, "content": content, "date": date });
        self.program.ok("create_entry", given)["entry"]["id"].as_i64().expect("an id")
    }

    /// The page at a path, which must be there.
    #[track_caller]
    fn shown(&mut self, path: &str) -> String {
        let reply = self.browser.get(path);
        assert_eq!(reply.status, 200, "{path}: {}", text(&reply));
        text(&reply)
    }

    /// The pages of a list, from this path on by their links, and the titles on them.
    #[track_caller]
    fn titles(&mut self, path: &str) -> Vec<Vec<String>> {
        let (mut pages, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(path) = next {
            let page = self.shown(&path);
            let cards = page.split("<article class=\"card\">\n<h2 dir=\"auto\"><a href=\"").skip(1);
            let title = |card: &str| between(card, "\">", "</a>").to_owned();
            pages.push(cards.map(title).collect());
            next = page
                .split("href=\"")
                .skip(1)
                .find(|link| link.contains("after="))
                .map(|link| link.split('"').next().expect("an end").replace("&amp;", "&"));
        }
        pages
    }
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).map_or("", |(found, _)| found)
}

/// Whether this is the sign-in form.
fn asks_to_sign_in(reply: &Reply) -> bool {
    let shown = text(reply);
    reply.status == 200 && shown.contains("<form method=\"post\" action=\"/sign-in\">")
}

/// One path of each page that reads.
const READ: [&str; 8] = [
    "/journal",
    "/journal/month/2025-01",
    "/journal/day/2025-01-31",
    "/journal/entry/1",
    "/journal/tags",
    "/journal/tag/1",
    "/journal/search",
    "/journal/search?q=sea%20%22a%20walk%22",
];

/// One path of each page with a form that changes the journal.
const FORMS: [&str; 3] = ["/journal/new", "/journal/entry/1/edit", "/journal/entry/1/delete"];

#[test]
fn shows_nothing_of_a_journal_before_the_sign_in_and_leads_back_to_the_page_after_it() {
    let mut desk = Desk::new();
    desk.write("A walk by the sea", "Sand", "2025-01-31");
    desk.program.ok("create_tag", json!({ "name": "quiet" }));
    let token = desk.folder.token(EMAIL, &[]);
    for path in READ.into_iter().chain(FORMS) {
        let mut stranger = Browser::at(&desk.server);
        let page = stranger.get(path);
        assert!(asks_to_sign_in(&page), "{path}: {}", text(&page));
        for secret in ["walk", "Sand", "quiet", "2025-01-31"] {
            let told = text(&page).replace(&path.replace('"', "&quot;"), "");
            assert!(!told.contains(secret), "{path} tells {secret}: {told}");
        }
        let (form, asked) = (hidden(&page, "form").expect("a form"), hidden(&page, "page").expect("a page"));
        let fields = [("form", form.as_str()), ("page", &asked), ("email", EMAIL), ("password", PASSWORD)];
        assert_eq!(stranger.post("/sign-in", &fields).field("location"), Some(path));
        // A token is for programs: it signs nobody in, nor does half a cookie.
        let host = desk.server.address.to_string();
        for credential in [("Authorization", format!("Bearer {token}")), ("Cookie", "epicme_80=x".to_owned())]
        {
            let fields = [("Host", host.as_str()), (credential.0, &credential.1)];
            assert!(asks_to_sign_in(&desk.server.send(request("GET", path, &fields, ""))), "{path}");
        }
    }
    // And the session is for pages: it opens nothing for programs.
    let cookie = desk.browser.cookie.clone().expect("a cookie");
    let host = desk.server.address.to_string();
    let fields = [("Host", host.as_str()), ("Cookie", cookie.as_str()), ("Content-Type", "application/json")];
    let reply = desk.server.send(request("POST", "/mcp", &fields, "{}"));
    assert_eq!(reply.status, 401);
    assert!(reply.field("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer ")));
    for end in ["DELETE FROM browsers", "UPDATE browsers SET expires_at = unixepoch()"] {
        let mut desk = Desk::new();
        desk.folder.tamper(end);
        assert!(asks_to_sign_in(&desk.browser.get("/journal")), "{end}");
    }
}

#[test]
fn leads_from_the_sign_in_to_no_page_but_its_own() {
    let (server, _folder) = server(&[]);
    for page in [
        "https://evil.example/",
        "//evil.example/journal",
        "/journal/../../evil",
        "/journal@evil.example",
        "/journal/entry/1\r\nLocation: https://evil.example/",
        "/journal/search?q=a b",
        "/authorize?client_id=x",
        "",
    ] {
        let mut browser = Browser::at(&server);
        let form = hidden(&browser.get("/journal"), "form").expect("a form");
        let sign_in = |browser: &mut Browser, form: &str| {
            let fields = [("form", form), ("page", page), ("email", EMAIL), ("password", PASSWORD)];
            browser.post("/sign-in", &fields)
        };
        // The token belongs to the page that was asked for.
        assert_eq!(sign_in(&mut browser, &form).status, 400, "{page}");
        let form = hidden(&browser.get("/account"), "form").expect("a form");
        let reply = sign_in(&mut browser, &form);
        assert!(reply.status == 400 || reply.field("location") == Some("/account"), "{page}: {reply:?}");
    }
}

#[test]
fn shows_each_person_their_own_rows_and_takes_the_ids_of_others_for_unknown() {
    let mut desk = Desk::new();
    let token = desk.folder.token(OTHER, &[]);
    let mut eve = Client::new(&desk.server, &token);
    eve.ok("create_tag", json!({ "name": "schemes" }));
    for _ in 0..3 {
        let entry = json!({ "title": "Hers", "content": "Secret", "date": "2025-01-31", "tags": [1] });
        eve.ok("create_entry", entry);
    }
    let own = desk.write("Mine", "Own", "2025-01-31");
    assert_eq!(own, 1, "ids count for each person alone");
    for path in READ {
        let reply = desk.browser.get(path);
        assert_eq!(reply.status, if path == "/journal/tag/1" { 404 } else { 200 }, "{path}");
        assert!(!text(&reply).contains("Hers") && !text(&reply).contains("schemes"), "{path}");
    }
    assert!(desk.shown("/journal/entry/1").contains("Own"));
    assert!(desk.shown("/journal/month/2025-01").contains("1 entry on 1 day."));
    let (hers, nobodys) = (desk.browser.get("/journal/entry/2"), desk.browser.get("/journal/entry/999"));
    assert_eq!((hers.status, text(&hers)), (404, text(&nobodys)));
    let (hers, nobodys) = (desk.browser.get("/journal/tag/1"), desk.browser.get("/journal/tag/999"));
    assert_eq!((hers.status, text(&hers)), (404, text(&nobodys)));
}

#[test]
fn shows_a_month_as_weeks_with_the_days_that_were_written_about() {
    let mut desk = Desk::new();
    for (date, times) in [("2025-01-01", 1), ("2025-01-31", 3), ("2025-02-01", 1)] {
        for _ in 0..times {
            desk.write("An entry", "x", date);
        }
    }
    let page = desk.shown("/journal/month/2025-01");
    let table = between(&page, "<table", "</table>");
    assert!(table.contains("<caption") && table.matches("<th scope=\"col\">").count() == 7, "{table}");
    let rows: Vec<_> = table.split("<tr>").skip(2).collect();
    assert_eq!(rows.len(), 5, "{table}");
    assert!(rows.iter().all(|row| row.matches("<td").count() == 7), "{table}");
    // January 2025 began on a Wednesday.
    assert!(rows[0].starts_with("<td></td><td></td><td><a href=\"/journal/day/2025-01-01\">"), "{}", rows[0]);
    let links: Vec<_> = table.split("href=\"").skip(1).map(|link| between(link, "", "\"")).collect();
    assert_eq!(links, ["/journal/day/2025-01-01", "/journal/day/2025-01-31"]);
    assert!(rows[4].contains("<small>3<span class=\"hidden\"> entries</span></small>"), "{}", rows[4]);
    assert!(page.contains("4 entries on 2 days."), "{page}");
    for neighbour in ["/journal/month/2024-12", "/journal/month/2025-02"] {
        assert!(page.contains(&format!("href=\"{neighbour}\"")), "{neighbour}");
    }
    assert!(!page.contains("aria-current=\"date\""), "today is in no other month");
    let now = desk.shown("/journal");
    assert_eq!(now.matches("<td class=\"today\" aria-current=\"date\">").count(), 1);
    // What is deleted is counted no more, and an empty month says where to go on.
    desk.program.ok("delete_entry", json!({ "id": 1 }));
    assert!(desk.shown("/journal/month/2025-01").contains("3 entries on 1 day."));
    let empty = desk.shown("/journal/month/2025-03");
    assert!(empty.contains("href=\"/journal/day/2025-02-01\"") && !empty.contains("2025-01-31"), "{empty}");
}

#[test]
fn knows_today_by_the_time_zone_of_the_person() {
    let mut desk = Desk::new();
    // The two never have the same day.
    let mut todays = Vec::new();
    for zone in ["Pacific/Kiritimati", "Pacific/Pago_Pago"] {
        desk.folder.tamper(&format!("UPDATE users SET time_zone = '{zone}'"));
        let page = desk.shown("/journal");
        todays.push((
            between(&page, "<h1", "</h1>").to_owned(),
            between(&page, "aria-current=\"date\">", "</td>").to_owned(),
        ));
    }
    assert_ne!(todays[0], todays[1]);
}

#[test]
fn ends_the_calendar_with_its_years() {
    let mut desk = Desk::new();
    let first = desk.shown("/journal/month/0001-01");
    assert!(first.contains("January 1") && first.contains("0001-02") && !first.contains("rel=\"prev\""));
    let last = desk.shown("/journal/month/9999-12");
    assert!(last.contains("December 9999") && last.contains("9999-11") && !last.contains("rel=\"next\""));
    assert!(desk.shown("/journal/month/2024-02").contains("<span>29</span>"));
    assert!(!desk.shown("/journal/month/2025-02").contains("<span>29</span>"));
    for (typed, status, location) in [
        ("2025-01", 303, Some("/journal/month/2025-01")),
        ("+2025-01+", 303, Some("/journal/month/2025-01")),
        ("2025-13", 400, None),
        ("0000-01", 400, None),
        ("2025-01-01", 400, None),
        ("%3Cb%3E", 400, None),
    ] {
        let reply = desk.browser.get(&format!("/journal?month={typed}"));
        assert_eq!((reply.status, reply.field("location")), (status, location), "{typed}");
        assert_eq!(reply.field("cache-control"), Some("no-store"));
        assert!(!text(&reply).contains("<b>"), "{}", text(&reply));
    }
}

#[test]
fn has_each_page_at_one_path_by_get_and_head_and_no_other() {
    let mut desk = Desk::new();
    desk.write("A walk", "Sand", "2025-01-31");
    desk.program.ok("create_tag", json!({ "name": "quiet" }));
    for path in READ {
        let whole = desk.browser.get(path);
        let head = desk.browser.send("HEAD", path, &[]);
        assert_eq!((head.status, head.body.len()), (whole.status, 0), "{path}");
        assert_eq!(head.field("content-length"), whole.field("content-length"), "{path}");
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let reply = desk.browser.send(method, path, &[]);
            assert_eq!(
                (reply.status, reply.field("allow")),
                (405, Some("GET, HEAD, OPTIONS")),
                "{method} {path}"
            );
        }
        assert_eq!(desk.browser.send("OPTIONS", path, &[]).status, 204, "{path}");
    }
    for path in FORMS {
        let (whole, head) = (desk.browser.get(path), desk.browser.send("HEAD", path, &[]));
        assert_eq!((whole.status, head.status, head.body.len()), (200, 200, 0), "{path}");
        for method in ["PUT", "DELETE", "PATCH"] {
            let reply = desk.browser.send(method, path, &[]);
            let allowed = Some("GET, HEAD, POST, OPTIONS");
            assert_eq!((reply.status, reply.field("allow")), (405, allowed), "{method} {path}");
        }
    }
    for path in [
        "/journal/",
        "/journal/day/2025-02-29",
        "/journal/day/2025-1-31",
        "/journal/day/2025-01-31T00:00:00Z",
        "/journal/month/2025-00",
        "/journal/entry/0",
        "/journal/entry/01",
        "/journal/entry/x",
        "/journal/entry/99999999999999999999",
        "/journal/tag/-1",
        "/journal/%65ntry/1",
        "/journal/elsewhere",
        "/journal/entry/1/x",
    ] {
        let reply = desk.browser.get(path);
        let shown = text(&reply);
        assert!(reply.status == 404 && shown.contains("href=\"/journal\""), "{path}: {shown}");
        assert_eq!(reply.field("cache-control"), Some("no-store"), "{path}");
    }
    assert_eq!(desk.browser.get("/journalx").status, 404);
    let day = desk.shown("/journal/day/2024-02-29");
    assert!(day.contains("Thursday, 29 February 2024") && day.contains("Nothing is written"), "{day}");
}

#[test]
fn shows_what_was_written_as_text_and_never_as_markup() {
    let mut desk = Desk::new();
    let evil = "</textarea></title><script>alert(1)</script><img src=x onerror='alert(1)'>\" onload=\"x";
    let tag = desk.program.ok("create_tag", json!({ "name": evil, "description": evil }));
    let given = json!({ "title": evil, "content": format!("a\u{202e}b\u{200b}c\u{1b}[2J\r\n\r\n{evil}"), "mood": evil,
        "location": evil, "weather": evil, "date": "2025-01-31", "tags": [tag["tag"]["id"]] });
    desk.program.ok("create_entry", given);
    let paths = [
        "/journal/day/2025-01-31",
        "/journal/entry/1",
        "/journal/tags",
        "/journal/tag/1",
        "/journal/search?q=%3Cscript%3Ealert(1)%3C/script%3E%22%20onload=%22x",
    ];
    for path in paths {
        let reply = desk.browser.get(path);
        let shown = text(&reply);
        for markup in ["<script", "<img", "</textarea", "onload=\"", "style=", "\u{202e}", "\u{1b}"] {
            assert!(!shown.contains(markup), "{path} has {markup:?}: {shown}");
        }
        assert!(shown.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{path}: {shown}");
        assert_eq!(shown.matches("<title>").count(), 1);
    }
    // What can't be seen is seen to be there, and the text keeps its paragraphs.
    let entry = desk.shown("/journal/entry/1");
    assert!(
        entry.contains("<p dir=\"auto\">a\u{fffd}b\u{fffd}c\u{fffd}[2J</p>\n<p dir=\"auto\">&lt;/textarea"),
        "{entry}"
    );
}

#[test]
fn keeps_its_pages_out_of_frames_caches_and_scripts() {
    let mut desk = Desk::new();
    desk.write("A walk", "Sand", "2025-01-31");
    for path in READ.into_iter().chain(FORMS).chain(["/journal/nothing"]) {
        let page = desk.browser.get(path);
        let policy = page.field("content-security-policy").expect("a policy");
        assert_eq!(
            policy,
            "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        );
        assert_eq!(page.field("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(page.field("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(page.field("cache-control"), Some("no-store"), "{path}");
        assert_eq!(page.field("access-control-allow-origin"), None, "{path}");
        assert_eq!(page.field("set-cookie"), None, "{path}");
    }
}

#[test]
fn shows_a_long_list_page_by_page_and_each_entry_once() {
    let mut desk = Desk::new();
    let tag = desk.program.ok("create_tag", json!({ "name": "many" }))["tag"]["id"].clone();
    let count = 2 * limits::JOURNAL_PAGE_ENTRIES + 5;
    for number in 0..count {
        let given = json!({ "title": format!("Entry {number}"), "content": "x", "date": "2025-01-31", "tags": [tag] });
        desk.program.ok("create_entry", given);
    }
    desk.write("Another day", "x", "2025-01-30");
    let expected: Vec<_> = (0..count).rev().map(|number| format!("Entry {number}")).collect();
    for path in ["/journal/day/2025-01-31", "/journal/tag/1"] {
        let pages = desk.titles(path);
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [20, 20, 5], "{path}");
        assert_eq!(pages.concat(), expected, "{path}");
    }
    // A place in one list is none in another, and nobody can make one up.
    let day = desk.shown("/journal/day/2025-01-31");
    let after = between(&day, "after=", "\"").to_owned();
    for path in [
        format!("/journal/day/2025-01-30?after={after}"),
        format!("/journal/tag/1?after={after}"),
        "/journal/day/2025-01-31?after=x".to_owned(),
        format!("/journal/day/2025-01-31?after={after}&after={after}"),
    ] {
        assert_eq!(desk.browser.get(&path).status, 400, "{path}");
    }
}

#[test]
fn marks_what_a_search_has_found_and_never_takes_a_text_for_a_mark() {
    let mut desk = Desk::new();
    desk.write("A <b> walk", "The [sea] & the sea; by the <i>SEA</i>. Séa!", "2025-01-31");
    for number in 0..limits::JOURNAL_PAGE_ENTRIES + 2 {
        desk.write(&format!("Day {number}"), "A lake, and rain", "2025-01-30");
    }
    let page = desk.shown("/journal/search?q=sea");
    let sea = "<mark>sea</mark>";
    let expected =
        format!("The [{sea}] &amp; the {sea}; by the &lt;i&gt;<mark>SEA</mark>&lt;/i&gt;. <mark>Séa</mark>!");
    assert!(page.contains(&expected), "{page}");
    assert!(page.contains("value=\"sea\"") && page.contains("Found 1 entry for"), "{page}");
    // Page by page, by a link that keeps the query.
    let pages = desk.titles("/journal/search?q=%22a+lake%22+rain+-sea");
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [limits::JOURNAL_PAGE_ENTRIES, 2]);
    let nothing = desk.shown("/journal/search?q=%3Cb%3Enowhere");
    assert!(nothing.contains("Nothing was found for") && !nothing.contains("<b>"), "{nothing}");
    for (query, said) in [
        ("-sea", "A search can&#39;t only exclude."),
        ("!", "There is nothing to search for."),
        ("w*", "words"),
        (&"x".repeat(501), "A search can have at most 500 characters."),
        ("sea&after=x", "There is no such page of this list."),
    ] {
        let reply = desk.browser.get(&format!("/journal/search?q={query}"));
        let shown = text(&reply);
        assert!([200, 400].contains(&reply.status) && shown.contains(said), "{query}: {shown}");
        let kept = query.split('&').next().unwrap_or_default();
        assert!(shown.contains(&format!("value=\"{kept}\"")), "{query} is kept: {shown}");
    }
    assert!(!desk.shown("/journal/search?q=++").contains("role=\"alert\""), "nothing is asked for yet");
}

#[test]
fn bounds_each_page_however_much_was_written() {
    let mut desk = Desk::new();
    for content in ["\"".repeat(100_000), "\n".repeat(99_999) + "x", "😀".repeat(100_000)] {
        for _ in 0..7 {
            desk.write(&"'".repeat(300), &content, "2025-01-31");
        }
    }
    for (path, bytes_max) in [("/journal/day/2025-01-31", 150_000), ("/journal/month/2025-01", 20_000)] {
        let bytes = desk.shown(path).len();
        assert!(bytes < bytes_max, "{path} has {bytes} bytes");
    }
    for id in [1, 8, 15] {
        let page = desk.shown(&format!("/journal/entry/{id}"));
        assert!(page.len() < 2_000_000, "{} bytes", page.len());
    }
    assert_eq!(desk.shown("/journal/entry/15").matches('😀').count(), 100_000, "it is all there");
}

#[test]
fn is_there_while_programs_have_all_that_they_may_have() {
    let mut desk = Desk::new();
    desk.write("A walk", "Sand", "2025-01-31");
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let open: Vec<_> = (0..limits::REQUESTS_PER_PERSON_MAX).map(|_| desk.program.unfinished(body)).collect();
    assert_eq!(desk.program.post(&[], body).status, 429);
    assert!(desk.shown("/journal/entry/1").contains("Sand"));
    drop(open);
}

#[test]
fn is_reached_through_a_proxy_by_its_public_url_alone() {
    let (server, folder) = server(&["--public-url", PUBLIC]);
    let mut browser = Browser::signed_in(&server, PUBLIC_HOST);
    let token = folder.token(EMAIL, &[]);
    assert!(browser.cookie.as_deref().is_some_and(|cookie| cookie.starts_with("__Host-epicme=")));
    let page = text(&browser.get("/journal/month/2025-01"));
    assert!(page.contains("January 2025") && !page.contains("127.0.0.1"), "{page}");
    assert!(!page.contains(&token));
    let host = [("Host", "evil.example"), ("Cookie", browser.cookie.as_deref().unwrap_or_default())];
    assert_eq!(server.send(request("GET", "/journal", &host, "")).status, 403);
}

#[test]
fn leads_from_page_to_page() {
    let mut desk = Desk::new();
    for (from, to) in [
        ("/", "/journal"),
        ("/account", "/journal"),
        ("/journal", "/account"),
        ("/journal", "/journal/tags"),
        ("/journal", "/journal/search"),
        ("/journal/tags", "/journal"),
    ] {
        let page = desk.shown(from);
        assert!(page.contains(&format!("href=\"{to}\"")), "{from} leads to {to}: {page}");
    }
}

/// The page with the fields of an entry, and what stands in them.
struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads them as a browser does.
    #[track_caller]
    fn of(page: &Reply) -> Fields {
        let shown = text(page);
        let form = between(&shown, "<form method=\"post\"", "</form>");
        let plain = |text: &str| {
            let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
            entities.iter().fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
        };
        let mut fields = Vec::new();
        for input in form.split("<input").skip(1).map(|rest| rest.split("\">").next().unwrap_or_default()) {
            let input = format!("{input}\"");
            let is_off =
                input.contains("type=\"checkbox\"") && !form.contains(&format!("<input{input} checked>"));
            if !is_off || input.contains(" checked") {
                let value = between(&input, "value=\"", "\"");
                fields.push((between(&input, "name=\"", "\"").to_owned(), plain(value)));
            }
        }
        for area in form.split("<textarea").skip(1) {
            let value = between(area, ">\n", "</textarea>");
            fields.push((between(area, "name=\"", "\"").to_owned(), plain(value).replace('\n', "\r\n")));
        }
        assert!(fields.iter().any(|(name, _)| name == "form"), "no form: {shown}");
        Fields(fields)
    }

    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    /// The same with another value in one of them.
    fn with(mut self, name: &str, value: &str) -> Fields {
        self.0.retain(|(own, _)| own != name);
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    fn borrowed(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}

impl Desk {
    #[track_caller]
    fn fields(&mut self, path: &str) -> Fields {
        Fields::of(&self.browser.get(path))
    }

    #[track_caller]
    fn send(&mut self, path: &str, fields: &Fields) -> Reply {
        self.browser.post(path, &fields.borrowed())
    }

    /// Saves a new entry with the browser; returns its path.
    #[track_caller]
    fn save(&mut self, title: &str, content: &str) -> String {
        let fields = self.fields("/journal/new").with("title", title).with("content", content);
        let reply = self.send("/journal/new", &fields);
        assert_eq!(reply.status, 303, "{}", text(&reply));
        reply.field("location").expect("a path").to_owned()
    }
}

#[test]
fn saves_what_was_typed_as_a_program_finds_it() {
    let mut desk = Desk::new();
    desk.program.ok("create_tag", json!({ "name": "sea" }));
    let fields = desk
        .fields("/journal/new")
        .with("title", "  A \"walk\" & <more>")
        .with("content", "One\r\n\r\n  two\u{200f}\r\n")
        .with("date", "2025-07-31")
        .with("time", "09:30")
        .with("tags", "sea\r\n\r\n  the   harbour \r\nsea")
        .with("mood", " calm ")
        .with("weather", "   ")
        .with("favorite", "1");
    let reply = desk.send("/journal/new", &fields);
    assert_eq!((reply.status, reply.field("location")), (303, Some("/journal/entry/1")), "{}", text(&reply));
    let entry = desk.program.ok("get_entry", json!({ "id": 1 }))["entry"].clone();
    assert_eq!(entry["title"], "  A \"walk\" & <more>");
    assert_eq!(entry["content"], "One\n\n  two\u{200f}\n");
    assert_eq!((&entry["date"], &entry["dateTime"]), (&json!("2025-07-31"), &json!("2025-07-31T09:30:00Z")));
    assert_eq!((&entry["mood"], &entry["weather"]), (&json!("calm"), &json!(null)));
    assert_eq!((&entry["isFavorite"], &entry["isPrivate"]), (&json!(1), &json!(1)));
    let names: Vec<_> =
        entry["tags"].as_array().expect("tags").iter().map(|tag| tag["name"].clone()).collect();
    assert_eq!(names, ["sea", "the harbour"]);
    // Of an entry that is sent back as it was, nothing is another.
    let same = desk.fields("/journal/entry/1/edit");
    assert_eq!(desk.send("/journal/entry/1/edit", &same).status, 303);
    assert_eq!(desk.program.ok("get_entry", json!({ "id": 1 }))["entry"], entry);
    // What is changed is changed, and nothing else; a tag that is left out is detached.
    let fields = desk.fields("/journal/entry/1/edit").with("mood", "").with("tags", "the harbour\r\nnew");
    assert_eq!(desk.send("/journal/entry/1/edit", &fields).status, 303);
    let changed = desk.program.ok("get_entry", json!({ "id": 1 }))["entry"].clone();
    assert_eq!((&changed["mood"], &changed["content"]), (&json!(null), &entry["content"]));
    let names: Vec<_> =
        changed["tags"].as_array().expect("tags").iter().map(|tag| tag["name"].clone()).collect();
    assert_eq!(names, ["new", "the harbour"]);
    assert_eq!(desk.folder.count("tags"), 3, "no tag was deleted");
}

#[test]
fn moves_an_entry_to_another_day_with_the_offset_of_its_time() {
    let mut desk = Desk::new();
    let id = desk.write("Flight", "x", "2025-01-31T23:30:15-05:00");
    let path = format!("/journal/entry/{id}/edit");
    for (day, time, moved) in [
        ("2025-02-01", None, json!("2025-02-01T23:30:15-05:00")),
        ("2025-02-01", Some("08:00"), json!("2025-02-01T08:00:00Z")),
        ("2025-02-02", Some(""), json!(null)),
    ] {
        let mut fields = desk.fields(&path).with("date", day);
        if let Some(time) = time {
            fields = fields.with("time", time);
        }
        assert_eq!(desk.send(&path, &fields).status, 303);
        let entry = desk.program.ok("get_entry", json!({ "id": id }))["entry"].clone();
        assert_eq!((&entry["date"], &entry["dateTime"]), (&json!(day), &moved));
    }
}

#[test]
fn changes_no_character_of_what_a_page_can_not_show() {
    let mut desk = Desk::new();
    for (content, date) in [
        ("One\r\nTwo\r\n", "2025-01-31T17:45:59-03:30"),
        ("\n\n\u{202e}a\u{200b}\u{ad}\t\u{1}", "2025-01-31"),
        ("</textarea>&amp;\"'", "0001-01-01"),
    ] {
        let id = desk.write("A\u{200f}\nB", content, date);
        let before = desk.program.ok("get_entry", json!({ "id": id }));
        let path = format!("/journal/entry/{id}/edit");
        let fields = desk.fields(&path).with("location", "here");
        assert_eq!(desk.send(&path, &fields).status, 303);
        let after = desk.program.ok("get_entry", json!({ "id": id }));
        for name in ["title", "content", "date", "dateTime"] {
            assert_eq!(after["entry"][name], before["entry"][name], "{name}");
        }
        assert_eq!(after["entry"]["location"], "here");
    }
}

#[test]
fn loses_nothing_that_was_typed_when_something_is_wrong_with_it() {
    let mut desk = Desk::new();
    let long = "ä".repeat(100_001);
    for (name, value, said) in [
        ("title", "", "Title must not be empty."),
        ("title", "\u{200b} ", "Title must not be empty."),
        ("title", &"x".repeat(301), "Title can have at most 300 characters, and this has 301."),
        ("content", &long, "Text can have at most 100000 characters, and this has 100001."),
        ("content", " \r\n ", "Text must have something that can be seen, or be left empty."),
        ("mood", &"x".repeat(201), "Mood can have at most 200 characters, and this has 201."),
        ("date", "2025-02-29", "There is no such date."),
        ("date", "yesterday", "There is no such date."),
        ("time", "25:00", "There is no such time."),
        ("tags", "a\u{202e}b", "The name of a tag must not contain"),
        ("tags", &"x".repeat(101), "The name of a tag can have at most 100 characters, and one has 101."),
        (
            "tags",
            &(0..51).map(|number| format!("{number}\r\n")).collect::<String>(),
            "An entry can have at most 50 tags, and these are 51.",
        ),
    ] {
        let fields = desk.fields("/journal/new").with("title", "A title").with("content", "A text\r\n<b>");
        let fields = fields.with("location", "\"there\"").with(name, value);
        let reply = desk.send("/journal/new", &fields);
        let shown = text(&reply);
        assert!(
            reply.status == 400 && shown.contains(said),
            "{said}: {}",
            between(&shown, "<main>", "</main>")
        );
        assert_eq!(shown.matches("aria-invalid").count(), 1, "{said}");
        let again = Fields::of(&reply);
        for kept in ["title", "content", "date", "time", "tags", "mood", "location", "private"] {
            assert_eq!(again.get(kept), fields.get(kept), "{said}: {kept} is kept");
        }
        assert_ne!(again.get("form"), fields.get("form"), "with a fresh token");
    }
    assert_eq!((desk.folder.count("entries"), desk.folder.count("tags")), (0, 0));
}

#[test]
fn keeps_what_was_typed_for_longer_than_a_form_or_a_session_lasts() {
    let mut desk = Desk::new();
    let typed = |fields: Fields| fields.with("title", "Long thoughts").with("content", "Much text");
    let check = |reply: &Reply, status: u16, said: &str| {
        let shown = text(reply);
        assert!(reply.status == status && shown.contains(said), "{said}: {} {shown}", reply.status);
        assert_eq!(Fields::of(reply).get("content"), "Much text");
        assert_eq!(reply.field("set-cookie"), None);
        typed(Fields::of(reply))
    };
    // A token that is no good: of another page, made up, or too old.
    let other = desk.fields("/account");
    for form in ["v1.x.y", "", other.get("form")] {
        let fields = typed(desk.fields("/journal/new")).with("form", form);
        let reply = desk.send("/journal/new", &fields);
        check(&reply, 400, "Press Save again");
    }
    assert_eq!(desk.folder.count("entries"), 0, "nothing is done with such a token");
    // Signed out, and signed in again in another window.
    let fields = typed(desk.fields("/journal/new"));
    desk.folder.tamper("DELETE FROM browsers");
    let reply = desk.send("/journal/new", &fields);
    let fields = check(&reply, 403, "you were signed out meanwhile");
    let shown = text(&reply);
    assert!(
        !shown.contains(EMAIL) && !shown.contains("UTC") && shown.contains("in your time zone;"),
        "{shown}"
    );
    desk.browser.sign_in();
    let reply = desk.send("/journal/new", &fields);
    let fields = check(&reply, 400, "Press Save again");
    assert_eq!(desk.send("/journal/new", &fields).status, 303);
    assert_eq!(desk.folder.count("entries"), 1);
    // The same form a second time: the first press counts, and what is typed is kept.
    let reply = desk.send("/journal/new", &fields);
    check(&reply, 400, "This form was already used");
    assert_eq!(desk.folder.count("entries"), 1);
    // The database can't be written: the form stays good.
    let fields = typed(desk.fields("/journal/new"));
    desk.folder.tamper("ALTER TABLE entries RENAME COLUMN mood_key TO elsewhere");
    let reply = desk.send("/journal/new", &fields);
    check(&reply, 503, "Nothing was saved");
    assert!(reply.field("retry-after").is_some());
    desk.folder.tamper("ALTER TABLE entries RENAME COLUMN elsewhere TO mood_key");
    assert_eq!(desk.send("/journal/new", &fields).status, 303);
}

#[test]
fn writes_nothing_for_another_site_and_shows_nothing_that_it_sends() {
    let mut desk = Desk::new();
    let path = desk.save("A title", "A text");
    let (edit, delete) = (format!("{path}/edit"), format!("{path}/delete"));
    // An attacker's own token, from the attacker's own browser.
    let foreign = {
        desk.folder.token(OTHER, &[]);
        let mut eve = Browser::at(&desk.server);
        let form = hidden(&eve.get("/account"), "form").expect("a form");
        let fields = [("form", form.as_str()), ("email", OTHER), ("password", PASSWORD)];
        assert_eq!(eve.post("/sign-in", &fields).status, 303);
        hidden(&eve.get("/journal/new"), "form").expect("a form")
    };
    let shown = desk.fields(&delete);
    let fields = [
        ("form", foreign.as_str()),
        ("title", "Planted"),
        ("content", "Planted"),
        ("shown", shown.get("shown")),
    ];
    let host = desk.server.address.to_string();
    let cookie = desk.browser.cookie.clone().expect("a cookie");
    for place in ["/journal/new", &edit, &delete] {
        // Without the cookie, as a form of another site comes.
        let reply = desk.browser.send_as(None, "POST", place, &fields);
        assert!(reply.status == 400 && !text(&reply).contains("Planted"), "{place}: {}", text(&reply));
        assert_eq!(reply.field("set-cookie"), None);
        // With it, from another port of this machine: the browser says so.
        for site in ["same-site", "cross-site"] {
            let head = [
                ("Host", host.as_str()),
                ("Cookie", &cookie),
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("Sec-Fetch-Site", site),
            ];
            let reply = desk.server.send(request("POST", place, &head, &crate::oauth::encoded(&fields)));
            assert!(reply.status == 400 && !text(&reply).contains("Planted"), "{place}: {}", text(&reply));
        }
        // A browser that doesn't say so: the token decides.
        assert_eq!(desk.browser.post(place, &fields).status, 400, "{place}");
    }
    assert!(desk.shown(&path).contains("A text"));
    assert_eq!(desk.folder.count("entries"), 1);
    // The token of one page is none for another.
    let own = desk.fields("/journal/new");
    let fields = desk.fields(&delete).with("form", own.get("form"));
    assert_eq!(desk.send(&delete, &fields).status, 400);
    let own = desk.fields(&edit);
    let fields = desk.fields(&delete).with("form", own.get("form"));
    assert_eq!(desk.send(&delete, &fields).status, 400);
    assert_eq!(desk.folder.count("entries"), 1);
    // And that of the page itself is good, once.
    let fields = desk.fields(&delete);
    let head = [
        ("Host", host.as_str()),
        ("Cookie", &cookie),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Sec-Fetch-Site", "same-origin"),
    ];
    let good = request("POST", &delete, &head, &crate::oauth::encoded(&fields.borrowed()));
    assert_eq!(desk.server.send(good).status, 303);
    assert_eq!(desk.folder.count("entries"), 0);
    assert_eq!(desk.send(&delete, &fields).status, 400, "it is used");
}

#[test]
fn saves_once_however_often_the_button_is_pressed() {
    let mut desk = Desk::new();
    let fields = desk.fields("/journal/new").with("title", "Once").with("content", "Only");
    let browser = &desk.browser;
    let statuses = std::thread::scope(|scope| {
        let press =
            || browser.send_as(browser.cookie.as_deref(), "POST", "/journal/new", &fields.borrowed()).status;
        let all: Vec<_> = (0..8).map(|_| scope.spawn(press)).collect();
        let mut all: Vec<_> = all.into_iter().map(|one| one.join().expect("an answer")).collect();
        all.sort_unstable();
        all
    });
    assert_eq!(statuses, [303, 400, 400, 400, 400, 400, 400, 400]);
    assert_eq!(desk.folder.count("entries"), 1);
}

#[test]
fn writes_over_no_change_that_the_person_has_not_seen() {
    let mut desk = Desk::new();
    let path = desk.save("A title", "A text");
    let (edit, delete) = (format!("{path}/edit"), format!("{path}/delete"));
    let change = |desk: &mut Desk, content: &str| {
        desk.program.ok("update_entry", json!({ "id": 1, "content": content }));
    };
    // The question was about another text.
    let asked = desk.fields(&delete);
    change(&mut desk, "A program's <text>");
    let reply = desk.send(&delete, &asked);
    assert!(reply.status == 409 && text(&reply).contains("A program&#39;s &lt;text&gt;"), "{}", text(&reply));
    let without = Fields::of(&reply).with("shown", "");
    assert_eq!(desk.send(&delete, &without).status, 409, "what the person has seen isn't left out");
    // Two changes at once: both are shown, and the person decides.
    let fields = desk.fields(&edit).with("content", "The person's text");
    change(&mut desk, "Another program's text");
    let reply = desk.send(&edit, &fields);
    let shown = text(&reply);
    assert_eq!(reply.status, 409, "{shown}");
    assert!(shown.contains("<p dir=\"auto\">Another program&#39;s text</p>"), "{shown}");
    assert_eq!(Fields::of(&reply).get("content"), "The person's text");
    assert!(desk.shown(&path).contains("Another program"));
    let without = Fields::of(&reply).with("shown", "");
    assert_eq!(desk.send(&edit, &without).status, 409, "nor here");
    // It has changed once more since.
    change(&mut desk, "A third text");
    let reply = desk.send(&edit, &Fields::of(&reply));
    assert_eq!(reply.status, 409);
    assert_eq!(desk.send(&edit, &Fields::of(&reply)).status, 303);
    assert!(desk.shown(&path).contains("The person&#39;s text"));
    // A tag counts as a part of what was seen.
    let (asked, fields) = (desk.fields(&delete), desk.fields(&edit).with("title", "New"));
    desk.program.ok("update_entry", json!({ "id": 1, "tagNames": ["new"] }));
    assert_eq!((desk.send(&delete, &asked).status, desk.send(&edit, &fields).status), (409, 409));
    // Deleted meanwhile: the text is still there, as a new entry.
    let fields = desk.fields(&edit).with("content", "Kept text");
    desk.program.ok("delete_entry", json!({ "id": 1 }));
    let reply = desk.send(&edit, &fields);
    assert!(reply.status == 404 && text(&reply).contains("deleted meanwhile"), "{}", text(&reply));
    let fields = Fields::of(&reply);
    assert_eq!(fields.get("content"), "Kept text");
    assert_eq!(desk.send("/journal/new", &fields).field("location"), Some("/journal/entry/2"));
}

#[test]
fn deletes_an_entry_only_after_a_question_of_its_own() {
    let mut desk = Desk::new();
    let path = desk.save("A <title>", "A text");
    let delete = format!("{path}/delete");
    assert!(desk.shown(&path).contains(&format!("href=\"{delete}\"")));
    let asked = desk.shown(&delete);
    assert!(
        asked.contains("Delete this entry?") && asked.contains("A &lt;title&gt;") && asked.contains("A text")
    );
    assert_eq!(desk.browser.send("HEAD", &delete, &[]).status, 200);
    assert_eq!(desk.folder.count("entries"), 1, "to be asked changes nothing");
    let fields = desk.fields(&delete);
    let reply = desk.send(&delete, &fields);
    assert_eq!(reply.status, 303, "{}", text(&reply));
    assert!(reply.field("location").is_some_and(|there| there.starts_with("/journal/day/")));
    assert_eq!(desk.browser.get(&path).status, 404);
    for gone in [&delete, &format!("{path}/edit")] {
        assert_eq!(desk.browser.get(gone).status, 404, "{gone}");
    }
}

#[test]
fn keeps_another_persons_entries_from_its_forms() {
    let mut desk = Desk::new();
    let mut eve = Client::new(&desk.server, &desk.folder.token(OTHER, &[]));
    for _ in 0..2 {
        eve.ok("create_entry", json!({ "title": "Hers", "content": "Secret" }));
    }
    let own = desk.save("Mine", "Own");
    assert_eq!(own, "/journal/entry/1");
    for place in ["/journal/entry/2/edit", "/journal/entry/2/delete"] {
        let reply = desk.browser.get(place);
        assert!(reply.status == 404 && !text(&reply).contains("Hers"), "{place}");
        // A form for it can't be had; that of an own entry is none for it.
        let fields = desk.fields(&place.replace('2', "1"));
        let reply = desk.send(place, &fields);
        assert!([400, 404].contains(&reply.status) && !text(&reply).contains("Hers"), "{place}");
    }
    assert_eq!(desk.folder.count("entries WHERE content = 'Secret'"), 2);
    assert_eq!(desk.shown(&own).matches("Own").count(), 1);
}

#[test]
fn tells_open_streams_what_was_changed_on_a_page() {
    let mut desk = Desk::new();
    let path = desk.save("A title", "A text");
    let params = json!({ "_meta": modern_meta(), "notifications": { "resourceSubscriptions": ["epicme://entries/1"] } });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params });
    let fields = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "subscriptions/listen")];
    let mut stream = desk.program.open(&fields, &message.to_string()).events();
    assert_eq!(stream.message()["method"], "notifications/subscriptions/acknowledged");
    let edit = format!("{path}/edit");
    let fields = desk.fields(&edit).with("content", "Another text");
    assert_eq!(desk.send(&edit, &fields).status, 303);
    let told = stream.message();
    assert_eq!(told["method"], "notifications/resources/updated");
    assert_eq!(told["params"]["uri"], "epicme://entries/1");
}

#[test]
fn takes_a_form_of_the_largest_entry_and_none_that_is_larger_than_it_may_be() {
    let mut desk = Desk::new();
    let fields = desk.fields("/journal/new").with("title", "Large").with("content", &"😀".repeat(100_000));
    assert_eq!(desk.send("/journal/new", &fields).status, 303);
    // No browser sends more than this: each field full of the characters that take the most bytes.
    let page = desk.shown("/journal/new");
    let longest = |name: &str| {
        let of_field = page.split(&format!(" name=\"{name}\"")).nth(1).unwrap_or_default();
        between(of_field, " maxlength=\"", "\"").parse::<usize>().expect(name)
    };
    let mut fields = desk.fields("/journal/new");
    for name in ["title", "content", "tags", "mood", "location", "weather"] {
        fields = fields.with(name, &"今".repeat(longest(name)));
    }
    let reply = desk.send("/journal/new", &fields);
    let shown = text(&reply);
    assert!(reply.status == 400 && shown.matches("can have at most").count() == 6, "{}", reply.status);
    assert_eq!(Fields::of(&reply).get("content").chars().count(), 400_000);
    // From something else than a browser.
    let fields = desk.fields("/journal/new").with("title", "Large").with("content", &"😀".repeat(400_000));
    let reply = desk.send("/journal/new", &fields);
    assert!(reply.status == 413 && text(&reply).contains("at most 100000 characters"), "{}", text(&reply));
    // A stranger's is read no further than anywhere else, and comes back to a person who has signed in.
    let fields = desk.fields("/journal/new").with("title", "Large").with("content", &"x".repeat(70_000));
    desk.folder.tamper("DELETE FROM browsers");
    let reply = desk.send("/journal/new", &fields);
    assert!(
        reply.status == 413 && text(&reply).contains("you were signed out meanwhile"),
        "{}",
        text(&reply)
    );
    desk.browser.sign_in();
    let reply = desk.send("/journal/new", &fields);
    assert_eq!((reply.status, Fields::of(&reply).get("content").len()), (400, 70_000));
    assert_eq!(desk.folder.count("entries"), 1);
}

#[test]
fn takes_an_entry_without_a_text_as_a_program_does_and_leaves_an_old_title_alone() {
    let mut desk = Desk::new();
    let path = desk.save("Only a title", "");
    assert_eq!(desk.program.ok("get_entry", json!({ "id": 1 }))["entry"]["content"], "");
    // An earlier version took a title of which nothing is seen.
    desk.folder.tamper("UPDATE entries SET title = ' '");
    let edit = format!("{path}/edit");
    let fields = desk.fields(&edit).with("content", "A text");
    assert_eq!(desk.send(&edit, &fields).status, 303);
    desk.program.ok("update_entry", json!({ "id": 1, "mood": "calm" }));
    let entry = desk.program.ok("get_entry", json!({ "id": 1 }))["entry"].clone();
    assert_eq!(
        (&entry["title"], &entry["content"], &entry["mood"]),
        (&json!(" "), &json!("A text"), &json!("calm"))
    );
    // A title that is given is checked.
    let fields = desk.fields(&edit).with("title", "  ");
    assert_eq!(desk.send(&edit, &fields).status, 400);
    let said = desk.program.fails("update_entry", json!({ "id": 1, "title": "  " }));
    assert!(said.contains("title must have a visible character"), "{said}");
}

#[test]
fn keeps_a_day_and_a_time_that_the_clocks_skip() {
    let mut desk = Desk::new();
    for (zone, date, time, kept) in [
        ("Pacific/Apia", "2011-12-30", "", None),
        ("Pacific/Apia", "2011-12-30", "09:30", Some("2011-12-30T09:30:00-10:00")),
        ("Europe/Berlin", "2025-03-30", "02:30", Some("2025-03-30T02:30:00+01:00")),
    ] {
        desk.folder.tamper(&format!("UPDATE users SET time_zone = '{zone}'"));
        let fields =
            desk.fields("/journal/new").with("title", "Skipped").with("date", date).with("time", time);
        let reply = desk.send("/journal/new", &fields);
        assert_eq!(reply.status, 303, "{}", text(&reply));
        let path = reply.field("location").expect("a path").to_owned();
        let id: i64 = path.rsplit('/').next().and_then(|id| id.parse().ok()).expect("an id");
        let entry = desk.program.ok("get_entry", json!({ "id": id }))["entry"].clone();
        assert_eq!((&entry["date"], &entry["dateTime"]), (&json!(date), &json!(kept)));
        // What is shown again is what was typed.
        let fields = desk.fields(&format!("{path}/edit"));
        assert_eq!((fields.get("date"), fields.get("time")), (date, time));
    }
}

#[test]
fn writes_about_a_day_that_was_chosen() {
    let mut desk = Desk::new();
    let day = desk.shown("/journal/day/2025-01-31");
    assert!(day.contains("href=\"/journal/new?date=2025-01-31\""), "{day}");
    let fields = desk.fields("/journal/new?date=2025-01-31").with("title", "Then").with("content", "x");
    assert_eq!((fields.get("date"), fields.get("time")), ("2025-01-31", ""));
    assert_eq!(desk.send("/journal/new", &fields).status, 303);
    let entry = desk.program.ok("get_entry", json!({ "id": 1 }))["entry"].clone();
    assert_eq!((&entry["date"], &entry["dateTime"]), (&json!("2025-01-31"), &json!(null)));
    for bad in ["2025-02-29", "x", "2025-01-31&date=2025-01-30"] {
        assert_eq!(desk.browser.get(&format!("/journal/new?date={bad}")).status, 400, "{bad}");
    }
    // A day that is left empty is today, with the time.
    let fields = desk
        .fields("/journal/new")
        .with("title", "Now")
        .with("content", "x")
        .with("date", "")
        .with("time", "");
    assert_eq!(desk.send("/journal/new", &fields).status, 303);
    assert!(desk.program.ok("get_entry", json!({ "id": 2 }))["entry"]["dateTime"].is_string());
}

/// The clients for which the first page and the document have a recipe.
const CLIENTS: [&str; 16] = [
    "Claude Code",
    "Claude Desktop",
    "claude.ai",
    "ChatGPT",
    "VS Code",
    "Cursor",
    "Codex CLI",
    "Gemini CLI",
    "Goose",
    "Zed",
    "opencode",
    "LibreChat",
    "Open WebUI",
    "mcp-remote",
    "MCP Inspector",
    "curl",
];

/// The recipes on the first page: the name of each, and what is shown under it.
fn recipes(page: &str) -> Vec<(&str, &str)> {
    let parts = page.split("<details>\n<summary>").skip(1);
    parts.map(|part| part.split_once("</summary>").expect("a name")).collect()
}

#[test]
fn has_a_recipe_for_each_client_with_the_url_of_the_server() {
    let document = std::fs::read_to_string("docs/clients.md").expect("the document");
    let sections: Vec<_> =
        document.split("\n## ").skip(1).filter_map(|section| section.lines().next()).collect();
    assert_eq!(sections, CLIENTS);
    for options in [&["--public-url", PUBLIC][..], &[]] {
        let (server, _folder) = server(options);
        let host = server.address.to_string();
        let own = if options.is_empty() { format!("http://{host}") } else { PUBLIC.to_owned() };
        let reply = server.send(request("GET", "/", &[("Host", &host)], ""));
        let page = text(&reply).replace("&quot;", "\"").replace("&#39;", "'");
        assert!(reply.status == 200 && page.len() < 20_000, "{} bytes", page.len());
        assert!(!page.contains("<script") && !page.contains("{url}") && !page.contains("em_"), "{page}");
        let recipes = recipes(&page);
        assert_eq!(recipes.iter().map(|(name, _)| *name).collect::<Vec<_>>(), CLIENTS);
        for (name, recipe) in recipes {
            let elsewhere = ["claude.ai", "ChatGPT"].contains(&name);
            let block = between(recipe, "<pre>", "</pre>");
            if elsewhere && own.starts_with("http:") {
                assert!(block.is_empty() && recipe.contains("needs an https URL"), "{name}: {recipe}");
                assert!(recipe.contains(&own), "{name}: {recipe}");
                continue;
            }
            let has = block.contains(&format!("{own}/mcp"));
            assert_eq!(has, name != "Claude Desktop", "{name}: {block}");
            assert!(recipe.contains("Checked in "), "{name}: {recipe}");
            // No URL of an MCP endpoint is another one than this server's.
            let shown = recipe.replace(&format!("{own}/mcp"), "");
            assert!(!shown.contains("127.0.0.1:") && !shown.contains("example/mcp"), "{name}: {shown}");
        }
    }
}
