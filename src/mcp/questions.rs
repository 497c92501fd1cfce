//! Questions: the form that a person answers before something is deleted, and what an answer means.
//!
//! Knows no tool and no database. Two eras ask in two ways: since 2026-07-28 the answer comes with the same call sent
//! again, and all that must be remembered travels in `requestState`; before, it is posted while the call's own stream
//! waits. Invariant: nothing but `accept` with `confirmed: true` is a yes.

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::events::Answer;
use crate::gate::Caller;
use crate::journal::Shown;
use crate::limits;
use crate::secret::{self, Seal};

/// The question's name in `inputRequests` and `inputResponses`.
const KEY: &str = "confirm_delete";

/// The parameters of `elicitation/create`; only since 2026-07-28 do they name their mode.
pub fn form(text: &str, modern: bool) -> Value {
    let confirmed =
        json!({ "type": "boolean", "title": "Delete it", "description": "It can't be brought back." });
    let schema =
        json!({ "type": "object", "properties": { "confirmed": confirmed }, "required": ["confirmed"] });
    match modern {
        true => json!({ "mode": "form", "message": text, "requestedSchema": schema }),
        false => json!({ "message": text, "requestedSchema": schema }),
    }
}

/// An `ElicitResult` as an answer; `None` when it has another form, or doesn't fit the question.
pub fn read(result: &Value) -> Option<Answer> {
    match result.get("action")?.as_str()? {
        "accept" => match result.get("content")?.get("confirmed")?.as_bool()? {
            true => Some(Answer::Yes),
            false => Some(Answer::No),
        },
        "decline" | "cancel" => Some(Answer::No),
        _ => None,
    }
}

/// What a call of `tool` with these arguments asks and is answered, without memory between the two (2026-07-28, Multi
/// Round-Trip Requests).
pub struct RoundTrip<'a> {
    /// The seal of the state.
    pub seal: &'a Seal,
    /// Who calls.
    pub caller: &'a Caller,
    /// The tool's name.
    pub tool: &'static str,
    /// Its arguments, as they came.
    pub arguments: &'a Map<String, Value>,
    /// The time of the request.
    pub now: Timestamp,
}

/// What a call brings back of an earlier round.
pub enum Brought {
    /// No answer to the present question: it is asked.
    Nothing,
    /// The answer, and what the person was shown.
    Answer(Answer, Shown),
}

impl RoundTrip<'_> {
    /// The `InputRequiredResult`.
    pub fn ask(&self, text: &str, shown: Shown) -> Value {
        let expires_at = self.now.plus(limits::QUESTION_SECONDS).0.to_be_bytes();
        let state = self
            .seal
            .seal(&self.context(&self.caller.binding(), &self.digest()), &[&shown[..], &expires_at].concat());
        let request = json!({ "method": "elicitation/create", "params": form(text, true) });
        json!({ "resultType": "input_required", "inputRequests": { KEY: request }, "requestState": state })
    }

    /// Reads what the call's parameters bring back. A state that isn't ours, or was made for somebody else or for
    /// another call, is an error; one that is too old is as good as none.
    pub fn brought(&self, state: Option<Value>, responses: Option<Value>) -> Result<Brought, String> {
        let state = match state {
            None => return Ok(Brought::Nothing), // an answer to nothing: whoever gave it is asked
            Some(Value::String(state)) => state,
            Some(_) => return Err("params.requestState must be a string".to_owned()),
        };
        let opened = self.seal.open(&self.context(&self.caller.binding(), &self.digest()), &state);
        let opened = opened.as_deref().and_then(|state| state.split_first_chunk::<32>());
        let (shown, expires_at) = match opened {
            Some((shown, expires_at)) => {
                (*shown, expires_at.first_chunk().map(|octets| i64::from_be_bytes(*octets)))
            }
            None => return Err("params.requestState is not what this call was given".to_owned()),
        };
        if expires_at.is_none_or(|expires_at| Timestamp(expires_at) <= self.now) {
            return Ok(Brought::Nothing);
        }
        match responses {
            None => Ok(Brought::Nothing),
            Some(Value::Object(responses)) => match responses.get(KEY) {
                None => Ok(Brought::Nothing),
                Some(result) => {
                    let fits = read(result).map(|answer| Brought::Answer(answer, shown));
                    fits.ok_or_else(|| {
                        format!(
                            "params.inputResponses.{KEY} must have an action (accept, decline or cancel) and, with \
                             accept, content.confirmed (true or false)"
                        )
                    })
                }
            },
            Some(_) => Err("params.inputResponses must be an object".to_owned()),
        }
    }

    /// What a state is bound to: the person and client, the tool, its arguments.
    fn context<'c>(&'c self, binding: &'c [u8], digest: &'c [u8; 32]) -> [&'c [u8]; 4] {
        [b"question", binding, self.tool.as_bytes(), digest]
    }

    fn digest(&self) -> [u8; 32] {
        secret::sha256(json!(self.arguments).to_string().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_nothing_but_a_whole_yes_for_a_yes() {
        let read = |result: Value| super::read(&result);
        assert_eq!(read(json!({ "action": "accept", "content": { "confirmed": true } })), Some(Answer::Yes));
        assert_eq!(read(json!({ "action": "accept", "content": { "confirmed": false } })), Some(Answer::No));
        assert_eq!(read(json!({ "action": "decline", "content": { "confirmed": true } })), Some(Answer::No));
        assert_eq!(read(json!({ "action": "cancel" })), Some(Answer::No));
        for other in [
            json!({ "action": "accept" }),
            json!({ "action": "accept", "content": {} }),
            json!({ "action": "accept", "content": { "confirmed": "true" } }),
            json!({ "action": "ACCEPT", "content": { "confirmed": true } }),
            json!({ "content": { "confirmed": true } }),
            json!(null),
            json!(true),
        ] {
            assert_eq!(read(other.clone()), None, "{other}");
        }
    }
}
