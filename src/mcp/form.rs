//! The form of an answer: one JSON text, the same as an event, or an open stream; as the client's `Accept` allows.
//!
//! Knows no method and no message's meaning.

use serde_json::Value;

use crate::request::Head;
use crate::response::Response;

/// The forms of answer that the client takes.
#[derive(Clone, Copy)]
pub struct Form {
    /// One JSON text; without it, the same one message as the one event of a whole body.
    json: bool,
    /// An open event stream.
    pub events: bool,
}

impl Form {
    /// What `Accept` allows; `None` when it allows neither.
    pub fn choose(head: &Head) -> Option<Form> {
        let mut ranges = Vec::new();
        for value in head.fields("accept") {
            let listed = value.split(|octet| *octet == b',').map(<[u8]>::to_ascii_lowercase);
            ranges.extend(listed.filter(|range| !range.trim_ascii().is_empty()));
        }
        // RFC 9110 §12.5.1: of the ranges that a type falls in, the most specific decides.
        let takes = |names: [&str; 3]| {
            let quality = |name: &&str| {
                ranges.iter().find_map(|range| {
                    let mut parts = range.split(|octet| *octet == b';').map(<[u8]>::trim_ascii);
                    let named = parts.next() == Some(name.as_bytes());
                    let refused =
                        parts.any(|part| matches!(part, b"q=0" | b"q=0.0" | b"q=0.00" | b"q=0.000"));
                    named.then_some(!refused)
                })
            };
            ranges.is_empty() || names.iter().find_map(quality).unwrap_or(false)
        };
        let json = takes(["application/json", "application/*", "*/*"]);
        let events = takes(["text/event-stream", "text/*", "*/*"]);
        (json || events).then_some(Form { json, events })
    }

    /// An answer that is one message.
    pub fn response(self, message: &Value) -> Response {
        match self.json {
            true => Response::json(200, message),
            false => Response::event(message),
        }
    }
}
