//! The report of a walk as one JSON object, for programs.
//!
//! Knows no HTTP, and judges nothing. `docs/doctor.schema.json` describes the object. Invariant: every member is
//! always there, and a program that knows version 1 can read every object of version 1: later ones may have more
//! members, steps and exchanges, and no member changes its meaning.

use serde_json::Value;

use super::report::{Finding, Outcome, Report, RoundTrip, Step, Verdict};

/// Which form the object has. It is raised when a program that reads the old one would read the new one wrongly.
const VERSION: u64 = 1;

/// Writes the object, on one line.
pub(crate) fn write(report: &Report) -> String {
    let steps = report.steps.iter().zip(report.outcomes()).map(|(own, outcome)| step(own, outcome));
    let exchanges = report.steps.iter().flat_map(|step| step.exchanges().map(|sent| exchange(step, sent)));
    let verdict =
        vec![("outcome", verdict_name(&report.verdict).into()), ("text", report.verdict.text().into())];
    let report = vec![
        ("format", "epicme-doctor".into()),
        ("version", VERSION.into()),
        ("url", report.url.text().into()),
        ("steps", steps.collect()),
        ("exchanges", exchanges.collect()),
        ("verdict", object(verdict)),
        ("exitCode", report.verdict.exit_code().into()),
    ];
    object(report).to_string()
}

fn step(step: &Step, outcome: Outcome) -> Value {
    object(vec![
        ("number", step.number.into()),
        ("name", step.info.name.into()),
        ("title", step.info.title.into()),
        ("outcome", name(outcome).into()),
        ("findings", step.findings().map(finding).collect()),
    ])
}

fn finding(finding: &Finding) -> Value {
    object(vec![
        ("outcome", name(finding.outcome).into()),
        ("text", finding.text.as_str().into()),
        ("clause", finding.clause.clone().into()),
        ("remedy", finding.remedy.clone().into()),
    ])
}

fn exchange(step: &Step, exchange: &RoundTrip) -> Value {
    object(vec![
        ("step", step.number.into()),
        ("from", exchange.from.name().into()),
        ("to", exchange.to.name().into()),
        ("method", exchange.method.as_str().into()),
        ("url", exchange.url.text().into()),
        ("status", exchange.answer.ok().into()),
        ("error", exchange.answer.err().map(|error| error.to_string()).into()),
    ])
}

/// An object with these members, in this order.
#[inline(never)]
fn object(members: Vec<(&str, Value)>) -> Value {
    members.into_iter().collect()
}

fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Skipped => "skipped",
        Outcome::Ok => "ok",
        Outcome::Warning => "warning",
        Outcome::Unknown => "unknown",
        Outcome::Failure => "failure",
    }
}

fn verdict_name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Could => "could",
        Verdict::Cannot(_) => "cannot",
        Verdict::Open => "open",
        Verdict::Unknown(_) => "unknown",
    }
}
