//! A whole installation in memory that answers any bytes, and what must hold whatever it answers.

use bytes::Bytes;
use http::{Request, Response};
use jeton_core::client_auth::Known;
use jeton_core::name::{RequestId, Time};
use jeton_core::run::{Caller, Engine};
use jeton_core::snapshot::RealmState;
use jeton_core::store::MemoryStore;
use jeton_core::token::check;
use jeton_core::world::{Facts, KeyPair, Need, Random, World};
use jeton_jose::{SealKey, SigningKey};
use jeton_wire::dialect::Dialects;
use jeton_wire::{Options, Served, Wire};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// The moment at which everything happens.
const NOW: Time = Time::from_seconds(1_800_000_000);
/// A secret of every client, which no answer may show.
pub const SECRET: &str = "SECR3T-value-that-nobody-shows";

/// The installation: a realm for each built-in dialect, mounted at its name.
pub struct House {
    /// Its decisions.
    pub engine: Arc<Engine>,
    wire: Wire,
    offers: Vec<jeton_core::admin::DialectOffer>,
}

/// The one installation of this process.
pub fn house() -> &'static House {
    static HOUSE: OnceLock<House> = OnceLock::new();
    HOUSE.get_or_init(House::furnished)
}

fn with_world<T>(facts: &Facts, run: impl FnOnce(&World<'_>) -> T) -> T {
    // Two requests never draw the same keys for what they write.
    static REQUESTS: AtomicU64 = AtomicU64::new(0);
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&REQUESTS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let (random, request_id) = (Random::from_seed(seed), RequestId::parse("0123456789abcdef").expect("an id"));
    run(&World { now: NOW, random: &random, request_id: &request_id, source: World::INSIDE, facts })
}

impl House {
    fn furnished() -> Self {
        let store = Arc::new(MemoryStore::new());
        let engine = with_world(&Facts::default(), |world| Engine::open(store, &SealKey::from_bytes([1; 32]), world));
        let engine = Arc::new(engine.expect("a fresh store opens"));
        let wire = Wire::new(Arc::clone(&engine), Options { sample_api: true, serves: |_| true }).expect("built-in dialects");
        let offers = jeton_wire::admin::offers(&Dialects::built_in().expect("built-in dialects"));
        let house = Self { engine, wire, offers };
        let realms: Vec<Value> = house.offers.iter().map(realm).collect();
        house.administer("apply", object(json!({ "document": { "realm": realms } }))).expect("the document holds");
        house
    }

    /// Runs an admin command. The outer `Err` is what does not fit the command, the inner one its refusal.
    pub fn administer(&self, name: &str, given: Map<String, Value>) -> Result<Value, jeton_core::admin::AdminStop> {
        let command = jeton_core::admin::command(name).expect("a command");
        let args = jeton_core::admin::Args::parse(command, given)?;
        let mut facts = Facts::default();
        loop {
            let (actor, powers) = (&jeton_core::record::Actor::System, jeton_core::admin::Powers::Whole);
            let caller = Caller { actor, powers, dialects: &self.offers };
            match with_world(&facts, |world| self.engine.administer(world, command, &args, &caller)) {
                Err(jeton_core::admin::AdminStop::Need(Need::KeyPair(algorithm))) => {
                    let (_, pkcs8) = SigningKey::generate(algorithm).expect("a key pair");
                    facts.key_pairs.push(KeyPair { algorithm, pkcs8: pkcs8.as_slice().into() });
                }
                outcome => return outcome,
            }
        }
    }

    /// Serves one request; never a panic, never our fault, never a secret.
    pub fn serve(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let mut facts = Facts::default();
        for _ in 0..8 {
            match with_world(&facts, |world| self.wire.serve(world, request)) {
                Served::Answer(response, _) => {
                    assert!(response.status().as_u16() < 500, "{response:?}");
                    assert!(!String::from_utf8_lossy(response.body()).contains(SECRET), "{response:?}");
                    return response;
                }
                Served::Need(need) => self.engine.meet(NOW, &need, &mut facts).expect("a store in memory"),
            }
        }
        panic!("a request needs more and more");
    }

    /// A token request to the realm of the dialect that `choice` picks. `Ok` carries the realm and the answer.
    pub fn token(&self, choice: u8, headers: &[(&str, &[u8])], body: &[u8]) -> Response<Bytes> {
        let names: Vec<&str> = self.offers.iter().map(|offer| offer.name.as_str()).collect();
        let name = names[usize::from(choice) % names.len()];
        let dialect = Dialects::built_in().expect("built-in dialects");
        let label = jeton_core::name::Label::parse(name).expect("a name");
        let path = dialect.by_name(&label).and_then(|dialect| dialect.file.endpoints.token.first().cloned()).expect("a path");
        let mut request = Request::post(format!("/{name}{path}"));
        for (name, value) in headers {
            let Ok(value) = http::HeaderValue::from_bytes(value) else { return Response::new(Bytes::new()) };
            request = request.header(*name, value);
        }
        self.serve(&request.body(Bytes::copy_from_slice(body)).expect("a path and headers"))
    }

    /// Checks presented bytes as an access token of every realm. Nothing that was not issued here may pass.
    pub fn checks(&self, presented: &str) {
        let snapshot = self.engine.memory.snapshot.load();
        for state in snapshot.realms() {
            let state: &RealmState = state;
            let passed = with_world(&Facts::default(), |world| {
                let known: Known<'_> = self.engine.known(state);
                check(state, known.memory, world, presented).is_ok()
            });
            assert!(!passed, "a token that nobody issued passes");
            assert!(jeton_core::token::open_refresh(state, presented).is_err());
            // A refresh token of a family may name whatever it likes; without the realm's key it proves nothing.
            if let Some(token) = jeton_core::token::FamilyToken::parse(presented) {
                assert!(!token.is_of(state));
            }
        }
    }
}

fn realm(offer: &jeton_core::admin::DialectOffer) -> Value {
    let name = offer.name.as_str();
    let secrets = json!([{ "name": "main", "value": SECRET }]);
    let client = json!({
        "client_id": "caller", "title": "A caller", "type": "confidential", "grants": ["client_credentials"],
        "scope": ["read"], "auth_methods": ["client_secret_basic", "client_secret_post"], "secrets": secrets,
    });
    let resource = json!({
        "identifier": format!("https://api.{name}.example"), "title": "An API", "base_url": "https://api.example",
        "scopes": [{ "scope": "read", "sentence": "Read." }],
        "operations": [{ "method": "GET", "path": "/data", "scope": ["read"], "answer": { "data": [] } }],
    });
    let mut realm = json!({
        "name": name.replace('.', "-"), "issuer": format!("https://login.example/{name}"),
        "mounts": [{ "path": format!("/{name}") }], "dialect": name, "accept": offer.needs,
        "resource": [resource], "client": [client],
    });
    if matches!(offer.defaults.scope.meaning, jeton_core::record::ScopeMeaning::Tenant(_)) {
        realm["settings"] = json!({ "scope": { "omitted": "refuse", "meaning": { "tenant": "login.example" } } });
    }
    realm
}

/// The members of an object.
pub fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
