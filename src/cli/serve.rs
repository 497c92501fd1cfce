//! `epicme serve`: opens the database, binds, serves until a signal comes, closes in order.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{CliError, CommandLine, complain, demo, say};
use crate::routes::App;
use crate::server::{self, Server};
use crate::settings;
use crate::site::{self, Site};
use crate::store::Store;
use crate::trace;
use crate::users;

const LISTEN_DEFAULT: &str = "127.0.0.1:8787";

/// Serves until SIGTERM or SIGINT.
pub(super) fn serve(line: &CommandLine) -> Result<(), CliError> {
    let address = listen_address(&line.value("listen").unwrap_or_else(|| LISTEN_DEFAULT.to_owned()))?;
    let public = line.value("public-url").map(|url| Site::parse_public(&url)).transpose();
    let public = public.map_err(|bad| CliError::Usage(bad.message().to_owned()))?;
    if !address.ip().is_loopback() && public.as_ref().is_none_or(|origin| !origin.is_https()) {
        return Err(CliError::Usage(format!(
            "{address} can be reached from other machines, where tokens would travel in the clear: put an https \
             proxy in front and name it with --public-url https://HOST, or listen on 127.0.0.1"
        )));
    }
    // From here on signals are kept for us, so that none is lost between the parts of the start.
    let signals = Signals::new([SIGTERM, SIGINT]);
    let mut signals =
        signals.map_err(|error| CliError::Failed(format!("can't watch for signals: {error}")))?;

    let store = Store::open_to_serve(&line.database()).map_err(|error| line.unopened(&error))?;
    let listeners = server::bind(address).map_err(|error| {
        let hint =
            if error.kind() == io::ErrorKind::AddrInUse { "; --listen takes another port" } else { "" };
        CliError::Failed(format!("can't listen on {address}: {error}{hint}"))
    })?;
    let unbound = |error| CliError::Failed(format!("can't listen on {address}: {error}"));
    let bound = listeners[0].local_addr().map_err(unbound)?;
    let site = Site::new(bound, public);
    let seal = settings::seal(&store)?;
    settings::remember_audience(&store, site.audience())?;
    let nobody = users::list(&store)?.is_empty();
    let origin = site.origin_for(None).unwrap_or_default().to_owned();
    let server = Server::start(listeners, App { site, store, seal }).map_err(unbound)?;

    say(&format!("listening on http://{bound}"));
    match (nobody, line.flag("demo")) {
        (true, true) => demo::fill(server.app(), bound)?,
        (true, false) => say(&format!(
            "\nNobody is here yet. Add somebody, and make a token for a client:\n\n  {}\n  {}\n\nMCP URL {origin}{}",
            line.further("user add you@example.com"),
            line.further("token create you@example.com"),
            site::MCP
        )),
        (false, _) => {
            say(&format!(
                "MCP URL {origin}{}\nA token for a client: {}",
                site::MCP,
                line.further("token create EMAIL")
            ));
        }
    }

    signals.forever().next();
    complain("stopping; requests in flight may finish");
    // A second signal ends the program at once, as whoever sends it expects.
    let second = move || _ = signals.forever().next().map(|_| std::process::exit(1));
    let _ = std::thread::Builder::new().spawn(second); // without a thread to spare there is only the first
    server.stop();
    server.app().store.close()?;
    trace::finish();
    Ok(())
}

/// An address to listen on. No name is ever resolved; `localhost` is the one that is known.
fn listen_address(text: &str) -> Result<SocketAddr, CliError> {
    let localhost = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let address = match localhost {
        Some(port) => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        None => text.parse().ok(),
    };
    address.ok_or_else(|| {
        CliError::Usage(format!("--listen takes ADDRESS:PORT like {LISTEN_DEFAULT}, not {text:?}"))
    })
}
