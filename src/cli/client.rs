//! `epicme client`: clients that the operator registers.
//!
//! Serves no endpoint. Most clients register themselves. The operator registers a client that can't, and a resource
//! server that introspects tokens, because a client that registered itself may not introspect.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;

use super::{CliError, CommandLine, note, require_kept_output, show_once, table};
use crate::clock::Timestamp;
use crate::json;
use crate::limits;
use crate::oauth::clients::{self, AuthMethod, NewClient};
use crate::oauth::register::Registration;
use crate::oauth::{OAuthError, grants, redirect};
use crate::text;

/// Registers a client by its redirect URIs, or from a client metadata document (RFC 7591 §2), and prints its id, and
/// its secret if it has one. The checks are the same as for a client that registers itself, because a dangerous
/// redirect URI is dangerous in both cases.
pub(super) fn add(line: &CommandLine, what: &[&str]) -> Result<(), CliError> {
    let schemes = line.redirect_schemes()?;
    let new = match (line.value("metadata"), what) {
        (Some(_), []) if line.flag("confidential") => {
            let usage = "the document that --metadata names says whether the client gets a secret \
                         (token_endpoint_auth_method): leave out --confidential";
            return Err(CliError::Usage(usage.to_owned()));
        }
        (Some(path), []) => {
            let refused = |why: &dyn Display| CliError::Failed(format!("{path}: {why}"));
            let bytes = document(&path).map_err(|why| refused(&why))?;
            let metadata = json::parse(&bytes).map_err(|error| refused(&error))?;
            let registration = Registration::read(&metadata, &schemes).map_err(|error| refused(&error))?;
            let name = registration.shown_name();
            let Registration { redirect_uris, auth_method, .. } = registration;
            NewClient { name, redirect_uris, auth_method }
        }
        (None, [_]) if line.is_given("redirect-scheme") => {
            let usage = "--redirect-scheme is for a redirect URI, and there is none: add the URI after NAME";
            return Err(CliError::Usage(usage.to_owned()));
        }
        // A client that only introspects needs no redirect URI, since no browser is ever sent to it.
        (None, [name, uris @ ..]) if !uris.is_empty() || line.flag("confidential") => {
            for uri in uris {
                redirect::check(uri, &schemes).map_err(|bad| CliError::Failed(format!("{uri}: {bad}")))?;
            }
            let redirect_uris = uris.iter().map(|uri| (*uri).to_owned()).collect();
            let auth_method =
                if line.flag("confidential") { AuthMethod::SecretBasic } else { AuthMethod::None };
            let name = text::name(name).map_err(|bad| CliError::Failed(format!("NAME {bad}")))?;
            NewClient { name, redirect_uris, auth_method }
        }
        _ => {
            let usage =
                "epicme client add takes NAME REDIRECT-URI..., NAME --confidential, or --metadata FILE";
            return Err(CliError::Usage(usage.to_owned()));
        }
    };
    let failed = |error: OAuthError| match error {
        OAuthError::Store(error) => CliError::Store(error),
        error => CliError::Failed(error.to_string()),
    };
    if new.auth_method != AuthMethod::None {
        require_kept_output()?;
    }
    let store = line.open()?;
    let (id, secret) = clients::insert(&store, new, Timestamp::now()).map_err(failed)?;
    let shown = secret.iter().fold(id.clone(), |id, secret| format!("{id}\n{secret}"));
    // Also a client without a secret is taken back: the operator runs a command again that failed, and would have two.
    show_once(&shown, || grants::remove_client(&store, &id, Timestamp::now()).map(|_| ()))?;
    if secret.is_some() {
        note("the second line is the client's secret; it is shown this once");
    }
    Ok(())
}

/// Reads a file of at most as many bytes as a client that registers itself may send. There is a bound because the path
/// may be a device or a pipe that never ends. The error says what is wrong with the file.
fn document(path: &str) -> Result<Vec<u8>, String> {
    let (mut bytes, max) = (Vec::new(), limits::OAUTH_BODY_BYTES_MAX);
    let read = File::open(path).and_then(|file| file.take(max as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    if bytes.len() > max {
        return Err(format!("it has more than {max} bytes"));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err("it has a byte-order mark; write it without one".to_owned()); // RFC 8259 §8.1
    }
    Ok(bytes)
}

/// Shows the clients that the operator registered, and those to which a person has allowed something.
pub(super) fn list(line: &CommandLine) -> Result<(), CliError> {
    let listed = clients::list(&line.open_to_read()?)?;
    if listed.is_empty() {
        note(
            "no clients yet; most register themselves, and are here once a person has allowed them something",
        );
        return Ok(());
    }
    let rows = listed.into_iter().map(|client| {
        // A client wrote its own name: what could move the cursor or end the line doesn't reach the terminal.
        let name = text::displayable(&client.name);
        let uris = client.redirect_uris.join(" ");
        let (by, method) = (client.registered_by.name().to_owned(), client.auth_method.name().to_owned());
        // An id that holds a registration is long, so it comes last, where no other column is moved by it.
        vec![by, method, client.created_at.iso8601(), name, uris, client.id]
    });
    table(&["REGISTERED BY", "AUTHENTICATES BY", "AT", "NAME", "REDIRECT URIS", "ID"], rows.collect())
}

/// Removes a client; its grants and tokens end with it. The id of a client that registered itself stays good, because
/// this server keeps no list of such ids; the client has to ask a person again.
pub(super) fn remove(line: &CommandLine, id: &str) -> Result<(), CliError> {
    if grants::remove_client(&line.open_existing()?, id, Timestamp::now())? {
        note(&format!(
            "{id} is removed, with everything that it was given; if it registered itself, it can ask a person for \
             access again"
        ));
        Ok(())
    } else {
        Err(CliError::Failed(format!("there is no client {id}; epicme client list shows them")))
    }
}
