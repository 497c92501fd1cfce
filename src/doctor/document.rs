//! Reads one metadata document, as the SDKs do.
//!
//! Knows nothing of what its members mean, beyond their types; `resource_metadata.rs` and `server_metadata.rs`
//! judge them. Invariant: no redirect is followed, and what can be read in two ways isn't read at all.

use serde_json::Value;

use super::report::shown;
use super::url::Url;
use super::{DOCUMENT_FIELDS, Doctor, Hop, location};
use crate::http::client::Answer;
use crate::json;
use crate::limits;

/// What some editors put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A metadata document, and the URL at which it was found.
pub(super) struct Document {
    pub(super) url: Url,
    pub(super) members: Value,
}

/// What became of reading a metadata document.
pub(super) enum Read {
    /// It is a JSON object. Whether it says what it should is for the caller to judge.
    Found(Document),
    /// The document isn't there, and a client tries the next place. With the status that says so.
    Absent(u16),
    /// What is there stops a client. It has been reported.
    Wrong,
}

impl Doctor<'_> {
    /// Reads the document to which a hop leads; `clause` is the one that asks for it there. What stops the SDKs is
    /// reported.
    pub(super) fn read_document(&mut self, hop: Hop, clause: &str) -> Read {
        let url = hop.url;
        match self.send("GET", hop, &DOCUMENT_FIELDS, Some(limits::ANSWER_BYTES_MAX)) {
            Ok(answer) if answer.status == 200 => self.read_members(url, answer, clause),
            Ok(answer) => self.judge_status(url, &answer, clause),
            Err(error) => {
                let text = format!("{}: the answer {}", shown(url.text()), error.message());
                self.report.fail(&text, "RFC 9112 §6.3", &"answer with a short JSON document");
                Read::Wrong
            }
        }
    }

    /// Judges a status other than 200. Clients look for a document in several places, one after the other. A 4xx
    /// other than 429 sends them on: it gives [`Read::Absent`] and is no finding yet, since the caller reports it if
    /// no place has the document. Every other status stops them: it is reported as a failure, [`Read::Wrong`].
    fn judge_status(&mut self, url: &Url, answer: &Answer, clause: &str) -> Read {
        let at = shown(url.text());
        let status = answer.status;
        let (text, remedy) = match status {
            // The SDKs follow no redirect to metadata, or only one to the same origin: the document decides where
            // tokens are made, and must come from the host that the client trusts for it.
            300..400 => (
                format!("{at} redirects to {}", location(answer)),
                "answer there itself, with 200: clients follow no redirect to metadata",
            ),
            // The Python SDK stops at 429 and at 5xx, and the TypeScript SDK at 5xx but 502: the document may
            // exist, so a guess at another place could find the wrong one.
            429 | 500.. => (
                format!("{at} is answered {status}, and clients stop there"),
                "answer 404 where nothing is, and clients look at the next place",
            ),
            400..500 => return Read::Absent(status),
            _ => (format!("{at} is answered {status}, not 200"), "answer 200 with the document"),
        };
        self.report.fail(&text, clause, &remedy);
        Read::Wrong
    }

    /// Reads the body of a 200. Its `Content-Type` is judged after the body: where both are wrong, a web page in
    /// place of the document explains the type, and not the other way round.
    fn read_members(&mut self, url: &Url, answer: Answer, clause: &str) -> Read {
        let at = shown(url.text());
        let types: Vec<_> = answer.fields("content-type").collect();
        let media_type = types.first().and_then(|value| value.split(|byte| *byte == b';').next());
        let is_json =
            media_type.is_some_and(|own| own.trim_ascii().eq_ignore_ascii_case(b"application/json"));
        let seen = types.first().map_or("without a type".to_owned(), |value| format!("as {}", shown(value)));
        // RFC 8259 §8.1 forbids to write this mark and allows to ignore it. Some clients skip it, others read no
        // JSON.
        let has_mark = answer.body.as_ref().is_ok_and(|bytes| bytes.starts_with(BYTE_ORDER_MARK));
        let skipped = if has_mark { BYTE_ORDER_MARK.len() } else { 0 };
        let wrong = match answer.body.map(|bytes| json::parse(&bytes[skipped..])) {
            Ok(Ok(members @ Value::Object(_))) => {
                if has_mark {
                    self.report.warn(
                        &format_args!("{at} begins with a byte order mark, which not every client skips"),
                        "RFC 8259 §8.1",
                        &"write it as UTF-8 without one",
                    );
                }
                if !is_json {
                    self.report.warn(
                        &format_args!("{at} comes {seen}, and not every client reads it then"),
                        clause,
                        &"send Content-Type: application/json",
                    );
                }
                self.report.ok(&format_args!("{at} is there, in JSON"), clause);
                return Read::Found(Document { url: url.clone(), members });
            }
            Ok(Ok(_)) => format!("{at} is not a JSON object"),
            // Stricter than the SDKs in one point: a duplicate member is an error here. Of two issuers one client
            // reads the first and another the last.
            Ok(Err(error)) => format!("{at} is no JSON that can be read in one way ({seen}): {error}"),
            Err(error) => format!("{at}: the answer {}", error.message()),
        };
        // A server that answers every unknown path with its start page is the usual cause.
        let remedy =
            "answer with the document, as application/json; where there is none, with 404, not with a page";
        self.report.fail(&wrong, clause, &remedy);
        Read::Wrong
    }

    /// Judges the types of the members that the SDKs know. They read a document into a structure with types, and
    /// one `null` in place of a list makes the whole document unreadable to them. Programs write such a `null` for
    /// a setting that has no value, and it goes unnoticed as long as nothing reads it.
    ///
    /// Every member whose name ends as those of RFC 8414 do is judged, so the rule holds for later ones too.
    pub(super) fn judge_types(&mut self, members: &Value, clause: &str) {
        let is_wrong = |name: &str, value: &Value| match name {
            "authorization_servers" | "issuer" | "resource" => false, // judged where they matter
            _ if name.ends_with("_supported") && value.is_boolean() => false,
            _ if name.ends_with("_supported") => {
                !value.as_array().is_some_and(|items| items.iter().all(Value::is_string))
            }
            "jwks_uri" => !value.is_string(),
            _ => name.ends_with("_endpoint") && !value.is_string(),
        };
        let wrong = members.as_object().into_iter().flatten();
        let wrong: Vec<_> =
            wrong.filter(|(name, value)| is_wrong(name, value)).map(|(name, _)| name.as_str()).collect();
        if !wrong.is_empty() {
            self.report.fail(
                &format_args!("of the wrong type, or null: {}", shown(wrong.join(", "))),
                clause,
                &"leave a member out that has no value; lists must hold strings, and endpoints must be strings",
            );
        }
    }
}
