-- Version 5: a journal of days. An entry has a date of its own, ids count per person, the search index holds terms that
-- are made in Rust, and labels are compared by their folded form.
--
-- `schema_5.rs` does what SQL can't: it runs after this script and in the same transaction, and folds the labels and
-- the names of the tags. The search index is filled after that, piece by piece (`search_index.rs`).
--
-- The tables are made anew, because SQLite can't change a key. In the new table of the entries the texts come last: a
-- long row goes on in other pages, and SQLite reads these only for the columns that lie there.

-- The person's time zone, by its IANA name: it says which day it is for them.
ALTER TABLE users ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';

-- An entry is known to its owner by `id`, which counts their entries alone: otherwise the number of an entry would tell
-- how much other people write. `row_id` is the owner and this id in one number, 32 bits for each, and is shown to
-- nobody. It is the entry's place in the table and in the search index: so what one person has written lies together,
-- and a search or a list reads few pages, however many people write at the same time.
--
-- `date` is the day that the entry is about, as YYYY-MM-DD, which sorts as text. If the time is known, `date_time` is
-- the same day with the time and its offset (RFC 3339), and `instant` is the moment that this means, in Unix seconds.
--
-- The keys are the folded labels: capitals, accents and widths are the same in them (`terms.rs`).
CREATE TABLE entries_5 (
    row_id       INTEGER PRIMARY KEY,
    user_id      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id           INTEGER NOT NULL,
    date         TEXT NOT NULL,
    date_time    TEXT,
    instant      INTEGER,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    is_private   INTEGER NOT NULL DEFAULT 1 CHECK (is_private IN (0, 1)),
    is_favorite  INTEGER NOT NULL DEFAULT 0 CHECK (is_favorite IN (0, 1)),
    mood_key     TEXT,
    location_key TEXT,
    weather_key  TEXT,
    mood         TEXT,
    location     TEXT,
    weather      TEXT,
    title        TEXT NOT NULL,
    content      TEXT NOT NULL,
    UNIQUE (user_id, id),
    CHECK (row_id >> 32 = user_id AND row_id & 0xffffffff = id),
    CHECK ((date_time IS NULL) = (instant IS NULL)),
    CHECK ((mood IS NULL) = (mood_key IS NULL)),
    CHECK ((location IS NULL) = (location_key IS NULL)),
    CHECK ((weather IS NULL) = (weather_key IS NULL))
) STRICT;
INSERT INTO entries_5
    SELECT user_id << 32 | id, user_id, id, date(created_at, 'unixepoch'), NULL, NULL, created_at, updated_at, is_private, is_favorite,
        mood, location, weather, mood, location, weather, title, content
    FROM entries ORDER BY user_id, id;

CREATE TABLE tags_5 (
    user_id     INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id          INTEGER NOT NULL,
    name        TEXT NOT NULL,
    description TEXT,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, name)
) STRICT, WITHOUT ROWID;
INSERT INTO tags_5 SELECT user_id, id, name, description, created_at, updated_at FROM tags;

-- The last two columns are the entry's, so that the links of a tag have the order of the lists. A trigger sets them
-- when the entry gets another date.
CREATE TABLE entry_tags_5 (
    user_id          INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    entry_id         INTEGER NOT NULL,
    tag_id           INTEGER NOT NULL,
    id               INTEGER NOT NULL, -- of the link; it counts the links of the person
    created_at       INTEGER NOT NULL,
    entry_date       TEXT NOT NULL,
    entry_created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, entry_id, tag_id),
    FOREIGN KEY (user_id, entry_id) REFERENCES entries_5 (user_id, id) ON DELETE CASCADE,
    FOREIGN KEY (user_id, tag_id) REFERENCES tags_5 (user_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
INSERT INTO entry_tags_5
    SELECT l.user_id, l.entry_id, l.tag_id, l.id, l.created_at, e.date, e.created_at
    FROM entry_tags l JOIN entries_5 e ON e.user_id = l.user_id AND e.id = l.entry_id;

-- The old tables take their indexes and triggers with them. The links go first, so that no foreign key refers to a
-- table that is dropped.
DROP TABLE entries_fts;
DROP TABLE entries_unindexed;
DROP TABLE journal_counts;
DROP TABLE entry_tags;
DROP TABLE tags;
DROP TABLE entries;
ALTER TABLE entries_5 RENAME TO entries;
ALTER TABLE tags_5 RENAME TO tags;
ALTER TABLE entry_tags_5 RENAME TO entry_tags;

-- Lists show entries in the order of these indexes, so SQLite needs no sorting. A list with a filter begins at the one
-- of its field. Those of labels hold only the entries that have the label, so that the others cost nothing.
CREATE INDEX entries_newest ON entries (user_id, date DESC, created_at DESC, id DESC);
CREATE INDEX entries_mood ON entries (user_id, mood_key, date DESC, created_at DESC, id DESC)
    WHERE mood_key IS NOT NULL;
CREATE INDEX entries_location ON entries (user_id, location_key, date DESC, created_at DESC, id DESC)
    WHERE location_key IS NOT NULL;
CREATE INDEX entries_weather ON entries (user_id, weather_key, date DESC, created_at DESC, id DESC)
    WHERE weather_key IS NOT NULL;
CREATE INDEX entries_favorite ON entries (user_id, date DESC, created_at DESC, id DESC) WHERE is_favorite = 1;
CREATE INDEX entries_public ON entries (user_id, date DESC, created_at DESC, id DESC) WHERE is_private = 0;
CREATE INDEX entry_tags_tag ON entry_tags (user_id, tag_id, entry_date DESC, entry_created_at DESC, entry_id DESC);

CREATE TRIGGER entry_tags_date AFTER UPDATE OF date, created_at ON entries BEGIN
    UPDATE entry_tags SET entry_date = new.date, entry_created_at = new.created_at
        WHERE user_id = new.user_id AND entry_id = new.id;
END;

-- How many rows of each kind a person has, so that the total of a list is read and not counted. `value` says which of
-- them: the day, the folded label, or the id of the tag; it is empty where there is one number only. Triggers keep the
-- numbers in the transaction that changes the rows, also when a foreign key deletes rows, so a number never differs
-- from its rows. Each row here is deleted with the last that it counts.
--
-- Favorites and public entries are counted, and not their opposites: most entries are neither, and a count that isn't
-- kept costs a new entry nothing.
--
-- The kinds that begin with `last` count no rows: each number is the last id that was given. It never goes down.
-- Otherwise a new entry could get the id of a deleted one, and a deletion that a person still has to confirm would name
-- the new entry.
CREATE TABLE journal_counts (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind    TEXT NOT NULL CHECK (kind IN ('day', 'entries', 'favorite', 'last entry', 'last link', 'last tag',
                                          'location', 'mood', 'public', 'tag', 'tags', 'weather')),
    value   TEXT NOT NULL,
    number  INTEGER NOT NULL,
    PRIMARY KEY (user_id, kind, value)
) STRICT, WITHOUT ROWID;
INSERT INTO journal_counts SELECT user_id, 'entries', '', count(*) FROM entries GROUP BY user_id;
INSERT INTO journal_counts SELECT user_id, 'day', date, count(*) FROM entries GROUP BY user_id, date;
INSERT INTO journal_counts SELECT user_id, 'favorite', '', count(*) FROM entries WHERE is_favorite = 1 GROUP BY user_id;
INSERT INTO journal_counts SELECT user_id, 'public', '', count(*) FROM entries WHERE is_private = 0 GROUP BY user_id;
INSERT INTO journal_counts SELECT user_id, 'mood', mood_key, count(*) FROM entries
    WHERE mood_key IS NOT NULL GROUP BY user_id, mood_key;
INSERT INTO journal_counts SELECT user_id, 'location', location_key, count(*) FROM entries
    WHERE location_key IS NOT NULL GROUP BY user_id, location_key;
INSERT INTO journal_counts SELECT user_id, 'weather', weather_key, count(*) FROM entries
    WHERE weather_key IS NOT NULL GROUP BY user_id, weather_key;
INSERT INTO journal_counts SELECT user_id, 'tags', '', count(*) FROM tags GROUP BY user_id;
INSERT INTO journal_counts SELECT user_id, 'tag', CAST(tag_id AS TEXT), count(*) FROM entry_tags GROUP BY user_id, tag_id;
INSERT INTO journal_counts SELECT user_id, 'last entry', '', max(id) FROM entries GROUP BY user_id;
INSERT INTO journal_counts SELECT user_id, 'last tag', '', max(id) FROM tags GROUP BY user_id;
INSERT INTO journal_counts SELECT user_id, 'last link', '', max(id) FROM entry_tags GROUP BY user_id;

CREATE TRIGGER journal_counts_gone AFTER UPDATE OF number ON journal_counts WHEN new.number = 0 BEGIN
    DELETE FROM journal_counts WHERE user_id = new.user_id AND kind = new.kind AND value = new.value;
END;

-- A new row adds one to each of its counts, and a row that goes takes one away. The list of these counts is the same in
-- all triggers of a table; a count whose value is NULL isn't kept.
CREATE TRIGGER entries_count_insert AFTER INSERT ON entries BEGIN
    INSERT INTO journal_counts
        SELECT new.user_id, column1, column2, 1 FROM (VALUES
            ('entries', ''), ('day', new.date), ('mood', new.mood_key), ('location', new.location_key),
            ('weather', new.weather_key), ('favorite', iif(new.is_favorite, '', NULL)),
            ('public', iif(new.is_private, NULL, '')))
        WHERE column2 IS NOT NULL
        ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER entries_count_delete AFTER DELETE ON entries BEGIN
    INSERT INTO journal_counts
        SELECT old.user_id, column1, column2, -1 FROM (VALUES
            ('entries', ''), ('day', old.date), ('mood', old.mood_key), ('location', old.location_key),
            ('weather', old.weather_key), ('favorite', iif(old.is_favorite, '', NULL)),
            ('public', iif(old.is_private, NULL, '')))
        WHERE column2 IS NOT NULL
        ON CONFLICT DO UPDATE SET number = number - 1;
END;
CREATE TRIGGER entries_count_update
    AFTER UPDATE OF date, mood_key, location_key, weather_key, is_favorite, is_private ON entries
    WHEN (new.date, new.mood_key, new.location_key, new.weather_key, new.is_favorite, new.is_private)
        IS NOT (old.date, old.mood_key, old.location_key, old.weather_key, old.is_favorite, old.is_private) BEGIN
    INSERT INTO journal_counts
        SELECT new.user_id, column1, column2, 1 FROM (VALUES
            ('entries', ''), ('day', new.date), ('mood', new.mood_key), ('location', new.location_key),
            ('weather', new.weather_key), ('favorite', iif(new.is_favorite, '', NULL)),
            ('public', iif(new.is_private, NULL, '')))
        WHERE column2 IS NOT NULL
        ON CONFLICT DO UPDATE SET number = number + 1;
    INSERT INTO journal_counts
        SELECT old.user_id, column1, column2, -1 FROM (VALUES
            ('entries', ''), ('day', old.date), ('mood', old.mood_key), ('location', old.location_key),
            ('weather', old.weather_key), ('favorite', iif(old.is_favorite, '', NULL)),
            ('public', iif(old.is_private, NULL, '')))
        WHERE column2 IS NOT NULL
        ON CONFLICT DO UPDATE SET number = number - 1;
END;
CREATE TRIGGER tags_count_insert AFTER INSERT ON tags BEGIN
    INSERT INTO journal_counts VALUES (new.user_id, 'tags', '', 1) ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER tags_count_delete AFTER DELETE ON tags BEGIN
    UPDATE journal_counts SET number = number - 1 WHERE user_id = old.user_id AND kind = 'tags' AND value = '';
END;
CREATE TRIGGER entry_tags_count_insert AFTER INSERT ON entry_tags BEGIN
    INSERT INTO journal_counts VALUES (new.user_id, 'tag', CAST(new.tag_id AS TEXT), 1)
        ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER entry_tags_count_delete AFTER DELETE ON entry_tags BEGIN
    UPDATE journal_counts SET number = number - 1
        WHERE user_id = old.user_id AND kind = 'tag' AND value = CAST(old.tag_id AS TEXT);
END;

-- The search index. It holds no text: `search_index.rs` cuts each text into terms, puts the owner in front of each, and
-- joins them by blanks. So FTS5 has only to cut at blanks, which its simplest tokenizer does, if it takes what else of
-- ASCII a term may have for letters. A row can be deleted without the words that it was made of (`contentless_delete`).
--
-- FTS5 merges its pieces when so many are of one size. With more of them a commit merges less often.
CREATE VIRTUAL TABLE search_index USING fts5 (
    title, content, mood, location, weather,
    content = '', contentless_delete = 1, tokenize = 'ascii tokenchars '':+=<>$#@&%'''
);
INSERT INTO search_index (search_index, rank) VALUES ('automerge', 16);
INSERT INTO search_index (search_index, rank) VALUES ('crisismerge', 64);

-- The second factor of a person who has switched one on: the secret that their authenticator app has too, by which both
-- compute the codes of RFC 6238. The server must be able to read it, so it isn't hashed; the key that could encrypt it
-- would stand in the same file. A person who is about to switch it on has no row.
--
-- `last_step` is the step of time of the last code that was taken: neither that code nor an earlier one is taken again.
-- `wrong_codes` counts the wrong codes since the last right one.
CREATE TABLE second_factors (
    user_id     INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    secret      BLOB NOT NULL CHECK (length(secret) = 20),
    last_step   INTEGER NOT NULL,
    wrong_codes INTEGER NOT NULL DEFAULT 0,
    created_at  INTEGER NOT NULL
) STRICT;

-- The recovery codes that are left, by their SHA-256. Each is deleted with its use.
CREATE TABLE recovery_codes (
    user_id INTEGER NOT NULL REFERENCES second_factors (user_id) ON DELETE CASCADE,
    hash    BLOB NOT NULL,
    PRIMARY KEY (user_id, hash)
) STRICT, WITHOUT ROWID;

-- What happened to a person's account, for their own eyes: `activity.rs` lists the kinds. `id` counts those of the
-- person. The address is empty for what the operator did on the command line. Wrong passwords in a row are one row.
CREATE TABLE activity (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id      INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    subject TEXT NOT NULL, -- the name of a program, the label of a token, or what is known of a browser
    address TEXT NOT NULL,
    times   INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;

-- By these a person recognizes a browser in which they are signed in. Of those that are signed in already nothing is
-- known but the time.
ALTER TABLE browsers ADD COLUMN seen_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE browsers ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE browsers ADD COLUMN description TEXT NOT NULL DEFAULT '';
UPDATE browsers SET seen_at = created_at;

-- The tokens from the command line that the account page lists; those of grants are many more.
CREATE INDEX tokens_operator ON tokens (user_id) WHERE grant_id IS NULL;
