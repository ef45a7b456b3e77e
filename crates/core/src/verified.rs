//! A token whose signature was verified is remembered, so that it is not verified twice.
//!
//! Only what its bytes and the realm's keys decide is remembered. Its end, its client and its revocation are checked each time.

use crate::name::{ClientId, Key, Scope, Time};
use jeton_jose::sha256;
use quick_cache::sync::Cache;
use std::sync::Arc;

/// What a genuine access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The client that asked for it.
    pub client_id: ClientId,
    /// As whom it acts.
    pub subject: String,
    /// What it allows.
    pub scope: Scope,
    /// For whom it is.
    pub audience: Vec<String>,
    /// When it was issued.
    pub issued_at: Time,
    /// When it ends.
    pub expires_at: Time,
    /// Its own id.
    pub token_id: String,
    /// The family that it belongs to.
    pub family: Option<Key>,
    /// By what it is revoked.
    pub digest: Key,
}

/// The tokens that were lately found genuine.
pub struct Verified {
    tokens: Cache<[u8; 32], Arc<AccessToken>>,
}

impl Verified {
    /// Most tokens that are kept; about half a kilobyte each.
    pub const CAPACITY: usize = 50_000;

    /// Nothing was verified yet.
    #[must_use]
    pub fn new() -> Self {
        Self { tokens: Cache::new(Self::CAPACITY) }
    }

    /// What this token says: from memory, or by verifying it. `by` stands for everything that the verdict depends on beside the
    /// token: when a key goes, it becomes another one, and nothing that was remembered under the old one is found again.
    pub fn or_verify<E>(
        &self,
        by: &[u8; 32],
        presented: &str,
        verify: impl FnOnce() -> Result<AccessToken, E>,
    ) -> Result<Arc<AccessToken>, E> {
        let place = sha256(&[by, presented.as_bytes()].concat());
        if let Some(known) = self.tokens.get(&place) {
            return Ok(known);
        }
        let token = Arc::new(verify()?);
        self.tokens.insert(place, Arc::clone(&token));
        Ok(token)
    }
}

impl Default for Verified {
    fn default() -> Self {
        Self::new()
    }
}
