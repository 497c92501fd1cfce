//! What happened to a person's account, as the database stores it and as the person reads it: sign-ins, failed tries,
//! programs that got access, what was taken back, changes of the password and of the second factor.
//!
//! Knows no page. Invariants: an event is written in the transaction that does what it tells, but for a failed try,
//! which does nothing; it holds no secret; and a person has [`limits::ACTIVITY_KEPT_MAX`] of them at most. An address
//! without an account has none, so a try at it leaves nothing.
//!
//! It is no log of the server, which has a line for each request (`log/`): it is for the one person, who would notice
//! a sign-in that wasn't theirs.

use rusqlite::{Connection, OptionalExtension};

use crate::clock::Timestamp;
use crate::ids::UserId;
use crate::limits;
use crate::store::{Store, StoreError};

/// From where a person does something, and when.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) now: Timestamp,
    /// The network address; empty for the operator's command line.
    pub(crate) address: String,
    /// What browser it is, in plain words.
    pub(crate) browser: String,
}

impl Visit {
    /// Returns that of a command of the operator.
    pub(crate) fn of_operator(now: Timestamp) -> Visit {
        Visit { now, address: String::new(), browser: String::new() }
    }
}

/// What can happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    SignedIn,
    WrongPassword,
    WrongCode,
    RecoveryCodeUsed,
    SignedOut,
    SignedOutEverywhere,
    BrowserEnded,
    AccessGiven,
    AccessTakenBack,
    AccessGivenBack,
    AccessEnded,
    TokenMade,
    TokenRevoked,
    PasswordChanged,
    PasswordSet,
    FactorOn,
    FactorOff,
    FactorRemoved,
    RecoveryCodesMade,
    Downloaded,
}

/// Each event, its name in the database, and how a page tells it; the subject follows where there is one.
const EVENTS: [(Event, &str, &str); 20] = [
    (Event::SignedIn, "signed-in", "Signed in"),
    (Event::WrongPassword, "wrong-password", "A wrong password was tried"),
    (Event::WrongCode, "wrong-code", "The right password, and a wrong code"),
    (Event::RecoveryCodeUsed, "recovery-code-used", "A recovery code was used"),
    (Event::SignedOut, "signed-out", "Signed out"),
    (Event::SignedOutEverywhere, "signed-out-everywhere", "Signed out of every browser"),
    (Event::BrowserEnded, "browser-ended", "A browser was signed out"),
    (Event::AccessGiven, "access-given", "Access was given to a program"),
    (Event::AccessTakenBack, "access-taken-back", "Access was taken back from a program"),
    (Event::AccessGivenBack, "access-given-back", "A program gave its access back"),
    (
        Event::AccessEnded,
        "access-ended",
        "Access of a program was ended by this server, because what works once came again or too often",
    ),
    (Event::TokenMade, "token-made", "A token was made"),
    (Event::TokenRevoked, "token-revoked", "A token was revoked"),
    (Event::PasswordChanged, "password-changed", "The password was changed"),
    (Event::PasswordSet, "password-set", "The password was set anew"),
    (Event::FactorOn, "factor-on", "The second factor was switched on"),
    (Event::FactorOff, "factor-off", "The second factor was switched off"),
    (Event::FactorRemoved, "factor-removed", "The second factor was taken away"),
    (Event::RecoveryCodesMade, "recovery-codes-made", "New recovery codes were made"),
    (Event::Downloaded, "downloaded", "The whole journal was downloaded"),
];

impl Event {
    fn facts(self) -> (&'static str, &'static str) {
        let facts = EVENTS.iter().find(|(event, ..)| *event == self);
        facts.map(|(_, name, words)| (*name, *words)).expect("each event is in the list")
    }

    /// Returns whether several in a row are kept as one: a stranger who tries passwords must not push out all else.
    fn is_failure(self) -> bool {
        matches!(self, Event::WrongPassword | Event::WrongCode)
    }
}

/// An event as a page shows it.
pub(crate) struct Happened {
    pub(crate) at: Timestamp,
    pub(crate) words: &'static str,
    pub(crate) subject: String,
    pub(crate) address: String,
    /// How often in a row; `at` and `address` are those of the last time.
    pub(crate) times: i64,
}

/// Writes an event down, in the transaction of what it tells.
pub(crate) fn record(
    connection: &Connection,
    user_id: UserId,
    (event, subject): (Event, &str),
    visit: &Visit,
) -> Result<(), StoreError> {
    let (name, _) = event.facts();
    let sql = "SELECT id, kind FROM activity WHERE user_id = ?1 ORDER BY id DESC LIMIT 1";
    let last: Option<(i64, String)> =
        connection.query_row(sql, [user_id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (last, kind) = last.unwrap_or_default();
    if event.is_failure() && kind == name {
        let sql =
            "UPDATE activity SET at = ?3, address = ?4, times = times + 1 WHERE user_id = ?1 AND id = ?2";
        connection.execute(sql, (user_id, last, visit.now.0, &visit.address))?;
        return Ok(());
    }
    let sql =
        "INSERT INTO activity (user_id, id, at, kind, subject, address) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let row = (user_id, last + 1, visit.now.0, name, subject, &visit.address);
    connection.execute(sql, row)?;
    let sql = "DELETE FROM activity WHERE user_id = ?1 AND id <= ?2";
    connection.execute(sql, (user_id, last + 1 - limits::ACTIVITY_KEPT_MAX))?;
    Ok(())
}

/// Returns when the last of these events of a person was.
pub(crate) fn last_of(
    connection: &Connection,
    user_id: UserId,
    events: [Event; 2],
) -> Result<Option<Timestamp>, StoreError> {
    let [one, other] = events.map(|event| event.facts().0);
    let sql = "SELECT max(at) FROM activity WHERE user_id = ?1 AND kind IN (?2, ?3)";
    let at: Option<i64> = connection.query_row(sql, (user_id, one, other), |row| row.get(0))?;
    Ok(at.map(Timestamp))
}

/// Lists the last events of a person, the newest first. An event that a later version has written is left out.
pub(crate) fn list(store: &Store, user_id: UserId) -> Result<Vec<Happened>, StoreError> {
    store.look_up(|connection| {
        let sql = "SELECT at, kind, subject, address, times FROM activity WHERE user_id = ?1
                   ORDER BY id DESC LIMIT ?2";
        let mut select = connection.prepare_cached(sql)?;
        let rows = select.query_map((user_id, limits::ACTIVITY_SHOWN_MAX), |row| {
            let kind: String = row.get(1)?;
            let words = EVENTS.iter().find(|(_, name, _)| *name == kind).map(|(.., words)| *words);
            let (at, subject, address) = (Timestamp(row.get(0)?), row.get(2)?, row.get(3)?);
            let times = row.get(4)?;
            Ok(words.map(|words| Happened { at, words, subject, address, times }))
        })?;
        Ok(rows.filter_map(Result::transpose).collect::<Result<_, _>>()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Derived;

    #[test]
    fn keeps_a_bounded_number_for_each_person_and_failures_in_a_row_as_one() {
        let folder = std::env::temp_dir().join(format!("epicme-activity-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let store = Store::open(&folder.join("epicme.db"), Derived::NOTHING).expect("a store");
        let people = "INSERT INTO users (email, password_hash, created_at, updated_at)
                      VALUES ('a@b', '', 0, 0), ('c@d', '', 0, 0)";
        let [ada, eve] = [1, 2].map(UserId::new);
        let counts = store.write(move |connection| {
            connection.execute(people, [])?;
            let write = |who, event, address: &str, at| {
                let address = address.to_owned();
                let visit = Visit { now: Timestamp(at), address, browser: String::new() };
                record(connection, who, (event, "x"), &visit)
            };
            write(eve, Event::SignedIn, "192.0.2.1", 1)?;
            for at in 0..limits::ACTIVITY_KEPT_MAX + 7 {
                write(ada, Event::SignedIn, "192.0.2.2", at)?;
            }
            for at in 0..1000 {
                write(ada, Event::WrongPassword, &format!("192.0.2.{}", at % 250), at)?;
            }
            let count = |id: UserId| {
                let sql = "SELECT count(*) FROM activity WHERE user_id = ?1";
                connection.query_row(sql, [id], |row| row.get::<_, i64>(0))
            };
            Ok::<_, StoreError>((count(ada)?, count(eve)?))
        });
        assert_eq!(counts.expect("a write"), (limits::ACTIVITY_KEPT_MAX, 1));
        let shown = list(&store, ada).expect("a read");
        assert_eq!(shown.len() as i64, limits::ACTIVITY_SHOWN_MAX);
        let newest = &shown[0];
        assert_eq!((newest.times, newest.at, &*newest.address), (1000, Timestamp(999), "192.0.2.249"));
        assert_eq!(shown[1].at, Timestamp(limits::ACTIVITY_KEPT_MAX + 6));
        assert_eq!(list(&store, eve).expect("a read").len(), 1);
        store.close().expect("a close");
        let _ = std::fs::remove_dir_all(&folder);
    }

    #[test]
    fn has_each_event_in_its_list_once() {
        for (event, name, _) in EVENTS {
            assert_eq!(event.facts().0, name);
            assert_eq!(EVENTS.iter().filter(|(_, other, _)| *other == name).count(), 1, "{name}");
        }
    }
}
