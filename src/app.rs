//! What requests are answered from, for as long as the server runs.
//!
//! Knows no request. What must outlast the server is in the store; the rest is counts that may be forgotten.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::events::Events;
use crate::gate::{Gate, Permit};
use crate::journal::Journal;
use crate::limits;
use crate::remote::Remote;
use crate::secret::{self, Seal};
use crate::site::Site;
use crate::store::Store;
use crate::throttle::Throttle;
use crate::users::Turns;

/// What requests are answered from.
pub struct App {
    /// The names of this server.
    pub site: Site,
    /// The database.
    pub store: Store,
    /// The seal of cursors, session ids and forms.
    pub seal: Seal,
    /// Who listens on an open stream.
    pub events: Arc<Events>,
    /// Whether a delete is refused where the person can't be asked.
    pub require_confirmation: bool,
    /// What slows down guessing of passwords.
    pub sign_ins: SignIns,
    /// Registrations by address.
    pub registrations: Throttle,
    /// The authorization server, if it is elsewhere.
    pub remote: Option<Remote>,
    /// What the link holds by which the first person is added.
    pub setup_code: String,
}

/// Failed sign-ins, and the turns of those that are being tried. Only failures count: whoever signs in rightly meets no
/// limit.
pub struct SignIns {
    /// By account.
    pub account: Throttle,
    /// By address.
    pub address: Throttle,
    /// Passwords are hashed one at a time.
    pub turns: Turns,
}

impl App {
    /// The gate to one of the server's names, at this time.
    pub fn gate<'a>(&'a self, origin: &'a str, now: Timestamp) -> Gate<'a> {
        Gate { origin, site: &self.site, store: &self.store, remote: self.remote.as_ref(), now }
    }

    /// The journal that a permit opens.
    pub fn journal(&self, permit: Permit) -> Journal<'_> {
        Journal { store: &self.store, seal: &self.seal, events: &self.events, permit }
    }

    /// An app that has seen no request yet.
    pub fn new(
        site: Site,
        store: Store,
        seal: Seal,
        remote: Option<Remote>,
        require_confirmation: bool,
    ) -> App {
        let sign_in = |max| Throttle::new(max, limits::SIGN_IN_WINDOW_SECONDS);
        App {
            site,
            store,
            seal,
            events: Arc::default(),
            require_confirmation,
            sign_ins: SignIns {
                account: sign_in(limits::ACCOUNT_FAILURES_MAX),
                address: sign_in(limits::ADDRESS_FAILURES_MAX),
                turns: Turns::default(),
            },
            registrations: Throttle::new(limits::REGISTRATIONS_MAX, limits::REGISTRATION_SECONDS),
            remote,
            setup_code: secret::random_text::<32>(),
        }
    }
}
