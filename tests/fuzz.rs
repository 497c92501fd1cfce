//! The readers of foreign bytes meet what chance makes of good input. The same functions as under `tests/fuzz/`, where
//! libFuzzer searches for new code; here the tries are the same in every run, and bounded.

use epicme::fuzz;

use crate::support::Dice;

impl Dice {
    /// Changes some places: a bit, a byte, a byte that means something to a reader, a piece taken away, repeated, or
    /// brought from another input.
    fn mutate(&mut self, bytes: &mut Vec<u8>, telling: &[u8], other: &[u8]) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let end = bytes.len().min(at + 1 + self.below(20));
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 => bytes.insert(at, self.below(256) as u8),
                2 => bytes.insert(at, telling[self.below(telling.len())]),
                3 => drop(bytes.drain(at..end)),
                4 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
                _ => {
                    let from = self.below(other.len());
                    let to = other.len().min(from + 1 + self.below(20));
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
            }
        }
    }
}

/// Tries a reader on good inputs and on what chance makes of them. It panics where it breaks an invariant; here it has
/// to accept each good input, and some but not all of the others, or the tries missed the point.
#[track_caller]
fn check(read: fn(&[u8]) -> bool, tries: usize, telling: &[u8], good: &[&str]) {
    for input in good {
        assert!(read(input.as_bytes()), "not accepted: {input}");
    }
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut accepted = 0;
    for number in 0..tries {
        let mut bytes = good[number % good.len()].as_bytes().to_vec();
        let other = dice.pick(good).as_bytes();
        dice.mutate(&mut bytes, telling, other);
        accepted += usize::from(read(&bytes));
    }
    assert!((tries / 100..tries / 100 * 99).contains(&accepted), "{accepted} of {tries} were accepted");
}

#[test]
fn reads_mutated_requests_as_the_same_however_they_are_cut() {
    let good = [
        "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:8787\r\nAuthorization: Bearer em_at_x\r\nAccept: */*\r\n\r\n",
        "\r\nGET http://localhost/?x=y HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n{\"a\"}GET / HTTP/1.0\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: [::1]:1\r\nTransfer-Encoding: chunked\r\n\r\n2;x=\"y\"\r\n{}\r\n0\r\nX: y\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: h\r\nOrigin: http://localhost:6274\r\n\r\n",
    ];
    check(fuzz::request_head, 40_000, b"\r\n\0\t :,;-+0123456789af/*?\"\xff", &good);
}

#[test]
fn reads_mutated_challenges_without_a_panic() {
    let good = [
        "Bearer realm=\"EpicMe\", resource_metadata=\"http://127.0.0.1:8787/x\", scope=\"user:read tags:read\"",
        "Basic realm=\"x\", charset=\"UTF-8\", Bearer error=invalid_token, error_description=\"a \\\"b\\\" \\\\\"",
        "Negotiate a/b+c==, , Newauth type=1,title = \"a, b\"",
        "Bearer",
    ];
    check(fuzz::challenge, 60_000, b"\"\\=, \t;/'\x00\xff", &good);
}

#[test]
fn takes_no_address_from_mutated_headers_of_a_stranger() {
    let good = [
        "for=192.0.2.60;proto=http;by=203.0.113.43, for=\"[2001:db8:cafe::17]:4711\"",
        "For=\"_gazonk\" , for=unknown;host=\"a,b;c=\\\"\\\\\";, for=127.0.0.1",
        "for=127.0.0.1, for=127.0.0.1,,for=10.0.0.1",
    ];
    check(fuzz::forwarded, 40_000, b"\"\\=, \t;:[]_.0123456789f\xff", &good);
}

#[test]
fn reads_mutated_json_as_other_readers_do() {
    let good = [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_entry","arguments":{"id":1}}}"#,
        r#"[{"a":[null,true,false,-1.5e+3,18446744073709551615]},{"b":"\u00e9\ud83d\ude00\n"},"", {}, []]"#,
    ];
    check(fuzz::json, 60_000, b"{}[]\",:\\u0eE+-.tfn \n\x00\xff", &good);
}

#[test]
fn imports_mutated_notes_as_they_are_exported_again() {
    let good = [
        "---\ntitle: \"No: \\u00e9\\n# x\"\ndate: 2025-01-31T09:30:00+02:00\ncreated: 2020-01-01T00:00:00Z\nupdated: \
         2020-01-02T00:00:00Z\ntags: [\"a, b\", \"#c\"]\nmood: \"\"\nfavorite: true\nprivate: false\nid: 7\n---\n\r\n---\n",
        "---\ntags:\n  - one\n  - 'it''s' # x\nmood: ~\nweather: sun\n  and wind\nother: |\n  a: b\n---\n\n## A *title* ##\n\ntext",
        "\u{feff}---\r\nDate: 2024-02-29 09:30\r\nTags: a, b\r\nstarred: yes\r\n---\r\n\r\n\u{1b}今天\u{1}",
        "no front matter",
    ];
    check(fuzz::note, 30_000, b"\"'\\#:,-[]{}|>&*!\r\n\t ~\0\xe2", &good);
}

#[test]
fn imports_mutated_entries_as_they_are_exported_again() {
    let good = [
        r#"{"id":1,"title":"a","content":"\u0001b","date":"2025-01-31","dateTime":"2025-01-31T09:30:00Z","tags":["é"]}"#,
        r#"{"text":"\\# a\n\nb","creationDate":"2019-07-05T03:12:33Z","timeZone":"Europe/Berlin","tags":["x"],"starred":true}"#,
        r#"{"text":"x","creationDate":"0001-01-01T00:00:00Z","weather":{"temperatureCelsius":-0.4},"location":{"country":"y"}}"#,
        r#"{"title":"Long day.","body":"\nx","date":"2024-07-01","time":"21:45","tags":["@work"],"starred":false}"#,
    ];
    check(fuzz::import, 30_000, b"{}[]\",:\\u0eE+-.T \x00\xff", &good);
}
