//! The journal's things as JSON, each beside its JSON Schema.
//!
//! Knows no tool. This is the one place that decides how an entry, a tag or a person is written for clients.
//!
//! Each thing has two functions, one above the other: what is written, as JSON text, and its schema. They must agree,
//! because the TypeScript and Python SDKs check each result against the tool's `outputSchema` and throw if it doesn't
//! fit. A test calls every tool and compares. The types of the journal don't derive `Serialize` for the same reason: a
//! field that is renamed in the journal must not change what clients read.

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::dates::{EntryDate, EntryTime};
use crate::journal::browse::Excerpt;
use crate::journal::overview::{OnThisDay, Overview, Period, Run, UsedTag};
use crate::journal::search::Found;
use crate::journal::tags::Merge;
use crate::journal::{Entry, EntryItem, EntryTag, Page, Tag, TagItem, TagName};
use crate::json_text::{self, Json, JsonText, Object};
use crate::users::User;

pub(crate) fn user(user: &User) -> impl Json {
    json_text::object(|out| {
        out.member("id", user.id.get());
        out.member("email", &user.email);
        out.member("timeZone", user.zone.name());
        times(out, user.created_at, user.updated_at);
    })
}

pub(crate) fn user_schema() -> Value {
    with_times(object([("id", integer()), ("email", text()), ("timeZone", text())]))
}

/// Writes a whole entry. A label without a value is `null` and not left out, so that each entry has the same members.
/// The two flags are 0 or 1, and times are whole seconds since 1970: clients depend on both.
pub(crate) fn entry(entry: &Entry) -> impl Json {
    json_text::object(|out| {
        out.member("id", entry.id.get());
        out.member("userId", entry.user_id.get());
        out.member("title", &entry.title);
        out.member("content", &entry.content);
        out.member("mood", entry.mood.as_ref());
        out.member("location", entry.location.as_ref());
        out.member("weather", entry.weather.as_ref());
        out.member("isPrivate", i64::from(entry.is_private));
        out.member("isFavorite", i64::from(entry.is_favorite));
        date(out, &entry.date);
        times(out, entry.created_at, entry.updated_at);
        out.member("tags", json_text::array(entry.tags.iter().map(tag_name)));
    })
}

pub(crate) fn entry_schema() -> Value {
    with_times(object([
        ("id", integer()),
        ("userId", integer()),
        ("title", text()),
        ("content", text()),
        ("mood", text_or_null()),
        ("location", text_or_null()),
        ("weather", text_or_null()),
        ("isPrivate", flag()),
        ("isFavorite", flag()),
        ("date", text()),
        ("dateTime", text_or_null()),
        ("tags", array(object([("id", integer()), ("name", text())]))),
    ]))
}

/// Writes an entry as lists show it: without its text, because a page of whole entries would fill the model's
/// context.
pub(crate) fn entry_item(entry: &EntryItem) -> impl Json {
    json_text::object(|out| write_item(out, entry))
}

fn write_item(out: &mut Object, entry: &EntryItem) {
    out.member("id", entry.id.get());
    out.member("title", &entry.title);
    out.member("tagCount", entry.tag_count);
    out.member("mood", entry.mood.as_ref());
    out.member("isFavorite", i64::from(entry.is_favorite));
    date(out, &entry.date);
    out.member("createdAt", entry.created_at.0);
    out.member("updatedAt", entry.updated_at.0);
}

pub(crate) fn entry_item_schema() -> Value {
    object([
        ("id", integer()),
        ("title", text()),
        ("tagCount", integer()),
        ("mood", text_or_null()),
        ("isFavorite", flag()),
        ("date", text()),
        ("dateTime", text_or_null()),
        ("createdAt", integer()),
        ("updatedAt", integer()),
    ])
}

/// Writes an entry as a search shows it: with the part of its text that has the words.
pub(crate) fn found(found: &Found) -> impl Json {
    json_text::object(|out| {
        out.member("id", found.entry.id.get());
        out.member("title", &found.entry.title);
        out.member("tagCount", found.entry.tag_count);
        date(out, &found.entry.date);
        out.member("createdAt", found.entry.created_at.0);
        out.member("snippet", found.snippet.to_string());
    })
}

pub(crate) fn found_schema() -> Value {
    object([
        ("id", integer()),
        ("title", text()),
        ("tagCount", integer()),
        ("date", text()),
        ("dateTime", text_or_null()),
        ("createdAt", integer()),
        ("snippet", text()),
    ])
}

/// Writes the entries of one day in earlier years: each as a list shows it, with how many years ago it was and the
/// beginning of its text. A model that has to subtract two dates often errs.
pub(crate) fn on_this_day(found: &OnThisDay) -> impl Json {
    json_text::object(|out| {
        let OnThisDay { day, entries, total } = found;
        let entry = |Excerpt { entry, text }: &Excerpt| {
            JsonText::of(&json_text::object(|out| {
                write_item(out, entry);
                out.member("yearsAgo", day.year() - entry.date.day.year());
                out.member("excerpt", text);
            }))
        };
        out.member("date", day.to_string());
        out.member("entries", json_text::array(&entries.iter().map(entry).collect::<Vec<_>>()));
        out.member("total", *total);
    })
}

pub(crate) fn on_this_day_schema() -> Value {
    let mut entry = entry_item_schema();
    add_members(&mut entry, [("yearsAgo", integer()), ("excerpt", text())]);
    object([("date", text()), ("entries", array(entry)), ("total", integer())])
}

/// Writes what a journal holds as a whole.
pub(crate) fn overview(overview: &Overview) -> impl Json {
    json_text::object(|out| {
        let Overview { today, total, first, last, days, tags, tags_left_out } = overview;
        out.member("today", today.to_string());
        out.member("total", *total);
        out.member("firstEntry", first.as_ref().map(dated));
        out.member("lastEntry", last.as_ref().map(dated));
        out.member("daysWritten", days.written);
        out.member("currentRun", days.current_run.as_ref().map(run));
        out.member("longestRun", days.longest_run.as_ref().map(run));
        out.member("years", json_text::array(days.years.iter().map(|year| period("year", 4, year))));
        out.member("yearsLeftOut", days.years_left_out as i64);
        out.member("months", json_text::array(days.months.iter().map(|month| period("month", 7, month))));
        out.member("monthsLeftOut", days.months_left_out as i64);
        out.member("tags", json_text::array(tags.iter().map(used_tag)));
        out.member("tagsLeftOut", *tags_left_out as i64);
    })
}

pub(crate) fn overview_schema() -> Value {
    let dated = || {
        or_null(object([
            ("id", integer()),
            ("title", text()),
            ("date", text()),
            ("dateTime", text_or_null()),
        ]))
    };
    let run = || or_null(object([("days", integer()), ("from", text()), ("to", text())]));
    let period = |name| array(object([(name, text()), ("entries", integer()), ("days", integer())]));
    object([
        ("today", text()),
        ("total", integer()),
        ("firstEntry", dated()),
        ("lastEntry", dated()),
        ("daysWritten", integer()),
        ("currentRun", run()),
        ("longestRun", run()),
        ("years", period("year")),
        ("yearsLeftOut", integer()),
        ("months", period("month")),
        ("monthsLeftOut", integer()),
        ("tags", array(object([("id", integer()), ("name", text()), ("entryCount", integer())]))),
        ("tagsLeftOut", integer()),
    ])
}

/// Writes the first or the last entry.
fn dated(entry: &EntryItem) -> impl Json {
    json_text::object(|out| {
        out.member("id", entry.id.get());
        out.member("title", &entry.title);
        date(out, &entry.date);
    })
}

fn run(run: &Run) -> impl Json {
    json_text::object(|out| {
        out.member("days", run.days);
        out.member("from", run.first.to_string());
        out.member("to", run.last.to_string());
    })
}

/// Writes a year or a month, whose name is so many characters of a day in it.
fn period(name: &'static str, length: usize, period: &Period) -> impl Json {
    json_text::object(move |out| {
        out.member(name, &period.since.to_string()[..length]);
        out.member("entries", period.entries);
        out.member("days", period.days);
    })
}

fn used_tag(tag: &UsedTag) -> impl Json {
    json_text::object(|out| {
        out.member("id", tag.id.get());
        out.member("name", &tag.name);
        out.member("entryCount", tag.entry_count);
    })
}

pub(crate) fn tag(tag: &Tag) -> impl Json {
    json_text::object(|out| {
        out.member("id", tag.id.get());
        out.member("userId", tag.user_id.get());
        out.member("name", &tag.name);
        out.member("description", tag.description.as_ref());
        times(out, tag.created_at, tag.updated_at);
    })
}

pub(crate) fn tag_schema() -> Value {
    with_times(object([
        ("id", integer()),
        ("userId", integer()),
        ("name", text()),
        ("description", text_or_null()),
    ]))
}

/// Writes a tag as lists show it.
pub(crate) fn tag_item(tag: &TagItem) -> impl Json {
    json_text::object(|out| {
        out.member("id", tag.id.get());
        out.member("name", &tag.name);
        out.member("description", tag.description.as_ref());
        out.member("entryCount", tag.entry_count);
    })
}

pub(crate) fn tag_item_schema() -> Value {
    object([("id", integer()), ("name", text()), ("description", text_or_null()), ("entryCount", integer())])
}

/// Writes a tag as an entry shows it.
pub(crate) fn tag_name(tag: &TagName) -> impl Json {
    json_text::object(|out| {
        out.member("id", tag.id.get());
        out.member("name", &tag.name);
    })
}

/// Writes the link between an entry and a tag.
pub(crate) fn entry_tag(link: &EntryTag) -> impl Json {
    json_text::object(|out| {
        out.member("id", link.id);
        out.member("userId", link.user_id.get());
        out.member("entryId", link.entry_id.get());
        out.member("tagId", link.tag_id.get());
        times(out, link.created_at, link.created_at);
    })
}

pub(crate) fn entry_tag_schema() -> Value {
    with_times(object(["id", "userId", "entryId", "tagId"].map(|name| (name, integer()))))
}

/// Writes the date of an entry: the day, and the same day with the time if that is known.
fn date(out: &mut Object, date: &EntryDate) {
    out.member("date", date.day);
    out.member("dateTime", date.time.as_ref().map(EntryTime::as_str));
}

/// Writes when a row was made and last changed, each as a number and as a text (UTC). Programs read the numbers, as
/// they always have; a model that is given a number of seconds has to compute the date, and often errs.
fn times(out: &mut Object, created_at: Timestamp, updated_at: Timestamp) {
    out.member("createdAt", created_at.0);
    out.member("updatedAt", updated_at.0);
    out.member("createdDateTime", format_args!("{created_at}"));
    out.member("updatedDateTime", format_args!("{updated_at}"));
}

/// Adds the members that [`times`] writes to the schema of an object.
fn with_times(mut schema: Value) -> Value {
    let times = [
        ("createdAt", integer()),
        ("updatedAt", integer()),
        ("createdDateTime", text()),
        ("updatedDateTime", text()),
    ];
    add_members(&mut schema, times);
    schema
}

/// Adds members to the schema of an object, all of which it has.
fn add_members<const N: usize>(schema: &mut Value, members: [(&'static str, Value); N]) {
    for (name, kind) in members {
        schema["properties"][name] = kind;
        if let Value::Array(required) = &mut schema["required"] {
            required.push(name.into());
        }
    }
}

/// Writes a page of a list: each of its items by `item` under `name`, the total, and the cursor if there is a next
/// page. On the last page the cursor is left out, because it must not be `null` (2025-11-25 pagination, Response
/// Format).
pub(crate) fn page<'p, T, J: Json>(
    name: &'static str,
    page: &'p Page<T>,
    item: fn(&'p T) -> J,
) -> impl Json + use<'p, T, J> {
    json_text::object(move |out| {
        out.member(name, json_text::array(page.items.iter().map(item)));
        out.member("total", page.total);
        if let Some(next) = &page.next {
            out.member("nextCursor", next);
        }
    })
}

/// Writes the schema of a [`page`] of `item`s.
pub(crate) fn page_schema(name: &'static str, item: Value) -> Value {
    let mut page = object([(name, array(item)), ("total", integer())]);
    page["properties"]["nextCursor"] = text();
    page
}

/// Writes what became of a delete: the row as it was, under `name`. If it wasn't deleted, `reason` says why: a program
/// that reads the data alone doesn't see the sentence beside it.
pub(crate) fn deletion(name: &'static str, row: impl Json, reason: Option<&str>) -> impl Json {
    json_text::object(move |out| {
        out.member("success", reason.is_none());
        out.member(name, &row);
        if let Some(reason) = reason {
            out.member("reason", reason);
        }
    })
}

pub(crate) fn deletion_schema(name: &'static str, row: Value) -> Value {
    let mut deletion = object([("success", boolean()), (name, row)]);
    deletion["properties"]["reason"] = text();
    deletion
}

/// Writes what became of a merge of two tags, both as they were, and how many entries have the one that stays. If they
/// weren't merged, `reason` says why.
pub(crate) fn merge(both: &Merge, entry_count: usize, reason: Option<&str>) -> impl Json {
    json_text::object(move |out| {
        out.member("success", reason.is_none());
        out.member("from", tag(&both.from));
        out.member("into", tag(&both.into));
        out.member("entryCount", entry_count as i64);
        if let Some(reason) = reason {
            out.member("reason", reason);
        }
    })
}

pub(crate) fn merge_schema() -> Value {
    let mut merge = object([
        ("success", boolean()),
        ("from", tag_schema()),
        ("into", tag_schema()),
        ("entryCount", integer()),
    ]);
    merge["properties"]["reason"] = text();
    merge
}

/// Writes the schema of an object that has all these members. Further members are allowed, so that a later version of
/// this server can add one without breaking a client that keeps this schema.
pub(crate) fn object<const N: usize>(members: [(&'static str, Value); N]) -> Value {
    let required = members.each_ref().map(|(name, _)| *name).to_vec();
    let properties: Map<_, _> = members.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

pub(crate) fn boolean() -> Value {
    json!({ "type": "boolean" })
}

pub(crate) fn array(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

pub(crate) fn text() -> Value {
    json!({ "type": "string" })
}

fn integer() -> Value {
    json!({ "type": "integer" })
}

/// Writes the schema of a label that is 0 or 1. It has no `enum`, which Gemini's API takes for texts alone.
pub(crate) fn flag() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": 1 })
}

/// Writes `anyOf`, since some clients read `type` as one word.
fn text_or_null() -> Value {
    or_null(text())
}

fn or_null(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}
