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
//!
//! A client that registers itself has a *self-contained* id: the signed text of its registration (RFC 7591 §A.5.2,
//! stateless registration). Registration is open to everyone, and behind a proxy all clients have one address. A
//! server that stored each registration would have to forget some when a stranger sends thousands, and couldn't know
//! which of them a person waits for. So the client carries its registration, the server stores nothing for it, and
//! there is no table that a stranger could fill, and no client that would have to be deleted to make room. [`keep`]
//! makes the row when a person allows the client something. The price is a longer id, and that the server can't
//! invalidate a single id; an id alone opens nothing. A client that the operator registers has a row from the start.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};

use super::{OAuthError, Parameters};
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::request::{Head, split_credentials};
use crate::secret::{self, Signer};
use crate::store::{Store, StoreError};

/// A registered client.
pub(crate) struct Client {
    pub(crate) id: String,
    /// What the client calls itself. Any program can call itself by the name of another.
    pub(crate) name: String,
    /// The URIs to which the browser may take a code. A confidential client that only introspects needs none.
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) auth_method: AuthMethod,
    /// Only a confidential client that the operator registered may introspect tokens.
    pub(crate) registered_by: RegisteredBy,
    pub(crate) created_at: Timestamp,
    /// `None` for a public client.
    secret_hash: Option<[u8; 32]>,
}

/// A client to be registered.
pub(crate) struct NewClient {
    pub(crate) name: String,
    /// Each was accepted by [`super::redirect::check`].
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) auth_method: AuthMethod,
}

/// How a client authenticates (RFC 7591 §2, `token_endpoint_auth_method`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AuthMethod {
    /// It doesn't: the client is public.
    None,
    SecretBasic,
    SecretPost,
}

impl AuthMethod {
    /// Returns the name that goes over the wire, into the row and into the id.
    pub(crate) fn name(self) -> &'static str {
        match self {
            AuthMethod::None => "none",
            AuthMethod::SecretBasic => "client_secret_basic",
            AuthMethod::SecretPost => "client_secret_post",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<AuthMethod> {
        let all = [AuthMethod::None, AuthMethod::SecretBasic, AuthMethod::SecretPost];
        all.into_iter().find(|method| method.name() == name)
    }
}

/// Who registered a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RegisteredBy {
    Itself,
    Operator,
}

impl RegisteredBy {
    /// Returns the name that the row has.
    pub(crate) fn name(self) -> &'static str {
        match self {
            RegisteredBy::Itself => "itself",
            RegisteredBy::Operator => "operator",
        }
    }

    fn parse(name: &str) -> Option<RegisteredBy> {
        [RegisteredBy::Itself, RegisteredBy::Operator].into_iter().find(|by| by.name() == name)
    }
}

const COLUMNS: &str = "id, name, redirect_uris, auth_method, registered_by, created_at, secret_hash";

/// The context in which ids are signed.
const SIGNED_AS: &[&[u8]] = &[b"client"];

/// Makes the secret of a client, if it has one, and the hash of it. Only the hash is kept, so this is the only time
/// that the secret can be shown.
fn new_secret(auth_method: AuthMethod) -> (Option<String>, Option<[u8; 32]>) {
    let secret = (auth_method != AuthMethod::None).then(|| format!("em_cs_{}", secret::random_text::<32>()));
    let hash = secret.as_ref().map(|secret| secret::sha256(secret.as_bytes()));
    (secret, hash)
}

/// Makes the id of a client that registers itself, and its secret if it has one. Stores nothing.
///
/// The id never looks like a URL, because a URL as an id claims to be the address of a metadata document that the
/// client published (Client ID Metadata Documents), and such a claim would have to be checked.
pub(crate) fn issue(signer: &Signer, new: &NewClient, now: Timestamp) -> (String, Option<String>) {
    let (secret, hash) = new_secret(new.auth_method);
    // Each registration gets an id of its own (RFC 7591 §3.2.1), also one that says the same as another. The hash of
    // a random secret is unique already; and since nobody can find the secret by it, the id may show it.
    let unique = hash.map_or_else(secret::random_text::<16>, |hash| URL_SAFE_NO_PAD.encode(hash));
    let lines =
        [new.auth_method.name(), &unique, &now.0.to_string(), &new.name, &new.redirect_uris.join("\n")];
    (format!("c_{}", signer.sign(SIGNED_AS, lines.join("\n").as_bytes())), secret)
}

/// Reads a client from its id, if this server has issued it to a client that registered itself.
fn read_id(signer: &Signer, id: &str) -> Option<Client> {
    let registration = String::from_utf8(signer.verify(SIGNED_AS, id.strip_prefix("c_")?)?).ok()?;
    let mut lines = registration.lines().map(str::to_owned);
    let auth_method = AuthMethod::parse(&lines.next()?)?;
    let (unique, created_at) = (lines.next()?, lines.next()?.parse().ok()?);
    let secret_hash = match auth_method {
        AuthMethod::None => None,
        AuthMethod::SecretBasic | AuthMethod::SecretPost => {
            Some(URL_SAFE_NO_PAD.decode(unique).ok()?.try_into().ok()?)
        }
    };
    Some(Client {
        id: id.to_owned(),
        name: lines.next()?,
        redirect_uris: lines.collect(),
        auth_method,
        registered_by: RegisteredBy::Itself,
        created_at: Timestamp(created_at),
        secret_hash,
    })
}

/// Registers a client for the operator and returns its id, and its secret if it has one. Only the hash of the secret
/// is stored.
pub(crate) fn insert(
    store: &Store,
    new: NewClient,
    now: Timestamp,
) -> Result<(String, Option<String>), OAuthError> {
    // The id is no secret (OAuth 2.1 §2.2), but it is random: ids in sequence would tell each client how many others
    // there are.
    let id = format!("c_{}", secret::random_text::<16>());
    let (secret, secret_hash) = new_secret(new.auth_method);
    let client = Client {
        id: id.clone(),
        name: new.name,
        redirect_uris: new.redirect_uris,
        auth_method: new.auth_method,
        registered_by: RegisteredBy::Operator,
        created_at: now,
        secret_hash,
    };
    store.write(move |connection| Ok::<_, OAuthError>(write(connection, &client)?))?;
    Ok((id, secret))
}

/// Writes the row of a client, unless it is there.
fn write(connection: &Connection, client: &Client) -> rusqlite::Result<()> {
    let sql =
        "INSERT INTO clients (id, name, redirect_uris, auth_method, secret_hash, registered_by, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO NOTHING";
    let uris = client.redirect_uris.join("\n"); // `redirect::check` lets no line end through
    let Client { id, name, secret_hash, created_at, .. } = client;
    let (method, by) = (client.auth_method.name(), client.registered_by.name());
    connection.execute(sql, (id, name, uris, method, secret_hash, by, created_at.0))?;
    Ok(())
}

/// Makes sure that a client that registered itself has a row, to which its grant can refer. A client of the operator
/// has one, unless the operator has removed it meanwhile; then it must not come back.
pub(super) fn keep(connection: &Connection, client: &Client) -> rusqlite::Result<()> {
    if client.registered_by == RegisteredBy::Itself { write(connection, client) } else { Ok(()) }
}

/// Deletes the row of a client that registered itself, if it has no grant any more. A person's next consent makes the
/// row again. `grants.rs` calls this for the clients whose grants it deletes, so the table is bounded by
/// what people allow, and no walk over it is needed.
pub(super) fn forget_unused(connection: &Connection, id: &str) -> rusqlite::Result<()> {
    let sql = "DELETE FROM clients WHERE id = ?1 AND registered_by = 'itself'
               AND NOT EXISTS (SELECT 1 FROM grants WHERE client_id = ?1)";
    connection.prepare_cached(sql)?.execute([id])?;
    Ok(())
}

/// Finds the client with this id, in the id itself or in its row; returns `None` when this server has issued no such
/// id, or the row of an id without a registration in it was removed. A client with a self-contained id is found for as
/// long as the server has its key, also after it was removed: it has lost its grants, and can ask a person for new
/// ones.
pub(crate) fn find(app: &App, id: &str) -> Result<Option<Client>, StoreError> {
    match read_id(&app.signer, id) {
        Some(client) => Ok(Some(client)),
        None => find_stored(&app.store, id),
    }
}

/// Finds the row of a client; returns `None` when there is none. Each client with a grant has one.
pub(crate) fn find_stored(store: &Store, id: &str) -> Result<Option<Client>, StoreError> {
    store.look_up(|connection| {
        let sql = format!("SELECT {COLUMNS} FROM clients WHERE id = ?1");
        Ok(connection.prepare_cached(&sql)?.query_row([id], client).optional()?)
    })
}

/// Lists the clients that have a row, oldest first: those of the operator, and those to which a person has allowed
/// something.
pub(crate) fn list(store: &Store) -> Result<Vec<Client>, StoreError> {
    store.look_up(|connection| {
        let sql = format!("SELECT {COLUMNS} FROM clients ORDER BY created_at, id");
        Ok(connection.prepare(&sql)?.query_map([], client)?.collect::<Result<_, _>>()?)
    })
}

/// Finds the client that makes this request, and checks its secret if it has one (OAuth 2.1 §2.4, §3.2.1).
///
/// A public client only names itself by `client_id`, which proves nothing: any program that knows the id can send it.
/// So the caller must then check what the client presents, a code by its verifier and a refresh token by its
/// rotation.
pub(crate) fn authenticate(app: &App, head: &Head, parameters: &Parameters) -> Result<Client, OAuthError> {
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
    let client = find(app, id)?.ok_or(OAuthError::UnknownClient)?;
    // An empty secret is none (RFC 6749 §2.3.1 lets a client leave it out): some clients always send the Basic
    // header, a public one then without anything behind the colon. `Parameters` leaves an empty `client_secret` out
    // already.
    match (&client.secret_hash, secret.filter(|secret| !secret.is_empty())) {
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

/// Reads the id and the secret from `Authorization: Basic`; an empty field counts as none, as at the gate. The client
/// form-encodes both before it joins them by a colon (OAuth 2.1 §2.4.1): otherwise a colon in the id would move the
/// border between them.
///
/// The clause itself warns that clients forget that encoding. The ids and secrets of this server hold no character
/// that the encoding changes, so it doesn't matter whether a client encodes them.
fn basic_credentials(head: &Head) -> Result<Option<(String, String)>, OAuthError> {
    let mut fields = head.fields("authorization");
    let credentials = fields.next().and_then(split_credentials);
    if fields.next().is_some() {
        return Err(OAuthError::TwoCredentials);
    }
    let Some((scheme, encoded)) = credentials else { return Ok(None) };
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
        auth_method: named(row, 3, AuthMethod::parse)?,
        registered_by: named(row, 4, RegisteredBy::parse)?,
        created_at: Timestamp(row.get(5)?),
        secret_hash: row.get(6)?,
    })
}

/// Reads one of a few names from a row. The schema allows no other one, so the error is a damaged database.
fn named<T>(row: &Row, column: usize, parse: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let name = row.get_ref(column)?.as_str()?;
    parse(name).ok_or_else(|| rusqlite::Error::InvalidColumnType(column, name.to_owned(), Type::Text))
}
