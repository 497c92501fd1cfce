//! Questions: the form that a person answers before something is deleted, and what an answer means.
//!
//! Knows no tool and no database. Two eras ask in two ways: since 2026-07-28 the answer comes with the same call sent
//! again, and all that must be remembered travels in `requestState`; before, it is posted while the call's own stream
//! waits. Invariant: nothing but `accept` with `confirmed: true` is a yes.

use serde_json::{Map, Value, json};

use super::rpc::RpcError;
use crate::clock::Timestamp;
use crate::events::Consent;
use crate::gate::Caller;
use crate::journal::Shown;
use crate::limits;
use crate::secret::{self, Seal};

/// The question's name in `inputRequests` and `inputResponses`.
const KEY: &str = "confirm_delete";

/// The parameters of `elicitation/create`; only since 2026-07-28 do they name their mode.
pub fn elicitation(text: &str, modern: bool) -> Value {
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
pub fn read(result: &Value) -> Option<Consent> {
    match result.get("action")?.as_str()? {
        "accept" => match result.get("content")?.get("confirmed")?.as_bool()? {
            true => Some(Consent::Yes),
            false => Some(Consent::No),
        },
        "decline" | "cancel" => Some(Consent::No),
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
    /// The digest of its arguments, as they came.
    pub arguments: [u8; 32],
    /// The time of the request.
    pub now: Timestamp,
}

impl RoundTrip<'_> {
    /// The `InputRequiredResult`.
    pub fn ask(&self, text: &str, shown: Shown) -> Value {
        let expires_at = self.now.plus(limits::REQUEST_STATE_SECONDS).0.to_be_bytes();
        let state = [&shown[..], &expires_at].concat();
        let state = self.seal.seal(&self.context(&self.caller.binding()), &state);
        let request = json!({ "method": "elicitation/create", "params": elicitation(text, true) });
        json!({ "resultType": "input_required", "inputRequests": { KEY: request }, "requestState": state })
    }

    /// What the call's parameters bring back of an earlier round: the answer, and what the person was shown. `None` when
    /// the present question has no answer yet. A state that isn't ours, or was made for somebody else or for another
    /// call, is an error; one that is too old is as good as none.
    pub fn brought(
        &self,
        state: Option<Value>,
        responses: Option<Value>,
    ) -> Result<Option<(Consent, Shown)>, RpcError> {
        let invalid = |text: &str| Err(RpcError::invalid_params(text));
        let state = match state {
            None => return Ok(None), // an answer to nothing: whoever gave it is asked
            Some(Value::String(state)) => state,
            Some(_) => return invalid("params.requestState must be a string"),
        };
        let opened = self.seal.open(&self.context(&self.caller.binding()), &state);
        let Some((shown, expires_at)) = opened.as_deref().and_then(|state| state.split_first_chunk::<32>())
        else {
            return invalid("params.requestState is not what this call was given");
        };
        let expires_at = expires_at.first_chunk().map_or(i64::MIN, |octets| i64::from_be_bytes(*octets));
        if Timestamp(expires_at) <= self.now {
            return Ok(None);
        }
        let result = match &responses {
            None => None,
            Some(Value::Object(responses)) => responses.get(KEY),
            Some(_) => return invalid("params.inputResponses must be an object"),
        };
        let Some(result) = result else { return Ok(None) };
        let Some(consent) = read(result) else {
            return invalid(&format!(
                "params.inputResponses.{KEY} must have an action (accept, decline or cancel) and, with accept, \
                 content.confirmed (true or false)"
            ));
        };
        Ok(Some((consent, *shown)))
    }

    /// What a state is bound to: the person and client, the tool, its arguments.
    fn context<'c>(&'c self, binding: &'c [u8]) -> [&'c [u8]; 4] {
        [b"question", binding, self.tool.as_bytes(), &self.arguments]
    }
}

/// The digest of a call's arguments, as [`RoundTrip`] binds its state to them.
pub fn digest(arguments: &Map<String, Value>) -> [u8; 32] {
    secret::sha256(json!(arguments).to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_nothing_but_a_whole_yes_for_a_yes() {
        let read = |result: Value| super::read(&result);
        assert_eq!(read(json!({ "action": "accept", "content": { "confirmed": true } })), Some(Consent::Yes));
        assert_eq!(read(json!({ "action": "accept", "content": { "confirmed": false } })), Some(Consent::No));
        assert_eq!(read(json!({ "action": "decline", "content": { "confirmed": true } })), Some(Consent::No));
        assert_eq!(read(json!({ "action": "cancel" })), Some(Consent::No));
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
