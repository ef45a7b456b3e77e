//! The reminder tells in time which secrets and API keys will end: by webhook, and by a line in the log.

use crate::node::Node;
use crate::request::Moment;
use jeton_core::name::{Key, Time};
use jeton_core::refusal::Fault;
use jeton_core::reminder::{DAYS, page, tell};
use jeton_core::world::Facts;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

/// How long it waits between two looks at whether the node is still there.
const PACE: Duration = Duration::from_secs(1);
/// So often, in seconds, are all clients looked at; the first time soon after the start.
const ROUND: u64 = 6 * 3600;
/// How long it rests after each page of clients, so that it takes little of what requests need.
const REST: Duration = Duration::from_millis(50);

/// Seconds of an hour, and of a day.
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// When secrets and API keys will end, as the last round found them: how many in each hour. A question costs no reading.
#[derive(Debug, Default)]
pub struct Endings(Mutex<BTreeMap<i64, u64>>);

impl Endings {
    /// How many end within each of [`DAYS`], to about an hour.
    pub fn within(&self, now: Time) -> [(i64, u64); 2] {
        let hours = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = (now.seconds() / HOUR, |days: i64| (now.seconds() + days * DAY) / HOUR);
        DAYS.map(|days| (days, hours.range(first..=last(days)).map(|(_, count)| count).sum()))
    }

    fn replace(&self, found: BTreeMap<i64, u64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }
}

/// Reminds until the node is gone.
pub fn run(node: &Weak<Node>) {
    for second in 0_u64.. {
        if node.strong_count() == 0 {
            return;
        }
        if second % ROUND == 1
            && let Err(fault) = look(node)
        {
            tracing::warn!(%fault, "it cannot be found out which secrets will end soon; in some hours it is tried again");
        }
        thread::sleep(PACE);
    }
}

/// Looks at every client of every realm, page by page.
fn look(node: &Weak<Node>) -> Result<(), Fault> {
    let realms: Vec<Key> = {
        let Some(node) = node.upgrade() else { return Ok(()) };
        let snapshot = node.engine.memory.snapshot.load();
        snapshot.realms().map(|state| state.realm.key).collect()
    };
    let mut hours = BTreeMap::new();
    for realm in realms {
        let mut after = None;
        loop {
            let Some(node) = node.upgrade() else { return Ok(()) };
            let now = Moment::present().now;
            let (clients, next) = node.engine.read(now, |reader| page(reader, realm, after.clone(), now))?;
            for end in clients.iter().flat_map(|concerned| &concerned.ends) {
                *hours.entry(end.seconds() / HOUR).or_default() += 1;
            }
            clients.iter().try_for_each(|concerned| remind(&node, concerned.client))?;
            drop(node);
            after = next;
            if after.is_none() {
                break;
            }
            thread::sleep(REST);
        }
    }
    if let Some(node) = node.upgrade() {
        node.endings.replace(hours);
    }
    Ok(())
}

/// Tells what is new about one client.
fn remind(node: &Node, client: Key) -> Result<(), Fault> {
    let (moment, facts) = (Moment::present(), Facts::default());
    let told = node.engine.transact(&moment.world(&facts), |records, world| tell(records, world, client))?;
    for ending in told {
        tracing::warn!(
            client = ending.client_id.as_str(),
            kind = ending.kind,
            name = ending.name.as_str(),
            ends_at = ending.ends_at.to_rfc3339(),
            "a credential will soon end; jeton secret rotate or jeton api-key rotate replaces it"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_is_counted_by_the_hour_as_time_goes_on() {
        let endings = Endings::default();
        let now = Time::from_seconds(1_700_000_000);
        assert_eq!(endings.within(now), [(14, 0), (3, 0)]);
        let at = |after: i64, count| ((now.seconds() + after) / HOUR, count);
        endings.replace(BTreeMap::from([at(2 * DAY, 1), at(4 * DAY, 10), at(13 * DAY, 100)]));
        assert_eq!(endings.within(now), [(14, 111), (3, 1)]);
        assert_eq!(endings.within(now.plus_seconds(2 * DAY)), [(14, 111), (3, 11)]);
        assert_eq!(endings.within(now.plus_seconds(5 * DAY)), [(14, 100), (3, 0)], "what has ended is not about to end");
        endings.replace(BTreeMap::new());
        assert_eq!(endings.within(now), [(14, 0), (3, 0)]);
    }
}
