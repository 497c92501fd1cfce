//! `epicme client`: clients that the operator registers, for those that can't register themselves and for resource
//! servers that introspect.

use super::{CliError, CommandLine, complain, say, table};
use crate::clock::Timestamp;
use crate::json;
use crate::mcp::wording;
use crate::oauth::clients::{self, NewClient};
use crate::oauth::register::Registration;
use crate::oauth::{Fault, redirect};

/// Registers a client by its redirect URIs, or from a client metadata document (RFC 7591 §2), and prints its id, and
/// its secret if it has one.
pub(super) fn add(line: &CommandLine, what: &[&str]) -> Result<(), CliError> {
    let new = match (line.value("metadata"), what) {
        (Some(path), []) => {
            let octets =
                std::fs::read(&path).map_err(|error| CliError::Failed(format!("{path}: {error}")))?;
            let metadata =
                json::parse(&octets).map_err(|error| CliError::Failed(format!("{path}: {error}")))?;
            let refused = |fault: Fault| CliError::Failed(format!("{path}: {}", fault.message()));
            let Registration { name, redirect_uris, auth_method, .. } =
                Registration::read(&metadata).map_err(refused)?;
            let name = name.unwrap_or_else(|| redirect::destination(&redirect_uris[0]).to_owned());
            NewClient { name, redirect_uris, auth_method, registered_by: "operator" }
        }
        (None, [name, uris @ ..]) if !uris.is_empty() || line.flag("confidential") => {
            for uri in uris {
                redirect::check(uri).map_err(|bad| CliError::Failed(format!("{uri}: {}", bad.message())))?;
            }
            let redirect_uris = uris.iter().map(|uri| (*uri).to_owned()).collect();
            let auth_method = if line.flag("confidential") { "client_secret_basic" } else { "none" };
            NewClient { name: (*name).to_owned(), redirect_uris, auth_method, registered_by: "operator" }
        }
        _ => {
            let usage = "epicme client add takes NAME REDIRECT-URI..., or --metadata FILE";
            return Err(CliError::Usage(usage.to_owned()));
        }
    };
    let failed = |fault: Fault| CliError::Failed(fault.message());
    let (id, secret) = clients::insert(&line.open()?, new, Timestamp::now()).map_err(failed)?;
    say(&id);
    if let Some(secret) = secret {
        say(&secret);
        complain("the second line is the client's secret; it is shown this once");
    }
    Ok(())
}

/// Shows every client.
pub(super) fn list(line: &CommandLine) -> Result<(), CliError> {
    let listed = clients::list(&line.open_existing()?)?;
    if listed.is_empty() {
        complain("no clients yet; most register themselves when they connect");
        return Ok(());
    }
    let rows = listed.into_iter().map(|client| {
        // A client wrote its own name: what could move the cursor or end the line doesn't reach the terminal.
        let name: String = client.name.chars().filter(|letter| wording::is_harmless(*letter)).collect();
        let uris = client.redirect_uris.join(" ");
        vec![client.id, client.registered_by, client.auth_method, client.created_at.iso8601(), name, uris]
    });
    table(&["ID", "REGISTERED BY", "AUTHENTICATES BY", "AT", "NAME", "REDIRECT URIS"], rows.collect());
    Ok(())
}

/// Removes a client; its tokens end with it.
pub(super) fn remove(line: &CommandLine, id: &str) -> Result<(), CliError> {
    match clients::remove(&line.open_existing()?, id)? {
        true => {
            complain(&format!("{id} is removed, with everything that it was given"));
            Ok(())
        }
        false => Err(CliError::Failed(format!("there is no client {id}; epicme client list shows them"))),
    }
}
