//! The Rust SDK on axum: four tools, and a layer that lets a request pass with a good token.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, VARY, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use rmcp::handler::server::common::Extension;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    Annotations, CallToolResult, ContentBlock, ErrorData, Implementation, Resource, ServerCapabilities,
    ServerConfig,
};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, schemars, tool, tool_handler, tool_router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;

use crate::journal::{self, Journal, Page};
use crate::statements;

/// The cursor of a next page. The other servers sign theirs; it has the same length.
const CURSOR: &str = "v1.AAAAAGsMAogAAAAAAAAAAgAAAAAAAAAAAAA.4O4XB4aYr6lw_JP69-IfeRp2e9ElcbSvSVcmfPA2pqk";

pub async fn serve(listener: TcpListener, database: &Path, challenge: String) {
    let gate = Arc::new(Gate {
        journal: Arc::new(Journal::open(database)),
        challenge: HeaderValue::try_from(challenge).expect("ASCII"),
    });
    let journal = Arc::clone(&gate.journal);
    let config =
        StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let tools = Tools(Arc::new(Shared { journal, router: Tools::tool_router() }));
    let service: StreamableHttpService<Tools, LocalSessionManager> =
        StreamableHttpService::new(move || Ok(tools.clone()), Arc::default(), config);
    let router =
        Router::new().nest_service("/mcp", service).layer(middleware::from_fn_with_state(gate, check_token));
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| _ = stream.set_nodelay(true));
    axum::serve(listener, router).await.expect("it serves until it is killed");
}

struct Gate {
    journal: Arc<Journal>,
    challenge: HeaderValue,
}

/// The person who called.
#[derive(Clone, Copy)]
struct Caller(i64);

async fn check_token(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let token = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.strip_prefix("Bearer "));
    match token.map(|token| gate.journal.person(token)) {
        Some(Ok(Some(user_id))) => {
            request.extensions_mut().insert(Caller(user_id));
            next.run(request).await
        }
        Some(Err(_)) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => {
            let mut fields = HeaderMap::new();
            fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            fields.insert(WWW_AUTHENTICATE, gate.challenge.clone());
            fields.insert(VARY, HeaderValue::from_static("Origin"));
            (StatusCode::UNAUTHORIZED, fields, "Unauthorized\n").into_response()
        }
    }
}

/// The SDK asks for one of these for each request.
#[derive(Clone)]
struct Tools(Arc<Shared>);

struct Shared {
    journal: Arc<Journal>,
    router: ToolRouter<Tools>,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct Id {
    id: i64,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct NewEntry {
    title: String,
    content: String,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct Limit {
    limit: usize,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct Query {
    query: String,
}

#[tool_router]
impl Tools {
    #[tool(description = "Read one entry")]
    fn get_entry(
        &self,
        Parameters(Id { id }): Parameters<Id>,
        Extension(parts): Extension<Parts>,
    ) -> Result<CallToolResult, ErrorData> {
        let entry = self.0.journal.find(caller(&parts)?, id).map_err(failed)?;
        let entry = entry.ok_or_else(|| ErrorData::invalid_params("there is no such entry", None))?;
        answer(None, vec![link(entry.id, &entry.title, entry.updated_at)], &json!({ "entry": entry }))
    }

    #[tool(description = "Write an entry")]
    fn create_entry(
        &self,
        Parameters(NewEntry { title, content }): Parameters<NewEntry>,
        Extension(parts): Extension<Parts>,
    ) -> Result<CallToolResult, ErrorData> {
        let entry = self.0.journal.create(caller(&parts)?, &title, &content).map_err(failed)?;
        let entry = entry.ok_or_else(|| ErrorData::internal_error("the entry is gone", None))?;
        let text = format!("Entry \"{}\" created with ID {}.", entry.title, entry.id);
        let links = vec![link(entry.id, &entry.title, entry.updated_at)];
        answer(Some(text), links, &json!({ "entry": entry }))
    }

    #[tool(description = "List the newest entries")]
    fn list_entries(
        &self,
        Parameters(Limit { limit }): Parameters<Limit>,
        Extension(parts): Extension<Parts>,
    ) -> Result<CallToolResult, ErrorData> {
        let page = self.0.journal.list(caller(&parts)?, limit).map_err(failed)?;
        let shown = page.rows.iter().take(statements::LINKS);
        let links = shown.map(|entry| link(entry.id, &entry.title, entry.updated_at)).collect();
        many(&page, links, "")
    }

    #[tool(description = "Find entries by their words")]
    fn search_entries(
        &self,
        Parameters(Query { query }): Parameters<Query>,
        Extension(parts): Extension<Parts>,
    ) -> Result<CallToolResult, ErrorData> {
        let page = self.0.journal.search(caller(&parts)?, &query).map_err(failed)?;
        let shown = page.rows.iter().take(statements::LINKS);
        let links = shown.map(|entry| link(entry.id, &entry.title, entry.updated_at)).collect();
        many(&page, links, &format!(" No entry that passes the filters has \"{query}\"."))
    }
}

#[tool_handler(router = self.0.router)]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        let name = Implementation::new("epicme", "0.1.0").with_title("EpicMe Journal");
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build()).with_server_info(name)
    }
}

fn caller(parts: &Parts) -> Result<i64, ErrorData> {
    let caller = parts.extensions.get::<Caller>();
    caller.map(|caller| caller.0).ok_or_else(|| ErrorData::internal_error("nobody called", None))
}

fn failed(error: rusqlite::Error) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

/// A page of rows, and what is said if there are none.
fn many<T: Serialize>(
    page: &Page<T>,
    links: Vec<ContentBlock>,
    of_none: &str,
) -> Result<CallToolResult, ErrorData> {
    let mut text = format!("Found {} entries.", page.total);
    if page.total == 0 {
        text += of_none;
    }
    if page.rows.len() as i64 != page.total {
        text += &format!(" This page shows {} of them.", page.rows.len());
    }
    let mut data = json!({ "entries": page.rows, "total": page.total });
    if page.more {
        data["nextCursor"] = CURSOR.into();
    }
    answer(Some(text), links, &data)
}

/// A text, links to the rows, and the rows: as text too, for clients that read no structured content.
fn answer(
    text: Option<String>,
    links: Vec<ContentBlock>,
    data: &serde_json::Value,
) -> Result<CallToolResult, ErrorData> {
    let mut content: Vec<_> = text.map(ContentBlock::text).into_iter().collect();
    content.extend(links);
    content.push(ContentBlock::text(data.to_string()));
    let mut result = CallToolResult::success(content);
    result.structured_content = Some(data.clone());
    result.is_error = None;
    Ok(result)
}

fn link(id: i64, title: &str, modified: i64) -> ContentBlock {
    let mut annotations = Annotations::default();
    annotations.last_modified = Some(journal::date_time(modified));
    let resource = Resource::new(format!("epicme://entries/{id}"), title)
        .with_description(format!("Journal Entry: \"{title}\""))
        .with_mime_type("application/json")
        .with_annotations(annotations);
    ContentBlock::resource_link(resource)
}
