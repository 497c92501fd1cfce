//! The client that sent a request: reads its protocol version, its capabilities and its session from the body and the
//! headers.
//!
//! Runs no method and reads no token: the gate has checked the token already, and the [`Caller`] is the result.
//!
//! A stateless request names its version and its method in the body and again in headers, and the two must agree. A
//! proxy in front of the server may have routed or filtered the request by the headers (2026-07-28 Streamable HTTP,
//! Server Validation). If the server followed a body that contradicts the headers, a client could get past such a
//! filter.

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

// The keys of `_meta` that a stateless request must have (2026-07-28 base protocol, `_meta`). A third key,
// `clientInfo`, may be missing. The server doesn't read that member: a client can write anything there, so no
// decision may depend on it.
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
/// The headers that a request may have only once. The specification doesn't say what a second value means, and a
/// proxy could read one of the two values and this server the other.
const SINGLE_HEADERS: [&str; 3] = ["mcp-protocol-version", "mcp-method", "mcp-name"];

/// What a client declares that it can do, as far as this server's results depend on it. A capability authorizes
/// nothing: only the token decides what a client may read or change.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Capabilities {
    /// The client shows a form to the person and brings back what they answer (elicitation in form mode).
    pub(crate) elicitation: bool,
    /// The client shows pages of a server beside the results of tools (MCP Apps).
    pub(crate) apps: bool,
}

impl Capabilities {
    /// Reads the capabilities that a client declared. `"elicitation": {}` means forms, because MCP had no other mode
    /// when it got this capability (2025-11-25 elicitation, Capabilities). A client that declares only `url` can show
    /// a link but no form, so the server can't ask the person through it.
    ///
    /// A value of another type, apart from `false`, declares forms as well. If the client means something else, its
    /// person isn't asked and the row stays; if the server took the value for nothing, a delete would go without the
    /// question.
    fn declared(capabilities: Option<&Value>) -> Capabilities {
        let elicitation = match capabilities.and_then(|all| all.get("elicitation")) {
            None | Some(Value::Bool(false)) => false,
            Some(Value::Object(modes)) => modes.contains_key("form") || !modes.contains_key("url"),
            Some(_) => true,
        };
        Capabilities { elicitation, apps: apps::are_supported(capabilities) }
    }
}

/// The client that sent a message, as far as the message and its session describe it.
pub(crate) struct ClientInfo<'h> {
    pub(crate) version: ProtocolVersion,
    pub(crate) capabilities: Capabilities,
    /// The id of its session, if the client sent one. The id has been verified: this server made it for this caller,
    /// and it hasn't expired.
    pub(crate) session: Option<&'h str>,
}

impl<'h> ClientInfo<'h> {
    /// Describes the client of a stateless request, whose `_meta` has been checked.
    pub(crate) fn of_stateless(request: &Request) -> ClientInfo<'static> {
        let capabilities = meta(request.params.as_ref()).and_then(|meta| meta.get(CAPABILITIES_KEY));
        ClientInfo { version: V2026_07_28, capabilities: Capabilities::declared(capabilities), session: None }
    }

    /// Describes a client of a version with `initialize`, whether or not it sent a session id. 2025-03-26 has neither
    /// elicitation nor extensions, so what its client declares of them is dropped.
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
///
/// An empty `MCP-Protocol-Version` or `Mcp-Session-Id` counts as absent: a client that writes the field before it has a
/// value for it says nothing by it. An empty `Mcp-Method` or `Mcp-Name` is wrong as an absent one is, by the same code.
pub(crate) struct Headers<'h> {
    head: &'h Head,
    version: Option<&'h str>,
}

impl<'h> Headers<'h> {
    /// Reads the headers. The error is `-32020` if one of them is there twice, or holds a byte that no field value
    /// may hold (2026-07-28 Streamable HTTP, Server Validation).
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
        let version = head.field("mcp-protocol-version").filter(|version| !version.is_empty());
        Ok(Headers { head, version })
    }

    /// Checks whether `MCP-Protocol-Version` names a stateless version.
    pub(crate) fn names_stateless_version(&self) -> bool {
        self.version.is_some_and(ProtocolVersion::is_stateless_name)
    }

    /// Finds the client of a message in a version with `initialize`.
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
        let mut ids = self.head.fields("mcp-session-id");
        let id = ids.next().filter(|id| !id.is_empty());
        if ids.next().is_some() {
            return Err(RpcError::header_mismatch("mcp-session-id must be there once"));
        }
        // The order matters: a client whose session has expired must get the 404, whatever else is wrong.
        let session = match id {
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
        Ok(ClientInfo::of_session(version, declared, id.and_then(|id| std::str::from_utf8(id).ok())))
    }

    /// Decides whether the stateless rules hold for a request: they do if its `_meta` or its version header says so.
    ///
    /// `initialize` is special, since no stateless version has that method. If its `_meta` names a stateless version,
    /// the stateless rules answer that the method is unknown. If only the header names a stateless version, the
    /// request contradicts itself and is refused. Otherwise it begins a session.
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
    /// If a request has several mistakes, the order decides which error the client gets. The official conformance
    /// tests expect this order: first a header that contradicts the body, then a version that the server doesn't
    /// speak.
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
        // By `Mcp-Method` and `Mcp-Name` a proxy can limit or route the calls of one tool without reading bodies. The
        // server doesn't need these headers itself. But it must compare them with the body, or the proxy would rely
        // on values that no program checks.
        self.check_header("Mcp-Method", "method", Some(&request.method))?;
        let param = |name: &str| request.params.as_ref().and_then(|params| params.get(name)?.as_str());
        match request.method.as_str() {
            "tools/call" | "prompts/get" => self.check_header("Mcp-Name", "params.name", param("name")),
            "resources/read" => self.check_header("Mcp-Name", "params.uri", param("uri")),
            _ => Ok(()),
        }
    }

    /// Checks that a header says what the body says at `place`. If the body has no such member, or the member isn't a
    /// string, the header contradicts the body too.
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

/// Returns the headers that a client sends with a message of a stateless version: those that
/// [`Headers::check_stateless`] compares with the body. `None` if the message is of a session. A version that no header
/// can hold is left out; the server then refuses the version in the body.
pub(crate) fn stateless_headers(message: &Value) -> Option<Vec<(&'static str, String)>> {
    let params = message.get("params");
    if !has_stateless_meta(params) {
        return None;
    }
    let version = meta(params).and_then(|meta| meta.get(VERSION_KEY)?.as_str());
    let version = version.filter(|version| version.bytes().all(|byte| byte.is_ascii_graphic()));
    let method = message.get("method").and_then(Value::as_str);
    let param = |name: &str| params.and_then(|params| params.get(name)?.as_str());
    let name = match method {
        Some("tools/call" | "prompts/get") => param("name"),
        Some("resources/read") => param("uri"),
        _ => None,
    };
    let values = [
        ("MCP-Protocol-Version", version.map(str::to_owned)),
        ("Mcp-Method", method.map(encode_header)),
        ("Mcp-Name", name.map(encode_header)),
    ];
    Some(values.into_iter().filter_map(|(header, value)| Some((header, value?))).collect())
}

/// Writes a header value such that [`decode_header`] reads it back.
fn encode_header(value: &str) -> String {
    let is_plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~')) && value.trim_ascii() == value;
    if is_plain && !value.starts_with("=?base64?") {
        return value.to_owned();
    }
    format!("=?base64?{}?=", STANDARD.encode(value))
}

/// Checks whether a message has at least one of the two keys of a stateless request. No earlier version has these
/// keys. So a message with only one of them is a stateless request with a mistake, and the client gets an error.
pub(crate) fn has_stateless_meta(params: Option<&Value>) -> bool {
    // A batch is asked before its messages are read, so a `null` is still there and counts as absent here.
    let mut values = [VERSION_KEY, CAPABILITIES_KEY].iter().filter_map(|key| meta(params)?.get(*key));
    values.any(|value| !value.is_null())
}

fn meta(params: Option<&Value>) -> Option<&Map<String, Value>> {
    params?.get("_meta")?.as_object()
}

/// Reads a header value that may be `=?base64?…?=`, as clients write what isn't plain ASCII (2026-07-28 Streamable
/// HTTP, Value Encoding). Returns `None` if the part between the two marks isn't base64 of UTF-8. A value with only
/// one of the marks is taken literally. The value is decoded once, even if the result looks like an encoded value
/// again.
fn decode_header(value: &str) -> Option<Vec<u8>> {
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        None => Some(value.as_bytes().to_vec()),
        Some(encoded) => STANDARD.decode(encoded).ok().filter(|bytes| std::str::from_utf8(bytes).is_ok()),
    }
}

/// What a client and the server agreed on when the client sent `initialize`.
///
/// The session's id holds all of it, signed, so the server keeps nothing (2025-11-25 transports, Session Management,
/// names a JWT as one form of an id). So there is no table of sessions that a client could fill, and a session
/// outlives a restart of the server. The price: the server can't end one session before it expires. That is
/// acceptable, because a session gives no access. Each request brings a token, and the id is bound to the person and
/// the client, so a thief of an id can't use it without a token of that person and that client (MCP security best
/// practices, Session Hijacking). A larger server, which keeps state for each session, would have a table and let a
/// DELETE end a session.
pub(crate) struct Session {
    pub(crate) version: ProtocolVersion,
    capabilities: Capabilities,
}

impl Session {
    /// Begins the session for an `initialize` with these parameters.
    pub(crate) fn begin(params: &Map<String, Value>) -> Result<Session, RpcError> {
        let requested = params.get("protocolVersion").and_then(Value::as_str);
        let requested =
            requested.ok_or_else(|| RpcError::invalid_params("params.protocolVersion must be a string"))?;
        let capabilities = Capabilities::declared(params.get("capabilities"));
        Ok(Session { version: ProtocolVersion::negotiate(requested), capabilities })
    }

    /// Describes the client that begins this session. The client has no session id yet: it gets one with the response
    /// to `initialize`.
    pub(crate) fn client(&self) -> ClientInfo<'static> {
        ClientInfo::of_session(self.version, self.capabilities, None)
    }

    /// Writes the session's id, in visible ASCII as the specification demands.
    #[inline(never)] // see `log::write`
    pub(crate) fn sign(&self, caller: &Caller, signer: &Signer, now: Timestamp) -> String {
        let expires_at = now.plus(limits::SESSION_SECONDS).0;
        let Capabilities { elicitation, apps } = self.capabilities;
        // Because of the random part two sessions of one client have two ids. A person's answer counts in the session
        // in which the question was asked; without the random part two windows of one client could share an id.
        let random = secret::random_text::<8>();
        let session = json!([self.version.name(), expires_at, elicitation, random, apps]);
        signer.sign(&[b"session", &caller.binding()], session.to_string().as_bytes())
    }

    /// Reads the session from its id, if this server made the id for this caller and the session hasn't expired.
    /// `None` doesn't say which of these failed: the client has to initialize again in each case, and a client that
    /// tries foreign ids learns nothing.
    fn verify(id: &[u8], caller: &Caller, signer: &Signer, now: Timestamp) -> Option<Session> {
        let session = signer.verify(&[b"session", &caller.binding()], std::str::from_utf8(id).ok()?)?;
        Session::read(&session, now)
    }

    /// Reads what [`Session::sign`] signed; `None` if the session has expired, or names a version without sessions.
    fn read(session: &[u8], now: Timestamp) -> Option<Session> {
        let session: Value = serde_json::from_slice(session).ok()?;
        let expires_at = Timestamp(session.get(1)?.as_i64()?);
        let version = ProtocolVersion::find(session.get(0)?.as_str()?)?;
        let elicitation = session.get(2)?.as_bool()?;
        let apps = session.get(4)?.as_bool()?;
        let session = Session { version, capabilities: Capabilities { elicitation, apps } };
        (now < expires_at && !version.is_stateless()).then_some(session)
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

    #[test]
    fn writes_the_headers_that_a_message_must_have() {
        for value in ["get_entry", "a b", "é", " a", "a\n", "", "=?base64?w6k=?=", "=?base64?"] {
            assert_eq!(decode_header(&encode_header(value)).as_deref(), Some(value.as_bytes()), "{value:?}");
        }
        assert_eq!(encode_header("epicme://tags/a"), "epicme://tags/a");
        let message = |method: &str, version: Value| {
            let meta = json!({ VERSION_KEY: version, CAPABILITIES_KEY: {} });
            json!({ "method": method, "params": { "name": "n", "uri": "u", "_meta": meta } })
        };
        let headers = |message: &Value| {
            let headers = stateless_headers(message)?.into_iter();
            Some(headers.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", "))
        };
        let version = "MCP-Protocol-Version: 2026-07-28, ";
        for (method, expected) in [
            ("tools/call", format!("{version}Mcp-Method: tools/call, Mcp-Name: n")),
            ("resources/read", format!("{version}Mcp-Method: resources/read, Mcp-Name: u")),
            ("tools/list", format!("{version}Mcp-Method: tools/list")),
        ] {
            assert_eq!(headers(&message(method, json!("2026-07-28"))), Some(expected));
        }
        assert_eq!(headers(&message("ping", json!("a\r\nX: y"))).as_deref(), Some("Mcp-Method: ping"));
        assert_eq!(headers(&json!({ "method": "ping", "params": { "_meta": {} } })), None);
    }

    #[test]
    fn reads_no_session_that_has_expired_or_whose_version_has_none() {
        let read = |version: &str, now| {
            Session::read(json!([version, 100, true, "x", false]).to_string().as_bytes(), now)
        };
        assert!(read("2025-11-25", Timestamp(99)).is_some_and(|session| session.capabilities.elicitation));
        assert!(read("2025-11-25", Timestamp(100)).is_none());
        assert!(read("2026-07-28", Timestamp(99)).is_none());
        assert!(read("1999-01-01", Timestamp(99)).is_none());
    }
}
