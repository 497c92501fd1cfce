//! The journal's things as JSON, each beside the schema of that JSON.
//!
//! Knows no tool. The one place that decides the wire form of an entry, a tag, a person.

use serde_json::{Map, Value, json};

use crate::journal::search::Found;
use crate::journal::{Entry, EntryItem, EntryTag, Tag, TagItem, TagName};
use crate::users::User;

/// A person.
pub fn user(user: &User) -> Value {
    json!({ "id": user.id, "email": user.email, "createdAt": user.created_at.0, "updatedAt": user.updated_at.0 })
}

/// The schema of [`user`].
pub fn user_schema() -> Value {
    object([("id", integer()), ("email", text()), ("createdAt", integer()), ("updatedAt", integer())])
}

/// An entry with its tags.
pub fn entry(entry: &Entry) -> Value {
    json!({
        "id": entry.id, "userId": entry.user_id, "title": entry.title, "content": entry.content,
        "mood": entry.mood, "location": entry.location, "weather": entry.weather,
        "isPrivate": u8::from(entry.is_private), "isFavorite": u8::from(entry.is_favorite),
        "createdAt": entry.created_at.0, "updatedAt": entry.updated_at.0,
        "tags": entry.tags.iter().map(tag_name).collect::<Vec<_>>(),
    })
}

/// The schema of [`entry`].
pub fn entry_schema() -> Value {
    object([
        ("id", integer()),
        ("userId", integer()),
        ("title", text()),
        ("content", text()),
        ("mood", text_or_null()),
        ("location", text_or_null()),
        ("weather", text_or_null()),
        ("isPrivate", flag()),
        ("isFavorite", flag()),
        ("createdAt", integer()),
        ("updatedAt", integer()),
        ("tags", array(object([("id", integer()), ("name", text())]))),
    ])
}

/// An entry as lists show it.
pub fn entry_item(entry: &EntryItem) -> Value {
    json!({
        "id": entry.id, "title": entry.title, "tagCount": entry.tag_count, "mood": entry.mood,
        "isFavorite": u8::from(entry.is_favorite), "createdAt": entry.created_at.0,
        "updatedAt": entry.updated_at.0,
    })
}

/// The schema of [`entry_item`].
pub fn entry_item_schema() -> Value {
    object([
        ("id", integer()),
        ("title", text()),
        ("tagCount", integer()),
        ("mood", text_or_null()),
        ("isFavorite", flag()),
        ("createdAt", integer()),
        ("updatedAt", integer()),
    ])
}

/// An entry as a search shows it.
pub fn found(found: &Found) -> Value {
    json!({
        "id": found.entry.id, "title": found.entry.title, "tagCount": found.entry.tag_count,
        "createdAt": found.entry.created_at.0, "snippet": found.snippet,
    })
}

/// The schema of [`found`].
pub fn found_schema() -> Value {
    object([
        ("id", integer()),
        ("title", text()),
        ("tagCount", integer()),
        ("createdAt", integer()),
        ("snippet", text()),
    ])
}

/// A tag.
pub fn tag(tag: &Tag) -> Value {
    json!({
        "id": tag.id, "userId": tag.user_id, "name": tag.name, "description": tag.description,
        "createdAt": tag.created_at.0, "updatedAt": tag.updated_at.0,
    })
}

/// The schema of [`tag`].
pub fn tag_schema() -> Value {
    object([
        ("id", integer()),
        ("userId", integer()),
        ("name", text()),
        ("description", text_or_null()),
        ("createdAt", integer()),
        ("updatedAt", integer()),
    ])
}

/// A tag as lists show it.
pub fn tag_item(tag: &TagItem) -> Value {
    json!({ "id": tag.id, "name": tag.name, "description": tag.description, "entryCount": tag.entry_count })
}

/// The schema of [`tag_item`].
pub fn tag_item_schema() -> Value {
    object([("id", integer()), ("name", text()), ("description", text_or_null()), ("entryCount", integer())])
}

/// A tag as an entry shows it.
pub fn tag_name(tag: &TagName) -> Value {
    json!({ "id": tag.id, "name": tag.name })
}

/// The link between an entry and a tag.
pub fn entry_tag(link: &EntryTag) -> Value {
    json!({
        "id": link.id, "userId": link.user_id, "entryId": link.entry_id, "tagId": link.tag_id,
        "createdAt": link.created_at.0, "updatedAt": link.updated_at.0,
    })
}

/// The schema of [`entry_tag`].
pub fn entry_tag_schema() -> Value {
    object(["id", "userId", "entryId", "tagId", "createdAt", "updatedAt"].map(|name| (name, integer())))
}

/// A page of a list: `items` under `name`, the total, and the cursor if there is a next page.
pub fn page(name: &str, items: Vec<Value>, total: i64, next: Option<&str>) -> Value {
    let mut page = json!({ name: items, "total": total });
    if let Some(next) = next {
        page["nextCursor"] = next.into();
    }
    page
}

/// The schema of a [`page`] of `item`s.
pub fn page_schema(name: &'static str, item: Value) -> Value {
    let mut page = object([(name, array(item)), ("total", integer())]);
    page["properties"]["nextCursor"] = text();
    page
}

/// The schema of an object that has all these members.
pub fn object<const N: usize>(members: [(&'static str, Value); N]) -> Value {
    let required = members.each_ref().map(|(name, _)| *name).to_vec();
    let properties: Map<_, _> = members.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// The schema of `true` and `false`.
pub fn boolean() -> Value {
    json!({ "type": "boolean" })
}

/// The schema of an array of these.
pub fn array(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// The schema of any text.
pub fn text() -> Value {
    json!({ "type": "string" })
}

fn integer() -> Value {
    json!({ "type": "integer" })
}

fn flag() -> Value {
    json!({ "type": "integer", "enum": [0, 1] })
}

fn text_or_null() -> Value {
    json!({ "anyOf": [text(), { "type": "null" }] })
}
