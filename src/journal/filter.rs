//! Which entries a list or a search shows, and where a list begins to read.
//!
//! Names no tool, and no JSON but that in which SQLite takes a list of ids. Invariant: a list begins at the smallest
//! known set of rows that holds all of its entries, in an index that has the order of the list, and its total is read
//! where the person's counts have it.
//!
//! A statement whose text is built from the fields in use would have hundreds of forms, each parsed and planned anew.
//! So one condition, [`FILTER_SQL`], tests every field on a row that was found, unless the filter has none, and only
//! the beginning of the statement depends on the filter: there is one for each [`Source`]. `INDEXED BY` names the
//! index, so SQLite refuses a statement that can't begin there instead of choosing another beginning.

use std::collections::BTreeSet;

use rusqlite::ToSql;

use super::encoding::Encoding;
use super::rows::OwnedRows;
use super::{FilterEnd, JournalError, tags};
use crate::clock::Timestamp;
use crate::dates::{Bound, Day};
use crate::ids::TagId;
use crate::terms;
use crate::zone::Zone;

/// Which entries a list or search shows. A field that is `None` or an empty list leaves out no entry.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) tag_ids: Vec<TagId>,
    /// Tags by their names, as `text::name` cleans them. No entry has a tag of a name that there isn't.
    pub(crate) tag_names: Vec<String>,
    /// Whether an entry must have all of [`Filter::tag_ids`] and [`Filter::tag_names`], instead of any of them.
    pub(crate) all_tags: bool,
    /// Only entries of this day and later ones; or, if it is a date-time, from this moment on.
    pub(crate) from: Option<String>,
    /// Only entries of this day and earlier ones; or, if it is a date-time, up to this moment.
    pub(crate) to: Option<String>,
    // The three labels are compared in their folded form: capitals, accents and widths don't count.
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
        let Filter {
            tag_ids,
            tag_names,
            all_tags,
            from,
            to,
            mood,
            location,
            weather,
            is_private,
            is_favorite,
        } = self;
        encoding.number(tag_ids.len() as i64);
        for tag_id in tag_ids {
            encoding.number(tag_id.get());
        }
        encoding.number(tag_names.len() as i64);
        for name in tag_names {
            encoding.text(name);
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

/// The condition of a [`Filter`] on `e`, an entry, but for the days `?4` and `?5`, with the parameters `?1` (the
/// person) to `?14`; it stands behind the comparison of the owner. An entry passes if it has at least `?2` of the tags
/// `?3`: one of them, or all. A moment is compared with that of the entry; an entry without a time is compared by its
/// day.
pub(super) const FILTER_SQL: &str = "AND (?2 = 0 OR ?2 <= (
        SELECT count(*) FROM entry_tags l NOT INDEXED
        WHERE l.user_id = ?1 AND l.entry_id = e.id AND l.tag_id IN (SELECT value FROM json_each(?3))))
    AND (?6 IS NULL OR e.mood_key = ?6)
    AND (?7 IS NULL OR e.location_key = ?7)
    AND (?8 IS NULL OR e.weather_key = ?8)
    AND (?9 IS NULL OR e.is_private = ?9)
    AND (?10 IS NULL OR e.is_favorite = ?10)
    AND (?11 IS NULL OR coalesce(e.instant >= ?11, e.date >= ?12))
    AND (?13 IS NULL OR coalesce(e.instant <= ?13, e.date <= ?14))";

/// Sorts before every day, and after it: the ends of a period that has none. They are texts and not NULL, so that
/// SQLite can use them as the ends of a range in the index.
pub(super) const BEFORE_ALL_DAYS: &str = "";
pub(super) const AFTER_ALL_DAYS: &str = "~";
/// The largest offset from UTC that a time may have, in seconds, and a little more.
const OFFSET_SECONDS_MAX: i64 = 15 * 60 * 60;

/// A [`Filter`] as the parameters `?2` to `?14`: those of [`FILTER_SQL`], and its days as `?4` and `?5`.
pub(super) struct FilterValues<'f> {
    filter: &'f Filter,
    /// The filter's tags, whether it gives their ids or their names.
    tags: BTreeSet<TagId>,
    /// Whether it gives a name that no tag has.
    names_unknown_tag: bool,
    /// How many of the filter's tags an entry must have. A name that no tag has counts too, so no entry has enough.
    tags_needed: i64,
    /// The ids of the tags as a JSON array, for `json_each`: a parameter of SQL holds one value and not a list.
    tag_ids: String,
    mood_key: Option<String>,
    location_key: Option<String>,
    weather_key: Option<String>,
    /// The first and the last day that an entry may have.
    pub(super) first_day: String,
    pub(super) last_day: String,
    /// A `from` and a `to` that are moments and not days, and the days that these belong to in the person's time zone.
    from: Option<i64>,
    from_day: Option<Day>,
    to: Option<i64>,
    to_day: Option<Day>,
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
    /// Returns what a statement has behind FROM, up to its first condition, and the entry's date, the time when it was
    /// made and its id as the source has them: a comparison of these with a position, and an order by them, use the
    /// source's index.
    pub(super) fn sql(self) -> (&'static str, &'static str, &'static str, &'static str) {
        let of_entry = |from| (from, "e.date", "e.created_at", "e.id");
        match self {
            Source::Newest => of_entry("entries e INDEXED BY entries_newest WHERE"),
            Source::Mood => of_entry("entries e INDEXED BY entries_mood WHERE e.mood_key = ?6 AND"),
            Source::Location => {
                of_entry("entries e INDEXED BY entries_location WHERE e.location_key = ?7 AND")
            }
            Source::Weather => of_entry("entries e INDEXED BY entries_weather WHERE e.weather_key = ?8 AND"),
            Source::Favorite => of_entry("entries e INDEXED BY entries_favorite WHERE e.is_favorite = 1 AND"),
            Source::Public => of_entry("entries e INDEXED BY entries_public WHERE e.is_private = 0 AND"),
            Source::Tag => (
                "entry_tags s INDEXED BY entry_tags_tag
                 CROSS JOIN entries e ON e.user_id = s.user_id AND e.id = s.entry_id
                 WHERE s.user_id = ?1 AND s.tag_id = json_extract(?3, '$[0]') AND",
                "s.entry_date",
                "s.entry_created_at",
                "s.entry_id",
            ),
            // The links come first, so that SQLite doesn't walk over all entries of the person.
            Source::Tagged => of_entry(
                "(SELECT DISTINCT l.entry_id FROM entry_tags l
                     WHERE l.user_id = ?1 AND l.tag_id IN (SELECT value FROM json_each(?3))) s
                 CROSS JOIN entries e ON e.user_id = ?1 AND e.id = s.entry_id WHERE",
            ),
        }
    }
}

impl<'f> FilterValues<'f> {
    /// Makes the parameters; fails if one of the dates can't be read. SQLite's own date functions would return NULL
    /// for such a date, and the client would get an empty list instead of an error.
    pub(super) fn of(filter: &'f Filter, own: &OwnedRows) -> Result<FilterValues<'f>, JournalError> {
        // An id that comes twice counts once: an entry has at most one link to a tag, so it couldn't have both.
        let mut tags: BTreeSet<_> = filter.tag_ids.iter().copied().collect();
        let mut unknown = BTreeSet::new();
        for name in &filter.tag_names {
            match tags::named_in(own, name)? {
                Some(id) => _ = tags.insert(id),
                None => _ = unknown.insert(name),
            }
        }
        let named = (tags.len() + unknown.len()) as i64;
        let tags_needed = if filter.all_tags { named } else { named.min(1) };
        let bound = |end, text: &str| {
            Bound::read(text).map_err(|_| JournalError::BadDate { end, text: text.to_owned() })
        };
        let (mut first_day, mut last_day) = (BEFORE_ALL_DAYS.to_owned(), AFTER_ALL_DAYS.to_owned());
        let (mut from, mut from_day, mut to, mut to_day) = (None, None, None, None);
        // The day of an entry is that of its own place. Around a moment there are places where it is the day before or
        // after that in UTC; these days are part of the range too, and the moment decides.
        let day_of = |instant: i64| Zone::utc().day_of(Timestamp(instant)).to_string();
        match filter.from.as_deref().map(|text| bound(FilterEnd::From, text)).transpose()? {
            Some(Bound::Day(day)) => first_day = day.to_string(),
            Some(Bound::Instant(instant)) => {
                first_day = day_of(instant.0 - OFFSET_SECONDS_MAX);
                (from, from_day) = (Some(instant.0), Some(own.zone()?.day_of(instant)));
            }
            None => {}
        }
        match filter.to.as_deref().map(|text| bound(FilterEnd::To, text)).transpose()? {
            Some(Bound::Day(day)) => last_day = day.to_string(),
            Some(Bound::Instant(instant)) => {
                last_day = day_of(instant.0 + OFFSET_SECONDS_MAX);
                (to, to_day) = (Some(instant.0), Some(own.zone()?.day_of(instant)));
            }
            None => {}
        }
        Ok(FilterValues {
            filter,
            tag_ids: json_array(tags.iter().copied()),
            tags,
            names_unknown_tag: !unknown.is_empty(),
            tags_needed,
            mood_key: label_key(&filter.mood),
            location_key: label_key(&filter.location),
            weather_key: label_key(&filter.weather),
            first_day,
            last_day,
            from,
            from_day,
            to,
            to_day,
        })
    }

    /// Returns [`FILTER_SQL`], or nothing if the filter has no field: most lists have none, and SQLite would find that
    /// out anew for each row.
    pub(super) fn condition(&self) -> &'static str {
        if *self.filter == Filter::default() { "" } else { FILTER_SQL }
    }

    /// Returns the parameters in the order of their numbers.
    pub(super) fn parameters(&self) -> [&dyn ToSql; 13] {
        let Filter { is_private, is_favorite, .. } = self.filter;
        let FilterValues { tags_needed, tag_ids, mood_key, location_key, weather_key, .. } = self;
        [
            tags_needed,
            tag_ids,
            &self.first_day,
            &self.last_day,
            mood_key,
            location_key,
            weather_key,
            is_private,
            is_favorite,
            &self.from,
            &self.from_day,
            &self.to,
            &self.to_day,
        ]
    }

    /// Chooses where the list of this filter begins: at the fields of the filter that the fewest entries have. Changes
    /// the parameters for the tags to what the source leaves to be tested.
    pub(super) fn start(&mut self, own: &OwnedRows) -> Result<Start, JournalError> {
        let Filter { all_tags, is_private, is_favorite, .. } = self.filter;
        let entries = own.count("entries", "")?;
        let mut sources = vec![(entries, Source::Newest)];
        // How many entries the one field lets pass that was looked at last, and how many fields there are.
        let (mut passing, mut fields) = (Some(entries), 0);
        for (label, kind, source) in [
            (&self.mood_key, "mood", Source::Mood),
            (&self.location_key, "location", Source::Location),
            (&self.weather_key, "weather", Source::Weather),
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
        for id in &self.tags {
            tags.push((own.count("tag", &id.to_string())?, *id));
        }
        if self.names_unknown_tag && (*all_tags || tags.is_empty()) {
            return Ok(Start { source: Source::Tagged, rows: 0, total: Some(0) });
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
        let is_open = (&self.first_day[..], &self.last_day[..]) == (BEFORE_ALL_DAYS, AFTER_ALL_DAYS);
        let total = match (fields, is_open) {
            (0 | 1, true) => passing,
            // Whole days are counted by day.
            (0, false) if self.from.is_none() && self.to.is_none() => {
                let sql = "SELECT coalesce(sum(number), 0) FROM journal_counts
                           WHERE user_id = ?1 AND kind = 'day' AND value >= ?2 AND value <= ?3";
                own.first(sql, &[&self.first_day, &self.last_day], |row| row.get(0))?
            }
            _ => None,
        };
        Ok(Start { source, rows, total: if rows == 0 { Some(0) } else { total } })
    }
}

/// Returns the form of a label by which it is compared.
pub(super) fn label_key(label: &Option<String>) -> Option<String> {
    label.as_deref().map(terms::fold)
}

fn json_array(ids: impl IntoIterator<Item = TagId>) -> String {
    let ids: Vec<_> = ids.into_iter().map(|id| id.to_string()).collect();
    format!("[{}]", ids.join(","))
}
