//! Admin commands over the store in memory: what they change, what they refuse, and what they write down.

#[path = "admin/chain.rs"]
mod chain;
#[path = "admin/webhooks.rs"]
mod webhooks;

use jeton_core::admin::{AREAS, AdminStop, Args, DialectOffer, Effect, ParamNeed, Powers, command, commands};
use jeton_core::client_auth::{Credentials, Known};
use jeton_core::endpoint::{TokenRequest, token};
use jeton_core::name::{Issuer, Key, Label, RealmName, RequestId, Time};
use jeton_core::record::{
    AccessTokenFormat, Actor, ClaimRow, ClaimShape, ClaimSource, Client, JournalEntry, Permission, RealmSettings, client_by_id,
    realm_by_name,
};
use jeton_core::run::{Caller, Engine};
use jeton_core::store::Changing;
use jeton_core::store::MemoryStore;
use jeton_core::token::check;
use jeton_core::world::{Facts, KeyPair, Need, Presented, Random, Stop, World};
use jeton_jose::{Algorithm, SealKey, SigningKey};
use serde_json::{Map, Value, json};
use std::cell::Cell;
use std::sync::Arc;

mod rotation;

/// An installation in memory, and a clock that moves a second with each command.
struct Desk {
    engine: Engine,
    offers: Vec<DialectOffer>,
    now: Cell<i64>,
    runs: Cell<i64>,
    actor: Actor,
}

fn claims() -> Vec<ClaimRow> {
    use ClaimSource::{Audience, ClientId, ExpiresAt, IssuedAt, Issuer, Scope, Subject};
    let row = |(name, from): (&str, _)| ClaimRow { name: name.into(), from, shape: ClaimShape::Natural, prefix: String::new() };
    let rows =
        [("iss", Issuer), ("sub", Subject), ("aud", Audience), ("client_id", ClientId), ("iat", IssuedAt), ("exp", ExpiresAt)];
    rows.into_iter().chain([("scope", Scope)]).map(row).collect()
}

fn settings(format: AccessTokenFormat) -> RealmSettings {
    RealmSettings { refresh_token_lifetime: 3600, ..RealmSettings::new(3600, format) }
}

impl Desk {
    fn new() -> Self {
        let plain = DialectOffer {
            paths: vec!["/token".into()],
            name: Label::parse("plain").expect("a label"),
            title: "Plain".into(),
            needs: Vec::new(),
            defaults: settings(AccessTokenFormat::Jwt { algorithm: Algorithm::Es256, typ: "at+jwt".into(), claims: claims() }),
        };
        let loose = DialectOffer {
            paths: vec!["/token".into()],
            name: Label::parse("loose").expect("a label"),
            title: "Loose".into(),
            needs: vec![Permission::TwoCredentials],
            defaults: settings(AccessTokenFormat::Opaque),
        };
        let world = chance(1_000_000);
        let engine = Engine::open(Arc::new(MemoryStore::new()), &SealKey::from_bytes([1; 32]), &world.world(&Facts::default()));
        let (now, runs) = (Cell::new(1_700_000_000), Cell::new(0));
        Self { engine: engine.expect("opens"), offers: vec![plain, loose], now, runs, actor: Actor::Local { uid: 7 } }
    }

    fn try_run(&self, name: &str, given: Value) -> Result<Value, AdminStop> {
        let command = command(name).expect("a command");
        let args = Args::parse(command, given.as_object().cloned().unwrap_or_default())?;
        self.now.set(self.now.get() + 1);
        self.runs.set(self.runs.get() + 1);
        let chance = Chance { now: Time::from_seconds(self.now.get()), ..chance(self.runs.get()) };
        let mut facts = Facts::default();
        loop {
            let caller = Caller { actor: &self.actor, powers: Powers::Whole, dialects: &self.offers };
            match self.engine.administer(&chance.world(&facts), command, &args, &caller) {
                Err(AdminStop::Need(Need::KeyPair(algorithm))) => {
                    let (_, pkcs8) = SigningKey::generate(algorithm).expect("a key pair");
                    facts.key_pairs.push(KeyPair { algorithm, pkcs8: pkcs8.as_slice().into() });
                }
                outcome => return outcome,
            }
        }
    }

    fn run(&self, name: &str, given: Value) -> Value {
        self.try_run(name, given.clone()).unwrap_or_else(|stop| panic!("{name} {given}: {stop}"))
    }

    fn refused(&self, name: &str, given: Value) -> String {
        let stop = self.try_run(name, given.clone()).map(|answer| panic!("{name} {given} answered {answer}"));
        stop.expect_err("refused").to_string()
    }

    /// A realm with an API of two scopes and one client.
    fn furnished() -> Self {
        let desk = Self::new();
        desk.run("realm.create", json!({"realm": "acme", "issuer": "https://auth.acme.example"}));
        desk.run("resource.create", json!({"realm": "acme", "resource": "https://api.acme.example"}));
        for scope in ["read", "write"] {
            let given = json!({"realm": "acme", "resource": "https://api.acme.example", "scope": scope, "sentence": "Data."});
            desk.run("scope.add", given);
        }
        desk.run("client.create", json!({"realm": "acme", "client": "build-7", "scope": ["read"]}));
        desk
    }

    fn client(&self, id: &str) -> Client {
        let find = |reader: &mut jeton_core::store::Reader<'_>| {
            let realm: Option<jeton_core::record::Realm> =
                reader.find(realm_by_name(&RealmName::parse("acme").expect("a name")))?;
            let id = jeton_core::name::ClientId::parse(id).expect("an id");
            reader.find::<Client>(client_by_id(realm.expect("a realm").key, &id))
        };
        self.engine.read(Time::from_seconds(self.now.get()), find).expect("reads").expect("a client")
    }
}

struct Chance {
    now: Time,
    random: Random,
    id: RequestId,
}

fn chance(seconds: i64) -> Chance {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&seconds.to_be_bytes());
    let id = RequestId::parse(&format!("request-{seconds:016}")).expect("an id");
    Chance { now: Time::from_seconds(seconds), random: Random::from_seed(seed), id }
}

impl Chance {
    fn world<'a>(&'a self, facts: &'a Facts) -> World<'a> {
        World { now: self.now, random: &self.random, request_id: &self.id, source: World::INSIDE, facts }
    }
}

#[test]
fn the_table_is_complete() {
    let mut seen = std::collections::BTreeSet::new();
    let mut places = std::collections::BTreeSet::new();
    for command in commands() {
        assert!(seen.insert(command.name), "{} stands twice", command.name);
        assert!(places.insert((command.method, command.path)), "{} shares its place", command.name);
        assert!(AREAS.iter().any(|(scope, _)| *scope == command.scope), "{} has an unknown scope", command.name);
        assert!(!command.examples.is_empty(), "{} has no example", command.name);
        assert!(command.summary.ends_with('.'), "{}", command.name);
        for word in command.path.split('/').filter_map(|segment| segment.strip_prefix('{')) {
            let param = command.param(word.trim_end_matches('}')).unwrap_or_else(|| panic!("{}: {word}", command.name));
            assert_eq!(param.need, ParamNeed::Required, "{}: {word}", command.name);
        }
        let mut positions: Vec<_> = command.params.iter().filter_map(|param| param.position).collect();
        positions.sort_unstable();
        assert_eq!(positions, (0..positions.len()).collect::<Vec<_>>(), "{}", command.name);
        for (line, about) in command.examples {
            assert!(line.contains("jeton ") && !about.is_empty(), "{}: {line}", command.name);
        }
    }
}

#[test]
fn what_ends_for_ever_is_named_before_it_does() {
    for command in commands() {
        let Effect::Destroys(sentence) = command.effect else { continue };
        let is_plain = ["for ever", "lost", "at once"].iter().any(|word| sentence.contains(word));
        assert!(sentence.ends_with('.') && is_plain, "{}", command.name);
        for name in sentence.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name) {
            let param = command.param(name).unwrap_or_else(|| panic!("{} has no parameter {name}", command.name));
            assert_eq!(param.need, ParamNeed::Required, "{}: {name} may be left out", command.name);
        }
        for (line, _) in command.examples {
            assert!(line.contains(" --yes"), "nobody can be asked here: {line}");
        }
    }
    // What takes a right or a credential away, by its verb; the rest can be given back by another command.
    for command in commands() {
        let ends = command.name.contains("revoke") || command.name.ends_with(".delete") || command.name.ends_with(".suspend");
        assert!(!ends || matches!(command.effect, Effect::Destroys(_)), "{} does not ask", command.name);
    }
}

#[test]
fn a_realm_is_made_from_a_dialect_that_is_accepted_by_name() {
    let desk = Desk::new();
    let wanted = json!({"realm": "acme", "issuer": "https://auth.acme.example/x", "dialect": "loose"});
    match desk.try_run("realm.create", wanted.clone()) {
        Err(AdminStop::Accept(_, needs)) => assert_eq!(needs[0].permission, "two-credentials"),
        other => panic!("{other:?}"),
    }
    let mut accepted = wanted;
    accepted["accept"] = json!(["two-credentials"]);
    let realm = desk.run("realm.create", accepted.clone());
    assert_eq!(realm["mounts"], json!([{"host": "auth.acme.example", "path": "/x"}]));
    assert_eq!(realm["permissions"], json!(["two-credentials"]));
    assert!(desk.refused("realm.create", accepted).contains("already"));
    let keys = desk.run("key.list", json!({"realm": "acme"}));
    assert_eq!(keys["items"], json!([]), "opaque tokens need no signature");
    let jwt = json!({"realm": "acme", "settings": {"access_token": {"format": {"kind": "jwt", "algorithm": "EdDSA", "typ": "JWT", "claims": claims()}}}});
    desk.run("realm.set", jwt);
    let keys = desk.run("key.list", json!({"realm": "acme"}));
    assert_eq!(keys["items"][0]["algorithm"], "EdDSA");
    let set = desk.run("realm.set", json!({"realm": "acme", "settings": {"access_token": {"lifetime": 60}}}));
    assert_eq!(set["settings"]["access_token"]["lifetime"], 60);
    assert_eq!(set["settings"]["access_token"]["format"]["kind"], "jwt");
    let forged = json!([{"name": "sub", "from": "subject"}, {"name": "exp", "from": "one"}]);
    let forged = json!({"realm": "acme", "settings": {"access_token": {"format": {"claims": forged}}}});
    assert!(desk.refused("realm.set", forged).contains("claim iss"));
    // These tokens have no id, in which they could name their family.
    let rotating = json!({"realm": "acme", "settings": {"refresh_token": {"with_client_credentials": "rotating"}}});
    assert!(desk.refused("realm.set", rotating).contains("the token's id"));
    let refused = desk.refused("realm.set", json!({"realm": "acme", "settings": {"lifetime": 60}}));
    assert!(refused.contains("unknown field `lifetime`"), "{refused}");
    assert!(desk.refused("realm.create", json!({"realm": "b", "issuer": "https://auth.acme.example/x"})).contains("issuer"));
    let refused = desk.refused("realm.create", json!({"realm": "b", "issuer": "https://b.example", "dialect": "lose"}));
    assert_eq!(refused, "there is no dialect lose; did you mean loose?");
}

#[test]
fn arguments_are_strict() {
    let desk = Desk::furnished();
    let refused = |name: &str, given: Value| desk.refused(name, given);
    assert_eq!(
        refused("realm.create", json!({"realm": "x", "isuer": "https://x.example"})),
        "there is no parameter isuer; did you mean issuer?"
    );
    assert!(refused("realm.create", json!({"realm": "x"})).starts_with("issuer is missing"));
    assert_eq!(refused("client.list", json!({"realm": "acme", "limit": "ten"})), "limit: expected a whole number");
    assert!(refused("client.show", json!({"realm": "acme", "client": "nobody"})).contains("no client nobody"));
    assert!(refused("client.show", json!({"realm": "nowhere", "client": "x"})).contains("no realm nowhere"));
    assert!(refused("client.create", json!({"realm": "acme", "client": "x", "scope": ["fly"]})).contains("scope fly"));
    assert!(
        refused("client.create", json!({"realm": "acme", "client": "x", "type": "public", "grant": ["client_credentials"]}))
            .contains("public")
    );
}

#[test]
fn a_secret_is_shown_once_and_kept_as_a_hash() {
    let desk = Desk::furnished();
    let at = |name: &str| json!({"realm": "acme", "client": "build-7", "name": name});
    let made = desk.run("secret.create", at("main"));
    let value = made["value"].as_str().expect("a value");
    assert!(jeton_core::admin::is_generated(value));
    assert!(desk.refused("secret.create", at("main")).contains("already"));
    let mut imported = at("old");
    imported["value"] = "a+b".into();
    let imported = desk.run("secret.create", imported);
    assert!(imported["warnings"][0].as_str().is_some_and(|warning| warning.contains("percent-encoding")));
    assert_eq!(imported.get("value"), None);
    let mut hashed = at("hashed");
    hashed["hash"] = "$2b$12$abcdefghijklmnopqrstuuB9vRP3uJmqkB8cQh5mWtyVpcMwXvQ8K".into();
    desk.run("secret.create", hashed);
    let list = desk.run("secret.list", json!({"realm": "acme", "client": "build-7"}));
    let forms: Vec<_> = list["items"].as_array().expect("items").iter().map(|item| item["form"].clone()).collect();
    assert_eq!(forms, [json!("keyed"), json!("keyed"), json!("foreign")]);
    let mut expiring = at("old");
    expiring["expires_at"] = "7d".into();
    assert!(desk.run("secret.expire", expiring)["expires_at"].is_string());
    desk.run("secret.revoke", at("old"));
    assert!(desk.refused("secret.revoke", at("old")).contains("no secret old"));
    let key = desk.run("api-key.create", at("main"));
    assert!(key["value"].as_str().is_some_and(|value| value.starts_with("jak_")));
    desk.run("api-key.disable", at("main"));
    desk.run("api-key.revoke", at("main"));
    assert!(desk.refused("api-key.enable", at("main")).contains("no API key"));
    let audit = desk.run("audit.list", json!({"realm": "acme", "limit": 1000})).to_string();
    assert!(!audit.contains(value) && !audit.contains("a+b"), "an audit record holds no secret");
    assert!(audit.contains("acme/client/build-7/secret/main") && audit.contains("user 7"));
}

#[test]
fn what_stops_a_client_ends_its_tokens_for_good() {
    let desk = Desk::furnished();
    let it = json!({"realm": "acme", "client": "build-7"});
    let before = desk.client("build-7").not_before;
    desk.run("client.disable", it.clone());
    let stopped = desk.client("build-7").not_before;
    assert!(stopped > before && stopped > Time::from_seconds(desk.now.get()));
    desk.run("client.enable", it.clone());
    assert_eq!(desk.client("build-7").not_before, stopped);
    let mut suspended = it.clone();
    suspended["reason"] = "Leaked".into();
    assert_eq!(desk.run("client.suspend", suspended)["reason"], "Leaked");
    let mut granted = it.clone();
    granted["scope"] = json!(["write"]);
    assert_eq!(desk.run("client.grant", granted.clone())["scope"], json!(["read", "write"]));
    assert_eq!(desk.run("client.withdraw", granted)["scope"], json!(["read"]));
    desk.run("client.delete", it.clone());
    assert!(desk.refused("client.show", it.clone()).contains("was deleted"));
    assert!(desk.refused("client.create", it).contains("never given again"));
}

#[test]
fn a_token_of_the_second_in_which_its_client_went_on_is_told_from_those_that_died() {
    let desk = Desk::furnished();
    desk.run("realm.set", json!({"realm": "acme", "settings": {"access_token": {"format": {"kind": "opaque"}}}}));
    let value = SecretValue(desk.run("secret.create", json!({"realm": "acme", "client": "build-7", "name": "main"})));
    let it = json!({"realm": "acme", "client": "build-7"});
    let old = desk.token(&value).expect("a token");
    assert!(desk.passes(&old));
    // The clock stands still from here on, but for the last step.
    let now = desk.now.get();
    let run = |name: &str, args: &Value| {
        desk.now.set(now - 1);
        desk.run(name, args.clone());
        assert_eq!(desk.now.get(), now);
    };
    run("client.disable", &it);
    assert!(desk.token(&value).is_err() && !desk.passes(&old));
    run("client.enable", &it);
    let fresh = desk.token(&value).expect("a token");
    assert!(desk.passes(&fresh) && !desk.passes(&old));
    // It counts from the next second, and ends all the same with all of its realm's.
    run("realm.revoke-tokens", &json!({"realm": "acme"}));
    assert!(!desk.passes(&fresh));
    let fresher = desk.token(&value).expect("a token");
    assert!(desk.passes(&fresher));
    // So does that one with all of its client's; the next token takes until the clock is there.
    run("client.revoke-tokens", &it);
    assert!(!desk.passes(&fresher) && desk.token(&value).is_err());
    desk.now.set(now + 2);
    assert!(!desk.passes(&fresher) && desk.passes(&desk.token(&value).expect("a token")));
}

/// The answer that shows a secret.
struct SecretValue(Value);

impl Desk {
    fn with_realm<T>(&self, decide: impl Fn(Known<'_>, &World<'_>) -> Result<T, Stop>) -> Result<T, Stop> {
        let chance = chance(self.now.get());
        let mut facts = Facts::default();
        loop {
            let snapshot = self.engine.memory.snapshot.load();
            let state = snapshot.realm_by_name(&RealmName::parse("acme").expect("a name")).expect("a realm");
            match decide(self.engine.known(state), &chance.world(&facts)) {
                Err(Stop::Need(need)) => self.engine.meet(chance.now, &need, &mut facts).expect("reads"),
                outcome => return outcome,
            }
        }
    }

    fn token(&self, secret: &SecretValue) -> Result<String, Stop> {
        let secret = Presented::new(secret.0["value"].as_str().expect("a value"));
        let request = TokenRequest {
            credentials: Credentials { body_id: Some("build-7".into()), body_secret: Some(secret), ..Credentials::default() },
            grant_type: Some("client_credentials".into()),
            ..TokenRequest::default()
        };
        self.with_realm(|known, world| {
            token(known, world, &mut Changing::later(world.facts), &request)
                .map(|(issued, _)| issued.access_token)
                .map_err(|stopped| stopped.stop)
        })
    }

    fn passes(&self, token: &str) -> bool {
        self.with_realm(|known, world| check(known.realm, known.memory, world, token).map_err(|(stop, _)| stop)).is_ok()
    }
}

#[test]
fn the_admin_realm_is_changed_on_the_machine_only() {
    let mut desk = Desk::new();
    let issuer = Issuer::parse("http://127.0.0.1:8701").expect("an issuer");
    for seconds in [5, 6] {
        let chance = chance(seconds);
        desk.engine.bootstrap(&chance.world(&Facts::default()), &issuer, &desk.offers).expect("makes the realm");
    }
    let wanted = json!({"realm": "admin", "client": "robot", "scope": ["admin:clients:write"]});
    desk.actor = Actor::Client { client_id: "robot".into() };
    assert!(desk.refused("client.create", wanted.clone()).contains("on the machine itself"));
    let document = json!({"realm": [{"name": "admin", "client": [{"client_id": "robot"}]}]});
    assert!(desk.refused("apply", json!({"document": document})).contains("on the machine itself"));
    desk.actor = Actor::Local { uid: 0 };
    desk.run("client.create", wanted);
    assert_eq!(desk.run("realm.list", json!({}))["items"].as_array().map(Vec::len), Some(1));
}

fn document() -> Value {
    json!({"realm": [{
        "name": "acme", "title": "Acme APIs", "issuer": "https://auth.acme.example", "dialect": "loose", "accept": ["two-credentials"],
        "settings": {"access_token": {"lifetime": 900}},
        "resource": [{
            "identifier": "https://api.acme.example", "scopes": [{"scope": "read", "sentence": "Read."}, {"scope": "write", "sentence": "Write."}],
            "operations": [{"method": "GET", "path": "/data", "scope": ["read"], "answer": {"data": [1, 2]}}],
        }],
        "client": [
            {"client_id": "build-7", "scope": ["write", "read"], "secrets": [{"name": "main", "value": "correct horse battery staple"},
                {"name": "old", "hash": "$2b$12$abcdefghijklmnopqrstuuB9vRP3uJmqkB8cQh5mWtyVpcMwXvQ8K", "expires_at": "2027-01-01"}],
             "api_keys": [{"name": "main", "value": "the-api-key-of-build-7"}]},
            {"client_id": "phone", "type": "public", "redirect_uris": ["com.acme.phone:/callback"]},
        ],
    }]})
}

#[test]
fn a_document_is_applied_once_and_then_changes_nothing() {
    let desk = Desk::new();
    let plan = desk.run("apply", json!({"document": document(), "dry_run": true}));
    assert_eq!((plan["changes"].as_array().map(Vec::len), &plan["applied"]), (Some(4), &json!(false)));
    assert_eq!(desk.run("realm.list", json!({}))["items"], json!([]), "a rehearsal writes nothing");
    let done = desk.run("apply", json!({"document": document()}));
    assert_eq!((done["changes"].clone(), done["applied"].clone()), (plan["changes"].clone(), json!(true)));
    assert!(!done.to_string().contains("correct horse"));
    let again = desk.run("apply", json!({"document": document()}));
    assert_eq!((again["changes"].clone(), again["unchanged"].clone()), (json!([]), json!(4)));
}

#[test]
fn a_changed_document_changes_what_it_says_and_prunes_only_when_told() {
    let desk = Desk::new();
    desk.run("apply", json!({"document": document()}));
    let mut changed = document();
    let realm = &mut changed["realm"][0];
    realm["title"] = "Acme".into();
    realm["client"][0]["scope"] = json!(["read"]);
    realm["client"][0]["secrets"] = json!([{"name": "main", "value": "another secret, long enough"}]);
    realm["client"][0]["api_keys"][0]["value"] = "another-key-of-build-7".into();
    realm["client"].as_array_mut().expect("clients").remove(1);
    let done = desk.run("apply", json!({"document": changed.clone()}));
    let fields: Vec<String> = done["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .flat_map(|change| change["fields"].as_array().cloned().unwrap_or_default())
        .filter_map(|field| field["field"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(fields, ["title", "scope", "tokens_from", "secrets.main", "api_keys.main"]);
    let pruned = desk.run("apply", json!({"document": changed.clone(), "prune": true}));
    assert_eq!(pruned["changes"][0]["fields"][0]["field"], "secrets.old");
    assert_eq!(pruned["changes"][1], json!({"change": "delete", "target": "acme/client/phone"}));
    assert_eq!(desk.run("apply", json!({"document": changed, "prune": true}))["changes"], json!([]));
    // What was taken away does not come back: neither the value of a key nor the id of a client.
    let mut old = document();
    assert!(desk.refused("apply", json!({"document": old.clone()})).contains("is or was another API key"));
    old["realm"][0]["client"][0]["api_keys"] = json!([]);
    assert!(desk.refused("apply", json!({"document": old})).contains("was deleted"));
}

#[test]
fn a_document_is_taken_whole_or_not_at_all() {
    let desk = Desk::new();
    let mut bad = document();
    bad["realm"][0]["client"][1]["scope"] = json!(["fly"]);
    assert!(desk.refused("apply", json!({"document": bad})).contains("scope fly"));
    assert_eq!(desk.run("realm.list", json!({}))["items"], json!([]));
    let mut bad = document();
    bad["realm"][0]["client"][0]["api_keys"] =
        json!([{"name": "a", "value": "same-value"}, {"name": "b", "value": "same-value"}]);
    let refused = desk.refused("apply", json!({"document": bad}));
    assert!(refused.contains("value of another") && !refused.contains("same-value"), "{refused}");
    let mut bad = document();
    bad["realm"][0]["client"][0]["secrets"] = json!([{"name": "main", "value": 4711}]);
    assert!(!desk.refused("apply", json!({"document": bad})).contains("4711"));
}

#[test]
fn hundreds_of_clients_are_imported_at_once() {
    let desk = Desk::furnished();
    let client = |n: u32| {
        json!({"client_id": format!("partner.{n}"), "scope": ["read"], "secrets": [{"name": "main", "value": format!("secret number {n:06}")}],
               "api_keys": [{"name": "main", "value": format!("api key number {n:06}")}]})
    };
    let clients: Vec<Value> = (0..300).map(client).collect();
    let done = desk.run("client.import", json!({"realm": "acme", "clients": clients}));
    assert_eq!(done["changes"].as_array().map(Vec::len), Some(300));
    let page = desk.run("client.list", json!({"realm": "acme", "limit": 200}));
    let next = desk.run("client.list", json!({"realm": "acme", "limit": 200, "after": page["next"]}));
    assert_eq!(next["items"].as_array().map(Vec::len), Some(101));
}

#[test]
fn refusals_are_told_with_their_reason() {
    let desk = Desk::furnished();
    let client = desk.client("build-7");
    let chance = chance(1_700_000_100);
    let entry = JournalEntry {
        key: Key::new(chance.now, [9; 10]),
        realm: client.realm,
        client: Some(client.key),
        endpoint: "token".into(),
        why: "client.secret_wrong".into(),
        request_id: chance.id.clone(),
        expires_at: Time::from_seconds(2_000_000_000),
    };
    let facts = Facts::default();
    desk.engine
        .transact(&chance.world(&facts), |records, _| records.insert(&entry).map_err(Stop::from))
        .expect("writes the entry");
    for given in [json!({"realm": "acme", "client": "build-7"}), json!({"request_id": chance.id})] {
        let line = desk.run("audit.list", given)["items"][0].clone();
        assert_eq!((line["what"].as_str(), line["kind"].as_str()), (Some("client.secret_wrong"), Some("refusal")));
        assert!(line["advice"].as_str().is_some_and(|advice| advice.contains("not one of this client's")));
    }
    assert_eq!(desk.run("usage.show", json!({"realm": "acme", "client": "build-7"}))["items"], json!([]));
}

#[test]
fn every_parameter_may_be_left_out_or_is_refused_by_name() {
    for command in commands() {
        let required: Vec<_> = command.params.iter().filter(|param| param.need == ParamNeed::Required).collect();
        match (Args::parse(command, Map::new()), required.first()) {
            (Ok(_), None) => {}
            (Err(stop), Some(param)) => assert!(stop.to_string().starts_with(param.name), "{}: {stop}", command.name),
            (outcome, _) => panic!("{}: {outcome:?}", command.name),
        }
    }
}
