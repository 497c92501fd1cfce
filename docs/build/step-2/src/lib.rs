//! Step 2: the head of a request, by httparse, within a limit.

pub mod answer;
mod bad_request;
mod head;
mod response;
pub mod yours;

#[cfg(feature = "answer")]
pub use answer as chosen;
#[cfg(not(feature = "answer"))]
pub use yours as chosen;

pub use bad_request::BadRequest;
pub use head::Head;
pub use response::Response;

/// Bytes of one head; past it the response is 431.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Header fields of one head; past it likewise.
pub const FIELDS_MAX: usize = 100;
/// Bytes that one read takes at most.
pub const READ_BYTES: usize = 2048;
