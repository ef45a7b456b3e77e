//! The meters of all clients that ask: bounded, in shards, and no realm can push out those of another that has fewer.

use super::{Kept, Meter, Rules, Seen, Verdict, Want, Waste};
use crate::name::{Key, Time};
use crate::record::Thrift;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 64;
/// Meters of one shard.
const SHARD_CAPACITY: usize = 1600;
/// Meters that are looked at to find the one that tells least.
const LOOKED_AT: usize = 16;

/// Where a meter stands: realm and client.
type Place = (Key, Key);

/// The meters of all clients.
pub struct Meters {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    meters: BTreeMap<Place, Meter>,
    /// How many each realm has.
    shares: BTreeMap<Key, usize>,
    /// Those with something to write down.
    unwritten: BTreeSet<Place>,
    /// Where the search for one that can go was last.
    hand: Option<Place>,
}

/// One request for a token.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The realm.
    pub realm: Key,
    /// The client.
    pub client: Key,
    /// The moment before which the client's tokens are dead.
    pub from: Time,
    /// What it wants.
    pub want: Want,
    /// When.
    pub now: Time,
    /// What holds for it.
    pub rules: &'a Rules,
}

/// Tokens that a client asked for, to be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The client.
    pub client: Key,
    /// Tokens asked for.
    pub asked: u64,
    /// Those of them that were needed.
    pub needed: u64,
}

/// Waste of a client, to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wasted {
    /// Its record as this node knows it, without what is below.
    pub known: Thrift,
    /// Tokens wasted since it was last written down.
    pub wasted: u64,
    /// The waste that they are, in milliseconds.
    pub millis: i64,
    /// The most waste that counts.
    pub most: i64,
    /// Whether the client was coached, and nobody was told of it since yesterday.
    pub coached: bool,
}

impl Meters {
    /// Nothing is known yet.
    #[must_use]
    pub fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// Counts and judges one request, in one step under the lock of the client's shard, so that of two at once the second sees
    /// the first.
    pub fn ask(&self, asking: &Asking<'_>, good: impl Fn(&Kept) -> bool) -> Verdict {
        let place = (asking.realm, asking.client);
        let mut shard = self.shard(asking.client);
        let meter = shard.meter(place, asking.from);
        let verdict = meter.ask(asking.now, asking.rules, asking.want, good);
        shard.unwritten.insert(place);
        verdict
    }

    /// Keeps a token for a client that wastes them.
    pub fn keep(&self, asking: &Asking<'_>, kept: Kept) {
        let mut shard = self.shard(asking.client);
        shard.meter((asking.realm, asking.client), asking.from).keep(asking.now, asking.want, kept);
    }

    /// Forgets the kept tokens of a client, whatever else is known of it.
    pub fn forget_kept(&self, realm: Key, client: Key) {
        if let Some(meter) = self.shard(client).meters.get_mut(&(realm, client)) {
            meter.forget_kept();
        }
    }

    /// Takes over what was written down, and adds what was counted here since.
    pub fn remember(&self, record: &Thrift) {
        let mut shard = self.shard(record.key);
        let meter = shard.meter((record.realm, record.key), record.from);
        let mut waste = Waste::new(record.level, record.at);
        waste.merge(meter.waste.at(), meter.unwritten.millis, meter.most);
        meter.waste = waste;
        (meter.since, meter.wasted) = (record.since, record.wasted + meter.unwritten.wasted);
        meter.coached_at = meter.coached_at.max(record.coached_at);
    }

    /// Takes what is to be written down: tokens asked for, and waste.
    pub fn take_unwritten(&self) -> (Vec<Counted>, Vec<Wasted>) {
        let (mut counted, mut wasted) = (Vec::new(), Vec::new());
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for place in std::mem::take(&mut shard.unwritten) {
                let Some(meter) = shard.meters.get_mut(&place) else { continue };
                let seen = std::mem::take(&mut meter.unwritten);
                counted.push(Counted { client: place.1, asked: seen.asked, needed: seen.needed });
                if seen.wasted > 0 {
                    let Seen { wasted: count, millis, coached, .. } = seen;
                    wasted.push(Wasted { known: meter.record(place), wasted: count, millis, most: meter.most, coached });
                }
            }
        }
        (counted, wasted)
    }

    fn shard(&self, client: Key) -> MutexGuard<'_, Shard> {
        let index = usize::from(client.as_bytes()[15]) % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}

impl Meter {
    fn record(&self, (realm, client): Place) -> Thrift {
        Thrift {
            key: client,
            realm,
            from: self.from,
            level: self.waste.level(self.waste.at()),
            at: self.waste.at(),
            since: self.since,
            wasted: self.wasted,
            coached_at: self.coached_at,
        }
    }
}

impl Shard {
    fn meter(&mut self, place: Place, from: Time) -> &mut Meter {
        if !self.meters.contains_key(&place) {
            self.make_room();
            *self.shares.entry(place.0).or_default() += 1;
        }
        let meter = self.meters.entry(place).or_insert_with(|| Meter::new(from));
        if meter.from != from {
            // Its tokens died, or it was suspended and goes on: nothing of before counts.
            meter.begin_anew(from);
        }
        meter
    }

    /// Where nothing more fits, the realm with most meters loses one of those that tell least.
    fn make_room(&mut self) {
        if self.meters.len() < SHARD_CAPACITY {
            return;
        }
        let Some((&realm, _)) = self.shares.iter().max_by_key(|(_, count)| **count) else { return };
        let first = (realm, Key::from_bytes([0; 16]));
        let last = (realm, Key::from_bytes([0xff; 16]));
        let start = self.hand.filter(|hand| hand.0 == realm).unwrap_or(first);
        let round = self.meters.range(start..=last).chain(self.meters.range(first..start));
        let seen: Vec<(Place, i64, Time)> =
            round.take(LOOKED_AT).map(|(place, meter)| (*place, meter.waste.level(meter.waste.at()), meter.waste.at())).collect();
        let Some((gone, ..)) = seen.iter().min_by_key(|(_, level, at)| (*level, *at)) else { return };
        self.hand = seen.last().map(|(place, ..)| *place);
        self.meters.remove(gone);
        self.unwritten.remove(gone);
        match self.shares.get_mut(&realm) {
            Some(share) if *share > 1 => *share -= 1,
            _ => drop(self.shares.remove(&realm)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ThriftSettings;

    fn key(number: u64) -> Key {
        // All in one shard.
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Key::from_bytes(bytes)
    }

    #[test]
    fn a_realm_with_few_clients_keeps_them_whatever_another_does() {
        let (meters, rules) = (Meters::new(), Rules::new(&ThriftSettings::default(), 3600, 1));
        let from = Time::default();
        let ask = |realm: u64, client: u64, millis: i64| {
            let now = Time::from_seconds(1_800_000_000 + millis);
            let asking = Asking { realm: key(realm), client: key(client), from, want: Want::of(["read"]), now, rules: &rules };
            meters.ask(&asking, |_| false);
        };
        let few = 100;
        (0..few).for_each(|client| ask(1, client, 0));
        (0..10 * SHARD_CAPACITY as u64).for_each(|client| ask(2, client, 1));
        let shard = meters.shard(key(0));
        assert_eq!(shard.meters.len(), SHARD_CAPACITY);
        assert_eq!(shard.shares.get(&key(1)), Some(&100));
        assert_eq!(shard.shares.values().sum::<usize>(), SHARD_CAPACITY);
        assert!(shard.unwritten.iter().all(|place| shard.meters.contains_key(place)));
    }

    #[test]
    fn among_the_meters_of_one_realm_the_one_that_wastes_stays() {
        let (meters, rules) = (Meters::new(), Rules::new(&ThriftSettings::default(), 3600, 1));
        let ask = |client: u64, second: i64| {
            let now = Time::from_seconds(1_800_000_000 + second);
            let asking =
                Asking { realm: key(1), client: key(client), from: Time::default(), want: Want::of([""]), now, rules: &rules };
            meters.ask(&asking, |_| false);
        };
        (0..60).for_each(|second| ask(0, second));
        (1..5 * SHARD_CAPACITY as u64).for_each(|client| ask(client, 61));
        assert!(meters.shard(key(0)).meters.contains_key(&(key(1), key(0))));
    }
}
