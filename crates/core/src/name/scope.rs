//! A scope is a set of scope tokens: what a token allows (RFC 6749 §3.3).

use crate::name::NameError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, sync::Arc};

/// One scope token: `1*( %x21 / %x23-5B / %x5D-7E )` (RFC 6749 §3.3), at most 256 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeToken(Arc<str>);

impl ScopeToken {
    /// Longest scope token, in bytes.
    pub const MAX: usize = 256;

    /// Checks the alphabet and the length.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let allowed = |b: u8| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if text.is_empty() || text.len() > Self::MAX || !text.bytes().all(allowed) {
            return Err(NameError("a scope is 1 to 256 visible ASCII characters without space, quote or backslash"));
        }
        Ok(Self(text.into()))
    }

    /// The token's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ScopeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ScopeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ScopeToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ScopeToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A set of scope tokens in the order of their first appearance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(Vec<ScopeToken>);

impl Scope {
    /// Most tokens one request may name.
    pub const MAX_TOKENS: usize = 100;

    /// Reads `scope-token *( SP scope-token )` (RFC 6749 §3.3): exactly one space between tokens, none at the ends.
    /// A token named twice counts once.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() > Self::MAX_TOKENS * (ScopeToken::MAX + 1) {
            return Err(NameError("the scope is too long"));
        }
        let mut scope = Self::default();
        for (index, token) in text.split(' ').enumerate() {
            if index == Self::MAX_TOKENS {
                return Err(NameError("the scope names more than 100 tokens"));
            }
            scope.insert(ScopeToken::parse(token)?);
        }
        Ok(scope)
    }

    /// Adds a token unless it is there.
    pub fn insert(&mut self, token: ScopeToken) {
        if !self.contains(&token) {
            self.0.push(token);
        }
    }

    /// Whether the token is in the set.
    #[must_use]
    pub fn contains(&self, token: &ScopeToken) -> bool {
        self.0.contains(token)
    }

    /// Whether every token of this set is in the other.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|token| other.contains(token))
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tokens, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, ScopeToken> {
        self.0.iter()
    }
}

impl FromIterator<ScopeToken> for Scope {
    fn from_iter<I: IntoIterator<Item = ScopeToken>>(tokens: I) -> Self {
        let mut scope = Self::default();
        tokens.into_iter().for_each(|token| scope.insert(token));
        scope
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, token) in self.0.iter().enumerate() {
            write!(f, "{}{token}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_grammar_passes() {
        assert_eq!(Scope::parse("read write read").map(|s| s.to_string()).as_deref(), Ok("read write"));
        for good in ["banking/read banking/write", "https://a.example/x", "*", "AccessManager:Read"] {
            assert!(Scope::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            " read",
            "read ",
            "read  write",
            "a\tb",
            "a\nb",
            "a\"b",
            "a\\b",
            "reаd",
            "a\u{a0}b",
            &"x".repeat(257),
            &"a ".repeat(200),
        ] {
            assert!(Scope::parse(bad).is_err(), "{bad}");
        }
    }
}
