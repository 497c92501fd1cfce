//! `epicme status`: what a database holds and how it is kept, for the operator.
//!
//! Changes nothing, and reads the databases of earlier versions too, as far as they have what is asked for. Names no
//! person, and shows no token.

use std::path::Path;

use super::{CliError, CommandLine, say};
use crate::backup::Contents;
use crate::mcp::version::ProtocolVersion;
use crate::settings;
use crate::site;
use crate::store::{self, Store, StoreError, VERSION};

/// Prints a line for each fact.
pub(super) fn status(line: &CommandLine) -> Result<(), CliError> {
    let path = line.database();
    // Before this process opens the database: see `store::is_served`.
    let is_served = store::is_served(&path);
    let store = line.existing(Store::open_to_copy)?;
    let (version, contents) = store.look_up(|connection| {
        let version = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
        Ok::<_, StoreError>((version, Contents::of(connection)?))
    })?;
    let audience = settings::audience(&store)?;
    let tokens = if settings::has_external_issuer(&store)? {
        "come from another authorization server".to_owned()
    } else if audience == site::LOOPBACK {
        "for this machine's own names".to_owned()
    } else {
        format!("for {audience}")
    };
    let (bytes, log_bytes) = store::sizes(store.path());
    for (name, value) in [
        ("Program", format!("epicme {}", env!("CARGO_PKG_VERSION"))),
        ("Database", store.path().display().to_string()),
        ("Schema", version_of(version)),
        ("Holds", contents.to_string()),
        ("Size", format!("{}, and {} in its write-ahead log", size(bytes), size(log_bytes))),
        ("Backup", last_backup(&store)?),
        ("Server", if is_served { "is running, or a restore" } else { "is not running" }.to_owned()),
        ("Tokens", tokens),
        ("MCP", ProtocolVersion::names(&ProtocolVersion::EVERY).join(" ")),
    ] {
        say(&format!("{name:9} {value}"))?;
    }
    Ok(())
}

fn version_of(version: i64) -> String {
    if version < VERSION {
        format!("{version}; epicme serve brings it to {VERSION}")
    } else {
        version.to_string()
    }
}

/// Says when the last backup was made, and whether it is still there.
fn last_backup(store: &Store) -> Result<String, CliError> {
    let Some(backup) = settings::last_backup(store)? else {
        return Ok("none that this database knows of".to_owned());
    };
    let path = backup.split_once(' ').map_or("", |(_, path)| path);
    let is_there = Path::new(path).exists();
    Ok(if is_there { backup } else { format!("{backup}, where it isn't any more") })
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
