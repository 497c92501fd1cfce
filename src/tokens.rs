//! Access tokens, as the database stores them: the hash of each, with its person, audience, scopes and lifetime.
//!
//! Uses no HTTP and no JSON, and doesn't decide whether a token is accepted: `gate.rs` does. So [`find`] returns the
//! rows of expired and revoked tokens too; if the statement left them out, the log could only say that a token is
//! unknown.
//!
//! A token comes from one of two places: the token endpoint makes it under a grant, for a client, and the operator
//! makes it on the command line, for a program that can't sign in.

use rusqlite::{Connection, OptionalExtension};

use crate::activity::{self, Event, Visit};
use crate::clock::Timestamp;
use crate::ids::UserId;
use crate::limits;
use crate::log::TokenFacts;
use crate::scope::Scopes;
use crate::secret::TokenText;
use crate::store::{Store, StoreError};

/// For whom a token was issued, for what, and until when.
pub(crate) struct TokenHolder {
    /// The person for whom the token acts.
    pub(crate) user_id: UserId,
    /// The client that got the token; `None` for a token from the command line.
    pub(crate) client_id: Option<String>,
    pub(crate) scopes: Scopes,
    /// The first second in which the token is no longer good.
    pub(crate) expires_at: Timestamp,
}

impl TokenHolder {
    /// Returns what the log may say of a token with this audience, which is the parts together.
    pub(crate) fn facts(&self, audience: &[&str]) -> TokenFacts {
        let TokenHolder { user_id, client_id, scopes, expires_at } = self;
        let (person, client, scopes) = (user_id.get(), client_id.clone(), scopes.to_string());
        TokenFacts { person, client, scopes, audience: audience.concat(), expires_at: *expires_at }
    }
}

/// A token's row, as the gate checks it.
pub(crate) struct Token {
    pub(crate) holder: TokenHolder,
    /// The audience: the resource that the token was made for (RFC 8707). If the operator gives the server another
    /// public URL, the server is another resource, and the gate refuses its former tokens.
    pub(crate) resource: String,
    pub(crate) created_at: Timestamp,
    pub(crate) revoked_at: Option<Timestamp>,
}

/// A token to be made.
pub(crate) struct NewToken {
    /// The person for whom the token acts.
    pub(crate) user_id: UserId,
    /// Its audience.
    pub(crate) resource: String,
    pub(crate) scopes: Scopes,
    /// The name by which its owner recognizes the token in a list, since its text is shown only once; it may be
    /// empty.
    pub(crate) label: String,
    /// Its lifetime.
    pub(crate) seconds: i64,
    /// The grant under which the token is issued; `None` for a token from the command line.
    pub(crate) grant_id: Option<i64>,
}

/// A token's row, as the command line lists it.
pub(crate) struct Listed {
    /// The number by which the operator revokes the token.
    pub(crate) id: i64,
    /// The address of the person for whom the token acts.
    pub(crate) email: String,
    pub(crate) scope: String,
    pub(crate) label: String,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) revoked_at: Option<Timestamp>,
}

/// Finds the token with this hash; returns `None` when no such token was issued, or its row was deleted. The gate
/// makes this look-up for each request with a well-formed token, so the statement is prepared once for each database
/// connection.
pub(crate) fn find(store: &Store, hash: [u8; 32]) -> Result<Option<Token>, StoreError> {
    store.look_up(|connection| {
        let sql =
            "SELECT t.user_id, t.resource, t.scope, t.expires_at, t.revoked_at, t.created_at, g.client_id
                   FROM tokens t LEFT JOIN grants g ON g.id = t.grant_id WHERE t.hash = ?1";
        let mut statement = connection.prepare_cached(sql)?;
        let token = statement.query_row([hash], |row| {
            Ok(Token {
                holder: TokenHolder {
                    user_id: row.get(0)?,
                    client_id: row.get(6)?,
                    scopes: Scopes::parse_known(row.get_ref(2)?.as_str()?),
                    expires_at: Timestamp(row.get(3)?),
                },
                resource: row.get(1)?,
                created_at: Timestamp(row.get(5)?),
                revoked_at: row.get::<_, Option<i64>>(4)?.map(Timestamp),
            })
        });
        Ok(token.optional()?)
    })
}

/// Makes a token inside a transaction of the caller, which may also use up a code or add a person. The text of the
/// token is returned this once and stored nowhere.
pub(crate) fn insert(
    connection: &Connection,
    token: &NewToken,
    now: Timestamp,
) -> Result<TokenText, StoreError> {
    let text = TokenText::generate();
    let sql = "INSERT INTO tokens (hash, user_id, resource, scope, label, created_at, expires_at, grant_id)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let scope = token.scopes.to_string();
    let expires_at = now.plus(token.seconds).0;
    connection.execute(
        sql,
        (text.hash(), token.user_id, &token.resource, scope, &token.label, now.0, expires_at, token.grant_id),
    )?;
    Ok(text)
}

/// Lists every token that was made on the command line, oldest first. The tokens of grants are left out: they last a
/// quarter of an hour, and the account page shows the grants that they come from.
pub(crate) fn list(store: &Store) -> Result<Vec<Listed>, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT t.id, u.email, t.scope, t.label, t.created_at, t.expires_at, t.revoked_at
                   FROM tokens t JOIN users u ON u.id = t.user_id
                   WHERE t.grant_id IS NULL ORDER BY t.id";
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(Listed {
                id: row.get(0)?,
                email: row.get(1)?,
                scope: row.get(2)?,
                label: row.get(3)?,
                created_at: Timestamp(row.get(4)?),
                expires_at: Timestamp(row.get(5)?),
                revoked_at: row.get::<_, Option<i64>>(6)?.map(Timestamp),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    })
}

/// Takes back a token that nobody has seen, because it could not be shown. Its row goes too: there is nothing that a
/// list or the log could say of such a token.
pub(crate) fn withdraw(store: &Store, token: &TokenText) -> Result<(), StoreError> {
    let hash = token.hash();
    store.write(move |connection| {
        connection.execute("DELETE FROM tokens WHERE hash = ?1", [hash])?;
        Ok(())
    })
}

/// A token from the command line, as the person for whom it acts sees it on the account page.
pub(crate) struct Own {
    pub(crate) id: i64,
    pub(crate) scopes: Scopes,
    pub(crate) label: String,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// Lists the tokens from the command line that open a person's journal, the newest first: one more than
/// [`limits::TOKENS_SHOWN_MAX`] if there are more.
pub(crate) fn list_own(store: &Store, user_id: UserId, now: Timestamp) -> Result<Vec<Own>, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT id, scope, label, created_at, expires_at FROM tokens
                   WHERE user_id = ?1 AND grant_id IS NULL AND revoked_at IS NULL AND expires_at > ?2
                   ORDER BY id DESC LIMIT ?3";
        let mut select = connection.prepare_cached(sql)?;
        let rows = select.query_map((user_id, now.0, limits::TOKENS_SHOWN_MAX as i64 + 1), |row| {
            Ok(Own {
                id: row.get(0)?,
                scopes: Scopes::parse_known(row.get_ref(1)?.as_str()?),
                label: row.get(2)?,
                created_at: Timestamp(row.get(3)?),
                expires_at: Timestamp(row.get(4)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    })
}

/// Revokes a token from the command line for the person for whom it acts; `false` if they have no such token that is
/// good. For another person's the answer is the same as for an unknown one.
pub(crate) fn revoke_own(
    connection: &Connection,
    user_id: UserId,
    id: i64,
    visit: &Visit,
) -> Result<bool, StoreError> {
    let sql = "UPDATE tokens SET revoked_at = ?3
               WHERE id = ?1 AND user_id = ?2 AND grant_id IS NULL AND revoked_at IS NULL RETURNING label";
    let label = connection.query_row(sql, (id, user_id, visit.now.0), |row| row.get::<_, String>(0));
    let Some(label) = label.optional()? else { return Ok(false) };
    activity::record(connection, user_id, (Event::TokenRevoked, &label), visit)?;
    Ok(true)
}

/// Revokes a token, from the next request on; `false` when there is no such token. A second call changes nothing: the
/// time of the first one is kept. The row stays, so that the log says that the token is revoked, and not that it is
/// unknown.
pub(crate) fn revoke(store: &Store, id: i64, now: Timestamp) -> Result<bool, StoreError> {
    store.write(move |connection| {
        let sql =
            "UPDATE tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL RETURNING user_id, label";
        let revoked =
            connection.query_row(sql, (id, now.0), |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
        if let Some((user_id, label)) = revoked.optional()? {
            activity::record(connection, user_id, (Event::TokenRevoked, &label), &Visit::of_operator(now))?;
            return Ok(true);
        }
        Ok(connection.prepare("SELECT 1 FROM tokens WHERE id = ?1")?.exists([id])?)
    })
}
