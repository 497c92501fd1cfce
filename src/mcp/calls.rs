//! `tools/call`: runs a tool, and asks the person first where the tool wants that and the client can.
//!
//! Knows no SQL and no token. Invariant: in doubt nothing is deleted. Who can't be asked is not asked, which the operator
//! may forbid; who is asked and gives no whole yes has said no.

use std::io;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::era::Peer;
use super::form::Form;
use super::questions::{self, Brought, RoundTrip};
use super::rpc::{RpcError, success};
use super::streams::{self, Next, Stay};
use super::tools::{self, Desk, Outcome, Standing, Tool};
use super::{Failure, Mcp, Reply};
use crate::app::App;
use crate::events::{Answer, Listener, News, Wish};
use crate::gate::Permit;
use crate::journal::Shown;
use crate::limits;
use crate::response::EventStream;
use crate::secret;
use crate::store::StoreError;

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

/// Calls a tool and answers with one result, which in the stateless revision may be a question.
pub fn answer(mcp: &Mcp, call: Call, peer: &Peer) -> Result<Value, RpcError> {
    let Call { tool, permit, arguments, responses, state } = call;
    let trip = RoundTrip {
        seal: &mcp.app.seal,
        caller: &mcp.caller,
        tool: tool.name,
        arguments: &arguments,
        now: mcp.now,
    };
    let can_ask = peer.is_modern() && peer.abilities.elicits;
    let standing = if !tool.asks() {
        Standing::NotAsked
    } else if can_ask || state.is_some() || responses.is_some() {
        match trip.brought(state, responses).map_err(RpcError::invalid_params)? {
            Brought::Nothing => Standing::ToBeAsked,
            Brought::Answer(answer, shown) => Standing::Answered(answer, shown),
        }
    } else if mcp.app.require_confirmation {
        return match peer.is_modern() {
            true => Err(RpcError::needs_elicitation()),
            false => Ok(tools::told(
                "This server deletes only what the person confirms, and this client can't ask them. Nothing was \
                 deleted: use a client that supports elicitation.",
            )),
        };
    } else {
        Standing::NotAsked
    };
    let desk =
        Desk { journal: mcp.app.journal(permit), scopes: mcp.caller.scopes(), now: mcp.now, shown: None };
    match tool.call(&desk, arguments.clone(), standing).map_err(|error| RpcError::internal(&error))? {
        Outcome::Result(result) => Ok(result),
        Outcome::Ask { text, shown } if can_ask => Ok(trip.ask(&text, shown)),
        Outcome::Ask { .. } => Err(RpcError::needs_elicitation()),
    }
}

/// Calls a tool for a legacy client whose person is asked first, on the call's own stream.
pub fn ask_on_stream(mcp: Mcp, call: Call, id: Value, peer: &Peer, form: Form) -> Result<Reply, Failure> {
    let Call { tool, permit, arguments, .. } = call;
    let (scopes, now) = (mcp.caller.scopes(), mcp.now);
    let call = move |app: &App, standing: Standing| {
        let desk = Desk { journal: app.journal(permit), scopes, now, shown: None };
        tool.call(&desk, arguments.clone(), standing)
    };
    let answered = |error: RpcError| Failure::Rpc(error.answering(&id));
    let first = call(mcp.app, Standing::ToBeAsked).map_err(|error| answered(RpcError::internal(&error)))?;
    let asked = match first {
        Outcome::Result(result) => {
            return Ok(Reply::Message { message: success(id, result), session: None });
        }
        Outcome::Ask { text, shown } => (text, shown),
    };
    if !form.events {
        return Err(Failure::NoStream);
    }
    let opener = streams::opener(&mcp.caller, peer.session, &id);
    let listener = mcp.app.events.listen(mcp.caller.person(), opener, Wish::Answer);
    let listener = listener.map_err(|why| answered(why.into()))?;
    let stay = mcp.stay();
    Ok(Reply::Stream(Box::new(move |stream| {
        let call = |standing| call(&stay.app, standing);
        match converse(&stay, &listener, stream, asked, call)? {
            Some(Ok(result)) => stream.send(&success(id, result)),
            Some(Err(error)) => stream.send(&error.answering(&id).message()),
            None => Ok(()),
        }
    })))
}

/// Asks on the call's own stream until there is an answer, and gives what the call came to; `None` when nobody waits for
/// that any more. In doubt nothing is deleted: silence is a no, and a client that is gone has said nothing.
fn converse(
    stay: &Stay,
    listener: &Listener,
    stream: &mut EventStream,
    asked: (String, Shown),
    call: impl Fn(Standing) -> Result<Outcome, StoreError>,
) -> io::Result<Option<Result<Value, RpcError>>> {
    let (mut text, mut shown) = asked;
    loop {
        let id = format!("elc-{}", secret::random_text::<16>());
        listener.ask(&id);
        let params = questions::form(&text, false);
        stream
            .send(&json!({ "jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": params }))?;
        let answer = match stay.next(listener, stream, Some(Instant::now() + limits::QUESTION_MAX))? {
            Next::News(News::Answered(answer)) => answer,
            Next::Late => Answer::No,
            Next::Barred => return Ok(Some(Err(RpcError::broken_off("The access token has ended")))),
            Next::News(News::Ended) => return Ok(Some(Err(RpcError::broken_off("The server is stopping")))),
            Next::News(_) | Next::Gone => return Ok(None),
        };
        match call(Standing::Answered(answer, shown)) {
            Ok(Outcome::Result(result)) => return Ok(Some(Ok(result))),
            Ok(Outcome::Ask { text: again, shown: changed }) => (text, shown) = (again, changed),
            Err(error) => return Ok(Some(Err(RpcError::internal(&error)))),
        }
    }
}
