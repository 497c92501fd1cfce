//! The pages that write: a new entry, a change of one, and the question before one is deleted.
//!
//! Knows no SQL. Invariants: nothing is written but by a form of these pages that works once, in one transaction with
//! its use; an entry that has changed since the person saw it is neither written over nor deleted; and what a person
//! has typed comes back to them whenever it isn't saved.
//!
//! The last of these is why a form whose token is no good gets another answer here than elsewhere: a person may write
//! for longer than a token lasts, or than they stay signed in. They get the fields again, with all that is in them and
//! a fresh token, and nothing is done before they press the button again. A form that another site has sent gets no
//! such answer.

use super::entry_form::{Problem, Typed, read_shown};
use super::{Html, PageError, Place, Visit, dates, failed, journal_page, reading};
use crate::context::Context;
use crate::dates::Day;
use crate::http::request::{BadRequest, Body};
use crate::http::response::Response;
use crate::ids::EntryId;
use crate::journal::entries::{self, EntryChange, NewEntry, TagsToAttach};
use crate::journal::{Entry, Journal, JournalError, browse};
use crate::limits;
use crate::oauth::{OAuthError, Parameters};
use crate::pages::browser_session::BrowserSession;
use crate::pages::form::{BadForm, Form, SubmittedForm};
use crate::pages::{alert, is_from_here, page};
use crate::scope::{EntriesWrite, TagsWrite};
use crate::zone::Zone;

/// The parameter that says which day a new entry is about.
const DATE: &str = "date";

/// Answers a GET of the page for a new entry.
pub(super) fn new_entry(visit: &Visit) -> Result<Response, PageError> {
    let query = visit.query()?;
    let day = query.get(DATE).map(Day::read).transpose();
    let day = day.map_err(|_| PageError::Fields(OAuthError::Malformed(DATE)))?;
    let (zone, _) = browse::today(&visit.entries(), visit.context.now).map_err(failed)?;
    let typed = Typed::new(day, &zone.now(visit.context.now));
    Ok(EntryPage { place: Place::New, typed, zone: Some(zone), ..EntryPage::of(visit) }.response(200))
}

/// Answers a GET of the page that changes an entry.
pub(super) fn edit(visit: &Visit, id: EntryId) -> Result<Response, PageError> {
    let entry = find(visit, id)?.ok_or_else(|| failed(JournalError::EntryNotFound(id)))?;
    let (zone, _) = browse::today(&visit.entries(), visit.context.now).map_err(failed)?;
    let typed = Typed::of(&entry);
    Ok(EntryPage { place: Place::Edit(id), typed, zone: Some(zone), ..EntryPage::of(visit) }.response(200))
}

/// Answers a GET of the question before an entry is deleted.
pub(super) fn ask_to_delete(visit: &Visit, id: EntryId) -> Result<Response, PageError> {
    let entry = find(visit, id)?.ok_or_else(|| failed(JournalError::EntryNotFound(id)))?;
    Ok(question(visit, &entry, 200, Html::default()))
}

fn find(visit: &Visit, id: EntryId) -> Result<Option<Box<Entry>>, PageError> {
    entries::find(&visit.entries(), id).map_err(failed)
}

/// Answers a POST of one of these pages.
///
/// The session is looked up before the body is read, so a stranger can make the server keep no more than anywhere else.
/// In the transaction that writes it is looked up again.
pub(crate) fn submit(context: &Context, place: Place, body: &mut Body) -> Result<Response, PageError> {
    let form = Form::Journal(place);
    let session = BrowserSession::find(context)?.filter(|_| is_from_here(context.head));
    let session = session.ok_or_else(|| form.refusal(BadForm::Stale))?;
    let Some(person) = session.person() else {
        return match (place, Parameters::read(context.head, body)) {
            (Place::Delete(_), _) => Err(form.refusal(BadForm::Stale)),
            (_, Ok(fields)) => Ok(signed_out(context, &session, place, Typed::read(&fields))),
            (_, Err(error)) => unread(context, error, false),
        };
    };
    let bytes_max = body.bytes_at_most(limits::JOURNAL_FORM_BYTES_MAX);
    let share = context.app.page_shares.take(person.user_id(), bytes_max);
    let share = share.map_err(|_| PageError::TooManyRequests)?;
    let fields = match Parameters::read_long(context.head, body, limits::JOURNAL_FORM_BYTES_MAX) {
        Ok(fields) => fields,
        Err(error) => return unread(context, error, true),
    };
    let checked = form.check_person(context, &fields);
    let visit = Visit { context, session: &session, person };
    let response = match (place, checked) {
        (Place::Delete(id), checked) => {
            let (submitted, _) = checked?;
            Sent { visit: &visit, submitted: &submitted }.delete(id, &fields)
        }
        (Place::Edit(id), Ok((submitted, _))) => {
            Sent { visit: &visit, submitted: &submitted }.change(id, Typed::read(&fields))
        }
        (_, Ok((submitted, _))) => Sent { visit: &visit, submitted: &submitted }.create(Typed::read(&fields)),
        (_, Err(PageError::Form { bad, .. })) => not_taken(&visit, place, Typed::read(&fields), bad),
        (_, Err(error)) => Err(error),
    };
    Ok(response?.keeping(share))
}

/// A form that came with a good token, from a person who is signed in.
struct Sent<'v> {
    visit: &'v Visit<'v>,
    submitted: &'v SubmittedForm<'v>,
}

impl<'v> Sent<'v> {
    /// Opens the person's journal for the change that the form asks for.
    fn journals(&self) -> (Journal<'v, EntriesWrite>, Journal<'v, TagsWrite>) {
        let Visit { context, person, .. } = self.visit;
        context.app.journal_for_form(person, self.submitted.form_use(), context.now).split()
    }

    fn zone(&self) -> Result<Zone, PageError> {
        let (zone, _) = browse::today(&self.visit.entries(), self.visit.context.now).map_err(failed)?;
        Ok(zone)
    }

    fn create(&self, typed: Typed) -> Result<Response, PageError> {
        let zone = self.zone()?;
        let (journal, tags) = self.journals();
        let new = match typed.new_entry(&zone) {
            Ok(new) => new,
            Err(problems) => return Ok(self.asked_again(Place::New, typed, zone, problems)),
        };
        let tags = TagsToAttach { may_make: Some(tags.permit), ..new.tags };
        match entries::create(&journal, NewEntry { tags, ..new }, self.visit.context.now) {
            Ok(written) => Ok(self.done("entry-created", Place::Entry(written.entry.id))),
            Err(error) => self.not_saved(Place::New, typed, error),
        }
    }

    fn change(&self, id: EntryId, typed: Typed) -> Result<Response, PageError> {
        let place = Place::Edit(id);
        let Some(entry) = find(self.visit, id)? else {
            return self.not_saved(place, typed, JournalError::EntryNotFound(id));
        };
        let zone = self.zone()?;
        let change = match typed.change_of(&entry, &zone) {
            Ok(change) => change,
            Err(problems) => return Ok(self.asked_again(place, typed, zone, problems)),
        };
        let (journal, tags) = self.journals();
        let tags = TagsToAttach { may_make: Some(tags.permit), ..change.tags };
        match entries::update(&journal, id, EntryChange { tags, ..change }, self.visit.context.now) {
            Ok(_) => Ok(self.done("entry-changed", Place::Entry(id))),
            Err(error) => self.not_saved(place, typed, error),
        }
    }

    /// Deletes the entry, if it is still what the question showed.
    fn delete(&self, id: EntryId, fields: &Parameters) -> Result<Response, PageError> {
        let (journal, _) = self.journals();
        let form = Form::Journal(Place::Delete(id));
        // Without the digest the person has seen nothing that could be deleted.
        let deleted = match read_shown(fields) {
            Some(shown) => entries::delete(&journal, id, Some(shown)),
            None => Err(JournalError::Changed),
        };
        match deleted {
            Ok(entry) => Ok(self.done("entry-deleted", Place::Day(entry.date.day))),
            Err(JournalError::Changed) => {
                let entry = find(self.visit, id)?.ok_or_else(|| failed(JournalError::EntryNotFound(id)))?;
                self.visit.context.log.set_outcome("changed");
                let message = alert(
                    "The entry was changed meanwhile, so nothing was deleted. This is what it says now.",
                );
                Ok(question(self.visit, &entry, 409, message))
            }
            Err(JournalError::FormUsed) => Err(form.refusal(form.used())),
            Err(JournalError::SignedOut) => Err(form.refusal(BadForm::Stale)),
            Err(error) => Err(failed(error)),
        }
    }

    /// Leads to the page that shows what was done. The browser gets it with a GET, so that a reload sends nothing
    /// again.
    fn done(&self, outcome: &'static str, there: Place) -> Response {
        self.visit.context.log.set_outcome(outcome);
        Response::see_other(there.path()).with("Cache-Control", "no-store")
    }

    /// Builds the page again, for a person who has to change something of what they typed.
    fn asked_again(&self, place: Place, typed: Typed, zone: Zone, problems: Vec<Problem>) -> Response {
        self.visit.context.log.set_outcome("refused");
        let message =
            alert("Nothing was saved yet. What has to be changed is said below, beside each field.");
        EntryPage { place, typed, zone: Some(zone), problems, message, ..EntryPage::of(self.visit) }
            .response(400)
    }

    /// Builds the page for what was typed and couldn't be saved. The transaction has done nothing, so the form wasn't
    /// used either.
    fn not_saved(&self, place: Place, typed: Typed, error: JournalError) -> Result<Response, PageError> {
        let Visit { context, session, .. } = self.visit;
        let zone = self.zone()?;
        let again = |place, typed, status, message| {
            EntryPage { place, typed, zone: Some(zone), message, ..EntryPage::of(self.visit) }
                .response(status)
        };
        Ok(match (place, error) {
            (_, JournalError::FormUsed) => {
                return not_taken(self.visit, place, typed, Form::Journal(place).used());
            }
            (_, JournalError::SignedOut) => signed_out(context, session, place, typed),
            (Place::Edit(id), JournalError::Changed) => match find(self.visit, id)? {
                Some(entry) => conflict(self.visit, &entry, typed)?,
                None => return self.not_saved(place, typed, JournalError::EntryNotFound(id)),
            },
            (_, JournalError::EntryNotFound(_)) => {
                context.log.set_outcome("not-found");
                let message = alert(
                    "The entry was deleted meanwhile. What you typed is still here: Save makes a new entry of it.",
                );
                again(Place::New, typed, 404, message)
            }
            (_, JournalError::Store(error)) => {
                let error = PageError::from(error);
                error.record(context.log);
                let message =
                    alert("Nothing was saved: the server can't do it now. Press Save again in a moment.");
                error.say_when(again(place, typed, 503, message))
            }
            (_, error) => {
                context.log.set_outcome("refused");
                again(place, typed, 400, alert(&format!("{error} Nothing was saved yet.")))
            }
        })
    }
}

/// Builds the page for a form whose token was no good, with all that was typed.
fn not_taken(visit: &Visit, place: Place, typed: Typed, bad: BadForm) -> Result<Response, PageError> {
    visit.context.log.set_outcome(bad.name());
    let (zone, _) = browse::today(&visit.entries(), visit.context.now).map_err(failed)?;
    let message = match bad {
        BadForm::Stale => {
            "Nothing was saved yet: the page was open for too long, or you have signed in anew since. What you typed is \
             still here. Press Save again."
        }
        BadForm::Used(_) => {
            "This form was already used, and what it held then was saved. What you typed is still here; look whether your \
             entry is there before you press Save again."
        }
    };
    let message = alert(message);
    Ok(EntryPage { place, typed, zone: Some(zone), message, ..EntryPage::of(visit) }.response(400))
}

/// Builds the page for a person who is signed in no more. It shows what they typed and nothing of their journal. The
/// link opens another window, so that this page stays open with its text.
fn signed_out(context: &Context, session: &BrowserSession, place: Place, typed: Typed) -> Response {
    context.log.set_outcome("stale-form");
    let message = alert("Nothing was saved: you were signed out meanwhile. What you typed is still here.")
        .then("<p>Sign in <a target=\"_blank\" href=\"")
        .then_text(&Place::ThisMonth.path())
        .then("\">in another window</a>, then come back to this one and press Save.</p>\n");
    let page =
        EntryPage { context, session, place, typed, zone: None, problems: Vec::new(), message, button: SAVE };
    page.response(403)
}

/// Builds the page for a form whose body can't be read. If it is too large, what was typed is in the browser alone, so
/// the page says how to get it back from there.
///
/// A person who was signed out is a stranger, from whom no more is read than from any other. But the browser keeps what
/// it has sent: once they are signed in, the same form is read whole, and comes back with a fresh token.
fn unread(context: &Context, error: OAuthError, is_signed_in: bool) -> Result<Response, PageError> {
    if !matches!(error, OAuthError::Body(BadRequest::BodyTooLarge)) {
        return Err(PageError::Fields(error));
    }
    error.record(context.log);
    let body = if is_signed_in {
        alert(&format!(
            "Nothing was saved: this is too much for one entry, whose text can have at most {} characters.",
            limits::CONTENT_CHARS_MAX
        ))
        .then("<p>Go back in your browser, and what you typed may still be there. Copy it into a file before you do ")
        .then("anything else with that page, then make several entries of it.</p>\n")
    } else {
        alert("Nothing was saved: you were signed out meanwhile, and this text is too long to be taken from somebody who \
               isn't signed in. Your browser still has it, so leave this page open.")
        .then("<p>Sign in <a target=\"_blank\" href=\"")
        .then_text(&Place::ThisMonth.path())
        .then("\">in another window</a>. Then come back to this one and load it anew: your browser asks whether it shall send ")
        .then("the form again, and if you allow it, what you typed comes back.</p>\n")
    };
    Ok(page(error.status(), "This is too long", body))
}

/// Builds the page for an entry that was changed while the person was changing it: both states, of which they choose.
fn conflict(visit: &Visit, entry: &Entry, typed: Typed) -> Result<Response, PageError> {
    visit.context.log.set_outcome("changed");
    let (zone, _) = browse::today(&visit.entries(), visit.context.now).map_err(failed)?;
    let message = alert("Nothing was saved yet: the entry was changed meanwhile, by a program or in another window.")
        .then("<h2>What the entry says now</h2>\n")
        .and(whole(entry))
        .then("<h2>What you typed</h2>\n<p>To keep what stands above, leave this page. To have both, copy from above what ")
        .then("you want to keep, then save.</p>\n");
    let (place, typed) = (Place::Edit(entry.id), typed.over(entry));
    let page = EntryPage {
        place,
        typed,
        zone: Some(zone),
        message,
        button: "Save mine over it",
        ..EntryPage::of(visit)
    };
    Ok(page.response(409))
}

/// Builds an entry as a part of a page about it.
fn whole(entry: &Entry) -> Html {
    Html::markup("<article class=\"card\">\n<h3 dir=\"auto\">")
        .then_text(&reading::title(&entry.title))
        .then("</h3>\n<p class=\"hint\">")
        .and(dates::entry_date(&entry.date))
        .then("</p>\n")
        .and(reading::text(&entry.content))
        .then("<dl>\n")
        .and(reading::labels(entry))
        .then("</dl>\n</article>\n")
}

/// Builds the question before an entry is deleted. The form holds the digest of what is shown.
fn question(visit: &Visit, entry: &Entry, status: u16, message: Html) -> Response {
    let place = Place::Delete(entry.id);
    let body = message
        .then("<p>The entry is gone for good then, for your programs too.</p>\n")
        .and(Form::Journal(place).open(visit.context, visit.session))
        .and(Typed::shown_field(entry))
        .then("<p class=\"choice\"><button class=\"danger\">Delete it</button> <a class=\"button\" href=\"")
        .then_text(&Place::Entry(entry.id).path())
        .then("\">Keep it</a></p>\n</form>\n")
        .and(whole(entry));
    journal_page(status, "Delete this entry?", place, body)
}

const SAVE: &str = "Save";

/// The page with the fields of an entry.
struct EntryPage<'a> {
    context: &'a Context<'a>,
    session: &'a BrowserSession,
    place: Place,
    typed: Typed,
    /// The time zone in which the time is read; `None` if the person isn't known.
    zone: Option<Zone>,
    problems: Vec<Problem>,
    /// What is said above the fields.
    message: Html,
    button: &'static str,
}

impl<'a> EntryPage<'a> {
    /// The page of a new entry, with empty fields.
    fn of(visit: &'a Visit<'a>) -> EntryPage<'a> {
        EntryPage {
            context: visit.context,
            session: visit.session,
            place: Place::New,
            typed: Typed::default(),
            zone: None,
            problems: Vec::new(),
            message: Html::default(),
            button: SAVE,
        }
    }

    fn response(self, status: u16) -> Response {
        let EntryPage { context, session, place, typed, zone, problems, message, button } = self;
        let (title, back) = match place {
            Place::Edit(id) => ("Change an entry", Place::Entry(id)),
            _ => ("A new entry", Place::ThisMonth),
        };
        let body = message
            .and(Form::Journal(place).open(context, session))
            .and(typed.fields(&problems, zone.as_ref()))
            .then("<p class=\"choice\"><button>")
            .then(button)
            .then("</button> <a class=\"button\" href=\"")
            .then_text(&back.path())
            .then("\">Leave without saving</a></p>\n</form>\n");
        journal_page(status, title, place, body)
    }
}
