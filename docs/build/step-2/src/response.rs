//! A response, and its bytes.

use std::time::SystemTime;

/// A status, fields and a body. The connection is closed after it.
#[derive(Debug)]
pub struct Response {
    /// 401.
    pub status: u16,
    /// In the order in which they are written.
    pub fields: Vec<(&'static str, String)>,
    /// What follows the head.
    pub body: String,
}

impl Response {
    /// Builds a response with a line of text.
    pub fn text(status: u16, text: &str) -> Response {
        Response::new(status, "text/plain; charset=utf-8", text)
    }

    /// Builds a response with JSON.
    pub fn json(status: u16, json: &str) -> Response {
        Response::new(status, "application/json", json)
    }

    fn new(status: u16, content_type: &str, body: &str) -> Response {
        let fields = vec![("Content-Type", content_type.to_owned())];
        Response { status, fields, body: format!("{body}\n") }
    }

    /// Adds a field. The value must be one line: a line end in it would begin a field of an attacker's choice.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Response {
        self.fields.push((name, value.into()));
        self
    }

    /// Returns the whole response as it is sent.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        text += &format!("Date: {}\r\n", httpdate::fmt_http_date(SystemTime::now()));
        for (name, value) in &self.fields {
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("Connection: close\r\nContent-Length: {}\r\n\r\n", self.body.len());
        text += &self.body;
        text.into_bytes()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "",
    }
}
