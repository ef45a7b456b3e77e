//! A node is one engine over the shared store, with its face to the wire; it may lag behind what other nodes wrote.

use crate::model::Model;
use bytes::Bytes;
use http::{Request, Response};
use jeton_core::admin::KeyWatch;
use jeton_core::event::Event;
use jeton_core::name::{Key, Time};
use jeton_core::refusal::Fault;
use jeton_core::run::Engine;
use jeton_core::store::Store;
use jeton_core::tally::Tally;
use jeton_core::world::{Facts, Need, World};
use jeton_jose::{SealKey, b64, sha256};
use jeton_wire::{Options, Served, Wire};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most facts that one request may need.
const MOST_NEEDS: usize = 8;
/// How an imported secret's slow hash starts here; no such hash exists outside.
const SLOW: &str = "$sim$";

/// One process.
pub struct Node {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Counters and journal.
    pub tally: Tally,
    /// What it has watched of signing keys.
    pub watch: KeyWatch,
    wire: Wire,
    followed: u64,
    own: BTreeMap<Key, u64>,
}

/// What a request led to.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it lives on the stack of one request; nearly all are answers")]
pub enum Answered {
    /// An answer and what log and counters are told.
    Answer(Response<Bytes>, Option<Event>),
    /// The store could not be asked.
    Unavailable(Fault),
}

impl Node {
    /// Starts a node over a store.
    pub fn start(store: Arc<dyn Store>, seal: [u8; 32], world: &World<'_>, change: u64) -> Result<Self, Fault> {
        let engine = Arc::new(Engine::open(store, &SealKey::from_bytes(seal), world)?);
        let options = Options { sample_api: true, serves: |_| true };
        let wire = Wire::new(Arc::clone(&engine), options).map_err(|_| Fault::Broken("the built-in dialects are right"))?;
        Ok(Self { engine, tally: Tally::new(), watch: KeyWatch::default(), wire, followed: change, own: BTreeMap::new() })
    }

    /// Serves one request, finding out what it needs.
    pub fn serve(&self, world: &World<'_>, request: &Request<Bytes>) -> Answered {
        let mut facts = Facts::default();
        for _ in 0..MOST_NEEDS {
            let world = World { facts: &facts, ..world.clone() };
            match self.wire.serve(&world, request) {
                Served::Answer(response, event) => {
                    if let Some(event) = &event {
                        self.tally.record(&world, event);
                    }
                    return Answered::Answer(response, event);
                }
                Served::Need(need) => {
                    if let Err(fault) = self.meet(world.now, &need, &mut facts) {
                        return Answered::Unavailable(fault);
                    }
                }
            }
        }
        Answered::Unavailable(Fault::Broken("a request needs more and more"))
    }

    fn meet(&self, now: Time, need: &Need, facts: &mut Facts) -> Result<(), Fault> {
        if let Need::SlowHash { phc, presented } = need {
            let same = *phc == slow_hash(presented.expose());
            facts.slow_hashes.push((phc.clone(), sha256(presented.expose().as_bytes()), same));
        }
        self.engine.meet(now, need, facts)
    }

    /// Follows what others wrote.
    pub fn follow(&mut self, now: Time, model: &Model) {
        if self.engine.follow(now).is_ok() {
            self.followed = model.change;
        }
    }

    /// Notes that this node itself made a change to a record.
    pub fn made(&mut self, key: Key, change: u64) {
        self.own.insert(key, change);
    }

    /// The change up to which this node must know a record.
    #[must_use]
    pub fn knows(&self, key: Key) -> u64 {
        self.own.get(&key).copied().unwrap_or(0).max(self.followed)
    }
}

/// The slow hash of a secret, as a provider might bring it along.
#[must_use]
pub fn slow_hash(secret: &str) -> String {
    format!("{SLOW}{}", b64::encode(&sha256(format!("slow {secret}").as_bytes())))
}
