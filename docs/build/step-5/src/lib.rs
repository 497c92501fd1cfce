//! Step 5: a thread for each connection, and a deadline for each wait.

pub mod answer;
mod app;
mod place;
pub mod yours;

#[cfg(feature = "answer")]
pub use answer as chosen;
#[cfg(not(feature = "answer"))]
pub use yours as chosen;

pub use app::App;
pub use place::Place;

use std::time::Duration;

/// A whole head must come within this; past it the response is 408.
pub const HEAD_TIME: Duration = Duration::from_secs(2);
/// A write waits this long for the client; past it the connection is closed.
pub const WRITE_TIME: Duration = Duration::from_secs(2);
/// Connections that are served at once; past it the response is 503.
pub const CONNECTIONS_MAX: usize = 100;
