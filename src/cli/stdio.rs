//! `epicme stdio`: MCP over standard input and output, for clients that start a program in place of opening a URL.
//!
//! Reads no message: `stdio` carries them. This file says to which server: the one that has the database open, if there
//! is one, so that one process writes and a change reaches the event streams of all clients; else it starts the same
//! server in this process, on a port of this machine that the kernel chooses. When the server that it goes through
//! ends, it looks again. What the database says of where the server is may be out of date, so the server proves that it
//! is the one (`stdio/server.rs`).
//!
//! Nothing but messages goes to standard output. A token that is missing or refused doesn't end the program: each
//! request, `initialize` first of all, is answered by an error that says what to do. Clients show that sentence to the
//! person; of a program that ends before it has answered, they say only that the connection is closed.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use super::keeper::Keeper;
use super::serve::{self, Running, Start};
use super::{CliError, CommandLine, note};
use crate::app::Policy;
use crate::http::connections;
use crate::limits;
use crate::lock::locked;
use crate::oauth::schemes::Schemes;
use crate::proxies::Proxies;
use crate::search_index::SEARCH_INDEX;
use crate::settings;
use crate::site::{self, Site};
use crate::stderr;
use crate::stdio::{ConnectError, DatabaseServer, End, Relay, lines};
use crate::store::{self, OpenError, Opening, Store};

/// Carries messages until the client closes standard input or output, or SIGTERM, SIGINT or SIGHUP comes.
pub(super) fn stdio(line: &CommandLine) -> Result<(), CliError> {
    if line.is_given("token") {
        return Err(CliError::Usage(
            "the token belongs in the variable EPICME_TOKEN: every program of this machine can see what stands behind \
             --token"
                .to_owned(),
        ));
    }
    stderr::set_style(serve::style(line)?);
    let mut signals = serve::ending_signals()?;
    let servers = Arc::new(Servers {
        line: line.clone(),
        require_confirmation: line.flag("require-confirmation"),
        search: Mutex::default(),
        own: Mutex::default(),
        is_ending: AtomicBool::new(false),
    });
    let no_thread = |error| CliError::Failed(format!("no thread can be made: {error}"));
    // The first message would find it too. But then a person who starts this by hand would see nothing until then.
    let finder = Arc::clone(&servers);
    let find_first = move || {
        if let Err(why) = finder.find(None) {
            note(&why);
        }
    };
    let first = thread::Builder::new().name("search".into()).spawn(find_first).map_err(no_thread)?;
    let token = line.value("token").map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
    let token_command = line.next_command(&["token", "create", "EMAIL"]);
    if token.is_none() {
        note(&format!(
            "EPICME_TOKEN isn't set, so every request is refused: make a token by {token_command}"
        ));
    }
    let (end, ended) = mpsc::channel();
    let finder = Arc::clone(&servers);
    let find = Box::new(move |gone: Option<&_>| finder.find(gone));
    let relay = Relay::new(find, token, token_command, Box::new(io::stdout()), end.clone());

    let (reader, at_end) = (Arc::clone(&relay), end.clone());
    let read = move || {
        let mut input = io::stdin().lock();
        loop {
            match lines::next_line(&mut input) {
                Ok(Some(line)) => reader.take(line),
                Ok(None) => break,
                Err(error) => {
                    stderr::note(&format!("can't read standard input: {error}"));
                    break;
                }
            }
        }
        let _ = at_end.send(End::Input);
    };
    let stack = thread::Builder::new().stack_size(limits::THREAD_STACK_BYTES);
    stack.name("input".into()).spawn(read).map_err(no_thread)?;
    let at_signal = move || {
        if signals.forever().next().is_some() {
            let _ = end.send(End::Input);
            serve::end_at_second(signals);
        }
    };
    thread::Builder::new().name("signals".into()).spawn(at_signal).map_err(no_thread)?;

    let mut end = ended.recv();
    relay.finish();
    // The answers to the last requests may not have got out, though the input has ended before.
    end = ended.try_iter().find(|end| matches!(end, End::Output(_))).map_or(end, Ok);
    servers.is_ending.store(true, SeqCst);
    let _ = first.join(); // it has no value, and a panic in it was told
    let was_found = locked(&servers.search).server.is_some();
    let closed = servers.stop();
    stderr::finish();
    closed?;
    match end {
        _ if !was_found => Err(CliError::Refused), // it has been told why
        Ok(End::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {
            note("the client has closed standard output; requests that it had sent may have been done");
            Ok(())
        }
        Ok(End::Output(error)) => Err(super::cannot_print(&error)),
        Ok(End::Input) | Err(mpsc::RecvError) => Ok(()),
    }
}

/// Where the server of the database is.
struct Servers {
    line: CommandLine,
    require_confirmation: bool,
    /// The lock is held while the server is looked for, so one thread looks for all.
    search: Mutex<Search>,
    /// The server of this process. Once it is there, no other one is looked for.
    own: Mutex<Option<(Running, Keeper)>>,
    /// No search goes on.
    is_ending: AtomicBool,
}

/// What the last search has found.
#[derive(Default)]
struct Search {
    server: Option<Arc<DatabaseServer>>,
    /// When it ended without a server, and why.
    failed: Option<(Instant, String)>,
}

/// What one look finds.
enum Found {
    Server(DatabaseServer),
    /// Another process has the database, and no server is reached.
    InUse,
    /// The same, and another program may have the address at which its server was.
    NotProved(SocketAddr),
}

/// Returns the server of this process. It proves itself like any other: one way is enough.
fn of_this_process(running: &Running) -> Result<Found, String> {
    let signer = settings::signer(&running.app.store).map_err(|error| error.to_string())?;
    Ok(signer.map_or(Found::InUse, |signer| Found::Server(DatabaseServer::new(running.bound, signer))))
}

impl Servers {
    /// Returns the server, unless it is the one that has just refused a connection (`gone`); then, and the first time,
    /// it looks for the server.
    fn find(&self, gone: Option<&Arc<DatabaseServer>>) -> Result<Arc<DatabaseServer>, String> {
        let asked = Instant::now();
        let mut search = locked(&self.search);
        if let Some(server) = &search.server
            && !gone.is_some_and(|gone| Arc::ptr_eq(gone, server))
        {
            return Ok(Arc::clone(server));
        }
        // Another thread has looked in vain meanwhile. If each looked for itself, the last one would wait for all.
        if let Some((at, why)) = &search.failed
            && *at > asked
        {
            return Err(why.clone());
        }
        *search = Search::default();
        let found = self.look_for_a_while();
        match &found {
            Ok(server) => search.server = Some(Arc::clone(server)),
            Err(why) => search.failed = Some((Instant::now(), why.clone())),
        }
        found
    }

    fn look_for_a_while(&self) -> Result<Arc<DatabaseServer>, String> {
        let start = Instant::now();
        loop {
            let why = match self.look()? {
                Found::Server(server) => return Ok(Arc::new(server)),
                Found::InUse => {
                    "isn't reached: it is starting, or restores it; wait until that is done, or stop it"
                        .to_owned()
                }
                Found::NotProved(address) => format!(
                    "isn't reached: what answers at http://{address} hasn't proved to be it, and so gets no token. Look \
                     which program has that port; an epicme of an earlier version must be started anew, and one in a \
                     container is reached from inside alone"
                ),
            };
            if start.elapsed() > limits::STDIO_SERVER_WAIT_MAX || self.is_ending.load(SeqCst) {
                return Err(format!(
                    "{}: another epicme has it open and {why}",
                    self.line.database().display()
                ));
            }
            thread::sleep(limits::STDIO_SERVER_LOOK);
        }
    }

    /// Looks once.
    fn look(&self) -> Result<Found, String> {
        let mut own = locked(&self.own);
        if let Some((running, _)) = &*own {
            return of_this_process(running);
        }
        // Before this process opens the database: see `store::is_served`.
        if store::is_served(&self.line.database()) {
            let store = self.line.open_to_read().map_err(|error| error.to_string())?;
            // An error here may be of a file that is being brought up to date.
            let address = settings::address(&store).ok().flatten();
            let Some((address, signer)) = address.zip(settings::signer(&store).ok().flatten()) else {
                return Ok(Found::InUse);
            };
            let server = DatabaseServer::new(address, signer);
            return Ok(match server.connect() {
                Ok(_) => {
                    stderr::note(&format!("going through the server at http://{}", server.address));
                    Found::Server(server)
                }
                Err(ConnectError::NotProved) => Found::NotProved(server.address),
                Err(ConnectError::NotReached(_)) => Found::InUse,
            });
        }
        match self.start().map_err(|error| self.line.name_database(error).to_string())? {
            Some(started) => of_this_process(&own.insert(started).0),
            None => Ok(Found::InUse),
        }
    }

    /// Starts the server of this process; `None` if another process has just taken the database.
    fn start(&self) -> Result<Option<(Running, Keeper)>, CliError> {
        let path = self.line.database();
        self.line.require_database()?;
        let store = match Store::open_to_serve(&path, SEARCH_INDEX, Opening::default()) {
            Err(OpenError::InUse) => return Ok(None),
            opened => opened.map_err(|error| self.line.cannot_open(&error))?,
        };
        store.open_read_connections().map_err(|error| self.line.cannot_open(&error))?;
        if settings::has_external_issuer(&store)? {
            store.close()?;
            return Err(CliError::Failed(format!(
                "{}: its tokens come from another authorization server, so it needs the options of epicme serve: start \
                 that, and this goes through it",
                path.display()
            )));
        }
        // Its tokens are for the URL under which it was served last, and this must not change that.
        let audience = settings::audience(&store)?;
        let public = audience.strip_suffix(site::MCP).map(Site::parse_public).transpose()?;
        let policy = Policy {
            proxies: Proxies::parse("", public.is_some()).map_err(|bad| CliError::Failed(bad.to_string()))?,
            connections_max: connections::cap(),
            require_confirmation: self.require_confirmation || settings::requires_confirmation(&store)?,
            redirect_schemes: Schemes::default(),
            watch: false,
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let start = Start { address, public, allowed: Vec::new(), introspector: None, policy };
        let running = Running::start(store, start)?;
        let keeper = Keeper::start(&running.app, None);
        stderr::note(&format!("no server has {} open, so this serves it itself", path.display()));
        Ok(Some((running, keeper)))
    }

    /// Ends the server of this process, if there is one.
    fn stop(&self) -> Result<(), CliError> {
        match locked(&self.own).take() {
            Some((running, keeper)) => Ok(running.stop(keeper)?),
            None => Ok(()),
        }
    }
}
