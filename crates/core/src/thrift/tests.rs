//! Whole days of clients in virtual time: whoever keeps its tokens is never touched, whoever asks per call is soon suspended.

use super::*;
use crate::name::Time;
use crate::record::{ThriftPolicy, ThriftSettings};
use std::collections::BTreeMap;

const START: i64 = 1_800_000_000_000;

/// A small generator (SplitMix64): the same seed gives the same day.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: i64) -> i64 {
        i64::try_from(self.next() % u64::try_from(end.max(1)).expect("positive")).expect("small")
    }
}

fn settings(policy: ThriftPolicy) -> ThriftSettings {
    ThriftSettings { policy, ..ThriftSettings::default() }
}

/// When each request for a token comes in a fleet that keeps its tokens: `real` instances, which restart now and then.
struct Fleet {
    real: i64,
    lifetime: i64,
    hours: i64,
    restarts_per_hour: i64,
    /// Within so many milliseconds all instances are up again.
    start_within: i64,
    sets: i64,
    /// A call comes at most so many milliseconds after a token got too old.
    idle: i64,
}

impl Fleet {
    fn requests(&self, chance: &mut Chance) -> Vec<(i64, i64)> {
        // Five minutes before the end, or at half of a life that is too short for that.
        let hold = if self.lifetime > 300 { self.lifetime - 300 } else { (self.lifetime / 2).max(1) } * 1000;
        let end = self.hours * 3_600_000;
        let mut starts = vec![0];
        let count = self.hours * self.restarts_per_hour;
        starts.extend((0..count).map(|slot| slot * end / count + chance.below(end / count)));
        starts.sort_unstable();
        let mut requests = Vec::new();
        for (round, start) in starts.iter().enumerate() {
            let next = starts.get(round + 1).copied().unwrap_or(end);
            for _ in 0..self.real {
                let up = start + chance.below(self.start_within);
                for set in 0..self.sets {
                    let mut at = up;
                    while at < next {
                        requests.push((at, set));
                        at += hold + chance.below(self.idle);
                    }
                }
            }
        }
        requests.sort_unstable();
        requests
    }
}

/// The worst that happens to these requests, by how often.
fn verdicts(rules: &Rules, requests: &[(i64, i64)]) -> BTreeMap<&'static str, u64> {
    let mut meter = Meter::new(Time::default());
    let mut counts = BTreeMap::new();
    for (at, set) in requests {
        let verdict = meter.ask(Time::from_millis(START + at), rules, Want::of([set.to_string().as_str()]), |_| true);
        *counts.entry(name(&verdict)).or_default() += 1;
    }
    counts
}

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Coach(_) => "coach",
        Verdict::Repeat(..) => "repeat",
        Verdict::Limit(_) => "limit",
        Verdict::Suspend(..) => "suspend",
    }
}

#[test]
fn a_client_that_keeps_its_tokens_is_never_touched_whatever_its_size() {
    let mut chance = Chance(1);
    for round in 0..80 {
        let real = [1, 2, 3, 5, 10, 30, 100, 300, 1000][usize::try_from(chance.below(9)).expect("small")];
        let fleet = Fleet {
            real,
            lifetime: [60, 120, 300, 310, 400, 599, 600, 900, 3600, 86_400][usize::try_from(chance.below(10)).expect("small")],
            hours: if real > 100 { 2 } else { 6 },
            restarts_per_hour: chance.below(5),
            start_within: [1, 1000, 30_000, 120_000][usize::try_from(chance.below(4)).expect("small")],
            sets: 1 + chance.below(if real > 30 { 2 } else { 20 }),
            idle: [1, 1000, 60_000][usize::try_from(chance.below(3)).expect("small")],
        };
        let rules = Rules::new(&settings(ThriftPolicy::Suspend), fleet.lifetime, u32::try_from(real).expect("small"));
        let counts = verdicts(&rules, &fleet.requests(&mut chance));
        assert_eq!(counts.keys().collect::<Vec<_>>(), [&"pass"], "round {round}: {} of {real}: {counts:?}", fleet.lifetime);
    }
}

#[test]
fn a_fleet_whose_number_of_instances_nobody_wrote_down_is_not_touched_either() {
    let mut chance = Chance(2);
    for round in 0..100 {
        // A dozen of whatever habits, or a hundred that are busy and start together.
        let (real, start_within, idle) =
            if round % 2 == 0 { (1 + chance.below(12), 60_000, 60_000) } else { (1 + chance.below(100), 4000, 1000) };
        let fleet = Fleet { real, lifetime: 3600, hours: 12, restarts_per_hour: 1, start_within, sets: 1, idle };
        for written in [1, 2, 7] {
            let rules = Rules::new(&settings(ThriftPolicy::Suspend), fleet.lifetime, written);
            let counts = verdicts(&rules, &fleet.requests(&mut chance));
            assert_eq!(counts.keys().collect::<Vec<_>>(), [&"pass"], "round {round}: {real} instances: {counts:?}");
        }
    }
}

/// Seconds until a client that asks so often is suspended, and what came before.
fn suspended_after(rules: &Rules, millis_between: i64) -> (f64, Vec<&'static str>) {
    let (mut meter, mut order) = (Meter::new(Time::default()), Vec::new());
    for at in (0..).step_by(usize::try_from(millis_between).expect("small")).take_while(|at| *at < 120_000) {
        let now = Time::from_millis(START + at);
        let verdict = meter.ask(now, rules, Want::of(["read"]), |_| true);
        if order.last() != Some(&name(&verdict)) {
            order.push(name(&verdict));
        }
        if let Verdict::Suspend(wasted, _) = verdict {
            assert!(wasted > 0);
            return (at as f64 / 1000.0, order);
        }
    }
    panic!("it is never suspended: {order:?}");
}

#[test]
fn a_client_that_asks_per_call_is_suspended_within_a_minute() {
    for lifetime in [600, 3600, 86_400] {
        for millis in [1, 5, 10, 50, 100, 333, 900, 1000] {
            let rules = Rules::new(&settings(ThriftPolicy::Suspend), lifetime, 1);
            let (seconds, order) = suspended_after(&rules, millis);
            assert!(seconds < 55.0, "every {millis} ms: {seconds} s");
            assert_eq!(order, ["pass", "coach", "limit", "suspend"], "every {millis} ms");
        }
        // Each of a hundred instances asks once a second.
        let (seconds, _) = suspended_after(&Rules::new(&settings(ThriftPolicy::Suspend), lifetime, 100), 10);
        assert!(seconds < 55.0, "{seconds} s");
    }
}

#[test]
fn milder_policies_stop_at_their_step() {
    let worst = |policy| {
        let rules = Rules::new(&settings(policy), 3600, 1);
        let requests: Vec<(i64, i64)> = (0..600).map(|second| (second * 1000, 0)).collect();
        verdicts(&rules, &requests).into_keys().collect::<Vec<_>>()
    };
    assert_eq!(worst(ThriftPolicy::Observe), ["pass"]);
    assert_eq!(worst(ThriftPolicy::Coach), ["coach", "pass"]);
    assert_eq!(worst(ThriftPolicy::Coalesce), ["coach", "pass"]);
    assert_eq!(worst(ThriftPolicy::Limit), ["coach", "limit", "pass"]);
}

#[test]
fn whoever_waits_as_long_as_it_is_told_gets_its_token() {
    let mut meter = Meter::new(Time::default());
    let rules = Rules::new(&settings(ThriftPolicy::Suspend), 3600, 1);
    let (mut at, mut limits, mut refused_in_a_row) = (START, 0, 0);
    for _ in 0..500 {
        match meter.ask(Time::from_millis(at), &rules, Want::of([""]), |_| true) {
            Verdict::Limit(pace) => {
                assert_eq!((pace.left, refused_in_a_row), (0, 0), "{pace:?}");
                (limits, refused_in_a_row) = (limits + 1, 1);
                at += pace.reset * 1000;
            }
            Verdict::Suspend(..) => panic!("it kept to what it was told"),
            _ => {
                refused_in_a_row = 0;
                at += 1000;
            }
        }
    }
    assert!(limits > 50, "{limits}");
}

#[test]
fn a_limited_client_gets_one_token_in_four_seconds() {
    let rules = Rules::new(&settings(ThriftPolicy::Limit), 3600, 1);
    let requests: Vec<(i64, i64)> = (0..6000).map(|tenth| (tenth * 100, 0)).collect();
    let counts = verdicts(&rules, &requests);
    let given = 6000 - counts["limit"];
    // 150 in the ten minutes, beside what it may take and what it took until it was limited.
    assert!((150..=450).contains(&given), "{counts:?}");
}

#[test]
fn a_client_that_mends_its_ways_is_forgiven() {
    let mut meter = Meter::new(Time::default());
    let rules = Rules::new(&settings(ThriftPolicy::Suspend), 3600, 1);
    let mut ask = |second: i64| name(&meter.ask(Time::from_millis(START + second * 1000), &rules, Want::of([""]), |_| true));
    assert!((0..50).any(|second| ask(second) == "limit"));
    assert_eq!((1..24).map(|hour| ask(hour * 3300)).collect::<Vec<_>>(), ["pass"; 23]);
    let mut worst = (80_000..80_019).map(ask);
    assert!(worst.all(|verdict| verdict == "pass"));
}

#[test]
fn needed_is_what_a_client_that_keeps_its_tokens_asks_for() {
    let rules = Rules::new(&settings(ThriftPolicy::Observe), 3600, 10);
    let mut chance = Chance(3);
    let fleet = Fleet { real: 10, lifetime: 3600, hours: 24, restarts_per_hour: 0, start_within: 1000, sets: 2, idle: 5000 };
    let mut meter = Meter::new(Time::default());
    for (at, set) in fleet.requests(&mut chance) {
        meter.ask(Time::from_millis(START + at), &rules, Want::of([set.to_string().as_str()]), |_| true);
    }
    let seen = meter.unwritten;
    assert_eq!((seen.asked, seen.wasted), (seen.needed, 0));
    let spendthrift = Rules::new(&settings(ThriftPolicy::Observe), 3600, 1);
    let mut meter = Meter::new(Time::default());
    (0..3600)
        .for_each(|second| drop(meter.ask(Time::from_millis(START + second * 1000), &spendthrift, Want::of([""]), |_| true)));
    assert_eq!((meter.unwritten.asked, meter.unwritten.needed), (3600, 2));
}

#[test]
fn what_several_nodes_count_never_adds_up_to_more_than_the_time() {
    let mut chance = Chance(4);
    let mut written = Waste::default();
    let most = i64::MAX / 4;
    written.charge(Time::from_millis(START), most);
    let begun = written.level(Time::from_millis(START));
    let mut at = START;
    for _ in 0..10_000 {
        at += chance.below(400);
        written.merge(Time::from_millis(at), chance.below(3000), most);
        assert!(written.level(Time::from_millis(at)) <= begun + 3 * (at - START), "three quarters of the time");
    }
}

#[test]
fn a_clock_that_goes_back_touches_nobody() {
    let mut meter = Meter::new(Time::default());
    let rules = Rules::new(&settings(ThriftPolicy::Suspend), 3600, 1);
    let far = START + 31_536_000_000;
    assert!(matches!(meter.ask(Time::from_millis(far), &rules, Want::of([""]), |_| true), Verdict::Pass));
    for hour in 0..24 {
        assert!(matches!(
            meter.ask(Time::from_millis(START + hour * 3_300_000), &rules, Want::of([""]), |_| true),
            Verdict::Pass
        ));
    }
}
