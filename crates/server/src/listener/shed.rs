//! Too much work is refused early, so that what is taken on is done soon.
//!
//! Decisions run on the threads that read the sockets, so what waits stands in those threads' queue and nowhere else. How long
//! it stands there is measured: every few milliseconds a byte goes through a pair of sockets, the way of a request. A burst is
//! worked off; a queue that has stood for a second is not worth having, since everybody waits and nobody gains. Then requests are
//! answered with 503 at once, a growing part of them until the queue is short and a shrinking part as long as it is.

use crate::node::Node;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So often is the queue measured.
const PACE: Duration = Duration::from_millis(5);
/// A queue that is never shorter than this for [`BURST`] is a standing one.
const STANDING: Duration = Duration::from_millis(25);
/// Fewer requests than this, each taking as long as they now take, are no queue, however slow the machine is.
const STANDING_REQUESTS: u32 = 64;
/// How long a burst may be worked off.
const BURST: Duration = Duration::from_secs(1);
/// What a queue is brought back to.
const WANTED: Duration = Duration::from_millis(3);
/// The same in requests.
const WANTED_REQUESTS: u32 = 8;
/// Longest time of one decision that counts; longer ones waited for something else.
const LONGEST: Duration = Duration::from_millis(5);
/// Parts of all requests, in thousandths: the whole, most that are refused, most that change at one measurement.
const WHOLE: u32 = 1000;
const MOST_REFUSED: u32 = 980;
const STEP: f64 = 60.0;
/// Most requests that are decided or wait for what their decision needs.
const MOST_UNDER_WAY: usize = 4096;
/// Most bodies over HTTP/2 that are waited for.
const MOST_BODIES: usize = 4096;
/// Most long bodies in memory: 32 MiB.
const MOST_LONG_BODIES: usize = 512;

/// Says who is served and who is refused.
pub struct Shedder {
    /// Which part is refused, in thousandths.
    refused: AtomicU32,
    /// Adds up what is due to be refused, so that the parts are even.
    due: AtomicU32,
    under_way: Arc<AtomicUsize>,
    /// The mean time of a decision, in nanoseconds.
    decision: AtomicU64,
    /// The last measurement, in microseconds.
    lag: AtomicU64,
    bodies: Arc<Semaphore>,
    long_bodies: Arc<Semaphore>,
}

/// A request that is under way, until it is dropped.
pub struct Place(Option<Arc<AtomicUsize>>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(under_way) = &self.0 {
            under_way.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Shedder {
    /// Nobody waits yet.
    pub fn new() -> Self {
        Self {
            refused: AtomicU32::new(0),
            due: AtomicU32::new(0),
            under_way: Arc::default(),
            decision: AtomicU64::new(0),
            lag: AtomicU64::new(0),
            bodies: Arc::new(Semaphore::new(MOST_BODIES)),
            long_bodies: Arc::new(Semaphore::new(MOST_LONG_BODIES)),
        }
    }

    /// A place for a request, if it is to be served.
    pub fn admit(&self) -> Option<Place> {
        let refused = self.refused.load(Ordering::Relaxed);
        if refused > 0 {
            let before = self.due.fetch_add(refused, Ordering::Relaxed);
            if before / WHOLE != before.wrapping_add(refused) / WHOLE {
                return None;
            }
        }
        if self.under_way.fetch_add(1, Ordering::Relaxed) >= MOST_UNDER_WAY {
            self.under_way.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Place(Some(Arc::clone(&self.under_way))))
    }

    /// A place for a request that is never refused.
    pub fn pass(&self) -> Place {
        Place(None)
    }

    /// A place for a body that is waited for.
    pub fn body(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.bodies).try_acquire_owned().ok()
    }

    /// A place for a long body.
    pub fn long_body(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.long_bodies).try_acquire_owned().ok()
    }

    /// A decision took so long.
    pub fn served(&self, took: Duration) {
        let took = took.min(LONGEST).as_nanos() as u64;
        let mean = self.decision.load(Ordering::Relaxed);
        // Two threads may overwrite each other's word; the mean does not mind.
        self.decision.store(mean - mean / 64 + took / 64, Ordering::Relaxed);
    }

    /// How long the queue of requests was when it was last measured.
    pub fn lag(&self) -> Duration {
        Duration::from_micros(self.lag.load(Ordering::Relaxed))
    }

    fn requests(&self, count: u32) -> Duration {
        Duration::from_nanos(self.decision.load(Ordering::Relaxed)) * count
    }

    /// Draws a conclusion from a measurement; `standing_since` is when the queue was last short.
    fn conclude(&self, lag: Duration, short_at: &mut Instant, now: Instant) {
        self.lag.store(lag.as_micros() as u64, Ordering::Relaxed);
        let refused = self.refused.load(Ordering::Relaxed);
        if refused == 0 {
            if lag < STANDING.max(self.requests(STANDING_REQUESTS)) {
                *short_at = now;
            } else if now - *short_at >= BURST {
                tracing::warn!(lag_ms = lag.as_millis() as u64, "there is too much to do: requests are refused with 503");
                self.refused.store(WHOLE / 2, Ordering::Relaxed);
            }
            return;
        }
        let wanted = WANTED.max(self.requests(WANTED_REQUESTS)).as_secs_f64();
        let change = ((lag.as_secs_f64() - wanted) / wanted * 10.0).clamp(-STEP / 6.0, STEP);
        let next = (f64::from(refused) + change).clamp(0.0, f64::from(MOST_REFUSED)) as u32;
        self.refused.store(next, Ordering::Relaxed);
        if next == 0 {
            *short_at = now;
            tracing::info!("requests are no longer refused for want of time");
        }
    }
}

/// Measures as long as the node lives.
pub async fn watch(node: Weak<Node>) {
    let Ok((writer, reader)) = UnixStream::pair() else {
        return tracing::error!("the queue of requests cannot be measured: there is no pair of sockets");
    };
    let mut short_at = Instant::now();
    loop {
        tokio::time::sleep(PACE).await;
        let began = Instant::now();
        if !matches!(writer.try_write(&[0]), Ok(1)) {
            // The first writing of all only finds out that the socket is ready.
            let _ = writer.writable().await;
            continue;
        }
        let mut byte = [0];
        while let Err(error) = reader.try_read(&mut byte) {
            if error.kind() != ErrorKind::WouldBlock || reader.readable().await.is_err() {
                return;
            }
        }
        let Some(node) = node.upgrade() else { return };
        let now = Instant::now();
        node.shedder.conclude(now - began, &mut short_at, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second of measurements; returns how many of a thousand requests are refused afterwards.
    fn after(shedder: &Shedder, lag: Duration, seconds: u32, at: &mut (Instant, Instant)) -> usize {
        for _ in 0..seconds * 200 {
            at.1 += PACE;
            shedder.conclude(lag, &mut at.0, at.1);
        }
        (0..1000).filter(|_| shedder.admit().is_none()).count()
    }

    #[test]
    fn a_standing_queue_is_shed_and_a_short_one_is_not() {
        let shedder = Shedder::new();
        let mut at = (Instant::now(), Instant::now());
        assert_eq!(after(&shedder, Duration::from_millis(20), 5, &mut at), 0);
        // One short moment within a second makes it a burst.
        for _ in 0..10 {
            for _ in 0..190 {
                at.1 += PACE;
                shedder.conclude(Duration::from_millis(200), &mut at.0, at.1);
            }
            assert_eq!(after(&shedder, Duration::ZERO, 1, &mut at), 0);
        }
        assert_eq!(after(&shedder, Duration::from_millis(30), 3, &mut at), 980);
        assert_eq!(after(&shedder, Duration::ZERO, 1, &mut at), 0);
    }

    #[test]
    fn what_is_slow_because_the_machine_is_slow_is_no_queue() {
        let shedder = Shedder::new();
        let mut at = (Instant::now(), Instant::now());
        for _ in 0..1000 {
            shedder.served(Duration::from_millis(2));
        }
        assert_eq!(after(&shedder, Duration::from_millis(80), 3, &mut at), 0);
        assert_eq!(after(&shedder, Duration::from_millis(200), 3, &mut at), 980);
    }

    #[test]
    fn places_are_given_back() {
        let shedder = Shedder::new();
        let places: Vec<Place> = (0..MOST_UNDER_WAY).map(|_| shedder.admit().expect("there is room")).collect();
        assert!(shedder.admit().is_none());
        drop(places);
        assert!(shedder.admit().is_some());
    }
}
