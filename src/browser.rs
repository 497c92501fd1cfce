//! A person's browser: who is signed in there, and whether a form that comes back was ours.
//!
//! Knows no page and no OAuth. Invariant: a cookie's value is random and stored as its hash; a form is bound to the
//! cookie that it was made for.

use rusqlite::OptionalExtension;

use crate::clock::Timestamp;
use crate::limits;
use crate::request::Head;
use crate::response::Response;
use crate::secret::{self, Seal};
use crate::store::{Store, StoreError};

/// The browser behind a request.
pub struct Browser {
    value: String,
    is_new: bool,
    user_id: Option<i64>,
}

impl Browser {
    /// Finds the browser's cookie, or thinks one up that [`Browser::remember`] sets.
    pub fn find(head: &Head, origin: &str, store: &Store, now: Timestamp) -> Result<Browser, StoreError> {
        let name = cookie_name(origin);
        let cookies = head.fields("cookie").filter_map(|field| std::str::from_utf8(field).ok());
        let mut pairs =
            cookies.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let value = pairs.find(|(own, _)| *own == name).map(|(_, value)| value).filter(|value| {
            value.len() == COOKIE_CHARS
                && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        });
        let Some(value) = value.map(str::to_owned) else {
            return Ok(Browser { value: secret::random_text::<32>(), is_new: true, user_id: None });
        };
        let hash = secret::sha256(value.as_bytes());
        let user_id = store.look_up(|connection| {
            let sql = "SELECT user_id FROM browsers WHERE hash = ?1 AND expires_at > ?2";
            Ok::<_, StoreError>(connection.query_row(sql, (hash, now.0), |row| row.get(0)).optional()?)
        })?;
        Ok(Browser { value, is_new: false, user_id })
    }

    /// Who is signed in.
    pub fn user_id(&self) -> Option<i64> {
        self.user_id
    }

    /// A token for a form of this browser's, good for [`limits::FORM_SECONDS`].
    pub fn form_token(&self, seal: &Seal, now: Timestamp) -> String {
        seal.seal(&[b"form", self.value.as_bytes()], &now.plus(limits::FORM_SECONDS).0.to_be_bytes())
    }

    /// Whether a form that came back was made for this browser and is still good.
    pub fn made(&self, form_token: Option<&str>, seal: &Seal, now: Timestamp) -> bool {
        let expires_at = form_token.and_then(|token| seal.open(&[b"form", self.value.as_bytes()], token));
        let expires_at = expires_at.and_then(|octets| octets.try_into().ok()).map(i64::from_be_bytes);
        expires_at.is_some_and(|expires_at| now.0 < expires_at)
    }

    /// Signs a person in, under a fresh cookie, so that one planted before is worth nothing.
    pub fn sign_in(user_id: i64, store: &Store, now: Timestamp) -> Result<Browser, StoreError> {
        let browser = Browser { value: secret::random_text::<32>(), is_new: true, user_id: Some(user_id) };
        let hash = secret::sha256(browser.value.as_bytes());
        store.write(move |connection| {
            connection.execute("DELETE FROM browsers WHERE expires_at <= ?1", [now.0])?;
            let sql = "INSERT INTO browsers (hash, user_id, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)";
            connection.execute(sql, (hash, user_id, now.0, now.plus(limits::SIGN_IN_SECONDS).0))?;
            Ok::<_, StoreError>(())
        })?;
        Ok(browser)
    }

    /// Signs this browser out.
    pub fn sign_out(&self, store: &Store) -> Result<(), StoreError> {
        let hash = secret::sha256(self.value.as_bytes());
        store.write(move |connection| {
            connection.execute("DELETE FROM browsers WHERE hash = ?1", [hash])?;
            Ok(())
        })
    }

    /// Signs the browser out with the answer that takes a person's decision to another server of this machine. Cookies
    /// don't tell ports apart: that server is about to be sent ours, and must find it worth nothing. (Whatever else
    /// listens on this machine and is visited while somebody is signed in is sent it too; only https ends that.)
    pub fn forget(&self, response: Response, origin: &str, store: &Store) -> Result<Response, StoreError> {
        self.sign_out(store)?;
        let name = cookie_name(origin);
        Ok(response.with("Set-Cookie", format!("{name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")))
    }

    /// Sets the cookie where the browser doesn't have it yet.
    pub fn remember(&self, response: Response, origin: &str) -> Response {
        if !self.is_new {
            return response;
        }
        // Lax: the cookie must come along when a client sends the person here.
        let secure = if origin.starts_with("https:") { "; Secure" } else { "" };
        let name = cookie_name(origin);
        let value = &self.value;
        response.with("Set-Cookie", format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}"))
    }
}

/// Signs a person out of every browser.
pub fn sign_out_everywhere(user_id: i64, store: &Store) -> Result<(), StoreError> {
    store.write(move |connection| {
        connection.execute("DELETE FROM browsers WHERE user_id = ?1", [user_id])?;
        Ok(())
    })
}

/// base64url characters of a cookie's 256 random bits.
const COOKIE_CHARS: usize = 43;

/// On https the `__Host-` prefix keeps sibling domains from setting it; on loopback, where cookies don't tell
/// ports apart, the port does.
fn cookie_name(origin: &str) -> String {
    match origin.strip_prefix("https://") {
        Some(_) => "__Host-epicme".to_owned(),
        None => {
            let port =
                origin.rsplit(':').next().filter(|port| port.bytes().all(|octet| octet.is_ascii_digit()));
            format!("epicme_{}", port.unwrap_or("80"))
        }
    }
}
