//! `epicme explain`: what the gate would say to a token, asked on the database alone.
//!
//! Knows no rule: it calls [`Gate::judge`] as the server does, and prints what it hears. It never prints the token.

use std::io::{self, Read};

use super::{CliError, CommandLine, say, serve};
use crate::clock::Timestamp;
use crate::exchange::{Exchange, Watched};
use crate::explain;
use crate::gate::Gate;
use crate::limits;
use crate::mcp::{tools, wording};
use crate::oauth::clients;
use crate::scope::Scopes;
use crate::secret::TokenText;
use crate::settings;
use crate::site::{self, Site};
use crate::store::{Store, StoreError};
use crate::tokens;
use crate::trace;
use crate::users;

/// Says what the gate would decide about a text that follows `Bearer`, and why; `-` stands for standard input.
pub(super) fn explain(line: &CommandLine, text: &str) -> Result<(), CliError> {
    let needs = line.value("scope").map(|text| needs(&text)).transpose()?;
    let now = match line.value("at") {
        None => Timestamp::now(),
        Some(text) => Timestamp::parse(&text).ok_or_else(|| {
            CliError::Usage(format!("--at takes 2026-07-28 or 2026-07-28T09:30:00Z, not {text:?}"))
        })?,
    };
    let elsewhere = "the authorization server elsewhere knows its tokens; ask it by epicme serve --explain";
    if line.value("authorization-server").is_some() {
        return Err(CliError::Usage(elsewhere.to_owned()));
    }
    let presented = presented(text)?;
    let store = line.open_existing()?;
    if settings::elsewhere(&store)? {
        return Err(CliError::Usage(elsewhere.to_owned()));
    }
    let site = site(line, &store)?;
    let origin = site.origin_for(None).unwrap_or_default();

    for (name, value) in about(&store, &presented).unwrap_or_default() {
        say(&format!("{name:10}{value}"));
    }
    say(&format!("{:10}{}, at {origin}{}\n", "Asked", now.iso8601(), site::MCP));
    let mut exchange = Exchange { watched: Some(Watched::default()), ..Exchange::default() };
    let gate = Gate { origin, site: &site, store: &store, remote: None, now };
    let caller = gate.judge(presented.as_bytes(), &mut exchange);
    let permitted = caller.and_then(|caller| match needs {
        None => Ok(()),
        Some((needs, operation)) => caller.permit(needs, operation, &mut exchange).map(drop),
    });
    for (rule, held) in exchange.watched.iter().flat_map(|watched| &watched.steps) {
        say(&explain::step(*rule, *held));
    }
    match permitted {
        Ok(()) if needs.is_some() => say("\nThe gate opens, and the operation is permitted."),
        Ok(()) => say("\nThe gate opens. What a call needs is asked next: --scope asks it here."),
        Err(refusal) => {
            say("");
            explain::answer(&refusal.answer()).iter().for_each(|line| say(line));
            say("");
            trace::finish(); // what the gate noted of a database that can't be asked
            let hint = refusal.rule.remedy().into_iter();
            hint.flat_map(|hint| explain::wrapped("", hint, " ")).for_each(|line| say(&line));
            return Err(CliError::Refused);
        }
    }
    Ok(())
}

/// The scopes that `--scope` asks for, by their names or by a tool's, and what the 403 calls the operation.
fn needs(text: &str) -> Result<(Scopes, &'static str), CliError> {
    if let Some(tool) = tools::find(text) {
        return Ok((tool.needs(), tool.name));
    }
    match Scopes::parse(text) {
        Ok(scopes) if !scopes.is_empty() => Ok((scopes, "this operation")),
        Ok(_) => Err(CliError::Usage(format!("--scope needs a tool, or at least one of {}", Scopes::ALL))),
        Err(name) => {
            Err(CliError::Usage(format!("{name:?} is neither a tool nor a scope; there are {}", Scopes::ALL)))
        }
    }
}

/// The text to be judged, without the white space around it, as in a field. An option's words may be seen by others of
/// this machine, and the shell remembers them; standard input may not.
fn presented(text: &str) -> Result<String, CliError> {
    let mut presented = text.to_owned();
    if text == "-" {
        presented.clear();
        let read = io::stdin().take(limits::HEAD_BYTES_MAX as u64).read_to_string(&mut presented);
        read.map_err(|error| CliError::Failed(format!("can't read the token: {error}")))?;
    }
    let presented = presented.trim_ascii();
    match presented.get(.."bearer ".len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case("bearer ") => {
            Err(CliError::Usage("TOKEN is only what follows Bearer".to_owned()))
        }
        _ => Ok(presented.to_owned()),
    }
}

/// The server that would be asked: the one that served this database last, unless the options say otherwise.
fn site(line: &CommandLine, store: &Store) -> Result<Site, CliError> {
    let listen = line.value("listen").unwrap_or_else(|| serve::LISTEN_DEFAULT.to_owned());
    let address = serve::listen_address(&listen)?;
    let known = settings::audience(store)?;
    let url = line.value("public-url").or_else(|| known.strip_suffix(site::MCP).map(str::to_owned));
    let public = url.map(|url| Site::parse_public(&url)).transpose();
    Ok(Site::new(address, public.map_err(|bad| CliError::Usage(bad.message().to_owned()))?))
}

/// What the owner of the database may know of a token.
fn about(store: &Store, presented: &str) -> Result<Vec<(&'static str, String)>, StoreError> {
    let Some(token) = TokenText::parse(presented.as_bytes()) else { return Ok(Vec::new()) };
    let Some(token) = tokens::find(store, &token)? else { return Ok(Vec::new()) };
    let client = match &token.client_id {
        None => "the command line".to_owned(),
        Some(id) => {
            let name = clients::find(store, id)?.map(|client| client.name).unwrap_or_default();
            format!("{id}, {name}")
        }
    };
    let made_for = match token.resource.as_str() {
        site::LOOPBACK => "this machine's own names".to_owned(),
        resource => resource.to_owned(),
    };
    let known = [
        ("Person", users::email_of(store, token.user_id)?),
        ("Made for", Some(made_for)),
        ("Client", Some(client)),
        ("Scopes", Some(token.scopes.to_string())),
        ("Made", Some(token.created_at.iso8601())),
        ("Expires", Some(token.expires_at.iso8601())),
        ("Revoked", token.revoked_at.map(Timestamp::iso8601)),
    ];
    // Clients and other servers choose their names: what could move the cursor doesn't reach the terminal.
    let plain = |value: String| value.chars().filter(|letter| wording::is_harmless(*letter)).collect();
    Ok(known.into_iter().filter_map(|(name, value)| Some((name, plain(value?)))).collect())
}
