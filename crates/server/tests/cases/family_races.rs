//! Races for one refresh token: two uses, a chain beside a retry, and a use beside a revocation, on two nodes over one store.
//!
//! `JETON_RACE_ROUNDS=5000 cargo test -p jeton --test cases family_races -- --nocapture` runs the long form.

use jeton_core::client_auth::Credentials;
use jeton_core::endpoint::{TokenRequest, token};
use jeton_core::name::{ClientId, Issuer, Key, Label, Mount, RealmName, RequestId, ResourceIdentifier, Scope, Time, Title};
use jeton_core::record::{
    AccessTokenFormat, AuthMethod, Client, ClientKind, ClientSecret, GrantName, Permission, Placement, Profile, Realm,
    RealmSettings, RefreshSettings, ResourceServer, Revocation, Revoked, ScopeEntry, SecretHash, Status, TokenFamily,
    WithClientCredentials, revocation_of,
};
use jeton_core::refusal::{Fault, Why};
use jeton_core::run::Engine;
use jeton_core::store::{Batch, Change, CommitError, Position, Reading, Store};
use jeton_core::token::{FamilyToken, Issued, check, revoke_family};
use jeton_core::world::{Facts, Presented, Random, Stop, World};
use jeton_jose::{SealKey, sha256};
use jeton_store::testing::PostgresForTests;
use jeton_store::{PostgresStore, SqliteStore};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

const NOW: Time = Time::from_seconds(1_800_000_000);
const SECRET: &str = "SECR3T-racer";

fn rounds() -> u64 {
    let text = std::env::var("JETON_RACE_ROUNDS").unwrap_or_else(|_| "60".to_owned());
    text.parse().expect("JETON_RACE_ROUNDS is a number")
}

/// Two nodes over one store, a realm in which client credentials begin a family, and its client.
struct Arena {
    nodes: [Engine; 2],
    realm: Key,
    client: Client,
    draws: AtomicU64,
}

/// What one node answers.
type Answer = Result<Issued, Why>;

impl Arena {
    fn over(stores: [Arc<dyn Store>; 2], grace: i64) -> Self {
        let draws = AtomicU64::new(0);
        let nodes = stores
            .map(|store| in_world(&draws, |world| Engine::open(store, &SealKey::from_bytes([7; 32]), world).expect("an engine")));
        let realm = realm(grace);
        let client = client(&nodes[0], realm.key);
        let written: Result<(), Fault> = in_world(&draws, |world| {
            nodes[0].transact(world, |records, _| {
                records.insert(&realm)?;
                records.insert(&resource(realm.key))?;
                records.insert(&client)
            })
        });
        written.expect("a commit");
        nodes[1].reload(NOW).expect("a second node");
        Self { nodes, realm: realm.key, client, draws }
    }

    fn ask(&self, node: usize, refresh_token: Option<&str>) -> Answer {
        let request = TokenRequest {
            credentials: Credentials {
                body_id: Some(self.client.client_id.to_string()),
                body_secret: Some(Presented::new(SECRET)),
                ..Credentials::default()
            },
            grant_type: Some(if refresh_token.is_some() { "refresh_token" } else { "client_credentials" }.into()),
            refresh_token: refresh_token.map(Presented::new),
            ..TokenRequest::default()
        };
        let engine = &self.nodes[node];
        let state = Arc::clone(engine.memory.snapshot.load().realm(self.realm).expect("the realm"));
        in_world(&self.draws, |world| {
            let mut facts = Facts::default();
            loop {
                let world = World { facts: &facts, ..world.clone() };
                let known = jeton_core::client_auth::Known { followed_at: None, ..engine.known(&state) };
                let stop = match engine.decide(&world, |changing, world| token(known, world, changing, &request)) {
                    Ok((issued, _)) => return Ok(issued),
                    Err(stopped) => stopped.stop,
                };
                match stop {
                    Stop::Refuse(why) | Stop::RefuseAnd(why, _) | Stop::RefuseFor(why, _) => return Err(why),
                    Stop::Need(need) => engine.meet(NOW, &need, &mut facts).expect("the store answers"),
                    Stop::Fault(fault) => panic!("{fault}"),
                }
            }
        })
    }

    fn refresh(&self, node: usize, token: &str) -> Answer {
        self.ask(node, Some(token))
    }

    /// A new family: its first refresh token and its key.
    fn begin(&self) -> (String, Key) {
        let token = refresh_token(&self.ask(0, None).expect("a token"));
        let family = FamilyToken::parse(&token).expect("a token of a family").family;
        (token, family)
    }

    fn revoke(&self, node: usize, family: Key) {
        let done: Result<(), Fault> = in_world(&self.draws, |world| {
            self.nodes[node].transact(world, |records, world| revoke_family(records, world, family))
        });
        done.expect("a revocation");
    }

    fn family(&self, key: Key) -> TokenFamily {
        self.nodes[0].read(NOW, |reader| reader.read(key)).expect("the store answers").expect("the family")
    }

    /// Whether a node takes an access token, or its family's revocation covers it.
    fn is_covered(&self, access_token: &str, family: Key) -> bool {
        let target = revocation_of(self.realm, Revoked::Family(family));
        let revocation: Option<Revocation> = self.nodes[0].read(NOW, |reader| reader.find(target.clone())).expect("answers");
        let engine = &self.nodes[0];
        let state = Arc::clone(engine.memory.snapshot.load().realm(self.realm).expect("the realm"));
        let read = in_world(&self.draws, |world| check(&state, &engine.memory, world, access_token));
        match read {
            Ok((token, _)) => {
                token.family == Some(family) && revocation.is_some_and(|revocation| revocation.until >= token.expires_at)
            }
            Err((Stop::Refuse(why), _)) => why == Why::TokenRevoked,
            Err((stop, _)) => panic!("{stop:?}"),
        }
    }
}

fn in_world<T>(draws: &AtomicU64, run: impl FnOnce(&World<'_>) -> T) -> T {
    let random = Random::from_seed(sha256(&draws.fetch_add(1, Ordering::Relaxed).to_be_bytes()));
    let (request_id, facts) = (RequestId::parse("0123456789abcdef").expect("an id"), Facts::default());
    run(&World { now: NOW, random: &random, request_id: &request_id, source: World::INSIDE, facts: &facts })
}

fn realm(grace: i64) -> Realm {
    Realm {
        key: Key::from_bytes([1; 16]),
        name: RealmName::parse("arena").expect("a name"),
        title: Title::parse("Arena").expect("a title"),
        issuer: Issuer::parse("https://arena.example").expect("an issuer"),
        mounts: vec![Mount::new(None, "").expect("a mount")],
        dialect: Label::parse("rfc").expect("a label"),
        profile: Profile::Compat,
        environment: Label::parse("test").expect("a label"),
        status: Status::Active,
        not_before: Time::default(),
        permissions: BTreeSet::from([Permission::RefreshWithClientCredentials]),
        settings: RealmSettings {
            refresh_token: RefreshSettings {
                grace,
                with_client_credentials: WithClientCredentials::Rotating,
                ..RefreshSettings::default()
            },
            ..RealmSettings::new(3600, AccessTokenFormat::Opaque)
        },
    }
}

fn resource(realm: Key) -> ResourceServer {
    let scopes = Scope::parse("read").expect("a scope");
    ResourceServer {
        key: Key::from_bytes([2; 16]),
        realm,
        identifier: ResourceIdentifier::parse("https://api.arena.example").expect("an identifier"),
        title: Title::parse("Arena").expect("a title"),
        base_url: None,
        scopes: scopes
            .iter()
            .map(|scope| ScopeEntry { scope: scope.clone(), sentence: Title::parse("Read.").expect("a title") })
            .collect(),
        api_key: Placement::None,
        operations: Vec::new(),
        status: Status::Active,
    }
}

fn client(node: &Engine, realm: Key) -> Client {
    let secret = ClientSecret {
        import: None,
        key: Key::from_bytes([3; 16]),
        name: Label::parse("main").expect("a label"),
        hash: SecretHash::Keyed { mac: node.data().secret_hash(realm, SECRET) },
        hint: "SECR".into(),
        expires_at: None,
    };
    Client {
        key: Key::from_bytes([4; 16]),
        realm,
        client_id: ClientId::parse("racer").expect("an id"),
        title: Title::parse("A racer").expect("a title"),
        kind: ClientKind::Confidential {
            auth_methods: BTreeSet::from([AuthMethod::ClientSecretPost]),
            secrets: vec![secret],
            keys: Vec::new(),
        },
        grants: BTreeSet::from([GrantName::ClientCredentials, GrantName::RefreshToken]),
        scope: Scope::parse("read").expect("a scope"),
        default_scope: None,
        redirect_uris: Vec::new(),
        web_origins: Vec::new(),
        introspects: BTreeSet::new(),
        instances: 1,
        person: None,
        status: Status::Active,
        not_before: Time::default(),
    }
}

fn refresh_token(issued: &Issued) -> String {
    issued.refresh_token.clone().expect("a refresh token")
}

fn generation(token: &str) -> u64 {
    FamilyToken::parse(token).expect("a token of a family").generation
}

/// Both at the same moment.
fn both<A: Send, B>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B) -> (A, B) {
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        let one = scope.spawn(|| {
            barrier.wait();
            one()
        });
        barrier.wait();
        let other = other();
        (one.join().expect("the other racer"), other)
    })
}

/// What a race proves: one round of it, and the promise that was broken if one was.
type Race = fn(&Arena) -> Result<(), String>;

/// Without a grace, of two uses of one token one wins, the other is a replay, and nothing of the family lives on.
fn one_of_two_uses_wins(arena: &Arena) -> Result<(), String> {
    let (token, family) = arena.begin();
    let (one, other) = both(|| arena.refresh(0, &token), || arena.refresh(1, &token));
    let won: Vec<String> = [&one, &other].into_iter().flatten().map(refresh_token).collect();
    let lost: Vec<Why> = [&one, &other].into_iter().filter_map(|answer| answer.as_ref().err().copied()).collect();
    if won.len() != 1 || lost != [Why::RefreshTokenReplayed] {
        return Err(format!("{} won, the others were told {lost:?}", won.len()));
    }
    let living = arena.refresh(0, &won[0]).is_ok() || arena.family(family).revoked_at.is_none();
    if living { Err("a replayed family lives".into()) } else { Ok(()) }
}

/// With a grace, both get the same successor; a chain beside the retry leaves one living token or none.
fn a_chain_beside_a_retry_leaves_one_successor(arena: &Arena) -> Result<(), String> {
    let (token, family) = arena.begin();
    let chain = || {
        let second = arena.refresh(0, &token)?;
        let third = arena.refresh(0, &refresh_token(&second))?;
        Ok::<_, Why>([second, third])
    };
    let (chain, retry) = both(chain, || arena.refresh(1, &token));
    let mut given: BTreeSet<(u64, String)> = BTreeSet::new();
    let all = chain.iter().flatten().chain(retry.iter());
    given.extend(all.map(|issued| (generation(&refresh_token(issued)), refresh_token(issued))));
    let row = arena.family(family);
    let newest = given.last().map_or(1, |(generation, _)| *generation);
    if row.revoked_at.is_none() && row.generation != newest {
        return Err(format!("the row is at generation {}, the newest token at {newest}", row.generation));
    }
    let per_generation: BTreeSet<u64> = given.iter().map(|(generation, _)| *generation).collect();
    if per_generation.len() != given.len() {
        return Err(format!("two successors of one token: {given:?}"));
    }
    match (&chain, &retry) {
        (Ok(_), Err(Why::RefreshTokenReplayed)) if row.revoked_at.is_some() => {}
        (Err(Why::RefreshTokenRevoked), Err(Why::RefreshTokenReplayed)) if row.revoked_at.is_some() => {}
        (Ok(_), Ok(_)) if row.revoked_at.is_none() => {}
        _ => return Err(format!("chain {:?}, retry {:?}, {:?}", chain.as_ref().err(), retry.as_ref().err(), row.revoked_at)),
    }
    // Whoever shows any of them now: at most one is good.
    let shown = given.iter().rev().filter(|(_, token)| arena.refresh(1, token).is_ok()).count();
    if shown > 1 { Err(format!("{shown} successors live")) } else { Ok(()) }
}

/// After a revocation was committed, no token of the family is good, whenever it was issued.
fn nothing_survives_a_revocation(arena: &Arena) -> Result<(), String> {
    let (token, family) = arena.begin();
    let chain = || {
        let second = arena.refresh(0, &token);
        let third = second.as_ref().ok().map(|second| arena.refresh(0, &refresh_token(second)));
        [Some(second), third]
    };
    let (chain, ()) = both(chain, || arena.revoke(1, family));
    let answers: Vec<Answer> = chain.into_iter().flatten().collect();
    if let Some(Err(why)) = answers.iter().find(|answer| !matches!(answer, Ok(_) | Err(Why::RefreshTokenRevoked))) {
        return Err(format!("a refresh beside a revocation was told {why}"));
    }
    let row = arena.family(family);
    if row.revoked_at.is_none() {
        return Err("the revocation was overwritten".into());
    }
    for issued in answers.iter().flatten() {
        if arena.refresh(1, &refresh_token(issued)).err() != Some(Why::RefreshTokenRevoked) {
            return Err("a refresh token of a revoked family is good".into());
        }
        if !arena.is_covered(&issued.access_token, family) {
            return Err("an access token outlives the revocation of its family".into());
        }
    }
    Ok(())
}

/// The races, each with the grace of its realm.
const RACES: [(&str, i64, Race); 3] = [
    ("two uses", 0, one_of_two_uses_wins),
    ("a chain beside a retry", 30, a_chain_beside_a_retry_leaves_one_successor),
    ("a use beside a revocation", 30, nothing_survives_a_revocation),
];

fn run(what: &str, stores: impl Fn() -> [Arc<dyn Store>; 2]) {
    for (race, grace, round) in RACES {
        let arena = Arena::over(stores(), grace);
        let started = Instant::now();
        for number in 0..rounds() {
            round(&arena).unwrap_or_else(|broken| panic!("{what}, {race}, round {number}: {broken}"));
        }
        println!("{what}: {race}: {} rounds in {:.1} s", rounds(), started.elapsed().as_secs_f64());
    }
}

fn sqlite(directory: &tempfile::TempDir) -> Arc<dyn Store> {
    let fresh = tempfile::tempdir_in(directory.path()).expect("a directory").keep();
    Arc::new(SqliteStore::open(&fresh).expect("a store"))
}

/// Rows: RT-03, RT-06, RT-07.
#[test]
fn racing_uses_of_a_family_on_sqlite() {
    let directory = tempfile::tempdir().expect("a directory");
    run("SQLite", || {
        let store = sqlite(&directory);
        [Arc::clone(&store), store]
    });
}

/// Rows: RT-03, RT-06, RT-07.
#[test]
fn racing_uses_of_a_family_on_postgresql() {
    let Some(server) = PostgresForTests::start() else { return };
    run("PostgreSQL", || {
        let url = server.url();
        [(); 2].map(|()| Arc::new(PostgresStore::connect(&url).expect("a store")) as Arc<dyn Store>)
    });
}

/// A store that forgets what a decision relied on.
struct Guardless(Arc<dyn Store>);

impl Store for Guardless {
    fn view(&self, now: Time, read: Reading<'_>) -> Result<(), Fault> {
        self.0.view(now, read)
    }
    fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        self.0.commit(Batch { guards: Vec::new(), ..batch })
    }
    fn changes(&self, after: Position, limit: usize) -> Result<Vec<Change>, Fault> {
        self.0.changes(after, limit)
    }
    fn position(&self) -> Result<Position, Fault> {
        self.0.position()
    }
    fn wait(&self, millis: u64) {
        self.0.wait(millis);
    }
    fn sweep(&self, now: Time, limit: usize) -> Result<usize, Fault> {
        self.0.sweep(now, limit)
    }
}

/// The planted fault: without guards every race is lost sooner or later.
#[test]
fn a_store_without_guards_loses_every_race() {
    let directory = tempfile::tempdir().expect("a directory");
    for (race, grace, round) in RACES {
        let store: Arc<dyn Store> = Arc::new(Guardless(sqlite(&directory)));
        let arena = Arena::over([Arc::clone(&store), store], grace);
        let noticed = (0..2000).find_map(|_| round(&arena).err());
        assert!(noticed.is_some(), "{race}: nobody noticed");
    }
}
