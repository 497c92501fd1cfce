//! `epicme serve`: opens the database, listens, serves until a signal comes, and closes in order.
//!
//! Handles no request itself: it hands each to `routes::handle`. The options are checked before the database is
//! opened, and the database is opened before the server listens, so a client can't connect to a server that has no
//! database.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::keeper::{self, Keeper};
use super::{CliError, CommandLine, demo, not_ignored, notify, say, show_once, switch, unknown_variables};
use crate::app::{App, Policy};
use crate::authority;
use crate::http::connections;
use crate::http::server::{self, Server};
use crate::introspection::Introspector;
use crate::proxies::Proxies;
use crate::routes;
use crate::search_index::SEARCH_INDEX;
use crate::settings;
use crate::site::{self, Origin, PageOrigin, Site};
use crate::stderr::{self, Form, Level, Style};
use crate::store::{Store, StoreError};
use crate::text;
use crate::users;

/// The address that is used without `--listen`. Only this machine can reach it, and a port above 1023 needs no
/// special rights.
pub(super) const LISTEN_DEFAULT: &str = "127.0.0.1:8787";

/// Serves until SIGTERM, SIGINT or SIGHUP.
pub(super) fn serve(line: &CommandLine) -> Result<(), CliError> {
    // First, because all that follows may fail, and why it did is a line of the log too.
    stderr::set_style(style(line)?);
    let address = listen_address(&line.value("listen").unwrap_or_else(|| LISTEN_DEFAULT.to_owned()))?;
    let public = line.value("public-url").map(|url| Site::parse_public(&url)).transpose()?;
    // This program speaks no TLS, and everyone who can read a bearer token on its way can use it (OAuth 2.1 §1.5).
    // With an https public URL the operator says that a proxy in front of the server speaks TLS.
    if !address.ip().is_loopback() && public.as_ref().is_none_or(|url| !url.is_https()) {
        return Err(CliError::Usage(format!(
            "{address} can be reached from other machines, where tokens would travel in the clear: put an https \
             proxy in front and name it with --public-url https://HOST, or listen on 127.0.0.1"
        )));
    }
    let (watch, trusted) = (line.flag("watch"), line.value("trusted-proxies").unwrap_or_default());
    // Who is on another machine must not see what the people of this server do, and through a proxy they could.
    if watch && (public.is_some() || !trusted.is_empty() || !address.ip().is_loopback()) {
        return Err(CliError::Usage(
            "--watch shows everybody who can reach the server what it does, so it is for this machine alone: leave out \
             --public-url and --trusted-proxies, and listen on 127.0.0.1"
                .to_owned(),
        ));
    }
    let proxies =
        Proxies::parse(&trusted, public.is_some()).map_err(|bad| CliError::Usage(bad.to_string()))?;
    let allowed = allowed_origins(&line.value("allowed-origins").unwrap_or_default())?;
    let connections_max = connections::cap();
    let introspector = introspector(line, connections_max)?;
    // The two would change nothing, because with another server these parts of this one don't exist.
    let unused = [("demo", line.flag("demo")), ("redirect-scheme", line.value("redirect-scheme").is_some())];
    if let Some((name, _)) = unused.iter().find(|(_, is_on)| *is_on && introspector.is_some()) {
        return Err(CliError::Usage(format!(
            "--{name} is for a server that issues the tokens itself, and --authorization-server leaves that to another \
             one: give one of the two"
        )));
    }
    let policy = Policy {
        proxies,
        connections_max,
        require_confirmation: line.flag("require-confirmation"),
        redirect_schemes: line.redirect_schemes()?,
        watch,
    };
    let schedule = keeper::schedule(line)?;
    // From here on a signal doesn't end the program but waits until it is read below, so that a signal during the
    // start isn't lost: a database that has been opened must be closed.
    let mut signals = ending_signals()?;

    let store = Store::open_to_serve(&line.database(), SEARCH_INDEX, line.opening())
        .map_err(|error| line.cannot_open(&error))?;
    settings::remember_confirmation(&store, policy.require_confirmation)?;
    let running = Running::start(store, Start { address, public, allowed, introspector, policy })?;
    let Running { app, bound, .. } = &running;
    let base_url = app.site.base_url_for(None).unwrap_or_default();
    for name in unknown_variables() {
        stderr::note(&format!(
            "{} sets nothing; epicme help serve shows the options, of which each has a variable",
            text::displayable(&name)
        ));
    }

    let announced = say(&format!("listening on http://{bound}"))
        .and_then(|()| app.store.open_read_connections().map_err(|error| line.cannot_open(&error)))
        .and_then(|()| match (&app.introspector, users::is_empty(&app.store)?, line.flag("demo")) {
            (Some(introspector), ..) => say(&format!(
                "MCP URL {base_url}{}\nTokens come from the authorization server {}",
                site::MCP,
                introspector.issuer()
            )),
            (None, true, true) => demo::fill(app, *bound),
            // The code in the link is gone with the process, so there is nothing to take back.
            (None, true, false) => show_once(
                &format!(
                    "\nThis journal has no account yet. Open this link to create yours; it works once:\n\n  \
                     {base_url}{}?code={}\n\n\
                     or create it on the command line, and a token for a client:\n\n  {}\n  {}\n\nMCP URL {base_url}{}",
                    site::SETUP,
                    app.setup_code,
                    line.next_command(&["user", "add", "you@example.com"]),
                    line.next_command(&["token", "create", "you@example.com"]),
                    site::MCP
                ),
                || Ok(()),
            ),
            (None, false, _) => {
                let token = line.next_command(&["token", "create", "EMAIL"]);
                say(&format!("MCP URL {base_url}{}\nA token for a client: {token}", site::MCP))
            }
        });

    let announced = announced.and_then(|()| match &app.watch {
        Some(_) => say(&format!("Watch it at {base_url}{}", site::WATCH)),
        None => Ok(()),
    });

    let keeper = Keeper::start(app, schedule);

    // A server whose operator can't read how to reach it stops at once, in the same order as at a signal.
    if announced.is_ok() {
        notify::tell(notify::READY);
        signals.forever().next();
    }
    end_at_second(signals);
    stderr::note_stopping();
    notify::tell(notify::STOPPING);
    let closed = running.stop(keeper);
    stderr::finish();
    announced?;
    Ok(closed?)
}

/// Ends the program at a second signal, as a person who sends it expects. No write that was acknowledged is lost by
/// that, since each was committed before (`store/writer.rs`). SIGHUP isn't a person's: when a terminal goes, the kernel
/// and the shell may each send one, and a service manager may send one after SIGTERM.
pub(super) fn end_at_second(mut signals: Signals) {
    let second =
        move || _ = signals.forever().find(|signal| *signal != SIGHUP).map(|_| std::process::exit(1));
    let _ = std::thread::Builder::new().spawn(second); // if no thread can be made, a second signal does nothing
}

/// Watches for the signals that end the program: from now on they wait until they are read.
///
/// SIGHUP says that the terminal has gone. `nohup` starts a program with this signal ignored, so that it outlives its
/// terminal; a handler here would undo that.
pub(super) fn ending_signals() -> Result<Signals, CliError> {
    let signals = Signals::new([SIGTERM, SIGINT].into_iter().chain(not_ignored(&[SIGHUP])));
    signals.map_err(|error| CliError::Failed(format!("can't watch for signals: {error}")))
}

/// What a server is started with, beside its database.
pub(super) struct Start {
    /// Where it is to listen.
    pub(super) address: SocketAddr,
    pub(super) public: Option<Origin>,
    pub(super) allowed: Vec<PageOrigin>,
    pub(super) introspector: Option<Introspector>,
    pub(super) policy: Policy,
}

/// A server of this process.
pub(super) struct Running {
    pub(super) app: Arc<App>,
    /// Where it listens: port 0 has become a real one.
    pub(super) bound: SocketAddr,
    server: Arc<Server>,
}

impl Running {
    /// Starts to serve a database. Its read connections are still to be opened.
    pub(super) fn start(store: Store, start: Start) -> Result<Running, CliError> {
        let Start { address, public, allowed, introspector, policy } = start;
        let listeners = server::bind(address).map_err(|error| {
            let hint =
                if error.kind() == io::ErrorKind::AddrInUse { "; --listen takes another port" } else { "" };
            CliError::Failed(format!("can't listen on {address}: {error}{hint}"))
        })?;
        let cannot_listen = |error| CliError::Failed(format!("can't listen on {address}: {error}"));
        let bound = listeners[0].local_addr().map_err(cannot_listen)?;
        let site = Site::new(bound, public, allowed);
        let signer = settings::begin_to_serve(&store, bound, site.audience(), introspector.is_some())?;
        let app = Arc::new(App::new(site, store, signer, introspector, policy));
        let shared = Arc::clone(&app);
        let server = Server::start(
            listeners,
            Box::new(move |request, peer, id| routes::handle(&shared, request, peer, id)),
        )
        .map_err(cannot_listen)?;
        Ok(Running { app, bound, server })
    }

    /// Ends it. The order matters. First, no further request is taken: a client whose event stream ends connects again
    /// at once, and must find the server gone, not one that refuses to open a stream. Then the open streams end, each
    /// with its last message. Only then does the server wait for requests in flight: an open stream is one of them and
    /// would use up the wait.
    pub(super) fn stop(self, mut keeper: Keeper) -> Result<(), StoreError> {
        keeper.stop();
        self.server.stop_accepting();
        self.app.events.end();
        self.app.watch.iter().for_each(|watch| watch.end());
        self.server.finish();
        keeper.finish();
        // If this fails, the next server writes its own address over this one.
        let _ = settings::end_to_serve(&self.app.store);
        self.app.store.close()
    }
}

/// Reads `--allowed-origins`: the origins of web pages that may use the endpoint beside our own.
fn allowed_origins(list: &str) -> Result<Vec<PageOrigin>, CliError> {
    let items = list.split(',').map(str::trim_ascii).filter(|_| !list.is_empty());
    let read = |item: &str| {
        PageOrigin::parse(item).ok_or_else(|| {
            CliError::Usage(format!(
                "--allowed-origins takes origins with commas between them, as browsers send them: https://HOST[:PORT], \
                 or with an app's own scheme like chrome-extension://ID, in lower case and without a path, not {item:?}"
            ))
        })
    };
    items.map(read).collect()
}

/// Reads `--log`, `--log-level` and `--explain`. The wire view goes to standard error, like the lines of the log whose
/// place it takes. Standard output holds the setup link and the example's token, which the view must never show.
pub(super) fn style(line: &CommandLine) -> Result<Style, CliError> {
    let chosen = |name| line.value(name).map(|value| value.to_ascii_lowercase());
    let form = match chosen("log").as_deref() {
        None | Some("text") => Form::Text,
        Some("json") => Form::Json,
        Some(other) => return Err(CliError::Usage(format!("--log takes text or json, not {other:?}"))),
    };
    let level = match chosen("log-level").as_deref() {
        Some("error") => Level::Error,
        Some("warn") => Level::Warn,
        None | Some("info") => Level::Info,
        Some(other) => {
            return Err(CliError::Usage(format!("--log-level takes error, warn or info, not {other:?}")));
        }
    };
    let explain = chosen("explain").unwrap_or_else(|| "no".to_owned());
    match (explain.as_str(), switch(&explain)) {
        (_, Some(false)) => Ok(Style { form, level, explains: false }),
        ("text", _) | (_, Some(true)) => Ok(Style { form, level, explains: true }),
        ("json", _) => Ok(Style { form: Form::Json, level, explains: true }),
        _ => Err(CliError::Usage(format!(
            "--explain takes no form but json, so write --explain or --explain=json, not {explain:?}"
        ))),
    }
}

/// Builds what asks the other authorization server about tokens, if the options name one. All four options are
/// needed, or none: with a part of them the server would start as its own authorization server, which the operator
/// didn't want.
fn introspector(line: &CommandLine, connections_max: usize) -> Result<Option<Introspector>, CliError> {
    let names = ["authorization-server", "introspection-url", "introspection-id", "introspection-secret"];
    let values = names.map(|name| line.value(name));
    let [Some(issuer), Some(url), Some(id), Some(secret)] = &values else {
        return match values.iter().position(Option::is_none).filter(|_| values.iter().any(Option::is_some)) {
            Some(missing) => Err(CliError::Usage(format!(
                "--{} is missing; another authorization server needs all of --{}",
                names[missing],
                names.join(" --")
            ))),
            None => Ok(None),
        };
    };
    if !is_issuer(issuer) {
        let usage = "--authorization-server takes an issuer identifier, https://HOST[/PATH]";
        return Err(CliError::Usage(usage.to_owned()));
    }
    let usage = "--introspection-url takes http://127.0.0.1:PORT/PATH: this program speaks no TLS, so let a proxy on \
                 this machine (socat, stunnel, nginx) forward that port to the https endpoint";
    let introspector = Introspector::new(issuer, url, id, secret, connections_max);
    introspector.map(Some).ok_or_else(|| CliError::Usage(usage.to_owned()))
}

/// Returns whether a text can be an issuer identifier: an https URL without query and fragment (RFC 8414 §2), or an
/// http URL of this machine. The server doesn't change the text, because clients compare it byte for byte.
fn is_issuer(text: &str) -> bool {
    let host_ends = text.find("://").and_then(|colon| Some(colon + 3 + text[colon + 3..].find('/')?));
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"".contains(&byte));
    visible && Site::parse_public(&text[..host_ends.unwrap_or(text.len())]).is_ok()
}

/// Reads an address to listen on. No name is resolved; `localhost` is the only name that is accepted.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, CliError> {
    authority::socket_address(text).ok_or_else(|| {
        CliError::Usage(format!("--listen takes ADDRESS:PORT like {LISTEN_DEFAULT}, not {text:?}"))
    })
}
