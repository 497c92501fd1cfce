//! When step 2 is right.

use std::io::{self, Read};

use step_2::chosen::{parse, read_head};
use step_2::{BadRequest, FIELDS_MAX, HEAD_BYTES_MAX, Head};

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

/// Says once that the client has closed its side.
struct Gone(bool);

impl Read for Gone {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        assert!(!self.0, "`read` returned 0, so nothing more comes, but it was called again");
        self.0 = true;
        Ok(0)
    }
}

/// Reads what has to be a head.
fn head_from(stream: &mut impl Read) -> Head {
    read_head(stream).unwrap_or_else(|bad| panic!("the head wasn't read: {bad:?}"))
}

/// The values of a name; what isn't ASCII is escaped.
fn values(head: &Head, name: &str) -> Vec<String> {
    head.fields(name).map(|value| value.escape_ascii().to_string()).collect()
}

#[test]
fn reads_a_head_that_comes_at_once() {
    let head = head_from(&mut &REQUEST[..]);
    assert_eq!((head.method.as_str(), head.target.as_str(), head.path()), ("POST", "/mcp?a=b", "/mcp"));
    assert_eq!(values(&head, "host"), ["localhost"], "names are kept in lower case");
    assert_eq!(values(&head, "x-name"), [r"\xff 1", "2"]);
    assert_eq!(head.rest.escape_ascii().to_string(), "{}", "what stands behind the head");
}

#[test]
fn reads_a_head_that_comes_byte_by_byte() {
    let head = head_from(&mut ByteByByte(REQUEST));
    assert_eq!((head.path(), head.fields.len()), ("/mcp", 3));
    assert_eq!(head.rest.escape_ascii().to_string(), "", "the head was whole before these bytes were read");
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
    let mut request = b"GET /mcp HTTP/1.1\r\n".chain(Gone(false));
    assert_eq!(read_head(&mut request).err(), Some(BadRequest::Gone));
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
