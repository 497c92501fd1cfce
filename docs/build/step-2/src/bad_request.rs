//! Why a request can't be read.

use std::io;

use crate::Response;

/// The reasons. Each names a cause; [`BadRequest::response`] has its status and its words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadRequest {
    /// Not a request line, or not header fields.
    Syntax,
    /// More than [`crate::HEAD_BYTES_MAX`] bytes, or more than [`crate::FIELDS_MAX`] fields.
    HeadTooLarge,
    /// The connection ended, or broke, before the request was whole.
    Gone,
    /// The time was over. Step 5 needs it.
    TooSlow,
    /// `Content-Length` isn't a number. Step 6 needs this and the next three.
    LengthMalformed,
    /// More than one `Content-Length`.
    LengthRepeated,
    /// A `Transfer-Encoding`, of which this server knows none.
    Coding,
    /// A body that is larger than its limit.
    BodyTooLarge,
}

impl BadRequest {
    /// Builds the response. Nothing of the request is in it.
    pub fn response(self) -> Response {
        let (status, words) = match self {
            BadRequest::Syntax => (400, "the request line or a header field is malformed"),
            BadRequest::HeadTooLarge => (431, "the header section is too large"),
            BadRequest::Gone => (400, "the request ended too early"),
            BadRequest::TooSlow => (408, "the request took too long"),
            BadRequest::LengthMalformed => (400, "Content-Length is not a number"),
            BadRequest::LengthRepeated => (400, "Content-Length is there more than once"),
            BadRequest::Coding => (501, "Transfer-Encoding is not known here"),
            BadRequest::BodyTooLarge => (413, "the body is too large"),
        };
        Response::text(status, words)
    }
}

/// So that `?` behind a `read` says what happened.
impl From<io::Error> for BadRequest {
    fn from(error: io::Error) -> BadRequest {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => BadRequest::TooSlow,
            _ => BadRequest::Gone,
        }
    }
}
