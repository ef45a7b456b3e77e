//! The world is what a decision may not fetch itself: the time, chance, and facts from outside.
//!
//! The same world and the same records give the same answer. A decision that lacks a fact says which one it needs.

use crate::bucket::Pace;
use crate::name::{ClientId, Key, RequestId, Time, WebOrigin};
use crate::record::{ApiKey, Client};
use crate::refusal::{Fault, Why};
use core::net::{IpAddr, Ipv4Addr};
use jeton_jose::{Algorithm, sha256};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Everything around one request.
#[derive(Clone, Debug)]
pub struct World<'a> {
    /// When the request came; it does not change halfway.
    pub now: Time,
    /// The request's own chance.
    pub random: &'a Random,
    /// The id in log, journal and answer.
    pub request_id: &'a RequestId,
    /// Who asks, as far as the network tells: the peer, or the client that a trusted proxy names.
    pub source: IpAddr,
    /// What was found out for an earlier run of the same decision.
    pub facts: &'a Facts,
}

impl World<'_> {
    /// The source of what comes from this machine itself: its own work, and commands over the admin socket.
    pub const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A new key for a record made by this decision.
    #[must_use]
    pub fn new_key(&self, purpose: &str) -> Key {
        Key::new(self.now, self.random.draw(purpose))
    }
}

/// Chance as a tree: every purpose draws from a branch of its own, so that one more draw shifts no other, and a decision that
/// is run again draws the same values.
#[derive(Clone)]
pub struct Random(Zeroizing<[u8; 32]>);

impl Random {
    /// From 32 bytes of the operating system's generator, fresh for each request.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Zeroizing::new(seed))
    }

    /// `N` bytes, at most 32, for a purpose.
    ///
    /// They are SHA-256 of the seed, the purpose's length and the purpose. No such input is the beginning of another one, so
    /// that nothing follows from one draw for another, and half of HMAC's work is enough.
    #[must_use]
    pub fn draw<const N: usize>(&self, purpose: &str) -> [u8; N] {
        const { assert!(N <= 32) }
        let length = (purpose.len() as u64).to_be_bytes();
        let input = Zeroizing::new([&self.0[..], &length, purpose.as_bytes()].concat());
        let mut bytes = [0; N];
        bytes.copy_from_slice(&sha256(&input)[..N]);
        bytes
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random(…)")
    }
}

/// What was found out for a decision that needed it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Clients that were read, or found absent.
    pub clients: Vec<(Key, ClientId, Option<Arc<Client>>)>,
    /// API keys that were read, or found absent, by realm and hash.
    pub api_keys: Vec<(Key, String, Option<Arc<ApiKey>>)>,
    /// Origins of web pages that were looked up, and whether a client of the realm registered them.
    pub web_origins: Vec<(Key, WebOrigin, bool)>,
    /// Foreign hashes that were compared with a presented secret: the hash, the digest of what was presented, the verdict.
    pub slow_hashes: Vec<(String, [u8; 32], bool)>,
    /// Key pairs that were made.
    pub key_pairs: Vec<KeyPair>,
    /// A client that an earlier run found to be suspended, where it could not write that down.
    pub suspension: Option<Suspension>,
    /// Whether this run may wait for the store.
    pub patience: Patience,
    /// Why what was needed could not be found out: a decision that still needs it ends with this fault, in its caller's dialect.
    pub fault: Option<Fault>,
}

/// Whether a run of a decision may wait for the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patience {
    /// It runs where nothing may wait.
    #[default]
    None,
    /// It runs where waiting is allowed, so it may read and change records.
    Waits,
}

/// A client that is to be suspended because it wastes tokens. The request that led to it was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// The client.
    pub client: Key,
    /// So many tokens it asked for in vain.
    pub wasted: u64,
    /// How it is held back where it cannot be suspended.
    pub pace: Pace,
}

/// A fresh key pair, made outside.
#[derive(Clone)]
pub struct KeyPair {
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// PKCS#8.
    pub pkcs8: Arc<[u8]>,
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyPair({})", self.algorithm.name())
    }
}

/// Something a decision needs before it can be made.
#[derive(Clone, PartialEq, Eq)]
pub enum Need {
    /// A client that is not in memory.
    Client {
        /// Its realm.
        realm: Key,
        /// Its id.
        client_id: ClientId,
    },
    /// An API key that is not in memory.
    ApiKey {
        /// Its realm.
        realm: Key,
        /// Keyed hash of its value.
        hash: String,
    },
    /// Whether a client of the realm registered an origin that is not in memory.
    WebOrigin {
        /// The realm.
        realm: Key,
        /// The origin.
        origin: WebOrigin,
    },
    /// A presented secret is to be compared with a slow hash, off the request threads.
    SlowHash {
        /// The hash as it was imported.
        phc: String,
        /// What was presented.
        presented: Presented,
    },
    /// A key pair.
    KeyPair(Algorithm),
    /// Records are to be changed: the decision is to run again where it may wait for them.
    Records,
    /// A client is to be suspended: the same, without judging the request anew.
    Suspension(Suspension),
}

impl std::fmt::Debug for Need {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Client { .. } => "Need(client)",
            Self::ApiKey { .. } => "Need(API key)",
            Self::WebOrigin { .. } => "Need(web origin)",
            Self::SlowHash { .. } => "Need(slow hash)",
            Self::KeyPair(_) => "Need(key pair)",
            Self::Records => "Need(records)",
            Self::Suspension(_) => "Need(records for a suspension)",
        })
    }
}

/// A secret as it was presented. Prints as `…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented(Arc<str>);

impl Presented {
    /// Takes what stood in the request.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Self(value.into())
    }

    /// The value itself; for comparing, never for keeping.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Presented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// Why a decision stopped without its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Their fault: the caller is told so. Nothing is written but the refusal's own event.
    Refuse(Why),
    /// Their fault, with a consequence that is written although the request is refused.
    RefuseAnd(Why, Consequence),
    /// They ask too often: they are told so, and when to come again.
    RefuseFor(Why, Pace),
    /// Something must be found out first; the decision is then run again.
    Need(Need),
    /// Our fault.
    Fault(Fault),
}

/// What a refusal writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// Every token of this family ends (RFC 9700 §4.14.2).
    RevokeFamily(Key),
    /// A client is suspended: so many tokens it asked for in vain.
    SuspendClient(Key, u64),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Why> for Stop {
    fn from(why: Why) -> Self {
        Self::Refuse(why)
    }
}
