//! `epicme doctor`: checks another server and prints what a client would meet there.
//!
//! Makes no check itself: `crate::doctor` does, and this file chooses the form of the report and turns its verdict into
//! an exit code. It opens no database, because the server may be any in the world.

use super::{CliError, CommandLine, say};
use crate::doctor::url::{ConnectMap, Url};
use crate::doctor::{self, diagram, json, terminal};

/// Checks the server at `url`; the exit code is 0 only if a client could connect there.
pub(super) fn check(line: &CommandLine, url: &str) -> Result<(), CliError> {
    let usage =
        "epicme doctor takes the URL that people give to their client, like http://127.0.0.1:8787/mcp";
    let url = Url::parse(url).ok_or_else(|| CliError::Usage(usage.to_owned()))?;
    let connect_map = ConnectMap::new(&url, line.value("connect").as_deref()).map_err(CliError::Usage)?;
    let report = match (line.flag("diagram"), line.flag("json")) {
        (true, true) => {
            let why = "--diagram and --json are two forms of one report: choose one";
            return Err(CliError::Usage(why.to_owned()));
        }
        (false, false) => {
            // A line that can't be written doesn't end the walk, because the doctor knows nothing of this output.
            let mut said = Ok(());
            let report = doctor::walk(&url, &connect_map, &mut |progress| {
                for line in terminal::lines(&progress) {
                    if said.is_ok() {
                        said = say(&line);
                    }
                }
            });
            said?;
            report
        }
        (is_diagram, _) => {
            let report = doctor::walk(&url, &connect_map, &mut |_| ());
            say(&if is_diagram { diagram::draw(&report) } else { json::write(&report) })?;
            report
        }
    };
    match report.verdict.exit_code() {
        0 => Ok(()),
        _ => Err(CliError::Refused),
    }
}
