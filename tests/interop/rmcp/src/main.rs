//! Walks every tool and every other feature through the Rust SDK client, or signs in with it.
//! Usage: epicme-interop legacy | modern | oauth.  With `OVER_STDIO` it starts `epicme stdio` in place of opening the URL.

mod expect;
mod sign_in;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::process::{ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rmcp::model::{
    ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationCapability, ErrorData,
    Implementation, ProtocolVersion, ServerNotification, SubscribeRequestParams,
};
use rmcp::service::{ClientInitializeError, RequestContext, RunningService, ServiceError};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use crate::expect::{Tally, Worked, expect, matches, subset};

type Client = RunningService<RoleClient, Person>;

/// Who is asked by the server's questions. Only a client with a person says that it can ask.
#[derive(Clone, Default)]
struct Person {
    is_there: bool,
    asked: Arc<Mutex<Vec<String>>>,
    answer: Arc<Mutex<Value>>,
}

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        capabilities.elicitation = self.is_there.then(ElicitationCapability::default);
        ClientConfig::new(capabilities, Implementation::new("epicme-interop", "1"))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let question = json!(request)["message"].as_str().unwrap_or_default().to_owned();
        self.asked.lock().expect("a lock").push(question);
        Ok(typed(&self.answer.lock().expect("a lock")))
    }
}

/// JSON as a type of the SDK's.
fn typed<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn steps(name: &str) -> Value {
    let path = format!("{}/../{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("JSON")
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn lifecycle(modern: bool) -> ClientLifecycleMode {
    match modern {
        // It probes with server/discover, and would fall back to initialize.
        true => ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: None,
        },
        false => ClientLifecycleMode::Initialize,
    }
}

/// The version of the SDK.
fn version() -> &'static str {
    let lock = include_str!("../Cargo.lock");
    let found = lock.split_once("name = \"rmcp\"\nversion = \"").and_then(|(_, rest)| rest.split_once('"'));
    found.map_or("", |(version, _)| version)
}

fn config() -> StreamableHttpClientTransportConfig {
    StreamableHttpClientTransportConfig::with_uri(variable("MCP_URL"))
}

fn is_over_stdio() -> bool {
    env::var_os("OVER_STDIO").is_some()
}

async fn connect(modern: bool, token: Option<&str>, person: Person) -> Result<Client, ClientInitializeError> {
    if is_over_stdio() {
        let mut program = Command::new(variable("EPICME"));
        program.args(["stdio", "--database"]).arg(variable("DATABASE")).env_remove("EPICME_TOKEN");
        program.envs(token.map(|token| ("EPICME_TOKEN", variable(token))));
        let started = TokioChildProcess::builder(program).stderr(Stdio::null()).spawn();
        let (transport, _) = started.expect("the program starts");
        return person.serve_with_lifecycle(transport, lifecycle(modern)).await;
    }
    let config = token.map_or_else(config, |token| config().auth_header(variable(token)));
    let transport = StreamableHttpClientTransport::with_client(reqwest::Client::new(), config);
    person.serve_with_lifecycle(transport, lifecycle(modern)).await
}

/// One request by its method, as the SDK has it; lists with all their pages.
async fn send(client: &Client, method: &str, params: &Value) -> Result<Value, ServiceError> {
    Ok(match method {
        "tools/call" => json!(client.call_tool(typed(params)).await?),
        "resources/list" => json!({ "resources": client.list_all_resources().await? }),
        "resources/templates/list" => {
            json!({ "resourceTemplates": client.list_all_resource_templates().await? })
        }
        "resources/read" => json!(client.read_resource(typed(params)).await?),
        "prompts/list" => json!({ "prompts": client.list_all_prompts().await? }),
        "prompts/get" => json!(client.get_prompt(typed(params)).await?),
        "completion/complete" => json!(client.complete(typed(params)).await?),
        other => panic!("{other} is no method that is walked"),
    })
}

async fn call(client: &Client, step: &Value) -> Result<Value, ServiceError> {
    let params = json!({ "name": step["tool"], "arguments": step["arguments"] });
    send(client, "tools/call", &params).await
}

/// Calls the tool of a step. `cursor` is the last `nextCursor` that any list gave.
async fn take(client: &Client, cursor: &mut Value, mut step: Value) -> Worked<()> {
    if step["arguments"]["cursor"] == "<nextCursor>" {
        step["arguments"]["cursor"] = cursor.clone();
    }
    let result = call(client, &step).await?;
    let texts: Vec<_> = items(&result["content"]).iter().filter_map(|block| block["text"].as_str()).collect();
    let first = texts.first().copied().unwrap_or_default();
    if let Some(error) = step["error"].as_str() {
        expect(result["isError"] == true, || format!("no error but {result}"))?;
        return matches(first, error);
    }
    expect(result["isError"] != true, || first.to_owned())?;
    let held = &result["structuredContent"];
    if let Some(next) = held.get("nextCursor") {
        *cursor = next.clone();
    }
    subset(Some(held), &step["result"], "result")?;
    let repeated: Value = serde_json::from_str(texts.last().copied().unwrap_or_default())?;
    expect(repeated == *held, || "the last text is not the result as JSON".to_owned())?;
    if let Some(says) = step["says"].as_str() {
        matches(first, says)?;
    }
    let links = items(&result["content"]).iter().filter(|block| block["type"] == "resource_link");
    let links: Value = links.map(|block| block["uri"].clone()).collect();
    let wanted = step.get("links").unwrap_or(&links);
    expect(links == *wanted, || format!("links are {links}, not {wanted}"))
}

/// As [`take`], with a person who may be asked before the tool does it.
async fn take_asking(client: &Client, step: &Value) -> Worked<()> {
    let person = client.service();
    *person.answer.lock().expect("a lock") = step["answer"].clone();
    for n in 1..=step["times"].as_i64().unwrap_or(1) {
        let mut step = step.clone();
        let arguments = step["arguments"].to_string().replace("<n>", &n.to_string());
        step["arguments"] = serde_json::from_str(&arguments)?;
        take(client, &mut Value::Null, step).await?;
    }
    let questions = std::mem::take(&mut *person.asked.lock().expect("a lock"));
    match (step["asked"].as_str(), questions.as_slice()) {
        (None, []) => Ok(()),
        (Some(asked), [question]) => matches(question, asked),
        _ => Err(format!("asked {questions:?}").into()),
    }
}

async fn request(modern: bool, client: &Client, step: &Value) -> Worked<()> {
    let method = step["method"].as_str().unwrap_or_default();
    let result = send(client, method, &step["params"]).await;
    let Some(error) = step.get("error") else { return subset(Some(&result?), &step["result"], "result") };
    let code = if modern { error } else { step.get("legacyError").unwrap_or(error) };
    match result {
        Err(ServiceError::McpError(given)) => {
            expect(json!(given.code) == *code, || format!("the code is {:?}", given.code))?;
            let data = step.get("data");
            expect(data.is_none() || given.data.as_ref() == data, || format!("the data is {:?}", given.data))
        }
        other => Err(format!("no such error but {other:?}").into()),
    }
}

/// Subscribes, and has another client change things.
async fn subscribes(tally: &mut Tally, client: &Client, other: &Client, wished: &Value) -> Worked<()> {
    let mut subscription = client.listen(typed(&wished["asked"])).await?;
    let honored = json!(subscription.acknowledged());
    let fits = subset(Some(&honored), &wished["honored"], "honored");
    tally.check("the subscription is honored as far as it can be", async { fits }).await;
    for step in items(&wished["changes"]) {
        let claim = format!("{} by another client is heard as {}", step["tool"], step["events"]);
        let hears = async {
            let result = call(other, step).await?;
            expect(result["isError"] != true, || result.to_string())?;
            let wanted: BTreeSet<_> = items(&step["events"]).iter().filter_map(Value::as_str).collect();
            let mut heard = BTreeSet::new();
            while !wanted.iter().all(|event| heard.contains(*event)) {
                let event = timeout(Duration::from_secs(5), subscription.next()).await??;
                heard.insert(match event.ok_or("the stream ended")? {
                    ServerNotification::ResourceUpdatedNotification(updated) => updated.params.uri,
                    ServerNotification::ResourceListChangedNotification(_) => "list_changed".to_owned(),
                    other => return Err(format!("{other:?} was not asked for").into()),
                });
            }
            expect(heard.iter().eq(wanted.iter()), || format!("heard {heard:?}"))
        };
        tally.check(&claim, hears).await;
    }
    Ok(subscription.cancel().await?)
}

async fn refuses_a_subscription(client: &Client) -> Worked<()> {
    let info = client.peer_info().ok_or("the server said nothing of itself")?;
    let resources = json!(info.capabilities.resources);
    expect(resources == json!({}), || format!("the capabilities of resources are {resources}"))?;
    #[expect(deprecated)] // and still to be refused at the older revisions
    match client.subscribe(SubscribeRequestParams::new("epicme://tags")).await {
        Err(ServiceError::McpError(error)) if error.code.0 == -32601 => Ok(()),
        other => Err(format!("no such error but {other:?}").into()),
    }
}

async fn speaks_the_revision(client: &Client, revision: &str) -> Worked<()> {
    let info = client.peer_info().ok_or("the server said nothing of itself")?;
    let info = json!(info.as_ref());
    expect(info["protocolVersion"] == revision, || format!("another revision: {info}"))?;
    expect(info["serverInfo"]["name"] == "epicme", || format!("the server is {info}"))?;
    expect(info["capabilities"]["tools"].is_object(), || format!("no tools are declared: {info}"))
}

async fn lists_the_tools(client: &Client, walk: &Value) -> Worked<()> {
    let tools = client.list_all_tools().await?;
    let listed: BTreeSet<_> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    let walked: BTreeSet<_> = items(walk).iter().filter_map(|step| step["tool"].as_str()).collect();
    expect(listed == walked && listed.len() == tools.len(), || format!("the tools are {listed:?}"))
}

async fn refuses_an_unknown_tool(client: &Client) -> Worked<()> {
    match call(client, &json!({ "tool": "no_such_tool", "arguments": {} })).await {
        Err(ServiceError::McpError(error)) if error.code.0 == -32602 => Ok(()),
        other => Err(format!("no such error but {other:?}").into()),
    }
}

async fn refuses_without_a_token(modern: bool) -> Worked<()> {
    let error = connect(modern, None, Person::default()).await.err().ok_or("it was let in")?;
    if is_over_stdio() {
        return matches(&format!("{error:?}"), "EPICME_TOKEN isn't set: make a token by");
    }
    let challenge = error.auth_challenge().ok_or_else(|| format!("no challenge but {error:?}"))?;
    matches(challenge, r#"^Bearer .*resource_metadata=""#)
}

async fn refuses_too_narrow_a_token(modern: bool) -> Worked<()> {
    let reader = connect(modern, Some("READ_TOKEN"), Person::default()).await?;
    let refused = call(&reader, &json!({ "tool": "create_tag", "arguments": { "name": "forbidden" } })).await;
    let error = refused.err().ok_or("it was not refused")?;
    if is_over_stdio() {
        matches(&error.to_string(), "create_tag needs tags:write")?;
    } else {
        let challenge = error.auth_challenge().ok_or_else(|| format!("no challenge but {error:?}"))?;
        matches(challenge, r#"error="insufficient_scope""#)?;
        matches(challenge, r#"needs tags:write", scope="entries:read tags:read tags:write""#)?;
    }
    let tags = call(&reader, &json!({ "tool": "list_tags", "arguments": {} })).await?;
    let tags = &tags["structuredContent"]["tags"];
    expect(items(tags).iter().all(|tag| tag["name"] != "forbidden"), || {
        "the refused tag was written".to_owned()
    })
}

async fn walk_all(modern: bool, tally: &mut Tally) -> Worked<()> {
    let revision = if modern { "2026-07-28" } else { "2025-11-25" };
    let over = if is_over_stdio() { ", over stdio" } else { "" };
    println!("rmcp {}, revision {revision}{over}", version());
    let (walk, features) = (steps("walk.json"), steps("features.json"));
    let client = connect(modern, Some("TOKEN"), Person::default()).await?;
    tally.check("speaks the revision, with the server named", speaks_the_revision(&client, revision)).await;
    tally.check("lists the tools that are walked, and no others", lists_the_tools(&client, &walk)).await;
    let mut cursor = Value::Null;
    for step in items(&walk) {
        let claim = format!("{} {}", step["tool"], step["arguments"]);
        tally.check(&claim, take(&client, &mut cursor, step.clone())).await;
    }
    tally.check("an unknown tool is a protocol error", refuses_an_unknown_tool(&client)).await;

    let person = Person { is_there: true, ..Person::default() };
    let asking = connect(modern, Some("TOKEN"), person).await?;
    for step in items(&features["steps"]) {
        match step["method"].as_str() {
            Some(method) => {
                let claim = format!("{method} {}", step["params"]);
                tally.check(&claim, request(modern, &asking, step)).await;
            }
            None => {
                let claim = format!("{} {}", step["tool"], step["arguments"]);
                tally.check(&claim, take_asking(&asking, step)).await;
            }
        }
    }
    match modern {
        true => subscribes(tally, &asking, &client, &features["subscription"]).await?,
        false => {
            let claim = "declares no subscriptions, and refuses one";
            tally.check(claim, refuses_a_subscription(&asking)).await;
        }
    }
    tally.check("no token: 401 with a challenge", refuses_without_a_token(modern)).await;
    let claim = "too narrow a token: 403 that names the missing scope";
    tally.check(claim, refuses_too_narrow_a_token(modern)).await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut tally = Tally::default();
    let ended = match env::args().nth(1).as_deref() {
        Some("legacy") => walk_all(false, &mut tally).await,
        Some("modern") => walk_all(true, &mut tally).await,
        Some("oauth") => sign_in::walk(&mut tally).await,
        _ => Err("usage: epicme-interop legacy | modern | oauth".into()),
    };
    tally.check("walks to the end", async { ended }).await;
    tally.finish()
}
