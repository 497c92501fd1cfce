//! Which protocol revision a request speaks, and what that revision demands of its envelope.
//!
//! Knows no method's work. Two eras share one endpoint: since 2026-07-28 every request carries its revision in
//! `_meta` and stands alone; before, `initialize` agreed on one. The body decides, the headers must agree.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::rpc::{Request, RpcError};
use super::views;
use crate::clock::Timestamp;
use crate::gate::Caller;
use crate::limits;
use crate::request::Head;
use crate::secret::{self, Seal};

/// The stateless revision spoken here.
pub const MODERN: &str = "2026-07-28";
/// The revisions that are reached by `initialize`, newest first.
pub const LEGACY: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];
/// What a client speaks that says nothing: the last revision without the version header.
const SILENT: Revision = Revision(2);

const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";

/// The headers that must not be there twice: two readers could pick different ones.
const SINGLE_HEADERS: [&str; 3] = ["mcp-protocol-version", "mcp-method", "mcp-name"];

/// A legacy revision: its place in [`LEGACY`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Revision(usize);

impl Revision {
    /// The revision of this name.
    pub fn find(name: &str) -> Option<Revision> {
        LEGACY.iter().position(|known| *known == name).map(Revision)
    }

    /// What `initialize` answers: the revision asked for, or else the newest.
    pub fn negotiate(asked: &str) -> Revision {
        Revision::find(asked).unwrap_or(Revision(0))
    }

    /// The revision's name.
    pub fn name(self) -> &'static str {
        LEGACY[self.0]
    }

    /// Whether this is 2025-03-26: batches are taken; titles, structured content and resource links are unknown.
    pub fn is_oldest(self) -> bool {
        self == SILENT
    }
}

/// What a client says that it can do, as far as anything here depends on it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Abilities {
    /// It shows a form to the person and brings back what they answer.
    pub elicits: bool,
    /// It shows views of ours beside what tools give.
    pub shows_views: bool,
}

impl Abilities {
    /// Reads the capabilities that a client declared. `{}` means a form (2025-11-25 elicitation, Capabilities).
    fn declared(capabilities: Option<&Value>) -> Abilities {
        let elicitation = capabilities.and_then(|all| all.get("elicitation")?.as_object());
        let elicits =
            elicitation.is_some_and(|modes| modes.contains_key("form") || !modes.contains_key("url"));
        Abilities { elicits, shows_views: views::are_shown_by(capabilities) }
    }
}

/// Who sent a message: what it speaks, and what else it has told of itself.
pub struct Peer<'h> {
    /// The legacy revision that it speaks; `None` for the stateless one.
    legacy: Option<Revision>,
    /// What it can do.
    pub abilities: Abilities,
    /// Its session id, if it is a legacy client that sent one; ours and live.
    pub session: Option<&'h str>,
}

impl<'h> Peer<'h> {
    /// A modern client, as its request describes it.
    pub fn modern(request: &Request) -> Peer<'static> {
        let capabilities = meta(request.params.as_ref()).and_then(|meta| meta.get(CAPABILITIES_KEY));
        Peer { legacy: None, abilities: Abilities::declared(capabilities), session: None }
    }

    /// A legacy client. The oldest revision has neither elicitation nor extensions, whatever its client declares.
    fn legacy(revision: Revision, declared: Abilities, session: Option<&'h str>) -> Peer<'h> {
        let abilities = if revision.is_oldest() { Abilities::default() } else { declared };
        Peer { legacy: Some(revision), abilities, session }
    }

    /// Whether it speaks the stateless revision.
    pub fn is_modern(&self) -> bool {
        self.legacy.is_none()
    }

    /// Whether it speaks 2025-03-26, see [`Revision::is_oldest`].
    pub fn is_oldest(&self) -> bool {
        self.legacy.is_some_and(Revision::is_oldest)
    }
}

/// What the headers say of the revision, for everything that the body leaves open.
pub struct Headers<'h> {
    head: &'h Head,
    version: Option<&'h str>,
}

impl<'h> Headers<'h> {
    /// Reads them; `-32020` when one is there twice or holds what a header can't.
    pub fn read(head: &'h Head) -> Result<Headers<'h>, RpcError> {
        for name in SINGLE_HEADERS {
            let mut values = head.fields(name);
            let visible = |value: &[u8]| value.iter().all(|octet| matches!(octet, b' '..=b'~' | b'\t'));
            if values.next().is_some_and(|value| !visible(value)) || values.next().is_some() {
                return Err(RpcError::header_mismatch(&format!(
                    "{name} must be there once, in visible ASCII"
                )));
            }
        }
        Ok(Headers { head, version: head.field("mcp-protocol-version") })
    }

    /// Whether the version header names the stateless era.
    pub fn modern(&self) -> bool {
        self.version.is_some_and(is_modern)
    }

    /// Who sent a legacy message. The session id, if there is one, must be ours and live: `404`, and the
    /// client starts over (2025-11-25 transports, Session Management).
    pub fn legacy(&self, caller: &Caller, seal: &Seal, now: Timestamp) -> Result<Peer<'h>, RpcError> {
        if self.head.fields("mcp-session-id").count() > 1 {
            return Err(RpcError::header_mismatch("mcp-session-id must be there once"));
        }
        let session = match self.head.fields("mcp-session-id").next() {
            None => None,
            Some(id) => Some(Session::open(id, caller, seal, now).ok_or_else(RpcError::unknown_session)?),
        };
        let revision = match self.version {
            Some(version) => {
                Revision::find(version).ok_or_else(|| RpcError::unsupported_version(&LEGACY, version))?
            }
            None => session.as_ref().map_or(SILENT, |session| session.revision),
        };
        let declared = session.map(|session| session.abilities).unwrap_or_default();
        Ok(Peer::legacy(revision, declared, self.head.field("mcp-session-id")))
    }

    /// Whether the request belongs to the stateless era. `initialize` never does without saying so itself.
    pub fn is_modern_request(&self, request: &Request) -> Result<bool, RpcError> {
        let version = meta(request.params.as_ref()).and_then(|meta| meta.get(VERSION_KEY));
        let well_formed = version.and_then(Value::as_str).is_some_and(is_modern);
        if request.method == "initialize" && !well_formed {
            return match self.modern() {
                true => {
                    Err(RpcError::header_mismatch("MCP-Protocol-Version names a revision without initialize"))
                }
                false => Ok(false),
            };
        }
        Ok(claims_modern(request.params.as_ref()) || self.modern())
    }

    /// Steps 9 to 12 for a request of the stateless era: its own envelope, then the headers against it.
    pub fn check_modern(&self, request: &Request) -> Result<(), RpcError> {
        let meta = meta(request.params.as_ref());
        let version = meta.and_then(|meta| meta.get(VERSION_KEY)).and_then(Value::as_str);
        let capabilities = meta.and_then(|meta| meta.get(CAPABILITIES_KEY)).filter(|value| value.is_object());
        let (Some(version), Some(_)) = (version, capabilities) else {
            return Err(RpcError::missing_meta(&format!(
                "params._meta must hold {VERSION_KEY} (a string) and {CAPABILITIES_KEY} (an object)"
            )));
        };
        if self.version.is_some_and(|header| header != version) {
            return Err(RpcError::header_mismatch("MCP-Protocol-Version header does not match params._meta"));
        }
        if version != MODERN {
            return Err(RpcError::unsupported_version(&[MODERN], version));
        }
        if self.version.is_none() {
            return Err(RpcError::header_mismatch("MCP-Protocol-Version header is missing"));
        }
        self.check_header("Mcp-Method", "method", Some(&request.method))?;
        let param = |name: &str| request.params.as_ref().and_then(|params| params.get(name)?.as_str());
        match request.method.as_str() {
            "tools/call" | "prompts/get" => self.check_header("Mcp-Name", "params.name", param("name")),
            "resources/read" => self.check_header("Mcp-Name", "params.uri", param("uri")),
            _ => Ok(()),
        }
    }

    fn check_header(&self, name: &str, place: &str, body: Option<&str>) -> Result<(), RpcError> {
        let Some(header) = self.head.field(name) else {
            return Err(RpcError::header_mismatch(&format!("{name} header is missing")));
        };
        if body.is_none() || decode_header(header).as_deref() != body.map(str::as_bytes) {
            return Err(RpcError::header_mismatch(&format!("{name} header does not match {place}")));
        }
        Ok(())
    }
}

/// Whether a message brings the envelope of the stateless era, whole or not: no other revision has these keys.
pub fn claims_modern(params: Option<&Value>) -> bool {
    meta(params).is_some_and(|meta| meta.contains_key(VERSION_KEY) || meta.contains_key(CAPABILITIES_KEY))
}

fn meta(params: Option<&Value>) -> Option<&Map<String, Value>> {
    params?.get("_meta")?.as_object()
}

/// Whether a version names the stateless era, this revision of it or a later one.
fn is_modern(version: &str) -> bool {
    let form = |(position, octet): (usize, u8)| match position {
        4 | 7 => octet == b'-',
        _ => octet.is_ascii_digit(),
    };
    version.len() == MODERN.len() && version.bytes().enumerate().all(form) && version >= MODERN
}

/// A header value that may be `=?base64?…?=`; `None` when what is inside isn't base64 of UTF-8.
fn decode_header(value: &str) -> Option<Vec<u8>> {
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        None => Some(value.as_bytes().to_vec()),
        Some(encoded) => STANDARD.decode(encoded).ok().filter(|octets| std::str::from_utf8(octets).is_ok()),
    }
}

/// What a legacy client and the server agreed on.
pub struct Session {
    /// The revision.
    pub revision: Revision,
    /// What the client can do.
    abilities: Abilities,
}

impl Session {
    /// What an `initialize` with these parameters begins.
    pub fn begin(params: &Map<String, Value>) -> Result<Session, RpcError> {
        let version = params.get("protocolVersion").and_then(Value::as_str);
        let version =
            version.ok_or_else(|| RpcError::invalid_params("params.protocolVersion must be a string"))?;
        let abilities = Abilities::declared(params.get("capabilities"));
        Ok(Session { revision: Revision::negotiate(version), abilities })
    }

    /// Who begins it.
    pub fn peer(&self) -> Peer<'static> {
        Peer::legacy(self.revision, self.abilities, None)
    }

    /// The session's id: it carries all there is to know, so the server keeps nothing. It is bound to its caller and
    /// never takes the place of a token.
    pub fn seal(&self, caller: &Caller, seal: &Seal, now: Timestamp) -> String {
        let expires_at = now.plus(limits::SESSION_SECONDS).0;
        // The random part tells two sessions of one client apart: an answer belongs to the one that was asked.
        let Abilities { elicits, shows_views } = self.abilities;
        let random = secret::random_text::<8>();
        let session = json!([self.revision.name(), expires_at, elicits, random, shows_views]);
        seal.seal(&[b"session", &caller.binding()], session.to_string().as_bytes())
    }

    fn open(id: &[u8], caller: &Caller, seal: &Seal, now: Timestamp) -> Option<Session> {
        let session = seal.open(&[b"session", &caller.binding()], std::str::from_utf8(id).ok()?)?;
        let session: Value = serde_json::from_slice(&session).ok()?;
        let expires_at = Timestamp(session.get(1)?.as_i64()?);
        let revision = Revision::find(session.get(0)?.as_str()?).filter(|_| now < expires_at)?;
        let elicits = session.get(2)?.as_bool()?;
        let shows_views = session.get(4)?.as_bool()?;
        Some(Session { revision, abilities: Abilities { elicits, shows_views } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_eras_apart() {
        for modern in ["2026-07-28", "2099-01-01"] {
            assert!(is_modern(modern), "{modern}");
        }
        for other in ["2025-11-25", "2026-07-27", "v999", "2026-7-28", "", "2026-07-281"] {
            assert!(!is_modern(other), "{other}");
        }
    }

    #[test]
    fn decodes_a_header_once() {
        assert_eq!(decode_header("get_entry").as_deref(), Some(&b"get_entry"[..]));
        assert_eq!(decode_header("=?base64?w6k=?=").as_deref(), Some("é".as_bytes()));
        assert_eq!(decode_header("=?base64?w6k=").as_deref(), Some(&b"=?base64?w6k="[..]));
        assert_eq!(decode_header("=?base64?w6k?="), None);
        assert_eq!(decode_header("=?base64?/w==?="), None);
    }
}
