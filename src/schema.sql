-- Version 1 of the file: the journal, people and tokens. Timestamps are Unix seconds.
--
-- Every row of the journal has its owner's id, and a link between an entry and a tag uses foreign keys over (user_id,
-- id): it can't join rows of two people.
--
-- After its publication this script must not be edited, except for comments between the statements: existing
-- databases were made by the old text, and `store/migrations.rs` doesn't run the script again for them. SQLite keeps
-- the text of each CREATE statement, so a comment inside of a statement is part of the schema.
--
-- STRICT: SQLite refuses a value of another type than the column's. Without it SQLite would store the text 'yes' as a
-- timestamp, and the mistake would show only when the row is read.

-- Which steps the database file has taken, for people who look into it. The program uses `user_version` in the
-- header.
CREATE TABLE schema_versions (
    version    INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

-- Values that the server keeps about itself; `settings.rs` lists them.
CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- People. An address is unique without regard to case, so that Ada@example.com and ada@example.com can't be two
-- people. AUTOINCREMENT, here and below: otherwise SQLite would give the highest id again after its row was deleted.
-- Then a deletion of the old row that a person still has to confirm would name a new row.
CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    email         TEXT NOT NULL COLLATE NOCASE UNIQUE,
    password_hash TEXT NOT NULL, -- Argon2id, PHC form
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;

-- Access tokens. The gate finds one by its hash, which UNIQUE also gives an index. A revoked token keeps its row: the
-- operator's list shows the token, and `epicme explain` can say why the gate refuses it.
CREATE TABLE tokens (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    hash       BLOB NOT NULL UNIQUE, -- SHA-256 of the token, which is stored nowhere
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    resource   TEXT NOT NULL, -- the audience: the resource identifier it was made for
    scope      TEXT NOT NULL,
    label      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
-- Every foreign key below has an index on its own columns. SQLite requires an index on the columns that a key refers
-- to, but makes none on the columns that refer: without it, SQLite would read the whole of each referring table to
-- delete one row.
CREATE INDEX tokens_user ON tokens (user_id);

-- UNIQUE (user_id, id) looks superfluous, since `id` alone is unique. A foreign key over both columns needs it:
-- SQLite accepts as its target only columns that have a unique index together.
CREATE TABLE entries (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id     INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    title       TEXT NOT NULL,
    content     TEXT NOT NULL,
    mood        TEXT,
    location    TEXT,
    weather     TEXT,
    is_private  INTEGER NOT NULL DEFAULT 1 CHECK (is_private IN (0, 1)),
    is_favorite INTEGER NOT NULL DEFAULT 0 CHECK (is_favorite IN (0, 1)),
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    UNIQUE (user_id, id)
) STRICT;
-- Lists show entries in the order of this index, so SQLite needs no sorting.
CREATE INDEX entries_newest ON entries (user_id, created_at DESC, id DESC);

-- A tag's name is compared byte by byte: `Work` and `work` are two tags. The name is unique only among the tags of
-- its owner: if it were unique among those of all people, a refused name would tell a person which tags others have.
CREATE TABLE tags (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id     INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    description TEXT,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    UNIQUE (user_id, name),
    UNIQUE (user_id, id)
) STRICT;

-- Links between entries and tags. Both foreign keys contain the same `user_id`, so the database itself refuses a link
-- between one person's entry and another's tag. With keys over the ids alone, only the program's checks would prevent
-- such a link.
CREATE TABLE entry_tags (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    entry_id   INTEGER NOT NULL,
    tag_id     INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (entry_id, tag_id),
    FOREIGN KEY (user_id, entry_id) REFERENCES entries (user_id, id) ON DELETE CASCADE,
    FOREIGN KEY (user_id, tag_id) REFERENCES tags (user_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX entry_tags_entry ON entry_tags (user_id, entry_id);
CREATE INDEX entry_tags_tag ON entry_tags (user_id, tag_id);

-- The search index keeps no copy of the texts: it refers to `entries`, and the triggers update it. With a copy, the
-- file would hold each text twice, and a deletion would have to remove both.
--
-- With `remove_diacritics 2` a search for cafe finds Café, and one for viet finds Việt; the default, 1, doesn't find
-- a letter with two marks.
CREATE VIRTUAL TABLE entries_fts USING fts5 (
    title, content, mood, location, weather,
    content = 'entries', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
-- FTS5 doesn't notice changes of `entries`. If a row changed and the index didn't, a search would find an entry by
-- words that it no longer has. The program could forget to update the index after one of its statements; a trigger
-- runs after each of them, and also for rows that a foreign key deletes when a person is removed.
CREATE TRIGGER entries_fts_insert AFTER INSERT ON entries BEGIN
    INSERT INTO entries_fts (rowid, title, content, mood, location, weather)
    VALUES (new.id, new.title, new.content, new.mood, new.location, new.weather);
END;
-- To remove a row, FTS5 must get the text that was inserted, because the index keeps no copy. With any other text
-- some words would stay in the index.
CREATE TRIGGER entries_fts_delete AFTER DELETE ON entries BEGIN
    INSERT INTO entries_fts (entries_fts, rowid, title, content, mood, location, weather)
    VALUES ('delete', old.id, old.title, old.content, old.mood, old.location, old.weather);
END;
-- FTS5 can't change a row of such an index: the trigger removes the old text and inserts the new one.
CREATE TRIGGER entries_fts_update AFTER UPDATE OF title, content, mood, location, weather ON entries BEGIN
    INSERT INTO entries_fts (entries_fts, rowid, title, content, mood, location, weather)
    VALUES ('delete', old.id, old.title, old.content, old.mood, old.location, old.weather);
    INSERT INTO entries_fts (rowid, title, content, mood, location, weather)
    VALUES (new.id, new.title, new.content, new.mood, new.location, new.weather);
END;
