//! The answer to step 4.

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
    let token = parse(bearer(head)?).ok_or(Refusal::InvalidToken)?;
    let holder = find(hash(token))?.ok_or(Refusal::InvalidToken)?;
    if holder.expires_at <= now {
        return Err(Refusal::InvalidToken);
    }
    Ok(holder)
}

/// Returns what follows `Bearer` in the one `Authorization` field. Another scheme counts as no credentials.
pub fn bearer(head: &Head) -> Result<&[u8], Refusal> {
    let mut fields = head.fields("authorization");
    let field = fields.next().ok_or(Refusal::NoCredentials)?;
    // Of two, a proxy could check the one and this server use the other.
    if fields.next().is_some() {
        return Err(Refusal::TwoFields);
    }
    let scheme_ends = field.iter().position(|byte| *byte == b' ').unwrap_or(field.len());
    let (scheme, rest) = field.split_at(scheme_ends);
    // The name of a scheme has no case (RFC 9110 §11.1).
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Err(Refusal::NoCredentials);
    }
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    Ok(&rest[spaces..])
}

/// Returns the text of a token if it is well-formed: the prefix, and so many characters behind it.
pub fn parse(presented: &[u8]) -> Option<&str> {
    let token = str::from_utf8(presented).ok()?;
    let random = token.strip_prefix(TOKEN_PREFIX)?;
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (random.len() == TOKEN_RANDOM_CHARS && random.bytes().all(is_letter)).then_some(token)
}

/// Returns the SHA-256 of a token. The server keeps this, and never the token.
pub fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
