//! Reads an open event stream, one message at a time, and holds each against its revision.
//!
//! Knows no tool and no journal. A wait has one deadline: keep-alives don't lengthen it.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{PATIENCE, Reply, Wire, parse_request, read_on, schema};

/// The answer to one request, which goes on for as long as it likes.
pub struct Events {
    wire: Wire,
    sent: schema::Sent,
    body: Value,
    /// In chunks, or else until the connection ends.
    pub chunked: bool,
    /// What has been taken out of its chunks and not been read yet.
    text: String,
    over: bool,
}

impl Events {
    /// The client's address on this connection.
    pub fn client(&self) -> SocketAddr {
        self.wire.stream.local_addr().expect("an address")
    }
}

impl Wire {
    /// Reads the head of the next answer, which must be an event stream.
    #[track_caller]
    pub fn events(self) -> Events {
        self.stream().unwrap_or_else(|reply| panic!("no stream: {reply:?}"))
    }

    /// The same for an answer that may be another one, or none.
    #[track_caller]
    pub fn stream(mut self) -> Result<Events, Option<Reply>> {
        let (sent, _) = parse_request(&self.unanswered).expect("a whole request was sent");
        let reply = self.reply().ok_or(None)?;
        if reply.field("content-type") != Some("text/event-stream") {
            return Err(Some(reply));
        }
        assert_eq!(reply.status, 200);
        assert_eq!(reply.field("cache-control"), Some("no-cache, no-transform"));
        assert_eq!(reply.field("x-accel-buffering"), Some("no"));
        assert_eq!(reply.field("content-length"), None, "its end isn't known");
        let coding = reply.field("transfer-encoding");
        let chunked = coding == Some("chunked");
        assert!(chunked || coding.is_none() && reply.closes(), "how does it end? {:?}", reply.fields);
        let body = serde_json::from_slice(&sent.body).expect("a message was sent");
        Ok(Events { wire: self, sent, body, chunked, text: String::new(), over: false })
    }
}

impl Events {
    /// The next message; `None` when the stream has come to its proper end.
    #[track_caller]
    pub fn next(&mut self) -> Option<Value> {
        let start = Instant::now();
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                match event.strip_prefix("event: message\ndata: ") {
                    Some(data) => return Some(self.read(data.trim_end())),
                    None => assert_eq!(event, ":\n\n"), // a keep-alive
                }
            }
            if self.over {
                assert_eq!(self.text, "", "half an event");
                return None;
            }
            let left = PATIENCE.saturating_sub(start.elapsed());
            assert!(!left.is_zero(), "nothing came on the stream of {}", self.body);
            self.fill(left);
        }
    }

    /// The next message, which must come.
    #[track_caller]
    pub fn message(&mut self) -> Value {
        self.next().expect("the stream goes on")
    }

    /// The message that must be the last one.
    #[track_caller]
    pub fn last(&mut self) -> Value {
        let last = self.message();
        assert_eq!(self.next(), None, "behind {last}");
        last
    }

    /// Waits for a comment, before which no message may come.
    #[track_caller]
    pub fn wait_for_keep_alive(&mut self) {
        let start = Instant::now();
        while !self.text.starts_with(":\n\n") {
            assert!(!self.over && !self.text.starts_with('e'), "{}", self.text);
            let left = PATIENCE.saturating_sub(start.elapsed());
            assert!(!left.is_zero(), "no keep-alive");
            self.fill(left);
        }
    }

    /// The connection, on which the next request may follow: the stream is over.
    #[track_caller]
    pub fn into_wire(self) -> Wire {
        assert!(self.over && self.chunked && self.text.is_empty());
        self.wire
    }

    /// Our end of the connection.
    pub fn address(&self) -> SocketAddr {
        self.wire.stream.local_addr().expect("an address")
    }

    /// Says that nothing more will be written.
    pub fn finish(&mut self) {
        self.wire.finish();
    }

    #[track_caller]
    fn read(&self, data: &str) -> Value {
        assert!(!data.contains(['\n', '\r']), "more than one line: {data}");
        let event: Value = serde_json::from_str(data).expect("an event is one JSON object");
        schema::check_event(&self.sent.revision(&self.body, &event), &self.body, &event);
        event
    }

    /// Reads once more, for so long at most.
    #[track_caller]
    fn fill(&mut self, time: Duration) {
        self.unpack();
        if self.over || self.text.contains("\n\n") {
            return;
        }
        self.wire.stream.set_read_timeout(Some(time)).expect("a timeout");
        let mut part = [0; 64 * 1024];
        match read_on(&mut self.wire.stream, &mut part) {
            Ok(0) => {
                assert!(!self.chunked, "the connection ended in the middle of the stream");
                self.over = true;
            }
            Ok(count) => self.wire.unread.extend_from_slice(&part[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("the stream broke off: {error}"),
        }
        self.unpack();
    }

    /// Moves what is whole from the connection to the text.
    #[track_caller]
    fn unpack(&mut self) {
        let unread = &mut self.wire.unread;
        if !self.chunked {
            self.text += std::str::from_utf8(unread).expect("ASCII, as far as tests write it");
            return unread.clear();
        }
        while let Some(line) = unread.windows(2).position(|pair| pair == b"\r\n").filter(|_| !self.over) {
            let size = std::str::from_utf8(&unread[..line]).expect("a chunk's size");
            let end = line + 2 + usize::from_str_radix(size, 16).expect("a chunk's size");
            let Some(tail) = unread.get(end..end + 2) else { break };
            assert_eq!(tail, b"\r\n", "behind a chunk");
            self.text += std::str::from_utf8(&unread[line + 2..end]).expect("a chunk is whole UTF-8");
            self.over = end == line + 2;
            unread.drain(..end + 2);
        }
    }
}
