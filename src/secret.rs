//! Randomness, hashes, seals and passwords: what a stranger must not guess or forge.
//!
//! Knows nothing of tables, HTTP or JSON. Invariant: a type that holds a secret has no `Debug`,
//! `Display` or `Serialize`, so it can't be logged by accident; tables hold hashes only.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// `N` octets from the kernel's generator.
pub fn random<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).expect("the kernel gives random octets");
    octets
}

/// Random text of `N` octets' strength in base64url, which needs no quoting in a header or a URL.
pub fn random_text<const N: usize>() -> String {
    URL_SAFE_NO_PAD.encode(random::<N>())
}

/// SHA-256 of `octets`.
pub fn sha256(octets: &[u8]) -> [u8; 32] {
    Sha256::digest(octets).into()
}

/// Where the text of every access token begins, so that people and secret scanners know one when they see it.
pub const TOKEN_PREFIX: &str = "em_at_";
/// base64url characters of the 256 random bits behind [`TOKEN_PREFIX`].
const TOKEN_RANDOM_CHARS: usize = 43;

/// The text of an access token: just made, or presented by a client.
///
/// It can be hashed, to be stored or found; only [`TokenText::reveal`], for the one time it is shown,
/// gives it back.
pub struct TokenText(String);

impl TokenText {
    /// A new token of 256 random bits (OAuth 2.1 §7.7 asks for 128 at least).
    pub fn generate() -> TokenText {
        TokenText(format!("{TOKEN_PREFIX}{}", random_text::<32>()))
    }

    /// Takes what a client presented; `None` when it doesn't have the form of our tokens.
    pub fn parse(presented: &[u8]) -> Option<TokenText> {
        let text = std::str::from_utf8(presented).ok()?;
        let random = text.strip_prefix(TOKEN_PREFIX)?;
        let well_formed = random.len() == TOKEN_RANDOM_CHARS
            && random.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        well_formed.then(|| TokenText(text.to_owned()))
    }

    /// What the database holds in the token's place. A fast hash is enough: 256 random bits can't be
    /// guessed from their digest, unlike a password.
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }

    /// The text itself, to be shown once to the person who asked for it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// A password as Argon2id in PHC form, with a fresh salt.
pub fn hash_password(password: &str) -> String {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.expect("a password within PASSWORD_BYTES_MAX can be hashed").to_string()
}

/// Whether `password` is the one behind `hash`, a PHC string; a damaged hash matches nothing.
pub fn verify_password(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
}

/// Whether a PKCE verifier is the one behind an S256 challenge (RFC 7636 §4.6). Neither is a secret of ours, and the
/// digest of a guess tells nothing of the right one: the comparison needs no constant time.
pub fn verifies(verifier: &str, challenge: &str) -> bool {
    URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes())) == challenge
}

/// Makes text that a client carries for us and can't alter: cursors and session ids.
///
/// A sealed text is `v1.<payload>.<HMAC-SHA256>`, both parts in base64url. The payload can be read by
/// whoever holds it, so nothing secret goes in.
pub struct Seal {
    key: [u8; 32],
}

impl Seal {
    /// A seal by `key`, which the database keeps so that sealed texts survive a restart.
    pub fn new(key: [u8; 32]) -> Seal {
        Seal { key }
    }

    /// Seals `payload` for one purpose: `context` names it and all that the text is bound to.
    pub fn seal(&self, context: &[&[u8]], payload: &[u8]) -> String {
        let mac = self.mac(context, payload).finalize().into_bytes();
        format!("v1.{}.{}", URL_SAFE_NO_PAD.encode(payload), URL_SAFE_NO_PAD.encode(mac))
    }

    /// The payload, if `text` was sealed by us for the same `context`.
    pub fn open(&self, context: &[&[u8]], text: &str) -> Option<Vec<u8>> {
        let (payload, mac) = text.strip_prefix("v1.")?.split_once('.')?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        self.mac(context, &payload).verify_slice(&mac).ok()?; // in constant time
        Some(payload)
    }

    /// A secret that only this seal can make, and makes again: HMAC of `input`, in base64url.
    pub fn derive(&self, context: &[&[u8]], input: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(context, input).finalize().into_bytes())
    }

    fn mac(&self, context: &[&[u8]], payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        // Each part goes behind its length, so that no two lists of parts run together to the same octets.
        for part in context.iter().chain([&payload]) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_form(presented: &str, well_formed: bool) {
        assert_eq!(TokenText::parse(presented.as_bytes()).is_some(), well_formed, "{presented:?}");
    }

    #[test]
    fn takes_only_the_form_of_its_own_tokens() {
        let token = TokenText::generate();
        check_form(token.reveal(), true);
        check_form(&token.reveal()[..48], false);
        check_form(&format!("{}A", token.reveal()), false);
        check_form(&token.reveal().replace("em_at_", "em_rt_"), false);
        check_form(&token.reveal().to_uppercase(), false);
        check_form(&format!("{}+", &token.reveal()[..48]), false);
        check_form("", false);
    }

    #[test]
    fn opens_what_it_sealed_for_the_same_context_only() {
        let seal = Seal::new([7; 32]);
        let text = seal.seal(&[b"cursor", b"1"], b"payload");
        assert_eq!(seal.open(&[b"cursor", b"1"], &text).as_deref(), Some(&b"payload"[..]));
        assert_eq!(seal.open(&[b"cursor", b"2"], &text), None);
        assert_eq!(seal.open(&[b"cursor1", b""], &text), None);
        assert_eq!(Seal::new([8; 32]).open(&[b"cursor", b"1"], &text), None);
        for position in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[position] ^= 1;
            let forged = String::from_utf8(forged).expect("one bit of ASCII stays ASCII");
            assert_eq!(seal.open(&[b"cursor", b"1"], &forged), None, "octet {position}");
        }
    }

    #[test]
    fn knows_a_password_from_another() {
        let hash = hash_password("correct horse");
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify_password("correct horse", &hash));
        assert!(!verify_password("correct horsf", &hash));
        assert!(!verify_password("correct horse", "not a hash"));
    }
}
