//! The page that shows each exchange of this server as it happens (`serve --watch`): a sequence diagram, and behind
//! each exchange what was checked.
//!
//! Reads no database. Everything on it is from the objects that the wire view makes, in which no secret is left.
//! Without a script the page shows the last exchanges when it is loaded. The script only puts new ones below them, as
//! this file has made them: an exchange has one form, on the page, in the stream and in the file that a person keeps.
//!
//! Nobody signs in here. The server listens on loopback alone then, and everybody who can read this page can use the
//! machine; see `docs/threats.md`. No other site's page can read it: `gate::check_host` was called, and no CORS header
//! is sent. Nor can it take a place of those who watch, which it could without reading anything.

mod steps;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use self::steps::{Step, TEXTS};
use super::{Html, PageError, is_from_here, page_with_script};
use crate::actor::Actor;
use crate::context::Context;
use crate::doctor::challenge;
use crate::http::WWW_AUTHENTICATE;
use crate::http::response::{self, EventStream, Response};
use crate::limits;
use crate::oauth::Parameters;
use crate::site;
use crate::watch::{Further, Watch, WatchedRequest, Watcher};

/// What the page needs beside the style of all pages.
const STYLE: &str = include_str!("watch.css");
const SCRIPT: &str = include_str!("watch.js");

/// Answers a GET of a path below [`site::WATCH`].
pub(crate) fn show(context: &Context, watch: &Arc<Watch>) -> Result<Response, PageError> {
    let query = context.head.query().unwrap_or_default();
    let query = Parameters::parse(query.as_bytes()).map_err(PageError::Fields)?;
    let client = query.get("client");
    Ok(match context.head.path().strip_prefix(site::WATCH).unwrap_or_default() {
        "" => page(watch, client),
        "/events" if !is_from_here(context.head) => {
            Response::text(403, &format!("only the page at {} is told of exchanges", site::WATCH))
        }
        "/events" => match watch.watcher() {
            Some(watcher) => events(watcher, watch.number(query.get("after").unwrap_or("")), client),
            None => Response::text(503, "as many pages watch this server as may; close one of them")
                .with("Retry-After", limits::REQUESTS_RETRY_SECONDS.to_string()),
        },
        "/export" => export(watch, client, &context.now.iso8601()),
        "/watch.css" => kept_for_a_while(Response::css(STYLE)),
        "/watch.js" => kept_for_a_while(Response::script(SCRIPT)),
        path => {
            let known = TEXTS.iter().find(|(name, _)| path.strip_prefix('/') == Some(name));
            let (_, text) = known.ok_or(PageError::NotFound("There is no such page here."))?;
            Response::text(200, text.trim_end()).with("X-Content-Type-Options", "nosniff")
        }
    })
}

/// A browser may keep these for a while, but not past a new version of the program.
fn kept_for_a_while(response: Response) -> Response {
    response.with("Cache-Control", "no-cache").with("X-Content-Type-Options", "nosniff")
}

/// The exchanges that the page shows: all of these, or those of one client.
fn shown(kept: &[Arc<WatchedRequest>], client: Option<&str>) -> Vec<Arc<WatchedRequest>> {
    kept.iter().filter(|exchange| is_of(exchange, client)).cloned().collect()
}

fn is_of(exchange: &WatchedRequest, client: Option<&str>) -> bool {
    client.is_none_or(|client| exchange.event["program"] == client)
}

fn page(watch: &Watch, client: Option<&str>) -> Response {
    // Asked for once: an exchange that came in between would be on the page, and then in the stream once more.
    let kept = watch.kept();
    let shown = shown(&kept, client);
    let last = kept.last().map_or(0, |exchange| exchange.number);
    let mut clients: Vec<_> = kept.iter().filter_map(|exchange| exchange.event["program"].as_str()).collect();
    clients.extend(client); // none of its exchanges may be kept any more
    clients.sort_unstable();
    clients.dedup();
    let option = |name: &str| {
        Html::markup("<option")
            .then(if Some(name) == client { " selected" } else { "" })
            .then(">")
            .then_text(name)
            .then("\n")
    };
    let query = client.map_or_else(String::new, |client| {
        form_urlencoded::Serializer::for_suffix("?".to_owned(), 1).append_pair("client", client).finish()
    });
    let body = Html::markup("<p>Press Connect in your client, and read here what happens. The newest exchange is below; ")
        .then("open one to see what was checked. Secrets are cut.</p>\n")
        .then("<form class=\"row tools\">\n<label for=\"client\">Of</label>\n<select id=\"client\" name=\"client\">\n")
        .then("<option value=\"\">all clients\n")
        .and(Html::all(clients.into_iter().map(option)))
        .then("</select>\n<button class=\"quiet\">Show</button>\n</form>\n<p class=\"tools\"><a href=\"/watch/export")
        .then_text(&query)
        .then("\">Keep as a file</a> <a id=\"refresh\" href=\"/watch")
        .then_text(&query)
        .then("\">Refresh</a></p>\n<p id=\"state\" role=\"status\">")
        .then_text(&state(&shown))
        .then("</p>\n")
        .and(diagram(&shown, Some(watch.place(last))));
    page_with_script("Watch", body)
}

/// Says in words how many exchanges there are, for a page without a script and for a screen reader.
fn state(shown: &[Arc<WatchedRequest>]) -> String {
    match shown.len() {
        0 => "No exchange yet.".to_owned(),
        1 => "1 exchange.".to_owned(),
        count => format!("{count} exchanges."),
    }
}

/// Draws the columns, and below their names each exchange. With a `place` a script goes on after it.
fn diagram(exchanges: &[Arc<WatchedRequest>], place: Option<String>) -> Html {
    // The longest word may be broken on a phone.
    let shown = |actor: Actor| match actor {
        Actor::AuthorizationServer => "author&shy;ization server",
        other => other.name(),
    };
    let names = Actor::ALL.into_iter().map(|actor| Html::markup("<span>").then(shown(actor)).then("</span>"));
    Html::markup("<div class=\"actors\" aria-hidden=\"true\">")
        .and(Html::all(names))
        .then("</div>\n<ol id=\"exchanges\" class=\"exchanges\"")
        .and(
            place.as_ref().map_or_else(Html::default, |place| {
                Html::markup(" data-place=\"").then_text(place).then("\"")
            }),
        )
        .then(">\n")
        .and(Html::all(exchanges.iter().map(|exchange| item(exchange, place.is_some()))))
        .then("</ol>\n")
}

/// Answers with a stream of exchanges, each as the page shows it.
///
/// A burst is sent in parts with a pause between them, in which as many exchanges as are kept may come. So a watcher
/// takes a bounded part of the machine, however many requests there are, and the rest is counted.
fn events(watcher: Watcher, after: u64, client: Option<&str>) -> Response {
    let client = client.map(str::to_owned);
    let mut after = after;
    Response::stream(Box::new(move |stream: &mut EventStream| {
        let mut silent_since = Instant::now();
        loop {
            let news = watcher.wait(after, limits::STREAM_LOOK);
            if !stream.is_client_there() {
                return Ok(());
            }
            let Further::Exchanges(new, missed) = news else { return Ok(()) };
            let Some(last) = new.last() else {
                if silent_since.elapsed() >= limits::KEEP_ALIVE {
                    stream.keep_alive()?;
                    silent_since = Instant::now();
                }
                continue;
            };
            after = last.number;
            send(stream, &new, missed, &watcher.watch().place(after), client.as_deref())?;
            silent_since = Instant::now();
            std::thread::sleep(limits::WATCH_PAUSE);
        }
    }))
}

/// Sends exchanges as one message: their HTML, how many are missing before them, and the place to go on from.
fn send(
    stream: &mut EventStream,
    new: &[Arc<WatchedRequest>],
    missed: u64,
    place: &str,
    client: Option<&str>,
) -> io::Result<()> {
    let new: Vec<_> = new.iter().filter(|exchange| is_of(exchange, client)).collect();
    let html = Html::all(new.iter().map(|exchange| item(exchange, true)));
    let html = String::from_utf8(html.into_bytes()).unwrap_or_default();
    stream.send(&json!({ "place": place, "missed": missed, "count": new.len(), "html": html }))
}

/// Answers with all that is shown as one file, which needs no server, no script and no network.
fn export(watch: &Watch, client: Option<&str>, now: &str) -> Response {
    let shown = shown(&watch.kept(), client);
    let html = Html::markup("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .then("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n")
        .then("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .then("<meta name=\"color-scheme\" content=\"light dark\">\n<title>Exchanges with epicme</title>\n<style>\n")
        .then(super::STYLE)
        .then(STYLE)
        .then("</style>\n</head>\n<body class=\"wide\">\n<main>\n<h1>Exchanges with epicme</h1>\n<p>")
        .then_text(&format!("{} As of {now}. Secrets are cut.", state(&shown)))
        .then("</p>\n")
        .and(diagram(&shown, None))
        .then("</main>\n</body>\n</html>\n");
    Response::html(200, html.into_bytes())
        .with("Content-Disposition", "attachment; filename=\"epicme-exchanges.html\"")
        .with("Cache-Control", "no-store")
        .with("X-Content-Type-Options", "nosniff")
}

/// Draws one exchange: its arrows and its sentence, and closed behind them what there is to know of it. In a file the
/// further texts are named without a link.
fn item(exchange: &WatchedRequest, has_links: bool) -> Html {
    let event = &exchange.event;
    let step = steps::of(event);
    let (request, response) = (&event["request"], &event["response"]);
    let path = request["path"].as_str().unwrap_or("(no request that can be read)");
    let question = format!("{} {path}", text(&request["method"])).trim_start().to_owned();
    let answer = status(response);
    let (to, from) = (step.to.name(), step.from.name());
    Html::markup("<li class=\"")
        .then(if response["status"].as_u64().is_some_and(|status| status < 400) { "good" } else { "refused" })
        .then("\">\n<details>\n<summary>\n")
        .and(arrow(step.from, step.to, &question))
        .and(if step.goes_on {
            arrow(step.to, Actor::Journal, &text(&event["operation"]))
        } else {
            Html::default()
        })
        .and(arrow(step.to, step.from, &answer))
        .then("<span class=\"said\"><span class=\"hidden\">")
        .then_text(&format!("{from} to {to}: {question}; {to} to {from}: {answer}. "))
        .then("</span>")
        .then(step.sentence)
        .then("</span>\n</summary>\n<div class=\"facts\">\n")
        .and(facts(event, &step, has_links))
        .then("</div>\n</details>\n</li>\n")
}

/// Draws an arrow between two columns, with what is sent above it. The words that a screen reader reads are elsewhere.
fn arrow(from: Actor, to: Actor, label: &str) -> Html {
    // The style sheet can't compute with an attribute, and the page's policy allows no style in an element.
    let class = |actor: Actor| match actor {
        Actor::WebBrowser => "1",
        Actor::Client => "2",
        Actor::Gate => "3",
        Actor::AuthorizationServer => "4",
        Actor::Journal => "5",
    };
    Html::markup("<span class=\"arrow ")
        .then(if from < to { "right" } else { "left" })
        .then(" from-")
        .then(class(from.min(to)))
        .then(" to-")
        .then(class(from.max(to)))
        .then("\" aria-hidden=\"true\"><span>")
        .then_text(label)
        .then("</span></span>\n")
}

/// Lists what there is to know of an exchange.
fn facts(event: &Value, step: &Step, has_links: bool) -> Html {
    let when = [
        ("When", text(&event["at"])),
        ("Program", text(&event["program"])),
        ("Address", text(&event["client"])),
        ("Id", text(&event["id"])),
    ];
    let mut sent: Vec<_> = pairs(&event["request"]["fields"]);
    sent.insert(0, (text(&event["request"]["method"]), target(&event["request"])));
    let answered = event["response"]["fields"].as_object().into_iter().flatten();
    let answered: Vec<_> = [("Status".to_owned(), status(&event["response"]))]
        .into_iter()
        .chain(answered.map(|(name, value)| (name.clone(), text(value))))
        .collect();
    let decided = [("Operation", text(&event["operation"])), ("Outcome", text(&event["outcome"]))];
    let read_on = [step.chapter, step.source].map(|path| {
        let link = Html::markup("<a href=\"/watch/").then(path).then("\">").then(path).then("</a>");
        Html::markup("<li>").and(if has_links { link } else { Html::text(path) }).then("</li>\n")
    });
    Html::all([
        list("", when),
        list("Sent", sent),
        checks(&event["checks"]),
        list("Decided", decided),
        list("The token", pairs(&event["token"])),
        list("OAuth error", pairs(&event["oauth"])),
        list("What to do", [("Remedy", text(&event["remedy"]))]),
        list("Answered", answered),
        list("The challenge, taken apart", challenge_parts(&event["response"]["fields"])),
        Html::markup("<h3>Read on</h3>\n<ul>\n").and(Html::all(read_on)).then("</ul>\n"),
    ])
}

/// Returns the status of an answer with its words.
fn status(response: &Value) -> String {
    let status =
        response["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default();
    format!("{status} {}", response::reason(status))
}

/// Returns the request's target with the names in its query.
fn target(request: &Value) -> String {
    let names = request["query"].as_array().into_iter().flatten().map(|name| format!("{}=…", text(name)));
    let names: Vec<_> = names.collect();
    let mark = if names.is_empty() { "" } else { "?" };
    format!("{}{mark}{}", text(&request["path"]), names.join("&"))
}

/// Lists the checks in the order in which they were made.
fn checks(checks: &Value) -> Html {
    let checks = checks.as_array().map_or(&[][..], Vec::as_slice);
    if checks.is_empty() {
        return Html::default();
    }
    let line = |check: &Value| {
        let held = check["held"] == true;
        Html::markup(if held { "<li class=\"held\">held: " } else { "<li class=\"failed\">failed: " })
            .then_text(&text(&check["requirement"]))
            .then(" <small>")
            .then_text(&text(&check["clause"]))
            .then("</small></li>\n")
    };
    Html::markup("<h3>Checked</h3>\n<ol class=\"checks\">\n")
        .and(Html::all(checks.iter().map(line)))
        .then("</ol>\n")
}

/// Takes the challenge of an answer apart, and says what each part is for.
fn challenge_parts(fields: &Value) -> Vec<(String, String)> {
    let field = fields[WWW_AUTHENTICATE].as_str().unwrap_or_default();
    let challenges = challenge::parse(field.as_bytes()).unwrap_or_default();
    let purpose = |name: &str| match name {
        "realm" => "what is protected",
        "resource_metadata" => "the document that says where to get a token (RFC 9728 §5.1)",
        "scope" => "what to ask the person for (RFC 6750 §3)",
        "error" => "what is wrong with the credentials, for the client (RFC 6750 §3.1)",
        "error_description" => "the same, for the person who reads the client's log",
        _ => "no client here knows it",
    };
    let mut parts = Vec::new();
    for challenge in challenges {
        parts.push((
            challenge.scheme,
            "how to send a token: in the Authorization field (RFC 6750 §2.1)".to_owned(),
        ));
        parts.extend(challenge.parameters.into_iter().map(|parameter| {
            let purpose = purpose(&parameter.name);
            (parameter.name, format!("{}: {purpose}", parameter.value))
        }));
    }
    parts
}

/// Lists names with their values below a heading; those without a value are left out, and a list without any is too.
fn list<N: AsRef<str>>(heading: &'static str, members: impl IntoIterator<Item = (N, String)>) -> Html {
    let members = members.into_iter().filter(|(_, value)| !value.is_empty());
    let rows = Html::all(members.map(|(name, value)| {
        Html::markup("<dt>").then_text(name.as_ref()).then("</dt><dd>").then_text(&value).then("</dd>\n")
    }));
    if rows.is_empty() {
        return rows;
    }
    let heading = match heading {
        "" => Html::default(),
        heading => Html::markup("<h3>").then(heading).then("</h3>\n"),
    };
    heading.then("<dl>\n").and(rows).then("</dl>\n")
}

/// Returns the members of an object, or of a list of pairs.
fn pairs(value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        Value::Array(items) => items.iter().map(|item| (text(&item[0]), text(&item[1]))).collect(),
        _ => Vec::new(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
