//! MCP: the JSON-RPC envelope and the table of methods, for both eras on one endpoint.
//!
//! Knows no sockets, no SQL and no token. The order of the checks is the order of this file, from [`answer`]
//! down; a message is prepared, scope included, before anything of it is run.

mod arguments;
mod era;
mod rpc;
mod shapes;
pub mod tools;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use self::era::{Era, Headers, MODERN, Revision};
use self::rpc::{Message, Request, RpcError, success};
use self::tools::{Desk, TOOLS, Tool};
use crate::clock::Timestamp;
use crate::gate::{Caller, Permit, Refusal, Rule};
use crate::limits;
use crate::request::Head;
use crate::response::Response;
use crate::secret::Seal;
use crate::store::Store;
use crate::trace::Exchange;

const INSTRUCTIONS: &str = "A private journal. The tools show the signed-in person's own entries and tags: write \
    an entry when they tell of something worth keeping, read and search before answering about their past, and \
    keep the tags few and tidy.";

/// What an answer is made from.
pub struct Mcp<'a> {
    /// The database.
    pub store: &'a Store,
    /// The seal of cursors and session ids.
    pub seal: &'a Seal,
    /// Whose token opened the gate.
    pub caller: &'a Caller,
    /// The time of the request.
    pub now: Timestamp,
}

/// What the head of a request decides: the method, the type of its body, the form of its answer. Nothing of the body
/// is read for a request that can't be answered.
pub fn accept(head: &Head) -> Result<Form, Response> {
    if head.method() != "POST" {
        // A GET would open a stream of server messages, a DELETE end a session: there are neither here.
        return Err(Response::text(405, "send JSON-RPC by POST").with("Allow", "POST, OPTIONS"));
    }
    if !head.is_of_type("application/json") {
        return Err(Response::text(415, "Content-Type must be application/json"));
    }
    let no_form = || Response::text(406, "Accept must allow application/json or text/event-stream");
    Form::choose(head).ok_or_else(no_form)
}

/// Answers a request that the gate has admitted.
pub fn answer(mcp: &Mcp, head: &Head, form: Form, octets: &[u8], exchange: &mut Exchange) -> Response {
    let reply = crate::json::parse(octets)
        .map_err(|error| Failure::Rpc(RpcError::parse(&error)))
        .and_then(|message| mcp.message(message, head, exchange));
    match reply {
        Ok(Reply { message: None, .. }) => Response::new(202),
        Ok(Reply { message: Some(message), session }) => {
            let response = form.response(&message);
            session.into_iter().fold(response, |response, id| response.with("Mcp-Session-Id", id))
        }
        Err(Failure::Rpc(error)) if error.status() == 200 => form.response(&error.message()),
        Err(Failure::Rpc(error)) => Response::json(error.status(), &error.message()),
        Err(Failure::Gate(refusal)) => {
            exchange.rule = Some(refusal.rule.name());
            refusal.answer()
        }
    }
}

/// The form of a successful answer.
#[derive(Clone, Copy)]
pub enum Form {
    /// One JSON text.
    Json,
    /// The same one message as the one event of a whole body, for a client that takes nothing else.
    Event,
}

impl Form {
    fn choose(head: &Head) -> Option<Form> {
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
            names.iter().find_map(quality).unwrap_or(false)
        };
        if ranges.is_empty() || takes(["application/json", "application/*", "*/*"]) {
            Some(Form::Json)
        } else {
            takes(["text/event-stream", "text/*", "*/*"]).then_some(Form::Event)
        }
    }

    fn response(self, message: &Value) -> Response {
        match self {
            Form::Json => Response::json(200, message),
            Form::Event => Response::event(message),
        }
    }
}

/// Why a message has no result.
enum Failure {
    /// It is wrong, or the work failed.
    Rpc(RpcError),
    /// The gate refused the operation, which is an HTTP matter: only a `403` makes a client ask for more.
    Gate(Refusal),
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Failure {
        Failure::Rpc(error)
    }
}

/// What is sent back.
struct Reply {
    /// The message or batch; `None` when nothing is owed.
    message: Option<Value>,
    /// A session id for a client that has just initialized.
    session: Option<String>,
}

/// A request that passed every check: all that is left is to do it.
enum Work {
    Discover,
    Initialize(Revision),
    Ping,
    ListTools,
    Call { tool: &'static Tool, permit: Permit, arguments: Map<String, Value> },
}

impl Mcp<'_> {
    fn message(&self, message: Value, head: &Head, exchange: &mut Exchange) -> Result<Reply, Failure> {
        if let Value::Array(messages) = message {
            return self.batch(messages, &Headers::read(head)?, exchange);
        }
        match Message::read(message)? {
            Message::Request(request) => {
                let id = request.id.clone();
                let answered = |error: RpcError| Failure::Rpc(error.answering(&id));
                let headers = Headers::read(head).map_err(answered)?;
                let era = self.era(&request, &headers).map_err(answered)?;
                let work = self.prepare(request, era, exchange)?;
                let session = match work {
                    Work::Initialize(revision) => {
                        Some(era::seal_session(revision, self.caller, self.seal, self.now))
                    }
                    _ => None,
                };
                let result = self.run(work, era).map_err(answered)?;
                Ok(Reply { message: Some(success(id, result)), session })
            }
            Message::Notification { params } => {
                let headers = Headers::read(head)?;
                // A notification is never answered. None of those there are means anything here.
                if !era::claims_modern(params.as_ref()) && !headers.modern() {
                    headers.legacy(self.caller, self.seal, self.now)?;
                }
                Ok(Reply { message: None, session: None })
            }
            Message::Response => {
                let text = "no request of this server waits for a response";
                Err(Failure::Rpc(RpcError::invalid_request(text)))
            }
        }
    }

    /// A batch, which only 2025-03-26 has. Everything in it is prepared before anything is run, so that a
    /// refused one leaves nothing half-done; for the same reason one malformed message refuses all (JSON-RPC 2.0 §6
    /// would answer each, and half a batch of writes would be done).
    fn batch(
        &self,
        messages: Vec<Value>,
        headers: &Headers,
        exchange: &mut Exchange,
    ) -> Result<Reply, Failure> {
        let invalid = |text: &str| Failure::Rpc(RpcError::invalid_request(text));
        let claims = |message: &Value| era::claims_modern(message.get("params"));
        if messages.is_empty() || messages.len() > limits::BATCH_MESSAGES_MAX {
            let text = format!("a batch holds 1 to {} messages", limits::BATCH_MESSAGES_MAX);
            return Err(invalid(&text));
        }
        if headers.modern() || messages.iter().any(claims) {
            return Err(invalid("this revision has no batches"));
        }
        let revision = match headers.legacy(self.caller, self.seal, self.now) {
            Err(error) if error.status() == 404 => return Err(error.into()),
            Ok(revision) if revision.is_oldest() => revision,
            _ => return Err(invalid("this revision has no batches")),
        };
        let era = Era::Legacy(revision);
        let mut prepared = Vec::new();
        for message in messages {
            match Message::read(message).map_err(RpcError::unanswering)? {
                Message::Request(request) if request.method == "initialize" => {
                    return Err(invalid("initialize must not be in a batch"));
                }
                Message::Request(request) => {
                    let id = request.id.clone();
                    match self.prepare(request, era, exchange) {
                        Ok(work) => prepared.push((id, Ok(work))),
                        Err(Failure::Rpc(error)) => prepared.push((id, Err(error))),
                        Err(refused @ Failure::Gate(_)) => return Err(refused),
                    }
                }
                Message::Notification { .. } => {}
                Message::Response => return Err(invalid("no request of this server waits for a response")),
            }
        }
        exchange.operation = Some("batch");
        let (mut answers, mut bytes) = (Vec::new(), 0);
        for (id, work) in prepared {
            let full = bytes > limits::BATCH_ANSWER_BYTES_MAX;
            let work = work.and_then(|work| if full { Err(RpcError::batch_full()) } else { Ok(work) });
            let answer = match work.and_then(|work| self.run(work, era)) {
                Ok(result) => success(id, result),
                Err(error) => error.answering(&id).message(),
            };
            bytes += serde_json::to_vec(&answer).map_or(0, |octets| octets.len());
            answers.push(answer);
        }
        Ok(Reply { message: (!answers.is_empty()).then_some(Value::Array(answers)), session: None })
    }

    fn era(&self, request: &Request, headers: &Headers) -> Result<Era, RpcError> {
        if headers.is_modern_request(request)? {
            headers.check_modern(request)?;
            return Ok(Era::Modern);
        }
        if request.method == "initialize" {
            let version = request.params.as_ref().and_then(|params| params.get("protocolVersion")?.as_str());
            return match version {
                Some(version) => Ok(Era::Legacy(Revision::negotiate(version))),
                None => Err(RpcError::invalid_params("params.protocolVersion must be a string")),
            };
        }
        headers.legacy(self.caller, self.seal, self.now).map(Era::Legacy)
    }

    /// The method, its parameters and its scope.
    fn prepare(&self, request: Request, era: Era, exchange: &mut Exchange) -> Result<Work, Failure> {
        let Request { id, method, params } = request;
        let answered = |error: RpcError| Failure::Rpc(error.answering(&id));
        let (operation, work) = match (era, method.as_str()) {
            (Era::Modern, "server/discover") => ("server/discover", Work::Discover),
            (Era::Legacy(revision), "initialize") => ("initialize", Work::Initialize(revision)),
            (Era::Legacy(_), "ping") => ("ping", Work::Ping),
            (_, "tools/list") => ("tools/list", Work::ListTools),
            (_, "tools/call") => {
                let (tool, arguments) = tool_call(params).map_err(answered)?;
                exchange.operation = Some(tool.name);
                let permit = self.caller.permit(tool.needs(), tool.name).map_err(Failure::Gate)?;
                exchange.rule = Some(Rule::Permitted.name());
                return Ok(Work::Call { tool, permit, arguments });
            }
            _ => return Err(answered(RpcError::method_not_found(era == Era::Modern))),
        };
        exchange.operation = Some(operation);
        match params {
            None => Ok(work),
            Some(Value::Object(params))
                if matches!(work, Work::ListTools) && params.contains_key("cursor") =>
            {
                Err(answered(RpcError::invalid_params("cursor: this list has one page"))) // so no cursor is ours
            }
            Some(Value::Object(_)) => Ok(work),
            Some(_) => Err(answered(RpcError::invalid_params("params must be an object"))),
        }
    }

    fn run(&self, work: Work, era: Era) -> Result<Value, RpcError> {
        let result = match work {
            Work::Ping => json!({}),
            Work::Initialize(revision) => json!({
                "protocolVersion": revision.name(),
                "capabilities": { "tools": {} },
                "serverInfo": server_info(!revision.is_oldest()),
                "instructions": INSTRUCTIONS,
            }),
            Work::Discover => json!({
                "supportedVersions": [MODERN],
                "capabilities": { "tools": {} },
                "instructions": INSTRUCTIONS,
                "ttlMs": limits::PUBLIC_TTL_MS,
                "cacheScope": "public",
            }),
            Work::ListTools => match era {
                Era::Modern => json!({
                    "tools": *TOOLS_DESCRIBED, "ttlMs": limits::PUBLIC_TTL_MS, "cacheScope": "public",
                }),
                Era::Legacy(revision) if revision.is_oldest() => json!({ "tools": *TOOLS_DESCRIBED_OLDEST }),
                Era::Legacy(_) => json!({ "tools": *TOOLS_DESCRIBED }),
            },
            Work::Call { tool, permit, arguments } => {
                let Mcp { store, seal, caller, now } = *self;
                let desk = Desk { store, seal, permit, scopes: caller.scopes(), now };
                tool.call(&desk, arguments).map_err(|error| RpcError::internal(&error))?
            }
        };
        Ok(match era {
            Era::Modern => modern_result(result),
            Era::Legacy(revision) if revision.is_oldest() => oldest_result(result),
            Era::Legacy(_) => result,
        })
    }
}

/// The tool and the arguments that `tools/call` names.
fn tool_call(params: Option<Value>) -> Result<(&'static Tool, Map<String, Value>), RpcError> {
    let Some(Value::Object(mut params)) = params else {
        return Err(RpcError::invalid_params("params must be an object with name and arguments"));
    };
    let name = params.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| RpcError::invalid_params("params.name must be a string"))?;
    let tool = tools::find(name)
        .ok_or_else(|| RpcError::invalid_params("Unknown tool: tools/list shows the tools there are"))?;
    match params.remove("arguments") {
        None => Ok((tool, Map::new())),
        Some(Value::Object(arguments)) => Ok((tool, arguments)),
        Some(_) => Err(RpcError::invalid_params("params.arguments must be an object")),
    }
}

fn server_info(with_title: bool) -> Value {
    let mut info = json!({ "name": "epicme" });
    if with_title {
        info["title"] = "EpicMe Journal".into();
    }
    info["version"] = env!("CARGO_PKG_VERSION").into();
    info
}

/// A result as 2026-07-28 has it: its type first, and who gave it.
fn modern_result(mut result: Value) -> Value {
    if let Some(members) = result.as_object_mut() {
        members.shift_insert(0, "resultType".to_owned(), "complete".into());
        let meta = json!({ "io.modelcontextprotocol/serverInfo": server_info(true) });
        members.insert("_meta".to_owned(), meta);
    }
    result
}

/// A result without what 2025-03-26 doesn't know: structured content and links. The JSON text holds the data.
fn oldest_result(mut result: Value) -> Value {
    if let Some(result) = result.as_object_mut() {
        result.remove("structuredContent");
        if let Some(Value::Array(content)) = result.get_mut("content") {
            content.retain(|block| block["type"] != "resource_link");
        }
    }
    result
}

/// The same for everybody, whatever the token's scopes: a tool that is hidden can never ask for its scope.
static TOOLS_DESCRIBED: LazyLock<Value> = LazyLock::new(|| TOOLS.iter().map(Tool::describe).collect());
static TOOLS_DESCRIBED_OLDEST: LazyLock<Value> = LazyLock::new(|| {
    let without_news = |tool: &Tool| {
        let mut tool = tool.describe();
        if let Some(tool) = tool.as_object_mut() {
            tool.retain(|key, _| key != "title" && key != "outputSchema");
        }
        tool
    };
    TOOLS.iter().map(without_news).collect()
});
