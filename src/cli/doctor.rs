//! `epicme doctor`: walks to another server and prints what a client would meet there.

use super::{CliError, CommandLine, say};
use crate::doctor::url::{Url, Ways};
use crate::doctor::{self, Verdict};

/// Walks to `url`; fails unless a client could connect there.
pub(super) fn walk(line: &CommandLine, url: &str) -> Result<(), CliError> {
    let form = "epicme doctor takes the URL that people give to their client, like http://127.0.0.1:8787/mcp";
    let url = Url::parse(url).ok_or_else(|| CliError::Usage(form.to_owned()))?;
    let ways = Ways::new(&url, line.value("connect").as_deref()).map_err(CliError::Usage)?;
    match doctor::walk(&url, &ways, &mut say) {
        Verdict::Could => Ok(()),
        _ => Err(CliError::Refused),
    }
}
