//! Your part of step 4.
#![allow(unused, reason = "until it is written")]

use std::time::SystemTime;

use sha2::{Digest, Sha256};
use step_2::Head;
use step_3::Refusal;

use crate::{Holder, TOKEN_PREFIX, TOKEN_RANDOM_CHARS};

/// The gate: returns for whom the token of a request was made, or why the request is refused. `find` looks a token up
/// by its hash. The body isn't here, so it can't be read too early.
pub fn admit(
    head: &Head,
    now: SystemTime,
    find: impl FnOnce([u8; 32]) -> Result<Option<Holder>, Refusal>,
) -> Result<Holder, Refusal> {
    todo!("step 4: write `admit` in step-4/src/yours.rs")
}

/// Returns what follows `Bearer` in the one `Authorization` field. Another scheme counts as no credentials.
pub fn bearer(head: &Head) -> Result<&[u8], Refusal> {
    todo!("step 4: write `bearer` in step-4/src/yours.rs")
}

/// Returns the text of a token if it is well-formed: the prefix, and so many characters behind it.
pub fn parse(presented: &[u8]) -> Option<&str> {
    todo!("step 4: write `parse` in step-4/src/yours.rs")
}

/// Returns the SHA-256 of a token. The server keeps this, and never the token.
pub fn hash(token: &str) -> [u8; 32] {
    todo!("step 4: write `hash` in step-4/src/yours.rs")
}
