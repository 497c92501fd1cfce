//! The second factor, as the database stores it: the secret of a person's authenticator app, and their recovery codes.
//!
//! Knows no page and computes no code. Invariants: a code is used up in the transaction that does what it was given
//! for, and of several uses of one code, however many arrive at once, one is accepted; and only this file makes a
//! [`Passed`], without which nobody is signed in.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;

use rusqlite::{Connection, OptionalExtension};

use crate::activity::{self, Event, Visit};
use crate::clock::Timestamp;
use crate::ids::UserId;
use crate::limits;
use crate::store::{Store, StoreError};
use crate::totp::{self, Step, TotpSecret};
use crate::users::Authenticated;

/// The proof that the second factor is no obstacle: the person has none, or has given a good code.
pub(crate) struct Passed {
    user_id: UserId,
}

impl Passed {
    pub(crate) fn user_id(&self) -> UserId {
        self.user_id
    }
}

/// What a person sees of their factor.
pub(crate) struct Factor {
    pub(crate) since: Timestamp,
    pub(crate) codes_left: usize,
}

/// Why a code isn't taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BadCode {
    /// It isn't right now, or was used. The time is that of this server.
    Wrong(Timestamp),
    /// The server's clock has gone back, so codes of now may have been used; and when there are fresh ones.
    ClockWentBack(Timestamp),
    /// There were [`limits::WRONG_CODES_MAX`] wrong ones, so those of the app aren't looked at.
    TooMany,
}

impl fmt::Display for BadCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadCode::Wrong(now) => write!(
                out,
                "The code is wrong, or was used already. Wait for the next one of your app. If that is refused too, set \
                 the clock of your device: here it is {now}."
            ),
            BadCode::ClockWentBack(until) => write!(
                out,
                "The clock of this server has gone back since the last code was used, so it takes none of your app until \
                 {until}. A recovery code works."
            ),
            BadCode::TooMany => out.write_str(
                "Too many wrong codes were given with the right password, so no code of the app is taken now. Give a \
                 recovery code, then choose another password. Without one, the operator of this server takes the \
                 second factor away: epicme user remove-factor EMAIL.",
            ),
        }
    }
}

impl Error for BadCode {}

/// Finds the factor of a person; returns `None` if they have none.
pub(crate) fn find(store: &Store, user_id: UserId) -> Result<Option<Factor>, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT created_at, (SELECT count(*) FROM recovery_codes WHERE user_id = ?1)
                   FROM second_factors WHERE user_id = ?1";
        let factor = connection.query_row(sql, [user_id], |row| {
            let codes_left = usize::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
            Ok(Factor { since: Timestamp(row.get(0)?), codes_left })
        });
        Ok(factor.optional()?)
    })
}

/// Lists the people who have one. The file may be one that the version before has left, in which nobody has.
pub(crate) fn holders(store: &Store) -> Result<BTreeSet<UserId>, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT EXISTS (SELECT 1 FROM pragma_table_info('second_factors'))";
        if !connection.query_row(sql, [], |row| row.get(0))? {
            return Ok(BTreeSet::new());
        }
        let mut select = connection.prepare("SELECT user_id FROM second_factors")?;
        Ok(select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    })
}

/// Returns the proof of a person who has no factor; `None` if they have one.
pub(crate) fn not_needed(connection: &Connection, user_id: UserId) -> Result<Option<Passed>, StoreError> {
    let sql = "SELECT 1 FROM second_factors WHERE user_id = ?1";
    let is_on = connection.prepare_cached(sql)?.exists([user_id])?;
    Ok((!is_on).then_some(Passed { user_id }))
}

/// Checks a code, and uses it up. Six digits are one of the app, all else is a recovery code. A wrong one is counted,
/// which the caller has to commit: so the inner error is an answer like a value.
///
/// Without a factor there is nothing to pass: the operator may have taken it away since the form was shown.
pub(crate) fn pass(
    connection: &Connection,
    person: &Authenticated,
    typed: &str,
    visit: &Visit,
) -> Result<Result<Passed, BadCode>, StoreError> {
    let (user_id, now) = (person.user_id, visit.now);
    let sql = "SELECT secret, last_step, wrong_codes FROM second_factors WHERE user_id = ?1";
    let row = connection.query_row(sql, [user_id], |row| {
        Ok((TotpSecret::from_bytes(row.get(0)?), Step(row.get(1)?), row.get::<_, i64>(2)?))
    });
    let Some((secret, last, wrong_codes)) = row.optional()? else { return Ok(Ok(Passed { user_id })) };
    // What is stored as the last step: see below for a recovery code.
    let taken = match totp::parse(typed) {
        Some(_) if wrong_codes >= limits::WRONG_CODES_MAX => Err(BadCode::TooMany),
        Some(code) => secret.accept(code, now, Some(last)).ok_or(BadCode::Wrong(now)),
        None => {
            let sql = "DELETE FROM recovery_codes WHERE user_id = ?1 AND hash = ?2";
            if connection.execute(sql, (user_id, totp::recovery_hash(typed)))? == 1 {
                activity::record(connection, user_id, (Event::RecoveryCodeUsed, ""), visit)?;
                // If the clock has gone back, the codes of the app work again from here. None of those that can be
                // taken now is: it may have been used before the clock was wrong.
                Ok(last.min(Step::last_at(now)))
            } else {
                Err(BadCode::Wrong(now))
            }
        }
    };
    let taken = taken.map_err(|bad| match bad {
        BadCode::Wrong(_) if last > Step::last_at(now) => BadCode::ClockWentBack(last.over_at()),
        bad => bad,
    });
    match taken {
        Ok(step) => {
            let sql = "UPDATE second_factors SET last_step = ?2, wrong_codes = 0 WHERE user_id = ?1";
            connection.execute(sql, (user_id, step.0))?;
            Ok(Ok(Passed { user_id }))
        }
        Err(bad) => {
            let sql = "UPDATE second_factors SET wrong_codes = wrong_codes + 1 WHERE user_id = ?1";
            connection.execute(sql, [user_id])?;
            activity::record(connection, user_id, (Event::WrongCode, ""), visit)?;
            Ok(Err(bad))
        }
    }
}

/// Switches the factor on, with the secret of which the person has just given the code of this step, and with these
/// recovery codes, which nobody can read later; `false` if there is a factor already.
pub(crate) fn switch_on(
    connection: &Connection,
    user_id: UserId,
    (secret, step): (TotpSecret, Step),
    codes: &[String],
    visit: &Visit,
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO second_factors (user_id, secret, last_step, created_at) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (user_id) DO NOTHING";
    if connection.execute(sql, (user_id, secret.bytes(), step.0, visit.now.0))? == 0 {
        return Ok(false);
    }
    activity::record(connection, user_id, (Event::FactorOn, ""), visit)?;
    put_codes(connection, user_id, codes)?;
    Ok(true)
}

/// Puts new recovery codes in the place of those that are left.
pub(crate) fn renew_codes(
    connection: &Connection,
    passed: &Passed,
    codes: &[String],
    visit: &Visit,
) -> Result<(), StoreError> {
    activity::record(connection, passed.user_id, (Event::RecoveryCodesMade, ""), visit)?;
    put_codes(connection, passed.user_id, codes)
}

fn put_codes(connection: &Connection, user_id: UserId, codes: &[String]) -> Result<(), StoreError> {
    connection.execute("DELETE FROM recovery_codes WHERE user_id = ?1", [user_id])?;
    for code in codes {
        let sql = "INSERT INTO recovery_codes (user_id, hash) VALUES (?1, ?2)";
        connection.execute(sql, (user_id, totp::recovery_hash(code)))?;
    }
    Ok(())
}

/// Returns whether these are the recovery codes of a person, and were made in the last
/// [`limits::SECOND_PRESS_SECONDS`].
pub(crate) fn were_just_made(
    store: &Store,
    user_id: UserId,
    codes: &[String],
    now: Timestamp,
) -> Result<bool, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT 1 FROM recovery_codes WHERE user_id = ?1 AND hash = ?2";
        let mut select = connection.prepare_cached(sql)?;
        for code in codes {
            if !select.exists((user_id, totp::recovery_hash(code)))? {
                return Ok(false);
            }
        }
        let made = [Event::FactorOn, Event::RecoveryCodesMade];
        let made = activity::last_of(connection, user_id, made)?;
        Ok(made.is_some_and(|made| now < made.plus(limits::SECOND_PRESS_SECONDS)))
    })
}

/// Switches the factor off.
pub(crate) fn switch_off(connection: &Connection, passed: &Passed, visit: &Visit) -> Result<(), StoreError> {
    connection.execute("DELETE FROM second_factors WHERE user_id = ?1", [passed.user_id])?;
    activity::record(connection, passed.user_id, (Event::FactorOff, ""), visit)
}

/// Takes the factor away for the operator, who could do so in the file anyway; `false` if there is none.
pub(crate) fn remove(connection: &Connection, user_id: UserId, now: Timestamp) -> Result<bool, StoreError> {
    let is_there = connection.execute("DELETE FROM second_factors WHERE user_id = ?1", [user_id])? == 1;
    if is_there {
        activity::record(connection, user_id, (Event::FactorRemoved, ""), &Visit::of_operator(now))?;
    }
    Ok(is_there)
}
