//! A key is sixteen bytes that grow with time: the identity of a record.
//!
//! The first six bytes are the millisecond of creation, the rest is chance. Keys that grow keep group commits quick.

use crate::name::Time;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Identity of a record. Orders by creation time; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// A new key from the time of creation and ten random bytes.
    #[must_use]
    pub fn new(now: Time, random: [u8; 10]) -> Self {
        let millis = u64::try_from(now.millis()).unwrap_or(0).to_be_bytes();
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&millis[2..]);
        bytes[6..].copy_from_slice(&random);
        Self(bytes)
    }

    /// The key with these sixteen bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The millisecond in which the key was made.
    #[must_use]
    pub fn created_at(&self) -> Time {
        let mut millis = [0; 8];
        millis[2..].copy_from_slice(&self.0[..6]);
        Time::from_millis(i64::from_be_bytes(millis))
    }

    /// Reads the 32 lower-case hexadecimal digits that [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex(pair[0])? << 4 | hex(pair[1])?;
        }
        Some(Self(bytes))
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a key is 32 lower-case hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_by_time_and_survive_their_text_form() {
        let early = Key::new(Time::from_millis(1_000), [255; 10]);
        let late = Key::new(Time::from_millis(1_001), [0; 10]);
        assert!(early < late);
        assert_eq!(Key::parse(&late.to_string()), Some(late));
        assert_eq!(late.created_at(), Time::from_millis(1_001));
        assert_eq!(Key::parse("AB"), None);
    }
}
