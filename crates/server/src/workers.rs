//! Workers do in the background what no request waits for: they follow other nodes and forget what has ended.

use crate::chance;
use crate::node::Node;
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

/// Starts the worker of the store. It ends with the node.
pub fn start(node: &Arc<Node>) {
    let node = Arc::downgrade(node);
    let spawned = thread::Builder::new().name("follower".into()).spawn(move || follow(&node));
    if let Err(error) = spawned {
        tracing::error!(%error, "the follower cannot be started; changes by other nodes will not be seen");
    }
}

fn follow(node: &Weak<Node>) {
    for round in 1_u64.. {
        let Some(node) = node.upgrade() else { return };
        let now = chance::now();
        match node.engine.follow(now) {
            Ok(_) => node.followed.store(now.millis(), Ordering::Relaxed),
            Err(fault) => {
                tracing::warn!(%fault, "the changes of other nodes cannot be read");
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
