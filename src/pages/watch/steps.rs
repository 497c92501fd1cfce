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

/// Tells what an exchange is.
pub(super) fn of(event: &Value) -> Step {
    let request = &event["request"];
    let path = request["path"].as_str().unwrap_or_default();
    let is_post = request["method"] == "POST";
    let is_good = event["response"]["status"].as_u64().is_some_and(|status| status < 400);
    let from_browser =
        |sentence, source| step(Actor::WebBrowser, Actor::AuthorizationServer, sentence, ASK, source);
    let from_client = |sentence, chapter, source| {
        step(Actor::Client, Actor::AuthorizationServer, sentence, chapter, source)
    };
    let choose = |good, bad| if is_good { good } else { bad };
    match path {
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
                "The authorization server gives no token for this code or refresh token.",
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
            match answer_of(event) {
                Some("code") => {
                    "The person has allowed it. The browser carries a code to the client, good once and for a minute."
                }
                Some("error") => "The person has refused. The browser tells the client so.",
                _ => "The person's answer can't be taken.",
            },
            "src/pages/consent.rs",
        ),
        site::AUTHORIZE => from_browser(
            choose(
                "The client has sent the browser here with what it asks for. Nobody but the person may decide, so the page asks who they are and what they allow.",
                "What the client asks for can't be put to the person.",
            ),
            "src/pages/consent.rs",
        ),
        site::SIGN_IN => from_browser(
            choose(
                "The person proves who they are, and the browser gets a session.",
                "The person isn't signed in.",
            ),
            "src/pages/sign_in.rs",
        ),
        _ if path == site::JOURNAL || path.starts_with("/journal/") => Step {
            goes_on: is_good,
            ..step(
                Actor::WebBrowser,
                Actor::Gate,
                "The person reads or writes in their own browser: a session takes the place of the token.",
                TOOLS,
                "src/gate.rs",
            )
        },
        site::ACCOUNT | site::SETUP | site::HOME => {
            from_browser("A page for the person.", "src/pages/mod.rs")
        }
        _ => step(Actor::Client, Actor::Gate, "Nothing is at this path.", FIRST_REQUEST, "src/routes.rs"),
    }
}

/// Tells what a request to the MCP endpoint is: the check that failed says it, or else the gate was open.
fn at_the_gate(event: &Value) -> Step {
    let checks = event["checks"].as_array().map_or(&[][..], Vec::as_slice);
    let failed = checks.iter().find(|check| check["held"] == false).and_then(|check| check["check"].as_str());
    let preflight = checks.iter().any(|check| check["check"] == "is_preflight");
    let (sentence, chapter) = match failed {
        _ if preflight => {
            let sentence =
                "A browser asks whether a page may send this request. Such a question never carries a token.";
            return step(Actor::Client, Actor::Gate, sentence, CONNECT, "src/cors.rs");
        }
        Some("has_authorization") => (
            "The client has no token. The gate reads nothing of the body, and its challenge says how to get access.",
            CHALLENGE,
        ),
        Some("has_needed_scope") => (
            "The token is good, but not for this: the challenge says which scopes the client has to ask the person for.",
            SCOPES,
        ),
        Some("not_expired") => ("The token has expired. The client refreshes it, or asks again.", REFRESH),
        Some("host_is_ours") => (
            "The gate refuses a name that isn't this server's, before it looks at a token: a foreign web page could have sent it, or a proxy that doesn't pass Host on.",
            PROXY,
        ),
        Some("origin_is_allowed") => {
            ("The gate refuses what a foreign web page could have sent, before it looks at a token.", BREAK)
        }
        Some(_) => (
            "The gate refuses these credentials. The client learns only that they are not good, the log also why.",
            BREAK,
        ),
        None => {
            let goes_on = event["operation"].is_string();
            let sentence = if goes_on {
                "The token is good. The gate lets the request pass, and the journal does what the token's scopes permit."
            } else if event["response"]["status"].as_u64().is_some_and(|status| status < 400) {
                "The token is good. The client tells something that needs no answer."
            } else {
                "The token is good, but the request is none that the endpoint can take."
            };
            return Step { goes_on, ..step(Actor::Client, Actor::Gate, sentence, TOOLS, "src/mcp/mod.rs") };
        }
    };
    step(Actor::Client, Actor::Gate, sentence, chapter, "src/gate.rs")
}

fn step(from: Actor, to: Actor, sentence: &'static str, chapter: &'static str, source: &'static str) -> Step {
    Step { from, to, goes_on: false, sentence, chapter, source }
}

/// Returns what an answer of `/authorize` carries to the client: a `code`, or an `error`.
fn answer_of(event: &Value) -> Option<&'static str> {
    let location = event["response"]["fields"]["Location"].as_str()?;
    let (_, query) = location.split_once('?')?;
    ["code", "error"]
        .into_iter()
        .find(|name| query.split('&').any(|pair| pair.split('=').next() == Some(name)))
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

    #[test]
    fn tells_an_answer_with_a_code_from_a_refusal() {
        let event = |location: &str| json!({ "response": { "fields": { "Location": location } } });
        assert_eq!(answer_of(&event("http://127.0.0.1/cb?code=…&state=…")), Some("code"));
        assert_eq!(answer_of(&event("http://127.0.0.1/cb?error=…&iss=…")), Some("error"));
        assert_eq!(answer_of(&event("/account")), None);
    }
}
