//! What an exchange is in the story of a client that gets access: who speaks to whom, one sentence, where to read on.
//!
//! Knows no HTML. It reads the object that the wire view makes of an exchange, and nothing else, so what the page says
//! can't differ from what `serve --explain=json` writes.

use serde_json::Value;

use crate::actor::Actor;
use crate::site;

/// What an exchange is.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Step {
    pub(super) from: Actor,
    pub(super) to: Actor,
    /// Whether the gate let the request go on to the journal.
    pub(super) goes_on: bool,
    pub(super) sentence: &'static str,
    /// A chapter of the walkthrough, and the file that decides; both are in [`TEXTS`].
    pub(super) chapter: &'static str,
    pub(super) source: &'static str,
}

const FIRST_REQUEST: &str = "docs/walkthrough/01-first-request.md";
const CHALLENGE: &str = "docs/walkthrough/02-challenge.md";
const RESOURCE: &str = "docs/walkthrough/03-resource.md";
const SERVER: &str = "docs/walkthrough/04-server.md";
const CLIENT: &str = "docs/walkthrough/05-register.md";
const ASK: &str = "docs/walkthrough/06-ask.md";
const TRADE: &str = "docs/walkthrough/07-trade.md";
const TOOLS: &str = "docs/walkthrough/08-journal.md";
const SCOPES: &str = "docs/walkthrough/09-scopes.md";
const BREAK: &str = "docs/walkthrough/10-break.md";
const REFRESH: &str = "docs/walkthrough/11-refresh.md";
const CONNECT: &str = "docs/walkthrough/12-press-connect.md";
const ELSEWHERE: &str = "docs/walkthrough/13-elsewhere.md";
const PROXY: &str = "docs/walkthrough/14-proxy.md";

/// The texts to which an exchange leads, by their paths in the repository. The program has them with it, so the links
/// work without a network, and show the very source that runs.
pub(super) const TEXTS: [(&str, &str); 27] = [
    (FIRST_REQUEST, include_str!("../../../docs/walkthrough/01-first-request.md")),
    (CHALLENGE, include_str!("../../../docs/walkthrough/02-challenge.md")),
    (RESOURCE, include_str!("../../../docs/walkthrough/03-resource.md")),
    (SERVER, include_str!("../../../docs/walkthrough/04-server.md")),
    (CLIENT, include_str!("../../../docs/walkthrough/05-register.md")),
    (ASK, include_str!("../../../docs/walkthrough/06-ask.md")),
    (TRADE, include_str!("../../../docs/walkthrough/07-trade.md")),
    (TOOLS, include_str!("../../../docs/walkthrough/08-journal.md")),
    (SCOPES, include_str!("../../../docs/walkthrough/09-scopes.md")),
    (BREAK, include_str!("../../../docs/walkthrough/10-break.md")),
    (REFRESH, include_str!("../../../docs/walkthrough/11-refresh.md")),
    (CONNECT, include_str!("../../../docs/walkthrough/12-press-connect.md")),
    (ELSEWHERE, include_str!("../../../docs/walkthrough/13-elsewhere.md")),
    (PROXY, include_str!("../../../docs/walkthrough/14-proxy.md")),
    ("src/cors.rs", include_str!("../../cors.rs")),
    ("src/gate.rs", include_str!("../../gate.rs")),
    ("src/http/request/head.rs", include_str!("../../http/request/head.rs")),
    ("src/mcp/mod.rs", include_str!("../../mcp/mod.rs")),
    ("src/oauth/introspect.rs", include_str!("../../oauth/introspect.rs")),
    ("src/oauth/metadata.rs", include_str!("../../oauth/metadata.rs")),
    ("src/oauth/register.rs", include_str!("../../oauth/register.rs")),
    ("src/oauth/revoke.rs", include_str!("../../oauth/revoke.rs")),
    ("src/oauth/token.rs", include_str!("../../oauth/token.rs")),
    ("src/pages/consent.rs", include_str!("../consent.rs")),
    ("src/pages/mod.rs", include_str!("../mod.rs")),
    ("src/pages/sign_in.rs", include_str!("../sign_in.rs")),
    ("src/routes.rs", include_str!("../../routes.rs")),
];

const PREFLIGHT: &str =
    "A browser asks whether a page may send this request. Such a question never carries a token.";

/// Tells what an exchange is.
pub(super) fn of(event: &Value) -> Step {
    let request = &event["request"];
    let path = request["path"].as_str().unwrap_or_default();
    let is_post = request["method"] == "POST";
    let status = event["response"]["status"].as_u64().unwrap_or(500);
    let is_good = status < 400;
    let from_browser =
        |sentence, source| step(Actor::WebBrowser, Actor::AuthorizationServer, sentence, ASK, source);
    let from_client = |sentence, chapter, source| {
        step(Actor::Client, Actor::AuthorizationServer, sentence, chapter, source)
    };
    let choose = |good, bad| if is_good { good } else { bad };
    let outcome = event["outcome"].as_str();
    // The name is checked first, whatever the path.
    if failed_check(event) == Some("host_is_ours") {
        let sentence = "The gate refuses a name that isn't this server's, before it looks at a token: a foreign web page could have sent it, or a proxy that doesn't pass Host on.";
        return step(Actor::Client, Actor::Gate, sentence, PROXY, "src/gate.rs");
    }
    let found = match path {
        "" => step(
            Actor::Client,
            Actor::Gate,
            "What came can't be read as one HTTP request, so the server answers and closes the connection.",
            BREAK,
            "src/http/request/head.rs",
        ),
        site::MCP | site::MCP_SLASH => at_the_gate(event),
        _ if path.starts_with(site::RESOURCE_METADATA_ROOT) => step(
            Actor::Client,
            Actor::Gate,
            choose(
                "The client reads the document that the challenge named: it says which server issues the tokens for this URL.",
                "Here is no document about a protected resource; the client looks in the next place.",
            ),
            RESOURCE,
            "src/routes.rs",
        ),
        _ if path.starts_with(site::WELL_KNOWN) => from_client(
            choose(
                "The client reads where to register, where to ask the person, and where to trade the code for a token.",
                "A client looks here on its way, because other servers have such a document. Here is none, and it goes on.",
            ),
            SERVER,
            "src/oauth/metadata.rs",
        ),
        site::REGISTER => from_client(
            choose(
                "The client says its name and where the browser shall come back to, and gets an id.",
                "The registration is refused, and the answer says what is wrong with it.",
            ),
            CLIENT,
            "src/oauth/register.rs",
        ),
        site::TOKEN => from_client(
            choose(
                "The client trades what it has, a code with its verifier or a refresh token, for an access token.",
                "The authorization server gives no token for this request, and its answer says why as far as the client may know.",
            ),
            if event["oauth"]["error"] == "invalid_grant" { BREAK } else { TRADE },
            "src/oauth/token.rs",
        ),
        site::REVOKE => from_client(
            choose("The client gives its token back.", "The revocation is refused."),
            REFRESH,
            "src/oauth/revoke.rs",
        ),
        site::INTROSPECT => from_client(
            "Another server asks whether a token is good, and for what.",
            ELSEWHERE,
            "src/oauth/introspect.rs",
        ),
        site::AUTHORIZE if is_post => from_browser(
            match (is_good, event["oauth"]["error"].as_str()) {
                (_, Some("access_denied")) => "The person has refused. The browser tells the client so.",
                (true, None) if status == 200 => "Nothing is ticked, so the page asks the person once more.",
                (true, None) => {
                    "The person has allowed it. The browser carries a code to the client, good once and for a minute."
                }
                (true, Some(_)) => "There is no code for this request. The browser tells the client why.",
                (false, _) => "The person's answer can't be taken.",
            },
            "src/pages/consent.rs",
        ),
        site::AUTHORIZE => from_browser(
            match (is_good, event["oauth"].is_object()) {
                (true, false) => {
                    "The client has sent the browser here with what it asks for. Nobody but the person may decide, so the page asks who they are and what they allow."
                }
                (true, true) => {
                    "What the client asks for is wrong, so the person isn't asked. The browser tells the client why."
                }
                (false, _) => "What the client asks for can't be put to the person.",
            },
            "src/pages/consent.rs",
        ),
        site::SIGN_IN => from_browser(
            match outcome {
                Some("signed-in") => "The person proves who they are, and the browser gets a session.",
                Some("asked-for-code") => {
                    "The password is right. The person has a second factor, so the page asks for its code too."
                }
                _ if !is_post && is_good => "The form is on another page, and the browser goes there.",
                _ => "The person isn't signed in.",
            },
            "src/pages/sign_in.rs",
        ),
        _ if site::is_within(path, site::JOURNAL) => {
            let asks = outcome == Some("asked-to-sign-in");
            let sentence = if asks {
                "The browser has no session, so the page asks who the person is. Nothing of the journal is read."
            } else {
                "The person reads or writes in their own browser: a session takes the place of the token."
            };
            Step {
                goes_on: is_good && !asks,
                ..step(Actor::WebBrowser, Actor::Gate, sentence, TOOLS, "src/gate.rs")
            }
        }
        "/favicon.ico" => step(
            Actor::WebBrowser,
            Actor::Gate,
            "The browser looks for a picture to show beside the page's title. Here is none.",
            FIRST_REQUEST,
            "src/routes.rs",
        ),
        site::ACCOUNT | site::SETUP | site::HOME => {
            from_browser("A page for the person.", "src/pages/mod.rs")
        }
        _ => step(Actor::Client, Actor::Gate, "Nothing is at this path.", FIRST_REQUEST, "src/routes.rs"),
    };
    let is_document = path.starts_with(site::WELL_KNOWN);
    let is_read_by_pages = is_document || [site::REGISTER, site::TOKEN, site::REVOKE].contains(&path);
    match (request["method"].as_str(), status) {
        (Some("OPTIONS"), 204) if is_read_by_pages => {
            Step { sentence: PREFLIGHT, chapter: CONNECT, source: "src/cors.rs", ..found }
        }
        // Nothing is found without an outcome: the path itself doesn't exist.
        (_, 404) if found.to == Actor::AuthorizationServer && !is_document && outcome.is_none() => Step {
            sentence: "This server issues no tokens, so nothing is at this path. Its metadata names the server that does.",
            chapter: ELSEWHERE,
            source: "src/routes.rs",
            ..found
        },
        _ => found,
    }
}

/// Returns the name of the check that refused a request.
fn failed_check(event: &Value) -> Option<&str> {
    let failed = checks(event).iter().find(|check| check["held"] == false)?;
    failed["check"].as_str()
}

fn checks(event: &Value) -> &[Value] {
    event["checks"].as_array().map_or(&[], Vec::as_slice)
}

/// Tells what a request to the MCP endpoint is: the check that failed says it, or else the gate was open.
fn at_the_gate(event: &Value) -> Step {
    if checks(event).iter().any(|check| check["check"] == "is_preflight") {
        return step(Actor::Client, Actor::Gate, PREFLIGHT, CONNECT, "src/cors.rs");
    }
    let (sentence, chapter) = match failed_check(event) {
        Some("has_authorization") => (
            "The client has no token. The gate reads nothing of the body, and its challenge says how to get access.",
            CHALLENGE,
        ),
        Some("not_empty" | "scheme_is_bearer") => (
            "What the client sends is no Bearer token, so the gate answers as if there were none: its challenge says how to get access.",
            CHALLENGE,
        ),
        Some("one_authorization" | "no_token_in_query") => (
            "The gate takes one token in one Authorization field, and looks at none while there could be two.",
            BREAK,
        ),
        Some("token_looked_up") => (
            "The gate can't look the token up now. That is no fault of the client, which is to try again.",
            BREAK,
        ),
        Some("has_known_scope" | "has_needed_scope") => (
            "The token is good, but not for this: the challenge says which scopes the client has to ask the person for.",
            SCOPES,
        ),
        Some("not_expired") => ("The token has expired. The client refreshes it, or asks again.", REFRESH),
        Some("origin_is_allowed") => {
            ("The gate refuses what a foreign web page could have sent, before it looks at a token.", BREAK)
        }
        Some(_) => (
            "The gate refuses these credentials. The client learns only that they are not good, the log also why.",
            BREAK,
        ),
        None => return behind_the_gate(event),
    };
    step(Actor::Client, Actor::Gate, sentence, chapter, "src/gate.rs")
}

/// Tells what a request is that the gate has let pass.
fn behind_the_gate(event: &Value) -> Step {
    let goes_on = event["operation"].is_string();
    let (sentence, source) = match event["response"]["status"].as_u64() {
        _ if goes_on => (
            "The token is good. The gate lets the request pass, and the journal does what the token's scopes permit.",
            "src/mcp/mod.rs",
        ),
        Some(308) => (
            "The token is good, but the URL has a slash too many. The answer says where the endpoint is.",
            "src/routes.rs",
        ),
        Some(202) => {
            ("The token is good. The client tells something that needs no answer.", "src/mcp/mod.rs")
        }
        Some(429 | 503) => (
            "The token is good, but there is no room for the request now. The client is to try again.",
            "src/routes.rs",
        ),
        Some(200) => {
            ("The token is good, but the answer says what is wrong with the message.", "src/mcp/mod.rs")
        }
        _ => ("The token is good, but the request is none that the endpoint can take.", "src/mcp/mod.rs"),
    };
    Step { goes_on, ..step(Actor::Client, Actor::Gate, sentence, TOOLS, source) }
}

fn step(from: Actor, to: Actor, sentence: &'static str, chapter: &'static str, source: &'static str) -> Step {
    Step { from, to, goes_on: false, sentence, chapter, source }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn leads_only_to_texts_that_the_program_has() {
        let has = |path: &str| TEXTS.iter().any(|(name, _)| *name == path);
        let paths = [
            "",
            "/mcp",
            "/.well-known/x",
            "/.well-known/oauth-protected-resource/mcp",
            "/register",
            "/token",
        ];
        let pages =
            ["/revoke", "/introspect", "/authorize", "/sign-in", "/journal", "/account", "/", "/nothing"];
        let mut led = Vec::new();
        for path in paths.into_iter().chain(pages) {
            for method in ["GET", "POST", "OPTIONS"] {
                for status in [200, 401] {
                    let check = json!([{ "check": "has_needed_scope", "held": status == 200 }]);
                    let request = json!({ "method": method, "path": path });
                    let event =
                        json!({ "request": request, "checks": check, "response": { "status": status } });
                    let step = of(&event);
                    assert!(has(step.chapter) && has(step.source), "{step:?}");
                    assert!(step.from < step.to, "{step:?}");
                    led.extend([step.chapter, step.source]);
                }
            }
        }
        assert!(TEXTS.iter().all(|(path, text)| path.ends_with(".rs") != text.starts_with("# ")));
        assert!(led.len() > 2);
    }

    #[test]
    fn leads_from_a_refused_name_and_from_introspection_to_their_chapters() {
        let event = |path: &str, check: &str| {
            let checks = json!([{ "check": check, "held": false }]);
            of(&json!({ "request": { "method": "POST", "path": path }, "checks": checks }))
        };
        assert_eq!(event("/mcp", "host_is_ours").chapter, PROXY);
        assert_eq!(event("/mcp", "origin_is_allowed").chapter, BREAK);
        assert_eq!(event("/introspect", "has_authorization").chapter, ELSEWHERE);
    }

    /// What is said of a request with this answer, at which an OAuth error or an outcome may have been recorded.
    fn said(request: (&str, &str), status: u16, oauth: Option<&str>, outcome: Option<&str>) -> Step {
        let (method, path) = request;
        let oauth = oauth.map(|error| json!({ "error": error }));
        let request = json!({ "method": method, "path": path });
        of(
            &json!({ "request": request, "response": { "status": status }, "oauth": oauth, "outcome": outcome }),
        )
    }

    #[track_caller]
    fn assert_says(step: &Step, words: &str) {
        assert!(step.sentence.contains(words), "{words}: {step:?}");
    }

    #[test]
    fn tells_what_the_person_has_decided_and_what_a_redirect_tells_the_client() {
        let post = ("POST", "/authorize");
        assert_says(&said(post, 303, None, None), "has allowed it");
        assert_says(&said(post, 303, Some("access_denied"), Some("denied")), "has refused");
        assert_says(&said(post, 303, Some("invalid_scope"), Some("scope")), "no code for this request");
        assert_says(&said(post, 200, None, None), "once more");
        assert_says(&said(post, 400, None, Some("stale-form")), "can't be taken");
        let get = ("GET", "/authorize");
        assert_says(&said(get, 200, None, None), "the page asks who they are");
        assert_says(&said(get, 303, Some("invalid_request"), Some("no-challenge")), "the person isn't asked");
        assert_says(&said(get, 400, Some("invalid_request"), Some("unknown-client")), "can't be put");
    }

    #[test]
    fn tells_a_session_from_a_page_that_asks_for_one() {
        assert_says(&said(("POST", "/sign-in"), 303, None, Some("signed-in")), "gets a session");
        assert_says(&said(("POST", "/sign-in"), 200, None, Some("asked-for-code")), "second factor");
        assert_says(&said(("POST", "/sign-in"), 403, None, Some("wrong-password")), "isn't signed in");
        assert_says(&said(("POST", "/sign-in"), 200, None, Some("wrong-code")), "isn't signed in");
        assert_says(&said(("GET", "/sign-in"), 303, None, None), "on another page");
        let asked = said(("GET", "/journal"), 200, None, Some("asked-to-sign-in"));
        assert_says(&asked, "Nothing of the journal is read");
        assert!(!asked.goes_on && said(("GET", "/journal"), 200, None, None).goes_on);
    }

    #[test]
    fn tells_a_question_of_a_browser_from_a_request() {
        for path in ["/register", "/token", "/revoke", "/.well-known/oauth-protected-resource/mcp"] {
            assert_eq!(said(("OPTIONS", path), 204, None, None).sentence, PREFLIGHT, "{path}");
            assert_ne!(said(("OPTIONS", path), 403, None, None).sentence, PREFLIGHT, "{path}");
        }
        assert_eq!(said(("GET", "/favicon.ico"), 404, None, None).from, Actor::WebBrowser);
    }

    #[test]
    fn tells_a_path_of_an_authorization_server_that_is_elsewhere() {
        for path in ["/register", "/token", "/revoke", "/introspect", "/authorize", "/sign-in", "/account"] {
            assert_says(&said(("POST", path), 404, None, None), "issues no tokens");
        }
        assert_says(&said(("GET", "/.well-known/openid-configuration"), 404, None, None), "Here is none");
    }

    #[test]
    fn names_a_refused_host_at_each_path() {
        for path in
            ["/mcp", "/token", "/authorize", "/journal", "/.well-known/oauth-authorization-server", "/x"]
        {
            let checks = json!([{ "check": "host_is_ours", "held": false }]);
            let event = json!({ "request": { "method": "GET", "path": path }, "checks": checks, "response": { "status": 403 } });
            assert_says(&of(&event), "a name that isn't this server's");
        }
    }

    #[test]
    fn tells_what_comes_of_a_request_behind_the_gate() {
        let behind = |path: &str, status: u16, operation: Value| {
            let request = json!({ "method": "POST", "path": path });
            of(&json!({ "request": request, "operation": operation, "response": { "status": status } }))
        };
        assert_says(&behind("/mcp", 200, json!("whoami")), "lets the request pass");
        assert_says(&behind("/mcp", 202, Value::Null), "needs no answer");
        assert_says(&behind("/mcp", 200, Value::Null), "what is wrong with the message");
        assert_says(&behind("/mcp", 429, Value::Null), "no room");
        assert_says(&behind("/mcp", 405, Value::Null), "none that the endpoint can take");
        assert_says(&behind("/mcp/", 308, Value::Null), "a slash too many");
        let refused = |check: &str| {
            let checks = json!([{ "check": check, "held": false }]);
            of(&json!({ "request": { "method": "POST", "path": "/mcp" }, "checks": checks }))
        };
        assert_says(&refused("token_looked_up"), "no fault of the client");
        assert_says(&refused("scheme_is_bearer"), "as if there were none");
        assert_says(&refused("no_token_in_query"), "looks at none");
        assert_says(&refused("has_known_scope"), "which scopes");
        assert_says(&refused("token_known"), "not good");
    }
}
