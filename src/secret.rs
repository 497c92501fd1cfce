//! Randomness, hashes and signatures: what a stranger must not guess or forge.
//!
//! Uses no database, no HTTP and no JSON. Invariant: a type that holds a secret has no `Debug`, `Display` or
//! `Serialize`, so it can't be logged by accident; tables hold only hashes of secrets, and the signing key.
//!
//! Three kinds of values are protected in three ways:
//!
//! - What this server draws at random (tokens, codes, cookies, client secrets) is stored as its SHA-256. That is
//!   enough, because 256 random bits can't be found by trying, however fast the hash is.
//! - What a person chooses (a password) is stored as an Argon2id hash with a salt (`passwords.rs`). People choose from
//!   few words, so a thief of the database would try those; the hash takes much time and memory, to make each try
//!   expensive.
//! - What must come back unchanged from a client (a cursor, a form token) isn't stored when it is handed out. It is
//!   signed.
//!
//! No algorithm is written here: each is a call into a crate that others have examined.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Returns `N` bytes from the kernel's generator. There is no other source of randomness in the program. A generator
/// inside the program would need a seed, and two copies of a virtual machine that was copied while it ran would draw
/// the same tokens.
///
/// The function panics if the kernel gives none: an attacker could guess any replacement, the clock for example.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes
}

/// Returns `N` random bytes as base64url text, which needs no quoting in a header or a URL.
pub(crate) fn random_text<const N: usize>() -> String {
    URL_SAFE_NO_PAD.encode(random::<N>())
}

/// Returns the SHA-256 of `bytes`. This hash is fast: right for random secrets and for comparisons, wrong for
/// passwords.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The first characters of every access token. People and programs that search repositories for secrets recognize a
/// token by it, and the log knows where to cut (`stderr::shown`). It is no part of the secret.
pub(crate) const TOKEN_PREFIX: &str = "em_at_";
/// The length of the 256 random bits after [`TOKEN_PREFIX`], in base64url.
const TOKEN_RANDOM_CHARS: usize = 43;

/// The text of an access token: just made, or presented by a client.
///
/// The token is opaque: it says nothing by itself, and all that is known of it is in the database. A signed token (a
/// JWT) would need no look-up, but it would stay good until it expires, even if the person revokes it.
///
/// The text can be hashed, to be stored or found. Only [`TokenText::reveal`] gives it back, for the one time that it
/// is shown.
pub struct TokenText(String);

impl TokenText {
    /// Makes a new token of 256 random bits. OAuth 2.1 §7.7 demands that a guess hits with a probability of at most
    /// 2^-128, and recommends 2^-160.
    pub fn generate() -> TokenText {
        TokenText(format!("{TOKEN_PREFIX}{}", random_text::<32>()))
    }

    /// Takes what a client presented; `None` when it isn't well-formed, and so can't be a token of this server. So
    /// other servers' tokens, passwords and whole files that were pasted by mistake are refused without a look-up.
    pub fn parse(presented: &[u8]) -> Option<TokenText> {
        let text = std::str::from_utf8(presented).ok()?;
        let random = text.strip_prefix(TOKEN_PREFIX)?;
        let well_formed = random.len() == TOKEN_RANDOM_CHARS
            && random.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        well_formed.then(|| TokenText(text.to_owned()))
    }

    /// Returns the SHA-256 of the token, which the database holds in the token's place. The gate finds the row by it.
    /// The time of this look-up tells an attacker nothing, because they can't choose the digest of a guess.
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }

    /// Returns the text itself, for the client or person that the token is made for. A search for this name finds
    /// every place where an access token of this server leaves the program.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Returns whether an S256 challenge was made from this PKCE verifier (RFC 7636 §4.6): the challenge is the SHA-256
/// of the verifier, in base64url. The comparison needs no constant time: the challenge went through the browser in
/// the open, and its time tells only how much of a guess's digest agrees with the challenge, which says nothing about
/// the verifier.
pub(crate) fn verifies(verifier: &str, challenge: &str) -> bool {
    URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes())) == challenge
}

/// Signs text that a client keeps for the server and can't alter: cursors, session ids, request states and form
/// tokens.
///
/// A signed text is `v1.<payload>.<HMAC-SHA256>`, both parts in base64url. It is signed and not encrypted: each
/// client can read the payload of its own texts, so nothing secret goes into it. The version in front lets a later
/// program tell a later format from this one.
///
/// The other way would be a table of what was handed out. The server would have to write it for each page of a list,
/// and delete from it the texts that no client ever brings back. The price of signing is that the server can't take
/// back a single text; so each text holds the time of its expiry or is bound to its owner. A form token works once
/// all the same, because the few that are used are stored (`src/used_forms.rs`).
pub struct Signer {
    /// The key as HMAC has it before the first byte of a text: half of what a short text takes.
    keyed: Hmac<Sha256>,
}

impl Signer {
    /// Makes a signer with `key`, which the database keeps, so that signed texts are good after a restart.
    pub fn new(key: [u8; 32]) -> Signer {
        Signer { keyed: Hmac::new_from_slice(&key).expect("HMAC takes a key of any length") }
    }

    /// Signs `payload` for one purpose: `context` names the purpose and everything that the text is bound to, such as
    /// the person. All purposes share one key, so without the context a cursor would pass for a form token, and one
    /// person's for another's.
    pub fn sign(&self, context: &[&[u8]], payload: &[u8]) -> String {
        let mac = self.mac(context, payload).finalize().into_bytes();
        format!("v1.{}.{}", URL_SAFE_NO_PAD.encode(payload), URL_SAFE_NO_PAD.encode(mac))
    }

    /// Returns the payload, if this signer signed `text` for the same `context`. The payload is returned only after
    /// the check, so a caller can't use it unverified.
    pub(crate) fn verify(&self, context: &[&[u8]], text: &str) -> Option<Vec<u8>> {
        let (payload, mac) = text.strip_prefix("v1.")?.split_once('.')?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        // In constant time. An ordinary comparison ends at the first wrong byte, and its time would let an attacker
        // find the signature of a payload of their own, byte for byte.
        self.mac(context, &payload).verify_slice(&mac).ok()?;
        Some(payload)
    }

    /// Derives a secret from `input`: the HMAC of the input, in base64url. Only a signer with the same key can make
    /// it, and the same input gives the same secret. To anyone without the key it looks random, even if they know the
    /// input.
    pub(crate) fn derive(&self, context: &[&[u8]], input: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(context, input).finalize().into_bytes())
    }

    fn mac(&self, context: &[&[u8]], payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        // The length goes before each part, so that no two lists of parts give the same bytes: without it, the parts
        // "ab" and "c" would be signed like "a" and "bc".
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
    fn check_token(presented: &str, well_formed: bool) {
        assert_eq!(TokenText::parse(presented.as_bytes()).is_some(), well_formed, "{presented:?}");
    }

    #[test]
    fn takes_only_well_formed_tokens() {
        let token = TokenText::generate();
        check_token(token.reveal(), true);
        check_token(&token.reveal()[..48], false);
        check_token(&format!("{}A", token.reveal()), false);
        check_token(&token.reveal().replace("em_at_", "em_rt_"), false);
        check_token(&token.reveal().to_uppercase(), false);
        check_token(&format!("{}+", &token.reveal()[..48]), false);
        check_token("", false);
    }

    #[test]
    fn verifies_what_it_signed_for_the_same_context_only() {
        let signer = Signer::new([7; 32]);
        let text = signer.sign(&[b"cursor", b"1"], b"payload");
        assert_eq!(signer.verify(&[b"cursor", b"1"], &text).as_deref(), Some(&b"payload"[..]));
        assert_eq!(signer.verify(&[b"cursor", b"2"], &text), None);
        assert_eq!(signer.verify(&[b"cursor1", b""], &text), None);
        assert_eq!(Signer::new([8; 32]).verify(&[b"cursor", b"1"], &text), None);
        for position in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[position] ^= 1;
            let forged = String::from_utf8(forged).expect("one bit of ASCII stays ASCII");
            assert_eq!(signer.verify(&[b"cursor", b"1"], &forged), None, "byte {position}");
        }
    }
}
