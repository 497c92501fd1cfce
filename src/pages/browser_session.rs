//! The browser session of a request: which person is signed in there; and how the browser leaves for a client.
//!
//! Uses no SQL. Invariants: a person is signed in only under a cookie whose 256 random bits this server has chosen;
//! and no response sends the browser to a client with a cookie under which somebody is still signed in, if the
//! client's server could receive it.
//!
//! An answer to a POST sets no cookie, unless the POST signed somebody in or out. Another site can post a form here,
//! and the browser leaves the person's cookie out of that request (`SameSite=Lax`) but takes a cookie from the
//! answer: a fresh one would replace the person's own, and they would be signed out. So only the answer to a GET
//! begins a session ([`BrowserSession::find_or_begin`]).

use crate::activity::{self, Event, Visit};
use crate::authority::Authority;
use crate::context::Context;
use crate::http::response::Response;
use crate::oauth::authorize::ClientRedirect;
use crate::second_factor::Passed;
use crate::secret;
use crate::sign_ins::{self, SignedIn};
use crate::store::{Connection, StoreError};
use crate::users::Authenticated;

/// The session of the browser that sent a request, known by its cookie.
///
/// A session exists before the person signs in, because the sign-in form, too, must be bound to a browser. Without
/// that, another site could sign the person in under the attacker's account, and they would write into the attacker's
/// journal.
pub(crate) struct BrowserSession {
    /// The cookie's value. The database holds only its hash.
    cookie: String,
    /// Whether the server must still send the cookie to the browser.
    is_new: bool,
    person: Option<SignedIn>,
}

impl BrowserSession {
    /// Finds the session by the browser's cookie; `None` if the request has none that this server can have made.
    pub(crate) fn find(context: &Context) -> Result<Option<BrowserSession>, StoreError> {
        let Some(cookie) = cookies(context).next().map(str::to_owned) else { return Ok(None) };
        let person = sign_ins::find(&context.app.store, &cookie, &context.visit())?;
        Ok(Some(BrowserSession { cookie, is_new: false, person }))
    }

    /// Finds the session, or begins one, whose cookie [`BrowserSession::remember`] sets. For a GET alone.
    pub(crate) fn find_or_begin(context: &Context) -> Result<BrowserSession, StoreError> {
        let begin = || BrowserSession { cookie: secret::random_text::<32>(), is_new: true, person: None };
        Ok(BrowserSession::find(context)?.unwrap_or_else(begin))
    }

    /// Signs a person in, under a fresh cookie. If the session kept its old one, an attacker who had set a cookie in
    /// this browser beforehand would know the value and be signed in as well (session fixation). `None` if the
    /// person's password has been changed since they gave it. It is a part of a transaction, that of the form by which
    /// they sign in.
    pub(crate) fn sign_in(
        connection: &Connection,
        person: &Authenticated,
        passed: &Passed,
        visit: &Visit,
    ) -> Result<Option<BrowserSession>, StoreError> {
        let session = BrowserSession::renew(connection, person, passed, visit)?;
        if session.is_some() {
            activity::record(connection, person.user_id, (Event::SignedIn, &visit.browser), visit)?;
        }
        Ok(session)
    }

    /// The same for a person who was signed in here until a new password ended that.
    pub(crate) fn renew(
        connection: &Connection,
        person: &Authenticated,
        passed: &Passed,
        visit: &Visit,
    ) -> Result<Option<BrowserSession>, StoreError> {
        let cookie = secret::random_text::<32>();
        let signed_in = sign_ins::insert(connection, &cookie, (person, passed), visit)?;
        Ok(signed_in.map(|person| BrowserSession { cookie, is_new: true, person: Some(person) }))
    }

    /// Returns the person who is signed in; `None` before the sign-in and after it has ended.
    pub(crate) fn person(&self) -> Option<SignedIn> {
        self.person
    }

    /// Returns the cookie's value, for the forms that are bound to it.
    pub(super) fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Makes the response that sends the browser to a client. There is no other way to one: [`ClientRedirect::send`]
    /// demands the proof that the sign-in has ended, wherever the cookie could go along.
    ///
    /// A browser sends a cookie to every port of its host (RFC 6265 §8.5), so a client's server on this host would
    /// receive the person's session with the response, whatever the response says, and could press Allow by itself.
    /// If the database can't record the end of the sign-in, there is no redirect but an error.
    ///
    /// Several cookies can have the right name: a page on another port of this host can add one with a longer path,
    /// and the browser sends both. All of them are about to leave, so the sign-ins under all of them end. Without a
    /// public https URL those of everybody end, see [`sign_ins::delete_everyones`]; with one that would sign people
    /// out who have nothing to do with this machine.
    pub(crate) fn leave(context: &Context, redirect: ClientRedirect) -> Result<Response, StoreError> {
        let store = &context.app.store;
        let sign_out = || {
            if context.base_url.starts_with("https:") {
                sign_ins::delete_with(store, &cookies(context).collect::<Vec<_>>())
            } else {
                sign_ins::delete_everyones(store)
            }
        };
        let (response, signed_out) = redirect.send(context.head.host(), sign_out)?;
        Ok(if signed_out.is_some() { BrowserSession::forget(context, response) } else { response })
    }

    /// Has the browser delete the cookie, with a response that ended its sign-in. The cookie is worth nothing then;
    /// but if it stayed, the next sign-in form would be bound to a value that servers on other ports have seen.
    pub(crate) fn forget(context: &Context, response: Response) -> Response {
        let (name, secure) = (cookie_name(context.base_url), secure(context));
        response.with("Set-Cookie", format!("{name}=; Path=/; HttpOnly; SameSite=Lax{secure}; Max-Age=0"))
    }

    /// Sets the cookie, unless the browser has it already.
    pub(crate) fn remember(&self, context: &Context, response: Response) -> Response {
        if !self.is_new {
            return response;
        }
        // - Path=/: every page needs the cookie, and the prefix `__Host-` demands this path.
        // - HttpOnly: no script can read the cookie, even if one ever runs here.
        // - SameSite=Lax: a form on another site is sent without it. Strict would also leave it out of the link by
        //   which a client sends the person here, and they would have to sign in each time.
        // - Secure: the browser never sends it in the clear. On plain http, browsers needn't take such a cookie at
        //   all.
        // - no Max-Age: the browser deletes the cookie when the person closes the browser. A browser that restores
        //   its last state may keep it, but the server accepts it only for `limits::SIGN_IN_SECONDS`.
        let (name, secure) = (cookie_name(context.base_url), secure(context));
        let cookie = &self.cookie;
        response.with("Set-Cookie", format!("{name}={cookie}; Path=/; HttpOnly; SameSite=Lax{secure}"))
    }
}

/// The length of 256 random bits in base64url.
const COOKIE_CHARS: usize = 43;

/// Returns the values of all cookies that have the right name and a form that this server gives them; a browser sends
/// more than one only if another server on this host has added some.
fn cookies<'a>(context: &Context<'a>) -> impl Iterator<Item = &'a str> {
    let name = cookie_name(context.base_url);
    let fields = context.head.fields("cookie").filter_map(|field| std::str::from_utf8(field).ok());
    let pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let own = pairs.filter(move |(own, _)| *own == name).map(|(_, value)| value);
    own.filter(|value| {
        value.len() == COOKIE_CHARS
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    })
}

fn secure(context: &Context) -> &'static str {
    if context.base_url.starts_with("https:") { "; Secure" } else { "" }
}

/// Returns the cookie's name, which depends on the scheme and the port of the base URL.
///
/// On https the prefix `__Host-` makes the browser refuse the cookie from another host: without it, any site under
/// the same domain could set one here (RFC 6265 §8.6). On plain http the port in the name keeps two servers of one
/// machine from overwriting each other's cookie, because all ports of a host share their cookies.
fn cookie_name(base_url: &str) -> String {
    match base_url.split_once("://") {
        Some(("https", _)) => "__Host-epicme".to_owned(),
        Some((_, authority)) => {
            let port = Authority::parse(authority).and_then(|authority| authority.port);
            format!("epicme_{}", port.unwrap_or("80"))
        }
        None => "epicme_80".to_owned(),
    }
}
