//! Waste is the time in which a client asks for tokens that it does not need, less a quarter of the time that has passed since.
//!
//! A second with one needless request counts as much as one with a thousand: a burst is soon over, and a habit is not.

use crate::name::Time;

/// One second of waste. A level is kept in quarters of a millisecond, so that forgetting a quarter stays exact.
pub(super) const UNIT: i64 = 4000;
/// The most that one request counts, in milliseconds.
const MOST_MILLIS: i64 = 1000;

/// How much of a realm's patience is used up. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waste {
    level: i64,
    at: i64,
}

impl Waste {
    /// As it was written down: the level, and when it was last raised.
    #[must_use]
    pub fn new(level: i64, at: Time) -> Self {
        Self { level, at: at.millis() }
    }

    /// The level at this moment.
    #[must_use]
    pub fn level(&self, now: Time) -> i64 {
        self.level.saturating_sub(now.millis().saturating_sub(self.at).max(0)).max(0)
    }

    /// When it was last raised.
    #[must_use]
    pub fn at(&self) -> Time {
        Time::from_millis(self.at)
    }

    /// Counts one needless request, up to a level of `most`, and returns how much it counted in milliseconds.
    pub fn charge(&mut self, now: Time, most: i64) -> i64 {
        let millis = now.millis().saturating_sub(self.at).clamp(0, MOST_MILLIS);
        self.raise(now, millis, most);
        millis
    }

    /// Adds what another node counted, in milliseconds; both together count no more than the time since the last of either.
    pub fn merge(&mut self, now: Time, millis: i64, most: i64) {
        let now = now.max(self.at());
        let passed = now.millis().saturating_sub(self.at);
        self.raise(now, millis.clamp(0, passed), most);
    }

    fn raise(&mut self, now: Time, millis: i64, most: i64) {
        let before = self.level(now);
        self.level = before.saturating_add(millis.saturating_mul(4)).min(most.max(before));
        self.at = now.millis();
    }
}
