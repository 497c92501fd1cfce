//! `subscriptions/listen`: tells a client what has changed, for as long as it listens (2026-07-28, Subscriptions).
//!
//! Knows no SQL and no socket. Invariant: the first message says what is listened for, and no other kind follows; a URI
//! that the caller may not read is left out of it, and nothing tells it from one that doesn't exist.

use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::form::Form;
use super::resources;
use super::results;
use super::rpc::{RpcError, success};
use super::streams::{self, Next, OpenRequest};
use super::{Failure, Mcp, Reply};
use crate::events::{Change, Changes, Listener, News, Resource, Wish};
use crate::journal::{Fault, entries, tags};
use crate::limits;
use crate::response::EventStream;
use crate::scope::{Scope, Scopes};

/// What a client asks to be told.
pub struct Asked {
    list: bool,
    uris: Vec<String>,
}

impl Asked {
    /// Reads `params.notifications`. Kinds that never happen here (tools and prompts don't change) are passed over.
    pub fn read(params: &Map<String, Value>) -> Result<Asked, RpcError> {
        let invalid = |text: &str| RpcError::invalid_params(format!("params.notifications{text}"));
        let Some(Value::Object(asked)) = params.get("notifications") else {
            return Err(invalid(" must be an object"));
        };
        for kind in ["toolsListChanged", "promptsListChanged", "resourcesListChanged"] {
            if asked.get(kind).is_some_and(|value| !value.is_boolean()) {
                return Err(invalid(&format!(".{kind} must be true or false")));
            }
        }
        let uris = match asked.get("resourceSubscriptions") {
            None => Some(Vec::new()),
            Some(Value::Array(uris)) => uris.iter().map(|uri| uri.as_str().map(str::to_owned)).collect(),
            Some(_) => None,
        };
        let uris = uris.ok_or_else(|| invalid(".resourceSubscriptions must be an array of strings"))?;
        if uris.len() > limits::SUBSCRIBED_URIS_MAX {
            let max = limits::SUBSCRIBED_URIS_MAX;
            return Err(invalid(&format!(".resourceSubscriptions has more than {max} URIs")));
        }
        Ok(Asked { list: asked.get("resourcesListChanged") == Some(&Value::Bool(true)), uris })
    }
}

/// What a client is told.
struct Honoured {
    /// Whether the list of resources is among it: for this caller it is the tags that come and go in there.
    list: bool,
    /// The resources, each with the URI that the client calls it by.
    uris: BTreeMap<Resource, String>,
}

impl Honoured {
    /// What of it the caller may read.
    fn of(asked: Asked, mcp: &Mcp) -> Result<Honoured, Fault> {
        let mut uris = BTreeMap::new();
        for uri in asked.uris {
            let Some(resource) = resources::parse(&uri) else { continue };
            let Some(journal) = mcp.journal_if(resources::needs(resource)) else {
                continue;
            };
            let is_there = match resource {
                Resource::User | Resource::Entries | Resource::Tags => true,
                Resource::Entry(id) => entries::find(&journal, id)?.is_some(),
                Resource::Tag(id) => tags::find(&journal, id)?.is_some(),
            };
            if is_there {
                uris.entry(resource).or_insert(uri);
            }
        }
        let list = asked.list && mcp.caller.scopes().contains(Scopes::of(&[Scope::TagsRead]));
        Ok(Honoured { list, uris })
    }

    /// The changes that these are.
    fn changes(&self) -> Changes {
        let list = self.list.then_some(Change::List);
        self.uris.keys().map(|resource| Change::Of(*resource)).chain(list).collect()
    }

    fn described(&self) -> Value {
        let mut described = json!({});
        if self.list {
            described["resourcesListChanged"] = true.into();
        }
        if !self.uris.is_empty() {
            described["resourceSubscriptions"] = self.uris.values().cloned().collect();
        }
        described
    }
}

/// Opens the stream of what is `asked`.
pub fn open(mcp: Mcp, asked: Asked, id: Value, form: Form) -> Result<Reply, Failure> {
    if !form.events {
        return Err(Failure::StreamRefused);
    }
    let honoured = Honoured::of(asked, &mcp).map_err(RpcError::from)?;
    let (opener, wish) = (streams::opener(&mcp.caller, None, &id), Wish::Changes(honoured.changes()));
    let listener = mcp.app.events.listen(mcp.caller.person(), opener, wish).map_err(RpcError::from)?;
    let request = mcp.kept();
    Ok(Reply::Stream(Box::new(move |stream| write(&request, &listener, &honoured, &id, stream))))
}

/// Writes the stream: the acknowledgement, what changes, and at the end the result: the token has ended, the
/// server stops, or the client has cancelled its request.
fn write(
    request: &OpenRequest,
    listener: &Listener,
    honoured: &Honoured,
    id: &Value,
    stream: &mut EventStream,
) -> io::Result<()> {
    let meta = json!({ "io.modelcontextprotocol/subscriptionId": id });
    let end = |stream: &mut EventStream| {
        stream.send(&success(id.clone(), results::modern_result(json!({ "_meta": meta }))))
    };
    let notification = |method: &str, mut params: Value| {
        params["_meta"] = meta.clone();
        json!({ "jsonrpc": "2.0", "method": format!("notifications/{method}"), "params": params })
    };
    let acknowledged = json!({ "notifications": honoured.described() });
    stream.send(&notification("subscriptions/acknowledged", acknowledged))?;
    loop {
        match request.next(listener, stream, None)? {
            Next::News(News::Changed(changes)) => {
                let mut admitted_at = Instant::now();
                for change in changes {
                    // To a client that is slow to read, telling all of it may take longer than its token lives.
                    if admitted_at.elapsed() >= limits::STREAM_LOOK {
                        if !request.is_admitted() {
                            return end(stream);
                        }
                        admitted_at = Instant::now();
                    }
                    let message = match change {
                        Change::List => notification("resources/list_changed", json!({})),
                        Change::Of(resource) => {
                            notification("resources/updated", json!({ "uri": honoured.uris.get(&resource) }))
                        }
                    };
                    stream.send(&message)?;
                }
            }
            Next::Gone => return Ok(()),
            Next::News(_) | Next::Barred | Next::Late => return end(stream),
        }
    }
}
