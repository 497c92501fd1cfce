//! The tools: one row each in one table, with what it needs, takes, gives and does.
//!
//! Knows no SQL, no sockets and no token. Invariant: a tool runs only with a [`Permit`] for the scope in its row,
//! and with arguments that passed the schema in its row.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::arguments::{self, Argument, Checked, Kind};
use super::shapes;
use crate::clock::Timestamp;
use crate::gate::Permit;
use crate::journal::entries::{self, EntryChange, Filter, NewEntry};
use crate::journal::{Entry, Fault, Tag, search, tags};
use crate::limits;
use crate::scope::{Scope, Scopes};
use crate::secret::Seal;
use crate::store::{Store, StoreError};
use crate::users;

/// A tool.
pub struct Tool {
    /// Its name in `tools/call`.
    pub name: &'static str,
    title: &'static str,
    about: &'static str,
    /// The scope that a call needs.
    pub scope: Scope,
    effect: Effect,
    arguments: Vec<Argument>,
    output: fn() -> Value,
    run: fn(&Desk, &Checked) -> Result<Answer, ToolError>,
}

/// What a tool does to the journal, for the hints that hosts decide by (`ToolAnnotations`).
enum Effect {
    Reads,
    Adds,
    Changes,
    Deletes,
}

/// What a tool works with.
pub struct Desk<'a> {
    /// The database.
    pub store: &'a Store,
    /// The seal of cursors.
    pub seal: &'a Seal,
    /// Whose journal it is.
    pub permit: Permit,
    /// What the token may be used for.
    pub scopes: Scopes,
    /// The time of the request.
    pub now: Timestamp,
}

/// What a tool gives: a sentence for people, links, and the data.
struct Answer {
    text: Option<String>,
    links: Vec<Value>,
    data: Value,
}

/// Why a tool gives nothing.
pub enum ToolError {
    /// A sentence that the model can act on; it becomes a result with `isError`.
    Told(String),
    /// The database failed; the client learns that much and no more.
    Store(StoreError),
}

/// Every tool, in the order in which clients see them.
pub static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(table);

fn table() -> Vec<Tool> {
    let id = || Argument::required("id", Kind::Id, "The id, as a list or search shows it.");
    let entry_id = || Argument::required("entryId", Kind::Id, "The entry's id.");
    let tag_id = || Argument::required("tagId", Kind::Id, "The tag's id.");
    let title = Kind::Text { min: 1, max: limits::TITLE_CHARS_MAX };
    let content = Kind::Text { min: 0, max: limits::CONTENT_CHARS_MAX };
    let label = Kind::Text { min: 0, max: limits::LABEL_TEXT_CHARS_MAX };
    let tag_name = Kind::Name { max: limits::TAG_NAME_CHARS_MAX };
    let tag_description = Kind::Text { min: 0, max: limits::TAG_DESCRIPTION_CHARS_MAX };
    let filters = vec![
        Argument::optional("tagIds", Kind::Ids, "Only entries with these tags."),
        Argument::optional(
            "tagMode",
            Kind::Choice(&["any", "all"]),
            "Whether any of tagIds is enough, or all are needed.",
        ),
        Argument::optional(
            "from",
            Kind::Moment,
            "Only entries made at or after this date (UTC) or date-time.",
        ),
        Argument::optional(
            "to",
            Kind::Moment,
            "Only entries made at or before this date-time, or the end of this date (UTC).",
        ),
        Argument::optional("mood", label.clone(), "Only entries with exactly this mood, in any case."),
        Argument::optional(
            "location",
            label.clone(),
            "Only entries with exactly this location, in any case.",
        ),
        Argument::optional("weather", label.clone(), "Only entries with exactly this weather, in any case."),
        Argument::optional("isPrivate", Kind::Flag(None), "Only entries labelled private (1) or not (0)."),
        Argument::optional("isFavorite", Kind::Flag(None), "Only favorites (1) or all others (0)."),
    ];
    let page = |max, default| {
        let cursor = "The nextCursor of the page before, with the same filters.";
        vec![
            Argument::optional("limit", Kind::Limit { max, default }, "How many to return at most."),
            Argument::optional("cursor", Kind::Cursor, cursor),
        ]
    };
    let query =
        "Words that must all occur; \"a phrase\" in quotes, begin* for a beginning, -word to exclude.";
    vec![
        Tool {
            name: "whoami",
            title: "Who Am I",
            about: "Say whose journal this is and what this client may do with it.",
            scope: Scope::UserRead,
            effect: Effect::Reads,
            arguments: vec![],
            output: || {
                shapes::object([("user", shapes::user_schema()), ("scopes", shapes::array(shapes::text()))])
            },
            run: whoami,
        },
        Tool {
            name: "create_entry",
            title: "Create Entry",
            about: "Write a new journal entry, with tags that exist already.",
            scope: Scope::EntriesWrite,
            effect: Effect::Adds,
            arguments: vec![
                Argument::required("title", title.clone(), "A short title."),
                Argument::required("content", content.clone(), "The text of the entry."),
                Argument::optional("mood", label.clone(), "How its author feels, e.g. calm."),
                Argument::optional("location", label.clone(), "Where it is written."),
                Argument::optional("weather", label.clone(), "What the weather is like."),
                Argument::optional(
                    "isPrivate",
                    Kind::Flag(Some(1)),
                    "Label it private (1) or not (0); only its author sees it either way.",
                ),
                Argument::optional("isFavorite", Kind::Flag(Some(0)), "Label it a favorite (1) or not (0)."),
                Argument::optional("tags", Kind::Ids, "The ids of tags to attach, from list_tags."),
            ],
            output: || shapes::object([("entry", shapes::entry_schema())]),
            run: create_entry,
        },
        Tool {
            name: "get_entry",
            title: "Get Entry",
            about: "Read one journal entry with its tags.",
            scope: Scope::EntriesRead,
            effect: Effect::Reads,
            arguments: vec![id()],
            output: || shapes::object([("entry", shapes::entry_schema())]),
            run: get_entry,
        },
        Tool {
            name: "list_entries",
            title: "List Entries",
            about: "List journal entries, newest first, all of them or those that pass every filter given.",
            scope: Scope::EntriesRead,
            effect: Effect::Reads,
            arguments: [filters.clone(), page(limits::LIST_PAGE_MAX, limits::LIST_PAGE_DEFAULT)].concat(),
            output: || shapes::page_schema("entries", shapes::entry_item_schema()),
            run: list_entries,
        },
        Tool {
            name: "search_entries",
            title: "Search Entries",
            about: "Find journal entries by their words, best match first, with the place where each matched.",
            scope: Scope::EntriesRead,
            effect: Effect::Reads,
            arguments: [
                vec![Argument::required("query", Kind::Text { min: 1, max: limits::QUERY_CHARS_MAX }, query)],
                filters,
                page(limits::SEARCH_PAGE_MAX, limits::SEARCH_PAGE_DEFAULT),
            ]
            .concat(),
            output: || shapes::page_schema("entries", shapes::found_schema()),
            run: search_entries,
        },
        Tool {
            name: "update_entry",
            title: "Update Entry",
            about: "Change fields of a journal entry: what is left out stays, null clears.",
            scope: Scope::EntriesWrite,
            effect: Effect::Changes,
            arguments: vec![
                id(),
                Argument::optional("title", title, "The new title."),
                Argument::optional("content", content, "The new text."),
                Argument::nullable("mood", label.clone(), "The new mood."),
                Argument::nullable("location", label.clone(), "The new location."),
                Argument::nullable("weather", label, "The new weather."),
                Argument::optional("isPrivate", Kind::Flag(None), "Label it private (1) or not (0)."),
                Argument::optional("isFavorite", Kind::Flag(None), "Label it a favorite (1) or not (0)."),
            ],
            output: || shapes::object([("entry", shapes::entry_schema())]),
            run: update_entry,
        },
        Tool {
            name: "delete_entry",
            title: "Delete Entry",
            about: "Delete a journal entry for good.",
            scope: Scope::EntriesWrite,
            effect: Effect::Deletes,
            arguments: vec![id()],
            output: || shapes::object([("success", shapes::boolean()), ("entry", shapes::entry_schema())]),
            run: delete_entry,
        },
        Tool {
            name: "create_tag",
            title: "Create Tag",
            about: "Make a new tag, to be attached to entries.",
            scope: Scope::TagsWrite,
            effect: Effect::Adds,
            arguments: vec![
                Argument::required("name", tag_name.clone(), "A name that no other tag has."),
                Argument::optional("description", tag_description.clone(), "What the tag is for."),
            ],
            output: || shapes::object([("tag", shapes::tag_schema())]),
            run: create_tag,
        },
        Tool {
            name: "get_tag",
            title: "Get Tag",
            about: "Read one tag.",
            scope: Scope::TagsRead,
            effect: Effect::Reads,
            arguments: vec![id()],
            output: || shapes::object([("tag", shapes::tag_schema())]),
            run: get_tag,
        },
        Tool {
            name: "list_tags",
            title: "List Tags",
            about: "List the tags by name, with the number of entries that have each.",
            scope: Scope::TagsRead,
            effect: Effect::Reads,
            arguments: page(limits::TAG_PAGE_MAX, limits::TAG_PAGE_DEFAULT),
            output: || shapes::page_schema("tags", shapes::tag_item_schema()),
            run: list_tags,
        },
        Tool {
            name: "update_tag",
            title: "Update Tag",
            about: "Change a tag's name or description: what is left out stays, null clears the description.",
            scope: Scope::TagsWrite,
            effect: Effect::Changes,
            arguments: vec![
                id(),
                Argument::optional("name", tag_name, "A name that no other tag has."),
                Argument::nullable("description", tag_description, "What the tag is for."),
            ],
            output: || shapes::object([("tag", shapes::tag_schema())]),
            run: update_tag,
        },
        Tool {
            name: "delete_tag",
            title: "Delete Tag",
            about: "Delete a tag for good. The entries that had it stay.",
            scope: Scope::TagsWrite,
            effect: Effect::Deletes,
            arguments: vec![id()],
            output: || shapes::object([("success", shapes::boolean()), ("tag", shapes::tag_schema())]),
            run: delete_tag,
        },
        Tool {
            name: "add_tag_to_entry",
            title: "Add Tag to Entry",
            about: "Attach a tag to an entry. Doing it twice changes nothing.",
            scope: Scope::EntriesWrite,
            effect: Effect::Changes,
            arguments: vec![entry_id(), tag_id()],
            output: || {
                shapes::object([("success", shapes::boolean()), ("entryTag", shapes::entry_tag_schema())])
            },
            run: add_tag_to_entry,
        },
        Tool {
            name: "remove_tag_from_entry",
            title: "Remove Tag from Entry",
            about: "Detach a tag from an entry. Neither is deleted.",
            scope: Scope::EntriesWrite,
            effect: Effect::Deletes,
            arguments: vec![entry_id(), tag_id()],
            output: || shapes::object([("success", shapes::boolean()), ("removed", shapes::boolean())]),
            run: remove_tag_from_entry,
        },
    ]
}

/// The tool of this name.
pub fn find(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name)
}

impl Tool {
    /// The scopes that a call needs.
    pub fn needs(&self) -> Scopes {
        Scopes::of(&[self.scope])
    }

    /// The tool as `tools/list` shows it.
    pub fn describe(&self) -> Value {
        let (read_only, destructive, idempotent) = match self.effect {
            Effect::Reads => (true, false, true),
            Effect::Adds => (false, false, false),
            Effect::Changes => (false, false, true),
            Effect::Deletes => (false, true, true),
        };
        json!({
            "name": self.name,
            "title": self.title,
            "description": self.about,
            "inputSchema": arguments::schema(&self.arguments),
            "outputSchema": (self.output)(),
            "annotations": {
                "readOnlyHint": read_only, "destructiveHint": destructive, "idempotentHint": idempotent,
                "openWorldHint": false,
            },
        })
    }

    /// Runs the tool and gives the `CallToolResult`; a wrong argument or a missing row is a result too, which the
    /// model can read. Only a failing database is an error.
    pub fn call(&self, desk: &Desk, given: Map<String, Value>) -> Result<Value, StoreError> {
        let answer = match arguments::read(&self.arguments, given) {
            Ok(checked) => (self.run)(desk, &checked),
            Err(faults) => Err(ToolError::Told(format!("Invalid arguments for {}: {faults}", self.name))),
        };
        match answer {
            Ok(Answer { text, links, data }) => {
                let block = |text: String| json!({ "type": "text", "text": text });
                let json = block(data.to_string()); // for clients that don't read structuredContent
                let content: Vec<_> = text.map(block).into_iter().chain(links).chain([json]).collect();
                Ok(json!({ "content": content, "structuredContent": data }))
            }
            Err(ToolError::Told(text)) => {
                Ok(json!({ "content": [{ "type": "text", "text": text }], "isError": true }))
            }
            Err(ToolError::Store(error)) => Err(error),
        }
    }
}

impl From<StoreError> for ToolError {
    fn from(error: StoreError) -> ToolError {
        ToolError::Store(error)
    }
}

/// Each fault as a sentence that says what to do next.
impl From<Fault> for ToolError {
    fn from(fault: Fault) -> ToolError {
        ToolError::Told(match fault {
            Fault::EntryNotFound(id) => {
                format!(
                    "Entry with ID \"{id}\" not found. list_entries and search_entries show the entries there are."
                )
            }
            Fault::TagNotFound(id) => {
                format!("Tag ID \"{id}\" not found. list_tags shows the tags there are.")
            }
            Fault::TagNameTaken { name, id } => {
                format!(
                    "A tag named \"{name}\" already exists (ID: {id}). Use that one, or choose another name."
                )
            }
            Fault::TooManyTags => {
                format!("An entry can have at most {} tags. Remove one first.", limits::TAGS_PER_ENTRY_MAX)
            }
            Fault::BadMoment { argument, text } => {
                format!("Invalid arguments: {argument} must be a date or date-time that exists, not {text:?}")
            }
            Fault::BadCursor => {
                "Invalid arguments: cursor must be the nextCursor of a call with the same filters. \
                                 Leave it out to start from the beginning."
                    .to_owned()
            }
            Fault::EmptyQuery => {
                "Invalid arguments: query must contain a word to search for. list_entries lists without one."
                    .to_owned()
            }
            Fault::OnlyExclusions => {
                "Invalid arguments: query must contain a word that is not excluded.".to_owned()
            }
            Fault::Store(error) => return ToolError::Store(error),
        })
    }
}

fn whoami(desk: &Desk, _: &Checked) -> Result<Answer, ToolError> {
    let user = users::find_own(desk.store, &desk.permit)?;
    let user = user.ok_or_else(|| ToolError::Told("This account no longer exists.".to_owned()))?;
    let scopes: Vec<_> = desk.scopes.iter().map(Scope::name).collect();
    Ok(Answer { text: None, links: vec![], data: json!({ "user": shapes::user(&user), "scopes": scopes }) })
}

fn create_entry(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let new = NewEntry {
        title: given.text("title").unwrap_or_default(),
        content: given.text("content").unwrap_or_default(),
        mood: given.text("mood"),
        location: given.text("location"),
        weather: given.text("weather"),
        is_private: given.flag("isPrivate").unwrap_or(true),
        is_favorite: given.flag("isFavorite").unwrap_or(false),
        tag_ids: given.ids("tags"),
    };
    let entry = entries::create(desk.store, &desk.permit, new, desk.now)?;
    let text = format!("Entry \"{}\" created with ID {}.", entry.title, entry.id);
    Ok(one_entry(Some(text), &entry))
}

fn get_entry(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let id = given.id("id");
    let entry = entries::find(desk.store, &desk.permit, id)?.ok_or(Fault::EntryNotFound(id))?;
    Ok(one_entry(None, &entry))
}

fn list_entries(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let (filter, limit) = (filter(given), given.limit(limits::LIST_PAGE_DEFAULT));
    let cursor = given.text("cursor");
    let page = entries::list(desk.store, desk.seal, &desk.permit, &filter, limit, cursor.as_deref())?;
    let links = page.items.iter().take(limits::LINKS_MAX);
    Ok(Answer {
        text: Some(found(page.total, page.items.len(), "entries")),
        links: links.map(|entry| entry_link(entry.id, &entry.title, entry.updated_at)).collect(),
        data: shapes::page(
            "entries",
            page.items.iter().map(shapes::entry_item).collect(),
            page.total,
            page.next.as_deref(),
        ),
    })
}

fn search_entries(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let (filter, limit) = (filter(given), given.limit(limits::SEARCH_PAGE_DEFAULT));
    let (query, cursor) = (given.text("query").unwrap_or_default(), given.text("cursor"));
    let page =
        search::search(desk.store, desk.seal, &desk.permit, &query, &filter, limit, cursor.as_deref())?;
    let links = page.items.iter().take(limits::LINKS_MAX).map(|found| &found.entry);
    Ok(Answer {
        text: Some(found(page.total, page.items.len(), "entries")),
        links: links.map(|entry| entry_link(entry.id, &entry.title, entry.updated_at)).collect(),
        data: shapes::page(
            "entries",
            page.items.iter().map(shapes::found).collect(),
            page.total,
            page.next.as_deref(),
        ),
    })
}

fn update_entry(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let change = EntryChange {
        title: given.text("title"),
        content: given.text("content"),
        mood: given.nullable_text("mood"),
        location: given.nullable_text("location"),
        weather: given.nullable_text("weather"),
        is_private: given.flag("isPrivate"),
        is_favorite: given.flag("isFavorite"),
    };
    let entry = entries::update(desk.store, &desk.permit, given.id("id"), change, desk.now)?;
    let text = format!("Entry \"{}\" (ID {}) updated.", entry.title, entry.id);
    Ok(one_entry(Some(text), &entry))
}

fn delete_entry(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let entry = entries::delete(desk.store, &desk.permit, given.id("id"))?;
    let text = format!("Entry \"{}\" (ID {}) deleted.", entry.title, entry.id);
    let data = json!({ "success": true, "entry": shapes::entry(&entry) });
    Ok(Answer { data, ..one_entry(Some(text), &entry) })
}

fn create_tag(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let (name, description) = (given.text("name").unwrap_or_default(), given.text("description"));
    let tag = tags::create(desk.store, &desk.permit, name, description, desk.now)?;
    let text = format!("Tag \"{}\" created with ID {}.", tag.name, tag.id);
    Ok(one_tag(Some(text), &tag))
}

fn get_tag(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let id = given.id("id");
    let tag = tags::find(desk.store, &desk.permit, id)?.ok_or(Fault::TagNotFound(id))?;
    Ok(one_tag(None, &tag))
}

fn list_tags(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let (limit, cursor) = (given.limit(limits::TAG_PAGE_DEFAULT), given.text("cursor"));
    let page = tags::list(desk.store, desk.seal, &desk.permit, limit, cursor.as_deref())?;
    Ok(Answer {
        text: Some(found(page.total, page.items.len(), "tags")),
        links: page
            .items
            .iter()
            .take(limits::LINKS_MAX)
            .map(|tag| tag_link(tag.id, &tag.name, None))
            .collect(),
        data: shapes::page(
            "tags",
            page.items.iter().map(shapes::tag_item).collect(),
            page.total,
            page.next.as_deref(),
        ),
    })
}

fn update_tag(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let (name, description) = (given.text("name"), given.nullable_text("description"));
    let tag = tags::update(desk.store, &desk.permit, given.id("id"), name, description, desk.now)?;
    let text = format!("Tag \"{}\" (ID {}) updated.", tag.name, tag.id);
    Ok(one_tag(Some(text), &tag))
}

fn delete_tag(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let tag = tags::delete(desk.store, &desk.permit, given.id("id"))?;
    let text = format!("Tag \"{}\" (ID {}) deleted.", tag.name, tag.id);
    let data = json!({ "success": true, "tag": shapes::tag(&tag) });
    Ok(Answer { data, ..one_tag(Some(text), &tag) })
}

fn add_tag_to_entry(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let (entry_id, tag_id) = (given.id("entryId"), given.id("tagId"));
    let (link, entry, tag) = entries::attach(desk.store, &desk.permit, entry_id, tag_id, desk.now)?;
    let text = format!(
        "Tag \"{}\" (ID {}) is attached to entry \"{}\" (ID {}).",
        tag.name, tag.id, entry.title, entry.id
    );
    let data = json!({ "success": true, "entryTag": shapes::entry_tag(&link) });
    Ok(Answer { text: Some(text), links: both_links(&entry, &tag), data })
}

fn remove_tag_from_entry(desk: &Desk, given: &Checked) -> Result<Answer, ToolError> {
    let (entry_id, tag_id) = (given.id("entryId"), given.id("tagId"));
    let (removed, entry, tag) = entries::detach(desk.store, &desk.permit, entry_id, tag_id)?;
    let done = if removed { "was removed from" } else { "was not attached to" };
    let text =
        format!("Tag \"{}\" (ID {}) {done} entry \"{}\" (ID {}).", tag.name, tag.id, entry.title, entry.id);
    let data = json!({ "success": true, "removed": removed });
    Ok(Answer { text: Some(text), links: both_links(&entry, &tag), data })
}

fn filter(given: &Checked) -> Filter {
    Filter {
        tag_ids: given.ids("tagIds"),
        all_tags: given.text("tagMode").as_deref() == Some("all"),
        from: given.text("from"),
        to: given.text("to"),
        mood: given.text("mood"),
        location: given.text("location"),
        weather: given.text("weather"),
        is_private: given.flag("isPrivate"),
        is_favorite: given.flag("isFavorite"),
    }
}

fn found(total: i64, shown: usize, what: &str) -> String {
    let found = format!("Found {total} {what}.");
    if shown as i64 == total { found } else { format!("{found} This page shows {shown} of them.") }
}

fn one_entry(text: Option<String>, entry: &Entry) -> Answer {
    let link = entry_link(entry.id, &entry.title, entry.updated_at);
    Answer { text, links: vec![link], data: json!({ "entry": shapes::entry(entry) }) }
}

fn one_tag(text: Option<String>, tag: &Tag) -> Answer {
    let link = tag_link(tag.id, &tag.name, Some(tag.updated_at));
    Answer { text, links: vec![link], data: json!({ "tag": shapes::tag(tag) }) }
}

fn both_links(entry: &Entry, tag: &Tag) -> Vec<Value> {
    let tag_link = tag_link(tag.id, &tag.name, Some(tag.updated_at));
    vec![tag_link, entry_link(entry.id, &entry.title, entry.updated_at)]
}

fn entry_link(id: i64, title: &str, modified: Timestamp) -> Value {
    let uri = format!("epicme://entries/{id}");
    link(uri, title, format!("Journal Entry: \"{title}\""), Some(modified))
}

fn tag_link(id: i64, name: &str, modified: Option<Timestamp>) -> Value {
    link(format!("epicme://tags/{id}"), name, format!("Tag: \"{name}\""), modified)
}

fn link(uri: String, name: &str, description: String, modified: Option<Timestamp>) -> Value {
    let mut link = json!({
        "type": "resource_link", "uri": uri, "name": name, "description": description,
        "mimeType": "application/json",
    });
    if let Some(modified) = modified {
        link["annotations"] = json!({ "lastModified": modified.iso8601() });
    }
    link
}
