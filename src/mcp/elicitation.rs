//! Calls of tools, and the question that a person answers before something is deleted (elicitation).
//!
//! Knows no SQL and no token text, and no tool by its name.
//!
//! A model decides which tool it calls, and a text that the model has read may have talked it into deleting an entry
//! (prompt injection). So the server has the client ask the person. The person sees the title and the id of the row
//! and answers yes or no. The protocol versions have two ways to ask:
//!
//! - Since 2026-07-28 the call's result is the question (`input_required`). The client sends the same call again with
//!   the answer. All that the server must remember until then travels in `requestState`, so it keeps nothing between
//!   the two calls ([`RoundTrip`]).
//! - In 2025-06-18 and 2025-11-25 the call's response becomes an event stream, and the question is a request that the
//!   server sends on this stream. The client posts the answer as a separate message, while the call's thread waits
//!   ([`ask_on_stream`]).
//!
//! If the answer is in doubt, nothing is deleted. Only `accept` with `confirmed: true` is a yes. If the person
//! doesn't answer, the token ends or the client closes the connection, that is no yes. A yes holds for the row as the
//! person was shown it: if the row has changed since, the server asks again.
//!
//! If the client can't ask the person, the tool runs without a question, since most hosts show a destructive call to
//! the person before they send it (`destructiveHint`). With `serve --require-confirmation` the server refuses such a
//! call.

use std::io;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::client_info::ClientInfo;
use super::rpc::{RpcError, success};
use super::streams::{self, OpenRequest, Wakeup};
use super::tools::{CallOutcome, Confirmation, ConfirmationState, PermittedTool, ToolResult};
use super::version::{MethodResult, ProtocolVersion};
use super::{Accepts, Failure, Mcp, Reply};
use crate::app::App;
use crate::clock::Timestamp;
use crate::events::{ConfirmationAnswer, Event, Interest, Subscriber};
use crate::gate::Caller;
use crate::http::response::EventStream;
use crate::journal::RowDigest;
use crate::json_text::Object;
use crate::limits;
use crate::secret::{self, Signer};

/// The key of the question in `inputRequests`, under which `inputResponses` holds the answer.
const KEY: &str = "confirm_delete";

/// A call of a tool that the gate has permitted.
pub(crate) struct Call {
    pub(crate) tool: PermittedTool,
    /// The arguments as the client sent them: the tool checks them each time that it runs.
    pub(crate) arguments: Map<String, Value>,
    /// `inputResponses` and `requestState`, if the call brings an answer. Neither has been checked.
    pub(crate) responses: Option<Value>,
    pub(crate) state: Option<Value>,
}

impl Call {
    /// Checks whether the person must be asked on the call's own stream. A batch has one response for all its calls,
    /// so it has no stream for one call; but the only version with batches has no elicitation anyway.
    pub(crate) fn asks_on_stream(&self, client: &ClientInfo) -> bool {
        self.tool.needs_confirmation && client.capabilities.elicitation && !client.version.is_stateless()
    }

    /// Runs the call and returns one result, which in a stateless version may be a question.
    pub(crate) fn run(self, mcp: &Mcp, client: &ClientInfo) -> Result<MethodResult, RpcError> {
        if self.tool.needs_confirmation { self.confirm(mcp, client) } else { self.run_unasked(mcp, client) }
    }

    fn run_unasked(self, mcp: &Mcp, client: &ClientInfo) -> Result<MethodResult, RpcError> {
        match self.tool.call(mcp.context.app, self.arguments, ConfirmationState::NotAsked)? {
            CallOutcome::Result(result) => Ok(result.in_version(client.version)),
            CallOutcome::Ask(_) => Err(RpcError::ElicitationNeeded), // `NotAsked` never asks
        }
    }

    /// Runs the call if the person has agreed, and asks them if the client can.
    #[inline(never)] // see `log::write`
    fn confirm(self, mcp: &Mcp, client: &ClientInfo) -> Result<MethodResult, RpcError> {
        let can_ask = client.version.is_stateless() && client.capabilities.elicitation;
        // An answer counts even if the client declares in this call that it can't ask. Otherwise a client could have
        // a row deleted although the person said no: it would send the no in a call that declares no elicitation.
        if can_ask || self.state.is_some() || self.responses.is_some() {
            let Call { tool, arguments, responses, state } = self;
            let round_trip = RoundTrip {
                signer: &mcp.context.app.signer,
                caller: &mcp.caller,
                tool: tool.name,
                arguments: digest(&arguments),
                now: mcp.context.now,
            };
            let state = match round_trip.read(state, responses)? {
                None => ConfirmationState::ToBeAsked,
                Some((answer, row)) => ConfirmationState::Answered(answer, row),
            };
            return match tool.call(mcp.context.app, arguments, state)? {
                CallOutcome::Result(result) => Ok(result.in_version(client.version)),
                CallOutcome::Ask(confirmation) if can_ask => {
                    Ok(round_trip.ask(&confirmation, client.version))
                }
                // The tool asks again, because the row has changed since the question or the state has expired. But
                // in this call the client declares that it can't ask the person.
                CallOutcome::Ask(_) => Err(RpcError::ElicitationNeeded),
            };
        }
        if mcp.context.app.require_confirmation {
            if client.version.is_stateless() {
                return Err(RpcError::ElicitationNeeded);
            }
            // Before 2026-07-28 there is no error for a missing capability. So the result explains it to the model,
            // and the model can explain it to the person.
            let text = "This server deletes only what the person confirms, and this client can't ask them. Nothing was \
                        deleted: use a client that supports elicitation.";
            return Ok(ToolResult::Error(text.to_owned()).in_version(client.version));
        }
        self.run_unasked(mcp, client)
    }
}

/// Runs a call about which the person is asked first, on the call's own stream (2025-11-25 elicitation, Form Mode
/// Flow).
#[inline(never)] // see `log::write`
pub(crate) fn ask_on_stream(
    mcp: Mcp,
    call: Call,
    id: Value,
    client: &ClientInfo,
    accepts: Accepts,
) -> Result<Reply, Failure> {
    let Call { tool, arguments, .. } = call;
    // The tool runs once to learn the question, and once for each answer: the row may change while the person reads.
    let run = move |app: &App, state| -> Result<CallOutcome, RpcError> {
        Ok(tool.call(app, arguments.clone(), state)?)
    };
    let version = client.version;
    let confirmation = match run(mcp.context.app, ConfirmationState::ToBeAsked)? {
        CallOutcome::Result(result) => {
            let message = success(&id, &result.in_version(version));
            return Ok(Reply::Message { message, session: None });
        }
        CallOutcome::Ask(confirmation) => confirmation,
    };
    if !accepts.events {
        return Err(Failure::StreamRefused);
    }
    // Two checks come before the response begins, because the server can still answer with an error then: whether the
    // client takes a stream, and whether a place for a stream is free. Each open question holds a thread, so the
    // number of questions is bounded.
    let request_key = streams::request_key(&mcp.caller, client.session, &id);
    let subscriber = mcp
        .context
        .app
        .events
        .subscribe(mcp.caller.holder().user_id, request_key, Interest::Answer)
        .map_err(RpcError::from)?;
    let request = OpenRequest::new(mcp);
    Ok(Reply::Stream(Box::new(move |stream| {
        let run = |state| run(&request.app, state);
        match ask_until_answered(&request, &subscriber, stream, confirmation, run)? {
            Some(Ok(result)) => stream.send(&success(&id, &result.in_version(version))),
            Some(Err(error)) => stream.send(&error.message(Some(&id))),
            None => Ok(()),
        }
    })))
}

/// Asks on the call's own stream until there is an answer, and returns the outcome of the call. `None` means that the
/// client has cancelled the call or closed the connection: then the server may write nothing more (2025-11-25
/// cancellation, Behavior Requirements). The function is a loop because the row may change while the person reads.
/// Then the yes was about an older form of the row, and the server asks about the row as it is now. Each question has
/// an id of its own, so the server can't take the answer to an earlier question for the answer to this one. If the
/// token ends or the server stops, the outcome is an error.
fn ask_until_answered(
    request: &OpenRequest,
    subscriber: &Subscriber,
    stream: &mut EventStream,
    mut confirmation: Confirmation,
    run: impl Fn(ConfirmationState) -> Result<CallOutcome, RpcError>,
) -> io::Result<Option<Result<ToolResult, RpcError>>> {
    loop {
        // The id is random, so that it can't be guessed: the client's answer names the question by this id alone.
        let id = format!("elc-{}", secret::random_text::<16>());
        // Register the question before sending it. In the other order a quick answer would find no open question.
        subscriber.open_question(&id);
        let params = question(&confirmation, false);
        stream
            .send(&json!({ "jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": params }))?;
        let answer = match request.wait(subscriber, stream, Some(Instant::now() + limits::ANSWER_WAIT))? {
            Wakeup::Event(Event::Answered(answer)) => answer,
            Wakeup::TimedOut => ConfirmationAnswer::No,
            Wakeup::NotAdmitted => return Ok(Some(Err(RpcError::TOKEN_ENDED))),
            Wakeup::Event(Event::Ended) => return Ok(Some(Err(RpcError::SERVER_STOPPING))),
            Wakeup::Event(_) | Wakeup::ClientGone => return Ok(None),
        };
        match run(ConfirmationState::Answered(answer, confirmation.row)) {
            Ok(CallOutcome::Result(result)) => return Ok(Some(Ok(result))),
            Ok(CallOutcome::Ask(changed)) => confirmation = changed,
            Err(error) => return Ok(Some(Err(error))),
        }
    }
}

/// Writes the parameters of `elicitation/create`.
///
/// The form has a box to tick, because an `accept` alone would prove too little: some clients accept forms by
/// default, and a person may click without reading. `mode` is written in stateless versions only. 2025-06-18 doesn't
/// have that member, and in 2025-11-25 its absence means a form.
fn question(confirmation: &Confirmation, is_stateless: bool) -> Value {
    let Confirmation { text, agreement, .. } = confirmation;
    let confirmed = json!({ "type": "boolean", "title": agreement.title, "description": agreement.warning });
    let schema =
        json!({ "type": "object", "properties": { "confirmed": confirmed }, "required": ["confirmed"] });
    if is_stateless {
        json!({ "mode": "form", "message": text, "requestedSchema": schema })
    } else {
        json!({ "message": text, "requestedSchema": schema })
    }
}

/// Reads an `ElicitResult` as an answer. `None` means that the value is no `ElicitResult` or doesn't fit the
/// question's schema: clients should check that, but the server can't rely on them (2025-11-25 elicitation, Form Mode
/// Security). A `cancel` is a no: the person closed the form without a choice, and the model can call the tool again.
pub(crate) fn read_answer(result: &Value) -> Option<ConfirmationAnswer> {
    match result.get("action")?.as_str()? {
        "accept" if result.get("content")?.get("confirmed")?.as_bool()? => Some(ConfirmationAnswer::Yes),
        "accept" | "decline" | "cancel" => Some(ConfirmationAnswer::No),
        _ => None,
    }
}

/// Computes the digest of a call's arguments, to which [`RoundTrip`] binds its state. If a client sends the same
/// members in another order, the digest differs, and the client gets the error of a foreign state: it had to send the
/// same call again.
fn digest(arguments: &Map<String, Value>) -> [u8; 32] {
    secret::sha256(json!(arguments).to_string().as_bytes())
}

/// A question and its answer in two calls; the server remembers nothing in between (2026-07-28, Multi Round-Trip
/// Requests).
///
/// The client carries the state from the first call to the second. A bad client could change the state, or send the
/// state of another call: it could show the person a harmless question and use the yes for another row. So the state
/// is signed, and bound to the caller, the tool and the arguments, as the specification's page advises. The state
/// also holds the digest of the row that the person was shown, and it expires, since a yes is meant for the row that
/// the person has just seen.
///
/// A client may send the same state twice. To notice that, the server would have to remember every state until it
/// expires. The second use does no harm: a deleted row can't be deleted again.
struct RoundTrip<'a> {
    signer: &'a Signer,
    caller: &'a Caller,
    tool: &'static str,
    /// The digest of the arguments.
    arguments: [u8; 32],
    now: Timestamp,
}

impl RoundTrip<'_> {
    /// Writes the `InputRequiredResult`. Its state holds the row's digest and the time at which the state expires,
    /// both of a fixed length.
    fn ask(&self, confirmation: &Confirmation, version: ProtocolVersion) -> MethodResult {
        let expires_at = self.now.plus(limits::REQUEST_STATE_SECONDS).0.to_be_bytes();
        let state = [&confirmation.row.0[..], &expires_at].concat();
        let state = self.signer.sign(&self.context(&self.caller.binding()), &state);
        let params = question(confirmation, true);
        let request = json!({ "method": "elicitation/create", "params": params });
        let requests = json!({ KEY: request });
        let members = move |out: &mut Object| {
            out.member("inputRequests", &requests);
            out.member("requestState", &state);
        };
        version.result_of("input_required", members, |_| ())
    }

    /// Reads the answer, and the digest of the row that the person was shown, from the second call. `None` means that
    /// there is no answer yet, so the person must be asked.
    ///
    /// A state that this server didn't make, or made for another caller or another call, is an error: the client has
    /// changed something. An expired state is no error, and neither is a missing answer or an answer under another
    /// key: the server asks again, as the specification wants it (Multi Round-Trip Requests, Error Handling).
    #[inline(never)] // see `log::write`
    fn read(
        &self,
        state: Option<Value>,
        responses: Option<Value>,
    ) -> Result<Option<(ConfirmationAnswer, RowDigest)>, RpcError> {
        let invalid = |text: &str| Err(RpcError::invalid_params(text));
        let state = match state {
            // The call may hold an answer all the same. But without a state the server can't know about which row the
            // question was.
            None => return Ok(None),
            Some(Value::String(state)) => state,
            Some(_) => return invalid("params.requestState must be a string"),
        };
        let verified = self.signer.verify(&self.context(&self.caller.binding()), &state);
        let Some((row, expires_at)) = verified.as_deref().and_then(|state| state.split_first_chunk::<32>())
        else {
            return invalid("params.requestState is not what this call was given");
        };
        let expires_at = expires_at.first_chunk().map_or(i64::MIN, |bytes| i64::from_be_bytes(*bytes));
        if Timestamp(expires_at) <= self.now {
            return Ok(None);
        }
        let result = match &responses {
            None => None,
            Some(Value::Object(responses)) => responses.get(KEY),
            Some(_) => return invalid("params.inputResponses must be an object"),
        };
        let Some(result) = result else { return Ok(None) };
        let Some(answer) = read_answer(result) else {
            return invalid(&format!(
                "params.inputResponses.{KEY} must have an action (accept, decline or cancel) and, with accept, \
                 content.confirmed (true or false)"
            ));
        };
        Ok(Some((answer, RowDigest(*row))))
    }

    /// Returns what a state is bound to. The first part is there because the same key also signs cursors and session
    /// ids: the server must not take one of those for a state.
    fn context<'c>(&'c self, binding: &'c [u8]) -> [&'c [u8]; 4] {
        [b"question", binding, self.tool.as_bytes(), &self.arguments]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_nothing_but_a_whole_yes_for_a_yes() {
        let read = |result: Value| read_answer(&result);
        assert_eq!(
            read(json!({ "action": "accept", "content": { "confirmed": true } })),
            Some(ConfirmationAnswer::Yes)
        );
        assert_eq!(
            read(json!({ "action": "accept", "content": { "confirmed": false } })),
            Some(ConfirmationAnswer::No)
        );
        assert_eq!(
            read(json!({ "action": "decline", "content": { "confirmed": true } })),
            Some(ConfirmationAnswer::No)
        );
        assert_eq!(read(json!({ "action": "cancel" })), Some(ConfirmationAnswer::No));
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
