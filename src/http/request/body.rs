//! The request body: a handler reads it whole, or not at all.
//!
//! Knows no handler and no content type. `message` reads the bytes of a body. This file has what only a server does:
//! `100 Continue`, trailers, and what happens to a body that no handler reads.

use super::{BadRequest, Section, Source};
use crate::http::message::{self, Framing, MessageReader};
use crate::limits;

/// How far a body has been read, so that half a body isn't taken for a whole one and no body is read twice.
pub(super) enum Progress {
    Unread { framing: Framing, expects_continue: bool },
    Read,
    Failed,
}

/// A request body that is still on the connection. A handler checks the head first and calls [`Body::read`] only
/// afterwards, so that a client without a token can't make the server keep a body.
///
/// A `Body` borrows the connection's reader, so code that reads the next request while this body is in use doesn't
/// compile.
pub(crate) struct Body<'r> {
    pub(super) reader: &'r mut MessageReader<Box<dyn Source>>,
    pub(super) progress: Progress,
    /// The head has a `Content-Encoding`, see `Head::is_encoded`.
    pub(super) is_encoded: bool,
}

impl Body<'_> {
    /// Reads the whole body, of at most `bytes_max` bytes of content. A second call returns an empty body.
    ///
    /// Every handler reads its body by this function, so it is also where a content coding is refused.
    ///
    /// If the client waits for `100 Continue`, the server sends that first (RFC 9110 §10.1.1). curl waits a second
    /// for it before it uploads, other clients longer. It is sent here and not earlier, so a client that waits and
    /// that the gate refuses uploads nothing.
    pub(crate) fn read(&mut self, bytes_max: usize) -> Result<Vec<u8>, BadRequest> {
        if self.is_encoded {
            return Err(BadRequest::ContentEncoding); // before the client is asked to send it
        }
        // It is `Failed` until the end, because each `?` below leaves a body that was read in part.
        match std::mem::replace(&mut self.progress, Progress::Failed) {
            Progress::Read => {
                self.progress = Progress::Read;
                Ok(Vec::new())
            }
            Progress::Failed => Err(BadRequest::Gone),
            Progress::Unread { framing, expects_continue } => {
                framing.check_announced(bytes_max)?; // before the client is asked to send it
                // Most bodies arrive together with their head. They need no deadline, so no clock is read for them.
                if !self.has_arrived_by(framing) {
                    self.reader.source().section(Section::Body);
                    // A client that has begun to send its body isn't waiting, and RFC 9110 §10.1.1 lets the server
                    // leave `100 Continue` out.
                    if expects_continue && self.reader.unused().is_empty() {
                        let written = self.reader.source().write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
                        written.map_err(|_| BadRequest::Gone)?;
                    }
                }
                let body = self.reader.read_body(framing, bytes_max)?;
                if framing == Framing::Chunked {
                    self.read_trailers()?;
                }
                self.progress = Progress::Read;
                Ok(body)
            }
        }
    }

    /// Returns whether the whole body is already in the buffer, so that [`Body::read`] doesn't wait for the client.
    /// If it waits, time passes after the gate's checks, and the caller must make them again.
    pub(crate) fn has_arrived(&self) -> bool {
        match self.progress {
            Progress::Read => true,
            Progress::Unread { framing, .. } => self.has_arrived_by(framing),
            Progress::Failed => false,
        }
    }

    /// Returns how many bytes [`Body::read`] may keep in memory if it is called with this limit: those that the client
    /// has announced, or, if it has announced none, as many as the limit.
    pub(crate) fn bytes_at_most(&self, bytes_max: usize) -> usize {
        match self.progress {
            Progress::Unread { framing: Framing::Length(length), .. } => {
                usize::try_from(length).unwrap_or(usize::MAX).min(bytes_max)
            }
            Progress::Unread { .. } => bytes_max,
            Progress::Read | Progress::Failed => 0,
        }
    }

    /// Returns whether the client still seems to want the response; long work asks between its steps. A client that
    /// has sent its next request already is there. One that has closed its side may still read (RFC 9112 §9.6), so the
    /// server ends such work early, but answers.
    pub(crate) fn is_client_there(&mut self) -> bool {
        !self.reader.unused().is_empty() || self.reader.source().is_client_there()
    }

    /// Skips an unread body if it has already arrived whole, and returns whether the next request comes next on the
    /// connection. If not, the connection must be closed, because the rest of the body would be taken for a request.
    ///
    /// RFC 9112 §9.3 lets the server choose between reading the rest and closing. If the server read it, a client
    /// that was refused could hold a thread with an upload. A chunked body counts as not arrived even if it has,
    /// because its end is found only by parsing it.
    pub(crate) fn finish(&mut self) -> bool {
        match self.progress {
            Progress::Read => true,
            Progress::Unread { framing: framing @ Framing::Length(length), .. }
                if self.has_arrived_by(framing) =>
            {
                self.reader.consume(length as usize); // `length` is at most the buffer's, so it fits a `usize`
                self.progress = Progress::Read;
                true
            }
            Progress::Unread { .. } | Progress::Failed => false,
        }
    }

    fn has_arrived_by(&self, framing: Framing) -> bool {
        matches!(framing, Framing::Length(length) if length <= self.reader.unused().len() as u64)
    }

    /// Reads the trailer section and drops it (RFC 9112 §7.1.2 allows that). A `Host` or `Authorization` that comes
    /// after the body must not be added to the head, because the gate has already checked the head. The section is
    /// still parsed strictly, because the next request starts at its end.
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
                // The section is parsed from its start after each read, unlike a head: with this limit that is little
                // work.
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
