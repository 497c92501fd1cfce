//! Resources: which there are, how their URIs read, and what they hold.
//!
//! Knows no SQL and no token. Invariant: a URI names one thing in one way, and what isn't there and what belongs to
//! somebody else are the same to whoever asks.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::arguments;
use super::shapes;
use crate::clock::Timestamp;
use crate::events::Resource;
use crate::journal::entries::{self, Filter};
use crate::journal::{Fault, Journal, tags};
use crate::limits;
use crate::scope::{Scope, Scopes};
use crate::users;

/// What every resource is.
pub const MIME_TYPE: &str = "application/json";
/// The variables of the two templates are ids.
pub const TEMPLATES: [(&str, Template); 2] =
    [("epicme://entries/{id}", Template::Entry), ("epicme://tags/{id}", Template::Tag)];

/// A family of resources, each with an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Template {
    /// The entries.
    Entry,
    /// The tags.
    Tag,
}

/// The resource that a URI names; `None` when none can have that name. Its parts are separated before their escapes
/// are decoded, and that once (RFC 3986 §2.4): an escaped slash separates nothing.
pub fn parse(uri: &str) -> Option<Resource> {
    let parts = uri.strip_prefix("epicme://")?.splitn(3, '/');
    let parts: Option<Vec<_>> = parts.map(|part| percent_decode_str(part).decode_utf8().ok()).collect();
    match parts?.iter().map(|part| &**part).collect::<Vec<_>>()[..] {
        ["entries"] => Some(Resource::Entries),
        ["tags"] => Some(Resource::Tags),
        ["users", "current"] => Some(Resource::User),
        ["entries", id] => arguments::id_of(id).map(Resource::Entry),
        ["tags", id] => arguments::id_of(id).map(Resource::Tag),
        _ => None,
    }
}

/// The URI of a resource.
pub fn uri(resource: Resource) -> String {
    match resource {
        Resource::User => "epicme://users/current".to_owned(),
        Resource::Entries => "epicme://entries".to_owned(),
        Resource::Entry(id) => format!("epicme://entries/{id}"),
        Resource::Tags => "epicme://tags".to_owned(),
        Resource::Tag(id) => format!("epicme://tags/{id}"),
    }
}

/// The scope that reading it needs.
pub fn needs(resource: Resource) -> Scopes {
    Scopes::of(&[match resource {
        Resource::User => Scope::UserRead,
        Resource::Entries | Resource::Entry(_) => Scope::EntriesRead,
        Resource::Tags | Resource::Tag(_) => Scope::TagsRead,
    }])
}

/// What a refusal calls the reading of it.
pub fn operation(resource: Resource) -> &'static str {
    match resource {
        Resource::User => "epicme://users/current",
        Resource::Entries => "epicme://entries",
        Resource::Entry(_) => "epicme://entries/{id}",
        Resource::Tags => "epicme://tags",
        Resource::Tag(_) => "epicme://tags/{id}",
    }
}

/// What a resource holds, as `ResourceContents`; `None` when there is no such row of the caller's.
pub fn contents(journal: &Journal, resource: Resource) -> Result<Option<Value>, Fault> {
    let held = match resource {
        Resource::User => users::find_own(journal.store, &journal.permit)?.map(|user| shapes::user(&user)),
        Resource::Entries => {
            let page = entries::list(journal, &Filter::default(), limits::RESOURCE_ENTRIES, None)?;
            Some(json!({
                "entries": page.items.iter().map(shapes::entry_item).collect::<Vec<_>>(), "total": page.total,
            }))
        }
        Resource::Entry(id) => entries::find(journal, id)?.map(|entry| shapes::entry(&entry)),
        Resource::Tags => Some(tags::all(journal)?.iter().map(shapes::tag_name).collect()),
        Resource::Tag(id) => tags::find(journal, id)?.map(|tag| shapes::tag(&tag)),
    };
    Ok(held.map(|held| embedded(resource, &held)))
}

/// `ResourceContents` of something that has been read already.
pub fn embedded(resource: Resource, held: &Value) -> Value {
    json!({ "uri": uri(resource), "mimeType": MIME_TYPE, "text": held.to_string() })
}

/// One page of `resources/list`: what has a name of its own, then each tag. Without a journal the tags are left out,
/// since their names are what the scope `tags:read` is about.
pub fn list(journal: Option<&Journal>, cursor: Option<&str>) -> Result<Value, Fault> {
    let fixed = [
        (Resource::User, "user", "User", "Whose journal this is."),
        (Resource::Entries, "entries", "Entries", "The newest entries and how many there are."),
        (Resource::Tags, "tags", "Tags", "Every tag by name."),
    ];
    let mut resources: Vec<_> = fixed
        .iter()
        .filter(|_| cursor.is_none())
        .map(|(resource, name, title, about)| {
            let (uri, about) = (uri(*resource), *about);
            json!({ "uri": uri, "name": name, "title": title, "description": about, "mimeType": MIME_TYPE })
        })
        .collect();
    let page = match (journal, cursor) {
        (Some(journal), cursor) => Some(tags::list(journal, "resources", limits::RESOURCE_PAGE, cursor)?),
        (None, None) => None,
        (None, Some(_)) => return Err(Fault::BadCursor),
    };
    let tag = |id, name: &str, modified: Timestamp| {
        json!({
            "uri": uri(Resource::Tag(id)), "name": name, "mimeType": MIME_TYPE,
            "annotations": { "lastModified": modified.iso8601() },
        })
    };
    let tags = page.iter().flat_map(|page| &page.items);
    resources.extend(tags.map(|item| tag(item.id, &item.name, item.updated_at)));
    let mut result = json!({ "resources": resources });
    if let Some(next) = page.and_then(|page| page.next) {
        result["nextCursor"] = next.into();
    }
    Ok(result)
}

/// The templates, as `resources/templates/list` shows them.
pub fn templates() -> Value {
    let described = TEMPLATES.map(|(template, kind)| {
        let (name, title, about) = match kind {
            Template::Entry => ("entry", "Journal Entry", "One entry with its tags."),
            Template::Tag => ("tag", "Tag", "One tag."),
        };
        json!({
            "uriTemplate": template, "name": name, "title": title, "description": about, "mimeType": MIME_TYPE,
        })
    });
    described.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_uris_that_it_writes_and_no_others() {
        for resource in [
            Resource::User,
            Resource::Entries,
            Resource::Entry(7),
            Resource::Tags,
            Resource::Tag(9_007_199_254_740_991),
        ] {
            assert_eq!(parse(&uri(resource)), Some(resource));
        }
        assert_eq!(parse("epicme://entries/%37"), Some(Resource::Entry(7)));
        for other in [
            "epicme://entries/",
            "epicme://entries/07",
            "epicme://entries/+7",
            "epicme://entries/7/",
            "epicme://entries/0",
            "epicme://entries/%2537",
            "epicme://entries%2F7",
            "epicme://entries/7?x",
            "epicme://entry/7",
            "epicme://users/1",
            "epicme://",
            "EPICME://tags",
            "epicme:tags",
            "tags",
            "epicme://tags/9007199254740992",
            "epicme://tags/%ff",
            "",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
