//! `tools/call`: runs a tool, and asks the person first where the tool wants that and the client can.
//!
//! Knows no SQL and no token. Invariant: in doubt nothing is deleted. Who can't be asked is not asked, which the operator
//! may forbid; who is asked and gives no whole yes has said no.

use std::io;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::era::Peer;
use super::form::Form;
use super::questions::{self, RoundTrip};
use super::rpc::{RpcError, success};
use super::streams::{self, Next, OpenRequest};
use super::tools::{self, Desk, Outcome, Standing, Tool};
use super::{Failure, Mcp, Reply};
use crate::app::App;
use crate::events::{Consent, Listener, News, Wish};
use crate::gate::Permit;
use crate::journal::Shown;
use crate::limits;
use crate::response::EventStream;
use crate::secret;

/// A call of a tool.
pub struct Call {
    /// The tool.
    pub tool: &'static Tool,
    /// What the gate gave for the tool's scope.
    pub permit: Permit,
    /// Its arguments, as they came.
    pub arguments: Map<String, Value>,
    /// What it brings back of an earlier round, if any: `inputResponses` and `requestState`.
    pub responses: Option<Value>,
    /// See `responses`.
    pub state: Option<Value>,
}

/// Calls a tool and gives one result, which in the stateless revision may be a question.
pub fn run(mcp: &Mcp, call: Call, peer: &Peer) -> Result<Value, RpcError> {
    let Call { tool, permit, arguments, responses, state } = call;
    let desk =
        Desk { journal: mcp.app.journal(permit), scopes: mcp.caller.scopes(), now: mcp.now, shown: None };
    let failed = |error| RpcError::internal(&error);
    let can_ask = peer.is_modern() && peer.abilities.elicits;
    if tool.asks() && (can_ask || state.is_some() || responses.is_some()) {
        let digest = questions::digest(&arguments);
        let (seal, caller, now) = (&mcp.app.seal, &mcp.caller, mcp.now);
        let trip = RoundTrip { seal, caller, tool: tool.name, arguments: digest, now };
        let standing = match trip.brought(state, responses)? {
            None => Standing::ToBeAsked,
            Some((consent, shown)) => Standing::Answered(consent, shown),
        };
        return match tool.call(&desk, arguments, standing).map_err(failed)? {
            Outcome::Result(result) => Ok(result),
            Outcome::Ask { text, shown } if can_ask => Ok(trip.ask(&text, shown)),
            Outcome::Ask { .. } => Err(RpcError::needs_elicitation()), // it brought an answer, but to nothing
        };
    }
    if tool.asks() && mcp.app.require_confirmation {
        return match peer.is_modern() {
            true => Err(RpcError::needs_elicitation()),
            false => Ok(tools::told(
                "This server deletes only what the person confirms, and this client can't ask them. Nothing was \
                 deleted: use a client that supports elicitation.",
            )),
        };
    }
    match tool.call(&desk, arguments, Standing::NotAsked).map_err(failed)? {
        Outcome::Result(result) => Ok(result),
        Outcome::Ask { .. } => Err(RpcError::needs_elicitation()), // nobody who isn't asked is asked
    }
}

/// Calls a tool for a legacy client whose person is asked first, on the call's own stream.
///
/// The revisions that ask so take a result as it is: [`super::results::for_peer`] would change nothing.
pub fn ask_on_stream(mcp: Mcp, call: Call, id: Value, peer: &Peer, form: Form) -> Result<Reply, Failure> {
    let Call { tool, permit, arguments, .. } = call;
    let (scopes, now) = (mcp.caller.scopes(), mcp.now);
    let call = move |app: &App, standing: Standing| {
        let desk = Desk { journal: app.journal(permit), scopes, now, shown: None };
        tool.call(&desk, arguments.clone(), standing).map_err(|error| RpcError::internal(&error))
    };
    let asked = match call(mcp.app, Standing::ToBeAsked)? {
        Outcome::Result(result) => {
            return Ok(Reply::Message { message: success(id, result), session: None });
        }
        Outcome::Ask { text, shown } => (text, shown),
    };
    if !form.events {
        return Err(Failure::StreamRefused);
    }
    let opener = streams::opener(&mcp.caller, peer.session, &id);
    let listener =
        mcp.app.events.listen(mcp.caller.person(), opener, Wish::Answer).map_err(RpcError::from)?;
    let request = mcp.kept();
    Ok(Reply::Stream(Box::new(move |stream| {
        let call = |standing| call(&request.app, standing);
        match converse(&request, &listener, stream, asked, call)? {
            Some(Ok(result)) => stream.send(&success(id, result)),
            Some(Err(error)) => stream.send(&error.answering(&id).message()),
            None => Ok(()),
        }
    })))
}

/// Asks on the call's own stream until there is an answer, and gives what the call came to; `None` when nobody waits for
/// that any more. In doubt nothing is deleted: silence is a no, and a client that is gone has said nothing.
fn converse(
    request: &OpenRequest,
    listener: &Listener,
    stream: &mut EventStream,
    asked: (String, Shown),
    call: impl Fn(Standing) -> Result<Outcome, RpcError>,
) -> io::Result<Option<Result<Value, RpcError>>> {
    let (mut text, mut shown) = asked;
    loop {
        let id = format!("elc-{}", secret::random_text::<16>());
        listener.ask(&id);
        let params = questions::elicitation(&text, false);
        stream
            .send(&json!({ "jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": params }))?;
        let consent = match request.next(listener, stream, Some(Instant::now() + limits::ANSWER_WAIT))? {
            Next::News(News::Answered(consent)) => consent,
            Next::Late => Consent::No,
            Next::Barred => {
                let why = "The access token has ended, or can't be checked now";
                return Ok(Some(Err(RpcError::broken_off(why))));
            }
            Next::News(News::Ended) => return Ok(Some(Err(RpcError::broken_off("The server is stopping")))),
            Next::News(_) | Next::Gone => return Ok(None),
        };
        match call(Standing::Answered(consent, shown)) {
            Ok(Outcome::Result(result)) => return Ok(Some(Ok(result))),
            Ok(Outcome::Ask { text: again, shown: changed }) => (text, shown) = (again, changed),
            Err(error) => return Ok(Some(Err(error))),
        }
    }
}
