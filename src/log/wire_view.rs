//! The wire view: one request as `serve --explain` shows it, for people or for programs.
//!
//! Knows no bodies and no database. Invariant: a credential is cut to its beginning, a query to the known names in
//! it, and the other values of a client are escaped and cut by `shown`. So no whole token or code is shown, and no
//! text of a client can move the cursor or end a line.
//!
//! ```text
//! 2026-07-28T09:30:00Z 127.0.0.1 id=17-3            when, from where, and which
//! > POST /mcp                                       the request, and the fields that decide something
//! > Authorization: Bearer em_at_Abc…
//!   ok  the token has not expired  not_expired  …   each check that was made, with its clause
//!   NO  the token's audience is …  audience_is_ours …
//! < 401 Unauthorized                                the response, and the fields that a client goes by
//! < WWW-Authenticate: Bearer realm="EpicMe", …
//! ```
//!
//! The fields that may be shown are listed by name, and all others are left out. A list of fields to hide would be
//! worse, because it shows a secret in a field that its author didn't think of.

use serde_json::{Value, json};

use super::{Arrival, OAuthRefusal, RequestLog, TokenFacts};
use crate::check::Check;
use crate::http::WWW_AUTHENTICATE;
use crate::http::request::{Head, split_credentials};
use crate::http::response::Response;
use crate::limits;
use crate::proxies::ClientAddress;
use crate::secret::TOKEN_PREFIX;
use crate::stderr::{CUT, Form, shown};
use crate::user_agent;

/// The fields of a request on which this server's decisions depend.
const REQUEST_FIELDS: [&str; 13] = [
    "X-Forwarded-For",
    "Forwarded",
    "Origin",
    "Authorization",
    "Content-Type",
    "Content-Encoding",
    "Accept",
    "MCP-Protocol-Version",
    "Mcp-Method",
    "Mcp-Name",
    "Mcp-Session-Id",
    "Access-Control-Request-Method",
    "Access-Control-Request-Headers",
];
/// The fields of a response that tell a client what to do next.
const RESPONSE_FIELDS: [&str; 8] = [
    WWW_AUTHENTICATE,
    "Content-Type",
    "Location",
    "Allow",
    "Accept-Encoding",
    "Retry-After",
    "Mcp-Session-Id",
    "Access-Control-Allow-Origin",
];

/// Draws one request in place of its line in the log. If no head could be read, nothing of the request is shown,
/// because it isn't known what the bytes are.
pub(super) fn draw(
    form: Form,
    arrival: Arrival,
    head: Option<&Head>,
    response: &Response,
    log: &RequestLog,
) -> String {
    match form {
        Form::Text => as_text(arrival, head, response, log),
        Form::Json => as_json(arrival, head, response, log).to_string(),
    }
}

/// Draws the view for people. A mark shows what a line is: `>` was sent by the client, `<` by the server; `ok` and
/// `NO` are checks; `--` is another step.
fn as_text(arrival: Arrival, head: Option<&Head>, response: &Response, log: &RequestLog) -> String {
    let ClientAddress { peer, address, .. } = arrival.client;
    let through = if peer == address { String::new() } else { format!(" through {peer}") };
    let proxy_id = arrival.proxy_id.map_or(String::new(), |id| format!(" proxy-id={id}"));
    let mut lines = vec![format!("{} {address}{through} id={}{proxy_id}", arrival.now.iso8601(), arrival.id)];
    match head {
        None => lines.push("> (no request that can be read)".to_owned()),
        Some(head) => {
            let query = query_names(head.query());
            let names: Vec<_> = query.iter().map(|name| format!("{name}={CUT}")).collect();
            let query = if query.is_empty() { String::new() } else { format!("?{}", names.join("&")) };
            lines.push(format!("> {} {}{query}", shown(head.method()), shown(head.path())));
            lines.extend(
                request_fields(head)
                    .iter()
                    .map(|(name, value)| format!("> {name}: {value}").trim_end().to_owned()),
            );
        }
    }
    let operation = log.operation().map(|operation| format!("  --  {operation}"));
    let checks = log.checks();
    for (place, (check, held)) in checks.iter().enumerate() {
        // The gate admitted the caller before, so these checks are made a second time. This line tells the reader
        // why.
        if *check == Check::HasAuthorization && checks[..place].contains(&(Check::HasKnownScope, true)) {
            lines.push("  --  the body arrived slowly, so the token is checked again".to_owned());
        }
        if *check == Check::HasNeededScope {
            // The operation was known after the checks of the 401 and before that of the 403, so its line is between
            // them.
            lines.extend(operation.clone());
        }
        lines.push(check_line(*check, *held));
    }
    if !checks.iter().any(|(check, _)| *check == Check::HasNeededScope) {
        lines.extend(operation);
    }
    // Other rooms than the gate decide too. An OAuth error has a clause, like a check.
    if let Some(OAuthRefusal { code, clause, message }) = log.oauth_refusal() {
        let name = log.outcome().unwrap_or_default();
        lines.push(format!("  NO  {name} ({code})  {clause}"));
        lines.extend(wrapped("      ", &message, " "));
    } else if let (true, Some(outcome)) = (log.has_own_outcome(), log.outcome()) {
        lines.push(format!("  --  {outcome}"));
    }
    lines.extend(log.remedy().into_iter().flat_map(|remedy| wrapped("      ", &remedy, " ")));
    lines.extend(answer(response).into_iter().map(|line| format!("< {line}")));
    lines.push(String::new());
    lines.join("\n")
}

/// Builds the view for programs: an object with the same members in each line. A member without a value is `null`, so
/// that a reader needs no case for a missing one.
///
/// Never inlined: see `log::write`.
#[inline(never)]
pub(crate) fn as_json(arrival: Arrival, head: Option<&Head>, response: &Response, log: &RequestLog) -> Value {
    let request = head.map_or(Value::Null, |head| {
        // A list of pairs and not an object, because a request may have a field twice, and the reader must see both.
        let fields = request_fields(head).into_iter().map(|(name, value)| json!([name, value]));
        object(vec![
            ("method", shown(head.method()).into()),
            ("path", shown(head.path()).into()),
            ("query", query_names(head.query()).into()),
            ("fields", fields.collect()),
        ])
    });
    let checks = log.checks().into_iter().map(|(check, held)| {
        let facts = check.facts();
        object(vec![
            ("check", facts.name.into()),
            ("held", held.into()),
            ("requirement", facts.requirement.into()),
            ("clause", facts.clause.into()),
        ])
    });
    let oauth = log.oauth_refusal().map_or(Value::Null, |OAuthRefusal { code, clause, message }| {
        object(vec![
            ("name", log.outcome().into()),
            ("error", code.into()),
            ("clause", clause.into()),
            ("message", message.into()),
        ])
    });
    let token =
        log.token().map_or(Value::Null, |TokenFacts { person, client, scopes, audience, expires_at }| {
            object(vec![
                ("person", person.into()),
                ("client", client.into()),
                ("scopes", scopes.into()),
                ("audience", audience.into()),
                ("expires", expires_at.iso8601().into()),
            ])
        });
    let fields = response_fields(response).into_iter().map(|(name, value)| (name, value.into()));
    let response = object(vec![("status", response.status().into()), ("fields", object(fields.collect()))]);
    object(vec![
        ("at", arrival.now.iso8601().into()),
        ("peer", arrival.client.peer.to_string().into()),
        ("client", arrival.client.address.to_string().into()),
        ("id", arrival.id.to_string().into()),
        ("proxyId", arrival.proxy_id.into()),
        ("program", head.map(program).into()),
        ("request", request),
        ("checks", checks.collect()),
        ("token", token),
        ("operation", log.operation().into()),
        ("outcome", log.outcome().into()),
        ("oauth", oauth),
        ("remedy", log.remedy().into()),
        ("response", response),
    ])
}

/// Builds an object with its members in this order, because people read these lines too.
fn object(members: Vec<(&str, Value)>) -> Value {
    members.into_iter().collect()
}

/// Returns one check and whether it held, as a line. The columns are as wide as the longest requirement and the
/// longest name, so that the clauses are aligned.
pub fn check_line(check: Check, held: bool) -> String {
    let mark = if held { "ok" } else { "NO" };
    let facts = check.facts();
    format!("  {mark}  {:40}  {:18}  {}", facts.requirement, facts.name, facts.clause)
}

/// Returns the status and the fields of a response as lines. A long field, such as the challenge, is folded after a
/// comma.
pub(crate) fn answer(response: &Response) -> Vec<String> {
    let mut lines = vec![format!("{} {}", response.status(), response.reason())];
    for (name, value) in response_fields(response) {
        lines.extend(wrapped("", &format!("{name}: {value}"), ", "));
    }
    lines
}

/// Folds `text` into lines that fit, after a `separator`; the lines after the first are indented more. A part that is
/// too long for a line stays whole, because a URL that is cut can't be copied.
pub(crate) fn wrapped(indent: &str, text: &str, separator: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in text.split_inclusive(separator) {
        let fits = |line: &String| {
            // Two characters are left for the mark in front.
            line.chars().count() + part.trim_end().chars().count() <= limits::TERMINAL_LINE_CHARS_MAX - 2
        };
        match lines.last_mut() {
            Some(line) if fits(line) => line.push_str(part),
            last => {
                let further = if last.is_some() { "  " } else { "" };
                lines.push(format!("{indent}{further}{part}"));
            }
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

/// Returns the name of the program that sent a request, as it says itself: a browser's in plain words, and of another
/// program the first word of `User-Agent` without its version. Without one it is unknown.
fn program(head: &Head) -> String {
    let named = head.field("user-agent").unwrap_or_default();
    if named.starts_with("Mozilla/") {
        return user_agent::describe(named);
    }
    let word = named.split(['/', ' ', '(']).next().filter(|word| !word.is_empty());
    word.map_or_else(|| "unknown".to_owned(), shown)
}

/// Returns the fields of the request that may be shown, in the order of the list. `Host` is the host that the gate
/// has checked: that of the target if the target names one, else that of the field.
fn request_fields(head: &Head) -> Vec<(&'static str, String)> {
    let mut fields: Vec<_> = head.host().map(|host| ("Host", shown(host))).into_iter().collect();
    for name in REQUEST_FIELDS {
        let values = head.fields(name).take(limits::FIELDS_SHOWN_MAX);
        fields.extend(values.map(|value| match name {
            "Authorization" => (name, credential(value)),
            _ => (name, shown(value)),
        }));
    }
    fields
}

/// Returns the fields of the response that may be shown. `Set-Cookie` isn't among them, because it holds a secret.
fn response_fields(response: &Response) -> Vec<(&'static str, String)> {
    let named = |name| Some((name, response.field(name)?));
    let present = RESPONSE_FIELDS.into_iter().filter_map(named);
    let cut = |(name, value): (_, &str)| match name {
        // The challenge is shown whole, because the reader needs all of it. No part of it comes from a request, so it
        // needs no escaping.
        WWW_AUTHENTICATE => (name, value.to_owned()),
        "Location" => (name, location(value)),
        _ => (name, shown(value)),
    };
    present.map(cut).collect()
}

/// Returns a redirect's target without the values in the query, because one of them may be an authorization code.
fn location(value: &str) -> String {
    let (place, query) = value.split_once('?').map_or((value, None), |(place, query)| (place, Some(query)));
    let names: Vec<_> = query_names(query).iter().map(|name| format!("{name}={CUT}")).collect();
    let separator = if names.is_empty() { "" } else { "?" };
    format!("{}{separator}{}", shown(place), names.join("&"))
}

/// The parameters that are known in queries. Another name may be a secret that a client put there by mistake, such as
/// a token without a name: `?em_at_…`.
const PARAMETERS: [&str; 15] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "resource",
    "prompt",
    "nonce",
    "code",
    "iss",
    "error",
    "error_description",
    "access_token",
];

/// Returns the names in a query, and `…` for each unknown one. Names are compared without decoding: no client has to
/// encode these.
fn query_names(query: Option<&str>) -> Vec<String> {
    let pairs = query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty());
    let name = |pair: &str| {
        let name = pair.split_once('=')?.0;
        PARAMETERS.contains(&name).then(|| name.to_owned())
    };
    pairs.take(limits::FIELDS_SHOWN_MAX).map(|pair| name(pair).unwrap_or_else(|| CUT.to_owned())).collect()
}

/// Returns what is shown of an `Authorization` field: the scheme, and the beginning of a token of ours. With three
/// characters of 43, two tokens in a log can mostly be told apart, and the rest can't be guessed. Nothing is shown of
/// another server's token, because this program doesn't know which part of it is secret.
fn credential(value: &[u8]) -> String {
    let Some((scheme, rest)) = split_credentials(value) else { return String::new() };
    let known = ["Bearer", "Basic", "Digest", "DPoP"];
    // If a client forgets the scheme, the secret is in its place.
    let Some(scheme) = known.into_iter().find(|known| scheme.eq_ignore_ascii_case(known.as_bytes())) else {
        return CUT.to_owned();
    };
    // Only characters of a token are taken: an escape sequence after the prefix is cut off.
    let begins = rest.strip_prefix(TOKEN_PREFIX.as_bytes()).map(|random| {
        let plain = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        let first: String = random.iter().take(3).take_while(plain).map(|byte| char::from(*byte)).collect();
        format!("{TOKEN_PREFIX}{first}")
    });
    match begins {
        _ if rest.is_empty() => scheme.to_owned(),
        Some(begins) => format!("{scheme} {begins}{CUT}"),
        None => format!("{scheme} {CUT}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_the_clauses_of_all_checks() {
        let column = |check: Check| {
            let line = check_line(check, true);
            line.find(check.facts().clause).map(|at| line[..at].chars().count())
        };
        assert!(Check::ALL.into_iter().all(|check| column(check) == column(Check::HostIsOurs)));
    }

    #[test]
    fn shows_no_more_of_a_credential_than_how_it_begins() {
        let token = format!("{TOKEN_PREFIX}{}", "Abcdefgh".repeat(5));
        for (value, expected) in [
            (format!("Bearer {token}"), "Bearer em_at_Abc…"),
            (format!("bEARER   {token} x"), "Bearer em_at_Abc…"),
            (format!("Bearer {TOKEN_PREFIX}A\u{1b}[2Jcde"), "Bearer em_at_A…"),
            ("Bearer eyJhbGciOiJIUzI1NiJ9.e30.x".to_owned(), "Bearer …"),
            ("Basic YTpi".to_owned(), "Basic …"),
            (token.clone(), "…"),
            ("my-secret".to_owned(), "…"),
            ("my secret".to_owned(), "…"),
            ("Bearer".to_owned(), "Bearer"),
            (String::new(), ""),
        ] {
            assert_eq!(credential(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn cuts_a_value_where_a_secret_could_be_and_escapes_what_moves_a_cursor() {
        let secret = "Qz9".repeat(11);
        for (value, expected) in [
            ("application/json, text/event-stream".to_owned(), "application/json, text/event-stream"),
            (
                "/.well-known/oauth-authorization-server/mcp".to_owned(),
                "/.well-known/oauth-authorization-server/mcp",
            ),
            ("a\u{1b}[31mb\\x07\u{9b}é".to_owned(), "a\\x1b[31mb\\\\x07\\xc2\\x9b\\xc3\\xa9"),
            (format!("/x/{secret}/y"), "/x/…"),
            ("/x/em_rt_abc".to_owned(), "/x/…"),
        ] {
            assert_eq!(shown(&value), expected);
        }
        assert!(shown("a b ".repeat(1000)).len() <= limits::VALUE_SHOWN_BYTES_MAX + CUT.len());
        assert_eq!(
            query_names(Some("code=1&em_at_x=2&bare&a%20b=3&&state=")),
            ["code", "…", "…", "…", "state"]
        );
        assert_eq!(location("http://h/cb?code=1&iss=2"), "http://h/cb?code=…&iss=…");
    }
}
