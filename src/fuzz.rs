//! The readers of foreign bytes, one function for each, for a fuzzer to call: libFuzzer (`tests/fuzz/`), and a
//! bounded loop in `make test` (`tests/fuzz.rs`).
//!
//! Knows no sender and no meaning of what is read. Each function checks what must hold of every input, panics where
//! it doesn't, and says whether the input was accepted: a fuzzer that is never accepted tests the first check
//! alone. The module is public because a fuzzer is another crate; the program itself uses nothing of it.
//!
//! "It doesn't panic" would be too weak a claim. Each reader stands between two programs that must understand the
//! bytes in the same way, so what is checked is that there is one understanding.

use std::convert::Infallible;
use std::io::{self, Chain, Cursor, Read, Write};
use std::net::IpAddr;

use serde_json::Value;

use crate::clock::{LAST_SECOND, Timestamp};
use crate::doctor::challenge;
use crate::http::request::{RequestReader, Section, Source};
use crate::json;
use crate::limits;
use crate::portable::{self, Output, Person, PortableEntry, PortableJournal, Reading, markdown};
use crate::proxies::Proxies;
use crate::zone::Zone;

/// Reads the requests of one connection. Their bodies are read too, because they decide where the next head starts: a
/// reader that is wrong about the end of one body takes a part of it for the next request (request smuggling).
///
/// The network may cut the bytes into any pieces, so the requests must be the same however the bytes are cut.
pub fn request_head(bytes: &[u8]) -> bool {
    let whole = requests(bytes, b"");
    let (start, end) = bytes.split_at(bytes.len() / 2);
    assert_eq!(whole, requests(start, end), "cut in half, other requests are read: {}", bytes.escape_ascii());
    !whole.is_empty()
}

/// The requests on a connection that brings these bytes with two reads, up to the first that is refused.
fn requests(first: &[u8], second: &[u8]) -> Vec<String> {
    let source = Cursor::new(first.to_vec()).chain(Cursor::new(second.to_vec()));
    let mut reader = RequestReader::new(Box::new(TwoReads(source)));
    let mut requests = Vec::new();
    while let Ok(Some(head)) = reader.next_head() {
        let (method, path) = (head.method().to_owned(), head.path().to_owned());
        assert!(path.starts_with('/') || (method.as_str(), path.as_str()) == ("OPTIONS", "*"), "{path:?}");
        // These go into the log and into responses, where a control character could begin a line of its own.
        for text in [method.as_str(), &path, head.query().unwrap_or(""), head.host().unwrap_or("")] {
            assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
        }
        let Ok(body) = reader.body(&head).read(limits::MCP_BODY_BYTES_MAX) else { break };
        requests.push(format!("{method} {path} {}", body.escape_ascii()));
    }
    requests
}

/// A connection without a socket. What is written to it is lost (the reader writes `100 Continue` by itself), and
/// it has no deadlines.
struct TwoReads(Chain<Cursor<Vec<u8>>, Cursor<Vec<u8>>>);

impl Read for TwoReads {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for TwoReads {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::sink().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Source for TwoReads {
    fn section(&mut self, _: Section) {}

    fn is_client_there(&mut self) -> bool {
        true
    }
}

/// Reads what a stranger sends as `X-Forwarded-For` and as `Forwarded`, before a proxy that is trusted adds the
/// stranger's address: to the end of the line, or as a line of its own. Whatever the stranger has sent, no other
/// address may come of it; the proxy's own may, since only the proxy can end a quote that the stranger has opened.
pub fn forwarded(bytes: &[u8]) -> bool {
    let proxies = Proxies::parse("127.0.0.1", true).expect("an address");
    let (proxy, stranger) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([203, 0, 113, 9]));
    let find = |x_forwarded_for: &[&[u8]], forwarded: &[&[u8]]| {
        let (client, _) = proxies.find(proxy, x_forwarded_for, forwarded);
        assert!(client.own().is_some(), "no limit for the sender of {}", bytes.escape_ascii());
        client.address
    };
    let appended = |own: &[u8]| [bytes, b", ", own].concat();
    let own: [&[u8]; 3] =
        [b"203.0.113.9", b"for=203.0.113.9", b"for=\"203.0.113.9:4711\";by=\"[2001:db8::1]\""];
    let to_x_forwarded_for = [find(&[&appended(own[0])], &[]), find(&[bytes, own[0]], &[])];
    assert_eq!(
        to_x_forwarded_for,
        [stranger; 2],
        "another address by X-Forwarded-For: {}",
        bytes.escape_ascii()
    );
    for own in &own[1..] {
        assert_eq!(
            find(&[], &[bytes, own]),
            stranger,
            "another address by Forwarded: {}",
            bytes.escape_ascii()
        );
        let at_the_end = find(&[], &[&appended(own)]);
        assert!([stranger, proxy].contains(&at_the_end), "another address: {}", bytes.escape_ascii());
        // Beside the other header, which the proxy passes on as it came.
        let beside = [find(&[bytes], &[own]), find(&[b"203.0.113.9"], &[bytes])];
        assert!(beside.iter().all(|found| [stranger, proxy].contains(found)), "{}", bytes.escape_ascii());
    }
    find(&[], &[&appended(own[1])]) == stranger && bytes.contains(&b'=')
}

/// Reads the challenges of a 401, as the doctor does with those of another server.
pub fn challenge(bytes: &[u8]) -> bool {
    let Some(challenges) = challenge::parse(bytes) else { return false };
    for challenge in &challenges {
        assert!(!challenge.scheme.is_empty(), "{challenges:?}");
        for parameter in &challenge.parameters {
            // The doctor looks a name up in lower case. A value without quotes must end at a comma: otherwise it
            // would swallow the next parameter.
            assert_eq!(parameter.name, parameter.name.to_ascii_lowercase(), "{challenges:?}");
            assert!(parameter.quoted || !parameter.value.contains(','), "{challenges:?}");
        }
    }
    !challenges.is_empty()
}

/// Reads a Markdown file as an entry of an import. What is exported of the entry must be the same entry again.
pub fn note(bytes: &[u8]) -> bool {
    let zone = Zone::utc();
    let reading = Reading { zone: &zone, now: Timestamp(LAST_SECOND) };
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(entry) = portable::read_note("2025-01-31.md", text, &reading) else { return false };
    let entry = PortableEntry { id: Some(1), ..entry };
    let written = markdown::text_of(&entry);
    let again = portable::read_note("another.md", &written, &reading);
    assert_eq!(again.as_ref(), Ok(&entry), "{written:?} of {text:?}");
    true
}

/// Reads a JSON text as an entry of an import, in each format that there is. What is exported of the entry must be the
/// same entry again.
pub fn import(bytes: &[u8]) -> bool {
    let zone = Zone::utc();
    let reading = Reading { zone: &zone, now: Timestamp(LAST_SECOND) };
    let Ok(value) = json::parse(bytes) else { return false };
    let entries = portable::read_entry(&value, &reading);
    for entry in &entries {
        let mut out = Cursor::new(Vec::new());
        let entries = &mut [entry.clone()].into_iter().map(Ok::<_, Infallible>);
        let person = Person { email: String::new(), time_zone: String::new() };
        let journal = PortableJournal { person, tags: Vec::new(), entries };
        portable::write(journal, reading.now, Output::Json(&mut out), &mut |_| {}).expect("memory");
        let written = json::parse(out.get_ref()).expect("JSON");
        let again = portable::read_entry(&written["entries"][0], &reading);
        assert!(again.contains(entry), "{again:?} of {entry:?}");
    }
    !entries.is_empty()
}

/// Reads a JSON text. A text that is accepted here must mean the same to other readers: a proxy may have read it
/// before.
pub fn json(bytes: &[u8]) -> bool {
    let Ok(value) = json::parse(bytes) else { return false };
    let plain: Value = serde_json::from_slice(bytes).expect("serde_json alone refuses less");
    assert_eq!(value, plain, "{}", bytes.escape_ascii());
    true
}
