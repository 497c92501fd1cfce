-- Version 2: the authorization server. Codes, tokens, cookies and secrets are stored as their SHA-256 alone: no
-- token and no cookie can be read from a copy of this file, such as a backup. They are 256 random bits, so a fast
-- hash is enough; a password can be guessed and has a slow one (`users.password_hash`).
--
-- A hash is looked up by the index of its primary key. How long that takes says something about the hash at most, and
-- nothing about the secret behind it.

-- Programs that may ask people for access. A client of the method `none` is a public one, which could keep no
-- secret, such as a program on a person's own machine; the last CHECK holds that all others have one. The id is a
-- random text, since people and clients see it, and a number that counts up would show how many clients there are.
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

-- What a person allowed a client. Everything that came of it ends with it: codes, refresh tokens and access tokens
-- all refer to the grant, so what must end with it is found by its id. `used_at` is renewed with each token; a
-- grant that was not used for the life of a refresh token is deleted.
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

-- Authorization codes. A code that was redeemed keeps its row until its grant is deleted. If the code comes a
-- second time, it may have been stolen, and the server revokes the whole grant (OAuth 2.1 §4.1.3); without the row
-- the server would take it for a code that never was.
CREATE TABLE codes (
    hash         BLOB NOT NULL PRIMARY KEY,
    grant_id     INTEGER NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    redirect_uri TEXT NOT NULL,
    challenge    TEXT NOT NULL,
    expires_at   INTEGER NOT NULL,
    redeemed_at  INTEGER
) STRICT;
CREATE INDEX codes_grant ON codes (grant_id);

-- Refresh tokens. Each use replaces a token by the next one. The old one keeps its row for the same reason: a client
-- that presents it again, later than a retry would come, holds a copy (OAuth 2.1 §4.3.1).
CREATE TABLE refresh_tokens (
    hash       BLOB NOT NULL PRIMARY KEY,
    grant_id   INTEGER NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL,
    rotated_at INTEGER
) STRICT;
CREATE INDEX refresh_tokens_grant ON refresh_tokens (grant_id);

-- An access token made by the authorization server belongs to a grant; one from the command line to none. SQLite
-- adds a column that refers to another table only with NULL as its default, which is what the tokens of version 1
-- need.
ALTER TABLE tokens ADD COLUMN grant_id INTEGER REFERENCES grants (id) ON DELETE CASCADE;
CREATE INDEX tokens_grant ON tokens (grant_id);

-- "issuer subject" of a person whom another authorization server has named. Such a person has no password here.
-- Issuer and subject together identify them: two servers may use the same subject for two people. The index leaves
-- out the people of this server, who have none.
ALTER TABLE users ADD COLUMN subject TEXT;
CREATE UNIQUE INDEX users_subject ON users (subject) WHERE subject IS NOT NULL;

-- Browsers in which a person is signed in, by the hash of their cookie. The rows make it possible to sign a person
-- out of all of them, for example after a new password; a cookie that is only signed would stay good until it
-- expires.
CREATE TABLE browsers (
    hash       BLOB NOT NULL PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX browsers_user ON browsers (user_id);
