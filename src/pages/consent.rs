//! The authorization endpoint as a person meets it: they sign in, see which client asks for what, and decide.
//!
//! Checks no OAuth request itself: `oauth::authorize` does that, and `oauth::grants` records what the person allows.
//! Invariant: the browser is sent on to the client only after the person has signed in, and a code is given only for
//! a decision that they made on this server's own page.
//!
//! The order is `prove`, sign in, read the rest, decide; and it is a defence (OAuth 2.1 §7.12.2). An attacker can
//! register a client whose redirect URI leads to a copy of a bank's site, and make a request with an error in it on
//! purpose. If the server answered the error by redirect at once, a link with this server's name in it would lead to
//! that copy. So the server redirects an error only for a person who is signed in; a person who isn't, and who didn't
//! start this, stops at the sign-in page. An app that its own scheme opens is told of an error only after the person
//! has pressed a button: a browser asks little before it opens an app, and what the app does with what it is told is
//! its own matter.
//!
//! Each request is decided anew, and no consent is remembered. A client that registered itself proves nothing by its
//! id, so a remembered yes could be used by any program that knows the id (OAuth 2.1 §7.3.1).

use super::browser_session::BrowserSession;
use super::form::{Form, Next};
use super::{CANT_BE_DONE, Html, PageError, alert, form_fields, need, page_leading_on, sign_in};
use crate::context::Context;
use crate::http::request::Body;
use crate::http::response::Response;
use crate::ids::UserId;
use crate::oauth::authorize::{self, AuthorizationRequest, TrustedRedirect};
use crate::oauth::clients::Client;
use crate::oauth::grants::{self, NewGrant};
use crate::oauth::{OAuthError, Parameters, redirect};
use crate::scope::{Scope, Scopes};
use crate::site;
use crate::store::{Connection, Holder};
use crate::users;

/// A request for which everything is proven and the person is signed in: only their decision is missing.
struct PendingConsent<'q> {
    /// The client's request as it came. The form carries it along, so nothing is stored while the person reads.
    query: &'q str,
    session: BrowserSession,
    user_id: UserId,
    client: Client,
    redirect: TrustedRedirect,
    request: AuthorizationRequest,
}

/// Answers `GET /authorize`. It can be repeated, because some clients fetch the URL before they show it to the person.
/// For a person who isn't signed in it changes nothing. If the request has an error, it may sign out one who is, see
/// [`BrowserSession::leave`]: on plain http another site can sign a person out by a link. That costs them their
/// password once more; the redirect with a live session would cost them the journal.
pub(crate) fn show(context: &Context) -> Result<Response, PageError> {
    let query = context.head.query().unwrap_or("");
    let parameters = Parameters::parse(query.as_bytes())?;
    let (client, redirect) = authorize::prove(context.app, &parameters, context.base_url)?;
    let session = BrowserSession::find_or_begin(context)?;
    // The form takes the whole query along, and the sign-in leads back here with it. Then everything is checked
    // again, so the query needs no protection on its way through the browser.
    let Some(person) = session.person() else {
        return sign_in::first_page(context, &session, Next::Authorize(query));
    };
    match AuthorizationRequest::read(&parameters, context.base_url) {
        Ok(request) => {
            let user_id = person.user_id();
            PendingConsent { query, session, user_id, client, redirect, request }.page(context, None)
        }
        // Nobody has seen a page of this request yet. An app that a link opens may act on what it is told, so the
        // person decides about that too.
        Err(error) if redirect::opens_an_app(redirect.uri()) => {
            error.record(context.log);
            Ok(refusal_page(Form::Consent(query).open(context, &session), &redirect, &error))
        }
        Err(error) => refuse(context, redirect, &error),
    }
}

/// Builds the page about a request that can't be accepted, with a button that tells the app so.
fn refusal_page(form: Html, redirect: &TrustedRedirect, error: &OAuthError) -> Response {
    let body = alert(
        "The program that sent you here made a request that this server can't accept. Nothing was allowed.",
    )
    .then("<p class=\"hint\">In detail: ")
    .then_text(&error.to_string())
    .then(".</p>\n<p>The program waits for this answer at</p>\n<pre>")
    .then_text(redirect.uri())
    .then("</pre>\n")
    .and(form)
    .then("<p><button name=\"decision\" value=\"deny\">Open the program</button></p>\n</form>\n")
    .then("<p class=\"hint\">If you did not start this, close this page.</p>\n");
    page_leading_on(error.status(), CANT_BE_DONE, body)
}

/// Answers `POST /authorize`: the person's decision, and nothing else (`/sign-in` takes the password). Allowing
/// records a grant and sends the browser to the client with a code; denying sends it there with `access_denied`.
///
/// The request comes back in a field of the form, and the person's browser can send any other text there. So all of
/// it is checked again, as if no page had been shown. After an Allow without a ticked box the page is shown again
/// with a message; its status is 200, as it was the first time. That decides nothing, so the form isn't used up: it
/// works if the person goes back to it.
pub(crate) fn decide(context: &Context, body: &mut Body) -> Result<Response, PageError> {
    let fields = form_fields(context, body)?;
    let query = need(&fields, "request")?;
    let parameters = Parameters::parse(query.as_bytes())?;
    let (client, redirect) = authorize::prove(context.app, &parameters, context.base_url)?;
    // Without this check a page on another port of this machine, or on another host of this domain, could press
    // Allow: it would post a form with a request of the attacker's own client, and the browser would add the cookie
    // in spite of `SameSite`. It comes before every redirect to a client too, so such a page can't sign the person
    // out.
    let (submitted, person) = Form::Consent(query).check_person(context, &fields)?;
    let user_id = person.user_id();
    let request = match AuthorizationRequest::read(&parameters, context.base_url) {
        Ok(request) => request,
        Err(error) => {
            submitted.use_up(context)?;
            return refuse(context, redirect, &error);
        }
    };
    // Only the scopes of the request have boxes: those that it names, or all of them if it names none. The server
    // ignores a box that a changed form adds.
    let ticked: Vec<_> = request.scopes.iter().filter(|scope| fields.get(scope.name()).is_some()).collect();
    let scopes = Scopes::of(&ticked);
    // Every other value denies, and so does a form without this field.
    let allows = fields.get("decision") == Some("allow");
    if allows && scopes.is_empty() {
        let session = submitted.into_session();
        let pending = PendingConsent { query, session, user_id, client, redirect, request };
        return pending.page(context, Some("Tick at least one box, or press Deny."));
    }
    if !allows {
        submitted.use_up(context)?;
        return refuse(context, redirect, &OAuthError::Denied);
    }
    let new = NewGrant {
        user_id,
        client,
        // Not the request's `resource`, which may be spelt in several ways or left out.
        resource: context.app.site.audience().to_owned(),
        scopes,
        redirect_uri: redirect.uri().to_owned(),
        challenge: request.challenge,
    };
    let visit = context.visit();
    let allow = move |connection: &Connection| grants::allow(connection, &new, &visit);
    match submitted.act(context, Holder::Person(user_id), allow) {
        Ok(code) => Ok(BrowserSession::leave(context, redirect.grant(&code))?),
        Err(PageError::OAuth(error)) => refuse(context, redirect, &error),
        Err(error) => Err(error),
    }
}

/// Sends the browser to the client with the reason why it gets no code.
fn refuse(context: &Context, redirect: TrustedRedirect, error: &OAuthError) -> Result<Response, PageError> {
    error.record(context.log);
    Ok(BrowserSession::leave(context, redirect.refuse(error))?)
}

impl PendingConsent<'_> {
    /// Builds the consent page, with a message at its top if there is one.
    ///
    /// It shows what an attacker wants the person to overlook: where the code goes, for which journal, as whom they
    /// are signed in, and that the client's name is unproven. The boxes are ticked beforehand, because a person who
    /// has pressed Connect wants the client to work; they can untick each.
    fn page(&self, context: &Context, message: Option<&str>) -> Result<Response, PageError> {
        let email = users::email_of(&context.app.store, self.user_id)?.unwrap_or_default();
        let uri = self.redirect.uri();
        let scope_boxes = self.request.scopes.iter().map(|scope| {
            Html::markup("<label><input type=\"checkbox\" name=\"")
                .then(scope.name())
                .then("\" value=\"1\" checked> <span>")
                .then(meaning(scope))
                .then("</span></label>\n")
        });
        let body = Html::all(message.map(alert))
        .then("<p><strong>")
        .then_text(&self.client.name)
        .then("</strong> asks for access to the journal of <strong>")
        .then_text(&email)
        .then("</strong>.</p>\n<p class=\"hint\">That name is what the program calls itself; ")
        .then("this server has not checked it.</p>\n")
        .then("<dl>\n<dt>You will be sent to</dt>\n<dd><code>")
        .then_text(redirect::shown(uri))
        .then("</code>")
        .then(if redirect::is_local(uri) { ", a program on this computer" } else { "" })
        .then("</dd>\n<dt>To use</dt>\n<dd><code>")
        .then_text(&format!("{}{}", context.base_url, site::MCP))
        .then("</code></dd>\n</dl>\n")
        .and(Form::Consent(self.query).open(context, &self.session))
        .then("<fieldset>\n<legend>It may</legend>\n")
        .and(Html::all(scope_boxes))
        .then("</fieldset>\n<p class=\"choice\">\n")
        .then("<button name=\"decision\" value=\"allow\">Allow</button>\n")
        .then("<button name=\"decision\" value=\"deny\" class=\"quiet\">Deny</button>\n</p>\n</form>\n")
        .then("<p class=\"hint\">If you did not start this, press Deny. You can take access back at any time on ")
        .then("<a href=\"")
        .then(site::ACCOUNT)
        .then("\">your account page</a>.</p>\n");
        Ok(page_leading_on(200, "Allow access?", body))
    }
}

/// Says in plain words what a scope allows: what the client can do to the journal with it. A name like
/// `entries:write` says nothing to the person who decides.
pub(super) fn meaning(scope: Scope) -> &'static str {
    match scope {
        Scope::UserRead => "see your email address",
        Scope::EntriesRead => "read and search all your entries, with the names of their tags",
        Scope::EntriesWrite => "write, change and delete entries, and see each entry that it changes",
        Scope::TagsRead => "see your tags",
        Scope::TagsWrite => "make, change and delete tags",
    }
}
