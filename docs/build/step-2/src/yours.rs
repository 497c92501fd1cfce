//! Your part of step 2.
#![allow(unused, reason = "until it is written")]

use std::io::Read;

use crate::{BadRequest, FIELDS_MAX, HEAD_BYTES_MAX, Head, READ_BYTES};

/// Reads a head, however many reads its bytes take. Keeps no more than the limit and what one read brings.
pub fn read_head(stream: &mut impl Read) -> Result<Head, BadRequest> {
    todo!("step 2: write `read_head` in step-2/src/yours.rs")
}

/// Parses the head at the beginning of `bytes`. `None`: it isn't whole yet.
pub fn parse(bytes: &[u8]) -> Result<Option<Head>, BadRequest> {
    todo!("step 2: write `parse` in step-2/src/yours.rs")
}
