//! The answer to step 2.

use std::io::Read;

use crate::{BadRequest, FIELDS_MAX, HEAD_BYTES_MAX, Head, READ_BYTES};

/// Reads a head, however many reads its bytes take. Keeps no more than the limit and what one read brings.
pub fn read_head(stream: &mut impl Read) -> Result<Head, BadRequest> {
    let mut bytes = Vec::new();
    let mut piece = [0; READ_BYTES];
    loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err(BadRequest::Gone);
        }
        bytes.extend_from_slice(&piece[..count]);
        if let Some(head) = parse(&bytes)? {
            return Ok(head);
        }
        if bytes.len() > HEAD_BYTES_MAX {
            return Err(BadRequest::HeadTooLarge);
        }
    }
}

/// Parses the head at the beginning of `bytes`. `None`: it isn't whole yet.
pub fn parse(bytes: &[u8]) -> Result<Option<Head>, BadRequest> {
    let mut storage = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut storage);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(BadRequest::HeadTooLarge),
        Err(_) => return Err(BadRequest::Syntax),
    };
    let (Some(method), Some(target)) = (request.method, request.path) else { return Err(BadRequest::Syntax) };
    let fields = request.headers.iter().map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec()));
    Ok(Some(Head {
        method: method.to_owned(),
        target: target.to_owned(),
        fields: fields.collect(),
        rest: bytes[length..].to_vec(),
    }))
}
