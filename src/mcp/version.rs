//! Protocol versions: which there are, in which order, and how each writes a result.
//!
//! Reads no request and runs no method. It knows which members of a result came with which version.
//!
//! There are two kinds of versions, and one endpoint serves both (2026-07-28 versioning, Backward Compatibility with
//! Initialization-Based Versions):
//!
//! - Since 2026-07-28 each request is *stateless*: it carries its protocol version and the client's capabilities in
//!   `params._meta`, and the server may infer nothing from an earlier one.
//! - In the versions before, the client and the server agree on both once, by `initialize`, for a *session*. The
//!   client sends the session's id in a header with every later request.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde_json::Value;

use self::ProtocolVersion::{V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28};
use crate::json_text::{self, Json, Object};
use crate::limits;

/// The key under which a result's `_meta` says which server gave it.
const SERVER_INFO_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// A version of MCP that this server speaks. The variants are in the order of their dates, and the derived `Ord`
/// compares them in that order: `self >= V2025_06_18` reads "has what 2025-06-18 brought".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum ProtocolVersion {
    /// The only version with batches. It has no titles, structured content, resource links or elicitation, and no
    /// header for the version.
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    /// The first version whose requests are stateless.
    V2026_07_28,
}

impl ProtocolVersion {
    /// Every version, oldest first.
    pub(crate) const ALL: [ProtocolVersion; 4] = [V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28];
    /// The versions in which `initialize` begins a session.
    pub(crate) const WITH_INITIALIZE: RangeInclusive<ProtocolVersion> = V2025_03_26..=V2025_11_25;
    /// The versions in which each request carries its own version and capabilities. This is a range of one version
    /// today: a new version then needs only one more variant and a new end of this range.
    pub(crate) const STATELESS: RangeInclusive<ProtocolVersion> = V2026_07_28..=V2026_07_28;
    /// The versions of both kinds.
    pub(crate) const EVERY: RangeInclusive<ProtocolVersion> = V2025_03_26..=V2026_07_28;
    /// The version of a client that names none. Clients send the version header since 2025-06-18, so one that doesn't
    /// follows the version before (2025-11-25 transports, Protocol Version Header).
    pub(crate) const UNNAMED: ProtocolVersion = V2025_03_26;

    /// Returns the version's name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            V2025_03_26 => "2025-03-26",
            V2025_06_18 => "2025-06-18",
            V2025_11_25 => "2025-11-25",
            V2026_07_28 => "2026-07-28",
        }
    }

    /// Finds the version of this name. Returns `None` if the server doesn't speak it: too old, too new or no version
    /// at all.
    pub(crate) fn find(name: &str) -> Option<ProtocolVersion> {
        ProtocolVersion::ALL.into_iter().find(|version| version.name() == name)
    }

    /// Lists the names of these versions, newest first, for errors and `server/discover`.
    pub(crate) fn names(versions: &RangeInclusive<ProtocolVersion>) -> Vec<&'static str> {
        let newest_first = ProtocolVersion::ALL.into_iter().rev();
        newest_first.filter(|version| versions.contains(version)).map(ProtocolVersion::name).collect()
    }

    /// Chooses the version that `initialize` agrees on: the one that the client requests, or else the newest that has
    /// `initialize`. A client that doesn't know the chosen version disconnects (2025-11-25 lifecycle, Version
    /// Negotiation).
    ///
    /// A client that requests 2026-07-28 by `initialize` is offered 2025-11-25 too: it began in the way of the
    /// earlier versions, and the TypeScript SDK refuses a stateless version in this place.
    pub(crate) fn negotiate(requested: &str) -> ProtocolVersion {
        ProtocolVersion::find(requested).filter(|version| !version.is_stateless()).unwrap_or(V2025_11_25)
    }

    /// Checks whether each request carries its own version and capabilities, so that the server remembers nothing
    /// between two requests (2026-07-28 base protocol, Statelessness).
    pub(crate) fn is_stateless(self) -> bool {
        self >= V2026_07_28
    }

    /// Checks whether several messages may come as one JSON array. 2025-06-18 removed batches, one version after they
    /// had come.
    pub(crate) fn has_batches(self) -> bool {
        self == V2025_03_26
    }

    /// Checks whether the server can have the client ask the person something: 2025-06-18 brought elicitation.
    pub(crate) fn has_elicitation(self) -> bool {
        self >= V2025_06_18
    }

    /// Checks whether a name is written like that of a stateless version, 2026-07-28 or a later one that this server
    /// doesn't know.
    ///
    /// A request in a later version is answered by the stateless rules, with an error that lists the versions
    /// spoken here, and the client tries again with one of them. By the rules of the sessions the error would list
    /// the versions with `initialize` alone, and the client would take this server for an old one.
    pub(crate) fn is_stateless_name(name: &str) -> bool {
        // Dates written like this have the order of their texts, so they can be compared as they are.
        let is_date = |(position, byte): (usize, u8)| match position {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        };
        let first = V2026_07_28.name();
        name.len() == first.len() && name.bytes().enumerate().all(is_date) && name >= first
    }

    /// Checks whether results have what 2025-06-18 brought: titles, structured content, links to resources, the times
    /// of annotations. A client of the version before may have a strict reader that refuses what its version doesn't
    /// define, so these are left out for it. The data of a tool isn't lost: a text block of the result holds it as
    /// JSON.
    pub(crate) fn has_structured_content(self) -> bool {
        self >= V2025_06_18
    }

    /// Writes a result as this version has it: `members` writes what the method's result holds, and this function adds
    /// what the version demands of each. Nothing else makes a [`MethodResult`], so no handler can forget it.
    pub(crate) fn result(self, members: impl Fn(&mut Object) + 'static) -> MethodResult {
        self.result_of("complete", members, |_| ())
    }

    /// The same for a result whose type isn't `complete`, or with further members of `_meta`. 2026-07-28 demands the
    /// type (base protocol, ResultType) and the server that wrote the result; the earlier versions have neither.
    pub(crate) fn result_of(
        self,
        kind: &'static str,
        members: impl Fn(&mut Object) + 'static,
        meta: impl Fn(&mut Object) + 'static,
    ) -> MethodResult {
        MethodResult(Box::new(json_text::object(move |out| {
            if self.is_stateless() {
                // First, for people: they see at once which kind of result they are reading.
                out.member("resultType", kind);
            }
            members(out);
            if self.is_stateless() {
                let meta = json_text::object(|out| {
                    meta(out);
                    out.member(SERVER_INFO_KEY, self.server_info());
                });
                out.member("_meta", meta);
            }
        })))
    }

    /// Writes how long a cache may keep a result, and for whom (2026-07-28, Caching). Earlier versions have no such
    /// members, and their results stay as they are.
    pub(crate) fn write_caching(self, out: &mut Object, scope: CacheScope) {
        if self.is_stateless() {
            let (ttl, name) = match scope {
                CacheScope::Public => (limits::PUBLIC_TTL_MS, "public"),
                // A journal changes at any time, by another client of the same person, so a cache must not keep its
                // content.
                CacheScope::Private => (0, "private"),
            };
            out.member("ttlMs", ttl);
            out.member("cacheScope", name);
        }
    }

    /// Returns a list of tools, prompts or templates as this version describes them.
    pub(crate) fn describe(self, list: &Value) -> Cow<'_, Value> {
        if self.has_structured_content() {
            return Cow::Borrowed(list);
        }
        let mut list = list.clone();
        let described = list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut);
        described.for_each(|described| described.retain(|key, _| key != "title" && key != "outputSchema"));
        Cow::Owned(list)
    }

    /// Returns the name and version of this server. 2025-03-26 has no titles.
    pub(crate) fn server_info(self) -> impl Json {
        json_text::object(move |out| {
            out.member("name", "epicme");
            if self >= V2025_06_18 {
                out.member("title", "EpicMe Journal");
            }
            out.member("version", env!("CARGO_PKG_VERSION"));
        })
    }
}

/// The `result` of a response: a JSON object. It is written with the message that it is part of, once and in its place.
pub(crate) struct MethodResult(Box<dyn Json>);

impl Json for MethodResult {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
}

/// For whom a cache may keep a result.
///
/// `Public` is a promise: any cache on the way may hand the result to another person's client, although the request
/// for it carried a token (2026-07-28, Caching, Security Considerations). In doubt a result is `Private`.
#[derive(Clone, Copy)]
pub(crate) enum CacheScope {
    /// For every caller: the result depends on no person, no token and no capability of the client.
    Public,
    /// For the caller of this request alone.
    Private,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_the_versions_by_date_and_finds_each_by_its_name() {
        assert!(ProtocolVersion::ALL.is_sorted());
        assert!(ProtocolVersion::ALL.map(ProtocolVersion::name).is_sorted());
        for version in ProtocolVersion::ALL {
            assert_eq!(ProtocolVersion::find(version.name()), Some(version));
            assert_ne!(
                ProtocolVersion::WITH_INITIALIZE.contains(&version),
                ProtocolVersion::STATELESS.contains(&version)
            );
            assert_eq!(ProtocolVersion::STATELESS.contains(&version), version.is_stateless());
        }
        assert_eq!(ProtocolVersion::find("2024-11-05"), None);
    }

    #[test]
    fn tells_the_names_of_stateless_versions_from_others() {
        for stateless in ["2026-07-28", "2099-01-01"] {
            assert!(ProtocolVersion::is_stateless_name(stateless), "{stateless}");
        }
        for other in ["2025-11-25", "2026-07-27", "v999", "2026-7-28", "", "2026-07-281"] {
            assert!(!ProtocolVersion::is_stateless_name(other), "{other}");
        }
    }
}
