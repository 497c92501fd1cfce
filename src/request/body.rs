//! The request body: read whole, by its length or in chunks, and only when somebody asks for it.
//!
//! Knows what [`super`] knows. Nothing is allocated for a length that was only announced.

use super::head::Framing;
use super::{BadRequest, Incoming, Section};
use crate::limits;

pub(super) enum State {
    Unread { framing: Framing, expects_continue: bool },
    Done,
    Failed,
}

/// A request body, read only when somebody who was let in asks for it.
pub struct Body<'i> {
    pub(super) incoming: &'i mut Incoming,
    pub(super) state: State,
}

impl Body<'_> {
    /// Reads the whole body, at most `bytes_max` octets of content; empty the second time.
    ///
    /// A client that waits for it is told `100 Continue` first (RFC 9110 §10.1.1).
    pub fn read(&mut self, bytes_max: usize) -> Result<Vec<u8>, BadRequest> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Done => {
                self.state = State::Done;
                Ok(Vec::new())
            }
            State::Failed => Err(BadRequest::Gone),
            State::Unread { framing, expects_continue } => {
                if let Framing::Length(length) = framing
                    && length > bytes_max as u64
                {
                    return Err(BadRequest::BodyTooLarge);
                }
                if !self.has_arrived_by(framing) {
                    self.incoming.enter(Section::Body);
                    if expects_continue && self.incoming.unused().is_empty() {
                        let written = self.incoming.source.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
                        written.map_err(|_| BadRequest::Gone)?;
                    }
                }
                let body = match framing {
                    Framing::Length(length) => {
                        let mut body = Vec::new();
                        self.take(length, &mut body)?;
                        body
                    }
                    Framing::Chunked => self.chunks(bytes_max)?,
                };
                self.state = State::Done;
                Ok(body)
            }
        }
    }

    /// Whether the whole body is here already, so that reading it waits for nobody.
    pub fn has_arrived(&self) -> bool {
        match self.state {
            State::Done => true,
            State::Unread { framing, .. } => self.has_arrived_by(framing),
            State::Failed => false,
        }
    }

    /// Leaves the connection at the next request, if that costs no further reading: an unread body that has
    /// already arrived whole is passed over. `false` means that the connection must be closed.
    pub fn finish(&mut self) -> bool {
        match self.state {
            State::Done => true,
            State::Unread { framing: framing @ Framing::Length(length), .. }
                if self.has_arrived_by(framing) =>
            {
                self.incoming.start += length as usize;
                self.state = State::Done;
                true
            }
            State::Unread { .. } | State::Failed => false,
        }
    }

    fn has_arrived_by(&self, framing: Framing) -> bool {
        matches!(framing, Framing::Length(length) if length <= self.incoming.unused().len() as u64)
    }

    /// Moves the next `length` octets to the end of `body`, which grows only as they arrive.
    fn take(&mut self, length: u64, body: &mut Vec<u8>) -> Result<(), BadRequest> {
        let mut left = usize::try_from(length).map_err(|_| BadRequest::BodyTooLarge)?;
        loop {
            let unused = self.incoming.unused();
            let part = &unused[..left.min(unused.len())];
            body.extend_from_slice(part);
            left -= part.len();
            self.incoming.start += part.len();
            if left == 0 {
                return Ok(());
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> Result<(), BadRequest> {
        self.incoming.fill().map_err(|error| match error {
            BadRequest::HeadTimeout => BadRequest::BodyTimeout,
            other => other,
        })
    }

    /// RFC 9112 §7.1.
    fn chunks(&mut self, bytes_max: usize) -> Result<Vec<u8>, BadRequest> {
        let mut body = Vec::new();
        let mut extension_bytes = 0;
        loop {
            let line = self.line()?;
            let (size, extension) = parse_chunk_line(&line).ok_or(BadRequest::Chunk)?;
            extension_bytes += extension;
            if extension_bytes > limits::CHUNK_EXTENSION_BYTES_MAX {
                return Err(BadRequest::ExtensionTooLarge);
            }
            if size == 0 {
                self.trailers()?;
                return Ok(body);
            }
            if size > (bytes_max - body.len()) as u64 {
                return Err(BadRequest::BodyTooLarge);
            }
            self.take(size, &mut body)?;
            let mut end = Vec::new();
            self.take(2, &mut end)?;
            if end != b"\r\n" {
                return Err(BadRequest::Chunk);
            }
        }
    }

    /// The next line without its CRLF.
    fn line(&mut self) -> Result<Vec<u8>, BadRequest> {
        loop {
            let unused = self.incoming.unused();
            if let Some(end) = unused.iter().position(|octet| *octet == b'\n') {
                let line = unused[..end].strip_suffix(b"\r").ok_or(BadRequest::LineEnd)?.to_vec();
                self.incoming.start += end + 1;
                return Ok(line);
            }
            if unused.len() > limits::CHUNK_EXTENSION_BYTES_MAX + CHUNK_SIZE_DIGITS_MAX + "\r".len() {
                return Err(BadRequest::ExtensionTooLarge);
            }
            self.more()?;
        }
    }

    /// Reads the trailer section and drops it: no trailer field means anything here (RFC 9110 §6.5.1).
    fn trailers(&mut self) -> Result<(), BadRequest> {
        loop {
            let unused = self.incoming.unused();
            let mut storage = [httparse::EMPTY_HEADER; limits::FIELDS_MAX];
            match httparse::parse_headers(unused, &mut storage) {
                Ok(httparse::Status::Complete((length, _))) if length > limits::TRAILER_BYTES_MAX => {
                    return Err(BadRequest::HeadTooLarge);
                }
                Ok(httparse::Status::Complete((length, _))) => {
                    if unused[..length]
                        .split(|octet| *octet == b'\n')
                        .rev()
                        .skip(1)
                        .any(|l| !l.ends_with(b"\r"))
                    {
                        return Err(BadRequest::LineEnd);
                    }
                    self.incoming.start += length;
                    return Ok(());
                }
                Ok(httparse::Status::Partial) if unused.len() <= limits::TRAILER_BYTES_MAX => self.more()?,
                Ok(httparse::Status::Partial) => return Err(BadRequest::HeadTooLarge),
                Err(httparse::Error::TooManyHeaders) => return Err(BadRequest::TooManyFields),
                Err(_) => return Err(BadRequest::Syntax),
            }
        }
    }
}

/// As many as a `u64` has; the whole line is refused past this and the extension's own limit.
const CHUNK_SIZE_DIGITS_MAX: usize = 16;

/// Size and octets of extension of a chunk-size line. Stricter than the grammar: no white space behind the
/// size, since receivers differ over it.
pub(crate) fn parse_chunk_line(line: &[u8]) -> Option<(u64, usize)> {
    let digits = line.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
    let (size, extension) = line.split_at(digits);
    if !(1..=CHUNK_SIZE_DIGITS_MAX).contains(&digits) {
        return None;
    }
    let visible = |octet: &u8| octet.is_ascii_graphic() || matches!(octet, b' ' | b'\t');
    let extension_fits = extension.is_empty() || extension[0] == b';' && extension.iter().all(visible);
    let size = u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
    extension_fits.then_some((size, extension.len()))
}
