//! `epicme user`: people, as the operator manages them.

use super::{CliError, CommandLine, complain, say, table};
use crate::clock::Timestamp;
use crate::users;

/// Adds a person.
pub(super) fn add(line: &CommandLine, email: &str) -> Result<(), CliError> {
    users::check_email(email)?;
    let password = line.new_password()?;
    let store = line.open()?;
    match users::insert(&store, email, &password, Timestamp::now())? {
        Some(_) => {
            let token = line.further(&format!("token create {email}"));
            complain(&format!("{email} added; a token for a client: {token}"));
            Ok(())
        }
        None => {
            Err(CliError::Failed(format!("there is a {email} already; epicme user passwd sets a password")))
        }
    }
}

/// Shows everybody.
pub(super) fn list(line: &CommandLine) -> Result<(), CliError> {
    let people = users::list(&line.open_existing()?)?;
    if people.is_empty() {
        complain("nobody yet; epicme user add EMAIL adds somebody");
        return Ok(());
    }
    let rows =
        people.into_iter().map(|user| vec![user.id.to_string(), user.email, user.created_at.iso8601()]);
    table(&["ID", "EMAIL", "ADDED"], rows.collect());
    Ok(())
}

/// Sets a new password.
pub(super) fn passwd(line: &CommandLine, email: &str) -> Result<(), CliError> {
    let store = line.open_existing()?;
    known(users::find(&store, email)?.is_some(), email)?;
    let password = line.new_password()?;
    known(users::set_password(&store, email, &password, Timestamp::now())?, email)?;
    complain(&format!("{email} has a new password"));
    Ok(())
}

/// Removes a person with everything that is theirs.
pub(super) fn remove(line: &CommandLine, email: &str) -> Result<(), CliError> {
    known(users::remove(&line.open_existing()?, email)?, email)?;
    say(&format!("{email} removed, with their journal and tokens"));
    Ok(())
}

/// Fails unless the person is there.
pub(super) fn known(is_known: bool, email: &str) -> Result<(), CliError> {
    let unknown = || CliError::Failed(format!("there is no {email}; epicme user list shows everybody"));
    is_known.then_some(()).ok_or_else(unknown)
}
