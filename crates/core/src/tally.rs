//! The tally counts events in memory and writes them down in batches: usage per client and hour, last uses, the journal.
//!
//! It is bounded: a flood of refusals keeps the newest of each client and forgets the rest. A crash loses the last second.

use crate::event::{Adoption, Event, Outcome};
use crate::name::{Key, RequestId, Time};
use crate::record::{
    Client, ClientKind, JournalEntry, LastUse, Retention, SecretHash, Usage, entries_of_client, usage_of_client,
};
use crate::run::Engine;
use crate::store::{Order, Place, Records};
use crate::thrift::{Counted, Wasted};
use crate::world::{Stop, World};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

mod thrift;

/// Refusals that are kept per client.
pub const JOURNAL_KEPT: usize = 200;
/// Refusals of one client that one flush writes at the most.
const JOURNAL_AT_ONCE: usize = 50;
/// Entries of one shard; more are not counted until the next flush.
const SHARD_CAPACITY: usize = 10_000;
/// Records that one transaction writes.
const CHUNK: usize = 500;
const SHARDS: usize = 16;

/// Counters and journal that are not written down yet.
pub struct Tally {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    usage: BTreeMap<(Key, i64), Counts>,
    last_uses: BTreeMap<Key, Time>,
    adoptions: BTreeMap<Key, Vec<Adoption>>,
    journal: BTreeMap<(Key, Option<Key>), Vec<JournalEntry>>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    realm: Option<Key>,
    issued: u64,
    refused: u64,
    asked: u64,
    needed: u64,
    repeated: u64,
}

/// Seconds of a day.
const DAY: i64 = 86_400;

impl Tally {
    /// Counts nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// Counts one event.
    pub fn record(&self, world: &World<'_>, event: &Event) {
        let client = event.client.as_ref().map(|client| client.key);
        let of = client.or(event.realm.as_ref().map(|(realm, _)| *realm));
        let mut shard = self.shard(of);
        if shard.usage.len() + shard.last_uses.len() + shard.journal.len() >= SHARD_CAPACITY {
            return;
        }
        if let Some(client) = client {
            let counts = shard.usage.entry((client, hour_of(world))).or_default();
            counts.realm = event.realm.as_ref().map(|(realm, _)| *realm);
            match event.outcome {
                Outcome::Issued | Outcome::Coached => counts.issued += 1,
                Outcome::Repeated => counts.repeated += 1,
                Outcome::Refused(_) => counts.refused += 1,
                Outcome::Permitted | Outcome::Faulted(_) => {}
            }
        }
        if let Some(used) = event.used {
            shard.last_uses.insert(used, world.now);
        }
        if let (Some(client), Some(adoption)) = (client, &event.adopt) {
            let adoptions = shard.adoptions.entry(client).or_default();
            if !adoptions.iter().any(|known| known.secret == adoption.secret) {
                adoptions.push(adoption.clone());
            }
        }
        if let (Outcome::Refused(why), Some((realm, _))) = (&event.outcome, &event.realm) {
            let entries = shard.journal.entry((*realm, client)).or_default();
            if entries.len() >= JOURNAL_AT_ONCE {
                entries.remove(0);
            }
            entries.push(JournalEntry {
                key: world.new_key("journal entry"),
                realm: *realm,
                client,
                endpoint: event.endpoint.to_owned(),
                why: why.row().id.to_owned(),
                request_id: RequestId::clone(world.request_id),
                // The realm's rule is applied when the entry is written.
                expires_at: world.now,
            });
        }
    }

    /// Writes down what was counted. What cannot be written is lost; the first error says why.
    pub fn flush(&self, engine: &Engine, world: &World<'_>) -> Result<(), Stop> {
        let wasted = self.count_thrift(engine, world);
        let mut outcome = Ok(());
        let kept = |realm: Option<Key>| {
            let snapshot = engine.memory.snapshot.load();
            let state = realm.and_then(|realm| snapshot.realm(realm));
            state.map_or_else(Retention::default, |state| state.realm.settings.retention)
        };
        let mut write = |decide: &mut dyn FnMut(&mut Records<'_>, &World<'_>) -> Result<(), Stop>| {
            let written = engine.transact(world, decide);
            if outcome.is_ok() {
                outcome = written;
            }
        };
        for chunk in wasted.chunks(CHUNK) {
            let mut written = Vec::new();
            write(&mut |records, world| {
                written = chunk.iter().map(|seen| thrift::write(records, world, seen)).collect::<Result<_, _>>()?;
                Ok(())
            });
            written.iter().for_each(|record| engine.memory.thrift.remember(record));
        }
        for shard in &self.shards {
            let taken = std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner));
            let usage: Vec<_> = taken.usage.into_iter().collect();
            for chunk in usage.chunks(CHUNK) {
                write(&mut |records, world| {
                    chunk.iter().try_for_each(|counted| write_usage(records, world, (*counted, kept(counted.1.realm).usage_days)))
                });
            }
            let last_uses: Vec<_> = taken.last_uses.into_iter().collect();
            for chunk in last_uses.chunks(CHUNK) {
                write(&mut |records, _| chunk.iter().try_for_each(|used| write_last_use(records, *used)));
            }
            for (client, adoptions) in taken.adoptions {
                write(&mut |records, _| adopt(records, client, &adoptions));
            }
            for ((realm, client), mut entries) in taken.journal {
                let days = kept(Some(realm)).journal_days;
                entries.iter_mut().for_each(|entry| entry.expires_at = entry.expires_at.plus_seconds(days * DAY));
                write(&mut |records, _| write_journal(records, realm, client, &entries));
            }
        }
        outcome
    }
}

impl Tally {
    /// Adds to the usage what clients asked for, and returns what they wasted.
    fn count_thrift(&self, engine: &Engine, world: &World<'_>) -> Vec<Wasted> {
        let (counted, wasted) = engine.memory.thrift.take_unwritten();
        let hour = hour_of(world);
        for Counted { client, asked, needed } in counted {
            let mut shard = self.shard(Some(client));
            let counts = shard.usage.entry((client, hour)).or_default();
            counts.asked += asked;
            counts.needed += needed;
        }
        wasted
    }

    fn shard(&self, key: Option<Key>) -> MutexGuard<'_, Shard> {
        let index = key.map_or(0, |key| usize::from(key.as_bytes()[15]) % SHARDS);
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hour_of(world: &World<'_>) -> i64 {
    world.now.seconds().div_euclid(3600)
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

fn write_usage(
    records: &mut Records<'_>,
    world: &World<'_>,
    (((client, hour), counts), days): (((Key, i64), Counts), i64),
) -> Result<(), Stop> {
    let mut lookup = usage_of_client(client);
    lookup.prefix.push(crate::record::Value::Integer(hour));
    match records.find::<Usage>(lookup)? {
        Some(mut usage) => {
            usage.issued += counts.issued;
            usage.refused += counts.refused;
            usage.asked += counts.asked;
            usage.needed += counts.needed;
            usage.repeated += counts.repeated;
            records.update(&usage)?;
        }
        None => records.insert(&Usage {
            key: world.new_key(&format!("usage {client} {hour}")),
            client,
            hour,
            issued: counts.issued,
            refused: counts.refused,
            asked: counts.asked,
            needed: counts.needed,
            repeated: counts.repeated,
            expires_at: world.now.plus_seconds(days * DAY),
        })?,
    }
    Ok(())
}

fn write_last_use(records: &mut Records<'_>, (key, at): (Key, Time)) -> Result<(), Stop> {
    let now = LastUse { key, at };
    match records.read::<LastUse>(key)? {
        Some(_) => records.update(&now)?,
        None => records.insert(&now)?,
    }
    Ok(())
}

/// Keeps secrets that were shown right under keyed hashes, instead of the slow ones they were imported with.
fn adopt(records: &mut Records<'_>, client: Key, adoptions: &[Adoption]) -> Result<(), Stop> {
    let Some(mut client) = records.read::<Client>(client)? else { return Ok(()) };
    let ClientKind::Confidential { secrets, .. } = &mut client.kind else { return Ok(()) };
    let before = secrets.clone();
    for secret in secrets.iter_mut().filter(|secret| !matches!(secret.hash, SecretHash::Keyed { .. })) {
        if let Some(adoption) = adoptions.iter().find(|adoption| adoption.secret == secret.key) {
            secret.hash = SecretHash::Keyed { mac: adoption.mac.clone() };
        }
    }
    if *secrets != before {
        records.update(&client)?;
    }
    Ok(())
}

fn write_journal(records: &mut Records<'_>, realm: Key, client: Option<Key>, entries: &[JournalEntry]) -> Result<(), Stop> {
    let most = JOURNAL_KEPT + JOURNAL_AT_ONCE;
    let kept: Vec<JournalEntry> = records.scan(entries_of_client(realm, client), None::<Place>, Order::Ascending, most)?;
    let too_many = (kept.len() + entries.len()).saturating_sub(JOURNAL_KEPT);
    kept.iter().take(too_many).for_each(|entry| records.delete(entry));
    for entry in entries {
        records.insert(entry)?;
    }
    Ok(())
}
