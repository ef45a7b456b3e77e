//! Budgets of failures: what is wrong too often is answered with 429, and what is right always passes.

use super::*;
use jeton_core::bucket::Pace;
use jeton_core::endpoint::{AboutToken, AnswerForm, introspect, revoke_token};
use jeton_core::world::Patience;
use std::net::IpAddr;

const ATTACKER: &str = "192.0.2.1";
const ELSEWHERE: &str = "198.51.100.7";

/// What a request came to, and how long it is to wait.
#[derive(Debug, PartialEq)]
enum End {
    Passed,
    Refused(Why),
    Held(Why, i64),
    SlowHash,
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refuse(why) | Stop::RefuseAnd(why, _) => Self::Refused(why),
            Stop::RefuseFor(why, Pace { reset, left: 0, .. }) => Self::Held(why, reset),
            Stop::Need(Need::SlowHash { .. }) => Self::SlowHash,
            stop => panic!("{stop:?}"),
        }
    }
}

/// Where a request goes to.
#[derive(Clone, Copy)]
enum At {
    Token,
    Introspection,
    Revocation,
}

impl House {
    /// Runs a request from there, at that second, with these facts.
    fn end(&self, (source, second): (&str, i64), at: At, credentials: &Credentials, known: &Facts) -> End {
        let state = self.state();
        let (random, mut facts) = (Random::from_seed([5; 32]), known.clone());
        let request_id = RequestId::parse("0123456789abcdef").expect("an id");
        let source: IpAddr = source.parse().expect("an address");
        let about = AboutToken { credentials: credentials.clone(), token: Some(Presented::new("x")), form: AnswerForm::Json };
        let request = TokenRequest {
            credentials: credentials.clone(),
            grant_type: Some("client_credentials".into()),
            ..TokenRequest::default()
        };
        loop {
            let now = self.now.plus_seconds(second);
            let world = World { now, random: &random, request_id: &request_id, source, facts: &facts };
            let known = self.engine.known(&state);
            let outcome = self.engine.decide(&world, |changing, world| match at {
                At::Token => token(known, world, changing, &request).map(drop),
                At::Introspection => introspect(known, world, changing, &about).map(drop),
                At::Revocation => revoke_token(known, world, changing, &about).map(drop),
            });
            match outcome.map_err(|stopped| stopped.stop) {
                Ok(()) => return End::Passed,
                Err(Stop::Need(Need::Records)) => facts.patience = Patience::Waits,
                Err(Stop::Need(need @ (Need::Client { .. } | Need::ApiKey { .. }))) => {
                    self.engine.meet(now, &need, &mut facts).expect("a store");
                }
                Err(stop) => return stop.into(),
            }
        }
    }

    fn ask_from(&self, source: &str, second: i64, id: &str, secret: &str) -> End {
        self.end((source, second), At::Token, &posted(id, Some(secret)), &Facts::default())
    }
}

fn posted(id: &str, secret: Option<&str>) -> Credentials {
    Credentials { body_id: Some(id.into()), body_secret: secret.map(Presented::new), ..Credentials::default() }
}

fn in_header(id: &str, secret: &str) -> Credentials {
    Credentials { basic: Some((id.as_bytes().to_vec(), RawSecret(secret.as_bytes().to_vec()))), ..Credentials::default() }
}

#[test]
fn the_thirty_first_failure_is_told_to_wait_and_the_right_secret_still_passes() {
    let house = House::new(|_, _| {});
    for guess in 0..30 {
        assert_eq!(house.ask_from(ATTACKER, 0, "build-7", &format!("guess {guess}")), End::Refused(Why::ClientSecretWrong));
    }
    let held = End::Held(Why::ClientTooManyFailures, 2);
    assert_eq!(house.ask_from(ATTACKER, 0, "build-7", "guess"), held);
    // From the attacker's own address, too; and nobody else waits.
    assert_eq!(house.ask_from(ATTACKER, 0, "build-7", SECRET), End::Passed);
    assert_eq!(house.ask_from(ATTACKER, 0, "build-7", "guess"), held);
    assert_eq!(house.ask_from(ELSEWHERE, 0, "build-7", SECRET), End::Passed);
    assert_eq!(house.ask_from(ELSEWHERE, 0, "build-7", "guess"), End::Refused(Why::ClientSecretWrong));
    assert_eq!(house.ask_from(ATTACKER, 2, "build-7", "guess"), End::Refused(Why::ClientSecretWrong));
    assert_eq!(house.ask_from(ATTACKER, 2, "build-7", "guess"), held);
}

#[test]
fn an_unknown_client_is_held_like_a_known_one() {
    let house = House::new(|_, _| {});
    for id in ["build-7", "nobody", "no such\u{1}id"] {
        let ends: Vec<bool> =
            (0..35).map(|_| house.ask_from(ATTACKER, 0, id, "guess") == End::Held(Why::ClientTooManyFailures, 2)).collect();
        assert_eq!(ends, (0..35).map(|index| index >= 30).collect::<Vec<_>>(), "{id}");
    }
}

#[test]
fn all_endpoints_and_spellings_share_one_budget() {
    let house = House::new(|_, _| {});
    let spellings = [
        posted("build-7", Some("guess")),
        in_header("build-7", "guess"),
        in_header("build%2D7", "guess"),
        posted("build-7", None),
        in_header("%62uild-7", "gue+ss"),
    ];
    let all =
        || [At::Token, At::Introspection, At::Revocation].into_iter().flat_map(|at| spellings.iter().map(move |one| (at, one)));
    let mut ends = all().chain(all()).map(|(at, one)| house.end((ATTACKER, 0), at, one, &Facts::default()));
    assert!(ends.by_ref().take(30).all(|end| matches!(end, End::Refused(_))));
    assert!(
        all().all(|(at, one)| {
            house.end((ATTACKER, 0), at, one, &Facts::default()) == End::Held(Why::ClientTooManyFailures, 2)
        })
    );
}

#[test]
fn many_clients_from_one_source_share_its_own_budget() {
    let house = House::new(|_, _| {});
    let ends: Vec<End> = (0..310).map(|index| house.ask_from(ATTACKER, 0, &format!("client-{index}"), "guess")).collect();
    assert!(ends[..300].iter().all(|end| *end == End::Refused(Why::ClientUnknown)));
    assert!(ends[300..].iter().all(|end| *end == End::Held(Why::ClientTooManyFailures, 1)), "{:?}", &ends[300..]);
    assert_eq!(house.ask_from(ATTACKER, 0, "build-7", SECRET), End::Passed);
}

#[test]
fn what_was_right_before_looks_like_what_was_never_right() {
    let house = House::new(|_, client| {
        let ClientKind::Confidential { secrets, .. } = &mut client.kind else { panic!("it has secrets") };
        secrets[0].expires_at = Some(NOW);
    });
    for _ in 0..30 {
        assert_eq!(house.ask_from(ATTACKER, 0, "build-7", SECRET), End::Refused(Why::ClientSecretExpired));
    }
    assert_eq!(house.ask_from(ATTACKER, 0, "build-7", SECRET), End::Held(Why::ClientTooManyFailures, 2));
}

#[test]
fn a_public_client_that_says_its_id_has_not_failed() {
    let house = House::new(|_, client| client.kind = ClientKind::Public);
    for _ in 0..100 {
        assert_eq!(house.end((ATTACKER, 0), At::Revocation, &posted("build-7", None), &Facts::default()), End::Passed);
    }
}

#[test]
fn a_source_whose_budget_is_spent_has_nothing_hashed_and_others_have() {
    let phc = "$2b$04$abcdefghijklmnopqrstuughE8Ev8uGFaUgY2cNEySvxngrb/Jzdm";
    let house = House::new(|_, client| {
        let ClientKind::Confidential { secrets, .. } = &mut client.kind else { panic!("it has secrets") };
        secrets[0].hash = SecretHash::Foreign { phc: phc.into() };
    });
    let facts = |value: &str, verdict| Facts {
        slow_hashes: vec![(phc.into(), jeton_jose::sha256(value.as_bytes()), verdict)],
        ..Facts::default()
    };
    assert_eq!(house.ask_from(ATTACKER, 0, "build-7", "guess"), End::SlowHash);
    for _ in 0..30 {
        let end = house.end((ATTACKER, 0), At::Token, &posted("build-7", Some("guess")), &facts("guess", false));
        assert_eq!(end, End::Refused(Why::ClientSecretWrong));
    }
    assert_eq!(house.ask_from(ATTACKER, 0, "build-7", "guess"), End::Held(Why::ClientTooManyFailures, 2));
    assert_eq!(house.ask_from(ELSEWHERE, 0, "build-7", SECRET), End::SlowHash);
    // What was compared already is not lost.
    let end = house.end((ATTACKER, 0), At::Token, &posted("build-7", Some(SECRET)), &facts(SECRET, true));
    assert_eq!(end, End::Passed);
}

#[test]
fn the_budgets_can_be_switched_off() {
    let house = House::new(|realm, _| realm.settings.failures.per_client = 0);
    for _ in 0..1000 {
        assert_eq!(house.ask_from(ATTACKER, 0, "build-7", "guess"), End::Refused(Why::ClientSecretWrong));
    }
}

#[test]
fn wrong_api_keys_are_held_and_the_right_one_passes() {
    let house = House::new(|_, _| {});
    house.write(|records, house| {
        let mut resource = resource("https://keyed.acme.example", "keyed");
        resource.api_key = Placement::Header;
        records.insert(&resource)?;
        Ok(records.update(&house.realm)?)
    });
    let token = house.ask(3, &body(Some(SECRET))).expect("a token").access_token;
    let call = |key: &str| house.call("https://keyed.acme.example", "keyed", &token, Some(key));
    assert_eq!((0..300).map(|index| call(&format!("key {index}"))).filter(|end| *end != Err(Why::ApiKeyUnknown)).count(), 0);
    assert_eq!(call("another"), Err(Why::ApiKeyTooManyFailures));
    assert_eq!(call(API_KEY), Err(Why::TokenAudience));
}

#[test]
fn a_lost_plus_is_found_beside_spaces_that_were_meant() {
    let house = House::new(|_, _| {});
    house.write(|records, house| {
        let mut client = house.client.clone();
        let ClientKind::Confidential { secrets, .. } = &mut client.kind else { panic!("it has secrets") };
        secrets[0].hash = SecretHash::Keyed { mac: house.engine.data().secret_hash(house.realm.key, "two words+one sign") };
        Ok(records.update(&client)?)
    });
    for (sent, why) in [
        ("two words one sign", Why::ClientSecretNotEncoded),
        ("two  words one sign", Why::ClientSecretWrong),
        ("two words one sigh", Why::ClientSecretWrong),
        ("a lot of spaces that are no secret at all ", Why::ClientSecretWrong),
    ] {
        assert_eq!(house.ask_from(ELSEWHERE, 0, "build-7", sent), End::Refused(why), "{sent}");
    }
    assert_eq!(house.ask_from(ELSEWHERE, 0, "build-7", "two words+one sign"), End::Passed);
}
