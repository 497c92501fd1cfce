//! The requests of the bench as they go over the wire, and how each server answers them at first. It knows MCP's
//! framing, and no figure.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use serde_json::Value;

use crate::load::{Connection, NUMBER, Request};
use crate::process::Process;

/// A call of a tool, with [`NUMBER`] in its arguments or without.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub token: &'a str,
    pub tool: &'a str,
    pub arguments: &'a str,
    /// How many different numbers there are, from 1 on.
    pub numbers: u64,
}

impl Call<'_> {
    /// The request to a server, learned from its first answer; or why that was wrong.
    pub fn to(&self, server: &Process) -> Result<Request, String> {
        let text = self.text(server.address, "");
        let number_at = text.find(NUMBER);
        let text = text.replacen(NUMBER, &format!("{:>1$}", 1, NUMBER.len()), 1);
        let request = learn(server, "HTTP/1.1 200 ", text)?;
        Ok(Request { number_at, numbers: self.numbers, ..request })
    }

    /// The same with a body that is so many bytes longer. Unknown members of `_meta` are ignored.
    pub fn with_padding(&self, server: &Process, bytes: usize) -> Result<Request, String> {
        let padding = format!(r#","padding":"{}""#, "x".repeat(bytes));
        let text =
            self.text(server.address, &padding).replacen(NUMBER, &format!("{:>1$}", 1, NUMBER.len()), 1);
        learn(server, "HTTP/1.1 200 ", text)
    }

    fn text(&self, address: SocketAddr, meta: &str) -> String {
        let Call { token, tool, arguments, .. } = self;
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}{meta}}}}}}}"#
        );
        format!(
            "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
             Mcp-Method: tools/call\r\nMcp-Name: {tool}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

/// A request without a token.
pub fn refused(server: &Process) -> Result<Request, String> {
    learn(server, "HTTP/1.1 401 ", format!("GET /mcp HTTP/1.1\r\nHost: {}\r\n\r\n", server.address))
}

/// Sends the request once, to learn how long the answer is that every later one must have.
fn learn(server: &Process, status: &'static str, text: String) -> Result<Request, String> {
    let answer = exchange(server, text.as_bytes())?;
    let shown = String::from_utf8_lossy(&answer);
    if !shown.starts_with(status) || shown.contains("\"isError\":true") || shown.contains("\"error\":") {
        let said = shown.split_once("\r\n\r\n").map_or(&*shown, |(_, body)| body);
        return Err(format!("{status}is due, but came {}", said.chars().take(240).collect::<String>()));
    }
    let answer_bytes = answer.len();
    Ok(Request { bytes: text.into(), number_at: None, numbers: 1, status, answer_bytes })
}

/// One request on a connection of its own.
pub fn exchange(server: &Process, request: &[u8]) -> Result<Vec<u8>, String> {
    let mut connection = Connection::open(server.address).map_err(|error| error.to_string())?;
    Ok(connection.exchange(request).map_err(|error| error.to_string())?.to_vec())
}

/// Reads the stream of the page that shows exchanges, as a browser with that page open does, until the server ends.
pub fn open_page(server: &Process) {
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    let head = format!("GET /watch/events HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    stream.write_all(head.as_bytes()).expect("the server reads");
    thread::spawn(move || io::copy(&mut stream, &mut io::sink()));
}

/// Ends the run unless the limit answers as epicme does, byte for byte but for a signed cursor: otherwise it would be
/// the limit of something else.
pub fn check_same(call: &Call, epicme: &Process, limit: &Process) {
    let [ours, limits] = [epicme, limit].map(|server| {
        let request = call.to(server).unwrap_or_else(|why| panic!("{}: {why}", call.tool));
        let answer = exchange(server, &request.bytes).expect("an answer");
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let parsed: Value = serde_json::from_str(body).expect("JSON");
        let cursor = parsed["result"]["structuredContent"]["nextCursor"].as_str();
        let body = cursor.map_or(body.to_owned(), |cursor| body.replace(cursor, "…"));
        // The time of the two may differ by a second.
        let fields =
            head.lines().filter(|line| !line.starts_with("Date: ") && !line.starts_with("Content-Length: "));
        (fields.collect::<Vec<_>>().join("\n"), body)
    });
    assert_eq!(ours, limits, "src/ answers {} otherwise than tests/bench/reference.rs", call.tool);
}
