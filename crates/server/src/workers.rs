//! Workers do in the background what no request waits for: they follow other nodes, write down what was counted, rotate signing
//! keys, and forget what has ended.

use crate::chance;
use crate::listener::shed;
use crate::node::Node;
use crate::reminders;
use crate::request::Moment;
use crate::rotation;
use jeton_core::believed::BelievedTime;
use jeton_core::chain;
use jeton_core::name::Time;
use jeton_core::refusal::Fault;
use jeton_core::run::{Engine, FOLLOWED_AT_ONCE};
use jeton_core::snapshot::RealmState;
use jeton_core::world::{Facts, World};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How long a worker waits for news.
const PACE_MILLIS: u64 = 1000;
/// So often is the store swept.
const ROUNDS_PER_SWEEP: u64 = 30;
/// Most rows that go in one sweep.
const SWEPT_AT_ONCE: usize = 1000;

/// So often is looked for what a realm's rules forget.
const ROUNDS_PER_FORGETTING: u64 = 60;
/// Most audit records that are forgotten at once.
const FORGOTTEN_AT_ONCE: usize = 500;

/// Starts the workers. They end with the node.
pub fn start(node: &Arc<Node>) {
    if let Some(tls) = node.tls.as_ref().map(Arc::downgrade) {
        begin("certificate", move || crate::tls::watch(&tls));
    }
    let (measured, runtime) = (Arc::downgrade(node), Handle::current());
    begin("queue", move || shed::watch(&measured, &runtime));
    let works = [
        ("follower", follow as fn(&Weak<Node>)),
        ("writer", write),
        ("sealer", seal),
        ("rotator", rotation::run),
        ("reminder", reminders::run),
    ];
    for (name, work) in works {
        let node = Arc::downgrade(node);
        begin(name, move || work(&node));
    }
}

fn begin(name: &'static str, work: impl FnOnce() + Send + 'static) {
    if let Err(error) = thread::Builder::new().name(name.into()).spawn(work) {
        tracing::error!(%error, name, "a worker cannot be started");
    }
}

/// Writes down what was counted.
pub fn flush(node: &Node) {
    let moment = Moment::present();
    let flushed = node.tally.flush(&node.engine, &moment.world(&Facts::default()));
    let before = node.writes.swap(flushed.is_ok(), Ordering::Relaxed);
    // Once is enough; readiness and a metric say how long it lasts.
    match flushed {
        Err(stop) if before => tracing::warn!(?stop, "what was counted cannot be written down, and is lost until it can be"),
        Ok(()) if !before => tracing::info!("what was counted is written down again"),
        _ => {}
    }
}

fn write(node: &Weak<Node>) {
    while let Some(node) = node.upgrade() {
        // At the end it is done once more, by whoever closes the store.
        if node.closing.load(Ordering::Relaxed) {
            return;
        }
        flush(&node);
        drop(node);
        thread::sleep(Duration::from_millis(PACE_MILLIS));
    }
}

/// Adds to the chain what is not sealed yet.
pub fn seal_audit(engine: &Engine) {
    loop {
        let (moment, facts) = (Moment::present(), Facts::default());
        match engine.transact(&moment.world(&facts), |records, world| chain::seal(records, world, engine.data())) {
            Ok(count) if count < chain::ENTRIES => return,
            Ok(_) => {}
            // What is not sealed waits; a store that is silent is told of by the follower.
            Err(Fault::Unavailable(_)) => return,
            Err(fault) => return tracing::error!(%fault, "the audit trail cannot be sealed"),
        }
    }
}

fn seal(node: &Weak<Node>) {
    let (start, mut believed) = (Instant::now(), BelievedTime::default());
    for round in 0_u64.. {
        let Some(node) = node.upgrade() else { return };
        seal_audit(&node.engine);
        let then = believed.at(chance::now(), millis_since(start));
        if round.is_multiple_of(ROUNDS_PER_FORGETTING) {
            forget_audit(&node, then);
        }
        drop(node);
        thread::sleep(Duration::from_millis(PACE_MILLIS));
    }
}

/// Forgets what the realms' rules forget: one step of each realm.
fn forget_audit(node: &Node, then: Time) {
    let snapshot = node.engine.memory.snapshot.load();
    let has_rule = |state: &&Arc<RealmState>| state.realm.settings.retention.audit_days.is_some();
    for realm in snapshot.realms().filter(has_rule).map(|state| state.realm.key) {
        let moment = Moment::present();
        let (engine, facts) = (&node.engine, Facts::default());
        let world = World { now: then, ..moment.world(&facts) };
        let forgotten =
            engine.transact(&world, |records, world| chain::forget(records, world, engine.data(), (realm, FORGOTTEN_AT_ONCE)));
        if let Err(fault) = forgotten {
            tracing::warn!(%fault, "audit records cannot be forgotten");
        }
    }
}

fn follow(node: &Weak<Node>) {
    let (start, mut believed) = (Instant::now(), BelievedTime::default());
    let (mut is_silent, mut sweeps_on) = (false, false);
    for round in 1_u64.. {
        let Some(node) = node.upgrade() else { return };
        let now = chance::now();
        let followed = node.engine.follow(now);
        // What waits behind many changes is not waited for.
        let is_behind = followed.as_ref().is_ok_and(|count| *count >= FOLLOWED_AT_ONCE);
        match followed {
            Ok(_) => {
                if std::mem::take(&mut is_silent) {
                    tracing::info!("the store answers again");
                }
            }
            // The store was closed.
            Err(_) if node.closing.load(Ordering::Relaxed) => return,
            Err(fault) => {
                // Once is enough; the metric says how long it lasts.
                if !std::mem::replace(&mut is_silent, true) {
                    tracing::warn!(%fault, "the store does not answer; known clients are served from memory");
                }
                thread::sleep(Duration::from_millis(PACE_MILLIS));
            }
        }
        let doubted = believed.doubts();
        let then = believed.at(now, millis_since(start));
        if believed.doubts() && !doubted {
            tracing::error!("the clock has jumped forward; nothing is forgotten by it until it has stayed so for an hour");
        }
        // As long as more has ended than one sweep takes, every round sweeps.
        if sweeps_on || round.is_multiple_of(ROUNDS_PER_SWEEP) {
            let swept = node.engine.tidy(then, SWEPT_AT_ONCE);
            sweeps_on = swept.as_ref().is_ok_and(|gone| *gone >= SWEPT_AT_ONCE);
            if let Err(fault) = swept {
                tracing::warn!(%fault, "the store cannot be swept");
            }
        }
        if !is_behind {
            node.engine.store().wait(PACE_MILLIS);
        }
    }
}

/// Milliseconds of a clock that only runs.
fn millis_since(start: Instant) -> i64 {
    i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX)
}
