//! A seal hides a value and makes every change to it visible.
//!
//! It is AES-256-GCM-SIV: a repeated nonce reveals only that two sealed values are equal, so random nonces are safe
//! for as many values as we will ever seal (RFC 8452 §1, §9). Keys for different purposes are derived from one key
//! (RFC 5869). This file draws no nonce and knows no meaning of what it seals.

use crate::{JoseError, MacKey, b64, sha256};
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use std::fmt;
use zeroize::Zeroizing;

const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;

/// By how many bytes a sealed value is longer than the plain one: nonce and tag.
pub const SEAL_OVERHEAD: usize = NONCE_LEN + TAG_LEN;

/// A sealing key: AES-256-GCM-SIV, prepared once. Its bytes are wiped when it goes.
pub struct SealKey {
    cipher: LessSafeKey,
    bytes: Zeroizing<[u8; 32]>,
}

impl SealKey {
    /// Takes the 32 bytes of a key.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self::prepare(Zeroizing::new(bytes))
    }

    /// A new key for one purpose and one context (a realm, a kind of value), by HKDF-SHA256 (RFC 5869 §2).
    ///
    /// The purpose is length-prefixed, so that no two pairs derive the same key.
    #[must_use]
    pub fn derive(&self, purpose: &str, context: &[u8]) -> SealKey {
        Self::prepare(self.expand("seal", purpose, context))
    }

    /// As [`SealKey::derive`], for a keyed hash. The same purpose and context give an unrelated sealing key.
    #[must_use]
    pub fn derive_mac(&self, purpose: &str, context: &[u8]) -> MacKey {
        MacKey::from_bytes(&self.expand("mac", purpose, context))
    }

    /// Seals `plain`, bound to `aad`, as `nonce || ciphertext || tag` (RFC 8452 §4).
    ///
    /// The caller draws the nonce at random. The length of the plain value is not hidden.
    #[must_use]
    pub fn seal(&self, nonce: [u8; NONCE_LEN], aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(plain.len() + SEAL_OVERHEAD);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let body = &mut sealed[NONCE_LEN..];
        let tag = self.cipher.seal_in_place_separate_tag(nonce, Aad::from(aad), body);
        // RFC 8452 §6: the plain value may have up to 2^36 bytes.
        let tag = tag.expect("sealing fails only above 2^36 bytes, and those do not fit in a request");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what [`SealKey::seal`] made with this key and the same `aad`. The plain value is wiped when it goes.
    ///
    /// # Errors
    /// `SealBroken` when the value was cut or changed, or was sealed with another key or `aad`.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, JoseError> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or(JoseError::SealBroken)?;
        let len = body.len().checked_sub(TAG_LEN).ok_or(JoseError::SealBroken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| JoseError::SealBroken)?;
        let mut plain = Zeroizing::new(body.to_vec());
        // RFC 8452 §5: a wrong tag means that there is no plain value at all.
        self.cipher.open_in_place(nonce, Aad::from(aad), &mut plain).map_err(|_| JoseError::SealBroken)?;
        plain.truncate(len);
        Ok(plain)
    }

    /// A name for this key that tells nothing about it: 22 base64url characters, the same on every machine.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        b64::encode(&sha256(self.expand("name", "fingerprint", b"").as_slice())[..16])
    }

    fn prepare(bytes: Zeroizing<[u8; 32]>) -> Self {
        let key = UnboundKey::new(&AES_256_GCM_SIV, bytes.as_slice()).expect("32 bytes are an AES-256 key");
        Self { cipher: LessSafeKey::new(key), bytes }
    }

    /// HKDF-SHA256 with an unambiguous `info`: the kind and the purpose carry their lengths, the context is the rest.
    fn expand(&self, kind: &str, purpose: &str, context: &[u8]) -> Zeroizing<[u8; 32]> {
        let secret = Salt::new(HKDF_SHA256, b"jeton").extract(self.bytes.as_slice());
        let (kind_len, purpose_len) = ((kind.len() as u64).to_be_bytes(), (purpose.len() as u64).to_be_bytes());
        let info = [&kind_len[..], kind.as_bytes(), &purpose_len[..], purpose.as_bytes(), context];
        let mut bytes = Zeroizing::new([0; 32]);
        let output = secret.expand(&info, HKDF_SHA256).expect("32 bytes are less than 255 blocks");
        output.fill(bytes.as_mut_slice()).expect("the output length is the length of the array");
        bytes
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SealKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SealKey {
        SealKey::from_bytes([9; 32])
    }

    #[test]
    fn what_is_sealed_opens_again() {
        for len in [0, 1, 15, 16, 17, 1000] {
            let plain = vec![3; len];
            let sealed = key().seal([1; 12], b"aad", &plain);
            assert_eq!(sealed.len(), len + SEAL_OVERHEAD);
            assert_eq!(*key().open(b"aad", &sealed).expect("opens"), plain);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let sealed = key().seal([1; 12], b"aad", b"a secret");
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key().open(b"aad", &changed).map(drop), Err(JoseError::SealBroken), "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert_eq!(key().open(b"aad", &sealed[..len]).map(drop), Err(JoseError::SealBroken), "{len} bytes");
            assert_eq!(key().open(b"aad", &sealed[sealed.len() - len..]).map(drop), Err(JoseError::SealBroken));
        }
        let longer = [&sealed[..], b"\0"].concat();
        assert_eq!(key().open(b"aad", &longer).map(drop), Err(JoseError::SealBroken));
    }

    #[test]
    fn key_aad_purpose_and_context_are_bound() {
        let sealed = key().derive("code", b"ab").seal([1; 12], b"aad", b"x");
        for (other, aad) in [
            (key().derive("code", b"ab"), &b"aae"[..]),
            (key().derive("cod", b"eab"), b"aad"),
            (key().derive("codea", b"b"), b"aad"),
            (key().derive("code", b""), b"aad"),
            (SealKey::from_bytes([8; 32]).derive("code", b"ab"), b"aad"),
            (key(), b"aad"),
        ] {
            assert_eq!(other.open(aad, &sealed).map(drop), Err(JoseError::SealBroken));
        }
    }

    #[test]
    fn names_and_hash_keys_are_unrelated_to_the_key() {
        assert_eq!(key().fingerprint(), key().fingerprint());
        assert_ne!(key().fingerprint(), SealKey::from_bytes([8; 32]).fingerprint());
        assert_eq!(key().fingerprint().len(), 22);
        assert_ne!(key().derive_mac("a", b"").mac(&[]), MacKey::from_bytes(&[9; 32]).mac(&[]));
        assert_eq!(format!("{:?}", key()), "SealKey(…)");
    }
}
