//! What is expected of an answer, and how much of it came true.

use std::error::Error;
use std::process::ExitCode;

use regex::Regex;
use serde_json::Value;

pub type Worked<T> = Result<T, Box<dyn Error>>;

#[derive(Default)]
pub struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    pub async fn check(&mut self, claim: &str, work: impl Future<Output = Worked<()>>) {
        match work.await {
            Ok(()) => self.passed += 1,
            Err(error) => {
                self.failed += 1;
                println!("  FAILED {claim}\n         {error}");
            }
        }
    }

    pub fn finish(self) -> ExitCode {
        println!("{} passed, {} failed", self.passed, self.failed);
        ExitCode::from(u8::from(self.failed > 0))
    }
}

pub fn expect(condition: bool, otherwise: impl FnOnce() -> String) -> Worked<()> {
    if condition { Ok(()) } else { Err(otherwise().into()) }
}

pub fn matches(text: &str, pattern: &str) -> Worked<()> {
    expect(Regex::new(pattern)?.is_match(text), || format!("{text:?} does not match {pattern:?}"))
}

/// Objects may hold more than what is expected of them; everything else is exact.
pub fn subset(actual: Option<&Value>, expected: &Value, at: &str) -> Worked<()> {
    let is = |fits: bool| expect(fits, || format!("{at} is {actual:?}, not {expected}"));
    let actual = match actual {
        None => return is(expected == "<absent>"),
        Some(actual) => actual,
    };
    match expected {
        Value::String(kind) if kind == "<string>" => is(actual.is_string()),
        Value::String(kind) if kind == "<integer>" => is(actual.is_i64()),
        Value::String(kind) if kind == "<array>" => is(actual.is_array()),
        Value::Array(wanted) => {
            let items = actual.as_array().map(Vec::as_slice).unwrap_or_default();
            is(actual.is_array() && items.len() == wanted.len())?;
            let mut pairs = items.iter().zip(wanted).enumerate();
            pairs
                .try_for_each(|(index, (item, wanted))| subset(Some(item), wanted, &format!("{at}[{index}]")))
        }
        Value::Object(wanted) => {
            if let Some(count) = wanted.get("<count>") {
                return is(actual.as_array().is_some_and(|items| items.len() as u64 == *count));
            }
            if let Some(json) = wanted.get("<json>") {
                let text = actual.as_str().ok_or_else(|| format!("{at} is no text"))?;
                return subset(Some(&serde_json::from_str(text)?), json, &format!("{at} as JSON"));
            }
            let mut members = wanted.iter();
            members.try_for_each(|(name, wanted)| subset(actual.get(name), wanted, &format!("{at}.{name}")))
        }
        _ => is(actual == expected),
    }
}
