//! The five scopes, and sets of them.
//!
//! Knows no other room. Scopes are flat: none implies another, so a set is all there is to compare.

use std::fmt;

/// What a token may be used for. The order of the variants is the order in which scopes are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Who is signed in.
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
    pub const ALL: [Scope; 5] =
        [Scope::UserRead, Scope::EntriesRead, Scope::EntriesWrite, Scope::TagsRead, Scope::TagsWrite];

    /// The scope's name on the wire (RFC 6749 §3.3).
    pub fn name(self) -> &'static str {
        match self {
            Scope::UserRead => "user:read",
            Scope::EntriesRead => "entries:read",
            Scope::EntriesWrite => "entries:write",
            Scope::TagsRead => "tags:read",
            Scope::TagsWrite => "tags:write",
        }
    }
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scopes(u8);

impl Scopes {
    /// All five: what the protected-resource metadata offers.
    pub const ALL: Scopes = Scopes::of(&Scope::ALL);
    /// What a client is told to ask for first: reading. The rest it asks for when a call needs it.
    pub const INITIAL: Scopes = Scopes::of(&[Scope::UserRead, Scope::EntriesRead, Scope::TagsRead]);

    /// The set of these scopes.
    pub const fn of(scopes: &[Scope]) -> Scopes {
        let mut bits = 0;
        let mut next = 0;
        while next < scopes.len() {
            bits |= 1 << scopes[next] as u8;
            next += 1;
        }
        Scopes(bits)
    }

    /// Reads names separated by spaces; the first one that isn't a scope of ours is the error.
    pub fn parse(text: &str) -> Result<Scopes, &str> {
        text.split_ascii_whitespace().try_fold(Scopes(0), |set, name| {
            let known = Scope::ALL.into_iter().find(|scope| scope.name() == name).ok_or(name)?;
            Ok(Scopes(set.0 | 1 << known as u8))
        })
    }

    /// Reads names separated by spaces and passes over those that aren't scopes of ours.
    pub fn parse_known(text: &str) -> Scopes {
        let known = Scope::ALL.into_iter().filter(|s| text.split_ascii_whitespace().any(|n| n == s.name()));
        Scopes(known.fold(0, |bits, scope| bits | 1 << scope as u8))
    }

    /// Whether every scope of `other` is in this set.
    pub fn contains(self, other: Scopes) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the set has no scope.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scopes of the set, in order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & (1 << *scope as u8) != 0)
    }
}

/// The names in order, separated by single spaces.
impl fmt::Display for Scopes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, scope) in self.iter().enumerate() {
            let separator = if position == 0 { "" } else { " " };
            write!(out, "{separator}{}", scope.name())?;
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
        assert!(Scopes::ALL.contains(Scopes::INITIAL) && !Scopes::INITIAL.contains(Scopes::ALL));
    }
}
