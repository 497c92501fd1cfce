//! The report of a walk as one JSON object, for programs.
//!
//! Knows no HTTP, and judges nothing. `docs/doctor.schema.json` describes the object. Invariant: every member is
//! always there, and a program that knows version 1 can read every object of version 1: later ones may have more
//! members, steps and exchanges, and no member changes its meaning.

use serde_json::{Value, json};

use super::report::{Finding, Outcome, Report, RoundTrip, Step, Verdict};

/// Which form the object has. It is raised when a program that reads the old one would read the new one wrongly.
const VERSION: u8 = 1;

/// Writes the object, in lines that people can read too.
pub(crate) fn write(report: &Report) -> String {
    let steps: Vec<_> = report
        .steps
        .iter()
        .zip(report.outcomes())
        .map(|(step, outcome)| {
            json!({
                "number": step.number,
                "name": step.info.name,
                "title": step.info.title,
                "outcome": name(outcome),
                "findings": step.findings().map(finding).collect::<Vec<_>>(),
            })
        })
        .collect();
    let exchanges: Vec<_> =
        report.steps.iter().flat_map(|step| step.exchanges().map(|sent| exchange(step, sent))).collect();
    let object = json!({
        "format": "epicme-doctor",
        "version": VERSION,
        "url": report.url.text(),
        "steps": steps,
        "exchanges": exchanges,
        "verdict": { "outcome": verdict_name(&report.verdict), "text": report.verdict.text() },
        "exitCode": report.verdict.exit_code(),
    });
    format!("{object:#}")
}

fn finding(finding: &Finding) -> Value {
    json!({
        "outcome": name(finding.outcome),
        "text": finding.text,
        "clause": finding.clause,
        "remedy": finding.remedy,
    })
}

fn exchange(step: &Step, exchange: &RoundTrip) -> Value {
    json!({
        "step": step.number,
        "from": exchange.from.name(),
        "to": exchange.to.name(),
        "method": exchange.method,
        "url": exchange.url.text(),
        "status": exchange.answer.ok(),
        "error": exchange.answer.err().map(|error| error.to_string()),
    })
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
