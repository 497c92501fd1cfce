//! `epicme user`: people, as the operator manages them.
//!
//! Knows no hash and no journal. There is no sign-up page: a private journal's people are known to its operator, and
//! a page that adds accounts would be open to everyone.

use super::{CliError, CommandLine, note, say, table};
use crate::clock::Timestamp;
use crate::users;

/// Adds a person. The address is checked before the password is asked for, so that it isn't typed in vain.
pub(super) fn add(line: &CommandLine, email: &str) -> Result<(), CliError> {
    users::check_email(email)?;
    let password = line.new_password()?;
    let store = line.open()?;
    match users::insert(&store, email, &password, Timestamp::now())? {
        Some(_) => {
            let token = line.next_command(&format!("token create {email}"));
            note(&format!("{email} added; a token for a client: {token}"));
            Ok(())
        }
        None => {
            let hint = "epicme user passwd EMAIL sets another password";
            Err(CliError::Failed(format!("there is a {email} already; {hint}")))
        }
    }
}

/// Shows all accounts.
pub(super) fn list(line: &CommandLine) -> Result<(), CliError> {
    let people = users::list(&line.open_existing()?)?;
    if people.is_empty() {
        note("there are no accounts yet; epicme user add EMAIL makes one");
        return Ok(());
    }
    let rows =
        people.into_iter().map(|user| vec![user.id.to_string(), user.email, user.created_at.iso8601()]);
    table(&["ID", "EMAIL", "ADDED"], rows.collect());
    Ok(())
}

/// Sets a new password without asking for the old one, which the person may have forgotten: the operator could write
/// it into the database anyway. It signs the person out of every browser.
pub(super) fn passwd(line: &CommandLine, email: &str) -> Result<(), CliError> {
    let store = line.open_existing()?;
    require_account(users::find_by_email(&store, email)?.is_some(), email)?;
    let password = line.new_password()?;
    require_account(users::set_password(&store, email, &password, Timestamp::now())?, email)?;
    note(&format!("{email} has a new password"));
    Ok(())
}

/// Removes a person with everything that is theirs, for good. There is no question before it: the address has to be
/// typed out, and a question would stop a script.
pub(super) fn remove(line: &CommandLine, email: &str) -> Result<(), CliError> {
    require_account(users::remove(&line.open_existing()?, email)?, email)?;
    say(&format!("{email} removed, with their journal and tokens"));
    Ok(())
}

/// Fails where no account has this address, and says which command lists them.
pub(super) fn require_account(exists: bool, email: &str) -> Result<(), CliError> {
    let unknown = || CliError::Failed(format!("there is no {email}; epicme user list shows all accounts"));
    exists.then_some(()).ok_or_else(unknown)
}
