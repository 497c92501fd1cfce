//! When step 6 is right.

use step_2::{BadRequest, Head};
use step_6::BODY_BYTES_MAX;
use step_6::chosen::{body_length, read_body};

/// A head with these fields, and the bytes that came with it.
fn head(fields: &[(&str, &str)], rest: &str) -> Head {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    Head { method: "POST".to_owned(), target: "/mcp".to_owned(), fields, rest: rest.as_bytes().to_vec() }
}

#[test]
fn reads_the_length() {
    assert_eq!(body_length(&head(&[], "")), Ok(0));
    assert_eq!(body_length(&head(&[("content-length", "5")], "")), Ok(5));
    assert_eq!(body_length(&head(&[("content-length", "005")], "")), Ok(5));
}

#[test]
fn takes_digits_alone_for_a_length() {
    for value in ["", "+5", "-1", "5, 5", "0x5", "5 ", "five"] {
        let found = body_length(&head(&[("content-length", value)], ""));
        assert_eq!(found, Err(BadRequest::LengthMalformed), "{value:?}");
    }
}

#[test]
fn refuses_two_lengths_even_if_they_agree() {
    for second in ["5", "6"] {
        let two = head(&[("content-length", "5"), ("content-length", second)], "");
        assert_eq!(body_length(&two), Err(BadRequest::LengthRepeated));
    }
}

#[test]
fn refuses_a_coding_with_or_without_a_length() {
    let coded = ("transfer-encoding", "chunked");
    assert_eq!(body_length(&head(&[coded], "")), Err(BadRequest::Coding));
    assert_eq!(body_length(&head(&[("content-length", "5"), coded], "")), Err(BadRequest::Coding));
}

#[test]
fn refuses_a_large_body_before_it_comes() {
    let announced = |length: &str| read_body(&head(&[("content-length", length)], ""), &mut &b""[..]);
    assert_eq!(announced(&(BODY_BYTES_MAX + 1).to_string()), Err(BadRequest::BodyTooLarge));
    assert_eq!(announced("99999999999999999999999999"), Err(BadRequest::BodyTooLarge));
    assert_eq!(announced(&BODY_BYTES_MAX.to_string()), Err(BadRequest::Gone), "it may come, but doesn't");
}

#[test]
fn reads_a_body_wherever_it_was_cut() {
    let whole = "{\"a\":1}";
    for cut in 0..=whole.len() {
        let (here, later) = whole.split_at(cut);
        let body = read_body(&head(&[("content-length", "7")], here), &mut later.as_bytes());
        assert_eq!(body.as_deref(), Ok(whole.as_bytes()), "cut at {cut}");
    }
}

#[test]
fn reads_no_byte_behind_the_body() {
    let mut stream = &b"cdef"[..];
    assert_eq!(read_body(&head(&[("content-length", "4")], "ab"), &mut stream), Ok(b"abcd".to_vec()));
    assert_eq!(stream, b"ef");
    assert_eq!(read_body(&head(&[("content-length", "1")], "ab"), &mut stream), Ok(b"a".to_vec()));
    assert_eq!(read_body(&head(&[], "ab"), &mut stream), Ok(Vec::new()));
}

#[test]
fn never_takes_half_a_body_for_a_whole_one() {
    assert_eq!(read_body(&head(&[("content-length", "4")], "a"), &mut &b"b"[..]), Err(BadRequest::Gone));
}
