//! Workers do in the background what no request waits for: they follow other nodes, write down what was counted, rotate signing
//! keys, and forget what has ended.

use crate::chance;
use crate::node::Node;
use crate::request::Moment;
use crate::rotation;
use jeton_core::world::Facts;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

/// How long a worker waits for news.
const PACE_MILLIS: u64 = 1000;
/// So often is the store swept.
const ROUNDS_PER_SWEEP: u64 = 30;
/// Most rows that go in one sweep.
const SWEPT_AT_ONCE: usize = 1000;

/// Starts the workers. They end with the node.
pub fn start(node: &Arc<Node>) {
    for (name, work) in [("follower", follow as fn(&Weak<Node>)), ("writer", write), ("rotator", rotation::run)] {
        let node = Arc::downgrade(node);
        if let Err(error) = thread::Builder::new().name(name.into()).spawn(move || work(&node)) {
            tracing::error!(%error, name, "a worker cannot be started");
        }
    }
}

/// Writes down what was counted.
pub fn flush(node: &Node) {
    let moment = Moment::present();
    let flushed = node.tally.flush(&node.engine, &moment.world(&Facts::default()));
    node.writes.store(flushed.is_ok(), Ordering::Relaxed);
    if let Err(stop) = flushed {
        tracing::warn!(?stop, "some of what was counted could not be written down");
    }
}

fn write(node: &Weak<Node>) {
    while let Some(node) = node.upgrade() {
        flush(&node);
        drop(node);
        thread::sleep(Duration::from_millis(PACE_MILLIS));
    }
}

fn follow(node: &Weak<Node>) {
    let mut is_silent = false;
    for round in 1_u64.. {
        let Some(node) = node.upgrade() else { return };
        let now = chance::now();
        match node.engine.follow(now) {
            Ok(_) => {
                if std::mem::take(&mut is_silent) {
                    tracing::info!("the store answers again");
                }
            }
            Err(fault) => {
                // Once is enough; the metric says how long it lasts.
                if !std::mem::replace(&mut is_silent, true) {
                    tracing::warn!(%fault, "the store does not answer; known clients are served from memory");
                }
                thread::sleep(Duration::from_millis(PACE_MILLIS));
            }
        }
        if round.is_multiple_of(ROUNDS_PER_SWEEP)
            && let Err(fault) = node.engine.store().sweep(now, SWEPT_AT_ONCE)
        {
            tracing::warn!(%fault, "the store cannot be swept");
        }
        node.engine.store().wait(PACE_MILLIS);
    }
}
