//! Too much work is refused early, so that what is taken on is done soon.
//!
//! Decisions run on the threads that read the sockets, so what waits stands in those threads' queues and nowhere else. How long
//! it stands there is measured by a task that goes through them all. A burst is
//! worked off; a queue that has stood for a second is not worth having, since everybody waits and nobody gains. Then requests are
//! answered with 503 at once, a growing part of them until the queue is short and a shrinking part as long as it is.
//!
//! A refusal costs a third of a token. So that refusing does not become all that is done, the refused wait a little when they
//! are more than half: whoever waits asks nothing meanwhile.

use crate::node::Node;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use std::{sync::mpsc, thread};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So often is the queue measured while requests are refused, and otherwise.
const PACE: Duration = Duration::from_millis(5);
const CALM_PACE: Duration = Duration::from_millis(20);
/// A queue is known to be at least so long when the measuring task has not come out of it by then.
const LONG: Duration = Duration::from_millis(50);
/// A queue that is longer than this for [`BURST`] is a standing one.
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
const MOST_REFUSED: u32 = 950;
/// From this part on the refused wait, and when all were refused they would wait so long.
const PATIENT: u32 = 900;
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const STEP: f64 = 60.0;
/// Multiples of the golden ratio fill a circle evenly, however many there are.
const GOLDEN: u32 = 0x9E37_79B9;
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
    /// Where on the circle the next pause is.
    paused: AtomicU32,
    under_way: Arc<AtomicUsize>,
    /// Requests that came since the last measurement.
    came: AtomicU32,
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
            paused: AtomicU32::new(u32::MAX / 2),
            under_way: Arc::default(),
            came: AtomicU32::new(0),
            decision: AtomicU64::new(0),
            lag: AtomicU64::new(0),
            bodies: Arc::new(Semaphore::new(MOST_BODIES)),
            long_bodies: Arc::new(Semaphore::new(MOST_LONG_BODIES)),
        }
    }

    /// A place for a request, if it is to be served.
    pub fn admit(&self) -> Option<Place> {
        let refused = self.refused.load(Ordering::Relaxed);
        self.came.fetch_add(1, Ordering::Relaxed);
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

    /// How long somebody who is refused waits for the answer.
    pub fn pause(&self) -> Option<Duration> {
        let above = self.refused.load(Ordering::Relaxed).checked_sub(PATIENT).filter(|above| *above > 0)?;
        let part = f64::from(above) / f64::from(WHOLE - PATIENT);
        // Each waits for another time, from half to one and a half of it, so that they do not all come back at once.
        let spread = f64::from(self.paused.fetch_add(GOLDEN, Ordering::Relaxed)) / f64::from(u32::MAX);
        Some(LONGEST_PAUSE.mul_f64(part * part * (0.5 + spread)))
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

    fn is_shedding(&self) -> bool {
        self.refused.load(Ordering::Relaxed) > 0
    }

    fn requests(&self, count: u32) -> Duration {
        Duration::from_nanos(self.decision.load(Ordering::Relaxed)) * count
    }

    /// Draws a conclusion from a measurement.
    fn conclude(&self, lag: Duration, strain: &mut Strain, now: Instant) {
        self.lag.store(lag.as_micros() as u64, Ordering::Relaxed);
        let refused = self.refused.load(Ordering::Relaxed);
        // What few requests meet is no queue of theirs: the machine is busy with something else.
        let are_many = self.came.swap(0, Ordering::Relaxed) >= STANDING_REQUESTS;
        let lasted = strain.add(are_many && lag >= STANDING.max(self.requests(STANDING_REQUESTS)), now);
        if refused == 0 {
            if lasted >= BURST {
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
            *strain = Strain { measured: now, lasted: Duration::ZERO };
            tracing::info!("requests are no longer refused for want of time");
        }
    }
}

/// Measures as long as the node lives.
///
/// The measuring task goes through both queues of the runtime: that of all threads, where what one of them cannot hold goes, too,
/// and then that of one thread. A thread runs what was made last first, so another task is made behind it.
pub fn watch(node: &Weak<Node>, runtime: &Handle) {
    let mut strain = Strain::new();
    while let Some(present) = node.upgrade() {
        thread::sleep(if present.shedder.is_shedding() { PACE } else { CALM_PACE });
        drop(present);
        let (tell, told) = mpsc::sync_channel(1);
        let began = Instant::now();
        runtime.spawn(async move {
            tokio::spawn(async move {
                let _ = tell.send(began.elapsed());
            });
            tokio::spawn(async {});
        });
        loop {
            let lag = match told.recv_timeout(LONG) {
                Ok(lag) => Some(lag),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                // Without an answer, the runtime has ended.
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            let Some(node) = node.upgrade() else { return };
            node.shedder.conclude(lag.unwrap_or_else(|| began.elapsed()), &mut strain, Instant::now());
            if lag.is_some() {
                break;
            }
        }
    }
}

/// How long the queue has been a standing one: a moment when it is not takes back three times as much.
struct Strain {
    measured: Instant,
    lasted: Duration,
}

impl Strain {
    fn new() -> Self {
        Self { measured: Instant::now(), lasted: Duration::ZERO }
    }

    /// Adds what a measurement says about the time since the one before it.
    fn add(&mut self, is_standing: bool, now: Instant) -> Duration {
        let since = now - std::mem::replace(&mut self.measured, now);
        self.lasted = if is_standing { self.lasted + since } else { self.lasted.saturating_sub(since * 3) };
        self.lasted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second of measurements; returns how many of a thousand requests are refused afterwards.
    fn after(shedder: &Shedder, lag: Duration, millis: u32, strain: &mut Strain) -> usize {
        for _ in 0..millis / 5 {
            shedder.came.store(STANDING_REQUESTS, Ordering::Relaxed);
            let now = strain.measured + PACE;
            shedder.conclude(lag, strain, now);
        }
        (0..1000).filter(|_| shedder.admit().is_none()).count()
    }

    #[test]
    fn a_standing_queue_is_shed_and_a_short_one_is_not() {
        let shedder = Shedder::new();
        let mut strain = Strain::new();
        assert_eq!(after(&shedder, Duration::from_millis(20), 5000, &mut strain), 0);
        // A burst that is worked off within a second, again and again.
        for _ in 0..10 {
            assert_eq!(after(&shedder, Duration::from_millis(200), 900, &mut strain), 0);
            assert_eq!(after(&shedder, Duration::ZERO, 300, &mut strain), 0);
        }
        assert_eq!(after(&shedder, Duration::from_millis(30), 3000, &mut strain), 950);
        // It ends within some seconds, but not at once.
        assert!(after(&shedder, Duration::ZERO, 100, &mut strain) > 0);
        assert_eq!(after(&shedder, Duration::ZERO, 3000, &mut strain), 0);
    }

    #[test]
    fn what_is_slow_because_the_machine_is_slow_is_no_queue() {
        let shedder = Shedder::new();
        let mut strain = Strain::new();
        for _ in 0..1000 {
            shedder.served(Duration::from_millis(2));
        }
        assert_eq!(after(&shedder, Duration::from_millis(80), 3000, &mut strain), 0);
        assert_eq!(after(&shedder, Duration::from_millis(200), 3000, &mut strain), 950);
    }

    #[test]
    fn what_few_requests_meet_is_no_queue_of_theirs() {
        let (shedder, mut strain) = (Shedder::new(), Strain::new());
        for _ in 0..1000 {
            shedder.came.store(STANDING_REQUESTS - 1, Ordering::Relaxed);
            let now = strain.measured + PACE;
            shedder.conclude(Duration::from_secs(1), &mut strain, now);
        }
        assert!(!shedder.is_shedding());
    }

    #[test]
    fn the_refused_wait_when_they_are_many() {
        let shedder = Shedder::new();
        let pause = |refused| {
            shedder.refused.store(refused, Ordering::Relaxed);
            shedder.pause().map(|pause| pause.as_millis())
        };
        assert_eq!([0, 900].map(pause), [None, None]);
        for (refused, mean) in [(920, 80), (950, 500)] {
            let pauses: Vec<_> = (0..1000).map(|_| pause(refused).expect("above nine tenths")).collect();
            let (least, most) = (pauses.iter().min().copied(), pauses.iter().max().copied());
            let found = pauses.iter().sum::<u128>() / 1000;
            assert!(found.abs_diff(mean) <= mean / 20, "{found} instead of {mean}");
            assert!(least <= Some(mean * 51 / 100) && most >= Some(mean * 148 / 100), "{least:?} {most:?}");
        }
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
