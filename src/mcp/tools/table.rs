//! The table of tools: one entry for each, with the scope that it needs, its arguments, its output and its effect.
//!
//! Knows no SQL, no sockets and no token. Clients see the tools in the order of this table.
//!
//! A model reads these descriptions and decides by them whether to call a tool, and with which arguments. So a
//! sentence says what the tool does, in words that a person would use for it, and each limit stands in the schema.

use super::{Effect, Handler, TAG_NAMES, Tool, Work, entries, instructions, overview, person, tags};
use crate::limits;
use crate::mcp::arguments::{Argument, Kind};
use crate::mcp::shapes;

pub(super) fn table() -> Vec<Tool> {
    // Arguments that several tools take are written once: two wordings of one thing would make a model look for a
    // difference.
    let id = || Argument::required("id", Kind::Id, "The id, as a list or search shows it.");
    let entry_id = || Argument::required("entryId", Kind::Id, "The entry's id.");
    let tag_id = || Argument::required("tagId", Kind::Id, "The tag's id.");
    let title = Kind::Prose { min: 1, max: limits::TITLE_CHARS_MAX };
    let content = Kind::Prose { min: 0, max: limits::CONTENT_CHARS_MAX };
    let paragraph = Kind::Prose { min: 1, max: limits::CONTENT_CHARS_MAX };
    let label = Kind::Text { min: 0, max: limits::LABEL_TEXT_CHARS_MAX };
    let tag_name = Kind::Name { max: limits::TAG_NAME_CHARS_MAX };
    let tag_names = Kind::Names { max: limits::TAG_NAME_CHARS_MAX };
    let tag_description = Kind::Text { min: 0, max: limits::TAG_DESCRIPTION_CHARS_MAX };
    // A list and a search take the same filters. Every one of them narrows, so a filter that is left out hides
    // nothing.
    let from =
        Argument::optional("from", Kind::Date, "Only entries of this date or date-time and later ones.");
    let to = Argument::optional("to", Kind::Date, "Only entries of this date or date-time and earlier ones.");
    let filters = vec![
        Argument::optional("tagIds", Kind::Ids, "Only entries with these tags."),
        Argument::optional(TAG_NAMES, tag_names.clone(), "Only entries with the tags of these names."),
        Argument::optional(
            "tagMode",
            Kind::Choice(&["any", "all"]),
            "Whether any of tagIds and tagNames is enough, or all are needed.",
        ),
        from.clone(),
        to.clone(),
        Argument::optional(
            "mood",
            label.clone(),
            "Only entries with exactly this mood, whatever its capitals and accents.",
        ),
        Argument::optional(
            "location",
            label.clone(),
            "Only entries with exactly this location, whatever its capitals and accents.",
        ),
        Argument::optional(
            "weather",
            label.clone(),
            "Only entries with exactly this weather, whatever its capitals and accents.",
        ),
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
            effect: Effect::Reads,
            arguments: vec![],
            output: || {
                shapes::object([("user", shapes::user_schema()), ("scopes", shapes::array(shapes::text()))])
            },
            work: Work::UserRead(Handler { run: person::whoami, confirm: None }),
        },
        Tool {
            name: "create_entry",
            title: "Create Entry",
            about: "Write a new journal entry, with tags if any fit.",
            effect: Effect::Adds,
            arguments: vec![
                Argument::required("title", title.clone(), "A short title."),
                Argument::required("content", content.clone(), "The text of the entry."),
                Argument::optional(
                    "date",
                    Kind::Date,
                    "The day that it is about, or the time with its offset; left out, now.",
                ),
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
                Argument::optional(
                    TAG_NAMES,
                    tag_names.clone(),
                    "The names of tags to attach. A tag that doesn't exist yet is made.",
                ),
            ],
            output: || shapes::object([("entry", shapes::entry_schema())]),
            work: Work::EntriesWriteNamingTags(Handler { run: entries::create_entry, confirm: None }),
        },
        Tool {
            name: "get_entry",
            title: "Get Entry",
            about: "Read one journal entry with its tags.",
            effect: Effect::Reads,
            arguments: vec![id()],
            output: || shapes::object([("entry", shapes::entry_schema())]),
            work: Work::EntriesRead(Handler { run: entries::get_entry, confirm: None }),
        },
        Tool {
            name: "list_entries",
            title: "List Entries",
            about: "List journal entries by date, newest first, all of them or those that pass every filter given.",
            effect: Effect::Reads,
            arguments: [filters.clone(), page(limits::LIST_PAGE_MAX, limits::LIST_PAGE_DEFAULT)].concat(),
            output: || shapes::page_schema("entries", shapes::entry_item_schema()),
            work: Work::EntriesRead(Handler { run: entries::list_entries, confirm: None }),
        },
        Tool {
            name: "search_entries",
            title: "Search Entries",
            about: "Find journal entries by their words, best match first, with the place where each matched.",
            effect: Effect::Reads,
            arguments: [
                vec![Argument::required("query", Kind::Text { min: 1, max: limits::QUERY_CHARS_MAX }, query)],
                filters,
                page(limits::SEARCH_PAGE_MAX, limits::SEARCH_PAGE_DEFAULT),
            ]
            .concat(),
            output: || shapes::page_schema("entries", shapes::found_schema()),
            work: Work::EntriesRead(Handler { run: entries::search_entries, confirm: None }),
        },
        Tool {
            name: "on_this_day",
            title: "On This Day",
            about: "Show what was written on this day in earlier years, newest first, with the beginning of each text. \
                    On the 28th of February of a year without a 29th, the 29ths are shown too.",
            effect: Effect::Reads,
            arguments: vec![Argument::optional(
                "date",
                Kind::Date,
                "The day whose earlier years are shown; left out, today.",
            )],
            output: shapes::on_this_day_schema,
            work: Work::EntriesRead(Handler { run: overview::on_this_day, confirm: None }),
        },
        Tool {
            name: "journal_overview",
            title: "Journal Overview",
            about: "Count the journal: entries by year and month, days written, the current and the longest run of \
                    days, the most used tags, the first and the last entry.",
            effect: Effect::Reads,
            arguments: vec![],
            output: shapes::overview_schema,
            work: Work::EntriesRead(Handler { run: overview::journal_overview, confirm: None }),
        },
        Tool {
            name: "update_entry",
            title: "Update Entry",
            about: "Change fields of a journal entry, or add to its text: what is left out stays, null clears.",
            // A call with `append` that is sent twice adds its text twice.
            effect: Effect::Adds,
            arguments: vec![
                id(),
                Argument::optional("title", title, "The new title."),
                Argument::optional("content", content, "The new text, in place of the present one."),
                Argument::optional(
                    "append",
                    paragraph,
                    "Text to add at the end, as a new paragraph; all that is there stays.",
                ),
                Argument::optional(
                    "date",
                    Kind::Date,
                    "The day that it is about, or the time with its offset.",
                ),
                Argument::nullable("mood", label.clone(), "The new mood."),
                Argument::nullable("location", label.clone(), "The new location."),
                Argument::nullable("weather", label, "The new weather."),
                Argument::optional("isPrivate", Kind::Flag(None), "Label it private (1) or not (0)."),
                Argument::optional("isFavorite", Kind::Flag(None), "Label it a favorite (1) or not (0)."),
                Argument::optional(
                    "tags",
                    Kind::Ids,
                    "The ids of tags to attach. No tag is detached: remove_tag_from_entry does that.",
                ),
                Argument::optional(
                    TAG_NAMES,
                    tag_names,
                    "The names of tags to attach, as tags does. A tag that doesn't exist yet is made.",
                ),
            ],
            output: || shapes::object([("entry", shapes::entry_schema())]),
            work: Work::EntriesWriteNamingTags(Handler { run: entries::update_entry, confirm: None }),
        },
        Tool {
            name: "delete_entry",
            title: "Delete Entry",
            about: "Delete a journal entry for good.",
            effect: Effect::Deletes,
            arguments: vec![id()],
            output: || shapes::deletion_schema("entry", shapes::entry_schema()),
            work: Work::EntriesWrite(Handler {
                run: entries::delete_entry,
                confirm: Some(entries::confirm_delete_entry),
            }),
        },
        Tool {
            name: "create_tag",
            title: "Create Tag",
            about: "Make a new tag, to be attached to entries.",
            effect: Effect::Adds,
            arguments: vec![
                Argument::required("name", tag_name.clone(), "A name that no other tag has."),
                Argument::optional("description", tag_description.clone(), "What the tag is for."),
            ],
            output: || shapes::object([("tag", shapes::tag_schema())]),
            work: Work::TagsWrite(Handler { run: tags::create_tag, confirm: None }),
        },
        Tool {
            name: "get_tag",
            title: "Get Tag",
            about: "Read one tag.",
            effect: Effect::Reads,
            arguments: vec![id()],
            output: || shapes::object([("tag", shapes::tag_schema())]),
            work: Work::TagsRead(Handler { run: tags::get_tag, confirm: None }),
        },
        Tool {
            name: "list_tags",
            title: "List Tags",
            about: "List the tags by name, with the number of entries that have each.",
            effect: Effect::Reads,
            arguments: page(limits::TAG_PAGE_MAX, limits::TAG_PAGE_DEFAULT),
            output: || shapes::page_schema("tags", shapes::tag_item_schema()),
            work: Work::TagsRead(Handler { run: tags::list_tags, confirm: None }),
        },
        Tool {
            name: "update_tag",
            title: "Update Tag",
            about: "Change a tag's name or description: what is left out stays, null clears the description.",
            effect: Effect::Changes,
            arguments: vec![
                id(),
                Argument::optional("name", tag_name, "A name that no other tag has."),
                Argument::nullable("description", tag_description, "What the tag is for."),
            ],
            output: || shapes::object([("tag", shapes::tag_schema())]),
            work: Work::TagsWrite(Handler { run: tags::update_tag, confirm: None }),
        },
        Tool {
            name: "delete_tag",
            title: "Delete Tag",
            about: "Delete a tag for good. The entries that had it stay.",
            effect: Effect::Deletes,
            arguments: vec![id()],
            output: || shapes::deletion_schema("tag", shapes::tag_schema()),
            work: Work::TagsWrite(Handler { run: tags::delete_tag, confirm: Some(tags::confirm_delete_tag) }),
        },
        Tool {
            name: "merge_tags",
            title: "Merge Tags",
            about: "Make one tag of two: the entries of the first get the second, which stays as it is, and the first \
                    is deleted for good.",
            effect: Effect::Deletes,
            arguments: vec![
                Argument::required("fromId", Kind::Id, "The id of the tag that goes."),
                Argument::required("intoId", Kind::Id, "The id of the tag that stays."),
            ],
            output: shapes::merge_schema,
            work: Work::TagsWrite(Handler { run: tags::merge_tags, confirm: Some(tags::confirm_merge_tags) }),
        },
        Tool {
            name: "add_tag_to_entry",
            title: "Add Tag to Entry",
            about: "Attach a tag to an entry. Doing it twice changes nothing.",
            effect: Effect::Changes,
            arguments: vec![entry_id(), tag_id()],
            output: || {
                shapes::object([("success", shapes::boolean()), ("entryTag", shapes::entry_tag_schema())])
            },
            work: Work::EntriesWrite(Handler { run: entries::add_tag_to_entry, confirm: None }),
        },
        Tool {
            // Marked as deleting, though neither row is deleted: the link between them is, and a host may ask about
            // that.
            name: "remove_tag_from_entry",
            title: "Remove Tag from Entry",
            about: "Detach a tag from an entry. Neither is deleted.",
            effect: Effect::Deletes,
            arguments: vec![entry_id(), tag_id()],
            output: || shapes::object([("success", shapes::boolean()), ("removed", shapes::boolean())]),
            work: Work::EntriesWrite(Handler { run: entries::remove_tag_from_entry, confirm: None }),
        },
        // The next two take the arguments of the prompts that they stand for, as numbers and lists where a prompt
        // takes texts. What leaves an argument of the prompt out leaves it out here too.
        Tool {
            name: "get_tag_suggestions_instructions",
            title: "Get Tag Suggestions Instructions",
            about: "Get instructions for suggesting tags for one entry, with the entry and all tags.",
            effect: Effect::Reads,
            arguments: vec![entry_id().absent_if_empty()],
            output: instructions::schema,
            work: Work::EntriesAndTagsRead(Handler { run: instructions::tag_suggestions, confirm: None }),
        },
        Tool {
            name: "get_journal_insights_instructions",
            title: "Get Journal Insights Instructions",
            about: "Get instructions for summing up the newest entries, of some days or with some tags if \
                    these are named, with those entries.",
            effect: Effect::Reads,
            arguments: vec![
                Argument::optional("tagIds", Kind::Ids, "Only entries with one of these tags.")
                    .absent_if_empty(),
                from.absent_if_empty(),
                to.absent_if_empty(),
            ],
            output: instructions::schema,
            work: Work::EntriesRead(Handler { run: instructions::journal_insights, confirm: None }),
        },
    ]
}
