//! The engine runs decisions: over the snapshot for the hot path, over guarded records for changes. The one retry loop is here.

use crate::admin::{Act, AdminStop, Args, Command, Context, DialectOffer, KeysDue, Powers, Rotated, bootstrap, rotate};
use crate::client_auth::Known;
use crate::endpoint::{Stopped, apply};
use crate::name::{Issuer, Key, Time};
use crate::record::{
    Actor, ApiKey, Client, DataKey, Installation, Kind, Lookup, Realm, Record, RegisteredOrigin, ResourceServer, Revocation,
    SigningKeyRecord, Thrift, client_by_id, holders_of_origin, key_by_hash, keys_of_realm, resources_of_realm,
};
use crate::refusal::Fault;
use crate::snapshot::{DataKeys, Memory, RealmState};
use crate::store::{CHANGES_KEPT_SECONDS, Changing, CommitError, Order, Place, Position, Reader, Records, Store, Write, decode};
use crate::world::{Facts, Need, Patience, Stop, World};
use jeton_jose::{SealKey, b64};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How often a decision is run again when others were quicker.
const MOST_RUNS: u32 = 64;
/// Most changes that are followed at once.
pub const FOLLOWED_AT_ONCE: usize = 1000;
/// Most rows of one list that belongs to a realm.
const MOST_IN_REALM: usize = 10_000;
/// Revocations that are read at once.
const REVOCATIONS_AT_ONCE: usize = 10_000;
/// Most clients of which is recalled at the start that they wasted tokens.
const MOST_WASTEFUL: usize = 10_000;
/// Most realms.
const MOST_REALMS: usize = 100_000;

/// An authorization server over one store.
pub struct Engine {
    store: Arc<dyn Store>,
    data: DataKeys,
    /// What is remembered.
    pub memory: Memory,
    installation: Key,
    followed: Mutex<Position>,
    /// When the change log was last read, as milliseconds since 1970.
    followed_at: AtomicI64,
    /// Held while realms are read and swapped in, so that an older reading never replaces a newer one.
    refreshing: Mutex<()>,
}

/// Who runs an admin command, and from which dialects a realm can be made.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// What that caller may do beside the command that let it in.
    pub powers: Powers<'a>,
    /// The dialects; the first is the default.
    pub dialects: &'a [DialectOffer],
}

impl Engine {
    /// Opens a store; on first start the installation and its data key are made. A seal key that does not fit is refused, and
    /// nothing is made anew.
    pub fn open(store: Arc<dyn Store>, seal: &SealKey, world: &World<'_>) -> Result<Self, Fault> {
        let (installation, root) = transact(&*store, world, |records, world| installation(records, world, seal))
            .map(|(done, _)| done)
            .map_err(|stop| match stop {
                Stop::Fault(fault) => fault,
                Stop::Refuse(_) | Stop::RefuseAnd(..) | Stop::RefuseFor(..) | Stop::Need(_) => {
                    Fault::Broken("opening an installation asks for nothing")
                }
            })?;
        let data = DataKeys::new(root);
        let followed = Mutex::new(store.position()?);
        let followed_at = AtomicI64::new(world.now.millis());
        let memory = Memory::new();
        let engine = Self { store, data, memory, installation, followed, followed_at, refreshing: Mutex::new(()) };
        engine.reload(world.now)?;
        engine.recall_thrift(world.now)?;
        Ok(engine)
    }

    /// Identity of the installation.
    #[must_use]
    pub fn installation(&self) -> Key {
        self.installation
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// The keys under which data is kept.
    #[must_use]
    pub fn data(&self) -> &DataKeys {
        &self.data
    }

    /// What a decision about this realm may look at.
    #[must_use]
    pub fn known<'a>(&'a self, realm: &'a RealmState) -> Known<'a> {
        Known { realm, memory: &self.memory, data: &self.data, followed_at: self.followed_at() }
    }

    /// When the store last told its changes.
    #[must_use]
    pub fn heard_at(&self) -> Time {
        Time::from_millis(self.followed_at.load(Ordering::Relaxed))
    }

    /// When the changes of other nodes were last followed; `None` if there can be no other nodes.
    #[must_use]
    pub fn followed_at(&self) -> Option<Time> {
        self.store.is_shared().then(|| self.heard_at())
    }

    /// Runs a decision that changes state until it is committed, refused or hopeless; then the snapshot follows.
    pub fn transact<T, E: From<Fault>>(
        &self,
        world: &World<'_>,
        decide: impl FnMut(&mut Records<'_>, &World<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let (done, writes) = transact(&*self.store, world, decide)?;
        self.follow_writes(world.now, &writes)?;
        Ok(done)
    }

    /// Runs a decision of the protocol that may change records: at once where it must not wait, until it needs them; else until it
    /// is committed. What a refused one wrote is dropped, and only the refusal's consequence is written.
    pub fn decide<T>(
        &self,
        world: &World<'_>,
        mut decide: impl FnMut(&mut Changing<'_, '_>, &World<'_>) -> Result<T, Stopped>,
    ) -> Result<T, Stopped> {
        if world.facts.patience == Patience::None {
            return decide(&mut Changing::later(world.facts), world);
        }
        self.transact(world, |records, world| match decide(&mut Changing::Now(records), world) {
            Err(Stopped { stop: Stop::RefuseAnd(why, consequence), client }) => {
                records.forget_writes();
                apply(records, world, consequence)?;
                Ok(Err(Stopped { stop: Stop::RefuseAnd(why, consequence), client }))
            }
            Ok(done) => Ok(Ok(done)),
            Err(stopped) => Err(stopped),
        })?
    }

    /// Runs an admin command until it is committed or stopped; then the snapshot follows.
    pub fn administer(
        &self,
        world: &World<'_>,
        command: &Command,
        args: &Args,
        caller: &Caller<'_>,
    ) -> Result<serde_json::Value, AdminStop> {
        self.transact(world, |records, world| (command.run)(&mut Act::new(records, world, self.context(caller)), args))
    }

    /// Makes the admin realm on the first start, or follows a changed address of the admin listener.
    pub fn bootstrap(&self, world: &World<'_>, issuer: &Issuer, dialects: &[DialectOffer]) -> Result<(), AdminStop> {
        let caller = Caller { actor: &Actor::System, powers: Powers::Whole, dialects };
        self.transact(world, |records, world| bootstrap(&mut Act::new(records, world, self.context(&caller)), issuer))
    }

    /// Takes the next step of a realm's signing keys that is due; `None` if there is none any more.
    pub fn rotate(&self, world: &World<'_>, realm: Key, due: &KeysDue) -> Result<Option<Rotated>, AdminStop> {
        let caller = Caller { actor: &Actor::System, powers: Powers::Whole, dialects: &[] };
        self.transact(world, |records, world| rotate(&mut Act::new(records, world, self.context(&caller)), realm, &due.waited))
    }

    fn context<'a>(&'a self, caller: &Caller<'a>) -> Context<'a> {
        Context {
            actor: caller.actor,
            powers: caller.powers,
            data: &self.data,
            dialects: caller.dialects,
            shared: self.store.is_shared(),
        }
    }

    /// Reads records without changing any.
    pub fn read<T>(&self, now: Time, mut read: impl FnMut(&mut Reader<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut answer = None;
        self.store.view(now, &mut |view| {
            answer = Some(read(&mut Reader::new(view))?);
            Ok(())
        })?;
        answer.ok_or(Fault::Broken("a view was not read"))
    }

    /// Finds out what a decision needs from the store, and adds it to the facts. Needs of other places are left alone.
    pub fn meet(&self, now: Time, need: &Need, facts: &mut Facts) -> Result<(), Fault> {
        let evictions = self.memory.evictions();
        match need {
            Need::Client { realm, client_id } => {
                let client: Option<Client> = self.read(now, |reader| reader.find(client_by_id(*realm, client_id)))?;
                let client = client.map(Arc::new);
                match &client {
                    Some(client) => self.memory.remember_client(evictions, client),
                    None => self.memory.remember_absent(evictions, *realm, client_id),
                }
                facts.clients.push((*realm, client_id.clone(), client));
            }
            Need::ApiKey { realm, hash } => {
                let key: Option<ApiKey> = self.read(now, |reader| reader.find(key_by_hash(*realm, hash)))?;
                let key = key.map(Arc::new);
                if let Some(key) = &key {
                    self.memory.remember_api_key(evictions, key);
                }
                facts.api_keys.push((*realm, hash.clone(), key));
            }
            Need::WebOrigin { realm, origin } => {
                let holder: Option<RegisteredOrigin> = self.read(now, |reader| reader.find(holders_of_origin(*realm, origin)))?;
                self.memory.remember_web_origin(evictions, *realm, origin, holder.is_some());
                facts.web_origins.push((*realm, origin.clone(), holder.is_some()));
            }
            Need::Records => facts.patience = Patience::Waits,
            Need::Suspension(found) => (facts.suspension, facts.patience) = (Some(*found), Patience::Waits),
            Need::SlowHash { .. } | Need::KeyPair(_) => {}
        }
        Ok(())
    }

    /// Forgets for good what has ended by then, a part of it at a time; says how many rows went. `now` must be a time that is
    /// believed ([`crate::believed::BelievedTime`]): what is forgotten does not come back when a clock is set right.
    pub fn tidy(&self, now: Time, most_rows: usize) -> Result<usize, Fault> {
        self.memory.revocations.forget_ended(now);
        self.store.sweep(now, most_rows)
    }

    /// Follows what other processes wrote. Returns how many changes there were; with [`FOLLOWED_AT_ONCE`], more may wait.
    pub fn follow(&self, now: Time) -> Result<usize, Fault> {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = self.store.position()?;
        let changes = self.store.changes(*followed, FOLLOWED_AT_ONCE)?;
        let before = self.heard_at();
        // Who was away for longer than the log is kept has missed changes, and reads everything anew.
        if now > before.plus_seconds(CHANGES_KEPT_SECONDS) {
            self.reload(now)?;
            *followed = newest;
            self.followed_at.store(now.millis(), Ordering::Relaxed);
            return Ok(changes.len());
        }
        if let Some(last) = changes.last() {
            let written: Vec<(&str, Key)> = changes.iter().map(|change| (change.kind.as_str(), change.key)).collect();
            self.follow_revocations(now, &written)?;
            self.follow_keys(now, &written)?;
            *followed = last.position;
        }
        // Only what was followed to the end counts as heard; whoever calls comes again at once for the rest.
        if changes.len() < FOLLOWED_AT_ONCE {
            self.followed_at.store(now.millis(), Ordering::Relaxed);
        }
        Ok(changes.len())
    }

    /// Reads every realm and every revocation anew and forgets every client.
    pub fn reload(&self, now: Time) -> Result<(), Fault> {
        self.read_revocations(now)?;
        let all = Lookup { index: None, prefix: Vec::new(), guard: None };
        let realms: Vec<Realm> = self.read(now, |reader| reader.scan(all.clone(), None, Order::Ascending, MOST_REALMS))?;
        let mut keys: BTreeSet<Key> = realms.iter().map(|realm| realm.key).collect();
        keys.extend(self.memory.snapshot.load().realms().map(|state| state.realm.key));
        self.memory.forget_all();
        self.refresh_realms(now, &keys)
    }

    fn read_revocations(&self, now: Time) -> Result<(), Fault> {
        let all = || Lookup { index: None, prefix: Vec::new(), guard: None };
        let mut after = None;
        loop {
            let page = |reader: &mut Reader<'_>| reader.scan(all(), after.clone(), Order::Ascending, REVOCATIONS_AT_ONCE);
            let found: Vec<Revocation> = self.read(now, page)?;
            found.iter().for_each(|found| self.memory.revocations.remember(found.realm, found.target, found.until));
            match found.last() {
                Some(last) if found.len() == REVOCATIONS_AT_ONCE => after = Some(Place { values: Vec::new(), key: last.key }),
                _ => return Ok(()),
            }
        }
    }

    /// Reads which clients wasted tokens lately, so that a restart forgives nobody.
    fn recall_thrift(&self, now: Time) -> Result<(), Fault> {
        let all = Lookup { index: None, prefix: Vec::new(), guard: None };
        let records: Vec<Thrift> = self.read(now, |reader| reader.scan(all.clone(), None, Order::Descending, MOST_WASTEFUL))?;
        records.iter().for_each(|record| self.memory.thrift.remember(record));
        Ok(())
    }

    fn follow_writes(&self, now: Time, writes: &[Write]) -> Result<(), Fault> {
        // First, and from what was written itself: what was acknowledged as revoked is so whatever else fails.
        for write in writes {
            if let Write::Insert(kind, row) = write
                && kind.name == Revocation::KIND.name
            {
                let made: Revocation = decode(row)?;
                self.memory.revocations.remember(made.realm, made.target, made.until);
            }
        }
        let written: Vec<(&str, Key)> = writes
            .iter()
            .map(|write| match write {
                Write::Insert(kind, row) | Write::Replace(kind, row) => (kind.name, row.key),
                Write::Touch(kind, key) | Write::Delete(kind, key) => (kind.name, *key),
            })
            .collect();
        self.follow_keys(now, &written)
    }

    /// Reads the revocations of other nodes, all of them in one view.
    fn follow_revocations(&self, now: Time, written: &[(&str, Key)]) -> Result<(), Fault> {
        let keys: Vec<Key> = written.iter().filter(|(kind, _)| *kind == Revocation::KIND.name).map(|(_, key)| *key).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let read = |reader: &mut Reader<'_>| keys.iter().map(|key| reader.read::<Revocation>(*key)).collect();
        let found: Vec<Option<Revocation>> = self.read(now, read)?;
        for made in found.into_iter().flatten() {
            self.memory.revocations.remember(made.realm, made.target, made.until);
        }
        Ok(())
    }

    fn follow_keys(&self, now: Time, written: &[(&str, Key)]) -> Result<(), Fault> {
        const BULK: usize = 200;
        let of = |kind: &Kind| written.iter().filter(|(name, _)| *name == kind.name).map(|(_, key)| *key).collect::<Vec<_>>();
        let (clients, api_keys) = (of(Client::KIND), of(ApiKey::KIND));
        if clients.len() + api_keys.len() > BULK {
            self.memory.forget_all();
        } else {
            for key in clients {
                if let Some(client) = self.read(now, |reader| reader.read::<Client>(key))? {
                    self.memory.forget_client(client.realm, &client.client_id);
                }
            }
            for key in api_keys {
                if let Some(key) = self.read(now, |reader| reader.read::<ApiKey>(key))? {
                    self.memory.forget_api_key(key.realm, &key.hash);
                }
            }
        }
        if !of(RegisteredOrigin::KIND).is_empty() {
            self.memory.forget_web_origins();
        }
        // Resource servers and signing keys touch their realm, so the realm stands among what was written.
        let realms: BTreeSet<Key> = of(Realm::KIND).into_iter().collect();
        if realms.is_empty() { Ok(()) } else { self.refresh_realms(now, &realms) }
    }

    fn refresh_realms(&self, now: Time, keys: &BTreeSet<Key>) -> Result<(), Fault> {
        let _one = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut states = Vec::new();
        for &key in keys {
            let found = self.read(now, |reader| {
                let Some(realm) = reader.read::<Realm>(key)? else {
                    return Ok(None);
                };
                let resources: Vec<ResourceServer> =
                    reader.scan(resources_of_realm(key), None, Order::Ascending, MOST_IN_REALM)?;
                let keys: Vec<SigningKeyRecord> = reader.scan(keys_of_realm(key), None, Order::Ascending, MOST_IN_REALM)?;
                Ok(Some((realm, resources, keys)))
            })?;
            let earlier = self.memory.snapshot.load().realm(key).cloned();
            let opened = |(realm, resources, keys)| RealmState::reopen(earlier.as_deref(), realm, resources, keys, &self.data);
            let state = found.map(opened).transpose()?;
            states.push((key, state));
        }
        let next = self.memory.snapshot.load().with(states);
        self.memory.snapshot.store(Arc::new(next));
        Ok(())
    }
}

/// The one retry loop: decide on one view, commit under guards, and again if others were quicker.
fn transact<T, E: From<Fault>>(
    store: &dyn Store,
    world: &World<'_>,
    mut decide: impl FnMut(&mut Records<'_>, &World<'_>) -> Result<T, E>,
) -> Result<(T, Vec<Write>), E> {
    for run in 0..MOST_RUNS {
        let mut decided = None;
        store.view(world.now, &mut |view| {
            let mut records = Records::new(view);
            let outcome = decide(&mut records, world);
            decided = Some((outcome, records.into_batch(world.new_key(&format!("batch {run}")), world.now)));
            Ok(())
        })?;
        let (outcome, batch) = decided.ok_or(Fault::Broken("a view was not read"))?;
        let done = outcome?;
        if batch.writes.is_empty() {
            return Ok((done, Vec::new()));
        }
        let writes = batch.writes.clone();
        match store.commit(batch) {
            Ok(()) => return Ok((done, writes)),
            Err(CommitError::Conflict) => {}
            Err(CommitError::Fault(fault)) => return Err(fault.into()),
        }
    }
    Err(Fault::Unavailable("too many others change the same records".into()).into())
}

/// The root data key, unwrapped by the seal key.
pub(crate) fn root_key(record: &DataKey, seal: &SealKey) -> Result<SealKey, Fault> {
    let corrupt = || Fault::Corrupt(format!("data_key {} cannot be opened with this seal key", record.key));
    let wrapped = b64::decode(record.wrapped.as_bytes()).map_err(|_| corrupt())?;
    let plain = seal.derive("data keys", b"").open(b"root", &wrapped).map_err(|_| corrupt())?;
    let bytes = <[u8; 32]>::try_from(plain.as_slice()).map_err(|_| corrupt())?;
    Ok(SealKey::from_bytes(bytes))
}

/// The installation of this store and its root data key; made if the store is new.
fn installation(records: &mut Records<'_>, world: &World<'_>, seal: &SealKey) -> Result<(Key, SealKey), Stop> {
    let singleton = Lookup { index: Some("singleton"), prefix: vec![crate::record::Value::Integer(1)], guard: None };
    let root = Lookup { index: Some("purpose"), prefix: vec!["root".into()], guard: None };
    if let Some(known) = records.find::<Installation>(singleton)? {
        if known.seal_fingerprint != seal.fingerprint() {
            return Err(
                Fault::Foreign("the seal key is not the one that this store was made with; give the right one".into()).into()
            );
        }
        let missing = || Fault::Corrupt("data_key root is missing".into());
        let record: DataKey = records.find(root)?.ok_or_else(missing)?;
        return Ok((known.key, root_key(&record, seal)?));
    }
    let bytes: [u8; 32] = world.random.draw("root data key");
    let wrapped = seal.derive("data keys", b"").seal(world.random.draw("wrapping of the root data key"), b"root", &bytes);
    let record = Installation { key: world.new_key("installation"), seal_fingerprint: seal.fingerprint() };
    records.insert(&record)?;
    records.insert(&DataKey { key: world.new_key("data key"), purpose: "root".into(), wrapped: b64::encode(&wrapped) })?;
    Ok((record.key, SealKey::from_bytes(bytes)))
}
