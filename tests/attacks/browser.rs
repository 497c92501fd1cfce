//! What the attacks on pages share: a browser with its cookies, and the requests of a client that sends it here.
//!
//! The browser does what real ones do: it keeps one cookie for a name, sends it to every port of its host, and takes
//! each `Set-Cookie`.

use std::net::SocketAddr;

use serde_json::json;

use crate::oauth::{CHALLENGE, FORM, encoded};
use crate::support::{Folder, PASSWORD, Reply, Server, request};

// The person whose session and whose yes the attackers are after; the public URL of servers that browsers reach over
// https, by a proxy that passes `Host` on; and how a page is read.
pub use crate::oauth::{EMAIL, PUBLIC, find_hidden as hidden, text};
pub const PUBLIC_HOST: &str = "journal.example";

/// A browser at one host.
pub struct Browser {
    server: SocketAddr,
    host: String,
    /// What it sends as `Cookie`.
    pub cookie: Option<String>,
}

impl Browser {
    /// A browser at the address of a server.
    pub fn at(server: &Server) -> Browser {
        Browser::at_host(server, &server.address.to_string())
    }

    /// A browser at a name of a server.
    pub fn at_host(server: &Server, host: &str) -> Browser {
        Browser { server: server.address, host: host.to_owned(), cookie: None }
    }

    /// The same, once the person has signed in.
    #[track_caller]
    pub fn signed_in(server: &Server, host: &str) -> Browser {
        let mut browser = Browser::at_host(server, host);
        browser.sign_in();
        browser
    }

    #[track_caller]
    pub fn get(&mut self, path: &str) -> Reply {
        self.send("GET", path, &[])
    }

    #[track_caller]
    pub fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Reply {
        self.send("POST", path, form)
    }

    /// Sends a request with the cookie and takes what the answer sets.
    #[track_caller]
    pub fn send(&mut self, method: &str, path: &str, form: &[(&str, &str)]) -> Reply {
        let reply = self.send_as(self.cookie.as_deref(), method, path, form);
        if let Some(set) = reply.field("set-cookie") {
            let ends = set.ends_with("; Max-Age=0");
            self.cookie = set.split(';').next().filter(|_| !ends).map(str::to_owned);
        }
        reply
    }

    /// Sends a request with this cookie and forgets what the answer sets.
    #[track_caller]
    pub fn send_as(&self, cookie: Option<&str>, method: &str, path: &str, form: &[(&str, &str)]) -> Reply {
        let mut fields = vec![("Host", self.host.as_str()), ("Content-Type", FORM)];
        fields.extend(cookie.map(|cookie| ("Cookie", cookie)));
        let mut wire = crate::support::connect(self.server);
        wire.write(request(method, path, &fields, &encoded(form)));
        wire.reply_to(method).expect("an answer")
    }

    #[track_caller]
    pub fn sign_in(&mut self) {
        let form = hidden(&self.get("/account"), "form").expect("the sign-in form");
        let fields = [("form", form.as_str()), ("email", EMAIL), ("password", PASSWORD)];
        let reply = self.post("/sign-in", &fields);
        assert_eq!(reply.status, 303, "{}", text(&reply));
    }

    /// Signs in once more, in a browser that is new to the server.
    #[track_caller]
    pub fn sign_in_again(&self) {
        Browser { server: self.server, host: self.host.clone(), cookie: None }.sign_in();
    }

    /// Whether the person is signed in under this cookie.
    #[track_caller]
    pub fn is_signed_in_as(&self, cookie: Option<&str>) -> bool {
        text(&self.send_as(cookie, "GET", "/account", &[])).contains("You are signed in as")
    }

    /// Whether the person is signed in.
    #[track_caller]
    pub fn is_signed_in(&self) -> bool {
        self.is_signed_in_as(self.cookie.as_deref())
    }

    /// Opens the consent page of a request, and gives the form that Allow with one ticked box would send.
    #[track_caller]
    pub fn consent(&mut self, query: &str) -> Vec<(String, String)> {
        let page = self.get(&format!("/authorize?{query}"));
        let form = hidden(&page, "form").unwrap_or_else(|| panic!("no form: {}", text(&page)));
        assert!(text(&page).contains("name=\"decision\""), "{}", text(&page));
        let fields = [("form", form.as_str()), ("request", query), ("decision", "allow"), ("tags:read", "1")];
        fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }
}

/// Registers a client, as everybody may.
#[track_caller]
pub fn register(server: &Server, redirect_uri: &str) -> String {
    let metadata = json!({ "redirect_uris": [redirect_uri], "client_name": "A client" }).to_string();
    let host = server.address.to_string();
    let fields = [("Host", host.as_str()), ("Content-Type", "application/json")];
    let reply = server.send(request("POST", "/register", &fields, &metadata));
    reply.json()["client_id"].as_str().expect("an id").to_owned()
}

/// The query of a client that asks for a code; by another response type it is in error.
pub fn query(client_id: &str, response_type: &str) -> String {
    encoded(&[
        ("response_type", response_type),
        ("client_id", client_id),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "a state"),
    ])
}

/// A server with the person, and a folder that outlasts it.
pub fn server(options: &[&str]) -> (Server, std::sync::Arc<Folder>) {
    let folder = std::sync::Arc::new(Folder::new());
    folder.token(EMAIL, &[]);
    (Server::start_in(folder.clone(), options), folder)
}

pub fn borrowed(form: &[(String, String)]) -> Vec<(&str, &str)> {
    form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}
