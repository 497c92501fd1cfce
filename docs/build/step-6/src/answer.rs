//! The answer to step 6.

use std::io::Read;

use step_2::{BadRequest, Head};

use crate::BODY_BYTES_MAX;

/// Reads the body that belongs to a head: what came with the head, and the rest from the stream.
pub fn read_body(head: &Head, stream: &mut impl Read) -> Result<Vec<u8>, BadRequest> {
    let length = body_length(head)?;
    let here = head.rest.len().min(length);
    let mut body = head.rest[..here].to_vec();
    body.resize(length, 0);
    stream.read_exact(&mut body[here..])?;
    Ok(body)
}

/// Returns how many bytes the body has. If two readers could come to two lengths, the request is refused.
pub fn body_length(head: &Head) -> Result<usize, BadRequest> {
    if head.fields("transfer-encoding").next().is_some() {
        return Err(BadRequest::Coding);
    }
    let mut fields = head.fields("content-length");
    let Some(field) = fields.next() else { return Ok(0) };
    if fields.next().is_some() {
        return Err(BadRequest::LengthRepeated);
    }
    // `parse` alone would take "+5", which other readers refuse.
    if field.is_empty() || !field.iter().all(u8::is_ascii_digit) {
        return Err(BadRequest::LengthMalformed);
    }
    // A number that is too large for `usize` is too large for a body.
    let length = str::from_utf8(field).ok().and_then(|digits| digits.parse().ok()).unwrap_or(usize::MAX);
    if length > BODY_BYTES_MAX { Err(BadRequest::BodyTooLarge) } else { Ok(length) }
}
