//! When step 2 is right.

use std::io::{self, Read};

use step_2::chosen::{parse, read_head};
use step_2::{BadRequest, FIELDS_MAX, HEAD_BYTES_MAX};

const REQUEST: &[u8] = b"POST /mcp?a=b HTTP/1.1\r\nHost: localhost\r\nX-Name: \xff 1\r\nX-Name: 2\r\n\r\n{}";

/// Gives one byte with each read, as a slow client does.
struct ByteByByte<'b>(&'b [u8]);

impl Read for ByteByByte<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let one = into.len().min(1);
        self.0.read(&mut into[..one])
    }
}

/// Gives the same letter for ever, and counts how many were taken.
struct Endless(usize);

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        assert!(self.0 < 10 * HEAD_BYTES_MAX, "nothing stops the client");
        into.fill(b'a');
        self.0 += into.len();
        Ok(into.len())
    }
}

#[test]
fn reads_a_head_that_comes_at_once() {
    let Ok(head) = read_head(&mut &REQUEST[..]) else { panic!("the head wasn't read") };
    assert_eq!((head.method.as_str(), head.target.as_str(), head.path()), ("POST", "/mcp?a=b", "/mcp"));
    assert_eq!(head.fields("host").collect::<Vec<_>>(), [b"localhost"]);
    assert_eq!(head.fields("x-name").collect::<Vec<_>>(), [&b"\xff 1"[..], b"2"]);
    assert_eq!(head.rest, b"{}");
}

#[test]
fn reads_a_head_that_comes_byte_by_byte() {
    let Ok(head) = read_head(&mut ByteByByte(REQUEST)) else { panic!("the head wasn't read") };
    assert_eq!((head.path(), head.fields.len(), head.rest.len()), ("/mcp", 3, 0));
}

#[test]
fn says_that_a_head_is_not_whole_yet() {
    assert!(matches!(parse(b""), Ok(None)));
    assert!(matches!(parse(b"GET /mcp HTTP/1.1\r\nHost: x\r\n"), Ok(None)));
    assert!(matches!(parse(b"GET /mcp HTTP/1.1\r\nHost: x\r\n\r\n"), Ok(Some(_))));
}

#[test]
fn refuses_what_is_no_head() {
    assert_eq!(read_head(&mut &b"GET /mcp\r\n\r\n"[..]).err(), Some(BadRequest::Syntax));
    assert_eq!(read_head(&mut &b"GET /mcp HTTP/1.1\r\nno colon\r\n\r\n"[..]).err(), Some(BadRequest::Syntax));
}

#[test]
fn sees_that_the_client_has_gone() {
    assert_eq!(read_head(&mut &b"GET /mcp HTTP/1.1\r\n"[..]).err(), Some(BadRequest::Gone));
}

#[test]
fn keeps_no_more_than_the_limit() {
    let mut endless = Endless(0);
    let mut request = b"GET /".chain(&mut endless);
    assert_eq!(read_head(&mut request).err(), Some(BadRequest::HeadTooLarge));
    assert!(endless.0 < 2 * HEAD_BYTES_MAX, "{} bytes were taken", endless.0);
}

#[test]
fn takes_no_more_fields_than_the_limit() {
    let request = |fields| format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(fields)).into_bytes();
    assert!(read_head(&mut &request(FIELDS_MAX)[..]).is_ok());
    assert_eq!(read_head(&mut &request(FIELDS_MAX + 1)[..]).err(), Some(BadRequest::HeadTooLarge));
}
