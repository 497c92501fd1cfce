//! Holds every MCP message of the server against the form that its revision has for it.
//!
//! Knows no tool and no journal. Two judges: the rules below, written for this server and closed (a member that is
//! not named is a fault), always judge; the official JSON schemas judge too where `EPICME_MCP_SCHEMAS` names a
//! folder with `2025-03-26.json`, `2025-06-18.json`, `2025-11-25.json` and `2026-07-28.json`. The specification
//! publishes them as `schema/<revision>/schema.json`; they aren't part of this repository.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::Reply;

const MODERN: &str = "2026-07-28";
const OLDEST: &str = "2025-03-26";
/// The versions that are reached by `initialize`, newest first.
const LEGACY: [&str; 3] = ["2025-11-25", "2025-06-18", OLDEST];
/// Either key in `_meta` makes a request one of the stateless version.
const CLAIMS: [&str; 2] =
    ["io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientCapabilities"];

// ---- The rules of this server ----

/// A method, the official name of its result, and the result's own members; see [`object`] for the notation.
const RESULTS: [(&str, &str, &str); 13] = [
    (
        "initialize",
        "InitializeResult",
        "protocolVersion:revision capabilities serverInfo instructions?:string",
    ),
    ("ping", "EmptyResult", ""),
    ("server/discover", "DiscoverResult", "supportedVersions:[revision] capabilities instructions?:string"),
    ("tools/list", "ListToolsResult", "tools:[tool] nextCursor?:string"),
    ("tools/call", "CallToolResult", "content:[block] structuredContent?:object isError?:boolean"),
    ("resources/list", "ListResourcesResult", "resources:[resource] nextCursor?:string"),
    (
        "resources/templates/list",
        "ListResourceTemplatesResult",
        "resourceTemplates:[template] nextCursor?:string",
    ),
    ("resources/read", "ReadResourceResult", "contents:contents"),
    ("prompts/list", "ListPromptsResult", "prompts:[prompt] nextCursor?:string"),
    ("prompts/get", "GetPromptResult", "description?:string messages:[promptMessage]"),
    ("completion/complete", "CompleteResult", "completion"),
    ("subscriptions/listen", "SubscriptionsListenResult", ""),
    (ASKING, "InputRequiredResult", "inputRequests:{inputRequest} requestState?:string"),
];
/// What a result of [`MAY_ASK`] is instead when the person is to be asked first.
const ASKING: &str = "input_required";
const MAY_ASK: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];
/// The results that say how long they hold, in the stateless revision.
const CACHED: [&str; 6] = [
    "server/discover",
    "tools/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
];

/// What the server sends unasked: the method, the official name, and the members of the whole message.
const SENT: [(&str, &str, &str); 4] = [
    (
        "notifications/subscriptions/acknowledged",
        "SubscriptionsAcknowledgedNotification",
        "jsonrpc method params:acknowledged",
    ),
    ("notifications/resources/updated", "ResourceUpdatedNotification", "jsonrpc method params:updated"),
    (
        "notifications/resources/list_changed",
        "ResourceListChangedNotification",
        "jsonrpc method params:listed",
    ),
    ("elicitation/create", "ElicitRequest", "jsonrpc id method params:elicitation"),
];

/// What the above are made of.
const PARTS: [(&str, &str); 38] = [
    ("response", "jsonrpc id result:object"),
    ("failure", "jsonrpc id?:id error"),
    ("error", "code:integer message:sentence data?:any"),
    ("error-32020", "code:integer message:sentence"),
    ("error-32021", "code:integer message:sentence data:needed"),
    ("error-32022", "code:integer message:sentence data:versions"),
    ("needed", "requiredCapabilities:object"),
    ("versions", "supported:[revision] requested:string"),
    ("capabilities", "tools?:empty prompts?:empty completions?:empty resources?:watching extensions?"),
    ("extensions", "io.modelcontextprotocol/ui:empty"),
    ("empty", ""),
    ("watching", "subscribe?:boolean listChanged?:boolean"),
    ("serverInfo", "name:string title?:string version:string"),
    ("given", "io.modelcontextprotocol/serverInfo?:serverInfo"),
    ("ended", "io.modelcontextprotocol/subscriptionId:id io.modelcontextprotocol/serverInfo?:serverInfo"),
    ("stream", "io.modelcontextprotocol/subscriptionId:id"),
    ("acknowledged", "_meta:stream notifications:filter"),
    ("filter", "resourcesListChanged?:boolean resourceSubscriptions?:[string]"),
    ("updated", "_meta:stream uri:string"),
    ("listed", "_meta:stream"),
    (
        "tool",
        "name:string title?:string description:string inputSchema outputSchema? annotations? _meta?:viewed",
    ),
    ("viewed", "ui:view"),
    ("view", "resourceUri:string visibility:['model']"),
    (
        "annotations",
        "readOnlyHint?:boolean destructiveHint?:boolean idempotentHint?:boolean openWorldHint?:boolean",
    ),
    ("text", "type:'text' text:string"),
    (
        "resource_link",
        "type:'resource_link' uri:string name:string title?:string description?:string mimeType?:string annotations?:hints",
    ),
    ("embedded", "type:'resource' resource:content"),
    ("content", "uri:string mimeType?:string text:string _meta?:framed"),
    ("framed", "ui:frame"),
    ("frame", "csp:reach prefersBorder?:boolean"),
    ("reach", "connectDomains:none resourceDomains:none frameDomains:none baseUriDomains:none"),
    (
        "resource",
        "uri:string name:string title?:string description?:string mimeType?:string annotations?:hints",
    ),
    ("hints", "lastModified?:string audience?:[role]"),
    ("template", "uriTemplate:string name:string title?:string description?:string mimeType?:string"),
    ("prompt", "name:string title?:string description?:string arguments?:[argument]"),
    ("argument", "name:string title?:string description?:string required?:boolean"),
    ("promptMessage", "role:role content:block"),
    ("inputRequest", "method:'elicitation/create' params:elicitation"),
];

/// The parts that are no objects of named members, or more than that.
fn further_parts() -> Value {
    json!({
        "any": true,
        "jsonrpc": { "const": "2.0" },
        "id": { "type": ["string", "integer"] },
        "method": { "type": "string" },
        "sentence": { "type": "string", "minLength": 1 },
        "revision": { "enum": [MODERN, LEGACY[0], LEGACY[1], LEGACY[2]] },
        "role": { "enum": ["user", "assistant"] },
        "scope": { "enum": ["public", "private"] },
        "milliseconds": { "type": "integer", "minimum": 0 },
        "block": { "anyOf": [
            { "$ref": "#/$defs/text" }, { "$ref": "#/$defs/resource_link" }, { "$ref": "#/$defs/embedded" },
        ] },
        "contents": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/content" } },
        "inputSchema": { "type": "object", "properties": { "type": { "const": "object" } }, "required": ["type"] },
        "outputSchema": { "$ref": "#/$defs/inputSchema" },
        "completion": object("values:hundred total?:integer hasMore?:boolean", MODERN),
        "none": { "type": "array", "maxItems": 0 },
        "hundred": { "type": "array", "maxItems": 100, "items": { "type": "string" } },
        "primitive": {
            "type": "object",
            "properties": { "type": { "enum": ["string", "number", "integer", "boolean"] } },
            "required": ["type"],
        },
    })
}

/// The first revision of what came later.
const SINCE: [(&str, &str); 16] = [
    ("lastModified", "2025-06-18"),
    ("title", "2025-06-18"),
    ("outputSchema", "2025-06-18"),
    ("structuredContent", "2025-06-18"),
    ("resource_link", "2025-06-18"),
    ("_meta", "2025-06-18"),
    ("extensions", "2025-06-18"),
    ("elicitation/create", "2025-06-18"),
    ("mode", "2025-11-25"),
    ("subscribe", MODERN),
    ("listChanged", MODERN),
    ("server/discover", MODERN),
    ("subscriptions/listen", MODERN),
    (ASKING, MODERN),
    ("notifications/subscriptions/acknowledged", MODERN),
    // In a legacy revision nothing is pushed: there it isn't declared.
    ("notifications/resources/", MODERN),
];
/// What the stateless revision dropped.
const LEGACY_ONLY: [&str; 3] = ["initialize", "ping", "elicitation/create"];

/// Whether a revision has this member, part or message.
fn exists(name: &str, revision: &str) -> bool {
    let since = |(own, _): &(&str, &str)| name == *own || own.ends_with('/') && name.starts_with(own);
    let first = SINCE.iter().find(|entry| since(entry)).map_or(OLDEST, |(_, first)| first);
    revision >= first && !(revision == MODERN && LEGACY_ONLY.contains(&name))
}

/// The schema of a closed object. Each member is `name:kind` or `name?:kind`, or `name` alone for a part so named. A
/// kind is a JSON type, a part, `[kind]` for a list, `{kind}` for a map or `'text'` for just that text.
fn object(members: &str, revision: &str) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for member in members.split_whitespace() {
        let (name, kind) = member.split_once(':').unwrap_or((member, member));
        let (name, kind) = (name.trim_end_matches('?'), kind.trim_end_matches('?'));
        if exists(name, revision) {
            properties.insert(name.to_owned(), self::kind(kind));
            if !member.contains('?') {
                required.push(name);
            }
        }
    }
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn kind(text: &str) -> Value {
    let inside = |ends: [char; 2]| text.strip_prefix(ends[0])?.strip_suffix(ends[1]);
    if let Some(item) = inside(['[', ']']) {
        return json!({ "type": "array", "items": kind(item) });
    }
    if let Some(value) = inside(['{', '}']) {
        return json!({ "type": "object", "minProperties": 1, "additionalProperties": kind(value) });
    }
    match inside(['\'', '\'']) {
        Some(constant) => json!({ "const": constant }),
        None if ["string", "integer", "boolean", "object"].contains(&text) => json!({ "type": text }),
        None => json!({ "$ref": format!("#/$defs/{text}") }),
    }
}

/// The rules of one revision as one schema document.
fn rules(revision: &str) -> Value {
    let mut parts = further_parts();
    for (name, members) in PARTS {
        parts[name] = if exists(name, revision) { object(members, revision) } else { json!(false) };
    }
    let mode = if revision == MODERN || exists("mode", revision) { "mode?:'form'" } else { "" };
    let elicitation = format!("{mode} message:sentence requestedSchema:form");
    parts["elicitation"] = object(&elicitation, revision);
    parts["form"] = object("type:'object' properties:{primitive} required?:[string]", revision);
    for (name, _, members) in SENT {
        parts[name] = if exists(name, revision) { object(members, revision) } else { json!(false) };
        if parts[name].is_object() {
            parts[name]["properties"]["method"] = json!({ "const": name });
        }
    }
    for (name, _, members) in RESULTS {
        let mut members = members.to_owned();
        if revision == MODERN {
            members += if name == ASKING { " resultType:'input_required'" } else { " resultType:'complete'" };
            members += if name == "subscriptions/listen" { " _meta:ended" } else { " _meta?:given" };
            if CACHED.contains(&name) {
                members += " ttlMs:milliseconds cacheScope:scope";
            }
        }
        parts[name] = if exists(name, revision) { object(&members, revision) } else { json!(false) };
    }
    json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": parts })
}

// ---- The judges ----

/// Schema documents, one for each revision, and what was compiled of them.
pub struct Judge {
    document: Box<dyn Fn(&str) -> Value + Send + Sync>,
    compiled: Mutex<HashMap<(String, String), Arc<Validator>>>,
}

impl Judge {
    fn new(document: impl Fn(&str) -> Value + Send + Sync + 'static) -> Judge {
        Judge { document: Box::new(document), compiled: Mutex::default() }
    }

    /// The official schemas in this folder.
    pub fn official(folder: PathBuf) -> Judge {
        Judge::new(move |revision| {
            let path = folder.join(format!("{revision}.json"));
            let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        })
    }

    /// Says what keeps `value` from being what the revision defines under `name`.
    pub fn judge(&self, revision: &str, name: &str, value: &Value) -> Result<(), String> {
        let key = (revision.to_owned(), name.to_owned());
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = compiled.entry(key).or_insert_with(|| Arc::new(self.compile(revision, name))).clone();
        drop(compiled);
        let fault = |error: jsonschema::ValidationError| {
            format!("at {:?} of {name} ({revision}): {error:.500}", error.instance_path().to_string())
        };
        validator.validate(value).map_err(fault)
    }

    fn compile(&self, revision: &str, name: &str) -> Validator {
        let mut document = (self.document)(revision);
        let keyword = if document["$defs"].is_object() { "$defs" } else { "definitions" };
        assert!(!document[keyword][name].is_null(), "the schema of {revision} defines no {name}");
        document["$ref"] = format!("#/{keyword}/{}", name.replace('/', "~1")).into();
        jsonschema::validator_for(&document).unwrap_or_else(|error| panic!("{name} of {revision}: {error}"))
    }
}

static OWN: LazyLock<Judge> = LazyLock::new(|| Judge::new(rules));
static OFFICIAL: LazyLock<Option<Judge>> =
    LazyLock::new(|| std::env::var_os("EPICME_MCP_SCHEMAS").map(|folder| Judge::official(folder.into())));

/// Panics unless `message`, sent by the server, is valid in this revision. `method` is that of the request which it
/// answers: `None` for what the server sends unasked, and where no request could be read.
#[track_caller]
pub fn check(revision: &str, method: Option<&str>, message: &Value) {
    if let Err(fault) = fault(revision, method, message) {
        let asked = method.unwrap_or("no readable request");
        panic!("invalid in {revision}, {fault}\nto {asked}: {:.2000}", message.to_string());
    }
}

/// What is wrong with a message, as [`check`] finds it.
pub fn fault(revision: &str, method: Option<&str>, message: &Value) -> Result<(), String> {
    fault_by(OFFICIAL.as_ref(), revision, method, message)
}

/// The same with another official judge, or with none.
pub fn fault_by(
    official: Option<&Judge>,
    revision: &str,
    method: Option<&str>,
    message: &Value,
) -> Result<(), String> {
    let judge = |own: &str, official_name: &str, value: &Value| {
        OWN.judge(revision, own, value).map_err(|fault| format!("by the rules of this server {fault}"))?;
        let Some(official) = official.filter(|_| !official_name.is_empty()) else { return Ok(()) };
        official
            .judge(revision, official_name, value)
            .map_err(|fault| format!("by the official schema {fault}"))
    };
    let renamed = revision >= "2025-11-25"; // the envelopes have other names since
    if let Some(messages) = message.as_array() {
        if revision != OLDEST || messages.is_empty() {
            return Err("an array that is no batch".to_owned());
        }
        if let Some(official) = official {
            official.judge(revision, "JSONRPCBatchResponse", message)?;
        }
        return messages.iter().try_for_each(|each| fault_by(official, revision, method, each));
    }
    if let Some(sent) = message["method"].as_str() {
        let known = SENT.iter().find(|(name, ..)| *name == sent);
        let (_, official_name, _) =
            known.ok_or_else(|| format!("{sent} is nothing that this server sends"))?;
        let envelope = if message.get("id").is_some() { "JSONRPCRequest" } else { "JSONRPCNotification" };
        judge(sent, envelope, message)?;
        return judge(sent, official_name, message);
    }
    if message.get("error").is_some() {
        return fault_of_error(&judge, renamed, revision, method, message);
    }
    judge("response", if renamed { "JSONRPCResultResponse" } else { "JSONRPCResponse" }, message)?;
    let method = method.ok_or("a result, though no request could be read")?;
    let result = &message["result"];
    let asks = revision == MODERN && result["resultType"] == ASKING && MAY_ASK.contains(&method);
    let name = if asks { ASKING } else { method };
    let known = RESULTS.iter().find(|(own, ..)| *own == name && (*own != ASKING || asks));
    let (_, official_name, _) = known.ok_or_else(|| format!("a result of {method}, which has none"))?;
    judge(name, official_name, result)
}

fn fault_of_error(
    judge: &dyn Fn(&str, &str, &Value) -> Result<(), String>,
    renamed: bool,
    revision: &str,
    method: Option<&str>,
    message: &Value,
) -> Result<(), String> {
    let code = message["error"]["code"].as_i64().ok_or("an error without an integer code")?;
    if method.is_some() && message.get("id").is_none() {
        return Err("an error without the id of the request, which could be read".to_owned());
    }
    judge("failure", "", message)?;
    // Before 2025-11-25 the schema demands an id even where none can be read, and null is none. Leaving it out is
    // what the later revisions settled on, so there everything but that is checked.
    let mut whole = message.clone();
    if !renamed && message.get("id").is_none() {
        whole["id"] = 0.into();
    }
    judge("failure", if renamed { "JSONRPCErrorResponse" } else { "JSONRPCError" }, &whole)?;
    let typed = match code {
        -32020 => Some("HeaderMismatchError"),
        -32021 => Some("MissingRequiredClientCapabilityError"),
        -32022 => Some("UnsupportedProtocolVersionError"),
        _ => None,
    };
    if let Some(official) = typed {
        judge(&format!("error{code}"), "", &message["error"])?;
        return judge("failure", if revision == MODERN { official } else { "" }, message);
    }
    if revision == MODERN && (-32099..=-32000).contains(&code) {
        return Err(format!("the code {code}, which 2026-07-28 leaves to nobody"));
    }
    Ok(())
}

// ---- An exchange over HTTP ----

/// A request as it was sent.
pub struct Sent {
    /// `POST /mcp`, for example.
    pub line: String,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Sent {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The revision in which this is answered, if `answer` comes back.
    pub fn revision(&self, body: &Value, answer: &Value) -> String {
        let modern =
            |version: &str| version.len() == MODERN.len() && version.starts_with("20") && version >= MODERN;
        let meta = |message: &Value| message["params"]["_meta"].clone();
        // A member that is null is absent.
        let claims = |message: &Value| CLAIMS.iter().any(|key| !meta(message)[*key].is_null());
        let header = self.field("mcp-protocol-version");
        if body["method"] == "initialize" && !meta(body)[CLAIMS[0]].as_str().is_some_and(modern) {
            let given = answer["result"]["protocolVersion"].as_str();
            return given
                .or(header.filter(|version| modern(version)).map(|_| MODERN))
                .unwrap_or(LEGACY[0])
                .into();
        }
        if header.is_some_and(modern)
            || claims(body)
            || body.as_array().is_some_and(|all| all.iter().any(claims))
        {
            return MODERN.to_owned();
        }
        match header {
            Some(version) if LEGACY.contains(&version) => version.to_owned(),
            Some(_) => LEGACY[0].to_owned(),
            None => {
                let sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
                let agreed = self.field("mcp-session-id").and_then(|id| sessions.get(id));
                agreed.cloned().unwrap_or_else(|| OLDEST.to_owned())
            }
        }
    }
}

/// Which revision each session agreed on; a session without the version header still speaks it.
static SESSIONS: LazyLock<Mutex<HashMap<String, String>>> = LazyLock::new(Mutex::default);

/// The method and the id of a request to which a result may be given.
fn request(message: &Value) -> Option<(&str, &Value)> {
    let is_request = message["jsonrpc"] == "2.0" && message["result"].is_null() && message["error"].is_null();
    let id = message.get("id").filter(|id| id.is_string() || id.is_i64() || id.is_u64())?;
    message["method"].as_str().filter(|_| is_request).map(|method| (method, id))
}

/// Checks whatever MCP message an answer holds. `sent` is `None` where what was sent is no whole request: then only
/// the envelope can be checked.
#[track_caller]
pub fn check_exchange(sent: Option<&Sent>, reply: &Reply) {
    let kind = reply.field("content-type").unwrap_or_default();
    let Some(sent) = sent else {
        let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        if kind == "application/json" && answer["jsonrpc"].is_string() {
            let part = if answer.get("error").is_some() { "failure" } else { "response" };
            OWN.judge(MODERN, part, &answer).unwrap_or_else(|fault| panic!("{fault}\n{answer}"));
        }
        return;
    };
    let is_json = kind == "application/json";
    let is_refused_by_gate = reply.field("www-authenticate").is_some(); // RFC 6750 §3.1, no JSON-RPC
    let may_hold = matches!(reply.status, 200 | 400 | 404) && !is_refused_by_gate && !reply.body.is_empty();
    if sent.line != "POST /mcp" || !may_hold {
        return;
    }
    let body: Value = serde_json::from_slice(&sent.body).unwrap_or_default();
    if is_json {
        let answer = reply.json();
        let revision = sent.revision(&body, &answer);
        if let (Some(id), Some(agreed)) =
            (reply.field("mcp-session-id"), answer["result"]["protocolVersion"].as_str())
        {
            let mut sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.insert(id.to_owned(), agreed.to_owned());
        }
        match (&body, &answer) {
            (Value::Array(messages), Value::Array(answers)) => {
                let mut waiting = messages.iter().filter_map(request);
                assert!(revision == OLDEST && !answers.is_empty(), "{revision} has no such batch: {answer}");
                for answer in answers {
                    check_answer(&revision, waiting.next(), answer);
                }
                assert!(waiting.next().is_none(), "a request of a batch has no answer: {body:.2000}");
            }
            _ => check_answer(&revision, request(&body), &answer),
        }
    } else if kind.starts_with("text/event-stream") {
        let text = std::str::from_utf8(&reply.body).expect("events are UTF-8");
        for data in text.lines().filter_map(|line| line.strip_prefix("data:")) {
            let event: Value = serde_json::from_str(data).expect("an event is one JSON object");
            check_event(&sent.revision(&body, &event), &body, &event);
        }
    }
}

/// Checks one event of the stream that answers `body`.
#[track_caller]
pub fn check_event(revision: &str, body: &Value, event: &Value) {
    if event["method"].is_string() {
        check(revision, None, event);
    } else {
        check_answer(revision, request(body), event);
    }
}

#[track_caller]
fn check_answer(revision: &str, request: Option<(&str, &Value)>, answer: &Value) {
    // A text that names a member twice is refused whole: its id isn't read, though the reader here would read one.
    let request = request.filter(|_| answer["error"]["code"] != -32700);
    check(revision, request.map(|(method, _)| method), answer);
    if let Some((method, id)) = request {
        assert_eq!(answer.get("id"), Some(id), "the answer to {method} has another id: {answer:.2000}");
    }
}
