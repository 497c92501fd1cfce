//! The request body: read whole, and only when a handler wants it.
//!
//! Knows no handler and no content type. How a body's bytes are found is in `message`; here is what only a server
//! does about it: `100 Continue`, trailers, and the body that is never read.

use super::{BadRequest, Section, Source};
use crate::http::message::{self, Framing, MessageReader};
use crate::limits;

/// How far a body has been read. With it, half a body can't be taken for a whole one, and no body is read twice.
pub(super) enum State {
    Unread { framing: Framing, expects_continue: bool },
    Read,
    Failed,
}

/// A request body that is still on the connection. The server refuses before it reads: a client without a token must
/// not be able to make it buffer a body, so the handler looks at the head first and calls [`Body::read`] only
/// afterwards.
///
/// It borrows the connection's reader, so the next request can't be read while this body is still in use: the
/// compiler keeps the two in order.
pub(crate) struct Body<'r> {
    pub(super) reader: &'r mut MessageReader<Box<dyn Source>>,
    pub(super) state: State,
}

impl Body<'_> {
    /// Reads the whole body, at most `bytes_max` bytes of content; empty the second time.
    ///
    /// A client that waits for `100 Continue` is sent it first (RFC 9110 §10.1.1): curl waits a second for it before
    /// it uploads, others longer. Because it is sent here and not before, a client that the gate refuses never
    /// uploads.
    pub(crate) fn read(&mut self, bytes_max: usize) -> Result<Vec<u8>, BadRequest> {
        // Set first: each `?` below leaves with a body that was read in part.
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Read => {
                self.state = State::Read;
                Ok(Vec::new())
            }
            State::Failed => Err(BadRequest::Gone),
            State::Unread { framing, expects_continue } => {
                framing.check_announced(bytes_max)?; // before the client is asked to send it
                // Most bodies arrive together with their head. They need no deadline, and no clock is read for them.
                if !self.has_arrived_by(framing) {
                    self.reader.source().section(Section::Body);
                    // A client that has begun to send waits for nothing, and RFC 9110 §10.1.1 lets the server leave
                    // it out.
                    if expects_continue && self.reader.unused().is_empty() {
                        let written = self.reader.source().write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
                        written.map_err(|_| BadRequest::Gone)?;
                    }
                }
                let body = self.reader.read_body(framing, bytes_max)?;
                if framing == Framing::Chunked {
                    self.read_trailers()?;
                }
                self.state = State::Read;
                Ok(body)
            }
        }
    }

    /// Whether the whole body is in the buffer already, so that reading it doesn't wait for the client. Where it does
    /// wait, time passes between the gate's checks and the work, and the caller must make the checks again.
    pub(crate) fn has_arrived(&self) -> bool {
        match self.state {
            State::Read => true,
            State::Unread { framing, .. } => self.has_arrived_by(framing),
            State::Failed => false,
        }
    }

    /// Leaves the connection at the next request, if that costs no further reading: an unread body that has already
    /// arrived whole is passed over. `false` means that the connection must be closed, because the rest of the body
    /// would be taken for the next request.
    ///
    /// RFC 9112 §9.3 leaves the choice between reading the rest and closing. To read it would let a client that was
    /// refused occupy a thread with an upload. A chunked body counts as not arrived even where it has, because
    /// finding its end would mean to parse it.
    pub(crate) fn finish(&mut self) -> bool {
        match self.state {
            State::Read => true,
            State::Unread { framing: framing @ Framing::Length(length), .. }
                if self.has_arrived_by(framing) =>
            {
                self.reader.consume(length as usize); // it is no longer than the buffer, so it fits a `usize`
                self.state = State::Read;
                true
            }
            State::Unread { .. } | State::Failed => false,
        }
    }

    fn has_arrived_by(&self, framing: Framing) -> bool {
        matches!(framing, Framing::Length(length) if length <= self.reader.unused().len() as u64)
    }

    /// Reads the trailer section and drops it (RFC 9112 §7.1.2 allows that). A `Host` or `Authorization` that comes
    /// behind the body must not be added to the head: the gate's checks were made before it. The section is checked
    /// all the same, because what is taken for its end is where the next request starts.
    fn read_trailers(&mut self) -> Result<(), BadRequest> {
        loop {
            let unused = self.reader.unused();
            let mut storage = [httparse::EMPTY_HEADER; limits::FIELDS_MAX];
            match httparse::parse_headers(unused, &mut storage) {
                Ok(httparse::Status::Complete((length, _))) if length > limits::TRAILER_BYTES_MAX => {
                    return Err(BadRequest::HeadTooLarge);
                }
                Ok(httparse::Status::Complete((length, _))) => {
                    if !message::ends_lines_with_crlf(&unused[..length]) {
                        return Err(BadRequest::LineEnd);
                    }
                    self.reader.consume(length);
                    return Ok(());
                }
                // Parsed from its start after each read, unlike a head: with this limit that is little work.
                Ok(httparse::Status::Partial) if unused.len() <= limits::TRAILER_BYTES_MAX => {
                    self.reader.fill()?;
                }
                Ok(httparse::Status::Partial) => return Err(BadRequest::HeadTooLarge),
                Err(httparse::Error::TooManyHeaders) => return Err(BadRequest::TooManyFields),
                Err(_) => return Err(BadRequest::Syntax),
            }
        }
    }
}
