//! The client behind a request: its protocol version, its capabilities and its session, as body and headers say.
//!
//! Knows no method's work and reads no token.
//!
//! The body says of which kind a request is, and the headers must agree with it, because a proxy in front of the
//! server may have routed or filtered the request by its headers (2026-07-28 Streamable HTTP, Server Validation). If
//! the server went by a body that says something else, a client could get past such a filter.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::apps;
use super::rpc::{Request, RpcError};
use super::version::ProtocolVersion::{self, V2026_07_28};
use crate::clock::Timestamp;
use crate::gate::Caller;
use crate::http::request::Head;
use crate::limits;
use crate::secret::{self, Signer};

// The keys of `_meta` that a stateless request must have (2026-07-28 base protocol, `_meta`). A third one,
// `clientInfo`, may be missing. The server doesn't read it: clients state there whatever they like, so nothing may
// depend on it.
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
/// The headers that a request may have only once. The specification doesn't say what a second one means, and of two
/// values a proxy could read the first and this server the last.
const SINGLE_HEADERS: [&str; 3] = ["mcp-protocol-version", "mcp-method", "mcp-name"];

/// What a client declares that it can do, as far as a result of this server depends on it. It is no authorization:
/// what a client may read or change depends on its token alone.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Capabilities {
    /// The client shows a form to the person and brings back what they answer (elicitation in form mode).
    pub(crate) elicitation: bool,
    /// The client shows pages of a server beside the results of tools (MCP Apps).
    pub(crate) apps: bool,
}

impl Capabilities {
    /// Reads the capabilities that a client declared. `"elicitation": {}` means forms, because there was no other
    /// mode when the capability came (2025-11-25 elicitation, Capabilities). A client that declares `url` alone can
    /// show a link and no form, so it can't be asked about a deletion.
    fn declared(capabilities: Option<&Value>) -> Capabilities {
        let modes = capabilities.and_then(|all| all.get("elicitation")?.as_object());
        let elicitation = modes.is_some_and(|modes| modes.contains_key("form") || !modes.contains_key("url"));
        Capabilities { elicitation, apps: apps::are_supported(capabilities) }
    }
}

/// The client that sent a message, as far as the message and its session describe it.
pub(crate) struct ClientInfo<'h> {
    pub(crate) version: ProtocolVersion,
    pub(crate) capabilities: Capabilities,
    /// The id of its session, if it sent one. It has been verified: this server made it for this caller, and it
    /// hasn't expired.
    pub(crate) session: Option<&'h str>,
}

impl<'h> ClientInfo<'h> {
    /// The client of a stateless request, whose `_meta` has been checked.
    pub(crate) fn of_stateless(request: &Request) -> ClientInfo<'static> {
        let capabilities = meta(request.params.as_ref()).and_then(|meta| meta.get(CAPABILITIES_KEY));
        ClientInfo { version: V2026_07_28, capabilities: Capabilities::declared(capabilities), session: None }
    }

    /// A client that is known by `initialize`. 2025-03-26 has neither elicitation nor extensions, whatever its client
    /// declares. To use them all the same would send it messages that its version doesn't define.
    fn of_session(
        version: ProtocolVersion,
        declared: Capabilities,
        session: Option<&'h str>,
    ) -> ClientInfo<'h> {
        let capabilities = if version.has_elicitation() { declared } else { Capabilities::default() };
        ClientInfo { version, capabilities, session }
    }
}

/// The headers of a message that the protocol defines.
pub(crate) struct Headers<'h> {
    head: &'h Head,
    version: Option<&'h str>,
}

impl<'h> Headers<'h> {
    /// Reads the headers. The error is `-32020` when one is there twice, or holds a byte that no field value may hold
    /// (2026-07-28 Streamable HTTP, Server Validation).
    pub(crate) fn read(head: &'h Head) -> Result<Headers<'h>, RpcError> {
        for name in SINGLE_HEADERS {
            let mut values = head.fields(name);
            let visible = |value: &[u8]| value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
            if values.next().is_some_and(|value| !visible(value)) || values.next().is_some() {
                return Err(RpcError::header_mismatch(format!(
                    "{name} must be there once, in visible ASCII"
                )));
            }
        }
        Ok(Headers { head, version: head.field("mcp-protocol-version") })
    }

    /// Whether `MCP-Protocol-Version` names a stateless version.
    pub(crate) fn names_stateless_version(&self) -> bool {
        self.version.is_some_and(ProtocolVersion::is_stateless_name)
    }

    /// The client of a message in a version with `initialize`.
    ///
    /// The header decides on the version, then the session, and without both it is [`ProtocolVersion::UNNAMED`].
    ///
    /// A session id that this server didn't make for this caller, or that has expired, is answered by 404: the
    /// client then begins anew with `initialize` (2025-11-25 transports, Session Management). Without a session id
    /// the request is served as one of a client that can't be asked anything. The specification would let the
    /// server refuse it, but a simple script that calls one tool should not need a handshake.
    pub(crate) fn session_client(
        &self,
        caller: &Caller,
        signer: &Signer,
        now: Timestamp,
    ) -> Result<ClientInfo<'h>, RpcError> {
        if self.head.fields("mcp-session-id").count() > 1 {
            return Err(RpcError::header_mismatch("mcp-session-id must be there once"));
        }
        // The order matters: a client whose session has expired must get the 404, whatever else is wrong.
        let session = match self.head.fields("mcp-session-id").next() {
            None => None,
            Some(id) => Some(Session::verify(id, caller, signer, now).ok_or(RpcError::UnknownSession)?),
        };
        let version = match self.version {
            Some(name) => ProtocolVersion::find(name)
                .filter(|version| !version.is_stateless())
                .ok_or_else(|| RpcError::unsupported_version(&ProtocolVersion::WITH_INITIALIZE, name))?,
            None => session.as_ref().map_or(ProtocolVersion::UNNAMED, |session| session.version),
        };
        let declared = session.map(|session| session.capabilities).unwrap_or_default();
        Ok(ClientInfo::of_session(version, declared, self.head.field("mcp-session-id")))
    }

    /// Whether a request is to be answered by the stateless rules: if its `_meta` or its version header says so.
    ///
    /// `initialize` is special, since no stateless version has that method. With a stateless `_meta` of its own it is
    /// answered as an unknown method of that version. With a stateless version in the header alone it contradicts
    /// itself. Otherwise it begins a session.
    pub(crate) fn is_stateless_request(&self, request: &Request) -> Result<bool, RpcError> {
        if request.method == "initialize" {
            let version = meta(request.params.as_ref()).and_then(|meta| meta.get(VERSION_KEY));
            if !version.and_then(Value::as_str).is_some_and(ProtocolVersion::is_stateless_name) {
                if self.names_stateless_version() {
                    let text = "MCP-Protocol-Version names a protocol version without initialize";
                    return Err(RpcError::header_mismatch(text));
                }
                return Ok(false);
            }
        }
        Ok(has_stateless_meta(request.params.as_ref()) || self.names_stateless_version())
    }

    /// Checks a stateless request: first its own `_meta`, then the headers against it (2026-07-28 base protocol,
    /// `_meta`; Streamable HTTP, Server Validation).
    ///
    /// The order decides by which error a request with several mistakes is answered. The official conformance tests
    /// expect this order: a header that contradicts the body comes before a version that the server doesn't speak.
    pub(crate) fn check_stateless(&self, request: &Request) -> Result<(), RpcError> {
        let meta = meta(request.params.as_ref());
        let version = meta.and_then(|meta| meta.get(VERSION_KEY)).and_then(Value::as_str);
        let capabilities = meta.and_then(|meta| meta.get(CAPABILITIES_KEY)).filter(|value| value.is_object());
        let (Some(version), Some(_)) = (version, capabilities) else {
            return Err(RpcError::MissingMeta(format!(
                "params._meta must hold {VERSION_KEY} (a string) and {CAPABILITIES_KEY} (an object)"
            )));
        };
        if self.version.is_some_and(|header| header != version) {
            return Err(RpcError::header_mismatch("MCP-Protocol-Version header does not match params._meta"));
        }
        if !ProtocolVersion::find(version).is_some_and(ProtocolVersion::is_stateless) {
            return Err(RpcError::unsupported_version(&ProtocolVersion::STATELESS, version));
        }
        if self.version.is_none() {
            return Err(RpcError::header_mismatch("MCP-Protocol-Version header is missing"));
        }
        // These two headers let a proxy limit or route calls of one tool without reading bodies. The server doesn't
        // need them, and yet it must compare them, or the proxy would rely on what nothing checks.
        self.check_header("Mcp-Method", "method", Some(&request.method))?;
        let param = |name: &str| request.params.as_ref().and_then(|params| params.get(name)?.as_str());
        match request.method.as_str() {
            "tools/call" | "prompts/get" => self.check_header("Mcp-Name", "params.name", param("name")),
            "resources/read" => self.check_header("Mcp-Name", "params.uri", param("uri")),
            _ => Ok(()),
        }
    }

    /// Checks that a header says what the body says at `place`. A header without such a member in the body
    /// contradicts it too, also where the member is there and isn't a string.
    fn check_header(&self, name: &str, place: &str, body: Option<&str>) -> Result<(), RpcError> {
        let Some(header) = self.head.field(name) else {
            return Err(RpcError::header_mismatch(format!("{name} header is missing")));
        };
        if body.is_none() || decode_header(header).as_deref() != body.map(str::as_bytes) {
            return Err(RpcError::header_mismatch(format!("{name} header does not match {place}")));
        }
        Ok(())
    }
}

/// Whether a message has the `_meta` of a stateless request, whole or in part. No earlier version has these keys.
/// So one of them alone is a mistake for which the client needs an error, and no sign of an earlier version.
pub(crate) fn has_stateless_meta(params: Option<&Value>) -> bool {
    meta(params).is_some_and(|meta| meta.contains_key(VERSION_KEY) || meta.contains_key(CAPABILITIES_KEY))
}

fn meta(params: Option<&Value>) -> Option<&Map<String, Value>> {
    params?.get("_meta")?.as_object()
}

/// Reads a header value that may be `=?base64?…?=`, as clients write what isn't plain ASCII (2026-07-28 Streamable
/// HTTP, Value Encoding). `None` when what is inside isn't base64 of UTF-8. A value with only one of the two marks
/// is taken literally. It is decoded once: what is inside may look like an encoded value again.
fn decode_header(value: &str) -> Option<Vec<u8>> {
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        None => Some(value.as_bytes().to_vec()),
        Some(encoded) => STANDARD.decode(encoded).ok().filter(|bytes| std::str::from_utf8(bytes).is_ok()),
    }
}

/// What a client and the server agreed on by `initialize`.
///
/// The session's id holds all of it, signed, so the server keeps nothing (2025-11-25 transports, Session
/// Management, names a JWT as one form of an id). There is no table of sessions that a client could fill, and a
/// session outlives a restart. The price: the server can't end one session before it expires. That costs little,
/// because a session gives access to nothing. Each request brings a token of its own, and the id is bound to the
/// caller, so a stolen id is worth nothing without that caller's token (MCP security best practices, Session
/// Hijacking). A larger server, with state worth keeping, would have a table and let a DELETE end a session.
pub(crate) struct Session {
    pub(crate) version: ProtocolVersion,
    capabilities: Capabilities,
}

impl Session {
    /// The session that an `initialize` with these parameters begins.
    pub(crate) fn begin(params: &Map<String, Value>) -> Result<Session, RpcError> {
        let requested = params.get("protocolVersion").and_then(Value::as_str);
        let requested =
            requested.ok_or_else(|| RpcError::invalid_params("params.protocolVersion must be a string"))?;
        let capabilities = Capabilities::declared(params.get("capabilities"));
        Ok(Session { version: ProtocolVersion::negotiate(requested), capabilities })
    }

    /// The client that begins it. It has no session id yet: the response to `initialize` brings it.
    pub(crate) fn client(&self) -> ClientInfo<'static> {
        ClientInfo::of_session(self.version, self.capabilities, None)
    }

    /// Makes the session's id, in visible ASCII as the specification demands.
    pub(crate) fn sign(&self, caller: &Caller, signer: &Signer, now: Timestamp) -> String {
        let expires_at = now.plus(limits::SESSION_SECONDS).0;
        let Capabilities { elicitation, apps } = self.capabilities;
        // The random part makes two sessions of one client differ. A person's answer is delivered to the session in
        // which the question was asked; without this part two windows of one client could share an id.
        let random = secret::random_text::<8>();
        let session = json!([self.version.name(), expires_at, elicitation, random, apps]);
        signer.sign(&[b"session", &caller.binding()], session.to_string().as_bytes())
    }

    /// The session of this id, if this server made it for this caller and it has not expired. `None` doesn't say
    /// which of these failed: the client does the same in each case, and a stranger who tries ids learns nothing.
    fn verify(id: &[u8], caller: &Caller, signer: &Signer, now: Timestamp) -> Option<Session> {
        let session = signer.verify(&[b"session", &caller.binding()], std::str::from_utf8(id).ok()?)?;
        let session: Value = serde_json::from_slice(&session).ok()?;
        let expires_at = Timestamp(session.get(1)?.as_i64()?);
        let version = ProtocolVersion::find(session.get(0)?.as_str()?).filter(|_| now < expires_at)?;
        let elicitation = session.get(2)?.as_bool()?;
        let apps = session.get(4)?.as_bool()?;
        Some(Session { version, capabilities: Capabilities { elicitation, apps } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_a_header_once() {
        assert_eq!(decode_header("get_entry").as_deref(), Some(&b"get_entry"[..]));
        assert_eq!(decode_header("=?base64?w6k=?=").as_deref(), Some("é".as_bytes()));
        assert_eq!(decode_header("=?base64?w6k=").as_deref(), Some(&b"=?base64?w6k="[..]));
        assert_eq!(decode_header("=?base64?w6k?="), None);
        assert_eq!(decode_header("=?base64?/w==?="), None);
    }
}
