//! The table of MCP methods: for each its name, the protocol versions that have it, and its handler.
//!
//! Knows no sockets, no SQL and no token text, and not what a tool, a prompt or a resource does.
//!
//! A handler only *prepares* a request: it reads the parameters, has the gate check the scopes, and returns the work
//! that is left. So the server can refuse a batch as a whole before it has run any part of it. To add a method, write
//! one entry and one function here; to add a tool, a prompt or a resource, nothing here changes.
//!
//! The table knows which versions have a method, and [`ProtocolVersion`] what each version demands of a result. A
//! handler writes its result by [`ProtocolVersion::result`], and few look at the version beyond that.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::apps::{self, Shows};
use super::client_info::{ClientInfo, Session};
use super::completion::{self, Completion};
use super::elicitation::Call;
use super::prompts::{self, PROMPTS, Prompt};
use super::resources;
use super::rpc::{Request, RpcError};
use super::streams::RequestedNotifications;
use super::tools::{self, TOOLS, Tool};
use super::version::{CacheScope, MethodResult, ProtocolVersion};
use super::{Failure, Mcp};
use crate::json_text::{self, Json};
use crate::limits;
use crate::scope::{EntriesRead, TagsRead};

/// One entry of the table.
struct Method {
    name: &'static str,
    /// The protocol versions that have it.
    versions: RangeInclusive<ProtocolVersion>,
    handler: Handler,
}

/// The function that prepares a request. The two kinds differ in their error type: only the second kind can answer
/// 403.
///
/// A method has no scope of its own. If scopes are needed, they are those of the tool, prompt or resource that the
/// parameters name.
enum Handler {
    /// Needs no scope. Its error type holds no refusal of the gate, so it can't answer 403 by mistake: clients send
    /// these methods by themselves, and a 403 would open a consent page that no person has a reason for. Rows that
    /// the token's scopes don't cover are left out of the result.
    WithoutScope(fn(&Mcp, &ClientInfo, Params) -> Result<Prepared, RpcError>),
    /// Needs the scopes of what the parameters name, and answers 403 without them. The client then asks the person
    /// for these scopes and sends the request again (MCP authorization, Step-Up Authorization Flow).
    WithScopes(fn(&Mcp, &ClientInfo, Params) -> Result<Prepared, Failure>),
}

type Params = Map<String, Value>;

use Handler::{WithScopes, WithoutScope};

const EVERY: RangeInclusive<ProtocolVersion> = ProtocolVersion::EVERY;
const WITH_INITIALIZE: RangeInclusive<ProtocolVersion> = ProtocolVersion::WITH_INITIALIZE;
const STATELESS: RangeInclusive<ProtocolVersion> = ProtocolVersion::STATELESS;

/// Every method. If a version doesn't have a method, the server answers `-32601`. So it answers `initialize` and
/// `ping` in the stateless versions, as the conformance tests demand.
///
/// Left out on purpose are `logging/setLevel`, `resources/subscribe` and the methods of tasks. 2026-07-28 has removed
/// them from the protocol, and each would make the server remember something about a client between two requests.
static METHODS: [Method; 12] = [
    Method { name: "server/discover", versions: STATELESS, handler: WithoutScope(discover) },
    Method { name: "initialize", versions: WITH_INITIALIZE, handler: WithoutScope(initialize) },
    Method { name: "ping", versions: WITH_INITIALIZE, handler: WithoutScope(ping) },
    Method { name: "tools/list", versions: EVERY, handler: WithoutScope(list_tools) },
    Method { name: "tools/call", versions: EVERY, handler: WithScopes(call_tool) },
    Method { name: "resources/list", versions: EVERY, handler: WithoutScope(list_resources) },
    Method { name: "resources/templates/list", versions: EVERY, handler: WithoutScope(list_templates) },
    Method { name: "resources/read", versions: EVERY, handler: WithScopes(read_resource) },
    Method { name: "prompts/list", versions: EVERY, handler: WithoutScope(list_prompts) },
    Method { name: "prompts/get", versions: EVERY, handler: WithScopes(get_prompt) },
    Method { name: "completion/complete", versions: EVERY, handler: WithoutScope(complete) },
    Method { name: "subscriptions/listen", versions: STATELESS, handler: WithoutScope(listen) },
];

/// A request whose method, parameters and scopes have been checked. A tool or a prompt checks its own arguments when
/// it runs. This type borrows nothing of the request, because the work for a stream outlives the request.
pub(crate) enum Prepared {
    /// Work that returns one result.
    Result(Box<Work>),
    /// `initialize`. Its response also has a header with the id of the session, which no result can set.
    Initialize(Session),
    /// A call of a tool. It may turn out to need a stream, on which the person is asked.
    Call(Box<Call>),
    /// A subscription, whose response is a stream.
    Listen(RequestedNotifications),
}

/// The work takes the request's context and client as arguments, because it can't borrow them when it is prepared.
type Work = dyn FnOnce(&Mcp, &ClientInfo) -> Result<MethodResult, RpcError>;

impl Prepared {
    pub(crate) fn result(
        work: impl FnOnce(&Mcp, &ClientInfo) -> Result<MethodResult, RpcError> + 'static,
    ) -> Prepared {
        Prepared::Result(Box::new(work))
    }

    /// Does the prepared work and returns its result, as the client's protocol version writes it.
    pub(crate) fn run(self, mcp: &Mcp, client: &ClientInfo) -> Result<MethodResult, RpcError> {
        match self {
            Prepared::Result(work) => work(mcp, client),
            Prepared::Initialize(session) => Ok(initialized(&session, client)),
            Prepared::Call(call) => call.run(mcp, client),
            // Never reached: `Mcp::request` takes a subscription before it calls this, and the versions with
            // subscriptions have no batches. If that ever changes, an error is better than a panic.
            Prepared::Listen(_) => Err(RpcError::MethodNotFound(client.version)),
        }
    }
}

/// Checks a request: its method, its parameters and the caller's scopes, in this order. In the other order a client
/// could ask the person for scopes and then learn that its parameters are wrong. That can still happen with the
/// arguments of a tool or a prompt, which are checked when it runs.
pub(crate) fn prepare(mcp: &Mcp, client: &ClientInfo, request: Request) -> Result<Prepared, Failure> {
    let has = |known: &&Method| known.name == request.method && known.versions.contains(&client.version);
    let method = METHODS.iter().find(has).ok_or(RpcError::MethodNotFound(client.version))?;
    // The log gets the name from the table and not the client's text, so a client can't write into the log.
    mcp.context.log.set_operation(method.name);
    let params = match request.params {
        None => Map::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return Err(RpcError::invalid_params("params must be an object").into()),
    };
    match method.handler {
        WithoutScope(prepare) => Ok(prepare(mcp, client, params)?),
        WithScopes(prepare) => prepare(mcp, client, params),
    }
}

/// What the server says to the model about its use. A host may put it into the model's context (2025-11-25 schema,
/// InitializeResult), so it is short.
const INSTRUCTIONS: &str = "A private journal. The tools show the signed-in person's own entries and tags: write \
    an entry when they tell of something worth keeping, read and search before answering about their past, and \
    keep the tags few and tidy.";

/// The tools as clients see them: all of them, whatever the token's scopes. The specification would allow to leave
/// out those that the token can't call (2026-07-28 tools, Capabilities). But a client can't ask the person for the
/// scope of a tool that it doesn't know; and a cache can keep one list for all callers.
///
/// The lists are built once and keep the order of their tables. Clients put them into the model's context, and a
/// model that has read the same text before answers faster (the same page).
static TOOLS_DESCRIBED: LazyLock<Value> = LazyLock::new(|| TOOLS.iter().map(Tool::describe).collect());
/// The same for a client that shows pages beside results. It is `Private` to caches: the capability stands in
/// `_meta`, which is no part of a cache's key, so a cache could hand this list to a client that shows no pages.
static TOOLS_WITH_PAGES: LazyLock<Value> =
    LazyLock::new(|| TOOLS.iter().map(|tool| apps::with_page(tool.describe())).collect());
static PROMPTS_DESCRIBED: LazyLock<Value> = LazyLock::new(|| PROMPTS.iter().map(Prompt::describe).collect());
static TEMPLATES_DESCRIBED: LazyLock<Value> = LazyLock::new(resources::templates);

// The handlers, in the order of the table.

/// What a stateless client would have learnt by `initialize` (2026-07-28, server/discover). The declared capabilities
/// must agree with the table above: the conformance tests call a method of each, declared or not.
fn discover(_: &Mcp, _: &ClientInfo, _: Params) -> Result<Prepared, RpcError> {
    Ok(Prepared::result(|_, client| {
        let version = client.version;
        Ok(version.result(move |out| {
            // The versions that a client may write into `_meta`. The others are reached by `initialize`, which
            // needs no list. If they stood here, a client could name one in `_meta`, and the server would have to
            // serve it.
            out.member("supportedVersions", json_text::array(ProtocolVersion::names(&STATELESS)));
            let capabilities = json!({
                "tools": {}, "resources": { "subscribe": true, "listChanged": true }, "prompts": {},
                "completions": {}, "extensions": apps::declared(),
            });
            out.member("capabilities", capabilities);
            out.member("instructions", INSTRUCTIONS);
            version.write_caching(out, CacheScope::Public);
        }))
    }))
}

/// Reads the parameters for the second time: [`Mcp`] has read them to learn which client this is, and the version on
/// which the two agree decides how the result is written.
fn initialize(_: &Mcp, _: &ClientInfo, params: Params) -> Result<Prepared, RpcError> {
    Session::begin(&params).map(Prepared::Initialize)
}

/// The `InitializeResult`. It declares no subscriptions: in the versions with `initialize` they would need the GET
/// stream, which holds a thread for each connected client, idle or not.
#[inline(never)] // see `log::write`
fn initialized(session: &Session, client: &ClientInfo) -> MethodResult {
    let mut capabilities = json!({ "tools": {}, "resources": {}, "prompts": {}, "completions": {} });
    if client.capabilities.apps {
        capabilities["extensions"] = apps::declared();
    }
    let version = session.version;
    client.version.result(move |out| {
        out.member("protocolVersion", version.name());
        out.member("capabilities", &capabilities);
        out.member("serverInfo", version.server_info());
        out.member("instructions", INSTRUCTIONS);
    })
}

/// Shows a client that its session still works. 2026-07-28 has no `ping`: without sessions there is nothing to keep
/// alive.
fn ping(_: &Mcp, _: &ClientInfo, _: Params) -> Result<Prepared, RpcError> {
    Ok(Prepared::result(|_, client| Ok(client.version.result(|_| ()))))
}

fn list_tools(_: &Mcp, _: &ClientInfo, params: Params) -> Result<Prepared, RpcError> {
    one_page(&params)?;
    Ok(Prepared::result(|_, client| {
        let (tools, scope) = if client.capabilities.apps {
            (&*TOOLS_WITH_PAGES, CacheScope::Private)
        } else {
            (&*TOOLS_DESCRIBED, CacheScope::Public)
        };
        Ok(described(client, "tools", tools, scope))
    }))
}

fn call_tool(mcp: &Mcp, client: &ClientInfo, mut params: Params) -> Result<Prepared, Failure> {
    // Only the clients of stateless versions bring a person's answer in these members. In the earlier versions they
    // mean nothing and are ignored, as unknown members are everywhere.
    let (responses, state) = if client.version.is_stateless() {
        (params.remove("inputResponses"), params.remove("requestState"))
    } else {
        (None, None)
    };
    let (name, arguments) = name_and_arguments(params)?;
    // An unknown tool is an error of the protocol; arguments that don't fit a known one are a result with `isError`,
    // which the model can read and mend (2025-11-25 tools, Error Handling). So the arguments aren't checked here.
    let unknown = || RpcError::invalid_params("Unknown tool: tools/list shows the tools there are");
    let tool = tools::find(&name).ok_or_else(unknown)?;
    let tool = tool.permit(mcp, &arguments)?;
    Ok(Prepared::Call(Box::new(Call { tool, arguments, responses, state })))
}

/// Prepares `resources/list`. Fails if `params.cursor` is there and is no string, or is too long. The work that it
/// returns builds one page: the fixed resources, then the caller's tags if the token has their scope. That work fails
/// if the cursor isn't one of this list, or if the database fails.
fn list_resources(_: &Mcp, _: &ClientInfo, params: Params) -> Result<Prepared, RpcError> {
    // A cursor that is there and isn't a string is a mistake. To take it for no cursor would send the client back
    // to the first page, again and again.
    let cursor = params.contains_key("cursor").then(|| text(&params, "cursor")).transpose()?;
    if cursor.is_some_and(|cursor| cursor.len() > limits::CURSOR_CHARS_MAX) {
        let text = format!("params.cursor has more than {} characters", limits::CURSOR_CHARS_MAX);
        return Err(RpcError::invalid_params(text));
    }
    let cursor = cursor.map(str::to_owned);
    Ok(Prepared::result(move |mcp, client| {
        let (page, version) =
            (resources::list(mcp.journal_if().as_ref(), cursor.as_deref())?, client.version);
        Ok(version.result(move |out| {
            page.write(version, out);
            version.write_caching(out, CacheScope::Private);
        }))
    }))
}

fn list_templates(_: &Mcp, _: &ClientInfo, params: Params) -> Result<Prepared, RpcError> {
    one_page(&params)?;
    Ok(Prepared::result(|_, client| {
        Ok(described(client, "resourceTemplates", &TEMPLATES_DESCRIBED, CacheScope::Public))
    }))
}

/// Reads a resource by its URI: one of the person's resources (`epicme://`), or a page (`ui://`) for a client that
/// shows pages. URI and scope are checked now; the row is read when the request is run, and may turn out missing.
fn read_resource(mcp: &Mcp, client: &ClientInfo, params: Params) -> Result<Prepared, Failure> {
    let uri = text(&params, "uri")?.to_owned();
    if uri.len() > limits::URI_BYTES_MAX {
        let text = format!("params.uri must have at most {} bytes", limits::URI_BYTES_MAX);
        return Err(RpcError::invalid_params(text).into());
    }
    // For a client that shows no pages there are none: the URI is then as unknown as any other.
    if let Some(page) = apps::find(&uri).filter(|_| client.capabilities.apps) {
        // The page holds no person's data. It needs a scope all the same, that of what it is there to show: without
        // it the client would show an empty page, and the person would not learn what is missing.
        match page.shows {
            Shows::Entries => drop(mcp.permit::<EntriesRead>(page.uri)?),
            Shows::Tags => drop(mcp.permit::<TagsRead>(page.uri)?),
        }
        return Ok(Prepared::result(|_, client| Ok(contents(client, page.contents()))));
    }
    // A URI that can't name a row is refused now. Whether the row exists is looked up only after the gate has checked
    // the scope: otherwise a client without the scope could find out which rows there are.
    let not_found = |version, uri| RpcError::ResourceNotFound { version, uri };
    let Some(resource) = resources::parse(&uri) else {
        return Err(not_found(client.version, uri).into());
    };
    let read = resources::permit(mcp, resource)?;
    Ok(Prepared::result(move |mcp, client| {
        let read = read(mcp.context.app)?.ok_or_else(|| not_found(client.version, uri))?;
        Ok(contents(client, read))
    }))
}

/// Writes a `ReadResourceResult` with these contents.
fn contents(client: &ClientInfo, contents: impl Json + 'static) -> MethodResult {
    let version = client.version;
    version.result(move |out| {
        out.member("contents", json_text::array([&contents]));
        version.write_caching(out, CacheScope::Private);
    })
}

/// Like the tools, all prompts are listed, whatever the token's scopes.
fn list_prompts(_: &Mcp, _: &ClientInfo, params: Params) -> Result<Prepared, RpcError> {
    one_page(&params)?;
    Ok(Prepared::result(|_, client| Ok(described(client, "prompts", &PROMPTS_DESCRIBED, CacheScope::Public))))
}

/// Writes a list under this name, as the client's version describes its items.
fn described(
    client: &ClientInfo,
    name: &'static str,
    list: &'static Value,
    scope: CacheScope,
) -> MethodResult {
    let version = client.version;
    version.result(move |out| {
        out.member(name, &*version.describe(list));
        version.write_caching(out, scope);
    })
}

/// Answers `prompts/get` up to the gate: finds the prompt, has the gate check the caller's scopes, and returns the
/// rest as work that runs later. Fails if `name` isn't a string, `arguments` isn't an object, the prompt is unknown,
/// or a scope is missing.
///
/// The values of the arguments are checked only when the work runs. Unlike a tool's, a prompt's wrong arguments are
/// an error of the protocol (2025-11-25 prompts, Error Handling): a person has typed them into a form, and no model
/// is there to correct them.
fn get_prompt(mcp: &Mcp, _: &ClientInfo, params: Params) -> Result<Prepared, Failure> {
    let (name, arguments) = name_and_arguments(params)?;
    let prompt = prompts::find(&name)?.permit(mcp, arguments)?;
    Ok(Prepared::result(move |mcp, client| {
        let messages = prompt(mcp.context.app)?;
        Ok(client.version.result(move |out| messages.write(out)))
    }))
}

/// Completion has its scopes checked where it reads rows; see [`super::completion`].
fn complete(_: &Mcp, _: &ClientInfo, params: Params) -> Result<Prepared, RpcError> {
    let completion = Completion::read(&Value::Object(params))?;
    Ok(Prepared::result(move |mcp, client| {
        let matches = completion.complete(mcp)?;
        Ok(client.version.result(move |out| out.member("completion", completion::written(&matches))))
    }))
}

/// Only reads which notifications the client requests. Which of them it gets is decided when the stream is opened.
fn listen(_: &Mcp, _: &ClientInfo, params: Params) -> Result<Prepared, RpcError> {
    RequestedNotifications::read(&params).map(Prepared::Listen)
}

/// The name and the arguments of a tool or prompt. A client may leave `arguments` out where it has none to give.
/// Anything but an object in their place breaks the schema of the request, so it is an error of the protocol.
fn name_and_arguments(mut params: Params) -> Result<(String, Map<String, Value>), RpcError> {
    let name = text(&params, "name")?.to_owned();
    match params.remove("arguments") {
        None => Ok((name, Map::new())),
        Some(Value::Object(arguments)) => Ok((name, arguments)),
        Some(_) => Err(RpcError::invalid_params("params.arguments must be an object")),
    }
}

/// A parameter that must be there, as text.
fn text<'p>(params: &'p Params, name: &str) -> Result<&'p str, RpcError> {
    let text = params.get(name).and_then(Value::as_str);
    text.ok_or_else(|| RpcError::invalid_params(format!("params.{name} must be a string")))
}

/// Refuses a cursor for a list that has one page: this server never gave the client one (2025-11-25 pagination, Error
/// Handling). To ignore it would be worse, since a client that follows cursors would read the same page without end.
fn one_page(params: &Params) -> Result<(), RpcError> {
    if params.contains_key("cursor") {
        return Err(RpcError::invalid_params("params.cursor: this list has one page"));
    }
    Ok(())
}
