-- Version 4: what a list shows of one person takes no walk over all of their rows, and the search index is filled once
-- a commit.

-- How many rows of each kind a person has, so that the total of a list is read and not counted. `value` says which of
-- them: the label's text, or the id of the tag; it is empty where there is one number only. Triggers keep the numbers
-- in the transaction that changes the rows, also when a foreign key deletes rows, so a number never differs from its
-- rows.
--
-- Favorites and public entries are counted, and not their opposites: most entries are neither, and a count that isn't
-- kept costs a new entry nothing. `value` is compared as the filter compares labels, without regard to the case of
-- ASCII letters.
CREATE TABLE journal_counts (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind    TEXT NOT NULL
        CHECK (kind IN ('entries', 'favorite', 'location', 'mood', 'public', 'tag', 'tags', 'weather')),
    value   TEXT NOT NULL COLLATE NOCASE,
    number  INTEGER NOT NULL,
    PRIMARY KEY (user_id, kind, value)
) STRICT, WITHOUT ROWID;

INSERT INTO journal_counts SELECT user_id, 'entries', '', count(*) FROM entries GROUP BY user_id;
INSERT INTO journal_counts SELECT user_id, 'favorite', '', count(*) FROM entries WHERE is_favorite = 1 GROUP BY user_id;
INSERT INTO journal_counts SELECT user_id, 'public', '', count(*) FROM entries WHERE is_private = 0 GROUP BY user_id;
INSERT INTO journal_counts SELECT user_id, 'mood', mood, count(*) FROM entries
    WHERE mood IS NOT NULL GROUP BY user_id, mood COLLATE NOCASE;
INSERT INTO journal_counts SELECT user_id, 'location', location, count(*) FROM entries
    WHERE location IS NOT NULL GROUP BY user_id, location COLLATE NOCASE;
INSERT INTO journal_counts SELECT user_id, 'weather', weather, count(*) FROM entries
    WHERE weather IS NOT NULL GROUP BY user_id, weather COLLATE NOCASE;
INSERT INTO journal_counts SELECT user_id, 'tags', '', count(*) FROM tags GROUP BY user_id;
INSERT INTO journal_counts SELECT user_id, 'tag', CAST(tag_id AS TEXT), count(*) FROM entry_tags GROUP BY user_id, tag_id;

CREATE TRIGGER entries_count_insert AFTER INSERT ON entries BEGIN
    INSERT INTO journal_counts VALUES (new.user_id, 'entries', '', 1)
        ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER entries_count_delete AFTER DELETE ON entries BEGIN
    UPDATE journal_counts SET number = number - 1 WHERE user_id = old.user_id AND kind = 'entries' AND value = '';
END;
CREATE TRIGGER tags_count_insert AFTER INSERT ON tags BEGIN
    INSERT INTO journal_counts VALUES (new.user_id, 'tags', '', 1)
        ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER tags_count_delete AFTER DELETE ON tags BEGIN
    UPDATE journal_counts SET number = number - 1 WHERE user_id = old.user_id AND kind = 'tags' AND value = '';
END;

-- Each of the other numbers belongs to a value that comes and goes, so a row is deleted with the last that it counts.
CREATE TRIGGER entry_tags_count_insert AFTER INSERT ON entry_tags BEGIN
    INSERT INTO journal_counts VALUES (new.user_id, 'tag', CAST(new.tag_id AS TEXT), 1)
        ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER entry_tags_count_delete AFTER DELETE ON entry_tags BEGIN
    UPDATE journal_counts SET number = number - 1
        WHERE user_id = old.user_id AND kind = 'tag' AND value = CAST(old.tag_id AS TEXT);
    DELETE FROM journal_counts
        WHERE user_id = old.user_id AND kind = 'tag' AND value = CAST(old.tag_id AS TEXT) AND number = 0;
END;
CREATE TRIGGER entries_mood_insert AFTER INSERT ON entries WHEN new.mood IS NOT NULL BEGIN
    INSERT INTO journal_counts VALUES (new.user_id, 'mood', new.mood, 1)
        ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER entries_mood_delete AFTER DELETE ON entries WHEN old.mood IS NOT NULL BEGIN
    UPDATE journal_counts SET number = number - 1
        WHERE user_id = old.user_id AND kind = 'mood' AND value = old.mood;
    DELETE FROM journal_counts
        WHERE user_id = old.user_id AND kind = 'mood' AND value = old.mood AND number = 0;
END;
CREATE TRIGGER entries_mood_update AFTER UPDATE OF mood ON entries WHEN new.mood IS NOT old.mood BEGIN
    UPDATE journal_counts SET number = number - 1
        WHERE user_id = old.user_id AND kind = 'mood' AND value = old.mood;
    DELETE FROM journal_counts
        WHERE user_id = old.user_id AND kind = 'mood' AND value = old.mood AND number = 0;
    INSERT INTO journal_counts SELECT new.user_id, 'mood', new.mood, 1 WHERE new.mood IS NOT NULL
        ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER entries_location_insert AFTER INSERT ON entries WHEN new.location IS NOT NULL BEGIN
    INSERT INTO journal_counts VALUES (new.user_id, 'location', new.location, 1)
        ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER entries_location_delete AFTER DELETE ON entries WHEN old.location IS NOT NULL BEGIN
    UPDATE journal_counts SET number = number - 1
        WHERE user_id = old.user_id AND kind = 'location' AND value = old.location;
    DELETE FROM journal_counts
        WHERE user_id = old.user_id AND kind = 'location' AND value = old.location AND number = 0;
END;
CREATE TRIGGER entries_location_update AFTER UPDATE OF location ON entries WHEN new.location IS NOT old.location BEGIN
    UPDATE journal_counts SET number = number - 1
        WHERE user_id = old.user_id AND kind = 'location' AND value = old.location;
    DELETE FROM journal_counts
        WHERE user_id = old.user_id AND kind = 'location' AND value = old.location AND number = 0;
    INSERT INTO journal_counts SELECT new.user_id, 'location', new.location, 1 WHERE new.location IS NOT NULL
        ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER entries_weather_insert AFTER INSERT ON entries WHEN new.weather IS NOT NULL BEGIN
    INSERT INTO journal_counts VALUES (new.user_id, 'weather', new.weather, 1)
        ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER entries_weather_delete AFTER DELETE ON entries WHEN old.weather IS NOT NULL BEGIN
    UPDATE journal_counts SET number = number - 1
        WHERE user_id = old.user_id AND kind = 'weather' AND value = old.weather;
    DELETE FROM journal_counts
        WHERE user_id = old.user_id AND kind = 'weather' AND value = old.weather AND number = 0;
END;
CREATE TRIGGER entries_weather_update AFTER UPDATE OF weather ON entries WHEN new.weather IS NOT old.weather BEGIN
    UPDATE journal_counts SET number = number - 1
        WHERE user_id = old.user_id AND kind = 'weather' AND value = old.weather;
    DELETE FROM journal_counts
        WHERE user_id = old.user_id AND kind = 'weather' AND value = old.weather AND number = 0;
    INSERT INTO journal_counts SELECT new.user_id, 'weather', new.weather, 1 WHERE new.weather IS NOT NULL
        ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER entries_favorite_insert AFTER INSERT ON entries WHEN new.is_favorite = 1 BEGIN
    INSERT INTO journal_counts VALUES (new.user_id, 'favorite', '', 1)
        ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER entries_favorite_delete AFTER DELETE ON entries WHEN old.is_favorite = 1 BEGIN
    UPDATE journal_counts SET number = number - 1 WHERE user_id = old.user_id AND kind = 'favorite' AND value = '';
END;
CREATE TRIGGER entries_favorite_update AFTER UPDATE OF is_favorite ON entries
    WHEN new.is_favorite <> old.is_favorite BEGIN
    INSERT INTO journal_counts VALUES (new.user_id, 'favorite', '', new.is_favorite)
        ON CONFLICT DO UPDATE SET number = number + new.is_favorite - old.is_favorite;
END;
CREATE TRIGGER entries_public_insert AFTER INSERT ON entries WHEN new.is_private = 0 BEGIN
    INSERT INTO journal_counts VALUES (new.user_id, 'public', '', 1)
        ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER entries_public_delete AFTER DELETE ON entries WHEN old.is_private = 0 BEGIN
    UPDATE journal_counts SET number = number - 1 WHERE user_id = old.user_id AND kind = 'public' AND value = '';
END;
CREATE TRIGGER entries_public_update AFTER UPDATE OF is_private ON entries
    WHEN new.is_private <> old.is_private BEGIN
    INSERT INTO journal_counts VALUES (new.user_id, 'public', '', 1 - new.is_private)
        ON CONFLICT DO UPDATE SET number = number + old.is_private - new.is_private;
END;

-- A list with a filter begins at one of these, and each has the order of the list. They hold only the entries that have
-- a label, so that the others cost nothing.
CREATE INDEX entries_mood ON entries (user_id, mood COLLATE NOCASE, created_at DESC, id DESC) WHERE mood IS NOT NULL;
CREATE INDEX entries_location ON entries (user_id, location COLLATE NOCASE, created_at DESC, id DESC)
    WHERE location IS NOT NULL;
CREATE INDEX entries_weather ON entries (user_id, weather COLLATE NOCASE, created_at DESC, id DESC)
    WHERE weather IS NOT NULL;
CREATE INDEX entries_favorite ON entries (user_id, created_at DESC, id DESC) WHERE is_favorite = 1;
CREATE INDEX entries_public ON entries (user_id, created_at DESC, id DESC) WHERE is_private = 0;

-- The entry's own date, so that a tag's links have the order of the lists. Triggers set it: the date of an entry hardly
-- ever changes.
ALTER TABLE entry_tags ADD COLUMN entry_created_at INTEGER;
UPDATE entry_tags SET entry_created_at = (SELECT created_at FROM entries WHERE entries.id = entry_tags.entry_id);
CREATE TRIGGER entry_tags_date_insert AFTER INSERT ON entry_tags BEGIN
    UPDATE entry_tags SET entry_created_at = (SELECT created_at FROM entries WHERE entries.id = new.entry_id)
        WHERE id = new.id;
END;
CREATE TRIGGER entry_tags_date_update AFTER UPDATE OF created_at ON entries BEGIN
    UPDATE entry_tags SET entry_created_at = new.created_at WHERE user_id = new.user_id AND entry_id = new.id;
END;
DROP INDEX entry_tags_tag;
CREATE INDEX entry_tags_tag ON entry_tags (user_id, tag_id, entry_created_at DESC, entry_id DESC);

-- The index is filled once for all writes of a commit (`src/search_index.rs`), and not by a trigger for each row. Here
-- the triggers note which entries have changed since, with the words that the index still has of them: FTS5 keeps no
-- copy, and must get them to remove them. An entry that the index doesn't have yet is noted without words. `bytes` is
-- the work that is left. After each commit the table is empty.
CREATE TABLE entries_unindexed (
    id         INTEGER PRIMARY KEY, -- the entry's
    is_indexed INTEGER NOT NULL CHECK (is_indexed IN (0, 1)),
    bytes      INTEGER NOT NULL, -- before the texts, so that it is read without them
    title      TEXT,
    content    TEXT,
    mood       TEXT,
    location   TEXT,
    weather    TEXT
) STRICT;
DROP TRIGGER entries_fts_insert;
DROP TRIGGER entries_fts_update;
DROP TRIGGER entries_fts_delete;
-- The casts have SQLite count bytes and not characters. A second change of an entry within one commit adds its work,
-- and leaves what the index has of the entry as it is.
CREATE TRIGGER entries_unindexed_insert AFTER INSERT ON entries BEGIN
    INSERT INTO entries_unindexed (id, is_indexed, bytes)
        VALUES (new.id, 0, length(CAST(new.title AS BLOB)) + length(CAST(new.content AS BLOB)))
        ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER entries_unindexed_update AFTER UPDATE OF title, content, mood, location, weather ON entries
    WHEN (new.title, new.content, new.mood, new.location, new.weather)
        IS NOT (old.title, old.content, old.mood, old.location, old.weather) BEGIN
    INSERT INTO entries_unindexed (id, is_indexed, title, content, mood, location, weather, bytes)
        VALUES (old.id, 1, old.title, old.content, old.mood, old.location, old.weather,
            length(CAST(old.title AS BLOB)) + length(CAST(old.content AS BLOB))
            + length(CAST(new.title AS BLOB)) + length(CAST(new.content AS BLOB)))
        ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER entries_unindexed_delete AFTER DELETE ON entries BEGIN
    INSERT INTO entries_unindexed (id, is_indexed, title, content, mood, location, weather, bytes)
        VALUES (old.id, 1, old.title, old.content, old.mood, old.location, old.weather,
            length(CAST(old.title AS BLOB)) + length(CAST(old.content AS BLOB)))
        ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
END;
-- FTS5 merges its pieces when so many are of one size. With more of them a commit merges less often.
INSERT INTO entries_fts (entries_fts, rank) VALUES ('automerge', 16);
INSERT INTO entries_fts (entries_fts, rank) VALUES ('crisismerge', 64);
