//! Which entries a list or a search shows, and where a list begins to read.
//!
//! Names no tool, and no JSON but that in which SQLite takes a list of ids. Invariant: a list begins at the smallest
//! known set of rows that holds all of its entries, in an index that has the order of the list, and its total is read
//! where the person's counts have it.
//!
//! A statement whose text is built from the fields in use would have hundreds of forms, each parsed and planned anew.
//! So one condition, [`FILTER_SQL`], tests every field on a row that was found, and only the beginning of the statement
//! depends on the filter: there is one for each [`Source`]. `INDEXED BY` names the index, so SQLite refuses a statement
//! that can't begin there instead of choosing another beginning.

use std::collections::BTreeSet;

use rusqlite::ToSql;

use super::encoding::Encoding;
use super::rows::OwnedRows;
use super::{FilterEnd, JournalError};
use crate::dates;
use crate::ids::TagId;

/// Which entries a list or search shows. A field that is `None`, or an empty `tag_ids`, leaves out no entry.
#[derive(Default)]
pub(crate) struct Filter {
    pub(crate) tag_ids: Vec<TagId>,
    /// Whether an entry must have all of [`Filter::tag_ids`], instead of any of them.
    pub(crate) all_tags: bool,
    /// Only entries made at or after this date-time, or after the beginning of this date (UTC).
    pub(crate) from: Option<String>,
    /// Only entries made at or before this date-time, or before the end of this date (UTC).
    pub(crate) to: Option<String>,
    // The three labels are compared without regard to the case of ASCII letters: SQLite's NOCASE treats É and é as
    // different.
    pub(crate) mood: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) weather: Option<String>,
    pub(crate) is_private: Option<bool>,
    pub(crate) is_favorite: Option<bool>,
}

impl Filter {
    /// Adds every field of the filter, because a cursor is valid only for the filter that it was made with.
    pub(super) fn encode(&self, encoding: &mut Encoding) {
        // The pattern names every field, so that this doesn't compile when the filter gets a new field that isn't
        // encoded. A field that is missing here would let a cursor pass for a list that it doesn't belong to, and
        // entries would be skipped without an error.
        let Filter { tag_ids, all_tags, from, to, mood, location, weather, is_private, is_favorite } = self;
        encoding.number(tag_ids.len() as i64);
        for tag_id in tag_ids {
            encoding.number(tag_id.get());
        }
        encoding.flag(*all_tags);
        for text in [from, to, mood, location, weather] {
            encoding.optional(text.as_deref(), Encoding::text);
        }
        for label in [is_private, is_favorite] {
            encoding.optional(*label, Encoding::flag);
        }
    }
}

/// The condition of a [`Filter`] on `e`, an entry, but for its dates, with the parameters `?1` (the person) to `?10`.
/// An entry passes if it has at least `?2` of the tags `?3`: one of them, or all.
pub(super) const FILTER_SQL: &str = "e.user_id = ?1
    AND (?2 = 0 OR ?2 <= (
        SELECT count(*) FROM entry_tags l INDEXED BY entry_tags_entry
        WHERE l.user_id = ?1 AND l.entry_id = e.id AND l.tag_id IN (SELECT value FROM json_each(?3))))
    AND (?6 IS NULL OR e.mood = ?6 COLLATE NOCASE)
    AND (?7 IS NULL OR e.location = ?7 COLLATE NOCASE)
    AND (?8 IS NULL OR e.weather = ?8 COLLATE NOCASE)
    AND (?9 IS NULL OR e.is_private = ?9)
    AND (?10 IS NULL OR e.is_favorite = ?10)";

/// A [`Filter`] as the parameters `?2` to `?10`: those of [`FILTER_SQL`], and its dates as `?4` and `?5`.
pub(super) struct FilterValues<'f> {
    filter: &'f Filter,
    /// How many of the filter's tags an entry must have.
    tags_needed: i64,
    /// The ids of the tags as a JSON array, for `json_each`: a parameter of SQL holds one value and not a list.
    tag_ids: String,
    /// The first and the last second in which an entry may have been made. Without a `from` or `to` it is the
    /// smallest or largest number and not NULL, so that SQLite can use both as the ends of a range in the index.
    first: i64,
    pub(super) last: i64,
}

/// Where a list begins to read. Each begins at an index that has the order of the list, except [`Source::Tagged`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// All entries of the person.
    Newest,
    Mood,
    Location,
    Weather,
    Favorite,
    Public,
    /// The links of one tag: the first of `?3`.
    Tag,
    /// The links of several tags, any of which is enough. An entry may have more than one of them, so the entries are
    /// gathered and sorted.
    Tagged,
}

/// The beginning of a list, and what is known of it before a row is read.
pub(super) struct Start {
    pub(super) source: Source,
    /// How many rows the source has. None of them, and the list is empty.
    pub(super) rows: i64,
    /// How many entries pass the filter, if the counts say so.
    pub(super) total: Option<i64>,
}

impl Source {
    /// Returns what a statement has behind FROM, up to its first condition, and the entry's date and id as the source
    /// has them: a comparison of these with a position, and an order by them, use the source's index.
    pub(super) fn sql(self) -> (&'static str, &'static str, &'static str) {
        let (date, id) = ("e.created_at", "e.id");
        match self {
            Source::Newest => ("entries e INDEXED BY entries_newest WHERE", date, id),
            Source::Mood => {
                ("entries e INDEXED BY entries_mood WHERE e.mood = ?6 COLLATE NOCASE AND", date, id)
            }
            Source::Location => {
                ("entries e INDEXED BY entries_location WHERE e.location = ?7 COLLATE NOCASE AND", date, id)
            }
            Source::Weather => {
                ("entries e INDEXED BY entries_weather WHERE e.weather = ?8 COLLATE NOCASE AND", date, id)
            }
            Source::Favorite => {
                ("entries e INDEXED BY entries_favorite WHERE e.is_favorite = 1 AND", date, id)
            }
            Source::Public => ("entries e INDEXED BY entries_public WHERE e.is_private = 0 AND", date, id),
            Source::Tag => (
                "entry_tags s INDEXED BY entry_tags_tag CROSS JOIN entries e ON e.id = s.entry_id
                 WHERE s.user_id = ?1 AND s.tag_id = json_extract(?3, '$[0]') AND",
                "s.entry_created_at",
                "s.entry_id",
            ),
            Source::Tagged => (
                // By their ids and no other index, so that SQLite doesn't walk over all entries of the person.
                "entries e NOT INDEXED WHERE e.id IN (
                     SELECT l.entry_id FROM entry_tags l
                     WHERE l.user_id = ?1 AND l.tag_id IN (SELECT value FROM json_each(?3))) AND",
                date,
                id,
            ),
        }
    }
}

impl<'f> FilterValues<'f> {
    /// Makes the parameters; fails if one of the dates can't be read. SQLite's own date functions would return NULL
    /// for such a date, and the client would get an empty list instead of an error.
    pub(super) fn of(filter: &'f Filter) -> Result<FilterValues<'f>, JournalError> {
        // An id that comes twice counts once: an entry has at most one link to a tag, so it couldn't have both.
        let tag_ids: BTreeSet<_> = filter.tag_ids.iter().copied().collect();
        let tags_needed = if filter.all_tags { tag_ids.len() as i64 } else { i64::from(!tag_ids.is_empty()) };
        let period = |end, text: &str| {
            dates::read(text).map_err(|_| JournalError::BadDate { end, text: text.to_owned() })
        };
        let from = filter.from.as_deref().map(|text| period(FilterEnd::From, text)).transpose()?;
        let to = filter.to.as_deref().map(|text| period(FilterEnd::To, text)).transpose()?;
        Ok(FilterValues {
            filter,
            tags_needed,
            tag_ids: json_array(tag_ids),
            first: from.map_or(i64::MIN, |period| period.first.0),
            last: to.map_or(i64::MAX, |period| period.last.0),
        })
    }

    /// Returns the parameters in the order of their numbers.
    pub(super) fn parameters(&self) -> [&dyn ToSql; 9] {
        let Filter { mood, location, weather, is_private, is_favorite, .. } = self.filter;
        let FilterValues { tags_needed, tag_ids, first, last, .. } = self;
        [tags_needed, tag_ids, first, last, mood, location, weather, is_private, is_favorite]
    }

    /// Chooses where the list of this filter begins: at the fields of the filter that the fewest entries have. Changes
    /// the parameters for the tags to what the source leaves to be tested.
    pub(super) fn start(&mut self, own: &OwnedRows) -> Result<Start, JournalError> {
        let Filter { tag_ids, all_tags, mood, location, weather, is_private, is_favorite, .. } = self.filter;
        let entries = own.count("entries", "")?;
        let mut sources = vec![(entries, Source::Newest)];
        // How many entries the one field lets pass that was looked at last, and how many fields there are.
        let (mut passing, mut fields) = (Some(entries), 0);
        for (label, kind, source) in [
            (mood, "mood", Source::Mood),
            (location, "location", Source::Location),
            (weather, "weather", Source::Weather),
        ] {
            if let Some(label) = label {
                let rows = own.count(kind, label)?;
                sources.push((rows, source));
                (passing, fields) = (Some(rows), fields + 1);
            }
        }
        // The source of each of the two is the rarer label; the count of the other is what is left.
        for (label, kind, source, counted) in
            [(is_favorite, "favorite", Source::Favorite, true), (is_private, "public", Source::Public, false)]
        {
            if let Some(label) = label {
                let rows = own.count(kind, "")?;
                let is_counted = *label == counted;
                if is_counted {
                    sources.push((rows, source));
                }
                (passing, fields) = (Some(if is_counted { rows } else { entries - rows }), fields + 1);
            }
        }
        let mut tags = Vec::new();
        for id in tag_ids.iter().copied().collect::<BTreeSet<_>>() {
            tags.push((own.count("tag", &id.to_string())?, id));
        }
        if !tags.is_empty() {
            // The rarest comes first, where [`Source::Tag`] finds it.
            tags.sort_by_key(|(rows, _)| *rows);
            self.tag_ids = json_array(tags.iter().map(|(_, id)| *id));
            let is_one = tags.len() == 1;
            if is_one || *all_tags {
                sources.push((tags[0].0, Source::Tag));
                passing = is_one.then_some(tags[0].0);
            } else {
                sources.push((tags.iter().map(|(rows, _)| rows).sum(), Source::Tagged));
                passing = None;
            }
            fields += 1;
        }
        // The last of equals: any of them is as good as the walk over all entries, and has one condition less to test.
        let (rows, source) =
            sources.into_iter().rev().min_by_key(|(rows, _)| *rows).unwrap_or((0, Source::Newest));
        if source == Source::Tagged || source == Source::Tag && tags.len() == 1 {
            self.tags_needed = 0;
        }
        let is_open = (self.first, self.last) == (i64::MIN, i64::MAX);
        let total = passing.filter(|_| fields <= 1 && is_open);
        Ok(Start { source, rows, total: if rows == 0 { Some(0) } else { total } })
    }
}

fn json_array(ids: impl IntoIterator<Item = TagId>) -> String {
    let ids: Vec<_> = ids.into_iter().map(|id| id.to_string()).collect();
    format!("[{}]", ids.join(","))
}
