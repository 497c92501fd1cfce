//! What a token is, and for whom it was made.

use std::fs::File;
use std::io::{self, Read};
use std::time::SystemTime;

/// The first characters of every token, by which people and programs recognize one.
pub const TOKEN_PREFIX: &str = "em_at_";
/// The characters behind it, each a letter, a digit, `-` or `_`.
pub const TOKEN_RANDOM_CHARS: usize = 43;

/// For whom a token was made, and until when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// The person for whom the token acts.
    pub person: String,
    /// The first moment in which it is no longer good.
    pub expires_at: SystemTime,
}

/// Makes a token that can't be guessed: each of the 43 characters holds 6 random bits of the kernel.
pub fn new_token() -> io::Result<String> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut random = [0; TOKEN_RANDOM_CHARS];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let letters = random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 64)]));
    Ok(TOKEN_PREFIX.chars().chain(letters).collect())
}
