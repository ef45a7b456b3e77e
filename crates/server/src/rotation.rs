//! The rotator takes the steps in the lives of signing keys when they are due, on a thread of its own: making an RSA key takes long.

use crate::chance;
use crate::node::Node;
use crate::request::{Moment, key_pair};
use jeton_core::admin::{AdminStop, KeyWatch, KeysDue, Rotated};
use jeton_core::name::{Key, Time};
use jeton_core::record::KeyState;
use jeton_core::run::Engine;
use jeton_core::snapshot::Snapshot;
use jeton_core::world::{Facts, Need};
use std::sync::Weak;
use std::thread;
use std::time::{Duration, Instant};

/// How often the keys are looked at. That costs no reading from the store.
const PACE: Duration = Duration::from_millis(250);
/// Most steps of a realm at once.
const MOST_STEPS: usize = 8;
/// Most key pairs that one step may need.
const MOST_NEEDS: usize = 8;

/// Rotates until the node is gone.
pub fn run(node: &Weak<Node>) {
    let mut watch = KeyWatch::default();
    // Nobody can set this clock.
    let start = Instant::now();
    let mut is_failing = false;
    while let Some(node) = node.upgrade() {
        let failed = take_steps(&node.engine, &mut watch, start).err();
        // Once is enough; the metric says how late a key is.
        if let (Some(stop), false) = (&failed, is_failing) {
            tracing::warn!(%stop, "signing keys cannot be rotated now; those that sign go on");
        }
        is_failing = failed.is_some();
        drop(node);
        thread::sleep(PACE);
    }
}

/// Begins to sign in every realm that has no key to sign with, as after a restore that ended them.
pub fn begin(engine: &Engine) -> Result<(), AdminStop> {
    take_steps(engine, &mut KeyWatch::default(), Instant::now())
}

/// Takes the steps that are due, a bounded number of them.
fn take_steps(engine: &Engine, watch: &mut KeyWatch, start: Instant) -> Result<(), AdminStop> {
    let steady = i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX);
    let end = (0..MOST_STEPS).try_fold((), |(), _| {
        let due = watch.look(&engine.memory.snapshot.load(), chance::now(), steady);
        walk(engine, &due)
    });
    end.err().flatten().map_or(Ok(()), Err)
}

/// Takes one step in each realm where one is due. `Err` is the end: nothing is due, or a step failed.
fn walk(engine: &Engine, due: &KeysDue) -> Result<(), Option<AdminStop>> {
    let (mut taken, mut failed) = (false, None);
    for realm in &due.realms {
        match step(engine, *realm, due) {
            Ok(Some(Rotated { realm, kid, action })) => {
                tracing::info!(realm = realm.as_str(), kid, action, "a signing key took a step");
                taken = true;
            }
            // Another node was quicker.
            Ok(None) => {}
            Err(stop) => failed = Some(stop),
        }
    }
    if taken && failed.is_none() { Ok(()) } else { Err(failed) }
}

fn step(engine: &Engine, realm: Key, due: &KeysDue) -> Result<Option<Rotated>, AdminStop> {
    let moment = Moment::present();
    let mut facts = Facts::default();
    for _ in 0..MOST_NEEDS {
        match engine.rotate(&moment.world(&facts), realm, due) {
            Err(AdminStop::Need(Need::KeyPair(algorithm))) => facts.key_pairs.push(key_pair(algorithm)?),
            done => return done,
        }
    }
    Ok(None)
}

/// How the keys of a node's realms are, for operators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyFigures {
    /// Keys that are published and not yet used.
    pub next: u64,
    /// Keys that sign.
    pub active: u64,
    /// Keys that sign no more and are still accepted.
    pub retiring: u64,
    /// For how many seconds the oldest of those that sign has done so.
    pub oldest: i64,
    /// By how many seconds the one that should have been replaced first is late; 0 if none is.
    pub late: i64,
}

impl KeyFigures {
    /// Counts the keys of every realm.
    pub fn of(snapshot: &Snapshot, now: Time) -> Self {
        let mut figures = Self::default();
        for state in snapshot.realms() {
            for key in &state.keys {
                match key.state {
                    KeyState::Next => figures.next += 1,
                    KeyState::Retiring { .. } => figures.retiring += 1,
                    KeyState::Gone { .. } => {}
                    KeyState::Active { from } => {
                        let age = (now.seconds() - from.seconds()).max(0);
                        figures.active += 1;
                        figures.oldest = figures.oldest.max(age);
                        figures.late = figures.late.max(age.saturating_sub(state.realm.settings.keys.rotate_after));
                    }
                }
            }
        }
        figures
    }
}
