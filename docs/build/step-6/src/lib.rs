//! Step 6: a body, read after the gate.

pub mod answer;
mod closing;
pub mod yours;

#[cfg(feature = "answer")]
pub use answer as chosen;
#[cfg(not(feature = "answer"))]
pub use yours as chosen;

pub use closing::close_in_stages;

use std::time::Duration;

/// Bytes of one body; past it the response is 413.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// A whole body must come within this; past it the response is 408.
pub const BODY_TIME: Duration = Duration::from_secs(5);
/// Bytes that the server takes, and drops, before it closes.
pub const DRAIN_BYTES_MAX: u64 = 1024 * 1024;
/// How long it does so.
pub const DRAIN_TIME: Duration = Duration::from_secs(2);
