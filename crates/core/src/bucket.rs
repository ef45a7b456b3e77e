//! A bucket answers whether something may happen once more: it holds so many, and fills again at a steady pace.
//!
//! It is one integer (the generic cell rate algorithm): the moment at which it will be full again. What is counted with it
//! belongs to whoever holds it: tokens asked for, failures of a source, calls of a quota.

use crate::name::Time;

/// How much a bucket holds, and how quickly it fills again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    burst: i64,
    /// Microseconds until one more is there.
    each: i64,
}

impl Rate {
    /// Holds `burst`, and gets `count` more in every `seconds`. All are at least one.
    #[must_use]
    pub fn new(burst: u32, count: u32, seconds: i64) -> Self {
        let micros = seconds.clamp(1, MOST_SECONDS).saturating_mul(1_000_000);
        Self { burst: i64::from(burst.max(1)), each: (micros / i64::from(count.max(1))).max(1) }
    }

    fn whole(&self) -> i64 {
        self.burst.saturating_mul(self.each)
    }
}

/// Longer than any lifetime; keeps every product far inside an integer.
const MOST_SECONDS: i64 = 20 * 366 * 86_400;

/// What is left of a [`Rate`]. The default is full; the lesser of two is full again first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket {
    /// When it will be full, in microseconds since 1970.
    full_at: i64,
}

impl Bucket {
    /// Takes one if there is one; otherwise nothing changes, and the wait for the next is told, in milliseconds.
    pub fn take(&mut self, now: Time, rate: &Rate) -> Result<(), i64> {
        let micros = now.millis().saturating_mul(1000);
        // A clock that went back must not leave it empty for longer than it ever takes to fill.
        let full_at = self.full_at.clamp(micros, micros.saturating_add(rate.whole()));
        let after = full_at.saturating_add(rate.each);
        let over = after - micros - rate.whole();
        if over > 0 {
            return Err((over + 999) / 1000);
        }
        self.full_at = after;
        Ok(())
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_full(&self, now: Time) -> bool {
        self.full_at <= now.millis().saturating_mul(1000)
    }
}

/// What a limited caller is told about its limit (draft-ietf-httpapi-ratelimit-headers): enough to keep to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Name of the limit.
    pub name: &'static str,
    /// So many pass in one window.
    pub quota: i64,
    /// The window, in seconds.
    pub window: i64,
    /// So many pass now.
    pub left: i64,
    /// Seconds until more pass than now; at least one.
    pub reset: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Time {
        Time::from_millis(1_800_000_000_000 + millis)
    }

    #[test]
    fn it_gives_its_burst_at_once_and_then_one_at_a_time() {
        let (mut bucket, rate) = (Bucket::default(), Rate::new(3, 1, 10));
        assert!((0..3).all(|_| bucket.take(at(0), &rate).is_ok()));
        assert_eq!(bucket.take(at(0), &rate), Err(10_000));
        assert_eq!(bucket.take(at(4_000), &rate), Err(6_000));
        assert_eq!(bucket.take(at(10_000), &rate), Ok(()));
        assert_eq!(bucket.take(at(10_000), &rate), Err(10_000));
    }

    #[test]
    fn it_fills_to_its_burst_and_no_further() {
        let (mut bucket, rate) = (Bucket::default(), Rate::new(2, 1, 10));
        assert!(bucket.is_full(at(0)) && bucket.take(at(0), &rate).is_ok() && !bucket.is_full(at(9_999)));
        assert!(bucket.is_full(at(10_000)));
        assert!((0..2).all(|_| bucket.take(at(1_000_000), &rate).is_ok()));
        assert!(bucket.take(at(1_000_000), &rate).is_err());
    }

    #[test]
    fn over_any_time_it_gives_no_more_than_burst_and_rate() {
        let (mut bucket, rate) = (Bucket::default(), Rate::new(5, 3, 7));
        let mut given = 0;
        for millis in (0..700_000).step_by(13) {
            given += i32::from(bucket.take(at(millis), &rate).is_ok());
        }
        assert!((300..=305).contains(&given), "{given}");
    }

    #[test]
    fn a_clock_that_went_back_empties_it_for_no_longer_than_it_takes_to_fill() {
        let (mut bucket, rate) = (Bucket::default(), Rate::new(2, 1, 10));
        assert!(bucket.take(at(31_536_000_000), &rate).is_ok());
        assert_eq!(bucket.take(at(0), &rate), Err(10_000));
        let (mut bucket, extreme) = (Bucket::default(), Rate::new(u32::MAX, u32::MAX, i64::MAX));
        assert!(bucket.take(Time::from_millis(i64::MAX), &extreme).is_ok() || bucket.take(at(0), &extreme).is_ok());
    }
}
