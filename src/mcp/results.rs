//! A result as each revision has it: what the stateless one adds, and what the oldest doesn't know.
//!
//! Knows no method.

use serde_json::{Value, json};

use super::era::Peer;

/// The key under which a result says who gave it.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// A result in the revision that the client speaks.
pub fn for_peer(result: Value, peer: &Peer) -> Value {
    match peer {
        _ if peer.is_modern() => modern_result(result),
        _ if peer.is_oldest() => oldest_result(result),
        _ => result,
    }
}

/// What this server is; the oldest revision knows no titles.
pub fn server_info(with_title: bool) -> Value {
    let mut info = json!({ "name": "epicme" });
    if with_title {
        info["title"] = "EpicMe Journal".into();
    }
    info["version"] = env!("CARGO_PKG_VERSION").into();
    info
}

/// A result as 2026-07-28 has it: its type first, and who gave it.
pub fn modern_result(mut result: Value) -> Value {
    if let Some(members) = result.as_object_mut() {
        if !members.contains_key("resultType") {
            members.shift_insert(0, "resultType".to_owned(), "complete".into());
        }
        let meta = members.entry("_meta").or_insert_with(|| json!({}));
        meta[SERVER_INFO] = server_info(true);
    }
    result
}

/// A result without what 2025-03-26 doesn't know: titles, structured content, links, the times of annotations. The JSON
/// text holds the data.
fn oldest_result(mut result: Value) -> Value {
    let Some(members) = result.as_object_mut() else { return result };
    members.remove("structuredContent");
    if let Some(Value::Array(content)) = members.get_mut("content") {
        content.retain(|block| block["type"] != "resource_link");
    }
    for list in ["tools", "prompts", "resources", "resourceTemplates"] {
        let described = members.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for described in described.filter_map(Value::as_object_mut) {
            described.retain(|key, _| key != "title" && key != "outputSchema");
            if list == "resources" {
                described.remove("annotations");
            }
        }
    }
    result
}
