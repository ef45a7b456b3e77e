//! Failures of authentication are counted per source and claimed client, so that guessing is slowed down and nobody is locked out.
//!
//! What is right is never counted and never refused here (RFC 6749 §2.3.1, §10.10). The counters are bounded, in shards, and no
//! realm can push out those of another that has fewer. A restart forgets them.

use crate::bucket::{Bucket, Pace, Rate};
use crate::name::{Key, Time};
use crate::record::FailureSettings;
use core::net::{IpAddr, Ipv6Addr};
use jeton_jose::sha256;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 64;
/// Budgets of one shard.
const SHARD_CAPACITY: usize = 1600;
/// Budgets that are looked at to find the one of which least is missing.
const LOOKED_AT: usize = 16;

/// Where a budget stands: the realm, and a digest of the source and of whom it claims to be.
type Place = (Key, [u8; 16]);

/// The budgets of all sources that failed lately.
pub struct Failures {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    budgets: BTreeMap<Place, Bucket>,
    /// How many each realm has.
    shares: BTreeMap<Key, usize>,
    /// Where the search for one that can go was last.
    hand: Option<Place>,
}

/// Somebody who claims to be somebody.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The realm.
    pub realm: Key,
    /// What holds there.
    pub settings: &'a FailureSettings,
    /// Where it comes from.
    pub source: IpAddr,
    /// Who it claims to be, whether or not there is such a client; `None` for an API key, which names nobody.
    pub client_id: Option<&'a str>,
    /// When.
    pub now: Time,
}

/// A budget, its rate and its name in the answer.
struct Budget {
    place: Place,
    rate: Rate,
    most: u32,
    name: &'static str,
}

impl Failures {
    /// Nobody has failed yet.
    #[must_use]
    pub fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// Counts one failure. `Err` says when the next one is answered as such: the budget was spent, and this one cost nothing.
    pub fn count(&self, claim: &Claim<'_>) -> Result<(), Pace> {
        // Neither budget pays for what the other one refuses.
        if let Some(pace) = self.spent(claim) {
            return Err(pace);
        }
        claim.budgets().try_for_each(|budget| {
            let mut shard = self.shard(&budget);
            shard.budget(budget.place).take(claim.now, &budget.rate).map_err(|wait| budget.pace(claim, wait))
        })
    }

    /// Whether another failure would be one too many, and until when. Nothing is counted.
    #[must_use]
    pub fn spent(&self, claim: &Claim<'_>) -> Option<Pace> {
        claim.budgets().find_map(|budget| {
            let mut known = *self.shard(&budget).budgets.get(&budget.place)?;
            known.take(claim.now, &budget.rate).err().map(|wait| budget.pace(claim, wait))
        })
    }

    /// How many budgets are kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).budgets.len()).sum()
    }

    fn shard(&self, budget: &Budget) -> MutexGuard<'_, Shard> {
        let index = usize::from(budget.place.1[15]) % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Failures {
    fn default() -> Self {
        Self::new()
    }
}

impl Claim<'_> {
    /// The budgets that a failure costs: that of the source with this client's id first, then that of the source alone.
    fn budgets(&self) -> impl Iterator<Item = Budget> {
        let Self { realm, settings, client_id, .. } = *self;
        let budget = |most: u32, id: Option<&str>, name| Budget {
            place: (realm, place_of(self.source, id)),
            rate: Rate::new(most, most, i64::from(settings.seconds)),
            most,
            name,
        };
        let of_client = client_id.map(|id| budget(settings.per_client, Some(id), "failures-of-client"));
        let of_source = budget(settings.per_source, None, "failures-of-source");
        of_client.into_iter().chain([of_source]).filter(move |_| settings.per_client > 0)
    }
}

impl Budget {
    fn pace(&self, claim: &Claim<'_>, wait: i64) -> Pace {
        let reset = (wait.saturating_add(999) / 1000).max(1);
        Pace { name: self.name, quota: i64::from(self.most), window: i64::from(claim.settings.seconds), left: 0, reset }
    }
}

/// A digest of the source's network and the claimed id. Whoever has one IPv6 address has the other 2^64 of its network.
fn place_of(source: IpAddr, client_id: Option<&str>) -> [u8; 16] {
    let network = match source.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)),
    };
    // The address has 16 bytes, so that one byte behind it tells no id from every id.
    let (mark, id) = client_id.map_or((0, ""), |id| (1, id));
    let digest = sha256(&[&network.octets()[..], &[mark], id.as_bytes()].concat());
    digest.first_chunk().copied().unwrap_or_default()
}

impl Shard {
    fn budget(&mut self, place: Place) -> &mut Bucket {
        if !self.budgets.contains_key(&place) {
            self.make_room();
            *self.shares.entry(place.0).or_default() += 1;
        }
        self.budgets.entry(place).or_default()
    }

    /// Where nothing more fits, the realm with most budgets loses one of those that are full again first.
    fn make_room(&mut self) {
        if self.budgets.len() < SHARD_CAPACITY {
            return;
        }
        let Some((&realm, _)) = self.shares.iter().max_by_key(|(_, count)| **count) else { return };
        let (first, last) = ((realm, [0; 16]), (realm, [0xff; 16]));
        let start = self.hand.filter(|hand| hand.0 == realm).unwrap_or(first);
        let round = self.budgets.range(start..=last).chain(self.budgets.range(first..start));
        let seen: Vec<(Place, Bucket)> = round.take(LOOKED_AT).map(|(place, bucket)| (*place, *bucket)).collect();
        let Some((gone, _)) = seen.iter().min_by_key(|(_, bucket)| *bucket) else { return };
        self.hand = seen.last().map(|(place, _)| *place);
        self.budgets.remove(gone);
        match self.shares.get_mut(&realm) {
            Some(share) if *share > 1 => *share -= 1,
            _ => drop(self.shares.remove(&realm)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: FailureSettings = FailureSettings { per_client: 3, per_source: 5, seconds: 60 };

    fn claim<'a>(source: &str, client_id: Option<&'a str>, second: i64) -> Claim<'a> {
        Claim {
            realm: Key::from_bytes([1; 16]),
            settings: &SETTINGS,
            source: source.parse().expect("an address"),
            client_id,
            now: Time::from_seconds(1_800_000_000 + second),
        }
    }

    #[test]
    fn a_source_has_so_many_failures_per_client_and_so_many_in_all() {
        let failures = Failures::new();
        let count = |source, id, second| failures.count(&claim(source, id, second)).map_err(|pace| (pace.name, pace.reset));
        assert_eq!((0..3).map(|_| count("192.0.2.1", Some("a"), 0)).collect::<Vec<_>>(), [Ok(()); 3]);
        assert_eq!(count("192.0.2.1", Some("a"), 0), Err(("failures-of-client", 20)));
        assert_eq!(failures.spent(&claim("192.0.2.1", Some("a"), 5)).map(|pace| pace.reset), Some(15));
        // Neither another client nor another source pays for it.
        assert_eq!((0..2).map(|_| count("192.0.2.1", Some("b"), 0)).collect::<Vec<_>>(), [Ok(()); 2]);
        assert!((0..3).all(|_| count("192.0.2.1", Some("c"), 0) == Err(("failures-of-source", 12))));
        assert_eq!(count("192.0.2.1", None, 0), Err(("failures-of-source", 12)));
        assert_eq!(count("192.0.2.2", Some("a"), 0), Ok(()));
        assert_eq!(failures.count(&Claim { realm: Key::from_bytes([2; 16]), ..claim("192.0.2.1", Some("a"), 0) }), Ok(()));
        // It fills again.
        assert_eq!(count("192.0.2.1", Some("a"), 20), Ok(()));
        assert!(count("192.0.2.1", Some("a"), 20).is_err());
        // What one budget refused has cost the other nothing.
        assert_eq!((0..3).map(|_| count("192.0.2.1", Some("c"), 56)).collect::<Vec<_>>(), [Ok(()); 3]);
    }

    #[test]
    fn spellings_of_one_source_are_one() {
        let failures = Failures::new();
        for (one, other, same) in [
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
            ("192.0.2.1", "192.0.2.2", false),
        ] {
            assert_eq!(
                place_of(one.parse().expect("an address"), None) == place_of(other.parse().expect("an address"), None),
                same
            );
        }
        // The id without a letter is not the source alone.
        assert!((0..3).all(|_| failures.count(&claim("192.0.2.1", Some(""), 0)).is_ok()));
        assert!(failures.count(&claim("192.0.2.1", Some(""), 0)).is_err());
        assert!(failures.count(&claim("192.0.2.1", None, 0)).is_ok());
    }

    #[test]
    fn it_can_be_switched_off() {
        let (failures, settings) = (Failures::new(), FailureSettings { per_client: 0, ..SETTINGS });
        assert!((0..1000).all(|_| failures.count(&Claim { settings: &settings, ..claim("192.0.2.1", Some("a"), 0) }).is_ok()));
        assert_eq!(failures.kept(), 0);
    }

    #[test]
    fn a_hundred_thousand_sources_fill_no_more_than_their_share() {
        let failures = Failures::new();
        let other = |second| Claim { realm: Key::from_bytes([2; 16]), ..claim("192.0.2.1", Some("a"), second) };
        assert!((0..3).all(|_| failures.count(&other(0)).is_ok()));
        for source in 0..120_000_u32 {
            let source = IpAddr::from(std::net::Ipv4Addr::from_bits(source));
            assert!(failures.count(&Claim { source, ..claim("192.0.2.1", Some("a"), 0) }).is_ok());
        }
        assert_eq!(failures.kept(), SHARDS * SHARD_CAPACITY);
        assert!(failures.count(&other(1)).is_err(), "the flood in one realm pushed out the budget of another");
    }
}
