//! A keyed hash proves that some values come from us, and lets us store a secret without storing it.
//!
//! The values are hashed with their lengths, so two different lists never give the same bytes to hash. This file
//! makes no keys and keeps no values.

use aws_lc_rs::{constant_time, hmac};
use std::fmt;

/// A prepared HMAC-SHA256 key (RFC 2104). It cannot be read back.
pub struct MacKey(hmac::Key);

impl MacKey {
    /// Takes the 32 bytes of a key; a shorter key cannot be written down.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The HMAC-SHA256 of a list of values, each led by its length as 8 bytes, so that no two lists collide.
    #[must_use]
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.sign().as_ref().try_into().expect("HMAC-SHA256 has 32 bytes")
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("MacKey(…)")
    }
}

/// The plain HMAC-SHA256 of one message under a key of any length (RFC 2104), for signatures that others check.
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    tag.as_ref().try_into().expect("HMAC-SHA256 has 32 bytes")
}

/// Compares two byte strings in a time that depends on their lengths only, never on their contents.
#[must_use]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_lists_collide() {
        let key = MacKey::from_bytes(&[7; 32]);
        let lists: [&[&[u8]]; 7] = [&[], &[b""], &[b"", b""], &[b"ab"], &[b"a", b"b"], &[b"ab", b""], &[b"\0\0\0\0\0\0\0\x01a"]];
        for (i, one) in lists.iter().enumerate() {
            for (j, other) in lists.iter().enumerate() {
                assert_eq!(constant_time_eq(&key.mac(one), &key.mac(other)), i == j, "{i} {j}");
            }
        }
    }

    #[test]
    fn a_plain_hash_is_the_one_of_rfc_4231() {
        // RFC 4231 §4.3, test case 2.
        let hex: String =
            hmac_sha256(b"Jefe", b"what do ya want for nothing?").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn another_key_gives_another_hash() {
        assert_ne!(MacKey::from_bytes(&[1; 32]).mac(&[b"a"]), MacKey::from_bytes(&[2; 32]).mac(&[b"a"]));
    }

    #[test]
    fn comparison_needs_equal_lengths() {
        assert!(constant_time_eq(b"", b""));
        assert!(!constant_time_eq(b"a", b""));
        assert!(!constant_time_eq(b"a", b"ab"));
    }

    #[test]
    fn debug_prints_no_key() {
        assert_eq!(format!("{:?}", MacKey::from_bytes(&[7; 32])), "MacKey(…)");
    }
}
