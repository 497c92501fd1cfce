//! `epicme explain`: what the gate would decide about a token, from the database alone.
//!
//! Makes no check itself: it calls [`Gate::check_token`], as the server does, and prints the checks that were
//! recorded. A second implementation could disagree with the first, and then the explanation would be wrong. The
//! token itself isn't printed.
//!
//! The command says more than a response may. A client learns that its token is invalid; the operator, who has the
//! database anyway, learns why.

use super::{CliError, CommandLine, line_from_stdin, note, say, serve};
use crate::check::Deployment;
use crate::clock::Timestamp;
use crate::dates;
use crate::gate::Gate;
use crate::limits;
use crate::log::{RequestLog, wire_view};
use crate::mcp::tools;
use crate::oauth::clients;
use crate::scope::Scopes;
use crate::secret::TokenText;
use crate::settings;
use crate::site::{self, Site};
use crate::stderr;
use crate::store::{Store, StoreError};
use crate::text;
use crate::tokens;
use crate::users;

/// Prints what the gate would decide about a text that follows `Bearer`, and why; for `-` the text is read from
/// standard input. The time and the scopes are options, so the operator can ask whether the token will still be good
/// tomorrow, or whether it suffices for another tool.
pub(super) fn explain(line: &CommandLine, text: &str) -> Result<(), CliError> {
    let needs = line.value("scope").map(|text| needs(&text)).transpose()?;
    let now = match line.value("at") {
        None => Timestamp::now(),
        Some(text) => dates::read_utc(&text).ok_or_else(|| {
            CliError::Usage(format!("--at takes 2026-07-28 or 2026-07-28T09:30:00Z, not {text:?}"))
        })?,
    };
    // The tokens of another authorization server are not in this database, and only that server can judge them.
    let external = "another authorization server issues the tokens, and only it can judge them: start the server with \
                    epicme serve --explain, and let the client send its token";
    if line.value("authorization-server").is_some() {
        return Err(CliError::Usage(external.to_owned()));
    }
    let presented = presented(text)?;
    let store = line.open_to_read()?;
    if settings::has_external_issuer(&store)? {
        return Err(CliError::Usage(external.to_owned()));
    }
    let site = site(line, &store)?;
    let base_url = site.base_url_for(None).unwrap_or_default();

    let known = about(&store, &presented);
    for (name, value) in known.iter().flatten() {
        say(&format!("{name:10}{value}"))?;
    }
    say(&format!("{:10}{}, at {base_url}{}\n", "Checked", now.iso8601(), site::MCP))?;
    let deployment = Deployment::new(&site, None);
    let log = RequestLog::begin(&deployment, true);
    let gate =
        Gate { base_url, site: &site, store: &store, introspector: None, now, peer: None, log: Some(&log) };
    let caller = gate.check_token(presented.as_bytes());
    let permitted = caller.and_then(|caller| match needs {
        None => Ok(()),
        Some((needs, operation)) => caller.require_scopes(needs, operation, &log),
    });
    for (check, held) in log.checks() {
        say(&wire_view::check_line(check, held))?;
    }
    match permitted {
        Ok(()) if needs.is_some() => say("\nThe gate opens, and the operation is permitted."),
        Ok(()) => say("\nThe gate opens. Which scope a call needs is checked next: --scope checks it here."),
        Err(refusal) => {
            say("")?;
            wire_view::answer(&refusal.response()).iter().try_for_each(|line| say(line))?;
            say("")?;
            stderr::finish(); // what the gate noted about a database that can't be read
            let remedy = refusal.check.remedy(&deployment).into_iter();
            remedy.flat_map(|remedy| wire_view::wrapped("", &remedy, " ")).try_for_each(|text| say(&text))?;
            // The checks have shown that the database fails; what to do about the file the gate doesn't know.
            if let Err(error) = known {
                note(&line.name_database(error.into()).to_string());
            }
            Err(CliError::Refused)
        }
    }
}

/// Reads the value of `--scope`, the names of scopes or of a tool, and returns the scopes with the name that the 403
/// gives to the operation.
fn needs(text: &str) -> Result<(Scopes, &'static str), CliError> {
    if let Some(tool) = tools::find(text) {
        return Ok((tool.scopes(), tool.name));
    }
    match Scopes::parse(text) {
        Ok(scopes) if !scopes.is_empty() => Ok((scopes, "this operation")),
        Ok(_) => Err(CliError::Usage(format!("--scope needs a tool, or at least one of {}", Scopes::ALL))),
        Err(name) => {
            Err(CliError::Usage(format!("{name:?} is neither a tool nor a scope; there are {}", Scopes::ALL)))
        }
    }
}

/// Returns the text to be checked, without the white space around it, which a header field doesn't have either. If
/// the text is an argument, other people of this machine can see it in the list of processes, and the shell keeps it
/// in its history; on standard input it is safe from both.
fn presented(text: &str) -> Result<String, CliError> {
    let presented = match text {
        "-" => line_from_stdin(limits::HEAD_BYTES_MAX)
            .map_err(|why| CliError::Usage(format!("can't take the token: {why}")))?,
        text => text.to_owned(),
    };
    let presented = presented.trim_ascii();
    match presented.get(.."bearer ".len()) {
        // The text was pasted with its scheme. The gate would only call it malformed, which doesn't say what to mend.
        Some(scheme) if scheme.eq_ignore_ascii_case("bearer ") => {
            Err(CliError::Usage("TOKEN is only what follows Bearer".to_owned()))
        }
        _ => Ok(presented.to_owned()),
    }
}

/// Describes the server that would make the checks: the one that served this database last, unless the options say
/// otherwise.
fn site(line: &CommandLine, store: &Store) -> Result<Site, CliError> {
    let listen = line.value("listen").unwrap_or_else(|| serve::LISTEN_DEFAULT.to_owned());
    let address = serve::listen_address(&listen)?;
    let known = settings::audience(store)?;
    let url = line.value("public-url").or_else(|| known.strip_suffix(site::MCP).map(str::to_owned));
    Ok(Site::new(address, url.map(|url| Site::parse_public(&url)).transpose()?, Vec::new()))
}

/// Finds what the database says about a token; the list is empty if the token isn't known. After a failure the
/// caller goes on, because the checks that follow read the same database, and show what a client would be answered.
fn about(store: &Store, presented: &str) -> Result<Vec<(&'static str, String)>, StoreError> {
    let Some(token) = TokenText::parse(presented.as_bytes()) else { return Ok(Vec::new()) };
    let Some(token) = tokens::find(store, token.hash())? else { return Ok(Vec::new()) };
    let client = match &token.holder.client_id {
        None => "the command line".to_owned(),
        Some(id) => {
            let name = clients::find_stored(store, id)?.map(|client| client.name).unwrap_or_default();
            format!("{id}, {name}")
        }
    };
    let made_for = match token.resource.as_str() {
        site::LOOPBACK => "this machine's own names".to_owned(),
        resource => resource.to_owned(),
    };
    let known = [
        ("Person", users::email_of(store, token.holder.user_id)?),
        ("Made for", Some(made_for)),
        ("Client", Some(client)),
        ("Scopes", Some(token.holder.scopes.to_string())),
        ("Made", Some(token.created_at.iso8601())),
        ("Expires", Some(token.holder.expires_at.iso8601())),
        ("Revoked", token.revoked_at.map(Timestamp::iso8601)),
    ];
    // Clients and other servers choose their names: characters that could move the cursor must not reach the
    // terminal.
    Ok(known.into_iter().filter_map(|(name, value)| Some((name, text::displayable(&value?)))).collect())
}
