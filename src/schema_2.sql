-- Version 2: the authorization server. Whatever opens something is stored as its SHA-256 alone.

CREATE TABLE clients (
    id            TEXT NOT NULL PRIMARY KEY,
    name          TEXT NOT NULL, -- what the client calls itself
    redirect_uris TEXT NOT NULL, -- one on each line
    auth_method   TEXT NOT NULL CHECK (auth_method IN ('none', 'client_secret_basic', 'client_secret_post')),
    secret_hash   BLOB,
    registered_by TEXT NOT NULL CHECK (registered_by IN ('itself', 'operator')),
    created_at    INTEGER NOT NULL,
    CHECK ((auth_method = 'none') = (secret_hash IS NULL))
) STRICT;

-- What a person allowed a client. Everything that came of it ends with it.
CREATE TABLE grants (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id  TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    resource   TEXT NOT NULL,
    scope      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    used_at    INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX grants_user ON grants (user_id);
CREATE INDEX grants_client ON grants (client_id);

CREATE TABLE codes (
    hash         BLOB NOT NULL PRIMARY KEY,
    grant_id     INTEGER NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    redirect_uri TEXT NOT NULL,
    challenge    TEXT NOT NULL,
    expires_at   INTEGER NOT NULL,
    redeemed_at  INTEGER
) STRICT;
CREATE INDEX codes_grant ON codes (grant_id);

CREATE TABLE refresh_tokens (
    hash       BLOB NOT NULL PRIMARY KEY,
    grant_id   INTEGER NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL,
    rotated_at INTEGER
) STRICT;
CREATE INDEX refresh_tokens_grant ON refresh_tokens (grant_id);

-- An access token made by the authorization server belongs to a grant; one from the command line to none.
ALTER TABLE tokens ADD COLUMN grant_id INTEGER REFERENCES grants (id) ON DELETE CASCADE;
CREATE INDEX tokens_grant ON tokens (grant_id);

-- Somebody whom another authorization server vouches for: "issuer subject". Such a person has no password here.
ALTER TABLE users ADD COLUMN subject TEXT;
CREATE UNIQUE INDEX users_subject ON users (subject) WHERE subject IS NOT NULL;

-- Browsers in which somebody is signed in.
CREATE TABLE browsers (
    hash       BLOB NOT NULL PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX browsers_user ON browsers (user_id);
