-- Version 3: the forms of the pages work once, and rows that are over are found without a walk over all others.

-- The tokens of forms that were used, by the hash of the token's payload, so that no form works twice, not even after
-- a restart. A row is deleted some time after its token has expired (`src/used_forms.rs`), which the index is for. A
-- stranger can't add a row: the server adds one only for a person who is signed in, who has just given the right
-- password, or who has the set-up code.
CREATE TABLE used_forms (
    hash       BLOB NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX used_forms_expiry ON used_forms (expires_at);

-- By these the server finds the rows that it deletes, however many it keeps: sign-ins and grants that are over, and
-- codes that no client redeemed in time.
CREATE INDEX browsers_expiry ON browsers (expires_at);
CREATE INDEX grants_use ON grants (used_at);
CREATE INDEX codes_unredeemed ON codes (expires_at) WHERE redeemed_at IS NULL;
-- A refresh deletes the expired tokens of its grant, and a client that refreshes in a loop has many that live.
DROP INDEX refresh_tokens_grant;
CREATE INDEX refresh_tokens_grant ON refresh_tokens (grant_id, expires_at);
DROP INDEX tokens_grant;
CREATE INDEX tokens_grant ON tokens (grant_id, expires_at);

-- A client that registers itself gets its row with its first grant from here on, and keeps it for as long as it has
-- one. The earlier versions made the row at the registration. Those of the last day stay, since a person may be about
-- to decide on one.
DELETE FROM clients WHERE registered_by = 'itself' AND created_at < unixepoch() - 24 * 60 * 60
    AND NOT EXISTS (SELECT 1 FROM grants WHERE grants.client_id = clients.id);
