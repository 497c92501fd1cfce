//! MCP Apps: who is offered the views, what they are made of, and that nobody else sees a sign of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use epicme::secret;
use serde_json::{Value, json};

use crate::support::{Client, Reply, Server, modern_meta};

const EXTENSION: &str = "io.modelcontextprotocol/ui";
const MIME_TYPE: &str = "text/html;profile=mcp-app";
const ENTRY: &str = "ui://epicme/entry";
const JOURNAL: &str = "ui://epicme/journal";
const TAG: &str = "ui://epicme/tag";
/// Every tool whose result has a view.
const VIEWED: [(&str, &str); 5] = [
    ("get_entry", ENTRY),
    ("list_entries", JOURNAL),
    ("search_entries", JOURNAL),
    ("on_this_day", JOURNAL),
    ("get_tag", TAG),
];
const OLDEST: &str = "2025-03-26";

/// The capabilities of a client that shows views.
fn shows() -> Value {
    json!({ "extensions": { EXTENSION: { "mimeTypes": [MIME_TYPE] } } })
}

/// A client with or without a session, as its protocol version has it, and its capabilities as the server sees them.
enum Speech {
    Modern(Value),
    Legacy { version: &'static str, session: String },
}

impl Speech {
    fn is_oldest(&self) -> bool {
        matches!(self, Speech::Legacy { version, .. } if *version == OLDEST)
    }

    #[track_caller]
    fn ask(&self, client: &mut Client, method: &str, mut params: Value) -> Reply {
        let uri = params["uri"].as_str().unwrap_or_default().to_owned();
        let mut fields = Vec::new();
        match self {
            Speech::Modern(capabilities) => {
                params["_meta"] = modern_meta();
                params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities.clone();
                fields.extend([("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method)]);
                if method == "resources/read" {
                    fields.push(("Mcp-Name", &uri));
                }
            }
            Speech::Legacy { version, session } => {
                fields.extend([("MCP-Protocol-Version", *version), ("Mcp-Session-Id", session)]);
            }
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        client.post(&fields, &body.to_string())
    }

    #[track_caller]
    fn result(&self, client: &mut Client, method: &str, params: Value) -> Value {
        let reply = self.ask(client, method, params);
        let mut answer = reply.json();
        assert!(reply.status == 200 && answer["error"].is_null(), "{answer}");
        answer["result"].take()
    }

    #[track_caller]
    fn tools(&self, client: &mut Client) -> Vec<Value> {
        match self.result(client, "tools/list", json!({}))["tools"].take() {
            Value::Array(tools) => tools,
            other => panic!("{other} are no tools"),
        }
    }

    /// The error of reading this resource.
    #[track_caller]
    fn unread(&self, client: &mut Client, uri: &str) -> Value {
        let reply = self.ask(client, "resources/read", json!({ "uri": uri }));
        assert_eq!(reply.status, 200);
        let mut answer = reply.json();
        assert!(answer["error"].is_object(), "{answer}");
        answer["error"].take()
    }
}

fn start() -> (Server, Client) {
    let server = Server::start();
    let client = Client::new(&server, &server.token("ada@example.com", &[]));
    (server, client)
}

/// Begins a session with these capabilities; gives what the server declared, too.
#[track_caller]
fn initialize(client: &mut Client, version: &'static str, capabilities: &Value) -> (Speech, Value) {
    let params = json!({
        "protocolVersion": version, "capabilities": capabilities,
        "clientInfo": { "name": "test", "version": "1" },
    });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let reply = client.post(&[], &body.to_string());
    let session = reply.field("mcp-session-id").expect("a session id").to_owned();
    (Speech::Legacy { version, session }, reply.json()["result"]["capabilities"].take())
}

/// Clients with these capabilities in every revision, the oldest last.
#[track_caller]
fn everywhere(client: &mut Client, capabilities: &Value) -> Vec<Speech> {
    let mut all = vec![Speech::Modern(capabilities.clone())];
    for version in ["2025-11-25", "2025-06-18", OLDEST] {
        all.push(initialize(client, version, capabilities).0);
    }
    all
}

#[test]
fn offers_the_views_to_clients_that_show_them_and_changes_nothing_else() {
    let (_server, mut client) = start();
    let able = everywhere(&mut client, &shows());
    let others = everywhere(&mut client, &json!({ "elicitation": {} }));
    for (able, other) in able.iter().zip(&others) {
        let (mut offered, plain) = (able.tools(&mut client), other.tools(&mut client));
        let mut viewed = Vec::new();
        for tool in &mut offered {
            if let Some(meta) = tool.as_object_mut().and_then(|tool| tool.shift_remove("_meta")) {
                viewed.push((tool["name"].as_str().expect("a name").to_owned(), meta));
            }
        }
        assert_eq!(offered, plain, "without the views they are the same");
        let wanted = VIEWED.iter().filter(|_| !able.is_oldest()).map(|(tool, uri)| {
            let meta = json!({ "ui": { "resourceUri": uri, "visibility": ["model"] } });
            ((*tool).to_owned(), meta)
        });
        assert_eq!(viewed, wanted.collect::<Vec<_>>());
        assert!(!json!(plain).to_string().contains("ui://"));
    }
}

#[test]
fn takes_no_other_declaration_for_one() {
    let (_server, mut client) = start();
    let plain = Speech::Modern(json!({})).tools(&mut client);
    for extensions in [
        json!({ EXTENSION: {} }),
        json!({ EXTENSION: { "mimeTypes": ["text/html"] } }),
        json!({ EXTENSION: { "mimeTypes": MIME_TYPE } }),
        json!({ EXTENSION: [MIME_TYPE] }),
        json!([EXTENSION]),
        json!(7),
    ] {
        let capabilities = json!({ "extensions": extensions });
        for speech in everywhere(&mut client, &capabilities).into_iter().filter(|speech| !speech.is_oldest())
        {
            assert_eq!(speech.tools(&mut client), plain, "{capabilities}");
            assert_eq!(speech.unread(&mut client, ENTRY)["message"], "Resource not found", "{capabilities}");
        }
    }
}

#[test]
fn lets_nobody_keep_for_others_what_depends_on_the_client() {
    let (_server, mut client) = start();
    let mut kept = |capabilities: Value, method: &str, params: Value| {
        let result = Speech::Modern(capabilities).result(&mut client, method, params);
        (result["cacheScope"].clone(), result["ttlMs"].clone())
    };
    let (public, private) = ((json!("public"), json!(3_600_000)), (json!("private"), json!(0)));
    assert_eq!(kept(json!({}), "tools/list", json!({})), public);
    assert_eq!(kept(shows(), "tools/list", json!({})), private);
    assert_eq!(kept(shows(), "resources/read", json!({ "uri": ENTRY })), private);
    // These are the same for every client.
    assert_eq!(kept(shows(), "server/discover", json!({})), public);
    assert_eq!(kept(shows(), "prompts/list", json!({})), public);
}

#[test]
fn declares_the_extension_to_whoever_may_use_it() {
    let (_server, mut client) = start();
    for capabilities in [json!({}), shows()] {
        let discovered = Speech::Modern(capabilities).result(&mut client, "server/discover", json!({}));
        // This one is kept for all clients alike.
        assert_eq!(discovered["capabilities"]["extensions"], json!({ EXTENSION: {} }));
    }
    let plain = json!({ "tools": {}, "resources": {}, "prompts": {}, "completions": {} });
    let mut with_views = plain.clone();
    with_views["extensions"] = json!({ EXTENSION: {} });
    for version in ["2025-11-25", "2025-06-18", OLDEST] {
        let mut declared = |capabilities: Value| initialize(&mut client, version, &capabilities).1;
        assert_eq!(declared(json!({})), plain);
        assert_eq!(&declared(shows()), if version == OLDEST { &plain } else { &with_views }, "{version}");
    }
}

#[test]
fn gives_the_page_to_clients_that_show_it() {
    let (_server, mut client) = start();
    for speech in everywhere(&mut client, &shows()) {
        for uri in [ENTRY, JOURNAL, TAG] {
            if speech.is_oldest() {
                assert_eq!(speech.unread(&mut client, uri)["code"], -32002);
                continue;
            }
            let mut contents =
                speech.result(&mut client, "resources/read", json!({ "uri": uri }))["contents"].take();
            let page = contents[0]["text"].take();
            let csp = json!({ "connectDomains": [], "resourceDomains": [], "frameDomains": [], "baseUriDomains": [] });
            let meta = json!({ "ui": { "csp": csp, "prefersBorder": true } });
            let wanted = json!([{ "uri": uri, "mimeType": MIME_TYPE, "text": null, "_meta": meta }]);
            assert_eq!(contents, wanted);
            assert!(page.as_str().is_some_and(|page| page.starts_with("<!doctype html>")));
        }
        // No list of resources has them: a view without a tool's result shows nothing.
        let listed = speech.result(&mut client, "resources/list", json!({})).to_string();
        let templates = speech.result(&mut client, "resources/templates/list", json!({})).to_string();
        assert!(!listed.contains("ui://") && !templates.contains("ui://"));
    }
}

#[test]
fn answers_everybody_else_as_if_there_were_no_page() {
    let (server, mut client) = start();
    let mut without = Client::new(&server, &server.token("ada@example.com", &["--scope", "tags:read"]));
    for speech in everywhere(&mut client, &json!({})) {
        let mut unknown = speech.unread(&mut client, "ui://epicme/nothing");
        for uri in [ENTRY, JOURNAL, TAG] {
            unknown["data"]["uri"] = uri.into();
            for client in [&mut client, &mut without] {
                assert_eq!(speech.unread(client, uri), unknown);
            }
        }
    }
    let able = Speech::Modern(shows());
    for other in [
        "ui://epicme/entry/",
        "ui://epicme/entry/1",
        "ui://epicme",
        "UI://epicme/entry",
        "ui://epicme/%65ntry",
    ] {
        assert_eq!(able.unread(&mut client, other)["code"], -32602, "{other}");
    }
}

#[test]
fn shows_no_view_to_a_token_that_reads_no_entries() {
    let (server, _) = start();
    for (scope, status) in [("entries:read", 200), ("entries:write", 403), ("user:read tags:read", 403)] {
        let mut client = Client::new(&server, &server.token("ada@example.com", &["--scope", scope]));
        for speech in everywhere(&mut client, &shows()).into_iter().filter(|speech| !speech.is_oldest()) {
            let reply = speech.ask(&mut client, "resources/read", json!({ "uri": JOURNAL }));
            assert_eq!(reply.status, status, "{scope}");
            assert!(status == 200 || reply.scopes_to_ask_for().contains(&"entries:read"));
        }
    }
    // The view of a tag is for those who read tags.
    for (scope, status) in [("tags:read", 200), ("entries:read tags:write", 403)] {
        let mut client = Client::new(&server, &server.token("ada@example.com", &["--scope", scope]));
        let reply = Speech::Modern(shows()).ask(&mut client, "resources/read", json!({ "uri": TAG }));
        assert_eq!(reply.status, status, "{scope}");
        assert!(status == 200 || reply.scopes_to_ask_for().contains(&"tags:read"));
    }
}

#[test]
fn remembers_in_the_session_alone_who_shows_views() {
    let (server, mut client) = start();
    let viewed = |speech: &Speech, client: &mut Client| {
        speech.tools(client).iter().filter(|tool| tool.get("_meta").is_some()).count()
    };
    let elicits = json!({ "elicitation": {} });
    let mut both = shows();
    both["elicitation"] = json!({});
    let sessions = [(shows(), VIEWED.len()), (elicits, 0), (both, VIEWED.len()), (json!({}), 0)].map(
        |(capabilities, count)| {
            let (speech, _) = initialize(&mut client, "2025-11-25", &capabilities);
            (speech, count)
        },
    );
    for (speech, count) in &sessions {
        assert_eq!(viewed(speech, &mut client), *count);
    }
    // The server keeps nothing, so another one knows the same.
    let folder = server.folder.clone();
    drop(server);
    let again = Server::start_in(folder, &[]);
    let mut client = Client::new(&again, &again.token("ada@example.com", &[]));
    for (speech, count) in &sessions {
        assert_eq!(viewed(speech, &mut client), *count);
    }
    // A header that says the oldest revision, in a session of a later one, is believed.
    let [(Speech::Legacy { session, .. }, _), ..] = sessions else { panic!("a legacy session") };
    let oldest = Speech::Legacy { version: OLDEST, session };
    assert_eq!(viewed(&oldest, &mut client), 0);
    assert_eq!(oldest.unread(&mut client, ENTRY)["code"], -32002);
}

// ---- The page ----

/// What is between the one opening tag of this name and the one closing it.
fn between<'p>(page: &'p str, name: &str) -> &'p str {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    assert_eq!((page.matches(&open).count(), page.matches(&close).count()), (1, 1), "{name}");
    let (_, rest) = page.split_once(&open).expect("it is there");
    rest.split_once(&close).expect("it is closed").0
}

#[test]
fn sends_everybody_the_same_page_with_nothing_of_anybodys() {
    let (server, mut ada) = start();
    let mut bob = Client::new(&server, &server.token("bob@example.com", &[]));
    ada.ok("create_entry", json!({ "title": "Peacock", "content": "a walk in Zanzibar" }));
    let speech = Speech::Modern(shows());
    let read = |client: &mut Client, uri: &str| {
        let result = speech.result(client, "resources/read", json!({ "uri": uri }));
        result["contents"][0]["text"].as_str().expect("a page").to_owned()
    };
    let page = read(&mut ada, ENTRY);
    assert_eq!(page, read(&mut ada, JOURNAL));
    assert_eq!(page, read(&mut bob, ENTRY));
    for personal in ["Peacock", "Zanzibar", "ada@example.com", "Bearer"] {
        assert!(!page.contains(personal), "{personal}");
    }
}

#[test]
fn confines_the_page_to_its_own_script_and_style() {
    let page = include_str!("../src/mcp/app.html");
    let hash = |name: &str| STANDARD.encode(secret::sha256(between(page, name).as_bytes()));
    let policy = format!(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-{}'; \
         style-src 'sha256-{}'; base-uri 'none'; form-action 'none'\">",
        hash("script"),
        hash("style"),
    );
    assert!(page.contains(&policy), "the page must have this policy:\n{policy}");
    let place = |text: &str| page.find(text).expect("it is there");
    assert!(place(&policy) < place("<style>") && place("<style>") < place("<script>"));
    let lower = page.to_lowercase();
    // It names no other place, makes no markup of text, and keeps nothing.
    for never in [
        "http:",
        "https:",
        "//",
        "src=",
        "href",
        "url(",
        "import",
        "innerhtml",
        "outerhtml",
        "insertadjacent",
        "document.write",
        "eval",
        "function(",
        "fetch",
        "xmlhttp",
        "websocket",
        "sendbeacon",
        "storage",
        "cookie",
        "open(",
        " onload",
        " onclick",
        " onerror",
        "style=",
    ] {
        if let Some(at) = lower.find(never) {
            panic!("the page has {never:?}: {:.80}", &page[at..]);
        }
    }
    assert!(page.contains("source !== host"), "it hears its client alone");
}
