//! Decisions about tokens that were issued: what who may know of them, and how they end before their time.

use super::*;
use jeton_core::endpoint::{AboutToken, AnswerForm, Ending, introspect, revoke_token};
use jeton_core::run::FOLLOWED_AT_ONCE;
use jeton_core::store::Store;
use jeton_jose::{KeySet, b64, parse_compact};
use serde_json::Value;

const API: &str = "https://api.acme.example";
const OTHER: &str = "https://other.acme.example";
const INACTIVE: &str = r#"{"active":false}"#;

/// The happy case with more clients, all with the same secret: the API's own client, another API's, a stranger, a public one.
fn house(change: impl FnOnce(&mut Realm, &mut Client)) -> House {
    let house = House::new(change);
    house.write(|records, house| {
        for (id, introspects) in [("api", Some(API)), ("other-api", Some(OTHER)), ("stranger", None), ("stopped", Some(API))] {
            let mut client = Client { client_id: ClientId::parse(id).expect("an id"), key: key(id), ..house.client.clone() };
            client.introspects =
                introspects.map(|id| ResourceIdentifier::parse(id).expect("an identifier")).into_iter().collect();
            client.status = if id == "stopped" { Status::Disabled } else { Status::Active };
            records.insert(&client)?;
        }
        let public = Client { kind: ClientKind::Public, grants: BTreeSet::new(), ..super::client("public") };
        Ok(records.insert(&public)?)
    });
    house
}

fn about(id: &str, token: &str) -> AboutToken {
    let credentials = Credentials {
        body_id: Some(id.to_owned()),
        body_secret: (id != "public").then(|| Presented::new(SECRET)),
        ..Credentials::default()
    };
    AboutToken { credentials, token: Some(Presented::new(token)), form: AnswerForm::Json }
}

impl House {
    fn introspected(&self, request: &AboutToken) -> Result<String, Why> {
        let state = self.state();
        self.run(5, |world| {
            let known = self.engine.known(&state);
            let decided = self.engine.decide(world, |changing, world| introspect(known, world, changing, request));
            decided.map(|(answer, _)| String::from_utf8(answer).expect("text")).map_err(|stopped| stopped.stop)
        })
    }

    /// What a client learns of a token.
    fn learns(&self, id: &str, token: &str) -> String {
        self.introspected(&about(id, token)).expect("an answer")
    }

    fn revoked(&self, seed: u8, request: &AboutToken) -> Result<Ending, Why> {
        let state = self.state();
        self.run(seed, |world| {
            let known = self.engine.known(&state);
            let decided = self.engine.decide(world, |changing, world| revoke_token(known, world, changing, request));
            decided.map(|(ending, _)| ending).map_err(|stopped| stopped.stop)
        })
    }

    fn token(&self, seed: u8) -> String {
        self.ask(seed, &body(Some(SECRET))).expect("a token").access_token
    }

    fn lives(&self, token: &str) -> bool {
        let passes = self.call(API, "read", token, None).is_ok();
        assert_eq!(self.learns("build-7", token) != INACTIVE, passes, "guard and introspection agree");
        passes
    }
}

fn opaque() -> fn(&mut Realm, &mut Client) {
    |realm, _| realm.settings.access_token.format = AccessTokenFormat::Opaque
}

/// Rows: IR-01, IR-02.
#[test]
fn who_learns_what_of_a_token() {
    for change in [|_: &mut Realm, _: &mut Client| {}, opaque()] {
        let house = house(change);
        let token = house.token(1);
        for (asker, learns) in [("build-7", true), ("api", true), ("other-api", false), ("stranger", false)] {
            let answer = house.learns(asker, &token);
            if !learns {
                assert_eq!(answer, INACTIVE, "{asker}");
                continue;
            }
            let answer: Value = serde_json::from_str(&answer).expect("JSON");
            let jti = answer["jti"].as_str().expect("a jti").to_owned();
            let right = serde_json::json!({
                "active": true, "scope": "read write", "client_id": "build-7", "sub": "build-7", "token_type": "Bearer",
                "aud": API, "jti": jti, "iat": NOW.seconds(), "exp": NOW.seconds() + 3600, "iss": "https://auth.acme.example",
            });
            assert_eq!(answer, right, "{asker}");
        }
        for (asker, why) in [("public", Why::ClientIsPublic), ("stopped", Why::ClientDisabled), ("nobody", Why::ClientUnknown)] {
            assert_eq!(house.introspected(&about(asker, &token)), Err(why));
        }
        let mut without = about("api", &token);
        without.credentials = Credentials::default();
        assert_eq!(house.introspected(&without), Err(Why::ClientCredentialsMissing));
        without.token = None;
        assert_eq!(house.introspected(&without), Err(Why::RequestParameterMissing));
    }
}

#[test]
fn an_api_of_a_realm_with_one_audience_learns_of_its_tokens_and_a_stopped_api_of_none() {
    let house = house(|realm, _| realm.settings.access_token.audience = AudienceRule::Issuer);
    let token = house.token(1);
    assert_ne!(house.learns("other-api", &token), INACTIVE);
    assert_eq!(house.learns("stranger", &token), INACTIVE);
    house.write(|records, house| {
        let stopped: ResourceServer = records
            .find(resource_by_identifier(house.realm.key, &ResourceIdentifier::parse(OTHER).expect("an identifier")))?
            .expect("an API");
        Ok(records.update(&ResourceServer { status: Status::Disabled, ..stopped })?)
    });
    assert_eq!(house.learns("other-api", &token), INACTIVE);
}

#[test]
fn whatever_is_no_living_token_is_inactive_in_the_same_bytes() {
    for change in [|_: &mut Realm, _: &mut Client| {}, opaque()] {
        let mut house = house(change);
        let token = house.token(1);
        for nothing in
            ["", "x", "a.b.c", "jat_", "jrt_", "jat_AAAA", "jrt_AAAA", &token[1..], &format!("{token}A"), &"a".repeat(9000)]
        {
            assert_eq!(house.learns("build-7", nothing), INACTIVE, "{nothing}");
        }
        house.now = NOW.plus_seconds(3600);
        assert_eq!(house.learns("build-7", &token), INACTIVE, "it has ended");
    }
}

/// Rows: JW-25, IR-06.
#[test]
fn a_token_is_dead_if_it_is_older_than_the_epoch_of_its_client_or_realm() {
    for change in [|_: &mut Realm, _: &mut Client| {}, opaque()] {
        for of_client in [-1, 0, 1] {
            for of_realm in [-1, 0, 1] {
                let house = house(change);
                let token = house.token(1);
                assert!(house.lives(&token));
                house.write(|records, house| {
                    let client: Client = records.read(house.client.key)?.expect("a client");
                    records.update(&Client { not_before: NOW.plus_seconds(of_client), ..client })?;
                    let realm: Realm = records.read(house.realm.key)?.expect("a realm");
                    Ok(records.update(&Realm { not_before: NOW.plus_seconds(of_realm), ..realm })?)
                });
                assert_eq!(house.lives(&token), of_client.max(of_realm) <= 0, "client {of_client}, realm {of_realm}");
            }
        }
    }
}

/// Rows: RV-01, RV-02, RV-03.
#[test]
fn a_client_ends_its_own_tokens_one_by_one() {
    for change in [|_: &mut Realm, _: &mut Client| {}, opaque()] {
        let house = house(change);
        let (one, other) = (house.token(1), house.token(2));
        assert!(house.lives(&one) && house.lives(&other));
        assert_eq!(house.revoked(3, &about("stranger", &one)), Ok(Ending::Foreign));
        assert_eq!(house.revoked(3, &about("public", &one)), Ok(Ending::Foreign));
        assert!(house.lives(&one), "another client ended it");
        assert_eq!(house.revoked(4, &about("build-7", &one)), Ok(Ending::Revoked));
        assert!(!house.lives(&one) && house.lives(&other));
        let written = house.store.position().expect("a position");
        for nothing in [&one, "x", "", "jrt_x", &format!("{other}A")] {
            assert_eq!(house.revoked(5, &about("build-7", nothing)), Ok(Ending::Nothing), "{nothing}");
        }
        assert_eq!(house.store.position(), Ok(written), "what is dead costs nothing");
        assert!(house.lives(&other));
    }
}

#[test]
fn who_does_not_show_who_it_is_ends_nothing() {
    let house = house(|_, _| {});
    let token = house.token(1);
    let mut request = about("build-7", &token);
    request.credentials.body_secret = None;
    assert_eq!(house.revoked(3, &request), Err(Why::ClientSecretMissing));
    request.credentials.body_secret = Some(Presented::new("wrong"));
    assert_eq!(house.revoked(3, &request), Err(Why::ClientSecretWrong));
    request.credentials = Credentials { body_secret: Some(Presented::new("x")), ..about("public", "").credentials };
    assert_eq!(house.revoked(3, &request), Err(Why::ClientIsPublic));
    assert_eq!(house.revoked(3, &about("stopped", &token)), Err(Why::ClientDisabled));
    assert_eq!(house.revoked(3, &AboutToken { token: None, ..about("build-7", "") }), Err(Why::RequestParameterMissing));
    assert!(house.lives(&token));
}

#[test]
fn a_public_client_ends_its_token_by_its_id_alone() {
    let house = house(|_, _| {});
    let token = house.token(1);
    // Until public clients get tokens, one becomes public that has a token.
    house.write(|records, house| {
        let client: Client = records.read(house.client.key)?.expect("a client");
        Ok(records.update(&Client { kind: ClientKind::Public, ..client })?)
    });
    assert!(house.call(API, "read", &token, None).is_ok());
    let mut request = about("build-7", &token);
    request.credentials.body_secret = None;
    assert_eq!(house.revoked(3, &request), Ok(Ending::Revoked));
    assert_eq!(house.call(API, "read", &token, None), Err(Why::TokenRevoked));
}

/// The order of the group of P-256 (SEC 2 §2.4.2).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e,
    0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The same token with the other signature that ECDSA accepts: `n - s` for `s`.
fn with_other_signature(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("a JWT");
    let mut signature = b64::decode(signature.as_bytes()).expect("base64url");
    let mut borrow = 0;
    for index in (0..32).rev() {
        let difference = i32::from(ORDER[index]) - i32::from(signature[32 + index]) - borrow;
        borrow = i32::from(difference < 0);
        signature[32 + index] = u8::try_from(difference.rem_euclid(256)).expect("a byte");
    }
    format!("{signed}.{}", b64::encode(&signature))
}

#[test]
fn a_revoked_token_does_not_come_back_with_another_signature() {
    let house = house(|_, _| {});
    let token = house.token(1);
    let twin = with_other_signature(&token);
    assert!(twin != token && house.lives(&twin), "ECDSA accepts both");
    assert_eq!(house.revoked(3, &about("build-7", &token)), Ok(Ending::Revoked));
    assert!(!house.lives(&token) && !house.lives(&twin));
    assert_eq!(house.revoked(4, &about("build-7", &twin)), Ok(Ending::Nothing));
}

#[test]
fn a_key_that_goes_takes_its_remembered_tokens_along() {
    let house = house(|_, _| {});
    let token = house.token(1);
    assert!(house.lives(&token) && house.lives(&token));
    let retiring = KeyState::Retiring { from: NOW, since: NOW, until: NOW.plus_seconds(3600) };
    let gone = KeyState::Gone { since: NOW, end: KeyEnd::Revoked };
    for (state, lives) in [(retiring, true), (gone, false), (retiring, true)] {
        house.write(|records, _| {
            let record: SigningKeyRecord = records.read(key("signing key"))?.expect("a key");
            Ok(records.update(&SigningKeyRecord { state, ..record })?)
        });
        assert_eq!(house.lives(&token), lives, "{state:?}");
    }
}

#[test]
fn a_family_s_refresh_token_is_known_to_its_client_and_ends_with_its_access_tokens_at_its_wish() {
    let house = house(|realm, client| {
        realm.permissions.insert(Permission::RefreshWithClientCredentials);
        realm.settings.refresh_token.with_client_credentials = WithClientCredentials::Rotating;
        client.grants.insert(GrantName::RefreshToken);
    });
    let begun = house.ask(1, &body(Some(SECRET))).expect("tokens");
    let refresh = begun.refresh_token.expect("a refresh token");
    let answer: Value = serde_json::from_str(&house.learns("build-7", &refresh)).expect("JSON");
    assert_eq!((&answer["active"], &answer["scope"]), (&Value::Bool(true), &Value::from("read write")));
    assert!(answer.get("token_type").is_none() && answer.get("aud").is_none(), "nobody takes it for an access token: {answer}");
    for asker in ["api", "stranger"] {
        assert_eq!(house.learns(asker, &refresh), INACTIVE, "{asker}");
    }
    // What would not be exchanged does not live.
    house.write(|records, house| Ok(records.update(&Realm { permissions: BTreeSet::new(), ..house.realm.clone() })?));
    assert_eq!(house.learns("build-7", &refresh), INACTIVE);
    house.write(|records, house| Ok(records.update(&house.realm)?));
    assert_ne!(house.learns("build-7", &refresh), INACTIVE);
    assert_eq!(house.revoked(3, &about("stranger", &refresh)), Ok(Ending::Foreign));
    assert!(house.lives(&begun.access_token));
    assert_eq!(house.revoked(3, &about("build-7", &refresh)), Ok(Ending::Revoked));
    assert!(!house.lives(&begun.access_token));
    assert_eq!(house.learns("build-7", &refresh), INACTIVE);
    assert_eq!(house.revoked(3, &about("build-7", &refresh)), Ok(Ending::Nothing));
}

#[test]
fn a_sealed_refresh_token_is_known_to_its_client_and_ends_at_its_wish() {
    let house = house(|realm, client| {
        realm.permissions.insert(Permission::RefreshWithClientCredentials);
        client.grants.insert(GrantName::RefreshToken);
    });
    let refresh = house.ask(1, &body(Some(SECRET))).expect("tokens").refresh_token.expect("a refresh token");
    let answer: Value = serde_json::from_str(&house.learns("build-7", &refresh)).expect("JSON");
    assert_eq!((&answer["active"], &answer["scope"]), (&Value::Bool(true), &Value::from("read write")));
    assert!(answer.get("token_type").is_none() && answer.get("aud").is_none(), "nobody takes it for an access token: {answer}");
    for asker in ["api", "stranger"] {
        assert_eq!(house.learns(asker, &refresh), INACTIVE, "{asker}");
    }
    let request = TokenRequest {
        grant_type: Some("refresh_token".into()),
        refresh_token: Some(Presented::new(&refresh)),
        ..body(Some(SECRET))
    };
    assert!(house.ask(2, &request).is_ok());
    assert_eq!(house.revoked(3, &about("stranger", &refresh)), Ok(Ending::Foreign));
    assert!(house.ask(2, &request).is_ok());
    assert_eq!(house.revoked(3, &about("build-7", &refresh)), Ok(Ending::Revoked));
    assert_eq!(house.ask(2, &request), Err(Why::RefreshTokenRevoked));
    assert_eq!(house.learns("build-7", &refresh), INACTIVE);
}

#[test]
fn a_revocation_is_followed_by_other_nodes_survives_a_start_and_goes_when_its_token_ends() {
    let mut house = house(|_, _| {});
    let token = house.token(1);
    let node = open(&house.store, NOW);
    let passes = |engine: &Engine, now: Time| {
        let snapshot = engine.memory.snapshot.load();
        let state = snapshot.realm(house.realm.key).expect("the realm");
        let mut facts = Facts::default();
        let random = Random::from_seed([8; 32]);
        let request_id = RequestId::parse("0123456789abcdef").expect("an id");
        loop {
            let world = World { now, random: &random, request_id: &request_id, source: World::INSIDE, facts: &facts };
            match jeton_core::token::check(state, &engine.memory, &world, &token) {
                Err((Stop::Need(need), _)) => engine.meet(now, &need, &mut facts).expect("a store"),
                outcome => return outcome.is_ok(),
            }
        }
    };
    node.follow(NOW).expect("followed");
    assert!(passes(&node, NOW));
    assert_eq!(house.revoked(3, &about("build-7", &token)), Ok(Ending::Revoked));
    assert!(!passes(&house.engine, NOW), "at once where it was revoked");
    node.follow(NOW).expect("followed");
    assert!(!passes(&node, NOW), "elsewhere once it was followed");
    let started = open(&house.store, NOW);
    assert!(!passes(&started, NOW), "after a start");
    for engine in [&house.engine, &node, &started] {
        assert_eq!(engine.memory.revocations.count(), 1);
    }
    let end = NOW.plus_seconds(3600);
    house.now = end;
    for engine in [&house.engine, &node, &started] {
        engine.tidy(end.plus_seconds(1), 1000).expect("tidied");
        assert_eq!(engine.memory.revocations.count(), 0, "what ended is forgotten");
    }
    assert!(house.store.dump().iter().all(|(kind, _)| *kind != "revocation"), "and its row goes");
}

#[test]
fn a_node_that_is_behind_many_changes_does_not_say_that_it_heard_of_all() {
    let house = house(|_, _| {});
    let token = house.token(1);
    let node = open(&house.store, NOW);
    node.follow(NOW).expect("followed");
    house.write(|records, house| (0..FOLLOWED_AT_ONCE).try_for_each(|_| Ok(records.update(&house.client)?)));
    assert_eq!(house.revoked(3, &about("build-7", &token)), Ok(Ending::Revoked));
    let later = NOW.plus_seconds(5);
    assert_eq!(node.follow(later), Ok(FOLLOWED_AT_ONCE));
    assert_eq!((node.heard_at(), node.memory.revocations.count()), (NOW, 0), "the revocation still waits");
    assert!(node.follow(later).expect("followed") < FOLLOWED_AT_ONCE);
    assert_eq!((node.heard_at(), node.memory.revocations.count()), (later, 1));
}

#[test]
fn a_node_that_was_cut_off_for_too_long_says_neither_active_nor_inactive() {
    let house = house(|_, _| {});
    let token = house.token(1);
    let state = house.state();
    let request = about("build-7", &token);
    let check = i64::from(u16::try_from(house.realm.settings.staleness.check).expect("some minutes"));
    for (silent, answers) in [(check, true), (check + 1, false)] {
        let known = Known { followed_at: Some(NOW.plus_seconds(-silent)), ..house.engine.known(&state) };
        let decided = with_world(NOW, 4, |world| introspect(known, world, &mut Changing::later(world.facts), &request).map(drop));
        match decided {
            Ok(()) => assert!(answers),
            Err(stopped) => assert!(!answers && matches!(stopped.stop, Stop::Fault(_)), "{:?}", stopped.stop),
        }
    }
}

#[test]
fn a_store_that_fails_while_revoking_is_a_fault_and_the_token_lives() {
    use jeton_core::refusal::Fault;
    use jeton_core::store::{CommitError, Planned};
    let house = house(|_, _| {});
    let token = house.token(1);
    house.store.plan([Planned::Refuse(CommitError::Fault(Fault::Unavailable("full".into())))]);
    let state = house.state();
    let facts = Facts { patience: jeton_core::world::Patience::Waits, ..Facts::default() };
    let request = about("build-7", &token);
    let outcome = with_world(NOW, 3, |world| {
        let world = World { facts: &facts, ..world.clone() };
        let known = house.engine.known(&state);
        house.engine.decide(&world, |changing, world| revoke_token(known, world, changing, &request)).map(drop)
    });
    assert!(matches!(outcome, Err(stopped) if matches!(stopped.stop, Stop::Fault(Fault::Unavailable(_)))));
    assert!(house.lives(&token));
    house.store.plan([Planned::Refuse(CommitError::Conflict)]);
    assert_eq!(house.revoked(4, &request), Ok(Ending::Revoked), "others were quicker, so it is decided again");
    assert!(!house.lives(&token));
}

/// Rows: IR-03.
#[test]
fn a_signed_answer_says_the_same_and_is_no_access_token() {
    for change in [|_: &mut Realm, _: &mut Client| {}, opaque()] {
        let house = house(change);
        let token = house.token(1);
        for asker in ["build-7", "api", "stranger"] {
            let signed = house.introspected(&AboutToken { form: AnswerForm::Signed, ..about(asker, &token) }).expect("an answer");
            let state = house.state();
            let claims = opened(&signed, &state.published);
            let said: Value = serde_json::from_str(&house.learns(asker, &token)).expect("JSON");
            let right = serde_json::json!({
                "iss": "https://auth.acme.example", "aud": asker, "iat": NOW.seconds(), "token_introspection": said,
            });
            assert_eq!(claims, right);
            assert_eq!(house.learns("build-7", &signed), INACTIVE, "it passes for an access token");
            assert!(
                state.accepted.iter().all(|key| state.answer_signer.as_ref().is_some_and(|own| own.key().kid() != key.kid()))
            );
        }
        let keys = house.store.dump().into_iter().filter(|(kind, row)| {
            *kind == "signing_key" && String::from_utf8_lossy(&row.body).contains(r#""purpose":"introspection""#)
        });
        assert_eq!(keys.count(), 1, "one key for all of them");
    }
}

/// The claims of a signed answer, under the keys that the realm publishes.
fn opened(signed: &str, keys: &KeySet) -> Value {
    let parsed = parse_compact(signed.as_bytes(), 8192).expect("a JWS");
    let kid = parsed.header().kid.clone().expect("a kid");
    let claims = parsed.verify(keys.by_kid(&kid).expect("published"), &["token-introspection+jwt"]).expect("signed");
    serde_json::from_slice(&claims).expect("JSON")
}
