//! A request of the public listener is served as often as it takes to find out what its decision needs.

use crate::chance;
use crate::node::{Node, Reads};
use bytes::Bytes;
use http::Request;
use jeton_core::event::{Event, Outcome};
use jeton_core::name::{RequestId, Time};
use jeton_core::refusal::Fault;
use jeton_core::world::{Facts, KeyPair, Need, Random, World};
use jeton_jose::{Algorithm, SigningKey, sha256};
use jeton_wire::Served;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// How often a decision may say that it needs something.
const MOST_ROUNDS: usize = 8;

/// What is fixed for one request.
pub struct Moment {
    /// When it came.
    pub now: Time,
    /// Its chance.
    pub random: Random,
    /// Its id.
    pub request_id: RequestId,
}

impl Moment {
    /// The moment of a request that comes now.
    pub fn present() -> Self {
        let (request_id, random) = chance::draw();
        Self { now: chance::now(), random, request_id }
    }
}

/// An answer, and what log and counters are told.
pub type Answer = (http::Response<Bytes>, Option<Event>);

/// Decides by running `decide` again and again, each time with more facts. `Err` is our fault.
pub async fn answer(
    node: &Arc<Node>,
    moment: &Moment,
    request: &Request<Bytes>,
    decide: impl Fn(&Node, &World<'_>, &Request<Bytes>) -> Served,
) -> Result<Answer, Fault> {
    let mut facts = Facts::default();
    for _ in 0..MOST_ROUNDS {
        let Moment { now, random, request_id } = moment;
        let world = World { now: *now, random, request_id, facts: &facts };
        // A panic is a broken invariant of ours; it must not take other requests with it.
        let served = catch_unwind(AssertUnwindSafe(|| decide(node, &world, request)));
        match served.map_err(|_| Fault::Broken("a decision panicked"))? {
            Served::Answer(response, event) => return Ok((response, event)),
            Served::Need(need) => facts = meet(node, *now, need, facts).await?,
        }
    }
    Err(Fault::Broken("a decision needs more and more"))
}

/// The event of a request that failed before it was decided.
pub fn fault_event(fault: Fault) -> Event {
    Event { realm: None, client: None, endpoint: "listener", outcome: Outcome::Faulted(fault), used: None }
}

async fn meet(node: &Arc<Node>, now: Time, need: Need, mut facts: Facts) -> Result<Facts, Fault> {
    match need {
        Need::Client { .. } | Need::ApiKey { .. } => match node.reads {
            Reads::Quick => catch_unwind(AssertUnwindSafe(|| node.engine.meet(now, &need, &mut facts)))
                .map_err(|_| Fault::Broken("a reading panicked"))?
                .map(|()| facts),
            Reads::Slow => {
                let node = Arc::clone(node);
                apart(move || node.engine.meet(now, &need, &mut facts).map(|()| facts)).await?
            }
        },
        Need::SlowHash { phc, presented } => {
            let digest = sha256(presented.expose().as_bytes());
            let same = node.slow_hashes.verify(phc.clone(), presented).await?;
            facts.slow_hashes.push((phc, digest, same));
            Ok(facts)
        }
        Need::KeyPair(algorithm) => {
            facts.key_pairs.push(apart(move || key_pair(algorithm)).await??);
            Ok(facts)
        }
    }
}

/// Makes a key pair; a tenth of a second and more for RSA.
pub fn key_pair(algorithm: Algorithm) -> Result<KeyPair, Fault> {
    let (_, pkcs8) = SigningKey::generate(algorithm).map_err(|_| Fault::Broken("a key pair cannot be made"))?;
    Ok(KeyPair { algorithm, pkcs8: pkcs8.as_slice().into() })
}

async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Fault::Broken("work off the request threads panicked"))
}
