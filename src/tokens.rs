//! Access tokens at rest: hashes, with the person, audience, scopes and life of each.
//!
//! Knows no HTTP and no JSON. It never decides: whether a token opens the gate, `gate.rs` says.

use rusqlite::{Connection, OptionalExtension};

use crate::clock::Timestamp;
use crate::scope::Scopes;
use crate::secret::TokenText;
use crate::store::{Store, StoreError};

/// A token's row, as the gate judges it.
pub struct Token {
    /// Row id.
    pub id: i64,
    /// The person it acts for.
    pub user_id: i64,
    /// The resource it was made for (RFC 8707).
    pub resource: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// The client that it was given to; `None` for one from the command line.
    pub client_id: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// It opens nothing from this moment on.
    pub expires_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// A token to be made.
pub struct NewToken {
    /// The person it acts for.
    pub user_id: i64,
    /// The resource it is for.
    pub resource: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// What its owner calls it; may be empty.
    pub label: String,
    /// Its life in seconds.
    pub seconds: i64,
    /// The grant that it comes of; `None` for one from the command line.
    pub grant_id: Option<i64>,
}

/// A token's row, as a list shows it.
pub struct Listed {
    /// Row id, by which it is revoked.
    pub id: i64,
    /// The address of the person it acts for.
    pub email: String,
    /// Its scopes.
    pub scope: String,
    /// Its label.
    pub label: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// The row of a presented token; `None` when nobody was given that token.
pub fn find(store: &Store, presented: &TokenText) -> Result<Option<Token>, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT t.id, t.user_id, t.resource, t.scope, t.expires_at, t.revoked_at, t.created_at, g.client_id
                   FROM tokens t LEFT JOIN grants g ON g.id = t.grant_id WHERE t.hash = ?1";
        let mut statement = connection.prepare_cached(sql)?;
        let token = statement.query_row([presented.hash()], |row| {
            Ok(Token {
                id: row.get(0)?,
                user_id: row.get(1)?,
                resource: row.get(2)?,
                scopes: Scopes::parse_known(row.get_ref(3)?.as_str()?),
                expires_at: Timestamp(row.get(4)?),
                revoked_at: row.get::<_, Option<i64>>(5)?.map(Timestamp),
                created_at: Timestamp(row.get(6)?),
                client_id: row.get(7)?,
            })
        });
        Ok(token.optional()?)
    })
}

/// Makes a token inside a transaction. The text is given once and stored nowhere.
pub fn insert(connection: &Connection, token: &NewToken, now: Timestamp) -> Result<TokenText, StoreError> {
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

/// Every token that was made on the command line, oldest first.
pub fn list(store: &Store) -> Result<Vec<Listed>, StoreError> {
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

/// Revokes a token, for the next request on; `false` when there is no such token. Twice is as good as once.
pub fn revoke(store: &Store, id: i64, now: Timestamp) -> Result<bool, StoreError> {
    store.write(move |connection| {
        let sql = "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1";
        Ok(connection.execute(sql, (id, now.0))? == 1)
    })
}
