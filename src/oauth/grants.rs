//! What people allowed, as the database stores it: grants, and the codes and tokens that clients get under them.
//!
//! Uses no HTTP. Invariant: [`issue`] makes tokens only from a [`Redeemed`], and only two places make a `Redeemed`,
//! each after the check that refuses a second use and the statement that records the first one. Both places are
//! marked `SINGLE USE`.
//!
//! ```text
//! the person allows      the client redeems            the client refreshes, again and again
//!  grant ─► code ───────► access + refresh token ─────► access + next refresh token ─────► …
//!           used once               used once                          used once
//! ```
//!
//! Codes and tokens all refer to the row of their grant. Revoking the grant ends all its tokens at once, however many
//! there are. A person does that on the account page, a client when it gives back a refresh token, and this server
//! when a used code or refresh token comes again, because an attacker has probably copied it. Removing the person or
//! the client deletes the grant.
//!
//! Every change happens on the store's one writer thread, in a transaction that commits or undoes the work of each
//! request as a whole. That is why a look-up followed by an update is safe here: no other write can come between the
//! two. A larger server with several writers would update the row under the condition that it is unused, and look at
//! the count of changed rows.

use std::fmt;

use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::OAuthError;
use super::clients::{self, Client};
use crate::activity::{self, Event, Visit};
use crate::clock::Timestamp;
use crate::ids::UserId;
use crate::limits;
use crate::scope::Scopes;
use crate::secret::{self, Signer};
use crate::store::{self, Store, StoreError};
use crate::tokens::{self, NewToken};

/// A grant to be made: what the person allowed, and the parts of the request that its code is bound to.
pub(crate) struct NewGrant {
    pub(crate) user_id: UserId,
    pub(crate) client: Client,
    /// The audience of the tokens (RFC 8707). The consent fixes it, and no later request can change it: a client must
    /// not trade a token for one server for a token for another server.
    pub(crate) resource: String,
    /// What the person ticked. A refresh may ask for fewer scopes for its access token, never for more; the grant
    /// keeps them all.
    pub(crate) scopes: Scopes,
    /// The URI to which the browser takes the code.
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

/// A place in the list of a person's grants. It is no secret, and anyone may make one up: it only divides the person's
/// own grants.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    used_at: Timestamp,
    id: i64,
}

impl Place {
    /// Reads what `Display` writes.
    pub(crate) fn parse(text: &str) -> Option<Place> {
        let (used_at, id) = text.split_once('.')?;
        Some(Place { used_at: Timestamp(used_at.parse().ok()?), id: id.parse().ok()? })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.used_at.0, self.id)
    }
}

/// The tokens that a client gets for a code or a refresh token.
pub(crate) struct Issued {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    /// The scopes of the access token. The refresh token keeps all scopes of the grant.
    pub(crate) scopes: Scopes,
}

/// What a client presents in order to redeem a code.
pub(crate) struct Redemption {
    pub(crate) code: String,
    /// The client that presents the code; it was authenticated if it has a secret.
    pub(crate) client_id: String,
    /// The redirect URI to which the code was sent, if the client names it.
    pub(crate) redirect_uri: Option<String>,
    /// The PKCE verifier.
    pub(crate) verifier: String,
    /// The resource that this server protects now; after a restart it can differ from the grant's.
    pub(crate) resource: String,
}

/// What a client presents in order to trade a refresh token for the next.
pub(crate) struct Rotation {
    pub(crate) presented: String,
    /// The refresh token that the client gets instead, from [`successor`].
    pub(crate) successor: String,
    /// The client that presents the token; it was authenticated if it has a secret.
    pub(crate) client_id: String,
    /// The scopes that the client wants in its access token, if it names any.
    pub(crate) scopes: Option<Scopes>,
    /// The resource that this server protects now; after a restart it can differ from the grant's.
    pub(crate) resource: String,
}

/// The proof that a code or refresh token was just used up. [`issue`] needs it to make tokens.
struct Redeemed {
    grant: GrantRow,
    /// The refresh token that the client gets now.
    refresh_token: String,
}

/// A grant, as a statement reads it together with a code or refresh token.
struct GrantRow {
    id: i64,
    user_id: UserId,
    client_id: String,
    resource: String,
    scopes: Scopes,
    revoked_at: Option<i64>,
}

impl GrantRow {
    /// The columns that [`GrantRow::read`] reads. A statement selects them first, and calls the table `grants` `g`.
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

/// The outcome of an attempt that may have to change the database even if it fails.
///
/// An outer error makes the store roll back all that the attempt did. The inner error is an answer like a value: the
/// store commits what the attempt did. A replayed code is refused *and* ends its grant; if the refusal undid the
/// revocation, the thief would keep the tokens.
type Attempt<T> = Result<Result<T, OAuthError>, OAuthError>;

/// Records what a person allowed, and returns the code for it.
pub(crate) fn allow(connection: &Connection, new: &NewGrant, visit: &Visit) -> Result<String, OAuthError> {
    let now = visit.now;
    activity::record(connection, new.user_id, (Event::AccessGiven, &new.client.name), visit)?;
    let code = secret::random_text::<32>();
    let hash = secret::sha256(code.as_bytes());
    delete_old(connection, new.user_id, now)?;
    clients::keep(connection, &new.client)?;
    // The new grant doesn't replace older ones of the same client. A person may use the same program on two machines,
    // and a consent on one must not sign the other out.
    let grant = "INSERT INTO grants (user_id, client_id, resource, scope, created_at, used_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?5)";
    let scope = new.scopes.to_string();
    connection.execute(grant, (new.user_id, &new.client.id, &new.resource, scope, now.0))?;
    let grant_id = connection.last_insert_rowid();
    // The code is bound to the client (by its grant), the redirect URI and the challenge (OAuth 2.1 §4.1.2).
    let sql = "INSERT INTO codes (hash, grant_id, redirect_uri, challenge, expires_at)
               VALUES (?1, ?2, ?3, ?4, ?5)";
    // A code passes through the browser, and may stay in a history or a log. OAuth 2.1 §4.1.2 recommends a lifetime of
    // ten minutes at most; here the lifetime is much shorter, since a client redeems a code at once.
    let expires_at = now.plus(limits::CODE_SECONDS).0;
    connection.execute(sql, (hash, grant_id, &new.redirect_uri, &new.challenge, expires_at))?;
    Ok(code)
}

/// Makes room for one more grant of a person: deletes three kinds of grants, so that the table doesn't grow forever,
/// and then the clients that have none left.
fn delete_old(connection: &Connection, user_id: UserId, now: Timestamp) -> Result<(), StoreError> {
    // As many rows as one grant may have, and some more: other writes wait meanwhile, and what is left stays for the
    // next consent.
    let mut left = (limits::REFRESH_TOKENS_PER_GRANT_MAX + limits::CLEAN_UP_ROWS_MAX) as i64;
    let at_once = limits::CLEAN_UP_ROWS_MAX as i64;
    // This kind never had a token: its code expired before the client redeemed it.
    let forgotten = "SELECT grant_id FROM codes WHERE redeemed_at IS NULL AND expires_at < ?1 LIMIT ?2";
    delete(connection, forgotten, (now.0, at_once), &mut left, now)?;
    // This one was last used so long ago that its last refresh token has expired; `issue` renews `used_at`.
    let expired = "SELECT id FROM grants WHERE used_at <= ?1 LIMIT ?2";
    delete(connection, expired, (now.plus(-limits::REFRESH_TOKEN_SECONDS).0, at_once), &mut left, now)?;
    // These are more than one person may have: those that ended or were used longest ago. Otherwise a program that asks
    // again and again could fill the database in the name of one person.
    let surplus = "SELECT id FROM grants WHERE user_id = ?1
                   ORDER BY revoked_at IS NOT NULL, used_at DESC, id DESC LIMIT ?2 OFFSET ?3";
    let kept = limits::GRANTS_PER_PERSON_MAX as i64 - 1;
    delete(connection, surplus, (user_id, at_once, kept), &mut left, now)
}

/// Deletes the grants that `select` finds, with their codes and tokens, and the clients that have no grant left. It
/// stops when it has deleted `left` rows, and lowers that number; a grant of which rows are left is revoked.
///
/// The foreign keys would delete the codes and tokens by themselves, but all at once.
fn delete(
    connection: &Connection,
    select: &str,
    parameters: impl Params,
    left: &mut i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut select = connection.prepare_cached(select)?;
    let ids: Vec<i64> = select.query_map(parameters, |row| row.get(0))?.collect::<Result<_, _>>()?;
    for id in ids {
        // A grant has one code.
        for sql in [
            "DELETE FROM tokens WHERE rowid IN (SELECT rowid FROM tokens WHERE grant_id = ?1 LIMIT ?2)",
            "DELETE FROM refresh_tokens WHERE rowid IN (
                 SELECT rowid FROM refresh_tokens WHERE grant_id = ?1 LIMIT ?2)",
        ] {
            *left -= connection.prepare_cached(sql)?.execute((id, *left))? as i64;
        }
        if *left == 0 {
            return revoke_in(connection, id, now);
        }
        let mut grant = connection.prepare_cached("DELETE FROM grants WHERE id = ?1 RETURNING client_id")?;
        let client: Option<String> = grant.query_row([id], |row| row.get(0)).optional()?;
        *left -= 1;
        if let Some(client) = client {
            clients::forget_unused(connection, &client)?;
        }
    }
    Ok(())
}

/// Removes the row of a client with its grants, codes and tokens; `false` when there is no row of this id.
/// [`clients::find`] says what that means for a client that registered itself.
///
/// A client may have been given very much. So the first transaction ends all that opens something, and the following
/// ones delete the rows piece by piece, the client's own last: other writes come in between, and after a crash a second
/// call removes the rest.
pub(crate) fn remove_client(store: &Store, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    if clients::find_stored(store, id)?.is_none() {
        return Ok(false);
    }
    let client = id.to_owned();
    store.write(move |connection| {
        for sql in [
            "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?2)
                 WHERE grant_id IN (SELECT id FROM grants WHERE client_id = ?1)",
            "UPDATE grants SET revoked_at = coalesce(revoked_at, ?2) WHERE client_id = ?1",
        ] {
            connection.execute(sql, (&client, now.0))?;
        }
        Ok::<_, StoreError>(())
    })?;
    store::in_pieces(limits::REMOVAL_PAUSE, || {
        let client = id.to_owned();
        let is_removed = store.write(move |connection| {
            let mut left = limits::CLEAN_UP_ROWS_MAX as i64;
            let of_client = "SELECT id FROM grants WHERE client_id = ?1 LIMIT ?2";
            delete(connection, of_client, (&client, left), &mut left, now)?;
            // What is left of the number shows that no grant is.
            if left > 0 {
                connection.execute("DELETE FROM clients WHERE id = ?1", [client])?;
            }
            Ok::<_, StoreError>(left > 0)
        })?;
        Ok(is_removed.then_some(true))
    })
}

/// A code's row, with the grant that it belongs to.
struct CodeRow {
    grant: GrantRow,
    redirect_uri: String,
    challenge: String,
    expires_at: i64,
    redeemed_at: Option<i64>,
}

impl CodeRow {
    /// Finds the code with this hash, together with its grant. Returns `None` if the code is unknown. A code that has
    /// expired, was redeemed or belongs to a revoked grant is found too: [`Self::check`] refuses it.
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
    /// The order matters. The first three checks ask whether the sender is the client that the code was made for; a
    /// second use may have consequences only after them. Otherwise an attacker who saw the code but can't redeem it
    /// could send it again, and the server would revoke the honest client's tokens (OAuth 2.1 §7.5.3).
    fn check(&self, redemption: &Redemption, now: Timestamp) -> Result<(), OAuthError> {
        if self.grant.client_id != redemption.client_id {
            return Err(OAuthError::AnotherClient);
        }
        // OAuth 2.1 §10.2 dropped the redirect URI from this request, since PKCE protects better against an injected
        // code. Clients of OAuth 2.0 send it (RFC 6749 §4.1.3), and then it must be right.
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
        // This fails when the operator has restarted the server under another public URL since the consent. The gate
        // would refuse a token for the former URL at once.
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
/// A redemption with a mistake in it changes nothing, so the client can still redeem the code. If a second redemption
/// has the right client, redirect URI and verifier, the server assumes that the code and its verifier were copied;
/// unlike a refresh, a redemption has no grace for a retry. The server can't know which of the two came from the
/// thief, so both lose: the grant ends, with every token of the first redemption (OAuth 2.1 §7.5.3).
pub(crate) fn redeem(store: &Store, redemption: Redemption, visit: Visit) -> Result<Issued, OAuthError> {
    if !is_known(store, "SELECT 1 FROM codes WHERE hash = ?1", &redemption.code)? {
        return Err(OAuthError::UnknownCode);
    }
    store.write(move |connection| redeem_in(connection, &redemption, &visit))?
}

/// Does the work of [`redeem`] inside the writer's transaction. One refusal writes something: a replayed code ends
/// its grant, and [`Attempt`] keeps that although the client gets an error.
fn redeem_in(connection: &Connection, redemption: &Redemption, visit: &Visit) -> Attempt<Issued> {
    let now = visit.now;
    let hash = secret::sha256(redemption.code.as_bytes());
    let Some(code) = CodeRow::find(connection, hash)? else { return Ok(Err(OAuthError::UnknownCode)) };
    if let Err(error) = code.check(redemption, now) {
        if let OAuthError::CodeReplayed = error {
            end(connection, code.grant.id, Event::AccessEnded, visit)?;
        }
        return Ok(Err(error));
    }
    // ---- SINGLE USE OF A CODE: this statement records the first use; `CodeRow::check`, called above, refuses a
    // second one as `CodeReplayed`. The row stays, so that the check can see the first use. The mark and the tokens
    // are one transaction: after a crash the database has both, or neither. ----
    connection.execute("UPDATE codes SET redeemed_at = ?2 WHERE hash = ?1", (hash, now.0))?;
    let redeemed = Redeemed { grant: code.grant, refresh_token: new_refresh_token() };
    let scopes = redeemed.grant.scopes;
    Ok(Ok(issue(connection, redeemed, scopes, now)?))
}

/// A refresh token's row, with the grant that it belongs to.
struct RefreshRow {
    grant: GrantRow,
    expires_at: i64,
    /// When the token was first traded for its successor.
    rotated_at: Option<i64>,
    /// Whether the successor was traded as well.
    successor_is_used: bool,
}

impl RefreshRow {
    /// Finds the refresh token with this hash, together with its grant. `successor` is the hash of the token that
    /// replaces it; the row says whether that one has been traded too. Returns `None` if the token is unknown. A
    /// token that has expired, was traded or belongs to a revoked grant is found too: [`Self::check`] refuses it.
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

    /// Returns whether the token was traded before and this request isn't a retry: the grace is over, or the client
    /// has used the successor already and so must have received it.
    fn is_reused(&self, now: Timestamp) -> bool {
        let is_late = |rotated_at: i64| now.0 - rotated_at > limits::REFRESH_GRACE_SECONDS;
        self.rotated_at.is_some_and(|rotated_at| is_late(rotated_at) || self.successor_is_used)
    }

    /// Checks what OAuth 2.1 §4.3.1 demands of a refresh, and returns the scopes of the access token.
    ///
    /// As with a code, a reused token has consequences only when the right client presents it. [`rotate_in`] marks
    /// the token only after all checks, so a client that asks for nothing that was granted can still refresh
    /// with it afterwards.
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
        // The client may get fewer scopes, never more: for what the person didn't tick, it must ask the person again.
        // What it names beyond the grant is passed over and not refused, as at the authorization endpoint. Many
        // clients repeat the scopes of their first request (`offline_access` among them) with each refresh, and would
        // be refused every quarter of an hour for what they never got. OAuth 2.1 §4.3.1 wants no scope in the answer
        // that wasn't granted, and the answer names those that were.
        let scopes = rotation.scopes.map_or(self.grant.scopes, |asked| self.grant.scopes.and(asked));
        if scopes.is_empty() { Err(OAuthError::NotGranted) } else { Ok(scopes) }
    }
}

/// Trades a refresh token for the next one and an access token (OAuth 2.1 §4.3.1, refresh token rotation).
///
/// A public client has no secret, so without rotation a thief could use a stolen refresh token until it expires.
/// Rotation makes the theft visible: the thief and the client hold the same token, one of them trades it first, and
/// then the other one presents a token that was rotated away. The server can't know which of them is the thief, so it
/// ends the whole grant, and the person is asked again.
///
/// An honest client comes with an old token too: when the response got lost and it retries, or when two of its
/// threads refresh at once. So for [`limits::REFRESH_GRACE_SECONDS`] an old token gets the same successor again, as
/// long as that is unused. OAuth 2.1 §4.3.1 has no such grace, but without the grace each lost response would sign
/// the person out. The grace hides a theft only for a short time: there is still one successor, and a later rotation
/// shows that two programs hold it.
pub(crate) fn rotate(store: &Store, rotation: Rotation, visit: Visit) -> Result<Issued, OAuthError> {
    if !is_known(store, REFRESH_IS_KNOWN, &rotation.presented)? {
        return Err(OAuthError::UnknownRefresh);
    }
    store.write(move |connection| rotate_in(connection, &rotation, &visit))?
}

/// Derives the refresh token that follows a presented one, with the server's key. A random successor wouldn't do:
/// only its hash is stored, and a retry must get the same text again. Without the key the successor can't be computed
/// from the presented token (OAuth 2.1 §4.3).
pub(crate) fn successor(signer: &Signer, presented: &str) -> String {
    format!("em_rt_{}", signer.derive(&[b"refresh successor"], presented.as_bytes()))
}

/// Does the work of [`rotate`] inside the writer's transaction. One refusal writes something: a reused token ends its
/// grant, and [`Attempt`] keeps that although the client gets an error.
fn rotate_in(connection: &Connection, rotation: &Rotation, visit: &Visit) -> Attempt<Issued> {
    let now = visit.now;
    let hash = secret::sha256(rotation.presented.as_bytes());
    let successor = secret::sha256(rotation.successor.as_bytes());
    let Some(token) = RefreshRow::find(connection, hash, successor)? else {
        return Ok(Err(OAuthError::UnknownRefresh));
    };
    let scopes = match token.check(rotation, now) {
        Ok(scopes) => scopes,
        Err(error) => {
            if let OAuthError::RefreshReused = error {
                end(connection, token.grant.id, Event::AccessEnded, visit)?;
            }
            return Ok(Err(error));
        }
    };
    // To delete the oldest ones instead would hide a theft: a thief with the newest token could trade it until that of
    // the honest client is forgotten, and then its return would mean nothing.
    let full = "SELECT 1 FROM refresh_tokens WHERE grant_id = ?1 AND expires_at >= ?2 LIMIT 1 OFFSET ?3";
    let others = limits::REFRESH_TOKENS_PER_GRANT_MAX as i64 - 1;
    if connection.prepare_cached(full)?.exists((token.grant.id, now.0, others))? {
        end(connection, token.grant.id, Event::AccessEnded, visit)?;
        return Ok(Err(OAuthError::RefreshedTooOften));
    }
    // ---- SINGLE USE OF A REFRESH TOKEN: this statement records the first use; `RefreshRow::is_reused`, called by
    // the check above, refuses a second one as `RefreshReused`, unless it is a retry within the grace. The statement
    // keeps the time of the first use: otherwise each retry would lengthen the grace. ----
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
    // Each new token deletes expired ones of its grant, so a client that refreshes for years doesn't keep the rows of
    // all those years.
    let at_once = limits::CLEAN_UP_ROWS_MAX as i64;
    let stale = "DELETE FROM tokens WHERE rowid IN (
                     SELECT rowid FROM tokens WHERE grant_id = ?1 AND expires_at < ?2 LIMIT ?3)";
    connection.execute(stale, (id, now.0, at_once))?;
    // A retry within the grace gets another access token each time.
    let surplus = "DELETE FROM tokens WHERE rowid IN (
                       SELECT rowid FROM tokens WHERE grant_id = ?1 AND expires_at >= ?2
                       ORDER BY expires_at DESC, id DESC LIMIT ?3 OFFSET ?4)";
    connection.execute(surplus, (id, now.0, at_once, limits::ACCESS_TOKENS_PER_GRANT_MAX as i64 - 1))?;
    let stale = "DELETE FROM refresh_tokens WHERE rowid IN (
                     SELECT rowid FROM refresh_tokens WHERE grant_id = ?1 AND expires_at < ?2 LIMIT ?3)";
    connection.execute(stale, (id, now.0, at_once))?;
    // A client sends its access token with every request, so this token leaks most easily. So it is short-lived; the
    // refresh token, which a client sends only to refresh or to revoke it, lives longer.
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

const REFRESH_IS_KNOWN: &str = "SELECT 1 FROM refresh_tokens WHERE hash = ?1";

/// Returns whether there is a row with the hash of this text. Anyone can invent codes and tokens and register a client
/// to present them, so they are looked up first: a stranger can't fill the writer's queue, in which rightful clients
/// would wait behind them. What was issued is found, because it was issued after its commit.
fn is_known(store: &Store, sql: &str, presented: &str) -> Result<bool, StoreError> {
    let hash = secret::sha256(presented.as_bytes());
    store.look_up(|connection| Ok(connection.prepare_cached(sql)?.exists([hash])?))
}

/// Makes the first refresh token of a grant at random: there is no earlier token to derive it from.
fn new_refresh_token() -> String {
    format!("em_rt_{}", secret::random_text::<32>())
}

/// Revokes a grant with its code and its tokens. The mark of the grant decides for codes and refresh tokens; each
/// access token gets a mark of its own, because that is the only one that the gate checks. An earlier mark is kept:
/// it says when access ended.
fn revoke_in(connection: &Connection, grant_id: i64, now: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE grants SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1";
    connection.execute(sql, (grant_id, now.0))?;
    let sql = "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?2) WHERE grant_id = ?1";
    connection.execute(sql, (grant_id, now.0))?;
    Ok(())
}

/// The same, with the event that tells the person why. Nothing happens if the grant has ended before.
fn end(connection: &Connection, grant_id: i64, event: Event, visit: &Visit) -> Result<(), StoreError> {
    let sql = "SELECT g.user_id, c.name FROM grants g JOIN clients c ON c.id = g.client_id
               WHERE g.id = ?1 AND g.revoked_at IS NULL";
    let live = connection.query_row(sql, [grant_id], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
    if let Some((user_id, name)) = live.optional()? {
        revoke_in(connection, grant_id, visit.now)?;
        activity::record(connection, user_id, (event, &name), visit)?;
    }
    Ok(())
}

/// Ends what a client was given, when the client gives back one of its tokens (RFC 7009 §2.1). An access token ends
/// alone; a refresh token ends its whole grant, since a client that gives it back has no more use for the rest.
///
/// An unknown token is no error (RFC 7009 §2.2): it opens nothing, which is what the client wants. A token that isn't
/// this client's is an error, and stays as it is.
pub(crate) fn revoke_token(
    store: &Store,
    presented: &str,
    client_id: &str,
    visit: Visit,
) -> Result<(), OAuthError> {
    if !is_known(store, REFRESH_IS_KNOWN, presented)?
        && !is_known(store, "SELECT 1 FROM tokens WHERE hash = ?1", presented)?
    {
        return Ok(());
    }
    let (hash, client_id) = (secret::sha256(presented.as_bytes()), client_id.to_owned());
    store.write(move |connection| {
        // This also finds the grant of a refresh token that was rotated away, since a client may still hold an old
        // one.
        let refresh = "SELECT g.id, g.client_id FROM refresh_tokens r JOIN grants g ON g.id = r.grant_id
                       WHERE r.hash = ?1";
        if let Some(grant_id) = find_owned(connection, refresh, hash, &client_id)? {
            return Ok(end(connection, grant_id, Event::AccessGivenBack, &visit)?);
        }
        let access = "SELECT t.id, g.client_id FROM tokens t LEFT JOIN grants g ON g.id = t.grant_id
                      WHERE t.hash = ?1";
        if let Some(id) = find_owned(connection, access, hash, &client_id)? {
            let sql = "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1";
            connection.execute(sql, (id, visit.now.0))?;
        }
        Ok(())
    })
}

/// Finds an id by a hash. A row of another client is an error, and so is a token from the command line, which has no
/// client.
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

/// Lists up to [`limits::GRANTS_PER_PAGE`] of a person's grants that aren't revoked, last used first, and says where
/// the next page begins; `from` is such a place. A grant whose tokens have all expired is left out: otherwise the page
/// would offer to take back access that is over.
///
/// It reads for the person's browser, within its share of the connections, which no program can take. A look-up has the
/// connections of the gate, and a person with many grants could keep those busy.
pub(crate) fn list(
    store: &Store,
    user_id: UserId,
    from: Option<Place>,
    now: Timestamp,
) -> Result<(Vec<Listed>, Option<Place>), StoreError> {
    let Place { used_at, id } = from.unwrap_or(Place { used_at: Timestamp(i64::MAX), id: i64::MAX });
    let mut grants: Vec<_> = store.read_for_page(user_id, |connection| {
        let sql = "SELECT g.id, c.name, g.scope, g.created_at, g.used_at
                   FROM grants g JOIN clients c ON c.id = g.client_id
                   WHERE g.user_id = ?1 AND g.revoked_at IS NULL AND (g.used_at, g.id) <= (?3, ?4)
                       AND (EXISTS (SELECT 1 FROM refresh_tokens r WHERE r.grant_id = g.id AND r.expires_at > ?2)
                            OR EXISTS (SELECT 1 FROM tokens t WHERE t.grant_id = g.id AND t.expires_at > ?2))
                   ORDER BY g.used_at DESC, g.id DESC LIMIT ?5";
        let mut statement = connection.prepare_cached(sql)?;
        // One more than a page holds: it shows whether there is another page, and where that begins.
        let parameters = (user_id, now.0, used_at.0, id, limits::GRANTS_PER_PAGE as i64 + 1);
        let rows = statement.query_map(parameters, |row| {
            Ok(Listed {
                id: row.get(0)?,
                client_name: row.get(1)?,
                scopes: Scopes::parse_known(row.get_ref(2)?.as_str()?),
                created_at: Timestamp(row.get(3)?),
                used_at: Timestamp(row.get(4)?),
            })
        })?;
        Ok::<_, StoreError>(rows.collect::<Result<_, _>>()?)
    })?;
    let next =
        grants.get(limits::GRANTS_PER_PAGE).map(|grant| Place { used_at: grant.used_at, id: grant.id });
    grants.truncate(limits::GRANTS_PER_PAGE);
    Ok((grants, next))
}

/// Revokes one grant of a person, with all its tokens. `false` means that the person has no grant with this id; one
/// that was revoked before gives `true`. The person's id is part of the condition, because the grant's id comes from
/// a form, in which any number can be written.
pub(crate) fn revoke(
    connection: &Connection,
    user_id: UserId,
    grant_id: i64,
    visit: &Visit,
) -> Result<bool, OAuthError> {
    let sql = "SELECT 1 FROM grants WHERE id = ?1 AND user_id = ?2";
    let is_own = connection.prepare_cached(sql)?.exists((grant_id, user_id))?;
    if is_own {
        end(connection, grant_id, Event::AccessTakenBack, visit)?;
    }
    Ok(is_own)
}
