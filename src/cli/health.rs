//! `epicme health`: asks a server whether it is well. Images of containers have no curl.
//!
//! Opens no database. Invariant: the exit code is 0 only if the server has answered that it is well.

use std::net::SocketAddr;

use super::serve::{LISTEN_DEFAULT, listen_address};
use super::{CliError, CommandLine, say};
use crate::authority;
use crate::http::client::{self, Bounds, Request};
use crate::limits;
use crate::site;
use crate::stdio::reachable;

/// Asks the server at `url`, or the one that listens where `--listen` says. The request carries no secret, so the
/// address may be one of another machine.
pub(super) fn health(line: &CommandLine, url: Option<&str>) -> Result<(), CliError> {
    let address = match url {
        Some(url) => address_in(url).ok_or_else(|| {
            CliError::Usage(format!(
                "epicme health takes http://ADDRESS:PORT, since it speaks no TLS and resolves no name, not {url:?}"
            ))
        })?,
        None => listen_address(&line.value("listen").unwrap_or_else(|| LISTEN_DEFAULT.to_owned()))?,
    };
    let address = reachable(address);
    let host = address.to_string();
    let request =
        Request { address, method: "GET", host: &host, target: site::HEALTH, fields: &[], body: b"" };
    let bounds = Bounds { deadline: limits::HEALTH_WAIT_MAX, body_bytes_max: Some(limits::HEALTH_BYTES_MAX) };
    let why = match client::send(&request, bounds) {
        Ok(answer) if answer.status == 200 && answer.body.as_deref() == Ok(b"ok\n") => return say("ok"),
        Ok(answer) if answer.status == 503 => {
            "it can't use its database now, or all of its connections are taken; its log says more".to_owned()
        }
        Ok(answer) => format!("it answers {}, so it is another program or an older epicme", answer.status),
        Err(error) => error.to_string(),
    };
    Err(CliError::Failed(format!("the server at http://{address}: {why}")))
}

/// Returns the address that a URL has in place of a host name.
fn address_in(url: &str) -> Option<SocketAddr> {
    let rest = url.strip_prefix("http://")?;
    let authority = rest.strip_suffix(site::HEALTH).or(rest.strip_suffix('/')).unwrap_or(rest);
    authority::socket_address(authority)
}
