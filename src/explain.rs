//! The wire view: one exchange as `serve --explain` shows it, for people or for tools.
//!
//! Knows no bodies and no database. Invariant: no secret is shown, and nothing that a client sent can move the cursor
//! or end a line: a credential is cut to its prefix, a query to the names in it, and every other value passes `shown`.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::exchange::{Exchange, Refused};
use crate::gate::{self, Rule};
use crate::limits;
use crate::request::Head;
use crate::response::Response;
use crate::secret::TOKEN_PREFIX;
use crate::trace::{self, CUT, View, shown};

/// The fields of a request that something here is decided by.
const REQUEST_FIELDS: [&str; 10] = [
    "Origin",
    "Authorization",
    "Content-Type",
    "Accept",
    "MCP-Protocol-Version",
    "Mcp-Method",
    "Mcp-Name",
    "Mcp-Session-Id",
    "Access-Control-Request-Method",
    "Access-Control-Request-Headers",
];
/// The fields of an answer that a client goes by.
const RESPONSE_FIELDS: [&str; 7] = [
    gate::CHALLENGE,
    "Content-Type",
    "Location",
    "Allow",
    "Retry-After",
    "Mcp-Session-Id",
    "Access-Control-Allow-Origin",
];

/// Shows one exchange, in place of its line in the log. There is no head where none could be read.
pub fn show(now: Timestamp, peer: IpAddr, head: Option<&Head>, response: &Response, exchange: &Exchange) {
    trace::print(now, || match trace::view() {
        Some(View::Json) => as_json(now, peer, head, response, exchange).to_string(),
        _ => as_text(now, peer, head, response, exchange),
    });
}

fn as_text(
    now: Timestamp,
    peer: IpAddr,
    head: Option<&Head>,
    response: &Response,
    exchange: &Exchange,
) -> String {
    let mut lines = vec![format!("{} {peer}", now.iso8601())];
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
    let operation = exchange.operation.map(|operation| format!("  --  {operation}"));
    let steps = steps(exchange);
    let permits = |rule| matches!(rule, Rule::MissingScope | Rule::Permitted);
    for (place, (rule, held)) in steps.iter().enumerate() {
        if *rule == Rule::NoToken && steps[..place].contains(&(Rule::Admitted, true)) {
            lines.push("  --  the body took its time, so the gate asks again".to_owned());
        }
        if permits(*rule) {
            lines.extend(operation.clone()); // known before its scope was asked for
        }
        lines.push(step(*rule, *held));
    }
    if !steps.iter().any(|(rule, _)| permits(*rule)) {
        lines.extend(operation);
    }
    if let Some(Refused { error, clause, message }) = refused(exchange) {
        let name = exchange.outcome.unwrap_or_default();
        lines.push(format!("  NO  {name} ({error})  {clause}"));
        lines.extend(wrapped("      ", message, " "));
    } else if let Some(outcome) = exchange.outcome {
        lines.push(format!("  --  {outcome}"));
    }
    lines.extend(hint(exchange).into_iter().flat_map(|hint| wrapped("      ", hint, " ")));
    lines.extend(answer(response).into_iter().map(|line| format!("< {line}")));
    lines.push(String::new());
    lines.join("\n")
}

fn as_json(
    now: Timestamp,
    peer: IpAddr,
    head: Option<&Head>,
    response: &Response,
    exchange: &Exchange,
) -> Value {
    let request = head.map_or(Value::Null, |head| {
        let fields = request_fields(head).into_iter().map(|(name, value)| json!([name, value]));
        object(vec![
            ("method", shown(head.method()).into()),
            ("path", shown(head.path()).into()),
            ("query", query_names(head.query()).into()),
            ("fields", fields.collect()),
        ])
    });
    let rules = steps(exchange).iter().map(|(rule, held)| {
        object(vec![
            ("rule", rule.name().into()),
            ("held", (*held).into()),
            ("demand", rule.demand().into()),
            ("clause", rule.clause().into()),
        ])
    });
    let oauth = refused(exchange).map_or(Value::Null, |Refused { error, clause, message }| {
        object(vec![
            ("fault", exchange.outcome.into()),
            ("error", (*error).into()),
            ("clause", (*clause).into()),
            ("message", message.as_str().into()),
        ])
    });
    let fields = response_fields(response).into_iter().map(|(name, value)| (name, value.into()));
    let response = object(vec![("status", response.status().into()), ("fields", object(fields.collect()))]);
    object(vec![
        ("at", now.iso8601().into()),
        ("peer", peer.to_string().into()),
        ("request", request),
        ("rules", rules.collect()),
        ("operation", exchange.operation.into()),
        ("decided_by", exchange.decision().into()),
        ("oauth", oauth),
        ("hint", hint(exchange).into()),
        ("response", response),
    ])
}

fn object(members: Vec<(&str, Value)>) -> Value {
    members.into_iter().collect()
}

/// One rule and how it went, as a line. Its name says how it can fail, so it stands where it did, or where the rule is the
/// good end.
pub fn step(rule: Rule, held: bool) -> String {
    let mark = if held { "ok" } else { "NO" };
    let name = if held && !rule.opens() { "" } else { rule.name() };
    format!("  {mark}  {:38}  {name:22}  {}", rule.demand(), rule.clause())
}

/// The status and the fields of an answer, as lines; the challenge is folded between its parameters.
pub fn answer(response: &Response) -> Vec<String> {
    let mut lines = vec![format!("{} {}", response.status(), response.reason())];
    for (name, value) in response_fields(response) {
        lines.extend(wrapped("", &format!("{name}: {value}"), ", "));
    }
    lines
}

/// `text` in lines that fit, cut behind `separator`; what goes on is indented a little more.
pub fn wrapped(indent: &str, text: &str, separator: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in text.split_inclusive(separator) {
        let fits = |line: &String| {
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

/// Every rule that was asked, in order.
fn steps(exchange: &Exchange) -> &[(Rule, bool)] {
    exchange.watched.as_ref().map_or(&[], |watched| &watched.steps)
}

fn refused(exchange: &Exchange) -> Option<&Refused> {
    exchange.watched.as_ref()?.refused.as_ref()
}

/// What can be done about a refusal.
fn hint(exchange: &Exchange) -> Option<&'static str> {
    exchange.remedy.or_else(|| exchange.decided.filter(|_| exchange.outcome.is_none())?.remedy())
}

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

fn response_fields(response: &Response) -> Vec<(&'static str, String)> {
    let named = |name| Some((name, response.field(name)?));
    let present = RESPONSE_FIELDS.into_iter().filter_map(named);
    let cut = |(name, value): (_, &str)| match name {
        gate::CHALLENGE => (name, value.to_owned()), // no octet of it comes from a request
        "Location" => (name, location(value)),
        _ => (name, shown(value)),
    };
    present.map(cut).collect()
}

/// Where a browser is sent on to: codes and states travel in that query.
fn location(value: &str) -> String {
    let (place, query) = value.split_once('?').map_or((value, None), |(place, query)| (place, Some(query)));
    let names: Vec<_> = query_names(query).iter().map(|name| format!("{name}={CUT}")).collect();
    let separator = if names.is_empty() { "" } else { "?" };
    format!("{}{separator}{}", shown(place), names.join("&"))
}

/// The parameters that queries here have; another name may well be a secret that got there by mistake.
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

/// The known names in a query, each other one `…`.
fn query_names(query: Option<&str>) -> Vec<String> {
    let pairs = query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty());
    let name = |pair: &str| {
        let name = pair.split_once('=')?.0;
        PARAMETERS.contains(&name).then(|| name.to_owned())
    };
    pairs.take(limits::FIELDS_SHOWN_MAX).map(|pair| name(pair).unwrap_or_else(|| CUT.to_owned())).collect()
}

/// What is shown of an `Authorization` field: the scheme, and how a token of ours begins.
fn credential(value: &[u8]) -> String {
    let scheme_ends = value.iter().position(|octet| *octet == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at(scheme_ends);
    let known = ["Bearer", "Basic", "Digest", "DPoP"];
    // Whoever forgets the scheme puts the secret in its place.
    let Some(scheme) = known.into_iter().find(|known| scheme.eq_ignore_ascii_case(known.as_bytes())) else {
        return if value.is_empty() { String::new() } else { CUT.to_owned() };
    };
    let begins = rest.trim_ascii_start().strip_prefix(TOKEN_PREFIX.as_bytes()).map(|random| {
        let plain = |octet: &&u8| octet.is_ascii_alphanumeric() || b"-_".contains(octet);
        let first: String = random.iter().take(3).take_while(plain).map(|octet| char::from(*octet)).collect();
        format!("{TOKEN_PREFIX}{first}")
    });
    match begins {
        _ if rest.trim_ascii().is_empty() => scheme.to_owned(),
        Some(begins) => format!("{scheme} {begins}{CUT}"),
        None => format!("{scheme} {CUT}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
