//! Resources: which there are, how their URIs read, and what they hold.
//!
//! Knows no SQL and no token text.
//!
//! Two rules hold. First, the server writes each resource's URI in one spelling, because a client compares URIs as
//! texts and would take a second spelling for a second resource. It also reads a spelling with percent escapes, which
//! means the same. Second, a client can't distinguish a resource that doesn't exist from one of another person: both
//! get the same error, after the same checks.
//!
//! A tool shows the same rows. The difference is who decides: the model calls a tool, while the person or the host
//! chooses a resource (2025-11-25 resources, User Interaction Model).

use std::fmt;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::arguments;
use super::shapes;
use super::version::ProtocolVersion;
use super::{Failure, Mcp};
use crate::app::App;
use crate::clock::Timestamp;
use crate::events::Resource;
use crate::ids::{EntryId, TagId};
use crate::journal::{Filter, Journal, JournalError, Page, TagItem, entries, tags};
use crate::json_text::{self, Json, JsonText, Object};
use crate::limits;
use crate::scope::{Access, EntriesRead, TagsRead, UserRead};
use crate::users;

/// The type of every resource.
pub(crate) const MIME_TYPE: &str = "application/json";
/// The two URI templates (RFC 6570, level 1). Their one variable is an id.
pub(crate) const TEMPLATES: [(&str, Template); 2] =
    [("epicme://entries/{id}", Template::Entry), ("epicme://tags/{id}", Template::Tag)];

/// A family of resources, each with an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Template {
    Entry,
    Tag,
}

/// Reads which resource a URI names. Returns `None` if no resource can have that name.
///
/// The parts are separated before their escapes are decoded, and they are decoded once (RFC 3986 §2.4). In the
/// other order an escaped slash would separate two parts, and `%2537` would become `%37` and then `7`: a filter in
/// front of the server, which decodes once, would have seen another URI.
pub(crate) fn parse(uri: &str) -> Option<Resource> {
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

impl fmt::Display for Resource {
    /// Writes the URI.
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Resource::User => out.write_str("epicme://users/current"),
            Resource::Entries => out.write_str("epicme://entries"),
            Resource::Entry(id) => write!(out, "epicme://entries/{id}"),
            Resource::Tags => out.write_str("epicme://tags"),
            Resource::Tag(id) => write!(out, "epicme://tags/{id}"),
        }
    }
}

/// Returns the name that a refusal and the log show when a resource is read. It leaves the id out, so that the log
/// doesn't show which entries a person reads.
fn operation(resource: Resource) -> &'static str {
    match resource {
        Resource::User => "epicme://users/current",
        Resource::Entries => "epicme://entries",
        Resource::Entry(_) => "epicme://entries/{id}",
        Resource::Tags => "epicme://tags",
        Resource::Tag(_) => "epicme://tags/{id}",
    }
}

/// The read of a resource, which the gate has permitted and which runs later. It returns `None` if the caller has no
/// such row.
pub(crate) type Reading = Box<dyn FnOnce(&App) -> Result<Option<Contents>, JournalError>>;

/// Has the gate check that the caller has the scope to read a resource. Each arm calls a function that takes the
/// journal of one scope, and the compiler concludes from it which scope is checked. So the two can't differ.
pub(crate) fn permit(mcp: &Mcp, resource: Resource) -> Result<Reading, Failure> {
    match resource {
        Resource::User => permit_for(mcp, resource, user),
        Resource::Entries => {
            permit_for(mcp, resource, |journal: &Journal<_>| newest_entries(journal).map(Some))
        }
        Resource::Entry(id) => permit_for(mcp, resource, move |journal: &Journal<_>| entry(journal, id)),
        Resource::Tags => permit_for(mcp, resource, |journal: &Journal<_>| all_tags(journal).map(Some)),
        Resource::Tag(id) => permit_for(mcp, resource, move |journal: &Journal<_>| tag(journal, id)),
    }
}

/// Has the gate check the scope of the journal that `read` takes.
fn permit_for<A: Access>(
    mcp: &Mcp,
    resource: Resource,
    read: impl FnOnce(&Journal<A>) -> Result<Option<Contents>, JournalError> + 'static,
) -> Result<Reading, Failure> {
    let permit = mcp.permit::<A>(operation(resource))?;
    Ok(Box::new(move |app| read(&app.journal(permit))))
}

/// Checks whether the caller may read a resource and the resource exists. The result doesn't say which of the two
/// failed: a client that may not read entries must not find out which entries exist.
pub(crate) fn is_readable(mcp: &Mcp, resource: Resource) -> Result<bool, JournalError> {
    Ok(match resource {
        Resource::User => mcp.journal_if::<UserRead>().is_some(),
        Resource::Entries => mcp.journal_if::<EntriesRead>().is_some(),
        Resource::Tags => mcp.journal_if::<TagsRead>().is_some(),
        Resource::Entry(id) => match mcp.journal_if() {
            Some(journal) => entries::find(&journal, id)?.is_some(),
            None => false,
        },
        Resource::Tag(id) => match mcp.journal_if() {
            Some(journal) => tags::find(&journal, id)?.is_some(),
            None => false,
        },
    })
}

/// What a resource holds: a `ResourceContents`. JSON goes out as a text, because the specification has no other form
/// for it (2025-11-25 resources, Text Content).
pub(crate) struct Contents {
    resource: Resource,
    held: JsonText,
}

impl Contents {
    pub(crate) fn new(resource: Resource, held: &impl Json) -> Contents {
        Contents { resource, held: JsonText::of(held) }
    }
}

impl Json for Contents {
    fn write(&self, out: &mut Vec<u8>) {
        let contents = json_text::object(|out| {
            out.member("uri", format_args!("{}", self.resource));
            out.member("mimeType", MIME_TYPE);
            out.member("text", self.held.as_text());
        });
        contents.write(out);
    }
}

// Each of the functions below reads one resource, and returns `None` if the caller has no such row.

fn user(journal: &Journal<UserRead>) -> Result<Option<Contents>, JournalError> {
    let user = users::find(journal.store, journal.permit.user_id())?;
    Ok(user.map(|user| Contents::new(Resource::User, &shapes::user(&user))))
}

fn newest_entries(journal: &Journal<EntriesRead>) -> Result<Contents, JournalError> {
    let page = entries::list(journal, &Filter::default(), limits::RESOURCE_ENTRIES, None)?;
    // There is no cursor in it: a resource has no next page.
    let page = Page { next: None, ..page };
    Ok(Contents::new(Resource::Entries, &shapes::page("entries", &page, shapes::entry_item)))
}

pub(crate) fn entry(journal: &Journal<EntriesRead>, id: EntryId) -> Result<Option<Contents>, JournalError> {
    let entry = entries::find(journal, id)?;
    Ok(entry.map(|entry| Contents::new(Resource::Entry(id), &shapes::entry(&entry))))
}

fn all_tags(journal: &Journal<TagsRead>) -> Result<Contents, JournalError> {
    tags_while(journal, |_| true).map(|(contents, _)| contents)
}

/// Returns the tags up to the first one that `takes` refuses, and how many are left out.
pub(crate) fn tags_while(
    journal: &Journal<TagsRead>,
    takes: impl FnMut(&JsonText) -> bool,
) -> Result<(Contents, usize), JournalError> {
    let all = tags::all(journal)?;
    let written = all.iter().map(|tag| JsonText::of(&shapes::tag_name(tag)));
    let taken: Vec<_> = written.take_while(takes).collect();
    let left_out = all.len() - taken.len();
    Ok((Contents::new(Resource::Tags, &json_text::array(&taken)), left_out))
}

fn tag(journal: &Journal<TagsRead>, id: TagId) -> Result<Option<Contents>, JournalError> {
    Ok(tags::find(journal, id)?.map(|tag| Contents::new(Resource::Tag(id), &shapes::tag(&tag))))
}

/// The resources that each caller has, each with its name, its title and a description.
const FIXED: [(Resource, &str, &str, &str); 3] = [
    (Resource::User, "user", "User", "Whose journal this is."),
    (Resource::Entries, "entries", "Entries", "The newest entries and how many there are."),
    (Resource::Tags, "tags", "Tags", "Every tag by name."),
];

/// One page of `resources/list`.
pub(crate) struct ResourcePage {
    is_first: bool,
    /// `None` without the scope for tags.
    tags: Option<Page<TagItem>>,
}

impl ResourcePage {
    /// Writes the members of a `ListResourcesResult`.
    pub(crate) fn write(&self, version: ProtocolVersion, out: &mut Object) {
        let fixed = FIXED.iter().filter(|_| self.is_first).map(|(resource, name, title, about)| {
            JsonText::of(&json_text::object(|out| {
                out.member("uri", format_args!("{resource}"));
                out.member("name", *name);
                if version.has_structured_content() {
                    out.member("title", *title);
                }
                out.member("description", *about);
                out.member("mimeType", MIME_TYPE);
            }))
        });
        let tags = self.tags.iter().flat_map(|page| &page.items).map(|tag| {
            JsonText::of(&json_text::object(|out| {
                out.member("uri", format_args!("{}", Resource::Tag(tag.id)));
                out.member("name", &tag.name);
                out.member("mimeType", MIME_TYPE);
                if version.has_structured_content() {
                    out.member("annotations", last_modified(tag.updated_at));
                }
            }))
        });
        out.member("resources", json_text::array(fixed.chain(tags)));
        if let Some(next) = self.tags.as_ref().and_then(|page| page.next.as_ref()) {
            out.member("nextCursor", next);
        }
    }
}

/// Writes the `Annotations` of a row that was last changed then.
pub(crate) fn last_modified(time: Timestamp) -> impl Json {
    json_text::object(move |out| out.member("lastModified", format_args!("{time}")))
}

/// Reads one page of `resources/list`: first the resources that each caller has, then the tags.
///
/// Without the journal of [`TagsRead`] the page leaves the tags out, since their names need that scope. The gate
/// doesn't refuse the list then: clients read it without a person's request, and a 403 would open a consent page that
/// the person didn't expect.
///
/// Entries aren't listed. There may be thousands, and a client shows the whole list to a person who picks from it.
/// They are read by their template, whose id the client completes.
pub(crate) fn list(
    journal: Option<&Journal<TagsRead>>,
    cursor: Option<&str>,
) -> Result<ResourcePage, JournalError> {
    // A cursor is a place in the list of tags. Without the scope for tags the server never gave one.
    let tags = match (journal, cursor) {
        (Some(journal), cursor) => Some(tags::list(journal, "resources", limits::RESOURCE_PAGE, cursor)?),
        (None, None) => None,
        (None, Some(_)) => return Err(JournalError::BadCursor),
    };
    Ok(ResourcePage { is_first: cursor.is_none(), tags })
}

/// Describes the templates as `resources/templates/list` shows them. They are the same for each caller.
pub(crate) fn templates() -> Value {
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
            Resource::Entry(EntryId::new(7)),
            Resource::Tags,
            Resource::Tag(TagId::new(9_007_199_254_740_991)),
        ] {
            assert_eq!(parse(&resource.to_string()), Some(resource));
        }
        assert_eq!(parse("epicme://entries/%37"), Some(Resource::Entry(EntryId::new(7))));
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
