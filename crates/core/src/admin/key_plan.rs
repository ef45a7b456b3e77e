//! The plan says which step in the lives of a realm's signing keys comes next, from their records and the time alone.

use super::AdminStop;
use crate::believed::BelievedTime;
use crate::name::{Key, Time};
use crate::record::{AccessTokenFormat, KeyPurpose, KeySettings, KeyState, Realm, SigningKeyRecord};
use crate::snapshot::Snapshot;
use jeton_jose::Algorithm;
use std::collections::{BTreeMap, BTreeSet};

/// Seconds for answers on their way and for nodes that follow: a key set is kept from when it arrives, not from when it was made.
const SETTLING: i64 = 5;
/// Seconds that a retired key stays longer: a token may count from a little later than it was made, and clocks differ as much.
const SPARE: i64 = 2 * jeton_jose::jwt::CLOCK_SKEW;
/// A moment so many seconds ahead was not written by this clock.
const FUTURE: i64 = 60;
/// How long a gone key is shown, in seconds.
const SHOWN: i64 = 30 * 86_400;
/// How many gone keys are shown.
const MOST_SHOWN: usize = 50;
/// Most keys of a realm that are published at once.
pub(super) const MOST_PUBLISHED: usize = 1000;

/// One step in the life of a realm's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'k> {
    /// Nothing signs what must be signed: a key is made that does so at once.
    Begin(KeyPurpose, Algorithm),
    /// A successor is published.
    Publish(KeyPurpose, Algorithm),
    /// A published key signs from now on, and what signed for its purpose retires.
    Activate(&'k SigningKeyRecord),
    /// A key that nothing needs signs no more.
    Retire(&'k SigningKeyRecord),
    /// A successor that nothing needs goes.
    Withdraw(&'k SigningKeyRecord),
    /// A key's last token has ended.
    Expire(&'k SigningKeyRecord),
    /// A moment was written by a clock that was ahead: it becomes now.
    Date(&'k SigningKeyRecord),
    /// A key that is long gone is shown no more.
    Forget(&'k SigningKeyRecord),
}

/// What a realm's tokens are signed with: a purpose and an algorithm for each kind of token.
pub(super) fn slots(realm: &Realm) -> Vec<(KeyPurpose, Algorithm)> {
    match realm.settings.access_token.format {
        AccessTokenFormat::Jwt { algorithm, .. } => vec![(KeyPurpose::AccessToken, algorithm)],
        AccessTokenFormat::Opaque => Vec::new(),
    }
}

/// The same, and that of signed answers about tokens once there is a key for them: it is made when it is first asked for, and
/// rotates like the others.
pub(super) fn slots_in_use(realm: &Realm, keys: &[SigningKeyRecord]) -> Vec<(KeyPurpose, Algorithm)> {
    let mut slots = slots(realm);
    let answers = keys.iter().find(|key| key.purpose == KeyPurpose::Introspection && key.state.is_active());
    slots.extend(answers.map(|key| (key.purpose, key.algorithm)));
    slots
}

/// How long a key is watched in the key set before it signs, in seconds.
pub(super) fn wait(realm: &Realm) -> i64 {
    realm.settings.keys.publish_ahead.saturating_add(SETTLING)
}

/// From when no token of a key is in force that signs no more from now on.
pub(super) fn until(key: &SigningKeyRecord, now: Time) -> Time {
    now.plus_seconds(key.outlasted.saturating_add(SPARE))
}

/// Keys of a purpose that sign; the oldest first.
pub(super) fn active(keys: &[SigningKeyRecord], purpose: KeyPurpose) -> impl Iterator<Item = &SigningKeyRecord> {
    keys.iter().filter(move |key| key.purpose == purpose && key.state.is_active())
}

/// Successors that are published, in the order in which they sign.
pub(super) fn successors(keys: &[SigningKeyRecord], (purpose, algorithm): (KeyPurpose, Algorithm)) -> Vec<&SigningKeyRecord> {
    let of = |key: &&SigningKeyRecord| key.state == KeyState::Next && key.purpose == purpose && key.algorithm == algorithm;
    let mut found: Vec<_> = keys.iter().filter(of).collect();
    found.sort_by_key(|key| (key.published_at, key.key));
    found
}

/// When the next successor must be published; `None` while one waits and no other is due behind it.
pub(super) fn publish_at(realm: &Realm, keys: &[SigningKeyRecord], slot: (KeyPurpose, Algorithm)) -> Option<Time> {
    let every = realm.settings.keys.rotate_after;
    match successors(keys, slot).last() {
        // Where keys sign for less than they are published ahead, several wait in a row.
        Some(last) if every < wait(realm) => Some(last.published_at.plus_seconds(every)),
        Some(_) => None,
        None => {
            let signing = active(keys, slot.0).next()?;
            let KeyState::Active { from } = signing.state else { return None };
            // Another algorithm was chosen: its key is published before it is used like any other.
            let age = if signing.algorithm == slot.1 { every.saturating_sub(wait(realm)).max(0) } else { 0 };
            Some(from.plus_seconds(age))
        }
    }
}

/// The next step that is due. `waited` are the keys that were watched for long enough.
pub(super) fn step<'k>(realm: &Realm, keys: &'k [SigningKeyRecord], now: Time, waited: &BTreeSet<Key>) -> Option<Step<'k>> {
    let slots = slots_in_use(realm, keys);
    let published = keys.iter().filter(|key| key.state.is_published()).count();
    for &(purpose, algorithm) in &slots {
        let slot = (purpose, algorithm);
        let successors = successors(keys, slot);
        let Some(KeyState::Active { from }) = active(keys, purpose).next().map(|key| key.state) else {
            return Some(successors.first().map_or(Step::Begin(purpose, algorithm), |next| Step::Activate(next)));
        };
        // Where several wait in a row, each has its time.
        let every = realm.settings.keys.rotate_after;
        let in_turn = every >= wait(realm) || now >= from.plus_seconds(every);
        if let Some(next) = successors.iter().find(|next| in_turn && waited.contains(&next.key)) {
            return Some(Step::Activate(next));
        }
        if publish_at(realm, keys, slot).is_some_and(|due| now >= due) && published < MOST_PUBLISHED {
            return Some(Step::Publish(purpose, algorithm));
        }
    }
    let needed = |key: &SigningKeyRecord| slots.contains(&(key.purpose, key.algorithm));
    keys.iter().find_map(|key| match key.state {
        KeyState::Active { from } if from > now.plus_seconds(FUTURE) => Some(Step::Date(key)),
        KeyState::Next if key.published_at > now.plus_seconds(FUTURE) => Some(Step::Date(key)),
        KeyState::Active { .. } if !slots.iter().any(|(purpose, _)| *purpose == key.purpose) => Some(Step::Retire(key)),
        KeyState::Next if !needed(key) => Some(Step::Withdraw(key)),
        KeyState::Retiring { until, .. } if now >= until && waited.contains(&key.key) => Some(Step::Expire(key)),
        KeyState::Gone { since, .. } if now >= since.plus_seconds(SHOWN) || is_one_too_many(keys, since) => {
            Some(Step::Forget(key))
        }
        _ => None,
    })
}

fn is_one_too_many(keys: &[SigningKeyRecord], since: Time) -> bool {
    let newer = |key: &&SigningKeyRecord| matches!(key.state, KeyState::Gone { since: other, .. } if other > since);
    keys.iter().filter(newer).count() >= MOST_SHOWN
}

/// What a node has watched of the keys, by a clock that nobody can set.
///
/// A wall clock that jumps must neither hurry a key into use nor end one whose tokens live: so a successor signs, and a retired
/// key goes, only after this node has seen it wait for the whole time that key sets are kept. A restart begins to watch anew.
#[derive(Debug, Default)]
pub struct KeyWatch {
    since: BTreeMap<Key, i64>,
    believed: BelievedTime,
}

/// What is due, as far as this node knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeysDue {
    /// Keys that were watched for long enough.
    pub waited: BTreeSet<Key>,
    /// Realms in which a step is due.
    pub realms: Vec<Key>,
}

impl KeyWatch {
    /// Looks at every realm. `steady` are milliseconds of a clock that only runs.
    pub fn look(&mut self, snapshot: &Snapshot, now: Time, steady: i64) -> KeysDue {
        let believed = self.believed.at(now, steady);
        let mut due = KeysDue::default();
        let mut waiting = BTreeMap::new();
        for state in snapshot.realms() {
            let wait = wait(&state.realm).saturating_mul(1000);
            let waits = |key: &&SigningKeyRecord| match key.state {
                KeyState::Next => true,
                KeyState::Retiring { until, .. } => believed >= until,
                _ => false,
            };
            for key in state.keys.iter().filter(waits) {
                let since = self.since.get(&key.key).copied().unwrap_or(steady);
                waiting.insert(key.key, since);
                if steady.saturating_sub(since) >= wait {
                    due.waited.insert(key.key);
                }
            }
            if step(&state.realm, &state.keys, now, &due.waited).is_some() {
                due.realms.push(state.realm.key);
            }
        }
        self.since = waiting;
        due
    }
}

/// Whether a realm's settings for keys can be met, where a token can be in force for so many seconds after its key signs no more.
pub(super) fn check(realm: &Realm, outlasted: i64) -> Result<(), AdminStop> {
    /// Most keys that settings may lead to at once: verifiers read them all.
    const MANY: i64 = 60;
    let (name, settings) = (&realm.name, &realm.settings);
    let KeySettings { rotate_after, publish_ahead } = settings.keys;
    if !(1..=10 * 366 * 86_400).contains(&rotate_after) {
        return Err(AdminStop::Invalid(format!("realm {name}: keys.rotate_after is 1 second to 10 years")));
    }
    if !(0..=30 * 86_400).contains(&publish_ahead) {
        return Err(AdminStop::Invalid(format!("realm {name}: keys.publish_ahead is 0 seconds to 30 days")));
    }
    let published = wait(realm).saturating_add(outlasted).saturating_add(SPARE) / rotate_after;
    if matches!(settings.access_token.format, AccessTokenFormat::Jwt { .. }) && published > MANY {
        return Err(AdminStop::Invalid(format!(
            "realm {name}: so many keys would be published at once that verifiers cannot be expected to read them ({published}, \
             at most {MANY}); make keys.rotate_after longer, or the lifetime of access tokens shorter"
        )));
    }
    Ok(())
}
