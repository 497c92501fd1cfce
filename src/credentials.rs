//! What may become an email address and a password of this server.
//!
//! Stores nothing and hashes nothing. Invariant: a password that was set before is never judged here, so a stricter
//! rule shuts nobody out.

use std::error::Error;
use std::fmt;

use crate::limits;

/// Why a person can't be added or a password can't be set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BadCredential {
    /// Not an email address.
    Email,
    /// Shorter than so many characters: see [`password_chars_min`].
    PasswordShort(usize),
    /// Longer than [`limits::PASSWORD_BYTES_MAX`] bytes.
    PasswordLong,
    /// Has a control character or a byte-order mark.
    PasswordUntypable,
    /// One of those that most people choose.
    PasswordCommon,
    /// The email address, or made of it.
    PasswordOfEmail,
}

impl fmt::Display for BadCredential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadCredential::Email => {
                out.write_str("That is not an email address; it must look like ada@example.com.")
            }
            BadCredential::PasswordShort(chars_min) => {
                write!(out, "The password must have at least {chars_min} characters. Several words make a good one.")
            }
            BadCredential::PasswordLong => {
                write!(out, "The password must have at most {} bytes.", limits::PASSWORD_BYTES_MAX)
            }
            BadCredential::PasswordUntypable => out.write_str(
                "The password must not contain a control character (a line end, a tab) or a byte-order mark: no \
                 form can send it.",
            ),
            BadCredential::PasswordCommon => out.write_str(
                "That password is one of the commonest, which are tried first. Choose another one; several words make \
                 a good one.",
            ),
            BadCredential::PasswordOfEmail => out.write_str(
                "The password must not be made of your email address. Choose another one; several words make a good \
                 one.",
            ),
        }
    }
}

impl Error for BadCredential {}

/// Checks that `text` can be an email address: something on both sides of one `@`, visible ASCII only.
///
/// The address is a name to sign in with, and this server sends no mail. So this function doesn't check whether mail
/// arrives, and RFC 5321's grammar, which allows quoted blanks and comments, would mostly let through what a person
/// has mistyped. Outside of ASCII two addresses can look the same and be different people.
pub(crate) fn check_email(text: &str) -> Result<(), BadCredential> {
    let sides = text.split_once('@').filter(|(left, right)| !left.is_empty() && !right.is_empty());
    let one_at = sides.is_some_and(|(_, right)| !right.contains('@'));
    let fits = text.len() <= limits::EMAIL_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    if one_at && fits { Ok(()) } else { Err(BadCredential::Email) }
}

/// Returns how many characters a new password must have: more if the server has a public URL, where anybody may guess.
/// Passwords that were set before stay good.
pub(crate) fn password_chars_min(has_public_url: bool) -> usize {
    if has_public_url { limits::PUBLIC_PASSWORD_CHARS_MIN } else { limits::PASSWORD_CHARS_MIN }
}

/// The commonest passwords of lists from breaches that are long enough, in lower case; one on each line.
const COMMON: &str = include_str!("common_passwords.txt");

/// Checks that `text` can be the new password of the person with this address: that it has at least `chars_min`
/// characters and at most [`limits::PASSWORD_BYTES_MAX`] bytes, that a person can type it into a form, and that nobody
/// would guess it first.
///
/// A browser takes line ends out of the field of a password, so a password with one could be set on the command line
/// and never be given on the page. The same characters come from files and pipes without anybody's wish.
///
/// Rules about digits and signs make people write `Password1!` (NIST SP 800-63B §5.1.1.2 advises against them). The
/// same clause would have a server refuse the millions of passwords that are known from breaches. This one has the few
/// hundred that are tried first: the limits on wrong passwords let an attacker try about as many in half a day.
pub(crate) fn check_password(text: &str, email: &str, chars_min: usize) -> Result<(), BadCredential> {
    let folded = text.to_lowercase();
    match text {
        _ if text.chars().count() < chars_min => Err(BadCredential::PasswordShort(chars_min)),
        _ if COMMON.lines().any(|common| common == folded) => Err(BadCredential::PasswordCommon),
        _ if is_of_email(&folded, &email.to_ascii_lowercase()) => Err(BadCredential::PasswordOfEmail),
        _ if text.len() > limits::PASSWORD_BYTES_MAX => Err(BadCredential::PasswordLong),
        _ if text.chars().any(|character| character.is_control() || character == '\u{feff}') => {
            Err(BadCredential::PasswordUntypable)
        }
        _ => Ok(()),
    }
}

/// Returns whether a password is the address or a part of it, or little more: without its name, or without the address,
/// fewer characters are left than any password must have. Only letters and digits count, so `ada.lovelace` is in
/// `AdaLovelace1815`.
fn is_of_email(password: &str, email: &str) -> bool {
    let plain = |text: &str| text.chars().filter(|character| character.is_alphanumeric()).collect::<String>();
    let (name, domain) = email.split_once('@').unwrap_or((email, ""));
    let password = plain(password);
    let parts = [email, name, domain].map(plain);
    parts.iter().filter(|part| part.chars().count() >= limits::EMAIL_NAME_CHARS_MIN).any(|part| {
        let left = password.replace(part.as_str(), "").chars().count();
        left < password.chars().count() && left < limits::PASSWORD_CHARS_MIN
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_password_that_is_long_enough_and_none_that_is_guessed_first() {
        let ada = "Ada.Lovelace@example.com";
        for (password, chars_min, expected) in [
            ("sevenxx", 8, Err(BadCredential::PasswordShort(8))),
            ("eight xx", 8, Ok(())),
            ("elevenxxxxx", 12, Err(BadCredential::PasswordShort(12))),
            ("twelve xxxxx", 12, Ok(())),
            // Characters count, and not bytes.
            ("ééééééééééé", 12, Err(BadCredential::PasswordShort(12))),
            ("éééééé éééééé", 12, Ok(())),
            ("PassWord123!", 12, Err(BadCredential::PasswordCommon)),
            ("PassWord123!?", 12, Ok(())),
            ("Qwertyuiop123", 8, Err(BadCredential::PasswordCommon)),
            ("ada.lovelace@example.com", 12, Err(BadCredential::PasswordOfEmail)),
            ("AdaLovelace1815", 12, Err(BadCredential::PasswordOfEmail)),
            ("AdaLovelace 1815-12-10", 12, Ok(())),
            ("adalovelaceadalovelace", 12, Err(BadCredential::PasswordOfEmail)),
            ("example.com2026", 12, Err(BadCredential::PasswordOfEmail)),
            ("Lovelace of Ockham", 12, Ok(())),
            ("line\nend and more", 12, Err(BadCredential::PasswordUntypable)),
        ] {
            assert_eq!(check_password(password, ada, chars_min), expected, "{password}");
        }
        // Three letters are in too many words.
        assert_eq!(check_password("adaadaada", "ada@example.com", 8), Ok(()));
        let long = "long ".repeat(limits::PASSWORD_BYTES_MAX / 5);
        assert_eq!(check_password(&long, ada, 12), Ok(()));
        assert_eq!(check_password(&format!("{long}xxxxx"), ada, 12), Err(BadCredential::PasswordLong));
    }

    #[test]
    fn knows_each_common_password_once_folded_and_long_enough() {
        let lines: Vec<_> = COMMON.lines().collect();
        let sorted: std::collections::BTreeSet<_> = lines.iter().copied().collect();
        assert!(sorted.iter().eq(&lines) && (300..600).contains(&lines.len()), "{}", lines.len());
        for line in lines {
            assert_eq!(line, line.to_lowercase());
            assert!(line.chars().count() >= limits::PASSWORD_CHARS_MIN, "{line}");
        }
    }
}
