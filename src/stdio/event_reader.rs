//! Parts of an event stream → the data of each event (HTML §9.2.6).
//!
//! Reads no JSON. It ignores what the server never sends: names of events other than `message`, ids, and line ends
//! that are a carriage return alone.

use crate::limits;

/// Gathers an event from parts that may end in the middle of a line.
#[derive(Default)]
pub(crate) struct EventReader {
    line: Vec<u8>,
    data: Vec<u8>,
}

impl EventReader {
    /// Takes the next part, and calls `each` with the data of each event that it ends. Returns `false` if an event is
    /// larger than [`limits::STDIO_MESSAGE_BYTES_MAX`].
    pub(crate) fn take(&mut self, part: &[u8], each: &mut dyn FnMut(&[u8])) -> bool {
        for piece in part.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + self.data.len() + piece.len() > limits::STDIO_MESSAGE_BYTES_MAX {
                return false;
            }
            self.line.extend_from_slice(piece);
            if !piece.ends_with(b"\n") {
                continue;
            }
            let line = self.line.trim_ascii_end();
            if line.is_empty() {
                if !self.data.is_empty() {
                    each(&self.data);
                }
                self.data.clear();
            } else if let Some(data) = line.strip_prefix(b"data:") {
                self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
            }
            self.line.clear();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_event_wherever_the_parts_end() {
        let stream = b"event: message\ndata: {\"a\":1}\n\n:\n\ndata:{\r\ndata: }\r\n\r\nid: 3\n\ndata: cut";
        for size in [1, 7, 1000] {
            let (mut reader, mut events) = (EventReader::default(), Vec::new());
            for part in stream.chunks(size) {
                let each = &mut |data: &[u8]| events.push(String::from_utf8(data.to_vec()).expect("ASCII"));
                assert!(reader.take(part, each));
            }
            assert_eq!(events, ["{\"a\":1}", "{}"]);
        }
    }

    #[test]
    fn keeps_no_event_that_is_too_large() {
        let mut reader = EventReader::default();
        let part = vec![b'x'; limits::STDIO_MESSAGE_BYTES_MAX];
        assert!(reader.take(&part, &mut |_| ()));
        assert!(!reader.take(b"x", &mut |_| ()));
    }
}
