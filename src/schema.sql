-- Version 1 of the file: the journal, people and tokens. Timestamps are Unix seconds.
--
-- Every row of the journal carries its owner, and every link between rows is a foreign key over (user_id, id): one
-- person's row can't name another's.
--
-- This file is never edited once it has been published, comments between the statements apart: files in the field
-- were made by it, and `store/migrations.rs` doesn't run it again for them. SQLite keeps the text of each CREATE,
-- comments included, so a comment inside of one is part of the schema.
--
-- STRICT: SQLite refuses a value of another type than the column's. Without it SQLite would store the text 'yes' as a
-- timestamp, and the mistake would show only when the row is read.

-- Which steps this file has taken, for people who look into it. The program goes by `user_version` in the header.
CREATE TABLE schema_versions (
    version    INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

-- What the database remembers about the server itself; `settings.rs` says what.
CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- People. An address is unique whatever its case, so that Ada@example.com can't be a second person beside
-- ada@example.com. AUTOINCREMENT, here and below: SQLite would otherwise give the highest id again once its row is
-- deleted, and what still names the old row, such as a deletion that a person has yet to confirm, would name a new
-- row that it was never meant for.
CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    email         TEXT NOT NULL COLLATE NOCASE UNIQUE,
    password_hash TEXT NOT NULL, -- Argon2id, PHC form
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;

-- Access tokens. The gate finds one by its hash, which UNIQUE also gives an index. A revoked token keeps its row: the
-- operator's list shows it, and `epicme explain` can say why it is refused.
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
-- Every foreign key below has an index on its own columns. SQLite demands one on the columns that are referred to,
-- but makes none for those that refer: without it, deleting one row reads the whole of each table that refers to it.
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
-- The order in which entries are listed: SQLite reads a person's entries along this index and needs no sorting.
CREATE INDEX entries_newest ON entries (user_id, created_at DESC, id DESC);

-- A tag's name is compared byte by byte: `Work` and `work` are two tags. It is unique for its owner alone: were it
-- unique for all people, a refused name would show a person which tags others have.
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

-- Links. Here the owner in each row is needed most: both keys share one `user_id`, so the database itself refuses a
-- link between one person's entry and another's tag, whatever mistake the program makes. With keys over the ids
-- alone, only the program's checks would prevent it.
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

-- The search index holds no text of its own: it points at `entries`, and the triggers keep it in step. A copy of each
-- text inside the index would double the file, and would have to be deleted in two places.
--
-- `remove_diacritics 2` finds Café by cafe, and Việt by viet; the default, 1, takes away no second mark of a letter.
CREATE VIRTUAL TABLE entries_fts USING fts5 (
    title, content, mood, location, weather,
    content = 'entries', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
-- FTS5 doesn't watch the table that it points at. If a row changed without its index, a search would find entries by
-- words that they don't have any more. A statement in the program could be forgotten beside one of the changes; a
-- trigger runs with each of them, and also for rows that a foreign key deletes when a person is removed.
CREATE TRIGGER entries_fts_insert AFTER INSERT ON entries BEGIN
    INSERT INTO entries_fts (rowid, title, content, mood, location, weather)
    VALUES (new.id, new.title, new.content, new.mood, new.location, new.weather);
END;
-- To take a row out, FTS5 must be given the text that was put in, because the index itself holds no copy of it. Any
-- other text would leave words in the index for ever.
CREATE TRIGGER entries_fts_delete AFTER DELETE ON entries BEGIN
    INSERT INTO entries_fts (entries_fts, rowid, title, content, mood, location, weather)
    VALUES ('delete', old.id, old.title, old.content, old.mood, old.location, old.weather);
END;
-- There is no change of a row in the index: the old text is taken out and the new one put in.
CREATE TRIGGER entries_fts_update AFTER UPDATE OF title, content, mood, location, weather ON entries BEGIN
    INSERT INTO entries_fts (entries_fts, rowid, title, content, mood, location, weather)
    VALUES ('delete', old.id, old.title, old.content, old.mood, old.location, old.weather);
    INSERT INTO entries_fts (rowid, title, content, mood, location, weather)
    VALUES (new.id, new.title, new.content, new.mood, new.location, new.weather);
END;
