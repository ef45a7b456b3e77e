//! A node is one running server: the engine, its public face, and what the outside is told about it.

use crate::event_log::EventLog;
use crate::listener::shed::Shedder;
use crate::metrics::{Metrics, Present};
use crate::peer::TrustedProxies;
use crate::reminders::Endings;
use crate::request::Moment;
use crate::rotation::KeyFigures;
use crate::slow_hash::SlowHashes;
use crate::tls::Tls;
use jeton_core::event::{Event, Outcome};
use jeton_core::name::Time;
use jeton_core::run::Engine;
use jeton_core::tally::Tally;
use jeton_core::world::Facts;
use jeton_wire::Wire;
use jeton_wire::admin::Admin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Whether reading from the store may block for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// A file of this machine: microseconds.
    Quick,
    /// A database elsewhere: off the request threads.
    Slow,
}

/// What all requests share.
pub struct Node {
    /// The decisions and their store.
    pub engine: Arc<Engine>,
    /// The public face.
    pub wire: Wire,
    /// The face that administrators see: the admin API, and the realm whose tokens open it.
    pub admin: Admin,
    /// How the store reads.
    pub reads: Reads,
    /// Counters.
    pub metrics: Metrics,
    /// Lines about events.
    pub log: EventLog,
    /// Usage and refusals that are not written down yet.
    pub tally: Tally,
    /// When secrets and API keys will end.
    pub endings: Endings,
    /// Slow hashes, off the request threads.
    pub slow_hashes: SlowHashes,
    /// Who is served when there is too much to do.
    pub shedder: Shedder,
    /// Who may say where a request comes from.
    pub proxies: Arc<TrustedProxies>,
    /// What the listeners speak TLS with, if they do.
    pub tls: Option<Arc<Tls>>,
    /// Bounds the readings from a database that are under way.
    pub reading: Arc<Semaphore>,
    /// Bounds the changes that requests wait for.
    pub changing: Arc<Semaphore>,
    /// Whether what was counted could last be written down.
    pub writes: AtomicBool,
    /// Whether the node is on its way down.
    pub draining: AtomicBool,
    /// Whether the store is being closed.
    pub closing: AtomicBool,
}

/// Most readings from a database at the same time.
pub const READINGS: usize = 64;
/// Most changes that requests wait for at the same time; they share the store's commits.
pub const CHANGES: usize = 64;

/// From then on a silent store is worth a warning.
const SILENCE_SECONDS: i64 = 10;
/// From then on what the node remembers is too old to issue by; until then it goes on without the store.
const STALE_SECONDS: i64 = 24 * 3600;

/// How the node is.
pub struct Health {
    /// Why it should get no requests; empty if it should.
    pub reasons: Vec<&'static str>,
    /// What somebody should look at.
    pub warnings: Vec<&'static str>,
}

impl Node {
    /// For how many seconds the store has not answered.
    pub fn silence(&self, now: Time) -> i64 {
        (now.millis() - self.engine.heard_at().millis()).max(0) / 1000
    }

    /// How the node is now. A store that is gone for a while is no reason to send requests elsewhere: known clients are served
    /// from memory, and the other nodes have the same store.
    pub fn health(&self, now: Time) -> Health {
        let mut health = Health { reasons: Vec::new(), warnings: Vec::new() };
        if self.draining.load(Ordering::Relaxed) {
            health.reasons.push("draining");
        }
        match self.silence(now) {
            STALE_SECONDS.. => health.reasons.push("the store has not answered for a day"),
            SILENCE_SECONDS.. => health.warnings.push("the store does not answer; known clients are served from memory"),
            _ => {}
        }
        if let Some(tls) = &self.tls {
            health.warnings.extend(tls.state().warnings(now.seconds()));
        }
        if !self.is_writable() {
            health.warnings.push("changes cannot be written; the log says why");
        }
        health
    }

    fn is_writable(&self) -> bool {
        self.engine.store().writable().is_ok() && self.writes.load(Ordering::Relaxed)
    }

    /// What the metrics tell beside what is counted.
    pub fn present(&self, now: Time) -> Present {
        let used = |work, bound: &Semaphore, most: usize| (work, most.saturating_sub(bound.available_permits()), most);
        let (hashing, cores) = self.slow_hashes.under_way();
        Present {
            lines_dropped: self.log.dropped(),
            store_silence: self.silence(now),
            ready: self.health(now).reasons.is_empty(),
            writable: self.is_writable(),
            under_way: vec![
                used("reading", &self.reading, READINGS),
                used("changing", &self.changing, CHANGES),
                ("slow_hash", hashing, cores),
            ],
            keys: KeyFigures::of(&self.engine.memory.snapshot.load(), now),
            endings: self.endings.within(now),
            lag: self.shedder.lag(),
            tls: self.tls.as_ref().map(|tls| tls.state()),
        }
    }

    /// Tells log, counters and tally of a decision.
    pub fn note(&self, moment: &Moment, event: &Event, status: u16, took: Duration) {
        self.metrics.count(event, took);
        self.log.record(event, status, took, moment);
        self.tally.record(&moment.world(&Facts::default()), event);
        if let Outcome::Faulted(fault) = &event.outcome {
            tracing::error!(request_id = moment.request_id.as_str(), %fault, "a request failed");
        }
    }
}
