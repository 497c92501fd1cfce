-- Version 2: the authorization server. Of codes, tokens, cookies and client secrets the database keeps only the
-- SHA-256, so they can't be read from a copy of the file, such as a backup. A fast hash is enough, because they can't
-- be guessed: they are 256 bits that are random, or that only the server's key can compute (the successor of a
-- refresh token). A password can be guessed and has a slow hash (`users.password_hash`).
--
-- The index of the primary key finds a hash. The time of this look-up may tell an attacker something about the hash,
-- but nothing about the secret.

-- Programs that may ask people for access. A client with the method `none` is public: it couldn't keep a secret, for
-- example because it runs on a person's own machine. The last CHECK makes sure that every other client has a secret.
-- The id is a random text, because people and clients see it, and a serial number would show how many clients there
-- are.
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

-- What a person allowed a client. Codes, refresh tokens and access tokens all refer to their grant, so that the
-- server finds by its id what must end together with the grant. `used_at` is the time of the last tokens; the server
-- deletes a grant that wasn't used for the lifetime of a refresh token.
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

-- Authorization codes. A redeemed code keeps its row until its grant is deleted. If a code comes a second time, it
-- may be stolen, and the server revokes the whole grant (OAuth 2.1 §4.1.3). Without the row the server couldn't tell
-- the code from an invented one.
CREATE TABLE codes (
    hash         BLOB NOT NULL PRIMARY KEY,
    grant_id     INTEGER NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    redirect_uri TEXT NOT NULL,
    challenge    TEXT NOT NULL,
    expires_at   INTEGER NOT NULL,
    redeemed_at  INTEGER
) STRICT;
CREATE INDEX codes_grant ON codes (grant_id);

-- Refresh tokens. A refresh gives the client a new token in place of the old one. The old token keeps its row until
-- it expires, for the same reason: if it comes again, later than a retry would, two programs have the token (OAuth
-- 2.1 §4.3.1).
CREATE TABLE refresh_tokens (
    hash       BLOB NOT NULL PRIMARY KEY,
    grant_id   INTEGER NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL,
    rotated_at INTEGER
) STRICT;
CREATE INDEX refresh_tokens_grant ON refresh_tokens (grant_id);

-- An access token that the authorization server made belongs to a grant; a token from the command line doesn't.
-- SQLite can add a column with a foreign key only if its default is NULL, which is right for the tokens of version 1.
ALTER TABLE tokens ADD COLUMN grant_id INTEGER REFERENCES grants (id) ON DELETE CASCADE;
CREATE INDEX tokens_grant ON tokens (grant_id);

-- The issuer and the subject, separated by a space, of a person whose tokens come from another authorization server.
-- Such a person has no password here. Both are needed, because two servers may use the same subject for two people.
-- The index leaves out the people of this server, who have no subject.
ALTER TABLE users ADD COLUMN subject TEXT;
CREATE UNIQUE INDEX users_subject ON users (subject) WHERE subject IS NOT NULL;

-- Browsers in which a person is signed in, by the hash of their cookie. The rows let the server sign a person out of
-- all browsers, for example after a new password; a cookie that is only signed would stay valid until it expires.
CREATE TABLE browsers (
    hash       BLOB NOT NULL PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX browsers_user ON browsers (user_id);
