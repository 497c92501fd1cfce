//! The tools: what a tool is, how clients see it, and what the outcome of a call is; `table` lists them.
//!
//! Knows no SQL, no sockets and no token text. A tool runs only with a [`Permit`] for the
//! scopes in its entry, and only with arguments that passed the check in its entry.
//!
//! To add a tool, write one entry in `table.rs` and one function in the file of its kind; `.github/CONTRIBUTING.md`
//! shows the four steps. The entry decides the tool's schema, scope and hints, and the question before a deletion.

mod entries;
mod instructions;
mod overview;
mod person;
mod table;
mod tags;

use std::error::Error;
use std::fmt;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::arguments::{self, Argument, Checked};
use super::resources;
use super::rpc::RpcError;
use super::version::{MethodResult, ProtocolVersion};
use super::{Failure, Mcp};
use crate::app::App;
use crate::clock::Timestamp;
use crate::events::{ConfirmationAnswer, Resource};
use crate::gate::Permit;
use crate::ids::{EntryId, TagId};
use crate::journal::{self, FilterEnd, Journal, JournalError, RowDigest};
use crate::json_text::{self, Json, JsonText};
use crate::scope::{Access, EntriesRead, EntriesWrite, Scopes, TagsRead, TagsWrite, UserRead};
use crate::store::StoreError;

/// One entry of the table: all that this server knows of a tool.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    title: &'static str,
    about: &'static str,
    effect: Effect,
    arguments: Vec<Argument>,
    output: fn() -> Value,
    work: Work,
}

/// What a tool does, by the scopes that it needs.
///
/// The scopes are stated once, as the variant. The gate checks them, and the functions get a journal of that access
/// alone. So a tool that changes what its scopes don't cover doesn't compile. A field `scope: Scope` beside a
/// function would be shorter, and nothing would keep the two in step.
enum Work {
    UserRead(Handler<UserRead>),
    EntriesRead(Handler<EntriesRead>),
    EntriesWrite(Handler<EntriesWrite>),
    /// The same, but with a name in its argument `tagNames` that no tag has, it makes a tag, and needs the scope for
    /// that too.
    EntriesWriteNamingTags(Handler<EntriesWrite>),
    TagsRead(Handler<TagsRead>),
    TagsWrite(Handler<TagsWrite>),
    EntriesAndTagsRead(Handler<(EntriesRead, TagsRead)>),
}

struct Handler<A> {
    run: Run<A, Answer>,
    /// Writes the question that the person answers before the tool runs, where the client can ask them.
    confirm: Option<Run<A, Confirmable>>,
}

/// A function that works with arguments that passed the check.
type Run<A, T> = fn(&ToolContext<A>, &Checked) -> Result<T, ToolError>;

/// What a tool does to the journal. It becomes the hints by which a host decides what it shows to the person before
/// it calls the tool (2025-11-25 schema, ToolAnnotations). They are hints only: the gate doesn't read them.
enum Effect {
    Reads,
    Adds,
    Changes,
    Deletes,
}

/// What a tool works with.
struct ToolContext<'a, A> {
    /// The caller's journal.
    journal: Journal<'a, A>,
    /// The caller's right to make tags besides, for a tool that may need it; `None` if the token lacks that scope.
    may_make_tags: Option<Permit<TagsWrite>>,
    /// The scopes of the caller's token, for `whoami` to show. They open nothing: the journal is opened already.
    scopes: Scopes,
    now: Timestamp,
    /// The digest of the row that the person was shown when they agreed; `None` where they were not asked.
    confirmed: Option<RowDigest>,
}

/// The question that a person answers before a delete.
pub(crate) struct Confirmation {
    pub(crate) text: String,
    /// What the person agrees to, beside the box that they tick.
    pub(crate) agreement: Agreement,
    /// The digest of the row that the question is about. The person agrees to this row, and not to what it may be
    /// later.
    pub(crate) row: RowDigest,
}

/// What a box says, and what it says below.
pub(crate) struct Agreement {
    pub(crate) title: &'static str,
    pub(crate) warning: &'static str,
}

/// To the delete of a row.
const DELETE_IT: Agreement = Agreement { title: "Delete it", warning: "It can't be brought back." };

/// The question before a tool runs, and the answer of the tool where the person says no. Both are made from the
/// same row.
struct Confirmable {
    confirmation: Confirmation,
    declined: Answer,
}

/// Whether the person has agreed to the call.
#[derive(Clone, Copy)]
pub(crate) enum ConfirmationState {
    /// The tool needs no agreement; or the client can't ask the person, and the operator doesn't demand it.
    NotAsked,
    /// The person is to be asked.
    ToBeAsked,
    /// The person has answered the question about the row that had this digest.
    Answered(ConfirmationAnswer, RowDigest),
}

/// The outcome of a call.
pub(crate) enum CallOutcome {
    Result(ToolResult),
    /// The person has to answer this question first.
    Ask(Confirmation),
}

/// What a `CallToolResult` holds.
pub(crate) enum ToolResult {
    Answer(Answer),
    /// What is wrong, for the model (2025-11-25 tools, Error Handling). It has no structured content, which the output
    /// schema describes for a success only.
    Error(String),
}

/// What a tool returns. The text is a sentence for people, the links lead to the rows as resources, and the data is
/// what `outputSchema` describes.
pub(crate) struct Answer {
    text: Option<String>,
    links: Vec<Link>,
    data: JsonText,
}

/// Why a tool returns no answer.
#[derive(Debug)]
pub(crate) enum ToolError {
    /// The call can't be done as it is. The sentence says what the model can do about it. It becomes a result with
    /// `isError`, which clients hand to the model; an error of the protocol stays in the client's program (2025-11-25
    /// tools, Error Handling).
    Rejected(String),
    /// The row has changed since the person was asked about it.
    Changed,
    /// The database failed. The client learns no more than that.
    Store(StoreError),
}

impl fmt::Display for ToolError {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            ToolError::Rejected(text) => out.write_str(text),
            ToolError::Changed => out.write_str(&explain(&JournalError::Changed)),
            ToolError::Store(error) => error.fmt(out),
        }
    }
}

impl Error for ToolError {}

impl From<StoreError> for ToolError {
    fn from(error: StoreError) -> ToolError {
        ToolError::Store(error)
    }
}

impl From<JournalError> for ToolError {
    fn from(error: JournalError) -> ToolError {
        match error {
            JournalError::Changed => ToolError::Changed,
            JournalError::Store(StoreError::TooSlow) => ToolError::Rejected(TOO_SLOW.to_owned()),
            JournalError::Store(error) => ToolError::Store(error),
            error => ToolError::Rejected(explain(&error)),
        }
    }
}

/// Every tool, in the order in which clients see them.
pub(crate) static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(table::table);

/// Finds the tool of this name.
pub(crate) fn find(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name)
}

/// A tool that the gate has permitted to a caller. It can be run after the caller's request is gone, and more than
/// once: while a person is asked, the row that they are asked about may change, and then the tool writes the next
/// question.
pub(crate) struct PermittedTool {
    pub(crate) name: &'static str,
    /// Whether the person must be asked before the tool runs, where the client can ask them.
    pub(crate) needs_confirmation: bool,
    run: Box<Call>,
}

type Call = dyn Fn(&App, Map<String, Value>, ConfirmationState) -> Result<CallOutcome, StoreError>;

impl PermittedTool {
    /// Runs the tool, or gives the question that the person has to answer first. A wrong argument or a missing row
    /// is a result too, which the model can read and mend. Only a failing database is an error.
    pub(crate) fn call(
        &self,
        app: &App,
        given: Map<String, Value>,
        state: ConfirmationState,
    ) -> Result<CallOutcome, StoreError> {
        (self.run)(app, given, state)
    }
}

impl Tool {
    /// Returns the scopes that each call needs.
    pub(crate) fn scopes(&self) -> Scopes {
        match &self.work {
            Work::UserRead(_) => UserRead::SCOPES,
            Work::EntriesRead(_) => EntriesRead::SCOPES,
            Work::EntriesWrite(_) | Work::EntriesWriteNamingTags(_) => EntriesWrite::SCOPES,
            Work::TagsRead(_) => TagsRead::SCOPES,
            Work::TagsWrite(_) => TagsWrite::SCOPES,
            Work::EntriesAndTagsRead(_) => <(EntriesRead, TagsRead)>::SCOPES,
        }
    }

    /// Has the gate check that the caller has the tool's scopes, and those that these arguments need besides.
    pub(crate) fn permit(
        &'static self,
        mcp: &Mcp,
        given: &Map<String, Value>,
    ) -> Result<PermittedTool, Failure> {
        match &self.work {
            Work::UserRead(handler) => handler.permit(self, mcp, None),
            Work::EntriesRead(handler) => handler.permit(self, mcp, None),
            Work::EntriesWrite(handler) => handler.permit(self, mcp, None),
            Work::EntriesWriteNamingTags(handler) => {
                let permitted = handler.permit(self, mcp, mcp.caller.permit_if())?;
                self.require_right_to_make_tags(mcp, given)?;
                Ok(permitted)
            }
            Work::TagsRead(handler) => handler.permit(self, mcp, None),
            Work::TagsWrite(handler) => handler.permit(self, mcp, None),
            Work::EntriesAndTagsRead(handler) => handler.permit(self, mcp, None),
        }
    }

    /// Has the gate refuse a call whose `tagNames` would make a tag, if the caller may not. The names are looked up
    /// before anything is done, as the scopes are, since only a 403 makes the client ask the person, and since a batch
    /// is refused as a whole or not at all. This look only chooses the answer: what makes a tag takes a
    /// `Permit<TagsWrite>`. If a tag is deleted between the look and the write, the call is a result with an error.
    fn require_right_to_make_tags(&self, mcp: &Mcp, given: &Map<String, Value>) -> Result<(), Failure> {
        let (None, Some(journal)) = (mcp.journal_if::<TagsWrite>(), mcp.journal_if::<EntriesWrite>()) else {
            return Ok(());
        };
        if !given.contains_key(TAG_NAMES) {
            return Ok(());
        }
        // Wrong arguments do nothing, and are explained when the tool runs.
        let Ok(checked) = arguments::read(&self.arguments, given.clone()) else { return Ok(()) };
        let missing = journal::entries::tags_to_make(&journal, &checked.names(TAG_NAMES));
        if !missing.map_err(RpcError::from)?.is_empty() {
            mcp.permit::<(EntriesWrite, TagsWrite)>(self.name)?;
        }
        Ok(())
    }

    /// Describes the tool as `tools/list` shows it.
    pub(crate) fn describe(&self) -> Value {
        // All of them are stated. The default for what isn't stated is the worst case (a tool that destroys and
        // reaches beyond the server), and a host would ask the person before each reading.
        let (read_only, destructive, idempotent) = match self.effect {
            Effect::Reads => (true, false, true),
            Effect::Adds => (false, false, false),
            Effect::Changes => (false, false, true),
            Effect::Deletes => (false, true, true),
        };
        json!({
            "name": self.name,
            "title": self.title,
            "description": self.about,
            "inputSchema": arguments::schema(&self.arguments),
            "outputSchema": (self.output)(),
            "annotations": {
                "readOnlyHint": read_only, "destructiveHint": destructive, "idempotentHint": idempotent,
                "openWorldHint": false,
            },
        })
    }
}

/// `A` stands for the scopes of the tool. So the permit, the journal and the two functions have the same scopes.
impl<A: Access> Handler<A> {
    fn permit(
        &'static self,
        tool: &'static Tool,
        mcp: &Mcp,
        may_make_tags: Option<Permit<TagsWrite>>,
    ) -> Result<PermittedTool, Failure> {
        let permit = mcp.permit::<A>(tool.name)?;
        let (scopes, now) = (mcp.caller.holder().scopes, mcp.context.now);
        let run = move |app: &App, given, state| {
            let journal = app.journal(permit);
            let context = ToolContext { journal, may_make_tags, scopes, now, confirmed: None };
            let checked = arguments::read(&tool.arguments, given).map_err(|mistakes| {
                ToolError::Rejected(format!("Invalid arguments for {}: {mistakes}", tool.name))
            });
            match checked.and_then(|given| self.call(&context, &given, state)) {
                Ok(outcome) => Ok(outcome),
                Err(ToolError::Store(error)) => Err(error),
                Err(error) => Ok(CallOutcome::Result(ToolResult::Error(error.to_string()))),
            }
        };
        Ok(PermittedTool { name: tool.name, needs_confirmation: self.confirm.is_some(), run: Box::new(run) })
    }

    /// Decides, by the person's agreement, between running the tool and asking.
    ///
    /// A no runs nothing and is a result, not an error: the person has decided, and a model that reads an error
    /// would try again.
    fn call(
        &self,
        context: &ToolContext<A>,
        given: &Checked,
        state: ConfirmationState,
    ) -> Result<CallOutcome, ToolError> {
        match (self.confirm, state) {
            (None, _) | (_, ConfirmationState::NotAsked) => (self.run)(context, given).map(Answer::outcome),
            (Some(confirm), ConfirmationState::ToBeAsked) => confirm(context, given).map(Confirmable::ask),
            (Some(confirm), ConfirmationState::Answered(ConfirmationAnswer::No, _)) => {
                confirm(context, given).map(|question| question.declined.outcome())
            }
            // The journal compares the digest in the transaction that deletes the row: a check before it would
            // leave a moment in which the row could change. A row that has changed isn't the one that the person
            // agreed to, so they are asked about it anew.
            (Some(confirm), ConfirmationState::Answered(ConfirmationAnswer::Yes, row)) => {
                match (self.run)(&ToolContext { confirmed: Some(row), ..*context }, given) {
                    Err(ToolError::Changed) => confirm(context, given).map(Confirmable::ask),
                    done => done.map(Answer::outcome),
                }
            }
        }
    }
}

impl Confirmable {
    fn ask(self) -> CallOutcome {
        CallOutcome::Ask(self.confirmation)
    }
}

impl Answer {
    fn outcome(self) -> CallOutcome {
        CallOutcome::Result(ToolResult::Answer(self))
    }
}

impl ToolResult {
    /// Writes the `CallToolResult` as this version has it. An answer holds its data twice, since older clients read the
    /// text blocks alone (2025-11-25 tools, Structured Content).
    pub(crate) fn in_version(self, version: ProtocolVersion) -> MethodResult {
        version.result(move |out| match &self {
            ToolResult::Answer(answer) => {
                let is_structured = version.has_structured_content();
                out.member("content", Content { answer, has_links: is_structured });
                if is_structured {
                    out.member("structuredContent", &answer.data);
                }
            }
            ToolResult::Error(text) => {
                out.member("content", json_text::array([Block::Text(text)]));
                out.member("isError", true);
            }
        })
    }
}

/// The content of an answer: the sentence, the links where the version has them, and the data.
struct Content<'a> {
    answer: &'a Answer,
    has_links: bool,
}

impl Json for Content<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let Answer { text, links, data } = self.answer;
        let text = text.iter().map(|text| Block::Text(text));
        let links = links.iter().filter(|_| self.has_links).map(Block::Link);
        json_text::array(text.chain(links).chain([Block::Data(data)])).write(out);
    }
}

/// A `ContentBlock`.
#[derive(Clone, Copy)]
enum Block<'a> {
    Text(&'a str),
    /// The data of an answer, as a text.
    Data(&'a JsonText),
    Link(&'a Link),
}

impl Json for Block<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Block::Text(text) => text_block(text).write(out),
            Block::Data(data) => text_block(data.as_text()).write(out),
            Block::Link(link) => link.write(out),
        }
    }
}

fn text_block(text: impl Json) -> impl Json {
    json_text::object(move |out| {
        out.member("type", "text");
        out.member("text", &text);
    })
}

/// The argument with names of tags, which a call may have to make.
const TAG_NAMES: &str = "tagNames";

/// Why a row wasn't deleted of which the person was asked.
const NOT_CONFIRMED: &str = "the deletion was not confirmed";

const TOO_SLOW: &str =
    "This took too long. Ask for less: fewer or longer words, narrower filters, a smaller page.";

/// Writes an error of the journal, and what the model can do next. The journal knows no tool and no argument, so the
/// second sentence is written here, in the names that clients see.
pub(crate) fn explain(error: &JournalError) -> String {
    let next = match error {
        JournalError::EntryNotFound(_) => "list_entries and search_entries show the entries there are.",
        JournalError::TagNotFound(_) => "list_tags shows the tags there are.",
        JournalError::TagNameUnknown(_) => {
            "To make one needs the scope tags:write; list_tags shows the tags there are."
        }
        JournalError::TagNameTaken { this: None, .. } => "Use that one, or choose another name.",
        JournalError::TagNameTaken { this: Some(_), .. } => {
            "merge_tags makes one tag of the two; or choose another name."
        }
        JournalError::MergedWithItself => {
            "fromId and intoId must be two tags; list_tags shows the tags there are."
        }
        JournalError::TagsFull => "Delete one that you don't need.",
        JournalError::TooManyTags { .. } => "Leave some out, or remove one first.",
        JournalError::TextTooLong { .. } => "Append less, or write a further entry.",
        JournalError::BadDate { end: FilterEnd::From, .. } => "from must be a date or date-time that exists.",
        JournalError::BadDate { end: FilterEnd::To, .. } => "to must be a date or date-time that exists.",
        JournalError::BadCursor => {
            "cursor must be the nextCursor of a call with the same filters; leave it out to start from the beginning."
        }
        JournalError::EmptyQuery => {
            "query must contain a word to search for; list_entries lists the entries without one."
        }
        JournalError::OnlyExclusions => "query must contain a word that is not excluded.",
        JournalError::TooManyTerms => "Leave some of them out of query.",
        // The two about forms are a page's, and no call of a tool has one.
        JournalError::Changed | JournalError::FormUsed | JournalError::SignedOut | JournalError::Store(_) => {
            "Try again."
        }
    };
    format!("{error} {next}")
}

/// Says how many rows there are, and how many of them the page shows: a model that reads only the page would take
/// it for all there is. The sentence is `Found 1 entries.` for one too, because there are programs that look for it.
fn found(total: i64, shown: usize, what: &str) -> String {
    let found = format!("Found {total} {what}.");
    if shown as i64 == total { found } else { format!("{found} This page shows {shown} of them.") }
}

/// A link to a row as a resource (2025-11-25 tools, Resource Links). A client can read the row again by the URI, or
/// subscribe to it.
struct Link {
    to: Resource,
    /// What kind of row it is, for a person.
    kind: &'static str,
    name: String,
    modified: Timestamp,
}

fn entry_link(id: EntryId, title: impl Into<String>, modified: Timestamp) -> Link {
    Link { to: Resource::Entry(id), kind: "Journal Entry", name: title.into(), modified }
}

fn tag_link(id: TagId, name: &str, modified: Timestamp) -> Link {
    Link { to: Resource::Tag(id), kind: "Tag", name: name.to_owned(), modified }
}

impl Json for Link {
    fn write(&self, out: &mut Vec<u8>) {
        let Link { to, kind, name, modified } = self;
        let link = json_text::object(|out| {
            out.member("type", "resource_link");
            out.member("uri", format_args!("{to}"));
            out.member("name", name);
            out.member("description", format_args!("{kind}: \"{name}\""));
            out.member("mimeType", resources::MIME_TYPE);
            out.member("annotations", resources::last_modified(*modified));
        });
        link.write(out);
    }
}
