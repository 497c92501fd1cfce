-- Version 1 of the file. Timestamps are Unix seconds. Every row of the journal carries its owner, and every
-- link between rows is a foreign key over (user_id, id): one person's row can't name another's.

CREATE TABLE schema_versions (
    version    INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    email         TEXT NOT NULL COLLATE NOCASE UNIQUE,
    password_hash TEXT NOT NULL, -- Argon2id, PHC form
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;

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
CREATE INDEX tokens_user ON tokens (user_id);

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
CREATE INDEX entries_newest ON entries (user_id, created_at DESC, id DESC);

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

-- The search index holds no text of its own: it points at `entries`, and the triggers keep it in step.
CREATE VIRTUAL TABLE entries_fts USING fts5 (
    title, content, mood, location, weather,
    content = 'entries', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER entries_fts_insert AFTER INSERT ON entries BEGIN
    INSERT INTO entries_fts (rowid, title, content, mood, location, weather)
    VALUES (new.id, new.title, new.content, new.mood, new.location, new.weather);
END;
CREATE TRIGGER entries_fts_delete AFTER DELETE ON entries BEGIN
    INSERT INTO entries_fts (entries_fts, rowid, title, content, mood, location, weather)
    VALUES ('delete', old.id, old.title, old.content, old.mood, old.location, old.weather);
END;
CREATE TRIGGER entries_fts_update AFTER UPDATE OF title, content, mood, location, weather ON entries BEGIN
    INSERT INTO entries_fts (entries_fts, rowid, title, content, mood, location, weather)
    VALUES ('delete', old.id, old.title, old.content, old.mood, old.location, old.weather);
    INSERT INTO entries_fts (rowid, title, content, mood, location, weather)
    VALUES (new.id, new.title, new.content, new.mood, new.location, new.weather);
END;
