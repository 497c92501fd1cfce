//! The report of a walk as a Mermaid sequence diagram: who sent what to whom, in order, with a note where something was
//! wrong.
//!
//! Knows no HTTP, and judges nothing. Invariant: nothing that another server sent ends a line of the diagram or means
//! something to Mermaid. A text that goes in is escaped by [`label`], which lets only harmless characters through.

use super::report::{Event, Finding, Outcome, Report, RoundTrip, Step};
use super::terminal::wrapped;
use crate::actor::Actor;
use crate::http::client::ClientError;
use crate::limits;

/// The characters beside letters and digits that stand for themselves in every text of a diagram. What isn't here has
/// a meaning to Mermaid somewhere: `;` and `#` end a text or begin an entity, `%%` begins a comment and `%%{` a
/// configuration, `$$` a formula, `<` and `&` markup, and a `\` before an `n` a new line.
const PLAIN: &str = " !\"'()*+,-./:=?@[]_~§";

/// Draws the diagram, without a line feed at its end.
pub(crate) fn draw(report: &Report) -> String {
    let mut lines = vec!["sequenceDiagram".to_owned()];
    lines.extend(Actor::ALL.map(|actor| match actor.name() {
        name if name == id(actor) => format!("    participant {name}"),
        name => format!("    participant {} as {name}", id(actor)),
    }));
    // A finding without an exchange of its own is about the answer that came last, as the challenge is.
    let mut last = (Actor::Client, Actor::Gate);
    for step in &report.steps {
        let drawn = step_lines(step, &mut last);
        if !drawn.is_empty() {
            lines.push(note(EVERYBODY, &format!("{} {}", step.number, step.info.title)));
            lines.extend(drawn);
        }
    }
    lines.push(note(EVERYBODY, report.verdict.summary()));
    lines.join("\n")
}

const EVERYBODY: (Actor, Actor) = (Actor::WebBrowser, Actor::Journal);

/// What Mermaid calls an actor: one word.
fn id(actor: Actor) -> &'static str {
    match actor {
        Actor::AuthorizationServer => "server",
        other => other.name(),
    }
}

fn step_lines(step: &Step, last: &mut (Actor, Actor)) -> Vec<String> {
    let mut lines = Vec::new();
    for event in &step.events {
        match event {
            Event::RoundTrip(exchange) => {
                *last = (exchange.from, exchange.to);
                lines.extend(arrows(exchange));
            }
            Event::Finding(finding) => lines.extend(mark(finding).map(|mark| {
                let clause = finding.clause.as_ref().map_or(String::new(), |clause| format!(" [{clause}]"));
                note(*last, &format!("{mark}: {}{clause}", finding.text))
            })),
        }
    }
    lines
}

/// How a note begins; none for a finding that nobody needs to be told of.
fn mark(finding: &Finding) -> Option<&'static str> {
    match finding.outcome {
        Outcome::Ok | Outcome::Skipped => None,
        Outcome::Warning => Some("warn"),
        Outcome::Unknown => Some("not known"),
        Outcome::Failure => Some("FAIL"),
    }
}

/// The request and its answer. An arrow that ends in a cross is lost: the request, if it could not be sent, or else the
/// answer, if none came that can be read.
fn arrows(exchange: &RoundTrip) -> Vec<String> {
    let (from, to) = (id(exchange.from), id(exchange.to));
    // What the doctor asks in a query is long, and the same at every server.
    let query = if exchange.url.query.is_empty() { "" } else { "?..." };
    let target = label(&exchange.url.path, limits::DIAGRAM_PATH_CHARS_MAX);
    let request = format!("{} {target}{query}", exchange.method);
    match exchange.answer {
        Ok(status) => vec![format!("    {from}->>{to}: {request}"), format!("    {to}-->>{from}: {status}")],
        Err(error @ (ClientError::Unwritable | ClientError::Refused | ClientError::Silent)) => {
            vec![format!("    {from}-x{to}: {request}, {error}")]
        }
        Err(error) => vec![format!("    {from}->>{to}: {request}"), format!("    {to}--x{from}: {error}")],
    }
}

/// A note over two actors and what is between them, in lines that are short enough for it.
fn note((left, right): (Actor, Actor), text: &str) -> String {
    let text = label(text, limits::DIAGRAM_NOTE_CHARS_MAX);
    let lines = wrapped(limits::DIAGRAM_LINE_CHARS_MAX, 0, "", &text);
    format!("    Note over {},{}: {}", id(left), id(right), lines.join("<br/>"))
}

/// Escapes a text and cuts it. What could mean something to Mermaid is percent-encoded, as in a URL.
fn label(text: &str, chars_max: usize) -> String {
    let mut label = String::new();
    for (at, character) in text.char_indices() {
        let mut escaped = String::new();
        // Of two percent signs the first is never followed by two digits, so there are no two in a row.
        let is_escape = || {
            let digits = text.as_bytes().get(at + 1..at + 3);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        };
        if character.is_ascii_alphanumeric() || PLAIN.contains(character) || (character == '%' && is_escape())
        {
            escaped.push(character);
        } else {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                escaped += &format!("%{byte:02X}");
            }
        }
        if label.chars().count() + escaped.len() > chars_max {
            return format!("{label}...");
        }
        label += &escaped;
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_nothing_through_that_means_something_to_mermaid() {
        let wild = "a;b#c\nd\r\u{2028}e%%{init:{}}%%<br/>&lt$$\\n`|^x->>y \u{1b}[2J";
        let label = label(wild, 1000);
        assert!(
            label.chars().all(|letter| letter.is_ascii_alphanumeric() || " :-./[]%".contains(letter)),
            "{label}"
        );
        assert!(!label.contains("%%"), "{label}");
        assert!(label.starts_with("a%3Bb%23c%0Ad%0D%E2%80%A8e%25%25%7Binit:"), "{label}");
        for text in ["%%", "%%%", "%25%", "%2", "%2g", "%25%25", "%%25", "100%"] {
            assert!(!super::label(text, 100).contains("%%"), "{text}");
        }
        assert_eq!(super::label("/a%2Fb/mcp", 100), "/a%2Fb/mcp");
    }

    #[test]
    fn cuts_a_label_between_two_escapes() {
        assert_eq!(label("abcdef", 6), "abcdef");
        assert_eq!(label("abcdefg", 6), "abcdef...");
        assert_eq!(label("ab;c;", 6), "ab%3Bc...");
        assert_eq!(label(&"\u{1f600}".repeat(500), 30), format!("{}...", "%F0%9F%98%80".repeat(2)));
    }
}
