//! Lines of standard input → the messages in them.
//!
//! Reads no JSON but the id of a message that is too long to be taken. Invariant: a line takes no more memory than it
//! may have bytes, however long it is.

use std::io::{self, BufRead, Read};

use serde_json::Value;

use crate::json;
use crate::limits;

/// A line that isn't blank.
#[derive(PartialEq, Debug)]
pub(crate) enum Line {
    /// At most [`limits::STDIO_LINE_BYTES_MAX`] bytes, which are probably one message.
    Message(Vec<u8>),
    /// It is longer, and was passed over. The id is that of the request in it, if it was found.
    TooLong(Option<Value>),
}

/// Reads the next line that isn't blank; `None` at the end of the input. What stands behind the last line end is a line
/// too: if it is whole, it counts, and if it was cut, it is no JSON.
pub(crate) fn next_line(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    loop {
        let mut line = Vec::new();
        input.by_ref().take(limits::STDIO_LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.len() > limits::STDIO_LINE_BYTES_MAX && !line.ends_with(b"\n") {
            let mut rest = RestOfLine { input, is_over: false };
            let whole = line.as_slice().chain(rest.by_ref().take(limits::STDIO_ID_WITHIN_BYTES));
            let id = json::member(whole, "id");
            io::copy(&mut rest, &mut io::sink())?;
            return Ok(Some(Line::TooLong(id)));
        }
        let text = line.trim_ascii_end();
        if !text.is_empty() {
            line.truncate(text.len());
            return Ok(Some(Line::Message(line)));
        }
    }
}

/// Reads up to the end of the line.
struct RestOfLine<'i, I> {
    input: &'i mut I,
    is_over: bool,
}

impl<I: BufRead> Read for RestOfLine<'_, I> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.is_over {
            return Ok(0);
        }
        let arrived = self.input.fill_buf()?;
        let arrived = &arrived[..arrived.len().min(into.len())];
        let end = arrived.iter().position(|byte| *byte == b'\n');
        let count = end.unwrap_or(arrived.len());
        into[..count].copy_from_slice(&arrived[..count]);
        self.is_over = end.is_some() || arrived.is_empty();
        self.input.consume(count + usize::from(end.is_some()));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[track_caller]
    fn check(input: &[u8], expected: &[Line]) {
        for capacity in [1, 8 * 1024] {
            let mut reader = BufReader::with_capacity(capacity, input);
            let mut lines = Vec::new();
            while let Some(line) = next_line(&mut reader).expect("bytes can be read") {
                lines.push(line);
            }
            assert!(lines == expected, "{:?}", lines.first());
        }
    }

    fn message(text: &[u8]) -> Line {
        Line::Message(text.to_vec())
    }

    #[test]
    fn passes_over_blank_lines_and_takes_what_stands_behind_the_last_line_end() {
        check(b"", &[]);
        check(b"\n \r\n", &[]);
        check(b"{}\r\n\n{ }\n", &[message(b"{}"), message(b"{ }")]);
        check(b"{}\n{\"half", &[message(b"{}"), message(b"{\"half")]);
        check(b"{}\n\xff\n", &[message(b"{}"), message(b"\xff")]);
    }

    #[test]
    fn passes_over_a_line_that_is_too_long_and_finds_its_id() {
        let max = limits::STDIO_LINE_BYTES_MAX;
        let text = |length: usize, tail: &str| format!("{{\"a\":\"{}\"{tail}", "x".repeat(length));
        let longest = text(max - 8, "}");
        assert_eq!(longest.len(), max);
        check(format!("{longest}\n{{}}\n").as_bytes(), &[message(longest.as_bytes()), message(b"{}")]);
        let id = |id: Value| Line::TooLong(Some(id));
        for (tail, expected) in [
            (",\"id\":7}", id(7.into())),
            (",\"id\":\"a\"}", id("a".into())),
            ("}", Line::TooLong(None)),
            (",\"id\":", Line::TooLong(None)),
        ] {
            check(format!("{}\n{{}}\n", text(max, tail)).as_bytes(), &[expected, message(b"{}")]);
        }
        check("x".repeat(max + 1).as_bytes(), &[Line::TooLong(None)]);
    }
}
