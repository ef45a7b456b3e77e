//! The believed time is what the wall clock shows, unless it has jumped forward lately: then it is what it should show.
//!
//! Whoever forgets what has ended, for good, goes by it: a clock that is set to next year for a minute must not make a revoked
//! token live when it is set right again.

use crate::name::Time;

/// Milliseconds by which a wall clock and a clock that only runs may part.
const APART: i64 = 300_000;
/// Milliseconds after which a wall clock that stays ahead is right.
const LASTS: i64 = 3_600_000;

/// Compares the wall clock with one that nobody can set. A restart begins anew.
#[derive(Debug, Default)]
pub struct BelievedTime {
    /// What wall clock and steady clock showed together.
    base: Option<(Time, i64)>,
    /// Since when the wall clock has run ahead of the steady one.
    ahead: Option<i64>,
}

impl BelievedTime {
    /// The time, as far as it is believed: a jump forward is, when it has lasted for an hour. `steady` are milliseconds of a clock
    /// that only runs.
    pub fn at(&mut self, now: Time, steady: i64) -> Time {
        let (wall, at) = *self.base.get_or_insert((now, steady));
        let expected = Time::from_millis(wall.millis().saturating_add(steady.saturating_sub(at)));
        let jumped = now.millis().saturating_sub(expected.millis()) > APART;
        self.ahead = jumped.then(|| self.ahead.unwrap_or(steady));
        let settled = self.ahead.is_some_and(|since| steady.saturating_sub(since) >= LASTS);
        if settled || now < expected {
            self.base = Some((now, steady));
            self.ahead = None;
            return now;
        }
        if jumped { expected } else { now }
    }

    /// Whether the wall clock is ahead and not believed.
    #[must_use]
    pub fn doubts(&self) -> bool {
        self.ahead.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_believed_when_it_lasts() {
        const START: i64 = 1_800_000_000_000;
        let mut time = BelievedTime::default();
        let mut at = |wall: i64, steady: i64| time.at(Time::from_millis(START + wall), steady).millis() - START;
        // Running, drifting, and late.
        assert_eq!((at(0, 0), at(60_000, 60_000), at(400_000, 120_000)), (0, 60_000, 400_000));
        // A year ahead: the steady clock is believed, for an hour.
        const YEAR: i64 = 31_536_000_000;
        assert_eq!(at(YEAR, 180_000), 180_000);
        assert_eq!(at(YEAR + 3_599_000, 3_779_000), 3_779_000);
        // Set right again before that: nothing has happened.
        assert_eq!(at(3_780_000, 3_780_000), 3_780_000);
        assert_eq!(at(YEAR, 4_000_000), 4_000_000);
        assert_eq!(at(YEAR + 3_600_000, 7_600_000), YEAR + 3_600_000);
        // Back is believed at once.
        assert_eq!(at(8_000_000, 8_000_000), 8_000_000);
    }
}
