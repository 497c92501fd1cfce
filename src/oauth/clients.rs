//! Clients: who may ask, and how they prove that they are themselves.
//!
//! Knows no journal. A client's name is what it says of itself and proves nothing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, OptionalExtension, Row};

use super::{Fault, Parameters};
use crate::clock::Timestamp;
use crate::limits;
use crate::request::Head;
use crate::secret;
use crate::store::{Store, StoreError};

/// A registered client.
pub struct Client {
    /// Its id.
    pub id: String,
    /// What it calls itself.
    pub name: String,
    /// Where it may be answered.
    pub redirect_uris: Vec<String>,
    /// How it authenticates: `none`, `client_secret_basic` or `client_secret_post`.
    pub auth_method: String,
    /// `itself` or `operator`.
    pub registered_by: String,
    /// When it was registered.
    pub created_at: Timestamp,
    secret_hash: Option<[u8; 32]>,
}

/// A client to be registered.
pub struct NewClient {
    /// What it calls itself.
    pub name: String,
    /// Where it may be answered; each was checked.
    pub redirect_uris: Vec<String>,
    /// How it authenticates.
    pub auth_method: &'static str,
    /// `itself` or `operator`.
    pub registered_by: &'static str,
}

const COLUMNS: &str = "id, name, redirect_uris, auth_method, registered_by, created_at, secret_hash";

/// Registers a client and gives its id, and its secret if it has one: the only time that it is shown.
pub fn insert(store: &Store, new: NewClient, now: Timestamp) -> Result<(String, Option<String>), Fault> {
    // Never a URL: an id that looks like one would claim to be a client's published document.
    let id = format!("c_{}", secret::random_text::<16>());
    let secret = (new.auth_method != "none").then(|| format!("em_cs_{}", secret::random_text::<32>()));
    let hash = secret.as_ref().map(|secret| secret::sha256(secret.as_bytes()));
    let given = id.clone();
    store.write(move |connection| {
        if new.registered_by == "itself" {
            make_room(connection, now)?;
        }
        let sql = "INSERT INTO clients (id, name, redirect_uris, auth_method, secret_hash, registered_by, created_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let uris = new.redirect_uris.join("\n");
        connection.execute(sql, (&id, &new.name, &uris, new.auth_method, hash, new.registered_by, now.0))?;
        Ok::<_, Fault>(())
    })?;
    Ok((given, secret))
}

/// Forgets clients that registered themselves and never got anywhere; one with a grant that lives is kept.
fn make_room(connection: &Connection, now: Timestamp) -> Result<(), Fault> {
    let unused = "registered_by = 'itself'
                  AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.client_id = clients.id AND g.revoked_at IS NULL
                                  AND g.used_at > ?1)";
    let live = now.plus(-limits::REFRESH_TOKEN_SECONDS).0;
    let forgotten = format!("DELETE FROM clients WHERE {unused} AND created_at < ?2");
    connection.execute(&forgotten, (live, now.plus(-limits::UNUSED_CLIENT_SECONDS).0))?;
    let count = format!("SELECT count(*) FROM clients WHERE {unused}");
    let count: i64 = connection.query_row(&count, [live], |row| row.get(0))?;
    if count < limits::UNUSED_CLIENTS_MAX {
        return Ok(());
    }
    // Full: the oldest makes room, unless it may still be on its way to a person's leave.
    let oldest = format!(
        "DELETE FROM clients WHERE id = (SELECT id FROM clients WHERE {unused} AND created_at < ?2
                                         ORDER BY created_at LIMIT 1)"
    );
    let made_room = connection.execute(&oldest, (live, now.plus(-limits::FRESH_CLIENT_SECONDS).0))? == 1;
    if made_room { Ok(()) } else { Err(Fault::TooMany) }
}

/// The client of this id.
pub fn find(store: &Store, id: &str) -> Result<Option<Client>, StoreError> {
    store.look_up(|connection| {
        let sql = format!("SELECT {COLUMNS} FROM clients WHERE id = ?1");
        Ok(connection.prepare_cached(&sql)?.query_row([id], client).optional()?)
    })
}

/// Every client, oldest first.
pub fn list(store: &Store) -> Result<Vec<Client>, StoreError> {
    store.look_up(|connection| {
        let sql = format!("SELECT {COLUMNS} FROM clients ORDER BY created_at, id");
        Ok(connection.prepare(&sql)?.query_map([], client)?.collect::<Result<_, _>>()?)
    })
}

/// Removes a client with everything it was given; `false` when there is none of this id.
pub fn remove(store: &Store, id: &str) -> Result<bool, StoreError> {
    let id = id.to_owned();
    store.write(move |connection| Ok(connection.execute("DELETE FROM clients WHERE id = ?1", [id])? == 1))
}

/// The client that makes this request, authenticated if it has a secret (OAuth 2.1 §2.4).
pub fn authenticate(store: &Store, head: &Head, parameters: &Parameters) -> Result<Client, Fault> {
    let basic = basic_credentials(head)?;
    let (id, secret) = match (&basic, parameters.get("client_id"), parameters.get("client_secret")) {
        (Some(_), _, Some(_)) => return Err(Fault::TwoCredentials),
        (Some((id, _)), Some(other), None) if id != other => return Err(Fault::TwoCredentials),
        (Some((id, secret)), _, None) => (id.as_str(), Some(secret.as_str())),
        (None, Some(id), secret) => (id, secret),
        (None, None, _) => return Err(Fault::Missing("client_id")),
    };
    let client = find(store, id)?.ok_or(Fault::UnknownClient)?;
    match (&client.secret_hash, secret) {
        (None, None) => Ok(client),
        // Both sides are digests of 256 random bits: how long a comparison takes tells nothing of them.
        (Some(hash), Some(secret)) if *hash == secret::sha256(secret.as_bytes()) => Ok(client),
        _ => Err(Fault::WrongSecret),
    }
}

/// Id and secret from `Authorization: Basic`, each form-encoded inside (OAuth 2.1 §2.4.1).
fn basic_credentials(head: &Head) -> Result<Option<(String, String)>, Fault> {
    let mut fields = head.fields("authorization");
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(Fault::TwoCredentials);
    }
    let pair = std::str::from_utf8(field).ok().and_then(|text| {
        let (scheme, encoded) = text.split_once(' ')?;
        let octets =
            STANDARD.decode(encoded.trim_start()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
        let (id, secret) = std::str::from_utf8(&octets).ok()?.split_once(':')?;
        if id.contains(['&', '=']) || secret.contains(['&', '=']) {
            return None; // form-encoded they would not stand there
        }
        Some((decoded(id), decoded(secret)))
    });
    pair.map(Some).ok_or(Fault::WrongSecret)
}

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
