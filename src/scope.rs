//! The five scopes, and sets of them.
//!
//! Names no other module. Scopes are flat: none implies another. With `write` implying `read`, a person who allows a
//! client to write would also allow it to read everything, and the word on the consent page would not say so.

use std::fmt;

/// One thing that a token may be used for. The order of the variants is the order in which scopes are written, on the
/// wire, on the consent page and in the database: two texts of one set are then equal byte for byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scope {
    /// Read which account this is.
    UserRead,
    /// List, read and search entries; the names of their tags come with them.
    EntriesRead,
    /// Create, change and delete entries; attach and detach tags.
    EntriesWrite,
    /// List and read tags.
    TagsRead,
    /// Create, change and delete tags.
    TagsWrite,
}

impl Scope {
    /// Every scope, in order.
    pub(crate) const ALL: [Scope; 5] =
        [Scope::UserRead, Scope::EntriesRead, Scope::EntriesWrite, Scope::TagsRead, Scope::TagsWrite];

    /// The scope's name on the wire (RFC 6749 §3.3).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Scope::UserRead => "user:read",
            Scope::EntriesRead => "entries:read",
            Scope::EntriesWrite => "entries:write",
            Scope::TagsRead => "tags:read",
            Scope::TagsWrite => "tags:write",
        }
    }
}

/// The first version of MCP whose clients step up: after a 403 they ask for its scopes in addition to those that they
/// had (2026-07-28 authorization, Step-Up Authorization Flow). Most older clients never ask the person twice.
const STEPS_UP_SINCE: &str = "2026-07-28";

/// A set of scopes, one bit for each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Scopes(u8);

impl Scopes {
    /// All five: what the protected resource metadata lists. Clients that know nothing of the challenge's `scope` ask
    /// the person for all of these.
    pub(crate) const ALL: Scopes = Scopes::of(&Scope::ALL);
    /// The scopes that only read.
    pub(crate) const READING: Scopes = Scopes::of(&[Scope::UserRead, Scope::EntriesRead, Scope::TagsRead]);

    /// The set of these scopes. It is a `const fn`, which knows no `for` and no iterator yet.
    pub(crate) const fn of(scopes: &[Scope]) -> Scopes {
        let mut bits = 0;
        let mut next = 0;
        while next < scopes.len() {
            bits |= 1 << scopes[next] as u8;
            next += 1;
        }
        Scopes(bits)
    }

    /// The scopes that the 401 names to a client of this MCP version; `None` if it names no version.
    ///
    /// A client that steps up is told to ask for reading. It asks for the others when a call needs them and gets a 403,
    /// so if it only reads, the person isn't asked to let it write. An older client that was told so could never
    /// write; it is told to ask for everything. In either case the person chooses on the consent page.
    pub(crate) fn to_ask_first(version: Option<&str>) -> Scopes {
        // The names of versions are dates, so they can be compared as texts.
        let steps_up = version.is_some_and(|version| version >= STEPS_UP_SINCE);
        if steps_up { Scopes::READING } else { Scopes::ALL }
    }

    /// Reads names separated by spaces. The first one that isn't a scope of this server is the error. The command
    /// line reads scopes so, because a person who misspells one would otherwise get a token that can do less.
    pub(crate) fn parse(text: &str) -> Result<Scopes, &str> {
        text.split_ascii_whitespace().try_fold(Scopes(0), |set, name| {
            let known = Scope::ALL.into_iter().find(|scope| scope.name() == name).ok_or(name)?;
            Ok(Scopes(set.0 | 1 << known as u8))
        })
    }

    /// Reads names separated by spaces, and ignores those that aren't scopes of this server. Requests are read so:
    /// some clients add scopes of other protocols, such as `offline_access`, and RFC 6749 §3.3 lets a server ignore
    /// them.
    pub(crate) fn parse_known(text: &str) -> Scopes {
        let known = Scope::ALL.into_iter().filter(|s| text.split_ascii_whitespace().any(|n| n == s.name()));
        Scopes(known.fold(0, |bits, scope| bits | 1 << scope as u8))
    }

    /// Checks whether every scope of `other` is in this set.
    pub(crate) const fn contains(self, other: Scopes) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the scopes that are in both sets.
    pub(crate) fn and(self, other: Scopes) -> Scopes {
        Scopes(self.0 & other.0)
    }

    /// Returns the scopes that are in one of the sets, or in both.
    pub(crate) const fn or(self, other: Scopes) -> Scopes {
        Scopes(self.0 | other.0)
    }

    /// Checks whether the set has no scope.
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scopes of the set, in order.
    pub(crate) fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & (1 << *scope as u8) != 0)
    }
}

/// The scopes of a permit, as a type. The compiler then refuses a permit where one for other scopes is needed, and no
/// test has to look for a function that forgot to check.
///
/// The types below have no values that matter: they are only names. They are `Copy`, since a derive on a generic
/// type demands of its parameter what it gives to the type.
pub(crate) trait Access: Copy + 'static {
    /// The scopes that the gate requires for it.
    const SCOPES: Scopes;
}

/// See [`Scope::UserRead`].
#[derive(Clone, Copy)]
pub(crate) struct UserRead;

/// See [`Scope::EntriesRead`].
#[derive(Clone, Copy)]
pub(crate) struct EntriesRead;

/// See [`Scope::EntriesWrite`].
#[derive(Clone, Copy)]
pub(crate) struct EntriesWrite;

/// See [`Scope::TagsRead`].
#[derive(Clone, Copy)]
pub(crate) struct TagsRead;

/// See [`Scope::TagsWrite`].
#[derive(Clone, Copy)]
pub(crate) struct TagsWrite;

impl Access for UserRead {
    const SCOPES: Scopes = Scopes::of(&[Scope::UserRead]);
}

impl Access for EntriesRead {
    const SCOPES: Scopes = Scopes::of(&[Scope::EntriesRead]);
}

impl Access for EntriesWrite {
    const SCOPES: Scopes = Scopes::of(&[Scope::EntriesWrite]);
}

impl Access for TagsRead {
    const SCOPES: Scopes = Scopes::of(&[Scope::TagsRead]);
}

impl Access for TagsWrite {
    const SCOPES: Scopes = Scopes::of(&[Scope::TagsWrite]);
}

/// Access that needs both. The gate names all of their scopes in one challenge, so that the client asks the person
/// once (MCP authorization, Runtime Insufficient Scope Errors).
impl<A: Access, B: Access> Access for (A, B) {
    const SCOPES: Scopes = A::SCOPES.or(B::SCOPES);
}

/// The names in order, separated by single spaces: the form of `scope` on the wire (RFC 6749 §3.3).
impl fmt::Display for Scopes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, scope) in self.iter().enumerate() {
            out.write_str(if position == 0 { "" } else { " " })?;
            out.write_str(scope.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_reads_in_one_order() {
        assert_eq!(
            Scopes::parse("tags:read  user:read").map(|s| s.to_string()),
            Ok("user:read tags:read".into())
        );
        assert_eq!(Scopes::parse("tags:read diary:read"), Err("diary:read"));
        assert_eq!(Scopes::parse_known("offline_access tags:write"), Scopes::of(&[Scope::TagsWrite]));
        assert!(Scopes::ALL.contains(Scopes::READING) && !Scopes::READING.contains(Scopes::ALL));
    }

    #[test]
    fn tells_a_client_that_steps_up_to_ask_for_reading() {
        assert_eq!(Scopes::to_ask_first(Some("2026-07-28")), Scopes::READING);
        for never_twice in [None, Some(""), Some("2025-03-26"), Some("2025-11-25")] {
            assert_eq!(Scopes::to_ask_first(never_twice), Scopes::ALL, "{never_twice:?}");
        }
    }

    #[test]
    fn needs_the_scopes_of_both_for_two() {
        let both = <(EntriesRead, TagsRead)>::SCOPES;
        assert_eq!(both, Scopes::of(&[Scope::EntriesRead, Scope::TagsRead]));
    }
}
