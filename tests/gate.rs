//! The gate: the triad first, then every other rule, then the challenge byte for byte.

use std::io::{Read, Write};

use epicme::check::{Check, Facts};

use crate::support::{Client, Folder, Reply, SCOPES, Server, request};

/// Where clients look for the protected resource metadata.
const METADATA: [&str; 4] = [
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-protected-resource/mcp/",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/",
];
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

/// Posts a harmless call with these fields to `/mcp`.
fn post(server: &Server, fields: &[(&str, &str)]) -> Reply {
    post_to(server, "/mcp", fields)
}

fn post_to(server: &Server, path: &str, fields: &[(&str, &str)]) -> Reply {
    let host = server.address.to_string();
    let mut all = vec![("Content-Type", "application/json")];
    if !fields.iter().any(|(name, _)| *name == "Host") {
        all.push(("Host", &host));
    }
    all.extend(fields);
    server.send(request("POST", path, &all, LIST))
}

/// The request failed this check: the log says so.
#[track_caller]
fn failed(server: &Server, check: Check) {
    server.next_log_with(&format!("outcome={}", check.facts().failure));
}

/// The request passed this check as its last: the log says so.
#[track_caller]
fn passed(server: &Server, check: Check) {
    let success = check.facts().success.expect("a check that can be the last");
    server.next_log_with(&format!("outcome={success}"));
}

/// The 401 of a request without credentials that this server reads: no error code, and one word for people.
#[track_caller]
fn knows_no_credentials(server: &Server, fields: &[(&str, &str)], check: Check) {
    let reply = post(server, fields);
    assert_eq!(reply.status, 401, "{fields:?}");
    let challenge = reply.field("www-authenticate").expect("a challenge");
    assert!(challenge.starts_with("Bearer realm=") && !challenge.contains("error"), "{challenge}");
    assert_eq!(reply.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(reply.body, b"Unauthorized\n");
    assert_eq!(reply.field("cache-control"), Some("no-store"));
    failed(server, check);
}

#[track_caller]
fn refuses(server: &Server, fields: &[(&str, &str)], status: u16, error: &str, check: Check) {
    let reply = post(server, fields);
    assert_eq!(reply.status, status, "{fields:?}");
    let challenge = reply.field("www-authenticate").expect("a challenge");
    assert!(challenge.contains(&format!("error=\"{error}\"")), "{challenge}");
    assert_eq!(reply.json()["error"], error);
    assert_eq!(reply.field("cache-control"), Some("no-store"));
    failed(server, check);
}

#[test]
fn refuses_a_request_without_a_token() {
    let server = Server::start();
    knows_no_credentials(&server, &[], Check::HasAuthorization);
}

#[test]
fn refuses_a_request_with_a_wrong_token() {
    let server = Server::start();
    let token = server.token("ada@example.com", &[]);
    let last = if token.ends_with('A') { "B" } else { "A" };
    let wrong = format!("Bearer {}{last}", &token[..token.len() - 1]);
    refuses(&server, &[("Authorization", &wrong)], 401, "invalid_token", Check::TokenKnown);
}

#[test]
fn accepts_a_request_with_the_right_token() {
    let server = Server::start();
    let right = format!("Bearer {}", server.token("ada@example.com", &[]));
    let reply = post(&server, &[("Authorization", &right)]);
    assert_eq!(reply.status, 200);
    assert!(reply.json()["result"]["tools"].is_array());
    assert_eq!(reply.field("www-authenticate"), None);
    passed(&server, Check::HasKnownScope);
}

#[test]
fn accepts_the_scheme_in_any_case_and_more_than_one_space() {
    let server = Server::start();
    let token = server.token("ada@example.com", &[]);
    for right in [format!("bearer {token}"), format!("BEARER   {token}")] {
        assert_eq!(post(&server, &[("Authorization", &right)]).status, 200, "{right}");
    }
}

#[test]
fn writes_the_challenge_byte_for_byte() {
    let server = Server::start();
    let token = server.token("ada@example.com", &["--scope", "entries:read"]);
    let bearer = format!("Bearer {token}");
    let metadata =
        format!("resource_metadata=\"{}/.well-known/oauth-protected-resource/mcp\"", server.base_url());
    let challenge = |fields: &[(&str, &str)]| {
        post(&server, fields).field("www-authenticate").expect("a challenge").to_owned()
    };
    let everything = "scope=\"user:read entries:read entries:write tags:read tags:write\"";
    assert_eq!(challenge(&[]), format!("Bearer realm=\"EpicMe\", {metadata}, {everything}"));
    assert_eq!(
        challenge(&[("Authorization", "Bearer nonsense")]),
        format!(
            "Bearer realm=\"EpicMe\", error=\"invalid_token\", \
             error_description=\"The access token is invalid or expired\", {metadata}, {everything}"
        )
    );
    assert_eq!(
        challenge(&[("Authorization", &bearer), ("authorization", &bearer)]),
        format!(
            "Bearer realm=\"EpicMe\", error=\"invalid_request\", \
             error_description=\"There must be one Authorization header\", {metadata}"
        )
    );
    let delete = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_entry","arguments":{"id":1}}}"#;
    let reply = Client::new(&server, &token).post(&[], delete);
    assert_eq!(reply.status, 403);
    assert_eq!(
        reply.field("www-authenticate").expect("a challenge"),
        format!(
            "Bearer realm=\"EpicMe\", error=\"insufficient_scope\", \
             error_description=\"delete_entry needs entries:write\", \
             scope=\"entries:read entries:write\", {metadata}"
        )
    );
    failed(&server, Check::HasNeededScope);
}

#[test]
fn names_reading_alone_to_a_client_that_asks_again_and_everything_to_an_older_one() {
    let server = Server::start();
    let everything = SCOPES.to_vec();
    let reading = vec!["user:read", "entries:read", "tags:read"];
    let nonsense = ("Authorization", "Bearer nonsense");
    for (version, scopes) in [
        (None, &everything),
        (Some("2025-03-26"), &everything),
        (Some("2025-06-18"), &everything),
        (Some("2025-11-25"), &everything),
        (Some("2026-07-28"), &reading),
    ] {
        let version: Vec<_> = version.map(|version| ("MCP-Protocol-Version", version)).into_iter().collect();
        for fields in [version.clone(), [&version[..], &[nonsense]].concat()] {
            let reply = post(&server, &fields);
            assert_eq!(reply.status, 401);
            assert_eq!(&reply.scopes_to_ask_for(), scopes, "{fields:?}");
        }
    }
}

#[test]
fn gates_every_method_and_reads_no_body_before() {
    let server = Server::start();
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "options", "TRACE", "BREW"] {
        // The body is announced and never sent: an answer proves that nobody waited for it.
        let head =
            format!("{method} /mcp HTTP/1.1\r\nHost: {}\r\nContent-Length: 3999999\r\n\r\n", server.address);
        let mut wire = server.connect();
        wire.write(head);
        let reply = wire.reply_to(method).expect("an answer");
        assert_eq!(reply.status, 401, "{method}");
        assert!(reply.field("www-authenticate").is_some(), "{method}");
        assert!(reply.closes(), "{method}: a body that wasn't read ends the connection");
    }
}

#[test]
fn sends_no_100_continue_to_a_stranger() {
    let server = Server::start();
    let token = server.token("ada@example.com", &[]);
    let ask = |authorization: &str| {
        let mut wire = server.connect();
        wire.write(format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\n{authorization}Content-Type: application/json\r\n\
             Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            server.address,
            LIST.len()
        ));
        wire
    };
    assert_eq!(ask("").reply().expect("an answer").status, 401);
    let mut wire = ask(&format!("Authorization: Bearer {token}\r\n"));
    assert_eq!(wire.reply().expect("an answer").status, 100);
    wire.write(LIST);
    assert_eq!(wire.reply().expect("an answer").status, 200);
}

#[test]
fn keeps_the_connection_after_a_refusal_whose_body_has_arrived() {
    let server = Server::start();
    let host = server.address.to_string();
    let mut wire = server.connect();
    for _ in 0..2 {
        wire.write(request("POST", "/mcp", &[("Host", &host)], LIST));
        let reply = wire.reply().expect("an answer");
        assert_eq!((reply.status, reply.closes()), (401, false));
    }
}

#[test]
fn refuses_what_is_not_one_well_formed_token() {
    let server = Server::start();
    let token = server.token("ada@example.com", &[]);
    let (bearer, long) = (format!("Bearer {token}"), format!("Bearer {}", "A".repeat(9000)));
    let twice = format!("Bearer {token}, Bearer {token}");
    let quoted = format!("Bearer \"{token}\"");
    let (two_words, list) = (format!("{bearer} x"), format!("{bearer},x"));
    let (tab, named) = (format!("Bearer \t{token}"), format!("Bearer token=\"{token}\""));
    for malformed in
        ["Bearer", "Bearer x", "Bearer =?", &long, &twice, &quoted, &two_words, &list, &tab, &named]
    {
        refuses(&server, &[("Authorization", malformed)], 401, "invalid_token", Check::TokenWellFormed);
    }
    let two = [("Authorization", bearer.as_str()), ("Authorization", bearer.as_str())];
    refuses(&server, &two, 400, "invalid_request", Check::OneAuthorization);
    assert_eq!(post(&server, &[("Authorization", &bearer)]).status, 200);
}

#[test]
fn refuses_another_scheme_like_no_credentials_and_accepts_the_token_under_its_own() {
    let server = Server::start();
    let token = server.token("ada@example.com", &[]);
    let with = |scheme: &str| format!("{scheme}{token}");
    for other in ["Basic YTpi", "DPoP x", "Token x", "Bearer,x", "Digest username=\"ada\"", "Bearer\tx"] {
        knows_no_credentials(&server, &[("Authorization", other)], Check::SchemeIsBearer);
        let log = server.log_with("outcome=not-bearer");
        assert!(log.contains("which is not a Bearer token: remove it"), "{log}");
    }
    for scheme in [
        "",
        "Basic ",
        "DPoP ",
        "Bearer\t",
        "Bearer\t ",
        "Bearer:",
        "Bearer: ",
        "Bearer,",
        "Bearer=",
        "XBearer ",
    ] {
        knows_no_credentials(&server, &[("Authorization", &with(scheme))], Check::SchemeIsBearer);
    }
    // Blanks around the value are no part of it (RFC 9110 §5.5).
    for good in ["Bearer ", "bearer ", "Bearer  ", "\t Bearer "] {
        assert_eq!(
            post(&server, &[("Authorization", &format!("{} \t", with(good)))]).status,
            200,
            "{good:?}"
        );
    }
    // For a proxy.
    let forwarded = [("Proxy-Authorization", "Basic YTpi"), ("Authorization", &with("Bearer "))];
    assert_eq!(post(&server, &forwarded).status, 200);
    knows_no_credentials(&server, &[("Proxy-Authorization", &with("Bearer "))], Check::HasAuthorization);
}

#[test]
fn refuses_credentials_with_bytes_beyond_ascii_and_one_credential_too_many() {
    let server = Server::start();
    let bearer = format!("Bearer {}", server.token("ada@example.com", &[]));
    refuses(
        &server,
        &[("Authorization", &format!("{bearer}\u{e9}"))],
        401,
        "invalid_token",
        Check::TokenWellFormed,
    );
    refuses(
        &server,
        &[("Authorization", &bearer.replace(' ', " \u{a0}"))],
        401,
        "invalid_token",
        Check::TokenWellFormed,
    );
    knows_no_credentials(
        &server,
        &[("Authorization", &bearer.replace(' ', "\u{a0}"))],
        Check::SchemeIsBearer,
    );
    for second in [bearer.as_str(), "Basic YTpi", ""] {
        for two in [[bearer.as_str(), second], [second, bearer.as_str()]] {
            let fields = two.map(|value| ("Authorization", value));
            refuses(&server, &fields, 400, "invalid_request", Check::OneAuthorization);
        }
    }
    assert_eq!(post(&server, &[("Authorization", &bearer)]).status, 200);
}

#[test]
fn refuses_an_empty_authorization_and_says_in_the_log_what_to_remove() {
    let server = Server::start();
    knows_no_credentials(&server, &[("Authorization", "")], Check::NotEmpty);
    let log = server.log_with("outcome=empty-authorization");
    assert!(log.contains("remove it from the client's custom headers"), "{log}");
    knows_no_credentials(&server, &[("Authorization", "my-secret")], Check::SchemeIsBearer);
    let log = server.log_with("outcome=not-bearer");
    assert!(!log.contains("my-secret"), "{log}");
}

#[test]
fn reads_no_token_from_the_query() {
    let server = Server::start();
    let token = server.token("ada@example.com", &[]);
    let in_query = format!("/mcp?access_token={token}");
    let reply = post_to(&server, &in_query, &[]);
    assert_eq!(reply.status, 401, "alone it is no credential");
    failed(&server, Check::HasAuthorization);
    let reply = post_to(&server, &in_query, &[("Authorization", &format!("Bearer {token}"))]);
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["error"], "invalid_request");
    failed(&server, Check::NoTokenInQuery);
    let reply = post_to(&server, "/mcp?color=red", &[("Authorization", &format!("Bearer {token}"))]);
    assert_eq!(reply.status, 200);
    assert!(!server.log().contains(&token));
}

#[test]
fn refuses_a_token_from_its_revocation_on() {
    let server = Server::start();
    let token = format!("Bearer {}", server.token("ada@example.com", &[]));
    assert_eq!(post(&server, &[("Authorization", &token)]).status, 200);
    let revoked = server.folder.epicme(&["token", "revoke", "1"], "");
    assert!(revoked.status.success());
    refuses(&server, &[("Authorization", &token)], 401, "invalid_token", Check::NotRevoked);
}

#[test]
fn refuses_a_token_of_somebody_who_was_removed() {
    let server = Server::start();
    let token = format!("Bearer {}", server.token("ada@example.com", &[]));
    assert_eq!(post(&server, &[("Authorization", &token)]).status, 200);
    assert!(server.folder.epicme(&["user", "remove", "ada@example.com"], "").status.success());
    refuses(&server, &[("Authorization", &token)], 401, "invalid_token", Check::TokenKnown);
}

#[test]
fn refuses_a_token_made_for_another_resource() {
    let server = Server::start();
    let token = server.token("ada@example.com", &["--public-url", "https://other.example"]);
    let bearer = format!("Bearer {token}");
    refuses(&server, &[("Authorization", &bearer)], 401, "invalid_token", Check::AudienceIsOurs);
    let folder = server.folder.clone();
    drop(server);
    let other = Server::start_in(folder, &["--public-url", "https://other.example"]);
    assert_eq!(post(&other, &[("Authorization", &bearer), ("Host", "other.example")]).status, 200);
    // From now on tokens are made for what the server is called.
    let next = format!("Bearer {}", other.token("ada@example.com", &[]));
    assert_eq!(post(&other, &[("Authorization", &next), ("Host", "other.example")]).status, 200);
}

#[test]
fn refuses_a_token_from_the_second_of_its_expiry_on() {
    let server = Server::start();
    let bearer = format!("Bearer {}", server.token("ada@example.com", &[]));
    server.folder.tamper("UPDATE tokens SET expires_at = unixepoch() + 1000");
    assert_eq!(post(&server, &[("Authorization", &bearer)]).status, 200);
    server.folder.tamper("UPDATE tokens SET expires_at = unixepoch()");
    refuses(&server, &[("Authorization", &bearer)], 401, "invalid_token", Check::NotExpired);
}

#[test]
fn refuses_a_token_without_a_scope_of_ours_and_names_all_five() {
    let server = Server::start();
    let bearer = format!("Bearer {}", server.token("ada@example.com", &[]));
    server.folder.tamper("UPDATE tokens SET scope = 'offline_access user:write'");
    refuses(&server, &[("Authorization", &bearer)], 403, "insufficient_scope", Check::HasKnownScope);
    let description = post(&server, &[("Authorization", &bearer)]).json()["error_description"].to_string();
    for scope in ["user:read", "entries:read", "entries:write", "tags:read", "tags:write"] {
        assert!(description.contains(scope), "{description}");
    }
}

#[test]
fn stays_shut_when_the_token_cannot_be_looked_up() {
    let server = Server::start();
    let bearer = format!("Bearer {}", server.token("ada@example.com", &[]));
    server.folder.tamper("ALTER TABLE tokens RENAME TO mislaid");
    let reply = post(&server, &[("Authorization", &bearer)]);
    assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")));
    assert_eq!(reply.field("www-authenticate"), None);
    failed(&server, Check::TokenLookedUp);
    server.folder.tamper("ALTER TABLE mislaid RENAME TO tokens");
    assert_eq!(post(&server, &[("Authorization", &bearer)]).status, 200);
}

#[test]
fn answers_to_every_loopback_name_with_that_name_and_takes_a_token_for_all() {
    let server = Server::start();
    let bearer = format!("Bearer {}", server.token("ada@example.com", &[]));
    let port = server.address.port();
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        let reply = post(&server, &[("Host", &host)]);
        let challenge = reply.field("www-authenticate").expect("a challenge");
        assert!(
            challenge.contains(&format!("resource_metadata=\"http://{host}/.well-known/")),
            "{challenge}"
        );
        assert_eq!(post(&server, &[("Host", &host), ("Authorization", &bearer)]).status, 200);
        for path in METADATA {
            let document = server.send(request("GET", path, &[("Host", &host)], "")).json();
            let expected = serde_json::json!({
                "resource": format!("http://{host}/mcp"),
                "authorization_servers": [format!("http://{host}")],
                "scopes_supported": ["user:read", "entries:read", "entries:write", "tags:read", "tags:write"],
                "bearer_methods_supported": ["header"],
                "resource_name": "EpicMe journal",
            });
            assert_eq!(document, expected);
        }
    }
    // `localhost` means ::1 first on many machines.
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        let mut stream = std::net::TcpStream::connect(("::1", port)).expect("it listens there too");
        let head = format!("GET /mcp HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
}

#[test]
fn gives_each_check_a_name_of_its_own_and_a_clause() {
    let facts = Check::ALL.map(Check::facts);
    for name in [|facts: &&Facts| facts.name, |facts: &&Facts| facts.failure] {
        let names: std::collections::BTreeSet<_> = facts.iter().map(name).collect();
        assert_eq!(names.len(), Check::ALL.len());
    }
    let cites = |clause: &str| {
        ["RFC ", "OAuth 2.1 §", "MCP ", "Fetch §"].iter().any(|source| clause.starts_with(source))
    };
    for Facts { name, failure, clause, .. } in facts {
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert!(failure.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{failure}");
        assert!(cites(clause), "{name}: {clause}");
    }
}

#[test]
fn refuses_a_foreign_host_and_a_foreign_page() {
    let server = Server::start();
    let bearer = format!("Bearer {}", server.token("ada@example.com", &[]));
    for host in ["evil.example", "localhost", "localhost:1", "127.0.0.1.evil.example"] {
        let reply = post(&server, &[("Host", host), ("Authorization", &bearer)]);
        assert_eq!(reply.status, 403, "{host}");
        assert!(!String::from_utf8_lossy(&reply.body).contains(host), "nothing is reflected");
    }
    failed(&server, Check::HostIsOurs);
    for origin in ["https://evil.example", "null", "http://localhost.evil.example", "file://", ""] {
        let reply = post(&server, &[("Origin", origin), ("Authorization", &bearer)]);
        assert_eq!(reply.status, 403, "{origin}");
        assert_eq!(reply.field("access-control-allow-origin"), None, "{origin}");
    }
    failed(&server, Check::OriginIsAllowed);
    let reply = post(&server, &[("Origin", "http://localhost:6274"), ("Authorization", &bearer)]);
    assert_eq!(reply.status, 200);
}

#[test]
fn accepts_the_pages_that_the_operator_names_and_no_other() {
    let (app, extension) =
        ("https://app.example:8443", "chrome-extension://abcdefghijklmnopabcdefghijklmnop");
    let named = format!("{app}, {extension}");
    let server = Server::start_in(Folder::new().into(), &["--allowed-origins", &named]);
    let bearer = format!("Bearer {}", server.token("ada@example.com", &[]));
    let host = server.address.to_string();
    for page in [app, extension] {
        let reply = post(&server, &[("Origin", page), ("Authorization", &bearer)]);
        assert_eq!((reply.status, reply.field("access-control-allow-origin")), (200, Some(page)));
        let reply = post(&server, &[("Origin", page)]);
        assert_eq!(
            (reply.status, reply.field("access-control-allow-origin")),
            (401, Some(page)),
            "the gate stays"
        );
        let asks = [("Host", host.as_str()), ("Origin", page), ("Access-Control-Request-Method", "POST")];
        let reply = server.send(request("OPTIONS", "/mcp", &asks, ""));
        assert_eq!((reply.status, reply.field("access-control-allow-origin")), (204, Some(page)));
    }
    for page in [
        "https://app.example",
        "http://app.example:8443",
        "chrome-extension://a",
        "null",
        "https://x.app.example:8443",
    ] {
        let reply = post(&server, &[("Origin", page), ("Authorization", &bearer)]);
        assert_eq!((reply.status, reply.field("access-control-allow-origin")), (403, None), "{page}");
    }
    let line = server.next_log_with("outcome=foreign-origin");
    assert!(line.contains("start the server with that page's origin in --allowed-origins)"), "{line}");
}

#[test]
fn lets_a_browser_ask_first_and_read_the_challenge() {
    let server = Server::start();
    let host = server.address.to_string();
    let preflight = |origin: &str| {
        let fields = [
            ("Host", host.as_str()),
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "authorization,content-type"),
        ];
        server.send(request("OPTIONS", "/mcp", &fields, ""))
    };
    let page = "http://localhost:6274";
    let reply = preflight(page);
    assert_eq!((reply.status, reply.field("access-control-allow-origin")), (204, Some(page)));
    let allowed = reply.field("access-control-allow-headers").expect("headers");
    for name in [
        "authorization",
        "content-type",
        "accept",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "mcp-session-id",
        "last-event-id",
        // Any other but `Authorization`, which has to be named.
        "*",
    ] {
        assert!(allowed.split(", ").any(|own| own == name), "{name} in {allowed}");
    }
    assert!(reply.field("access-control-allow-methods").expect("methods").contains("POST"));
    assert_eq!(reply.field("access-control-allow-credentials"), None);
    passed(&server, Check::IsPreflight);
    assert_eq!(preflight("https://evil.example").status, 403);

    let scoped = format!("Bearer {}", server.token("ada@example.com", &["--scope", "tags:read"]));
    let whoami = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami"}}"#;
    let fields = [("Host", host.as_str()), ("Origin", page), ("Content-Type", "application/json")];
    for (extra, status) in [(None, 401), (Some(("Authorization", scoped.as_str())), 403)] {
        let fields: Vec<_> = fields.into_iter().chain(extra).collect();
        let reply = server.send(request("POST", "/mcp", &fields, whoami));
        assert_eq!((reply.status, reply.field("access-control-allow-origin")), (status, Some(page)));
        let exposed = reply.field("access-control-expose-headers").expect("exposed headers").to_lowercase();
        assert!(exposed.contains("www-authenticate"), "{exposed}");
        assert_eq!(reply.field("vary"), Some("Origin"));
    }
}

#[test]
fn publishes_the_metadata_to_every_page() {
    let server = Server::start();
    let host = server.address.to_string();
    for path in METADATA {
        for (method, status) in [("GET", 200), ("HEAD", 200), ("OPTIONS", 204), ("POST", 405)] {
            let fields = [("Host", host.as_str()), ("Origin", "https://anywhere.example")];
            let mut wire = server.connect();
            wire.write(request(method, path, &fields, ""));
            let reply = wire.reply_to(method).expect("an answer");
            assert_eq!(reply.status, status, "{method} {path}");
            if status < 300 {
                assert_eq!(reply.field("access-control-allow-origin"), Some("*"));
                assert_eq!(reply.field("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
                assert_eq!(reply.field("access-control-allow-headers"), Some("mcp-protocol-version, *"));
            } else {
                assert_eq!(reply.field("allow"), Some("GET, HEAD, OPTIONS"));
            }
        }
    }
}

#[test]
fn opens_nothing_for_a_path_that_only_looks_like_the_endpoint() {
    let server = Server::start();
    let bearer = format!("Bearer {}", server.token("ada@example.com", &[]));
    for path in [
        "/%6dcp",
        "//mcp",
        "/mcp//",
        "/mcp/x",
        "/./mcp",
        "/MCP",
        "/MCP/",
        "/mcp%2f",
        "/mcp%00",
        "/mcp;x",
        "/x/../mcp",
    ] {
        assert_eq!(post_to(&server, path, &[("Authorization", &bearer)]).status, 404, "{path}");
        assert_eq!(post_to(&server, path, &[]).status, 404, "{path}");
    }
    assert_eq!(post_to(&server, "/mcp%3f", &[("Authorization", &bearer)]).status, 404);
    // Nothing opens here either: a client with a token is led to the one path that does.
    let create = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"create_tag","arguments":{"name":"x"}}}"#;
    let host = server.address.to_string();
    let fields = [("Host", host.as_str()), ("Authorization", &bearer), ("Content-Type", "application/json")];
    let reply = server.send(request("POST", "/mcp/", &fields, create));
    assert_eq!(reply.status, 308);
    assert!(!String::from_utf8_lossy(&reply.body).contains("jsonrpc"));
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_tags"}}"#;
    let tags = server.send(request("POST", "/mcp", &fields, list)).json();
    assert_eq!(tags["result"]["content"][0]["text"], "Found 0 tags.", "nothing was made");
    assert_eq!(post_to(&server, "/mcp?", &[("Authorization", &bearer)]).status, 200);
    for path in ["/.well-known/openid-configuration", "/.well-known/x"] {
        assert_eq!(post_to(&server, path, &[]).status, 404, "{path}");
    }
}

#[test]
fn leads_a_client_from_the_path_with_a_slash_to_the_endpoint_and_challenges_it_first() {
    let server = Server::start();
    let bearer = format!("Bearer {}", server.token("ada@example.com", &[]));
    let host = server.address.to_string();
    let own = ("Host", host.as_str());
    let send = |method: &str, path: &str, fields: &[(&str, &str)]| {
        let mut wire = server.connect();
        wire.write(request(method, path, &[&[own], fields].concat(), ""));
        wire.reply_to(method).expect("an answer")
    };
    // Until the token is good, nothing but the path differs.
    let page = ("Origin", "http://localhost:6274");
    let asks = ("Access-Control-Request-Method", "POST");
    let refused: [&[(&str, &str)]; 8] = [
        &[],
        &[page],
        &[page, asks],
        &[("Origin", "https://evil.example"), asks],
        &[("Origin", "https://evil.example"), ("Authorization", &bearer)],
        &[("Authorization", "Basic YTpi")],
        &[("Authorization", "Bearer x")],
        &[("Authorization", &bearer), ("Authorization", &bearer)],
    ];
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        for fields in refused {
            let (at_slash, at_endpoint) = (send(method, "/mcp/", fields), send(method, "/mcp", fields));
            let told = |reply: &Reply| {
                let fields: Vec<_> =
                    reply.fields.iter().filter(|(name, _)| name != "Date").cloned().collect();
                (reply.status, fields, reply.body.clone())
            };
            assert_eq!(told(&at_slash), told(&at_endpoint), "{method} {fields:?}");
            assert_ne!(at_slash.status, 404);
        }
        let reply = send(method, "/mcp/", &[("Authorization", &bearer), page]);
        let endpoint = format!("{}/mcp", server.base_url());
        assert_eq!((reply.status, reply.field("location")), (308, Some(endpoint.as_str())), "{method}");
        assert_eq!(reply.field("access-control-allow-origin"), Some(page.1));
        assert_eq!(reply.field("cache-control"), Some("no-store"));
    }
    let reply = send("POST", "/mcp/?a=b&c", &[("Authorization", &bearer)]);
    assert_eq!(reply.field("location"), Some(format!("{}/mcp?a=b&c", server.base_url()).as_str()));
    let reply = send("POST", "/mcp/?access_token=x", &[("Authorization", &bearer)]);
    assert_eq!((reply.status, reply.field("location")), (400, None));
}

#[test]
fn leads_to_the_public_url_from_the_path_with_a_slash() {
    let server = Server::start_in(Folder::new().into(), &["--public-url", "https://journal.example"]);
    let bearer = format!("Bearer {}", server.token("ada@example.com", &[]));
    let reply = post_to(&server, "/mcp/", &[("Host", "journal.example"), ("Authorization", &bearer)]);
    assert_eq!((reply.status, reply.field("location")), (308, Some("https://journal.example/mcp")));
}

#[test]
fn says_of_a_foreign_host_what_fits_how_the_server_was_started() {
    let bare = Server::start();
    assert_eq!(post(&bare, &[("Host", "journal.example")]).status, 403);
    let line = bare.next_log_with("outcome=foreign-host");
    assert!(line.contains("if that name is this server's, start it with --public-url"), "{line}");
    assert_eq!(post(&bare, &[("Origin", "https://journal.example")]).status, 403);
    let line = bare.next_log_with("outcome=foreign-origin");
    assert!(line.contains("(only pages of this machine may use this server: open the client"), "{line}");

    let public = Server::start_in(Folder::new().into(), &["--public-url", "https://journal.example"]);
    for host in ["backend", "journal.example:80", "evil.example"] {
        let reply = post(&public, &[("Host", host)]);
        assert_eq!(reply.status, 403);
        assert!(!String::from_utf8_lossy(&reply.body).contains("journal.example"), "a stranger isn't told");
        let line = public.next_log_with("outcome=foreign-host");
        assert!(line.contains("let the proxy pass the Host header"), "{line}");
        assert!(line.contains("proxy_set_header Host $host`"), "{line}");
        assert!(
            line.contains(&format!("names are journal.example, 127.0.0.1:{}", public.address.port())),
            "{line}"
        );
        assert!(!line.contains("--public-url"), "{line}");
    }
    assert_eq!(post(&public, &[("Origin", "https://evil.example")]).status, 403);
    let line = public.next_log_with("outcome=foreign-origin");
    assert!(line.contains("of this machine and of https://journal.example may"), "{line}");
}

#[test]
fn answers_in_the_name_of_its_public_url() {
    let server = Server::start_in(Folder::new().into(), &["--public-url", "https://journal.example"]);
    let bearer = format!("Bearer {}", server.token("ada@example.com", &[]));
    let local = server.address.to_string();
    for host in ["journal.example", "journal.example:443", &local] {
        let reply = post(&server, &[("Host", host)]);
        let challenge = reply.field("www-authenticate").expect("a challenge");
        let metadata =
            "resource_metadata=\"https://journal.example/.well-known/oauth-protected-resource/mcp\"";
        assert!(challenge.contains(metadata), "{challenge}");
        assert_eq!(post(&server, &[("Host", host), ("Authorization", &bearer)]).status, 200);
    }
    assert_eq!(post(&server, &[("Host", "evil.example")]).status, 403);
}

#[test]
fn asks_again_after_a_body_that_took_its_time() {
    let server = Server::start();
    let bearer = format!("Bearer {}", server.token("ada@example.com", &[]));
    let host = server.address.to_string();
    let fields = [("Host", host.as_str()), ("Authorization", &bearer), ("Content-Type", "application/json")];
    for revoke in [false, true] {
        let whole = request("POST", "/mcp", &[&fields[..], &[("Expect", "100-continue")]].concat(), LIST);
        let (head, body) = whole.split_at(whole.len() - LIST.len());
        let mut wire = server.connect();
        wire.write(head);
        assert_eq!(wire.reply().expect("an answer").status, 100, "the body is being waited for");
        if revoke {
            assert!(server.folder.epicme(&["token", "revoke", "1"], "").status.success());
        }
        wire.write(body);
        assert_eq!(wire.reply().expect("an answer").status, if revoke { 401 } else { 200 });
    }
    failed(&server, Check::NotRevoked);
}

#[test]
fn keeps_no_transaction_open_while_it_waits_for_a_body() {
    let server = Server::start();
    let bearer = format!("Bearer {}", server.token("ada@example.com", &[]));
    let host = server.address.to_string();
    let fields = [("Host", host.as_str()), ("Authorization", &bearer), ("Content-Type", "application/json")];
    let whole = request("POST", "/mcp", &[&fields[..], &[("Expect", "100-continue")]].concat(), LIST);
    let (head, body) = whole.split_at(whole.len() - LIST.len());
    let mut wire = server.connect();
    wire.write(head);
    assert_eq!(wire.reply().expect("an answer").status, 100, "the gate has looked the token up");
    let other = rusqlite::Connection::open(server.folder.database()).expect("the database");
    other.busy_timeout(std::time::Duration::ZERO).expect("a timeout");
    other.execute_batch("UPDATE users SET updated_at = updated_at + 1").expect("nobody else writes");
    let is_busy: bool =
        other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).expect("a checkpoint");
    assert!(!is_busy, "no read needs the log");
    wire.write(body);
    assert_eq!(wire.reply().expect("an answer").status, 200);
}
