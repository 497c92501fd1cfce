//! Your part of step 6.
#![allow(unused, reason = "until it is written")]

use std::io::Read;

use step_2::{BadRequest, Head};

use crate::BODY_BYTES_MAX;

/// Reads the body that belongs to a head: what came with the head, and the rest from the stream.
pub fn read_body(head: &Head, stream: &mut impl Read) -> Result<Vec<u8>, BadRequest> {
    todo!("step 6: write `read_body` in step-6/src/yours.rs")
}

/// Returns how many bytes the body has. If two readers could come to two lengths, the request is refused.
pub fn body_length(head: &Head) -> Result<usize, BadRequest> {
    todo!("step 6: write `body_length` in step-6/src/yours.rs")
}
