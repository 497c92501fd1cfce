//! The forms of the pages: the token in each, and the check of a form that comes back.
//!
//! Uses no SQL, and doesn't know what a form asks for: the page hands that to [`SubmittedForm::act`]. Invariant: a form
//! counts once, from the browser that it was shown to, at the page that it belongs to, and for what the person saw on
//! it.
//!
//! The cookie says which browser sends a request. It doesn't say that the person wanted the request: a page of
//! another site can make the browser post a form here (cross-site request forgery). `SameSite=Lax` leaves the cookie
//! out of such a form, but to a browser all ports of this machine are one site, and so are all hosts of one domain.
//! Therefore each form holds a token besides: the other page can post a form, but it can't read the token that
//! belongs in it.
//!
//! A token is good for one answer to one question. If it were bound to the browser alone, a token from the account
//! page would approve a client's request that the person never saw; if it worked twice, a program that saw the form
//! once could get a second code by it.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use super::browser_session::BrowserSession;
use super::journal::{self, Place};
use super::{Html, PageError, hidden, second_factor, second_step};
use crate::clock::Timestamp;
use crate::context::Context;
use crate::limits;
use crate::oauth::{OAuthError, Parameters};
use crate::secret;
use crate::sign_ins::SignedIn;
use crate::site;
use crate::store::{Connection, Holder, StoreError};
use crate::used_forms::{self, FormUse, Undone};

/// Every form of the pages, with what it is about.
#[derive(Clone, Copy)]
pub(crate) enum Form<'a> {
    /// The sign-in, with where it leads on.
    SignIn(Next<'a>),
    /// Its second form, with the signed proof that the password was right (`second_step.rs`).
    SecondStep { proof: &'a str, next: Next<'a> },
    /// The decision about a client's request, by the request's query.
    Consent(&'a str),
    /// Any button of the account page. The buttons need no tokens of different kinds: all are shown together, to the
    /// person whose account it is.
    Account,
    /// The first code of a second factor, by the secret that the code is of.
    SecondFactor(&'a str),
    /// A change of the journal, by the page that asks for it.
    Journal(Place),
    /// The first person, with the set-up code.
    SetUp(&'a str),
}

/// Where the browser goes after the sign-in.
#[derive(Clone, Copy)]
pub(crate) enum Next<'q> {
    /// Back to a client's request, by its query.
    Authorize(&'q str),
    /// To the page of the journal that was asked for, by its path and query.
    Journal(&'q str),
    /// To the account page.
    Account,
}

/// The fields for [`Next::Authorize`] and [`Next::Journal`].
const REQUEST: &str = "request";
const PAGE: &str = "page";

impl<'q> Next<'q> {
    /// Returns a path of this server, whatever the form says. For a client's request the form holds only the query,
    /// and this function writes the path before it; for the journal it must be the path of a page there. If the form
    /// could name any URL, a link could send people on to any site after they have typed their password. A blank or a
    /// line end would break the `Location` field.
    pub(super) fn path(self) -> String {
        let is_one_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        match self {
            Next::Authorize(query) if is_one_word(query) => format!("{}?{query}", site::AUTHORIZE),
            Next::Journal(page) if is_one_word(page) && journal::is_page(page) => page.to_owned(),
            Next::Authorize(_) | Next::Journal(_) | Next::Account => site::ACCOUNT.to_owned(),
        }
    }

    /// Returns the field in which the sign-in form says where it leads, and that field's value.
    pub(super) fn field(self) -> Option<(&'static str, &'q str)> {
        match self {
            Next::Authorize(query) => Some((REQUEST, query)),
            Next::Journal(page) => Some((PAGE, page)),
            Next::Account => None,
        }
    }

    /// Reads where the sign-in form leads.
    pub(super) fn read(fields: &'q Parameters) -> Next<'q> {
        let journal = || fields.get(PAGE).map_or(Next::Account, Next::Journal);
        fields.get(REQUEST).map_or_else(journal, Next::Authorize)
    }
}

/// The text of a form with an email address when it is shown again after a failure. The password isn't filled in
/// again, so that the page doesn't hold it.
#[derive(Default)]
pub(super) struct FormText<'a> {
    /// What went wrong.
    pub(super) message: Option<&'a str>,
    /// The email address that was typed.
    pub(super) address: &'a str,
}

/// Why a form that came back isn't accepted. In both cases the server does nothing of what it asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BadForm {
    /// It has no good token: it is too old, was made for another browser, page or request, or the person isn't signed
    /// in any more.
    Stale,
    /// It was used before; the words say what that means if the person pressed its button twice, see [`Form::used`].
    Used(&'static str),
}

impl BadForm {
    /// Returns the name that the log uses.
    pub(crate) fn name(self) -> &'static str {
        match self {
            BadForm::Stale => "stale-form",
            BadForm::Used(_) => "used-form",
        }
    }
}

impl fmt::Display for BadForm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadForm::Stale => out.write_str(
                "Nothing was changed. The page was open for too long, the form was sent before or belongs to another \
                 request, you were signed out meanwhile, or your browser keeps no cookies. Press Begin again for a \
                 fresh page.",
            ),
            BadForm::Used(words) => write!(
                out,
                "This form was already used, and each form works once. If you pressed its button twice, {words}"
            ),
        }
    }
}

impl Error for BadForm {}

/// A form that came back with a good token, from the browser that it was made for. It may have been used before:
/// only [`SubmittedForm::act`] can tell.
pub(crate) struct SubmittedForm<'a> {
    form: Form<'a>,
    session: BrowserSession,
    /// What is recorded when the form is used. The hash is that of the token's payload; the person must be signed in
    /// until then, and is `None` if a person who isn't may send the form.
    form_use: FormUse,
    /// What the token says: when it expires, and a random number.
    payload: Vec<u8>,
}

impl<'a> Form<'a> {
    /// Returns the path that the form posts to.
    fn action(self) -> Cow<'static, str> {
        match self {
            Form::SignIn(_) | Form::SecondStep { .. } => site::SIGN_IN.into(),
            Form::Consent(_) => site::AUTHORIZE.into(),
            Form::Account | Form::SecondFactor(_) => site::ACCOUNT.into(),
            Form::Journal(place) => place.path().into(),
            Form::SetUp(_) => site::SETUP.into(),
        }
    }

    /// Returns the field in which the form says what it is about, if it does, and that field's value.
    fn subject(self) -> Option<(&'static str, &'a str)> {
        match self {
            Form::SignIn(next) => next.field(),
            // The proof is signed for where the sign-in leads.
            Form::SecondStep { proof, .. } => Some((second_step::PROOF, proof)),
            Form::Consent(query) => Some((REQUEST, query)),
            Form::SecondFactor(secret) => Some((second_factor::SECRET, secret)),
            Form::SetUp(code) => Some(("code", code)),
            Form::Account | Form::Journal(_) => None,
        }
    }

    /// Returns the path of the page from which the person can go on if the form isn't taken. A GET of it shows the
    /// form anew, or whatever comes next for this browser.
    pub(super) fn again(self) -> String {
        match self {
            Form::SignIn(next) | Form::SecondStep { next, .. } => next.path(),
            Form::Consent(query) => Next::Authorize(query).path(),
            Form::Account | Form::SecondFactor(_) => Next::Account.path(),
            Form::Journal(place) => place.path(),
            // The page for the set-up refuses a wrong code before it looks at the form, so this code is the right
            // one.
            Form::SetUp(code) => format!("{}?code={code}", site::SETUP),
        }
    }

    /// Opens the form: where it posts to, a fresh token, and what it is about.
    ///
    /// The token is the time of its expiry and a random number, signed for the cookie, the page and what the form is
    /// about. The number tells the token from all others, so that two forms that are shown in the same second can
    /// both be used.
    pub(crate) fn open(self, context: &Context, session: &BrowserSession) -> Html {
        let expires_at = context.now.plus(limits::FORM_SECONDS).0.to_be_bytes();
        let payload = [&expires_at[..], &secret::random::<16>()].concat();
        let action = self.action();
        let token = context.app.signer.sign(&self.bound_to(session, &action), &payload);
        let leads_on = match self {
            Form::SecondStep { next, .. } => next.field(),
            _ => None,
        };
        let fields = self.subject().into_iter().chain(leads_on);
        Html::markup("<form method=\"post\" action=\"")
            .then_text(&action)
            .then("\">\n")
            .and(hidden("form", &token))
            .and(Html::all(fields.map(|(name, value)| hidden(name, value))))
    }

    /// Checks the token of a form that came back: that it was signed for this browser, this page and this request,
    /// and is still good. The signature is compared in constant time (`secret::Signer::verify`).
    ///
    /// The check stores nothing, because anyone can send a form. A stranger who could make the server remember theirs
    /// would fill the disk. So a caller first finds out that the sender is no stranger, and then calls
    /// [`SubmittedForm::act`].
    pub(crate) fn check(
        self,
        context: &Context,
        fields: &Parameters,
    ) -> Result<SubmittedForm<'a>, PageError> {
        let action = self.action();
        let submitted = BrowserSession::find(context)?.and_then(|session| {
            let bound_to = self.bound_to(&session, &action);
            let payload = context.app.signer.verify(&bound_to, fields.get("form")?)?;
            let expires_at = Timestamp(i64::from_be_bytes(*payload.first_chunk()?));
            let (hash, cookie) = (secret::sha256(&payload), session.cookie().to_owned());
            let form_use = FormUse { hash, expires_at, cookie, person: None };
            (context.now < expires_at).then_some(SubmittedForm { form: self, session, form_use, payload })
        });
        submitted.ok_or_else(|| self.refusal(BadForm::Stale))
    }

    /// Checks a form that only a person who is signed in can send, and returns who sent it. They must still be signed
    /// in when the form is used up.
    pub(crate) fn check_person(
        self,
        context: &Context,
        fields: &Parameters,
    ) -> Result<(SubmittedForm<'a>, SignedIn), PageError> {
        let mut submitted = self.check(context, fields)?;
        // The token is still good for the cookie of a person who was signed out since. On plain http the form itself
        // did that if it sent the browser to a client; then a second press shall hear that the form was used.
        let Some(person) = submitted.session.person() else {
            let was_used = used_forms::contains(&context.app.store, submitted.form_use.hash)?;
            return Err(self.refusal(if was_used { self.used() } else { BadForm::Stale }));
        };
        submitted.form_use.person = Some(person);
        Ok((submitted, person))
    }

    fn bound_to<'s>(&'s self, session: &'s BrowserSession, action: &'s str) -> [&'s [u8]; 5] {
        let (field, value) = self.subject().unwrap_or_default();
        let [cookie, action] = [session.cookie(), action].map(str::as_bytes);
        [b"form", cookie, action, field.as_bytes(), value.as_bytes()]
    }

    /// Returns the error for a form that was used. After two presses of a button a browser drops the answer to the
    /// first: the server has acted on it, but the code in it never reached the client, nor its cookie the browser.
    pub(super) fn used(self) -> BadForm {
        BadForm::Used(match self {
            Form::Consent(_) => {
                "your browser dropped the first answer, and your program may have got nothing. If it doesn't go on, go \
                 back to it and begin again there."
            }
            Form::SignIn(_) | Form::SecondStep { .. } | Form::SetUp(_) => {
                "your browser dropped the first answer. Press Begin again, and try from the start."
            }
            Form::Account | Form::SecondFactor(_) => {
                "the first press counts. Press Begin again to see your account as it is now."
            }
            Form::Journal(_) => "the first press counts. Press Begin again to see what it has done.",
        })
    }

    pub(super) fn refusal(self, bad: BadForm) -> PageError {
        PageError::Form { bad, again: self.again() }
    }
}

impl SubmittedForm<'_> {
    /// Returns the session of the browser that sent the form.
    pub(crate) fn session(&self) -> &BrowserSession {
        &self.session
    }

    /// Returns a secret of this form: what is made of it is the same if the person presses the button twice. It can't
    /// be computed from the database, which keeps a hash of the token's random number.
    pub(super) fn seed(&self, context: &Context) -> String {
        context.app.signer.derive(&[b"seed of a form"], &self.payload)
    }

    /// Returns what is recorded of the form when it is used.
    pub(super) fn form_use(&self) -> &FormUse {
        &self.form_use
    }

    /// Returns the session, for a page that is shown once the form was used.
    pub(crate) fn into_session(self) -> BrowserSession {
        self.session
    }

    /// Does what the form asks for and uses it up, in one transaction in the name of `holder`: both or neither, also if
    /// the server is killed. Nothing is done if the form was used before, or if the person who sent it has been signed
    /// out meanwhile.
    pub(crate) fn act<T, E>(
        &self,
        context: &Context,
        holder: Holder,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, PageError>
    where
        T: Send + 'static,
        E: From<StoreError> + Into<OAuthError> + Send + 'static,
    {
        let form = self.form;
        used_forms::act(&context.app.store, holder, self.form_use.clone(), context.now, work).map_err(
            |undone| match undone {
                Undone::Used => form.refusal(form.used()),
                Undone::SignedOut => form.refusal(BadForm::Stale),
                Undone::Work(error) => PageError::OAuth(error.into()),
            },
        )
    }

    /// Uses the form up where its answer changes nothing that is stored: a Deny, for example, whose form must not be
    /// good for an Allow.
    pub(crate) fn use_up(&self, context: &Context) -> Result<(), PageError> {
        self.act(context, Holder::Server, |_| Ok::<_, StoreError>(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_on_to_paths_of_this_server_alone() {
        for page in ["/journal", "/journal/entry/7", "/journal/search?q=a%20b&after=x"] {
            assert_eq!(Next::Journal(page).path(), page);
        }
        for page in [
            "https://evil.example/journal",
            "//evil.example/journal",
            "/journal/../..//evil.example",
            "/journal@evil.example",
            "/journal/entry/7\r\nLocation: https://evil.example/",
            "/journal/search?q=a b",
            "/journal/search?q=\u{e4}",
            "/authorize?client_id=x",
            "",
        ] {
            assert_eq!(Next::Journal(page).path(), site::ACCOUNT, "{page}");
        }
        assert_eq!(Next::Authorize("a=b").path(), "/authorize?a=b");
        assert_eq!(Next::Authorize("a b").path(), site::ACCOUNT);
        assert_eq!(Next::Account.path(), site::ACCOUNT);
    }
}
