//! The browser session of a request: which person is signed in there, and whether a form that comes back was made for
//! this browser.
//!
//! Uses no SQL and no OAuth. Invariant: a person is signed in only under a cookie whose 256 random bits this server
//! has chosen; a form is accepted only from the browser that it was made for.
//!
//! The cookie says which browser sends a request. It doesn't say that the person wanted the request: a page of
//! another site can make the browser post a form here (cross-site request forgery). `SameSite=Lax` leaves the cookie
//! out of such a form, but to a browser all ports of this machine are one site, and so are all hosts of one domain.
//! Therefore each form holds a token besides: the other page can post a form, but it can't read the token that
//! belongs in it.

use crate::authority::Authority;
use crate::context::Context;
use crate::http::response::Response;
use crate::ids::UserId;
use crate::limits;
use crate::secret;
use crate::sign_ins;
use crate::store::StoreError;

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
    user_id: Option<UserId>,
}

impl BrowserSession {
    /// Finds the session by the browser's cookie, or begins one, whose cookie [`BrowserSession::remember`] sets.
    pub(crate) fn find(context: &Context) -> Result<BrowserSession, StoreError> {
        let name = cookie_name(context.base_url);
        let fields = context.head.fields("cookie").filter_map(|field| std::str::from_utf8(field).ok());
        let mut pairs =
            fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
        // A value that this server can't have made counts as no cookie.
        let cookie = pairs.find(|(own, _)| *own == name).map(|(_, value)| value).filter(|value| {
            value.len() == COOKIE_CHARS
                && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        });
        let Some(cookie) = cookie.map(str::to_owned) else {
            return Ok(BrowserSession { cookie: secret::random_text::<32>(), is_new: true, user_id: None });
        };
        let user_id = sign_ins::find(&context.app.store, &cookie, context.now)?;
        Ok(BrowserSession { cookie, is_new: false, user_id })
    }

    /// Signs a person in, under a fresh cookie. If the session kept its old one, an attacker who had set a cookie in
    /// this browser beforehand would know the value and be signed in as well (session fixation).
    pub(crate) fn sign_in(context: &Context, user_id: UserId) -> Result<BrowserSession, StoreError> {
        let session =
            BrowserSession { cookie: secret::random_text::<32>(), is_new: true, user_id: Some(user_id) };
        sign_ins::insert(&context.app.store, &session.cookie, user_id, context.now)?;
        Ok(session)
    }

    /// Returns the person who is signed in; `None` before the sign-in and after it has ended.
    pub(crate) fn user_id(&self) -> Option<UserId> {
        self.user_id
    }

    /// Makes a token for a form on a page for this browser, good for [`limits::FORM_SECONDS`].
    ///
    /// The token is the time of its expiry, signed for this cookie. So nothing has to be stored for the many forms
    /// that are never sent. The price is that a token works more than once within its time, which does no harm: the
    /// person could press the same button again anyway.
    pub(crate) fn form_token(&self, context: &Context) -> String {
        let expires_at = context.now.plus(limits::FORM_SECONDS).0.to_be_bytes();
        context.app.signer.sign(&[b"form", self.cookie.as_bytes()], &expires_at)
    }

    /// Returns whether the token of a form that came back was made for this browser and is still good. The signature
    /// is compared in constant time (`secret::Signer::verify`).
    pub(crate) fn verify_form_token(&self, context: &Context, form_token: Option<&str>) -> bool {
        let verify = |token| context.app.signer.verify(&[b"form", self.cookie.as_bytes()], token);
        let expires_at = form_token.and_then(verify).and_then(|bytes| bytes.try_into().ok());
        expires_at.map(i64::from_be_bytes).is_some_and(|expires_at| context.now.0 < expires_at)
    }

    /// Signs this browser out. The cookie stays there and is worth nothing any more.
    pub(crate) fn sign_out(&self, context: &Context) -> Result<(), StoreError> {
        sign_ins::delete(&context.app.store, &self.cookie)
    }

    /// Ends the person's sign-in in the database, and makes `response` delete the cookie. If the database fails,
    /// `response` isn't returned. The caller calls this only on plain http, and only before `response` takes the
    /// person's decision to a client on this machine.
    ///
    /// A browser sends a cookie to every port of its host (RFC 6265 §8.5), so the client's server is about to receive
    /// this one, and must find it worth nothing. Every other server on this host that the person visits while signed
    /// in receives it too. Over https this isn't needed: only another https server on this host would receive it,
    /// because `Secure` and the prefix of [`cookie_name`] keep it from all others.
    pub(crate) fn forget(&self, context: &Context, response: Response) -> Result<Response, StoreError> {
        self.sign_out(context)?;
        let name = cookie_name(context.base_url);
        Ok(response.with("Set-Cookie", format!("{name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")))
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
        let secure = if context.base_url.starts_with("https:") { "; Secure" } else { "" };
        let name = cookie_name(context.base_url);
        let cookie = &self.cookie;
        response.with("Set-Cookie", format!("{name}={cookie}; Path=/; HttpOnly; SameSite=Lax{secure}"))
    }
}

/// The length of 256 random bits in base64url.
const COOKIE_CHARS: usize = 43;

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
