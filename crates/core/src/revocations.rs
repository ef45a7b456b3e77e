//! Every living revocation is in memory, so that a check asks no store.

use crate::name::{Key, Time};
use crate::record::Revoked;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

/// So many parts have locks of their own, so that no lock is shared by all cores.
const SHARDS: usize = 256;

/// What is dead in each realm, and until when that must be known.
type Dead = BTreeMap<(Key, Revoked), Time>;

/// The living revocations of every realm.
pub struct Revocations {
    /// How many there are; nearly always none, and then nothing is looked up.
    living: AtomicUsize,
    most: usize,
    shards: [RwLock<Dead>; SHARDS],
}

impl Revocations {
    /// Most that a request may add to; about 300 MB. What came to a store another way is kept all the same.
    pub const MOST: usize = 5_000_000;

    /// Nothing is revoked.
    #[must_use]
    pub fn new() -> Self {
        Self::with_room_for(Self::MOST)
    }

    /// Nothing is revoked, and requests may add so many.
    #[must_use]
    pub fn with_room_for(most: usize) -> Self {
        Self { living: AtomicUsize::new(0), most, shards: std::array::from_fn(|_| RwLock::default()) }
    }

    /// Whether no request may add to them.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.count() >= self.most
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.living.load(Ordering::Acquire)
    }

    /// Whether this was revoked in a realm.
    #[must_use]
    pub fn has(&self, realm: Key, target: Revoked) -> bool {
        self.count() > 0 && self.shard(target).read().unwrap_or_else(PoisonError::into_inner).contains_key(&(realm, target))
    }

    /// Keeps a revocation in mind until it ends.
    pub fn remember(&self, realm: Key, target: Revoked, until: Time) {
        let mut dead = self.shard(target).write().unwrap_or_else(PoisonError::into_inner);
        if dead.insert((realm, target), until).is_none() {
            self.living.fetch_add(1, Ordering::Release);
        }
    }

    /// Forgets those that have ended: what they were about has ended, too.
    pub fn forget_ended(&self, now: Time) {
        for shard in self.shards.iter().filter(|_| self.count() > 0) {
            let mut dead = shard.write().unwrap_or_else(PoisonError::into_inner);
            let before = dead.len();
            dead.retain(|_, until| now < *until);
            self.living.fetch_sub(before - dead.len(), Ordering::Release);
        }
    }

    fn shard(&self, target: Revoked) -> &RwLock<Dead> {
        let (Revoked::Token(key) | Revoked::Family(key)) = target;
        // The last byte of a digest and of a family's key is chance.
        &self.shards[usize::from(key.as_bytes()[15]) % SHARDS]
    }
}

impl Default for Revocations {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(first: u8) -> Key {
        Key::from_bytes([first; 16])
    }

    #[test]
    fn what_was_revoked_is_known_in_its_realm_until_it_ends() {
        let (here, there) = (key(1), key(2));
        let (token, family) = (Revoked::Token(key(7)), Revoked::Family(key(7)));
        let revocations = Revocations::new();
        assert!(!revocations.has(here, token));
        revocations.remember(here, token, Time::from_seconds(10));
        revocations.remember(here, token, Time::from_seconds(10));
        revocations.remember(here, Revoked::Token(key(8)), Time::from_seconds(20));
        assert!(revocations.has(here, token) && !revocations.has(here, family) && !revocations.has(there, token));
        revocations.forget_ended(Time::from_millis(9_999));
        assert_eq!((revocations.has(here, token), revocations.count()), (true, 2));
        revocations.forget_ended(Time::from_seconds(10));
        assert_eq!((revocations.has(here, token), revocations.count()), (false, 1));
    }
}
