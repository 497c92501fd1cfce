//! What people allowed, at rest: grants, and the codes, refresh tokens and access tokens that come of them.
//!
//! Knows no HTTP. Invariant: [`issue`] makes tokens of a [`Redeemed`] alone, and a `Redeemed` is made at two places,
//! each behind the statement that uses its code or refresh token up. Both places are marked `SINGLE USE`.
//!
//! ```text
//! the person allows      the client redeems            the client refreshes, again and again
//!  grant ─► code ───────► access + refresh token ─────► access + next refresh token ─────► …
//!           used once               used once                          used once
//! ```
//!
//! Everything hangs on the grant's row. Revoking the grant ends all tokens of it at once, however many there are:
//! that is what a person does on the account page, and what this server does when a code or refresh token comes back
//! that must have been copied. Deleting the person or the client deletes the grant, by the foreign keys.
//!
//! All of it happens on the store's one writer thread, which commits or undoes the work of each request as a whole.
//! That is why a look-up followed by an update is safe here: no second request can come between the two. A larger
//! server with several writers would update the row under the condition that it is unused, and look at the count of
//! changed rows.

use rusqlite::{Connection, OptionalExtension, Row};

use super::OAuthError;
use crate::clock::Timestamp;
use crate::ids::UserId;
use crate::limits;
use crate::scope::Scopes;
use crate::secret::{self, Signer};
use crate::store::{Store, StoreError};
use crate::tokens::{self, NewToken};

/// What a person has decided on the consent page.
pub(crate) struct NewGrant {
    pub(crate) user_id: UserId,
    pub(crate) client_id: String,
    /// The audience of the tokens (RFC 8707). It is fixed at the consent, and no later request can change it: a token
    /// for one server must not be traded for one for another.
    pub(crate) resource: String,
    /// What the person ticked. A refresh can narrow it and never widen it.
    pub(crate) scopes: Scopes,
    /// Where the browser takes the code.
    pub(crate) redirect_uri: String,
    /// The PKCE challenge, S256.
    pub(crate) challenge: String,
}

/// A grant, as its owner sees it on the account page.
pub(crate) struct Listed {
    pub(crate) id: i64,
    /// What the client calls itself.
    pub(crate) client_name: String,
    pub(crate) scopes: Scopes,
    pub(crate) created_at: Timestamp,
    /// When the client last got a token.
    pub(crate) used_at: Timestamp,
}

/// The tokens that a client is given.
pub(crate) struct Issued {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    /// The scopes of the access token. Those of the refresh token are the grant's.
    pub(crate) scopes: Scopes,
}

/// What a client presents in order to redeem a code.
pub(crate) struct Redemption {
    pub(crate) code: String,
    /// The client that presents it, authenticated if it has a secret.
    pub(crate) client_id: String,
    /// The redirect URI that it got the code at, if it says so.
    pub(crate) redirect_uri: Option<String>,
    /// The PKCE verifier.
    pub(crate) verifier: String,
    /// The resource that this server protects now.
    pub(crate) resource: String,
}

/// What a client presents in order to trade a refresh token for the next.
pub(crate) struct Rotation {
    pub(crate) presented: String,
    /// The refresh token that follows it, from [`successor`].
    pub(crate) successor: String,
    /// The client that presents it, authenticated if it has a secret.
    pub(crate) client_id: String,
    /// The scope that the access token shall have, if less than was granted.
    pub(crate) scope: Option<String>,
    /// The resource that this server protects now.
    pub(crate) resource: String,
}

/// A code or refresh token that was just used up. Tokens are made of this alone.
struct Redeemed {
    grant: GrantRow,
    /// The refresh token that the client gets now.
    refresh_token: String,
}

/// A grant, as the row of a code or refresh token leads to it.
struct GrantRow {
    id: i64,
    user_id: UserId,
    client_id: String,
    resource: String,
    scopes: Scopes,
    revoked_at: Option<i64>,
}

impl GrantRow {
    /// The first columns of a statement in which `grants` is `g`.
    const COLUMNS: &str = "g.id, g.user_id, g.client_id, g.resource, g.scope, g.revoked_at";

    fn read(row: &Row) -> rusqlite::Result<GrantRow> {
        Ok(GrantRow {
            id: row.get(0)?,
            user_id: row.get(1)?,
            client_id: row.get(2)?,
            resource: row.get(3)?,
            scopes: Scopes::parse_known(row.get_ref(4)?.as_str()?),
            revoked_at: row.get(5)?,
        })
    }
}

/// The outcome of an attempt that may have to change the database even where it fails.
///
/// The outer error undoes all that the attempt did: the store rolls its work back. The inner one is an answer like
/// any other, and what was done stays. A replayed code is refused *and* ends its grant; if the refusal undid the
/// revocation, the thief would keep the tokens.
type Attempt<T> = Result<Result<T, OAuthError>, OAuthError>;

/// Records what a person allowed, and returns the code for it.
pub(crate) fn allow(store: &Store, new: NewGrant, now: Timestamp) -> Result<String, OAuthError> {
    let code = secret::random_text::<32>();
    let hash = secret::sha256(code.as_bytes());
    store.write(move |connection| {
        // Two kinds of grants hold nothing any more and are deleted here, where the table grows. The first has a code
        // that expired before the client redeemed it, and so no token.
        let forgotten = "DELETE FROM grants WHERE id IN (SELECT grant_id FROM codes
                         WHERE redeemed_at IS NULL AND expires_at < ?1)";
        connection.execute(forgotten, [now.0])?;
        // The second was last used so long ago that its last refresh token has expired: each token renews `used_at`.
        let expired = "DELETE FROM grants WHERE used_at <= ?1";
        connection.execute(expired, [now.plus(-limits::REFRESH_TOKEN_SECONDS).0])?;
        // The new grant stands beside older ones of the same client. A person may use the same program on two
        // machines, and a consent on one must not sign the other out.
        let grant = "INSERT INTO grants (user_id, client_id, resource, scope, created_at, used_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?5)";
        let scope = new.scopes.to_string();
        connection.execute(grant, (new.user_id, &new.client_id, &new.resource, scope, now.0))?;
        let grant_id = connection.last_insert_rowid();
        // The code is bound to the client (by its grant), the redirect URI and the challenge (OAuth 2.1 §4.1.2).
        let code = "INSERT INTO codes (hash, grant_id, redirect_uri, challenge, expires_at)
                    VALUES (?1, ?2, ?3, ?4, ?5)";
        // A code passes through the browser, and may stay in a history or a log. OAuth 2.1 §4.1.2 recommends ten
        // minutes at most; a client redeems it at once, so it is much shorter here.
        let expires_at = now.plus(limits::CODE_SECONDS).0;
        connection.execute(code, (hash, grant_id, &new.redirect_uri, &new.challenge, expires_at))?;
        Ok::<_, OAuthError>(())
    })?;
    Ok(code)
}

/// A code, as it was stored when the person allowed the request.
struct CodeRow {
    grant: GrantRow,
    redirect_uri: String,
    challenge: String,
    expires_at: i64,
    redeemed_at: Option<i64>,
}

impl CodeRow {
    fn find(connection: &Connection, hash: [u8; 32]) -> rusqlite::Result<Option<CodeRow>> {
        let sql = format!(
            "SELECT {}, c.redirect_uri, c.challenge, c.expires_at, c.redeemed_at
             FROM codes c JOIN grants g ON g.id = c.grant_id WHERE c.hash = ?1",
            GrantRow::COLUMNS
        );
        let read = |row: &Row| {
            let grant = GrantRow::read(row)?;
            let (redirect_uri, challenge) = (row.get(6)?, row.get(7)?);
            Ok(CodeRow { grant, redirect_uri, challenge, expires_at: row.get(8)?, redeemed_at: row.get(9)? })
        };
        connection.query_row(&sql, [hash], read).optional()
    }

    /// Checks what OAuth 2.1 §4.1.3 demands of a redemption.
    ///
    /// The order matters. The first three checks ask whether the client that sends this is the one that the code was
    /// made for; only behind them may a second use have consequences. OAuth 2.1 §7.5.3: otherwise an attacker who saw
    /// the code pass, and can do nothing else with it, could send it once more and so take the honest client's tokens
    /// away.
    fn check(&self, redemption: &Redemption, now: Timestamp) -> Result<(), OAuthError> {
        if self.grant.client_id != redemption.client_id {
            return Err(OAuthError::AnotherClient);
        }
        // OAuth 2.1 §10.2 dropped the redirect URI from this request, since PKCE protects better against a code that
        // was slipped in. Clients of OAuth 2.0 send it (RFC 6749 §4.1.3), and then it must be right.
        if redemption.redirect_uri.as_ref().is_some_and(|given| *given != self.redirect_uri) {
            return Err(OAuthError::WrongRedirect);
        }
        if !secret::verifies(&redemption.verifier, &self.challenge) {
            return Err(OAuthError::WrongVerifier);
        }
        if self.redeemed_at.is_some() {
            return Err(OAuthError::CodeReplayed);
        }
        if self.grant.revoked_at.is_some() {
            return Err(OAuthError::GrantRevoked);
        }
        // The server was restarted under another public URL since the consent. A token for the former one would be
        // refused by the gate at once.
        if self.grant.resource != redemption.resource {
            return Err(OAuthError::AnotherResource);
        }
        if self.expires_at <= now.0 {
            return Err(OAuthError::CodeExpired);
        }
        Ok(())
    }
}

/// Trades a code for tokens, once (OAuth 2.1 §4.1.3).
///
/// A redemption that is wrong in anything changes nothing, so the code stays good for its client. A second one that
/// is right in everything means that the code and its verifier were copied. It can't be known which of the two came
/// from the thief, so both lose: the grant ends, with every token of the first redemption (OAuth 2.1 §7.5.3).
pub(crate) fn redeem(store: &Store, redemption: Redemption, now: Timestamp) -> Result<Issued, OAuthError> {
    store.write(move |connection| redeem_in(connection, &redemption, now))?
}

fn redeem_in(connection: &Connection, redemption: &Redemption, now: Timestamp) -> Attempt<Issued> {
    let hash = secret::sha256(redemption.code.as_bytes());
    let Some(code) = CodeRow::find(connection, hash)? else { return Ok(Err(OAuthError::UnknownCode)) };
    if let Err(error) = code.check(redemption, now) {
        if let OAuthError::CodeReplayed = error {
            revoke_in(connection, code.grant.id, now)?;
        }
        return Ok(Err(error));
    }
    // ---- SINGLE USE OF A CODE: this statement uses it up. The row stays, so that a second use is known for one. The
    // mark and the tokens are one transaction: a crash leaves both behind, or neither. ----
    connection.execute("UPDATE codes SET redeemed_at = ?2 WHERE hash = ?1", (hash, now.0))?;
    let redeemed = Redeemed { grant: code.grant, refresh_token: new_refresh_token() };
    let scopes = redeemed.grant.scopes;
    Ok(Ok(issue(connection, redeemed, scopes, now)?))
}

/// A refresh token, as it was stored when it was issued.
struct RefreshRow {
    grant: GrantRow,
    expires_at: i64,
    /// When it was first traded for its successor.
    rotated_at: Option<i64>,
    /// Whether the successor was traded as well.
    successor_is_used: bool,
}

impl RefreshRow {
    fn find(
        connection: &Connection,
        hash: [u8; 32],
        successor: [u8; 32],
    ) -> rusqlite::Result<Option<RefreshRow>> {
        let sql = format!(
            "SELECT {}, r.expires_at, r.rotated_at,
                    EXISTS (SELECT 1 FROM refresh_tokens s WHERE s.hash = ?2 AND s.rotated_at IS NOT NULL)
             FROM refresh_tokens r JOIN grants g ON g.id = r.grant_id WHERE r.hash = ?1",
            GrantRow::COLUMNS
        );
        let read = |row: &Row| {
            let (grant, expires_at) = (GrantRow::read(row)?, row.get(6)?);
            Ok(RefreshRow { grant, expires_at, rotated_at: row.get(7)?, successor_is_used: row.get(8)? })
        };
        connection.query_row(&sql, (hash, successor), read).optional()
    }

    /// Whether it was traded before, and this is no retry of that: the grace is over, or the client has used the
    /// successor already and so must have received it.
    fn is_reused(&self, now: Timestamp) -> bool {
        let is_late = |rotated_at: i64| now.0 - rotated_at > limits::REFRESH_GRACE_SECONDS;
        self.rotated_at.is_some_and(|rotated_at| is_late(rotated_at) || self.successor_is_used)
    }

    /// Checks what OAuth 2.1 §4.3.1 demands of a refresh, and returns the scopes of the access token.
    ///
    /// As with a code, a reused token has consequences only when the right client presents it. And nothing is marked
    /// before all is checked: a client that asks for too much can still refresh afterwards.
    fn check(&self, rotation: &Rotation, now: Timestamp) -> Result<Scopes, OAuthError> {
        if self.grant.client_id != rotation.client_id {
            return Err(OAuthError::AnotherClient);
        }
        if self.grant.revoked_at.is_some() {
            return Err(OAuthError::GrantRevoked);
        }
        if self.grant.resource != rotation.resource {
            return Err(OAuthError::AnotherResource);
        }
        if self.is_reused(now) {
            return Err(OAuthError::RefreshReused);
        }
        if self.expires_at <= now.0 {
            return Err(OAuthError::RefreshExpired);
        }
        // The scope may be narrowed and never widened: what the person didn't tick, a client must ask them for.
        match rotation.scope.as_deref().map(Scopes::parse) {
            None => Ok(self.grant.scopes),
            Some(Ok(asked)) if !asked.is_empty() && self.grant.scopes.contains(asked) => Ok(asked),
            Some(_) => Err(OAuthError::ScopeWidened),
        }
    }
}

/// Trades a refresh token for the next one and an access token (OAuth 2.1 §4.3.1, refresh token rotation).
///
/// A public client has no secret to prove itself by, so a stolen refresh token would serve the thief for as long as
/// it is good. Rotation makes the theft visible: the thief and the client both hold the same token, one of them uses
/// it first, and the other comes with one that was rotated away. It can't be known which of them that is, so the
/// whole grant ends and the person is asked again.
///
/// An honest client comes with an old token too: when the response got lost and it retries, or when two of its
/// threads refresh at once. So for [`limits::REFRESH_GRACE_SECONDS`] an old token gets the same successor again, as
/// long as that is unused. The clause has no such grace; without it, each lost response would sign the person out. It
/// hides no theft for long: there is still one successor, and a later rotation shows that two programs hold it.
pub(crate) fn rotate(store: &Store, rotation: Rotation, now: Timestamp) -> Result<Issued, OAuthError> {
    store.write(move |connection| rotate_in(connection, &rotation, now))?
}

/// The refresh token that follows a presented one. It is derived with the server's key instead of drawn at random:
/// only its hash is stored, and a retry must be given the same text again. Without the key it can't be computed from
/// the presented one (OAuth 2.1 §4.3).
pub(crate) fn successor(signer: &Signer, presented: &str) -> String {
    format!("em_rt_{}", signer.derive(&[b"refresh successor"], presented.as_bytes()))
}

fn rotate_in(connection: &Connection, rotation: &Rotation, now: Timestamp) -> Attempt<Issued> {
    let hash = secret::sha256(rotation.presented.as_bytes());
    let successor = secret::sha256(rotation.successor.as_bytes());
    let Some(token) = RefreshRow::find(connection, hash, successor)? else {
        return Ok(Err(OAuthError::UnknownRefresh));
    };
    let scopes = match token.check(rotation, now) {
        Ok(scopes) => scopes,
        Err(error) => {
            if let OAuthError::RefreshReused = error {
                revoke_in(connection, token.grant.id, now)?;
            }
            return Ok(Err(error));
        }
    };
    // ---- SINGLE USE OF A REFRESH TOKEN: this statement rotates it away. The time of the first use is kept, or each
    // retry would lengthen the grace. ----
    let sql = "UPDATE refresh_tokens SET rotated_at = coalesce(rotated_at, ?2) WHERE hash = ?1";
    connection.execute(sql, (hash, now.0))?;
    let redeemed = Redeemed { grant: token.grant, refresh_token: rotation.successor.clone() };
    Ok(Ok(issue(connection, redeemed, scopes, now)?))
}

/// Makes an access token and records the refresh token that goes with it.
fn issue(
    connection: &Connection,
    redeemed: Redeemed,
    scopes: Scopes,
    now: Timestamp,
) -> Result<Issued, OAuthError> {
    let Redeemed { grant: GrantRow { id, user_id, resource, .. }, refresh_token } = redeemed;
    // Rows of tokens that have expired are deleted by the client that made them: a client that refreshes for years
    // keeps a bounded number of rows.
    let stale = "DELETE FROM tokens WHERE grant_id = ?1 AND expires_at < ?2";
    connection.execute(stale, (id, now.0))?;
    connection.execute("DELETE FROM refresh_tokens WHERE grant_id = ?1 AND expires_at < ?2", (id, now.0))?;
    // An access token is sent with every request and so is the easiest to lose. It is short-lived; the refresh token,
    // which is sent to this server alone, is not.
    let (label, seconds) = (String::new(), limits::ACCESS_TOKEN_SECONDS);
    let token = NewToken { user_id, resource, scopes, label, seconds, grant_id: Some(id) };
    let access_token = tokens::insert(connection, &token, now)?;
    let sql = "INSERT INTO refresh_tokens (hash, grant_id, expires_at) VALUES (?1, ?2, ?3)
               ON CONFLICT (hash) DO NOTHING"; // a retry within the grace gets the successor that is there
    let expires_at = now.plus(limits::REFRESH_TOKEN_SECONDS).0;
    connection.execute(sql, (secret::sha256(refresh_token.as_bytes()), id, expires_at))?;
    connection.execute("UPDATE grants SET used_at = ?2 WHERE id = ?1", (id, now.0))?;
    Ok(Issued { access_token: access_token.reveal().to_owned(), refresh_token, scopes })
}

/// The first refresh token of a grant: there is no earlier one to derive it from.
fn new_refresh_token() -> String {
    format!("em_rt_{}", secret::random_text::<32>())
}

/// Ends a grant and everything that came of it. Refresh tokens and codes look at the grant's own mark; access tokens
/// have one each, because the gate looks up their row alone. An earlier mark is kept: it says when access ended.
fn revoke_in(connection: &Connection, grant_id: i64, now: Timestamp) -> Result<(), OAuthError> {
    let sql = "UPDATE grants SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1";
    connection.execute(sql, (grant_id, now.0))?;
    let sql = "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?2) WHERE grant_id = ?1";
    connection.execute(sql, (grant_id, now.0))?;
    Ok(())
}

/// Ends what a client was given, by one of its tokens (RFC 7009 §2.1): an access token ends alone, a refresh token
/// with its whole grant, since a client that gives it back has no more use for the rest.
///
/// An unknown token is no error (RFC 7009 §2.2): what the client wanted is already so. A token of another client is
/// one, and stays as it is.
pub(crate) fn revoke_token(
    store: &Store,
    presented: &str,
    client_id: &str,
    now: Timestamp,
) -> Result<(), OAuthError> {
    let (hash, client_id) = (secret::sha256(presented.as_bytes()), client_id.to_owned());
    store.write(move |connection| {
        // A refresh token that was rotated away names its grant as well: a client may hold on to an old one.
        let refresh = "SELECT g.id, g.client_id FROM refresh_tokens r JOIN grants g ON g.id = r.grant_id
                       WHERE r.hash = ?1";
        if let Some(grant_id) = find_owned(connection, refresh, hash, &client_id)? {
            return revoke_in(connection, grant_id, now);
        }
        let access = "SELECT t.id, g.client_id FROM tokens t LEFT JOIN grants g ON g.id = t.grant_id
                      WHERE t.hash = ?1";
        if let Some(id) = find_owned(connection, access, hash, &client_id)? {
            let sql = "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1";
            connection.execute(sql, (id, now.0))?;
        }
        Ok(())
    })
}

/// Finds an id by a hash; an error when the row has another owner, or none, as a token from the command line has.
fn find_owned(
    connection: &Connection,
    sql: &str,
    hash: [u8; 32],
    client_id: &str,
) -> Result<Option<i64>, OAuthError> {
    let found = connection.query_row(sql, [hash], |row| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?)));
    match found.optional()? {
        Some((_, owner)) if owner.as_deref() != Some(client_id) => Err(OAuthError::AnotherClient),
        found => Ok(found.map(|(id, _)| id)),
    }
}

/// What a person has allowed and not taken back, last used first. A grant whose tokens have all expired is left out:
/// the page would offer to take back what is over.
pub(crate) fn list(store: &Store, user_id: UserId, now: Timestamp) -> Result<Vec<Listed>, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT g.id, c.name, g.scope, g.created_at, g.used_at
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
                scopes: Scopes::parse_known(row.get_ref(2)?.as_str()?),
                created_at: Timestamp(row.get(3)?),
                used_at: Timestamp(row.get(4)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    })
}

/// Takes one grant of a person's back; `false` when they have none of this id. The person's id is part of the
/// condition, because the grant's id comes from a form, in which any number can be written.
pub(crate) fn revoke(
    store: &Store,
    user_id: UserId,
    grant_id: i64,
    now: Timestamp,
) -> Result<bool, OAuthError> {
    store.write(move |connection| {
        let sql = "SELECT 1 FROM grants WHERE id = ?1 AND user_id = ?2";
        let own = connection.query_row(sql, (grant_id, user_id), |_| Ok(())).optional()?;
        if own.is_some() {
            revoke_in(connection, grant_id, now)?;
        }
        Ok(own.is_some())
    })
}
