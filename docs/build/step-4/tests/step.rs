//! When step 4 is right.

use std::time::{Duration, SystemTime};

use step_2::Head;
use step_3::Refusal;
use step_4::chosen::{admit, bearer, hash, parse};
use step_4::{Holder, new_token};

const TOKEN: &str = "em_at_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklm0-_9";

/// A request with these values of `Authorization`.
fn head(values: &[&str]) -> Head {
    let fields = values.iter().map(|value| ("authorization".to_owned(), value.as_bytes().to_vec()));
    Head { method: "POST".to_owned(), target: "/mcp".to_owned(), fields: fields.collect(), rest: Vec::new() }
}

fn holder() -> Holder {
    Holder {
        person: "ada@example.com".to_owned(),
        expires_at: SystemTime::UNIX_EPOCH + Duration::from_secs(100),
    }
}

/// Sends a request at a time, in seconds, to a gate that knows one token.
fn admit_at(seconds: u64, values: &[&str]) -> Result<Holder, Refusal> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    admit(&head(values), now, |presented| Ok((presented == hash(TOKEN)).then(holder)))
}

#[test]
fn hashes_with_sha_256() {
    let hex: String = hash("abc").iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); // of FIPS 180-4
}

#[test]
fn takes_well_formed_tokens_alone() {
    assert_eq!(parse(TOKEN.as_bytes()), Some(TOKEN));
    let new = new_token().expect("randomness");
    assert_eq!(parse(new.as_bytes()), Some(new.as_str()));
    let (short, long) = (&TOKEN[..48], format!("{TOKEN}x"));
    for bad in ["", "em_at_", short, &long, &TOKEN.to_uppercase(), &TOKEN.replace('-', "+")] {
        assert_eq!(parse(bad.as_bytes()), None, "{bad}");
    }
    assert_eq!(parse(b"em_at_\xff"), None);
}

#[test]
fn finds_the_token_in_the_field() {
    for value in ["Bearer abc", "bearer abc", "BEARER  abc"] {
        assert_eq!(bearer(&head(&[value])), Ok(&b"abc"[..]), "{value}");
    }
    assert_eq!(bearer(&head(&["Bearer"])), Ok(&b""[..]), "`Bearer` without a space has an empty token");
}

#[test]
fn takes_another_scheme_for_no_credentials() {
    for values in [&[][..], &[""], &["Basic abc"], &["Bearerabc"]] {
        assert_eq!(bearer(&head(values)), Err(Refusal::NoCredentials), "{values:?}");
    }
}

#[test]
fn refuses_two_fields_even_if_they_agree() {
    assert_eq!(bearer(&head(&["Bearer abc", "Bearer abc"])), Err(Refusal::TwoFields));
    assert_eq!(bearer(&head(&["Basic abc", "Bearer abc"])), Err(Refusal::TwoFields));
}

#[test]
fn admits_the_holder_of_a_token() {
    assert_eq!(admit_at(99, &[&format!("Bearer {TOKEN}")]), Ok(holder()));
}

#[test]
fn refuses_an_unknown_token() {
    assert_eq!(admit_at(99, &[&format!("Bearer {}", TOKEN.replace('0', "1"))]), Err(Refusal::InvalidToken));
    assert_eq!(admit_at(99, &[]), Err(Refusal::NoCredentials));
}

#[test]
fn refuses_an_expired_token_from_its_last_second_on() {
    assert_eq!(admit_at(100, &[&format!("Bearer {TOKEN}")]), Err(Refusal::InvalidToken));
}

#[test]
fn looks_up_only_what_may_be_a_token() {
    let looked_up = |value: &str| {
        let mut looked_up = false;
        let found = admit(&head(&[value]), SystemTime::UNIX_EPOCH, |_| {
            looked_up = true;
            Ok(None)
        });
        assert_eq!(found, Err(Refusal::InvalidToken));
        looked_up
    };
    assert!(looked_up(&format!("Bearer {TOKEN}")));
    assert!(!looked_up("Bearer em_at_half"));
}

#[test]
fn never_guesses_when_the_look_up_fails() {
    let found =
        admit(&head(&[&format!("Bearer {TOKEN}")]), SystemTime::UNIX_EPOCH, |_| Err(Refusal::NoLookUp));
    assert_eq!(found, Err(Refusal::NoLookUp));
}
