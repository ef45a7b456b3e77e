//! A key set is what an issuer publishes: its public keys, each with a name of its own.
//!
//! Keys keep the order in which they were given, so that the same keys are always printed as the same bytes. A set
//! fetches nothing and does not know whose it is (RFC 7517 §5).

use crate::{JoseError, PublicKey, json};
use serde_json::Value;

/// The longest JWK Set that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// The largest number of keys in a set that is read.
const MAX_KEYS: usize = 64;

/// The largest number of keys in a set that is made.
const MAX_OWN: usize = 1024;

/// Public keys with different `kid`s.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

impl KeySet {
    /// Makes a set of at most 1024 keys.
    ///
    /// # Errors
    /// `DuplicateKey` when two keys have one `kid`; `TooLarge` for too many keys.
    pub fn from_keys(keys: impl IntoIterator<Item = PublicKey>) -> Result<Self, JoseError> {
        let mut set = Self::default();
        for key in keys {
            set.add(key)?;
        }
        Ok(set)
    }

    /// Reads a JWK Set of at most 64 KiB and 64 keys (RFC 7517 §5). Keys of a kind that is not offered here are passed over.
    ///
    /// # Errors
    /// `Malformed` and the other errors of strict JSON; `DuplicateKey`; and everything of [`PublicKey::from_jwk`] but
    /// `UnsupportedKey`: a set that shows a private or symmetric key, or a weak one, is not used at all.
    pub fn parse(bytes: &[u8]) -> Result<Self, JoseError> {
        let object = json::parse_object(bytes, MAX_BYTES)?;
        Self::from_json(&object)
    }

    /// As [`KeySet::parse`], from an object that strict JSON has already read (a client's inline `jwks`).
    ///
    /// # Errors
    /// As [`KeySet::parse`].
    pub fn from_json(object: &serde_json::Map<String, Value>) -> Result<Self, JoseError> {
        // RFC 7517 §5.1: "keys" is an array of JWKs.
        let list = object.get("keys").and_then(Value::as_array).ok_or(JoseError::Malformed)?;
        if list.len() > MAX_KEYS {
            return Err(JoseError::TooLarge);
        }
        let mut set = Self::default();
        for jwk in list {
            match PublicKey::from_jwk(jwk.as_object().ok_or(JoseError::Malformed)?, None) {
                Ok(key) => set.add(key)?,
                // RFC 7517 §5: "Implementations SHOULD ignore JWKs within a JWK Set that use "kty" (key type) values that
                // are not understood by them". The same holds for other curves, uses and algorithms.
                Err(JoseError::UnsupportedKey) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(set)
    }

    /// The key with this `kid`, compared byte by byte (RFC 7517 §4.5).
    #[must_use]
    pub fn by_kid(&self, kid: &str) -> Option<&PublicKey> {
        self.keys.iter().find(|key| key.kid() == kid)
    }

    /// The key of a set that has exactly one, for tokens without `kid`: with several, a token must say which.
    #[must_use]
    pub fn only(&self) -> Option<&PublicKey> {
        match self.keys.as_slice() {
            [key] => Some(key),
            _ => None,
        }
    }

    /// The keys, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &PublicKey> {
        self.keys.iter()
    }

    /// Whether there is no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The JWK Set as it is published (RFC 7517 §5). The same keys in the same order give the same bytes.
    #[must_use]
    pub fn to_json(&self) -> Value {
        serde_json::json!({ "keys": self.keys.iter().map(PublicKey::to_jwk).collect::<Vec<_>>() })
    }

    fn add(&mut self, key: PublicKey) -> Result<(), JoseError> {
        if self.keys.len() == MAX_OWN {
            return Err(JoseError::TooLarge);
        }
        // RFC 7517 §4.5: different keys of a set should use distinct kid values; here they must.
        if self.by_kid(key.kid()).is_some() {
            return Err(JoseError::DuplicateKey);
        }
        self.keys.push(key);
        Ok(())
    }
}
