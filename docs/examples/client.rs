//! The smallest MCP client: from a URL and nothing else to an entry in the journal, over `std::net`. It needs no prior
//! knowledge of the server: each answer names the next URL.
//!
//! Knows no TLS, so the server must be plain http on this machine. `client.sh` beside it does the same with curl.
//!
//! ```sh
//! EMAIL=demo@localhost PASSWORD=… cargo run --example client http://127.0.0.1:8787/mcp 'A title' 'Some content'
//! ```

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::{env, process};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Where this client would listen for the person's browser.
const CALLBACK: &str = "http://127.0.0.1:6274/callback";
const FORM: &str = "application/x-www-form-urlencoded";

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [mcp, title, content] = &arguments[..] else {
        eprintln!("usage: EMAIL=… PASSWORD=… client URL TITLE CONTENT");
        process::exit(2);
    };
    match write_entry(mcp, title, content) {
        Ok(text) => println!("{text}"),
        Err(error) => {
            eprintln!("client: {error}");
            process::exit(1);
        }
    }
}

/// The whole journey; gives what the tool says.
fn write_entry(mcp: &str, title: &str, content: &str) -> Outcome<String> {
    // 1. Ask without a token. The 401 names the document that describes this resource (RFC 9728 §5.1), and
    //    the scopes to ask for (RFC 6750 §3).
    let challenge = http("POST", mcp, &[], "")?.field("WWW-Authenticate").ok_or("there is no challenge")?;
    let metadata =
        between(&challenge, "resource_metadata=\"", "\"").ok_or("the challenge names no metadata")?;
    let scope = between(&challenge, "scope=\"", "\"").unwrap_or_default();

    // 2. The document says which authorization server makes tokens for it. It must be about the URL that was asked, or a
    //    foreign server could have this client fetch a token for somebody else's resource (RFC 9728 §3.3).
    let resource = http("GET", metadata, &[], "")?.json()?;
    check(resource["resource"] == mcp, "the metadata is about another resource")?;
    let issuer = text(&resource["authorization_servers"][0])?;

    // 3. The authorization server says where to register, where to send the person, and where to trade (RFC 8414).
    //    Without S256 a client must stop: the code would be worth something to everyone who sees it.
    let server = http("GET", &format!("{issuer}/.well-known/oauth-authorization-server"), &[], "")?.json()?;
    check(server["issuer"] == issuer, "the authorization server calls itself something else")?;
    let methods = server["code_challenge_methods_supported"].as_array();
    check(methods.is_some_and(|methods| methods.contains(&json!("S256"))), "PKCE isn't supported")?;

    // 4. Register (RFC 7591). The answer holds the name of this client from now on.
    let asked = json!({ "client_name": "client.rs", "redirect_uris": [CALLBACK] }).to_string();
    let own = [("Content-Type", "application/json")];
    let registered = http("POST", text(&server["registration_endpoint"])?, &own, &asked)?.json()?;
    let client = text(&registered["client_id"])?;

    // 5. Send the person's browser to the authorization server. The verifier stays here and only its hash goes along, so
    //    the code that comes back is worth nothing to others who see it (PKCE, RFC 7636). The state comes back as it went.
    let (verifier, state) = (random()?, random()?);
    let query = form(&[
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("scope", scope),
        ("state", &state),
        ("resource", mcp),
        ("code_challenge", &URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier))),
        ("code_challenge_method", "S256"),
    ]);
    let location = play_the_person(text(&server["authorization_endpoint"])?, &query, scope)?;

    //    The browser comes back to the redirect URI. Only a code with the state that was sent, from the issuer that was
    //    asked, is the answer to this request (OAuth 2.1 §4.1.2, RFC 9207).
    let (_, answer) = location.split_once('?').ok_or("the browser came back with nothing")?;
    let parameter = |name: &str| form_urlencoded::parse(answer.as_bytes()).find(|(own, _)| own == name);
    check(parameter("state").is_some_and(|(_, came)| came == state), "another state came back")?;
    check(parameter("iss").is_some_and(|(_, came)| came == issuer), "another server answered")?;
    let (_, code) = parameter("code").ok_or("no code came back")?;

    // 6. Trade the code and the verifier for a token (OAuth 2.1 §4.1.3), directly and not through the browser.
    let trade = form(&[
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", &code),
        ("code_verifier", &verifier),
        ("resource", mcp),
    ]);
    let tokens = http("POST", text(&server["token_endpoint"])?, &[("Content-Type", FORM)], &trade)?.json()?;
    let authorization = format!("Bearer {}", text(&tokens["access_token"])?);

    // 7. Call the tool. Since 2026-07-28 a call needs no session: the request says itself which version it speaks, in
    //    `_meta` and in header fields, which must agree.
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "create_entry",
        "arguments": { "title": title, "content": content },
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    }});
    let fields = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "create_entry"),
    ];
    let answer = http("POST", mcp, &fields, &call.to_string())?.json()?;
    check(answer["error"].is_null() && answer["result"]["isError"].is_null(), &answer.to_string())?;
    Ok(text(&answer["result"]["content"][0]["text"])?.to_owned())
}

/// Plays the browser and the person: fills in both forms, and gives the redirect to the client. A client never does
/// this. It opens the URL in the browser, waits on the port of its redirect URI, and sees no password.
fn play_the_person(authorize: &str, query: &str, scope: &str) -> Outcome<String> {
    let mut cookie = String::new();
    let mut browse = |method: &str, url: &str, body: &str| {
        let reply = http(method, url, &[("Cookie", cookie.as_str()), ("Content-Type", FORM)], body)?;
        if let Some(set) = reply.field("Set-Cookie") {
            set.split(';').next().unwrap_or_default().clone_into(&mut cookie);
        }
        Outcome::Ok(reply)
    };
    let base_url =
        authorize.strip_suffix("/authorize").ok_or("the authorization endpoint has another path")?;
    let page = format!("{authorize}?{query}");
    // A page's form has a hidden value that must come back with it: another site, which can't read the page, can't send
    // the form in this person's name.
    let hidden = |page: &str| between(page, "name=\"form\" value=\"", "\"").map(str::to_owned);

    let form_token = hidden(&browse("GET", &page, "")?.body).ok_or("the sign-in page has no form")?;
    let (email, password) = (env::var("EMAIL")?, env::var("PASSWORD")?);
    let fields = [("request", query), ("form", &form_token), ("email", &email), ("password", &password)];
    let signed_in = browse("POST", &format!("{base_url}/sign-in"), &form(&fields))?;
    check(signed_in.status == 303, &format!("not signed in: is that the password of {email}?"))?;

    let form_token = hidden(&browse("GET", &page, "")?.body).ok_or("the consent page has no form")?;
    let mut fields = vec![("request", query), ("form", &form_token), ("decision", "allow")];
    fields.extend(scope.split_whitespace().map(|scope| (scope, "1")));
    Ok(browse("POST", authorize, &form(&fields))?
        .field("Location")
        .ok_or("the consent form leads nowhere")?)
}

/// An HTTP response.
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn field(&self, name: &str) -> Option<String> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut named = fields.filter(|(own, _)| own.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim().to_owned())
    }

    fn json(&self) -> Outcome<Value> {
        Ok(serde_json::from_str(&self.body)?)
    }
}

/// One request on a connection of its own. It asks the server to close the connection behind its response, so that the
/// end of the connection is the end of the body; a client that keeps connections open reads `Content-Length` and chunks.
fn http(method: &str, url: &str, fields: &[(&str, &str)], body: &str) -> Outcome<Reply> {
    let rest = url.strip_prefix("http://").ok_or("this client speaks plain http alone")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in fields {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    let mut stream = TcpStream::connect(host)?;
    stream.write_all(request.as_bytes())?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (head, body) = response.split_once("\r\n\r\n").ok_or("the response has no end of its head")?;
    let status = head.split(' ').nth(1).ok_or("the response has no status")?.parse()?;
    Ok(Reply { status, head: head.to_owned(), body: body.to_owned() })
}

fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// 32 random bytes as text.
fn random() -> Outcome<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> Option<&'t str> {
    text.split_once(start)?.1.split_once(end).map(|(inside, _)| inside)
}

fn text(value: &Value) -> Outcome<&str> {
    value.as_str().ok_or_else(|| "a member that should be a text is none".into())
}

fn check(holds: bool, otherwise: &str) -> Outcome<()> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}
