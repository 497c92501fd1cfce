//! What all requests share, for as long as the server runs.
//!
//! Of single requests it holds only what they wait in and count against: the list of open event streams, the requests
//! in progress by person, the failures and the queue of sign-ins, the questions to another authorization server.
//! Invariant: what must outlast the server is in the store; the other parts are settings, or are lost at a restart
//! without harm.
//!
//! The `App` is a value that functions pass on, and not a global: a signature shows which functions use it.

use std::net::IpAddr;
use std::sync::Arc;

use crate::check::{Check, Deployment};
use crate::clock::Timestamp;
use crate::downloads::Downloads;
use crate::events::Events;
use crate::gate::{self, Caller, Gate, Permit};
use crate::introspection::Introspector;
use crate::journal::{AskedBy, Journal};
use crate::limits;
use crate::log::RequestLog;
use crate::oauth::schemes::Schemes;
use crate::passwords::HashingQueue;
use crate::proxies::Proxies;
use crate::scope::{Access, Scopes};
use crate::secret::{self, Signer};
use crate::shares::Shares;
use crate::sign_ins::SignedIn;
use crate::site::Site;
use crate::store::Store;
use crate::throttle::Throttle;
use crate::used_forms::FormUse;
use crate::watch::Watch;

/// The state that all requests share. Many threads may use it at once; each part that changes has its own lock.
pub(crate) struct App {
    /// The names and URLs of this server.
    pub(crate) site: Site,
    /// Finds out where a request comes from.
    pub(crate) proxies: Proxies,
    /// What the remedies in the log depend on.
    pub(crate) deployment: Deployment,
    pub(crate) store: Store,
    /// Signs cursors, session ids and form tokens, which clients keep for the server.
    pub(crate) signer: Signer,
    /// The open event streams. Each subscriber keeps a clone of this `Arc`, by which it removes itself from the list.
    pub(crate) events: Arc<Events>,
    /// Whether a delete is refused if the client can't show the person a question about it.
    pub(crate) require_confirmation: bool,
    pub(crate) sign_ins: SignIns,
    /// The requests on `/mcp` that are in progress, counted by person. Each of them keeps a clone of this `Arc`, by
    /// which it takes itself off the count.
    pub(crate) shares: Arc<Shares>,
    /// The pages of the account and of the journal that are being sent, and the forms of the journal that are being
    /// read, counted in the same way. They have a count of their own, so that a program with many requests in progress
    /// doesn't keep its person from their journal, nor from the page on which they take its access back.
    pub(crate) page_shares: Arc<Shares>,
    /// Makes the downloads of whole journals.
    pub(crate) downloads: Downloads,
    /// The schemes that apps may have in their redirect URIs.
    pub(crate) redirect_schemes: Schemes,
    /// The other authorization server; `None` if this server issues the tokens itself.
    pub(crate) introspector: Option<Introspector>,
    /// The last exchanges, if the operator wants to watch them.
    pub(crate) watch: Option<Arc<Watch>>,
    /// The secret in the link by which the first person is added. Each start makes a new one, and the server writes
    /// it only to its output, so that a stranger can't add the first person.
    pub(crate) setup_code: String,
}

/// What the operator decided with options of `serve`, and with the limits of its process.
pub(crate) struct Policy {
    /// See [`App::proxies`].
    pub(crate) proxies: Proxies,
    /// How many connections the server serves at once. The queue of sign-ins takes a part of them.
    pub(crate) connections_max: usize,
    /// See [`App::require_confirmation`].
    pub(crate) require_confirmation: bool,
    /// See [`App::redirect_schemes`].
    pub(crate) redirect_schemes: Schemes,
    /// Whether there is an [`App::watch`].
    pub(crate) watch: bool,
}

/// What slows down the guessing of passwords. Only failures count, so the right password alone never uses up a try.
/// But a person who has it can meet the limits that others have used up: after the failures of a stranger at their
/// account they are refused (429), and in a crowd they wait in the queue, or are refused when it is full (503).
pub(crate) struct SignIns {
    /// Failures by account: against many guesses at one person's password.
    pub(crate) account: Throttle,
    /// Failures by address: against one guess at each of many persons' passwords.
    pub(crate) address: Throttle,
    /// Lets one password at a time be hashed, since each hash takes much memory on purpose.
    pub(crate) queue: HashingQueue,
}

impl App {
    /// Returns the gate for a request that addressed `base_url`, at this time. Without a request there is no peer and
    /// no log.
    pub(crate) fn gate<'a>(
        &'a self,
        base_url: &'a str,
        now: Timestamp,
        peer: Option<IpAddr>,
        log: Option<&'a RequestLog<'a>>,
    ) -> Gate<'a> {
        let App { site, store, introspector, .. } = self;
        Gate { base_url, site, store, introspector: introspector.as_ref(), now, peer, log }
    }

    /// Has the gate check the token of an admitted caller again, at this moment and without a request: see
    /// [`Gate::recheck`]. It is for what may outlast the token. The clock is read here, below `routes`, because the
    /// time in the request's context may be hours old.
    pub(crate) fn recheck(&self, base_url: &str, caller: &Caller) -> Result<(), Check> {
        self.gate(base_url, Timestamp::now(), None, None).recheck(caller)
    }

    /// Returns the journal of the permit's person, for a program.
    pub(crate) fn journal<A: Access>(&self, permit: Permit<A>) -> Journal<'_, A> {
        self.open(permit, AskedBy::Program)
    }

    /// Returns the journal of a person who opens a page of it. It is for reading alone, and with a scope that writes
    /// this doesn't compile: a link and a page of another site can have a browser send a GET.
    pub(crate) fn journal_for_page<A: Access>(&self, person: &SignedIn) -> Journal<'_, A> {
        const { assert!(Scopes::READING.contains(A::SCOPES), "what a page changes needs a form") };
        self.open(gate::permit_in_browser(person), AskedBy::Page)
    }

    /// Returns the journal of a person who has sent a form of its pages, whose token was checked: `pages/form.rs` makes
    /// the [`FormUse`]. A change by this journal uses the form up, see [`Journal`].
    pub(crate) fn journal_for_form<'a, A: Access>(
        &'a self,
        person: &SignedIn,
        form: &'a FormUse,
        now: Timestamp,
    ) -> Journal<'a, A> {
        self.open(gate::permit_in_browser(person), AskedBy::Form(form, now))
    }

    /// Opens a journal. It is done in this function alone, and only with a permit.
    fn open<'a, A: Access>(&'a self, permit: Permit<A>, asked: AskedBy<'a>) -> Journal<'a, A> {
        Journal { store: &self.store, signer: &self.signer, events: &self.events, permit, asked }
    }

    /// Builds the state at the server's start.
    pub(crate) fn new(
        site: Site,
        store: Store,
        signer: Signer,
        introspector: Option<Introspector>,
        policy: Policy,
    ) -> App {
        let Policy { proxies, connections_max, require_confirmation, redirect_schemes, watch } = policy;
        let sign_in = |max| Throttle::new(max, limits::SIGN_IN_WINDOW_SECONDS);
        let deployment = Deployment::new(&site, introspector.as_ref().map(Introspector::issuer));
        App {
            site,
            proxies,
            deployment,
            store,
            signer,
            events: Arc::default(),
            require_confirmation,
            sign_ins: SignIns {
                account: sign_in(limits::ACCOUNT_FAILURES_MAX),
                address: sign_in(limits::ADDRESS_FAILURES_MAX),
                queue: HashingQueue::new(connections_max),
            },
            shares: Arc::new(Shares::new(limits::REQUESTS_PER_PERSON_MAX)),
            page_shares: Arc::new(Shares::new(limits::PAGES_PER_PERSON_MAX)),
            downloads: Downloads::default(),
            redirect_schemes,
            introspector,
            watch: watch.then(|| Arc::new(Watch::new())),
            setup_code: secret::random_text::<32>(),
        }
    }
}
