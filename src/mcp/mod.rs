//! MCP: the JSON-RPC envelope and the table of methods, for both eras on one endpoint.
//!
//! Knows no sockets, no SQL and no token. A message is prepared, up to the scope whose lack refuses it, before anything of
//! it is run; so a batch is refused whole, with nothing half-done.

mod arguments;
mod calls;
mod completion;
mod era;
mod form;
mod prompts;
mod questions;
mod resources;
mod results;
mod rpc;
mod shapes;
mod streams;
mod subscriptions;
pub mod tools;
mod views;
pub mod wording;

use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value, json};

use self::calls::Call;
use self::completion::Completion;
use self::era::{Headers, MODERN, Peer, Session};
use self::form::Form;
use self::prompts::{PROMPTS, Prompt};
use self::rpc::{Message, Request, RpcError, success};
use self::streams::OpenRequest;
use self::subscriptions::Asked;
use self::tools::{TOOLS, Tool};
use self::views::View;
use crate::app::App;
use crate::clock::Timestamp;
use crate::events::{Consent, Resource};
use crate::exchange::Exchange;
use crate::gate::{Caller, Permit, Refusal};
use crate::journal::Journal;
use crate::limits;
use crate::request::Head;
use crate::response::{Response, Stream};
use crate::scope::{Scope, Scopes};

const INSTRUCTIONS: &str = "A private journal. The tools show the signed-in person's own entries and tags: write \
    an entry when they tell of something worth keeping, read and search before answering about their past, and \
    keep the tags few and tidy.";

/// What an answer is made from.
pub struct Mcp<'a> {
    /// What requests are answered from.
    pub app: &'a Arc<App>,
    /// The head of the request.
    pub head: &'a Head,
    /// The name of ours that it was sent to.
    pub origin: &'a str,
    /// Whose token opened the gate.
    pub caller: Caller,
    /// The time of the request.
    pub now: Timestamp,
}

/// What the head of a request decides: the method, the type of its body, the form of its answer. Nothing of the body
/// is read for a request that can't be answered.
pub fn accept(head: &Head) -> Result<Form, Response> {
    if head.method() != "POST" {
        // A GET would open a stream of messages that answer nothing; a DELETE would end a session, but its id holds all
        // there is of it. There is neither here.
        return Err(Response::text(405, "send JSON-RPC by POST").with("Allow", "POST, OPTIONS"));
    }
    if !head.is_of_type("application/json") {
        return Err(Response::text(415, "Content-Type must be application/json"));
    }
    let no_form = || Response::text(406, "Accept must allow application/json or text/event-stream");
    Form::choose(head).ok_or_else(no_form)
}

/// Answers a request that the gate has admitted.
pub fn answer(mcp: Mcp, form: Form, octets: &[u8], exchange: &mut Exchange) -> Response {
    let reply = crate::json::parse(octets)
        .map_err(|error| Failure::Rpc(RpcError::parse(&error)))
        .and_then(|message| mcp.message(message, form, exchange));
    match reply {
        Ok(Reply::Nothing) => Response::new(202),
        Ok(Reply::Message { message, session }) => {
            let response = form.response(&message);
            session.into_iter().fold(response, |response, id| response.with("Mcp-Session-Id", id))
        }
        Ok(Reply::Stream(write)) => Response::stream(write),
        Err(Failure::Rpc(error)) if error.status() == 200 => form.response(&error.message()),
        Err(Failure::Rpc(error)) => Response::json(error.status(), &error.message()),
        Err(Failure::StreamRefused) => Response::text(406, "Accept must allow text/event-stream for this"),
        Err(Failure::Gate(refusal)) => refusal.answer(),
    }
}

/// Why a message has no result.
enum Failure {
    /// It is wrong, or the work failed.
    Rpc(RpcError),
    /// The gate refused the operation, which is an HTTP matter: only a `403` makes a client ask for more.
    Gate(Refusal),
    /// It can only be answered by an open stream, which the client doesn't take.
    StreamRefused,
}

impl Failure {
    /// The failure as that of the request of this id.
    fn answering(self, id: &Value) -> Failure {
        match self {
            Failure::Rpc(error) => Failure::Rpc(error.answering(id)),
            other => other,
        }
    }
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Failure {
        Failure::Rpc(error)
    }
}

/// What is sent back.
enum Reply {
    /// Nothing is owed.
    Nothing,
    /// A message or batch, with a session id for a client that has just initialized.
    Message { message: Value, session: Option<String> },
    /// Messages, one after the other.
    Stream(Box<Stream>),
}

/// A request that passed every check: all that is left is to do it.
enum Work {
    Discover,
    Initialize(Session),
    Ping,
    ListTools,
    ListPrompts,
    ListTemplates,
    ListResources { cursor: Option<String> },
    ReadResource { resource: Resource, permit: Permit, uri: String },
    ReadView(&'static View),
    GetPrompt { prompt: &'static Prompt, permit: Permit, arguments: Map<String, Value> },
    Complete(Completion),
    Call(Call),
    Listen(Asked),
}

/// In which eras a method is there.
enum Eras {
    Modern,
    Legacy,
    Both,
}

impl Eras {
    fn include(&self, modern: bool) -> bool {
        match self {
            Eras::Modern => modern,
            Eras::Legacy => !modern,
            Eras::Both => true,
        }
    }
}

/// Every method that is answered.
const METHODS: [(&str, Eras); 12] = [
    ("server/discover", Eras::Modern),
    ("initialize", Eras::Legacy),
    ("ping", Eras::Legacy),
    ("tools/list", Eras::Both),
    ("tools/call", Eras::Both),
    ("resources/list", Eras::Both),
    ("resources/templates/list", Eras::Both),
    ("resources/read", Eras::Both),
    ("prompts/list", Eras::Both),
    ("prompts/get", Eras::Both),
    ("completion/complete", Eras::Both),
    ("subscriptions/listen", Eras::Modern),
];

impl Mcp<'_> {
    fn message(self, message: Value, form: Form, exchange: &mut Exchange) -> Result<Reply, Failure> {
        let message = match message {
            Value::Array(messages) => return self.batch(messages, exchange),
            message => Message::read(message)?,
        };
        match message {
            Message::Request(request) => {
                let id = request.id.clone();
                self.request(request, form, exchange).map_err(|failure| failure.answering(&id))
            }
            Message::Notification { method, params } => {
                let headers = Headers::read(self.head)?;
                let session = match era::claims_modern(params.as_ref()) || headers.modern() {
                    true => None,
                    false => headers.legacy(&self.caller, &self.app.seal, self.now)?.session,
                };
                // A modern client should close the stream instead; the MCP Inspector leaves it open and says so.
                let id = params.as_ref().and_then(|params| params.get("requestId"));
                if let ("notifications/cancelled", Some(id)) = (&*method, id) {
                    let opener = streams::opener(&self.caller, session, id);
                    self.app.events.cancel(self.caller.person(), &opener);
                }
                Ok(Reply::Nothing) // a notification is never answered, and no other means anything here
            }
            Message::Response { id, result } => {
                let headers = Headers::read(self.head)?;
                if headers.modern() {
                    let text = "a client of this revision posts requests and notifications alone";
                    return Err(RpcError::invalid_request(text).into());
                }
                let peer = headers.legacy(&self.caller, &self.app.seal, self.now)?;
                // An error, or what doesn't fit the question, is no yes; and a refusal is final.
                let answer = result.as_ref().and_then(questions::read).unwrap_or(Consent::No);
                let open = match (peer.session, id.as_ref().and_then(Value::as_str)) {
                    (Some(session), Some(id)) => {
                        self.app.events.deliver(self.caller.person(), session, id, answer)
                    }
                    _ => false,
                };
                if open { Ok(Reply::Nothing) } else { Err(RpcError::unknown_question().into()) }
            }
        }
    }

    fn request(self, request: Request, form: Form, exchange: &mut Exchange) -> Result<Reply, Failure> {
        let id = request.id.clone();
        let headers = Headers::read(self.head)?;
        let peer = self.peer(&request, &headers)?;
        match self.prepare(request, &peer, exchange)? {
            Work::Listen(asked) => subscriptions::open(self, asked, id, form),
            Work::Call(call) if call.tool.asks() && peer.abilities.elicits && !peer.is_modern() => {
                calls::ask_on_stream(self, call, id, &peer, form)
            }
            work => {
                let session = match &work {
                    Work::Initialize(session) => Some(session.seal(&self.caller, &self.app.seal, self.now)),
                    _ => None,
                };
                let message = success(id, self.run(work, &peer)?);
                Ok(Reply::Message { message, session })
            }
        }
    }

    /// A batch, which only 2025-03-26 has. Everything in it is prepared before anything is run, so that a
    /// refused one leaves nothing half-done; for the same reason one malformed message refuses all (JSON-RPC 2.0 §6
    /// would answer each, and half a batch of writes would be done).
    fn batch(&self, messages: Vec<Value>, exchange: &mut Exchange) -> Result<Reply, Failure> {
        let invalid = |text: &str| Failure::Rpc(RpcError::invalid_request(text));
        let headers = Headers::read(self.head)?;
        let claims = |message: &Value| era::claims_modern(message.get("params"));
        if messages.is_empty() || messages.len() > limits::BATCH_MESSAGES_MAX {
            let text = format!("a batch holds 1 to {} messages", limits::BATCH_MESSAGES_MAX);
            return Err(invalid(&text));
        }
        if headers.modern() || messages.iter().any(claims) {
            return Err(invalid("this revision has no batches"));
        }
        let peer = match headers.legacy(&self.caller, &self.app.seal, self.now) {
            Err(error) if error.status() == 404 => return Err(error.into()),
            Ok(peer) if peer.is_oldest() => peer,
            _ => return Err(invalid("this revision has no batches")),
        };
        let mut prepared = Vec::new();
        for message in messages {
            match Message::read(message).map_err(RpcError::unanswering)? {
                Message::Request(request) if request.method == "initialize" => {
                    return Err(invalid("initialize must not be in a batch"));
                }
                Message::Request(request) => {
                    let id = request.id.clone();
                    match self.prepare(request, &peer, exchange) {
                        Ok(work) => prepared.push((id, Ok(work))),
                        Err(Failure::Rpc(error)) => prepared.push((id, Err(error))),
                        Err(refused) => return Err(refused),
                    }
                }
                Message::Notification { .. } => {}
                Message::Response { .. } => {
                    return Err(invalid("this revision has no request of the server's"));
                }
            }
        }
        exchange.operation = Some("batch");
        let (mut answers, mut bytes) = (Vec::new(), 0);
        for (id, work) in prepared {
            let full = bytes > limits::BATCH_ANSWER_BYTES_MAX;
            let work = work.and_then(|work| if full { Err(RpcError::batch_full()) } else { Ok(work) });
            let answer = match work.and_then(|work| self.run(work, &peer)) {
                Ok(result) => success(id, result),
                Err(error) => error.answering(&id).message(),
            };
            bytes += serde_json::to_vec(&answer).map_or(0, |octets| octets.len());
            answers.push(answer);
        }
        match answers.is_empty() {
            true => Ok(Reply::Nothing),
            false => Ok(Reply::Message { message: Value::Array(answers), session: None }),
        }
    }

    fn peer<'h>(&self, request: &Request, headers: &Headers<'h>) -> Result<Peer<'h>, RpcError> {
        if headers.is_modern_request(request)? {
            headers.check_modern(request)?;
            return Ok(Peer::modern(request));
        }
        if request.method == "initialize" {
            let params = request.params.as_ref().and_then(Value::as_object);
            let wrong = || RpcError::invalid_params("params must be an object");
            return Session::begin(params.ok_or_else(wrong)?).map(|session| session.peer());
        }
        headers.legacy(&self.caller, &self.app.seal, self.now)
    }

    /// The method, its parameters and its scope.
    fn prepare(&self, request: Request, peer: &Peer, exchange: &mut Exchange) -> Result<Work, Failure> {
        let Request { method, params, .. } = request;
        let (modern, method) = (peer.is_modern(), method.as_str());
        let known = METHODS.iter().find(|(name, eras)| *name == method && eras.include(modern));
        let Some((operation, _)) = known else {
            return Err(RpcError::method_not_found(modern).into());
        };
        exchange.operation = Some(operation);
        let mut params = match params {
            None => Map::new(),
            Some(Value::Object(params)) => params,
            Some(_) => return Err(RpcError::invalid_params("params must be an object").into()),
        };
        let mut permit = |needs: Scopes, operation: &'static str| {
            exchange.operation = Some(operation);
            self.caller.permit(needs, operation, exchange).map_err(Failure::Gate)
        };
        Ok(match method {
            "server/discover" => Work::Discover,
            "initialize" => Work::Initialize(Session::begin(&params)?),
            "ping" => Work::Ping,
            "tools/list" => one_page(&params).map(|()| Work::ListTools)?,
            "prompts/list" => one_page(&params).map(|()| Work::ListPrompts)?,
            "resources/templates/list" => one_page(&params).map(|()| Work::ListTemplates)?,
            "resources/list" => {
                let cursor = params.contains_key("cursor").then(|| text(&params, "cursor")).transpose()?;
                if cursor.is_some_and(|cursor| cursor.len() > limits::CURSOR_CHARS_MAX) {
                    let text = format!("params.cursor has more than {} characters", limits::CURSOR_CHARS_MAX);
                    return Err(RpcError::invalid_params(text).into());
                }
                Work::ListResources { cursor: cursor.map(str::to_owned) }
            }
            "resources/read" => {
                let uri = text(&params, "uri")?;
                if uri.len() > limits::URI_BYTES_MAX {
                    let text = format!("params.uri must have at most {} octets", limits::URI_BYTES_MAX);
                    return Err(RpcError::invalid_params(text).into());
                }
                if let Some(view) = views::find(uri).filter(|_| peer.abilities.shows_views) {
                    // The page is nobody's, but what it is for are the entries.
                    permit(Scopes::of(&[Scope::EntriesRead]), view.uri)?;
                    return Ok(Work::ReadView(view));
                }
                let unknown = || RpcError::resource_not_found(modern, uri);
                let resource = resources::parse(uri).ok_or_else(unknown)?;
                let permit = permit(resources::needs(resource), resources::operation(resource))?;
                Work::ReadResource { resource, permit, uri: uri.to_owned() }
            }
            "prompts/get" => {
                let (name, arguments) = name_and_arguments(params)?;
                let prompt = prompts::find(&name)?;
                Work::GetPrompt { prompt, permit: permit(prompt.needs, prompt.name)?, arguments }
            }
            "completion/complete" => Work::Complete(Completion::read(&Value::Object(params))?),
            "subscriptions/listen" => Work::Listen(Asked::read(&params)?),
            "tools/call" => {
                let (responses, state) = match modern {
                    true => (params.remove("inputResponses"), params.remove("requestState")),
                    false => (None, None),
                };
                let (name, arguments) = name_and_arguments(params)?;
                let unknown =
                    || RpcError::invalid_params("Unknown tool: tools/list shows the tools there are");
                let tool = tools::find(&name).ok_or_else(unknown)?;
                let permit = permit(tool.needs(), tool.name)?;
                Work::Call(Call { tool, permit, arguments, responses, state })
            }
            _ => return Err(RpcError::method_not_found(modern).into()), // in the table, and forgotten here
        })
    }

    fn run(&self, work: Work, peer: &Peer) -> Result<Value, RpcError> {
        let public = |mut result: Value| {
            if peer.is_modern() {
                result["ttlMs"] = limits::PUBLIC_TTL_MS.into();
                result["cacheScope"] = "public".into();
            }
            result
        };
        let private = |mut result: Value| {
            if peer.is_modern() {
                result["ttlMs"] = 0.into();
                result["cacheScope"] = "private".into();
            }
            result
        };
        let result = match work {
            Work::Ping => json!({}),
            Work::Initialize(session) => {
                // Streams of changes are the stateless revision's: here there is nothing to subscribe to.
                let mut capabilities =
                    json!({ "tools": {}, "resources": {}, "prompts": {}, "completions": {} });
                if peer.abilities.shows_views {
                    capabilities["extensions"] = views::declared();
                }
                json!({
                    "protocolVersion": session.revision.name(),
                    "capabilities": capabilities,
                    "serverInfo": results::server_info(!session.revision.is_oldest()),
                    "instructions": INSTRUCTIONS,
                })
            }
            Work::Discover => public(json!({
                "supportedVersions": [MODERN],
                "capabilities": {
                    "tools": {}, "resources": { "subscribe": true, "listChanged": true }, "prompts": {},
                    "completions": {}, "extensions": views::declared(),
                },
                "instructions": INSTRUCTIONS,
            })),
            Work::ListTools if peer.abilities.shows_views => private(json!({ "tools": *TOOLS_WITH_VIEWS })),
            Work::ListTools => public(json!({ "tools": *TOOLS_DESCRIBED })),
            Work::ListPrompts => public(json!({ "prompts": *PROMPTS_DESCRIBED })),
            Work::ListTemplates => public(json!({ "resourceTemplates": resources::templates() })),
            Work::ListResources { cursor } => {
                let journal = self.journal_if(Scopes::of(&[Scope::TagsRead]));
                private(resources::list(journal.as_ref(), cursor.as_deref())?)
            }
            Work::ReadResource { resource, permit, uri } => {
                let contents = resources::contents(&self.app.journal(permit), resource)?;
                let unknown = || RpcError::resource_not_found(peer.is_modern(), &uri);
                private(json!({ "contents": [contents.ok_or_else(unknown)?] }))
            }
            Work::ReadView(view) => private(json!({ "contents": [view.contents()] })),
            Work::GetPrompt { prompt, permit, arguments } => {
                prompt.get(&self.app.journal(permit), arguments)?
            }
            Work::Complete(completion) => {
                let journal = self.journal_if(completion.needs());
                completion.complete(journal.as_ref())?
            }
            Work::Call(call) => calls::run(self, call, peer)?,
            Work::Listen(_) => return Err(RpcError::method_not_found(false)), // a stream, never in a batch
        };
        Ok(results::for_peer(result, peer))
    }

    /// The caller's journal, if their token has these scopes; for what is answered without it too.
    fn journal_if(&self, needs: Scopes) -> Option<Journal<'_>> {
        self.caller.permit_if(needs).map(|permit| self.app.journal(permit))
    }

    /// What a stream needs of this request for as long as it is open.
    fn kept(self) -> OpenRequest {
        let (app, head, origin) = (Arc::clone(self.app), self.head.clone(), self.origin.to_owned());
        OpenRequest { app, head, origin, caller: self.caller }
    }
}

/// The name and the arguments of a tool or prompt.
fn name_and_arguments(mut params: Map<String, Value>) -> Result<(String, Map<String, Value>), RpcError> {
    let name = text(&params, "name")?.to_owned();
    match params.remove("arguments") {
        None => Ok((name, Map::new())),
        Some(Value::Object(arguments)) => Ok((name, arguments)),
        Some(_) => Err(RpcError::invalid_params("params.arguments must be an object")),
    }
}

fn text<'p>(params: &'p Map<String, Value>, name: &str) -> Result<&'p str, RpcError> {
    let text = params.get(name).and_then(Value::as_str);
    text.ok_or_else(|| RpcError::invalid_params(format!("params.{name} must be a string")))
}

/// A list of one page takes no cursor: none can be ours.
fn one_page(params: &Map<String, Value>) -> Result<(), RpcError> {
    match params.contains_key("cursor") {
        true => Err(RpcError::invalid_params("params.cursor: this list has one page")),
        false => Ok(()),
    }
}

/// The same for everybody, whatever the token's scopes: a tool that is hidden can never ask for its scope.
static TOOLS_DESCRIBED: LazyLock<Value> = LazyLock::new(|| TOOLS.iter().map(Tool::describe).collect());
/// The same for a client that shows views. Only that client may keep it, since only its request said so.
static TOOLS_WITH_VIEWS: LazyLock<Value> =
    LazyLock::new(|| TOOLS.iter().map(|tool| views::with_view(tool.describe())).collect());
static PROMPTS_DESCRIBED: LazyLock<Value> = LazyLock::new(|| PROMPTS.iter().map(Prompt::describe).collect());
