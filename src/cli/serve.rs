//! `epicme serve`: opens the database, binds, serves until a signal comes, closes in order.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{CliError, CommandLine, demo, say};
use crate::app::App;
use crate::remote::Remote;
use crate::server::{self, Server};
use crate::settings;
use crate::site::{self, Site};
use crate::store::Store;
use crate::trace::{self, View};
use crate::users;

pub(super) const LISTEN_DEFAULT: &str = "127.0.0.1:8787";

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
    let remote = remote(line)?;
    let view = view(line)?;
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
    settings::remember_elsewhere(&store, remote.is_some())?;
    let nobody = users::list(&store)?.is_empty();
    let origin = site.origin_for(None).unwrap_or_default().to_owned();
    view.into_iter().for_each(trace::watch);
    let server =
        Server::start(listeners, App::new(site, store, seal, remote, line.flag("require-confirmation")))
            .map_err(unbound)?;

    say(&format!("listening on http://{bound}"));
    let elsewhere = server.app().remote.is_some();
    match (nobody, line.flag("demo")) {
        _ if elsewhere => say(&format!(
            "MCP URL {origin}{}\nTokens come from the authorization server elsewhere.",
            site::MCP
        )),
        (true, true) => demo::fill(server.app(), bound)?,
        (true, false) => say(&format!(
            "\nNobody is here yet. Open this link once to set up your journal:\n\n  {origin}{}?code={}\n\n\
             or add somebody here, and make a token for a client:\n\n  {}\n  {}\n\nMCP URL {origin}{}",
            site::SETUP,
            server.app().setup_code,
            line.further("user add you@example.com"),
            line.further("token create you@example.com"),
            site::MCP
        )),
        (false, _) => {
            let token = line.further("token create EMAIL");
            say(&format!("MCP URL {origin}{}\nA token for a client: {token}", site::MCP));
        }
    }

    signals.forever().next();
    // A second signal ends the program at once, as whoever sends it expects.
    let second = move || _ = signals.forever().next().map(|_| std::process::exit(1));
    let _ = std::thread::Builder::new().spawn(second); // without a thread to spare there is only the first
    trace::stopping();
    server.stop();
    let closed = server.app().store.close();
    trace::finish();
    Ok(closed?)
}

/// The form in which each exchange is shown, if it is. It is standard error that shows it, like the lines of the log whose
/// place it takes: standard output holds the setup link and the example's token, which no view may show.
fn view(line: &CommandLine) -> Result<Option<View>, CliError> {
    match line.value("explain").as_deref() {
        None | Some("0" | "false") => Ok(None),
        Some("1" | "true" | "text") => Ok(Some(View::Text)),
        Some("json") => Ok(Some(View::Json)),
        Some(form) => Err(CliError::Usage(format!("--explain takes no form but json, not {form:?}"))),
    }
}

/// The authorization server elsewhere, if there is to be one.
fn remote(line: &CommandLine) -> Result<Option<Remote>, CliError> {
    let names = ["authorization-server", "introspection-url", "introspection-id", "introspection-secret"];
    let values = names.map(|name| line.value(name));
    let [Some(issuer), Some(url), Some(id), Some(secret)] = &values else {
        return match values.iter().position(Option::is_none).filter(|_| values.iter().any(Option::is_some)) {
            Some(missing) => Err(CliError::Usage(format!("--{} is missing", names[missing]))),
            None => Ok(None),
        };
    };
    if !is_issuer(issuer) {
        let form = "--authorization-server takes an issuer identifier, https://HOST[/PATH]";
        return Err(CliError::Usage(form.to_owned()));
    }
    let https = "--introspection-url takes http://127.0.0.1:PORT/PATH: this program speaks no TLS, so let a proxy on \
                 this machine (socat, stunnel, nginx) forward that port to the https endpoint";
    let remote = Remote::new(issuer, url, id, secret);
    remote.map(Some).ok_or_else(|| CliError::Usage(https.to_owned()))
}

/// RFC 8414 §2: an https URL without query and fragment; http is for this machine only. It is kept as it stands, for
/// clients compare it octet for octet.
fn is_issuer(text: &str) -> bool {
    let host_ends = text.find("://").and_then(|colon| Some(colon + 3 + text[colon + 3..].find('/')?));
    let visible = text.bytes().all(|octet| octet.is_ascii_graphic() && !b"?#\"".contains(&octet));
    visible && Site::parse_public(&text[..host_ends.unwrap_or(text.len())]).is_ok()
}

/// An address to listen on. No name is ever resolved; `localhost` is the one that is known.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, CliError> {
    let localhost = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let address = match localhost {
        Some(port) => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        None => text.parse().ok(),
    };
    address.ok_or_else(|| {
        CliError::Usage(format!("--listen takes ADDRESS:PORT like {LISTEN_DEFAULT}, not {text:?}"))
    })
}
