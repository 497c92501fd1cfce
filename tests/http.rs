//! HTTP/1.1 framing: a table of hostile bytes → status, each row beside a twin that is served; then what a
//! well-behaved client may rely on, deadlines, and what abuse leaves behind.

use std::cell::RefCell;
use std::io::{ErrorKind, Write};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use epicme::limits;
use serde_json::{Value, json};

use crate::support::{Client, Dice, EPICME, Folder, PATIENCE, Reply, Server, Wire, eventually, request};

const METADATA: &str = "/.well-known/oauth-protected-resource";
/// 40 bytes, 0x28.
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
const PING_CHUNKED: &str = "28\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\r\n0\r\n\r\n";

/// A server, somebody's token, and a connection which must never notice what happens on others.
struct House {
    server: Server,
    token: String,
    healthy: RefCell<Wire>,
}

impl House {
    fn start() -> House {
        let server = Server::start();
        let (token, healthy) = (server.token("ada@example.com", &[]), server.connect().into());
        House { server, token, healthy }
    }

    /// A request without fields but `Host`.
    fn line(&self, line: &str) -> String {
        format!("{line}\r\nHost: {}\r\n\r\n", self.server.address)
    }

    /// A GET of the metadata; `fields` are whole lines.
    fn get(&self, fields: &str) -> String {
        format!("GET {METADATA} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", self.server.address)
    }

    /// A POST with a good token; `rest` is the fields that frame the body, and the body.
    fn post(&self, rest: &str) -> String {
        let (host, token) = (self.server.address, &self.token);
        let fields = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        format!("POST /mcp HTTP/1.1\r\nHost: {host}\r\n{fields}{rest}")
    }

    fn sized(&self, length: impl ToString, body: &str) -> String {
        self.post(&format!("Content-Length: {}\r\n\r\n{body}", length.to_string()))
    }

    fn chunked(&self, body: &str) -> String {
        self.post(&format!("Transfer-Encoding: chunked\r\n\r\n{body}"))
    }

    /// The hostile bytes get this status and end the connection, and the whole request behind them no answer;
    /// the twin is served, and so is what follows it, at once and later. Nobody else notices.
    #[track_caller]
    fn check(&self, status: u16, hostile: &str, twin: &str) {
        let behind = self.line("GET / HTTP/1.1");
        let mut wire = self.server.connect();
        let shown = |bytes: &str| format!("{:.400}", bytes.escape_debug().to_string());
        wire.write(format!("{hostile}{behind}"));
        let reply = next(&mut wire);
        assert_eq!((reply.status, reply.closes()), (status, true), "{}", shown(hostile));
        assert!(wire.is_closed(), "a second answer to {}", shown(hostile));
        let mut healthy = self.healthy.borrow_mut();
        healthy.write(&behind);
        assert_eq!(next(&mut healthy).status, 200, "elsewhere, after {}", shown(hostile));

        let mut wire = self.server.connect();
        wire.write(format!("{twin}{behind}"));
        let reply = next(&mut wire);
        assert!(reply.status < 300 && !reply.closes(), "{} to the twin {}", reply.status, shown(twin));
        assert!(next(&mut wire).body.starts_with(b"<!doctype html>"), "behind the twin {}", shown(twin));
        wire.write(&behind);
        assert_eq!(next(&mut wire).status, 200, "after the twin {}", shown(twin));
    }

    /// Rows of a twin and the hostile texts to it, which stand between bars; `whole` makes a request of each.
    #[track_caller]
    fn check_rows(&self, status: u16, whole: impl Fn(&str) -> String, rows: &[(&str, &str)]) {
        for (twin, hostile) in rows {
            for hostile in hostile.split('|') {
                self.check(status, &whole(hostile), &whole(twin));
            }
        }
    }
}

/// The next answer, which like each has a date.
#[track_caller]
fn next(wire: &mut Wire) -> Reply {
    next_to(wire, "GET")
}

#[track_caller]
fn next_to(wire: &mut Wire, method: &str) -> Reply {
    let reply = wire.reply_to(method).expect("an answer");
    let date = reply.field("date").expect("a date");
    assert!(httpdate::parse_http_date(date).is_ok() && date.ends_with(" GMT"), "{date}");
    reply
}

#[test]
fn refuses_hostile_request_lines_and_accepts_their_twins() {
    let house = House::start();
    let line = |line: &str| house.line(&line.replace("OWN", &house.server.address.to_string()));
    let rows = [
        ("GET / HTTP/1.1", "GET  / HTTP/1.1|GET /  HTTP/1.1|GET / HTTP/1.1 | GET / HTTP/1.1"),
        ("GET / HTTP/1.1", "GET\t/ HTTP/1.1|GET /\tHTTP/1.1|GET /\x0bHTTP/1.1|GET / x HTTP/1.1"),
        ("GET / HTTP/1.1", "GET|GET /|GET / |GET / x|/ HTTP/1.1| / HTTP/1.1|GET HTTP/1.1|GET  HTTP/1.1"),
        ("GET / HTTP/1.1", "G(T / HTTP/1.1|GE\0T / HTTP/1.1|GET: / HTTP/1.1|GÉT / HTTP/1.1"),
        ("GET / HTTP/1.1", "GET / HTTP|GET / HTTP/|GET / HTTP/1|GET / HTTP/1.|GET / HTTP/1.x"),
        ("GET / HTTP/1.1", "GET / HTTP/1.1x|GET / HTTP/1.11|GET / HTTP/01.1|GET / HTTP/2|GET / HTTP/12.0"),
        ("GET / HTTP/1.1", "GET / http/1.1|GET / HTTPS/1.1|GET / ICY/1.1|GET / HTTP/ 1.1|GET / HTTP/1,1"),
        ("GET / HTTP/1.1", "GET /\r HTTP/1.1|GET /\n HTTP/1.1|GET / HTTP/1.1\r|GET / HTTP/1.1\n|GET /\r\n"),
        ("GET /?0 HTTP/1.1", "GET /?\0 HTTP/1.1|GET /?\x01 HTTP/1.1|GET /?\x7f HTTP/1.1|GET /?é HTTP/1.1"),
        ("GET /?0 HTTP/1.1", "GET /#0 HTTP/1.1|GET ?0 HTTP/1.1|GET 0 HTTP/1.1|GET \\?0 HTTP/1.1"),
        (
            "\r\nGET / HTTP/1.1",
            "\r\n\r\nGET / HTTP/1.1|\nGET / HTTP/1.1|\rGET / HTTP/1.1|\r\n\nGET / HTTP/1.1",
        ),
        ("OPTIONS * HTTP/1.1", "GET * HTTP/1.1|OPTIONS ** HTTP/1.1|OPTIONS *? HTTP/1.1|options * HTTP/1.1"),
        ("GET http://OWN/ HTTP/1.1", "GET http://evil.example:80/ HTTP/1.1|GET http://evil.OWN/ HTTP/1.1"),
        ("GET http://OWN/ HTTP/1.1", "GET http:///OWN HTTP/1.1|GET http:/OWN HTTP/1.1|GET http:OWN HTTP/1.1"),
        ("GET HTTP://OWN HTTP/1.1", "GET http://u@OWN HTTP/1.1|GET ftp://OWN HTTP/1.1|GET OWN HTTP/1.1"),
        ("GET https://OWN?x HTTP/1.1", "GET https://OWN#x HTTP/1.1|GET https://OWN,OWN HTTP/1.1"),
        ("GET / HTTP/1.1", "CONNECT OWN HTTP/1.1|CONNECT evil.example:443 HTTP/1.1|CONNECT * HTTP/1.1"),
    ];
    house.check_rows(400, line, &rows);
    let versions = "GET / HTTP/1.2|GET / HTTP/0.9|GET / HTTP/2.0|GET / HTTP/3.0|PRI * HTTP/2.0";
    house.check_rows(505, line, &[("GET / HTTP/1.1", versions)]);
}

#[test]
fn refuses_hostile_fields_and_accepts_their_twins() {
    let house = House::start();
    let rows = [
        ("X: a b\r\n", "X: a\r\n b\r\n|X: a\r\n\tb\r\n|X:\r\n a b\r\n| X: a b\r\n|X: a b\r\n \r\n"),
        ("X:\ta\r\n", "X\t: a\r\n|X : a\r\n|\tX: a\r\n|: a\r\n|X\r\n|a\r\n| \r\n"),
        ("X!y: a\r\n", "X y: a\r\n|X(y: a\r\n|X/y: a\r\n|\"Xy\": a\r\n|Xé: a\r\n|X\0: a\r\n|X\x7f: a\r\n"),
        ("X: é\r\n", "X: \0\r\n|X: \x01\r\n|X: \x08\r\n|X: \x0b\r\n|X: \x0c\r\n|X: \x1b[2J\r\n|X: \x7f\r\n"),
        (
            "X: a\r\nY: b\r\n",
            "X: a\rY: b\r\n|X: a\nY: b\r\n|X: a\0Y: b\r\n|X: a\r\rY: b\r\n|X: a\n\rY: b\r\n",
        ),
        ("X: a\r\n", "X: a\r\r\n|X: a\n|X: a\r\n\n|X: a\r\n\r|X: a\r|\nX: a\r\n|\rX: a\r\n"),
    ];
    house.check_rows(400, |fields| house.get(fields), &rows);
    let expectations = "Expect: 100-continue, x\r\n|Expect: x\r\n|Expect:\r\n|Expect: 100\r\n";
    house.check_rows(417, |fields| house.get(fields), &[("Expect: 100-Continue\r\n", expectations)]);

    let own = house.server.address.to_string();
    let hosts = |hosts: &str| format!("GET {METADATA} HTTP/1.1\r\n{}\r\n\r\n", hosts.replace("OWN", &own));
    let rows = [
        ("hOST:OWN ", "X: a|Host|Host:|Host: |Hos: OWN|HostOWN|X: a\r\n\r\nHost: OWN"),
        ("Host: OWN\r\nX-Host: x", "Host: OWN\r\nHost: OWN|Host: OWN\r\nhost: x|Host: OWN\r\nHost:"),
        ("Host: OWN", "Host: a b|Host: u@OWN|Host: OWN/|Host: OWN,OWN|Host: OWN, OWN|Host: http://OWN"),
        ("Host: OWN", "Host: [::1|Host: [1]:80|Host: é|Host: %31|Host: ?|Host: \"a\"|Host: a;b|Host: a\\b"),
        (
            "Host: OWN",
            "Host: a:|Host: a:+1|Host: a:-1|Host: a:x|Host: a:65536|Host: a:1:2|Host: a: 1|Host: :80",
        ),
    ];
    house.check_rows(400, hosts, &rows);
}

#[test]
fn refuses_every_length_that_can_be_read_in_two_ways_and_accepts_the_one_that_cannot() {
    let house = House::start();
    let length = |value: &str| house.sized(value, PING);
    let rows = [
        ("40", "+40|-40|40,40|40, 40|0, 40|40,|,40|0x28|28h||  |4 0|40 40|40;x|40.0|4e1|\"40\"|4_0"),
        ("040", "４０|٤٠|40\0|\x0040|40\x0b|\x0b40|40\r|\r40|40\n|\n40|\r\n 40|4\r\n 0|40\r\n x|4\r0"),
        (" 40\t", "40\r\nContent-Length: 40|40\r\ncontent-length: 0|0\r\nX: a\r\nContent-Length: 40"),
    ];
    house.check_rows(400, length, &rows);
    let huge = "4194305|9223372036854775848|18446744073709551656|99999999999999999999999999999999999999999";
    house.check_rows(413, length, &[("0000000000000000000000000000000000000000000000040", huge)]);

    let coding = |value: &str| house.post(&format!("Transfer-Encoding:{value}\r\n\r\n{PING_CHUNKED}"));
    let rows = [
        ("Chunked", "chunked, chunked|chunked, gzip|chunked,identity|, chunked|chunked,|chunked,,chunked|,"),
        ("\tCHUNKED \t", "xchunked|chunkedx|x chunked|chunked x|chunked;q=1|chunked;|\"chunked\"|chun ked"),
        (
            " chunked ",
            "\x0bchunked|\0chunked|chunked\0|chunked\u{a0}|chunked\x7f|gzip|identity||  |0|:chunked",
        ),
        ("chunked", "\r\n chunked|\n chunked|\r chunked|chunked\r\n , x|x\r\n\tchunked|chunked\n|chunked\r"),
        ("chunked", "chunked\r\nTransfer-Encoding: chunked|identity\r\nTransfer-Encoding: chunked"),
        ("chunked", "chunked\r\ntransfer-encoding: x|chunked\r\nTRANSFER-ENCODING:"),
        ("chunked", "chunked\r\nContent-Length: 40|chunked\r\nContent-Length: 0|chunked\r\nContent-Length:"),
    ];
    house.check_rows(400, coding, &rows);
    let unknown =
        "gzip, chunked|identity, chunked|x;q=\"chunked\", chunked|xchunked,chunked|chunkedx , chunked";
    house.check_rows(501, coding, &[("chunked", unknown)]);

    let name = |name: &str| house.post(&format!("{name}: chunked\r\n\r\n{PING_CHUNKED}"));
    let rows = [
        ("Transfer-Encoding", "Transfer-Encoding |Transfer-Encoding\t| Transfer-Encoding|Transfer Encoding"),
        ("tRANSFER-eNCODING", "Transfer-Encoding\u{a0}|\x0bTransfer-Encoding|Transfer-Encoding\0"),
        ("X: a\r\nTransfer-Encoding", "X: a\nTransfer-Encoding|X: a\rTransfer-Encoding|\nTransfer-Encoding"),
        ("Transfer-Encoding", "Content-Length: 40\r\nTransfer-Encoding|Content-Length:\r\nTransfer-Encoding"),
    ];
    house.check_rows(400, name, &rows);
    let version = |version: &str| coding("chunked").replace("1.1\r", &format!("{version}\r"));
    house.check_rows(400, version, &[("1.1", "1.0")]);
}

#[test]
fn refuses_a_coded_body_in_the_form_of_each_wire_and_accepts_a_plain_one() {
    let house = House::start();
    let bearer = format!("Bearer {}", house.token);
    let host = house.server.address.to_string();
    let form = "application/x-www-form-urlencoded";
    let (text, json, page) = ("text/plain; charset=utf-8", "application/json", "text/html; charset=utf-8");
    let wires = [
        ("/mcp", json, PING, text),
        ("/register", json, "{}", json),
        ("/token", form, "grant_type=x", json),
        ("/revoke", form, "token=x", json),
        ("/introspect", form, "token=x", json),
        ("/authorize", form, "request=x", page),
        ("/sign-in", form, "email=x", page),
        ("/account", form, "do=x", page),
        ("/setup", form, "code=x", page),
    ];
    for (path, kind, body, error_kind) in wires {
        let send = |codings: &[&str], body: &str| {
            let own = [("Host", host.as_str()), ("Content-Type", kind)];
            let authorization = (path == "/mcp").then_some(("Authorization", bearer.as_str()));
            let codings = codings.iter().map(|coding| ("Content-Encoding", *coding));
            let fields: Vec<_> = own.into_iter().chain(authorization).chain(codings).collect();
            house.server.send(request("POST", path, &fields, body))
        };
        let plain = send(&[], body);
        assert!(![404, 415].contains(&plain.status), "{path}: {}", plain.status);
        for none in [&["identity"][..], &["Identity"], &[""], &[" , "], &["", "identity"]] {
            assert_eq!(send(none, body).status, plain.status, "{path} {none:?}");
        }
        let coded: [&[&str]; 10] = [
            &["gzip"],
            &["GZIP"],
            &["br"],
            &["zstd"],
            &["x-unknown"],
            &["gzip, identity"],
            &["identity, gzip"],
            &["identity", "gzip"],
            &["identity, identity"],
            &["\u{e9}"],
        ];
        for coded in coded {
            let reply = send(coded, body);
            assert_eq!(
                (reply.status, reply.field("content-type")),
                (415, Some(error_kind)),
                "{path} {coded:?}"
            );
            assert_eq!(reply.field("accept-encoding"), Some("identity"), "{path}");
            let words = String::from_utf8(reply.body).expect("text");
            assert!(words.contains("no Content-Encoding is decoded here, neither gzip"), "{path}: {words}");
        }
        assert_eq!(send(&["gzip"], "").status, 415, "{path}: nothing is no gzip either");
    }
    // The gate comes first, and `100 Continue` isn't sent for a body that can't be read.
    let coded = "Content-Encoding: gzip\r\nExpect: 100-continue\r\nContent-Length: 40\r\n\r\n";
    let head = house.post(coded);
    for (head, status) in [(head.replace("Bearer", "Basic"), 401), (head, 415)] {
        let mut wire = house.server.connect();
        wire.write(head);
        assert_eq!(wire.reply().expect("an answer").status, status);
        assert!(wire.is_closed());
    }
    // Where no body is read, nothing has to be decoded.
    assert_eq!(house.server.send(house.get("Content-Encoding: gzip\r\n")).status, 200);
}

#[test]
fn refuses_hostile_chunks_and_accepts_their_twins() {
    let house = House::start();
    let chunk_size = |size: &str| house.chunked(&PING_CHUNKED.replacen("28", size, 1));
    let rows = [
        ("028", "| | 28|28 |28\t|-28|+28|0x28|28h|2_8|28\r|28\n|\n28|\r28|２８|28,x|28\0|28.0|\"28\"|x|;x"),
        ("28;x=\"y\"", "28 ;x|28;x\ny|28;x\ry|28;\0|28;\x7f|28;\x1b|28;é|28;x\r|28;\n"),
        ("0000000000000028", "00000000000000028|10000000000000028|27|29|2\r\n8"),
    ];
    house.check_rows(400, chunk_size, &rows);
    house.check_rows(413, chunk_size, &[("28", "400001|7fffffffffffffff|8000000000000028|FFFFFFFFFFFFFFFF")]);

    let (first, second) = PING.split_at(16);
    let chunk_end = |end: &str| house.chunked(&format!("10\r\n{first}{end}18\r\n{second}\r\n0\r\n\r\n"));
    house.check_rows(400, chunk_end, &[("\r\n", "|\n|\r|\n\r|x\n|\rx|xx|\r\r\n|\r\n\r\n| \r\n|\0\0|\r\n\n")]);

    let last_chunk = |last: &str| house.chunked(&PING_CHUNKED.replace("\r\n0\r\n", &format!("\r\n{last}")));
    let rows = [
        ("00;x\r\n", "\r\n|0\n|0\r|0 \r\n|-0\r\n|0x0\r\n|00000000000000000\r\n|0\r\n\n|0\r\n\r|0\r\n \r\n"),
        (
            "0\r\nX: a b\r\n",
            "0\r\nX : a\r\n|0\r\nX: a\r\n b\r\n|0\r\nX: a\n|0\r\nX: a\r|0\r\nX\r\n|0\r\n: a\r\n",
        ),
        (
            "0\r\nX: 0\r\n",
            "0\r\nX: \0\r\n|0\r\nX: \x7f\r\n|0\r\nX\0: a\r\n|0\r\n X: a\r\n|0\r\nX: a\rY: b\r\n",
        ),
    ];
    house.check_rows(400, last_chunk, &rows);
}

#[test]
fn refuses_what_is_one_byte_too_large_and_accepts_the_largest() {
    let house = House::start();
    let line =
        |bytes: usize| house.line(&format!("GET /?{} HTTP/1.1", "x".repeat(bytes - "GET /? HTTP/1.1".len())));
    house.check(414, &line(limits::REQUEST_LINE_BYTES_MAX + 1), &line(limits::REQUEST_LINE_BYTES_MAX));
    house.check(414, &line(limits::HEAD_BYTES_MAX * 2), &line(8000));
    let head =
        |bytes: usize| house.get(&format!("X: {}\r\n", "x".repeat(bytes - house.get("X: \r\n").len())));
    house.check(431, &head(limits::HEAD_BYTES_MAX + 1), &head(limits::HEAD_BYTES_MAX));
    house.check(431, &head(limits::HEAD_BYTES_MAX * 4), &head(5000));
    let fields = |count: usize| house.get(&"X: x\r\n".repeat(count - 1)); // `Host` is one too
    house.check(431, &fields(limits::FIELDS_MAX + 1), &fields(limits::FIELDS_MAX));
    let most = limits::MCP_BODY_BYTES_MAX;
    let full = format!("{PING}{}", " ".repeat(most - PING.len()));
    house.check(413, &house.sized(most + 1, &format!("{full} ")), &house.sized(most, &full));
    house.check(413, &house.sized(most + 1, ""), &house.sized(most, &full));
    let chunks = |more: &str| house.chunked(&format!("400000\r\n{full}\r\n{more}0\r\n\r\n"));
    house.check(413, &chunks("1\r\n \r\n"), &chunks(""));
    let extensions = |first: usize, last: usize| {
        let (first, last) = (";".repeat(first), ";".repeat(last));
        house.chunked(&format!("28{first}\r\n{PING}\r\n0{last}\r\n\r\n"))
    };
    let most = limits::CHUNK_EXTENSION_BYTES_MAX;
    house.check(400, &extensions(most + 1, 0), &extensions(most, 0));
    house.check(400, &extensions(most / 2, most / 2 + 1), &extensions(most / 2, most / 2));
    let trailers =
        |trailers: &str| house.chunked(&PING_CHUNKED.replace("\n0\r\n", &format!("\n0\r\n{trailers}")));
    let trailer = |bytes: usize| trailers(&format!("X: {}\r\n", "x".repeat(bytes - "X: \r\n\r\n".len())));
    house.check(431, &trailer(limits::TRAILER_BYTES_MAX + 1), &trailer(limits::TRAILER_BYTES_MAX));
    let count = |count: usize| trailers(&"X:\r\n".repeat(count));
    house.check(431, &count(limits::FIELDS_MAX + 1), &count(limits::FIELDS_MAX));
}

#[test]
fn answers_pipelined_requests_in_order() {
    let house = House::start();
    let post = |id: u32| house.sized(40, &PING.replace(":1,", &format!(":{id},")));
    let stranger =
        house.line("POST /mcp HTTP/1.1").replace("\r\n\r\n", "\r\nContent-Length: 40\r\n\r\n") + PING;
    let all = [
        ("GET", 200, house.get("")),
        ("POST", 200, post(2)),
        ("HEAD", 200, house.line("HEAD / HTTP/1.1")),
        ("POST", 200, house.chunked(PING_CHUNKED)),
        ("POST", 401, stranger),
        ("GET", 404, house.line("GET /nothing HTTP/1.1")),
        ("OPTIONS", 204, house.line("OPTIONS * HTTP/1.1")),
        ("DELETE", 405, house.line("DELETE / HTTP/1.1")),
        ("POST", 200, post(3)),
        ("GET", 200, format!("\r\n{}", house.get("Connection: Keep-Alive, Close\r\n"))),
    ];
    let mut wire = house.server.connect();
    wire.write(all.iter().map(|(_, _, bytes)| bytes.as_str()).collect::<String>() + &house.get(""));
    let mut ids = Vec::new();
    for (method, status, bytes) in &all {
        let reply = next_to(&mut wire, method);
        assert_eq!((reply.status, reply.closes()), (*status, bytes.contains("Close")), "{bytes}");
        assert_eq!(reply.field("content-length").is_none(), *status == 204, "{bytes}");
        if (*method, *status) == ("POST", 200) {
            ids.push(reply.json()["id"].as_u64());
        }
    }
    assert_eq!(ids, [Some(2), Some(1), Some(3)]);
    assert!(wire.is_closed(), "the client asked for the end before the last request");
}

#[test]
fn gives_the_same_answer_however_a_request_is_cut() {
    let house = House::start();
    let chunks = format!("10;x=\"y\"\r\n{}\r\n18\r\n{}\r\n0\r\nX: y\r\n\r\n", &PING[..16], &PING[16..]);
    let mut wire = house.server.connect();
    for request in [house.line("\r\nGET /?x HTTP/1.1"), house.sized(40, PING), house.chunked(&chunks)] {
        wire.write(&request);
        let whole = next(&mut wire);
        assert_eq!(whole.status, 200, "{request}");
        for cut in 1..request.len() {
            wire.write(&request[..cut]);
            wire.write(&request[cut..]);
            assert_eq!(next(&mut wire).body, whole.body, "cut at {cut}: {request}");
        }
        request.bytes().for_each(|byte| wire.write([byte]));
        assert_eq!(next(&mut wire).body, whole.body, "byte by byte: {request}");
    }
}

#[test]
fn answers_head_like_get_without_the_body() {
    let house = House::start();
    let mut wire = house.server.connect();
    for path in ["/", METADATA, "/nothing"] {
        wire.write(["HEAD", "GET"].map(|method| house.line(&format!("{method} {path} HTTP/1.1"))).concat());
        let (head, get) = (next_to(&mut wire, "HEAD"), next(&mut wire));
        assert_eq!((head.status, head.field("content-length")), (get.status, get.field("content-length")));
        assert!(!get.body.is_empty());
    }
}

#[test]
fn answers_http_1_0_and_closes() {
    let house = House::start();
    let bare = "GET / HTTP/1.0\r\n\r\n".to_owned();
    let body = house.sized(40, PING).replace("Content-Length", "Expect: 100-continue\r\nContent-Length");
    for request in [bare, house.get("Connection: keep-alive\r\n"), body] {
        let mut wire = house.server.connect();
        wire.write(request.replace("HTTP/1.1", "HTTP/1.0") + &house.get(""));
        let reply = next(&mut wire);
        assert_eq!((reply.status, reply.closes()), (200, true), "{request}");
        assert!(wire.is_closed(), "{request}");
    }
}

#[test]
fn answers_a_client_that_has_stopped_writing() {
    let house = House::start();
    for (status, request) in
        [(200, house.get("")), (200, house.sized(40, PING)), (400, house.sized(41, PING))]
    {
        let mut wire = house.server.connect();
        wire.write(&request);
        wire.finish();
        assert_eq!(next(&mut wire).status, status, "{request}");
        assert!(wire.is_closed(), "{request}");
    }
}

#[test]
fn reaches_a_client_that_is_still_writing_with_an_early_refusal() {
    let house = House::start();
    let rows = [
        (401, house.line("POST /mcp HTTP/1.1").replace("\r\n\r\n", "\r\nContent-Length: 3000000\r\n\r\n")),
        (413, house.sized(5_000_000, "")),
        (413, house.chunked("fffffff\r\n")),
        (400, house.sized("3000000\r\nContent-Length: 3000000", "")),
    ];
    for (status, head) in rows.iter().cycle().take(40) {
        let mut wire = house.server.connect();
        let mut writer = wire.stream.try_clone().expect("a second handle");
        thread::scope(|scope| {
            scope.spawn(move || writer.write_all(head.as_bytes()).and(writer.write_all(&[b'x'; 3_000_000])));
            let reply = next(&mut wire);
            assert_eq!((reply.status, reply.closes()), (*status, true), "{head}");
            assert!(wire.is_closed(), "{head}");
        });
    }
}

#[test]
fn gives_a_head_and_a_body_one_deadline_each_however_they_drip() {
    let house = House::start();
    let rows = [
        (limits::HEAD_DEADLINE, "GET".to_owned()),
        (limits::HEAD_DEADLINE, "GET / HTTP/1.1\r\nX: ".to_owned()),
        (limits::BODY_DEADLINE, house.sized(4000, "")),
        (limits::BODY_DEADLINE, house.chunked("fff\r\n")),
        (limits::BODY_DEADLINE, house.chunked("1;")),
        (limits::BODY_DEADLINE, house.chunked("0\r\nX: ")),
    ];
    let drips = rows.map(|(deadline, beginning)| {
        let mut wire = house.server.connect();
        thread::spawn(move || {
            let start = Instant::now();
            wire.write(&beginning);
            wire.stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
            // A byte whenever a while has passed without an answer.
            while wire.stream.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
                assert!(start.elapsed() < PATIENCE, "no end of {beginning}");
                wire.write("x");
            }
            let reply = next(&mut wire);
            assert_eq!((reply.status, reply.closes()), (408, true), "{beginning}");
            assert!(wire.is_closed(), "{beginning}");
            assert!(start.elapsed() > deadline / 2, "too soon: {beginning}");
        })
    });
    for drip in drips {
        assert_eq!(house.server.send(house.get("")).status, 200);
        drip.join().expect("a 408");
    }
}

#[test]
fn gives_threads_and_descriptors_back() {
    let house = House::start();
    let process = format!("/proc/{}", house.server.pid());
    let count = |what: &str| std::fs::read_dir(format!("{process}/{what}")).expect("a process").count();
    let ask = house.get("");
    let mut healthy = house.healthy.borrow_mut();
    healthy.write(&ask);
    assert_eq!(next(&mut healthy).status, 200);
    let (descriptors, threads) = (count("fd"), count("task"));
    let mut crowd: Vec<Wire> = (0..300).map(|_| house.server.connect()).collect();
    crowd.iter_mut().for_each(|wire| wire.write(&ask));
    crowd.iter_mut().for_each(|wire| assert_eq!(next(wire).status, 200));
    assert_eq!((count("fd"), count("task")), (descriptors + 300, threads + 300));
    // A third each leaves politely, in the middle of a head, and with an unread answer.
    for (number, wire) in crowd.iter_mut().enumerate() {
        wire.write(["", "GET / HT", &ask][number % 3]);
    }
    drop(crowd);
    eventually("the descriptors are back", || count("fd") <= descriptors);
    eventually("the threads are back", || count("task") <= threads);
    healthy.write(&ask);
    assert_eq!(next(&mut healthy).status, 200);
}

#[test]
fn turns_newcomers_away_at_the_cap_and_keeps_serving_those_inside() {
    let cap = 72;
    let server = Server::start_with_descriptors(cap + limits::DESCRIPTORS_RESERVED + limits::REFUSALS_MAX);
    let house =
        House { token: server.token("ada@example.com", &[]), healthy: server.connect().into(), server };
    let server = &house.server;
    let ask = house.line("GET / HTTP/1.1");
    let served = |wire: &mut Wire| {
        wire.write(&ask);
        wire.reply().is_some_and(|reply| reply.status == 200)
    };
    // Each has a request under way, so none can make room. For the last of them the house's own connection does.
    let upload = house.sized("40\r\nExpect: 100-continue", "");
    let begin_upload = |_| {
        let mut wire = server.connect();
        wire.write(&upload);
        assert_eq!(wire.reply().expect("an answer").status, 100, "the body is being waited for");
        wire
    };
    let mut inside: Vec<Wire> = (0..cap).map(begin_upload).collect();
    for _ in 0..3 {
        let mut late = server.connect();
        late.write(&ask);
        let reply = next(&mut late);
        assert_eq!((reply.status, reply.field("retry-after"), reply.closes()), (503, Some("1"), true));
        assert!(late.is_closed());
    }
    let log = server.log_with("all connections are taken");
    let line = log.lines().find(|line| line.contains("all connections are taken")).expect("a line");
    let (_, id) = line.split_once(" 127.0.0.1 - - 503 id=").expect("a line of the log");
    assert!(id.ends_with("-1 (all connections are taken; try again)"), "{line}");
    // Saying no has its bound too: past it a connection is dropped unanswered, never left waiting.
    let mut flood: Vec<Wire> = (0..300).map(|_| server.connect()).collect();
    let told: Vec<u16> = flood.iter_mut().filter_map(Wire::reply).map(|reply| reply.status).collect();
    assert!(!told.is_empty() && told.iter().all(|status| *status == 503), "{told:?}");
    for wire in &mut inside {
        wire.write(PING);
        assert_eq!(next(wire).status, 200, "those inside are served");
    }
    assert!(served(&mut server.connect()), "those that wait for a request make room");
    // Which of them it is depends on when each thread began to wait, after its client had the answer; and a thread that
    // gets a request before it has seen that it must end answers that.
    let gone = inside.iter_mut().map(served).filter(|served| !served).count();
    assert!(gone <= 1, "and no more of them than are needed: {gone}");
}

#[test]
fn gives_up_a_response_that_nobody_reads() {
    let house = House::start();
    let mut ada = Client::new(&house.server, &house.token);
    // More than the buffers of both sides hold: a batch gathers answers up to its bound, and the last goes past it.
    let control = |bytes| "\u{1}".repeat(bytes); // six bytes each in JSON, and more in the text that holds the JSON
    let large = "x".to_owned() + &control(99_999);
    ada.ok("create_entry", json!({ "title": "large", "content": large }));
    for number in 0..500 {
        ada.ok("create_tag", json!({ "name": format!("tag {number}"), "description": control(1000) }));
    }
    let call = |tool: &str, arguments: Value| {
        let params = json!({ "name": tool, "arguments": arguments });
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
    };
    let entry = call("get_entry", json!({ "id": 1 }));
    let batch = json!([entry, entry, entry, call("list_tags", json!({ "limit": 500 }))]);
    let mut deaf = ada.open(&[], &batch.to_string());
    deaf.stream.peek(&mut [0]).expect("the answer begins");
    let start = Instant::now();
    let client = deaf.stream.local_addr().expect("an address");
    let is_open = || house.server.is_established(client);
    assert!(is_open(), "it isn't given up at once");
    eventually("its connection is closed", || !is_open());
    let waited = start.elapsed();
    assert!(waited > limits::WRITE_STALL_MAX / 2, "too soon, after {waited:?}");
    assert!(waited < limits::WRITE_STALL_MAX * 7 / 4, "head and body have one time, not {waited:?}");
    let (mut taken, mut part) = (Vec::new(), vec![0; 1 << 20]);
    while let Ok(count @ 1..) = std::io::Read::read(&mut deaf.stream, &mut part) {
        taken.extend_from_slice(&part[..count]);
    }
    assert!(!taken.ends_with(b"]\n"), "the answer came whole, {} bytes", taken.len());
}

#[test]
fn finishes_a_request_whose_body_is_under_way_when_the_server_is_stopped() {
    let mut house = House::start();
    let mut wire = house.server.connect();
    // Behind another request, in one piece with it: the server never waits for this head.
    wire.write(house.get("") + &house.sized("40\r\nExpect: 100-continue", ""));
    assert_eq!(next(&mut wire).status, 200);
    assert_eq!(wire.reply().expect("an answer").status, 100, "the body is being waited for");
    let sent = Command::new("kill").args(["-TERM", &house.server.pid().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    assert!(house.healthy.get_mut().is_closed(), "an idle connection is closed at once");
    wire.write(PING);
    let reply = next(&mut wire);
    assert_eq!((reply.status, reply.closes()), (200, true));
    assert_eq!(house.server.signal("0"), Some(0), "exit code");
}

#[test]
fn survives_mutated_requests() {
    let house = House::start();
    let seeds = [
        house.get("Accept: */*\r\nConnection: keep-alive\r\n"),
        house.line(&format!("GET http://{}/?x=y HTTP/1.1", house.server.address)),
        house.sized(40, PING).replace("Content-Length", "Expect: 100-continue\r\nContent-Length"),
        house.chunked(&PING_CHUNKED.replace("\r\n0\r\n", "\r\n0;x=y\r\nX: y\r\n")),
        house.line("OPTIONS * HTTP/1.1") + &house.sized(40, PING),
    ];
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut random = |bound: usize| dice.below(bound);
    for round in 0..4000 {
        let mut bytes = seeds[round % seeds.len()].clone().into_bytes();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            let end = bytes.len().min(at + 1 + random(20));
            match random(5) {
                0 => bytes[at] ^= 1 << random(8),
                1 => bytes.insert(at, random(256) as u8),
                2 => bytes.insert(at, b"\r\n\0\t :,;-+0/*"[random(13)]),
                3 if bytes.len() > 40 => drop(bytes.drain(at..end)),
                _ => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            }
        }
        let mut wire = house.server.connect();
        wire.write(&bytes);
        wire.finish();
        // `reply` fails when neither an answer nor the end comes within PATIENCE.
        while let Some(reply) = wire.reply() {
            let fits = reply.status < 500 || matches!(reply.status, 501 | 505);
            assert!(fits, "{} in round {round}: {}", reply.status, bytes.escape_ascii());
        }
    }
    // The log leaves lines out of a busy second, but once this one is there, so is every panic before it.
    eventually("the last request is logged", || {
        assert_eq!(house.server.send(house.line("GET /done HTTP/1.1")).status, 404);
        house.server.log().contains("/done")
    });
    assert!(!house.server.log().contains("panicked"), "{}", house.server.log());
}

#[test]
fn serves_on_and_stops_when_nobody_reads_its_log() {
    let folder = Folder::new();
    let mut child = Command::new(EPICME)
        .args(["serve", "--listen", "127.0.0.1:0", "--database"])
        .arg(folder.database())
        .env_clear()
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped()) // held, and never read
        .spawn()
        .expect("the binary runs");
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
    std::io::BufRead::read_line(&mut stdout, &mut line).expect("a line");
    let address = line.trim_end().strip_prefix("listening on http://").expect("an address").to_owned();
    let mut stream = std::net::TcpStream::connect(&address).expect("it accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // A pipe holds 64 kB: some 800 lines of this.
    for number in 0..4000 {
        let head = format!("GET /nothing HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("it reads");
        let mut answer = [0; 4096];
        let count = std::io::Read::read(&mut stream, &mut answer).unwrap_or(0);
        assert!(answer[..count].starts_with(b"HTTP/1.1 404 "), "request {number} was not answered");
        if number % 900 == 899 {
            thread::sleep(Duration::from_millis(1000)); // the rate limit spares the log for this second
        }
    }
    drop(stream);
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "its last words needn't be read either");
}
