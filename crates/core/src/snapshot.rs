//! The snapshot is what the hot path knows without asking the store: realms with their keys, and the clients lately seen.

use crate::failures::Failures;
use crate::name::{ClientId, Key, RealmName, Scope, ScopeToken, Time, WebOrigin};
use crate::record::{
    AccessTokenFormat, ApiKey, AudienceRule, Client, KeyPurpose, KeyState, Permission, Realm, ResourceServer, SigningKeyRecord,
};
use crate::refusal::Fault;
use crate::revocations::Revocations;
use crate::thrift::Meters;
use crate::verified::Verified;
use crate::world::{Facts, Need, Stop};
use arc_swap::ArcSwap;
use jeton_jose::{CompactSigner, KeySet, MacKey, PublicKey, SealKey, SigningKey, b64, sha256};
use quick_cache::sync::Cache;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// The keys under which data is kept, derived from one root that the seal key wraps.
#[derive(Debug)]
pub struct DataKeys {
    root: SealKey,
    hashes: MacKey,
    signing_keys: SealKey,
    webhooks: SealKey,
}

impl DataKeys {
    /// Derives every data key from the root.
    #[must_use]
    pub fn new(root: SealKey) -> Self {
        let hashes = root.derive_mac("hashes of secrets", b"");
        let signing_keys = root.derive("signing keys", b"");
        let webhooks = root.derive("secrets of webhooks", b"");
        Self { root, hashes, signing_keys, webhooks }
    }

    /// The seed of the key that signs the audit chain. It follows from the root and is kept nowhere.
    #[must_use]
    pub fn audit_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.root.derive_mac("audit chain", b"").mac(&[b"Ed25519 seed"]))
    }

    /// Seals the secret of a webhook for its record.
    #[must_use]
    pub fn seal_webhook_secret(&self, nonce: [u8; 12], webhook: Key, secret: &[u8]) -> String {
        b64::encode(&self.webhooks.seal(nonce, webhook.as_bytes(), secret))
    }

    /// Opens what [`DataKeys::seal_webhook_secret`] sealed.
    pub fn open_webhook_secret(&self, webhook: Key, sealed: &str) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let corrupt = || Fault::Corrupt(format!("webhook {webhook}: its secret cannot be opened with this seal key"));
        let sealed = b64::decode(sealed.as_bytes()).map_err(|_| corrupt())?;
        self.webhooks.open(webhook.as_bytes(), &sealed).map_err(|_| corrupt())
    }

    /// What is kept of a secret of this realm: a keyed hash, base64url.
    #[must_use]
    pub fn secret_hash(&self, realm: Key, secret: &str) -> String {
        b64::encode(&self.hashes.mac(&[b"secret", realm.as_bytes(), secret.as_bytes()]))
    }

    /// What is kept of an API key of this realm: a keyed hash, base64url.
    #[must_use]
    pub fn api_key_hash(&self, realm: Key, value: &str) -> String {
        b64::encode(&self.hashes.mac(&[b"API key", realm.as_bytes(), value.as_bytes()]))
    }

    /// Seals a private key for its record.
    #[must_use]
    pub fn seal_signing_key(&self, nonce: [u8; 12], realm: Key, kid: &str, pkcs8: &[u8]) -> String {
        b64::encode(&self.signing_keys.seal(nonce, &signing_key_context(realm, kid), pkcs8))
    }

    pub(crate) fn open_signing_key(&self, record: &SigningKeyRecord) -> Result<SigningKey, Fault> {
        let corrupt = || Fault::Corrupt(format!("signing_key {} cannot be opened with this seal key", record.key));
        let sealed = b64::decode(record.sealed.as_bytes()).map_err(|_| corrupt())?;
        let context = signing_key_context(record.realm, &record.kid);
        let pkcs8 = self.signing_keys.open(&context, &sealed).map_err(|_| corrupt())?;
        SigningKey::from_pkcs8(record.algorithm, &pkcs8).map_err(|_| corrupt())
    }
}

fn signing_key_context(realm: Key, kid: &str) -> Vec<u8> {
    [realm.as_bytes(), kid.as_bytes()].concat()
}

/// The type of a signed answer about a token (RFC 9701 §5).
pub const ANSWER_TYP: &str = "token-introspection+jwt";

/// One realm, ready for use.
#[derive(Debug)]
pub struct RealmState {
    /// The record.
    pub realm: Realm,
    /// Its resource servers.
    pub resources: Vec<ResourceServer>,
    /// The records of its signing keys, the oldest first.
    pub keys: Vec<SigningKeyRecord>,
    /// Public keys, as they are published.
    pub published: KeySet,
    /// Those of them that verify access tokens: made for them, and in use or retiring.
    pub accepted: KeySet,
    /// Those that another node may use already, each with the moment from which it may.
    pub upcoming: Vec<(Time, KeySet)>,
    /// Signs access tokens; `None` if they are opaque, or while the key is being made.
    pub signer: Option<CompactSigner>,
    /// Stands for everything by which a signed access token is verified: issuer, form and accepted keys.
    pub verification: [u8; 32],
    /// Signs answers about tokens (RFC 9701); `None` until one was asked for.
    pub answer_signer: Option<CompactSigner>,
    /// Seals opaque access tokens.
    pub access_seal: SealKey,
    /// Seals refresh tokens that come with client credentials.
    pub refresh_seal: SealKey,
    /// Proves refresh tokens of families.
    pub family_mac: MacKey,
    opened: BTreeMap<Key, Arc<SigningKey>>,
    /// Tells this state of the realm's settings and keys from every other one.
    pub stamp: u64,
    scopes: BTreeMap<ScopeToken, Vec<usize>>,
}

impl RealmState {
    /// Opens what a realm's records hold.
    pub fn open(realm: Realm, resources: Vec<ResourceServer>, keys: &[SigningKeyRecord], data: &DataKeys) -> Result<Self, Fault> {
        Self::reopen(None, realm, resources, keys.to_vec(), data)
    }

    /// The same; what an earlier state has opened is not opened again.
    pub fn reopen(
        earlier: Option<&Self>,
        realm: Realm,
        resources: Vec<ResourceServer>,
        mut keys: Vec<SigningKeyRecord>,
        data: &DataKeys,
    ) -> Result<Self, Fault> {
        // The oldest first, whatever became of them: the same keys are the same bytes.
        keys.sort_by_key(|record| record.key);
        let stamp = stamp(&realm, &keys)?;
        let mut opened = BTreeMap::new();
        for record in keys.iter().filter(|record| record.state.is_published()) {
            let known = earlier
                .filter(|earlier| earlier.keys.iter().any(|known| known.key == record.key && known.sealed == record.sealed));
            let key = match known.and_then(|earlier| earlier.opened.get(&record.key)) {
                Some(key) => Arc::clone(key),
                None => Arc::new(data.open_signing_key(record)?),
            };
            opened.insert(record.key, key);
        }
        let of = |wanted: &dyn Fn(&SigningKeyRecord) -> bool| -> Vec<&Arc<SigningKey>> {
            keys.iter().filter(|record| wanted(record)).filter_map(|record| opened.get(&record.key)).collect()
        };
        let published = of(&|_| true);
        // A key that was never used has signed nothing, and an ID token is no access token.
        let accepted = of(&|record| record.purpose == KeyPurpose::AccessToken && record.state.is_accepted());
        let signing = of(&|record| record.purpose == KeyPurpose::AccessToken && record.state.is_active());
        let signer = match &realm.settings.access_token.format {
            // While the key of a newly chosen algorithm is published ahead, the one before it signs.
            AccessTokenFormat::Jwt { typ, .. } => signing.last().map(|key| CompactSigner::new(Arc::clone(key), typ)),
            AccessTokenFormat::Opaque => None,
        };
        let answering = of(&|record| record.purpose == KeyPurpose::Introspection && record.state.is_active());
        let answer_signer = answering.last().map(|key| CompactSigner::new(Arc::clone(key), ANSWER_TYP));
        let key_set = |keys: Vec<&Arc<SigningKey>>| {
            let keys = keys.into_iter().map(|key| key.public().clone());
            KeySet::from_keys(keys).map_err(|_| Fault::Broken("two keys of a realm share a kid, or they are too many"))
        };
        let (published, accepted) = (key_set(published)?, key_set(accepted)?);
        // What was published for long enough may be in use where this node has not heard of it yet.
        let ahead = realm.settings.keys.publish_ahead;
        let next = keys.iter().filter(|record| record.purpose == KeyPurpose::AccessToken && record.state == KeyState::Next);
        let next = next.filter_map(|record| Some((record.published_at.plus_seconds(ahead), opened.get(&record.key)?)));
        let upcoming = next.map(|(from, key)| Ok((from, key_set(vec![key])?))).collect::<Result<Vec<(Time, KeySet)>, Fault>>()?;
        let mut scopes: BTreeMap<ScopeToken, Vec<usize>> = BTreeMap::new();
        for (index, resource) in resources.iter().enumerate().filter(|(_, resource)| resource.status.is_active()) {
            for entry in &resource.scopes {
                scopes.entry(entry.scope.clone()).or_default().push(index);
            }
        }
        let access_seal = data.root.derive("opaque access tokens", realm.key.as_bytes());
        let refresh_seal = data.root.derive("refresh tokens with client credentials", realm.key.as_bytes());
        let family_mac = data.root.derive_mac("refresh tokens of families", realm.key.as_bytes());
        let verification = verification(&realm, accepted.iter().chain(upcoming.iter().flat_map(|(_, keys)| keys.iter())));
        Ok(Self {
            realm,
            resources,
            keys,
            published,
            accepted,
            upcoming,
            signer,
            verification,
            answer_signer,
            access_seal,
            refresh_seal,
            family_mac,
            opened,
            stamp,
            scopes,
        })
    }

    /// Whether the realm allows this beyond the RFCs.
    #[must_use]
    pub fn permits(&self, permission: Permission) -> bool {
        self.realm.permissions.contains(&permission)
    }

    /// Whether an active API of the realm has this scope.
    #[must_use]
    pub fn knows_scope(&self, token: &ScopeToken) -> bool {
        self.scopes.contains_key(token)
    }

    /// The active APIs that have one of these scopes, in the order of their identifiers.
    #[must_use]
    pub fn resources_of(&self, scope: &Scope) -> Vec<&ResourceServer> {
        let mut indexes: Vec<usize> = scope.iter().filter_map(|token| self.scopes.get(token)).flatten().copied().collect();
        indexes.sort_unstable();
        indexes.dedup();
        indexes.into_iter().map(|index| &self.resources[index]).collect()
    }

    /// The active API of this identifier.
    #[must_use]
    pub fn resource(&self, identifier: &str) -> Option<&ResourceServer> {
        self.resources.iter().find(|resource| resource.identifier.as_str() == identifier && resource.status.is_active())
    }

    /// Whether a token with this audience is for this API (RFC 9068 §4).
    #[must_use]
    pub fn is_for(&self, audience: &[String], resource: &ResourceServer) -> bool {
        let name = match &self.realm.settings.access_token.audience {
            AudienceRule::One(one) => one.as_str(),
            AudienceRule::Issuer => self.realm.issuer.as_str(),
            AudienceRule::Resources => resource.identifier.as_str(),
        };
        audience.iter().any(|for_whom| for_whom == name)
    }

    /// The audience of a token for these APIs: as the realm's rule says; for no API it is the realm itself.
    #[must_use]
    pub fn audience_of(&self, resources: &[&ResourceServer]) -> Vec<String> {
        match (&self.realm.settings.access_token.audience, resources) {
            (AudienceRule::One(one), _) => vec![one.as_str().to_owned()],
            (AudienceRule::Issuer, _) | (AudienceRule::Resources, []) => vec![self.realm.issuer.as_str().to_owned()],
            (AudienceRule::Resources, resources) => {
                resources.iter().map(|resource| resource.identifier.as_str().to_owned()).collect()
            }
        }
    }
}

fn verification<'a>(realm: &Realm, keys: impl Iterator<Item = &'a PublicKey>) -> [u8; 32] {
    let format = serde_json::to_string(&realm.settings.access_token.format).unwrap_or_default();
    let mut text = format!("{} {} {format}", realm.key, realm.issuer);
    for key in keys {
        text.push_str(&format!(" {} {}", key.algorithm().name(), key.kid()));
    }
    sha256(text.as_bytes())
}

/// A digest of everything about a realm that decides what its tokens say and which of them pass.
fn stamp(realm: &Realm, keys: &[SigningKeyRecord]) -> Result<u64, Fault> {
    let keys: Vec<_> = keys.iter().map(|key| (&key.kid, key.state)).collect();
    let text = serde_json::to_vec(&(realm, keys)).map_err(|_| Fault::Broken("a record cannot be written as JSON"))?;
    let digest = jeton_jose::sha256(&text);
    Ok(digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)))
}

/// All realms at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    realms: BTreeMap<Key, Arc<RealmState>>,
    /// Grows whenever a realm changes.
    pub revision: u64,
}

impl Snapshot {
    /// The realm of this key.
    #[must_use]
    pub fn realm(&self, key: Key) -> Option<&Arc<RealmState>> {
        self.realms.get(&key)
    }

    /// The realm of this name.
    #[must_use]
    pub fn realm_by_name(&self, name: &RealmName) -> Option<&Arc<RealmState>> {
        self.realms.values().find(|state| state.realm.name == *name)
    }

    /// All realms, oldest first.
    pub fn realms(&self) -> impl Iterator<Item = &Arc<RealmState>> {
        self.realms.values()
    }

    /// A successor in which these realms are as given, or gone.
    #[must_use]
    pub fn with(&self, changed: impl IntoIterator<Item = (Key, Option<RealmState>)>) -> Self {
        let mut realms = self.realms.clone();
        for (key, state) in changed {
            match state {
                Some(state) => realms.insert(key, Arc::new(state)),
                None => realms.remove(&key),
            };
        }
        Self { realms, revision: self.revision + 1 }
    }
}

/// What this process remembers: the snapshot, and a bounded number of clients and API keys.
pub struct Memory {
    /// The present snapshot.
    pub snapshot: ArcSwap<Snapshot>,
    clients: Cache<(Key, ClientId), Arc<Client>>,
    /// Ids that no client has: kept apart, so that invented ids push no client out.
    absent: Cache<(Key, ClientId), ()>,
    api_keys: Cache<(Key, String), Arc<ApiKey>>,
    /// Origins of web pages, and whether a client registered them.
    web_origins: Cache<(Key, WebOrigin), bool>,
    /// What is dead before its time.
    pub revocations: Revocations,
    /// The access tokens lately verified.
    pub verified: Verified,
    /// How well clients keep their tokens.
    pub thrift: Meters,
    /// Who failed lately to show who it is.
    pub failures: Failures,
    /// Counts evictions, so that what was read before one is not remembered after it.
    evictions: Mutex<u64>,
}

impl Memory {
    /// Most clients, and most API keys, that are kept.
    pub const CAPACITY: usize = 100_000;

    /// Most ids without a client that are kept.
    pub const ABSENT: usize = 10_000;

    /// Remembers nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            snapshot: ArcSwap::default(),
            clients: Cache::new(Self::CAPACITY),
            absent: Cache::new(Self::ABSENT),
            api_keys: Cache::new(Self::CAPACITY),
            web_origins: Cache::new(Self::ABSENT),
            revocations: Revocations::new(),
            verified: Verified::new(),
            thrift: Meters::new(),
            failures: Failures::new(),
            evictions: Mutex::new(0),
        }
    }

    /// The client of this id: from memory, from the facts, or needed.
    pub fn client(&self, facts: &Facts, realm: Key, client_id: &ClientId) -> Result<Option<Arc<Client>>, Stop> {
        let place = (realm, client_id.clone());
        if let Some(client) = self.clients.get(&place) {
            return Ok(Some(client));
        }
        if self.absent.get(&place).is_some() {
            return Ok(None);
        }
        let fact = facts.clients.iter().find(|(of, id, _)| *of == realm && id == client_id);
        match (fact, &facts.fault) {
            (Some((_, _, client)), _) => Ok(client.clone()),
            (None, Some(fault)) => Err(Stop::Fault(fault.clone())),
            (None, None) => Err(Stop::Need(Need::Client { realm, client_id: client_id.clone() })),
        }
    }

    /// The API key with this hash: from memory, from the facts, or needed.
    pub fn api_key(&self, facts: &Facts, realm: Key, hash: &str) -> Result<Option<Arc<ApiKey>>, Stop> {
        if let Some(key) = self.api_keys.get(&(realm, hash.to_owned())) {
            return Ok(Some(key));
        }
        let fact = facts.api_keys.iter().find(|(of, known, _)| *of == realm && known == hash);
        match (fact, &facts.fault) {
            (Some((_, _, key)), _) => Ok(key.clone()),
            (None, Some(fault)) => Err(Stop::Fault(fault.clone())),
            (None, None) => Err(Stop::Need(Need::ApiKey { realm, hash: hash.to_owned() })),
        }
    }

    /// Whether a client of the realm registered this origin: from memory, from the facts, or needed.
    pub fn web_origin(&self, facts: &Facts, realm: Key, origin: &WebOrigin) -> Result<bool, Stop> {
        if let Some(known) = self.web_origins.get(&(realm, origin.clone())) {
            return Ok(known);
        }
        let fact = facts.web_origins.iter().find(|(of, known, _)| *of == realm && known == origin);
        match (fact, &facts.fault) {
            (Some((_, _, registered)), _) => Ok(*registered),
            (None, Some(fault)) => Err(Stop::Fault(fault.clone())),
            (None, None) => Err(Stop::Need(Need::WebOrigin { realm, origin: origin.clone() })),
        }
    }

    /// The count of evictions, to be taken before a record is read that shall be remembered.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        *self.evictions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a client unless something was evicted since it was read.
    pub fn remember_client(&self, evictions: u64, client: &Arc<Client>) {
        let now = self.evictions.lock().unwrap_or_else(PoisonError::into_inner);
        if *now == evictions {
            self.clients.insert((client.realm, client.client_id.clone()), Arc::clone(client));
        }
    }

    /// Remembers that no client has this id, unless something was evicted since that was read.
    pub fn remember_absent(&self, evictions: u64, realm: Key, client_id: &ClientId) {
        let now = self.evictions.lock().unwrap_or_else(PoisonError::into_inner);
        if *now == evictions {
            self.absent.insert((realm, client_id.clone()), ());
        }
    }

    /// Remembers an API key unless something was evicted since it was read.
    pub fn remember_api_key(&self, evictions: u64, key: &Arc<ApiKey>) {
        let now = self.evictions.lock().unwrap_or_else(PoisonError::into_inner);
        if *now == evictions {
            self.api_keys.insert((key.realm, key.hash.clone()), Arc::clone(key));
        }
    }

    /// Remembers whether an origin is registered, unless something was evicted since that was read.
    pub fn remember_web_origin(&self, evictions: u64, realm: Key, origin: &WebOrigin, registered: bool) {
        let now = self.evictions.lock().unwrap_or_else(PoisonError::into_inner);
        if *now == evictions {
            self.web_origins.insert((realm, origin.clone()), registered);
        }
    }

    /// Forgets all origins; they change seldom.
    pub fn forget_web_origins(&self) {
        let mut evictions = self.evictions.lock().unwrap_or_else(PoisonError::into_inner);
        *evictions += 1;
        self.web_origins.clear();
    }

    /// Forgets a client that was changed.
    pub fn forget_client(&self, realm: Key, client_id: &ClientId) {
        let mut evictions = self.evictions.lock().unwrap_or_else(PoisonError::into_inner);
        *evictions += 1;
        let place = (realm, client_id.clone());
        self.clients.remove(&place);
        self.absent.remove(&place);
    }

    /// Forgets an API key that was changed.
    pub fn forget_api_key(&self, realm: Key, hash: &str) {
        let mut evictions = self.evictions.lock().unwrap_or_else(PoisonError::into_inner);
        *evictions += 1;
        self.api_keys.remove(&(realm, hash.to_owned()));
    }

    /// Forgets every client and API key; for when changes were missed.
    pub fn forget_all(&self) {
        let mut evictions = self.evictions.lock().unwrap_or_else(PoisonError::into_inner);
        *evictions += 1;
        self.clients.clear();
        self.absent.clear();
        self.api_keys.clear();
        self.web_origins.clear();
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}
