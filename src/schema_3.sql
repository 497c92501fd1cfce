-- Version 3: the forms of the pages work once.

-- The tokens of forms that were used, by the hash of the token's payload, so that no form works twice, not even after
-- a restart. A row is deleted some time after its token has expired (`src/used_forms.rs`), which the index is for. A
-- stranger can't add a row: the server adds one only for a person who is signed in, who has just given the right
-- password, or who has the set-up code.
CREATE TABLE used_forms (
    hash       BLOB NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX used_forms_expiry ON used_forms (expires_at);
