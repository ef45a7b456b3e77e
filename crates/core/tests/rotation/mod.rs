//! Signing keys rotate by themselves: in virtual time, over one store with one node or two.

use super::{claims, settings};
use jeton_core::admin::{AdminStop, Args, DialectOffer, KeyWatch, Powers, Rotated, command};
use jeton_core::client_auth::Credentials;
use jeton_core::endpoint::{TokenRequest, token};
use jeton_core::name::{Key, Label, RealmName, RequestId, Time};
use jeton_core::record::{
    AccessTokenFormat, Actor, Audit, KeyEnd, KeyPurpose, KeySettings, KeyState, Lookup, Realm, SigningKeyRecord, keys_of_realm,
    realm_by_name,
};
use jeton_core::run::{Caller, Engine};
use jeton_core::snapshot::RealmState;
use jeton_core::store::{Changing, MemoryStore, Order};
use jeton_core::token::check;
use jeton_core::world::{Facts, KeyPair, Need, Presented, Random, Stop, World};
use jeton_jose::{Algorithm, KeySet, SealKey, SigningKey, b64, jwt, parse_compact};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

const SECRET: &str = "a secret of the build server";

/// Nodes over one store, and their two clocks: one that can be set, and one that only runs.
struct Works {
    nodes: Vec<(Engine, Mutex<KeyWatch>)>,
    offers: Vec<DialectOffer>,
    wall: Cell<i64>,
    steady: Cell<i64>,
    runs: Cell<u64>,
}

fn signed(algorithm: Algorithm) -> AccessTokenFormat {
    AccessTokenFormat::Jwt { algorithm, typ: "at+jwt".into(), claims: claims() }
}

impl Works {
    /// A realm `acme` whose tokens are signed, with a client.
    fn new(nodes: usize, keys: KeySettings, lifetime: i64) -> Self {
        let mut defaults = settings(signed(Algorithm::Es256));
        defaults.keys = keys;
        defaults.access_token.lifetime = lifetime;
        let label = |name: &str| Label::parse(name).expect("a name");
        let offers = vec![DialectOffer {
            name: label("plain"),
            title: "Plain".into(),
            paths: vec!["/token".into()],
            needs: Vec::new(),
            defaults,
        }];
        let store = Arc::new(MemoryStore::new());
        let mut works =
            Self { nodes: Vec::new(), offers, wall: Cell::new(1_800_000_000_000), steady: Cell::new(0), runs: Cell::new(0) };
        for _ in 0..nodes {
            let engine = works.world(&Facts::default(), |world| {
                let store: Arc<MemoryStore> = Arc::clone(&store);
                Engine::open(store, &SealKey::from_bytes([1; 32]), world).expect("opens")
            });
            works.nodes.push((engine, Mutex::default()));
        }
        works.run("realm.create", json!({"realm": "acme", "issuer": "https://auth.acme.example"}));
        works.run("resource.create", json!({"realm": "acme", "resource": "https://api.acme.example"}));
        let scope = json!({"realm": "acme", "resource": "https://api.acme.example", "scope": "read", "sentence": "Data."});
        works.run("scope.add", scope);
        works.run("client.create", json!({"realm": "acme", "client": "build-7", "scope": ["read"]}));
        works.run("secret.create", json!({"realm": "acme", "client": "build-7", "name": "main", "value": SECRET}));
        works
    }

    fn world<T>(&self, facts: &Facts, ask: impl FnOnce(&World<'_>) -> T) -> T {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.runs.get().to_be_bytes());
        let (random, request_id) = (Random::from_seed(seed), RequestId::parse(&format!("request-{:016}", self.runs.get())));
        let request_id = request_id.expect("an id");
        ask(&World { now: self.now(), random: &random, request_id: &request_id, source: World::INSIDE, facts })
    }

    fn now(&self) -> Time {
        Time::from_millis(self.wall.get())
    }

    /// Decides with as many key pairs as are needed.
    fn decided<T>(&self, decide: impl Fn(&World<'_>) -> Result<T, AdminStop>) -> Result<T, AdminStop> {
        self.runs.set(self.runs.get() + 1);
        let pair = |algorithm: Algorithm| {
            let (_, pkcs8) = SigningKey::generate(algorithm).expect("a key pair");
            KeyPair { algorithm, pkcs8: pkcs8.as_slice().into() }
        };
        let mut facts = Facts { key_pairs: vec![pair(Algorithm::Es256)], ..Facts::default() };
        loop {
            match self.world(&facts, &decide) {
                Err(AdminStop::Need(Need::KeyPair(algorithm))) => facts.key_pairs.push(pair(algorithm)),
                done => return done,
            }
        }
    }

    fn try_run(&self, name: &str, given: Value) -> Result<Value, AdminStop> {
        let command = command(name).expect("a command");
        let args = Args::parse(command, given.as_object().cloned().unwrap_or_default())?;
        let caller = Caller { actor: &Actor::Local { uid: 7 }, powers: Powers::Whole, dialects: &self.offers };
        self.decided(|world| self.nodes[0].0.administer(world, command, &args, &caller))
    }

    fn run(&self, name: &str, given: Value) -> Value {
        self.try_run(name, given).unwrap_or_else(|stop| panic!("{name}: {stop}"))
    }

    /// A node looks at its keys and takes every step that is due.
    fn tick(&self, node: usize) -> Vec<Rotated> {
        let (engine, watch) = &self.nodes[node];
        engine.follow(self.now()).expect("it follows");
        let mut taken = Vec::new();
        loop {
            let due = watch.lock().expect("nobody panics while holding it").look(
                &engine.memory.snapshot.load(),
                self.now(),
                self.steady.get(),
            );
            let steps = due.realms.iter().map(|realm| self.decided(|world| engine.rotate(world, *realm, &due)).expect("a step"));
            let steps: Vec<Rotated> = steps.flatten().collect();
            if steps.is_empty() {
                break;
            }
            taken.extend(steps);
            assert!(taken.len() < 50, "steps without end: {taken:?}");
        }
        taken
    }

    /// Time passes on both clocks, second by second, and every node looks at its keys; what was done, with the second.
    fn pass(&self, seconds: i64) -> Vec<(i64, &'static str)> {
        let mut taken = Vec::new();
        for second in 1..=seconds {
            self.wall.set(self.wall.get() + 1000);
            self.steady.set(self.steady.get() + 1000);
            for node in 0..self.nodes.len() {
                taken.extend(self.tick(node).iter().map(|step| (second, step.action)));
            }
        }
        taken
    }

    /// Somebody sets the clock.
    fn jump(&self, seconds: i64) {
        self.wall.set(self.wall.get() + seconds * 1000);
    }

    fn realm(&self) -> Realm {
        let name = RealmName::parse("acme").expect("a name");
        let found = self.nodes[0].0.read(self.now(), |reader| reader.find(realm_by_name(&name)));
        found.expect("it reads").expect("a realm")
    }

    fn state(&self, node: usize) -> Arc<RealmState> {
        let snapshot = self.nodes[node].0.memory.snapshot.load();
        Arc::clone(snapshot.realm_by_name(&self.realm().name).expect("the realm"))
    }

    /// The keys of the realm, the oldest first.
    fn keys(&self) -> Vec<SigningKeyRecord> {
        let realm = self.realm().key;
        let read = self.nodes[0].0.read(self.now(), |reader| reader.scan(keys_of_realm(realm), None, Order::Ascending, 5000));
        let mut keys: Vec<SigningKeyRecord> = read.expect("it reads");
        keys.sort_by_key(|key| key.key);
        keys
    }

    fn states(&self) -> Vec<&'static str> {
        self.keys().iter().map(|key| key.state.name()).collect()
    }

    fn audits(&self) -> Vec<Audit> {
        let all = Lookup { index: None, prefix: Vec::new(), guard: None };
        let read = self.nodes[0].0.read(self.now(), |reader| reader.scan(all.clone(), None, Order::Ascending, 5000));
        let mut audits: Vec<Audit> = read.expect("it reads");
        audits.retain(|audit| audit.action.starts_with("key."));
        audits
    }

    /// A token of the client, from the token endpoint of a node.
    fn token(&self, node: usize) -> String {
        self.runs.set(self.runs.get() + 1);
        let request = TokenRequest {
            credentials: Credentials {
                body_id: Some("build-7".into()),
                body_secret: Some(Presented::new(SECRET)),
                ..Credentials::default()
            },
            grant_type: Some("client_credentials".into()),
            ..TokenRequest::default()
        };
        let (engine, state) = (&self.nodes[node].0, self.state(node));
        let issued = self.with_facts(engine, |world| {
            token(engine.known(&state), world, &mut Changing::later(world.facts), &request).map_err(|stopped| stopped.stop)
        });
        issued.expect("a token").0.access_token
    }

    /// Whether a node lets a token pass.
    fn passes(&self, node: usize, token: &str) -> bool {
        let (engine, state) = (&self.nodes[node].0, self.state(node));
        self.with_facts(engine, |world| check(&state, &engine.memory, world, token).map_err(|(stop, _)| stop)).is_ok()
    }

    fn with_facts<T>(&self, engine: &Engine, ask: impl Fn(&World<'_>) -> Result<T, Stop>) -> Result<T, Stop> {
        let mut facts = Facts::default();
        loop {
            match self.world(&facts, &ask) {
                Err(Stop::Need(need)) => engine.meet(self.now(), &need, &mut facts).expect("it is met"),
                done => return done,
            }
        }
    }

    /// Whether somebody with this key set accepts a token now.
    fn verifies(&self, token: &str, keys: &KeySet) -> bool {
        let issuer = "https://auth.acme.example";
        let expect = jwt::Expect { issuer, audiences: &[], typ: &["at+jwt"], now: self.now().seconds(), leeway: 0 };
        jwt::verify(token.as_bytes(), keys, &expect).is_ok()
    }
}

fn kid(token: &str) -> String {
    parse_compact(token.as_bytes(), jwt::MAX_TOKEN).expect("a JWT").header().kid.clone().expect("a kid")
}

const QUARTER_HOUR: KeySettings = KeySettings { rotate_after: 900, publish_ahead: 300 };

#[test]
fn a_key_is_published_then_signs_then_retires_then_goes() {
    let works = Works::new(1, QUARTER_HOUR, 200);
    let first = kid(&works.token(0));
    assert_eq!(works.pass(594), [], "a realm's first key signs at once, and nothing happens before its time");
    assert_eq!(works.pass(1), [(1, "publish")], "a successor is published so early that it can sign in time");
    assert_eq!((works.states(), kid(&works.token(0))), (vec!["active", "next"], first.clone()));
    assert_eq!(works.state(0).published.iter().len(), 2);
    assert_eq!(works.pass(304), []);
    let last = works.token(0);
    assert_eq!(kid(&last), first);
    let set = works.state(0).published.to_json();
    assert_eq!(works.pass(1), [(1, "activate")]);
    let second = kid(&works.token(0));
    assert_eq!(works.state(0).published.to_json(), set, "the same keys are the same bytes, whatever they do");
    assert_eq!((works.states(), second != first), (vec!["retiring", "active"], true));
    // The last token of the first key lives to its end, and the key a little longer.
    works.pass(198);
    assert!(works.passes(0, &last));
    works.pass(1);
    assert!(!works.passes(0, &last));
    assert!(works.state(0).published.by_kid(&first).is_some());
    works.pass(21 + 304);
    assert!(works.state(0).published.by_kid(&first).is_some(), "it is watched for as long as key sets are kept");
    assert_eq!(works.pass(1), [(1, "expire")]);
    assert_eq!(works.keys()[0].state, KeyState::Gone { since: works.now(), end: KeyEnd::Outlived });
    assert!(works.keys()[0].sealed.is_empty(), "the private part is gone");
    assert!(works.state(0).published.by_kid(&first).is_none());
    let mut steps: Vec<(String, bool)> =
        works.audits().into_iter().map(|audit| (audit.action, audit.actor == Actor::System)).collect();
    // Retiring and activating are one change.
    steps[2..4].sort();
    let expected = [("begin", false), ("publish", true), ("activate", true), ("retire", true), ("expire", true)];
    assert_eq!(steps, expected.map(|(action, system)| (format!("key.{action}"), system)));
}

/// A new key every second, a verifier whose key set is five minutes old, and every token to its end.
/// Rows: F-28.
#[test]
fn rotation_every_second_breaks_no_verifier_with_a_key_set_of_five_minutes_ago() {
    const KEPT: usize = 300;
    const LIFETIME: i64 = 20;
    /// So much older is a key set with which tokens are refused, or the test could not fail.
    const TOO_OLD: usize = 20;
    let works = Works::new(2, QUARTER_HOUR, LIFETIME);
    // So many keys at once are refused as a setting, since not every verifier would read them; here it is what is wanted.
    let mut realm = works.realm();
    realm.settings.keys.rotate_after = 1;
    let stop = works.try_run("realm.set", json!({"realm": "acme", "settings": {"keys": {"rotate_after": 1}}}));
    assert!(stop.expect_err("refused").to_string().contains("rotate_after longer"));
    works
        .decided(|world| works.nodes[0].0.transact(world, |records, _| Ok::<_, AdminStop>(records.update(&realm)?)))
        .expect("it is written");
    let mut sets: VecDeque<KeySet> = VecDeque::from(vec![works.state(0).published.clone(); KEPT + TOO_OLD]);
    let (mut living, mut used, mut checked, mut too_old) = (VecDeque::new(), BTreeSet::new(), 0, 0);
    for second in 0..(305 + 120) {
        works.pass(1);
        let node = second % 2;
        sets.push_back(works.state(1 - node).published.clone());
        let (ancient, old) = (sets.pop_front().expect("a set"), &sets[TOO_OLD]);
        let token = works.token(node);
        used.insert(kid(&token));
        too_old += usize::from(!works.verifies(&token, &ancient));
        living.push_back((works.now().seconds() + LIFETIME, token));
        while living.front().is_some_and(|(end, _)| *end <= works.now().seconds()) {
            living.pop_front();
        }
        // The newest, the oldest, and every one now and then.
        for (_, token) in
            living.iter().rev().take(1).chain(living.iter().take(1)).chain(living.iter().filter(|_| second % 20 == 0))
        {
            assert!(works.verifies(token, old), "second {second}: a verifier refuses a token of {}", kid(token));
            assert!(works.verifies(token, sets.back().expect("a set")) && works.passes(1 - node, token), "second {second}");
            checked += 1;
        }
        assert!(living.iter().all(|(_, token)| old.by_kid(&kid(token)).is_some()), "second {second}");
    }
    assert!(used.len() > 100 && checked > 700, "{} keys, {checked} checks: nothing was proven", used.len());
    assert!(too_old > 100, "only {too_old} tokens are refused with a key set that is too old");
}

#[test]
fn a_clock_that_jumps_ends_no_key_and_hurries_none() {
    let works = Works::new(1, QUARTER_HOUR, 3600);
    works.pass(595);
    assert_eq!(works.states(), ["active", "next"]);
    // Ten years ahead: the successor has been watched for no time at all.
    works.jump(10 * 365 * 86_400);
    assert_eq!(works.pass(304), []);
    assert_eq!(works.pass(1), [(1, "activate")]);
    let living = works.token(0);
    works.pass(10);
    // Back again: what was written in the future is dated, the key that retires is kept, its tokens pass.
    works.jump(-10 * 365 * 86_400);
    assert_eq!(works.pass(1), [(1, "date")]);
    assert_eq!(works.states(), ["retiring", "active"]);
    assert!(works.verifies(&works.token(0), &works.state(0).published));
    drop(living);
    // Now the first one retires in the present; a jump does not end it, however long the clock stays wrong within an hour.
    let works = Works::new(1, QUARTER_HOUR, 3600);
    works.pass(890);
    let token = works.token(0);
    works.pass(10);
    assert_eq!(works.states(), ["retiring", "active"]);
    works.jump(40 * 86_400);
    let wrong = works.pass(2000);
    assert!(wrong.iter().all(|(_, action)| *action != "expire"), "{wrong:?}");
    works.jump(-40 * 86_400);
    works.pass(5);
    assert!(works.passes(0, &token), "it lives for another 1600 seconds");
    // A clock that was behind and is put right is believed after an hour.
    works.jump(40 * 86_400);
    let right = works.pass(4000);
    assert!(right.iter().any(|(_, action)| *action == "expire"), "{right:?}");
}

#[test]
fn a_lifetime_that_changes_is_remembered_by_the_keys_that_signed_with_it() {
    let works = Works::new(1, QUARTER_HOUR, 3600);
    works.pass(600);
    let lifetime = |seconds: i64| json!({"realm": "acme", "settings": {"access_token": {"lifetime": seconds}}});
    let long = works.token(0);
    works.run("realm.set", lifetime(60));
    works.pass(400);
    assert_eq!(works.states()[..2], ["retiring", "active"]);
    let KeyState::Retiring { since, until, .. } = works.keys()[0].state else { panic!("it retires") };
    assert_eq!(until, since.plus_seconds(3620), "tokens of before the change live for an hour");
    works.pass(2500);
    assert!(works.passes(0, &long) && works.state(0).accepted.by_kid(&kid(&long)).is_some());
    // A longer one counts from when it is set, for the key that signs and for the one that waits.
    let works = Works::new(1, QUARTER_HOUR, 60);
    works.pass(600);
    works.run("realm.set", lifetime(7200));
    assert_eq!(works.keys().iter().map(|key| key.outlasted).collect::<Vec<_>>(), [7200, 7200]);
    let long = works.token(0);
    works.pass(7199);
    assert!(works.passes(0, &long));
    works.pass(1);
    assert!(!works.passes(0, &long));
}

#[test]
fn another_algorithm_is_published_before_it_is_used() {
    let works = Works::new(1, QUARTER_HOUR, 60);
    works.pass(5);
    let format = |algorithm: Algorithm| {
        let format = serde_json::to_value(signed(algorithm)).expect("JSON");
        json!({"realm": "acme", "settings": {"access_token": {"format": format}}})
    };
    works.run("realm.set", format(Algorithm::EdDsa));
    let used = |works: &Works| works.state(0).accepted.by_kid(&kid(&works.token(0))).expect("accepted").algorithm();
    assert_eq!(used(&works), Algorithm::Es256);
    assert_eq!(works.pass(305), [(1, "publish")]);
    assert_eq!((used(&works), works.pass(1), used(&works)), (Algorithm::Es256, vec![(1, "activate")], Algorithm::EdDsa));
    // A change of mind takes the successor back; without signed tokens nothing signs any more.
    works.run("realm.set", format(Algorithm::Ps256));
    works.pass(2);
    works.run("realm.set", format(Algorithm::EdDsa));
    assert_eq!(works.pass(1), [(1, "withdraw")]);
    works.run("realm.set", json!({"realm": "acme", "settings": {"access_token": {"format": {"kind": "opaque"}}}}));
    assert_eq!(works.pass(1), [(1, "retire")]);
    assert!(works.state(0).signer.is_none());
    works.run("realm.set", format(Algorithm::EdDsa));
    assert!(works.passes(0, &works.token(0)), "where nothing signs, a new key does at once");
}

/// Two nodes that find the same step due take it once: the realm's version guards the keys.
#[test]
fn two_nodes_that_rotate_at_once_make_one_key() {
    for round in 0..150 {
        let works = Works::new(2, QUARTER_HOUR, 60);
        works.wall.set(works.wall.get() + 600_000);
        let realm = works.realm().key;
        let start = std::sync::Barrier::new(2);
        let (now, runs) = (works.now(), works.runs.get());
        let engines: Vec<&Engine> = works.nodes.iter().map(|(engine, _)| engine).collect();
        let taken: Vec<Option<Rotated>> = std::thread::scope(|scope| {
            let race = |number: u8, engine: &Engine| {
                let (_, pkcs8) = SigningKey::generate(Algorithm::Es256).expect("a key pair");
                let pair = KeyPair { algorithm: Algorithm::Es256, pkcs8: pkcs8.as_slice().into() };
                let facts = Facts { key_pairs: vec![pair], ..Facts::default() };
                let mut seed = [number; 32];
                seed[..8].copy_from_slice(&runs.to_be_bytes());
                let (random, id) = (Random::from_seed(seed), RequestId::parse(&format!("racing-{number}-00000001")));
                let id = id.expect("an id");
                let world = World { now, random: &random, request_id: &id, source: World::INSIDE, facts: &facts };
                start.wait();
                engine.rotate(&world, realm, &jeton_core::admin::KeysDue::default()).expect("a step or none")
            };
            let racers: Vec<_> = (1..).zip(&engines).map(|(number, engine)| scope.spawn(move || race(number, engine))).collect();
            racers.into_iter().map(|racer| racer.join().expect("no panic")).collect()
        });
        assert_eq!(taken.iter().flatten().count(), 1, "round {round}: {taken:?}");
        assert_eq!(works.states(), ["active", "next"], "round {round}");
    }
}

#[test]
fn an_administrator_rotates_retires_and_revokes() {
    let works = Works::new(2, KeySettings::default(), 600);
    let acme = || json!({"realm": "acme"});
    let listed = |works: &Works| works.run("key.list", acme())["items"].clone();
    let first = listed(&works)[0].clone();
    assert_eq!((&first["state"], &first["next"]), (&json!("active"), &json!("a successor is published")));
    // By name and in time.
    works.pass(1);
    let begun = works.run("key.rotate", acme());
    assert_eq!(works.run("key.rotate", acme())["kid"], begun["kid"], "a rotation that is under way is not begun again");
    let retired = works.run("key.retire", json!({"realm": "acme", "kid": first["kid"]}));
    assert_eq!((&retired["state"], &retired["successor"]), (&json!("active"), &begun["kid"]));
    assert_eq!(listed(&works)[1]["next"], "it signs");
    works.pass(1);
    let before = works.token(1);
    works.pass(305);
    assert_eq!(works.states(), ["retiring", "active"]);
    assert!(works.passes(0, &before));
    // In a hurry.
    let now = works.run("key.rotate", json!({"realm": "acme", "now": true}));
    works.tick(1);
    assert_eq!(json!(kid(&works.token(1))), now["kid"]);
    assert_eq!(works.states(), ["retiring", "retiring", "active"]);
    assert!(works.passes(1, &before));
    // It leaked.
    let (stolen, other) = (works.token(1), before);
    let revoked = works.run("key.revoke", json!({"realm": "acme", "kid": now["kid"]}));
    works.tick(1);
    for node in 0..2 {
        assert!(!works.passes(node, &stolen), "a token of a revoked key passes at node {node}");
        assert!(works.passes(node, &other), "a token of another key does not");
        assert!(works.state(node).published.by_kid(&kid(&stolen)).is_none());
        let next = works.token(node);
        assert_eq!(json!(kid(&next)), revoked["successor"]);
        assert!(works.passes(1 - node, &next));
    }
    assert!(revoked["note"].as_str().is_some_and(|note| note.contains("300 seconds") && note.contains("signs from now on")));
    assert_eq!(listed(&works)[2]["end"], "revoked");
    assert!(
        works.run("key.revoke", json!({"realm": "acme", "kid": now["kid"]}))["note"]
            .as_str()
            .expect("a note")
            .contains("already")
    );
    let refused = works.try_run("key.revoke", json!({"realm": "acme", "kid": "unknown"})).expect_err("refused");
    assert_eq!(refused.to_string(), "realm acme has no signing key with this kid; jeton key list acme shows them");
    // A successor that was published is the one that takes over.
    let waiting = works.run("key.rotate", acme());
    let active = revoked["successor"].clone();
    let revoked = works.run("key.revoke", json!({"realm": "acme", "kid": active}));
    assert_eq!(revoked["successor"], waiting["kid"]);
    let gone = works.keys().into_iter().filter(|key| !key.state.is_published());
    assert!(gone.into_iter().all(|key| key.sealed.is_empty()), "the private part of a gone key is kept");
    assert!(works.audits().iter().any(|audit| audit.action == "key.revoke" && audit.actor == Actor::Local { uid: 7 }));
}

/// Access tokens and ID tokens are signed by different keys, so that one never passes for the other (decisions.md 6).
#[test]
fn a_key_for_id_tokens_signs_no_access_token_and_verifies_none() {
    let works = Works::new(1, QUARTER_HOUR, 60);
    let (engine, realm) = (&works.nodes[0].0, works.realm().key);
    let (pair, pkcs8) = SigningKey::generate(Algorithm::Es256).expect("a key pair");
    let record = SigningKeyRecord {
        purpose: KeyPurpose::IdToken,
        key: jeton_core::name::Key::new(works.now().plus_seconds(1), [9; 10]),
        kid: pair.kid().to_owned(),
        sealed: engine.data().seal_signing_key([3; 12], realm, pair.kid(), &pkcs8),
        ..works.keys()[0].clone()
    };
    works
        .decided(|world| engine.transact(world, |records, _| Ok::<_, AdminStop>(records.insert(&record)?)))
        .expect("it is written");
    let right = works.token(0);
    assert_ne!(kid(&right), record.kid);
    let payload = right.split('.').nth(1).expect("claims");
    let claims = b64::decode(payload.as_bytes()).expect("base64url");
    let forged = jeton_jose::sign_compact(&pair, "at+jwt", &claims).expect("it signs");
    assert!(works.passes(0, &right) && !works.passes(0, &forged));
    assert!(works.verifies(&forged, &works.state(0).published), "its key is published, for ID tokens");
    // No slot needs it here, so it retires; the key of access tokens is not touched.
    assert_eq!(works.pass(1), [(1, "retire")]);
    assert_eq!(works.states(), ["active", "retiring"]);
}

#[test]
fn the_key_for_signed_answers_is_listed_and_retired_like_those_that_sign_tokens() {
    let works = Works::new(1, KeySettings::default(), 600);
    let (engine, realm) = (&works.nodes[0].0, works.realm().key);
    let (made, pkcs8) = SigningKey::generate(Algorithm::Es256).expect("a key pair");
    let record = SigningKeyRecord {
        key: Key::new(works.now(), [9; 10]),
        purpose: KeyPurpose::Introspection,
        kid: made.kid().to_owned(),
        state: KeyState::Active { from: works.now() },
        sealed: engine.data().seal_signing_key([9; 12], realm, made.kid(), &pkcs8),
        ..works.keys()[0].clone()
    };
    works.decided(|world| engine.transact(world, |records, _| Ok::<_, AdminStop>(records.insert(&record)?))).expect("written");
    let listed = works.run("key.list", json!({"realm": "acme"}))["items"].clone();
    let next = |kid: &str| {
        let found = listed.as_array().expect("keys").iter().find(|key| key["kid"] == kid);
        found.expect("the key")["next"].clone()
    };
    assert_eq!(next(made.kid()), "a successor is published");
    let retired = works.run("key.retire", json!({"realm": "acme", "kid": made.kid()}));
    assert_eq!((&retired["state"], retired["successor"].is_string()), (&json!("active"), true), "it signs until then");
}
