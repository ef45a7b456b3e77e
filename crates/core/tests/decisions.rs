//! Decisions about token requests and API calls, as tables: a change to the happy case, and what follows from it.

use jeton_core::client_auth::{Credentials, Known, RawSecret};
use jeton_core::endpoint::{TokenRequest, token};
use jeton_core::guard::{self, Carried, Policy};
use jeton_core::name::*;
use jeton_core::record::*;
use jeton_core::refusal::Why;
use jeton_core::run::Engine;
use jeton_core::snapshot::RealmState;
use jeton_core::store::Changing;
use jeton_core::store::MemoryStore;
use jeton_core::token::Issued;
use jeton_core::world::{Facts, KeyPair, Need, Presented, Random, Stop, World};
use jeton_jose::{Algorithm, SealKey, SigningKey};
use std::collections::BTreeSet;
use std::sync::Arc;

#[path = "decisions/about_tokens.rs"]
mod about_tokens;
#[path = "decisions/assertions.rs"]
mod assertions;
#[path = "decisions/failures.rs"]
mod failures;
#[path = "decisions/families.rs"]
mod families;
#[path = "decisions/reminders.rs"]
mod reminders;
#[path = "decisions/thrift.rs"]
mod thrift;

const NOW: Time = Time::from_seconds(1_800_000_000);
const SECRET: &str = "a+secret/that=needs-encoding";
const API_KEY: &str = "an api key";

/// One deployment: a realm with an API, a client, and a second client.
struct House {
    store: Arc<MemoryStore>,
    engine: Engine,
    realm: Realm,
    client: Client,
    now: Time,
}

fn key(text: &str) -> Key {
    Key::new(NOW, jeton_jose::sha256(text.as_bytes())[..10].try_into().expect("ten bytes"))
}

fn scope(text: &str) -> Scope {
    Scope::parse(text).expect("a scope")
}

fn claim(name: &str, from: ClaimSource) -> ClaimRow {
    ClaimRow { name: name.into(), from, shape: ClaimShape::Natural, prefix: String::new() }
}

fn jwt() -> AccessTokenFormat {
    use ClaimSource::*;
    let claims = [
        ("iss", Issuer),
        ("sub", Subject),
        ("aud", Audience),
        ("client_id", ClientId),
        ("iat", IssuedAt),
        ("exp", ExpiresAt),
        ("jti", TokenId),
        ("scope", Scope),
    ];
    AccessTokenFormat::Jwt {
        algorithm: Algorithm::Es256,
        typ: "at+jwt".into(),
        claims: claims.map(|(name, from)| claim(name, from)).to_vec(),
    }
}

fn realm() -> Realm {
    Realm {
        key: key("realm"),
        name: RealmName::parse("acme").expect("a name"),
        title: Title::parse("Acme").expect("a title"),
        issuer: Issuer::parse("https://auth.acme.example").expect("an issuer"),
        mounts: vec![Mount::new(None, "").expect("a mount")],
        dialect: Label::parse("rfc").expect("a label"),
        profile: Profile::Compat,
        environment: Label::parse("test").expect("a label"),
        status: Status::Active,
        not_before: Time::default(),
        permissions: BTreeSet::new(),
        settings: RealmSettings { refresh_token_lifetime: 86_400, ..RealmSettings::new(3600, jwt()) },
    }
}

fn client(id: &str) -> Client {
    Client {
        key: key(id),
        realm: key("realm"),
        client_id: ClientId::parse(id).expect("an id"),
        title: Title::parse(id).expect("a title"),
        kind: ClientKind::Confidential {
            auth_methods: BTreeSet::from([AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost]),
            secrets: Vec::new(),
            keys: Vec::new(),
        },
        grants: BTreeSet::from([GrantName::ClientCredentials]),
        scope: scope("read write"),
        default_scope: None,
        redirect_uris: Vec::new(),
        web_origins: Vec::new(),
        person: None,
        introspects: BTreeSet::new(),
        instances: 1,
        status: Status::Active,
        not_before: Time::from_millis(0),
    }
}

fn resource(identifier: &str, scopes: &str) -> ResourceServer {
    let entry = |scope: &ScopeToken| ScopeEntry { scope: scope.clone(), sentence: Title::parse("A sentence.").expect("a title") };
    ResourceServer {
        key: key(identifier),
        realm: key("realm"),
        identifier: ResourceIdentifier::parse(identifier).expect("an identifier"),
        title: Title::parse(identifier).expect("a title"),
        base_url: None,
        scopes: scope(scopes).iter().map(entry).collect(),
        api_key: Placement::None,
        operations: Vec::new(),
        status: Status::Active,
    }
}

fn with_world<T>(now: Time, seed: u8, run: impl FnOnce(&World<'_>) -> T) -> T {
    let (random, facts) = (Random::from_seed([seed; 32]), Facts::default());
    let request_id = RequestId::parse("0123456789abcdef").expect("an id");
    run(&World { now, random: &random, request_id: &request_id, source: World::INSIDE, facts: &facts })
}

/// A process over a store.
fn open(store: &Arc<MemoryStore>, now: Time) -> Engine {
    with_world(now, 0, |world| {
        Engine::open(Arc::<MemoryStore>::clone(store), &SealKey::from_bytes([7; 32]), world).expect("an engine")
    })
}

impl House {
    /// Builds the happy case after changing it.
    fn new(change: impl FnOnce(&mut Realm, &mut Client)) -> Self {
        let store = Arc::new(MemoryStore::new());
        let engine = open(&store, NOW);
        let (mut realm, mut client) = (realm(), client("build-7"));
        let hash = SecretHash::Keyed { mac: engine.data().secret_hash(realm.key, SECRET) };
        let secret = ClientSecret {
            import: None,
            key: key("secret"),
            name: Label::parse("main").expect("a label"),
            hash,
            hint: "a+se".into(),
            expires_at: None,
        };
        if let ClientKind::Confidential { secrets, .. } = &mut client.kind {
            secrets.push(secret);
        }
        change(&mut realm, &mut client);
        let house = Self { store, engine, realm, client, now: NOW };
        house.write(|records, house| {
            records.insert(&house.realm)?;
            records.insert(&resource("https://api.acme.example", "read write openid"))?;
            records.insert(&resource("https://other.acme.example", "other"))?;
            records.insert(&house.client)?;
            let (signing, pkcs8) = SigningKey::generate(Algorithm::Es256).expect("a key");
            records.insert(&SigningKeyRecord {
                key: key("signing key"),
                realm: house.realm.key,
                purpose: KeyPurpose::AccessToken,
                algorithm: Algorithm::Es256,
                kid: signing.kid().into(),
                published_at: NOW,
                state: KeyState::Active { from: NOW },
                outlasted: 3600,
                sealed: house.engine.data().seal_signing_key([1; 12], house.realm.key, signing.kid(), &pkcs8),
            })?;
            let api_key = ApiKey {
                key: key("api key"),
                realm: house.realm.key,
                client: house.client.key,
                client_id: house.client.client_id.clone(),
                name: Label::parse("main").expect("a label"),
                hash: house.engine.data().api_key_hash(house.realm.key, API_KEY),
                hint: "an a".into(),
                expires_at: None,
                status: Status::Active,
            };
            Ok(records.insert(&api_key)?)
        });
        house
    }

    fn write(&self, mut decide: impl FnMut(&mut jeton_core::store::Records<'_>, &Self) -> Result<(), Stop>) {
        with_world(self.now, 1, |world| self.engine.transact(world, |records, _| decide(records, self)).expect("a commit"));
    }

    fn state(&self) -> Arc<RealmState> {
        Arc::clone(self.engine.memory.snapshot.load().realm(self.realm.key).expect("the realm"))
    }

    /// Runs a decision, finding out what it needs.
    fn run<T>(&self, seed: u8, decide: impl Fn(&World<'_>) -> Result<T, Stop>) -> Result<T, Why> {
        let (random, mut facts) = (Random::from_seed([seed; 32]), Facts::default());
        let request_id = RequestId::parse("0123456789abcdef").expect("an id");
        loop {
            let outcome =
                decide(&World { now: self.now, random: &random, request_id: &request_id, source: World::INSIDE, facts: &facts });
            match outcome {
                Ok(done) => return Ok(done),
                Err(Stop::Refuse(why) | Stop::RefuseAnd(why, _) | Stop::RefuseFor(why, _)) => return Err(why),
                Err(Stop::Need(Need::KeyPair(algorithm))) => {
                    let (_, pkcs8) = SigningKey::generate(algorithm).expect("a key");
                    facts.key_pairs.push(KeyPair { algorithm, pkcs8: pkcs8.as_slice().into() });
                }
                Err(Stop::Need(need)) => self.engine.meet(self.now, &need, &mut facts).expect("a store"),
                Err(Stop::Fault(fault)) => panic!("{fault}"),
            }
        }
    }

    fn ask(&self, seed: u8, request: &TokenRequest) -> Result<Issued, Why> {
        let state = self.state();
        self.run(seed, |world| {
            let known = self.engine.known(&state);
            self.engine
                .decide(world, |changing, world| token(known, world, changing, request))
                .map(|(issued, _)| issued)
                .map_err(|stopped| stopped.stop)
        })
    }

    fn call(&self, identifier: &str, scope: &str, token: &str, api_key: Option<&str>) -> Result<(), Why> {
        let state = self.state();
        let resource = state.resource(identifier).expect("an API");
        let scope: Vec<ScopeToken> =
            scope.split(' ').filter(|token| !token.is_empty()).map(|token| ScopeToken::parse(token).expect("a scope")).collect();
        let carried = Carried { token: Some(Presented::new(token)), api_key: api_key.map(Presented::new) };
        let policy = Policy { resource, scope: &scope };
        self.run(9, |world| {
            guard::decide(self.engine.known(&state), policy, &carried, world).map(drop).map_err(|denial| denial.stop)
        })
    }
}

fn body(secret: Option<&str>) -> TokenRequest {
    TokenRequest {
        credentials: Credentials {
            body_id: Some("build-7".into()),
            body_secret: secret.map(Presented::new),
            ..Credentials::default()
        },
        grant_type: Some("client_credentials".into()),
        ..TokenRequest::default()
    }
}

fn basic(id: &str, secret: &str) -> Credentials {
    Credentials { basic: Some((id.into(), RawSecret(secret.into()))), ..Credentials::default() }
}

type Change = (&'static str, fn(&mut Realm, &mut Client), fn(&mut TokenRequest), Result<&'static str, Why>);

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn token_requests() {
    let table: &[Change] = &[
        ("the happy case", |_, _| {}, |_| {}, Ok("read write")),
        (
            "basic, form-encoded",
            |_, _| {},
            |r| r.credentials = basic("build-7", "a%2Bsecret%2Fthat%3Dneeds-encoding"),
            Ok("read write"),
        ),
        (
            "basic, raw, in a form realm",
            |_, _| {},
            |r| r.credentials = basic("build-7", SECRET),
            Err(Why::ClientSecretNotEncoded),
        ),
        (
            "basic, raw, in a raw realm",
            |m, _| m.settings.basic = BasicEncoding::Raw,
            |r| r.credentials = basic("build-7", SECRET),
            Ok("read write"),
        ),
        ("basic with a broken escape", |_, _| {}, |r| r.credentials = basic("build-7", "%zz"), Err(Why::ClientBasicMalformed)),
        ("basic, empty secret", |_, _| {}, |r| r.credentials = basic("build-7", ""), Err(Why::ClientSecretMissing)),
        ("no credentials", |_, _| {}, |r| r.credentials = Credentials::default(), Err(Why::ClientCredentialsMissing)),
        ("no secret", |_, _| {}, |r| r.credentials.body_secret = None, Err(Why::ClientSecretMissing)),
        ("unknown client", |_, _| {}, |r| r.credentials.body_id = Some("nobody".into()), Err(Why::ClientUnknown)),
        ("impossible client id", |_, _| {}, |r| r.credentials.body_id = Some("no body".into()), Err(Why::ClientUnknown)),
        ("wrong secret", |_, _| {}, |r| r.credentials.body_secret = Some(Presented::new("wrong")), Err(Why::ClientSecretWrong)),
        (
            "a plus became a space",
            |_, _| {},
            |r| r.credentials.body_secret = Some(Presented::new("a secret/that=needs-encoding")),
            Err(Why::ClientSecretNotEncoded),
        ),
        (
            "two credentials",
            |_, _| {},
            |r| r.credentials.basic = basic("build-7", "a%2Bsecret%2Fthat%3Dneeds-encoding").basic,
            Err(Why::ClientTwoCredentials),
        ),
        (
            "a secret beside an assertion",
            |_, _| {},
            |r| r.credentials.assertion = Some(Presented::new("eyJhbGciOiJub25lIn0.e30.")),
            Err(Why::ClientTwoCredentials),
        ),
        (
            "a secret beside an assertion, two credentials permitted",
            |m, _| {
                m.permissions.insert(Permission::TwoCredentials);
            },
            |r| r.credentials.assertion = Some(Presented::new("eyJhbGciOiJub25lIn0.e30.")),
            Err(Why::ClientTwoCredentials),
        ),
        (
            "an assertion alone",
            |_, _| {},
            |r| {
                r.credentials.body_secret = None;
                r.credentials.assertion = Some(Presented::new("eyJhbGciOiJub25lIn0.e30."));
            },
            Err(Why::ClientAssertionMalformed),
        ),
        (
            "two credentials, permitted",
            |m, _| {
                m.permissions.insert(Permission::TwoCredentials);
            },
            |r| r.credentials.basic = basic("build-7", "a%2Bsecret%2Fthat%3Dneeds-encoding").basic,
            Ok("read write"),
        ),
        (
            "two that differ, permitted",
            |m, _| {
                m.permissions.insert(Permission::TwoCredentials);
            },
            |r| r.credentials.basic = basic("build-7", "wrong").basic,
            Err(Why::ClientCredentialsDiffer),
        ),
        (
            "basic and another id in the body",
            |_, _| {},
            |r| {
                r.credentials.basic = basic("other", "x").basic;
                r.credentials.body_secret = None;
            },
            Err(Why::ClientCredentialsDiffer),
        ),
        (
            "method not registered",
            |_, c| c.kind = only(AuthMethod::ClientSecretBasic, c),
            |_| {},
            Err(Why::ClientMethodNotAllowed),
        ),
        ("expired secret", |_, c| expire(c, NOW), |_| {}, Err(Why::ClientSecretExpired)),
        ("secret that expires in a millisecond", |_, c| expire(c, Time::from_millis(NOW.millis() + 1)), |_| {}, Ok("read write")),
        ("public client", |_, c| c.kind = ClientKind::Public, |_| {}, Err(Why::ClientIsPublic)),
        ("disabled client", |_, c| c.status = Status::Disabled, |_| {}, Err(Why::ClientDisabled)),
        (
            "disabled client, wrong secret",
            |_, c| c.status = Status::Disabled,
            |r| r.credentials.body_secret = Some(Presented::new("wrong")),
            Err(Why::ClientSecretWrong),
        ),
        ("deleted client", |_, c| c.status = Status::Deleted, |_| {}, Err(Why::ClientUnknown)),
        ("inactive realm", |m, _| m.status = Status::Disabled, |_| {}, Err(Why::RealmInactive)),
        ("no grant type", |_, _| {}, |r| r.grant_type = None, Err(Why::RequestGrantTypeMissing)),
        (
            "nothing at all",
            |_, _| {},
            |r| {
                r.grant_type = None;
                r.credentials = Credentials::default();
            },
            Err(Why::RequestGrantTypeMissing),
        ),
        ("unknown grant type", |_, _| {}, |r| r.grant_type = Some("magic".into()), Err(Why::GrantUnknown)),
        ("password grant", |_, _| {}, |r| r.grant_type = Some("password".into()), Err(Why::GrantPasswordNever)),
        ("grant not allowed", |_, c| c.grants.clear(), |_| {}, Err(Why::GrantNotAllowed)),
        (
            "grant not allowed, wrong secret",
            |_, c| c.grants.clear(),
            |r| r.credentials.body_secret = Some(Presented::new("wrong")),
            Err(Why::ClientSecretWrong),
        ),
        ("one scope", |_, _| {}, |r| r.scope = Some("read".into()), Ok("read")),
        ("scopes in any order are one set", |_, _| {}, |r| r.scope = Some("write read write".into()), Ok("read write")),
        ("malformed scope", |_, _| {}, |r| r.scope = Some("read  write".into()), Err(Why::ScopeMalformed)),
        ("unknown scope", |_, _| {}, |r| r.scope = Some("read fly".into()), Err(Why::ScopeUnknown)),
        ("scope not granted", |_, _| {}, |r| r.scope = Some("read other".into()), Err(Why::ScopeNotGranted)),
        ("star without permission", |_, _| {}, |r| r.scope = Some("*".into()), Err(Why::ScopeUnknown)),
        (
            "star",
            |m, _| {
                m.permissions.insert(Permission::WildcardScope);
            },
            |r| r.scope = Some("*".into()),
            Ok("read write"),
        ),
        (
            "star in company",
            |m, _| {
                m.permissions.insert(Permission::WildcardScope);
            },
            |r| r.scope = Some("* read".into()),
            Err(Why::ScopeWildcardNotAlone),
        ),
        ("scope omitted, refused", |m, _| m.settings.scope.omitted = ScopeOmitted::Refuse, |_| {}, Err(Why::ScopeMissing)),
        ("scope omitted, client's default", |_, c| c.default_scope = Some(scope("read other")), |_| {}, Ok("read")),
        (
            "scope omitted, realm's default",
            |m, _| m.settings.scope.omitted = ScopeOmitted::Default(scope("openid read")),
            |_| {},
            Ok("read"),
        ),
        ("scope is the tenant", tenant, |r| r.scope = Some("Acme.Example".into()), Ok("read write")),
        ("scope is the tenant's URL", tenant, |r| r.scope = Some("https://acme.example/".into()), Ok("read write")),
        ("scope is another tenant", tenant, |r| r.scope = Some("evil.example".into()), Err(Why::ScopeOtherTenant)),
        ("resource", |_, _| {}, |r| r.resources = vec!["https://api.acme.example".into()], Ok("read write")),
        ("unknown resource", |_, _| {}, |r| r.resources = vec!["https://nowhere.example".into()], Err(Why::ResourceUnknown)),
        (
            "scope of another resource",
            |_, _| {},
            |r| {
                r.resources = vec!["https://other.acme.example".into()];
                r.scope = Some("read".into());
            },
            Err(Why::ResourceNotGranted),
        ),
        (
            "a resource at which it has no right",
            |_, _| {},
            |r| r.resources = vec!["https://other.acme.example".into()],
            Err(Why::ResourceNotGranted),
        ),
        (
            "scope of an API that is gone",
            |_, c| c.scope = scope("read ghost"),
            |r| r.scope = Some("ghost".into()),
            Err(Why::ScopeUnknown),
        ),
        ("scope of an API that is gone, by default", |_, c| c.scope = scope("read ghost"), |_| {}, Ok("read")),
        (
            "refresh without permission",
            |_, c| {
                c.grants.insert(GrantName::RefreshToken);
            },
            |r| {
                r.grant_type = Some("refresh_token".into());
                r.refresh_token = Some(Presented::new("x"));
            },
            Err(Why::RefreshTokenInvalid),
        ),
    ];
    for (name, world, request, expected) in table {
        let house = House::new(world);
        let mut asked = body(Some(SECRET));
        request(&mut asked);
        let answer = house.ask(2, &asked).map(|issued| issued.scope.to_string());
        assert_eq!(answer.as_deref(), expected.as_ref().copied(), "{name}");
    }
}

fn only(method: AuthMethod, client: &Client) -> ClientKind {
    let ClientKind::Confidential { secrets, .. } = &client.kind else { unreachable!("the happy client is confidential") };
    ClientKind::Confidential { auth_methods: BTreeSet::from([method]), secrets: secrets.clone(), keys: Vec::new() }
}

fn expire(client: &mut Client, at: Time) {
    if let ClientKind::Confidential { secrets, .. } = &mut client.kind {
        secrets[0].expires_at = Some(at);
    }
}

fn tenant(realm: &mut Realm, _: &mut Client) {
    realm.settings.scope.meaning = ScopeMeaning::Tenant("acme.example".into());
}

/// One secret of the client, changed.
fn with_hash(hash: SecretHash) -> impl FnOnce(&mut Realm, &mut Client) {
    move |_, client| {
        if let ClientKind::Confidential { secrets, .. } = &mut client.kind {
            secrets[0].hash = hash;
        }
    }
}

#[test]
fn an_imported_digest_is_as_good_as_the_secret() {
    let digest = jeton_jose::b64::encode(&jeton_jose::sha256(SECRET.as_bytes()));
    let house = House::new(with_hash(SecretHash::Sha256 { digest }));
    assert!(house.ask(2, &body(Some(SECRET))).is_ok());
    assert_eq!(house.ask(2, &body(Some("wrong"))).err(), Some(Why::ClientSecretWrong));
}

#[test]
fn the_same_chance_gives_the_same_opaque_token_and_another_gives_another() {
    let house = House::new(|realm, _| realm.settings.access_token.format = AccessTokenFormat::Opaque);
    let ask = |seed| house.ask(seed, &body(Some(SECRET))).expect("a token").access_token;
    assert_eq!(ask(3), ask(3));
    assert_ne!(ask(3), ask(4));
}

#[test]
fn calls_to_an_api() {
    for format in [AccessTokenFormat::Opaque, jwt()] {
        let mut house = House::new(|realm, _| realm.settings.access_token.format = format.clone());
        let mut asked = body(Some(SECRET));
        asked.scope = Some("read".into());
        let token = house.ask(5, &asked).expect("a token").access_token;
        let api = "https://api.acme.example";
        assert_eq!(house.call(api, "read", &token, None), Ok(()));
        assert_eq!(house.call(api, "read write", &token, None), Err(Why::ScopeInsufficient));
        assert_eq!(house.call(api, "", &token, None), Err(Why::ScopeInsufficient), "an empty policy permits nobody");
        assert_eq!(house.call("https://other.acme.example", "other", &token, None), Err(Why::TokenAudience));
        for broken in [&token[1..], &token[..token.len() - 1], &token.to_uppercase(), &format!("{token}A"), ""] {
            assert!(house.call(api, "read", broken, None).is_err(), "{broken}");
        }
        // decisions.md 15: refused when now >= exp.
        house.now = NOW.plus_seconds(3599);
        assert_eq!(house.call(api, "read", &token, None), Ok(()));
        house.now = NOW.plus_seconds(3600);
        assert_eq!(house.call(api, "read", &token, None), Err(Why::TokenExpired));
        house.now = NOW;
        // Whoever is suspended is refused at once, and older tokens stay dead afterwards.
        let mut changed = house.client.clone();
        changed.status = Status::Suspended { reason: Title::parse("asks per call").expect("a title") };
        house.write(|records, _| Ok(records.update(&changed)?));
        assert_eq!(house.call(api, "read", &token, None), Err(Why::TokenRevoked));
        changed.status = Status::Active;
        changed.not_before = NOW.plus_seconds(1);
        house.write(|records, _| Ok(records.update(&changed)?));
        assert_eq!(house.call(api, "read", &token, None), Err(Why::TokenRevoked));
    }
}

#[test]
fn the_api_key_is_checked_before_the_token() {
    let house = House::new(|_, _| {});
    let mut keyed = resource("https://api.acme.example", "read write openid");
    keyed.api_key = Placement::Header;
    house.write(|records, _| Ok(records.update(&keyed)?));
    let api = "https://api.acme.example";
    let token = house.ask(5, &body(Some(SECRET))).expect("a token").access_token;
    assert_eq!(house.call(api, "read", &token, Some(API_KEY)), Ok(()));
    assert_eq!(house.call(api, "read", "garbage", None), Err(Why::ApiKeyMissing));
    assert_eq!(house.call(api, "read", &token, Some("wrong")), Err(Why::ApiKeyUnknown));
    assert_eq!(house.call(api, "read", "garbage", Some(API_KEY)), Err(Why::TokenMalformed));
    let mut other = client("other");
    other.kind = house.client.kind.clone();
    house.write(|records, _| Ok(records.insert(&other)?));
    let mut asked = body(Some(SECRET));
    asked.credentials.body_id = Some("other".into());
    let foreign = house.ask(6, &asked).expect("a token").access_token;
    assert_eq!(house.call(api, "read", &foreign, Some(API_KEY)), Err(Why::ApiKeyOfAnotherClient));
    let mut client = house.client.clone();
    client.status = Status::Disabled;
    house.write(|records, _| Ok(records.update(&client)?));
    assert_eq!(house.call(api, "read", &token, Some(API_KEY)), Err(Why::ApiKeyDisabled));
}

#[test]
fn a_sealed_refresh_token_serves_its_client_until_its_tokens_are_revoked() {
    let mut house = House::new(|realm, client| {
        realm.permissions.insert(Permission::RefreshWithClientCredentials);
        realm.permissions.insert(Permission::WildcardScope);
        client.grants.insert(GrantName::RefreshToken);
    });
    let mut asked = body(Some(SECRET));
    asked.scope = Some("*".into());
    let refresh = house.ask(5, &asked).expect("a token").refresh_token.expect("a refresh token");
    let again = |house: &House, scope: Option<&str>, token: &str| {
        let mut asked = body(Some(SECRET));
        asked.grant_type = Some("refresh_token".into());
        asked.scope = scope.map(str::to_owned);
        asked.refresh_token = Some(Presented::new(token));
        house.ask(6, &asked).map(|issued| (issued.scope.to_string(), issued.refresh_token))
    };
    assert_eq!(again(&house, None, &refresh), Ok(("read write".into(), Some(refresh.clone()))));
    assert_eq!(again(&house, Some("read"), &refresh), Ok(("read".into(), Some(refresh.clone()))));
    assert_eq!(again(&house, Some("other"), &refresh), Err(Why::ScopeWidened));
    assert_eq!(again(&house, None, &refresh[..refresh.len() - 2]), Err(Why::RefreshTokenInvalid));
    house.now = NOW.plus_seconds(86_400);
    assert_eq!(again(&house, None, &refresh), Err(Why::RefreshTokenExpired));
    house.now = NOW;
    let mut client = house.client.clone();
    client.not_before = NOW.plus_seconds(1);
    house.write(|records, _| Ok(records.update(&client)?));
    assert_eq!(again(&house, None, &refresh), Err(Why::RefreshTokenRevoked));
}

#[test]
fn a_store_keeps_to_its_seal_key() {
    let store = Arc::new(MemoryStore::new());
    let open = |seal: [u8; 32]| {
        with_world(NOW, 3, |world| {
            Engine::open(store.clone(), &SealKey::from_bytes(seal), world).map(|engine| engine.installation())
        })
    };
    let first = open([1; 32]).expect("an installation");
    assert_eq!(open([1; 32]).expect("the same installation"), first);
    assert!(open([2; 32]).is_err());
}

#[test]
fn a_node_that_is_cut_off_issues_for_a_day_and_checks_for_a_quarter_of_an_hour() {
    let house = House::new(|_, _| {});
    let state = house.state();
    let resource = state.resource("https://api.acme.example").expect("an API");
    let scope = [ScopeToken::parse("read").expect("a scope")];
    let token = house.ask(5, &body(Some(SECRET))).expect("a token").access_token;
    let carried = Carried { token: Some(Presented::new(&token)), api_key: None };
    for (silence, issues, checks) in [(900, true, true), (901, true, false), (86_400, true, false), (86_401, false, false)] {
        let known = Known { followed_at: Some(NOW.plus_seconds(-silence)), ..house.engine.known(&state) };
        with_world(NOW, 6, |world| {
            let issued = jeton_core::endpoint::token(known, world, &mut Changing::later(world.facts), &body(Some(SECRET)));
            let checked = guard::decide(known, Policy { resource, scope: &scope }, &carried, world);
            assert_eq!(issued.is_ok(), issues, "{silence}");
            assert_eq!(checked.is_ok(), checks, "{silence}");
            let faulted = |stop: &Stop| matches!(stop, Stop::Fault(_));
            assert!(issued.is_ok() || issued.is_err_and(|stopped| faulted(&stopped.stop)));
            assert!(checked.is_ok() || checked.is_err_and(|denial| faulted(&denial.stop)));
        });
    }
}
