//! Codes that change every half minute: TOTP (RFC 6238) with what authenticator apps take, SHA-1 and six digits.
//!
//! Reads no clock and no database: the caller brings the time, and the step of the last code. Invariant: no code is
//! taken whose step isn't later than that of the last one, so a code that somebody has seen or heard is worth nothing
//! once it was used.
//!
//! SHA-1 is broken where two texts with one digest do harm. Here it is in an HMAC with a secret key, for which that
//! means nothing, and several apps take no other.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;

use crate::clock::Timestamp;
use crate::limits;
use crate::secret;

/// How long a code lasts, in seconds.
const STEP_SECONDS: i64 = 30;
/// So many steps may the clock of the app be behind, or ahead (RFC 6238 §5.2).
const WINDOW: i64 = 1;
/// A code is a number below this.
const CODES: u32 = 1_000_000;
const DIGITS: usize = 6;
/// The letters of base32 (RFC 4648 §6): none of them looks like a digit that is among them.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// What stands in a URI as it is (RFC 3986 §2.3).
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The secret that a person's app and this server have. RFC 4226 §4 recommends 160 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TotpSecret([u8; 20]);

/// A step of time: the number of half minutes since 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Step(pub(crate) i64);

impl Step {
    pub(crate) fn at(now: Timestamp) -> Step {
        Step(now.0.div_euclid(STEP_SECONDS))
    }

    /// Returns the last step whose code is taken at this time.
    pub(crate) fn last_at(now: Timestamp) -> Step {
        Step(Step::at(now).0 + WINDOW)
    }

    /// Returns the first moment at which a code after this one can be taken.
    pub(crate) fn over_at(self) -> Timestamp {
        Timestamp(self.0.saturating_add(1 - WINDOW).saturating_mul(STEP_SECONDS))
    }
}

/// Takes what was typed for a code of an app: six digits, which apps show with a blank in the middle.
pub(crate) fn parse(typed: &str) -> Option<u32> {
    let digits: String = typed.chars().filter(|character| !character.is_whitespace()).collect();
    let is_code = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_code)
}

impl TotpSecret {
    pub(crate) fn generate() -> TotpSecret {
        TotpSecret(secret::random())
    }

    pub(crate) fn from_bytes(bytes: [u8; 20]) -> TotpSecret {
        TotpSecret(bytes)
    }

    pub(crate) fn bytes(&self) -> [u8; 20] {
        self.0
    }

    /// Reads what [`TotpSecret::field`] has written.
    pub(crate) fn parse(field: &str) -> Option<TotpSecret> {
        Some(TotpSecret(URL_SAFE_NO_PAD.decode(field).ok()?.try_into().ok()?))
    }

    /// Returns the secret as the form has it by which a person switches their factor on.
    pub(crate) fn field(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Returns the code of a step (RFC 4226 §5.3).
    fn code(&self, step: Step) -> u32 {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(&step.0.to_be_bytes());
        let digest = mac.finalize().into_bytes();
        let offset = usize::from(digest[19] & 0xf);
        let four = digest[offset..offset + 4].try_into().expect("four bytes");
        (u32::from_be_bytes(four) & 0x7fff_ffff) % CODES
    }

    /// Returns the step whose code was typed, if it is one of those around this time, and later than the last one that
    /// was taken. The caller stores it as the last one.
    ///
    /// All codes are computed and compared as numbers, whether one is right or not, so the time of this says nothing.
    pub(crate) fn accept(&self, typed: u32, now: Timestamp, last: Option<Step>) -> Option<Step> {
        let steps = (-WINDOW..=WINDOW).map(|ahead| Step(Step::at(now).0 + ahead));
        steps.fold(None, |found, step| {
            let is_it = self.code(step) == typed && last.is_none_or(|last| step > last);
            if is_it { Some(step) } else { found }
        })
    }

    /// Returns the secret as a person types it into their app: base32, in groups of four.
    pub(crate) fn groups(&self) -> String {
        grouped(&base32(&self.0), ' ')
    }

    /// Returns the URI that apps read from a QR code. The issuer stands in it twice, since some apps read one place and
    /// some the other.
    pub(crate) fn uri(&self, issuer: &str, account: &str) -> String {
        let [issuer, account] = [issuer, account].map(|text| utf8_percent_encode(text, QUOTED).to_string());
        format!("otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}", base32(&self.0))
    }
}

/// Makes recovery codes of 80 bits each, in groups of four letters and digits. The same seed gives the same codes, and
/// to anyone without it they look random.
pub(crate) fn recovery_codes(seed: &str) -> Vec<String> {
    let code = |number: usize| {
        let digest = secret::sha256(format!("{number} {seed}").as_bytes());
        grouped(&base32(&digest[..10]), '-')
    };
    (0..limits::RECOVERY_CODES).map(code).collect()
}

/// Returns the hash of a recovery code, however its letters and groups were typed. The hash is a fast one: nobody finds
/// 80 random bits by trying.
pub(crate) fn recovery_hash(typed: &str) -> [u8; 32] {
    let plain: String = typed.chars().filter(char::is_ascii_alphanumeric).collect();
    secret::sha256(plain.to_ascii_uppercase().as_bytes())
}

/// Writes whole groups of five bytes in base32.
fn base32(bytes: &[u8]) -> String {
    let letters = bytes.chunks_exact(5).flat_map(|chunk| {
        let number = chunk.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        (0..8).rev().map(move |place| char::from(BASE32[(number >> (5 * place)) as usize & 31]))
    });
    letters.collect()
}

fn grouped(text: &str, between: char) -> String {
    let mut grouped = String::new();
    for (place, letter) in text.chars().enumerate() {
        if place > 0 && place % 4 == 0 {
            grouped.push(between);
        }
        grouped.push(letter);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of RFC 6238's test vectors.
    const SECRET: TotpSecret = TotpSecret(*b"12345678901234567890");

    #[test]
    fn computes_the_codes_of_rfc_6238() {
        for (seconds, code) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130_u32),
        ] {
            assert_eq!(SECRET.code(Step::at(Timestamp(seconds))), code % CODES, "{seconds}");
        }
    }

    #[test]
    fn takes_the_code_of_the_step_before_and_after_and_no_other() {
        let now = Timestamp(1_111_111_111);
        let step = Step::at(now);
        for ahead in -4..=4 {
            let there = Step(step.0 + ahead);
            let taken = SECRET.accept(SECRET.code(there), now, None);
            assert_eq!(taken, Some(there).filter(|_| ahead.abs() <= WINDOW), "{ahead}");
        }
    }

    #[test]
    fn takes_each_code_once_and_none_before_it() {
        let now = Timestamp(1_111_111_111);
        let step = Step::at(now);
        let taken = |ahead: i64, last| SECRET.accept(SECRET.code(Step(step.0 + ahead)), now, Some(last));
        assert_eq!(taken(0, Step(step.0 - 1)), Some(step));
        assert_eq!(taken(0, step), None);
        assert_eq!(taken(-1, step), None);
        assert_eq!(taken(1, step), Some(Step(step.0 + 1)));
    }

    #[test]
    fn takes_codes_again_once_a_clock_that_went_back_has_come_up() {
        let now = Timestamp(1_111_111_111);
        let last = Step::last_at(now);
        let back = now.plus(-3600);
        let code_at = |at| SECRET.code(Step::at(at));
        assert_eq!(SECRET.accept(code_at(back), back, Some(last)), None, "it may have been used before");
        let over = last.over_at();
        assert_eq!(SECRET.accept(SECRET.code(Step::last_at(over)), over, Some(last)), Some(Step(last.0 + 1)));
        let before = over.plus(-1);
        assert_eq!(SECRET.accept(SECRET.code(Step::last_at(before)), before, Some(last)), None);
    }

    #[test]
    fn reads_six_digits_with_blanks_and_nothing_else() {
        for (typed, code) in
            [("012345", Some(12_345)), (" 012 345\n", Some(12_345)), ("999999", Some(999_999))]
        {
            assert_eq!(parse(typed), code, "{typed:?}");
        }
        for typed in
            ["", "12345", "1234567", "12345a", "+12345", "-12345", "１２３４５６", "12.345", "1234 5"]
        {
            assert_eq!(parse(typed), None, "{typed:?}");
        }
    }

    #[test]
    fn writes_the_secret_as_apps_read_it() {
        assert_eq!(SECRET.groups(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert_eq!(
            SECRET.uri("epicme a.example", "ada+1@example.com"),
            "otpauth://totp/epicme%20a.example:ada%2B1%40example.com\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=epicme%20a.example"
        );
        assert!(TotpSecret::parse(&SECRET.field()) == Some(SECRET) && TotpSecret::parse("x").is_none());
    }

    #[test]
    fn knows_a_recovery_code_however_it_was_typed() {
        let codes = recovery_codes("a seed");
        assert!(codes == recovery_codes("a seed") && codes[0] != recovery_codes("another")[0]);
        let code = &codes[0];
        assert_eq!(code.len(), "ABCD-EFGH-IJKL-MNOP".len());
        let typed = [code.to_lowercase(), code.replace('-', ""), format!(" {} ", code.replace('-', " "))];
        for typed in typed {
            assert_eq!(recovery_hash(&typed), recovery_hash(code), "{typed}");
        }
        let hashes: std::collections::BTreeSet<_> = codes.iter().map(|code| recovery_hash(code)).collect();
        assert_eq!(hashes.len(), limits::RECOVERY_CODES);
    }
}
