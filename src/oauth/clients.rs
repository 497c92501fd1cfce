//! Clients: the programs that may ask a person for access, and how a program proves that it is the client whose id it
//! sends.
//!
//! Imports nothing of the journal and makes no token. A client's name is what the client says of itself and proves
//! nothing; what protects the person is that a code goes only to a redirect URI that was registered under the same
//! id.
//!
//! Most clients are *public* (OAuth 2.1 §2.1): they run on the person's machine, where a secret that is built into
//! the program is known to everyone who has the program. They have an id but can't prove that it is theirs; PKCE and
//! the rotation of refresh tokens protect their codes and tokens. A *confidential* client runs on a server and has a
//! secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, OptionalExtension, Row};

use super::{OAuthError, Parameters};
use crate::clock::Timestamp;
use crate::http::field::split_credentials;
use crate::http::request::Head;
use crate::limits;
use crate::secret;
use crate::store::{Holder, Store, StoreError};

/// A registered client.
pub(crate) struct Client {
    pub(crate) id: String,
    /// What the client calls itself. Any program can call itself by the name of another.
    pub(crate) name: String,
    /// The URIs to which the browser may take a code. A confidential client that only introspects needs none.
    pub(crate) redirect_uris: Vec<String>,
    /// How it authenticates: `none`, `client_secret_basic` or `client_secret_post`.
    pub(crate) auth_method: String,
    /// `itself` or `operator`. Only a confidential client that the operator registered may introspect tokens.
    pub(crate) registered_by: String,
    pub(crate) created_at: Timestamp,
    /// `None` for a public client.
    secret_hash: Option<[u8; 32]>,
}

/// A client to be registered.
pub(crate) struct NewClient {
    pub(crate) name: String,
    /// Each was accepted by [`super::redirect::check`].
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) auth_method: &'static str,
    pub(crate) registered_by: &'static str,
}

const COLUMNS: &str = "id, name, redirect_uris, auth_method, registered_by, created_at, secret_hash";

/// Registers a client and returns its id, and its secret if it has one. Only the hash of the secret is stored, so
/// this is the only time that it can be shown.
pub(crate) fn insert(
    store: &Store,
    new: NewClient,
    now: Timestamp,
) -> Result<(String, Option<String>), OAuthError> {
    // The id is no secret (OAuth 2.1 §2.2), but it is random: ids in sequence would tell each client how many others
    // there are. It never looks like a URL, because a URL as an id claims to be the address of a metadata document
    // that the client published (Client ID Metadata Documents), and such a claim would have to be checked.
    let id = format!("c_{}", secret::random_text::<16>());
    let secret = (new.auth_method != "none").then(|| format!("em_cs_{}", secret::random_text::<32>()));
    let hash = secret.as_ref().map(|secret| secret::sha256(secret.as_bytes()));
    let given = id.clone();
    let holder = if new.registered_by == "itself" { Holder::Strangers } else { Holder::Server };
    store.write_for(holder, move |connection| {
        if new.registered_by == "itself" {
            make_room(connection, now)?;
        }
        let sql = "INSERT INTO clients (id, name, redirect_uris, auth_method, secret_hash, registered_by, created_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let uris = new.redirect_uris.join("\n"); // `redirect::check` lets no line end through
        connection.execute(sql, (&id, &new.name, &uris, new.auth_method, hash, new.registered_by, now.0))?;
        Ok::<_, OAuthError>(())
    })?;
    Ok((given, secret))
}

/// Deletes clients that registered themselves and have no live grant, so that there is room for one more.
///
/// Registration is open to everyone, so it has to be bounded (RFC 7591 §3): each one is a row in the database, and a
/// script could fill the disk. This function never deletes a client that has a live grant, however many strangers
/// register. If a deleted client comes back, the server answers that it is unknown, and clients then register again.
fn make_room(connection: &Connection, now: Timestamp) -> Result<(), OAuthError> {
    let unused = "registered_by = 'itself'
                  AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.client_id = clients.id AND g.revoked_at IS NULL
                                  AND g.used_at > ?1)";
    let live = now.plus(-limits::REFRESH_TOKEN_SECONDS).0; // a grant that was last used before this has no live token
    let expired = format!("DELETE FROM clients WHERE {unused} AND created_at < ?2");
    connection.execute(&expired, (live, now.plus(-limits::UNUSED_CLIENT_SECONDS).0))?;
    let count = format!("SELECT count(*) FROM clients WHERE {unused}");
    let count: i64 = connection.query_row(&count, [live], |row| row.get(0))?;
    if count < limits::UNUSED_CLIENTS_MAX {
        return Ok(());
    }
    // The oldest unused client makes room, unless it is so young that a person may still be reading its consent page.
    // If all are that young, the newcomer is refused: otherwise a flood would delete every client between its
    // registration and the person's decision, and no client could connect any more.
    let oldest = format!(
        "DELETE FROM clients WHERE id = (SELECT id FROM clients WHERE {unused} AND created_at < ?2
                                         ORDER BY created_at LIMIT 1)"
    );
    let made_room = connection.execute(&oldest, (live, now.plus(-limits::FRESH_CLIENT_SECONDS).0))? == 1;
    if made_room { Ok(()) } else { Err(OAuthError::TooMany) }
}

/// Finds the client with this id; returns `None` when it was never registered or has been deleted.
pub(crate) fn find(store: &Store, id: &str) -> Result<Option<Client>, StoreError> {
    store.look_up(|connection| {
        let sql = format!("SELECT {COLUMNS} FROM clients WHERE id = ?1");
        Ok(connection.prepare_cached(&sql)?.query_row([id], client).optional()?)
    })
}

/// Lists every client, oldest first.
pub(crate) fn list(store: &Store) -> Result<Vec<Client>, StoreError> {
    store.look_up(|connection| {
        let sql = format!("SELECT {COLUMNS} FROM clients ORDER BY created_at, id");
        Ok(connection.prepare(&sql)?.query_map([], client)?.collect::<Result<_, _>>()?)
    })
}

/// Removes a client, and with it its grants, codes and tokens, by the foreign keys; `false` when there is none of
/// this id.
pub(crate) fn remove(store: &Store, id: &str) -> Result<bool, StoreError> {
    let id = id.to_owned();
    store.write(move |connection| Ok(connection.execute("DELETE FROM clients WHERE id = ?1", [id])? == 1))
}

/// Finds the client that makes this request, and checks its secret if it has one (OAuth 2.1 §2.4, §3.2.1).
///
/// A public client only names itself by `client_id`, which proves nothing: any program that knows the id can send it.
/// So the caller must then check what the client presents, a code by its verifier and a refresh token by its
/// rotation.
pub(crate) fn authenticate(
    store: &Store,
    head: &Head,
    parameters: &Parameters,
) -> Result<Client, OAuthError> {
    // A client uses one way to authenticate (OAuth 2.1 §2.4). If it used two, a proxy in front of the server could
    // check one of them, and the server the other one. A `client_id` beside the Basic header is no second way, as
    // long as both name the same client.
    let basic = basic_credentials(head)?;
    let (id, secret) = match (&basic, parameters.get("client_id"), parameters.get("client_secret")) {
        (Some(_), _, Some(_)) => return Err(OAuthError::TwoCredentials),
        (Some((id, _)), Some(other), None) if id != other => return Err(OAuthError::TwoCredentials),
        (Some((id, secret)), _, None) => (id.as_str(), Some(secret.as_str())),
        (None, Some(id), secret) => (id, secret),
        (None, None, _) => return Err(OAuthError::Missing("client_id")),
    };
    let client = find(store, id)?.ok_or(OAuthError::UnknownClient)?;
    match (&client.secret_hash, secret) {
        (None, None) => Ok(client),
        // This comparison needs no constant time. Its time could tell how many bytes of two digests agree, but a
        // secret of 256 random bits can't be computed from its digest. No throttle counts the failures either,
        // although OAuth 2.1 §2.4.1 asks for protection against guessing: 256 random bits can't be guessed, however
        // fast an attacker tries.
        (Some(hash), Some(secret)) if *hash == secret::sha256(secret.as_bytes()) => Ok(client),
        // A public client that sends a secret is refused too: it believes that it is protected by one.
        _ => Err(OAuthError::WrongSecret),
    }
}

/// Reads the id and the secret from `Authorization: Basic`. The client form-encodes both before it joins them by a
/// colon (OAuth 2.1 §2.4.1): otherwise a colon in the id would move the border between them.
///
/// The clause itself warns that clients forget that encoding. The ids and secrets of this server hold no character
/// that the encoding changes, so it doesn't matter whether a client encodes them.
fn basic_credentials(head: &Head) -> Result<Option<(String, String)>, OAuthError> {
    let mut fields = head.fields("authorization");
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(OAuthError::TwoCredentials);
    }
    let (scheme, encoded) = split_credentials(field);
    let bytes = STANDARD.decode(encoded).ok().filter(|_| scheme.eq_ignore_ascii_case(b"Basic"));
    let pair = bytes.and_then(|bytes| {
        let (id, secret) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
        if id.contains(['&', '=']) || secret.contains(['&', '=']) {
            return None; // the encoding would have escaped them; `decoded` would read several pairs
        }
        Some((decoded(id), decoded(secret)))
    });
    pair.map(Some).ok_or(OAuthError::WrongSecret)
}

/// Decodes one form-encoded text. The parser knows only pairs, so it reads the text as the name of a pair without a
/// value.
fn decoded(text: &str) -> String {
    form_urlencoded::parse(text.as_bytes()).next().map_or(String::new(), |(name, _)| name.into_owned())
}

fn client(row: &Row) -> rusqlite::Result<Client> {
    Ok(Client {
        id: row.get(0)?,
        name: row.get(1)?,
        redirect_uris: row.get_ref(2)?.as_str()?.lines().map(str::to_owned).collect(),
        auth_method: row.get(3)?,
        registered_by: row.get(4)?,
        created_at: Timestamp(row.get(5)?),
        secret_hash: row.get(6)?,
    })
}
