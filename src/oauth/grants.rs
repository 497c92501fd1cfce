//! What people allowed, at rest: grants, and the codes, refresh tokens and access tokens that come of them.
//!
//! Knows no HTTP. Invariant: only redeeming a code or rotating a refresh token makes a [`Redeemed`], and only a
//! [`Redeemed`] makes tokens: single use by construction, on the one writer's thread.

use rusqlite::{Connection, OptionalExtension};

use super::Fault;
use crate::clock::Timestamp;
use crate::limits;
use crate::scope::Scopes;
use crate::secret::{self, Seal};
use crate::store::{Store, StoreError};
use crate::tokens::{self, NewToken};

/// What a person allows a client.
pub struct NewGrant {
    /// Who allows it.
    pub user_id: i64,
    /// Whom.
    pub client_id: String,
    /// On which resource.
    pub resource: String,
    /// What.
    pub scopes: Scopes,
    /// Where the code is sent.
    pub redirect_uri: String,
    /// The PKCE challenge, S256.
    pub challenge: String,
}

/// A grant, as its owner sees it.
pub struct Listed {
    /// Row id.
    pub id: i64,
    /// What the client calls itself.
    pub client_name: String,
    /// Its id.
    pub client_id: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was allowed.
    pub created_at: Timestamp,
    /// When it last got a token.
    pub used_at: Timestamp,
}

/// A code or refresh token that was just used up. The fields are private: only this file makes one.
pub struct Redeemed {
    grant_id: i64,
    user_id: i64,
    resource: String,
    scopes: Scopes,
    refresh_token: String,
}

/// What a client is given.
pub struct Issued {
    /// The access token.
    pub access_token: String,
    /// The refresh token for the time after it.
    pub refresh_token: String,
    /// What they are good for.
    pub scopes: Scopes,
}

/// What a code must be redeemed with.
pub struct Redemption {
    /// The code.
    pub code: String,
    /// The client that presents it.
    pub client_id: String,
    /// The redirect URI that it was sent to, if the client says so.
    pub redirect_uri: Option<String>,
    /// The PKCE verifier.
    pub verifier: String,
    /// The resource that this server guards now.
    pub resource: String,
}

/// A refresh token to be traded for the next.
pub struct Rotation {
    /// The one that is presented.
    pub presented: String,
    /// The one that follows it, from [`successor`].
    pub successor: String,
    /// The client that presents it.
    pub client_id: String,
    /// The scope that the access token shall have, if less than was granted.
    pub scope: Option<String>,
    /// The resource that this server guards now.
    pub resource: String,
}

/// The outcome of an attempt that may have changed something even where it failed.
type Attempt<T> = Result<Result<T, Fault>, Fault>;

/// Records what a person allowed, and gives the code for it.
pub fn allow(store: &Store, new: NewGrant, now: Timestamp) -> Result<String, Fault> {
    let code = secret::random_text::<32>();
    let hash = secret::sha256(code.as_bytes());
    store.write(move |connection| {
        // A code that nobody redeemed leaves a grant that nobody holds.
        let forgotten = "DELETE FROM grants WHERE id IN (SELECT grant_id FROM codes
                         WHERE redeemed_at IS NULL AND expires_at < ?1)";
        connection.execute(forgotten, [now.0])?;
        // Each token renews `used_at`, so nothing of a grant lives when its last refresh token has expired.
        let expired = "DELETE FROM grants WHERE used_at <= ?1";
        connection.execute(expired, [now.plus(-limits::REFRESH_TOKEN_SECONDS).0])?;
        let grant = "INSERT INTO grants (user_id, client_id, resource, scope, created_at, used_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?5)";
        let scope = new.scopes.to_string();
        connection.execute(grant, (new.user_id, &new.client_id, &new.resource, scope, now.0))?;
        let grant_id = connection.last_insert_rowid();
        let code = "INSERT INTO codes (hash, grant_id, redirect_uri, challenge, expires_at)
                    VALUES (?1, ?2, ?3, ?4, ?5)";
        let expires_at = now.plus(limits::CODE_SECONDS).0;
        connection.execute(code, (hash, grant_id, &new.redirect_uri, &new.challenge, expires_at))?;
        Ok::<_, Fault>(())
    })?;
    Ok(code)
}

/// Trades a code for tokens.
///
/// What a stranger could try with a code that he saw (another client, a wrong verifier) changes nothing; a second
/// use that is right in everything revokes what the first one gave (OAuth 2.1 §4.1.3).
pub fn redeem(store: &Store, redemption: Redemption, now: Timestamp) -> Result<Issued, Fault> {
    store.write(move |connection| redeem_in(connection, &redemption, now))?
}

fn redeem_in(connection: &Connection, redemption: &Redemption, now: Timestamp) -> Attempt<Issued> {
    let sql =
        "SELECT g.id, g.user_id, g.client_id, g.resource, g.scope, g.revoked_at, c.redirect_uri, c.challenge,
                      c.expires_at, c.redeemed_at
               FROM codes c JOIN grants g ON g.id = c.grant_id WHERE c.hash = ?1";
    let hash = secret::sha256(redemption.code.as_bytes());
    let found = connection.query_row(sql, [hash], |row| {
        let redeemed = Redeemed {
            grant_id: row.get(0)?,
            user_id: row.get(1)?,
            resource: row.get(3)?,
            scopes: Scopes::parse_known(row.get_ref(4)?.as_str()?),
            refresh_token: new_refresh_token(),
        };
        let client_id: String = row.get(2)?;
        let revoked_at: Option<i64> = row.get(5)?;
        let (redirect_uri, challenge): (String, String) = (row.get(6)?, row.get(7)?);
        let (expires_at, redeemed_at): (i64, Option<i64>) = (row.get(8)?, row.get(9)?);
        Ok((redeemed, client_id, revoked_at, redirect_uri, challenge, expires_at, redeemed_at))
    });
    let Some((redeemed, client_id, revoked_at, redirect_uri, challenge, expires_at, redeemed_at)) =
        found.optional()?
    else {
        return Ok(Err(Fault::UnknownCode));
    };
    if client_id != redemption.client_id {
        return Ok(Err(Fault::AnotherClient));
    }
    if redemption.redirect_uri.as_ref().is_some_and(|given| *given != redirect_uri) {
        return Ok(Err(Fault::WrongRedirect));
    }
    if !secret::verifies(&redemption.verifier, &challenge) {
        return Ok(Err(Fault::WrongVerifier));
    }
    if redeemed_at.is_some() {
        revoke_in(connection, redeemed.grant_id, now)?;
        return Ok(Err(Fault::CodeReplayed));
    }
    if revoked_at.is_some() {
        return Ok(Err(Fault::GrantRevoked));
    }
    if redeemed.resource != redemption.resource {
        return Ok(Err(Fault::AnotherResource));
    }
    if expires_at <= now.0 {
        return Ok(Err(Fault::CodeExpired));
    }
    connection.execute("UPDATE codes SET redeemed_at = ?2 WHERE hash = ?1", (hash, now.0))?;
    let scopes = redeemed.scopes;
    Ok(Ok(issue(connection, redeemed, scopes, now)?))
}

/// Trades a refresh token for the next one and an access token, whose scope may be narrowed.
///
/// A token that was rotated away comes back when a client retries or asks twice at once: for a few seconds it is
/// given the same successor again, while that is unused. After that somebody else holds a copy, and the whole grant ends.
pub fn rotate(store: &Store, rotation: Rotation, now: Timestamp) -> Result<Issued, Fault> {
    store.write(move |connection| rotate_in(connection, &rotation, now))?
}

/// The refresh token that follows a presented one. It is derived, so that a retry can be given it again although
/// only its hash is stored.
pub fn successor(seal: &Seal, presented: &str) -> String {
    format!("em_rt_{}", seal.derive(&[b"refresh successor"], presented.as_bytes()))
}

fn rotate_in(connection: &Connection, rotation: &Rotation, now: Timestamp) -> Attempt<Issued> {
    let hash = secret::sha256(rotation.presented.as_bytes());
    let sql =
        "SELECT g.id, g.user_id, g.client_id, g.resource, g.scope, g.revoked_at, r.expires_at, r.rotated_at
               FROM refresh_tokens r JOIN grants g ON g.id = r.grant_id WHERE r.hash = ?1";
    let found = connection.query_row(sql, [hash], |row| {
        let redeemed = Redeemed {
            grant_id: row.get(0)?,
            user_id: row.get(1)?,
            resource: row.get(3)?,
            scopes: Scopes::parse_known(row.get_ref(4)?.as_str()?),
            refresh_token: rotation.successor.clone(),
        };
        let (owner, revoked_at): (String, Option<i64>) = (row.get(2)?, row.get(5)?);
        let (expires_at, rotated_at): (i64, Option<i64>) = (row.get(6)?, row.get(7)?);
        Ok((redeemed, owner, revoked_at, expires_at, rotated_at))
    });
    let Some((redeemed, owner, revoked_at, expires_at, rotated_at)) = found.optional()? else {
        return Ok(Err(Fault::UnknownRefresh));
    };
    if owner != rotation.client_id {
        return Ok(Err(Fault::AnotherClient));
    }
    if revoked_at.is_some() {
        return Ok(Err(Fault::GrantRevoked));
    }
    if redeemed.resource != rotation.resource {
        return Ok(Err(Fault::AnotherResource));
    }
    let sql = "SELECT 1 FROM refresh_tokens WHERE hash = ?1 AND rotated_at IS NOT NULL";
    let successor = secret::sha256(rotation.successor.as_bytes());
    let successor_used = connection.query_row(sql, [successor], |_| Ok(())).optional()?.is_some();
    let is_late = |rotated_at: i64| now.0 - rotated_at > limits::REFRESH_GRACE_SECONDS || successor_used;
    if rotated_at.is_some_and(is_late) {
        revoke_in(connection, redeemed.grant_id, now)?;
        return Ok(Err(Fault::RefreshReused));
    }
    if expires_at <= now.0 {
        return Ok(Err(Fault::RefreshExpired));
    }
    let scopes = match rotation.scope.as_deref().map(Scopes::parse) {
        None => redeemed.scopes,
        Some(Ok(asked)) if !asked.is_empty() && redeemed.scopes.contains(asked) => asked,
        Some(_) => return Ok(Err(Fault::ScopeWidened)),
    };
    let sql = "UPDATE refresh_tokens SET rotated_at = coalesce(rotated_at, ?2) WHERE hash = ?1";
    connection.execute(sql, (hash, now.0))?;
    Ok(Ok(issue(connection, redeemed, scopes, now)?))
}

/// Makes an access token and records the refresh token that goes with it.
fn issue(
    connection: &Connection,
    redeemed: Redeemed,
    scopes: Scopes,
    now: Timestamp,
) -> Result<Issued, Fault> {
    let Redeemed { grant_id, user_id, resource, refresh_token, .. } = redeemed;
    let stale = "DELETE FROM tokens WHERE grant_id = ?1 AND expires_at < ?2";
    connection.execute(stale, (grant_id, now.0))?;
    connection
        .execute("DELETE FROM refresh_tokens WHERE grant_id = ?1 AND expires_at < ?2", (grant_id, now.0))?;
    let (label, seconds) = (String::new(), limits::ACCESS_TOKEN_SECONDS);
    let token = NewToken { user_id, resource, scopes, label, seconds, grant_id: Some(grant_id) };
    let access_token = tokens::insert(connection, &token, now)?;
    let sql = "INSERT INTO refresh_tokens (hash, grant_id, expires_at) VALUES (?1, ?2, ?3)
               ON CONFLICT (hash) DO NOTHING"; // a retry within the grace gets the successor that is there
    let expires_at = now.plus(limits::REFRESH_TOKEN_SECONDS).0;
    connection.execute(sql, (secret::sha256(refresh_token.as_bytes()), grant_id, expires_at))?;
    connection.execute("UPDATE grants SET used_at = ?2 WHERE id = ?1", (grant_id, now.0))?;
    Ok(Issued { access_token: access_token.reveal().to_owned(), refresh_token, scopes })
}

fn new_refresh_token() -> String {
    format!("em_rt_{}", secret::random_text::<32>())
}

/// Ends a grant and everything that came of it.
fn revoke_in(connection: &Connection, grant_id: i64, now: Timestamp) -> Result<(), Fault> {
    connection.execute(
        "UPDATE grants SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1",
        (grant_id, now.0),
    )?;
    let sql = "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?2) WHERE grant_id = ?1";
    connection.execute(sql, (grant_id, now.0))?;
    Ok(())
}

/// Ends what a client was given, by one of its tokens (RFC 7009): an access token alone, a refresh token with its
/// whole grant. An unknown token is as good as revoked.
pub fn revoke_token(store: &Store, presented: &str, client_id: &str, now: Timestamp) -> Result<(), Fault> {
    let (hash, client_id) = (secret::sha256(presented.as_bytes()), client_id.to_owned());
    store.write(move |connection| {
        let sql = "SELECT g.id, g.client_id FROM refresh_tokens r JOIN grants g ON g.id = r.grant_id
                   WHERE r.hash = ?1";
        let refresh = connection.query_row(sql, [hash], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
        if let Some((grant_id, owner)) = refresh.optional()? {
            return if owner == client_id { revoke_in(connection, grant_id, now) } else { Err(Fault::AnotherClient) };
        }
        let sql = "SELECT t.id, g.client_id FROM tokens t LEFT JOIN grants g ON g.id = t.grant_id WHERE t.hash = ?1";
        let access = connection.query_row(sql, [hash], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?)));
        match access.optional()? {
            None => Ok(()),
            Some((id, Some(owner))) if owner == client_id => {
                let sql = "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1";
                connection.execute(sql, (id, now.0))?;
                Ok(())
            }
            Some(_) => Err(Fault::AnotherClient), // one from the command line belongs to no client
        }
    })
}

/// What a person has allowed and not taken back, last used first.
pub fn list(store: &Store, user_id: i64, now: Timestamp) -> Result<Vec<Listed>, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT g.id, c.name, c.id, g.scope, g.created_at, g.used_at
                   FROM grants g JOIN clients c ON c.id = g.client_id
                   WHERE g.user_id = ?1 AND g.revoked_at IS NULL
                       AND (EXISTS (SELECT 1 FROM refresh_tokens r WHERE r.grant_id = g.id AND r.expires_at > ?2)
                            OR EXISTS (SELECT 1 FROM tokens t WHERE t.grant_id = g.id AND t.expires_at > ?2))
                   ORDER BY g.used_at DESC, g.id DESC";
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map((user_id, now.0), |row| {
            Ok(Listed {
                id: row.get(0)?,
                client_name: row.get(1)?,
                client_id: row.get(2)?,
                scopes: Scopes::parse_known(row.get_ref(3)?.as_str()?),
                created_at: Timestamp(row.get(4)?),
                used_at: Timestamp(row.get(5)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    })
}

/// Takes one grant of a person's back; `false` when they have none of this id.
pub fn revoke(store: &Store, user_id: i64, grant_id: i64, now: Timestamp) -> Result<bool, Fault> {
    store.write(move |connection| {
        let sql = "SELECT 1 FROM grants WHERE id = ?1 AND user_id = ?2";
        let own = connection.query_row(sql, (grant_id, user_id), |_| Ok(())).optional()?;
        if own.is_some() {
            revoke_in(connection, grant_id, now)?;
        }
        Ok(own.is_some())
    })
}
