//! The rules for one client: what it needs, what it may take beside that, and where each step of the policy begins.

use super::waste::UNIT;
use crate::bucket::{Pace, Rate};
use crate::record::{ThriftPolicy, ThriftSettings};

/// How often all instances may start anew at once, beside what they need.
const RESTARTS: u32 = 6;
/// Tokens that anybody may take at once, whatever it needs: somebody tries things out.
const TRIES: u32 = 14;
/// How many times as often as needed a client may ask for ever.
const SLACK: u32 = 2;
/// So long a token is kept at the most before somebody starts anew, in seconds: several restarts in an hour are nothing special.
const RESTARTED_AFTER: i64 = 1800;

/// What holds for one client in one realm.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How far the realm goes.
    pub policy: ThriftPolicy,
    /// Seconds for which a token is kept before the next is asked for.
    pub hold: i64,
    /// What it needs: as many as it has instances in that time.
    pub need: Rate,
    /// What it may take: more than that, so that restarts and spare instances do not matter.
    pub free: Rate,
    patience: i64,
}

impl Rules {
    /// For so many instances of a client, and tokens of this life in seconds.
    #[must_use]
    pub fn new(settings: &ThriftSettings, lifetime: i64, instances: u32) -> Self {
        // Where no margin can be kept, half of the life is.
        let hold = if lifetime > settings.margin { lifetime - settings.margin } else { (lifetime / 2).max(1) };
        let instances = instances.max(1);
        let burst = instances.saturating_mul(RESTARTS).saturating_add(TRIES);
        Self {
            policy: settings.policy,
            hold,
            need: Rate::new(instances, instances, hold),
            free: Rate::new(burst, instances.saturating_mul(SLACK), hold.min(RESTARTED_AFTER)),
            patience: settings.patience.saturating_mul(UNIT),
        }
    }

    /// From this much waste on, a client is coached and coalesced.
    #[must_use]
    pub fn coach(&self) -> i64 {
        self.patience / 2
    }

    /// Beyond this much waste it is limited.
    #[must_use]
    pub fn limit(&self) -> i64 {
        self.patience / 4 * 3
    }

    /// At this much waste it is suspended.
    #[must_use]
    pub fn suspend(&self) -> i64 {
        self.patience
    }

    /// Whether a client that wasted so much is over the limit.
    #[must_use]
    pub fn is_over(&self, level: i64) -> bool {
        level + UNIT > self.limit()
    }

    /// The most that is remembered: who cannot be suspended recovers soon.
    pub(super) fn most(&self) -> i64 {
        match self.policy {
            ThriftPolicy::Suspend => i64::MAX / 4,
            ThriftPolicy::Coalesce | ThriftPolicy::Limit => self.limit(),
            ThriftPolicy::Off | ThriftPolicy::Observe | ThriftPolicy::Coach => self.patience,
        }
    }

    /// The limit as it is told to a client that wasted so much.
    pub(super) fn pace(&self, level: i64) -> Pace {
        let over = (level + UNIT - self.limit()).max(0);
        // A unit of waste is forgotten in four seconds; a level is kept in quarters of a millisecond.
        let until = |level: i64| ((level + 999) / 1000).max(1);
        Pace {
            name: super::LIMIT,
            quota: (self.limit() / UNIT).max(1),
            window: until(self.limit()),
            left: ((self.limit() - level) / UNIT).max(0),
            reset: if over > 0 { until(over) } else { until(level) },
        }
    }
}
