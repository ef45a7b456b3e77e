//! A request of the public listener is served as often as it takes to find out what its decision needs.

use crate::chance;
use crate::node::{Node, Reads};
use bytes::Bytes;
use http::Request;
use jeton_core::event::{Event, Outcome};
use jeton_core::name::{RequestId, Time};
use jeton_core::refusal::Fault;
use jeton_core::world::{Facts, KeyPair, Need, Patience, Random, World};
use jeton_jose::{Algorithm, SigningKey, sha256};
use jeton_wire::Served;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// How often a decision may say that it needs something.
const MOST_ROUNDS: usize = 8;
/// How long a reading from a database may take.
const SLOW_READ: Duration = Duration::from_secs(2);
/// How long a change may take.
const SLOW_CHANGE: Duration = Duration::from_secs(2);

/// What is fixed for one request.
pub struct Moment {
    /// When it came.
    pub now: Time,
    /// Its chance.
    pub random: Random,
    /// Its id.
    pub request_id: RequestId,
    /// Who asks.
    pub source: IpAddr,
}

impl Asked {
    /// The same request at the same moment, for another thread.
    fn again(&self) -> Self {
        let Moment { now, random, request_id, source } = &self.moment;
        let moment = Moment { now: *now, random: random.clone(), request_id: request_id.clone(), source: *source };
        Self { moment, request: self.request.clone() }
    }
}

impl Moment {
    /// The moment of something that this process does now.
    pub fn present() -> Self {
        Self::of(World::INSIDE)
    }

    /// The moment of a request that comes now, from there.
    pub fn of(source: IpAddr) -> Self {
        let (request_id, random) = chance::draw();
        Self { now: chance::now(), random, request_id, source }
    }

    /// The world of a decision at this moment, as far as these facts go.
    pub fn world<'a>(&'a self, facts: &'a Facts) -> World<'a> {
        World { now: self.now, random: &self.random, request_id: &self.request_id, source: self.source, facts }
    }
}

/// An answer, and what log and counters are told.
pub type Answer = (http::Response<Bytes>, Option<Event>);

/// A request and all that is fixed about it.
pub struct Asked {
    /// When it came, and its chance.
    pub moment: Moment,
    /// The request, with its whole body.
    pub request: Request<Bytes>,
}

/// A request, and where its decisions run.
#[derive(Clone, Copy)]
pub enum Asking<'a> {
    /// At once, for what reads only memory.
    Here(&'a Asked),
    /// On a thread that may wait for the store.
    Apart(&'a Arc<Asked>),
}

/// Decides by running `decide` again and again, each time with more facts. `Err` is our fault.
pub async fn answer(
    node: &Arc<Node>,
    asking: Asking<'_>,
    decide: impl Fn(&Node, &World<'_>, &Request<Bytes>) -> Served + Copy + Send + 'static,
) -> Result<Answer, Fault> {
    let mut facts = Facts::default();
    for _ in 0..MOST_ROUNDS {
        let (served, moment) = match asking {
            Asking::Here(asked) if facts.patience == Patience::None => (run(node, asked, &facts, decide)?, &asked.moment),
            Asking::Here(asked) => match patiently(node, asked, facts.clone(), decide).await {
                Ok(served) => (served, &asked.moment),
                Err(fault @ Fault::Unavailable(_)) => {
                    // Decided where nothing waits, it ends with this fault in its caller's dialect.
                    facts = Facts { patience: Patience::None, fault: Some(fault), ..facts };
                    continue;
                }
                Err(fault) => return Err(fault),
            },
            Asking::Apart(asked) => {
                let (node, again) = (Arc::clone(node), Arc::clone(asked));
                let (served, met) = apart(move || (run(&node, &again, &facts, decide), facts)).await?;
                facts = met;
                (served?, &asked.moment)
            }
        };
        match served {
            Served::Answer(response, event) => return Ok((response, event)),
            Served::Need(need) => match meet(node, moment, need, facts.clone()).await {
                Ok(met) => facts = met,
                // The decision ends with it, in its caller's dialect.
                Err(fault) if facts.fault.is_none() => facts.fault = Some(fault),
                Err(fault) => return Err(fault),
            },
        }
    }
    Err(Fault::Broken("a decision needs more and more"))
}

/// Runs a decision that changes records where it may wait for them: so many at once, and each for so long.
async fn patiently(
    node: &Arc<Node>,
    asked: &Asked,
    facts: Facts,
    decide: impl Fn(&Node, &World<'_>, &Request<Bytes>) -> Served + Send + 'static,
) -> Result<Served, Fault> {
    let late = || Fault::Unavailable("the store does not write in time".into());
    let (again, inner) = (asked.again(), Arc::clone(node));
    let changing = async move {
        // The permit goes with the change: a database that hangs holds so many threads and no more.
        let permit = Arc::clone(&inner.changing).acquire_owned().await.map_err(|_| late())?;
        apart(move || {
            let _permit = permit;
            run(&inner, &again, &facts, decide)
        })
        .await?
    };
    tokio::time::timeout(SLOW_CHANGE, changing).await.map_err(|_| late())?
}

fn run(
    node: &Node,
    asked: &Asked,
    facts: &Facts,
    decide: impl Fn(&Node, &World<'_>, &Request<Bytes>) -> Served,
) -> Result<Served, Fault> {
    let world = asked.moment.world(facts);
    // A panic is a broken invariant of ours; it must not take other requests with it.
    catch_unwind(AssertUnwindSafe(|| decide(node, &world, &asked.request))).map_err(|_| Fault::Broken("a decision panicked"))
}

/// The event of a request that failed before it was decided.
pub fn fault_event(fault: Fault) -> Event {
    Event { realm: None, client: None, endpoint: "listener", outcome: Outcome::Faulted(fault), used: None, adopt: None }
}

async fn meet(node: &Arc<Node>, moment: &Moment, need: Need, mut facts: Facts) -> Result<Facts, Fault> {
    let (now, source) = (moment.now, moment.source);
    match need {
        Need::Client { .. } | Need::ApiKey { .. } | Need::WebOrigin { .. } => match node.reads {
            Reads::Quick => catch_unwind(AssertUnwindSafe(|| node.engine.meet(now, &need, &mut facts)))
                .map_err(|_| Fault::Broken("a reading panicked"))?
                .map(|()| facts),
            Reads::Slow => {
                // The permit goes with the reading: a database that hangs holds so many threads and no more.
                let late = || Fault::Unavailable("the store does not answer in time".into());
                let permit = Arc::clone(&node.reading).try_acquire_owned().map_err(|_| late())?;
                let node = Arc::clone(node);
                let reading = apart(move || {
                    let _permit = permit;
                    node.engine.meet(now, &need, &mut facts).map(|()| facts)
                });
                tokio::time::timeout(SLOW_READ, reading).await.map_err(|_| late())??
            }
        },
        Need::SlowHash { phc, presented } => {
            let digest = sha256(presented.expose().as_bytes());
            let same = node.slow_hashes.verify(source, phc.clone(), presented).await?;
            facts.slow_hashes.push((phc, digest, same));
            Ok(facts)
        }
        Need::Records => Ok(Facts { patience: Patience::Waits, ..facts }),
        Need::Suspension(found) => Ok(Facts { suspension: Some(found), patience: Patience::Waits, ..facts }),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_log::EventLog;
    use crate::settings::Settings;
    use jeton_core::world::Presented;

    /// What becomes of a request that is decided so, here and apart.
    async fn decided(
        decide: impl Fn(&Node, &World<'_>, &Request<Bytes>) -> Served + Copy + Send + 'static,
    ) -> Vec<Result<String, Fault>> {
        let directory = tempfile::tempdir().expect("a directory");
        let settings = Settings::in_directory(directory.path());
        let events = EventLog::start(&settings).expect("started");
        let node = Arc::new(crate::serve::node(&settings, events, 1).expect("opened"));
        let asked = Arc::new(Asked { moment: Moment::present(), request: Request::new(Bytes::new()) });
        let mut outcomes = Vec::new();
        for asking in [Asking::Here(&asked), Asking::Apart(&asked)] {
            let outcome = answer(&node, asking, decide).await;
            outcomes.push(outcome.map(|(response, _)| String::from_utf8(response.into_body().to_vec()).expect("text")));
        }
        outcomes
    }

    fn told(text: String) -> Served {
        Served::Answer(http::Response::new(text.into()), None)
    }

    #[tokio::test]
    async fn a_panic_is_a_fault_of_one_request() {
        for outcome in decided(|_, _, _| panic!("on purpose")).await {
            assert_eq!(outcome, Err(Fault::Broken("a decision panicked")));
        }
    }

    #[tokio::test]
    async fn a_decision_gets_what_it_needs_and_then_answers() {
        let outcomes = decided(|_, world, _| {
            let presented = Presented::new("password");
            let Some((_, digest, same)) = world.facts.slow_hashes.first() else {
                let phc = "$pbkdf2-sha512$i=1,l=32$c2FsdA$hn9wzxreAs/zdSWZo6U9xK80x6ZpgVrl1RNVThyM8lI".into();
                return Served::Need(Need::SlowHash { phc, presented });
            };
            match world.facts.key_pairs.first() {
                None => Served::Need(Need::KeyPair(Algorithm::Es256)),
                Some(pair) => told(format!("{same} {} {}", *digest == sha256(b"password"), pair.algorithm.name())),
            }
        });
        for outcome in outcomes.await {
            assert_eq!(outcome, Ok("true true ES256".to_owned()));
        }
    }

    #[tokio::test]
    async fn a_decision_that_never_has_enough_is_ended() {
        for outcome in decided(|_, _, _| Served::Need(Need::KeyPair(Algorithm::EdDsa))).await {
            assert_eq!(outcome, Err(Fault::Broken("a decision needs more and more")));
        }
    }
}
