//! Step 4: the Bearer challenge of the 401, judged as clients read it.
//!
//! Knows no metadata. A client learns from the challenge where the protected resource metadata is and which scopes it
//! should ask the person for. It can do without: the specification has it guess the URL of the metadata then. So most
//! mistakes here are warnings, and only a wrong URL is a failure, because a client follows it and doesn't guess.

use super::challenge::{self, Challenge};
use super::report::shown;
use super::url::{self, Url};
use super::{Doctor, mismatch};
use crate::http::WWW_AUTHENTICATE;
use crate::http::client::Answer;

impl Doctor<'_> {
    /// Judges the challenge, and gives the URL of the metadata that it names, if a client would go there.
    ///
    /// A good challenge for a request without a token holds two parameters, both quoted (RFC 9728 §5.1, RFC 6750 §3):
    ///
    /// ```text
    /// WWW-Authenticate: Bearer resource_metadata="https://h/.well-known/oauth-protected-resource/mcp", scope="read"
    /// ```
    pub(super) fn judge_challenge(&mut self, unauthorized: &Answer) -> Option<Url> {
        self.report.step(4);
        self.judge_caching(unauthorized);
        let bearer = self.bearer(unauthorized)?;
        // RFC 6750 §3.1: the answer to a request without credentials should hold no error code, because clients act
        // on it.
        if bearer.parameter("error").is_some() {
            self.report.warn(
                &"the challenge holds an error although no token was sent",
                "RFC 6750 §3.1",
                &"leave error out where no token was sent: a client may think that its token has become invalid",
            );
        }
        let named = self.named_metadata(&bearer);
        match bearer.parameter("scope") {
            Some(scope) if scope.quoted => {
                self.report.ok(&format_args!("scope is {}", shown(&scope.value)), "RFC 6750 §3");
            }
            // The names of scopes are separated by spaces, and a value without quotes ends at the first one.
            Some(_) => self.report.warn(
                &"scope is not quoted, so only its first word can be read",
                "RFC 9110 §11.2",
                &"write scope=\"...\"",
            ),
            // No mistake: the specification says what a client does then. With a scope here the client asks the
            // person for less at first, and for the rest when a call needs it.
            None => self.report.ok(
                &"the challenge names no scope: clients ask for all of the metadata's scopes_supported",
                "MCP authorization, Scope Selection Strategy",
            ),
        }
        named
    }

    /// Warns if a cache on the way may store the 401. An answer with an explicit lifetime may be stored (RFC 9111
    /// §3), and then a client that sends a good token gets the stored 401.
    fn judge_caching(&mut self, unauthorized: &Answer) {
        let directives = ["public", "s-maxage", "max-age"];
        let named = |directive: &str| {
            let values =
                unauthorized.fields("cache-control").flat_map(|value| value.split(|byte| *byte == b','));
            values.into_iter().any(|value| {
                let value = value.trim_ascii();
                let name = value.split(|byte| *byte == b'=').next().unwrap_or_default();
                name.eq_ignore_ascii_case(directive.as_bytes()) && !value.ends_with(b"=0")
            })
        };
        let is_forbidden = named("no-store") || named("no-cache") || named("private");
        if !is_forbidden && directives.into_iter().any(named) {
            self.report.warn(
                &"a cache may keep the 401 and give it to a client that sends a token",
                "RFC 9111 §5.2.2",
                &"send Cache-Control: no-store with it",
            );
        }
    }

    /// The `Bearer` challenge, if there is one that can be read.
    ///
    /// A server may send several challenges, in several fields or in one (RFC 9110 §11.6.1). Few clients read that
    /// grammar whole. Most look for `Bearer` and some patterns like `name="([^"]+)"` behind it, so one challenge
    /// that stands alone is what all of them understand.
    fn bearer(&mut self, unauthorized: &Answer) -> Option<Challenge> {
        let name = WWW_AUTHENTICATE;
        let form = format!(
            "send {name}: Bearer resource_metadata=\"{}\"",
            self.url.at(&self.resource_metadata_path()).text()
        );
        // Without a readable challenge the specification has a client try the well-known URLs. Several don't.
        let fallback = "clients that rely on it alone stop here, the others guess";
        let fields: Vec<_> = unauthorized.fields(name).collect();
        if fields.is_empty() {
            self.report.warn(&format_args!("the 401 has no {name}: {fallback}"), "RFC 9110 §15.5.2", &form);
            return None;
        }
        let Some(challenges) = fields.iter().map(|field| challenge::parse(field)).collect::<Option<Vec<_>>>()
        else {
            let text = format!("{name} can't be read: {}", shown(fields.join(&b", "[..])));
            self.report.warn(&format_args!("{text}: {fallback}"), "RFC 9110 §11.6.1", &form);
            return None;
        };
        let challenges = challenges.concat();
        let mut bearers = challenges.iter().filter(|one| one.scheme.eq_ignore_ascii_case("Bearer"));
        let Some(bearer) = bearers.next() else {
            let schemes: Vec<_> = challenges.iter().map(|one| one.scheme.as_str()).collect();
            self.report.warn(
                &format_args!("{name} offers {}, not Bearer: {fallback}", shown(schemes.join(", "))),
                "RFC 6750 §3",
                &form,
            );
            return None;
        };
        // `Basic` before `Bearer` makes a browser open its own window for a password; and clients that split the
        // field at its first word see no Bearer challenge at all.
        let first = &challenges[0].scheme;
        if bearers.next().is_some() {
            self.report.warn(
                &"there are several Bearer challenges, and clients differ in which one they read",
                "RFC 9110 §11.6.1",
                &"send one, with all its parameters",
            );
        } else if !first.eq_ignore_ascii_case("Bearer") {
            self.report.warn(
                &format_args!(
                    "{} stands before the Bearer challenge, and some clients read the first alone",
                    shown(first)
                ),
                "RFC 9110 §11.6.1",
                &"send the Bearer challenge first, or alone",
            );
        } else {
            self.report.ok(&format_args!("{name} has a Bearer challenge"), "RFC 6750 §3");
        }
        Some(bearer.clone())
    }

    /// The URL in `resource_metadata` (RFC 9728 §5.1), if a client would fetch it.
    fn named_metadata(&mut self, bearer: &Challenge) -> Option<Url> {
        let clause = "RFC 9728 §5.1";
        let Some(named) = bearer.parameter("resource_metadata") else {
            let at = self.url.at(&self.resource_metadata_path()).text();
            self.report.warn(
                &"the challenge names no resource_metadata, so clients guess where it is",
                clause,
                &format_args!("add resource_metadata=\"{at}\""),
            );
            return None;
        };
        // A value without quotes may hold no `:` and no `/` (RFC 9110 §5.6.2), and every URL has both. Servers in
        // the field leave the quotes out all the same. Most clients cope, and some find no URL then
        // (QwenLM/qwen-code#5343, open-webui/open-webui#22649); these guess it.
        if !named.quoted {
            self.report.warn(
                &"resource_metadata is not quoted; a URL needs quotes, and some clients read the quoted form alone",
                "RFC 9110 §11.2",
                &"write resource_metadata=\"...\"",
            );
        }
        let text = format!("resource_metadata is {}", shown(&named.value));
        let Some(url) = Url::parse(&named.value) else {
            self.report.fail(&format_args!("{text}, {}", Url::fault(&named.value)), clause, &url::REMEDY);
            return None;
        };
        // rmcp refuses another origin: otherwise a server could send its clients to any host that they can reach,
        // and to services of a private network that the server itself can't reach.
        if url.origin != self.url.origin {
            let remedy = mismatch(self.url, &url);
            self.report.fail(
                &format_args!("{text}, another origin than {}", shown(self.url.origin.as_str())),
                clause,
                &remedy,
            );
            return None;
        }
        self.report.ok(&text, clause);
        Some(url)
    }
}
