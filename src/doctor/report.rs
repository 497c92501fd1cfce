//! The report of a walk: one value that holds each step, what was sent and found there, and the verdict.
//!
//! Knows no HTTP and no format. Every output is drawn from this value alone: the lines and the funnel (`terminal.rs`),
//! the diagram (`diagram.rs`) and the object for programs (`json.rs`), so no two of them can say different things.
//! Invariant: another server's bytes stand in a text escaped and cut ([`shown`]).
//!
//! Each finding names the clause behind it, so that an operator can look it up and need not believe the doctor. Each
//! failure and warning has a remedy: what the operator of the other server can do.

use std::fmt::{self, Display, Formatter};

use super::url::Url;
use crate::actor::Actor;
use crate::http::client::ClientError;
use crate::limits;

/// What a step is called.
pub(crate) struct StepInfo {
    /// For programs. A step keeps it when others come before it, and its number doesn't.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) title: &'static str,
    /// What the title says more where there is room for it.
    pub(crate) detail: &'static str,
}

/// The steps. A client takes 1 to 7 in this order.
pub(crate) const STEPS: [StepInfo; 9] = [
    StepInfo { name: "url", title: "The URL", detail: "" },
    StepInfo { name: "connection", title: "A connection", detail: "" },
    StepInfo { name: "first_request", title: "A request without a token", detail: "" },
    StepInfo { name: "challenge", title: "The challenge of the 401", detail: "" },
    StepInfo {
        name: "resource_metadata",
        title: "Protected resource metadata",
        detail: ": which server issues the tokens?",
    },
    StepInfo {
        name: "server_metadata",
        title: "Authorization server metadata",
        detail: ": where are its endpoints?",
    },
    StepInfo { name: "authorization_endpoint", title: "The authorization endpoint", detail: "" },
    StepInfo {
        name: "browser_access",
        title: "Clients in a browser",
        detail: " (a failure here stops no other client, so it is a warning)",
    },
    StepInfo { name: "wrong_token", title: "A request with a wrong token", detail: "" },
];

/// What one finding says of the server, and all findings of a step together. The later ones weigh more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Outcome {
    /// It wasn't checked.
    Skipped,
    /// It is as it should be.
    Ok,
    /// It stops some clients only, or none, and should be mended all the same.
    Warning,
    /// It wasn't checked, and it decides whether a client could connect.
    Unknown,
    /// It stops a client.
    Failure,
}

/// One thing that the doctor says of the server.
pub(crate) struct Finding {
    pub(crate) outcome: Outcome,
    pub(crate) text: String,
    /// The clause that asks for it, where it was checked.
    pub(crate) clause: Option<String>,
    /// What the operator can do, where something is wrong or undecided.
    pub(crate) remedy: Option<String>,
}

/// A request that the doctor sent, and the answer to it.
pub(crate) struct RoundTrip {
    /// Who sends it in the story of a client, and to whom.
    pub(crate) from: Actor,
    pub(crate) to: Actor,
    pub(crate) method: String,
    pub(crate) url: Url,
    /// The status, or why there is no answer.
    pub(crate) answer: Result<u16, ClientError>,
}

/// What happened in a step.
pub(crate) enum Event {
    RoundTrip(RoundTrip),
    Finding(Finding),
}

/// One step of a walk.
pub(crate) struct Step {
    /// From 1 on.
    pub(crate) number: usize,
    pub(crate) info: &'static StepInfo,
    /// In the order in which it happened: a finding follows the exchanges that show it.
    pub(crate) events: Vec<Event>,
}

impl Step {
    pub(crate) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.events.iter().filter_map(|event| match event {
            Event::Finding(finding) => Some(finding),
            Event::RoundTrip(_) => None,
        })
    }

    pub(crate) fn exchanges(&self) -> impl Iterator<Item = &RoundTrip> {
        self.events.iter().filter_map(|event| match event {
            Event::RoundTrip(exchange) => Some(exchange),
            Event::Finding(_) => None,
        })
    }
}

/// How a walk ended. Only `Could` is a success of the command: a script must be able to rely on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// The walk saw no failure. A warning may still stop some clients.
    Could,
    /// The first failure. A client stops there, so the later ones don't matter to it.
    Cannot(String),
    /// The server serves requests without a token, or with any token. A client could connect, and so could every
    /// stranger.
    Open,
    /// Nothing that was seen stops a client, but this couldn't be seen from here.
    Unknown(String),
}

impl Verdict {
    /// Returns the sentence for the last line: whether a client could connect, and if not, the failure that stops it
    /// first.
    pub(crate) fn text(&self) -> String {
        match self {
            Verdict::Could | Verdict::Open => format!("{}.", self.summary()),
            Verdict::Cannot(what) | Verdict::Unknown(what) => format!("{}: {what}", self.summary()),
        }
    }

    /// Returns the same without the failure.
    pub(crate) fn summary(&self) -> &'static str {
        match self {
            Verdict::Could => "A client could connect",
            Verdict::Cannot(_) => "A client can't connect",
            Verdict::Open => "The server answers requests without a valid token: nothing is protected there",
            Verdict::Unknown(_) => "It isn't known whether a client could connect",
        }
    }

    /// Returns the exit code of `epicme doctor`.
    pub(crate) fn exit_code(&self) -> u8 {
        u8::from(*self != Verdict::Could)
    }
}

/// What a walk saw.
pub(crate) struct Report {
    /// The URL that the person gives to their client.
    pub(crate) url: Url,
    /// A report that has ended has all of [`STEPS`].
    pub(crate) steps: Vec<Step>,
    pub(crate) verdict: Verdict,
}

impl Report {
    /// Returns how a client fares in each step, in order. It stops at the first failure, so every later step is
    /// [`Outcome::Skipped`] for it, though the doctor goes on. A step that was skipped with no failure before it is
    /// [`Outcome::Unknown`]: a client may well take it.
    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        let mut stopped = false;
        self.steps
            .iter()
            .map(|step| {
                if stopped {
                    return Outcome::Skipped;
                }
                let worst = step.findings().map(|finding| finding.outcome).max();
                stopped = worst == Some(Outcome::Failure);
                worst.filter(|worst| *worst != Outcome::Skipped).unwrap_or(Outcome::Unknown)
            })
            .collect()
    }
}

/// What is told of a walk while it goes on, because a step can take as long as the other server does.
pub(crate) enum Progress<'r> {
    /// The walk to this URL begins.
    Walk(&'r Url),
    Step(&'r Step),
    Finding(&'r Finding),
    /// The report is whole.
    End(&'r Report),
}

/// Writes the report of a walk, and tells `watcher` of each step and finding.
pub(super) struct Recorder<'w> {
    report: Report,
    watcher: &'w mut dyn FnMut(Progress),
}

impl<'w> Recorder<'w> {
    pub(super) fn new(url: &Url, watcher: &'w mut dyn FnMut(Progress)) -> Recorder<'w> {
        watcher(Progress::Walk(url));
        let report = Report { url: url.clone(), steps: Vec::new(), verdict: Verdict::Could };
        Recorder { report, watcher }
    }

    /// Begins the step of this number. The first one is 1.
    #[inline(never)]
    pub(super) fn step(&mut self, number: usize) {
        let step = Step { number, info: &STEPS[number - 1], events: Vec::new() };
        (self.watcher)(Progress::Step(&step));
        self.report.steps.push(step);
    }

    /// A request was sent, or the attempt was made.
    pub(super) fn exchange(&mut self, exchange: RoundTrip) {
        self.record(Event::RoundTrip(exchange));
    }

    /// Something is as it should be.
    #[inline(never)]
    pub(super) fn ok(&mut self, text: &dyn Display, clause: &str) {
        self.find(Outcome::Ok, text, Some(clause), None);
    }

    /// Something stops some clients only, or none, and should be mended all the same. The verdict stays as it is.
    #[inline(never)]
    pub(super) fn warn(&mut self, text: &dyn Display, clause: &str, remedy: &dyn Display) {
        self.find(Outcome::Warning, text, Some(clause), Some(remedy));
    }

    /// Something stops a client.
    #[inline(never)]
    pub(super) fn fail(&mut self, text: &dyn Display, clause: &str, remedy: &dyn Display) {
        self.find(Outcome::Failure, text, Some(clause), Some(remedy));
        // The first failure stays the verdict, since a client gets no further. A doubt gives way to it.
        if matches!(self.report.verdict, Verdict::Could | Verdict::Unknown(_)) {
            self.report.verdict = Verdict::Cannot(text.to_string());
        }
    }

    /// Something wasn't checked.
    #[inline(never)]
    pub(super) fn skip(&mut self, why: &str) {
        self.find(Outcome::Skipped, &why, None, None);
    }

    /// Records that something wasn't checked which decides whether a client could connect, and what the operator can
    /// do about it. Makes the verdict [`Verdict::Unknown`] if it was [`Verdict::Could`]; any other verdict stays. A
    /// failure that is seen later replaces `Unknown`.
    #[inline(never)]
    pub(super) fn skip_undecided(&mut self, what: &dyn Display, remedy: &dyn Display) {
        self.find(Outcome::Unknown, what, None, Some(remedy));
        if self.report.verdict == Verdict::Could {
            self.report.verdict = Verdict::Unknown(what.to_string());
        }
    }

    /// The server checks no token. This outweighs every other verdict: nothing else matters as much to the operator.
    pub(super) fn fail_open(&mut self, text: &dyn Display, clause: &str, remedy: &dyn Display) {
        self.fail(text, clause, remedy);
        self.report.verdict = Verdict::Open;
    }

    /// Ends the walk, and gives its report.
    pub(super) fn end(self) -> Report {
        (self.watcher)(Progress::End(&self.report));
        self.report
    }

    #[inline(never)]
    fn find(
        &mut self,
        outcome: Outcome,
        text: &dyn Display,
        clause: Option<&str>,
        remedy: Option<&dyn Display>,
    ) {
        let (text, clause) = (text.to_string(), clause.map(str::to_owned));
        let finding = Finding { outcome, text, clause, remedy: remedy.map(ToString::to_string) };
        (self.watcher)(Progress::Finding(&finding));
        self.record(Event::Finding(finding));
    }

    #[inline(never)]
    fn record(&mut self, event: Event) {
        self.report.steps.last_mut().expect("the walk begins with a step").events.push(event);
    }
}

/// Another server's bytes as they are printed: in quotes, visible ASCII, cut. The other server may be malicious: with
/// a few control characters it could erase the lines above in the operator's terminal, and write better ones.
pub(crate) fn shown<T: AsRef<[u8]>>(bytes: T) -> Shown<T> {
    Shown(bytes)
}

/// See [`shown`].
pub(crate) struct Shown<T>(T);

impl<T: AsRef<[u8]>> Display for Shown<T> {
    fn fmt(&self, out: &mut Formatter) -> fmt::Result {
        write_shown(self.0.as_ref(), out)
    }
}

#[inline(never)]
fn write_shown(bytes: &[u8], out: &mut Formatter) -> fmt::Result {
    // Cut before it is escaped too: a text may be as large as a whole answer, and escaping makes it four times as
    // long.
    let escaped = bytes[..bytes.len().min(limits::DOCTOR_SHOWN_CHARS_MAX + 1)].escape_ascii().to_string();
    match escaped.get(..limits::DOCTOR_SHOWN_CHARS_MAX) {
        Some(cut) if escaped.len() > limits::DOCTOR_SHOWN_CHARS_MAX => write!(out, "\"{cut}...\""),
        _ => write!(out, "\"{escaped}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_nothing_that_could_move_the_cursor() {
        assert_eq!(shown("plain/text").to_string(), "\"plain/text\"");
        assert_eq!(shown("\u{1b}[2J\r\n\"\u{202e}").to_string(), r#""\x1b[2J\r\n\"\xe2\x80\xae""#);
        let long = shown("x".repeat(5000)).to_string();
        assert_eq!(long.len(), limits::DOCTOR_SHOWN_CHARS_MAX + "\"...\"".len());
        let exact = "x".repeat(limits::DOCTOR_SHOWN_CHARS_MAX);
        assert_eq!(shown(&exact).to_string(), format!("\"{exact}\""));
    }

    #[test]
    fn stops_a_client_at_the_first_failure() {
        use Outcome::{Failure, Ok, Skipped, Unknown, Warning};
        for (found, expected) in [
            ([&[Ok][..], &[Warning, Ok], &[Skipped, Ok]], [Ok, Warning, Ok]),
            ([&[Ok], &[Failure, Ok], &[Ok]], [Ok, Failure, Skipped]),
            ([&[Failure, Unknown], &[Skipped], &[Failure]], [Failure, Skipped, Skipped]),
            ([&[Warning, Unknown, Ok], &[Skipped], &[Ok]], [Unknown, Unknown, Ok]),
        ] {
            let mut ignored = |_: Progress| ();
            let mut recorder = Recorder::new(&Url::parse("http://h/").expect("a URL"), &mut ignored);
            for (place, outcomes) in found.into_iter().enumerate() {
                recorder.step(place + 1);
                outcomes.iter().for_each(|outcome| recorder.find(*outcome, &"", None, None));
            }
            assert_eq!(recorder.end().outcomes(), expected);
        }
    }
}
