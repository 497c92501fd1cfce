//! `epicme user`: people, as the operator manages them.
//!
//! Opens no journal. Only the first account can be made on a page (`pages/setup.rs`):
//! the operator knows the people of a private journal, and a sign-up page would be open to everyone.

use super::{CliError, CommandLine, note, say, table};
use crate::clock::Timestamp;
use crate::credentials;
use crate::passwords::HashingMemory;
use crate::second_factor;
use crate::text;
use crate::users;
use crate::zone::Zone;

/// Adds a person. The address is checked before the program asks for the password, so that the person doesn't type
/// the password in vain.
pub(super) fn add(line: &CommandLine, email: &str) -> Result<(), CliError> {
    credentials::check_email(email)?;
    let hash = HashingMemory::default().hash(&line.new_password(email)?);
    let store = line.open()?;
    match users::insert(&store, email, hash, Timestamp::now())? {
        Some(_) => {
            let token = line.next_command(&["token", "create", email]);
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
    let store = line.open_to_read()?;
    let (people, with_factor) = (users::list(&store)?, second_factor::holders(&store)?);
    if people.is_empty() {
        note("there are no accounts yet; epicme user add EMAIL makes one");
        return Ok(());
    }
    let rows = people.into_iter().map(|user| {
        // Another authorization server may have named the person.
        let (id, email) = (user.id.to_string(), text::displayable(&user.email));
        let factor = if with_factor.contains(&user.id) { "yes" } else { "no" };
        vec![id, email, user.created_at.iso8601(), factor.to_owned(), user.zone.name().to_owned()]
    });
    table(&["ID", "EMAIL", "ADDED", "FACTOR", "TIME ZONE"], rows.collect())
}

/// Sets a new password without asking for the old one, which the person may have forgotten: the operator could write
/// it into the database anyway. The new password signs the person out of every browser.
pub(super) fn passwd(line: &CommandLine, email: &str) -> Result<(), CliError> {
    let store = line.open_existing()?;
    require_account(users::find_by_email(&store, email)?.is_some(), email)?;
    let hash = HashingMemory::default().hash(&line.new_password(email)?);
    require_account(users::set_password(&store, email, hash, Timestamp::now())?, email)?;
    note(&format!("{email} has a new password"));
    Ok(())
}

/// Takes the second factor away from a person who has lost their phone and their recovery codes. Their password stays,
/// and so do the browsers in which they are signed in.
pub(super) fn remove_factor(line: &CommandLine, email: &str) -> Result<(), CliError> {
    let store = line.open_existing()?;
    let Some(user) = users::find_by_email(&store, email)? else {
        return require_account(false, email);
    };
    let now = Timestamp::now();
    if store.write(move |connection| second_factor::remove(connection, user.id, now))? {
        note(&format!("{email} has no second factor now, and signs in with the password alone"));
        return Ok(());
    }
    Err(CliError::Failed(format!("{email} has no second factor; epicme user list shows who has one")))
}

/// Sets the time zone, which says which day it is for the person. They can do it on the account page themselves; a
/// person whom another authorization server signs in has no such page.
pub(super) fn zone(line: &CommandLine, email: &str, name: &str) -> Result<(), CliError> {
    let zone = Zone::typed(name)?;
    let store = line.open_existing()?;
    let Some(user) = users::find_by_email(&store, email)? else {
        return require_account(false, email);
    };
    let (now, set) = (Timestamp::now(), zone.clone());
    require_account(store.write(move |connection| users::set_zone(connection, user.id, &set, now))?, email)?;
    note(&format!("{email} is in {} now, where it is {}", zone.name(), zone.rfc3339(now)));
    Ok(())
}

/// Removes a person with everything that is theirs, for good. The command doesn't ask first: the operator has to type
/// the address, and a question would stop a script.
pub(super) fn remove(line: &CommandLine, email: &str) -> Result<(), CliError> {
    require_account(users::remove(&line.open_existing()?, email, Timestamp::now())?, email)?;
    say(&format!("{email} removed, with their journal and tokens"))
}

/// Fails unless there is an account with this address. The message says which command lists the accounts.
pub(super) fn require_account(exists: bool, email: &str) -> Result<(), CliError> {
    let unknown = || CliError::Failed(format!("there is no {email}; epicme user list shows all accounts"));
    exists.then_some(()).ok_or_else(unknown)
}
