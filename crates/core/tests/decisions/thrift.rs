//! Thrift, decided over a store: what a wasteful client gets, what is written down of it, and what ends a token that was kept.

use super::*;
use jeton_core::record::{ThriftPolicy, ThriftSettings, audit_of_realm, usage_of_client};
use jeton_core::store::Order;
use jeton_core::tally::Tally;
use jeton_core::token::Told;

fn house(policy: ThriftPolicy) -> House {
    House::new(|realm, _| realm.settings.thrift = ThriftSettings { policy, ..ThriftSettings::default() })
}

impl House {
    fn ask_for(&self, scope: &str) -> Result<Issued, Why> {
        let seed = u8::try_from(self.now.seconds() % 251).expect("small");
        self.ask(seed, &TokenRequest { scope: Some(scope.into()), ..body(Some(SECRET)) })
    }

    /// Asks once a second; the last answer.
    fn per_call(&mut self, seconds: usize) -> Result<Issued, Why> {
        let mut last = Err(Why::RequestMalformed);
        for _ in 0..seconds {
            self.now = self.now.plus_seconds(1);
            last = self.ask_for("read");
        }
        last
    }

    /// Writes down what was counted.
    fn flush(&self) {
        with_world(self.now, 77, |world| Tally::new().flush(&self.engine, world).expect("written"));
    }

    fn present(&self) -> Client {
        self.engine.read(self.now, |reader| reader.read::<Client>(self.client.key)).expect("read").expect("the client")
    }

    fn seen(&self) -> Option<Thrift> {
        self.engine.read(self.now, |reader| reader.read::<Thrift>(self.client.key)).expect("read")
    }
}

/// A client that gets its token again, and that token.
fn repeated(change: impl FnOnce(&mut Realm, &mut Client)) -> (House, Issued) {
    let mut house = House::new(|realm, client| {
        realm.settings.thrift.policy = ThriftPolicy::Coalesce;
        change(realm, client);
    });
    let token = house.per_call(60).expect("a token");
    (house, token)
}

#[test]
fn a_client_that_wastes_tokens_gets_the_one_it_has_with_its_remaining_life() {
    let mut house = house(ThriftPolicy::Coalesce);
    let first = house.per_call(1).expect("a token");
    let second = house.per_call(1).expect("a token");
    assert!(first.access_token != second.access_token && second.told == Told::Nothing && second.expires_in == 3600);
    let kept = house.per_call(50).expect("a token");
    assert!(matches!(kept.told, Told::Repeated(_)));
    let again = house.per_call(10).expect("a token");
    assert_eq!((&again.access_token, again.expires_in), (&kept.access_token, kept.expires_in - 10));
    assert_eq!(house.call("https://api.acme.example", "read", &again.access_token, None), Ok(()));
    // Another scope is another token.
    assert_ne!(house.ask_for("write").expect("a token").access_token, kept.access_token);
    // Five minutes before its end nobody gets it any more.
    let mut tokens = BTreeSet::new();
    for _ in 0..7200 {
        let token = house.per_call(1).expect("a token");
        assert!(token.expires_in > 300);
        tokens.insert(token.access_token);
    }
    // Those that it may take, and one whenever the last got too old.
    assert!((2..=12).contains(&tokens.len()), "{}", tokens.len());
}

#[test]
fn a_kept_token_is_never_handed_out_when_anything_has_changed() {
    type Changing = fn(&mut House);
    let changes: [(&str, Changing); 5] = [
        ("the client's tokens are revoked", |house| {
            let from = Time::from_seconds(house.now.seconds() + 1);
            house.write(|records, house| Ok(records.update(&Client { not_before: from, ..house.client.clone() })?));
        }),
        ("the realm's tokens are revoked", |house| {
            let from = Time::from_seconds(house.now.seconds() + 1);
            house.write(|records, house| Ok(records.update(&Realm { not_before: from, ..house.realm.clone() })?));
        }),
        ("the client is changed", |house| {
            let title = Title::parse("Another title").expect("a title");
            house.write(|records, house| Ok(records.update(&Client { title: title.clone(), ..house.client.clone() })?));
        }),
        ("tokens are made in another way", |house| {
            let mut realm = house.realm.clone();
            realm.settings.access_token.format = AccessTokenFormat::Opaque;
            house.write(|records, _| Ok(records.update(&realm)?));
        }),
        ("the key is withdrawn", |house| {
            let (signing, pkcs8) = SigningKey::generate(Algorithm::Es256).expect("a key");
            house.write(|records, house| {
                let old = records.read::<SigningKeyRecord>(key("signing key"))?.expect("the key");
                let sealed = house.engine.data().seal_signing_key([2; 12], house.realm.key, signing.kid(), &pkcs8);
                let fresh = SigningKeyRecord { key: key("fresh"), kid: signing.kid().into(), sealed, ..old.clone() };
                records.insert(&fresh)?;
                records.update(&SigningKeyRecord { state: KeyState::Gone { since: house.now, end: KeyEnd::Revoked }, ..old })?;
                Ok(records.update(&house.realm)?)
            });
        }),
    ];
    for (what, change) in changes {
        let (mut house, kept) = repeated(|_, _| {});
        assert!(matches!(kept.told, Told::Repeated(_)), "{what}");
        change(&mut house);
        house.now = house.now.plus_seconds(2);
        let fresh = house.ask_for("read").expect("a token");
        assert_ne!(fresh.access_token, kept.access_token, "{what}");
        assert_eq!(house.call("https://api.acme.example", "read", &fresh.access_token, None), Ok(()), "{what}");
    }
    let (mut house, kept) = repeated(|_, _| {});
    house.engine.memory.thrift.forget_kept(house.realm.key, house.client.key);
    assert_ne!(house.per_call(1).expect("a token").access_token, kept.access_token, "it was forgotten");
}

#[test]
fn an_answer_with_a_refresh_token_is_never_repeated() {
    let (mut house, last) = repeated(|realm, client| {
        realm.permissions.insert(Permission::RefreshWithClientCredentials);
        client.grants.insert(GrantName::RefreshToken);
    });
    assert!(matches!(last.told, Told::Coached(_)) && last.refresh_token.is_some());
    assert_ne!(house.per_call(1).expect("a token").access_token, last.access_token);
}

#[test]
fn a_client_whose_tokens_begin_families_is_measured_like_any_other() {
    let mut house = House::new(|realm, client| {
        realm.settings.thrift = ThriftSettings { policy: ThriftPolicy::Suspend, ..ThriftSettings::default() };
        realm.settings.refresh_token.with_client_credentials = WithClientCredentials::Rotating;
        realm.permissions.insert(Permission::RefreshWithClientCredentials);
        client.grants.insert(GrantName::RefreshToken);
    });
    let first = house.per_call(1).expect("a token");
    let last = (0..300).map(|_| house.per_call(1)).find_map(Result::err);
    assert!(first.refresh_token.is_some() && last.is_some(), "it was never held back");
    // What was refused began no family: the first token's refresh token is used, and held back, too.
    let used = TokenRequest {
        grant_type: Some("refresh_token".into()),
        refresh_token: first.refresh_token.as_deref().map(Presented::new),
        ..body(Some(SECRET))
    };
    assert_eq!(house.ask(250, &used).err(), last);
}

#[test]
fn whoever_goes_on_is_suspended_durably_with_a_reason_and_begins_anew_when_enabled() {
    let mut house = house(ThriftPolicy::Suspend);
    let begun = house.now;
    while house.per_call(1).is_ok() {}
    let reason = match house.present().status {
        Status::Suspended { reason } => reason.to_string(),
        other => panic!("{other:?} after {} s", house.now.seconds() - begun.seconds()),
    };
    assert!(house.now.seconds() - begun.seconds() < 60);
    assert!(reason.starts_with("It asked for 3") && reason.ends_with("while those it had were still fresh."), "{reason}");
    assert_eq!(house.per_call(1), Err(Why::ClientSuspended));
    let audits: Vec<Audit> = house
        .engine
        .read(house.now, |reader| reader.scan(audit_of_realm(house.realm.key), None, Order::Ascending, 10))
        .expect("read");
    assert_eq!(audits.iter().map(|audit| audit.action.as_str()).collect::<Vec<_>>(), ["client.suspend"]);
    assert!(audits[0].actor == Actor::System && audits[0].target == "acme/client/build-7", "{audits:?}");
    house.flush();
    // Another node hears of it.
    let other = House { engine: open(&house.store, house.now), store: Arc::clone(&house.store), ..house };
    assert_eq!(other.ask_for("read"), Err(Why::ClientSuspended));
    let enabled = Client { status: Status::Active, ..other.present() };
    other.write(|records, _| Ok(records.update(&enabled)?));
    let mut house = House { now: other.now.plus_seconds(1), ..other };
    // More than it may take at once: what it wasted before is forgotten.
    for _ in 0..30 {
        let token = house.per_call(1).expect("it begins anew");
        assert_eq!(token.told, Told::Nothing);
    }
}

#[test]
fn the_request_that_leads_to_a_suspension_is_counted_once() {
    let mut house = house(ThriftPolicy::Suspend);
    let begun = house.now;
    while house.per_call(1).is_ok() {}
    assert_eq!(house.per_call(0), Err(Why::RequestMalformed), "nothing was asked");
    let asked = u64::try_from(house.now.seconds() - begun.seconds()).expect("later");
    house.flush();
    let usage: Vec<Usage> = house
        .engine
        .read(house.now, |reader| reader.scan(usage_of_client(house.client.key), None, Order::Ascending, 10))
        .expect("read");
    assert_eq!(usage.iter().map(|row| row.asked).sum::<u64>(), asked);
    let wasted = asked - 20;
    assert_eq!(house.seen().map(|seen| seen.wasted), Some(wasted));
    let Status::Suspended { reason } = house.present().status else { panic!("it is not suspended") };
    assert!(reason.to_string().contains(&format!(" {wasted} tokens ")), "{reason}");
}

#[test]
fn a_suspension_ends_tokens_that_count_from_later_too() {
    let from = NOW.plus_seconds(10);
    let mut house = House::new(|realm, _| {
        realm.settings.thrift = ThriftSettings { policy: ThriftPolicy::Suspend, patience: 4, ..ThriftSettings::default() };
        // All of the realm's tokens were just ended, under a clock that was a little ahead.
        realm.not_before = from;
    });
    for _ in 0..40 {
        let _ = house.ask_for("read");
    }
    while house.present().status.is_active() && house.now < from {
        let _ = house.per_call(1);
    }
    assert!(!house.present().status.is_active());
    assert!(house.present().not_before > from, "what it got would live again when it is enabled");
}

#[test]
fn where_nothing_can_be_written_a_client_is_held_back_instead_of_suspended() {
    let mut house = house(ThriftPolicy::Suspend);
    let refused = |house: &House| {
        let (state, random) = (house.state(), Random::from_seed([3; 32]));
        let request_id = RequestId::parse("0123456789abcdef").expect("an id");
        let client = Arc::new(house.client.clone());
        let facts = Facts {
            fault: Some(jeton_core::refusal::Fault::Unavailable("gone".into())),
            clients: vec![(house.realm.key, client.client_id.clone(), Some(client))],
            ..Facts::default()
        };
        let world = World { now: house.now, random: &random, request_id: &request_id, source: World::INSIDE, facts: &facts };
        let request = TokenRequest { scope: Some("read".into()), ..body(Some(SECRET)) };
        let known = house.engine.known(&state);
        token(known, &world, &mut Changing::later(&facts), &request).map(drop).map_err(|stopped| stopped.stop)
    };
    for _ in 0..100 {
        house.now = house.now.plus_seconds(1);
        let _ = refused(&house);
    }
    assert!(matches!(refused(&house), Err(Stop::RefuseFor(Why::ThriftLimited, pace)) if pace.reset > 1 && pace.left == 0));
    assert_eq!(house.present().status, Status::Active);
    assert_eq!(house.per_call(1), Err(Why::ClientSuspended));
}

#[test]
fn a_restart_forgives_nobody_and_usage_says_what_was_needed() {
    let mut house = house(ThriftPolicy::Suspend);
    house.per_call(40).expect("a token");
    house.flush();
    let seen = house.seen().expect("it wastes tokens");
    assert_eq!(seen.wasted, 20);
    let usage: Vec<Usage> = house
        .engine
        .read(house.now, |reader| reader.scan(usage_of_client(house.client.key), None, Order::Ascending, 10))
        .expect("read");
    assert_eq!(usage.iter().fold((0, 0), |(asked, needed), row| (asked + row.asked, needed + row.needed)), (40, 1));
    let mut house = House { engine: open(&house.store, house.now), store: Arc::clone(&house.store), ..house };
    let before = house.now;
    while house.per_call(1).is_ok() {}
    // What it may take at once it gets again; its waste was not forgotten. Without it, that would last 52 seconds.
    let lasted = house.now.seconds() - before.seconds();
    assert!((20..42).contains(&lasted), "{lasted}");
}

#[test]
fn a_thrifty_client_leaves_no_record() {
    let mut house = house(ThriftPolicy::Suspend);
    for _ in 0..48 {
        house.now = house.now.plus_seconds(3300);
        assert_eq!(house.ask_for("read").expect("a token").told, Told::Nothing);
        house.flush();
    }
    assert_eq!(house.seen(), None);
}

#[test]
fn two_nodes_count_together() {
    let house = house(ThriftPolicy::Observe);
    let other = House {
        engine: open(&house.store, house.now),
        store: Arc::clone(&house.store),
        realm: house.realm.clone(),
        client: house.client.clone(),
        now: house.now,
    };
    let mut nodes = [house, other];
    for second in 0..120 {
        let now = NOW.plus_seconds(second);
        for node in &mut nodes {
            node.now = now;
        }
        nodes[usize::try_from(second % 2).expect("small")].ask_for("read").expect("a token");
        for node in &nodes {
            node.flush();
        }
    }
    let seen = nodes[0].seen().expect("it wastes tokens");
    // Each gives what may be taken at once; what came after that was counted by both.
    assert_eq!(seen.wasted, 80);
    assert!(seen.level > 20 * 4000, "{}", seen.level);
}
