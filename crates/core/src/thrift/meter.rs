//! A meter holds what is known of one client's thrift, and judges each of its requests.

use super::{Kept, Rules, Want, Waste};
use crate::bucket::{Bucket, Pace};
use crate::name::Time;
use crate::record::ThriftPolicy;
use std::sync::Arc;

/// Sets of scopes that are told apart for one client; more share their allowances.
const MOST_WANTS: usize = 32;
/// Seconds between two notices about the same client.
pub const NOTICE_SECONDS: i64 = 86_400;

/// What follows from a request for a token.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Nothing: it is issued.
    Pass,
    /// It is issued, and the client is told that it wastes tokens.
    Coach(Pace),
    /// The client gets this token again.
    Repeat(Arc<Kept>, Pace),
    /// It is refused for a while.
    Limit(Pace),
    /// The client is suspended, having wasted so many tokens; where that cannot be written down, it is limited.
    Suspend(u64, Pace),
}

/// The thrift of one client.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    /// The moment before which its tokens are dead; with another one, counting begins anew.
    pub(super) from: Time,
    pub(super) waste: Waste,
    /// When the present waste began, and how many tokens it is.
    pub(super) since: Time,
    pub(super) wasted: u64,
    /// The most waste that counts under the rules of now.
    pub(super) most: i64,
    pub(super) coached_at: Option<Time>,
    wants: Vec<Wanted>,
    /// What is not written down yet.
    pub(super) unwritten: Seen,
}

/// One set of scopes for which a client asks.
#[derive(Clone, Debug)]
struct Wanted {
    want: Want,
    need: Bucket,
    free: Bucket,
    kept: Option<Arc<Kept>>,
}

/// What was seen since it was last written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Tokens asked for.
    pub asked: u64,
    /// Those of them that were needed.
    pub needed: u64,
    /// Those of them beyond what the client may take.
    pub wasted: u64,
    /// The waste that they are, in milliseconds.
    pub millis: i64,
    /// Whether the client was coached, and nobody was told of it since yesterday.
    pub coached: bool,
}

impl Meter {
    /// Counting begins at `from`, the moment before which the client's tokens are dead.
    #[must_use]
    pub fn new(from: Time) -> Self {
        Self { from, ..Self::default() }
    }

    /// Forgets everything but what usage still has to count, and when the client was coached.
    pub(super) fn begin_anew(&mut self, from: Time) {
        let Seen { asked, needed, .. } = self.unwritten;
        let unwritten = Seen { asked, needed, ..Seen::default() };
        *self = Self { unwritten, coached_at: self.coached_at, ..Self::new(from) };
    }

    /// Counts a request for a token and judges it. A kept token is handed out only if it is `good`.
    pub fn ask(&mut self, now: Time, rules: &Rules, want: Want, good: impl Fn(&Kept) -> bool) -> Verdict {
        let wanted = self.wanted(now, want);
        let is_needed = wanted.need.take(now, &rules.need).is_ok();
        let is_free = wanted.free.take(now, &rules.free).is_ok();
        let kept = wanted.kept.take_if(|kept| !good(kept)).map_or_else(|| wanted.kept.clone(), |_| None);
        self.unwritten.asked += 1;
        self.unwritten.needed += u64::from(is_needed);
        // What a client may take is never touched, whatever it wasted before.
        if is_free {
            return Verdict::Pass;
        }
        let before = self.waste.level(now);
        let verdict = self.judge(before, rules, kept);
        // Under a limit alone, what is refused does not count: a client that asks too often gets its token now and then.
        if rules.policy != ThriftPolicy::Limit || !matches!(verdict, Verdict::Limit(_)) {
            self.charge(now, before, rules);
        }
        if !matches!(verdict, Verdict::Pass) {
            self.coach(now);
        }
        match verdict {
            _ if rules.policy == ThriftPolicy::Suspend && self.waste.level(now) >= rules.suspend() => {
                Verdict::Suspend(self.wasted, rules.pace(self.waste.level(now)))
            }
            Verdict::Limit(_) => Verdict::Limit(rules.pace(self.waste.level(now))),
            verdict => verdict,
        }
    }

    fn judge(&self, level: i64, rules: &Rules, kept: Option<Arc<Kept>>) -> Verdict {
        use ThriftPolicy::{Coach, Coalesce, Limit};
        if rules.policy < Coach || level < rules.coach() {
            return Verdict::Pass;
        }
        let pace = rules.pace(level);
        match kept {
            Some(kept) if rules.policy >= Coalesce => Verdict::Repeat(kept, pace),
            _ if rules.policy >= Limit && rules.is_over(level) => Verdict::Limit(pace),
            _ => Verdict::Coach(pace),
        }
    }

    /// Notes that the client is told, so that others are told of it once a day.
    fn coach(&mut self, now: Time) {
        if self.coached_at.is_none_or(|last| now >= last.plus_seconds(NOTICE_SECONDS)) {
            self.coached_at = Some(now);
            self.unwritten.coached = true;
        }
    }

    fn charge(&mut self, now: Time, before: i64, rules: &Rules) {
        if before == 0 {
            (self.since, self.wasted) = (now, 0);
        }
        self.wasted += 1;
        self.most = rules.most();
        self.unwritten.wasted += 1;
        self.unwritten.millis += self.waste.charge(now, rules.most());
    }

    /// Keeps a token, to be handed out again for the same want.
    pub fn keep(&mut self, now: Time, want: Want, kept: Kept) {
        self.wanted(now, want).kept = Some(Arc::new(kept));
    }

    /// Forgets every kept token.
    pub fn forget_kept(&mut self) {
        self.wants.iter_mut().for_each(|wanted| wanted.kept = None);
    }

    /// The allowance of this want. Those that are not in use make room; where none does, several wants share one.
    fn wanted(&mut self, now: Time, want: Want) -> &mut Wanted {
        let fresh = Wanted { want, need: Bucket::default(), free: Bucket::default(), kept: None };
        let place = match self.wants.iter().position(|known| known.want == want) {
            Some(place) => place,
            None if self.wants.len() < MOST_WANTS => {
                self.wants.push(fresh);
                self.wants.len() - 1
            }
            None => match self.wants.iter().position(|known| known.free.is_full(now)) {
                Some(place) => {
                    self.wants[place] = fresh;
                    place
                }
                None => {
                    let place = usize::try_from(want.0 % MOST_WANTS as u64).unwrap_or(0);
                    self.wants[place].kept = None;
                    place
                }
            },
        };
        &mut self.wants[place]
    }
}
